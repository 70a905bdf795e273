"""A whole desk before the real client and our own gateway, on a loopback socket, for the waves of link and broker.

Between the engine and the socket nothing is played. The clock runs with the host's and leaps where a vector would wait;
what the gateway holds, works and has read is asked of the gateway itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

from attrs import define, evolve

from phoenix_adapters.brokers.ibkr.broker import IbkrBroker, build
from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.clock import HostClock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.gateway import Frame, GatewayServer, Setup
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_adapters.keys import SshVerifier
from phoenix_adapters.wire import CLIENT, SERVER, VERSION_MAX
from phoenix_cli.home import Settings
from phoenix_cli.wiring.bunny.stage import PAIR, PAIRS, START, Floor, SoftPen, first, soft_pen
from phoenix_cli.wiring.gateway_stage import ACCOUNT, PATIENCE_S, started
from phoenix_cli.wiring.opening import account_of
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_cli.wiring.simulator import WallOf
from phoenix_core.orders import parsed_ref
from phoenix_core.ports import BeadStore
from phoenix_core.values import Mode, Moment, State
from phoenix_core.world import Run

PLACE = str(CLIENT["placeOrder"].id)
ERROR = str(SERVER["error"].id)
FRESH_S = 2.0  # how old a round trip may be for an entry


class LeapingClock:
    """A clock that runs with the host's, and leaps ahead where somebody would otherwise wait."""

    def __init__(self, start: datetime) -> None:
        """Begin at an instant."""
        self.host = HostClock(start - datetime.now(UTC))
        self.ahead = timedelta(0)

    def now(self) -> Moment:
        """The present moment."""
        return self.host.now().plus(self.ahead)

    def leap(self, seconds: float) -> None:
        """So much time has passed."""
        self.ahead += timedelta(seconds=seconds)


@define
class LiveStage(Floor[LeapingClock]):
    """One desk with the gateway behind it."""

    clock: LeapingClock
    store: BeadStore
    broker: IbkrBroker
    server: GatewayServer
    frames: list[Frame]
    engine: Engine
    pen: SoftPen
    count: int = 0

    async def start(self) -> None:
        """Take the lease, connect, synchronise, reconcile."""
        _ = (await self.engine.start()).unwrap()
        ready = await self.until(lambda: self.is_fresh() and self.engine.link.snapshot is not None)
        assert ready, "the gateway on loopback never answered"

    async def until(self, true: Callable[[], bool]) -> bool:
        """Run the engine until something holds; whether it ever did."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.engine.step()
                    if true():
                        return True
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return False

    async def tick(self, seconds: float = 0.5) -> None:
        """So much time passes at once; the desk catches up, where there is a link until it could trade again."""
        self.clock.leap(seconds)
        self.server.core.advance(self.clock.now().wall)  # at the broker things happen whether or not its gateway runs
        self.server.poke()
        await self.engine.step()
        await self.engine.settle()
        if self.engine.link.up and self.server.listens:
            assert await self.until(self.is_fresh), "the link stands and says nothing"

    def is_fresh(self) -> bool:
        """Whether the session is synchronised and its last round trip is young."""
        link = self.engine.link.state(self.clock.now())
        age = link.round_trip_age
        return link.synchronised and age is not None and age.total_seconds() < FRESH_S

    async def hand_in(self, **overrides: str) -> str:
        """Hand a signal in, whatever comes of it; answers the intent."""
        return await super().propose(**overrides)

    async def propose(self, **overrides: str) -> str:
        """Hand a signal in; answers the intent once there is something to sign."""
        intent = await self.hand_in(**overrides)
        shown = await self.until(lambda: isinstance(screen_of(self.desk, intent, self.clock.now()), Screen))
        assert shown, f"{intent} never had a screen"
        return intent

    async def reaches(self, intent: str, state: State) -> bool:
        """Whether an intent's position comes to a state."""
        return await self.until(lambda: self.state(intent) is state)

    @property
    def sent(self) -> int:
        """How many place frames the gateway ever read."""
        return sum(map(self.is_place, self.frames))

    def is_place(self, frame: Frame) -> bool:
        """Whether the gateway read an order in this frame: each has its reference, a question about margin has none."""
        return frame.dir == "in" and frame.fields[0] == PLACE and any(map(parsed_ref, frame.fields))

    def price(self, bid: str, ask: str, symbol: str = PAIR) -> None:
        """Move the market, whether or not anybody listens."""
        self.server.act("quote", symbol=symbol, bid=bid, ask=ask)

    def held(self, symbol: str = PAIR) -> Decimal:
        """What the account holds, by the gateway's own book."""
        return self.server.core.venue.accounts[ACCOUNT].position(BY_NAME[symbol])

    def working(self) -> int:
        """How many orders work at the gateway."""
        return len(self.server.core.venue.book.live)

    def left(self) -> list[Decimal]:
        """What is left of each order that works at the gateway."""
        return [order.remaining for order in self.server.core.venue.book.live.values()]

    def said(self, code: int) -> list[str]:
        """What the errors of this code that the gateway ever sent were about: ids of orders, of requests, or -1."""
        out = (one.fields for one in self.frames if one.dir == "out" and one.fields[0] == ERROR)
        return [fields[2] for fields in out if fields[3] == str(code)]

    def refused(self, code: int) -> list[str]:
        """Those of them that were about an order which the gateway had read."""
        read = {one.fields[1] for one in self.frames if self.is_place(one)}
        return [about for about in self.said(code) if about in read]

    def kill_gateway(self) -> None:
        """As if its process were killed: sockets are reset, the port is closed. What is at the broker lives on."""
        self.server.kill()

    async def start_gateway(self, version: int = VERSION_MAX) -> None:
        """It runs again, speaking this version of the protocol."""
        self.server.core.setup = evolve(self.server.core.setup, server_version=version)
        await self.server.start()


@asynccontextmanager
async def live_stage(
    store: BeadStore, seed: int, version: int = VERSION_MAX, symbols: tuple[str, ...] = PAIRS
) -> AsyncIterator[LiveStage]:
    """A desk in PAPER on its own log, started, before a gateway that runs as long as somebody stands before it."""
    clock, frames, pen = LeapingClock(START), list[Frame](), soft_pen("operator")
    setup = Setup(
        accounts=(ACCOUNT,), cash={"USD": Decimal(100_000)}, seed=seed, volatility=0.0, server_version=version
    )
    server = await started(setup, WallOf(clock), frames.append)
    key = sha256(b"a desk before a gateway").digest()
    broker = build(
        server.host, server.port, Settings().client_id, ACCOUNT, lambda number: account_of(number, key), clock, symbols
    )
    engine = Engine(store, broker, clock, Run(run="run-1", mode=Mode.PAPER, version="test"), SshVerifier())
    desk = LiveStage(clock, store, broker, server, frames, engine, pen)
    for symbol in filter(BY_NAME.__contains__, symbols):  # others have no market: nobody lists them
        mid, tick = MIDS[symbol], CARDS[symbol].tick
        desk.price(str(mid - tick), str(mid + tick), symbol)
    account, founding = account_of(ACCOUNT, key), first(pen, Mode.PAPER)
    genesis = evolve(founding.genesis, account=account.tag, account_mask=account.mask)
    _ = desk.act(evolve(founding, genesis=genesis)).unwrap()
    try:
        await desk.start()
        yield desk
    finally:
        await broker.disconnect()
        await engine.settle()
        await server.stop()
