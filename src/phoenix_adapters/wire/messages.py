"""Every message of the TWS protocol that Phoenix speaks, one table for each direction.

Only what both client libraries use for trading is here; the text protocol has about a hundred messages each way.
Versions are those of the handshake: both libraries stop at a text protocol, 176 and 178.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from phoenix_adapters.wire.framing import UNSET_DOUBLE, WireError, text, whole
from phoenix_adapters.wire.layout import Field, If, Layout, Record, Rows, decode, encode, known, plain
from phoenix_adapters.wire.orders import COMPLETED_ORDER, CONTRACT_11, CONTRACT_12, OPEN_ORDER, PLACE_ORDER

VERSION_MIN: Final = 157
VERSION_MAX: Final = 178


@frozen
class Message:
    """One message read: its name, its fields by name, and the fields beyond those that the table knows."""

    name: str
    record: Record
    rest: tuple[str, ...] = ()


def _layouts(*layouts: Layout) -> dict[str, Layout]:
    table = {one.name: one for one in layouts}
    assert len(table) == len({one.id for one in layouts}) == len(layouts), "one name, one number"
    return table


def _request(id: int, name: str, *fields: str) -> Layout:
    return Layout(id, name, plain(*fields))


_LEGS: Final = Rows("comboLegs", plain("legConId", "ratio", "legAction", "legExchange"))

CLIENT: Final[Mapping[str, Layout]] = _layouts(
    PLACE_ORDER,
    _request(71, "startApi", "version=2", "clientId", "optionalCapabilities"),
    _request(61, "reqPositions", "version=1"),
    _request(64, "cancelPositions", "version=1"),
    _request(5, "reqOpenOrders", "version=1"),
    _request(16, "reqAllOpenOrders", "version=1"),
    _request(15, "reqAutoOpenOrders", "version=1", "autoBind"),
    _request(99, "reqCompletedOrders", "apiOnly"),
    _request(6, "reqAccountUpdates", "version=2", "subscribe", "account"),
    _request(76, "reqAccountUpdatesMulti", "version=1", "reqId", "account", "modelCode", "ledgerAndNLV"),
    _request(77, "cancelAccountUpdatesMulti", "version=1", "reqId"),
    _request(62, "reqAccountSummary", "version=1", "reqId", "group", "tags"),
    _request(63, "cancelAccountSummary", "version=1", "reqId"),
    _request(7, "reqExecutions", "version=3", "reqId", "clientId=0", "account", "time", "symbol", "secType", "exchange",
             "side"),
    Layout(9, "reqContractDetails", (
        *plain("version=8", "reqId"), *CONTRACT_12, *plain("includeExpired=0", "secIdType", "secId"),
        Field("issuerId", since=176),
    )),
    Layout(4, "cancelOrder", (*plain("version=1", "orderId"), Field("manualCancelTime", since=169))),
    _request(58, "reqGlobalCancel", "version=1"),
    _request(8, "reqIds", "version=1", "count=1"),
    _request(17, "reqManagedAccts", "version=1"),
    _request(49, "reqCurrentTime", "version=1"),
    _request(59, "reqMarketDataType", "version=1", "marketDataType"),
    Layout(1, "reqMktData", (
        *plain("version=11", "reqId"), *CONTRACT_12, If(lambda record: record.get("secType") == "BAG", (_LEGS,)),
        Field("deltaNeutralContract", "0"),
        If(lambda record: record.get("deltaNeutralContract") == "1",
           plain("neutralConId", "neutralDelta", "neutralPrice")),
        *plain("genericTicks", "snapshot=0", "regulatorySnapshot=0", "options"),
    )),
    _request(2, "cancelMktData", "version=2", "reqId"),
    _request(91, "reqMarketRule", "marketRuleId"),
    _request(92, "reqPnL", "reqId", "account", "modelCode"),
    _request(93, "cancelPnL", "reqId"),
    _request(14, "setServerLogLevel", "version=1", "level"),
)  # fmt: skip

SERVER: Final[Mapping[str, Layout]] = _layouts(
    OPEN_ORDER,
    COMPLETED_ORDER,
    _request(15, "managedAccounts", "version=1", "accounts"),
    _request(9, "nextValidId", "version=1", "orderId"),
    Layout(4, "error", (
        *plain("version=2", "id=-1", "code", "message"), Field("advancedOrderRejectJson", since=166),
    )),
    _request(3, "orderStatus", "orderId", "status", "filled=0", "remaining=0", "avgFillPrice=0", "permId", "parentId=0",
             "lastFillPrice=0", "clientId", "whyHeld", "mktCapPrice=0"),
    _request(53, "openOrderEnd", "version=1"),
    _request(102, "completedOrdersEnd"),
    Layout(11, "execDetails", (
        *plain("reqId=-1", "orderId"), *CONTRACT_11,
        *plain("execId", "time", "acctNumber", "execExchange", "side", "shares", "price", "permId", "clientId",
               "liquidation=0", "cumQty", "avgPrice", "orderRef", "evRule", "evMultiplier", "modelCode",
               "lastLiquidity=0"),
        Field("pendingPriceRevision", "0", since=178),
    )),
    _request(55, "execDetailsEnd", "version=1", "reqId"),
    _request(59, "commissionReport", "version=1", "execId", "commission", "currency", f"realizedPNL={UNSET_DOUBLE}",
             "yield", "yieldRedemptionDate"),
    Layout(61, "position", (*plain("version=3", "account"), *CONTRACT_11, *plain("position", "avgCost"))),
    _request(62, "positionEnd", "version=1"),
    _request(6, "updateAccountValue", "version=2", "key", "value", "currency", "account"),
    Layout(7, "updatePortfolio", (
        Field("version", "8"), *(one for one in CONTRACT_12 if one.name != "exchange"),
        *plain("position", "marketPrice", "marketValue", "averageCost", "unrealizedPNL", "realizedPNL", "account"),
    )),
    _request(8, "updateAccountTime", "version=1", "time"),
    _request(54, "accountDownloadEnd", "version=1", "account"),
    _request(73, "accountUpdateMulti", "version=1", "reqId", "account", "modelCode", "key", "value", "currency"),
    _request(74, "accountUpdateMultiEnd", "version=1", "reqId"),
    _request(63, "accountSummary", "version=1", "reqId", "account", "tag", "value", "currency"),
    _request(64, "accountSummaryEnd", "version=1", "reqId"),
    Layout(10, "contractDetails", (
        Field("version", "8", before=164),
        *plain("reqId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike=0", "right", "exchange",
               "currency", "localSymbol", "marketName", "tradingClass", "conId", "minTick"),
        Field("mdSizeMultiplier", "100", before=164),
        *plain("multiplier", "orderTypes", "validExchanges", "priceMagnifier=1", "underConId=0", "longName",
               "primaryExchange", "contractMonth", "industry", "category", "subcategory", "timeZoneId", "tradingHours",
               "liquidHours", "evRule", "evMultiplier"),
        Rows("secIdList", plain("tag", "value")),
        *plain("aggGroup", "underSymbol", "underSecType", "marketRuleIds", "realExpirationDate", "stockType"),
        Field("minSize", since=164), Field("sizeIncrement", since=164), Field("suggestedSizeIncrement", since=163),
    )),
    _request(52, "contractDetailsEnd", "version=1", "reqId"),
    _request(1, "tickPrice", "version=6", "reqId", "tickType", "price", "size", "attrMask=0"),
    _request(2, "tickSize", "version=6", "reqId", "tickType", "size"),
    _request(45, "tickGeneric", "version=6", "reqId", "tickType", "value"),
    _request(46, "tickString", "version=6", "reqId", "tickType", "value"),
    _request(57, "tickSnapshotEnd", "version=1", "reqId"),
    _request(58, "marketDataType", "version=1", "reqId", "marketDataType"),
    _request(81, "tickReqParams", "reqId", "minTick", "bboExchange", "snapshotPermissions"),
    _request(49, "currentTime", "version=1", "time"),
    _request(93, "marketRule", "marketRuleId", "count=1", "lowEdge=0", "increment"),
    _request(94, "pnl", "reqId", "dailyPnL", "unrealizedPnL", "realizedPnL"),
    _request(100, "orderBound", "permId", "clientId", "orderId"),
)  # fmt: skip

_CLIENT_BY_ID: Final = {str(layout.id): layout for layout in CLIENT.values()}
_SERVER_BY_ID: Final = {str(layout.id): layout for layout in SERVER.values()}


def to_server(name: str, version: int, /, **values: object) -> tuple[str, ...]:
    """A request as fields."""
    return encode(CLIENT[name], {key: text(value) for key, value in values.items()}, version)


def to_client(name: str, version: int, record: Mapping[str, str] | None = None, /, **values: object) -> tuple[str, ...]:
    """A server's message as fields, from a record, single values, or both."""
    return encode(SERVER[name], {**(record or {}), **{key: text(value) for key, value in values.items()}}, version)


