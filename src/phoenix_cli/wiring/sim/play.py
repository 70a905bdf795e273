"""The deterministic simulation: the production engine, kernel, codec and store on virtual time; one seed decides all.

A storm of faults and of people doing their work, then a calm in which every order must find its end. After every step
the checkers look at what the world saw (the frames at the broker) and at what the log says. A violation names its
invariant; the same seed plays the same story again, and ends in the same hash.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import accumulate
from random import Random
from typing import Final

from attrs import evolve, frozen

from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.wiring.sim.acts import MISFORTUNE, WORK, lapse, rise
from phoenix_cli.wiring.sim.broker import ACCOUNT
from phoenix_cli.wiring.sim.checks import Found, Violation
from phoenix_cli.wiring.sim.mishaps import Crash
from phoenix_cli.wiring.sim.rare import Act, hears
from phoenix_cli.wiring.sim.scenes import SCENES, play
from phoenix_cli.wiring.sim.world import CORNERS, PAIRS, Simulation, world_of
from phoenix_core.chain import StoreFault
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import State

# The full comparison with a second fold costs as much as many steps; so often it is a small part of the run.
REPLAY_EVERY: Final = 200
# Longer than the desk goes without a look at the whole picture, which is five minutes.
CALM: Final = (*(timedelta(seconds=1),) * 6, *(timedelta(seconds=5),) * 8, *(timedelta(seconds=20),) * 22)
# So many turns the calm has at the least: most of its ticks ask the broker something, and take in what it answers.
CALM_TURNS: Final = 56
# Every so many seeds the log is the production store, in a file.
ON_DISK_EVERY: Final = 10
FAULTS: Final = tuple(act.__name__.strip("_") for act, _ in MISFORTUNE)

# Of so many positions it is asked what a fault finds them in.
LATEST: Final = 12
# Each fault beside a position in each state.
BESIDE: Final = tuple(f"{fault} while {state}" for fault in FAULTS for state in State)
# A corner that no storm ever visits proves nothing about itself.
MUST_SEE: Final = (
    *(str(state) for state in State),
    *(f"{before} {event}" for before, event in TRANSITIONS),
    *BESIDE,
    *(f"token {event}" for event in ("USED", "EXPIRED", "REJECTED")),
    *(f"execution {event}" for event in ("FILL", "CORRECTION")),
    *(f"picture {verdict}" for verdict in ("AGREES", "DIFFERS", "MOVING", "UNKNOWN")),
    *(f"drift {cause}" for cause in ("count", "size", "overfill", "orphan_exit", "two_perm_ids", "fact_after_end")),
    *(f"exit frame {role}" for role in ("STOP", "CLOSE")),
    *(f"signal {event}" for event in ("ACCEPTED", "REFUSED", "QUARANTINED")),
    *(f"kill {what}" for what in ("ONE_WAY RAISED", "ONE_WAY LIFTED", "DRIFT RAISED", "TEMPORARY RAISED")),
    *(f"session {outcome}" for outcome in ("CONNECTED", "LOST", "FAILED")),
    "alert RECONCILIATION_UNKNOWN",
    "alert PROTECTION_LOST",
    "alert LINK_ESCALATED",
    "alert PROCESS_DEAD",
    *(f"crash {where}" for where in ("before an append", "after an append", "before a hand-over", "after a hand-over")),
    "crash in recovery",
    "kill between commit and send",
    "lease taken between commit and send",
    "kill while nobody hears",
    "order ids again",
    *(f"execution after {state}" for state in (State.CLOSED, State.CANCELLED, State.REJECTED)),
    *(f"begins {corner}" for corner in CORNERS),
)


@frozen
class Story:
    """What is played of a seed: a scene, if one is named; then a storm of so many ticks, or until so many steps were
    checked where that is sooner, without some faults, and of the acts only those at some ticks."""

    ticks: int = 300
    steps: int = 0
    without: tuple[str, ...] = ()
    only: tuple[int, ...] = ()
    scene: str = ""

    def plays(self, tick: int, name: str) -> bool:
        """Whether this act is played at this tick."""
        return name not in self.without and (not self.only or tick in self.only)


@frozen
class Outcome:
    """What one seed came to. A tick is one act of somebody and time for the engine; a step is one checked turn."""

    seed: int
    ticks: int
    steps: int
    beads: int
    approvals: int
    fills: int
    exits: int
    faults: tuple[str, ...]
    visited: tuple[str, ...]
    told: tuple[str, ...]  # the acts of the storm, one line each
    trace: str  # the hash of the log and of all that left the desk
    violation: Violation | None


async def run_seed(seed: int, story: Story | int = 300, *, on_disk: bool | None = None) -> Outcome:
    """Play one seed to its end, or to its first violation.

    Where a story leaves an act out, the dice fall for the rest as they would have. Every tenth seed keeps its log in a
    file, unless `on_disk` says otherwise.
    """
    story = Story(story) if isinstance(story, int) else story
    with ExitStack() as stack:
        filed = seed % ON_DISK_EVERY == 0 if on_disk is None else on_disk
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="phoenix-sim-")) if filed else None
        scene = SCENES[story.scene] if story.scene else None
        sim = world_of(seed, home) if scene is None else world_of(seed, home, scene.begins, scene.limits)
        lasted, replayed, violation = 0, 0, None
        sim.oracle.ledger.visited.add(f"begins {sim.began}")
        swarm = [(act, weight) for act, weight in MISFORTUNE if sim.random.random() < 0.4]
        choices = Choices.of((*WORK, *swarm))
        try:
            _ = (await sim.engine.start()).unwrap()
            await lapse(sim, timedelta(seconds=1))
            if story.scene:
                await play(sim, story.scene)
            sim.broker.set_mode(sim.random.choice(tuple(ChaosMode)))
            for tick in range(1, story.ticks + 1):
                if story.steps and sim.oracle.steps + CALM_TURNS >= story.steps:
                    break
                lasted = tick
                await _storm(sim, choices, story, tick)
                if sim.oracle.steps >= replayed + REPLAY_EVERY:
                    replayed = sim.oracle.steps
                    sim.oracle.replay(sim.desk)
            await _calm(sim)
        except Found as found:
            violation = found.violation
        except (AssertionError, LookupError, ValueError, TypeError, StoreFault) as error:
            violation = sim.oracle.blame(sim.desk) or Violation("BUG", sim.oracle.steps, _where(error))
        outcome = _outcome(sim, lasted, violation)
        for handle in sim.handles:
            handle.close()
        return outcome


@frozen
class Choices:
    """What a storm draws its acts from."""

    acts: tuple[Act, ...]
    weights: tuple[int, ...]  # summed up, as the dice want them

    @classmethod
    def of(cls, weighed: Sequence[tuple[Act, int]]) -> Choices:
        """These acts, each with its weight."""
        return cls(tuple(act for act, _ in weighed), tuple(accumulate(weight for _, weight in weighed)))


async def _storm(sim: Simulation, choices: Choices, story: Story, tick: int) -> None:
    """One act of somebody, then time for the engine. Each tick has dice of its own, whatever others used."""
    act = sim.random.choices(choices.acts, cum_weights=choices.weights)[0]
    span = timedelta(seconds=sim.random.choice((0.5, 1, 1, 2, 7, 31)))
    meets: list[str] = []
    sim.oracle.frames.rules.passed.clear()
    name, dice, sim.random = act.__name__.strip("_"), sim.random, Random(sim.random.random())
    try:
        if story.plays(tick, name):
            sim.faults.append(name)
            sim.told.append(f"tick {tick}, {sim.clock.now().wall:%H:%M:%S}, bead {sim.store.head().size}: {name}")
            meets = [name]
            _ = await act(sim)
        await hears(sim)
    except Crash as crash:
        await rise(sim, crash)
    finally:
        sim.random = dice
    await lapse(sim, span)
    _meets(sim, *meets, *sim.standing())


def _meets(sim: Simulation, *faults: str) -> None:
    """Note which states these faults met: those that the latest positions stand in, or went through since the act."""
    held, passed = sim.oracle.ledger.states, sim.oracle.frames.rules.passed
    states = {*passed, *(held[name] for name in tuple(held)[-LATEST:])}
    sim.oracle.ledger.visited.update(f"{fault} while {state}" for fault in faults for state in states)


def _where(error: Exception) -> str:
    """What broke, and in which line of ours."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {error} at {frame.name}:{frame.lineno}"


