"""A whole desk before the real client: engine, SQLite, keys, client library and socket; only the gateway is ours.

The clock runs, and leaps where a test would otherwise wait. Beside the desk's own tale stands the broker's truth: what
is held there, and what works there, looked at after every step of the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from attrs import Factory, define, evolve
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.gateway import Setup
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_adapters.gateway.orders import Order
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.home import Home
from phoenix_cli.wiring.founding import desk_key, make_keys
from phoenix_cli.wiring.gateway_stage import PATIENCE_S, until
from phoenix_cli.wiring.opening import account_of
from phoenix_cli.wiring.round_trip import Stage, approve, drop_signal, set_stage
from phoenix_cli.wiring.signing import root_text, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Alert, Body, Policy
from phoenix_core.gate.statements import Says
from phoenix_core.kernel import bead_of
from phoenix_core.trade.exits import Stake, stake_of
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Mode, Price, State
from phoenix_core.watch.codes import Code
from phoenix_core.world import Run, World
from tests.contract.broker.orders import NUMBER
from tests.contract.broker.suite import SYMBOL
from tests.contract.ibkr.scene import Scene

RECONNECTED_S = 6.0  # what a test may wait beyond its patience for the first of three attempts
STOPPED, REACHED = ("1.08100", "1.08110"), ("1.09105", "1.09115")  # quotes through the stop, and through the target

B = TypeVar("B", bound=Body)


@define
class Desk:
    """A desk and the gateway behind it."""

    scene: Scene
    stage: Stage
    nets: list[Decimal] = Factory(list)
    runs: int = 1

    # --- what the desk thinks ---

    @property
    def positions(self) -> list[Open | Ended]:
        """Every position there is, open or ended."""
        positions = self.stage.desk.positions
        return [one for one in (*positions.open.values(), *positions.ended.values()) if isinstance(one, Open | Ended)]

    def position_of(self, intent: str) -> Open | Ended:
        """The position of an intent."""
        (found,) = (one for one in self.positions if one.intent_id == intent)
        return found

    def stands(self, state: State) -> bool:
        """Whether the one position is in this state."""
        return [one.state for one in self.positions] == [state]

    @property
    def stake(self) -> Stake:
        """The one open position with its executions and its orders."""
        (position,) = self.stage.desk.positions.open.values()
        return stake_of(position, self.stage.desk.orders, self.stage.desk.fills)

    def held(self) -> Decimal:
        """What the open positions hold by their executions."""
        desk = self.stage.desk
        opened = desk.positions.open.values()
        return sum((stake_of(one, desk.orders, desk.fills).held for one in opened), Decimal(0))

    def bodies(self, kind: type[B]) -> list[B]:
        """Every body of one kind in the log, in order."""
        found = (bead_of(record).body for record in self.stage.store.read(0))
        return [body for body in found if isinstance(body, kind)]

    def alerted(self, *codes: Code) -> bool:
        """Whether a human was told each of these."""
        return {code.value for code in codes} <= {one.code for one in self.bodies(Alert)}

    # --- what is so ---

    def at_broker(self) -> Decimal:
        """What the account holds, by the broker's own book."""
        return self.scene.server.core.venue.accounts[NUMBER].position(BY_NAME[SYMBOL])

    def working(self) -> list[Order]:
        """The orders that live at the broker."""
        return list(self.scene.server.core.venue.book.live.values())

    def placed(self) -> list[str]:
        """The references of all place frames that the gateway read."""
        return [one["orderRef"] for one in self.scene.sent("placeOrder")]

    def is_owned(self) -> bool:
        """Whether what is held at the broker is what the open positions hold, or a standing disagreement says not."""
        return self.at_broker() == self.held() or bool(self.stage.desk.drifts.open)

    # --- what is done ---

    async def until(self, true: Callable[[], bool], extra_s: float = 0) -> None:
        """Run until something holds, noting what the broker holds after every step."""

        def look() -> bool:
            net = self.at_broker()
            if self.nets[-1:] != [net]:
                self.nets.append(net)
            return true()

        await self.stage.until(extra_s, look)

    async def reaches(self, state: State, extra_s: float = 0) -> None:
        """Run until the one position is in this state."""
        await self.until(lambda: self.stands(state), extra_s)

    async def leap(self, seconds: float) -> None:
        """Let so much time pass at once, then let the desk catch up with it until it could trade again."""
        self.scene.clock.leap(seconds)
        self.scene.server.poke()
        await self.until(self.is_fresh)

    def is_fresh(self) -> bool:
        """Whether the session is synchronised and its last round trip is young."""
        link = self.stage.engine.link.state(self.scene.clock.now())
        return link.synchronised and link.round_trip_age is not None and link.round_trip_age.total_seconds() < 2

    async def enter(self) -> str:
        """A signal, and a signature under what it became."""
        intent = drop_signal(self.stage)
        await self.until(lambda: self.stage.displays(intent))
        approve(self.stage, intent)
        return intent

    def sign(self, says: Says, policy: Policy | None = None) -> None:
        """A human's signed command, recorded by another process."""
        stage = self.stage
        with SqliteStore(stage.home.log) as store:
            now = stage.clock.now()
            recorder = Recorder(store, lambda desk: World(now, Run(mode=stage.engine.run.mode)))
            _ = recorder.catch_up()
            statement = statement_of(recorder.desk, store, says, now)
            command = signed(
                statement, stage.operator, SshVerifier(), root_text(store, recorder.desk.head.size), policy=policy
            )
            assert isinstance(command, Sign), f"not signed: {command}"
            said = recorder.act(command)
            assert is_successful(said), f"not taken: {said}"

    # --- death and what follows ---

    def die(self) -> None:
        """As if the engine's process were killed: nothing is said, nothing is finished."""
        line = self.scene.broker.line
        if line is not None:
            line.hear = lambda message: None
            line.lost = lambda why: None
            transport = line.ib.client.conn.transport
            assert transport is not None, "a session that stands has a transport"
            transport.abort()
        for task in self.stage.engine._tasks:
            _ = task.cancel()
        self.stage.store.close()

    async def revive(self, client: int = 17) -> None:
        """Another process over the same home, under this client id."""
        self.runs += 1
        before, scene = self.stage, self.scene
        known = scene.broker.accounts_known.account_of
        scene.broker = scene.another(client=client)
        scene.broker.accounts_known.account_of = known
        store = SqliteStore(before.home.log)
        engine = Engine(
            store,
            scene.broker,
            scene.clock,
            Run(run=f"run-{self.runs}", mode=Mode.PAPER, version="demo"),
            SshVerifier(),
            seam=before.engine.seam,
        )
        self.stage = evolve(before, store=store, engine=engine)
        _ = (await engine.start()).unwrap()


@asynccontextmanager
async def at_work(folder: Path, outside: Scene | None = None) -> AsyncIterator[Desk]:
    """A desk that is ready to take an order; before a scene's own gateway, or one that runs outside of it."""
    scene = outside or Scene(Setup(volatility=0.0, cash={"USD": Decimal(100_000)}))
    if outside is None:
        await scene.server.start()
    home = Home(folder)
    keys, key = make_keys(home, NUMBER), desk_key(home)
    scene.broker.accounts_known.account_of = lambda number: account_of(number, key)

    def move(bid: str, ask: str) -> None:
        scene.quote(Price(Decimal(bid)), Price(Decimal(ask)))

    desk = Desk(scene, set_stage(home, keys, Mode.PAPER, scene.clock, scene.broker, move, until))
    try:
        _ = (await desk.stage.engine.start()).unwrap()
        await desk.until(desk.stage.is_ready)
        yield desk
    finally:
        await scene.broker.disconnect()
        async with asyncio.timeout(PATIENCE_S):
            await desk.stage.engine.settle()
        desk.stage.store.close()
        await scene.server.stop()
