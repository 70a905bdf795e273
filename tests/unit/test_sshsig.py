"""SSHSIG read strictly: every attack on a signature has its own fault, and an honest twin that passes."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_adapters.keys.openssh import (
    Fault,
    KeyType,
    PrivateKey,
    PublicKey,
    armored,
    is_weak,
    parse_private_file,
    parse_public_line,
    private_file,
    string,
)
from phoenix_adapters.keys.sshsig import (
    NAMESPACE,
    VERIFIED,
    Signature,
    by_authenticator,
    ed25519_verifies,
    enclosed,
    parse_signature,
    sign,
    to_be_signed,
    verify,
)
from phoenix_adapters.keys.verifier import SshVerifier
from phoenix_core.refusals import Reason
from tests.keyring import TOUCHED, Pen, forged, hardware_pen, software_pen

STATEMENT: Final = b'{"v":1,"type":"decision","verdict":"approve"}'
LABEL: Final = "SSH SIGNATURE"
ANNA: Final = software_pen("anna")
EVE: Final = software_pen("eve")
ED: Final = string(b"ssh-ed25519")
PRIME: Final = 2**255 - 19


def judged(text: str, statement: bytes = STATEMENT) -> Fault | None:
    """What reading and verifying together say."""
    signature = parse_signature(text)
    return signature if isinstance(signature, Fault) else verify(statement, signature, NAMESPACE)


def bytes_of(text: str) -> bytes:
    """The bytes between the two lines of armor."""
    return base64.b64decode("".join(text.splitlines()[1:-1]))


@pytest.mark.parametrize("pen", [software_pen("anna"), hardware_pen("bruno")], ids=["software", "hardware"])
@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
def test_an_honest_signature_is_believed(pen: Pen, hash_name: str) -> None:
    """Both kinds of key, both hashes: read, verified, and every field is what was signed."""
    signature = parse_signature(pen.sign(STATEMENT, hash_name=hash_name))
    assert isinstance(signature, Signature)
    assert verify(STATEMENT, signature, NAMESPACE) is None
    hardware = pen.public.type is KeyType.HARDWARE
    assert (signature.key, signature.namespace, signature.hash_name) == (pen.public, NAMESPACE, hash_name)
    assert (signature.presence, signature.verification, signature.counter) == (hardware, hardware, pen.counter)


def _inner(pen: Pen, change: Callable[[bytes], bytes]) -> str:
    return forged(pen, STATEMENT, inner=change(pen.inner(to_be_signed(STATEMENT, NAMESPACE))))


def _other_s(raw: bytes) -> bytes:
    """The same signature with S + L: equal modulo the group's order, and a second spelling."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(raw[-32:], "little") + order
    return raw[:-32] + s.to_bytes(32, "little")


