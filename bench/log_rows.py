"""Rows about the log: how fast it takes beads, and how fast it is read back, beside what one would pick instead."""

from __future__ import annotations

import os
import tempfile
import time
import typing
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from uuid import UUID

from attrs import define, fields, has
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Transcoder, Transcoding
from sqlalchemy import LargeBinary, create_engine
from sqlalchemy import event as on
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.days import day_of, one_day, resealed
from bench.order_path import RawLog
from bench.rows import Effort, Measured
from bench.timing import race, timed
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.beads import BODIES
from phoenix_core.chain import Sealed, StateSnapshot
from phoenix_core.desk import SNAPSHOT_SCHEMA, Desk, evolve, freeze, thaw
from phoenix_core.kernel import bead_of

AT_ONCE = 200  # beads of one append, or events of one replay: the work of a busy hour
TAIL = 200  # beads after the snapshot
_BARE_BYTES = 2**23  # as long as a write-ahead log of some two thousand frames


class Trade(Aggregate):
    """What one would write with `eventsourcing`: an aggregate with one event per fact."""

    def __init__(self) -> None:
        self.facts = 0

    @event("Recorded")
    def record(self, kind: str, body: object) -> None:
        """Take one fact in."""
        self.facts += 1


class AsRecord(Transcoding):
    """One of our records, written and read back by `eventsourcing` as the same record."""

    def __init__(self, cls: type) -> None:
        self.type, self.name = cls, cls.__name__
        self.names = [field.name for field in fields(cls)]

    def encode(self, obj: object) -> dict[str, object]:
        """Its fields."""
        return {name: getattr(obj, name) for name in self.names}

    def decode(self, data: dict[str, object]) -> object:
        """The record of these fields."""
        return self.type(**data)


class AsWord(Transcoding):
    """A member of an enum."""

    def __init__(self, cls: type[Enum]) -> None:
        self.type, self.name = cls, cls.__name__

    def encode(self, obj: Enum) -> object:
        """Its value."""
        return obj.value

    def decode(self, data: object) -> object:
        """The member of this value."""
        return self.type(data)


class AsSpan(Transcoding):
    """A span of time, in microseconds as ours."""

    type, name = timedelta, "timedelta"

    def encode(self, obj: timedelta) -> int:
        """Whole microseconds."""
        return obj // timedelta(microseconds=1)

    def decode(self, data: int) -> timedelta:
        """As many microseconds."""
        return timedelta(microseconds=data)


class Ledger(Application[UUID]):
    """An application whose events carry our records: decimals, instants, enums and all."""

    def register_transcodings(self, transcoder: Transcoder) -> None:
        """Ours beside the library's own."""
        super().register_transcodings(transcoder)
        for cls in _classes_in(*BODIES.values()):
            transcoder.register(AsWord(cls) if issubclass(cls, Enum) else AsRecord(cls))
        transcoder.register(AsSpan())


def _classes_in(*hints: object) -> set[type]:
    """Every record and enum that these annotations are made of."""
    found: set[type] = set()
    for hint in hints:
        inner = getattr(hint, "__supertype__", None)
        found |= _classes_in(*typing.get_args(hint), *([inner] if inner is not None else []))
        if isinstance(hint, type) and has(hint):
            found |= {hint} | _classes_in(*typing.get_type_hints(hint).values())
        elif isinstance(hint, type) and issubclass(hint, Enum):
            found.add(hint)
    return found


