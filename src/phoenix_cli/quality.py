"""The operating figures of a desk, counted from its log: uptime, latency, drift, and whether its alerts were right.

An alert is right if the log holds what it says, within a minute; a human who acknowledges it as false has the last
word. An incident is told if an alert that names it was raised within a minute, or stood open already. What left no bead
at all nobody can count: recall is over what the desk itself saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from statistics import median
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Bead,
    Beat,
    Decision,
    Execution,
    ExecutionEvent,
    Heartbeat,
    IbkrSession,
    KillEvent,
    KillFlag,
    Lease,
    LeaseEvent,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ReconciliationDrift,
    SessionEvent,
    Signal,
    SignalEvent,
    StateConflict,
)
from phoenix_core.values import Role, Severity
from phoenix_core.watch.alerts import FALSE_ALARM, Code
from phoenix_core.watch.health import AWAY_AS_DECLARED, MISS_AFTER
from phoenix_core.watch.session import DECLARED, OVERDUE

NEAR: Final = timedelta(minutes=1)
UPTIME_MIN: Final = 0.99
PRECISION_MIN: Final = 0.80
RECALL_MIN: Final = 0.90
LATENCY_MAX_S: Final = 30.0

_DRIFTS: Final = frozenset({Code.DRIFT_CRITICAL, Code.DRIFT_WARNING, Code.ORPHAN_EXIT, Code.DRIFT_UNRESOLVED})
_SICK: Final = frozenset({Code.HEALTH_DEGRADED, Code.HEALTH_DEGRADED_LONG, Code.SUBSCRIPTION_DEAD, Code.NOTIFIER_DOWN})
_SILENT: Final = frozenset({Code.BEAT_MISSED, Code.BEATS_MISSED, Code.PROCESS_DEAD})
_KILLS: Final = frozenset({Code.KILL_RAISED, Code.HALTED, Code.DAILY_LOSS_LIMIT})


@frozen
class Incident:
    """Something that a human must be told, and the alerts that would tell it."""

    seq: int
    at: datetime
    what: str
    codes: frozenset[Code]


@frozen
class Mark:
    """One figure against its mark; what was never measured is not met."""

    name: str
    shown: str
    mark: str
    met: bool


@define
class Quality:
    """The figures of one span."""

    drifts: int = 0
    up_s: float = 0.0
    observed_s: float = 0.0
    latencies_s: list[float] = Factory(list)  # a signal handed in, to the first execution of its entry
    machine_s: list[float] = Factory(list)  # the same without the human: from the signature on
    true_alerts: int = 0
    false_alerts: list[int] = Factory(list)
    told: int = 0
    untold: list[Incident] = Factory(list)

    @property
    def uptime(self) -> float | None:
        """Of the time in which an engine was meant to run, how much it beat."""
        return self.up_s / self.observed_s if self.observed_s else None

    @property
    def precision(self) -> float | None:
        """Of the alerts, how many were right."""
        raised = self.true_alerts + len(self.false_alerts)
        return self.true_alerts / raised if raised else None

    @property
    def recall(self) -> float | None:
        """Of the incidents, how many were told."""
        happened = self.told + len(self.untold)
        return self.told / happened if happened else None

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Every figure against its mark."""
        late = median(self.latencies_s) if self.latencies_s else None
        return (
            Mark("drift events", str(self.drifts), "0", self.drifts == 0),
            Mark("alert precision", _share(self.precision), "> 80 %", _over(self.precision, PRECISION_MIN)),
            Mark("alert recall", _share(self.recall), "> 90 %", _over(self.recall, RECALL_MIN)),
            Mark(
                "median latency",
                f"{late:.1f} s" if late is not None else "none",
                "< 30 s",
                late is not None and late < LATENCY_MAX_S,
            ),
            Mark("uptime", _share(self.uptime), "> 99 %", _over(self.uptime, UPTIME_MIN)),
        )

    @property
    def met(self) -> bool:
        """Whether every mark is met."""
        return all(mark.met for mark in self.marks)

    def document(self) -> dict[str, object]:
        """The figures for programs."""
        return {
            "met": self.met,
            "marks": [{"name": m.name, "value": m.shown, "mark": m.mark, "met": m.met} for m in self.marks],
            "drifts": self.drifts,
            "uptime": self.uptime,
            "observed_s": round(self.observed_s),
            "trades": len(self.latencies_s),
            "latency_median_s": median(self.latencies_s) if self.latencies_s else None,
            "machine_median_s": median(self.machine_s) if self.machine_s else None,
            "precision": self.precision,
            "false_alerts": self.false_alerts,
            "recall": self.recall,
            "untold": [{"seq": one.seq, "what": one.what} for one in self.untold],
        }


