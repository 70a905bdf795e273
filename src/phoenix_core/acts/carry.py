"""The signed commands that mend what only a human may mend: resolve, cancel orphans, resume, refresh."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_core.acts.after import HELD_STATES, after_order, cancel_request
from phoenix_core.acts.approve import kill_over
from phoenix_core.acts.attribute import attributed
from phoenix_core.beads import (
    Body,
    Draft,
    KillKind,
    Order,
    OrderEvent,
    PositionEvent,
    Proof,
    ProofKind,
    Resolution,
    StateAnchor,
)
from phoenix_core.desk import Desk
from phoenix_core.gate import kill_flags
from phoenix_core.gate import statements as says
from phoenix_core.gate.stale_gate import EVERY
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.trade.fills import stated
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open, changed
from phoenix_core.trade.transitions import move
from phoenix_core.values import (
    Account,
    CommandId,
    Moment,
    Quantity,
    Role,
    State,
    plain,
)
from phoenix_core.watch.alerts import drift_answered, drift_known, resolved
from phoenix_core.watch.codes import Code
from phoenix_core.watch.drift import may_resolve, open_drift, resolution_bead
from phoenix_core.watch.observations import is_absent, is_reconciled
from phoenix_core.watch.session import ReconnectState, resumed
from phoenix_core.world import World

Beads = list[Body | Draft | None]
# Two pictures this far apart in one session: an order that neither shows is not on its way any more.
ABSENT_FOR: Final = timedelta(seconds=30)


@frozen
class Signed:
    """Where a signed command is recorded, who signed it, the command that carries it out, and since when it lives."""

    seq: int
    by: str
    command_id: CommandId
    at: Moment


def held_position(desk: Desk, name: str) -> Open | Refusal:
    """A position that holds something, by its id or its intent's."""
    position = desk.positions.find(name)
    if not isinstance(position, Open):
        return refusal(Reason.UNKNOWN_POSITION, detail=name)
    moved = move(position.state, PositionEvent.CLOSED)
    if not is_successful(moved):
        detail = moved.failure().detail
        return refusal(Reason.NOTHING_TO_CLOSE, *moved.failure().reasons, detail=f"the table has no row: {detail}")
    if position.held <= 0:
        return refusal(Reason.NOTHING_TO_CLOSE, detail=f"{position.state}, {plain(position.held)} held")
    return position


def resolve_stalled(desk: Desk, said: says.ResolveStalled, signed: Signed, world: World) -> Ruling:
    """End a STALLED position by a human's word; `cancelled` and `rejected` only where two pictures show nothing."""
    position = desk.positions.find(said.position)
    if not isinstance(position, Open) or position.state is not State.STALLED:
        return denied(refusal(Reason.WRONG_STATE, detail="only a STALLED position is resolved this way"))
    proof = Proof(ProofKind.OPERATOR_DECISION, str(signed.seq))
    over = resolved(desk.alerts, Code.POSITION_STALLED, position.position_id, signed.by)
    if said.as_ is says.StalledEnd.FILLED:
        return _stalled_filled(desk, position, said, signed, proof, over, world)
    if not is_absent(desk.observations, position.order_ref or "", desk.sessions.session, ABSENT_FOR):
        detail = "two complete pictures 30 s apart in this session must show neither the order nor its holding"
        return denied(refusal(Reason.SNAPSHOTS_MISSING, detail=detail))
    rejected = said.as_ is says.StalledEnd.REJECTED
    event = PositionEvent.REJECTED if rejected else PositionEvent.CANCELLED
    status = "REJECTED" if rejected else "CANCELLED"
    ends = [_end(order, status, signed) for order in desk.orders.of(position.position_id) if order.end is None]
    heard = (resolved(desk.alerts, Code.EXIT_UNKNOWN, end.ref, signed.by) for end in ends)  # no word is owed of them
    return granted(position.position_id, *ends, changed(position, event, proof, reasons=("OPERATOR",)), over, *heard)


def _stalled_filled(
    desk: Desk,
    position: Open,
    said: says.ResolveStalled,
    signed: Signed,
    proof: Proof,
    over: Body | None,
    world: World,
) -> Ruling:
    """Book what a human read in the broker's papers. The whole of it is the order's end; of a part the rest may still
    work, so its end is asked for."""
    if said.quantity is None or said.price is None or not said.reference:
        return denied(refusal(Reason.RESOLUTION_NOT_PROVEN, detail="state quantity, price and the broker's reference"))
    if said.quantity > position.requested_quantity:
        detail = f"{plain(said.quantity)} of {plain(position.requested_quantity)} ordered: resolve the drift instead"
        return denied(refusal(Reason.RESOLUTION_NOT_PROVEN, detail=detail))
    booked = stated(
        f"stated.{signed.seq}.01",
        position.position_id,
        position.order_ref or "",
        Role.ENTRY,
        position.pair,
        position.side,
        said.quantity,
        said.price,
        world.now.wall,
    )
    entry = desk.orders.entry_of(position.position_id)
    filled = changed(
        position,
        PositionEvent.FILLED,
        proof,
        filled=said.quantity,
        average_entry=said.price,
        entry_working=said.quantity < position.requested_quantity and entry is not None and entry.end is None,
    )
    return granted(position.position_id, booked, *_entry_after(entry, said.quantity, signed, world), filled, over)


