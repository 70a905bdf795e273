"""What a command stands on as a process: its three streams, and the signals that end it.

A stream that the caller closed is there all the same and leads nowhere, so that no file of ours takes its number. An
answer that could not be written down is told apart from a file that could not: the act it answers was done. And what
ends a process ends it by way of everything that it has to put away.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType

    from _typeshed import ReadableBuffer

STDOUT: Final = 1
AGAIN_S: Final = 0.01  # long enough to leave the place that takes no exception


class Unheard(OSError):
    """An answer that nobody can read: the pipe's reader went away, the disk behind a `>` is full."""


class Ended(SystemExit):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        """With the code by which a shell names the signal."""
        super().__init__(128 + number)
        self.number = number


class Told(io.FileIO):
    """Standard output, whose failures are known as such."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write; raises `Unheard`."""
        try:
            return super().write(data) or 0
        except OSError as error:
            left = isinstance(error, BrokenPipeError)
            raise Unheard("" if left else error.strerror or str(error)) from error


def stand() -> None:
    """Put a process on its feet. Whoever runs `main` within a process of their own keeps theirs as it is."""
    if sys.stdout is not sys.__stdout__:
        return
    for number in range(3):
        try:
            _ = os.fstat(number)
        except OSError:
            _ = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stands as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stands as long as the process
    spoken = sys.stdout or open(STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stands as long as the process
    raw = io.BufferedWriter(Told(STDOUT, "w", closefd=False))
    sys.stdout = io.TextIOWrapper(raw, spoken.encoding, "backslashreplace", line_buffering=spoken.line_buffering)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            _ = signal.signal(number, _end)
    sys.unraisablehook = _say_again


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise Ended(number)


def _say_again(told: sys.UnraisableHookArgs) -> None:
    """A signal may come while an object is taken away, where Python writes every exception down and goes on: what was
    to end this process is raised again a moment later. Anything else is written down."""
    ends = told.exc_value
    if not isinstance(ends, Ended | KeyboardInterrupt):
        sys.__unraisablehook__(told)
        return

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise ends

    _ = signal.signal(signal.SIGALRM, end)
    _ = signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def lie_down(code: int) -> int:
    """What is still to be said is said, or never will be; the exit code, which an answer that got lost changes."""
    for stream in (sys.stdout, sys.stderr):
        try:
            _ = stream.flush()
        except OSError as error:
            # What is left in the stream would be tried again at the very end, and change the code to one of nobody's.
            with suppress(OSError, ValueError):
                _ = os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if isinstance(error, Unheard) and code == 0:
                code = 3
    return code


def on_stop(loop: AbstractEventLoop, act: Callable[[], object]) -> None:
    """What stops a process that lives: SIGTERM, Ctrl-C, and a terminal that is closed under it, unless `nohup` keeps
    it from hearing of that."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, act)
