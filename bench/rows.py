"""What a row of the table is, and how several runs of one become a figure."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from random import Random

from attrs import Factory, frozen

from bench.timing import Spread


@frozen
class Effort:
    """How much is measured."""

    rounds: int
    beads: int  # of the long log
    dice: Random = Factory(lambda: Random(7))


@frozen
class Measured:
    """One run of one row: the ratio, and what it was made of."""

    ratio: float
    parts: dict[str, Spread] = Factory(dict)
    note: str = ""


@frozen
class Row:
    """A promise about speed: what is compared, the gate, and which side of it is good."""

    name: str
    gate: float
    aim: float
    at_most: bool
    measure: Callable[[Effort], Measured]

    def met(self, ratio: float) -> bool:
        """Whether a ratio stays on the right side of the gate."""
        return ratio <= self.gate if self.at_most else ratio >= self.gate


def median_run(runs: list[Measured]) -> Measured:
    """The run in the middle."""
    middle = statistics.median_low([run.ratio for run in runs])
    return next(run for run in runs if run.ratio == middle)
