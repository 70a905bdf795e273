"""Checkpoints and proofs as texts that others can read (C2SP signed-note, tlog-checkpoint, tlog-proof).

A checkpoint held outside the desk's reach is what makes a cut tail, an old backup or a rewritten chain visible. No
cryptography here: signing and verifying come in as functions.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, Protocol

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.chain import Head
from phoenix_core.tree import HASH_BYTES, Frontier, verify_consistency, verify_inclusion
from phoenix_core.values import Named

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
# Ed25519 in the registry of signed-note key types.
ED25519: Final = b"\x01"
# A note is a few hundred bytes; witnesses add a line each.
NOTE_CHARS_MAX: Final = 8_192
SIGNATURES_MAX: Final = 16

_NAME: Final = re.compile(r"[!-*,-~]{1,255}", re.ASCII)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_SIGNATURE: Final = re.compile(r"— ([!-*,-~]{1,255}) ([A-Za-z0-9+/]+={0,2})", re.ASCII)


class NoteFault(Named):
    """Why a checkpoint or a proof is not believed."""

    BAD_CHECKPOINT = "BAD_CHECKPOINT"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    BAD_PROOF = "BAD_PROOF"


@frozen
class Checkpoint:
    """All of a log in three lines: which one, how long, and the root over it."""

    origin: str
    size: int
    root: bytes = field(repr=lambda root: root.hex())

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@frozen
class Signature:
    """One line under a note."""

    name: str
    key_id: bytes
    signature: bytes = field(repr=False)


@frozen
class Note:
    """A checkpoint with those who signed it."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]


@frozen
class Signer:
    """A key that can sign: the name it goes by, its id, and the function that does it."""

    name: str
    key_id: bytes
    sign: Callable[[bytes], bytes]


@frozen
class Verifying:
    """A public key: the name it goes by, its id, and the function (message, signature) -> bool."""

    name: str
    key_id: bytes
    verify: Callable[[bytes, bytes], bool]


def ed25519_key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes by which a note's signature line finds its key."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def sign_note(checkpoint: Checkpoint, *signers: Signer) -> str:
    """The note: the checkpoint's text, an empty line, a line for each signer."""
    assert _NAME.fullmatch(checkpoint.origin), "an origin is printable, without spaces or plus"
    assert 0 < len(signers) <= SIGNATURES_MAX, "a note is signed"
    text = checkpoint.text()
    lines = (f"— {s.name} {_b64(s.key_id + s.sign(text.encode()))}\n" for s in signers)
    return text + "\n" + "".join(lines)


def parse_note(text: str) -> Result[Note, NoteFault]:
    """Read a note in its one spelling; says nothing yet about whether the signatures are true."""
    body, mark, signatures = text.partition("\n\n")
    lines = body.split("\n")
    if len(text) > NOTE_CHARS_MAX or not mark or len(lines) != 3 or not signatures.endswith("\n"):
        return Failure(NoteFault.BAD_CHECKPOINT)
    origin, size, root = lines
    root_bytes = _of_b64(root)
    signed = [_signature(line) for line in signatures[:-1].split("\n")]
    good = [s for s in signed if s is not None]
    if (
        not _NAME.fullmatch(origin)
        or not _NUMBER.fullmatch(size)
        or root_bytes is None
        or len(root_bytes) != HASH_BYTES
        or len(good) != len(signed)
        or len(good) > SIGNATURES_MAX
    ):
        return Failure(NoteFault.BAD_CHECKPOINT)
    return Success(Note(Checkpoint(origin, int(size), root_bytes), tuple(good)))


