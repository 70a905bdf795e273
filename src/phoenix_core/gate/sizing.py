"""How many: risk per trade over stop distance, floored, on one line that a human can check.

A quantity that the proposer stated is taken as stated or refused, never rounded; the computed one is shown beside it.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Final

from returns.result import Failure, Result, Success

from phoenix_core.beads import CanonicalSignal, Sizing
from phoenix_core.gate.signals import grid_refusal
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.values import (
    ARITHMETIC,
    ZERO,
    Instrument,
    Money,
    Price,
    Quantity,
    SecType,
    divide,
    floor_to,
    on_grid,
    plain,
    times,
)

# Ten decimals turn a million yen into euros to a hundredth of a cent, and still fit on the line that a human reads.
RATE_STEP: Final = Decimal("0.0000000001")
# What the signal, its instrument or the account's size say no to: waiting mends none of it.
LASTING: Final = frozenset({Reason.PRICE_OFF_GRID, Reason.QUANTITY_OFF_GRID, Reason.QUANTITY_BELOW_MINIMUM})
CENT: Final = Decimal("0.01")


def size(
    signal: CanonicalSignal,
    instrument: Instrument,
    *,
    equity: Money | None,
    currency: str,
    rate: Decimal | None,
    risk_per_trade: Decimal,
    odd_lots: bool = False,
) -> Result[Sizing, Refusal]:
    """The quantity of a signal, and how it came about.

    `currency` is the account's; `rate` is account currency per unit of the instrument's currency (1 where they are
    the same). Refuses PRICE_OFF_GRID, EQUITY_UNKNOWN (a rate that is not known too), QUANTITY_OFF_GRID (only what was
    stated), QUANTITY_BELOW_MINIMUM.
    """
    distance = ARITHMETIC.subtract(signal.entry, signal.stop).copy_abs()
    assert distance > 0, "the canonical signal has its stop apart from its entry"
    off_grid = grid_refusal(signal, instrument)
    if off_grid is not None:
        return Failure(off_grid)
    if equity is None or equity <= 0:
        return Failure(refusal(Reason.EQUITY_UNKNOWN, detail="the broker has not told the account's equity yet"))
    shown_rate = Decimal(0) if rate is None else rate.quantize(RATE_STEP, ROUND_HALF_EVEN, ARITHMETIC)
    if shown_rate <= 0:
        detail = f"no rate from {instrument.currency} to {currency} yet"
        return Failure(refusal(Reason.EQUITY_UNKNOWN, detail=detail))
    step = increment_of(instrument)
    computed = Quantity(floor_to(divide(times(equity, risk_per_trade), times(distance, shown_rate)), step))
    quantity = computed if signal.quantity is None else signal.quantity
    no = _quantity_refusal(quantity, step, Quantity(ZERO) if odd_lots else instrument.minimum)
    if no is not None:
        return Failure(no)
    return Success(
        Sizing(
            equity=equity,
            currency=currency,
            risk_per_trade=risk_per_trade,
            stop_distance=Price(distance),
            rate=shown_rate,
            computed=computed,
            stated=signal.quantity,
            quantity=quantity,
            risk=at_stake(times(times(quantity, distance), shown_rate)),
            notional=at_stake(times(times(quantity, signal.entry), shown_rate)),
        )
    )


def stated_refusal(signal: CanonicalSignal, instrument: Instrument, odd_lots: bool) -> Refusal | None:
    """Whether a quantity that the proposer stated can be traded at all: known as soon as the contract card is."""
    least = Quantity(ZERO) if odd_lots else instrument.minimum
    return None if signal.quantity is None else _quantity_refusal(signal.quantity, increment_of(instrument), least)


def increment_of(instrument: Instrument) -> Quantity:
    """The step of quantities: the contract card's, and for currencies at least a whole unit of the base."""
    if instrument.sec_type is SecType.CASH:
        return Quantity(max(instrument.increment, Decimal(1)))
    return instrument.increment


def _quantity_refusal(quantity: Quantity, step: Quantity, minimum: Quantity) -> Refusal | None:
    said: list[Refusal] = []
    if not on_grid(quantity, step):
        said.append(refusal(Reason.QUANTITY_OFF_GRID, detail=f"{plain(quantity)} is no multiple of {plain(step)}"))
    if quantity <= 0 or quantity < minimum:
        detail = f"{plain(quantity)} is below the least quantity, {plain(max(minimum, step))}"
        said.append(refusal(Reason.QUANTITY_BELOW_MINIMUM, detail=detail))
    return merged(said)


def at_stake(amount: Decimal) -> Money:
    """In cents, rounded up: what a human reads and what a limit judges is never less than what is at stake."""
    return Money(amount.quantize(CENT, ROUND_CEILING, ARITHMETIC))
