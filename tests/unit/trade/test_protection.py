"""Protection as it is derived from the echo, when it may be placed again, and how it follows what is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from attrs import evolve

from phoenix_core.beads import OrderEvent
from phoenix_core.facts import BrokerStatus, OrderSaid, Snapshot
from phoenix_core.orders import Frame, Line, exit_ref, group_of, order_hash
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import PROTECTION_ENDS_WITHIN, close_line
from phoenix_core.trade.fills import stated
from phoenix_core.trade.order_words import news
from phoenix_core.trade.protection import (
    UNANSWERED_AFTER,
    Protection,
    ahead,
    exit_line,
    growing_refusal,
    is_unanswered,
    placing_refusal,
    protection_lines,
    protection_of,
    resized,
    resizes,
)
from phoenix_core.values import OrderType, Role, SecType, Side, Tif
from tests.showing import shows
from tests.unit.trade.samples import (
    REF,
    SECOND,
    STOP_REF,
    T0,
    TARGET_REF,
    Log,
    entry_line,
    exit_lines,
    fill,
    frame,
    moment,
    order_bead,
    order_said,
    price,
    quantity,
    submitted,
)
from tests.unit.trade.test_exits import MANDATE, bought, by_hand, held, picture, record, sold, tell

B, E, P = BrokerStatus, OrderEvent, Protection


def echoed(log: Log, ref: str, group: str = "77", terms: Mapping[str, object] | None = None) -> None:
    """The broker's echo of an order, with other terms than were asked."""
    line = cast(Callable[..., Line], evolve)(log.order(ref).line, **(terms or {}))
    log.append(*news(log.order(ref), order_said(ref, echo=line, group=group)))


def filled(size: int = 10) -> Log:
    """A bracket of ten whose entry filled this much, and of whose exits nothing was heard."""
    log = submitted()
    bought(log, size)
    if size == 10:
        log.append(*news(log.order(), order_said(REF, B.FILLED, 10)))
    return log


def protection(log: Log) -> Protection:
    """What protects it now."""
    return protection_of(log.stake, log.moment)


# --- what stands ------------------------------------------------------------------------------------------------------


@shows("S32-LIF-03")
def test_full_is_the_mandate_as_the_broker_echoes_it() -> None:
    """Both, as they were asked, in one group whatever the broker named it."""
    log = filled()
    echoed(log, STOP_REF, group="whatever")
    assert protection(log) is P.PENDING
    echoed(log, TARGET_REF, group="whatever")
    assert protection(log) is P.FULL
    assert P.FULL.stands


def test_an_acknowledgement_without_terms_is_no_echo() -> None:
    """That it works is not yet what it says."""
    log = filled()
    for ref in (STOP_REF, TARGET_REF):
        log.append(*news(log.order(ref), order_said(ref)))
    assert protection(log) is P.PENDING


@pytest.mark.parametrize("role", [STOP_REF, TARGET_REF])
@pytest.mark.parametrize("acknowledged", [True, False])
def test_an_order_of_another_kind_is_no_protection(role: str, acknowledged: bool) -> None:
    """Somebody made a stop-limit of one that stood as asked for, or a preset did at once: it is no protection until
    it is an order again that this desk knows."""
    log = filled()
    for ref in (STOP_REF, TARGET_REF):
        if acknowledged or ref != role:
            echoed(log, ref)
    strange = evolve(order_said(role), symbol=log.order(role).line.symbol)
    log.append(*news(log.order(role), strange))
    assert protection(log) is P.NONE
    echoed(log, role)
    assert protection(log) is P.FULL


@pytest.mark.parametrize("role", [STOP_REF, TARGET_REF])
@pytest.mark.parametrize(
    "terms",
    [
        {"side": Side.BUY},
        {"tif": Tif.DAY},  # O15: a preset changed it, and it is gone by the evening
        {"outside_hours": True},
        {"order_type": OrderType.MARKET},
        {"limit": price("1.095")},
        {"trigger": price("1.07")},
        {"con_id": 1},
    ],
)
def test_other_terms_are_no_protection(role: str, terms: dict[str, object]) -> None:
    """One term of one order is enough."""
    log = filled()
    for ref in (STOP_REF, TARGET_REF):
        echoed(log, ref, terms=terms if ref == role else None)
    assert protection(log) is P.NONE
    assert not P.NONE.stands


