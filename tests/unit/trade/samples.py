"""One EURUSD position, its bracket and what a broker may say of it: what the tests of the trade wing start from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar, cast

from attrs import define, evolve, field, fields

from phoenix_core.beads import (
    Bead,
    Body,
    CanonicalSignal,
    Execution,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Proof,
    ProofKind,
)
from phoenix_core.facts import BrokerStatus, CommissionSaid, ErrorSaid, ExecutionSaid, OrderSaid
from phoenix_core.orders import Frame, Line, entry_ref, exit_ref, group_of, order_hash
from phoenix_core.trade.births import born
from phoenix_core.trade.exits import Stake, stake_of
from phoenix_core.trade.fills import Fills
from phoenix_core.trade.order_book import Orders
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Ended, Open, Positions, changed
from phoenix_core.trade.protection import protection_lines
from phoenix_core.values import Moment, Money, OrderRef, OrderType, Price, Quantity, Role, SecType, Side, State, Tif

T0: Final = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
REF: Final = entry_ref(b"a signed statement")
OTHER_REF: Final = entry_ref(b"another signed statement")
ACCOUNT: Final = "a" * 64
EVIDENCE: Final = "e" * 64
RULE: Final = Proof(ProofKind.RULE, "test")
WORD: Final = Proof(ProofKind.BROKER_MESSAGE, "1:1")
STOP_REF: Final = exit_ref(REF, Role.STOP, 1)
TARGET_REF: Final = exit_ref(REF, Role.TARGET, 1)
CLOSE_REF: Final = exit_ref(REF, Role.CLOSE, 2)
S = TypeVar("S", Positions, Orders, Fills)
WAITED_FOR: Final = (OrderEvent.RECORDED, OrderEvent.SENT, OrderEvent.CANCEL_REQUESTED)


def moment(at: datetime) -> Moment:
    """An instant on both clocks."""
    return Moment(at, timedelta(hours=5) + (at - T0), "boot")


def quantity(value: int | str) -> Quantity:
    """A quantity."""
    return Quantity(Decimal(value))


def price(value: int | str) -> Price:
    """A price."""
    return Price(Decimal(value))


def money(value: int | str) -> Money:
    """An amount of money."""
    return Money(Decimal(value))


def signal(intent_id: str = "intent-1", side: Side = Side.BUY, pair: str = "EURUSD") -> CanonicalSignal:
    """A READY setup."""
    stop, target = ("1.08", "1.10") if side is Side.BUY else ("1.10", "1.08")
    return CanonicalSignal(
        schema="cse-1",
        signal_id=f"signal-of-{intent_id}",
        intent_id=intent_id,
        signal="READY",
        pair=pair,
        side=side,
        setup_type="sweep",
        confidence=Decimal("0.8"),
        entry=price("1.09"),
        stop=price(stop),
        target=price(target),
        state_hash="s",
        strategy="london",
        created_at=T0,
    )


def entry_line(size: int = 10, side: Side = Side.BUY, sec_type: SecType = SecType.STOCK) -> Line:
    """A market entry."""
    return Line(
        role=Role.ENTRY,
        side=side,
        quantity=quantity(size),
        order_type=OrderType.MARKET,
        tif=Tif.DAY,
        outside_hours=False,
        account=ACCOUNT,
        symbol="EURUSD",
        con_id=12087792,
        sec_type=sec_type,
        currency="USD",
        exchange="IDEALPRO",
    )


def frame(ref: str, line: Line, revision: int = 1) -> Frame:
    """A frame of a line."""
    return Frame(OrderRef(ref), revision, order_hash((line,)), line)


def exit_lines(size: int = 10, side: Side = Side.BUY, sec_type: SecType = SecType.STOCK) -> tuple[Line, Line]:
    """The stop and the target of an entry."""
    made = signal(side=side)
    return protection_lines(entry_line(size, side, sec_type), quantity(size), made.stop, made.target)


def bracket(size: int = 10, ref: str = REF, side: Side = Side.BUY, sec_type: SecType = SecType.STOCK) -> Order:
    """The record of a native bracket: entry, stop and target in one hand-over."""
    stop, target = exit_lines(size, side, sec_type)
    entry = OrderRef(ref)
    return Order(
        event=OrderEvent.RECORDED,
        position_id=born(signal()).position_id,
        ref=ref,
        frames=(
            frame(ref, entry_line(size, side, sec_type)),
            frame(exit_ref(entry, Role.STOP, 1), stop),
            frame(exit_ref(entry, Role.TARGET, 1), target),
        ),
        group=group_of(entry, 1),
        mandate=f"evidence:{EVIDENCE}",
        token_id="token-1",
    )


def order_said(
    ref: str,
    status: BrokerStatus = BrokerStatus.SUBMITTED,
    filled: int = 0,
    *,
    perm_id: int = 7,
    echo: Line | None = None,
    group: str = "",
    held: bool = False,
    completed: bool = False,
    reason: str = "",
) -> OrderSaid:
    """The broker's word on an order."""
    return OrderSaid(
        message="1:1",
        session=1,
        ref=ref,
        account=ACCOUNT,
        perm_id=perm_id,
        order_id=5,
        status=status,
        filled=quantity(filled),
        echo=echo,
        group=group,
        held=held,
        completed=completed,
        reason=reason,
    )


