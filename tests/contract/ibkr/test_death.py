"""Gateway or engine killed at every message of one order's life: one order per intent, nothing lost, unknown is said.

The life is what passes between the first place frame and the standing protection. Each walk kills one boundary later
than the one before, until an order lives through undisturbed. The engine is a process of its own and dies by SIGKILL.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from attrs import define, field
from click.testing import CliRunner

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.gateway import Frame, GatewayServer, Setup
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_adapters.seams.files import write_whole
from phoenix_adapters.wire import CLIENT, SERVER
from phoenix_cli.__main__ import cli
from phoenix_cli.home import Home
from phoenix_cli.wiring.founding import operator_of
from phoenix_cli.wiring.round_trip import SIGNAL, sign_approval
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Mode, State, derived_id, utc_text
from phoenix_core.world import Run, World
from tests.contract.broker.orders import ASK, BID, NUMBER
from tests.contract.broker.suite import PATIENCE_S
from tests.contract.ibkr.desk import Desk, at_work
from tests.contract.ibkr.scene import WEDNESDAY, Scene, is_order
from tests.showing import shows

_IN: Final = {str(CLIENT[name].id) for name in ("placeOrder", "cancelOrder")}
_OUT: Final = {str(SERVER[name].id) for name in ("openOrder", "orderStatus", "execDetails", "commissionReport")}
MESSAGES_MIN: Final = 15  # three frames in, and at least a dozen words about three orders


@define
class Reaper:
    """Counts the messages of an order's life as the gateway sees them, and kills at one of them."""

    boundary: int
    kill: Callable[[str], None]
    seen: int = 0
    begun: bool = False

    def __call__(self, frame: Frame) -> None:
        """One message: about to be heard, or about to be written."""
        self.begun = self.begun or is_order(frame)
        if self.begun and frame.fields[0] in (_IN if frame.dir == "in" else _OUT):
            self.seen += 1
            if self.seen == self.boundary:
                self.kill(frame.dir)

    @property
    def struck(self) -> bool:
        """Whether the boundary was reached."""
        return self.seen >= self.boundary


@shows("F01", "F02", "F21", "F24", "I1", "I9", "L1", "L9")
async def test_a_gateway_killed_at_any_message_leaves_one_order_and_nothing_unsaid(tmp_path: Path) -> None:
    """Its sockets are reset with whatever waited in them, what it had not read is lost, orders live on at the broker.
    The next session finds what there is: filled and protected, or nothing of which more is known: STALLED."""
    outcomes = set()
    for boundary in count(1):
        folder = tmp_path / str(boundary)
        async with at_work(folder) as desk:
            server = desk.scene.server

            def kill(direction: str, server: GatewayServer = server) -> None:
                if direction == "in":
                    server.core.faults.switch_on("half_open")  # read from the socket, and never understood
                server.kill()

            reaper = Reaper(boundary, kill)
            _recorded_by(desk.scene, reaper)
            _ = await desk.enter()
            await desk.until(lambda: reaper.struck or desk.stands(State.MANAGED))  # noqa: B023 -- awaited at once
            if not reaper.struck:
                break
            await _gateway_back(desk)
            await desk.until(lambda: desk.positions[0].state in (State.MANAGED, State.STALLED))
            for _ in range(2):
                await desk.leap(5)
            outcomes.add(state := desk.positions[0].state)
            assert len(desk.placed()) == len(set(desk.placed())) <= 3, boundary
            assert desk.at_broker() == desk.held() == (166_666 if state is State.MANAGED else 0), boundary
            assert state is State.MANAGED or "No word from the broker" in "".join(desk.stage.tale.lines), boundary
    assert boundary > MESSAGES_MIN and outcomes == {State.MANAGED, State.STALLED}


def _recorded_by(scene: Scene, reaper: Reaper) -> None:
    frames = scene.frames.append

    def record(frame: Frame) -> None:
        frames(frame)
        reaper(frame)

    scene.server.record = record


async def _gateway_back(desk: Desk) -> None:
    await desk.until(lambda: not desk.stage.engine.link.up)
    desk.scene.server.core.faults.switch_off("half_open")
    await desk.scene.server.start()
    desk.scene.clock.leap(5)
    await desk.until(desk.is_fresh)


# --- the engine, as a process -----------------------------------------------------------------------------------------

# Forked from a process that has everything imported: a start costs what the engine costs, and no interpreter.
_FORKED: Final = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["phoenix_cli.commands.engine", "phoenix_adapters.brokers.ibkr.broker"])


