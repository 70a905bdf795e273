"""Cleared lines as place frames: every byte from our own model, what is bound at hand-over bound by rule, and checked.

Bound are five fields: the order id; the parent, which is the id of the entry that leaves beside it; the reference; the
one-cancels-all group; and transmit, off for every frame of a native bracket but its last. The bytes are then read back
and compared with the line that was cleared, and what entries place is counted against what was cleared, once for each
reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from attrs import Factory, define, frozen

from phoenix_adapters.brokers.ibkr.translate import Accounts, Names, line_of
from phoenix_adapters.wire import frame, from_client, to_server, unframed
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Frame, Line
from phoenix_core.values import ARITHMETIC, ZERO, OrderType, Role, SecType, Side, on_grid

_KINDS: Final = {OrderType.MARKET: "MKT", OrderType.LIMIT: "LMT", OrderType.STOP: "STP"}
# Reduce, with block: what one member fills is taken from the others at once and never filled twice. "Cancel" would
# leave the rest of a partly filled target without its stop.
OCA_REDUCE: Final = "2"
# No order of this desk comes near; a number beyond it is a number gone wrong.
AMOUNT_MAX: Final = Decimal(10) ** 12
# TWS takes no more decimal places than these in any instrument of ours.
GRID_MIN: Final = Decimal("1E-10")


@frozen
class Placement:
    """One place frame ready for the transport: the order it is, its order id and its bytes."""

    frame: Frame
    order_id: int
    data: bytes


@frozen
class WhatIf:
    """A question about margin in the shape of an order. Another type than a placement, so that none becomes one."""

    order_id: int
    data: bytes


def unsendable(line: Line) -> str:
    """Why a line's numbers must not become bytes; empty where they may."""
    wanted = _WANTED[line.order_type]
    for name, amount in (("quantity", line.quantity), ("limit", line.limit), ("trigger", line.trigger)):
        if amount is None:
            if name in wanted:
                return f"no {name}"
        elif not amount.is_finite() or not 0 < amount <= AMOUNT_MAX:
            return f"{name} is out of bounds"
        elif not on_grid(amount, GRID_MIN):
            return f"{name} has too many decimal places"
    return ""


_WANTED: Final = {
    OrderType.MARKET: ("quantity",),
    OrderType.LIMIT: ("quantity", "limit"),
    OrderType.STOP: ("quantity", "trigger"),
}


@define
class Forge:
    """Makes frames for one session: its version, the account's number, and the ids that this session bound."""

    version: int
    number: str
    accounts: Accounts
    names: Names

    def placements(self, cleared: ClearedOrder, new_ids: tuple[int, ...]) -> tuple[Placement, ...]:
        """All frames of a hand-over. A revision keeps its order's id; every other order takes one of the new ones."""
        fresh = iter(new_ids)
        ids = {one.ref: self.names.ids[one.ref] if one.revision > 1 else next(fresh) for one in cleared.frames}
        entry = next((one for one in cleared.frames if one.line.role is Role.ENTRY), None)
        made = []
        for one in cleared.frames:
            # A revision names no parent: the core changes no exit whose entry may still fill, and of a parent that is
            # over TWS says that it can't find it, and leaves the order as it was (135, ib_insync#647, ib_async#89).
            parent = 0 if entry is None or one is entry else ids[entry.ref]
            last_of_bracket = entry is None or one is cleared.frames[-1]
            bound = {
                "orderId": str(ids[one.ref]),
                "parentId": str(parent),
                "orderRef": one.ref,
                "ocaGroup": self._group(one, cleared.group) if one.line.role.is_exit else "",
                "ocaType": OCA_REDUCE if one.line.role.is_exit and cleared.group else "0",
                "transmit": "1" if last_of_bracket else "0",
            }
            made.append(Placement(one, ids[one.ref], self._bytes(one.line, bound)))
        return tuple(made)

    def _group(self, one: Frame, group: str) -> str:
        """A revision names its order's group as the broker does: under any other name it would be refused."""
        return self.names.groups.get(one.ref) or group if one.revision > 1 else group

    def what_if(self, line: Line, order_id: int) -> WhatIf:
        """The question what an order would cost in margin."""
        data = self._bytes(line, {"orderId": str(order_id), "whatIf": "1", "orderRef": "", "transmit": "1"})
        assert _read(data, self.version)["whatIf"] == "1", "a question about margin must not be an order"
        return WhatIf(order_id, data)

    def _bytes(self, line: Line, bound: dict[str, str]) -> bytes:
        assert not unsendable(line), f"{unsendable(line)}: {bound.get('orderRef')}"
        record: dict[str, object] = {
            **_contract(line),
            "action": line.side.value,
            "totalQuantity": line.quantity,
            "orderType": _KINDS[line.order_type],
            "lmtPrice": line.limit,
            "auxPrice": line.trigger,
            "tif": line.tif.value,
            "account": self.number,
            "outsideRth": line.outside_hours,
            **bound,
        }
        data = frame(to_server("placeOrder", self.version, **record))
        self._check(data, line, bound)
        return data

    def _check(self, data: bytes, line: Line, bound: dict[str, str]) -> None:
        """Read the bytes back: they say exactly what was cleared, and the bound fields say what the rule says."""
        said = _read(data, self.version)
        assert said["account"] == self.number, "a frame carries the approved account"
        assert bound.items() <= said.items(), "a bound field differs on the wire"
        assert said["whatIf"] == bound.get("whatIf", "0"), "an order is no question, and a question no order"
        read = line_of(said, self.accounts.tag(said["account"]))
        assert read is not None, "a frame of ours can be read"
        terms = _terms(read)
        assert terms == _terms(line), f"the bytes say {terms}, cleared was {_terms(line)}"


