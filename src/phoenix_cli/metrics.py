"""The desk's numbers as Prometheus reads them: plain text, drawn from the log at the moment of the question.

They are for a dashboard. What happened, and whether it was right, is what the log says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from phoenix_core.values import State
from phoenix_core.watch.session import ReconnectState

if TYPE_CHECKING:
    from phoenix_core.desk import Desk

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
Sample = tuple[str, float]  # labels as they stand in braces, or nothing; the value


def exposition(desk: Desk, now: datetime, *, engine_runs: bool, halted: bool) -> str:
    """Every metric of a desk in the text format: a line of help, a line of type, and its samples."""
    lines: list[str] = []
    for name, kind, text, samples in _metrics(desk, now, engine_runs, halted):
        lines += [f"# HELP phoenix_{name} {text}", f"# TYPE phoenix_{name} {kind}"]
        lines += [f"phoenix_{name}{'{' + labels + '}' if labels else ''} {value:g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(
    desk: Desk, now: datetime, engine_runs: bool, halted: bool
) -> Iterator[tuple[str, str, str, list[Sample]]]:
    beats, run = desk.heartbeats, desk.observations.run
    up = engine_runs and desk.sessions.state is ReconnectState.CONNECTED
    yield "up", "gauge", "Whether an engine holds the lease of the desk.", [("", engine_runs)]
    yield "halted", "gauge", "Whether the halt latch is up.", [("", halted)]
    yield "beads_total", "counter", "Beads in the log.", [("", desk.head.size)]
    yield "effects_owed", "gauge", "What the desk still owes the world.", [("", len(desk.owed))]
    counts = Counter(position.state for position in desk.positions.open.values())
    positions = [(f'state="{state.value}"', float(counts[state])) for state in State if state not in ENDS]
    yield "positions", "gauge", "Open positions by state.", positions
    yield "orders_working", "gauge", "Orders of ours without an end.", [("", len(desk.orders.open))]
    yield "drifts_open", "gauge", "Divergences that no human has settled.", [("", len(desk.drifts.open))]
    yield "kill_flags", "gauge", "Kill flags that stand.", [("", len(desk.kill_flags.standing))]
    loud = Counter(alert.severity.value for alert in desk.alerts.open.values())
    alerts = [(f'severity="{name}"', float(loud[name])) for name in ("CRITICAL", "WARNING")]
    yield "alerts_open", "gauge", "Open alerts by severity.", alerts
    yield "alerts_unsent", "gauge", "Alerts that no channel has taken.", [("", len(desk.alerts.unsent))]
    yield "heartbeats_total", "counter", "Heartbeats that came.", [("", beats.beats)]
    yield "heartbeats_missed_total", "counter", "Heartbeats that did not.", [("", beats.missed)]
    yield "link_up", "gauge", "Whether a session with the broker stands.", [("", up)]
    for name, text, at in (
        ("heartbeat_age_seconds", "Since the last heartbeat.", beats.last_at),
        ("reconciliation_age_seconds", "Since the last look at the broker's picture.", run.ts if run else None),
    ):
        if at is not None:
            yield name, "gauge", text, [("", round((now - at).total_seconds(), 3))]