def open_note(text: str, key: Verifying) -> Result[Checkpoint, NoteFault]:
    """The checkpoint of a note that this key signed. Lines of other keys are nobody's business here."""
    parsed = parse_note(text)
    if not is_successful(parsed):
        return Failure(parsed.failure())
    note = parsed.unwrap()
    mine = [s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    # Two lines by one key would let a reader believe either.
    if len(mine) != 1 or not key.verify(note.checkpoint.text().encode(), mine[0].signature):
        return Failure(NoteFault.BAD_SIGNATURE)
    return Success(note.checkpoint)


def proof_text(index: int, path: Sequence[bytes], note: str) -> str:
    """The proof that one bead is in the log of a checkpoint, as one file."""
    hashes = "".join(_b64(node) + "\n" for node in path)
    return f"{PROOF_HEADER}\nindex {index}\n{hashes}\n{note}"


def check_proof(text: str, leaf: bytes, key: Verifying) -> Result[tuple[int, Checkpoint], NoteFault]:
    """(seq, checkpoint) where the proof puts this leaf into the log whose own key this is, by its name too."""
    head, mark, note = text.partition("\n\n")
    lines = head.split("\n")
    if not mark or lines[0] != PROOF_HEADER:
        return Failure(NoteFault.BAD_PROOF)
    # The optional extra line is not authenticated: read over, never used.
    lines = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
    index = lines[0].removeprefix("index ") if lines else ""
    path = [_of_b64(line) for line in lines[1:]]
    nodes = [node for node in path if node is not None and len(node) == HASH_BYTES]
    if lines[0:1] != [f"index {index}"] or not _NUMBER.fullmatch(index) or len(nodes) != len(path):
        return Failure(NoteFault.BAD_PROOF)
    opened = open_note(note, key)
    if not is_successful(opened):
        return Failure(opened.failure())
    checkpoint = opened.unwrap()
    if checkpoint.origin != key.name:  # a key that two logs share signs for either, under the name of any
        return Failure(NoteFault.BAD_PROOF)
    if not verify_inclusion(checkpoint.root, checkpoint.size, int(index), leaf, nodes):
        return Failure(NoteFault.BAD_PROOF)
    return Success((int(index), checkpoint))


def continuation_text(old_size: int, path: Sequence[bytes], note: str) -> str:
    """The proof that a log goes on from an older checkpoint of it: what a witness asks for before it signs."""
    hashes = "".join(_b64(node) + "\n" for node in path)
    return f"old {old_size}\n{hashes}\n{note}"


def check_continuation(text: str, old: Checkpoint, key: Verifying) -> Result[Checkpoint, NoteFault]:
    """The newer checkpoint, where the proof makes the older one's log its beginning. Nothing of the log is needed."""
    head, mark, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    path = [_of_b64(line) for line in lines]
    nodes = [node for node in path if node is not None and len(node) == HASH_BYTES]
    if not mark or first != f"old {old.size}" or len(nodes) != len(path):
        return Failure(NoteFault.BAD_PROOF)
    opened = open_note(note, key)
    if not is_successful(opened):
        return opened
    new = opened.unwrap()
    if not new.origin == old.origin == key.name:
        return Failure(NoteFault.BAD_PROOF)
    if not verify_consistency(old.size, old.root, new.size, new.root, nodes):
        return Failure(NoteFault.BAD_PROOF)
    return Success(new)


class Standing(Named):
    """How a store stands to a checkpoint that was kept outside it."""

    AGREES = "AGREES"
    BEHIND = "BEHIND"
    FORKED = "FORKED"
    OTHER_LOG = "OTHER_LOG"


def follows(kept: Frontier, since: Iterable[bytes], present: Frontier) -> Standing:
    """Whether the present log is what was kept and, after it, these leaves."""
    if kept.size > present.size:
        return Standing.BEHIND
    return Standing.AGREES if kept.extend(since) == present else Standing.FORKED


def next_checkpoint(
    origin: str, kept: tuple[Frontier, str] | None, since: Iterable[bytes], present: Frontier
) -> Result[Checkpoint, Standing]:
    """What may be signed now. The log never signs what is inconsistent with the note that it kept last."""
    if kept is not None:
        frontier, note = kept
        read = parse_note(note)
        if not is_successful(read):
            return Failure(Standing.FORKED)
        said = read.unwrap().checkpoint
        if said.origin != origin:
            return Failure(Standing.OTHER_LOG)
        if (said.size, said.root) != (frontier.size, frontier.root()):
            return Failure(Standing.FORKED)
        standing = follows(frontier, since, present)
        if standing is not Standing.AGREES:
            return Failure(standing)
    return Success(Checkpoint(origin, present.size, present.root()))


class Rooted(Protocol):
    """What has a length and a root at every length up to it."""

    def head(self) -> Head:
        """Where the log ends."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` beads, over all of them where no size is named."""
        ...


def behind(store: Rooted, checkpoint: Checkpoint, origin: str | None = None) -> Standing:
    """Whether the store still has all that the checkpoint saw. Anything but AGREES is no store to trade on."""
    if origin is not None and origin != checkpoint.origin:
        return Standing.OTHER_LOG
    if store.head().size < checkpoint.size:
        return Standing.BEHIND
    return Standing.AGREES if store.root(checkpoint.size) == checkpoint.root else Standing.FORKED


def _signature(line: str) -> Signature | None:
    match = _SIGNATURE.fullmatch(line)
    raw = _of_b64(match[2]) if match else None
    return Signature(match[1], raw[:4], raw[4:]) if match and raw and len(raw) > 4 else None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _of_b64(text: str) -> bytes | None:
    """Base64 in its one spelling, or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if _b64(data) == text else None
