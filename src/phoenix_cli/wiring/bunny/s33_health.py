"""S33, wave 2: a process dies, goes silent inside, or merely dawdles."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from random import Random

from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_adapters.engine.loop import jitter_of
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.stage import Stage
from phoenix_cli.wiring.bunny.witness import Vector, Witness
from phoenix_core.acts.vital import Miss
from phoenix_core.beads import (
    Alert,
    Beat,
    Health,
    Heartbeat,
)
from phoenix_core.watch.codes import Code
from phoenix_core.watch.health import MISS_AFTER, Issue, beat_due_at


async def process_death(witness: Witness) -> None:
    """The engine dies: the watchdog says so at once, then MISSED; after three, that nobody watches the desk."""
    desk = await witness.desk()
    await desk.watch(65, 1)
    beats = witness.shown(desk, "HEARTBEAT while it lives", Heartbeat, lambda h: h.status is Beat.HEALTHY)
    witness.holds("at least three in a minute", len(beats) >= 3, beats)
    for _ in range(11):
        desk.clock.advance(timedelta(seconds=5))
        _ = desk.act(Miss(desk.fresh(), process_alive=False))
    _ = witness.shown(
        desk, "HEARTBEAT MISSED", Heartbeat, lambda h: h.status is Beat.MISSED and not h.checks.process_alive
    )
    witness.once(
        desk, "a CRITICAL, at the first look", Alert, lambda a: raised(Code.PROCESS_DEAD, a) and a.runbook == "RB-004"
    )
    witness.never(desk, "and no WARNING beside it", Alert, lambda a: raised(Code.BEAT_MISSED, a))
    for _ in range(12):
        desk.clock.advance(timedelta(seconds=5))
        _ = desk.act(Miss(desk.fresh(), process_alive=False))
    witness.once(desk, "after three: CRITICAL", Alert, lambda a: raised(Code.BEATS_MISSED, a))
    await desk.tick()
    witness.holds("when it lives again the misses are over", desk.desk.heartbeats.miss_count == 0)


async def semantic_degrade(witness: Witness) -> None:
    """The process runs, the socket answers, and no word on an order comes for ten minutes: DEGRADED, and why."""
    desk = await witness.desk()
    desk.broker.script(Silence())
    _ = await desk.enter()
    desk.broker.hush()
    await desk.watch(240, 5)
    flowing = Issue.ORDERS_FLOWING.value
    witness.never(desk, "patient for four minutes", Heartbeat, lambda h: flowing in h.details)
    await desk.watch(420, 5)
    found = witness.shown(desk, "HEARTBEAT DEGRADED", Heartbeat, lambda h: h.status is Beat.DEGRADED)
    _ = witness.shown(desk, "which names the order feed", Heartbeat, lambda h: flowing in h.details)
    alive = [h for h in desk.bodies(Heartbeat) if flowing in h.details]
    witness.holds("the process lives, the link stands", all(h.checks.ibkr_connected for h in alive), found)
    degraded = all(h.health_state is Health.DEGRADED and not h.checks.semantic_healthy for h in alive)
    witness.holds("it is sick inside, not dead", degraded)
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.HEALTH_DEGRADED, a))


def _is_due(desk: Stage) -> bool:
    """Whether the next step would beat."""
    now, soon = desk.clock.now().wall, timedelta(seconds=1)
    return now + soon > beat_due_at(desk.desk.heartbeats.last_at, jitter_of(desk.desk.head.leaf), now)


async def heartbeat_jitter(witness: Witness) -> None:
    """Every beat comes up to ten seconds late: no false alarm; a real gap still raises one."""
    desk, dice = await witness.desk(), Random(witness.seed)
    delays = (10, *(dice.randint(0, 10) for _ in range(9)))
    watchdog = desk.other()
    for delay in delays:
        await desk.tick(20)
        while not _is_due(desk):
            await desk.tick(1)
        for _ in range(delay):
            desk.clock.advance(timedelta(seconds=1))
            _ = watchdog.act(Miss(desk.fresh(), process_alive=True))
        beats = desk.desk.heartbeats.beats
        await desk.tick(0)
        while desk.desk.heartbeats.beats == beats:
            await desk.tick(1)
            _ = watchdog.act(Miss(desk.fresh(), process_alive=True))
    at = [bead.ts for bead in desk.beads() if isinstance(bead.body, Heartbeat)]
    gaps = [later - sooner for sooner, later in pairwise(at)]
    late = timedelta(seconds=35)
    witness.holds("beats really were late, and none too late", max(gaps) > late and max(gaps) <= MISS_AFTER)
    witness.never(desk, "no MISSED", Heartbeat, lambda h: h.status is Beat.MISSED)
    witness.never(desk, "no false alert", Alert, lambda a: raised(Code.BEAT_MISSED, a))
    desk.clock.advance(MISS_AFTER + timedelta(seconds=1))
    said = desk.act(Miss(desk.fresh(), process_alive=True))
    witness.holds("its honest twin: a real gap is one", is_successful(said))
    witness.once(desk, "and is told", Alert, lambda a: raised(Code.BEAT_MISSED, a))


VECTORS = (
    Vector("CV_S33_4_MONITORING_PROCESS_DEATH", 2, "The engine's process dies.", process_death),
    Vector("CV_S33_5_SEMANTIC_HEALTH_DEGRADE", 2, "No word on an order for ten minutes.", semantic_degrade),
    Vector("CV_S33_6_HEARTBEAT_JITTER", 2, "Beats come up to ten seconds late.", heartbeat_jitter),
)
