"""The deterministic simulation: the production engine, kernel, codec and store on virtual time; one seed decides all.

A storm of faults and of people doing their work, then a calm in which every order must find its end. After every step
the checkers look at what the world saw (the frames at the broker) and at what the log says. A violation names its
invariant; the same seed plays the same story again, and ends in the same hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

from attrs import Factory, define, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import ChaosMode, Fate, Fill, Lose, Partial, Reject, Silence
from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import InProcess, KeyType, PrivateKey, PublicKey, SshVerifier
from phoenix_cli.wiring.round_trip import SIGNAL, START
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_cli.wiring.sim_checks import Frames, Violation, check_all, check_calm, check_replay
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Initialise, RaiseKill
from phoenix_core.beads import Genesis, Limits, Operator, OperatorEvent, Policy, Verdict
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import ClearKill, Close, RefreshAnchor, Says
from phoenix_core.kernel import ClearedOrder
from phoenix_core.values import (
    Account,
    CommandId,
    Mode,
    Price,
    Quantity,
    Regime,
    Side,
    State,
    derived_id,
    text_hash,
    utc_text,
)
from phoenix_core.world import Run, World

ACCOUNT: Final = Account("5" * 64, "MOCK")
PAIRS: Final = ("EURUSD", "GBPUSD", "AUDUSD")
# The full comparison with a replay costs as much as all steps since the last one; so often it is a tenth of the run.
REPLAY_EVERY: Final = 200
CALM_STEPS: Final = 80


@frozen
class Outcome:
    """What one seed came to."""

    seed: int
    steps: int
    beads: int
    approvals: int
    fills: int
    faults: tuple[str, ...]
    trace: str
    violation: Violation | None


class WatchedBroker(MockBroker):
    """The mock broker, its socket watched: every frame that was handed over is written down."""

    frames: Frames

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Write down, then take."""
        self.frames.handed(cleared)
        super().hand_over(cleared)


@define
class Simulation:
    """One world, from one seed."""

    seed: int
    random: Random
    clock: ManualClock
    store: MemoryStore
    broker: WatchedBroker
    pen: InProcess
    frames: Frames
    engine: Engine
    runs: int = 1
    asked: int = 0
    approvals: int = 0
    faults: list[str] = Factory(list)
    counters: dict[str, int] = Factory(dict)

    @property
    def desk(self) -> Desk:
        """The engine's desk."""
        return self.engine.recorder.desk

    def other(self) -> Recorder:
        """Another process over the same log."""
        recorder = Recorder(self.store, lambda desk: World(self.clock.now(), Run(mode=Mode.MOCK)))
        _ = recorder.catch_up()
        return recorder

    def fresh(self, what: str) -> str:
        """An identifier nobody used before in this world."""
        self.asked += 1
        return derived_id("sim", str(self.seed), what, str(self.asked))

    def sign(self, says: Says) -> bool:
        """An operator signs and records."""
        recorder = self.other()
        statement = statement_of(recorder.desk, self.store, says, self.clock.now(), self.fresh("n").replace("-", ""))
        root = root_text(self.store, recorder.desk.head.size)
        command = signed(statement, self.pen, SshVerifier(), root, token=self.fresh("token"))
        return isinstance(command, Sign) and is_successful(recorder.act(command))


def _pen(seed: int) -> InProcess:
    secret = hashlib.sha256(f"sim operator {seed}".encode()).digest()
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = PublicKey(KeyType.SOFTWARE, private.public_key().public_bytes_raw())
    return InProcess(PrivateKey(public, secret, "sim"))


