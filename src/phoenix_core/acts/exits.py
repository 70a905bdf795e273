"""Leaving a position by hand, and the other signed commands that the engine carries out once it reads them in the log.

Every command here answers an obligation: the DECISION bead that recorded a human's signature. Its answer settles that
obligation, whether it was done or refused, so that nothing a human signed is ever silently forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_core.acts import adoption, carry
from phoenix_core.acts.after import cancel_request
from phoenix_core.acts.last_look import beside, part_of, placeable, restorable, shown_of, signed_moment
from phoenix_core.acts.signatures import command_refusal
from phoenix_core.acts.submit import exit_frames
from phoenix_core.beads import About, Decision, Draft, Observation, Order, OrderEvent, Settlement, Settles
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut
from phoenix_core.gate import statements as says
from phoenix_core.gate.sizing import increment_of
from phoenix_core.orders import Frame, Line, exit_ref, group_of
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade import exits, protection
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Moment, OrderRef, Price, Quantity, Role, is_over, on_grid, plain
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.drift import blocking
from phoenix_core.watch.pacing import has_passed
from phoenix_core.world import World


@frozen
class Carry:
    """Carry out what a human signed: the decision at this place in the log."""

    command_id: CommandId
    seq: int
    index: int


@frozen
class Resize:
    """Protection follows what is held: shrunk after a partial end, grown after a later fill."""

    command_id: CommandId
    position_id: str


@frozen
class Restore:
    """What is held stands without protection: place the mandate's, if it may be placed without a human."""

    command_id: CommandId
    position_id: str


@frozen
class LeaveOnTime:
    """The time that the mandate gives a position is over: it is left at the market."""

    command_id: CommandId
    position_id: str


@frozen
class ClearAway:
    """Nothing is held any more, and exits still work: whatever they would execute now would open a position."""

    command_id: CommandId
    position_id: str


Command = Carry | Resize | Restore | LeaveOnTime | ClearAway

# A session's first whole picture is on its way, or an execution of which an exit's own word told: a close waits for it,
# and for less time than the command line waits for its answer, so that a human hears why nothing was sent.
PICTURE_WITHIN: Final = timedelta(milliseconds=1500)
# What a close does before it is sent.
STAGED: Final = (exits.Step.CANCEL_FIRST, exits.Step.SHRINK_FIRST, exits.Step.WAIT)
# The broker ends the rest of a group with the member that filled, in milliseconds; where it does not, we ask.
GROUP_ENDS_WITHIN: Final = timedelta(seconds=2)


def _carry(desk: Desk, command: Carry, world: World) -> Ruling:
    key = (command.seq, command.index)
    owed = desk.owed.get(key)
    recorded = desk.approvals.recent.get(command.seq)
    if not isinstance(owed, CarryOut) or recorded is None:
        return denied(refusal(Reason.NOTHING_TO_DO, detail="answered already"))
    statement = says.read_statement(recorded.signed.statement.encode())
    if is_over(signed_moment(recorded, statement), world.now, statement.exp - statement.at):
        return _answered(command, recorded, denied(refusal(Reason.EXIT_EXPIRED, detail="signed too long ago")))
    no = command_refusal(desk, command.seq, world)
    if no is not None:
        return _answered(command, recorded, denied(no))
    asked, name = signed_moment(recorded, statement), desk.approvals.name_of(recorded.signed.key)
    signed = carry.Signed(command.seq, name, command.command_id, asked)
    if isinstance(statement.says, says.Close):
        if (waits := _waiting(desk, statement.says, signed, world)) is not None:
            return waits
    return _answered(command, recorded, _CARRIERS[type(statement.says)](desk, statement.says, signed, world))


def _waiting(desk: Desk, said: says.Close, signed: carry.Signed, world: World) -> Ruling | None:
    """What is done for a close that cannot be sent yet, and is not answered yet; None where it is sent or refused now.

    A young session shows no picture yet to size it by; or its protection has to end first.
    """
    way = _way_out(desk, said.position, world, said.quantity, signed)
    if isinstance(way, Refusal):
        return None
    waits = way.stake.unbooked() > 0 or (said.quantity is None and shown_of(desk, way.stake, world) is None)
    if waits and world.link.up and not is_over(signed.at, world.now, PICTURE_WITHIN):
        return denied(refusal(Reason.SNAPSHOTS_MISSING, detail="a picture, or what an exit executed, is on its way"))
    if way.plan.step not in STAGED or _no_close(desk, said, signed, way, world) is not None:
        return None
    return _staged(desk, way, "close", signed.command_id, world)


