"""Kill flags: which flags stop which entries, when one is raised again, and what brings each kind down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Bead, Body, KillEvent, KillFlag, KillKind, StateAnchor
from phoenix_core.gate.kill_flags import (
    DESK,
    Grounds,
    KillFlags,
    Standing,
    active,
    instrument_scope,
    kill_refusal,
    lift_flag,
    may_lift,
    raise_flag,
    scope_of,
    strategy_scope,
)
from phoenix_core.records import of_json, to_json
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.values import BadInput, Moment, Regime
from tests.showing import shows

NOON: Final = Moment(datetime(2026, 11, 18, 12, tzinfo=UTC), timedelta(hours=5), "boot")
MINUTE: Final = timedelta(minutes=1)
TICK: Final = timedelta(microseconds=1)
STRATEGIES: Final = ("meanrev", "breakout")
INSTRUMENTS: Final = ("EURUSD", "AAPL")
SCOPES: Final = ("desk", *(f"strategy:{name}" for name in STRATEGIES), *(f"instrument:{name}" for name in INSTRUMENTS))


def bead(seq: int, body: Body, at: Moment = NOON) -> Bead:
    """A recorded fact, at a place in the log."""
    return Bead(seq, at.wall, f"bead-{seq}", body, f"leaf-{seq}")


def raised(
    flag: str = "k1", type: KillKind = KillKind.ONE_WAY, scope: str = DESK, drift: str | None = None
) -> KillFlag:
    """A flag going up."""
    body = raise_flag(KillFlags(), flag, type, scope, "because", "ops", NOON, drift)
    assert body is not None
    return body


def standing(body: KillFlag, seq: int = 10) -> Standing:
    """The flag as it stands after its bead."""
    flags = KillFlags()
    flags.fold(bead(seq, body))
    return flags.standing[body.flag]


def reasons(no: Refusal | None) -> tuple[Reason, ...]:
    """What a refusal says; nothing where there is none."""
    return () if no is None else no.reasons


histories: Final = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from(KillKind), st.sampled_from(SCOPES)), max_size=12
)


@shows("INV-KILL-BLOCKS-ENTRY-1", "S32-KIL-01", "CV_S32_KILL_ENTRY_ATTEMPT", "I14")
class TestKillBlocksEntry:
    """INV-KILL-BLOCKS-ENTRY-1: An active kill flag stops new entries."""

    @given(
        history=histories,
        strategy=st.sampled_from(STRATEGIES),
        instrument=st.sampled_from(INSTRUMENTS),
        latch=st.sampled_from([False, True, None]),
    )
    def test_whatever_was_raised_and_lifted(
        self, history: list[tuple[bool, int, KillKind, str]], strategy: str, instrument: str, latch: bool | None
    ) -> None:
        """After any history an entry is refused exactly while a flag of its scope is up, or the latch is not down."""
        flags, up = KillFlags(), dict[int, str]()
        for seq, (goes_up, number, kind, scope) in enumerate(history):
            if goes_up:
                flags.fold(bead(seq, KillFlag(KillEvent.RAISED, f"k{number}", kind, scope, "r", "ops")))
                up.setdefault(number, scope)
            elif number in up:
                flags.fold(bead(seq, KillFlag(KillEvent.LIFTED, f"k{number}", kind, scope, "r", "ops")))
                del up[number]
        hit = [f"k{n}" for n, s in up.items() if s in ("desk", f"strategy:{strategy}", f"instrument:{instrument}")]
        expected = [Reason.KILL_FLAG_ACTIVE] * bool(hit or latch) + [Reason.KILL_FLAG_UNREADABLE] * (latch is None)
        assert [flag.flag for flag in active(flags, strategy, instrument)] == hit
        assert list(reasons(kill_refusal(flags, strategy, instrument, latch))) == expected

    @shows("S32-KIL-04", "GATE_S32_6")
    @pytest.mark.parametrize("kind", KillKind)
    @pytest.mark.parametrize("scope", SCOPES)
    def test_every_kind_in_every_scope(self, kind: KillKind, scope: str) -> None:
        """Each kind stops the entries of its own scope and of no other; the sentence names the flag."""
        flags = KillFlags()
        flags.fold(bead(0, raised(type=kind, scope=scope)))
        for strategy, instrument in product(STRATEGIES, INSTRUMENTS):
            no = kill_refusal(flags, strategy, instrument, latch=False)
            hit = scope in {"desk", f"strategy:{strategy}", f"instrument:{instrument}"}
            assert reasons(no) == (Reason.KILL_FLAG_ACTIVE,) * hit
            assert no is None or no.detail == f"{kind} {scope}: because"

    def test_a_strategy_may_be_called_like_an_instrument(self) -> None:
        """Scopes of the two kinds never meet, whatever the names."""
        flags = KillFlags()
        flags.fold(bead(0, raised(scope="strategy:EURUSD")))
        assert kill_refusal(flags, "meanrev", "EURUSD", latch=False) is None
        assert kill_refusal(flags, "EURUSD", "AAPL", latch=False) is not None

    def test_the_latch_alone_stops_everything(self) -> None:
        """Up is a kill, unreadable counts as up, and each says which it is."""
        up, unreadable = (kill_refusal(KillFlags(), "meanrev", "AAPL", latch) for latch in (True, None))
        assert up is not None
        assert unreadable is not None
        assert (up.reasons, up.detail) == ((Reason.KILL_FLAG_ACTIVE,), "halt: the latch is up")
        assert unreadable.reasons == (Reason.KILL_FLAG_UNREADABLE,)
        assert unreadable.detail == "halt: the latch cannot be read"
        assert kill_refusal(KillFlags(), "meanrev", "AAPL", latch=False) is None

    def test_no_kill_is_transient(self) -> None:
        """A killed intent is withdrawn; nothing waits for a kill to go away."""
        for latch in (True, None):
            no = kill_refusal(KillFlags(), "meanrev", "AAPL", latch)
            assert no is not None
            assert not no.is_transient

    @shows("I14")
    def test_raising_commutes(self) -> None:
        """Flags are raised blind: in whichever order they land, the same entries are stopped."""
        a, b = raised("a", scope="strategy:meanrev"), raised("b", KillKind.DRIFT, "instrument:AAPL", drift="d")
        one, other = KillFlags(), KillFlags()
        for seq, (x, y) in enumerate(((a, b), (b, a), (a, a))):
            one.fold(bead(seq, x))
            other.fold(bead(seq, y))
        assert set(one.standing) == set(other.standing) == {"a", "b"}

    def test_the_same_flag_twice_is_one_flag(self) -> None:
        """A blind raise that was repeated changes nothing: the first one stands, since when it stood."""
        flags = KillFlags()
        flags.fold(bead(3, raised()))
        flags.fold(bead(9, raised(type=KillKind.DRIFT), NOON.plus(MINUTE)))
        assert flags.standing["k1"] == standing(raised(), seq=3)

    def test_a_flag_that_never_was_up_cannot_come_down(self) -> None:
        """Such a bead is a bug, and the desk stops."""
        with pytest.raises(AssertionError, match="k1 came down"):
            KillFlags().fold(bead(0, lift_flag(standing(raised()), "ops", "over")))

    def test_other_beads_change_nothing(self) -> None:
        """The slice folds its own kind only."""
        flags = KillFlags()
        flags.fold(bead(0, StateAnchor("meanrev", "hash", Regime.DEFAULT, "ops")))
        assert flags == KillFlags()


class TestRaising:
    """When a flag goes up, and when the one that stands is enough."""

    @shows("S32-KIL-03", "INV-STALE-KILL-1")
    def test_a_temporary_one_lasts_five_minutes(self) -> None:
        """Its time is set once, when it goes up; no other kind has a time."""
        assert raised(type=KillKind.TEMPORARY).until == NOON.wall + timedelta(minutes=5)
        for kind in (KillKind.ONE_WAY, KillKind.DRIFT, KillKind.SIGNALMAN):
            assert raised(type=kind).until is None

    def test_the_bead_says_everything(self) -> None:
        """What was asked for stands in the bead, and the fold keeps it."""
        assert not raised().cancel_working
        body = raise_flag(KillFlags(), "k", KillKind.DRIFT, "instrument:AAPL", "size", "rule", NOON, "d1", True)
        assert body == KillFlag(
            KillEvent.RAISED, "k", KillKind.DRIFT, "instrument:AAPL", "size", "rule", None, True, "d1"
        )
        assert standing(body, 4) == Standing(
            "k", KillKind.DRIFT, "instrument:AAPL", "size", "rule", NOON.wall, 4, True, None, "d1"
        )

    def test_a_repeat_does_not_prolong_a_temporary_one(self) -> None:
        """While one stands on the scope, no second one is raised; elsewhere, or by another kind, it is."""
        flags = KillFlags()
        flags.fold(bead(0, raised("t", KillKind.TEMPORARY, "strategy:meanrev")))
        later = NOON.plus(4 * MINUTE)
        again = ("strategy:meanrev", "stale", "someone else", later)
        assert raise_flag(flags, "t2", KillKind.TEMPORARY, *again) is None
        assert raise_flag(flags, "t2", KillKind.TEMPORARY, "strategy:breakout", *again[1:]) is not None
        assert raise_flag(flags, "t2", KillKind.SIGNALMAN, *again) is not None
        assert raise_flag(flags, "t2", KillKind.DRIFT, *again) is not None

    def test_one_flag_for_each_drift(self) -> None:
        """The same drift raises one flag whatever the scope; another drift raises its own."""
        flags = KillFlags()
        flags.fold(bead(0, raised("d", KillKind.DRIFT, DESK, "drift-1")))
        assert raise_flag(flags, "d2", KillKind.DRIFT, "instrument:AAPL", "r", "rule", NOON, "drift-1") is None
        assert raise_flag(flags, "d2", KillKind.DRIFT, DESK, "r", "rule", NOON, "drift-2") is not None

    def test_one_flag_for_each_rule_of_the_signalman(self) -> None:
        """A rule raises its flag once for a scope; another rule, or another scope, gets its own."""
        flags = KillFlags()
        flags.fold(bead(0, raised("s", KillKind.SIGNALMAN, DESK)))
        assert raise_flag(flags, "s2", KillKind.SIGNALMAN, DESK, "r", "ops", NOON) is None
        assert raise_flag(flags, "s2", KillKind.SIGNALMAN, DESK, "r", "other rule", NOON) is not None
        assert raise_flag(flags, "s2", KillKind.SIGNALMAN, "strategy:meanrev", "r", "ops", NOON) is not None

    def test_a_human_may_always_raise_one_more(self) -> None:
        """A one-way kill beside a one-way kill: nobody is told that it was not needed."""
        flags = KillFlags()
        flags.fold(bead(0, raised()))
        assert raise_flag(flags, "k2", KillKind.ONE_WAY, DESK, "because", "ops", NOON) is not None


class TestLifting:
    """What brings a flag down depends on why it went up."""

    def test_every_ground_for_every_kind(self) -> None:
        """All 4 kinds x 2^5 grounds x 3 anchors, before and after the time: against the rules in words."""
        outcomes = 0
        for kind, signed, reason, anchored, resolved, over, late in product(
            KillKind, (False, True), ("", "words"), (None, 10, 11), (False, True), (False, True), (False, True)
        ):
            flag = standing(raised(type=kind), seq=10)
            now = NOON.plus(5 * MINUTE if late else 5 * MINUTE - TICK)
            may = {
                KillKind.ONE_WAY: signed and reason == "words",
                KillKind.TEMPORARY: late and anchored == 11,
                KillKind.DRIFT: resolved,
                KillKind.SIGNALMAN: over or (signed and reason == "words"),
            }[kind]
            no = may_lift(flag, now, Grounds(signed, reason, anchored, resolved, over))
            assert (no is None) == may
            by_hand = kind in (KillKind.ONE_WAY, KillKind.SIGNALMAN)
            unsaid = by_hand and signed
            expected = Reason.REASON_REQUIRED if unsaid else Reason.RESOLUTION_NOT_PROVEN
            assert may or reasons(no) == (expected,)
            outcomes += 1
        assert outcomes == 4 * 2 * 2 * 3 * 2 * 2 * 2

    def test_nothing_lifts_by_itself(self) -> None:
        """Without any grounds every kind stays up, a year later too."""
        for kind in KillKind:
            assert may_lift(standing(raised(type=kind)), NOON.plus(timedelta(days=365)), Grounds()) is not None

    def test_a_clock_that_went_back_lifts_nothing(self) -> None:
        """An hour earlier the time of a temporary flag is not over, whatever was refreshed."""
        flag = standing(raised(type=KillKind.TEMPORARY))
        assert may_lift(flag, NOON.plus(timedelta(hours=-1)), Grounds(anchored=99)) is not None

    def test_each_refusal_says_what_is_missing(self) -> None:
        """A sentence for the operator who asked."""

        def said(kind: KillKind, now: Moment, grounds: Grounds) -> str:
            no = may_lift(standing(raised(type=kind)), now, grounds)
            assert no is not None
            return no.detail

        late = NOON.plus(5 * MINUTE)
        not_refreshed = "the anchor was not refreshed after it was raised"
        not_over = "its time is not over until 12:05:00 UTC"
        assert said(KillKind.TEMPORARY, NOON, Grounds()) == f"{not_over} and {not_refreshed}"
        assert said(KillKind.TEMPORARY, NOON, Grounds(anchored=11)) == not_over
        assert said(KillKind.TEMPORARY, late, Grounds(anchored=10)) == not_refreshed
        assert said(KillKind.DRIFT, NOON, Grounds()) == "its drift is not resolved"
        assert said(KillKind.SIGNALMAN, NOON, Grounds()) == "the rule that raised it still holds"
        assert said(KillKind.ONE_WAY, NOON, Grounds()) == "a one-way kill is cleared by a signed command only"
        assert said(KillKind.ONE_WAY, NOON, Grounds(signed=True)) == "say why the flag may come down"

    def test_a_temporary_flag_without_a_time_waits_for_the_refresh_only(self) -> None:
        """Somebody raised one by hand and named no time: the refresh still is needed, and enough."""
        flag = evolve(standing(raised(type=KillKind.TEMPORARY)), until=None)
        assert may_lift(flag, NOON, Grounds(anchored=11)) is None
        assert reasons(may_lift(flag, NOON, Grounds(anchored=10))) == (Reason.RESOLUTION_NOT_PROVEN,)

    def test_what_came_down_stands_no_more(self) -> None:
        """The lift names the flag, and afterwards the same reason raises a flag anew."""
        flags = KillFlags()
        flags.fold(bead(0, raised("t", KillKind.TEMPORARY, "strategy:meanrev")))
        body = lift_flag(flags.standing["t"], "ops", "refreshed")
        assert body == KillFlag(
            KillEvent.LIFTED, "t", KillKind.TEMPORARY, "strategy:meanrev", "refreshed", "ops", NOON.wall + 5 * MINUTE
        )
        flags.fold(bead(1, body))
        assert flags.standing == {}
        assert raise_flag(flags, "t2", KillKind.TEMPORARY, "strategy:meanrev", "r", "ops", NOON) is not None


class TestLowered:
    """What came down is kept as far as it would stand still: for whoever asks what brought it down."""

    def lowered(self, *rows: tuple[KillFlag, timedelta]) -> KillFlags:
        """A log of flags that go up, and come down a bead later."""
        flags = KillFlags()
        for n, (row, after) in enumerate(rows):
            flags.fold(bead(2 * n, row, NOON.plus(after)))
            flags.fold(bead(2 * n + 1, lift_flag(flags.standing[row.flag], "ops", "r"), NOON.plus(after + MINUTE)))
        assert flags.standing == {}
        return flags

    @pytest.mark.parametrize("kind", [KillKind.ONE_WAY, KillKind.SIGNALMAN])
    def test_what_a_human_clears_is_kept_each(self, kind: KillKind) -> None:
        """Two of one scope are two signatures; the row may call the flag what it likes."""
        flags = self.lowered((raised("k1", kind), 0 * MINUTE), (raised("k2", kind), MINUTE))
        assert {name: (low.flag.flag, low.seq) for name, low in flags.cleared.items()} == {
            "k1": ("k1", 1),
            "k2": ("k2", 3),
        }
        assert flags.cleared["k2"].at == (NOON.wall + 2 * MINUTE) and flags.cooled == flags.answered == {}
        called = KillFlags()
        called.fold(bead(0, raised("k1", kind)))
        called.fold(bead(1, evolve(lift_flag(called.standing["k1"], "ops", "r"), type=KillKind.TEMPORARY)))
        assert list(called.cleared) == ["k1"]

    @pytest.mark.parametrize(("second", "kept"), [(1, "t2"), (0, "t2"), (-1, "t1")])
    def test_of_a_scope_the_one_that_ends_last_is_kept(self, second: int, kept: str) -> None:
        """A later row with an earlier end takes nothing of the pause away."""
        one = raised("t1", KillKind.TEMPORARY, "strategy:meanrev")
        assert one.until is not None
        other = evolve(one, flag="t2", until=one.until + second * TICK)
        flags = self.lowered((one, 0 * MINUTE), (other, MINUTE))
        assert [low.flag.flag for low in flags.cooled.values()] == [kept]
        endless = evolve(one, flag="t3", until=None)
        assert [low.flag.flag for low in self.lowered((one, 0 * MINUTE), (endless, MINUTE)).cooled.values()] == ["t1"]

    def test_of_a_drift_the_last_one_is_kept(self) -> None:
        """Whatever the wall says of which was raised first."""
        one, other = (raised(name, KillKind.DRIFT, "desk", "d") for name in ("k1", "k2"))
        flags = self.lowered((one, MINUTE), (other, 0 * MINUTE))
        assert [(name, low.flag.flag) for name, low in flags.answered.items()] == [("d", "k2")]

    def test_a_flag_that_names_no_drift_is_kept_as_well(self) -> None:
        """Under no name, which a snapshot can say and gives back."""
        flags = self.lowered((raised("k1", KillKind.DRIFT, "desk"), MINUTE))
        assert [(name, low.flag.flag) for name, low in flags.answered.items()] == [("", "k1")]
        assert of_json(KillFlags, to_json(flags)) == flags

    @pytest.mark.parametrize("kind", KillKind)
    def test_what_is_up_again_is_kept_no_more(self, kind: KillKind) -> None:
        """The same flag, of the same kind: another one says nothing of it."""
        row = raised("k1", kind, "strategy:meanrev", "d")
        flags = self.lowered((row, 0 * MINUTE))
        flags.fold(bead(2, evolve(row, flag="k2")))
        assert [low.flag.flag for kept in (flags.cleared, flags.cooled, flags.answered) for low in kept.values()] == [
            "k1"
        ]
        flags.fold(bead(3, row))
        assert flags.cleared == flags.cooled == flags.answered == {} and list(flags.standing) == ["k2", "k1"]

    def test_a_flag_that_is_up_under_another_kind_is_another_one(self) -> None:
        """Else a row could make of a human's kill one that comes down by itself."""
        flags = self.lowered((raised("k1"), 0 * MINUTE))
        flags.fold(bead(2, raised("k1", KillKind.TEMPORARY)))
        assert list(flags.cleared) == ["k1"]


@pytest.mark.parametrize("text", ["desk", "strategy:meanrev", "instrument:EURUSD", "strategy:a:b"])
def test_a_scope_reads_as_it_is_written(text: str) -> None:
    """The three forms of a scope."""
    assert scope_of(text) == text


@pytest.mark.parametrize(
    "text", ["", "Desk", "desk:", "desk:x", "strategy", "strategy:", "instrument:", "pair:EURUSD", ":x"]
)
def test_anything_else_is_no_scope(text: str) -> None:
    """The refusal says how a scope is written."""
    with pytest.raises(BadInput, match="desk, strategy:NAME or instrument:SYMBOL"):
        scope_of(text)


def test_a_symbol_typed_small_is_the_symbol() -> None:
    """A flag on `eurusd` would stop nothing: what is traded is EURUSD. A strategy's name is as it is."""
    assert scope_of("instrument:eurusd") == "instrument:EURUSD"
    assert scope_of("strategy:MeanRev") == "strategy:MeanRev"


def test_names_make_scopes() -> None:
    """What the rules build is what an operator types."""
    assert scope_of(strategy_scope("meanrev")) == "strategy:meanrev"
    assert scope_of(instrument_scope("AAPL")) == "instrument:AAPL"
