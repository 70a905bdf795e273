"""S33, wave 1: the gateway is killed, comes back, comes back in another version. The real client, a real socket."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from phoenix_cli.wiring.bunny.live import LiveStage
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.witness import GATEWAY, Vector, Witness
from phoenix_core.beads import (
    About,
    Alert,
    Execution,
    ExecutionEvent,
    IbkrSession,
    Observation,
    ReconciliationDrift,
    SessionEvent,
)
from phoenix_core.values import Role, State
from phoenix_core.watch.codes import Code

GBP: Final = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}
# An attempt comes with the first step after its time, and a busy host takes its steps late.
LATE_MAX_S: Final = 4
VERSIONS: Final = (175, 176)  # of the protocol; every client library speaks both


async def _held(witness: Witness, desk: LiveStage) -> str:
    """An entry, filled and protected."""
    intent = await desk.enter()
    witness.holds("an entry is filled and protected", await desk.reaches(intent, State.MANAGED))
    return intent


async def _killed(witness: Witness, desk: LiveStage) -> None:
    """The gateway's process is gone, and that is noticed."""
    desk.kill_gateway()
    witness.holds("the lost socket is noticed", await desk.until(lambda: not desk.engine.link.up))
    lost = SessionEvent.DISCONNECT
    witness.once(desk, "IBKR_SESSION DISCONNECT", IbkrSession, lambda s: s.event is lost and s.outcome == "LOST")


async def ibkr_disconnect(witness: Witness) -> None:
    """The gateway is killed: noticed, told, kept; nothing is sent into the void, and protection is not touched."""
    async with witness.gateway() as desk:
        held = await _held(witness, desk)
        waiting = await desk.propose(**GBP)
        sent, working, at_broker = desk.sent, desk.working(), desk.held()
        await _killed(witness, desk)
        witness.once(desk, "an alert with RB-001", Alert, lambda a: raised(Code.LINK_LOST, a) and a.runbook == "RB-001")
        _ = desk.approve(waiting).unwrap()
        await desk.tick(1)
        witness.holds("what is approved now waits", desk.state(waiting) is State.APPROVED)
        witness.holds("what is held stays as it is", desk.state(held) is State.MANAGED)
        await desk.watch(75, 1)
        attempts = desk.where(IbkrSession, lambda s: s.outcome == "FAILED")
        witness.holds("three attempts, no fourth", len(attempts) == 3, attempts)
        witness.once(desk, "then a human is called", Alert, lambda a: raised(Code.LINK_ESCALATED, a))
        witness.holds("the gateway read no order after it was killed", desk.sent == sent == 3)
        there = working == desk.working() == 2 and at_broker == desk.held() > 0
        witness.holds("stop and target work at the broker for what is held", there)


async def ibkr_reconnect(witness: Witness) -> None:
    """The gateway is away for two attempts; what happened meanwhile is learnt, once."""
    async with witness.gateway() as desk:
        intent = await _held(witness, desk)
        await _killed(witness, desk)
        await desk.watch(25, 1)
        desk.price("1.09105", "1.09115")
        await desk.tick(1)
        witness.holds("the target executes while nobody listens", desk.held() == 0)
        await desk.start_gateway()
        await desk.watch(50, 1)
        attempts = [s.reconnect_attempt for s in desk.bodies(IbkrSession) if s.event is SessionEvent.RECONNECT]
        back = witness.shown(desk, "IBKR_SESSION RECONNECT, connected", IbkrSession, _came_back)
        witness.holds("in the third attempt", attempts == [1, 2, 3], back)
        witness.holds("after 5, 15 and 45 s", _on_time(_sessions(desk)[1:], (5, 15, 45)))
        closed = await desk.reaches(intent, State.CLOSED)
        fills = desk.where(Execution, lambda e: e.event is ExecutionEvent.FILL and e.role is Role.TARGET)
        witness.holds("the fill that nobody heard is learnt, once", len(fills) == 1, fills)
        witness.holds("and the position is closed", closed)
        witness.never(desk, "nobody disagrees", ReconciliationDrift)
        _ = witness.shown(desk, "told that the link is back", Alert, lambda a: raised(Code.LINK_RESTORED, a))
        desk.price("1.08495", "1.08505")
        await desk.tick(1)
        twin = await desk.enter()
        witness.holds("entries go again", await desk.reaches(twin, State.MANAGED))


def _came_back(session: IbkrSession) -> bool:
    return (session.event, session.outcome) == (SessionEvent.RECONNECT, "CONNECTED")


def _sessions(desk: LiveStage) -> list[datetime]:
    return [bead.ts for bead in desk.beads() if isinstance(bead.body, IbkrSession)]


def _on_time(at: list[datetime], waits: tuple[int, ...]) -> bool:
    """Whether each came so many seconds after the one before, and not before its time."""
    spans = [(later - sooner) // timedelta(seconds=1) for sooner, later in pairwise(at)]
    return len(spans) == len(waits) and all(w <= s <= w + LATE_MAX_S for s, w in zip(spans, waits, strict=True))


async def gateway_auto_update(witness: Witness) -> None:
    """The gateway restarts itself in a new version: reconnected, recorded, reconciled before anything is sent."""
    new = str(VERSIONS[1])
    async with witness.gateway(VERSIONS[0]) as desk:
        intent = await _held(witness, desk)
        session, sent = desk.desk.sessions.session, desk.sent
        await _killed(witness, desk)
        await desk.watch(7, 1)
        await desk.start_gateway(VERSIONS[1])
        await desk.watch(18, 1)
        back = witness.shown(
            desk, "IBKR_SESSION with the new version", IbkrSession, lambda s: _came_back(s) and s.gateway_version == new
        )
        looked = witness.shown(
            desk,
            "a complete reconciliation in the new session",
            Observation,
            lambda o: o.about is About.SNAPSHOT and int(o.facts["session"]) > session and _agrees(o),
        )
        witness.once(
            desk,
            "an alert that opens RB-007",
            Alert,
            lambda a: raised(Code.GATEWAY_RESTARTED, a) and a.runbook == "RB-007" and f"now {new}" in a.text,
        )
        witness.holds("after it had come back", bool(back and looked) and back[0] < looked[0])
        witness.holds("what is held is protected still", desk.state(intent) is State.MANAGED)
        witness.holds("at the broker too, and nothing was sent", desk.working() == 2 and desk.sent == sent)
        witness.holds("it holds what we hold", desk.held() == desk.desk.positions.net("EURUSD") > Decimal(0))


def _agrees(observation: Observation) -> bool:
    return observation.facts["agreement"] == "AGREES"


VECTORS = (
    Vector("CV_S33_1_IBKR_DISCONNECT", 1, "The gateway is killed in mid-session.", ibkr_disconnect, GATEWAY),
    Vector("CV_S33_2_IBKR_RECONNECT", 1, "The gateway restarts.", ibkr_reconnect, GATEWAY),
    Vector("CV_S33_3_GATEWAY_AUTO_UPDATE", 1, "The gateway restarts in a new version.", gateway_auto_update, GATEWAY),
)
