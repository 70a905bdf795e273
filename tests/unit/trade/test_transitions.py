"""The table of the nine states against one written by hand, and the whole graph that it makes."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from returns.pipeline import is_successful

from phoenix_core.beads import PositionEvent
from phoenix_core.refusals import Reason
from phoenix_core.trade.transitions import (
    BIRTHS,
    SENT,
    STALLED_AFTER,
    SUBMIT_TIMEOUT,
    TERMINAL,
    TRANSITIONS,
    WORKING_LIFE,
    Ending,
    ending,
    move,
)
from phoenix_core.values import State
from tests.showing import shows
from tests.unit.trade.samples import quantity

S, E = State, PositionEvent

# From top to bottom: the event. From left to right: the state. A dot is a refusal.
COLUMNS = (S.PROPOSED, S.APPROVED, S.SUBMITTED, S.STALLED, S.FILLED, S.MANAGED, S.CLOSED, S.CANCELLED, S.REJECTED)
BY_HAND = """
                PROPOSED   APPROVED   SUBMITTED  STALLED    FILLED     MANAGED    CLOSED     CANCELLED  REJECTED
Proposed        .          .          .          .          .          .          .          .          .
Adopted         .          .          .          .          .          .          .          .          .
Approved        APPROVED   .          .          .          .          .          .          .          .
Passed          CANCELLED  .          .          .          .          .          .          .          .
Withdrawn       CANCELLED  CANCELLED  .          .          .          .          .          .          .
Submitted       .          SUBMITTED  .          .          .          .          .          .          .
TokenExpired    .          CANCELLED  .          .          .          .          .          .          .
Withheld        .          .          CANCELLED  .          .          .          .          .          .
Filled          .          .          FILLED     FILLED     .          .          .          .          .
Stalled         .          .          STALLED    .          .          .          .          .          .
Acknowledged    .          .          .          SUBMITTED  .          .          .          .          .
Rejected        .          .          REJECTED   REJECTED   .          .          .          .          .
Cancelled       .          .          CANCELLED  CANCELLED  .          .          .          .          .
Protected       .          .          .          .          MANAGED    .          .          .          .
Closed          .          .          .          .          CLOSED     CLOSED     .          .          .
"""


def by_hand() -> dict[tuple[State, PositionEvent], State | None]:
    """The table above, cell by cell."""
    head, *rows = BY_HAND.strip("\n").splitlines()
    assert tuple(head.split()) == tuple(state.value for state in COLUMNS)
    cells: dict[tuple[State, PositionEvent], State | None] = {}
    for row in rows:
        event, *found = row.split()
        for state, cell in zip(COLUMNS, found, strict=True):
            cells[state, PositionEvent(event)] = None if cell == "." else State(cell)
    return cells


@shows("INV-POSITION-SM-1", "S32-LIF-15", "CV_S32_LIFECYCLE_INVALID")
class TestOnlyListedTransitions:
    """INV-POSITION-SM-1: Only listed transitions are possible."""

    def test_the_matrix_written_by_hand_is_whole(self) -> None:
        """Nine states by fifteen events: nothing is left to a default."""
        assert set(by_hand()) == set(product(State, PositionEvent))
        assert len(by_hand()) == 9 * 15

    @pytest.mark.parametrize(("state", "event"), list(product(State, PositionEvent)))
    def test_every_pair(self, state: State, event: PositionEvent) -> None:
        """Each pair of the whole matrix leads where the hand-written one says, or is refused by name."""
        expected = by_hand()[state, event]
        moved = move(state, event)
        if expected is None:
            assert moved.failure().reasons == (Reason.ILLEGAL_TRANSITION,)
            assert moved.failure().detail == f"{event} while {state}"
        else:
            assert is_successful(moved)
            assert moved.unwrap() is expected

    def test_proposed_does_not_close(self) -> None:
        """The documents' own example: PROPOSED to CLOSED is refused."""
        assert move(S.PROPOSED, E.CLOSED).failure().headline is Reason.ILLEGAL_TRANSITION


@shows("S32-LIF-02", "S32-LIF-03")
def test_there_are_nine_states() -> None:
    """Nine, and no tenth: EXPIRED is an event of a token."""
    assert [state.value for state in State] == [state.value for state in COLUMNS]


