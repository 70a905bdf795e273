"""The mock's market: steady prices with a little life in them, for desks that run by themselves.

Prices move by a tick now and then and never leave a narrow band, so that nothing triggers unless somebody moves them.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

from attrs import Factory, define

from phoenix_core.facts import Quote
from phoenix_core.ports import Clock
from phoenix_core.values import Instrument, Price, Quantity, SecType

TICK_EVERY: Final = timedelta(milliseconds=500)
BAND_TICKS: Final = 3


def _fx(symbol: str, name: str, con_id: int, tick: str) -> Instrument:
    least = Quantity(Decimal(20000))
    unit = Quantity(Decimal(1))
    return Instrument(
        symbol, name, SecType.CASH, symbol[:3], symbol[3:], "IDEALPRO", con_id, Price(Decimal(tick)), unit, least
    )


def _stock(symbol: str, name: str, con_id: int) -> Instrument:
    unit = Quantity(Decimal(1))
    return Instrument(symbol, name, SecType.STOCK, symbol, "USD", "SMART", con_id, Price(Decimal("0.01")), unit, unit)


CARDS: Final[dict[str, Instrument]] = {
    card.symbol: card
    for card in (
        _fx("EURUSD", "Euro / US dollar", 12087792, "0.00005"),
        _fx("GBPUSD", "British pound / US dollar", 12087797, "0.00005"),
        _fx("USDJPY", "US dollar / Japanese yen", 15016059, "0.005"),
        _fx("AUDUSD", "Australian dollar / US dollar", 14433401, "0.00005"),
        _fx("USDCAD", "US dollar / Canadian dollar", 15016062, "0.00005"),
        _fx("NZDUSD", "New Zealand dollar / US dollar", 39453441, "0.00005"),
        _stock("AAPL", "Apple Inc", 265598),
        _stock("MSFT", "Microsoft Corp", 272093),
        _stock("TSLA", "Tesla Inc", 76792991),
        _stock("GOOGL", "Alphabet Inc", 208813719),
        _stock("AMZN", "Amazon.com Inc", 3691937),
    )
}
MIDS: Final[dict[str, Decimal]] = {
    "EURUSD": Decimal("1.0850"),
    "GBPUSD": Decimal("1.2700"),
    "USDJPY": Decimal("150.000"),
    "AUDUSD": Decimal("0.6600"),
    "USDCAD": Decimal("1.3600"),
    "NZDUSD": Decimal("0.6100"),
    "AAPL": Decimal("190.22"),
    "MSFT": Decimal("420.10"),
    "TSLA": Decimal("250.30"),
    "GOOGL": Decimal("175.40"),
    "AMZN": Decimal("185.60"),
}


@define
class MockMarket:
    """Quotes for every card, drawn from an injected random source."""

    clock: Clock
    random: Random
    _offsets: dict[str, int] = Factory(dict)
    _last: timedelta | None = None

    def due(self) -> tuple[Quote, ...]:
        """New quotes, when it is time for some."""
        now = self.clock.now()
        if self._last is not None and now.ticks - self._last < TICK_EVERY:
            return ()
        self._last = now.ticks
        quotes: list[Quote] = []
        for symbol, mid in MIDS.items():
            step = self.random.choice((-1, 0, 0, 1))
            offset = max(-BAND_TICKS, min(BAND_TICKS, self._offsets.get(symbol, 0) + step))
            self._offsets[symbol] = offset
            tick = CARDS[symbol].tick
            middle = mid + offset * tick
            quotes.append(Quote(symbol, Price(middle - tick), Price(middle + tick), now))
        return tuple(quotes)
