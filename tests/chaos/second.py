"""Both opinions on many seeds: `python -m tests.chaos.second A..B [TICKS]`.

A line of JSON for each seed, as `phoenix --json sim` prints it, and what the second opinion found beside it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import pytest

from phoenix_cli.wiring.sim import play as sim
from phoenix_cli.wiring.sim.play import Outcome, Story
from tests.chaos.journal import Listener
from tests.chaos.opinion import Finding, second_opinion

Both = tuple[Outcome, list[Finding]]


def both(listener: Listener, seed: int, story: Story | int) -> Both:
    """One seed, and both opinions on it."""
    outcome = asyncio.run(sim.run_seed(seed, story))
    return outcome, second_opinion(listener.journal(), listener.export(), listener.calm)


_HEARD: Final[list[Listener]] = []  # whoever stands at the door in this process, once somebody does


def _stand_there() -> None:
    listener = Listener()
    listener.put(pytest.MonkeyPatch())  # for as long as the process lives
    _HEARD.append(listener)
    sim.settle_in()


def _asked(what: tuple[int, Story]) -> Both:
    return both(_HEARD[0], *what)


def asked(seeds: Iterable[int], story: Story, jobs: int) -> Iterator[Both]:
    """Seeds in their order, so many at once in processes of their own, and both opinions on each."""
    with ProcessPoolExecutor(jobs, initializer=_stand_there) as pool:
        yield from pool.map(_asked, ((seed, story) for seed in seeds))


def main(arguments: Sequence[str]) -> int:
    """0 where both are green on every seed."""
    span, *more = arguments
    first, last = (int(end) for end in span.split(".."))
    ticks = int(more[0]) if more else 100
    red = False
    for outcome, found in asked(range(first, last + 1), Story(ticks), 1):
        broken = outcome.violation
        said: dict[str, object] = {"seed": outcome.seed, "steps": outcome.steps}
        said |= {"approvals": outcome.approvals, "fills": outcome.fills, "ok": broken is None and not found}
        if broken is not None:
            said |= {"invariant": broken.invariant, "said": broken.said}
        if found:
            said["outside"] = [f"{one.code}: {one.said}" for one in found[:3]]
        red = red or not said["ok"]
        _ = sys.stdout.write(json.dumps(said) + "\n")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
