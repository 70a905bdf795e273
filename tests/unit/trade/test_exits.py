"""X1 to X4, one by one and together, and how a close is planned around the protection that stands."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Order, OrderEvent
from phoenix_core.facts import BrokerStatus, Held, Snapshot
from phoenix_core.orders import Frame, Line, exit_ref, group_of
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.trade.births import adopted
from phoenix_core.trade.exits import (
    ENDS_FOR,
    HOLDINGS_LAG,
    PROTECTION_ENDS_WITHIN,
    SHRINKS_WITHIN,
    SIGNED_FOR,
    ClosePlan,
    Part,
    Stake,
    Step,
    bracket_refusal,
    close_line,
    close_plan,
    ended_late,
    entry_line,
    entry_to_cancel,
    exit_mandate,
    exit_refusal,
    exits_allowed,
    pictured,
    stake_of,
    time_exit_due,
    working_exits,
    x1_refusal,
    x2_refusal,
    x4_refusal,
)
from phoenix_core.trade.fills import Answer, execution, stated
from phoenix_core.trade.order_words import news
from phoenix_core.trade.protection import makes_way, resized, sized
from phoenix_core.values import WALL_BACK_MAX, Moment, OrderType, Role, SecType, Side, Tif
from tests.showing import shows
from tests.unit.trade.samples import (
    ACCOUNT,
    CLOSE_REF,
    EVIDENCE,
    OTHER_REF,
    REF,
    RULE,
    SECOND,
    STOP_REF,
    T0,
    TARGET_REF,
    Log,
    bracket,
    executed,
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
from tests.unit.trade.samples import entry_line as an_entry

B, E = BrokerStatus, OrderEvent
MANDATE = f"evidence:{EVIDENCE}"


def bought(log: Log, size: int, name: str = "A") -> None:
    """An execution of the entry."""
    side = log.position.side
    fill(log, execution(executed(f"{name}.01", size, side=side), Answer.NEW, log.position.position_id, Role.ENTRY))


def sold(log: Log, size: int, ref: str = STOP_REF, role: Role = Role.STOP, name: str = "Z") -> None:
    """An execution of an exit."""
    side = log.position.side.other
    fill(log, execution(executed(f"{name}.01", size, ref=ref, side=side), Answer.NEW, log.position.position_id, role))


def by_hand(log: Log, size: int, role: Role, ref: str = "") -> None:
    """What a human stated from the broker's papers: of one order, or of none that anybody could name."""
    side = log.position.side.other if role.is_exit else log.position.side
    name = f"H{len(log.beads)}.01"
    at = (log.position.position_id, ref, role, "EURUSD", side, quantity(size), price("1.09"), log.now)
    fill(log, stated(name, *at))


def tell(
    log: Log, ref: str, status: BrokerStatus = B.SUBMITTED, filled: int = 0, size: int = 10, group: str | None = None
) -> None:
    """A word on an order, with the echo of its terms, in the group that we gave it or in another one."""
    echo = evolve(log.order(ref).line, quantity=quantity(size))
    named = log.order(ref).group if group is None else group
    log.append(*news(log.order(ref), order_said(ref, status, filled, echo=echo, group=named)))


def held(size: int = 10, filled: int = 10, sec_type: SecType = SecType.STOCK, side: Side = Side.BUY) -> Log:
    """A bracket of which this much of the entry has filled, protection acknowledged."""
    log = submitted(size, side, sec_type)
    for ref in (REF, STOP_REF, TARGET_REF):
        tell(log, ref, size=size)
    bought(log, filled)
    if filled == size:
        tell(log, REF, B.FILLED, filled, size)
    return log


def a_part(log: Log, size: int) -> Part:
    """A close of so much, asked for by a command that is the last bead of the log."""
    return Part(quantity(size), len(log.beads) - 1)


def close_frame(size: int, ref: str = CLOSE_REF, revision: int = 1) -> Frame:
    """A close at the market."""
    return frame(ref, close_line(an_entry(), quantity(size)), revision)


def record(log: Log, *frames: Frame, group: str = "", mandate: str = "decision:9") -> tuple[str, ...]:
    """Record frames of exits, as an act does before the last look; their references."""
    name = log.position.position_id
    log.append(Order(E.RECORDED, name, frames[0].ref, frames, group or group_of(REF, 2), mandate))
    return tuple(each.ref for each in frames)


def x1(log: Log, *frames: Frame, group: str = "", mandate: str = "decision:9") -> Refusal | None:
    """What X1 says of frames once they are recorded."""
    refs = record(log, *frames, group=group, mandate=mandate)
    return x1_refusal(log.stake, refs)


# --- the stake --------------------------------------------------------------------------------------------------------


def test_what_a_stake_says() -> None:
    """Quantities are those of our executions, whatever the broker's running sums say."""
    log = held(filled=4)
    tell(log, REF, filled=9)
    tell(log, STOP_REF, filled=3)
    stake = log.stake
    assert (stake.totals.entered, stake.held, stake.entry_rest) == (Decimal(4), Decimal(4), Decimal(6))
    assert [order.ref for order in stake.exits] == [order.ref for order in stake.pair] == [STOP_REF, TARGET_REF]
    assert [stake.rest_of(order) for order in stake.exits] == [10, 10]
    sold(log, 3)
    assert [log.stake.rest_of(order) for order in log.stake.exits] == [7, 10]
    assert (log.stake.executed(STOP_REF), log.stake.held) == (Decimal(3), Decimal(1))
    record(log, close_frame(1))
    assert [order.ref for order in log.stake.pair] == [STOP_REF, TARGET_REF]
    assert [order.ref for order in log.stake.exits] == [STOP_REF, TARGET_REF, CLOSE_REF]


def test_an_ended_entry_has_no_rest() -> None:
    """What has ended fills no more; an adopted position has no entry at all."""
    log = held(filled=4)
    tell(log, REF, B.CANCELLED, 4)
    assert log.stake.entry_rest == 0
    assert adopted_stake().entry_rest == 0
    assert adopted_stake().entry is None


def adopted_stake() -> Stake:
    """An adopted position, protected by what its adoption recorded."""
    log = Log()
    log.append(
        adopted(
            OTHER_REF,
            pair="EURUSD",
            side=Side.BUY,
            quantity=quantity(10),
            price=price("1.09"),
            stop=price("1.08"),
            target=price("1.10"),
            strategy="london",
            proof=RULE,
        )
    )
    stop, target = exit_lines()
    frames = (frame(exit_ref(OTHER_REF, Role.STOP, 1), stop), frame(exit_ref(OTHER_REF, Role.TARGET, 1), target))
    record(log, *frames, group=group_of(OTHER_REF, 1))
    return log.stake