ANNAS_TEXT: Final = ANNA.sign(STATEMENT)
WEB: Final = hardware_pen("bruno", "webauthn.example")
ATTACKS: Final[list[tuple[str, str, Fault]]] = [
    ("too large", ANNAS_TEXT + "A" * 20_000, Fault.TOO_LARGE),
    ("no armor", ANNAS_TEXT.replace("SSH SIGNATURE", "PGP SIGNATURE"), Fault.BAD_ARMOR),
    ("no last newline", ANNAS_TEXT[:-1], Fault.BAD_ARMOR),
    ("carriage returns", ANNAS_TEXT.replace("\n", "\r\n"), Fault.BAD_ARMOR),
    ("broken elsewhere", armored(b"", LABEL).replace("\n-----E", f"\n{ANNAS_TEXT[30:40]}\n-----E"), Fault.BAD_BASE64),
    ("one long line", "\n".join([ANNAS_TEXT.split("\n")[0], base64.b64encode(bytes_of(ANNAS_TEXT)).decode(),
                                 ANNAS_TEXT.split("\n")[-2], ""]), Fault.BAD_ARMOR),
    ("text after the armor", ANNAS_TEXT + "\n", Fault.BAD_ARMOR),
    ("text before the armor", "\n" + ANNAS_TEXT, Fault.BAD_ARMOR),
    ("letters that are no base64", ANNAS_TEXT.replace("U1NI", "U1N!"), Fault.BAD_BASE64),
    ("letters that only look like ASCII", ANNAS_TEXT.replace("U1NI", "U1N\u0406"), Fault.BAD_BASE64),
    ("wrong magic", forged(ANNA, STATEMENT, magic=b"SSHSIH"), Fault.BAD_MAGIC),
    ("version 0", forged(ANNA, STATEMENT, version=0), Fault.BAD_VERSION),
    ("version 2", forged(ANNA, STATEMENT, version=2), Fault.BAD_VERSION),
    ("trailing bytes", forged(ANNA, STATEMENT, tail=b"\0"), Fault.TRAILING_BYTES),
    ("trailing bytes inside", _inner(ANNA, lambda inner: inner + b"\0"), Fault.TRAILING_BYTES),
    ("trailing bytes in the key", forged(ANNA, STATEMENT, blob=ANNA.public.blob + b"\0"), Fault.TRAILING_BYTES),
    ("cut short", armored(bytes_of(ANNAS_TEXT)[:-1], LABEL), Fault.TRUNCATED),
    ("a length beyond the end", armored(b"SSHSIG" + b"\0\0\0\1" + b"\xff" * 8, LABEL), Fault.TRUNCATED),
    ("reserved bytes", forged(ANNA, STATEMENT, reserved=b"later"), Fault.RESERVED_NOT_EMPTY),
    ("an old hash", forged(ANNA, STATEMENT, hash_name=b"sha1"), Fault.HASH_UNKNOWN),
    ("no hash", forged(ANNA, STATEMENT, hash_name=b""), Fault.HASH_UNKNOWN),
    ("another hash than was signed", forged(ANNA, STATEMENT, hash_name=b"sha256"), Fault.SIGNATURE_WRONG),
    ("another namespace", ANNA.sign(STATEMENT, namespace="git"), Fault.WRONG_NAMESPACE),
    ("a longer namespace", ANNA.sign(STATEMENT, namespace=NAMESPACE + "0"), Fault.WRONG_NAMESPACE),
    ("a namespace of control bytes", forged(ANNA, STATEMENT, namespace=b"phoenix\0"), Fault.BAD_TEXT),
    ("a namespace changed after signing", forged(ANNA, STATEMENT, inner=ANNA.inner(to_be_signed(STATEMENT, "git"))),
     Fault.SIGNATURE_WRONG),
    ("an RSA key", forged(ANNA, STATEMENT, blob=string(b"ssh-rsa") + string(b"\3")), Fault.KEY_TYPE_UNKNOWN),
    ("a certificate", forged(ANNA, STATEMENT, blob=string(b"ssh-ed25519-cert-v01")), Fault.KEY_TYPE_UNKNOWN),
    ("a short key", forged(ANNA, STATEMENT, blob=ED + string(b"k" * 31)), Fault.KEY_LENGTH),
    ("a key that signs anything", forged(ANNA, STATEMENT, blob=ED + string(b"\1" + b"\0" * 31)),
     Fault.KEY_WEAK),
    ("a key spelt a second way", forged(ANNA, STATEMENT, blob=ED + string(b"\xee" + b"\xff" * 30 + b"\x7f")),
     Fault.KEY_WEAK),
    ("a key made for a web site", WEB.sign(STATEMENT), Fault.KEY_APPLICATION),
    ("a software key with a hardware signature", forged(ANNA, STATEMENT, inner=hardware_pen("bruno").inner(b"")),
     Fault.INNER_TYPE),
    ("a hardware key with a software signature", forged(hardware_pen("a"), STATEMENT, inner=ANNA.inner(b"")),
     Fault.INNER_TYPE),
    ("a short signature", forged(ANNA, STATEMENT, inner=ED + string(b"s" * 63)), Fault.SIGNATURE_LENGTH),
    ("a second spelling of S", _inner(ANNA, _other_s), Fault.SIGNATURE_WRONG),
    ("somebody else's signature", forged(ANNA, STATEMENT, inner=EVE.inner(to_be_signed(STATEMENT, NAMESPACE))),
     Fault.SIGNATURE_WRONG),
    ("over another statement", ANNA.sign(STATEMENT + b" "), Fault.SIGNATURE_WRONG),
    ("flags nobody knows", hardware_pen("bruno").sign(STATEMENT, flags=0x41), Fault.FLAGS_UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), [pytest.param(t, f, id=name) for name, t, f in ATTACKS])
