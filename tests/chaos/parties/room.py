"""The room in which two parties meet: a log, a broker and a clock, put back as they were before each interleaving."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from attrs import Factory, define, evolve, field, frozen

from phoenix_adapters.beads.memory import MemoryLog, MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.beads import Bead
from phoenix_core.chain import Sealed
from phoenix_core.desk import Desk
from phoenix_core.facts import Checked, Fact
from phoenix_core.kernel import bead_of
from phoenix_core.ports import BeadStore
from phoenix_core.values import Mode, Price
from phoenix_core.world import Run, World
from tests.chaos.crashes.judge import Complaint, Ledger, kept
from tests.chaos.crashes.scene import MIDS, forget
from tests.chaos.crashes.world import Ear, Outside, Wire
from tests.chaos.parties.turns import Gate, Gated
from tests.contract.beads.suite import ORIGIN, SIGNER
from tests.stage import ACCOUNT, START, Stage, first

Store = MemoryStore | SqliteStore
LINK: Final = ("up", "synchronised", "snapshot", "_round_trip", "_asked_at", "_synchronised_at", "_looked_at")


def _nothing(what: str, when: str) -> None:
    """Nobody takes pictures here."""


@define(kw_only=True)
class Set(Stage):
    """The stage on which a script is set up, before the two parties come."""

    outside: Outside


@frozen
class Prepared:
    """A moment of a desk, as it can be had again and again."""

    log: MemoryLog
    outside: bytes
    desk: bytes
    run: Run
    link: dict[str, object]
    verified: dict[int, Checked]
    ledger: bytes  # the judge's, of all that was there before
    made: tuple[object, ...]


@define
class Line(Wire):
    """One process's session with the broker: what is said in another session, it does not hear."""

    mine: int

    async def connect(self) -> bool:
        """A session of our own, in place of whoever had one."""
        done = await self.broker.connect()
        self.mine = self.broker.session()
        return done

    def drain(self) -> tuple[Fact, ...]:
        """What was said to us."""
        return self.broker.drain() if self.broker.session() == self.mine else ()


@define
class Room:
    """The world of one interleaving."""

    prepared: Prepared
    outside: Outside
    open: Callable[[], Store]
    folder: Path
    written: list[Bead] = Factory(list)
    stale: list[Sealed] = Factory(list)  # what an engine wrote that another one took over from
    session: int = 0  # of the engine that stood before
    store: Store = field(init=False)
    engine: Engine = field(init=False)  # the one that goes on when the turns are over

    def __attrs_post_init__(self) -> None:
        """Until a script says otherwise, the engine that goes on is the one that stood before."""
        self.session = self.outside.broker.session()
        self.store = self.open()
        self.engine = self._engine(self.store, self.prepared.run, True)

    def recorder(self, gate: Gate) -> Recorder:
        """A process of an operator or a bot, which has just looked."""

        def world(desk: Desk) -> World:
            gate()
            return World(self.outside.clock.now(), evolve(self.prepared.run, epoch=None))

        return Recorder(Gated(self.open(), gate), world, pickle.loads(self.prepared.desk))

    def running(self, gate: Gate) -> Engine:
        """The engine as it stood, its store gated."""
        return self._engine(Gated(self.open(), gate), self.prepared.run, True)

    def another(self, gate: Gate, run: str) -> Engine:
        """Another engine, which knows the log and holds no lease."""
        return self._engine(Gated(self.open(), gate), evolve(self.prepared.run, run=run, epoch=None), False)

    def _engine(self, store: BeadStore, run: Run, knows: bool) -> Engine:
        outside = self.outside
        engine = Engine(
            store,
            Line(outside.broker, _nothing, outside, lambda: self.store.head().size, self.session),
            outside.clock,
            run,
            SshVerifier(),
            (Ear(outside, _nothing),),
            latch=lambda: outside.latch,
            turn=Turn(self.folder / "turn"),
        )
        engine.recorder.desk = pickle.loads(self.prepared.desk)
        engine.signatures.verified.update(self.prepared.verified)
        engine._inputs = 1000  # what this run hears from here on has ids of its own
        for name, value in self.prepared.link.items() if knows else ():
            setattr(engine.link, name, value)
        return engine

    def read(self) -> None:
        """What the two parties, and the engine after them, left in the log."""
        self.written = [bead_of(record) for record in self.store.read(len(self.prepared.log.beads))]

    @property
    def desk(self) -> Desk:
        """What the engine that went on believes."""
        return self.engine.recorder.desk

    @property
    def broker(self) -> MockBroker:
        """The broker's truth."""
        return self.outside.broker

    def complaints(self) -> list[Complaint]:
        """What is wrong with orders and positions, whoever came first."""
        ledger: Ledger = pickle.loads(self.prepared.ledger)
        ledger.read(self.written)
        return kept(self, ledger)

    def checkpoint(self) -> str:
        """Sign the head."""
        return self.store.checkpoint(ORIGIN, SIGNER).unwrap()


