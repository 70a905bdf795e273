"""What must hold once a desk has recovered from a crash and come to calm, judged from the log and the broker's truth.

It reads the log and the broker's own book; of the desk it asks only what it believes. A complaint names its promise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define
from returns.pipeline import is_successful

from phoenix_adapters.engine.responses import response_document
from phoenix_core import kernel
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Bead,
    Decision,
    Execution,
    ExecutionEvent,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ProofKind,
    Signal,
    T2Token,
    TokenEvent,
)
from phoenix_core.chain import verify_chain
from phoenix_core.checkpoint import Standing, behind, parse_note
from phoenix_core.desk import Desk, freeze
from phoenix_core.effects import Notify, SendOrder
from phoenix_core.gate.statements import Close
from phoenix_core.orders import parsed_ref
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import Role, Severity, State
from phoenix_core.watch.codes import Code
from tests.chaos.crashes.scene import Scene
from tests.contract.beads.suite import ORIGIN

ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
# Longer than the channel gathers what belongs together; what was raised in the last moment of the calm may wait.
SOON: Final = timedelta(seconds=30)
Complaint = tuple[str, str]


@define
class Ledger:
    """The log, read once."""

    positions: dict[str, Position] = Factory(dict)
    submitted: dict[str, int] = Factory(dict)
    tokens: dict[str, list[T2Token]] = Factory(dict)
    executions: set[str] = Factory(set)
    alerts: dict[str, Alert] = Factory(dict)
    signals: Counter[str] = Factory(Counter)
    decided: dict[int, datetime] = Factory(dict)
    wrong: list[Complaint] = Factory(list)


def judged(desk: Scene) -> list[Complaint]:
    """Everything that is wrong with a desk that had time to recover; empty is what it must be."""
    found = list(_log(desk))
    if found:
        return found
    ledger = Ledger()
    for bead in desk.beads():
        _read(ledger, bead)
    return [
        *ledger.wrong,
        *_frames(desk, ledger),
        *_tokens(ledger),
        *_world(desk, ledger),
        *_exits(desk),
        *_ends(desk, ledger),
        *_told(desk, ledger),
        *_owed(desk),
        *_inputs(desk, ledger),
    ]


def _log(desk: Scene) -> Iterator[Complaint]:
    """Nothing acknowledged is lost, the chain verifies, its fold is the desk, the note outside is of its past."""
    records = list(desk.store.read(0))
    if not is_successful(verify_chain(record.data for record in records)):
        yield "I7", "the chain does not verify"
    for head in desk.outside.acknowledged:
        if len(records) < head.size or records[head.size - 1].leaf.hex() != head.leaf:
            yield "I4", f"the log acknowledged {head.size} beads, and has other ones"
    again = Desk()
    for record in records:
        again = kernel.evolve(again, kernel.bead_of(record))
    if freeze(again) != freeze(desk.desk):
        yield "I6", "the fold of the log is another desk"
    if desk.outside.note:
        seen = parse_note(desk.outside.note).unwrap().checkpoint
        if behind(desk.store, seen, ORIGIN) is not Standing.AGREES:
            yield "I7", f"the checkpoint outside is of {seen.size} beads, and not of this log"


def _read(ledger: Ledger, bead: Bead) -> None:
    match bead.body:
        case Position() as body:
            ledger.wrong.extend(_step(ledger.positions.get(body.position_id), body, bead.seq))
            ledger.positions[body.position_id] = body
            if body.event is PositionEvent.SUBMITTED:
                ledger.submitted[body.order_ref or ""] = bead.seq
        case T2Token() as body:
            ledger.tokens.setdefault(body.id, []).append(body)
        case Execution() as body if body.event is not ExecutionEvent.COMMISSION:
            ledger.executions.add(body.exec_id)
        case Alert() as body if body.event is AlertEvent.RAISED:
            ledger.alerts[body.alert] = body
        case Signal() as body:
            ledger.signals[body.name] += 1
        case Decision():
            ledger.decided[bead.seq] = bead.ts
        case Order() as body if body.event is OrderEvent.RECORDED and (body.mandate or "").startswith("decision:"):
            if bead.ts - ledger.decided[int((body.mandate or "").partition(":")[2])] >= Close.life:
                ledger.wrong.append(("X2", f"bead {bead.seq}: an exit by a signature that is older than a minute"))
        case _:
            pass


def _step(was: Position | None, now: Position, seq: int) -> Iterator[Complaint]:
    if was is not None and was.state in ENDS:
        yield "I10", f"bead {seq}: {was.state} was left"
    if now.from_ is not (was.state if was is not None else None):
        yield "I5", f"bead {seq}: it was {was.state if was is not None else None}, the bead says {now.from_}"
    if was is not None and now.event is not None and TRANSITIONS.get((was.state, now.event)) is not now.state:
        yield "I5", f"bead {seq}: {was.state} {now.event} {now.state}"
    ended = now.state in (State.FILLED, State.CANCELLED, State.REJECTED)
    if was is not None and was.state in (State.SUBMITTED, State.STALLED) and ended and now.proof.type is ProofKind.RULE:
        yield "I9", f"bead {seq}: {now.state} by a rule"


def _frames(desk: Scene, ledger: Ledger) -> Iterator[Complaint]:
    """Every frame left at most once, and the log said so before."""
    count = Counter((f.ref, f.revision) for f in desk.outside.handed)
    for (ref, revision), times in count.items():
        if times > 1:
            yield ("I1" if "." not in ref else "X1"), f"{ref} revision {revision} left {times} times"
    for frame in desk.outside.handed:
        if frame.entry and ledger.submitted.get(frame.ref, frame.log) >= frame.log:
            yield "I4", f"{frame.ref} left when the log had {frame.log} beads, and no SUBMITTED among them"


def _tokens(ledger: Ledger) -> Iterator[Complaint]:
    for name, beads in ledger.tokens.items():
        ends = [b.event for b in beads if b.event is not TokenEvent.ISSUED and (b.final or b.event in _ENDED)]
        if len(ends) > 1:
            yield "I3", f"token {name} ended as {ends}"
    by_intent = Counter(beads[0].intent_id for beads in ledger.tokens.values() if beads[-1].event is TokenEvent.ISSUED)
    if any(live > 1 for live in by_intent.values()):
        yield "I3", "two live tokens for one intent"


_ENDED: Final = (TokenEvent.USED, TokenEvent.EXPIRED)


def _said(desk: Scene, symbol: str) -> bool:
    """Whether the desk says that something about an instrument is not as it should be."""
    drifts = any(drift.instrument in (symbol, None) for drift in desk.desk.drifts.open.values())
    return drifts or any(p.pair == symbol for p in desk.desk.positions.in_state(State.STALLED))


def _world(desk: Scene, ledger: Ledger) -> Iterator[Complaint]:
    """What the broker holds and executed is what the desk knows, or an open drift or STALLED says so."""
    truth = desk.broker.truth
    held = truth.held | {symbol: quantity for symbol, quantity in desk.broker._spoofed.items() if quantity is not None}
    for symbol in sorted({*held, *desk.desk.positions.nets}):
        theirs, ours = held.get(symbol, Decimal(0)), desk.desk.positions.net(symbol)
        if theirs != ours and not _said(desk, symbol):
            yield "I12", f"{symbol}: the broker holds {theirs}, the desk {ours}, and nothing says so"
    latest = {said.exec_id.rpartition(".")[0]: said for said in truth.executions}
    for said in latest.values():
        if said.exec_id not in ledger.executions:
            yield "I10", f"the execution {said.exec_id} never reached the log"
    for ref, working in truth.book.items():
        symbol = working.frame.line.symbol
        known = desk.desk.orders.find(ref)
        if not working.ends and (known is None or known.end is not None) and not _said(desk, symbol):
            yield "I12", f"{ref} works at the broker, and the desk does not know it"


def _exits(desk: Scene) -> Iterator[Complaint]:
    """X1 from the broker's book alone: what left plus the largest working exit never exceeds what came in."""
    entered: dict[str, Decimal] = defaultdict(Decimal)
    left: dict[str, Decimal] = defaultdict(Decimal)
    most: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    pairs: dict[str, str] = {}
    for ref, working in desk.broker.truth.book.items():
        parsed = parsed_ref(ref)
        if parsed is None:
            continue
        entry, rest = str(parsed[0]), Decimal(0) if working.ends else working.remaining
        pairs[entry] = working.frame.line.symbol
        if parsed[1] is Role.ENTRY:
            entered[entry] += working.filled + rest
        else:
            left[entry] += working.filled
            most[entry, working.group] = max(most[entry, working.group], rest)
    for position in desk.desk.positions.open.values():
        if position.last.event is PositionEvent.ADOPTED or position.order_ref not in entered:
            entered[position.order_ref or ""] += position.filled_quantity
    for (entry, _), rest in most.items():
        if rest and left[entry] + rest > entered[entry] and not _said(desk, pairs[entry]):
            yield "X1", f"{entry}: {left[entry]} left, {rest} still may, of {entered[entry]}"
    for entry in left:
        if left[entry] > entered[entry] and not _said(desk, pairs[entry]):
            yield "X1", f"{entry}: {left[entry]} left of {entered[entry]}"