def test_what_the_broker_calls_things_does_not_matter() -> None:
    """Account and exchange are its own words for what was asked."""
    log = filled()
    for ref in (STOP_REF, TARGET_REF):
        echoed(log, ref, terms={"account": "DU...567", "exchange": "SMART"})
    assert protection(log) is P.FULL


@pytest.mark.parametrize(("stop", "target"), [("77", "78"), ("", ""), ("77", "")])
def test_both_in_one_group_or_none_at_all(stop: str, target: str) -> None:
    """Two orders that do not cancel each other could both execute."""
    log = filled()
    echoed(log, STOP_REF, group=stop)
    echoed(log, TARGET_REF, group=target)
    assert protection(log) is P.NONE


@pytest.mark.parametrize(
    ("entered", "stop", "target", "expected"),
    [
        (4, 10, 10, P.FULL),  # ten is four held and six to come
        (4, 4, 4, P.FULL),
        (4, 3, 10, P.SHORT),
        (4, 10, 3, P.SHORT),
        (4, 11, 10, P.EXCESS),
        (4, 10, 11, P.EXCESS),
        (10, 10, 10, P.FULL),
        (10, 9, 10, P.SHORT),
        (10, 10, 11, P.EXCESS),
    ],
)
def test_the_quantity(entered: int, stop: int, target: int, expected: Protection) -> None:
    """At least what is held, at most that and what the entry may still fill."""
    log = filled(entered)
    echoed(log, STOP_REF, terms={"quantity": quantity(stop)})
    echoed(log, TARGET_REF, terms={"quantity": quantity(target)})
    assert protection(log) is expected
    assert expected.stands is (expected is P.FULL)
    assert expected.covers is (expected in (P.FULL, P.EXCESS))


@pytest.mark.parametrize(("stop", "target", "expected"), [(10, 10, P.FULL), (11, 10, P.EXCESS), (10, 11, P.EXCESS)])
def test_a_bracket_that_is_out_is_no_excess_before_its_entry_fills(
    stop: int, target: int, expected: Protection
) -> None:
    """Nothing is held yet, and its exits are what the entry may fill; once that has ended, they are too much."""
    log = submitted()
    echoed(log, STOP_REF, terms={"quantity": quantity(stop)})
    assert protection(log) is P.PENDING
    echoed(log, TARGET_REF, terms={"quantity": quantity(target)})
    assert protection(log) is expected
    tell(log, REF, B.CANCELLED)
    assert protection(log) is P.EXCESS


def test_after_the_entry_ended_in_part_the_pair_is_too_large() -> None:
    """The rest will not come: what was full is now an excess, until it shrinks."""
    log = held(filled=4)
    assert protection(log) is P.FULL
    tell(log, REF, B.CANCELLED, 4)
    assert protection(log) is P.EXCESS
    tell(log, STOP_REF, size=4)
    tell(log, TARGET_REF, size=4)
    assert protection(log) is P.FULL


def test_a_partial_exit_is_covered_by_what_is_left_of_it() -> None:
    """The stop sold 4 of 10: its rest covers the 6, the target is too large until the broker reduces it."""
    log = held()
    sold(log, 4)
    assert protection(log) is P.EXCESS
    tell(log, TARGET_REF, size=6)
    assert protection(log) is P.FULL


@pytest.mark.parametrize("ref", [STOP_REF, TARGET_REF])
def test_one_of_two_is_none(ref: str) -> None:
    """The mandate is a pair."""
    log = held()
    tell(log, ref, B.CANCELLED)
    assert protection(log) is P.NONE


def test_a_second_stop_is_too_much() -> None:
    """Three orders where two were asked for."""
    log = held()
    record(log, frame(exit_ref(REF, Role.STOP, 2), exit_lines()[0]), mandate=MANDATE, group=group_of(REF, 1))
    echoed(log, exit_ref(REF, Role.STOP, 2), group_of(REF, 1))
    assert protection(log) is P.EXCESS


