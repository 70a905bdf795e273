"""The price guard: age, spread, drift, stop and delay, each at its edge and all of them together."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, localcontext
from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.facts import Quote
from phoenix_core.gate.price import QUOTE_AGE_MAX, drift_bps, mid, price_refusal, spread_bps
from phoenix_core.refusals import Reason
from phoenix_core.values import Moment, Price, SecType, Side, elapsed
from tests.showing import shows
from tests.unit.gate.samples import NOW

D: Final = Decimal
MICROSECOND: Final = timedelta(microseconds=1)
SECOND: Final = timedelta(seconds=1)
NONE: Final = timedelta(0)


def quote(bid: str = "99.95", ask: str = "100.05", at: Moment = NOW, *, delayed: bool = False) -> Quote:
    """A quote of 100, ten basis points wide, from this instant."""
    return Quote("AAPL", Price(D(bid)), Price(D(ask)), at, delayed)


def judged(
    seen: Quote | None,
    *,
    sec_type: SecType = SecType.STOCK,
    side: Side = Side.BUY,
    stop: str = "97",
    reference: str = "100",
    delayed_allowed: bool = False,
) -> tuple[Reason, ...]:
    """The reasons why a quote does not carry an entry that was signed at 100."""
    no = price_refusal(
        seen,
        NOW,
        sec_type=sec_type,
        side=side,
        stop=Price(D(stop)),
        reference=Price(D(reference)),
        drift_bps_max=25,
        spread_bps_max=20,
        delayed_allowed=delayed_allowed,
    )
    return no.reasons if no is not None else ()


class TestAge:
    """How old a quote is."""

    @shows("I16")
    @pytest.mark.parametrize(("sec_type", "seconds"), [(SecType.CASH, 2), (SecType.STOCK, 5)])
    @pytest.mark.parametrize("clock", ["wall", "ticks"])
    def test_either_clock_makes_it_stale(self, sec_type: SecType, seconds: int, clock: str) -> None:
        """Two seconds for currencies, five for stocks; a microsecond more on either clock is too old."""
        edge = timedelta(seconds=seconds)
        for old, expected in ((edge, ()), (edge + MICROSECOND, (Reason.QUOTE_STALE,))):
            at = evolve(NOW, wall=NOW.wall - old) if clock == "wall" else evolve(NOW, ticks=NOW.ticks - old)
            assert judged(quote(at=at), sec_type=sec_type) == expected
        assert QUOTE_AGE_MAX[sec_type] == edge

    def test_every_kind_of_instrument_has_its_limit(self) -> None:
        """A new kind of instrument must say how old its quotes may be."""
        assert set(QUOTE_AGE_MAX) == set(SecType)

    @given(wall=st.integers(-5_000, 10_000), ticks=st.integers(-5_000, 10_000), same_boot=st.booleans())
    def test_the_clock_that_says_more_counts(self, wall: int, ticks: int, same_boot: bool) -> None:
        """The larger of two ages; none over a boot, a step back of more than two seconds, or ticks that ran back."""
        ms = timedelta(milliseconds=1)
        at = Moment(NOW.wall - wall * ms, NOW.ticks - ticks * ms, NOW.boot if same_boot else "boot-b")
        age = elapsed(at, NOW)
        if not same_boot or wall < -2_000 or ticks < 0:
            assert age is None
            assert Reason.QUOTE_STALE in judged(quote(at=at))
        else:
            assert age == max(wall, ticks) * ms


class TestEachRule:
    """Each rule at its edge."""

    @pytest.mark.parametrize(
        ("bid", "ask", "missing"),
        [
            ("100", "100", False),
            ("0.00001", "0.00001", False),
            ("100.01", "100", True),
            ("0", "100", True),
            ("-1", "100", True),
            ("-100", "-99", True),
            ("0", "0", True),
        ],
    )
    def test_a_quote_has_two_sides(self, bid: str, ask: str, missing: bool) -> None:
        """Crossed, or without a side, is no quote at all; locked is one."""
        assert judged(quote(bid, ask), stop="0.000001", reference=bid) == ((Reason.QUOTE_MISSING,) if missing else ())
        assert judged(None) == (Reason.QUOTE_MISSING,)

    @pytest.mark.parametrize(("ask", "wide"), [("100.1", False), ("100.10001", True)])
    def test_the_spread_has_a_limit(self, ask: str, wide: bool) -> None:
        """Twenty basis points of the middle pass."""
        assert judged(quote("99.9", ask)) == ((Reason.SPREAD_TOO_WIDE,) if wide else ())

    @pytest.mark.parametrize("side", list(Side))
    @pytest.mark.parametrize(
        ("middle", "moved"), [("100.25", False), ("100.2501", True), ("99.75", False), ("99.7499", True)]
    )
    def test_the_price_may_drift_so_far(self, side: Side, middle: str, moved: bool) -> None:
        """25 basis points of what was signed, up or down, for the order or against it."""
        stop = "90" if side is Side.BUY else "110"
        assert judged(quote(middle, middle), side=side, stop=stop) == ((Reason.PRICE_MOVED,) if moved else ())

    @pytest.mark.parametrize(
        ("side", "stop", "wrong"),
        [
            (Side.BUY, "99.94", False),
            (Side.BUY, "99.95", True),
            (Side.BUY, "101", True),
            (Side.SELL, "100.06", False),
            (Side.SELL, "100.05", True),
            (Side.SELL, "99", True),
        ],
    )
    def test_the_stop_is_on_its_side(self, side: Side, stop: str, wrong: bool) -> None:
        """A buy's stop is below the bid, a sell's above the ask: at it, it would be triggered at once."""
        assert judged(quote(), side=side, stop=stop) == ((Reason.STOP_ON_WRONG_SIDE,) if wrong else ())

    @pytest.mark.parametrize(
        ("delayed", "allowed", "passes"), [(False, False, True), (True, True, True), (True, False, False)]
    )
    def test_delayed_only_by_name(self, delayed: bool, allowed: bool, passes: bool) -> None:
        """A delayed quote needs the policy's word."""
        assert judged(quote(delayed=delayed), delayed_allowed=allowed) == (() if passes else (Reason.QUOTE_DELAYED,))

    @pytest.mark.parametrize(("delayed", "stale", "wide", "moved", "stop"), [*product((False, True), repeat=5)])
    def test_all_that_is_wrong_is_named(self, delayed: bool, stale: bool, wide: bool, moved: bool, stop: bool) -> None:
        """All 32 outcomes, in order of precedence."""
        at = evolve(NOW, ticks=NOW.ticks - 10 * SECOND) if stale else NOW
        seen = quote("99" if wide else "99.95", "101" if wide else "100.05", at, delayed=delayed)
        expected = (
            *((Reason.QUOTE_DELAYED,) if delayed else ()),
            *((Reason.QUOTE_STALE,) if stale else ()),
            *((Reason.SPREAD_TOO_WIDE,) if wide else ()),
            *((Reason.PRICE_MOVED,) if moved else ()),
            *((Reason.STOP_ON_WRONG_SIDE,) if stop else ()),
        )
        assert judged(seen, reference="105" if moved else "100", stop="100" if stop else "97") == expected