def _eventsourcing(folder: str) -> Application[UUID]:
    return Ledger(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": f"{folder}/es.db"})


class Base(DeclarativeBase):
    """SQLAlchemy's base."""


class BeadRow(Base):
    """A bead as an ORM would keep it."""

    __tablename__ = "beads"
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


def _sqlalchemy(folder: str) -> Session:
    engine = create_engine(f"sqlite:///{folder}/orm.db")

    @on.listens_for(engine, "connect")
    def _durable(connection: object, record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # the DBAPI's own connection

    Base.metadata.create_all(engine)
    return Session(engine)


class Appends:
    """Appending one bead after the other to a log of our own."""

    def __init__(self, folder: str) -> None:
        home = Path(folder) / "home"  # a desk's own folder: nobody else makes and removes files beside its log
        home.mkdir()
        self.store = SqliteStore(home / "phoenix.db", ballast_bytes=0)
        begun, self.traded = one_day()
        self.head = self.store.append(self.store.head(), begun).unwrap()
        _ = self.store.make_room()  # as a running engine does when it starts
        self.count = 0

    def next(self) -> Sealed:
        """The next bead of the day, sealed on the present head."""
        copy, place = divmod(self.count, len(self.traded))
        self.count += 1
        return resealed(self.head, self.traded[place], copy, len(self.traded))

    def append(self, bead: Sealed) -> None:
        """One durable append on the head that its decision was made on."""
        self.head = self.store.append(self.head, [bead]).unwrap()


class Bare:
    """What no durable row can leave out: its bytes written into a file that is long enough already, and the fsync."""

    def __init__(self, path: Path) -> None:
        self.at, self.fd = 0, os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _ = os.write(self.fd, b"\1" * _BARE_BYTES)
        os.fsync(self.fd)

    def write(self, bead: Sealed) -> None:
        """One write behind the other, and from the beginning again."""
        self.at += os.pwrite(self.fd, bead.data, self.at % (_BARE_BYTES - len(bead.data)))
        os.fdatasync(self.fd)


def append_beside(effort: Effort) -> dict[str, Measured]:
    """One durable fact: our append, a raw row of the same bytes, an aggregate's save, an ORM's insert and commit."""
    with tempfile.TemporaryDirectory(
        prefix="phoenix-bench-", dir=os.environ.get("PHOENIX_BENCH_FOLDER") or Path.cwd()
    ) as folder:
        ours, raw, bare = Appends(folder), RawLog(Path(folder) / "raw.db"), Bare(Path(folder) / "bare")
        application, session = _eventsourcing(folder), _sqlalchemy(folder)
        aggregate = Trade()
        _ = application.save(aggregate)

        def phoenix() -> float:
            bead = ours.next()
            return timed(lambda: ours.append(bead))

        def row() -> float:
            bead = ours.next()
            ours.count -= 1
            return timed(lambda: raw.write([bead]))

        def written() -> float:
            bead = ours.next()
            ours.count -= 1
            return timed(lambda: bare.write(bead))

        def saved() -> float:
            bead = ours.next()
            ours.count -= 1
            body = bead.data.decode()

            def save() -> None:
                aggregate.record(bead.kind, body)
                _ = application.save(aggregate)

            return timed(save)

        def orm() -> float:
            bead = ours.next()
            ours.count -= 1
            orm_seq = raw.seq + int(time.perf_counter() * 1e6)

            def insert() -> None:
                session.add(BeadRow(seq=orm_seq, kind=bead.kind, data=bead.data, leaf=bead.leaf))
                session.commit()

            return timed(insert)

        competitors: dict[str, Callable[[], float]] = {
            "phoenix": phoenix,
            "raw": row,
            "bare write and fdatasync": written,
            "eventsourcing": saved,
            "sqlalchemy": orm,
        }
        parts = race(competitors, effort.rounds, effort.dice)
        ours.store.close()
        application.close()
        session.close()
        os.close(bare.fd)
    mine, least = parts["phoenix"].p50, parts["bare write and fdatasync"].p50
    return {
        "raw": Measured(parts["raw"].p50 / mine, parts),
        "eventsourcing": Measured(parts["eventsourcing"].p50 / mine, parts),
        "sqlalchemy": Measured(parts["sqlalchemy"].p50 / mine, parts),
        "bare, eventsourcing": Measured(parts["eventsourcing"].p50 / least, parts),
        "bare, sqlalchemy": Measured(parts["sqlalchemy"].p50 / least, parts),
    }


def replay_beside(effort: Effort) -> Measured:
    """An aggregate of the same records read back, over as many beads: linked, hashed, read strictly and folded."""
    beads = list(day_of(AT_ONCE))[:AT_ONCE]
    with tempfile.TemporaryDirectory(
        prefix="phoenix-bench-", dir=os.environ.get("PHOENIX_BENCH_FOLDER") or Path.cwd()
    ) as folder:
        store = SqliteStore(f"{folder}/phoenix.db", ballast_bytes=0)
        _ = store.append(store.head(), beads).unwrap()
        application, aggregate, opaque = _eventsourcing(folder), Trade(), Trade()
        for bead in beads[1:]:
            aggregate.record(bead.kind, bead_of(bead).body)
            opaque.record(bead.kind, bead.data.decode())
        _ = application.save(aggregate, opaque)
        parts = race(
            {
                "phoenix": lambda: timed(lambda: replayed(store)),
                "eventsourcing": lambda: timed(lambda: application.repository.get(aggregate.id)),
                "eventsourcing, opaque text": lambda: timed(lambda: application.repository.get(opaque.id)),
            },
            max(effort.rounds // 2, 5),
            effort.dice,
        )
        store.close()
        application.close()
    unread = parts["eventsourcing, opaque text"].p50 / parts["phoenix"].p50
    note = f"{AT_ONCE} beads against {AT_ONCE} events of the same records; of text that nobody reads: {unread:.2f}"
    return Measured(parts["eventsourcing"].p50 / parts["phoenix"].p50, parts, note)


def replayed(store: SqliteStore, desk: Desk | None = None) -> Desk:
    """The desk that the log leads to, verified bead by bead."""
    desk = Desk() if desk is None else desk
    for record in store.read(desk.head.size):
        desk = evolve(desk, bead_of(record))
    return desk


@define
class LongLog:
    """A long log with a snapshot near its end; the folder goes when the process does."""

    folder: tempfile.TemporaryDirectory[str]
    store: SqliteStore
    size: int  # of the log
    kept: int  # beads under the snapshot


@cache
def long_log(count: int) -> LongLog:
    """Made once for all runs: sealing a few hundred thousand beads takes longer than reading them."""
    folder = tempfile.TemporaryDirectory(
        prefix="phoenix-bench-", dir=os.environ.get("PHOENIX_BENCH_FOLDER") or Path.cwd()
    )
    store = SqliteStore(f"{folder.name}/phoenix.db", ballast_bytes=0)
    head, batch = store.head(), list[Sealed]()
    for bead in day_of(count):
        batch.append(bead)
        if len(batch) == 1000:
            head, batch = store.append(head, batch).unwrap(), []
    desk = replayed(store)
    store.save_snapshot(StateSnapshot(head.size, store.root(), SNAPSHOT_SCHEMA, freeze(desk)))
    for bead in day_of(count + TAIL):
        if bead.seq >= head.size:
            head = store.append(head, [bead]).unwrap()
    return LongLog(folder, store, head.size, desk.head.size)


def snapshot_and_tail(effort: Effort) -> Measured:
    """A start from a proven state with a tail of some 200 beads, over a full verified replay of the same log."""
    log = long_log(effort.long)

    def from_snapshot() -> None:
        kept = log.store.load_snapshot(SNAPSHOT_SCHEMA)
        assert kept is not None, "the log proves its own snapshot"
        desk = thaw(kept.data, lambda seq: bead_of(next(log.store.read(seq, seq + 1))))
        assert replayed(log.store, desk).head.size == log.size, "the tail leads to the head"

    parts = race(
        {"snapshot": lambda: timed(from_snapshot), "replay": lambda: timed(lambda: replayed(log.store))}, 2, effort.dice
    )
    note = f"{log.size} beads, {log.size - log.kept} of them after the snapshot"
    return Measured(parts["snapshot"].p50 / parts["replay"].p50, parts, note)