@shows("F20")
def test_an_order_that_stands_twice_is_too_much() -> None:
    """Both of the two may execute; with one of them over it is what it was."""
    log = held()
    assert protection(log) is P.FULL
    log.append(*news(log.order(STOP_REF), order_said(STOP_REF, perm_id=8)))
    assert protection(log) is P.EXCESS
    log.append(*news(log.order(STOP_REF), order_said(STOP_REF, B.CANCELLED, perm_id=8)))
    assert protection(log) is P.FULL


@pytest.mark.parametrize(("exited", "expected"), [(10, P.EXCESS), (11, P.EXCESS)])
def test_with_nothing_held_every_exit_is_too_much(exited: int, expected: Protection) -> None:
    """Net zero with exits still working: each of them would open the reverse."""
    log = held()
    sold(log, exited)
    assert protection(log) is expected
    for ref in (STOP_REF, TARGET_REF):
        tell(log, ref, B.CANCELLED, exited)
    assert protection(log) is P.NONE


@pytest.mark.parametrize("exited", [10, 11])
def test_with_nothing_held_a_single_exit_is_too_much(exited: int) -> None:
    """It needs no pair to open the reverse, or to make one larger that is open by now."""
    log = held()
    sold(log, exited)
    tell(log, TARGET_REF, B.CANCELLED)
    assert protection(log) is P.EXCESS


def test_the_last_unit_is_protected_like_the_first() -> None:
    """One held, one covered."""
    log = held(1, 1)
    assert protection(log) is P.FULL
    for ref in (STOP_REF, TARGET_REF):
        tell(log, ref, B.CANCELLED, size=1)
    log.wait(SECOND)
    assert said_no(log, picture(log, 1)) == ()


def test_a_change_that_is_not_answered_is_pending() -> None:
    """Until then either size may stand."""
    log = held(filled=4)
    tell(log, REF, B.CANCELLED, 4)
    record(log, *resizes(log.stake), group=group_of(REF, 1), mandate=MANDATE)
    assert protection(log) is P.PENDING
    tell(log, STOP_REF, size=4)
    assert protection(log) is P.PENDING


def test_what_makes_way_for_a_close_is_pending_until_the_close_had_its_time() -> None:
    """Asked to end by us: for three seconds neither protection nor the loss of it; after them what it is."""
    log = filled()
    for ref in (STOP_REF, TARGET_REF):
        echoed(log, ref)
    assert protection(log) is P.FULL
    log.append(*(order_bead(log.order(ref), OrderEvent.CANCEL_REQUESTED) for ref in (STOP_REF, TARGET_REF)))
    assert protection(log) is P.PENDING
    tell(log, TARGET_REF, B.CANCELLED, size=10)
    log.wait(PROTECTION_ENDS_WITHIN - timedelta(microseconds=1))
    assert protection(log) is P.PENDING
    log.wait(timedelta(microseconds=2))
    assert protection(log) is P.NONE


def test_one_that_is_asked_to_end_makes_way_for_both() -> None:
    """The other is asked next. The entry's rest makes no way: what ends there protected nothing."""
    log = held(filled=4)
    log.append(order_bead(log.order(REF), OrderEvent.CANCEL_REQUESTED))
    assert protection(log) is P.FULL
    log.append(order_bead(log.order(STOP_REF), OrderEvent.CANCEL_REQUESTED))
    assert protection(log) is P.PENDING


def test_what_makes_room_for_a_close_is_pending_until_the_close_had_its_time() -> None:
    """Made smaller by us, if only one of the two yet: for three seconds what it no longer covers is no loss; then it
    is. What the broker itself made smaller is short at once."""
    log = held()
    taken = log.twin()
    record(log, resized(log.order(STOP_REF), quantity(6)), group=group_of(REF, 1), mandate=MANDATE)
    tell(log, STOP_REF, size=6)
    log.wait(PROTECTION_ENDS_WITHIN - timedelta(microseconds=1))
    assert protection(log) is P.PENDING
    log.wait(timedelta(microseconds=1))
    assert protection(log) is P.SHORT
    tell(taken, STOP_REF, size=6)
    assert protection(taken) is P.SHORT


def test_the_limit_is_as_decided() -> None:
    """Ten seconds."""
    assert UNANSWERED_AFTER == 10 * SECOND


