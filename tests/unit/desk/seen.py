"""What a judge of a desk may look at, and who stands by to note it: the log, the socket, the broker, the signatures.

Nothing here asks the code that is judged: a bead says what it says, an append is what the store took in one piece, a
fact is what the broker let the engine have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from attrs import define, field, frozen

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_core.beads import Bead, Body
from phoenix_core.chain import Sealed
from phoenix_core.facts import ExecutionSaid, Fact, Snapshot
from phoenix_core.kernel import ClearedOrder, bead_of
from phoenix_core.values import Moment
from phoenix_core.world import World

B = TypeVar("B", bound=Body)


class WatchedStore(MemoryStore):
    """A log in memory that notes where each append ended."""

    def __init__(self) -> None:
        """An empty log."""
        super().__init__()
        self.ends: list[int] = []

    def _insert(self, beads: Sequence[Sealed], texts: Mapping[str, str]) -> str | None:
        known = super()._insert(beads, texts)
        if known is None:
            self.ends.append(beads[-1].seq + 1)
        return known


@frozen
class HandOver:
    """One hand-over at the socket: what, on which head of the log, in which world."""

    cleared: ClearedOrder
    size: int
    world: World

    @property
    def now(self) -> Moment:
        """When."""
        return self.world.now


@frozen
class Attempt:
    """One signed statement that somebody handed in: what the log held before, and after it was answered."""

    statement: str
    key: str
    before: int
    after: int


@define
class Seen:
    """Everything that may be looked at."""

    store: WatchedStore
    beads: list[Bead] = field(factory=list)
    handed: list[HandOver] = field(factory=list)
    told: list[tuple[int, Fact]] = field(factory=list)  # what the broker let the engine have, and the log's size then
    cancels: list[tuple[int, str]] = field(factory=list)  # what was asked to end at the socket, and the same
    signed: list[Attempt] = field(factory=list)
    answers: list[tuple[int, datetime]] = field(
        factory=list
    )  # of answers: when asked for, and at which size of the log
    data: list[bytes] = field(factory=list)  # each bead's bytes as they were when they were read first
    judged: dict[str, int] = field(factory=dict)  # by judge: how much it has judged, hand-overs or beads

    def catch_up(self) -> None:
        """Read what the log gained."""
        records = list(self.store.read(len(self.beads)))
        self.beads += [bead_of(record) for record in records]
        self.data += [record.data for record in records]

    def copy(self) -> Seen:
        """The same once more, to be altered."""
        heard = list(self.told), list(self.cancels), list(self.signed), list(self.answers)
        return Seen(self.store, list(self.beads), list(self.handed), *heard, list(self.data))

    def of(self, cls: type[B]) -> list[tuple[int, B]]:
        """(place, body) of one kind, in order."""
        return [(bead.seq, bead.body) for bead in self.beads if isinstance(bead.body, cls)]

    def facts(self, cls: type[Fact]) -> list[tuple[int, Any]]:
        """(size of the log, fact) of one kind, in order."""
        return [(size, fact) for size, fact in self.told if isinstance(fact, cls)]

    @property
    def executions(self) -> list[ExecutionSaid]:
        """Every execution that was told, by itself or in a whole picture."""
        pictures = (picture for _, picture in self.facts(Snapshot) if picture.complete and not picture.missing)
        return [fact for _, fact in self.facts(ExecutionSaid)] + [e for p in pictures for e in p.executions]

    @property
    def appends(self) -> Iterator[list[Bead]]:
        """The beads of each append, in order; what was put in by hand behind the last one is one more."""
        start = 0
        for end in (*self.store.ends, len(self.beads)):
            if end > start:
                yield self.beads[start:end]
                start = end

    def fresh(self, judge: str, entries: bool) -> list[HandOver]:
        """Hand-overs of entries, or of exits, that this judge has not seen: what was there before them stays so."""
        fresh = self.handed[self.judged.get(judge, 0) :]
        self.judged[judge] = len(self.handed)
        return [handed for handed in fresh if handed.cleared.is_entry is entries]

    @property
    def entries(self) -> list[HandOver]:
        """Hand-overs of entries."""
        return [handed for handed in self.handed if handed.cleared.is_entry]

    @property
    def exits(self) -> list[HandOver]:
        """Hand-overs of exits."""
        return [handed for handed in self.handed if not handed.cleared.is_entry]


@lru_cache(1024)
def says(statement: str) -> Mapping[str, Any]:
    """A signed statement as the JSON that it is."""
    read: dict[str, Any] = json.loads(statement)
    return read
