"""Scenarios, second part: what is held, how it is left, and what brokers say that they should not have to say."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from phoenix_adapters.brokers.mock.chaos import Partial, Silence
from phoenix_adapters.brokers.mock.working import Working
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Resolution
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import Adopt, CancelOrphans, Close, Protect, ResolveDrift, ResolveStalled, StalledEnd
from phoenix_core.orders import exit_ref
from phoenix_core.trade.positions import Open
from phoenix_core.values import OrderRef, Price, Quantity, Role, Side, text_hash
from tests.chaos.crashes.entries import SECOND, Scenario
from tests.chaos.crashes.scene import Scene

WORDS: Final = text_hash("because it must be")
PRICES: Final = tuple(Price(Decimal(text)) for text in ("1.2670", "1.2700", "1.2760"))
OWNER: Final = Adopt(
    symbol="EURUSD",
    side=Side.BUY,
    quantity=Quantity(Decimal(30000)),
    price=Price(Decimal("1.0850")),
    stop=Price(Decimal("1.0820")),
    target=Price(Decimal("1.0910")),
    strategy="trend",
    reason=WORDS,
)


async def held(desk: Scene, **overrides: str) -> str:
    """A desk that holds something, protected."""
    await desk.start()
    return await desk.enter(**overrides)


def position(desk: Scene, intent: str) -> Open:
    """The open position of an intent."""
    found = desk.position(intent)
    assert isinstance(found, Open), f"{intent} is over"
    return found


def order(desk: Scene, intent: str, role: Role = Role.ENTRY, generation: int = 1) -> Working:
    """One order of a position as the broker knows it."""
    ref = OrderRef(position(desk, intent).order_ref or "")
    return desk.broker.truth.book[ref if role is Role.ENTRY else exit_ref(ref, role, generation)]


def demand(desk: Scene) -> None:
    """Somebody asks for a look at the whole picture."""
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()


async def rounds(desk: Scene, *seconds: float) -> None:
    """The engine takes its turns."""
    for each in seconds:
        await desk.round(each)


async def corrected(desk: Scene, quantity: Decimal) -> None:
    """The broker replaces the entry's execution by one of another size."""
    intent = await held(desk)
    was = desk.broker.truth.executions[0]
    name, _, _ = was.exec_id.rpartition(".")
    said = evolve(was, message="mock:correction", exec_id=f"{name}.02", quantity=Quantity(quantity))
    desk.broker.truth.held[was.symbol] += quantity - was.quantity
    order(desk, intent).filled = quantity
    desk.broker.truth.executions.append(said)
    desk.roll()
    desk.broker.tell(said)
    await rounds(desk, 0.5, 1, 3, 8, 1)


# --- ways out ---------------------------------------------------------------------------------------------------------


async def stopped_out(desk: Scene) -> None:
    """The stop executes; the target goes; the position closes."""
    _ = await held(desk)
    desk.roll()
    desk.price("1.0815", "1.0816")
    await rounds(desk, 0.5, 1)


async def target_met(desk: Scene) -> None:
    """The target executes."""
    _ = await held(desk)
    desk.roll()
    desk.price("1.09105", "1.09115")
    await rounds(desk, 0.5, 1)


async def closed_by_hand(desk: Scene) -> None:
    """A human signs a close; it joins its protection's group and executes."""
    intent = await held(desk)
    desk.roll()
    _ = desk.sign(Close(intent, WORDS)).unwrap()
    await rounds(desk, 0.5, 1)


async def closed_half(desk: Scene) -> None:
    """A part is closed by hand; what is left stays protected for its size."""
    intent = await held(desk, quantity="100000")
    desk.roll()
    _ = desk.sign(Close(intent, WORDS, Quantity(Decimal(40000)))).unwrap()
    await rounds(desk, 0.5, 1, 3)


async def closed_half_beside(desk: Scene) -> None:
    """The same where no close joins a group: stop and target get the size of what is left, then the close goes."""
    desk.broker.groups_hold = False
    await closed_half(desk)


async def closed_while_filling(desk: Scene) -> None:
    """A close while half of the entry still works: first its cancel, then what is held."""
    await desk.start()
    desk.broker.script(Partial(Decimal("0.5")))
    intent = await desk.enter(quantity="100000")
    desk.roll()
    _ = desk.sign(Close(intent, WORDS)).unwrap()
    await rounds(desk, 0.5, 1, 3)


