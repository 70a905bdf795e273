"""What was traded: each execution once, the latest revision of each counts, and nothing is ever summed twice.

An execution id ends in a revision (`...01`, `...02`): a higher one replaces the family's quantity and price, zero is a
bust. A commission may come before its execution, or never. Executions stated by an operator give way to real ones.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, Execution, ExecutionEvent
from phoenix_core.facts import ExecutionSaid
from phoenix_core.values import NO_QUANTITY, ZERO, Money, Named, Price, Quantity, Role, Side, divide, times

_REVISED: Final = re.compile(r"(.+)\.([0-9]{2})", re.ASCII)


def family_of(exec_id: str) -> tuple[str, int]:
    """(family, revision) of an execution id; an id without a revision is its own family."""
    match = _REVISED.fullmatch(exec_id)
    return (match[1], int(match[2])) if match is not None else (exec_id, 1)


class Answer(Named):
    """What an execution adds."""

    NEW = "NEW"
    CORRECTION = "CORRECTION"
    KNOWN = "KNOWN"


@frozen
class Fill:
    """The latest revision of one execution."""

    family: str
    revision: int
    role: Role
    side: Side
    quantity: Quantity
    price: Price
    stated: bool = False


@frozen
class Totals:
    """What the executions of a position add up to."""

    entered: Quantity = NO_QUANTITY
    exited: Quantity = NO_QUANTITY
    average_entry: Price | None = None
    average_exit: Price | None = None
    realized: Money = Money(ZERO)  # in the instrument's currency, before commissions
    commission: Money = Money(ZERO)


@define
class Fills:
    """Executions by family. Those of ended positions shrink to the family's latest revision."""

    fills: dict[str, list[Fill]] = Factory(dict)  # position -> its executions, in order of arrival
    revisions: dict[str, int] = Factory(dict)  # family -> latest revision, for ever: duplicates stay known
    owners: dict[str, str] = Factory(dict)  # family -> position, for ever: a correction finds its way
    commissions: dict[str, dict[str, Decimal]] = Factory(dict)  # position -> family -> amount
    early: dict[str, Decimal] = Factory(dict)  # commissions whose execution has not come yet, by family

    def fold(self, bead: Bead) -> None:
        """Fold EXECUTION."""
        body = bead.body
        assert isinstance(body, Execution), "fills fold EXECUTION beads"
        if body.event is ExecutionEvent.COMMISSION:
            self._charge(body)
            return
        self.revisions[body.family] = body.revision or 1
        if body.position_id is None or body.side is None or body.quantity is None or body.price is None:
            return
        self.owners[body.family] = body.position_id
        stated = body.event is ExecutionEvent.STATED
        fill = Fill(
            body.family, body.revision or 1, body.role or Role.ENTRY, body.side, body.quantity, body.price, stated
        )
        known = self.fills.setdefault(body.position_id, [])
        # A real execution replaces what was only stated about the same order's role, and an earlier revision of itself.
        known[:] = [f for f in known if f.family != fill.family and not (f.stated and not stated and f.role is fill.role)]
        known.append(fill)
        amount = self.early.pop(body.family, None)
        if amount is not None:
            self.commissions.setdefault(body.position_id, {})[body.family] = amount

    def _charge(self, body: Execution) -> None:
        assert body.commission is not None, "a commission has an amount"
        owner = self.owners.get(body.family)
        if owner is None:
            self.early[body.family] = body.commission
        else:
            self.commissions.setdefault(owner, {})[body.family] = body.commission

    def answer(self, said: ExecutionSaid) -> Answer:
        """What this execution adds over what is known."""
        family, revision = family_of(said.exec_id)
        known = self.revisions.get(family)
        if known is None:
            return Answer.NEW
        return Answer.CORRECTION if revision > known else Answer.KNOWN

    def is_charged(self, exec_id: str) -> bool:
        """Whether the commission of an execution is known already."""
        family, _ = family_of(exec_id)
        owner = self.owners.get(family)
        return family in self.early or (owner is not None and family in self.commissions.get(owner, {}))

    def totals(self, position_id: str, plus: Fill | None = None) -> Totals:
        """What a position's executions add up to, with one more taken in as `fold` would."""
        fills = list(self.fills.get(position_id, ()))
        if plus is not None:
            fills = [
                f for f in fills if f.family != plus.family and not (f.stated and not plus.stated and f.role is plus.role)
            ]
            fills.append(plus)
        return _totals(fills, sum(self.commissions.get(position_id, {}).values(), ZERO))


def _totals(fills: list[Fill], commission: Decimal) -> Totals:
    entries = [f for f in fills if not f.role.is_exit]
    exits = [f for f in fills if f.role.is_exit]
    entered, paid = _sum(entries)
    exited, received = _sum(exits)
    average_entry = Price(divide(paid, entered)) if entered else None
    average_exit = Price(divide(received, exited)) if exited else None
    realized = ZERO
    if average_entry is not None and average_exit is not None and fills:
        closed = min(entered, exited)
        sign = entries[0].side.sign
        realized = times(times(Decimal(sign), average_exit - average_entry), closed)
    return Totals(
        Quantity(entered),
        Quantity(exited),
        _rounded(average_entry),
        _rounded(average_exit),
        Money(realized.quantize(CENT)),
        Money(commission),
    )


def _sum(fills: list[Fill]) -> tuple[Decimal, Decimal]:
    quantity = sum((f.quantity for f in fills), ZERO)
    return quantity, sum((times(f.quantity, f.price) for f in fills), ZERO)


CENT: Final = Decimal("0.01")
# Averages of exact prices are exact fractions; ten places are a hundred times finer than any tick.
AVERAGE_STEP: Final = Decimal("0.0000000001")


def _rounded(price: Price | None) -> Price | None:
    return None if price is None else Price(price.quantize(AVERAGE_STEP))


def fill_of(said: ExecutionSaid, role: Role) -> Fill:
    """An execution as the totals take it in."""
    family, revision = family_of(said.exec_id)
    return Fill(family, revision, role, said.side, said.quantity, said.price)


def execution(said: ExecutionSaid, answer: Answer, position_id: str | None, role: Role | None) -> Execution:
    """The bead of an execution that adds something."""
    assert answer is not Answer.KNOWN, "what is known leaves nothing"
    family, revision = family_of(said.exec_id)
    return Execution(
        event=ExecutionEvent.CORRECTION if answer is Answer.CORRECTION else ExecutionEvent.FILL,
        exec_id=said.exec_id,
        family=family,
        position_id=position_id,
        ref=said.ref or None,
        role=role,
        revision=revision,
        perm_id=said.perm_id or None,
        symbol=said.symbol,
        side=said.side,
        quantity=said.quantity,
        price=said.price,
        at=said.at,
        message=said.message,
    )