def test_each_attack_has_its_fault(text: str, fault: Fault) -> None:
    """Whatever was done to a signature is refused, and by its own name."""
    assert judged(ANNAS_TEXT) is None, "the honest twin"
    assert judged(text) is fault


def test_every_fault_of_a_signature_is_shown() -> None:
    """No fault stands in the table that no attack draws; the rest belong to key files, and are shown below."""
    of_files = {Fault.KEY_LINE, Fault.KEY_ENCRYPTED, Fault.KEY_PADDING, Fault.KEY_HALVES_DIFFER}
    assert {fault for _, _, fault in ATTACKS} == set(Fault) - of_files


@pytest.mark.parametrize("change", [0x01, 0x04, 0x05, 0x08])
def test_flags_set_after_signing_are_noticed(change: int) -> None:
    """The device signs its flags: nobody can claim a touch that was not there."""
    pen = hardware_pen("bruno")
    inner = pen.inner(to_be_signed(STATEMENT, NAMESPACE), flags=0)
    forged = inner[:-5] + bytes([inner[-5] | change]) + inner[-4:]
    assert judged(enclosed(pen.public, inner, NAMESPACE)) is None
    assert judged(enclosed(pen.public, forged, NAMESPACE)) is Fault.SIGNATURE_WRONG


def test_a_counter_changed_after_signing_is_noticed() -> None:
    """The device signs its counter too, so that a copy of the key cannot pretend to be ahead."""
    pen = hardware_pen("bruno")
    inner = pen.inner(to_be_signed(STATEMENT, NAMESPACE))
    assert judged(enclosed(pen.public, inner[:-1] + b"\x09", NAMESPACE)) is Fault.SIGNATURE_WRONG


def test_an_application_changed_after_signing_is_noticed() -> None:
    """A FIDO signature holds for the application that its key was made for."""
    pen = hardware_pen("bruno")
    other = PublicKey(KeyType.HARDWARE, pen.public.point, "ssh:another")
    assert judged(enclosed(other, pen.inner(to_be_signed(STATEMENT, NAMESPACE)), NAMESPACE)) is Fault.SIGNATURE_WRONG


@pytest.mark.parametrize("pen", [software_pen("anna"), hardware_pen("bruno")], ids=["software", "hardware"])
def test_every_flipped_bit_is_noticed(pen: Pen) -> None:
    """One bit of the signature's bytes, any of them: never believed, and never an exception."""
    data = bytes_of(pen.sign(STATEMENT))
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert judged(armored(bytes(flipped), LABEL)) is not None, f"bit {bit}"


def test_every_flipped_character_is_noticed() -> None:
    """One character of the armored text, any of them: never believed, and never an exception."""
    for at in range(len(ANNAS_TEXT)):
        for other in ("A", "\n", "\u2028"):
            text = ANNAS_TEXT[:at] + other + ANNAS_TEXT[at + 1 :]
            assert text == ANNAS_TEXT or judged(text) is not None, f"character {at}"