def copy_of(log: MemoryLog) -> MemoryLog:
    """A log that can be written without touching the other one."""
    return MemoryLog(
        list(log.beads), list(log.leaves), dict(log.ids), dict(log.texts), log.frontier, list(log.checkpoints)
    )


async def prepare(setup: Callable[[Set], Coroutine[object, object, tuple[object, ...]]]) -> Prepared:
    """Play a script's beginning once, and keep the moment at which the two parties come."""
    clock, store = manual_clock(START), MemoryStore()
    broker = MockBroker(clock, ACCOUNT, {pair: CARDS[pair] for pair in MIDS}, Random(1), remember=forget)
    for symbol, mid in MIDS.items():
        tick = CARDS[symbol].tick
        broker.set_quote(symbol, Price(Decimal(mid) - tick), Price(Decimal(mid) + tick))
    outside = Outside(clock, broker)
    engine = Engine(
        store,
        Wire(broker, _nothing, outside, lambda: store.head().size),
        clock,
        Run(run="run-1", mode=Mode.MOCK, version="test"),
        SshVerifier(),
        latch=lambda: outside.latch,
    )
    desk = Set(clock=clock, store=store, broker=broker, engine=engine, pen=soft_pen("operator"), outside=outside)
    _ = desk.act(first(desk.pen)).unwrap()
    await desk.start()
    made = await setup(desk)
    _ = desk.engine.recorder.catch_up()
    ledger = Ledger()
    ledger.read(desk.beads())
    return Prepared(
        store.log,
        pickle.dumps(outside),
        pickle.dumps(desk.desk),
        desk.engine.run,
        {name: getattr(desk.engine.link, name) for name in LINK},
        dict(desk.engine.signatures.verified),
        pickle.dumps(ledger),
        made,
    )


def as_file(prepared: Prepared, path: Path) -> None:
    """The prepared log as a SQLite file."""
    with SqliteStore(path, ballast_bytes=0) as store, MemoryStore(prepared.log) as log:
        _ = store.append(store.head(), tuple(log.read(0)), dict(log.texts())).unwrap()


def room_of(prepared: Prepared, folder: Path, file: Path | None) -> Room:
    """The prepared moment once more; over SQLite where a file is named."""
    outside: Outside = pickle.loads(prepared.outside)
    if file is not None:
        return Room(prepared, outside, lambda: SqliteStore(file, ballast_bytes=0), folder)
    log = copy_of(prepared.log)
    return Room(prepared, outside, lambda: MemoryStore(log), folder)


def later(room: Room, seconds: float) -> None:
    """Time passes; the market quotes again."""
    room.outside.clock.advance(timedelta(seconds=seconds))
    for symbol, last in room.outside.broker.quotes().items():
        room.outside.broker.set_quote(symbol, last.bid, last.ask)
