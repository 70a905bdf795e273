"""The lease: the operating system's word for which process is the engine. No clock, no renewals, no stale files.

The lock dies with its process, however that dies. The file beside the log carries the boot id of whoever holds it, for
people; the fence against a holder that was replaced is the LEASE bead and the conditional append, not this lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Final, Self

# Somebody who only asks whether the lease is held keeps it for microseconds; taking it outwaits that.
_PATIENCE_S: Final = 0.25
_BOOT_ID_BYTES_MAX: Final = 128


class Lease:
    """A held lock. Give it back by `release`, by leaving its `with`, or by dying."""

    def __init__(self, fd: int, path: str) -> None:
        """Own an open, locked file."""
        self._fd: int | None = fd
        self._path = path

    def alive(self) -> bool:
        """Whether the lock is still ours: held, and on the file that others would look at."""
        if self._fd is None:
            return False
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._fd), there)

    def release(self) -> None:
        """Give it back; harmless to repeat."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        """Hold it for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give it back whatever happened."""
        self.release()


def take(path: str, boot_id: str) -> Lease | None:
    """The lease, or None while another process holds it."""
    until = time.monotonic() + _PATIENCE_S
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > until:
                os.close(fd)
                return None
            time.sleep(0.005)
        name = boot_id.encode()[:_BOOT_ID_BYTES_MAX]
        _ = os.pwrite(fd, name.ljust(_BOOT_ID_BYTES_MAX), 0)
    except OSError:
        os.close(fd)
        raise
    lease = Lease(fd, path)
    if not lease.alive():
        # Somebody replaced the file between opening and locking: what we hold guards nothing.
        lease.release()
        return None
    return lease


def holder(path: str) -> str | None:
    """The boot id of the engine that holds the lease, None where nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return (
            None if _lock(fd, fcntl.LOCK_SH) else os.pread(fd, _BOOT_ID_BYTES_MAX, 0).decode("utf-8", "replace").strip()
        )
    finally:
        os.close(fd)


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
