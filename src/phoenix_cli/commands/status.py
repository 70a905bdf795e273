"""`status`, `health`, `watch`: everything on one screen, whether it is well, and the same screen live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from phoenix_cli.wiring.opening import Session
    from phoenix_core.trade.positions import Open

# Tables as JSON has them.
Row = dict[str, Any]


@click.command("status")
@click.pass_context
def status_command(ctx: click.Context) -> None:
    """Everything on one screen; STALLED positions come first.

    Example: phoenix status
    """
    from phoenix_cli.commands.drawing import status_lines
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        picture = picture_of(session)
        emit(ctx, picture, "\n".join(status_lines(picture)))


@click.command("health")
@click.pass_context
def health_command(ctx: click.Context) -> None:
    """The health of the desk with its checks; exit 0 healthy, 1 degraded or critical.

    Example: phoenix health
    """
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        health = health_of(session)
        words = [f"{health['health']}: {health['detail']}"]
        words += [f"  {'ok  ' if passed else 'FAIL'} {name}" for name, passed in health["checks"].items()]
        words += [f"  {issue}: {detail}" for issue, detail in health["issues"].items()]
        emit(ctx, health, "\n".join(words))
        if health["health"] != "HEALTHY":
            ctx.exit(1)


@click.command("watch")
@click.option("--once", is_flag=True, help="Draw one picture and stop.")
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, help="Seconds between pictures.")
@click.pass_context
def watch_command(ctx: click.Context, once: bool, every: float) -> None:
    """A live dashboard of the desk; Ctrl-C ends it and nothing else.

    Example: phoenix watch --every 2
    """
    from rich.console import Console
    from rich.live import Live

    from phoenix_cli.commands.drawing import dashboard
    from phoenix_cli.output import wants_json
    from phoenix_cli.wiring.opening import opened

    with opened(home_of(ctx)) as session:
        if wants_json(ctx):
            emit(ctx, picture_of(session))
            return
        console = Console()
        if once:
            console.print(dashboard(picture_of(session)))
            return
        try:
            with Live(dashboard(picture_of(session)), console=console, screen=console.is_terminal) as live:
                while True:
                    time.sleep(every)
                    live.update(_seen(session), refresh=True)
        except KeyboardInterrupt:
            return


def _seen(session: Session) -> RenderableType:
    """The next picture; a log that cannot be read just now is said on the screen, and looked for again."""
    from rich.text import Text

    from phoenix_cli.commands.drawing import dashboard
    from phoenix_core.chain import StoreFault

    try:
        _ = session.recorder.catch_up()
        return dashboard(picture_of(session))
    except StoreFault as fault:
        return Text(f"THE LOG CANNOT BE READ: {fault}; open runbook RB-004", style="bold red")


# --- what is on the screen --------------------------------------------------------------------------------------------


def picture_of(session: Session) -> Row:
    """The whole desk as one document."""
    from decimal import Decimal

    from phoenix_cli.wiring.opening import is_latched
    from phoenix_cli.wiring.unsigned import unsigned_rows
    from phoenix_core.values import Severity, State, plain, utc_text
    from phoenix_core.watch.codes import CODES
    from phoenix_core.watch.market_hours import fx_day

    loudness = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
    desk, now = session.desk, session.clock.now().wall
    positions = sorted(desk.positions.open.values(), key=lambda p: (p.state is not State.STALLED, p.born_at))
    shown = [_position_row(session, p) for p in positions if p.state not in (State.PROPOSED, State.APPROVED)]
    run = desk.observations.run
    today = [traded for traded in desk.positions.lately if fx_day(traded.at) == fx_day(now)]
    return {
        "now": utc_text(now),
        "mode": session.genesis.mode.value,
        "account": session.genesis.account_mask,
        "engine": {"running": is_running(session), "beads": desk.head.size, "owed": len(desk.owed)},
        "health": health_of(session),
        "link": {
            "state": desk.sessions.state.value,
            "session": desk.sessions.session,
            "attempts": desk.sessions.attempts,
        },
        "reconciliation": {
            "agreement": run.agreement.value if run is not None else None,
            "age_s": int((now - run.ts).total_seconds()) if run is not None else None,
        },
        "halted": is_latched(session.home),
        "kill_flags": [{"flag": f.flag, "scope": f.scope, "type": f.type.value} for f in _flags(session)],
        "unsigned": [{"bead": row.seq, "about": row.subject, "mend": row.mend} for row in unsigned_rows(session)],
        "stalled": [row for row in shown if row["state"] == "STALLED"],
        "positions": [row for row in shown if row["state"] != "STALLED"],
        "waiting": _waiting(session),
        "orders": len(desk.orders.open),
        "drifts": [
            {"drift": d.bead_id, "cause": d.cause, "severity": d.severity.value, "subject": d.subject}
            for d in desk.drifts.open.values()
        ],
        "alerts": [
            {
                "alert": a.id,
                "code": a.code.value,
                "severity": a.severity.value,
                "subject": a.subject,
                "phrase": CODES[a.code].phrase,
                "runbook": CODES[a.code].runbook,
                "age_s": max(0, int((now - a.raised_at).total_seconds())),
            }
            for a in sorted(desk.alerts.open.values(), key=lambda a: (loudness.index(a.severity), a.raised_at))
            if not a.acknowledged
        ],
        "today": {
            "entries": sum(traded.entries for traded in today),
            "realized": plain(sum((traded.realized for traded in today), Decimal(0))),
            "open": _open_pnl(session, positions),
            "currency": session.genesis.currency,
        },
    }


def _open_pnl(session: Session, positions: list[Open]) -> str | None:
    """What the market says of everything held, beside what is realised; None where one of them cannot be told."""
    from decimal import Decimal

    from phoenix_cli.commands.worth import worth_of
    from phoenix_core.values import plain

    held = [worth_of(session, position).open for position in positions if position.held]
    known = [worth for worth in held if worth is not None]
    return plain(sum(known, Decimal(0))) if len(known) == len(held) else None


def is_running(session: Session) -> bool:
    """Whether an engine holds the lease, by the operating system's word."""
    return session.store.leaseholder() is not None and not session.desk.tenure.released


