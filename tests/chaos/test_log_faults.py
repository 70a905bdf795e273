"""Every k-th statement, write, fsync and read of every scenario fails, once and from then on.

Afterwards the log is as it was before or as it should be after, never between, and what was acknowledged is there.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw
import pytest
from attrs import define, frozen

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.chain import EMPTY, Fault, Head, StateSnapshot, StoreFault, verify_chain
from phoenix_core.checkpoint import parse_note
from phoenix_core.values import text_hash
from tests.chaos.broken_disk import Act, Disk, Plan, Trouble
from tests.contract.beads.suite import ORIGIN, SIGNER, bead_id, grow, sealed
from tests.showing import shows

TEXT: Final = "why"
BEFORE: Final = 3


@define
class Seen:
    """What somebody who opens the log can see of it."""

    size: int
    ids: tuple[int, ...]
    text: str | None
    checkpoints: int
    snapshot: bytes | None
    backup: int | None


@frozen
class Scenario:
    """Something done to a log: the act, and what it changes."""

    act: Callable[[SqliteStore], object]
    after: dict[str, object]


def append(store: SqliteStore) -> object:
    """A decision of three beads and a text."""
    head = store.head()
    return store.append(head, sealed(head, 10, 11, 12), {text_hash(TEXT): TEXT}).unwrap()


def raise_kill(store: SqliteStore) -> object:
    """A blind append."""
    return store.append_blind(lambda head: sealed(head, 10, kind="KILL_FLAG"))


def take_over(store: SqliteStore) -> object:
    """A new engine takes the lock and writes its LEASE bead on the head that it saw."""
    with store.lease("boot") or pytest.fail("the lease was free"):
        head = store.head()
        return store.append(head, sealed(head, 10, kind="LEASE")).unwrap()


def snapshot(store: SqliteStore) -> object:
    """The state after all beads, larger than a page, in place of an earlier one."""
    store.save_snapshot(StateSnapshot(BEFORE, store.root(), "desk", b"new" * 3000))
    return None


def backup(store: SqliteStore) -> object:
    """A copy beside the log."""
    return store.backup(store.path + ".backup")


SCENARIOS: Final = {
    "append": Scenario(append, {"size": 6, "ids": (1, 2, 3, 10, 11, 12), "text": TEXT}),
    "kill": Scenario(raise_kill, {"size": 4, "ids": (1, 2, 3, 10)}),
    "lease": Scenario(take_over, {"size": 4, "ids": (1, 2, 3, 10)}),
    "snapshot": Scenario(snapshot, {"snapshot": b"new" * 3000}),
    "checkpoint": Scenario(lambda store: store.checkpoint(ORIGIN, SIGNER).unwrap(), {"checkpoints": 2}),
    "backup": Scenario(backup, {"backup": BEFORE}),
}
OLD: Final = Seen(BEFORE, (1, 2, 3), None, 1, b"old", None)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: the faults are ours, and a true fsync would only take time."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small log as every scenario finds it."""
    folder = tmp_path_factory.mktemp("prepared")
    with SqliteStore(folder / "beads.db", ballast_bytes=0) as store:
        grow(store, 1, 2)
        store.checkpoint(ORIGIN, SIGNER).unwrap()
        grow(store, 3)
        store.save_snapshot(StateSnapshot(BEFORE, store.root(), "desk", b"old"))
    return folder / "beads.db"


def see(path: Path) -> Seen:
    """Open the log on a sound disk, check all of it, and say what is there."""
    with SqliteStore(path, ballast_bytes=0) as store:
        beads = list(store.read(0))
        assert verify_chain(bead.data for bead in beads).unwrap() == store.head()
        assert store.root() == store.root(store.head().size)
        for n in (1, 2, 3, 10, 11, 12):
            at = store.seq_of(bead_id(n))
            assert (at is not None) == (bead_id(n) in {bead.bead_id for bead in beads})
            assert at is None or beads[at].bead_id == bead_id(n)
        for note in store.checkpoints():
            point = parse_note(note).unwrap().checkpoint
            assert point.root == store.root(point.size)
        state = store.load_snapshot("desk")
        backup = Path(str(path) + ".backup")
        return Seen(
            store.head().size,
            tuple(int(bead.bead_id[-12:], 16) for bead in beads),
            store.text(text_hash(TEXT)),
            len(store.checkpoints()),
            state.data if state else None,
            SqliteStore.peek(str(backup)).size if backup.exists() else None,
        )


