"""Cleared orders for tests of brokers: frames as the desk would clear them, without a desk."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from attrs import evolve

from phoenix_core.acts import last_look
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Frame, Line, entry_ref, exit_ref, group_of, order_hash
from phoenix_core.trade.protection import exit_line, protection_lines
from phoenix_core.values import Account, Instrument, OrderRef, OrderType, Price, Quantity, Role, Side, Tif

NUMBER = "DU1234567"
LOTS = Quantity(Decimal(20_000))
STOP, TARGET = Price(Decimal("1.0820")), Price(Decimal("1.0910"))
BID, ASK = Price(Decimal("1.08495")), Price(Decimal("1.08505"))


def account_of(number: str) -> Account:
    """An account as beads carry it, with a key that everybody knows."""
    return Account(hashlib.sha256(number.encode()).hexdigest(), f"{number[:2]}...{number[-3:]}")


def ref_of(name: str) -> OrderRef:
    """A reference for a name."""
    return entry_ref(name.encode())


def entry_line(card: Instrument, account: Account, side: Side = Side.BUY, quantity: Quantity = LOTS) -> Line:
    """A market entry."""
    return Line(
        Role.ENTRY, side, quantity, OrderType.MARKET, Tif.DAY, False, account.tag, card.symbol, card.con_id,
        card.sec_type, card.currency, card.exchange,
    )  # fmt: skip


def framed(ref: OrderRef, line: Line, revision: int = 1) -> Frame:
    """A frame of a line."""
    return Frame(ref, revision, order_hash((line,)), line)


def cleared(frames: tuple[Frame, ...], group: str, is_entry: bool) -> ClearedOrder:
    """What the last look would give. Only a test may come in by the window."""
    return ClearedOrder("position", frames[0].ref, frames, group, is_entry, last_look._SEAL)


def bracket(
    card: Instrument,
    account: Account,
    name: str = "one",
    quantity: Quantity = LOTS,
    stop: Price = STOP,
    target: Price = TARGET,
    side: Side = Side.BUY,
) -> ClearedOrder:
    """Entry, stop and target, as one native bracket."""
    ref, entry = ref_of(name), entry_line(card, account, side, quantity)
    below, above = protection_lines(entry, quantity, stop, target)
    frames = (
        framed(ref, entry),
        framed(exit_ref(ref, Role.STOP, 1), below),
        framed(exit_ref(ref, Role.TARGET, 1), above),
    )
    return cleared(frames, group_of(ref, 1), True)


def resized(order: ClearedOrder, quantity: Quantity) -> ClearedOrder:
    """Both children of a bracket for another quantity: their next revision."""
    children = order.frames[1:]
    frames = tuple(framed(one.ref, _with(one.line, quantity), one.revision + 1) for one in children)
    return cleared(frames, order.group, False)


def close(order: ClearedOrder, quantity: Quantity) -> ClearedOrder:
    """A close at the market, in the group of the protection."""
    line = exit_line(order.frames[0].line, Role.CLOSE, OrderType.MARKET, quantity, TARGET)
    return cleared((framed(exit_ref(OrderRef(order.ref), Role.CLOSE, 1), line),), order.group, False)


def _with(line: Line, quantity: Quantity) -> Line:
    return evolve(line, quantity=quantity)
