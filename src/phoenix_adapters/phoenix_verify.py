#!/usr/bin/env python3
"""Checks an exported Phoenix log, offline, with nothing but Python's standard library.

    python3 phoenix_verify.py EXPORT --roots roots.json [--checkpoint FILE]... [--seen SIZE:ROOT]... [--json]

Exit 0: everything that is checked here is true. Exit 1: a lie; the first one is named with its code and its place.
Exit 2: cannot decide (no roots, an unknown kind of bead, an exception): never to be taken for a yes.

It shares no code with Phoenix, so that a mistake there is not repeated here. Keys come from the roots, which the reader
keeps, never from the export, which the desk's host wrote. docs/spec/verifier.md lists every check with its code;
docs/spec/log.md is the format. The file has two halves: what bytes must be (to line "What beads mean"), and what they
mean. Every check is a row of the table CHECKS at the end; `judge` is the only place that calls something a lie.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache, lru_cache
from typing import BinaryIO, Final, NamedTuple, TypeVar

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Record = dict[str, Json]
T = TypeVar("T")

# --- Limits, and how a lie is told ------------------------------------------------------------------------------------

INTEGER_MAX: Final = 2**53 - 1
DEPTH_MAX: Final = 32
BEAD_MAX: Final = 262_144
STATEMENT_MAX: Final = 16_384
NOTE_MAX: Final = 8_192
LINE_MAX: Final = 4 * 1024 * 1024
COUNT_MAX: Final = 50_000_000  # a year of a busy desk is some millions
AT_ONCE_MAX: Final = 5_000  # beads of one instant, which are looked at together; an append has some dozens
NAMESPACE: Final = "phoenix-approval@v1"
ZEROS: Final = "0" * 64
CLOCK_BACK: Final = timedelta(seconds=2)
TOKEN_LIFE: Final = timedelta(minutes=5)


class Lie(Exception):
    """Something that cannot be: its code, what it means, and where."""

    def __init__(self, code: str, said: str) -> None:
        """The place is added by whoever knows it."""
        super().__init__(code)
        self.code, self.said, self.place = code, said, ""


class Undecided(Exception):
    """Neither true nor a lie: what is missing to decide."""

    def __init__(self, code: str, said: str) -> None:
        """Keep the code apart from the sentence."""
        super().__init__(f"{code}: {said}")
        self.code, self.said, self.place = code, said, ""


def judge(code: str, *arguments: object) -> None:
    """Ask one check; what it does not find true is a lie."""
    is_true, said = CHECKS[code]
    if not is_true(*arguments):
        raise Lie(code, said)


# --- Canonical JSON ---------------------------------------------------------------------------------------------------


class Reader:
    """Reads JSON once and remembers what was wrong with it."""

    def __init__(self) -> None:
        """One decoder for all texts: making one is slower than most texts."""
        self.flaws: set[str] = set()
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._pairs, parse_int=self._int, parse_float=self._float, parse_constant=self._float
        )
        self._encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def read(self, data: bytes) -> Json:
        """The value, however flawed; `flaws` says how."""
        self.flaws = set()
        text = data.decode("utf-8", "replace")
        try:
            value: Json = self._decoder.decode(text)
            if text.count("{") + text.count("[") > DEPTH_MAX and depth(value) > DEPTH_MAX:
                self.flaws.add("TOO_DEEP")
        except RecursionError:
            self.flaws.add("TOO_DEEP")
            return None
        except ValueError:
            self.flaws.add("NOT_JSON")
            return None
        return value

    def write(self, value: Json) -> bytes:
        """The one spelling of a value; a lone surrogate is spelt as three bytes that no text has."""
        return self._encoder.encode(value).encode("utf-8", "surrogatepass")

    def _pairs(self, pairs: list[tuple[str, Json]]) -> Record:
        found = dict(pairs)
        if len(found) < len(pairs):
            self.flaws.add("DUPLICATE_KEY")
        if not "".join(found).isascii():
            self.flaws.add("KEY_NOT_ASCII")
        return found

    def _int(self, digits: str) -> int:
        if len(digits) > 17 or abs(int(digits)) > INTEGER_MAX:
            self.flaws.add("NUMBER_RANGE")
            return 0
        return int(digits)

    def _float(self, digits: str) -> int:
        self.flaws.add("FLOAT")
        return 0


def depth(value: Json) -> int:
    """How deep arrays and objects nest."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if items is None else 1 + max(map(depth, items), default=0)


READER: Final = Reader()


def read_json(data: bytes, limit: int = BEAD_MAX) -> Json:
    """What canonical bytes say."""
    judge("TOO_LARGE", data, limit)
    judge("NOT_UTF8", data)
    value = READER.read(data)
    for flaw in ("TOO_DEEP", "NOT_JSON", "DUPLICATE_KEY", "FLOAT", "NUMBER_RANGE", "KEY_NOT_ASCII"):
        judge(flaw, READER.flaws)
    again = READER.write(value)
    judge("LONE_SURROGATE", again)
    judge("NOT_CANONICAL", data, again)
    return value


def is_canonical(data: bytes) -> bool:
    """A line that is no bead: canonical like one, but with one code for all that it may not be."""
    try:
        _ = read_json(data, LINE_MAX)
    except Lie:
        return False
    return True


def fits(data: bytes, limit: int) -> bool:
    """Bombs are weighed before they are opened."""
    return len(data) <= limit


def is_utf8(data: bytes) -> bool:
    """Text, without a byte order mark."""
    try:
        return not data.decode().startswith("\ufeff")
    except UnicodeDecodeError:
        return False


def free_of(flaw: str) -> Callable[[set[str]], bool]:
    """The check that a reader met no such flaw."""
    return lambda flaws: flaw not in flaws


def same_bytes(one: bytes, other: bytes) -> bool:
    """Nothing but the one spelling."""
    return one == other


# --- Ed25519 (RFC 8032, strict: no cofactor, S below the order, no weak point, no second spelling) --------------------

