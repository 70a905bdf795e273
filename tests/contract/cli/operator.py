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

from attrs import frozen
from click.testing import CliRunner

from phoenix_cli.__main__ import cli

AFTERNOON: Final = "2026-11-18T14:00:00-05:00"
_OURS: Final = ("PHOENIX_", "IBKR_", "TELEGRAM_", "RECONCILE_", "APPRISE_")
# A shared machine pauses when it likes: far above what anything here takes, and only ever waited for on failure.
PATIENCE_S: Final = 30.0

Shape = Any


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


@frozen
class Seat:
    """Where an operator sits: a home and the clock of that afternoon."""

    home: Path
    clock: str = AFTERNOON

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without what is ours, on the desk's clock."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return kept | {"PHOENIX_CLOCK": self.clock, "NO_COLOR": "1"}

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
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def json(self, *words: str, given: str = "") -> Ran:
        """Run one command with --json, within this process: a hundredth of the time of a process of its own."""
        line = ["--home", str(self.home), "--json", *words]
        environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith(_OURS)}
        ran = CliRunner().invoke(cli, line, input=given, env=environment | {"PHOENIX_CLOCK": self.clock})
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
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
    def engine(self) -> Iterator[subprocess.Popen[bytes]]:
        """An engine of this home that has started up, stopped by SIGTERM afterwards if it still runs."""
        said = self.home.parent / f"{self.home.name}.engine"
        with said.open("wb") as errors:
            process = subprocess.Popen(self.words("run"), env=self.environment, stdout=errors, stderr=errors)
        try:
            until(lambda: "yours:" in said.read_text("utf-8") or process.poll() is not None)
            assert process.poll() is None, said.read_text("utf-8")
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            _ = process.wait(PATIENCE_S)


def until(seen: Callable[[], bool]) -> None:
    """Wait for something to be seen; what is not seen in time fails the test."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, "it was not seen in time"
        time.sleep(0.05)


def shaped(found: object, shape: Shape, at: str = "document") -> None:
    """Assert that a JSON value has a shape: a type, a tuple of shapes to choose from, [of items] or {of keys}."""
    if isinstance(shape, tuple):
        assert any(_fits(found, one, at) for one in shape), f"{at}: {found!r} is none of {shape}"
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


def _fits(found: object, shape: Shape, at: str) -> bool:
    try:
        shaped(found, shape, at)
    except AssertionError:
        return False
    return True
