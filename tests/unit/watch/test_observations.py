"""Observations: little is kept, and what is kept is what the rules ask for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import About, Heartbeat, Observation
from phoenix_core.canonical import encode
from phoenix_core.facts import Quote
from phoenix_core.records import of_json, to_json
from phoenix_core.values import Price
from phoenix_core.watch import observations as seen_by
from phoenix_core.watch.compare import Agreement, Book, Finding, compare
from phoenix_core.watch.drift import Drifts, news
from phoenix_core.watch.health import Earned, Signs, diagnose, heartbeat
from phoenix_core.watch.observations import LATE_KEPT, LISTED_MAX, Observations, is_late_known
from tests.showing import shows
from tests.unit.watch.made import ENTRY, STOP, at, bead, book, held, moment, row, said, snapshot

QUOTE: Final = Quote("EURUSD", Price(Decimal("1.085")), Price(Decimal("1.0852")), moment(7))


class Desk:
    """Observations with their log, reconciling."""

    def __init__(self) -> None:
        """Nothing was ever seen."""
        self.observations = Observations()
        self.seq = 0

    def ran(self, finding: Finding, seconds: float = 0, session: int = 3) -> None:
        """A run is recorded."""
        self.seq += 1
        taken = evolve(snapshot(began=seconds - 1, ended=seconds), session=session)
        self.observations.fold(bead(self.seq, seen_by.snapshot_seen(taken, finding), seconds))

    def run(self, mine: Book, **theirs: int) -> Finding:
        """A run at second 101 of a world of holdings."""
        finding = compare(mine, snapshot(positions=held(**theirs)), seen_by.suspects_of(self.observations))
        self.ran(finding, 101)
        return finding


@shows("I10")
def test_late_words_are_known_again_and_few_are_kept() -> None:
    """The same word is known, whoever repeats it; of more than a thousand the oldest is forgotten, not the newest."""
    known = Observations()
    for n in range(LATE_KEPT + 1):
        known.fold(bead(n, Observation(About.LATE_FACT, f"ref-{n}", {"message": str(n), "status": "SUBMITTED"}), n))
    again = {"message": "another", "status": "SUBMITTED"}
    assert len(known.late) == LATE_KEPT
    assert is_late_known(known, f"ref-{LATE_KEPT}", again)
    assert not is_late_known(known, "ref-0", again)
    assert not is_late_known(known, f"ref-{LATE_KEPT}", again | {"status": "FILLED"})


UNKNOWN: Final = Finding(Agreement.UNKNOWN, why="incomplete: positions")
FINE: Final = Finding(Agreement.AGREES)
MOVING: Final = Finding(Agreement.MOVING, suspects=(("a" * 64, 1),), shown=("a" * 64,))


class TestSnapshots:
    """What the last pictures of the broker said."""

    @shows("I13", "S33-REC-01")
    def test_three_pictures_in_a_row_that_are_not_whole_escalate(self) -> None:
        """Two do not; a whole one in between starts over; and none of them counts as a reconciliation."""
        desk = Desk()
        for streak in (1, 2, 3, 4):
            desk.ran(UNKNOWN)
            assert desk.observations.unknown_streak == streak
            assert not seen_by.is_reconciled(desk.observations, 3)
            assert seen_by.proof_of_absence(desk.observations) is None
        desk.ran(FINE)
        assert desk.observations.unknown_streak == 0
        desk.ran(UNKNOWN)
        assert desk.observations.unknown_streak == 1

    def test_reconciled_is_of_this_session_and_since_its_link_came_up(self) -> None:
        """Another session's run, or one before the link came up again, does not count."""
        desk = Desk()
        assert not seen_by.is_reconciled(desk.observations, 3)
        desk.ran(FINE)
        assert seen_by.is_reconciled(desk.observations, 3)
        assert not seen_by.is_reconciled(desk.observations, 4)
        assert not seen_by.is_reconciled(desk.observations, 3, connected_seq=1)
        desk.ran(FINE)
        assert seen_by.is_reconciled(desk.observations, 3, connected_seq=1)

    @shows("I12")
    def test_suspects_travel_through_the_log(self) -> None:
        """Two looks at a virtual position, with nothing but beads in between, make a drift."""
        desk, mine = Desk(), book(holdings={"EURUSD": 5000}, cash=frozenset({"EURUSD"}))
        assert desk.run(mine, EURUSD=9000).found == ()
        assert seen_by.next_look_at(desk.observations) == at(102)
        second = desk.run(mine, EURUSD=9000)
        assert [d.subject for d in second.found] == ["EURUSD"]
        assert seen_by.next_look_at(desk.observations) is None
        assert desk.observations.complete is not None
        assert desk.observations.complete.agreement is Agreement.DIFFERS
        assert desk.observations.complete.shown == (second.found[0].identity,)
        assert len(news(Drifts(), second.found, 3, 0)) == 1

    def test_looks_at_rows_in_motion(self) -> None:
        """1, 3 and 8 s after they were first seen; a picture that is not whole is a look, too; explained, they end."""
        desk = Desk()
        assert seen_by.next_look_at(desk.observations) is None
        for seconds, expected in ((0, 1), (1, 3), (3, 8)):
            desk.ran(MOVING, seconds)
            assert seen_by.next_look_at(desk.observations) == at(expected)
        desk.ran(UNKNOWN, 8)
        assert seen_by.next_look_at(desk.observations) == at(16)
        desk.ran(FINE, 16)
        assert seen_by.next_look_at(desk.observations) is None
        desk.ran(UNKNOWN, 17)
        assert seen_by.next_look_at(desk.observations) is None
        assert desk.observations.looks == 0

    def test_looks_that_others_ask_for_put_no_look_off(self) -> None:
        """A fill asks for runs at once: the looks at 1, 3 and 8 s come all the same, and the drift within 15 s."""
        desk = Desk()
        for seconds in (0, 0, 0, 0, 0):
            desk.ran(MOVING, seconds)
        assert seen_by.next_look_at(desk.observations) == at(1)
        desk.ran(MOVING, 4)
        assert seen_by.next_look_at(desk.observations) == at(8)

    def test_only_the_last_twelve_runs_are_kept(self) -> None:
        """For the rate of runs."""
        desk = Desk()
        for n in range(20):
            desk.ran(FINE, n)
        assert desk.observations.runs == [at(n) for n in range(8, 20)]
        assert desk.observations.run is not None
        assert (desk.observations.run.seq, desk.observations.run.began) == (20, at(18))
        assert desk.observations.counts == {About.SNAPSHOT: 20}

    @shows("F05")
    def test_absence_needs_two_pictures_apart_in_one_session(self) -> None:
        """30 s apart, of this session, and all whole ones between them agreeing: what `resolve-stalled` asks for."""
        desk, half = Desk(), timedelta(seconds=30)
        absent = Finding(Agreement.DIFFERS, absent=(ENTRY, STOP))
        desk.ran(absent, 0)
        assert not seen_by.is_absent(desk.observations, ENTRY, 3, half)
        desk.ran(UNKNOWN, 15)
        desk.ran(absent, 29)
        assert not seen_by.is_absent(desk.observations, ENTRY, 3, half)
        desk.ran(absent, 30)
        assert seen_by.is_absent(desk.observations, ENTRY, 3, half)
        assert not seen_by.is_absent(desk.observations, ENTRY, 4, half)
        assert not seen_by.is_absent(desk.observations, "P1OTHER", 3, half)
        desk.ran(absent, 40, session=4)
        assert not seen_by.is_absent(desk.observations, ENTRY, 4, half)
        desk.ran(evolve(absent, absent=(STOP,)), 50, session=4)
        desk.ran(absent, 70, session=4)
        assert not seen_by.is_absent(desk.observations, ENTRY, 4, half)
        assert seen_by.is_absent(desk.observations, STOP, 4, half)

    def test_real_run_names_what_is_absent(self) -> None:
        """From comparison to observation: an order without an end that the picture does not show."""
        desk = Desk()
        finding = compare(book(row(ENTRY), row(STOP)), snapshot(said(STOP, quantity=0)), {})
        desk.ran(finding, 101)
        assert set(desk.observations.absences) == {ENTRY}

    def test_disaster_is_cut_and_proves_nothing(self) -> None:
        """More rows than a bead may list: it stays small, says how many there were, and no answer is proven by it."""
        desk = Desk()
        many = tuple(f"{n:064x}" for n in range(LISTED_MAX + 1))
        finding = Finding(Agreement.DIFFERS, shown=many, suspects=tuple((identity, 0) for identity in many))
        body = seen_by.snapshot_seen(snapshot(), finding)
        assert body.facts["cut"] == str(LISTED_MAX + 1)
        assert len(encode(to_json(body))) < 200_000
        desk.ran(finding)
        assert seen_by.proof_of_absence(desk.observations) is None
        desk.ran(evolve(finding, shown=many[:-1], suspects=()))
        assert seen_by.proof_of_absence(desk.observations) == (many[:-1], 2)

    @given(
        st.sampled_from(Agreement),
        st.lists(st.tuples(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2)), max_size=4),
    )
    def test_what_a_bead_says_is_read_back(self, agreement: Agreement, suspects: list[tuple[str, int]]) -> None:
        """The same through the bytes of the log."""
        finding = Finding(agreement, suspects=tuple(dict(suspects).items()), shown=tuple(dict(suspects)))
        body = seen_by.snapshot_seen(snapshot(), finding)
        again = of_json(type(body), to_json(body))
        observations = Observations()
        observations.fold(bead(9, again, 5))
        run = observations.run
        assert run is not None
        assert (run.seq, run.ts, run.session, run.began) == (9, at(5), 3, at(100))
        assert (run.agreement, run.suspects, run.shown, run.cut) == (agreement, dict(suspects), finding.shown, False)


