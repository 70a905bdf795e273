"""A disk that fails on purpose: real SQLite over a real file system, with one layer in between that we hold.

It counts what SQLite does to the disk (writes, syncs, truncations, reads), fails the k-th of a kind, once or from then
on, and remembers which bytes were synced, so that a loss of power can be played at any moment: unsynced writes lost,
kept, torn or out of order.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

import apsw
from attrs import define, field, frozen

SECTOR: Final = 512
_names: Final = itertools.count()


class Act(Enum):
    """What a database does to a disk."""

    WRITE = "write"
    SYNC = "sync"
    READ = "read"
    TRUNCATE = "truncate"


class Trouble(Enum):
    """How it fails."""

    FULL = "no space left"
    IO = "input/output error"
    TORN = "half of it written, then an input/output error"


@frozen
class Plan:
    """The k-th act of a kind fails (counted from 1), only that one or all from then on."""

    act: Act
    k: int
    trouble: Trouble = Trouble.IO
    forever: bool = False


@define
class Platter:
    """One file as the power sees it: what is safe, and what is on its way in the order in which it was written."""

    safe: bytearray
    pending: list[tuple[int, bytes | None]] = field(factory=list)

    def image(self, kept: list[tuple[int, bytes | None]]) -> bytes:
        """The file with these of the pending acts done to it."""
        data = bytearray(self.safe)
        for offset, written in kept:
            if written is None:
                del data[offset:]
                continue
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(written)] = written
        return bytes(data)

    def sync(self) -> None:
        """All that was on its way is safe."""
        self.safe = bytearray(self.image(self.pending))
        self.pending.clear()


class Disk:
    """The layer: give `name` to a store as its way to the disk."""

    def __init__(self) -> None:
        """A sound disk, until `plan` says otherwise."""
        self.name = f"broken-disk-{next(_names)}"
        self.plan: Plan | None = None
        self.fired = False
        self.counts: dict[Act, int] = dict.fromkeys(Act, 0)
        self.platters: dict[str, Platter] = {}
        #: New name -> old one, of renames that no fsync of their folder has made safe yet.
        self.moving: dict[str, str] = {}
        #: Called after every act that changes the disk: where a loss of power is played.
        self.on_act: Callable[[], None] = lambda: None
        self._vfs = _Vfs(self)

    @contextmanager
    def failing(self, plan: Plan) -> Iterator[None]:
        """The plan holds inside; counting begins anew."""
        self.plan, self.fired, self.counts = plan, False, dict.fromkeys(Act, 0)
        try:
            yield
        finally:
            self.plan = None

    def trouble(self, act: Act) -> Trouble | None:
        """Count an act; how it fails, if it does."""
        self.counts[act] += 1
        plan = self.plan
        if plan is None or plan.act is not act:
            return None
        due = self.counts[act] >= plan.k if plan.forever else self.counts[act] == plan.k
        self.fired = self.fired or due
        return plan.trouble if due else None

    def fsync(self, path: str) -> None:
        """What a program outside the database forces to the disk: a file's bytes, or the names in a folder."""
        if path in self.platters:
            self.platters[path].sync()
        else:
            self.moving.clear()
        self.on_act()

    def rename(self, old: str, new: str) -> None:
        """A file gets another name; until its folder is forced to the disk a loss of power may take it back."""
        os.rename(old, new)
        self.platters[new] = self.platters.pop(old)
        self.moving[new] = old
        self.on_act()

    def power_loss(self, target: Path, chance: random.Random | None, keep_all: bool = False) -> None:
        """Write what the platters could hold now into a folder: nothing unsynced, all of it, or what chance picks."""
        for name, platter in self.platters.items():
            moved = keep_all or (chance is not None and chance.random() < 0.5)
            path = name if moved else self.moving.get(name, name)
            kept = list(platter.pending) if keep_all else []
            if chance is not None:
                kept = [torn(act, chance) for act in platter.pending if chance.random() < 0.5]
                chance.shuffle(kept)
            (target / Path(path).name).write_bytes(platter.image(kept))


def torn(act: tuple[int, bytes | None], chance: random.Random) -> tuple[int, bytes | None]:
    """A write of which only some whole sectors arrived."""
    offset, data = act
    if data is None or len(data) <= SECTOR or chance.random() < 0.5:
        return act
    return offset, data[: SECTOR * chance.randrange(1, len(data) // SECTOR + 1)]


def _raise(trouble: Trouble) -> None:
    if trouble is Trouble.FULL:
        raise apsw.FullError("no space left on this disk")
    raise apsw.IOError("this disk is broken")


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__(disk.name, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.disk.platters.pop(filename, None)
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        if path not in disk.platters:
            disk.platters[path] = Platter(bytearray(Path(path).read_bytes()))
        self.platter = disk.platters[path]

    def xRead(self, amount: int, offset: int) -> bytes:
        trouble = self.disk.trouble(Act.READ)
        if trouble:
            _raise(trouble)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        trouble = self.disk.trouble(Act.WRITE)
        if trouble is Trouble.TORN:
            data = bytes(data[: len(data) // 2])
        if trouble in (None, Trouble.TORN):
            super().xWrite(data, offset)
            self.platter.pending.append((offset, bytes(data)))
            self.disk.on_act()
        if trouble:
            _raise(trouble)

    def xSync(self, flags: int) -> None:
        trouble = self.disk.trouble(Act.SYNC)
        if trouble:
            _raise(trouble)
        super().xSync(flags)
        self.platter.sync()
        self.disk.on_act()

    def xTruncate(self, newsize: int) -> None:
        trouble = self.disk.trouble(Act.TRUNCATE)
        if trouble:
            _raise(trouble)
        super().xTruncate(newsize)
        self.platter.pending.append((newsize, None))
        self.disk.on_act()
