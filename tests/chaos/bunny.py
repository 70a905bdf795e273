"""How a test runs a chaos vector: the very one that `phoenix bunny` runs, with every claim it makes held up."""

from __future__ import annotations

import asyncio
from functools import cache

from phoenix_cli.wiring.bunny.suites import ALL
from phoenix_cli.wiring.bunny.witness import Vector, Verdict, run

SEED = 7


def verdict_of(vector: Vector, seed: int = SEED) -> Verdict:
    """Run one vector to its verdict."""
    return asyncio.run(run(vector, seed))


@cache
def verdict_on(id: str) -> Verdict:
    """A vector's verdict; whoever asks again in this run gets the same one."""
    return verdict_of(ALL[id])


def holds(id: str) -> None:
    """Every claim of this vector holds, and one of them at least cites its beads."""
    verdict = verdict_on(id)
    assert verdict.failures == ()
    assert verdict.passed
    assert verdict.evidence
