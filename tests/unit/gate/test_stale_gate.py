"""The stale gate: how old a context may be, what makes it fresh again, and who may pass anyway."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Bead, Body, KillEvent, KillFlag, KillKind, StateAnchor, StateConflict
from phoenix_core.gate.kill_flags import KillFlags, kill_refusal, raise_flag, strategy_scope
from phoenix_core.gate.stale_gate import (
    Anchored,
    Anchors,
    Context,
    conflict,
    context_age,
    context_limit,
    last_refresh,
    limit_for,
    stale_refusal,
)
from phoenix_core.refusals import Reason, refusal
from phoenix_core.values import Moment, Regime
from tests.showing import shows

NOON: Final = Moment(datetime(2026, 11, 18, 12, tzinfo=UTC), timedelta(hours=5), "boot")
MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)
THRESHOLD: Final = 15 * MINUTE
MEANREV: Final = Context("meanrev", "hash-1", NOON.wall)
TAKEN: Final = Context("meanrev", "hash-1", NOON.wall, NOON.plus(MINUTE))  # accepted a minute after it was made


def after(minutes: float) -> Moment:
    """So many minutes after the signal was made."""
    return NOON.plus(minutes * MINUTE)


def refreshed(*anchors: tuple[float, StateAnchor]) -> Anchors:
    """The slice after these refreshes, each at its minute."""
    slice_ = Anchors()
    for seq, (minute, body) in enumerate(anchors):
        at = after(minute)
        slice_.fold(bead(seq, evolve(body, ticks=at.ticks, boot=at.boot), at))
    return slice_


def bead(seq: int, body: Body, at: Moment = NOON) -> Bead:
    """A recorded fact, at a place in the log."""
    return Bead(seq, at.wall, f"bead-{seq}", body, f"leaf-{seq}")


def anchor(strategy: str = "meanrev", state_hash: str = "hash-1", regime: Regime = Regime.DEFAULT) -> StateAnchor:
    """A human looked."""
    return StateAnchor(strategy, state_hash, regime, "ops")


# By hand, from the decisions: min(30/15/10, 15) where the policy does not ask for less.
LIMITS: Final = [
    (Regime.DEFAULT, 15, 15),
    (Regime.HIGH_VOLATILITY, 15, 15),
    (Regime.NEWS, 15, 10),
    (Regime.DEFAULT, 60, 30),
    (Regime.HIGH_VOLATILITY, 60, 15),
    (Regime.NEWS, 60, 10),
    (Regime.DEFAULT, 5, 5),
    (Regime.HIGH_VOLATILITY, 5, 5),
    (Regime.NEWS, 5, 5),
]


@shows("S32-STL-02", "S32-STL-03")
@pytest.mark.parametrize(("regime", "threshold", "limit"), LIMITS)
def test_the_limit_is_the_smaller_of_weather_and_policy(regime: Regime, threshold: int, limit: int) -> None:
    """Thirty, fifteen or ten minutes by the weather, and never more than the policy's threshold."""
    assert context_limit(regime, threshold * MINUTE) == limit * MINUTE
    named = refreshed((0, anchor(regime=regime)))
    assert limit_for(named, "meanrev", threshold * MINUTE) == limit * MINUTE
    assert limit_for(named, "breakout", threshold * MINUTE) == context_limit(Regime.DEFAULT, threshold * MINUTE)


@shows("INV-STALE-KILL-1", "S32-STL-04", "GATE_S32_7")
class TestStaleKill:
    """INV-STALE-KILL-1: State anchor over 15 min stale gives STATE_CONFLICT and a temporary kill."""

    @given(age=st.timedeltas(min_value=-2 * SECOND, max_value=timedelta(hours=2)), regime=st.sampled_from(Regime))
    def test_a_context_past_its_limit_conflicts_and_kills(self, age: timedelta, regime: Regime) -> None:
        """Up to the limit it is fresh; from the limit on it conflicts, and its strategy is stopped for five minutes."""
        anchors = refreshed((0, anchor(regime=regime)))
        limit = {Regime.DEFAULT: 15, Regime.HIGH_VOLATILITY: 15, Regime.NEWS: 10}[regime] * MINUTE
        now = NOON.plus(age)
        no = stale_refusal(anchors, MEANREV, THRESHOLD, now)
        assert (no is None) == (age < limit)
        if no is None:
            return
        assert no.reasons == (Reason.STATE_CONFLICT,)
        assert conflict(anchors, "i1", MEANREV, THRESHOLD, now, "submit") == StateConflict(
            "i1", "meanrev", age, limit, "submit"
        )
        flags = KillFlags()
        kill = raise_flag(flags, "k", KillKind.TEMPORARY, strategy_scope("meanrev"), no.detail, "stale gate", now)
        assert kill is not None
        assert kill.until == now.wall + 5 * MINUTE
        flags.fold(bead(1, kill, now))
        assert kill_refusal(flags, "meanrev", "EURUSD", latch=False) is not None
        assert kill_refusal(flags, "breakout", "EURUSD", latch=False) is None

    @shows("CV_S32_STALE_APPROVAL", "CV_S33_9_STALE_DURING_APPROVAL", "S32-STL-06", "S33-STL-01")
    def test_the_drill_of_sixteen_minutes(self) -> None:
        """Fresh at minute 14, one tick before 15; in conflict at 15 and at 16."""
        assert stale_refusal(Anchors(), MEANREV, THRESHOLD, after(14)) is None
        assert stale_refusal(Anchors(), MEANREV, THRESHOLD, NOON.plus(THRESHOLD - TICK)) is None
        assert stale_refusal(Anchors(), MEANREV, THRESHOLD, after(15)) is not None
        no = stale_refusal(Anchors(), MEANREV, THRESHOLD, after(16))
        assert no == refusal(Reason.STATE_CONFLICT, detail="the context is 16.0 min old, the limit is 15.0 min")

    def test_a_conflict_does_not_go_away_by_waiting(self) -> None:
        """It is no transient reason, and without a refresh the context only grows older."""
        no = stale_refusal(Anchors(), MEANREV, THRESHOLD, after(16))
        assert no is not None
        assert not no.is_transient


