"""Two parties that take turns: each runs production code in a thread of its own, and stops before each of its steps.

A step ends where a process may be interrupted by another one: before it looks at the log, before it looks at the
world, before it appends, after the append and before it has noticed; before the last look. Inside a hold nobody else
can write, so that there a party is not stopped: nobody could go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Final

from attrs import Factory, define
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_core.chain import Conflict, Head, Sealed, StateSnapshot
from phoenix_core.ports import BeadStore

STEPS: Final = 6
# Nobody waits for anything but the other party's next step; a minute means that both wait.
STUCK_S: Final = 60.0

Gate = Callable[[], None]


def interleavings() -> list[str]:
    """Every order of six steps of A and six of B: 924."""
    words = []
    for places in combinations(range(2 * STEPS), STEPS):
        words.append("".join("A" if n in places else "B" for n in range(2 * STEPS)))
    return words


class Party:
    """One party: it goes on when it is told to, and stops at its next gate."""

    def __init__(self, work: Callable[[], None]) -> None:
        """Nothing happens yet."""
        self._go, self._back = threading.Lock(), threading.Lock()
        _ = self._go.acquire(), self._back.acquire()
        self.done, self.gates = False, 0
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def gate(self) -> None:
        """The end of a step: the other one may come now. Once the turns are over, nobody waits any more."""
        if threading.current_thread() is not self._thread:
            return
        self.gates += 1
        self._back.release()
        _ = self._go.acquire()

    def step(self) -> None:
        """Go on to the next gate, or to the end."""
        if not self.done:
            self._go.release()
            assert self._back.acquire(timeout=STUCK_S), "both parties wait for each other"

    def finish(self) -> None:
        """Go on to the end; what broke on the way breaks here."""
        while not self.done:
            self.step()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        _ = self._go.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - whatever broke is raised by `finish`, in the test's own thread
            self.error = error
        self.done = True
        self._back.release()


def play(word: str, first: Callable[[Gate], None], second: Callable[[Gate], None]) -> tuple[int, int]:
    """Let both take their turns in the order of the word, then to their ends; answers how many steps each had."""
    one: Party = Party(lambda: first(one.gate))
    two: Party = Party(lambda: second(two.gate))
    for letter in word:
        (one if letter == "A" else two).step()
    one.finish()
    two.finish()
    return one.gates + 1, two.gates + 1


@define
class Gated:
    """A handle on a log that stops at a gate before each look and around each write, except inside a hold."""

    inner: BeadStore
    gate: Gate
    landed: list[Sealed] = Factory(list)  # what was written through this handle
    _held: bool = False

    def _stop(self) -> None:
        if not self._held:
            self.gate()

    def head(self) -> Head:
        """Where the log ends."""
        return self.inner.head()

    def read(self, start: int, stop: int | None = None) -> Iterator[Sealed]:
        """Catching up."""
        self._stop()
        return self.inner.read(start, stop)

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """The append, and the moment in which it has landed and its process does not know."""
        self._stop()
        done = self.inner.append(expected, beads, texts)
        if is_successful(done):
            self.landed += beads
        self._stop()
        return done

    def append_blind(self, make: Callable[[Head], tuple[Sealed, ...]]) -> Head:
        """A blind append."""
        self._stop()
        head = self.inner.append_blind(make)
        self._stop()
        return head

    @contextmanager
    def hold(self) -> Iterator[Head]:
        """The last look."""
        self._stop()
        with self.inner.hold() as head:
            self._held = True
            try:
                yield head
            finally:
                self._held = False
        self._stop()

    def seq_of(self, bead_id: str) -> int | None:
        """Whether it landed before."""
        self._stop()
        return self.inner.seq_of(bead_id)

    def text(self, digest: str) -> str | None:
        """Free text."""
        return self.inner.text(digest)

    def root(self, size: int | None = None) -> bytes:
        """The root."""
        return self.inner.root(size)

    def save_snapshot(self, snapshot: StateSnapshot) -> None:
        """Keep a state."""
        self._stop()
        self.inner.save_snapshot(snapshot)

    def load_snapshot(self, schema: str) -> StateSnapshot | None:
        """The newest state."""
        return self.inner.load_snapshot(schema)

    def wait(self, size: int, timeout_s: float) -> bool:
        """Wait for somebody else's bead."""
        return self.inner.wait(size, timeout_s)
