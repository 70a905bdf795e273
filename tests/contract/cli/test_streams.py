"""Terminals that go away, pipes that nobody reads, disks that are full behind a `>`, and hands that press Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from phoenix_cli.__main__ import cli
from phoenix_cli.commands import engine as engine_command
from phoenix_cli.commands import safety
from phoenix_cli.commands.asking import painted
from phoenix_cli.streams import Ended, on_stop
from tests.contract.cli.operator import PATIENCE_S, Seat, founded
from tests.showing import shows
from tests.stage import stage

EURUSD = "instrument:EURUSD"
SIGNAL = ("cse", "--signal", "READY", "--pair", "EURUSD", "--out", "-")


def shell(seat: Seat, redirect: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command line with its streams as a shell redirects them."""
    line = ["sh", "-c", f'exec "$@" {redirect}', "sh", *seat.words(*words)]
    return subprocess.run(line, env=seat.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&-", SIGNAL, 0),
        ("2>&-", ("cse", "--signal", "NO", "--pair", "EURUSD"), 2),
        ("2>&-", ("status",), 2),
    ],
    ids=str,
)
def test_a_stream_that_is_closed_is_no_bug_of_ours(
    tmp_path: Path, closed: str, words: tuple[str, ...], code: int
) -> None:
    """What a supervisor closed leads nowhere: the command does the same, and its exit code says the same."""
    ran = shell(Seat(tmp_path / "home"), closed, *words)
    assert (ran.returncode, "Traceback" in ran.stdout + ran.stderr) == (code, False), ran


def test_from_a_closed_stdin_comes_no_signal(tmp_path: Path) -> None:
    """`propose -` of nothing is refused as nothing is."""
    ran = shell(founded(tmp_path), "<&-", "--json", "propose", "-")
    assert (ran.returncode, "SIGNAL_MALFORMED" in ran.stdout) == (1, True), ran


@pytest.mark.parametrize("document", ["", "--json"])
def test_an_answer_that_nobody_can_read_is_no_answer(tmp_path: Path, document: str) -> None:
    """The disk behind a `>` is full: what was asked for may have been done, so that it is neither 0 nor a refusal."""
    ran = shell(Seat(tmp_path / "home"), ">/dev/full", *filter(None, (document, *SIGNAL)))
    assert (ran.returncode, "look before you repeat" in ran.stderr, "Traceback" in ran.stderr) == (3, True, False), ran


def test_who_reads_no_further_wants_no_more_words(tmp_path: Path) -> None:
    """`| head` went away: exit 3, and not a word."""
    seat, (reads, writes) = Seat(tmp_path / "home"), os.pipe()
    os.close(reads)
    ran = subprocess.run(
        seat.words(*SIGNAL),
        env=seat.environment,
        stdout=writes,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=False,
    )
    os.close(writes)
    assert (ran.returncode, ran.stderr) == (3, b"")


def test_words_that_nobody_can_read_change_no_exit_code(tmp_path: Path) -> None:
    """What goes to stderr is for people: usage is usage where they are gone."""
    ran = shell(
        Seat(tmp_path / "home"), "2>/dev/full", "cse", "--signal", "READY", "--pair", "EURUSD", "--entry", "1,1"
    )
    assert (ran.returncode, ran.stdout) == (2, "")


@shows("I23")
def test_a_terminal_that_is_gone_stops_no_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe behind an engine's stderr broke: that is no promise of ours, and nothing is halted for it."""

    class Gone:
        """The writing end of a pipe without a reader."""

        def write(self, text: str) -> int:
            """Nobody reads."""
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            """Nothing was written."""

    made = stage()
    monkeypatch.setattr("sys.stderr", Gone())
    assert asyncio.run(engine_command._live(made.engine, once=True)) == ""
    assert made.desk.tenure.released


