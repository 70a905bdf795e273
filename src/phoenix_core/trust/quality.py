"""Does the desk itself work well enough? Five figures over the validation days; one that is not known is red."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from phoenix_core.values import ARITHMETIC, Named, divide, plain, times

PRECISION_MIN: Final = Decimal("0.80")
RECALL_MIN: Final = Decimal("0.90")
LATENCY_MAX: Final = timedelta(seconds=30)
UPTIME_MIN: Final = Decimal("0.99")
NOT_MEASURED: Final = "not measured"


class Gate(Named):
    """The ops quality gates."""

    ZERO_DRIFT = "ZERO_DRIFT"
    ALERT_PRECISION = "ALERT_PRECISION"
    ALERT_RECALL = "ALERT_RECALL"
    MEDIAN_LATENCY = "MEDIAN_LATENCY"
    UPTIME = "UPTIME"


@frozen
class Measured:
    """What was counted over the validation days. None: not measured."""

    drift_events: int | None
    alerts_true: int | None  # alerts that named something real
    alerts_false: int | None
    incidents_unalerted: int | None
    latencies: tuple[timedelta, ...]  # end to end, signal to fill
    beats_expected: int | None
    beats_made: int | None


@frozen
class GateResult:
    """One gate: green, or red with the figure."""

    gate: Gate
    green: bool
    figure: str


def median(latencies: tuple[timedelta, ...]) -> timedelta | None:
    """The middle latency, of an even number the mean of the middle two; None of none."""
    if not latencies:
        return None
    ordered, half = sorted(latencies), len(latencies) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def share(part: int | None, rest: int | None) -> Decimal | None:
    """part / (part + rest); None where either is not known, or where there is nothing to share."""
    if part is None or rest is None or part + rest == 0:
        return None
    return divide(Decimal(part), Decimal(part + rest))


def quality(measured: Measured) -> tuple[GateResult, ...]:
    """All five gates over one validation period."""
    drift, middle = measured.drift_events, median(measured.latencies)
    latency = NOT_MEASURED if middle is None else f"{middle // timedelta(milliseconds=1)} ms"
    expected, made = measured.beats_expected, measured.beats_made
    lost = None if expected is None or made is None else max(0, expected - made)
    return (
        GateResult(Gate.ZERO_DRIFT, drift == 0, NOT_MEASURED if drift is None else str(drift)),
        _above(Gate.ALERT_PRECISION, share(measured.alerts_true, measured.alerts_false), PRECISION_MIN),
        _above(Gate.ALERT_RECALL, share(measured.alerts_true, measured.incidents_unalerted), RECALL_MIN),
        GateResult(Gate.MEDIAN_LATENCY, middle is not None and middle < LATENCY_MAX, latency),
        _above(Gate.UPTIME, share(made, lost), UPTIME_MIN),
    )


def _above(gate: Gate, value: Decimal | None, least: Decimal) -> GateResult:
    if value is None:
        return GateResult(gate, False, NOT_MEASURED)
    percent = times(value, Decimal(100)).quantize(Decimal("0.01"), context=ARITHMETIC)
    return GateResult(gate, value > least, f"{plain(percent)} %")