@pytest.mark.parametrize("event", [E.UNKNOWN, E.INACTIVE])
def test_what_is_doubtful_is_unknown(event: OrderEvent) -> None:
    """Asked about and not found, or inactive: nobody knows whether it stands."""
    log = held()
    log.append(order_bead(log.order(TARGET_REF), event))
    assert protection(log) is P.UNKNOWN
    assert not P.UNKNOWN.stands


@pytest.mark.parametrize(
    ("sent", "waited", "expected"),
    [
        (True, UNANSWERED_AFTER - timedelta(microseconds=1), P.PENDING),
        (True, UNANSWERED_AFTER, P.UNKNOWN),
        (False, UNANSWERED_AFTER + SECOND, P.UNKNOWN),
    ],
)
def test_an_exit_unanswered_for_ten_seconds_is_unknown(sent: bool, waited: timedelta, expected: Protection) -> None:
    """Counted from its frame, or from its record where nobody knows whether a frame left."""
    log = filled()
    log.wait(SECOND)
    stop, target = exit_lines()
    for ref in (STOP_REF, TARGET_REF):
        log.append(*news(log.order(ref), order_said(ref, B.CANCELLED)))
    frames = (frame(exit_ref(REF, Role.STOP, 2), stop), frame(exit_ref(REF, Role.TARGET, 2), target))
    refs = record(log, *frames, mandate=MANDATE)
    if sent:
        log.wait(SECOND)
        log.append(*(order_bead(log.order(ref), E.SENT) for ref in refs))
    log.wait(waited)
    assert protection(log) is expected
    for name in refs:
        assert is_unanswered(log.order(name), log.moment) is (expected is P.UNKNOWN)
        echoed(log, name)
        assert not is_unanswered(log.order(name), log.moment)
    assert protection(log) is P.FULL


def test_what_has_ended_waits_for_no_answer() -> None:
    """An end is an answer."""
    log = filled()
    log.append(*news(log.order(STOP_REF), order_said(STOP_REF, B.CANCELLED)))
    assert not is_unanswered(log.order(STOP_REF), moment(T0 + timedelta(hours=1)))
    dropped = order_bead(log.order(TARGET_REF), E.DROPPED)
    log.append(dropped)
    assert not is_unanswered(log.order(TARGET_REF), moment(T0 + timedelta(hours=1)))


# --- placing it again -------------------------------------------------------------------------------------------------


def lost() -> Log:
    """Ten held whose pair the broker took away; a second later."""
    log = held()
    log.wait(SECOND)
    for ref in (STOP_REF, TARGET_REF):
        tell(log, ref, B.CANCELLED)
    log.wait(SECOND)
    return log


def said_no(log: Log, shot: Snapshot | None) -> tuple[Reason, ...]:
    """Why protection may not be placed; nothing where it may."""
    no = placing_refusal(log.stake, shot, 1)
    return () if no is None else no.reasons


def working(ref: str, status: BrokerStatus = B.SUBMITTED, completed: bool = False) -> OrderSaid:
    """An order in a picture."""
    return order_said(ref, status, completed=completed)


