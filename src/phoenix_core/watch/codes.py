"""The whole vocabulary of alerts: what each is called, how loud it is, what it says and which page it opens.

Every alert has a fixed phrase and a few facts of ours, never a stranger's words. What is CRITICAL names its runbook.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import frozen

from phoenix_core.beads import Alert, AlertEvent, Beat, Heartbeat, ReconciliationDrift
from phoenix_core.values import Named, Severity, derived_id
from phoenix_core.watch.drift import Cause
from phoenix_core.watch.health import MISSES_CRITICAL, Issue
from phoenix_core.watch.session import ESCALATION

MINUTE: Final = timedelta(minutes=1)
WARNING_REPEAT: Final = timedelta(hours=1)
DRIFT_ESCALATION: Final = timedelta(minutes=15)
DEGRADATION_ESCALATION: Final = timedelta(minutes=5)


class Code(Named):
    """Every alert there is."""

    # The link
    LINK_LOST = "LINK_LOST"
    LINK_ESCALATED = "LINK_ESCALATED"
    LINK_ANSWERS = "LINK_ANSWERS"
    LINK_RESTORED = "LINK_RESTORED"
    GATEWAY_RESTARTED = "GATEWAY_RESTARTED"
    CLIENT_ID_TAKEN = "CLIENT_ID_TAKEN"
    BROKER_WARNING = "BROKER_WARNING"
    BROKER_CLOCK_SKEW = "BROKER_CLOCK_SKEW"
    PACING_LIMITED = "PACING_LIMITED"
    PACING_VIOLATION = "PACING_VIOLATION"
    # Whether the world agrees
    DRIFT_CRITICAL = "DRIFT_CRITICAL"
    DRIFT_WARNING = "DRIFT_WARNING"
    ORPHAN_EXIT = "ORPHAN_EXIT"
    DRIFT_UNRESOLVED = "DRIFT_UNRESOLVED"
    RECONCILIATION_UNKNOWN = "RECONCILIATION_UNKNOWN"
    LATE_FACT = "LATE_FACT"
    # Orders and positions
    POSITION_STALLED = "POSITION_STALLED"
    ORDER_REJECTED = "ORDER_REJECTED"
    ORDER_HELD = "ORDER_HELD"
    EXIT_UNKNOWN = "EXIT_UNKNOWN"
    ORDER_ALTERED = "ORDER_ALTERED"
    PROTECTION_LOST = "PROTECTION_LOST"
    CLOSE_NOT_SENT = "CLOSE_NOT_SENT"
    # Gates
    STATE_CONFLICT = "STATE_CONFLICT"
    KILL_RAISED = "KILL_RAISED"
    KILL_LIFTED = "KILL_LIFTED"
    HALTED = "HALTED"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    GUARD_VIOLATION = "GUARD_VIOLATION"
    ROW_UNSIGNED = "ROW_UNSIGNED"
    # The desk itself
    PROCESS_DEAD = "PROCESS_DEAD"
    BEAT_MISSED = "BEAT_MISSED"
    BEATS_MISSED = "BEATS_MISSED"
    HEALTH_DEGRADED = "HEALTH_DEGRADED"
    HEALTH_DEGRADED_LONG = "HEALTH_DEGRADED_LONG"
    SUBSCRIPTION_DEAD = "SUBSCRIPTION_DEAD"
    NOTIFIER_DOWN = "NOTIFIER_DOWN"
    LOG_UNWRITABLE = "LOG_UNWRITABLE"
    FAIL_STOP = "FAIL_STOP"
    # What happened
    SIGNAL_READY = "SIGNAL_READY"
    SIGNAL_SHOWN = "SIGNAL_SHOWN"
    SIGNAL_EXPIRING = "SIGNAL_EXPIRING"
    SIGNAL_QUARANTINED = "SIGNAL_QUARANTINED"
    ORDER_FILLED = "ORDER_FILLED"
    POSITION_CLOSED = "POSITION_CLOSED"
    PROMOTED = "PROMOTED"
    REVALIDATION_STARTED = "REVALIDATION_STARTED"
    VALIDATION_EXTENDED = "VALIDATION_EXTENDED"
    TEST = "TEST"


@frozen
class Row:
    """One row of the table of alerts."""

    severity: Severity
    phrase: str
    runbook: str | None = None  # every CRITICAL has one
    always: bool = False  # the documents' ALERT: a WARNING that no throttle holds back
    lasts: bool = False  # a condition, open until it is resolved; otherwise an event, open until it is acknowledged
    repeats: timedelta | None = None  # said again while it is open
    insists: bool = False  # and no acknowledgement silences it
    escalates: tuple[timedelta, Code] | None = None  # left open for so long, it becomes this


_CRITICAL, _WARNING, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
_UNRESOLVED: Final = (DRIFT_ESCALATION, Code.DRIFT_UNRESOLVED)

CODES: Final[dict[Code, Row]] = {
    Code.LINK_LOST: Row(_CRITICAL, "Link to the broker lost", "RB-001", lasts=True),
    Code.LINK_ESCALATED: Row(_CRITICAL, ESCALATION, "RB-001", lasts=True),
    Code.LINK_ANSWERS: Row(
        _WARNING,
        "The broker answers again, and waits for `phoenix resume`",
        "RB-001",
        always=True,
        lasts=True,
        repeats=WARNING_REPEAT,
    ),
    Code.LINK_RESTORED: Row(_INFO, "Link to the broker restored"),
    Code.GATEWAY_RESTARTED: Row(_WARNING, "The gateway restarted outside its declared window", "RB-007"),
    Code.CLIENT_ID_TAKEN: Row(_WARNING, "The broker says that our client id is in use; no other is tried", "RB-001"),
    Code.BROKER_WARNING: Row(_WARNING, "The broker warns", always=True),
    Code.BROKER_CLOCK_SKEW: Row(_WARNING, "The broker's clock and ours differ by more than 5 s", "RB-007", lasts=True),
    Code.PACING_LIMITED: Row(_WARNING, "Orders come faster than the broker takes them; they wait or expire", "RB-008"),
    Code.PACING_VIOLATION: Row(_CRITICAL, "The broker says that we speak too fast", "RB-008"),
    Code.DRIFT_CRITICAL: Row(_CRITICAL, "Phoenix and the broker disagree", "RB-002", lasts=True, escalates=_UNRESOLVED),
    Code.DRIFT_WARNING: Row(
        _WARNING,
        "Phoenix and the broker disagree",
        "RB-002",
        always=True,
        lasts=True,
        repeats=WARNING_REPEAT,
        escalates=_UNRESOLVED,
    ),
    Code.ORPHAN_EXIT: Row(
        _CRITICAL,
        "This order will OPEN a position",
        "RB-002",
        lasts=True,
        repeats=MINUTE,
        insists=True,
        escalates=_UNRESOLVED,
    ),
    Code.DRIFT_UNRESOLVED: Row(_CRITICAL, "Drift has waited 15 minutes for a human", "RB-002"),
    Code.RECONCILIATION_UNKNOWN: Row(
        _CRITICAL, "Three pictures of the broker in a row were not whole", "RB-002", lasts=True
    ),
    Code.LATE_FACT: Row(_CRITICAL, "The broker speaks of a position that had ended", "RB-002"),
    Code.POSITION_STALLED: Row(
        _WARNING,
        "No word from the broker on a sent order",
        "RB-003",
        always=True,
        lasts=True,
        repeats=WARNING_REPEAT,
        insists=True,
    ),
    Code.ORDER_REJECTED: Row(_WARNING, "The broker rejected an order; it is not sent again", always=True),
    Code.ORDER_HELD: Row(_WARNING, "The broker holds an order back", "RB-003", always=True),
    Code.EXIT_UNKNOWN: Row(
        _CRITICAL, "No word from the broker on an exit for 10 s", "RB-003", lasts=True, repeats=MINUTE, insists=True
    ),
    Code.ORDER_ALTERED: Row(_CRITICAL, "The broker has an order on other terms than were signed", "RB-002", lasts=True),
    Code.PROTECTION_LOST: Row(
        _CRITICAL, "A position stands without its full protection", "RB-002", lasts=True, repeats=MINUTE, insists=True
    ),
    Code.CLOSE_NOT_SENT: Row(_CRITICAL, "An exit was not sent: what is held is held still", "RB-003"),
    Code.STATE_CONFLICT: Row(
        _WARNING, "Stale context: the order was stopped, refresh the anchor", "RB-005", always=True
    ),
    Code.KILL_RAISED: Row(_CRITICAL, "Kill flag raised: no new entries", "RB-005", lasts=True),
    Code.KILL_LIFTED: Row(_INFO, "Kill flag lifted"),
    Code.HALTED: Row(_CRITICAL, "Emergency halt", "RB-004", lasts=True),
    Code.DAILY_LOSS_LIMIT: Row(_CRITICAL, "The loss limit of the day is reached: no new entries", "RB-005"),
    Code.GUARD_VIOLATION: Row(_CRITICAL, "Account, port or mode do not match: nothing was sent", "RB-004"),
    Code.ROW_UNSIGNED: Row(_CRITICAL, "The log loosens what nobody signed: it counts for nothing", "RB-004"),
    Code.PROCESS_DEAD: Row(_CRITICAL, "The engine's process is gone", "RB-004", lasts=True),
    Code.BEAT_MISSED: Row(_WARNING, "A heartbeat is missing", "RB-004", lasts=True),
    Code.BEATS_MISSED: Row(_CRITICAL, "Three heartbeats are missing: nobody watches the desk", "RB-004", lasts=True),
    Code.HEALTH_DEGRADED: Row(
        _WARNING,
        "The desk runs, but not as it should",
        "RB-001",
        lasts=True,
        repeats=WARNING_REPEAT,
        escalates=(DEGRADATION_ESCALATION, Code.HEALTH_DEGRADED_LONG),
    ),
    Code.HEALTH_DEGRADED_LONG: Row(_CRITICAL, "The desk has not run as it should for 5 minutes", "RB-001"),
    Code.SUBSCRIPTION_DEAD: Row(_WARNING, "A market data subscription is dead", "RB-001", always=True, lasts=True),
    Code.NOTIFIER_DOWN: Row(_CRITICAL, "A channel for alerts does not answer", "RB-006", lasts=True),
    Code.LOG_UNWRITABLE: Row(_CRITICAL, "The log takes no beads: nothing is sent", "RB-004", lasts=True),
    Code.FAIL_STOP: Row(_CRITICAL, "Stopped on a broken promise of our own", "RB-004"),
    Code.SIGNAL_READY: Row(_INFO, "An intent waits for your approval"),
    Code.SIGNAL_SHOWN: Row(_INFO, "The screen of an intent has this code"),
    Code.SIGNAL_EXPIRING: Row(_WARNING, "An intent expires within a minute, and nobody has decided", always=True),
    Code.SIGNAL_QUARANTINED: Row(_WARNING, "An unreadable intent was put aside"),
    Code.ORDER_FILLED: Row(_INFO, "An entry was filled"),
    Code.POSITION_CLOSED: Row(_INFO, "A position was closed"),
    Code.PROMOTED: Row(_WARNING, "A strategy was promoted from SHADOW to LIVE", always=True),
    Code.REVALIDATION_STARTED: Row(_WARNING, "A parameter changed: shadow restarted, sweep begun", always=True),
    Code.VALIDATION_EXTENDED: Row(_WARNING, "A chaos vector failed: the validation is extended", always=True),
    Code.TEST: Row(_INFO, "A test: nothing happened"),
}

# What a beat tells by an alert of its own, with its own runbook, beside HEALTH_DEGRADED, which every complaint raises.
# The others are told by whoever sees them first: the link, the log, the watchdog, a drift, a position.
ISSUE_CODES: Final[dict[Issue, Code]] = {
    Issue.NOTIFIER_SILENT: Code.NOTIFIER_DOWN,
    Issue.SUBSCRIPTIONS_ALIVE: Code.SUBSCRIPTION_DEAD,
}


def alert(code: Code, subject: str, key: str, **facts: str) -> Alert:
    """The RAISED body of an alert; `key` (a bead id, say) makes its id, so that every retry makes the same one."""
    row = CODES[code]
    told = ", ".join(f"{name} {value}" for name, value in facts.items())
    return Alert(
        event=AlertEvent.RAISED,
        alert=derived_id("alert", code.value, subject, key),
        severity=row.severity,
        code=code.value,
        subject=subject,
        text=f"{row.phrase}: {subject}" + (f" ({told})" if told else ""),
        runbook=row.runbook,
        always=row.always,
    )


def drift_alert(drift: ReconciliationDrift, key: str) -> Alert:
    """The alert that a drift bead obliges, with both sides of the mismatch. Each divergence is a subject of its own."""
    sides = {f"phoenix {name}": value for name, value in drift.phoenix_state.items()}
    sides |= {f"broker {name}": value for name, value in drift.broker_state.items()}
    return alert(drift_code(drift.cause, drift.severity), f"{drift.subject} {drift.cause}", key, **sides)


def drift_code(cause: str, severity: Severity) -> Code:
    """The alert that a drift becomes: an exit that would open a position has one of its own."""
    if cause == Cause.ORPHAN_EXIT.value:
        return Code.ORPHAN_EXIT
    return Code.DRIFT_CRITICAL if severity is Severity.CRITICAL else Code.DRIFT_WARNING


def beat_code(beat: Heartbeat) -> Code | None:
    """The alert of a missed beat: a WARNING, from the third in a row on CRITICAL; none of a beat that came."""
    if beat.status is not Beat.MISSED:
        return None
    return Code.BEATS_MISSED if beat.miss_count >= MISSES_CRITICAL else Code.BEAT_MISSED
