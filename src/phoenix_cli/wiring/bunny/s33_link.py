"""S33, waves 1 and 2: the gateway goes and comes back; a process dies, goes silent inside, or merely dawdles."""

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
    About,
    Alert,
    Beat,
    Execution,
    ExecutionEvent,
    Health,
    Heartbeat,
    IbkrSession,
    Observation,
    ReconciliationDrift,
    SessionEvent,
)
from phoenix_core.values import Role, State
from phoenix_core.watch.codes import Code
from phoenix_core.watch.health import MISS_AFTER, Issue, beat_due_at


async def ibkr_disconnect(witness: Witness) -> None:
    """The gateway is killed: noticed, told, kept; nothing is sent into the void, and protection is not touched."""
    desk = await witness.desk()
    held = await desk.enter()
    waiting = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
    sent = desk.sent
    desk.broker.refuse_connects(99)
    desk.broker.cut()
    await desk.tick()
    lost = SessionEvent.DISCONNECT
    witness.once(desk, "IBKR_SESSION DISCONNECT", IbkrSession, lambda s: s.event is lost and s.outcome == "LOST")
    witness.once(desk, "an alert with RB-001", Alert, lambda a: raised(Code.LINK_LOST, a) and a.runbook == "RB-001")
    _ = desk.approve(waiting).unwrap()
    await desk.tick(1)
    witness.holds("what is approved now waits", desk.state(waiting) is State.APPROVED)
    witness.holds("nothing was sent", desk.sent == sent)
    witness.holds("what is held stays as it is", desk.state(held) is State.MANAGED)
    await desk.watch(120)
    attempts = desk.where(IbkrSession, lambda s: s.outcome == "FAILED")
    witness.holds("three attempts, no fourth", len(attempts) == 3, attempts)
    witness.once(desk, "then a human is called", Alert, lambda a: raised(Code.LINK_ESCALATED, a))


async def ibkr_reconnect(witness: Witness) -> None:
    """The gateway is away for two attempts; what happened meanwhile is learnt, once."""
    desk = await witness.desk()
    intent = await desk.enter()
    desk.broker.refuse_connects(2)
    desk.broker.cut()
    await desk.tick()
    desk.price("1.09105", "1.09115")  # the target executes while nobody listens
    await desk.watch(70)
    back = witness.shown(
        desk,
        "IBKR_SESSION RECONNECT, connected",
        IbkrSession,
        lambda s: (s.event, s.outcome) == (SessionEvent.RECONNECT, "CONNECTED"),
    )
    attempts = [s.reconnect_attempt for s in desk.bodies(IbkrSession) if s.event is SessionEvent.RECONNECT]
    witness.holds("in the third attempt", attempts == [1, 2, 3], back)
    waits = [bead.ts for bead in desk.beads() if isinstance(bead.body, IbkrSession)][1:]
    spans = [(later - sooner) // timedelta(seconds=1) for sooner, later in pairwise(waits)]
    witness.holds("after 5, 15 and 45 s", spans == [5, 15, 45])
    fills = desk.where(Execution, lambda e: e.event is ExecutionEvent.FILL and e.role is Role.TARGET)
    witness.holds("the fill that nobody heard is learnt, once", len(fills) == 1, fills)
    witness.holds("and the position is closed", desk.state(intent) is State.CLOSED)
    witness.never(desk, "nobody disagrees", ReconciliationDrift)
    _ = witness.shown(desk, "told that the link is back", Alert, lambda a: raised(Code.LINK_RESTORED, a))
    twin = await desk.enter()
    witness.holds("entries go again", desk.state(twin) is State.MANAGED)


async def gateway_auto_update(witness: Witness) -> None:
    """The gateway restarts itself in a new version: reconnected, recorded, reconciled before anything is sent."""
    desk = await witness.desk()
    intent = await desk.enter()
    session = desk.desk.sessions.session
    desk.broker.update("10.99.1x")
    desk.broker.refuse_connects(1)
    desk.broker.cut()
    await desk.tick()
    await desk.watch(25, 5)
    witness.once(desk, "IBKR_SESSION DISCONNECT", IbkrSession, lambda s: s.event is SessionEvent.DISCONNECT)
    back = witness.shown(
        desk, "IBKR_SESSION with the new version", IbkrSession, lambda s: s.gateway_version == "10.99.1x"
    )
    looked = witness.shown(
        desk,
        "a complete reconciliation in the new session",
        Observation,
        lambda o: (
            o.about is About.SNAPSHOT and o.facts["session"] == str(session + 1) and o.facts["agreement"] == "AGREES"
        ),
    )
    witness.once(
        desk,
        "an alert that opens RB-007",
        Alert,
        lambda a: raised(Code.GATEWAY_RESTARTED, a) and a.runbook == "RB-007" and "now 10.99.1x" in a.text,
    )
    witness.holds("after it had come back", bool(back and looked) and back[0] < looked[0])
    witness.holds("what is held is protected still", desk.state(intent) is State.MANAGED)


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
    Vector("CV_S33_1_IBKR_DISCONNECT", 1, "The gateway is killed in mid-session.", ibkr_disconnect),
    Vector("CV_S33_2_IBKR_RECONNECT", 1, "The gateway restarts.", ibkr_reconnect),
    Vector("CV_S33_3_GATEWAY_AUTO_UPDATE", 1, "The gateway restarts in a new version.", gateway_auto_update),
    Vector("CV_S33_4_MONITORING_PROCESS_DEATH", 2, "The engine's process dies.", process_death),
    Vector("CV_S33_5_SEMANTIC_HEALTH_DEGRADE", 2, "No word on an order for ten minutes.", semantic_degrade),
    Vector("CV_S33_6_HEARTBEAT_JITTER", 2, "Beats come up to ten seconds late.", heartbeat_jitter),
)