async def _calm(sim: Simulation) -> None:
    """No faults any more: what works at the broker finds its end or its protection."""
    broker, mishap = sim.broker, sim.hands.mishap
    broker.mute(False)
    broker.hush(False)
    broker.refuse_connects(0)
    broker.set_mode(ChaosMode.INSTANT)
    broker.jumbles, broker.mum_on_costs, broker.dies = None, False, ""
    broker.blur, broker.reuses_ids, broker.apart, broker.logins = "", False, timedelta(0), (ACCOUNT,)
    sim.latch, sim.dies_again, mishap.between = False, 0, None
    for pair in PAIRS:
        broker.spoof(pair, None)
    mishap.failures, mishap.dies_in, sim.quiet = 0, None, False
    for ear in sim.ears:
        ear.heal()
    for span in CALM:
        await lapse(sim, span)
        await hears(sim)
    sim.oracle.replay(sim.desk)
    sim.oracle.verify()
    sim.oracle.calm(sim.desk)


def _outcome(sim: Simulation, ticks: int, violation: Violation | None) -> Outcome:
    oracle, head = sim.oracle, sim.store.head()
    return Outcome(
        seed=sim.seed,
        ticks=ticks,
        steps=oracle.steps,
        beads=head.size,
        approvals=sim.approvals,
        fills=sum(1 for e in sim.broker.truth.executions if "." not in e.ref),
        exits=oracle.frames.exits,
        faults=tuple(sorted({f"{name}={sim.faults.count(name)}" for name in sim.faults})),
        visited=tuple(sorted(oracle.ledger.visited)),
        told=tuple(sim.told),
        trace=hashlib.sha256(f"{head.leaf} {oracle.frames.story}".encode()).hexdigest(),
        violation=violation,
    )