def _flags(session: Session) -> list[Any]:
    return list(session.desk.kill_flags.standing.values())


def _position_row(session: Session, position: Open) -> Row:
    from phoenix_cli.commands.positions import row_of

    return row_of(session, position)


def _waiting(session: Session) -> list[Row]:
    from phoenix_core.values import State

    desk, now = session.desk, session.clock.now().wall
    rows: list[Row] = []
    for position in (*desk.positions.in_state(State.PROPOSED), *desk.positions.in_state(State.APPROVED)):
        proposal = desk.signals.proposal(position.intent_id)
        left = int((proposal.expires_at - now).total_seconds()) if proposal is not None else None
        rows.append(
            {
                "intent": position.intent_id,
                "state": position.state.value,
                "instrument": position.pair,
                "side": position.side.value,
                "left_s": left,
            }
        )
    return rows


def health_of(session: Session) -> Row:
    """The desk's health as the log and the operating system tell it: the last beat, and whether it is still true."""
    from phoenix_cli.commands.drawing import since
    from phoenix_core.beads import Health
    from phoenix_core.watch.health import MISSES_CRITICAL, misses
    from phoenix_core.watch.session import ReconnectState

    beats, now = session.desk.heartbeats, session.clock.now().wall
    beat = _last_beat(session)
    alive = is_running(session)
    checks: dict[str, bool] = {"process_alive": alive}
    issues: dict[str, str] = {}
    if beat is not None:
        checks |= {name: bool(value) for name, value in beat["checks"].items() if name != "process_alive"}
        issues |= beat["details"]
    # A beat is up to 35 s old, and the log may know since that the link is down.
    cut = beat is not None and alive and session.desk.sessions.state is not ReconnectState.CONNECTED
    if cut:
        checks["ibkr_connected"] = False
        issues["ibkr_connected"] = f"the link to the broker is {session.desk.sessions.state}"
    missed = misses(beats.last_at, now) if beats.last_at is not None else 0
    if not alive:
        issues["process_alive"] = "no engine runs: `phoenix run`, or runbook RB-004"
    if missed:
        issues["heartbeat"] = f"{missed} beats are missing"
    checks["heartbeat"] = beats.last_at is not None and not missed
    known = beat["health"] if beat is not None else Health.DEGRADED
    critical = not alive or cut or missed >= MISSES_CRITICAL or known is Health.CRITICAL
    healthy = known is Health.HEALTHY and not missed
    health = Health.CRITICAL if critical else Health.HEALTHY if healthy else Health.DEGRADED
    age = int((now - beats.last_at).total_seconds()) if beats.last_at is not None else None
    return {
        "health": health.value,
        "detail": f"last beat {since(age)}" if age is not None else "no beat yet",
        "beat_age_s": age,
        "missed": missed,
        "checks": checks,
        "issues": issues,
    }


def _last_beat(session: Session) -> Row | None:
    """What the newest heartbeat that was no miss says. One comes every 30 s, so that it is never far back."""
    from attrs import asdict

    from phoenix_core.beads import Beat, Heartbeat, Kind
    from phoenix_core.kernel import bead_of

    size, step = session.store.head().size, 256
    for stop in range(size, 0, -step):
        for record in reversed(list(session.store.read(max(0, stop - step), stop))):
            if record.kind != Kind.HEARTBEAT.value:
                continue
            body = bead_of(record).body
            if isinstance(body, Heartbeat) and body.status is not Beat.MISSED:
                return {
                    "health": body.health_state,
                    "checks": asdict(body.checks),
                    "details": dict(body.details),
                }
    return None
