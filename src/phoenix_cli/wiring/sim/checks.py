"""The oracle of the simulation, after every turn of the engine: what left, what the log says, what the desk says.

The ledger and the frames find most by themselves while they read and watch; here the desk is held against the ledger,
a second fold of the log against the desk, what was published against the log, and, after the calm, all against the
broker's truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_cli.wiring.sim.frames import Frames
from phoenix_cli.wiring.sim.ledger import REF_LENGTH, SENT, UNKNOWN_MAX, Ledger
from phoenix_cli.wiring.sim.mishaps import FailingFile, FailingStore, Mishap
from phoenix_cli.wiring.sim.rules import uncovered, unkilled
from phoenix_core.desk import Desk, evolve, freeze
from phoenix_core.kernel import bead_of
from phoenix_core.tree import EMPTY_FRONTIER, Frontier, leaf_hash
from phoenix_core.values import Role, Severity, Side, State, plain
from phoenix_core.watch.alerts import Message

# In a currency the broker's holding is a cross-check: so much of it may be cash of other origin (DECISIONS E14).
CASH: Final = Decimal(1000)
# How drift of a holding is named.
HOLDING: Final = ("count", "size", "sign")

# So many pictures may be lost on their way to a log that takes nothing. What a dead process was shown is none of them.
LOST_MAX: Final = 3
# Protection that was asked to end makes way for a close; what did not come in that time is the loss of it.
WAY_IS_MADE: Final = timedelta(seconds=3)
# What a log that takes nothing is called, and after how many looks every channel has heard of it.
CRIED: Final = "The log takes no beads"
CRIED_WITHIN: Final = 3


@frozen
class Violation:
    """A promise that was broken: which, when, and what was seen; `also` are those broken in the same step."""

    invariant: str
    step: int
    said: str
    also: tuple[str, ...] = ()


class Found(Exception):
    """A checker is red; the run ends here."""

    def __init__(self, violation: Violation) -> None:
        """Carry what was found."""
        super().__init__(violation.invariant)
        self.violation = violation


@define
class Oracle:
    """Everything that judges one run."""

    ledger: Ledger
    frames: Frames
    store: FailingStore | FailingFile
    steps: int = 0
    inputs: list[tuple[str, str]] = Factory(list)  # digests and names of what was handed in since the last look
    published: dict[int, bytes] = Factory(dict)  # checkpoints that left the host: size -> root
    waiting: set[str] = Factory(set)  # critical drifts whose kill was not raised at the last look: the next turn does
    bare: dict[str, timedelta] = Factory(dict)  # what stands without protection or alarm -> since when, in ticks
    late: dict[str, timedelta] = Factory(dict)  # what outlived its span -> since when that was seen, in ticks
    overdue: dict[str, timedelta] = Factory(dict)  # entries that work too long -> since when that was seen, in ticks
    hanging: Callable[[], bool] = lambda: False  # whether a channel keeps something that it was given
    hears: Callable[[], bool] = lambda: True  # whether every channel takes what it is given
    mishap: Callable[[], Mishap] = Mishap  # of the engine's handle on the log
    twin: Desk = Factory(Desk)  # a second fold of the log
    grown: Frontier = EMPTY_FRONTIER  # the tree over what was read, as far as it was published

    def look(self, desk: Desk) -> None:
        """Every checker, after every step; raises what it found."""
        self.steps += 1
        ledger = self.ledger
        self.stands()
        found = [*self.frames.found, *ledger.found]
        for what in self.inputs:
            if ledger.signals.get(what, 0) != 1:
                found.append(("I20", f"input {what} has {ledger.signals.get(what, 0)} outcomes"))
        self.inputs.clear()
        untold = self.frames.rules.untold
        found.extend(
            ("I18", f"bead {seq}: {subject} is critical, and no alert says so") for subject, seq in untold.items()
        )
        if ledger.unknown >= UNKNOWN_MAX and not self._is_told("RECONCILIATION_UNKNOWN"):
            found.append(("I13", f"{ledger.unknown} pictures in a row were not whole, and nobody was told"))
        if ledger.wire.torn >= UNKNOWN_MAX + LOST_MAX and not self.frames.failed() and not ledger.unknown:
            found.append(("I13", f"{ledger.wire.torn} pictures in a row were not whole, and the log says nothing"))
        found.extend(("I23", said) for said in _stopped(self.mishap(), self.hears()))
        if (ahead := self.blame(desk)) is not None:
            found.append(("I4", ahead.said))
        if desk.head.size == ledger.size and not self.frames.failed():
            now = ledger.clock.now().ticks
            self.bare = {said: self.bare.get(said, now) for said in uncovered(self.frames.rules, ledger)}
            found.extend(("D4", said) for said, since in sorted(self.bare.items()) if now - since > WAY_IS_MADE)
            old = self.frames.outlived() if ledger.wire.synchronised else []
            self.overdue = {ref: self.overdue.get(ref, now) for ref in old}
            found.extend(
                ("LIFE", f"{ref} works longer than an approval covers, and nobody asked for its end")
                for ref, since in self.overdue.items()
                if now - since > WAY_IS_MADE
            )
            self.late = {said: self.late.get(said, now) for said in self.frames.rules.times.late()}
            found.extend(("I17", said) for said, since in self.late.items() if now - since > WAY_IS_MADE)
            waits = unkilled(self.frames.rules, ledger.drifts, ledger.acknowledged)
            found.extend(("E5", said) for identity, said in waits.items() if identity in self.waiting)
            self.waiting = set(waits)
        if desk.head.size == ledger.size and ledger.changed:
            found.extend(_agrees(desk, ledger))
            ledger.changed.clear()
        if found:
            self._raise(found)

    def stands(self) -> None:
        """I7: what was read in the log once is there; what is new is read while it is of this moment. I5: an append is
        there whole or not at all, whenever its process died."""
        size, ledger = self.store.head().size, self.ledger
        if size < ledger.size:
            self._raise([("I7", f"the log ends at {size}, and {ledger.size} beads were read in it")])
        ledger.read()
        torn = [token.order_ref for token in ledger.spending.values()]
        parts = [*torn, *sorted(ledger.traded), *sorted(ledger.adopted)]
        if parts:
            self._raise([*self.frames.found, *ledger.found, ("I5", f"one append in two parts: {parts}")])

    def blame(self, desk: Desk) -> Violation | None:
        """I4: what a desk knows stands in the log; of one that knows more, whatever broke in it is that."""
        size = self.store.head().size
        if desk.head.size <= size:
            return None
        return Violation("I4", self.steps, f"the desk knows {desk.head.size} beads, the log holds {size}")

    def publish(self) -> str:
        """A checkpoint leaves the host: what it says of the log can never be taken back."""
        if size := self.store.head().size:
            self.published[size] = self.store.root(size)
        return ""

    def told(self, message: Message) -> None:
        """A channel took a message: what it says is out, and its alerts are delivered."""
        self.ledger.read()
        late = list(self.frames.rules.honest.told(message.alerts))
        self.frames.found.extend(late if not self.hanging() else ())  # what a channel keeps is on its way
        self.frames.said(message.text)
        if not message.alerts and CRIED in message.text:
            self.mishap().cried = True
        self.frames.found.extend(self.frames.rules.words(message.text, "a message"))

    def replay(self, desk: Desk) -> None:
        """I6 and I7: a second fold is the desk, byte for byte; the chain verifies; what was published stands."""
        found: list[tuple[str, str]] = []
        for record in self.store.read(self.twin.head.size):
            self.twin = evolve(self.twin, bead_of(record))
        if desk.head.size == self.twin.head.size and freeze(self.twin) != freeze(desk):
            found.append(("I6", "a replay gives another desk"))
        for size, root in sorted(self.published.items()):
            self.grown = self.grown.extend(self.ledger.leaves[self.grown.size : size])
            if self.grown.size != size or self.grown.root() != root:
                found.append(("I7", f"the checkpoint of {size} beads is no prefix of the log"))
        self.published.clear()
        if found:
            self._raise(found)

    def verify(self) -> None:
        """I7: every byte from the first bead on is as it was when it was new. Then each bead's place, link and spelling
        were checked; what hashes to the same leaf is the same bead."""
        if [leaf_hash(data) for data in self.store.raw()] != self.ledger.leaves:
            self._raise([("I7", "the log is not what was read in it")])
        if len(self.ledger.ids) != self.ledger.size:
            self._raise([("I7", f"{self.ledger.size} beads have {len(self.ledger.ids)} ids")])

    def calm(self, desk: Desk) -> None:
        """After the calm: nothing is lost, every difference has its drift, everything held is protected or told of."""
        ledger = self.ledger
        found = [*_heard(ledger), *_held(ledger), *_exits(ledger, self.frames.rules.terms), *_ends(ledger)]
        untold = self.frames.rules.honest.untold()
        if untold:
            found.append(("I18", f"alerts that no channel was given: {untold}"))
        if found:
            self._raise(found)

    def _is_told(self, code: str) -> bool:
        return any(alert.code == code for alert in self.ledger.alerts.values())

    def _raise(self, found: list[tuple[str, str]]) -> None:
        names = tuple(dict.fromkeys(name for name, _ in found))
        raise Found(Violation(names[0], self.steps, found[0][1], names[1:]))


def _stopped(mishap: Mishap, hears: bool) -> Iterator[str]:
    """I23: a run whose log refused an append has raised the latch, and said so where somebody could hear it."""
    if not mishap.refused:
        return
    mishap.hears = hears if mishap.hears is None else mishap.hears and hears
    mishap.looks += 1
    if not mishap.halted:
        yield "the log refused an append, and no latch is up"
    if mishap.hears and mishap.looks > CRIED_WITHIN and not mishap.cried:
        yield "the log refused an append, and nobody was told"


def _agrees(desk: Desk, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """I5, I8 and I12 of the positions that beads touched: the desk says what their beads say."""
    for name in sorted(ledger.changed):
        position = desk.positions.open.get(name)
        if position is None:
            if ledger.states[name] not in (State.CLOSED, State.CANCELLED, State.REJECTED):
                yield "I5", f"{name} is {ledger.states[name]} in its beads, and the desk does not hold it"
            continue
        if ledger.states[name] is not position.state:
            yield "I5", f"{name} is {position.state}, its beads say {ledger.states[name]}"
        told = ledger.executed(name, entries=True)
        left = ledger.executed(name, entries=False)
        if (told, left) != (position.filled_quantity, position.exited_quantity):
            stands = f"{position.filled_quantity} in and {position.exited_quantity} out"
            yield "I8", f"{name}: executions say {told} in and {left} out, the position {stands}"
        ref = (position.order_ref or "")[:REF_LENGTH]
        if position.filled_quantity > position.requested_quantity and ref and ref not in ledger.overfilled:
            yield "I8", f"{name} is overfilled and no drift says so"
    for symbol in sorted({*ledger.nets, *desk.positions.nets}):
        ours, told = desk.positions.net(symbol), ledger.nets.get(symbol, Decimal(0))
        if ours != told:
            yield "I12", f"the desk holds {ours} {symbol}, its executions say {told}"


def _heard(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """I10: what the broker executed is in the log; a later revision speaks for the earlier ones."""
    latest = {said.exec_id.rpartition(".")[0]: said for said in ledger.wire.truth.executions}
    for said in latest.values():
        if said.exec_id not in ledger.known:
            yield "I10", f"execution {said.exec_id} of {said.ref} never reached the log"


def _held(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """I12: what the broker holds is what the executions say, or drift says that it is not."""
    for symbol, held in ledger.wire.truth.held.items():
        ours = ledger.nets.get(symbol, Decimal(0))
        told = any(drift.instrument == symbol for drift in ledger.drifts.values())
        told = told or (symbol in ledger.answered and abs(held - ours) <= CASH)
        if held != ours and not told:
            yield "I12", f"{symbol}: the broker holds {held}, we {ours}, and no drift says so"
        holdings = [d for d in ledger.drifts.values() if d.instrument == symbol and d.cause in HOLDING]
        answered = holdings and all(drift.identity in ledger.acknowledged for drift in holdings)
        known = any(drift.broker_state["quantity"] == plain(held) for drift in holdings)
        if answered and not known and abs(held - ours) > CASH:
            yield "I12", f"{symbol}: the broker holds {held}, and a human only answered another figure"


def _exits(ledger: Ledger, terms: Mapping[str, tuple[Decimal, Decimal]]) -> Iterator[tuple[str, str]]:
    """D7: exits that would OPEN a position have their drift. D4: a position without its stop, where it was signed for,
    has its alarm."""
    truth = ledger.wire.truth
    for symbol in truth.held:
        for side in Side:
            groups: dict[str, Decimal] = {}
            for working in truth.book.values():
                line = working.frame.line
                if line.symbol == symbol and line.side is side and line.role.is_exit and not working.ends:
                    groups[working.group] = max(groups.get(working.group, Decimal(0)), working.remaining)
            rests = sum(
                (w.remaining for w in truth.book.values() if w.frame.line.role is Role.ENTRY and not w.ends), Decimal(0)
            )
            surplus = sum(groups.values(), Decimal(0)) - max(Decimal(0), -side.sign * truth.held[symbol]) - rests
            told = any(d.cause == "orphan_exit" and d.instrument == symbol for d in ledger.drifts.values())
            if surplus > CASH and not told:
                yield "D7", f"exits of {surplus} {symbol} would open a position, and no drift says so"
    # That an order stands elsewhere says why; that the position is bare is said by an alarm of its own.
    alarmed = {
        alert.subject
        for alert in ledger.alerts.values()
        if alert.severity is Severity.CRITICAL and alert.code != "ORDER_ALTERED"
    }
    for name, state in ledger.states.items():
        position = ledger.last[name]
        held = ledger.executed(name, entries=True) - ledger.executed(name, entries=False)
        if state not in (State.FILLED, State.MANAGED) or held <= 0 or position.order_ref is None:
            continue
        entry = position.order_ref[:REF_LENGTH]
        stops = (w for r, w in truth.book.items() if r.startswith(entry) and w.frame.line.role is Role.STOP)
        where = terms[name][0]
        stands = any(not s.ends and s.remaining >= held and s.frame.line.trigger == where for s in stops)
        if not stands and name not in alarmed and not any(subject.startswith(entry) for subject in alarmed):
            yield "D4", f"{name} holds {held} without a standing stop, and nobody was told"


def _ends(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """What the broker ended is ended here, or a human was told that nothing is known of it."""
    alarmed = {alert.subject for alert in ledger.alerts.values()}
    for name, state in ledger.states.items():
        position = ledger.last[name]
        working = ledger.wire.truth.book.get(position.order_ref or "")
        over = working is None or working.ends
        if state in SENT and over and name not in alarmed:
            yield "END", f"{name} is {state}, its order is over at the broker, and nobody was told"
