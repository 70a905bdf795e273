"""Every order of ours that has no end yet, as its beads tell it: what it says, what the broker echoed, what became of it.

An order is known by its reference, never by an order id: those are re-issued after a restart. The broker's word is kept
as it came; the client library's own idea of an order's status never reaches this file.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from attrs import Factory, define, evolve, frozen

from phoenix_core.beads import Bead, Order, OrderEvent
from phoenix_core.facts import BrokerStatus, OrderSaid
from phoenix_core.orders import REF_LENGTH, Frame, Line, parsed_ref
from phoenix_core.values import NO_QUANTITY, Named, Quantity, Role

# The codes that end an order which was never acknowledged. Every other code is an observation: several of them are
# information about an order that is alive, and reading one as an end has cost others a position.
ENDING_CODES: Final = frozenset({103, 106, 107, 109, 110, 111, 133, 200, 201, 203, 321, 434, 460, 10289})
# The codes that say: held, not refused.
HOLDING_CODES: Final = frozenset({399, 404})


class Standing(Named):
    """Where an order stands."""

    RECORDED = "RECORDED"  # durable, its frame not yet accounted for
    SENT = "SENT"
    WORKING = "WORKING"
    HELD = "HELD"
    INACTIVE = "INACTIVE"  # may still fill
    UNKNOWN = "UNKNOWN"
    ENDED = "ENDED"


class End(Named):
    """How an order ended, in the broker's words."""

    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    DROPPED = "DROPPED"  # never left: no byte of it was handed over


@frozen
class Known:
    """An order without an end, or one that ended in a position that has not."""

    ref: str
    position_id: str
    role: Role
    revision: int
    line: Line
    hash: str
    group: str
    mandate: str
    standing: Standing
    recorded_at: datetime
    recorded_seq: int
    sent_at: datetime | None = None
    acknowledged: bool = False
    order_id: int = 0
    session: int = 0
    perm_ids: tuple[int, ...] = ()
    filled: Quantity = NO_QUANTITY
    echo: Line | None = None
    echo_group: str = ""
    cancel_requested_at: datetime | None = None
    cancel_sent_at: datetime | None = None
    end: End | None = None
    ended_at: datetime | None = None
    reason: str = ""

    @property
    def may_execute(self) -> bool:
        """Whether the broker may still execute it: everything that left and has no end, acknowledged or not."""
        return self.end is None and self.standing is not Standing.RECORDED

    @property
    def rest(self) -> Decimal:
        """What may still execute of it."""
        return self.line.quantity - self.filled


@define
class Orders:
    """The orders that work, whole; once everything of a position has ended, only how it ended."""

    open: dict[str, Known] = Factory(dict)  # by reference: without an end
    done: dict[str, Known] = Factory(dict)  # by reference: ended, their position may be open
    of_position: dict[str, list[str]] = Factory(dict)  # position -> references, in order of record
    ends: dict[str, End] = Factory(dict)  # by reference, for ever: a late word is known to be late
    generations: dict[str, int] = Factory(dict)  # 28 characters -> the latest generation of exits

    def fold(self, bead: Bead) -> None:
        """Fold ORDER."""
        body = bead.body
        assert isinstance(body, Order), "orders fold ORDER beads"
        if body.event is OrderEvent.RECORDED:
            for frame in body.frames:
                self._record(bead, body, frame)
            return
        known = self.find(body.ref)
        if known is None:
            return  # of a position that is over: kept in the log, and told as a late fact
        after = _applied(known, body, bead.ts)
        if after.end is None:
            self.open[after.ref] = after
        else:
            _ = self.open.pop(after.ref, None)
            self.done[after.ref] = after
            if all(ref in self.done for ref in self.of_position[after.position_id]):
                self._retire(after.position_id)

    def _record(self, bead: Bead, body: Order, frame: Frame) -> None:
        known = self.open.get(frame.ref)
        if known is not None:
            self.open[frame.ref] = evolve(known, revision=frame.revision, line=frame.line, hash=frame.hash)
            return
        self.open[frame.ref] = Known(
            ref=frame.ref,
            position_id=body.position_id,
            role=frame.line.role,
            revision=frame.revision,
            line=frame.line,
            hash=frame.hash,
            group=body.group or "",
            mandate=body.mandate or "",
            standing=Standing.RECORDED,
            recorded_at=bead.ts,
            recorded_seq=bead.seq,
        )
        self.of_position.setdefault(body.position_id, []).append(frame.ref)
        parsed = parsed_ref(frame.ref)
        if parsed is not None:
            entry, _, generation = parsed
            self.generations[entry] = max(self.generations.get(entry, 0), generation)

    def _retire(self, position_id: str) -> None:
        """Everything of this position has ended: its orders shrink to their ends."""
        for ref in self.of_position.pop(position_id):
            end = self.done.pop(ref).end
            assert end is not None, "only ended orders retire"
            self.ends[ref] = end

    # --- queries ---

    def find(self, ref: str) -> Known | None:
        """The order of a reference, while its position is open."""
        return self.open.get(ref) or self.done.get(ref)

    def end_of(self, ref: str) -> End | None:
        """How the order of this reference ended, however long ago."""
        done = self.done.get(ref)
        return done.end if done is not None else self.ends.get(ref)

    def of(self, position_id: str) -> tuple[Known, ...]:
        """All orders of a position, in order of record."""
        found = (self.find(ref) for ref in self.of_position.get(position_id, ()))
        return tuple(order for order in found if order is not None)

    def entry_of(self, position_id: str) -> Known | None:
        """The entry of a position."""
        return next((order for order in self.of(position_id) if order.role is Role.ENTRY), None)

    def exits_of(self, position_id: str) -> tuple[Known, ...]:
        """The exits of a position that may still execute."""
        return tuple(o for o in self.of(position_id) if o.role.is_exit and o.end is None)

    def next_generation(self, entry_ref: str) -> int:
        """The number of the next generation of exits, unique in the log."""
        return self.generations.get(entry_ref[:REF_LENGTH], 0) + 1


