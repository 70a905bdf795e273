"""What a human must know, how loudly, how often, and which page to open. A bead before it is a message.

`CODES` is the whole vocabulary: every alert has a fixed phrase, filled from facts of ours, never with a stranger's
words. CRITICAL goes first, alone and at once; the rest is batched, so that fifty alerts in a minute do not bury one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Alert, Bead
from phoenix_core.values import Named, Severity

BATCH_MAX: Final = 10
BATCH_WINDOW: Final = timedelta(seconds=5)
MESSAGES_PER_MINUTE: Final = 6
WARNING_REPEAT: Final = timedelta(hours=1)


class Code(Named):
    """Every alert there is."""

    LINK_LOST = "LINK_LOST"
    LINK_ESCALATED = "LINK_ESCALATED"
    LINK_RESTORED = "LINK_RESTORED"
    GATEWAY_RESTARTED = "GATEWAY_RESTARTED"
    CLIENT_ID_TAKEN = "CLIENT_ID_TAKEN"
    BROKER_WARNING = "BROKER_WARNING"
    BROKER_CLOCK_SKEW = "BROKER_CLOCK_SKEW"
    PACING_LIMITED = "PACING_LIMITED"
    PACING_VIOLATION = "PACING_VIOLATION"
    DRIFT_CRITICAL = "DRIFT_CRITICAL"
    DRIFT_WARNING = "DRIFT_WARNING"
    ORPHAN_EXIT = "ORPHAN_EXIT"
    DRIFT_UNRESOLVED = "DRIFT_UNRESOLVED"
    RECONCILIATION_UNKNOWN = "RECONCILIATION_UNKNOWN"
    POSITION_STALLED = "POSITION_STALLED"
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_HELD = "ORDER_HELD"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    EXIT_UNKNOWN = "EXIT_UNKNOWN"
    PROTECTION_LOST = "PROTECTION_LOST"
    LATE_FACT = "LATE_FACT"
    CLOSE_NOT_SENT = "CLOSE_NOT_SENT"
    STATE_CONFLICT = "STATE_CONFLICT"
    KILL_RAISED = "KILL_RAISED"
    KILL_LIFTED = "KILL_LIFTED"
    HALTED = "HALTED"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    OUT_VS_IN_EXCEEDED = "OUT_VS_IN_EXCEEDED"
    GUARD_VIOLATION = "GUARD_VIOLATION"
    PROCESS_DEAD = "PROCESS_DEAD"
    BEAT_MISSED = "BEAT_MISSED"
    BEATS_MISSED = "BEATS_MISSED"
    HEALTH_DEGRADED = "HEALTH_DEGRADED"
    HEALTH_DEGRADED_LONG = "HEALTH_DEGRADED_LONG"
    HEALTH_RESTORED = "HEALTH_RESTORED"
    SUBSCRIPTION_DEAD = "SUBSCRIPTION_DEAD"
    NOTIFIER_DOWN = "NOTIFIER_DOWN"
    LOG_UNWRITABLE = "LOG_UNWRITABLE"
    FAIL_STOP = "FAIL_STOP"
    SIGNAL_READY = "SIGNAL_READY"
    SIGNAL_QUARANTINED = "SIGNAL_QUARANTINED"
    ORDER_FILLED = "ORDER_FILLED"
    POSITION_CLOSED = "POSITION_CLOSED"
    PROMOTED = "PROMOTED"
    REVALIDATION_STARTED = "REVALIDATION_STARTED"
    VALIDATION_EXTENDED = "VALIDATION_EXTENDED"
    TEST = "TEST"


@frozen
class Phrase:
    """One row of the table of alerts."""

    severity: Severity
    text: str  # a fixed phrase with {named} holes for facts of ours
    runbook: str | None = None  # every CRITICAL has one
    always: bool = False  # the documents' ALERT: a WARNING that notifies whatever the throttle says
    repeats: timedelta | None = None  # again while open; None: only the hourly rule
    escalates_after: timedelta | None = None
    escalates_to: Code | None = None


CODES: Final[dict[Code, Phrase]] = {}


@define
class OpenAlert:
    """An alert that is not resolved."""

    id: str
    code: str
    subject: str
    severity: Severity
    raised_at: datetime
    seq: int
    last_at: datetime  # of its newest repeat
    count: int = 1
    acknowledged: bool = False
    escalated: bool = False


@define
class Unsent:
    """An alert that no channel has taken yet."""

    id: str
    code: str
    subject: str
    severity: Severity
    raised_at: datetime
    text: str
    runbook: str | None
    always: bool


@define
class Alerts:
    """The slice of ALERT: what is open, and what no channel has taken yet."""

    open: dict[str, OpenAlert] = Factory(dict)  # by alert id
    by_subject: dict[str, str] = Factory(dict)  # `code|subject` -> id of the open alert
    unsent: dict[str, Unsent] = Factory(dict)  # by alert id, oldest first
    messages: list[datetime] = Factory(list)  # when the last non-critical messages went out
    raised: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in an alert's bead; other kinds are somebody else's."""
        raise NotImplementedError


@frozen
class Message:
    """What goes to one channel at once: a CRITICAL alone, or a batch."""

    severity: Severity
    alerts: tuple[str, ...]
    text: str


def alert(code: Code, subject: str, key: str, **facts: str) -> Alert:
    """The RAISED body of an alert; `key` (a bead id, say) makes its id, so that every retry makes the same one."""
    raise NotImplementedError


def may_raise(alerts: Alerts, code: Code, subject: str, now: datetime) -> bool:
    """Whether raising says something new: nothing of that code is open on that subject, or its repeat is due (a
    WARNING at most hourly)."""
    raise NotImplementedError


def follow_ups(alerts: Alerts, now: datetime) -> tuple[Alert, ...]:
    """For `due`: the repeats and escalations that time asks of the open alerts, as RAISED bodies."""
    raise NotImplementedError


def resolved(alerts: Alerts, code: Code, subject: str, by: str) -> Alert | None:
    """The RESOLVED body for the open alert of a code on a subject; None where none is open."""
    raise NotImplementedError


def acknowledged(alerts: Alerts, alert_id: str, by: str) -> Alert | None:
    """The ACKNOWLEDGED body: repeats of it stop, it stays open; None where none is open under that id."""
    raise NotImplementedError


def sent(alerts: Alerts, message: Message, channel: str) -> tuple[Alert, ...]:
    """The SENT bodies of a message that a channel has taken."""
    raise NotImplementedError


def next_messages(alerts: Alerts, now: datetime) -> tuple[Message, ...]:
    """What goes out now: every CRITICAL alone and first; then, where the throttle allows, one batch of all the rest."""
    raise NotImplementedError