def run_engine(home: str, environment: dict[str, str]) -> None:
    """What `phoenix run` does, in a process that will be killed."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- as long as the process
    os.environ.update(environment)
    cli.main(["--home", home, "run"], prog_name="phoenix")


@define
class Engine:
    """An engine's process over a home, beside a gateway in this one; seen from outside, through its log."""

    home: Home
    scene: Scene
    process: multiprocessing.process.BaseProcess | None = field(default=None)
    intent: str = derived_id("death", "intent")
    store: SqliteStore = field(init=False)
    recorder: Recorder = field(init=False)

    def __attrs_post_init__(self) -> None:
        """One log, looked at as any other process would."""
        self.store = SqliteStore(self.home.log)
        clock = self.scene.clock
        self.recorder = Recorder(self.store, lambda desk: World(clock.now(), Run(mode=Mode.PAPER)))

    def start(self) -> None:
        """Another engine."""
        environment = {"IBKR_HOST": self.scene.host, "PHOENIX_CLOCK": WEDNESDAY.isoformat()}
        self.process = _FORKED.Process(target=run_engine, args=(str(self.home.path), environment), daemon=True)
        self.process.start()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None and self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)

    async def until(self, true: Callable[[], object]) -> None:
        """Let gateway and engine work until the log says so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                _ = self.recorder.catch_up()
                if true():
                    return
                await asyncio.sleep(0.005)

    @property
    def state(self) -> State | None:
        """Where the one position is."""
        positions = self.recorder.desk.positions
        found = (*positions.open.values(), *positions.ended.values())
        states: list[State] = [one.state for one in found if isinstance(one, Open | Ended)]
        assert len(states) <= 1, "there is one intent"
        return states[0] if states else None

    @property
    def held(self) -> Decimal:
        """What it holds by its executions."""
        desk = self.recorder.desk
        return sum((stake_of(one, desk.orders, desk.fills).held for one in desk.positions.open.values()), Decimal(0))

    @property
    def at_broker(self) -> Decimal:
        """What the account holds."""
        account = self.scene.server.core.venue.accounts[NUMBER]
        return account.position(BY_NAME["EURUSD"])

    def is_ready(self) -> bool:
        """Whether somebody has something to approve."""
        return isinstance(screen_of(self.recorder.desk, self.intent, self.scene.clock.now()), Screen)

    def propose(self) -> None:
        """The bot's part."""
        text = SIGNAL.format(intent=self.intent, created=utc_text(self.scene.clock.now().wall))
        write_whole(self.home.path / "intents/incoming/demo.yaml", text)

    def approve(self) -> None:
        """The human's part."""
        _ = sign_approval(self.recorder, self.store, operator_of(self.home), self.intent, self.scene.clock.now())


@asynccontextmanager
async def engine_on(template: Path, folder: Path) -> AsyncIterator[Engine]:
    """A copy of a founded home, a gateway, and an engine that has something to approve."""
    _ = shutil.copytree(template, folder)
    scene = Scene(Setup(volatility=0.0, cash={"USD": Decimal(100_000)}))
    await scene.server.start()
    scene.quote(BID, ASK)
    write_whole(
        folder / "run/clock", f"{WEDNESDAY.isoformat()}\n{scene.clock.host.shift // timedelta(microseconds=1)}\n"
    )
    engine = Engine(Home(folder), scene)
    engine.recorder.wake()
    engine.start()
    try:
        engine.propose()
        await engine.until(engine.is_ready)
        yield engine
    finally:
        assert engine.process is not None
        engine.process.kill()
        await asyncio.to_thread(engine.process.join)
        engine.store.close()
        await scene.server.stop()


def founded(folder: Path) -> Path:
    """The home of a PAPER desk."""
    made = CliRunner().invoke(cli, ["--home", str(folder), "init", "--mode", "paper", "--account", NUMBER])
    assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@shows("F21", "F24", "I1", "I9", "I21")
async def test_an_engine_killed_at_any_message_leaves_one_order_and_nothing_unsaid(every: int, tmp_path: Path) -> None:
    """SIGKILL as the gateway reads or writes the message, each fourth of them, at night every one; another engine
    starts at once: what filled is found and protected, and not one frame is sent a second time."""
    template = founded(tmp_path / "home")

    async def lives_through(boundary: int) -> bool:
        """Walk to the end with an engine killed at the boundary; whether nothing was killed."""
        async with engine_on(template, tmp_path / str(boundary)) as engine:
            reaper = Reaper(boundary, lambda direction: engine.kill())
            _recorded_by(engine.scene, reaper)
            engine.approve()
            await engine.until(lambda: reaper.struck or engine.state is State.MANAGED)
            if reaper.struck:
                assert engine.process is not None
                await asyncio.to_thread(engine.process.join)
                engine.start()
            await engine.until(lambda: engine.state is State.MANAGED and engine.held == engine.at_broker)
            placed = [one["orderRef"] for one in engine.scene.sent("placeOrder")]
            assert len(placed) == len(set(placed)) == 3 and engine.at_broker == 166_666, boundary
            return not reaper.struck

    # Two at a time: a start is mostly waiting.
    for boundary in count(1, 2 * every):
        lived = await asyncio.gather(*(lives_through(each) for each in (boundary, boundary + every)))
        if any(lived):
            break
    assert boundary + every > MESSAGES_MIN
