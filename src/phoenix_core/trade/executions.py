"""Executions as values: what one says, how one replaces another, what they add up to, and how they fit on one line.

An execution id ends in a revision (`...01`, `...02`): a higher one replaces its family's quantity and price, zero is a
bust. What an operator stated gives way, unit for unit, to the executions of the same order that arrive later, so that
the sum never dips while they come in. Sums are exact wherever no fraction makes that impossible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, cast

from attrs import frozen

from phoenix_core.canonical import Json, decode, encode
from phoenix_core.records import evolve
from phoenix_core.values import (
    ARITHMETIC,
    NO_QUANTITY,
    ZERO,
    Money,
    Price,
    Quantity,
    Role,
    Side,
    divide,
    exact,
    plain,
    times,
    utc_of,
    utc_text,
)

_REVISED: Final = re.compile(r"(.+)\.([0-9]{2})", re.DOTALL)

# Sums of exact products are exact. Where a partly closed entry makes a fraction, eight places are far below a cent, and
# an average of prices is finer than any tick.
STATED: Final = "stated."  # begins the id of what is stated without one of the broker's
STEP: Final = Decimal("0.00000001")


def family_of(exec_id: str) -> tuple[str, int]:
    """(family, revision) of an execution id; an id that ends in no revision is a family of its own, at revision 0."""
    match = _REVISED.fullmatch(exec_id)
    return (match[1], int(match[2])) if match is not None else (exec_id, 0)


@frozen
class Charge:
    """What an execution cost. The charge of the highest revision counts, whichever came last."""

    revision: int
    amount: Money
    currency: str


@frozen
class Fill:
    """The latest revision of one execution."""

    family: str
    revision: int
    ref: str
    role: Role
    side: Side
    quantity: Quantity
    price: Price
    at: datetime  # recorded, on our clock: what a picture of the broker's may not have had yet
    stated: bool = False
    charge: Charge | None = None

    @property
    def gives_way(self) -> bool:
        """Whether it stands for executions of its order that may still come: a human stated a quantity. One that was
        stated under the broker's own id stands for itself alone."""
        return self.stated and self.family.startswith(STATED)


@frozen
class Totals:
    """What the executions of a position add up to."""

    entered: Quantity = NO_QUANTITY
    exited: Quantity = NO_QUANTITY
    average_entry: Price | None = None
    average_exit: Price | None = None
    realized: Money = Money(ZERO)  # in the instrument's currency, before commissions
    commissions: tuple[tuple[str, Money], ...] = ()  # by currency

    @property
    def held(self) -> Decimal:
        """What is left; below zero where exits executed more than entries did."""
        return ARITHMETIC.subtract(self.entered, self.exited)

    def commission(self, currency: str) -> Money:
        """What it cost in one currency."""
        return dict(self.commissions).get(currency, Money(ZERO))


def taken(fills: tuple[Fill, ...], fill: Fill) -> tuple[Fill, ...]:
    """These executions with one more: it replaces an earlier revision of itself, else what was only stated."""
    for place, known in enumerate(fills):
        if known.family == fill.family:
            charge = known.charge if fill.charge is None else later(known.charge, fill.charge)
            return (*fills[:place], evolve(fill, at=known.at, charge=charge), *fills[place + 1 :])
    covered = ZERO if fill.stated else fill.quantity
    kept: list[Fill] = []
    for known in fills:
        if known.gives_way and (known.ref, known.side) == (fill.ref, fill.side):
            less = min(known.quantity, covered)
            covered = ARITHMETIC.subtract(covered, less)
            known = evolve(known, quantity=Quantity(ARITHMETIC.subtract(known.quantity, less)))
        kept.append(known)
    return (*kept, fill)


def nobodys(fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
    """The exits among them that a human stated of no order."""
    return tuple(fill for fill in fills if fill.stated and fill.role.is_exit and not fill.ref)


def later(known: Charge | None, charge: Charge) -> Charge:
    """Which of two charges counts: that of the higher revision, else the one that was known before."""
    return charge if known is None or charge.revision > known.revision else known


def totals_of(fills: tuple[Fill, ...]) -> Totals:
    """Quantities, averages, profit and cost, exact wherever no fraction makes that impossible."""
    entries = [fill for fill in fills if not fill.role.is_exit]
    exits = [fill for fill in fills if fill.role.is_exit]
    entered, paid = _sums(entries)
    exited, received = _sums(exits)
    closed = min(entered, exited)
    gained = ARITHMETIC.subtract(_share(received, closed, exited), _share(paid, closed, entered))
    costs: dict[str, Money] = {}
    for fill in (*entries, *exits):
        if fill.charge is not None:
            before = costs.get(fill.charge.currency, ZERO)
            costs[fill.charge.currency] = Money(ARITHMETIC.add(before, fill.charge.amount))
    return Totals(
        Quantity(entered),
        Quantity(exited),
        _average(paid, entered),
        _average(received, exited),
        Money(_stepped(times(Decimal(entries[0].side.sign), gained)) if entries else ZERO),
        tuple(sorted(costs.items())),
    )


def _sums(fills: Iterable[Fill]) -> tuple[Decimal, Decimal]:
    quantity, money = ZERO, ZERO
    for fill in fills:
        quantity = ARITHMETIC.add(quantity, fill.quantity)
        money = ARITHMETIC.add(money, times(fill.quantity, fill.price))
    return quantity, money


def _share(money: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Money for a part of a quantity; the whole of it is exact."""
    return money if part == whole else divide(times(money, part), whole)


def _average(money: Decimal, quantity: Decimal) -> Price | None:
    return Price(_stepped(divide(money, quantity))) if quantity else None


def _stepped(value: Decimal) -> Decimal:
    return value.quantize(STEP, ROUND_HALF_EVEN, ARITHMETIC)


# --- on one line ---


def line_of(fills: tuple[Fill, ...]) -> str:
    """A position's executions on one line: canonical JSON, without the names of the fields."""
    rows: list[Json] = []
    for fill in fills:
        row: list[Json] = [fill.family, fill.revision, fill.ref, fill.role.value, fill.side.value]
        row += [plain(fill.quantity), plain(fill.price), utc_text(fill.at), fill.stated]
        if fill.charge is not None:
            row += [fill.charge.revision, plain(fill.charge.amount), fill.charge.currency]
        rows.append(row)
    return encode(rows).decode()


def fills_of_line(line: str) -> tuple[Fill, ...]:
    """The executions that a line holds."""
    rows = cast(list[list[Json]], decode(line.encode()).unwrap())  # written by `line_of`, and by nobody else
    return tuple(_fill(*row) for row in rows)


def _fill(*row: Json) -> Fill:
    family, revision, ref, role, side, quantity, price, at, stated, *charge = row
    return Fill(
        str(family),
        int(cast(int, revision)),
        str(ref),
        Role(role),
        Side(side),
        Quantity(exact(quantity, "shelf.quantity")),
        Price(exact(price, "shelf.price")),
        utc_of(at, "shelf.at"),
        bool(stated),
        _charged(*charge) if charge else None,
    )


def _charged(revision: Json, amount: Json, currency: Json) -> Charge:
    return Charge(int(cast(int, revision)), Money(exact(amount, "shelf.charge")), str(currency))
