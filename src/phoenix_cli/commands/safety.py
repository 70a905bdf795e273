"""`halt`, `kill`, `anchor`, `resume`: stopping entries needs nothing to work; starting them again needs a signature."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.acting import refuse_with, sign_and_act, wait_for_engine
from phoenix_cli.commands.desk import home_of
from phoenix_cli.home import PAIRS, Home, instruments_of
from phoenix_cli.output import UNREACHABLE, emit, fail, tell

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.trade.positions import Ended, Open


@click.command("halt")
@click.option("--reason", default="halt", help="Why; for the log.")
@click.pass_context
def halt_command(ctx: click.Context, reason: str) -> None:
    """Stop all entries at once, with no question asked, also when engine, broker, notifier or disk is dead.

    Example: phoenix halt
    """
    home = home_of(ctx)
    reason = reason.encode("utf-8", "replace").decode("utf-8")
    held = {
        "flag": raise_latch(home.halt_flags[0]),
        "runtime_flag": raise_latch(home.halt_flags[1]),
        "signal": _signal_engine(home),
        "log": raise_in_log(home, "desk", reason, False),
    }
    latched = held["flag"] or held["runtime_flag"] or held["log"]
    if not latched or (is_no_desk(home) and not held["signal"]):
        words = f"nothing held at {home.path}: stop the engine's process by hand and pull the network"
        if is_no_desk(home):
            words = f"NOT HALTED: there is no desk in {home.path}; name its home: phoenix --home DIR halt; "
            words += "or stop the engine's process by hand and pull the network"
        emit(ctx, {"halted": False, "held": held, "error": words})
        tell(f"error: {words}")
        ctx.exit(UNREACHABLE)
    words = "HALTED: no entry leaves. " + ", ".join(name for name, done in held.items() if done)
    emit(ctx, {"halted": True, "held": held}, words)


def is_no_desk(home: Home) -> bool:
    """Whether a home surely holds no desk: a folder that cannot be read may hold one."""
    try:
        return {home.config.name, home.log.name}.isdisjoint(os.listdir(home.path))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def raise_latch(flag: Path) -> bool:
    """Put a latch up; true where it stands."""
    try:
        descriptor = os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
    except OSError:
        return os.path.lexists(flag)  # as the engine sees it: also a link that leads nowhere
    return True


def _signal_engine(home: Home) -> bool:
    """Knock at the engine that holds the lease: the number that a killed one left is anybody's by now."""
    from phoenix_cli.wiring.edges import holder

    try:
        if holder(f"{home.log}.lease") is None:
            return False
        os.kill(int(home.pid.read_text("ascii")), signal.SIGUSR1)
    except (OSError, ValueError):
        return False
    return True


def raise_in_log(home: Home, scope: str, reason: str, cancel_working: bool, *, fail_stop: bool = False) -> bool:
    """The blind append: on whatever head there is, asking nothing of the desk. A fail-stop leaves its alert too: the
    engine that broke cannot tell anybody, and the watchdog reads it here."""
    from phoenix_cli.home import load_settings
    from phoenix_cli.wiring.edges import SqliteStore, StoreFault
    from phoenix_cli.wiring.opening import clock_of, fresh_id
    from phoenix_core.acts.operate import RaiseKill, kill_flag
    from phoenix_core.kernel import sealed
    from phoenix_core.rulings import granted
    from phoenix_core.watch.codes import Code, alert

    try:
        if not home.log.is_file():
            return False  # opening would begin a new log, with a flag where its genesis belongs
        with SqliteStore(home.log) as store:
            now = clock_of(load_settings(home), home).now()
            command = RaiseKill(fresh_id(), scope, reason, f"uid{os.getuid()}", cancel_working=cancel_working)
            told = alert(Code.FAIL_STOP, "desk", command.command_id) if fail_stop else None
            ruling = granted(scope, kill_flag(command), told)
            _ = store.append_blind(lambda head: sealed(head, now.wall, command.command_id, ruling))
    except (StoreFault, OSError, ValueError, AssertionError):
        return False
    return True


def spelt_right(session: Session, scope: str) -> None:
    """A name at which nothing ever traded or was quoted may be a slip of the hand, which stops nothing: say so."""
    kind, _, name = scope.partition(":")
    desk = session.desk
    positions: list[Open | Ended] = [*desk.positions.open.values(), *desk.positions.ended.values()]
    if kind == "strategy":
        known = {p.strategy for p in positions} | set(desk.promotions.live) | set(desk.promotions.shadow)
    else:
        watched = instruments_of(session.settings) or PAIRS
        known = {p.pair for p in positions}.union(desk.observations.quotes, watched)
    if name and name not in known:
        tell(f"warning: nothing trades here as {name}; what does is {', '.join(sorted(known)) or 'nothing yet'}")


@click.group("kill")
def kill_command() -> None:
    """Kill flags: raise, clear, list.

    Example: phoenix kill list
    """


