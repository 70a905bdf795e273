"""A whole desk on a manual clock, for vectors and tests: the production engine, mock broker and store, and a pen.

Nothing in it is a stand-in for what it shakes: signatures are real, the log is a real store, and every step is the
engine's own. `tick` lets time pass; `propose`, `approve`, `sign` are what people and bots do.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Final, Generic, Protocol, TypeVar

from attrs import define, evolve, field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import InProcess, KeyType, PrivateKey, PublicKey, Signs, SshVerifier
from phoenix_adapters.keys.sshsig import NAMESPACE
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Initialise
from phoenix_core.acts.submit import Present
from phoenix_core.beads import (
    Bead,
    Body,
    Genesis,
    Limits,
    Operator,
    OperatorEvent,
    Policy,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import Says
from phoenix_core.kernel import Command, bead_of
from phoenix_core.ports import BeadStore, Clock, Notifier
from phoenix_core.refusals import Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Account, CommandId, Mode, Price, State, derived_id, utc_text
from phoenix_core.world import Run, World

B = TypeVar("B", bound=Body)
C = TypeVar("C", bound=Clock)

# A Wednesday, 14:00 in New York.
START: Final = datetime.fromisoformat("2026-11-18T14:00:00-05:00")
ACCOUNT: Final = Account("a" * 64, "MOCK")
SECRET: Final = b"\x07" * 32  # of no desk that anybody has
PAIR: Final = "EURUSD"
PAIRS: Final = (PAIR, "GBPUSD")


class Pen(Signs, Protocol):
    """Whoever signs on a stage, with the name by which beads know the key."""

    @property
    def key(self) -> str:
        """The fingerprint."""
        ...


@frozen
class SoftPen:
    """A software key that the same name always makes again."""

    signs: InProcess = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that signs."""
        return self.signs.public

    @property
    def key(self) -> str:
        """Its fingerprint."""
        return self.public.fingerprint

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """An armored SSHSIG over a statement."""
        return self.signs.sign(statement, namespace)


def soft_pen(name: str) -> SoftPen:
    """The software key of a name."""
    seed = sha256(b"a key for a stage: " + name.encode()).digest()
    point = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SoftPen(InProcess(PrivateKey(PublicKey(KeyType.SOFTWARE, point), seed, name)))


@define
class Floor(ABC, Generic[C]):
    """One desk with its engine and its operator, whatever its clock and whoever its broker is."""

    clock: C
    store: BeadStore
    engine: Engine
    pen: Pen
    count: int = 0

    @property
    def desk(self) -> Desk:
        """The engine's desk."""
        return self.engine.recorder.desk

    def beads(self) -> list[Bead]:
        """Every bead of the log, in order."""
        return [bead_of(record) for record in self.store.read(0)]

    def bodies(self, cls: type[B]) -> list[B]:
        """Every body of one kind, in order."""
        return [bead.body for bead in self.beads() if isinstance(bead.body, cls)]

    @abstractmethod
    async def start(self) -> None:
        """Take the lease, connect, synchronise, reconcile."""

    @abstractmethod
    async def tick(self, seconds: float = 0.5) -> None:
        """Let time pass, and the engine take its turns until nothing is left to do."""

    def act(self, command: Command) -> Result[Accepted, Refusal]:
        """Carry a command as another process would: on its own fold, through the same log."""
        return self.other().act(command)

    def other(self) -> Recorder:
        """Another process's recorder over the same log."""
        run = evolve(self.engine.run, epoch=None)
        return Recorder(self.store, lambda desk: World(self.clock.now(), run), key=self.engine.state_key)

    def present(self, token: str, intent: str) -> Result[Accepted, Refusal]:
        """Present a token to the very process that may send: the rightful engine, with all that it sees."""
        return self.engine.recorder.act(Present(self.fresh(), token, intent))

    def fresh(self) -> CommandId:
        """A command id that this stage never used."""
        self.count += 1
        return CommandId(derived_id("stage", self.engine.run.run, str(self.count)))

    def token(self, intent: str) -> str:
        """The token that an intent was last given."""
        issued = [b.id for b in self.bodies(T2Token) if b.event is TokenEvent.ISSUED and b.intent_id == intent]
        return issued[-1]

    async def watch(self, seconds: float, every: float = 5.0) -> None:
        """Let a longer time pass in steps, the engine awake all the while."""
        while seconds > 0:
            await self.tick(min(every, seconds))
            seconds -= every

    @property
    @abstractmethod
    def sent(self) -> int:
        """How many orders ever reached the broker."""

    def signal(self, **overrides: str) -> bytes:
        """A schema-valid READY signal, with overrides."""
        self.count += 1
        fields = {
            "schema": "cse/1",
            "signal_id": f"s-{self.count}",
            "intent_id": derived_id("test-intent", str(self.count)),
            "signal": "READY",
            "pair": PAIR,
            "setup_type": "FVG_ENTRY",
            "confidence": "0.85",
            "entry": "1.0850",
            "stop": "1.0820",
            "target": "1.0910",
            "state_hash": "4f1d",
            "strategy": "trend",
            "created_at": utc_text(self.clock.now().wall),
        }
        return "".join(f"{key}: '{value}'\n" for key, value in (fields | overrides).items()).encode()

    async def propose(self, **overrides: str) -> str:
        """Hand a signal in and let the engine assemble its evidence; answers the intent."""
        data = self.signal(**overrides)
        command = proposal_of("", data, "bot")
        _ = self.act(command).unwrap()
        await self.tick()
        return overrides.get("intent_id", derived_id("test-intent", str(self.count)))

    def screen(self, intent: str) -> Screen:
        """What the operator sees."""
        recorder = self.other()
        _ = recorder.catch_up()
        found = screen_of(recorder.desk, intent, self.clock.now())
        assert isinstance(found, Screen), f"no screen: {found}"
        return found

    def signature(self, says: Says, pen: Pen | None = None) -> Sign:
        """A signed statement as a command."""
        recorder = self.other()
        _ = recorder.catch_up()
        statement = statement_of(recorder.desk, self.store, says, self.clock.now())
        root = root_text(self.store, recorder.desk.head.size)
        command = signed(statement, pen or self.pen, SshVerifier(), root)
        assert isinstance(command, Sign), f"not signed: {command}"
        return command

    def sign(self, says: Says, pen: Pen | None = None) -> Result[Accepted, Refusal]:
        """Sign and record."""
        return self.act(self.signature(says, pen))

    def approve(self, intent: str, pen: Pen | None = None) -> Result[Accepted, Refusal]:
        """Look at the screen and sign exactly what it shows."""
        return self.sign(self.screen(intent).says, pen)

    async def enter(self, **overrides: str) -> str:
        """Propose, approve, and let the engine send; answers the intent."""
        intent = await self.propose(**overrides)
        _ = self.approve(intent).unwrap()
        await self.tick()
        return intent

    def where(self, cls: type[B], so: Callable[[B], bool] = lambda body: True) -> list[int]:
        """The places in the log of every body of one kind that is so: what a verdict cites."""
        return [bead.seq for bead in self.beads() if isinstance(bead.body, cls) and so(bead.body)]

    def position(self, intent: str) -> Open | Ended:
        """The position of an intent."""
        found = self.desk.positions.of_intent(intent)
        assert found is not None, f"no position of {intent}"
        return found

    def state(self, intent: str) -> State:
        """Where the position of an intent is."""
        return self.position(intent).state

    @abstractmethod
    def price(self, bid: str, ask: str, symbol: str = PAIR) -> None:
        """Move the market."""


