"""What time, or a bead that somebody else wrote, asks of the desk: `due`, and the commands that it asks for.

`due` is idempotent and needs no memory: it reads the desk and the moment, and answers what is to be done now. Each of its
commands has an id made from what it is about, so that asking twice, or in two processes, does it once. A refusal of one
leaves no bead. A timer never ends an order: it may stall a position, raise an alert, ask for a cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.after import cancel_request, stalled
from phoenix_core.acts.approve import grounds_for
from phoenix_core.acts.exits import Carry, Resize, Restore
from phoenix_core.acts.lights import policy_of
from phoenix_core.acts.propose import Assemble
from phoenix_core.acts.submit import Submit
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
from phoenix_core.effects import CarryOut, SendOrder
from phoenix_core.gate import kill_flags, tokens
from phoenix_core.gate.limits import daily_loss_reached
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.order_life import Standing
from phoenix_core.trade.positions import Open, changed
from phoenix_core.trade.protection import Protection, is_unanswered, protection_of, resizes
from phoenix_core.trade.transitions import STALLED_AFTER, WORKING_LIFE
from phoenix_core.values import ZERO, CommandId, Moment, Money, Role, State, derived_id
from phoenix_core.watch.alerts import follow_ups, resolved
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.drift import critical, kill_scope, proven
from phoenix_core.watch.market_hours import fx_day
from phoenix_core.watch.observations import proof_of_absence, quote_seen
from phoenix_core.world import World

# The human cites a quote that the log holds; older than this the screen would cite another market.
QUOTES_EVERY: Final = timedelta(seconds=5)


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
class Stall:
    """Say that nothing certain is known of a sent order."""

    command_id: CommandId
    position_id: str
    why: str
    key: tuple[int, int] | None = None  # the hand-over of an earlier run, which is looked up and never performed


@frozen
class CancelRest:
    """Ask for the end of an entry that an approval no longer covers."""

    command_id: CommandId
    position_id: str


@frozen
class Manage:
    """Stop and target stand as the mandate has them: the position is MANAGED."""

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
    | ExpireToken
    | Withdraw
    | Stall
    | CancelRest
    | Doubt
    | RaiseByRule
    | LiftByRule
    | Prove
    | Repeat
    | ObserveQuotes
)
Due = Command | Assemble | Submit | Carry | Resize | Restore


def due(desk: Desk, now: Moment) -> tuple[Due, ...]:
    """Everything that is to be done now, most urgent first. Only the engine asks."""
    if desk.tenure.genesis is None or desk.tenure.released:
        return ()
    return (
        *_due_to_kills(desk, now),
        *_due_to_orders(desk, now),
        *_due_to_signatures(desk),
        *_due_to_intents(desk, now),
        *_due_to_watch(desk, now),
    )


def _id(*parts: str) -> CommandId:
    return CommandId(derived_id("due", *parts))


def _due_to_kills(desk: Desk, now: Moment) -> Iterator[Due]:
    raised = {flag.drift for flag in desk.kill_flags.standing.values()}
    for drift in critical(desk.drifts):
        if drift.identity not in raised:
            kill = _id("drift-kill", drift.bead_id)
            yield RaiseByRule(kill, KillKind.DRIFT, kill_scope(drift), drift.cause, "drift", drift.identity)
    for flag in desk.kill_flags.standing.values():
        if flag.type is not KillKind.ONE_WAY and not kill_flags.may_lift(flag, now, grounds_for(desk, flag, False, "")):
            yield LiftByRule(_id("lift", flag.flag), flag.flag)
    for token in desk.tokens.live.values():
        position = desk.positions.open_of_intent(token.intent_id)
        if position is not None and kill_flags.active(desk.kill_flags, position.strategy, position.pair):
            yield Withdraw(_id("killed", token.id), token.intent_id, Reason.KILL_FLAG_ACTIVE.value)


def _due_to_orders(desk: Desk, now: Moment) -> Iterator[Due]:
    for key, effect in desk.owed.items():
        if isinstance(effect, SendOrder) and key[0] < desk.tenure.epoch:
            yield Stall(_id("unknown", str(key[0])), effect.position_id, "OUTCOME_UNKNOWN", key)
    for position in desk.positions.in_state(State.SUBMITTED):
        entry = desk.orders.find(position.order_ref or "")
        if entry is None or entry.end is not None:
            continue
        waited = now.wall - position.since
        if not entry.acknowledged and waited > STALLED_AFTER:
            stamp = position.since.isoformat()
            yield Stall(_id("stall", position.position_id, stamp), position.position_id, "NO_ACK")
    yield from _due_to_entries(desk, now)
    for order in desk.orders.open.values():
        if (
            order.role.is_exit
            and order.standing in (Standing.SENT, Standing.RECORDED)
            and is_unanswered(order, now.wall)
        ):
            yield Doubt(_id("doubt", order.ref, str(order.revision)), order.ref)


def _due_to_entries(desk: Desk, now: Moment) -> Iterator[Due]:
    for order in desk.orders.open.values():
        old = now.wall - order.recorded_at >= WORKING_LIFE
        if order.role is Role.ENTRY and old and order.cancel_requested_at is None:
            yield CancelRest(_id("rest", order.ref), order.position_id)
    for position in desk.positions.in_state(State.FILLED):
        yield from _due_to_protection(desk, position, now)
    for position in desk.positions.in_state(State.MANAGED):
        if not position.entry_working and not position.closing and _is_dirty(desk, position):
            yield from _due_to_protection(desk, position, now)


def _is_dirty(desk: Desk, position: Open) -> bool:
    """Whether anything happened lately to what protects it; what stood and was not touched still stands."""
    return position.pair in desk.orders.touched or position.pair in desk.fills.touched


def _due_to_protection(desk: Desk, position: Open, now: Moment) -> Iterator[Due]:
    stake = stake_of(position, desk.orders, desk.fills)
    stands = protection_of(stake, now.wall)
    if position.state is State.FILLED and stands.stands and stake.held > 0:
        yield Manage(_id("manage", position.position_id), position.position_id)
    elif resizes(stake):
        yield Resize(_id("resize", position.position_id, str(desk.head.size)), position.position_id)
    elif stands is Protection.NONE and not stake.exits and stake.held > 0:
        yield Restore(_id("restore", position.position_id, str(desk.head.size)), position.position_id)


def _due_to_signatures(desk: Desk) -> Iterator[Due]:
    for key, effect in desk.owed.items():
        if isinstance(effect, CarryOut):
            yield Carry(_id("carry", str(key[0])), key[0], key[1])


def _due_to_intents(desk: Desk, now: Moment) -> Iterator[Due]:
    for token in tokens.expired_tokens(desk.tokens, now, desk.tenure.epoch):
        yield ExpireToken(_id("expire", token.id), token.id)
    for position in desk.positions.in_state(State.APPROVED):
        if desk.tokens.live_for(position.intent_id) is not None:
            yield Submit(_id("submit", position.token_id or ""), position.intent_id)
    waiting: list[str] = []
    for position in desk.positions.in_state(State.PROPOSED):
        proposal = desk.signals.proposal(position.intent_id)
        if proposal is None or now.wall >= proposal.expires_at:
            yield Withdraw(_id("expired", position.intent_id), position.intent_id, "PROPOSAL_EXPIRED")
            continue
        waiting.append(position.pair)
        shown = desk.evidence.latest(position.intent_id)
        if shown is None or now.wall >= shown.evidence.expires_at:
            version = desk.evidence.next_version(position.intent_id)
            yield Assemble(_id("assemble", position.intent_id, str(version)), position.intent_id)
    stale = tuple(dict.fromkeys(s for s in waiting if _quote_is_old(desk, s, now)))
    if stale:
        yield ObserveQuotes(_id("quotes", str(desk.head.size)), stale)


def _quote_is_old(desk: Desk, symbol: str, now: Moment) -> bool:
    last = desk.observations.quotes.get(symbol)
    return last is None or now.wall - last.at >= QUOTES_EVERY


def _due_to_watch(desk: Desk, now: Moment) -> Iterator[Due]:
    if follow_ups(desk.alerts, now.wall):
        yield Repeat(_id("repeat", str(desk.head.size)))
    proof = proof_of_absence(desk.observations)
    if proof is not None and proven(desk.drifts, proof[0], proof[1]):
        yield Prove(_id("prove", str(proof[1])))
    policy = policy_of(desk)
    day = fx_day(now.wall)
    lost = Money(-sum((item.realized for item in desk.positions.lately if fx_day(item.at) == day), ZERO))
    if daily_loss_reached(policy, lost) and not any(
        f.raised_by == "daily_loss" for f in desk.kill_flags.standing.values()
    ):
        yield RaiseByRule(
            _id("daily-loss", str(desk.head.size)), KillKind.ONE_WAY, kill_flags.DESK, "daily loss limit", "daily_loss"
        )


# --- the commands -----------------------------------------------------------------------------------------------------


def _expire_token(desk: Desk, command: ExpireToken, world: World) -> Ruling:
    token = desk.tokens.live.get(command.token_id)
    over = None if token is None else tokens.life_over(token, world.now, desk.tenure.epoch)
    if token is None or over is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    position = desk.positions.open_of_intent(token.intent_id)
    assert position is not None and position.state is State.APPROVED, "a live token belongs to an approved intent"
    proof = Proof(ProofKind.RULE, over.value)
    ended = changed(position, PositionEvent.TOKEN_EXPIRED, proof, reasons=(Reason.TOKEN_EXPIRED.value,))
    return granted(token.id, tokens.expired(token, over), ended)


def _withdraw(desk: Desk, command: Withdraw, world: World) -> Ruling:
    position = desk.positions.open_of_intent(command.intent_id)
    if position is None or position.state not in (State.PROPOSED, State.APPROVED):
        return denied(refusal(Reason.NOTHING_TO_DO))
    token = desk.tokens.live_for(command.intent_id)
    revoked = tokens.revoked(token, (Reason.KILL_FLAG_ACTIVE,)) if token is not None else None
    proof = Proof(ProofKind.RULE, command.why)
    return granted(
        command.intent_id, revoked, changed(position, PositionEvent.WITHDRAWN, proof, reasons=(command.why,))
    )


def _stall(desk: Desk, command: Stall, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    bodies: list[Body | Draft | None] = []
    if position is not None and position.state is State.SUBMITTED:
        bodies.extend(stalled(desk, position, command.why, command.command_id))
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
    if entry is None or entry.end is not None or entry.cancel_requested_at is not None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted(entry.ref, cancel_request(entry, "an approval covers 90 s of working life"))


def _manage(desk: Desk, command: Manage, world: World) -> Ruling:
    position = desk.positions.open.get(command.position_id)
    if position is None or position.state is not State.FILLED:
        return denied(refusal(Reason.NOTHING_TO_DO))
    stake = stake_of(position, desk.orders, desk.fills)
    if stake.held <= 0 or not protection_of(stake, world.now.wall).stands:
        return denied(refusal(Reason.NOTHING_TO_DO))
    proof = Proof(ProofKind.BROKER_MESSAGE, stake.pair[0].message)
    managed = changed(position, PositionEvent.PROTECTED, proof, closing=position.closing)
    over = resolved(desk.alerts, Code.PROTECTION_LOST, position.position_id, "broker")
    return granted(position.position_id, managed, over)


def _doubt(desk: Desk, command: Doubt, world: World) -> Ruling:
    order = desk.orders.open.get(command.ref)
    if order is None or not is_unanswered(order, world.now.wall):
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
    return granted(flag.flag, flag, alert(code, command.scope, command.command_id, reason=command.reason))


def _lift_by_rule(desk: Desk, command: LiftByRule, world: World) -> Ruling:
    flag = desk.kill_flags.standing.get(command.flag)
    if flag is None or kill_flags.may_lift(flag, world.now, grounds_for(desk, flag, False, "")) is not None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted(flag.flag, kill_flags.lift_flag(flag, "rule", "its grounds are gone"))


def _prove(desk: Desk, command: Prove, world: World) -> Ruling:
    proof = proof_of_absence(desk.observations)
    answers = () if proof is None else proven(desk.drifts, proof[0], proof[1])
    return granted("drift", *answers) if answers else denied(refusal(Reason.NOTHING_TO_DO))


def _repeat(desk: Desk, command: Repeat, world: World) -> Ruling:
    said = follow_ups(desk.alerts, world.now.wall)
    return granted("alerts", *said) if said else denied(refusal(Reason.NOTHING_TO_DO))


def _observe_quotes(desk: Desk, command: ObserveQuotes, world: World) -> Ruling:
    fresh = (world.quotes.get(symbol) for symbol in command.symbols)
    kept = [quote_seen(q) for q in fresh if q is not None and _is_newer(desk, q.symbol, world)]
    return granted("quotes", *kept) if kept else denied(refusal(Reason.NOTHING_TO_DO))


def _is_newer(desk: Desk, symbol: str, world: World) -> bool:
    last = desk.observations.quotes.get(symbol)
    return last is None or world.quotes[symbol].at.wall > last.at


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    ExpireToken: _expire_token,
    Withdraw: _withdraw,
    Stall: _stall,
    CancelRest: _cancel_rest,
    Manage: _manage,
    Doubt: _doubt,
    RaiseByRule: _raise_by_rule,
    LiftByRule: _lift_by_rule,
    Prove: _prove,
    Repeat: _repeat,
    ObserveQuotes: _observe_quotes,
}
