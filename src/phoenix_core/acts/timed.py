"""What `due` asks for, carried out: expiries, stalls, cancels of remainders, kills by rule, doubts.

A refusal of one of these leaves no bead. A timer never ends an order: it may stall a position, raise an alert, or ask
for a cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.after import cancel_request, stalled
from phoenix_core.acts.approve import KILL_CODES, kill_over, stale_beads
from phoenix_core.acts.lights import entry_lights_before
from phoenix_core.acts.vouching import grounds_for
from phoenix_core.beads import (
    Body,
    Draft,
    KillKind,
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
from phoenix_core.gate import kill_flags, tokens
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.exits import Stake, stake_of
from phoenix_core.trade.order_life import Known, Standing
from phoenix_core.trade.positions import changed
from phoenix_core.trade.protection import Protection, is_unanswered, protection_of
from phoenix_core.values import WALL_BACK_MAX, CommandId, Moment, Role, State, derived_id
from phoenix_core.watch.alerts import drift_answered, follow_ups, may_raise, resolved
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.drift import proven
from phoenix_core.watch.observations import proof_of_absence, quote_seen
from phoenix_core.world import World

PROPOSAL_EXPIRED: Final = "PROPOSAL_EXPIRED"
# Long enough to read the screen and sign, short enough to mean it.
LAST_CALL: Final = timedelta(minutes=1)


@frozen
class ExpireToken:
    """Record that a token's life is over."""

    command_id: CommandId
    token_id: str


@frozen
class Withdraw:
    """Take an intent back before its order left: expired, or killed."""

    command_id: CommandId
    intent_id: str
    why: str


@frozen
class Remind:
    """Say once that an intent is about to expire undecided."""

    command_id: CommandId
    intent_id: str


@frozen
class Stall:
    """Say that nothing certain is known of a sent order."""

    command_id: CommandId
    position_id: str
    why: str
    key: tuple[int, int] | None = None  # the hand-over of an earlier run, which is looked up and never performed


@frozen
class CancelRest:
    """Ask for the end of an entry that an approval no longer covers, or that a kill ends."""

    command_id: CommandId
    position_id: str
    why: str = "an approval covers 90 s of working life"


@frozen
class Manage:
    """Stop and target stand as the mandate has them: the position is MANAGED."""

    command_id: CommandId
    position_id: str


@frozen
class Alarm:
    """Something is held, and nothing certain stands between it and the market; or that was said, and is not so."""

    command_id: CommandId
    position_id: str


@frozen
class Doubt:
    """An exit frame that nobody answered is not protection."""

    command_id: CommandId
    ref: str


@frozen
class RaiseByRule:
    """Raise the kill that a rule asks for: of a critical drift, or of the day's loss."""

    command_id: CommandId
    type: KillKind
    scope: str
    reason: str
    raised_by: str
    drift: str | None = None


@frozen
class TellKill:
    """Tell people of a flag that somebody raised blind, beside everything else."""

    command_id: CommandId
    flag: str


@frozen
class LiftByRule:
    """Bring a flag down whose grounds are gone."""

    command_id: CommandId
    flag: str


@frozen
class Prove:
    """Close drifts whose correction by the broker the last complete picture has proven."""

    command_id: CommandId


@frozen
class Repeat:
    """Say an open alert again, or louder."""

    command_id: CommandId


@frozen
class ObserveQuotes:
    """Keep the quotes that waiting intents will cite."""

    command_id: CommandId
    symbols: tuple[str, ...]


Command = (
    Manage
    | Alarm
    | ExpireToken
    | Withdraw
    | Remind
    | Stall
    | CancelRest
    | Doubt
    | RaiseByRule
    | TellKill
    | LiftByRule
    | Prove
    | Repeat
    | ObserveQuotes
)


# --- the commands -----------------------------------------------------------------------------------------------------


def _expire_token(desk: Desk, command: ExpireToken, world: World) -> Ruling:
    token = desk.tokens.live.get(command.token_id)
    over = None if token is None else tokens.life_over(token, world.now, desk.tenure.epoch)
    if token is None or over is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    position = desk.positions.open_of_intent(token.intent_id)
    assert position is not None and position.state is State.APPROVED, "a live token belongs to an approved intent"
    dead = tokens.expired(token, over)
    light = entry_lights_before(desk, world, token.intent_id)
    if light is not None and Reason.STATE_CONFLICT in light.reasons:
        # The thirteen guards speak in their order, and the stale gate stands before the token's.
        no = Proof(ProofKind.RULE, Reason.STATE_CONFLICT.value)
        reasons = (Reason.STATE_CONFLICT.value, over.value)
        stopped = changed(position, PositionEvent.WITHDRAWN, no, reasons=reasons)
        return granted(
            token.id, dead, stopped, *stale_beads(desk, token.intent_id, "submit", command.command_id, world)
        )
    proof = Proof(ProofKind.RULE, over.value)
    ended = changed(position, PositionEvent.TOKEN_EXPIRED, proof, reasons=(Reason.TOKEN_EXPIRED.value,))
    return granted(token.id, dead, ended)