def _terms(line: Line) -> tuple[object, ...]:
    return (
        line.side, line.quantity, line.order_type, line.tif, line.outside_hours, line.account, line.symbol, line.con_id,
        line.sec_type, line.currency, line.exchange, line.limit, line.trigger,
    )  # fmt: skip


def _contract(line: Line) -> dict[str, object]:
    base = line.symbol.removesuffix(line.currency) if line.sec_type is SecType.CASH else line.symbol
    return {
        "conId": line.con_id,
        "symbol": base,
        "secType": line.sec_type.value,
        "exchange": line.exchange,
        "currency": line.currency,
    }


@lru_cache(16)  # the forge and the count look at the same few bytes, one after the other
def _read(data: bytes, version: int) -> Mapping[str, str]:
    message = from_client(unframed(data), version)
    assert message.name == "placeOrder" and not message.rest, "a frame of ours is one whole message"
    return message.record


def cancel_frame(order_id: int, version: int) -> bytes:
    """The frame that asks for an order's end."""
    return frame(to_server("cancelOrder", version, orderId=order_id))


@define
class OutVsIn:
    """What entries placed on this socket against what the last look cleared: the first excess is the last frame.

    It counts on the bytes, knows nothing of the log, and believes neither the caller nor the forge.
    """

    cleared: set[str] = Factory(set)  # references that were counted
    allowed: dict[tuple[int, Side], Decimal] = Factory(dict)  # what they allow, summed as they come
    placed: dict[tuple[int, Side], Decimal] = Factory(dict)

    def count(self, cleared: ClearedOrder, placements: tuple[Placement, ...], version: int) -> None:
        """Take in what was cleared, each reference once, then what is about to leave; the first excess raises."""
        for one in cleared.frames:
            if one.line.role is Role.ENTRY and one.ref not in self.cleared:
                self.cleared.add(one.ref)
                key = (one.line.con_id, one.line.side)
                self.allowed[key] = ARITHMETIC.add(self.allowed.get(key, ZERO), one.line.quantity)
        for placement in placements:
            said = _read(placement.data, version)
            if placement.frame.line.role is not Role.ENTRY:
                continue
            key = (int(said["conId"]), Side(said["action"]))
            total = ARITHMETIC.add(self.placed.get(key, ZERO), Decimal(said["totalQuantity"]))
            allowed = self.allowed.get(key, ZERO)
            assert total <= allowed, f"{total} would be placed where {allowed} was cleared: nothing more leaves"
            self.placed[key] = total
