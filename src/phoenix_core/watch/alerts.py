"""What a human must know, how loudly, how often, and which page to open. A bead before it is a message.

`CODES` is the whole vocabulary: every alert has a fixed phrase and a few facts of ours, never a stranger's words.
CRITICAL goes first, alone and at once; the rest is batched, so that fifty alerts in a minute do not bury one.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, evolve, frozen

from phoenix_core.beads import Alert, AlertEvent, Bead
from phoenix_core.values import Named, Severity, derived_id
from phoenix_core.watch.pacing import has_passed
from phoenix_core.watch.session import ESCALATION

# A message of ten lines is read; the rest of a flood is counted. Five seconds gather what belongs together.
BATCH_MAX: Final = 10
BATCH_WINDOW: Final = timedelta(seconds=5)
MESSAGES_PER_MINUTE: Final = 6
MINUTE: Final = timedelta(minutes=1)
WARNING_REPEAT: Final = timedelta(hours=1)
DRIFT_ESCALATION: Final = timedelta(minutes=15)
DEGRADATION_ESCALATION: Final = timedelta(minutes=5)


class Code(Named):
    """Every alert there is."""

    # The link
    LINK_LOST = "LINK_LOST"
    LINK_ESCALATED = "LINK_ESCALATED"
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
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    EXIT_UNKNOWN = "EXIT_UNKNOWN"
    PROTECTION_LOST = "PROTECTION_LOST"
    CLOSE_NOT_SENT = "CLOSE_NOT_SENT"
    # Gates
    STATE_CONFLICT = "STATE_CONFLICT"
    KILL_RAISED = "KILL_RAISED"
    KILL_LIFTED = "KILL_LIFTED"
    HALTED = "HALTED"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    OUT_VS_IN_EXCEEDED = "OUT_VS_IN_EXCEEDED"
    GUARD_VIOLATION = "GUARD_VIOLATION"
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
    escalates: tuple[timedelta, Code] | None = None  # left open for so long, it becomes this


_CRITICAL, _WARNING, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
_UNRESOLVED: Final = (DRIFT_ESCALATION, Code.DRIFT_UNRESOLVED)

CODES: Final[dict[Code, Row]] = {
    Code.LINK_LOST: Row(_CRITICAL, "Link to the broker lost", "RB-001", lasts=True),
    Code.LINK_ESCALATED: Row(_CRITICAL, ESCALATION, "RB-001", lasts=True),
    Code.LINK_RESTORED: Row(_INFO, "Link to the broker restored"),
    Code.GATEWAY_RESTARTED: Row(_WARNING, "The gateway restarted outside its declared window", "RB-007"),
    Code.CLIENT_ID_TAKEN: Row(_WARNING, "The broker says that our client id is in use; no other is tried", "RB-001"),
    Code.BROKER_WARNING: Row(_WARNING, "The broker warns", always=True),
    Code.BROKER_CLOCK_SKEW: Row(_WARNING, "The broker's clock and ours differ by more than 5 s", "RB-007", lasts=True),
    Code.PACING_LIMITED: Row(_WARNING, "Orders come faster than the broker takes them; they wait or expire", "RB-008"),
    Code.PACING_VIOLATION: Row(_CRITICAL, "The broker says that we speak too fast", "RB-008"),
    Code.DRIFT_CRITICAL: Row(_CRITICAL, "Phoenix and the broker disagree", "RB-002", lasts=True, escalates=_UNRESOLVED),
    Code.DRIFT_WARNING: Row(
        _WARNING, "Phoenix and the broker disagree", "RB-002", lasts=True, repeats=WARNING_REPEAT, escalates=_UNRESOLVED
    ),
    Code.ORPHAN_EXIT: Row(
        _CRITICAL, "This order will OPEN a position", "RB-002", lasts=True, repeats=MINUTE, escalates=_UNRESOLVED
    ),
    Code.DRIFT_UNRESOLVED: Row(_CRITICAL, "Drift has waited 15 minutes for a human", "RB-002"),
    Code.RECONCILIATION_UNKNOWN: Row(
        _CRITICAL, "Three pictures of the broker in a row were not whole", "RB-002", lasts=True
    ),
    Code.LATE_FACT: Row(_CRITICAL, "The broker speaks of a position that had ended", "RB-002"),
    Code.POSITION_STALLED: Row(
        _WARNING, "No word from the broker on a sent order", "RB-003", always=True, lasts=True, repeats=WARNING_REPEAT
    ),
    Code.ORDER_REJECTED: Row(_WARNING, "The broker rejected an order; it is not sent again", always=True),
    Code.ORDER_HELD: Row(_WARNING, "The broker holds an order back", "RB-003", always=True),
    Code.ORDER_UNKNOWN: Row(_WARNING, "Asked about an order, the broker does not know it", "RB-003", always=True),
    Code.EXIT_UNKNOWN: Row(
        _CRITICAL, "No word from the broker on an exit for 10 s", "RB-003", lasts=True, repeats=MINUTE
    ),
    Code.PROTECTION_LOST: Row(
        _CRITICAL, "A position stands without its full protection", "RB-002", lasts=True, repeats=MINUTE
    ),
    Code.CLOSE_NOT_SENT: Row(_CRITICAL, "A close was not sent: protection did not end in 3 s", "RB-003"),
    Code.STATE_CONFLICT: Row(
        _WARNING, "Stale context: the order was stopped, refresh the anchor", "RB-005", always=True
    ),
    Code.KILL_RAISED: Row(_CRITICAL, "Kill flag raised: no new entries", "RB-005", lasts=True),
    Code.KILL_LIFTED: Row(_INFO, "Kill flag lifted"),
    Code.HALTED: Row(_CRITICAL, "Emergency halt", "RB-004", lasts=True),
    Code.DAILY_LOSS_LIMIT: Row(_CRITICAL, "The loss limit of the day is reached: no new entries", "RB-005"),
    Code.OUT_VS_IN_EXCEEDED: Row(_CRITICAL, "More was placed than was approved: halted", "RB-004"),
    Code.GUARD_VIOLATION: Row(_CRITICAL, "Account, port or mode do not match: nothing was sent", "RB-004"),
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
    Code.SIGNAL_QUARANTINED: Row(_WARNING, "An unreadable intent was put aside"),
    Code.ORDER_FILLED: Row(_INFO, "An entry was filled"),
    Code.POSITION_CLOSED: Row(_INFO, "A position was closed"),
    Code.PROMOTED: Row(_WARNING, "A strategy was promoted from SHADOW to LIVE", always=True),
    Code.REVALIDATION_STARTED: Row(_WARNING, "A parameter changed: shadow restarted, sweep begun", always=True),
    Code.VALIDATION_EXTENDED: Row(_WARNING, "A chaos vector failed: the validation is extended", always=True),
    Code.TEST: Row(_INFO, "A test: nothing happened"),
}


@define
class OpenAlert:
    """A WARNING or CRITICAL that is neither resolved nor, where it was an event, acknowledged."""

    id: str
    code: Code
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
    code: Code
    subject: str
    severity: Severity
    raised_at: datetime
    text: str
    always: bool


@define
class Alerts:
    """The slice of ALERT: what is open, and what no channel has taken yet."""

    open: dict[str, OpenAlert] = Factory(dict)  # by the id of its first alert
    by_subject: dict[str, str] = Factory(dict)  # `code|subject` -> id of the open alert
    unsent: dict[str, Unsent] = Factory(dict)  # by alert id, oldest first
    warned: dict[str, datetime] = Factory(dict)  # `code|subject` of the WARNINGs of the last hour, oldest first
    messages: list[datetime] = Factory(list)  # when the last messages that were not CRITICAL went out
    raised: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in an alert's bead; other kinds are somebody else's."""
        body = bead.body
        if not isinstance(body, Alert):
            return
        if body.event is AlertEvent.RAISED:
            self._raised(bead, body, Code(body.code))
        elif body.event is AlertEvent.SENT:
            self._sent(bead, body)
        else:
            self._answered(body)

    def _raised(self, bead: Bead, body: Alert, code: Code) -> None:
        self.raised += 1
        self.unsent[body.alert] = Unsent(body.alert, code, body.subject, body.severity, bead.ts, body.text, body.always)
        if body.severity is Severity.INFO:
            return
        name = _name(code, body.subject)
        if body.severity is Severity.WARNING:
            self.warned.pop(name, None)
            self.warned[name] = bead.ts
            while has_passed(self.warned[oldest := next(iter(self.warned))], bead.ts, WARNING_REPEAT):
                del self.warned[oldest]
        first = self.open.get(body.repeats or "") or self.open.get(self.by_subject.get(name, ""))
        if first is None:
            self.open[body.alert] = OpenAlert(body.alert, code, body.subject, body.severity, bead.ts, bead.seq, bead.ts)
            self.by_subject[name] = body.alert
        elif first.code is code:
            first.last_at, first.count = bead.ts, first.count + 1
        else:
            first.escalated = True

    def _sent(self, bead: Bead, body: Alert) -> None:
        taken = self.unsent.pop(body.alert, None)
        urgent = taken is None or taken.severity is Severity.CRITICAL
        if not urgent and bead.ts not in self.messages[-1:]:  # the alerts of one batch are sent at one instant
            self.messages = [*self.messages, bead.ts][-MESSAGES_PER_MINUTE:]

    def _answered(self, body: Alert) -> None:
        answered = self.open.get(body.alert)
        assert answered is not None, "only an open alert is acknowledged or resolved"
        if body.event is AlertEvent.ACKNOWLEDGED and CODES[answered.code].lasts:
            answered.acknowledged = True
            return
        del self.open[answered.id], self.by_subject[_name(answered.code, answered.subject)]