def _share(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.1f} %"


def _over(value: float | None, least: float) -> bool:
    return value is not None and value > least


def quality(beads: Sequence[Bead], since: datetime, now: datetime) -> Quality:
    """The figures of a log between two instants."""
    within = [bead for bead in beads if since <= bead.ts <= now]
    found = Quality(drifts=sum(isinstance(bead.body, ReconciliationDrift) for bead in within))
    found.observed_s, found.up_s = _uptime(within, now)
    _latency(within, found)
    _alerts(within, found)
    return found


# --- uptime -----------------------------------------------------------------------------------------------------------


def _uptime(beads: Sequence[Bead], now: datetime) -> tuple[float, float]:
    """Seconds in which an engine was meant to run, and seconds in which it did. From a lease taken to its release an
    engine is meant to run; where the next one is taken without a release, also all the time in between."""
    observed = down = timedelta()
    running, sign = False, now  # sign: the last sign of life
    for bead in beads:
        body = bead.body
        alive = isinstance(body, Lease) or (isinstance(body, Heartbeat) and body.status is not Beat.MISSED)
        if not alive:
            continue
        if running:
            observed += bead.ts - sign
            down += bead.ts - sign if bead.ts - sign > MISS_AFTER or _crashed(body) else timedelta()
        running = not (isinstance(body, Lease) and body.event is LeaseEvent.RELEASED)
        sign = bead.ts
    if running:
        observed += now - sign
        down += now - sign if now - sign > MISS_AFTER else timedelta()
    return observed.total_seconds(), (observed - down).total_seconds()


def _crashed(body: object) -> bool:
    return isinstance(body, Lease) and body.event is LeaseEvent.TAKEN


# --- latency ----------------------------------------------------------------------------------------------------------


def _latency(beads: Sequence[Bead], found: Quality) -> None:
    came: dict[str, datetime] = {}
    signed: dict[str, datetime] = {}
    traded: set[str] = set()
    intents: dict[str, str] = {}
    for bead in beads:
        body = bead.body
        if isinstance(body, Signal) and body.event is SignalEvent.ACCEPTED and body.signal is not None:
            came[body.signal.intent_id] = bead.ts
        elif isinstance(body, Position):
            intents[body.position_id] = body.intent_id
        elif isinstance(body, Decision):
            signed[body.subject] = bead.ts
        elif isinstance(body, Execution) and body.event is ExecutionEvent.FILL and body.role is Role.ENTRY:
            intent = intents.get(body.position_id or "", "")
            if intent in came and intent not in traded:
                traded.add(intent)
                found.latencies_s.append((bead.ts - came[intent]).total_seconds())
                if intent in signed:
                    found.machine_s.append((bead.ts - signed[intent]).total_seconds())


# --- alerts -----------------------------------------------------------------------------------------------------------


def incidents(beads: Sequence[Bead]) -> Iterator[Incident]:
    """Everything in a log that somebody must be told."""
    open_lease = False
    for bead, after in zip_longest(beads, beads[1:]):
        body = bead.body
        if after is not None and is_no_loss(bead, after):
            continue
        if isinstance(body, Lease):
            if body.event is LeaseEvent.TAKEN and open_lease:
                yield Incident(bead.seq, bead.ts, "an engine died", frozenset({Code.PROCESS_DEAD}))
            open_lease = body.event is LeaseEvent.TAKEN
            continue
        for what, so, codes in _TELLING:
            if so(body):
                yield Incident(bead.seq, bead.ts, what, codes)


def _is_sick(said: Heartbeat) -> bool:
    """A beat that complains of more than of a link that is away as declared."""
    return said.status is Beat.DEGRADED and {*said.details.values()} != {AWAY_AS_DECLARED}


def _is_a_loss(said: IbkrSession) -> bool:
    """A link that went, but for a restart that was declared, which is one only once it takes longer."""
    return said.detail == OVERDUE or (said.event is SessionEvent.DISCONNECT and said.detail != DECLARED)


