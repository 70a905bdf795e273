"""The deterministic simulation: the production engine, kernel, codec and store on virtual time; one seed decides all.

A storm of faults and of people doing their work, then a calm in which every order must find its end. After every step
the checkers look at what the world saw (the frames at the broker) and at what the log says. A violation names its
invariant; the same seed plays the same story again, and ends in the same hash.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from attrs import frozen

from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.wiring.sim_acts import MISFORTUNE, WORK, Act, restart
from phoenix_cli.wiring.sim_checks import Violation, check_all, check_calm, check_replay
from phoenix_cli.wiring.sim_world import PAIRS, Crash, Simulation, quote, world_of
from phoenix_core.chain import StoreFault

# The full comparison with a replay costs as much as all steps since the last one; so often it is a tenth of the run.
REPLAY_EVERY: Final = 200
# Longer than the desk goes without a look at the whole picture, which is five minutes.
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


async def _tick(sim: Simulation, span: timedelta) -> None:
    sim.clock.advance(span)
    quote(sim)
    try:
        await sim.engine.step()
        await sim.engine.settle()
    except Crash as crash:
        sim.faults.append(f"crash {crash}")
        await restart(sim)


async def run_seed(seed: int, ticks: int = 300) -> Outcome:
    """Play one seed to its end, or to its first violation."""
    sim = world_of(seed)
    steps, violation = 0, None
    _ = (await sim.engine.start()).unwrap()
    await _tick(sim, timedelta(seconds=1))
    swarm = [(act, weight) for act, weight in MISFORTUNE if sim.random.random() < 0.4]
    choices = (*WORK, *swarm)
    sim.broker.set_mode(sim.random.choice(tuple(ChaosMode)))
    try:
        for steps in range(1, ticks + 1):
            await _storm(sim, choices)
            violation = check_all(sim.desk, sim.store, sim.frames, sim.broker.truth, steps)
            if violation is None and steps % REPLAY_EVERY == 0:
                violation = check_replay(sim.desk, sim.store, steps)
            if violation is not None:
                break
        else:
            violation = await _calm(sim, steps)
    except (AssertionError, LookupError, ValueError, TypeError, StoreFault) as error:
        violation = Violation("BUG", steps, _where(error))
    return _outcome(sim, steps, violation)


async def _storm(sim: Simulation, choices: Sequence[tuple[Act, int]]) -> None:
    """One act of somebody, then time for the engine."""
    act = sim.random.choices([a for a, _ in choices], [w for _, w in choices])[0]
    try:
        await act(sim)
    except Crash as crash:
        sim.faults.append(f"crash {crash}")
        await restart(sim)
    sim.faults.append(act.__name__.strip("_"))
    await _tick(sim, timedelta(seconds=sim.random.choice((0.5, 1, 1, 2, 7, 31))))


def _where(error: Exception) -> str:
    """What broke, and in which line of ours."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {error} at {frame.name}:{frame.lineno}"


async def _calm(sim: Simulation, steps: int) -> Violation | None:
    """No faults any more: what works at the broker finds its end or its protection."""
    broker = sim.broker
    broker.mute(False)
    broker.hush(False)
    broker.refuse_connects(0)
    broker.set_mode(ChaosMode.INSTANT)
    broker.jumbles, broker.mum_on_costs, broker.dies = None, False, ""
    for pair in PAIRS:
        broker.spoof(pair, None)
    sim.hands.failures, sim.hands.dies_in = 0, None
    for _ in range(CALM_STEPS):
        await _tick(sim, timedelta(seconds=5))
    replay = check_replay(sim.desk, sim.store, steps)
    return (
        replay
        or check_all(sim.desk, sim.store, sim.frames, broker.truth, steps)
        or check_calm(sim.desk, sim.frames, broker.truth, steps)
    )


def _outcome(sim: Simulation, steps: int, violation: Violation | None) -> Outcome:
    fills = sum(1 for e in sim.broker.truth.executions if "." not in e.ref)
    trace = sim.store.head().leaf
    counted = tuple(sorted({f"{name}={sim.faults.count(name)}" for name in sim.faults}))
    return Outcome(sim.seed, steps, sim.store.head().size, sim.approvals, fills, counted, trace, violation)


def replays_as(seed: int, ticks: int) -> str:
    """The command that plays this seed again."""
    return f"phoenix sim --seeds {seed}..{seed} --ticks {ticks}"