def world_of(seed: int) -> Simulation:
    """A desk in its first minute."""
    random = Random(seed)
    clock = manual_clock(START)
    store = MemoryStore()
    frames = Frames()
    broker = WatchedBroker(clock, ACCOUNT, {pair: CARDS[pair] for pair in PAIRS}, Random(random.random()))
    broker.frames = frames
    pen = _pen(seed)
    engine = _engine(store, broker, clock, "run-1")
    frames.desk = lambda: made.desk
    made = Simulation(seed, random, clock, store, broker, pen, frames, engine)
    _quote(made)
    genesis = Genesis("phoenix.sim/1", Mode.MOCK, ACCOUNT.tag, ACCOUNT.mask, 0, "k", "log", "USD")
    public = pen.public
    operator = Operator(OperatorEvent.ENROLLED, public.fingerprint, public.line, "operator", "software")
    limits = Limits(open_positions_max=6, entries_per_day_max=500)
    first = Initialise(CommandId(made.fresh("init")), genesis, operator, Policy(limits=limits))
    _ = made.other().act(first).unwrap()
    return made


def _engine(store: MemoryStore, broker: MockBroker, clock: ManualClock, run: str) -> Engine:
    return Engine(store, broker, clock, Run(run=run, mode=Mode.MOCK, version="sim"), SshVerifier())


def _quote(sim: Simulation) -> None:
    for pair in PAIRS:
        tick = CARDS[pair].tick
        mid = MIDS[pair] + sim.counters.get(pair, 0) * tick
        sim.broker.set_quote(pair, Price(mid - tick), Price(mid + tick))


# --- what people, bots and misfortune do ------------------------------------------------------------------------------


async def _propose(sim: Simulation) -> None:
    pair = sim.random.choice(PAIRS)
    mid = MIDS[pair]
    buys = sim.random.random() < 0.6
    stop, target = (
        (mid - Decimal("0.003"), mid + Decimal("0.006")) if buys else (mid + Decimal("0.003"), mid - Decimal("0.006"))
    )
    text = SIGNAL.format(intent=sim.fresh("intent"), created=utc_text(sim.clock.now().wall))
    for old, new in (
        ("signal_id: demo-1", f"signal_id: s{sim.asked}"),
        ("pair: EURUSD", f"pair: {pair}"),
        ("entry: 1.0850", f"entry: {mid}"),
        ("stop: 1.0820", f"stop: {stop}"),
        ("target: 1.0910", f"target: {target}"),
    ):
        text = text.replace(old, new)
    _ = sim.other().act(proposal_of("", text.encode(), "bot"))


async def _decide(sim: Simulation) -> None:
    waiting = sim.desk.positions.in_state(State.PROPOSED)
    if not waiting:
        return
    intent = sim.random.choice(waiting).intent_id
    verdict = Verdict.REJECT if sim.random.random() < 0.1 else Verdict.APPROVE
    recorder = sim.other()
    screen = screen_of(recorder.desk, intent, sim.clock.now(), verdict)
    if isinstance(screen, Screen) and sim.sign(screen.says):
        sim.approvals += verdict is Verdict.APPROVE


async def _close(sim: Simulation) -> None:
    held = sim.desk.positions.in_state(State.MANAGED)
    if held:
        _ = sim.sign(Close(sim.random.choice(held).position_id, text_hash("sim")))


async def _kill(sim: Simulation) -> None:
    flags = list(sim.desk.kill_flags.standing.values())
    if flags:
        _ = sim.sign(ClearKill(flags[0].flag, text_hash("sim")))
    else:
        scope = sim.random.choice(("desk", "instrument:EURUSD", "strategy:demo"))
        _ = sim.other().act(RaiseKill(CommandId(sim.fresh("kill")), scope, "sim", "sim"))


async def _refresh(sim: Simulation) -> None:
    _ = sim.sign(RefreshAnchor("*", "*", Regime.DEFAULT))


async def _cut(sim: Simulation) -> None:
    sim.broker.cut()


async def _mute(sim: Simulation) -> None:
    sim.broker.mute(sim.random.random() < 0.5)


async def _manual(sim: Simulation) -> None:
    side = Side.BUY if sim.random.random() < 0.5 else Side.SELL
    sim.broker.trade_by_hand("AUDUSD", side, Quantity(Decimal(20000)))