def from_client(fields: tuple[str, ...], version: int) -> Message:
    """What a client said; an unknown message is the empty name with its fields in `rest`."""
    return _read(_CLIENT_BY_ID, fields, version)


def from_server(fields: tuple[str, ...], version: int) -> Message:
    """What a server said; an unknown message is the empty name with its fields in `rest`."""
    return _read(_SERVER_BY_ID, fields, version)


def _read(table: Mapping[str, Layout], fields: tuple[str, ...], version: int) -> Message:
    if not fields:
        raise WireError("a message without fields")
    layout = table.get(fields[0])
    if layout is None:
        return Message("", {}, fields)
    record, rest = decode(layout, fields, version)
    return Message(layout.name, record, rest)


def echo(name: str, record: Mapping[str, str], without: Iterable[str] = ()) -> Record:
    """What of a record the named server message also carries: how an order sent becomes the order echoed."""
    carried = known(SERVER[name]) - set(without)
    return {key: value for key, value in record.items() if value and key.split(".", 1)[0] in carried}


def hello(first: int = VERSION_MIN, last: int = VERSION_MAX) -> str:
    """The client's opening field."""
    return f"v{first}..{last}"


def versions(said: str) -> tuple[int, int]:
    """The range of versions in a client's opening field, which may be followed by options."""
    first, dots, last = said.split(" ", 1)[0].removeprefix("v").partition("..")
    lowest, highest = whole(first), whole(last if dots else first)
    if lowest is None or highest is None:
        raise WireError(f"{said[:40]!r} is no version range")
    return lowest, highest
