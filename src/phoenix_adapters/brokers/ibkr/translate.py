"""Tapped messages as facts, strictly: decimals from text, "unset" as None, every instant in UTC, every name checked.

An order is known by its account, its reference and its permanent id. Order ids name it only within one session and one
client; they come again after a gateway's restart, and other clients count their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

from attrs import Factory, define, evolve

from phoenix_adapters.brokers.ibkr.times import USUAL, instant
from phoenix_adapters.wire import Record, WireError, number, whole
from phoenix_core.facts import BrokerStatus, CommissionSaid, ErrorSaid, ExecutionSaid, Held, Margin, OrderSaid
from phoenix_core.gate.cse import PRICE_MAX, QUANTITY_MAX
from phoenix_core.gate.screen import sanitised
from phoenix_core.orders import Line, parsed_ref
from phoenix_core.values import (
    ARITHMETIC,
    WORD_MAX,
    Account,
    Money,
    OrderType,
    Price,
    Quantity,
    Role,
    SecType,
    Side,
    Tif,
)

STATUSES: Final[Mapping[str, BrokerStatus]] = {
    "PendingSubmit": BrokerStatus.PENDING,
    "ApiPending": BrokerStatus.PENDING,
    "PreSubmitted": BrokerStatus.PRESUBMITTED,
    "Submitted": BrokerStatus.SUBMITTED,
    "PendingCancel": BrokerStatus.PENDING_CANCEL,
    "Inactive": BrokerStatus.INACTIVE,
    "Filled": BrokerStatus.FILLED,
    "Cancelled": BrokerStatus.CANCELLED,
    "ApiCancelled": BrokerStatus.CANCELLED,
}
# A stop that waits for its trigger and a child that waits for its parent do what they are for: nobody holds them.
NO_HOLD: Final = frozenset({"", "trigger", "child"})
ORDER_TYPES: Final = {"MKT": OrderType.MARKET, "LMT": OrderType.LIMIT, "STP": OrderType.STOP}
SIDES: Final = {"BOT": Side.BUY, "SLD": Side.SELL}
_SEC_TYPES: Final = {one.value: one for one in SecType}
_ACTIONS: Final = {one.value: one for one in Side}
_TIFS: Final = {one.value: one for one in Tif}
# A commission that TWS does not know yet. The first amount that is said of an execution is the one that counts.
PENDING: Final = Decimal(-1)
LIVE: Final = "-1"  # the number of a question, where an execution answers none
CENT: Final = Decimal("0.01")
# More than any account of this desk's has in any currency: a figure beyond it is a figure gone wrong.
BOUND_MAX: Final = Decimal(10) ** 12
_NOTHING: Final = Quantity(Decimal(0))


@define
class Accounts:
    """Account numbers as beads carry them. The numbers stay here."""

    account_of: Callable[[str], Account]
    _known: dict[str, Account] = Factory(dict)

    def of(self, number: str) -> Account:
        """The keyed hash and mask of a number."""
        if number not in self._known:
            self._known[number] = self.account_of(number)
        return self._known[number]

    def tag(self, number: str) -> str:
        """The keyed hash; nothing for a message that names no account."""
        return self.of(number).tag if number else ""

    def masked(self, text: str) -> str:
        """A text of the broker's without any account number that was ever seen."""
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, self._known[known].mask)
        return text


@define
class Names:
    """Which order a message is about: by reference where it says one, by permanent id, by order id in this session."""

    client_id: int
    orders: dict[int, str] = Factory(dict)  # order id of ours in this session -> reference
    ids: dict[str, int] = Factory(dict)  # reference -> order id of ours in this session
    groups: dict[str, str] = Factory(dict)  # reference -> the name that the broker gives its one-cancels-all group
    perms: dict[int, str] = Factory(dict)  # permanent id -> reference, for as long as this process lives
    filled: dict[int, Quantity] = Factory(dict)  # permanent id -> what its last status said
    questions: set[int] = Factory(set)  # ids of this session under which margin was asked for, and no order placed

    def new_session(self) -> None:
        """Order ids of an earlier session may name other orders by now."""
        self.orders.clear()
        self.ids.clear()
        self.groups.clear()
        self.questions.clear()

    def bind(self, order_id: int, ref: str, group: str = "") -> None:
        """An order id of this client and session is this reference's."""
        self.orders[order_id], self.ids[ref], self.groups[ref] = ref, order_id, group

    def ref_of(self, client: int | None, order_id: int, perm_id: int) -> str:
        """The reference of a message that carries none; nothing where nobody can say."""
        if perm_id in self.perms:
            return self.perms[perm_id]
        return self.orders.get(order_id, "") if client in (None, self.client_id) else ""

    def is_question(self, record: Record) -> bool:
        """Whether an orderStatus is about a question: under its id, and no order that the broker has a number for."""
        client, order_id, perm_id, _ = _ids(record)
        return client == self.client_id and order_id in self.questions and not perm_id


