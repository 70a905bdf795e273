"""Is the price still the one that was approved: a fresh two-sided quote, a narrow spread, little drift, a stop that holds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from phoenix_core.facts import Quote
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Moment, Price, SecType, Side, divide, plain

# FX quotes several times a second, stocks now and then: an older quote is a feed that has stopped.
QUOTE_AGE_MAX: Final = {SecType.CASH: timedelta(seconds=2), SecType.STOCK: timedelta(seconds=5)}


def quote_age(quote: Quote, now: Moment) -> timedelta | None:
    """How old a quote is by the clock that says more; None where the clocks cannot say (another boot, a step back)."""
    raise NotImplementedError


def mid(bid: Price, ask: Price) -> Price:
    """The middle of a two-sided price."""
    raise NotImplementedError


def drift_bps(reference: Price, price: Price) -> Decimal:
    """How far a price is from its reference, in basis points of the reference, with its sign."""
    raise NotImplementedError


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
    raise NotImplementedError
