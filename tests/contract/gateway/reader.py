"""A second reader of the TWS wire, written by hand from the protocol's field lists and sharing no code with the first.

It takes a message's fields one by one, converts each, and fails if one is missing, malformed or left over.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from attrs import define

Said = dict[str, str]


class Unreadable(AssertionError):
    """The frame is not what the protocol says."""


@define
class Cursor:
    """Goes through the fields of one message."""

    fields: tuple[str, ...]
    version: int
    at: int = 1

    def word(self) -> str:
        """The next field as it is."""
        if self.at >= len(self.fields):
            raise Unreadable(f"{self.fields[:3]} ends after {len(self.fields)} fields")
        self.at += 1
        return self.fields[self.at - 1]

    def whole(self, empty: bool = False) -> str:
        """The next field, an integer."""
        said = self.word()
        if not (said.lstrip("-").isdigit() or (empty and not said)):
            raise Unreadable(f"field {self.at - 1} of {self.fields[:3]} is {said!r}, not an integer")
        return said

    def figure(self, empty: bool = False) -> str:
        """The next field, a decimal number."""
        said = self.word()
        if empty and not said:
            return said
        try:
            finite = Decimal(said).is_finite()
        except InvalidOperation:
            finite = False
        if not finite:
            raise Unreadable(f"field {self.at - 1} of {self.fields[:3]} is {said!r}, not a number")
        return said

    def truth(self) -> str:
        """The next field, 0 or 1."""
        said = self.word()
        if said not in ("0", "1"):
            raise Unreadable(f"field {self.at - 1} of {self.fields[:3]} is {said!r}, not a truth")
        return said

    def skip(self, count: int) -> None:
        """So many fields of whatever content."""
        for _ in range(count):
            self.word()

    def pairs(self) -> None:
        """A count and that many tags and values."""
        self.skip(2 * int(self.whole()))


def _contract(c: Cursor) -> Said:
    said = {"conId": c.whole(), "symbol": c.word(), "secType": c.word()}
    c.word()
    c.figure()
    c.skip(2)
    return said | {"exchange": c.word(), "currency": c.word(), "localSymbol": c.word(), "tradingClass": c.word()}


def _order_head(c: Cursor) -> Said:
    said = {"action": c.word(), "totalQuantity": c.figure(), "orderType": c.word(), "lmtPrice": c.figure()}
    said |= {"auxPrice": c.figure(), "tif": c.word(), "ocaGroup": c.word(), "account": c.word(), "openClose": c.word()}
    return said | {"origin": c.whole(), "orderRef": c.word()}


def _combo_to_algo(c: Cursor, complete: bool) -> None:
    """From the combo's description, over legs, scale and hedge, to the algorithm."""
    c.word()
    legs = int(c.whole())
    c.skip(8 * legs)
    c.skip(int(c.whole()))
    c.pairs()
    c.skip(2)
    if c.figure(empty=True) not in ("", "0"):
        c.skip(7)
    if c.word():
        c.word()
    if not complete:
        c.truth()
    c.skip(2)
    c.truth()
    if c.truth() == "1":
        c.skip(3)
    if c.word():
        c.pairs()


def _open_order(c: Cursor) -> Said:
    said = {"orderId": c.whole()} | _contract(c) | _order_head(c)
    said |= {"clientId": c.whole(), "permId": c.whole(), "outsideRth": c.truth()}
    c.truth()
    c.figure()
    c.skip(5)
    if c.version < 177:
        c.word()
    c.skip(15)  # model code to displaySize
    c.truth()
    c.truth()
    c.truth()
    c.word()
    said["ocaType"] = c.whole()
    c.skip(3)
    said["parentId"] = c.whole()
    c.skip(3)
    if c.word():
        c.figure()
        c.skip(8)
    else:
        c.figure()
    c.skip(6)
    _combo_to_algo(c, complete=False)
    c.truth()
    said["whatIf"] = c.truth()
    said["status"] = c.word()
    for name in ("Before", "Change", "After"):
        for what in ("initMargin", "maintMargin", "equityWithLoan"):
            said[what + name] = c.figure()
    said["commission"] = c.figure(empty=True)
    c.skip(4)
    c.truth()
    c.truth()
    if c.whole() != "0":
        raise Unreadable("conditions were never sent")
    c.skip(11)
    c.figure()
    c.skip(4)
    for since, count in ((159, 1), (160, 1), (162, 1), (170, 5)):
        c.skip(count if c.version >= since else 0)
    return said


def _completed_order(c: Cursor) -> Said:
    said = _contract(c) | _order_head(c)
    said["permId"] = c.whole()
    c.truth()
    c.skip(6)
    if c.version < 177:
        c.word()
    c.skip(17)  # model code to minQty
    c.whole()
    c.skip(3)
    if c.word():
        c.figure()
        c.skip(4)
    else:
        c.figure()
    c.skip(4)
    _combo_to_algo(c, complete=True)
    c.truth()
    said["status"] = c.word()
    c.skip(2)
    if c.whole() != "0":
        raise Unreadable("conditions were never sent")
    c.skip(6)
    said["filledQuantity"] = c.figure()
    c.skip(5)
    said |= {"parentPermId": c.word(), "completedTime": c.word(), "completedStatus": c.word()}
    c.skip(5 if c.version >= 170 else 0)
    return said


