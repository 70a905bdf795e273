"""The log in memory: the reference that the other stores are compared with, and the store of throw-away desks.

One `MemoryLog` is what a database file is; a `MemoryStore` is a handle on it, and several may share one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from attrs import define, field
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.chain import EMPTY, Conflict, Fault, Head, Sealed, StateSnapshot, StoreFault, assert_follows, link
from phoenix_core.checkpoint import Signer, Standing, next_checkpoint, sign_note
from phoenix_core.tree import EMPTY_FRONTIER, Frontier, root_of
from phoenix_core.values import text_hash

PATIENCE_S: Final = 5.0


@define
class MemoryLog:
    """What outlives the handles: the bytes, and who may write them."""

    beads: list[bytes] = field(factory=list)
    leaves: list[bytes] = field(factory=list)
    ids: dict[str, int] = field(factory=dict)
    texts: dict[str, str] = field(factory=dict)
    frontier: Frontier = EMPTY_FRONTIER
    checkpoints: list[tuple[Frontier, str]] = field(factory=list)
    snapshots: dict[str, StateSnapshot] = field(factory=dict)
    leaseholder: str | None = None
    writer: threading.Lock = field(factory=threading.Lock)
    grown: threading.Condition = field(factory=threading.Condition)

    @property
    def head(self) -> Head:
        """Where the log ends."""
        return Head(len(self.leaves), self.leaves[-1].hex()) if self.leaves else EMPTY


class MemoryLease:
    """The lease of a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        """Own the lease that was just taken."""
        self._log: MemoryLog | None = log

    def alive(self) -> bool:
        """Whether the lease is still ours."""
        return self._log is not None

    def release(self) -> None:
        """Give it back; harmless to repeat."""
        if self._log is not None:
            self._log.leaseholder = None
            self._log = None

    def __enter__(self) -> Self:
        """Hold it for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give it back whatever happened."""
        self.release()


