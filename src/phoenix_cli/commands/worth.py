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
    from phoenix_core.values import Side

    desk = session.desk
    quote = desk.observations.quotes.get(position.pair)
    if quote is None or position.average_entry is None or not position.held:
        return Worth()
    price = quote.bid if position.side is Side.BUY else quote.ask
    age_s = max(0, int((session.clock.now().wall - quote.at).total_seconds()))
    rate = _rate(session, position)
    if rate is None:
        return Worth(price=price, age_s=age_s)
    gained = (price - position.average_entry) * position.held * position.side.sign * rate
    pnl = gained + (position.last.realized or 0)
    thesis = desk.evidence.thesis(position.intent_id)
    risk = thesis.risk if thesis is not None else None
    cent = Decimal("0.01")
    share = (pnl / risk).quantize(cent) if risk else None
    return Worth(pnl.quantize(cent), gained.quantize(cent), share, price, age_s)


def _rate(session: Session, position: Open) -> Decimal | None:
    """The account's money for one unit of what the instrument is quoted in."""
    from phoenix_core.gate.price import mid
    from phoenix_core.trade.exits import entry_line, stake_of

    desk, account = session.desk, session.genesis.currency
    line = entry_line(stake_of(position, desk.orders, desk.fills))
    if line is None or line.currency == account:
        return None if line is None else Decimal(1)
    direct = desk.observations.quotes.get(line.currency + account)
    inverse = desk.observations.quotes.get(account + line.currency)
    if direct is not None:
        return mid(direct.bid, direct.ask)
    return 1 / mid(inverse.bid, inverse.ask) if inverse is not None else None
