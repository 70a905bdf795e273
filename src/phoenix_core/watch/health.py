"""Is the desk alive, and does it mean it? A beat is earned, not timed; a process that runs and moves nothing is sick.

Every 30 s, give or take 5: a beat that the loop, a store commit and a broker round trip (or a declared outage) have
earned since the last one. A miss counts after 45 s, so that 10 s of latency on top of the jitter raise no alarm; three
misses, 90 s of blindness, are CRITICAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import define, frozen

from phoenix_core.beads import Bead, Beat, Checks, Health, Heartbeat
from phoenix_core.values import Named, Severity
from phoenix_core.watch.pacing import STEP_BACK_MAX

BEAT_EVERY: Final = timedelta(seconds=30)
JITTER_MAX: Final = timedelta(seconds=5)
LATENCY_ABSORBED: Final = timedelta(seconds=10)
MISS_AFTER: Final = BEAT_EVERY + JITTER_MAX + LATENCY_ABSORBED
MISSES_CRITICAL: Final = 3
ORDERS_STALE: Final = timedelta(minutes=5)
FILLS_STALE: Final = timedelta(minutes=10)
RECONCILIATION_STALE: Final = timedelta(minutes=10)
STALLED_TOO_LONG: Final = timedelta(minutes=5)
# What a beat says of a link that is away as declared, and where that is all, nobody is told.
AWAY_AS_DECLARED: Final = "the link to the broker is down, as declared"


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


# Down, not sick: without these the desk is blind or cannot remember.
_DOWN: Final = frozenset({Issue.PROCESS_DEAD, Issue.DISCONNECTED, Issue.STORE_SILENT})
_PROCESS: Final = _DOWN | {Issue.DATA_SILENT, Issue.NOTIFIER_SILENT}


@frozen
class Signs:
    """What a check reads: plain values, gathered by an act. None for an instant: it never happened."""

    process_alive: bool = True
    ibkr_connected: bool = True
    away_as_declared: bool = False  # the gateway restarts at its hour, and nobody has to hear of it
    store_commits: bool = True
    data_arriving: bool = True
    notifier_responds: bool = True
    orders_pending: int = 0
    orders_updated_at: datetime | None = None  # the oldest last word on a pending order
    positions_open: int = 0
    fills_updated_at: datetime | None = None
    confirmed_at: datetime | None = None  # the last complete snapshot: it confirms both streams
    subscriptions_dead: tuple[str, ...] = ()  # instruments that owe quotes and are silent
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
        wanted = {
            "loop": self.loop,
            "store_commit": self.store_commit,
            "round_trip": self.round_trip or self.outage_declared,
        }
        return tuple(name for name, happened in wanted.items() if not happened)


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
    miss_count: int = 0  # in a row
    degraded_since: datetime | None = None  # the first of the present row of beats that were not HEALTHY
    beats: int = 0
    missed: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in a beat; other kinds are somebody else's."""
        if not isinstance(bead.body, Heartbeat):
            return
        self.last_status, self.health, self.miss_count = bead.body.status, bead.body.health_state, bead.body.miss_count
        if bead.body.status is Beat.MISSED:
            self.missed += 1
        else:
            self.last_at, self.beats = bead.ts, self.beats + 1
        if bead.body.status is Beat.HEALTHY:
            self.degraded_since = None
        else:
            self.degraded_since = self.degraded_since or bead.ts


def beat_due_at(last: datetime | None, jitter: timedelta, now: datetime) -> datetime:
    """When the next beat is due: 30 s after the last, moved by a jitter of at most 5 s either way."""
    assert abs(jitter) <= JITTER_MAX, "a beat is moved by at most 5 s"
    if last is None or last - now > STEP_BACK_MAX:
        return now
    return last + BEAT_EVERY + jitter


def misses(last: datetime, now: datetime) -> int:
    """How many beats are missing: none up to 45 s, then one for every 30 s, so that three are 90 s of blindness. Of a
    beat from the future nobody can tell how old it is: that counts as one."""
    if last - now > STEP_BACK_MAX:
        return 1
    return 0 if now - last <= MISS_AFTER else (now - last) // BEAT_EVERY


