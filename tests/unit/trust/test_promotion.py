"""Promotion: every missing item is red and named, and nothing goes live without a human's hand on this bundle."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from statistics import mean, stdev
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful
from returns.result import Success

from phoenix_core.beads import About, Kind, Shadow, ShadowEvent
from phoenix_core.refusals import Reason
from phoenix_core.trust import promotion
from phoenix_core.trust.promotion import Bundle, Item, Promotions, Record, Standing
from phoenix_core.values import Money
from phoenix_core.watch.observations import seen
from tests.showing import shows
from tests.unit.watch.made import bead

RECORD: Final = Record(
    sessions=20,
    regimes=("range", "trend"),
    max_drawdown=Decimal("0.031"),
    worst_day=Money(Decimal("-210.50")),
    sharpe=Decimal("0.812345"),
    signalman_kills=2,
    override_frequency=Decimal("0.05"),
)
STANDING: Final = Standing(
    kill_flags=(),
    drift_unresolved=0,
    autopsy_summary="losses cluster after news",
    paper_validated=True,
    bunny_fail=0,
    revalidation_open=(),
)

# Every way for a line to be red: what is changed in the evidence, written by hand from the ledger.
RED_RECORD: Final[dict[Item, list[dict[str, Any]]]] = {  # Any: fields of many types
    Item.SESSIONS: [{"sessions": 19}, {"sessions": 0}],
    Item.REGIMES: [{"regimes": ("trend",)}, {"regimes": ("range",)}, {"regimes": ()}, {"regimes": ("news", "trend")}],
    Item.MAX_DRAWDOWN: [{"max_drawdown": None}],
    Item.WORST_DAY: [{"worst_day": None}],
    Item.SHARPE: [{"sharpe": None}],
    Item.SIGNALMAN_KILLS: [{"signalman_kills": None}],
    Item.OVERRIDE_FREQUENCY: [{"override_frequency": None}],
}
RED_STANDING: Final[dict[Item, list[dict[str, Any]]]] = {  # Any: as above
    Item.KILL_FLAG: [{"kill_flags": ("k1 desk ONE_WAY",)}, {"kill_flags": None}],
    Item.DRIFT: [{"drift_unresolved": 1}, {"drift_unresolved": None}],
    Item.AUTOPSY_SUMMARY: [{"autopsy_summary": ""}, {"autopsy_summary": " "}],
    Item.PAPER_VALIDATION: [{"paper_validated": False}, {"paper_validated": None}],
    Item.BUNNY: [{"bunny_fail": 1}, {"bunny_fail": None}],
    Item.REVALIDATION: [{"revalidation_open": ("risk",)}, {"revalidation_open": None}],
}


def spoilt(red: set[Item], way: int = 0) -> tuple[Record, Standing]:
    """Evidence in which exactly these lines are red."""
    record, standing = RECORD, STANDING
    for item in red:
        if item in RED_RECORD:
            ways = RED_RECORD[item]
            record = evolve(record, **ways[way % len(ways)])
        else:
            ways = RED_STANDING[item]
            standing = evolve(standing, **ways[way % len(ways)])
    return record, standing


def good() -> Bundle:
    """A bundle with nothing missing."""
    return promotion.bundle("meanrev", RECORD, STANDING).unwrap()


@shows(
    "INV-PROMOTION-EVIDENCE-1",
    "S32-PRO-03",
    "S32-PRO-04",
    "S32-PRO-05",
    "S32-PRO-06",
    "S32-PRO-09",
    "CV_S32_PROMOTION_PARTIAL",
    "CV_S32_PROMOTION_BYPASS",
)
class TestPromotionEvidence:
    """INV-PROMOTION-EVIDENCE-1: Promotion needs an evidence bundle."""

    @given(st.sets(st.sampled_from(Item)), st.integers(0, 3))
    def test_every_missing_item_is_listed_and_none_is_waved_through(self, red: set[Item], way: int) -> None:
        """A bundle exactly where nothing is red; the refusal names each red line and no green one."""
        record, standing = spoilt(red, way)
        checks = promotion.checklist(record, standing)
        assert [check.item for check in checks] == list(Item)
        assert {check.item for check in checks if not check.green} == red
        made = promotion.bundle("meanrev", record, standing)
        assert is_successful(made) == (not red)
        if red:
            no = made.failure()
            assert Reason.PROMOTION_INCOMPLETE in no.reasons
            named = {
                part.partition(":")[0] for part in no.detail.split("; ") if part.partition(":")[0] in Item.__members__
            }
            assert named == {item.value for item in red}
            assert (Reason.KILL_FLAG_ACTIVE in no.reasons) == (Item.KILL_FLAG in red)
            assert (Reason.DRIFT_OPEN in no.reasons) == (Item.DRIFT in red)
            assert (Reason.PAPER_VALIDATION_MISSING in no.reasons) == (Item.PAPER_VALIDATION in red)
            assert (Reason.REVALIDATION_OPEN in no.reasons) == (Item.REVALIDATION in red)

    @pytest.mark.parametrize("item", Item)
    def test_every_single_way_to_be_red(self, item: Item) -> None:
        """One line red in each of its ways is enough."""
        for way in range(len(RED_RECORD.get(item, RED_STANDING.get(item, [])))):
            made = promotion.bundle("meanrev", *spoilt({item}, way))
            assert not is_successful(made), (item, way)

    def test_live_without_a_shadow_period(self) -> None:
        """Nothing was ever reported: red, and the list of what is missing is long."""
        record = promotion.record_of(Promotions(), "meanrev")
        assert record == Record(0, (), None, None, None, None, None)
        no = promotion.bundle("meanrev", record, STANDING).failure()
        assert "0 of 20 shadow sessions" in no.detail
        assert "missing: range, trend" in no.detail

    @shows("S33-PRO-01")
    def test_extended_validation_needs_more_sessions(self) -> None:
        """Twenty are the least; after an extension more; fewer is never asked."""
        for needed, enough in ((25, False), (20, True), (0, True)):
            made = promotion.bundle("meanrev", RECORD, evolve(STANDING, sessions_needed=needed))
            assert is_successful(made) == enough
        fewer = promotion.bundle("meanrev", evolve(RECORD, sessions=19), evolve(STANDING, sessions_needed=0))
        assert not is_successful(fewer)

    @given(
        st.sampled_from(["max_drawdown", "worst_day", "sharpe", "sessions", "override_frequency", "autopsy_summary"])
    )
    def test_hash_covers_every_figure(self, field: str) -> None:
        """Another figure is another bundle."""
        change: dict[str, Any] = {  # Any: fields of many types
            field: "another" if field == "autopsy_summary" else 99 if field == "sessions" else Decimal("0.99")
        }
        assert evolve(good(), **change).hash != good().hash
        assert len(good().hash) == 64


@shows("INV-PROMOTION-SAFE-1", "CV_S32_PROMOTION_VETO", "S32-PRO-02", "S32-KIL-04")
class TestPromotionSafe1:
    """INV-PROMOTION-SAFE-1: Promotion is refused while a kill flag is active."""

    @given(st.lists(st.sampled_from(["k1 desk", "k2 strategy:meanrev", "k3 SIGNALMAN"]), min_size=1, unique=True))
    def test_every_flag_is_cited_and_is_the_headline(self, flags: list[str]) -> None:
        """Whatever else is green, and approved before the flag went up."""
        standing = evolve(STANDING, kill_flags=tuple(flags))
        no = promotion.promote(promotion.bundle("meanrev", RECORD, standing), good().hash, "token").failure()
        assert no.headline is Reason.KILL_FLAG_ACTIVE
        assert all(flag in no.detail for flag in flags)


@shows("INV-PROMOTION-SAFE-2", "S32-PRO-02")
class TestPromotionSafe2:
    """INV-PROMOTION-SAFE-2: Promotion is refused while drift is unresolved."""

    @given(st.integers(1, 99))
    def test_one_unresolved_drift_is_enough(self, count: int) -> None:
        """Acknowledged ones count, too: they stay unresolved."""
        standing = evolve(STANDING, drift_unresolved=count)
        no = promotion.promote(promotion.bundle("meanrev", RECORD, standing), good().hash, "token").failure()
        assert no.headline is Reason.DRIFT_OPEN
        assert f"{count} unresolved" in no.detail


@shows("INV-PROMOTION-T2-1", "S32-PRO-07", "S32-PRO-08")
class TestPromotionT2:
    """INV-PROMOTION-T2-1: Promotion needs T2 human approval."""

    @pytest.mark.parametrize(("token", "approved"), list(product(["token", "", None], ["same", "other", None])))
    def test_only_a_token_for_this_very_bundle_promotes(self, token: str | None, approved: str | None) -> None:
        """Without a token, without an approval, or with one for other evidence: refused by name."""
        known = good().hash if approved == "same" else approved
        made = promotion.promote(Success(good()), known, token)
        assert is_successful(made) == (token == "token" and approved == "same")
        if not is_successful(made):
            assert made.failure().headline is Reason.PROMOTION_NOT_APPROVED

    def test_bead_carries_the_evidence(self) -> None:
        """Every field of the PROMOTION bead, from the bundle that was approved."""
        body = promotion.promote(Success(good()), good().hash, "token").unwrap()
        assert body.kind is Kind.PROMOTION
        assert (body.strategy, body.from_, body.to, body.token_id) == ("meanrev", "SHADOW", "LIVE", "token")
        assert (body.kill_flag, body.unresolved_drift_count, body.bunny_vectors_fail) == (False, 0, 0)
        assert (body.sessions, body.regimes, body.evidence_hash) == (20, ("range", "trend"), good().hash)
        assert (body.max_drawdown, body.worst_day, body.sharpe) == (
            Decimal("0.031"),
            Decimal("-210.50"),
            Decimal("0.812345"),
        )
        assert (body.signalman_kills, body.override_frequency) == (2, Decimal("0.05"))
        assert body.autopsy_summary == "losses cluster after news"
        promotions = Promotions()
        promotions.fold(bead(7, body))
        assert promotions.live == {"meanrev": 7}


def session(day: str, **told: Any) -> Shadow:  # Any: fields of many types
    """One session of shadow performance; what is not told is not there."""
    return Shadow(ShadowEvent.SESSION, "meanrev", f"id-{day}", session_day=day, **told)


def folded(*bodies: Shadow) -> Promotions:
    """A slice after these."""
    promotions = Promotions()
    for seq, body in enumerate(bodies, 1):
        promotions.fold(bead(seq, body))
    return promotions


FULL: Final[dict[str, Any]] = {  # Any: as above
    "regime": "trend",
    "pnl": Money(Decimal(10)),
    "drawdown": Decimal("0.01"),
    "trades": 4,
    "signalman_kills": 1,
    "overrides": 1,
}


@shows("S32-PRO-10", "S32-SEAM-06")
class TestRecord:
    """What the shadow period amounts to: from its beads, and from all of its sessions."""

    @shows("S32-PRO-04", "S32-PRO-05")
    def test_figures_of_two_sessions(self) -> None:
        """Worst day, deepest drawdown, sums and rates; regimes in order."""
        other = {**FULL, "regime": "range", "pnl": Money(Decimal(-30)), "drawdown": Decimal("0.04"), "trades": 6}
        record = promotion.record_of(folded(session("d1", **FULL), session("d2", **other)), "meanrev")
        assert record == Record(
            sessions=2,
            regimes=("range", "trend"),
            max_drawdown=Decimal("0.04"),
            worst_day=Money(Decimal(-30)),
            sharpe=Decimal("-0.353553"),
            signalman_kills=2,
            override_frequency=Decimal("0.200000"),
        )

    @pytest.mark.parametrize(
        ("untold", "figure"),
        [
            ("pnl", "worst_day"),
            ("pnl", "sharpe"),
            ("drawdown", "max_drawdown"),
            ("signalman_kills", "signalman_kills"),
            ("overrides", "override_frequency"),
            ("trades", "override_frequency"),
        ],
    )
    def test_one_session_that_does_not_tell_leaves_the_figure_missing(self, untold: str, figure: str) -> None:
        """A figure over some of the sessions would be a figure about nothing."""
        days = [session("d1", **FULL), session("d2", **{**FULL, "pnl": Money(Decimal(3))})]
        assert getattr(promotion.record_of(folded(*days), "meanrev"), figure) is not None
        days.append(session("d3", **{**FULL, untold: None}))
        assert getattr(promotion.record_of(folded(*days), "meanrev"), figure) is None

    def test_regime_that_is_not_told_is_none(self) -> None:
        """It adds no regime."""
        record = promotion.record_of(folded(session("d1", **{**FULL, "regime": None})), "meanrev")
        assert record.regimes == ()

    def test_no_trades_have_no_override_rate(self) -> None:
        """Nothing was traded, so nothing can be said."""
        record = promotion.record_of(folded(session("d1", **{**FULL, "trades": 0})), "meanrev")
        assert record.override_frequency is None

    def test_session_told_again_replaces(self) -> None:
        """The same day counts once, with its last figures; a session without a day counts by its id."""
        nameless = evolve(session("x", **FULL), session_day=None)
        promotions = folded(session("d1", **FULL), session("d1", **{**FULL, "trades": 9}), nameless)
        assert promotion.record_of(promotions, "meanrev").sessions == 2
        assert promotions.shadow["meanrev"]["d1"].trades == 9

    @shows("S33-REV-02")
    def test_restart_empties_the_period_of_its_strategy_alone(self) -> None:
        """What was shadowed before counts no more, and what was promoted is no longer what runs."""
        other = evolve(session("d1", **FULL), strategy="breakout")
        restart = Shadow(ShadowEvent.RESTARTED, "meanrev", "restart-1")
        promotions = folded(session("d1", **FULL), other)
        promotions.fold(bead(8, promotion.promote(Success(good()), good().hash, "token").unwrap()))
        promotions.fold(bead(9, restart))
        assert promotion.record_of(promotions, "meanrev").sessions == 0
        assert promotion.record_of(promotions, "breakout").sessions == 1
        assert promotions.restarts == {"meanrev": "restart-1"}
        assert promotions.live == {}

    @given(st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=30))
    def test_sharpe_is_mean_over_deviation(self, cents: list[int]) -> None:
        """Against the standard library's floating figures; no deviation, no figure."""
        profits = tuple(Money(Decimal(cent) / 100) for cent in cents)
        figure = promotion.sharpe(profits)
        if len(set(cents)) == 1:
            assert figure is None
        else:
            assert figure is not None
            assert float(figure) == pytest.approx(mean(cents) / stdev(cents), rel=1e-6, abs=2e-6)
            assert figure.as_tuple().exponent == -6

    def test_sharpe_of_too_little(self) -> None:
        """One session has no deviation."""
        assert promotion.sharpe(()) is None
        assert promotion.sharpe((Money(Decimal(1)),)) is None

    def test_sweeps_keep_the_last_verdict_of_each_vector(self) -> None:
        """A vector that failed and later passed is passed; how often a sweep failed is not forgotten."""
        first = Shadow(ShadowEvent.SWEEP, "meanrev", "sweep-1", passed=("A", "B"), failed=("C",))
        second = Shadow(ShadowEvent.SWEEP, "meanrev", "sweep-1", passed=("C",), failed=())
        third = Shadow(ShadowEvent.SWEEP, "meanrev", "sweep-1", passed=(), failed=("A",))
        promotions = folded(first, second)
        sweep = promotions.sweeps["sweep-1"]
        assert (sweep.passed, sweep.failed, sweep.failures) == (["A", "B", "C"], [], 1)
        promotions.fold(bead(9, third))
        assert (sweep.passed, sweep.failed, sweep.failures) == (["B", "C"], ["A"], 2)

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        promotions = Promotions()
        promotions.fold(bead(1, seen(About.WARNING, "x")))
        assert promotions == Promotions()


