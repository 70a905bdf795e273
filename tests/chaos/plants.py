"""Planted bugs: one switch a bug, by replacing one production function. Only the tests know them.

A green simulation proves nothing unless its checkers bite. Each plant names the invariants that must notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest
from attrs import evolve, frozen
from returns.result import Success

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.engine import loop, recorder
from phoenix_adapters.engine.telling import Teller
from phoenix_cli.wiring.sim import world as sim_world
from phoenix_cli.wiring.sim.mishaps import Crash, FailingStore
from phoenix_core import kernel
from phoenix_core.acts import after, last_look, lights
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.propose import Quarantine
from phoenix_core.beads import Decision, Draft, Kind, Position, PositionEvent, ProofKind, T2Token, TokenEvent, Verdict
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.facts import ExecutionSaid, Snapshot
from phoenix_core.gate import guards, kill_flags, limits, tokens
from phoenix_core.gate.statements import Decide, read_statement
from phoenix_core.orders import order_hash
from phoenix_core.trade import fills
from phoenix_core.trade.fills import Answer
from phoenix_core.trade.positions import Positions
from phoenix_core.values import Quantity, Role, State
from phoenix_core.watch import compare
from phoenix_core.watch.health import Earned

Patch = pytest.MonkeyPatch


@frozen
class Plant:
    """One bug: how it gets in, and who must notice."""

    id: str
    what: str
    caught_by: tuple[str, ...]
    put: Callable[[Patch], None]
    first: int = 1  # the seed that met it when this was written: tried before all others
    scene: str = ""  # the directed story that shows it, where storms rarely do


def _rulings(patch: Patch, change: Callable[[Any], Any]) -> None:
    """Change the bodies of every ruling on their way to the log."""
    judge = kernel.decide

    def judged(desk: Any, command: Any, world: Any) -> Any:
        ruling = judge(desk, command, world)
        drafts = tuple(evolve(draft, body=change(draft.body)) for draft in ruling.drafts)
        return evolve(ruling, drafts=drafts)

    patch.setattr(recorder, "decide", judged)


def _m3(patch: Patch) -> None:
    """A token is not spent."""
    judge = kernel.decide

    def judged(desk: Any, command: Any, world: Any) -> Any:
        ruling = judge(desk, command, world)
        kept = (d for d in ruling.drafts if not (isinstance(d.body, T2Token) and d.body.event is TokenEvent.USED))
        return evolve(ruling, drafts=tuple(kept))

    patch.setattr(recorder, "decide", judged)
    patch.setattr(loop, "clear", _unlit)


def _unlit(desk: Any, key: Any, send: Any, world: Any) -> Any:
    """A last look that sees nothing."""
    entry = send.frames[0].line.role is Role.ENTRY
    return Success(last_look.ClearedOrder(send.position_id, send.ref, send.frames, send.group, entry, last_look._SEAL))


def _m12(patch: Patch) -> None:
    """A picture corrects a quantity."""
    judge = kernel.decide

    def judged(desk: Any, command: Any, world: Any) -> Any:
        ruling = judge(desk, command, world)
        fact = getattr(command, "fact", None)
        if isinstance(fact, Snapshot):
            for position in desk.positions.in_state(State.MANAGED):
                body = evolve(position.last, from_=position.state, event=None, filled_quantity=Decimal(1))
                return evolve(ruling, drafts=(*ruling.drafts, Draft(body)))
        return ruling

    patch.setattr(recorder, "decide", judged)


def _m14(patch: Patch) -> None:
    """A transition leaves its event out."""

    def change(body: Any) -> Any:
        forgets = isinstance(body, Position) and body.event is PositionEvent.PROTECTED
        return evolve(body, event=None) if forgets else body

    _rulings(patch, change)
    patch.setattr("phoenix_core.trade.positions._assert_legal", lambda *a, **k: None)


def _m9(patch: Patch) -> None:
    """Silence is read as a rejection."""

    def change(body: Any) -> Any:
        if isinstance(body, Position) and body.event is PositionEvent.STALLED and body.proof.type is ProofKind.RULE:
            return evolve(body, event=PositionEvent.REJECTED, state=State.REJECTED)
        return body

    _rulings(patch, change)


def _m10(patch: Patch) -> None:
    """What is silent is read as cancelled, and a message is made up for it."""

    def change(body: Any) -> Any:
        if isinstance(body, Position) and body.event is PositionEvent.STALLED:
            proof = evolve(body.proof, type=ProofKind.BROKER_MESSAGE, id="not found")
            return evolve(body, event=PositionEvent.CANCELLED, state=State.CANCELLED, proof=proof)
        return body

    _rulings(patch, change)


def _m24(patch: Patch) -> None:
    """The live fold leaves one kind out."""
    fold = kernel.evolve

    def folded(desk: Any, bead: Any) -> Any:
        if bead.body.kind is Kind.HEARTBEAT:
            desk.head = type(desk.head)(bead.seq + 1, bead.leaf)
            return desk
        return fold(desk, bead)

    patch.setattr(recorder, "evolve", folded)


def _m28(patch: Patch) -> None:
    """Whatever breaks over an execution is swallowed."""
    hear = loop.Engine._hear

    def heard(self: Any, fact: Any) -> None:
        if not isinstance(fact, ExecutionSaid):
            hear(self, fact)

    patch.setattr(loop.Engine, "_hear", heard)


def _m29(patch: Patch) -> None:
    """A full disk is logged and forgotten: the engine goes on with beads that are nowhere."""
    append = FailingStore.append

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        try:
            return append(self, expected, beads, texts)
        except StoreFault as fault:
            if fault.kind not in (Fault.FULL, Fault.IO):
                raise
            return Success(beads[-1].head)

    patch.setattr(FailingStore, "append", appended)


def _m1(patch: Patch) -> None:
    """The frames leave before the append."""
    append = MemoryStore.append
    held: list[Any] = []

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        early = isinstance(self, FailingStore)
        for record in beads if early else ():
            body = kernel.bead_of(record).body
            if isinstance(body, Position) and body.event is PositionEvent.SUBMITTED:
                order: Any = next(kernel.bead_of(r).body for r in beads if r.kind == Kind.ORDER.value)
                cleared = last_look.ClearedOrder(
                    order.position_id, order.ref, order.frames, order.group, True, last_look._SEAL
                )
                held[-1].hand_over(cleared)
        return append(self, expected, beads, texts)

    engine_of = sim_world.engine_of

    def made(store: Any, broker: Any, *more: Any) -> Any:
        held.append(broker)
        return engine_of(store, broker, *more)

    patch.setattr(sim_world, "engine_of", made)
    patch.setattr(MemoryStore, "append", appended)


def _m4(patch: Patch) -> None:
    """What is sent is not what was approved: the other side."""
    look = kernel.clear

    def looked(desk: Any, key: Any, send: Any, world: Any) -> Any:
        found = look(desk, key, send, world)
        return found.map(_flipped)

    patch.setattr(loop, "clear", looked)


def _flipped(cleared: Any) -> Any:
    if not cleared.is_entry:
        return cleared
    first = cleared.frames[0]
    other = evolve(first, line=evolve(first.line, account="0" * 64))
    return evolve(cleared, seal=last_look._SEAL, frames=(other, *cleared.frames[1:]))


def _m4b(patch: Patch) -> None:
    """The hash of an order leaves its time in force out, wherever it is computed."""

    def hashed(lines: Any) -> str:
        return order_hash(tuple(evolve(line, tif=lines[0].tif, account="") for line in lines))

    for module in ("phoenix_core.acts.propose", "phoenix_core.gate.evidence", "phoenix_core.acts.last_look"):
        patch.setattr(f"{module}.order_hash", hashed, raising=False)
    patch.setattr("phoenix_core.acts.submit.order_hash", hashed, raising=False)


def _m6(patch: Patch) -> None:
    """What reads the kill flags raises, and whoever asks goes on."""
    patch.setattr(kill_flags, "active", lambda *a: ())


def _m7(patch: Patch) -> None:
    """Executions are told apart by their order."""
    answer = fills.Fills.answer

    def answered(self: Any, said: Any) -> Answer:
        owner = self.shelved.get(said.ref[:28], "") or self.owners.get(said.exec_id.rpartition(".")[0], "")
        known = any(fill.ref == said.ref for name in (owner, *self.whole) for fill in self.of(name))
        return Answer.KNOWN if known else answer(self, said)

    patch.setattr(fills.Fills, "answer", answered)


def _m15(patch: Patch) -> None:
    """The beads of one append are written one by one."""
    whole = MemoryStore.append

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        if not isinstance(self, FailingStore):
            return whole(self, expected, beads, texts)
        done: Any = None
        for bead in beads:
            if self.mishap.dies_in is not None and bead is not beads[0]:
                self.mishap.dies_in = None
                raise Crash("between two beads")
            done = whole(self, expected, [bead], texts)
            expected = bead.head
        return done

    patch.setattr(FailingStore, "append", appended)


def _m17(patch: Patch) -> None:
    """A position forgets its sign."""
    patch.setattr(Positions, "net", lambda self, pair: abs(self.nets.get(pair, Decimal(0))))


def _m20(patch: Patch) -> None:
    """The engine waits for the channels to people."""
    step = loop.Engine.step

    async def stepped(self: Any) -> None:
        await step(self)
        for task in tuple(self._tasks):
            await task

    patch.setattr(loop.Engine, "step", stepped)
    patch.setattr("phoenix_cli.wiring.sim.acts.PATIENCE_S", 0.3)


def _m21(patch: Patch) -> None:
    """The beat comes from a bare timer."""
    patch.setattr(loop, "Earned", lambda *a, **k: Earned(True, True, True, outage_declared=False))


def _m25(patch: Patch) -> None:
    """A second approval overwrites the first."""
    judge, first = kernel.decide, dict[str, Any]()

    def judged(desk: Any, command: Any, world: Any) -> Any:
        ruling = judge(desk, command, world)
        if not isinstance(command, Sign):
            return ruling
        says = read_statement(command.checked.statement).says
        if not isinstance(says, Decide) or says.verdict is not Verdict.APPROVE:
            return ruling
        if says.intent not in first:
            if any(isinstance(draft.body, T2Token) for draft in ruling.drafts):
                first[says.intent] = ruling
            return ruling
        live = desk.tokens.live_for(says.intent)
        if live is None:
            return ruling
        told = (d for d in first[says.intent].drafts if not isinstance(d.body, Decision))
        again = [evolve(d, body=_other(d.body, command.token_id)) for d in told]
        return evolve(first[says.intent], drafts=(Draft(tokens.revoked(live, ())), *again))

    patch.setattr(recorder, "decide", judged)
    patch.setattr("phoenix_core.trade.positions._assert_legal", lambda *a, **k: None)


def _other(body: Any, token: str) -> Any:
    return evolve(body, id=token) if isinstance(body, T2Token) else body


def _added(patch: Patch) -> None:
    """A correction is added to what it corrects."""
    patch.setattr(fills, "taken", lambda known, fill: (*known, fill))


def _stale_leader(patch: Patch) -> None:
    """Nobody looks at the lease, nor at the run that a token names."""
    over = tokens.life_over
    patch.setattr(tokens, "life_over", lambda token, now, epoch: over(token, now, token.epoch))
    patch.setattr(guards, "lease_light", lambda *a: None)
    patch.setattr(kernel, "lease_light", lambda *a: None)


def _doubled(patch: Patch, exits: bool) -> None:
    look = kernel.clear

    def twice(cleared: Any) -> Any:
        if cleared.is_entry is exits:
            return cleared
        frames = tuple(evolve(f, line=evolve(f.line, quantity=Quantity(2 * f.line.quantity))) for f in cleared.frames)
        return evolve(cleared, seal=last_look._SEAL, frames=frames)

    patch.setattr(loop, "clear", lambda *a: look(*a).map(twice))


def _cut_picture(patch: Patch) -> None:
    """A picture that was cut off is read as the whole."""
    patch.setattr(compare, "why_unknown", lambda book, snapshot: "")


def _swallowed(patch: Patch) -> None:
    """What cannot be read is dropped without a word."""
    judge = kernel.decide

    def judged(desk: Any, command: Any, world: Any) -> Any:
        ruling = judge(desk, command, world)
        return evolve(ruling, drafts=()) if isinstance(command, Quarantine) else ruling

    patch.setattr(recorder, "decide", judged)


def _goes_on(patch: Patch) -> None:
    """After a refused append, entries go on."""
    patch.setattr(loop.Engine, "_stop_entries", lambda self, fault: None)


def _untold(patch: Patch) -> None:
    """Alerts are recorded and reach nobody."""
    patch.setattr(Teller, "due", lambda self, desk, now: [])


def _unsynced(patch: Patch) -> None:
    """What the disk acknowledged last is gone after the crash."""
    whole = FailingStore.append

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        try:
            return whole(self, expected, beads, texts)
        except Crash:
            log = self.log
            size = max(0, len(log.leaves) - 5)
            log.ids = {name: seq for name, seq in log.ids.items() if seq < size}
            del log.leaves[size:], log.beads[size:]
            log.frontier = type(log.frontier)().extend(log.leaves)
            raise

    patch.setattr(FailingStore, "append", appended)


def _orphans(patch: Patch) -> None:
    """Nobody counts the exits against the position."""
    patch.setattr(compare, "_orphans", lambda *a: iter(()))


def _closed_early(patch: Patch) -> None:
    """A position is over as soon as it holds nothing, whatever works."""
    orders = "exits_of"
    patch.setattr(after, "_over", _over_at_once)
    patch.setattr(f"phoenix_core.trade.order_book.Orders.{orders}", lambda self, name: ())


def _over_at_once(desk: Any, stake: Any, message: Any, world: Any, key: Any) -> Any:
    if stake.totals.held != 0:
        return []
    return after._closed(desk, stake.position, stake.totals, None, message, world, key)


def _late_token(patch: Patch) -> None:
    """A token is believed for as long as it lies there."""
    patch.setattr(tokens, "life_over", lambda *a: None)


def _dead_link(patch: Patch) -> None:
    """A flag that says connected is enough."""
    patch.setattr(guards, "link_light", lambda *a, **k: None)


def _drifting(patch: Patch) -> None:
    """Drift is told; neither it nor the kill that it raises stops anything."""
    patch.setattr(lights, "blocking", lambda *a: ())
    patch.setattr(limits, "_busy", lambda *a: iter(()))
    patch.setattr(kill_flags, "active", lambda *a: ())


PLANTS: Final = (
    Plant("M1", "send before commit", ("I4",), _m1, 2),
    Plant("M3", "token not consumed", ("I2",), _m3, 2),
    Plant("M4", "the frame is not the order that was approved", ("I2",), _m4, 2),
    Plant("M4-hash", "the hash leaves fields out", ("I2",), _m4b, 2),
    Plant("M6", "the kill path raises", ("I14",), _m6, 4),
    Plant("M7", "executions are told apart by their order", ("I10", "I8"), _m7, 3),
    Plant("M9", "silence is read as a rejection", ("I9",), _m9, 4),
    Plant("M10", "not found is read as cancelled", ("I9",), _m10, 4),
    Plant("M12", "the reconciler corrects a quantity", ("I11",), _m12, 2),
    Plant("M14", "a transition without its event", ("I5",), _m14, 2),
    Plant("M15", "beads outside their transaction", ("I5", "I6"), _m15, 3),
    Plant("M17", "a position without its sign", ("I12",), _m17, 2),
    Plant("M20", "the notifier is awaited", ("I18",), _m20, 13),
    Plant("M21", "the beat comes from a bare timer", ("I19",), _m21, 14),
    Plant("M24", "the fold ignores a kind", ("I6",), _m24),
    Plant("M25", "a second approval overwrites the first", ("I22",), _m25, 11),
    Plant("M28", "what breaks over a fact is swallowed", ("I10",), _m28, 2),
    Plant("M29", "a full disk is ignored", ("I4", "I23"), _m29, 12),
    Plant("correction-added", "a correction is added up", ("I8",), _added, 3),
    Plant("stale-leader", "nobody looks at the lease", ("I21",), _stale_leader, 19),
    Plant("entry-doubled", "an entry leaves in double size", ("I26",), lambda patch: _doubled(patch, False), 2),
    Plant("exit-doubled", "an exit leaves in double size", ("X1",), lambda patch: _doubled(patch, True), 2),
    Plant("cut-picture", "a picture that was cut off is believed", ("I13",), _cut_picture, 7),
    Plant("swallowed-input", "unreadable input leaves no bead", ("I20",), _swallowed),
    Plant("goes-on", "entries go on after a refused append", ("I23",), _goes_on, 12),
    Plant("untold", "alerts reach nobody", ("I18",), _untold),
    Plant("unsynced", "an acknowledged append is lost in the crash", ("I7",), _unsynced),
    Plant("orphans", "nobody counts exits against the position", ("D7",), _orphans, 119),
    Plant("closed-early", "closed while an order works", ("B8",), _closed_early, 3),
    Plant("late-token", "a token outlives its five minutes", ("I17",), _late_token, 24),
    Plant("dead-link", "the flag of the link is believed", ("I16",), _dead_link),
    Plant("drifting", "drift stops nothing", ("I14", "I16"), _drifting, 4),
)
