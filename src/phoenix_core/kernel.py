"""The desk's five functions: decide, evolve, react, due, clear. Everything Phoenix does is one of them, in a loop.

drain an input -> decide (pure) -> record (durable, all or nothing) -> perform the effects the recorded beads oblige
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from phoenix_core.acts import approve, broker_said, exits, operate, propose, submit, take_back, timed, vital, vouching
from phoenix_core.acts import due as asked
from phoenix_core.acts.last_look import ClearedOrder, clear
from phoenix_core.beads import Bead, Kind, Said, bead_id_of, body_of, body_text
from phoenix_core.chain import Head, Sealed, seal_texts
from phoenix_core.desk import Desk, evolve
from phoenix_core.effects import react
from phoenix_core.gate.guards import lease_light
from phoenix_core.making import maker
from phoenix_core.records import flaw_of
from phoenix_core.rulings import Ruling, denied
from phoenix_core.values import BadInput, CommandId, Moment, utc_of, utc_text
from phoenix_core.world import World

__all__ = ["ClearedOrder", "bead_of", "clear", "decide", "due", "evolve", "react", "sealed"]

Command = (
    propose.Command
    | approve.Command
    | submit.Command
    | broker_said.Command
    | exits.Command
    | operate.Command
    | timed.Command
    | vital.Command
    | take_back.Command
    | vouching.Command
)

# Each command has one handler. The families' tables are joined here; a test holds the union against `Command`.
_HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    **propose.HANDLERS,
    **approve.HANDLERS,
    **submit.HANDLERS,
    **broker_said.HANDLERS,
    **exits.HANDLERS,
    **operate.HANDLERS,
    **timed.HANDLERS,
    **vital.HANDLERS,
    **take_back.HANDLERS,
    **vouching.HANDLERS,
}


# What only the engine may record. Everything else is said by whoever has something to say: proposers, operators, the
# watchdog; and that a life is over, or a kill stands, may be written down by any process that meets it.
ENGINE_ONLY: Final = frozenset(
    {
        *(propose.Assemble, propose.LookAgain, propose.Announce, submit.Submit, submit.Withhold),
        *(operate.Degraded, operate.Settle, vital.Beat),
        *(*broker_said.HANDLERS, *exits.HANDLERS, *timed.HANDLERS, *vouching.HANDLERS),
    }
) - {timed.ExpireToken, timed.Withdraw, timed.RaiseByRule}


def decide(desk: Desk, command: Command, world: World) -> Ruling:
    """Judge one command on the desk as it stands. Changes nothing; a refusal may leave beads too."""
    handler = _HANDLERS.get(type(command))
    if handler is None:
        raise BadInput("command", type(command).__name__, "give a command, such as Propose, or one that `due` gave")
    if type(command) in ENGINE_ONLY:
        fenced = lease_light(world.run.epoch, -1 if desk.tenure.released else desk.tenure.epoch)
        if fenced is not None:  # of an engine that lost its lease nothing reaches the log
            return denied(fenced)
    return handler(desk, command, world)


def due(desk: Desk, now: Moment) -> tuple[Command, ...]:
    """What time, or a bead that somebody else wrote, asks of the desk now. Idempotent; needs no memory."""
    return asked.due(desk, now)


def sealed(head: Head, ts: datetime, command_id: CommandId, ruling: Ruling) -> tuple[Sealed, ...]:
    """A ruling's beads in the places they would have on this head. A retry of the command makes the same ids."""
    texts: list[tuple[str, str, str, Said]] = []
    for n, draft in enumerate(ruling.drafts):
        said = _SAID(draft.body, bead_id_of(command_id, n), draft.settles)
        texts.append((_NAMES[draft.body.kind], said.bead_id, _spelt(said), said))
    return seal_texts(head, utc_text(ts), texts)


def _spelt(said: Said) -> str:
    """The text of a body; of one that has none, which value is to blame, and what would do in its place."""
    try:
        return body_text(said)
    except (AssertionError, AttributeError, LookupError, TypeError) as error:
        flaw = flaw_of(said.body, type(said.body), _NAMES[said.body.kind])
        if flaw is None:
            raise
        raise AssertionError(str(flaw)) from error


_BEAD: Final = maker(Bead)
_SAID: Final = maker(Said)
_NAMES: Final = {kind: kind.value for kind in Kind}


def bead_of(record: Sealed) -> Bead:
    """A stored bead, read back; raises `BadInput` where it does not fit its kind."""
    said = record.said or Said(*body_of(record.kind, record.body))
    return _BEAD(record.seq, utc_of(record.ts, "ts"), said.bead_id, said.body, record.leaf.hex(), said.settles)
