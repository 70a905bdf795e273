"""What the oracle of the simulation reads in the log, by itself: positions, tokens, executions, flags, drift, alerts.

It shares no slice with the desk: every figure here is computed from the beads' own fields, so that a fold, a guard or a
hash that is wrong in the desk is not wrong here too. It has a handle of its own, which sees only what is durable. What
it is told of the broker's end (`Wire`) is what really happened there, whatever the desk was told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import Factory, define

from phoenix_cli.wiring.sim.wire import NEVER, Wire
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Bead,
    Beat,
    Decision,
    Evidence,
    Execution,
    ExecutionEvent,
    Genesis,
    Heartbeat,
    IbkrSession,
    KillEvent,
    KillFlag,
    Lease,
    LeaseEvent,
    Observation,
    Order,
    Position,
    PositionEvent,
    ProofKind,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    Signal,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.kernel import bead_of
from phoenix_core.ports import BeadStore, Clock
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import Role, Severity, Side, State

Found = Iterator[tuple[str, str]]

ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
SENT: Final = (State.SUBMITTED, State.STALLED)
REF_LENGTH: Final = 28
UNKNOWN_MAX: Final = 3


@define
class Counted:
    """One execution as it counts by now."""

    ref: str
    side: Side
    entry: bool
    quantity: Decimal
    price: Decimal
    stated: bool  # a human's word, which gives way to the executions of the same order that come later


@define
class Ledger:
    """The log as the oracle reads it."""

    store: BeadStore
    clock: Clock
    wire: Wire
    also: Callable[[Bead, bytes], Found] = lambda bead, data: iter(())  # what else is judged of each bead
    found: list[tuple[str, str]] = Factory(list)
    size: int = 0
    leaves: list[bytes] = Factory(list)
    ids: set[str] = Factory(set)
    account: str = ""
    epoch: int = 0
    states: dict[str, State] = Factory(dict)  # by position
    standing: dict[State, dict[str, bool]] = Factory(dict)  # the same turned round: positions as keys
    last: dict[str, Position] = Factory(dict)
    filled: dict[str, Decimal] = Factory(dict)
    changed: set[str] = Factory(set)  # positions touched since the desk was last compared
    submitted: dict[str, int] = Factory(dict)  # by reference: where its SUBMITTED stands
    families: dict[str, dict[str, Counted]] = Factory(dict)  # by position
    adopted: dict[str, Decimal] = Factory(dict)  # positions that began FILLED, and what is not stated of them yet
    nets: dict[str, Decimal] = Factory(dict)  # by symbol
    recorded: set[str] = Factory(set)  # references of every order that the log holds
    known: set[str] = Factory(set)  # execution ids in the log
    traded: set[str] = Factory(set)  # positions with an execution that their own bead does not count yet
    tokens: dict[str, T2Token] = Factory(dict)  # as issued
    live: dict[str, dict[str, bool]] = Factory(dict)  # by intent: its tokens that have not ended, as keys
    token_ends: dict[str, TokenEvent] = Factory(dict)
    by_ref: dict[str, T2Token] = Factory(dict)  # spent tokens
    spending: dict[str, T2Token] = Factory(dict)  # those of them whose SUBMITTED has not been read
    allowed: dict[tuple[str, Side], Decimal] = Factory(dict)  # what spent tokens allow in all
    evidence: dict[str, Evidence] = Factory(dict)  # by the hash of the order
    approved: set[str] = Factory(set)
    verdicts: dict[str, Verdict] = Factory(dict)  # by intent: what was decided first
    closes: dict[str, timedelta] = Factory(dict)  # by position: when a close was signed, on the ticks
    flags: dict[str, str] = Factory(dict)  # flag -> scope
    drifts: dict[str, ReconciliationDrift] = Factory(dict)  # open, by identity
    acknowledged: set[str] = Factory(set)
    answered: set[str] = Factory(set)  # instruments of which a human answered a drift
    overfilled: set[str] = Factory(set)  # references of entries of which a drift says so
    pictured: bool = False  # a whole picture since the link last came up
    unknown: int = 0  # pictures in a row that were not whole
    down: bool = True  # the log says that the link is down
    beat_at: timedelta = NEVER
    alerts: dict[str, Alert] = Factory(dict)  # raised and not resolved
    signals: dict[tuple[str, str], int] = Factory(dict)  # by digest and name: how many beads
    visited: set[str] = Factory(set)  # what the run has seen: states, transitions, causes, pictures

    def read(self) -> None:
        """Take in what the log has by now."""
        for record in self.store.read(self.size):
            if record.seq != self.size:
                self.found.append(("I5", f"bead {record.seq} stands where {self.size} belongs"))
            self.size = record.seq + 1
            self.leaves.append(record.leaf)
            self.ids.add(record.bead_id)
            bead = bead_of(record)
            if bead.ts.utcoffset() != timedelta(0):
                self.found.append(("I17", f"bead {bead.seq} tells a time without UTC"))
            self.found.extend(_TAKE[type(bead.body)](self, bead.body, bead) if type(bead.body) in _TAKE else ())
            self.found.extend(self.also(bead, record.data))

    def active_flags(self, strategy: str, pair: str) -> list[str]:
        """The flags that stop an entry, by the scopes that their beads name."""
        scopes = ("desk", f"strategy:{strategy}", f"instrument:{pair}")
        return [flag for flag, scope in self.flags.items() if scope in scopes]

    def blocking(self, pair: str) -> list[str]:
        """Causes of open drift that no human answered: of this instrument, or critical ones of none."""
        return [
            drift.cause
            for identity, drift in self.drifts.items()
            if identity not in self.acknowledged
            and (drift.instrument == pair or (drift.instrument is None and drift.severity is Severity.CRITICAL))
        ]

    def executed(self, name: str, entries: bool) -> Decimal:
        """What a position's entries or exits add up to."""
        fills = self.families.get(name, {}).values()
        return sum((fill.quantity for fill in fills if fill.entry is entries), Decimal(0))

    def cash(self, name: str) -> Decimal:
        """What came in by a position's executions, less what they cost, in the currency of their prices."""
        fills = self.families.get(name, {}).values()
        return -sum((fill.quantity * fill.price * fill.side.sign for fill in fills), Decimal(0))

    def held(self, name: str) -> Decimal:
        """The same with its sign, entries and exits together."""
        fills = self.families.get(name, {}).values()
        return sum((fill.quantity * fill.side.sign for fill in fills), Decimal(0))


