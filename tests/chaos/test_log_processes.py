"""Real processes on one log: killed with -9, racing for one token, writing together, watching each other.

PHOENIX_KILLS and PHOENIX_ROUNDS scale the two long ones; the night runs 5,000 kills.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import select
import signal
import time
from collections import Counter
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from attrs import define, field

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.chain import EMPTY, Head, verify_chain
from tests.chaos import log_writers
from tests.showing import shows

KILLS: Final = int(os.environ.get("PHOENIX_KILLS", "100"))
ROUNDS: Final = int(os.environ.get("PHOENIX_ROUNDS", "1000"))
PROCESSES: Final = 8


@pytest.fixture(scope="module")
def fork() -> ForkServerContext:
    """A server that has imported what the children need, and has never opened a log."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.log_writers"])
    return context


def log_of(path: Path) -> Head:
    """A new log on a true disk."""
    with SqliteStore(path, ballast_bytes=0) as store:
        return store.head()


@define
class Acknowledged:
    """What writers were told is durable, read from their pipes; a pipe ends with its writer."""

    seqs: dict[str, int] = field(factory=dict)

    def take(self, data: bytes) -> None:
        """Whole records only: each was written in one piece, and a pipe tears none so small."""
        for at in range(0, len(data), log_writers.ACK_BYTES):
            record = data[at : at + log_writers.ACK_BYTES]
            assert len(record) == log_writers.ACK_BYTES
            name = str(UUID(bytes=record[8:]))
            assert name not in self.seqs, "acknowledged twice"
            self.seqs[name] = int.from_bytes(record[:8], "big")


@shows("I4", "I5", "I7", "F82")
def test_kill_nine(fork: ForkServerContext, tmp_path: Path) -> None:
    """A real writing process killed with -9, again and again, while another one writes on: zero acknowledged lost."""
    path, chance, acknowledged = tmp_path / "beads.db", random.Random(7), Acknowledged()
    log_of(path)
    survivor, survivor_pipe = started(fork, path, 0, pause_s=0.002)
    checked = EMPTY
    for n in range(KILLS):
        victim, pipe = started(fork, path, n + 1)
        # Some die while they open the log, most in the middle of writing.
        if n % 5:
            select.select([pipe], [], [], 10)
        time.sleep(chance.uniform(0, 0.012))
        victim.kill()
        victim.join(10)
        assert victim.exitcode == -signal.SIGKILL, "a writer ends by being killed, never by itself"
        acknowledged.take(drained(pipe))
        os.close(pipe)
        acknowledged.take(drained(survivor_pipe))
        with SqliteStore(path, ballast_bytes=0) as store:
            # From the last head that was checked: an append that was lost or rewritten would break the link.
            for bead in store.read(checked.size):
                checked = bead.head
    survivor.kill()
    survivor.join(10)
    acknowledged.take(drained(survivor_pipe))
    os.close(survivor_pipe)
    with SqliteStore(path, ballast_bytes=0) as store:
        beads = list(store.read(0))
        assert verify_chain(bead.data for bead in beads).unwrap() == store.head()
        assert store.root() == store.root(len(beads))
        assert [bead.seq for bead in beads] == list(range(len(beads)))
        there = {bead.bead_id: bead.seq for bead in beads}
        assert {name: there.get(name) for name in acknowledged.seqs} == acknowledged.seqs
        # What nobody acknowledged is at most one append of each process that was killed.
        assert len(there) - len(acknowledged.seqs) <= 3 * (KILLS + 1)
    assert len(acknowledged.seqs) > KILLS


def started(fork: ForkServerContext, path: Path, writer: int, pause_s: float = 0) -> tuple[ForkServerProcess, int]:
    """A writer, and the end of its pipe that we read."""
    reading, writing = os.pipe()
    args = (str(path), writer, log_writers.Pipe(writing), pause_s)
    process = fork.Process(target=log_writers.write_until_killed, args=args, daemon=True)

    process.start()
    os.close(writing)
    os.set_blocking(reading, False)
    return process, reading


