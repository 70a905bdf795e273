"""What became of a signed exit, as the log says it: CLOSED, SENT, NOT_SENT with its reasons, or UNKNOWN."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from attrs import frozen

from phoenix_cli.output import REFUSED, UNREACHABLE

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Bead

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


def became(session: Session, position_id: str, since: int, *, closing: bool) -> Became:
    """Read on in the log from a place until it says what became of the exits of a position."""
    from phoenix_core.kernel import bead_of
    from phoenix_core.trade.positions import Open

    began, looked = time.monotonic(), since
    sent_at: float | None = None
    while True:
        _ = session.recorder.catch_up()
        for record in session.store.read(looked):
            looked = record.seq + 1
            said = _said(bead_of(record), position_id, closing)
            if said == ():
                sent_at = sent_at or time.monotonic()
            elif said is not None:
                return Became("NOT_SENT", _state(session, position_id), said, "what is held is held still")
        now, position = time.monotonic(), session.desk.positions.find(position_id)
        if closing and not isinstance(position, Open):
            return Became("CLOSED", _state(session, position_id))
        if sent_at is not None and (not closing or now - sent_at > FILLED_WITHIN_S):
            return Became("SENT", _state(session, position_id))
        if sent_at is None and now - began > SEEN_WITHIN_S:
            return Became("UNKNOWN", _state(session, position_id), (), "not said yet: look before you repeat")
        _ = session.store.wait(looked, 0.1)


def _said(bead: Bead, position_id: str, closing: bool) -> tuple[str, ...] | None:
    """Reasons why a frame did not leave, none where it did; None where the bead is about something else: a new size of
    its protection is no close."""
    from phoenix_core.beads import Alert, AlertEvent, Order, OrderEvent
    from phoenix_core.values import Role
    from phoenix_core.watch.codes import Code

    body = bead.body
    roles = (Role.CLOSE,) if closing else (Role.STOP, Role.TARGET)
    if isinstance(body, Order) and body.position_id == position_id and body.role in roles:
        if body.event is OrderEvent.SENT:
            return ()
        if body.event is OrderEvent.DROPPED:
            return tuple(body.reason.split()) if body.reason else ("DROPPED",)
    if isinstance(body, Alert) and body.event is AlertEvent.RAISED and body.code == Code.CLOSE_NOT_SENT.value:
        return ("CLOSE_NOT_SENT",) if body.subject == position_id else None
    return None


def _state(session: Session, position_id: str) -> str:
    found = session.desk.positions.find(position_id)
    return found.state.value if found is not None else ""
