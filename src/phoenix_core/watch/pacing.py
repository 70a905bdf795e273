"""How fast: sliding windows as values. Place and cancel stand in front of data; what does not fit waits, or is refused.

A broker that is spoken to too fast first answers with errors, then hangs up, then bans. The desk therefore counts its
own frames and asks here before it hands one over. All instants on the wire are ticks: they never step.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from phoenix_core.refusals import Refusal
from phoenix_core.values import Named

# The gateway cuts a client off at 50 messages a second: 45 leaves it room, 8 in 0.2 s spreads them.
BURST_MAX: Final = 8
BURST_WINDOW: Final = timedelta(milliseconds=200)
MESSAGES_MAX: Final = 45
ORDERS_MAX: Final = 50
SECOND: Final = timedelta(seconds=1)
ENTRY_WAIT_MAX: Final = timedelta(seconds=1)
RUNS_MAX: Final = 12
RUNS_WINDOW: Final = timedelta(minutes=1)


class Urgency(Named):
    """Who goes first. Declared in order: whatever takes risk away is in front."""

    CANCEL = "CANCEL"
    EXIT = "EXIT"
    ENTRY = "ENTRY"
    DATA = "DATA"


@frozen
class Wire:
    """What went out lately: the ticks of the messages and of the orders of the last second, oldest first."""

    messages: tuple[timedelta, ...] = ()
    orders: tuple[timedelta, ...] = ()


@frozen
class Waiting:
    """Something that wants to go out: all of its messages, or none."""

    key: str
    urgency: Urgency
    since: timedelta
    messages: int = 1
    orders: int = 0


def has_passed(since: datetime, now: datetime, span: timedelta) -> bool:
    """Whether a span is over since a recorded instant. A wall clock that went back by more than 2 s says yes (I17)."""
    raise NotImplementedError


def room_at(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> timedelta:
    """The earliest ticks, not before `now`, at which all these messages fit at once."""
    raise NotImplementedError


def has_room(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> bool:
    """Whether all these messages fit now: a bracket is budgeted whole, or not at all."""
    raise NotImplementedError


def taken(wire: Wire, now: timedelta, messages: int, orders: int = 0) -> Wire:
    """The wire after these messages: asked for before the first byte, and only where there is room."""
    raise NotImplementedError


def pacing_refusal(wire: Wire, now: timedelta, since: timedelta, messages: int, orders: int) -> Refusal | None:
    """PACING where an entry has no room now, or has waited longer than a second."""
    raise NotImplementedError


def next_out(queue: tuple[Waiting, ...], wire: Wire, now: timedelta) -> Waiting | None:
    """Who may go out now: the most urgent, oldest first; nobody overtakes a more urgent one that does not fit yet."""
    raise NotImplementedError


def overdue(queue: tuple[Waiting, ...], now: timedelta) -> tuple[Waiting, ...]:
    """Entries that waited longer than a second: they leave the queue unsent."""
    raise NotImplementedError


def next_run(asked: datetime, runs: tuple[datetime, ...], now: datetime) -> datetime:
    """When the next reconciliation may start: at once, or when the oldest of the last twelve is a minute old."""
    raise NotImplementedError
