"""The state of a desk: nothing but the fold of its beads.

A desk is mutable and has one owner. It is evolved only after the append that recorded a bead has landed, so that what
is in memory is always the fold of a prefix of the log; `decide` only reads it, and notes beside it what it found of an
approval. Each kind folds into the slice of exactly one wing (`OWNERS`), and what a bead obliges the desk to do outside
is `owed` until a later bead settles it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, field, frozen

from phoenix_core.beads import Bead, Genesis, Kind, Lease, LeaseEvent
from phoenix_core.chain import EMPTY, Head
from phoenix_core.effects import Owed, react
from phoenix_core.gate.approvals import Approvals
from phoenix_core.gate.evidence import EvidenceBook
from phoenix_core.gate.kill_flags import KillFlags
from phoenix_core.gate.limits import Policies
from phoenix_core.gate.signals import Signals
from phoenix_core.gate.stale_gate import Anchors
from phoenix_core.gate.tokens import Tokens
from phoenix_core.making import maker
from phoenix_core.records import of_json, shape_of
from phoenix_core.refusals import Refusal
from phoenix_core.spelling import writer
from phoenix_core.trade.autopsy import Autopsies
from phoenix_core.trade.fills import Fills
from phoenix_core.trade.order_book import Orders
from phoenix_core.trade.positions import Positions
from phoenix_core.trust.promotion import Promotions
from phoenix_core.trust.revalidation import Changes
from phoenix_core.values import BadInput
from phoenix_core.watch.alerts import Alerts
from phoenix_core.watch.drift import Drifts
from phoenix_core.watch.health import Heartbeats
from phoenix_core.watch.observations import Observations
from phoenix_core.watch.session import Sessions


@define
class Tenure:
    """Which desk this is, and who holds the lease on it: the epoch is the position of the bead that took it."""

    genesis: Genesis | None = None
    epoch: int = -1
    run: str = ""
    boot: str = ""
    released: bool = True
    taken_at: datetime | None = None  # an engine that has just come up owes no beats of the time before

    def fold(self, bead: Bead) -> None:
        """Fold GENESIS and LEASE."""
        body = bead.body
        if isinstance(body, Genesis):
            assert self.genesis is None and bead.seq == 0, "a log has one genesis, and it is the first bead"
            self.genesis = body
        elif isinstance(body, Lease):
            self.released = body.event is LeaseEvent.RELEASED
            if body.event is LeaseEvent.TAKEN:
                self.epoch, self.run, self.boot, self.taken_at = bead.seq, body.run, body.boot, bead.ts


@frozen
class Stands:
    """What was found of a recorded decision when it was judged again; good until any of what that rests on moves."""

    grounds: tuple[object, ...]
    found: Refusal | None


@define
class Desk:
    """Everything Phoenix knows, slice by slice, and what it still owes the world."""

    head: Head = EMPTY
    tenure: Tenure = Factory(Tenure)
    signals: Signals = Factory(Signals)
    evidence: EvidenceBook = Factory(EvidenceBook)
    approvals: Approvals = Factory(Approvals)
    tokens: Tokens = Factory(Tokens)
    kill_flags: KillFlags = Factory(KillFlags)
    anchors: Anchors = Factory(Anchors)
    policies: Policies = Factory(Policies)
    positions: Positions = Factory(Positions)
    orders: Orders = Factory(Orders)
    fills: Fills = Factory(Fills)
    autopsies: Autopsies = Factory(Autopsies)
    drifts: Drifts = Factory(Drifts)
    sessions: Sessions = Factory(Sessions)
    heartbeats: Heartbeats = Factory(Heartbeats)
    alerts: Alerts = Factory(Alerts)
    observations: Observations = Factory(Observations)
    promotions: Promotions = Factory(Promotions)
    changes: Changes = Factory(Changes)
    owed: Owed = Factory(Owed)
    moved: dict[str, int] = field(factory=dict, eq=False)  # slice -> the last bead that this process folded into it
    stands: dict[int, Stands] = field(factory=dict, eq=False)  # decision -> what was found of it; no part of the state
    asked: dict[str, timedelta] = field(factory=dict, eq=False)  # question to the world -> when it brought nothing
    signed: set[int] = field(factory=set, eq=False)  # rows that loosen, and that were found signed; no part either

    @property
    def genesis(self) -> Genesis:
        """Which desk this is; raises `BadInput` on a log that nobody has founded."""
        if self.tenure.genesis is None:
            raise BadInput("log", "", "it has no genesis: fold the beads of a log that `phoenix init` made")
        return self.tenure.genesis


# One kind, one owner: the name of the slice that folds it. A test holds this against the closed set of kinds.
OWNERS: Final[dict[Kind, str]] = {
    Kind.GENESIS: "tenure",
    Kind.LEASE: "tenure",
    Kind.OPERATOR: "approvals",
    Kind.DECISION: "approvals",
    Kind.POLICY: "policies",
    Kind.SIGNAL: "signals",
    Kind.EVIDENCE: "evidence",
    Kind.T2_TOKEN: "tokens",
    Kind.KILL_FLAG: "kill_flags",
    Kind.STATE_ANCHOR: "anchors",
    Kind.STATE_CONFLICT: "anchors",
    Kind.POSITION: "positions",
    Kind.ORDER: "orders",
    Kind.EXECUTION: "fills",
    Kind.AUTOPSY: "autopsies",
    Kind.OBSERVATION: "observations",
    Kind.RECONCILIATION_DRIFT: "drifts",
    Kind.RECONCILIATION_RESOLUTION: "drifts",
    Kind.IBKR_SESSION: "sessions",
    Kind.HEARTBEAT: "heartbeats",
    Kind.ALERT: "alerts",
    Kind.PROMOTION: "promotions",
    Kind.SHADOW: "promotions",
    Kind.CONFIG_CHANGE: "changes",
}


# The slices by name, and what each is made of.
SLICES: Final[dict[str, type]] = {name: type(getattr(Desk(), name)) for name in sorted(set(OWNERS.values()))}


def evolve(desk: Desk, bead: Bead) -> Desk:
    """Fold one recorded bead into the desk, in place, and hand the desk back. What does not fit is a bug."""
    assert bead.seq == desk.head.size, f"bead {bead.seq} does not follow a head of {desk.head.size}"
    for settled in bead.settles:
        desk.owed.settle((settled.seq, settled.index))
    owner = OWNERS[bead.body.kind]
    getattr(desk, owner).fold(bead)
    desk.moved[owner] = bead.seq
    for index, effect in enumerate(react(bead)):
        desk.owed[bead.seq, index] = effect
    desk.head = _HEAD_AT(bead.seq + 1, bead.leaf)
    return desk


def layout_of(slices: Mapping[str, type]) -> str:
    """The name of a layout: the hash of every field's shape, all the way down. Nobody has to remember to change it."""
    shapes = "; ".join(f"{name} {shape_of(cls)}" for name, cls in {**slices, "head": Head}.items())
    return hashlib.sha256(shapes.encode()).hexdigest()[:16]