def _ends(desk: Scene, ledger: Ledger) -> Iterator[Complaint]:
    """What ended has nothing at work; what is held is protected, or somebody was told."""
    working = [ref for ref, order in desk.broker.truth.book.items() if not order.ends]
    for name, last in ledger.positions.items():
        own = [ref for ref in working if last.order_ref and ref.startswith(last.order_ref)]
        if last.state in ENDS and own and not _said(desk, last.pair):
            yield "X1", f"{name} is {last.state}, and {own} still work"
        if last.state not in (State.FILLED, State.MANAGED) or last.filled_quantity <= last.exited_quantity:
            continue
        stops = [desk.broker.truth.book[ref] for ref in own if desk.broker.truth.book[ref].frame.line.role is Role.STOP]
        covered = sum((order.remaining for order in stops), Decimal(0))
        told = any(alert.subject == name for alert in desk.desk.alerts.open.values())
        if covered < last.filled_quantity - last.exited_quantity and not told and not _said(desk, last.pair):
            yield "X4", f"{name} holds more than its stop covers ({covered}), and nobody was told"


def _told(desk: Scene, ledger: Ledger) -> Iterator[Complaint]:
    """Every alert was delivered; STALLED and a critical drift each have an alert of their own."""
    told = set(desk.outside.told)
    now, unsent = desk.clock.now().wall, desk.desk.alerts.unsent
    for name, alert in ledger.alerts.items():
        if name not in told and name not in unsent:
            yield "I18", f"{alert.code} is said to be told, and nobody heard it"
        elif name not in told and now - unsent[name].raised_at > SOON:
            yield "I18", f"{alert.code} waits in the outbox after the calm"
    subjects = {(alert.code, alert.subject) for alert in ledger.alerts.values()}
    for position in desk.desk.positions.in_state(State.STALLED):
        if (Code.POSITION_STALLED.value, position.position_id) not in subjects:
            yield "I18", f"{position.position_id} is STALLED, and no alert says so"
    flags = {flag.drift for flag in desk.desk.kill_flags.standing.values()}
    for drift in desk.desk.drifts.open.values():
        if drift.severity is Severity.CRITICAL and drift.identity not in flags:
            yield "I14", f"the drift {drift.cause} raised no kill"


