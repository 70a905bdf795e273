"""What the simulated venue lists: six FX pairs and five US stocks, under the contract ids that they really have."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from phoenix_adapters.wire import Record, whole


@frozen
class Listing:
    """One contract. Prices are whole numbers of `tick` in the market model; `sigma_ticks` is its walk in a second."""

    con_id: int
    symbol: str
    currency: str
    sec_type: str
    exchange: str
    primary: str
    long_name: str
    tick: Decimal
    start: Decimal
    spread_ticks: int
    sigma_ticks: Decimal
    depth: int

    @property
    def is_fx(self) -> bool:
        """Whether this is a currency pair, whose quantity is in the base currency."""
        return self.sec_type == "CASH"

    @property
    def local_symbol(self) -> str:
        """The venue's own name: EUR.USD, AAPL."""
        return f"{self.symbol}.{self.currency}" if self.is_fx else self.symbol

    @property
    def trading_class(self) -> str:
        """EUR.USD for a pair; the market tier for a stock."""
        return self.local_symbol if self.is_fx else "NMS"

    @property
    def name(self) -> str:
        """How scripts name it: EURUSD, AAPL."""
        return f"{self.symbol}{self.currency}" if self.is_fx else self.symbol

    def contract(self) -> Record:
        """The fields by which every message names this contract."""
        return {
            "conId": str(self.con_id),
            "symbol": self.symbol,
            "secType": self.sec_type,
            "strike": "0",
            "exchange": self.exchange,
            "currency": self.currency,
            "localSymbol": self.local_symbol,
            "tradingClass": self.trading_class,
        }


def _pair(con_id: int, name: str, start: str, spread: int, sigma: str, long_name: str) -> Listing:
    yen = name.endswith("JPY")
    return Listing(
        con_id, name[:3], name[3:], "CASH", "IDEALPRO", "", long_name, Decimal("0.005" if yen else "0.00005"),
        Decimal(start), spread, Decimal(sigma), 5_000_000,
    )  # fmt: skip


def _stock(con_id: int, symbol: str, start: str, sigma: str, long_name: str) -> Listing:
    return Listing(
        con_id, symbol, "USD", "STK", "SMART", "NASDAQ", long_name, Decimal("0.01"), Decimal(start), 2,
        Decimal(sigma), 2_000,
    )  # fmt: skip


LISTINGS: Final[tuple[Listing, ...]] = (
    _pair(12087792, "EURUSD", "1.17000", 1, "0.25", "European Monetary Union Euro"),
    _pair(12087797, "GBPUSD", "1.34000", 2, "0.30", "British pound"),
    _pair(15016059, "USDJPY", "155.000", 1, "0.30", "US Dollar"),
    _pair(14433401, "AUDUSD", "0.65000", 1, "0.20", "Australian dollar"),
    _pair(15016062, "USDCAD", "1.40000", 2, "0.20", "US Dollar"),
    _pair(39453441, "NZDUSD", "0.57000", 2, "0.20", "New Zealand dollar"),
    _stock(265598, "AAPL", "270.00", "1.5", "APPLE INC"),
    _stock(272093, "MSFT", "500.00", "2.5", "MICROSOFT CORP"),
    _stock(76792991, "TSLA", "410.00", "4", "TESLA INC"),
    _stock(208813719, "GOOGL", "290.00", "2", "ALPHABET INC-CL A"),
    _stock(3691937, "AMZN", "225.00", "1.5", "AMAZON.COM INC"),
)

BY_CON_ID: Final[Mapping[int, Listing]] = {one.con_id: one for one in LISTINGS}
BY_NAME: Final[Mapping[str, Listing]] = {one.name: one for one in LISTINGS}
# An account's worth in its base currency needs every listed currency against the dollar.
RATES: Final[Mapping[str, tuple[Listing, bool]]] = {
    **{one.symbol: (one, True) for one in LISTINGS if one.is_fx and one.currency == "USD"},
    **{one.currency: (one, False) for one in LISTINGS if one.is_fx and one.symbol == "USD"},
}


def find(record: Mapping[str, str]) -> list[Listing]:
    """The listings that a request's contract can mean: by contract id, else by what fields it fills."""
    con_id = record.get("conId", "")
    if con_id not in ("", "0"):
        known = BY_CON_ID.get(whole(con_id) or 0)
        return [known] if known else []
    return [one for one in LISTINGS if _fits(one, record)]


def _fits(listing: Listing, record: Mapping[str, str]) -> bool:
    local = record.get("localSymbol", "")
    symbol = record.get("symbol", "")
    if not local and not symbol:
        return False
    return (
        (not local or local == listing.local_symbol)
        and (not symbol or symbol == listing.symbol)
        and record.get("secType") == listing.sec_type
        and record.get("currency", "") in ("", listing.currency)
        and record.get("exchange", "") in ("", listing.exchange, listing.primary)
    )