# How the same fields are to be understood. It is raised by hand where a fold begins to mean something else by a field
# that keeps its name and type: of that, no shape can know.
MEANING: Final = 4
# What a snapshot is made of. A snapshot under another name is not read: the log is the only truth, and is folded anew.
SNAPSHOT_SCHEMA: Final = f"desk/{MEANING}/{layout_of(SLICES)}"


_CLASSES: Final[Mapping[str, object]] = SLICES
_SPELT: Final = {name: writer(cls) for name, cls in _CLASSES.items()}
_HEAD_AT: Final = maker(Head)
_HEAD: Final[object] = Head  # mypy holds `type` for unhashable, which a cache's key may not be
_HEAD_TEXT: Final = writer(_HEAD)


def freeze(desk: Desk) -> bytes:
    """The desk as canonical bytes: what a snapshot keeps, and what two desks are compared by."""
    slices = ",".join([f'"{name}":{write(getattr(desk, name))}' for name, write in _SPELT.items()])
    owed = ",".join([f"[{seq},{index}]" for seq, index in desk.owed])
    return f'{{"head":{_HEAD_TEXT(desk.head)},"owed":[{owed}],"slices":{{{slices}}}}}'.encode()


def thaw(data: bytes, bead_at: Callable[[int], Bead]) -> Desk:
    """The desk that `freeze` wrote. What it owes is read off the beads themselves, so that it cannot be made up."""
    whole = json.loads(data)
    desk = Desk(head=of_json(Head, whole["head"]))
    for name, cls in SLICES.items():
        setattr(desk, name, of_json(cls, whole["slices"][name], name))
    for seq, index in whole["owed"]:
        desk.owed[seq, index] = react(bead_at(seq))[index]
    return desk