def _withdraw(desk: Desk, command: Withdraw, world: World) -> Ruling:
    position = desk.positions.open_of_intent(command.intent_id)
    if position is None or position.state not in (State.PROPOSED, State.APPROVED):
        return denied(refusal(Reason.NOTHING_TO_DO))
    if command.why == PROPOSAL_EXPIRED and position.state is not State.PROPOSED:  # somebody approved it meanwhile
        return denied(refusal(Reason.NOTHING_TO_DO))
    token = desk.tokens.live_for(command.intent_id)
    revoked = tokens.revoked(token, (Reason.KILL_FLAG_ACTIVE,)) if token is not None else None
    proof = Proof(ProofKind.RULE, command.why)
    return granted(
        command.intent_id, revoked, changed(position, PositionEvent.WITHDRAWN, proof, reasons=(command.why,))
    )


def is_expiring(desk: Desk, intent_id: str, now: Moment) -> bool:
    """Whether an undecided intent is in its last minute, and nobody was told."""
    proposal = desk.signals.proposal(intent_id)
    late = proposal is not None and proposal.expires_at - now.wall <= LAST_CALL
    return late and f"{Code.SIGNAL_EXPIRING}|{intent_id}" not in desk.alerts.warned


def _remind(desk: Desk, command: Remind, world: World) -> Ruling:
    proposal = desk.signals.proposal(command.intent_id)
    if proposal is None or not is_expiring(desk, command.intent_id, world.now):
        return denied(refusal(Reason.NOTHING_TO_DO))
    told = alert(Code.SIGNAL_EXPIRING, command.intent_id, command.command_id, instrument=proposal.signal.pair)
    return granted(command.intent_id, told)