def drained(pipe: int) -> bytes:
    """All that is in it."""
    data = b""
    while True:
        try:
            more = os.read(pipe, 2**20)
        except BlockingIOError:
            return data
        if not more:
            return data
        data += more


@shows("INV-T2-TOKEN-1", "S32-TOK-11", "I3", "I21")
def test_eight_processes_race_on_one_token(fork: ForkServerContext, tmp_path: Path) -> None:
    """Eight long-lived processes try to spend the same token, a thousand times: one spends it, every time."""
    path = tmp_path / "beads.db"
    log_of(path)
    start = fork.Barrier(PROCESSES)
    pipes, processes = [], []
    for writer in range(PROCESSES):
        reading, writing = fork.Pipe(duplex=False)
        args = (str(path), writer, ROUNDS, start, writing)
        processes.append(fork.Process(target=log_writers.race_for_tokens, args=args, daemon=True))
        pipes.append(reading)
    for process in processes:
        process.start()
    results = [pipe.recv() if pipe.poll(110) else pytest.fail("a racer is stuck") for pipe in pipes]
    for process in processes:
        process.join(10)
        assert process.exitcode == 0
    told = Counter(token for won, _ in results for token in won)
    assert told == dict.fromkeys(range(ROUNDS), 1)
    with SqliteStore(path, ballast_bytes=0) as store:
        assert Counter(bead.body["token"] for bead in store.read(0)) == told
    # Without conflicts nobody raced.
    assert sum(conflicts for _, conflicts in results) > ROUNDS // 4


@shows("I5", "F65")
def test_eight_processes_append_without_a_gap(fork: ForkServerContext, tmp_path: Path) -> None:
    """Everything that eight processes wrote is there once, in one order, and each one's own order is kept."""
    path, count = tmp_path / "beads.db", 40
    log_of(path)
    start = fork.Barrier(PROCESSES)
    processes = [
        fork.Process(target=log_writers.append_some, args=(str(path), writer, count, start), daemon=True)
        for writer in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with SqliteStore(path, ballast_bytes=0) as store:
        beads = list(store.read(0))
        assert verify_chain(bead.data for bead in beads).unwrap() == store.head()
        assert [bead.seq for bead in beads] == list(range(PROCESSES * count))
        for writer in range(PROCESSES):
            assert [b.body["token"] for b in beads if b.body["writer"] == writer] == list(range(count))


@shows("S32-TOK-08")
def test_another_process_is_seen_within_50_ms(fork: ForkServerContext, tmp_path: Path) -> None:
    """What one process appends wakes another that waits for it; the median of twenty is under 50 ms."""
    path = tmp_path / "beads.db"
    log_of(path)
    go = fork.Event()
    reading, writing = fork.Pipe(duplex=False)
    child = fork.Process(target=log_writers.append_when_told, args=(str(path), go, writing), daemon=True)
    child.start()
    assert reading.recv() == "ready"
    late: list[float] = []
    with SqliteStore(path, ballast_bytes=0) as store:
        for n in range(20):
            go.set()
            assert store.wait(n, 10)
            seen = time.clock_gettime(time.CLOCK_MONOTONIC)
            late.append(seen - reading.recv())
    child.join(10)
    assert sorted(late)[10] < 0.05


@shows("F65", "I14", "I21")
def test_who_dies_holding_the_log_frees_it(fork: ForkServerContext, tmp_path: Path) -> None:
    """Lock, lease and hold die with their process; the next one takes over at once."""
    path = tmp_path / "beads.db"
    log_of(path)
    reading, writing = fork.Pipe(duplex=False)
    child = fork.Process(target=log_writers.hold_until_killed, args=(str(path), writing), daemon=True)
    child.start()
    assert reading.recv() is True
    with SqliteStore(path, ballast_bytes=0) as store:
        assert (store.lease("mine"), store.leaseholder()) == (None, "held by a child")
        child.kill()
        child.join(10)
        began = time.monotonic()
        assert store.append_blind(lambda head: log_writers.beads_for(head, 1)).size == 1
        assert time.monotonic() - began < 1
        lease = store.lease("mine")
        assert lease is not None
        assert lease.alive()
        lease.release()
