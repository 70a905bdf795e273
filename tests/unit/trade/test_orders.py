"""Orders: what the broker's words add to what is known, what each bead changes, and how orders are found again."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations, product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Bead, Genesis, Order, OrderEvent
from phoenix_core.facts import BrokerStatus, OrderSaid
from phoenix_core.orders import exit_ref, group_of, order_hash
from phoenix_core.records import of_json, to_json
from phoenix_core.trade.order_book import QUIET_KEPT, TOUCHED_FOR, Orders
from phoenix_core.trade.order_life import (
    OTHER_TERMS,
    STRANGE,
    End,
    Known,
    Over,
    Standing,
    altered,
    applied,
    is_later_word,
    over,
    terms_of,
)
from phoenix_core.trade.order_words import (
    ENDING_CODES,
    HOLDING_CODES,
    NOT_CANCELLED_CODES,
    NOT_CHANGED_CODES,
    NOT_HELD,
    WORDS_MAX,
    coded,
    contradicts,
    end_said,
    error_news,
    is_strange,
    kept_words,
    news,
)
from phoenix_core.trade.protection import resized
from phoenix_core.values import Mode, Moment, OrderType, Role, Side, Tif, plain, text_hash
from tests.showing import shows
from tests.unit.trade.samples import (
    ACCOUNT,
    CLOSE_REF,
    EVIDENCE,
    OTHER_REF,
    REF,
    SECOND,
    STOP_REF,
    T0,
    TARGET_REF,
    Log,
    bracket,
    entry_line,
    error,
    exit_lines,
    frame,
    moment,
    order_bead,
    order_said,
    price,
    quantity,
    submitted,
)

B, E = BrokerStatus, OrderEvent


def tell(log: Log, *words: OrderSaid) -> Log:
    """Record what each word adds."""
    for said in words:
        log.append(*news(log.order(said.ref), said))
    return log


def sent() -> Known:
    """An entry that left."""
    return submitted().order()


def after(known: Known, *words: OrderSaid) -> Known:
    """An order after these words."""
    for said in words:
        for body in news(known, said):
            known = applied(known, body, T0)
    return known


# --- words ------------------------------------------------------------------------------------------------------------


@shows("L4", "F12")
@pytest.mark.parametrize(
    ("status", "completed", "expected"),
    [
        *((status, False, None) for status in B if status not in (B.FILLED, B.CANCELLED)),
        (B.FILLED, False, End.FILLED),
        (B.CANCELLED, False, End.CANCELLED),
        (B.FILLED, True, End.FILLED),
        (B.CANCELLED, True, End.CANCELLED),
        (B.INACTIVE, True, End.REJECTED),
        (B.PENDING_CANCEL, True, End.CANCELLED),
    ],
)
def test_what_is_an_end(status: BrokerStatus, completed: bool, expected: End | None) -> None:
    """Pending-cancel and inactive are no ends: either may still fill. What the completed orders list, has ended."""
    assert end_said(order_said(REF, status, completed=completed)) is expected


@pytest.mark.parametrize(
    ("status", "perm_id", "expected"),
    [
        (B.PENDING, 0, None),
        (B.PENDING, 7, None),
        (B.PRESUBMITTED, 7, E.ACKNOWLEDGED),
        (B.SUBMITTED, 7, E.ACKNOWLEDGED),
        (B.SUBMITTED, 0, None),  # no acknowledgement without a permanent id
        (B.PENDING_CANCEL, 7, E.ACKNOWLEDGED),
        (B.INACTIVE, 7, E.INACTIVE),
        (B.FILLED, 7, E.ENDED),
        (B.CANCELLED, 7, E.ENDED),
        (B.UNKNOWN, 7, None),
    ],
)
@shows("F06")
def test_the_first_word_on_a_sent_order(status: BrokerStatus, perm_id: int, expected: OrderEvent | None) -> None:
    """What each status adds to an order of which nothing is known but that it left."""
    found = [body.event for body in news(sent(), order_said(REF, status, perm_id=perm_id))]
    assert found == ([] if expected is None else [expected])


@shows("F21", "F34", "I10")
@given(
    st.lists(
        st.builds(
            order_said,
            st.just(REF),
            st.sampled_from(B),
            st.integers(0, 3),
            perm_id=st.sampled_from([0, 7, 8]),
            echo=st.sampled_from([None, entry_line(), entry_line(9)]),
            group=st.sampled_from(["", "G"]),
            held=st.booleans(),
            completed=st.booleans(),
            reason=st.sampled_from(["", "margin"]),
        ),
        max_size=5,
    )
)
def test_a_word_again_leaves_nothing(words: list[OrderSaid]) -> None:
    """Whatever was said before: the last word, said once more, adds nothing."""
    known = after(sent(), *words)
    for said in words[-1:]:
        assert news(known, said) == ()


def test_what_a_word_says_on_paper() -> None:
    """The broker's terms as they came; its free text only as a hash; no permanent id or order id of zero."""
    said = order_said(REF, B.SUBMITTED, 3, echo=entry_line(), group="77", reason="their words")
    (body,) = news(sent(), said)
    assert (body.event, body.status, body.perm_id, body.order_id) == (E.ACKNOWLEDGED, "SUBMITTED", 7, 5)
    assert (body.filled, body.echo, body.echo_group) == (Decimal(3), entry_line(), "77")
    assert (body.role, body.revision, body.message, body.session) == (Role.ENTRY, 1, "1:1", 1)
    assert body.reason == text_hash("their words")
    bare = evolve(order_said(REF, B.INACTIVE, perm_id=0), order_id=0)
    (body,) = news(sent(), bare)
    assert (body.perm_id, body.order_id, body.echo_group, body.reason) == (None, None, None, None)


def test_a_completed_order_says_nothing_of_its_fills() -> None:
    """The broker lists completed orders with zero filled: that is no word about quantities."""
    known = after(sent(), order_said(REF, filled=4))
    (body,) = news(known, order_said(REF, B.FILLED, 0, completed=True))
    assert (body.event, body.status, body.filled) == (E.ENDED, "FILLED", None)
    assert applied(known, body, T0).filled == 4


