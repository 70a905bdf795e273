"""The deterministic simulation: seeds without a violation, the same story twice, and an oracle that bites."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from phoenix_cli.wiring.sim import run_seed
from tests.chaos.plants import PLANTS, Plant
from tests.showing import shows

SEEDS: Final = int(os.environ.get("PHOENIX_SIM_SEEDS", "10"))
TICKS: Final = 100
WITHIN: Final = 8
ONCE_BROKEN: Final = [
    (int(words[0]), int(words[1]))
    for line in (Path(__file__).parent / "seeds.txt").read_text("utf-8").splitlines()
    if (words := line.partition("#")[0].split())
]


@shows("I1", "I2", "I4", "I5", "I9")
def test_seeds_break_no_promise_and_reach_approvals_and_fills() -> None:
    """Storm and calm, every checker after every step: no violation, and the storm reaches the corners that matter."""
    outcomes = [asyncio.run(run_seed(seed, TICKS)) for seed in range(1, SEEDS + 1)]
    assert [(o.seed, o.violation) for o in outcomes if o.violation] == []
    assert sum(o.approvals > 0 for o in outcomes) >= 0.9 * SEEDS
    assert sum(o.fills > 0 for o in outcomes) >= 0.5 * SEEDS


@pytest.mark.parametrize(("seed", "ticks"), ONCE_BROKEN)
def test_a_seed_that_once_broke_a_promise_keeps_it(seed: int, ticks: int) -> None:
    """What was mended stays mended."""
    assert asyncio.run(run_seed(seed, ticks)).violation is None


@shows("I25")
def test_a_seed_tells_the_same_story_under_another_hash_seed() -> None:
    """I25: the same seed ends in the same hash, in another process and under another PYTHONHASHSEED."""
    program = "import asyncio; from phoenix_cli.wiring.sim import run_seed; print(asyncio.run(run_seed(3, 60)).trace)"
    here = asyncio.run(run_seed(3, 60)).trace
    for hash_seed in ("1", "4242"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert told.stdout.strip() == here


@shows("F83")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_a_planted_bug_is_caught_by_its_invariant(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that never was red proves nothing: each plant is caught, by the invariant that it breaks."""
    plant.put(monkeypatch)
    for seed in range(1, WITHIN + 1):
        violation = asyncio.run(run_seed(seed, 60)).violation
        if violation is not None:
            assert violation.invariant in plant.caught_by, violation
            return
    pytest.fail(f"{plant.id} ({plant.what}) stayed uncaught over {WITHIN} seeds")
