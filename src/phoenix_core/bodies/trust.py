"""What the log says of whether a strategy has earned real money."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from attrs import frozen

from phoenix_core.bodies.kind import Kind
from phoenix_core.values import Money, Named


@frozen
class Promotion:
    """A strategy went from shadow to live: with which evidence, by whose signature."""

    kind: ClassVar[Kind] = Kind.PROMOTION
    strategy: str
    from_: str
    to: str
    kill_flag: bool
    unresolved_drift_count: int
    sessions: int
    regimes: tuple[str, ...]
    max_drawdown: Decimal
    worst_day: Money
    sharpe: Decimal
    signalman_kills: int
    override_frequency: Decimal
    autopsy_summary: str
    evidence_hash: str
    token_id: str
    bunny_vectors_fail: int


class ChangeType(Named):
    """What was changed."""

    CSO_PARAM = "CSO_PARAM"
    CONFIG_FLIP = "CONFIG_FLIP"
    STRATEGY_TUNE = "STRATEGY_TUNE"


@frozen
class ConfigChange:
    """A parameter changed: proof that the shadow period restarted and which sweep must pass."""

    kind: ClassVar[Kind] = Kind.CONFIG_CHANGE
    change_type: ChangeType
    component: str
    parameter: str
    old_value: str
    new_value: str
    changed_by: str
    shadow_restart_id: str
    sweep_id: str
    vectors: tuple[str, ...]
    strategy: str


class ShadowEvent(Named):
    """What the shadow trader and the sweeps report."""

    SESSION = "SESSION"  # one trading session of shadow performance
    RESTARTED = "RESTARTED"
    SWEEP = "SWEEP"  # the result of a sweep


@frozen
class Shadow:
    """Evidence from the shadow: one session's performance, a restart of the period, or a sweep's result."""

    kind: ClassVar[Kind] = Kind.SHADOW
    event: ShadowEvent
    strategy: str
    id: str
    session_day: str | None = None
    regime: str | None = None
    pnl: Money | None = None
    drawdown: Decimal | None = None
    trades: int | None = None
    signalman_kills: int | None = None
    overrides: int | None = None
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    findings: tuple[str, ...] | None = None  # of the session's autopsies, in the words of the autopsy's own table
