"""Has a strategy earned real money? Evidence that is missing is red; nothing is pre-filled as passed.

The checklist names every missing item at once, the bundle is what a human signs, and the ceremony is seven steps in
one order: no kill flag, no open drift, the bundle, the intent, the human, the bead, the change.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.beads import Bead, Promotion, Shadow, ShadowEvent
from phoenix_core.canonical import encode
from phoenix_core.records import to_json
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import ARITHMETIC, ZERO, Money, Named, divide

SESSIONS_MIN: Final = 20
REGIMES_NEEDED: Final = ("range", "trend")
# Figures that are divided are written with six digits after the point: enough to compare, short enough to read.
SIX_DIGITS: Final = Decimal("0.000001")


class Item(Named):
    """The lines of the checklist, in the order in which they are read."""

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


# Red lines that have a reason of their own, beside PROMOTION_INCOMPLETE.
_REASONS: Final = {
    Item.KILL_FLAG: Reason.KILL_FLAG_ACTIVE,
    Item.DRIFT: Reason.DRIFT_OPEN,
    Item.PAPER_VALIDATION: Reason.PAPER_VALIDATION_MISSING,
    Item.REVALIDATION: Reason.REVALIDATION_OPEN,
}


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
    findings: tuple[str, ...] = ()


@define
class Sweep:
    """What the chaos vectors of a sweep said when they last ran, and how often the sweep reported a failure."""

    strategy: str
    passed: list[str] = Factory(list)
    failed: list[str] = Factory(list)
    failures: int = 0


@define
class Promotions:
    """The slice of PROMOTION and SHADOW."""

    shadow: dict[str, dict[str, ShadowDay]] = Factory(dict)  # strategy -> day -> session, since the last restart
    restarts: dict[str, str] = Factory(dict)  # strategy -> id of its last restart
    sweeps: dict[str, Sweep] = Factory(dict)  # by sweep id
    live: dict[str, int] = Factory(dict)  # strategy -> seq of its promotion

    def fold(self, bead: Bead) -> None:
        """Take in a promotion or a word from the shadow; other kinds are somebody else's."""
        body = bead.body
        if isinstance(body, Promotion):
            self.live[body.strategy] = bead.seq
        elif isinstance(body, Shadow):
            self._shadow(body)

    def _shadow(self, body: Shadow) -> None:
        if body.event is ShadowEvent.RESTARTED:
            self.shadow[body.strategy] = {}
            self.restarts[body.strategy] = body.id
            _ = self.live.pop(body.strategy, None)  # what was promoted is not what runs now
        elif body.event is ShadowEvent.SESSION:
            day = body.session_day or body.id
            self.shadow.setdefault(body.strategy, {})[day] = ShadowDay(  # a session told again replaces
                day,
                body.regime,
                body.pnl,
                body.drawdown,
                body.trades,
                body.signalman_kills,
                body.overrides,
                body.findings or (),
            )
        else:
            sweep = self.sweeps.setdefault(body.id, Sweep(body.strategy))
            ran = {*body.passed, *body.failed}
            sweep.passed = [v for v in sweep.passed if v not in ran] + list(body.passed)
            sweep.failed = [v for v in sweep.failed if v not in ran] + list(body.failed)
            sweep.failures += 1 if body.failed else 0


@frozen
class Record:
    """What the shadow period amounts to. None: the evidence is not there, or not for every session."""

    sessions: int
    regimes: tuple[str, ...]
    max_drawdown: Decimal | None
    worst_day: Money | None
    sharpe: Decimal | None
    signalman_kills: int | None
    override_frequency: Decimal | None


@frozen
class Standing:
    """The rest of the evidence, which others know. None: nobody knows, which is red."""

    kill_flags: tuple[str, ...] | None
    drift_unresolved: int | None
    autopsy_summary: str
    paper_validated: bool | None
    bunny_fail: int | None
    revalidation_open: tuple[str, ...] | None
    sessions_needed: int = SESSIONS_MIN  # more where validation was extended


@frozen
class Bundle:
    """Everything a human signs when a strategy is promoted."""

    strategy: str
    max_drawdown: Decimal
    worst_day: Money
    sharpe: Decimal
    sessions: int
    regimes: tuple[str, ...]
    signalman_kills: int
    override_frequency: Decimal
    autopsy_summary: str
    bunny_vectors_fail: int
    kill_flag: bool
    unresolved_drift_count: int

    @property
    def hash(self) -> str:
        """What the signature covers."""
        return hashlib.sha256(encode(to_json(self))).hexdigest()