# --- X1 ---------------------------------------------------------------------------------------------------------------


@shows("X1")
class TestX1:
    """X1: executed exits + the largest working member of each exit group <= executed entries + the unfilled rest of the
    native parent that the group hangs on, checked at the socket.
    """

    def test_a_native_pair_hangs_on_its_parents_rest(self) -> None:
        """A bracket of 10 with 4 filled: the pair of 10 is one group of 10, against 4 held and 6 to come."""
        stake = held(filled=4).stake
        assert working_exits(stake) == 10
        assert exits_allowed(stake) == 10
        assert x1_refusal(stake, [STOP_REF, TARGET_REF]) is None

    @pytest.mark.parametrize(("size", "passes"), [(1, False), (10, False)])
    def test_a_close_beside_a_standing_pair_is_too_much(self, size: int, passes: bool) -> None:
        """In a group of its own it adds to what the pair may do, whatever its size."""
        log = held()
        refs = record(log, close_frame(size))
        assert (x1_refusal(log.stake, refs) is None) is passes

    @pytest.mark.parametrize(("size", "passes"), [(10, True), (11, False)])
    def test_a_close_in_the_group_of_the_pair(self, size: int, passes: bool) -> None:
        """Sharing the group, only the largest member counts."""
        log = held()
        refs = record(log, close_frame(size), group=group_of(REF, 1))
        said = x1_refusal(log.stake, refs)
        assert (said is None) is passes
        assert passes or (said is not None and said.reasons == (Reason.EXIT_TOO_LARGE,))

    @shows("F37")
    def test_the_largest_of_a_group_counts_whichever_came_last(self) -> None:
        """A close of 3 joins a pair of 10: what the group may execute is still 10."""
        log = held()
        _ = record(log, close_frame(3), group=group_of(REF, 1))
        assert working_exits(log.stake) == 10

    @shows("F37")
    def test_a_partial_exit_leaves_less_room(self) -> None:
        """Partial 4 of 10, the pair cancelled: a close of 6 fits, one of 7 does not."""
        log = held()
        sold(log, 4)
        for ref, filled in ((STOP_REF, 4), (TARGET_REF, 0)):
            tell(log, ref, B.CANCELLED, filled)
        assert exits_allowed(log.stake) == 6
        six, seven = log.twin(), log.twin()
        assert x1(six, close_frame(6)) is None
        assert x1(seven, close_frame(7)) is not None

    def test_two_groups_add_up(self) -> None:
        """Each group may execute on its own."""
        log = held()
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        stop, target = exit_lines(6)
        again = (frame(exit_ref(REF, Role.STOP, 2), stop), frame(exit_ref(REF, Role.TARGET, 2), target))
        assert x1(log, *again) is None
        four = (frame(exit_ref(REF, Role.CLOSE, 3), close_line(an_entry(), quantity(4))),)
        assert x1(log, *four, group=group_of(REF, 3)) is None
        one = (frame(exit_ref(REF, Role.CLOSE, 4), close_line(an_entry(), quantity(1))),)
        assert x1(log, *one, group=group_of(REF, 4)) is not None

    def test_orders_without_a_group_are_groups_of_their_own(self) -> None:
        """No name is no common name."""
        log = held()
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        name = log.position.position_id
        for n in (2, 3):
            ref = exit_ref(REF, Role.CLOSE, n)
            log.append(Order(E.RECORDED, name, ref, (frame(ref, close_line(an_entry(), quantity(6))),)))
        assert working_exits(log.stake) == 12

    def test_what_may_have_left_counts(self) -> None:
        """Recorded, sent, doubtful, inactive: whatever has no end may execute."""
        log = held()
        for event in (E.UNKNOWN, E.INACTIVE, E.HELD):
            log.append(order_bead(log.order(STOP_REF), event), order_bead(log.order(TARGET_REF), event))
            assert working_exits(log.stake) == 10

    def test_a_frame_that_lessens_may_always_go(self) -> None:
        """The entry ended at 4, the pair of 10 stands: shrinking it is no new risk, growing it would be."""
        log = held(filled=4)
        tell(log, REF, B.CANCELLED, 4)
        assert working_exits(log.stake) > exits_allowed(log.stake)
        shrunk, grown = log.twin(), log.twin()
        shrink = [resized(order, quantity(4)) for order in shrunk.stake.pair]
        assert x1(shrunk, *shrink, group=group_of(REF, 1)) is None
        grow = [resized(order, quantity(11)) for order in grown.stake.pair]
        assert x1(grown, *grow, group=group_of(REF, 1)) is not None
        record(shrunk, close_frame(1))
        assert x1_refusal(shrunk.stake, [CLOSE_REF]) is not None

    def test_a_change_counts_as_the_larger_until_it_is_answered(self) -> None:
        """Shrunk to 4 but not answered: there is no room for another 6 yet."""
        log = held()
        shrink = [resized(order, quantity(4)) for order in log.stake.pair]
        record(log, *shrink, group=group_of(REF, 1))
        assert working_exits(log.stake) == 10
        for ref in (STOP_REF, TARGET_REF):
            log.append(order_bead(log.order(ref), E.SENT))
            tell(log, ref, size=4)
        assert working_exits(log.stake) == 4
        assert x1_refusal(log.stake, [STOP_REF, TARGET_REF]) is None
        assert working_exits(log.stake, [STOP_REF, TARGET_REF]) == 4  # answered: there is no before

    def test_a_third_size_before_the_second_is_answered(self) -> None:
        """What stood before a change is the larger of all that may stand, not the first."""
        log = held(filled=4)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        tell(log, REF, B.CANCELLED, 4)
        ref = exit_ref(REF, Role.STOP, 2)
        record(log, frame(ref, exit_lines(4)[0]), mandate=MANDATE)
        tell(log, ref, size=4)
        record(log, resized(log.order(ref), quantity(9)), mandate=MANDATE)
        assert x1(log, resized(log.order(ref), quantity(6)), mandate=MANDATE) is None
        assert x1(log, resized(log.order(ref), quantity(10)), mandate=MANDATE) is not None

    def test_the_rest_counts_only_while_a_native_group_works(self) -> None:
        """With the children gone, what the entry may still fill is no room for exits."""
        log = held(filled=4)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        assert exits_allowed(log.stake) == 4
        assert x1(log, close_frame(5)) is not None

    @shows("F76")
    def test_more_exited_than_entered_leaves_no_room_at_all(self) -> None:
        """Already beyond zero: nothing may go that could trade, not even against the rest of the entry."""
        log = held(filled=4)
        sold(log, 5)
        assert exits_allowed(log.stake) == 5  # a rest of 6, one of which is spoken for
        tell(log, REF, B.CANCELLED, 4)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED, 5)
        assert exits_allowed(log.stake) == -1
        assert x1(log, close_frame(1)) is not None

    @given(
        entered=st.integers(0, 10),
        exited=st.integers(0, 10),
        cancelled=st.booleans(),
        size=st.integers(1, 12),
        shared=st.booleans(),
    )
    def test_against_counting_by_hand(
        self, entered: int, exited: int, cancelled: bool, size: int, shared: bool
    ) -> None:
        """A close beside or within the pair, after any fills: allowed exactly when the sum of X1 says so."""
        log = submitted()
        if entered:
            bought(log, entered)
        if exited:
            sold(log, exited)
        if cancelled:
            tell(log, REF, B.CANCELLED, entered)
        refs = record(log, close_frame(size), group=group_of(REF, 1) if shared else group_of(REF, 2))
        stop, target = max(0, 10 - exited), 10
        rest = 0 if cancelled else 10 - entered
        pair = max(stop, target)
        working = max(pair, size) if shared else pair + size
        passes = exited + working <= entered + rest or working <= pair
        assert (x1_refusal(log.stake, refs) is None) is passes


