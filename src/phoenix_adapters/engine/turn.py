"""Whose turn it is to speak. The engine and the watchdog share one outbox; while one of them delivers, the other waits.

The turn is a lock of the operating system on a file beside the log, so that a process that dies gives it back. Where
the file cannot be used at all, everybody has the turn: an alert twice is better than none.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from attrs import define, field


@define
class Turn:
    """One process's hold on the turn; without a path it is alone and the turn is always its own."""

    path: Path | None = None
    _descriptor: int | None = field(default=None, init=False)

    def take(self) -> bool:
        """Have the turn now, if nobody else has it; never waits, harmless to repeat."""
        if self.path is None or self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def give(self) -> None:
        """Let the other speak; harmless to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
