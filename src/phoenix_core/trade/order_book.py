"""Every order of ours: by reference, by position, with an end or without.

An order is known by its reference, never by an order id: those are issued anew after a restart. Orders live with those
of their position. Once all of them have ended, the latest positions stay whole; older ones shrink to one line of text
each, from which a late word is still known to be late.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import chain
from typing import Final

from attrs import Factory, define

from phoenix_core.beads import Bead, Order, OrderEvent
from phoenix_core.orders import REF_LENGTH, Frame, parsed_ref
from phoenix_core.trade.order_life import End, Known, Over, applied, instant_of, over, revised
from phoenix_core.values import ARITHMETIC, ZERO, Moment, Quantity, Role, exact, plain, utc_of, utc_text

# A resynchronisation tells the orders of the day again; these many positions without working orders answer whole.
QUIET_KEPT: Final = 256
# Rows that moved this lately may be in motion in a picture of the broker's; nobody asks about longer ago.
TOUCHED_FOR: Final = timedelta(minutes=2)
# An end that was asked for and not told of by then is looked for in the broker's own picture.
END_TOLD_WITHIN: Final = timedelta(seconds=5)


@define
class Orders:
    """The orders of every position that is not long over, whole; of the others only how they ended."""

    open: dict[str, Known] = Factory(dict)  # by reference: without an end
    done: dict[str, Known] = Factory(dict)  # by reference: ended, their position may be open
    of_position: dict[str, list[str]] = Factory(dict)  # position -> references of those, in order of record
    quiet: dict[str, int] = Factory(dict)  # positions of which nothing works -> since which bead, oldest first
    retired: dict[str, str] = Factory(dict)  # 28 characters -> how all orders of long ago ended, on one line
    generations: dict[str, int] = Factory(dict)  # 28 characters -> the latest generation of exits, of the others
    touched: dict[str, datetime] = Factory(dict)  # reference or instrument -> its last fact, lately

    def fold(self, bead: Bead) -> None:
        """Fold ORDER."""
        body = bead.body
        if not isinstance(body, Order):
            return
        if body.event is OrderEvent.RECORDED:
            at = instant_of(bead)
            for frame in body.frames:
                self._record(bead, body, frame, at)
            _ = self.quiet.pop(body.position_id, None)
            return
        for after in self.after(body, bead.ts):
            self._put(after, bead)

    def end_overdue_since(self, now: datetime) -> datetime | None:
        """Since when the latest end that was asked for is overdue; None where none is. Its word may have been lost."""
        asked = (order.cancel_requested for order in self.open.values() if not order.cancel_refused)
        due = (at.wall + END_TOLD_WITHIN for at in asked if at is not None)
        return max((at for at in due if at <= now), default=None)

    def touched_by(self, name: str) -> datetime | None:
        """When a reference or instrument was touched last, at the latest: what was forgotten was touched no later than
        so long before the newest; None where nothing ever was."""
        newest = next(reversed(self.touched.values()), None)
        return self.touched.get(name, None if newest is None else newest - TOUCHED_FOR)

    def after(self, body: Order, at: datetime) -> tuple[Known, ...]:
        """The orders that a bead is about, as it leaves them; none where their position is long over: it is kept in the
        log, and told as a late fact."""
        known = self.find(body.ref)
        return () if known is None else tuple(applied(each, body, at) for each in self._meant(body, known))

    def _meant(self, body: Order, known: Known) -> tuple[Known, ...]:
        """The orders that a bead is about: a hand-over that was withheld drops every frame of it at once."""
        if body.event is not OrderEvent.DROPPED or body.revision is not None:
            return (known,)
        together = (order for order in self.of(known.position_id) if order.recorded_seq == known.recorded_seq)
        return tuple(order for order in together if order.sent is None and order.end is None)

    def _put(self, after: Known, bead: Bead) -> None:
        self._touch(after, bead.ts)
        _ = self.open.pop(after.ref, None)
        (self.open if after.end is None else self.done)[after.ref] = after
        if after.end is None or not all(ref in self.done for ref in self.of_position[after.position_id]):
            return
        if is_balanced(self.of(after.position_id)):
            self.quiet[after.position_id] = bead.seq
            if len(self.quiet) > QUIET_KEPT:
                self._retire(next(iter(self.quiet)))

    def _touch(self, order: Known, at: datetime) -> None:
        for name in (order.ref, order.line.symbol):
            _ = self.touched.pop(name, None)
            self.touched[name] = at
        while at - self.touched[oldest := next(iter(self.touched))] >= TOUCHED_FOR:
            del self.touched[oldest]

    def _record(self, bead: Bead, body: Order, frame: Frame, at: Moment) -> None:
        known = self.open.get(frame.ref)
        if known is not None:
            self.open[frame.ref] = revised(known, frame, bead)
            return
        parsed = parsed_ref(frame.ref)
        assert parsed is not None and self.find(frame.ref) is None, f"{frame.ref} is no fresh reference of ours"
        entry, role, generation = parsed
        self.open[frame.ref] = Known(
            position_id=body.position_id,
            role=role,
            group=body.group or "",
            mandate=body.mandate or "",
            native=role.is_exit and body.token_id is not None,
            frames=(frame,),
            recorded=at,
            recorded_seq=bead.seq,
        )
        self.of_position.setdefault(body.position_id, []).append(frame.ref)
        self.generations[entry] = max(self.generations.get(entry, 0), generation)

    def _retire(self, position_id: str) -> None:
        """Everything of this position has long ended: its orders shrink to their ends."""
        del self.quiet[position_id]
        for ref in self.of_position.pop(position_id):
            ended = over(self.done.pop(ref))
            entry = ref[:REF_LENGTH]
            _ = self.generations.pop(entry, None)
            said = f"{ref[REF_LENGTH:]} {ended.end} {utc_text(ended.at)} {plain(ended.filled)}"
            self.retired[entry] = ";".join(filter(None, (self.retired.get(entry), said)))

    # --- queries ---

    def find(self, ref: str) -> Known | None:
        """The order of a reference, unless its position is long over."""
        return self.open.get(ref) or self.done.get(ref)

    def end_of(self, ref: str) -> Over | None:
        """How the order of this reference ended, however long ago; None where it has not, or is none of ours."""
        known = self.find(ref)
        if known is not None:
            return None if known.end is None else over(known)
        return dict(self._retired(ref)).get(ref)

    def has_ended(self, ref: str) -> bool:
        """Whether the order of this reference has ended, however long ago."""
        return self.end_of(ref) is not None

    def known(self) -> Iterator[Known]:
        """Every order that is not yet forgotten."""
        return chain(self.open.values(), self.done.values())

    def of(self, position_id: str) -> tuple[Known, ...]:
        """The orders of a position, in order of record."""
        return tuple(self.open.get(ref) or self.done[ref] for ref in self.of_position.get(position_id, ()))

    def entry_of(self, position_id: str) -> Known | None:
        """The entry of a position; an adopted one has none."""
        return next((order for order in self.of(position_id) if order.role is Role.ENTRY), None)

    def exits_of(self, position_id: str) -> tuple[Known, ...]:
        """The exits of a position that have no end: any of them may execute."""
        return tuple(order for order in self.of(position_id) if order.role.is_exit and order.end is None)

    def next_generation(self, entry_ref: str) -> int:
        """The number of the next generation of exits, unique in the log."""
        entry = entry_ref[:REF_LENGTH]
        known = self.generations.get(entry, 0)
        for ref, _ in self._retired(entry):
            parsed = parsed_ref(ref)
            assert parsed is not None, "only references of ours retire"
            known = max(known, parsed[2])
        return known + 1

    def _retired(self, ref: str) -> list[tuple[str, Over]]:
        entry = ref[:REF_LENGTH]
        return [_read(entry, ended) for ended in self.retired.get(entry, "").split(";") if ended]


def is_balanced(orders: tuple[Known, ...]) -> bool:
    """Whether ended orders took out what they brought in, by the broker's word. While they did not, something may be
    held that is left with them: who closes or protects it by hand needs to know what was traded."""
    entry = next((order for order in orders if order.role is Role.ENTRY), None)
    brought = _executed(entry) if entry is not None else orders[0].frames[0].line.quantity
    taken = reduce(ARITHMETIC.add, (_executed(order) for order in orders if order.role.is_exit), ZERO)
    return brought == taken


def _executed(order: Known) -> Decimal:
    """What an ended order executed, by the broker's word; a word that says no more than `Filled` means all of it."""
    return max(order.filled, order.line.quantity) if order.end is End.FILLED else order.filled


def _read(entry: str, ended: str) -> tuple[str, Over]:
    suffix, end, at, filled = ended.split(" ")
    return entry + suffix, Over(End(end), utc_of(at, "retired.at"), Quantity(exact(filled, "retired.filled")))
