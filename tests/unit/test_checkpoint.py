"""Checkpoints and proofs: the texts of C2SP, signed with a real key, and everything that is not quite one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import pytest
from attrs import frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_core.chain import Head
from phoenix_core.checkpoint import (
    NOTE_CHARS_MAX,
    Checkpoint,
    NoteFault,
    Signer,
    Standing,
    Verifying,
    behind,
    check_continuation,
    check_proof,
    continuation_text,
    ed25519_key_id,
    next_checkpoint,
    open_note,
    parse_note,
    proof_text,
    sign_note,
)
from phoenix_core.tree import Frontier, consistency_proof, inclusion_proof, leaf_hash, root_of
from tests.showing import shows

ORIGIN: Final = "phoenix.example/desk/paper"
LEAVES: Final = [leaf_hash(b"%d" % n) for n in range(12)]
POINT: Final = Checkpoint(ORIGIN, 12, root_of(LEAVES))


def key_pair(seed: int, name: str = ORIGIN) -> tuple[Signer, Verifying]:
    """A real Ed25519 key, the same for the same seed."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = private.public_key()
    key_id = ed25519_key_id(name, public.public_bytes_raw())

    def verify(message: bytes, signature: bytes) -> bool:
        try:
            public.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return Signer(name, key_id, private.sign), Verifying(name, key_id, verify)


SIGNER, KEY = key_pair(1)
WITNESS, WITNESS_KEY = key_pair(2, "witness.example")
NOTE: Final = sign_note(POINT, SIGNER, WITNESS)


class TestNote:
    """A note is believed for exactly the text that the key signed."""

    def test_its_form(self) -> None:
        """Three lines, an empty one, a line for each signer."""
        root, line = (
            base64.b64encode(POINT.root).decode(),
            base64.b64encode(SIGNER.key_id + SIGNER.sign(POINT.text().encode())),
        )
        assert NOTE.startswith(f"{ORIGIN}\n12\n{root}\n\n— {ORIGIN} {line.decode()}\n— witness.example ")
        assert NOTE.count("\n") == 6

    @shows("I7")
    def test_each_signer_is_found(self) -> None:
        """Each key opens the note by its own line; a key that did not sign does not."""
        assert open_note(NOTE, KEY).unwrap() == open_note(NOTE, WITNESS_KEY).unwrap() == POINT
        assert open_note(NOTE, key_pair(3)[1]).failure() is NoteFault.BAD_SIGNATURE
        assert open_note("", KEY).failure() is NoteFault.BAD_CHECKPOINT

    def test_the_key_id_of_the_standard(self) -> None:
        """The key of the Go checksum database, as everybody knows it: sum.golang.org+033de0ae+Ac4z..."""
        public = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
        assert public[:1] == b"\x01"
        assert ed25519_key_id("sum.golang.org", public[1:]).hex() == "033de0ae"

    @given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
    @shows("I20")
    def test_no_byte_is_free(self, at: int, flip: int) -> None:
        """Any byte changed up to the end of the log's own signature line: not believed."""
        raw = bytearray(NOTE.encode())
        raw[at] ^= flip
        own_line_ends = len(sign_note(POINT, SIGNER).encode())
        text = raw.decode("utf-8", "replace")
        opened = open_note(text, KEY)
        assert not is_successful(opened) if at < own_line_ends else opened.value_or(POINT) == POINT

    def test_twice_by_one_key_is_by_none(self) -> None:
        """Two lines of the same key let a reader believe either, so neither is believed."""
        assert open_note(sign_note(POINT, SIGNER, SIGNER), KEY).failure() is NoteFault.BAD_SIGNATURE

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda n: n[:-1],
            lambda n: n + "\n",
            lambda n: n + "— x\n",
            lambda n: n.replace("\n\n", "\n"),
            lambda n: n.replace("\n\n", "\nextension\n\n"),
            lambda n: n.replace("\n12\n", "\n012\n"),
            lambda n: n.replace("\n12\n", "\n-12\n"),
            lambda n: n.replace("\n12\n", "\n\u0661\n"),
            lambda n: n.replace("=\n\n", "\n\n"),
            lambda n: n.replace(ORIGIN + "\n12", "two words\n12"),
            lambda n: n.replace(ORIGIN + "\n12", "plus+plus\n12"),
            lambda n: n.replace(ORIGIN + "\n12", "\n12"),
            lambda n: n.replace("— ", "- "),
            lambda n: n.replace("—", " —"),
            lambda n: n.replace("\n", "\r\n"),
            lambda n: f"{ORIGIN}\n12\nAAAA\n\n" + n.partition("\n\n")[2],
            lambda n: n.partition("\n\n")[0] + "\n\n",
            lambda n: n.partition("\n\n")[0] + f"\n\n— {ORIGIN} AAAAAA==\n",
            lambda n: n.partition("\n\n")[0] + "\n\n" + n.partition("\n\n")[2] * 9,
            lambda n: n + f"— x {'A' * NOTE_CHARS_MAX}\n",
        ],
    )
    def test_what_is_not_quite_a_note(self, spoil: Callable[[str], str]) -> None:
        """One spelling: anything else is no checkpoint."""
        assert is_successful(parse_note(NOTE))
        assert parse_note(spoil(NOTE)).failure() is NoteFault.BAD_CHECKPOINT

    def test_base64_has_one_spelling(self) -> None:
        """Stray bits in the last character say the same bytes in other words; they are refused."""
        line = base64.b64encode(bytes(32)).decode()
        assert base64.b64decode(line[:-2] + "B=") == bytes(32)
        assert parse_note(f"{ORIGIN}\n0\n{line[:-2]}B=\n\n— {ORIGIN} AAAAAAAA\n").failure() is NoteFault.BAD_CHECKPOINT
        assert is_successful(parse_note(f"{ORIGIN}\n0\n{line}\n\n— {ORIGIN} AAAAAAAA\n"))

    @pytest.mark.parametrize("origin", ["", "a b", "a+b", "ä", "a\nb", "x" * 256])
    def test_an_origin_that_would_not_read_back_is_not_signed(self, origin: str) -> None:
        """Nor is a note without a signer."""
        with pytest.raises(AssertionError):
            sign_note(Checkpoint(origin, 0, bytes(32)), SIGNER)
        with pytest.raises(AssertionError):
            sign_note(POINT)


