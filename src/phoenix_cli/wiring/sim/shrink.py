"""A breach told as shortly as it can be: fewer ticks, fewer faults, fewer acts, and the same promise is broken."""

from __future__ import annotations

from attrs import evolve

from phoenix_cli.wiring.sim.play import FAULTS, Outcome, Story, run_seed


async def shrunk(seed: int, story: Story, invariant: str) -> tuple[Story, Outcome]:
    """The shortest story found in which this promise is broken, and what became of it."""
    best = await run_seed(seed, story)
    for fault in (name for name in FAULTS if any(said.startswith(f"{name}=") for said in best.faults)):
        shorter = evolve(story, without=(*story.without, fault))
        tried = await run_seed(seed, shorter)
        if _breaks(tried, invariant):
            best, story = tried, shorter
    kept = story.only or tuple(range(1, best.ticks + 1))
    size = len(kept) // 2
    while size:
        for start in range(0, len(kept), size):
            shorter = evolve(story, only=kept[:start] + kept[start + size :] or (0,))
            tried = await run_seed(seed, shorter)
            if _breaks(tried, invariant):
                best, story, kept = tried, shorter, shorter.only
                break
        else:
            size //= 2
    return story, best


def _breaks(outcome: Outcome, invariant: str) -> bool:
    return outcome.violation is not None and invariant in (outcome.violation.invariant, *outcome.violation.also)