class TestNothingEscapes:
    """Whatever text comes in, the reader answers; it never raises, and what it reads it can write again."""

    @given(st.text(max_size=200) | st.binary(max_size=300).map(lambda data: armored(data, LABEL)))
    def test_any_text(self, text: str) -> None:
        """Noise, bare and in armor."""
        assert isinstance(parse_signature(text), Fault)

    @given(st.binary(max_size=200).map(lambda tail: armored(b"SSHSIG\0\0\0\1" + tail, LABEL)))
    def test_any_tail(self, text: str) -> None:
        """Noise behind an honest beginning."""
        assert isinstance(parse_signature(text), Fault)

    @given(st.text(max_size=300))
    def test_any_key_text(self, text: str) -> None:
        """Noise as a public line and as a private file."""
        assert isinstance(parse_public_line(text), Fault)
        assert isinstance(parse_private_file(text), Fault)

    @given(st.binary(max_size=100), st.sampled_from(["sha512", "sha256"]))
    def test_round_trip(self, statement: bytes, hash_name: str) -> None:
        """Any statement can be signed and is then believed."""
        assert judged(ANNA.sign(statement, hash_name=hash_name), statement) is None


def test_weak_points_are_those_of_small_order() -> None:
    """The table of five y holds exactly the points that eight additions bring to the neutral one."""
    d = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME

    def x_squared(y: int) -> int:
        return (y * y - 1) * pow(d * y * y + 1, PRIME - 2, PRIME) % PRIME

    def root(square: int) -> int:
        x = pow(square, (PRIME + 3) // 8, PRIME)
        return x if x * x % PRIME == square else x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME

    def double(x: int, y: int) -> tuple[int, int]:
        k = d * x * x * y * y % PRIME
        return 2 * x * y * pow(1 + k, PRIME - 2, PRIME) % PRIME, (y * y + x * x) * pow(1 - k, PRIME - 2, PRIME) % PRIME

    eighth = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
    for y in (0, 1, PRIME - 1, eighth, PRIME - eighth):
        point = (root(x_squared(y)), y)
        for _ in range(3):
            point = double(*point)
        assert point == (0, 1), hex(y)
        assert is_weak(y.to_bytes(32, "little"))
        assert is_weak((y | 1 << 255).to_bytes(32, "little")), "and its mirror image"
    assert is_weak(PRIME.to_bytes(32, "little")), "a second spelling of zero"
    assert not is_weak(ANNA.public.point)


NEUTRAL: Final = b"\1" + b"\0" * 31
ORDER: Final = 2**252 + 27742317777372353535851937790883648493


def _secret(pen: Pen) -> int:
    """The scalar behind a key, as RFC 8032 derives it."""
    half = int.from_bytes(hashlib.sha512(pen.private.private_bytes_raw()).digest()[:32], "little")
    return half & ((1 << 254) - 8) | 1 << 254


def _library_believes(point: bytes, raw: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(raw, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("message", [b"pay eve", b"pay eve twice"])
def test_a_weak_key_signs_nothing_here(message: bytes) -> None:
    """Under the neutral point as key, one signature is true of every message: the library believes it, we do not."""
    raw = ANNA.public.point + (_secret(ANNA) % ORDER).to_bytes(32, "little")
    assert _library_believes(NEUTRAL, raw, message), "the attack is real"
    assert not ed25519_verifies(NEUTRAL, raw, message)


def test_a_weak_r_signs_nothing_here() -> None:
    """Who owns a key can make a true signature whose R is the neutral point; no honest signer ever does."""
    h = int.from_bytes(hashlib.sha512(NEUTRAL + ANNA.public.point + b"m").digest(), "little")
    raw = NEUTRAL + (h * _secret(ANNA) % ORDER).to_bytes(32, "little")
    assert _library_believes(ANNA.public.point, raw, b"m"), "the attack is real"
    assert not ed25519_verifies(ANNA.public.point, raw, b"m")


@pytest.mark.parametrize(("point", "raw"), [(31, 64), (33, 64), (32, 63), (32, 65), (32, 0)])
def test_other_lengths_are_refused(point: int, raw: int) -> None:
    """32 and 64 bytes, nothing else, and never an exception."""
    assert not ed25519_verifies(b"k" * point, b"s" * raw, b"m")
    assert ed25519_verifies(ANNA.public.point, ANNA.private.sign(b"m"), b"m"), "the honest twin"


@pytest.mark.parametrize("bit", range(8))
def test_only_known_flags_are_read(bit: int) -> None:
    """Presence, verification and the two backup flags; every other bit announces what is not there."""
    read = parse_signature(hardware_pen("bruno").sign(STATEMENT, flags=1 << bit))
    assert isinstance(read, Signature) == (1 << bit in (0x01, 0x04, 0x08, 0x10))
    if isinstance(read, Signature):
        assert (read.presence, read.verification) == (bit == 0, bit == 2)


def test_a_software_key_signs_in_process() -> None:
    """What is made here is read here, and has no flags and no counter to show."""
    read = parse_signature(sign(STATEMENT, ANNA.public, ANNA.private.sign))
    assert isinstance(read, Signature)
    assert (read.key, read.flags, read.counter) == (ANNA.public, 0, 0)
    assert verify(STATEMENT, read, NAMESPACE) is None


def test_a_public_line_is_read_and_written() -> None:
    """A `.pub` line, with and without its comment, is the key; its fingerprint is ssh-keygen's."""
    for pen in (ANNA, hardware_pen("bruno")):
        assert parse_public_line(pen.public.line) == pen.public
        assert parse_public_line(pen.public.line + " anna on her laptop\n") == pen.public


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", Fault.KEY_LINE),
        (ANNA.public.line.replace("ssh-ed25519 ", "sk-ssh-ed25519@openssh.com "), Fault.KEY_LINE),
        ("restrict " + ANNA.public.line, Fault.BAD_BASE64),
        (ANNA.public.line + "\n" + ANNA.public.line, Fault.KEY_LINE),
        (ANNA.public.line.replace(" ", "  "), Fault.TRUNCATED),
        ("x" * 20_000, Fault.TOO_LARGE),
        (hardware_pen("bruno", "webauthn.example").public.line, Fault.KEY_APPLICATION),
    ],
)
def test_a_bad_public_line_has_its_fault(line: str, fault: Fault) -> None:
    """What is not one key on one line is refused."""
    assert parse_public_line(line) is fault


def test_a_public_line_has_one_spelling() -> None:
    """The last letter of its base64 has bits to spare; with one of them set it reads the same, and is refused."""
    key = hardware_pen("bruno", "ssh:").public  # of a length that is no multiple of three
    line = key.line
    letters, padding = line.rstrip("="), len(line) - len(line.rstrip("="))
    other = letters[:-1] + chr(ord(letters[-1]) + 1) + "=" * padding
    assert padding and base64.b64decode(other.split(" ")[1]) == key.blob
    assert parse_public_line(other) is Fault.BAD_BASE64


def test_a_private_file_is_read_and_written() -> None:
    """What is written reads back; two files of one key differ in their check bytes only."""
    key = ANNA.as_file
    text = private_file(key, b"1234")
    assert parse_private_file(text) == key
    assert parse_private_file(private_file(key, b"5678")) == key
    assert "seed" not in repr(key), "a secret is not printed by accident"


def _private(pen: Pen, *, check: bytes = b"12341234", cipher: bytes = b"none", point: bytes = b"", pad: bytes = b"",
             keys: int = 1, magic: bytes = b"openssh-key-v1\0", inner_tail: bytes | None = None) -> str:  # fmt: skip
    public = pen.public
    head = check + string(public.type.value.encode()) + string(point or public.point)
    secret = string(pen.private.private_bytes_raw() + public.point) + string(b"")
    inner = head + (secret if inner_tail is None else inner_tail)
    inner += pad or bytes(range(1, -len(inner) % 8 + 1))
    outer = magic + string(cipher) + string(b"none") + string(b"") + struct.pack(">I", keys)
    return armored(outer + string(public.blob) + string(inner), "OPENSSH PRIVATE KEY")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (_private(ANNA, cipher=b"aes256-ctr"), Fault.KEY_ENCRYPTED),
        (_private(ANNA, magic=b"openssh-key-v2\0"), Fault.BAD_MAGIC),
        (_private(ANNA, keys=2), Fault.KEY_TYPE_UNKNOWN),
        (_private(ANNA, check=b"12341235"), Fault.KEY_HALVES_DIFFER),
        (_private(ANNA, point=b"p" * 32), Fault.KEY_HALVES_DIFFER),
        (_private(ANNA, inner_tail=string(b"s" * 64) + string(b"")), Fault.KEY_HALVES_DIFFER),
        (_private(ANNA, pad=b"\1\3"), Fault.KEY_PADDING),
        (_private(ANNA, pad=bytes(range(1, 9))), Fault.KEY_PADDING),
        (armored(bytes_of(_private(ANNA)) + b"\0", "OPENSSH PRIVATE KEY"), Fault.TRAILING_BYTES),
        (_private(ANNA, inner_tail=string(b"s" + ANNA.public.point) + string(b"")), Fault.KEY_HALVES_DIFFER),
        (_private(hardware_pen("bruno"), inner_tail=string(b"ssh:other")), Fault.KEY_HALVES_DIFFER),
    ],
)
def test_a_bad_private_file_has_its_fault(text: str, fault: Fault) -> None:
    """A private file that is encrypted, damaged or patched together is refused."""
    assert parse_private_file(_private(ANNA)) == PrivateKey(ANNA.public, ANNA.private.private_bytes_raw(), "")
    assert parse_private_file(text) is fault


