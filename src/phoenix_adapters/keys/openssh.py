"""OpenSSH's formats, read strictly: every value has one spelling, nothing is left over, every no has its name.

Two kinds of key are known: `ssh-ed25519`, which any file may hold, and `sk-ssh-ed25519@openssh.com`, which never leaves
the security key that made it. PROTOCOL.key and PROTOCOL.u2f of OpenSSH describe them.
"""

from __future__ import annotations

import base64
import struct
from hashlib import sha256
from typing import Final, NoReturn

from attrs import field, frozen

from phoenix_core.values import Named

# A signature is some 300 bytes, a private key some 400; what is larger was made to hurt.
TEXT_MAX: Final = 16_384
_COLUMNS: Final = 70  # where ssh-keygen breaks its lines
_FIELD_PRIME: Final = 2**255 - 19


class Fault(Named):
    """Why a key or a signature is not read, or not believed. Several may hold; the first one that is met is told."""

    TOO_LARGE = "TOO_LARGE"
    BAD_ARMOR = "BAD_ARMOR"
    BAD_BASE64 = "BAD_BASE64"
    TRUNCATED = "TRUNCATED"
    TRAILING_BYTES = "TRAILING_BYTES"
    BAD_TEXT = "BAD_TEXT"
    # of keys
    KEY_TYPE_UNKNOWN = "KEY_TYPE_UNKNOWN"
    KEY_LENGTH = "KEY_LENGTH"
    KEY_WEAK = "KEY_WEAK"  # a small-order point, or one that is spelt in a second way: it would sign anything
    KEY_APPLICATION = "KEY_APPLICATION"  # a FIDO key that was made for a web site, not for SSH
    KEY_LINE = "KEY_LINE"
    KEY_ENCRYPTED = "KEY_ENCRYPTED"
    KEY_PADDING = "KEY_PADDING"
    KEY_HALVES_DIFFER = "KEY_HALVES_DIFFER"
    # of signatures
    BAD_MAGIC = "BAD_MAGIC"
    BAD_VERSION = "BAD_VERSION"
    RESERVED_NOT_EMPTY = "RESERVED_NOT_EMPTY"
    HASH_UNKNOWN = "HASH_UNKNOWN"
    INNER_TYPE = "INNER_TYPE"
    SIGNATURE_LENGTH = "SIGNATURE_LENGTH"
    FLAGS_UNKNOWN = "FLAGS_UNKNOWN"
    WRONG_NAMESPACE = "WRONG_NAMESPACE"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"


class Malformed(ValueError):
    """How a reader stops half-way; the functions that people call turn it into its fault."""

    def __init__(self, fault: Fault) -> None:
        """Keep the fault."""
        self.fault = fault
        super().__init__(fault.value)


def refuse(fault: Fault) -> NoReturn:
    """Stop reading, for this reason."""
    raise Malformed(fault)


