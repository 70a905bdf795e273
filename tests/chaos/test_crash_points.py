"""Every crash point of 71 scenarios, the crash in the recovery of a crash, and whoever dies beside the engine.

A point is each store transaction (before, torn in its commit, after), each send (before, torn between the frames of a
bracket, after), each take from the inbox, each question to the broker, each message, each file: before and after.
After each the process is gone with its memory, another run begins on what lies on the disk, and once it is calm
everything that Phoenix promises must hold.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from functools import cache
from typing import Final

import pytest

from phoenix_adapters.engine.responses import response_document
from phoenix_core.chain import Head
from tests.chaos.crashes.alone import every_lonely_death
from tests.chaos.crashes.dying import Told, every_death, grave, pairs_of_deaths
from tests.chaos.crashes.entries import (
    Scenario,
    approved_and_filled,
    evidence_renewed,
    filled_in_two_parts,
    rejected,
)
from tests.chaos.crashes.lives import closed_half
from tests.chaos.crashes.night import PAIRED, SCENARIOS
from tests.chaos.crashes.scene import Scene
from tests.chaos.crashes.world import Camera, Outside
from tests.showing import shows

POINTS_LEAST: Final = 2500
LONELY_LEAST: Final = 250


def name_of(scenario: Scenario) -> str:
    """The name of a scenario, for the report."""
    return scenario.__name__


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
@shows("I1", "I3", "I4", "I5", "I6", "I7", "I9", "I10", "I12", "I18", "I20", "X1", "X2", "X4", "F21", "F82")
def test_whoever_dies_at_any_point_comes_back(scenario: Scenario) -> None:
    """Nothing sent twice, nothing acknowledged lost, no exposure without an owner, and the human told."""
    assert every_death(scenario).complaints == ()


def test_the_points_are_counted() -> None:
    """At least 2,500 of them leave different worlds behind, over at least 40 scenarios; equal worlds count once."""
    told = [every_death(scenario) for scenario in SCENARIOS]
    assert len(SCENARIOS) >= 40
    assert sum(each.pictures for each in told) >= POINTS_LEAST
    assert min(each.pictures for each in told) >= 4


def _in_turn(at: int) -> tuple[bool, ...]:
    """Every second human is slow, and the engine takes a turn before the act is done again."""
    return (at % 2 == 0,)


def _both(at: int) -> tuple[bool, ...]:
    """A fast human and a slow one for every point."""
    return (False, True)


@cache
def _lonely(scenario: Scenario) -> Told:
    return every_lonely_death(scenario, _in_turn)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
@shows("I1", "I3", "I5", "I6", "I14", "I22", "X1", "X2", "X4")
def test_whoever_dies_beside_the_engine_does_it_again(scenario: Scenario) -> None:
    """An operator, a bot or the watchdog dies at any point of its own and does it again: done once, and as wished."""
    assert _lonely(scenario).complaints == ()


def test_the_deaths_beside_the_engine_are_counted() -> None:
    """Each look, each append (before, torn, after) of each process that is not the engine."""
    told = [_lonely(scenario) for scenario in SCENARIOS]
    assert sum(each.points for each in told) >= LONELY_LEAST
    assert sum(each.points > 0 for each in told) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
@shows("I1", "I3", "I5", "I6", "I14", "I22", "X1", "X2", "X4")
def test_whoever_dies_beside_the_engine_may_take_their_time(scenario: Scenario) -> None:
    """Each of these points with a human who is fast, and with one who lets the engine go on first."""
    assert every_lonely_death(scenario, _both).complaints == ()


# What can be compared between two runs: SQLite salts its log by chance, so that its bytes cannot, but its length can.
Left = tuple[str, bytes, int, tuple[Head, ...]]


class Died(BaseException):
    """The process is gone; nobody may catch this."""


class Executioner(Camera):
    """A camera that kills at its k-th point, and lets nothing of the dead process through afterwards."""

    at: int = 0
    left: Left | None = None

    def torn(self, point: str, arrive: Callable[[Outside], None]) -> None:
        """Nor can a part of a hand-over."""

    def take(self, point: str, wal: bytes, heads: tuple[Head, ...], power: bool = False) -> None:
        """Count; kill. A torn commit cannot be had by an exception, only by a picture."""
        if power:
            return
        self.points += 1
        if self.points >= self.at:
            self.left = self.left or (point, pickle.dumps(bare(self.outside)), len(wal), heads)
            raise Died(point)


def bare(outside: Outside) -> Outside:
    """What is left of the world without the process."""
    left: Outside = pickle.loads(pickle.dumps(outside))
    left.lose_the_process()
    return left


@pytest.mark.parametrize("scenario", [approved_and_filled, rejected], ids=name_of)
def test_a_picture_shows_what_a_process_that_dies_there_leaves(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortcut against the long way: kill at the k-th point, for every k, and compare what is left."""
    shots: list[Left] = []

    class Reel(Camera):
        """Every point in order, the equal ones too."""

        def take(self, point: str, wal: bytes, heads: tuple[Head, ...], power: bool = False) -> None:
            """Keep it."""
            if not power:
                shots.append((point, pickle.dumps(bare(self.outside)), len(wal), heads))

    with grave() as yard:
        monkeypatch.setattr("tests.chaos.crashes.scene.Camera", Reel)
        asyncio.run(scenario(yard.begin()))
        monkeypatch.setattr("tests.chaos.crashes.scene.Camera", Executioner)
        for k, shot in enumerate(shots, start=1):
            desk = yard.begin()
            assert isinstance(desk.camera, Executioner)
            desk.camera.at = k
            with pytest.raises(Died):
                asyncio.run(scenario(desk))
            assert desk.camera.left == shot
            yard.clear(desk)
    assert len(shots) > 30


@pytest.mark.parametrize("scenario", [filled_in_two_parts, evidence_renewed, closed_half], ids=name_of)
def test_an_answer_follows_what_changes_without_a_new_state(scenario: Scenario) -> None:
    """Found by dying: the second half of a fill, a renewed evidence, a partial close left the first answer standing."""

    async def walk(desk: Scene) -> None:
        await scenario(desk)
        await desk.calm()
        (position,) = desk.desk.positions.open.values()
        assert desk.outside.answers[position.intent_id] == response_document(desk.desk, position.intent_id)

    with grave() as yard:
        asyncio.run(walk(yard.begin()))


@pytest.mark.parametrize("scenario", PAIRED, ids=name_of)
@shows("I1", "I4", "I6", "I12", "X1")
def test_whoever_dies_while_recovering_comes_back(scenario: Scenario) -> None:
    """A crash in the recovery of a crash, for some of the pairs; all of them are played at night."""
    told = pairs_of_deaths(scenario, slice(None, None, 9), 11)
    assert told.pictures >= 5
    assert told.complaints == ()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", PAIRED, ids=name_of)
@shows("I1", "I4", "I6", "I12", "X1")
def test_every_pair_of_crashes(scenario: Scenario) -> None:
    """Every crash in the recovery of every crash."""
    told = pairs_of_deaths(scenario, slice(None), 1)
    assert told.pictures >= 500
    assert told.complaints == ()
