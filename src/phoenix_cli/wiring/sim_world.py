"""The world of the simulation: a broker whose socket is watched, a log that can fail, one engine, and people.

One seed draws everything. The engine writes through a handle that can fail or die at any append; people write through
another handle on the same log, as another process would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Final

from attrs import Factory, define, evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import InProcess, KeyType, PrivateKey, PublicKey, SshVerifier
from phoenix_cli.wiring.round_trip import START
from phoenix_cli.wiring.signing import root_text, signed, statement_of
from phoenix_cli.wiring.sim_checks import Oracle
from phoenix_cli.wiring.sim_frames import Frames
from phoenix_cli.wiring.sim_ledger import Ledger, Wire
from phoenix_cli.wiring.sim_mishaps import Crash, Ear, FailingFile, FailingStore, Mishap, SharedLog
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Initialise
from phoenix_core.beads import Genesis, Limits, Operator, OperatorEvent, Policy
from phoenix_core.desk import Desk
from phoenix_core.facts import (
    BrokerStatus,
    Checked,
    CommissionSaid,
    ExecutionSaid,
    Fact,
    LinkEvent,
    LinkSaid,
    OrderSaid,
    Snapshot,
)
from phoenix_core.gate.statements import Says
from phoenix_core.kernel import ClearedOrder
from phoenix_core.ports import BeadStore
from phoenix_core.refusals import Refusal
from phoenix_core.values import Account, CommandId, Mode, Price, Quantity, derived_id, utc_text
from phoenix_core.world import Run, World

ACCOUNT: Final = Account("5" * 64, "MOCK")
PAIRS: Final = ("EURUSD", "GBPUSD", "AUDUSD")


@define
class WatchedEngine(Engine):
    """The production engine; after every turn somebody looks."""

    look: Callable[[], None] = lambda: None

    async def step(self) -> None:
        """A turn, and a look."""
        await super().step()
        self.look()


class WatchedBroker(MockBroker):
    """The mock broker, its socket watched; its words may come twice, in another order, or in part."""

    frames: Frames
    jumbles: Random | None = None
    mum_on_costs: bool = False
    dies: str = ""

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Write down, then take."""
        dies, self.dies = self.dies, ""
        if dies == "before":
            raise Crash("before a hand-over")
        self.frames.handed(cleared)
        super().hand_over(cleared)
        if dies == "after":
            raise Crash("after a hand-over")

    async def connect(self) -> bool:
        """Open a session; that it opened is an answer."""
        opened = await super().connect()
        if opened:
            self.frames.ledger.wire.answered = self.clock.now().ticks
        return opened

    async def round_trip(self) -> bool:
        """Note when the question was asked that was answered."""
        began = self.clock.now().ticks
        answered = await super().round_trip()
        if answered:
            self.frames.ledger.wire.answered = began
        return answered

    async def snapshot(self) -> Snapshot:
        """Note whether the picture is whole."""
        picture = await super().snapshot()
        key = (picture.session, utc_text(picture.began.wall))
        pictures = self.frames.ledger.wire.pictures
        pictures[key] = pictures.get(key, False) or (picture.complete and self._up and not self._mute)
        return picture

    def drain(self) -> tuple[Fact, ...]:
        """What was said by now, as this connection garbles it."""
        facts = list(super().drain())
        wire = self.frames.ledger.wire
        for fact in facts:
            if isinstance(fact, LinkSaid):
                wire.synchronised = fact.event is LinkEvent.SYNCHRONISED
        if self.mum_on_costs:
            facts = [fact for fact in facts if not isinstance(fact, CommissionSaid)]
        if self.jumbles is not None:
            said = [n for n, fact in enumerate(facts) if isinstance(fact, OrderSaid | ExecutionSaid | CommissionSaid)]
            mixed = self.jumbles.sample(said, len(said))
            facts = [facts[mixed[said.index(n)]] if n in said else fact for n, fact in enumerate(facts)]
            facts += [facts[n] for n in said if self.jumbles.random() < 0.2]
        wire.heard += len(facts)
        return tuple(facts)

    def fill_late(self, random: Random) -> bool:
        """An order that was told to have been cancelled turns out to have been filled."""
        ended = [w for w in self.truth.book.values() if w.status is BrokerStatus.CANCELLED and w.remaining > 0]
        if ended:
            self._execute(random.choice(ended), Decimal(1000))
        return bool(ended)

    def overfill(self, random: Random) -> bool:
        """More is executed than was ordered."""
        full = [w for w in self.truth.book.values() if w.status is BrokerStatus.FILLED and "." not in w.frame.ref]
        if full:
            self._execute(random.choice(full), Decimal(1))
        return bool(full)

    def correct(self, random: Random) -> bool:
        """An execution is replaced by a smaller one, or by none."""
        family = {e.exec_id.rpartition(".")[0]: e for e in self.truth.executions if "." not in e.ref}
        if not family:
            return False
        was = random.choice(tuple(family.values()))
        name, _, revision = was.exec_id.rpartition(".")
        quantity = Quantity(random.choice((Decimal(0), was.quantity - min(was.quantity, Decimal(1000)))))
        said = evolve(was, message=self._message(), exec_id=f"{name}.{int(revision) + 1:02d}", quantity=quantity)
        change = was.side.sign * (quantity - was.quantity)
        self.truth.held[was.symbol] = self.truth.held.get(was.symbol, Decimal(0)) + change
        self.truth.executions.append(said)
        self.tell(said)
        return True

    def repeat(self, random: Random) -> bool:
        """An old execution is told once more."""
        if self.truth.executions:
            self.tell(random.choice(self.truth.executions))
        return bool(self.truth.executions)

    def double(self, random: Random) -> bool:
        """A second order answers to a reference of ours."""
        working = [w for w in self.truth.book.values() if not w.ends]
        if working:
            self.tell(evolve(self._order_said(random.choice(working)), perm_id=990_000 + random.randrange(1000)))
        return bool(working)


