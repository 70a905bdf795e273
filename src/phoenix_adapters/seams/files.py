"""The file seam: intents in, answers out, for a desktop assistant or any program that can write a file.

An input counts once it stands complete under its final name (write elsewhere, then rename). What is no plain file of
this user, what links or is too large, is put aside with the reason beside it; nothing is followed, nothing is lost.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from attrs import Factory, define

from phoenix_adapters.codec import DOCUMENT_MAX, digest_of

SUFFIXES: Final = (".yaml", ".yml", ".json")
# A flood of files must not keep the engine from its broker: so many a round, in order of their names.
PER_ROUND_MAX: Final = 50
# A name grows by a digest and a word when its file is put away, and a file system takes 255 bytes.
NAME_BYTES_MAX: Final = 200

_NOT_TAKEN: Final = """## Next

It lies in `intents/quarantine/` with the whole reason beside it. Mend it, and write it anew as another intent.
"""


@define
class FileSeam:
    """The folders of one desk."""

    incoming: Path
    archive_to: Path
    quarantine_to: Path
    responses: Path
    _open: set[str] = Factory(set)

    def take(self) -> tuple[tuple[str, bytes, str], ...]:
        """(name, bytes, channel) of every complete input that waits and was not taken yet."""
        taken: list[tuple[str, bytes, str]] = []
        try:
            names = sorted(entry.name for entry in os.scandir(self.incoming) if self._is_new(entry.name))
        except FileNotFoundError:
            return ()
        for name in names[:PER_ROUND_MAX]:
            data = self._read(name)
            if data is not None:
                self._open.add(name)
                taken.append((name, data, f"file:uid{os.getuid()}"))
        return tuple(taken)

    def _is_new(self, name: str) -> bool:
        """What is no input, or waits for its outcome, takes no place in a round: no heap of it keeps others waiting."""
        return name not in self._open and not name.startswith(".") and name.endswith(SUFFIXES)

    def _read(self, name: str) -> bytes | None:
        """The bytes of a plain file of this user; anything else is put aside at once."""
        path = self.incoming / name
        if not name.isprintable() or len(name.encode()) > NAME_BYTES_MAX:
            self._put_aside(name, f"cannot be kept under its name; write plain letters, at most {NAME_BYTES_MAX} bytes")
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._put_aside(name, f"cannot be opened as a plain file: {error.strerror}")
            return None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                self._put_aside(name, "is no plain file of its own; write a file, not a link, pipe or device")
                return None
            if found.st_uid != os.getuid():
                self._put_aside(name, "belongs to another user; write it as the user of this desk")
                return None
            if found.st_size > DOCUMENT_MAX:
                self._put_aside(name, f"is {found.st_size} bytes long; write at most {DOCUMENT_MAX}")
                return None
            return os.read(descriptor, DOCUMENT_MAX + 1)
        finally:
            os.close(descriptor)

    def archive(self, name: str, digest: str, quarantined: bool, reason: str) -> None:
        """Move an input where its outcome belongs; harmless to repeat. What lies under its name by then and says
        something else is another input, which nobody has read yet: it is taken in a later round."""
        self._open.discard(name)
        place, folder = self.incoming / name, self.quarantine_to if quarantined else self.archive_to
        target = folder / f"{digest[:16]}-{name}"
        if not _says(place, digest):
            return  # an earlier run moved it before it could say so, or the next one was renamed over it
        os.replace(place, target)
        if not _says(target, digest):  # renamed over it in this very instant
            os.replace(target, self.incoming / f"{digest[:16]}-{name}")
        elif quarantined:
            write_whole(target.with_name(target.name + ".reason"), reason + "\n")
            self._say_not_taken(target.name, reason.partition(" ")[0])

    def _put_aside(self, name: str, reason: str) -> None:
        shown = _shown(name)
        shelf = (self.quarantine_to / f"refused-{shown}{f'~{n}' if n else ''}" for n in count())
        target = next(place for place in shelf if not os.path.lexists(place))
        try:
            os.rename(self.incoming / name, target)
        except OSError:
            self._open.add(name)  # somebody took it away, or it cannot be moved: not looked at again by this run
            return
        with suppress(OSError):  # it is out of the way, which is what counts
            write_whole(target.with_name(target.name + ".reason"), f"{shown} {reason}\n")
            self._say_not_taken(target.name, reason)

    def _say_not_taken(self, name: str, reason: str) -> None:
        """The newest answer is about the newest file, also where it is a no: else an older one would be read as it."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-~") else "?" for c in name)
        write_whole(
            self.responses / "response.md", f"# Not taken\n\n- file: {plain}\n- reason: {reason}\n\n{_NOT_TAKEN}"
        )

    def respond(self, intent_id: str, document: str) -> None:
        """Write the answer document of an intent; harmless to repeat."""
        write_whole(self.responses / f"{intent_id}.md", document)
        write_whole(self.responses / "response.md", document)


def _says(path: Path, digest: str) -> bool:
    """Whether these bytes lie there, in a plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and digest_of(os.read(descriptor, DOCUMENT_MAX + 1)) == digest
    finally:
        os.close(descriptor)


def _shown(name: str) -> str:
    """A name as it can be kept and printed, whoever chose it: its end, where it is too long."""
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain.encode()[-NAME_BYTES_MAX:].decode("utf-8", "ignore")


def write_whole(path: Path, text: str, durable: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part; `durable`: a power cut as well."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            _ = file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # by the name that the caller knows
    finally:
        with suppress(OSError):  # what is left of it on a full disk is room that somebody needs
            beside.unlink()
    if durable:
        with suppress(OSError):  # some shares know no such thing; the bytes are there, and the name follows
            _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk: until then a power cut may bring the old file back, or none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
