"""Somebody's process dies alone: an operator's, a bot's, the watchdog's. The engine lives on; the human does it again.

Each works on the log through a handle that can end its process at any point: before it looks, before it appends, in the
middle of its commit (half of the bytes lie on the disk then), after the append and before anybody was told.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from attrs import Factory, define, evolve
from returns.pipeline import is_successful
from returns.result import Result, Success

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import bead_id_of
from phoenix_core.chain import Conflict, Head, Sealed
from phoenix_core.gate.statements import read_statement
from phoenix_core.kernel import Command
from phoenix_core.refusals import Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.trade.positions import Ended, Open
from tests.chaos.crashes.dying import Grave, Told, grave, told
from tests.chaos.crashes.entries import Scenario
from tests.chaos.crashes.scene import Scene, scene
from tests.chaos.crashes.world import WatchedStore

# What the engine does while the human notices that the window is gone.
MEANWHILE_S: Final = 0.5


class Died(BaseException):
    """The process is gone; nobody may catch this but who watches it."""


@define
class Fate:
    """Counts the points of all processes but the engine's, and ends the one that comes to the chosen point."""

    at: int = 0
    points: list[str] = Factory(list)
    died: str = ""

    def __call__(self, point: str, last: Callable[[], None] = lambda: None) -> None:
        """A point; `last` is what the process still does while it dies there."""
        if self.died:
            return
        self.points.append(point)
        if len(self.points) == self.at:
            self.died = point
            last()
            raise Died(point)


