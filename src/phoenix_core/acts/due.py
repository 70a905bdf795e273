"""`due`: what time, or a bead that somebody else wrote, asks of the desk now.

It is idempotent and needs no memory: it reads the desk and the moment, and answers what is to be done now. Each command
has an id made from what it is about, so that asking twice, or in two processes, does it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from phoenix_core.acts.exits import Carry, ClearAway, LeaveOnTime, Resize, Restore, leaves_on_time, left_over
from phoenix_core.acts.lights import is_outdated, policy_of, traded_on
from phoenix_core.acts.propose import Announce, Assemble, LookAgain, is_asked_lately, unannounced
from phoenix_core.acts.reconcile import reaches_back
from phoenix_core.acts.submit import Submit
from phoenix_core.acts.timed import (
    PROPOSAL_EXPIRED,
    Alarm,
    CancelRest,
    Command,
    Doubt,
    ExpireToken,
    LiftByRule,
    Manage,
    ObserveQuotes,
    Prove,
    RaiseByRule,
    Remind,
    Repeat,
    Stall,
    TellKill,
    Withdraw,
    in_doubt,
    is_expiring,
    is_told_wrong,
    is_untold,
)
from phoenix_core.acts.vouching import grounds_for
from phoenix_core.beads import (
    KillKind,
)
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut, SendOrder
from phoenix_core.gate import kill_flags, tokens
from phoenix_core.gate.evidence import red_lights
from phoenix_core.gate.limits import daily_loss_reached
from phoenix_core.gate.signals import Proposal
from phoenix_core.gate.statements import Close
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.order_life import End, Known
from phoenix_core.trade.positions import Open
from phoenix_core.trade.protection import Protection, protection_of, resizes
from phoenix_core.trade.transitions import STALLED_AFTER, SUBMIT_TIMEOUT, WORKING_LIFE
from phoenix_core.values import (
    WALL_BACK_MAX,
    CommandId,
    Moment,
    Money,
    Role,
    State,
    derived_id,
    elapsed,
    is_over,
)
from phoenix_core.watch.alerts import follow_ups
from phoenix_core.watch.drift import critical, kill_scope, proven
from phoenix_core.watch.market_hours import fx_day
from phoenix_core.watch.observations import proof_of_absence
from phoenix_core.watch.pacing import has_passed

# The human cites a quote that the log holds; older than this the screen would cite another market.
QUOTES_EVERY: Final = timedelta(seconds=5)
# What is held is worth what the last quote says: people look at it all day, and at its age. As often as a beat.
WORTH_EVERY: Final = timedelta(seconds=30)

Due = Command | Assemble | Announce | LookAgain | Submit | Carry | Resize | Restore | LeaveOnTime | ClearAway


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
    for flag in desk.kill_flags.standing.values():
        if is_untold(desk, flag):
            yield TellKill(_id("told", flag.flag), flag.flag)
    yield from _cancels_of_kills(desk)


def _cancels_of_kills(desk: Desk) -> Iterator[Due]:
    """A kill that asks for it ends working entries in its scope; never protection, never an exit (D8)."""
    if not any(flag.cancel_working for flag in desk.kill_flags.standing.values()):
        return
    for order in desk.orders.open.values():
        position = desk.positions.open.get(order.position_id)
        if order.role is not Role.ENTRY or order.cancel_requested is not None or position is None:
            continue
        if any(f.cancel_working for f in kill_flags.active(desk.kill_flags, position.strategy, position.pair)):
            yield CancelRest(_id("killed-rest", order.ref), order.position_id, "a kill cancels working entries")


def _due_to_orders(desk: Desk, now: Moment) -> Iterator[Due]:
    for key, effect in desk.owed.of(SendOrder).items():
        if key[0] < desk.tenure.epoch:
            yield Stall(_id("unknown", str(key[0])), effect.position_id, "OUTCOME_UNKNOWN", key)
        elif effect.is_entry:
            known = desk.orders.find(effect.ref)
            if known is not None and is_over(known.recorded, now, SUBMIT_TIMEOUT):
                yield Stall(_id("unanswered", str(key[0])), effect.position_id, "OUTCOME_UNKNOWN", key)
    for position in desk.positions.in_state(State.SUBMITTED):
        entry = desk.orders.find(position.order_ref or "")
        if entry is None or entry.end is not None:  # nothing executed: what no later picture proves, a human must
            if not reaches_back(position, now.wall) or (entry is not None and _is_beyond_pictures(entry, now)):
                yield Stall(_id("unproven", position.position_id), position.position_id, "END_NOT_PROVEN")
            continue
        waited, stamp = elapsed(entry.recorded, now), position.since.isoformat()
        if not entry.acknowledged and entry.recorded_seq < desk.tenure.epoch:  # whoever sent it died over it
            yield Stall(_id("died", position.position_id, stamp), position.position_id, "OUTCOME_UNKNOWN")
        elif not entry.acknowledged and (waited is None or waited > STALLED_AFTER):
            yield Stall(_id("stall", position.position_id, stamp), position.position_id, "NO_ACK")
    yield from _due_to_entries(desk, now)
    for order in desk.orders.open.values():
        if in_doubt(order, now):
            yield Doubt(_id("doubt", order.ref, str(order.revision)), order.ref)


def _is_beyond_pictures(entry: Known, now: Moment) -> bool:
    """Whether no picture will soon prove an order's end unfilled: it tells of a fill that no execution backed for a
    while, or the wall was set back since, and what begins now seems to have begun before it."""
    assert entry.ended_at is not None, "an end has its moment"
    told, since = entry.end is End.FILLED or entry.filled > 0, now.wall - entry.ended_at
    return (told and since > STALLED_AFTER) or since < -WALL_BACK_MAX


def _due_to_entries(desk: Desk, now: Moment) -> Iterator[Due]:
    for order in desk.orders.open.values():
        old = is_over(order.recorded, now, WORKING_LIFE)
        if order.role is Role.ENTRY and old and order.cancel_requested is None:
            yield CancelRest(_id("rest", order.ref), order.position_id)
    held = (*desk.positions.in_state(State.FILLED), *desk.positions.in_state(State.MANAGED))
    for position in held:
        if not position.closing:
            yield from _due_to_protection(desk, position, now)
        if position.closing and left_over(desk, position, now):
            yield ClearAway(_id("clear", position.position_id, str(desk.head.size)), position.position_id)
    for position in held:
        if leaves_on_time(desk, position, now):
            yield LeaveOnTime(_id("time-exit", position.position_id, str(desk.head.size)), position.position_id)


def _due_to_protection(desk: Desk, position: Open, now: Moment) -> Iterator[Due]:
    stake = stake_of(position, desk.orders, desk.fills)
    stands = protection_of(stake, now)
    if position.state is State.FILLED and stands.stands and stake.held > 0:
        yield Manage(_id("manage", position.position_id), position.position_id)
    elif resizes(stake) and not _is_being_left(desk, position):
        yield Resize(_id("resize", position.position_id, str(desk.head.size)), position.position_id)
    elif stands is Protection.NONE and not stake.exits and stake.held > 0:
        yield Restore(_id("restore", position.position_id, str(desk.head.size)), position.position_id)
    if is_told_wrong(desk, stake, stands, now):
        yield Alarm(_id("alarm", position.position_id, str(desk.head.size)), position.position_id)


def _is_being_left(desk: Desk, position: Open) -> bool:
    """Whether a human's close waits to be sent: its protection was made smaller for it, and is not grown back."""
    asked = (owed.subject for owed in desk.owed.of(CarryOut).values() if owed.type == Close.type)
    return any(desk.positions.find(subject) is position for subject in asked)


