"""The ballast: a file that is only there to be thrown overboard when the disk is full.

What it frees is room for the kill, the exits and the last words of a desk that can no longer take entries.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

# A desk's last hour: some thousand beads, the write-ahead log that carries them, and a margin for the file system.
BALLAST_BYTES: Final = 8 * 2**20


def stow(path: str, size: int) -> bool:
    """Set the room aside; false where the disk has none. Real blocks, not a hole."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        if os.fstat(fd).st_size < size:
            os.posix_fallocate(fd, 0, max(size, 1))
    except OSError:
        drop(path)
        return False
    finally:
        os.close(fd)
    return True


def drop(path: str) -> None:
    """Overboard; harmless where it is gone already. Emptied first: deleting may need a block that is not there."""
    with contextlib.suppress(OSError):
        os.truncate(path, 0)
    with contextlib.suppress(OSError):
        os.unlink(path)
