"""Leaving a position by hand, and the other signed commands that the engine carries out once it reads them in the log.

Every command here answers an obligation: the DECISION bead that recorded a human's signature. Its answer settles that
obligation, whether it was done or refused, so that nothing a human signed is ever silently forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts import carry
from phoenix_core.acts.after import cancel_request
from phoenix_core.acts.submit import exit_frames
from phoenix_core.beads import About, Decision, Draft, Observation, Order, OrderEvent, Settlement, Settles
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut
from phoenix_core.gate import statements as says
from phoenix_core.orders import Line, exit_ref, group_of
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade import exits
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, OrderRef, Price, Quantity, Role
from phoenix_core.world import World


@frozen
class Carry:
    """Carry out what a human signed: the decision at this place in the log."""

    command_id: CommandId
    seq: int
    index: int = 0


@frozen
class Shrink:
    """The entry ended partly filled: its protection shrinks to what is held."""

    command_id: CommandId
    position_id: str


Command = Carry | Shrink


def _carry(desk: Desk, command: Carry, world: World) -> Ruling:
    key = (command.seq, command.index)
    owed = desk.owed.get(key)
    recorded = desk.approvals.recent.get(command.seq)
    if not isinstance(owed, CarryOut) or recorded is None:
        return denied(refusal(Reason.NOTHING_TO_DO, detail="answered already"))
    if not _is_verified(recorded, command.seq, world):
        return _answered(command, recorded, denied(refusal(Reason.SIGNATURE_WRONG, detail="does not verify")))
    statement = says.read_statement(recorded.signed.statement.encode())
    if world.now.wall >= statement.exp:
        return _answered(command, recorded, denied(refusal(Reason.EXIT_EXPIRED, detail="signed too long ago")))
    by = desk.approvals.name_of(recorded.signed.key)
    ruling = _CARRIERS[type(statement.says)](
        desk, statement.says, carry.Signed(command.seq, by, command.command_id), world
    )
    return _answered(command, recorded, ruling)


def _is_verified(recorded: Decision, seq: int, world: World) -> bool:
    checked = world.verified.get(seq)
    return checked is not None and checked.statement == recorded.signed.statement.encode()


def _answered(command: Carry, recorded: Decision, ruling: Ruling) -> Ruling:
    """The ruling, settling the obligation; a refusal that would leave no bead leaves an observation."""
    from returns.pipeline import is_successful

    granted_ = is_successful(ruling.result)
    if not ruling.drafts:
        facts = {"type": recorded.type, "outcome": "done" if granted_ else "refused"}
        if not granted_:
            facts["reasons"] = " ".join(reason.value for reason in ruling.result.failure().reasons)
            facts["detail"] = ruling.result.failure().detail
        about = About.EFFECT if granted_ else About.REFUSED_COMMAND
        ruling = Ruling((Draft(Observation(about, recorded.subject, facts)),), ruling.result, ruling.texts)
    outcome = Settlement.DONE if granted_ else Settlement.FAILED
    return settling(ruling, Settles(command.seq, command.index, outcome))


# --- exits ------------------------------------------------------------------------------------------------------------


def _close(desk: Desk, said: says.Close, signed: carry.Signed, world: World) -> Ruling:
    position = carry.held_position(desk, said.position)
    if isinstance(position, Refusal):
        return denied(position)
    working = desk.orders.exits_of(position.position_id)
    if any(order.role is Role.CLOSE for order in working):
        return denied(refusal(Reason.CLOSE_ALREADY_WORKING))
    quantity = said.quantity if said.quantity is not None else Quantity(position.held)
    if not 0 < quantity <= position.held:
        return denied(refusal(Reason.EXIT_TOO_LARGE, detail=f"{quantity} of {position.held} held"))
    entry = desk.orders.entry_of(position.position_id)
    if entry is None:
        return denied(refusal(Reason.UNKNOWN_POSITION, detail="its entry is not known"))
    generation = desk.orders.next_generation(position.order_ref or "")
    ref = exit_ref(OrderRef(position.order_ref or ""), Role.CLOSE, generation)
    line = exits.close_line(entry.line, position, quantity)
    # It joins the group of its protection: whichever executes first, the broker takes the others away.
    group = next(
        (order.group for order in working if order.group), group_of(OrderRef(position.order_ref or ""), generation)
    )
    rest = cancel_request(entry, "close") if entry.end is None and entry.cancel_requested_at is None else None
    return granted(
        position.position_id,
        Order(
            event=OrderEvent.RECORDED,
            position_id=position.position_id,
            ref=ref,
            frames=exit_frames(((ref, line),)),
            group=group,
            mandate=f"decision:{signed.seq}",
        ),
        rest,
    )


def _protect(desk: Desk, said: says.Protect, signed: carry.Signed, world: World) -> Ruling:
    position = carry.held_position(desk, said.position)
    if isinstance(position, Refusal):
        return denied(position)
    working = desk.orders.exits_of(position.position_id)
    if exits.working_exits(working) > 0:
        return denied(refusal(Reason.PROTECTION_STILL_WORKS, detail="cancel or wait for the working exits first"))
    entry = desk.orders.entry_of(position.position_id)
    if entry is None:
        return denied(refusal(Reason.UNKNOWN_POSITION, detail="its entry is not known"))
    stop = said.stop if said.stop is not None else position.last.stop_price
    target = said.target if said.target is not None else position.last.target_price
    return granted(
        position.position_id,
        protection_order(desk, position, entry.line, stop, target, f"decision:{signed.seq}"),
    )


def protection_order(desk: Desk, position: Open, entry_line: Line, stop: Price, target: Price, mandate: str) -> Order:
    """Record a new generation of protection for everything that is held."""
    generation = desk.orders.next_generation(position.order_ref or "")
    entry_ref = OrderRef(position.order_ref or "")
    lines = exits.protection_lines(entry_line, Quantity(position.held), stop, target)
    refs = tuple((exit_ref(entry_ref, line.role, generation), line) for line in lines)
    return Order(
        event=OrderEvent.RECORDED,
        position_id=position.position_id,
        ref=refs[0][0],
        frames=exit_frames(refs),
        group=group_of(entry_ref, generation),
        mandate=mandate,
    )


def _shrink(desk: Desk, command: Shrink, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    if position is None or position.last.entry_working:
        return denied(refusal(Reason.NOTHING_TO_DO))
    pair = tuple(
        order
        for order in desk.orders.exits_of(position.position_id)
        if order.role in (Role.STOP, Role.TARGET) and order.acknowledged and order.line.quantity > position.held
    )
    if not pair or position.held <= 0:
        return denied(refusal(Reason.NOTHING_TO_DO))
    shown = desk.evidence.thesis(position.intent_id)
    frames = tuple(exits.resized(order, Quantity(position.held)) for order in pair)
    return granted(
        position.position_id,
        Order(
            event=OrderEvent.RECORDED,
            position_id=position.position_id,
            ref=frames[0].ref,
            frames=frames,
            group=pair[0].group,
            mandate=f"evidence:{shown.leaf}" if shown is not None else None,
        ),
    )


_CARRIERS: Final[Mapping[type, Callable[[Desk, Any, carry.Signed, World], Ruling]]] = {
    says.Close: _close,
    says.Protect: _protect,
    says.Adopt: carry.adopt,
    says.ResolveStalled: carry.resolve_stalled,
    says.ResolveDrift: carry.resolve_drift,
    says.CancelOrphans: carry.cancel_orphans,
    says.Resume: carry.resume,
    says.RefreshAnchor: carry.refresh_anchor,
}

HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {Carry: _carry, Shrink: _shrink}