def test_a_fido_keys_file_is_read_without_a_secret() -> None:
    """A FIDO key's file names its key and a handle for the device; there is nothing in it that signs."""
    pen = hardware_pen("bruno")
    tail = string(b"ssh:phoenix") + b"\1" + string(b"handle") + string(b"") + string(b"token")
    assert parse_private_file(_private(pen, inner_tail=tail)) == PrivateKey(pen.public, b"", "token")


class TestThePort:
    """The port answers with what was signed and how, or with the rule that it broke; the core does the rest."""

    def test_what_was_checked(self) -> None:
        """Key, assurance, presence, verification and counter are those of the signature."""
        pen = hardware_pen("bruno")
        checked = SshVerifier().check(STATEMENT, text := pen.sign(STATEMENT, flags=TOUCHED)).unwrap()
        assert (checked.statement, checked.signature, checked.key) == (STATEMENT, text, pen.public.fingerprint)
        assert (checked.assurance, checked.presence, checked.verification) == ("hardware", True, False)
        assert checked.counter == 1
        checked = SshVerifier().check(STATEMENT, ANNAS_TEXT).unwrap()
        assert (checked.assurance, checked.presence, checked.verification) == ("software", False, False)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (hardware_pen("bruno").sign(STATEMENT, flags=0), Reason.PRESENCE_MISSING),
            (hardware_pen("bruno").sign(STATEMENT, flags=VERIFIED), Reason.PRESENCE_MISSING),
            (ANNA.sign(STATEMENT, namespace="git"), Reason.SIGNATURE_NAMESPACE),
            (ANNA.sign(b"another"), Reason.SIGNATURE_WRONG),
            ("-----BEGIN", Reason.SIGNATURE_MALFORMED),
        ],
    )
    def test_refusals(self, text: str, reason: Reason) -> None:
        """A FIDO signature without a touch, another namespace, an untrue and an unreadable signature."""
        answer = SshVerifier().check(STATEMENT, text)
        assert not is_successful(answer)
        assert answer.failure().reasons == (reason,)


def test_the_authenticator_binds_everything() -> None:
    """Application, flags, counter and message all change what the device signs."""
    honest = by_authenticator(b"m", "ssh:", 1, 1)
    others = [(b"n", "ssh:", 1, 1), (b"m", "ssh:x", 1, 1), (b"m", "ssh:", 5, 1), (b"m", "ssh:", 1, 2)]
    assert honest not in {by_authenticator(*other) for other in others}
    assert len(honest) == 69


def test_what_is_not_said_is_not_claimed() -> None:
    """A signature of which no flags and no counter were read: nobody touched anything."""
    bare = Signature(ANNA.public, NAMESPACE, "sha512", bytes(64))
    assert (bare.flags, bare.counter, bare.presence, bare.verification) == (0, 0, False, False)
    assert "raw" not in repr(bare), "64 bytes of noise in a trace help nobody"
