"""An engine and a watchdog whose words nobody reads: a pager, a terminal that Ctrl-S holds, one that hangs."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.contract.cli.operator import PATIENCE_S, Seat, founded, until
from tests.showing import shows

Held = tuple[int, Callable[[], object], Callable[[], bytes]]


def _full(descriptor: int) -> None:
    """Fill what stands between a writer and a reader who does not read."""
    wrote, before = 0, -1
    while wrote != before:
        before = wrote
        for size in (512, 1):
            with suppress(BlockingIOError):
                while True:
                    wrote += os.write(descriptor, b"x" * size)
        time.sleep(0.1)  # a terminal takes more a moment later


def paged() -> Held:
    """A pipe, how its reader stands still, and how it reads on."""
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 16384)
    again = os.open(f"/proc/self/fd/{writes}", os.O_WRONLY | os.O_NONBLOCK)
    return writes, partial(_full, again), lambda: os.read(reads, 2**20)


def at_a_terminal(hold: bool) -> Held:
    """A terminal, how it stands still (by Ctrl-S, or because its window hangs), and how it goes on."""
    master, slave = pty.openpty()
    again = os.open(os.ttyname(slave), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def goes_on() -> bytes:
        termios.tcflow(slave, termios.TCOON)
        return os.read(master, 2**20)

    return slave, (lambda: termios.tcflow(slave, termios.TCOOFF)) if hold else partial(_full, again), goes_on


def by_ctrl_s() -> Held:
    """Ctrl-S."""
    return at_a_terminal(hold=True)


def by_a_window() -> Held:
    """A window that hangs."""
    return at_a_terminal(hold=False)


def hears(goes_on: Callable[[], bytes], words: bytes) -> None:
    """Read on until the words stand there."""
    heard = b""
    while words not in heard:
        heard += goes_on()


def codes(seat: Seat) -> set[str]:
    """What is to be told."""
    return {row["code"] for row in seat.json("alerts", "list").document["alerts"]}


@contextmanager
def started(seat: Seat, stderr: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that lives and speaks there."""
    made = subprocess.Popen(seat.words(*words), env=seat.environment, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield made
    finally:
        made.kill()
        _ = made.wait(PATIENCE_S)


@shows("I18", "I23")
@pytest.mark.parametrize("held", [paged, by_ctrl_s, by_a_window], ids=lambda held: str(held.__name__))
def test_a_reader_who_stands_still_stops_no_desk(held: Callable[[], Held], tmp_path: Path) -> None:
    """An entry is filled and protected, an operator halts the desk and closes it, and SIGTERM ends the engine: what
    could not be said is in the outbox, and a watchdog at the same terminal looks on and ends as well."""
    seat = founded(tmp_path)
    stderr, stands, goes_on = held()
    with started(seat, stderr, "run") as engine:
        hears(goes_on, b"yours:")
        with started(seat, stderr, "watchdog", "--every", "0.1") as watchdog:
            hears(goes_on, b"the engine beats")
            stands()
            intent = seat.proposes("EURUSD")
            assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
            until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
            assert seat.json("halt").code == 0  # which is said at once
            until(lambda: "HALTED" in codes(seat))
            closed = seat.json("close", intent, "--reason", "thesis gone")
            assert (closed.code, closed.document["closed"][0]["state"]) == (0, "CLOSED"), closed
            for process in (engine, watchdog):
                process.terminate()
                assert process.wait(PATIENCE_S) == 0
        assert seat.json("alerts", "list").document["unsent"]


@shows("I18")
def test_what_nobody_read_is_said_once_somebody_reads_on(tmp_path: Path) -> None:
    """The terminal goes on: the alert that it did not take stands there, by the next try, and is settled."""
    seat = founded(tmp_path)
    stderr, stands, goes_on = by_ctrl_s()
    with started(seat, stderr, "run"):
        hears(goes_on, b"yours:")
        stands()
        _ = seat.proposes("EURUSD")
        until(lambda: bool(seat.json("alerts", "list").document["unsent"]))
        hears(goes_on, b"An intent waits")
        until(lambda: not seat.json("alerts", "list").document["unsent"])
