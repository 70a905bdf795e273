"""SSHSIG, the signature that `ssh-keygen -Y sign` makes: read strictly, verified fully, and made.

Why not ask `ssh-keygen -Y verify`: it accepts a FIDO signature that nobody touched the key for. Here the flags are read
from what was signed, and the caller is told. PROTOCOL.sshsig and PROTOCOL.u2f of OpenSSH describe the bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import new, sha256
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from phoenix_adapters.keys.openssh import (
    Cursor,
    Fault,
    KeyType,
    Malformed,
    PublicKey,
    armored,
    is_weak,
    read_key,
    refuse,
    string,
    unarmored,
)

NAMESPACE: Final = "phoenix-approval@v1"
HASHES: Final = ("sha512", "sha256")  # the first is what ssh-keygen and Phoenix write

_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_LABEL: Final = "SSH SIGNATURE"

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
# Backed-up and may-be-backed-up are facts about the key. Attested data (0x40) and extensions (0x80) would announce
# bytes that SSH signatures do not carry, and the rest is reserved.
_FLAGS: Final = PRESENT | VERIFIED | 0x08 | 0x10


@frozen
class Signature:
    """A well-formed signature. Whether it is true, `verify` says; whose key it is and what it may do, the core."""

    key: PublicKey
    namespace: str
    hash_name: str
    raw: bytes = field(repr=False)  # 64 bytes, R and S
    flags: int = 0
    counter: int = 0

    @property
    def presence(self) -> bool:
        """Whether the device says that somebody touched it. A software key cannot say so."""
        return bool(self.flags & PRESENT)

    @property
    def verification(self) -> bool:
        """Whether the device says that it knew the person: a PIN, a finger."""
        return bool(self.flags & VERIFIED)


def parse_signature(text: str) -> Signature | Fault:
    """Read an armored SSHSIG in its one spelling. Says nothing yet about whether it is true."""
    try:
        return _read(Cursor(unarmored(text, _LABEL)))
    except Malformed as malformed:
        return malformed.fault


def _read(outer: Cursor) -> Signature:
    if outer.take(len(_MAGIC)) != _MAGIC:
        refuse(Fault.BAD_MAGIC)
    if outer.number() != _VERSION:
        refuse(Fault.BAD_VERSION)
    key = read_key(outer.string())
    namespace = outer.text()
    if outer.string():
        refuse(Fault.RESERVED_NOT_EMPTY)
    hash_name = outer.text()
    if hash_name not in HASHES:
        refuse(Fault.HASH_UNKNOWN)
    inner = Cursor(outer.string())
    outer.end()
    if inner.text() != key.type.value:
        refuse(Fault.INNER_TYPE)
    raw = inner.string()
    flags = counter = 0
    if key.type is KeyType.HARDWARE:
        flags, counter = inner.take(1)[0], inner.number()
    inner.end()
    if len(raw) != 64:
        refuse(Fault.SIGNATURE_LENGTH)
    if flags & ~_FLAGS:
        refuse(Fault.FLAGS_UNKNOWN)
    return Signature(key, namespace, hash_name, raw, flags, counter)


def verify(statement: bytes, signature: Signature, namespace: str) -> Fault | None:
    """None where the signature is true over exactly these bytes in this namespace; else what is wrong."""
    if signature.namespace != namespace:
        return Fault.WRONG_NAMESPACE
    message = to_be_signed(statement, namespace, signature.hash_name)
    if signature.key.type is KeyType.HARDWARE:
        message = by_authenticator(message, signature.key.application, signature.flags, signature.counter)
    return None if ed25519_verifies(signature.key.point, signature.raw, message) else Fault.SIGNATURE_WRONG


def ed25519_verifies(point: bytes, raw: bytes, message: bytes) -> bool:
    """RFC 8032 without its leniency: no weak points, no second spellings, S below the order, no cofactor."""
    if len(point) != 32 or len(raw) != 64 or is_weak(point) or is_weak(raw[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(raw, message)
    except InvalidSignature:
        return False
    return True


def to_be_signed(statement: bytes, namespace: str, hash_name: str = HASHES[0]) -> bytes:
    """The bytes that a key signs for a statement: they name the namespace, so that no signature serves two purposes."""
    digest = new(hash_name, statement).digest()
    return _MAGIC + string(namespace.encode()) + string(b"") + string(hash_name.encode()) + string(digest)


def by_authenticator(message: bytes, application: str, flags: int, counter: int) -> bytes:
    """The bytes that a FIDO device signs in turn: its flags and counter cannot be changed afterwards."""
    return sha256(application.encode()).digest() + struct.pack(">BI", flags, counter) + sha256(message).digest()


def enclosed(key: PublicKey, inner: bytes, namespace: str, hash_name: str = HASHES[0]) -> str:
    """The armored SSHSIG around the signature blob that an agent or a device returned."""
    head = _MAGIC + struct.pack(">I", _VERSION) + string(key.blob) + string(namespace.encode()) + string(b"")
    return armored(head + string(hash_name.encode()) + string(inner), _LABEL)


def sign(statement: bytes, key: PublicKey, ed25519: Callable[[bytes], bytes], namespace: str = NAMESPACE) -> str:
    """An armored signature by a software key in this process; `ed25519` signs bytes."""
    assert key.type is KeyType.SOFTWARE, "a FIDO key signs in its device, through ssh-keygen or an agent"
    raw = ed25519(to_be_signed(statement, namespace))
    return enclosed(key, string(key.type.value.encode()) + string(raw), namespace)
