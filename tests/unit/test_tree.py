"""The Merkle tree against RFC 6962's own recursive definitions."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.tree import (
    EMPTY_FRONTIER,
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.showing import shows

UP_TO: Final = 34  # one more than a power of two: every shape of a small tree
LEAVES: Final = [leaf_hash(b"%d" % n) for n in range(UP_TO)]


def mth(entries: list[bytes]) -> bytes:
    """MTH(D[n]) as RFC 6962 writes it, over entries rather than leaf hashes."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


class TestRoot:
    """Of I7 (chain): the root that a frontier keeps is the root of RFC 6962."""

    @given(st.lists(st.binary(max_size=4), max_size=70))
    @shows("I7")
    def test_frontier_is_the_naive_tree(self, entries: list[bytes]) -> None:
        """However the leaves arrive, the frontier's root is MTH of them all."""
        leaves = [leaf_hash(e) for e in entries]
        assert root_of(leaves) == mth(entries)

    @given(st.integers(0, 70), st.integers(0, 70))
    def test_extending_in_two_steps_is_extending_in_one(self, first: int, second: int) -> None:
        """A frontier that was written down and read back goes on as if nothing had happened."""
        leaves = [leaf_hash(b"%d" % n) for n in range(first + second)]
        half = EMPTY_FRONTIER.extend(leaves[:first])
        again = Frontier.of_bytes(half.size, half.to_bytes())
        assert again == half
        assert again.extend(leaves[first:]) == EMPTY_FRONTIER.extend(leaves)

    def test_the_published_values(self) -> None:
        """The empty root and the roots of Certificate Transparency's test tree."""
        entries = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
        entries.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
        roots = {
            0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        }
        assert {n: root_of(map(leaf_hash, entries[:n])).hex() for n in roots} == roots
        assert EMPTY_FRONTIER.root() == EMPTY_ROOT

    @pytest.mark.parametrize(("size", "peaks"), [(-1, b""), (0, b"x"), (1, b""), (3, bytes(32)), (2, bytes(33))])
    def test_peaks_of_another_size_are_not_read(self, size: int, peaks: bytes) -> None:
        """A damaged row is noticed where it is read."""
        with pytest.raises(ValueError, match="not the peaks"):
            Frontier.of_bytes(size, peaks)

    def test_no_tree_has_fewer_than_no_leaves(self) -> None:
        """A size below nothing has as many ones as the size above it."""
        with pytest.raises(ValueError, match="not the peaks"):
            Frontier.of_bytes(-1, bytes(32))


class TestInclusion:
    """A proof of inclusion holds for its leaf, index, size and root, and for nothing else."""

    @shows("I7")
    def test_every_leaf_of_every_small_tree(self) -> None:
        """Each (size, index) has a proof, no longer than the tree is high, and it verifies."""
        for size in range(1, UP_TO):
            root = root_of(LEAVES[:size])
            for index in range(size):
                proof = inclusion_proof(LEAVES[:size], index)
                assert len(proof) <= (size - 1).bit_length()
                assert verify_inclusion(root, size, index, LEAVES[index], proof)

    def test_nothing_else(self) -> None:
        """Another index, leaf, root, or a proof changed, cut or lengthened: refused, in every tree of up to 17."""
        for size in range(1, 18):
            root = root_of(LEAVES[:size])
            for index in range(size):
                leaf, proof = LEAVES[index], inclusion_proof(LEAVES[:size], index)
                assert [verify_inclusion(root, size, i, leaf, proof) for i in range(-1, size + 1)] == [
                    i == index for i in range(-1, size + 1)
                ]
                assert not verify_inclusion(root, size, index, LEAVES[-1], proof)
                assert not verify_inclusion(bytes(32), size, index, leaf, proof)
                assert not verify_inclusion(root, size, index, leaf, (*proof, bytes(32)))
                for at in range(len(proof)):
                    assert not verify_inclusion(root, size, index, leaf, proof[:at] + proof[at + 1 :])
                    assert not verify_inclusion(root, size, index, leaf, (*proof[:at], bytes(32), *proof[at + 1 :]))

    def test_an_inner_node_is_no_leaf(self) -> None:
        """The node over two leaves does not pass for an entry of a smaller tree with the same root."""
        root = root_of(LEAVES[:4])
        left, right = root_of(LEAVES[:2]), root_of(LEAVES[2:4])
        assert root == root_of([left, right])
        assert leaf_hash(LEAVES[0] + LEAVES[1]) != left

    def test_only_what_is_there_can_be_proved(self) -> None:
        """Asking for a proof of what is not in the log is our bug."""
        for size, index in ((0, 0), (3, 3), (3, -1)):
            with pytest.raises(AssertionError):
                inclusion_proof(LEAVES[:size], index)


