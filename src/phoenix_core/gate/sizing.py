"""How many: risk per trade over stop distance, floored, on one line that a human can check.

A quantity that the proposer stated is taken as stated or refused, never rounded; the computed one is shown beside it.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Final

from returns.result import Failure, Result, Success

from phoenix_core.beads import CanonicalSignal, Sizing
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import ARITHMETIC, Instrument, Money, Price, Quantity, divide, floor_to, on_grid, plain, times

# Ten decimals tell yen from dollars to a cent in a million and still fit on the line that a human reads.
RATE_STEP: Final = Decimal("0.0000000001")
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
    the same). Refuses EQUITY_UNKNOWN, QUANTITY_OFF_GRID (stated only), QUANTITY_BELOW_MINIMUM.
    """
    raise NotImplementedError
