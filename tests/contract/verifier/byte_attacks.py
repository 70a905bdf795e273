"""Attacks on the bytes of an export: who makes them changes the file, and at most owns the log's key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Final

from attrs import frozen

from phoenix_core.canonical import Json, encode
from phoenix_core.checkpoint import Checkpoint, Signer, ed25519_key_id, sign_note
from phoenix_core.tree import leaf_hash, root_of
from tests.contract.verifier.story import LOG, ORIGIN, Story
from tests.contract.verifier.whole import Record


@cache
def honest() -> Story:
    """The whole day, told once."""
    return Story().told()


@cache
def honest_lines() -> tuple[bytes, ...]:
    """Its export, line by line."""
    return tuple(honest().export()[:-1].split(b"\n"))


@frozen
class ByteAttack:
    """What was done to the lines, and what must be said of it where."""

    name: str
    code: str
    place: str
    change: Callable[[list[bytes]], list[bytes]]

    def export(self) -> bytes:
        """The changed file."""
        return b"".join(line + b"\n" for line in self.change(list(honest_lines())))


BEADS: Final = len(honest().beads)
TEXTS: Final = BEADS + 1  # the line of the first text, counted from 0
NOTES: Final = TEXTS + len(honest().texts)


def at(number: int, change: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    """Change one line."""

    def changed(lines: list[bytes]) -> list[bytes]:
        lines[number] = change(lines[number])
        return lines

    return changed


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Replace some bytes of a line, which must be there."""

    def swapped(line: bytes) -> bytes:
        assert old in line, old
        return line.replace(old, new, 1)

    return swapped


def header(**changes: Json) -> Callable[[list[bytes]], list[bytes]]:
    """Another header, well spelt."""
    return at(0, lambda line: encode(json.loads(line) | changes))


def last(change: Callable[[Record], Record]) -> Callable[[list[bytes]], list[bytes]]:
    """Another last bead, well spelt, and nothing else."""
    return at(BEADS, lambda line: encode(change(json.loads(line))))


def body(**changes: Json) -> Callable[[Record], Record]:
    """Another body."""

    def changed(bead: Record) -> Record:
        found = bead["body"]
        assert isinstance(found, dict)
        return bead | {"body": found | changes}

    return changed


def without(number: int) -> Callable[[list[bytes]], list[bytes]]:
    """A line less, and a header that knows of it."""

    def changed(lines: list[bytes]) -> list[bytes]:
        del lines[number]
        return header(size=BEADS - 1)(lines)

    return changed


def doubled(number: int) -> Callable[[list[bytes]], list[bytes]]:
    """A line twice, and a header that knows of it."""

    def changed(lines: list[bytes]) -> list[bytes]:
        lines.insert(number, lines[number])
        return header(size=BEADS + 1)(lines)

    return changed


def exchanged(one: int, other: int) -> Callable[[list[bytes]], list[bytes]]:
    """Two lines in each other's place."""

    def changed(lines: list[bytes]) -> list[bytes]:
        lines[one], lines[other] = lines[other], lines[one]
        return lines

    return changed


def note(size: int, root: bytes, origin: str = ORIGIN, seal: Callable[[bytes], bytes] = LOG.private.sign) -> bytes:
    """The line of a checkpoint that says this."""
    signer = Signer(origin, ed25519_key_id(origin, LOG.public.point), seal)
    return encode({"checkpoint": sign_note(Checkpoint(origin, size, root), signer)})


def signed_twice(line: bytes) -> bytes:
    """Two lines of one key."""
    text = str(json.loads(line)["checkpoint"])
    return encode({"checkpoint": text + text.splitlines()[-1] + "\n"})


def repeated_id(lines: list[bytes]) -> list[bytes]:
    """The last bead under the id of the first, with a root that fits."""
    first = json.loads(lines[1])["body"]["bead_id"]
    lines = last(body(bead_id=first))(lines)
    root = root_of(leaf_hash(line) for line in lines[1 : BEADS + 1])
    return header(root=base64.b64encode(root).decode())(lines)


def with_files(*names: str) -> Callable[[list[bytes]], list[bytes]]:
    """Attached files, in this order."""

    def changed(lines: list[bytes]) -> list[bytes]:
        return header(files=len(names))(lines) + [encode({"file": name, "text": "print()"}) for name in names]

    return changed


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


