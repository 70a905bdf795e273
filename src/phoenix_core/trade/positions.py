"""Every position: what it is now, how it is written down, and how it is found again.

A position is its latest bead (`Open`); its next one is made by `changed` from that and an event of the table of
`transitions.py`, and taken in by `Positions`, where a bead that the table does not allow is a bug. An ended one shrinks
to a small record, found by id, intent or reference for as long as the desk lives: a late fact must know whose it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final, TypedDict, Unpack

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, Outcome, Position, PositionEvent, Proof
from phoenix_core.orders import REF_LENGTH
from phoenix_core.records import evolve
from phoenix_core.trade.transitions import BIRTHS, SENT, TERMINAL, TRANSITIONS
from phoenix_core.values import (
    ARITHMETIC,
    ZERO,
    IntentId,
    Money,
    OrderRef,
    PositionId,
    Price,
    Quantity,
    Side,
    State,
    derived_id,
    divide,
    times,
)


@frozen
class Open:
    """A position that has not ended: its latest bead, and when what happened."""

    last: Position
    seq: int
    born_at: datetime
    since: datetime  # in this state
    approved_at: datetime | None = None
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
    def order_ref(self) -> OrderRef:
        """The 28 characters of its entry; empty until a human has signed."""
        return OrderRef(self.last.order_ref or "")

    @property
    def token_id(self) -> str | None:
        """The token that its entry is sent on."""
        return self.last.token_id

    @property
    def entry_price(self) -> Price:
        """Where the plan meant to enter."""
        return self.last.entry_price

    @property
    def stop_price(self) -> Price:
        """Where the plan gives up."""
        return self.last.stop_price

    @property
    def target_price(self) -> Price:
        """Where the plan is done."""
        return self.last.target_price

    @property
    def average_entry(self) -> Price | None:
        """What its entry executed at, on average."""
        return self.last.average_entry

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
    def entry_working(self) -> bool:
        """Whether its entry was sent and has no end yet."""
        return self.last.entry_working

    @property
    def entry_may_fill(self) -> bool:
        """Whether more may still be bought (or sold) on its one approval."""
        return self.state is State.APPROVED or self.entry_working

    @property
    def closing(self) -> bool:
        """Whether nothing is held any more, and something still works."""
        return self.last.closing


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
    reasons: tuple[str, ...] = ()  # why it ended, where its end had reasons: passed, expired, refused by the broker


@frozen
class Traded:
    """What one bead added to a trading session: an entry that left, or money that was realised."""

    at: datetime
    position_id: str
    entries: int
    realized: Money


# A trading session, its weekend and a holiday: nobody asks for the sums of anything longer ago.
TRADED_KEPT: Final = timedelta(days=5)


@define
class Positions:
    """Every position there ever was: open ones whole, ended ones as small records that can still be found."""

    open: dict[str, Open] = Factory(dict)
    ended: dict[str, Ended] = Factory(dict)
    by_ref: dict[str, str] = Factory(dict)  # the entry's 28 characters -> position, open or ended
    by_state: dict[State, dict[str, datetime]] = Factory(dict)  # open ones -> since when, oldest first
    by_pair: dict[str, dict[str, bool]] = Factory(dict)  # those that the broker may know of: keys alone, always True
    nets: dict[str, Decimal] = Factory(dict)  # what is held, signed, by instrument; zeros are left out
    lately: list[Traded] = Factory(list)

    def fold(self, bead: Bead) -> None:
        """Fold POSITION. A bead that the table does not allow is a bug of ours, wherever it came from."""
        body = bead.body
        if not isinstance(body, Position):
            return
        name = body.position_id
        was = self.open.pop(name, None)
        _assert_legal(body, was, name in self.ended)
        if was is not None:
            del self.by_state[was.state][name]
        now = _next(body, was, bead)
        self._count(was, now, bead)
        self._hold(was, now)
        if body.order_ref is not None:
            self.by_ref[body.order_ref] = name
        if body.state in TERMINAL:
            self._retire(now)
        else:
            self.open[name] = now
            self.by_state.setdefault(body.state, {})[name] = now.since

    def open_of_intent(self, intent_id: str) -> Open | None:
        """The open position of an intent."""
        return self.open.get(position_id_of(intent_id))

    def of_intent(self, intent_id: str) -> Open | Ended | None:
        """The position of an intent, open or ended."""
        return self.find(position_id_of(intent_id))

    def open_of_ref(self, ref: str) -> Open | None:
        """The open position that an order of ours belongs to, by the first 28 characters of its reference."""
        return self.open.get(self.by_ref.get(ref[:REF_LENGTH], ""))

    def ended_of_ref(self, ref: str) -> Ended | None:
        """The ended position that an order of ours belonged to."""
        return self.ended.get(self.by_ref.get(ref[:REF_LENGTH], ""))

    def find(self, name: str) -> Open | Ended | None:
        """A position by its id, or by that of its intent."""
        position_id = name if name in self.open or name in self.ended else position_id_of(name)
        return self.open.get(position_id) or self.ended.get(position_id)

    def in_state(self, state: State) -> tuple[Open, ...]:
        """The open positions in a state, longest there first."""
        names = self.by_state.get(state)
        return tuple([self.open[name] for name in names]) if names else ()

    def net(self, pair: str) -> Decimal:
        """What the desk holds of an instrument by its own executions, signed."""
        return self.nets.get(pair, ZERO)

    def _count(self, was: Open | None, now: Open, bead: Bead) -> None:
        before = ZERO if was is None else was.last.realized or ZERO
        gained = ARITHMETIC.subtract(now.last.realized or ZERO, before)
        entries = 1 if now.last.event is PositionEvent.SUBMITTED else 0
        if entries or gained:
            self.lately.append(Traded(bead.ts, now.position_id, entries, Money(gained)))
            while self.lately[0].at < bead.ts - TRADED_KEPT:
                del self.lately[0]

    def _hold(self, was: Open | None, now: Open) -> None:
        change = now.held if was is None else ARITHMETIC.subtract(now.held, was.held)
        if change:
            net = ARITHMETIC.add(self.net(now.pair), times(Decimal(now.side.sign), change))
            self.nets[now.pair] = net
            if net == 0:
                del self.nets[now.pair]
        known = self.by_pair.setdefault(now.pair, {})
        if now.state in SENT:
            known[now.position_id] = True
        else:
            _ = known.pop(now.position_id, None)
        if not known:
            del self.by_pair[now.pair]

    def _retire(self, now: Open) -> None:
        last = now.last
        self.ended[last.position_id] = Ended(
            last.intent_id,
            last.state,
            last.order_ref,
            last.strategy,
            last.pair,
            last.outcome,
            last.realized,
            now.seq,
            last.reasons,
        )


def _assert_legal(body: Position, was: Open | None, ended: bool) -> None:
    """The positive rule, at every write and every replay."""
    assert not ended, f"position {body.position_id} has ended and is never touched again"
    assert body.filled_quantity >= 0 and body.exited_quantity >= 0, "an executed quantity has no sign"
    if was is None:
        born = (body.event, body.state) in BIRTHS.items()
        assert body.from_ is None and born, f"no position is born {body.state} by {body.event}"
    else:
        to = was.state if body.event is None else TRANSITIONS.get((was.state, body.event))
        assert body.from_ is was.state, f"a position that is {was.state} cannot come from {body.from_}"
        assert to is body.state, f"{body.event} does not lead from {was.state} to {body.state}"


def _next(body: Position, was: Open | None, bead: Bead) -> Open:
    if was is None:
        return Open(body, bead.seq, bead.ts, bead.ts, filled_at=bead.ts if body.state is State.FILLED else None)
    moved = {_WHEN[body.event]: bead.ts} if body.event in _WHEN else {}
    return evolve(was, last=body, seq=bead.seq, since=was.since if body.state is was.state else bead.ts, **moved)


_WHEN: Final = {
    PositionEvent.APPROVED: "approved_at",
    PositionEvent.SUBMITTED: "submitted_at",
    PositionEvent.FILLED: "filled_at",
}


# --- what is written --------------------------------------------------------------------------------------------------

# Enough for a person and for every comparison; rounded down, so that what is not full never reads 1.
RATIO_STEP: Final = Decimal("0.000001")


def ratio(filled: Quantity, requested: Quantity) -> Decimal:
    """The filled part of what was requested, 0 to 1, to six places downwards. The quantities beside it are exact."""
    if requested == 0:
        return ZERO
    return min(Decimal(1), divide(filled, requested).quantize(RATIO_STEP, ROUND_FLOOR, ARITHMETIC))


@lru_cache(1024)  # an intent is looked up many times on its way
def position_id_of(intent_id: str) -> PositionId:
    """One intent is one position: the id of the one follows from the id of the other."""
    return PositionId(derived_id("position", intent_id))


class Changes(TypedDict, total=False):
    """What a change may say besides the event; what it does not name stays as it was."""

    reasons: tuple[str, ...]  # of this change alone: never carried on
    order_ref: str | None
    token_id: str | None
    evidence_hash: str | None
    requested_quantity: Quantity
    average_entry: Price | None
    average_exit: Price | None
    entry_working: bool
    closing: bool
    outcome: Outcome | None
    realized: Money | None


def changed(
    position: Open,
    event: PositionEvent | None,
    proof: Proof,
    *,
    filled: Quantity | None = None,
    exited: Quantity | None = None,
    **changes: Unpack[Changes],
) -> Position:
    """The bead of a change, whole. Without an event only quantities (or, with the evidence, the size) changed.

    An event that the table does not allow is a bug of whoever asks: where it may be, `move` is asked before.
    """
    last = position.last
    state = last.state
    if event is not None:
        assert (state, event) in TRANSITIONS, f"ask `move` before: {event} while {state}"
        state = TRANSITIONS[state, event]
    filled = last.filled_quantity if filled is None else filled
    exited = last.exited_quantity if exited is None else exited
    assert event is not PositionEvent.FILLED or filled > 0, "only an execution fills"
    assert event is not PositionEvent.CLOSED or filled == exited, "what is held is not closed"
    assert state not in (State.CANCELLED, State.REJECTED) or filled == exited == 0, "what has traded can only be closed"
    asked: Changes = {"reasons": (), **changes}
    if event is PositionEvent.SUBMITTED:
        asked["entry_working"] = True
    if state in TERMINAL:
        asked["entry_working"] = asked["closing"] = False
    part = ratio(filled, asked.get("requested_quantity", last.requested_quantity))
    return evolve(
        last,
        state=state,
        from_=last.state,
        event=event,
        proof=proof,
        filled_quantity=filled,
        exited_quantity=exited,
        partial_fill_ratio=part,
        **asked,
    )
