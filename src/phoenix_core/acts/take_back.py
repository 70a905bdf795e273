"""Taking back what no engine answered: an approval that was not acted on, a signed command that was not carried out.

Who signs waits two seconds for the engine. NOT SENT is a promise about the future too: it may be said only once
nothing can come of that signature any more. So this lands first, on the same log, and an engine that wakes up later
finds nothing to do. If the engine was faster, there is nothing to take back, and what it did is what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.last_look import signed_moment
from phoenix_core.beads import About, Observation, PositionEvent, Proof, ProofKind, Settlement, Settles
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut
from phoenix_core.gate import tokens
from phoenix_core.gate.statements import Close, read_statement
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.positions import Open, changed
from phoenix_core.values import CommandId, State
from phoenix_core.world import World

NOT_ANSWERED: Final = "NOT_ANSWERED"


@frozen
class TakeBack:
    """Nobody answered the decision at this place in the log: nothing more may come of it."""

    command_id: CommandId
    decision: int


Command = TakeBack


def _take_back(desk: Desk, command: TakeBack, world: World) -> Ruling:
    owed = desk.owed.get((command.decision, 0))
    if isinstance(owed, CarryOut):
        return _unasked(desk, command, owed)
    for token in desk.tokens.live.values():
        if desk.approvals.decided[token.intent_id].seq == command.decision:
            return _unapproved(desk, token)
    return denied(refusal(Reason.NOTHING_TO_DO, detail="answered already"))


def _unasked(desk: Desk, command: TakeBack, owed: CarryOut) -> Ruling:
    """A signed command that waits. A close whose protection makes way for it is answered, though not done."""
    if owed.type == Close.type and _makes_room(desk, owed.subject, command.decision):
        return denied(refusal(Reason.PROTECTION_STILL_WORKS, detail="the close is under way"))
    seen = Observation(About.EFFECT, owed.subject, {"type": owed.type, "outcome": "taken back"})
    return settling(granted(owed.subject, seen), Settles(command.decision, 0, Settlement.DROPPED))


def _makes_room(desk: Desk, name: str, since: int) -> bool:
    """Whether the end of a position's exits, or a new size of them, was asked for since this command."""
    position, recorded = desk.positions.find(name), desk.approvals.recent.get(since)
    if recorded is None:
        return False  # older than any signature that could still be acted on
    signed = signed_moment(recorded, read_statement(recorded.signed.statement.encode()))
    known = desk.orders.of(position.position_id) if isinstance(position, Open) else ()
    exits = [order for order in known if order.role.is_exit]
    asked = (order.cancel_requested for order in exits if order.cancel_requested is not None)
    later = any(at.boot != signed.boot or at.ticks >= signed.ticks for at in asked)
    return later or any(order.recorded_seq > since for order in exits)


def _unapproved(desk: Desk, token: tokens.Token) -> Ruling:
    """A live token and the approval that it stands for."""
    position = desk.positions.open_of_intent(token.intent_id)
    assert position is not None and position.state is State.APPROVED, "a live token belongs to an approved intent"
    proof = Proof(ProofKind.RULE, NOT_ANSWERED)
    withdrawn = changed(position, PositionEvent.WITHDRAWN, proof, reasons=(NOT_ANSWERED,))
    return granted(token.intent_id, tokens.revoked(token, (Reason.ENGINE_NOT_RUNNING,)), withdrawn)


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {TakeBack: _take_back}
