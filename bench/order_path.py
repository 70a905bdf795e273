"""Rows about one order: from the accepted approval to the frame that is handed over, everything durable."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import apsw
from attrs import define

from bench.rows import Effort, Measured
from bench.timing import race, timed
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import Stage, stage
from phoenix_core.beads import Decision
from phoenix_core.chain import Sealed
from phoenix_core.kernel import ClearedOrder
from phoenix_core.ports import Broker


class RawLog:
    """The anchor: the same rows in one raw SQLite transaction, WAL and synchronous=FULL, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.db = apsw.Connection(str(path))
        _ = self.db.pragma("journal_mode", "wal")
        _ = self.db.pragma("synchronous", "FULL")
        _ = self.db.execute("CREATE TABLE beads (seq INTEGER PRIMARY KEY, kind TEXT, bytes BLOB, leaf BLOB)")
        self.seq = 0

    def write(self, beads: list[Sealed]) -> None:
        """One transaction."""
        rows = [(self.seq + n, bead.kind, bead.data, bead.leaf) for n, bead in enumerate(beads)]
        self.seq += len(rows)
        _ = self.db.execute("BEGIN IMMEDIATE")
        _ = self.db.executemany("INSERT INTO beads VALUES (?, ?, ?, ?)", rows)
        _ = self.db.execute("COMMIT")


@define
class StopWatch:
    """A broker in front of the broker: says when, and at which length of the log, it was handed an order."""

    inner: MockBroker
    desk: Stage
    at_s: float = 0.0
    size: int = 0

    def hand_over(self, cleared: ClearedOrder) -> None:
        """The last line of ours before the transport."""
        self.at_s = time.perf_counter()
        self.size = self.desk.store.head().size
        self.inner.hand_over(cleared)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@define
class OneOrder:
    """A desk with an approval that its engine has not met yet."""

    loop: asyncio.AbstractEventLoop
    desk: Stage
    watch: StopWatch
    before: int

    def hand_over(self) -> float:
        """One step of the engine; the seconds until the broker had the order."""
        began = time.perf_counter()
        self.loop.run_until_complete(self.desk.engine.step())
        assert self.watch.at_s, "the order did not leave in one step"
        return self.watch.at_s - began

    def written(self) -> list[Sealed]:
        """The rows that had to be durable before the hand-over."""
        return list(self.desk.store.read(self.before, self.watch.size))

    def close(self) -> None:
        """Give loop and file back."""
        for task in asyncio.all_tasks(self.loop):
            _ = task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()
        assert isinstance(self.desk.store, SqliteStore), "the store is the durable one"
        self.desk.store.close()


def one_order(path: Path) -> OneOrder:
    """Everything before the step that is measured: signal, evidence, screen, signature, token."""
    loop = asyncio.new_event_loop()
    desk = stage(SqliteStore(path, ballast_bytes=0))

    async def approve() -> None:
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()

    loop.run_until_complete(approve())
    watch = StopWatch(desk.broker, desk)
    desk.engine.broker = cast(Broker, watch)  # a proxy: what it does not know, the mock answers
    return OneOrder(loop, desk, watch, desk.store.head().size)


def token_to_hand_over(effort: Effort) -> Measured:
    """One engine step from the recorded approval to the hand-over, over one raw transaction of the rows it wrote."""
    with tempfile.TemporaryDirectory(
        prefix="phoenix-bench-", dir=os.environ.get("PHOENIX_BENCH_FOLDER") or Path.cwd()
    ) as folder:
        made = 0
        rows: list[Sealed] = []
        raw = RawLog(Path(folder) / "raw.db")
        prepared: list[OneOrder] = []

        def prepare() -> None:
            nonlocal made
            made += 1
            prepared.append(one_order(Path(folder) / f"desk-{made}.db"))

        def ours() -> float:
            one = prepared.pop()
            took = one.hand_over()
            rows[:] = one.written()
            one.close()
            prepare()  # the next one, before the idle time of whoever comes next
            return took

        prepare()
        _ = ours()
        parts = race({"phoenix": ours, "raw": lambda: timed(lambda: raw.write(rows))}, effort.rounds, effort.dice)
        parts |= race({"signature check": signature_check(prepared[0])}, effort.rounds, effort.dice)
        prepared.pop().close()
    note = f"{len(rows)} rows; p99 {parts['phoenix'].p99 * 1e3:.1f} ms from accepted approval to hand-over"
    return Measured(parts["phoenix"].p50 / parts["raw"].p50, parts, note)


def signature_check(one: OneOrder) -> Callable[[], float]:
    """What of it is cryptography: the approval's signature, verified once more by the engine."""
    signed = one.desk.bodies(Decision)[-1].signed
    return lambda: timed(lambda: SshVerifier().check(signed.statement.encode(), signed.signature))
