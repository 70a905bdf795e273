"""How a position is left, and the four rules that keep an exit from becoming an entry.

A broker knows no "reduce only": a protective order whose position is gone opens the reverse one. So an exit frame
leaves only within these rules, read at the last look with the frame's own order among the working ones:

    X1  executed exits + the largest working member of each exit group <= executed entries + the unfilled rest of the
        native parent that a group hangs on; what only lessens that sum may always go
    X2  every exit names the mandate of its position, or a signed command younger than 60 s
    X3  account, port, mode, lease and liveness hold: the guards' lights, which the act hands in
    X4  a native child has its parent's size; any other exit is at most what is booked, and at most what the last
        complete picture showed with our executions since, less what other positions of ours had of that; only a close
        typed by hand under doubt takes its own size

Quantities are those of our executions, never the broker's running sums: what two sources say at different moments must
not be added up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

from attrs import frozen
from returns.result import Failure, Result, Success

from phoenix_core.facts import CASH_UNEXPLAINED_MAX, Snapshot
from phoenix_core.orders import Frame, Line
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.trade.executions import Fill, Totals, nobodys, totals_of
from phoenix_core.trade.fills import Fills
from phoenix_core.trade.order_book import Orders
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open
from phoenix_core.values import (
    ARITHMETIC,
    NO_QUANTITY,
    ZERO,
    Moment,
    Named,
    OrderType,
    Quantity,
    Role,
    SecType,
    Tif,
    is_over,
    plain,
)

# A signed exit acts on the market that the human saw.
SIGNED_FOR: Final = timedelta(seconds=60)
# How long a close waits for the ends of the protection that it replaces.
PROTECTION_ENDS_WITHIN: Final = timedelta(seconds=3)
ENDS_FOR: Final = SIGNED_FOR - PROTECTION_ENDS_WITHIN  # after that, a close would be too old by the time that it ended
# How long a close of a part waits for its protection's new size; what is not confirmed by then has to end.
SHRINKS_WITHIN: Final = timedelta(milliseconds=1500)
HOLDINGS_LAG: Final = timedelta(seconds=2)  # a broker's holdings may be so much older than its words on orders
PAIR: Final = (Role.STOP, Role.TARGET)


@frozen
class Stake:
    """Everything that an exit of a position is judged by: its executions, and its orders with and without an end."""

    position: Open
    fills: tuple[Fill, ...]
    orders: tuple[Known, ...]

    @property
    def totals(self) -> Totals:
        """What its executions add up to."""
        return totals_of(self.fills)

    @property
    def held(self) -> Decimal:
        """What is left of it by our executions; below zero where exits executed more than entries did."""
        return _sum(fill.quantity.copy_negate() if fill.role.is_exit else fill.quantity for fill in self.fills)

    @property
    def entry(self) -> Known | None:
        """Its entry; an adopted position has none."""
        return next((order for order in self.orders if order.role is Role.ENTRY), None)

    @property
    def entry_rest(self) -> Decimal:
        """What its entry may still execute."""
        return ZERO if self.entry is None else self.rest_of(self.entry)

    @property
    def exits(self) -> tuple[Known, ...]:
        """Its exits without an end: any of them may execute, acknowledged or not."""
        return tuple(order for order in self.orders if order.role.is_exit and order.end is None)

    @property
    def pair(self) -> tuple[Known, ...]:
        """Its protection, as far as it works."""
        return tuple(order for order in self.exits if order.role in PAIR)

    def executed(self, ref: str) -> Decimal:
        """What one order of it executed."""
        return _sum(fill.quantity for fill in self.fills if fill.ref == ref)

    def unbooked(self, seen: datetime | None = None) -> Decimal:
        """What its exits executed by the broker's word on each, beyond its executions in the book: that has left, and
        is still to be told. A picture that began at `seen` had what orders that had ended well before left behind. What
        a human stated of no order may be what such a word said before, and no news of after that, until it is shown."""
        revised = {fill.ref for fill in self.fills if fill.revision > 1}  # a bust is no execution that is still to come
        exits = (o for o in self.orders if o.role.is_exit and o.ref not in revised)
        since = (o for o in exits if not (seen and o.ended_at and o.ended_at + HOLDINGS_LAG <= seen))
        ahead = [(o.told_at, max(ZERO, ARITHMETIC.subtract(o.told, self.executed(o.ref)))) for o in since]
        stated = nobodys(self.fills)
        later = ((at, size) for at, size in ahead if at and all(fill.at < at for fill in stated))
        news = _sum(size for at, size in later if not (seen and at + HOLDINGS_LAG <= seen))
        known = _sum(fill.quantity for fill in stated)
        return max(news, ARITHMETIC.subtract(_sum(size for _, size in ahead), known))

    def rest_of(self, order: Known) -> Decimal:
        """What an order of it may still execute."""
        return order.rest_after(self.executed(order.ref))


def stake_of(position: Open, orders: Orders, fills: Fills) -> Stake:
    """The stake of a position, as the slices have it."""
    return Stake(position, fills.of(position.position_id), orders.of(position.position_id))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(ARITHMETIC.add, amounts, ZERO)


# --- X1 to X4 ---------------------------------------------------------------------------------------------------------


def working_exits(stake: Stake, before: Collection[str] = ()) -> Decimal:
    """The largest member of each exit group, summed: what could execute at the most.

    Of the orders named in `before`, as it was before their last revision.
    """
    largest: dict[str, Decimal] = {}
    for order in stake.exits:
        counted = _before(order) if order.ref in before else order
        if counted is not None:
            group = order.group or order.ref
            largest[group] = max(largest.get(group, ZERO), stake.rest_of(counted))
    return _sum(largest.values())


def _before(order: Known) -> Known | None:
    if order.revision == 1:
        return None
    return evolve(order, frames=order.frames[:-1]) if len(order.frames) > 1 else order


def exits_allowed(stake: Stake) -> Decimal:
    """What working exits may add up to: what is held, and what the native parent of a working group may still fill."""
    hangs = any(order.native for order in stake.exits)
    return ARITHMETIC.add(stake.held, stake.entry_rest if hangs else ZERO)


def x1_refusal(stake: Stake, refs: Collection[str], seen: datetime | None = None) -> Refusal | None:
    """X1, with the orders of these frames among the working ones already; `seen` is when the last picture began."""
    working, allowed = working_exits(stake), ARITHMETIC.subtract(exits_allowed(stake), stake.unbooked(seen))
    if working <= allowed or working <= working_exits(stake, refs):
        return None
    said = f"exits of {plain(working)} over {plain(allowed)} held or still to fill"
    return refusal(Reason.EXIT_TOO_LARGE, detail=said)


def exit_mandate(position: Open) -> str:
    """The name of what gives a position's protection the right to exist: the evidence that was approved."""
    evidence = position.last.evidence_hash
    return f"adoption:{position.order_ref}" if evidence is None else f"evidence:{evidence}"


