"""What a human must know, how often, and in which order it leaves. A bead before it is a message.

CRITICAL goes first, alone and at once; the rest is batched, so that fifty alerts in a minute do not bury one. What
lasts is said again and grows louder until somebody ends it. The words are in `codes.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Alert, AlertEvent, Bead
from phoenix_core.records import evolve
from phoenix_core.values import Severity
from phoenix_core.watch.codes import CODES, WARNING_REPEAT, drift_code
from phoenix_core.watch.codes import Code as Code  # whoever raises an alert finds its words here
from phoenix_core.watch.codes import alert as alert
from phoenix_core.watch.drift import OpenDrift
from phoenix_core.watch.pacing import has_passed

# A message of ten lines is read; the rest of a flood is counted. Five seconds gather what belongs together, and six
# messages a minute are what a person still looks at.
BATCH_MAX: Final = 10
FALSE_ALARM: Final = "false alarm"
BATCH_WINDOW: Final = timedelta(seconds=5)
BATCH_GAP: Final = timedelta(seconds=10)
# The broker's gateway wants a full login every Sunday, so a LIVE desk starts at least weekly: as old may its proof be.
PROVEN_FOR: Final = timedelta(days=7)


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
    urgent: dict[str, Unsent] = Factory(dict)  # CRITICAL and untold, by alert id, oldest first
    patient: dict[str, Unsent] = Factory(dict)  # untold as well, and in no such hurry
    warned: dict[str, datetime] = Factory(dict)  # `code|subject` of the last hour's WARNINGs and codes, oldest first
    batched_at: datetime | None = None  # when a message that was not CRITICAL last went out
    raised: int = 0
    proven: dict[str, datetime] = Factory(dict)  # channel -> when it last took the whole test sequence

    @property
    def unsent(self) -> dict[str, Unsent]:
        """All that no channel has taken yet."""
        return {**self.urgent, **self.patient}

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
        outbox = self.urgent if body.severity is Severity.CRITICAL else self.patient
        outbox[body.alert] = Unsent(body.alert, code, body.subject, body.severity, bead.ts, body.text, body.always)
        name = _name(code, body.subject)
        if body.severity is Severity.WARNING or code is Code.SIGNAL_SHOWN:
            _ = self.warned.pop(name, None)
            self.warned[name] = bead.ts
            while has_passed(self.warned[oldest := next(iter(self.warned))], bead.ts, WARNING_REPEAT):
                del self.warned[oldest]
        if body.severity is Severity.INFO:
            return
        first = self.open.get(body.repeats or "") or self.open.get(self.by_subject.get(name, ""))
        if first is None:
            self.open[body.alert] = OpenAlert(body.alert, code, body.subject, body.severity, bead.ts, bead.seq, bead.ts)
            self.by_subject[name] = body.alert
        elif first.code is code:
            first.last_at, first.count = bead.ts, first.count + 1
        else:
            first.escalated = True

    def _sent(self, bead: Bead, body: Alert) -> None:
        if body.code == Code.TEST.value:
            self.proven[body.channel] = bead.ts
        _ = self.urgent.pop(body.alert, None)
        if self.patient.pop(body.alert, None) is not None:
            self.batched_at = bead.ts

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


def drift_answered(alerts: Alerts, drift: OpenDrift, by: str) -> Alert | None:
    """The RESOLVED body for the alert of a drift that a human has ended; None where none is open."""
    return resolved(alerts, drift_code(drift.cause, drift.severity), f"{drift.subject} {drift.cause}", by)


def drift_known(alerts: Alerts, drift: OpenDrift, by: str) -> Alert | None:
    """The same for a drift that a human has acknowledged: it waits for nobody, and is told of anew when the
    acknowledgement lapses. What insists is said on."""
    insists = CODES[drift_code(drift.cause, drift.severity)].insists
    return None if insists else drift_answered(alerts, drift, by)


def may_raise(alerts: Alerts, code: Code, subject: str, now: datetime) -> bool:
    """Whether raising says something new: a condition that is open is said again by `follow_ups` alone; the same
    WARNING on the same subject is said at most hourly, unless it is one that always notifies."""
    row, name = CODES[code], _name(code, subject)
    if row.lasts and name in alerts.by_subject:
        return False
    if row.severity is not Severity.WARNING or row.always:
        return True
    return name not in alerts.warned or has_passed(alerts.warned[name], now, WARNING_REPEAT)


def overdue(
    alerts: Alerts, code: Code, subject: str, key: str, since: datetime | None, now: datetime
) -> tuple[Alert, ...]:
    """A condition that was held back, being told of within the hour, and has lasted until it grows louder: the alert,
    and what it becomes, at once."""
    row = CODES[code]
    if row.escalates is None or since is None or _name(code, subject) in alerts.by_subject:
        return ()
    after, louder = row.escalates
    if not has_passed(since, now, after):
        return ()
    first = alert(code, subject, key)
    return first, evolve(alert(louder, subject, f"{first.alert}|escalated"), repeats=first.alert, count=2)


def follow_ups(alerts: Alerts, now: datetime) -> tuple[Alert, ...]:
    """For `due`: the repeats and escalations that time asks of the open alerts, as RAISED bodies. An acknowledgement
    stops both, except for what insists: that is said again until it is resolved."""
    said: list[Alert] = []
    for one in alerts.open.values():
        row = CODES[one.code]
        if row.escalates is not None and not (one.escalated or one.acknowledged):
            after, code = row.escalates
            if has_passed(one.raised_at, now, after):
                said.append(_again(one, code, "escalated"))
        silenced = one.acknowledged and not row.insists
        if row.repeats is not None and not silenced and has_passed(one.last_at, now, row.repeats):
            said.append(_again(one, one.code, str(one.count)))
    return tuple(said)


def _again(first: OpenAlert, code: Code, key: str) -> Alert:
    return evolve(alert(code, first.subject, f"{first.id}|{key}"), repeats=first.id, count=first.count + 1)


def resolved(alerts: Alerts, code: Code, subject: str, by: str) -> Alert | None:
    """The RESOLVED body for the open alert of a code on a subject; None where none is open."""
    found = alerts.by_subject.get(_name(code, subject))
    return None if found is None else _answer(alerts.open[found], AlertEvent.RESOLVED, by)


def acknowledged(alerts: Alerts, alert_id: str, by: str, false_alarm: bool = False) -> Alert | None:
    """The ACKNOWLEDGED body: it ends an event and quietens a condition; None where none is open under that id. A human
    who found nothing behind it may say so: how often alerts are right is counted."""
    found = alerts.open.get(alert_id)
    if found is None:
        return None
    return _answer(found, AlertEvent.ACKNOWLEDGED, by, FALSE_ALARM if false_alarm else "")


def _answer(one: OpenAlert, event: AlertEvent, by: str, text: str = "") -> Alert:
    return Alert(event, one.id, one.severity, one.code.value, one.subject, text, CODES[one.code].runbook, by=by)


def sent(alerts: Alerts, message: Message, channel: str) -> tuple[Alert, ...]:
    """The SENT bodies of a message that a channel has taken."""
    unsent = alerts.unsent
    told = (unsent[alert_id] for alert_id in message.alerts if alert_id in unsent)
    return tuple(
        Alert(AlertEvent.SENT, one.id, one.severity, one.code.value, one.subject, "", channel=channel) for one in told
    )


def tested(channel: str, key: str) -> Alert:
    """The SENT body of the test sequence: this channel took every step of it. Nothing is open after it."""
    return evolve(alert(Code.TEST, channel, key), event=AlertEvent.SENT, text="", channel=channel)


def proven_channels(alerts: Alerts, now: datetime) -> tuple[str, ...]:
    """The channels that took the test sequence within the last week."""
    return tuple(name for name, at in alerts.proven.items() if not has_passed(at, now, PROVEN_FOR))


def next_messages(
    alerts: Alerts, now: datetime, telling: Container[str] = (), stuck: bool = False
) -> tuple[Message, ...]:
    """What goes out now: every CRITICAL alone, at once; once all of these were taken, and where the throttle allows,
    all the rest as one batch. A batch waits 5 s for company or until ten wait, and there is one every 10 s at most.

    Where nobody took the last message (`stuck`), the batch is tried beside: what no channel takes keeps nothing else
    back. Of what is on its way already (`telling`) nothing is said again, and no words are made: a channel that hangs
    while hundreds wait is asked about at every step.
    """
    urgent = tuple(
        Message(Severity.CRITICAL, (one.id,), _line(one)) for one in alerts.urgent.values() if one.id not in telling
    )
    oldest = next(iter(alerts.patient.values()), None)
    # A batch takes all that wait: where the oldest is not on its way, nothing is.
    behind = bool(alerts.urgent) and not stuck
    if behind or oldest is None or oldest.id in telling or not _may_batch(alerts, oldest, now):
        return urgent
    return (*urgent, _batch(list(alerts.patient.values())))


def _may_batch(alerts: Alerts, oldest: Unsent, now: datetime) -> bool:
    gathered = len(alerts.patient) >= BATCH_MAX or has_passed(oldest.raised_at, now, BATCH_WINDOW)
    return gathered and (alerts.batched_at is None or has_passed(alerts.batched_at, now, BATCH_GAP))


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
