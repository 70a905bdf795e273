"""One order: what it says, what the broker echoed, and what each bead about it changes.

It ends only by the broker's word (`Filled`, `Cancelled`, a completed order), by a code of the closed list on an order
that was never acknowledged, by a frame of which no byte left, or by a human's signed word. Inactive and pending-cancel
are no ends: either may still fill.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final, TypedDict

from attrs import frozen

from phoenix_core.beads import Bead, Order, OrderEvent
from phoenix_core.orders import Frame, Line, order_hash
from phoenix_core.records import evolve
from phoenix_core.values import ARITHMETIC, NO_QUANTITY, Moment, Named, Quantity, Role, instant, plain

# The reason of a word on an order whose terms this desk never uses, and what people read of it.
OTHER_TERMS: Final = "OTHER_TERMS"
STRANGE: Final = "on terms that this desk never uses"


class Standing(Named):
    """Where an order stands."""

    RECORDED = "RECORDED"  # durable; whether its frame left is not yet known
    SENT = "SENT"
    WORKING = "WORKING"
    HELD = "HELD"
    INACTIVE = "INACTIVE"  # may still fill
    UNKNOWN = "UNKNOWN"
    ENDED = "ENDED"


class End(Named):
    """How an order ended."""

    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    DROPPED = "DROPPED"  # never left: no byte of it was handed over


@frozen
class Known:
    """An order of a position that is not yet forgotten, with or without an end."""

    position_id: str
    role: Role
    group: str
    mandate: str
    native: bool  # an exit that was handed over with its entry, as the broker's own child of it
    frames: tuple[Frame, ...]  # what it may say at the broker: the last is what was asked, an earlier one may stand
    recorded: Moment  # of the last revision
    recorded_seq: int
    standing: Standing = Standing.RECORDED
    sent: Moment | None = None  # of the last revision
    acknowledged: bool = False
    answered: bool = False  # the broker's word on the last revision is known
    asked_in: int = 0  # the session that the last revision was recorded in, or its frame sent in; 0 where none is known
    order_id: int = 0
    session: int = 0
    perm_ids: tuple[int, ...] = ()
    over_ids: tuple[int, ...] = ()  # those of them that ended while another of them may live
    filled: Quantity = NO_QUANTITY  # by the broker's word on the order; executions are the book
    filled_at: datetime | None = None  # when a word last said more
    echo: Line | None = None
    echo_group: str = ""
    strange: bool = False  # its terms are none that this desk ever uses: somebody made another kind of order of it
    cancel_requested: Moment | None = None  # when its end was asked for last
    cancel_sent_at: datetime | None = None
    cancel_refused: bool = False
    change_refused: bool = False  # the broker let a change of it not stand: its size is not asked for again
    end: End | None = None
    ended_at: datetime | None = None
    code: int = 0
    reason: str = ""
    message: str = ""  # of its last word

    @property
    def ref(self) -> str:
        """Its reference."""
        return self.frames[-1].ref

    @property
    def asked(self) -> Moment:
        """Since when an answer to the last revision is waited for: its frame, or its record while no frame is known."""
        return self.sent or self.recorded

    @property
    def line(self) -> Line:
        """What was asked of the broker last."""
        return self.frames[-1].line

    @property
    def revision(self) -> int:
        """Which revision that was."""
        return self.frames[-1].revision

    @property
    def living_ids(self) -> tuple[int, ...]:
        """The permanent ids under which the broker may have it: two where a change of it became a second order."""
        return tuple(one for one in self.perm_ids if one not in self.over_ids)

    def outlives(self, perm_id: int) -> bool:
        """Whether the broker may have another order under this reference, once this one is over. A word that names none
        ends none of two."""
        living = self.living_ids
        return any(one != perm_id for one in living) if perm_id else len(living) > 1

    def is_asked_to_end(self, since: Moment | None) -> bool:
        """Whether its end was asked for, and not before that instant: what an earlier command asked for, and did not
        get, is asked for again. A command lives within one boot."""
        at = self.cancel_requested
        if at is None or since is None or not since.boot:
            return at is not None
        return at.boot == since.boot and at.ticks >= since.ticks

    @property
    def quantity_at_most(self) -> Quantity:
        """The largest total that may stand at the broker: until a change is answered, the old size may be the one."""
        said = [frame.line.quantity for frame in self.frames]
        if self.echo is not None:
            said = [self.echo.quantity] if self.answered else [*said, self.echo.quantity]
        return max(said)

    @property
    def rest(self) -> Decimal:
        """What it may still execute by the broker's word."""
        return self.rest_after(self.filled)

    @property
    def told(self) -> Quantity:
        """What it executed by the broker's word on it. One that was completed, and filled, says no quantity."""
        silent = self.end is End.FILLED and self.filled == 0
        return (self.line if self.echo is None else self.echo).quantity if silent else self.filled

    @property
    def told_at(self) -> datetime | None:
        """When the broker's word on it last said that it executed more."""
        return self.filled_at or self.ended_at

    def rest_after(self, executed: Decimal) -> Decimal:
        """What it may still execute once this much is in the book; nothing once it has ended."""
        if self.end is not None:
            return Decimal(0)
        return max(Decimal(0), ARITHMETIC.subtract(self.quantity_at_most, executed))


