"""From an approval to the frames: all thirteen lights green, token spent, order recorded, in one durable append.

A transient red light (link, pacing) leaves the intent approved and `due` asks again while the token lives; every other
red light takes the permission back. Nothing here touches a broker: the frames are an effect of the recorded bead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.after import after_drop
from phoenix_core.acts.approve import stale_beads
from phoenix_core.acts.lights import entry_lights
from phoenix_core.acts.signatures import approval_refusal
from phoenix_core.beads import (
    Body,
    Order,
    OrderEvent,
    PositionEvent,
    Proof,
    ProofKind,
    Settlement,
    Settles,
)
from phoenix_core.desk import Desk
from phoenix_core.effects import SendOrder
from phoenix_core.gate import tokens
from phoenix_core.gate.guards import verdict
from phoenix_core.orders import Frame, Line, exit_ref, group_of, order_hash
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.positions import Open, changed
from phoenix_core.values import CommandId, Moment, OrderRef, Role, State
from phoenix_core.watch.alerts import may_raise
from phoenix_core.watch.codes import Code, alert
from phoenix_core.world import World

# A wrong account, port or mode is no matter of timing: somebody or something is set up wrong, and a human must know.
VIOLATIONS: Final = (Reason.ACCOUNT_MISMATCH, Reason.PORT_MISMATCH, Reason.MODE_MISMATCH, Reason.LIVE_NOT_ALLOWED)


@frozen
class Submit:
    """Send what was approved."""

    command_id: CommandId
    intent_id: str


@frozen
class Present:
    """Somebody presents a token and asks that an order leave under it: judged like any submit, and kept if refused."""

    command_id: CommandId
    token_id: str
    intent_id: str


@frozen
class Withhold:
    """The last look refused: the run that recorded the order handed no byte over, and says so."""

    command_id: CommandId
    key: tuple[int, int]
    send: SendOrder
    refusal: Refusal


Command = Submit | Present | Withhold


def _submit(desk: Desk, command: Submit, world: World) -> Ruling:
    position = desk.positions.open_of_intent(command.intent_id)
    if position is None or position.state is not State.APPROVED:
        return denied(refusal(Reason.WRONG_STATE, detail=command.intent_id))
    no = verdict(entry_lights(desk, position, world, spent=False))
    if no is None:
        return _send(desk, position, world.now)
    if no.is_transient:
        return denied(no, _slowed(desk, no, command.command_id, world))
    return _withdraw(desk, command, position, no, world)


def _slowed(desk: Desk, no: Refusal, key: str, world: World) -> Body | None:
    """Orders come faster than the broker takes them: they wait, and a human hears of it once an hour."""
    if Reason.PACING not in no.reasons or not may_raise(desk.alerts, Code.PACING_LIMITED, "orders", world.now.wall):
        return None
    return alert(Code.PACING_LIMITED, "orders", key)


def _present(desk: Desk, command: Present, world: World) -> Ruling:
    """All thirteen lights, in any state; a refused use leaves T2_TOKEN(REJECTED), and changes nothing."""
    position, shown = desk.positions.open_of_intent(command.intent_id), desk.evidence.latest(command.intent_id)
    use = tokens.Use(
        token_id=command.token_id,
        intent_id=command.intent_id,
        order_hash=shown.evidence.order_hash if shown is not None else "",
        evidence_hash=shown.leaf if shown is not None else "",
        order_ref=position.order_ref or "" if position is not None else "",
        account=desk.genesis.account,
        mode=desk.genesis.mode,
        epoch=world.run.epoch if world.run.epoch is not None else desk.tenure.epoch,
    )
    said = tokens.judge_use(desk.tokens, use, world.now)
    wrong = None
    if position is None or position.state is not State.APPROVED:
        wrong = refusal(Reason.WRONG_STATE, detail=f"{position.state if position is not None else 'no open position'}")
    lights = None
    if position is not None and shown is not None and desk.signals.proposal(command.intent_id) is not None:
        found = entry_lights(desk, position, world, spent=False)
        # Of a token that may be used, the approval behind it must stand too.
        lights = verdict(evolve(found, token=said if said is not None else found.token))
    no = merged((lights, said, wrong))
    if no is None:
        assert position is not None, "green lights mean an approved position"
        return _send(desk, position, world.now)
    return denied(no, tokens.refused_use(desk.tokens, use, no, world.now))


def _send(desk: Desk, position: Open, now: Moment) -> Ruling:
    token, shown = desk.tokens.live_for(position.intent_id), desk.evidence.latest(position.intent_id)
    assert token is not None and shown is not None, "green lights mean a live token and its evidence"
    ref = OrderRef(token.order_ref)
    frames = bracket_frames(ref, shown.evidence.lines)
    return granted(
        position.intent_id,
        tokens.used(token),
        changed(position, PositionEvent.SUBMITTED, Proof(ProofKind.RULE, token.id)),
        Order(
            event=OrderEvent.RECORDED,
            position_id=position.position_id,
            ref=ref,
            frames=frames,
            group=group_of(ref, 1),
            mandate=f"evidence:{shown.leaf}",
            token_id=token.id,
            ticks=now.ticks,
            boot=now.boot,
        ),
        facts={"order_ref": ref},
    )


def rehearse(desk: Desk, position: Open, world: World) -> None:
    """Make and remember what follows from an approval alone: whether it stands, the hashes of the frames.

    Nothing is decided by it. It is the same work a moment earlier, so that none of it waits between the decision and
    the frame, where the log is held; and it is done once: whoever asks later finds it as long as nothing of it moved.
    """
    token, shown = desk.tokens.live_for(position.intent_id), desk.evidence.latest(position.intent_id)
    if token is not None and shown is not None:
        lines = shown.evidence.lines
        _ = approval_refusal(desk, position.intent_id, token.issued, world)
        _ = bracket_frames(position.order_ref, lines), order_hash(lines)


def bracket_frames(ref: OrderRef, lines: tuple[Line, ...]) -> tuple[Frame, ...]:
    """The frames of a native bracket: the entry under its own reference, the exits as its first generation."""
    return tuple(
        Frame(ref if line.role is Role.ENTRY else exit_ref(ref, line.role, 1), 1, order_hash((line,)), line)
        for line in lines
    )


def exit_frames(lines: tuple[tuple[OrderRef, Line], ...]) -> tuple[Frame, ...]:
    """First revisions of exit orders."""
    return tuple(Frame(ref, 1, order_hash((line,)), line) for ref, line in lines)


def _withdraw(desk: Desk, command: Submit, position: Open, no: Refusal, world: World) -> Ruling:
    token = desk.tokens.live_for(position.intent_id)
    expired = no.headline in (Reason.TOKEN_EXPIRED, Reason.TOKEN_OTHER_RUN)
    reasons = tuple(reason.value for reason in no.reasons)
    event = PositionEvent.TOKEN_EXPIRED if expired else PositionEvent.WITHDRAWN
    bodies: list[Body | None] = []
    if token is not None:
        bodies.append(tokens.expired(token, no.headline) if expired else tokens.revoked(token, no.reasons))
    bodies.append(changed(position, event, Proof(ProofKind.RULE, no.headline.value), reasons=reasons))
    if Reason.STATE_CONFLICT in no.reasons:
        bodies.extend(stale_beads(desk, position.intent_id, "submit", command.command_id, world))
    if any(reason in VIOLATIONS for reason in no.reasons):
        bodies.append(alert(Code.GUARD_VIOLATION, position.intent_id, command.command_id, reason=no.headline.value))
    return denied(no, *bodies)


def _withhold(desk: Desk, command: Withhold, world: World) -> Ruling:
    if command.key not in desk.owed:
        return denied(refusal(Reason.NOTHING_TO_DO, detail="answered already"))
    send = command.send
    dropped = Order(
        event=OrderEvent.DROPPED,
        position_id=send.position_id,
        ref=send.ref,
        frames=(),
        role=send.frames[0].line.role,
        reason=" ".join(reason.value for reason in command.refusal.reasons),
    )
    settled = Settles(*command.key, Settlement.DROPPED)
    position = desk.positions.open.get(send.position_id)
    if not send.is_entry:
        told = alert(Code.CLOSE_NOT_SENT, send.position_id, command.command_id, reason=command.refusal.headline.value)
        over = [] if position is None else after_drop(desk, position, dropped, world, command.command_id)
        return settling(denied(command.refusal, dropped, told, *over), settled)
    if position is None or position.state is not State.SUBMITTED:
        # It was given up as unknown before its last look: the order is told as dropped, the position waits for a human.
        return settling(denied(command.refusal, dropped), settled)
    reasons = tuple(reason.value for reason in command.refusal.reasons)
    cancelled = changed(position, PositionEvent.WITHHELD, Proof(ProofKind.WITHHELD, send.ref), reasons=reasons)
    return settling(denied(command.refusal, dropped, cancelled), settled)


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    Submit: _submit,
    Present: _present,
    Withhold: _withhold,
}
