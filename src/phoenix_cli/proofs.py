"""The gates of the paper phase, read from the log alone: each is green or not, and names the beads that it rests on.

A gate is a question to the log, not a flag that somebody sets. What no bead can show (that a person is content, that an
account is a real one) stays somebody's own word, and is not asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from attrs import frozen

from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Bead,
    Beat,
    Evidence,
    Genesis,
    Heartbeat,
    IbkrSession,
    Lease,
    Observation,
    Position,
    PositionEvent,
    SessionEvent,
)
from phoenix_core.values import Mode
from phoenix_core.watch.codes import Code
from phoenix_core.watch.health import MISS_AFTER
from phoenix_core.watch.market_hours import fx_day
from phoenix_core.watch.session import Outcome

TRADES_MIN: Final = 3
DAYS_MIN: Final = 2
RUNBOOKS: Final = 8
DRILL: Final = "RB-004"
LIFE: Final = (
    None,  # its birth: PROPOSED
    PositionEvent.APPROVED,
    PositionEvent.SUBMITTED,
    PositionEvent.FILLED,
    PositionEvent.PROTECTED,
    PositionEvent.CLOSED,
)
_UP: Final = (Outcome.CONNECTED.value, Outcome.RESTORED.value)


@frozen
class Proof:
    """How one gate stands in a log."""

    gate: str
    name: str
    green: bool
    detail: str
    beads: tuple[int, ...]


def paper_gates(beads: Sequence[Bead], runbooks: int) -> tuple[Proof, ...]:
    """The gates of phase 1 that a log can answer, in their order; `runbooks` is how many pages there are."""
    return (
        _connected(beads),
        _round_trip(beads),
        _volume(beads),
        _monitoring(beads),
        _runbooks(beads, runbooks),
        _disconnect(beads),
    )


def _places(beads: Sequence[Bead], so: Callable[[Bead], bool]) -> tuple[int, ...]:
    return tuple(bead.seq for bead in beads if so(bead))


def _connected(beads: Sequence[Bead]) -> Proof:
    """A session with a gateway on a paper account, and the balance that it told."""
    sessions = [b for b in beads if isinstance(b.body, IbkrSession) and b.body.outcome in _UP]
    paper = [b for b in sessions if isinstance(b.body, IbkrSession) and b.body.mode is Mode.PAPER]
    balance = _places(beads, lambda b: isinstance(b.body, Evidence) and b.body.sizing.equity > 0)
    words = f"{len(paper)} sessions on a PAPER account, its balance in {len(balance)} evidences"
    places = tuple(b.seq for b in paper[:1]) + balance[:1]
    return Proof("GATE_S33_P1_1", "IBKR_PAPER_CONNECTED", bool(paper and balance), words, places)


def _lives(beads: Sequence[Bead]) -> dict[str, list[Bead]]:
    """The beads that moved each position, by position."""
    lives: dict[str, list[Bead]] = {}
    for bead in beads:
        if isinstance(bead.body, Position):
            lives.setdefault(bead.body.position_id, []).append(bead)
    return lives


def _closed(beads: Sequence[Bead]) -> list[list[Bead]]:
    """The lives that went the whole way, from PROPOSED to CLOSED, each move a bead."""
    whole: list[list[Bead]] = []
    for life in _lives(beads).values():
        events = [b.body.event for b in life if isinstance(b.body, Position)]
        steps = iter(events)
        if all(any(event is step for event in steps) for step in LIFE[1:]):
            whole.append(life)
    return whole


def _is_paper(beads: Sequence[Bead]) -> bool:
    """A desk has one mode for life, and its first bead says which: trades with the mock prove nothing about paper."""
    return bool(beads) and isinstance(beads[0].body, Genesis) and beads[0].body.mode is Mode.PAPER


def _round_trip(beads: Sequence[Bead]) -> Proof:
    lives = _closed(beads)
    places = tuple(b.seq for b in lives[0] if isinstance(b.body, Position) and b.body.event) if lives else ()
    words = f"{len(lives)} positions went from PROPOSED to CLOSED, each move a bead"
    return Proof("GATE_S33_P1_2", "PAPER_ROUND_TRIP", bool(lives) and _is_paper(beads), words, places)


def _volume(beads: Sequence[Bead]) -> Proof:
    ends = [life[-1] for life in _closed(beads)]
    days = sorted({fx_day(bead.ts) for bead in ends})
    green = len(ends) >= TRADES_MIN and len(days) >= DAYS_MIN and _is_paper(beads)
    words = f"{len(ends)} of {TRADES_MIN} trades over {len(days)} of {DAYS_MIN} sessions: {', '.join(days)}"
    return Proof("GATE_S33_P1_3", "PAPER_VOLUME", green, words, tuple(b.seq for b in ends))


def runs_of_beats(beads: Sequence[Bead]) -> Iterator[list[Bead]]:
    """The beats that came, one list for each run of the engine."""
    run: list[Bead] = []
    for bead in beads:
        if isinstance(bead.body, Lease):
            if run:
                yield run
            run = []
        elif isinstance(bead.body, Heartbeat) and bead.body.status is not Beat.MISSED:
            run.append(bead)
    if run:
        yield run


def _monitoring(beads: Sequence[Bead]) -> Proof:
    """Beats at their interval, with the semantic checks, and a channel that took a test message."""
    pairs = [pair for run in runs_of_beats(beads) for pair in pairwise(run)]
    late = [after for before, after in pairs if after.ts - before.ts > MISS_AFTER]
    sound = [b for b in beads if isinstance(b.body, Heartbeat) and b.body.checks.semantic_healthy]
    proven = _places(beads, _is_proof_of_a_channel)
    words = f"{len(pairs) - len(late)} of {len(pairs)} beats in time, {len(sound)} semantically sound, "
    words += f"{len(proven)} channels took the test sequence"
    places = tuple(b.seq for b in sound[:2]) + proven[:1]
    return Proof(
        "GATE_S33_P1_4", "MONITORING_OPERATIONAL", bool(pairs and sound and proven and not late), words, places
    )


def _is_proof_of_a_channel(bead: Bead) -> bool:
    body = bead.body
    return isinstance(body, Alert) and (body.event, body.code) == (AlertEvent.SENT, Code.TEST.value)


def _runbooks(beads: Sequence[Bead], runbooks: int) -> Proof:
    drills = [
        b for b in beads if isinstance(b.body, Observation) and (b.body.about, b.body.subject) == (About.DRILL, DRILL)
    ]
    done = [b for b in drills if isinstance(b.body, Observation) and b.body.facts.get("outcome") == "resolved"]
    words = f"{runbooks} of {RUNBOOKS} runbooks, {DRILL} drilled {len(done)} times"
    green = runbooks == RUNBOOKS and bool(done)
    return Proof("GATE_S33_P1_5", "RUNBOOKS_COMPLETE", green, words, tuple(b.seq for b in done))


def _disconnect(beads: Sequence[Bead]) -> Proof:
    lost: Bead | None = None
    found: list[tuple[int, int]] = []
    for bead in beads:
        if not isinstance(bead.body, IbkrSession):
            continue
        if bead.body.event is SessionEvent.DISCONNECT:
            lost = lost or bead
        elif lost is not None and lost.ts == bead.ts:
            lost = None  # an engine that starts says both at once: nothing was down
        elif bead.body.event is SessionEvent.RECONNECT and bead.body.outcome in _UP and lost is not None:
            found.append((lost.seq, bead.seq))
            lost = None
    words = f"{len(found)} times DISCONNECT, then RECONNECT"
    return Proof("GATE_S33_P1_6", "DISCONNECT_DRILL", bool(found), words, tuple(s for pair in found for s in pair))
