"""Two parties, six steps each, in all 924 orders: operators, engines, a watchdog, a checkpoint writer, on one log.

Each party runs production code in its own thread and stops before each step. Over memory every order of every script is
played; over SQLite, each party with a handle of its own, a sample of them.
"""

from __future__ import annotations

import asyncio
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from phoenix_core.chain import verify_chain
from phoenix_core.desk import Desk, freeze
from phoenix_core.kernel import evolve
from tests.chaos.crashes.dying import grave
from tests.chaos.crashes.judge import named
from tests.chaos.parties.room import Prepared, Room, as_file, later, prepare, room_of
from tests.chaos.parties.scripts import SCRIPTS, Script, turns_of
from tests.chaos.parties.turns import STEPS, interleavings, play
from tests.showing import shows

WORDS: Final = interleavings()
SAMPLED: Final = WORDS[::21]
# The next round of the engine, one in which a batch of alerts is ripe, and one for the batch after it.
AFTER: Final = (0.5, 6.0, 11.0)


def test_there_are_924_orders_of_six_and_six_and_twelve_scripts() -> None:
    """Twelve choose six, each once."""
    assert len(WORDS) == len(set(WORDS)) == 924
    assert len({script.name for script in SCRIPTS}) >= 12


async def _afterwards(room: Room) -> None:
    """The engine goes on by itself."""
    for seconds in AFTER:
        later(room, seconds)
        await turns_of(room.engine)


def meet(script: Script, room: Room, word: str) -> None:
    """Let the two meet in this order, and judge."""
    steps = play(word, lambda gate: script.first(room, gate), lambda gate: script.second(room, gate))
    asyncio.run(_afterwards(room))
    room.read()
    try:
        alone = steps[0] if word.startswith("A" * STEPS) else steps[1] if word.startswith("B" * STEPS) else STEPS
        assert alone >= STEPS, f"{steps}: who comes first has six steps of its own"
        refs = [frame.ref for frame in room.outside.handed if frame.entry]
        assert len(refs) == len(set(refs)), "I1: an entry left twice"
        script.judge(room)
        wrong = room.complaints()
        assert not wrong, named(wrong)
    except AssertionError as error:
        raise AssertionError(f"{script.name} in the order {word}: {error}") from error


def _one_by_one(script: Script, words: list[str], room: Callable[[Prepared], Room]) -> None:
    prepared = asyncio.run(prepare(script.setup))
    for word in words:
        made = room(prepared)
        meet(script, made, word)
        made.store.close()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
@shows("I1", "I3", "I14", "I20", "I21", "I22", "I7", "I8", "I18", "X1", "F65")
def test_in_every_order_the_promise_holds(script: Script, tmp_path: Path) -> None:
    """One decision wins, both attempts are beads, a kill is the last word, a stale epoch does nothing."""
    _one_by_one(script, WORDS, lambda prepared: room_of(prepared, tmp_path, None))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
@shows("I5", "I6", "I14", "I21", "I22")
def test_over_sqlite_the_promise_holds_and_the_fold_is_the_desk(script: Script) -> None:
    """A sample of the orders on a real file, one handle for each party; the chain verifies, its fold is the desk."""
    with grave() as yard:
        base = yard.folder / "script.db"

        def room(prepared: Prepared) -> Room:
            if not base.exists():
                as_file(prepared, base)
            folder = yard.folder / str(next(yard.numbers))
            folder.mkdir()
            return room_of(prepared, folder, Path(shutil.copy(base, folder / "beads.db")))

        prepared = asyncio.run(prepare(script.setup))
        for word in SAMPLED:
            made = room(prepared)
            meet(script, made, word)
            assert verify_chain(record.data for record in made.store.read(0)).unwrap() == made.store.head()
            fold: Desk = pickle.loads(prepared.desk)
            for bead in made.written:
                fold = evolve(fold, bead)
            _ = made.engine.recorder.catch_up()
            assert freeze(fold) == freeze(made.engine.recorder.desk)
            made.store.close()
            shutil.rmtree(made.folder)
