"""The verifier's own Ed25519 against the published vectors, the library that Phoenix uses, and every known laxness."""

from __future__ import annotations

import hashlib
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from phoenix_adapters import phoenix_verify
from phoenix_adapters.keys.sshsig import ed25519_verifies
from phoenix_adapters.phoenix_verify import ORDER, PRIME, Point, add, decoded, double, encoded, signs
from tests.keyring import software_pen

PEN: Final = software_pen("anna")
# RFC 8032, 7.1: TEST 1, TEST 2 and TEST 3, each as public key, message, signature.
VECTORS: Final = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_published_vectors(key: str, message: str, signature: str) -> None:
    """RFC 8032's own signatures are true, for both implementations."""
    words = (bytes.fromhex(key), bytes.fromhex(signature), bytes.fromhex(message))
    assert signs(*words)
    assert ed25519_verifies(*words)
    assert not signs(words[0], words[1], words[2] + b"x")


def times(scalar: int, point: Point) -> Point:
    """A point so many times."""
    total = phoenix_verify.NEUTRAL
    for bit in f"{scalar:b}":
        total = double(total)
        total = add(total, point) if bit == "1" else total
    return total


def weak_points() -> list[Point]:
    """The eight points of small order: multiples of one of order eight."""
    eighth = decoded(phoenix_verify.ORDER_EIGHT_Y.to_bytes(32, "little"))
    assert eighth is not None
    return [times(n, eighth) for n in range(8)]


def test_the_group() -> None:
    """The base point has the group's order, the weak points have order eight, and all weak spellings are known."""
    assert encoded(times(ORDER, phoenix_verify.BASE)) == encoded(phoenix_verify.NEUTRAL)
    spelt = {encoded(point) for point in weak_points()}
    assert len(spelt) == 8
    assert not any(phoenix_verify.is_strong(point) for point in spelt)
    assert encoded(times(8, weak_points()[1])) == encoded(phoenix_verify.NEUTRAL)


def test_every_encoding_beyond_the_prime_is_refused() -> None:
    """The 19 values of y from the prime on are second spellings, with either sign."""
    for y in range(PRIME, 2**255):
        for sign in (0, 1 << 255):
            assert not phoenix_verify.is_strong((y | sign).to_bytes(32, "little"))
            assert not ed25519_verifies((y | sign).to_bytes(32, "little"), bytes(64), b"")


class TestLaxness:
    """Signatures that some libraries believe: neither the verifier nor the desk does."""

    def refused(self, point: bytes, raw: bytes, message: bytes) -> bool:
        """Whether both say no."""
        return not signs(point, raw, message) and not ed25519_verifies(point, raw, message)

    def test_weak_keys(self) -> None:
        """Under each weak key some S makes any message true: R is S times the base, less a weak remainder."""
        believed_by_the_equation = 0
        for point in weak_points():
            for n in range(64):
                raw = encoded(times(n, phoenix_verify.BASE)) + n.to_bytes(32, "little")
                believed_by_the_equation += phoenix_verify.ed25519(encoded(point), raw, b"pay eve")
                assert self.refused(encoded(point), raw, b"pay eve")
        assert believed_by_the_equation > 64, "the attack is real: without the check it would pass"

    def test_weak_r(self) -> None:
        """A signer can make an R of small order; it then says nothing about who made it when."""
        half = hashlib.sha512(PEN.private.private_bytes_raw()).digest()[:32]
        secret = (int.from_bytes(half, "little") & ((1 << 254) - 8)) | 1 << 254
        r = encoded(phoenix_verify.NEUTRAL)
        h = int.from_bytes(hashlib.sha512(r + PEN.public.point + b"m").digest(), "little")
        raw = r + (h * secret % ORDER).to_bytes(32, "little")
        assert phoenix_verify.ed25519(PEN.public.point, raw, b"m"), "the attack is real"
        assert self.refused(PEN.public.point, raw, b"m")

    @pytest.mark.parametrize("times_order", [1, 2, 15])
    def test_larger_s(self, times_order: int) -> None:
        """S plus a multiple of the order is equal, and another signature."""
        raw = PEN.private.sign(b"m")
        s = int.from_bytes(raw[32:], "little") + times_order * ORDER
        changed = raw[:32] + s.to_bytes(32, "little")
        assert phoenix_verify.ed25519(PEN.public.point, changed, b"m"), "the attack is real"
        assert self.refused(PEN.public.point, changed, b"m")

    def test_the_cofactor_does_not_help(self) -> None:
        """R moved by a weak point is true only for who multiplies by eight: here it is not."""
        r_secret = 12345
        key_secret = 54321
        point = encoded(times(key_secret, phoenix_verify.BASE))
        r = encoded(add(times(r_secret, phoenix_verify.BASE), weak_points()[1]))
        h = int.from_bytes(hashlib.sha512(r + point + b"m").digest(), "little")
        raw = r + ((r_secret + h * key_secret) % ORDER).to_bytes(32, "little")
        assert self.refused(point, raw, b"m")

    @pytest.mark.parametrize("raw", [b"", bytes(63), bytes(65)])
    def test_other_lengths(self, raw: bytes) -> None:
        """32 and 64 bytes, nothing else."""
        assert self.refused(PEN.public.point, raw, b"m")
        assert self.refused(PEN.public.point[:31], PEN.private.sign(b"m"), b"m")