def new_of(scenario: Scenario) -> Seen:
    """What is there when all went well."""
    return Seen(**{name: scenario.after.get(name, getattr(OLD, name)) for name in Seen.__slots__ if name[0] != "_"})  # type: ignore[arg-type]  # each name has its own type


class Story:
    """One run of one scenario against one plan, on a log of its own."""

    def __init__(self, prepared: Path, folder: Path, scenario: Scenario) -> None:
        """A fresh copy of the prepared log."""
        folder.mkdir()
        self.path = folder / "beads.db"
        self.crashed = folder / "crashed.db"
        shutil.copy(prepared, self.path)
        self.scenario = scenario
        self.disk = Disk()
        self.fault: StoreFault | None = None

    def run(self, plan: Plan | None, statement: tuple[int, type[apsw.Error], bool] | None = None) -> bool:
        """Play it; whether anything failed at all. The disk is still broken when the log is closed."""
        store = SqliteStore(self.path, ballast_bytes=0, vfs=self.disk.name)
        fired, hooks = False, len(apsw.connection_hooks)
        if statement:
            k, error, forever = statement
            counter = itertools.count(1)

            def trace(cursor: apsw.Cursor, sql: str, values: object) -> bool:
                nonlocal fired
                n = next(counter)
                if sql != "ROLLBACK" and (n >= k if forever else n == k):
                    fired = True
                    raise error("a statement failed")
                return True

            def follow(db: apsw.Connection) -> None:
                """Connections that the act opens count as well: a backup asks its copy whether it is whole."""
                db.exec_trace = trace

            follow(store._db)
            apsw.connection_hooks.append(follow)
        with self.disk.failing(plan or Plan(Act.SYNC, -1)):
            try:
                self.act(store)
            finally:
                del apsw.connection_hooks[hooks:]
            fired = fired or self.disk.fired
            # kill -9 at this moment: what the files hold now, recovered by whoever opens them next.
            for friend in ("", "-wal"):
                if Path(f"{self.path}{friend}").exists():
                    shutil.copy(f"{self.path}{friend}", f"{self.crashed}{friend}")
            store.close()
        return fired

    def act(self, store: SqliteStore) -> None:
        """The scenario; what it said if it failed."""
        try:
            self.scenario.act(store)
        except StoreFault as fault:
            self.fault = fault

    def judge(self) -> None:
        """Old or new, never between; acknowledged means new; a fault that says old means old."""
        new = new_of(self.scenario)
        for path in (self.path, self.crashed):
            seen = see(path)
            if path is self.crashed:
                seen.backup = see(self.path).backup
            assert seen in (OLD, new), f"neither old nor new in {path.name}: {seen}"
            if self.fault is None:
                assert seen == new, "what was acknowledged is not there"
            elif self.fault.kind is not Fault.UNKNOWN or path is self.path:
                assert seen == OLD, f"{self.fault} promised that nothing was written"
        assert not list(self.path.parent.glob("*.partial*")), "a backup that failed leaves nothing behind"
        with SqliteStore(self.path, ballast_bytes=0) as store:
            grow(store, 99)


def tell_all(
    prepared: Path, tmp_path: Path, scenario: Scenario, plans: Callable[[int], Plan]
) -> list[StoreFault | None]:
    """The story for every k until one runs through untouched."""
    faults: list[StoreFault | None] = []
    for k in itertools.count(1):
        story = Story(prepared, tmp_path / str(k), scenario)
        fired = story.run(plans(k))
        story.judge()
        if not fired:
            assert story.fault is None
            return faults
        faults.append(story.fault)
    raise AssertionError("there is always a last k")


