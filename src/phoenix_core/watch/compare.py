"""One run of the reconciler: what Phoenix believes (`Book`) against a whole picture from the broker (`Snapshot`).

A picture that is not whole says UNKNOWN and nothing else: never flat, missing or fine. In a whole one, absence is zero.
A row that was touched from 2 s before the picture began is in motion: it is looked at again, and what still differs in
two quiet pictures is a drift. Positions in currency pairs are virtual at the broker and always take two pictures.
Nothing here changes anything: a run yields a `Finding`, and of that only drift and observation beads are made.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import zip_longest
from typing import Final

from attrs import frozen

from phoenix_core.facts import CASH_UNEXPLAINED_MAX, PICTURE_TAKES_MAX, BrokerStatus, OrderSaid, Snapshot
from phoenix_core.orders import parsed_ref
from phoenix_core.values import ARITHMETIC, ZERO, Money, Named, OrderRef, Quantity, Role, Side, plain, times
from phoenix_core.watch.drift import Cause, Divergence, overfilled, two_perm_ids, unresolved

# A broker's picture is gathered over several messages; what changed this shortly before may or may not be in it.
MOTION_BEFORE: Final = timedelta(seconds=2)
# A touch stamped this far after the picture was stamped by a clock that has been set back since: it proves no motion.
MOTION_AFTER_MAX: Final = timedelta(seconds=15)
LOOKS_AFTER: Final = (timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=8))
QUIET_NEEDED: Final = 2
UNKNOWN_MAX: Final = 3
PNL_FLOOR: Final = Decimal("1.00")
PNL_SHARE: Final = Decimal("0.005")
DESK: Final = "desk"


class Agreement(Named):
    """What one run says. UNKNOWN is never `ok`, never `missing`, never `flat` (I13)."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    MOVING = "MOVING"  # differs only in rows that must be looked at again
    UNKNOWN = "UNKNOWN"


@frozen
class OrderRow:
    """What we believe of one order that has no end yet."""

    ref: str
    symbol: str
    role: Role
    side: Side
    quantity: Quantity
    filled: Quantity
    status: BrokerStatus  # the last word of the broker that we took in; UNKNOWN before any
    perm_id: int = 0
    group: str = ""
    sent: bool = True  # False: recorded, and not known to have left; the broker may know it, and need not


@frozen
class Made:
    """What our own executions realised in one day, and what they cost."""

    realized: Money  # before fees
    fees: Money = Money(ZERO)


@frozen
class Book:
    """What Phoenix believes, in plain values, indexed as the slices index it (mappings are borrowed, not copied)."""

    account: str  # the keyed hash; rows of other accounts are not looked at
    session: int
    holdings: Mapping[str, Decimal]  # by symbol, signed, from our own executions alone; only what is not zero
    orders: Mapping[str, OrderRow]  # by reference: recorded, without an end
    ended: Container[str]  # references whose order has ended
    baseline: Mapping[str, Decimal]  # foreign holdings that were signed for at `init`
    touched: Mapping[str, datetime]  # symbol or reference -> its last order or execution fact; recent ones suffice
    cash: Container[str] = ()  # symbols of currency pairs, where the broker's position is virtual
    made: tuple[Made, ...] = ()  # today, by each day that the broker may count by; none: nothing comparable
    awaited: Mapping[str, str] = {}  # entries that ended with nothing proven: reference -> symbol


@frozen
class Finding:
    """What one run found. `found` is all that stands, open already or not; suspects are looked at again."""

    agreement: Agreement
    found: tuple[Divergence, ...] = ()
    suspects: tuple[tuple[str, int], ...] = ()  # (identity, quiet pictures that showed it, at most two)
    shown: tuple[str, ...] = ()  # identities of all that differs, found or suspected
    absent: tuple[str, ...] = ()  # orders without an end that the picture does not show, nor anything they left behind
    unexplained: tuple[str, ...] = ()  # symbols whose holding differs, moving or not
    why: str = ""  # of UNKNOWN: what was not whole


# These are contradictions in what the broker says, or broken promises; no fact on its way can explain them.
_AT_ONCE: Final = frozenset({Cause.TWO_PERM_IDS, Cause.OVERFILL, Cause.UNRESOLVED_REFERENCE})
_HOLDING: Final = frozenset({Cause.COUNT, Cause.SIZE, Cause.SIGN, Cause.FOREIGN_HOLDING})


