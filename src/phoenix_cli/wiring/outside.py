"""The checkpoint that lies outside this host: what catches a log that was cut, restored or rewritten with its own key.

It is written after every decision and every submission, and held against the log before anything is appended. A note
that this log does not follow from is never written over by the engine: it is the only proof that something is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import define
from returns.pipeline import is_successful

from phoenix_adapters.keys import LogKey
from phoenix_adapters.seams.files import write_whole
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.checkpoint import NOTE_CHARS_MAX, Standing, behind, open_note
from phoenix_core.ports import DurableStore


def read_note(place: str) -> str:
    """What lies there, as far as a note may be long: a device without an end, or a pipe, keeps no desk waiting."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return (file.read(4 * NOTE_CHARS_MAX + 1) or b"").decode("utf-8", "replace")


@define
class OutsideNote:
    """One file on another disk or host, and how the log stands to what it says."""

    place: str
    origin: str
    key: LogKey
    _put: str = ""  # what this process wrote there, which therefore needs no second look

    def absent(self, store: DurableStore) -> str:
        """Why nothing can be said: no note where this log has signed some. An engine does not start so."""
        if not self.place:
            return ""
        try:
            _ = read_note(self.place)
        except FileNotFoundError:
            signed = len(store.checkpoints())
            mend = f"bring it back, or begin anew with `phoenix beads checkpoint --out {self.place}`"
            return f"no checkpoint lies at {self.place}, though this log signed {signed}: {mend}" if signed else ""
        except OSError as error:
            return f"the checkpoint at {self.place} cannot be read: {error}"
        return ""

    def trouble(self, store: DurableStore) -> str:
        """What the note proves against this log, which is then not the one that was witnessed; empty: nothing."""
        if not self.place:
            return ""
        try:
            note = read_note(self.place)
        except OSError:
            return ""
        if self._put and note == self._put:
            return ""
        opened = open_note(note, self.key.verifying(self.origin))
        if not is_successful(opened):
            return f"the checkpoint at {self.place} is not believed: {opened.failure()}"
        seen = opened.unwrap()
        standing = behind(store, seen, self.origin)
        if standing is Standing.AGREES:
            return ""
        return f"this log of {store.head().size} beads is {standing} to the checkpoint of {seen.size} at {self.place}"

    def put(self, store: DurableStore) -> str:
        """Sign the head and write the note out; answers why the place does not take it. A fault where it must not."""
        note = store.checkpoint(self.origin, self.key.signer(self.origin))
        if not is_successful(note):
            raise StoreFault(Fault.CORRUPT, f"the log is {note.failure()} to a checkpoint that it signed before")
        if not self.place:
            return ""
        trouble = self.trouble(store)
        if trouble:
            raise StoreFault(Fault.CORRUPT, trouble)
        try:
            write_whole(Path(self.place), note.unwrap(), durable=True)
        except OSError as error:
            return f"the checkpoint could not be kept at {self.place}: {error}"
        self._put = note.unwrap()
        return ""