class TestPlacingAgain:
    """At most once, and only after a complete picture shows the full position and no protection."""

    def test_after_a_picture_that_shows_the_loss(self) -> None:
        """The position is whole, its exits are gone: once."""
        log = lost()
        assert said_no(log, picture(log, 10)) == ()

    @shows("F66", "F81", "I13")
    def test_not_without_one(self) -> None:
        """No picture, an incomplete one, another session's, one from before the loss."""
        log = lost()
        early = picture(log.twin(), 10)
        assert said_no(log, None) == (Reason.SNAPSHOTS_MISSING,)
        assert said_no(log, picture(log, 10, complete=False)) == (Reason.SNAPSHOTS_MISSING,)
        assert said_no(log, evolve(early, session=2)) == (Reason.SNAPSHOTS_MISSING,)
        before = evolve(early.began, wall=log.now - SECOND - timedelta(microseconds=1))
        assert said_no(log, evolve(early, began=before)) == (Reason.SNAPSHOTS_MISSING,)
        assert said_no(log, evolve(early, began=evolve(early.began, wall=log.now - SECOND))) == ()

    @pytest.mark.parametrize("shown", [0, 9, 11, -10])
    def test_not_for_another_position_than_ours(self, shown: int) -> None:
        """Closed by hand, or anything else than what we hold: no exit is placed on a guess."""
        log = lost()
        assert said_no(log, picture(log, shown)) == (Reason.SNAPSHOTS_MISSING,)

    def test_in_a_currency_pair_the_picture_is_a_cross_check(self) -> None:
        """A small unexplained rest does not leave a position naked."""
        log = held(10_000, 10_000, SecType.CASH)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        log.wait(SECOND)
        assert said_no(log, picture(log, 9_500)) == ()

    def test_not_while_the_picture_shows_an_exit_of_ours(self) -> None:
        """What works there is not lost, whatever we heard; what has ended there may be listed."""
        log = lost()
        shot = picture(log, 10)
        for status in (B.SUBMITTED, B.PRESUBMITTED, B.INACTIVE, B.PENDING, B.UNKNOWN):
            assert said_no(log, evolve(shot, orders=(working(TARGET_REF, status),))) == (Reason.SNAPSHOTS_MISSING,)
        for status in (B.FILLED, B.CANCELLED):
            assert said_no(log, evolve(shot, orders=(working(TARGET_REF, status),))) == ()
        assert said_no(log, evolve(shot, orders=(working(TARGET_REF, B.INACTIVE, completed=True),))) == ()
        assert said_no(log, evolve(shot, orders=(working(REF), working("somebody's")))) == ()

    def test_while_the_entry_still_works(self) -> None:
        """Four of ten held, the children lost: they are placed for what is held; what filled since is not yet shown."""
        log = held(filled=4)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        log.wait(SECOND)
        shot = picture(log, 4)
        assert said_no(log, shot) == ()
        log.wait(SECOND)
        bought(log, 3, "B")
        assert said_no(log, shot) == (Reason.SNAPSHOTS_MISSING,)
        assert said_no(log, picture(log, 7)) == (Reason.SNAPSHOTS_MISSING,)  # in the same instant: shown or not?
        log.wait(SECOND)
        assert said_no(log, picture(log, 7)) == ()

    def test_only_once(self) -> None:
        """A second loss has a cause that only a human can find."""
        log = lost()
        stop, target = exit_lines()
        frames = (frame(exit_ref(REF, Role.STOP, 2), stop), frame(exit_ref(REF, Role.TARGET, 2), target))
        refs = record(log, *frames, mandate=MANDATE)
        for ref in refs:
            tell(log, ref, B.CANCELLED)
        log.wait(SECOND)
        assert said_no(log, picture(log, 10)) == (Reason.EXIT_WITHOUT_MANDATE,)

    def test_what_a_human_signed_does_not_count(self) -> None:
        """Protection placed by a signed command is no use of the one time."""
        log = lost()
        stop, target = exit_lines()
        frames = (frame(exit_ref(REF, Role.STOP, 2), stop), frame(exit_ref(REF, Role.TARGET, 2), target))
        for ref in record(log, *frames, mandate="decision:9"):
            tell(log, ref, B.CANCELLED)
        log.wait(SECOND)
        assert said_no(log, picture(log, 10)) == ()

    @pytest.mark.parametrize("moved", [("1.07", "1.10"), ("1.08", "1.11"), ("1.07", "1.11")])
    def test_not_where_a_human_moved_it(self, moved: tuple[str, str]) -> None:
        """Stop, target or both stood elsewhere by a signature: at the mandate's prices nobody wants it any more. An
        order of which no byte left never stood anywhere."""
        log = lost()
        lines = protection_lines(entry_line(), quantity(10), price(moved[0]), price(moved[1]))
        frames = [frame(exit_ref(REF, line.role, 2), line) for line in lines]
        refs = record(log, *frames, mandate="decision:9")
        never = log.twin()
        for ref in refs:
            tell(log, ref, B.CANCELLED)
            never.append(order_bead(never.order(ref), E.DROPPED))
        for each in (log, never):
            each.wait(SECOND)
        assert said_no(log, picture(log, 10)) == (Reason.EXIT_WITHOUT_MANDATE,)
        assert said_no(never, picture(never, 10)) == ()

    def test_not_beside_what_works(self) -> None:
        """One of the pair, or a close: placing a pair would add to it."""
        log = held()
        tell(log, STOP_REF, B.CANCELLED)
        log.wait(SECOND)
        assert said_no(log, picture(log, 10)) == (Reason.PROTECTION_STILL_WORKS,)

    def test_not_for_nothing(self) -> None:
        """Nothing held is nothing to protect."""
        log = held()
        sold(log, 10)
        assert said_no(log, picture(log, 0)) == (Reason.NOTHING_TO_CLOSE,)

    def test_the_first_placement_waits_for_nothing(self) -> None:
        """Where the broker takes no bracket, executions that we saw are protected at once."""
        log = filled(4)
        bare = evolve(log.stake, orders=log.stake.orders[:1])
        assert placing_refusal(bare, None, 1) is None


