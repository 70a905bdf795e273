"""What was merely seen: counters, the last quote of each instrument, and what the last pictures of the broker said.

An observation changes nothing. This slice keeps of the many only what a rule or a screen will ask again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define

from phoenix_core.beads import About, Bead, Observation
from phoenix_core.facts import Quote, Snapshot
from phoenix_core.values import Price
from phoenix_core.watch.compare import Agreement, Finding

RUNS_KEPT: Final = 12


@define
class LastQuote:
    """The newest quote that the log knows of an instrument."""

    seq: int
    bid: Price
    ask: Price
    at: datetime
    delayed: bool


@define
class LastRun:
    """The newest reconciliation, or the newest complete one."""

    seq: int
    ts: datetime
    session: int
    began: datetime
    agreement: Agreement
    shown: tuple[str, ...]  # identities of what differed
    suspects: tuple[tuple[str, int], ...]
    unexplained: tuple[str, ...]


@define
class Absence:
    """An order without an end that complete pictures of one session no longer show."""

    session: int
    first: datetime
    last: datetime
    pictures: int


@define
class Observations:
    """The slice of OBSERVATION."""

    counts: dict[About, int] = Factory(dict)
    quotes: dict[str, LastQuote] = Factory(dict)
    run: LastRun | None = None  # the last of all
    complete: LastRun | None = None  # the last complete one
    runs: list[datetime] = Factory(list)  # of the last twelve, for the rate
    unknown_streak: int = 0
    moving_since: datetime | None = None  # when suspects were first seen in the present row of runs
    looks: int = 0  # runs since then
    absences: dict[str, Absence] = Factory(dict)  # by reference
    synchronised: int = 0  # the last session whose whole state was taken in

    def fold(self, bead: Bead) -> None:
        """Take in an observation; other kinds are somebody else's."""
        raise NotImplementedError


def seen(about: About, subject: str, **facts: str) -> Observation:
    """The body of an observation."""
    raise NotImplementedError


def snapshot_seen(snapshot: Snapshot, finding: Finding, session: int) -> Observation:
    """The body that says a reconciliation ran, and what it found."""
    raise NotImplementedError


def quote_seen(quote: Quote) -> Observation:
    """The body of a quote that evidence or an approval will cite."""
    raise NotImplementedError


def synchronised(session: int) -> Observation:
    """The body that says: this session's whole state was taken in."""
    raise NotImplementedError


def is_reconciled(observations: Observations, session: int) -> bool:
    """Whether a complete reconciliation was done in this session."""
    raise NotImplementedError


def next_look_at(observations: Observations) -> datetime | None:
    """When rows in motion are looked at again; None where nothing moves."""
    raise NotImplementedError


def is_absent(observations: Observations, ref: str, symbol: str, session: int, apart: timedelta) -> bool:
    """Two complete pictures at least this far apart in this session show neither the order nor an unexplained
    holding of its instrument (`resolve-stalled`)."""
    raise NotImplementedError
