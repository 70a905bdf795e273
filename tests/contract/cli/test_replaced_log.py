"""Files that are replaced, or taken away, under a desk at work: who goes on writing to what nobody else can find."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phoenix_adapters.beads import files
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.chain import Fault, StoreFault
from tests.contract.beads.suite import grow, sealed
from tests.contract.cli.operator import Process, founded, until
from tests.showing import shows


def moved(file: Path) -> None:
    """Somebody gave it another name."""
    file.rename(file.with_name("elsewhere"))


def copied_over(file: Path) -> None:
    """A copy of the same bytes in its place, as `cp` and `mv`, or a sync of two machines, leave it."""
    shutil.copy(file, file.with_name("copy"))
    os.replace(file.with_name("copy"), file)


@pytest.fixture(autouse=True)
def at_every_act(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Between two acts of ours a second goes by, or as much as a test says."""
    clock = [0.0, 1.0]

    def tells() -> float:
        clock[0] += clock[1]
        return clock[0]

    monkeypatch.setattr(files, "monotonic", tells)
    return lambda seconds: clock.__setitem__(1, seconds)


@shows("F65", "I5")
@pytest.mark.parametrize("friend", ["", "-wal", "-shm"])
@pytest.mark.parametrize("how", [Path.unlink, moved, copied_over], ids=["removed", "moved", "replaced"])
def test_nothing_is_acknowledged_into_files_that_nobody_finds(
    tmp_path: Path, friend: str, how: Callable[[Path], object]
) -> None:
    """The log, its write-ahead file, what its users share: whichever of them is another one now, no handle that has
    the old ones open says where the log ends, holds it, or takes a bead."""
    with SqliteStore(tmp_path / "beads.db") as store, SqliteStore(tmp_path / "beads.db") as other:
        before = grow(store, 2)
        how(tmp_path / f"beads.db{friend}")
        asks: list[Callable[[SqliteStore], object]] = [
            lambda handle: handle.head(),
            lambda handle: handle.hold().__enter__(),
            lambda handle: handle.append(before, sealed(before, 3)),
            lambda handle: handle.append_blind(lambda head: sealed(head, 4)),
        ]
        for handle in (store, other):
            for ask in asks:
                with pytest.raises(StoreFault, match="replaced or taken away") as caught:
                    ask(handle)
                assert caught.value.kind is Fault.CORRUPT


def test_a_folder_that_lost_its_rights_takes_no_log_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say what lies there: what is open goes on."""

    def denied(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    with SqliteStore(tmp_path / "beads.db") as store:
        monkeypatch.setattr(os, "stat", denied)
        _ = grow(store, 1)
        assert store.head().size == 1


def test_what_was_looked_at_a_moment_ago_is_looked_at_a_moment_later(
    tmp_path: Path, at_every_act: Callable[[float], None]
) -> None:
    """Twenty times a second and no more: the second look within a moment asks nothing, the next one sees it."""
    at_every_act(0.02)
    with SqliteStore(tmp_path / "beads.db") as store:
        for _ in range(3):  # whenever it was looked at while it was opened, it was looked at in one of these
            assert store.head().size == 0
        at_every_act(0.0)
        (tmp_path / "beads.db-wal").rename(tmp_path / "elsewhere")
        _ = store.head()
        at_every_act(0.05)
        with pytest.raises(StoreFault, match="replaced or taken away"):
            _ = store.head()


class Looks:
    """How often somebody looked at a file, while the clock is ahead of the last change by so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count from now on."""
        self.at: list[str] = []
        self.ahead_s = 3600
        self._stat, self._now = os.stat, time.time_ns
        monkeypatch.setattr(os, "stat", self._looked)
        monkeypatch.setattr(time, "time_ns", lambda: self._now() + self.ahead_s * 10**9)

    def _looked(self, path: str, **how: Any) -> os.stat_result:
        self.at.append(path)
        return self._stat(path, **how)

    def of(self, look: Callable[[], object]) -> int:
        """How many one look took."""
        self.at.clear()
        _ = look()
        return len(self.at)


def test_a_look_at_files_that_nobody_touched_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At their folder; at all of them again once anything was made beside them, and until its time is surely over."""
    with SqliteStore(tmp_path / "beads.db") as store:
        looks = Looks(monkeypatch)
        assert [looks.of(store.head) for _ in range(3)] == [4, 1, 1]
        (tmp_path / "HALT").touch()
        assert [looks.of(store.head) for _ in range(3)] == [4, 1, 1]
        os.utime(tmp_path)
        looks.ahead_s = -3600
        assert [looks.of(store.head) for _ in range(3)] == [4, 4, 4]


def synced(home: Path) -> None:
    """As a sync leaves it: another file under the old name, and the folder's time as it was."""
    was = home.stat()
    copied_over(home / "beads.db")
    os.utime(home, ns=(was.st_atime_ns, was.st_mtime_ns))


def moved_aside(home: Path) -> None:
    """A copy of the whole folder in its place, times and all."""
    _ = home.rename(home.with_name("aside"))
    _ = shutil.copytree(home.with_name("aside"), home)


def behind_the_link(home: Path) -> None:
    """The log is a link; what it leads to is replaced in a folder of its own."""
    copied_over((home / "beads.db").resolve())


@shows("F65", "I5")
@pytest.mark.parametrize("how", [synced, moved_aside, behind_the_link], ids=lambda how: how.__name__)
def test_nothing_that_keeps_its_looks_passes(
    tmp_path: Path, how: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long nothing was touched before, and whatever looks as it looked before."""
    home, apart = tmp_path / "home", tmp_path / "apart"
    home.mkdir()
    apart.mkdir()
    if how is behind_the_link:
        (home / "beads.db").symlink_to(apart / "beads.db")
    with SqliteStore(home / "beads.db") as store:
        _ = Looks(monkeypatch)
        assert [store.head().size for _ in range(3)] == [0, 0, 0]
        how(home)
        with pytest.raises(StoreFault, match="replaced or taken away"):
            _ = store.head()


@shows("I5", "I18", "F65")
def test_a_log_that_is_replaced_under_an_engine_stops_its_entries(tmp_path: Path) -> None:
    """A backup was copied over it by hand. What people sign lands in another file from now on: the engine says so,
    halts the desk, and ends as what does not verify; the next one goes on from what lies there."""
    seat = founded(tmp_path)
    with seat.engine() as engine:
        assert seat.json("beads", "backup", str(tmp_path / "backup.db")).code == 0
        os.replace(tmp_path / "backup.db", seat.home / "beads.db")
        until(lambda: "replaced or taken away" in engine.said())
        assert "CRITICAL The log takes no beads" in engine.said()
        assert seat.json("status").document["halted"] is True
        assert engine.stop() == 4
    with seat.engine():
        assert seat.json("kill", "clear", "--scope", "desk", "--reason", "the right log is back").code == 0
        intent = seat.proposes("EURUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0


@shows("I21", "F65")
def test_an_engine_whose_desk_was_taken_over_ends_and_says_so(tmp_path: Path) -> None:
    """Somebody removed the lease's file and started another: the first can send nothing any more, and would only keep
    the broker's session from the one that can."""
    seat = founded(tmp_path)
    with seat.engine() as first:
        (seat.home / "beads.db.lease").unlink()
        second = Process(seat.words("run"), seat.environment, tmp_path / "second", "yours:")
        try:
            until(lambda: "another engine took this desk over" in first.said())
            assert first.ends() == 1
            intent = seat.proposes("EURUSD")
            assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        finally:
            assert second.stop() == 0