DISK_TROUBLES: Final = [
    (act, trouble, forever)
    for act, troubles in (
        (Act.WRITE, tuple(Trouble)),
        (Act.SYNC, (Trouble.IO,)),
        (Act.READ, (Trouble.IO,)),
        (Act.TRUNCATE, (Trouble.IO,)),
    )
    for trouble in troubles
    for forever in (False, True)
]


@pytest.mark.parametrize(("act", "trouble", "forever"), DISK_TROUBLES)
@pytest.mark.parametrize("name", SCENARIOS)
@shows("F61", "F82", "I4", "I23")
def test_every_act_of_the_disk_fails(
    prepared: Path, tmp_path: Path, name: str, act: Act, trouble: Trouble, forever: bool
) -> None:
    """Old or new, never between, and acknowledged is there, for the k-th write, fsync, read and truncation."""
    faults = tell_all(prepared, tmp_path, SCENARIOS[name], lambda k: Plan(act, k, trouble, forever))
    if act in (Act.WRITE, Act.SYNC):
        assert faults, "the scenario writes and syncs"
        # One write that finds no space costs a kill its ballast and nothing else.
        unharmed = name == "kill" and trouble is Trouble.FULL and not forever
        assert all(fault is None for fault in faults) if unharmed else any(faults)
    said = {fault.kind for fault in faults if fault is not None}
    assert said <= ({Fault.FULL} if trouble is Trouble.FULL else {Fault.IO, Fault.UNKNOWN})


ERRORS: Final = {
    apsw.BusyError: {Fault.BUSY},
    apsw.FullError: {Fault.FULL},
    apsw.IOError: {Fault.IO, Fault.UNKNOWN},
    apsw.CorruptError: {Fault.CORRUPT, Fault.UNKNOWN},
    apsw.ReadOnlyError: {Fault.READ_ONLY, Fault.UNKNOWN},
}


@pytest.mark.parametrize("forever", [False, True])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", SCENARIOS)
@shows("F60", "F61", "F82", "I23")
def test_every_statement_fails(
    prepared: Path, tmp_path: Path, name: str, error: type[apsw.Error], forever: bool
) -> None:
    """The same for the k-th statement: busy, full, broken, corrupt or read-only, each said by its name."""
    said: set[Fault] = set()
    for k in itertools.count(1):
        story = Story(prepared, tmp_path / str(k), SCENARIOS[name])
        if not story.run(None, (k, error, forever)):
            assert story.fault is None
            break
        story.judge()
        # A blind append whose first try met a full disk may land with the second; opening a copy outwaits who is busy.
        again = (name, error) in (("kill", apsw.FullError), ("backup", apsw.BusyError))
        assert story.fault is not None or (again and not forever)
        said |= {story.fault.kind} if story.fault else set()
    assert k > 4
    assert said <= ERRORS[error]


@pytest.mark.parametrize(("act", "trouble", "forever"), DISK_TROUBLES)
@shows("F61", "I4")
def test_every_act_of_moving_the_wal_into_the_file_fails(
    prepared: Path, tmp_path: Path, act: Act, trouble: Trouble, forever: bool
) -> None:
    """SQLite's own checkpoint fails at its k-th act: nothing acknowledged is lost, and it succeeds later."""
    for k in itertools.count(1):
        disk, folder = Disk(), tmp_path / str(k)
        folder.mkdir()
        shutil.copy(prepared, folder / "beads.db")
        store = SqliteStore(folder / "beads.db", ballast_bytes=0, vfs=disk.name)
        grow(store, 10)
        grow(store, 11, 12)
        with disk.failing(Plan(act, k, trouble, forever)), suppress(apsw.Error):
            store._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        fired = disk.fired
        shutil.copy(folder / "beads.db", folder / "crashed.db")
        shutil.copy(folder / "beads.db-wal", folder / "crashed.db-wal")
        store._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        assert Path(folder / "beads.db-wal").stat().st_size == 0
        store.close()
        for name in ("beads.db", "crashed.db"):
            assert see(folder / name).ids == (1, 2, 3, 10, 11, 12)
        if not fired:
            break
    assert k > 1 or act is Act.READ