def in_force(promotions: Promotions, strategy: str, changes_open: tuple[str, ...]) -> Refusal | None:
    """Why a strategy may not trade real money now: it was never promoted, not since its last restart, or a change of it
    is not revalidated. Asked of every entry of a LIVE desk, by the guard of the mode."""
    if strategy not in promotions.live:
        return refusal(Reason.STRATEGY_NOT_PROMOTED, detail=f"{strategy} has no promotion in force on this desk")
    if changes_open:
        return refusal(Reason.REVALIDATION_OPEN, detail=f"{strategy}: {', '.join(changes_open)} is not revalidated")
    return None


def patterns(promotions: Promotions, strategy: str) -> str:
    """What the autopsies of the shadow's own trades found, counted: where there is no trade on this desk yet, the only
    reasoning there is."""
    days = promotions.shadow.get(strategy, {}).values()
    counted = Counter(sentence for day in days for sentence in day.findings)
    return "; ".join(f"shadow {count} x {sentence}" for sentence, count in sorted(counted.items()))


def record_of(promotions: Promotions, strategy: str) -> Record:
    """What the shadow period of a strategy amounts to."""
    days = tuple(promotions.shadow.get(strategy, {}).values())
    profits = tuple(day.pnl for day in days if day.pnl is not None)
    drawdowns = tuple(day.drawdown for day in days if day.drawdown is not None)
    kills = tuple(day.signalman_kills for day in days if day.signalman_kills is not None)
    complete = len(days) > 0
    return Record(
        sessions=len(days),
        regimes=tuple(sorted({day.regime for day in days if day.regime is not None})),
        max_drawdown=max(drawdowns) if complete and len(drawdowns) == len(days) else None,
        worst_day=min(profits) if complete and len(profits) == len(days) else None,
        sharpe=sharpe(profits) if len(profits) == len(days) else None,
        signalman_kills=sum(kills) if complete and len(kills) == len(days) else None,
        override_frequency=_override_frequency(days),
    )


def sharpe(profits: tuple[Money, ...]) -> Decimal | None:
    """Mean over standard deviation of the sessions' profits (sample, not annualised), to six digits; None where there
    is no deviation to speak of. It has no minimum: it is only recorded."""
    count = len(profits)
    if count < 2:
        return None
    mean = divide(_sum(profits), Decimal(count))
    gaps = tuple(ARITHMETIC.subtract(profit, mean) for profit in profits)
    variance = divide(_sum(tuple(ARITHMETIC.multiply(gap, gap) for gap in gaps)), Decimal(count - 1))
    if variance == 0:
        return None
    return _six_digits(divide(mean, ARITHMETIC.sqrt(variance)))


