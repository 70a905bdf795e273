"""What was traded: each execution once, the latest revision of each counts, and nothing is ever summed twice.

An execution id ends in a revision (`...01`, `...02`): a higher one replaces its family's quantity and price, zero is a
bust. A commission may come before its execution, or never. What an operator stated gives way, unit for unit, to the
executions of the same order that arrive later, so that the sum never dips while they come in.

A position whose entries and exits are equal is *flat*. The latest flat ones are kept whole; older ones are written on
one line of text each, from which everything comes back when a late fact touches it: a year of trading stays small, and
a duplicate of any day is still known.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from attrs import Factory, define

from phoenix_core.beads import Bead, Execution, ExecutionEvent
from phoenix_core.facts import CommissionSaid, ExecutionSaid
from phoenix_core.orders import REF_LENGTH
from phoenix_core.records import evolve
from phoenix_core.trade.executions import (
    Charge,
    Fill,
    Totals,
    family_of,
    fills_of_line,
    later,
    line_of,
    taken,
    totals_of,
)
from phoenix_core.values import ARITHMETIC, ZERO, Named, Price, Quantity, Role, Side

# Resynchronisations tell the executions of the day again and again; these many flat positions answer without a search.
FLAT_KEPT: Final = 256
# Commissions, and executions that are none of ours, which never found their position: the oldest are let go.
STRAYS_KEPT: Final = 1024


class Answer(Named):
    """What a fact about an execution adds."""

    NEW = "NEW"
    CORRECTION = "CORRECTION"
    KNOWN = "KNOWN"


@define
class Fills:
    """Every execution there ever was, by position and family."""

    whole: dict[str, tuple[Fill, ...]] = Factory(dict)  # position -> its executions, in order of arrival
    owners: dict[str, str] = Factory(dict)  # family -> position, of those
    flat: dict[str, int] = Factory(dict)  # those of them with nothing left -> since which bead, oldest first
    shelf: dict[str, str] = Factory(dict)  # position -> the same on one line, once it has long been flat
    shelved: dict[str, str] = Factory(dict)  # entry reference -> position, of those
    early: dict[str, Charge] = Factory(dict)  # family -> a charge whose execution has not come
    strays: dict[str, int] = Factory(dict)  # family -> latest revision, of executions of no order of ours
    touched: dict[str, datetime] = Factory(dict)  # symbol -> its last execution

    def fold(self, bead: Bead) -> None:
        """Fold EXECUTION."""
        body = bead.body
        if not isinstance(body, Execution):
            return
        if body.event is ExecutionEvent.COMMISSION:
            self._charge(body)
        elif body.position_id is None:
            self.strays[body.family] = _revision(body)
            _keep_latest(self.strays, STRAYS_KEPT)
        else:
            self._take(body.position_id, fill_in(body, bead.ts), bead.seq)
        if body.symbol is not None:
            self.touched[body.symbol] = bead.ts

    def answer(self, said: ExecutionSaid) -> Answer:
        """What an execution adds over what is known: a lower or equal revision adds nothing, whatever it says."""
        family, revision = family_of(said.exec_id)
        known = self.strays.get(family)  # a correction that came after the end stands here, what it corrects below
        for fill in self.of(self._owner(family, said.ref)):
            if fill.family == family:
                known = fill.revision if known is None else max(known, fill.revision)
        if known is None:
            return Answer.NEW
        return Answer.CORRECTION if revision > known else Answer.KNOWN

    def is_charged(self, exec_id: str) -> bool:
        """Whether the commission of an execution is known: that of this revision, or of a later one."""
        family, revision = family_of(exec_id)
        known = self.early.get(family)
        for fill in self.of(self._owner(family, "")):
            known = fill.charge if fill.family == family else known
        return known is not None and known.revision >= revision

    def of(self, position_id: str) -> tuple[Fill, ...]:
        """The executions of a position, the latest revision of each, in order of arrival."""
        line = self.shelf.get(position_id)
        return self.whole.get(position_id, ()) if line is None else fills_of_line(line)

    def totals(self, position_id: str, plus: Fill | None = None) -> Totals:
        """What a position's executions add up to, with one more taken in as `fold` would."""
        fills = self.of(position_id)
        return totals_of(fills if plus is None else taken(fills, self._charged(plus)))

    def executed(self, position_id: str) -> Mapping[str, Quantity]:
        """What each order of a position executed, by reference."""
        sums: dict[str, Decimal] = {}
        for fill in self.of(position_id):
            sums[fill.ref] = ARITHMETIC.add(sums.get(fill.ref, ZERO), fill.quantity)
        return {ref: Quantity(total) for ref, total in sums.items()}

    def _owner(self, family: str, ref: str) -> str:
        return self.owners.get(family) or self.shelved.get(ref[:REF_LENGTH], "")

    def _take(self, position_id: str, fill: Fill, seq: int) -> None:
        self._put(position_id, taken(self.of(position_id), self._charged(fill)), seq)
        _ = self.early.pop(fill.family, None)

    def _charged(self, fill: Fill) -> Fill:
        """A fill with the charge that came before it, where one did."""
        return evolve(fill, charge=self.early.get(fill.family))

    def _charge(self, body: Execution) -> None:
        assert body.commission is not None and body.currency is not None, "a commission is an amount in a currency"
        charge = Charge(_revision(body), body.commission, body.currency)
        owner = self.owners.get(body.family)
        if owner is None:
            self.early[body.family] = later(self.early.get(body.family), charge)
            _keep_latest(self.early, STRAYS_KEPT)
            return
        self.whole[owner] = tuple(
            evolve(fill, charge=later(fill.charge, charge)) if fill.family == body.family else fill
            for fill in self.whole[owner]
        )

    def _put(self, position_id: str, fills: tuple[Fill, ...], seq: int) -> None:
        if self.shelf.pop(position_id, None) is not None:
            del self.shelved[_entry_of(fills)]
        self.whole[position_id] = fills
        self.owners.update((fill.family, position_id) for fill in fills)
        _ = self.flat.pop(position_id, None)
        if totals_of(fills).held == 0:
            self.flat[position_id] = seq
        if len(self.flat) > FLAT_KEPT:
            self._shelve(next(iter(self.flat)))

    def _shelve(self, position_id: str) -> None:
        del self.flat[position_id]
        fills = self.whole.pop(position_id)
        for fill in fills:
            del self.owners[fill.family]
        self.shelf[position_id] = line_of(fills)
        self.shelved[_entry_of(fills)] = position_id


