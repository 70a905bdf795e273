"""Sizing: risk per trade over stop distance, floored; what was stated is taken or refused."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from math import floor
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_core.beads import CanonicalSignal, Sizing
from phoenix_core.gate.sizing import LASTING, increment_of, size, stated_refusal
from phoenix_core.records import of_json, to_json
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.values import Instrument, Money, Price, Quantity
from tests.unit.gate.samples import AAPL, EURUSD, signal

D: Final = Decimal
STOCK: Final = signal(pair="AAPL", entry="190.25", stop="187.00", target="196.75")


def sized(
    proposed: CanonicalSignal,
    instrument: Instrument = AAPL,
    *,
    equity: str | None = "60112",
    rate: str | None = "0.918",
    odd_lots: bool = False,
) -> Result[Sizing, Refusal]:
    """The size of a signal on an account in euros that risks half a percent."""
    return size(
        proposed,
        instrument,
        equity=Money(D(equity)) if equity is not None else None,
        currency="EUR",
        rate=D(rate) if rate is not None else None,
        risk_per_trade=D("0.005"),
        odd_lots=odd_lots,
    )


class TestComputed:
    """What half a percent buys."""

    def test_the_line_that_a_human_checks(self) -> None:
        """60,112 EUR x 0.5 % / (3.25 x 0.918) = 100.7, so 100 shares: every figure beside it is kept."""
        assert sized(STOCK).unwrap() == Sizing(
            equity=Money(D(60_112)),
            currency="EUR",
            risk_per_trade=D("0.005"),
            stop_distance=Price(D("3.25")),
            rate=D("0.918"),
            computed=Quantity(D(100)),
            stated=None,
            quantity=Quantity(D(100)),
            risk=Money(D("298.35")),
            notional=Money(D("17464.95")),
        )

    @given(
        equity=st.integers(1, 10**13),
        rate=st.integers(1, 10**14),
        distance=st.integers(1, 10**6),
        entry=st.integers(10**6 + 1, 10**8),
        increment=st.sampled_from(["1", "100", "0.01"]),
    )
    def test_it_is_the_largest_multiple_that_risks_no_more(
        self, equity: int, rate: int, distance: int, entry: int, increment: str
    ) -> None:
        """Against exact fractions: never above the budget, and one increment more would be; and it fits its bead."""
        cents, rates = D(equity).scaleb(-2), D(rate).scaleb(-10)
        card = evolve(AAPL, increment=Quantity(D(increment)), minimum=Quantity(D(increment)))
        prices = {"stop": entry - distance, "entry": entry, "target": entry + 1}
        proposed = signal(pair="AAPL", **{field: f"{D(price).scaleb(-2):f}" for field, price in prices.items()})
        result = sized(proposed, card, equity=str(cents), rate=f"{rates:f}")
        each = Fraction(distance, 100) * Fraction(rates)
        budget = Fraction(cents) * Fraction(5, 1000)
        by_hand = floor(budget / each / Fraction(increment)) * Fraction(increment)
        if by_hand == 0:
            assert result.failure().reasons == (Reason.QUANTITY_BELOW_MINIMUM,)
            return
        found = result.unwrap()
        assert Fraction(found.quantity) == Fraction(found.computed) == by_hand
        assert 0 <= Fraction(found.risk) - by_hand * each < Fraction(1, 100)
        assert 0 <= Fraction(found.notional) - by_hand * Fraction(entry, 100) * Fraction(rates) < Fraction(1, 100)
        assert of_json(Sizing, to_json(found)) == found

    def test_the_hosts_arithmetic_has_no_say(self) -> None:
        """A thread that rounds to three digits sizes the same order."""
        with localcontext() as context:
            context.prec = 1
            assert sized(STOCK).unwrap().risk == D("298.35")
        assert getcontext().prec > 1

    def test_a_rate_is_shown_as_it_is_used(self) -> None:
        """A rate with endless digits is rounded once, and the size stands on the figure that is shown."""
        found = sized(STOCK, rate="0.33333333333333333333").unwrap()
        assert found.rate == D("0.3333333333")
        assert found.quantity == 277  # of 300.56 / 1.0833333332 = 277.4
        assert found.risk == D("300.09")  # 300.083..., up to the next cent

    def test_a_sell_is_sized_alike(self) -> None:
        """The distance has no sign."""
        sells = signal(pair="AAPL", entry="187.00", stop="190.25", target="180.00")
        assert sized(sells).unwrap().quantity == 100


class TestStated:
    """A stated quantity is taken as stated or refused, never rounded."""

    def test_it_is_taken_and_the_computed_one_stands_beside(self) -> None:
        """More than half a percent is the human's decision, for both figures are shown."""
        found = sized(evolve(STOCK, quantity=Quantity(D(120)))).unwrap()
        assert found.stated == found.quantity == 120
        assert found.computed == 100
        assert found.risk == D("358.02")

    @pytest.mark.parametrize("stated", ["100.5", "0.5", "99.9999999999"])
    def test_off_the_grid_it_is_refused(self, stated: str) -> None:
        """Half a share is not rounded to one or none."""
        no = sized(evolve(STOCK, quantity=Quantity(D(stated)))).failure()
        assert no.headline is Reason.QUANTITY_OFF_GRID
        assert stated in no.detail

    def test_both_reasons_are_named(self) -> None:
        """Off the grid and too small is told as both."""
        no = sized(evolve(STOCK, quantity=Quantity(D("0.5")))).failure()
        assert no.reasons == (Reason.QUANTITY_OFF_GRID, Reason.QUANTITY_BELOW_MINIMUM)

    @pytest.mark.parametrize(
        ("quantity", "odd_lots", "reasons"),
        [
            (None, False, ()),
            ("20000", False, ()),
            ("19999", False, (Reason.QUANTITY_BELOW_MINIMUM,)),
            ("19999", True, ()),
            ("0.5", True, (Reason.QUANTITY_OFF_GRID,)),
            ("20000.5", False, (Reason.QUANTITY_OFF_GRID,)),
            ("0.5", False, (Reason.QUANTITY_OFF_GRID, Reason.QUANTITY_BELOW_MINIMUM)),
        ],
    )
    def test_it_is_judged_before_the_equity_is_known(
        self, quantity: str | None, odd_lots: bool, reasons: tuple[Reason, ...]
    ) -> None:
        """At the door, by the contract card alone, as `size` judges it later; what nobody stated waits for that."""
        proposed = signal(quantity=quantity)
        no = stated_refusal(proposed, EURUSD, odd_lots)
        assert (no.reasons if no is not None else ()) == reasons
        later = sized(proposed, EURUSD, odd_lots=odd_lots, equity="99999999")
        assert (() if is_successful(later) else later.failure().reasons) == reasons


