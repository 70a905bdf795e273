"""What comes out of the past in a simulated world: a backup that is older than what a witness saw, and what another
build kept beside the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_adapters.engine.kept import under_seal
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import LogKey
from phoenix_cli.wiring.outside import OutsideNote
from phoenix_cli.wiring.signing import Screen, root_text, screen_of, signed, statement_of
from phoenix_cli.wiring.sim.mishaps import FailingFile, FailingStore, Mishap, SharedLog
from phoenix_cli.wiring.sim.world import SECRET, Simulation, engine_of
from phoenix_core.acts.approve import Sign
from phoenix_core.beads import Lease, Verdict
from phoenix_core.chain import StateSnapshot, StoreFault
from phoenix_core.desk import SNAPSHOT_SCHEMA
from phoenix_core.kernel import bead_of
from phoenix_core.values import Mode
from phoenix_core.world import Run, World

if TYPE_CHECKING:
    from phoenix_core.ports import DurableStore

# The name of a layout that this build does not have, and what stood in it.
OTHER_LAYOUT: Final = "desk/of another build"


def backed_up(store: FailingStore | FailingFile) -> FailingStore:
    """A whole copy of a log as it stands, on another medium."""
    kept = FailingStore(SharedLog())
    kept.mishap = Mishap()
    _ = kept.append(kept.head(), tuple(store.read()), dict(store.texts())).unwrap()
    return kept


def durable(store: FailingStore | FailingFile) -> DurableStore:
    """A log as the witness reads it: one in memory lacks backups and spare room alone, of which it asks nothing."""
    return cast("DurableStore", store)


def sees(note: OutsideNote, sim: Simulation) -> None:
    """The witness has nothing against the log as it stands, and takes its present root."""
    said = note.trouble(durable(sim.store)) or note.put(durable(sim.store))
    assert said == "", said


@contextmanager
def witness(sim: Simulation) -> Iterator[OutsideNote]:
    """A place outside the host that takes signed checkpoints, as the engine of a home writes them there."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"sim log {sim.seed}".encode()).digest())
    with TemporaryDirectory(prefix="phoenix-sim-") as folder:
        yield OutsideNote(str(Path(folder) / "checkpoint"), sim.desk.genesis.origin, LogKey(private))


async def only_watched(sim: Simulation, backup: FailingStore, note: OutsideNote, intent_id: str) -> None:
    """A desk over an older log than the witness saw: it can be read, and takes neither a signature nor an engine.

    Whoever looks at it sees an intent that waits for a human, as it did then, and as it does not any more.
    """
    note = OutsideNote(note.place, note.origin, note.key)  # another process, which wrote nothing there itself
    clock, closed = sim.clock, note.trouble(durable(backup))
    people = Recorder(backup, lambda desk: World(clock.now(), Run(mode=Mode.MOCK)), closed=closed)
    _ = people.wake()
    screen = screen_of(people.desk, intent_id, clock.now(), Verdict.APPROVE)
    assert isinstance(screen, Screen), f"the backup shows nothing to approve: {screen}"
    statement = statement_of(people.desk, backup, screen.says, clock.now(), sim.fresh("n").replace("-", ""))
    root = root_text(backup, people.desk.head.size)
    approval = signed(statement, sim.pen, sim.verifier, root, token=sim.fresh("token"))
    assert isinstance(approval, Sign), approval
    engine = engine_of(backup, sim.broker, clock, "restored", sim.ears, sim.oracle, sim.verifier)
    engine.recorder.closed, engine.look = closed, lambda: None
    size, sent = backup.head().size, len(sim.broker.truth.book)
    refused: list[str] = []
    for what in ("a signature", "an engine", "a checkpoint"):
        try:
            if what == "a signature":
                _ = people.act(approval)
            elif what == "an engine":
                _ = await engine.start()
            else:
                _ = note.put(durable(backup))
        except StoreFault as fault:
            refused.append(f"{what}: {fault.detail.partition(' at /')[0]}")
    assert len(refused) == 3, f"an older log was written to, and the witness knew: {refused}"
    assert (backup.head().size, len(sim.broker.truth.book)) == (size, sent)
    sim.told.append(f"bead {sim.store.head().size}: a backup of {size} beads, refused {'; '.join(refused)}")


def left_by_another_build(sim: Simulation, data: bytes = b"\x00 a state in another layout") -> None:
    """The build before kept its state beside the log, in its own layout; this build's own was never kept."""
    size = sim.store.head().size
    sim.store.save_snapshot(under_seal(SECRET, StateSnapshot(size, sim.store.root(size), OTHER_LAYOUT, data)))
    assert sim.store.load_snapshot(OTHER_LAYOUT) is not None and sim.store.load_snapshot(SNAPSHOT_SCHEMA) is None


def builds(sim: Simulation) -> list[str]:
    """The builds that took the lease, in order, each once in a row."""
    bodies = (bead_of(record).body for record in sim.store.read())
    versions = [body.version for body in bodies if isinstance(body, Lease)]
    return [v for n, v in enumerate(versions) if n == 0 or versions[n - 1] != v]
