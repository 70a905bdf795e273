"""The broker's facts as the records that go out: orders, executions, positions, accounts, contracts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from phoenix_adapters.gateway.accounts import BASE, Account, cents
from phoenix_adapters.gateway.hours import hours_text
from phoenix_adapters.gateway.instruments import BY_CON_ID, Listing
from phoenix_adapters.gateway.market import Market
from phoenix_adapters.gateway.orders import Execution, Order
from phoenix_adapters.wire import UNSET_DOUBLE, UNSET_INTEGER, Record, echo, text

_SIDES: Final = {"BUY": "BOT", "SELL": "SLD"}
_AVERAGE: Final = Decimal("0.00000001")
_ORDER_TYPES: Final = "ACTIVETIM,DAY,GTC,IOC,FOK,LMT,MKT,STP,STPLMT,WHATIF"


def written_time(at: datetime, zone: str, style: str = "zone") -> str:
    """A moment in one of the forms in which gateways write it; only the first and the last say which zone they mean."""
    local = at.astimezone(ZoneInfo(zone))
    if style == "dash":
        return f"{at.astimezone(UTC):%Y%m%d-%H:%M:%S}"
    if style == "naive":
        return f"{local:%Y%m%d  %H:%M:%S}"
    if style == "epoch":
        return str(int(at.timestamp()))
    return f"{local:%Y%m%d %H:%M:%S} {zone}"


def _contract(listing: Listing, *without: str) -> Record:
    return {key: value for key, value in listing.contract().items() if key not in without}


def _terms(order: Order) -> Record:
    return {
        **_contract(order.listing),
        "action": order.action,
        "totalQuantity": text(order.quantity),
        "orderType": order.kind,
        "lmtPrice": text(order.limit) or "0.0",
        "auxPrice": text(order.stop) or "0.0",
        "tif": order.tif or "DAY",
        "ocaGroup": order.oca_said,
        "ocaType": str(order.oca_type or 3),
        "account": order.account.name,
        "permId": str(order.perm_id),
        "status": order.status,
    }


def open_order(order: Order) -> Record:
    """The order as it stands: what the client sent, with what the broker made of it."""
    return {
        **echo("openOrder", order.sent, without=("transmit",)),
        **_terms(order),
        "orderId": str(order.order_id),
        "clientId": str(order.client_id),
        "parentId": str(order.parent.order_id if order.parent else 0),
    }


def completed_order(order: Order, zone: str) -> Record:
    """The order after its end; its order id and client id are not told."""
    assert order.ended is not None, "only an ended order is complete"
    status = f"Filled Size: {text(order.filled)}" if order.status == "Filled" else f"{order.status} by Trader"
    return {
        **echo("completedOrder", order.sent),
        **_terms(order),
        "totalQuantity": text(order.remaining),  # of one that filled live gateways say 0
        "filledQuantity": text(order.filled),
        "parentPermId": str(order.parent.perm_id) if order.parent else "",
        "completedTime": written_time(order.ended, zone),
        "completedStatus": order.reason or status,
    }


def status(order: Order, unset_average: bool = False) -> Record:
    """Its status and quantities."""
    average = UNSET_DOUBLE if unset_average else text(order.average.quantize(_AVERAGE))
    return {
        "orderId": str(order.order_id),
        "status": order.status,
        "filled": text(order.filled),
        "remaining": text(order.remaining),
        "avgFillPrice": average,
        "permId": str(order.perm_id),
        "parentId": str(order.parent.order_id if order.parent else 0),
        "lastFillPrice": text(order.last_price),
        "clientId": str(order.client_id),
        "whyHeld": order.why_held,
    }


def execution(one: Execution, req_id: str, written_at: str, unset_average: bool = False) -> Record:
    """A fill. TWS forgets to set the order id where there is none."""
    order = one.order
    return {
        **_contract(order.listing),
        "reqId": req_id,
        "orderId": UNSET_INTEGER if order.manual else str(order.order_id),
        "execId": one.exec_id,
        "time": written_at,
        "acctNumber": order.account.name,
        "execExchange": order.listing.primary or order.listing.exchange,
        "side": _SIDES[order.action],
        "shares": text(one.shares),
        "price": text(one.price),
        "permId": str(order.perm_id),
        "clientId": str(order.client_id),
        "cumQty": text(one.cumulated),
        "avgPrice": UNSET_DOUBLE if unset_average else text(one.average.quantize(_AVERAGE)),
        "orderRef": order.sent.get("orderRef", ""),
        "lastLiquidity": "2",
    }


def commission(one: Execution) -> Record:
    """What a fill cost, and what it realised if it closed something."""
    return {
        "execId": one.exec_id,
        "commission": text(one.commission),
        "currency": BASE,
        "realizedPNL": UNSET_DOUBLE if one.realized is None else text(one.realized),
    }


def position(account: Account, listing: Listing) -> Record:
    """A position as far as it was reported; its contract names no exchange."""
    quantity, average = account.reported[listing.con_id]
    return {
        **_contract(listing, "exchange"),
        "account": account.name,
        "position": text(quantity),
        "avgCost": text(average.quantize(_AVERAGE)),
    }


def portfolio(account: Account, listing: Listing, market: Market, now: datetime) -> Record:
    """A position with its worth."""
    held, told = account.holdings[listing.con_id], account.told(listing.con_id)
    mid = market.mid(listing, now)
    return {
        **_contract(listing, "exchange"),
        "primaryExchange": listing.primary or listing.exchange,
        "position": text(told),
        "marketPrice": text(mid),
        "marketValue": text(cents(mid * told)),
        "averageCost": text(held.average.quantize(_AVERAGE)),
        "unrealizedPNL": text(cents(account.unrealized(listing, market, now))),
        "realizedPNL": text(cents(held.realized)),
        "account": account.name,
    }


def account_values(account: Account, market: Market, now: datetime) -> Iterator[tuple[str, str, str]]:
    """(key, value, currency) of every figure that the account request tells."""
    for key, value in (("AccountCode", account.name), ("AccountReady", "true"), ("AccountType", "INDIVIDUAL"),
                       ("AccountOrGroup", account.name)):  # fmt: skip
        yield key, value, ""
    figures = account.figures(market, now)
    yield "Cushion", cushion(figures), ""
    for key, figure in figures.items():
        yield key, f"{figure:f}", BASE
    yield from ledger(account, market, now)


def ledger(account: Account, market: Market, now: datetime) -> Iterator[tuple[str, str, str]]:
    """(key, value, currency) of cash and profit per currency."""
    for currency in sorted({BASE, *account.cash, "BASE"}):
        yield "Currency", currency, currency
    for key, currency, figure in account.ledger(market, now):
        yield key, f"{figure:f}", currency


def cushion(figures: dict[str, Decimal]) -> str:
    """Excess liquidity over net liquidation."""
    worth = figures["NetLiquidation"]
    return text((figures["ExcessLiquidity"] / worth).quantize(Decimal("0.0001"))) if worth else "0"


def contract_details(listing: Listing, now: datetime) -> Record:
    """All that is known of a contract, its hours included."""
    return {
        **_contract(listing),
        "primaryExchange": listing.primary,
        "marketName": listing.local_symbol if listing.is_fx else "NMS",
        "minTick": text(listing.tick),
        "orderTypes": _ORDER_TYPES,
        "validExchanges": listing.exchange if listing.is_fx else f"SMART,{listing.primary}",
        "longName": listing.long_name,
        "timeZoneId": "US/Eastern",
        "tradingHours": hours_text(listing, now, outside=True),
        "liquidHours": hours_text(listing, now, outside=False),
        "marketRuleIds": "239" if listing.is_fx else "26,26",
        "stockType": "" if listing.is_fx else "COMMON",
        "aggGroup": "4" if listing.is_fx else "1",
        # As live gateways say it, although an order for a part of a share is refused.
        "minSize": "0.01" if listing.is_fx else "0.0001",
        "sizeIncrement": "0.01" if listing.is_fx else "0.0001",
        "suggestedSizeIncrement": "0.01" if listing.is_fx else "100",
    }


def margins(before: tuple[Decimal, ...], after: tuple[Decimal, ...], fee: Decimal) -> Record:
    """The answer to a what-if order: initial and maintenance margin and equity, before, changed and after."""
    names = ("initMargin", "maintMargin", "equityWithLoan")
    record: Record = {"whatIf": "1", "status": "PreSubmitted", "commission": text(fee), "commissionCurrency": BASE}
    for name, was, will in zip(names, before, after, strict=True):
        record[f"{name}Before"] = f"{cents(was):f}"
        record[f"{name}Change"] = f"{cents(will - was):f}"
        record[f"{name}After"] = f"{cents(will):f}"
    return record


def listings_held(account: Account) -> Iterator[Listing]:
    """Every listing that the account was reported to hold, flat ones of today included."""
    return (BY_CON_ID[con_id] for con_id in account.reported)
