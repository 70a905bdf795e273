"""A closed position looked back on: what was meant, what happened, and what a strategist should ask next."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Autopsy, Bead, Outcome
from phoenix_core.values import ZERO, Money, Price, Quantity, Side, divide, times


@frozen
class Life:
    """What an autopsy reads: plain values of a closed position."""

    position_id: str
    intent_id: str
    strategy: str
    side: Side
    requested: Quantity
    filled: Quantity
    average_entry: Price | None
    average_exit: Price | None
    realized: Money
    commission: Money
    currency: str
    evidence_hash: str | None
    planned_entry: Price
    stop: Price
    target: Price
    risk: Money | None = None
    exited_by: str = ""  # STOP, TARGET, CLOSE or nothing
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
    realized: Decimal = ZERO


@define
class Autopsies:
    """The slice of AUTOPSY: counts by strategy; the beads themselves are in the log."""

    tallies: dict[str, Tally] = Factory(dict)

    def fold(self, bead: Bead) -> None:
        """Fold AUTOPSY."""
        body = bead.body
        assert isinstance(body, Autopsy), "autopsies fold AUTOPSY beads"
        tally = self.tallies.setdefault(body.strategy, Tally())
        tally.realized += body.realized
        if body.outcome is Outcome.WIN:
            tally.wins += 1
        elif body.outcome is Outcome.LOSS:
            tally.losses += 1
        else:
            tally.breakevens += 1


def outcome_of(filled: Quantity, realized: Money) -> Outcome:
    """Win, loss or breakeven; BUSTED where every execution was taken back."""
    if filled == 0:
        return Outcome.BUSTED
    if realized == 0:
        return Outcome.BREAKEVEN
    return Outcome.WIN if realized > 0 else Outcome.LOSS


R_STEP: Final = Decimal("0.01")


def autopsy(life: Life) -> Autopsy:
    """The bead of an autopsy: figures, and findings as fixed sentences."""
    slippage = None if life.average_entry is None else _against(life.side, life.planned_entry, life.average_entry)
    return Autopsy(
        position_id=life.position_id,
        intent_id=life.intent_id,
        strategy=life.strategy,
        outcome=outcome_of(life.filled, life.realized),
        entry_evidence_hash=life.evidence_hash,
        realized=life.realized,
        commission=life.commission,
        currency=life.currency,
        findings=_findings(life, slippage),
        r_multiple=divide(life.realized, life.risk).quantize(R_STEP) if life.risk else None,
        entry_slippage=slippage,
        held_for=_between(life.filled_at, life.closed_at),
        approval_took=_between(life.proposed_at, life.approved_at),
    )


def _against(side: Side, planned: Price, paid: Price) -> Price:
    """How much worse than planned the entry was; negative is better."""
    return Price(times(Decimal(side.sign), paid - planned))


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else end - start


def _findings(life: Life, slippage: Price | None) -> tuple[str, ...]:
    found: list[str] = []
    if life.filled == 0:
        return ("every execution was taken back by the broker",)
    if life.exited_by:
        found.append(f"left by {life.exited_by}")
    if life.filled < life.requested:
        found.append("the entry was filled in part only")
    planned_risk = abs(life.planned_entry - life.stop)
    if slippage is not None and planned_risk and slippage * 10 > planned_risk:
        found.append("the entry slipped by more than a tenth of the planned risk")
    if life.average_exit is not None and _against(life.side, life.stop, life.average_exit) < 0:
        found.append("the exit was worse than the stop")
    if life.average_exit is not None and _against(life.side, life.target, life.average_exit) >= 0:
        found.append("the target was reached")
    return tuple(found)