async def stop_races_close(desk: Scene) -> None:
    """The stop executes at the very moment at which a human signs a close."""
    intent = await held(desk)
    desk.roll()
    _ = desk.sign(Close(intent, WORDS)).unwrap()
    desk.price("1.0815", "1.0816")
    await rounds(desk, 0.5, 1)


async def closed_while_away(desk: Scene) -> None:
    """The target executes while the link is down; it is learnt with the next session."""
    _ = await held(desk)
    desk.broker.refuse_connects(1)
    desk.broker.cut()
    await desk.round(0.5)
    desk.price("1.09105", "1.09115")
    desk.roll()
    await rounds(desk, 6, 16, 1)


# --- protection -------------------------------------------------------------------------------------------------------


async def protection_lost(desk: Scene) -> None:
    """The broker takes stop and target away: told at once, placed again once."""
    intent = await held(desk)
    desk.roll()
    for role in (Role.STOP, Role.TARGET):
        desk.broker._end(order(desk, intent, role), BrokerStatus.CANCELLED, "gone")
    await rounds(desk, 0.5, 1, 3, 8, 1)


async def protected_by_hand(desk: Scene) -> None:
    """It went twice; a human places it with another stop."""
    intent = await held(desk)
    for generation in (1, 2):
        for role in (Role.STOP, Role.TARGET):
            desk.broker._end(order(desk, intent, role, generation), BrokerStatus.CANCELLED, "gone")
        for _ in range(3):
            await desk.tick(20)
    desk.roll()
    _ = desk.sign(Protect(intent, stop=Price(Decimal("1.08")))).unwrap()
    await rounds(desk, 0.5, 1, 3)


async def stop_cancelled_alone(desk: Scene) -> None:
    """Only the stop goes: what is left protects nothing."""
    intent = await held(desk)
    desk.roll()
    desk.broker._end(order(desk, intent, Role.STOP), BrokerStatus.CANCELLED, "gone")
    await rounds(desk, 0.5, 1, 3, 8, 1)


# --- what brokers say -------------------------------------------------------------------------------------------------


async def overfilled(desk: Scene) -> None:
    """More is executed than was ordered."""
    intent = await held(desk)
    desk.roll()
    desk.broker._execute(order(desk, intent), Decimal(1000))
    await rounds(desk, 0.5, 1, 3, 8, 1)


async def execution_corrected(desk: Scene) -> None:
    """X.02 replaces X.01 with less."""
    await corrected(desk, Decimal(20000))


async def execution_busted(desk: Scene) -> None:
    """X.02 replaces X.01 with nothing."""
    await corrected(desk, Decimal(0))


async def told_twice(desk: Scene) -> None:
    """Every execution and every order is told again, as after a query."""
    _ = await held(desk)
    desk.roll()
    _ = await desk.broker.resynchronise()
    await rounds(desk, 0.5, 1)


async def two_orders_one_reference(desk: Scene) -> None:
    """A second order answers to a reference of ours."""
    intent = await held(desk)
    said = evolve(desk.broker._order_said(order(desk, intent, Role.STOP)), perm_id=990_001)
    desk.roll()
    desk.broker.tell(said)
    await rounds(desk, 0.5, 1, 3)


async def filled_after_cancel(desk: Scene) -> None:
    """An order that was told to be cancelled executes; a human gives it an owner."""
    await desk.start()
    desk.broker.script(Silence())
    intent = await desk.enter()
    entry = order(desk, intent)
    desk.broker._end(entry, BrokerStatus.CANCELLED, "cancelled by the broker")
    for _ in range(3):
        await desk.tick(2)
    over = desk.position(intent)
    assert not isinstance(over, Open), "it is over"
    desk.roll()
    desk.broker._execute(entry, entry.remaining)
    await rounds(desk, 0.5, 1, 3, 8, 1)
    drift = next(iter(desk.desk.drifts.open.values()))
    line, ended = entry.frame.line, next(iter(desk.desk.positions.ended))
    says = evolve(OWNER, symbol=line.symbol, quantity=line.quantity, linked_to=ended, drift=drift.identity)
    _ = desk.sign(says)
    await rounds(desk, 0.5, 1, 3)


async def adopted(desk: Scene) -> None:
    """Somebody traded past Phoenix; a human adopts it, and it is protected."""
    await desk.start()
    desk.broker.trade_by_hand("GBPUSD", Side.BUY, Quantity(Decimal(30000)))
    await desk.tick(301)
    desk.roll()
    says = evolve(OWNER, symbol="GBPUSD", price=PRICES[1], stop=PRICES[0], target=PRICES[2])
    _ = desk.sign(says).unwrap()
    await rounds(desk, 0.5, 1, 3)


