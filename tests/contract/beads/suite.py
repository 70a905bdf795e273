"""What every store of beads must do, whichever it is. A store fills two holes: how to open a handle on a log, and one
that does not wait for long. It is asked for what the ports name, and nothing else."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Final, Protocol
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.canonical import Json
from phoenix_core.chain import EMPTY, Conflict, Fault, Head, Sealed, StateSnapshot, StoreFault, seal, verify_chain
from phoenix_core.checkpoint import Checkpoint, Signer, Standing, behind, ed25519_key_id, parse_note
from phoenix_core.ports import BeadStore, Lock
from phoenix_core.tree import inclusion_proof, root_of, verify_inclusion
from phoenix_core.values import text_hash
from tests.showing import shows


class Store(BeadStore, Protocol):
    """What the suite asks of a log: the ports, but for what only a log on a disk has (`make_room`, `backup`)."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """As the port has it."""

    def texts(self) -> Iterator[tuple[str, str]]:
        """As the port has it."""

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """As the port has it."""

    def view(self) -> AbstractContextManager[Head]:
        """As the port has it."""

    def checkpoint(self, origin: str, *signers: Signer) -> Result[str, Standing]:
        """As the port has it."""

    def checkpoints(self) -> tuple[str, ...]:
        """As the port has it."""

    def lease(self, boot_id: str) -> Lock | None:
        """As the port has it."""

    def leaseholder(self) -> str | None:
        """As the port has it."""

    def close(self) -> None:
        """As the port has it."""


Opener = Callable[[], Store]

TS: Final = "2026-11-18T19:00:00.000000Z"
ORIGIN: Final = "phoenix.example/desk/mock"
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = PRIVATE.public_key().public_bytes_raw()
SIGNER: Final = Signer(ORIGIN, ed25519_key_id(ORIGIN, PUBLIC), PRIVATE.sign)


def bead_id(n: int) -> str:
    """A bead id of its own for every number."""
    return str(UUID(int=n))


def sealed(head: Head, *ids: int, kind: str = "ALERT") -> tuple[Sealed, ...]:
    """Beads for this head, one for each id."""
    drafts: list[tuple[str, dict[str, Json]]] = [(kind, {"bead_id": bead_id(n), "n": n, "word": "é\n"}) for n in ids]
    return seal(head, TS, drafts)


def grow(store: Store, *ids: int) -> Head:
    """Append beads of these ids where the log ends."""
    return store.append(store.head(), sealed(store.head(), *ids)).unwrap()


class BeadStoreContract:
    """The suite. `open_log` opens one more handle on the log of this test."""

    @pytest.fixture
    def store(self, open_log: Opener) -> Iterator[Store]:
        """A handle on an empty log."""
        with closing(open_log()) as store:
            yield store

    @pytest.fixture
    def other(self, open_log: Opener, store: Store) -> Iterator[Store]:
        """A second handle on the same log: another process, as far as the log can tell."""
        with closing(open_log()) as other:
            yield other

    def test_an_empty_log(self, store: Store) -> None:
        """Nothing is there, and saying so is no error."""
        assert (store.head(), list(store.read(0)), store.root()) == (EMPTY, [], root_of([]))
        assert (store.seq_of(bead_id(1)), store.text("sha256:" + "0" * 64)) == (None, None)
        assert (store.checkpoints(), list(store.texts()), store.load_snapshot("1")) == ((), [], None)

    @shows("I6", "F64")
    def test_what_was_appended_is_read_back(self, store: Store, other: Store) -> None:
        """Bytes, hashes, kinds and ids come back as they were sealed, through any handle, whole or in part."""
        beads = [*sealed(EMPTY, 1, 2, 3)]
        assert store.append(EMPTY, beads).unwrap() == beads[-1].head == store.head() == other.head()
        beads += sealed(store.head(), 4, kind="SIGNAL")
        assert other.append(store.head(), beads[3:]).unwrap() == store.head()
        for handle in (store, other):
            assert list(handle.read(0)) == beads
            assert [b.body for b in handle.read(0)] == [b.body for b in beads]
            assert [list(handle.read(a, b)) for a in range(6) for b in (*range(6), None)] == [
                beads[a:b] for a in range(6) for b in (*range(6), None)
            ]
            assert [handle.seq_of(bead_id(n)) for n in range(1, 6)] == [0, 1, 2, 3, None]
            assert handle.leaves() == [b.leaf for b in beads]
            assert handle.leaves(1, 3) == [b.leaf for b in beads[1:3]]

    @shows("INV-T2-TOKEN-1", "S32-TOK-11", "I3")
    def test_one_of_two_decisions_on_one_head_wins(self, store: Store, other: Store) -> None:
        """The append is conditional on the head: the second one is told where the log is, and nothing is written."""
        head = grow(store, 1)
        mine, theirs = sealed(head, 2, 3), sealed(head, 4)
        landed = store.append(head, mine).unwrap()
        assert other.append(head, theirs).failure() == Conflict(head, landed)
        assert other.append(Head(head.size, "f" * 64), sealed(Head(head.size, "f" * 64), 4)).failure().actual == landed
        assert [b.bead_id for b in other.read(0)] == [bead_id(n) for n in (1, 2, 3)]
        assert other.seq_of(bead_id(4)) is None
        assert other.append(landed, sealed(landed, 4)).unwrap().size == 4

    @shows("F82", "I5")
    def test_an_id_stands_once(self, store: Store, other: Store) -> None:
        """A bead that is there already is refused by the key, and all that came with it."""
        head = grow(store, 1, 2)
        assert other.append(head, sealed(head, 3, 2), {text_hash("t"): "t"}).failure() == Conflict(
            head, head, bead_id(2)
        )
        assert (store.head(), store.seq_of(bead_id(3)), store.text(text_hash("t"))) == (head, None, None)
        assert grow(store, 3).size == 3

    @shows("I23")
    def test_what_does_not_follow_is_our_bug(self, store: Store) -> None:
        """Beads that do not link, an empty append, a text under a wrong hash, one id twice: nothing is written. To ask
        for what stands before the first bead is no flaw of the log either."""
        head = grow(store, 1)
        with pytest.raises(AssertionError):
            list(store.read(-1))
        for wrong in (sealed(EMPTY, 2), sealed(Head(1, "0" * 64), 2), (), sealed(head, 2, 3)[1:]):
            with pytest.raises(AssertionError):
                store.append(head, wrong)
        with pytest.raises(AssertionError):
            store.append(head, sealed(head, 2), {text_hash("one"): "another"})
        with pytest.raises(AssertionError):
            store.append(head, sealed(head, 2, 2))
        assert (store.head(), store.seq_of(bead_id(2))) == (head, None)
        assert grow(store, 2).size == 2

    @shows("I24")
    def test_texts_lie_beside_the_log(self, store: Store, other: Store) -> None:
        """Free text is kept under its hash, once, in the append that points at it."""
        texts = {text_hash(t): t for t in ("", "line\nline", "\u2028\U0001f600")}
        store.append(EMPTY, sealed(EMPTY, 1), texts).unwrap()
        store.append(store.head(), sealed(store.head(), 2), dict(list(texts.items())[:1])).unwrap()
        assert {h: other.text(h) for h in texts} == texts
        assert list(other.texts()) == sorted(texts.items())

    @shows("I14")
    def test_a_kill_lands_on_whatever_head_there_is(self, store: Store, other: Store) -> None:
        """A blind append sees the head that it lands on, conflicts with nobody, and is not written twice."""
        grow(other, 1)
        seen: list[Head] = []

        def make(head: Head) -> tuple[Sealed, ...]:
            seen.append(head)
            return sealed(head, 9, kind="KILL_FLAG")

        landed = store.append_blind(make)
        assert (landed, seen) == (other.head(), [Head(1, seen[0].leaf)])
        assert other.append(seen[0], sealed(seen[0], 5)).failure().actual == landed
        assert store.append_blind(make) == landed == other.head()

    @shows("I14", "I21")
    def test_hold_keeps_every_writer_out(self, store: Store, open_log: Opener) -> None:
        """Between the look and the hand-over nobody can write; a kill lands before or after, never in between."""
        head = grow(store, 1)
        order: list[str] = []

        def kill() -> None:
            with closing(open_log()) as other:
                held.wait(10)
                other.append_blind(lambda at: sealed(at, 9))
                order.append("kill landed")

        held = threading.Event()
        thread = threading.Thread(target=kill)
        thread.start()
        with store.hold() as seen:
            held.set()
            # The killer has every chance to get in; what it must not do is succeed.
            assert not store_grew(store, 1, 0.05)
            order.append("frame handed over")
            assert seen == store.head() == head
        thread.join(10)
        assert order == ["frame handed over", "kill landed"]
        assert store.head().size == 2

    @shows("F60", "F61")
    def test_who_waits_too_long_is_told_so(self, store: Store, open_impatient: Opener) -> None:
        """A log that is held for longer than the patience is BUSY: nothing was written, and later all is well."""
        head = grow(store, 1)
        with closing(open_impatient()) as other:
            with store.hold(), pytest.raises(StoreFault) as caught:
                other.append(head, sealed(head, 2))
            assert caught.value.kind is Fault.BUSY
            assert other.append(head, sealed(head, 2)).unwrap().size == 2

    def test_hold_ends_with_what_happens_in_it(self, store: Store, other: Store) -> None:
        """An exception inside gives the log back; an append inside is our bug and does not let others in."""
        with pytest.raises(RuntimeError), store.hold():
            raise RuntimeError
        with store.hold() as head:
            with pytest.raises(AssertionError):
                store.append(head, sealed(head, 1))
            with pytest.raises(AssertionError), store.hold():
                raise RuntimeError
        assert grow(other, 1).size == 1

    def test_a_view_stands_still(self, store: Store) -> None:
        """What is read inside a view belongs together; after it the log goes on."""
        grow(store, 1, 2)
        with store.view() as head:
            assert (store.head(), store.root(), len(list(store.read(0)))) == (head, store.root(2), 2)
        assert grow(store, 3).size == 3

    @shows("S32-TOK-08")
    def test_the_tail_is_seen(self, store: Store, open_log: Opener) -> None:
        """Another handle's append wakes who waits for it, within 50 ms; without one the waiting ends on time."""
        began = time.monotonic()
        assert not store.wait(0, 0.03)
        assert time.monotonic() - began >= 0.03
        done: list[float] = []

        def write() -> None:
            with closing(open_log()) as other:
                ready.wait(10)
                grow(other, 1)
                done.append(time.monotonic())

        ready = threading.Event()
        thread = threading.Thread(target=write)
        thread.start()
        ready.set()
        assert store.wait(0, 10)
        seen = time.monotonic()
        thread.join(10)
        assert seen - done[0] < 0.05
        assert store.wait(0, 0)

    @shows("I7")
    def test_roots_and_proofs(self, store: Store) -> None:
        """The root of every past is there, and every bead can be proved to be in it."""
        for n in range(1, 10):
            grow(store, n)
        leaves = store.leaves()
        assert [store.root(n) for n in range(10)] == [root_of(leaves[:n]) for n in range(10)]
        assert store.root() == store.root(9)
        assert all(verify_inclusion(store.root(), 9, n, leaves[n], inclusion_proof(leaves, n)) for n in range(9))
        with pytest.raises(AssertionError):
            store.root(10)

    @shows("I7")
    def test_checkpoints_follow_each_other(self, store: Store, other: Store) -> None:
        """Each is of the present log and kept; the same log is not signed twice; another origin is refused."""
        notes = []
        for n in range(4):
            notes.append(store.checkpoint(ORIGIN, SIGNER).unwrap())
            assert other.checkpoint(ORIGIN, SIGNER).unwrap() == notes[-1]
            grow(store, n)
        assert store.checkpoints() == other.checkpoints() == tuple(notes)
        points = [parse_note(note).unwrap().checkpoint for note in notes]
        assert points == [Checkpoint(ORIGIN, n, store.root(n)) for n in range(4)]
        assert {behind(other, point) for point in points} == {Standing.AGREES}
        assert store.checkpoint("phoenix.example/desk/live", SIGNER).failure() is Standing.OTHER_LOG

    @shows("I6")
    def test_snapshots(self, store: Store, other: Store) -> None:
        """The last one of a schema comes back; one of another schema does not; one of another history is our bug."""
        grow(store, 1, 2, 3)
        first = StateSnapshot(3, store.root(), "desk-1", b"state after three")
        store.save_snapshot(first)
        grow(store, 4)
        assert other.load_snapshot("desk-1") == first
        assert other.load_snapshot("desk-2") is None
        past = StateSnapshot(2, store.root(2), "desk-2", b"state after two")
        other.save_snapshot(past)
        second = StateSnapshot(4, store.root(), "desk-1", b"state after four")
        other.save_snapshot(second)
        assert (store.load_snapshot("desk-1"), store.load_snapshot("desk-2")) == (second, past)
        for wrong in (StateSnapshot(4, bytes(32), "desk-1", b""), StateSnapshot(5, store.root(), "desk-1", b"")):
            with pytest.raises(AssertionError):
                store.save_snapshot(wrong)

    @shows("F65", "I21")
    def test_one_lease(self, store: Store, other: Store) -> None:
        """One holder at a time; who asks is told; given back it can be taken again."""
        assert store.leaseholder() is None
        lease = store.lease("boot-1")
        assert lease is not None
        assert lease.alive()
        assert (other.lease("boot-2"), other.leaseholder(), lease.alive()) == (None, "boot-1", True)
        lease.release()
        lease.release()
        assert (lease.alive(), other.leaseholder()) == (False, None)
        with other.lease("boot-2") or pytest.fail("the lease was free") as taken:
            assert (taken.alive(), store.leaseholder()) == (True, "boot-2")
        assert store.leaseholder() is None

    def test_a_closed_handle_says_so(self, store: Store, open_log: Opener) -> None:
        """After close nothing works, closing again is harmless, and the log is not harmed."""
        head = grow(store, 1)
        store.close()
        store.close()
        actions: list[Callable[[], object]] = [
            store.head,
            store.root,
            lambda: list(store.read(0)),
            lambda: store.append(head, sealed(head, 2)),
            lambda: store.append_blind(lambda at: sealed(at, 2)),
            lambda: store.hold().__enter__(),
            lambda: store.checkpoint(ORIGIN, SIGNER),
        ]
        for action in actions:
            with pytest.raises(StoreFault) as caught:
                action()
            assert caught.value.kind is Fault.CLOSED
        with closing(open_log()) as again:
            assert again.head() == head

    @shows("I5", "F65")
    def test_writers_in_threads_leave_no_gap(self, open_log: Opener) -> None:
        """Four handles append at will: every bead is there once, the chain is whole, each writer's order is kept."""

        def write(writer: int) -> None:
            with closing(open_log()) as mine:
                for n in range(25):
                    while not is_successful(mine.append(at := mine.head(), sealed(at, writer * 100 + n))):
                        pass

        threads = [threading.Thread(target=write, args=(w,)) for w in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with closing(open_log()) as store:
            beads = list(store.read(0))
            assert verify_chain(b.data for b in beads).unwrap() == store.head()
            assert store.head().size == 100
            written = [int(UUID(b.bead_id)) for b in beads]
            for writer in range(4):
                assert [n % 100 for n in written if n // 100 == writer] == list(range(25))


def store_grew(store: Store, size: int, within_s: float) -> bool:
    """Whether the log outgrew `size` in this time: a wait for what must not happen."""
    return store.wait(size, within_s)


class Twins(RuleBasedStateMachine):
    """I6 rebuild: fold(B) = live, byte for byte in canonical JSON, and memory export = SQLite export."""

    def __init__(self) -> None:
        """Two empty logs that are told the same."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        sqlite = SqliteStore(os.path.join(self.folder.name, "beads.db"), ballast_bytes=0)
        self.twins: tuple[Store, Store] = (MemoryStore(), sqlite)
        self.next_id = 0

    def teardown(self) -> None:
        """One file for each story."""
        self.twins[1].close()
        self.folder.cleanup()

    def both(self, act: Callable[[Store], object]) -> object:
        """Tell both, and see that they answer alike."""
        first, second = (act(twin) for twin in self.twins)
        assert first == second
        return first

    @rule(count=st.integers(1, 5), repeat=st.booleans(), text=st.none() | st.text(st.characters(codec="utf-8")))
    def append(self, count: int, repeat: bool, text: str | None) -> None:
        """Beads, some of them known already, some with a text."""
        ids = [self.next_id + n for n in range(count)]
        if repeat and self.next_id:
            ids.append(self.next_id - 1)
        self.next_id += count
        texts = {} if text is None else {text_hash(text): text}
        self.both(lambda s: str(s.append(s.head(), sealed(s.head(), *ids), texts)))

    @rule(n=st.integers(0, 3))
    def kill(self, n: int) -> None:
        """A blind append, sometimes of a bead that is there."""
        self.both(lambda s: s.append_blind(lambda at: sealed(at, 10_000 + n, kind="KILL_FLAG")))

    @rule()
    def sign(self) -> None:
        """A checkpoint of what is there."""
        self.both(lambda s: str(s.checkpoint(ORIGIN, SIGNER)))

    @rule(behind_by=st.integers(0, 3))
    @precondition(lambda self: self.next_id > 3)
    def snapshot(self, behind_by: int) -> None:
        """A snapshot of a recent past."""

        def save(store: Store) -> StateSnapshot | None:
            size = max(0, store.head().size - behind_by)
            store.save_snapshot(StateSnapshot(size, store.root(size), "desk", b"state %d" % size))
            return store.load_snapshot("desk")

        self.both(save)

    @invariant()
    def alike(self) -> None:
        """The same head, the same export."""
        self.both(lambda s: (s.head(), s.root()))
        self.both(lambda s: b"".join(export_lines(s, ORIGIN, PUBLIC)))
