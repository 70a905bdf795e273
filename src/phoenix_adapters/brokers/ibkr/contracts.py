"""Contract cards and quotes: what may be traded in this session, when, and at what price it stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define

from phoenix_adapters.brokers.ibkr.times import Spans, hours
from phoenix_adapters.brokers.ibkr.translate import symbol_of
from phoenix_adapters.wire import Record, WireError, number, whole
from phoenix_core.facts import Quote
from phoenix_core.ports import Clock
from phoenix_core.values import Instrument, Moment, Price, Quantity, SecType, is_over

# IDEALPRO's least size by base currency; a smaller order is not refused, but goes to odd-lot venues at worse prices.
# The rule behind it is "USD 25,000 or equivalent" (ibkr.info, article 1285). The figures are those of the broker's page
# "Forex minimum and maximum order sizes", rounded, as of 2024 and not checked since: it changes without notice. One
# that is too high refuses what the broker would take; one that is too low costs a worse price and a warning (code 399).
IDEALPRO_MIN: Final[Mapping[str, int]] = {
    "USD": 25_000,
    "EUR": 20_000,
    "GBP": 20_000,
    "CHF": 25_000,
    "AUD": 25_000,
    "CAD": 25_000,
    "NZD": 35_000,
    "SGD": 35_000,
    "CNH": 160_000,
    "DKK": 150_000,
    "NOK": 150_000,
    "SEK": 175_000,
    "HKD": 200_000,
    "MXN": 300_000,
    "JPY": 2_500_000,
}
# A card tells the hours of the next few days only, and those may change: it is asked for anew while a desk runs on.
CARD_FOR: Final = timedelta(hours=6)
# A line that was refused is asked for again, for whoever buys the data, or leaves another session, meanwhile.
LINE_AGAIN: Final = timedelta(hours=1)
# Live gateways tell a cent of EUR.USD and a ten-thousandth of a share as the least size and step. Through the API they
# take no part of a share (10243): this desk trades whole units.
WHOLE: Final = Decimal(1)
_PAIR_LETTERS: Final = 6
CURRENCIES: Final = frozenset(
    {"USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "SEK", "NOK", "DKK", "HKD", "SGD", "CNH", "MXN"}
)

_BID_PRICES: Final = ("1", "66")
_ASK_PRICES: Final = ("2", "67")
_SIZES: Final = ("0", "3", "69", "70")  # a size that changes says that the price beside it still stands
_DELAYED_TICKS: Final = ("66", "67", "69", "70")
_LIVE_TYPE: Final = "1"


def contract_of(symbol: str) -> dict[str, object]:
    """The fields that ask for an instrument by the desk's name: a pair of currencies on IDEALPRO, else a US stock."""
    if len(symbol) == _PAIR_LETTERS and {symbol[:3], symbol[3:]} <= CURRENCIES:
        return {"symbol": symbol[:3], "secType": "CASH", "exchange": "IDEALPRO", "currency": symbol[3:]}
    return {"symbol": symbol, "secType": "STK", "exchange": "SMART", "currency": "USD"}


def card_of(record: Record, exchange: str) -> Instrument:
    """A contract's card."""
    tick = number(record["minTick"])
    con_id = whole(record["conId"])
    if tick is None or tick <= 0 or con_id is None:
        raise WireError(f"the card of {record['symbol'][:20]!r} has no tick or contract id")
    cash = record["secType"] == SecType.CASH.value
    least = max(number(record.get("minSize", "")) or WHOLE, WHOLE)
    if cash:
        least = max(least, Decimal(IDEALPRO_MIN.get(record["symbol"], max(IDEALPRO_MIN.values()))))
    return Instrument(
        symbol=symbol_of(record),
        name=record["longName"] or record["localSymbol"],
        sec_type=SecType.CASH if cash else SecType.STOCK,
        base=record["symbol"],
        currency=record["currency"],
        exchange=exchange,
        con_id=con_id,
        tick=Price(tick),
        increment=Quantity(max(number(record.get("sizeIncrement", "")) or WHOLE, WHOLE)),
        minimum=Quantity(least),
    )


