"""The log's own Ed25519 key: it signs checkpoints after the frame has left, never an order.

Written as C2SP signed-note wants it, so that witnesses and monitors that Phoenix has never heard of can read along.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_adapters.keys import files
from phoenix_adapters.keys.openssh import KeyType, Malformed, PublicKey, of_base64
from phoenix_adapters.keys.sshsig import ed25519_verifies
from phoenix_adapters.keys.trouble import KeyTrouble, Trouble
from phoenix_core.checkpoint import ED25519, Signer, Verifying, ed25519_key_id


@frozen
class LogKey:
    """The private half, in memory."""

    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The 32 bytes that a reader needs, from outside the log."""
        return self._private.public_key().public_bytes_raw()

    @property
    def public_text(self) -> str:
        """The public half in base64, as exports and GENESIS carry it."""
        return base64.b64encode(self.public).decode()

    def signer(self, origin: str) -> Signer:
        """What signs a checkpoint of the log of this origin, whose name the key bears."""
        return Signer(origin, ed25519_key_id(origin, self.public), self._private.sign)

    def verifying(self, origin: str) -> Verifying:
        """What verifies those signatures."""
        return note_verifier(origin, self.public)


def create_log_key(path: Path, comment: str = "phoenix log") -> LogKey:
    """Make the log's key, once, in a file of its own."""
    return LogKey(Ed25519PrivateKey.from_private_bytes(files.create(path, comment).seed))


def load_log_key(path: Path) -> LogKey:
    """The log's key from its file."""
    private = files.load(path)
    if private.public.type is not KeyType.SOFTWARE:
        raise KeyTrouble(Trouble.KEY_NEEDS_ITS_DEVICE, str(path), "the log signs by itself: give it a software key")
    return LogKey(Ed25519PrivateKey.from_private_bytes(private.seed))


def note_verifier(name: str, public: bytes) -> Verifying:
    """What verifies the signature lines of a key of this name."""
    return Verifying(name, ed25519_key_id(name, public), lambda text, raw: ed25519_verifies(public, raw, text))


def vkey(name: str, public: bytes) -> str:
    """A public key of notes in one line, as signed-note writes it: `name+key id+base64`."""
    return f"{name}+{ed25519_key_id(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def roots_of(
    origin: str, mode: str, account: str, log: bytes, founders: Sequence[tuple[PublicKey, str]]
) -> dict[str, object]:
    """What the founder of a desk keeps off the host, for the offline verifier (docs/spec/verifier.md, "The roots")."""
    return {
        "phoenix_roots": 1,
        "origin": origin,
        "mode": mode,
        "account": account,
        "log": vkey(origin, log),
        "operators": [f"{key.line} {name}".rstrip() for key, name in founders],
        "witnesses": [],
    }


def parse_vkey(text: str) -> Verifying | None:
    """Read such a line; None where it is not one, or its id is not that of its key."""
    name, _, rest = text.partition("+")
    _, _, encoded = rest.partition("+")
    try:
        public = of_base64(encoded)[1:]
    except Malformed:
        return None
    return note_verifier(name, public) if len(public) == 32 and name and vkey(name, public) == text else None
