"""What must hold once a desk has recovered from a crash and come to calm, judged from the log and the broker's truth.

It reads the log and the broker's own book; of the desk it asks only what it believes. A complaint names its promise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from attrs import Factory, define
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.engine.responses import response_document
from phoenix_core import kernel
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Autopsy,
    Bead,
    Decision,
    Execution,
    ExecutionEvent,
    KillEvent,
    KillFlag,
    Lease,
    LeaseEvent,
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
from phoenix_core.gate.statements import Close, Protect, read_statement
from phoenix_core.orders import parsed_ref
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import Role, Severity, State
from phoenix_core.watch.codes import Code
from tests.chaos.crashes.scene import Scene
from tests.chaos.crashes.world import Outside
from tests.contract.beads.suite import ORIGIN

ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
# Longer than the channel gathers what belongs together; what was raised in the last moment of the calm may wait.
SOON: Final = timedelta(seconds=30)
TOKEN_LIFE: Final = timedelta(minutes=5)
# What people are told of something held that nothing certain stands behind.
BARE: Final = (Code.PROTECTION_LOST, Code.EXIT_UNKNOWN)
Complaint = tuple[str, str]


class Recovered(Protocol):
    """A desk as the judge sees it: what it believes, what left it, and what is true at its broker."""

    @property
    def desk(self) -> Desk:
        """The fold of its log."""

    @property
    def outside(self) -> Outside:
        """What left, and who heard."""

    @property
    def broker(self) -> MockBroker:
        """The broker's truth."""


@define
class Ledger:
    """The log, read once."""

    positions: dict[str, Position] = Factory(dict)
    submitted: dict[str, tuple[int, Position]] = Factory(dict)  # by the entry's reference
    recorded: dict[tuple[str, int], int] = Factory(dict)  # by reference and revision
    runs: list[int] = Factory(list)  # where each run began
    kills: dict[str, tuple[int, KillFlag]] = Factory(dict)
    lifted: dict[str, int] = Factory(dict)
    tokens: dict[str, list[T2Token]] = Factory(dict)
    issued: dict[str, int] = Factory(dict)
    executions: dict[str, Execution] = Factory(dict)
    autopsies: Counter[str] = Factory(Counter)
    alerts: dict[str, Alert] = Factory(dict)
    signals: Counter[str] = Factory(Counter)
    decided: dict[int, datetime] = Factory(dict)
    terms: dict[str, Protect] = Factory(dict)  # other prices that a human signed for
    wrong: list[Complaint] = Factory(list)

    def read(self, beads: Iterable[Bead]) -> None:
        """Take beads in, in their order."""
        for bead in beads:
            _read(self, bead)

    def run_between(self, first: int, last: int) -> bool:
        """Whether another run began after the first of these places and before the last."""
        return any(first < began < last for began in self.runs)


def judged(desk: Scene) -> list[Complaint]:
    """Everything that is wrong with a desk that had time to recover; empty is what it must be."""
    found = list(_log(desk))
    if found:
        return found
    ledger = Ledger()
    ledger.read(desk.beads())
    return [*kept(desk, ledger), *_told(desk, ledger), *_approved(desk), *_inputs(desk, ledger)]