# --- X2 ---------------------------------------------------------------------------------------------------------------


@shows("X2")
class TestX2:
    """X2: every exit frame names its mandate or a signed close younger than 60 s."""

    def test_the_positions_own_mandate_never_gets_old(self) -> None:
        """The evidence that was approved, by its leaf; of an adoption, its own reference."""
        position = held().position
        assert exit_mandate(position) == MANDATE
        assert x2_refusal(position, MANDATE, None, moment(T0 + timedelta(days=30))) is None
        adoption = adopted_stake().position
        assert exit_mandate(adoption) == f"adoption:{OTHER_REF}"
        assert x2_refusal(adoption, f"adoption:{OTHER_REF}", None, moment(T0)) is None

    @pytest.mark.parametrize("mandate", [None, "", "evidence:", f"evidence:{'f' * 64}", "decision:9"])
    def test_anything_else_is_no_mandate(self, mandate: str | None) -> None:
        """Another's evidence, or a decision of which nobody knows when it was signed."""
        said = x2_refusal(held().position, mandate, None, moment(T0))
        assert said is not None
        assert said.reasons == (Reason.EXIT_WITHOUT_MANDATE,)

    def test_no_name_is_no_right_whenever_it_was_signed(self) -> None:
        """A frame that names nothing does not go."""
        said = x2_refusal(held().position, None, moment(T0), moment(T0))
        assert said is not None
        assert said.reasons == (Reason.EXIT_WITHOUT_MANDATE,)

    @pytest.mark.parametrize(
        ("age", "passes"),
        [
            (timedelta(0), True),
            (SIGNED_FOR - timedelta(microseconds=1), True),
            (SIGNED_FOR, False),
            (-WALL_BACK_MAX, True),
            (-WALL_BACK_MAX - timedelta(microseconds=1), False),
        ],
    )
    def test_a_signed_exit_lives_sixty_seconds(self, age: timedelta, passes: bool) -> None:
        """From its signature; a wall clock that was set back ends it too."""
        said = x2_refusal(held().position, "decision:9", moment(T0), evolve(moment(T0), wall=T0 + age))
        assert (said is None) is passes
        assert passes or (said is not None and said.reasons == (Reason.EXIT_EXPIRED,))


# --- X4 ---------------------------------------------------------------------------------------------------------------


def picture(log: Log, shown: int, *, complete: bool = True) -> Snapshot:
    """A picture of one holding (none, where it is zero), taken now."""
    now = Moment(log.now, timedelta(0), "boot")
    mine = (Held("EURUSD", Decimal(shown)),) if shown else ()
    return Snapshot(1, now, now, complete, (*mine, Held("GBPUSD", Decimal(77))))


def state(log: Log, size: int, name: str) -> None:
    """A human states an exit of no order."""
    position, side = log.position, log.position.side.other
    at = log.stake.fills[0].at
    fill(log, stated(name, position.position_id, "", Role.CLOSE, position.pair, side, quantity(size), price("1"), at))