class TestProof:
    """The proof of one bead is one text that needs the log's key and the bead, and nothing else."""

    @shows("I7")
    def test_every_bead_has_one(self) -> None:
        """Each of twelve beads is proved at its own number, and no other bead is."""
        for n, leaf in enumerate(LEAVES):
            text = proof_text(n, inclusion_proof(LEAVES, n), NOTE)
            assert check_proof(text, leaf, KEY).unwrap() == (n, POINT)
            assert check_proof(text, LEAVES[n - 1], KEY).failure() is NoteFault.BAD_PROOF

    def test_its_form(self) -> None:
        """As the standard writes it, with no hash line in a log of one bead."""
        one = sign_note(Checkpoint(ORIGIN, 1, LEAVES[0]), SIGNER)
        assert proof_text(0, (), one) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{one}"
        assert check_proof(proof_text(0, (), one), LEAVES[0], KEY).unwrap()[0] == 0

    def test_of_another_log_of_the_same_key(self) -> None:
        """A home was copied, and two logs share a key: the proof of one is moved to the other, its line renamed."""
        there, _ = key_pair(1, "phoenix.example/other")
        moved = sign_note(Checkpoint(there.name, 12, POINT.root), SIGNER)  # true over this text, and named as ours
        assert open_note(moved, KEY).unwrap().origin == there.name
        assert check_proof(proof_text(3, inclusion_proof(LEAVES, 3), moved), LEAVES[3], KEY).failure() is (
            NoteFault.BAD_PROOF
        )
        old = Checkpoint(there.name, 5, root_of(LEAVES[:5]))
        text = continuation_text(5, consistency_proof(LEAVES, 5), moved)
        assert check_continuation(text, old, KEY).failure() is NoteFault.BAD_PROOF

    def test_extra_is_read_over(self) -> None:
        """The optional line says nothing that anyone signed."""
        text = proof_text(3, inclusion_proof(LEAVES, 3), NOTE).replace("index", "extra AAAA\nindex")
        assert check_proof(text, LEAVES[3], KEY).unwrap() == (3, POINT)

    @pytest.mark.parametrize(
        ("fault", "spoil"),
        [
            (NoteFault.BAD_PROOF, lambda t: t.replace("@v1", "@v2")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3", "index 03")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3", "index 4")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3", "index 99")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3", "3")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3\n", "")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("\nindex 3", "\nextra x\nextra y\nindex 3")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3\n", "index 3\nAAAA\n")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("index 3\n", "index 3\n!\n")),
            (NoteFault.BAD_PROOF, lambda t: t.partition("\n\n")[0]),
            (NoteFault.BAD_PROOF, lambda t: "c2sp.org/tlog-proof@v1\n\n" + t.partition("\n\n")[2]),
            (NoteFault.BAD_PROOF, lambda t: "c2sp.org/tlog-proof@v1\nextra A\n\n" + t.partition("\n\n")[2]),
            (NoteFault.BAD_CHECKPOINT, lambda t: t[:-1]),
            (NoteFault.BAD_SIGNATURE, lambda t: t.replace("\n12\n", "\n13\n")),
        ],
    )
    def test_what_is_not_quite_a_proof(self, fault: NoteFault, spoil: Callable[[str], str]) -> None:
        """Each way of being wrong has its reason."""
        text = proof_text(3, inclusion_proof(LEAVES, 3), NOTE)
        assert check_proof(spoil(text), LEAVES[3], KEY).failure() is fault


