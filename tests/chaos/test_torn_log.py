"""The tail of a running desk's log is cut, or replaced by another: the engine notices where it reads or appends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from unittest import mock

import apsw
import pytest
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import About, Observation
from phoenix_core.chain import Conflict, Fault, Head, Sealed, StoreFault
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.tree import EMPTY_FRONTIER
from phoenix_core.values import CommandId, State
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import walked

TRIGGERS: Final = ("beads_stay", "beads_are_kept", "bead_ids_stay", "bead_ids_are_kept")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteStore]:
    """A real log, in a file."""
    with SqliteStore(tmp_path / "beads.db", ballast_bytes=0) as store:
        yield store


def cut(path: str, beads: int) -> None:
    """The last beads are gone, and the log says that it ends before them, as if they had never been."""
    with SqliteStore(path, ballast_bytes=0) as store:
        size = store.head().size - beads
        left = EMPTY_FRONTIER.extend(store.leaves(0, size))
        last = store.leaves(size - 1, size)[0].hex()
    db = apsw.Connection(path)
    with db:
        for name in TRIGGERS:
            _ = db.execute(f"DROP TRIGGER IF EXISTS {name}")
        _ = db.execute("DELETE FROM beads WHERE seq >= ?", (size,))
        _ = db.execute("DELETE FROM bead_ids WHERE seq >= ?", (size,))
        _ = db.execute("UPDATE frontier SET size = ?, leaf = ?, peaks = ?", (size, last, left.to_bytes()))
    db.close()


def grown(path: str, desk: Stage, beads: int) -> None:
    """Others stand in their place, each linked as it should be."""
    with SqliteStore(path, ballast_bytes=0) as store:
        for n in range(beads):
            seen = Observation(About.WARNING, "somebody", {"n": str(n)})
            records = sealed(store.head(), desk.clock.now().wall, CommandId(f"torn {n}"), granted("x", seen))
            assert is_successful(store.append(store.head(), records))


def replaced(path: str, desk: Stage, beads: int) -> None:
    """The last two are gone, and others stand there."""
    cut(path, 2)
    grown(path, desk, beads)


TORN: Final[dict[str, Callable[[str, Stage], None]]] = {
    "cut": partial(replaced, beads=0),
    "replaced by as many": partial(replaced, beads=2),
    "replaced by more": partial(replaced, beads=3),
}


@shows("I14")
@pytest.mark.parametrize("how", sorted(TORN))
def test_a_quiet_engine_notices_with_its_next_beat(how: str, log: SqliteStore) -> None:
    """Entries stop, as on every log that is not what it was; nothing is folded of what does not follow."""

    async def walk(desk: Stage) -> None:
        size = desk.desk.head.size
        TORN[how](log.path, desk)
        await desk.watch(40)
        assert desk.engine.run.exits_only and desk.desk.head.size == size
        with pytest.raises(StoreFault) as caught:
            _ = desk.engine.recorder.act(RaiseKill(CommandId("kill"), "desk", "why", "operator"))
        assert caught.value.kind is Fault.CORRUPT and "was cut" in str(caught.value)

    _ = walked(walk, stage(log))


@shows("I14")
@pytest.mark.parametrize("how", sorted(TORN))
def test_no_entry_leaves_on_a_log_that_was_cut_under_it(how: str, log: SqliteStore) -> None:
    """Between the record and the hand-over what was recorded is gone: no byte leaves."""
    made, honest = stage(log), SqliteStore.hold
    torn: list[int] = []

    def interrupted(store: SqliteStore) -> object:
        if made.desk.positions.in_state(State.SUBMITTED) and not torn:
            torn.append(made.desk.head.size)
            TORN[how](log.path, made)
        return honest(store)

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        await desk.tick()
        await desk.watch(5, 1)

    with mock.patch.object(SqliteStore, "hold", interrupted):
        desk = walked(walk, made)
    assert torn and desk.engine.run.exits_only and desk.sent == 0


def test_a_log_that_others_wrote_to_is_none_that_was_cut(log: SqliteStore) -> None:
    """The honest twin: what follows is folded, and the order leaves."""
    made, honest = stage(log), SqliteStore.hold
    others: list[int] = []

    def interrupted(store: SqliteStore) -> object:
        if made.desk.positions.in_state(State.SUBMITTED) and not others:
            others.append(made.desk.head.size)
            grown(log.path, made, 2)
        return honest(store)

    async def walk(desk: Stage) -> None:
        _ = await desk.enter()

    with mock.patch.object(SqliteStore, "hold", interrupted):
        desk = walked(walk, made)
    assert others and not desk.engine.run.exits_only and desk.sent == 3


def test_what_grew_while_it_was_decided_is_decided_again(log: SqliteStore) -> None:
    """Somebody writes between the look and the append: a conflict, as every day, and no cut."""
    made, honest = stage(log), SqliteStore.append
    others: list[int] = []

    def raced(
        store: SqliteStore, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        if not others:
            others.append(expected.size)
            grown(log.path, made, 1)
        return honest(store, expected, beads, texts)

    async def walk(desk: Stage) -> None:
        with mock.patch.object(SqliteStore, "append", raced):
            said = desk.engine.recorder.act(RaiseKill(CommandId("kill"), "desk", "why", "operator"))
        assert is_successful(said) and others

    _ = walked(walk, made)