@shows("X4")
class TestX4:
    """X4: a native child has its parent's size; any other exit <= min(booked, position in the last complete snapshot +
    our executions since it).
    """

    def sizes(self, log: Log, size: int, there: int | None, typed: bool = False, role: Role = Role.CLOSE) -> bool:
        """Whether an exit of this size passes."""
        line = evolve(close_line(an_entry(), quantity(size)), role=role)
        frames = [frame(exit_ref(REF, role, 2), line)]
        said = x4_refusal(log.stake, frames, None if there is None else Decimal(there), typed)
        assert said is None or said.reasons == (Reason.EXIT_WRONG_SIZE,)
        return said is None

    @pytest.mark.parametrize(
        ("size", "there", "passes"), [(10, 10, True), (11, 12, False), (10, 9, False), (9, 9, True), (1, -4, False)]
    )
    def test_at_most_what_is_booked_and_what_was_shown(self, size: int, there: int, passes: bool) -> None:
        """The smaller of the two counts."""
        for role in (Role.CLOSE, Role.STOP):
            assert self.sizes(held(), size, there, role=role) is passes

    def test_without_a_picture_a_close_waits_for_a_human_and_protection_does_not(self) -> None:
        """Executions that we saw are protected at once; a close needs a size that somebody typed."""
        log = held()
        assert not self.sizes(log, 1, None)
        assert self.sizes(log, 10, None, role=Role.STOP)
        assert not self.sizes(log, 11, None, role=Role.STOP)
        assert self.sizes(log, 99, None, typed=True)
        assert self.sizes(log, 99, 3, typed=True)
        assert not self.sizes(log, 99, None, typed=True, role=Role.STOP)

    def test_what_an_exit_says_that_it_sold_is_not_sold_again(self) -> None:
        """The word on an order comes before its execution now and then. Until that is told, so much less may leave;
        an entry's own word takes nothing away."""
        log = held()
        tell(log, TARGET_REF, filled=4)
        assert log.stake.unbooked() == 4
        assert not self.sizes(log, 7, None, role=Role.STOP) and self.sizes(log, 6, None, role=Role.STOP)
        sold(log, 3, TARGET_REF, Role.TARGET)
        assert log.stake.unbooked() == 1
        sold(log, 1, TARGET_REF, Role.TARGET, "Y")
        assert log.stake.unbooked() == 0 and self.sizes(log, 6, None, role=Role.STOP)

        entry = held(filled=4)
        tell(entry, REF, filled=9)
        assert entry.stake.unbooked() == 0

    def test_what_a_human_stated_is_told(self) -> None:
        """The stop says that 6 left. Four that a human stated of no order are of these six; four stated of the stop
        itself are counted once; what was stated of the entry has nothing to do with what left."""
        log = held(filled=9)
        tell(log, STOP_REF, filled=6)
        named, entered = log.twin(), log.twin()
        by_hand(log, 4, Role.CLOSE)
        assert log.stake.held == 5 and log.stake.unbooked() == 2
        by_hand(named, 4, Role.STOP, STOP_REF)
        assert named.stake.held == 5 and named.stake.unbooked() == 2
        by_hand(entered, 1, Role.ENTRY)
        assert entered.stake.held == 10 and entered.stake.unbooked() == 6

    def test_no_exit_stands_beside_others_for_what_one_says_that_it_sold(self) -> None:
        """A close of a part said that it is filled; another one beside the pair would be one too many (X1), until the
        execution is told, or a picture of well after it showed that all is held."""
        log = held()
        for order in log.stake.pair:
            record(log, resized(order, quantity(6)), mandate=MANDATE)
            tell(log, order.ref, size=6)
        (first,) = record(log, close_frame(4))
        tell(log, first, B.FILLED, 4, size=4)
        (second,) = record(log, close_frame(4, exit_ref(REF, Role.CLOSE, 3)))
        ended = log.order(first).ended_at
        assert ended is not None
        no = x1_refusal(log.stake, (second,))
        assert no is not None and no.reasons == (Reason.EXIT_TOO_LARGE,)
        assert x1_refusal(log.stake, (second,), ended + HOLDINGS_LAG) is None

    def test_a_picture_of_well_after_it_says_what_an_order_left_behind(self) -> None:
        """Of one that works nobody can tell; of one that ended, a picture knows two seconds later, and not before."""
        log = held()
        tell(log, STOP_REF, B.FILLED, 10)
        ended = log.order(STOP_REF).ended_at
        assert ended is not None
        early = ended + HOLDINGS_LAG - timedelta(microseconds=1)
        assert log.stake.unbooked() == log.stake.unbooked(early) == 10
        assert log.stake.unbooked(ended + HOLDINGS_LAG) == 0
        tell(log, TARGET_REF, filled=1)
        assert log.stake.unbooked(ended + timedelta(hours=1)) == 1

    def test_what_an_exit_says_after_a_statement_is_not_what_was_stated(self) -> None:
        """What was stated of no order explains a word that came before it, however often that is said again. A later
        one counts as sold, until a picture of well after it shows what is left."""
        log = held()
        tell(log, TARGET_REF, filled=2)
        log.wait(SECOND)
        state(log, 3, "hand.1.01")
        log.wait(SECOND)
        tell(log, TARGET_REF, B.SUBMITTED, 2, size=9)
        assert log.stake.unbooked() == 0
        log.wait(SECOND)
        tell(log, STOP_REF, filled=1)
        said = log.order(STOP_REF).told_at
        assert said is not None
        early = said + HOLDINGS_LAG - timedelta(microseconds=1)
        assert log.stake.unbooked() == log.stake.unbooked(early) == 1
        assert log.stake.unbooked(said + HOLDINGS_LAG) == 0

    def test_a_completed_order_says_with_its_end_what_it_executed(self) -> None:
        """It names no quantity, and what was stated before it is not that."""
        log = held()
        state(log, 10, "hand.1.01")
        log.wait(SECOND)
        tell(log, STOP_REF, B.FILLED, 0)
        assert log.order(STOP_REF).told == 10 == log.stake.unbooked()

    def test_a_bust_is_no_execution_that_is_still_to_come(self) -> None:
        """What was told once, and corrected since, is not waited for."""
        log = held()
        tell(log, STOP_REF, B.CANCELLED, 4)
        sold(log, 4)
        assert log.stake.unbooked() == 0
        side, name = log.position.side.other, log.position.position_id
        fill(log, execution(executed("Z.02", 0, ref=STOP_REF, side=side), Answer.CORRECTION, name, Role.STOP))
        assert log.stake.held == 10 and log.stake.unbooked() == 0

    def test_a_picture_of_before_does_not_have_what_was_told_since(self) -> None:
        """It shows all that is held; the stop's word that came after it counts all the same."""
        log = held()
        log.wait(SECOND)
        shown = picture(log, 10)
        assert pictured(log.stake, shown, 1) == 10
        log.wait(SECOND)
        tell(log, STOP_REF, B.CANCELLED, 4)
        assert pictured(log.stake, shown, 1) == 6

    def test_a_native_child_has_its_parents_size_while_that_lives(self) -> None:
        """Not less and not more; once the parent has ended, it is an exit like any other."""
        log = held(filled=4)
        for size, passes in ((10, True), (4, False), (11, False)):
            frames = [resized(order, quantity(size)) for order in log.stake.pair]
            assert (x4_refusal(log.stake, frames, Decimal(4)) is None) is passes
        tell(log, REF, B.CANCELLED, 4)
        for size, passes in ((4, True), (5, False), (3, True)):
            frames = [resized(order, quantity(size)) for order in log.stake.pair]
            assert (x4_refusal(log.stake, frames, Decimal(4)) is None) is passes

    def test_another_exit_is_no_child_while_the_parent_lives(self) -> None:
        """Beside a native pair whose parent may fill, a close is bounded by what is held, not by the parent's size."""
        log = held(filled=4)
        for size, passes in ((4, True), (5, False), (10, False)):
            assert self.sizes(log, size, 4) is passes
            assert self.sizes(log, size, 4, role=Role.STOP) is passes
        record(log, close_frame(10))
        assert x4_refusal(log.stake, [close_frame(10)], Decimal(4)) is not None

    def test_an_adopted_positions_exits_are_nobodys_children(self) -> None:
        """There is no parent: what is held is the bound."""
        stake = evolve(adopted_stake(), fills=held().stake.fills)
        for size, passes in ((10, True), (11, False), (4, True)):
            frames = [resized(order, quantity(size)) for order in stake.pair]
            assert (x4_refusal(stake, frames, Decimal(10)) is None) is passes

    def test_what_an_order_executed_is_part_of_its_size(self) -> None:
        """A stop of 10 that executed 4 of it is, for 6 held, still a stop of 10."""
        log = held()
        sold(log, 4)
        assert x4_refusal(log.stake, [resized(log.order(STOP_REF), quantity(10))], Decimal(6)) is None
        assert x4_refusal(log.stake, [resized(log.order(STOP_REF), quantity(11))], Decimal(6)) is not None

    def test_every_frame_is_judged(self) -> None:
        """One that is too large is enough."""
        log = held()
        frames = [close_frame(3), close_frame(11, exit_ref(REF, Role.CLOSE, 3))]
        assert x4_refusal(log.stake, frames, Decimal(10)) is not None
        assert x4_refusal(log.stake, frames[:1], Decimal(10)) is None

    @pytest.mark.parametrize(
        ("lines", "passes"),
        [
            ((an_entry(), *exit_lines()), True),
            ((an_entry(),), True),
            ((an_entry(), *exit_lines(9)), False),
            ((an_entry(), exit_lines()[0], exit_lines(9)[1]), False),
            ((an_entry(), *exit_lines(side=Side.SELL)), False),
            (exit_lines(), False),
            ((an_entry(), an_entry(), *exit_lines()), False),
        ],
    )
    def test_a_bracket_is_one_entry_and_children_of_its_size(self, lines: tuple[Line, ...], passes: bool) -> None:
        """On the other side, as large, one parent."""
        said = bracket_refusal(tuple(frame(REF, line) for line in lines))
        assert (said is None) is passes
        assert passes or (said is not None and said.reasons == (Reason.EXIT_WRONG_SIZE,))

    def test_the_bracket_that_is_recorded_passes(self) -> None:
        """The sample itself."""
        assert bracket_refusal(bracket().frames) is None