@shows(
    *("S32-LIF-04", "S32-LIF-05", "S32-LIF-06", "S32-LIF-07", "S32-LIF-08", "S32-LIF-09", "S32-LIF-10"),
    *("S32-LIF-11", "S32-LIF-12", "S32-LIF-13", "S32-LIF-14"),
)
@pytest.mark.parametrize(
    ("state", "event", "to"),
    [
        (S.PROPOSED, E.APPROVED, S.APPROVED),
        (S.PROPOSED, E.PASSED, S.CANCELLED),
        (S.APPROVED, E.SUBMITTED, S.SUBMITTED),
        (S.APPROVED, E.TOKEN_EXPIRED, S.CANCELLED),
        (S.SUBMITTED, E.FILLED, S.FILLED),
        (S.SUBMITTED, E.STALLED, S.STALLED),
        (S.SUBMITTED, E.REJECTED, S.REJECTED),
        (S.STALLED, E.CANCELLED, S.CANCELLED),
        (S.STALLED, E.FILLED, S.FILLED),
        (S.FILLED, E.PROTECTED, S.MANAGED),
        (S.MANAGED, E.CLOSED, S.CLOSED),
    ],
)
def test_the_documents_transitions(state: State, event: PositionEvent, to: State) -> None:
    """Each transition that the documents name."""
    assert move(state, event).unwrap() is to


@shows("I10")
def test_terminal_states_have_no_rows() -> None:
    """CLOSED, CANCELLED and REJECTED are never left, and nothing else is a dead end."""
    left = {state for state, _ in TRANSITIONS}
    assert set(State) - left == set(TERMINAL)


def reachable(start: State) -> set[State]:
    """Every state that some events lead to."""
    found, edge = {start}, [start]
    while edge:
        here = edge.pop()
        for (state, _), to in TRANSITIONS.items():
            if state is here and to not in found:
                found.add(to)
                edge.append(to)
    return found


def test_every_state_is_reachable_and_every_one_can_end() -> None:
    """From its birth a position reaches all nine states, and from every open one some end."""
    assert reachable(S.PROPOSED) == set(State)
    for state in State:
        assert reachable(state) & set(TERMINAL)


def test_what_has_filled_can_only_close() -> None:
    """From FILLED on there is no way to CANCELLED or REJECTED: exposure does not vanish."""
    assert reachable(S.FILLED) == {S.FILLED, S.MANAGED, S.CLOSED}


def test_births_stand_outside_the_table() -> None:
    """A birth is no transition: from no state can anything be born."""
    assert BIRTHS == {E.PROPOSED: S.PROPOSED, E.ADOPTED: S.FILLED}
    assert not {event for _, event in TRANSITIONS} & set(BIRTHS)


@shows("INV-POSITION-SUBMITTED-TTL-1")
def test_how_long_silence_may_last() -> None:
    """60 s without an acknowledgement, 30 s without a word of the transport; 90 s are what an approval covers."""
    assert timedelta(seconds=60) == STALLED_AFTER
    assert timedelta(seconds=30) == SUBMIT_TIMEOUT
    assert timedelta(seconds=90) == WORKING_LIFE


def test_what_the_broker_may_know_of() -> None:
    """Those whose order left and that have not ended."""
    assert SENT == (S.SUBMITTED, S.STALLED, S.FILLED, S.MANAGED)


@shows("I9")
def test_only_evidence_leads_out_of_a_sent_order() -> None:
    """A rule of ours (a timer above all) has one event for a sent order: STALLED, which is no end."""
    ours = {E.STALLED, E.WITHHELD, E.TOKEN_EXPIRED, E.WITHDRAWN, E.SUBMITTED, E.APPROVED, E.PASSED}
    led = {to for (state, event), to in TRANSITIONS.items() if state in (S.SUBMITTED, S.STALLED) and event in ours}
    assert led == {S.STALLED, S.CANCELLED}
    assert [key for key in TRANSITIONS if key[0] is S.SUBMITTED and key[1] is E.WITHHELD]
    assert (S.STALLED, E.WITHHELD) not in TRANSITIONS


@pytest.mark.parametrize(
    ("filled", "exited", "ended", "expected"),
    [
        (10, 10, True, Ending.CLOSED),
        (10, 10, False, Ending.CLOSING),
        (10, 4, True, Ending.HOLDS),
        (10, 4, False, Ending.HOLDS),
        (4, 10, True, Ending.HOLDS),  # more was sold than bought: that is no end, it is a drift
        (0, 0, True, Ending.CLOSED),  # busted
        (0, 0, False, Ending.CLOSING),
    ],
)
def test_closed_is_net_zero_and_nothing_working(filled: int, exited: int, ended: bool, expected: Ending) -> None:
    """Net zero with anything working only waits; more or less than zero is no end at all."""
    assert ending(quantity(filled), quantity(exited), ended) is expected
