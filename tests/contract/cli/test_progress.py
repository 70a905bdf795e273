"""What takes long says so: to a person at a terminal, and to nobody else."""

from __future__ import annotations

import io
from threading import Event

import pytest

from phoenix_cli.output import PATIENT_S, at_work


class Terminal(io.StringIO):
    """A stream with a person behind it."""

    def isatty(self) -> bool:
        """Somebody looks."""
        return True


def told(stream: io.StringIO, waits: list[bool]) -> str:
    """What was said while the work went on over all but the last of these waits."""
    seen, left = Event(), list(waits)

    def wait(seconds: float) -> bool:
        assert seconds == PATIENT_S
        over = left.pop(0)
        if over:
            seen.set()
        return over

    with at_work("reading the log", stream, wait):
        assert not stream.isatty() or seen.wait(30)
    return stream.getvalue()


def test_after_two_seconds_a_person_is_told_what_and_for_how_long() -> None:
    """Once more every two seconds, on one line, which is empty again when the work is done."""
    assert told(Terminal(), [False, False, True]) == "\rreading the log: 2 s\rreading the log: 4 s\r\x1b[K"


def test_what_is_done_sooner_says_nothing() -> None:
    """Nor does what nobody looks at: a pipe gets what was asked for and no more."""
    assert told(Terminal(), [True]) == ""
    assert told(io.StringIO(), [False, False, True]) == ""


def test_what_breaks_leaves_no_clock_behind() -> None:
    """The line is cleared, and the mistake goes on to whoever asked."""
    stream = Terminal()
    waits = iter([False, True])
    with pytest.raises(OSError, match="full"), at_work("copying the log", stream, lambda seconds: next(waits)):
        raise OSError("full")
    assert stream.getvalue().endswith("\r\x1b[K")
