"""What questions are answered with: positions, accounts, contracts, quotes, the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from phoenix_adapters.gateway import records
from phoenix_adapters.gateway.accounts import BASE, cents
from phoenix_adapters.gateway.checks import NO_DEFINITION, No
from phoenix_adapters.gateway.desk import Desk, Handler, error, send_all
from phoenix_adapters.gateway.instruments import Listing, find
from phoenix_adapters.gateway.market import Quote
from phoenix_adapters.gateway.sessions import Session
from phoenix_adapters.wire import Record

SUMMARIES_MAX: Final = 2  # active account summaries that TWS allows one client
LINES_MAX: Final = 100  # market data lines
_TOO_MANY_SUMMARIES: Final = No(
    322, "Error processing request.-'bZ' : cause - Maximum number of account summary requests exceeded"
)
_BID, _ASK, _LAST, _HIGH, _LOW, _CLOSE = "1", "2", "4", "6", "7", "9"

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
    send_all(desk, session, "positions", "position", rows, "positionEnd")


def _cancel_positions(desk: Desk, session: Session, record: Record) -> None:
    session.positions = False


def _account_updates(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        desk.board.send(session, "error", code=321, message=f"Invalid account code '{record['account']}'.")
        return
    if record["subscribe"] in ("0", "False"):
        _ = session.updates.pop(account.name, None)
        return
    session.updates[account.name] = {}
    market, now = desk.venue.market, desk.venue.now
    desk.board.account_values(session, account.name, records.account_values(account, market, now))
    for listing in records.listings_held(account):
        desk.board.send(session, "updatePortfolio", records.portfolio(account, listing, market, now))
    desk.board.send(session, "updateAccountTime", time=f"{now:%H:%M}")
    if not desk.faults.concerns("snapshot_never_ends", "account"):
        desk.board.send(session, "accountDownloadEnd", account=account.name)


def _updates_multi(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        error(desk, session, record["reqId"], No(321, f"Invalid account code '{record['account']}'."))
        return
    session.multi[record["reqId"]] = account.name
    figures = records.ledger if record["ledgerAndNLV"] in ("1", "True") else records.account_values
    kept_in = desk.faults.argument("kept_in") or BASE
    shown = _halved if desk.faults.has("account_not_ready") else _as_it_is
    rows: Iterable[Record] = (
        {
            "reqId": record["reqId"],
            "account": account.name,
            "key": key,
            "value": shown(key, value, currency),
            "currency": kept_in if currency == BASE else currency,
        }
        for key, value, currency in figures(account, desk.venue.market, desk.venue.now)
    )
    send_all(desk, session, "account", "accountUpdateMulti", rows, "accountUpdateMultiEnd", reqId=record["reqId"])


def _as_it_is(key: str, value: str, currency: str) -> str:
    return value


def _halved(key: str, value: str, currency: str) -> str:
    if key == "AccountReady":
        return "false"
    return f"{Decimal(value) / 2:f}" if currency and key != "Currency" else value


def _cancel_updates_multi(desk: Desk, session: Session, record: Record) -> None:
    _ = session.multi.pop(record["reqId"], None)


def _summary(desk: Desk, session: Session, record: Record) -> None:
    req_id = record["reqId"]
    if len(session.summaries) >= SUMMARIES_MAX and req_id not in session.summaries:
        error(desk, session, req_id, _TOO_MANY_SUMMARIES)
        return
    session.summaries[req_id] = record["tags"]
    send_all(desk, session, "account", "accountSummary", _summary_rows(desk, record), "accountSummaryEnd", reqId=req_id)


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
    _ = session.summaries.pop(record["reqId"], None)


def _pnl(desk: Desk, session: Session, record: Record) -> None:
    account = desk.account(record["account"])
    if account is None:
        error(desk, session, record["reqId"], No(321, "Invalid account code."))
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


# contracts, data, time


def _contract_details(desk: Desk, session: Session, record: Record) -> None:
    found = find(record)
    if not found:
        error(desk, session, record["reqId"], NO_DEFINITION)
        return
    faults = {"card_without_tick": "0", "card_of_pennies": "0.0001"}
    ticks = (tick for fault, tick in faults.items() if desk.faults.takes(fault))
    own = {"reqId": record["reqId"], **({"minTick": tick} if (tick := next(ticks, "")) else {})}
    rows = ({**records.contract_details(one, desk.venue.now), **own} for one in found)
    send_all(desk, session, "contracts", "contractDetails", rows, "contractDetailsEnd", reqId=record["reqId"])


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
        error(desk, session, req_id, no)
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
        _ = session.quotes.pop(req_id)
        _ = session.shown.pop(req_id, None)
        if not desk.faults.concerns("snapshot_never_ends", "quotes"):
            desk.board.send(session, "tickSnapshotEnd", reqId=req_id)


def show_quote(desk: Desk, session: Session, req_id: str) -> None:
    """Send what changed of a quote since it was last sent; a side that nobody makes is -1."""
    listing = session.quotes[req_id]
    quote = desk.venue.market.quote(listing, desk.venue.now)
    before = session.shown.get(req_id)
    if desk.faults.has("quotes_frozen") or not desk.venue.linked or quote == before:
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
        error(desk, session, record["reqId"], No(300, f"Can't find EId with tickerId:{record['reqId']}"))
    _ = session.shown.pop(record["reqId"], None)


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


def _ignore(desk: Desk, session: Session, record: Record) -> None:
    """Some requests have no answer."""


INQUIRIES: Final[Mapping[str, Handler]] = {
    "reqPositions": _positions,
    "cancelPositions": _cancel_positions,
    "reqAccountUpdates": _account_updates,
    "reqAccountUpdatesMulti": _updates_multi,
    "cancelAccountUpdatesMulti": _cancel_updates_multi,
    "reqAccountSummary": _summary,
    "cancelAccountSummary": _cancel_summary,
    "reqPnL": _pnl,
    "cancelPnL": _ignore,
    "reqContractDetails": _contract_details,
    "reqMarketRule": _market_rule,
    "reqMktData": _market_data,
    "cancelMktData": _cancel_market_data,
    "reqCurrentTime": _current_time,
    "reqIds": _ids,
    "reqManagedAccts": _managed_accounts,
    "reqMarketDataType": _ignore,
    "setServerLogLevel": _ignore,
}