class TestCurrencies:
    """FX: whole base units, at least the venue's minimum unless odd lots are named."""

    @pytest.mark.parametrize(
        ("quantity", "odd_lots", "passes"),
        [("20000", False, True), ("19999", False, False), ("19999", True, True), ("1", True, True)],
    )
    def test_the_venues_minimum(self, quantity: str, odd_lots: bool, passes: bool) -> None:
        """One unit below the minimum is refused, unless the policy names odd lots."""
        result = sized(signal(quantity=quantity), EURUSD, odd_lots=odd_lots)
        assert is_successful(result) is passes
        if not passes:
            assert result.failure().reasons == (Reason.QUANTITY_BELOW_MINIMUM,)

    def test_odd_lots_are_not_allowed_unless_somebody_says_so(self) -> None:
        """Left unsaid, the venue's minimum holds."""
        no = size(
            signal(quantity="19999"),
            EURUSD,
            equity=Money(D(60_112)),
            currency="EUR",
            rate=D("0.9"),
            risk_per_trade=D("0.005"),
        ).failure()
        assert no.reasons == (Reason.QUANTITY_BELOW_MINIMUM,)

    def test_an_account_too_small_is_refused(self) -> None:
        """What the risk buys may be below the minimum, or nothing at all: odd lots do not make nothing an order."""
        assert sized(signal(), EURUSD, equity="100").failure().headline is Reason.QUANTITY_BELOW_MINIMUM
        no = sized(signal(), EURUSD, equity="0.01", odd_lots=True).failure()
        assert no.reasons == (Reason.QUANTITY_BELOW_MINIMUM,)
        assert no.detail == "0 is below the least quantity, 1"

    @pytest.mark.parametrize(("increment", "step"), [("0.01", 1), ("1", 1), ("1000", 1000)])
    def test_base_units_are_whole(self, increment: str, step: int) -> None:
        """Whatever the contract card says, no part of a euro is ordered; a coarser card counts."""
        card = evolve(EURUSD, increment=Quantity(D(increment)))
        assert increment_of(card) == step
        assert sized(signal(quantity="25000.5"), card).failure().headline is Reason.QUANTITY_OFF_GRID
        assert sized(signal(), card).unwrap().quantity % step == 0

    def test_shares_keep_the_cards_increment(self) -> None:
        """Where the card allows parts of a share, parts are counted."""
        assert increment_of(evolve(AAPL, increment=Quantity(D("0.1")))) == D("0.1")


class TestUnknown:
    """What is not known is not guessed."""

    @pytest.mark.parametrize("equity", [None, "0", "-5"])
    def test_equity(self, equity: str | None) -> None:
        """No equity, none left, or less than none: no size."""
        assert sized(STOCK, equity=equity).failure().reasons == (Reason.EQUITY_UNKNOWN,)

    @pytest.mark.parametrize("rate", [None, "0", "-1", "0.00000000004"])
    def test_rate(self, rate: str | None) -> None:
        """No rate into the account's currency, or one that rounds to nothing: no size, and the pair is named."""
        no = sized(STOCK, rate=rate).failure()
        assert no.reasons == (Reason.EQUITY_UNKNOWN,)
        assert no.detail == "no rate from USD to EUR yet"

    def test_prices_off_the_grid(self) -> None:
        """Where intake had no contract card, the grid is judged here, before anything is computed."""
        assert sized(signal(pair="AAPL", entry="190.255", stop="187", target="196")).failure().reasons == (
            Reason.PRICE_OFF_GRID,
        )

    def test_what_waiting_may_mend_is_waited_for(self) -> None:
        """Equity and rate may still be told. The grid, the lot and the least quantity stay what they are: an intent
        that breaks one of these never gets a size, and its proposer hears so at once."""
        off_grid = signal(pair="AAPL", entry="190.255", stop="187", target="196")
        never = (
            sized(off_grid),
            sized(evolve(STOCK, quantity=Quantity(D("100.5")))),
            sized(signal(), EURUSD, equity="100"),
        )
        assert [LASTING.isdisjoint(each.failure().reasons) for each in never] == [False, False, False]
        later = (sized(STOCK, equity=None), sized(STOCK, rate=None))
        assert [LASTING.isdisjoint(each.failure().reasons) for each in later] == [True, True]

    def test_a_stop_at_the_entry_is_our_bug(self) -> None:
        """No canonical signal has one: its geometry was judged where it was read."""
        with pytest.raises(AssertionError, match="stop apart"):
            sized(evolve(STOCK, stop=STOCK.entry))
