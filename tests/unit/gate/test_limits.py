"""Limits: each at its edge, all of them at once, and who sets them in which mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import product
from typing import Final

import pytest
from attrs import evolve, fields

from phoenix_core.beads import Lease, LeaseEvent, Limits, Policy, Signed
from phoenix_core.gate.limits import (
    BUILT_IN,
    Exposure,
    Policies,
    daily_loss_reached,
    limit_refusal,
    out_of_bounds,
    policy_in_force,
    unnamed_limits,
)
from phoenix_core.records import of_json, to_json
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.values import Mode, Money, Quantity
from tests.unit.gate.samples import bead

D: Final = Decimal
SIGNED: Final = Signed("{}", "sig", "SHA256:k", "hardware", True, True, 1)
OPEN: Final = Policy(Limits())
WHOLE: Final = Limits(
    order_quantity_max=Quantity(D(100)),
    order_notional_max=Money(D(1000)),
    instrument_quantity_max=Quantity(D(150)),
    gross_notional_max=Money(D(5000)),
    open_positions_max=3,
    entries_per_day_max=5,
    daily_loss_max=Money(D(600)),
)
EMPTY: Final = Exposure()
LIMITS: Final = tuple(limit.name for limit in fields(Limits))


def judged(
    policy: Policy | None,
    exposure: Exposure = EMPTY,
    *,
    mode: Mode = Mode.PAPER,
    symbol: str = "AAPL",
    quantity: str = "100",
    notional: str = "1000",
) -> Refusal | None:
    """What the limits say to an entry of 100 AAPL for 1,000."""
    return limit_refusal(policy, exposure, mode, symbol, Quantity(D(quantity)), Money(D(notional)))


def reasons(no: Refusal | None) -> tuple[Reason, ...]:
    """The reasons of a refusal; none where nothing was refused."""
    return no.reasons if no is not None else ()


# Each limit: reached exactly by an entry of 100 for 1,000 on this exposure, exceeded on that one.
EDGES: Final[tuple[tuple[Reason, Limits, Exposure, dict[str, str], Exposure], ...]] = (
    (Reason.ORDER_QUANTITY_LIMIT, Limits(order_quantity_max=Quantity(D(100))), EMPTY, {"quantity": "100.1"}, EMPTY),
    (Reason.ORDER_NOTIONAL_LIMIT, Limits(order_notional_max=Money(D(1000))), EMPTY, {"notional": "1000.01"}, EMPTY),
    (
        Reason.INSTRUMENT_LIMIT,
        Limits(instrument_quantity_max=Quantity(D(150))),
        Exposure(quantities={"AAPL": Quantity(D(50)), "MSFT": Quantity(D(9000))}),
        {},
        Exposure(quantities={"AAPL": Quantity(D(51))}),
    ),
    (
        Reason.GROSS_LIMIT,
        Limits(gross_notional_max=Money(D(5000))),
        Exposure(gross=Money(D(4000))),
        {},
        Exposure(gross=Money(D("4000.01"))),
    ),
    (
        Reason.OPEN_POSITIONS_LIMIT,
        Limits(open_positions_max=3),
        Exposure(open_positions=2),
        {},
        Exposure(open_positions=3),
    ),
    (
        Reason.ENTRIES_PER_DAY_LIMIT,
        Limits(entries_per_day_max=5),
        Exposure(entries_today=4),
        {},
        Exposure(entries_today=5),
    ),
    # Reaching the daily loss is losing it: at the limit no entry goes.
    (
        Reason.DAILY_LOSS_LIMIT,
        Limits(daily_loss_max=Money(D(600))),
        Exposure(loss_today=Money(D("599.99"))),
        {},
        Exposure(loss_today=Money(D(600))),
    ),
)


class TestEveryLimit:
    """How much of anything the desk may do."""

    @pytest.mark.parametrize(("reason", "limits", "within", "order", "beyond"), EDGES, ids=lambda v: str(v)[:24])
    def test_at_its_edge(
        self, reason: Reason, limits: Limits, within: Exposure, order: dict[str, str], beyond: Exposure
    ) -> None:
        """The last entry that passes, and the first that does not; a limit that is not named limits nothing."""
        assert judged(Policy(limits), within) is None
        no = judged(
            Policy(limits), beyond, quantity=order.get("quantity", "100"), notional=order.get("notional", "1000")
        )
        assert reasons(no) == (reason,)
        assert no is not None
        assert "limit is" in no.detail
        assert judged(OPEN, beyond, quantity="1000000", notional="1000000") is None

    def test_all_that_are_hit_are_named(self) -> None:
        """All 512 combinations of the seven limits, the allowed instruments and the one owner, in order."""
        for hit in product((False, True), repeat=9):
            order, notional, held, gross, open_, entries, loss, named, busy = hit
            exposure = Exposure(
                quantities={"AAPL": Quantity(D(10_000 if held else 0))},
                gross=Money(D(10_000 if gross else 0)),
                open_positions=9 if open_ else 0,
                entries_today=9 if entries else 0,
                loss_today=Money(D(9_000 if loss else -9_000)),
                busy=("AAPL",) if busy else ("MSFT",),
            )
            limits = evolve(WHOLE, instrument_quantity_max=Quantity(D(5_000)))
            policy = Policy(limits, instruments=("MSFT",) if named else ("MSFT", "AAPL"))
            no = judged(policy, exposure, quantity="101" if order else "100", notional="1001" if notional else "1000")
            by_hand = {
                Reason.INSTRUMENT_NOT_ALLOWED: named,
                Reason.INSTRUMENT_BUSY: busy,
                Reason.ORDER_QUANTITY_LIMIT: order,
                Reason.ORDER_NOTIONAL_LIMIT: notional,
                Reason.INSTRUMENT_LIMIT: held,
                Reason.GROSS_LIMIT: gross,
                Reason.OPEN_POSITIONS_LIMIT: open_,
                Reason.ENTRIES_PER_DAY_LIMIT: entries,
                Reason.DAILY_LOSS_LIMIT: loss,
            }
            assert reasons(no) == tuple(reason for reason, on in by_hand.items() if on)

    @pytest.mark.parametrize("why", ["busy", "drifting", "foreign"])
    def test_one_instrument_has_one_owner(self, why: str) -> None:
        """Another position, an open drift, or what is not ours: each alone keeps an entry out, but only there."""
        exposure = {
            "busy": Exposure(busy=("MSFT", "AAPL")),
            "drifting": Exposure(drifting=("AAPL",)),
            "foreign": Exposure(foreign=("AAPL",)),
        }[why]
        assert reasons(judged(OPEN, exposure)) == (Reason.INSTRUMENT_BUSY,)
        assert reasons(judged(OPEN, exposure, symbol="IBM")) == ()

    @pytest.mark.parametrize("policy", [OPEN, Policy(WHOLE)])
    def test_what_nobody_can_value_is_no_zero(self, policy: Policy) -> None:
        """Beside a holding of no known worth nothing enters, in whatever instrument, whether the sum has a limit or
        none: the sum that a human would be shown is not the sum."""
        no = judged(policy, Exposure(unvalued=("USDJPY", "USDCAD")))
        assert no is not None and no.reasons == (Reason.GROSS_LIMIT,)
        assert no.detail == "gross notional UNKNOWN: no rate to the account's currency for USDJPY, USDCAD yet"
        assert judged(policy, Exposure()) is None

    def test_the_hosts_arithmetic_has_no_say(self) -> None:
        """A thread that rounds to three digits does not let a cent too much through."""
        with localcontext() as context:
            context.prec = 3
            assert reasons(judged(Policy(WHOLE), Exposure(gross=Money(D("4000.01"))))) == (Reason.GROSS_LIMIT,)

    def test_a_new_desk_has_nothing_reserved(self) -> None:
        """Left unsaid, nothing is held, promised, lost or busy, and no policy was ever set."""
        assert Exposure() == Exposure({}, Money(D(0)), (), 0, 0, Money(D(0)), (), (), ())
        assert Policies() == Policies(None, -1)
        assert judged(Policy(WHOLE), notional="0") is None

    def test_the_sentence_names_amount_and_limit(self) -> None:
        """What a human reads at three in the morning."""
        no = judged(Policy(WHOLE), Exposure(open_positions=3, loss_today=Money(D("600.50"))), quantity="1E+3")
        assert no is not None
        assert no.detail == (
            "1000 in one order, the limit is 100; 1000 of AAPL, the limit is 150; "
            "4 open positions, the limit is 3; 600.5 lost today, the limit is 600"
        )

    def test_an_entry_has_a_size(self) -> None:
        """Nothing, or less, is judged by nobody."""
        with pytest.raises(AssertionError, match="quantity"):
            judged(OPEN, quantity="0")
        with pytest.raises(AssertionError, match="notional"):
            judged(OPEN, notional="-1")


class TestDailyLoss:
    """The limit that raises a kill."""

    @pytest.mark.parametrize(("loss", "reached"), [("-5", False), ("599.99", False), ("600", True), ("601", True)])
    def test_reaching_it_is_enough(self, loss: str, reached: bool) -> None:
        """At the limit, not only beyond it."""
        assert daily_loss_reached(Policy(WHOLE), Money(D(loss))) is reached

    def test_where_no_limit_is_named_none_is_reached(self) -> None:
        """Neither without a policy nor with one that leaves it open."""
        assert not daily_loss_reached(None, Money(D(10**9)))
        assert not daily_loss_reached(OPEN, Money(D(10**9)))


class TestPolicy:
    """Who sets the limits in which mode."""

    @pytest.mark.parametrize("mode", [Mode.MOCK, Mode.PAPER])
    def test_a_desk_to_learn_on_has_one_built_in(self, mode: Mode) -> None:
        """MOCK and PAPER start with limits, all of them named; a policy that a human sets replaces them."""
        assert policy_in_force(Policies(), mode) == BUILT_IN
        assert unnamed_limits(BUILT_IN.limits) == ()
        assert BUILT_IN.limits == Limits(
            order_quantity_max=Quantity(D(5_000_000)),
            order_notional_max=Money(D(5_000_000)),
            instrument_quantity_max=Quantity(D(5_000_000)),
            gross_notional_max=Money(D(20_000_000)),
            open_positions_max=10,
            entries_per_day_max=100,
            daily_loss_max=Money(D(50_000)),
        )
        assert policy_in_force(Policies(OPEN, 3), mode) == OPEN

    @pytest.mark.parametrize("missing", [None, *(field.name for field in fields(Limits))])
    @pytest.mark.parametrize("signed", [SIGNED, None])
    def test_live_has_only_what_was_signed_whole(self, missing: str | None, signed: Signed | None) -> None:
        """LIVE: no policy, an unsigned one, or one that leaves any limit open is no policy."""
        limits = WHOLE if missing is None else evolve(WHOLE, **{missing: None})
        policy = Policy(limits, signed=signed)
        whole = missing is None and signed is not None
        assert policy_in_force(Policies(policy, 3), Mode.LIVE) == (policy if whole else None)
        assert policy_in_force(Policies(), Mode.LIVE) is None

    def test_without_a_policy_nothing_enters(self) -> None:
        """The missing policy is the headline, and the other lights are shown beside it."""
        assert reasons(judged(None, mode=Mode.LIVE)) == (Reason.POLICY_MISSING,)
        busy = judged(None, Exposure(busy=("AAPL",)), mode=Mode.LIVE)
        assert reasons(busy) == (Reason.POLICY_MISSING, Reason.INSTRUMENT_BUSY)

    @pytest.mark.parametrize(
        ("mode", "named", "symbol", "passes"),
        [
            (Mode.LIVE, (), "EURUSD", True),
            (Mode.LIVE, (), "AAPL", False),
            (Mode.LIVE, ("AAPL",), "AAPL", True),
            (Mode.LIVE, ("AAPL",), "EURUSD", False),
            (Mode.PAPER, (), "AAPL", True),
            (Mode.MOCK, ("EURUSD",), "AAPL", False),
        ],
    )
    def test_live_trades_euros_until_named_otherwise(
        self, mode: Mode, named: tuple[str, ...], symbol: str, passes: bool
    ) -> None:
        """Where a policy names no instrument, LIVE has EURUSD alone and the others have all."""
        no = judged(Policy(Limits(), instruments=named), mode=mode, symbol=symbol)
        assert reasons(no) == (() if passes else (Reason.INSTRUMENT_NOT_ALLOWED,))

    def test_the_latest_is_in_force(self) -> None:
        """A policy folds over the one before, with its place; other beads pass by; a snapshot gives it back."""
        policies = Policies()
        policies.fold(bead(3, OPEN))
        policies.fold(bead(4, Lease(event=LeaseEvent.TAKEN, boot="b", run="r", version="v")))
        assert policies == Policies(OPEN, 3)
        policies.fold(bead(5, Policy(WHOLE, signed=SIGNED), datetime(2026, 1, 1, tzinfo=UTC)))
        assert policies == Policies(Policy(WHOLE, signed=SIGNED), 5)
        assert of_json(Policies, to_json(policies)) == policies


class TestBounds:
    """What nobody means is refused field by field; a figure at its bound is within it."""

    @pytest.mark.parametrize(
        "policy",
        [
            BUILT_IN,
            OPEN,
            evolve(OPEN, risk_per_trade=D("0.1"), drift_bps_max=1000, spread_bps_max=0, stale_after=timedelta(days=1)),
            evolve(OPEN, risk_per_trade=D("0.00000001"), time_exit=timedelta(seconds=1)),
            Policy(Limits(open_positions_max=0, order_quantity_max=Quantity(D(0)))),
        ],
    )
    def test_within(self, policy: Policy) -> None:
        """Nothing to say."""
        assert list(out_of_bounds(policy)) == []

    @pytest.mark.parametrize(
        ("policy", "field"),
        [
            (evolve(OPEN, risk_per_trade=D("7")), "risk_per_trade"),
            (evolve(OPEN, risk_per_trade=D("0.5")), "risk_per_trade"),
            (evolve(OPEN, risk_per_trade=D("0.1000001")), "risk_per_trade"),
            (evolve(OPEN, risk_per_trade=D("0")), "risk_per_trade"),
            (evolve(OPEN, risk_per_trade=D("-0.005")), "risk_per_trade"),
            (evolve(OPEN, drift_bps_max=-1), "drift_bps_max"),
            (evolve(OPEN, drift_bps_max=1001), "drift_bps_max"),
            (evolve(OPEN, spread_bps_max=-1), "spread_bps_max"),
            (evolve(OPEN, spread_bps_max=1001), "spread_bps_max"),
            (evolve(OPEN, stale_after=timedelta(0)), "stale_after"),
            (evolve(OPEN, stale_after=timedelta(days=1, seconds=1)), "stale_after"),
            (evolve(OPEN, time_exit=timedelta(0)), "time_exit"),
            *((Policy(Limits(**{name: D(-1)})), f"limits.{name}") for name in LIMITS),  # type: ignore[arg-type]  # each has its own type
        ],
    )
    def test_beyond(self, policy: Policy, field: str) -> None:
        """Exactly that field is named, with its value and a mend."""
        (wrong,) = out_of_bounds(policy)
        assert wrong.field == f"policy.{field}"
        assert wrong.value and wrong.mend.startswith("write ")
