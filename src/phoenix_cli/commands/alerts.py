"""`alerts list|ack|test`: what a human must know, that a human knows it, and whether the channels work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import UNREACHABLE, emit, refuse

if TYPE_CHECKING:
    from datetime import datetime

    from phoenix_cli.home import Home
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.beads import Alert
    from phoenix_core.ports import Notifier
    from phoenix_core.watch.alerts import Alerts, Message
    from phoenix_core.watch.codes import Code

# A channel that has not taken a message by then is down, whatever it says later.
CHANNEL_WITHIN_S = 10.0
# What the notifier that only prints is called: it proves nothing about a person.
CONSOLE = "console"


@click.group("alerts")
def alerts_command() -> None:
    """Open alerts; acknowledge one; test the channels.

    Example: phoenix alerts list
    """


@alerts_command.command("list")
@click.pass_context
def alerts_list(ctx: click.Context) -> None:
    """Every alert that is open, the loudest first, with the runbook that it opens.

    Example: phoenix alerts list
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import Severity, utc_text
    from phoenix_core.watch.codes import CODES

    loudness = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
    with opened(home_of(ctx)) as session:
        alerts = session.desk.alerts
        rows = [
            {
                "alert": one.id,
                "code": one.code.value,
                "severity": one.severity.value,
                "subject": one.subject,
                "phrase": CODES[one.code].phrase,
                "text": _text_of(session, one.seq),
                "runbook": CODES[one.code].runbook,
                "raised_at": utc_text(one.raised_at),
                "count": one.count,
                "acknowledged": one.acknowledged,
                "escalated": one.escalated,
            }
            for one in sorted(alerts.open.values(), key=lambda one: loudness.index(one.severity))
        ]
        words = [
            f"{row['severity']:<8} {row['text']}"
            f"{' [' + str(row['runbook']) + ']' if row['runbook'] else ''}"
            f"{'  acknowledged' if row['acknowledged'] else ''}  {row['alert']}"
            for row in rows
        ]
        emit(ctx, {"alerts": rows, "unsent": len(alerts.unsent)}, "\n".join(words) or "no alert is open")


def _text_of(session: Session, seq: int) -> str:
    """What an alert said when it was raised, its reasons and figures with it."""
    from phoenix_core.beads import Alert
    from phoenix_core.kernel import bead_of

    body = bead_of(next(session.store.read(seq, seq + 1))).body
    assert isinstance(body, Alert), "an alert is open since its bead"
    return body.text


@alerts_command.command("ack")
@click.argument("alert")
@click.option("--false-alarm", is_flag=True, help="There was nothing behind it; `beads quality` counts how often.")
@click.pass_context
def alerts_ack(ctx: click.Context, alert: str, false_alarm: bool) -> None:
    """Say that you have seen an alert: an event ends, a condition goes on quietly until it is resolved.

    Example: phoenix alerts ack 5f0c
    """
    import os

    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import Acknowledge

    with opened(home_of(ctx)) as session:
        near = [one for one in session.desk.alerts.open if one.startswith(alert)]
        name = near[0] if len(near) == 1 else alert
        said = session.recorder.act(Acknowledge(fresh_id(), name, f"uid{os.getuid()}", false_alarm))
        if not is_successful(said):
            refuse(ctx, tuple(reason.value for reason in said.failure().reasons), said.failure().detail)
        standing = name in session.desk.alerts.open
        words = f"{name}: " + ("quiet, and open until it is resolved" if standing else "acknowledged")
        emit(ctx, {"alert": name, "open": standing}, words)


@alerts_command.command("test")
@click.pass_context
def alerts_test(ctx: click.Context) -> None:
    """Send the six-step sequence through every channel: ping, READY, DRIFT, KILL, ten as one batch, a flood of fifty.

    Nothing happens at the desk; look at your phone. Where there is a desk, its log keeps which channels took every
    step: a LIVE desk does not start without two of them within the last week.

    Example: phoenix alerts test
    """
    import asyncio

    from phoenix_cli.home import load_settings
    from phoenix_cli.wiring.opening import clock_of, notifiers_of

    home = home_of(ctx)
    now = clock_of(load_settings(home), home).now().wall
    notifiers = notifiers_of(lambda text: click.echo(text, err=True))
    rows, works, troubles = asyncio.run(_send(notifiers, now))
    words = [
        f"{row['step']}. {row['name']:<12} {row['alerts']:>2} alerts, {row['messages']} messages:"
        + ",".join(f" {name} {'ok' if taken else 'FAILED'}" for name, taken in _taken(row).items())
        for row in rows
    ]
    words += [f"{name}: {trouble}" for name, trouble in troubles.items()]
    proven = _proven(home, rows)
    emit(ctx, {"ok": works, "steps": rows, "proven": proven, "troubles": troubles}, "\n".join(words))
    if not works:
        ctx.exit(UNREACHABLE)