def test_more_filled_and_other_terms_are_news() -> None:
    """An acknowledged order: a larger sum or another echo is kept, a smaller sum is not."""
    known = after(sent(), order_said(REF, filled=2, echo=entry_line()))
    assert [body.event for body in news(known, order_said(REF, filled=3))] == [E.CHANGED]
    assert news(known, order_said(REF, filled=1)) == ()
    assert [body.event for body in news(known, order_said(REF, filled=2, echo=entry_line(9)))] == [E.CHANGED]
    assert [body.event for body in news(known, order_said(REF, filled=2, echo=entry_line(), group="G"))] == [E.CHANGED]
    assert news(known, order_said(REF, B.PENDING, 3, echo=entry_line(9))) == ()
    assert news(known, order_said(REF, filled=2, echo=entry_line())) == ()
    grouped = after(known, order_said(REF, filled=2, echo=entry_line(), group="G"))
    assert grouped.echo_group == "G"
    assert news(grouped, order_said(REF, filled=2, echo=entry_line(), group="G")) == ()
    assert [body.event for body in news(grouped, order_said(REF, filled=2, echo=entry_line(9), group="G"))] == [
        E.CHANGED
    ]
    assert news(grouped, order_said(REF, filled=2, group="H")) == ()


@shows("F20")
def test_a_second_permanent_id_is_news_in_every_standing() -> None:
    """Two orders under one reference: both ids are kept, whatever the second one's status."""
    known = after(sent(), order_said(REF, perm_id=7))
    for status in (B.SUBMITTED, B.PENDING):
        both = after(known, order_said(REF, status, perm_id=8))
        assert both.perm_ids == (7, 8)
        assert news(both, order_said(REF, status, perm_id=8)) == ()
    assert news(known, order_said(REF, perm_id=0)) == ()


@shows("F20")
@pytest.mark.parametrize("order_of_ends", [(7, 8), (8, 7)])
def test_of_two_orders_under_one_reference_each_ends_for_itself(order_of_ends: tuple[int, int]) -> None:
    """One is over: the order is not, whichever it was; told again it is no news. A word that names neither of two ends
    none. The end of the last is the end."""
    first, last = order_of_ends
    known = after(after(sent(), order_said(REF, perm_id=7, echo=entry_line())), order_said(REF, perm_id=8))
    assert news(known, order_said(REF, B.CANCELLED, perm_id=0)) == ()
    (body,) = news(known, order_said(REF, B.FILLED, 3, perm_id=first, echo=entry_line(9), completed=True))
    assert (body.event, body.status, body.perm_id, body.echo) == (E.CHANGED, "FILLED", first, None)
    one = applied(known, body, T0)
    assert (one.end, one.standing, one.living_ids, one.echo) == (None, Standing.WORKING, (last,), entry_line())
    assert news(one, order_said(REF, B.CANCELLED, perm_id=first)) == ()
    assert news(one, order_said(REF, perm_id=last)) == ()
    for perm_id in (last, 0):
        over_both = after(one, order_said(REF, B.CANCELLED, perm_id=perm_id))
        assert (over_both.end, over_both.over_ids) == (End.CANCELLED, (first,))


@shows("F20")
def test_a_second_permanent_id_may_be_heard_of_by_its_end() -> None:
    """The first lives on: what ended was another."""
    known = after(after(sent(), order_said(REF, perm_id=7)), order_said(REF, B.CANCELLED, perm_id=8))
    assert (known.end, known.perm_ids, known.living_ids) == (None, (7, 8), (7,))
    unnamed = after(sent(), order_said(REF, perm_id=0))
    assert after(unnamed, order_said(REF, B.CANCELLED, perm_id=8)).end is End.CANCELLED


@shows("F12")
def test_held_is_not_refused() -> None:
    """Held (a short locate, say) is working and known; once let go it works again."""
    known = after(sent(), order_said(REF, B.INACTIVE, held=True))
    assert (known.standing, known.acknowledged, known.end) == (Standing.HELD, True, None)
    assert after(known, order_said(REF, B.PRESUBMITTED, held=True)).standing is Standing.HELD
    assert after(known, order_said(REF)).standing is Standing.WORKING
    unnamed = after(sent(), order_said(REF, B.PRESUBMITTED, perm_id=0, held=True))
    assert (unnamed.standing, unnamed.acknowledged) == (Standing.HELD, False)


@pytest.mark.parametrize("event", [E.UNKNOWN, E.INACTIVE, E.HELD])
def test_a_working_word_brings_an_order_back(event: OrderEvent) -> None:
    """From doubt, inactivity or a hold, the broker's word that it works is news."""
    known = applied(after(sent(), order_said(REF)), order_bead(sent(), event), T0)
    assert known.standing is not Standing.WORKING
    assert after(known, order_said(REF)).standing is Standing.WORKING


