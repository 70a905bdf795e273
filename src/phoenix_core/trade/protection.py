"""What stands between a position and the market, and what may be done about it.

Protection is never assumed: it is derived each time from what the broker echoed, beside the state. What was lost is
placed again at most once, and only after a complete picture shows the whole position and no protection; after that only
a human decides. Sizes follow what is held by revisions; a native pair keeps its parent's size while that may fill.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

from phoenix_core.facts import BrokerStatus, OrderSaid, Snapshot
from phoenix_core.orders import Frame, Line, order_hash
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.trade.executions import nobodys
from phoenix_core.trade.exits import PAIR, PROTECTION_ENDS_WITHIN, Stake, pictured
from phoenix_core.trade.order_life import End, Known, Standing
from phoenix_core.values import (
    ARITHMETIC,
    ZERO,
    Moment,
    Named,
    OrderRef,
    OrderType,
    Price,
    Quantity,
    Role,
    Tif,
    is_over,
)

# An exit that the broker has not answered for ten seconds is not protection.
UNANSWERED_AFTER: Final = timedelta(seconds=10)
# What is lost is placed again once; a second loss has a cause that only a human can find.
PLACED_MAX: Final = 2


class Protection(Named):
    """What protects a position, as the broker echoes it."""

    NONE = "NONE"
    PENDING = "PENDING"
    FULL = "FULL"
    SHORT = "SHORT"
    EXCESS = "EXCESS"
    UNKNOWN = "UNKNOWN"

    @property
    def stands(self) -> bool:
        """Whether it is the mandate's, no more and no less: what makes a position MANAGED."""
        return self is Protection.FULL

    @property
    def covers(self) -> bool:
        """Whether every unit that is held is covered. What is more than that is no loss; it is shrunk, or told of as
        exits that would open a position."""
        return self in (Protection.FULL, Protection.EXCESS)


def is_unanswered(order: Known, now: Moment) -> bool:
    """Whether a frame has gone without an answer for too long, whether or not we know that it left."""
    return order.end is None and not order.answered and is_over(order.asked, now, UNANSWERED_AFTER)


def protection_of(stake: Stake, now: Moment) -> Protection:
    """Derived from the broker's echo: side, prices, GTC, hours, one group for both, and the quantity.

    FULL is at least what is held, and at most that with what the entry may still fill: with nothing held and nothing to
    come, every exit would open the reverse.
    """
    pair = {order.role: order for order in stake.pair}
    if stake.held < 0 or (stake.held == 0 and stake.entry_rest == 0):
        return Protection.EXCESS if stake.exits else Protection.NONE
    if makes_way(stake, now):
        return Protection.PENDING
    if len(pair) < len(PAIR):
        return Protection.NONE
    orders = tuple(pair.values())
    doubtful = (Standing.UNKNOWN, Standing.INACTIVE)
    if any(order.standing in doubtful or is_unanswered(order, now) for order in orders):
        return Protection.UNKNOWN
    if any(order.strange for order in orders):
        return Protection.NONE
    if any(not order.answered or order.echo is None for order in orders):
        return Protection.PENDING
    if not all(_is_mandate(order) for order in orders) or len({order.echo_group for order in orders}) > 1:
        return Protection.NONE
    rests = [ARITHMETIC.subtract(stake.rest_of(order), ahead(stake, order)) for order in orders]
    if min(rests) < stake.held:
        return Protection.PENDING if makes_room(stake, now) else Protection.SHORT
    most = ARITHMETIC.add(stake.held, stake.entry_rest)
    twice = len(stake.pair) > len(PAIR) or any(order.outlives(0) for order in orders)
    return Protection.EXCESS if max(rests) > most or twice else Protection.FULL


def makes_room(stake: Stake, now: Moment) -> bool:
    """Whether protection was given another size a moment ago, by us: until the close that it makes room for had its
    time, what it no longer covers is no loss."""
    return any(order.revision > 1 and not is_over(order.recorded, now, PROTECTION_ENDS_WITHIN) for order in stake.pair)


