"""Both opinions on many seeds: `python -m tests.chaos.second A..B [TICKS]` names every seed on which they differ."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import pytest

from phoenix_cli.wiring import sim
from phoenix_cli.wiring.sim import Outcome
from tests.chaos.journal import Listener
from tests.chaos.opinion import Finding, second_opinion


def both(listener: Listener, seed: int, ticks: int) -> tuple[Outcome, list[Finding]]:
    """One seed, and both opinions on it."""
    outcome = asyncio.run(sim.run_seed(seed, ticks))
    return outcome, second_opinion(listener.journal(), listener.export(), listener.calm)


def main(arguments: Sequence[str]) -> int:
    """0 where both are green on every seed."""
    span, *more = arguments
    first, last = (int(end) for end in span.split(".."))
    ticks = int(more[0]) if more else 100
    red = 0
    with pytest.MonkeyPatch.context() as patch:
        listener = Listener()
        listener.put(patch)
        for seed in range(first, last + 1):
            outcome, found = both(listener, seed, ticks)
            if outcome.violation is not None or found:
                red += 1
                _ = sys.stdout.write(f"seed {seed} ticks {ticks}: inside {outcome.violation}, outside {found[:3]}\n")
    _ = sys.stdout.write(f"{last - first + 1} seeds, both opinions, {red} red\n")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