class TestBothImplementations:
    """The verifier's Ed25519 and the desk's say the same of anything."""

    @given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
    def test_true_and_flipped(self, seed: bytes, message: bytes, bit: int) -> None:
        """A true signature, and the same with one bit flipped."""
        private = Ed25519PrivateKey.from_private_bytes(seed)
        point, raw = private.public_key().public_bytes_raw(), private.sign(message)
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        assert signs(point, raw, message)
        assert ed25519_verifies(point, raw, message)
        assert not signs(point, bytes(flipped), message)
        assert not ed25519_verifies(point, bytes(flipped), message)

    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.binary(max_size=10))
    def test_noise(self, point: bytes, raw: bytes, message: bytes) -> None:
        """Noise is never believed, and never an exception."""
        assert not signs(point, raw, message)
        assert not ed25519_verifies(point, raw, message)


class TestEachRule:
    """What each rule alone lets through and stops: none leans on another."""

    def test_points_that_do_not_exist(self) -> None:
        """Half of all y have no x; such a key verifies nothing, and is no exception."""
        spelt = [y.to_bytes(32, "little") for y in range(2, 40)]
        found = [decoded(point) is not None for point in spelt]
        assert found == [has_x(y) for y in range(2, 40)]
        raw = PEN.private.sign(b"m")
        for point, is_there in zip(spelt, found, strict=True):
            assert (phoenix_verify.minus_row(point) is not None) is is_there
            assert not phoenix_verify.ed25519(point, raw, b"m")

    def test_encodings_come_back(self) -> None:
        """Both signs of x, for points with either square root: decoded and encoded, they are the same bytes."""
        spelt = [(y | sign).to_bytes(32, "little") for y in range(2, 40) if has_x(y) for sign in (0, 1 << 255)]
        points = [decoded(each) for each in spelt]
        assert [encoded(point) for point in points if point is not None] == spelt
        for point in points:
            assert point is not None
            x, y, z, t = point
            assert (z, t) == (1, x * y % PRIME)
            assert (y * y - x * x - 1 - phoenix_verify.CURVE_D * x * x * y * y) % PRIME == 0

    def test_the_multiples(self) -> None:
        """0 to 15 times, and no row is shorter; the sum of two is the multiple of their sum."""
        row = phoenix_verify.multiples(phoenix_verify.BASE)
        assert [encoded(point) for point in row] == [encoded(times(n, phoenix_verify.BASE)) for n in range(16)]
        assert encoded(add(row[7], row[8])) == encoded(row[15])
        assert encoded(double(row[7])) == encoded(row[14])
        assert encoded(add(row[5], row[5])) == encoded(double(row[5])) == encoded(row[10])
        mirrored = phoenix_verify.minus_row(encoded(row[3]))
        assert mirrored is not None
        assert encoded(add(mirrored[4], row[12])) == encoded(phoenix_verify.NEUTRAL)
        x, y, z, t = mirrored[1]
        assert (x * y - z * t) % PRIME == 0

    def test_the_bound_of_s(self) -> None:
        """The order itself is the first that is refused; R does not count."""
        for s, good in ((0, True), (ORDER - 1, True), (ORDER, False), (ORDER + 1, False), (2**256 - 1, False)):
            assert phoenix_verify.scalar_in_range(b"\xff" * 32 + s.to_bytes(32, "little")) is good

    def test_strong_points(self) -> None:
        """Weak with either sign; the last y below the prime is weak, the one before it is not."""
        for y, good in ((0, False), (1, False), (2, True), (PRIME - 2, True), (PRIME - 1, False), (PRIME, False)):
            for sign in (0, 1 << 255):
                assert phoenix_verify.is_strong((y | sign).to_bytes(32, "little")) is good
        assert not phoenix_verify.is_strong(b"\xff" * 32)

    @pytest.mark.parametrize("weak", range(8))
    def test_signs_asks_for_a_strong_r(self, weak: int) -> None:
        """Every R of small order is refused where the key is a good one."""
        raw = encoded(weak_points()[weak]) + PEN.private.sign(b"m")[32:]
        assert not signs(PEN.public.point, raw, b"m")

    def test_lengths_are_exact(self) -> None:
        """A byte more or less of key or signature; nothing is cut to fit."""
        point, raw = PEN.public.point, PEN.private.sign(b"m")
        assert signs(point, raw, b"m")
        for other in (point[:-1], point + b"\0", b""):
            assert not signs(other, raw, b"m")
        for other in (raw[:-1], raw + b"\0", b"", raw[:32]):
            assert not signs(point, other, b"m")

    def test_each_bit(self) -> None:
        """One bit of the key, the signature or the message flipped: no other is this signature."""
        point, raw, message = PEN.public.point, PEN.private.sign(b"message"), b"message"
        whole = point + raw + message
        for bit in range(0, len(whole) * 8, 7):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            assert not signs(bytes(flipped[:32]), bytes(flipped[32:96]), bytes(flipped[96:]))

    def test_a_hundred_and_one_keys(self) -> None:
        """More keys than are remembered: none is taken for another."""
        pens = [software_pen(f"pen {n}") for n in range(101)]
        for pen, other in zip(pens, [*pens[1:], pens[0]], strict=True):
            assert signs(pen.public.point, pen.private.sign(b"m"), b"m")
            assert not signs(other.public.point, pen.private.sign(b"m"), b"m")


def has_x(y: int) -> bool:
    """Whether a point with this y exists, by Euler's criterion alone."""
    square = (y * y - 1) * pow(phoenix_verify.CURVE_D * y * y + 1, PRIME - 2, PRIME) % PRIME
    return pow(square, (PRIME - 1) // 2, PRIME) in (0, 1)
