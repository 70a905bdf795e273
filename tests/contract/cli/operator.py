"""An operator's seat for tests: a home on a Wednesday afternoon, command lines as processes, an engine beside them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import Factory, define, field, frozen
from click.testing import CliRunner

from phoenix_cli.__main__ import cli
from tests.contract.cli.shapes import Shape, misshapen

AFTERNOON: Final = "2026-11-18T14:00:00-05:00"
_OURS: Final = ("PHOENIX_", "IBKR_", "TELEGRAM_", "RECONCILE_", "APPRISE_")
# A shared machine pauses when it likes: far above what anything here takes, and only ever waited for on failure.
PATIENCE_S: Final = 30.0


def host_of_this_process(last: int) -> str:
    """A loopback address that no other run has: the port of a paper gateway is fixed, and two runs share it so. `last`
    tells the tests of one run apart."""
    process = os.getpid()
    return f"127.{64 + process // 250 % 128}.{1 + process % 250}.{last}"


@frozen
class Ran:
    """One command line that ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict), "--json prints one object"
        return found


@define
class Process:
    """A command that lives: what it said so far, and ways to end it."""

    words: list[str]
    environment: dict[str, str]
    file: Path
    ready: str
    _process: subprocess.Popen[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start it, and wait until it says that it is ready."""
        with self.file.open("wb") as errors:
            self._process = subprocess.Popen(self.words, env=self.environment, stdout=errors, stderr=errors)
        until(lambda: self.ready in self.said() or self._process.poll() is not None)
        assert self._process.poll() is None, self.said()

    def said(self) -> str:
        """Everything it said, on either stream."""
        return self.file.read_text("utf-8", "replace")

    def kill(self) -> None:
        """kill -9, and see it gone."""
        self._process.kill()
        _ = self._process.wait(PATIENCE_S)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stands_still(self) -> None:
        """Have the operating system stop it, and see that it stands."""
        self._process.send_signal(signal.SIGSTOP)
        _ = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def goes_on(self) -> None:
        """Let it go on where it stood."""
        self._process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Tell it to stop, and do not wait."""
        self._process.send_signal(signal.SIGTERM)

    def ends(self, within_s: float = PATIENCE_S) -> int:
        """Wait until it ends; its exit code."""
        return self._process.wait(within_s)

    def stop(self) -> int:
        """Stop it as an operator does; its exit code. Harmless where it is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)


@frozen
class Seat:
    """Where an operator sits: a home, the clock of that afternoon, and what else the environment says."""

    home: Path
    clock: str = AFTERNOON
    more: dict[str, str] = Factory(dict)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without what is ours, on the desk's clock."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return kept | {"PHOENIX_CLOCK": self.clock, "NO_COLOR": "1"} | self.more

    def words(self, *words: str) -> list[str]:
        """The command line as a process."""
        return [sys.executable, "-m", "phoenix_cli", "--home", str(self.home), *words]

    def run(self, *words: str, given: str = "", **environment: str) -> Ran:
        """Run one command to its end."""
        ran = subprocess.run(
            self.words(*words),
            input=given,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if "--json" in words:
            assert not (why := misshapen(words, ran.stdout, fits)), why
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def json(self, *words: str, given: str = "") -> Ran:
        """Run one command with --json, within this process: a hundredth of the time of a process of its own."""
        line = ["--home", str(self.home), "--json", *words]
        environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith(_OURS)}
        ran = CliRunner().invoke(cli, line, input=given, env=environment | {"PHOENIX_CLOCK": self.clock} | self.more)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        assert not (why := misshapen(words, ran.stdout, fits)), why
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    def proposes(self, pair: str) -> str:
        """A signal of the generator, handed in: its intent."""
        made = self.json("cse", "--signal", "READY", "--pair", pair, "--out", "-")
        handed = self.json("propose", "-", given=made.out)
        assert handed.code == 0, handed
        return str(handed.document["intent"])

    def quantity_of(self, intent: str) -> str:
        """What the evidence of an intent says is to be traded, once the engine has assembled it."""
        until(lambda: self.json("show", intent).code == 0)
        rows = self.json("inbox").document["intents"]
        return next(str(row["quantity"]) for row in rows if row["intent"] == intent)

    @contextmanager
    def process(self, *words: str, ready: str) -> Iterator[Process]:
        """A command that lives, ready for use, stopped by SIGTERM afterwards if it still runs."""
        made = Process(self.words(*words), self.environment, self.home.parent / f"{self.home.name}.{words[0]}", ready)
        try:
            yield made
        finally:
            _ = made.stop()

    @contextmanager
    def engine(self) -> Iterator[Process]:
        """An engine of this home that has started up."""
        with self.process("run", ready="yours:") as made:
            yield made

    @contextmanager
    def watchdog(self) -> Iterator[Process]:
        """A watchdog of this home that has looked once."""
        with self.process("watchdog", "--every", "0.5", ready="the engine") as made:
            yield made


def until(seen: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Wait for something to be seen; what is not seen in time fails the test."""
    deadline = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < deadline, "it was not seen in time"
        time.sleep(0.05)


def shaped(found: object, shape: Shape, at: str = "document") -> None:
    """Assert that a JSON value has a shape: a type, a tuple of shapes to choose from, [of items] or {of keys}."""
    if isinstance(shape, tuple):
        assert any(fits(found, one, at) for one in shape), f"{at}: {found!r} is none of {shape}"
    elif isinstance(shape, list):
        assert isinstance(found, list), f"{at} is a list"
        for n, item in enumerate(found):
            shaped(item, shape[0], f"{at}[{n}]")
    elif isinstance(shape, dict):
        assert isinstance(found, dict), f"{at} is an object"
        assert set(found) == set(shape), f"{at}: {set(found) ^ set(shape)}"
        for key, inner in shape.items():
            shaped(found[key], inner, f"{at}.{key}")
    elif shape is None:
        assert found is None, f"{at} is null"
    elif isinstance(shape, type):
        assert type(found) is shape, f"{at}: {found!r} is no {shape.__name__}"
    else:
        assert found == shape, f"{at}: {found!r} is not {shape!r}"


def fits(found: object, shape: Shape, at: str = "document") -> bool:
    try:
        shaped(found, shape, at)
    except AssertionError:
        return False
    return True


def founded(place: Path) -> Seat:
    """A desk in a folder, founded with the defaults, that nobody runs."""
    made = Seat(place / "home")
    assert made.json("init").code == 0
    return made