def _genesis(ledger: Ledger, body: Genesis, bead: Bead) -> Found:
    ledger.account = body.account
    yield from ()


def _lease(ledger: Ledger, body: Lease, bead: Bead) -> Found:
    if body.event is LeaseEvent.TAKEN:
        ledger.epoch = bead.seq
    yield from ()


def _signal(ledger: Ledger, body: Signal, bead: Bead) -> Found:
    ledger.visited.add(f"signal {body.event}")
    what = (body.digest, body.name)
    ledger.signals[what] = ledger.signals.get(what, 0) + 1
    if ledger.signals[what] > 1:
        yield "I20", f"bead {bead.seq}: the same bytes have a second outcome"


def _evidence(ledger: Ledger, body: Evidence, bead: Bead) -> Found:
    ledger.evidence[body.order_hash] = body
    yield from ()


def _decision(ledger: Ledger, body: Decision, bead: Bead) -> Found:
    if body.type == "close":
        ledger.closes[body.subject] = ledger.clock.now().ticks
    if body.verdict in (Verdict.APPROVE, Verdict.REJECT):
        before = ledger.verdicts.setdefault(body.subject, body.verdict)
        if before is Verdict.REJECT and body.verdict is Verdict.APPROVE:
            yield "I22", f"bead {bead.seq}: {body.subject} is approved after it was rejected"


def _token(ledger: Ledger, body: T2Token, bead: Bead) -> Found:
    if body.event is TokenEvent.ISSUED:
        live = ledger.live.setdefault(body.intent_id, {})
        if live:
            yield "I3", f"two live tokens for {body.intent_id}"
        ledger.tokens[body.id], live[body.id] = body, True
        return
    if body.event is TokenEvent.REJECTED and not body.final:
        return
    if body.id in ledger.token_ends:
        yield "I3", f"token {body.id} is {ledger.token_ends[body.id]}, then {body.event}"
    ledger.token_ends[body.id] = body.event
    _ = ledger.live.get(body.intent_id, {}).pop(body.id, None)
    ledger.visited.add(f"token {body.event}")
    if body.event is TokenEvent.USED:
        ledger.by_ref[body.order_ref] = ledger.spending[body.order_ref] = body
        entry = next(line for line in ledger.evidence[body.order_hash].lines if line.role is Role.ENTRY)
        where = (entry.symbol, entry.side)
        ledger.allowed[where] = ledger.allowed.get(where, Decimal(0)) + entry.quantity


