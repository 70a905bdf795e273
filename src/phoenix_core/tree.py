"""The Merkle tree over the log (RFC 6962): roots, inclusion proofs, consistency proofs.

A root of 32 bytes stands for all history. With a proof of a few dozen hashes anybody can check that a bead is in it, or
that one history is the beginning of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from attrs import frozen

EMPTY_ROOT: Final = sha256(b"").digest()
HASH_BYTES: Final = 32


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry; the 0x00 keeps an entry from passing for an inner node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return sha256(b"\x01" + left + right).digest()


@frozen
class Frontier:
    """The roots of the perfect subtrees, largest first: all that a log must remember to grow and to know its root."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __attrs_post_init__(self) -> None:
        """One peak for each 1 in the binary size."""
        assert self.size >= 0, "a log has no negative size"
        assert len(self.peaks) == self.size.bit_count(), "the peaks are those of this size"

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaves: O(log n) memory, two hashes a leaf on average."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            carry, node = size, leaf
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The root of the whole log."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root

    def to_bytes(self) -> bytes:
        """The peaks in one row; their number follows from the size."""
        return b"".join(self.peaks)

    @classmethod
    def of_bytes(cls, size: int, peaks: bytes) -> Frontier:
        """Read a row of peaks back; raises `ValueError` where it is not one of this size."""
        if size < 0 or len(peaks) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"{len(peaks)} bytes are not the peaks of {size} leaves")
        return cls(size, tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)))


EMPTY_FRONTIER: Final = Frontier()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root of these leaves."""
    return EMPTY_FRONTIER.extend(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The path from one leaf up to the root of all of them: RFC 6962, PATH(m, D[n])."""
    assert 0 <= index < len(leaves), "only what is in the log can be proved to be"
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root_of(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split]))


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """That the tree of the first `old_size` leaves is the beginning of this one: RFC 6962, PROOF(m, D[n])."""
    assert 0 <= old_size <= len(leaves), "a log is consistent only with its own past"
    return () if old_size == 0 else _consistency(leaves, old_size, whole=True)


def _consistency(leaves: Sequence[bytes], old_size: int, whole: bool) -> tuple[bytes, ...]:
    """RFC 6962, SUBPROOF(m, D[n], b): `whole` while the old tree is a complete subtree that its owner knows already."""
    if old_size == len(leaves):
        return () if whole else (root_of(leaves),)
    split = _split(len(leaves))
    if old_size <= split:
        return (*_consistency(leaves[:split], old_size, whole), root_of(leaves[split:]))
    return (*_consistency(leaves[split:], old_size - split, whole=False), root_of(leaves[:split]))


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof puts this leaf at this index of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof makes the old tree the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size.bit_count() == 1:
        # A perfect old tree is a node of the new one; the proof leaves out what its reader holds.
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == new_root
