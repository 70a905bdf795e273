"""What survives a process, and the taps that take a picture of it at every point where the process could die.

A picture is all that outlives a power cut: the bytes of the log as they lie on the disk (in the middle of a commit a
part of them), the broker, the people who were told, the files beside the log, the checkpoint outside. The process and
its memory are not in it. To die at a point is to go on from its picture; nothing of the old process can reach it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import apsw
from attrs import Factory, define, evolve, field, frozen
from returns.result import Result

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.clock import ManualClock
from phoenix_core.chain import Conflict, Head, Sealed, StateSnapshot
from phoenix_core.checkpoint import Signer, Standing
from phoenix_core.facts import Fact, FrameSaid, Margin, Quote, Snapshot
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Line
from phoenix_core.values import Account, Instrument
from phoenix_core.watch.alerts import Message

Spot = Callable[[str, str], None]
# What a frame of the write-ahead log holds beside its page; a commit that is torn ends in the middle of one.
TORN_AT = 24 + 2048


@frozen
class Handed:
    """One frame that left for the broker, and how long the durable log was at that moment."""

    ref: str
    revision: int
    entry: bool
    log: int


@define
class Outside:
    """Everything that is not the process and not the log."""

    clock: ManualClock
    broker: MockBroker
    handed: list[Handed] = Factory(list)
    told: list[str] = Factory(list)  # alerts, by id, as people got them
    waiting: dict[str, bytes] = Factory(dict)  # the folder of intents
    archived: dict[str, list[str]] = Factory(dict)
    answers: dict[str, str] = Factory(dict)
    note: str = ""  # the checkpoint outside
    latch: bool = False
    deaf: bool = False  # no channel takes anything
    acknowledged: list[Head] = Factory(list)  # what somebody was told is durable

    def lose_the_process(self) -> None:
        """What was on its way to the process that died is lost with it; the session ends."""
        self.broker.cut()
        self.broker._inbox.clear()
        self.broker._later = [entry for entry in self.broker._later if not isinstance(entry[2], FrameSaid)]
        self.broker.mute(False)
        self.broker.hush(False)
        self.deaf = False


@frozen
class Picture:
    """What a process that died here leaves behind."""

    point: str
    outside: bytes
    wal: bytes
    heads: tuple[Head, ...]  # where the log may end when it is opened again: old or new, never between
    power: bool  # the host went down, not only the process


@define
class Camera:
    """Takes a picture at every point while it is on; counts the points, and keeps one picture of equal ones."""

    outside: Outside
    on: bool = False
    points: int = 0
    pictures: dict[bytes, Picture] = Factory(dict)
    wal: Callable[[], bytes] = lambda: b""
    head: Callable[[], Head] = lambda: Head(0, "")

    def __call__(self, what: str, when: str) -> None:
        """A point that the process passes."""
        if self.on:
            self.take(f"{when} {what}", self.wal(), (self.head(),))

    def take(self, point: str, wal: bytes, heads: tuple[Head, ...], power: bool = False) -> None:
        """One more point; a picture of it unless there is an equal one."""
        self._keep(point, pickle.dumps(self.outside), wal, heads, power)

    def torn(self, point: str, arrive: Callable[[Outside], None]) -> None:
        """A point at which a part of what leaves has arrived: pictured, and then it goes on as if nothing had been."""
        if self.on:
            elsewhere: Outside = pickle.loads(pickle.dumps(self.outside))
            arrive(elsewhere)
            self._keep(point, pickle.dumps(elsewhere), self.wal(), (self.head(),))

    def _keep(self, point: str, outside: bytes, wal: bytes, heads: tuple[Head, ...], power: bool = False) -> None:
        self.points += 1
        left = pickle.loads(outside)
        left.lose_the_process()
        same = pickle.dumps((left, len(wal), wal[-64:], power))
        _ = self.pictures.setdefault(same, Picture(point, outside, wal, heads, power))


class WatchedStore(SqliteStore):
    """The SQLite log, each of its transactions a point: before it, torn in the middle of its commit, after it."""

    def __init__(self, path: Path, camera: Camera) -> None:
        """Open the log; nothing is ever moved out of the write-ahead log, so that its length says what is in it."""
        super().__init__(path, ballast_bytes=0)
        self._db.wal_autocheckpoint(0)
        _ = self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.camera = camera
        camera.wal = self.wal
        camera.head = self.head_or_held
        self._held: Head | None = None

    def wal(self) -> bytes:
        """The write-ahead log as it lies on the disk."""
        return Path(self.path + "-wal").read_bytes()

    def head_or_held(self) -> Head:
        """Where the log ends; inside a hold, where it ended when the hold began."""
        return self._held or self.head()

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """An append with its points; what it acknowledges is remembered."""
        with self._commit_of("append of " + "+".join(bead.kind for bead in beads)):
            return super().append(expected, beads, texts)

    def append_blind(self, make: Callable[[Head], Sequence[Sealed]]) -> Head:
        """A blind append with its points."""
        with self._commit_of("blind append"):
            return super().append_blind(make)

    def save_snapshot(self, snapshot: StateSnapshot) -> None:
        """A snapshot with its points."""
        with self._commit_of("snapshot"):
            super().save_snapshot(snapshot)

    def checkpoint(self, origin: str, *signers: Signer) -> Result[str, Standing]:
        """A checkpoint with its points."""
        with self._commit_of("checkpoint"):
            return super().checkpoint(origin, *signers)

    @contextmanager
    def hold(self) -> Iterator[Head]:
        """The moment of the last look: nothing is written, and the frame leaves inside."""
        self.camera("hold", "before")
        with super().hold() as head:
            self._held = head
            try:
                yield head
            finally:
                self._held = None
        self.camera("hold", "after")

    @contextmanager
    def _commit_of(self, what: str) -> Iterator[None]:
        camera, before = self.camera, self.head()
        old = self.wal() if camera.on else b""
        if camera.on:
            camera.take(f"before {what}", old, (before,))
        yield
        after = self.head()
        new = self.wal() if camera.on else b""
        if len(new) - len(old) > TORN_AT:
            middle = len(old) + (len(new) - len(old)) // 2
            camera.take(f"in the middle of {what}", new[:middle], (before,), power=True)
            camera.take(f"at the last page of {what}", new[:-TORN_AT], (before,), power=True)
        if after != before:
            camera.outside.acknowledged.append(after)
        if camera.on:
            camera.take(f"after {what}", new, (after,))


Torn = Callable[[str, Callable[[Outside], None]], None]


def _whole(point: str, arrive: Callable[[Outside], None]) -> None:
    """Nobody looks at a hand-over in parts."""


def left_by(cleared: ClearedOrder, log: int) -> list[Handed]:
    """The frames of a hand-over as they left, on a log of this length."""
    return [Handed(f.ref, f.revision, f.line.role.value == "ENTRY", log) for f in cleared.frames]


def arrived(part: ClearedOrder, log: int, fills: bool, outside: Outside) -> None:
    """The first frames of a hand-over arrived and work, the rest went down with the socket: the worst of such worlds.

    An entry may execute then before anybody is back, without the rest of its bracket. A gateway that keeps a bracket
    back until its last frame has nothing, as before the send.
    """
    for frame in part.frames:
        outside.broker._take(frame, part.group)
    if fills:
        entry = outside.broker.truth.book[part.ref]
        outside.broker._execute(entry, entry.remaining, tell=False)
    outside.handed += left_by(part, log)


@define
class Wire:
    """The broker's port with its points: each send, each take from the inbox, each question before and after."""

    broker: MockBroker
    spot: Spot
    outside: Outside
    log: Callable[[], int]
    torn: Torn = field(default=_whole, kw_only=True)

    @property
    def groups_hold(self) -> bool:
        """As the mock's do."""
        return self.broker.groups_hold

    @property
    def tells_margin(self) -> bool:
        """As the mock does."""
        return self.broker.tells_margin

    async def connect(self) -> bool:
        """Open a session."""
        self.spot("connect", "before")
        done = await self.broker.connect()
        self.spot("connect", "after")
        return done

    async def disconnect(self) -> None:
        """Close the session."""
        await self.broker.disconnect()

    def drain(self) -> tuple[Fact, ...]:
        """What was said is out of the inbox now, and in memory only."""
        facts = self.broker.drain()
        if facts:
            self.spot("inbox", "after")
        return facts

    async def resynchronise(self) -> bool:
        """Everything is told again."""
        self.spot("resynchronise", "before")
        done = await self.broker.resynchronise()
        self.spot("resynchronise", "after")
        return done

    async def snapshot(self) -> Snapshot:
        """The whole picture."""
        taken = await self.broker.snapshot()
        self.spot("snapshot", "after")
        return taken

    async def answers(self) -> bool:
        """Whether it is there."""
        return await self.broker.answers()

    async def round_trip(self) -> bool:
        """A question and its answer."""
        return await self.broker.round_trip()

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Frames leave: not yet, the first of them, and all."""
        what, log = f"send of {cleared.frames[0].line.role}", self.log()
        self.spot(what, "before")
        for count in range(1, len(cleared.frames)):
            part = evolve(cleared, frames=cleared.frames[:count])
            point = f"after {count} of {len(cleared.frames)} frames"
            self.torn(f"{point} of {what}", partial(arrived, part, log, False))
            self.torn(f"{point} of {what}, executed", partial(arrived, part, log, cleared.is_entry))
        self.broker.hand_over(cleared)
        self.outside.handed += left_by(cleared, log)
        self.spot(what, "after")

    def cancel(self, ref: str) -> None:
        """A cancel leaves."""
        self.spot("cancel", "before")
        self.broker.cancel(ref)
        self.spot("cancel", "after")

    async def margin(self, line: Line) -> Margin | None:
        """What the mock says, which is nothing."""
        return await self.broker.margin(line)

    def quotes(self) -> Mapping[str, Quote]:
        """The last quotes."""
        return self.broker.quotes()

    async def watch(self, symbol: str) -> None:
        """Every instrument is watched already."""

    def instruments(self) -> Mapping[str, Instrument]:
        """The contract cards."""
        return self.broker.instruments()

    def hours(self) -> Mapping[str, tuple[tuple[datetime, datetime], ...]]:
        """When markets trade."""
        return self.broker.hours()

    def room(self) -> int:
        """What may leave."""
        return self.broker.room()

    def accounts(self) -> tuple[Account, ...]:
        """The account."""
        return self.broker.accounts()

    def port(self) -> int:
        """The mock has none."""
        return self.broker.port()

    def session(self) -> int:
        """The session."""
        return self.broker.session()

    def skew(self) -> timedelta:
        """The broker's clock is ours."""
        return self.broker.skew()