PRIME: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
CURVE_D: Final = -121665 * pow(121666, -1, PRIME) % PRIME
ROOT_OF_MINUS_ONE: Final = pow(2, (PRIME - 1) // 4, PRIME)
ORDER_EIGHT_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
WEAK_Y: Final = frozenset({0, 1, PRIME - 1, ORDER_EIGHT_Y, PRIME - ORDER_EIGHT_Y})

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T
NEUTRAL: Final[Point] = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    """The sum of two points."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % PRIME, (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c, d = 2 * p[3] * q[3] * CURVE_D % PRIME, 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def double(p: Point) -> Point:
    """A point and itself."""
    a, b = p[0] * p[0] % PRIME, p[1] * p[1] % PRIME
    h, g = a + b, a - b
    e, f = h - (p[0] + p[1]) ** 2 % PRIME, 2 * p[2] * p[2] % PRIME + g
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def multiples(p: Point) -> tuple[Point, ...]:
    """0 to 15 times a point: four bits of a scalar at a time."""
    row = [NEUTRAL]
    for _ in range(15):
        row.append(add(row[-1], p))
    return tuple(row)


def decoded(point: bytes) -> Point | None:
    """The point of an encoding; None where there is none."""
    y, sign = int.from_bytes(point, "little") & ((1 << 255) - 1), point[31] >> 7
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if x * x % PRIME != square:
        return None
    x = PRIME - x if x & 1 != sign else x
    return x, y, 1, x * y % PRIME


def encoded(p: Point) -> bytes:
    """A point in its one spelling."""
    inverse = pow(p[2], -1, PRIME)
    x, y = p[0] * inverse % PRIME, p[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE: Final = decoded((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little")) or NEUTRAL
BASE_ROW: Final = multiples(BASE)


@lru_cache(maxsize=64)
def minus_row(point: bytes) -> tuple[Point, ...] | None:
    """The multiples of the mirror image of a public key: the same few keys sign everything."""
    p = decoded(point)
    return None if p is None else multiples((PRIME - p[0], p[1], 1, PRIME - p[3]))


def ed25519(point: bytes, signature: bytes, message: bytes) -> bool:
    """Whether S times the base minus h times the key, encoded, is R: byte for byte."""
    row = minus_row(point)
    if row is None:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    digest = int.from_bytes(hashlib.sha512(signature[:32] + point + message).digest(), "little") % ORDER
    total = NEUTRAL
    for shift in range(252, -1, -4):
        total = double(double(double(double(total))))
        total = add(add(total, BASE_ROW[scalar >> shift & 15]), row[digest >> shift & 15])
    return encoded(total) == signature[:32]


def is_strong(point: bytes) -> bool:
    """Not of small order (such a key signs nearly anything), and in its one spelling."""
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    return y not in WEAK_Y and y < PRIME


def scalar_in_range(signature: bytes) -> bool:
    """S below the order: S + order would be a second signature."""
    return int.from_bytes(signature[32:], "little") < ORDER


def signs(point: bytes, signature: bytes, message: bytes) -> bool:
    """Every rule for Ed25519 at once, for notes."""
    good = len(point) == 32 and len(signature) == 64 and is_strong(point) and is_strong(signature[:32])
    return good and scalar_in_range(signature) and ed25519(point, signature, message)


# --- SSHSIG -----------------------------------------------------------------------------------------------------------

SOFTWARE: Final = "ssh-ed25519"
HARDWARE: Final = "sk-ssh-ed25519@openssh.com"
PRESENT, VERIFIED, KNOWN_FLAGS = 0x01, 0x04, 0x1D
ARMOR: Final = ("-----BEGIN SSH SIGNATURE-----\n", "\n-----END SSH SIGNATURE-----\n")


class PublicKey(NamedTuple):
    """A key: what SSH calls its blob, and what stands in it."""

    blob: bytes
    type: str
    point: bytes
    application: str

    @property
    def fingerprint(self) -> str:
        """Its name in beads."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def assurance(self) -> str:
        """A file can be copied, a security key cannot."""
        return "hardware" if self.type == HARDWARE else "software"


class Signature(NamedTuple):
    """A well-formed signature."""

    key: PublicKey
    namespace: str
    hash_name: str
    raw: bytes
    flags: int
    counter: int


class Cursor:
    """Reads SSH's binary encoding."""

    def __init__(self, data: bytes) -> None:
        """Begin at the beginning."""
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        judge("SIG_TRUNCATED", count, len(self.data) - self.at)
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Bytes behind their length."""
        return self.take(self.number())

    def word(self) -> str:
        """A name."""
        return self.string().decode("ascii", "replace")

    def end(self) -> None:
        """Nothing may follow what was understood."""
        judge("SIG_TRAILING", len(self.data) - self.at)


def ssh_string(data: bytes) -> bytes:
    """Bytes behind their length, as SSH writes them."""
    return len(data).to_bytes(4, "big") + data


def public_key(blob: bytes) -> PublicKey:
    """The key of a blob."""
    cursor = Cursor(blob)
    kind = cursor.word()
    judge("SIG_KEY_TYPE", kind)
    point = cursor.string()
    application = cursor.word() if kind == HARDWARE else ""
    cursor.end()
    judge("SIG_KEY_WEAK", point)
    judge("SIG_APPLICATION", kind, application)
    return PublicKey(blob, kind, point, application)


def parse_signature(text: str) -> Signature:
    """An armored SSHSIG in its one spelling."""
    judge("SIG_ARMOR", text)
    outer = Cursor(base64.b64decode(text[len(ARMOR[0]) : -len(ARMOR[1])].replace("\n", "")))
    judge("SIG_MAGIC", outer.take(6))
    judge("SIG_VERSION", outer.number())
    key = public_key(outer.string())
    namespace = outer.word()
    judge("SIG_RESERVED", outer.string())
    hash_name = outer.word()
    judge("SIG_HASH", hash_name)
    inner = Cursor(outer.string())
    outer.end()
    judge("SIG_INNER_TYPE", inner.word(), key)
    raw = inner.string()
    flags, counter = (inner.take(1)[0], inner.number()) if key.type == HARDWARE else (0, 0)
    inner.end()
    judge("SIG_LENGTH", raw)
    judge("SIG_FLAGS", flags)
    judge("SIG_SCALAR", raw)
    judge("SIG_POINT_WEAK", raw[:32])
    return Signature(key, namespace, hash_name, raw, flags, counter)


def armored_once(text: str) -> bool:
    """The armor that ssh-keygen writes, 70 characters a line, and no other spelling of it."""
    first, last = ARMOR
    if len(text) > STATEMENT_MAX:
        return False
    try:
        data = base64.b64decode(text[len(first) : -len(last)].replace("\n", ""), validate=True)
    except ValueError:
        return False
    again = base64.b64encode(data).decode()
    return text == first + "\n".join(again[at : at + 70] for at in range(0, len(again), 70)) + last


def signature_holds(signature: Signature, statement: bytes) -> bool:
    """Whether the key signed exactly these bytes; a FIDO key signs its flags and its counter too."""
    digest = hashlib.new("sha256" if signature.hash_name == "sha256" else "sha512", statement).digest()
    names = (signature.namespace.encode(), b"", signature.hash_name.encode(), digest)
    message = b"SSHSIG" + b"".join(map(ssh_string, names))
    if signature.key.type == HARDWARE:
        head = hashlib.sha256(signature.key.application.encode()).digest() + bytes([signature.flags])
        message = head + signature.counter.to_bytes(4, "big") + hashlib.sha256(message).digest()
    return ed25519(signature.key.point, signature.raw, message)


def for_ssh(kind: str, application: str) -> bool:
    """A FIDO key that was made for SSH: a web site's key has other uses."""
    return kind == SOFTWARE or application.startswith("ssh:")


# --- The tree and its checkpoints -------------------------------------------------------------------------------------


class Tree:
    """The Merkle tree of RFC 6962, with every perfect subtree kept, so that any past root is quickly told."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.levels: list[list[bytes]] = [[]]

    @property
    def size(self) -> int:
        """How many leaves."""
        return len(self.levels[0])

    def append(self, leaf: bytes) -> None:
        """One more leaf."""
        row, node = 0, leaf
        while True:
            if row == len(self.levels):
                self.levels.append([])
            level = self.levels[row]
            level.append(node)
            if len(level) & 1:
                return
            node, row = node_hash(level[-2], level[-1]), row + 1

    def root(self, size: int) -> bytes:
        """The root over the first so many leaves."""
        peaks, start = [], 0
        for row in range(size.bit_length() - 1, -1, -1):
            if size >> row & 1:
                peaks.append(self.levels[row][start >> row])
                start += 1 << row
        root = peaks.pop() if peaks else hashlib.sha256(b"").digest()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root


def leaf_hash(data: bytes) -> bytes:
    """The hash of a bead's bytes."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()


NAME: Final = r"[!-*,-~]{1,255}"
BASE64: Final = r"[A-Za-z0-9+/]+={0,2}"
NOTE: Final = re.compile(rf"({NAME})\n(0|[1-9][0-9]{{0,15}})\n({BASE64})\n\n((?:\u2014 {NAME} {BASE64}\n){{1,16}})")


class Note(NamedTuple):
    """A checkpoint, with those who signed it."""

    text: str
    origin: str
    size: int
    root: bytes
    lines: tuple[tuple[str, bytes], ...]  # name, key id and signature


class NoteKey(NamedTuple):
    """A key of notes: `name+key id+base64`. Type 1 is plain Ed25519, type 4 a witness that adds the time."""

    name: str
    id: bytes
    type: int
    point: bytes


def note_of(text: str) -> Note | None:
    """The note of a text; None where it is none in its one spelling."""
    match = NOTE.fullmatch(text) if len(text) <= NOTE_MAX else None
    if match is None:
        return None
    root = one_base64(match[3])
    lines = [line.split(" ")[1:] for line in match[4].splitlines()]
    signed = tuple((name, one_base64(raw) or b"") for name, raw in lines)
    if root is None or len(root) != 32 or not all(len(raw) > 4 for _, raw in signed):
        return None
    return Note(text[: match.end(3) + 1], match[1], int(match[2]), root, signed)


def one_base64(text: str) -> bytes | None:
    """Base64 in its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def note_key(line: str) -> NoteKey | None:
    """Read a key line of notes."""
    name, _, rest = line.partition("+")
    key_id, _, text = rest.partition("+")
    data = one_base64(text)
    if data is None or len(data) != 33 or data[0] not in (1, 4):
        return None
    known = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    return NoteKey(name, known, data[0], data[1:]) if known.hex() == key_id else None


def note_signed_by(note: Note, key: NoteKey) -> bool:
    """Whether exactly one line of the note is this key's, and true."""
    mine = [raw[4:] for name, raw in note.lines if (name, raw[:4]) == (key.name, key.id)]
    if len(mine) != 1:
        return False
    if key.type == 1:
        return signs(key.point, mine[0], note.text.encode())
    head = f"cosignature/v1\ntime {int.from_bytes(mine[0][:8], 'big')}\n"
    return signs(key.point, mine[0][8:], (head + note.text).encode())


def root_fits(tree: Tree, size: int, root: str) -> bool:
    """Whether the log had this root, or a root that begins like this, at that size."""
    return tree.root(size).hex().startswith(root)


# --- The roots, which the reader keeps --------------------------------------------------------------------------------


class Roots(NamedTuple):
    """What the reader knows from elsewhere: which log, whose keys."""

    origin: str
    mode: str
    account: str
    log: NoteKey
    witnesses: tuple[NoteKey, ...]
    operators: frozenset[str]  # fingerprints of the keys that may enrol themselves


def read_roots(path: str) -> Roots:
    """The roots of a file. What is wrong with them is nobody's lie: nothing can be decided."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(LINE_MAX), object_pairs_hook=_once)
        whole = has(found, {"phoenix_roots": int, "origin": str, "mode": str, "account": str})
        keys = [note_key(line) for line in (found["log"], *found.get("witnesses", []))]
        operators = frozenset(_key_of_line(line).fingerprint for line in found["operators"])
        unknown = found.keys() - {"phoenix_roots", "origin", "mode", "account", "log", "witnesses", "operators"}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, Lie) as error:
        raise Undecided("BAD_ROOTS", f"{path}: {error!r}") from error
    good = [key for key in keys if key is not None]
    if not whole or found["phoenix_roots"] != 1 or unknown:
        raise Undecided("BAD_ROOTS", f"{path}: version 1, with origin, mode and account as texts, and nothing unknown")
    if len(good) != len(keys) or not operators or good[0].type != 1:
        raise Undecided("BAD_ROOTS", f"{path}: a log key, and at least one operator")
    if good[0].name != found["origin"]:
        raise Undecided("BAD_ROOTS", f"{path}: the log's key is named as the log")
    return Roots(found["origin"], found["mode"], found["account"], good[0], tuple(good[1:]), operators)


def _once(pairs: list[tuple[str, Json]]) -> Record:
    """An object whose keys stand once each: of two that differ nobody knows which one was meant."""
    found = dict(pairs)
    if len(pairs) > len(found):
        raise ValueError(f"a key stands twice among {sorted(found)}")
    return found


def _key_of_line(line: str) -> PublicKey:
    """The key of a line as `.pub` files have it: type, key, and a name that says nothing."""
    words = line.split(" ")
    key = public_key(one_base64(words[1]) or b"")
    if key.type != words[0]:
        raise ValueError(f"{words[0]} is not the type of the key beside it")
    return key


# --- The export: what bytes must be -----------------------------------------------------------------------------------

HEADER_KEYS: Final = {"checkpoints", "files", "log_key", "origin", "phoenix_export", "root", "size", "texts"}
KIND: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
HASH: Final = re.compile(r"[0-9a-f]{64}")
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def instant(value: Json) -> datetime | None:
    """An instant in its one spelling."""
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value[:-1]).replace(tzinfo=UTC)
    except ValueError:
        return None


class Outline(NamedTuple):
    """What is known once the bytes were found in order."""

    tree: Tree
    texts: frozenset[str]
    notes: tuple[Note, ...]
    first: str
    last: str


class Lines:
    """The lines of an export, split at 0x0A only, with the number of the present one."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin at the file's beginning."""
        self.file, self.number = file, 0
        _ = file.seek(0)

    def next(self) -> bytes:
        """The next line without its end."""
        line = self.file.readline(LINE_MAX + 2)
        self.number += 1
        judge("TRUNCATED", line)
        judge("BAD_LINE", line.endswith(b"\n"))
        return line[:-1]

    def next_value(self) -> Json:
        """The value of the next line, which is no bead."""
        data = self.next()
        judge("BAD_LINE", is_canonical(data))
        return READER.read(data)


@contextmanager
def at(place: str) -> Iterator[None]:
    """A lie told in here, or what is not known, stood at this place, unless it knows better."""
    try:
        yield
    except (Lie, Undecided) as found:
        found.place = found.place or place
        raise


def check_bytes(file: BinaryIO, roots: Roots) -> Outline:
    """The first reading: every line is what it must be, the chain holds, the root and every checkpoint fit."""
    lines = Lines(file)
    judge("EMPTY", file.read(1))
    _ = file.seek(0)
    with at("line 1"):
        first_line = lines.next()
        judge("BAD_HEADER", first_line)
        header = READER.read(first_line)
        judge("OTHER_LOG", text_of(header, "origin"), roots.origin)
        judge("OTHER_LOG", record_of(header)["log_key"], base64.b64encode(roots.log.point).decode())
    tree, first, last = _check_beads(lines, whole_of(header, "size"))
    judge("EMPTY", tree.size)
    with at(f"bead {tree.size - 1}"):
        judge("BAD_ROOT", tree.root(tree.size), text_of(header, "root"))
    texts = _check_texts(lines, whole_of(header, "texts"))
    notes = _check_notes(lines, whole_of(header, "checkpoints"), tree, roots)
    _check_files(lines, whole_of(header, "files"))
    with at(f"line {lines.number + 1}"):
        judge("TRAILING", file.read(1))
    return Outline(tree, texts, notes, first, last)


def _check_beads(lines: Lines, count: int) -> tuple[Tree, str, str]:
    tree, prev, seen = Tree(), ZEROS, set[str]()
    first = last = ""
    for seq in range(count):
        with at(f"bead {seq}"):
            data = lines.next()
            bead = read_json(data)
            judge("BAD_ENVELOPE", bead)
            judge("BAD_SEQ", whole_of(bead, "seq"), seq)
            judge("BAD_PREV", text_of(bead, "prev"), prev)
            bead_id = text_of(record_of(bead, "body"), "bead_id")
            judge("DUPLICATE_BEAD_ID", bead_id, seen)
        seen.add(bead_id)
        leaf = leaf_hash(data)
        tree.append(leaf)
        prev, last = leaf.hex(), text_of(bead, "ts")
        first = first or last
    return tree, first, last


def _check_texts(lines: Lines, count: int) -> frozenset[str]:
    hashes: list[str] = [""]
    for _ in range(count):
        with at(f"line {lines.number + 1}"):
            line = lines.next_value()
            judge("BAD_LINE", has_exactly(line, {"hash": str, "text": str}) and text_of(line, "hash") > hashes[-1])
            judge("BAD_TEXT", text_of(line, "hash"), text_of(line, "text"))
        hashes.append(text_of(line, "hash"))
    return frozenset(hashes[1:])


def _check_notes(lines: Lines, count: int, tree: Tree, roots: Roots) -> tuple[Note, ...]:
    notes: list[Note] = []
    for _ in range(count):
        with at(f"line {lines.number + 1}"):
            line = lines.next_value()
            judge("BAD_LINE", has_exactly(line, {"checkpoint": str}))
            note = note_of(text_of(line, "checkpoint"))
            judge("BAD_CHECKPOINT", note, tree.size)
            note = known(note)
            judge("BAD_LINE", not notes or notes[-1].size < note.size)
            judge("OTHER_LOG", note.origin, roots.origin)
            judge("BAD_SIGNATURE", note, roots.log)
            judge("FORKED", tree, note.size, note.root.hex())
        notes.append(note)
    return tuple(notes)


def _check_files(lines: Lines, count: int) -> None:
    last = ""
    for _ in range(count):
        with at(f"line {lines.number + 1}"):
            line = lines.next_value()
            judge("BAD_LINE", has_exactly(line, {"file": str, "text": str}) and text_of(line, "file") > last)
        last = text_of(line, "file")


def check_outside(tree: Tree, roots: Roots, files: Sequence[str], seen: Sequence[str]) -> int:
    """What was kept outside the desk's reach: the largest size that it bears witness to."""
    sizes = [0]
    for path in files:
        with open(path, encoding="utf-8", newline="") as file:
            note = note_of(file.read(NOTE_MAX + 1))
        if note is None or not any(note_signed_by(note, key) for key in (roots.log, *roots.witnesses)):
            raise Undecided("NOT_BELIEVED", f"{path} is no checkpoint that a key of the roots signed")
        with at(f"checkpoint {path}"):
            judge("OTHER_LOG", note.origin, roots.origin)
            judge("BEHIND", note.size, tree.size)
            judge("FORKED", tree, note.size, note.root.hex())
        sizes.append(note.size)
    for text in seen:
        match = re.fullmatch(r"([0-9]{1,15}):([0-9a-f]{8,64})", text)
        if match is None:
            raise Undecided("NOT_BELIEVED", f"--seen {text}: write SIZE:ROOT, such as 120:7f3ac9d1e5b80246")
        with at(f"seen {text}"):
            judge("BEHIND", int(match[1]), tree.size)
            judge("FORKED", tree, int(match[1]), match[2])
        sizes.append(int(match[1]))
    return max(sizes)


# --- Reading values without trusting their shape ----------------------------------------------------------------------


def known(value: T | None) -> T:
    """What a check has found to be there."""
    if value is None:
        raise Undecided("SHAPE", "something is missing that was checked for")
    return value


def record_of(value: Json, name: str | None = None) -> Record:
    """An object, or the object under a name. Shapes are judged before; without that nothing can be decided."""
    found = value if name is None else record_of(value).get(name)
    if not isinstance(found, dict):
        raise Undecided("SHAPE", f"{name or 'the value'} is no object")
    return found


def text_of(value: Json, name: str) -> str:
    """The text under a name."""
    found = record_of(value).get(name)
    if not isinstance(found, str):
        raise Undecided("SHAPE", f"{name} is no text")
    return found


def whole_of(value: Json, name: str) -> int:
    """The whole number under a name."""
    found = record_of(value).get(name)
    if not isinstance(found, int):
        raise Undecided("SHAPE", f"{name} is no number")
    return found


def list_of(value: Json, name: str) -> list[Json]:
    """The array under a name; an empty one where there is none."""
    found = record_of(value).get(name, [])
    if not isinstance(found, list):
        raise Undecided("SHAPE", f"{name} is no array")
    return found


def has(value: Json, shape: dict[str, type]) -> bool:
    """Whether an object has these keys with these types; a bool is no number here."""
    return isinstance(value, dict) and all(type(value.get(name)) is kind for name, kind in shape.items())


def has_exactly(value: Json, shape: dict[str, type]) -> bool:
    """Whether it has these keys and no others."""
    return has(value, shape) and isinstance(value, dict) and value.keys() == shape.keys()


# --- What beads mean --------------------------------------------------------------------------------------------------

# Every kind of bead and every record inside one, field by field: written here from docs/spec/beads.md, not taken from
# Phoenix's classes. A field is text unless its shape follows; with ? it may be left out; [..] is a list of such; the
# words of A|B are all that there are. What stands beside them is not read over: somebody else might read it.
SHAPES: Final[dict[str, str]] = {
    "GENESIS": "origin mode:Mode account account_mask port:whole desk_key_hash log_key currency baseline:[Holding]",
    "LEASE": "event:TAKEN|RELEASED boot run version detail",
    "OPERATOR": "event:ENROLLED|REVOKED key public name assurance signed?:Signed",
    "POLICY": "limits:Limits instruments:[text] order_types:[OrderType] risk_per_trade:decimal drift_bps_max:whole "
    "spread_bps_max:whole stale_after:whole time_exit?:whole odd_lots:flag delayed_quotes:flag four_eyes:flag "
    "signed?:Signed",
    "SIGNAL": "event:ACCEPTED|REFUSED|QUARANTINED digest channel name signal?:CanonicalSignal reasons:[text] detail "
    "expires_at?:instant ticks?:whole boot?",
    "EVIDENCE": "intent_id version:whole signal_id strategy proposer setup_type confidence:decimal state_hash "
    "state_age:whole state_limit:whole lines:[Line] order_hash sizing:Sizing signal_created_at:instant "
    "signal_entry:decimal stop:decimal target:decimal reward_risk:decimal quote:QuoteSeen drift_bps_max:whole "
    "position_before:decimal gross_before:decimal daily_loss:decimal flags:[text] expires_at:instant time_exit?:whole "
    "quality?:decimal htf? ltf? red_checks?:whole daily_loss_max?:decimal margin_used?:decimal note? instrument_name "
    "margin?:Margin",
    "DECISION": "type subject signed:Signed verdict?:approve|reject note? ticks?:whole boot?",
    "T2_TOKEN": "event:ISSUED|USED|EXPIRED|REJECTED id intent_id timestamp:instant expires_at:instant used:flag "
    "evidence_hash order_hash order_ref account mode:Mode boot ticks:whole epoch:whole final:flag reasons:[text]",
    "KILL_FLAG": "event:RAISED|LIFTED flag type:ONE_WAY|TEMPORARY|DRIFT|SIGNALMAN scope reason raised_by "
    "until?:instant cancel_working:flag drift?",
    "STATE_ANCHOR": "strategy state_hash regime:Regime anchored_by ticks?:whole boot?",
    "STATE_CONFLICT": "intent_id strategy age:whole limit:whole stage",
    "POSITION": "position_id intent_id state:State signal_id strategy pair side:Side entry_price:decimal "
    "stop_price:decimal target_price:decimal partial_fill_ratio:decimal filled_quantity:decimal "
    "requested_quantity:decimal exited_quantity:decimal proof:Proof from?:State event?:Event order_ref? token_id? "
    "evidence_hash? average_entry?:decimal average_exit?:decimal entry_working:flag closing:flag outcome?:Outcome "
    "realized?:decimal linked_to? reasons:[text]",
    "ORDER": "event:RECORDED|SENT|DROPPED|ACKNOWLEDGED|CHANGED|HELD|CANCEL_REQUESTED|CANCEL_SENT|CANCEL_REFUSED|"
    "CHANGE_REFUSED|INACTIVE|ENDED|UNKNOWN position_id ref frames:[Frame] group? mandate? token_id? role?:Role "
    "revision?:whole status? perm_id?:whole order_id?:whole filled?:decimal remaining?:decimal echo?:Line echo_group? "
    "code?:whole reason? message? session?:whole ticks?:whole boot?",
    "EXECUTION": "event:FILL|CORRECTION|COMMISSION|STATED exec_id family position_id? ref? role?:Role revision?:whole "
    "perm_id?:whole symbol? side?:Side quantity?:decimal price?:decimal at?:instant commission?:decimal currency? "
    "message?",
    "AUTOPSY": "position_id intent_id strategy outcome:Outcome entry_evidence_hash? realized:decimal "
    "commission:decimal currency findings:[text] r_multiple?:decimal entry_slippage?:decimal held_for?:whole "
    "approval_took?:whole",
    "OBSERVATION": "about:REFUSED_EVENT|REFUSED_COMMAND|LATE_FACT|FOREIGN|UNKNOWN_CODE|QUOTE|SNAPSHOT|EFFECT|LINK|"
    "DEMAND|WARNING|DRILL|BUNNY subject facts:texts",
    "RECONCILIATION_DRIFT": "drift_type:POSITION_COUNT|POSITION_SIZE|PNL|ORDER_STATUS phoenix_state:texts "
    "broker_state:texts severity:Severity identity subject cause session:whole instrument? refs:[text]",
    "RECONCILIATION_RESOLUTION": "drift_bead_id identity resolution:Resolution resolved_by notes cleared:flag",
    "IBKR_SESSION": "event:CONNECT|DISCONNECT|RECONNECT mode:Mode account account_mask port:whole session:whole "
    "gateway_version? reconnect_attempt:whole outcome escalated:flag detail",
    "HEARTBEAT": "status:HEALTHY|DEGRADED|MISSED health_state:HEALTHY|DEGRADED|CRITICAL checks:Checks details:texts "
    "miss_count:whole",
    "ALERT": "event:RAISED|SENT|ACKNOWLEDGED|RESOLVED alert severity:Severity code subject text runbook? always:flag "
    "count:whole repeats? channel by",
    "PROMOTION": "strategy from to kill_flag:flag unresolved_drift_count:whole sessions:whole regimes:[text] "
    "max_drawdown:decimal worst_day:decimal sharpe:decimal signalman_kills:whole override_frequency:decimal "
    "autopsy_summary evidence_hash token_id bunny_vectors_fail:whole",
    "CONFIG_CHANGE": "change_type:CSO_PARAM|CONFIG_FLIP|STRATEGY_TUNE component parameter old_value new_value "
    "changed_by shadow_restart_id sweep_id vectors:[text] strategy",
    "SHADOW": "event:SESSION|RESTARTED|SWEEP strategy id session_day? regime? pnl?:decimal drawdown?:decimal "
    "trades?:whole signalman_kills?:whole overrides?:whole passed:[text] failed:[text] findings?:[text]",
    # records inside them, and what every body may carry
    "CanonicalSignal": "schema signal_id intent_id signal pair side:Side setup_type confidence:decimal entry:decimal "
    "stop:decimal target:decimal state_hash strategy created_at:instant quality?:decimal htf? ltf? red_checks?:whole "
    "quantity?:decimal note? order_type?:OrderType",
    "Checks": "process_alive:flag ibkr_connected:flag semantic_healthy:flag store_commits:flag data_arriving:flag "
    "notifier_responds:flag",
    "Frame": "ref revision:whole hash line:Line",
    "Holding": "symbol quantity:decimal",
    "Limits": "order_quantity_max?:decimal order_notional_max?:decimal instrument_quantity_max?:decimal "
    "gross_notional_max?:decimal open_positions_max?:whole entries_per_day_max?:whole daily_loss_max?:decimal",
    "Line": "role:Role side:Side quantity:decimal order_type:OrderType tif:DAY|GTC outside_hours:flag account symbol "
    "con_id:whole sec_type:CASH|STK currency exchange limit?:decimal trigger?:decimal",
    "Live": "bid:decimal ask:decimal age_ms:whole",
    "Margin": "before?:decimal after?:decimal",
    "Proof": "type:BROKER_MESSAGE|OPERATOR_DECISION|WITHHELD|RULE id",
    "QuoteSeen": "bid:decimal ask:decimal at:instant delayed:flag",
    "Render": "id sha256",
    "Settles": "seq:whole index:whole outcome:done|failed|unknown|dropped",
    "Signed": "statement signature key assurance presence:flag verification:flag counter:whole",
    "Sizing": "equity:decimal currency risk_per_trade:decimal stop_distance:decimal rate:decimal computed:decimal "
    "stated?:decimal quantity:decimal risk:decimal notional:decimal",
}
WORDS: Final[dict[str, str]] = {
    "Event": "Proposed|Adopted|Approved|Passed|Withdrawn|Submitted|TokenExpired|Withheld|Filled|Stalled|Acknowledged|"
    "Rejected|Cancelled|Protected|Closed",
    "Mode": "MOCK|PAPER|LIVE",
    "OrderType": "MARKET|LIMIT|STOP",
    "Outcome": "WIN|LOSS|BREAKEVEN|BUSTED",
    "Regime": "DEFAULT|HIGH_VOLATILITY|NEWS",
    "Resolution": "PHOENIX_CORRECTED|BROKER_CORRECTED|ACKNOWLEDGED",
    "Role": "ENTRY|STOP|TARGET|CLOSE",
    "Severity": "INFO|WARNING|CRITICAL",
    "Side": "BUY|SELL",
    "State": "PROPOSED|APPROVED|SUBMITTED|STALLED|FILLED|MANAGED|CLOSED|CANCELLED|REJECTED",
}
DECIMAL: Final = re.compile(r"(?!-0\Z)-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
DECIMAL_MAX: Final = 40  # 38 digits, a sign and a point


@dataclass(frozen=True)
class Shape:
    """What a value is: its type in JSON, and what else is asked of such a value."""

    said: str
    type: type
    fits: Callable[..., bool] | None = None
    words: frozenset[str] | None = None
    item: Shape | None = None  # of a list, or of an object of texts
    fields: dict[str, Shape] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()


def is_decimal(text: str) -> bool:
    """A decimal in its one spelling."""
    return len(text) <= DECIMAL_MAX and DECIMAL.fullmatch(text) is not None


TEXT: Final = Shape("text", str)
SIMPLE: Final = {
    "text": TEXT,
    "flag": Shape("true or false", bool),
    "whole": Shape("a whole number", int),
    "amount": Shape("a decimal above zero", str, lambda text: is_decimal(text) and text != "0" and text[0] != "-"),
    "decimal": Shape("a decimal as text in its one spelling", str, is_decimal),
    "instant": Shape("an instant in its one spelling", str, lambda text: instant(text) is not None),
    "texts": Shape("an object of texts", dict, item=TEXT),
}


@cache
def shape_of(name: str) -> Shape:
    """The shape that the tables call so."""
    if name in SIMPLE:
        return SIMPLE[name]
    if name.startswith("["):
        return Shape("a list", list, item=shape_of(name[1:-1]))
    if name not in SHAPES:
        words = WORDS.get(name, name)
        return Shape(f"one of {words}", str, words=frozenset(words.split("|")))
    record = record_shape(SHAPES[name])
    if name.isupper():  # a kind: every body has its own id, and may say what it settles
        settles = Shape("a list that is not empty", list, bool, item=shape_of("Settles"))
        fields = {**record.fields, "bead_id": TEXT, "settles": settles}
        record = Shape("an object", dict, fields=fields, needed=record.needed | {"bead_id"})
    return record


def record_shape(text: str) -> Shape:
    """The shape of a record whose fields are written in this way."""
    rows = [row.partition(":") for row in text.split()]
    fields = {key.rstrip("?"): shape_of(shape or "text") for key, _, shape in rows}
    return Shape("an object", dict, fields=fields, needed=frozenset(key for key, _, _ in rows if not key.endswith("?")))


KINDS: Final = {name: shape_of(name) for name in SHAPES if name.isupper()}


class Misfit(NamedTuple):
    """What is not as its shape says: the code, the way to it, and what there is."""

    code: str
    path: str
    said: str

    def under(self, step: str | int) -> Misfit:
        """The same, seen from what holds it. A name that no table could have is escaped: it is a stranger's."""
        plain = isinstance(step, str) and len(step) <= 40 and step.isidentifier()
        return self._replace(path=(f".{step}" if plain else f"[{shown(step)}]") + self.path)


def shown(value: Json) -> str:
    """A value for people: escaped, and cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def misfit(value: Json, shape: Shape) -> Misfit | None:
    """The first thing, all the way down, that is not as its shape says.

    A field or a word that does not stand in the tables may be a later version's: of it nothing can be decided. All
    else no version writes.
    """
    if type(value) is not shape.type or (shape.fits is not None and not shape.fits(value)):
        return Misfit("BAD_BODY", "", f"= {shown(value)}, not {shape.said}")
    if shape.words is not None and value not in shape.words:
        return Misfit("UNKNOWN_WORD", "", f"= {shown(value)}, not {shape.said}")
    if isinstance(value, dict):
        return _misfit_in(value, shape)
    if isinstance(value, list) and shape.item is not None:
        for n, one in enumerate(value):
            found = misfit(one, shape.item)
            if found is not None:
                return found.under(n)
    return None


def _misfit_in(value: Record, shape: Shape) -> Misfit | None:
    for name, one in value.items():
        inner = shape.item or shape.fields.get(name)
        if inner is None:
            return Misfit("UNKNOWN_FIELD", "", f"= {shown(one)}").under(name)
        found = misfit(one, inner)
        if found is not None:
            return found.under(name)
    if not shape.needed <= value.keys():
        return Misfit("BAD_BODY", "", "is missing").under(min(shape.needed - value.keys()))
    return None


# Every position moves by this table or not at all (written here from the rules, not from Phoenix's own table).
MOVES: Final = {
    ("PROPOSED", "Approved"): "APPROVED",
    ("PROPOSED", "Passed"): "CANCELLED",
    ("PROPOSED", "Withdrawn"): "CANCELLED",
    ("APPROVED", "Submitted"): "SUBMITTED",
    ("APPROVED", "TokenExpired"): "CANCELLED",
    ("APPROVED", "Withdrawn"): "CANCELLED",
    ("SUBMITTED", "Withheld"): "CANCELLED",
    ("SUBMITTED", "Filled"): "FILLED",
    ("SUBMITTED", "Stalled"): "STALLED",
    ("SUBMITTED", "Rejected"): "REJECTED",
    ("SUBMITTED", "Cancelled"): "CANCELLED",
    ("STALLED", "Acknowledged"): "SUBMITTED",
    ("STALLED", "Filled"): "FILLED",
    ("STALLED", "Rejected"): "REJECTED",
    ("STALLED", "Cancelled"): "CANCELLED",
    ("FILLED", "Protected"): "MANAGED",
    ("FILLED", "Closed"): "CLOSED",
    ("MANAGED", "Closed"): "CLOSED",
}
STALLED_ENDS: Final = {("cancelled", "Cancelled"), ("rejected", "Rejected"), ("filled", "Filled")}  # signed, recorded
BIRTHS: Final = {"Proposed": "PROPOSED", "Adopted": "FILLED"}
# What each type of statement is about, and what else must stand in it for the checks below.
ABOUT: Final = {
    "decision": "intent",
    "close": "position",
    "protect": "position",
    "adopt": "symbol",
    "resolve-stalled": "position",
    "drift-resolve": "drift",
    "cancel-orphans": "drift",
    "resume": "",
    "anchor-refresh": "strategy",
    "kill-clear": "flag",
    "policy": "policy",
    "operator-enrol": "key",
    "operator-revoke": "key",
    "promote": "strategy",
    "paper-validation": "build",
}
BRIEF: Final = frozenset({"close", "protect", "cancel-orphans"})  # may touch the market: 60 s; all others live 300 s
# Every statement of version 1, field by field as above; all are written, null stands for what does not apply.
FRAME: Final = "v:whole type log tree_size:whole tree_root account mode session at:instant exp:instant"
STATEMENTS: Final[dict[str, str]] = {
    "decision": "intent verdict:approve|reject drift_bps_max:whole evidence? order? render?:Render live?:Live",
    "close": "position reason quantity?:amount",
    "protect": "position stop?:amount target?:amount",
    "adopt": "symbol side:Side quantity:amount price:amount stop:amount target:amount strategy reason linked_to? "
    "drift?",
    "resolve-stalled": "position as:cancelled|rejected|filled reason quantity?:amount price?:amount reference?",
    "drift-resolve": "drift as:Resolution notes execution? quantity?:amount price?:amount",
    "cancel-orphans": "drift refs:[text]",
    "resume": "",
    "anchor-refresh": "strategy state_hash regime:Regime",
    "kill-clear": "flag reason",
    "policy": "policy",
    "operator-enrol": "key public name assurance",
    "operator-revoke": "key reason",
    "promote": "strategy evidence",
    "paper-validation": "build evidence",
}
SAYINGS: Final = {name: record_shape(f"{FRAME} {row}") for name, row in STATEMENTS.items()}
ON_APPROVE: Final = ("evidence", "order", "render", "live")


class Bead(NamedTuple):
    """A bead in its place."""

    seq: int
    ts: str
    kind: str
    body: Record
    leaf: str

    def says(self, name: str) -> str:
        """A text of its body."""
        return text_of(self.body, name)


Append = Sequence[Bead]  # beads that were written together: they carry one instant


@dataclass
class Key:
    """A key that signs for this desk from one bead to another."""

    name: str
    assurance: str
    enrolled: int
    revoked: bool = False
    counter: int = 0


@dataclass
class Approval:
    """An intent that was approved: by which statement, on which evidence, with which key."""

    statement: Record
    ref: str
    evidence: Bead
    key: str


@dataclass
class Token:
    """A token as it was issued, and where it is in its life."""

    issued: Bead
    policy: Record  # in force then
    state: str = "LIVE"


class Trade(NamedTuple):
    """The latest revision of one execution."""

    ref: str
    role: str
    side: str
    quantity: Fraction
    stated: bool


class Exit(NamedTuple):
    """An exit that has no end: any of them may execute."""

    group: str
    quantity: Fraction


@dataclass
class Stake:
    """What was traded of a position, and what may still be."""

    trades: dict[str, Trade] = field(default_factory=dict)  # by family
    exits: dict[str, Exit] = field(default_factory=dict)  # by reference
    natives: set[str] = field(default_factory=set)  # exits that hang on the entry
    entry: str = ""
    ordered: Fraction = Fraction(0)
    entry_ended: bool = False

    def executed(self, ref: str) -> Fraction:
        """What one order of it executed."""
        return sum((trade.quantity for trade in self.trades.values() if trade.ref == ref), Fraction(0))

    def held(self) -> Fraction:
        """What is left of it."""
        return sum((t.quantity if t.role == "ENTRY" else -t.quantity for t in self.trades.values()), Fraction(0))

    def entry_rest(self) -> Fraction:
        """What its entry may still bring in."""
        return Fraction(0) if self.entry_ended else self.ordered - self.executed(self.entry)

    def working(self, exits: dict[str, Exit]) -> Fraction:
        """What these exits may take out at the most: of each group one, for the broker ends the others with it."""
        largest: dict[str, Fraction] = {}
        for ref, each in exits.items():
            largest[each.group] = max(largest.get(each.group, Fraction(0)), each.quantity - self.executed(ref))
        return sum(largest.values(), Fraction(0))


class Flag(NamedTuple):
    """A kill that stands: why, on what, until when, of which drift, and since which bead."""

    type: str
    scope: str
    until: Json
    drift: Json
    seq: int


class Drift(NamedTuple):
    """A drift that is open: the bead that opened it, its place, and what a human answered."""

    bead_id: Json
    seq: int
    answer: Json = None


@dataclass
class Desk:
    """What the beads so far have made true."""

    roots: Roots
    tree: Tree
    mode: str = ""
    epoch: int | None = None  # where the engine that runs now began
    policy: Record = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)
    intents: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # intent -> strategy, instrument, channel
    evidence: dict[str, Bead] = field(default_factory=dict)  # the latest, by intent
    quotes: dict[str, list[Bead]] = field(default_factory=dict)  # by instrument, those that can still be cited
    statements: dict[int, Record] = field(default_factory=dict)  # of decisions, by seq
    attributions: dict[str, list[Record]] = field(default_factory=dict)  # signed, by the execution that the books lack
    prints: dict[int, str] = field(default_factory=dict)  # the order references that they give, by seq
    decided: dict[str, str] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    flags: dict[str, Flag] = field(default_factory=dict)  # standing
    anchors: dict[str, int] = field(default_factory=dict)  # the last refresh, by strategy
    drifts: dict[str, Drift] = field(default_factory=dict)  # open, by identity
    tokens: dict[str, Token] = field(default_factory=dict)
    refs: set[str] = field(default_factory=set)
    frames: set[tuple[str, int]] = field(default_factory=set)  # recorded: reference, revision
    recorded: set[str] = field(default_factory=set)  # references
    carried: set[str] = field(default_factory=set)  # signed commands that an order was recorded for
    booked: set[str] = field(default_factory=set)  # signed statements that an execution was booked for, by nonce
    entry_refs: dict[str, str] = field(default_factory=dict)  # by intent
    mandates: dict[str, str] = field(default_factory=dict)  # leaves of approved evidence, references of adoptions
    positions: dict[str, str] = field(default_factory=dict)
    intent_of: dict[str, str] = field(default_factory=dict)  # by position
    born: set[str] = field(default_factory=set)  # intents that have their position
    opened: dict[str, tuple[Json, Json]] = field(default_factory=dict)  # side and instrument of an entry, by intent
    executed: set[str] = field(default_factory=set)
    stakes: dict[str, Stake] = field(default_factory=dict)  # by position
    signed_to: int = 0  # the largest history that an operator co-signed
    counts: dict[str, int] = field(default_factory=dict)

    def stake(self, position: str) -> Stake:
        """What was traded of a position so far."""
        return self.stakes.setdefault(position, Stake())

    def count(self, what: str) -> None:
        """For the report."""
        self.counts[what] = self.counts.get(what, 0) + 1


def check_meaning(file: BinaryIO, outline: Outline, roots: Roots) -> Desk:
    """The second reading: every bead follows from those before it."""
    desk = Desk(roots, outline.tree)
    append: list[Bead] = []
    for bead in _beads(file, outline.tree):
        if append and bead.ts != append[-1].ts:
            _check_append(desk, append)
            if known(instant(append[-1].ts)) - known(instant(bead.ts)) > CLOCK_BACK:
                desk.count("times the clock was set back")
            append = []
        append.append(bead)
        if len(append) > AT_ONCE_MAX:
            raise Undecided("TOO_MANY_AT_ONCE", f"more than {AT_ONCE_MAX} beads at {bead.ts}")
    _check_append(desk, append)
    return desk


def _beads(file: BinaryIO, tree: Tree) -> Iterator[Bead]:
    lines = Lines(file)
    _ = lines.next()
    for seq in range(tree.size):
        data = lines.next()
        if leaf_hash(data) != tree.levels[0][seq]:
            raise Undecided("CHANGING", "the export changes while it is read")
        envelope = READER.read(data)
        kind = text_of(envelope, "kind")
        if kind not in KINDS:
            raise Undecided("UNKNOWN_KIND", f"bead {seq} is a {kind}, which this verifier does not know")
        leaf = tree.levels[0][seq].hex()
        yield Bead(seq, text_of(envelope, "ts"), kind, record_of(envelope, "body"), leaf)


def _check_append(desk: Desk, append: Append) -> None:
    for bead in append:
        with at(f"bead {bead.seq}"):
            judge("NO_GENESIS", bead)
            _check_shape(bead)
    for bead in append:
        with at(f"bead {bead.seq}"):
            if bead.kind in HANDLERS:
                HANDLERS[bead.kind](desk, bead, append)


def _check_shape(bead: Bead) -> None:
    found = misfit(bead.body, KINDS[bead.kind])
    with at(f"bead {bead.seq}" if found is None else f"bead {bead.seq}, {bead.kind}{found.path} {found.said}"):
        if found is not None and found.code != "BAD_BODY":
            raise Undecided(found.code, "nothing that this verifier knows")
        judge("BAD_BODY", found)


def starts_well(bead: Bead) -> bool:
    """Bead 0 says which desk this is, and no other does."""
    return (bead.seq == 0) == (bead.kind == "GENESIS")


TRADING: Final = frozenset({"FILL", "CORRECTION", "STATED"})  # a commission trades nothing


def quantity(value: Json) -> Fraction | None:
    """A quantity, exactly: a decimal that is not negative."""
    good = isinstance(value, str) and is_decimal(value) and not value.startswith("-")
    return Fraction(str(value)) if good else None


# --- The desk and its people ------------------------------------------------------------------------------------------


def take_genesis(desk: Desk, bead: Bead, append: Append) -> None:
    """The desk is the one of the roots."""
    judge("OTHER_LOG", bead.says("origin"), desk.roots.origin)
    judge("OTHER_MODE", bead.says("mode"), desk.roots.mode)
    judge("OTHER_ACCOUNT", bead.says("account"), desk.roots.account)
    judge("OTHER_LOG_KEY", bead.says("log_key"), desk.roots.log)
    desk.mode = bead.says("mode")


def take_lease(desk: Desk, bead: Bead, append: Append) -> None:
    """A new engine: tokens of the old one are over, and no token lives where no engine runs."""
    desk.epoch = bead.seq if bead.says("event") == "TAKEN" else None


def take_operator(desk: Desk, bead: Bead, append: Append) -> None:
    """A key comes or goes: by the roots' word or by a signature that counted before."""
    key = bead.says("key")
    judge("OPERATOR_KEY", bead)
    if bead.says("event") == "ENROLLED":
        judge("OPERATOR_TWICE", desk, key)
        if key not in desk.roots.operators:
            judge("OPERATOR_UNVOUCHED", desk, bead, append, "operator-enrol")
        desk.keys[key] = Key(bead.says("name"), bead.says("assurance"), bead.seq)
        desk.count("operators enrolled")
        return
    judge("OPERATOR_UNVOUCHED", desk, bead, append, "operator-revoke")
    judge("OPERATOR_UNKNOWN", desk, key)
    desk.keys[key].revoked = True
    desk.count("operators revoked")


def is_what_it_says(bead: Bead) -> bool:
    """The fingerprint and the assurance of an OPERATOR bead are those of its public key."""
    words = bead.says("public").split(" ")
    data = one_base64(words[1]) if len(words) > 1 else None
    if data is None:
        return False
    key = public_key(data)
    return (key.type, key.fingerprint, key.assurance) == (words[0], bead.says("key"), bead.says("assurance"))


def is_new_key(desk: Desk, key: str) -> bool:
    """A key is enrolled once; a revoked one does not come back."""
    return key not in desk.keys


def is_standing_key(desk: Desk, key: str) -> bool:
    """Only what was enrolled and not revoked can be revoked."""
    return key in desk.keys and not desk.keys[key].revoked


def is_vouched_for(desk: Desk, bead: Bead, append: Append, kind: str) -> bool:
    """The DECISION right before it says exactly this of exactly this key."""
    wanted: Record = {"type": kind, "key": bead.body["key"]}
    if kind == "operator-enrol":
        wanted |= {name: bead.body[name] for name in ("public", "name", "assurance")}
    return any(wanted.items() <= statement.items() for statement in _decided_with(desk, bead, append))


def _right_before(bead: Bead, append: Append) -> Iterator[Bead]:
    """The decision that stands right before a bead, in its append."""
    return (other for other in append if other.kind == "DECISION" and other.seq == bead.seq - 1)


def _decided_with(desk: Desk, bead: Bead, append: Append) -> Iterator[Record]:
    """The statement of the decision right before a bead, if it carries the signature of it."""
    for other in _right_before(bead, append):
        if other.body["signed"] == bead.body.get("signed"):
            yield desk.statements[other.seq]


def take_policy(desk: Desk, bead: Bead, append: Append) -> None:
    """A policy: the first one comes with the desk, every other is signed."""
    if desk.policy or append[0].seq > 0 or "signed" in bead.body:  # no key can have signed before it was enrolled
        judge("POLICY_UNSIGNED", desk, bead, append)
    desk.policy = bead.body
    desk.count("policies")


def policy_is_signed(desk: Desk, bead: Bead, append: Append) -> bool:
    """The DECISION right before it names the hash of exactly this policy."""
    said = {name: value for name, value in bead.body.items() if name not in ("signed", "bead_id", "settles")}
    named = "sha256:" + hashlib.sha256(READER.write(said)).hexdigest()
    return any(
        statement["type"] == "policy" and statement["policy"] == named
        for statement in _decided_with(desk, bead, append)
    )


# --- What was signed --------------------------------------------------------------------------------------------------


def take_decision(desk: Desk, bead: Bead, append: Append) -> None:
    """A human decided: the signature is theirs, over this log, and says what the bead says."""
    signed = record_of(bead.body, "signed")
    signature = parse_signature(text_of(signed, "signature"))
    statement_bytes = text_of(signed, "statement").encode("utf-8", "surrogatepass")
    judge("SIGNATURE_NAMESPACE", signature)
    judge("SIGNATURE_WRONG", signature, statement_bytes)
    judge("SIGNED_OTHERWISE", signed, signature)
    judge("STATEMENT_MALFORMED", statement_bytes)
    statement = record_of(READER.read(statement_bytes))
    _judge_key(desk, signature, statement)
    _judge_frame(desk, bead, statement)
    judge("DECISION_OTHERWISE", bead, statement)
    desk.nonces.add(text_of(statement, "session"))
    desk.keys[signature.key.fingerprint].counter = signature.counter
    desk.statements[bead.seq] = statement
    desk.prints[bead.seq] = entry_ref(statement_bytes)
    desk.signed_to = max(desk.signed_to, whole_of(statement, "tree_size"))
    desk.count(f"statements signed by {signature.key.assurance} keys")
    if isinstance(statement.get("execution"), str):
        desk.attributions.setdefault(text_of(statement, "execution"), []).append(statement)
    if statement["type"] == "decision":
        _take_verdict(desk, bead, statement, signature.key.fingerprint)


def _judge_key(desk: Desk, signature: Signature, statement: Record) -> None:
    judge("KEY_UNKNOWN", desk, signature.key.fingerprint)
    key = desk.keys[signature.key.fingerprint]
    judge("KEY_NOT_YET_VALID", key, whole_of(statement, "tree_size"))
    judge("KEY_REVOKED", key)
    judge("KEY_IS_SOFTWARE", desk, signature)
    judge("PRESENCE_MISSING", signature)
    judge("VERIFICATION_MISSING", desk, signature)
    judge("COUNTER_STUCK", key, signature)


def _judge_frame(desk: Desk, bead: Bead, statement: Record) -> None:
    judge("STATEMENT_OTHER_LOG", text_of(statement, "log"), desk.roots.origin)
    judge("STATEMENT_OTHER_MODE", text_of(statement, "mode"), desk.mode.lower())
    judge("STATEMENT_OTHER_ACCOUNT", text_of(statement, "account"), desk.roots.account)
    judge("STATEMENT_OTHER_HISTORY", desk, bead, statement)
    judge("STATEMENT_REPLAYED", text_of(statement, "session"), desk.nonces)
    judge("STATEMENT_EXPIRED", bead.ts, text_of(statement, "exp"))
    judge("STATEMENT_PRESIGNED", bead, statement)


def found_as_kept(signed: Record, signature: Signature) -> bool:
    """Key, assurance, flags and counter of the bead are those of the signature."""
    found: Record = {  # a software signature has neither flag
        "key": signature.key.fingerprint,
        "assurance": signature.key.assurance,
        "presence": bool(signature.flags & PRESENT),
        "verification": bool(signature.flags & VERIFIED),
        "counter": signature.counter,
    }
    return found.items() <= signed.items()


def statement_fits(data: bytes) -> bool:
    """Canonical JSON with the fields of its type and no others, each of its shape; null where one does not apply."""
    try:
        value = read_json(data, STATEMENT_MAX)
    except Lie:
        return False
    if not isinstance(value, dict) or value.keys() != _saying(value).fields.keys():
        return False
    said: Record = {name: one for name, one in value.items() if one is not None}
    if misfit(said, _saying(value)) is not None:
        return False
    if not text_of(value, "at") < text_of(value, "exp") or not re.fullmatch(r"[0-9a-f]{32}", text_of(value, "session")):
        return False
    return value.get("verdict") != "approve" or all(name in said for name in ON_APPROVE)


def _saying(value: Record) -> Shape:
    """The shape of a statement's type. What another version or type says, a later verifier may know."""
    kind = value.get("type")
    if not has(value, {"v": int, "type": str}) or value["v"] != 1 or kind not in SAYINGS:
        raise Undecided("UNKNOWN_STATEMENT", f"v = {shown(value.get('v'))}, type = {shown(kind)}: not one known here")
    return SAYINGS[str(kind)]


def may_be_software(desk: Desk, signature: Signature) -> bool:
    """Real money asks for a key that cannot be copied."""
    return desk.mode != "LIVE" or signature.key.type == HARDWARE


def is_touched(signature: Signature) -> bool:
    """Somebody touched the security key."""
    return signature.key.type != HARDWARE or bool(signature.flags & PRESENT)


def is_known_person(desk: Desk, signature: Signature) -> bool:
    """Real money asks for a PIN or a finger too."""
    return desk.mode != "LIVE" or signature.key.type != HARDWARE or bool(signature.flags & VERIFIED)


def counter_grows(key: Key, signature: Signature) -> bool:
    """A device that counts never counts back: that would be a copy of it."""
    return signature.counter > key.counter or signature.counter == key.counter == 0


def is_true_prefix(desk: Desk, bead: Bead, statement: Record) -> bool:
    """The signer saw this very history, and saw it before the bead was written."""
    size = whole_of(statement, "tree_size")
    if not 0 < size <= bead.seq:
        return False
    return base64.b64encode(desk.tree.root(size)).decode() == text_of(statement, "tree_root")


def signed_when_it_says(bead: Bead, statement: Record) -> bool:
    """Not from the future, and for no longer than its type may live."""
    at_, exp, ts = known(instant(statement["at"])), known(instant(statement["exp"])), known(instant(bead.ts))
    life = timedelta(seconds=60 if statement["type"] in BRIEF else 300)
    return at_ - ts <= CLOCK_BACK and exp - at_ <= life


def repeats_statement(bead: Bead, statement: Record) -> bool:
    """Type, subject and verdict of the bead are the statement's."""
    about = ABOUT[text_of(statement, "type")]
    said = (statement["type"], statement[about] if about else "link", statement.get("verdict"))
    return said == (bead.body["type"], bead.body["subject"], bead.body.get("verdict"))


# --- Approvals --------------------------------------------------------------------------------------------------------


def take_signal(desk: Desk, bead: Bead, append: Append) -> None:
    """An intent came in."""
    if bead.says("event") == "ACCEPTED":
        signal = record_of(bead.body, "signal")
        judge("INTENT_TWICE", text_of(signal, "intent_id"), desk.intents)
        names = (text_of(signal, "strategy"), text_of(signal, "pair"), bead.says("channel"))
        desk.intents[text_of(signal, "intent_id")] = names
        desk.count("intents accepted")


def take_evidence(desk: Desk, bead: Bead, append: Append) -> None:
    """What a human decides on: of an intent that came in, with the hash of its own order."""
    intent = bead.says("intent_id")
    judge("EVIDENCE_UNPROPOSED", desk, intent)
    judge("EVIDENCE_LATE", intent, desk.decided)
    judge("EVIDENCE_ORDER", bead)
    judge("EVIDENCE_OTHER_DESK", desk, bead)
    desk.evidence[intent] = bead


def take_observation(desk: Desk, bead: Bead, append: Append) -> None:
    """Quotes can be cited by an approval."""
    if bead.says("about") == "QUOTE":
        kept = desk.quotes.setdefault(bead.says("subject"), [])
        kept.append(bead)
        del kept[:-QUOTES_KEPT]


QUOTES_KEPT: Final = 4_096  # more than one a second over an hour: no evidence lives that long


def is_proposed(desk: Desk, intent: str) -> bool:
    """Nobody decides on what never came in."""
    return intent in desk.intents


def order_hash(lines: Json) -> str:
    """The hash of a canonical order."""
    return hashlib.sha256(READER.write({"lines": lines})).hexdigest()


def evidence_hashes_its_order(bead: Bead) -> bool:
    """The order that was shown is the order that was hashed."""
    return bead.says("order_hash") == order_hash(bead.body["lines"])


def evidence_is_of_this_desk(desk: Desk, bead: Bead) -> bool:
    """Every line is in the intent's instrument and on the desk's account."""
    wanted = (desk.intents[bead.says("intent_id")][1], desk.roots.account)
    return all((line.get("symbol"), line.get("account")) == wanted for line in _lines(bead))


def _lines(evidence: Bead) -> list[Record]:
    return [record_of(line) for line in list_of(evidence.body, "lines")]


def entry_ref(statement: bytes) -> str:
    """The broker's own record will carry this: 130 bits of the signed statement."""
    return "P1" + base64.b32encode(hashlib.sha256(statement).digest()).decode()[:26]


def _take_verdict(desk: Desk, bead: Bead, statement: Record, key: str) -> None:
    intent, verdict = text_of(statement, "intent"), text_of(statement, "verdict")
    judge("DECIDED_ALREADY", desk, intent, verdict)
    if verdict == "approve":
        judge("EVIDENCE_MISSING", desk, intent)
        evidence = desk.evidence[intent]
        judge("STATEMENT_OTHER_EVIDENCE", statement, evidence)
        judge("EVIDENCE_UNSEEN", statement, evidence)
        judge("EVIDENCE_EXPIRED", bead, evidence)
        judge("EVIDENCE_RED", evidence)
        judge("STATEMENT_OTHER_ORDER", statement, evidence)
        judge("STATEMENT_OTHER_RENDER", statement)
        judge("STATEMENT_OTHER_QUOTE", desk, statement, intent)
        judge("POLICY_OF_NOBODY", desk)
        judge("DRIFT_TOO_WIDE", desk, statement)
        judge("PROPOSER_MAY_NOT_APPROVE", desk, evidence, key)
        desk.approvals[intent] = Approval(statement, desk.prints[bead.seq], evidence, key)
        desk.mandates[evidence.leaf] = intent
        desk.entry_refs[intent] = desk.prints[bead.seq]
        entry = next((line for line in _lines(evidence) if line.get("role") == "ENTRY"), {})
        desk.opened[intent] = (entry.get("side"), entry.get("symbol"))
    desk.decided[intent] = verdict
    desk.count({"approve": "approvals", "reject": "rejections"}[verdict])


def may_decide(desk: Desk, intent: str, verdict: str) -> bool:
    """Once; a reject may still follow an approve, nothing follows a reject."""
    before = desk.decided.get(intent)
    return before is None or (before == "approve" and verdict == "reject")


def has_evidence(desk: Desk, intent: str) -> bool:
    """There was something to look at."""
    return intent in desk.evidence


def names_evidence(statement: Record, evidence: Bead) -> bool:
    """The latest evidence of this very intent is what was signed."""
    return statement["evidence"] == evidence.leaf


def saw_evidence(statement: Record, evidence: Bead) -> bool:
    """The history that the signer saw holds the evidence."""
    return whole_of(statement, "tree_size") > evidence.seq


def evidence_was_fresh(bead: Bead, evidence: Bead) -> bool:
    """Nobody approves an old screen."""
    return bead.ts < evidence.says("expires_at")


def evidence_was_not_red(evidence: Bead) -> bool:
    """No light on that screen forbade it."""
    return not any(str(flag).startswith(("KILL ", "RED ")) for flag in list_of(evidence.body, "flags"))


def names_order(statement: Record, evidence: Bead) -> bool:
    """The order that was shown is the order that was signed."""
    return statement["order"] == evidence.body["order_hash"]


def names_screen(statement: Record) -> bool:
    """Which renderer showed what: an auditor can make the screen again."""
    return bool(HASH.fullmatch(text_of(statement["render"], "sha256")))


def cites_quote(desk: Desk, statement: Record, intent: str) -> bool:
    """The prices on the screen are an observation of that instrument, in the history that was signed, of that age."""
    live = statement["live"]
    if whole_of(live, "age_ms") < 0:
        return False
    seen_at = known(instant(statement["at"])) - timedelta(milliseconds=whole_of(live, "age_ms"))
    for quote in desk.quotes.get(desk.intents[intent][1], []):
        facts = record_of(quote.body, "facts")
        when = instant(facts.get("at"))
        same = (facts.get("bid"), facts.get("ask")) == (text_of(live, "bid"), text_of(live, "ask"))
        near = when is not None and abs(seen_at - when) <= timedelta(seconds=1)
        if same and near and quote.seq < whole_of(statement, "tree_size"):
            return True
    return False


def policy_is_somebodys(desk: Desk) -> bool:
    """Real money is entered under a policy that a human signed; the one that a desk is founded with nobody did."""
    return desk.mode != "LIVE" or "signed" in desk.policy


def drift_is_allowed(desk: Desk, statement: Record) -> bool:
    """The price may move no further than the policy in force lets it."""
    return 0 <= whole_of(statement, "drift_bps_max") <= whole_of(desk.policy, "drift_bps_max")


def four_eyes_hold(desk: Desk, evidence: Bead, key: str) -> bool:
    """Where the policy asks for four eyes, nobody approves what they proposed, whatever the screen says of that."""
    proposers = {evidence.says("proposer"), desk.intents[evidence.says("intent_id")][2]}
    return desk.policy["four_eyes"] is not True or not proposers & {key, desk.keys[key].name}


# --- Kill flags and tokens --------------------------------------------------------------------------------------------


def take_kill(desk: Desk, bead: Bead, append: Append) -> None:
    """A flag goes up, or comes down."""
    if bead.says("event") == "RAISED":
        until, drift = bead.body.get("until"), bead.body.get("drift")
        flag = Flag(bead.says("type"), bead.says("scope"), until, drift, bead.seq)
        _ = desk.flags.setdefault(bead.says("flag"), flag)
        return
    stands = desk.flags.pop(bead.says("flag"), None)
    if stands is not None and stands.type in BY_RULE:
        judge("KILL_LIFTED_EARLY", desk, bead, append, stands)
    elif stands is not None:
        judge("KILL_LIFTED_UNSIGNED", desk, bead, append)


BY_RULE: Final = frozenset({"TEMPORARY", "DRIFT"})


def lift_is_due(desk: Desk, bead: Bead, append: Append, flag: Flag) -> bool:
    """A pause comes down after its time and a refresh; the flag of a drift with its drift, or by a signature where a
    human knows the drift."""
    if flag.type == "TEMPORARY":
        until, names = instant(flag.until), (flag.scope.partition(":")[2], "*")
        refreshed = any(desk.anchors.get(name, flag.seq) > flag.seq for name in names)
        return refreshed and (until is None or until <= known(instant(bead.ts)))
    drift = desk.drifts.get(str(flag.drift))
    return drift is None or (drift.answer == "ACKNOWLEDGED" and lift_is_signed(desk, bead, append))


def take_anchor(desk: Desk, bead: Bead, append: Append) -> None:
    """Somebody looked at the context of a strategy."""
    desk.anchors[bead.says("strategy")] = bead.seq


def take_drift(desk: Desk, bead: Bead, append: Append) -> None:
    """Desk and broker disagree."""
    desk.drifts[bead.says("identity")] = Drift(bead.body["bead_id"], bead.seq)


def take_answer(desk: Desk, bead: Bead, append: Append) -> None:
    """A human answered a drift, or a picture proved the answer."""
    identity = bead.says("identity")
    judge("DRIFT_ANSWERED_UNSIGNED", desk, bead)
    drift = desk.drifts.pop(identity)
    if bead.body["cleared"] is not True:
        desk.drifts[identity] = drift._replace(answer=bead.says("resolution"))


def answer_is_signed(desk: Desk, bead: Bead) -> bool:
    """It carries out a signed answer to this very drift; or ends one that a human said the broker has corrected."""
    said, drift = bead.says("resolution"), desk.drifts.get(bead.says("identity"))
    if drift is None or drift.bead_id != bead.body["drift_bead_id"]:
        return False
    if bead.body["cleared"] is True and drift.answer == said == "BROKER_CORRECTED":
        return True
    names = (bead.body["identity"], drift.bead_id)
    return any(
        statement.get("type") == "drift-resolve" and statement["drift"] in names and statement.get("as") == said
        for statement in _carried_out(desk, bead, drift.seq)
    )


def _carried_out(desk: Desk, bead: Bead, since: int) -> Iterator[Record]:
    """The signed statements that a bead says it settles, and that stand behind a place."""
    for each in list_of(bead.body, "settles"):
        seq = whole_of(each, "seq")
        if seq > since and seq in desk.statements:
            yield desk.statements[seq]


def take_promotion(desk: Desk, bead: Bead, append: Append) -> None:
    """A strategy may trade real money from here on."""
    judge("PROMOTION_UNSIGNED", desk, bead, append)
    desk.count("promotions")


def promotion_is_signed(desk: Desk, bead: Bead, append: Append) -> bool:
    """The DECISION right before it names exactly this strategy and this evidence."""
    wanted = {"type": "promote", "strategy": bead.body["strategy"], "evidence": bead.body["evidence_hash"]}
    return any(wanted.items() <= desk.statements[other.seq].items() for other in _right_before(bead, append))


def lift_is_signed(desk: Desk, bead: Bead, append: Append) -> bool:
    """A flag that only a human clears comes down by a signature on it."""
    cleared = ("kill-clear", bead.says("flag"))
    return any((other.body["type"], other.body["subject"]) == cleared for other in _right_before(bead, append))


def take_token(desk: Desk, bead: Bead, append: Append) -> None:
    """One permission for one order: issued by an approval, spent once, within its life."""
    event = bead.says("event")
    if event == "ISSUED":
        _issue(desk, bead, append)
        return
    if event == "REJECTED" and bead.body["final"] is False:
        return  # a refused use: kept for the audit, changes nothing
    judge("TOKEN_UNKNOWN", desk, bead)
    token = desk.tokens[bead.says("id")]
    judge("TOKEN_CHANGED", token, bead)
    judge("TOKEN_USED", token)
    judge("TOKEN_EXPIRED", token)
    judge("TOKEN_REVOKED", token)
    if event == "USED":
        judge("TOKEN_TOO_OLD", token, bead)
        judge("TOKEN_OTHER_RUN", desk, bead)
        judge("TOKEN_REJECTED", desk, bead)
        judge("TOKEN_OTHER_POLICY", desk, token)
        judge("TOKEN_KEY_REVOKED", desk, bead)
        judge("KILL_FLAG_ACTIVE", desk, bead)
        judge("TOKEN_SPENT_FOR_NOTHING", bead, append)
        desk.count("tokens used")
    token.state = {"USED": "USED", "EXPIRED": "EXPIRED"}.get(event, "REVOKED")


def _issue(desk: Desk, bead: Bead, append: Append) -> None:
    judge("TOKEN_WITHOUT_DECISION", desk, bead, append)
    approval = desk.approvals[bead.says("intent_id")]
    judge("TOKEN_TWICE", desk, bead)
    judge("TOKEN_OTHER_EVIDENCE", bead, approval)
    judge("TOKEN_OTHER_ORDER", bead, approval)
    judge("TOKEN_OTHER_REF", bead, approval)
    judge("TOKEN_OTHER_DESK", desk, bead)
    judge("TOKEN_LIFE", bead)
    judge("TOKEN_OTHER_RUN", desk, bead)
    desk.tokens[bead.says("id")] = Token(bead, desk.policy)
    desk.refs.add(bead.says("order_ref"))
    desk.count("tokens issued")


def is_decided_here(desk: Desk, bead: Bead, append: Append) -> bool:
    """An approval of this intent stands before the token, in the same append."""
    wanted = ("decision", bead.says("intent_id"), "approve")
    return any(
        other.kind == "DECISION"
        and other.seq < bead.seq
        and (other.body["type"], other.body["subject"], other.body.get("verdict")) == wanted
        for other in append
    )


def is_new_token(desk: Desk, bead: Bead) -> bool:
    """One token for one decision."""
    return bead.says("id") not in desk.tokens and bead.says("order_ref") not in desk.refs


def token_names_evidence(bead: Bead, approval: Approval) -> bool:
    """Bound to what was approved."""
    return bead.body["evidence_hash"] == approval.statement["evidence"]


def token_names_order(bead: Bead, approval: Approval) -> bool:
    """Bound to the order that was approved."""
    return bead.body["order_hash"] == approval.statement["order"]


def token_names_ref(bead: Bead, approval: Approval) -> bool:
    """Its order carries the fingerprint of the statement."""
    return bead.body["order_ref"] == approval.ref


def token_is_of_this_desk(desk: Desk, bead: Bead) -> bool:
    """Bound to this account and mode."""
    return (bead.body["account"], bead.body["mode"]) == (desk.roots.account, desk.mode)


def lives_five_minutes(bead: Bead) -> bool:
    """Five minutes from its bead on."""
    issued, expires = instant(bead.body["timestamp"]), instant(bead.body["expires_at"])
    return issued is not None and expires == issued + TOKEN_LIFE and bead.body["timestamp"] == bead.ts


def is_issued(desk: Desk, bead: Bead) -> bool:
    """A token exists only after its ISSUED bead."""
    return bead.says("id") in desk.tokens


def is_as_issued(token: Token, bead: Bead) -> bool:
    """A later bead of a token repeats everything that it is bound to."""
    loose = {"event", "used", "final", "reasons", "bead_id", "settles"}
    return all(bead.body[name] == token.issued.body[name] for name in KINDS["T2_TOKEN"].fields.keys() - loose)


def state_is_not(state: str) -> Callable[[Token], bool]:
    """The check that a token's life did not end in this way before."""
    return lambda token: token.state != state


def is_within_life(token: Token, bead: Bead) -> bool:
    """Spent before it expired, and not before it was issued."""
    spent, issued = known(instant(bead.ts)), known(instant(token.issued.body["timestamp"]))
    return issued - CLOCK_BACK <= spent < issued + TOKEN_LIFE


def is_of_this_run(desk: Desk, bead: Bead) -> bool:
    """No token outlives the engine that it was made for."""
    return bead.body["epoch"] == desk.epoch


def is_still_approved(desk: Desk, bead: Bead) -> bool:
    """Any reject wins, also one whose revocation somebody left out."""
    return desk.decided.get(bead.says("intent_id")) == "approve"


def policy_still_stands(desk: Desk, token: Token) -> bool:
    """What was approved under one policy is not sent under the next."""
    return token.policy is desk.policy


def key_still_stands(desk: Desk, bead: Bead) -> bool:
    """What a key approved is not sent once it was revoked."""
    return not desk.keys[desk.approvals[bead.says("intent_id")].key].revoked


def nothing_forbids_it(desk: Desk, bead: Bead) -> bool:
    """No kill flag stands over the desk, the strategy or the instrument."""
    strategy, instrument, _ = desk.intents[bead.says("intent_id")]
    scopes = {"desk", f"strategy:{strategy}", f"instrument:{instrument}"}
    return not any(flag.scope in scopes for flag in desk.flags.values())


def is_spent_on_an_order(bead: Bead, append: Append) -> bool:
    """SUBMITTED and the recorded order stand in the same append."""
    moved = any(_submits(other, bead.says("id")) for other in append)
    return moved and any(_records(other) and other.body.get("token_id") == bead.body["id"] for other in append)


def _submits(bead: Bead, token: str) -> bool:
    return bead.kind == "POSITION" and (bead.body.get("event"), bead.body.get("token_id")) == ("Submitted", token)


def _records(bead: Bead) -> bool:
    return bead.kind == "ORDER" and bead.body["event"] == "RECORDED"


# --- Positions and orders ---------------------------------------------------------------------------------------------


def take_position(desk: Desk, bead: Bead, append: Append) -> None:
    """A position is born, moves by the table, or changes in quantity only."""
    position, event = bead.says("position_id"), bead.body.get("event")
    if event in BIRTHS:
        judge("POSITION_BIRTH", desk, bead)
        desk.intent_of[position] = bead.says("intent_id")
        desk.born.add(bead.says("intent_id"))
        if event == "Adopted":
            desk.mandates[bead.says("order_ref")] = bead.says("intent_id")
            desk.entry_refs[bead.says("intent_id")] = bead.says("order_ref")
            desk.opened[bead.says("intent_id")] = (bead.body["side"], bead.body["pair"])
    else:
        judge("POSITION_UNKNOWN", desk, bead)
        judge("POSITION_FROM", desk, bead)
        judge("POSITION_MOVE", desk, bead)
    if event == "Approved":
        judge("APPROVED_WITHOUT_TOKEN", bead, append)
    if event == "Submitted":
        judge("SUBMITTED_WITHOUT_TOKEN", bead, append)
    if event == "Filled":
        judge("FILLED_WITHOUT_EXECUTION", position, desk.executed)
    if event is not None and bead.says("state") in OVER:
        judge("CLOSED_HELD", desk.stake(position))
    judge("RESOLVED_UNSIGNED", desk, bead)
    desk.positions[position] = bead.says("state")


OVER: Final = frozenset({"CLOSED", "CANCELLED", "REJECTED"})


def holds_nothing(stake: Stake) -> bool:
    """What is over is not held: who calls it over too early has nobody look at it any more."""
    return stake.held() <= 0


def is_born_well(desk: Desk, bead: Bead) -> bool:
    """PROPOSED by an accepted signal, FILLED by a signed adoption, and only once: an intent has one position."""
    if bead.says("position_id") in desk.positions or bead.says("intent_id") in desk.born:
        return False
    if bead.says("state") != BIRTHS[bead.says("event")]:
        return False
    if bead.says("event") == "Proposed":
        return bead.says("intent_id") in desk.intents
    statement, ref = _proving_statement(desk, bead), bead.body.get("order_ref")
    signed = (statement.get("type"), statement.get("symbol"), statement.get("side"), desk.prints.get(_proof(bead)))
    return signed == ("adopt", bead.body.get("pair"), bead.body.get("side"), ref) and ref not in desk.mandates


def _proving_statement(desk: Desk, bead: Bead) -> Record:
    """The signed statement that a position's bead names as its proof; an empty one where it names none."""
    return desk.statements.get(_proof(bead), {})


def _proof(bead: Bead) -> int:
    """The place of the decision that a position's bead names as its proof; -1 where it names none."""
    proof = record_of(bead.body, "proof")
    return _place(proof.get("id")) if proof.get("type") == "OPERATOR_DECISION" else -1


def _place(name: Json) -> int:
    """The number of a bead in its one spelling; -1 for anything else: in a second one it could be used twice."""
    return int(name) if isinstance(name, str) and re.fullmatch(r"0|[1-9][0-9]{0,14}", name) else -1


def is_resolved_by_signature(desk: Desk, bead: Bead) -> bool:
    """Who ends a STALLED position in a human's name shows that human's signature on exactly this."""
    before, proof = desk.positions.get(bead.says("position_id")), record_of(bead.body, "proof")
    if before != "STALLED" or proof.get("type") != "OPERATOR_DECISION":
        return True
    statement = _proving_statement(desk, bead)
    names = (bead.body["position_id"], bead.body["intent_id"])
    if (statement.get("as"), bead.body.get("event")) not in STALLED_ENDS:
        return False
    return statement.get("type") == "resolve-stalled" and statement.get("position") in names


def is_position(desk: Desk, bead: Bead) -> bool:
    """Only what was born can change, and of the intent that it was born of: no token moves another's position."""
    return desk.intent_of.get(bead.says("position_id")) == bead.says("intent_id")


def comes_from_its_state(desk: Desk, bead: Bead) -> bool:
    """The bead says where the position stood before, and it stood there."""
    return bead.body.get("from") in (None, desk.positions[bead.says("position_id")])


def moves_by_the_table(desk: Desk, bead: Bead) -> bool:
    """Every change of state is a row of the table; without an event the state stays."""
    before, event = desk.positions[bead.says("position_id")], bead.body.get("event")
    return bead.body["state"] == (before if event is None else MOVES.get((before, str(event))))


def has_its_token(bead: Bead, append: Append) -> bool:
    """The token that it names was issued in the same append."""
    return _has_token(bead, append, "ISSUED")


def spends_its_token(bead: Bead, append: Append) -> bool:
    """The token that it names was spent in the same append."""
    return _has_token(bead, append, "USED")


def _has_token(bead: Bead, append: Append, event: str) -> bool:
    wanted = (event, bead.body.get("token_id"), bead.body["intent_id"])
    return any(
        other.kind == "T2_TOKEN" and (other.body["event"], other.body["id"], other.body["intent_id"]) == wanted
        for other in append
    )


def was_executed(position: str, executed: set[str]) -> bool:
    """Something was executed before, or stated by a human from the broker's statement."""
    return position in executed


def take_execution(desk: Desk, bead: Bead, append: Append) -> None:
    """Something was traded, or a human says so."""
    judge("EXECUTION_SHAPE", bead.body)
    if bead.says("event") == "STATED":
        statement = _stating(desk, bead)
        judge("STATED_UNSIGNED", statement)
        judge("STATED_TWICE", str(statement.get("session")), desk.booked)
        desk.booked.add(str(statement.get("session")))
    if "position_id" not in bead.body:
        return
    if bead.says("event") in FILLING:
        desk.executed.add(bead.says("position_id"))
    if bead.says("event") in TRADING:
        stake = desk.stake(bead.says("position_id"))
        _trade(stake.trades, bead)
        if 0 < stake.ordered < stake.executed(stake.entry):
            desk.count("executions beyond the order")


def execution_fits(body: Record) -> bool:
    """What was traded of a position says by which order, on which side, and how much."""
    if body["event"] not in TRADING or "position_id" not in body:
        return True
    return "role" in body and "side" in body and quantity(body.get("quantity")) is not None


def _trade(trades: dict[str, Trade], bead: Bead) -> None:
    """One more execution: it replaces an earlier revision of itself, else, by units, what was stated without an id."""
    amount, ref, family = known(quantity(bead.body["quantity"])), str(bead.body.get("ref") or ""), bead.says("family")
    now = Trade(ref, bead.says("role"), bead.says("side"), amount, bead.says("event") == "STATED")
    if family not in trades and not now.stated:
        for name, before in trades.items():
            if before.stated and name.startswith("stated.") and (before.ref, before.side) == (now.ref, now.side):
                less = min(before.quantity, amount)
                trades[name], amount = before._replace(quantity=before.quantity - less), amount - less
    trades[family] = now


FILLING: Final = frozenset({"FILL", "STATED"})  # a commission or a correction alone fills nothing


def _stating(desk: Desk, bead: Bead) -> Record:
    """What a human signed who states this execution from the broker's papers, for this quantity at this price: an
    adoption, the end of a stall, or an execution that the books lacked. An empty one where nobody did."""
    name, position = str(bead.body.get("exec_id")), str(bead.body.get("position_id"))
    words = name.split(".")
    place = _place(words[1]) if words[0] == "stated" and len(words) > 1 else -1
    intent, ref = desk.intent_of.get(position, ""), str(bead.body.get("ref"))
    for statement in (desk.statements.get(place, {}), *desk.attributions.get(name, [])):
        about = {
            "adopt": ref == desk.prints.get(place) and desk.mandates.get(ref) == intent,
            "resolve-stalled": statement.get("position") in (position, intent),
            "drift-resolve": statement.get("as") == "PHOENIX_CORRECTED" and statement.get("execution") == name,
        }
        same_amounts = all(statement.get(amount) == bead.body.get(amount) for amount in ("quantity", "price"))
        if about.get(str(statement.get("type"))) and same_amounts:
            return statement
    return {}


def take_order(desk: Desk, bead: Bead, append: Append) -> None:
    """Frames are recorded before they leave: an entry by its token, an exit by its mandate."""
    frames = [record_of(frame) for frame in list_of(bead.body, "frames")]
    judge("FRAMES_SHAPE", bead, frames)
    if bead.says("event") == "SENT":
        judge("SENT_UNRECORDED", desk, bead)
    if bead.says("event") in ("ENDED", "DROPPED"):
        _end(desk.stake(bead.says("position_id")), bead)
    if not _records(bead):
        return
    judge("FRAME_HASH", frames)
    judge("FRAME_TWICE", desk, frames)
    if any(_role(frame) == "ENTRY" for frame in frames):
        judge("ORDER_WITHOUT_TOKEN", bead, append)
        token = desk.tokens[bead.says("token_id")].issued
        judge("ORDER_OTHER_POSITION", desk, bead, token)
        judge("ORDER_OTHER_REF", token.says("order_ref"), frames)
        judge("ORDER_TWICE", token.says("order_ref"), desk.recorded)
        judge("ORDER_OTHER_LINES", desk, token, frames)
        judge("EXIT_TOO_LARGE", desk, bead, frames)
        desk.count("entries recorded")
    else:
        judge("MANDATE_MISSING", desk, bead)
        judge("MANDATE_OLD", desk, bead)
        judge("MANDATE_USED", bead.body.get("mandate"), desk.carried)
        judge("EXIT_OPENS", desk, bead, frames)
        judge("ORDER_OTHER_REF", desk.entry_refs.get(desk.intent_of[bead.says("position_id")], ""), frames)
        judge("EXIT_TOO_LARGE", desk, bead, frames)
        judge("EXITS_TOO_MANY", desk, bead, frames)
        if bead.says("mandate").startswith("decision:"):
            desk.carried.add(bead.says("mandate"))
        desk.count("exits recorded")
    stake = desk.stake(bead.says("position_id"))
    stake.exits = _with_exits(stake, bead, frames)
    _hang(stake, frames)
    desk.frames.update((text_of(frame, "ref"), whole_of(frame, "revision")) for frame in frames)
    desk.recorded.update(text_of(frame, "ref") for frame in frames)


def _role(frame: Record) -> Json:
    return record_of(frame, "line").get("role")


def _quantity(frame: Record) -> Fraction:
    return known(quantity(record_of(frame, "line").get("quantity")))


def _with_exits(stake: Stake, bead: Bead, frames: list[Record]) -> dict[str, Exit]:
    """The working exits of a position with those of one more order: a revision stays in the group of its reference."""
    exits = dict(stake.exits)
    for frame in frames:
        if _role(frame) != "ENTRY":
            ref = text_of(frame, "ref")
            group = exits[ref].group if ref in exits else str(bead.body.get("group") or ref)
            exits[ref] = Exit(group, _quantity(frame))
    return exits


def _hang(stake: Stake, frames: list[Record]) -> None:
    """The exits that come with an entry hang on it: the broker lets them work as it fills."""
    for entry in frames:
        if _role(entry) == "ENTRY":
            stake.entry, stake.ordered = text_of(entry, "ref"), _quantity(entry)
            stake.natives.update(text_of(frame, "ref") for frame in frames if frame is not entry)


def _end(stake: Stake, bead: Bead) -> None:
    """The broker ended an order, or no byte of it left; of what was dropped together nothing is counted."""
    group = stake.exits[bead.says("ref")].group if bead.says("ref") in stake.exits else None
    whole = bead.says("event") == "DROPPED" and bead.body.get("revision") is None
    stake.exits = {
        ref: each
        for ref, each in stake.exits.items()
        if ref != bead.says("ref") and not (whole and (each.group == group or bead.says("ref") == stake.entry))
    }
    if bead.says("ref") == stake.entry and bead.says("event") == "ENDED":
        stake.entry_ended = True


def is_no_larger(desk: Desk, bead: Bead, frames: list[Record]) -> bool:
    """An exit takes out no more than is there.

    Beside its entry it has at most the entry's size; one that hangs on an entry may keep that while the entry may fill;
    a signed close for a quantity may have that, for a human may know better than the book; any other has what is held.
    """
    stake, signed = desk.stake(bead.says("position_id")), _signed_size(desk, bead, frames)
    most = [_quantity(frame) for frame in frames if _role(frame) == "ENTRY"]
    for frame in frames:
        if _role(frame) == "ENTRY":
            continue
        bounds = most or [stake.held() + stake.executed(text_of(frame, "ref"))]
        if text_of(frame, "ref") in stake.natives and not stake.entry_ended:
            bounds = [*bounds, stake.ordered]
        if _quantity(frame) > (max(bounds) if signed is None else signed):
            return False
    return True


def are_not_too_many(desk: Desk, bead: Bead, frames: list[Record]) -> bool:
    """All that work together, one of each group, take out no more than is there, and than may still come in beside
    them, or than they did before. A signed close is judged by the quantity that was signed."""
    stake = desk.stake(bead.says("position_id"))
    if _signed_size(desk, bead, frames) is not None:
        return True
    exits = _with_exits(stake, bead, frames)
    hangs = any(ref in stake.natives for ref in exits)
    allowed = stake.held() + (stake.entry_rest() if hangs else 0)
    return stake.working(exits) <= max(allowed, stake.working(stake.exits))


def _signed_size(desk: Desk, bead: Bead, frames: list[Record]) -> Fraction | None:
    """The quantity of the signed close that a bead names as its mandate; None where it names none, or no quantity, and
    where more than the close alone is recorded."""
    if any(_role(frame) != "CLOSE" for frame in frames):
        return None
    kind, _, name = str(bead.body.get("mandate")).partition(":")
    statement = desk.statements.get(_place(name), {}) if kind == "decision" else {}
    return quantity(statement.get("quantity")) if statement.get("type") == "close" else None


def was_recorded(desk: Desk, bead: Bead) -> bool:
    """What was sent was durable before, this very revision of it."""
    return (bead.says("ref"), bead.body.get("revision")) in desk.frames


def frames_fit(bead: Bead, frames: list[Record]) -> bool:
    """At least one frame, each of some quantity, and no role twice; and none where nothing is recorded."""
    if not _records(bead):
        return not frames
    whole = bool(frames) and all(quantity(record_of(frame, "line")["quantity"]) is not None for frame in frames)
    return whole and len({_role(frame) for frame in frames}) == len(frames)


def frames_hash_their_lines(frames: list[Record]) -> bool:
    """What is durable is what goes out."""
    return all(frame["hash"] == order_hash([frame["line"]]) for frame in frames)


def frames_are_new(desk: Desk, frames: list[Record]) -> bool:
    """Sent once: no revision of a reference twice."""
    return all((text_of(frame, "ref"), whole_of(frame, "revision")) not in desk.frames for frame in frames)


def order_spends_its_token(bead: Bead, append: Append) -> bool:
    """The token that the order names was spent in the same append."""
    return any(
        other.kind == "T2_TOKEN" and (other.body["event"], other.body["id"]) == ("USED", bead.body.get("token_id"))
        for other in append
    )


def order_is_of_its_position(desk: Desk, bead: Bead, token: Bead) -> bool:
    """The position of the order is the one that the token's intent gave birth to."""
    return desk.intent_of.get(bead.says("position_id")) == token.body["intent_id"]


def refs_are_of(entry: str, frames: list[Record]) -> bool:
    """The entry bears the token's reference, exits that of their position's entry with their letter."""
    for frame in frames:
        ref = re.escape(entry)
        if _role(frame) != "ENTRY":
            ref += rf"\.{str(_role(frame))[:1]}[1-9][0-9]{{0,5}}"
        if not re.fullmatch(ref, text_of(frame, "ref")):
            return False
    return True


def lines_are_the_evidences(desk: Desk, token: Bead, frames: list[Record]) -> bool:
    """The lines are, field by field, those that were shown, hashed and signed: no entry leaves without its stop."""
    shown = list_of(desk.approvals[token.says("intent_id")].evidence.body, "lines")
    return [frame["line"] for frame in frames] == shown


def has_a_mandate(desk: Desk, bead: Bead) -> bool:
    """An exit stands on its position's approved evidence or signed adoption, or on a signed command about it."""
    kind, _, name = str(bead.body.get("mandate")).partition(":")
    intent = desk.intent_of.get(bead.says("position_id"))
    if kind in ("evidence", "adoption"):
        return intent is not None and desk.mandates.get(name) == intent
    statement = desk.statements.get(_place(name), {}) if kind == "decision" else {}
    return statement.get("type") in ("close", "protect") and statement.get("position") in (
        intent,
        bead.body["position_id"],
    )


def mandate_is_young(desk: Desk, bead: Bead) -> bool:
    """A command that touches the market holds for a minute, not for whenever somebody likes."""
    kind, _, name = bead.says("mandate").partition(":")
    if kind != "decision" or desk.statements[int(name)]["type"] not in BRIEF:
        return True
    signed = known(instant(desk.statements[int(name)]["at"]))
    return known(instant(bead.ts)) < signed + timedelta(seconds=60)


def closes_what_was_opened(desk: Desk, bead: Bead, frames: list[Record]) -> bool:
    """An exit is on the other side of its position's entry, in its instrument, on this account: no entry leaves so."""
    side, symbol = desk.opened.get(desk.intent_of.get(bead.says("position_id"), ""), (None, None))
    wanted = ({"BUY": "SELL", "SELL": "BUY"}.get(str(side)), symbol, desk.roots.account)
    lines = [record_of(frame, "line") for frame in frames]
    return all((line.get("side"), line.get("symbol"), line.get("account")) == wanted for line in lines)


HANDLERS: Final[dict[str, Callable[[Desk, Bead, Append], None]]] = {
    "GENESIS": take_genesis,
    "LEASE": take_lease,
    "OPERATOR": take_operator,
    "POLICY": take_policy,
    "SIGNAL": take_signal,
    "EVIDENCE": take_evidence,
    "DECISION": take_decision,
    "OBSERVATION": take_observation,
    "KILL_FLAG": take_kill,
    "STATE_ANCHOR": take_anchor,
    "RECONCILIATION_DRIFT": take_drift,
    "RECONCILIATION_RESOLUTION": take_answer,
    "PROMOTION": take_promotion,
    "T2_TOKEN": take_token,
    "POSITION": take_position,
    "EXECUTION": take_execution,
    "ORDER": take_order,
}


# --- Every check, with its code and its sentence ----------------------------------------------------------------------


def truthy(value: object) -> bool:
    """Something is there."""
    return bool(value)


def falsy(value: object) -> bool:
    """Nothing is there."""
    return not value


def same(one: object, other: object) -> bool:
    """The two are equal."""
    return one == other


def is_one_of(*words: object) -> Callable[[object], bool]:
    """The check that a value is one of these."""
    return lambda value: value in words


def header_fits(data: bytes) -> bool:
    """The header of this version: canonical, its keys, its types, counts that no bomb hides in."""
    value = READER.read(data)
    if (
        not is_canonical(data)
        or not isinstance(value, dict)
        or value.keys() != HEADER_KEYS
        or type(value["phoenix_export"]) is not int
    ):
        return False
    counts = [value[name] for name in ("size", "texts", "checkpoints", "files")]
    texts = isinstance(value["origin"], str) and isinstance(value["root"], str)
    return value["phoenix_export"] == 1 and texts and all(type(n) is int and 0 <= n <= COUNT_MAX for n in counts)


def envelope_fits(value: Json) -> bool:
    """Six keys, each of its form."""
    shape: dict[str, type] = {"v": int, "seq": int, "ts": str, "kind": str, "prev": str, "body": dict}
    if not has_exactly(value, shape) or not isinstance(value, dict) or value["v"] != 1 or instant(value["ts"]) is None:
        return False
    body, texts = record_of(value, "body"), (text_of(value, "kind"), text_of(value, "prev"))
    bead_id = body.get("bead_id")
    good = KIND.fullmatch(texts[0]) and HASH.fullmatch(texts[1])
    return bool(good and isinstance(bead_id, str) and UUID.fullmatch(bead_id))


def is_new(value: object, seen: set[object]) -> bool:
    """Not seen before."""
    return value not in seen


def tree_has_root(root: bytes, text: str) -> bool:
    """The header's root is that of its beads."""
    return base64.b64encode(root).decode() == text


def is_the_text_of(name: str, text: str) -> bool:
    """A text is what its hash says."""
    return name == "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def note_fits(note: Note | None, size: int) -> bool:
    """A checkpoint in its one spelling, of no more beads than there are."""
    return note is not None and note.size <= size


def is_at_most(one: int, other: int) -> bool:
    """No larger than."""
    return one <= other


def is_the_logs_key(text: str, key: NoteKey) -> bool:
    """GENESIS names the log key of the roots."""
    return text == base64.b64encode(key.point).decode()


def key_has_32_bytes_and_is_strong(point: bytes) -> bool:
    """A point that signs for one holder only."""
    return len(point) == 32 and is_strong(point)


def is_64_bytes(raw: bytes) -> bool:
    """R and S."""
    return len(raw) == 64


def has_no_other_flags(flags: int) -> bool:
    """Flags that SSH signatures do not carry would announce bytes that are not there."""
    return not flags & ~KNOWN_FLAGS


def inner_type_is_the_keys(word: str, key: PublicKey) -> bool:
    """The signature is of the kind of the key."""
    return word == key.type


def is_for_approvals(signature: Signature) -> bool:
    """Made for this purpose and no other."""
    return signature.namespace == NAMESPACE


def key_is_enrolled(desk: Desk, key: str) -> bool:
    """Enrolled by an earlier bead."""
    return key in desk.keys


def key_was_seen(key: Key, size: int) -> bool:
    """The history that the signer saw knows the key."""
    return key.enrolled < size


def key_stands(key: Key) -> bool:
    """Not revoked before this bead."""
    return not key.revoked


def is_before(one: str, other: str) -> bool:
    """Instants in one spelling sort as they follow."""
    return one < other


Check = tuple[Callable[..., bool], str]
CHECKS: Final[dict[str, Check]] = {
    # bytes (docs/spec/log.md, sections 1, 2, 6)
    "TOO_LARGE": (fits, "larger than its kind may be"),
    "NOT_UTF8": (is_utf8, "the bytes are no UTF-8 text"),
    "TOO_DEEP": (free_of("TOO_DEEP"), "arrays and objects nest too deep"),
    "NOT_JSON": (free_of("NOT_JSON"), "the text is no JSON"),
    "DUPLICATE_KEY": (free_of("DUPLICATE_KEY"), "a key stands twice in one object"),
    "FLOAT": (free_of("FLOAT"), "a number has a fraction or an exponent, or is none"),
    "NUMBER_RANGE": (free_of("NUMBER_RANGE"), "an integer is beyond 2^53"),
    "KEY_NOT_ASCII": (free_of("KEY_NOT_ASCII"), "a key is not ASCII"),
    "LONE_SURROGATE": (is_utf8, "half a character stands alone"),
    "NOT_CANONICAL": (same_bytes, "what it says is spelt in another way than the one"),
    "EMPTY": (truthy, "there is nothing in it"),
    "BAD_HEADER": (header_fits, "no header of this version"),
    "BAD_LINE": (truthy, "not the line that stands here by the header"),
    "TRUNCATED": (truthy, "the file ends before the header's counts are met"),
    "TRAILING": (falsy, "something stands after what the header announces"),
    "BAD_ENVELOPE": (envelope_fits, "not the envelope of a bead"),
    "BAD_SEQ": (same, "its number is not its place: a bead was deleted, doubled or moved"),
    "BAD_PREV": (same, "prev is not the hash of the bead before: that one, or this one, was changed"),
    "DUPLICATE_BEAD_ID": (is_new, "its bead_id stands twice"),
    "BAD_ROOT": (tree_has_root, "the beads do not give the header's root: the last bead or the header was changed"),
    "BAD_TEXT": (is_the_text_of, "a text is not what its hash says"),
    # checkpoints (section 4)
    "BAD_CHECKPOINT": (note_fits, "no checkpoint, or one of more beads than there are"),
    "BAD_SIGNATURE": (note_signed_by, "the log's key did not sign this checkpoint"),
    "OTHER_LOG": (same, "another log than the roots name"),
    "BEHIND": (is_at_most, "the log is shorter than it was: an old copy, or its tail is cut"),
    "FORKED": (root_fits, "the log was another one at this size: history was rewritten"),
    # the desk and its people
    "NO_GENESIS": (starts_well, "bead 0 is GENESIS, and no other"),
    "BAD_BODY": (falsy, "a field is missing, or is not what its kind says"),
    "OTHER_MODE": (same, "another mode than the roots name"),
    "OTHER_ACCOUNT": (same, "another account than the roots name"),
    "OTHER_LOG_KEY": (is_the_logs_key, "another log key than the roots name"),
    "OPERATOR_KEY": (is_what_it_says, "fingerprint, assurance and public key do not belong together"),
    "OPERATOR_TWICE": (is_new_key, "the key was enrolled before; a revoked key does not come back"),
    "OPERATOR_UNVOUCHED": (is_vouched_for, "neither the roots nor the signed decision right before it vouch for it"),
    "OPERATOR_UNKNOWN": (is_standing_key, "the key is not enrolled, or was revoked before"),
    "POLICY_UNSIGNED": (policy_is_signed, "no signed decision right before it names exactly this policy"),
    # signatures
    "SIG_ARMOR": (armored_once, "not the armor of a signature in its one spelling"),
    "SIG_TRUNCATED": (is_at_most, "the signature ends too early"),
    "SIG_TRAILING": (falsy, "bytes follow what was understood"),
    "SIG_MAGIC": (is_one_of(b"SSHSIG"), "no SSHSIG"),
    "SIG_VERSION": (is_one_of(1), "another version of SSHSIG"),
    "SIG_KEY_TYPE": (is_one_of(SOFTWARE, HARDWARE), "another type of key than Ed25519, in software or FIDO"),
    "SIG_KEY_WEAK": (key_has_32_bytes_and_is_strong, "the key is a point that nearly anything verifies under"),
    "SIG_APPLICATION": (for_ssh, "a FIDO key that was not made for SSH"),
    "SIG_RESERVED": (falsy, "the reserved field is not empty"),
    "SIG_HASH": (is_one_of("sha512", "sha256"), "another hash than SHA-512 or SHA-256"),
    "SIG_INNER_TYPE": (inner_type_is_the_keys, "the signature is not of the key's type"),
    "SIG_LENGTH": (is_64_bytes, "the signature has not 64 bytes"),
    "SIG_FLAGS": (has_no_other_flags, "flags that an SSH signature does not carry"),
    "SIG_SCALAR": (scalar_in_range, "S is not below the order: a second spelling"),
    "SIG_POINT_WEAK": (is_strong, "R is a weak point"),
    "SIGNATURE_NAMESPACE": (is_for_approvals, "made for another purpose"),
    "SIGNATURE_WRONG": (signature_holds, "the key did not sign these bytes"),
    "SIGNED_OTHERWISE": (found_as_kept, "the bead says of the signature what it is not"),
    "KEY_UNKNOWN": (key_is_enrolled, "the key is not enrolled"),
    "KEY_NOT_YET_VALID": (key_was_seen, "the history that was signed does not know the key yet"),
    "KEY_REVOKED": (key_stands, "the key was revoked before"),
    "KEY_IS_SOFTWARE": (may_be_software, "a software key where real money is"),
    "PRESENCE_MISSING": (is_touched, "nobody touched the security key"),
    "VERIFICATION_MISSING": (is_known_person, "the security key did not know the person, where real money is"),
    "COUNTER_STUCK": (counter_grows, "the security key's counter did not grow: there is a copy of it"),
    # statements
    "STATEMENT_MALFORMED": (statement_fits, "no statement that Phoenix knows"),
    "STATEMENT_OTHER_LOG": (same, "signed for another log"),
    "STATEMENT_OTHER_MODE": (same, "signed for another mode"),
    "STATEMENT_OTHER_ACCOUNT": (same, "signed for another account"),
    "STATEMENT_OTHER_HISTORY": (is_true_prefix, "signed over another history, or over one that was not there yet"),
    "STATEMENT_REPLAYED": (is_new, "signed once and used twice"),
    "STATEMENT_EXPIRED": (is_before, "recorded after its life was over"),
    "STATEMENT_PRESIGNED": (signed_when_it_says, "signed in advance, or for longer than its type may live"),
    "DECISION_OTHERWISE": (repeats_statement, "the bead says otherwise than the statement"),
    "DECIDED_ALREADY": (may_decide, "the intent was decided before"),
    # approvals
    "INTENT_TWICE": (is_new, "an intent that came in before"),
    "EVIDENCE_UNPROPOSED": (is_proposed, "evidence of an intent that never came in"),
    "EVIDENCE_LATE": (is_new, "evidence of an intent that was decided before: what was signed is void"),
    "EVIDENCE_ORDER": (evidence_hashes_its_order, "the order is not the one that was hashed"),
    "EVIDENCE_OTHER_DESK": (evidence_is_of_this_desk, "the order is in another instrument or on another account"),
    "EVIDENCE_MISSING": (has_evidence, "approved without evidence"),
    "STATEMENT_OTHER_EVIDENCE": (names_evidence, "not the latest evidence of this intent"),
    "EVIDENCE_UNSEEN": (saw_evidence, "signed before the evidence was in the log"),
    "EVIDENCE_EXPIRED": (evidence_was_fresh, "the evidence had expired"),
    "EVIDENCE_RED": (evidence_was_not_red, "a red light stood on the screen"),
    "STATEMENT_OTHER_ORDER": (names_order, "another order than the evidence shows"),
    "STATEMENT_OTHER_RENDER": (names_screen, "no screen is named"),
    "STATEMENT_OTHER_QUOTE": (cites_quote, "the prices are no observation that the signer could see"),
    "POLICY_OF_NOBODY": (policy_is_somebodys, "approved under a policy that nobody signed, where real money is"),
    "DRIFT_TOO_WIDE": (drift_is_allowed, "the price may drift further than the policy allows"),
    "PROPOSER_MAY_NOT_APPROVE": (four_eyes_hold, "approved by who proposed it, where four eyes are asked for"),
    # tokens
    "TOKEN_WITHOUT_DECISION": (is_decided_here, "a token that no approval of the same append opens"),
    "TOKEN_TWICE": (is_new_token, "a second token for one decision"),
    "TOKEN_OTHER_EVIDENCE": (token_names_evidence, "bound to other evidence than was approved"),
    "TOKEN_OTHER_ORDER": (token_names_order, "bound to another order than was approved"),
    "TOKEN_OTHER_REF": (token_names_ref, "its order reference is not the fingerprint of the statement"),
    "TOKEN_OTHER_DESK": (token_is_of_this_desk, "bound to another account or mode"),
    "TOKEN_LIFE": (lives_five_minutes, "it does not live five minutes from its bead on"),
    "TOKEN_OTHER_RUN": (is_of_this_run, "of another run of the engine"),
    "TOKEN_UNKNOWN": (is_issued, "never issued"),
    "TOKEN_CHANGED": (is_as_issued, "not what it was when it was issued"),
    "TOKEN_USED": (state_is_not("USED"), "used before"),
    "TOKEN_EXPIRED": (state_is_not("EXPIRED"), "recorded as expired before"),
    "TOKEN_REVOKED": (state_is_not("REVOKED"), "revoked before"),
    "TOKEN_REJECTED": (is_still_approved, "used after a human had said no"),
    "TOKEN_OTHER_POLICY": (policy_still_stands, "approved under another policy than the one in force"),
    "TOKEN_KEY_REVOKED": (key_still_stands, "used after the key that approved it was revoked"),
    "TOKEN_TOO_OLD": (is_within_life, "used after its life was over"),
    "TOKEN_SPENT_FOR_NOTHING": (is_spent_on_an_order, "spent without SUBMITTED and an order in the same append"),
    "KILL_FLAG_ACTIVE": (nothing_forbids_it, "used while a kill flag stood"),
    "KILL_LIFTED_UNSIGNED": (lift_is_signed, "a kill that only a human clears came down without a signature"),
    "KILL_LIFTED_EARLY": (lift_is_due, "a kill came down whose time was not over, or whose drift was open"),
    "DRIFT_ANSWERED_UNSIGNED": (answer_is_signed, "a drift was answered in a human's name without a signature"),
    "PROMOTION_UNSIGNED": (promotion_is_signed, "no signed decision right before it names exactly this promotion"),
    # positions and orders
    "POSITION_BIRTH": (is_born_well, "born twice, or of nothing"),
    "POSITION_UNKNOWN": (is_position, "a position that was never born, or of another intent"),
    "POSITION_FROM": (comes_from_its_state, "it did not stand where the bead says"),
    "POSITION_MOVE": (moves_by_the_table, "no position moves like this"),
    "APPROVED_WITHOUT_TOKEN": (has_its_token, "approved without a token in the same append"),
    "SUBMITTED_WITHOUT_TOKEN": (spends_its_token, "submitted without spending its token in the same append"),
    "FILLED_WITHOUT_EXECUTION": (was_executed, "filled by nothing"),
    "EXECUTION_SHAPE": (execution_fits, "an execution of a position without its order's role, its side or its size"),
    "STATED_UNSIGNED": (truthy, "an execution in a human's name that no human signed for"),
    "STATED_TWICE": (is_new, "a second execution for one signature"),
    "CLOSED_HELD": (holds_nothing, "called over while some of it is held"),
    "RESOLVED_UNSIGNED": (is_resolved_by_signature, "a stalled position ended as no human signed that it did"),
    "FRAMES_SHAPE": (frames_fit, "no frame, one of less than nothing, one role twice, or one that is not recorded"),
    "FRAME_HASH": (frames_hash_their_lines, "a frame is not the one that was hashed"),
    "FRAME_TWICE": (frames_are_new, "a frame was recorded before"),
    "ORDER_WITHOUT_TOKEN": (order_spends_its_token, "an entry that no token of the same append pays for"),
    "ORDER_OTHER_POSITION": (order_is_of_its_position, "an entry under another position than the token's"),
    "ORDER_TWICE": (is_new, "a second entry for one token"),
    "ORDER_OTHER_REF": (refs_are_of, "a reference is not the token's, or not that of its position's entry"),
    "ORDER_OTHER_LINES": (lines_are_the_evidences, "the order's lines are not those that were approved"),
    "MANDATE_MISSING": (has_a_mandate, "an exit that neither approved evidence nor a signed command allows"),
    "MANDATE_USED": (is_new, "an order was recorded for this signed command before"),
    "MANDATE_OLD": (mandate_is_young, "the signed command was more than a minute old"),
    "EXIT_OPENS": (closes_what_was_opened, "an exit that does not close what was opened"),
    "EXIT_TOO_LARGE": (is_no_larger, "an exit that is larger than what it protects or closes"),
    "EXITS_TOO_MANY": (are_not_too_many, "exits that work together could take out more than is held"),
    "SENT_UNRECORDED": (was_recorded, "sent without having been recorded"),
}

# --- What is told -----------------------------------------------------------------------------------------------------


def verify(path: str, roots_path: str, checkpoints: Sequence[str], seen: Sequence[str]) -> dict[str, object]:
    """Everything there is to say of a true export; raises `Lie` or `Undecided`."""
    roots = read_roots(roots_path)
    with open(path, "rb") as file:
        outline = check_bytes(file, roots)
        witnessed = check_outside(outline.tree, roots, checkpoints, seen)
        desk = check_meaning(file, outline, roots)
    size = outline.tree.size
    screens = [text_of(approval.statement["render"], "sha256") for approval in desk.approvals.values()]
    carried = sum(f"sha256:{name}" in outline.texts for name in screens)
    return {
        "verdict": "TRUE",
        "log": roots.origin,
        "mode": desk.mode,
        "beads": size,
        "from": outline.first,
        "to": outline.last,
        "root": outline.tree.root(size).hex(),
        "checkpoints_in_the_export": len(outline.notes),
        "counts": dict(sorted(desk.counts.items())),
        "screens_carried": f"{carried} of {len(screens)}",
        "witnessed_to": witnessed,
        "unwitnessed_tail": size - witnessed,
        "signed_by_operators_to": desk.signed_to,
        "positions_open": sum(state not in ("CLOSED", "CANCELLED", "REJECTED") for state in desk.positions.values()),
    }


def judged(arguments: argparse.Namespace) -> tuple[int, dict[str, object]]:
    """The exit code and what is told, whatever happens."""
    try:
        return 0, verify(arguments.export, arguments.roots, arguments.checkpoint, arguments.seen)
    except Lie as lie:
        return 1, {"verdict": "LIE", "code": lie.code, "place": lie.place or "the export", "said": lie.said}
    except Undecided as open_question:
        where = {"place": open_question.place} if open_question.place else {}
        return 2, {"verdict": "UNDECIDED", "code": open_question.code, **where, "said": open_question.said}
    except OSError as error:
        return 2, {"verdict": "UNDECIDED", "code": "UNREADABLE", "said": str(error)}
    except Exception as error:  # noqa: BLE001 - a verifier that stumbles has not verified: never a yes, whatever it was
        return 2, {"verdict": "UNDECIDED", "code": "STUMBLED", "said": repr(error)}


def spelt(told: dict[str, object]) -> str:
    """What is told, for people."""
    if told["verdict"] != "TRUE":
        return "  ".join(str(told[name]) for name in ("verdict", "code", "place", "said") if name in told) + "\n"
    counts = told["counts"]
    rows = {name.replace("_", " "): value for name, value in told.items() if name not in ("verdict", "counts")}
    rows |= counts if isinstance(counts, dict) else {}
    lines = [f"  {name:<36}{value}" for name, value in rows.items()]
    tail = (
        f"UNWITNESSED: the last {told['unwitnessed_tail']} of {told['beads']} beads. Whoever owns the host and the "
        "log's key could\nhave rewritten them unseen, down to the last operator's signature: keep checkpoints outside\n"
    )
    return "\n".join(["TRUE", *lines, ""]) + (tail if told["unwitnessed_tail"] else "")


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, verify, tell, and say how it went."""
    parser = argparse.ArgumentParser(description="Checks an exported Phoenix log, offline.")
    _ = parser.add_argument("export", help="the file that `phoenix beads export` wrote")
    _ = parser.add_argument("--roots", required=True, help="the log's key and the first operators, kept by you")
    _ = parser.add_argument("--checkpoint", action="append", default=[], help="a checkpoint that was kept outside")
    _ = parser.add_argument(
        "--seen", action="append", default=[], metavar="SIZE:ROOT", help="as a notification showed it"
    )
    _ = parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    arguments = parser.parse_args(words)
    code, told = judged(arguments)
    try:
        _ = sys.stdout.write(json.dumps(told) + "\n" if arguments.json else spelt(told))
        _ = sys.stdout.flush()
    except (OSError, ValueError, AttributeError):  # a full disk, an alphabet without the letter, no screen at all
        return 2  # what nobody could read was not told
    return code


if __name__ == "__main__":
    sys.exit(main())
