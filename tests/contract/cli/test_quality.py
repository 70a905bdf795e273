"""The figures that a log proves: each gate red where its evidence is missing, each mark missed where it should be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest
from attrs import evolve

from phoenix_cli.proofs import paper_gates
from phoenix_cli.quality import Quality, quality
from phoenix_core.beads import (
    About,
    AlertEvent,
    Bead,
    Beat,
    Body,
    Checks,
    Genesis,
    Health,
    Heartbeat,
    IbkrSession,
    Lease,
    LeaseEvent,
    Observation,
    SessionEvent,
)
from phoenix_core.values import Mode
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.health import AWAY_AS_DECLARED
from phoenix_core.watch.session import DECLARED, OVERDUE
from tests.showing import shows
from tests.stage import stage

NOON: Final = datetime.fromisoformat("2026-11-18T17:00:00+00:00")
TAKEN: Final = Lease(LeaseEvent.TAKEN, "boot", "run", "1")
RELEASED: Final = Lease(LeaseEvent.RELEASED, "boot", "run", "1")
BEAT: Final = Heartbeat(Beat.HEALTHY, Health.HEALTHY, Checks(True, True, True))
MISSED: Final = Heartbeat(Beat.MISSED, Health.CRITICAL, Checks(False, False, False), miss_count=1)
LOST: Final = IbkrSession(SessionEvent.DISCONNECT, Mode.PAPER, "tag", "DU...1", 4002, 1, outcome="LOST")
FOUND: Final = IbkrSession(SessionEvent.RECONNECT, Mode.PAPER, "tag", "DU...1", 4002, 2, outcome="CONNECTED")


def log(*told: tuple[float, Body]) -> list[Bead]:
    """Beads at so many seconds after noon."""
    return [Bead(n, NOON + timedelta(seconds=at), f"b{n}", body, "") for n, (at, body) in enumerate(told)]


def measured(beads: list[Bead], seconds: float) -> Quality:
    """The figures of a log, so many seconds after noon."""
    return quality(beads, NOON - timedelta(hours=1), NOON + timedelta(seconds=seconds))


@shows("S33-REV-06")
class TestUptime:
    """The time in which an engine was meant to run, and did."""

    def test_beats_in_time_are_all_of_it(self) -> None:
        """Ten minutes of beats: all."""
        beats = [(30.0 * n, BEAT) for n in range(1, 20)]
        assert measured(log((0, TAKEN), *beats), 600).uptime == 1.0

    def test_a_stop_on_purpose_counts_nothing(self) -> None:
        """Between a release and the next start nothing was meant to run."""
        found = measured(log((0, TAKEN), (30, BEAT), (40, RELEASED), (4000, TAKEN), (4030, BEAT)), 4040)
        assert (found.uptime, found.observed_s) == (1.0, 80.0)

    def test_a_crash_counts_until_the_next_start(self) -> None:
        """Dead from the last sign of life on: twenty seconds of eighty."""
        found = measured(log((0, TAKEN), (30, BEAT), (50, TAKEN), (80, BEAT)), 80)
        assert found.uptime == 0.75

    def test_a_gap_of_beats_counts_too(self) -> None:
        """And so does the time after the last one."""
        found = measured(log((0, TAKEN), (30, BEAT), (130, BEAT)), 330)
        assert found.uptime == pytest.approx(30 / 330)
        assert measured([], 10).uptime is None


@shows("S33-REV-06")
class TestAlerts:
    """Whether alerts were right, and whether everything was told."""

    def test_a_loss_that_was_told(self) -> None:
        """One incident, one alert that names it: both shares are whole."""
        found = measured(log((0, LOST), (0, alert(Code.LINK_LOST, "link", "k"))), 10)
        assert (found.precision, found.recall) == (1.0, 1.0)

    def test_a_loss_that_nobody_was_told_of(self) -> None:
        """Recall falls, and the incident is named."""
        found = measured(log((0, LOST)), 10)
        assert (found.recall, [one.what for one in found.untold]) == (0.0, ["the link was lost"])

    def test_a_restart_as_declared_is_a_loss_once_it_takes_longer(self) -> None:
        """Nobody is told of one that comes back in its window, and of its beats; of one that does not, everybody."""
        quiet, late = evolve(LOST, detail=DECLARED), evolve(FOUND, outcome="FAILED", detail=OVERDUE)
        beat = evolve(BEAT, status=Beat.DEGRADED, details={"ibkr_connected": AWAY_AS_DECLARED})
        sick = evolve(beat, details={**beat.details, "data_arriving": "no data arrives"})
        assert measured(log((0, quiet), (30, beat), (60, FOUND)), 90).recall is None
        assert measured(log((0, quiet), (30, sick), (60, FOUND)), 90).recall == 0.0
        told = measured(log((0, quiet), (300, late), (300, alert(Code.LINK_LOST, "link", "k"))), 310)
        assert (told.precision, told.recall) == (1.0, 1.0)
        assert measured(log((0, quiet), (300, late)), 310).recall == 0.0

    def test_a_condition_that_stood_open_tells_what_follows(self) -> None:
        """Beats go on missing for minutes under one alert; once it is over, the next one needs another."""
        raised = alert(Code.BEATS_MISSED, "desk", "k")
        over = evolve(raised, event=AlertEvent.RESOLVED)
        found = measured(log((0, MISSED), (0, raised), (300, MISSED), (310, over), (900, MISSED)), 1000)
        assert (found.told, len(found.untold)) == (2, 1)

    def test_an_alert_with_nothing_behind_it(self) -> None:
        """No bead within a minute says what it says: precision falls."""
        found = measured(log((0, alert(Code.LINK_LOST, "link", "k")), (90, LOST)), 100)
        assert found.precision == 0.0

    def test_a_human_has_the_last_word(self) -> None:
        """Acknowledged as a false alarm it is one, whatever the log holds."""
        raised = alert(Code.LINK_LOST, "link", "k")
        said = evolve(raised, event=AlertEvent.ACKNOWLEDGED, text="false alarm")
        assert measured(log((0, LOST), (0, raised), (5, said)), 10).precision == 0.0

    def test_a_death_is_right_where_no_goodbye_followed(self) -> None:
        """PROCESS_DEAD, then a start: right. PROCESS_DEAD, then a release: wrong."""
        dead = alert(Code.PROCESS_DEAD, "desk", "k")
        assert measured(log((0, TAKEN), (5, dead), (900, TAKEN)), 1000).precision == 1.0
        assert measured(log((0, TAKEN), (5, dead), (900, RELEASED)), 1000).precision == 0.0

    def test_a_start_that_finds_another_session_lost_nothing(self) -> None:
        """Both beads in one append: there was no loss to be told of."""
        assert measured(log((0, LOST), (0, FOUND)), 10).recall is None

    def test_the_marks(self) -> None:
        """What was never measured is not met."""
        assert [mark.met for mark in measured([], 10).marks] == [True, False, False, False, False]


class TestGates:
    """An empty log is red at every gate; what looks like evidence and is none does not help."""

    def test_nothing_is_green_in_an_empty_log(self) -> None:
        """All six are red."""
        assert [proof.green for proof in paper_gates([], 8)] == [False] * 6

    def test_a_restart_is_no_disconnect_drill(self) -> None:
        """A loss and a return in one append: the engine was started, nothing was forced."""
        assert not paper_gates(log((0, LOST), (0, FOUND)), 8)[5].green
        assert paper_gates(log((0, LOST), (5, FOUND)), 8)[5].green

    def test_a_mock_session_is_no_paper_account(self) -> None:
        """The mode of the session counts."""
        assert "0 sessions" in paper_gates(log((0, evolve(FOUND, mode=Mode.MOCK))), 8)[0].detail

    async def test_trades_on_a_mock_desk_prove_nothing_about_paper(self) -> None:
        """The same life, told by a desk whose first bead says MOCK and by one whose says PAPER."""
        desk = stage()
        await desk.start()
        _ = await desk.enter()
        desk.price("1.09105", "1.09115")
        await desk.watch(6, 1)
        beads = desk.beads()
        assert not paper_gates(beads, 8)[1].green
        genesis = beads[0].body
        assert isinstance(genesis, Genesis)
        on_paper = [evolve(beads[0], body=evolve(genesis, mode=Mode.PAPER)), *beads[1:]]
        assert paper_gates(on_paper, 8)[1].green
        assert "1 of 3 trades over 1 of 2 sessions" in paper_gates(on_paper, 8)[2].detail

    def test_a_drill_that_failed_and_a_missing_page(self) -> None:
        """Eight pages and one resolved drill, or red."""
        done = Observation(About.DRILL, "RB-004", {"outcome": "resolved"})
        assert paper_gates(log((0, done)), 8)[4].green
        assert not paper_gates(log((0, done)), 7)[4].green
        assert not paper_gates(log((0, evolve(done, facts={"outcome": "failed"}))), 8)[4].green

    def test_late_beats_are_no_monitoring(self) -> None:
        """Sound beats in time and a proven channel; a minute between two of them is too long."""
        proven = evolve(alert(Code.TEST, "telegram", "k"), event=AlertEvent.SENT, channel="telegram")
        assert paper_gates(log((0, TAKEN), (1, BEAT), (31, BEAT), (40, proven)), 8)[3].green
        assert not paper_gates(log((0, TAKEN), (1, BEAT), (61, BEAT), (70, proven)), 8)[3].green
        assert not paper_gates(log((0, TAKEN), (1, BEAT), (31, BEAT)), 8)[3].green