@define
class Translator:
    """From records to facts, in one session."""

    accounts: Accounts
    names: Names
    session: int = 0
    zone: tzinfo = USUAL
    _messages: int = 0

    def message(self) -> str:
        """The name of the message at hand, for evidence."""
        self._messages += 1
        return f"ibkr:{self.session}:{self._messages}"

    def open_order(self, record: Record) -> OrderSaid:
        """An openOrder: what the order is, with the broker's status. It does not say what filled, so that only `Filled`
        is an end here; of a cancel the orderStatus beside it tells, which knows the quantity."""
        client, order_id, perm_id, ref = _ids(record)
        if ref and perm_id:
            self.names.perms[perm_id] = ref
        if ref and client == self.names.client_id and order_id > 0:
            self.names.bind(order_id, ref, record["ocaGroup"])
        status = STATUSES.get(record["status"], BrokerStatus.UNKNOWN)
        filled = self.names.filled.get(perm_id, _NOTHING)
        if status is BrokerStatus.FILLED:
            filled = Quantity(number(record["totalQuantity"]) or filled)
        return OrderSaid(
            message=self.message(),
            session=self.session,
            ref=ref,
            account=self.accounts.tag(record["account"]),
            perm_id=perm_id,
            order_id=order_id,
            status=BrokerStatus.UNKNOWN if status is BrokerStatus.CANCELLED else status,
            filled=filled,
            echo=self._echo(record),
            group=record["ocaGroup"],
            symbol=symbol_of(record),
        )

    def order_status(self, record: Record) -> OrderSaid:
        """An orderStatus. After another client's cancel it carries that client's id: the permanent id decides."""
        client, order_id, perm_id, _ = _ids(record)
        ref = self.names.ref_of(client, order_id, perm_id)
        filled = Quantity(number(record["filled"]) or Decimal(0))
        if perm_id:
            self.names.filled[perm_id] = filled
            if ref:
                self.names.perms[perm_id] = ref
        remaining = number(record["remaining"])
        return OrderSaid(
            message=self.message(),
            session=self.session,
            ref=ref,
            account="",
            perm_id=perm_id,
            order_id=order_id,
            status=STATUSES.get(record["status"], BrokerStatus.UNKNOWN),
            filled=filled,
            remaining=None if remaining is None else Quantity(remaining),
            held=bool({one.strip() for one in record["whyHeld"].split(",")} - NO_HOLD),
        )

    def completed_order(self, record: Record) -> OrderSaid:
        """A completedOrder: no order id, no client; its quantity stands in a field of its own."""
        perm_id, ref = _id(record["permId"]), record["orderRef"]
        if ref and perm_id:
            self.names.perms[perm_id] = ref
        return OrderSaid(
            message=self.message(),
            session=self.session,
            ref=ref or self.names.perms.get(perm_id, ""),
            account=self.accounts.tag(record["account"]),
            perm_id=perm_id,
            order_id=0,
            status=STATUSES.get(record["status"], BrokerStatus.UNKNOWN),
            filled=Quantity(number(record["filledQuantity"]) or Decimal(0)),
            echo=self._echo(record),
            group=record["ocaGroup"],
            completed=True,
            reason=self.accounts.masked(record["completedStatus"]),
            symbol=symbol_of(record),
        )

    def execution(self, record: Record, heard_at: datetime) -> ExecutionSaid:
        """An execDetails. A time that cannot be read is the moment it was heard: no zone costs a fill."""
        client, order_id, perm_id, ref = _ids(record)
        shares, price = number(record["shares"]), number(record["price"])
        if shares is None or price is None or not record["execId"] or record["side"] not in SIDES:
            raise WireError(f"execution {record['execId'][:40]!r} has no quantity, price, side or id")
        if not 0 <= shares < QUANTITY_MAX or abs(price) >= PRICE_MAX:
            raise WireError(f"execution {record['execId'][:40]!r} is of a size or price that nothing has")
        # What is told of the day, and not as it happens, may name an id of ours as another program had it this morning.
        lately = order_id if record["reqId"] == LIVE else 0
        ref = ref or self.names.ref_of(client, lately, perm_id)
        if ref and perm_id:
            self.names.perms[perm_id] = ref
        return ExecutionSaid(
            message=self.message(),
            session=self.session,
            exec_id=record["execId"],
            ref=ref,
            account=self.accounts.tag(record["acctNumber"]),
            perm_id=perm_id,
            symbol=symbol_of(record),
            side=SIDES[record["side"]],
            quantity=Quantity(shares),
            price=Price(price),
            at=instant(record["time"], self.zone) or heard_at,
        )

    def commission(self, record: Record) -> CommissionSaid | None:
        """A commissionReport; one without an amount, or with TWS's word for one to come, says nothing yet."""
        amount, realized = number(record["commission"]), number(record["realizedPNL"])
        if amount is None or amount == PENDING:
            return None
        return CommissionSaid(
            message=self.message(),
            exec_id=record["execId"],
            amount=Money(amount),
            currency=record["currency"],
            realized=None if realized is None else Money(realized),
        )

    def error(self, record: Record) -> ErrorSaid:
        """A code, with the reference of the order that it is about, if it is about one of ours."""
        return ErrorSaid(
            message=self.message(),
            session=self.session,
            code=whole(record["code"]) or 0,
            text=self.accounts.masked(record["message"]),
            ref=self.names.orders.get(whole(record["id"]) or 0, ""),
        )

    def held(self, record: Record) -> Held:
        """A position."""
        quantity, average = number(record["position"]), number(record["avgCost"])
        if quantity is None:
            raise WireError("a position without a quantity")
        return Held(
            symbol_of(record),
            quantity,
            None if average is None else Price(average),
            self.accounts.tag(record["account"]),
            record["secType"] == SecType.CASH.value,
        )

    def _echo(self, record: Record) -> Line | None:
        return line_of(record, self.accounts.tag(record["account"]))


