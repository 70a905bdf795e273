"""The life of a position: nine states, one table, and no way around it.

A signal is born PROPOSED. A human approves it (a token is issued), the engine sends it (the token is spent in the same
append), and from then on only the broker's word, or a named human's, moves it: to FILLED by the first execution, to
MANAGED once the broker's own echo shows stop and target standing, to CLOSED when nothing is held and nothing works.
Silence never ends an order: a timer can only make it STALLED, which is loud and has no time limit. CANCELLED and
REJECTED after sending need the broker's end with nothing filled, and an executions answer from after it that knows
nothing of the order; else a human decides. CLOSED, CANCELLED and REJECTED are never left: they have no rows.

Whatever is not a row of `TRANSITIONS` is refused, changes nothing, and leaves a bead that says so. Which event a fact
about an entry order amounts to, if any, is the second table, `ANSWERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from attrs import Factory, define, evolve, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.beads import Bead, CanonicalSignal, Outcome, Position, PositionEvent, Proof, ProofKind
from phoenix_core.orders import REF_LENGTH
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import (
    ARITHMETIC,
    NO_QUANTITY,
    ZERO,
    IntentId,
    Money,
    Named,
    OrderRef,
    PositionId,
    Price,
    Quantity,
    Side,
    State,
    derived_id,
    divide,
)

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
# An approval covers this much working life; what is not filled by then gets a cancel request, never an end.
WORKING_LIFE: Final = timedelta(seconds=90)


def move(state: State, event: PositionEvent) -> Result[State, Refusal]:
    """The state that an event leads to; everything that is not in the table is refused and changes nothing."""
    to = TRANSITIONS.get((state, event))
    if to is None:
        return Failure(refusal(Reason.ILLEGAL_TRANSITION, detail=f"{event} while {state}"))
    return Success(to)


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


class Answer(Named):
    """What becomes of a fact that moves nothing."""

    KEEPS = "KEEPS"  # recorded as ORDER or EXECUTION, with no event
    LATE = "LATE"  # outside the order's life: an observation, a CRITICAL drift, a kill where exposure changes
    NOTHING = "NOTHING"  # no bead at all


_SAID = EntrySaid
_IN_LIFE: Final[Mapping[EntrySaid, PositionEvent | Answer]] = {
    **dict.fromkeys(EntrySaid, Answer.KEEPS),
    _SAID.KNOWN: Answer.NOTHING,
}
_WAITING: Final[Mapping[EntrySaid, PositionEvent | Answer]] = {
    **_IN_LIFE,
    _SAID.EXECUTED: _E.FILLED,
    _SAID.CANCEL_PROVEN: _E.CANCELLED,
    _SAID.REJECT_PROVEN: _E.REJECTED,
}
# A broker that speaks of an order which our log has not sent, or has ended, knows something that we do not.
_OUTSIDE: Final[Mapping[EntrySaid, PositionEvent | Answer]] = {
    **dict.fromkeys(EntrySaid, Answer.LATE),
    _SAID.KNOWN: Answer.NOTHING,
}
_BY_STATE: Final[Mapping[State, Mapping[EntrySaid, PositionEvent | Answer]]] = {
    **dict.fromkeys((_S.PROPOSED, _S.APPROVED, *TERMINAL), _OUTSIDE),
    _S.SUBMITTED: _WAITING,
    _S.STALLED: {**_WAITING, _SAID.ACKNOWLEDGED: _E.ACKNOWLEDGED},
    _S.FILLED: _IN_LIFE,
    _S.MANAGED: _IN_LIFE,
}
# The second table: (state, what was said of the entry) -> the event that it is, or what becomes of it instead.
ANSWERS: Final[Mapping[tuple[State, EntrySaid], PositionEvent | Answer]] = {
    (state, said): _BY_STATE[state][said] for state in State for said in EntrySaid
}


def entry_answer(state: State, said: EntrySaid) -> PositionEvent | Answer:
    """Which event a fact about the entry is (the table above then moves), or KEEPS, LATE, NOTHING."""
    return ANSWERS[state, said]


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


# --- the slice --------------------------------------------------------------------------------------------------------


@frozen
class Open:
    """A position that has not ended: its latest bead, and when what happened."""

    last: Position
    seq: int
    born_at: datetime
    since: datetime  # in this state
    submitted_at: datetime | None = None
    filled_at: datetime | None = None

    @property
    def position_id(self) -> PositionId:
        """Its id."""
        return PositionId(self.last.position_id)

    @property
    def intent_id(self) -> IntentId:
        """The intent that it is."""
        return IntentId(self.last.intent_id)

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self.last.state

    @property
    def strategy(self) -> str:
        """Whose idea it was."""
        return self.last.strategy

    @property
    def pair(self) -> str:
        """What is traded."""
        return self.last.pair

    @property
    def side(self) -> Side:
        """The side of its entry."""
        return self.last.side

    @property
    def order_ref(self) -> OrderRef | None:
        """The 28 characters of its entry, once a human has signed."""
        return None if self.last.order_ref is None else OrderRef(self.last.order_ref)

    @property
    def token_id(self) -> str | None:
        """The token that its entry is sent on."""
        return self.last.token_id

    @property
    def requested_quantity(self) -> Quantity:
        """What was asked for."""
        return self.last.requested_quantity

    @property
    def filled_quantity(self) -> Quantity:
        """What its entry executed."""
        return self.last.filled_quantity

    @property
    def exited_quantity(self) -> Quantity:
        """What its exits executed."""
        return self.last.exited_quantity

    @property
    def held(self) -> Decimal:
        """What is left of it; below zero where exits executed more than entries did."""
        return ARITHMETIC.subtract(self.filled_quantity, self.exited_quantity)

    @property
    def entry_may_fill(self) -> bool:
        """Whether more may still be bought (or sold) on its one approval."""
        return self.state in (State.APPROVED, State.SUBMITTED, State.STALLED) or self.last.entry_working


@frozen
class Ended:
    """What is kept of a position that has ended: enough to know a late fact by, and to find the rest in the log."""

    intent_id: str
    state: State
    ref: str | None
    strategy: str
    pair: str
    outcome: Outcome | None
    realized: Money | None
    seq: int


@frozen
class Traded:
    """What one bead added to a trading session: an entry that left, or money that was realised."""

    at: datetime
    entries: int = 0
    realized: Money = Money(ZERO)


# A trading session, its weekend and a holiday: nobody asks for the sums of anything longer ago.
TRADED_KEPT: Final = timedelta(days=5)


@define
class Positions:
    """Every position there ever was: open ones whole, ended ones as small records that can still be found."""

    open: dict[str, Open] = Factory(dict)
    ended: dict[str, Ended] = Factory(dict)
    by_ref: dict[str, str] = Factory(dict)  # the entry's 28 characters -> position, open or ended
    in_state: dict[State, dict[str, datetime]] = Factory(dict)  # open ones -> since when, oldest first
    by_pair: dict[str, tuple[str, ...]] = Factory(dict)  # those that the broker may know of
    held: dict[str, Decimal] = Factory(dict)  # signed, by instrument; what is zero is left out
    traded: dict[int, Traded] = Factory(dict)  # by bead

    def fold(self, bead: Bead) -> None:
        """Fold POSITION. A bead that the table does not allow is a bug of ours, wherever it came from."""
        body = bead.body
        if not isinstance(body, Position):
            return
        was = self.open.pop(body.position_id, None)
        _assert_legal(body, was, body.position_id in self.ended)
        if was is not None:
            del self.in_state[was.state][body.position_id]
        now = _next(body, was, bead)
        self._count(was, now, bead)
        self._hold(was, body)
        if body.order_ref is not None:
            self.by_ref[body.order_ref] = body.position_id
        if body.state in TERMINAL:
            self.ended[body.position_id] = _retired(body, bead.seq)
        else:
            self.open[body.position_id] = now
            self.in_state.setdefault(body.state, {})[body.position_id] = now.since

    def open_of_intent(self, intent_id: str) -> Open | None:
        """The open position of an intent."""
        return self.open.get(position_id_of(intent_id))

    def of_intent(self, intent_id: str) -> Open | Ended | None:
        """The position of an intent, open or ended."""
        return self.find(position_id_of(intent_id))

    def of_ref(self, ref: str) -> Open | Ended | None:
        """The position that an order of ours belongs to, by the first 28 characters of its reference."""
        position_id = self.by_ref.get(ref[:REF_LENGTH])
        return None if position_id is None else self.find(position_id)

    def find(self, position_id: str) -> Open | Ended | None:
        """A position by its id."""
        return self.open.get(position_id) or self.ended.get(position_id)

    def those_in(self, *states: State) -> tuple[Open, ...]:
        """The open positions in these states, longest there first within each."""
        return tuple(self.open[name] for state in states for name in self.in_state.get(state, {}))

    def net(self, pair: str) -> Decimal:
        """What the desk holds of an instrument by its own executions, signed."""
        return self.held.get(pair, ZERO)

    def traded_since(self, start: datetime) -> Traded:
        """Entries that left and money realised since the trading session began."""
        entries, realized = 0, ZERO
        for traded in self.traded.values():
            if traded.at >= start:
                entries, realized = entries + traded.entries, ARITHMETIC.add(realized, traded.realized)
        return Traded(start, entries, Money(realized))

    def _count(self, was: Open | None, now: Open, bead: Bead) -> None:
        before = ZERO if was is None else was.last.realized or ZERO
        gained = ARITHMETIC.subtract(now.last.realized or ZERO, before)
        entries = 1 if now.last.event is PositionEvent.SUBMITTED else 0
        if entries or gained:
            self.traded[bead.seq] = Traded(bead.ts, entries, Money(gained))
            for seq in [seq for seq, traded in self.traded.items() if traded.at < bead.ts - TRADED_KEPT]:
                del self.traded[seq]

    def _hold(self, was: Open | None, body: Position) -> None:
        held = ARITHMETIC.subtract(body.filled_quantity, body.exited_quantity)
        change = held if was is None else ARITHMETIC.subtract(held, was.held)
        net = ARITHMETIC.add(self.net(body.pair), ARITHMETIC.multiply(body.side.sign, change))
        self.held[body.pair] = net
        if net == 0:
            del self.held[body.pair]
        others = tuple(name for name in self.by_pair.pop(body.pair, ()) if name != body.position_id)
        if body.state in SENT:
            others = (*others, body.position_id)
        if others:
            self.by_pair[body.pair] = others


def _assert_legal(body: Position, was: Open | None, ended: bool) -> None:
    """The positive rule, at every write and every replay."""
    assert not ended, f"position {body.position_id} has ended and is never touched again"
    assert body.filled_quantity >= 0 and body.exited_quantity >= 0, "an executed quantity has no sign"
    if was is None:
        born = None if body.event is None else BIRTHS.get(body.event)
        assert body.from_ is None and born is body.state, f"no position is born {body.state} by {body.event}"
    else:
        to = was.state if body.event is None else TRANSITIONS.get((was.state, body.event))
        assert body.from_ is was.state, f"a position that is {was.state} cannot come from {body.from_}"
        assert to is body.state, f"{body.event} does not lead from {was.state} to {body.state}"


def _next(body: Position, was: Open | None, bead: Bead) -> Open:
    filled_at = bead.ts if body.state is State.FILLED else None
    if was is None:
        return Open(body, bead.seq, bead.ts, bead.ts, filled_at=filled_at)
    submitted_at = bead.ts if body.event is PositionEvent.SUBMITTED else was.submitted_at
    since = was.since if body.state is was.state else bead.ts
    return Open(body, bead.seq, was.born_at, since, submitted_at, was.filled_at or filled_at)


def _retired(body: Position, seq: int) -> Ended:
    return Ended(
        body.intent_id, body.state, body.order_ref, body.strategy, body.pair, body.outcome, body.realized, seq
    )


# --- what is written --------------------------------------------------------------------------------------------------

# Enough for a person and for every comparison; rounded down, so that what is not full never reads 1.
RATIO_STEP: Final = Decimal("0.000001")


def fill_ratio(filled: Quantity, requested: Quantity) -> Decimal:
    """The filled part of what was requested, 0 to 1, to six places downwards. The quantities beside it are exact."""
    if requested == 0:
        return ZERO
    return min(Decimal(1), divide(filled, requested).quantize(RATIO_STEP, ROUND_FLOOR, ARITHMETIC))


def position_id_of(intent_id: str) -> PositionId:
    """One intent is one position: the id of the one follows from the id of the other."""
    return PositionId(derived_id("position", intent_id))


def born(signal: CanonicalSignal) -> Position:
    """The birth of a position by an accepted signal."""
    return Position(
        position_id=position_id_of(signal.intent_id),
        intent_id=signal.intent_id,
        state=State.PROPOSED,
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        pair=signal.pair,
        side=signal.side,
        entry_price=signal.entry,
        stop_price=signal.stop,
        target_price=signal.target,
        partial_fill_ratio=ZERO,
        filled_quantity=NO_QUANTITY,
        requested_quantity=signal.quantity if signal.quantity is not None else NO_QUANTITY,
        exited_quantity=NO_QUANTITY,
        proof=Proof(ProofKind.RULE, signal.signal_id),
        event=PositionEvent.PROPOSED,
    )