class TestOtherThingsSeen:
    """Quotes, scars, drills, and counters of everything."""

    @pytest.mark.parametrize("delayed", [True, False])
    def test_last_quote_of_each_instrument(self, delayed: bool) -> None:
        """The newest by place in the log."""
        observations = Observations()
        observations.fold(bead(4, seen_by.quote_seen(QUOTE)))
        observations.fold(bead(5, seen_by.quote_seen(evolve(QUOTE, bid=Price(Decimal(1)), delayed=delayed))))
        last = observations.quotes["EURUSD"]
        assert (last.seq, last.bid, last.ask, last.at, last.delayed) == (
            5,
            Decimal(1),
            Decimal("1.0852"),
            at(7),
            delayed,
        )

    @shows("S33-QRY-03", "S33-PRO-01")
    def test_scars_of_chaos_vectors(self) -> None:
        """None ever ran: not known. A vector that failed and then passed has healed."""
        observations = Observations()
        assert seen_by.bunny_failures(observations) is None
        for seq, (vector, passed) in enumerate((("CV_1", False), ("CV_2", True), ("CV_3", False), ("CV_1", True))):
            observations.fold(bead(seq, seen_by.bunny_scar(vector, passed)))
        assert seen_by.bunny_failures(observations) == 1
        observations.fold(bead(9, seen_by.bunny_scar("CV_3", True)))
        assert seen_by.bunny_failures(observations) == 0

    @shows("S33-RBK-10")
    def test_drills_and_counters(self) -> None:
        """When each runbook was last drilled; how often anything was refused."""
        observations = Observations()
        observations.fold(bead(1, seen_by.seen(About.DRILL, "RB-004", took="61 s"), 40))
        for seq in (2, 3):
            observations.fold(bead(seq, seen_by.seen(About.REFUSED_EVENT, "p1", event="Closed")))
        assert observations.drills == {"RB-004": at(40)}
        assert observations.counts == {About.DRILL: 1, About.REFUSED_EVENT: 2}

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        beat = heartbeat(diagnose(Signs(), at(0)), Earned(True, True, True))
        assert isinstance(beat, Heartbeat)
        observations = Observations()
        observations.fold(bead(1, beat))
        assert observations == Observations()
        assert seen_by.suspects_of(observations) == {}
