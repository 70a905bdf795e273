"""The log as one file of JSON lines: written from any store, read back strictly (docs/spec/log.md, section 6).

Equal logs give equal bytes. What is read is believed only as far as its hashes go; keys and outside checkpoints come
from the caller, never from the file.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import BinaryIO, Final, Protocol

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.canonical import Flaw, Json, decode, encode
from phoenix_core.chain import EMPTY, Head, Lie, Sealed, link
from phoenix_core.checkpoint import Checkpoint, Verifying, ed25519_key_id, open_note, parse_note
from phoenix_core.tree import EMPTY_FRONTIER, root_of
from phoenix_core.values import Named, text_hash

VERSION: Final = 1
# The longest line is a text or the verifier's own source; more is a bomb.
LINE_BYTES_MAX: Final = 4 * 2**20
_HEADER: Final = frozenset({"checkpoints", "files", "log_key", "origin", "phoenix_export", "root", "size", "texts"})
_COUNTS: Final = ("size", "texts", "checkpoints", "files")


class ExportLie(Named):
    """Why a file is not the export of a log; the flaws and lies of single beads stand beside these."""

    EMPTY = "EMPTY"
    BAD_HEADER = "BAD_HEADER"
    BAD_LINE = "BAD_LINE"
    TRUNCATED = "TRUNCATED"
    TRAILING = "TRAILING"
    BAD_ROOT = "BAD_ROOT"
    BAD_TEXT = "BAD_TEXT"
    BAD_CHECKPOINT = "BAD_CHECKPOINT"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    OTHER_LOG = "OTHER_LOG"
    FORKED = "FORKED"
    BEHIND = "BEHIND"


@frozen
class ExportFault:
    """The first lie of a file: its code, and the number of the bead or of the line, where it stands in one."""

    reason: Flaw | Lie | ExportLie
    seq: int | None = None
    line: int | None = None


@frozen
class Export:
    """A file that is true as far as it goes. `witnessed` beads are under an outside checkpoint; the tail is not."""

    origin: str
    log_key: bytes | None
    head: Head
    root: bytes
    beads: tuple[Sealed, ...]
    texts: Mapping[str, str]
    checkpoints: tuple[Checkpoint, ...]
    files: Mapping[str, str]
    witnessed: int

    @property
    def unwitnessed(self) -> int:
        """How many beads at the end nobody outside has vouched for."""
        return self.head.size - self.witnessed


class Exportable(Protocol):
    """What an export needs of a store."""

    def view(self) -> AbstractContextManager[Head]:
        """A log that stands still."""
        ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        """The beads."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """The root over them."""
        ...

    def texts(self) -> Iterator[tuple[str, str]]:
        """The side table."""
        ...

    def checkpoints(self) -> tuple[str, ...]:
        """The notes."""
        ...


def export_lines(
    store: Exportable, origin: str, log_key: bytes | None, files: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """The lines of the export of a store as it stands now, each with its newline."""
    attached = sorted((files or {}).items())
    with store.view() as head:
        texts, notes = list(store.texts()), store.checkpoints()
        header: dict[str, Json] = {
            "phoenix_export": VERSION,
            "origin": origin,
            "log_key": None if log_key is None else _b64(log_key),
            "root": _b64(store.root()),
            "size": head.size,
            "texts": len(texts),
            "checkpoints": len(notes),
            "files": len(attached),
        }
        yield encode(header) + b"\n"
        for bead in store.read(0):
            yield bead.data + b"\n"
    for digest, text in texts:
        yield encode({"hash": digest, "text": text}) + b"\n"
    for note in notes:
        yield encode({"checkpoint": note}) + b"\n"
    for name, text in attached:
        yield encode({"file": name, "text": text}) + b"\n"


def export(
    store: Exportable,
    path: str | os.PathLike[str],
    origin: str,
    log_key: bytes | None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Write the export, for its owner's eyes; the file appears whole or not at all."""
    target = os.fspath(path)
    partial = target + ".partial"
    try:
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.writelines(export_lines(store, origin, log_key, files))
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from error  # by the name that the caller knows
    finally:
        # Half an export on a full disk is room that somebody needs.
        with suppress(FileNotFoundError):
            os.unlink(partial)


def read_export(
    stream: BinaryIO, key: Verifying | None = None, outside: Sequence[Checkpoint] = ()
) -> Result[Export, ExportFault]:
    """The export that this file holds, or the first lie in it. No file raises.

    `key` is the log's public key and `outside` are checkpoints held elsewhere: both from somewhere else than this file.
    """
    try:
        return Success(_Reader(stream).export(key, outside))
    except _Lied as lied:
        return Failure(lied.fault)


class _Lied(Exception):
    """A way out of the reader; never leaves this module."""

    def __init__(self, reason: Flaw | Lie | ExportLie, *, seq: int | None = None, line: int | None = None) -> None:
        super().__init__(reason)
        self.fault = ExportFault(reason, seq, line)


