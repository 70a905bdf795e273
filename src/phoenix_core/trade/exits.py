"""How a position is left: its protection, its closes, and the four rules that keep an exit from becoming an entry.

A broker knows no "reduce only": a protective order whose position is gone opens the reverse one. So protection is never
assumed: it is derived each time from what the broker echoed, and an exit frame leaves only within these rules:

    X1  executed exits + the largest working member of each exit group <= executed entries + the unfilled rest of the
        native parent that a group hangs on
    X2  every exit names its mandate, or a signed close younger than 60 s
    X3  account, port, mode, lease and liveness hold
    X4  a native child has its parent's size; any other exit <= min(booked, last complete picture + our executions since)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from phoenix_core.beads import Evidence
from phoenix_core.orders import Line
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.trade.order_book import Known, Standing
from phoenix_core.trade.positions import Open
from phoenix_core.values import ZERO, Named, OrderType, Price, Quantity, Role, Tif

# An exit that the broker has not answered for ten seconds is not protection.
UNANSWERED_AFTER: Final = timedelta(seconds=10)
# A signed exit acts on the market that the human saw.
SIGNED_FOR: Final = timedelta(seconds=60)
# How long a close waits for the ends of the protection that it replaces.
PROTECTION_ENDS_WITHIN: Final = timedelta(seconds=3)
# A person needs the day's remaining minutes, not a race: what an approval covers of working life.
WORKS_FOR: Final = timedelta(seconds=90)


class Protection(Named):
    """What stands between a position and the market, as the broker echoes it."""

    NONE = "NONE"
    PENDING = "PENDING"
    FULL = "FULL"
    SHORT = "SHORT"
    EXCESS = "EXCESS"
    UNKNOWN = "UNKNOWN"

    @property
    def stands(self) -> bool:
        """Whether every unit that is held is covered."""
        return self in (Protection.FULL, Protection.EXCESS)


def protection_of(position: Open, exits: tuple[Known, ...], entry_rest: Decimal, now: datetime) -> Protection:
    """Derived from the working exits: side, prices, quantity, GTC, one group for both.

    `entry_rest` is what the entry may still fill: the pair may be larger than what is held by that much.
    """
    pair = {order.role: order for order in exits if order.role in (Role.STOP, Role.TARGET)}
    if len(pair) < 2 or position.held <= 0:
        return Protection.NONE
    stop, target = pair[Role.STOP], pair[Role.TARGET]
    if any(order.standing in (Standing.UNKNOWN, Standing.INACTIVE) for order in (stop, target)):
        return Protection.UNKNOWN
    waiting = [order for order in (stop, target) if not order.acknowledged or order.echo is None]
    if waiting:
        silent = any(order.sent_at is not None and now - order.sent_at >= UNANSWERED_AFTER for order in waiting)
        return Protection.UNKNOWN if silent else Protection.PENDING
    if not all(_echoes_mandate(order, position) for order in (stop, target)):
        return Protection.NONE
    if stop.echo_group != target.echo_group or not stop.echo_group:
        return Protection.NONE
    covered = min(stop.rest, target.rest)
    if covered < position.held:
        return Protection.SHORT
    return Protection.EXCESS if max(stop.rest, target.rest) > position.held + entry_rest else Protection.FULL


def _echoes_mandate(order: Known, position: Open) -> bool:
    echo, line = order.echo, order.line
    assert echo is not None, "asked only of echoed orders"
    same_price = echo.trigger == line.trigger and echo.limit == line.limit
    return echo.side is position.side.other and echo.tif is Tif.GTC and same_price


def working_exits(exits: tuple[Known, ...]) -> Decimal:
    """The largest member of each exit group, summed: what could execute at the most."""
    groups: dict[str, Decimal] = {}
    for order in exits:
        if order.end is None:
            groups[order.group] = max(groups.get(order.group, ZERO), order.rest)
    return sum(groups.values(), ZERO)


def x1_refusal(position: Open, exits: tuple[Known, ...], entry_rest: Decimal) -> Refusal | None:
    """X1, of the exits as they would stand with the frames in question among them."""
    allowed = position.held + entry_rest
    working = working_exits(exits)
    if working <= allowed:
        return None
    return refusal(Reason.EXIT_TOO_LARGE, detail=f"exits of {working} over {allowed} held or still to fill")


def x2_refusal(mandate: str | None, signed_at: datetime | None, now: datetime) -> Refusal | None:
    """X2: a mandate inside approved evidence, or a signed command younger than a minute."""
    if mandate is None:
        return refusal(Reason.EXIT_WITHOUT_MANDATE)
    if mandate.startswith("evidence:"):
        return None
    if signed_at is None:
        return refusal(Reason.EXIT_WITHOUT_MANDATE, detail="its decision is not known")
    if now - signed_at >= SIGNED_FOR or now < signed_at - timedelta(seconds=2):
        return refusal(Reason.EXIT_EXPIRED, detail="signed more than 60 s ago")
    return None


def x4_refusal(quantity: Decimal, booked: Decimal, pictured: Decimal | None) -> Refusal | None:
    """X4, of an exit that is no native child: no larger than what is booked and what the broker showed."""
    allowed = booked if pictured is None else min(booked, pictured)
    if quantity <= allowed:
        return None
    return refusal(Reason.EXIT_WRONG_SIZE, detail=f"{quantity} over {allowed}")


def protection_lines(
    entry: Line, evidence: Evidence | None, position: Open, quantity: Quantity, stop: Price, target: Price
) -> tuple[Line, Line]:
    """Stop and target of a position, for the quantity that is held."""
    base = evolve(
        entry, side=position.side.other, quantity=quantity, tif=Tif.GTC, limit=None, trigger=None, outside_hours=False
    )
    return (
        evolve(base, role=Role.STOP, order_type=OrderType.STOP, trigger=stop),
        evolve(base, role=Role.TARGET, order_type=OrderType.LIMIT, limit=target),
    )


def close_line(entry: Line, position: Open, quantity: Quantity) -> Line:
    """A close at the market, for the day."""
    return evolve(
        entry,
        role=Role.CLOSE,
        side=position.side.other,
        quantity=quantity,
        order_type=OrderType.MARKET,
        tif=Tif.DAY,
        limit=None,
        trigger=None,
    )


@frozen
class Orphans:
    """Working exits above what the broker shows as held: these orders will OPEN a position."""

    symbol: str
    working: Decimal
    held: Decimal
    refs: tuple[str, ...]


def orphans(symbol: str, exits: tuple[Known, ...], entry_rest: Decimal, held: Decimal) -> Orphans | None:
    """Counted and allowed for as in X1, against a complete picture."""
    working = working_exits(exits)
    if working <= abs(held) + entry_rest:
        return None
    return Orphans(symbol, working, held, tuple(order.ref for order in exits if order.end is None))
