"""The closed set of beads: what may ever be written into the log, kind by kind.

A bead is an immutable fact. Its body is one of the records of `bodies`; every body also carries its `bead_id` and,
where it answers an obligation, what it `settles`. The JSON Schemas under docs/spec are drawn from these classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Final, cast, get_args

from attrs import frozen

from phoenix_core.bodies.desk import Genesis, Holding, Lease, LeaseEvent
from phoenix_core.bodies.gate import (
    CanonicalSignal,
    Decision,
    Evidence,
    KillEvent,
    KillFlag,
    KillKind,
    Limits,
    Operator,
    OperatorEvent,
    Policy,
    QuoteSeen,
    Signal,
    SignalEvent,
    Sizing,
    StateAnchor,
    StateConflict,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.bodies.kind import Kind, Signed
from phoenix_core.bodies.trade import (
    Autopsy,
    Execution,
    ExecutionEvent,
    Order,
    OrderEvent,
    Outcome,
    Position,
    PositionEvent,
    Proof,
    ProofKind,
)
from phoenix_core.bodies.trust import ChangeType, ConfigChange, Promotion, Shadow, ShadowEvent
from phoenix_core.bodies.watch import (
    About,
    Alert,
    AlertEvent,
    Beat,
    Checks,
    DriftType,
    Health,
    Heartbeat,
    IbkrSession,
    Observation,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    SessionEvent,
)
from phoenix_core.making import maker
from phoenix_core.records import Json, of_json, to_json
from phoenix_core.spelling import MISFITS, list_of, reader, writer
from phoenix_core.values import BadInput, CommandId, Named, derived_id

__all__ = [
    "BODIES",
    "About",
    "Alert",
    "AlertEvent",
    "Autopsy",
    "Bead",
    "Beat",
    "Body",
    "CanonicalSignal",
    "ChangeType",
    "Checks",
    "ConfigChange",
    "Decision",
    "Draft",
    "DriftType",
    "Evidence",
    "Execution",
    "ExecutionEvent",
    "Genesis",
    "Health",
    "Heartbeat",
    "Holding",
    "IbkrSession",
    "KillEvent",
    "KillFlag",
    "KillKind",
    "Kind",
    "Lease",
    "LeaseEvent",
    "Limits",
    "Observation",
    "Operator",
    "OperatorEvent",
    "Order",
    "OrderEvent",
    "Outcome",
    "Policy",
    "Position",
    "PositionEvent",
    "Promotion",
    "Proof",
    "ProofKind",
    "QuoteSeen",
    "ReconciliationDrift",
    "ReconciliationResolution",
    "Resolution",
    "Said",
    "SessionEvent",
    "Settlement",
    "Settles",
    "Shadow",
    "ShadowEvent",
    "Signal",
    "SignalEvent",
    "Signed",
    "Sizing",
    "StateAnchor",
    "StateConflict",
    "T2Token",
    "TokenEvent",
    "Verdict",
    "bead_id_of",
    "body_json",
    "body_of",
    "body_text",
    "said_in",
]


Body = (
    Genesis
    | Lease
    | Operator
    | Policy
    | Signal
    | Evidence
    | Decision
    | T2Token
    | KillFlag
    | StateAnchor
    | StateConflict
    | Position
    | Order
    | Execution
    | Autopsy
    | Observation
    | ReconciliationDrift
    | ReconciliationResolution
    | IbkrSession
    | Heartbeat
    | Alert
    | Promotion
    | ConfigChange
    | Shadow
)

BODIES: Final[Mapping[Kind, type[Body]]] = {cls.kind: cls for cls in get_args(Body)}


class Settlement(Named):
    """What became of an effect."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DROPPED = "dropped"


@frozen
class Settles:
    """An obligation answered: the effect at (bead, index) and what became of it."""

    seq: int
    index: int
    outcome: Settlement