class MemoryStore:
    """A handle on a log in memory, with the manners of one on a disk."""

    ballasted = True

    def __init__(self, log: MemoryLog | None = None, *, patience_s: float = PATIENCE_S) -> None:
        """Open a log, or make an empty one."""
        self.log = MemoryLog() if log is None else log
        self._patience_s = patience_s
        self._holding = False
        self._closed = False

    # Looking

    def head(self) -> Head:
        """Where the log ends now."""
        return self._open().head

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """The beads from `start` up to `stop`, each one's bytes and link checked."""
        log = self._open()
        assert start >= 0, "beads are counted from 0"
        head = Head(start, log.leaves[start - 1].hex()) if 0 < start <= len(log.leaves) else EMPTY
        for data in log.beads[start:stop]:
            linked = link(head, data)
            if not is_successful(linked):
                raise StoreFault(Fault.CORRUPT, f"bead {head.size}: {linked.failure().reason}")
            yield linked.unwrap()
            head = linked.unwrap().head

    def seq_of(self, bead_id: str) -> int | None:
        """Where the bead of this id stands; None where it never landed."""
        return self._open().ids.get(bead_id)

    def text(self, digest: str) -> str | None:
        """The free text with this hash."""
        return self._open().texts.get(digest)

    def texts(self) -> Iterator[tuple[str, str]]:
        """(hash, text) of the whole side table, in the order of the hashes."""
        yield from sorted(self._open().texts.items())

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Leaf hashes, for proofs."""
        return self._open().leaves[start:stop]

    def frontier(self) -> Frontier:
        """The roots of the perfect subtrees of the present log."""
        return self._open().frontier

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` beads; without a size over all of them."""
        if size is None or size == self._open().frontier.size:
            return self.frontier().root()
        assert 0 <= size <= len(self._open().leaves), f"the log has no {size} beads"
        return root_of(self.leaves(0, size))

    def wait(self, size: int, timeout_s: float) -> bool:
        """Whether the log grew beyond `size` before the time was over, whoever wrote it."""
        log = self._open()
        with log.grown:
            return log.grown.wait_for(lambda: len(log.leaves) > size, timeout_s)

    @contextmanager
    def view(self) -> Iterator[Head]:
        """All reads inside see one log: nobody writes meanwhile."""
        with self._writing():
            yield self.head()

    # Writing

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """All the beads or none, if the log still ends at `expected` and holds none of their ids."""
        after = assert_follows(expected, beads)
        with self._writing() as log:
            actual = log.head
            if actual != expected:
                return Failure(Conflict(expected, actual))
            known = self._insert(beads, texts or {})
        return Success(after) if known is None else Failure(Conflict(expected, actual, known))

    def append_blind(self, make: Callable[[Head], Sequence[Sealed]]) -> Head:
        """Append on whatever head there is: for raising a kill. A bead that landed before is not written again."""
        with self._writing() as log:
            beads = make(log.head)
            _ = assert_follows(log.head, beads)
            _ = self._insert(beads, {})
            return log.head

    def _insert(self, beads: Sequence[Sealed], texts: Mapping[str, str]) -> str | None:
        """All checks before the first change, so that there is nothing to take back."""
        log = self.log
        assert beads, "an append says something"
        assert all(digest == text_hash(text) for digest, text in texts.items()), "a text is kept under its own hash"
        for bead in beads:
            if bead.bead_id in log.ids:
                return bead.bead_id
        log.beads += [bead.data for bead in beads]
        log.ids.update((bead.bead_id, bead.seq) for bead in beads)
        log.texts.update(texts)
        log.frontier = log.frontier.extend(bead.leaf for bead in beads)
        with log.grown:
            log.leaves += [bead.leaf for bead in beads]
            log.grown.notify_all()
        return None

    @contextmanager
    def hold(self) -> Iterator[Head]:
        """Keep every other writer out for the moment of the last look."""
        with self._writing() as log:
            yield log.head

    def checkpoint(self, origin: str, *signers: Signer) -> Result[str, Standing]:
        """The signed note of the present log, kept. Never one that does not follow from the last one kept."""
        with self._writing() as log:
            kept = log.checkpoints[-1] if log.checkpoints else None
            since = log.leaves[kept[0].size :] if kept else ()
            due = next_checkpoint(origin, kept, since, log.frontier)
            if not is_successful(due):
                return Failure(due.failure())
            if kept and kept[0].size == log.frontier.size:
                return Success(kept[1])
            note = sign_note(due.unwrap(), *signers)
            log.checkpoints.append((log.frontier, note))
        return Success(note)

    def checkpoints(self) -> tuple[str, ...]:
        """Every note that was kept, by size."""
        return tuple(note for _, note in self._open().checkpoints)

    def save_snapshot(self, snapshot: StateSnapshot) -> None:
        """Keep the state of the desk after so many beads, in place of the last one of the same schema."""
        with self._writing() as log:
            assert snapshot.size <= log.frontier.size, "a snapshot is of a past of this very log"
            assert self.root(snapshot.size) == snapshot.root, "a snapshot is of a past of this very log"
            log.snapshots[snapshot.schema] = snapshot

    def load_snapshot(self, schema: str) -> StateSnapshot | None:
        """The snapshot of this schema if this log follows from it; else None: replay."""
        log = self._open()
        kept = log.snapshots.get(schema)
        fits = kept is not None and kept.size <= log.frontier.size and self.root(kept.size) == kept.root
        return kept if fits else None

    # The handle itself

    def lease(self, boot_id: str) -> MemoryLease | None:
        """The one lease of this log, or None while somebody holds it."""
        log = self._open()
        if log.leaseholder is not None:
            return None
        log.leaseholder = boot_id
        return MemoryLease(log)

    def leaseholder(self) -> str | None:
        """The boot id of the engine that holds the lease; None: no engine runs."""
        return self._open().leaseholder

    def close(self) -> None:
        """Let go of the log; harmless to repeat."""
        self._closed = True

    def __enter__(self) -> Self:
        """Use the handle for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it whatever happened."""
        self.close()

    def _open(self) -> MemoryLog:
        if self._closed:
            raise StoreFault(Fault.CLOSED, "this handle was closed")
        return self.log

    @contextmanager
    def _writing(self) -> Iterator[MemoryLog]:
        log = self._open()
        assert not self._holding, "one decision at a time: who holds the log does not append to it"
        if not log.writer.acquire(timeout=self._patience_s):
            raise StoreFault(Fault.BUSY, "somebody else holds the log")
        self._holding = True
        try:
            yield log
        finally:
            self._holding = False
            log.writer.release()