def _proven(home: Home, rows: list[dict[str, object]]) -> list[str]:
    """The channels that took every step, kept in the log where there is one. Nobody may be looking at the console."""
    from phoenix_cli.wiring.opening import fresh_id, opened
    from phoenix_core.acts.operate import ProveChannel

    took = [name for name in _taken(rows[0]) if name != CONSOLE and all(_taken(row)[name] for row in rows)]
    if took and home.log.exists():
        with opened(home) as session:
            for name in took:
                _ = session.recorder.act(ProveChannel(fresh_id(), name)).unwrap()
    return took


def _taken(row: dict[str, object]) -> dict[str, bool]:
    delivered = row["delivered"]
    assert isinstance(delivered, dict), "a step says which channel took it"
    return delivered


async def _send(notifiers: tuple[Notifier, ...], now: datetime) -> tuple[list[dict[str, object]], bool, dict[str, str]]:
    """Every step through every channel, and why one did not take it; none that fails keeps the others waiting."""
    import asyncio

    from phoenix_cli.wiring.edges import takes
    from phoenix_core.ports import Complains

    troubles: dict[str, str] = {}

    async def deliver(notifier: Notifier, messages: tuple[Message, ...]) -> bool:
        for message in messages:
            if not await takes(notifier, message, timedelta(seconds=CHANNEL_WITHIN_S)):
                if isinstance(notifier, Complains) and notifier.trouble:
                    _ = troubles.setdefault(notifier.name, notifier.trouble)
                return False
        return True

    rows: list[dict[str, object]] = []
    for number, (name, count, messages) in enumerate(sequence(now), 1):
        taken = await asyncio.gather(*(deliver(notifier, messages) for notifier in notifiers))
        delivered = {notifier.name: took for notifier, took in zip(notifiers, taken, strict=True)}
        rows.append({"step": number, "name": name, "alerts": count, "messages": len(messages), "delivered": delivered})
    return rows, all(all(_taken(row).values()) for row in rows), troubles


def sequence(now: datetime) -> Iterator[tuple[str, int, tuple[Message, ...]]]:
    """The six steps, each as the desk itself would word and batch it: (name, alerts, messages)."""
    from phoenix_core.watch.codes import Code

    steps: tuple[tuple[str, Code, int], ...] = (
        ("ping", Code.TEST, 1),
        ("READY", Code.SIGNAL_READY, 1),
        ("DRIFT", Code.DRIFT_CRITICAL, 1),
        ("KILL", Code.KILL_RAISED, 1),
        ("aggregation", Code.TEST, 10),
        ("flood", Code.TEST, 50),
    )
    for number, (name, code, count) in enumerate(steps):
        yield name, count, _worded(code, count, now + timedelta(minutes=number))


def _worded(code: Code, count: int, now: datetime) -> tuple[Message, ...]:
    """The messages that so many alerts of a code become, by the throttle's own rules on a clock of its own."""
    from phoenix_core.watch.alerts import Alerts, next_messages, sent
    from phoenix_core.watch.codes import alert

    alerts: Alerts = Alerts()
    told: list[Message] = []
    _fold(alerts, tuple(alert(code, f"TEST {n + 1} of {count}", f"{now}|{n}") for n in range(count)), now)
    for look in range(60):
        at = now + timedelta(seconds=look)
        for message in next_messages(alerts, at):
            told.append(message)
            _fold(alerts, sent(alerts, message, "test"), at)
    return tuple(told)


def _fold(alerts: Alerts, bodies: tuple[Alert, ...], at: datetime) -> None:
    from phoenix_core.beads import Bead

    for body in bodies:
        alerts.fold(Bead(0, at, body.alert, body, ""))