def _due_to_signatures(desk: Desk) -> Iterator[Due]:
    for seq, index in desk.owed.of(CarryOut):
        yield Carry(_id("carry", str(seq), str(desk.head.size)), seq, index)


def _due_to_intents(desk: Desk, now: Moment) -> Iterator[Due]:
    for token in tokens.expired_tokens(desk.tokens, now, desk.tenure.epoch):
        yield ExpireToken(_id("expire", token.id), token.id)
    for position in desk.positions.in_state(State.APPROVED):
        yield Submit(_id("submit", position.token_id or "", str(desk.head.size)), position.intent_id)
    waiting: list[str] = []
    for position in desk.positions.in_state(State.PROPOSED):
        proposal = desk.signals.proposal(position.intent_id)
        if proposal is None or now.wall >= proposal.expires_at:
            yield Withdraw(_id("expired", position.intent_id), position.intent_id, PROPOSAL_EXPIRED)
            continue
        waiting.append(position.pair)
        if is_expiring(desk, position.intent_id, now):
            yield Remind(_id("expiring", position.intent_id), position.intent_id)
        question = _question(desk, proposal, now)
        if question is not None and not is_asked_lately(desk, question.command_id, now):
            yield question
    held = [p.pair for state in (State.FILLED, State.MANAGED) for p in desk.positions.in_state(state)]
    asked = [*((s, QUOTES_EVERY) for s in waiting), *((s, WORTH_EVERY) for s in held)]
    stale = dict.fromkeys([symbol for symbol, every in asked if _quote_is_old(desk, symbol, now, every)])
    if stale:
        yield ObserveQuotes(_id("quotes", str(desk.head.size)), tuple(stale))


def _question(desk: Desk, proposal: Proposal, now: Moment) -> Assemble | Announce | LookAgain | None:
    """What a human who has to decide on an intent should see next."""
    intent_id = proposal.signal.intent_id
    shown = desk.evidence.latest(intent_id)
    if shown is None or now.wall >= shown.evidence.expires_at or is_outdated(desk, proposal.signal, shown):
        return Assemble(_id("assemble", intent_id, str(desk.evidence.next_version(intent_id))), intent_id)
    if unannounced(desk, intent_id) is not None:
        return Announce(_id("announce", shown.leaf), intent_id)
    return LookAgain(_id("look-again", shown.leaf), intent_id) if red_lights(shown.evidence) else None


def _quote_is_old(desk: Desk, symbol: str, now: Moment, every: timedelta) -> bool:
    last = desk.observations.quotes.get(symbol)
    return last is None or has_passed(last.at, now.wall, every)


def _due_to_watch(desk: Desk, now: Moment) -> Iterator[Due]:
    if follow_ups(desk.alerts, now.wall):
        yield Repeat(_id("repeat", str(desk.head.size)))
    proof = proof_of_absence(desk.observations)
    if proof is not None and proven(desk.drifts, proof[0], proof[1]):
        yield Prove(_id("prove", str(proof[1])))
    policy = policy_of(desk)
    lost = Money(traded_on(desk, fx_day(now.wall))[1].copy_negate())
    if daily_loss_reached(policy, lost) and not any(
        f.raised_by == "daily_loss" for f in desk.kill_flags.standing.values()
    ):
        yield RaiseByRule(
            _id("daily-loss", str(desk.head.size)), KillKind.ONE_WAY, kill_flags.DESK, "daily loss limit", "daily_loss"
        )
