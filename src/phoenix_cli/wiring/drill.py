"""A drill: a desk with a position, an emergency that is declared, a runbook that is followed, a stopwatch.

The engine is a process of its own, as always; the operator's part is the command line itself, command by command.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, field, frozen
from click.testing import CliRunner
from returns.pipeline import is_successful

from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import fresh_id, opened
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About

# A throw-away desk opens on a Wednesday afternoon, whatever today is, and knows nothing of this host's settings.
_AFTERNOON: Final = "2026-11-18T14:00:00-05:00"
_OURS: Final = ("PHOENIX_", "IBKR_", "TELEGRAM_", "APPRISE_", "RECONCILE_")
READY_WITHIN_S: Final = 20.0
STOPPED_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.1


@frozen
class Done:
    """One command of the runbook, as it went."""

    section: str
    words: tuple[str, ...]
    code: int
    seconds: float


@define
class Drilled:
    """How a drill went; `seconds` runs from the halt to the last command of the resolution."""

    steps: list[Done] = Factory(list)
    seconds: float = 0.0
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything went as the page says."""
        return not self.trouble


@define
class Operator:
    """Whoever sits at a desk: commands in, exit codes and documents out."""

    home: Home
    fresh: bool
    engine: subprocess.Popen[bytes] | None = None
    proposed: list[str] = Factory(list)
    environment: dict[str, str | None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.environment = {}
        if self.fresh:
            self.environment = {name: None for name in os.environ if name.startswith(_OURS)}
            self.environment["PHOENIX_CLOCK"] = _AFTERNOON

    def says(self, *words: str, given: str = "") -> tuple[int, str]:
        """Run one command at this desk: its exit code and what it printed."""
        from phoenix_cli.__main__ import cli

        line = ["--home", str(self.home.path), "--json", *words]
        ran = CliRunner().invoke(cli, line, input=given, env=self.environment, prog_name="phoenix")
        return ran.exit_code, ran.stdout

    def does(self, *words: str, given: str = "") -> tuple[int, dict[str, Any]]:
        """Run one command: its exit code and its document."""
        code, printed = self.says(*words, given=given)
        try:
            return code, dict(json.loads(printed))
        except ValueError:
            return code, {}

    def proposes(self, pair: str) -> str | None:
        """A signal of the generator, handed in; None where intake refuses it."""
        _, signal_text = self.says("cse", "--signal", "READY", "--pair", pair, "--out", "-")
        code, document = self.does("propose", "-", given=signal_text)
        if code:
            return None
        self.proposed.append(str(document["intent"]))
        return self.proposed[-1]

    def tidies_up(self) -> None:
        """Say no to what the drill proposed and nobody decided on: it is not for those who sit here afterwards."""
        waiting = [row["intent"] for row in self.does("inbox")[1].get("intents", [])]
        for intent in filter(waiting.__contains__, self.proposed):
            _ = self.does("pass", intent, "--reason", "it was proposed for a drill, which is over")

    def approves(self, intent: str) -> tuple[int, dict[str, Any]]:
        """Wait for the evidence, read the quantity off the inbox and approve it."""
        self.waits_for(lambda: self.does("show", intent)[0] == 0, "the evidence")
        waiting = self.does("inbox")[1]["intents"]
        quantity = next((row["quantity"] for row in waiting if row["intent"] == intent), "0")
        return self.does("approve", intent, "--quantity", quantity, "--yes")

    def waits_for(self, seen: Callable[[], bool], what: str) -> None:
        """Look again and again, for a while."""
        until = time.monotonic() + READY_WITHIN_S
        while not seen():
            if time.monotonic() > until:
                raise TimeoutError(f"{what} did not come within {READY_WITHIN_S:.0f} s")
            time.sleep(LOOK_EVERY_S)

    def sits_down(self) -> None:
        """Have an engine that runs and has reconciled."""
        if not self.does("status")[1].get("engine", {}).get("running"):
            words = [sys.executable, "-m", "phoenix_cli", "--home", str(self.home.path), "run"]
            kept = {name: value for name, value in os.environ.items() if name not in self.environment}
            kept |= {name: value for name, value in self.environment.items() if value is not None}
            self.engine = subprocess.Popen(words, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.waits_for(self.has_reconciled, "the engine")

    def has_reconciled(self) -> bool:
        """Whether the desk and its broker have agreed since the engine came up."""
        status = self.does("status")[1]
        return bool(status["engine"]["running"] and status["reconciliation"]["agreement"] == "AGREES")

    def stands_up(self) -> None:
        """Stop the engine that was started for the drill."""
        if self.engine is not None:
            self.engine.send_signal(signal.SIGTERM)
            _ = self.engine.wait(STOPPED_WITHIN_S)


@contextmanager
def throw_away() -> Iterator[Home]:
    """A home that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="phoenix-drill-"))
    try:
        yield Home(folder / "home")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drilled_at(
    home: Home, steps: Mapping[str, Sequence[Sequence[str]]], say: Callable[[str], None], *, fresh: bool
) -> Drilled:
    """Set the stage, declare the emergency, follow the steps; whatever goes wrong is told, and the engine stopped."""
    told, operator = Drilled(), Operator(home, fresh)
    if fresh:
        _ = operator.does("init")
    try:
        operator.sits_down()
        held = _has_a_position(operator)
        if fresh and not held:
            told.trouble = "the drill could not open a position to be flattened"
            return told
        _follow(operator, steps, told, say, held)
    except (TimeoutError, subprocess.SubprocessError, KeyError) as error:
        told.trouble = f"{type(error).__name__}: {error}"
    finally:
        operator.tidies_up()
        operator.stands_up()
    return told


def _has_a_position(operator: Operator) -> bool:
    """Something to lose: a drill on an empty desk teaches little."""
    intent = operator.proposes("EURUSD")
    if intent is not None:
        _ = operator.approves(intent)
    return any(row["state"] in ("FILLED", "MANAGED") for row in operator.does("status")[1].get("positions", []))


def _follow(
    operator: Operator,
    steps: Mapping[str, Sequence[Sequence[str]]],
    told: Drilled,
    say: Callable[[str], None],
    held: bool,
) -> None:
    began = time.monotonic()
    for section, commands in steps.items():
        for words in commands:
            at = time.monotonic()
            code, _ = operator.does(*words)
            told.steps.append(Done(section, tuple(words), code, round(time.monotonic() - at, 2)))
            say(f"{round(time.monotonic() - began, 1):>6} s  exit {code}  phoenix {' '.join(words)}")
            if code and not (words[0] == "close" and not held):
                told.trouble = told.trouble or f"`phoenix {' '.join(words)}` ended with exit code {code}"
        if section == "Immediate actions":
            told.trouble = told.trouble or _holds(operator, say)
    told.seconds = round(time.monotonic() - began, 1)
    told.trouble = told.trouble or _is_over(operator)


def _holds(operator: Operator, say: Callable[[str], None]) -> str:
    """While the halt stands: the book is flat, and a signed approval does not get an order out."""
    if any(row["state"] in ("FILLED", "MANAGED") for row in operator.does("status")[1].get("positions", [])):
        return "something is still held after the immediate actions"
    intent = operator.proposes("GBPUSD")
    if intent is None:
        say("         intake refuses entries while the halt stands")
        return ""
    code, document = operator.approves(intent)
    if code == 0 or "KILL_FLAG_ACTIVE" not in document.get("refused", []):
        return f"an entry was not refused by the halt: {document}"
    say("         an approved entry is refused: KILL_FLAG_ACTIVE")
    return ""


def _is_over(operator: Operator) -> str:
    status = operator.does("status")[1]
    return "the halt still stands" if status["halted"] or status["kill_flags"] else ""


def record(home: Home, runbook: str, told: Drilled) -> int:
    """Write the drill's time into a log; answers where."""
    facts = {
        "seconds": str(told.seconds),
        "steps": str(len(told.steps)),
        "outcome": "resolved" if told.ok else "failed",
    }
    with opened(home) as session:
        said = session.recorder.act(Observe(fresh_id(), About.DRILL, runbook, facts))
        assert is_successful(said), "an observation is never refused"
        return session.desk.head.size - 1
