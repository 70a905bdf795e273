"""The eight gates of S32 and the eight of S33, phase 1: each stands on vectors, on a walk of its own, or on a human."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from attrs import frozen

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.home import Home
from phoenix_cli.wiring.bunny.s33_messenger import messenger
from phoenix_cli.wiring.bunny.suites import S32, S33
from phoenix_cli.wiring.bunny.witness import GATEWAY, MESSENGER, Vector, Verdict, Witness
from phoenix_cli.wiring.round_trip import round_trip
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import (
    Beat,
    Execution,
    ExecutionEvent,
    Heartbeat,
    IbkrSession,
    KillKind,
    Position,
    SessionEvent,
    T2Token,
    TokenEvent,
)
from phoenix_core.kernel import bead_of
from phoenix_core.values import Named, State


class Light(Named):
    """How a gate stands. OPEN: only a human, or a gateway that is not ours, can close it."""

    GREEN = "GREEN"
    RED = "RED"
    OPEN = "OPEN"


@frozen
class Gate:
    """One gate: what it stands on. `human` names what no program can do for its operator."""

    id: str
    says: str
    vectors: tuple[str, ...] = ()
    walk: Vector | None = None
    human: str = ""


async def ibkr_connected(witness: Witness) -> None:
    """Ask for the account, send an order, hear of its fill, see it closed."""
    desk = await witness.desk()
    snapshot = desk.engine.link.snapshot
    witness.holds("the account is known", snapshot is not None and snapshot.equity == Decimal(100_000))
    intent = await desk.enter()
    _ = witness.shown(desk, "the fill is heard", Execution, lambda e: e.event is ExecutionEvent.FILL)
    witness.holds("protected", desk.state(intent) is State.MANAGED)
    desk.price("1.09105", "1.09115")
    await desk.watch(6, 1)
    witness.holds("closed at its target", desk.state(intent) is State.CLOSED)
    witness.once(desk, "by one token, USED once", T2Token, lambda t: t.event is TokenEvent.USED)


async def lifecycle_tracked(witness: Witness) -> None:
    """A whole life: each move is one POSITION bead, and each begins where the last one ended."""
    desk = await witness.desk()
    _ = await desk.enter()
    desk.price("1.09105", "1.09115")
    await desk.watch(6, 1)
    moves = [p for p in desk.bodies(Position) if p.event is not None]
    life = [State.PROPOSED, State.APPROVED, State.SUBMITTED, State.FILLED, State.MANAGED, State.CLOSED]
    places = desk.where(Position, lambda p: p.event is not None)
    witness.holds("PROPOSED to CLOSED, one bead each", [p.state for p in moves] == life, places)
    witness.holds("in a chain", all(later.from_ is sooner.state for sooner, later in pairwise(moves)))


async def over_the_wire(witness: Witness) -> None:
    """The round trip over the real client library and a gateway that speaks the real protocol, on loopback."""
    tale = await round_trip(witness.folder, "gateway", witness.seed)
    witness.holds("the log verifies", tale.verified)
    with SqliteStore(Home(witness.folder).log, ballast_bytes=0) as store:
        beads = [bead_of(record) for record in store.read(0)]
    sessions = [b.seq for b in beads if isinstance(b.body, IbkrSession) and b.body.event is SessionEvent.CONNECT]
    witness.holds("IBKR_SESSION CONNECT", bool(sessions), sessions)
    life = [b.seq for b in beads if isinstance(b.body, Position) and b.body.event is not None]
    closed = [b.seq for b in beads if isinstance(b.body, Position) and b.body.state is State.CLOSED]
    witness.holds("POSITION beads for a whole life", len(life) >= 6, life)
    witness.holds("to its end", len(closed) == 1, closed)
    fills = [b.seq for b in beads if isinstance(b.body, Execution) and b.body.event is ExecutionEvent.FILL]
    witness.holds("entry and exit were executed", len(fills) >= 2, fills)


async def volume(witness: Witness) -> None:
    """Three trades over two sessions, on the mock."""
    desk = await witness.desk()
    for day in range(2):
        for _ in range(2 - day):
            intent = await desk.enter()
            desk.price("1.09105", "1.09115")
            await desk.watch(6, 1)
            witness.holds("closed", desk.state(intent) is State.CLOSED)
            desk.price("1.08495", "1.08505")
            await desk.tick()
        desk.clock.advance(timedelta(hours=24 * (1 - day)))
        await desk.watch(5, 1)
    closed = desk.where(Position, lambda p: p.state is State.CLOSED)
    witness.holds("three positions CLOSED", len(closed) == 3, closed)
    days = {bead.ts.date() for bead in desk.beads() if bead.seq in closed}
    witness.holds("over two sessions", len(days) == 2)


async def monitoring(witness: Witness) -> None:
    """Beats every 30 s give or take 5, each with its checks; an alert arrives at the messenger's server."""
    with messenger(witness) as (server, channel):
        desk = await witness.desk(notifiers=(channel,))
        await desk.watch(300, 1)
        beats = [bead for bead in desk.beads() if isinstance(bead.body, Heartbeat)]
        gaps = [(later.ts - sooner.ts).total_seconds() for sooner, later in pairwise(beats)]
        on_time = bool(gaps) and all(24 <= g <= 36 for g in gaps)
        witness.holds("every 30 s, give or take 5", on_time, [b.seq for b in beats])
        _ = witness.shown(
            desk, "with semantic checks", Heartbeat, lambda h: h.status is Beat.HEALTHY and h.checks.semantic_healthy
        )
        _ = desk.act(RaiseKill(desk.fresh(), "strategy:none", "a test", "signalman", KillKind.SIGNALMAN)).unwrap()
        await desk.watch(15, 1)
        witness.holds("a test alert was received", any("Kill flag raised" in text for text in server.texts))