def _stall(desk: Desk, command: Stall, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    bodies: list[Body | Draft | None] = []
    if position is not None and position.state is State.SUBMITTED:
        bodies.extend(stalled(position, command.why, command.command_id))
    if command.key is None:
        return granted(command.position_id, *bodies)
    effect = desk.owed.get(command.key)
    if not isinstance(effect, SendOrder):
        return denied(refusal(Reason.NOTHING_TO_DO))
    unknown = [_unknown(effect.position_id, frame.ref, frame.line.role, command.why) for frame in effect.frames]
    return settling(granted(command.position_id, *unknown, *bodies), Settles(*command.key, Settlement.UNKNOWN))


def _unknown(position_id: str, ref: str, role: Role, why: str) -> Order:
    return Order(event=OrderEvent.UNKNOWN, position_id=position_id, ref=ref, role=role, reason=why)


def _cancel_rest(desk: Desk, command: CancelRest, world: World) -> Ruling:
    entry = desk.orders.entry_of(command.position_id)
    if entry is None or entry.end is not None or entry.cancel_requested is not None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted(entry.ref, cancel_request(entry, command.why, world.now))


def _manage(desk: Desk, command: Manage, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    if position is None or position.state is not State.FILLED:
        return denied(refusal(Reason.NOTHING_TO_DO))
    stake = stake_of(position, desk.orders, desk.fills)
    if stake.held <= 0 or not protection_of(stake, world.now).stands:
        return denied(refusal(Reason.NOTHING_TO_DO))
    proof = Proof(ProofKind.BROKER_MESSAGE, stake.pair[0].message)
    managed = changed(position, PositionEvent.PROTECTED, proof, closing=position.closing)
    over = resolved(desk.alerts, Code.PROTECTION_LOST, position.position_id, "broker")
    return granted(position.position_id, managed, over)


def is_told_wrong(desk: Desk, stake: Stake, stands: Protection, now: Moment) -> bool:
    """Whether what people know of a position's protection is not so: it is lost and nobody was told, or it was lost and
    stands again, whichever word or time brought it back."""
    if stands is Protection.PENDING or stake.held <= 0:
        return False
    return stands.covers is not may_raise(desk.alerts, Code.PROTECTION_LOST, stake.position.position_id, now.wall)


def _alarm(desk: Desk, command: Alarm, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    stake = None if position is None else stake_of(position, desk.orders, desk.fills)
    if stake is None or not is_told_wrong(desk, stake, stands := protection_of(stake, world.now), world.now):
        return denied(refusal(Reason.NOTHING_TO_DO))
    over = resolved(desk.alerts, Code.PROTECTION_LOST, command.position_id, "broker")
    if over is not None:
        return granted(command.position_id, over)
    facts = {"pair": stake.position.pair, "protection": stands.value}
    return granted(command.position_id, alert(Code.PROTECTION_LOST, command.position_id, command.command_id, **facts))


def in_doubt(order: Known, now: Moment) -> bool:
    """Whether nobody answered an exit's frame, and no bead says so yet."""
    asked = order.standing in (Standing.SENT, Standing.RECORDED)
    return asked and order.role.is_exit and is_unanswered(order, now)


def _doubt(desk: Desk, command: Doubt, world: World) -> Ruling:
    order = desk.orders.open.get(command.ref)
    if order is None or not in_doubt(order, world.now):
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted(
        command.ref,
        _unknown(order.position_id, order.ref, order.role, "no answer within 10 s"),
        alert(Code.EXIT_UNKNOWN, command.ref, command.command_id),
    )


def _raise_by_rule(desk: Desk, command: RaiseByRule, world: World) -> Ruling:
    flag = kill_flags.raise_flag(
        desk.kill_flags,
        derived_id("flag", command.command_id),
        command.type,
        command.scope,
        command.reason,
        command.raised_by,
        world.now,
        command.drift,
    )
    if flag is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    code = Code.DAILY_LOSS_LIMIT if command.raised_by == "daily_loss" else Code.KILL_RAISED
    # A second drift of an instrument is told of as a drift; that entries stop there is said already.
    told = may_raise(desk.alerts, code, command.scope, world.now.wall)
    return granted(
        flag.flag, flag, alert(code, command.scope, command.command_id, reason=command.reason) if told else None
    )


def is_untold(desk: Desk, flag: kill_flags.Standing) -> bool:
    """Whether a flag that a human or the Signalman raised has no alert yet; what rules raise they tell themselves."""
    by_hand = flag.type in (KillKind.ONE_WAY, KillKind.SIGNALMAN) and flag.raised_by != "daily_loss"
    return by_hand and not any(f"{code}|{flag.scope}" in desk.alerts.by_subject for code in KILL_CODES)


def _tell_kill(desk: Desk, command: TellKill, world: World) -> Ruling:
    flag = desk.kill_flags.standing.get(command.flag)
    if flag is None or not is_untold(desk, flag):
        return denied(refusal(Reason.NOTHING_TO_DO))
    code = Code.HALTED if flag.scope == kill_flags.DESK and flag.type is KillKind.ONE_WAY else Code.KILL_RAISED
    return granted(flag.flag, alert(code, flag.scope, command.command_id, by=flag.raised_by))


def _lift_by_rule(desk: Desk, command: LiftByRule, world: World) -> Ruling:
    flag = desk.kill_flags.standing.get(command.flag)
    if flag is None or kill_flags.may_lift(flag, world.now, grounds_for(desk, flag, False, "")) is not None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    lifted = kill_flags.lift_flag(flag, "rule", "its grounds are gone")
    return granted(flag.flag, lifted, *kill_over(desk, flag, "rule"))


def _prove(desk: Desk, command: Prove, world: World) -> Ruling:
    proof = proof_of_absence(desk.observations)
    answers = () if proof is None else proven(desk.drifts, proof[0], proof[1])
    told = (drift_answered(desk.alerts, desk.drifts.open[a.identity], a.resolved_by) for a in answers)
    return granted("drift", *answers, *told) if answers else denied(refusal(Reason.NOTHING_TO_DO))


def _repeat(desk: Desk, command: Repeat, world: World) -> Ruling:
    said = follow_ups(desk.alerts, world.now.wall)
    return granted("alerts", *said) if said else denied(refusal(Reason.NOTHING_TO_DO))


def _observe_quotes(desk: Desk, command: ObserveQuotes, world: World) -> Ruling:
    fresh = (world.quotes.get(symbol) for symbol in command.symbols)
    kept = [quote_seen(q) for q in fresh if q is not None and _is_newer(desk, q.symbol, world)]
    return granted("quotes", *kept) if kept else denied(refusal(Reason.NOTHING_TO_DO))


def _is_newer(desk: Desk, symbol: str, world: World) -> bool:
    """Whether a quote says more than the log's last one. That one counts no more once the wall was set back behind it:
    until the wall had caught up, nobody could sign by another, and what is held would be worth what it was then."""
    last, at = desk.observations.quotes.get(symbol), world.quotes[symbol].at.wall
    return last is None or at > last.at or last.at - world.now.wall > WALL_BACK_MAX >= at - world.now.wall


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    ExpireToken: _expire_token,
    Withdraw: _withdraw,
    Remind: _remind,
    Stall: _stall,
    CancelRest: _cancel_rest,
    Manage: _manage,
    Alarm: _alarm,
    Doubt: _doubt,
    RaiseByRule: _raise_by_rule,
    TellKill: _tell_kill,
    LiftByRule: _lift_by_rule,
    Prove: _prove,
    Repeat: _repeat,
    ObserveQuotes: _observe_quotes,
}