class _Reader:
    """Reads a file from top to bottom, once."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.line = 0

    def export(self, key: Verifying | None, outside: Sequence[Checkpoint]) -> Export:
        header = self.header()
        origin, root = _text(header["origin"]), _of_b64(header["root"])
        size, texts, checkpoints, files = (_count(header[name]) for name in _COUNTS)
        log_key = None if header["log_key"] is None else _of_b64(header["log_key"])
        if key is not None and (key.name != origin or log_key is None or ed25519_key_id(origin, log_key) != key.key_id):
            raise _Lied(ExportLie.OTHER_LOG, line=1)
        beads = tuple(self.beads(size))
        leaves = [bead.leaf for bead in beads]
        if root_of(leaves) != root:
            raise _Lied(ExportLie.BAD_ROOT, seq=size - 1 if size else None)
        said = dict(self.pairs(texts, "hash", "text"))
        points = tuple(self.points(checkpoints, origin, leaves, key))
        attached = dict(self.pairs(files, "file", "text"))
        if self.stream.read(1):
            raise _Lied(ExportLie.TRAILING, line=self.line + 1)
        _compare(outside, origin, leaves)
        witnessed = max((point.size for point in outside), default=0)
        head = beads[-1].head if beads else EMPTY
        return Export(origin, log_key, head, root, beads, said, points, attached, witnessed)

    def next(self) -> bytes:
        self.line += 1
        data = self.stream.readline(LINE_BYTES_MAX + 1)  # with its end
        if not data:
            raise _Lied(ExportLie.EMPTY if self.line == 1 else ExportLie.TRUNCATED, line=self.line)
        if not data.endswith(b"\n"):
            raise _Lied(ExportLie.BAD_LINE, line=self.line)
        return data[:-1]

    def fields(self, keys: Iterable[str], reason: ExportLie) -> dict[str, Json]:
        """The object on the next line, if it has exactly these keys."""
        read = decode(self.next(), LINE_BYTES_MAX)
        value = read.unwrap() if is_successful(read) else None
        if not isinstance(value, dict) or value.keys() != set(keys):
            raise _Lied(reason, line=self.line)
        return value

    def header(self) -> dict[str, Json]:
        header = self.fields(_HEADER, ExportLie.BAD_HEADER)
        counted = all(type(header[name]) is int and _count(header[name]) >= 0 for name in _COUNTS)
        hashed = all(
            isinstance(header[name], str) and len(_of_b64(header[name])) == 32
            for name in ("root", "log_key")
            if not (name == "log_key" and header[name] is None)
        )
        version, origin = header["phoenix_export"], header["origin"]
        if type(version) is not int or version != VERSION or not (counted and hashed and isinstance(origin, str)):
            raise _Lied(ExportLie.BAD_HEADER, line=1)
        return header

    def beads(self, count: int) -> Iterator[Sealed]:
        head, seen = EMPTY, set()
        for _ in range(count):
            linked = link(head, self.next())
            if not is_successful(linked):
                raise _Lied(linked.failure().reason, seq=head.size, line=self.line)
            bead = linked.unwrap()
            if bead.bead_id in seen:
                raise _Lied(Lie.DUPLICATE_BEAD_ID, seq=bead.seq, line=self.line)
            seen.add(bead.bead_id)
            yield bead
            head = bead.head

    def pairs(self, count: int, name: str, value: str) -> Iterator[tuple[str, str]]:
        """(name, text) lines in strict order; where the name is a hash it is the text's."""
        last = ""
        for _ in range(count):
            fields = self.fields((name, value), ExportLie.BAD_LINE)
            label, text = fields[name], fields[value]
            if not isinstance(label, str) or not isinstance(text, str) or label <= last:
                raise _Lied(ExportLie.BAD_LINE, line=self.line)
            if name == "hash" and label != text_hash(text):
                raise _Lied(ExportLie.BAD_TEXT, line=self.line)
            yield label, text
            last = label

    def points(self, count: int, origin: str, leaves: list[bytes], key: Verifying | None) -> Iterator[Checkpoint]:
        """The notes, each against the beads before it; one walk over the leaves serves them all."""
        frontier, last = EMPTY_FRONTIER, -1
        for _ in range(count):
            note = self.fields(("checkpoint",), ExportLie.BAD_LINE)["checkpoint"]
            parsed = parse_note(note) if isinstance(note, str) else None
            if parsed is None or not is_successful(parsed):
                raise _Lied(ExportLie.BAD_CHECKPOINT, line=self.line)
            point = parsed.unwrap().checkpoint
            if point.origin != origin:
                raise _Lied(ExportLie.OTHER_LOG, line=self.line)
            if key is not None and not is_successful(open_note(_text(note), key)):
                raise _Lied(ExportLie.BAD_SIGNATURE, line=self.line)
            if not last < point.size <= len(leaves):
                raise _Lied(ExportLie.BAD_CHECKPOINT, line=self.line)
            frontier = frontier.extend(leaves[frontier.size : point.size])
            if frontier.root() != point.root:
                raise _Lied(ExportLie.FORKED, line=self.line)
            yield point
            last = point.size


def _compare(outside: Sequence[Checkpoint], origin: str, leaves: list[bytes]) -> None:
    for point in outside:
        if point.origin != origin:
            raise _Lied(ExportLie.OTHER_LOG)
        if point.size > len(leaves):
            raise _Lied(ExportLie.BEHIND)
        if root_of(leaves[: point.size]) != point.root:
            raise _Lied(ExportLie.FORKED)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _of_b64(text: object) -> bytes:
    """Base64 in its one spelling; anything else reads as no bytes at all."""
    try:
        data = base64.b64decode(_text(text), validate=True)
    except ValueError:
        return b""
    return data if _b64(data) == text else b""


def _text(value: object) -> str:
    assert isinstance(value, str), "asked for only where it was found to be a text"
    return value


def _count(value: object) -> int:
    assert isinstance(value, int), "asked for only where it was found to be a number"
    return value
