"""The demo's other stage: a PAPER desk, the real client library, and our own gateway on a loopback socket.

Nothing is mocked between the engine and the socket, and the clock runs: the walk takes as long as the messages do.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Final

from attrs import frozen

from phoenix_adapters.brokers.ibkr.broker import build
from phoenix_adapters.clock import HostClock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.gateway import Frame, GatewayServer, Setup
from phoenix_cli.home import Home, Settings
from phoenix_cli.wiring.founding import Keys, desk_key, make_keys
from phoenix_cli.wiring.opening import account_of
from phoenix_cli.wiring.simulator import WallOf
from phoenix_core.gate.guards import PORTS
from phoenix_core.ports import Broker, Clock
from phoenix_core.values import Mode

ACCOUNT: Final = "DU1234567"
# The port is the contract and stays what it is, so the address is what must be free.
HOSTS: Final = tuple(
    f"127.{a}.{b}.1" for a, b in chain(((40, n) for n in range(2, 250)), ((41, n) for n in range(250)))
)
PATIENCE_S: Final = 20.0  # a walk takes two seconds; only one that fails waits so long


@frozen
class Live:
    """What a PAPER desk stands on: its keys, a clock that runs, the broker, and a hand on the market."""

    keys: Keys
    clock: Clock
    broker: Broker
    move: Callable[[str, str], None]


@asynccontextmanager
async def gateway(home: Home, start: datetime, seed: int) -> AsyncIterator[Live]:
    """A gateway that runs while somebody stands before it, its clock beginning at `start`."""
    keys = make_keys(home, ACCOUNT)
    clock = HostClock(start.astimezone(UTC) - datetime.now(UTC))
    setup = Setup(accounts=(ACCOUNT,), cash={"USD": Decimal(100_000)}, seed=seed, volatility=0.0)
    server = await started(setup, WallOf(clock))
    key = desk_key(home)
    broker = build(
        server.host,
        server.port,
        Settings().client_id,
        ACCOUNT,
        lambda number: account_of(number, key),
        clock,
        ("EURUSD",),
    )

    def move(bid: str, ask: str) -> None:
        server.act("quote", symbol="EURUSD", bid=bid, ask=ask)

    try:
        yield Live(keys, clock, broker, move)
    finally:
        await broker.disconnect()
        await server.stop()


async def started(setup: Setup, clock: WallOf, record: Callable[[Frame], None] | None = None) -> GatewayServer:
    """A gateway on the first address of ours where nobody listens yet."""
    for host in HOSTS:
        server = GatewayServer(host, PORTS[Mode.PAPER], setup, clock, record)
        try:
            await server.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return server
    raise OSError(errno.EADDRINUSE, "no loopback address with a free port 4002")


async def until(engine: Engine, seconds: float, true: Callable[[], bool]) -> None:
    """Run the engine until something holds; that it never does is said as such."""
    async with asyncio.timeout(PATIENCE_S + seconds):
        while True:
            await engine.step()
            if true():
                return
            await asyncio.sleep(0.005)
