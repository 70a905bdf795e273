"""What the judges of the simulation ask of time: nothing that has a span ends before it, and nothing outlives it.

Each span is written down here a second time. A clock that was set back, another boot and another run may end anything
early; a wall that jumped forward may say that a span is over, as the ticks may: what neither says is not so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import Factory, define, frozen

from phoenix_cli.wiring.sim.ledger import Found, Ledger
from phoenix_core.beads import (
    Bead,
    IbkrSession,
    Lease,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Signal,
    T2Token,
    TokenEvent,
)
from phoenix_core.values import WALL_BACK_MAX, Role, State

TOKEN_LIFE: Final = timedelta(minutes=5)
PROPOSAL_LIFE: Final = timedelta(minutes=30)
ANSWER_WITHIN: Final = timedelta(seconds=60)
WORKING_LIFE: Final = timedelta(seconds=90)
COVERED: Final = "an approval covers 90 s of working life"
BACKOFF: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45))


@frozen
class Since:
    """When something began: its bead, by both clocks."""

    wall: datetime
    ticks: timedelta
    boot: str

    def early(self, wall: datetime, ticks: timedelta, boot: str, span: timedelta) -> bool:
        """Whether neither clock says that the span is over, and nothing is in doubt."""
        told = boot != self.boot or wall < self.wall - WALL_BACK_MAX
        return not told and wall - self.wall < span and ticks - self.ticks < span

    def late(self, wall: datetime, span: timedelta) -> bool:
        """Whether the wall says that it was over a while ago, or cannot say."""
        return wall - self.wall > span


@define
class Times:
    """Every span that runs, since when."""

    ledger: Ledger
    tokens: dict[str, Since] = Factory(dict)
    recorded: dict[str, Since] = Factory(dict)  # by reference of an entry
    unanswered: dict[str, Since] = Factory(dict)  # SUBMITTED positions of whose entry the broker said nothing yet
    entries: dict[str, str] = Factory(dict)  # references -> positions
    expires: dict[str, datetime] = Factory(dict)  # by intent
    proposed: dict[str, Since] = Factory(dict)  # by intent, while it is PROPOSED
    lost: Since | None = None  # since when the next attempt waits; None: it may come at once
    fresh: bool = True  # a run that has not tried yet

    def judge(self, bead: Bead) -> Found:
        """What one more bead says of a span."""
        judge = _TAKE.get(type(bead.body))
        for said in judge(self, bead.body, bead) if judge is not None else ():
            yield "I17", f"bead {bead.seq}: {said}"

    def late(self) -> Iterator[str]:
        """What outlived its span by the wall, as this moment has it."""
        now = self.ledger.clock.now().wall
        for intent, since in self.proposed.items():
            if since.late(now, PROPOSAL_LIFE):
                yield f"{intent} waits for a decision for longer than half an hour"
        for position, since in self.unanswered.items():
            if since.late(now, ANSWER_WITHIN):
                yield f"{position} is SUBMITTED, and nobody answered for more than a minute"

    def _since(self, bead: Bead) -> Since:
        now = self.ledger.clock.now()
        return Since(bead.ts, now.ticks, now.boot)

    def _early(self, since: Since | None, bead: Bead, span: timedelta) -> bool:
        now = self.ledger.clock.now()
        return since is not None and since.early(bead.ts, now.ticks, now.boot, span)


def _signal(times: Times, body: Signal, bead: Bead) -> Iterator[str]:
    if body.signal is not None and body.expires_at is not None:
        times.expires[body.signal.intent_id] = body.expires_at
        if body.expires_at != bead.ts + PROPOSAL_LIFE:
            yield f"a proposal that waits until {body.expires_at}"


def _token(times: Times, body: T2Token, bead: Bead) -> Iterator[str]:
    if body.event is TokenEvent.ISSUED:
        times.tokens[body.id] = Since(body.timestamp, body.ticks, body.boot)
        if body.expires_at != bead.ts + TOKEN_LIFE:
            yield f"a token that lives until {body.expires_at}"
    elif body.event is TokenEvent.EXPIRED:
        same = body.epoch == times.ledger.epoch
        if same and times._early(times.tokens.get(body.id), bead, TOKEN_LIFE):
            yield f"token {body.id} is over before its time"


def _position(times: Times, body: Position, bead: Bead) -> Iterator[str]:
    if body.state is State.PROPOSED:
        _ = times.proposed.setdefault(body.intent_id, times._since(bead))
    else:
        _ = times.proposed.pop(body.intent_id, None)
    if body.event is PositionEvent.SUBMITTED:
        times.unanswered[body.position_id] = times._since(bead)
    elif body.state is not State.SUBMITTED:
        _ = times.unanswered.pop(body.position_id, None)
    if body.event is PositionEvent.WITHDRAWN and "PROPOSAL_EXPIRED" in body.reasons:
        if bead.ts < times.expires[body.intent_id]:
            yield f"{body.intent_id} expires before its time"
    if body.event is PositionEvent.STALLED and "NO_ACK" in body.reasons:
        if times._early(times.recorded.get(body.order_ref or ""), bead, ANSWER_WITHIN):
            yield f"{body.position_id} is STALLED before its minute is over"


def _order(times: Times, body: Order, bead: Bead) -> Iterator[str]:
    for frame in body.frames if body.event is OrderEvent.RECORDED else ():
        if frame.line.role is Role.ENTRY:
            times.recorded[frame.ref] = times._since(bead)
            times.entries[frame.ref] = body.position_id
    if body.event not in (OrderEvent.RECORDED, OrderEvent.SENT, OrderEvent.CANCEL_REQUESTED, OrderEvent.CANCEL_SENT):
        _ = times.unanswered.pop(times.entries.get(body.ref, ""), None)
    if body.event is OrderEvent.CANCEL_REQUESTED and body.reason == COVERED:
        if times._early(times.recorded.get(body.ref), bead, WORKING_LIFE):
            yield f"{body.ref} is asked to end before its working life is over"


def _session(times: Times, body: IbkrSession, bead: Bead) -> Iterator[str]:
    """The waits of a link that went: what a human granted, and a new run's first attempt, waits for nothing."""
    if body.outcome == "FAILED" and not times.fresh:
        if times._early(times.lost, bead, BACKOFF[body.reconnect_attempt - 1]):
            yield f"attempt {body.reconnect_attempt} to connect came before its wait was over"
    times.fresh = times.fresh and body.outcome not in ("FAILED", "CLIENT_ID_TAKEN", "CONNECTED")
    waits = body.outcome in ("LOST", "FAILED", "CLIENT_ID_TAKEN")
    times.lost = times._since(bead) if waits else None


def _lease(times: Times, body: Lease, bead: Bead) -> Iterator[str]:
    times.fresh = True
    yield from ()


_TAKE: Final[dict[type, Callable[[Times, Any, Bead], Iterator[str]]]] = {
    Signal: _signal,
    T2Token: _token,
    Position: _position,
    Order: _order,
    IbkrSession: _session,
    Lease: _lease,
}
