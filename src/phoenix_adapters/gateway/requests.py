"""What each client request is answered with: one function for each message, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from attrs import define

from phoenix_adapters.gateway import entries, life, records
from phoenix_adapters.gateway.accounts import Account, cents
from phoenix_adapters.gateway.callbacks import Callbacks
from phoenix_adapters.gateway.checks import NO_DEFINITION, No
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.instruments import Listing, find
from phoenix_adapters.gateway.market import Quote
from phoenix_adapters.gateway.orders import MANUAL, Order
from phoenix_adapters.gateway.sessions import Session, Switchboard
from phoenix_adapters.gateway.venue import Venue
from phoenix_adapters.wire import Record

SUMMARIES_MAX: Final = 2  # active account summaries that TWS allows one client
LINES_MAX: Final = 100  # market data lines
_BID, _ASK, _LAST, _HIGH, _LOW, _CLOSE = "1", "2", "4", "6", "7", "9"
_NOT_SIMULATED: Final[Mapping[str, tuple[int, str]]] = {
    "20": (162, "Historical Market Data Service error message:historical data is not simulated"),
    "50": (420, "Invalid Real-time Query:real time bars are not simulated"),
    "10": (354, "Requested market data is not subscribed:market depth is not simulated"),
    "97": (354, "Requested market data is not subscribed:tick-by-tick data is not simulated"),
}


@define
class Desk:
    """What a request may use."""

    venue: Venue
    board: Switchboard
    callbacks: Callbacks

    @property
    def faults(self) -> Faults:
        """The misfortunes that are on."""
        return self.venue.faults

    def account(self, name: str) -> Account | None:
        """An account by name; the only one if none is named."""
        accounts = self.venue.accounts
        return accounts.get(name) if name else next(iter(accounts.values()))


Handler: TypeAlias = Callable[[Desk, Session, Record], None]


def answer(desk: Desk, session: Session, name: str, record: Record) -> None:
    """Answer one request of a session that is ready."""
    HANDLERS[name](desk, session, record)


def unknown(desk: Desk, session: Session, fields: tuple[str, ...]) -> None:
    """A request that is not simulated gets an error, so that nobody waits for ever."""
    code, text = _NOT_SIMULATED.get(fields[0], (505, "Fatal Error: Unknown message id."))
    at = {"50": 2, "10": 2}.get(fields[0], 1)
    req_id = fields[at] if code != 505 and len(fields) > at else "-1"
    desk.board.send(session, "error", id=req_id, code=code, message=text)


def _send_all(
    desk: Desk, session: Session, snapshot: str, name: str, rows: Iterable[Record], end: str, **ending: object
) -> None:
    """A snapshot and its end, unless a misfortune cuts it, empties it or never ends it."""
    faults = desk.faults
    listed = list(rows)
    if faults.concerns("snapshot_empty", snapshot):
        listed = []
    if faults.concerns("snapshot_cut", snapshot):
        listed = listed[: len(listed) // 2]
    for row in listed:
        desk.board.send(session, name, row)
    if not faults.concerns("snapshot_never_ends", snapshot):
        desk.board.send(session, end, **ending)


# positions and accounts


def _positions(desk: Desk, session: Session, record: Record) -> None:
    session.positions = True
    hide_flat = desk.faults.has("omit_flat_positions")
    rows = (
        records.position(account, listing)
        for account in desk.venue.accounts.values()
        for listing in records.listings_held(account)
        if account.reported[listing.con_id][0] or not hide_flat
    )
    _send_all(desk, session, "positions", "position", rows, "positionEnd")


def _cancel_positions(desk: Desk, session: Session, record: Record) -> None:
    session.positions = False


def _account_updates(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        desk.board.send(session, "error", code=321, message=f"Invalid account code '{record['account']}'.")
        return
    if record["subscribe"] in ("0", "False"):
        session.updates.discard(account.name)
        return
    session.updates.add(account.name)
    market, now = desk.venue.market, desk.venue.now
    for key, value, currency in records.account_values(account, market, now):
        desk.board.send(session, "updateAccountValue", key=key, value=value, currency=currency, account=account.name)
    for listing in records.listings_held(account):
        desk.board.send(session, "updatePortfolio", records.portfolio(account, listing, market, now))
    desk.board.send(session, "updateAccountTime", time=f"{now:%H:%M}")
    if not desk.faults.concerns("snapshot_never_ends", "account"):
        desk.board.send(session, "accountDownloadEnd", account=account.name)


def _updates_multi(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        _error(desk, session, record["reqId"], No(321, f"Invalid account code '{record['account']}'."))
        return
    session.multi[record["reqId"]] = account.name
    figures = records.ledger if record["ledgerAndNLV"] in ("1", "True") else records.account_values
    rows: Iterable[Record] = (
        {"reqId": record["reqId"], "account": account.name, "key": key, "value": value, "currency": currency}
        for key, value, currency in figures(account, desk.venue.market, desk.venue.now)
    )
    _send_all(desk, session, "account", "accountUpdateMulti", rows, "accountUpdateMultiEnd", reqId=record["reqId"])


def _cancel_updates_multi(desk: Desk, session: Session, record: Record) -> None:
    session.multi.pop(record["reqId"], None)


def _summary(desk: Desk, session: Session, record: Record) -> None:
    req_id = record["reqId"]
    if len(session.summaries) >= SUMMARIES_MAX and req_id not in session.summaries:
        _error(desk, session, req_id, No(322, "Error processing request.-'bZ' : cause - Maximum number of account summary requests exceeded"))  # fmt: skip  # noqa: E501 -- one sentence of TWS
        return
    session.summaries[req_id] = record["tags"]
    _send_all(
        desk, session, "account", "accountSummary", _summary_rows(desk, record), "accountSummaryEnd", reqId=req_id
    )


def _summary_rows(desk: Desk, record: Record) -> Iterable[Record]:
    tags = record["tags"].split(",")
    wants_ledger = any(tag.startswith("$LEDGER") for tag in tags)
    for account in desk.venue.accounts.values():
        for key, value, currency in records.account_values(account, desk.venue.market, desk.venue.now):
            if key in tags:
                yield {
                    "reqId": record["reqId"],
                    "account": account.name,
                    "tag": key,
                    "value": value,
                    "currency": currency,
                }
        for key, value, currency in records.ledger(account, desk.venue.market, desk.venue.now) if wants_ledger else ():
            yield {"reqId": record["reqId"], "account": account.name, "tag": key, "value": value, "currency": currency}


def _cancel_summary(desk: Desk, session: Session, record: Record) -> None:
    session.summaries.pop(record["reqId"], None)


def _pnl(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        _error(desk, session, record["reqId"], No(321, "Invalid account code."))
        return
    held = list(records.listings_held(account))
    market, now = desk.venue.market, desk.venue.now
    unrealized = sum(account.unrealized(one, market, now) * market.rate(one.currency, now) for one in held)
    realized = sum(account.holdings[one.con_id].realized * market.rate(one.currency, now) for one in held)
    daily = account.margin(market, now).net_liquidation - account.opened_with
    desk.board.send(
        session, "pnl", reqId=record["reqId"], dailyPnL=cents(daily), unrealizedPnL=cents(Decimal(unrealized)),
        realizedPnL=cents(Decimal(realized)),
    )  # fmt: skip


# orders


def _place(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    if desk.faults.takes("drop_on_place"):
        desk.board.close_all()
        return
    if record["whatIf"] == "1":
        _what_if(desk, session, record)
        return
    entries.place(desk.venue, session.client_id, record)
    if desk.faults.takes("drop_after_place"):
        desk.board.close_all()


def _what_if(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    answered = entries.what_if(desk.venue, session.client_id, record)
    if isinstance(answered, No):
        _error(desk, session, record["orderId"], answered)
        return
    order, before, after = answered
    fee = life.commission(desk.venue, order.listing, order.quantity, entries.reference_price(desk.venue, order))
    said = records.margins(
        (before.initial, before.maintenance, before.net_liquidation),
        (after.initial, after.maintenance, after.net_liquidation),
        fee,
    )
    desk.board.send(session, "openOrder", {**records.open_order(order), **said, "permId": "0"})


def _cancel(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    if record["orderId"].lstrip("-").isdigit():
        entries.cancel(desk.venue, session.client_id, int(record["orderId"]))


def _cancel_everything(desk: Desk, session: Session, record: Record) -> None:
    for order in list(desk.venue.book.live.values()):
        entries.cancel_order(desk.venue, order)


def _show_orders(desk: Desk, session: Session, orders: Iterable[Order]) -> None:
    faults = desk.faults
    listed = list(orders)
    if faults.concerns("snapshot_empty", "open"):
        listed = []
    if faults.concerns("snapshot_cut", "open"):
        listed = listed[: len(listed) // 2]
    for order in listed:
        desk.board.send(session, "openOrder", records.open_order(order))
        desk.board.send(session, "orderStatus", records.status(order, faults.has("unset_avg_price")))
    if not faults.concerns("snapshot_never_ends", "open"):
        desk.board.send(session, "openOrderEnd")


def _shown(desk: Desk) -> Iterable[Order]:
    # What waits behind a dialog, or was swallowed on its way, is no open order yet.
    return (one for one in desk.venue.book.open_orders() if one.status != "PendingSubmit")


def _open_orders(desk: Desk, session: Session, record: Record) -> None:
    mine = session.client_id
    _show_orders(desk, session, (one for one in _shown(desk) if one.client_id == mine))


def _all_open_orders(desk: Desk, session: Session, record: Record) -> None:
    _show_orders(desk, session, _shown(desk))


def _auto_open_orders(desk: Desk, session: Session, record: Record) -> None:
    if session.client_id != MANUAL:
        _error(desk, session, "-1", No(321, "Error validating request.-'b1' : cause - Only the default client (i.e 0) can auto bind orders."))  # fmt: skip  # noqa: E501 -- one sentence of TWS
        return
    session.auto_bind = record["autoBind"] in ("1", "True")


def _completed_orders(desk: Desk, session: Session, record: Record) -> None:
    api_only = record["apiOnly"] in ("1", "True")
    rows = (
        records.completed_order(one, desk.callbacks.zone)
        for one in desk.venue.book.done
        if not (api_only and one.manual)
    )
    _send_all(desk, session, "completed", "completedOrder", rows, "completedOrdersEnd")


def _executions(desk: Desk, session: Session, record: Record) -> None:
    wanted = [
        one
        for one in desk.venue.book.executions
        if record["clientId"] in ("", "0", str(one.order.client_id))
        and record["account"] in ("", one.order.account.name)
        and record["symbol"] in ("", one.order.listing.symbol)
        and record["secType"] in ("", one.order.listing.sec_type)
        and record["side"] in ("", one.order.action)
    ]
    if desk.faults.concerns("snapshot_empty", "executions"):
        wanted = []
    if desk.faults.concerns("snapshot_cut", "executions"):
        wanted = wanted[: len(wanted) // 2]
    unset = desk.faults.has("unset_avg_price")
    for one in wanted:
        written = desk.callbacks.written(one.at)
        desk.board.send(session, "execDetails", records.execution(one, record["reqId"], written, unset))
    if not desk.faults.concerns("snapshot_never_ends", "executions"):
        desk.board.send(session, "execDetailsEnd", reqId=record["reqId"])
    for one in wanted:
        desk.board.send(session, "commissionReport", records.commission(one))


# contracts, data, time


def _contract_details(desk: Desk, session: Session, record: Record) -> None:
    found = find(record)
    if not found:
        _error(desk, session, record["reqId"], NO_DEFINITION)
        return
    rows = ({**records.contract_details(one, desk.venue.now), "reqId": record["reqId"]} for one in found)
    _send_all(desk, session, "contracts", "contractDetails", rows, "contractDetailsEnd", reqId=record["reqId"])


def _market_rule(desk: Desk, session: Session, record: Record) -> None:
    increment = "0.00005" if record["marketRuleId"] == "239" else "0.01"
    desk.board.send(session, "marketRule", marketRuleId=record["marketRuleId"], increment=increment)


def _market_data(desk: Desk, session: Session, record: Record) -> None:
    req_id = record["reqId"]
    found = find(record)
    no: No | None = None
    if len(found) != 1:
        no = NO_DEFINITION
    elif req_id in session.quotes:
        no = No(102, "Duplicate ticker id")
    elif len(session.quotes) >= LINES_MAX:
        no = No(101, "Max number of tickers has been reached")
    elif desk.faults.takes("no_market_data"):
        no = No(354, "Requested market data is not subscribed.")
    if no is not None:
        _error(desk, session, req_id, no)
        return
    listing = found[0]
    delayed = desk.faults.has("delayed_data")
    desk.board.send(session, "marketDataType", reqId=req_id, marketDataType="3" if delayed else "1")
    desk.board.send(
        session, "tickReqParams", reqId=req_id, minTick=listing.tick, bboExchange="9c0001", snapshotPermissions=3
    )
    session.quotes[req_id] = listing
    show_quote(desk, session, req_id)
    if record["snapshot"] == "1":
        session.quotes.pop(req_id)
        session.shown.pop(req_id, None)
        if not desk.faults.concerns("snapshot_never_ends", "quotes"):
            desk.board.send(session, "tickSnapshotEnd", reqId=req_id)


def show_quote(desk: Desk, session: Session, req_id: str) -> None:
    """Send what changed of a quote since it was last sent; a side that nobody makes is -1."""
    listing = session.quotes[req_id]
    quote = desk.venue.market.quote(listing, desk.venue.now)
    before = session.shown.get(req_id)
    if desk.faults.has("quotes_frozen") or quote == before:
        return
    session.shown[req_id] = quote
    _tick(desk, session, req_id, _BID, quote.bid, quote.bid_size)
    _tick(desk, session, req_id, _ASK, quote.ask, quote.ask_size)
    if not listing.is_fx:
        _tick(desk, session, req_id, _LAST, quote.last, Decimal(100))
    if before is None:
        _first_ticks(desk, session, req_id, listing, quote)


def _first_ticks(desk: Desk, session: Session, req_id: str, listing: Listing, quote: Quote) -> None:
    high, low = desk.venue.market.day_range(listing)
    for kind, price in ((_HIGH, high), (_LOW, low), (_CLOSE, listing.start)):
        _tick(desk, session, req_id, kind, price, Decimal(0))


def _tick(desk: Desk, session: Session, req_id: str, kind: str, price: Decimal | None, size: Decimal) -> None:
    shown, amount = (Decimal(-1), Decimal(0)) if price is None else (price, size)
    desk.board.send(session, "tickPrice", reqId=req_id, tickType=kind, price=shown, size=amount)


def _cancel_market_data(desk: Desk, session: Session, record: Record) -> None:
    if session.quotes.pop(record["reqId"], None) is None:
        _error(desk, session, record["reqId"], No(300, f"Can't find EId with tickerId:{record['reqId']}"))
    session.shown.pop(record["reqId"], None)


def _current_time(desk: Desk, session: Session, record: Record) -> None:
    if desk.faults.takes("no_current_time"):
        return
    skew = desk.faults.seconds("clock_skew")
    moment = desk.venue.now if skew is None else desk.venue.now + skew
    desk.board.send(session, "currentTime", time=int(moment.timestamp()))


def _ids(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    desk.board.send(session, "nextValidId", orderId=desk.venue.book.next_id(session.client_id))


def _managed_accounts(desk: Desk, session: Session, record: Record) -> None:
    desk.board.send(session, "managedAccounts", accounts=",".join(desk.venue.accounts))


def _data_type(desk: Desk, session: Session, record: Record) -> None:
    session.market_data_type = record["marketDataType"]


def _ignore(desk: Desk, session: Session, record: Record) -> None:
    """Some requests have no answer."""


def _error(desk: Desk, session: Session, req_id: str, no: No) -> None:
    desk.board.send(session, "error", id=req_id, code=no.code, message=no.text)


HANDLERS: Final[Mapping[str, Handler]] = {
    "reqPositions": _positions,
    "cancelPositions": _cancel_positions,
    "reqAccountUpdates": _account_updates,
    "reqAccountUpdatesMulti": _updates_multi,
    "cancelAccountUpdatesMulti": _cancel_updates_multi,
    "reqAccountSummary": _summary,
    "cancelAccountSummary": _cancel_summary,
    "reqPnL": _pnl,
    "cancelPnL": _ignore,
    "placeOrder": _place,
    "cancelOrder": _cancel,
    "reqGlobalCancel": _cancel_everything,
    "reqOpenOrders": _open_orders,
    "reqAllOpenOrders": _all_open_orders,
    "reqAutoOpenOrders": _auto_open_orders,
    "reqCompletedOrders": _completed_orders,
    "reqExecutions": _executions,
    "reqContractDetails": _contract_details,
    "reqMarketRule": _market_rule,
    "reqMktData": _market_data,
    "cancelMktData": _cancel_market_data,
    "reqCurrentTime": _current_time,
    "reqIds": _ids,
    "reqManagedAccts": _managed_accounts,
    "reqMarketDataType": _data_type,
    "setServerLogLevel": _ignore,
}