@shows("L2", "L3", "F14", "F28", "M9")
class TestCodesEndOnlyWhatWasNeverAcknowledged:
    """The closed list ends an unacknowledged order; every other code, and any code later, ends nothing."""

    @pytest.mark.parametrize("code", [*range(90, 540), 10147, 10148, 10149, 10289, 10311, 10349, 2109, 1100])
    def test_of_a_sent_order(self, code: int) -> None:
        """Code by code."""
        found = error_news(sent(), error(code))
        if code in ENDING_CODES:
            assert [(body.event, body.status, body.code) for body in found] == [(E.ENDED, "REJECTED", code)]
        elif code in HOLDING_CODES:
            assert [(body.event, body.code) for body in found] == [(E.HELD, code)]
        else:
            assert found == ()

    def test_the_list_is_the_one_that_was_decided(self) -> None:
        """Word for word, because every member ends an order."""
        decided = {103, 106, 107, 109, 110, 111, 133, 200, 201, 203, 321, 434, 460, 10289}
        assert decided == ENDING_CODES
        assert not ENDING_CODES & (HOLDING_CODES | NOT_CANCELLED_CODES)

    def test_the_other_lists_are_as_decided(self) -> None:
        """What says held, and what says only that a cancel did nothing."""
        assert {399, 404} == HOLDING_CODES
        assert {135, 136, 161, 10147, 10148} == NOT_CANCELLED_CODES
        assert {105, 134, 135, 329, 2102, 10326} == NOT_CHANGED_CODES - ENDING_CODES
        assert {103} == ENDING_CODES - NOT_CHANGED_CODES

    def test_a_code_again_leaves_nothing(self) -> None:
        """Held is held; a strange code is strange also once a cancel was asked for."""
        log = tell(submitted(), order_said(REF))
        (body,) = error_news(log.order(), error(399))
        log.append(body)
        assert error_news(log.order(), error(404)) == ()
        log.append(order_bead(log.order(), E.CANCEL_REQUESTED))
        assert error_news(log.order(), error(10349)) == ()

    def test_a_warning_of_an_odd_lot_holds_nothing(self) -> None:
        """One code is for every warning: too small for the venue, the order is routed elsewhere, and works."""
        known = after(sent(), order_said(REF))
        odd = evolve(
            error(399), text=f"Warning: Your order size is below the minimum. It will be routed as {NOT_HELD}."
        )
        assert error_news(known, odd) == () != error_news(known, error(399))

    def test_of_an_order_that_was_never_acknowledged_a_request_that_is_not_taken_is_the_order(self) -> None:
        """Its end was asked for before anything was heard of it: 321 says that there is no order to end."""
        log = submitted()
        log.append(order_bead(log.order(), E.CANCEL_REQUESTED))
        (body,) = error_news(log.order(), error(321))
        assert (body.event, body.status) == (E.ENDED, "REJECTED")

    def test_a_fill_after_a_refusal_is_a_fill(self) -> None:
        """The code was wrong, or of something else: what filled has filled."""
        known = after(sent(), order_said(REF))
        for body in error_news(known, error(201)):
            known = applied(known, body, T0)
        assert after(known, order_said(REF, B.FILLED, 10)).end is End.FILLED

    @shows("F13")
    def test_of_an_acknowledged_order(self) -> None:
        """Refused after it was acknowledged: kept, no end; should the broker then cancel it, it was a reject."""
        known = after(sent(), order_said(REF))
        (body,) = error_news(known, error(201))
        refused = applied(known, body, T0)
        assert (refused.end, refused.standing, refused.code) == (None, Standing.INACTIVE, 201)
        assert after(refused, order_said(REF, B.CANCELLED)).end is End.REJECTED
        assert after(refused, order_said(REF)).standing is Standing.WORKING

    def test_of_a_working_exit_that_was_to_change(self) -> None:
        """A change that is refused leaves the exit as it stood, and says no more of it when it is heard twice; neither
        does a code that comes before the change left."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]))
        stood = log.order(STOP_REF)
        log.append(revision(log, STOP_REF, 4))
        assert error_news(log.order(STOP_REF), error(201, STOP_REF)) == ()
        log.append(order_bead(log.order(STOP_REF), E.SENT))
        assert not log.order(STOP_REF).answered
        for code in (103, 104, 161, 202, 10147):
            assert error_news(log.order(STOP_REF), error(code, STOP_REF)) == ()
        for code in sorted(NOT_CHANGED_CODES):
            (body,) = error_news(log.order(STOP_REF), error(code, STOP_REF))
            refused = applied(log.order(STOP_REF), body, T0)
            assert (body.event, body.code, refused.end, refused.standing) == (
                E.CHANGE_REFUSED,
                code,
                None,
                Standing.WORKING,
            )
            assert (refused.frames, refused.answered, refused.code) == (stood.frames, True, 0)
            assert refused.change_refused and error_news(refused, error(code, STOP_REF)) == ()
            # What the broker shows all the same is what stands.
            shown = after(refused, order_said(STOP_REF, echo=log.order(STOP_REF).line))
            assert shown.quantity_at_most == 4

    def test_a_request_that_is_not_taken_is_the_cancel_where_nothing_else_is_out(self) -> None:
        """321: the API is read-only by now. The order works on, and nobody waits for its end; without a cancel it is a
        word about the order, and beside a change it is the change."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]))
        (body,) = error_news(log.order(STOP_REF), error(321, STOP_REF))
        assert body.event is E.INACTIVE
        log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        (body,) = error_news(log.order(STOP_REF), error(321, STOP_REF))
        assert body.event is E.CANCEL_REFUSED
        log.append(body)
        assert log.order(STOP_REF).standing is Standing.WORKING and log.order(STOP_REF).cancel_refused
        changed = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]))
        changed.append(revision(changed, STOP_REF, 4), order_bead(changed.order(STOP_REF), E.SENT))
        changed.append(order_bead(changed.order(STOP_REF), E.CANCEL_REQUESTED))
        (body,) = error_news(changed.order(STOP_REF), error(321, STOP_REF))
        assert body.event is E.CHANGE_REFUSED

    def test_not_found_is_the_answer_to_the_cancel_where_one_was_asked_for(self) -> None:
        """135 answers a change as well as a cancel: of an exit that was to change and then to end it is the end that
        was refused first, so that nobody waits for it; of one that was only to change it is the change."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]))
        log.append(revision(log, STOP_REF, 4), order_bead(log.order(STOP_REF), E.SENT))
        log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED))
        for event in (E.CANCEL_REFUSED, E.CHANGE_REFUSED):
            (body,) = error_news(log.order(STOP_REF), error(135, STOP_REF))
            assert body.event is event
            log.append(body)
        assert error_news(log.order(STOP_REF), error(135, STOP_REF)) == ()

    @shows("F18")
    @pytest.mark.parametrize("code", sorted(ENDING_CODES | HOLDING_CODES | NOT_CANCELLED_CODES))
    def test_of_an_order_that_has_ended(self, code: int) -> None:
        """After an end no code changes anything, but for the one that says why."""
        for end in (B.FILLED, B.CANCELLED):
            acknowledged = after(sent(), order_said(REF), order_said(REF, end))
            assert error_news(acknowledged, error(code)) == ()
        filled = after(sent(), order_said(REF, B.FILLED))
        assert error_news(filled, error(code)) == ()


@shows("F13")
@pytest.mark.parametrize("order", list(permutations(("code", "status"))))
def test_a_reject_is_a_reject_in_either_order(order: tuple[str, ...]) -> None:
    """{error 201, status Cancelled} in both orders: REJECTED, with its reason."""
    known = sent()
    for part in order:
        bodies = error_news(known, error(201)) if part == "code" else news(known, order_said(REF, B.CANCELLED))
        for body in bodies:
            known = applied(known, body, T0)
    assert (known.end, known.code, known.reason) == (End.REJECTED, 201, f"code 201 {HASH}")
    assert error_news(known, error(201)) == ()


@shows("F16", "F17", "F18")
def test_a_refused_cancel_ends_nothing() -> None:
    """10147, 10148 and their like say what a cancel did not do; asked again, the next refusal is news again."""
    log = tell(submitted(), order_said(REF))
    for code in sorted(NOT_CANCELLED_CODES):
        assert error_news(log.order(), error(code)) == ()  # nobody asked
    log.append(order_bead(log.order(), E.CANCEL_REQUESTED), order_bead(log.order(), E.CANCEL_SENT))
    for code in sorted(NOT_CANCELLED_CODES):
        (body,) = error_news(log.order(), error(code))
        refused = applied(log.order(), body, T0)
        assert (refused.end, refused.cancel_refused, refused.standing) == (None, True, Standing.WORKING)
        assert error_news(refused, error(code)) == ()
        again = applied(refused, order_bead(refused, E.CANCEL_REQUESTED), T0 + SECOND)
        assert error_news(again, error(code))
        assert again.cancel_requested is not None and again.cancel_requested.wall == T0 + SECOND
    filled = tell(log, order_said(REF, B.FILLED, 10)).order()
    assert error_news(filled, error(10148)) == ()
    assert filled.end is End.FILLED


HASH: Final = text_hash("words of the broker's")


def test_what_a_code_says_on_paper() -> None:
    """The code, never the broker's words: their hash, and they themselves only as much as a person reads."""
    (body,) = error_news(sent(), error(201))
    assert (body.code, body.reason, body.message, body.session) == (201, f"code 201 {HASH}", "1:1", 1)
    assert (body.role, body.revision, body.ref) == (Role.ENTRY, 1, REF)
    assert kept_words(error(201)) == {HASH: "words of the broker's"}
    (mute,) = error_news(sent(), evolve(error(201), text=""))
    assert mute.reason == "code 201" and kept_words(evolve(error(201), text="")) == {}
    long = evolve(order_said(REF, B.CANCELLED), reason="x" * (WORDS_MAX + 1))
    (ended,) = news(sent(), long)
    assert kept_words(long) == {ended.reason: "x" * WORDS_MAX}
    (silent,) = news(sent(), order_said(REF, B.CANCELLED))
    assert silent.reason is None