@define
class Stage(Floor[ManualClock]):
    """One desk before the mock broker, on a clock that stands still until it is told to move."""

    clock: ManualClock
    store: BeadStore
    broker: MockBroker
    engine: Engine
    pen: Pen
    count: int = 0

    async def start(self) -> None:
        """Take the lease, connect, synchronise, reconcile."""
        _ = (await self.engine.start()).unwrap()
        await self.tick(0.5)

    async def tick(self, seconds: float = 0.5, quote: bool = True) -> None:
        """Let time pass; the market quotes again, the engine takes its turns until nothing is left to do."""
        self.clock.advance(timedelta(seconds=seconds))
        if quote:
            for symbol, last in self.broker.quotes().items():
                self.broker.set_quote(symbol, last.bid, last.ask)
        for _ in range(4):
            await self.engine.step()
            await self.engine.settle()

    @property
    def sent(self) -> int:
        """How many orders ever reached the broker."""
        return len(self.broker.truth.book)

    def price(self, bid: str, ask: str, symbol: str = PAIR) -> None:
        """Move the market."""
        self.broker.set_quote(symbol, Price(Decimal(bid)), Price(Decimal(ask)))


def first(pen: Pen, mode: Mode = Mode.MOCK, limits: Limits | None = None, policy: Policy | None = None) -> Initialise:
    """The first beads of a desk."""
    genesis = Genesis("phoenix.test/1", mode, ACCOUNT.tag, ACCOUNT.mask, 0, "k", "log-key", "USD")
    operator = Operator(OperatorEvent.ENROLLED, pen.key, pen.public.line, "operator", "software")
    chosen = policy or Policy(limits=limits or Limits())
    return Initialise(CommandId(derived_id("init", "test")), genesis, operator, chosen)


def stage(
    store: BeadStore | None = None,
    *,
    seed: int = 1,
    policy: Policy | None = None,
    notifiers: tuple[Notifier, ...] = (),
    latch: Callable[[], bool | None] = lambda: False,
    run: str = "run-1",
    pen: Pen | None = None,
) -> Stage:
    """A desk on its own log, not yet started."""
    pen = pen or soft_pen("operator")
    clock = manual_clock(START)
    store = store if store is not None else MemoryStore()
    broker = MockBroker(clock, ACCOUNT, CARDS, Random(seed))
    for symbol, mid in (("EURUSD", "1.0850"), ("GBPUSD", "1.2700"), ("AAPL", "190.22")):
        tick = CARDS[symbol].tick
        broker.set_quote(symbol, Price(Decimal(mid) - tick), Price(Decimal(mid) + tick))
    engine = Engine(
        store,
        broker,
        clock,
        Run(run=run, mode=Mode.MOCK, version="test"),
        SshVerifier(),
        notifiers,
        latch=latch,
        state_key=SECRET,
    )
    made = Stage(clock, store, broker, engine, pen)
    if store.head().size == 0:
        _ = made.act(first(pen, policy=policy)).unwrap()
    return made


def restarted(before: Stage, run: str) -> Stage:
    """The same log and broker under a new engine process, whose memory is empty."""
    after = evolve(before.engine.run, run=run, epoch=None)
    engine = Engine(before.store, before.broker, before.clock, after, SshVerifier(), state_key=SECRET)
    return Stage(before.clock, before.store, before.broker, engine, before.pen, before.count + 1000)


def nonce() -> str:
    """A fresh token id."""
    return derived_id("token", secrets.token_hex(8))
