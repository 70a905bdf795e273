"""The world of the simulation: a broker whose socket is watched, a log that can fail, one engine, and people.

One seed draws everything. The engine writes through a handle that can fail or die at any append; people write through
another handle on the same log, as another process would.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from attrs import Factory, define, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.brokers.ibkr.translate import Accounts
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.watching import Watchdog
from phoenix_adapters.keys import KeyType, PublicKey, SshVerifier, sshsig
from phoenix_adapters.keys.sshsig import NAMESPACE
from phoenix_cli.wiring.round_trip import START
from phoenix_cli.wiring.signing import root_text, signed, statement_of
from phoenix_cli.wiring.sim.broker import ACCOUNT, NUMBER, WatchedBroker
from phoenix_cli.wiring.sim.checks import Oracle
from phoenix_cli.wiring.sim.frames import Frames
from phoenix_cli.wiring.sim.ledger import Ledger
from phoenix_cli.wiring.sim.mishaps import Ear, FailingFile, FailingStore, Mishap, SharedLog
from phoenix_cli.wiring.sim.rules import Rules
from phoenix_cli.wiring.sim.wire import Wire
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Initialise
from phoenix_core.beads import Genesis, Limits, Operator, OperatorEvent, Policy
from phoenix_core.desk import Desk
from phoenix_core.facts import (
    Checked,
)
from phoenix_core.gate.statements import Says
from phoenix_core.ports import BeadStore
from phoenix_core.records import evolve
from phoenix_core.refusals import Refusal
from phoenix_core.values import CommandId, Mode, Money, Price, derived_id
from phoenix_core.watch.market_hours import RestartWindow
from phoenix_core.world import Run, World

PAIRS: Final = ("EURUSD", "GBPUSD", "AUDUSD")
# When a story begins: half of them on a plain Wednesday, the others where a calendar has a corner.
CORNERS: Final = (
    "2026-11-20T16:20:00-05:00",  # Friday: the week ends at 17:00
    "2026-11-22T17:13:00-05:00",  # Sunday: the week begins at 17:15
    "2026-11-18T16:35:00-05:00",  # the FX day rolls at 17:00, and nothing trades for a quarter of an hour
    "2026-11-18T23:35:00-05:00",  # the gateway restarts itself at 23:45
    "2026-03-08T17:13:00-04:00",  # the first evening of summer time in New York, three weeks before Zurich's
    "2026-10-25T17:13:00-04:00",  # the evening after Zurich's last day of summer time, a week before New York's
    "2026-11-01T17:14:00-05:00",  # the evening after New York's
)
STARTS: Final = (*(START.isoformat(),) * len(CORNERS), *CORNERS)
NIGHTLY: Final = RestartWindow(timedelta(hours=23, minutes=45))


@define
class WatchedEngine(Engine):
    """The production engine; after every turn somebody looks."""

    look: Callable[[], None] = lambda: None

    async def step(self) -> None:
        """A turn, and a look."""
        await super().step()
        self.look()


@frozen
class Pen:
    """An operator's key in memory. Whoever signs with it has the signature checked before anything is done with it,
    as everywhere; that it checks its own once more, as a pen on a desk does, is left out here."""

    public: PublicKey
    ed25519: Callable[[bytes], bytes]

    def sign(self, statement: bytes, namespace: str = NAMESPACE) -> str:
        """Sign at once."""
        return sshsig.sign(statement, self.public, self.ed25519, namespace)


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
    pen: Pen
    verifier: Remembering
    ears: tuple[Ear, ...]
    oracle: Oracle
    engine: WatchedEngine
    hands: FailingStore | FailingFile
    began: str = ""  # the instant of its first minute
    quiet: bool = False  # the market does not quote
    latch: bool | None = False  # the halt file beside the log: there, not there, or unreadable
    window: RestartWindow | None = None  # when the gateway restarts itself, as declared
    dog: Watchdog | None = None
    pocket: list[Sign] = Factory(list)  # what operators signed and have not sent, or may send again
    alive: bool = True  # as the operating system would say it of the engine
    robbed: bool = False  # somebody took the engine's lease
    dies_again: int = 0  # the next runs die while they recover
    runs: int = 1
    build: str = "sim"  # which version of the program the next run is
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
        self.hands, self.robbed = self.open_store(), False
        if self.dies_again:
            self.dies_again -= 1
            again = self.hands.mishap
            again.dies_in, again.dies_after = self.random.randrange(5), self.random.random() < 0.5
        made = engine_of(self.hands, self.broker, self.clock, f"run-{self.runs}", self.ears, self.oracle, self.verifier)
        made.run = evolve(made.run, version=self.build)
        return self.fit(made)

    def fit(self, engine: WatchedEngine) -> WatchedEngine:
        """Give a run what stands beside its log: the halt file, and when the gateway restarts itself."""
        engine.latch, engine.raise_latch = lambda: self.latch, self.halt
        engine.link.restart_window = self.window
        return engine

    def standing(self) -> list[str]:
        """The faults that last, as long as they last, by the names of the acts that began them."""
        return [name for name, stands in self.lasting().items() if stands]

    def lasting(self) -> dict[str, bool]:
        """Every fault that lasts, and whether it does now."""
        broker, mishap = self.broker, self.hands.mishap
        return {
            "mute": broker._mute,
            "hush": broker._hushed,
            "down": bool(broker._refusing),
            "spoof": any(told is not None for told in broker._spoofed.values()),
            "jumble": broker.jumbles is not None,
            "blur": bool(broker.blur),
            "skew": bool(broker.apart),
            "strange": broker.logins != (ACCOUNT,),
            "latch": self.latch is not False,
            "still": self.quiet,
            "deafen": any(ear.mood != "takes" for ear in self.ears),
            "fail_store": mishap.failures > 0,
            "die": mishap.dies_in is not None or bool(broker.dies),
            "between": mishap.between is not None,
        }

    def halt(self) -> None:
        """The halt file is written."""
        self.latch = self.hands.mishap.halted = True

    async def watch(self, alive: bool) -> None:
        """The watchdog, a process of its own, looks once and tells what it has to tell."""
        if self.dog is None:
            self.dog = Watchdog(self.people, self.clock, self.ears, lambda: self.alive, "dog")
        self.alive = alive
        _ = self.dog.look()
        for _ in range(4):
            await asyncio.sleep(0)


def _secret(seed: int) -> bytes:
    return hashlib.sha256(f"sim operator {seed}".encode()).digest()


def _pen(seed: int) -> Pen:
    private = Ed25519PrivateKey.from_private_bytes(_secret(seed))
    return Pen(PublicKey(KeyType.SOFTWARE, private.public_key().public_bytes_raw()), private.sign)


def world_of(seed: int, home: str | None = None, begins: str = "", limits: Limits | None = None) -> Simulation:
    """A desk in its first minute; with a `home`, its log is a file there, else it is in memory. When it begins and what
    its policy limits is drawn, unless it is said."""
    random = Random(seed)
    drawn = random.choice(STARTS)
    start = begins or drawn
    clock = manual_clock(datetime.fromisoformat(start))
    log = SharedLog()

    def opened() -> FailingStore | FailingFile:
        made_: FailingStore | FailingFile = (
            FailingFile(f"{home}/log.sqlite", ballast_bytes=0) if home is not None else FailingStore(log)
        )
        made_.mishap = Mishap()
        return made_

    store = opened()
    broker = WatchedBroker(clock, ACCOUNT, {pair: CARDS[pair] for pair in PAIRS}, Random(random.random()))
    broker.groups_hold = Random(f"groups of {seed}").random() < 0.5  # decision 0020: a close waits where they do not
    broker.numbers = Accounts(lambda number: ACCOUNT)
    broker.twins = {}
    _ = broker.numbers.of(NUMBER)
    ledger = Ledger(opened(), clock, Wire(broker.truth))
    pen, verifier = _pen(seed), Remembering()
    digits = NUMBER.lstrip("DU")  # under whatever prefix
    rules = Rules(ledger, (NUMBER, digits, _secret(seed).hex(), base64.b64encode(_secret(seed)).decode()))
    ledger.also = rules.judge
    broker.frames = Frames(
        ledger,
        lambda: made.engine,
        lambda: made.hands.mishap.refused,
        lambda: dict(broker.quotes()),
        rules,
        lambda: tuple(account.tag for account in broker.accounts()),
        broker.skew,
        lambda: made.window is not None,
        broker.room,
    )
    oracle = Oracle(ledger, broker.frames, store)
    ears = tuple(Ear(name, oracle.told) for name in ("first", "second"))
    oracle.hanging = lambda: any(ear.hanging for ear in ears)
    oracle.hears = lambda: all(ear.mood == "takes" for ear in ears)
    oracle.mishap = lambda: made.hands.mishap
    people = Recorder(store, lambda desk: World(clock.now(), Run(mode=Mode.MOCK)))
    hands = opened()
    engine = engine_of(hands, broker, clock, "run-1", ears, oracle, verifier)
    made = Simulation(seed, random, clock, opened, store, people, broker, pen, verifier, ears, oracle, engine, hands)
    made.window = NIGHTLY if "T23:" in start or random.random() < 0.3 else None
    made.began = start
    _ = made.fit(engine)
    quote(made)
    genesis = Genesis("phoenix.sim/1", Mode.MOCK, ACCOUNT.tag, ACCOUNT.mask, 0, "k", "log", "USD")
    operator = Operator(OperatorEvent.ENROLLED, pen.public.fingerprint, pen.public.line, "operator", "software")
    drawn_limits = Limits(
        open_positions_max=random.choice((1, 6)),
        entries_per_day_max=random.choice((4, 500)),
        daily_loss_max=random.choice((None, Money(Decimal(10)))),
    )
    first = Initialise(CommandId(made.fresh("init")), genesis, operator, Policy(limits=limits or drawn_limits))
    _ = made.other().act(first).unwrap()
    return made


SECRET: Final = b"\x07" * 32  # of no desk that anybody has: it seals the state beside the log


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
        state_key=SECRET,
    )
    made.look = lambda: oracle.look(made.recorder.desk)
    return made


def quote(sim: Simulation) -> None:
    """Quote every instrument as the market stands now, unless it is quiet."""
    for pair in PAIRS if not sim.quiet else ():
        tick = CARDS[pair].tick
        mid = MIDS[pair] + sim.counters.get(pair, 0) * tick
        sim.broker.set_quote(pair, Price(mid - tick), Price(mid + tick))
