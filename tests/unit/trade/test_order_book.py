"""The book of orders: which end is overdue, what is withheld together, and when a position has left what it brought."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from attrs import evolve

from phoenix_core.beads import OrderEvent
from phoenix_core.facts import BrokerStatus
from phoenix_core.trade.order_book import TOUCHED_FOR
from phoenix_core.trade.order_life import End
from tests.showing import shows
from tests.unit.trade.samples import (
    REF,
    STOP_REF,
    T0,
    TARGET_REF,
    Log,
    bracket,
    order_bead,
    order_said,
    quantity,
    submitted,
)
from tests.unit.trade.test_orders import tell

B, E = BrokerStatus, OrderEvent
LATE = timedelta(seconds=5)
INSTANT = timedelta(microseconds=1)


def asked(log: Log, ref: str) -> datetime:
    """Ask for the end of an order; since when it is overdue."""
    log.append(order_bead(log.order(ref), E.CANCEL_REQUESTED))
    return log.now + LATE


def test_an_end_is_overdue_five_seconds_after_it_was_asked_for() -> None:
    """Its word may have been lost: the latest that is overdue says since when a picture is wanted. What was never asked
    for is not, nor what the broker refused to end, nor what has ended."""
    log = submitted()
    assert log.orders.end_overdue_since(T0 + timedelta(days=1)) is None
    first = asked(log, STOP_REF)
    log.wait(timedelta(seconds=2))
    second = asked(log, TARGET_REF)
    moments = [first - INSTANT, first, second - INSTANT, second, second + timedelta(days=1)]
    assert [log.orders.end_overdue_since(at) for at in moments] == [None, first, first, second, second]
    log.append(order_bead(log.order(TARGET_REF), E.CANCEL_REFUSED))
    assert log.orders.end_overdue_since(second) == first
    _ = tell(log, order_said(STOP_REF, B.CANCELLED))
    assert log.orders.end_overdue_since(second) is None


def test_what_is_withheld_drops_what_has_no_end_yet() -> None:
    """No byte of a bracket left; of the one that a word had ended meanwhile, that word stands."""
    log = Log()
    log.append(bracket())
    log.append(order_bead(log.order(STOP_REF), E.ENDED, status="REJECTED"))
    assert log.order(STOP_REF).end is End.REJECTED
    log.append(order_bead(log.order(REF), E.DROPPED, revision=None))
    assert [log.order(ref).end for ref in (REF, STOP_REF, TARGET_REF)] == [End.DROPPED, End.REJECTED, End.DROPPED]


def test_a_touch_is_remembered_for_two_minutes() -> None:
    """So long a row may be in motion in a picture of the broker's."""
    assert timedelta(minutes=2) == TOUCHED_FOR


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize(("sold", "quiet"), [(10, True), (9, False), (None, False)])
@shows("X1", "X4")
def test_a_position_is_put_away_only_where_its_orders_took_out_what_they_brought_in(
    sold: int | None, quiet: bool, adopted: bool
) -> None:
    """Nothing of it works any more. While it holds something, by the broker's words, whoever closes it by hand needs to
    know what was traded; of an adopted one its exits say how much that was."""
    log = Log()
    made = bracket()
    log.append(evolve(made, frames=made.frames[1:]) if adopted else made)
    if not adopted:
        _ = tell(log, order_said(REF, B.FILLED, 10))
    _ = tell(log, order_said(STOP_REF, B.CANCELLED))
    _ = tell(log, order_said(TARGET_REF, B.CANCELLED, sold or 0))
    assert bool(log.orders.quiet) is quiet


@pytest.mark.parametrize("said", [0, 10, 12])
def test_a_word_that_says_filled_and_no_more_means_all_of_it(said: int) -> None:
    """An end without a number is of the whole order; one of more than was asked for is of that."""
    log = Log()
    log.append(bracket())
    log.append(order_bead(log.order(REF), E.ENDED, status="FILLED"))
    log.append(order_bead(log.order(STOP_REF), E.ENDED, status="CANCELLED"))
    log.append(order_bead(log.order(TARGET_REF), E.ENDED, status="FILLED", filled=quantity(said)))
    assert bool(log.orders.quiet) is (said <= log.order().line.quantity)
