"""The SQLite log fills the contract's one hole; and what is its own: files, triggers, schema, damage, backup."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import apsw
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from returns.pipeline import is_successful

from phoenix_adapters.beads import ballast
from phoenix_adapters.beads.export import export
from phoenix_adapters.beads.files import SCHEMA_VERSION
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.chain import EMPTY, Fault, StateSnapshot, StoreFault
from phoenix_core.checkpoint import Standing
from phoenix_core.values import BadInput, text_hash
from tests.contract.beads import test_memory
from tests.contract.beads.suite import ORIGIN, SIGNER, BeadStoreContract, Opener, Twins, bead_id, grow, sealed
from tests.showing import REPOSITORY, shows


class TestSqlite(BeadStoreContract):
    """The suite over the log in one SQLite file."""

    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Opener:
        """One more handle on it."""
        return partial(SqliteStore, tmp_path / "beads.db")

    @pytest.fixture
    def open_impatient(self, tmp_path: Path) -> Opener:
        """A handle that does not wait for long."""
        return partial(SqliteStore, tmp_path / "beads.db", patience_s=0.02)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where this test's log lies."""
    return str(tmp_path / "beads.db")


def by_hand(path: str, sql: str) -> list[tuple[apsw.SQLiteValue, ...]]:
    """What somebody with a database tool would do."""
    db = apsw.Connection(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def disarmed(path: str, sql: str) -> None:
    """The same by somebody who takes the triggers away first."""
    for (name,) in by_hand(path, "SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        by_hand(path, f"DROP TRIGGER {name}")
    by_hand(path, sql)


def test_nothing_is_skipped() -> None:
    """Each store runs every test of the suite as it stands: none is replaced, none is left out, none is marked."""
    suite = {name for name in vars(BeadStoreContract) if name.startswith("test_")}
    assert len(suite) == 18
    for store in (test_memory.TestMemory, TestSqlite):
        assert suite & set(vars(store)) == set()
        marks = {mark.name for name in suite for mark in getattr(getattr(store, name), "pytestmark", ())}
        assert marks <= {"shows"}


def test_what_ours_have_beyond_the_port(path: str) -> None:
    """The frontier, whose root is the log's; and whether the ballast is stowed, which in memory it always is."""
    with MemoryStore() as memory, SqliteStore(path) as sqlite:
        for store in (memory, sqlite):
            _ = grow(store, 1, 2, 3)
            assert store.frontier().root() == store.root() and store.ballasted


@shows("I6")
def test_memory_and_sqlite_are_twins() -> None:
    """Told the same, both answer the same and export the same bytes."""

    run_state_machine_as_test(Twins, settings=settings(max_examples=40, stateful_step_count=12))


def refused(use: Callable[[], object]) -> str:
    """How the log refuses something; nothing where it does not."""
    try:
        _ = use()
    except StoreFault as fault:
        return fault.kind.value
    return "-"


def test_a_handle_that_was_opened_before_a_fork_takes_nothing_in_the_child(path: str) -> None:
    """A bot opens the log and hands its ideas to workers that are forked. None of the handle's locks is the child's:
    once the parent has closed, what the child appends would be acknowledged and lost. It hears so, and a handle of its
    own serves it."""
    store = SqliteStore(path)
    head = grow(store, 1)
    closed, answer = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:  # nothing of the test's own runs in it
        try:
            _ = os.read(closed[0], 1)
            uses = (
                store.head,
                lambda: store.append(head, sealed(head, 9)),
                store.make_room,
                lambda: store.backup("no"),
            )
            said = [refused(use) for use in uses]
            with SqliteStore(path, make=False) as own:
                _ = os.write(answer[1], f"{' '.join(said)} {grow(own, 2).size}".encode())
        finally:
            os._exit(0)
    store.close()
    os.close(answer[1])
    _ = os.write(closed[1], b"x")
    assert os.read(answer[0], 1000) == b"CLOSED CLOSED CLOSED CLOSED 2"
    _ = os.waitpid(child, 0)
    with SqliteStore(path, make=False) as found:
        assert found.head().size == 2


class TestOpening:
    """A log is opened durable, or not at all."""

    @shows("I4")
    def test_the_promises_are_asserted(self, path: str) -> None:
        """WAL and synchronous=FULL hold on every handle; a database that cannot keep them is refused."""
        with SqliteStore(path) as store:
            assert store._db.pragma("journal_mode") == "wal"
            assert store._db.pragma("synchronous") == 2
        with pytest.raises(StoreFault) as caught:
            SqliteStore(":memory:", ballast_bytes=0)
        assert caught.value.kind is Fault.IO

    def test_it_is_its_owners_alone(self, path: str, tmp_path: Path) -> None:
        """Whatever the umask: the log, the files beside it, a backup and an export say what was traded."""
        before = os.umask(0)
        try:
            with SqliteStore(path) as store:
                grow(store, 1)
                store.backup(tmp_path / "backup.db")
                export(store, tmp_path / "log.jsonl", ORIGIN, None)
                with store.lease("boot") or pytest.fail("the lease was free"):
                    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        finally:
            os.umask(before)
        beside = ("", "-wal", "-shm", ".ballast", ".lease")
        assert modes == dict.fromkeys([*(f"beads.db{name}" for name in beside), "backup.db", "log.jsonl"], 0o600)

    def test_the_columns_that_outside_checks_read(self, path: str) -> None:
        """The table `beads` has exactly the columns of the command line's page."""
        SqliteStore(path).close()
        columns = [(name, kind, key) for _, name, kind, _, _, key in by_hand(path, "PRAGMA table_info(beads)")]
        assert columns == [("seq", "INTEGER", 1), ("kind", "TEXT", 0), ("bytes", "BLOB", 0), ("leaf", "BLOB", 0)]

    def test_schema_versions_are_a_table(self, path: str) -> None:
        """A new log goes through every step once; opening it again takes none."""
        for _ in range(2):
            SqliteStore(path).close()
            assert by_hand(path, "SELECT * FROM schema_versions") == [(1, "001_log.sql")]
        steps = list((REPOSITORY / "src/phoenix_adapters/beads/schema").glob("*.sql"))
        assert len(steps) == SCHEMA_VERSION

    @pytest.mark.parametrize(
        ("kind", "spoil"),
        [
            (Fault.FOREIGN, lambda path: by_hand(path, "CREATE TABLE notes (x)")),
            (Fault.CORRUPT, lambda path: Path(path).write_bytes(b"this is no database" * 100)),
            (Fault.IO, lambda path: Path(path).mkdir()),
        ],
    )
    def test_what_is_no_log(self, path: str, kind: Fault, spoil: Callable[[str], object]) -> None:
        """Another database, another file, a folder: each is refused by its kind."""
        spoil(path)
        with pytest.raises(StoreFault) as caught:
            SqliteStore(path)
        assert caught.value.kind is kind

    def test_a_newer_log_is_not_guessed_at(self, path: str) -> None:
        """A schema from the future is FOREIGN; the log is left as it is."""
        SqliteStore(path).close()
        by_hand(path, "INSERT INTO schema_versions VALUES (99, '099_later.sql')")
        with pytest.raises(StoreFault) as caught:
            SqliteStore(path)
        assert caught.value.kind is Fault.FOREIGN

    def test_importing_is_cheap(self) -> None:
        """The module loads apsw and the core's words; nothing that a command line would wait for."""
        code = "import sys, phoenix_adapters.beads.sqlite; print(*sorted(sys.modules))"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert "apsw" in loaded
        heavy = {"asyncio", "importlib.resources", "cattrs", "cryptography", "hypothesis", "logging", "rich", "yaml"}
        assert heavy & set(loaded) == set()


class TestByHand:
    """What somebody with a database tool can do, and what is noticed."""

    @shows("I6")
    def test_words_in_the_place_of_others_are_nobodys(self, path: str) -> None:
        """The note of a bot, or the screen as it stood when somebody signed: nobody is shown other words for them."""
        name = text_hash("what was said")
        with SqliteStore(path) as store:
            assert is_successful(store.append(EMPTY, sealed(EMPTY, 1), {name: "what was said"}))
            assert store.text(name) == "what was said"
        disarmed(path, "UPDATE texts SET text = 'what was never said'")
        with SqliteStore(path) as store:
            assert store.text(name) is None

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE beads SET kind = 'ALERT'",
            "UPDATE beads SET bytes = x'00' WHERE seq = 1",
            "DELETE FROM beads WHERE seq = 2",
            "DELETE FROM beads",
            "INSERT OR REPLACE INTO beads VALUES (1, 'ALERT', x'', x'')",
            "INSERT INTO beads VALUES (9, 'ALERT', x'', x'')",
            "INSERT INTO beads VALUES (-1, 'ALERT', x'', x'')",
            "DELETE FROM bead_ids",
            "UPDATE bead_ids SET seq = 0",
            "DELETE FROM checkpoints",
            "UPDATE checkpoints SET note = ''",
            "INSERT OR REPLACE INTO checkpoints VALUES (3, x'', '')",
        ],
    )
    @shows("I7")
    def test_the_database_itself_refuses(self, path: str, sql: str) -> None:
        """Rows are written once; no update, no delete, no replacement, no gap."""
        with SqliteStore(path) as store:
            grow(store, 1, 2, 3)
            store.checkpoint(ORIGIN, SIGNER).unwrap()
        before = by_hand(path, "SELECT * FROM beads, checkpoints")
        with pytest.raises(apsw.ConstraintError):
            by_hand(path, sql)
        assert by_hand(path, "SELECT * FROM beads, checkpoints") == before

    def test_a_log_that_should_be_there_is_not_made(self, path: str) -> None:
        """Whoever follows or asks a desk does not begin an empty one where the name is wrong."""
        with pytest.raises(BadInput, match="no log is there"):
            _ = SqliteStore(path, make=False)
        assert not os.path.exists(path)
        with SqliteStore(path) as store:
            head = grow(store, 1)
        with SqliteStore(path, make=False) as store:
            assert store.head() == head

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE beads SET bytes = CAST(replace(bytes, '\"n\":2', '\"n\":7') AS BLOB) WHERE seq = 1",
            "UPDATE beads SET bytes = CAST(bytes AS TEXT) WHERE seq = 1",
            "UPDATE beads SET kind = 'SIGNAL' WHERE seq = 0",
            "UPDATE beads SET leaf = x'00' WHERE seq = 0",
            "DELETE FROM beads WHERE seq = 1",
            "UPDATE beads SET seq = -7 WHERE seq = 1",
        ],
    )
    @shows("I7", "I23")
    def test_who_takes_the_triggers_away_is_found_reading(self, path: str, sql: str) -> None:
        """Every read checks bytes, hashes, links and rows: CORRUPT."""
        with SqliteStore(path) as store:
            grow(store, 1, 2, 3)
        disarmed(path, sql)
        with SqliteStore(path) as store, pytest.raises(StoreFault) as caught:
            list(store.read(0))
        assert caught.value.kind is Fault.CORRUPT

    @shows("I7", "I23")
    def test_the_last_bead_changed_under_an_open_handle(self, path: str) -> None:
        """A bead that is whole and fits, but is not the one that was acknowledged, is found by the head."""
        with SqliteStore(path) as store:
            head = grow(store, 1, 2)
            grow(store, 3)
            (forged,) = sealed(head, 4)
            disarmed(
                path, f"UPDATE beads SET bytes = x'{forged.data.hex()}', leaf = x'{forged.leaf.hex()}' WHERE seq = 2"
            )
            assert len(list(store.read(0, 2))) == 2
            with pytest.raises(StoreFault, match="not the one that was acknowledged"):
                list(store.read(0))

    @pytest.mark.parametrize(
        "sql",
        [
            "DELETE FROM beads WHERE seq = 2",
            "DELETE FROM beads",
            "UPDATE beads SET seq = seq + 5 WHERE seq = 1",
            "UPDATE frontier SET size = 2",
            "UPDATE frontier SET size = 'three'",
            "DELETE FROM frontier",
            "UPDATE frontier SET leaf = ''",
            "UPDATE frontier SET peaks = x''",
            "UPDATE beads SET leaf = zeroblob(32) WHERE seq = 2",
            "INSERT INTO beads VALUES (3, 'ALERT', x'', x'')",
        ],
    )
    @shows("I7", "I23")
    def test_a_wrong_end_is_found_opening(self, path: str, sql: str) -> None:
        """The frontier and the last bead must agree before the log is used."""
        with SqliteStore(path) as store:
            grow(store, 1, 2, 3)
        disarmed(path, sql)
        with pytest.raises(StoreFault) as caught:
            SqliteStore(path)
        assert caught.value.kind is Fault.CORRUPT

    @shows("I7")
    def test_no_checkpoint_over_a_rewritten_past(self, path: str) -> None:
        """A log that no longer follows from the note that it kept is not signed again: FORKED, or BEHIND."""
        with SqliteStore(path) as store:
            grow(store, 1, 2, 3)
            store.checkpoint(ORIGIN, SIGNER).unwrap()
            grow(store, 4)
        good = Path(path).read_bytes()
        for sql, standing in (
            ("UPDATE checkpoints SET peaks = zeroblob(64)", Standing.FORKED),
            ("UPDATE checkpoints SET note = 'nothing'", Standing.FORKED),
            ("UPDATE frontier SET peaks = zeroblob(32)", Standing.FORKED),
            ("UPDATE beads SET leaf = (SELECT leaf FROM frontier) WHERE seq = 3", None),
            ("UPDATE checkpoints SET size = 7, peaks = zeroblob(96)", Standing.FORKED),
        ):
            Path(path).write_bytes(good)
            disarmed(path, sql)
            if standing is None:
                with pytest.raises(StoreFault):
                    SqliteStore(path)
                continue
            with SqliteStore(path) as store:
                assert store.checkpoint(ORIGIN, SIGNER).failure() is standing
                assert len(store.checkpoints()) == 1

    @shows("I6")
    def test_a_snapshot_that_does_not_fit_is_ignored(self, path: str) -> None:
        """Another state, another frontier, another log after it: None, and the desk replays."""
        with SqliteStore(path) as store:
            grow(store, 1, 2, 3)
            store.save_snapshot(StateSnapshot(3, store.root(), "desk", b"state"))
            grow(store, 4)
            assert store.load_snapshot("desk") is not None
        good = Path(path).read_bytes()
        for sql in (
            "UPDATE snapshots SET data = 'other'",
            "UPDATE snapshots SET data = CAST('other' AS BLOB)",
            "UPDATE snapshots SET peaks = zeroblob(64)",
            "UPDATE snapshots SET peaks = x''",
            "UPDATE snapshots SET size = 5",
            "UPDATE frontier SET peaks = zeroblob(32)",
        ):
            Path(path).write_bytes(good)
            disarmed(path, sql)
            with SqliteStore(path) as store:
                assert store.load_snapshot("desk") is None