def _owed(desk: Scene) -> Iterator[Complaint]:
    """Nothing is owed that nobody will do; a frame of an earlier run is never among it."""
    for key, effect in desk.desk.owed.items():
        waits = isinstance(effect, Notify) and effect.alert in desk.desk.alerts.unsent
        if not waits:
            what = "never to be sent" if isinstance(effect, SendOrder) else "owed for ever"
            yield "OWED", f"{type(effect).__name__} of bead {key[0]} is {what}"
    live = desk.desk.positions.in_state(State.APPROVED)
    if live:
        yield "I17", f"{len(live)} positions are APPROVED after the calm, and no token lives so long"


def _inputs(desk: Scene, ledger: Ledger) -> Iterator[Complaint]:
    """Every input was taken exactly once, and every answer says where its intent stands now."""
    if desk.outside.waiting:
        yield "I20", f"{sorted(desk.outside.waiting)} were never taken"
    for name in desk.outside.archived:
        if ledger.signals[name] != 1:
            yield "I20", f"{name} left {ledger.signals[name]} SIGNAL beads"
    for last in ledger.positions.values():
        if desk.outside.answers.get(last.intent_id) != response_document(desk.desk, last.intent_id):
            yield "I20", f"the answer of {last.intent_id} is not that of a {last.state} position"


def named(complaints: list[Complaint]) -> str:
    """Complaints as a person reads them."""
    return "; ".join(f"{promise}: {said}" for promise, said in complaints)
