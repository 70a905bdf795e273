"""How much work one order is, counted instead of timed: no clock, so no noise, and a regression fails at once.

The numbers are what the code does today. Whoever makes one smaller lowers the limit; whoever needs more says why here.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from returns.result import Result

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import SshVerifier
from phoenix_core.beads import Said, body_text
from phoenix_core.facts import Checked
from phoenix_core.kernel import ClearedOrder
from phoenix_core.refusals import Refusal
from tests.stage import Stage, stage

# From the recorded approval to the frame: one append (token used, position submitted, order recorded), one hold.
COMMITS_MAX = 1
BEADS_MAX = 3
SIGNATURE_CHECKS_MAX = 1
ENCODES_MAX = 3  # one for each bead
STATEMENTS_MAX = 17
FSYNCS_MAX = 1  # of the log's own file of writes: the commit; the hold writes nothing


class Counting:
    """What happened between the approval and the hand-over."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.over = False

    def note(self, what: str) -> None:
        """Count one, unless the order has left."""
        if not self.over:
            self.seen[what] += 1


class CountingDisk(apsw.VFS):
    """The usual way to the disk, told of every fsync."""

    def __init__(self) -> None:
        """Register beside the usual way, which does the work."""
        self.fsyncs: Callable[[], None] = lambda: None
        super().__init__("counting", "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """A file of the usual kind that tells."""
        return CountingFile(self, name, flags)


class CountingFile(apsw.VFSFile):
    """A file that tells when it is made durable."""

    def __init__(self, disk: CountingDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        """Open it as usual."""
        super().__init__("unix", name, flags)
        self.disk = disk

    def xSync(self, flags: int) -> None:
        """Make it durable, and say so."""
        self.disk.fsyncs()
        super().xSync(flags)


@contextmanager
def counted(desk: Stage, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """Count statements, commits, signature checks and encodes until the broker has the order."""
    counting = Counting()
    hand_over, check, write = type(desk.broker).hand_over, SshVerifier.check, body_text

    def told(self: object, cleared: ClearedOrder) -> None:
        counting.over = True
        hand_over(desk.broker, cleared)

    def checked(self: SshVerifier, statement: bytes, signature: str) -> Result[Checked, Refusal]:
        counting.note("signature checks")
        return check(self, statement, signature)

    def written(said: Said) -> str:
        counting.note("encodes")
        return write(said)

    def traced(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        counting.note("statements")
        counting.note("commits" if sql.strip().upper() == "COMMIT" else "others")
        return True

    monkeypatch.setattr(type(desk.broker), "hand_over", told)
    monkeypatch.setattr(SshVerifier, "check", checked)
    monkeypatch.setattr("phoenix_core.kernel.body_text", written)
    store._db.exec_trace = traced
    yield counting
    store._db.exec_trace = None


async def approved(desk: Stage) -> None:
    """Up to the approval that the engine has not met yet."""
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()


def test_one_order_is_so_much_work_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One append of three beads, one fsync, one signature check, three encodes, and a bounded number of statements."""

    async def walk() -> None:
        disk = CountingDisk()
        with SqliteStore(tmp_path / "beads.db", ballast_bytes=0, vfs="counting") as store:
            desk = stage(store)
            await approved(desk)
            before = store.head().size
            with counted(desk, store, monkeypatch) as counting:
                disk.fsyncs = lambda: counting.note("fsyncs")
                await desk.engine.step()
            assert counting.over, "the order did not leave in one step"
            seen = counting.seen
            assert seen["commits"] == COMMITS_MAX
            assert seen["fsyncs"] == FSYNCS_MAX
            assert seen["signature checks"] == SIGNATURE_CHECKS_MAX
            assert seen["encodes"] == ENCODES_MAX
            assert seen["statements"] <= STATEMENTS_MAX, seen
            assert store.head().size >= before + BEADS_MAX

    asyncio.run(walk())


def test_an_order_among_many_is_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a longer log and three positions behind it the same counts, to the statement: nothing grows with n."""

    async def walk() -> list[Counter[str]]:
        counts = []
        with SqliteStore(tmp_path / "beads.db", ballast_bytes=0) as store:
            desk = stage(store)
            await desk.start()
            for _ in range(3):
                desk.price("1.08495", "1.08505")
                intent = await desk.propose()
                _ = desk.approve(intent).unwrap()
                with monkeypatch.context() as patch, counted(desk, store, patch) as counting:
                    await desk.engine.step()
                counts.append(counting.seen)
                await desk.tick(1)
                desk.price("1.09105", "1.09115")
                await desk.tick(1)
                await desk.tick(360)
        return counts

    first, *others = asyncio.run(walk())
    assert first["commits"] == COMMITS_MAX
    assert others == [first, first]


IMPORTS = """
import asyncio, sys
from pathlib import Path
from tests.stage import stage
from phoenix_adapters.beads.sqlite import SqliteStore

async def walk(path):
    desk = stage(SqliteStore(path, ballast_bytes=0))
    await desk.start()
    intent = await desk.propose()
    desk.approve(intent).unwrap()
    before = set(sys.modules)
    await desk.engine.step()
    print(sorted(set(sys.modules) - before))

asyncio.run(walk(Path(sys.argv[1])))
"""


def test_no_module_is_imported_on_the_way(tmp_path: Path) -> None:
    """Between the approval and the frame nothing is imported: an import is the slowest thing that Python does."""
    said = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path / "beads.db")], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