class TestInForce:
    """Real money is for a strategy that was promoted as it runs now, and for no other."""

    def test_only_what_was_promoted_and_not_changed_since_trades(self) -> None:
        """Never promoted, another one's promotion, a parameter that is not revalidated, a restart: each is refused by
        its own name."""
        promotions = Promotions()
        promotions.fold(bead(7, promotion.promote(Success(good()), good().hash, "token").unwrap()))

        def no(strategy: str, *changed: str) -> Reason | None:
            said = promotion.in_force(promotions, strategy, changed)
            return None if said is None else said.headline

        assert no("meanrev") is None and no("meanrev", "gate.gap") is Reason.REVALIDATION_OPEN
        assert no("trend") is no("trend", "gate.gap") is Reason.STRATEGY_NOT_PROMOTED
        promotions.fold(bead(8, Shadow(ShadowEvent.RESTARTED, "meanrev", "again")))
        assert no("meanrev") is Reason.STRATEGY_NOT_PROMOTED

    def test_one_session_is_a_record(self) -> None:
        """Of a single day the worst day and the deepest drawdown are its own; what its autopsies found is counted."""
        one = folded(session("d1", **FULL, findings=("by stop", "by stop", "by target")))
        record = promotion.record_of(one, "meanrev")
        assert (record.sessions, record.worst_day, record.max_drawdown) == (1, FULL["pnl"], FULL["drawdown"])
        assert promotion.patterns(one, "meanrev") == "shadow 2 x by stop; shadow 1 x by target"
        assert promotion.patterns(folded(session("d1", **FULL)), "meanrev") == ""
        unnamed = (
            Shadow(ShadowEvent.SESSION, "meanrev", "s-1", **FULL),
            Shadow(ShadowEvent.SESSION, "meanrev", "s-2", **FULL),
        )
        assert promotion.record_of(folded(*unnamed), "meanrev").sessions == 2, "two sessions that name no day"