def interrupted(*_: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


@shows("I2")
def test_an_interrupt_takes_no_signature_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C after the log took what was signed: it stands, so that the outcome is unknown, and nothing was refused."""
    seat = founded(tmp_path)
    assert seat.json("kill", "raise", "--scope", EURUSD).code == 0
    monkeypatch.setattr(safety, "emit", interrupted)
    said = seat.json("kill", "clear", "--scope", EURUSD, "--reason", "over")
    assert (said.code, "look before you repeat" in said.document["error"]) == (3, True)
    monkeypatch.undo()
    assert seat.json("kill", "list").document["flags"] == []


@shows("I2")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_no_signature_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Told to end after the log took what was signed: it says that this stands, and ends by the signal; before, it
    has nothing to say."""
    seat = founded(tmp_path)

    def ended(*_: object) -> None:
        raise Ended(number)

    with monkeypatch.context() as unsigned:
        unsigned.setattr("phoenix_cli.wiring.founding.signer_of", ended)
        line = ["--home", str(seat.home), "kill", "clear", "--scope", EURUSD, "--reason", "over"]
        assert seat.json("kill", "raise", "--scope", EURUSD).code == 0
        said = CliRunner().invoke(cli, line)
        assert (said.exit_code, said.output) == (128 + number, "")
    monkeypatch.setattr(safety, "emit", ended)
    told = seat.json("kill", "clear", "--scope", EURUSD, "--reason", "over")
    assert (told.code, "look before you repeat" in told.document["error"]) == (128 + number, True)
    assert "look before you repeat" in told.err


@shows("I2")
def test_an_interrupt_before_the_signature_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the key is looked for, or waits to be touched: aborted, and nothing has changed."""
    seat = founded(tmp_path)
    assert seat.json("kill", "raise", "--scope", EURUSD).code == 0
    monkeypatch.setattr("phoenix_cli.wiring.founding.signer_of", interrupted)
    said = CliRunner().invoke(cli, ["--home", str(seat.home), "kill", "clear", "--scope", EURUSD, "--reason", "over"])
    assert (said.exit_code, "Aborted" in said.output) == (1, True)
    assert len(seat.json("kill", "list").document["flags"]) == 1


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that what is started here hears, also where `nohup` keeps these tests from hearing it."""
    one = signal.Signals(request.param)
    before = signal.signal(one, signal.SIG_DFL)
    yield one
    _ = signal.signal(one, before)


def test_a_command_that_is_told_to_end_ends_by_that_signal(tmp_path: Path, number: signal.Signals) -> None:
    """It puts away what it has in hand first, says nothing, and whoever sent the signal sees that it did it."""
    seat = founded(tmp_path)
    line = seat.words("beads", "tail", "--follow")
    with subprocess.Popen(line, env=seat.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        _ = process.stdout.readline()
        process.send_signal(number)
        assert (process.wait(PATIENCE_S), process.stderr.read()) == (-number, b"")
    assert not list(seat.home.glob("beads.db-*")), "the log was closed"


IN_PASSING = """
import os, signal, sys
from phoenix_cli import __main__

class Told:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))

class Waits:
    def __del__(self):
        signal.pause()

def lives(**how):
    Told()
    Waits()
    while True:
        signal.pause()

# Whatever runs the tests in the background kept them from hearing both.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
__main__.cli.main = lives
__main__.main()
"""


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGTERM, -signal.SIGTERM, ""), (signal.SIGINT, 1, "aborted\n")],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_that_comes_where_python_takes_no_exception_ends_it_too(
    number: signal.Signals, code: int, words: str
) -> None:
    """An object is taken away while it comes, and another one when it is said again: an exception is only written down
    there, and the command would go on for good."""
    line = [sys.executable, "-c", IN_PASSING, str(int(number))]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", words)


def heard(number: signal.Signals) -> bool:
    """Whether a process that lives is stopped by a signal that it gets."""

    async def live() -> bool:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        on_stop(loop, stop.set)
        os.kill(os.getpid(), number)
        try:
            async with asyncio.timeout(0.2):
                return await stop.wait()
        except TimeoutError:
            return False
        finally:
            for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                _ = loop.remove_signal_handler(one)

    return asyncio.run(live())


def test_a_terminal_that_closes_stops_an_engine_cleanly_unless_nohup_keeps_it() -> None:
    """SIGHUP is a stop like the others; what `nohup` started goes on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not heard(signal.SIGHUP)
        _ = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert heard(signal.SIGHUP)
        assert heard(signal.SIGINT)
    finally:
        _ = signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("variables", "coloured"), [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)]
)
def test_a_terminal_without_colours_gets_none(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it cannot show would stand between the figures that are to be signed."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (line,) = painted((" ^ BUY  166,666 EURUSD",))
    assert ("\x1b" in line) == coloured