@frozen
class Over:
    """How an order ended: what is kept of it."""

    end: End
    at: datetime
    filled: Quantity
    message: str = ""
    reason: str = ""


def over(known: Known) -> Over:
    """How an order ended."""
    assert known.end is not None and known.ended_at is not None, "only an ended order is over"
    return Over(known.end, known.ended_at, known.filled, known.message, known.reason)


_STANDING: Final = {
    OrderEvent.SENT: Standing.SENT,
    OrderEvent.ACKNOWLEDGED: Standing.WORKING,
    OrderEvent.HELD: Standing.HELD,
    OrderEvent.INACTIVE: Standing.INACTIVE,
    OrderEvent.UNKNOWN: Standing.UNKNOWN,
    OrderEvent.ENDED: Standing.ENDED,
}


def instant_of(bead: Bead) -> Moment:
    """When a bead about an order was recorded, on both clocks."""
    assert isinstance(bead.body, Order), "only beads about orders carry the second clock here"
    return instant(bead.ts, bead.body.ticks, bead.body.boot)


def revised(known: Known, frame: Frame, bead: Bead) -> Known:
    """An order of which another revision was recorded: what it said before may stand until the broker answers."""
    assert frame.revision > known.revision, f"{frame.ref} goes from revision {known.revision} to {frame.revision}"
    return evolve(
        known,
        frames=(*known.frames, frame),
        recorded=instant_of(bead),
        recorded_seq=bead.seq,
        standing=Standing.RECORDED,
        sent=None,
        answered=False,
        asked_in=_session_of(bead),
    )


def _session_of(bead: Bead) -> int:
    assert isinstance(bead.body, Order), "only beads about orders record a revision"
    return bead.body.session or 0


def applied(known: Known, body: Order, at: datetime) -> Known:
    """An order after one more bead about it."""
    if body.event is OrderEvent.DROPPED:
        return _dropped(known, body, at)
    if body.event is OrderEvent.CHANGE_REFUSED:
        return evolve(_unchanged(known), change_refused=True)
    perm_ids = _with(known.perm_ids, body.perm_id)
    after = evolve(
        known,
        standing=known.standing if known.end is not None else _STANDING.get(body.event, known.standing),
        perm_ids=perm_ids,
        over_ids=_with(known.over_ids, body.perm_id) if _is_one_of_two(body) else known.over_ids,
        order_id=body.order_id or known.order_id,
        session=(body.session or known.session) if body.order_id else known.session,
        filled=known.filled if body.filled is None else max(known.filled, body.filled),
        filled_at=at if body.filled is not None and body.filled > known.filled else known.filled_at,
        echo=body.echo or known.echo,
        strange=body.echo is None and (known.strange or body.reason == OTHER_TERMS),
        echo_group=known.echo_group if body.echo is None else body.echo_group or "",
        code=body.code or known.code,
        reason=known.reason if body.reason == OTHER_TERMS else body.reason or known.reason,
        message=body.message or known.message,
        **_marks(known, perm_ids, body, at),
    )
    later = is_later_word(known, body.session) and body.echo is not None and after.end is None
    return _as_it_stands(after) if later else _answered(after)


