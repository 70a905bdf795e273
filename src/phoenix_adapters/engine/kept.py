"""The state of a desk beside its log, under a seal of the desk's own secret.

That a state is of a past of this very log says nothing of who wrote it: whoever may write to the file could leave out a
kill that stands, or put a key of their own in, and no row of the log would say so. Without the secret nothing is kept
and nothing is believed; the log is folded from its first bead then.
"""

from __future__ import annotations

import hmac
from typing import Final

from phoenix_core.chain import StateSnapshot
from phoenix_core.records import evolve

TAG_BYTES: Final = 32
# The secret serves account numbers, too: what it says of the one is never taken for the other.
_ABOUT: Final = b"phoenix state beside the log\0"


def under_seal(key: bytes, state: StateSnapshot) -> StateSnapshot:
    """The same state as it is kept: behind the seal over all of it."""
    return evolve(state, data=_seal(key, state, state.data) + state.data)


def of_seal(key: bytes, kept: StateSnapshot) -> bytes | None:
    """The bytes of a state that this desk kept; None for what anybody else wrote, or moved here from elsewhere."""
    tag, data = kept.data[:TAG_BYTES], kept.data[TAG_BYTES:]
    return data if key and hmac.compare_digest(tag, _seal(key, kept, data)) else None


def _seal(key: bytes, state: StateSnapshot, data: bytes) -> bytes:
    place = f"{state.schema}\0{state.size}\0{state.root.hex()}\0".encode()
    return hmac.digest(key, _ABOUT + place + data, "sha256")