@define
class Handle:
    """One process's handle on the log."""

    log: WatchedStore
    fate: Callable[..., None]

    def head(self) -> Head:
        """Where the log ends."""
        return self.log.head()

    def read(self, start: int, stop: int | None = None) -> Iterator[Sealed]:
        """Catching up: a process may die before it knows anything."""
        self.fate("before it looks")
        return self.log.read(start, stop)

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """The append: not begun, torn, landed and told to nobody."""
        what = "+".join(bead.kind for bead in beads)
        self.fate(f"before its append of {what}")
        self.fate(f"in the middle of its append of {what}", lambda: self._tear(expected, beads, texts))
        done = self.log.append(expected, beads, texts)
        self.fate(f"after its append of {what}")
        return done

    def append_blind(self, make: Callable[[Head], Sequence[Sealed]]) -> Head:
        """The blind append of a halt."""
        self.fate("before its blind append")
        head = self.log.append_blind(make)
        self.fate("after its blind append")
        return head

    def seq_of(self, bead_id: str) -> int | None:
        """Whether it landed before."""
        return self.log.seq_of(bead_id)

    def root(self, size: int | None = None) -> bytes:
        """The root that is signed."""
        return self.log.root(size)

    def _tear(self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None) -> None:
        """Half of the commit's own bytes reach the write-ahead log that the engine works on, and its end does not."""
        live = Path(self.log.path)
        aside = live.parent / "aside"
        aside.mkdir()
        copies = [aside / live.name, aside / f"{live.name}-wal"]
        for copy in copies:
            _ = shutil.copy(live.parent / copy.name, copy)
        begun = copies[1].stat().st_size
        with SqliteStore(copies[0], ballast_bytes=0) as elsewhere:
            _ = elsewhere.append(expected, beads, texts).unwrap()
            whole = copies[1].read_bytes()
        with Path(f"{live}-wal").open("r+b") as wal:
            _ = wal.seek(begun)
            _ = wal.write(whole[begun : begun + (len(whole) - begun) // 2])
        shutil.rmtree(aside)


@define
class Mortal(Recorder):
    """The process of a person, or of what works for one; where it dies, another one does it again."""

    again: Callable[[Command], Result[Accepted, Refusal]] = lambda command: Success(Accepted(""))

    def act(self, command: Command) -> Result[Accepted, Refusal]:
        """Carry a command to its end, if need be in a second life."""
        try:
            return super().act(command)
        except Died:
            return self.again(command)

    def catch_up(self) -> int:
        """Look; who dies while only looking looks again."""
        try:
            return super().catch_up()
        except Died:
            return super().catch_up()


@define(kw_only=True)
class Village(Scene):
    """A desk around whose engine processes die alone."""

    fate: Fate = Factory(Fate)
    patient: bool = False  # whether the engine takes a turn before the human does it again
    rolling: bool = False

    def roll(self) -> None:
        """From here on every point of their processes counts; no pictures are taken."""
        self.rolling = True

    def other(self) -> Recorder:
        """Another process's recorder over the same log."""
        found = super().other()
        watched = self.fate if self.rolling else _nobody
        return Mortal(Handle(self.store, watched), found.world, again=self._again)  # type: ignore[arg-type]  # all of the port that a person's process uses

    def _again(self, command: Command) -> Result[Accepted, Refusal]:
        """The human finds the process gone, does it anew, and takes what the first one left for an answer too."""
        if self.patient:
            turn = threading.Thread(target=lambda: asyncio.run(self.round(MEANWHILE_S)))
            turn.start()
            turn.join()
        landed = self.store.seq_of(bead_id_of(command.command_id, 0)) is not None
        said = self.act(self._anew(command))
        return Success(Accepted(command.command_id)) if landed and not is_successful(said) else said

    def _anew(self, command: Command) -> Command:
        if isinstance(command, Sign):
            says = read_statement(command.checked.statement).says
            return evolve(self.signature(says), policy=command.policy, texts=command.texts)
        return evolve(command, command_id=self.fresh())


def _nobody(point: str, last: Callable[[], None] = lambda: None) -> None:
    """Nobody dies yet."""


class Outcome(NamedTuple):
    """What a desk has come to, without the times and the names that differ between two lives of a process."""

    positions: tuple[tuple[str, str], ...]
    kills: tuple[str, ...]
    held: tuple[tuple[str, Decimal], ...]
    frames: tuple[tuple[bool, int], ...]


def outcome(desk: Scene) -> Outcome:
    """Positions by instrument, kills that stand, what the broker holds, and how many frames left."""
    positions: tuple[Open | Ended, ...] = (*desk.desk.positions.open.values(), *desk.desk.positions.ended.values())
    frames = Counter(frame.entry for frame in desk.outside.handed)
    return Outcome(
        tuple(sorted((p.pair, p.state.value) for p in positions)),
        tuple(sorted({flag.scope for flag in desk.desk.kill_flags.standing.values()})),
        tuple(sorted((symbol, held) for symbol, held in desk.outside.broker.truth.held.items() if held)),
        tuple(sorted(frames.items())),
    )


def _village(yard: Grave, at: int, patient: bool) -> Village:
    desk = scene(yard.folder / str(next(yard.numbers)), yard.base)
    return Village(
        clock=desk.clock, store=desk.store, broker=desk.broker, engine=desk.engine, pen=desk.pen, count=desk.count,
        outside=desk.outside, camera=desk.camera, runs=desk.runs, fate=Fate(at), patient=patient,
    )  # fmt: skip


def every_lonely_death(scenario: Scenario, patient: Callable[[int], tuple[bool, ...]]) -> Told:
    """Let the processes around the engine die at each of their points, one at a time."""

    async def live(yard: Grave, at: int, waits: bool) -> tuple[Village, list[str]]:
        desk = _village(yard, at, waits)
        await scenario(desk)
        desk.rolling = False
        return desk, await told(desk)

    async def walk(yard: Grave) -> Told:
        calm, complaints = await live(yard, 0, False)
        wanted, points = outcome(calm), list(calm.fate.points)
        yard.clear(calm)
        lives = 0
        for at, point in enumerate(points, start=1):
            for waits in patient(at):
                lives += 1
                where = f"{point}, {'the engine goes on, ' if waits else ''}again"
                try:
                    desk, said = await live(yard, at, waits)
                except (AssertionError, LookupError, ValueError, TypeError) as error:
                    complaints.append(f"BUG: {where}: {error!r}")
                    continue
                assert desk.fate.died == point, f"{point} was never reached"
                complaints += [f"{where}: {each}" for each in said]
                if not waits and outcome(desk) != wanted:
                    complaints.append(f"{where}: it came to {outcome(desk)}, and undisturbed to {wanted}")
                yard.clear(desk)
        return Told(len(points), lives, tuple(complaints))

    with grave() as yard:
        return asyncio.run(walk(yard))
