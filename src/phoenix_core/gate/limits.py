"""How much of anything the desk may do: limits that a human signed, judged with everything approved reserved.

Judged at intake, at approval and at the last look, each time for all limits: the human sees every one that is hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import define, fields, frozen

from phoenix_core.beads import Bead, Limits, Policy
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.values import ARITHMETIC, NO_QUANTITY, ZERO, BadInput, Mode, Money, Quantity, plain

NO_MONEY: Final = Money(ZERO)


@frozen
class Exposure:
    """What the desk already holds or has promised, the intent that is judged left out (its own act gathers this).

    Reserved: every position APPROVED to MANAGED (STALLED with it), with what is held or may still fill.
    """

    quantities: Mapping[str, Quantity] = {}  # reserved, per instrument, without sign
    gross: Money = NO_MONEY  # reserved notional in account currency
    unvalued: tuple[str, ...] = ()  # instruments that are in no such sum: nobody ever knew the rate of their currency
    open_positions: int = 0
    entries_today: int = 0  # entries that left in this trading session
    loss_today: Money = NO_MONEY  # what this trading session lost, as a positive number; a gain is negative
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


# What MOCK and PAPER start with: room for half a percent of a million on a tight stop, and an end to every runaway.
BUILT_IN: Final = Policy(
    Limits(
        order_quantity_max=Quantity(Decimal(5_000_000)),
        order_notional_max=Money(Decimal(5_000_000)),
        instrument_quantity_max=Quantity(Decimal(5_000_000)),
        gross_notional_max=Money(Decimal(20_000_000)),
        open_positions_max=10,
        entries_per_day_max=100,
        daily_loss_max=Money(Decimal(50_000)),
    )
)
# More than a tenth of the equity at one stop, or a tenth of the price, was a percent written where a share is meant.
RISK_MAX: Final = Decimal("0.1")
BPS_MAX: Final = 1_000
STALE_MAX: Final = timedelta(days=1)
# LIVE trades nothing else until a policy names instruments.
LIVE_INSTRUMENTS: Final = ("EURUSD",)


def unnamed_limits(limits: Limits) -> tuple[str, ...]:
    """The limits that a policy leaves open. A LIVE desk names every one of them."""
    return tuple(field.name for field in fields(Limits) if getattr(limits, field.name) is None)


def out_of_bounds(policy: Policy) -> Iterator[BadInput]:
    """The figures of a policy that nobody means, each with its mend: a signature makes them no better."""
    share = policy.risk_per_trade
    if not 0 < share <= RISK_MAX:
        yield BadInput(
            "policy.risk_per_trade", plain(share), f"write a share above 0, {RISK_MAX} at most: 0.005 is 0.5 %"
        )
    for name, bps in (("drift_bps_max", policy.drift_bps_max), ("spread_bps_max", policy.spread_bps_max)):
        if not 0 <= bps <= BPS_MAX:
            yield BadInput(f"policy.{name}", bps, f"write basis points from 0 to {BPS_MAX}")
    if not timedelta(0) < policy.stale_after <= STALE_MAX:
        yield BadInput("policy.stale_after", str(policy.stale_after), "write a span above 0, a day at most")
    if policy.time_exit is not None and policy.time_exit <= timedelta(0):
        yield BadInput("policy.time_exit", str(policy.time_exit), "write a span above 0, or leave it out")
    for field in fields(Limits):
        limit = getattr(policy.limits, field.name)
        if limit is not None and limit < 0:
            yield BadInput(f"policy.limits.{field.name}", _bound(limit), "write 0 or more, or leave it out")


def policy_in_force(policies: Policies, mode: Mode) -> Policy | None:
    """The policy that a human set; in MOCK and PAPER else the built-in one. LIVE has only a signed, complete one."""
    policy = policies.policy
    if mode is not Mode.LIVE:
        return policy if policy is not None else BUILT_IN
    complete = policy is not None and policy.signed is not None and not unnamed_limits(policy.limits)
    return policy if complete else None


def limit_refusal(
    policy: Policy | None, exposure: Exposure, mode: Mode, symbol: str, quantity: Quantity, notional: Money
) -> Refusal | None:
    """Every limit that an entry would break, and whether its instrument has another owner (INSTRUMENT_BUSY)."""
    assert quantity > 0, "an entry has a quantity"
    assert notional >= 0, "a notional has no sign"
    said = list(_busy(exposure, symbol))
    if policy is None:
        said.append(refusal(Reason.POLICY_MISSING, detail=f"{mode} needs a signed policy that names every limit"))
    else:
        allowed = policy.instruments or (LIVE_INSTRUMENTS if mode is Mode.LIVE else (symbol,))
        if symbol not in allowed:
            said.append(refusal(Reason.INSTRUMENT_NOT_ALLOWED, detail=f"the policy does not name {symbol}"))
        said.extend(_exceeded(policy.limits, exposure, symbol, quantity, notional))
        if exposure.unvalued:
            detail = f"gross notional UNKNOWN: no rate to the account's currency for {', '.join(exposure.unvalued)} yet"
            said.append(refusal(Reason.GROSS_LIMIT, detail=detail))
        if daily_loss_reached(policy, exposure.loss_today):
            detail = f"{plain(exposure.loss_today)} lost today, the limit is {_bound(policy.limits.daily_loss_max)}"
            said.append(refusal(Reason.DAILY_LOSS_LIMIT, detail=detail))
    return merged(said)


def _busy(exposure: Exposure, symbol: str) -> Iterator[Refusal]:
    """One instrument, one owner: nothing enters beside another position, an open drift, or what is not ours."""
    for instruments, why in (
        (exposure.busy, "another position is open or on its way"),
        (exposure.drifting, "a drift is open"),
        (exposure.foreign, "a position or order that is not ours is there"),
    ):
        if symbol in instruments:
            yield refusal(Reason.INSTRUMENT_BUSY, detail=f"{symbol}: {why}")


@frozen
class Measure:
    """How an entry stands to one limit. Reaching it exactly is within it."""

    reason: Reason
    amount: Decimal | int
    limit: Decimal | int | None  # None: not limited here
    of: str

    @property
    def within(self) -> bool:
        """Whether the limit lets it through."""
        return self.limit is None or self.amount <= self.limit


def measured(
    limits: Limits, exposure: Exposure, symbol: str, quantity: Quantity, notional: Money
) -> tuple[Measure, ...]:
    """An entry beside every limit that it adds to, in the order in which they are told."""
    held = exposure.quantities.get(symbol, NO_QUANTITY)
    gross = ARITHMETIC.add(exposure.gross, notional)
    of_symbol = ARITHMETIC.add(held, quantity)
    return (
        Measure(Reason.ORDER_QUANTITY_LIMIT, quantity, limits.order_quantity_max, "in one order"),
        Measure(Reason.ORDER_NOTIONAL_LIMIT, notional, limits.order_notional_max, "of notional in one order"),
        Measure(Reason.INSTRUMENT_LIMIT, of_symbol, limits.instrument_quantity_max, f"of {symbol}"),
        Measure(Reason.GROSS_LIMIT, gross, limits.gross_notional_max, "of gross notional"),
        Measure(Reason.OPEN_POSITIONS_LIMIT, exposure.open_positions + 1, limits.open_positions_max, "open positions"),
        Measure(Reason.ENTRIES_PER_DAY_LIMIT, exposure.entries_today + 1, limits.entries_per_day_max, "entries today"),
    )


def _exceeded(
    limits: Limits, exposure: Exposure, symbol: str, quantity: Quantity, notional: Money
) -> Iterator[Refusal]:
    """The limits that would be exceeded."""
    for one in measured(limits, exposure, symbol, quantity, notional):
        if not one.within:
            yield refusal(one.reason, detail=f"{_bound(one.amount)} {one.of}, the limit is {_bound(one.limit)}")


def _bound(amount: Decimal | int | None) -> str:
    return plain(amount) if isinstance(amount, Decimal) else str(amount)


def daily_loss_reached(policy: Policy | None, loss_today: Money) -> bool:
    """Whether the daily loss limit is reached, which raises a ONE_WAY kill on the desk: at the limit is reached."""
    limit = policy.limits.daily_loss_max if policy is not None else None
    return limit is not None and loss_today >= limit
