"""The oracle of the simulation: one checker an invariant, each judging the log and the frames at the broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.working import Truth
from phoenix_core.beads import Position, T2Token, TokenEvent
from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk, evolve, freeze
from phoenix_core.gate.kill_flags import active
from phoenix_core.gate.tokens import TokenState
from phoenix_core.kernel import ClearedOrder, bead_of
from phoenix_core.trade.transitions import TRANSITIONS
from phoenix_core.values import State


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
    refs: tuple[str, ...]
    head: int
    killed: tuple[str, ...]
    token: TokenState | None
    state: State | None
    quantity: Decimal


@define
class Frames:
    """Every hand-over, in order."""

    desk: Callable[[], Desk] = Desk
    seen: list[Handed] = Factory(list)
    checked: int = 0
    beads: int = 0
    states: dict[str, State] = Factory(dict)
    used: dict[str, int] = Factory(dict)

    def handed(self, cleared: ClearedOrder) -> None:
        """Write down one hand-over."""
        desk = self.desk()
        position = desk.positions.open.get(cleared.position_id)
        killed = tuple(f.flag for f in active(desk.kill_flags, position.strategy, position.pair)) if position else ()
        token = desk.tokens.state(position.token_id) if position is not None and position.token_id else None
        self.seen.append(
            Handed(
                ref=cleared.ref,
                entry=cleared.is_entry,
                refs=tuple(frame.ref for frame in cleared.frames),
                head=desk.head.size,
                killed=killed,
                token=token,
                state=position.state if position is not None else None,
                quantity=cleared.frames[0].line.quantity,
            )
        )


def _i1(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    entries = [h.ref for h in frames.seen if h.entry]
    if len(entries) != len(set(entries)):
        yield "two entry frames for one reference"


def _i2_i3(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for handed in frames.seen[frames.checked :]:
        if handed.entry and handed.token is not TokenState.USED:
            yield f"{handed.ref} left with a token that is {handed.token}"
    for token, count in frames.used.items():
        if count > 1:
            yield f"token {token} was used {count} times"


def _i4(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for handed in frames.seen[frames.checked :]:
        if handed.entry and handed.state is not State.SUBMITTED:
            yield f"{handed.ref} left while its position was {handed.state}"


def _i8(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for position in desk.positions.open.values():
        totals = desk.fills.totals(position.position_id)
        if totals.entered != position.filled_quantity or totals.exited != position.exited_quantity:
            yield f"{position.position_id}: the book says {totals.entered}, the position {position.filled_quantity}"


def _i10(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for position_id, ended in desk.positions.ended.items():
        before = frames.states.setdefault(position_id, ended.state)
        if before is not ended.state:
            yield f"{position_id} left {before} for {ended.state}"
        if position_id in desk.positions.open:
            yield f"{position_id} has ended and is open"


def _i14(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for handed in frames.seen[frames.checked :]:
        if handed.entry and handed.killed:
            yield f"{handed.ref} left under kill flags {handed.killed}"


def _i26(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    placed = [h for h in frames.seen if h.entry]
    if len(placed) > sum(frames.used.values()):
        yield f"{len(placed)} entries placed on {sum(frames.used.values())} spent tokens"


def _closed_is_over(desk: Desk, frames: Frames, truth: Truth) -> Iterator[str]:
    for order in desk.orders.open.values():
        ended = desk.positions.ended.get(order.position_id)
        if ended is not None and ended.state is State.CLOSED:
            yield f"{order.ref} works for a CLOSED position"


Checker = Callable[[Desk, Frames, Truth], Iterator[str]]
CHECKERS: Final[dict[str, Checker]] = {
    "I1": _i1,
    "I2": _i2_i3,
    "I4": _i4,
    "I8": _i8,
    "I10": _i10,
    "I14": _i14,
    "I26": _i26,
    "B8": _closed_is_over,
}


def check_all(desk: Desk, store: MemoryStore, frames: Frames, truth: Truth, step: int) -> Violation | None:
    """Every checker, after every step; the log's new beads are read once for all of them."""
    said = next(_legal(store, frames), None)
    if said is not None:
        return Violation("I5", step, said)
    for name, checker in CHECKERS.items():
        said = next(checker(desk, frames, truth), None)
        if said is not None:
            return Violation(name, step, said)
    frames.checked = len(frames.seen)
    return None


def _legal(store: MemoryStore, frames: Frames) -> Iterator[str]:
    """I5 from the beads alone: each transition is in the table and follows from the state before."""
    for record in store.read(frames.beads):
        frames.beads = record.seq + 1
        body = bead_of(record).body
        if isinstance(body, T2Token) and body.event is TokenEvent.USED:
            frames.used[body.id] = frames.used.get(body.id, 0) + 1
        if not isinstance(body, Position) or body.from_ is None:
            continue
        if body.event is None and body.state is not body.from_:
            yield f"bead {record.seq}: a state changed without an event"
        if body.event is not None and TRANSITIONS.get((body.from_, body.event)) is not body.state:
            yield f"bead {record.seq}: {body.from_} {body.event} {body.state}"


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


def check_calm(desk: Desk, truth: Truth, step: int) -> Violation | None:
    """After the calm: nothing the broker executed for us is missing from the book."""
    for position in desk.positions.open.values():
        told = sum((e.quantity for e in truth.executions if e.ref == position.order_ref), Decimal(0))
        if position.order_ref and told != position.filled_quantity:
            return Violation("F48", step, f"{position.order_ref}: broker {told}, book {position.filled_quantity}")
    return None