class TestFullDisk:
    """A full disk stops entries; the kill and the exits still go through."""

    @pytest.fixture
    def full(self, tmp_path: Path) -> Iterator[tuple[SqliteStore, Disk]]:
        """A log on a disk whose next write finds no space until the ballast is gone."""
        disk = Disk()
        with SqliteStore(tmp_path / "beads.db", ballast_bytes=2**16, vfs=disk.name) as store:
            grow(store, 1)
            ballast = tmp_path / "beads.db.ballast"
            assert ballast.stat().st_size == 2**16
            sound = disk.trouble
            disk.trouble = lambda act: Trouble.FULL if act is Act.WRITE and ballast.exists() else sound(act)  # type: ignore[method-assign]  # space depends on the ballast
            yield store, disk

    @shows("F61", "I14", "M29")
    def test_an_append_is_refused_and_makes_room(self, full: tuple[SqliteStore, Disk]) -> None:
        """FULL: nothing was written, the ballast is overboard, and the next append (an exit's) lands."""
        store, _ = full
        head = store.head()
        with pytest.raises(StoreFault) as caught:
            store.append(head, sealed(head, 2))
        assert (caught.value.kind, store.head(), store.ballasted) == (Fault.FULL, head, False)
        assert store.append(head, sealed(head, 3)).unwrap().size == 2

    @shows("F61", "I14")
    def test_a_kill_lands_at_once(self, full: tuple[SqliteStore, Disk]) -> None:
        """The blind append throws the ballast overboard and is durable before it returns."""
        store, _ = full
        assert store.append_blind(lambda head: sealed(head, 9, kind="KILL_FLAG")).size == 2
        assert not store.ballasted

    @shows("I14")
    def test_the_last_look_needs_no_space(self, full: tuple[SqliteStore, Disk]) -> None:
        """Holding the log writes nothing."""
        store, disk = full
        disk.counts[Act.WRITE] = 0
        with store.hold() as head:
            assert head.size == 1
        assert (disk.counts[Act.WRITE], store.ballasted) == (0, True)


@shows("F61", "I23")
def test_after_a_failed_fsync_the_same_handle_goes_on(tmp_path: Path) -> None:
    """What failed is not there, what is appended next is, and so it stays for whoever opens the log later."""
    disk = Disk()
    with SqliteStore(tmp_path / "beads.db", ballast_bytes=0, vfs=disk.name) as store:
        head = grow(store, 1)
        with disk.failing(Plan(Act.SYNC, 1)), pytest.raises(StoreFault) as caught:
            store.append(head, sealed(head, 2, 3, 4))
        assert (caught.value.kind, store.head(), store.seq_of(bead_id(2))) == (Fault.UNKNOWN, head, None)
        assert grow(store, 5).size == 2
        for friend in ("", "-wal"):
            shutil.copy(f"{tmp_path}/beads.db{friend}", f"{tmp_path}/crashed.db{friend}")
    for name in ("beads.db", "crashed.db"):
        with SqliteStore(tmp_path / name, ballast_bytes=0) as later:
            assert [bead.bead_id for bead in later.read(0)] == [bead_id(1), bead_id(5)]


@shows("I6")
def test_an_empty_log_survives_every_fault_of_its_making(tmp_path: Path) -> None:
    """The k-th write or fsync of laying out a new log fails: it is laid out later, or it was; never half."""
    for act, trouble, forever in DISK_TROUBLES:
        for k in itertools.count(1):
            disk, path = Disk(), tmp_path / f"{act.value}-{trouble.name}-{forever}-{k}.db"
            failed = False
            with disk.failing(Plan(act, k, trouble, forever)):
                try:
                    SqliteStore(path, ballast_bytes=0, vfs=disk.name).close()
                except StoreFault:
                    failed = True
            with SqliteStore(path, ballast_bytes=0) as store:
                assert store.head() == EMPTY
                assert grow(store, 1) == Head(1, store.head().leaf)
            if not disk.fired:
                assert not failed
                break