def makes_way(stake: Stake, now: Moment) -> bool:
    """Whether protection was asked to end a moment ago, by us: until the close that waits for it had its time, what
    that left is neither protection nor the loss of it."""
    asked = (order.cancel_requested for order in stake.orders if order.role in PAIR)
    return any(since is not None and not is_over(since, now, PROTECTION_ENDS_WITHIN) for since in asked)


def ahead(stake: Stake, order: Known) -> Decimal:
    """What an exit executed by the broker's word on it beyond its executions in the book, as far as a human stated as
    much of no order: that was of this one, though nobody could say so, and it has so much less to execute."""
    stated = [fill.quantity for fill in nobodys(stake.fills)]
    if not stated:
        return ZERO
    beyond = ARITHMETIC.subtract(order.filled, stake.executed(order.ref))
    return max(ZERO, min(beyond, reduce(ARITHMETIC.add, stated, ZERO)))


def _is_mandate(order: Known) -> bool:
    """Whether the echo is what was asked, in all but quantity, and in a group at all, whatever the broker named it."""
    assert order.echo is not None, "asked only of echoed orders"
    return _terms(order.echo) == _terms(order.line) and bool(order.echo_group)


def _terms(line: Line) -> tuple[object, ...]:
    return (line.side, line.order_type, line.limit, line.trigger, line.tif, line.outside_hours, line.con_id)


def placing_refusal(stake: Stake, snapshot: Snapshot | None, session: int, baseline: Decimal = ZERO) -> Refusal | None:
    """Whether the mandate's protection may be placed now, as far as nobody signs for it."""
    if stake.held <= 0:
        return refusal(Reason.NOTHING_TO_CLOSE)
    if stake.exits:
        return refusal(Reason.PROTECTION_STILL_WORKS)
    stops = [order for order in stake.orders if order.role is Role.STOP and not order.mandate.startswith("decision:")]
    placed = len({order.group for order in stops})
    if placed == 0:
        return None  # the first placement does not wait for a picture
    if placed >= PLACED_MAX:
        return refusal(Reason.EXIT_WITHOUT_MANDATE, detail="placed again once already: a human decides")
    if _is_moved(stake):
        return refusal(Reason.EXIT_WITHOUT_MANDATE, detail="a human placed it at other prices since: a human decides")
    if snapshot is None or not _shows_loss(stake, snapshot, session, baseline):
        detail = "a complete picture must show the whole position and no protection"
        return refusal(Reason.SNAPSHOTS_MISSING, detail=detail)
    return None


def was_ended_unasked(stake: Stake) -> bool:
    """Whether the broker cancelled a stop or target that we never asked to end."""
    ended = (order for order in stake.orders if order.role in PAIR and order.end is End.CANCELLED)
    return any(order.cancel_requested is None for order in ended)


def _is_moved(stake: Stake) -> bool:
    """Whether stop or target stood last where the mandate does not have it: a human signed for that, and wants it there
    no more. An order of which no byte left never stood."""
    last = {o.role: o.line for o in stake.orders if o.role in PAIR and o.end is not End.DROPPED}
    stands = {role: line.trigger if role is Role.STOP else line.limit for role, line in last.items()}
    wanted = {Role.STOP: stake.position.stop_price, Role.TARGET: stake.position.target_price}
    return any(price != wanted[role] for role, price in stands.items())


def _shows_loss(stake: Stake, snapshot: Snapshot, session: int, baseline: Decimal) -> bool:
    touched = [order.ended_at for order in stake.orders if order.ended_at is not None]
    touched += [fill.at for fill in stake.fills]
    ours = {order.ref for order in stake.orders if order.role.is_exit}
    later = all(at <= snapshot.began.wall for at in touched)
    absent = not any(said.ref in ours and _works(said) for said in snapshot.orders)
    return later and absent and pictured(stake, snapshot, session, baseline) == stake.held


