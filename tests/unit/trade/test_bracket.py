"""Every order of the events of one bracket: what a broker and a human may do to it, in whatever order it is told.

The wing's own functions are put together here as the acts do it, as briefly as possible; what they let out is counted
again by hand, from the frames and executions alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from attrs import define, evolve, field, frozen
from returns.pipeline import is_successful

from phoenix_core.beads import Order, OrderEvent, Position, PositionEvent
from phoenix_core.facts import BrokerStatus, ExecutionSaid
from phoenix_core.orders import Frame, exit_ref, group_of, parsed_ref
from phoenix_core.trade.answers import EntrySaid, Instead, entry_answer
from phoenix_core.trade.exits import (
    Step,
    close_line,
    close_plan,
    entry_line,
    entry_to_cancel,
    exit_mandate,
    exit_refusal,
)
from phoenix_core.trade.fills import Answer, execution
from phoenix_core.trade.order_words import news
from phoenix_core.trade.positions import changed
from phoenix_core.trade.protection import Protection, protection_of, resizes
from phoenix_core.trade.transitions import TRANSITIONS, Ending, ending
from phoenix_core.values import Named, Role, Side, State
from tests.showing import shows
from tests.unit.trade.samples import (
    REF,
    STOP_REF,
    TARGET_REF,
    WORD,
    Log,
    executed,
    order_bead,
    order_said,
    submitted,
)

HELD: Final = (State.FILLED, State.MANAGED)


class Told(Named):
    """What may happen, each once."""

    PART = "PART"  # the entry fills 4 of 10
    REST = "REST"  # the entry fills the other 6
    CORRECTION = "CORRECTION"  # the 4 were 3
    STOP = "STOP"  # the stop sells 4
    TARGET = "TARGET"  # the target sells 6
    CLOSE = "CLOSE"  # a human signs a close
    CLOSED = "CLOSED"  # the close executes, if it left
    CANCEL = "CANCEL"  # the broker ends entry, stop and target


@frozen
class Sent:
    """An exit frame that left: what the hand count needs of it."""

    ref: str
    group: str
    size: int


@define
class Desk:
    """One position's desk in small, and what left it."""

    shares_group: bool
    log: Log
    sent: tuple[Sent, ...] = ()
    late: tuple[str, ...] = ()
    corrected: bool = field(default=False)

    def twin(self) -> Desk:
        """The same desk, to be continued differently."""
        return evolve(self, log=self.log.twin())

    @property
    def state(self) -> State:
        """Where the position is."""
        positions = self.log.positions
        return self.log.position.state if positions.open else self.log.ended.state

    def tell(self, told: Told) -> None:
        """One event, and what the desk does about it."""
        match told:
            case Told.PART:
                self._executed(executed("A.02" if self.corrected else "A.01", 3 if self.corrected else 4))
            case Told.REST:
                self._executed(executed("B.01", 6))
            case Told.CORRECTION:
                self.corrected = True
                self._executed(executed("A.02", 3))
            case Told.STOP:
                self._executed(executed("S.01", 4, ref=STOP_REF, side=Side.SELL))
            case Told.TARGET:
                self._executed(executed("T.01", 6, ref=TARGET_REF, side=Side.SELL))
            case Told.CLOSE:
                self._close()
            case Told.CLOSED:
                self._close_executes()
            case Told.CANCEL:
                for ref in (REF, STOP_REF, TARGET_REF):
                    self._ended(ref)
        self._settle()

    # --- facts ---

    def _executed(self, said: ExecutionSaid) -> None:
        answer = self.log.fills.answer(said)
        parsed = parsed_ref(said.ref)
        assert parsed is not None
        if answer is Answer.KNOWN:
            return
        position = self.log.positions.open_of_ref(said.ref)
        if position is None:
            assert entry_answer(self.state, EntrySaid.EXECUTED) is Instead.LATE
            self.late = (*self.late, said.exec_id)
            return
        self.log.append(execution(said, answer, position.position_id, parsed[1]))
        totals = self.log.fills.totals(position.position_id)
        event = None
        if parsed[1] is Role.ENTRY:
            answered = entry_answer(position.state, EntrySaid.EXECUTED if totals.entered else EntrySaid.BUSTED)
            event = answered if isinstance(answered, PositionEvent) else None
        self.log.append(changed(position, event, WORD, filled=totals.entered, exited=totals.exited))
        if parsed[1].is_exit and self.log.positions.open:
            self._cancel(entry_to_cancel(self.log.stake))

    def _ended(self, ref: str) -> None:
        known = self.log.order(ref)
        filled = int(self.log.stake.executed(ref)) if self.log.positions.open else 0
        self.log.append(*news(known, order_said(ref, BrokerStatus.CANCELLED, filled)))

    def _close_executes(self) -> None:
        for order in self.log.orders.open.copy().values():
            if order.role is Role.CLOSE:
                size = int(order.line.quantity)
                self._executed(executed("C.01", size, ref=order.ref, side=Side.SELL))
                self.log.append(*news(order, order_said(order.ref, BrokerStatus.FILLED, size)))

    # --- what the desk does ---

    def _close(self) -> None:
        if self.state not in HELD:
            return
        planned = close_plan(self.log.stake, self.shares_group, self.log.moment)
        if not is_successful(planned):
            return
        plan = planned.unwrap()
        self._cancel(plan.cancels)
        if plan.step is Step.SEND:
            generation = self.log.orders.next_generation(REF)
            line = entry_line(self.log.stake)
            assert line is not None
            ref = exit_ref(REF, Role.CLOSE, generation)
            frames = (Frame(ref, 1, "h", close_line(line, plan.quantity)),)
            self._send(frames, plan.group or group_of(REF, generation), "decision:9")

    def _cancel(self, refs: tuple[str, ...]) -> None:
        self.log.append(*(order_bead(self.log.order(ref), OrderEvent.CANCEL_REQUESTED) for ref in refs))

    def _send(self, frames: tuple[Frame, ...], group: str, mandate: str) -> None:
        """Record, look, and let out: an order that the last look refuses is dropped, and nothing of it left."""
        position = self.log.position
        self.log.append(Order(OrderEvent.RECORDED, position.position_id, frames[0].ref, frames, group, mandate))
        there = self.log.fills.totals(position.position_id).held
        signed = self.log.moment if mandate == "decision:9" else None
        no = exit_refusal(self.log.stake, frames, mandate, signed, self.log.moment, there, ())
        for each in frames:
            event = OrderEvent.SENT if no is None else OrderEvent.DROPPED
            self.log.append(order_bead(self.log.order(each.ref), event))
        if no is None:
            assert mandate in (exit_mandate(position), "decision:9"), "X2"
            self._count(frames, group)

    def _count(self, frames: tuple[Frame, ...], group: str) -> None:
        """X1 and X4 of frames that left, counted by hand."""
        before = self._could_exit(self.sent)
        self.sent = (*self.sent, *(Sent(each.ref, group, int(each.line.quantity)) for each in frames))
        entered, exited = self._traded()
        rest = 0 if self.log.order().end is not None else max(0, 10 - entered)
        native = any(self.log.order(ref).end is None for ref in (STOP_REF, TARGET_REF))
        after = self._could_exit(self.sent)
        assert exited + after <= entered + (rest if native else 0) or after <= before, "X1"
        for each in frames:
            assert each.line.side is Side.SELL, "F76: what closes never opens more of the same"
            assert int(each.line.quantity) - self._of(each.ref) <= entered - exited, "X4"

    def _could_exit(self, sent: tuple[Sent, ...]) -> int:
        """The largest working member of each group, summed, from the frames alone."""
        largest: dict[str, int] = {}
        for each in sent:
            if self.log.order(each.ref).end is None:
                most = max(other.size for other in sent if other.ref == each.ref)
                if self.log.order(each.ref).answered:
                    most = int(self.log.order(each.ref).quantity_at_most)
                largest[each.group] = max(largest.get(each.group, 0), most - self._of(each.ref))
        return sum(largest.values())

    def _fills(self) -> Iterator[tuple[str, Side, int]]:
        for fill in self.log.fills.of(
            self.log.orders.open[REF].position_id if REF in self.log.orders.open else self._name
        ):
            yield fill.ref, fill.side, int(fill.quantity)

    @property
    def _name(self) -> str:
        return next(iter((*self.log.positions.open, *self.log.positions.ended)))

    def _traded(self) -> tuple[int, int]:
        bought = sum(size for _, side, size in self._fills() if side is Side.BUY)
        return bought, sum(size for _, side, size in self._fills() if side is Side.SELL)

    def _of(self, ref: str) -> int:
        return sum(size for name, _, size in self._fills() if name == ref)

    def _settle(self) -> None:
        """Protection, sizes and the end, as they follow from what was told."""
        if self.state not in HELD:
            return
        stake = self.log.stake
        frames = resizes(stake)
        if frames:
            self._send(frames, group_of(REF, 1), exit_mandate(stake.position))
        if self.state is State.FILLED and protection_of(self.log.stake, self.log.moment) is Protection.FULL:
            self.log.append(changed(self.log.position, PositionEvent.PROTECTED, WORD))
        position, totals = self.log.position, stake.totals
        end = ending(totals.entered, totals.exited, all(order.end is not None for order in self.log.stake.orders))
        if end is Ending.CLOSED:
            self.log.append(changed(position, PositionEvent.CLOSED, WORD))