class TestContinuation:
    """The proof that a log goes on from an older checkpoint needs that checkpoint and the log's key, nothing else."""

    def proof(self, old: int) -> str:
        """From the first so many of twelve beads."""
        return continuation_text(old, consistency_proof(LEAVES, old), NOTE)

    @shows("I7")
    def test_from_every_past(self) -> None:
        """From nothing, from each bead, from itself; and from no other history of that length."""
        for size in range(len(LEAVES) + 1):
            old = Checkpoint(ORIGIN, size, root_of(LEAVES[:size]))
            assert check_continuation(self.proof(size), old, KEY).unwrap() == POINT
            other = Checkpoint(ORIGIN, size, root_of([*LEAVES[1:size], bytes(32)]))
            assert check_continuation(self.proof(size), other, KEY).failure() is NoteFault.BAD_PROOF

    def test_its_form(self) -> None:
        """As C2SP's witnesses read it; no hash line where nothing was before."""
        assert self.proof(0) == f"old 0\n\n{NOTE}"

    @pytest.mark.parametrize(
        ("fault", "spoil"),
        [
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5", "old 05")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5", "old 6")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5", "5")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5\n", "old 5\nAAAA\n")),
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5\n", "old 5\n!\n")),
            (NoteFault.BAD_PROOF, lambda t: t.partition("\n\n")[0]),
            (NoteFault.BAD_PROOF, lambda t: t.replace("old 5\n", f"old 5\n{base64.b64encode(bytes(32)).decode()}\n")),
            (NoteFault.BAD_CHECKPOINT, lambda t: t[:-1]),
            (NoteFault.BAD_SIGNATURE, lambda t: t.replace("\n12\n", "\n13\n")),
        ],
    )
    def test_what_is_not_quite_a_continuation(self, fault: NoteFault, spoil: Callable[[str], str]) -> None:
        """Each way of being wrong has its reason."""
        old = Checkpoint(ORIGIN, 5, root_of(LEAVES[:5]))
        assert check_continuation(spoil(self.proof(5)), old, KEY).failure() is fault

    def test_of_another_log(self) -> None:
        """The same beads under another name are another log."""
        old = Checkpoint("phoenix.example/other", 5, root_of(LEAVES[:5]))
        assert check_continuation(self.proof(5), old, KEY).failure() is NoteFault.BAD_PROOF


@frozen
class Leaves:
    """The smallest thing with a head and roots."""

    leaves: tuple[bytes, ...]

    def head(self) -> Head:
        """As a store has it."""
        return Head(len(self.leaves), "of no interest here")

    def root(self, size: int | None = None) -> bytes:
        """As a store has it."""
        return root_of(self.leaves[:size])


@shows("I7")
def test_how_a_store_stands_to_an_outside_checkpoint() -> None:
    """A prefix agrees; a shorter store is behind; another history is a fork, at the same size and beyond it."""
    here = Leaves(tuple(LEAVES))
    other = Leaves((bytes(32), *LEAVES[1:]))
    points = [Checkpoint(ORIGIN, n, root_of(LEAVES[:n])) for n in range(13)]
    assert {behind(here, point, ORIGIN) for point in points} == {Standing.AGREES}
    assert [behind(Leaves(tuple(LEAVES[:5])), p) for p in points[4:7]] == [
        *(Standing.AGREES, Standing.AGREES, Standing.BEHIND)
    ]
    assert {behind(other, point) for point in points[1:]} == {Standing.FORKED}
    assert behind(here, points[3], "phoenix.example/desk/live") is Standing.OTHER_LOG


@shows("I7")
def test_what_may_be_signed_next() -> None:
    """Only what follows from the note kept last: same log, same past, not shorter; anything else has its name."""
    past = [Frontier().extend(LEAVES[:n]) for n in range(13)]
    kept = (past[5], sign_note(Checkpoint(ORIGIN, 5, past[5].root()), SIGNER))

    def signed_over(
        origin: str, kept: tuple[Frontier, str] | None, leaves: list[bytes], present: Frontier
    ) -> Checkpoint | Standing:
        due = next_checkpoint(origin, kept, leaves, present)
        return due.unwrap() if is_successful(due) else due.failure()

    assert signed_over(ORIGIN, None, [], past[0]) == Checkpoint(ORIGIN, 0, root_of([]))
    for n in range(5, 13):
        assert signed_over(ORIGIN, kept, LEAVES[5:n], past[n]) == Checkpoint(ORIGIN, n, past[n].root())
    assert signed_over(ORIGIN, kept, [], past[4]) is Standing.BEHIND
    assert signed_over(ORIGIN, kept, [bytes(32)], past[6]) is Standing.FORKED
    assert signed_over(ORIGIN, (past[6], kept[1]), LEAVES[6:7], past[7]) is Standing.FORKED
    assert signed_over(ORIGIN, (past[5], "no note"), LEAVES[5:6], past[6]) is Standing.FORKED
    assert signed_over("phoenix.example/desk/live", kept, LEAVES[5:6], past[6]) is Standing.OTHER_LOG
