"""Does the desk itself work well enough? Five figures over the validation days; one that is not known is red."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from phoenix_core.values import Named

PRECISION_MIN: Final = Decimal("0.80")
RECALL_MIN: Final = Decimal("0.90")
LATENCY_MAX: Final = timedelta(seconds=30)
UPTIME_MIN: Final = Decimal("0.99")


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
    """The middle latency; None of none."""
    raise NotImplementedError


def quality(measured: Measured) -> tuple[GateResult, ...]:
    """All five gates over one validation period."""
    raise NotImplementedError