def missed_beat(
    heartbeats: Heartbeats, now: datetime, process_alive: bool, began: datetime | None = None
) -> Heartbeat | None:
    """For the watchdog: the MISSED bead that is due now and was not written yet. An engine that `began` after the last
    beat owes one since then: neither the night before its start counts, nor is it let off where it never beat."""
    last = _later(heartbeats.last_at, began)
    count = misses(last, now) if last is not None else 0
    if count <= heartbeats.miss_count:
        return None
    critical = count >= MISSES_CRITICAL or not process_alive
    return Heartbeat(
        status=Beat.MISSED,
        health_state=Health.CRITICAL if critical else Health.DEGRADED,
        checks=Checks(process_alive, False, False, False, False, False),  # nobody vouches for the rest
        details={"missed": str(count)},
        miss_count=count,
    )


def diagnose(signs: Signs, now: datetime) -> Diagnosis:
    """All process and semantic checks: HEALTHY, DEGRADED (semantic, process alive) or CRITICAL (process or link)."""
    complaints = (*_process_complaints(signs), *_semantic_complaints(signs, now))
    issues = frozenset(complaint.issue for complaint in complaints)
    checks = Checks(
        process_alive=signs.process_alive,
        ibkr_connected=signs.ibkr_connected,
        semantic_healthy=issues <= _PROCESS,
        store_commits=signs.store_commits,
        data_arriving=signs.data_arriving,
        notifier_responds=signs.notifier_responds,
    )
    health = Health.CRITICAL if issues & _DOWN else Health.DEGRADED if issues else Health.HEALTHY
    return Diagnosis(health, checks, complaints)


def _process_complaints(signs: Signs) -> Iterator[Complaint]:
    if not signs.process_alive:
        yield Complaint(Issue.PROCESS_DEAD, Severity.CRITICAL, "the engine's process is gone")
    if not signs.ibkr_connected:
        words = AWAY_AS_DECLARED if signs.away_as_declared else "the link to the broker is down"
        yield Complaint(Issue.DISCONNECTED, Severity.CRITICAL, words)
    if not signs.store_commits:
        yield Complaint(Issue.STORE_SILENT, Severity.CRITICAL, "the log takes no beads")
    if not signs.data_arriving:
        yield Complaint(Issue.DATA_SILENT, Severity.WARNING, "no data arrives")
    if not signs.notifier_responds:
        yield Complaint(Issue.NOTIFIER_SILENT, Severity.WARNING, "the notifier does not answer")


def _semantic_complaints(signs: Signs, now: datetime) -> Iterator[Complaint]:
    orders, fills = (_later(at, signs.confirmed_at) for at in (signs.orders_updated_at, signs.fills_updated_at))
    if signs.orders_pending and _is_stale(orders, now, ORDERS_STALE):
        yield _sick(Issue.ORDERS_FLOWING, f"{signs.orders_pending} pending, no word on one for more than 5 min")
    if signs.positions_open and _is_stale(fills, now, FILLS_STALE):
        yield _sick(Issue.FILLS_UPDATING, f"{signs.positions_open} open, fills not updated for more than 10 min")
    if signs.subscriptions_dead:
        yield _sick(Issue.SUBSCRIPTIONS_ALIVE, "no market data of " + " ".join(signs.subscriptions_dead))
    if _is_stale(_later(signs.reconciled_at, signs.started_at), now, RECONCILIATION_STALE):
        yield _sick(Issue.RECONCILIATION_FRESH, "no complete reconciliation for more than 10 min")
    if signs.drift_unresolved:
        yield _sick(Issue.DRIFT_UNRESOLVED, f"{signs.drift_unresolved} drifts wait for a human")
    if signs.stalled_since is not None and _is_stale(signs.stalled_since, now, STALLED_TOO_LONG):
        yield _sick(Issue.STALLED_STUCK, "a position is STALLED for more than 5 min")


def _sick(issue: Issue, detail: str) -> Complaint:
    return Complaint(issue, Severity.WARNING, detail)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _is_stale(at: datetime | None, now: datetime, span: timedelta) -> bool:
    """Older than the span; what never happened, or happens in the future, vouches for nothing."""
    return at is None or now - at > span or at - now > STEP_BACK_MAX


def heartbeat(diagnosis: Diagnosis, earned: Earned) -> Heartbeat | None:
    """The beat that was earned; None where it was not, whatever a timer says."""
    if earned.missing:
        return None
    return Heartbeat(
        status=Beat.HEALTHY if diagnosis.health is Health.HEALTHY else Beat.DEGRADED,
        health_state=diagnosis.health,
        checks=diagnosis.checks,
        details={complaint.issue.value: complaint.detail for complaint in diagnosis.complaints},
    )