@pytest.mark.parametrize(
    ("reason", "code"), [("PASSED", "PASSED"), (f"code 201 {HASH}", "code 201"), (HASH, "BROKER"), ("", "BROKER")]
)
def test_what_a_program_reads_of_a_reason(reason: str, code: str) -> None:
    """A code of ours, or the broker's number; of its words only that there are some."""
    assert coded(reason) == code


@shows("F30", "L5")
@pytest.mark.parametrize(("end", "status"), list(product(End, B)))
def test_what_contradicts_an_end(end: End, status: BrokerStatus) -> None:
    """After an end: that it works, that it filled after all, that more filled. The end again is no contradiction."""
    known = evolve(sent(), end=end, ended_at=T0, filled=quantity(4))
    works = status in (B.PRESUBMITTED, B.SUBMITTED, B.PENDING_CANCEL)
    filled_after_all = status is B.FILLED and end is not End.FILLED
    inactive = status is B.INACTIVE and end is not End.REJECTED
    assert contradicts(known, order_said(REF, status, 4)) is (works or filled_after_all or inactive)
    assert contradicts(known, order_said(REF, status, 5))
    assert not contradicts(known, order_said(REF, status, 5, completed=True))
    assert not contradicts(evolve(known, end=None), order_said(REF, status, 5))
    assert news(known, order_said(REF, status, 5)) == ()


# --- beads ------------------------------------------------------------------------------------------------------------


def test_what_is_recorded() -> None:
    """One hand-over: the entry and its native children, each under its own reference."""
    log = Log()
    log.append(bracket())
    entry, stop, target = log.orders.of(bracket().position_id)
    assert (entry.ref, stop.ref, target.ref) == (REF, STOP_REF, TARGET_REF)
    assert (entry.role, stop.role, target.role) == (Role.ENTRY, Role.STOP, Role.TARGET)
    assert (entry.native, stop.native, target.native) == (False, True, True)
    assert entry.line == entry_line()
    for order in (entry, stop, target):
        assert (order.standing, order.revision, order.group) == (Standing.RECORDED, 1, group_of(REF, 1))
        assert (order.mandate, order.recorded_seq) == (f"evidence:{EVIDENCE}", 0)
        assert (order.sent, order.acknowledged, order.answered, order.end) == (None, False, False, None)
        assert (order.order_id, order.session, order.asked_in, order.perm_ids, order.code) == (0, 0, 0, (), 0)
        assert (order.cancel_requested, order.cancel_sent_at, order.cancel_refused) == (None, None, False)
        assert (order.filled, order.echo, order.echo_group, order.reason, order.message) == (
            quantity(0),
            None,
            "",
            "",
            "",
        )
        assert order.quantity_at_most == order.rest == 10


def test_what_is_sent() -> None:
    """A frame that left binds an order id to a session; the moment is kept."""
    log = Log()
    log.append(bracket())
    log.wait(SECOND)
    log.append(order_bead(log.order(), E.SENT, order_id=41, session=3))
    order = log.order()
    assert (order.standing, order.sent, order.order_id, order.session) == (Standing.SENT, moment(T0 + SECOND), 41, 3)
    assert order.recorded == moment(T0)
    bound = applied(order, order_bead(order, E.ACKNOWLEDGED, order_id=42), T0)
    assert (bound.order_id, bound.session) == (42, 3)
    again = applied(bound, order_bead(order, E.SENT, order_id=43, session=4), T0)
    assert (again.order_id, again.session) == (43, 4)
    other = applied(again, order_bead(order, E.ACKNOWLEDGED, session=5), T0)
    assert (other.order_id, other.session) == (43, 4), "a word without an order id binds nothing"


def test_since_when_an_answer_is_waited_for() -> None:
    """From the record, while nobody knows that the frame left; from the frame, once that is known."""
    log = Log()
    log.append(bracket())
    assert log.order().asked == moment(T0)
    log.wait(SECOND)
    log.append(order_bead(log.order(), E.SENT, ticks=moment(log.now).ticks, boot="boot"))
    assert log.order().asked == moment(T0 + SECOND)


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        (None, True),
        (moment(T0), True),
        (moment(T0 + SECOND), True),  # in that very instant
        (moment(T0 + 2 * SECOND), False),  # an earlier command asked
        (evolve(moment(T0 + 2 * SECOND), boot=""), True),  # no second clock: whoever asked, asked
        (evolve(moment(T0), boot="another"), False),  # a command lives within one boot
    ],
)
def test_an_end_that_was_asked_for_since(since: Moment | None, asked: bool) -> None:
    """What an earlier command asked for, and did not get, is asked for again."""
    assert not sent().is_asked_to_end(since)
    at = moment(T0 + SECOND)
    known = applied(sent(), order_bead(sent(), E.CANCEL_REQUESTED, ticks=at.ticks, boot=at.boot), at.wall)
    assert known.is_asked_to_end(since) is asked