class Cursor:
    """Reads SSH's binary encoding from its start to its very end."""

    def __init__(self, data: bytes) -> None:
        """Begin at the beginning."""
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes, all of them."""
        if count > len(self._data) - self._at:
            refuse(Fault.TRUNCATED)
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Bytes behind their length."""
        return self.take(self.number())

    def text(self) -> str:
        """A string of printable ASCII: names of types, hashes, namespaces."""
        raw = self.string()
        if not all(0x20 <= byte < 0x7F for byte in raw):
            refuse(Fault.BAD_TEXT)
        return raw.decode("ascii")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing may follow what was understood."""
        if self._at != len(self._data):
            refuse(Fault.TRAILING_BYTES)


def string(data: bytes) -> bytes:
    """Bytes behind their length, as SSH writes them."""
    return struct.pack(">I", len(data)) + data


class KeyType(Named):
    """The two kinds of key that may sign."""

    SOFTWARE = "ssh-ed25519"
    HARDWARE = "sk-ssh-ed25519@openssh.com"

    @property
    def assurance(self) -> str:
        """What beads call it: a file can be copied, a security key cannot."""
        return self.name.lower()


@frozen
class PublicKey:
    """A public key: the point, and for a FIDO key the application it was made for."""

    type: KeyType
    point: bytes = field(repr=False)
    application: str = ""

    @property
    def blob(self) -> bytes:
        """As SSH carries it."""
        tail = string(self.application.encode()) if self.type is KeyType.HARDWARE else b""
        return string(self.type.value.encode()) + string(self.point) + tail

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: the name by which beads know a key."""
        return "SHA256:" + base64.b64encode(sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """The type and the key in base64: the first two words of a `.pub` file."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


# The eight points of small order have these y; a key there verifies nearly anything (RFC 8032 leaves them in).
_ORDER_EIGHT: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_EIGHT, _FIELD_PRIME - _ORDER_EIGHT})


def is_weak(point: bytes) -> bool:
    """Whether an encoded point has small order, or is a second spelling of some other encoding."""
    y = int.from_bytes(point, "little") & ((1 << 255) - 1)
    return y in _SMALL_ORDER_Y or y >= _FIELD_PRIME


def read_key(blob: bytes) -> PublicKey:
    """The key of a blob; raises `Malformed`."""
    cursor = Cursor(blob)
    name = cursor.text()
    if name not in {kind.value for kind in KeyType}:
        refuse(Fault.KEY_TYPE_UNKNOWN)
    point = cursor.string()
    application = cursor.text() if name == KeyType.HARDWARE.value else ""
    cursor.end()
    if len(point) != 32:
        refuse(Fault.KEY_LENGTH)
    if is_weak(point):
        refuse(Fault.KEY_WEAK)
    if name == KeyType.HARDWARE.value and not application.startswith("ssh:"):
        refuse(Fault.KEY_APPLICATION)
    return PublicKey(KeyType(name), point, application)


def parse_public_line(line: str) -> PublicKey | Fault:
    """The key of one line of a `.pub` file: type, base64, and a comment that says nothing."""
    if len(line) > TEXT_MAX:
        return Fault.TOO_LARGE
    words = line.removesuffix("\n").split(" ", 2)
    if len(words) < 2 or "\n" in line[:-1]:
        return Fault.KEY_LINE
    try:
        key = read_key(of_base64(words[1]))
    except Malformed as malformed:
        return malformed.fault
    return key if words[0] == key.type.value else Fault.KEY_LINE


@frozen
class PrivateKey:
    """What a private key file holds. A FIDO key's file has no secret that signs: its device has it, `seed` is empty."""

    public: PublicKey
    seed: bytes = field(repr=False)
    comment: str


_KEY_MAGIC: Final = b"openssh-key-v1\x00"
_KEY_LABEL: Final = "OPENSSH PRIVATE KEY"


def parse_private_file(text: str) -> PrivateKey | Fault:
    """The key of an unencrypted OpenSSH private key file."""
    try:
        return _read_private(Cursor(unarmored(text, _KEY_LABEL)))
    except Malformed as malformed:
        return malformed.fault


def _read_private(outer: Cursor) -> PrivateKey:
    if outer.take(len(_KEY_MAGIC)) != _KEY_MAGIC:
        refuse(Fault.BAD_MAGIC)
    if (outer.string(), outer.string(), outer.string()) != (b"none", b"none", b""):
        refuse(Fault.KEY_ENCRYPTED)
    if outer.number() != 1:
        refuse(Fault.KEY_TYPE_UNKNOWN)
    public = read_key(outer.string())
    inner = Cursor(outer.string())
    outer.end()
    if inner.take(4) != inner.take(4) or inner.text() != public.type.value or inner.string() != public.point:
        refuse(Fault.KEY_HALVES_DIFFER)
    seed = b""
    if public.type is KeyType.SOFTWARE:
        secret = inner.string()
        if len(secret) != 64 or secret[32:] != public.point:
            refuse(Fault.KEY_HALVES_DIFFER)
        seed = secret[:32]
    else:
        if inner.text() != public.application:
            refuse(Fault.KEY_HALVES_DIFFER)
        inner.take(1), inner.string(), inner.string()  # flags, the device's handle, a reserved string: not ours to use
    comment = inner.string().decode("utf-8", "replace")
    padding = inner.rest()
    if len(padding) >= 8 or padding != bytes(range(1, len(padding) + 1)):
        refuse(Fault.KEY_PADDING)
    return PrivateKey(public, seed, comment)


def private_file(key: PrivateKey, check: bytes) -> str:
    """The text of an unencrypted private key file, as ssh-keygen writes it; `check` is four random bytes."""
    assert len(key.seed) == 32, "only a software key has a private half to write"
    assert len(check) == 4, "the check is four bytes, written twice"
    kind, point = string(key.public.type.value.encode()), string(key.public.point)
    inner = check * 2 + kind + point + string(key.seed + key.public.point) + string(key.comment.encode())
    inner += bytes(range(1, -len(inner) % 8 + 1))
    none = string(b"none")
    outer = _KEY_MAGIC + none + none + string(b"") + struct.pack(">I", 1) + string(key.public.blob) + string(inner)
    return armored(outer, _KEY_LABEL)


def armored(data: bytes, label: str) -> str:
    """Base64 between its two lines, as ssh-keygen breaks it."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def unarmored(text: str, label: str) -> bytes:
    """The bytes of an armored text in its one spelling; raises `Malformed`."""
    if len(text) > TEXT_MAX:
        refuse(Fault.TOO_LARGE)
    first, last = f"-----BEGIN {label}-----\n", f"\n-----END {label}-----\n"
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        refuse(Fault.BAD_ARMOR)
    data = of_base64(text[len(first) : -len(last)].replace("\n", ""))
    # Other line breaks would be a second text with the same meaning.
    if armored(data, label) != text:
        refuse(Fault.BAD_ARMOR)
    return data


def of_base64(text: str) -> bytes:
    """Base64 in its one spelling; raises `Malformed`."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        refuse(Fault.BAD_BASE64)
    if base64.b64encode(data).decode() != text:
        refuse(Fault.BAD_BASE64)
    return data