def _execution(ledger: Ledger, body: Execution, bead: Bead) -> Found:
    if body.event is ExecutionEvent.COMMISSION:
        return
    if body.exec_id in ledger.known:
        yield "I8", f"bead {bead.seq}: execution {body.exec_id} is recorded twice"
    ledger.known.add(body.exec_id)
    ledger.visited.add(f"execution {body.event}")
    place = ledger.wire.executed(body.exec_id)
    if place is not None:
        true = ledger.wire.truth.executions[place]
        was = (true.quantity, true.price, true.side, true.symbol, true.ref)
        if was != (body.quantity, body.price, body.side, body.symbol, body.ref):
            yield "I8", f"bead {bead.seq}: execution {body.exec_id} was {was}, not so recorded"
        if body.at != true.at:
            yield "I17", f"bead {bead.seq}: execution {body.exec_id} was at {true.at}, not at {body.at}"
    name = body.position_id
    if name is None or body.quantity is None or body.side is None or body.symbol is None:
        return
    if ledger.adopted.pop(name, None) != body.quantity:
        ledger.traded.add(name)
    before, family = ledger.held(name), ledger.families.setdefault(name, {})
    stated = body.event is ExecutionEvent.STATED and body.family.startswith("stated.")
    if body.family not in family and body.event is not ExecutionEvent.STATED:
        covered = Decimal(body.quantity)
        for known in family.values():
            if known.stated and (known.ref, known.side) == (body.ref or "", body.side):
                less = min(known.quantity, covered)
                known.quantity, covered = known.quantity - less, covered - less
    price = body.price or Decimal(0)
    family[body.family] = Counted(body.ref or "", body.side, body.role is Role.ENTRY, body.quantity, price, stated)
    ledger.nets[body.symbol] = ledger.nets.get(body.symbol, Decimal(0)) + ledger.held(name) - before


def _order(ledger: Ledger, body: Order, bead: Bead) -> Found:
    ledger.recorded.update(frame.ref for frame in body.frames)
    yield from ()


def _position(ledger: Ledger, body: Position, bead: Bead) -> Found:
    name, before = body.position_id, ledger.states.get(body.position_id)
    if before in ENDS:
        yield "I10", f"{name} left {before} for {body.state}"
    if body.from_ != before:
        yield "I5", f"bead {bead.seq}: {name} was {before}, the bead says {body.from_}"
    if body.event is None and body.state is not body.from_:
        yield "I5", f"bead {bead.seq}: a state changed without an event"
    if body.from_ is not None and body.event is not None:
        ledger.visited.add(f"{body.from_} {body.event}")
        if TRANSITIONS.get((body.from_, body.event)) is not body.state:
            yield "I5", f"bead {bead.seq}: {body.from_} {body.event} {body.state}"
    if body.event is PositionEvent.APPROVED:
        if name in ledger.approved:
            yield "I22", f"{name} was approved twice"
        ledger.approved.add(name)
    if before in SENT and body.state in (State.FILLED, State.CANCELLED, State.REJECTED):
        yield from _proved(ledger, body, bead)
    if before is None and body.state is State.FILLED:
        ledger.adopted[name] = body.filled_quantity
    elif ledger.filled.get(name, Decimal(0)) != body.filled_quantity and name not in ledger.traded:
        yield "I11", f"bead {bead.seq}: a quantity changed without an execution"
    ledger.traded.discard(name)
    if before is not body.state:
        _ = ledger.standing.get(before, {}).pop(name, None) if before is not None else None
        ledger.standing.setdefault(body.state, {})[name] = True
    ledger.states[name], ledger.filled[name], ledger.last[name] = body.state, body.filled_quantity, body
    ledger.changed.add(name)
    ledger.visited.add(str(body.state))
    if body.event is PositionEvent.SUBMITTED and body.order_ref is not None:
        ledger.submitted[body.order_ref] = bead.seq
        _ = ledger.spending.pop(body.order_ref, None)
    if body.state is State.CLOSED and before is not State.CLOSED and body.order_ref is not None:
        works = [r for r, w in ledger.wire.truth.book.items() if r.startswith(body.order_ref) and not w.ends]
        if works:
            yield "B8", f"bead {bead.seq}: {name} is CLOSED, and {works} work at the broker"