@pytest.mark.parametrize("side", Side)
def test_the_lines_of_a_pair(side: Side) -> None:
    """The other side, good till cancelled, in regular hours: a stop at its trigger, a target at its limit."""
    entry = evolve(entry_line(10, side), outside_hours=True, order_type=OrderType.LIMIT, limit=price("1.09"))
    stop, target = protection_lines(entry, quantity(4), price("1.08"), price("1.10"))
    for line in (stop, target):
        assert (line.side, line.quantity, line.tif, line.outside_hours) == (side.other, Decimal(4), Tif.GTC, False)
        assert (line.account, line.con_id, line.exchange) == (entry.account, entry.con_id, entry.exchange)
    assert (stop.role, stop.order_type, stop.trigger, stop.limit) == (Role.STOP, OrderType.STOP, price("1.08"), None)
    assert (target.role, target.order_type) == (Role.TARGET, OrderType.LIMIT)
    assert (target.trigger, target.limit) == (None, price("1.10"))
    assert exit_line(entry, Role.STOP, OrderType.STOP, quantity(4), price("1.08")) == stop


def test_a_revision_changes_the_quantity_and_nothing_else() -> None:
    """The next number, the hash of what it says."""
    order = held().order(STOP_REF)
    line = evolve(order.line, quantity=quantity(4))
    assert resized(order, quantity(4)) == Frame(order.frames[0].ref, 2, order_hash((line,)), line)


