"""What a position is worth now, in the account's money: by the newest quote that the log knows, and how old that is."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.trade.positions import Open


@frozen
class Worth:
    """Profit or loss so far, what is realised of it included; None where no quote, or no rate, can say."""

    pnl: Decimal | None = None
    open: Decimal | None = None  # of that, what the market can still take away
    r: Decimal | None = None
    price: Decimal | None = None  # at which it would be left
    age_s: int | None = None  # of the quote


def worth_of(session: Session, position: Open) -> Worth:
    """The worth of what is held."""
    from phoenix_core.acts.lights import last_rate_for
    from phoenix_core.values import Side

    desk = session.desk
    quote = desk.observations.quotes.get(position.pair)
    if quote is None or position.average_entry is None or not position.held:
        return Worth()
    price = quote.bid if position.side is Side.BUY else quote.ask
    age_s = max(0, int((session.clock.now().wall - quote.at).total_seconds()))
    rate = last_rate_for(desk, position)
    if rate is None:
        return Worth(price=price, age_s=age_s)
    gained = (price - position.average_entry) * position.held * position.side.sign * rate
    pnl = gained + (position.last.realized or 0)
    thesis = desk.evidence.thesis(position.intent_id)
    risk = thesis.risk if thesis is not None else None
    cent = Decimal("0.01")
    share = (pnl / risk).quantize(cent) if risk else None
    return Worth(pnl.quantize(cent), gained.quantize(cent), share, price, age_s)