async def _move(sim: Simulation) -> None:
    pair = sim.random.choice(PAIRS)
    sim.counters[pair] = sim.random.choice((-70, -5, 0, 0, 5, 130))


async def _fate(sim: Simulation) -> None:
    fates: tuple[Fate, ...] = (
        Partial(Decimal("0.5")),
        Reject(),
        Silence(),
        Silence(fills=True),
        Lose(),
        Fill(timedelta(seconds=20)),
    )
    sim.broker.script(sim.random.choice(fates))


async def _restart(sim: Simulation) -> None:
    sim.runs += 1
    sim.broker.cut()
    _ = sim.broker.drain()
    sim.engine = _engine(sim.store, sim.broker, sim.clock, f"run-{sim.runs}")
    _ = (await sim.engine.start()).unwrap()


async def _step_wall(sim: Simulation) -> None:
    sim.clock.step_wall(timedelta(seconds=sim.random.choice((-1, 1, 3))))


Act = Callable[[Simulation], Coroutine[object, object, None]]
WORK: Final[tuple[tuple[Act, int], ...]] = ((_propose, 12), (_decide, 20), (_close, 4), (_kill, 2), (_refresh, 3))
MISFORTUNE: Final[tuple[tuple[Act, int], ...]] = (
    (_cut, 2),
    (_mute, 2),
    (_manual, 1),
    (_move, 6),
    (_fate, 8),
    (_restart, 1),
    (_step_wall, 1),
)


async def _tick(sim: Simulation, span: timedelta) -> None:
    sim.clock.advance(span)
    _quote(sim)
    await sim.engine.step()
    await sim.engine.settle()


async def run_seed(seed: int, ticks: int = 300) -> Outcome:
    """Play one seed to its end, or to its first violation."""
    sim = world_of(seed)
    steps, violation = 0, None
    _ = (await sim.engine.start()).unwrap()
    await _tick(sim, timedelta(seconds=1))
    swarm = [(act, weight) for act, weight in MISFORTUNE if sim.random.random() < 0.6]
    choices = (*WORK, *swarm)
    sim.broker.set_mode(sim.random.choice(tuple(ChaosMode)))
    for steps in range(1, ticks + 1):
        act = sim.random.choices([a for a, _ in choices], [w for _, w in choices])[0]
        await act(sim)
        sim.faults.append(act.__name__.strip("_"))
        await _tick(sim, timedelta(seconds=sim.random.choice((0.5, 1, 1, 2, 7, 31))))
        violation = check_all(sim.desk, sim.store, sim.frames, sim.broker.truth, steps)
        if violation is None and steps % REPLAY_EVERY == 0:
            violation = check_replay(sim.desk, sim.store, steps)
        if violation is not None:
            break
    else:
        violation = await _calm(sim, steps)
    return _outcome(sim, steps, violation)


async def _calm(sim: Simulation, steps: int) -> Violation | None:
    """No faults any more: what works at the broker finds its end or its protection."""
    sim.broker.mute(False)
    sim.broker.set_mode(ChaosMode.INSTANT)
    for _ in range(CALM_STEPS):
        await _tick(sim, timedelta(seconds=3))
    replay = check_replay(sim.desk, sim.store, steps)
    return replay or check_calm(sim.desk, sim.broker.truth, steps)


def _outcome(sim: Simulation, steps: int, violation: Violation | None) -> Outcome:
    fills = sum(1 for e in sim.broker.truth.executions if "." not in e.ref)
    trace = sim.store.head().leaf
    counted = tuple(sorted({f"{name}={sim.faults.count(name)}" for name in sim.faults}))
    return Outcome(sim.seed, steps, sim.store.head().size, sim.approvals, fills, counted, trace, violation)


def replays_as(seed: int, ticks: int) -> str:
    """The command that plays this seed again."""
    return f"phoenix sim --seeds {seed}..{seed} --ticks {ticks}"
