"""A gateway on a loopback socket and the adapter in front of it, with every frame that passed between them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

from phoenix_adapters.brokers.ibkr.broker import IbkrBroker, build
from phoenix_adapters.gateway import Frame, GatewayServer, Setup
from phoenix_adapters.wire import CLIENT, VERSION_MAX, Record, from_client
from phoenix_cli.wiring.bunny.live import LeapingClock
from phoenix_cli.wiring.simulator import WallOf
from phoenix_core.facts import Fact
from phoenix_core.orders import parsed_ref
from phoenix_core.values import Price, Quantity, Side
from tests.contract.broker.orders import NUMBER, account_of
from tests.contract.broker.suite import ABILITIES, PATIENCE_S, SYMBOL

# A Wednesday, 14:00 in New York: every market is open.
WEDNESDAY = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)
_PLACE = str(CLIENT["placeOrder"].id)
_HOSTS: Iterator[int] = count(1)


def is_question(fields: tuple[str, ...]) -> bool:
    """Whether these are a question about margin: an order of a desk's has its reference."""
    return fields[0] == _PLACE and not any(map(parsed_ref, fields))


def is_order(frame: Frame) -> bool:
    """Whether the gateway read an order in this frame."""
    return frame.dir == "in" and frame.fields[0] == _PLACE and not is_question(frame.fields)


class Scene:
    """One gateway, one adapter, one clock that began on a Wednesday."""

    can = frozenset(ABILITIES)

    def __init__(self, setup: Setup | None = None, symbols: tuple[str, ...] = (SYMBOL,), number: str = NUMBER) -> None:
        self.clock = LeapingClock(WEDNESDAY)
        self.account = account_of(number)
        self.frames: list[Frame] = []
        # An address of its own for every scene of every process, so that no test waits for another one's port.
        process = os.getpid()
        self.host = f"127.{192 + process // 250 % 32}.{next(_HOSTS) % 250 + 1}.{process % 250 + 1}"
        self.server = GatewayServer(
            self.host, 4002, setup or Setup(volatility=0.0), WallOf(self.clock), self.frames.append
        )
        self.broker: IbkrBroker = self.another(symbols, number)
        self.facts: list[Fact] = []

    def another(self, symbols: tuple[str, ...] = (SYMBOL,), number: str = NUMBER, client: int = 17) -> IbkrBroker:
        """One more adapter, as another process would be."""
        made = build(self.host, 4002, client, number, account_of, self.clock, symbols)
        made.answer_within_s, made.round_trip_within_s, made.connect_within_s = 3.0, 1.0, 5.0
        return made

    def quote(self, bid: Price, ask: Price) -> None:
        """Move the market."""
        self.server.act("quote", symbol=SYMBOL, bid=bid, ask=ask)

    def reject_next(self) -> None:
        """The next entry is refused for margin."""
        self.server.fault("reject_margin*1")

    def fill_half(self) -> None:
        """The next entry fills by half."""
        self.server.fault("partial_hold@parent")

    def cut(self) -> None:
        """Reset every connection."""
        self.server.act("drop")

    def mute(self, silent: bool) -> None:
        """Neither read nor write."""
        if silent:
            self.broker.answer_within_s = self.broker.round_trip_within_s = 0.3
            self.server.fault("mute")
        else:
            self.server.clear("mute")

    def trade_by_hand(self, side: Side, quantity: Quantity) -> None:
        """Somebody at TWS."""
        self.server.act("manual_place", symbol=SYMBOL, action=side.value, quantity=quantity)

    async def until(self, true: Callable[[], object]) -> None:
        """Take facts in until something holds; a test that waits in vain fails by itself."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.facts.extend(self.broker.drain())
                if true():
                    return
                await asyncio.sleep(0.002)

    def sent(self, name: str) -> list[Record]:
        """Every request of a name that the gateway read, in order; a question about margin is no order."""
        return [one for one in self._records(name) if one.get("whatIf") != "1"]

    def asked(self) -> list[Record]:
        """Every question about margin, in order."""
        return [one for one in self._records("placeOrder") if one["whatIf"] == "1"]

    def _records(self, name: str) -> list[Record]:
        hello = next((one for one in self.frames if one.dir == "out"), None)
        version = VERSION_MAX if hello is None else int(hello.fields[0])
        return [from_client(one.fields, version).record for one in self._read(name)]

    def times(self, name: str) -> list[datetime]:
        """When each request of a name arrived, by the gateway's clock."""
        return [one.t for one in self._read(name)]

    def _read(self, name: str) -> list[Frame]:
        number = str(CLIENT[name].id)
        return [one for one in self.frames if one.dir == "in" and one.fields[0] == number]


@asynccontextmanager
async def played(
    setup: Setup | None = None, symbols: tuple[str, ...] = (SYMBOL,), number: str = NUMBER
) -> AsyncIterator[Scene]:
    """A scene with its gateway running."""
    scene = Scene(setup, symbols, number)
    await scene.server.start()
    try:
        yield scene
    finally:
        await scene.broker.disconnect()
        await scene.server.stop()
