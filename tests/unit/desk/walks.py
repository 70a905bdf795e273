"""Walks of a whole desk that several tests start from, and facts to hand it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal

from phoenix_adapters.brokers.mock.chaos import Fill, Partial, Reject, Silence
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Position
from phoenix_core.facts import BrokerStatus, ExecutionSaid, Fact, OrderSaid
from phoenix_core.gate.statements import Close
from phoenix_core.values import CommandId, OrderRef, Price, Quantity, Side, text_hash
from tests.stage import PAIR, Stage, stage

WORDS = text_hash("because")


def walked(walk: Callable[[Stage], Coroutine[object, object, None]], made: Stage | None = None) -> Stage:
    """A started desk after a walk."""

    async def go() -> Stage:
        desk = made if made is not None else stage()
        await desk.start()
        await walk(desk)
        return desk

    return asyncio.run(go())


def said_of(desk: Stage, ref: str, status: BrokerStatus, filled: str = "0") -> OrderSaid:
    """The broker's word on an order, injected: on the one that it has under this reference, where it told of one."""
    account, session = desk.broker.account.tag, desk.broker.session()
    known = desk.desk.orders.find(ref)
    perm_id = known.perm_ids[0] if known is not None and known.perm_ids else 77
    return OrderSaid("test:1", session, ref, account, perm_id, 7, status, Quantity(Decimal(filled)))


async def hear(desk: Stage, *facts: Fact) -> None:
    """Let the engine hear these facts, as if the broker had said them."""
    desk.broker._inbox.extend(facts)
    await desk.tick()


def filled(desk: Stage, ref: str, quantity: str, side: Side = Side.BUY, exec_id: str = "late.1.01") -> ExecutionSaid:
    """An execution, injected."""
    account, at = desk.broker.account.tag, desk.clock.now().wall
    size, price = Quantity(Decimal(quantity)), Price(Decimal("1.085"))
    return ExecutionSaid("test:2", desk.broker.session(), exec_id, ref, account, 77, PAIR, side, size, price, at)


def ref_of(desk: Stage, intent: str) -> OrderRef:
    """The reference of an intent's entry."""
    return OrderRef(next(p.order_ref for p in desk.bodies(Position) if p.intent_id == intent and p.order_ref))


async def a_day(desk: Stage) -> None:
    """Fills, rejects, silence, a partial fill, a kill, a cut, a close by hand: most of what a log may hold."""
    desk.broker.script(Fill(), Reject(), Silence(), Partial(Decimal("0.5")))
    first = await desk.enter()
    _ = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
    await desk.tick(5)
    _ = await desk.enter(pair="AAPL", entry="190.22", stop="188.22", target="195.22")
    await desk.tick(65)
    _ = desk.act(RaiseKill(CommandId("k"), "instrument:GBPUSD", "test", "operator", cancel_working=True))
    await desk.tick(1)
    desk.broker.cut()
    await desk.tick(6)
    await desk.tick(6)
    _ = desk.sign(Close(first, WORDS))
    await desk.tick(2)
    await desk.tick(6)
