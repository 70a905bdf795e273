"""The second table, cell by cell: what a broker's fact about an entry amounts to in each state."""

from __future__ import annotations

from itertools import product

import pytest

from phoenix_core.beads import Order, OrderEvent, PositionEvent
from phoenix_core.trade.answers import ANSWERS, EntrySaid, Instead, entry_answer, entry_proven, entry_said
from phoenix_core.trade.order_life import End
from phoenix_core.trade.transitions import TERMINAL, TRANSITIONS
from phoenix_core.values import State
from tests.showing import shows

# A capital first letter is an event of the first table.
BY_HAND = """
               PROPOSED  APPROVED  SUBMITTED  STALLED       FILLED   MANAGED  CLOSED   CANCELLED  REJECTED
ACKNOWLEDGED   LATE      LATE      KEEPS      Acknowledged  KEEPS    KEEPS    LATE     LATE       LATE
ANNOTATED      LATE      LATE      KEEPS      KEEPS         KEEPS    KEEPS    LATE     LATE       LATE
EXECUTED       LATE      LATE      Filled     Filled        KEEPS    KEEPS    LATE     LATE       LATE
BUSTED         LATE      LATE      KEEPS      KEEPS         KEEPS    KEEPS    LATE     LATE       LATE
FILLED_WORD    LATE      LATE      KEEPS      KEEPS         KEEPS    KEEPS    LATE     LATE       LATE
ENDED          LATE      LATE      KEEPS      KEEPS         KEEPS    KEEPS    LATE     LATE       LATE
CANCEL_PROVEN  LATE      LATE      Cancelled  Cancelled     KEEPS    KEEPS    LATE     LATE       LATE
REJECT_PROVEN  LATE      LATE      Rejected   Rejected      KEEPS    KEEPS    LATE     LATE       LATE
KNOWN          NOTHING   NOTHING   NOTHING    NOTHING       NOTHING  NOTHING  NOTHING  NOTHING    NOTHING
"""


def by_hand() -> dict[tuple[State, EntrySaid], PositionEvent | Instead]:
    """The table above, cell by cell."""
    head, *rows = BY_HAND.strip("\n").splitlines()
    states = [State(name) for name in head.split()]
    cells: dict[tuple[State, EntrySaid], PositionEvent | Instead] = {}
    for row in rows:
        said, *found = row.split()
        for state, cell in zip(states, found, strict=True):
            cells[state, EntrySaid(said)] = Instead(cell) if cell.isupper() else PositionEvent(cell)
    return cells


@shows("S32-SEAM-03")
@pytest.mark.parametrize(("state", "said"), list(product(State, EntrySaid)))
def test_every_pair(state: State, said: EntrySaid) -> None:
    """Each pair of the whole table, against the one written by hand."""
    assert entry_answer(state, said) is by_hand()[state, said]


def test_the_table_is_whole() -> None:
    """Nine states by nine facts, none left to a default."""
    assert set(ANSWERS) == set(product(State, EntrySaid)) == set(by_hand())


def test_what_moves_is_a_row_of_the_first_table() -> None:
    """No answer of this table asks the other for a transition that it refuses."""
    moves = {(state, answer) for (state, _), answer in ANSWERS.items() if isinstance(answer, PositionEvent)}
    assert moves
    assert moves <= set(TRANSITIONS)


@shows("I10", "F30")
def test_after_an_end_nothing_moves_and_nothing_is_dropped() -> None:
    """A fact that is news after an end is always LATE: told, never swallowed, and the end stays."""
    for state, said in product(TERMINAL, EntrySaid):
        expected = Instead.NOTHING if said is EntrySaid.KNOWN else Instead.LATE
        assert entry_answer(state, said) is expected


@shows("I9", "M9", "M10")
def test_an_end_needs_its_proof() -> None:
    """The broker's end alone keeps: only with an executions answer from after it does a position end unfilled."""
    ends = (PositionEvent.CANCELLED, PositionEvent.REJECTED)
    by = {said for (_, said), answer in ANSWERS.items() if answer in ends}
    assert by == {EntrySaid.CANCEL_PROVEN, EntrySaid.REJECT_PROVEN}


@pytest.mark.parametrize(
    ("event", "status", "expected"),
    [
        (OrderEvent.ACKNOWLEDGED, "SUBMITTED", EntrySaid.ACKNOWLEDGED),
        (OrderEvent.CHANGED, "SUBMITTED", EntrySaid.ANNOTATED),
        (OrderEvent.HELD, None, EntrySaid.ANNOTATED),
        (OrderEvent.INACTIVE, "INACTIVE", EntrySaid.ANNOTATED),
        (OrderEvent.UNKNOWN, None, EntrySaid.ANNOTATED),
        (OrderEvent.CANCEL_REFUSED, None, EntrySaid.ANNOTATED),
        (OrderEvent.CHANGE_REFUSED, None, EntrySaid.ANNOTATED),
        (OrderEvent.CHANGED, "FILLED", EntrySaid.ANNOTATED),
        (OrderEvent.ENDED, "FILLED", EntrySaid.FILLED_WORD),
        (OrderEvent.ENDED, "CANCELLED", EntrySaid.ENDED),
        (OrderEvent.ENDED, "REJECTED", EntrySaid.ENDED),
    ],
)
def test_what_a_bead_about_the_entry_amounts_to(event: OrderEvent, status: str | None, expected: EntrySaid) -> None:
    """Every bead that a broker's word makes has its place in the table; `Filled` alone fills nothing."""
    assert entry_said(Order(event, "p", "r", status=status)) is expected


def test_how_a_proven_end_reads() -> None:
    """A refusal stays a refusal once it is proven."""
    assert entry_proven(End.CANCELLED) is EntrySaid.CANCEL_PROVEN
    assert entry_proven(End.REJECTED) is EntrySaid.REJECT_PROVEN
