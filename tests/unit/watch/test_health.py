"""Health: a beat is earned, a miss is counted, and a process that runs and moves nothing is DEGRADED."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import About, Beat, Checks, Health, Heartbeat
from phoenix_core.values import Severity
from phoenix_core.watch import health
from phoenix_core.watch.codes import Code, beat_code
from phoenix_core.watch.health import Diagnosis, Earned, Heartbeats, Issue, Signs
from phoenix_core.watch.observations import seen
from tests.showing import shows
from tests.unit.watch.made import at, bead

ALL: Final = Earned(loop=True, store_commit=True, round_trip=True)
FINE: Final = Diagnosis(Health.HEALTHY, Checks(True, True, True))
WELL: Final = Signs(reconciled_at=at(0))

# Each sign on its own, and what it must be called: written by hand from the ledger's monitoring area.
SICK: Final[dict[Issue, dict[str, Any]]] = {  # Any: the fields of Signs are of many types
    Issue.PROCESS_DEAD: {"process_alive": False},
    Issue.DISCONNECTED: {"ibkr_connected": False},
    Issue.STORE_SILENT: {"store_commits": False},
    Issue.DATA_SILENT: {"data_arriving": False},
    Issue.NOTIFIER_SILENT: {"notifier_responds": False},
    Issue.ORDERS_FLOWING: {"orders_pending": 1, "orders_updated_at": at(-301)},
    Issue.FILLS_UPDATING: {"positions_open": 1, "fills_updated_at": at(-601)},
    Issue.SUBSCRIPTIONS_ALIVE: {"subscriptions_dead": ("EURUSD",)},
    Issue.RECONCILIATION_FRESH: {"reconciled_at": at(-601)},
    Issue.DRIFT_UNRESOLVED: {"drift_unresolved": 1},
    Issue.STALLED_STUCK: {"stalled_since": at(-301)},
}
DOWN: Final = {Issue.PROCESS_DEAD, Issue.DISCONNECTED, Issue.STORE_SILENT}
NOT_SEMANTIC: Final = DOWN | {Issue.DATA_SILENT, Issue.NOTIFIER_SILENT}


def signs_of(issues: set[Issue]) -> Signs:
    """Signs in which exactly these are wrong."""
    signs = WELL
    for issue in issues:
        signs = evolve(signs, **SICK[issue])
    return signs


def beat(status: Beat = Beat.HEALTHY, state: Health = Health.HEALTHY, misses: int = 0) -> Heartbeat:
    """A beat as it is written."""
    return Heartbeat(status, state, Checks(True, True, True), miss_count=misses)


@shows(
    "INV-OPS-HEARTBEAT-SEMANTIC-1",
    "S33-MON-05",
    "S33-MON-06",
    "S33-MON-07",
    "S33-MON-08",
    "S33-MON-09",
    "S33-MON-10",
    "CV_S33_5_SEMANTIC_HEALTH_DEGRADE",
)
class TestOpsHeartbeatSemantic:
    """INV-OPS-HEARTBEAT-SEMANTIC-1: Heartbeat covers semantic health, not only the process, and reports DEGRADED."""

    @given(st.sets(st.sampled_from(Issue)))
    def test_every_combination_of_signs(self, issues: set[Issue]) -> None:
        """Exactly what is wrong is named; CRITICAL where process, link or log is down, DEGRADED where anything else is
        wrong, HEALTHY else; the beat says the same."""
        found = health.diagnose(signs_of(issues), at(0))
        assert {complaint.issue for complaint in found.complaints} == issues
        expected = Health.CRITICAL if issues & DOWN else Health.DEGRADED if issues else Health.HEALTHY
        assert found.health is expected
        assert found.checks.semantic_healthy == (issues <= NOT_SEMANTIC)
        assert found.checks.process_alive == (Issue.PROCESS_DEAD not in issues)
        assert found.checks.ibkr_connected == (Issue.DISCONNECTED not in issues)
        assert found.checks.store_commits == (Issue.STORE_SILENT not in issues)
        assert found.checks.data_arriving == (Issue.DATA_SILENT not in issues)
        assert found.checks.notifier_responds == (Issue.NOTIFIER_SILENT not in issues)
        made = health.heartbeat(found, ALL)
        assert made is not None
        assert made.status is (Beat.DEGRADED if issues else Beat.HEALTHY)
        assert made.health_state is expected
        assert set(made.details) == {issue.value for issue in issues}

    @pytest.mark.parametrize("issue", Issue)
    def test_severity_of_a_complaint(self, issue: Issue) -> None:
        """What is down is CRITICAL; a sick stream is a WARNING."""
        (complaint,) = health.diagnose(signs_of({issue}), at(0)).complaints
        assert complaint.severity is (Severity.CRITICAL if issue in DOWN else Severity.WARNING)

    @pytest.mark.parametrize(
        ("sign", "span", "issue"),
        [
            ("orders_updated_at", 300, Issue.ORDERS_FLOWING),
            ("fills_updated_at", 600, Issue.FILLS_UPDATING),
            ("reconciled_at", 600, Issue.RECONCILIATION_FRESH),
            ("stalled_since", 300, Issue.STALLED_STUCK),
        ],
    )
    def test_stale_begins_after_the_span(self, sign: str, span: int, issue: Issue) -> None:
        """Not at it, but a moment later; and what a clock set back has put into the future vouches for nothing."""
        base = evolve(WELL, orders_pending=1, orders_updated_at=at(0), positions_open=1, fills_updated_at=at(0))
        for seconds, sick in ((-span, False), (-span - 0.001, True), (2, False), (2.001, True)):
            changed: dict[str, Any] = {sign: at(seconds)}  # Any: as above
            signs = evolve(base, **changed)
            issues = {complaint.issue for complaint in health.diagnose(signs, at(0)).complaints}
            assert issues == ({issue} if sick else set())

    def test_complete_snapshot_confirms_both_streams(self) -> None:
        """E11: a stream counts as updated when a complete snapshot confirms it."""
        old = evolve(WELL, orders_pending=1, orders_updated_at=at(-999), positions_open=1, fills_updated_at=at(-999))
        assert health.diagnose(old, at(0)).health is Health.DEGRADED
        assert health.diagnose(evolve(old, confirmed_at=at(-1)), at(0)).health is Health.HEALTHY

    def test_what_never_happened_vouches_for_nothing(self) -> None:
        """Pending orders without a word, an engine that never reconciled; one that has just started has its grace."""
        never = Signs(orders_pending=1, positions_open=1)
        issues = {complaint.issue for complaint in health.diagnose(never, at(0)).complaints}
        assert issues == {Issue.ORDERS_FLOWING, Issue.FILLS_UPDATING, Issue.RECONCILIATION_FRESH}
        assert health.diagnose(Signs(started_at=at(-599)), at(0)).health is Health.HEALTHY
        assert health.diagnose(Signs(started_at=at(-601)), at(0)).health is Health.DEGRADED

    def test_nothing_pending_owes_no_word(self) -> None:
        """No order, no position: old streams are no sickness."""
        quiet = evolve(WELL, orders_updated_at=at(-9999), fills_updated_at=at(-9999))
        assert health.diagnose(quiet, at(0)) == FINE


@shows("INV-OPS-HEARTBEAT-30S-1", "S33-MON-02", "S33-MON-13", "CV_S33_6_HEARTBEAT_JITTER")
class TestOpsHeartbeat30s:
    """INV-OPS-HEARTBEAT-30S-1: Heartbeat every 30 s with ±5 s jitter."""

    @given(jitter=st.integers(-5000, 5000), latency=st.integers(0, 10_000))
    def test_beat_in_time_is_never_a_miss(self, jitter: int, latency: int) -> None:
        """Due 25 to 35 s after the last; with up to 10 s of latency on top it is no miss."""
        due = health.beat_due_at(at(0), timedelta(milliseconds=jitter), at(1))
        assert timedelta(seconds=25) <= due - at(0) <= timedelta(seconds=35)
        assert (due - at(30)) == timedelta(milliseconds=jitter)
        assert health.misses(at(0), due + timedelta(milliseconds=latency)) == 0

    def test_first_beat_and_one_from_the_future_are_due_now(self) -> None:
        """A desk that never beat, or whose clock was set back, beats at once; more jitter than 5 s is our bug."""
        assert health.beat_due_at(None, timedelta(), at(7)) == at(7)
        assert health.beat_due_at(at(3600), timedelta(), at(7)) == at(7)
        assert health.beat_due_at(at(9), timedelta(), at(7)) == at(39)
        with pytest.raises(AssertionError, match="5 s"):
            health.beat_due_at(at(0), timedelta(seconds=5.001), at(7))

    @pytest.mark.parametrize(
        ("seconds", "missed"), [(45, 0), (45.001, 1), (59, 1), (60, 2), (89, 2), (90, 3), (120, 4), (-2, 0), (-3, 1)]
    )
    def test_misses(self, seconds: float, missed: int) -> None:
        """None up to 45 s, three at 90 s; a beat from the future counts as one."""
        assert health.misses(at(0), at(seconds)) == missed

    @shows("CV_S33_4_MONITORING_PROCESS_DEATH", "S33-MON-03", "S33-MON-11", "F71")
    def test_watchdog_writes_each_miss_once_and_the_third_is_critical(self) -> None:
        """MISSED 1, 2, 3, each once, whatever the watchdog's own rhythm; CRITICAL from the third, or at once where the
        process is gone."""
        beats, written = Heartbeats(), []
        beats.fold(bead(1, beat(), 0))
        for second in range(0, 100, 5):
            made = health.missed_beat(beats, at(second), process_alive=True)
            if made is not None:
                written.append((second, made.miss_count, made.health_state, beat_code(made)))
                beats.fold(bead(2, made, second))
        assert written == [
            (50, 1, Health.DEGRADED, Code.BEAT_MISSED),
            (60, 2, Health.DEGRADED, Code.BEAT_MISSED),
            (90, 3, Health.CRITICAL, Code.BEATS_MISSED),
        ]
        assert (beats.missed, beats.beats, beats.last_at) == (3, 1, at(0))
        dead = health.missed_beat(evolve(beats, miss_count=0), at(50), process_alive=False)
        assert dead is not None
        assert (dead.health_state, dead.checks.process_alive) == (Health.CRITICAL, False)
        assert health.missed_beat(Heartbeats(), at(9999), process_alive=False) is None
        assert beat_code(beat()) is None


@shows("I19", "M21")
class TestHeartbeatTruth:
    """I19: heartbeat truth: heartbeat is sent only if since the last one the loop, a store commit and a broker round
    trip (or a declared outage) happened."""

    @pytest.mark.parametrize(("loop", "commit", "trip", "outage"), list(product((True, False), repeat=4)))
    def test_all_sixteen_cases(self, loop: bool, commit: bool, trip: bool, outage: bool) -> None:
        """A beat exactly where all three happened; what is missing is named."""
        earned = Earned(loop, commit, trip, outage)
        deserved = loop and commit and (trip or outage)
        assert (health.heartbeat(FINE, earned) is not None) == deserved
        missing = {"loop": loop, "store_commit": commit, "round_trip": trip or outage}
        assert set(earned.missing) == {name for name, happened in missing.items() if not happened}


class TestHeartbeats:
    """The slice: the last beat, the misses in a row, since when the desk is not HEALTHY."""

    def test_row_of_degraded_beats(self) -> None:
        """Counted from the first that was not HEALTHY, misses included; a HEALTHY beat ends it."""
        beats = Heartbeats()
        beats.fold(bead(1, beat(Beat.DEGRADED, Health.DEGRADED), 10))
        beats.fold(bead(2, beat(Beat.MISSED, Health.DEGRADED, 1), 60))
        assert (beats.degraded_since, beats.miss_count, beats.last_status) == (at(10), 1, Beat.MISSED)
        beats.fold(bead(3, beat(Beat.DEGRADED, Health.CRITICAL), 90))
        assert (beats.degraded_since, beats.miss_count, beats.health) == (at(10), 0, Health.CRITICAL)
        beats.fold(bead(4, beat(), 320))
        assert (beats.degraded_since, beats.last_at, beats.beats) == (None, at(320), 3)

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        beats = Heartbeats()
        beats.fold(bead(1, seen(About.WARNING, "x")))
        assert beats == Heartbeats()