def executed(
    exec_id: str, size: int, at: str = "1.09", ref: str = REF, side: Side = Side.BUY, perm_id: int = 7
) -> ExecutionSaid:
    """An execution as the broker says it."""
    return ExecutionSaid("1:1", 1, exec_id, ref, ACCOUNT, perm_id, "EURUSD", side, quantity(size), price(at), T0)


def commission(exec_id: str, amount: str, currency: str = "USD") -> CommissionSaid:
    """A commission as the broker says it."""
    return CommissionSaid("1:1", exec_id, money(amount), currency)


def error(code: int, ref: str = REF) -> ErrorSaid:
    """A code as the broker says it."""
    return ErrorSaid("1:1", 1, code, "words of the broker's", ref)


def twin(of: S) -> S:
    """A copy of a slice that shares nothing that changes."""
    copied = {}
    for each in fields(type(of)):
        value = getattr(of, each.name)
        if isinstance(value, dict):
            value = {key: type(item)(item) if isinstance(item, dict | list) else item for key, item in value.items()}
        elif isinstance(value, list):
            value = list(value)
        copied[each.name] = value
    return evolve(of, **copied)


@define
class Log:
    """A log in small: the three slices of one position's life, and the beads that they folded."""

    positions: Positions = field(factory=Positions)
    orders: Orders = field(factory=Orders)
    fills: Fills = field(factory=Fills)
    beads: tuple[Bead, ...] = ()
    now: datetime = T0

    def append(self, *bodies: Body) -> None:
        """Record bodies, each in its place and at this moment; what somebody waits for, on both clocks."""
        for body in bodies:
            if isinstance(body, Order) and body.event in WAITED_FOR:
                body = evolve(body, ticks=self.moment.ticks, boot=self.moment.boot)
            bead = Bead(len(self.beads), self.now, f"bead-{len(self.beads)}", body, "leaf")
            self.beads = (*self.beads, bead)
            for owner in (self.positions, self.orders, self.fills):
                owner.fold(bead)

    def twin(self) -> Log:
        """The same log, to be continued differently."""
        return Log(twin(self.positions), twin(self.orders), twin(self.fills), self.beads, self.now)

    def wait(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span

    @property
    def moment(self) -> Moment:
        """Now, on both clocks."""
        return moment(self.now)

    @property
    def position(self) -> Open:
        """The one open position."""
        (position,) = self.positions.open.values()
        return position

    @property
    def ended(self) -> Ended:
        """The one ended position."""
        (ended,) = self.positions.ended.values()
        return ended

    @property
    def stake(self) -> Stake:
        """What its exits are judged by."""
        return stake_of(self.position, self.orders, self.fills)

    def order(self, ref: str = REF) -> Known:
        """An order of it."""
        known = self.orders.find(ref)
        assert known is not None
        return known

    def walk(self, *events: PositionEvent) -> None:
        """Move the position through these events."""
        for event in events:
            self.append(step(self.position, event))


def step(position: Open, event: PositionEvent) -> Position:
    """The bead of an event, with the least that it needs to say."""
    match event:
        case PositionEvent.APPROVED:
            return changed(
                position,
                event,
                RULE,
                order_ref=REF,
                token_id="token-1",
                evidence_hash=EVIDENCE,
                requested_quantity=quantity(10),
            )
        case PositionEvent.FILLED:
            return changed(position, event, WORD, filled=quantity(10), average_entry=price("1.09"))
        case PositionEvent.CLOSED:
            return changed(position, event, WORD, exited=position.filled_quantity, realized=money("0.1"))
        case _:
            return changed(position, event, WORD)


def submitted(size: int = 10, side: Side = Side.BUY, sec_type: SecType = SecType.STOCK) -> Log:
    """A log in which a bracket was recorded and sent."""
    log = Log()
    log.append(born(signal(side=side)))
    log.append(evolve(step(log.position, PositionEvent.APPROVED), requested_quantity=quantity(size)))
    log.append(step(log.position, PositionEvent.SUBMITTED), bracket(size, side=side, sec_type=sec_type))
    for ref in (REF, STOP_REF, TARGET_REF):
        log.append(order_bead(log.order(ref), OrderEvent.SENT))
    return log


def order_bead(known: Known, event: OrderEvent, **fields_: object) -> Order:
    """A bead about an order."""
    said = Order(event, known.position_id, known.ref, role=known.role, revision=known.revision)
    return cast(Callable[..., Order], evolve)(said, **fields_)


def fill(log: Log, body: Execution) -> None:
    """Record an execution, and the position's quantities with it."""
    log.append(body)
    totals = log.fills.totals(log.position.position_id)
    event = None
    if log.position.state in (State.SUBMITTED, State.STALLED) and totals.entered > 0:
        event = PositionEvent.FILLED
    log.append(changed(log.position, event, WORD, filled=totals.entered, exited=totals.exited))