@define
class _Side:
    bid: Decimal | None = None
    ask: Decimal | None = None
    delayed: bool = False


@define
class Board:
    """Cards, hours and the last two-sided quotes; ticks come by request id."""

    clock: Clock
    cards: dict[str, Instrument] = Factory(dict)
    spans: dict[str, Spans] = Factory(dict)
    quotes: dict[str, Quote] = Factory(dict)
    lines: dict[str, str] = Factory(dict)  # request id -> symbol
    _sides: dict[str, _Side] = Factory(dict)
    _taken: dict[str, Moment] = Factory(dict)  # when each card was told
    _refused: dict[str, Moment] = Factory(dict)  # when a line of each was refused last, in this session

    def needs_card(self, symbol: str) -> bool:
        """Whether an instrument's card is not known, or was told too long ago."""
        at = self._taken.get(symbol)
        return at is None or is_over(at, self.clock.now(), CARD_FOR)

    def take_card(self, record: Record, exchange: str) -> Instrument:
        """Keep a card and its hours."""
        card = card_of(record, exchange)
        self.cards[card.symbol] = card
        self.spans[card.symbol] = hours(record["liquidHours"], record["timeZoneId"])
        self._taken[card.symbol] = self.clock.now()
        return card

    def needs_line(self, symbol: str) -> bool:
        """Whether an instrument has no line of quotes, and none was refused lately."""
        at = self._refused.get(symbol)
        return symbol not in self.lines.values() and (at is None or is_over(at, self.clock.now(), LINE_AGAIN))

    def forget_quotes(self) -> None:
        """No quote is known any more: the link or the data behind it is gone. What kind of data a line carries is said
        once, when it is subscribed, and stands with it."""
        self.quotes.clear()
        for side in self._sides.values():
            side.bid = side.ask = None

    def unsubscribed(self) -> None:
        """No line stands any more."""
        self.quotes.clear()
        for known in (self.lines, self._sides, self._refused):
            known.clear()

    def line_gone(self, req_id: str) -> None:
        """A line has ended, and its quote with it."""
        symbol = self.lines.pop(req_id, "")
        _ = self.quotes.pop(symbol, None)
        _ = self._sides.pop(symbol, None)

    def line_refused(self, req_id: str) -> None:
        """A line that was asked for does not stand."""
        symbol = self.lines.get(req_id)
        if symbol is not None:
            self._refused[symbol] = self.clock.now()
        self.line_gone(req_id)

    def heard(self, name: str, record: Record) -> None:
        """A tick, or what kind of data a line carries."""
        symbol = self.lines.get(record["reqId"])
        if symbol is None:
            return
        side = self._sides.setdefault(symbol, _Side())
        if name == "marketDataType":
            # Frozen and delayed data are both not what the market pays now.
            side.delayed = record["marketDataType"] != _LIVE_TYPE
            return
        kind = record["tickType"]
        if name == "tickPrice" and kind in _BID_PRICES:
            side.bid = _two_sided(record["price"])
        elif name == "tickPrice" and kind in _ASK_PRICES:
            side.ask = _two_sided(record["price"])
        elif not (name == "tickSize" and kind in _SIZES):
            return
        side.delayed = side.delayed or kind in _DELAYED_TICKS
        self._show(symbol, side)

    def _show(self, symbol: str, side: _Side) -> None:
        if side.bid is None or side.ask is None:
            _ = self.quotes.pop(symbol, None)
            return
        self.quotes[symbol] = Quote(symbol, Price(side.bid), Price(side.ask), self.clock.now(), side.delayed)


def _two_sided(written: str) -> Decimal | None:
    price = number(written)
    return price if price is not None and price > 0 else None