_STANDING: Final = {
    OrderEvent.SENT: Standing.SENT,
    OrderEvent.ACKNOWLEDGED: Standing.WORKING,
    OrderEvent.HELD: Standing.HELD,
    OrderEvent.INACTIVE: Standing.INACTIVE,
    OrderEvent.UNKNOWN: Standing.UNKNOWN,
}


def _applied(known: Known, body: Order, at: datetime) -> Known:
    after = evolve(known, standing=_STANDING.get(body.event, known.standing))
    if body.perm_id and body.perm_id not in known.perm_ids:
        after = evolve(after, perm_ids=(*known.perm_ids, body.perm_id))
    if body.order_id:
        after = evolve(after, order_id=body.order_id, session=body.session or known.session)
    if body.filled is not None and body.filled > known.filled:
        after = evolve(after, filled=body.filled)
    if body.echo is not None:
        after = evolve(after, echo=body.echo, echo_group=body.echo_group or "")
    match body.event:
        case OrderEvent.SENT:
            return evolve(after, sent_at=at)
        case OrderEvent.DROPPED:
            return evolve(after, standing=Standing.ENDED, end=End.DROPPED, ended_at=at, reason=body.reason or "")
        case OrderEvent.ACKNOWLEDGED | OrderEvent.CHANGED:
            return evolve(after, acknowledged=True)
        case OrderEvent.CANCEL_REQUESTED:
            return evolve(after, cancel_requested_at=at)
        case OrderEvent.CANCEL_SENT:
            return evolve(after, cancel_sent_at=at)
        case OrderEvent.ENDED:
            end = End(body.status or End.CANCELLED.value)
            return evolve(after, standing=Standing.ENDED, end=end, ended_at=at, reason=body.reason or "")
        case _:
            return after


def end_of(said: OrderSaid) -> End | None:
    """The end that the broker's word on an order amounts to. Inactive is none, unless it comes with a refusal."""
    if said.status is BrokerStatus.FILLED:
        return End.FILLED
    if said.status is BrokerStatus.CANCELLED:
        return End.CANCELLED
    return None


def news(known: Known, said: OrderSaid) -> tuple[Order, ...]:
    """What this word adds over what is known: at most one bead; nothing where it says nothing new."""
    end = end_of(said)
    if known.end is not None:
        return ()
    if end is not None:
        return (_body(known, said, OrderEvent.ENDED, end.value),)
    if said.status is BrokerStatus.INACTIVE:
        if said.reason and not said.held and not known.acknowledged:
            return (_body(known, said, OrderEvent.ENDED, End.REJECTED.value),)
        return () if known.standing is Standing.INACTIVE else (_body(known, said, OrderEvent.INACTIVE),)
    if said.held:
        return () if known.standing is Standing.HELD else (_body(known, said, OrderEvent.HELD),)
    if not said.status.is_working:
        return ()
    if not known.acknowledged or known.standing in (Standing.UNKNOWN, Standing.HELD, Standing.INACTIVE):
        return (_body(known, said, OrderEvent.ACKNOWLEDGED),)
    differs = said.echo is not None and said.echo != known.echo
    new_id = said.perm_id and said.perm_id not in known.perm_ids
    return (_body(known, said, OrderEvent.CHANGED),) if differs or new_id else ()


def _body(known: Known, said: OrderSaid, event: OrderEvent, status: str | None = None) -> Order:
    return Order(
        event=event,
        position_id=known.position_id,
        ref=known.ref,
        role=known.role,
        status=status or said.status.value,
        perm_id=said.perm_id or None,
        order_id=said.order_id or None,
        filled=said.filled,
        remaining=said.remaining,
        echo=said.echo,
        echo_group=said.group or None,
        reason=said.reason or None,
        message=said.message,
        session=said.session,
    )
