"""To die at every point of a scenario, and again at every point of the recovery; and to come back each time."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

from attrs import define, frozen

from tests.chaos.crashes.entries import Scenario
from tests.chaos.crashes.judge import judged, named
from tests.chaos.crashes.scene import AWAY, Scene, base_log, revived, scene
from tests.chaos.crashes.world import Picture

# The rounds in which a new run recovers: what it owes is settled, what was told is taken in.
RECOVERY: Final = (0.5, 1.0, 3.0)


@frozen
class Told:
    """What dying everywhere in one scenario came to."""

    points: int
    pictures: int
    complaints: tuple[str, ...]
    firsts: int = 0  # of pairs: in how many first deaths there are, whichever of them were chosen


@define
class Grave:
    """A folder for the disks of the dead; each is cleared away once it was looked at."""

    folder: Path
    base: bytes
    numbers: Iterator[int]

    def begin(self) -> Scene:
        """The first run of a desk."""
        return scene(self.folder / str(next(self.numbers)), self.base)

    def back(self, picture: Picture, number: int, run: int) -> Scene:
        """The next run over what a picture shows; how long it was away goes round with the number."""
        folder = self.folder / str(next(self.numbers))
        return revived(picture, folder, self.base, AWAY[number % len(AWAY)], run)

    def clear(self, desk: Scene) -> None:
        """Nobody needs this disk any more."""
        desk.store.close()
        shutil.rmtree(Path(desk.store.path).parent)


@contextmanager
def grave() -> Iterator[Grave]:
    """In memory where there is such a place: the crashes are ours, and a true fsync would only take time."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Grave(Path(name), base_log(Path(name)), count())


async def told(desk: Scene) -> list[str]:
    """What is wrong with a desk once it is calm."""
    await desk.calm()
    wrong = judged(desk)
    return [named(wrong)] if wrong else []


async def _recovered(yard: Grave, picture: Picture, number: int) -> list[str]:
    """One death: back, calm, judged. What breaks on the way is a complaint like any other."""
    try:
        desk = yard.back(picture, number, 10)
        _ = (await desk.engine.start()).unwrap()
        wrong = await told(desk)
    except (AssertionError, LookupError, ValueError, TypeError) as error:
        return [f"BUG: {picture.point}: {error!r}"]
    yard.clear(desk)
    return [f"{picture.point}, away {AWAY[number % len(AWAY)]} s: {said}" for said in wrong]


@cache
def every_death(scenario: Scenario) -> Told:
    """Die at every point of a scenario."""

    async def walk(yard: Grave) -> Told:
        desk = yard.begin()
        await scenario(desk)
        pictures = desk.enough()
        complaints = [f"without a crash: {said}" for said in await told(desk)]
        yard.clear(desk)
        for number, picture in enumerate(pictures):
            complaints += await _recovered(yard, picture, number)
        return Told(desk.camera.points, len(pictures), tuple(complaints))

    with grave() as yard:
        return asyncio.run(walk(yard))


def pairs_of_deaths(scenario: Scenario, firsts: slice, second_every: int) -> Told:
    """Die at these points of a scenario, and at every so many-th of the recovery from that."""

    async def second(yard: Grave, picture: Picture, number: int) -> Told:
        desk = yard.back(picture, number, 5)
        desk.roll()
        _ = (await desk.engine.start()).unwrap()
        for seconds in RECOVERY:
            await desk.round(seconds)
        pictures = desk.enough()
        yard.clear(desk)
        chosen = pictures[number % second_every :: second_every]
        complaints = [
            f"{picture.point}, then {said}" for n, each in enumerate(chosen) for said in await _recovered(yard, each, n)
        ]
        return Told(desk.camera.points, len(chosen), tuple(complaints))

    async def walk(yard: Grave) -> Told:
        desk = yard.begin()
        await scenario(desk)
        pictures = desk.enough()
        yard.clear(desk)
        seconds = [await second(yard, picture, number) for number, picture in [*enumerate(pictures)][firsts]]
        return Told(
            sum(each.points for each in seconds),
            sum(each.pictures for each in seconds),
            tuple(said for each in seconds for said in each.complaints),
            len(pictures),
        )

    with grave() as yard:
        return asyncio.run(walk(yard))