def bracket_desk(shares_group: bool) -> Desk:
    """A bracket of ten that was sent, its children acknowledged, nothing filled."""
    log = submitted()
    for ref in (REF, STOP_REF, TARGET_REF):
        log.append(*news(log.order(ref), order_said(ref, echo=log.order(ref).line, group="77")))
    native = tuple(Sent(ref, group_of(REF, 1), 10) for ref in (STOP_REF, TARGET_REF))
    return Desk(shares_group, log, native)


def check(desk: Desk, told: int) -> None:
    """What must hold after every event; `told` is how many beads there were before it."""
    bodies = [bead.body for bead in desk.log.beads[told:] if isinstance(bead.body, Position)]
    for body in bodies:
        assert body.from_ is not None
        assert body.state is (body.from_ if body.event is None else TRANSITIONS[body.from_, body.event])
    if desk.state is State.CLOSED:
        assert not desk.log.orders.open, "CLOSED means nothing works"
        assert desk.log.positions.nets == {}, "CLOSED means nothing is held"
        assert not desk.log.positions.by_pair
    if desk.log.positions.open:
        name = desk.log.position.position_id
        totals = desk.log.fills.totals(name)
        assert (desk.log.position.filled_quantity, desk.log.position.exited_quantity) == (
            totals.entered,
            totals.exited,
        )
    closes = [order for order in desk.log.orders.open.values() if order.role is Role.CLOSE]
    assert len(closes) <= 1, "one live close per position"