def compare(
    book: Book,
    snapshot: Snapshot,
    suspects: Mapping[str, int],
    before: Snapshot | None = None,
    dirty: Collection[str] = (),
) -> Finding:
    """Everything that differs. `suspects` are those of the last complete run.

    With `before`, the last snapshot that agreed in everything, only rows that changed since it or that are in `dirty`
    (symbols and references touched since) are compared: the rest agreed then and stood still.
    """
    why = why_unknown(book, snapshot)
    if why:
        return Finding(Agreement.UNKNOWN, why=why)
    rows = None if before is None else frozenset(dirty).union(_changed(before, snapshot))
    orders = [said for said in snapshot.orders if _is_ours(said.account, book)]
    seen = {
        divergence.identity: divergence
        for divergence in (
            *_holdings(book, snapshot, rows),
            *_orders(book, orders, rows),
            *_executions(book, snapshot),
            *_orphans(book, snapshot, orders, rows),
            *_pnl(book, snapshot),
        )
    }
    standing, watched = _judged(book, snapshot, suspects, seen.values())
    moving = any(quiet < QUIET_NEEDED for _, quiet in watched)
    unexplained = sorted(d.subject for d in seen.values() if d.cause in _HOLDING)
    missing = [d.subject for d in seen.values() if d.cause is Cause.ORDER_MISSING and d.instrument not in unexplained]
    told = {said.ref for said in orders if not _is_over(said)} | {said.ref for said in snapshot.executions}
    missing += [ref for ref, symbol in book.awaited.items() if ref not in told and symbol not in unexplained]
    return Finding(
        Agreement.DIFFERS if standing else Agreement.MOVING if moving else Agreement.AGREES,
        found=standing,
        suspects=watched,
        shown=tuple(seen),
        absent=tuple(sorted(missing)),
        unexplained=tuple(unexplained),
    )


def why_unknown(book: Book, snapshot: Snapshot) -> str:
    """What makes a picture no whole picture: empty where it is one."""
    if snapshot.missing or not snapshot.complete:
        return "incomplete: " + (", ".join(snapshot.missing) or "not said what is missing")
    if snapshot.session != book.session:
        return f"begun in session {snapshot.session}, and this is session {book.session}"
    if snapshot.began.boot != snapshot.ended.boot or snapshot.ended.ticks < snapshot.began.ticks:
        return "begun and ended on clocks that cannot be compared"
    if snapshot.account not in ("", book.account):
        return "of another account"
    return "" if snapshot.is_of_one_moment else f"begun over {PICTURE_TAKES_MAX.seconds} s before it ended"


def next_look(since: datetime, looks: int) -> datetime:
    """When rows in motion are looked at again: 1, 3 and 8 s after they were first seen, and then every 8 s."""
    if looks < len(LOOKS_AFTER):
        return since + LOOKS_AFTER[looks]
    return since + LOOKS_AFTER[-1] * (looks - len(LOOKS_AFTER) + 2)


def _changed(before: Snapshot, snapshot: Snapshot) -> Iterator[str]:
    """Symbols of holdings and references of orders that are not, place by place, those of the earlier picture."""
    for old, new in zip_longest(before.positions, snapshot.positions):
        if old is not new and old != new:
            yield from (held.symbol for held in (old, new) if held is not None)
    for was, said in zip_longest(before.orders, snapshot.orders):
        if was is not said and was != said:
            yield from (order.ref for order in (was, said) if order is not None)


def _judged(
    book: Book, snapshot: Snapshot, suspects: Mapping[str, int], seen: Iterable[Divergence]
) -> tuple[tuple[Divergence, ...], tuple[tuple[str, int], ...]]:
    """(what stands, what is watched): a row in motion, or once suspected, or virtual, needs two quiet pictures."""
    standing: list[Divergence] = []
    watched: list[tuple[str, int]] = []
    for divergence in seen:
        if divergence.cause in _AT_ONCE:
            standing.append(divergence)
            continue
        moving = _in_motion(book, snapshot, divergence)
        virtual = divergence.subject in book.cash  # its holding, or its exits beside that: nothing else has its name
        if not (moving or virtual or divergence.identity in suspects):
            standing.append(divergence)
            continue
        quiet = 0 if moving else min(suspects.get(divergence.identity, 0) + 1, QUIET_NEEDED)
        watched.append((divergence.identity, quiet))
        if quiet == QUIET_NEEDED:
            standing.append(divergence)
    return tuple(standing), tuple(watched)


def _in_motion(book: Book, snapshot: Snapshot, divergence: Divergence) -> bool:
    """Whether anything that the divergence is about was touched from 2 s before the picture began."""
    keys = book.touched if divergence.subject == DESK else (divergence.subject, *divergence.refs)
    moments = (book.touched[key] for key in keys if key in book.touched)
    return any(snapshot.began.wall - MOTION_BEFORE <= at <= snapshot.ended.wall + MOTION_AFTER_MAX for at in moments)


def _is_ours(account: str, book: Book) -> bool:
    """Whether a row is of this desk's account; a message that names none can only be of the one that is open."""
    return account in ("", book.account)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    """An exact sum, whatever context the host thread carries."""
    return reduce(ARITHMETIC.add, amounts, ZERO)