def played(seeds: Iterable[int], story: Story, jobs: int = 1) -> Iterator[Outcome]:
    """Seeds in their order, so many at once; how many changes nothing in what they come to."""
    if jobs == 1:
        with _settled():
            yield from (asyncio.run(run_seed(seed, story)) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=settle_in) as pool:
        yield from pool.map(_play, ((seed, story) for seed in seeds))


def settle_in() -> None:
    """A worker makes worlds and drops them whole: what it imported need not be looked through for garbage each time."""
    _ = gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@contextmanager
def _settled() -> Iterator[None]:
    """The same for a process that goes on afterwards."""
    before = gc.get_threshold()
    settle_in()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _play(what: tuple[int, Story]) -> Outcome:
    return asyncio.run(run_seed(*what))


def census(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """What the runs have seen, each with the number of seeds that saw it."""
    return dict(sorted(Counter(name for outcome in outcomes for name in outcome.visited).items()))


def never_seen(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Of what a night must have seen, what no run saw: states, transitions, causes, each fault where it can occur."""
    seen = census(outcomes)
    return tuple(name for name in MUST_SEE if name not in seen)


def met(outcomes: Sequence[Outcome]) -> list[str]:
    """Each fault against each state of a position: how many seeds saw them together, one line a fault."""
    seen, wide = census(outcomes), max(len(fault) for fault in FAULTS)
    rows = [" " * wide + "".join(f"{state.value:>11}" for state in State)]
    for fault in FAULTS:
        rows.append(f"{fault:<{wide}}" + "".join(f"{seen.get(f'{fault} while {state}', 0):>11}" for state in State))
    return rows


def played_of(outcome: Outcome, story: Story) -> Story:
    """The story that a seed was in the end: how long its storm lasted, said in ticks."""
    return evolve(story, ticks=outcome.ticks, steps=0)


def replays_as(seed: int, story: Story | int) -> str:
    """The command that plays this seed again."""
    story = Story(story) if isinstance(story, int) else story
    left_out = f" --without {','.join(story.without)}" if story.without else ""
    kept = f" --only {','.join(map(str, story.only))}" if story.only else ""
    scene = f" --scene '{story.scene}'" if story.scene else ""
    return f"phoenix sim --seeds {seed}..{seed} --ticks {story.ticks}{left_out}{kept}{scene}"