class TestResizing:
    """The pair follows what is held, by revisions, and never while anything about it is in doubt."""

    def test_shrunk_after_a_partial_end(self) -> None:
        """The entry ended at 4: both become 4."""
        log = held(filled=4)
        assert resizes(log.stake) == ()  # the parent may still fill: a native child has its size
        tell(log, REF, B.CANCELLED, 4)
        assert [(each.ref, each.revision, each.line.quantity) for each in resizes(log.stake)] == [
            (STOP_REF, 2, quantity(4)),
            (TARGET_REF, 2, quantity(4)),
        ]
        record(log, *resizes(log.stake), group=group_of(REF, 1), mandate=MANDATE)
        assert resizes(log.stake) == ()  # asked, and not answered
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, size=4)
        assert resizes(log.stake) == ()

    @staticmethod
    def placed_again() -> tuple[Log, tuple[str, ...]]:
        """A position of 4 whose pair is not the broker's own child but a second one, and that pair's references."""
        log = filled(4)
        for ref in (STOP_REF, TARGET_REF):
            log.append(*news(log.order(ref), order_said(ref, B.CANCELLED)))
        stop, target = exit_lines(4)
        frames = (frame(exit_ref(REF, Role.STOP, 2), stop), frame(exit_ref(REF, Role.TARGET, 2), target))
        refs = record(log, *frames, mandate=MANDATE)
        for name in refs:
            tell(log, name, size=4)
        return log, refs

    def test_grown_with_later_fills(self) -> None:
        """A pair that is not the broker's own child grows with each fill."""
        log, refs = self.placed_again()
        assert resizes(log.stake) == ()
        bought(log, 3, "B")
        assert [(each.ref, each.line.quantity) for each in resizes(log.stake)] == [(ref, quantity(7)) for ref in refs]

    def test_what_an_exit_executed_is_part_of_the_total_that_it_grows_to(self) -> None:
        """The stop sold 1 of 4, 3 more were bought: 6 are held; its total is 7, the target's is 6."""
        log, refs = self.placed_again()
        sold(log, 1, ref=refs[0])
        bought(log, 3, "B")
        assert [(each.ref, each.line.quantity) for each in resizes(log.stake)] == [
            (refs[0], quantity(7)),
            (refs[1], quantity(6)),
        ]

    def test_what_an_exit_executed_stays_part_of_its_total(self) -> None:
        """The stop sold 3 of the 10 that are held: its total stays 10, the target's becomes 7."""
        log = held()
        sold(log, 3)
        assert [(each.ref, each.line.quantity) for each in resizes(log.stake)] == [(TARGET_REF, quantity(7))]

    def test_what_the_broker_took_grows_after_a_picture(self) -> None:
        """The broker made the target smaller by itself: a picture that began since must show all that is held. What was
        asked to be smaller is no such thing, and what is to shrink further waits for nothing."""
        log = held()
        log.wait(SECOND)
        tell(log, TARGET_REF, size=6)
        frames, touched = resizes(log.stake), {str(TARGET_REF): log.now}
        assert [(each.ref, each.line.quantity) for each in frames] == [(TARGET_REF, quantity(10))]

        def refused(shown: Snapshot | None, since: Mapping[str, datetime] = touched) -> bool:
            no = growing_refusal(log.stake, frames, shown, 1, since.get)
            assert no is None or no.reasons == (Reason.SNAPSHOTS_MISSING,)
            return no is not None

        now = picture(log, 10)
        assert not refused(now)
        assert not refused(now, {})  # touched long ago
        assert refused(None)
        assert refused(picture(log, 9))
        assert refused(evolve(now, session=2))
        assert refused(now, {str(TARGET_REF): log.now + SECOND})
        assert not refused(now, {str(STOP_REF): log.now + SECOND})  # another order
        both = (*frames, frame(STOP_REF, exit_lines()[0], 2))
        tell(log, STOP_REF, size=6)
        assert growing_refusal(log.stake, both, now, 1, touched.get) is None
        later = {**touched, str(STOP_REF): log.now + SECOND}
        assert growing_refusal(log.stake, both, now, 1, later.get) is not None, "one of the two is enough"
        smaller = (frame(TARGET_REF, exit_lines(5)[1], 2),)
        assert growing_refusal(log.stake, smaller, None, 1, touched.get) is None
        assert growing_refusal(held().stake, (frame(TARGET_REF, exit_lines(12)[1], 2),), None, 1, touched.get) is None
        assert growing_refusal(filled().stake, frames, None, 1, touched.get) is None  # nothing was heard of it

    def test_not_of_what_a_human_stated_of_nobody(self) -> None:
        """The target itself says that it executed more, and a human stated some of no order: nobody knows what else its
        size should be. The stop follows what is held."""
        log = held()
        assert protection(log) is P.FULL
        name, at = log.order().position_id, price(1)
        fill(log, stated("lost.1.01", name, "", Role.CLOSE, "EURUSD", Side.SELL, quantity(3), at, T0))
        tell(log, TARGET_REF, filled=2)
        assert [each.ref for each in resizes(log.stake)] == [STOP_REF]
        assert [ahead(log.stake, log.order(ref)) for ref in (STOP_REF, TARGET_REF)] == [0, 2]
        tell(log, TARGET_REF, filled=4)
        assert [ahead(log.stake, log.order(ref)) for ref in (STOP_REF, TARGET_REF)] == [0, 3]  # no more than was stated
        record(log, *resizes(log.stake), group=group_of(REF, 1), mandate=MANDATE)
        tell(log, STOP_REF, size=7)
        assert resizes(log.stake) == () and protection(log) is P.FULL
        sold(log, 1, ref=TARGET_REF)
        assert ahead(log.stake, log.order(TARGET_REF)) == 3

    def test_what_an_exit_says_is_its_own_execution_where_nobody_stated_one(self) -> None:
        """The target's word comes before its execution now and then. Only what a human stated of an exit, and of no
        order, can be that execution already: not the entry's, nor what has its order."""
        log = held(filled=9)
        tell(log, TARGET_REF, filled=2)
        nothing, of_the_entry, of_the_stop = log.twin(), log.twin(), log.twin()
        by_hand(of_the_entry, 1, Role.ENTRY)
        by_hand(of_the_stop, 2, Role.STOP, STOP_REF)
        for each in (nothing, of_the_entry, of_the_stop):
            assert ahead(each.stake, each.order(TARGET_REF)) == 0
        by_hand(log, 2, Role.CLOSE)
        assert ahead(log.stake, log.order(TARGET_REF)) == 2

    def test_not_where_the_broker_refused_another_size(self) -> None:
        """Why, only a human can find: neither of the two is asked for again."""
        log = held(filled=4)
        tell(log, REF, B.CANCELLED, 4)
        record(log, resized(log.order(STOP_REF), quantity(4)), group=group_of(REF, 1), mandate=MANDATE)
        log.append(order_bead(log.order(STOP_REF), OrderEvent.CHANGE_REFUSED))
        assert log.order(STOP_REF).answered and resizes(log.stake) == ()

    def test_not_of_what_was_asked_to_end(self) -> None:
        """A revision that crosses a cancel would give back what was to end; once the cancel is refused, it follows."""
        log = held(filled=4)
        tell(log, REF, B.CANCELLED, 4)
        log.append(order_bead(log.order(STOP_REF), OrderEvent.CANCEL_REQUESTED))
        assert resizes(log.stake) == ()
        log.append(order_bead(log.order(STOP_REF), OrderEvent.CANCEL_REFUSED))
        assert [each.ref for each in resizes(log.stake)] == [STOP_REF, TARGET_REF]

    @shows("F20")
    def test_not_of_what_stands_twice(self) -> None:
        """Nobody knows which of the two a revision would change; once one of them is over, it follows."""
        log = held(filled=4)
        tell(log, REF, B.CANCELLED, 4)
        log.append(*news(log.order(STOP_REF), order_said(STOP_REF, perm_id=8)))
        assert resizes(log.stake) == ()
        log.append(*news(log.order(STOP_REF), order_said(STOP_REF, B.CANCELLED, perm_id=8)))
        assert [each.ref for each in resizes(log.stake)] == [STOP_REF, TARGET_REF]

    def test_the_last_unit_too(self) -> None:
        """One held and one to come leave a native pair alone; one held and none to come shrink it to one."""
        log = held(2, 1)
        assert resizes(log.stake) == ()
        tell(log, REF, B.CANCELLED, 1, 2)
        assert [each.line.quantity for each in resizes(log.stake)] == [1, 1]

    def test_a_pair_of_which_one_is_native_waits_for_the_parent(self) -> None:
        """Its other half was placed again: as long as the parent may fill, neither changes."""
        log = held(filled=4)
        tell(log, TARGET_REF, B.CANCELLED)
        ref = exit_ref(REF, Role.TARGET, 2)
        record(log, frame(ref, exit_lines(4)[1]), mandate=MANDATE)
        tell(log, ref, size=4)
        assert resizes(log.stake) == ()

    def test_not_beside_a_close(self) -> None:
        """What the close executes the broker takes from the pair; once the close has ended the pair is shrunk."""
        log = held(filled=4)
        close = exit_ref(REF, Role.CLOSE, 2)
        record(log, frame(close, close_line(entry_line(), quantity(4))), group=group_of(REF, 1), mandate=MANDATE)
        tell(log, REF, B.CANCELLED, 4)
        assert resizes(log.stake) == ()
        tell(log, close, B.CANCELLED)
        assert {each.line.quantity for each in resizes(log.stake)} == {quantity(4)}

    def test_not_while_one_of_the_two_is_unanswered(self) -> None:
        """One answer is not both."""
        log = held(filled=4)
        tell(log, REF, B.CANCELLED, 4)
        record(log, resizes(log.stake)[0], group=group_of(REF, 1), mandate=MANDATE)
        assert resizes(log.stake) == ()

    def test_not_for_nothing(self) -> None:
        """With nothing held there is nothing to fit: what works is cancelled, not resized."""
        log = held()
        sold(log, 10)
        assert resizes(log.stake) == ()