def _name(code: Code, subject: str) -> str:
    return f"{code.value}|{subject}"


@frozen
class Message:
    """What goes out at once: a CRITICAL alone, or a batch."""

    severity: Severity
    alerts: tuple[str, ...]
    text: str


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


def may_raise(alerts: Alerts, code: Code, subject: str, now: datetime) -> bool:
    """Whether raising says something new: a condition that is open is said again by `follow_ups` alone; the same
    WARNING on the same subject is said at most hourly, unless it is one that always notifies."""
    row, name = CODES[code], _name(code, subject)
    if row.lasts and name in alerts.by_subject:
        return False
    if row.severity is not Severity.WARNING or row.always:
        return True
    return name not in alerts.warned or has_passed(alerts.warned[name], now, WARNING_REPEAT)


def follow_ups(alerts: Alerts, now: datetime) -> tuple[Alert, ...]:
    """For `due`: the repeats and escalations that time asks of the open alerts, as RAISED bodies. An acknowledgement
    silences a WARNING and stops an escalation; what is CRITICAL, or always notifies, goes on until it is resolved."""
    said: list[Alert] = []
    for one in alerts.open.values():
        row = CODES[one.code]
        if row.escalates is not None and not (one.escalated or one.acknowledged):
            after, code = row.escalates
            if has_passed(one.raised_at, now, after):
                said.append(_again(one, code, "escalated"))
        silenced = one.acknowledged and row.severity is Severity.WARNING and not row.always
        if row.repeats is not None and not silenced and has_passed(one.last_at, now, row.repeats):
            said.append(_again(one, one.code, str(one.count)))
    return tuple(said)


