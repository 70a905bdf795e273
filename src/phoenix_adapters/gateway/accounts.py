"""Money: cash per currency, positions, margin, and the figures that the account requests report.

A pair trade moves two cash balances and, beside them, a "virtual" position that is bookkeeping only: the worth of the
account is its cash and its stocks. Figures are exact until they are reported, then cents.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from attrs import define, field, frozen

from phoenix_adapters.gateway.instruments import BY_CON_ID, Listing
from phoenix_adapters.gateway.market import Market

CENT: Final = Decimal("0.01")
ZERO: Final = Decimal(0)
FX_MARGIN: Final = Decimal("0.03")
STOCK_MARGIN: Final = Decimal("0.25")
MAINTENANCE: Final = Decimal("0.8")
LEVERAGE: Final = 4
BASE: Final = "USD"


def cents(value: Decimal) -> Decimal:
    """Money as it is reported."""
    return value.quantize(CENT, ROUND_HALF_EVEN)


@define
class Holding:
    """One position: signed quantity, average price per unit, what it cost to open, what was realised on it today."""

    quantity: Decimal = ZERO
    average: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO

    def trade(self, signed: Decimal, price: Decimal, fee: Decimal) -> Decimal | None:
        """Take in an execution and its fee; the profit that it realised, after the fees of opening and of closing what
        it closed, or None if it closed nothing."""
        before = self.quantity
        self.quantity += signed
        if before * signed >= 0:
            self.average = (before * self.average + signed * price) / self.quantity if self.quantity else ZERO
            self.fees += fee
            return None
        closed = min(abs(signed), abs(before)) * (1 if before > 0 else -1)
        opening, closing = self.fees * closed / before, fee * -closed / signed
        profit = closed * (price - self.average) - opening - closing
        self.realized += profit
        self.fees += fee - opening - closing
        if self.quantity == 0:
            self.average = ZERO
        elif self.quantity * before < 0:
            self.average = price
        return profit


@frozen
class Margin:
    """What the account may still do, in its base currency."""

    net_liquidation: Decimal
    initial: Decimal
    maintenance: Decimal

    @property
    def available(self) -> Decimal:
        """What new positions may bind."""
        return self.net_liquidation - self.initial


@define
class Account:
    """One account. `reported` lags `holdings`: it is what position requests see. `claimed` is told in place of both."""

    name: str
    cash: dict[str, Decimal]
    holdings: dict[int, Holding] = field(factory=dict)
    reported: dict[int, tuple[Decimal, Decimal]] = field(factory=dict)
    claimed: dict[int, Decimal] = field(factory=dict)
    opened_with: Decimal = ZERO

    def book(
        self, listing: Listing, signed: Decimal, price: Decimal, commission: Decimal, rate: Decimal = Decimal(1)
    ) -> Decimal | None:
        """Take in an execution and its commission, which is in the base currency; the realised profit, if any. `rate`
        is what a unit of the listing's currency is worth in the base."""
        self.deposit(listing.currency, -signed * price)
        if listing.is_fx:
            self.deposit(listing.symbol, signed)
        self.deposit(BASE, -commission)
        return self.holdings.setdefault(listing.con_id, Holding()).trade(signed, price, commission / rate)

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Change one cash balance."""
        self.cash[currency] = self.cash.get(currency, ZERO) + amount

    def position(self, listing: Listing) -> Decimal:
        """The signed quantity held."""
        holding = self.holdings.get(listing.con_id)
        return holding.quantity if holding else ZERO

    def report(self, con_id: int) -> tuple[Decimal, Decimal]:
        """Let position requests see the holding as it is now, or as it is claimed to be."""
        holding = self.holdings.get(con_id, Holding())
        self.reported[con_id] = (self.told(con_id), holding.average)
        return self.reported[con_id]

    def claim(self, listing: Listing, quantity: Decimal | None) -> None:
        """From now on tell this quantity whatever is held; the truth again where it is None."""
        _ = self.holdings.setdefault(listing.con_id, Holding())
        if quantity is None:
            _ = self.claimed.pop(listing.con_id, None)
        else:
            self.claimed[listing.con_id] = quantity

    def told(self, con_id: int) -> Decimal:
        """The quantity that clients are told."""
        return self.claimed.get(con_id, self.holdings.get(con_id, Holding()).quantity)

    def begin_day(self) -> None:
        """A new day no longer mentions what was flat at the end of the last one, nor what that one realised."""
        self.reported = {con_id: shown for con_id, shown in self.reported.items() if shown[0]}
        for holding in self.holdings.values():
            holding.realized = ZERO

    def stock_value(self, market: Market, now: datetime) -> Decimal:
        """The stocks at the middle of their quotes, in dollars."""
        return sum((held.quantity * market.mid(one, now) for one, held in self._stocks()), ZERO)

    def margin(self, market: Market, now: datetime, extra: tuple[Listing, Decimal, Decimal] | None = None) -> Margin:
        """The account's margin, or what it would be after one more trade (listing, signed quantity, price)."""
        cash = dict(self.cash)
        stocks = {one.con_id: held.quantity for one, held in self._stocks()}
        if extra is not None:
            listing, signed, price = extra
            cash[listing.currency] = cash.get(listing.currency, ZERO) - signed * price
            held = cash if listing.is_fx else None
            if held is not None:
                held[listing.symbol] = held.get(listing.symbol, ZERO) + signed
            else:
                stocks[listing.con_id] = stocks.get(listing.con_id, ZERO) + signed
        worth = sum((amount * market.rate(currency, now) for currency, amount in cash.items()), ZERO)
        worth += sum((quantity * market.mid(BY_CON_ID[one], now) for one, quantity in stocks.items()), ZERO)
        bound = sum(
            (
                abs(amount * market.rate(currency, now)) * FX_MARGIN
                for currency, amount in cash.items()
                if currency != BASE
            ),
            ZERO,
        )
        bound += sum(
            (abs(quantity * market.mid(BY_CON_ID[one], now)) * STOCK_MARGIN for one, quantity in stocks.items()), ZERO
        )
        return Margin(worth, bound, bound * MAINTENANCE)

    def unrealized(self, listing: Listing, market: Market, now: datetime) -> Decimal:
        """Profit on paper of one holding, in the listing's currency."""
        held = self.holdings[listing.con_id]
        return held.quantity * (market.mid(listing, now) - held.average)

    def figures(self, market: Market, now: datetime) -> dict[str, Decimal]:
        """Every figure of the account by the name that TWS gives it, in the base currency."""
        margin = self.margin(market, now)
        stocks = self.stock_value(market, now)
        gross = sum((abs(held.quantity * market.mid(one, now)) for one, held in self._stocks()), ZERO)
        worth, bound, kept = margin.net_liquidation, margin.initial, margin.maintenance
        table = {
            "NetLiquidation": worth, "EquityWithLoanValue": worth, "PreviousDayEquityWithLoanValue": self.opened_with,
            "TotalCashValue": worth - stocks, "SettledCash": worth - stocks, "AccruedCash": ZERO,
            "GrossPositionValue": gross, "InitMarginReq": bound, "MaintMarginReq": kept,
            "AvailableFunds": worth - bound, "ExcessLiquidity": worth - kept,
            "BuyingPower": max(ZERO, worth - bound) * LEVERAGE,
        }  # fmt: skip
        for name in ("InitMarginReq", "MaintMarginReq", "AvailableFunds", "ExcessLiquidity"):
            table[f"Full{name}"] = table[f"LookAhead{name}"] = table[name]
        return {name: cents(value) for name, value in table.items()}

    def ledger(self, market: Market, now: datetime) -> Iterator[tuple[str, str, Decimal]]:
        """(key, currency, value) for every currency held, and for all of them in the base currency as `BASE`."""
        totals: dict[str, Decimal] = {}
        for currency in sorted({BASE, *self.cash}):
            rate = market.rate(currency, now)
            for key, value in self._currency(currency, market, now).items():
                yield key, currency, cents(value)
                totals[key] = totals.get(key, ZERO) + value * rate
            yield "ExchangeRate", currency, rate.quantize(Decimal("0.0000001"))
        for key, value in totals.items():
            yield key, "BASE", cents(value)

    def _currency(self, currency: str, market: Market, now: datetime) -> dict[str, Decimal]:
        cash = self.cash.get(currency, ZERO)
        stocks = self.stock_value(market, now) if currency == BASE else ZERO
        held = [BY_CON_ID[con_id] for con_id in self.holdings if BY_CON_ID[con_id].currency == currency]
        return {
            "CashBalance": cash,
            "TotalCashBalance": cash,
            "StockMarketValue": stocks,
            "NetLiquidationByCurrency": cash + stocks,
            "UnrealizedPnL": sum((self.unrealized(one, market, now) for one in held), ZERO),
            "RealizedPnL": sum((self.holdings[one.con_id].realized for one in held), ZERO),
        }

    def _stocks(self) -> Iterator[tuple[Listing, Holding]]:
        for con_id, held in self.holdings.items():
            if not BY_CON_ID[con_id].is_fx:
                yield BY_CON_ID[con_id], held
