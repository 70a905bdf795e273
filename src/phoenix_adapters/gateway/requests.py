"""What each client request is answered with: one function for each message, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from phoenix_adapters.gateway import entries, life, records
from phoenix_adapters.gateway.checks import READ_ONLY, No
from phoenix_adapters.gateway.desk import Desk, Handler, error, send_all
from phoenix_adapters.gateway.inquiries import INQUIRIES
from phoenix_adapters.gateway.orders import MANUAL, Order
from phoenix_adapters.gateway.sessions import Session
from phoenix_adapters.wire import UNSET_INTEGER, Record, whole

_ONLY_CLIENT_0: Final = No(
    321, "Error validating request.-'b1' : cause - Only the default client (i.e 0) can auto bind orders."
)
_NOT_SIMULATED: Final[Mapping[str, tuple[int, str]]] = {
    "20": (162, "Historical Market Data Service error message:historical data is not simulated"),
    "50": (420, "Invalid Real-time Query:real time bars are not simulated"),
    "10": (354, "Requested market data is not subscribed:market depth is not simulated"),
    "97": (354, "Requested market data is not subscribed:tick-by-tick data is not simulated"),
}


def answer(desk: Desk, session: Session, name: str, record: Record) -> None:
    """Answer one request of a session that is ready."""
    HANDLERS[name](desk, session, record)


def unknown(desk: Desk, session: Session, fields: tuple[str, ...]) -> None:
    """A request that is not simulated gets an error, so that nobody waits for ever."""
    code, text = _NOT_SIMULATED.get(fields[0], (505, "Fatal Error: Unknown message id."))
    at = {"50": 2, "10": 2}.get(fields[0], 1)
    req_id = fields[at] if code != 505 and len(fields) > at else "-1"
    desk.board.send(session, "error", id=req_id, code=code, message=text)


def _place(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    if record["whatIf"] == "1":
        _what_if(desk, session, record)
        return
    if desk.faults.takes("drop_on_place"):
        desk.board.close_all()
        return
    entries.place(desk.venue, session.client_id, record)
    if desk.faults.takes("drop_after_place"):
        desk.board.close_all()


def _what_if(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    faults, venue = desk.faults, desk.venue
    answered = READ_ONLY if faults.has("readonly", record) else entries.what_if(venue, session.client_id, record)
    if faults.takes("margin_mute", record):
        return
    if isinstance(answered, No):
        error(desk, session, record["orderId"], answered)
        return
    order, before, after = answered
    fee = life.commission(venue, order.listing, order.quantity, entries.reference_price(venue, order))
    said = records.margins(
        (before.initial, before.maintenance, before.net_liquidation),
        (after.initial, after.maintenance, after.net_liquidation),
        fee,
    )
    told = {**records.open_order(order), "whatIf": "1", "permId": "0"}
    if faults.takes("margin_twice", record):  # the layout's own words for no figure stand in the first
        desk.board.send(session, "openOrder", {**told, "warningText": "The market is closed now."})
    told |= said
    if (figure := faults.take("margin_says", record)) is not None:
        told["initMarginAfter"] = figure
    if (late := faults.seconds("margin_late", record)) is None:
        desk.board.send(session, "openOrder", told)
    else:
        venue.schedule.at(venue.now + late, lambda: desk.board.send(session, "openOrder", told))


def _cancel(desk: Desk, session: Session, record: Record) -> None:
    assert session.client_id is not None
    order_id = whole(record["orderId"])
    if order_id is not None:
        entries.cancel(desk.venue, session.client_id, order_id)


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


def _read_only(desk: Desk, session: Session) -> bool:
    """Whether the API is in Read-Only mode: it then tells no orders, and says so of no question by its number."""
    refused = desk.faults.has("readonly")
    if refused:
        error(desk, session, UNSET_INTEGER, READ_ONLY)
    return refused


def _open_orders(desk: Desk, session: Session, record: Record) -> None:
    if _read_only(desk, session):
        return
    mine = session.client_id
    _show_orders(desk, session, (one for one in _shown(desk) if one.client_id == mine))


def _all_open_orders(desk: Desk, session: Session, record: Record) -> None:
    _show_orders(desk, session, _shown(desk))


def _auto_open_orders(desk: Desk, session: Session, record: Record) -> None:
    if session.client_id != MANUAL:
        error(desk, session, "-1", _ONLY_CLIENT_0)


def _completed_orders(desk: Desk, session: Session, record: Record) -> None:
    if _read_only(desk, session):
        return
    api_only = record["apiOnly"] in ("1", "True")
    rows = (
        records.completed_order(one, desk.callbacks.zone)
        for one in desk.venue.book.done
        if not (api_only and one.manual)
    )
    send_all(desk, session, "completed", "completedOrder", rows, "completedOrdersEnd")


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
    if desk.faults.has("newest_first"):
        wanted.reverse()
    unset = desk.faults.has("unset_avg_price")
    for one in wanted:
        written = desk.callbacks.written(one.at)
        desk.board.send(session, "execDetails", records.execution(one, record["reqId"], written, unset))
    if not desk.faults.concerns("snapshot_never_ends", "executions"):
        desk.board.send(session, "execDetailsEnd", reqId=record["reqId"])
    for one in wanted:
        desk.board.send(session, "commissionReport", records.commission(one))


HANDLERS: Final[Mapping[str, Handler]] = {
    **INQUIRIES,
    "placeOrder": _place,
    "cancelOrder": _cancel,
    "reqGlobalCancel": _cancel_everything,
    "reqOpenOrders": _open_orders,
    "reqAllOpenOrders": _all_open_orders,
    "reqAutoOpenOrders": _auto_open_orders,
    "reqCompletedOrders": _completed_orders,
    "reqExecutions": _executions,
}