def merged(orders: dict[int, OrderSaid], said: OrderSaid) -> None:
    """Put a word on an order beside the words before it: an openOrder has the terms, a status the quantities."""
    key = said.perm_id or -said.order_id
    before = orders.get(key)
    if before is not None and not said.symbol:
        said = evolve(
            said, echo=before.echo, symbol=before.symbol, group=before.group, account=before.account,
            ref=said.ref or before.ref,
        )  # fmt: skip
    elif before is not None:
        status = before.status if said.status is BrokerStatus.UNKNOWN else said.status
        said = evolve(said, remaining=before.remaining, held=before.held, status=status)
    orders[key] = said


def symbol_of(record: Mapping[str, str]) -> str:
    """The desk's name of an instrument: both currencies of a pair, the symbol of a stock in dollars. Anything else is
    named apart, by its kind or its currency: an option on a stock, or a combination, is not more of the stock."""
    symbol, currency, kind = record["symbol"], record["currency"], record["secType"]
    if kind == SecType.CASH.value:
        return _plain(symbol + currency)
    if kind == SecType.STOCK.value:
        return _plain(symbol if currency == "USD" else f"{symbol}.{currency}")
    return _plain(f"{symbol}.{kind}")


@lru_cache(1024)
def _plain(name: str) -> str:
    """A name as alerts, tables and terminals may carry it: no gateway moves a cursor with it, or begins a line."""
    return sanitised(name)[:WORD_MAX]


def line_of(record: Mapping[str, str], account: str) -> Line | None:
    """The terms of an order as a record has them; None for terms that this desk never uses. A completed order that
    filled says nothing of its quantity: 0 is left of it."""
    quantity = number(record["totalQuantity"])
    kind, tif = ORDER_TYPES.get(record["orderType"]), _TIFS.get(record["tif"] or Tif.DAY.value)
    side, sec_type = _ACTIONS.get(record["action"]), _SEC_TYPES.get(record["secType"])
    if kind is None or tif is None or side is None or sec_type is None or not quantity:
        return None
    named = parsed_ref(record["orderRef"])
    return Line(
        role=named[1] if named is not None else Role.ENTRY,
        side=side,
        quantity=Quantity(quantity),
        order_type=kind,
        tif=tif,
        outside_hours=record["outsideRth"] == "1",
        account=account,
        symbol=symbol_of(record),
        con_id=whole(record["conId"]) or 0,
        sec_type=sec_type,
        currency=record["currency"],
        exchange=record["exchange"],
        limit=_price(record["lmtPrice"]) if kind is OrderType.LIMIT else None,
        trigger=_price(record["auxPrice"]) if kind is OrderType.STOP else None,
    )


def margin_said(record: Mapping[str, str]) -> Margin:
    """The account's initial margin before an order that was only asked about, and after it, to the cent. A figure that
    is none, or beyond what an account can bind, says nothing: no order hangs on it, and nobody is alarmed."""
    return Margin(_bound(record["initMarginBefore"]), _bound(record["initMarginAfter"]))


def _bound(written: str) -> Money | None:
    try:
        amount = number(written)
    except WireError:
        return None
    return (
        Money(amount.quantize(CENT, ROUND_HALF_EVEN, ARITHMETIC))
        if amount is not None and 0 <= amount <= BOUND_MAX
        else None
    )


def in_order(told: Iterable[ExecutionSaid]) -> tuple[ExecutionSaid, ...]:
    """Executions as they happened, whatever the order of the answer: what went in before what came out. Their times are
    whole seconds, so that of one second the entry is the earlier one."""
    return tuple(sorted(told, key=lambda said: (said.at, _is_exit(said.ref))))


def _is_exit(ref: str) -> bool:
    named = parsed_ref(ref)
    return named is not None and named[1].is_exit


def _price(written: str) -> Price | None:
    value = number(written)
    return None if value is None else Price(value)


def _ids(record: Record) -> tuple[int | None, int, int, str]:
    order_id = _id(record["orderId"])
    # TWS writes its word for "unset" where an order has no id.
    order_id = 0 if number(record["orderId"]) is None else order_id
    return whole(record["clientId"]), order_id, _id(record["permId"]), record.get("orderRef", "")


def _id(written: str) -> int:
    """An id, or 0 for none: TWS's words for an unset number are not ids, and no id is larger than a bead may say."""
    found = whole(written) or 0
    return found if abs(found) < 2**53 else 0
