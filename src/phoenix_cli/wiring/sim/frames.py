"""The socket of the simulation, watched: each hand-over is judged at once, against the ledger and the broker's truth.

Nothing here asks the desk, but for two words of the run that hands over: its epoch and how long a log it has seen. The
hash of an order is computed by a second implementation, so that a hash which leaves a field out does not agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from attrs import Factory, define, fields

from phoenix_adapters.brokers.mock.working import Truth, Working
from phoenix_adapters.engine.loop import Engine as Seen
from phoenix_cli.wiring.sim.ledger import REF_LENGTH, Ledger
from phoenix_cli.wiring.sim.rules import (
    Rules,
    hours_judge,
    in_window,
    limits_judge,
    price_judge,
    stale_judge,
    terms_judge,
)
from phoenix_core.facts import Quote
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Line
from phoenix_core.values import WALL_BACK_MAX, Role, Side, State, plain

ANSWERED_WITHIN: Final = timedelta(seconds=2)
QUOTED_WITHIN: Final = timedelta(seconds=2)
TOKEN_LIFE: Final = timedelta(minutes=5)
WORKING_LIFE: Final = timedelta(seconds=90)
CLOSE_LIFE: Final = timedelta(seconds=60)
SKEW_MAX: Final = timedelta(seconds=5)
RESTARTS_AT: Final = timedelta(hours=23, minutes=45)
RESTART_BEFORE: Final = timedelta(seconds=60)
RESTART_LASTS: Final = timedelta(minutes=5)


@define
class Frames:
    """Every hand-over in order, and what was wrong with it."""

    ledger: Ledger
    engine: Callable[[], Seen]
    failed: Callable[[], bool]  # whether this run's log has refused an append
    quotes: Callable[[], dict[str, Quote]]
    rules: Rules
    logins: Callable[[], tuple[str, ...]]  # the accounts that the broker's login shows
    apart: Callable[[], timedelta]  # the broker's clock minus ours
    declared: Callable[[], bool]  # whether the gateway's nightly restart is declared
    room: Callable[[], int]  # how many frames fit on the wire now
    found: list[tuple[str, str]] = Factory(list)
    entries: set[str] = Factory(set)
    exits: int = 0
    story: str = ""  # the hash of all that left: messages, hand-overs, cancels, in their order
    working: dict[str, timedelta] = Factory(dict)  # entries that were handed over -> when; until nobody need end them
    placed: dict[tuple[str, Side], Decimal] = Factory(dict)

    def said(self, what: str) -> None:
        """I25: what leaves the desk, on whatever way, is a part of the story that a seed tells."""
        self.story = hashlib.sha256(f"{self.story} {what}".encode()).hexdigest()

    def handed(self, cleared: ClearedOrder) -> None:
        """Judge one hand-over, as the log and the world stand at this moment."""
        self.ledger.read()
        self.said(" ".join(f"{frame.ref}.{frame.revision}:{frame.hash}" for frame in cleared.frames))
        lines = tuple(frame.line for frame in cleared.frames)
        judges = _ENTRY if cleared.is_entry else _EXIT
        for name, judge in judges.items():
            self.found.extend((name, f"{cleared.ref} {said}") for said in judge(self, cleared, lines))
        if cleared.is_entry:
            self.entries.add(cleared.ref)
            self.working[cleared.ref] = self.ledger.clock.now().ticks
        else:
            self.exits += 1
            self.ledger.visited.add(f"exit frame {lines[0].role}")

    def cancelled(self, ref: str) -> None:
        """Judge one cancel: only an order that the log recorded is ours to cancel."""
        self.ledger.read()
        self.said(f"cancel {ref}")
        _ = self.working.pop(ref, None)
        if ref not in self.ledger.recorded:
            self.found.append(("I15", f"a cancel of {ref}, which is no order of ours"))

    def outlived(self) -> list[str]:
        """LIFE: entries that work for longer than an approval covers, and whose end nobody asked for."""
        book, now = self.ledger.wire.truth.book, self.ledger.clock.now().ticks
        self.working = {ref: at for ref, at in self.working.items() if ref in book and not book[ref].ends}
        return [ref for ref, at in self.working.items() if now - at > WORKING_LIFE]


def hash_of(lines: tuple[Line, ...]) -> str:
    """The hash of an order by a second implementation: every field that the order has, each in plain text."""
    rows = [{f.name: _text(getattr(line, f.name)) for f in fields(Line)} for line in lines]
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    text = json.dumps({"lines": kept}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return plain(value) if isinstance(value, Decimal) else value


# --- entries ----------------------------------------------------------------------------------------------------------

Judge = Callable[[Frames, ClearedOrder, tuple[Line, ...]], Iterator[str]]


def _i1(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    if cleared.ref in frames.entries:
        yield "left a second time"


def _i2(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    token = frames.ledger.by_ref.get(cleared.ref)
    if token is None:
        yield "left without a token that was spent for it"
        return
    approved = frames.ledger.evidence.get(token.order_hash)
    if hash_of(lines) != token.order_hash or approved is None or approved.lines != lines:
        yield "is not what was approved"
    names = [cleared.ref + ("" if line.role is Role.ENTRY else f".{line.role.value[0]}1") for line in lines]
    if [frame.ref for frame in cleared.frames] != names or cleared.group != f"{cleared.ref}.G1":
        yield f"is named {[frame.ref for frame in cleared.frames]} in {cleared.group}"


def _i4(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    state = frames.ledger.states.get(cleared.position_id)
    if cleared.ref not in frames.ledger.submitted or state is not State.SUBMITTED:
        yield f"left while its position is {state} in the log"


def _i14(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    position = frames.ledger.last.get(cleared.position_id)
    flags = frames.ledger.active_flags(position.strategy, position.pair) if position is not None else []
    if flags:
        yield f"left under kill flags {flags}"
    if frames.engine().latch() is not False:
        yield "left under a latch that is up"


def _i15(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    if any(line.account != frames.ledger.account for line in lines):
        yield "left for another account"
    if frames.ledger.account not in frames.logins():
        yield f"left over a login that shows {frames.logins()}"


def _i16(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    ledger, now = frames.ledger, frames.ledger.clock.now()
    if not ledger.wire.synchronised or now.ticks - ledger.wire.answered > ANSWERED_WITHIN:
        yield f"left over a link that was not ready: it last answered {now.ticks - ledger.wire.answered} ago"
    if not ledger.pictured:
        yield "left before the first whole picture of its session"
    quote = frames.quotes().get(lines[0].symbol)
    if quote is None or now.ticks - quote.at.ticks > QUOTED_WITHIN:
        yield "left on a quote that was too old"
    if ledger.blocking(lines[0].symbol):
        yield f"left under open drift: {ledger.blocking(lines[0].symbol)}"
    if frames.declared() and in_window(now.wall, RESTARTS_AT, RESTART_BEFORE, RESTART_LASTS):
        yield "left in the restart window"
    if len(lines) > frames.room():
        yield f"left in {len(lines)} frames, and {frames.room()} fit on the wire"
    if abs(frames.apart()) > SKEW_MAX:
        yield f"left while the broker's clock was {frames.apart()} from ours"


def _c3(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    yield from hours_judge(frames.ledger.clock.now().wall)


def _stale(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    position = frames.ledger.last.get(cleared.position_id)
    if position is not None:
        yield from stale_judge(frames.rules, position, frames.ledger.clock.now())


def _c4(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    position, quote = frames.ledger.last.get(cleared.position_id), frames.quotes().get(lines[0].symbol)
    if position is not None and quote is not None:
        yield from price_judge(frames.rules, position, lines, quote.bid, quote.ask)


def _c5(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    position = frames.ledger.last.get(cleared.position_id)
    if position is not None:
        yield from limits_judge(frames.rules, position, lines[0], frames.ledger.clock.now().wall)


def _i17(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    token, now = frames.ledger.by_ref.get(cleared.ref), frames.ledger.clock.now()
    if token is not None:
        late = now.wall >= token.timestamp + TOKEN_LIFE or now.ticks >= token.ticks + TOKEN_LIFE
        if token.epoch != frames.ledger.epoch:
            yield f"left on a token for the run of epoch {token.epoch}"
        if late or now.wall < token.timestamp - WALL_BACK_MAX or now.boot != token.boot:
            yield "left after its token's life"


def _i21(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    engine = frames.engine()
    if engine.run.epoch != frames.ledger.epoch:
        yield f"left from a run whose epoch is {engine.run.epoch}, the lease's is {frames.ledger.epoch}"
    seen = engine.recorder.desk.head.size
    if seen != frames.ledger.size:
        yield f"left on {seen} of {frames.ledger.size} beads"


def _i23(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    if frames.failed():
        yield "left from a run whose log had refused an append"


def _i26(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    entry = next((line for line in lines if line.role is Role.ENTRY), lines[0])
    where = (entry.symbol, entry.side)
    frames.placed[where] = frames.placed.get(where, Decimal(0)) + entry.quantity
    if frames.placed[where] > frames.ledger.allowed.get(where, Decimal(0)):
        yield f"makes {frames.placed[where]} {where} placed on tokens for {frames.ledger.allowed.get(where)}"


def _native(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    parent = next((line for line in lines if line.role is Role.ENTRY), None)
    if parent is None or any(line.quantity != parent.quantity or line.symbol != parent.symbol for line in lines):
        yield "is a bracket whose members differ in size or symbol"
    elif any(line.side is parent.side for line in lines if line.role is not Role.ENTRY):
        yield "is a bracket whose exits do not leave"


# --- exits ------------------------------------------------------------------------------------------------------------


def _x1(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    ledger, truth = frames.ledger, frames.ledger.wire.truth
    entry = truth.book.get(cleared.ref[:REF_LENGTH])
    rest = entry.remaining if entry is not None and not entry.ends else Decimal(0)
    allowed = ledger.executed(cleared.position_id, entries=True) + max(rest, Decimal(0))
    sizes = {frame.ref: frame.line.quantity for frame in cleared.frames}
    groups: dict[str, Decimal] = {}
    for ref, working in _working_exits(truth, cleared.ref[:REF_LENGTH]):
        if ref not in sizes:
            groups[working.group] = max(groups.get(working.group, Decimal(0)), working.remaining)
    before = sum(groups.values(), Decimal(0))
    for size in sizes.values():
        groups[cleared.group] = max(groups.get(cleared.group, Decimal(0)), size)
    after = sum(groups.values(), Decimal(0))
    gone = ledger.executed(cleared.position_id, entries=False) + after
    if gone > allowed and after > before:  # what stood before it, no frame of ours can mend by not leaving
        yield f"makes exits of {gone} against entries of {allowed}"


def _working_exits(truth: Truth, entry: str) -> Iterator[tuple[str, Working]]:
    for ref, working in truth.book.items():
        if ref.startswith(entry) and working.frame.line.role.is_exit and not working.ends:
            yield ref, working


def _x2(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    if lines[0].role is Role.CLOSE:
        signed = frames.ledger.closes.get(cleared.position_id)
        if signed is None or frames.ledger.clock.now().ticks - signed > CLOSE_LIFE:
            yield "is a close that nobody signed in the last minute"
    yield from terms_judge(frames.rules, cleared.position_id, lines)


def _x3(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    yield from _i15(frames, cleared, lines)
    yield from _i21(frames, cleared, lines)


def _x4(frames: Frames, cleared: ClearedOrder, lines: tuple[Line, ...]) -> Iterator[str]:
    state = frames.ledger.states.get(cleared.position_id)
    if state not in (State.FILLED, State.MANAGED):
        yield f"is an exit of a position that is {state}"
    position = frames.ledger.last.get(cleared.position_id)
    if position is not None and any(line.side is position.side or line.symbol != position.pair for line in lines):
        yield "is an exit that does not leave"


_ENTRY: Final[dict[str, Judge]] = {
    "I4": _i4,
    "I1": _i1,
    "I2": _i2,
    "I14": _i14,
    "I15": _i15,
    "I16": _i16,
    "I17": _i17,
    "I21": _i21,
    "I23": _i23,
    "I26": _i26,
    "STL": _stale,
    "C3": _c3,
    "C4": _c4,
    "C5": _c5,
    "X4": _native,
}
_EXIT: Final[dict[str, Judge]] = {"X1": _x1, "X2": _x2, "X3": _x3, "X4": _x4}