def test_terms_in_words() -> None:
    """Side, type, the prices that there are, and how long: each makes other words, the quantity none."""
    stop, target = exit_lines()
    assert stop.trigger is not None and target.limit is not None
    words = ["BUY MARKET DAY", f"SELL STOP {plain(stop.trigger)} GTC", f"SELL LIMIT {plain(target.limit)} GTC"]
    assert [terms_of(line) for line in (entry_line(), stop, target)] == words
    assert terms_of(evolve(stop, quantity=quantity(3))) == terms_of(stop)
    both = evolve(stop, limit=price("1.01"))
    assert terms_of(both) == f"SELL STOP 1.01 {plain(stop.trigger)} GTC"


def test_an_order_that_stands_on_other_terms_than_were_asked_for() -> None:
    """Its price, its side, its type or its time moved by another hand; its size is another matter, and what is not
    known, or has ended, is not altered."""
    stop = exit_lines()[0]
    known = after(submitted().order(STOP_REF), order_said(STOP_REF, echo=stop))
    assert altered(submitted().order(STOP_REF)) == altered(known) == ""
    assert altered(evolve(known, echo=evolve(stop, quantity=quantity(3)))) == ""
    moved = [
        evolve(stop, trigger=price("1.01")),
        evolve(stop, side=stop.side.other),
        evolve(stop, tif=Tif.DAY),
        evolve(stop, order_type=OrderType.LIMIT),
        evolve(stop, limit=price("1.01")),
    ]
    assert [altered(evolve(known, echo=echo)) for echo in moved] == [terms_of(echo) for echo in moved]
    assert altered(evolve(known, echo=moved[0], end=End.CANCELLED)) == ""
    assert altered(evolve(known, strange=True)) == STRANGE


def test_an_order_of_a_kind_that_this_desk_never_uses_is_told_once() -> None:
    """Somebody makes a trailing stop of a stop: the word that names it has no terms that could be read. One bead says
    so, and none for the same word again, for a status, which names nothing, or for one that is over. What it was before
    is known still, and no reason of its end; the same terms as before are news."""
    stop = exit_lines()[0]
    known = after(submitted().order(STOP_REF), order_said(STOP_REF, echo=stop, group="g"))
    trails = evolve(order_said(STOP_REF), symbol=stop.symbol)
    (said,) = news(known, trails)
    assert (said.event, said.reason, said.echo) == (OrderEvent.CHANGED, OTHER_TERMS, None)
    strange = after(known, trails)
    assert strange.strange and (strange.echo, strange.reason) == (stop, known.reason)
    for quiet in (trails, order_said(STOP_REF)):
        assert news(strange, quiet) == () and not is_strange(order_said(STOP_REF))
    assert not any(is_strange(evolve(trails, status=end)) for end in (BrokerStatus.FILLED, BrokerStatus.CANCELLED))
    filled = after(strange, order_said(STOP_REF, filled=1))
    assert filled.strange and filled.filled == 1
    again = after(strange, order_said(STOP_REF, echo=stop, group="g"))
    assert not again.strange and again.echo == stop
    first = after(submitted().order(STOP_REF), trails)
    assert first.strange and first.standing is Standing.WORKING


def test_what_a_bead_does_not_say_stays() -> None:
    """No message, no ids, no code, no echo: what was known before is known still."""
    known = after(sent(), order_said(REF, filled=3, echo=entry_line(), group="77"))
    (refused,) = error_news(known, error(201))
    known = applied(known, refused, T0)
    later = applied(known, order_bead(known, E.CANCEL_SENT), T0 + SECOND)
    assert later == evolve(known, cancel_sent_at=T0 + SECOND)
    again = applied(known, order_bead(known, E.UNKNOWN, perm_id=7), T0)
    assert again == evolve(known, standing=Standing.UNKNOWN)
    assert (later.message, later.order_id, later.session, later.perm_ids) == ("1:1", 5, 1, (7,))
    assert (later.code, later.reason, later.echo_group, later.filled) == (201, f"code 201 {HASH}", "77", quantity(3))


def test_code_and_words_are_kept_apart() -> None:
    """A bead with one of them leaves the other as it was."""
    known = evolve(sent(), code=201, reason="code 201")
    worded = applied(known, order_bead(known, E.INACTIVE, reason="sha256:x"), T0)
    assert (worded.code, worded.reason) == (201, "sha256:x")
    numbered = applied(known, order_bead(known, E.HELD, code=399), T0)
    assert (numbered.code, numbered.reason) == (399, "code 201")


def test_what_was_acknowledged_stays_acknowledged() -> None:
    """A hold takes nothing back, and an end is an answer whether or not anything was acknowledged."""
    known = applied(evolve(sent(), acknowledged=True), order_bead(sent(), E.HELD), T0)
    assert (known.acknowledged, known.perm_ids) == (True, ())
    ended = after(sent(), order_said(REF, B.CANCELLED))
    assert (ended.acknowledged, ended.answered) == (False, True)
    assert not sent().answered
    taken = after(sent(), order_said(REF))  # any word answers a first revision, whether or not it repeats its terms
    assert (taken.echo, taken.acknowledged, taken.answered) == (None, True, True)


def test_a_drop_without_a_reason_has_none() -> None:
    """No words are no words."""
    assert applied(sent(), order_bead(sent(), E.DROPPED), T0).reason == ""


@shows("F16")
def test_a_dropped_frame_never_was() -> None:
    """No byte left: of a first revision the order ended; of a whole hand-over every frame did."""
    log = Log()
    log.append(bracket())
    alone = log.twin()
    alone.append(order_bead(alone.order(), E.DROPPED, reason="transport closed"))
    order = alone.order()
    assert (order.end, order.ended_at, order.standing, order.reason) == (
        End.DROPPED,
        T0,
        Standing.ENDED,
        "transport closed",
    )
    assert alone.order(STOP_REF).end is None
    whole = order_bead(log.order(), E.DROPPED, revision=None)
    log.append(order_bead(log.order(TARGET_REF), E.SENT), whole)
    assert [known.end for known in log.orders.of(whole.position_id)] == [End.DROPPED, End.DROPPED, None]


def test_a_withheld_hand_over_is_one_hand_over() -> None:
    """A close that was withheld takes nothing with it that another bead recorded, though nobody knows if that left."""
    log = Log()
    log.append(bracket())
    line = evolve(entry_line(), role=Role.CLOSE, side=Side.SELL)
    log.append(Order(E.RECORDED, bracket().position_id, CLOSE_REF, (frame(CLOSE_REF, line),)))
    close = log.order(CLOSE_REF)
    assert (close.group, close.mandate) == ("", "")
    log.append(order_bead(close, E.DROPPED, revision=None))
    assert [order.end for order in log.orders.of(close.position_id)] == [None, None, None, End.DROPPED]