LAST: Final = f"bead {BEADS - 1}"
FIRST_TEXT: Final = f"line {TEXTS + 1}"
FIRST_NOTE: Final = f"line {NOTES + 1}"
BEAT: Final = b'"status":"HEALTHY"'
ROWS: Final[list[tuple[str, str, str, Callable[[list[bytes]], list[bytes]]]]] = [
    ("a bead of a megabyte", "TOO_LARGE", LAST, at(BEADS, swap(BEAT, b'"status":"' + b"A" * 2**20 + b'"'))),
    ("a line of five megabytes", "BAD_LINE", FIRST_TEXT, at(TEXTS, swap(b"PAPER", b"P" * 5 * 2**20))),
    ("bytes that are no text", "NOT_UTF8", LAST, at(BEADS, swap(b"HEALTHY", b"HEALTH\xff"))),
    ("a byte order mark", "NOT_UTF8", LAST, at(BEADS, lambda line: b"\xef\xbb\xbf" + line)),
    ("forty arrays deep", "TOO_DEEP", LAST, at(BEADS, swap(b'"HEALTHY"', _nested(40)))),
    ("a hundred thousand arrays deep", "TOO_DEEP", LAST, at(BEADS, swap(b'"HEALTHY"', _nested(100_000)))),
    ("two values", "NOT_JSON", LAST, at(BEADS, lambda line: line + b"{}")),
    ("half a value", "NOT_JSON", LAST, at(BEADS, lambda line: line[:-1])),
    ("no value", "NOT_JSON", LAST, at(BEADS, lambda line: b"")),
    ("a key twice", "DUPLICATE_KEY", LAST, at(BEADS, swap(BEAT, BEAT + b"," + BEAT))),
    ("a fraction", "FLOAT", LAST, at(BEADS, swap(b'"HEALTHY"', b"1.5"))),
    ("an exponent", "FLOAT", LAST, at(BEADS, swap(b'"HEALTHY"', b"1e3"))),
    ("no number", "FLOAT", LAST, at(BEADS, swap(b'"HEALTHY"', b"NaN"))),
    ("two to the power of 53", "NUMBER_RANGE", LAST, at(BEADS, swap(b'"HEALTHY"', b"9007199254740992"))),
    ("ten thousand digits", "NUMBER_RANGE", LAST, at(BEADS, swap(b'"HEALTHY"', b"9" * 10_000))),
    ("a key in Cyrillic", "KEY_NOT_ASCII", LAST, at(BEADS, swap(b'"status"', '"stаtus"'.encode()))),
    ("half a character", "LONE_SURROGATE", LAST, at(BEADS, swap(b"HEALTHY", b"\\ud800"))),
    ("white space", "NOT_CANONICAL", LAST, at(BEADS, swap(b":", b": "))),
    ("another order of keys", "NOT_CANONICAL", LAST, at(BEADS, lambda line: b'{"v":1,' + line[1:-7] + b"}")),
    ("an escape too many", "NOT_CANONICAL", LAST, at(BEADS, swap(b"HEALTHY", b"\\u0048EALTHY"))),
    ("minus zero", "NOT_CANONICAL", LAST, at(BEADS, swap(b'"HEALTHY"', b"-0"))),
    ("no bead at all", "EMPTY", "the export", lambda lines: [encode(Story().header())]),
    ("a key that no header has", "BAD_HEADER", "line 1", header(verdict="TRUE")),
    ("a version that is not there yet", "BAD_HEADER", "line 1", header(phoenix_export=2)),
    ("a version that is true", "BAD_HEADER", "line 1", header(phoenix_export=True)),
    ("fewer than no beads", "BAD_HEADER", "line 1", header(size=-1)),
    ("more beads than there is time", "BAD_HEADER", "line 1", header(size=2**40)),
    ("no header", "BAD_HEADER", "line 1", lambda lines: lines[1:]),
    ("an order of texts that nobody wrote", "BAD_LINE", f"line {TEXTS + 2}", exchanged(TEXTS, TEXTS + 1)),
    ("a text with more to say", "BAD_LINE", FIRST_TEXT, at(TEXTS, swap(b"}", b',"x":1}'))),
    ("a text spelt another way", "BAD_LINE", FIRST_TEXT, at(TEXTS, swap(b'":"', b'": "'))),
    ("a text twice", "BAD_LINE", f"line {TEXTS + 2}", lambda lines: header(texts=5)(doubled_text(lines))),
    ("a checkpoint with more to say", "BAD_LINE", FIRST_NOTE, at(NOTES, swap(b"}", b',"x":1}'))),
    ("a checkpoint where a text stands", "BAD_LINE", FIRST_TEXT, exchanged(TEXTS, NOTES)),
    ("checkpoints from the last to the first", "BAD_LINE", f"line {NOTES + 2}", exchanged(NOTES, NOTES + 1)),
    ("a checkpoint twice", "BAD_LINE", f"line {NOTES + 2}", lambda lines: header(checkpoints=3)(doubled_note(lines))),
    ("a file with more to say", "BAD_LINE", f"line {NOTES + 3}", lambda lines: at(NOTES + 2, swap(b"}", b',"x":1}'))(
        with_files("a.py")(lines))),
    ("a file twice", "BAD_LINE", f"line {NOTES + 4}", with_files("a.py", "a.py")),
    ("files in no order", "BAD_LINE", f"line {NOTES + 4}", with_files("b.py", "a.py")),
    ("the last line missing", "TRUNCATED", f"line {NOTES + 2}", lambda lines: lines[:-1]),
    ("all but the beads missing", "TRUNCATED", FIRST_TEXT, lambda lines: lines[: BEADS + 1]),
    ("half of the beads missing", "TRUNCATED", "bead 30", lambda lines: lines[:31]),
    ("a line too many", "TRAILING", f"line {NOTES + 3}", lambda lines: [*lines, b"{}"]),
    ("another version of beads", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"v": 2})),
    ("a version that is true, in a bead", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"v": True})),
    ("a key that no bead has", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"x": 1})),
    ("a day that no calendar has", "BAD_ENVELOPE", LAST, at(BEADS, swap(b"2026-11-18", b"2026-02-30"))),
    ("an hour of another zone", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"ts": "2026-02-03T00:00:00.0000+01"})),
    ("a kind in small letters", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"kind": "heartbeat"})),
    ("a hash in capitals", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"prev": str(bead["prev"]).upper()})),
    ("no bead_id", "BAD_ENVELOPE", LAST, last(lambda bead: bead | {"body": {}})),
    ("a bead_id in capitals", "BAD_ENVELOPE", LAST, last(body(bead_id="A" * 8 + "-AAAA-AAAA-AAAA-" + "A" * 12))),
    ("a bead deleted", "BAD_SEQ", "bead 20", without(21)),
    ("a bead doubled", "BAD_SEQ", "bead 21", doubled(21)),
    ("two beads swapped", "BAD_SEQ", "bead 20", exchanged(21, 22)),
    ("a bead changed", "BAD_PREV", "bead 6", at(6, swap(b"hana", b"hanb"))),
    ("a link changed", "BAD_PREV", LAST, last(lambda bead: bead | {"prev": "0" * 64})),
    ("a bead_id twice", "DUPLICATE_BEAD_ID", LAST, repeated_id),
    ("the last bead changed", "BAD_ROOT", LAST, last(body(status="DEGRADED"))),
    ("the root changed", "BAD_ROOT", LAST, header(root=base64.b64encode(b"r" * 32).decode())),
    ("the tail cut, the root kept", "BAD_ROOT", f"bead {BEADS - 2}", without(BEADS)),
    ("words changed", "BAD_TEXT", FIRST_TEXT, at(TEXTS, swap(b"BUY 1000", b"BUY 9000"))),
    ("a checkpoint that is none", "BAD_CHECKPOINT", FIRST_NOTE, at(NOTES, swap(ORIGIN.encode(), b"a b"))),
    ("a checkpoint with a leading zero", "BAD_CHECKPOINT", FIRST_NOTE, at(NOTES, swap(b"\\n", b"\\n0"))),
    ("a checkpoint of a longer log", "BAD_CHECKPOINT", FIRST_NOTE, at(NOTES, lambda line: note(99, honest().root()))),
    ("a checkpoint with another signature", "BAD_SIGNATURE", FIRST_NOTE,
     at(NOTES, lambda line: note(29, honest().root(29), seal=honest().eve.private.sign))),
    ("a checkpoint that its key signed twice", "BAD_SIGNATURE", FIRST_NOTE, at(NOTES, signed_twice)),
    ("a checkpoint of another log", "OTHER_LOG", FIRST_NOTE,
     at(NOTES, lambda line: note(29, honest().root(29), "phoenix.example/other"))),
    ("the export of another log key", "OTHER_LOG", "line 1", header(log_key=base64.b64encode(b"k" * 32).decode())),
    ("the export of a log without a key", "OTHER_LOG", "line 1", header(log_key=None)),
    ("the export of another log", "OTHER_LOG", "line 1", header(origin="phoenix.example/other")),
    ("a checkpoint of another history", "FORKED", FIRST_NOTE, at(NOTES, lambda line: note(29, honest().root(28)))),
]  # fmt: skip


def doubled_text(lines: list[bytes]) -> list[bytes]:
    """The first text twice."""
    lines.insert(TEXTS, lines[TEXTS])
    return lines


def doubled_note(lines: list[bytes]) -> list[bytes]:
    """The first checkpoint twice."""
    lines.insert(NOTES, lines[NOTES])
    return lines


BYTE_ATTACKS: Final = [ByteAttack(*row) for row in ROWS]
