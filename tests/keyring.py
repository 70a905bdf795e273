"""Operators' keys for tests, FIDO keys included: those sign here in software, exactly as OpenSSH has a device sign."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Final

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_adapters.keys.openssh import KeyType, PrivateKey, PublicKey, armored, string
from phoenix_adapters.keys.sshsig import (
    NAMESPACE,
    PRESENT,
    VERIFIED,
    by_authenticator,
    enclosed,
    to_be_signed,
)

TOUCHED: Final = PRESENT
TOUCHED_AND_KNOWN: Final = PRESENT | VERIFIED


@define
class Pen:
    """One operator's key. A hardware pen counts its signatures, as a device does."""

    private: Ed25519PrivateKey = field(repr=False)
    public: PublicKey
    counter: int = 0

    @property
    def key(self) -> str:
        """Its fingerprint, the name by which beads know it."""
        return self.public.fingerprint

    @property
    def as_file(self) -> PrivateKey:
        """The key as its file holds it."""
        seed = self.private.private_bytes_raw() if self.public.type is KeyType.SOFTWARE else b""
        return PrivateKey(self.public, seed, "made for a test")

    def inner(self, message: bytes, flags: int = TOUCHED_AND_KNOWN) -> bytes:
        """The signature blob over a message, as an agent returns it."""
        kind = string(self.public.type.value.encode())
        if self.public.type is KeyType.SOFTWARE:
            return kind + string(self.private.sign(message))
        self.counter += 1
        raw = self.private.sign(by_authenticator(message, self.public.application, flags, self.counter))
        return kind + string(raw) + struct.pack(">BI", flags, self.counter)

    def sign(
        self, statement: bytes, namespace: str = NAMESPACE, flags: int = TOUCHED_AND_KNOWN, hash_name: str = "sha512"
    ) -> str:
        """An armored SSHSIG over a statement."""
        inner = self.inner(to_be_signed(statement, namespace, hash_name), flags)
        return enclosed(self.public, inner, namespace, hash_name)


def forged(
    pen: Pen,
    statement: bytes,
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    blob: bytes | None = None,
    namespace: bytes = NAMESPACE.encode(),
    reserved: bytes = b"",
    hash_name: bytes = b"sha512",
    inner: bytes | None = None,
    tail: bytes = b"",
) -> str:
    """A signature of this pen with one part exchanged; the honest twin where nothing is."""
    inner = pen.inner(to_be_signed(statement, NAMESPACE)) if inner is None else inner
    blob = pen.public.blob if blob is None else blob
    parts = b"".join(string(part) for part in (blob, namespace, reserved, hash_name, inner))
    return armored(magic + struct.pack(">I", version) + parts + tail, "SSH SIGNATURE")


def software_pen(name: str) -> Pen:
    """A software key that the same name always makes again."""
    private = _private(name)
    return Pen(private, PublicKey(KeyType.SOFTWARE, private.public_key().public_bytes_raw()))


def hardware_pen(name: str, application: str = "ssh:phoenix") -> Pen:
    """A FIDO key that the same name always makes again."""
    private = _private(name)
    return Pen(private, PublicKey(KeyType.HARDWARE, private.public_key().public_bytes_raw(), application))


def _private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(b"a key for tests: " + name.encode()).digest())
