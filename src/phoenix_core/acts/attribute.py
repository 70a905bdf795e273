"""Booking what a human attributes: an execution that the broker's statement shows and our books lack.

The broker tells executions back to midnight only; what was lost before that, nobody but a human can bring. It is booked
into the one open position that the drift is about, on the side that makes the difference smaller, and never for more
than the difference, the rest of the entry, or what is held: whatever lies beyond is exposure of its own, to be adopted.
It keeps the broker's own execution id, so that the execution itself, should it still come, adds nothing.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from phoenix_core.acts.after import after_execution
from phoenix_core.acts.last_look import baseline_of
from phoenix_core.beads import Body, Draft, Proof, ProofKind
from phoenix_core.desk import Desk
from phoenix_core.facts import ExecutionSaid, Snapshot
from phoenix_core.gate.statements import ResolveDrift
from phoenix_core.orders import parsed_ref
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.trade.executions import STATED, family_of
from phoenix_core.trade.fills import Answer
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open
from phoenix_core.values import ARITHMETIC, ZERO, Role, Side, plain
from phoenix_core.watch.drift import OpenDrift
from phoenix_core.world import World

Beads = list[Body | Draft | None]


@frozen
class _Place:
    """Where an execution belongs, and how much of it the books can lack there."""

    position: Open
    ref: str
    role: Role
    most: Decimal


def attributed(
    desk: Desk, drift: OpenDrift, said: ResolveDrift, decision: int, key: str, world: World
) -> Beads | Refusal:
    """The beads that book what a statement attributes; none where the books hold it already."""
    name = said.execution
    assert name, "an attribution that names no execution is refused before"
    if family_of(name)[0] in desk.fills.owners:
        return []
    if name.startswith(STATED):
        return _unproven(f"{name} is no id of the broker's")
    if said.quantity is None or said.price is None:
        return _unproven(f"the books do not hold {name}: state its quantity and price from the broker's statement")
    place = _at_order(desk, drift.refs[0]) if len(drift.refs) == 1 else _at_holding(desk, drift, world)
    if isinstance(place, Refusal):
        return place
    position, totals = place.position, desk.fills.totals(place.position.position_id)
    room = totals.held if place.role.is_exit else ARITHMETIC.subtract(position.requested_quantity, totals.entered)
    most = min(place.most, room)
    if said.quantity > most:
        return _unproven(
            f"{plain(said.quantity)} of {plain(max(most, ZERO))} that can be missing there; adopt the rest"
        )
    execution = ExecutionSaid(
        message=f"decision {decision}",
        session=desk.sessions.session,
        exec_id=name,
        ref=place.ref,
        account=desk.genesis.account,
        perm_id=0,
        symbol=position.pair,
        side=_side_of(position, place.role),
        quantity=said.quantity,
        price=said.price,
        at=world.now.wall,
    )
    by = Proof(ProofKind.OPERATOR_DECISION, str(decision))
    return after_execution(desk, position, execution, place.role, Answer.NEW, world, key, by)


def _unproven(detail: str) -> Refusal:
    return refusal(Reason.RESOLUTION_NOT_PROVEN, detail=detail)


def _side_of(position: Open, role: Role) -> Side:
    return position.side.other if role.is_exit else position.side


def _at_order(desk: Desk, ref: str) -> _Place | Refusal:
    """The drift names one order of ours: the execution is that order's."""
    position, parsed = desk.positions.open_of_ref(ref), parsed_ref(ref)
    if position is None or parsed is None:
        return _unproven(f"{ref} is of no open position; `adopt` gives exposure an owner")
    return _Place(position, ref, parsed[1], position.requested_quantity)


def _at_holding(desk: Desk, drift: OpenDrift, world: World) -> _Place | Refusal:
    """The drift names a holding: the execution is of the one position there, on the side that the picture lacks."""
    symbol = drift.instrument or ""
    owners = [desk.positions.open[name] for name in desk.positions.by_pair.get(symbol, ())]
    if len(owners) != 1:
        return _unproven(f"{len(owners)} positions of ours in {symbol or 'no instrument'}; `adopt` gives it an owner")
    if world.snapshot is None:
        return refusal(Reason.SNAPSHOTS_MISSING, detail="no whole picture of the broker yet: reconcile first")
    theirs = ARITHMETIC.subtract(world.snapshot.held(symbol), baseline_of(desk, symbol))
    gap = ARITHMETIC.subtract(theirs, desk.positions.net(symbol))
    position = owners[0]
    entered = (gap > 0) == (position.side is Side.BUY)
    most = gap.copy_abs()
    order = _ahead(desk, position, entered, most, world.snapshot)
    if order is not None:
        return _Place(position, order.ref, order.role, most)
    return _Place(position, "", Role.ENTRY if entered else Role.CLOSE, most)


def _ahead(desk: Desk, position: Open, entered: bool, gap: Decimal, picture: Snapshot) -> Known | None:
    """The one order by whose own word all that the picture lacks was its own: an execution that is booked as nobody's
    would leave it with more to execute than it has. None where something of nobody's stands already: it may be that;
    and what an order said after the picture began is not what that lacks."""
    if any(fill.stated and not fill.ref for fill in desk.fills.of(position.position_id)):
        return None
    executed, began = desk.fills.executed(position.position_id), picture.began.wall
    lacks = {
        order.ref: ARITHMETIC.subtract(order.filled, executed.get(order.ref, ZERO))
        for order in desk.orders.of(position.position_id)
        if order.role.is_exit is not entered and (order.told_at or began) <= began
    }
    ahead = [ref for ref, lack in lacks.items() if lack > 0]
    return desk.orders.find(ahead[0]) if len(ahead) == 1 and lacks[ahead[0]] == gap else None
