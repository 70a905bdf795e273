"""Heartbeats: earned by the engine, missed by the watchdog, and what each obliges to be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen

from phoenix_core.beads import Alert
from phoenix_core.desk import Desk
from phoenix_core.gate.guards import SKEW_MAX
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.values import CommandId, State, elapsed
from phoenix_core.watch.alerts import follow_ups, may_raise, overdue, resolved
from phoenix_core.watch.codes import ISSUE_CODES, Code, alert, beat_code
from phoenix_core.watch.drift import unanswered
from phoenix_core.watch.health import AWAY_AS_DECLARED, Earned, Signs, diagnose, heartbeat, missed_beat
from phoenix_core.watch.market_hours import MarketStatus, market_status
from phoenix_core.world import World


@frozen
class Beat:
    """The engine asks for its beat: what it saw, and what it did since the last one."""

    command_id: CommandId
    signs: Signs
    earned: Earned


@frozen
class Miss:
    """The watchdog asks whether a beat is missing."""

    command_id: CommandId
    process_alive: bool


Command = Beat | Miss

# What a new session takes at most until the first quotes are there; a beat before that knows nothing of them.
DATA_WITHIN: Final = timedelta(seconds=15)
# A line that says nothing for so long, in an open market, is dead whatever the socket says.
QUOTE_WITHIN: Final = timedelta(minutes=1)
_EXPOSED: Final = (State.SUBMITTED, State.STALLED, State.FILLED, State.MANAGED)
_ENDED_BY_A_BEAT: Final = (Code.PROCESS_DEAD, Code.BEAT_MISSED, Code.BEATS_MISSED)


def _beat(desk: Desk, command: Beat, world: World) -> Ruling:
    found = diagnose(command.signs, world.now.wall)
    beat = heartbeat(found, command.earned)
    if beat is None:
        return denied(refusal(Reason.NOTHING_TO_DO, detail="not earned: " + ", ".join(command.earned.missing)))
    over = [resolved(desk.alerts, code, "desk", "beat") for code in _ENDED_BY_A_BEAT]
    reasons = " ".join(c.issue.value for c in found.complaints if c.detail != AWAY_AS_DECLARED)
    degraded = _sick(desk, command, world, reasons)
    details = {c.issue: c.detail for c in found.complaints}
    special = (_told_of(desk, command, world, code, details.get(issue, "")) for issue, code in ISSUE_CODES.items())
    return granted("beat", beat, *degraded, *special, _clocks_apart(desk, command, world), *over)


def is_declared(desk: Desk, world: World) -> bool:
    """Whether a link that is away now is away as the desk's settings say it would be, and nobody has to hear of it: in
    the restart window, where nothing is held or works at the broker, and no loss of before was told."""
    told = not may_raise(desk.alerts, Code.LINK_LOST, "link", world.now.wall)
    exposed = desk.orders.open or any(desk.positions.in_state(state) for state in _EXPOSED)
    return world.link.in_restart_window and not exposed and not told


def _sick(desk: Desk, command: Beat, world: World, reasons: str) -> tuple[Alert | None, ...]:
    """What a beat says of the desk as a whole; a sickness whose first word is held back grows loud in its time."""
    told = _told_of(desk, command, world, Code.HEALTH_DEGRADED, reasons)
    if told is not None or not reasons:
        return (told,)
    since = desk.heartbeats.degraded_since
    return overdue(desk.alerts, Code.HEALTH_DEGRADED, "desk", command.command_id, since, world.now.wall)


def _told_of(desk: Desk, command: Beat, world: World, code: Code, reason: str) -> Alert | None:
    """What a beat says of one condition: that it began, or, without a reason, that it is over."""
    if not reason:
        return resolved(desk.alerts, code, "desk", "beat")
    new = may_raise(desk.alerts, code, "desk", world.now.wall)
    return alert(code, "desk", command.command_id, reason=reason) if new else None


def _clocks_apart(desk: Desk, command: Beat, world: World) -> Alert | None:
    """What the two clocks oblige to be said: entries are refused while they differ, and somebody has to mend them."""
    skew = world.link.skew
    if abs(skew) <= SKEW_MAX:
        return resolved(desk.alerts, Code.BROKER_CLOCK_SKEW, "desk", "beat") if world.link.synchronised else None
    if not may_raise(desk.alerts, Code.BROKER_CLOCK_SKEW, "desk", world.now.wall):
        return None
    return alert(Code.BROKER_CLOCK_SKEW, "desk", command.command_id, seconds=str(skew // timedelta(seconds=1)))


def _miss(desk: Desk, command: Miss, world: World) -> Ruling:
    if desk.tenure.released:
        return denied(refusal(Reason.NOTHING_TO_DO))
    now, key = world.now.wall, command.command_id
    told: list[Alert] = []
    if not command.process_alive:
        # Nobody else is there to say again, or louder, what still stands.
        told.extend(follow_ups(desk.alerts, now))
        if may_raise(desk.alerts, Code.PROCESS_DEAD, "desk", now):
            held = str(len(desk.positions.nets))
            told.append(alert(Code.PROCESS_DEAD, "desk", key, held=held, mend="phoenix run"))
    beat = missed_beat(desk.heartbeats, now, command.process_alive, desk.tenure.taken_at)
    code = beat_code(beat) if beat is not None else None
    said_louder = code is Code.BEAT_MISSED and not command.process_alive  # a process that is gone has no beats
    if beat is not None and code is not None and not said_louder and may_raise(desk.alerts, code, "desk", now):
        told.append(alert(code, "desk", key, misses=str(beat.miss_count)))
    if beat is None and not told:
        return denied(refusal(Reason.NOTHING_TO_DO))
    return granted("beat", beat, *told)


def signs_of(desk: Desk, world: World, notifier_responds: bool) -> Signs:
    """What a check reads, gathered from the desk and the world."""
    pending = [o for o in desk.orders.open.values() if not o.role.is_exit]
    stalled = [p.since for p in desk.positions.in_state(State.STALLED)]
    seen = desk.observations
    return Signs(
        ibkr_connected=world.link.up,
        away_as_declared=is_declared(desk, world),
        data_arriving=bool(world.quotes) or not _wants_data(desk, world),
        notifier_responds=notifier_responds,
        orders_pending=len(pending),
        orders_updated_at=min((o.recorded.wall for o in pending), default=None),
        positions_open=len(desk.positions.nets),
        fills_updated_at=max(desk.fills.touched.values(), default=None),
        subscriptions_dead=_silent(desk, world),
        confirmed_at=seen.complete.ts if seen.complete is not None else None,
        reconciled_at=seen.complete.ts if seen.complete is not None else None,
        started_at=desk.sessions.connected_at,
        drift_unresolved=len(unanswered(desk.drifts)),
        stalled_since=min(stalled, default=None),
    )


def _wants_data(desk: Desk, world: World) -> bool:
    """Whether quotes are owed: something waits or is held, and the session has stood for a while."""
    return _settled(desk, world) and bool(desk.positions.nets or desk.positions.in_state(State.PROPOSED))


def _settled(desk: Desk, world: World) -> bool:
    since = desk.sessions.connected_at
    return since is not None and world.now.wall - since >= DATA_WITHIN


def _silent(desk: Desk, world: World) -> tuple[str, ...]:
    """Instruments in which something waits or is held, whose market is open and whose quotes have stopped; and those in
    which something waits that the broker has no card for: nothing of them will ever be heard."""
    if not world.link.up or not _settled(desk, world):
        return ()
    waiting = (*desk.positions.in_state(State.PROPOSED), *desk.positions.in_state(State.APPROVED))
    watched = dict.fromkeys((*desk.positions.by_pair, *(position.pair for position in waiting)))
    unknown = {position.pair for position in waiting if position.pair not in world.instruments}
    owed = (symbol for symbol in watched if symbol in unknown or _trades(symbol, world))
    return tuple(symbol for symbol in owed if not _is_heard(symbol, world))


def _trades(symbol: str, world: World) -> bool:
    """Whether a market owes ticks: it is open, if only for a few more minutes."""
    card = world.instruments.get(symbol)
    status = None if card is None else market_status(card, world.now.wall, world.hours.get(symbol))
    return status in (MarketStatus.OPEN, MarketStatus.CLOSING_SOON)


def _is_heard(symbol: str, world: World) -> bool:
    quote = world.quotes.get(symbol)
    age = None if quote is None else elapsed(quote.at, world.now)
    return age is not None and age <= QUOTE_WITHIN


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {Beat: _beat, Miss: _miss}