def _proved(ledger: Ledger, body: Position, bead: Bead) -> Found:
    if body.proof.type is ProofKind.RULE or not body.proof.id:
        yield "I9", f"bead {bead.seq}: {body.state} by {body.proof.type}"
    known = ledger.wire.truth.book.get(body.order_ref or "")
    by_hand = body.proof.type is ProofKind.OPERATOR_DECISION
    if body.state is not State.FILLED and known is not None and not known.ends and not by_hand:
        yield "I9", f"bead {bead.seq}: {body.state}, and the order works at the broker"
    if body.state is not State.FILLED and known is not None and known.filled > 0 and not by_hand:
        yield "I9", f"bead {bead.seq}: {body.state}, and the order was filled at the broker"


def _kill(ledger: Ledger, body: KillFlag, bead: Bead) -> Found:
    ledger.visited.add(f"kill {body.type} {body.event}")
    if body.event is KillEvent.RAISED:
        ledger.flags[body.flag] = body.scope
    else:
        _ = ledger.flags.pop(body.flag, None)
    yield from ()


def _drift(ledger: Ledger, body: ReconciliationDrift, bead: Bead) -> Found:
    ledger.visited.add(f"drift {body.cause}")
    if body.cause == "overfill":
        ledger.overfilled.add(body.subject[:REF_LENGTH])
    if body.identity in ledger.drifts and body.identity not in ledger.acknowledged:
        yield "I12", f"bead {bead.seq}: {body.subject} {body.cause} is reported again while it is open"
    ledger.drifts[body.identity] = body
    ledger.acknowledged.discard(body.identity)
    if ledger.unknown:
        # Drift found by a late fact may stand beside an UNKNOWN picture; what is missing or flat may not.
        if body.cause in ("count", "order_missing"):
            yield "I13", f"bead {bead.seq}: {body.cause} of {body.subject} follows from a picture that was not whole"


def _resolution(ledger: Ledger, body: ReconciliationResolution, bead: Bead) -> Found:
    ledger.visited.add(f"resolution {body.resolution}")
    known = ledger.drifts.get(body.identity)
    if known is not None and known.instrument is not None:
        ledger.answered.add(known.instrument)
    if body.cleared:
        _ = ledger.drifts.pop(body.identity, None)
        ledger.acknowledged.discard(body.identity)
    elif body.resolution is Resolution.ACKNOWLEDGED:
        ledger.acknowledged.add(body.identity)
    else:  # the broker is to correct it: until a picture shows that, it blocks as if nobody had answered
        ledger.acknowledged.discard(body.identity)
    yield from ()


def _observation(ledger: Ledger, body: Observation, bead: Bead) -> Found:
    if body.about is not About.SNAPSHOT:
        return
    verdict = body.facts["agreement"]
    ledger.visited.add(f"picture {verdict}")
    whole = ledger.wire.pictures.get((int(body.facts["session"]), body.facts["began"]))
    if whole is False and verdict != "UNKNOWN":
        yield "I13", f"bead {bead.seq}: a picture that was not whole is {verdict}"
    ledger.unknown = ledger.unknown + 1 if verdict == "UNKNOWN" else 0
    ledger.pictured = ledger.pictured or verdict != "UNKNOWN"


def _session(ledger: Ledger, body: IbkrSession, bead: Bead) -> Found:
    ledger.visited.add(f"session {body.outcome}")
    ledger.pictured = False
    ledger.down = body.outcome not in ("CONNECTED", "RESTORED")
    yield from ()


def _heartbeat(ledger: Ledger, body: Heartbeat, bead: Bead) -> Found:
    if body.status is Beat.MISSED:
        return
    since, ledger.beat_at = ledger.beat_at, ledger.clock.now().ticks
    if since is not NEVER and not ledger.down and ledger.wire.answered < since:
        yield "I19", f"bead {bead.seq}: a beat, and the broker has not answered since the last"


def _alert(ledger: Ledger, body: Alert, bead: Bead) -> Found:
    if body.event is AlertEvent.RAISED:
        ledger.alerts[body.alert] = body
        ledger.visited.add(f"alert {body.code}")
    elif body.event is AlertEvent.RESOLVED:
        _ = ledger.alerts.pop(body.alert, None)
    yield from ()


_TAKE: Final[dict[type, Callable[[Ledger, Any, Bead], Found]]] = {
    Genesis: _genesis,
    Lease: _lease,
    Signal: _signal,
    Evidence: _evidence,
    Decision: _decision,
    T2Token: _token,
    Execution: _execution,
    Order: _order,
    Position: _position,
    KillFlag: _kill,
    ReconciliationDrift: _drift,
    ReconciliationResolution: _resolution,
    Observation: _observation,
    IbkrSession: _session,
    Heartbeat: _heartbeat,
    Alert: _alert,
}