# --- what only a human ends -------------------------------------------------------------------------------------------


async def stalled_without_a_trace(desk: Scene) -> str:
    """An order that the broker forgot."""
    await desk.start()
    desk.broker.script(Silence())
    intent = await desk.enter()
    desk.broker.truth.book.clear()
    await desk.tick(62)
    return intent


async def resolved_as_cancelled(desk: Scene) -> None:
    """Two pictures show nothing, and a human signs that it is over."""
    intent = await stalled_without_a_trace(desk)
    for _ in range(3):
        await desk.tick(301)
    desk.roll()
    _ = desk.sign(ResolveStalled(intent, StalledEnd.CANCELLED, WORDS)).unwrap()
    await rounds(desk, 0.5, 1)


async def resolved_as_filled(desk: Scene) -> None:
    """A human states what was filled, from the broker's paper; it is protected as any fill."""
    intent = await stalled_without_a_trace(desk)
    found = position(desk, intent)
    desk.broker.truth.held[found.pair] = Decimal(found.requested_quantity)
    price = Price(Decimal("1.085"))
    desk.roll()
    says = ResolveStalled(intent, StalledEnd.FILLED, WORDS, found.requested_quantity, price, "paper 1")
    _ = desk.sign(says).unwrap()
    await rounds(desk, 0.5, 1, 3)


async def drifted(desk: Scene) -> str:
    """The broker reports another size than ours; found, told, stopped. Answers the drift."""
    _ = await held(desk, quantity="100000")
    desk.broker.spoof("EURUSD", Decimal(130_000))
    demand(desk)
    for _ in range(5):
        await desk.tick(3)
    return next(iter(desk.desk.drifts.open))


async def drift_found(desk: Scene) -> None:
    """From the lie to the drift, its kill and its alert."""
    _ = await held(desk, quantity="100000")
    desk.broker.spoof("EURUSD", Decimal(130_000))
    desk.roll()
    demand(desk)
    await rounds(desk, 0.5, 1, 3, 8, 1)


async def drift_acknowledged(desk: Scene) -> None:
    """A human has seen it; it stays visible."""
    drift = await drifted(desk)
    desk.roll()
    _ = desk.sign(ResolveDrift(drift, Resolution.ACKNOWLEDGED, WORDS)).unwrap()
    await rounds(desk, 0.5, 1)


async def drift_answered_by_broker(desk: Scene) -> None:
    """The broker mends its report, a human says so, the next picture proves it, the kill comes down."""
    drift = await drifted(desk)
    desk.roll()
    _ = desk.sign(ResolveDrift(drift, Resolution.BROKER_CORRECTED, WORDS)).unwrap()
    desk.broker.spoof("EURUSD", None)
    demand(desk)
    await rounds(desk, 0.5, 1, 3)


async def orphans_cancelled(desk: Scene) -> None:
    """Somebody closed the position by hand in another window: our exits would open one. One signature ends them."""
    intent = await held(desk)
    quantity = position(desk, intent).filled_quantity
    desk.broker.trade_by_hand("EURUSD", Side.SELL, quantity)
    demand(desk)
    for _ in range(5):
        await desk.tick(3)
    orphan = [drift for drift in desk.desk.drifts.open.values() if drift.refs]
    desk.roll()
    for drift in orphan:
        _ = desk.sign(CancelOrphans(drift.identity, drift.refs))
    await rounds(desk, 0.5, 1, 3)


async def two_lives(desk: Scene) -> None:
    """One position closes while another one is entered."""
    _ = await held(desk)
    second = await desk.propose(**SECOND)
    desk.roll()
    desk.price("1.09105", "1.09115")
    _ = desk.approve(second).unwrap()
    await rounds(desk, 0.5, 1)
    desk.clock.advance(timedelta(seconds=1))


LIVES: Final[tuple[Scenario, ...]] = (
    stopped_out,
    target_met,
    closed_by_hand,
    closed_half,
    closed_half_beside,
    closed_while_filling,
    stop_races_close,
    closed_while_away,
    protection_lost,
    protected_by_hand,
    stop_cancelled_alone,
    overfilled,
    execution_corrected,
    execution_busted,
    told_twice,
    two_orders_one_reference,
    filled_after_cancel,
    adopted,
    resolved_as_cancelled,
    resolved_as_filled,
    drift_found,
    drift_acknowledged,
    drift_answered_by_broker,
    orphans_cancelled,
    two_lives,
)
