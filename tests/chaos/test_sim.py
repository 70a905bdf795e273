"""The deterministic simulation: seeds without a violation, the same story twice, and an oracle that bites."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from phoenix_adapters.engine import loop
from phoenix_cli.wiring.sim.play import FAULTS, Story, never_seen, replays_as, run_seed
from phoenix_cli.wiring.sim.scenes import CORNER_SCENES, MEETINGS, SCENES
from phoenix_cli.wiring.sim.shrink import shrunk
from phoenix_core.values import State
from tests.chaos.judge_plants import JUDGE_PLANTS
from tests.chaos.more_plants import MORE_PLANTS
from tests.chaos.plants import PLANTS, Plant
from tests.chaos.scene_plants import SCENE_PLANTS
from tests.chaos.second import asked
from tests.showing import shows

SEEDS: Final = int(os.environ.get("PHOENIX_SIM_SEEDS", "1000"))
STEPS: Final = 300  # checked turns of the engine in every seed
WITHIN: Final = 200
# What dice meet too rarely, or not in a thousand seeds, and which directed story shows it in every run.
DIRECTED: Final = {
    **{f"{fault} while {state}": f"{fault} while {state}" for fault in FAULTS for state in State},
    "execution after CANCELLED": "late_fill while CANCELLED",
    "execution after REJECTED": "late_fill while REJECTED",
    "kill while nobody hears": "nobody hears",
}
FREQUENT: Final = (State.PROPOSED, State.MANAGED, State.CLOSED, State.CANCELLED)  # storms meet each fault in these too
ONCE_BROKEN: Final = [
    (int(words[0]), int(words[1]))
    for line in (Path(__file__).parent / "seeds.txt").read_text("utf-8").splitlines()
    if (words := line.partition("#")[0].split())
]


@pytest.mark.timeout(1800)  # a thousand stories: some four minutes of two idle cores
@shows("I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I10", "I14")
def test_seeds_break_no_promise_and_reach_the_corners() -> None:
    """Storm and calm, every checker after every step: no violation, and the storm reaches the corners that matter.

    The second opinion, which reads the broker's record and the export alone, is asked on every one of them.
    """
    both = list(asked(range(1, SEEDS + 1), Story(ticks=600, steps=STEPS), jobs=2))
    outcomes = [outcome for outcome, _ in both]
    assert [(o.seed, o.violation) for o in outcomes if o.violation] == []
    assert [(outcome.seed, found[:3]) for outcome, found in both if found] == []
    assert min(o.steps for o in outcomes) >= STEPS
    assert sum(o.approvals > 0 for o in outcomes) >= 0.9 * SEEDS
    assert sum(o.fills > 0 for o in outcomes) >= 0.5 * SEEDS
    storms = {f"{fault} while {state}" for fault in FAULTS for state in FREQUENT}
    missing = [name for name in never_seen(outcomes) if name in storms or name not in DIRECTED]
    assert SEEDS < 1000 or missing == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_meets_a_position_in_every_state(fault: str) -> None:
    """Every fault class is seen in every state: a short directed story for each pair, with every judge and the calm."""
    shown = [scene for scene in MEETINGS if scene.startswith(f"{fault} while ")]
    assert shown == [f"{fault} while {state}" for state in State]
    for scene in shown:
        outcome = asyncio.run(run_seed(1, Story(0, scene=scene)))
        assert outcome.violation is None, (scene, outcome.violation)
        corners = {corner for corner, told in DIRECTED.items() if told == scene}
        assert corners <= set(outcome.visited), scene


@pytest.mark.parametrize("scene", CORNER_SCENES)
def test_a_corner_that_dice_rarely_find_keeps_every_promise(scene: str) -> None:
    """Tokens and clocks, the restart window, a session that opens, a day's loss, a kill that nobody hears of."""
    outcome = asyncio.run(run_seed(1, Story(0, scene=scene)))
    assert outcome.violation is None, outcome.violation
    assert {corner for corner, told in DIRECTED.items() if told == scene} <= set(outcome.visited)