def _about(no: Refusal) -> About:
    """An event that the table of states does not know is kept as such; every other no is a refused command."""
    return About.REFUSED_EVENT if Reason.ILLEGAL_TRANSITION in no.reasons else About.REFUSED_COMMAND


def _answered(command: Carry, recorded: Decision, ruling: Ruling) -> Ruling:
    """The ruling, settling the obligation; a refusal that would leave no bead leaves an observation."""
    granted_ = is_successful(ruling.result)
    if not ruling.drafts:
        facts = {"type": recorded.type, "outcome": "done" if granted_ else "refused"}
        if not granted_:
            facts["reasons"] = " ".join(reason.value for reason in ruling.result.failure().reasons)
            facts["detail"] = ruling.result.failure().detail
        about = About.EFFECT if granted_ else _about(ruling.result.failure())
        ruling = Ruling((Draft(Observation(about, recorded.subject, facts)),), ruling.result, ruling.texts)
    outcome = Settlement.DONE if granted_ else Settlement.FAILED
    return settling(ruling, Settles(command.seq, command.index, outcome))


# --- exits ------------------------------------------------------------------------------------------------------------


@frozen
class WayOut:
    """How a position can be left now, and what it was entered by."""

    position: Open
    stake: exits.Stake
    plan: exits.ClosePlan
    entry: Line


def _way_out(
    desk: Desk, name: str, world: World, typed: Quantity | None = None, signed: carry.Signed | None = None
) -> WayOut | Refusal:
    """A close joins the group of its protection where the broker holds such groups; else that ends or shrinks first."""
    position = carry.held_position(desk, name)
    if isinstance(position, Refusal):
        return position
    stake = exits.stake_of(position, desk.orders, desk.fills)
    part = None if signed is None or typed is None else part_of(desk, stake, world, typed, signed.seq)
    since = None if signed is None else signed.at
    planned, entry = exits.close_plan(stake, world.groups_hold, world.now, part, since), exits.entry_line(stake)
    if entry is None:
        return refusal(Reason.UNKNOWN_POSITION, detail="its orders are not known")
    return WayOut(position, stake, planned.unwrap(), entry) if is_successful(planned) else planned.failure()


def _close(desk: Desk, said: says.Close, signed: carry.Signed, world: World) -> Ruling:
    way = _way_out(desk, said.position, world, said.quantity, signed)
    if isinstance(way, Refusal):
        return denied(way)
    no = _no_close(desk, said, signed, way, world)
    if no is not None:
        return denied(no)
    if way.plan.step is not exits.Step.SEND:
        return _staged(desk, way, "close", signed.command_id, world)
    order = _close_order(desk, way, _size(said, way), f"decision:{signed.seq}", world.now)
    return granted(way.position.position_id, order, *_cancels(desk, way.plan, "close", world.now))


def _size(said: says.Close, way: WayOut) -> Quantity:
    return said.quantity if said.quantity is not None else way.plan.quantity


def _no_close(desk: Desk, said: says.Close, signed: carry.Signed, way: WayOut, world: World) -> Refusal | None:
    """Why what a human asked for will not leave: read before any protection is asked to end for it."""
    if way.plan.step in (exits.Step.WAIT, exits.Step.GIVE_UP):
        return None
    if way.plan.step is exits.Step.CANCEL_FIRST and is_over(signed.at, world.now, exits.ENDS_FOR):
        return refusal(Reason.EXIT_EXPIRED, detail="signed too long ago to wait until its protection has ended")
    size, most = _size(said, way), way.plan.quantity
    sure = world.snapshot is not None and not blocking(desk.drifts, way.position.pair)
    if size > most and (sure or way.plan.step is not exits.Step.SEND):  # X1 takes no such size, whoever typed it
        return refusal(Reason.EXIT_TOO_LARGE, detail=f"{plain(size)} of {plain(most)} held")
    card = world.instruments.get(way.position.pair)
    if card is not None and size < most and not on_grid(size, increment_of(card)):
        step = plain(increment_of(card))  # the broker would refuse it, or let it lie, and no other close could follow
        return refusal(Reason.QUANTITY_OFF_GRID, detail=f"{plain(size)} is no multiple of {step}")
    if way.plan.step is exits.Step.SEND:
        return None  # the last look judges it, and what it withholds is told
    order = _close_order(desk, way, size, "", world.now)
    return placeable(desk, way.stake, order.frames, world, said.quantity is not None)


