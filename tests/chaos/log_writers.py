"""What the other processes of the log's tests do. A fork server imports it once, so that a process costs little."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from multiprocessing.synchronize import Barrier, Event
from uuid import UUID, uuid4

from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.canonical import Json
from phoenix_core.chain import Head, Sealed, seal

TS = "2026-11-18T19:00:00.000000Z"
ACK_BYTES = 24


def beads_for(head: Head, writer: int, count: int = 1, token: int | None = None) -> tuple[Sealed, ...]:
    """Beads with ids of their own, signed by who wrote them."""
    body: dict[str, Json] = {"writer": writer, "token": token} if token is not None else {"writer": writer}
    return seal(head, TS, [("T2_TOKEN", {**body, "bead_id": str(uuid4())}) for _ in range(count)])


class Pipe:
    """Carries the end of a pipe into a child of the fork server, where it is a plain descriptor."""

    def __init__(self, fd: int) -> None:
        """Wrap a descriptor of this process."""
        self.fd = fd

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Travel as a duplicate."""
        return _detach, (DupFd(self.fd),)


def _detach(dup: object) -> int:
    fd = dup.detach()  # type: ignore[attr-defined]  # a DupFd, which the standard library keeps to itself
    assert isinstance(fd, int)
    return fd


def write_until_killed(path: str, writer: int, acks: int | Pipe, pause_s: float) -> None:
    """Append without end; say each bead that was acknowledged, in one write to a pipe, before the next append."""
    assert isinstance(acks, int), "unpacked on the way"
    with SqliteStore(path, ballast_bytes=0) as store:
        head = store.head()
        for n in range(10**9):
            beads = beads_for(head, writer, 1 + n % 3)
            landed = store.append(head, beads)
            if is_successful(landed):
                head = landed.unwrap()
                os.write(acks, b"".join(b.seq.to_bytes(8, "big") + UUID(b.bead_id).bytes for b in beads))
            else:
                head = landed.failure().actual
            time.sleep(pause_s)


def race_for_tokens(path: str, writer: int, rounds: int, start: Barrier, result: Connection) -> None:
    """Try to spend every token; say which ones this process was told that it spent, and how often it was beaten."""
    with SqliteStore(path, ballast_bytes=0) as store:
        won: list[int] = []
        conflicts = 0
        spent: set[int] = set()
        head = Head()

        def catch_up() -> Head:
            nonlocal head
            for bead in store.read(head.size):
                token = bead.body["token"]
                assert isinstance(token, int)
                spent.add(token)
                head = bead.head
            return head

        for token in range(rounds):
            start.wait(60)
            seen = catch_up()
            while token not in spent:
                landed = store.append(seen, beads_for(seen, writer, token=token))
                if is_successful(landed):
                    won.append(token)
                else:
                    conflicts += 1
                seen = catch_up()
        result.send((won, conflicts))


def append_some(path: str, writer: int, count: int, start: Barrier) -> None:
    """So many appends, each tried until it lands."""
    with SqliteStore(path, ballast_bytes=0) as store:
        start.wait(60)
        for n in range(count):
            while True:
                head = store.head()
                if is_successful(store.append(head, beads_for(head, writer, token=n))):
                    break


def append_when_told(path: str, go: Event, landed: Connection) -> None:
    """One append; the instant at which it was durable, on the clock that all processes share."""
    with SqliteStore(path, ballast_bytes=0) as store:
        landed.send("ready")
        for _ in range(20):
            go.wait(60)
            go.clear()
            store.append_blind(lambda head: beads_for(head, 1))
            landed.send(time.clock_gettime(time.CLOCK_MONOTONIC))


def hold_until_killed(path: str, held: Connection) -> None:
    """Hold the log and the lease for ever."""
    with SqliteStore(path, ballast_bytes=0) as store:
        lease = store.lease("held by a child")
        with store.hold():
            held.send(lease is not None)
            time.sleep(60)
