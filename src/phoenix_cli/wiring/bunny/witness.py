"""What a chaos vector is, and what it leaves: claims, each true or not, each with the beads that show it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from attrs import Factory, define, frozen

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.ibkr.library import LIBRARIES
from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_adapters.wire import VERSION_MAX
from phoenix_cli.wiring.bunny.stage import PAIRS, Floor, Stage, stage
from phoenix_core.beads import Body, Policy
from phoenix_core.ports import Notifier

if TYPE_CHECKING:
    from phoenix_cli.wiring.bunny.live import LiveStage

B = TypeVar("B", bound=Body)


@frozen
class Claim:
    """One sentence that a vector stands for, whether it held, and where in the desk's log that can be read; a vector
    that walks several desks counts their logs from 1."""

    says: str
    holds: bool
    beads: tuple[int, ...] = ()
    log: int = 1


@define
class Witness:
    """Stands beside a vector: sets its desks up, each on a log of its own on the disk, and writes down what it saw."""

    seed: int
    folder: Path
    closing: ExitStack
    claims: list[Claim] = Factory(list)
    desks: list[Floor[Any]] = Factory(list)

    async def desk(
        self,
        *,
        mode: ChaosMode = ChaosMode.INSTANT,
        notifiers: tuple[Notifier, ...] = (),
        policy: Policy | None = None,
        latch: Callable[[], bool | None] = lambda: False,
    ) -> Stage:
        """A production desk, started, connected and reconciled."""
        made = stage(self._store(), seed=self.seed, notifiers=notifiers, policy=policy, latch=latch)
        made.broker.set_mode(mode)
        self.desks.append(made)
        await made.start()
        return made

    @asynccontextmanager
    async def gateway(self, version: int = VERSION_MAX, symbols: tuple[str, ...] = PAIRS) -> AsyncIterator[LiveStage]:
        """A production desk before the real client library and our own gateway, started, connected and reconciled."""
        from phoenix_cli.wiring.bunny.live import live_stage

        async with live_stage(self._store(), self.seed, version, symbols) as made:
            self.desks.append(made)
            yield made

    def _store(self) -> SqliteStore:
        store = SqliteStore(self.folder / f"beads-{len(self.desks)}.db", ballast_bytes=0)
        _ = self.closing.callback(store.close)
        return store

    def holds(self, says: str, true: bool, beads: list[int] | None = None) -> None:
        """Claim that something is so; what beads are cited stand in the log of the desk that was set up last."""
        self.claims.append(Claim(says, true, tuple(beads or ()), max(1, len(self.desks))))

    def shown(
        self, desk: Floor[Any], says: str, cls: type[B], so: Callable[[B], bool] = lambda body: True
    ) -> list[int]:
        """Claim that the log holds such a bead; the beads are the evidence."""
        found = desk.where(cls, so)
        self.holds(says, bool(found), found)
        return found

    def once(self, desk: Floor[Any], says: str, cls: type[B], so: Callable[[B], bool] = lambda body: True) -> None:
        """Claim that the log holds exactly one such bead."""
        found = desk.where(cls, so)
        self.holds(says, len(found) == 1, found)

    def never(self, desk: Floor[Any], says: str, cls: type[B], so: Callable[[B], bool] = lambda body: True) -> None:
        """Claim that the log holds no such bead; those that it holds are the evidence against it."""
        found = desk.where(cls, so)
        self.holds(says, not found, found)


Walk: TypeAlias = Callable[[Witness], Awaitable[None]]


@frozen
class Over:
    """What a vector's desk stands before, and which installed modules that takes, one of them at least."""

    says: str
    modules: tuple[str, ...] = ()
    extra: str = ""

    def missing(self) -> str:
        """What to install before it can be walked; nothing where all is there."""
        there = not self.modules or any(find_spec(name) is not None for name in self.modules)
        return "" if there else f"install phoenix-desk[{self.extra}]"


MOCK: Final = Over("the mock broker")
GATEWAY: Final = Over("the real client library and our own gateway, on a loopback socket", LIBRARIES, "ibkr")
BOTH: Final = Over(f"{MOCK.says}; then {GATEWAY.says}", GATEWAY.modules, GATEWAY.extra)
MESSENGER: Final = Over(
    "the mock broker; the messenger's real client and an HTTP server on loopback", ("httpx",), "notify"
)


def one_after_the_other(*walks: Walk) -> Walk:
    """The same story before several brokers, each walk on a desk of its own, under one verdict."""

    async def walked(witness: Witness) -> None:
        for walk in walks:
            await walk(witness)

    return walked


@frozen
class Vector:
    """One chaos vector: its id, its wave, what it does to the desk, and the walk that does it."""

    id: str
    wave: int
    says: str
    walk: Walk
    over: Over = MOCK


@frozen
class Verdict:
    """What came of a vector."""

    id: str
    wave: int
    says: str
    seed: int
    claims: tuple[Claim, ...]
    log: str  # the head of each of the vector's logs: how many beads, and the last one's leaf
    duration_ms: int
    trouble: str = ""
    over: str = MOCK.says
    not_run: str = ""  # what it would take to walk it: neither passed nor failed

    @property
    def passed(self) -> bool:
        """Whether it came to its end, claimed something, and everything that it claimed held."""
        return not self.trouble and not self.not_run and bool(self.claims) and all(claim.holds for claim in self.claims)

    @property
    def evidence(self) -> tuple[tuple[int, ...], ...]:
        """Of each log that a claim cites, every bead that is cited, in order, each once; nothing where none is."""
        cited = {(claim.log, seq) for claim in self.claims for seq in claim.beads}
        last = max((log for log, _ in cited), default=0)
        return tuple(tuple(sorted(seq for log, seq in cited if log == n)) for n in range(1, last + 1))

    @property
    def failures(self) -> tuple[str, ...]:
        """What did not hold."""
        broken = tuple(claim.says for claim in self.claims if not claim.holds)
        return (*broken, self.trouble) if self.trouble else broken


async def run(vector: Vector, seed: int) -> Verdict:
    """Run one vector in a throw-away folder. A vector that breaks has failed, and says on what."""
    began, trouble = time.monotonic(), ""
    missing = vector.over.missing()
    if missing:
        return Verdict(vector.id, vector.wave, vector.says, seed, (), "", 0, over=vector.over.says, not_run=missing)
    with TemporaryDirectory(prefix="phoenix-bunny-") as folder, ExitStack() as closing:
        witness = Witness(seed, Path(folder), closing)
        try:
            await vector.walk(witness)
        except Exception as error:  # noqa: BLE001 - the boundary of a vector: whatever breaks in it is its verdict
            trouble = f"{type(error).__name__}: {error}"
        heads = [desk.store.head() for desk in witness.desks]
        log = "; ".join(f"{head.size} beads, {head.leaf[:12]}" for head in heads)
    took = round((time.monotonic() - began) * 1000)
    claims = tuple(witness.claims)
    return Verdict(vector.id, vector.wave, vector.says, seed, claims, log, took, trouble, vector.over.says)