class TestConsistency:
    """A proof of consistency holds for a log and its own past, and for nothing else."""

    @shows("I7")
    def test_every_past_of_every_small_tree(self) -> None:
        """Each (old, new) has a proof, and it verifies."""
        for new in range(UP_TO):
            for old in range(new + 1):
                proof = consistency_proof(LEAVES[:new], old)
                assert verify_consistency(old, root_of(LEAVES[:old]), new, root_of(LEAVES[:new]), proof)

    def test_nothing_else(self) -> None:
        """A past that was rewritten, or a proof changed, cut or lengthened, is refused."""
        other = [leaf_hash(b"other"), *LEAVES[1:]]
        for new in range(1, 18):
            new_root = root_of(LEAVES[:new])
            for old in range(1, new + 1):
                old_root, proof = root_of(LEAVES[:old]), consistency_proof(LEAVES[:new], old)
                assert not verify_consistency(old, root_of(other[:old]), new, new_root, proof)
                assert not verify_consistency(old, old_root, new, root_of(other[:new]), proof)
                assert not verify_consistency(
                    old, root_of(other[:old]), new, new_root, consistency_proof(other[:new], old)
                )
                assert not verify_consistency(old, old_root, new, new_root, (*proof, bytes(32)))
                assert old == new or not verify_consistency(old, old_root, new, new_root, ())
                assert not verify_consistency(new + 1, old_root, new, new_root, proof)
                for at in range(len(proof)):
                    cut, changed = proof[:at] + proof[at + 1 :], (*proof[:at], bytes(32), *proof[at + 1 :])
                    assert not verify_consistency(old, old_root, new, new_root, cut)
                    assert not verify_consistency(old, old_root, new, new_root, changed)

    def test_an_empty_past_proves_nothing_and_claims_nothing(self) -> None:
        """Size 0 has one root and an empty proof; anything else in its name is refused."""
        root = root_of(LEAVES[:3])
        assert verify_consistency(0, EMPTY_ROOT, 3, root, ())
        assert verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
        assert not verify_consistency(0, root, 3, root, ())
        assert not verify_consistency(0, EMPTY_ROOT, 3, root, (root,))
        assert not verify_consistency(0, EMPTY_ROOT, 0, root, ())
        assert not verify_consistency(-1, EMPTY_ROOT, 3, root, ())

    def test_the_past_is_not_longer_than_the_present(self) -> None:
        """Asking for the impossible proof is our bug."""
        with pytest.raises(AssertionError):
            consistency_proof(LEAVES[:3], 4)


class TestSizesAreTrue:
    """Proofs that fit the hashes and not the sizes: a step too many, a step too few, a size below nothing."""

    def test_a_leaf_of_a_larger_tree(self) -> None:
        """The root of two leaves is no root of one, whatever stands beside the leaf."""
        root = root_of(LEAVES[:2])
        assert verify_inclusion(root, 2, 1, LEAVES[1], [LEAVES[0]])
        assert not verify_inclusion(root, 1, 0, LEAVES[1], [LEAVES[0]])

    @pytest.mark.parametrize("old", range(1, 9))
    def test_one_step_too_many(self, old: int) -> None:
        """Both roots moved up by the same neighbour: the trees would need to be larger than they say."""
        for new in range(old + 1, 10):
            proof, more = consistency_proof(LEAVES[:new], old), leaf_hash(b"more")
            roots = root_of(LEAVES[:old]), root_of(LEAVES[:new])
            assert verify_consistency(old, roots[0], new, roots[1], proof)
            moved = [node_hash(more, root) for root in roots]
            assert not verify_consistency(old, moved[0], new, moved[1], [*proof, more])

    @pytest.mark.parametrize("old", range(1, 9))
    def test_one_step_too_few(self, old: int) -> None:
        """The proof of a smaller tree proves no larger one."""
        for new in range(old + 1, 10):
            proof = consistency_proof(LEAVES[:new], old)
            for said in range(2 * new, 40):
                assert not verify_consistency(old, root_of(LEAVES[:old]), said, root_of(LEAVES[:new]), proof)
