"""At what price and for how much an order would fill now. No order changes here."""

from __future__ import annotations

from decimal import Decimal

from phoenix_adapters.gateway.accounts import ZERO
from phoenix_adapters.gateway.market import Quote
from phoenix_adapters.gateway.orders import Order


def price(order: Order, quote: Quote) -> Decimal | None:
    """The price that it would get, or None where it would not fill: a buyer pays the ask, a seller gets the bid.

    A stop that is through fills at what stands there, not at its own price: that is what a gap costs.
    """
    there = quote.ask if order.action == "BUY" else quote.bid
    if there is None or not triggered(order, quote):
        return None
    if order.limit is None:
        return there
    return there if (order.limit - there) * order.sign >= 0 else None


def triggered(order: Order, quote: Quote) -> bool:
    """Whether its stop price, if it has one, was touched now or before."""
    if order.stop is None or order.triggered:
        return True
    there = quote.ask if order.action == "BUY" else quote.bid
    return there is not None and (there - order.stop) * order.sign >= 0


def quantity(order: Order, quote: Quote) -> Decimal:
    """How much of it fills at once: what is shown on the other side, and of a child never more than its parent has."""
    shown = quote.ask_size if order.action == "BUY" else quote.bid_size
    most = min(order.remaining, shown)
    if order.capped_at is not None:
        most = min(most, order.capped_at - order.filled)
    if order.parent is not None and not order.outgrown:
        taken = sum((child.filled for child in order.parent.children), ZERO)
        most = min(most, order.parent.filled - taken)
    return max(ZERO, most)
