"""What people, bots and misfortune do in the simulation: the work of a day, and the faults of a storm."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Final

from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Dawdle, Fate, Fill, Lose, Partial, Reject, Silence
from phoenix_adapters.brokers.mock.market import MIDS
from phoenix_cli.wiring.round_trip import SIGNAL
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_cli.wiring.sim.broker import NUMBER
from phoenix_cli.wiring.sim.checks import Found, Violation
from phoenix_cli.wiring.sim.mishaps import Crash
from phoenix_cli.wiring.sim.rare import RARE_MISFORTUNE, RARE_WORK, Act
from phoenix_cli.wiring.sim.world import PAIRS, Simulation, quote
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Resolution, Verdict
from phoenix_core.chain import Fault
from phoenix_core.facts import Fact, LinkSaid
from phoenix_core.gate.statements import ClearKill, Close, RefreshAnchor, ResolveDrift
from phoenix_core.values import CommandId, Quantity, Regime, Side, State, text_hash, utc_text

# What the engine starts in the background needs a few rounds of the loop, and leads to another turn; this many are a
# bug, as is a turn that waits for a human's ear.
TURNS_MAX: Final = 60
LOOPS: Final = 4
# Nothing in a turn waits, so it takes milliseconds of a real clock; one that waits for a human's ear never ends.
PATIENCE_S: Final = 20.0


async def propose(sim: Simulation) -> None:
    """A bot has an idea about one of the instruments."""
    propose_in(sim, sim.random.choice(PAIRS))


def propose_in(sim: Simulation, pair: str) -> None:
    """A bot has an idea about this instrument."""
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
    sim.propose(text.encode())


async def decide(sim: Simulation) -> None:
    """An operator answers one of the proposals that wait."""
    waiting = sim.desk.positions.in_state(State.PROPOSED)
    if not waiting:
        return
    intent = sim.random.choice(waiting).intent_id
    verdict = Verdict.REJECT if sim.random.random() < 0.1 else Verdict.APPROVE
    recorder = sim.other()
    screen = screen_of(recorder.desk, intent, sim.clock.now(), verdict)
    if isinstance(screen, Screen) and sim.sign(screen.says):
        sim.approvals += verdict is Verdict.APPROVE
        _lid(sim)


def _lid(sim: Simulation) -> None:
    """The lid is closed on the signature, now and then; the wall of a host that wakes up may be anything."""
    fate = sim.random.random()
    if fate < 0.06:
        slept = timedelta(minutes=sim.random.choice((2, 6, 6, 30)))
        sim.clock.advance(slept)
        if fate < 0.04:
            sim.clock.step_wall(-slept)
    elif fate < 0.09:
        sim.clock.step_wall(timedelta(minutes=6))


async def close(sim: Simulation) -> None:
    """An operator wants out of what is held, or out of a part of it."""
    held = sim.desk.positions.in_state(State.MANAGED)
    if held:
        position = sim.random.choice(held)
        part = Quantity(position.held // 3) if position.seq % 3 == 0 else None  # no dice: no older story shifts for it
        _ = sim.sign(Close(position.position_id, text_hash("sim"), part or None))


async def kill(sim: Simulation) -> None:
    """A kill goes up, or one that stands is cleared."""
    flags = list(sim.desk.kill_flags.standing.values())
    if flags:
        _ = sim.sign(ClearKill(flags[0].flag, text_hash("sim")))
    else:
        if all(ear.mood != "takes" for ear in sim.ears):
            sim.oracle.ledger.visited.add("kill while nobody hears")
        scope = sim.random.choice(("desk", "instrument:EURUSD", "strategy:demo"))
        _ = sim.other().act(RaiseKill(CommandId(sim.fresh("kill")), scope, "sim", "sim"))


async def refresh(sim: Simulation) -> None:
    """An operator looks anew at every strategy and market."""
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
        Reject(text=f"Order rejected - reason: account {NUMBER} lacks margin"),
        Silence(),
        Silence(fills=True),
        Lose(),
        Fill(timedelta(seconds=20)),
        Dawdle(),
    )
    sim.broker.script(sim.random.choice(fates))


async def restart(sim: Simulation) -> None:
    """The engine dies where it stands, and another run begins; it may die while it recovers."""
    sim.oracle.stands()
    sim.broker.cut()
    _ = sim.broker.drain()
    sim.engine = sim.reopen()
    sim.oracle.ledger.wire.torn = 0  # what it was shown and had not written down died with it
    try:
        _ = (await sim.engine.start()).unwrap()
        await turns(sim)
    except Crash as crash:
        sim.faults.append(f"crash {crash}")
        sim.oracle.ledger.visited.add("crash in recovery")
        await restart(sim)


async def _step_wall(sim: Simulation) -> None:
    sim.clock.step_wall(timedelta(seconds=sim.random.choice((-3600, -1, 1, 3, 3600))))


async def _suspend(sim: Simulation) -> None:
    sim.clock.advance(timedelta(seconds=sim.random.choice((30, 120, 1800))))


async def _fail_store(sim: Simulation) -> None:
    sim.hands.mishap.fault = sim.random.choice((Fault.FULL, Fault.IO, Fault.UNKNOWN, Fault.BUSY))
    sim.hands.mishap.failures = sim.random.choice((1, 1, 3, 8))
    sim.hands.mishap.landed = sim.random.random() < 0.5


async def _die(sim: Simulation) -> None:
    """The process will die at one of the next appends or hand-overs."""
    if sim.random.random() < 0.4:
        sim.broker.dies = sim.random.choice(("before", "after"))
    else:
        sim.hands.mishap.dies_in, sim.hands.mishap.dies_after = sim.random.randrange(6), sim.random.random() < 0.5


async def _rival(sim: Simulation) -> None:
    """A second engine takes the lease; the first wakes up once more and does not know it."""
    old, hands = sim.engine, sim.hands
    said: list[Fact] = [fact for fact in sim.broker.drain() if not isinstance(fact, LinkSaid)]  # each has its own link
    new, fresh = sim.reopen(), sim.hands
    stands = sim.random.random() < 0.5
    if stands:  # the gateway has one client only: the first one's session stands, and ends with it
        sim.broker.refuse_connects(1)
    _ = (await new.start()).unwrap()
    for _ in range(3):
        await decide(sim)
    said += sim.broker.drain()
    sim.engine, sim.hands = old, hands  # the frames of this turn are the old run's
    sim.broker.refuse_connects(0 if stands or not sim.broker._up else 99)  # now it may be the second one's that stands
    try:
        await turns(sim)
    finally:
        sim.broker.refuse_connects(0)
        if stands:
            sim.broker.cut()
        _ = sim.broker.drain()
        sim.engine, sim.hands = new, fresh
        sim.broker.tell(*said)


async def _late_fill(sim: Simulation) -> bool:
    return sim.broker.fill_late(sim.random)


async def _overfill(sim: Simulation) -> bool:
    return sim.broker.overfill(sim.random)


async def _correct(sim: Simulation) -> bool:
    return sim.broker.correct(sim.random)


async def _repeat(sim: Simulation) -> bool:
    return sim.broker.repeat(sim.random)


async def _double(sim: Simulation) -> bool:
    return sim.broker.double(sim.random)


async def _jumble(sim: Simulation) -> None:
    sim.broker.jumbles = sim.random if sim.random.random() < 0.7 else None
    sim.broker.mum_on_costs = sim.random.random() < 0.3


async def _hush(sim: Simulation) -> None:
    sim.broker.hush(sim.random.random() < 0.5)


async def _spoof(sim: Simulation) -> None:
    lie = Decimal(sim.random.choice((0, -20000, 40000))) if sim.random.random() < 0.5 else None
    sim.broker.spoof(sim.random.choice(PAIRS), lie)


async def _down(sim: Simulation) -> None:
    sim.broker.refuse_connects(sim.random.choice((1, 4)))
    sim.broker.cut()


async def _garbage(sim: Simulation) -> None:
    """Bytes that are no signal, or nearly one; each has one outcome, and the same bytes the same."""
    good = SIGNAL.format(intent=sim.fresh("intent"), created=utc_text(sim.clock.now().wall))
    sim.propose(
        sim.random.choice(
            (
                b"",
                b"\xff\xfe\x00",
                b"- " * 2000,
                b"{" * 5000,
                b"signal: &a [*a]",
                good.replace("0.", "NaN").encode(),
                good.replace("READY", "WAIT").encode(),
                (good + good).encode(),
                good.replace("EURUSD", "EUR\u202eUSD").encode(),
                good.replace("stop: ", "stop: -").encode(),
                good.encode()[: sim.random.randrange(len(good))],
            )
        ),
        sim.random.choice(("", "a.yaml", "b.json", "../c.yaml")),
    )


async def _twice(sim: Simulation) -> None:
    """Two operators look at the same screen and decide in the same moment."""
    waiting = sim.desk.positions.in_state(State.PROPOSED)
    if not waiting:
        return
    intent = sim.random.choice(waiting).intent_id
    verdicts = (Verdict.APPROVE, Verdict.REJECT) if sim.random.random() < 0.5 else (Verdict.APPROVE, Verdict.APPROVE)
    screens = [screen_of(sim.other().desk, intent, sim.clock.now(), verdict) for verdict in verdicts]
    signed = [sim.signature(screen.says) for screen in screens if isinstance(screen, Screen)]
    for command in signed:
        if command is not None and is_successful(sim.other().act(command)):
            sim.approvals += 1


async def _deafen(sim: Simulation) -> None:
    """A channel to the people refuses, breaks or hangs; or takes again."""
    ear = sim.random.choice(sim.ears)
    mood = sim.random.choice(("takes", "refuses", "breaks", "hangs"))
    if mood == "takes":
        ear.heal()
    else:
        ear.mood = mood


async def _still(sim: Simulation) -> None:
    """The market does not quote for a while."""
    sim.quiet = not sim.quiet


async def _keep(sim: Simulation) -> None:
    """The engine keeps its state beside the log; the next start begins there."""
    if not sim.hands.mishap.failures:
        sim.engine.recorder.keep()


async def _acknowledge(sim: Simulation) -> None:
    """A human answers a drift: it stays visible and stops nothing, until its values change."""
    waiting = [drift for drift in sim.desk.drifts.open.values() if not drift.acknowledged]
    if waiting:
        answer = sim.random.choice((Resolution.ACKNOWLEDGED, Resolution.ACKNOWLEDGED, Resolution.BROKER_CORRECTED))
        _ = sim.sign(ResolveDrift(sim.random.choice(waiting).identity, answer, text_hash("sim")))


async def turns(sim: Simulation) -> None:
    """The engine's turns, until nothing of its own is under way; a channel that hangs keeps nobody waiting."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _turns(sim)
    except TimeoutError as late:
        raise Found(Violation("I18", sim.oracle.steps, "a turn of the engine waited for somebody")) from late