@define
class Ear:
    """A person with a telephone: what is heard is never unheard."""

    outside: Outside
    spot: Spot

    @property
    def name(self) -> str:
        """What the channel is called."""
        return "ear"

    async def send(self, message: Message) -> bool:
        """Hear a message."""
        self.spot("message", "before")
        if self.outside.deaf:
            return False
        self.outside.told.extend(message.alerts)
        self.spot("message", "after")
        return True


@define
class Folder:
    """The folder of intents and answers."""

    outside: Outside
    spot: Spot

    def take(self) -> tuple[tuple[str, bytes, str], ...]:
        """Everything that waits; it stays until it is archived."""
        return tuple((name, data, "file") for name, data in self.outside.waiting.items())

    def archive(self, name: str, digest: str, quarantined: bool, reason: str) -> None:
        """Put an input where its outcome belongs; harmless to repeat."""
        self.spot("archive", "before")
        _ = self.outside.waiting.pop(name, None)
        self.outside.archived.setdefault(name, []).append("quarantined" if quarantined else "taken")
        self.spot("archive", "after")

    def respond(self, intent_id: str, document: str) -> None:
        """Write the answer of an intent; harmless to repeat."""
        self.outside.answers[intent_id] = document
        self.spot("response", "after")


def reboot(clock: ManualClock, boot: str) -> None:
    """The host went down: it comes back under another boot id."""
    clock.moment = evolve(clock.moment, boot=boot)


def lay(folder: Path, base: bytes, wal: bytes) -> Path:
    """A log on a disk of its own, as a crash left it."""
    os.mkdir(folder)
    _ = (folder / "beads.db").write_bytes(base)
    if wal:
        _ = (folder / "beads.db-wal").write_bytes(wal)
    return folder / "beads.db"