def _again(first: OpenAlert, code: Code, key: str) -> Alert:
    return evolve(alert(code, first.subject, f"{first.id}|{key}"), repeats=first.id, count=first.count + 1)


def resolved(alerts: Alerts, code: Code, subject: str, by: str) -> Alert | None:
    """The RESOLVED body for the open alert of a code on a subject; None where none is open."""
    found = alerts.by_subject.get(_name(code, subject))
    return None if found is None else _answer(alerts.open[found], AlertEvent.RESOLVED, by)


def acknowledged(alerts: Alerts, alert_id: str, by: str) -> Alert | None:
    """The ACKNOWLEDGED body: it ends an event and quietens a condition; None where none is open under that id."""
    found = alerts.open.get(alert_id)
    return None if found is None else _answer(found, AlertEvent.ACKNOWLEDGED, by)


def _answer(one: OpenAlert, event: AlertEvent, by: str) -> Alert:
    return Alert(event, one.id, one.severity, one.code.value, one.subject, "", CODES[one.code].runbook, by=by)


def sent(alerts: Alerts, message: Message, channel: str) -> tuple[Alert, ...]:
    """The SENT bodies of a message that a channel has taken."""
    told = (alerts.unsent[alert_id] for alert_id in message.alerts if alert_id in alerts.unsent)
    return tuple(
        Alert(AlertEvent.SENT, one.id, one.severity, one.code.value, one.subject, "", channel=channel) for one in told
    )


def next_messages(alerts: Alerts, now: datetime) -> tuple[Message, ...]:
    """What goes out now: every CRITICAL alone and first, at once; then, where the throttle allows, all the rest as one
    batch. A batch waits 5 s for company or until ten wait, and there are at most six in a minute."""
    waiting = tuple(alerts.unsent.values())
    urgent = tuple(
        Message(Severity.CRITICAL, (one.id,), _line(one)) for one in waiting if one.severity is Severity.CRITICAL
    )
    rest = [one for one in waiting if one.severity is not Severity.CRITICAL]
    if not rest or not _may_batch(alerts, rest, now):
        return urgent
    return (*urgent, _batch(rest))


def _may_batch(alerts: Alerts, rest: list[Unsent], now: datetime) -> bool:
    gathered = len(rest) >= BATCH_MAX or has_passed(rest[0].raised_at, now, BATCH_WINDOW)
    lately = sum(not has_passed(at, now, MINUTE) for at in alerts.messages)
    return gathered and lately < MESSAGES_PER_MINUTE


def _batch(rest: list[Unsent]) -> Message:
    """Ten lines, the loudest first, and a count of everything else by its code: nothing is left out."""
    ranked = sorted(rest, key=lambda one: (not one.always, one.severity is not Severity.WARNING))
    lines = [_line(one) for one in ranked[:BATCH_MAX]]
    counted = Counter(one.code.value for one in ranked[BATCH_MAX:])
    if counted:
        told = ", ".join(f"{count} x {code}" for code, count in sorted(counted.items()))
        lines.append(f"and {counted.total()} more: {told}")
    severity = Severity.WARNING if any(one.severity is Severity.WARNING for one in rest) else Severity.INFO
    return Message(severity, tuple(one.id for one in rest), "\n".join(lines))


def _line(one: Unsent) -> str:
    runbook = CODES[one.code].runbook
    return f"{one.severity.value} {one.text}" + (f" [{runbook}]" if runbook else "")