class TestArithmetic:
    """The figures that guards and screens share."""

    def test_by_hand(self) -> None:
        """The middle, the spread and the drift, with its sign."""
        assert mid(Price(D("1.08495")), Price(D("1.08505"))) == D("1.085")
        assert spread_bps(Price(D("99.95")), Price(D("100.05"))) == 10
        assert drift_bps(Price(D(100)), Price(D("100.25"))) == 25
        assert drift_bps(Price(D(100)), Price(D("99.9"))) == -10

    def test_the_hosts_arithmetic_has_no_say(self) -> None:
        """A thread that rounds to two digits sees the same price."""
        with localcontext() as context:
            context.prec = 2
            assert mid(Price(D("1.08495")), Price(D("1.08505"))) == D("1.085")
            assert judged(quote("100.2501", "100.2501")) == (Reason.PRICE_MOVED,)

    def test_delay_is_not_allowed_unless_somebody_says_so(self) -> None:
        """Left unsaid, a delayed quote is refused."""
        no = price_refusal(
            quote(delayed=True),
            NOW,
            sec_type=SecType.STOCK,
            side=Side.BUY,
            stop=Price(D(97)),
            reference=Price(D(100)),
            drift_bps_max=25,
            spread_bps_max=20,
        )
        assert no is not None
        assert no.reasons == (Reason.QUOTE_DELAYED,)

    @pytest.mark.parametrize(("back", "age"), [(2 * SECOND, NONE), (2 * SECOND + MICROSECOND, None)])
    def test_a_wall_clock_may_step_back_two_seconds(self, back: timedelta, age: timedelta | None) -> None:
        """Up to there the other clock is believed; beyond, neither is."""
        assert elapsed(evolve(NOW, wall=NOW.wall + back), NOW) == age

    @pytest.mark.parametrize(
        ("at", "told"),
        [
            (evolve(NOW, ticks=NOW.ticks - 10 * SECOND), "the quote is 10000 ms old"),
            (evolve(NOW, boot="boot-b"), "the quote is of an unknown age"),
        ],
    )
    def test_the_sentence_says_how_old(self, at: Moment, told: str) -> None:
        """Where the clocks can say it."""
        no = price_refusal(
            quote(at=at),
            NOW,
            sec_type=SecType.STOCK,
            side=Side.BUY,
            stop=Price(D(97)),
            reference=Price(D(100)),
            drift_bps_max=25,
            spread_bps_max=20,
        )
        assert no is not None
        assert no.detail == told

    def test_the_age_of_now_is_nothing(self) -> None:
        """A quote from this instant is new."""
        assert elapsed(quote().at, NOW) == NONE