async def _turns(sim: Simulation) -> None:
    engine = sim.engine
    await engine.step()
    for _ in range(TURNS_MAX):
        if len(engine._tasks) <= sum(ear.hanging for ear in sim.ears):
            break
        for _ in range(LOOPS):
            await asyncio.sleep(0)
        await engine.step()
    else:
        raise AssertionError("the engine's background work does not end")
    if sim.robbed and engine is sim.engine:
        raise Crash("without its lease")  # it has had its turn at the socket; whoever took the lease is this host


async def lapse(sim: Simulation, span: timedelta) -> None:
    """Time passes, the market quotes, and the engine does what it has to do."""
    sim.clock.advance(span)
    quote(sim)
    try:
        await turns(sim)
    except Crash as crash:
        await rise(sim, crash)


async def rise(sim: Simulation, crash: Crash) -> None:
    """The process died, and a new one begins."""
    sim.faults.append(f"crash {crash}")
    sim.oracle.ledger.visited.add(f"crash {crash}")
    await restart(sim)


WORK: Final[tuple[tuple[Act, int], ...]] = (
    (propose, 12),
    (decide, 20),
    (close, 4),
    (kill, 2),
    (refresh, 6),
    (_twice, 2),
    (_acknowledge, 5),
    (_keep, 1),
    *RARE_WORK,
)
MISFORTUNE: Final[tuple[tuple[Act, int], ...]] = (
    (_cut, 2),
    (_mute, 2),
    (_manual, 1),
    (_move, 6),
    (_fate, 8),
    (restart, 1),
    (_step_wall, 1),
    (_suspend, 1),
    (_fail_store, 1),
    (_die, 2),
    (_rival, 2),
    (_late_fill, 1),
    (_overfill, 1),
    (_correct, 1),
    (_repeat, 2),
    (_double, 1),
    (_jumble, 2),
    (_hush, 1),
    (_spoof, 1),
    (_down, 1),
    (_garbage, 2),
    (_deafen, 1),
    (_still, 1),
    *RARE_MISFORTUNE,
)