def kept(desk: Recovered, ledger: Ledger) -> list[Complaint]:
    """What is wrong with orders and positions of a desk that is calm, and with what it still owes."""
    return [
        *ledger.wrong,
        *_frames(desk, ledger),
        *_tokens(ledger),
        *_world(desk, ledger),
        *_exits(desk),
        *_ends(desk, ledger),
        *_owed(desk),
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
                ledger.submitted[body.order_ref or ""] = bead.seq, body
            if body.event is PositionEvent.WITHHELD:
                sent, _ = ledger.submitted[body.order_ref or ""]
                if ledger.run_between(sent, bead.seq):
                    ledger.wrong.append(("I9", f"bead {bead.seq}: another run says that nothing left"))
        case T2Token() as body:
            ledger.tokens.setdefault(body.id, []).append(body)
            ledger.wrong.extend(_spent(ledger, body, bead))
        case Execution() as body if body.event is not ExecutionEvent.COMMISSION:
            ledger.executions[body.exec_id] = body
        case Lease() as body if body.event is LeaseEvent.TAKEN:
            ledger.runs.append(bead.seq)
        case KillFlag() as body if body.event is KillEvent.RAISED:
            ledger.kills[body.flag] = bead.seq, body
        case KillFlag() as body:
            ledger.lifted[body.flag] = bead.seq
        case Autopsy() as body:
            ledger.autopsies[body.position_id] += 1
        case Alert() as body if body.event is AlertEvent.RAISED:
            ledger.alerts[body.alert] = body
        case Signal() as body:
            ledger.signals[body.name] += 1
        case Decision() as body:
            ledger.decided[bead.seq] = bead.ts
            says = read_statement(body.signed.statement.encode()).says
            if isinstance(says, Protect):
                ledger.terms[says.position] = says
        case Order() as body if body.event is OrderEvent.RECORDED:
            ledger.recorded |= {(frame.ref, frame.revision): bead.seq for frame in body.frames}
            by, _, place = (body.mandate or "").partition(":")
            if by == "decision" and bead.ts - ledger.decided[int(place)] >= Close.life:
                ledger.wrong.append(("X2", f"bead {bead.seq}: an exit by a signature that is older than a minute"))
        case _:
            pass


def _spent(ledger: Ledger, token: T2Token, bead: Bead) -> Iterator[Complaint]:
    """A token is spent by the run that it was issued under, in its five minutes, for what it was issued for."""
    if token.event is TokenEvent.ISSUED:
        ledger.issued[token.id] = bead.seq
    if token.event is not TokenEvent.USED:
        return
    first = ledger.tokens[token.id][0]
    if first.event is not TokenEvent.ISSUED or _bound(first) != _bound(token):
        yield "I2", f"bead {bead.seq}: a token is spent for what it was not issued for"
    if bead.ts >= token.timestamp + TOKEN_LIFE:
        yield "I17", f"bead {bead.seq}: a token is spent after its life"
    if ledger.run_between(ledger.issued.get(token.id, -1), bead.seq):
        yield "I17", f"bead {bead.seq}: a token is spent by another run than its own"


def _bound(token: T2Token) -> tuple[str, ...]:
    return token.intent_id, token.evidence_hash, token.order_hash, token.order_ref, token.account


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


def _frames(desk: Recovered, ledger: Ledger) -> Iterator[Complaint]:
    """Every frame left at most once, and the log said so before."""
    count = Counter((f.ref, f.revision) for f in desk.outside.handed)
    for (ref, revision), times in count.items():
        if times > 1:
            yield ("I1" if "." not in ref else "X1"), f"{ref} revision {revision} left {times} times"
    truth = desk.broker.truth
    spent = {token.order_ref for beads in ledger.tokens.values() for token in beads if token.event is TokenEvent.USED}
    for frame in desk.outside.handed:
        recorded = ledger.recorded.get((frame.ref, frame.revision), frame.log)
        if recorded >= frame.log:
            yield "I4", f"{frame.ref} revision {frame.revision} left when the log had {frame.log} beads, and no record"
        if ledger.run_between(recorded, frame.log):
            yield "I21", f"{frame.ref} was recorded by one run, and left while another one had the lease"
        if not frame.entry:
            continue
        at, submitted = ledger.submitted.get(frame.ref, (frame.log, None))
        if submitted is None or at >= frame.log:
            yield "I4", f"{frame.ref} left when the log had {frame.log} beads, and no SUBMITTED among them"
        elif ledger.positions[submitted.position_id].event is PositionEvent.WITHHELD and frame.ref in truth.book:
            yield "I9", f"{frame.ref} arrived, and its position says that nothing left"
        if frame.ref not in spent:
            yield "I2", f"{frame.ref} left, and no token was spent for it"
        if submitted is not None and (flags := _killed(ledger, submitted, frame.log)):
            yield "I14", f"{frame.ref} left under {flags}"


def _killed(ledger: Ledger, entry: Position, size: int) -> list[str]:
    """The kills over an entry's scope that stood in the first so many beads."""
    scopes = ("desk", f"strategy:{entry.strategy}", f"instrument:{entry.pair}")
    return [
        flag.scope
        for seq, flag in ledger.kills.values()
        if seq < size <= ledger.lifted.get(flag.flag, size) and flag.scope in scopes
    ]


def _tokens(ledger: Ledger) -> Iterator[Complaint]:
    for name, beads in ledger.tokens.items():
        ends = [b.event for b in beads if b.event is not TokenEvent.ISSUED and (b.final or b.event in _ENDED)]
        if len(ends) > 1:
            yield "I3", f"token {name} ended as {ends}"
    live = Counter(
        beads[0].intent_id for beads in ledger.tokens.values() if not any(b.final or b.event in _ENDED for b in beads)
    )
    if any(count > 1 for count in live.values()):
        yield "I3", "two live tokens for one intent"
    for last in ledger.positions.values():
        if (last.state is State.APPROVED) != bool(live[last.intent_id]):
            yield "I3", f"{last.intent_id} is {last.state}, and has {live[last.intent_id]} live tokens"


_ENDED: Final = (TokenEvent.USED, TokenEvent.EXPIRED)


def _said(desk: Recovered, symbol: str) -> bool:
    """Whether the desk says that something about an instrument is not as it should be."""
    drifts = any(drift.instrument in (symbol, None) for drift in desk.desk.drifts.open.values())
    return drifts or any(p.pair == symbol for p in desk.desk.positions.in_state(State.STALLED))


def _world(desk: Recovered, ledger: Ledger) -> Iterator[Complaint]:
    """What the broker holds and executed is what the desk knows, or an open drift or STALLED says so."""
    truth = desk.broker.truth
    held = truth.held | {symbol: quantity for symbol, quantity in desk.broker._spoofed.items() if quantity is not None}
    for symbol in sorted({*held, *desk.desk.positions.nets}):
        theirs, ours = held.get(symbol, Decimal(0)), desk.desk.positions.net(symbol)
        if theirs != ours and not _said(desk, symbol):
            yield "I12", f"{symbol}: the broker holds {theirs}, the desk {ours}, and nothing says so"
    latest = {said.exec_id.rpartition(".")[0]: said for said in truth.executions}
    for said in latest.values():
        booked = ledger.executions.get(said.exec_id)
        if booked is None:
            yield "I10", f"the execution {said.exec_id} never reached the log"
        elif (booked.quantity, booked.price, booked.side) != (said.quantity, said.price, said.side):
            yield "I8", f"{said.exec_id} was {said.side} {said.quantity} at {said.price}, and is booked otherwise"
    for ref, working in truth.book.items():
        symbol = working.frame.line.symbol
        known = desk.desk.orders.find(ref)
        if not working.ends and (known is None or known.end is not None) and not _said(desk, symbol):
            yield "I12", f"{ref} works at the broker, and the desk does not know it"


def _exits(desk: Recovered) -> Iterator[Complaint]:
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


def _ends(desk: Recovered, ledger: Ledger) -> Iterator[Complaint]:
    """What ended has nothing at work; what is held is protected, or somebody was told."""
    working = [ref for ref, order in desk.broker.truth.book.items() if not order.ends]
    for name, last in ledger.positions.items():
        own = [ref for ref in working if last.order_ref and ref.startswith(last.order_ref)]
        if last.state in ENDS and own and not _said(desk, last.pair):
            yield "X1", f"{name} is {last.state}, and {own} still work"
        if last.state not in (State.FILLED, State.MANAGED) or last.filled_quantity <= last.exited_quantity:
            continue
        lines = {ref: desk.broker.truth.book[ref].frame.line for ref in own}
        signed = ledger.terms.get(name) or ledger.terms.get(last.intent_id)
        stop = (signed and signed.stop) or last.stop_price
        target = (signed and signed.target) or last.target_price
        stops = [ref for ref, line in lines.items() if line.role is Role.STOP and line.trigger == stop]
        targets = [ref for ref, line in lines.items() if line.role is Role.TARGET and line.limit == target]
        told = any(alert.subject == name and alert.code in BARE for alert in desk.desk.alerts.open.values())
        for what, refs in (("stop", stops), ("target", targets)):
            covered = sum((desk.broker.truth.book[ref].remaining for ref in refs), Decimal(0))
            if covered < last.filled_quantity - last.exited_quantity and not told and not _said(desk, last.pair):
                yield "X4", f"{name} holds more than its {what} covers ({covered}), and nobody was told"
        if last.state is State.FILLED and not told and not _said(desk, last.pair):
            yield "I5", f"{name} is protected, and still FILLED"


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
        if not any(alert.subject == f"{drift.subject} {drift.cause}" for alert in ledger.alerts.values()):
            yield "I18", f"the drift {drift.cause} of {drift.subject} has no alert"
        if drift.severity is Severity.CRITICAL and drift.identity not in flags:
            yield "I14", f"the drift {drift.cause} raised no kill"


def _owed(desk: Recovered) -> Iterator[Complaint]:
    """Nothing is owed that nobody will do; a frame of an earlier run is never among it."""
    for key, effect in desk.desk.owed.items():
        waits = isinstance(effect, Notify) and effect.alert in desk.desk.alerts.unsent
        if not waits:
            what = "never to be sent" if isinstance(effect, SendOrder) else "owed for ever"
            yield "OWED", f"{type(effect).__name__} of bead {key[0]} is {what}"


def _approved(desk: Scene) -> Iterator[Complaint]:
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
    for name in ledger.signals:
        if name and name not in desk.outside.archived:
            yield "I20", f"{name} was taken, and lies nowhere"
    for name, last in ledger.positions.items():
        if ledger.autopsies[name] != (last.state is State.CLOSED):
            yield "AUTOPSY", f"{name} is {last.state} and has {ledger.autopsies[name]} autopsies"
        if desk.outside.answers.get(last.intent_id) != response_document(desk.desk, last.intent_id):
            yield "I20", f"the answer of {last.intent_id} is not that of a {last.state} position"


def named(complaints: list[Complaint]) -> str:
    """Complaints as a person reads them."""
    return "; ".join(f"{promise}: {said}" for promise, said in complaints)