@kill_command.command("raise")
@click.option("--scope", default="desk", help="desk, strategy:NAME or instrument:SYMBOL.")
@click.option("--reason", default="raised by hand", help="Why.")
@click.option("--cancel-working", is_flag=True, help="Also ask for the cancel of working entries.")
@click.pass_context
def kill_raise(ctx: click.Context, scope: str, reason: str, cancel_working: bool) -> None:
    """No new entries within a scope, from now on.

    Example: phoenix kill raise --scope instrument:EURUSD --reason "central bank"
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.kill_flags import scope_of
    from phoenix_core.values import BadInput

    wanted = scope_of(scope)
    home = home_of(ctx)
    if is_no_desk(home):
        raise BadInput("home", str(home.path), "there is no desk here; name its home with --home or PHOENIX_HOME")
    if not raise_in_log(home, wanted, reason, cancel_working):
        fail(ctx, UNREACHABLE, "the log takes no beads: use `phoenix halt`, which needs none")
    with opened(home) as session:
        flags = [f for f in session.desk.kill_flags.standing.values() if f.scope == wanted]
        spelt_right(session, wanted)
        emit(ctx, {"flag": flags[-1].flag, "scope": wanted, "raised": True}, f"raised on {wanted}: {flags[-1].flag}")


@kill_command.command("clear")
@click.argument("flag", required=False)
@click.option("--scope", default=None, help="Clear every flag of this scope.")
@click.option("--reason", required=True, help="Why entries may start again.")
@click.pass_context
def kill_clear(ctx: click.Context, flag: str | None, scope: str | None, reason: str) -> None:
    """Bring a flag down by a signed command, with a reason; the halt latch comes down with the desk's flags.

    Example: phoenix kill clear --scope desk --reason "checked with the broker"
    """
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.opening import is_latched, opened
    from phoenix_core.gate.kill_flags import scope_of
    from phoenix_core.gate.statements import ClearKill
    from phoenix_core.values import BadInput, text_hash

    scope = scope_of(scope) if scope is not None else None
    with opened(home_of(ctx)) as session:
        standing = session.desk.kill_flags.standing
        chosen = [f for f in standing.values() if f.flag.startswith(flag or "") and (scope is None or f.scope == scope)]
        if not flag and scope is None:
            raise BadInput("FLAG", "", "name a flag or a --scope; see `phoenix kill list`")
        if flag is not None and len(chosen) > 1:
            raise BadInput("FLAG", flag, "name one flag, by more of its letters; see `phoenix kill list`")
        latched = scope == "desk" and is_latched(session.home)
        if not chosen and not latched:
            raise BadInput("FLAG", flag or scope or "", "name a flag that stands; see `phoenix kill list`")
        for one in chosen:
            says = ClearKill(one.flag, text_hash(reason))
            said = sign_and_act(ctx, session, says, {text_hash(reason): reason})
            if not is_successful(said):
                refuse_with(ctx, said.failure())
        # The latch stops the whole desk: it stays up while an instrument is let go, or a name names nothing.
        cleared_desk = scope == "desk" or any(one.scope == "desk" for one in chosen)
        if cleared_desk and all(one.scope != "desk" for one in session.desk.kill_flags.standing.values()):
            for place in session.home.halt_flags:
                place.unlink(missing_ok=True)
        cleared = [one.flag for one in chosen]
        emit(ctx, {"cleared": cleared}, "\n".join(f"cleared {name}" for name in cleared) or "the latch is down")


@kill_command.command("list")
@click.pass_context
def kill_list(ctx: click.Context) -> None:
    """The flags that stand, and the halt latch.

    Example: phoenix kill list
    """
    from phoenix_cli.wiring.opening import is_latched, opened
    from phoenix_core.values import utc_text

    with opened(home_of(ctx)) as session:
        flags = [
            {
                "flag": f.flag,
                "type": f.type.value,
                "scope": f.scope,
                "reason": f.reason,
                "raised_by": f.raised_by,
                "raised_at": utc_text(f.raised_at),
                "until": utc_text(f.until) if f.until is not None else None,
            }
            for f in session.desk.kill_flags.standing.values()
        ]
        latch = is_latched(session.home)
        words = [f"{f['type']:<10} {f['scope']:<24} {f['reason']}  {f['flag']}" for f in flags]
        words += ["HALT latch is up"] if latch else []
        emit(ctx, {"flags": flags, "latch": latch}, "\n".join(words) or "no kill flag stands")


@click.group("anchor")
def anchor_command() -> None:
    """The state anchor.

    Example: phoenix anchor refresh --strategy mock_cse
    """


@anchor_command.command("refresh")
@click.option("--strategy", default="*", help="Whose context; * for all.")
@click.option("--state-hash", default="*", help="The context that was looked at; * for any.")
@click.option("--regime", type=click.Choice(["DEFAULT", "HIGH_VOLATILITY", "NEWS"]), default="DEFAULT")
@click.pass_context
def anchor_refresh(ctx: click.Context, strategy: str, state_hash: str, regime: str) -> None:
    """Say, signed, that somebody looked at the context and it holds; the engine records it.

    Example: phoenix anchor refresh
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import RefreshAnchor
    from phoenix_core.values import Regime

    with opened(home_of(ctx)) as session:
        says = RefreshAnchor(strategy, state_hash, Regime(regime))
        _ = wait_for_engine(ctx, session, says)
        if strategy != "*":
            spelt_right(session, f"strategy:{strategy}")
        emit(ctx, {"strategy": strategy, "regime": regime, "refreshed": True}, f"anchor refreshed for {strategy}")


@click.command("resume")
@click.pass_context
def resume_command(ctx: click.Context) -> None:
    """Grant an escalated link three more attempts.

    Example: phoenix resume
    """
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.gate.statements import Resume

    with opened(home_of(ctx)) as session:
        _ = wait_for_engine(ctx, session, Resume())
        emit(ctx, {"resumed": True}, "three more attempts")