def _holdings(book: Book, snapshot: Snapshot, rows: frozenset[str] | None) -> Iterator[Divergence]:
    """Count, size and sign of every holding; what a complete picture leaves out is zero (F80)."""
    theirs: dict[str, Decimal] = {}
    for held in snapshot.positions:
        if (rows is None or held.symbol in rows) and _is_ours(held.account, book):
            more = theirs.get(held.symbol)
            theirs[held.symbol] = held.quantity if more is None else ARITHMETIC.add(more, held.quantity)
    wanted = (*theirs, *book.holdings, *book.baseline) if rows is None else sorted(rows)
    for symbol in dict.fromkeys(wanted):
        ours, said = book.holdings.get(symbol, ZERO), theirs.get(symbol, ZERO)
        if said == ours and symbol not in book.baseline:  # nearly every row of nearly every run ends here
            continue
        known = book.baseline.get(symbol, ZERO)
        net = ARITHMETIC.subtract(said, known)
        gap = ARITHMETIC.subtract(net, ours).copy_abs()
        if gap == 0 or (symbol in book.cash and gap <= CASH_UNEXPLAINED_MAX):
            continue
        yield Divergence(
            _holding_cause(ours, net, symbol in book.baseline),
            symbol,
            {"quantity": plain(ours), "baseline": plain(known)},
            {"quantity": plain(said)},
            symbol,
        )


def _holding_cause(ours: Decimal, theirs: Decimal, foreign: bool) -> Cause:
    if ours == 0 and foreign:
        return Cause.FOREIGN_HOLDING
    if ours == 0 or theirs == 0:
        return Cause.COUNT
    return Cause.SIZE if (ours > 0) == (theirs > 0) else Cause.SIGN


def _orders(book: Book, orders: list[OrderSaid], rows: frozenset[str] | None) -> Iterator[Divergence]:
    """Every order that either side knows: its reference, its permanent id, its fills, its standing."""
    said_of: dict[str, list[OrderSaid]] = {}
    for said in orders:
        if rows is not None and said.ref not in rows:
            continue
        if parsed_ref(said.ref) is None:
            yield from _foreign(said)
        else:
            said_of.setdefault(said.ref, []).append(said)
    for ref, words in said_of.items():
        row = book.orders.get(ref)
        symbol = row.symbol if row else next((w.instrument for w in words if w.instrument), None)
        perm_ids = {w.perm_id for w in words if w.perm_id} | ({row.perm_id} if row and row.perm_id else set())
        if len(perm_ids) > 1:
            yield two_perm_ids(ref, tuple(perm_ids), row.perm_id if row else 0, symbol)
        if row is not None:
            yield from _order(row, next((w for w in words if not w.completed), words[-1]))
        elif ref not in book.ended:
            yield unresolved(ref, {"status": words[0].status.value}, symbol)
        elif any(not _is_over(w) for w in words):
            said_now = {"status": next(w.status.value for w in words if not _is_over(w))}
            yield Divergence(Cause.FACT_AFTER_END, ref, {"status": "ended"}, said_now, symbol, (ref,))
    for ref in book.orders if rows is None else sorted(rows):
        row = book.orders.get(ref)
        if row is not None and row.sent and ref not in said_of:
            mine = {"status": row.status.value, "filled": plain(row.filled)}
            yield Divergence(Cause.ORDER_MISSING, ref, mine, {"status": "absent"}, row.symbol, (ref,))


def _is_over(said: OrderSaid) -> bool:
    return said.completed or said.status in (BrokerStatus.FILLED, BrokerStatus.CANCELLED)


def _foreign(said: OrderSaid) -> Iterator[Divergence]:
    """An order that is not ours, told apart by its permanent id: all of them carry order id 0 (F50)."""
    if not _is_over(said):
        name = f"perm:{said.perm_id}" if said.perm_id else f"order:{said.order_id}"
        yield Divergence(Cause.FOREIGN_ORDER, name, {"known": "no"}, {"status": said.status.value}, said.instrument)


def _order(row: OrderRow, said: OrderSaid) -> Iterator[Divergence]:
    """One order on both sides. With equal fills another standing is a WARNING; other fills never are."""
    if max(row.filled, said.filled) > row.quantity:
        yield overfilled(row.ref, row.quantity, max(row.filled, said.filled), row.symbol)
    elif row.filled != said.filled:
        ours, theirs = {"filled": plain(row.filled)}, {"filled": plain(said.filled)}
        yield Divergence(Cause.FILLS, row.ref, ours, theirs, row.symbol, (row.ref,))
    standing = _standing(said.status)
    if standing and standing != _standing(row.status):
        mine, word = {"status": row.status.value}, {"status": said.status.value}
        yield Divergence(Cause.ORDER_STATUS, row.ref, mine, word, row.symbol, (row.ref,))


