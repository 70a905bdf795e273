"""How much of anything the desk may do: limits that a human signed, judged with everything approved reserved.

Judged at intake, at approval and at the last look, each time for all limits: the human sees every one that is hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from attrs import define, frozen

from phoenix_core.beads import Bead, Limits, Policy
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import NO_QUANTITY, ZERO, Mode, Money, OrderType, Quantity


@frozen
class Exposure:
    """What the desk already holds or has promised, the intent that is judged left out (its own act gathers this).

    Reserved: every position APPROVED to MANAGED (STALLED with it), with what is held or may still fill.
    """

    quantities: Mapping[str, Quantity] = {}  # reserved, per instrument, without sign
    gross: Money = Money(ZERO)  # reserved notional in account currency
    open_positions: int = 0
    entries_today: int = 0  # entries that left in this trading session
    loss_today: Money = Money(ZERO)  # what this trading session lost, as a positive number; a gain is negative
    busy: tuple[str, ...] = ()  # instruments of other positions APPROVED to MANAGED or STALLED
    drifting: tuple[str, ...] = ()  # instruments with an open drift
    foreign: tuple[str, ...] = ()  # instruments with a position or order that is not ours


@define
class Policies:
    """The policy in force: the latest one that was signed."""

    policy: Policy | None = None
    seq: int = -1

    def fold(self, bead: Bead) -> None:
        """Fold POLICY."""
        if isinstance(bead.body, Policy):
            self.policy, self.seq = bead.body, bead.seq


def policy_in_force(policies: Policies, mode: Mode) -> Policy | None:
    """The signed policy; in MOCK and PAPER else the built-in one; in LIVE else none: LIVE does not start without."""
    raise NotImplementedError


def limit_refusal(
    policy: Policy | None, exposure: Exposure, mode: Mode, symbol: str, quantity: Quantity, notional: Money
) -> Refusal | None:
    """Every limit that an entry would break (POLICY_MISSING alone where there is none), INSTRUMENT_BUSY included."""
    raise NotImplementedError


def daily_loss_reached(policy: Policy | None, loss_today: Money) -> bool:
    """Whether the daily loss limit is reached, which raises a ONE_WAY kill on the desk: at the limit is reached."""
    raise NotImplementedError