@shows("X4", "F66", "F80", "F81")
class TestThePicture:
    """What a complete picture of this session says of a position, with our executions since it began."""

    def test_what_it_shows_and_what_came_since(self) -> None:
        """Shown 4, and 6 bought, 3 sold after it: 7."""
        log = submitted()
        bought(log, 4)
        log.wait(SECOND)
        shot = picture(log, 4)
        assert pictured(log.stake, shot, 1) == 4
        bought(log, 6, "B")
        sold(log, 3)
        assert pictured(log.stake, shot, 1) == 7
        log.wait(SECOND)
        assert pictured(log.stake, picture(log, 7), 1) == 7

    def test_what_a_human_stated_was_there_before(self) -> None:
        """Written down after the picture, and no execution since: what the picture shows is not changed by it."""
        log = submitted()
        bought(log, 4)
        log.wait(SECOND)
        shot = picture(log, 10)
        by_hand(log, 6, Role.ENTRY, REF)
        assert log.stake.held == pictured(log.stake, shot, 1) == 10

    def test_a_short_position_is_held_the_other_way(self) -> None:
        """Minus ten shown is ten held by a seller, and ten shown is minus ten."""
        log = held(side=Side.SELL)
        log.wait(SECOND)
        assert pictured(log.stake, picture(log, -10), 1) == 10
        assert pictured(log.stake, picture(log, 10), 1) == -10

    def test_another_account_of_the_same_login_is_not_ours(self) -> None:
        """Its holding in the same instrument neither adds to what is there nor takes from it."""
        log = held()
        log.wait(SECOND)
        shot = picture(log, 10)
        theirs = evolve(shot.positions[0], quantity=Decimal(-4), account="theirs")
        both = evolve(shot, account="mine", positions=(*shot.positions, theirs))
        assert pictured(log.stake, both, 1) == 10
        assert pictured(log.stake, evolve(both, account=""), 1) == 6, "a picture that names no account is of one"

    def test_what_was_there_before_is_not_ours(self) -> None:
        """The signed baseline is taken off."""
        log = held()
        log.wait(SECOND)
        assert pictured(log.stake, picture(log, 15), 1, Decimal(5)) == 10

    def test_what_a_complete_picture_leaves_out_is_zero(self) -> None:
        """Closed by hand while we were down: nothing is there, and so no exit may be placed."""
        log = held()
        log.wait(SECOND)
        shot = picture(log, 0)
        assert pictured(log.stake, shot, 1) == 0
        frames = [frame(exit_ref(REF, Role.STOP, 2), exit_lines()[0])]
        assert x4_refusal(log.stake, frames, pictured(log.stake, shot, 1)) is not None

    def test_a_position_whose_orders_are_long_over_can_be_pictured(self) -> None:
        """Without any order nobody knows what kind of thing it is: the picture counts as it is."""
        bare = evolve(held().stake, orders=())
        log = held()
        log.wait(SECOND)
        assert pictured(bare, picture(log, 9), 1) == 9

    def test_an_incomplete_picture_says_nothing(self) -> None:
        """Nor one of another session, nor none."""
        log = held()
        assert pictured(log.stake, None, 1) is None
        assert pictured(log.stake, picture(log, 10, complete=False), 1) is None
        assert pictured(log.stake, picture(log, 10), 2) is None

    @pytest.mark.parametrize(("shown", "expected"), [(9000, 10_000), (11_000, 10_000), (8999, 8999), (11_001, 11_001)])
    def test_a_currency_pair_is_a_cross_check(self, shown: int, expected: int) -> None:
        """Within a thousand of the book the book is right; beyond, the picture counts."""
        log = held(10_000, 10_000, SecType.CASH)
        log.wait(SECOND)
        assert pictured(log.stake, picture(log, shown), 1) == expected


# --- together ---------------------------------------------------------------------------------------------------------


@shows("X1", "X2", "X3", "X4")
def test_the_last_look_of_an_exit_shows_every_red_light() -> None:
    """X3 are the lights that the guards lit; all that is wrong is said, the headline first."""
    log = held()
    log.wait(SECOND)
    record(log, close_frame(11))
    frames, stake, now = (close_frame(11),), log.stake, log.moment
    lights = (None, refusal(Reason.ACCOUNT_MISMATCH), refusal(Reason.LEASE_LOST))
    said = exit_refusal(stake, frames, "decision:9", now.plus(-SIGNED_FOR), now, Decimal(10), lights)
    assert said is not None
    assert said.reasons == (
        Reason.ACCOUNT_MISMATCH,
        Reason.LEASE_LOST,
        Reason.EXIT_TOO_LARGE,
        Reason.EXIT_EXPIRED,
        Reason.EXIT_WRONG_SIZE,
    )


def test_a_right_exit_passes_the_last_look() -> None:
    """Nothing wrong, nothing said; a typed size needs no picture."""
    log = held()
    record(log, close_frame(10), group=group_of(REF, 1))
    frames = (close_frame(10),)
    assert exit_refusal(log.stake, frames, "decision:9", log.moment, log.moment, Decimal(10), ()) is None
    assert exit_refusal(log.stake, frames, "decision:9", log.moment, log.moment, None, ()) is not None
    assert exit_refusal(log.stake, frames, "decision:9", log.moment, log.moment, None, (), typed=True) is None


