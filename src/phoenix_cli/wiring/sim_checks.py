"""The oracle of the simulation: one checker an invariant, each judging the log and the frames at the broker.

The log's new beads are read once a step into a `Ledger` of the oracle's own, which shares no slice with the desk;
the checkers compare the desk, the frames and the broker's truth with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.working import Truth
from phoenix_adapters.engine.loop import Engine as Seen
from phoenix_core.beads import (
    Bead,
    Evidence,
    Execution,
    ExecutionEvent,
    Genesis,
    Position,
    PositionEvent,
    ProofKind,
    ReconciliationDrift,
    T2Token,
    TokenEvent,
)
from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk, evolve, freeze
from phoenix_core.gate.kill_flags import active
from phoenix_core.gate.tokens import LIFE, WALL_BACK_MAX, TokenState
from phoenix_core.kernel import ClearedOrder, bead_of
from phoenix_core.orders import order_hash
from phoenix_core.ports import Clock
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import Moment, Role, Side, State

ANSWERED_WITHIN: Final = timedelta(seconds=2)
ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
SENT: Final = (State.SUBMITTED, State.STALLED)


@frozen
class Violation:
    """A promise that was broken: which, when, and what was seen."""

    invariant: str
    step: int
    said: str


@frozen
class Handed:
    """A hand-over as the socket saw it, and what the desk knew at that moment."""

    ref: str
    entry: bool
    position_id: str
    account: str
    order_hash: str
    symbol: str
    side: Side
    most: Decimal  # what an exit may at most be for
    at: Moment
    epochs: tuple[int | None, int]  # of the run that handed over, and of the lease
    head: int
    log: int  # how long the log really was
    ready: bool
    killed: tuple[str, ...]
    token: TokenState | None
    state: State | None
    quantity: Decimal


@define
class Frames:
    """Every hand-over in order, and what the oracle itself has read in the log."""

    engine: Callable[[], Seen]
    store: MemoryStore
    clock: Clock
    seen: list[Handed] = Factory(list)
    heard: int = 0
    checked: int = 0
    beads: int = 0
    entries: set[str] = Factory(set)
    placed: dict[tuple[str, Side], Decimal] = Factory(dict)
    allowed: dict[tuple[str, Side], Decimal] = Factory(dict)
    account: str = ""
    states: dict[str, State] = Factory(dict)  # by position, from the beads alone
    submitted: dict[str, int] = Factory(dict)  # by reference: where its SUBMITTED stands
    filled: dict[str, Decimal] = Factory(dict)
    families: dict[str, dict[str, Decimal]] = Factory(dict)  # by position: entry executions, the latest revision
    known: set[str] = Factory(set)  # execution ids in the log
    traded: set[str] = Factory(set)  # positions with an execution that their own bead does not count yet
    tokens: dict[str, T2Token] = Factory(dict)  # as issued
    token_ends: dict[str, TokenEvent] = Factory(dict)
    by_ref: dict[str, T2Token] = Factory(dict)  # spent tokens
    evidence: dict[str, Evidence] = Factory(dict)
    approved: set[str] = Factory(set)
    overfills: int = 0
    drifts: int = 0
    visited: set[str] = Factory(set)  # what the run has seen: states, transitions, causes

    def handed(self, cleared: ClearedOrder) -> None:
        """Write down one hand-over."""
        engine = self.engine()
        desk = engine.recorder.desk
        position = desk.positions.open.get(cleared.position_id)
        killed = tuple(f.flag for f in active(desk.kill_flags, position.strategy, position.pair)) if position else ()
        token = desk.tokens.state(position.token_id) if position is not None and position.token_id else None
        lines = tuple(frame.line for frame in cleared.frames)
        now = self.clock.now()
        link = engine.link.state(now)
        fresh = link.round_trip_age is not None and link.round_trip_age <= ANSWERED_WITHIN
        self.seen.append(
            Handed(
                ref=cleared.ref,
                entry=cleared.is_entry,
                position_id=cleared.position_id,
                account=lines[0].account,
                order_hash=order_hash(lines),
                symbol=lines[0].symbol,
                side=lines[0].side,
                most=max(position.requested_quantity, position.filled_quantity) if position else Decimal(0),
                at=now,
                epochs=(engine.run.epoch, desk.tenure.epoch),
                head=desk.head.size,
                log=self.store.head().size,
                ready=link.up and link.synchronised and fresh,
                killed=killed,
                token=token,
                state=position.state if position is not None else None,
                quantity=max(line.quantity for line in lines),
            )
        )

    @property
    def new(self) -> list[Handed]:
        """What left since the last step."""
        return self.seen[self.checked :]


# --- from the beads alone ---------------------------------------------------------------------------------------------


def _read(frames: Frames, truth: Truth) -> Iterator[tuple[str, str]]:
    """I3, I5, I8, I9, I10, I11 and I22, bead by bead."""
    for record in frames.store.read(frames.beads):
        if record.seq != frames.beads:
            yield "I5", f"bead {record.seq} stands where {frames.beads} belongs"
        frames.beads = record.seq + 1
        bead = bead_of(record)
        if bead.ts.utcoffset() != timedelta(0):
            yield "I17", f"bead {bead.seq} tells a time without UTC"
        match bead.body:
            case Genesis() as body:
                frames.account = body.account
            case T2Token() as body:
                yield from _token(frames, body)
            case Evidence() as body:
                frames.evidence[body.order_hash] = body
            case Execution() as body:
                _execution(frames, body)
            case ReconciliationDrift() as body:
                frames.drifts += 1
                frames.overfills += body.cause == "overfill"
                frames.visited.add(f"drift {body.cause}")
            case Position() as body:
                yield from _position(frames, body, bead, truth)
            case _:
                pass


def _token(frames: Frames, body: T2Token) -> Iterator[tuple[str, str]]:
    if body.event is TokenEvent.ISSUED:
        rivals = [t for t in frames.tokens.values() if t.intent_id == body.intent_id and t.id not in frames.token_ends]
        if rivals:
            yield "I3", f"two live tokens for {body.intent_id}"
        frames.tokens[body.id] = body
        return
    if body.event is TokenEvent.REJECTED and not body.final:
        return
    if body.id in frames.token_ends:
        yield "I3", f"token {body.id} is {frames.token_ends[body.id]}, then {body.event}"
    frames.token_ends[body.id] = body.event
    if body.event is TokenEvent.USED:
        frames.by_ref[body.order_ref] = body
        lines = frames.evidence[body.order_hash].lines
        entry = next(line for line in lines if line.role is Role.ENTRY)
        where = (entry.symbol, entry.side)
        frames.allowed[where] = frames.allowed.get(where, Decimal(0)) + entry.quantity


def _execution(frames: Frames, body: Execution) -> None:
    if body.event is ExecutionEvent.COMMISSION:
        return
    frames.known.add(body.exec_id)
    frames.visited.add(f"execution {body.event}")
    if body.position_id is None or body.quantity is None:
        return
    frames.traded.add(body.position_id)
    if body.role is Role.ENTRY:
        frames.families.setdefault(body.position_id, {})[body.family] = body.quantity


def _position(frames: Frames, body: Position, bead: Bead, truth: Truth) -> Iterator[tuple[str, str]]:
    name, before = body.position_id, frames.states.get(body.position_id)
    if before in ENDS:
        yield "I10", f"{name} left {before} for {body.state}"
    if body.from_ != before:
        yield "I5", f"bead {bead.seq}: {name} was {before}, the bead says {body.from_}"
    if body.event is None and body.state is not body.from_:
        yield "I5", f"bead {bead.seq}: a state changed without an event"
    if body.from_ is not None and body.event is not None:
        frames.visited.add(f"{body.from_} {body.event}")
        if TRANSITIONS.get((body.from_, body.event)) is not body.state:
            yield "I5", f"bead {bead.seq}: {body.from_} {body.event} {body.state}"
    if body.event is PositionEvent.APPROVED:
        if name in frames.approved:
            yield "I22", f"{name} was approved twice"
        frames.approved.add(name)
    if before in SENT and body.state in (State.FILLED, State.CANCELLED, State.REJECTED):
        yield from _proved(body, bead, truth)
    if frames.filled.get(name, Decimal(0)) != body.filled_quantity and name not in frames.traded:
        yield "I11", f"bead {bead.seq}: a quantity changed without an execution"
    frames.traded.discard(name)
    frames.states[name], frames.filled[name] = body.state, body.filled_quantity
    frames.visited.add(str(body.state))
    if body.event is PositionEvent.SUBMITTED and body.order_ref is not None:
        frames.submitted[body.order_ref] = bead.seq


def _proved(body: Position, bead: Bead, truth: Truth) -> Iterator[tuple[str, str]]:
    if body.proof.type is ProofKind.RULE or not body.proof.id:
        yield "I9", f"bead {bead.seq}: {body.state} by {body.proof.type}"
    known = truth.book.get(body.order_ref or "")
    by_hand = body.proof.type is ProofKind.OPERATOR_DECISION
    if body.state is not State.FILLED and known is not None and not known.ends and not by_hand:
        yield "I9", f"bead {bead.seq}: {body.state}, and the order works at the broker"


# --- what left --------------------------------------------------------------------------------------------------------


def _i1(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.entry and handed.ref in frames.entries:
            yield f"two entry frames for {handed.ref}"
        if handed.entry:
            frames.entries.add(handed.ref)


def _i2(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        token = frames.by_ref.get(handed.ref)
        if handed.entry and (token is None or handed.token is not TokenState.USED):
            yield f"{handed.ref} left with a token that is {handed.token}"
        elif handed.entry and token is not None and token.order_hash != handed.order_hash:
            yield f"{handed.ref} is not what was approved"


def _i4(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        seq = frames.submitted.get(handed.ref)
        if handed.entry and (handed.state is not State.SUBMITTED or seq is None or seq >= handed.log):
            yield f"{handed.ref} left while its position was {handed.state}, its bead at {seq} of {handed.log}"


def _i5(desk: Desk, frames: Frames) -> Iterator[str]:
    if desk.head.size != frames.beads:
        return
    for position in desk.positions.open.values():
        if frames.states.get(position.position_id) is not position.state:
            yield f"{position.position_id} is {position.state}, its beads say otherwise"


def _i8(desk: Desk, frames: Frames) -> Iterator[str]:
    for name, position in desk.positions.open.items():
        told = sum(frames.families.get(position.position_id, {}).values(), Decimal(0))
        if position.order_ref and told != position.filled_quantity and desk.head.size == frames.beads:
            yield f"{name}: executions say {told}, the position {position.filled_quantity}"
        over = position.filled_quantity > position.requested_quantity
        if position.order_ref and over and not frames.overfills:
            yield f"{name} is overfilled and no drift says so"


def _i14(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.entry and (handed.killed or handed.head != handed.log):
            yield f"{handed.ref} left under kill flags {handed.killed}, seen {handed.head} of {handed.log} beads"


def _i15(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.account != frames.account:
            yield f"{handed.ref} left for another account"


def _i16(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.entry and not handed.ready:
            yield f"{handed.ref} left over a link that was not ready"


def _i17(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        token = frames.by_ref.get(handed.ref)
        if handed.entry and token is not None:
            late = handed.at.wall >= token.timestamp + LIFE or handed.at.ticks >= token.ticks + LIFE
            if late or handed.at.wall < token.timestamp - WALL_BACK_MAX:
                yield f"{handed.ref} left after its token's life"


def _i21(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.epochs[0] != handed.epochs[1] or handed.head != handed.log:
            yield f"{handed.ref} left from a run whose epoch is {handed.epochs[0]}, the lease's is {handed.epochs[1]}"


def _i26(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if handed.entry:
            where = (handed.symbol, handed.side)
            frames.placed[where] = frames.placed.get(where, Decimal(0)) + handed.quantity
            if frames.placed[where] > frames.allowed.get(where, Decimal(0)):
                yield f"{frames.placed[where]} {where} placed on tokens for {frames.allowed.get(where)}"


def _x1(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if not handed.entry and handed.quantity > handed.most:
            yield f"{handed.ref} is an exit for {handed.quantity} of {handed.most}"


def _x4(desk: Desk, frames: Frames) -> Iterator[str]:
    for handed in frames.new:
        if not handed.entry and handed.state not in (State.FILLED, State.MANAGED):
            yield f"{handed.ref} is an exit of a position that is {handed.state}"


def _b8(desk: Desk, frames: Frames) -> Iterator[str]:
    for order in desk.orders.open.values():
        ended = desk.positions.ended.get(order.position_id)
        if ended is not None and ended.state is State.CLOSED:
            yield f"{order.ref} works for a CLOSED position"


Checker = Callable[[Desk, Frames], Iterator[str]]
JUDGES: Final[tuple[Checker, ...]] = (_i4, _i1, _i2, _i5, _i8, _i14, _i15, _i16, _i17, _i21, _i26, _x1, _x4, _b8)
CHECKERS: Final = {judge.__name__[1:].upper(): judge for judge in JUDGES}


def check_all(desk: Desk, store: MemoryStore, frames: Frames, truth: Truth, step: int) -> Violation | None:
    """Every checker, after every step; the log's new beads are read once for all of them."""
    found = next(_read(frames, truth), None)
    if found is not None:
        return Violation(found[0], step, found[1])
    for name, checker in CHECKERS.items():
        said = next(checker(desk, frames), None)
        if said is not None:
            return Violation(name, step, said)
    frames.checked = len(frames.seen)
    return None