def _order_status(c: Cursor) -> Said:
    said = {"orderId": c.whole(), "status": c.word(), "filled": c.figure(), "remaining": c.figure()}
    said |= {"avgFillPrice": c.figure(), "permId": c.whole(), "parentId": c.whole(), "lastFillPrice": c.figure()}
    said |= {"clientId": c.whole(), "whyHeld": c.word()}
    c.figure()
    return said


def _execution(c: Cursor) -> Said:
    said = {"reqId": c.whole(), "orderId": c.whole()} | _contract(c)
    said |= {"execId": c.word(), "time": c.word(), "acctNumber": c.word(), "execExchange": c.word(), "side": c.word()}
    said |= {"shares": c.figure(), "price": c.figure(), "permId": c.whole(), "clientId": c.whole()}
    c.whole()
    said |= {"cumQty": c.figure(), "avgPrice": c.figure(), "orderRef": c.word()}
    c.skip(3)
    c.whole()
    c.skip(1 if c.version >= 178 else 0)
    return said


def _commission(c: Cursor) -> Said:
    c.whole()
    said = {"execId": c.word(), "commission": c.figure(), "currency": c.word(), "realizedPNL": c.figure()}
    c.skip(2)
    return said


def _error(c: Cursor) -> Said:
    c.whole()
    said = {"id": c.whole(), "code": c.whole(), "message": c.word()}
    c.skip(1 if c.version >= 166 else 0)
    return said


def _position(c: Cursor) -> Said:
    c.whole()
    return {"account": c.word()} | _contract(c) | {"position": c.figure(), "avgCost": c.figure()}


def _portfolio(c: Cursor) -> Said:
    c.whole()
    said = {"conId": c.whole(), "symbol": c.word(), "secType": c.word()}
    c.skip(8)
    said |= {"position": c.figure(), "marketPrice": c.figure(), "marketValue": c.figure(), "averageCost": c.figure()}
    return said | {"unrealizedPNL": c.figure(), "realizedPNL": c.figure(), "account": c.word()}


def _contract_details(c: Cursor) -> Said:
    if c.version < 164:
        c.whole()
    said = {"reqId": c.whole(), "symbol": c.word(), "secType": c.word()}
    c.skip(3)
    said |= {"exchange": c.word(), "currency": c.word(), "localSymbol": c.word()}
    c.skip(2)
    said |= {"conId": c.whole(), "minTick": c.figure()}
    if c.version < 164:
        c.whole()
    c.skip(5)
    said["longName"] = c.word()
    c.skip(5)
    said |= {"timeZoneId": c.word(), "tradingHours": c.word(), "liquidHours": c.word()}
    c.skip(2)
    c.pairs()
    c.skip(6)
    c.skip(3 if c.version >= 164 else 1 if c.version == 163 else 0)
    return said


def _tick_price(c: Cursor) -> Said:
    c.whole()
    return {"reqId": c.whole(), "tickType": c.whole(), "price": c.figure(), "size": c.figure(), "mask": c.whole()}


def _words(*names: str, version: bool = True) -> Callable[[Cursor], Said]:
    def read(c: Cursor) -> Said:
        if version:
            c.whole()
        return {name: c.word() for name in names}

    return read


READERS: dict[str, tuple[str, Callable[[Cursor], Said]]] = {
    "1": ("tickPrice", _tick_price),
    "3": ("orderStatus", _order_status),
    "4": ("error", _error),
    "5": ("openOrder", _open_order),
    "6": ("updateAccountValue", _words("key", "value", "currency", "account")),
    "7": ("updatePortfolio", _portfolio),
    "8": ("updateAccountTime", _words("time")),
    "9": ("nextValidId", _words("orderId")),
    "10": ("contractDetails", _contract_details),
    "11": ("execDetails", _execution),
    "15": ("managedAccounts", _words("accounts")),
    "49": ("currentTime", _words("time")),
    "52": ("contractDetailsEnd", _words("reqId")),
    "53": ("openOrderEnd", _words()),
    "54": ("accountDownloadEnd", _words("account")),
    "55": ("execDetailsEnd", _words("reqId")),
    "57": ("tickSnapshotEnd", _words("reqId")),
    "58": ("marketDataType", _words("reqId", "type")),
    "59": ("commissionReport", _commission),
    "61": ("position", _position),
    "62": ("positionEnd", _words()),
    "63": ("accountSummary", _words("reqId", "account", "tag", "value", "currency")),
    "64": ("accountSummaryEnd", _words("reqId")),
    "73": ("accountUpdateMulti", _words("reqId", "account", "model", "key", "value", "currency")),
    "74": ("accountUpdateMultiEnd", _words("reqId")),
    "81": ("tickReqParams", _words("reqId", "minTick", "bbo", "permissions", version=False)),
    "93": ("marketRule", _words("id", "count", "edge", "increment", version=False)),
    "94": ("pnl", _words("reqId", "daily", "unrealized", "realized", version=False)),
    "101": ("completedOrder", _completed_order),
    "102": ("completedOrdersEnd", _words(version=False)),
}


def read(fields: tuple[str, ...], version: int) -> tuple[str, Said]:
    """One message, wholly read."""
    if fields[0] not in READERS:
        raise Unreadable(f"no message has the number {fields[0]!r}")
    name, reader = READERS[fields[0]]
    cursor = Cursor(fields, version)
    said = reader(cursor)
    if cursor.at != len(fields):
        raise Unreadable(f"{name} has {len(fields)} fields, the protocol {cursor.at}")
    return name, said