def x2_refusal(position: Open, mandate: str | None, signed: Moment | None, now: Moment) -> Refusal | None:
    """X2: the position's own mandate, or a command that a human signed less than a minute ago."""
    if mandate == exit_mandate(position):
        return None
    if mandate is None or signed is None:
        return refusal(Reason.EXIT_WITHOUT_MANDATE, detail=f"{mandate or 'nothing'} is no mandate of this position")
    if is_over(signed, now, SIGNED_FOR):
        return refusal(Reason.EXIT_EXPIRED, detail="not signed within the last 60 s")
    return None


def pictured(stake: Stake, snapshot: Snapshot | None, session: int, baseline: Decimal = ZERO) -> Decimal | None:
    """What the broker showed as held in this session's last complete picture, with our executions recorded since.

    What a human stated is no execution since: it says what was there, and the picture must show it. What an exit says
    that it executed since is gone too, though no execution told it yet. `baseline` is what is there and not of it.
    None: there is no picture to go by. In a currency pair a picture close to the book says that the book is right.
    """
    if snapshot is None or not snapshot.complete or snapshot.session != session:
        return None
    position = stake.position
    since = _sum(
        fill.quantity.copy_negate() if fill.role.is_exit else fill.quantity
        for fill in stake.fills
        if fill.at >= snapshot.began.wall and not fill.stated
    )
    ours = ARITHMETIC.multiply(position.side.sign, ARITHMETIC.subtract(snapshot.held(position.pair), baseline))
    there = ARITHMETIC.add(ours, since)
    line = entry_line(stake)
    cash = line is not None and line.sec_type is SecType.CASH
    if cash and ARITHMETIC.subtract(there, stake.held).copy_abs() <= CASH_UNEXPLAINED_MAX:
        there = stake.held
    left = stake.unbooked(snapshot.began.wall)
    return min(there, ARITHMETIC.subtract(stake.held, left)) if left else there


