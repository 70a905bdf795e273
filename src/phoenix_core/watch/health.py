"""Is the desk alive, and does it mean it? A beat is earned, not timed; a process that runs and moves nothing is sick.

Every 30 s, give or take 5: a beat that the loop, a store commit and a broker round trip (or a declared outage) have
earned since the last one. A miss counts after 45 s, so that 10 s of latency on top of the jitter raise no alarm; three
misses are CRITICAL.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import define, frozen

from phoenix_core.beads import Bead, Beat, Checks, Health, Heartbeat
from phoenix_core.values import Named, Severity

BEAT_EVERY: Final = timedelta(seconds=30)
JITTER_MAX: Final = timedelta(seconds=5)
LATENCY_ABSORBED: Final = timedelta(seconds=10)
MISS_AFTER: Final = timedelta(seconds=45)
MISSES_CRITICAL: Final = 3
ORDERS_STALE: Final = timedelta(minutes=5)
FILLS_STALE: Final = timedelta(minutes=10)
RECONCILIATION_STALE: Final = timedelta(minutes=10)
STALLED_STUCK: Final = timedelta(minutes=5)


class Issue(Named):
    """What may be wrong, as the details of a beat name it."""

    PROCESS_DEAD = "process_alive"
    DISCONNECTED = "ibkr_connected"
    STORE_SILENT = "store_commits"
    DATA_SILENT = "data_arriving"
    NOTIFIER_SILENT = "notifier_responds"
    ORDERS_FLOWING = "orders_flowing"
    FILLS_UPDATING = "fills_updating"
    SUBSCRIPTIONS_ALIVE = "subscriptions_alive"
    RECONCILIATION_FRESH = "reconciliation_fresh"
    DRIFT_UNRESOLVED = "drift_unresolved"
    STALLED_STUCK = "stalled_stuck"
    BEAT_NOT_EARNED = "beat_not_earned"


@frozen
class Signs:
    """What a check reads: plain values, gathered by an act. None for an instant: it never happened."""

    process_alive: bool = True
    ibkr_connected: bool = True
    store_commits: bool = True
    data_arriving: bool = True
    notifier_responds: bool = True
    orders_pending: int = 0
    orders_updated_at: datetime | None = None  # the oldest last word on a pending order
    positions_open: int = 0
    fills_updated_at: datetime | None = None
    confirmed_at: datetime | None = None  # the last complete snapshot: it confirms both streams
    subscriptions_wanted: int = 0
    subscriptions_alive: int = 0
    market_open: bool = True  # a closed market owes no ticks
    reconciled_at: datetime | None = None
    started_at: datetime | None = None  # an engine that just started has not reconciled yet
    drift_unresolved: int = 0
    stalled_since: datetime | None = None  # the oldest STALLED position


@frozen
class Earned:
    """What happened since the last beat (I19)."""

    loop: bool
    store_commit: bool
    round_trip: bool
    outage_declared: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing for a beat; empty: it is earned."""
        raise NotImplementedError


@frozen
class Complaint:
    """One issue: how loud, and in which words."""

    issue: Issue
    severity: Severity
    detail: str


@frozen
class Diagnosis:
    """What a check found."""

    health: Health
    checks: Checks
    complaints: tuple[Complaint, ...] = ()


@define
class Heartbeats:
    """The slice of HEARTBEAT."""

    last_at: datetime | None = None  # the last beat that was no miss
    last_status: Beat | None = None
    health: Health | None = None
    miss_count: int = 0
    degraded_since: datetime | None = None  # the first beat of the present run of not HEALTHY ones
    beats: int = 0
    missed: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in a beat; other kinds are somebody else's."""
        raise NotImplementedError


def beat_due_at(last: datetime | None, jitter: timedelta, now: datetime) -> datetime:
    """When the next beat is due: 30 s after the last, moved by a jitter of at most 5 s either way."""
    raise NotImplementedError


def misses(last: datetime, now: datetime) -> int:
    """How many beats are missing: none up to 45 s, then one for every 30 s, so that three are 90 s of blindness."""
    raise NotImplementedError


def missed_beat(heartbeats: Heartbeats, now: datetime, process_alive: bool) -> Heartbeat | None:
    """For the watchdog: the MISSED bead that is due now and was not written yet."""
    raise NotImplementedError


def diagnose(signs: Signs, now: datetime) -> Diagnosis:
    """All process and semantic checks: HEALTHY, DEGRADED (semantic, process alive) or CRITICAL (process or link)."""
    raise NotImplementedError


def heartbeat(diagnosis: Diagnosis, earned: Earned) -> Heartbeat | None:
    """The beat that the signs earned; None where it is not earned, whatever a timer says."""
    raise NotImplementedError


def is_escalated(heartbeats: Heartbeats, now: datetime) -> bool:
    """Whether semantic degradation has stood for 5 minutes."""
    raise NotImplementedError
