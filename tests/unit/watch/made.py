"""What the tests of watch and trust are made of: instants on a Wednesday, beads in their places, one desk's book."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from phoenix_core.beads import Bead, Body
from phoenix_core.facts import BrokerStatus, ExecutionSaid, Held, OrderSaid, Snapshot
from phoenix_core.orders import Line, entry_ref, exit_ref, parsed_ref
from phoenix_core.values import Moment, OrderRef, OrderType, Price, Quantity, Role, SecType, Side, Tif
from phoenix_core.watch.compare import Book, OrderRow

NOON: Final = datetime(2026, 11, 18, 12, tzinfo=UTC)
ACCOUNT: Final = "account-tag"
ENTRY: Final = entry_ref(b"a signed statement")
STOP: Final = exit_ref(ENTRY, Role.STOP, 1)
TARGET: Final = exit_ref(ENTRY, Role.TARGET, 1)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def moment(seconds: float, boot: str = "boot") -> Moment:
    """The same, on both clocks."""
    return Moment(at(seconds), timedelta(hours=5, seconds=seconds), boot)


def bead(seq: int, body: Body, seconds: float = 0) -> Bead:
    """A recorded fact in its place."""
    return Bead(seq, at(seconds), f"bead-{seq}", body, f"leaf-{seq}")


def line(ref: OrderRef, quantity: int = 100, symbol: str = "AAPL", side: Side | None = None) -> Line:
    """The terms of an order of the bracket, or of somebody else's."""
    parsed = parsed_ref(ref)
    role = Role.ENTRY if parsed is None else parsed[1]
    return Line(
        role=role,
        side=side or (Side.SELL if role.is_exit else Side.BUY),
        quantity=Quantity(Decimal(quantity)),
        order_type=OrderType.STOP if role is Role.STOP else OrderType.MARKET,
        tif=Tif.GTC if role.is_exit else Tif.DAY,
        outside_hours=False,
        account=ACCOUNT,
        symbol=symbol,
        con_id=265598,
        sec_type=SecType.STOCK,
        currency="USD",
        exchange="SMART",
        trigger=Price(Decimal(90)) if role is Role.STOP else None,
    )


def said(
    ref: OrderRef,
    status: BrokerStatus = BrokerStatus.SUBMITTED,
    filled: int = 0,
    *,
    quantity: int = 100,
    symbol: str = "AAPL",
    side: Side | None = None,
    perm_id: int | None = None,
    group: str = "",
    account: str = ACCOUNT,
) -> OrderSaid:
    """The broker's word on an order."""
    return OrderSaid(
        message="3:17",
        session=3,
        ref=ref,
        account=account,
        perm_id=1000 + len(ref) if perm_id is None else perm_id,
        order_id=0,
        status=status,
        filled=Quantity(Decimal(filled)),
        remaining=Quantity(Decimal(quantity - filled)),
        echo=line(ref, quantity, symbol, side),
        group=group,
    )


def row(
    ref: OrderRef,
    status: BrokerStatus = BrokerStatus.SUBMITTED,
    filled: int = 0,
    *,
    quantity: int = 100,
    symbol: str = "AAPL",
    perm_id: int = 0,
    group: str = "",
) -> OrderRow:
    """What we believe of an order."""
    terms = line(ref, quantity, symbol)
    return OrderRow(
        ref, symbol, terms.role, terms.side, terms.quantity, Quantity(Decimal(filled)), status, perm_id, group
    )


def executed(ref: str, quantity: int = 100, account: str = ACCOUNT) -> ExecutionSaid:
    """A fill in a snapshot."""
    return ExecutionSaid(
        "3:20", 3, "X.01", ref, account, 1, "AAPL", Side.BUY, Quantity(Decimal(quantity)), Price(Decimal(100)), NOON
    )


def held(**quantities: int | Decimal) -> tuple[Held, ...]:
    """Holdings as the broker reports them."""
    return tuple(Held(symbol, Decimal(quantity)) for symbol, quantity in quantities.items())


def snapshot(
    *orders: OrderSaid,
    positions: tuple[Held, ...] = (),
    executions: tuple[ExecutionSaid, ...] = (),
    began: float = 100,
    ended: float = 101,
) -> Snapshot:
    """A whole picture of session 3, taken in one second."""
    return Snapshot(
        session=3,
        began=moment(began),
        ended=moment(ended),
        complete=True,
        positions=positions,
        orders=orders,
        executions=executions,
        account=ACCOUNT,
    )


def book(
    *rows: OrderRow,
    holdings: dict[str, int] | None = None,
    ended: frozenset[str] = frozenset(),
    baseline: dict[str, int] | None = None,
    touched: dict[str, float] | None = None,
    cash: frozenset[str] = frozenset(),
) -> Book:
    """What Phoenix believes in session 3; touches in seconds after noon."""
    return Book(
        account=ACCOUNT,
        session=3,
        holdings={symbol: Decimal(quantity) for symbol, quantity in (holdings or {}).items()},
        orders={order.ref: order for order in rows},
        ended=ended,
        baseline={symbol: Decimal(quantity) for symbol, quantity in (baseline or {}).items()},
        touched={key: at(seconds) for key, seconds in (touched or {}).items()},
        cash=cash,
    )


def in_session(whole: Snapshot, session: int) -> Snapshot:
    """The same picture, begun in another session."""
    return evolve(whole, session=session)
