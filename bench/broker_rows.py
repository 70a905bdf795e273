"""Rows about the broker: our hand-over, and place to fill, beside `ib_insync` alone at the same gateway on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

import ib_insync

from bench.rows import Effort, Measured
from bench.timing import race, timed
from phoenix_core.facts import ExecutionSaid
from phoenix_core.kernel import ClearedOrder
from tests.contract.broker.orders import LOTS, STOP, TARGET, bracket
from tests.contract.broker.suite import SYMBOL, ready
from tests.contract.ibkr.scene import Scene, played

# Between two samples: both clients keep to some 45 messages a second, and a bracket is three.
APART_S = 0.15


class Ours:
    """Brackets through our adapter."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.numbers = scene, count()

    def order(self) -> ClearedOrder:
        """The next bracket, as the last look would clear it: making it is not timed."""
        card = self.scene.broker.instruments()[SYMBOL]
        return bracket(card, self.scene.account, f"bench {next(self.numbers)}")

    def place(self, order: ClearedOrder) -> None:
        """Forge, read back, count, write: three frames."""
        self.scene.broker.hand_over(order)

    async def filled(self, order: ClearedOrder) -> None:
        """Until the entry's execution has been heard."""
        while not any(isinstance(fact, ExecutionSaid) and fact.ref == order.ref for fact in self.scene.broker.drain()):
            await asyncio.sleep(0)


class Theirs:
    """The same brackets through the client's own calls."""

    def __init__(self, client: ib_insync.IB, scene: Scene) -> None:
        self.client, self.scene = client, scene
        self.pair = ib_insync.Contract(
            conId=12087792, symbol="EUR", secType="CASH", exchange="IDEALPRO", currency="USD"
        )
        self.trade: ib_insync.Trade | None = None

    def order(self) -> list[ib_insync.Order]:
        """The next bracket."""
        ids = [self.client.client.getReqId() for _ in range(3)]
        size = float(LOTS)
        return [
            ib_insync.MarketOrder("BUY", size, orderId=ids[0], transmit=False),
            ib_insync.StopOrder("SELL", size, float(STOP), orderId=ids[1], parentId=ids[0], tif="GTC", transmit=False),
            ib_insync.LimitOrder("SELL", size, float(TARGET), orderId=ids[2], parentId=ids[0], tif="GTC"),
        ]

    def place(self, orders: list[ib_insync.Order]) -> None:
        """Three calls of `placeOrder`."""
        self.trade, *_ = [self.client.placeOrder(self.pair, order) for order in orders]

    async def filled(self, orders: list[ib_insync.Order]) -> None:
        """Until the entry's execution has been heard."""
        assert self.trade is not None, "something was placed"
        while not self.trade.fills:
            await asyncio.sleep(0)


def broker_beside(effort: Effort) -> dict[str, Measured]:
    """Three frames of a bracket to the transport, and the same until its entry is known to be filled."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    run: Callable[[Awaitable[object]], object] = loop.run_until_complete
    stage = played()
    scene = loop.run_until_complete(stage.__aenter__())
    client = ib_insync.IB()
    try:
        run(ready(scene))
        run(client.connectAsync(scene.host, 4002, clientId=99, timeout=10))
        ours, theirs = Ours(scene), Theirs(client, scene)

        def handed(side: Ours | Theirs, until_filled: bool) -> Callable[[], float]:
            def sample() -> float:
                run(asyncio.sleep(APART_S))
                order = side.order()
                began = time.perf_counter()
                took = timed(lambda: side.place(order))  # type: ignore[arg-type]  # each side takes what it made
                run(side.filled(order))  # type: ignore[arg-type]  # the same
                return time.perf_counter() - began if until_filled else took

            return sample

        placed = {"phoenix": handed(ours, False), "ib_insync": handed(theirs, False)}
        filled = {"phoenix": handed(ours, True), "ib_insync": handed(theirs, True)}
        hand_over, to_fill = (race(each, effort.rounds, effort.dice) for each in (placed, filled))
    finally:
        client.disconnect()
        run(stage.__aexit__(None, None, None))
        loop.close()
    return {
        "hand-over": Measured(hand_over["phoenix"].p50 / hand_over["ib_insync"].p50, hand_over),
        "fill": Measured(to_fill["phoenix"].p50 / to_fill["ib_insync"].p50, to_fill),
    }