def _revision(body: Execution) -> int:
    assert body.revision is not None, "every execution and every commission is of some revision"
    return body.revision


def _entry_of(fills: tuple[Fill, ...]) -> str:
    """The 28 characters that a position's executions share; one that was attributed by hand may carry none."""
    return next((fill.ref[:REF_LENGTH] for fill in fills if fill.ref), fills[0].family)


def _keep_latest(kept: dict[str, int] | dict[str, Charge], most: int) -> None:
    if len(kept) > most:
        del kept[next(iter(kept))]


# --- what is written -------------------------------------------------------------------------------------------------


def fill_of(said: ExecutionSaid, role: Role, at: datetime) -> Fill:
    """An execution as the totals take it in, before it is recorded."""
    family, revision = family_of(said.exec_id)
    return Fill(family, revision, said.ref, role, said.side, said.quantity, said.price, at)


def fill_in(body: Execution, at: datetime) -> Fill:
    """The fill that a bead records."""
    assert body.role is not None and body.side is not None, "an execution of ours has a role and a side"
    assert body.quantity is not None and body.price is not None, "an execution of ours has a quantity and a price"
    return Fill(
        family=body.family,
        revision=_revision(body),
        ref=body.ref or "",
        role=body.role,
        side=body.side,
        quantity=body.quantity,
        price=body.price,
        at=at,
        stated=body.event is ExecutionEvent.STATED,
    )


def execution(said: ExecutionSaid, answer: Answer, position_id: str | None, role: Role | None) -> Execution:
    """The bead of an execution that adds something; without a position it is of no order of ours."""
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


def charged(said: CommissionSaid) -> Execution:
    """The bead of a commission that adds something."""
    family, revision = family_of(said.exec_id)
    return Execution(
        event=ExecutionEvent.COMMISSION,
        exec_id=said.exec_id,
        family=family,
        revision=revision,
        commission=said.amount,
        currency=said.currency,
        message=said.message,
    )


def stated(
    exec_id: str,
    position_id: str,
    ref: str,
    role: Role,
    symbol: str,
    side: Side,
    quantity: Quantity,
    price: Price,
    at: datetime,
) -> Execution:
    """The bead of what an operator states from the broker's papers: an adoption, a resolved stall, an attribution."""
    family, revision = family_of(exec_id)
    return Execution(
        event=ExecutionEvent.STATED,
        exec_id=exec_id,
        family=family,
        position_id=position_id,
        ref=ref or None,
        role=role,
        revision=revision,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=price,
        at=at,
    )
