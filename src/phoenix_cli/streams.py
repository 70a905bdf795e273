"""What a command stands on as a process: its three streams, and the signals that end it.

A stream that the caller closed is there all the same and leads nowhere, so that no file of ours takes its number. An
answer that could not be written down is told apart from a file that could not: the act it answers was done. And what
ends a process ends it by way of everything that it has to put away. A process that lives waits for no reader of its
words: what the terminal or the pipe does not take now is not said.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from pathlib import Path
    from types import FrameType

    from _typeshed import ReadableBuffer

STDOUT: Final = 1
STDERR: Final = 2
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


class Unread(OSError):
    """Words that a reader who stands still did not take: nothing is as long-winded as a terminal that Ctrl-S holds."""


class Passing(io.FileIO):
    """Standard error of a process that must not stand still, whoever reads it or does not."""

    def __init__(self) -> None:
        """The stream as it stands."""
        super().__init__(STDERR, "w", closefd=False)
        self._takes = select.poll()
        self._takes.register(STDERR, select.POLLOUT)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it now; raises `Unread` where that would take a reader."""
        left = memoryview(data).cast("B")
        while left:
            # So much goes into whatever takes anything at all.
            piece = left[: select.PIPE_BUF]
            wrote = super().write(piece) if self._takes.poll(0) else None
            if not wrote:
                raise Unread("nobody reads on")
            left = left[wrote:]
        return len(memoryview(data).cast("B"))


def wait_for_no_reader() -> None:
    """From now on standard error takes words at once or not at all; an error says which. For a process that lives: one
    whose log is paged, or whose terminal stands still, would stand still with an order open."""
    try:
        ours = sys.stderr.fileno() == STDERR
    except (OSError, ValueError, AttributeError):
        return  # of a process that keeps its words for itself
    if ours:
        _ = sys.stderr.flush()
        sys.stderr = io.TextIOWrapper(Passing(), sys.stderr.encoding, "backslashreplace", write_through=True)


def shipped(file: Path) -> io.FileIO:
    """A file at the end of which each line is written at once or not at all. A pipe stands open whoever reads it, so
    that nobody waits for its reader, and a reader that went away may come back."""
    way = os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    way |= os.O_RDWR if file.is_fifo() else os.O_WRONLY
    return io.FileIO(os.open(file, way, 0o666), "a")


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
