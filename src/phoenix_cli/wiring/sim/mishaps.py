"""What goes wrong around the engine of the simulation: a log that fails or outlives its process, channels that hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import Factory, define
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryLog, MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.beads import Position, PositionEvent
from phoenix_core.chain import Conflict, Fault, Head, Sealed, StoreFault
from phoenix_core.watch.alerts import Message


class Crash(Exception):
    """The process died here."""


@define
class Mishap:
    """What is about to go wrong with the engine's handle on the log."""

    fault: Fault | None = None
    failures: int = 0
    landed: bool = False
    dies_in: int | None = None
    dies_after: bool = False
    refused: bool = False  # an append was refused, and the engine knows it
    halted: bool = False  # the halt file was written since this run began
    hears: bool | None = None  # whether every channel took what it was given when a refusal was first looked at
    cried: bool = False  # somebody was told of it, past the log
    looks: int = 0  # since
    between: Callable[[], None] | None = None  # what somebody does when SUBMITTED is durable and its frame not sent

    def before(self) -> bool:
        """Whether the process dies after this append; raises where it dies, or the disk fails, before it."""
        dying = False
        if self.dies_in is not None:
            self.dies_in -= 1
            dying = self.dies_in < 0
        if dying and not self.dies_after:
            raise Crash("before an append")
        if self.failures > 0 and self.fault is not None and not (self.fault is Fault.UNKNOWN and self.landed):
            self.failures -= 1
            self.refused = self.refused or self.fault is not Fault.UNKNOWN
            raise StoreFault(self.fault, "planted")
        return dying

    def after(self, dying: bool, beads: Sequence[Sealed]) -> None:
        """The append is durable; somebody else writes now, or the process dies, or never hears of it."""
        if self.between is not None and any(_submits(record) for record in beads):
            strike, self.between = self.between, None
            strike()
        if dying:
            raise Crash("after an append")
        if self.failures > 0 and self.fault is Fault.UNKNOWN and self.landed:
            self.failures -= 1
            raise StoreFault(Fault.UNKNOWN, "planted")


def _submits(record: Sealed) -> bool:
    body = record.said.body if record.said is not None else None
    return isinstance(body, Position) and body.event is PositionEvent.SUBMITTED


@define
class SharedLog(MemoryLog):
    """A log in memory whose bytes are read and linked once, for all handles. Each leaf is the hash of all before it, so
    that one comparison says whether what was read still stands there."""

    linked: list[Sealed] = Factory(list)
    roots: dict[bytes, bytes] = Factory(dict)  # of logs that end with this leaf


class FailingStore(MemoryStore):
    """The engine's handle on a log in memory: it can fail, and the process can die before or after any append."""

    mishap: Mishap
    log: SharedLog

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """The beads as whoever came first read them from their bytes."""
        linked, leaves = self.log.linked, self.log.leaves
        while linked and (len(linked) > len(leaves) or linked[-1].leaf != leaves[len(linked) - 1]):
            _ = linked.pop()
        if len(linked) < len(leaves):
            linked += super().read(len(linked))
        yield from linked[start:stop]

    def raw(self) -> list[bytes]:
        """Every bead's bytes as they stand, read by nobody."""
        return self.log.beads

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` beads. A leaf is the hash of all before it: its root is worked out once."""
        leaves, known = self.log.leaves, self.log.roots
        at = len(leaves) if size is None else size
        if not 0 < at <= len(leaves):
            return super().root(size)
        if leaves[at - 1] not in known:
            known[leaves[at - 1]] = super().root(size)
        return known[leaves[at - 1]]

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """Append, unless this is the moment of a misfortune."""
        dying = self.mishap.before()
        done = super().append(expected, beads, texts)
        self.mishap.after(dying, beads)
        return done


class FailingFile(SqliteStore):
    """The same on the production store, in a file."""

    mishap: Mishap

    def raw(self) -> list[bytes]:
        """Every bead's bytes as they stand in the file."""
        return [record.data for record in self.read()]

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """Append, unless this is the moment of a misfortune."""
        dying = self.mishap.before()
        done = super().append(expected, beads, texts)
        self.mishap.after(dying, beads)
        return done


@define
class Ear:
    """A channel to a human: it takes what it is given, refuses, breaks, or hangs until it is let go."""

    name: str
    heard: Callable[[Message], None]
    mood: str = "takes"
    hanging: int = 0
    freed: asyncio.Event = Factory(asyncio.Event)

    async def send(self, message: Message) -> bool:
        """Take a message, as this channel is today."""
        if self.mood == "hangs":
            self.hanging += 1
            try:
                _ = await self.freed.wait()
            finally:
                self.hanging -= 1
            return False
        if self.mood == "breaks":
            raise OSError("planted")
        if self.mood == "takes":
            self.heard(message)
        return self.mood == "takes"

    def heal(self) -> None:
        """Let go of what hangs, and take everything again."""
        self.mood = "takes"
        self.freed.set()
        self.freed = asyncio.Event()
