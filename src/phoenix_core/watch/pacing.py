"""How fast: sliding windows as values, of frames to the broker and of reconciliations.

A broker that is spoken to too fast first answers with errors, then hangs up, then bans. The desk therefore counts its
own frames and asks here before it hands one over. All instants on the wire are ticks: they never step.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

# The gateway cuts a client off at 50 messages a second: 45 leaves it room, 8 in 0.2 s spreads them.
BURST_MAX: Final = 8
BURST_WINDOW: Final = timedelta(milliseconds=200)
MESSAGES_MAX: Final = 45
ORDERS_MAX: Final = 50
SECOND: Final = timedelta(seconds=1)
RUNS_MAX: Final = 12
RUNS_WINDOW: Final = timedelta(minutes=1)
RECONCILE_EVERY: Final = timedelta(seconds=300)
# A wall clock is disciplined in steps far below this; further back than this it was set, and its spans are worthless.
STEP_BACK_MAX: Final = timedelta(seconds=2)


@frozen
class Wire:
    """What went out lately: the ticks of the messages and of the orders of the last second, oldest first."""

    messages: tuple[timedelta, ...] = ()
    orders: tuple[timedelta, ...] = ()


def has_passed(since: datetime, now: datetime, span: timedelta) -> bool:
    """Whether a span is over since a recorded instant. A wall clock that went back by more than 2 s says yes (I17)."""
    return now - since >= span or since - now > STEP_BACK_MAX


def room_at(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> timedelta:
    """The earliest ticks, not before `now`, at which all these messages fit at once."""
    assert orders <= messages <= BURST_MAX, "what goes out at once fits into one burst"
    return max(
        now,
        _free_at(wire.messages, messages, BURST_MAX, BURST_WINDOW),
        _free_at(wire.messages, messages, MESSAGES_MAX, SECOND),
        _free_at(wire.orders, orders, ORDERS_MAX, SECOND),
    )


def _free_at(gone: tuple[timedelta, ...], count: int, most: int, window: timedelta) -> timedelta:
    """When the window has room for `count` more: as soon as the newest that stands in the way has left it."""
    beside = most - count
    return gone[-beside - 1] + window if len(gone) > beside else timedelta.min


def has_room(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> bool:
    """Whether all these messages fit now: a bracket is budgeted whole, or not at all."""
    return room_at(wire, now, messages, orders) == now


def taken(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> Wire:
    """The wire after these messages: asked for before the first byte, and only where there is room."""
    assert has_room(wire, now, messages, orders), "nobody takes what is not there"
    return Wire(_lately(wire.messages, now) + (now,) * messages, _lately(wire.orders, now) + (now,) * orders)


def _lately(gone: tuple[timedelta, ...], now: timedelta) -> tuple[timedelta, ...]:
    return tuple(at for at in gone if now - at < SECOND)


def budget(wire: Wire, now: timedelta) -> int:
    """How many order messages fit now: what the guard of pacing holds an entry's frames against."""
    burst = BURST_MAX - _later(wire.messages, now - BURST_WINDOW)
    second = MESSAGES_MAX - _later(wire.messages, now - SECOND)
    return max(0, min(burst, second, ORDERS_MAX - _later(wire.orders, now - SECOND)))


def _later(gone: tuple[timedelta, ...], than: timedelta) -> int:
    return len(gone) - bisect_right(gone, than)


def run_wanted_at(
    triggered: datetime | None, last_began: datetime | None, now: datetime, every: timedelta = RECONCILE_EVERY
) -> datetime:
    """Since when the next reconciliation is wanted: `triggered` is the newest fill, reject, cancel, reconnect, start or
    demand. However many there were, one run that begins after them all serves them all."""
    if last_began is None:
        return now
    if triggered is not None and triggered >= last_began:
        return triggered
    return now if has_passed(last_began, now, every) else last_began + every


def next_run(wanted: datetime, runs: tuple[datetime, ...], now: datetime) -> datetime:
    """When a wanted reconciliation may start: at once, or when the oldest of the last twelve is a minute old."""
    if len(runs) < RUNS_MAX:
        return wanted
    oldest = runs[-RUNS_MAX]
    return wanted if has_passed(oldest, now, RUNS_WINDOW) else max(wanted, oldest + RUNS_WINDOW)