async def runbooks(witness: Witness) -> None:
    """All eight pages, five sections each."""
    from phoenix_cli.commands.runbooks import SECTIONS, pages, sections_of

    found = pages()
    witness.holds("eight runbooks", sorted(found) == [f"RB-{n:03d}" for n in range(1, 9)])
    whole = all(tuple(sections_of(page.read_text("utf-8"))) == SECTIONS for page in found.values())
    witness.holds("each with its five sections", whole)


def _wave(number: int) -> tuple[str, ...]:
    return tuple(v.id for v in S32.vectors if v.wave == number)


def _walk(id: str, walk: Vector) -> Vector:
    return Vector(id, walk.wave, walk.says, walk.walk, walk.over)


_ROUND = Vector("", 0, "Account, order, fill, close.", ibkr_connected)
_WIRE = Vector("", 0, "The round trip over the real client and a gateway on loopback.", over_the_wire, GATEWAY)
_PAPER = "on a real paper account: `nox -s paper`, and the operator's own trades"

GATES: Final = (
    Gate("GATE_S32_1", "IBKR_CONNECTED", walk=_walk("GATE_S32_1", _ROUND)),
    Gate("GATE_S32_2", "T2_TOKENS_SECURE", _wave(1)),
    Gate(
        "GATE_S32_3",
        "POSITION_LIFECYCLE_TRACKED",
        ("CV_S32_IBKR_TIMEOUT", "CV_S32_LIFECYCLE_INVALID"),
        Vector("GATE_S32_3", 0, "A whole life in POSITION beads.", lifecycle_tracked),
    ),
    Gate("GATE_S32_4", "RECONCILIATION_WORKS", ("CV_S32_RECONCILIATION_DRIFT", "CV_S32_PARTIAL_DRIFT")),
    Gate(
        "GATE_S32_5",
        "PROMOTION_CHECKLIST",
        ("CV_S32_PROMOTION_BYPASS", "CV_S32_PROMOTION_PARTIAL", "CV_S32_PROMOTION_VETO"),
    ),
    Gate("GATE_S32_6", "KILL_BLOCKS_ENTRY", ("CV_S32_KILL_ENTRY_ATTEMPT",)),
    Gate("GATE_S32_7", "STALE_GATE_WORKS", ("CV_S32_STALE_APPROVAL",)),
    Gate("GATE_S32_8", "BUNNY_PASSES", tuple(v.id for v in S32.vectors)),
    Gate("GATE_S33_P1_1", "IBKR_PAPER_CONNECTED", walk=_walk("GATE_S33_P1_1", _WIRE), human=_PAPER),
    Gate("GATE_S33_P1_2", "PAPER_ROUND_TRIP", walk=_walk("GATE_S33_P1_2", _WIRE), human=_PAPER),
    Gate(
        "GATE_S33_P1_3",
        "PAPER_VOLUME",
        walk=Vector("GATE_S33_P1_3", 0, "Three trades over two sessions.", volume),
        human=_PAPER,
    ),
    Gate(
        "GATE_S33_P1_4",
        "MONITORING_OPERATIONAL",
        ("CV_S33_4_MONITORING_PROCESS_DEATH", "CV_S33_5_SEMANTIC_HEALTH_DEGRADE", "CV_S33_6_HEARTBEAT_JITTER"),
        Vector("GATE_S33_P1_4", 0, "Beats and a test alert.", monitoring, MESSENGER),
    ),
    Gate(
        "GATE_S33_P1_5",
        "RUNBOOKS_COMPLETE",
        ("CV_S33_11_RUNBOOK_DRILL",),
        Vector("GATE_S33_P1_5", 0, "Eight runbooks, one drilled.", runbooks),
    ),
    Gate("GATE_S33_P1_6", "DISCONNECT_DRILL", ("CV_S33_1_IBKR_DISCONNECT", "CV_S33_2_IBKR_RECONNECT")),
    Gate("GATE_S33_P1_7", "UX_VALIDATED", human="the operator approves by hand and writes UX_VALIDATION_LOG.md"),
    Gate("GATE_S33_P1_8", "BUNNY_PHASE1_PASSES", tuple(v.id for v in S33.vectors)),
)


def light_of(gate: Gate, verdicts: Mapping[str, Verdict]) -> Light:
    """How a gate stands on these verdicts: red where anything under it failed or did not run."""
    under = (*gate.vectors, *((gate.walk.id,) if gate.walk is not None else ()))
    if any(id not in verdicts or not verdicts[id].passed for id in under):
        return Light.RED
    return Light.OPEN if gate.human else Light.GREEN
