"""`phoenix`: parse, one call, render. Commands are imported when they are called, so that help comes up at once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import Final

import click

from phoenix_cli import streams
from phoenix_cli.output import SIGNED, TAKEN_BACK, UNREACHABLE, complain, tell
from phoenix_cli.words import UNASKED, Words, held_to_words, readable

# Every command, and the module of this package that holds it. `phoenix --help` imports none of them.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "The whole round trip in a throw-away home, with a verified log at the end."),
    "init": ("desk", "Make a home: folders, configuration, keys, the first bead."),
    "doctor": ("desk", "Look at everything a desk needs; each line ok, warn or fail with the mend."),
    "run": ("engine", "The engine, in the foreground."),
    "watchdog": ("watchdog", "The separate process that says when the engine is dead."),
    "cse": ("signals", "Write a schema-valid signal: the mock signal generator."),
    "propose": ("signals", "Hand a signal in."),
    "inbox": ("approval", "What waits for a human."),
    "show": ("approval", "The evidence of an intent, as the approve screen shows it."),
    "approve": ("approval", "Look at the evidence and approve by typing the quantity."),
    "pass": ("approval", "Say no to an intent."),
    "positions": ("positions", "What is held and proposed, one line each."),
    "close": ("positions", "Close a position: reduce-only, signed."),
    "protect": ("positions", "Mend the protection of a position."),
    "adopt": ("positions", "Give exposure an owner."),
    "resolve-stalled": ("positions", "End a STALLED position by a signed decision."),
    "orders": ("books", "What works at the broker."),
    "executions": ("books", "What was traded."),
    "report": ("books", "The day: P&L, fees, drift, approvals, refusals."),
    "alerts": ("alerts", "Open alerts; acknowledge one; test the channels."),
    "resume": ("safety", "Three more attempts for an escalated link."),
    "kill": ("safety", "Kill flags: raise, clear, list."),
    "halt": ("safety", "Stop all entries at once, whatever else is broken."),
    "anchor": ("safety", "Refresh the state anchor."),
    "policy": ("people", "The limits and rules in force; set them, signed."),
    "operator": ("people", "Who may sign: list, enrol, revoke."),
    "reconcile": ("drift", "Compare with the broker now."),
    "drift": ("drift", "Open drifts; answer one."),
    "promote": ("trust", "From shadow to live, with evidence."),
    "beads": ("beads", "The log: tail, query, export, verify, checkpoint, backup."),
    "status": ("status", "Everything on one screen."),
    "health": ("status", "Health with its checks."),
    "watch": ("status", "A live dashboard."),
    "metrics": ("metrics", "The desk's numbers for Prometheus, on this machine only."),
    "runbook": ("runbooks", "The eight runbooks, and their drills."),
    "gateway": ("gateway", "The gateway simulator: the TWS protocol on loopback."),
    "bunny": ("bunny", "The chaos vectors, in wave order, with a report."),
    "sim": ("sim", "The deterministic simulation."),
    "completion": ("completion", "Print a completion script for bash, zsh or fish."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, and its words, each of which is text; `halt` takes whatever comes."""
        name, command, rest = super().resolve_command(ctx, args)
        if name != UNASKED:
            readable(rest)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        """The command; one that is ended from outside after it signed says that its signature stands."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, streams.Ended) as stopped:
            if not ctx.meta.get(SIGNED):
                raise
            stands = "and what you signed stands in the log: look before you repeat"
            over = "NOT SENT: no engine had taken it up, and it is taken back"
            with suppress(OSError):  # the terminal may be what went away
                complain(ctx, f"interrupted, {over if ctx.meta.get(TAKEN_BACK) else stands}")
            if isinstance(stopped, streams.Ended):
                raise  # it ends by its signal all the same
            ctx.exit(UNREACHABLE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of a day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"phoenix_cli.commands.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_") + "_command")
        assert isinstance(command, click.Command), f"{cmd_name} is a command"
        return held_to_words(cmd_name, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for --help, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home", type=Words(), metavar="DIR", help="The desk's home; PHOENIX_HOME, or the platform's data folder."
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON document on stdout.")
@click.version_option(package_name="phoenix-desk", prog_name="phoenix")
@click.pass_context
def cli(ctx: click.Context, home: str | None, json_: bool) -> None:
    """Phoenix: the execution layer between trading bots and Interactive Brokers.

    An order leaves only behind a human's signature over exactly what that human saw.

    Example: phoenix demo
    """


def main() -> None:
    """Run the command line; refuse to run with assertions switched off."""
    if not __debug__:
        _ = sys.stderr.write(
            "phoenix does not run under python -O: its assertions are part of its safety; run it without\n"
        )
        sys.exit(2)
    streams.stand()
    try:
        code = _ran()
    except streams.Ended as ended:
        _ = streams.lie_down(0)
        _ = signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)  # by the signal itself, as whoever sent it expects
        raise
    except KeyboardInterrupt:
        code = _aborted()
    sys.exit(streams.lie_down(code))


def _ran() -> int:
    """One command line, to its exit code."""
    try:
        code = cli.main(prog_name="phoenix", standalone_mode=False)
    except click.Abort:
        return _aborted()
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.option_name in ("--json", "--home"):
            where = f"{error.message} It stands before the command: phoenix {error.option_name} ... COMMAND."
            error = click.UsageError(where, error.ctx)
        with suppress(OSError):
            error.show()
        param = getattr(error, "param", None)
        _document({"error": error.format_message(), "field": param.name if param is not None else ""})
        return 2
    except Exception as error:  # noqa: BLE001 - the outermost boundary: everything becomes an exit code that means something
        return _ended_by(error)
    return code if isinstance(code, int) else 0


def _aborted() -> int:
    _document({"error": "aborted"})
    tell("aborted")
    return 1


def _ended_by(error: Exception) -> int:
    """Say what ended a command, by blame, and answer its exit code."""
    from phoenix_cli.wiring.edges import KeyTrouble
    from phoenix_core.chain import Fault, StoreFault
    from phoenix_core.values import BadInput

    if isinstance(error, streams.Unheard):
        if str(error):  # a reader that has seen enough wants no more words
            tell(f"error: the answer could not be written: {error}; look before you repeat")
        return UNREACHABLE
    if isinstance(error, BadInput):
        _document({"error": str(error), "field": error.field, "value": str(error.value), "mend": error.mend})
        tell(f"error: {error}")
        return 2
    if isinstance(error, StoreFault):
        corrupt = error.kind is Fault.CORRUPT
        words = f"the log {'does not verify' if corrupt else 'cannot be used'}: {error}; open runbook RB-004"
        _document({"error": words})
        tell(f"error: {words}")
        return 4 if corrupt else 3
    if isinstance(error, OSError | KeyTrouble):
        words = _of_the_system(error) if isinstance(error, OSError) else str(error)
        _document({"error": words})
        tell(f"error: {words}")
        return 2
    import traceback

    tell("".join(traceback.format_exception(error)).rstrip())
    _document({"error": f"a bug of ours, nothing more is done: {error}"})
    tell(f"a bug of ours, nothing more is done: {error}")
    return 70


def _of_the_system(error: OSError) -> str:
    """What the operating system would not do: with which file, why, and the mend where there is one to name."""
    import errno
    from pathlib import Path

    name = error.filename2 or error.filename
    if name is None or error.strerror is None:
        return str(error)
    mends = {
        errno.ENOENT: "name a folder and a file that are there",
        errno.EISDIR: "name a file, not a folder",
        errno.ENOTDIR: "name a folder that is one",
        errno.EACCES: "look at its owner and its mode",
        errno.EPERM: "look at its owner and its mode",
        errno.EROFS: "name a place that can be written to",
        errno.ENOSPC: "make room on that disk",
    }
    place = Path(str(name))
    if error.errno == errno.ENOENT and not place.parent.exists():
        place = place.parent  # what we write beside a file first is no name that anybody knows
    mend = mends.get(error.errno or 0, "")
    return f"{place}: {error.strerror}" + (f"; {mend}" if mend else "")


def _document(document: dict[str, str]) -> None:
    """The one document that --json promises, also when a command never got to answer."""
    if "--json" in sys.argv:
        import json

        with suppress(OSError):
            click.echo(json.dumps(document, ensure_ascii=False))


if __name__ == "__main__":
    main()
