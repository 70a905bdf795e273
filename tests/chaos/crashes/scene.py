"""A production desk whose every point of death can be pictured, and the way back from a picture to a calm desk."""

from __future__ import annotations

import pickle
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from attrs import define

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.brokers.mock.working import Truth
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_cli.wiring.signing import root_text, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Limits, Policy
from phoenix_core.chain import StoreFault
from phoenix_core.checkpoint import Standing
from phoenix_core.gate.statements import Says
from phoenix_core.values import Mode, Price
from phoenix_core.world import Run
from tests.chaos.crashes.world import Camera, Ear, Folder, Outside, Picture, WatchedStore, Wire, lay, reboot
from tests.contract.beads.suite import ORIGIN, SIGNER
from tests.stage import ACCOUNT, START, Pen, Stage, first

MIDS: Final = {"EURUSD": "1.0850", "GBPUSD": "1.2700", "AUDUSD": "0.6600"}
# A life goes on long enough for every timer of an order to have its say: 10 s for an answer, 30 s and 60 s until
# STALLED, 90 s of working life; and past the repeats of a look at rows in motion (1, 3, 8 s).
CALM: Final = (0.5, 0.5, 1.5, 3.0, 8.0, 20.0, 31.0, 45.0, 5.0, 1.0)
# How long a process stays away: at once again, after a coffee, and longer than a signed exit lives.
AWAY: Final = (0.5, 7.0, 65.0)


def forget(truth: Truth) -> None:
    """The mock keeps its memory in this very process."""


@define(kw_only=True)
class Scene(Stage):
    """A desk over a watched log, a watched broker, and people whose memory outlives it."""

    store: WatchedStore
    outside: Outside
    camera: Camera
    runs: int

    def signature(self, says: Says, pen: Pen | None = None) -> Sign:
        """A signed statement as a command; nothing in it is drawn by chance, so that every run is the same run."""
        recorder = self.other()
        _ = recorder.catch_up()
        session = self.fresh().replace("-", "")
        statement = statement_of(recorder.desk, self.store, says, self.clock.now(), session)
        root = root_text(self.store, recorder.desk.head.size)
        command = signed(statement, pen or self.pen, SshVerifier(), root, token=self.fresh())
        assert isinstance(command, Sign), f"not signed: {command}"
        return command

    async def round(self, seconds: float) -> None:
        """Time passes and the engine takes one turn of it."""
        self.clock.advance(timedelta(seconds=seconds))
        for symbol, last in self.broker.quotes().items():
            self.broker.set_quote(symbol, last.bid, last.ask)
        await self.engine.step()
        await self.engine.settle()

    async def calm(self) -> None:
        """Nothing happens but time."""
        for seconds in CALM:
            await self.round(seconds)

    def roll(self) -> None:
        """From here on every point counts."""
        self.camera.on = True

    def enough(self) -> list[Picture]:
        """The camera goes off; what it took."""
        self.camera.on = False
        taken = list(self.camera.pictures.values())
        self.camera.pictures.clear()
        return taken


def _engine(store: WatchedStore, outside: Outside, camera: Camera, run: str) -> Engine:
    def witness() -> str:
        note = store.checkpoint(ORIGIN, SIGNER).alt(_disbelief).unwrap()
        camera("note outside", "before")
        outside.note = note
        camera("note outside", "after")
        return ""

    return Engine(
        store,
        Wire(outside.broker, camera, outside, lambda: camera.head().size, torn=camera.torn),
        outside.clock,
        Run(run=run, mode=Mode.MOCK, version="test"),
        SshVerifier(),
        (Ear(outside, camera),),
        Folder(outside, camera),
        latch=lambda: outside.latch,
        checkpoint=witness,
    )


def _disbelief(standing: Standing) -> StoreFault:
    raise AssertionError(f"the log is {standing} to a note that it signed")


def base_log(folder: Path) -> bytes:
    """A desk in its first minute, as a file."""
    path = folder / "base.db"
    with SqliteStore(path, ballast_bytes=0) as store:
        clock = manual_clock(START)
        outside = Outside(clock, MockBroker(clock, ACCOUNT, CARDS, Random(1)))
        policy = Policy(limits=Limits(open_positions_max=6, entries_per_day_max=500))
        pen = soft_pen("operator")
        engine = Engine(store, outside.broker, clock, Run(mode=Mode.MOCK), SshVerifier())
        _ = Stage(clock, store, outside.broker, engine, pen).act(first(pen, policy=policy)).unwrap()
    return path.read_bytes()


def opened(folder: Path, base: bytes, wal: bytes, outside: Outside, run: int) -> Scene:
    """A new process over what lies on the disk."""
    camera = Camera(outside)
    store = WatchedStore(lay(folder, base, wal), camera)
    engine = _engine(store, outside, camera, f"run-{run}")
    pen = soft_pen("operator")
    return Scene(
        clock=outside.clock,
        store=store,
        broker=outside.broker,
        engine=engine,
        pen=pen,
        count=1000 * run,
        outside=outside,
        camera=camera,
        runs=run,
    )


def scene(folder: Path, base: bytes) -> Scene:
    """The first run of a desk."""
    clock = manual_clock(START)
    broker = MockBroker(clock, ACCOUNT, {pair: CARDS[pair] for pair in MIDS}, Random(1), remember=forget)
    for symbol, mid in MIDS.items():
        tick = CARDS[symbol].tick
        broker.set_quote(symbol, Price(Decimal(mid) - tick), Price(Decimal(mid) + tick))
    return opened(folder, base, b"", Outside(clock, broker), 1)


def revived(picture: Picture, folder: Path, base: bytes, away: float, run: int) -> Scene:
    """A new process over what a picture shows, after a while; the log must be old or new, never between."""
    outside: Outside = pickle.loads(picture.outside)
    outside.lose_the_process()
    outside.clock.advance(timedelta(seconds=away))
    if picture.power:
        reboot(outside.clock, f"boot-{run}")
    found = opened(folder, base, picture.wal, outside, run)
    assert found.store.head() in picture.heads, f"{picture.point}: the log is neither old nor new"
    return found


async def successor(desk: Scene) -> None:
    """Another run takes the lease of the same log; whatever was said to the one before is lost with it."""
    desk.runs += 1
    desk.outside.lose_the_process()
    desk.engine = _engine(desk.store, desk.outside, desk.camera, f"run-{desk.runs}")
    _ = (await desk.engine.start()).unwrap()
