"""The power goes at every act of the disk: what was not synced is lost, kept, torn or out of order.

Whatever the platters then hold opens as the log before or after the append that was under way; what was acknowledged is
there. D1, D2, D3, D9 and D12 of the faults that the project promises to survive.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import define, field

from phoenix_adapters.beads import files
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.chain import EMPTY, Fault, Head, StateSnapshot, StoreFault, verify_chain
from phoenix_core.checkpoint import Standing, behind, parse_note
from tests.chaos.broken_disk import Disk, Platter
from tests.contract.beads.suite import ORIGIN, SIGNER, grow, sealed
from tests.showing import shows

IMAGES: Final = 2  # shuffled, torn images for each moment, beside "nothing unsynced arrived" and "all of it did"
SEED: Final = 20261118


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the disk and its images lie: in memory where there is one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@define
class Witness:
    """What was acknowledged so far, and what the act under way would make of it."""

    acknowledged: Head = EMPTY
    heads: list[Head] = field(factory=lambda: [EMPTY])
    losses: int = 0
    torn: int = 0

    def judge(self, image: Path) -> None:
        """The image opens; it is the acknowledged log, or that with the append that was under way."""
        self.losses += 1
        with SqliteStore(image / "beads.db", ballast_bytes=0) as store:
            head = store.head()
            assert len(list(store.read(0))) == head.size  # each bead's bytes, hash and link, and the end
            assert store.root() == store.root(head.size)
            assert head.size >= self.acknowledged.size, "an acknowledged bead is lost"
            assert self.acknowledged.size == 0 or self.acknowledged in self.heads
            assert (
                self.acknowledged == EMPTY or store.leaves()[self.acknowledged.size - 1].hex() == self.acknowledged.leaf
            )
            assert head in self.heads, "between two appends"
            if head != self.acknowledged:
                self.torn += 1
            for note in store.checkpoints():
                point = parse_note(note).unwrap().checkpoint
                assert behind(store, point) is Standing.AGREES
            if store.load_snapshot("desk") is None:
                assert head.size < 10
            grow(store, 9999)


def play(folder: Path, story: Callable[[SqliteStore, Witness], None], chance: random.Random) -> Witness:
    """Run a story on a disk whose power goes after every act, in several ways."""
    disk, witness = Disk(), Witness()

    def lose_power() -> None:
        for n in range(IMAGES + 2):
            image = folder / "image"
            image.mkdir()
            disk.power_loss(image, chance if n >= 2 else None, keep_all=n == 1)
            witness.judge(image)
            shutil.rmtree(image)

    with SqliteStore(folder / "beads.db", ballast_bytes=0, vfs=disk.name) as store:
        # Often enough that the WAL goes into the file, and begins anew, in the middle of the story.
        store._db.wal_autocheckpoint(6)
        disk.on_act = lose_power
        story(store, witness)
        disk.on_act = lambda: None
    return witness


def appends(store: SqliteStore, witness: Witness) -> None:
    """Fifteen decisions, with snapshots and checkpoints in between."""
    for n in range(15):
        head = store.head()
        beads = sealed(head, *range(10 * n, 10 * n + 1 + n % 3))
        witness.heads.append(beads[-1].head)
        witness.acknowledged = store.append(head, beads).unwrap()
        if n % 5 == 4:
            store.checkpoint(ORIGIN, SIGNER).unwrap()
            store.save_snapshot(StateSnapshot(witness.acknowledged.size, store.root(), "desk", b"s" * 2000))


@shows("I4", "I7", "F61")
def test_every_loss_of_power(folder: Path) -> None:
    """Old or new, never between; acknowledged is there; for unsynced writes lost, kept, torn and shuffled."""
    witness = play(folder, appends, random.Random(SEED))
    assert witness.losses > 400
    assert witness.torn > 50, "some images must hold an append that nobody acknowledged yet"


@shows("I4", "F83")
def test_the_oracle_bites(folder: Path) -> None:
    """The same story on a log that does not wait for its fsync loses what it acknowledged, and is caught."""

    def careless(store: SqliteStore, witness: Witness) -> None:
        store._db.pragma("synchronous", "OFF")
        appends(store, witness)

    with pytest.raises((AssertionError, StoreFault)):
        play(folder, careless, random.Random(SEED))


class TestBackup:
    """A backup is there, whole, from the moment it was said to be; before that it is whole or not there."""

    def back_up(self, folder: Path, disk: Disk) -> tuple[int, int]:
        """Two backups on a disk whose power goes after every act: (losses, of which found a backup unfinished)."""
        chance, said, losses, unfinished = random.Random(SEED), dict[str, Head](), 0, 0

        def lose_power() -> None:
            nonlocal losses, unfinished
            for n in range(IMAGES + 2):
                with tempfile.TemporaryDirectory(dir=folder) as image:
                    disk.power_loss(Path(image), chance if n >= 2 else None, keep_all=n == 1)
                    unfinished += self.judge(Path(image), head, said)
                losses += 1

        with SqliteStore(folder / "beads.db", ballast_bytes=0, vfs=disk.name) as store:
            for name, ids in (("copy-1.db", range(1, 9)), ("copy-2.db", range(9, 12))):
                head = grow(store, *ids)
                disk.on_act = lose_power
                try:
                    said[name] = store.backup(folder / name)
                    lose_power()
                finally:
                    disk.on_act = lambda: None
        return losses, unfinished

    def judge(self, image: Path, head: Head, said: dict[str, Head]) -> bool:
        """The log is as it was, and every backup that is there is whole; whether one was still on its way."""
        with SqliteStore(image / "beads.db", ballast_bytes=0) as store:
            log = list(store.read(0))
            assert store.head() == head, "a backup changes nothing in the log"
        found = {copy.name: copy for copy in image.glob("copy-?.db")}
        assert said.keys() <= found.keys(), "a backup that was said to be there is lost"
        for name, copy in found.items():
            with SqliteStore(copy, ballast_bytes=0) as store:
                assert store.head() == said.get(name, head), "half a backup"
                assert list(store.read(0)) == log[: store.head().size]
        return len(found) == len(said)

    @pytest.fixture
    def disk(self, monkeypatch: pytest.MonkeyPatch) -> Disk:
        """A disk that also sees what the store does past the database: a file forced out, a name given."""
        disk = Disk()
        monkeypatch.setattr(files, "sync", disk.fsync)
        monkeypatch.setattr(files, "rename", disk.rename)
        return disk

    @shows("I4", "F61")
    def test_every_loss_of_power(self, folder: Path, disk: Disk) -> None:
        """While the copy is written, checked, forced out and named; the log goes on from where it was."""
        losses, unfinished = self.back_up(folder, disk)
        assert losses > 40
        assert 0 < unfinished < losses

    @shows("I4")
    def test_the_oracle_bites_where_the_name_is_not_forced_out(
        self, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A backup that does not wait for its folder is said to be there, and lost."""
        monkeypatch.setattr(files, "sync", lambda path: disk.fsync(path) if path.endswith(".partial") else None)
        with pytest.raises(AssertionError, match="is lost"):
            self.back_up(folder, disk)

    @shows("I4")
    def test_the_oracle_bites_where_the_copy_is_not_forced_out(
        self, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A copy whose bytes are still on their way has its name before it has its beads."""
        monkeypatch.setattr(files, "sync", lambda path: None if path.endswith(".partial") else disk.fsync(path))
        monkeypatch.setattr(Platter, "sync", lambda platter: None)
        with pytest.raises((AssertionError, StoreFault)):
            self.back_up(folder, disk)


class TestOldFiles:
    """D9, D12: files that are older, shorter or missing."""

    @pytest.fixture
    def grown(self, folder: Path) -> Path:
        """A log with a synced WAL beside it, as a crash leaves it, and an older copy of its file."""
        with SqliteStore(folder / "live.db", ballast_bytes=0) as store:
            grow(store, 1)
            store.backup(folder / "old.db")
            grow(store, 2, 3)
            (folder / "witness").write_text(store.checkpoint(ORIGIN, SIGNER).unwrap())
            for friend in ("", "-wal"):
                shutil.copy(f"{folder}/live.db{friend}", f"{folder}/beads.db{friend}")
        return folder

    def standing(self, folder: Path, name: str) -> tuple[int, Standing]:
        """(size, how it stands to the checkpoint that was kept elsewhere) of a log that opens."""
        outside = parse_note((folder / "witness").read_text()).unwrap().checkpoint
        with SqliteStore(folder / name, ballast_bytes=0) as store:
            assert verify_chain(bead.data for bead in store.read(0)).unwrap() == store.head()
            return store.head().size, behind(store, outside)

    @shows("I7")
    def test_whole(self, grown: Path) -> None:
        """With its WAL all is there."""
        assert self.standing(grown, "beads.db") == (3, Standing.AGREES)

    @shows("I7")
    def test_an_old_backup(self, grown: Path) -> None:
        """A perfect log, and behind."""
        assert self.standing(grown, "old.db") == (1, Standing.BEHIND)

    @shows("I7")
    def test_a_missing_wal(self, grown: Path) -> None:
        """The file without its WAL is an older log or none at all; it never passes for the present one."""
        (grown / "beads.db-wal").unlink()
        with SqliteStore(grown / "beads.db", ballast_bytes=0) as store:
            assert store.head().size < 3
        assert self.standing(grown, "beads.db")[1] is Standing.BEHIND

    @shows("I7", "I23")
    def test_a_wal_cut_at_every_page(self, grown: Path) -> None:
        """Shorter by any number of bytes it opens as an earlier log, whole and behind."""
        wal = (grown / "beads.db-wal").read_bytes()
        sizes = set()
        for length in range(0, len(wal), 1024):
            (grown / "beads.db-wal").write_bytes(wal[:length])
            shutil.copy(grown / "beads.db", grown / "cut.db")
            shutil.copy(grown / "beads.db-wal", grown / "cut.db-wal")
            size, standing = self.standing(grown, "cut.db")
            assert (standing is Standing.AGREES) == (size == 3)
            sizes.add(size)
            (grown / "cut.db").unlink()
        assert {0, 1} <= sizes

    @shows("I23")
    def test_every_page_damaged(self, grown: Path) -> None:
        """A bit flipped in each 256 bytes of the file: the log is refused, or all of it is still true."""
        with SqliteStore(grown / "beads.db", ballast_bytes=0) as store:
            truth = [bead.data for bead in store.read(0)]
        good = (grown / "beads.db").read_bytes()
        refused: set[Fault] = set()
        for at in range(100, len(good), 256):
            (grown / "bad.db").write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
            try:
                with SqliteStore(grown / "bad.db", ballast_bytes=0) as store:
                    assert [bead.data for bead in store.read(0)] == truth
            except StoreFault as fault:
                refused.add(fault.kind)
        assert Fault.CORRUPT in refused
        assert refused <= {Fault.CORRUPT, Fault.FOREIGN, Fault.IO}

    @shows("F61")
    def test_a_log_that_cannot_be_written(self, grown: Path) -> None:
        """A read-only database is READ_ONLY at the first write; what is there can still be read."""
        with SqliteStore(grown / "beads.db", ballast_bytes=0) as store:
            store._db.pragma("query_only", True)
            with pytest.raises(StoreFault) as caught:
                grow(store, 9)
            assert caught.value.kind is Fault.READ_ONLY
            assert len(list(store.read(0))) == 3
