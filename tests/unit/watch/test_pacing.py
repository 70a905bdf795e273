"""Pacing: no window is ever overrun, and no run of the reconciler is dropped."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.watch import pacing
from phoenix_core.watch.pacing import Wire
from tests.showing import shows
from tests.unit.watch.made import at

MS: Final = timedelta(milliseconds=1)
START: Final = timedelta(hours=3)

bursts: Final = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 8), st.booleans()), max_size=60)


def most_within(ticks: list[timedelta], window: timedelta) -> int:
    """The most that ever fell into one window, counted the slow way."""
    return max((sum(1 for other in ticks if at <= other < at + window) for at in ticks), default=0)


@shows("S32-CON-06", "CV_S33_14_PACING_VIOLATION", "S33-CON-07", "L10")
class TestWire:
    """The wire: at most 8 messages in 0.2 s, 45 in a second, 50 orders in a second, whatever is asked of it."""

    @given(bursts)
    def test_no_window_is_ever_overrun(self, asked: list[tuple[int, int, bool]]) -> None:
        """Whoever goes when there is room overruns nothing, and there is room no later than the windows say."""
        wire, now = Wire(), START
        messages: list[timedelta] = []
        orders: list[timedelta] = []
        for wait, count, place in asked:
            now += wait * MS
            free = pacing.room_at(wire, now, count, count if place else 0)
            assert free >= now
            assert pacing.has_room(wire, now, count, count if place else 0) == (free == now)
            assert free - now <= pacing.SECOND
            now = free
            wire = pacing.taken(wire, now, count, count if place else 0)
            messages += [now] * count
            orders += [now] * count if place else []
        assert most_within(messages, pacing.BURST_WINDOW) <= 8
        assert most_within(messages, pacing.SECOND) <= 45
        assert most_within(orders, pacing.SECOND) <= 50

    def test_room_comes_no_later_than_it_must(self) -> None:
        """The ninth message of a burst goes 200 ms after the first, not a tick earlier or later."""
        wire = pacing.taken(Wire(), START, 8)
        assert pacing.room_at(wire, START + MS, 1) == START + 200 * MS
        assert not pacing.has_room(wire, START + 199 * MS, 1)
        assert pacing.has_room(wire, START + 200 * MS, 1)

    def test_second_window_binds_where_bursts_do_not(self) -> None:
        """45 messages, spread so that no burst is full, still close the wire for the rest of the second."""
        wire = Wire(tuple(START + n * 20 * MS for n in range(45)))
        assert pacing.room_at(wire, START + 950 * MS, 3) == START + timedelta(seconds=1, milliseconds=40)

    def test_orders_have_a_window_of_their_own(self) -> None:
        """50 orders in a second close the wire for orders and leave it open for data."""
        wire = Wire((), tuple(START + n * MS for n in range(50)))
        later = START + 900 * MS
        assert pacing.room_at(wire, later, 1, 1) == START + pacing.SECOND
        assert pacing.has_room(wire, later, 1)

    def test_bracket_is_budgeted_whole(self) -> None:
        """With six of eight messages gone two frames fit, and the three of a bracket do not."""
        wire = pacing.taken(Wire(), START, 6, 3)
        assert pacing.has_room(wire, START, 2, 2)
        assert not pacing.has_room(wire, START, 3, 3)
        assert pacing.budget(wire, START) == 2

    @given(bursts)
    def test_budget_is_the_most_that_fits(self, asked: list[tuple[int, int, bool]]) -> None:
        """So many order messages fit, and not one more."""
        wire, now = Wire(), START
        for wait, count, _ in asked:
            now = pacing.room_at(wire, now + wait * MS, count, count)
            wire = pacing.taken(wire, now, count, count)
        most = pacing.budget(wire, now)
        assert most == 0 or pacing.has_room(wire, now, most, most)
        assert most == 8 or not pacing.has_room(wire, now, most + 1, most + 1)

    def test_nobody_takes_what_is_not_there(self) -> None:
        """Handing over without room, or more at once than a burst, is our bug and stops us."""
        wire = pacing.taken(Wire(), START, 8)
        with pytest.raises(AssertionError, match="nobody takes"):
            pacing.taken(wire, START, 1)
        with pytest.raises(AssertionError, match="one burst"):
            pacing.room_at(Wire(), START, 9)

    def test_only_the_last_second_is_kept(self) -> None:
        """The state of the wire stays small however long it runs."""
        wire = Wire()
        for n in range(200):
            wire = pacing.taken(wire, START + n * timedelta(milliseconds=100), 2, 1)
        assert len(wire.messages) == 20
        assert len(wire.orders) == 10


@shows("I17")
class TestSpans:
    """I17: time: ordering by seq only; TTL/stall/backoff by monotonic time, and expired if either clock says so; all
    stored times UTC-aware; no wall jump changes a state by itself."""

    @given(st.integers(-10_000, 10_000), st.integers(1, 5_000))
    def test_span_is_over_by_its_end_or_when_the_clock_went_back(self, gone: int, span: int) -> None:
        """A recorded instant is past its span once the span is over, or once it lies more than 2 s in the future."""
        expected = gone >= span or gone < -2
        assert pacing.has_passed(at(0), at(gone), timedelta(seconds=span)) == expected


runs_of: Final = st.lists(st.integers(0, 40), min_size=1, max_size=60)


@shows("S32-REC-03", "S32-REC-04", "S32-REC-05")
class TestRuns:
    """Runs of the reconciler: at most 12 a minute, coalesced, never dropped."""

    @given(runs_of)
    def test_at_most_twelve_a_minute_and_none_lost(self, waits: list[int]) -> None:
        """However triggers come, no minute sees more than twelve runs, and each trigger has a run that begins after."""
        now, runs, triggers = at(0), list[datetime](), list[datetime]()
        for wait in waits:
            now += timedelta(milliseconds=100 * wait)
            triggers.append(now)
            wanted = pacing.run_wanted_at(now, runs[-1] if runs else None, now)
            start = pacing.next_run(wanted, tuple(runs), now)
            assert now <= start <= now + pacing.RUNS_WINDOW
            if start == now:
                runs.append(now)
        runs.append(pacing.next_run(now, tuple(runs), now))
        assert all(any(run >= trigger for run in runs) for trigger in triggers)
        assert all(sum(run <= other < run + pacing.RUNS_WINDOW for other in runs) <= 12 for run in runs)

    def test_first_run_is_wanted_at_once(self) -> None:
        """A desk that never reconciled wants to now."""
        assert pacing.run_wanted_at(None, None, at(9)) == at(9)

    def test_one_run_serves_all_triggers_before_it(self) -> None:
        """A trigger before the last run began is served; one at or after its beginning is not."""
        assert pacing.run_wanted_at(at(50), at(51), at(60)) == at(51) + pacing.RECONCILE_EVERY
        assert pacing.run_wanted_at(at(51), at(51), at(60)) == at(51)
        assert pacing.run_wanted_at(at(55), at(51), at(60)) == at(55)

    def test_every_five_minutes_without_a_trigger(self) -> None:
        """The interval counts from the last run's beginning, and a clock set back an hour does not stop the runs."""
        assert pacing.run_wanted_at(None, at(0), at(299)) == at(300)
        assert pacing.run_wanted_at(None, at(0), at(301)) == at(301)
        assert pacing.run_wanted_at(None, at(3600), at(0)) == at(0)
        assert pacing.run_wanted_at(None, at(0), at(9), timedelta(seconds=60)) == at(60)

    def test_thirteenth_run_waits_for_the_first_to_be_a_minute_old(self) -> None:
        """After twelve runs in twelve seconds the next starts at second 60; a clock set back does not hold it."""
        runs = tuple(at(n) for n in range(12))
        assert pacing.next_run(at(12), runs, at(12)) == at(60)
        assert pacing.next_run(at(70), runs, at(12)) == at(70)
        assert pacing.next_run(at(61), runs, at(61)) == at(61)
        assert pacing.next_run(at(-3600), runs, at(-3600)) == at(-3600)
        assert pacing.next_run(at(12), runs[:11], at(12)) == at(12)
