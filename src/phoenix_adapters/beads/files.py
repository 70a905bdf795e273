"""The files under the SQLite log: opening, laying out, copying, and the names of what may go wrong with them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from os import rename
from time import monotonic
from typing import Final

import apsw

from phoenix_core.chain import Fault, Head, StoreFault

#: The newest schema this code writes. schema/NNN_*.sql are the steps to it.
SCHEMA_VERSION: Final = 1

# First match wins, so that a kind stands before its parents. What is in none of these is our bug and goes through.
_KINDS: Final = (
    (apsw.FullError, Fault.FULL),
    (apsw.BusyError, Fault.BUSY),
    (apsw.LockedError, Fault.BUSY),
    (apsw.ReadOnlyError, Fault.READ_ONLY),
    (apsw.PermissionsError, Fault.READ_ONLY),
    (apsw.CorruptError, Fault.CORRUPT),
    (apsw.NotADBError, Fault.CORRUPT),
    # A trigger or a key that says no to what the frontier allows: the two disagree.
    (apsw.ConstraintError, Fault.CORRUPT),
    (apsw.ConnectionClosedError, Fault.CLOSED),
    (apsw.CursorClosedError, Fault.CLOSED),
    (apsw.Error, Fault.IO),
)
Files = tuple[tuple[int, int] | None, ...]
_NEVER: Final = (0, 0, 0)  # of no folder: all is looked at the next time
_LOOK_EVERY_S: Final = 0.05
_FRIENDS: Final = ("-wal", "-shm", "-journal")
# The thousand frames after which SQLite begins the write-ahead log anew, and a margin for the commit that crosses it.
_WAL_BYTES: Final = 1100 * (4096 + 24)
# What the file that readers share takes at the least, and a page or two for the names.
_ROOM_BESIDE: Final = 64 * 1024
# The system caches a file in pieces as long as those it was written in, and goes through a whole piece for each frame
# that is written into it later: ten microseconds a frame where the piece is a megabyte.
_ZEROS_AT_ONCE: Final = 2**14


def fault_of(error: apsw.Error) -> StoreFault:
    """What the database said, in the words of the port."""
    kind = next(fault for cls, fault in _KINDS if isinstance(error, cls))
    return StoreFault(kind, f"{type(error).__name__}: {error}")


def open_connection(path: str, patience_s: float, vfs: str | None) -> apsw.Connection:
    """A connection that is durable and knows how to wait; what it cannot be is said at once."""
    private(path)
    try:
        db = apsw.Connection(path, vfs=vfs)
    except apsw.Error as error:
        raise fault_of(error) from error
    try:
        db.set_busy_handler(_patience(patience_s))
        _make_durable(db, patience_s)
        # The bytes of a damaged page are refused where they are read, not where they hurt.
        db.pragma("cell_size_check", True)
        db.pragma("trusted_schema", False)
    except apsw.Error as error:
        db.close()
        raise _of_the_disk(path, fault_of(error)) from error
    except StoreFault:
        db.close()
        raise
    return db


def _of_the_disk(path: str, fault: StoreFault) -> StoreFault:
    """Opening a log makes the files beside it. Where the disk takes none, the database says only that it could not."""
    try:
        disk = os.statvfs(os.path.dirname(os.path.abspath(path)))
    except OSError:
        return fault
    if fault.kind is Fault.IO and disk.f_flag & os.ST_RDONLY:
        return StoreFault(Fault.READ_ONLY, f"{path} is on a read-only disk ({fault.detail})")
    if fault.kind is Fault.IO and disk.f_bavail * disk.f_frsize < _ROOM_BESIDE:
        return StoreFault(Fault.FULL, f"the disk of {path} is full ({fault.detail})")
    return fault


class Place:
    """Where a log lies, and which files a handle has open there.

    It is asked before every bead. So it looks no more than twenty times a second, for what is replaced in the moment
    after a look is lost all the same; and it asks one question, whether anything was made, removed or renamed in the
    folder since all was last seen to be in place. Nobody can set the time of such a change back.
    """

    __slots__ = ("_calm", "_files", "_folder", "_looked_s", "_meant", "_path", "_process")

    def __init__(self, path: str) -> None:
        """Before it is opened: of the log itself it is what its name leads to now."""
        self._path, self._files = os.path.abspath(path), Files()
        self._folder, self._calm = os.path.dirname(self._path), _NEVER
        self._process, self._looked_s = os.getpid(), -_LOOK_EVERY_S
        self._meant = self._lying()[:1] if os.path.exists(path) else Files()

    def opened(self) -> None:
        """From now on each of its files is the one that lies there."""
        self._files = (*self._meant, *self._lying()[len(self._meant) :])

    def left(self) -> None:
        """Nothing is open there any more."""
        self._files, self._calm = (), _NEVER

    def ours(self) -> None:
        """What was opened before a fork keeps none of its locks in the child: an append there would be acknowledged,
        and be in no file that anybody else reads."""
        if self._process != os.getpid():
            raise StoreFault(Fault.CLOSED, f"opened by process {self._process} before a fork: open the log here anew")

    def check(self) -> None:
        """What is written to files that nobody else can find reaches nobody, and is gone when the handle closes."""
        self.ours()
        now_s = monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        try:
            there = os.stat(self._folder)
            folder = (there.st_dev, there.st_ino, there.st_ctime_ns)
        except OSError:
            folder = _NEVER
        if folder == self._calm and folder is not _NEVER:
            self._looked_s = now_s
            return
        if not all(None in (one, now) or one == now for one, now in zip(self._files, self._lying(), strict=False)):
            raise StoreFault(Fault.CORRUPT, "its files were replaced or taken away while this process had them open")
        self._looked_s = now_s
        # A log that is a link to another folder's is looked at each time.
        self._calm = folder if _is_past(folder[2]) and not os.path.islink(self._path) else _NEVER

    def _lying(self) -> Files:
        """The log itself, and what all its users share; None where nobody can say."""
        found: list[tuple[int, int] | None] = []
        for friend in ("", *_FRIENDS[:2]):
            try:
                there = os.stat(self._path + friend)
                found.append((there.st_dev, there.st_ino))
            except (FileNotFoundError, NotADirectoryError):
                found.append((0, 0))
            except OSError:
                found.append(None)  # a folder that lost its rights takes no file away
        return tuple(found)


def _is_past(changed_ns: int) -> bool:
    """Whether a change of now would have another time: clocks of file systems tick some hundred times a second, or once
    in two where they count whole ones."""
    return time.time_ns() - changed_ns >= (2_500_000_000 if changed_ns % 1_000_000 == 0 else 100_000_000)


def private(path: str) -> None:
    """What is made here is its owner's alone, whatever the umask: SQLite gives the files beside a log its mode."""
    if path != ":memory:":  # no file, and no log either: refused a moment later
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _make_durable(db: apsw.Connection, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            mode = db.pragma("journal_mode", "wal")
            break
        except apsw.BusyError:
            # Changing the mode of a new file asks no busy handler.
            if time.monotonic() > until:
                raise
            time.sleep(0.005)
    db.pragma("synchronous", "FULL")
    if (mode, db.pragma("synchronous")) != ("wal", 2):
        raise StoreFault(Fault.IO, f"the log needs WAL and synchronous=FULL; here it would be {mode}")


def grow_wal(path: str) -> bool:
    """Write the write-ahead log's file out to its usual length, so that no commit has to make it longer.

    A commit that does takes a quarter longer: its fsync carries the file's new size too. Zeros are no frames, and end a
    recovery as the end of the file does. Only for who holds the write lock: nobody else may be writing there.
    """
    try:
        fd = os.open(path + "-wal", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        there = os.fstat(fd).st_size
        for at in range(there, _WAL_BYTES, _ZEROS_AT_ONCE):
            _ = os.pwrite(fd, bytes(min(_ZEROS_AT_ONCE, _WAL_BYTES - at)), at)
        os.fsync(fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _patience(seconds: float) -> Callable[[int], bool]:
    """A busy handler that looks again soon: holds and appends last well under a millisecond."""
    began = 0.0

    def wait(tries: int) -> bool:
        nonlocal began
        now = time.monotonic()
        if tries == 0:
            began = now
        if now - began > seconds:
            return False
        # Chance keeps two that wait for each other from meeting again and again; nothing recorded depends on it.
        time.sleep(min(0.0002 * (tries + 1), 0.005) * (os.urandom(1)[0] + 1) / 256)
        return True

    return wait


def lay_out(db: apsw.Connection) -> None:
    """Bring the tables to this code's schema version; a log of another kind, or newer, is refused, not guessed at."""
    if _version(db) == SCHEMA_VERSION:
        return
    # Imported only here: the module costs more than the rest of opening a log, and a log is laid out once.
    from importlib.resources import files

    schema = files("phoenix_adapters.beads") / "schema"
    steps = sorted(step.name for step in schema.iterdir() if step.name.endswith(".sql"))
    _ = db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        for name in steps[_version(db) :]:
            _ = db.execute((schema / name).read_text("utf-8"))
            _ = db.execute("INSERT INTO schema_versions VALUES (?, ?)", (int(name[:3]), name))
        _ = db.execute("COMMIT")
    finally:
        if db.in_transaction:
            _ = db.execute("ROLLBACK")


def _version(db: apsw.Connection) -> int:
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    if "schema_versions" not in tables:
        raise StoreFault(Fault.FOREIGN, "this database is no log of Phoenix")
    have = db.execute("SELECT max(version) FROM schema_versions").fetchall()[0][0]
    if not isinstance(have, int) or have > SCHEMA_VERSION:
        raise StoreFault(Fault.FOREIGN, f"the log has schema {have}, this Phoenix knows {SCHEMA_VERSION}")
    return have


def copy_whole(source: apsw.Connection, target: str, vfs: str | None, check: Callable[[str], Head]) -> Head:
    """Copy the database while it is in use; `check` opens the copy before it gets its name."""
    if os.path.exists(target):
        raise FileExistsError(f"{target} is there already; a backup replaces nothing")
    partial = target + ".partial"
    _remove(partial)
    private(partial)
    try:
        copy = apsw.Connection(partial, vfs=vfs)
        try:
            # One step under one read lock: writers go on, and nothing is copied twice.
            backup = copy.backup("main", source, "main")
            _ = backup.step(-1)
        finally:
            copy.close()  # and the copying with it, so that its end says nothing over what a failed step said
        head = check(partial)
        sync(partial)
        rename(partial, target)
        sync(os.path.dirname(os.path.abspath(target)))
    except apsw.Error as error:
        raise fault_of(error) from error
    finally:
        _remove(partial)  # also of a copy that somebody interrupted
    return head


def is_open_elsewhere(path: str) -> bool:
    """Whether some other handle has this log open. What it wrote after the file was replaced would be lost unseen.

    Leaving WAL needs the file for oneself; whoever opens it next goes back to it. What is no database nobody writes to.
    """
    try:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error:
        return False
    try:
        return bool(db.pragma("journal_mode", "delete") != "delete")
    except (apsw.BusyError, apsw.LockedError):
        return True
    except apsw.Error:
        return False
    finally:
        db.close()


def sync(path: str | os.PathLike[str]) -> None:
    """Force a file, or the names in a folder, to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    for name in (path, *(path + friend for friend in _FRIENDS)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