class TestFreshness:
    """What a refresh vouches for."""

    def test_without_a_refresh_the_signal_says_how_old_it_is(self) -> None:
        """The age counts from the signal's own birth."""
        assert context_age(Anchors(), MEANREV, after(7)) == 7 * MINUTE

    @pytest.mark.parametrize("name", ["meanrev", "*"])
    @pytest.mark.parametrize("state", ["hash-1", "*"])
    def test_a_refresh_makes_its_context_fresh_again(self, name: str, state: str) -> None:
        """By the strategy's name or for all, for this state or for every state."""
        anchors = refreshed((12, anchor(name, state)))
        assert context_age(anchors, MEANREV, after(20)) == 8 * MINUTE
        assert stale_refusal(anchors, MEANREV, THRESHOLD, after(26)) is None
        assert stale_refusal(anchors, MEANREV, THRESHOLD, after(27)) is not None

    def test_a_refresh_of_another_strategy_or_state_vouches_for_nothing(self) -> None:
        """The signal stands on a context that nobody looked at."""
        for body in (anchor("breakout"), anchor(state_hash="hash-2")):
            anchors = refreshed((12, body))
            assert context_age(anchors, MEANREV, after(20)) == 20 * MINUTE

    def test_a_refresh_before_the_signal_makes_it_no_older(self) -> None:
        """The later of the two counts."""
        assert context_age(refreshed((-30, anchor())), MEANREV, after(5)) == 5 * MINUTE

    def test_the_last_refresh_counts_whoever_it_names(self) -> None:
        """`*` after the name, the name after `*`: the later one in the log, whatever the wall clock said."""
        named, every = anchor(regime=Regime.NEWS), anchor("*", "*", Regime.HIGH_VOLATILITY)
        assert last_refresh(refreshed((5, named), (3, every)), "meanrev") == Anchored(
            1, after(3), "*", Regime.HIGH_VOLATILITY
        )
        assert last_refresh(refreshed((5, every), (3, named)), "meanrev") == Anchored(
            1, after(3), "hash-1", Regime.NEWS
        )
        assert last_refresh(Anchors(), "meanrev") is None

    def test_a_newer_state_voids_what_an_older_refresh_vouched_for(self) -> None:
        """Once a human anchored another state, signals made on the old one age from their birth again."""
        anchors = refreshed((12, anchor()), (13, anchor(state_hash="hash-2")))
        assert context_age(anchors, MEANREV, after(14)) == 14 * MINUTE

    def test_a_proposers_clock_may_run_a_little_ahead(self) -> None:
        """Up to five seconds the signal is new; beyond, nobody knows how old it is. It ages from its arrival."""
        assert context_age(Anchors(), MEANREV, NOON.plus(-5 * SECOND)) == timedelta(0)
        assert context_age(Anchors(), MEANREV, NOON.plus(-5 * SECOND - TICK)) is None
        ahead = evolve(TAKEN, created_at=NOON.wall + 65 * SECOND)
        assert context_age(Anchors(), ahead, after(3)) == 2 * MINUTE

    @shows("I17")
    @pytest.mark.parametrize("anchored", [False, True])
    def test_either_clock_makes_a_context_old(self, anchored: bool) -> None:
        """The wall set back by ten minutes makes nothing fresh: the clock that never steps says how old it is. Set on,
        the wall itself says so. Of another boot, or behind its own beginning, nobody can tell."""
        anchors = refreshed((1, anchor())) if anchored else Anchors()
        since = MINUTE if anchored else timedelta(0)
        late, back, soon = after(16), 10 * MINUTE, after(2)
        assert context_age(anchors, TAKEN, late) == 16 * MINUTE - since
        assert context_age(anchors, TAKEN, evolve(late, wall=late.wall - back)) == 16 * MINUTE - since
        assert context_age(anchors, TAKEN, evolve(soon, wall=soon.wall + back)) == 12 * MINUTE - since
        for now in (evolve(soon, boot="boot-2"), evolve(soon, wall=NOON.wall), evolve(soon, ticks=NOON.ticks)):
            assert context_age(anchors, TAKEN, now) is None
            assert stale_refusal(anchors, TAKEN, THRESHOLD, now) is not None
            assert conflict(anchors, "i1", TAKEN, THRESHOLD, now, "submit").age == THRESHOLD


def test_other_beads_change_nothing() -> None:
    """The slice folds its own kinds only."""
    anchors = Anchors()
    anchors.fold(bead(0, KillFlag(KillEvent.RAISED, "k", KillKind.ONE_WAY, "desk", "r", "ops")))
    assert anchors == Anchors()
