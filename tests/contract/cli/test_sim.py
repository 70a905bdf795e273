"""`sim`: what it prints of each seed, that a seed is played again exactly, and how a breach ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from phoenix_cli.__main__ import cli
from phoenix_cli.wiring.sim import play as sim
from phoenix_cli.wiring.sim.checks import Violation
from phoenix_cli.wiring.sim.play import Outcome, Story
from phoenix_core.values import BadInput

FIELDS = {"seed", "steps", "beads", "approvals", "fills", "faults", "hash", "ok"}
SHORT = ("sim", "--seeds", "3..4", "--ticks", "3")


def ran(*words: str) -> Result:
    """A command line, as it ended."""
    return CliRunner().invoke(cli, list(words))


def lines(*words: str) -> list[dict[str, Any]]:
    """What it prints as JSON, one document for each line."""
    return [json.loads(line) for line in ran("--json", *words).stdout.splitlines()]


def test_each_seed_is_one_document_and_the_same_again() -> None:
    """Seed, steps, faults and the last bead's hash; a second run prints the same, seed for seed."""
    first, again = lines(*SHORT), lines(*SHORT)
    assert first == again
    assert [told["seed"] for told in first] == [3, 4]
    assert lines("sim", "--seeds", "4", "--ticks", "3") == first[1:]
    for told in first:
        assert told.keys() == FIELDS and told["ok"] is True
        assert told["steps"] > 0 and told["faults"] and len(told["hash"]) == 64
    assert first[0]["hash"] != first[1]["hash"]


def test_people_are_told_the_same() -> None:
    """Seed, steps, every fault, and the hash of the last bead."""
    words = ran(*SHORT).stdout
    for told in lines(*SHORT):
        assert f"seed {told['seed']}: {told['steps']} steps, {told['beads']} beads, {told['hash'][:16]}  ok" in words
        assert f"  {', '.join(told['faults'])}\n" in words


@pytest.mark.parametrize("words", [("--json",), ()])
def test_a_breach_is_a_bug_of_ours(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 70: the promise, the step, and the command that plays it again; the seeds after it are played too."""
    honest = sim.played

    def played(seeds: range, story: Story, jobs: int) -> Iterator[Outcome]:
        for outcome in honest(seeds, story, jobs):
            yield evolve(outcome, violation=Violation("I1", 7, "left twice")) if outcome.seed == 3 else outcome

    monkeypatch.setattr(sim, "played", played)
    said = ran(*words, *SHORT)
    assert said.exit_code == 70
    if words:
        told = [json.loads(line) for line in said.stdout.splitlines()]
        assert [one["ok"] for one in told] == [False, True]
        assert (told[0]["invariant"], told[0]["step"], told[0]["said"]) == ("I1", 7, "left twice")
    else:
        assert "I1 at step 7: left twice" in said.stdout
        assert "again: phoenix sim --seeds 3..3 --ticks 3" in said.stderr


@pytest.mark.parametrize(
    "words",
    [("--seeds", "1-3"), ("--seeds", "x"), ("--plant", "M1"), ("--only", "a"), ("--scene", "nothing while APPROVED")],
)
def test_what_it_does_not_understand_is_not_played(words: tuple[str, str]) -> None:
    """No installed Phoenix plants a bug, and a range that is none plays no seed."""
    said = ran("sim", *words)
    assert isinstance(said.exception, BadInput) and said.exception.field == words[0]
    assert said.stdout == ""