def test_a_bead_without_a_revision_is_about_its_order_alone() -> None:
    """Only a hand-over that was withheld is about several."""
    log = Log()
    log.append(bracket())
    log.append(order_bead(log.order(STOP_REF), E.SENT))
    log.append(order_bead(log.order(STOP_REF), E.CANCEL_REQUESTED, revision=None))
    asked = [order.cancel_requested for order in log.orders.of(bracket().position_id)]
    assert asked == [None, moment(T0), None]


def test_a_withheld_change_leaves_other_orders_alone() -> None:
    """Only what was recorded by the same bead is dropped with it."""
    log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]), order_said(TARGET_REF))
    log.append(revision(log, STOP_REF, 4))
    log.append(order_bead(log.order(STOP_REF), E.DROPPED, revision=None))
    stop = log.order(STOP_REF)
    assert (stop.end, stop.standing, stop.answered, stop.revision) == (None, Standing.WORKING, True, 1)
    assert log.order().end is None


def revision(log: Log, ref: str, size: int) -> Order:
    """The record of another size of a working exit."""
    changed_ = resized(log.order(ref), quantity(size))
    known = log.order(ref)
    return Order(E.RECORDED, known.position_id, ref, (changed_,), known.group, known.mandate)


class TestAChange:
    """Until the broker answers a change, the old size and the new one may each be the one that stands."""

    def changed(self) -> Log:
        """A stop of 10 that is to be 4."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        log.wait(SECOND)
        log.append(revision(log, STOP_REF, 4))
        return log

    def test_recorded(self) -> None:
        """Both sizes count; nothing is answered."""
        stop = self.changed().order(STOP_REF)
        assert (stop.revision, stop.line.quantity, stop.quantity_at_most) == (2, Decimal(4), Decimal(10))
        assert (stop.answered, stop.acknowledged, stop.standing) == (False, True, Standing.RECORDED)
        assert (stop.sent, stop.recorded) == (None, moment(T0 + SECOND))

    def test_an_old_echo_is_no_answer(self) -> None:
        """A word with the old terms that crossed the change on its way answers nothing."""
        log = self.changed()
        log.append(order_bead(log.order(STOP_REF), E.SENT))
        tell(log, order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        stop = log.order(STOP_REF)
        assert (stop.standing, stop.answered, stop.quantity_at_most) == (Standing.WORKING, False, Decimal(10))

    def test_answered(self) -> None:
        """The echo of the new terms ends the doubt."""
        log = self.changed()
        log.append(order_bead(log.order(STOP_REF), E.SENT))
        tell(log, order_said(STOP_REF, echo=exit_lines(4)[0], group="77"))
        stop = log.order(STOP_REF)
        assert (stop.answered, stop.quantity_at_most, len(stop.frames)) == (True, Decimal(4), 1)

    @pytest.mark.parametrize("heard_before", [False, True], ids=["nothing was heard", "an old echo was heard"])
    def test_a_word_of_another_session_is_the_answer(self, heard_before: bool) -> None:
        """What was sent in an earlier session is not on its way any more: whatever stands is told, the old size too."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        log.append(evolve(revision(log, STOP_REF, 4), session=1))
        log.append(order_bead(log.order(STOP_REF), E.SENT))
        old = order_said(STOP_REF, echo=exit_lines()[0], group="77")
        if heard_before:
            tell(log, old)
        assert not log.order(STOP_REF).answered and is_later_word(log.order(STOP_REF), 2)
        tell(log, evolve(old, session=2, echo=None))
        assert not log.order(STOP_REF).answered  # it says nothing of a size
        tell(log, evolve(old, session=2))
        stop = log.order(STOP_REF)
        assert (stop.answered, stop.revision) == (True, 2)
        assert stop.line.quantity == stop.quantity_at_most == 10
        assert stop.frames[0].hash == order_hash((stop.line,))
        assert news(stop, evolve(old, session=3)) == ()

    def test_no_other_word_is_of_another_session(self) -> None:
        """Not one of the session that it was sent in; nor where no session is known, of the change or of the word."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        assert not is_later_word(log.order(STOP_REF), 2)  # nothing waits for an answer
        log.append(revision(log, STOP_REF, 4))
        assert not is_later_word(log.order(STOP_REF), 2)
        log.append(evolve(order_bead(log.order(STOP_REF), E.SENT), session=3))
        assert [is_later_word(log.order(STOP_REF), session) for session in (3, 0, None, 1)] == [
            False,
            False,
            False,
            True,
        ]

    def test_a_word_of_another_session_answers_the_last_of_three(self) -> None:
        """The size that stands is told; the revision that goes on is the one that was asked for last."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        for size in (8, 6):
            log.append(evolve(revision(log, STOP_REF, size), session=1))
            log.append(order_bead(log.order(STOP_REF), E.SENT))
        tell(log, evolve(order_said(STOP_REF, echo=exit_lines(8)[0], group="77"), session=2))
        stop = log.order(STOP_REF)
        assert (stop.revision, stop.line.quantity, stop.answered) == (3, quantity(8), True)
        assert len(stop.frames) == 1

    def test_an_end_in_another_session_tells_no_size(self) -> None:
        """What has ended stands in none: of a change without an answer both sizes stay written down."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        log.append(evolve(revision(log, STOP_REF, 4), session=1))
        ended = order_said(STOP_REF, B.CANCELLED, echo=exit_lines(0)[0], group="77", completed=True)
        tell(log, evolve(ended, session=2))
        stop = log.order(STOP_REF)
        assert (stop.end, stop.answered, stop.rest) == (End.CANCELLED, False, Decimal(0))
        assert [each.line.quantity for each in stop.frames] == [10, 4]

    def test_an_order_of_which_no_change_was_recorded_waits_for_no_answer(self) -> None:
        """A first revision is answered by any word, of whichever session."""
        assert not is_later_word(evolve(sent(), asked_in=1), 2)

    def test_grown(self) -> None:
        """A larger size counts from the moment it is recorded, and the broker's own larger echo always."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0]))
        log.append(revision(log, STOP_REF, 12))
        assert log.order(STOP_REF).quantity_at_most == 12
        tell(log, order_said(STOP_REF, echo=exit_lines(15)[0]))
        assert log.order(STOP_REF).quantity_at_most == 15

    def test_dropped(self) -> None:
        """No byte of it left: the exit stands as it stood."""
        log = self.changed()
        log.append(order_bead(log.order(STOP_REF), E.DROPPED))
        stop = log.order(STOP_REF)
        assert (stop.revision, stop.answered, stop.quantity_at_most) == (1, True, Decimal(10))
        assert (stop.standing, stop.end) == (Standing.WORKING, None)

    def test_the_last_of_three_dropped(self) -> None:
        """What was asked before it may stand, and what stood before that."""
        log = tell(submitted(), order_said(STOP_REF, echo=exit_lines()[0], group="77"))
        log.append(revision(log, STOP_REF, 12), order_bead(log.order(STOP_REF), E.SENT))
        log.append(revision(log, STOP_REF, 14))
        log.append(order_bead(log.order(STOP_REF), E.DROPPED))
        stop = log.order(STOP_REF)
        assert [each.line.quantity for each in stop.frames] == [10, 12]
        assert (stop.revision, stop.answered, stop.quantity_at_most) == (2, False, Decimal(12))

    def test_dropped_of_an_order_that_nobody_acknowledged(self) -> None:
        """What stands then is not known."""
        log = submitted()
        log.append(revision(log, STOP_REF, 4), order_bead(log.order(STOP_REF), E.DROPPED, revision=2))
        stop = log.order(STOP_REF)
        assert (stop.standing, stop.answered, stop.end) == (Standing.UNKNOWN, False, None)

    def test_the_brokers_own_reduction_counts(self) -> None:
        """One of a group filled in part: the broker reduces the other, and that is the size that stands."""
        log = tell(submitted(), order_said(TARGET_REF, echo=exit_lines()[1]))
        tell(log, order_said(TARGET_REF, echo=exit_lines(6)[1]))
        assert log.order(TARGET_REF).quantity_at_most == 6

    def test_revisions_only_go_up(self) -> None:
        """The same revision twice is a bug."""
        log = self.changed()
        with pytest.raises(AssertionError):
            log.append(evolve(revision(log, STOP_REF, 4), frames=(frame(STOP_REF, exit_lines(4)[0], 2),)))


