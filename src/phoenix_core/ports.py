"""The ports: what the core needs of the world, as Protocols. Adapters implement them; nothing here knows an adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from returns.result import Result

from phoenix_core.chain import Conflict, Head, Sealed, StateSnapshot
from phoenix_core.checkpoint import Signer, Standing
from phoenix_core.facts import Checked, Fact, Margin, Quote, Snapshot
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Line
from phoenix_core.refusals import Refusal
from phoenix_core.values import Account, Instrument, Moment
from phoenix_core.watch.alerts import Message


class Clock(Protocol):
    """Both clocks of the host."""

    def now(self) -> Moment:
        """The present moment on both clocks."""
        ...


class Lock(Protocol):
    """The store's word that this process is the only engine, until it is given back or the process dies."""

    def __enter__(self) -> Self:
        """Hold it for a while."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give it back whatever happened."""
        ...

    def alive(self) -> bool:
        """Whether the lock is still ours."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class BeadStore(Protocol):
    """The log, to the engine. One append is one decision: all its beads or none, on the head it was decided on."""

    def head(self) -> Head:
        """Where the log ends now."""
        ...

    def read(self, start: int, stop: int | None = None) -> Iterator[Sealed]:
        """The stored beads from `start`, in order."""
        ...

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """Append durably if the log still ends at `expected`; otherwise nothing happened."""
        ...

    def append_blind(self, make: Callable[[Head], tuple[Sealed, ...]]) -> Head:
        """Append on whatever head there is: for raising a kill, which commutes with everything."""
        ...

    def hold(self) -> AbstractContextManager[Head]:
        """Keep every other writer out for the moment of the last look."""
        ...

    def seq_of(self, bead_id: str) -> int | None:
        """Where a bead of this id stands, if it landed."""
        ...

    def text(self, digest: str) -> str | None:
        """Free text from the side table."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """The Merkle root of the first `size` beads."""
        ...

    def save_snapshot(self, snapshot: StateSnapshot) -> None:
        """Keep a state beside the log; it is believed only as far as the log proves it."""
        ...

    def load_snapshot(self, schema: str) -> StateSnapshot | None:
        """The newest state of this layout that the log proves."""
        ...

    def wait(self, size: int, timeout_s: float) -> bool:
        """Wait until the log is longer than `size`, whoever writes it."""
        ...


class DurableStore(BeadStore, Protocol):
    """A log that outlives its process: all that the command line asks of what it keeps a desk on."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """The stored beads from `start`, in order."""
        ...

    def texts(self) -> Iterator[tuple[str, str]]:
        """(hash, text) of the whole side table, in the order of the hashes."""
        ...

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """Leaf hashes, for proofs."""
        ...

    def view(self) -> AbstractContextManager[Head]:
        """All reads inside see the log as it stood when the first of them was made."""
        ...

    def checkpoint(self, origin: str, *signers: Signer) -> Result[str, Standing]:
        """The signed note of the present log, kept; never one that does not follow from the last one kept."""
        ...

    def checkpoints(self) -> tuple[str, ...]:
        """Every note that was kept, by size."""
        ...

    def lease(self, boot_id: str) -> Lock | None:
        """The one lease of this log, or None while another engine holds it."""
        ...

    def leaseholder(self) -> str | None:
        """The boot id of the engine that holds the lease; None: no engine runs."""
        ...

    def close(self) -> None:
        """Let go of the log; harmless to repeat."""
        ...

    def make_room(self) -> bool:
        """Take now what the commits of this run will need; false where there is no room for that."""
        ...

    def backup(self, target: str) -> Head:
        """A whole copy of the log as it stands, while others go on writing; it appears whole or not at all."""
        ...


class Verifier(Protocol):
    """Cryptography: whether a signature is over these bytes, and what kind of signature it is."""

    def check(self, statement: bytes, signature: str) -> Result[Checked, Refusal]:
        """The signature parsed and verified in the namespace of Phoenix's approvals."""
        ...


class Broker(Protocol):
    """A broker. Everything it says arrives as facts in an inbox; nothing it returns is evidence of anything."""

    @property
    def groups_hold(self) -> bool:
        """Whether a close that joins the one-cancels-all group of its protection ends with it, however late it joins:
        under the name that we gave the group, and also where the group has just been spent."""
        ...

    async def connect(self) -> bool:
        """Open a session. What it is like arrives as facts."""
        ...

    async def answers(self) -> bool:
        """Whether somebody is there to open a session with. Opens none, and says nothing to anybody."""
        ...

    async def disconnect(self) -> None:
        """Close the session."""
        ...

    def drain(self) -> tuple[Fact, ...]:
        """Every fact since the last call, in the order in which they came; what answers a question of the past, in the
        order in which it happened."""
        ...

    async def resynchronise(self) -> bool:
        """Ask for executions, open and completed orders, positions and account; true if every end was seen."""
        ...

    async def snapshot(self) -> Snapshot:
        """The broker's whole picture; incomplete where any part did not end."""
        ...

    async def round_trip(self) -> bool:
        """A question that only a living broker answers."""
        ...

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Hand all frames of a cleared order to the transport, without blocking; FrameSaid facts tell of each."""
        ...

    def cancel(self, ref: str) -> None:
        """Hand a cancel to the transport, in front of everything else."""
        ...

    @property
    def tells_margin(self) -> bool:
        """Whether it is worth asking what an order would do to the margin: evidence waits a moment for the answer."""
        ...

    async def margin(self, line: Line) -> Margin | None:
        """What the broker says of the account's initial margin, before an order of this line and after it, in the
        currency that the account is kept in; None where it does not say. Nothing is placed by it, whatever happens."""
        ...

    def quotes(self) -> Mapping[str, Quote]:
        """The last two-sided quote of each instrument that is watched."""
        ...

    async def watch(self, symbol: str) -> None:
        """Subscribe to an instrument's quotes."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """The contract cards known in this session."""
        ...

    def hours(self) -> Mapping[str, tuple[tuple[datetime, datetime], ...]]:
        """When each market trades by the contract's own card, as UTC spans."""
        ...

    def room(self) -> int:
        """How many place frames may leave right now within the broker's message limits."""
        ...

    def accounts(self) -> tuple[Account, ...]:
        """The accounts the broker reports in this session."""
        ...

    def port(self) -> int:
        """The port of this session; 0 for the mock."""
        ...

    def session(self) -> int:
        """The number of this session; 0 before the first."""
        ...

    def skew(self) -> timedelta:
        """The broker's clock minus ours, as last measured."""
        ...


class Notifier(Protocol):
    """A way to reach a human. It may fail and it may hang; nobody waits for it."""

    @property
    def name(self) -> str:
        """What the channel is called in the log."""
        ...

    async def send(self, message: Message) -> bool:
        """Deliver one message; true once the channel accepted it."""
        ...


@runtime_checkable
class Complains(Protocol):
    """A notifier that can say, in words for its operator, why it did not take its last message."""

    @property
    def trouble(self) -> str:
        """What was wrong and which setting to look at; empty where nothing was."""
        ...


class Seam(Protocol):
    """Where other programs leave intents and find answers."""

    def take(self) -> tuple[tuple[str, bytes, str], ...]:
        """(name, bytes, channel) of every complete input that waits."""
        ...

    def archive(self, name: str, digest: str, quarantined: bool, reason: str) -> None:
        """Put an input where its outcome belongs; harmless to repeat."""
        ...

    def respond(self, intent_id: str, document: str) -> None:
        """Write the answer document of an intent; harmless to repeat."""
        ...
