"""Has a strategy earned real money? Evidence that is missing is red; nothing is pre-filled as passed.

The checklist names every missing item at once, the bundle is what a human signs, and the ceremony is seven steps in
one order: no kill flag, no open drift, the bundle, the intent, the human, the bead, the change.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen
from returns.result import Result

from phoenix_core.beads import Bead, Promotion
from phoenix_core.refusals import Refusal
from phoenix_core.values import Money, Named

SESSIONS_MIN: Final = 20
REGIMES_NEEDED: Final = ("range", "trend")
INTENT: Final = "DISPATCH:PROMOTE_STRATEGY"


class Item(Named):
    """The lines of the checklist."""

    KILL_FLAG = "KILL_FLAG"
    DRIFT = "DRIFT"
    SESSIONS = "SESSIONS"
    REGIMES = "REGIMES"
    MAX_DRAWDOWN = "MAX_DRAWDOWN"
    WORST_DAY = "WORST_DAY"
    SHARPE = "SHARPE"
    SIGNALMAN_KILLS = "SIGNALMAN_KILLS"
    OVERRIDE_FREQUENCY = "OVERRIDE_FREQUENCY"
    AUTOPSY_SUMMARY = "AUTOPSY_SUMMARY"
    PAPER_VALIDATION = "PAPER_VALIDATION"
    BUNNY = "BUNNY"
    REVALIDATION = "REVALIDATION"


@frozen
class Check:
    """One line of the checklist: green, or red with what is missing."""

    item: Item
    green: bool
    detail: str


@define
class ShadowDay:
    """One session of shadow performance, as it was reported; None: not reported."""

    day: str
    regime: str | None
    pnl: Money | None
    drawdown: Decimal | None
    trades: int | None
    signalman_kills: int | None
    overrides: int | None


@define
class Sweep:
    """What a sweep of chaos vectors has shown so far."""

    strategy: str
    passed: list[str] = Factory(list)
    failed: list[str] = Factory(list)


@define
class Promotions:
    """The slice of PROMOTION and SHADOW."""

    shadow: dict[str, list[ShadowDay]] = Factory(dict)  # by strategy, since its shadow period last restarted
    restarts: dict[str, str] = Factory(dict)  # strategy -> id of the last restart
    sweeps: dict[str, Sweep] = Factory(dict)  # by sweep id
    live: dict[str, int] = Factory(dict)  # strategy -> seq of its promotion

    def fold(self, bead: Bead) -> None:
        """Take in a promotion or a word from the shadow; other kinds are somebody else's."""
        raise NotImplementedError


@frozen
class Record:
    """What the shadow period amounts to. None: the evidence is not there."""

    sessions: int
    regimes: tuple[str, ...]
    max_drawdown: Decimal | None
    worst_day: Money | None
    sharpe: Decimal | None
    signalman_kills: int | None
    override_frequency: Decimal | None


@frozen
class Standing:
    """The rest of the evidence, which other wings know. None: nobody knows, which is red."""

    kill_flags: tuple[str, ...] | None
    drift_unresolved: int | None
    autopsy_summary: str
    paper_validated: bool | None
    bunny_fail: int | None
    revalidation_open: tuple[str, ...] | None


@frozen
class Bundle:
    """Everything a human signs when a strategy is promoted."""

    strategy: str
    record: Record
    standing: Standing
    hash: str


class Step(Named):
    """The ceremony, in its order; the number is the place."""

    ASSERT_NO_KILL_FLAG = "ASSERT_NO_KILL_FLAG"
    ASSERT_NO_DRIFT = "ASSERT_NO_DRIFT"
    ASSEMBLE_BUNDLE = "ASSEMBLE_BUNDLE"
    SEND_INTENT = "SEND_INTENT"
    HUMAN_GATE = "HUMAN_GATE"
    EMIT_PROMOTION = "EMIT_PROMOTION"
    CHANGE_CONFIG = "CHANGE_CONFIG"


CEREMONY: Final[tuple[Step, ...]] = tuple(Step)


def record_of(promotions: Promotions, strategy: str) -> Record:
    """What the shadow period of a strategy amounts to."""
    raise NotImplementedError


def checklist(record: Record, standing: Standing) -> tuple[Check, ...]:
    """All lines, kill flag and drift first; whoever promotes sees every red one."""
    raise NotImplementedError


def missing(checks: tuple[Check, ...]) -> Refusal | None:
    """PROMOTION_INCOMPLETE (with KILL_FLAG_ACTIVE, DRIFT_OPEN, REVALIDATION_OPEN where they hold), every missing item
    listed and every kill flag cited; None where all is green."""
    raise NotImplementedError


def bundle(strategy: str, record: Record, standing: Standing) -> Result[Bundle, Refusal]:
    """The evidence bundle, or everything that it lacks."""
    raise NotImplementedError


def promote(
    fresh: Result[Bundle, Refusal], approved_hash: str | None, token_id: str | None
) -> Result[Promotion, Refusal]:
    """The PROMOTION body: only for the bundle, assembled again now, that a human approved by its hash."""
    raise NotImplementedError


def step_reached(check: tuple[Check, ...], *, intent_sent: bool, approved: bool, promoted: bool) -> Step | None:
    """The step that the ceremony stands before; None after the last."""
    raise NotImplementedError
