"""What the log says of whether the world agrees."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from phoenix_core.bodies.kind import Kind
from phoenix_core.values import Facts, Mode, Named, Severity


class About(Named):
    """What an observation is about."""

    REFUSED_EVENT = "REFUSED_EVENT"  # a transition that is not in the table
    REFUSED_COMMAND = "REFUSED_COMMAND"  # a refused outside input
    LATE_FACT = "LATE_FACT"  # a broker fact after an end
    FOREIGN = "FOREIGN"  # an order or holding that is not ours
    UNKNOWN_CODE = "UNKNOWN_CODE"
    QUOTE = "QUOTE"
    SNAPSHOT = "SNAPSHOT"  # a reconciliation ran
    EFFECT = "EFFECT"  # settles effects
    LINK = "LINK"
    DEMAND = "DEMAND"  # somebody asks for a reconciliation
    WARNING = "WARNING"
    DRILL = "DRILL"
    BUNNY = "BUNNY"  # a scar: the verdict of one chaos vector


@frozen
class Observation:
    """Something seen, and nothing changed by it."""

    kind: ClassVar[Kind] = Kind.OBSERVATION
    about: About
    subject: str
    facts: Facts


class DriftType(Named):
    """Where Phoenix and the broker disagree."""

    POSITION_COUNT = "POSITION_COUNT"
    POSITION_SIZE = "POSITION_SIZE"
    PNL = "PNL"
    ORDER_STATUS = "ORDER_STATUS"


@frozen
class ReconciliationDrift:
    """A divergence: detected, never corrected. Its identity is what differs, without the values."""

    kind: ClassVar[Kind] = Kind.RECONCILIATION_DRIFT
    drift_type: DriftType
    phoenix_state: Facts
    broker_state: Facts
    severity: Severity
    identity: str
    subject: str  # instrument, reference or `desk`
    cause: str  # count, size, sign, unresolved_reference, two_perm_ids, fact_after_end, overfill, orphan_exit, ...
    session: int
    instrument: str | None = None
    refs: tuple[str, ...] = ()


class Resolution(Named):
    """How a human answered a drift."""

    PHOENIX_CORRECTED = "PHOENIX_CORRECTED"
    BROKER_CORRECTED = "BROKER_CORRECTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"


@frozen
class ReconciliationResolution:
    """A human's answer to a drift."""

    kind: ClassVar[Kind] = Kind.RECONCILIATION_RESOLUTION
    drift_bead_id: str
    identity: str
    resolution: Resolution
    resolved_by: str
    notes: str  # the hash of the words
    cleared: bool  # ACKNOWLEDGED and an unproven BROKER_CORRECTED stay visible


class SessionEvent(Named):
    """What a session bead records."""

    CONNECT = "CONNECT"
    DISCONNECT = "DISCONNECT"
    RECONNECT = "RECONNECT"


@frozen
class IbkrSession:
    """The link to the broker changed: connected, lost, or tried again."""

    kind: ClassVar[Kind] = Kind.IBKR_SESSION
    event: SessionEvent
    mode: Mode
    account: str
    account_mask: str
    port: int
    session: int
    gateway_version: str | None = None
    reconnect_attempt: int = 0
    outcome: str = ""
    escalated: bool = False
    detail: str = ""


class Beat(Named):
    """About the beat itself."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    MISSED = "MISSED"


class Health(Named):
    """About the system."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    CRITICAL = "CRITICAL"


@frozen
class Checks:
    """The checks of one beat."""

    process_alive: bool
    ibkr_connected: bool
    semantic_healthy: bool
    store_commits: bool = True
    data_arriving: bool = True
    notifier_responds: bool = True


@frozen
class Heartbeat:
    """One beat: earned by the loop, a store commit and a broker round trip (or a declared outage) since the last."""

    kind: ClassVar[Kind] = Kind.HEARTBEAT
    status: Beat
    health_state: Health
    checks: Checks
    details: Facts = field(factory=dict)
    miss_count: int = 0


class AlertEvent(Named):
    """An alert is a bead before it is a message."""

    RAISED = "RAISED"
    SENT = "SENT"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


@frozen
class Alert:
    """Something a human must know."""

    kind: ClassVar[Kind] = Kind.ALERT
    event: AlertEvent
    alert: str  # id
    severity: Severity
    code: str
    subject: str
    text: str  # from a fixed phrase book and facts of ours; never a stranger's words
    runbook: str | None = None
    always: bool = False  # notifies whatever the throttle says
    count: int = 1
    repeats: str | None = None  # the alert that this one repeats or escalates
    channel: str = ""
    by: str = ""