def is_no_loss(bead: Bead, after: Bead) -> bool:
    """A link that was found again in the very bead after its loss was never down: an engine that starts says both."""
    one, other = bead.body, after.body
    both = isinstance(one, IbkrSession) and isinstance(other, IbkrSession)
    return both and bead.ts == after.ts and getattr(one, "event", None) is SessionEvent.DISCONNECT


_TELLING: Final[tuple[tuple[str, Callable[[object], bool], frozenset[Code]], ...]] = (
    (
        "the link was lost",
        lambda b: isinstance(b, IbkrSession) and _is_a_loss(b),
        frozenset({Code.LINK_LOST}),
    ),
    ("the link escalated", lambda b: isinstance(b, IbkrSession) and b.escalated, frozenset({Code.LINK_ESCALATED})),
    ("drift", lambda b: isinstance(b, ReconciliationDrift), _DRIFTS),
    ("a beat is missing", lambda b: isinstance(b, Heartbeat) and b.status is Beat.MISSED, _SILENT),
    ("a beat was not sound", lambda b: isinstance(b, Heartbeat) and _is_sick(b), _SICK | _DRIFTS),
    (
        "a position STALLED",
        lambda b: isinstance(b, Position) and b.event is PositionEvent.STALLED,
        frozenset({Code.POSITION_STALLED}),
    ),
    (
        "an order was rejected",
        lambda b: isinstance(b, Position) and b.event is PositionEvent.REJECTED,
        frozenset({Code.ORDER_REJECTED}),
    ),
    (
        "an exit was not sent",
        lambda b: (
            isinstance(b, Order) and b.event is OrderEvent.DROPPED and b.role is not None and b.role is not Role.ENTRY
        ),
        frozenset({Code.CLOSE_NOT_SENT}),
    ),
    ("a kill was raised", lambda b: isinstance(b, KillFlag) and b.event is KillEvent.RAISED, _KILLS),
    ("stale context", lambda b: isinstance(b, StateConflict), frozenset({Code.STATE_CONFLICT})),
)
_JUDGED: Final = frozenset().union(*(codes for _, _, codes in _TELLING)) | {Code.PROCESS_DEAD}


@frozen
class _Said:
    seq: int
    at: datetime
    code: Code
    alert: str


def _alerts(beads: Sequence[Bead], found: Quality) -> None:
    happened = list(incidents(beads))
    said, over, false = _said(beads)
    dead = _deaths(beads)
    for one in said:
        near = any(one.code in i.codes and abs(i.at - one.at) <= NEAR for i in happened)
        if one.alert not in false and (near or (one.code is Code.PROCESS_DEAD and one.seq in dead)):
            found.true_alerts += 1
        else:
            found.false_alerts.append(one.seq)
    for incident in happened:
        told = any(
            s.code in incident.codes
            and (abs(s.at - incident.at) <= NEAR or s.at <= incident.at <= over.get(s.alert, incident.at))
            for s in said
        )
        found.told += told
        if not told:
            found.untold.append(incident)


def _said(beads: Sequence[Bead]) -> tuple[list[_Said], dict[str, datetime], set[str]]:
    """The alerts that can be judged, when each was over, and those that a human called false."""
    said: list[_Said] = []
    over: dict[str, datetime] = {}
    false: set[str] = set()
    for bead in beads:
        body = bead.body
        if not isinstance(body, Alert):
            continue
        code = Code(body.code)
        if body.event is AlertEvent.RAISED and body.repeats is None:
            if code in _JUDGED and body.severity is not Severity.INFO:
                said.append(_Said(bead.seq, bead.ts, code, body.alert))
        elif body.event in (AlertEvent.RESOLVED, AlertEvent.ACKNOWLEDGED):
            _ = over.setdefault(body.alert, bead.ts)
            if body.text == FALSE_ALARM:
                false.add(body.alert)
    return said, over, false


def _deaths(beads: Sequence[Bead]) -> set[int]:
    """The places of PROCESS_DEAD alerts after which the engine never said goodbye."""
    waiting: list[int] = []
    dead: set[int] = set()
    for bead in beads:
        body = bead.body
        if isinstance(body, Alert) and body.event is AlertEvent.RAISED and body.code == Code.PROCESS_DEAD.value:
            waiting.append(bead.seq)
        elif isinstance(body, Lease):
            if body.event is LeaseEvent.TAKEN:
                dead.update(waiting)
            waiting = []
    return dead | set(waiting)
