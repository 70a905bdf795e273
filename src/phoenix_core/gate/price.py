"""Is it still the price that was approved: a fresh two-sided quote, a narrow spread, little drift, a sound stop."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from phoenix_core.facts import Quote
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.values import ARITHMETIC, Moment, Price, SecType, Side, divide, elapsed, plain, times

# FX quotes several times a second, stocks now and then: an older quote is a feed that has stopped.
QUOTE_AGE_MAX: Final = {SecType.CASH: timedelta(seconds=2), SecType.STOCK: timedelta(seconds=5)}
_BPS: Final = Decimal(10_000)


def mid(bid: Price, ask: Price) -> Price:
    """The middle of a two-sided price."""
    return Price(divide(ARITHMETIC.add(bid, ask), Decimal(2)))


def spread_bps(bid: Price, ask: Price) -> Decimal:
    """How wide a two-sided price is, in basis points of its middle."""
    return _in_bps(ARITHMETIC.subtract(ask, bid), mid(bid, ask))


def _in_bps(part: Decimal, of: Price) -> Decimal:
    return divide(times(part, _BPS), of)


def drift_bps(reference: Price, price: Price) -> Decimal:
    """How far a price is from its reference, in basis points of the reference, with its sign."""
    return _in_bps(ARITHMETIC.subtract(price, reference), reference)


def price_refusal(
    quote: Quote | None,
    now: Moment,
    *,
    sec_type: SecType,
    side: Side,
    stop: Price,
    reference: Price,
    drift_bps_max: int,
    spread_bps_max: int,
    delayed_allowed: bool = False,
) -> Refusal | None:
    """Every reason why this quote does not carry an entry.

    `reference` is the mid that the human signed (of the statement's `live`; before a signature, of the evidence);
    `delayed_allowed` is the policy's word and never true in LIVE.
    """
    if quote is None or not 0 < quote.bid <= quote.ask:
        return refusal(Reason.QUOTE_MISSING, detail="no two-sided quote")
    said: list[Refusal] = []
    if quote.delayed and not delayed_allowed:
        said.append(refusal(Reason.QUOTE_DELAYED, detail="the quote is delayed, and the policy does not allow that"))
    age = elapsed(quote.at, now)
    if age is None or age > QUOTE_AGE_MAX[sec_type]:
        old = "of an unknown age" if age is None else f"{age // timedelta(milliseconds=1)} ms old"
        said.append(refusal(Reason.QUOTE_STALE, detail=f"the quote is {old}"))
    middle = mid(quote.bid, quote.ask)
    width = _in_bps(ARITHMETIC.subtract(quote.ask, quote.bid), middle)
    if width > spread_bps_max:
        said.append(refusal(Reason.SPREAD_TOO_WIDE, detail=f"the spread is above {spread_bps_max} bps"))
    if drift_bps(reference, middle).copy_abs() > drift_bps_max:
        said.append(refusal(Reason.PRICE_MOVED, detail=f"the price moved by more than {drift_bps_max} bps"))
    # A stop is triggered by what the market pays for the way out: the bid of what was bought, the ask of what was sold.
    if quote.bid <= stop if side is Side.BUY else quote.ask >= stop:
        said.append(refusal(Reason.STOP_ON_WRONG_SIDE, detail=f"the market is at or beyond the stop {plain(stop)}"))
    return merged(said)