def test_rest_and_end() -> None:
    """The rest is of the larger size, never below zero; an ended order has none."""
    known = after(sent(), order_said(REF, filled=4))
    assert (known.rest, known.rest_after(Decimal(7)), known.rest_after(Decimal(11))) == (
        Decimal(6),
        Decimal(3),
        Decimal(0),
    )
    assert after(known, order_said(REF, B.CANCELLED, 4)).rest == 0


def test_an_order_that_is_full_executed_all_of_it() -> None:
    """A completed order says no quantity: as the broker had it last, or as it was asked for. Where one is said, and of
    what works or was cancelled, it is the one that is said."""
    stop = submitted().order(STOP_REF)
    full, shown = evolve(stop, end=End.FILLED), evolve(stop.line, quantity=quantity(7))
    assert (full.echo, full.told, evolve(full, echo=shown).told) == (None, quantity(10), quantity(7))
    assert [evolve(full, filled=quantity(said)).told for said in (1, 4)] == [1, 4]
    assert [evolve(stop, end=end, echo=shown).told for end in (None, End.CANCELLED)] == [0, 0]
    assert evolve(stop, end=End.CANCELLED, filled=quantity(4), echo=shown).told == 4


@shows("F18")
def test_an_end_stays_an_end() -> None:
    """Beads after the end (a cancel that was on its way) change no standing, and the first moment of the end stays."""
    known = after(sent(), order_said(REF), order_said(REF, B.FILLED, 10))
    for event in (E.SENT, E.ACKNOWLEDGED, E.HELD, E.INACTIVE, E.UNKNOWN, E.CANCEL_SENT, E.CANCEL_REQUESTED):
        later = applied(known, order_bead(known, event, message="2:2"), T0 + SECOND)
        assert (later.standing, later.end, later.ended_at) == (Standing.ENDED, End.FILLED, T0)
    again = applied(known, order_bead(known, E.ENDED, status="REJECTED"), T0 + SECOND)
    assert (again.end, again.ended_at) == (End.REJECTED, T0)


def test_an_end_says_how() -> None:
    """An ENDED bead without a way of ending is a bug."""
    with pytest.raises(ValueError, match="None"):
        applied(sent(), order_bead(sent(), E.ENDED), T0)


def test_only_what_has_ended_is_over() -> None:
    """How an open order ended is no question."""
    with pytest.raises(AssertionError):
        over(sent())


# --- the slice --------------------------------------------------------------------------------------------------------


def test_orders_are_found_by_reference_and_by_position() -> None:
    """Entry, exits without an end, everything; another's references find nothing."""
    log = submitted()
    name = log.position.position_id
    assert log.orders.find(OTHER_REF) is None
    entry = log.orders.entry_of(name)
    assert entry is not None
    assert entry.ref == REF
    assert [order.ref for order in log.orders.exits_of(name)] == [STOP_REF, TARGET_REF]
    tell(log, order_said(STOP_REF, B.CANCELLED))
    assert [order.ref for order in log.orders.exits_of(name)] == [TARGET_REF]
    assert [order.ref for order in log.orders.of(name)] == [REF, STOP_REF, TARGET_REF]
    assert (log.orders.has_ended(STOP_REF), log.orders.has_ended(REF), log.orders.has_ended(OTHER_REF)) == (
        True,
        False,
        False,
    )
    assert log.orders.end_of(STOP_REF) == Over(End.CANCELLED, T0, quantity(0), "1:1")
    tell(log, order_said(REF, B.FILLED, 10), order_said(TARGET_REF, B.CANCELLED))
    assert log.orders.exits_of(name) == ()
    assert log.orders.entry_of("nobody") is None


@shows("X2")
def test_generations_are_unique_in_the_log() -> None:
    """Each further set of exits has the next number, also when all before it have ended."""
    log = submitted()
    assert log.orders.next_generation(REF) == 2
    assert log.orders.next_generation(OTHER_REF) == 1
    name = log.position.position_id
    line = evolve(entry_line(), role=Role.CLOSE, side=Side.SELL)
    log.append(Order(E.RECORDED, name, CLOSE_REF, (frame(CLOSE_REF, line),), group_of(REF, 2), "decision:9"))
    assert log.orders.next_generation(REF) == 3
    close = log.order(CLOSE_REF)
    assert (close.native, close.role, close.mandate) == (False, Role.CLOSE, "decision:9")
    with pytest.raises(AssertionError):
        log.append(Order(E.RECORDED, name, "P9", (frame("P9", line),)))
    tell(log, order_said(CLOSE_REF, B.FILLED, 10))
    with pytest.raises(AssertionError):  # a reference is used once
        log.append(Order(E.RECORDED, name, CLOSE_REF, (frame(CLOSE_REF, line),)))