class TestRoom:
    """The write-ahead log's file is written out to its usual length by whoever is about to append for a living."""

    def test_no_commit_makes_the_file_longer(self, path: str) -> None:
        """Its size stays what it was through a thousand pages, and every bead is there for whoever opens it next."""
        with SqliteStore(path) as store, SqliteStore(path) as other:
            grow(store, 1)
            assert store.make_room()
            size = Path(path + "-wal").stat().st_size
            for n in range(2, 200):
                grow(store if n % 2 else other, n)
            assert Path(path + "-wal").stat().st_size == size
            with SqliteStore(path) as third:
                assert third.head() == store.head()
                assert len(list(third.read(0))) == 199

    def test_what_was_written_before_stays(self, path: str, tmp_path: Path) -> None:
        """Only what lies behind the last frame is written, and zeros end a recovery as the end of the file does."""
        with SqliteStore(path) as store:
            grow(store, 1, 2)
            before = Path(path + "-wal").read_bytes()
            assert store.make_room()
            after = Path(path + "-wal").read_bytes()
            assert after[: len(before)] == before
            assert not any(after[len(before) :])
            grow(store, 3)
            # A process that dies leaves these two files; the index beside them is made anew.
            for friend in ("", "-wal"):
                (tmp_path / f"left.db{friend}").write_bytes(Path(path + friend).read_bytes())
            with SqliteStore(tmp_path / "left.db", ballast_bytes=0) as left:
                assert list(left.read(0)) == list(store.read(0))

    def test_an_export_that_has_no_room_names_its_file_and_leaves_nothing(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever wrote it to a full stick is told which file: the words of the system alone name no place."""

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        target = tmp_path / "out" / "log.jsonl"
        target.parent.mkdir()
        with SqliteStore(path) as store:
            monkeypatch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space left") as error:
                export(store, target, "here", None)
        assert (error.value.filename, list(target.parent.iterdir())) == (str(target), [])

    def test_a_disk_without_room_is_no_reason_to_stop(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is a matter of speed alone: the log goes on growing commit by commit."""

        def full(fd: int, data: bytes, at: int) -> int:
            raise OSError(errno.ENOSPC, "no space left")

        with SqliteStore(path) as store:
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwrite", full)
                assert not store.make_room()
            assert grow(store, 1).size == 1

    def test_a_root_of_lately_reads_no_more_than_what_came_since(self, path: str) -> None:
        """The root of a history that this handle saw end is found from there, and is the one that all leaves give."""
        with SqliteStore(path) as store:
            roots = {}
            for n in range(1, 60):
                grow(store, n)
                roots[n] = store.root()
            asked: list[object] = []

            def traced(cursor: apsw.Cursor, sql: str, values: object) -> bool:
                asked.append(values)
                return True

            store._db.exec_trace = traced
            assert {n: store.root(n) for n in roots} == roots
            store._db.exec_trace = None
            assert asked == [(n, n) for n in roots], "no leaf is read again"
        with SqliteStore(path) as again:
            assert {n: again.root(n) for n in roots} == roots


class TestBackup:
    """A backup is a whole log, made while others write, or it is not there."""

    def test_it_is_the_same_log(self, path: str, tmp_path: Path) -> None:
        """What was there when it was made is in it; it opens and goes on as a log of its own."""
        target = tmp_path / "backup.db"
        with SqliteStore(path) as store, SqliteStore(path) as other:
            head = grow(store, 1, 2, 3)
            assert other.backup(target) == head
            grow(store, 4)
            with SqliteStore(target, ballast_bytes=0) as copy:
                assert list(copy.read(0)) == list(store.read(0, 3))
                assert copy.seq_of(bead_id(3)) == 2
                assert grow(copy, 5).size == 4
        assert sorted(f.name for f in tmp_path.iterdir() if f.name.startswith("backup")) == ["backup.db"]

    def test_it_replaces_nothing(self, path: str, tmp_path: Path) -> None:
        """A file that is there already stays, and so does a half-made copy's chance to begin anew."""
        target = tmp_path / "backup.db"
        (tmp_path / "backup.db.partial").write_bytes(b"left behind by a crash")
        with SqliteStore(path) as store:
            grow(store, 1)
            store.backup(target)
            kept = target.read_bytes()
            with pytest.raises(FileExistsError):
                store.backup(target)
            assert target.read_bytes() == kept

    def test_an_interrupt_leaves_no_half_of_it(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C while the copy is looked through: the room that it took is free again."""

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with SqliteStore(path) as store:
            grow(store, 1)
            monkeypatch.setattr(SqliteStore, "peek", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.backup(tmp_path / "backup.db")
        assert not list(tmp_path.glob("backup*"))

    @shows("I7")
    def test_an_old_backup_is_behind_its_checkpoint(self, path: str, tmp_path: Path) -> None:
        """Put in place of the log it is a perfect log, and behind what was witnessed."""
        from phoenix_core.checkpoint import behind, parse_note

        with SqliteStore(path) as store:
            grow(store, 1, 2)
            store.backup(tmp_path / "old.db")
            grow(store, 3)
            outside = parse_note(store.checkpoint(ORIGIN, SIGNER).unwrap()).unwrap().checkpoint
            assert behind(store, outside) is Standing.AGREES
        with SqliteStore(tmp_path / "old.db") as restored:
            assert len(list(restored.read(0))) == 2
            assert behind(restored, outside) is Standing.BEHIND
            grow(restored, 4)
            assert behind(restored, outside) is Standing.FORKED


class TestBallastAndLease:
    """The files beside the log."""

    def test_the_ballast_has_real_blocks(self, path: str) -> None:
        """A hole would free nothing."""
        with SqliteStore(path, ballast_bytes=2**20) as store:
            assert store.ballasted
            assert Path(path + ".ballast").stat().st_blocks * 512 >= 2**20
        ballast.drop(path + ".ballast")
        ballast.drop(path + ".ballast")
        assert not Path(path + ".ballast").exists()

    @shows("F61")
    def test_a_full_disk_lets_a_log_be_opened_once_the_ballast_is_gone(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No process has it open, and the file that readers share takes room: whoever comes to look throws it out."""
        with SqliteStore(path, ballast_bytes=2**20) as store:
            head = grow(store, 1)
        in_the_way, dropped = Path(path + "-shm"), ballast.drop

        def drop(file: str) -> None:
            dropped(file)
            if in_the_way.is_symlink():  # once only: from then on it is the log's own
                in_the_way.unlink()

        in_the_way.symlink_to("nowhere")
        disk = os.statvfs(path)
        full = os.statvfs_result((*disk[:3], 0, 0, *disk[5:]))
        monkeypatch.setattr(os, "statvfs", lambda _: full)
        monkeypatch.setattr(ballast, "drop", drop)
        with SqliteStore(path, ballast_bytes=2**62) as store:
            assert (store.head(), store.ballasted) == (head, False)

    @pytest.mark.parametrize(("flags", "kind"), [(os.ST_RDONLY, Fault.READ_ONLY), (0, Fault.IO)])
    def test_a_disk_that_takes_no_file_is_named(
        self, path: str, flags: int, kind: Fault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database says that it cannot open; a read-only disk is why, or it is not."""
        with SqliteStore(path) as store:
            grow(store, 1)
        Path(path + "-shm").symlink_to("nowhere")
        disk = os.statvfs(path)
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*disk[:8], flags, *disk[9:])))
        with pytest.raises(StoreFault) as told:
            SqliteStore(path)
        assert told.value.kind is kind

    def test_a_disk_without_room_for_it(self, tmp_path: Path) -> None:
        """Where it cannot be set aside the log still works, and says that it is strained."""
        assert not ballast.stow(str(tmp_path / "no" / "folder"), 1)
        assert not ballast.stow(str(tmp_path / "huge"), 2**62)
        assert not (tmp_path / "huge").exists()

    @shows("F65", "I21")
    def test_a_replaced_lease_file_is_noticed(self, path: str) -> None:
        """Who deletes or replaces the file makes room for a second engine; the first one knows."""
        with SqliteStore(path) as store:
            first = store.lease("one")
            assert first is not None
            Path(path + ".lease").unlink()
            assert not first.alive()
            second = store.lease("two")
            assert second is not None
            assert (first.alive(), second.alive()) == (False, True)
            first.release()
            second.release()

    @shows("F65", "I21")
    def test_a_lease_file_that_is_replaced_before_it_is_locked_guards_nothing(
        self, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody puts another file in its place between opening and locking: what was locked nobody looks at."""
        real = fcntl.flock

        def replaced(descriptor: int, how: int) -> None:
            real(descriptor, how)
            Path(path + ".lease").unlink()
            Path(path + ".lease").touch()

        with SqliteStore(path) as store:
            monkeypatch.setattr(fcntl, "flock", replaced)
            assert store.lease("one") is None
            monkeypatch.setattr(fcntl, "flock", real)
            with store.lease("two") or pytest.fail("the lease was free") as lease:
                assert lease.alive()

    @shows("I21")
    def test_two_that_ask_do_not_take_each_other_for_an_engine(self, path: str) -> None:
        """Who asks whether the lease is held locks it shared for a moment; whoever else asks then sees no engine."""
        with SqliteStore(path) as store:
            (store.lease("gone") or pytest.fail("the lease was free")).release()
            with open(path + ".lease", "rb") as other:
                fcntl.flock(other, fcntl.LOCK_SH)
                assert store.leaseholder() is None

    @shows("F65", "I21")
    def test_the_lease_dies_with_its_process(self, path: str) -> None:
        """A holder killed with -9 leaves nothing behind that would have to be waited for."""
        code = (
            "import sys; from phoenix_adapters.beads.sqlite import SqliteStore\n"
            "lease = SqliteStore(sys.argv[1]).lease('child'); print('held', flush=True); sys.stdin.read()"
        )
        with SqliteStore(path) as store:
            child = subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert child.stdout is not None
            assert child.stdout.readline() == b"held\n"
            assert (store.lease("parent"), store.leaseholder()) == (None, "child")
            child.kill()
            child.communicate()
            lease = store.lease("parent")
            assert lease is not None
            lease.release()


def test_an_empty_head_is_never_sealed_twice(path: str) -> None:
    """Two processes that make the first bead of one log: one makes it, the other is told."""
    with SqliteStore(path) as one, SqliteStore(path) as two:
        assert one.append(EMPTY, sealed(EMPTY, 1)).unwrap().size == 1
        assert two.append(EMPTY, sealed(EMPTY, 2)).failure().actual == one.head()
