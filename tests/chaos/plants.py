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
from phoenix_cli.wiring import sim_world
from phoenix_core import kernel
from phoenix_core.acts import last_look
from phoenix_core.beads import Draft, Kind, Position, PositionEvent, ProofKind, T2Token, TokenEvent
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.facts import ExecutionSaid, Snapshot
from phoenix_core.values import Role, State

Patch = pytest.MonkeyPatch


@frozen
class Plant:
    """One bug: how it gets in, and who must notice."""

    id: str
    what: str
    caught_by: tuple[str, ...]
    put: Callable[[Patch], None]


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
    append = sim_world.FailingStore.append

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        try:
            return append(self, expected, beads, texts)
        except StoreFault as fault:
            if fault.kind not in (Fault.FULL, Fault.IO):
                raise
            return Success(beads[-1].head)

    patch.setattr(sim_world.FailingStore, "append", appended)


def _m1(patch: Patch) -> None:
    """The frames leave before the append."""
    append = MemoryStore.append
    held: list[Any] = []

    def appended(self: Any, expected: Any, beads: Sequence[Any], texts: Any = None) -> Any:
        early = isinstance(self, sim_world.FailingStore)
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

    def made(store: Any, broker: Any, clock: Any, run: str) -> Any:
        held.append(broker)
        return engine_of(store, broker, clock, run)

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
    first = cleared.frames[0]
    other = evolve(first, line=evolve(first.line, account="0" * 64))
    return evolve(cleared, seal=last_look._SEAL, frames=(other, *cleared.frames[1:]))


PLANTS: Final = (
    Plant("M1", "send before commit", ("I4",), _m1),
    Plant("M3", "token not consumed", ("I2",), _m3),
    Plant("M4", "the frame is not the order that was approved", ("I2",), _m4),
    Plant("M9", "silence is read as a rejection", ("I9",), _m9),
    Plant("M10", "not found is read as cancelled", ("I9",), _m10),
    Plant("M12", "the reconciler corrects a quantity", ("I11",), _m12),
    Plant("M14", "a transition without its event", ("I5",), _m14),
    Plant("M24", "the fold ignores a kind", ("I6",), _m24),
    Plant("M28", "what breaks over a fact is swallowed", ("I10",), _m28),
    Plant("M29", "a full disk is ignored", ("I4", "I23", "BUG"), _m29),
)