def test_an_entry_alone_leaves_the_first_generation_free() -> None:
    """Where the broker takes no bracket, the first exits are generation one."""
    log = Log()
    log.append(evolve(bracket(), frames=bracket().frames[:1]))
    assert log.orders.next_generation(REF) == 1


def test_exits_without_an_entry_have_none() -> None:
    """An adopted position has orders, and none of them is an entry."""
    log = Log()
    log.append(evolve(bracket(), frames=bracket().frames[1:]))
    assert log.orders.entry_of(bracket().position_id) is None
    assert len(log.orders.exits_of(bracket().position_id)) == 2


def test_a_position_is_quiet_only_when_nothing_of_it_works() -> None:
    """One end of three is no quiet."""
    log = tell(submitted(), order_said(STOP_REF, B.CANCELLED))
    assert log.orders.quiet == {}


def test_what_moved_lately() -> None:
    """By reference and by instrument, for as long as a picture may have missed it."""
    log = submitted()
    assert log.orders.touched == dict.fromkeys((REF, "EURUSD", STOP_REF, TARGET_REF), T0)
    log.wait(TOUCHED_FOR - SECOND)
    tell(log, order_said(REF))
    assert log.orders.touched[STOP_REF] == T0
    log.wait(SECOND)
    tell(log, order_said(TARGET_REF))
    assert log.orders.touched == {
        REF: T0 + TOUCHED_FOR - SECOND,
        "EURUSD": T0 + TOUCHED_FOR,
        TARGET_REF: T0 + TOUCHED_FOR,
    }


def test_what_was_forgotten_was_touched_no_later_than_that() -> None:
    """Whoever asks whether a picture is younger than a touch gets no moment that is too early."""
    assert Log().orders.touched_by(REF) is None
    log = submitted()
    assert (log.orders.touched_by(STOP_REF), log.orders.touched_by("of another day")) == (T0, T0 - TOUCHED_FOR)
    log.wait(3 * TOUCHED_FOR)
    tell(log, order_said(TARGET_REF))
    assert STOP_REF not in log.orders.touched
    assert log.orders.touched_by(STOP_REF) == T0 + 2 * TOUCHED_FOR >= T0


def over_and_done(count: int) -> Log:
    """A log with this many positions of which every order has ended."""
    log = Log()
    for n in range(count):
        letters = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(n // 26**place) % 26] for place in range(3))
        entry = type(REF)(REF[:25] + letters)
        log.append(evolve(bracket(ref=entry), position_id=f"p{n}"))
        for ref in (entry, exit_ref(entry, Role.STOP, 1), exit_ref(entry, Role.TARGET, 1)):
            status = B.FILLED if ref != exit_ref(entry, Role.STOP, 1) else B.CANCELLED
            tell(log, order_said(ref, status, 10 if status is B.FILLED else 0))
    return log


FIRST = type(REF)(REF[:25] + "AAA")


def test_the_latest_positions_stay_whole() -> None:
    """The oldest of those with nothing working shrinks to a line; all of its ends are still known."""
    log = over_and_done(QUIET_KEPT)
    assert log.orders.retired == {}
    log = over_and_done(QUIET_KEPT + 1)
    assert list(log.orders.retired) == [FIRST]
    assert log.orders.find(FIRST) is None
    assert log.orders.of("p0") == ()
    assert log.orders.end_of(FIRST) == Over(End.FILLED, T0, quantity(10))
    assert log.orders.end_of(exit_ref(FIRST, Role.STOP, 1)) == Over(End.CANCELLED, T0, quantity(0))
    assert log.orders.has_ended(exit_ref(FIRST, Role.TARGET, 1))
    assert not log.orders.has_ended(exit_ref(FIRST, Role.TARGET, 2))
    assert FIRST not in log.orders.generations
    assert log.orders.next_generation(FIRST) == 2
    assert len(log.orders.retired[FIRST]) < 60 * 3
    assert of_json(Orders, to_json(log.orders)) == log.orders


def test_an_order_after_a_long_quiet() -> None:
    """A position whose orders were put away gets another one: a fresh number, and everything is remembered."""
    log = over_and_done(QUIET_KEPT + 1)
    ref = exit_ref(FIRST, Role.CLOSE, log.orders.next_generation(FIRST))
    line = evolve(entry_line(), role=Role.CLOSE, side=Side.SELL)
    log.append(Order(E.RECORDED, "p0", ref, (frame(ref, line),), group_of(FIRST, 2), "decision:9"))
    assert "p0" not in log.orders.quiet
    assert log.orders.next_generation(FIRST) == 3
    assert log.orders.has_ended(FIRST)
    tell(log, order_said(ref, B.FILLED, 10))
    assert list(log.orders.quiet)[-1] == "p0"
    for _ in range(QUIET_KEPT):
        log.orders._retire(next(iter(log.orders.quiet)))
    assert log.orders.retired[FIRST].count(";") == 3
    assert log.orders.end_of(ref) == Over(End.FILLED, T0, quantity(10))
    assert log.orders.next_generation(FIRST) == 3


def test_a_quiet_position_that_works_again_is_not_put_away() -> None:
    """Only what has nothing working is counted as quiet."""
    log = submitted()
    tell(log, *(order_said(ref, B.CANCELLED) for ref in (REF, STOP_REF, TARGET_REF)))
    assert list(log.orders.quiet) == [log.position.position_id]
    line = evolve(entry_line(), role=Role.CLOSE, side=Side.SELL)
    log.append(Order(E.RECORDED, log.position.position_id, CLOSE_REF, (frame(CLOSE_REF, line),)))
    assert log.orders.quiet == {}


@shows("I10")
def test_a_bead_of_a_position_long_over_changes_nothing() -> None:
    """It stays in the log; the slice has nothing to change."""
    log = over_and_done(QUIET_KEPT + 1)
    before = to_json(log.orders)
    log.append(Order(E.CANCEL_SENT, "p0", FIRST))
    assert to_json(log.orders) == before


def test_only_its_own_kind_is_folded() -> None:
    """A bead of another kind changes nothing."""
    orders = Orders()
    orders.fold(Bead(0, T0, "b", Genesis("o", Mode.MOCK, ACCOUNT, "m", 0, "h", "k", "USD"), "l"))
    assert orders == Orders()