# --- closes -----------------------------------------------------------------------------------------------------------


class TestAClose:
    """One live close per position, beside or instead of the protection, never on top of it."""

    def test_it_shares_the_group_of_its_protection(self) -> None:
        """Where the broker allows that, it goes at once, for all that is held."""
        log = held()
        assert close_plan(log.stake, True, log.moment).unwrap() == ClosePlan(Step.SEND, quantity(10), group_of(REF, 1))

    def test_it_shares_the_group_of_what_is_left_of_its_protection(self) -> None:
        """One of the pair is a group too."""
        log = held()
        tell(log, TARGET_REF, B.CANCELLED)
        assert close_plan(log.stake, True, log.moment).unwrap().group == group_of(REF, 1)

    @pytest.mark.parametrize("named", ["1300000077", ""])
    def test_a_group_of_another_name_is_not_shared(self, named: str) -> None:
        """The broker named it itself, or put one of them into none: a close under our name would stand beside it."""
        log = held()
        tell(log, TARGET_REF, group=named)
        assert close_plan(log.stake, True, log.moment).unwrap().step is Step.CANCEL_FIRST

    def test_what_was_not_echoed_yet_is_taken_as_asked(self) -> None:
        """Frames on the way: the group is the one that they name."""
        log = submitted(10, Side.BUY, SecType.STOCK)
        bought(log, 10)
        assert close_plan(log.stake, True, log.moment).unwrap().group == group_of(REF, 1)

    def test_protection_makes_way_for_as_long_as_a_close_waits(self) -> None:
        """Asked to end, working or ended by now: for three seconds it makes way, and later it is late."""
        log = held()
        assert not makes_way(log.stake, log.moment) and not ended_late(log.stake)
        log.append(order_bead(log.order(REF), E.CANCEL_REQUESTED))
        assert not makes_way(log.stake, log.moment), "the entry's rest protects nothing"
        log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        asked = log.moment
        assert makes_way(log.stake, asked)
        log.wait(SECOND)
        tell(log, STOP_REF, B.CANCELLED)
        assert makes_way(log.stake, log.moment) and not ended_late(log.stake)
        assert not makes_way(log.stake, moment(T0 + PROTECTION_ENDS_WITHIN))
        log.append(order_bead(log.order(TARGET_REF), E.CANCEL_REQUESTED))
        log.wait(PROTECTION_ENDS_WITHIN)
        assert not ended_late(log.stake), "it has not ended at all"
        tell(log, TARGET_REF, B.CANCELLED)
        assert ended_late(log.stake)

    def test_only_protection_that_was_asked_to_end_is_late(self) -> None:
        """An entry that took its time over its end kept no close waiting; for what ended by itself nobody waited."""
        log = held(filled=4)
        tell(log, STOP_REF, B.CANCELLED)
        log.append(order_bead(log.order(REF), E.CANCEL_REQUESTED))
        log.wait(PROTECTION_ENDS_WITHIN)
        tell(log, REF, B.CANCELLED, 4)
        assert not ended_late(log.stake)

    def test_else_the_protection_ends_first(self) -> None:
        """Asked, awaited, confirmed; only then is anything sent, and only what is left by then."""
        log = held()
        plan = close_plan(log.stake, False, log.moment).unwrap()
        assert plan == ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))
        log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        plan = close_plan(log.stake, False, log.moment).unwrap()
        assert (plan.step, plan.cancels) == (Step.CANCEL_FIRST, (TARGET_REF,))
        log.wait(SECOND)
        log.append(order_bead(log.order(TARGET_REF), E.CANCEL_REQUESTED))
        assert close_plan(log.stake, False, log.moment).unwrap() == ClosePlan(Step.WAIT, quantity(10))
        sold(log, 3)
        tell(log, STOP_REF, B.CANCELLED, 3)
        assert close_plan(log.stake, False, log.moment).unwrap().step is Step.WAIT
        tell(log, TARGET_REF, B.CANCELLED)
        assert close_plan(log.stake, False, log.moment).unwrap() == ClosePlan(Step.SEND, quantity(7))

    @pytest.mark.parametrize(
        ("waited", "step"),
        [
            (PROTECTION_ENDS_WITHIN - timedelta(microseconds=1), Step.WAIT),
            (PROTECTION_ENDS_WITHIN, Step.GIVE_UP),
        ],
    )
    def test_after_three_seconds_a_human_is_asked(self, waited: timedelta, step: Step) -> None:
        """Counted from the first request; nothing is sent on top of what may still execute."""
        log = held()
        log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        log.wait(SECOND)
        log.append(order_bead(log.order(TARGET_REF), E.CANCEL_REQUESTED))
        assert close_plan(log.stake, False, moment(T0 + waited)).unwrap() == ClosePlan(step, quantity(10))

    @pytest.mark.parametrize("seconds", [0, 1, 3, 60])
    def test_another_close_asks_for_itself(self, seconds: int) -> None:
        """What an earlier close asked for is asked again, once, and has three seconds of its own; a request of another
        boot was an earlier one's, whatever its second clock says."""
        log = held()
        for ref in (STOP_REF, TARGET_REF):
            log.append(order_bead(log.order(ref), E.CANCEL_REQUESTED))
        at = log.moment
        assert close_plan(log.stake, False, at, since=at).unwrap() == ClosePlan(Step.WAIT, quantity(10))
        log.wait(timedelta(seconds=seconds, microseconds=1))
        again = ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))
        assert close_plan(log.stake, False, log.moment, since=log.moment).unwrap() == again
        elsewhere = Moment(at.wall, at.ticks, "another boot")
        assert close_plan(log.stake, False, log.moment, since=elsewhere).unwrap() == again
        unread = Moment(log.moment.wall, timedelta(0), "")  # written down before commands carried the second clock
        assert close_plan(log.stake, False, at, since=unread).unwrap().step is Step.WAIT
        since = log.moment
        for ref in (STOP_REF, TARGET_REF):
            log.append(order_bead(log.order(ref), E.CANCEL_REQUESTED))
        assert close_plan(log.stake, False, log.moment, since=since).unwrap() == ClosePlan(Step.WAIT, quantity(10))
        late = log.moment.plus(PROTECTION_ENDS_WITHIN)
        assert close_plan(log.stake, False, late, since=since).unwrap().step is Step.GIVE_UP

    @shows("F74")
    def test_the_rest_of_the_entry_is_cancelled_with_it(self) -> None:
        """However it goes: an approval to leave is none to buy more. Asked once, not again."""
        log = held(filled=4)
        assert close_plan(log.stake, True, log.moment).unwrap().cancels == (REF,)
        assert close_plan(log.stake, False, log.moment).unwrap().cancels == (REF, STOP_REF, TARGET_REF)
        for ref in (STOP_REF, TARGET_REF):
            log.append(order_bead(log.order(ref), E.CANCEL_REQUESTED))
        assert close_plan(log.stake, False, log.moment).unwrap().cancels == (REF,)
        assert entry_to_cancel(log.stake) == (REF,)
        log.append(order_bead(log.order(), E.CANCEL_REQUESTED))
        assert entry_to_cancel(log.stake) == ()
        assert entry_to_cancel(held().stake) == ()
        assert entry_to_cancel(adopted_stake()) == ()

    def test_for_a_part_the_protection_shrinks_first(self) -> None:
        """Asked, answered, and only then the close, in a group of its own; a second command asks for a size itself."""
        log = held()
        part = a_part(log, 4)
        plan = close_plan(log.stake, False, log.moment, part).unwrap()
        assert plan == ClosePlan(Step.SHRINK_FIRST, quantity(10), keeps=quantity(6))
        frames = sized(log.stake, plan.keeps)
        assert [(frame.ref, frame.revision, frame.line.quantity) for frame in frames] == [
            (STOP_REF, 2, quantity(6)),
            (TARGET_REF, 2, quantity(6)),
        ]
        record(log, *frames, mandate=MANDATE)
        asked = log.moment
        assert close_plan(log.stake, False, asked, part).unwrap().step is Step.WAIT
        tell(log, STOP_REF, size=6)
        last = asked.plus(SHRINKS_WITHIN - timedelta(microseconds=1))
        assert close_plan(log.stake, False, last, part).unwrap().step is Step.WAIT
        late = close_plan(log.stake, False, asked.plus(SHRINKS_WITHIN), part).unwrap()
        assert late == ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))
        tell(log, TARGET_REF, size=6)
        plan = close_plan(log.stake, False, asked.plus(SHRINKS_WITHIN), part).unwrap()
        assert plan == ClosePlan(Step.SEND, quantity(10), keeps=quantity(6))
        assert close_plan(log.stake, False, log.moment, a_part(log, 5)).unwrap().step is Step.SHRINK_FIRST

    def test_a_new_size_that_did_not_leave_is_not_asked_for_again(self) -> None:
        """It was withheld: its protection ends first, as for a whole close."""
        log = held()
        part = a_part(log, 4)
        for ref in record(log, *sized(log.stake, quantity(6)), mandate=MANDATE):
            log.append(order_bead(log.order(ref), E.DROPPED))
        plan = close_plan(log.stake, False, log.moment, part).unwrap()
        assert plan == ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))

    @pytest.mark.parametrize("why", ["all", "more", "native", "half native", "twice", "ending", "refused"])
    def test_what_cannot_shrink_ends_first(self, why: str) -> None:
        """All of it; a native pair, or one of it, whose entry may still fill by one unit; more than a pair; what is
        asked to end; an order of which the broker refused another size before."""
        log = held(filled=9) if "native" in why else held()
        if why == "half native":
            tell(log, TARGET_REF, B.CANCELLED)
            record(log, frame(exit_ref(REF, Role.TARGET, 2), exit_lines(9)[1]), mandate=MANDATE)
            tell(log, exit_ref(REF, Role.TARGET, 2), size=9)
        if why == "refused":
            for ref in record(log, resized(log.order(STOP_REF), quantity(9)), mandate=MANDATE):
                log.append(order_bead(log.order(ref), E.CHANGE_REFUSED))
        if why == "twice":
            record(log, frame(exit_ref(REF, Role.STOP, 2), exit_lines()[0]), mandate=MANDATE)
        if why == "ending":
            log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        size = {"all": 10, "more": 11, "native": 3}.get(why, 4)
        plan = close_plan(log.stake, False, log.moment, a_part(log, size)).unwrap()
        assert plan.step is Step.CANCEL_FIRST

    def test_of_all_but_one_unit_the_protection_of_that_one_stands(self) -> None:
        """The least that a part leaves is one, and one is protected."""
        log = held()
        plan = close_plan(log.stake, False, log.moment, a_part(log, 9)).unwrap()
        assert plan == ClosePlan(Step.SHRINK_FIRST, quantity(10), keeps=quantity(1))

    def test_protection_of_its_own_shrinks_while_the_entry_may_fill(self) -> None:
        """Only a native child keeps its parent's size: what was placed again hangs on nothing."""
        log = held(filled=4)
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        lines = zip((Role.STOP, Role.TARGET), exit_lines(4), strict=True)
        for each in record(log, *(frame(exit_ref(REF, role, 2), line) for role, line in lines), mandate=MANDATE):
            tell(log, each, size=4)
        plan = close_plan(log.stake, False, log.moment, a_part(log, 1)).unwrap()
        assert plan == ClosePlan(Step.SHRINK_FIRST, quantity(4), cancels=(REF,), keeps=quantity(3))

    def test_both_have_to_be_small_enough(self) -> None:
        """A stop that makes room is not enough while the target may still execute all: it is asked for its size; and
        once a size was asked for since the command, and did not leave, for none again."""
        log = held()
        record(log, resized(log.order(STOP_REF), quantity(6)), mandate=MANDATE)
        tell(log, STOP_REF, size=6)
        part = a_part(log, 4)
        assert close_plan(log.stake, False, log.moment, part).unwrap().step is Step.SHRINK_FIRST
        (frame_of_target,) = sized(log.stake, quantity(6))
        (ref,) = record(log, frame_of_target, mandate=MANDATE)
        log.append(order_bead(log.order(ref), E.DROPPED))
        plan = close_plan(log.stake, False, log.moment, part).unwrap()
        assert plan == ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))

    def test_the_first_size_without_an_answer_counts(self) -> None:
        """Of two that were asked for one after the other the older one's time is over first, and that is enough."""
        log = held()
        part = a_part(log, 4)
        record(log, resized(log.order(STOP_REF), quantity(6)), mandate=MANDATE)
        asked = log.moment
        log.wait(SECOND)
        record(log, resized(log.order(TARGET_REF), quantity(6)), mandate=MANDATE)
        last = asked.plus(SHRINKS_WITHIN - timedelta(microseconds=1))
        assert close_plan(log.stake, False, last, part).unwrap().step is Step.WAIT
        assert close_plan(log.stake, False, asked.plus(SHRINKS_WITHIN), part).unwrap().step is Step.CANCEL_FIRST

    @pytest.mark.parametrize("gone", [STOP_REF, TARGET_REF])
    def test_the_one_that_is_left_of_a_pair_shrinks_for_a_part(self, gone: str) -> None:
        """A stop alone is a stop still: it is made smaller, and is not ended for a part."""
        log = held()
        tell(log, gone, B.CANCELLED)
        part = a_part(log, 4)
        plan = close_plan(log.stake, False, log.moment, part).unwrap()
        assert plan == ClosePlan(Step.SHRINK_FIRST, quantity(10), keeps=quantity(6))
        (left,) = sized(log.stake, plan.keeps)
        record(log, left, mandate=MANDATE)
        assert close_plan(log.stake, False, log.moment, part).unwrap().step is Step.WAIT
        tell(log, left.ref, size=6)
        assert close_plan(log.stake, False, log.moment, part).unwrap().step is Step.SEND

    def test_a_size_that_was_asked_for_before_is_waited_for_too(self) -> None:
        """Protection follows an execution of a moment ago when a human closes a part: its answer comes first, then the
        part's own size is asked for. Without an answer for a second and a half, both end."""
        log = held()
        record(log, *sized(log.stake, quantity(9)), mandate=MANDATE)
        asked, part = log.moment, a_part(log, 4)
        assert close_plan(log.stake, False, asked, part).unwrap().step is Step.WAIT
        late = close_plan(log.stake, False, asked.plus(SHRINKS_WITHIN), part).unwrap()
        assert late == ClosePlan(Step.CANCEL_FIRST, quantity(10), cancels=(STOP_REF, TARGET_REF))
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, size=9)
        plan = close_plan(log.stake, False, asked.plus(SHRINKS_WITHIN), part).unwrap()
        assert plan == ClosePlan(Step.SHRINK_FIRST, quantity(10), keeps=quantity(6))

    def test_a_part_joins_the_group_where_that_holds(self) -> None:
        """The broker takes what it executes from the pair: nothing is asked to shrink."""
        log = held()
        plan = close_plan(log.stake, True, log.moment, a_part(log, 4)).unwrap()
        assert plan == ClosePlan(Step.SEND, quantity(10), group_of(REF, 1))

    def test_without_protection_it_goes_at_once(self) -> None:
        """In a group of its own."""
        log = held()
        for ref in (STOP_REF, TARGET_REF):
            tell(log, ref, B.CANCELLED)
        for shares in (True, False):
            assert close_plan(log.stake, shares, log.moment).unwrap() == ClosePlan(Step.SEND, quantity(10))

    def test_two_groups_cannot_be_shared(self) -> None:
        """Protection in two groups ends first, whatever the broker allows."""
        log = held()
        tell(log, TARGET_REF, B.CANCELLED)
        ref = exit_ref(REF, Role.TARGET, 2)
        record(log, frame(ref, exit_lines()[1]), mandate=MANDATE)
        assert close_plan(log.stake, True, log.moment).unwrap().step is Step.CANCEL_FIRST

    def test_there_is_one(self) -> None:
        """While one lives there is no second."""
        log = held()
        record(log, close_frame(10), group=group_of(REF, 1))
        assert close_plan(log.stake, True, log.moment).failure().reasons == (Reason.CLOSE_ALREADY_WORKING,)

    def test_one_unit_is_something(self) -> None:
        """The last one too is closed."""
        log = held()
        sold(log, 9)
        assert close_plan(log.stake, True, log.moment).unwrap().quantity == 1

    @pytest.mark.parametrize("exited", [10, 11])
    def test_nothing_held_is_nothing_to_close(self, exited: int) -> None:
        """Net zero, or beyond it: a close would open."""
        log = held()
        sold(log, exited)
        assert close_plan(log.stake, True, log.moment).failure().reasons == (Reason.NOTHING_TO_CLOSE,)

    @shows("F76")
    @pytest.mark.parametrize("side", Side)
    def test_its_line(self, side: Side) -> None:
        """The other side, at the market, for the day: what it does is never more of the same."""
        entry = evolve(an_entry(10, side), limit=price(1), order_type=OrderType.LIMIT)
        line = close_line(entry, quantity(4))
        assert (line.role, line.side, line.quantity) == (Role.CLOSE, side.other, Decimal(4))
        assert (line.order_type, line.tif, line.limit, line.trigger) == (OrderType.MARKET, Tif.DAY, None, None)

    def test_what_it_is_made_from(self) -> None:
        """The entry's line; of an adoption, its protection turned round; of nothing, nothing."""
        assert entry_line(held().stake) == an_entry()
        turned = entry_line(adopted_stake())
        assert turned is not None
        assert (turned.role, turned.side, turned.con_id) == (Role.ENTRY, Side.BUY, an_entry().con_id)
        assert entry_line(evolve(adopted_stake(), orders=())) is None