def _standing(status: BrokerStatus) -> str:
    """What a status amounts to; empty where it says nothing yet."""
    if status.is_working:
        return "working"
    if status in (BrokerStatus.FILLED, BrokerStatus.CANCELLED):
        return "ended"
    return "inactive" if status is BrokerStatus.INACTIVE else ""


def _executions(book: Book, snapshot: Snapshot) -> Iterator[Divergence]:
    """Executions under a reference in our grammar that nothing in the log resolves."""
    for said in snapshot.executions:
        ours = _is_ours(said.account, book) and parsed_ref(said.ref) is not None
        if ours and said.ref not in book.orders and said.ref not in book.ended:
            yield unresolved(said.ref, {"status": "executed"}, said.symbol)


@frozen
class _Exit:
    """A working exit as the picture shows it."""

    ref: str
    entry: OrderRef
    symbol: str
    side: Side
    rest: Decimal
    group: str


def _orphans(
    book: Book, snapshot: Snapshot, orders: list[OrderSaid], rows: frozenset[str] | None
) -> Iterator[Divergence]:
    """Working exits that could trade more than there is: the surplus would OPEN a position (D7, counted as in X1)."""
    exits: dict[tuple[str, Side], list[_Exit]] = {}
    parents: dict[tuple[OrderRef, Side], Decimal] = {}
    for said in orders:
        order = _working(book, said)
        if order is not None and order.ref == order.entry:
            parents[order.entry, order.side] = order.rest
        elif order is not None:
            exits.setdefault((order.symbol, order.side), []).append(order)
    for (symbol, side), group in exits.items():
        touching = {symbol, *(name for order in group for name in (order.ref, order.entry))}
        if rows is not None and rows.isdisjoint(touching):
            continue
        held = (h.quantity for h in snapshot.positions if h.symbol == symbol and _is_ours(h.account, book))
        position = ARITHMETIC.subtract(_sum(held), book.baseline.get(symbol, ZERO))
        closable = position if side is Side.SELL else position.copy_negate()
        largest: dict[str, Decimal] = {}
        for order in group:
            largest[order.group] = max(largest.get(order.group, ZERO), order.rest)
        hung_on = dict.fromkeys(order.entry for order in group)
        rests = (parents.get((entry, side.other), ZERO) for entry in hung_on)
        allowed = _sum((max(ZERO, closable), *rests))
        working = _sum(largest.values())
        if working > _sum((allowed, CASH_UNEXPLAINED_MAX if symbol in book.cash else ZERO)):
            mine = {"quantity": plain(book.holdings.get(symbol, ZERO))}
            word = {"position": plain(position), "exits": plain(working), "allowed": plain(allowed), "side": side.value}
            refs = tuple(sorted(order.ref for order in group))
            yield Divergence(Cause.ORPHAN_EXIT, symbol, mine, word, symbol, refs)


def _working(book: Book, said: OrderSaid) -> _Exit | None:
    """An order of ours that may still trade; None for what is over, foreign, or of unknown terms."""
    parsed, row = parsed_ref(said.ref), book.orders.get(said.ref)
    if parsed is None or _is_over(said):
        return None
    if said.echo is not None:
        symbol, side, quantity = said.echo.symbol, said.echo.side, said.echo.quantity
    elif row is not None:
        symbol, side, quantity = row.symbol, row.side, row.quantity
    else:
        return None
    rest = ARITHMETIC.subtract(quantity, said.filled) if said.remaining is None else said.remaining
    return _Exit(said.ref, parsed[0], symbol, side, rest, said.group or (row.group if row else "") or said.ref)


def _pnl(book: Book, snapshot: Snapshot) -> Iterator[Divergence]:
    """Realised profit and loss, beyond what rounding, fees and the hour at which a day begins explain."""
    said = snapshot.realized
    if said is None or not book.made or any(_is_explained(made, said) for made in book.made):
        return
    made = book.made[0]
    ours = {"realized": plain(made.realized), "fees": plain(made.fees)}
    yield Divergence(Cause.PNL, DESK, ours, {"realized": plain(said)})


def _is_explained(made: Made, said: Money) -> bool:
    """A broker's figure is before fees, after them, or after those that it has charged so far."""
    net = ARITHMETIC.subtract(made.realized, made.fees)
    slack = max(PNL_FLOOR, times(made.realized.copy_abs(), PNL_SHARE))
    least, most = min(made.realized, net), max(made.realized, net)
    return ARITHMETIC.subtract(least, slack) <= said <= ARITHMETIC.add(most, slack)