def _entry_after(entry: Known | None, quantity: Quantity, signed: Signed, world: World) -> Beads:
    if entry is None or entry.end is not None:
        return []
    if quantity < entry.line.quantity:
        return [] if entry.cancel_requested else [cancel_request(entry, f"decision {signed.seq}", world.now)]
    ended = Order(
        event=OrderEvent.ENDED,
        position_id=entry.position_id,
        ref=entry.ref,
        role=entry.role,
        status="FILLED",
        filled=quantity,
        reason=f"decision {signed.seq}",
    )
    return [ended]


def resolve_drift(desk: Desk, said: says.ResolveDrift, signed: Signed, world: World) -> Ruling:
    """A human's answer to a drift. An attribution books the execution that it names, or states."""
    named = (said.execution,) if said.execution else ()
    judged = may_resolve(desk.drifts, said.drift, said.as_, said.notes, named)
    if not is_successful(judged):
        return denied(judged.failure())
    drift = judged.unwrap()
    bodies: Beads = [resolution_bead(drift, said.as_, signed.by, said.notes)]
    if said.as_ is Resolution.PHOENIX_CORRECTED:
        booked = attributed(desk, drift, said, signed.seq, signed.command_id, world)
        if isinstance(booked, Refusal):
            return denied(booked)
        bodies.extend(booked)
        bodies.append(drift_answered(desk.alerts, drift, signed.by))
        bodies.extend(lifted(desk, drift.identity, signed.by))
    elif said.as_ is Resolution.ACKNOWLEDGED:
        bodies.append(drift_known(desk.alerts, drift, signed.by))
    return granted(drift.identity, *bodies)


def lifted(desk: Desk, identity: str, by: str) -> Beads:
    """The DRIFT kills of a drift that a human resolved come down with it."""
    found: Beads = []
    for flag in desk.kill_flags.standing.values():
        if flag.type is KillKind.DRIFT and flag.drift == identity:
            found.append(kill_flags.lift_flag(flag, by, "drift resolved"))
            found.extend(kill_over(desk, flag, by))
    return found


def cancel_orphans(desk: Desk, said: says.CancelOrphans, signed: Signed, world: World) -> Ruling:
    """Cancel exactly the orders that the human saw named. What no picture shows any more ends with this signature, for
    nobody else will say so; its cancel is asked for all the same."""
    drift = open_drift(desk.drifts, said.drift)
    if drift is None:
        return denied(refusal(Reason.UNKNOWN_DRIFT, detail=said.drift))
    if not set(said.refs) <= set(drift.refs):
        return denied(refusal(Reason.RESOLUTION_NOT_PROVEN, detail="these are not the orders of that drift"))
    known = [order for ref in said.refs if (order := desk.orders.find(ref)) is not None and order.end is None]
    bodies: Beads = [cancel_request(order, f"orphan, decision {signed.seq}", world.now) for order in known]
    gone = tuple(order for order in known if _is_gone(desk, order))
    ends = tuple(_end(order, "CANCELLED", signed) for order in gone)
    proof = Proof(ProofKind.OPERATOR_DECISION, str(signed.seq))
    for n, (order, end) in enumerate(zip(gone, ends, strict=True)):
        bodies += [end, *after_order(desk, order, end, world, signed.command_id, proof, ends[:n])]
    return granted(drift.identity, *bodies)


def _is_gone(desk: Desk, order: Known) -> bool:
    """Whether two pictures of this session, and all between, show nothing of an order. While nothing of its entry was
    executed, and the position is open, `resolve-stalled` decides."""
    position = desk.positions.open.get(order.position_id)
    left = position is None or position.state in HELD_STATES
    return left and is_absent(desk.observations, order.ref, desk.sessions.session, ABSENT_FOR)


def _end(order: Known, status: str, signed: Signed) -> Order:
    return Order(
        event=OrderEvent.ENDED,
        position_id=order.position_id,
        ref=order.ref,
        role=order.role,
        status=status,
        reason=f"decision {signed.seq}",
    )


def resume(desk: Desk, said: says.Resume, signed: Signed, world: World) -> Ruling:
    """Three more attempts for an escalated link."""
    if desk.sessions.state is not ReconnectState.ESCALATED:
        return denied(refusal(Reason.NOTHING_TO_DO, detail=f"the link is {desk.sessions.state}"))
    genesis = desk.genesis
    account = Account(genesis.account, genesis.account_mask)
    heard = resolved(desk.alerts, Code.LINK_ANSWERS, "link", signed.by)  # told anew where these attempts fail too
    return granted("link", resumed(desk.sessions, genesis.mode, account, genesis.port), heard)


def refresh_anchor(desk: Desk, said: says.RefreshAnchor, signed: Signed, world: World) -> Ruling:
    """A human looked at the context, after a complete reconciliation of this session."""
    if not is_reconciled(desk.observations, desk.sessions.session, desk.sessions.connected_seq):
        return denied(refusal(Reason.NOT_RECONCILED, detail="reconcile completely in this session first"))
    now, strategy = world.now, said.strategy or EVERY
    return granted(strategy, StateAnchor(strategy, said.state_hash, said.regime, signed.by, now.ticks, now.boot))