@define
class Remembering:
    """The verifier, which is a function of two texts: each signature of this world is computed once, for every run."""

    verifier: SshVerifier = Factory(SshVerifier)
    known: dict[tuple[bytes, str], Result[Checked, Refusal]] = Factory(dict)

    def check(self, statement: bytes, signature: str) -> Result[Checked, Refusal]:
        """What was signed and how, or why it does not count."""
        if (statement, signature) not in self.known:
            self.known[statement, signature] = self.verifier.check(statement, signature)
        return self.known[statement, signature]


@define
class Simulation:
    """One world, from one seed."""

    seed: int
    random: Random
    clock: ManualClock
    open_store: Callable[[], FailingStore | FailingFile]
    store: FailingStore | FailingFile
    people: Recorder
    broker: WatchedBroker
    pen: InProcess
    verifier: Remembering
    ears: tuple[Ear, ...]
    oracle: Oracle
    engine: WatchedEngine
    hands: FailingStore | FailingFile
    quiet: bool = False  # the market does not quote
    runs: int = 1
    asked: int = 0
    approvals: int = 0
    faults: list[str] = Factory(list)
    told: list[str] = Factory(list)  # the storm, one line an act
    counters: dict[str, int] = Factory(dict)

    @property
    def desk(self) -> Desk:
        """The engine's desk."""
        return self.engine.recorder.desk

    def other(self) -> Recorder:
        """Another process over the same log, which lives as long as the world."""
        _ = self.people.catch_up()
        return self.people

    def fresh(self, what: str) -> str:
        """An identifier nobody used before in this world."""
        self.asked += 1
        return derived_id("sim", str(self.seed), what, str(self.asked))

    def signature(self, says: Says) -> Sign | None:
        """An operator signs; None where nothing is to be signed."""
        recorder = self.other()
        statement = statement_of(recorder.desk, self.store, says, self.clock.now(), self.fresh("n").replace("-", ""))
        root = root_text(self.store, recorder.desk.head.size)
        command = signed(statement, self.pen, self.verifier, root, token=self.fresh("token"))
        return command if isinstance(command, Sign) else None

    def sign(self, says: Says) -> bool:
        """An operator signs and records."""
        command = self.signature(says)
        return command is not None and is_successful(self.other().act(command))

    def propose(self, data: bytes, name: str = "") -> None:
        """Somebody hands bytes in."""
        command = proposal_of(name, data, "bot")
        self.oracle.inputs.append((command.digest, name))
        _ = self.other().act(command)

    @property
    def handles(self) -> tuple[FailingStore | FailingFile, ...]:
        """The handles on the log of people and of the engine."""
        return (self.store, self.hands)

    def reopen(self) -> WatchedEngine:
        """Another run of the engine, over a handle of its own."""
        for task in tuple(self.engine._tasks):
            _ = task.cancel()
        self.runs += 1
        self.hands = self.open_store()
        return engine_of(
            self.hands, self.broker, self.clock, f"run-{self.runs}", self.ears, self.oracle, self.verifier
        )