def _staged(desk: Desk, way: WayOut, why: str, command_id: CommandId, world: World) -> Ruling:
    """A close that the group of its protection does not take in: that ends first, and the close is sent once the broker
    confirmed it; three seconds later nothing is sent, and a human is asked (D6)."""
    position = way.position.position_id
    no = refusal(Reason.PROTECTION_STILL_WORKS, detail="its protection has to end, or to shrink, first")
    if way.plan.step in STAGED:
        asked = _cancels(desk, way.plan, why, world.now)
        if way.plan.step is exits.Step.SHRINK_FIRST:
            asked = (_resizing(way.position, protection.sized(way.stake, way.plan.keeps), way.stake, world), *asked)
        return granted(position, *asked) if asked else denied(no)
    if f"{Code.CLOSE_NOT_SENT}|{position}" in desk.alerts.by_subject:
        return denied(no)
    return denied(no, alert(Code.CLOSE_NOT_SENT, position, command_id, reason=no.headline.value))


def _close_order(desk: Desk, way: WayOut, quantity: Quantity, mandate: str, now: Moment) -> Order:
    entry_ref = OrderRef(way.position.order_ref)
    generation = desk.orders.next_generation(entry_ref)
    ref = exit_ref(entry_ref, Role.CLOSE, generation)
    return Order(
        event=OrderEvent.RECORDED,
        position_id=way.position.position_id,
        ref=ref,
        frames=exit_frames(((ref, exits.close_line(way.entry, quantity)),)),
        group=way.plan.group or group_of(entry_ref, generation),
        mandate=mandate,
        ticks=now.ticks,
        boot=now.boot,
    )


def _cancels(desk: Desk, plan: exits.ClosePlan, why: str, now: Moment) -> tuple[Order, ...]:
    known = (desk.orders.find(name) for name in plan.cancels)
    return tuple(cancel_request(order, why, now) for order in known if order is not None)


def _protect(desk: Desk, said: says.Protect, signed: carry.Signed, world: World) -> Ruling:
    position = carry.held_position(desk, said.position)
    if isinstance(position, Refusal):
        return denied(position)
    stake = exits.stake_of(position, desk.orders, desk.fills)
    entry = exits.entry_line(stake)
    if (no := adoption.protect_refusal(said, position, stake, world)) is not None:
        return denied(no)
    if entry is None:
        return denied(refusal(Reason.UNKNOWN_POSITION, detail="its orders are not known"))
    stop = said.stop if said.stop is not None else position.stop_price
    target = said.target if said.target is not None else position.target_price
    order = protection_order(
        desk, position, Quantity(stake.held), entry, stop, target, f"decision:{signed.seq}", world.now
    )
    return granted(position.position_id, order)


def protection_order(
    desk: Desk, position: Open, held: Quantity, entry: Line, stop: Price, target: Price, mandate: str, now: Moment
) -> Order:
    """Record a new generation of protection for everything that is held."""
    entry_ref = OrderRef(position.order_ref)
    generation = desk.orders.next_generation(entry_ref)
    lines = protection.protection_lines(entry, held, stop, target)
    refs = tuple((exit_ref(entry_ref, line.role, generation), line) for line in lines)
    return Order(
        event=OrderEvent.RECORDED,
        position_id=position.position_id,
        ref=refs[0][0],
        frames=exit_frames(refs),
        group=group_of(entry_ref, generation),
        mandate=mandate,
        ticks=now.ticks,
        boot=now.boot,
    )


