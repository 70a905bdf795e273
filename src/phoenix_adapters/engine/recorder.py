"""The one way into the log: catch up, decide, append on the head it was decided on, fold what landed.

Every process uses it: the engine, and each command of the operator. If anybody wrote in between, the append conflicts,
the world is looked at again and the command decided again. That one rule makes tokens single-use and processes safe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import Factory, define, field
from returns.pipeline import is_successful
from returns.result import Result, Success

from phoenix_adapters.engine.kept import of_seal, under_seal
from phoenix_core.acts.operate import TakeLease
from phoenix_core.beads import Bead, bead_id_of
from phoenix_core.chain import Fault, StateSnapshot, StoreFault
from phoenix_core.desk import SNAPSHOT_SCHEMA, Desk, freeze, thaw
from phoenix_core.kernel import Command, bead_of, decide, evolve, sealed
from phoenix_core.ports import BeadStore
from phoenix_core.refusals import Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.values import BadInput, CommandId, derived_id
from phoenix_core.world import World

# Two writers conflict now and then; a writer that loses this often in a row is not unlucky, it is broken.
TRIES_MAX: Final = 200


@define
class Recorder:
    """A desk and its log, kept in step."""

    store: BeadStore
    world: Callable[[Desk], World]
    desk: Desk = Factory(Desk)
    on_bead: Callable[[Bead, bool], None] = lambda bead, mine: None
    key: bytes = field(default=b"", repr=False)  # of the state beside the log; without it none is kept or believed
    closed: str = ""  # why nothing may be appended to this log: it is not the one that was witnessed

    def wake(self) -> int:
        """Begin from the newest state that the log proves and this desk kept, and fold the rest; answers how many beads
        that was."""
        kept = self.store.load_snapshot(SNAPSHOT_SCHEMA) if self.key else None
        data = None if kept is None else of_seal(self.key, kept)
        if data is not None:
            self.desk = thaw(data, lambda seq: bead_of(next(self.store.read(seq, seq + 1))))
        return self.catch_up()

    def keep(self) -> None:
        """Keep the present state beside the log, for the next start."""
        if self.key:
            size = self.desk.head.size
            state = StateSnapshot(size, self.store.root(size), SNAPSHOT_SCHEMA, freeze(self.desk))
            self.store.save_snapshot(under_seal(self.key, state))

    def catch_up(self) -> int:
        """Fold what others wrote since; answers how many beads that was."""
        before = self.desk.head.size
        for record in self.store.read(before):
            if record.prev != self.desk.head.leaf:
                raise self.torn(record.seq)
            self._fold(bead_of(record), mine=False)
        return self.desk.head.size - before

    def torn(self, size: int) -> StoreFault:
        """The log does not go on from what this process read of it: its tail was cut, or replaced by another."""
        known = f"this process knows {self.desk.head.size} beads of it"
        return StoreFault(Fault.CORRUPT, f"the log was cut: {known}, and what stands there at {size} is not their end")

    def act(self, command: Command) -> Result[Accepted, Refusal]:
        """Carry one command to its end: accepted or refused, and what that left is durable."""
        if self.closed:
            raise StoreFault(Fault.CORRUPT, f"OBSERVE_ONLY: {self.closed}")
        unknown: Result[Accepted, Refusal] | None = None
        for _ in range(TRIES_MAX):
            _ = self.catch_up()
            if unknown is not None and self.store.seq_of(bead_id_of(command.command_id, 0)) is not None:
                return unknown
            world = self.world(self.desk)
            ruling = decide(self.desk, command, world)
            if not ruling.drafts:
                return ruling.result
            records = sealed(self.desk.head, world.now.wall, command.command_id, ruling)
            if self.store.seq_of(records[0].bead_id) is not None:
                return Success(Accepted(command.command_id, {"landed": "before"}))
            try:
                landed = self.store.append(self.desk.head, records, ruling.texts)
            except StoreFault as fault:
                if fault.kind is Fault.UNKNOWN:
                    unknown = ruling.result
                    continue  # it may have landed: the next round looks for its bead id before anything else
                raise
            if is_successful(landed):
                for record in records:
                    self._fold(bead_of(record), mine=True)
                return ruling.result
            conflict = landed.failure()
            if conflict.known is None and conflict.actual.size <= self.desk.head.size:
                raise self.torn(conflict.actual.size)  # a log that others wrote to has grown
        raise AssertionError(f"{TRIES_MAX} conflicts in a row: somebody writes without end")

    def take_lease(self, run: str, boot: str) -> Result[Accepted, Refusal]:
        """Begin a run. What it hears is told apart by its name and a count: under a name that an earlier run had, the
        facts of this one would be taken for that one's, and lost."""
        lease = TakeLease(CommandId(derived_id("lease", run)), boot, run)
        if self.store.seq_of(bead_id_of(lease.command_id, 0)) is not None:
            raise BadInput("run", run, "an earlier run of this log has that name; give each start a new uuid")
        return self.act(lease)

    def _fold(self, bead: Bead, mine: bool) -> None:
        self.desk = evolve(self.desk, bead)
        self.on_bead(bead, mine)
