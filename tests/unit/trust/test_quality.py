"""The ops quality gates: five figures, each with its bound, and none that is green for want of figures."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.trust import quality
from phoenix_core.trust.quality import NOT_MEASURED, Gate, Measured
from tests.showing import shows

SECOND: Final = timedelta(seconds=1)
GOOD: Final = Measured(
    drift_events=0,
    alerts_true=91,
    alerts_false=9,
    incidents_unalerted=9,
    latencies=(10 * SECOND, 12 * SECOND, 40 * SECOND),
    beats_expected=1000,
    beats_made=999,
)


def red(measured: Measured) -> dict[Gate, str]:
    """The gates that are red, with their figures."""
    results = quality.quality(measured)
    assert [result.gate for result in results] == list(Gate)
    return {result.gate: result.figure for result in results if not result.green}


@shows("S33-REV-06")
class TestQuality:
    """Zero drift; precision over 80 %; recall over 90 %; median latency under 30 s; uptime over 99 %."""

    def test_good_days_pass(self) -> None:
        """All green, with the figures that a human reads."""
        assert red(GOOD) == {}
        assert [result.figure for result in quality.quality(GOOD)] == ["0", "91 %", "91 %", "12000 ms", "99.9 %"]

    @pytest.mark.parametrize(
        ("change", "gate", "figure"),
        [
            ({"drift_events": 1}, Gate.ZERO_DRIFT, "1"),
            ({"alerts_true": 96, "alerts_false": 24}, Gate.ALERT_PRECISION, "80 %"),
            ({"alerts_true": 90, "incidents_unalerted": 10}, Gate.ALERT_RECALL, "90 %"),
            ({"latencies": (30 * SECOND,)}, Gate.MEDIAN_LATENCY, "30000 ms"),
            ({"beats_expected": 100, "beats_made": 99}, Gate.UPTIME, "99 %"),
        ],
    )
    def test_bound_itself_is_not_enough(self, change: dict[str, Any], gate: Gate, figure: str) -> None:  # Any: as told
        """Over and under mean over and under."""
        assert red(evolve(GOOD, **change)) == {gate: figure}

    @pytest.mark.parametrize(
        ("change", "gates"),
        [
            ({"drift_events": None}, {Gate.ZERO_DRIFT}),
            ({"alerts_true": None}, {Gate.ALERT_PRECISION, Gate.ALERT_RECALL}),
            ({"alerts_false": None}, {Gate.ALERT_PRECISION}),
            ({"incidents_unalerted": None}, {Gate.ALERT_RECALL}),
            ({"latencies": ()}, {Gate.MEDIAN_LATENCY}),
            ({"beats_expected": None}, {Gate.UPTIME}),
            ({"beats_made": None}, {Gate.UPTIME}),
            ({"beats_expected": 0, "beats_made": 0}, {Gate.UPTIME}),
            (
                {"alerts_true": 0, "alerts_false": 0, "incidents_unalerted": 0},
                {Gate.ALERT_PRECISION, Gate.ALERT_RECALL},
            ),
        ],
    )
    def test_what_was_not_measured_is_red(self, change: dict[str, Any], gates: set[Gate]) -> None:  # Any: as told
        """Nothing is pre-filled as passed; days without a single alert prove nothing about alerts."""
        found = red(evolve(GOOD, **change))
        assert set(found) == gates
        assert set(found.values()) == {NOT_MEASURED}

    def test_more_beats_than_expected_are_full_uptime(self) -> None:
        """Jitter may squeeze in one more."""
        assert red(evolve(GOOD, beats_expected=10, beats_made=11)) == {}

    @given(st.lists(st.integers(0, 100_000), min_size=1, max_size=20))
    def test_median_is_the_middle(self, millis: list[int]) -> None:
        """Against the standard library, for odd and even numbers."""
        latencies = tuple(timedelta(milliseconds=ms) for ms in millis)
        assert quality.median(latencies) == timedelta(milliseconds=median(millis))

    def test_median_of_nothing(self) -> None:
        """There is none."""
        assert quality.median(()) is None