def _resize(desk: Desk, command: Resize, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    if position is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    stake = exits.stake_of(position, desk.orders, desk.fills)
    frames = protection.resizes(stake)
    no = _no_change(desk, stake, frames, world) if frames else refusal(Reason.NOTHING_TO_DO)
    if no is not None:
        return denied(no)
    return granted(position.position_id, _resizing(position, frames, stake, world))


def _no_change(desk: Desk, stake: exits.Stake, frames: tuple[Frame, ...], world: World) -> Refusal | None:
    others, touched = beside(desk, stake.position, world), desk.orders.touched_by
    grows = protection.growing_refusal(stake, frames, world.snapshot, world.link.session, touched, others)
    return placeable(desk, stake, frames, world) or grows


def _resizing(position: Open, frames: tuple[Frame, ...], stake: exits.Stake, world: World) -> Order:
    return Order(
        event=OrderEvent.RECORDED,
        position_id=position.position_id,
        ref=frames[0].ref,
        frames=frames,
        group=next(order.group for order in stake.pair if order.ref == frames[0].ref),
        mandate=exits.exit_mandate(position),
        session=world.link.session,
        ticks=world.now.ticks,
        boot=world.now.boot,
    )


def _restore(desk: Desk, command: Restore, world: World) -> Ruling:
    """Place the mandate's protection: the first time at once, once more only after a picture that shows its loss."""
    position = desk.positions.open.get(command.position_id)
    if position is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    stake = exits.stake_of(position, desk.orders, desk.fills)
    no, entry = restorable(desk, stake, world), exits.entry_line(stake)
    if no is not None or entry is None:
        return denied(no if no is not None else refusal(Reason.UNKNOWN_POSITION))
    held, stop, target = Quantity(stake.held), position.stop_price, position.target_price
    order = protection_order(desk, position, held, entry, stop, target, exits.exit_mandate(position), world.now)
    no = placeable(desk, stake, order.frames, world)
    return granted(position.position_id, order) if no is None else denied(no)


def _leave(desk: Desk, command: LeaveOnTime, world: World) -> Ruling:
    """The mandate's time exit: once, at the market, beside its protection's group or instead of it."""
    position = desk.positions.open.get(command.position_id)
    if position is None or not leaves_on_time(desk, position, world.now):
        return denied(refusal(Reason.NOTHING_TO_DO))
    way = _way_out(desk, command.position_id, world)
    if isinstance(way, Refusal):
        return denied(way)
    order = _close_order(desk, way, way.plan.quantity, exits.exit_mandate(position), world.now)
    no = placeable(desk, way.stake, order.frames, world)
    if no is not None and way.plan.step in (exits.Step.SEND, exits.Step.CANCEL_FIRST):
        return denied(no)
    if way.plan.step is not exits.Step.SEND or exits.ended_late(way.stake):
        return _staged(desk, way, "time exit", command.command_id, world)
    return granted(position.position_id, order, *_cancels(desk, way.plan, "time exit", world.now))


def _clear_away(desk: Desk, command: ClearAway, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    left = () if position is None else left_over(desk, position, world.now)
    if position is None or not left:
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted(position.position_id, *(cancel_request(order, "nothing is held", world.now) for order in left))


def left_over(desk: Desk, position: Open, now: Moment) -> tuple[Known, ...]:
    """Exits that still work beside nothing, although the broker had its time to end them with their group."""
    if not position.closing or position.entry_working:
        return ()
    stake = exits.stake_of(position, desk.orders, desk.fills)
    last = max((fill.at for fill in stake.fills), default=now.wall)
    if stake.held != 0 or not has_passed(last, now.wall, GROUP_ENDS_WITHIN):
        return ()
    return tuple(order for order in stake.exits if order.cancel_requested is None)


def leaves_on_time(desk: Desk, position: Open, now: Moment) -> bool:
    """Whether the mandate's time exit has come and was not tried yet: after one try only a human decides. What a human
    closed before was another will, and left something for which the time goes on."""
    thesis = desk.evidence.thesis(position.intent_id)
    if thesis is None or position.held <= 0 or not exits.time_exit_due(position, thesis.time_exit, now.wall):
        return False
    own = exits.exit_mandate(position)
    return not any(o.role is Role.CLOSE and o.mandate == own for o in desk.orders.of(position.position_id))


_CARRIERS: Final[Mapping[type, Callable[[Desk, Any, carry.Signed, World], Ruling]]] = {
    says.Close: _close,
    says.Protect: _protect,
    says.Adopt: adoption.adopt,
    says.ResolveStalled: carry.resolve_stalled,
    says.ResolveDrift: carry.resolve_drift,
    says.CancelOrphans: carry.cancel_orphans,
    says.Resume: carry.resume,
    says.RefreshAnchor: carry.refresh_anchor,
}

HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    Carry: _carry,
    Resize: _resize,
    Restore: _restore,
    LeaveOnTime: _leave,
    ClearAway: _clear_away,
}
