"""The log in one SQLite file: WAL, `synchronous=FULL`, many processes, one order of events.

Every write is one transaction that begins with the write lock, looks at the head, writes, and is acknowledged after the
fsync of its commit. What the disk may do to it, and what holds then, is the table in docs/spec/log.md, section 7.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from hashlib import sha256
from types import TracebackType
from typing import Final, Self

import apsw
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_adapters.beads import ballast, lease
from phoenix_adapters.beads.columns import exactly, frontier_of, key_bytes
from phoenix_adapters.beads.files import Place, copy_whole, fault_of, grow_wal, lay_out, open_connection
from phoenix_adapters.beads.transaction import Hold, Transaction
from phoenix_core.chain import (
    EMPTY,
    ChainFault,
    Conflict,
    Fault,
    Head,
    Sealed,
    StateSnapshot,
    StoreFault,
    assert_follows,
    linked,
)
from phoenix_core.checkpoint import Signer, Standing, follows, next_checkpoint, sign_note
from phoenix_core.tree import EMPTY_FRONTIER, Frontier
from phoenix_core.values import BadInput, text_hash

# A hold lasts some 90 us and an append a millisecond; five seconds mean that somebody is stuck.
PATIENCE_S: Final = 5.0
# Seen by the other process within 50 ms, with a wide margin, at under half a percent of one core.
TAIL_INTERVAL_S: Final = 0.004
# Beads fetched at a time: enough to hide the cost of a statement, little enough to hold in memory.
_CHUNK: Final = 512
_ENDS_KEPT: Final = 512  # a human signs over a history that is minutes old, not months
_NEXT: Final = "SELECT kind, bytes, leaf FROM beads WHERE seq >= ? ORDER BY seq LIMIT ?"
_MOVE_END: Final = "UPDATE frontier SET size = ?, leaf = ?, peaks = ? WHERE size = ? AND leaf = ?"
# Two statements in one call: what lies between two calls is Python, and costs more than either when it is cold.
_LOCK_AND_MOVE_END: Final = f"BEGIN IMMEDIATE; {_MOVE_END}"
_ADD: Final = "INSERT INTO bead_ids VALUES (?, ?); INSERT INTO beads VALUES (?, ?, ?, ?)"


def _move(frontier: Frontier, after: Head, expected: Head) -> tuple[apsw.SQLiteValue, ...]:
    """The values of `_MOVE_END`: where the log ends, and where it must have ended before."""
    return (after.size, after.leaf, frontier.to_bytes(), expected.size, expected.leaf)


class SqliteStore:
    """A handle on the log. Several may be open, in as many processes; one handle serves one thread of one process."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        patience_s: float = PATIENCE_S,
        ballast_bytes: int = ballast.BALLAST_BYTES,
        vfs: str | None = None,
        make: bool = True,
    ) -> None:
        """Open the log, or make an empty one unless `make` says no: where a desk should be, an empty log is a mistake.
        `vfs` names another way to the disk; tests break that one on purpose."""
        self.path = os.fspath(path)
        if not make and not os.path.exists(self.path):
            raise BadInput("path", self.path, "no log is there; name the beads.db of a desk that `phoenix init` made")
        self._vfs = vfs
        # The last row of the frontier, and what it said: asked many times between two appends.
        self._tip_row: tuple[object, ...] = ()
        self._tip_read: tuple[Head, Frontier] = EMPTY, EMPTY_FRONTIER
        # Frontiers that this handle met since it was opened: a root of lately need not begin at the first leaf.
        self._ends: deque[Frontier] = deque(maxlen=_ENDS_KEPT)
        self._place = Place(self.path)
        self._db = self._opened(patience_s, ballast_bytes > 0)
        # All that is written goes through one cursor: the connection would make a new one for each statement.
        self._pen = self._db.cursor()
        try:
            lay_out(self._db)
            self._check_end()
            self._ends.clear()
            self._place.opened()
        except apsw.Error as error:
            self._db.close()
            raise fault_of(error) from error
        except StoreFault:
            self._db.close()
            raise
        #: False: the room for a desk's last words is spent or could not be set aside; no time for entries.
        self.ballasted = ballast_bytes == 0 or ballast.stow(self.path + ".ballast", ballast_bytes)

    def _opened(self, patience_s: float, ballasted: bool) -> apsw.Connection:
        """The database; on a full disk the ballast goes overboard first: a log that nobody can look at is none."""
        try:
            return open_connection(self.path, patience_s, self._vfs)
        except StoreFault as fault:
            if not (ballasted and fault.kind is Fault.FULL):
                raise
            ballast.drop(self.path + ".ballast")
            return open_connection(self.path, patience_s, self._vfs)

    # Looking

    def head(self) -> Head:
        """Where the log ends now, whoever wrote it."""
        return self._tip()[0]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """The beads from `start` up to `stop` (up to the present end), each one's bytes, hash and link checked."""
        assert start >= 0, "beads are counted from 0"  # a mistake of the asker is no flaw of the log
        present = self.head()
        end = present.size if stop is None else min(stop, present.size)
        begins = self._head_at(start) if start < present.size else present
        size, last = begins.size, begins.leaf
        while size < end:
            count = min(_CHUNK, end - size)
            for kind, data, leaf in self._rows(_NEXT, (size, count)):
                bead = linked(size, last, exactly(bytes, data))
                if isinstance(bead, ChainFault):
                    raise StoreFault(Fault.CORRUPT, f"bead {size}: {bead.reason}")
                if bead.leaf != leaf or bead.kind != kind:
                    raise StoreFault(Fault.CORRUPT, f"bead {size}: its row says something else than its bytes")
                yield bead
                size, last = size + 1, bead.leaf.hex()
                count -= 1
            if count:
                raise StoreFault(Fault.CORRUPT, f"bead {size} is missing")
        if size == present.size and last != present.leaf:
            raise StoreFault(Fault.CORRUPT, f"bead {size - 1} is not the one that was acknowledged")

    def seq_of(self, bead_id: str) -> int | None:
        """Where the bead of this id stands; None where it never landed."""
        rows = self._rows("SELECT seq FROM bead_ids WHERE bead_id = ?", (key_bytes(bead_id),))
        return exactly(int, rows[0][0]) if rows else None

    def text(self, digest: str) -> str | None:
        """The free text with this hash. What somebody wrote into its place is nobody's words, and is none."""
        rows = self._rows("SELECT text FROM texts WHERE hash = ?", (digest,))
        text = exactly(str, rows[0][0]) if rows else None
        return text if text is not None and text_hash(text) == digest else None

    def texts(self) -> Iterator[tuple[str, str]]:
        """(hash, text) of the whole side table, in the order of the hashes."""
        for digest, text in self._rows("SELECT hash, text FROM texts ORDER BY hash"):
            yield exactly(str, digest), exactly(str, text)

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Leaf hashes, for proofs."""
        end = self.head().size if stop is None else stop
        rows = self._rows("SELECT leaf FROM beads WHERE seq >= ? AND seq < ? ORDER BY seq", (start, end))
        return [exactly(bytes, leaf) for (leaf,) in rows]

    def frontier(self) -> Frontier:
        """The roots of the perfect subtrees of the present log."""
        return self._tip()[1]

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` beads; without a size over all of them, at once."""
        if size is None:
            return self.frontier().root()
        near = next((end for end in reversed(self._ends) if end.size <= size), EMPTY_FRONTIER)
        at = near.extend(self.leaves(near.size, size))
        assert at.size == size, f"the log has no {size} beads"
        return at.root()

    def wait(self, size: int, timeout_s: float) -> bool:
        """Whether the log grew beyond `size` before the time was over, whoever wrote it."""
        until = time.monotonic() + timeout_s
        while self.head().size <= size:
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(TAIL_INTERVAL_S, left))
        return True

    @contextmanager
    def view(self) -> Iterator[Head]:
        """All reads inside see the log as it stood when the first of them was made; writers go on meanwhile."""
        with self._transaction("BEGIN"):
            yield self.head()

    # Writing

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """All the beads or none, durably, if the log still ends at `expected` and holds none of their ids."""
        after = assert_follows(expected, beads)
        self._place.check()
        present, frontier = self._tip_read if self._tip_read[0] == expected else self._tip()
        if present != expected:
            return Failure(Conflict(expected, present))
        ended = frontier.extend([bead.leaf for bead in beads])
        with self._transaction(_LOCK_AND_MOVE_END, _move(ended, after, expected)) as commit:
            if self._db.changes() != 1:
                return Failure(Conflict(expected, self._tip()[0]))
            known = self._insert(beads, texts or {})
            if known is not None:
                return Failure(Conflict(expected, expected, known))
            commit()
        self._see(after, ended)
        return Success(after)

    def append_blind(self, make: Callable[[Head], Sequence[Sealed]]) -> Head:
        """Append once, on whatever head there is: a kill. On a full disk the ballast goes overboard first."""
        try:
            return self._append_blind(make)
        except StoreFault as fault:
            if fault.kind is not Fault.FULL:
                raise
            return self._append_blind(make)

    def _append_blind(self, make: Callable[[Head], Sequence[Sealed]]) -> Head:
        with self._transaction() as commit:
            head, frontier = self._tip()
            beads = make(head)
            after = assert_follows(head, beads)
            ended = frontier.extend([bead.leaf for bead in beads])
            _ = self._pen.execute(_MOVE_END, _move(ended, after, head))
            assert self._db.changes() == 1, "nobody else writes while the lock is held"
            if self._insert(beads, {}) is not None:
                return head
            commit()
        return after

    def _insert(self, beads: Sequence[Sealed], texts: Mapping[str, str]) -> str | None:
        """Write the rows of an append; the id of a bead that was there already, if one was."""
        assert beads, "an append says something"
        try:
            rows = [(key_bytes(b.bead_id), b.seq, b.seq, b.kind, b.data, b.leaf) for b in beads]
            _ = self._pen.executemany(_ADD, rows)
        except apsw.ConstraintError:
            for bead in beads:
                at = self.seq_of(bead.bead_id)
                if at is not None and at < beads[0].seq:
                    return bead.bead_id
            raise
        for digest, text in texts.items():
            assert digest == text_hash(text), "a text is kept under its own hash"
            _ = self._pen.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", (digest, text))
        return None

    def make_room(self) -> bool:
        """Let no commit of this run change a file's size; false where the disk has no room for that. See `grow_wal`."""
        with self._transaction():
            return grow_wal(self.path) if self._vfs is None else False

    def hold(self) -> AbstractContextManager[Head]:
        """Keep every other writer out for the moment of the last look. Writes nothing: a full disk is no hindrance."""
        return Hold(self._transaction(), self.head)

    def checkpoint(self, origin: str, *signers: Signer) -> Result[str, Standing]:
        """The signed note of the present log, kept. Never one that does not follow from the last one kept."""
        with self._transaction() as commit:
            present = self.frontier()
            rows = self._rows("SELECT size, peaks, note FROM checkpoints ORDER BY size DESC LIMIT 1")
            kept = next(((frontier_of(size, peaks), exactly(str, note)) for size, peaks, note in rows), None)
            due = next_checkpoint(origin, kept, self.leaves(kept[0].size) if kept else (), present)
            if not is_successful(due):
                return Failure(due.failure())
            if kept and kept[0].size == present.size:
                return Success(kept[1])
            note = sign_note(due.unwrap(), *signers)
            _ = self._pen.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (present.size, present.to_bytes(), note))
            commit()
        return Success(note)

    def checkpoints(self) -> tuple[str, ...]:
        """Every note that was kept, by size."""
        return tuple(exactly(str, note) for (note,) in self._rows("SELECT note FROM checkpoints ORDER BY size"))

    def save_snapshot(self, snapshot: StateSnapshot) -> None:
        """Keep the state of the desk after so many beads, in place of the last one of the same schema."""
        with self._transaction() as commit:
            present = self.frontier()
            at = present if snapshot.size == present.size else EMPTY_FRONTIER.extend(self.leaves(0, snapshot.size))
            assert (at.size, at.root()) == (snapshot.size, snapshot.root), "a snapshot is of a past of this very log"
            row = (snapshot.schema, at.size, at.to_bytes(), sha256(snapshot.data).digest(), snapshot.data)
            _ = self._pen.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", row)
            commit()

    def load_snapshot(self, schema: str) -> StateSnapshot | None:
        """The snapshot of this schema if it is whole and this log follows from it; else None: replay."""
        with self.view():
            rows = self._rows("SELECT size, peaks, digest, data FROM snapshots WHERE schema = ?", (schema,))
            for size, peaks, digest, data in rows:
                try:
                    at, state = frontier_of(size, peaks), exactly(bytes, data)
                except StoreFault:
                    return None
                whole = sha256(state).digest() == digest
                if whole and follows(at, self.leaves(at.size), self.frontier()) is Standing.AGREES:
                    return StateSnapshot(at.size, at.root(), schema, state)
        return None

    # Inside

    def _transaction(self, begin: str = "BEGIN IMMEDIATE", values: tuple[apsw.SQLiteValue, ...] = ()) -> Transaction:
        """The log for a while, locked against other writers unless `begin` says otherwise."""
        self._place.ours()
        return Transaction(self._pen, self._fault, begin, values)

    def _fault(self, error: apsw.Error) -> StoreFault:
        """What happened, in the words of the port; a full disk loses its ballast there and then."""
        if isinstance(error, apsw.FullError):
            ballast.drop(self.path + ".ballast")
            self.ballasted = False
        return fault_of(error)

    def _tip(self) -> tuple[Head, Frontier]:
        self._place.check()
        rows = self._rows("SELECT size, leaf, peaks FROM frontier")
        if len(rows) != 1:
            raise StoreFault(Fault.CORRUPT, "the log does not say where it ends")
        if rows[0] != self._tip_row:
            size, leaf, peaks = rows[0]
            self._see(Head(exactly(int, size), exactly(str, leaf)), frontier_of(size, peaks))
        return self._tip_read

    def _see(self, head: Head, frontier: Frontier) -> None:
        """Remember an end of the log."""
        self._tip_row, self._tip_read = (head.size, head.leaf, frontier.to_bytes()), (head, frontier)
        self._ends.append(frontier)

    def _head_at(self, size: int) -> Head:
        """The head that the log had after so many beads."""
        if size == 0:
            return EMPTY
        rows = self._rows("SELECT leaf FROM beads WHERE seq = ?", (size - 1,))
        if not rows:
            raise StoreFault(Fault.CORRUPT, f"bead {size - 1} is missing")
        return Head(size, exactly(bytes, rows[0][0]).hex())

    def _check_end(self) -> None:
        """The frontier says where the log ends; the last bead must say the same."""
        # One view: between two looks somebody else may have written.
        with self.view() as head:
            last = self._rows("SELECT max(seq) FROM beads")[0][0]
            if head != (EMPTY if last is None else self._head_at(exactly(int, last) + 1)):
                raise StoreFault(Fault.CORRUPT, f"the frontier ends at {head.size}, the beads do not")

    def _rows(self, sql: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> Sequence[tuple[object, ...]]:
        self._place.ours()
        try:
            return self._db.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._fault(error) from error

    # The handle itself

    def lease(self, boot_id: str) -> lease.Lease | None:
        """The one lease of this log, or None while another process holds it."""
        return lease.take(self.path + ".lease", boot_id)

    def leaseholder(self) -> str | None:
        """The boot id of the engine that holds the lease; None: no engine runs."""
        return lease.holder(self.path + ".lease")

    def backup(self, target: str | os.PathLike[str]) -> Head:
        """A whole copy of the log as it stands, while others go on writing; the target appears whole or not at all."""
        self._place.ours()
        return copy_whole(self._db, os.fspath(target), self._vfs, lambda path: SqliteStore.peek(path, self._vfs))

    @classmethod
    def peek(cls, path: str, vfs: str | None = None) -> Head:
        """The head of another file, opened and closed again."""
        with cls(path, ballast_bytes=0, vfs=vfs) as other:
            return other.head()

    def close(self) -> None:
        """Let go of the file; harmless to repeat. What was acknowledged is durable: nothing met here takes it back."""
        self._place.left()
        with suppress(apsw.Error):
            self._db.close()

    def __enter__(self) -> Self:
        """Use the handle for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it whatever happened."""
        self.close()
