"""What became of a signed exit, as the log says it: CLOSED, SENT, NOT_SENT with its reasons, or UNKNOWN."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from attrs import frozen

from phoenix_cli.output import REFUSED, UNREACHABLE

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Bead, Order

# Protection has 3 s to end before a close may go; what the broker then says comes within a moment.
SEEN_WITHIN_S: Final = 5.0
# A market order that is out is filled in a moment, or it is not for us to wait for.
FILLED_WITHIN_S: Final = 2.0


@frozen
class Became:
    """One answer; `reasons` are those of a rule that said no."""

    outcome: str
    state: str = ""
    reasons: tuple[str, ...] = ()
    detail: str = ""

    @property
    def code(self) -> int:
        """The exit code that says the same."""
        if self.outcome in ("CLOSED", "SENT"):
            return 0
        return REFUSED if self.reasons else UNREACHABLE


def became(session: Session, position_id: str, since: int, decided: int | None = None) -> Became:
    """Read on in the log from a place until it says what became of the exits of a position: of its protection, or of
    the close that was signed in the bead `decided`."""
    from phoenix_core.kernel import bead_of
    from phoenix_core.trade.positions import Open

    began, looked, closing = time.monotonic(), since, decided is not None
    refs: set[str] = set()
    sent_at: float | None = None
    while True:
        _ = session.recorder.catch_up()
        for record in session.store.read(looked):
            bead, looked = bead_of(record), record.seq + 1
            said = _said(bead, position_id) if decided is None else _said_of(bead, decided, refs)
            if said == ():
                sent_at = sent_at or time.monotonic()
            elif said is not None:
                held = isinstance(session.desk.positions.find(position_id), Open)
                detail = "what is held is held still" if held else "nothing is held any more: another exit was faster"
                return Became("NOT_SENT", _state(session, position_id), said, detail)
        now, position = time.monotonic(), session.desk.positions.find(position_id)
        if closing and not isinstance(position, Open):
            return Became("CLOSED", _state(session, position_id))
        if sent_at is not None and (not closing or now - sent_at > FILLED_WITHIN_S):
            return Became("SENT", _state(session, position_id))
        if sent_at is None and now - began > SEEN_WITHIN_S:
            return Became("UNKNOWN", _state(session, position_id), (), "not said yet: look before you repeat")
        _ = session.store.wait(looked, 0.1)


def _said_of(bead: Bead, decided: int, refs: set[str]) -> tuple[str, ...] | None:
    """Reasons why the close of a decision did not leave, none where it did; None where it says neither:
    a new size of its protection, or somebody else's close. `refs` are its orders, which grow as they are recorded."""
    from phoenix_core.beads import Order, OrderEvent, Settlement

    body = bead.body
    if isinstance(body, Order):
        if body.event is OrderEvent.RECORDED and body.mandate == f"decision:{decided}":
            refs.add(body.ref)
        if body.ref in refs:
            return _left(body)
    if any((s.seq, s.outcome) == (decided, Settlement.FAILED) for s in bead.settles):
        return tuple(dict(getattr(body, "facts", {})).get("reasons", "CLOSE_NOT_SENT").split())
    return None


def _left(order: Order) -> tuple[str, ...] | None:
    """Of one order: none where its frame left, reasons where it did not; None where the bead says neither."""
    from phoenix_core.beads import OrderEvent

    if order.event is OrderEvent.DROPPED:
        return tuple(order.reason.split()) if order.reason else ("DROPPED",)
    return () if order.event is OrderEvent.SENT else None


def _said(bead: Bead, position_id: str) -> tuple[str, ...] | None:
    """The same of the protection of a position, whoever asked for it."""
    from phoenix_core.beads import Alert, AlertEvent, Order
    from phoenix_core.values import Role
    from phoenix_core.watch.codes import Code

    body = bead.body
    if isinstance(body, Order) and body.position_id == position_id and body.role in (Role.STOP, Role.TARGET):
        return _left(body)
    if isinstance(body, Alert) and body.event is AlertEvent.RAISED and body.code == Code.CLOSE_NOT_SENT.value:
        return ("CLOSE_NOT_SENT",) if body.subject == position_id else None
    return None


def _state(session: Session, position_id: str) -> str:
    found = session.desk.positions.find(position_id)
    return found.state.value if found is not None else ""