def _sum(amounts: tuple[Decimal, ...]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = ARITHMETIC.add(total, amount)
    return total


def _six_digits(value: Decimal) -> Decimal:
    return value.quantize(SIX_DIGITS, context=ARITHMETIC)


def _override_frequency(days: tuple[ShadowDay, ...]) -> Decimal | None:
    """Overrides by the strategy's owner per trade of the shadow; None where a session tells either not."""
    told = tuple((day.overrides, day.trades) for day in days if day.overrides is not None and day.trades is not None)
    trades = sum(trades for _, trades in told)
    if len(told) != len(days) or not trades:
        return None
    return _six_digits(divide(Decimal(sum(overrides for overrides, _ in told)), Decimal(trades)))


def checklist(record: Record, standing: Standing) -> tuple[Check, ...]:
    """All lines, kill flag and drift first; whoever promotes sees every red one."""
    return (*_standing_checks(standing), *_record_checks(record, standing), *_other_checks(standing))


def _standing_checks(standing: Standing) -> Iterator[Check]:
    flags, drift = standing.kill_flags, standing.drift_unresolved
    cited = "kill flags not known" if flags is None else "active: " + ", ".join(flags) if flags else "none"
    yield Check(Item.KILL_FLAG, flags == (), cited)
    yield Check(Item.DRIFT, drift == 0, "drift not known" if drift is None else f"{drift} unresolved")


def _record_checks(record: Record, standing: Standing) -> Iterator[Check]:
    needed = max(SESSIONS_MIN, standing.sessions_needed)
    yield Check(Item.SESSIONS, record.sessions >= needed, f"{record.sessions} of {needed} shadow sessions")
    absent = tuple(regime for regime in REGIMES_NEEDED if regime not in record.regimes)
    regimes = ", ".join(record.regimes) or "none"
    yield Check(Item.REGIMES, not absent, regimes + (f"; missing: {', '.join(absent)}" if absent else ""))
    figures = {
        Item.MAX_DRAWDOWN: record.max_drawdown,
        Item.WORST_DAY: record.worst_day,
        Item.SHARPE: record.sharpe,
        Item.SIGNALMAN_KILLS: record.signalman_kills,
        Item.OVERRIDE_FREQUENCY: record.override_frequency,
    }
    for item, figure in figures.items():
        yield Check(item, figure is not None, "not recorded for every session" if figure is None else str(figure))


def _other_checks(standing: Standing) -> Iterator[Check]:
    summary = standing.autopsy_summary.strip()
    yield Check(Item.AUTOPSY_SUMMARY, bool(summary), summary or "no patterns from the shadow's autopsies")
    paper = standing.paper_validated is True
    yield Check(Item.PAPER_VALIDATION, paper, "signed for" if paper else "no signed paper validation")
    fail = standing.bunny_fail
    yield Check(Item.BUNNY, fail == 0, "chaos vectors never ran" if fail is None else f"{fail} chaos vectors fail")
    changes = standing.revalidation_open
    told = "changes not known" if changes is None else "open: " + ", ".join(changes) if changes else "none open"
    yield Check(Item.REVALIDATION, changes == (), told)


def missing(checks: tuple[Check, ...]) -> Refusal | None:
    """PROMOTION_INCOMPLETE, with every red item by name and every kill flag cited; None where all is green."""
    red = tuple(check for check in checks if not check.green)
    if not red:
        return None
    detail = "; ".join(f"{check.item.value}: {check.detail}" for check in red)
    special = (_REASONS[check.item] for check in red if check.item in _REASONS)
    return refusal(Reason.PROMOTION_INCOMPLETE, *special, detail=detail)


def bundle(strategy: str, record: Record, standing: Standing) -> Result[Bundle, Refusal]:
    """The evidence bundle, or everything that it lacks."""
    refused = missing(checklist(record, standing))
    if refused is not None:
        return Failure(refused)
    assert record.max_drawdown is not None, "a green line has its figure"
    assert record.worst_day is not None, "a green line has its figure"
    assert record.sharpe is not None, "a green line has its figure"
    assert record.signalman_kills is not None, "a green line has its figure"
    assert record.override_frequency is not None, "a green line has its figure"
    return Success(
        Bundle(
            strategy=strategy,
            max_drawdown=record.max_drawdown,
            worst_day=record.worst_day,
            sharpe=record.sharpe,
            sessions=record.sessions,
            regimes=record.regimes,
            signalman_kills=record.signalman_kills,
            override_frequency=record.override_frequency,
            autopsy_summary=standing.autopsy_summary,
            bunny_vectors_fail=0,
            kill_flag=False,
            unresolved_drift_count=0,
        )
    )


def promote(
    fresh: Result[Bundle, Refusal], approved_hash: str | None, token_id: str | None
) -> Result[Promotion, Refusal]:
    """The PROMOTION body: only for the bundle, assembled again now, that a human approved by its hash."""
    if not is_successful(fresh):
        return Failure(fresh.failure())
    held = fresh.unwrap()
    if not token_id or approved_hash is None:
        return Failure(refusal(Reason.PROMOTION_NOT_APPROVED, detail="no human has approved this bundle"))
    if approved_hash != held.hash:
        detail = "the evidence changed after it was approved"
        return Failure(refusal(Reason.PROMOTION_NOT_APPROVED, detail=detail))
    return Success(
        Promotion(
            strategy=held.strategy,
            from_="SHADOW",
            to="LIVE",
            kill_flag=held.kill_flag,
            unresolved_drift_count=held.unresolved_drift_count,
            sessions=held.sessions,
            regimes=held.regimes,
            max_drawdown=held.max_drawdown,
            worst_day=held.worst_day,
            sharpe=held.sharpe,
            signalman_kills=held.signalman_kills,
            override_frequency=held.override_frequency,
            autopsy_summary=held.autopsy_summary,
            evidence_hash=held.hash,
            token_id=token_id,
            bunny_vectors_fail=held.bunny_vectors_fail,
        )
    )