def _pen(seed: int) -> InProcess:
    secret = hashlib.sha256(f"sim operator {seed}".encode()).digest()
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = PublicKey(KeyType.SOFTWARE, private.public_key().public_bytes_raw())
    return InProcess(PrivateKey(public, secret, "sim"))


def world_of(seed: int, home: str | None = None) -> Simulation:
    """A desk in its first minute; with a `home`, its log is a file there, else it is in memory."""
    random = Random(seed)
    clock = manual_clock(START)
    log = SharedLog()

    def opened() -> FailingStore | FailingFile:
        made_: FailingStore | FailingFile = (
            FailingFile(f"{home}/log.sqlite", ballast_bytes=0) if home is not None else FailingStore(log)
        )
        made_.mishap = Mishap()
        return made_

    store = opened()
    broker = WatchedBroker(clock, ACCOUNT, {pair: CARDS[pair] for pair in PAIRS}, Random(random.random()))
    ledger = Ledger(opened(), clock, Wire(broker.truth))
    broker.frames = Frames(
        ledger, lambda: made.engine, lambda: made.hands.mishap.refused, lambda: dict(broker.quotes())
    )
    oracle = Oracle(ledger, broker.frames, store)
    ears = tuple(Ear(name, lambda m: oracle.delivered.update(m.alerts)) for name in ("first", "second"))
    people = Recorder(store, lambda desk: World(clock.now(), Run(mode=Mode.MOCK)))
    pen, verifier, hands = _pen(seed), Remembering(), opened()
    engine = engine_of(hands, broker, clock, "run-1", ears, oracle, verifier)
    made = Simulation(seed, random, clock, opened, store, people, broker, pen, verifier, ears, oracle, engine, hands)
    quote(made)
    genesis = Genesis("phoenix.sim/1", Mode.MOCK, ACCOUNT.tag, ACCOUNT.mask, 0, "k", "log", "USD")
    operator = Operator(OperatorEvent.ENROLLED, pen.public.fingerprint, pen.public.line, "operator", "software")
    limits = Limits(open_positions_max=6, entries_per_day_max=500)
    first = Initialise(CommandId(made.fresh("init")), genesis, operator, Policy(limits=limits))
    _ = made.other().act(first).unwrap()
    return made


def engine_of(
    store: BeadStore,
    broker: MockBroker,
    clock: ManualClock,
    run: str,
    ears: tuple[Ear, ...],
    oracle: Oracle,
    verifier: Remembering,
) -> WatchedEngine:
    """A run of the production engine over this world."""
    made = WatchedEngine(
        store,
        broker,
        clock,
        Run(run=run, mode=Mode.MOCK, version="sim"),
        verifier,
        ears,
        checkpoint=oracle.publish,
    )
    made.look = lambda: oracle.look(made.recorder.desk)
    return made


def quote(sim: Simulation) -> None:
    """Quote every instrument as the market stands now, unless it is quiet."""
    for pair in PAIRS if not sim.quiet else ():
        tick = CARDS[pair].tick
        mid = MIDS[pair] + sim.counters.get(pair, 0) * tick
        sim.broker.set_quote(pair, Price(mid - tick), Price(mid + tick))
