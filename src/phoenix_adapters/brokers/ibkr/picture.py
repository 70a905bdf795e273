"""The broker's whole state, asked piece by piece: executions, open and completed orders, positions, account.

Every piece has an end of its own. One that did not come makes the picture incomplete, and names what is missing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import Factory, define

from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.brokers.ibkr.translate import Translator, in_order, merged
from phoenix_adapters.wire import Record, WireError, number
from phoenix_core.facts import ExecutionSaid, Held, OrderSaid
from phoenix_core.values import Money

PARTS: Final = ("executions", "open orders", "completed orders", "positions", "account")


@define
class Picture:
    """What was gathered; until a piece has ended it is missing."""

    positions: tuple[Held, ...] = ()
    orders: tuple[OrderSaid, ...] = ()
    executions: tuple[ExecutionSaid, ...] = ()
    equity: Money | None = None
    currency: str = ""
    realized: Money | None = None
    unrealized: Money | None = None
    margin_used: Money | None = None
    missing: tuple[str, ...] = PARTS


async def _executions(session: Session, account: str, within_s: float) -> list[Record] | None:
    return await session.ask("reqExecutions", ("execDetails",), "execDetailsEnd", within_s, True, account=account)


async def _orders(session: Session, name: str, within_s: float) -> list[Record] | None:
    return await session.ask(name, ("openOrder", "orderStatus"), "openOrderEnd", within_s)


async def _completed(session: Session, within_s: float) -> list[Record] | None:
    return await session.ask("reqCompletedOrders", ("completedOrder",), "completedOrdersEnd", within_s, apiOnly=False)


async def _positions(session: Session, within_s: float) -> list[Record] | None:
    rows = await session.ask("reqPositions", ("position",), "positionEnd", within_s)
    _ = await session.tell("cancelPositions")
    return rows


async def _account(session: Session, account: str, within_s: float) -> list[Record] | None:
    return await session.ask(
        "reqAccountUpdatesMulti", ("accountUpdateMulti",), "accountUpdateMultiEnd", within_s, True,
        "cancelAccountUpdatesMulti", account=account, ledgerAndNLV=False,
    )  # fmt: skip


async def resynchronised(session: Session, account: str, within_s: float) -> bool:
    """Have everything told again, as facts through the tap; true if every end was seen."""
    answers = (
        await _executions(session, account, within_s),
        await _orders(session, "reqOpenOrders", within_s),
        await _orders(session, "reqAllOpenOrders", within_s),
        await _completed(session, within_s),
        await _positions(session, within_s),
        await _account(session, account, within_s),
    )
    return all(answer is not None for answer in answers)


async def picture_of(
    session: Session, translator: Translator, account: str, within_s: float, heard_at: datetime
) -> Picture:
    """Every piece, from whoever placed the orders: our own, other clients' and those placed by hand."""
    positions = await _positions(session, within_s)
    orders = await _orders(session, "reqAllOpenOrders", within_s)
    completed = await _completed(session, within_s)
    executions = await _executions(session, account, within_s)
    figures = await _account(session, account, within_s)
    pieces = (executions, orders, completed, positions, figures)
    picture = Picture(missing=tuple(name for name, piece in zip(PARTS, pieces, strict=True) if piece is None))
    picture.executions = in_order(translator.execution(row, heard_at) for row in executions or ())
    picture.orders = _orders_of(translator, orders or [])
    # Flat rows say nothing that absence does not; the last word on a contract counts.
    held = {(row["account"], row["conId"]): translator.held(row) for row in positions or ()}
    picture.positions = tuple(one for one in held.values() if one.quantity != 0)
    try:
        _figures(picture, figures or [])
    except WireError:  # a figure that is no number: the account's worth is not known
        picture.missing = tuple(name for name in PARTS if name in (*picture.missing, PARTS[-1]))
    return picture


def _orders_of(translator: Translator, rows: list[Record]) -> tuple[OrderSaid, ...]:
    orders: dict[int, OrderSaid] = {}
    for row in rows:
        # Only an openOrder carries terms; a question about margin passing by is no order.
        if "whyHeld" in row:
            if not translator.names.is_question(row):
                merged(orders, translator.order_status(row))
        elif row.get("whatIf") != "1":
            merged(orders, translator.open_order(row))
    return tuple(orders.values())


@define
class _Rows:
    by_key: dict[str, dict[str, str]] = Factory(dict)

    def value(self, key: str, *currencies: str) -> Money | None:
        rows = self.by_key.get(key, {})
        written = next((rows[one] for one in currencies if one in rows), "")
        amount = number(written)
        return None if amount is None else Money(amount)


def _figures(picture: Picture, rows: list[Record]) -> None:
    """The account's figures, in the currency in which it states its worth."""
    table = _Rows()
    for row in rows:
        # Newer gateways write the ledger's keys with a prefix.
        table.by_key.setdefault(row["key"].removeprefix("$LEDGER-"), {})[row["currency"]] = row["value"]
    stated = [one for one in table.by_key.get("NetLiquidation", {}) if one not in ("", "BASE")]
    # While the broker's servers are reset the account is not ready: what is told of it then may be old or wrong.
    if not stated or "false" in table.by_key.get("AccountReady", {}).values():
        return
    picture.currency = stated[0]
    picture.equity = table.value("NetLiquidation", picture.currency)
    picture.margin_used = table.value("InitMarginReq", picture.currency)
    picture.realized = table.value("RealizedPnL", "BASE", picture.currency)
    picture.unrealized = table.value("UnrealizedPnL", "BASE", picture.currency)