@pytest.mark.parametrize(
    ("span", "waited", "due"),
    [
        (None, timedelta(days=9), False),
        (timedelta(hours=2), timedelta(hours=2), True),
        (timedelta(hours=2), timedelta(hours=2) - timedelta(microseconds=1), False),
    ],
)
def test_a_time_exit_is_due_only_where_a_mandate_names_one(
    span: timedelta | None, waited: timedelta, due: bool
) -> None:
    """Counted from the first fill."""
    assert time_exit_due(held().position, span, T0 + waited) is due


def test_what_never_filled_has_no_time_exit() -> None:
    """Before the first execution there is nothing to leave."""
    assert not time_exit_due(submitted().position, timedelta(0), T0 + timedelta(days=1))


def test_the_limits_are_as_decided() -> None:
    """A signed exit lives 60 s, a wall clock may step back 2 s, protection has 3 s to end, and a signature that has no
    such 3 s left does not ask for that; a new size has a second and a half; holdings lag by 2 s at most."""
    assert (SIGNED_FOR, WALL_BACK_MAX, PROTECTION_ENDS_WITHIN) == (60 * SECOND, 2 * SECOND, 3 * SECOND)
    assert (ENDS_FOR, SHRINKS_WITHIN, HOLDINGS_LAG) == (57 * SECOND, 1.5 * SECOND, 2 * SECOND)


def test_a_stake_is_what_the_slices_have() -> None:
    """The same as by hand."""
    log = held()
    name = log.position.position_id
    assert stake_of(log.position, log.orders, log.fills) == Stake(log.position, log.fills.of(name), log.orders.of(name))
    assert log.order().line.account == ACCOUNT