def x4_refusal(stake: Stake, frames: Iterable[Frame], there: Decimal | None, typed: bool = False) -> Refusal | None:
    """X4 of every frame; `there` is what `pictured` says.

    `typed`: a close by hand whose size a human typed, under an open drift or without a picture; it takes that size.
    """
    return merged(_x4(stake, frame, there, typed) for frame in frames)


def _x4(stake: Stake, frame: Frame, there: Decimal | None, typed: bool) -> Refusal | None:
    quantity = frame.line.quantity
    parent = _live_parent(stake, frame)
    if parent is not None:
        of_parent = parent.line.quantity
        wrong = refusal(Reason.EXIT_WRONG_SIZE, detail=f"{plain(quantity)} where its parent has {plain(of_parent)}")
        return None if quantity == of_parent else wrong
    if typed and frame.line.role is Role.CLOSE:
        return None
    if there is None and frame.line.role is Role.CLOSE:
        return refusal(Reason.EXIT_WRONG_SIZE, detail="no complete picture of the broker's: type the size")
    allowed = ARITHMETIC.subtract(stake.held, stake.unbooked()) if there is None else min(stake.held, there)
    rest = ARITHMETIC.subtract(quantity, stake.executed(frame.ref))
    if rest <= allowed:
        return None
    return refusal(Reason.EXIT_WRONG_SIZE, detail=f"{plain(rest)} over {plain(allowed)} booked and shown")


def _live_parent(stake: Stake, frame: Frame) -> Known | None:
    """The entry that a native child hangs on, while it may fill."""
    entry = stake.entry
    if entry is None or entry.end is not None:
        return None
    return entry if any(order.native and order.ref == frame.ref for order in stake.exits) else None


def bracket_refusal(frames: tuple[Frame, ...]) -> Refusal | None:
    """X4 of a native bracket: one entry, and children of its size on the other side."""
    entries = [frame.line for frame in frames if frame.line.role is Role.ENTRY]
    if len(entries) != 1:
        return refusal(Reason.EXIT_WRONG_SIZE, detail="a bracket has one entry")
    quantity, other = entries[0].quantity, entries[0].side.other
    for frame in frames:
        child = frame.line
        if child.role is not Role.ENTRY and (child.quantity != quantity or child.side is not other):
            return refusal(Reason.EXIT_WRONG_SIZE, detail="a child has its parent's size, on the other side")
    return None


def exit_refusal(
    stake: Stake,
    frames: tuple[Frame, ...],
    mandate: str | None,
    signed: Moment | None,
    now: Moment,
    there: Decimal | None,
    lights: tuple[Refusal | None, ...],
    typed: bool = False,
    seen: datetime | None = None,
) -> Refusal | None:
    """The last look of an exit: every red light among X1 to X4."""
    refs = [frame.ref for frame in frames]
    judged = (
        *lights,
        x1_refusal(stake, refs, seen),
        x2_refusal(stake.position, mandate, signed, now),
        x4_refusal(stake, frames, there, typed),
    )
    return merged(judged)


# --- closes -----------------------------------------------------------------------------------------------------------


class Step(Named):
    """What a close does next."""

    SEND = "SEND"
    CANCEL_FIRST = "CANCEL_FIRST"  # the protection, and then look again
    SHRINK_FIRST = "SHRINK_FIRST"  # the protection, to what will be left, and then look again
    WAIT = "WAIT"  # for the ends, or the new size, that were asked for
    GIVE_UP = "GIVE_UP"  # nothing is sent; a human is asked


@frozen
class ClosePlan:
    """How a position is closed: what is cancelled now, and what is sent, if anything is."""

    step: Step
    quantity: Quantity  # all that is held
    group: str = ""  # of the protection, where the broker lets a close share it; empty: a group of its own
    cancels: tuple[str, ...] = ()
    keeps: Quantity = NO_QUANTITY  # what the protection is shrunk to


@frozen
class Part:
    """A close of a typed size, the place of its command in the log, and what a picture shows of its position."""

    quantity: Quantity
    seq: int
    there: Decimal | None = None

    def keeps(self, held: Decimal) -> Decimal:
        """What is left to be protected behind it: of what is held, what is there."""
        return ARITHMETIC.subtract(held if self.there is None else min(held, self.there), self.quantity)