def walk(desk: Desk, left: tuple[Told, ...], depth: int, seen: dict[State, int]) -> int:
    """Every order of these events from here, up to a depth; how many steps that were."""
    steps = 0
    for told in left if depth else ():
        if told is Told.CLOSED and Told.CLOSE in left:
            continue  # what has not been signed cannot execute
        after = desk.twin()
        after.tell(told)
        check(after, len(desk.log.beads))
        seen[after.state] = seen.get(after.state, 0) + 1
        steps += 1 + walk(after, tuple(other for other in left if other is not told), depth - 1, seen)
    return steps


S: Final = State
# By what comes first: what must be met on the way, or the walk proves nothing about it. (A close that was not signed
# cannot execute first.) Where an exit fills before anything else, its pair is never again what was asked for.
MET: Final = {
    Told.PART: {S.MANAGED, S.CLOSED},
    Told.REST: {S.MANAGED, S.CLOSED},
    Told.CORRECTION: {S.MANAGED, S.CLOSED},
    Told.STOP: {S.SUBMITTED, S.FILLED, S.CLOSED},
    Told.TARGET: {S.SUBMITTED, S.FILLED, S.CLOSED},
    Told.CLOSE: {S.SUBMITTED, S.FILLED, S.MANAGED, S.CLOSED},
    Told.CANCEL: {S.SUBMITTED, S.FILLED, S.CLOSED},
}


@shows("X1", "X2", "X4", "I10", "F37")
class TestEveryOrderOfTheEventsOfOneBracket:
    """Every frame that leaves keeps X1 to X4, and CLOSED means that nothing works, in every order of events."""

    @pytest.mark.parametrize("first", MET)
    @pytest.mark.parametrize("shares_group", [True, False])
    def test_up_to_seven(self, shares_group: bool, first: Told) -> None:
        """Every order of up to seven of the eight events, whichever comes first, on either kind of broker."""
        desk = bracket_desk(shares_group)
        told = len(desk.log.beads)
        desk.tell(first)
        check(desk, told)
        met: dict[State, int] = {}
        walk(desk, tuple(other for other in Told if other is not first), 6, met)
        assert met.keys() >= MET[first]
        assert sum(met.values()) > 700