BEAD_ID: Final = "-".join(f"[0-9a-f]{{{count}}}" for count in (8, 4, 4, 4, 12))


@frozen
class Said:
    """What the bytes of a bead say: its body, its id and what it settles."""

    body: Body
    bead_id: str
    settles: tuple[Settles, ...] = ()


@frozen
class Draft:
    """A bead that a ruling wants written: its body and what it settles. The log gives it its place."""

    body: Body
    settles: tuple[Settles, ...] = ()


@frozen
class Bead:
    """A recorded fact in its place."""

    seq: int
    ts: datetime
    bead_id: str
    body: Body
    leaf: str
    settles: tuple[Settles, ...] = ()


def bead_id_of(command_id: CommandId, n: int) -> str:
    """The id of the n-th bead of a command: every retry of the command makes the same ones."""
    return derived_id("bead", command_id, str(n))


def body_json(draft: Draft, bead_id: str) -> dict[str, Json]:
    """The body of a bead as it is sealed."""
    body = to_json(draft.body)
    body["bead_id"] = bead_id
    if draft.settles:
        body["settles"] = [to_json(s) for s in draft.settles]
    return body


def body_of(kind: str, body: Mapping[str, Json]) -> tuple[Body, str, tuple[Settles, ...]]:
    """(body, bead id, what it settles) of a sealed body; raises `BadInput` where it does not fit its kind."""
    try:
        cls = BODIES[Kind(kind)]
    except ValueError as error:
        raise BadInput("kind", kind, "only the kinds of this version are read") from error
    fields = dict(body)
    bead_id, settled = fields.pop("bead_id", None), fields.pop("settles", None)
    if not isinstance(bead_id, str):
        raise BadInput(f"{kind}.bead_id", bead_id, "every body carries its bead_id")
    if "settles" in body and (not isinstance(settled, list) or not settled):
        raise BadInput(f"{kind}.settles", settled, "write a list that is not empty, or leave it out")
    answered = enumerate(settled) if isinstance(settled, list) else ()
    settles = tuple(of_json(Settles, each, f"{kind}.settles[{n}]") for n, each in answered)
    return of_json(cls, fields, kind), bead_id, settles


def body_text(said: Said) -> str:
    """The same as `body_json`, canonical already: what stands in the log."""
    settles = f',"settles":[{",".join(map(_write_settled, said.settles))}]' if said.settles else ""
    return _WRITES[said.body.kind](said.body, f',"bead_id":"{said.bead_id}"', settles)


def said_in(kind: str, text: str) -> Said | None:
    """The same as `body_of` of what a text says; None where the text is not the one that would be written for it."""
    read = _read_of(kind)
    try:
        found = None if read is None else read(text)
        if found is None:
            return None
        body, bead_id, settles = found
        return _SAID(cast(Body, body), cast(str, bead_id), () if settles is None else _read_settles(cast(str, settles)))
    except MISFITS:
        return None


@cache
def _read_of(kind: str) -> Callable[[str], tuple[object, ...] | None] | None:
    """Made when it is first asked for: a pattern takes a millisecond, and few kinds stand in a short log."""
    cls = _BY_NAME.get(kind)
    return None if cls is None else reader(cls, ("bead_id", False, f'"({BEAD_ID})"'), ("settles", True, _SETTLES))


_CLASSES: Final[Mapping[Kind, object]] = BODIES
_BY_NAME: Final = {kind.value: cls for kind, cls in _CLASSES.items()}
_WRITES: Final = {kind: writer(cls, "bead_id", "settles") for kind, cls in _CLASSES.items()}
_SAID: Final = maker(Said)
_SETTLED: Final[object] = Settles  # mypy holds `type` for unhashable, which a cache's key may not be
_write_settled: Final = writer(_SETTLED)
_SETTLES, _of_settles = list_of(_SETTLED)
_read_settles: Final = cast(Callable[[str], tuple[Settles, ...]], _of_settles)