def close_plan(
    stake: Stake, shares_group: bool, now: Moment, part: Part | None = None, since: Moment | None = None
) -> Result[ClosePlan, Refusal]:
    """One live close per position. It shares the group of its protection where it can, else that ends first; for a
    part it is shrunk to the rest first, and goes on standing.

    It can where the broker keeps such groups, and only under the name that the broker's echo has, too. Either way the
    rest of the entry is asked to end: an approval to leave is none to buy more. A close that was signed at `since` asks
    for itself: that an earlier one waited in vain for the same protection is not its end.
    """
    if any(order.role is Role.CLOSE for order in stake.exits):
        return Failure(refusal(Reason.CLOSE_ALREADY_WORKING))
    if stake.held <= 0:
        return Failure(refusal(Reason.NOTHING_TO_CLOSE))
    quantity = Quantity(stake.held)
    rest = entry_to_cancel(stake)
    groups = {order.group for order in stake.pair}
    one = len(groups) == 1 and all(order.echo is None or order.echo_group in groups for order in stake.pair)
    short = part is not None and part.there is not None and part.there < stake.held
    if not groups or (shares_group and one and not short):
        return Success(ClosePlan(Step.SEND, quantity, stake.pair[0].group if groups else "", rest))
    if part is not None and (step := _shrinking(stake, part, now)) is not None:
        return Success(ClosePlan(step, quantity, cancels=rest, keeps=Quantity(part.keeps(stake.held))))
    unasked = tuple(order.ref for order in stake.pair if not order.is_asked_to_end(since))
    if unasked:
        return Success(ClosePlan(Step.CANCEL_FIRST, quantity, cancels=(*rest, *unasked)))
    asked = (order.cancel_requested for order in stake.pair if order.cancel_requested is not None)
    late = any(is_over(since, now, PROTECTION_ENDS_WITHIN) for since in asked)
    return Success(ClosePlan(Step.GIVE_UP if late else Step.WAIT, quantity, cancels=rest))


def _shrinking(stake: Stake, part: Part, now: Moment) -> Step | None:
    """What a close of a part does about its protection; None: that cannot be shrunk, or was not in time, and ends.

    A native pair keeps its parent's size while that may fill, and what was asked to end is not brought back. The new
    size is asked for once, and not of an order of which the broker refused one; what has no answer yet, whoever asked
    for it, is waited for as long. Of a pair of which one is gone, the one that is left shrinks.
    """
    pair, keeps = stake.pair, part.keeps(stake.held)
    hangs = any(order.native for order in pair) and stake.entry_rest > 0
    ends = any(order.cancel_requested is not None or order.change_refused for order in pair)
    if keeps <= 0 or hangs or ends or len({order.role for order in pair}) < len(pair):
        return None
    silent = [order.recorded for order in pair if not order.answered]
    if silent:
        return None if any(is_over(since, now, SHRINKS_WITHIN) for since in silent) else Step.WAIT
    if all(stake.rest_of(order) <= keeps for order in pair):
        return Step.SEND
    return None if any(order.recorded_seq > part.seq for order in pair) else Step.SHRINK_FIRST


def ended_late(stake: Stake) -> bool:
    """Whether protection that was asked to end took longer over it than an exit waits: a human was asked by then."""
    ends = ((order.cancel_requested, order.ended_at) for order in stake.orders if order.role in PAIR)
    return any(asked and ended and ended - asked.wall >= PROTECTION_ENDS_WITHIN for asked, ended in ends)


def entry_to_cancel(stake: Stake) -> tuple[str, ...]:
    """The entry, where it may still fill and nobody asked for its end yet."""
    entry = stake.entry
    return () if entry is None or entry.end is not None or entry.cancel_requested is not None else (entry.ref,)


def entry_line(stake: Stake) -> Line | None:
    """What a position was entered by, which its exits are made from; of an adopted one, its exits turned round."""
    if stake.entry is not None:
        return stake.entry.line
    line = next((order.line for order in stake.orders), None)
    return None if line is None else evolve(line, role=Role.ENTRY, side=line.side.other)


def close_line(entry: Line, quantity: Quantity) -> Line:
    """A close at the market, for the day, outside regular hours where the market is."""
    market = evolve(entry, order_type=OrderType.MARKET, limit=None, trigger=None)
    return evolve(market, role=Role.CLOSE, side=entry.side.other, quantity=quantity, tif=Tif.DAY)


def time_exit_due(position: Open, span: timedelta | None, now: datetime) -> bool:
    """Whether the mandate's time exit has come. No mandate names one unless the policy does."""
    return span is not None and position.filled_at is not None and now >= position.filled_at + span
