"""A closed position looked back on: what was meant, what happened, and what a strategist should ask next.

An autopsy is written in the append that closes its position, from plain values, and never changed. Its findings are
sentences of a fixed table, so that they can be counted: what a strategy's closed positions have in common is evidence
when it asks for real money.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Autopsy, Bead, Outcome
from phoenix_core.values import ARITHMETIC, ZERO, Money, Named, Price, Quantity, Side, divide, times

R_STEP: Final = Decimal("0.01")
# A stop that slips by more than this part of the planned risk was sized for a market that is not there.
SLIPPED_PART: Final = Decimal("0.1")


class Finding(Named):
    """What an autopsy may find, as it says it."""

    BUSTED = "every execution was taken back by the broker"
    BY_STOP = "left by STOP"
    BY_TARGET = "left by TARGET"
    BY_CLOSE = "left by CLOSE"
    PARTIAL = "the entry was filled in part only"
    ENTRY_SLIPPED = "the entry slipped by more than a tenth of the planned risk"
    BEYOND_STOP = "the exit was worse than the stop"
    TARGET_REACHED = "the target was reached"


_LEFT_BY: Final = {"STOP": Finding.BY_STOP, "TARGET": Finding.BY_TARGET, "CLOSE": Finding.BY_CLOSE}


@frozen
class Life:
    """What an autopsy reads: plain values of a closed position. Money is in the account's currency."""

    position_id: str
    intent_id: str
    strategy: str
    side: Side
    requested: Quantity
    filled: Quantity
    average_entry: Price | None
    average_exit: Price | None
    realized: Money  # before commissions
    commission: Money
    currency: str
    evidence_hash: str | None
    planned_entry: Price
    stop: Price
    target: Price
    risk: Money | None = None  # what the plan put at stake
    exited_by: str = ""  # STOP, TARGET, CLOSE: the role of the last exit; empty where there was none
    proposed_at: datetime | None = None
    approved_at: datetime | None = None
    filled_at: datetime | None = None
    closed_at: datetime | None = None


@define
class Tally:
    """How a strategy's closed positions went."""

    wins: int = 0
    losses: int = 0
    breakevens: int = 0
    busted: int = 0
    realized: Decimal = ZERO
    findings: dict[str, int] = Factory(dict)  # sentence -> how often

    @property
    def closed(self) -> int:
        """How many there were."""
        return self.wins + self.losses + self.breakevens + self.busted


@define
class Autopsies:
    """What all autopsies say together, by strategy; the beads themselves are in the log."""

    tallies: dict[str, Tally] = Factory(dict)

    def fold(self, bead: Bead) -> None:
        """Fold AUTOPSY."""
        body = bead.body
        if not isinstance(body, Autopsy):
            return
        tally = self.tallies.setdefault(body.strategy, Tally())
        tally.realized = ARITHMETIC.add(tally.realized, body.realized)
        tally.wins += body.outcome is Outcome.WIN
        tally.losses += body.outcome is Outcome.LOSS
        tally.breakevens += body.outcome is Outcome.BREAKEVEN
        tally.busted += body.outcome is Outcome.BUSTED
        for sentence in body.findings:
            tally.findings[sentence] = tally.findings.get(sentence, 0) + 1

    def summary(self, strategy: str) -> str:
        """What a strategy's closed positions have in common, on one line: the evidence of a promotion."""
        tally = self.tallies.get(strategy, Tally())
        found = sorted(tally.findings.items(), key=lambda item: (-item[1], item[0]))
        head = f"{tally.closed} closed: {tally.wins} won, {tally.losses} lost, {tally.breakevens} even"
        return "; ".join((head, *(f"{count} x {sentence}" for sentence, count in found)))


def outcome_of(filled: Quantity, realized: Money) -> Outcome:
    """Won, lost or even, by what was realised before commissions; BUSTED where every execution was taken back."""
    if filled == 0:
        return Outcome.BUSTED
    if realized > 0:
        return Outcome.WIN
    return Outcome.LOSS if realized < 0 else Outcome.BREAKEVEN


def autopsy(life: Life) -> Autopsy:
    """The bead of an autopsy: figures, and findings as fixed sentences."""
    return Autopsy(
        position_id=life.position_id,
        intent_id=life.intent_id,
        strategy=life.strategy,
        outcome=outcome_of(life.filled, life.realized),
        entry_evidence_hash=life.evidence_hash,
        realized=life.realized,
        commission=life.commission,
        currency=life.currency,
        findings=tuple(finding.value for finding in _findings(life)),
        r_multiple=_r_multiple(life),
        entry_slippage=_slippage(life),
        held_for=_between(life.filled_at, life.closed_at),
        approval_took=_between(life.proposed_at, life.approved_at),
    )


def _r_multiple(life: Life) -> Decimal | None:
    if not life.risk:
        return None
    return divide(life.realized, life.risk).quantize(R_STEP, ROUND_HALF_EVEN, ARITHMETIC)


def _slippage(life: Life) -> Price | None:
    return None if life.average_entry is None else _worse(life.side, life.average_entry, life.planned_entry)


def _worse(side: Side, paid: Price, planned: Price) -> Price:
    """How much worse than planned a price is for somebody who buys (or sells) at it; below zero it is better."""
    return Price(times(Decimal(side.sign), ARITHMETIC.subtract(paid, planned)))


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else end - start


def _findings(life: Life) -> Iterator[Finding]:
    if life.filled == 0:
        yield Finding.BUSTED
        return
    if life.exited_by:
        yield _LEFT_BY[life.exited_by]
    if life.filled < life.requested:
        yield Finding.PARTIAL
    slippage = _slippage(life)
    at_stake = ARITHMETIC.subtract(life.planned_entry, life.stop).copy_abs()
    if slippage is not None and slippage > times(at_stake, SLIPPED_PART):
        yield Finding.ENTRY_SLIPPED
    if life.average_exit is None:
        return
    leaving = life.side.other
    if _worse(leaving, life.average_exit, life.stop) > 0:
        yield Finding.BEYOND_STOP
    if _worse(leaving, life.average_exit, life.target) <= 0:
        yield Finding.TARGET_REACHED
