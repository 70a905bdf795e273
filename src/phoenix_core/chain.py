"""The chain of beads: seal, link, verify; and what a store of beads may answer.

A bead is canonical JSON bytes that name their place and the leaf hash of the bead before them. The bytes are what is
stored, hashed, exported and signed over; they are never written a second time. docs/spec/log.md is the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import field, frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from phoenix_core.beads import BEAD_ID, Said, said_in
from phoenix_core.canonical import SIZE_MAX, Flaw, Json, NotCanonical, decode, encode
from phoenix_core.making import maker
from phoenix_core.tree import leaf_hash
from phoenix_core.values import BadInput, Named, instant_of, utc_of

ZEROS: Final = "0" * 64
VERSION: Final = 1

_KEYS: Final = frozenset({"v", "seq", "ts", "kind", "prev", "body"})
_KIND: Final = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BEAD_ID: Final = re.compile(BEAD_ID, re.ASCII)


@frozen
class Head:
    """Where a log ends: how many beads, and the leaf hash of the last one. A decision is made on a head."""

    size: int = 0
    leaf: str = ZEROS


EMPTY: Final = Head()


@frozen
class Sealed:
    """A bead in its place, with the bytes that are stored; `said` where they are of a kind that is known here."""

    seq: int
    kind: str
    bead_id: str
    data: bytes = field(repr=False)
    leaf: bytes = field(repr=lambda leaf: leaf.hex())
    ts: str
    prev: str
    said: Said | None = field(default=None, eq=False, repr=False)

    @property
    def body(self) -> dict[str, Json]:
        """The body as plain JSON values, read anew from the bytes."""
        envelope = decode(self.data).unwrap()
        assert isinstance(envelope, dict) and isinstance(envelope["body"], dict), "only beads are sealed"
        return envelope["body"]

    @property
    def head(self) -> Head:
        """The head of a log that ends with this bead."""
        return Head(self.seq + 1, self.leaf.hex())


class Lie(Named):
    """Why bytes that are canonical are not the bead that should stand there."""

    BAD_ENVELOPE = "BAD_ENVELOPE"
    BAD_SEQ = "BAD_SEQ"
    BAD_PREV = "BAD_PREV"
    DUPLICATE_BEAD_ID = "DUPLICATE_BEAD_ID"


@frozen
class ChainFault:
    """The first lie of a chain: what is wrong, and with which bead. BAD_PREV means this bead or the one before it."""

    reason: Flaw | Lie
    seq: int


def seal(head: Head, ts: str, drafts: Iterable[tuple[str, dict[str, Json]]]) -> tuple[Sealed, ...]:
    """The beads that these (kind, body) make on this head. Every body carries its `bead_id`."""
    texts: list[tuple[str, str, str, None]] = []
    for kind, body in drafts:
        bead_id = body.get("bead_id")
        assert isinstance(bead_id, str), "a body carries its bead_id"
        texts.append((kind, bead_id, encode(body).decode(), None))
    return seal_texts(head, ts, texts)


def seal_texts(head: Head, ts: str, texts: Iterable[tuple[str, str, str, Said | None]]) -> tuple[Sealed, ...]:
    """The beads that these (kind, bead id, canonical text of the body, what it says) make on this head."""
    assert _is_instant(ts), f"an instant has one spelling, not {ts!r}"
    sealed: list[Sealed] = []
    size, leaf = head.size, head.leaf
    for kind, bead_id, text, said in texts:
        assert _KIND.fullmatch(kind), f"a kind is a word in capitals, not {kind!r}"
        assert _BEAD_ID.fullmatch(bead_id), f"a bead_id is a uuid in lower case, not {bead_id!r}"
        try:
            # The envelope's keys sort around the body, so that the whole is canonical because the body is.
            data = f'{{"body":{text}{_tail(kind, size, leaf, ts)}'.encode()
        except UnicodeEncodeError as error:
            raise NotCanonical(Flaw.LONE_SURROGATE, error.reason) from error
        assert len(data) <= SIZE_MAX, f"a {kind} of {len(data)} bytes is no bead"
        bead = Sealed(size, kind, bead_id, data, leaf_hash(data), ts, leaf, said)
        sealed.append(bead)
        size, leaf = size + 1, bead.leaf.hex()
    return tuple(sealed)


def _tail(kind: str, size: int, leaf: str, ts: str) -> str:
    """The envelope after the body."""
    return f',"kind":"{kind}","prev":"{leaf}","seq":{size},"ts":"{ts}","v":1}}'


def unseal(data: bytes) -> Result[Sealed, Flaw | Lie]:
    """Read the bytes of a bead, strictly; its place in the chain is for `link` to judge."""
    known = _at_once(data)
    return _piece_by_piece(data) if known is None else Success(known)


_SEALED: Final = maker(Sealed)
_ENVELOPE: Final = re.compile(
    r'\{"body":(\{.*\}),"kind":"([A-Z0-9_]+)","prev":"([0-9a-f]{64})","seq":(0|[1-9][0-9]{0,14}),"ts":"([^"]+)","v":1\}',
    re.ASCII | re.DOTALL,
)


def _at_once(data: bytes) -> Sealed | None:
    """A bead of a known kind that is as we would write it; of any other the slow way says what it is."""
    if len(data) > SIZE_MAX:
        return None
    try:
        found = _ENVELOPE.fullmatch(data.decode())
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    text, kind, prev, seq, ts = found.groups()
    try:
        said = said_in(kind, text) if instant_of(ts) is not None else None
    except ValueError:
        return None
    return None if said is None else _SEALED(int(seq), kind, said.bead_id, data, leaf_hash(data), ts, prev, said)


def _piece_by_piece(data: bytes) -> Result[Sealed, Flaw | Lie]:
    read = decode(data)
    if not is_successful(read):
        return Failure(read.failure())
    envelope = read.unwrap()
    if not isinstance(envelope, dict) or envelope.keys() != _KEYS:
        return Failure(Lie.BAD_ENVELOPE)
    seq, ts, kind, prev, body = (envelope[key] for key in ("seq", "ts", "kind", "prev", "body"))
    version = envelope["v"]
    if not (
        type(version) is int
        and version == VERSION
        and type(seq) is int
        and seq >= 0
        and isinstance(ts, str)
        and _is_instant(ts)
        and isinstance(kind, str)
        and _KIND.fullmatch(kind)
        and isinstance(prev, str)
        and _HASH.fullmatch(prev)
        and isinstance(body, dict)
        and isinstance(bead_id := body.get("bead_id"), str)
        and _BEAD_ID.fullmatch(bead_id)
    ):
        return Failure(Lie.BAD_ENVELOPE)
    return Success(Sealed(seq, kind, bead_id, data, leaf_hash(data), ts, prev))


def link(head: Head, data: bytes) -> Result[Sealed, ChainFault]:
    """The bead that these bytes are, if they are the one that follows this head."""
    found = linked(head.size, head.leaf, data)
    return Failure(found) if isinstance(found, ChainFault) else Success(found)


def linked(size: int, leaf: str, data: bytes) -> Sealed | ChainFault:
    """The same for whoever reads a whole log: bead after bead, nothing is wrapped."""
    bead = _at_once(data)
    if bead is None:
        read = _piece_by_piece(data)
        if not is_successful(read):
            return ChainFault(read.failure(), size)
        bead = read.unwrap()
    if bead.seq != size:
        return ChainFault(Lie.BAD_SEQ, size)
    if bead.prev != leaf:
        return ChainFault(Lie.BAD_PREV, size)
    return bead


def verify_chain(beads: Iterable[bytes], head: Head = EMPTY) -> Result[Head, ChainFault]:
    """The head that these bytes lead to, or the first lie. A cut tail leaves no trace here: compare the head."""
    seen: set[str] = set()
    for data in beads:
        linked = link(head, data)
        if not is_successful(linked):
            return Failure(linked.failure())
        bead = linked.unwrap()
        if bead.bead_id in seen:
            return Failure(ChainFault(Lie.DUPLICATE_BEAD_ID, bead.seq))
        seen.add(bead.bead_id)
        head = bead.head
    return Success(head)


def assert_follows(head: Head, beads: Sequence[Sealed]) -> Head:
    """The positive rule at every write: these beads are whole, each its own, and follow each other from this head."""
    size, leaf = head.size, head.leaf
    for bead in beads:
        assert bead.seq == size, f"bead {bead.seq} is not number {size}"
        assert bead.data.endswith(_tail(bead.kind, size, leaf, bead.ts).encode()), (
            f"bead {bead.seq} does not say that it follows {leaf}"
        )
        assert bead.leaf == leaf_hash(bead.data), f"bead {bead.seq} does not carry the hash of its bytes"
        size, leaf = size + 1, bead.leaf.hex()
    assert len(beads) == 1 or len({bead.bead_id for bead in beads}) == len(beads), "every bead has an id of its own"
    return Head(size, leaf)


def _is_instant(ts: str) -> bool:
    try:
        _ = utc_of(ts, "ts")
    except BadInput:
        return False
    return True


# What a store of beads may answer, whichever it is.


@frozen
class Conflict:
    """Nothing was written: the log does not end where the decision was made, or `known` is a bead it holds already."""

    expected: Head
    actual: Head
    known: str | None = None


@frozen
class StateSnapshot:
    """The state of a desk after `size` beads; `schema` says how to read `data`. Never older than what proves it."""

    size: int
    root: bytes = field(repr=lambda root: root.hex())
    schema: str
    data: bytes = field(repr=False)


class Fault(Named):
    """How a store failed, by what holds afterwards (docs/spec/log.md, section 7)."""

    FULL = "FULL"
    IO = "IO"
    UNKNOWN = "UNKNOWN"
    BUSY = "BUSY"
    CORRUPT = "CORRUPT"
    READ_ONLY = "READ_ONLY"
    CLOSED = "CLOSED"
    FOREIGN = "FOREIGN"


class StoreFault(Exception):
    """The disk or the database failed. After UNKNOWN the beads may be there or not; after all others they are not."""

    def __init__(self, kind: Fault, detail: str) -> None:
        """Keep the kind apart from the words, which are the database's."""
        self.kind, self.detail = kind, detail
        super().__init__(f"{kind}: {detail}")
