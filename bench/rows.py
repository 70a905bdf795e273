"""What a row of the table is, and how several runs of one become a figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from enum import Enum
from math import isnan
from random import Random

from attrs import Factory, frozen

from bench.timing import Spread


@frozen
class Effort:
    """How much is measured."""

    rounds: int
    beads: int  # of the desk that is weighed and filled
    long: int = 200_000  # beads of the log that is replayed from its beginning and from a snapshot
    dice: Random = Factory(lambda: Random(7))


@frozen
class Measured:
    """One run of one row: the ratio, and what it was made of."""

    ratio: float
    parts: dict[str, Spread] = Factory(dict)
    note: str = ""


class Verdict(Enum):
    """What is said of a row."""

    MET = "met"
    NOT_MET = "**not met**"
    NOT_MEASURED = "not measured here"
    SHOWN = "shown"


@frozen
class Row:
    """A promise about speed: what is compared, the gate, and which side of it is good."""

    name: str
    gate: float | None  # None: shown, and not gated
    aim: float | None
    at_most: bool
    measure: Callable[[Effort], Measured]

    def verdict(self, ratio: float) -> Verdict:
        """Whether a ratio stays on the right side of the gate; what could not be measured is not met."""
        if self.gate is None:
            return Verdict.SHOWN
        if isnan(ratio):
            return Verdict.NOT_MEASURED
        met = ratio <= self.gate if self.at_most else ratio >= self.gate
        return Verdict.MET if met else Verdict.NOT_MET


def median_run(runs: list[Measured]) -> Measured:
    """The run in the middle."""
    if any(isnan(run.ratio) for run in runs):
        return runs[0]
    middle = statistics.median_low([run.ratio for run in runs])
    return next(run for run in runs if run.ratio == middle)