def test_what_is_directed_is_played() -> None:
    """No corner is left to a story that does not exist."""
    assert set(DIRECTED.values()) <= set(SCENES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_storm_follows_each_scene() -> None:
    """Each of the directed stories under other seeds, and forty acts of a storm after it."""
    told = [(seed, name) for n, name in enumerate(SCENES) for seed in range(2 + n % 7, 500, 100)]
    broken = [
        (seed, name, violation)
        for seed, name in told
        if (violation := asyncio.run(run_seed(seed, Story(40, scene=name))).violation) is not None
    ]
    assert broken == []


@pytest.mark.parametrize(("seed", "ticks"), ONCE_BROKEN)
def test_a_seed_that_once_broke_a_promise_keeps_it(seed: int, ticks: int) -> None:
    """What was mended stays mended."""
    assert asyncio.run(run_seed(seed, ticks)).violation is None


@shows("I25")
def test_a_seed_tells_the_same_story_under_another_hash_seed() -> None:
    """I25: the same seed ends in the same hash, in another process and under another PYTHONHASHSEED."""
    program = (
        "import asyncio; from phoenix_cli.wiring.sim.play import run_seed; print(asyncio.run(run_seed(3, 60)).trace)"
    )
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


@shows("I25")
def test_what_leaves_is_a_part_of_the_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """I25: two runs whose logs are equal and whose messages are not have told two stories."""
    here = asyncio.run(run_seed(3, 60)).trace
    monkeypatch.setattr(loop, "mark_of", lambda store: "otherwise")
    assert asyncio.run(run_seed(3, 60)).trace != here


@shows("I6")
def test_a_log_in_a_file_tells_the_story_that_a_log_in_memory_tells() -> None:
    """I6: the same seed on the production store and on the one in memory ends in the same hash."""
    in_file = asyncio.run(run_seed(10, 60))
    in_memory = asyncio.run(run_seed(10, 60, on_disk=False))
    assert in_file.violation is None and in_file.trace == in_memory.trace


@shows("F83", "M1", "M3", "M4", "M6", "M7", "M9", "M10", "M12", "M14", "M15", "M17", "M18", "M20", "M21", "M24", "M25")
@shows("M28", "M29")
@pytest.mark.parametrize("plant", [*PLANTS, *MORE_PLANTS, *SCENE_PLANTS, *JUDGE_PLANTS], ids=lambda plant: plant.id)
def test_a_planted_bug_is_caught_by_its_invariant(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that never was red proves nothing: each plant is caught, by the invariant that it breaks."""
    plant.put(monkeypatch)
    scene = [(plant.first, Story(0, scene=plant.scene))] if plant.scene else []
    for seed, story in (*scene, (plant.first, Story(80)), *((seed, Story(80)) for seed in range(1, WITHIN + 1))):
        violation = asyncio.run(run_seed(seed, story)).violation
        if violation is not None:
            assert {violation.invariant, *violation.also} & set(plant.caught_by), violation
            return
    pytest.fail(f"{plant.id} ({plant.what}) stayed uncaught over {WITHIN} seeds")


def test_a_breach_shrinks_to_a_short_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing seed is told in a handful of acts, and the command that is printed plays exactly them."""
    next(plant for plant in PLANTS if plant.id == "M7").put(monkeypatch)
    played_ = ((seed, asyncio.run(run_seed(seed, 60)).violation) for seed in range(1, WITHIN))
    seed = next(seed for seed, violation in played_ if violation is not None and violation.invariant == "I10")
    story, outcome = asyncio.run(shrunk(seed, Story(60), "I10"))
    assert outcome.violation is not None and outcome.violation.invariant == "I10"
    assert 0 < len(outcome.told) <= 12, outcome.told
    assert replays_as(seed, story).startswith(f"phoenix sim --seeds {seed}..{seed} --ticks 60 --without ")
    assert asyncio.run(run_seed(seed, story)).violation == outcome.violation
