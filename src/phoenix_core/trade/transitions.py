"""The life of a position: nine states, one table, and no way around it.

A signal is born PROPOSED. A human approves it (a token is issued), the engine sends it (the token is spent in the same
append), and from then on only the broker's word, or a named human's, moves it: to FILLED by the first execution, to
MANAGED once the broker's own echo shows stop and target standing, to CLOSED when nothing is held and nothing works.
Silence never ends an order: a timer can only make it STALLED, which is loud and has no time limit. CANCELLED and
REJECTED after sending need the broker's end with nothing filled, and an executions answer from after it that knows
nothing of the order; else a human decides. CLOSED, CANCELLED and REJECTED are never left: they have no rows.

Whatever is not a row of `TRANSITIONS` is refused, changes nothing, and leaves a bead that says so. Which event a fact
about an entry order amounts to, if any, is the table of `answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from returns.result import Failure, Result, Success

from phoenix_core.beads import PositionEvent
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Named, Quantity, State

_S, _E = State, PositionEvent

TRANSITIONS: Final[Mapping[tuple[State, PositionEvent], State]] = {
    (_S.PROPOSED, _E.APPROVED): _S.APPROVED,  # the token is issued in the same append
    (_S.PROPOSED, _E.PASSED): _S.CANCELLED,  # the human says no
    (_S.PROPOSED, _E.WITHDRAWN): _S.CANCELLED,  # Reality: stale, killed, expired, superseded before anyone decided
    (_S.APPROVED, _E.SUBMITTED): _S.SUBMITTED,  # the token is spent in the same append
    (_S.APPROVED, _E.TOKEN_EXPIRED): _S.CANCELLED,  # what the documents call EXPIRED
    (_S.APPROVED, _E.WITHDRAWN): _S.CANCELLED,  # Reality: minds change, kills come, contexts age, prices move
    (_S.SUBMITTED, _E.WITHHELD): _S.CANCELLED,  # Reality: the last look refused; only by the run that sent no byte
    (_S.SUBMITTED, _E.FILLED): _S.FILLED,  # the first execution, whole or partial
    (_S.SUBMITTED, _E.STALLED): _S.STALLED,  # no acknowledgement in 60 s, or an outcome that nobody knows
    (_S.SUBMITTED, _E.REJECTED): _S.REJECTED,  # on the broker's evidence only
    (_S.SUBMITTED, _E.CANCELLED): _S.CANCELLED,  # Reality: the broker confirms a cancel with nothing filled
    (_S.STALLED, _E.ACKNOWLEDGED): _S.SUBMITTED,  # Reality: a late acknowledgement of a working order
    (_S.STALLED, _E.FILLED): _S.FILLED,  # a late fill
    (_S.STALLED, _E.REJECTED): _S.REJECTED,  # Reality: a late reject
    (_S.STALLED, _E.CANCELLED): _S.CANCELLED,  # Reality: the broker confirms, or a named operator signs
    (_S.FILLED, _E.PROTECTED): _S.MANAGED,  # the broker's echo of stop and target is the mandate
    (_S.FILLED, _E.CLOSED): _S.CLOSED,  # Reality: closed before protection stood
    (_S.MANAGED, _E.CLOSED): _S.CLOSED,  # by stop, target, time or human
}
# Births stand outside the table: an accepted signal, or a signed adoption of exposure that had no owner.
BIRTHS: Final[Mapping[PositionEvent, State]] = {_E.PROPOSED: _S.PROPOSED, _E.ADOPTED: _S.FILLED}
TERMINAL: Final = (_S.CLOSED, _S.CANCELLED, _S.REJECTED)
SENT: Final = (_S.SUBMITTED, _S.STALLED, _S.FILLED, _S.MANAGED)  # the broker may know of it

# Long enough for a slow broker, short enough that a human hears of silence while it still matters.
STALLED_AFTER: Final = timedelta(seconds=60)
# Not even the transport has said what became of the frames: the outcome is unknown, and nothing is sent again.
SUBMIT_TIMEOUT: Final = timedelta(seconds=30)
# An approval covers this much working life; what is not filled by then gets a cancel request, never an end.
WORKING_LIFE: Final = timedelta(seconds=90)


def move(state: State, event: PositionEvent) -> Result[State, Refusal]:
    """The state that an event leads to; everything that is not in the table is refused and changes nothing."""
    answer = _ANSWERS.get((state, event))
    if answer is None:
        return Failure(refusal(Reason.ILLEGAL_TRANSITION, detail=f"{event} while {state}"))
    return answer


_ANSWERS: Final[Mapping[tuple[State, PositionEvent], Result[State, Refusal]]] = {
    step: Success(to) for step, to in TRANSITIONS.items()
}


class Ending(Named):
    """How near its end a filled position is."""

    HOLDS = "HOLDS"
    CLOSING = "CLOSING"  # nothing held, something still works: it stays as it is, `closing: true`
    CLOSED = "CLOSED"  # nothing held, and the broker confirmed the end of every order


def ending(filled: Quantity, exited: Quantity, all_orders_ended: bool) -> Ending:
    """CLOSED is net zero and nothing working; a bust to zero is net zero too (its outcome is BUSTED)."""
    if filled != exited:
        return Ending.HOLDS
    return Ending.CLOSED if all_orders_ended else Ending.CLOSING
