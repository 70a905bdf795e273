"""How things are timed: cold, interleaved in random order in one process, medians, and the machine's own noise."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from attrs import frozen

# A human-gated order comes after seconds of idleness; thirty milliseconds are enough for caches to grow cold.
IDLE_S: Final = 0.030

# One sample: set up whatever is needed, time the one thing, answer the seconds that it took.
Sample = Callable[[], float]


@frozen
class Spread:
    """What one competitor's samples were like, in seconds."""

    p50: float
    p95: float
    p99: float
    samples: int


def timed(work: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    began = time.perf_counter()
    _ = work()
    return time.perf_counter() - began


def spread_of(samples: list[float]) -> Spread:
    """Percentiles by rank: no interpolation makes a figure that was never measured."""
    ranked = sorted(samples)

    def at(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    return Spread(statistics.median(ranked), at(0.95), at(0.99), len(ranked))


def race(competitors: Mapping[str, Sample], rounds: int, dice: Random, idle_s: float = IDLE_S) -> dict[str, Spread]:
    """Every competitor `rounds` times, in a new random order each round, cold: idle first, no collection meanwhile."""
    samples: dict[str, list[float]] = {name: [] for name in competitors}
    for sample in competitors.values():
        _ = sample()  # imports, prepared statements and first pages belong to nobody's figure
    gc.collect()
    for _ in range(rounds):
        order = list(competitors)
        dice.shuffle(order)
        for name in order:
            time.sleep(idle_s)
            gc.disable()
            try:
                samples[name].append(competitors[name]())
            finally:
                gc.enable()
    return {name: spread_of(taken) for name, taken in samples.items()}


def noise(rounds: int, dice: Random) -> Spread:
    """The same pure loop again and again: how far this machine's p95 stands from its p50 with nothing going on."""

    def loop() -> float:
        return timed(lambda: sum(range(20_000)))

    return race({"noise": loop}, rounds, dice)["noise"]