def check_replay(desk: Desk, store: MemoryStore, step: int) -> Violation | None:
    """I6 and I7: the fold of the whole log is the live desk, byte for byte, and the chain verifies."""
    verified = verify_chain(record.data for record in store.read(0))
    if not is_successful(verified):
        return Violation("I7", step, str(verified.failure()))
    again = Desk()
    for record in store.read(0):
        again = evolve(again, bead_of(record))
    if desk.head.size == again.head.size and freeze(again) != freeze(desk):
        return Violation("I6", step, "a replay gives another desk")
    return None


def check_calm(desk: Desk, frames: Frames, truth: Truth, step: int) -> Violation | None:
    """After the calm: every execution is in the log (I10), every difference has its drift (I12)."""
    latest = {said.exec_id.rpartition(".")[0]: said for said in truth.executions}  # what replaced it, replaces it here
    for said in latest.values():
        if said.exec_id not in frames.known:
            return Violation("I10", step, f"execution {said.exec_id} of {said.ref} never reached the log")
    for symbol, held in truth.held.items():
        ours = desk.positions.net(symbol)
        if held != ours and not any(drift.instrument == symbol for drift in desk.drifts.open.values()):
            return Violation("I12", step, f"{symbol}: the broker holds {held}, we {ours}, and no drift says so")
    return None