def _works(said: OrderSaid) -> bool:
    return not said.completed and said.status not in (BrokerStatus.FILLED, BrokerStatus.CANCELLED)


# --- lines and frames -------------------------------------------------------------------------------------------------


def exit_line(entry: Line, role: Role, order_type: OrderType, quantity: Quantity, price: Price) -> Line:
    """One protective order: the other side, good till cancelled, in regular hours."""
    return evolve(
        entry,
        role=role,
        side=entry.side.other,
        quantity=quantity,
        order_type=order_type,
        tif=Tif.GTC,
        outside_hours=False,
        limit=price if order_type is OrderType.LIMIT else None,
        trigger=price if order_type is OrderType.STOP else None,
    )


def protection_lines(entry: Line, quantity: Quantity, stop: Price, target: Price) -> tuple[Line, Line]:
    """Stop and target of a position, for the quantity that is held."""
    return (
        exit_line(entry, Role.STOP, OrderType.STOP, quantity, stop),
        exit_line(entry, Role.TARGET, OrderType.LIMIT, quantity, target),
    )


def resized(order: Known, quantity: Quantity) -> Frame:
    """The next revision of a working exit, for another quantity; nothing else of it changes."""
    line = evolve(order.line, quantity=quantity)
    return Frame(OrderRef(order.ref), order.revision + 1, order_hash((line,)), line)


def _is_ending(order: Known) -> bool:
    return order.cancel_requested is not None and not order.cancel_refused


def resizes(stake: Stake) -> tuple[Frame, ...]:
    """The revisions that make a standing pair fit what is held: grown after a fill, shrunk after a partial end.

    None while a native pair's parent may fill, none while the last revision is not answered or where one was refused
    (why, only a human can find), none of what was asked to end or stands twice at the broker, none of an order of which
    a human stated something that the log has of no order, and none beside a close: what a close fills the broker takes
    from the pair, and a revision that crosses it on the way would give it back.
    """
    pair = stake.pair
    if any(order.role is Role.CLOSE for order in stake.exits):
        return ()
    if any(_is_ending(order) or order.outlives(0) for order in pair):
        return ()
    hangs = any(order.native for order in pair) and stake.entry_rest > 0
    if stake.held <= 0 or hangs or not all(order.answered and not order.change_refused for order in pair):
        return ()
    known = {order.ref for order in pair if ahead(stake, order) == 0}
    return tuple(frame for frame in sized(stake, Quantity(stake.held)) if frame.ref in known)


def growing_refusal(
    stake: Stake,
    frames: tuple[Frame, ...],
    snapshot: Snapshot | None,
    session: int,
    touched_by: Callable[[str], datetime | None],
    baseline: Decimal = ZERO,
) -> Refusal | None:
    """What the broker itself made smaller than it was asked for: it knows of an execution in the group that the book
    lacks, or somebody changed it by hand. It grows again only once a picture that began since shows all that is held;
    before that, what it would cover may be gone, and more than is held would be left at it."""
    new: dict[str, Decimal] = {frame.ref: frame.line.quantity for frame in frames}
    taken = [
        o for o in stake.pair if o.echo is not None and o.echo.quantity < min(o.line.quantity, new.get(o.ref, ZERO))
    ]
    if not taken:
        return None
    shown = pictured(stake, snapshot, session, baseline) == stake.held
    began = None if snapshot is None else snapshot.began.wall
    if shown and began is not None and all((touched_by(order.ref) or began) <= began for order in taken):
        return None
    return refusal(Reason.SNAPSHOTS_MISSING, detail="the broker made it smaller: a picture of after that must show why")


def sized(stake: Stake, rest: Quantity) -> tuple[Frame, ...]:
    """The revisions after which each order of a standing pair may still execute so much."""
    wrong = (order for order in stake.pair if stake.rest_of(order) != rest)
    return tuple(resized(order, Quantity(ARITHMETIC.add(rest, stake.executed(order.ref)))) for order in wrong)
