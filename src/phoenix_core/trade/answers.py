"""What a fact about an entry order amounts to: an event of the table, something to keep, or a word that comes late.

A broker's fact arrives in any state. Three answers are possible, chosen here and nowhere else from (state, fact):

    an event  the table of `transitions.py` moves the position
    KEEPS     recorded as ORDER or EXECUTION, with no event: executions, corrections and the end of the remainder of
              what is filled already, an acknowledgement of what is sent
    LATE      outside the order's life: an observation, a CRITICAL drift and, where it changes exposure, a kill

A known fact again is NOTHING: it leaves no bead, in no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from phoenix_core.beads import Order, OrderEvent, PositionEvent
from phoenix_core.trade.order_life import End
from phoenix_core.trade.transitions import TERMINAL
from phoenix_core.values import Named, State


class EntrySaid(Named):
    """What a broker's fact about an entry order amounts to, once it is known to be news."""

    ACKNOWLEDGED = "ACKNOWLEDGED"  # working, with a permanent id
    ANNOTATED = "ANNOTATED"  # held, inactive, pending, another echo: something to know, no end
    EXECUTED = "EXECUTED"  # an execution, or a correction that leaves something filled
    BUSTED = "BUSTED"  # a correction that leaves nothing filled
    FILLED_WORD = "FILLED_WORD"  # `Filled` without its executions: these are asked for, and they count
    ENDED = "ENDED"  # cancelled or refused by the broker's word; what it filled is not yet proven
    CANCEL_PROVEN = "CANCEL_PROVEN"  # ended, nothing filled, and an executions answer from after it agrees
    REJECT_PROVEN = "REJECT_PROVEN"  # the same of an order that the broker refused
    KNOWN = "KNOWN"  # a known fact again


class Instead(Named):
    """What becomes of a fact that moves nothing."""

    KEEPS = "KEEPS"  # recorded as ORDER or EXECUTION, with no event
    LATE = "LATE"  # outside the order's life: an observation, a CRITICAL drift, a kill where exposure changes
    NOTHING = "NOTHING"  # no bead at all


_S, _E, _SAID = State, PositionEvent, EntrySaid
_IN_LIFE: Final[Mapping[EntrySaid, PositionEvent | Instead]] = {
    **dict.fromkeys(EntrySaid, Instead.KEEPS),
    _SAID.KNOWN: Instead.NOTHING,
}
_WAITING: Final[Mapping[EntrySaid, PositionEvent | Instead]] = {
    **_IN_LIFE,
    _SAID.EXECUTED: _E.FILLED,
    _SAID.CANCEL_PROVEN: _E.CANCELLED,
    _SAID.REJECT_PROVEN: _E.REJECTED,
}
# A broker that speaks of an order which our log has not sent, or has ended, knows something that we do not.
_OUTSIDE: Final[Mapping[EntrySaid, PositionEvent | Instead]] = {
    **dict.fromkeys(EntrySaid, Instead.LATE),
    _SAID.KNOWN: Instead.NOTHING,
}
_BY_STATE: Final[Mapping[State, Mapping[EntrySaid, PositionEvent | Instead]]] = {
    **dict.fromkeys((_S.PROPOSED, _S.APPROVED, *TERMINAL), _OUTSIDE),
    _S.SUBMITTED: _WAITING,
    _S.STALLED: {**_WAITING, _SAID.ACKNOWLEDGED: _E.ACKNOWLEDGED},
    _S.FILLED: _IN_LIFE,
    _S.MANAGED: _IN_LIFE,
}
# The second table: (state, what was said of the entry) -> the event that it is, or what becomes of it instead.
ANSWERS: Final[Mapping[tuple[State, EntrySaid], PositionEvent | Instead]] = {
    (state, said): _BY_STATE[state][said] for state in State for said in EntrySaid
}


def entry_answer(state: State, said: EntrySaid) -> PositionEvent | Instead:
    """Which event a fact about the entry is (the table above then moves), or KEEPS, LATE, NOTHING."""
    return ANSWERS[state, said]


_SAID_BY: Final[Mapping[OrderEvent, EntrySaid]] = {
    OrderEvent.ACKNOWLEDGED: EntrySaid.ACKNOWLEDGED,
    OrderEvent.CHANGED: EntrySaid.ANNOTATED,
    OrderEvent.HELD: EntrySaid.ANNOTATED,
    OrderEvent.INACTIVE: EntrySaid.ANNOTATED,
    OrderEvent.UNKNOWN: EntrySaid.ANNOTATED,
    OrderEvent.CANCEL_REFUSED: EntrySaid.ANNOTATED,
    OrderEvent.CHANGE_REFUSED: EntrySaid.ANNOTATED,
    OrderEvent.ENDED: EntrySaid.ENDED,
}
_PROVEN: Final = {End.CANCELLED: EntrySaid.CANCEL_PROVEN, End.REJECTED: EntrySaid.REJECT_PROVEN}


def entry_said(order: Order) -> EntrySaid:
    """What the bead that a fact about the entry makes (`order_words.news`) amounts to."""
    if order.event is OrderEvent.ENDED and order.status == End.FILLED.value:
        return EntrySaid.FILLED_WORD
    return _SAID_BY[order.event]


def entry_proven(end: End) -> EntrySaid:
    """What an end amounts to once an executions answer agrees that nothing was filled."""
    return _PROVEN[end]
