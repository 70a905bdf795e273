"""An intent that ran out of time, proposed again by the human who missed it: the same setup under a new name.

Nothing of the old one is used: not its evidence, not its time, not a signature. What was proposed is read from the log.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from phoenix_cli.output import refuse

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import CanonicalSignal

# What a signal says of itself alone, and must say anew.
_NEW = ("schema", "signal_id", "intent_id", "created_at", "note")


def ended_intent(session: Session, name: str) -> str:
    """The ended intent that a beginning of its id names; the name itself where it names none, or several."""
    near = {one.intent_id for one in session.desk.positions.ended.values() if one.intent_id.startswith(name)}
    return near.pop() if len(near) == 1 else name


def is_over(session: Session, intent: str) -> bool:
    """Whether an intent ended without an order: expired, passed or withdrawn."""
    from phoenix_core.trade.positions import Ended
    from phoenix_core.values import State

    position = session.desk.positions.of_intent(intent)
    return isinstance(position, Ended) and position.state is State.CANCELLED


def offer(session: Session, intent: str) -> str:
    """At a terminal, one key proposes an intent that is over again; the intent to go on with."""
    if not (sys.stdin.isatty() and is_over(session, intent)):
        return intent
    typed = click.prompt(" This intent is over. p proposes it again, Enter leaves it", default="", show_default=False)
    return propose_again(click.get_current_context(), session, intent) if typed == "p" else intent


def propose_again(ctx: click.Context, session: Session, intent: str) -> str:
    """Hand the same setup in as a new intent; refused where the old one is not over."""
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import proposal_of
    from phoenix_cli.wiring.founding import proposer_of

    before = _signal_of(session, intent)
    if before is None or not is_over(session, intent):
        refuse(ctx, ("UNKNOWN_INTENT",), f"{intent} is no intent that ended without an order")
    command = proposal_of("", _written(session, before), proposer_of(session))
    said = session.recorder.act(command)
    if not is_successful(said):
        refuse(ctx, tuple(reason.value for reason in said.failure().reasons), said.failure().detail)
    return said.unwrap().subject


def _signal_of(session: Session, intent: str) -> CanonicalSignal | None:
    """What was proposed under an intent, from its SIGNAL bead."""
    from phoenix_core.beads import Signal
    from phoenix_core.kernel import bead_of

    for record in session.store.read(0):
        if record.kind == "SIGNAL":
            body = bead_of(record).body
            if isinstance(body, Signal) and body.signal is not None and body.signal.intent_id == intent:
                return body.signal
    return None


def _written(session: Session, signal: CanonicalSignal) -> bytes:
    """The same setup as a document of its own, with new names and the present time."""
    from phoenix_cli.wiring.opening import fresh_id
    from phoenix_core.gate.cse import SCHEMA
    from phoenix_core.records import to_json
    from phoenix_core.values import utc_text

    kept = to_json(signal)
    assert isinstance(kept, dict), "a signal is a record"
    fields = {name: value for name, value in kept.items() if value is not None and name not in (*_NEW, "side")}
    fields |= {"schema": SCHEMA, "signal_id": f"again-{fresh_id()[:13]}", "intent_id": str(fresh_id())}
    fields["created_at"] = utc_text(session.clock.now().wall)
    words = session.store.text(signal.note) if signal.note is not None else None
    if words is not None:
        fields["note"] = words
    return json.dumps(fields).encode()
