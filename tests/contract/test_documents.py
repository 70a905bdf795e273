"""What the documents show is run: the tour command by command, the examples as a bot author would start them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phoenix_adapters.beads.sqlite import SqliteStore
from tests.showing import REPOSITORY

UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# What is only true after the engine took its turn: the command is asked again until it says so.
UNTIL = {"phoenix inbox": "166666", "phoenix positions": ("MANAGED", "no open position"), "phoenix status": "HALT"}
PATIENCE_S = 40.0


def run(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One line of a document, as a shell would run it."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def until(line: str, environment: dict[str, str], word: str) -> str:
    """The output of a command that only looks, once it says a word."""
    before = time.monotonic() + PATIENCE_S
    while True:
        said = run(line, environment)
        assert said.returncode == 0, f"{line}: {said.stdout}{said.stderr}"
        if word.lower() in said.stdout.lower():
            return said.stdout
        assert time.monotonic() < before, f"{line} never said {word}: {said.stdout}"


def environment_for(home: Path) -> dict[str, str]:
    """A bare environment in which `phoenix` is found."""
    kept = {name: os.environ[name] for name in ("LANG", "HOME", "PYTHONPATH") if name in os.environ}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return kept | {"PATH": path, "PHOENIX_HOME": str(home), "PHOENIX_CLOCK": "2026-11-18T14:00:00-05:00"}


@pytest.fixture
def engines() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Engines that a test starts; each is stopped as an operator stops it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for engine in started:
        engine.send_signal(signal.SIGTERM)
        _ = engine.wait(30)


def console_lines(document: Path) -> list[str]:
    """Every command that a document shows, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```", document.read_text("utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_the_tour(tmp_path: Path, engines: list[subprocess.Popen[bytes]]) -> None:
    """Every command of docs/tour.md in its order, through real processes; each one succeeds and says what is told."""
    environment = environment_for(tmp_path / "desk")
    positions = iter(UNTIL["phoenix positions"])
    intent = ""
    lines = console_lines(REPOSITORY / "docs" / "tour.md")
    assert len(lines) >= 15
    for line in lines:
        if line.startswith("export "):
            assert line.split("=")[0].removeprefix("export ") in environment
        elif line == "phoenix run":
            engines.append(subprocess.Popen([_phoenix(), "run"], env=environment, stdout=subprocess.DEVNULL))
            _ = until("phoenix status", environment, "CONNECTED")
        elif line in UNTIL:
            word = UNTIL[line]
            _ = until(line, environment, word if isinstance(word, str) else next(positions))
        else:
            said = run(line.replace("INTENT", intent), environment)
            assert said.returncode == 0, f"{line}: {said.stdout}{said.stderr}"
            if "propose" in line:
                found = UUID.search(said.stdout)
                assert found is not None
                intent = found[0]


def _phoenix() -> str:
    return str(Path(sys.executable).parent / "phoenix")


def test_the_bot_is_short() -> None:
    """A bot on phoenix_core and two adapters, the log and the clock, takes fewer than forty lines."""
    text = (REPOSITORY / "examples" / "bot.py").read_text("utf-8")
    assert len(text.splitlines()) < 40
    adapters = {"phoenix_adapters.beads.sqlite", "phoenix_adapters.clock"}
    assert set(re.findall(r"from (phoenix_adapters[.\w]*)", text)) == adapters


@pytest.mark.parametrize(("example", "argument"), [("bot.py", "beads.db"), ("intent_file.py", "")])
def test_an_example_ends_in_the_inbox(
    example: str, argument: str, tmp_path: Path, engines: list[subprocess.Popen[bytes]]
) -> None:
    """Each example's intent stands in front of the operator, with its evidence, while an engine runs."""
    home = tmp_path / "desk"
    environment = environment_for(home)
    del environment["PHOENIX_CLOCK"]  # a bot lives in the present
    assert run("phoenix init --mode mock", environment).returncode == 0
    engines.append(subprocess.Popen([_phoenix(), "run"], env=environment, stdout=subprocess.DEVNULL))
    script = REPOSITORY / "examples" / example
    said = run(f"{sys.executable} {script} {home / argument}", environment)
    assert said.returncode == 0, said.stderr
    found = UUID.search(said.stdout)
    assert found is not None
    assert found[0][:8] in until("phoenix inbox", environment, found[0][:8])


def test_the_bot_may_say_the_same_twice(tmp_path: Path) -> None:
    """A bot that is started again with the intent that it had: told so, and the log is what it was."""
    home, text = tmp_path / "desk", (REPOSITORY / "examples" / "bot.py").read_text("utf-8")
    environment = environment_for(home)
    del environment["PHOENIX_CLOCK"]
    assert run("phoenix init --mode mock", environment).returncode == 0
    stubborn = tmp_path / "bot.py"
    named = text.replace('"intent_id": str(uuid.uuid4())', f'"intent_id": "{uuid.uuid4()}"')
    stamped = named.replace("{now.wall:%Y-%m-%dT%H:%M:%SZ}", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    stubborn.write_text(stamped, "utf-8")
    told = [run(f"{sys.executable} {stubborn} {home / 'beads.db'}", environment) for _ in range(2)]
    assert [(one.returncode, "Success" in one.stdout) for one in told] == [(0, True)] * 2, told
    with SqliteStore(home / "beads.db") as store:
        assert sum(record.kind == "SIGNAL" for record in store.read(0)) == 1


def test_a_desk_runs_in_a_program_of_ones_own(tmp_path: Path, engines: list[subprocess.Popen[bytes]]) -> None:
    """The example is an engine: it takes the bot's intent in, nobody runs beside it, it stops when told to."""
    home, examples = tmp_path / "desk", REPOSITORY / "examples"
    environment = environment_for(home)
    del environment["PHOENIX_CLOCK"]
    assert run("phoenix init --mode mock", environment).returncode == 0
    own = subprocess.Popen([sys.executable, examples / "desk.py", home], env=environment, stdout=subprocess.DEVNULL)
    engines.append(own)
    _ = until("phoenix status", environment, "CONNECTED")
    said = run(f"{sys.executable} {examples / 'bot.py'} {home / 'beads.db'}", environment)
    found = UUID.search(said.stdout)
    assert found is not None, said.stderr
    _ = until("phoenix inbox", environment, found[0][:8])
    other = run("phoenix run --once", environment)
    assert other.returncode == 1 and "another engine holds the lease" in other.stderr
    own.terminate()
    assert own.wait(PATIENCE_S) == 0
    assert run("phoenix run --once", environment).returncode == 0


def test_a_bot_that_names_no_log_makes_none(tmp_path: Path) -> None:
    """The path is wrong: each example says so by name, and leaves no empty log behind."""
    for example in ("bot.py", "follow.py", "desk.py"):
        script = REPOSITORY / "examples" / example
        said = run(f"{sys.executable} {script} {tmp_path / 'none'} x", environment_for(tmp_path))
        assert said.returncode == 1 and "no log is there" in said.stderr, said.stderr
    assert list(tmp_path.iterdir()) == []


# An example as it stands, in the present of a desk whose clock was set: the home keeps by how much.
IN_THE_DESKS_PRESENT = """
import functools, pathlib, runpy, sys
from datetime import timedelta
from phoenix_adapters import clock

home, *sys.argv = sys.argv[1:]
shift = timedelta(microseconds=int(pathlib.Path(home, "run", "clock").read_text().split()[-1]))
clock.HostClock = functools.partial(clock.HostClock, shift)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("chosen", ["MANAGED", "CANCELLED"])
def test_what_the_bot_proposes_a_human_can_approve(
    chosen: str, tmp_path: Path, engines: list[subprocess.Popen[bytes]]
) -> None:
    """Approved, filled and closed, or passed: who follows the intent hears each state, each execution and the end."""
    home = tmp_path / "desk"
    environment = environment_for(home)
    assert run("phoenix init --mode mock", environment).returncode == 0
    engines.append(subprocess.Popen([_phoenix(), "run"], env=environment, stdout=subprocess.DEVNULL))
    _ = until("phoenix status", environment, "CONNECTED")
    bot, follow = (REPOSITORY / "examples" / name for name in ("bot.py", "follow.py"))
    in_time = [sys.executable, "-c", IN_THE_DESKS_PRESENT, str(home), str(bot), str(home / "beads.db")]
    said = subprocess.run(in_time, env=environment, capture_output=True, text=True, timeout=60, check=True)
    found = UUID.search(said.stdout)
    assert found is not None and "Success" in said.stdout
    _ = until("phoenix inbox", environment, "166666")
    following = [sys.executable, str(follow), str(home / "beads.db"), found[0]]
    follower = subprocess.Popen(following, env=environment, stdout=subprocess.PIPE, text=True)
    if chosen == "MANAGED":
        approved = run(f"phoenix approve {found[0]} --yes --quantity 166666", environment)
        assert approved.returncode == 0, approved.stdout + approved.stderr
        _ = until("phoenix positions", environment, chosen)
        assert run(f"phoenix close {found[0]} --reason enough", environment).returncode == 0
    else:
        assert run(f"phoenix pass {found[0]} --reason no", environment).returncode == 0
    told, _ = follower.communicate(timeout=PATIENCE_S)
    states = [line.split()[0] for line in told.splitlines() if not line.startswith(" ")]
    if chosen == "MANAGED":
        assert list(dict.fromkeys(states)) == ["PROPOSED", "APPROVED", "SUBMITTED", "FILLED", "MANAGED", "CLOSED"]
        assert "FILL BUY 166666 at" in told and "FILL SELL 166666 at" in told and "USD left by CLOSE" in told
    else:
        assert list(dict.fromkeys(states)) == ["PROPOSED", "CANCELLED"]


# An author's own broker and log: the mock, and a log that has what the ports name and not one thing more.
YOURS = """
from pathlib import Path

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.ports import BeadStore, DurableStore
from tests.contract.broker.test_mock import MockStage as YourStage

PORT = {name for port in (BeadStore, DurableStore) for name in vars(port) if not name.startswith("_")}


class YourStore:
    def __init__(self, path: Path, patience_s: float = 5.0) -> None:
        self._kept = SqliteStore(path, patience_s=patience_s, ballast_bytes=0)

    def __getattr__(self, name: str) -> object:
        assert name in PORT, f"no port names {name}"
        return getattr(self._kept, name)
"""


@pytest.mark.parametrize(("told", "ends"), [("", 0), ("YourStore.root = lambda self, size=None: bytes(32)", 1)])
def test_the_suites_of_the_ports_take_adapters_from_outside(told: str, ends: int, tmp_path: Path) -> None:
    """The guide's own file and command, in a folder that is no part of this repository: every card passes, unless the
    log tells a wrong root."""
    guide = (REPOSITORY / "docs" / "library-guide.md").read_text("utf-8")
    (shown,) = [block for block in re.findall(r"```python\n(.*?)```", guide, re.S) if "BeadStoreContract" in block]
    (line,) = console_lines(REPOSITORY / "docs" / "library-guide.md")
    (tmp_path / "test_yours.py").write_text(shown, "utf-8")
    (tmp_path / "yours.py").write_text(f"{YOURS}\n{told}\n", "utf-8")
    words = line.replace("PHOENIX", str(REPOSITORY)).replace("python", sys.executable, 1)
    chosen = "" if ends == 0 else " -k test_roots_and_proofs"
    ran = run(f"cd {tmp_path} && {words} -q -p no:cacheprovider{chosen}", environment_for(tmp_path))
    assert ran.returncode == ends, ran.stdout
    said = r"^[0-9]{2} passed in" if ends == 0 else r"1 failed"
    assert re.search(said, ran.stdout, re.M), ran.stdout


def test_a_rehearsal_needs_nothing_of_this_host(tmp_path: Path) -> None:
    """The desk in memory sizes the idea, shows its lights and refuses the bad one; no file is left behind."""
    said = subprocess.run(
        [sys.executable, REPOSITORY / "examples" / "rehearsal.py"],
        env=environment_for(tmp_path / "nowhere"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "Success: Accepted" in said.stdout and "\n166666\n500.00\nRED not reconciled" in said.stdout
    assert "PRICE_OFF_GRID" in said.stdout and "stop 1.08201: not a multiple of 0.00005" in said.stdout
    assert list(tmp_path.iterdir()) == []