def is_later_word(known: Known, session: int | None) -> bool:
    """Whether a word of this session is on all that was ever sent of an order: its last change, recorded or sent in an
    earlier one, is not answered, and its frame is not on the way any more."""
    open_change = not known.answered and known.revision > 1 and known.asked_in > 0
    return open_change and session is not None and session not in (0, known.asked_in)


def _with(perm_ids: tuple[int, ...], perm_id: int | None) -> tuple[int, ...]:
    return (*perm_ids, perm_id) if perm_id and perm_id not in perm_ids else perm_ids


def _is_one_of_two(body: Order) -> bool:
    """Whether a bead says that one of the orders under a reference is over, and another may live."""
    return body.event is OrderEvent.CHANGED and body.status in End.__members__


class Marks(TypedDict, total=False):
    """What the event itself says of an order, beside the broker's words that come with it."""

    sent: Moment
    asked_in: int
    acknowledged: bool
    cancel_requested: Moment
    cancel_refused: bool
    cancel_sent_at: datetime
    end: End
    ended_at: datetime


def _marks(known: Known, perm_ids: tuple[int, ...], body: Order, at: datetime) -> Marks:
    match body.event:
        case OrderEvent.SENT:
            return {"sent": instant(at, body.ticks, body.boot), "asked_in": body.session or known.asked_in}
        case OrderEvent.ACKNOWLEDGED | OrderEvent.CHANGED:
            return {"acknowledged": True}
        case OrderEvent.HELD:
            return {"acknowledged": known.acknowledged or bool(perm_ids)}
        case OrderEvent.CANCEL_REQUESTED:
            return {"cancel_requested": instant(at, body.ticks, body.boot), "cancel_refused": False}
        case OrderEvent.CANCEL_SENT:
            return {"cancel_sent_at": at}
        case OrderEvent.CANCEL_REFUSED:
            return {"cancel_refused": True}
        case OrderEvent.ENDED:
            return {"end": End(body.status), "ended_at": known.ended_at or at}
        case _:
            return {}


def _answered(known: Known) -> Known:
    """The broker's word is on the last revision once it echoes it; a first revision is answered by any word."""
    asked, echo = known.frames[-1], known.echo
    first = asked.revision == 1 and (known.acknowledged or known.end is not None)
    answered = first or (echo is not None and _same_terms(echo, asked.line))
    return evolve(known, frames=(asked,), answered=True) if answered else known


def _as_it_stands(known: Known) -> Known:
    """A change of which another session's word tells what became: the size that is echoed is the one that stands."""
    asked, echo = known.frames[-1], known.echo
    assert echo is not None, "asked where there is an echo"
    line = evolve(asked.line, quantity=echo.quantity)
    return evolve(known, frames=(Frame(asked.ref, asked.revision, order_hash((line,)), line),), answered=True)


def _same_terms(echo: Line, line: Line) -> bool:
    """Whether an echo has the terms that a change may change."""
    return (echo.quantity, echo.limit, echo.trigger) == (line.quantity, line.limit, line.trigger)


def altered(known: Known) -> str:
    """The terms on which the broker has an order, in words, where nobody ever asked for them: somebody moved its price
    by hand, or made a trailing stop of it, or a preset did. Its quantity is a matter of executions, and of drift."""
    if known.end is not None:
        return ""
    stands = STRANGE if known.strange else "" if known.echo is None else terms_of(known.echo)
    return "" if stands == terms_of(known.line) else stands


def terms_of(line: Line) -> str:
    """What an order asks for beside its quantity, in words."""
    prices = (plain(price) for price in (line.limit, line.trigger) if price is not None)
    return " ".join((line.side.value, line.order_type.value, *prices, line.tif.value))


def _dropped(known: Known, body: Order, at: datetime) -> Known:
    """No byte of the last revision left: an order never was, a change never happened."""
    if len(known.frames) == 1:
        return evolve(known, standing=Standing.ENDED, end=End.DROPPED, ended_at=at, reason=body.reason or "")
    return _unchanged(known)


def _unchanged(known: Known) -> Known:
    """The last revision does not stand: what was asked before it does."""
    standing = Standing.WORKING if known.acknowledged else Standing.UNKNOWN
    before = known.frames[:-1]  # an earlier change among them is still not answered
    return evolve(known, frames=before, standing=standing, answered=known.acknowledged and len(before) == 1)
