"""Rows about one order: from the accepted approval to the frame that is handed over, everything durable."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import apsw
from attrs import define

from bench.rows import Effort, Measured
from bench.timing import Spread, race, spread_of, timed
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.wiring.bunny.stage import Stage, stage
from phoenix_core.acts.propose import Assemble
from phoenix_core.beads import Decision
from phoenix_core.chain import Sealed
from phoenix_core.facts import Fact
from phoenix_core.kernel import ClearedOrder, decide
from phoenix_core.orders import order_hash
from phoenix_core.ports import Broker
from phoenix_core.values import CommandId, derived_id


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


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder on the disk that is measured."""
    with tempfile.TemporaryDirectory(
        prefix="phoenix-bench-", dir=os.environ.get("PHOENIX_BENCH_FOLDER") or Path.cwd()
    ) as folder:
        yield Path(folder)


@define(slots=False)
class StopWatch:
    """A broker in front of the broker: says when the engine first turned to it, having caught up with the log, and when
    and at which length of the log it was handed an order."""

    inner: MockBroker
    desk: Stage
    caught_up_s: float = 0.0
    at_s: float = 0.0
    size: int = 0

    def __attrs_post_init__(self) -> None:
        """What the engine asks for its look at the world is asked of the broker itself: watching it costs nothing."""
        for name in ("accounts", "port", "instruments", "hours", "quotes", "room"):
            setattr(self, name, getattr(self.inner, name))

    def drain(self) -> list[Fact]:
        """The engine's first question after it has caught up: the approval is checked and folded."""
        self.caught_up_s = self.caught_up_s or time.perf_counter()
        return self.inner.drain()

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
    sizing: Callable[[], object]

    def hand_over(self) -> tuple[float, float]:
        """One step of the engine; the seconds until it had caught up, and from there until the broker had the order."""
        began = time.perf_counter()
        self.loop.run_until_complete(self.desk.engine.step())
        assert self.watch.at_s, "the order did not leave in one step"
        return self.watch.caught_up_s - began, self.watch.at_s - self.watch.caught_up_s

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
    store = SqliteStore(path, ballast_bytes=0)
    desk = stage(store)
    _ = store.make_room()  # as a running engine does when it starts

    async def propose() -> str:
        await desk.start()
        return await desk.propose()

    intent = loop.run_until_complete(propose())
    # The sizing of this very signal, judged once more on the desk as it stood before the approval.
    assembled = Assemble(CommandId(derived_id("bench", intent)), intent)
    rehearsed = desk.engine.world()
    assert decide(desk.desk, assembled, rehearsed).drafts, "the evidence can be assembled"
    _ = desk.approve(intent).unwrap()
    # Whoever approves is another process: what it remembers of the screen and the order is not the engine's.
    order_hash.cache_clear()
    watch = StopWatch(desk.broker, desk)
    desk.engine.broker = cast(Broker, watch)  # a proxy: what it does not know, the mock answers
    return OneOrder(loop, desk, watch, store.head().size, lambda: decide(desk.desk, assembled, rehearsed))


@define
class Orders:
    """Orders prepared one ahead, so that the idle time lies between the preparation and the step that is measured."""

    folder: Path
    made: int = 0
    ready: OneOrder | None = None
    rows: list[Sealed] | None = None

    def prepare(self) -> OneOrder:
        """The next desk with its approval."""
        self.made += 1
        home = self.folder / f"desk-{self.made}"  # a desk's own folder, as every desk has
        home.mkdir()
        self.ready = one_order(home / "beads.db")
        return self.ready

    def take(self) -> OneOrder:
        """The desk that was prepared."""
        one, self.ready = self.ready or self.prepare(), None
        return one


def token_to_hand_over(effort: Effort) -> dict[str, Measured]:
    """From the accepted approval to the hand-over, over one raw transaction of the rows it wrote; and the whole way."""
    apart: dict[str, list[float]] = {"catching up": [], "sizing": [], "whole": []}
    with bench_folder() as folder:
        raw, orders = RawLog(folder / "raw.db"), Orders(folder)
        rows: list[Sealed] = []

        def ours() -> float:
            one = orders.take()
            sizing = timed(one.sizing)
            time.sleep(0.03)  # cold again
            caught_up, took = one.hand_over()
            apart["catching up"].append(caught_up)
            apart["sizing"].append(sizing)
            apart["whole"].append(sizing + caught_up + took)
            rows[:] = one.written()
            one.close()
            _ = orders.prepare()  # the next one, before the idle time of whoever comes next
            return took

        parts = race({"phoenix": ours, "raw": lambda: timed(lambda: raw.write(rows))}, effort.rounds, effort.dice)
        last = orders.take()
        check = race({"signature check": signature_check(last)}, effort.rounds, effort.dice)
        last.watch.at_s = time.perf_counter()
        last.close()
    shown: dict[str, Spread] = {name: spread_of(samples[1:]) for name, samples in apart.items()} | check
    note = (
        f"{len(rows)} rows; before the clock: catching up {shown['catching up'].p50 * 1e6:.0f} us, of it the signature"
    )
    note += f" {shown['signature check'].p50 * 1e6:.0f}"
    whole = f"p50 {shown['whole'].p50 * 1e3:.1f} ms; catching up, signature and sizing are in it"
    return {
        "ratio": Measured(parts["phoenix"].p50 / parts["raw"].p50, parts | shown, note),
        "p99": Measured(shown["whole"].p99 * 1e3, {"whole": shown["whole"]}, whole),
    }


def signature_check(one: OneOrder) -> Callable[[], float]:
    """What of it is cryptography: the approval's signature, verified once more by the engine."""
    signed = one.desk.bodies(Decision)[-1].signed
    return lambda: timed(lambda: SshVerifier().check(signed.statement.encode(), signed.signature))
