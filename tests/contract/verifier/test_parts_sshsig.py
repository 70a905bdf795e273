"""The verifier's reader of SSH signatures, on its own: each field exchanged has its code, the honest twin passes."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.keys.openssh import armored, string
from phoenix_adapters.keys.sshsig import NAMESPACE, to_be_signed
from phoenix_adapters.phoenix_verify import (
    Cursor,
    Desk,
    Key,
    Lie,
    Record,
    Signature,
    armored_once,
    counter_grows,
    found_as_kept,
    is_known_person,
    is_touched,
    may_be_software,
    parse_signature,
    signature_holds,
)
from tests.keyring import Pen, forged, hardware_pen, software_pen

STATEMENT: Final = b'{"v":1,"type":"decision","verdict":"approve"}'
LABEL: Final = "SSH SIGNATURE"
ANNA: Final = software_pen("anna")
EVE: Final = software_pen("eve")
OTTO: Final = hardware_pen("otto")
SOFT: Final = string(b"ssh-ed25519")
HARD: Final = string(b"sk-ssh-ed25519@openssh.com")
POINT: Final = string(ANNA.public.point)
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
TEXT: Final = ANNA.sign(STATEMENT)


def judged(text: str, statement: bytes = STATEMENT) -> str:
    """The code of the first lie that reading and verifying find; TRUE where they find none."""
    try:
        signature = parse_signature(text)
    except Lie as lie:
        return lie.code
    if signature.namespace != NAMESPACE:
        return "SIGNATURE_NAMESPACE"
    return "TRUE" if signature_holds(signature, statement) else "SIGNATURE_WRONG"


def raw_of(text: str) -> bytes:
    """The bytes between the two lines of armor."""
    return base64.b64decode("".join(text.splitlines()[1:-1]))


def inside(pen: Pen, change: Callable[[bytes], bytes]) -> str:
    """A signature whose inner blob is changed."""
    return forged(pen, STATEMENT, inner=change(pen.inner(to_be_signed(STATEMENT, NAMESPACE))))


def claims(flags: int, counter: int) -> Callable[[bytes], bytes]:
    """Other flags and another counter than the device signed."""
    return lambda inner: inner[:-5] + struct.pack(">BI", flags, counter)


def with_s(change: Callable[[int], int]) -> Callable[[bytes], bytes]:
    """Another S in a software key's signature."""
    return lambda raw: raw[:-32] + change(int.from_bytes(raw[-32:], "little")).to_bytes(32, "little")


def with_r(r: bytes) -> Callable[[bytes], bytes]:
    """Another R in a software key's signature."""
    return lambda raw: raw[:-64] + r + raw[-32:]


def padded(text: str) -> str:
    """The same bytes in base64 whose last letter has bits that mean nothing."""
    first, *rest = text.splitlines()
    body = base64.b64encode(raw_of(text)).decode()
    assert body.endswith("=")
    at = len(body.rstrip("=")) - 1
    body = body[:at] + chr(ord(body[at]) + 1) + body[at + 1 :]
    return "\n".join([first, *(body[n : n + 70] for n in range(0, len(body), 70)), rest[-1], ""])


HONEST: Final = [
    ("software", TEXT),
    ("software, SHA-256", ANNA.sign(STATEMENT, hash_name="sha256")),
    ("forged with nothing exchanged", forged(ANNA, STATEMENT)),
    ("hardware", OTTO.sign(STATEMENT)),
    ("hardware, SHA-256", OTTO.sign(STATEMENT, hash_name="sha256")),
    ("touched only", OTTO.sign(STATEMENT, flags=0x01)),
    ("neither touched nor known", OTTO.sign(STATEMENT, flags=0)),
    ("backup flags", OTTO.sign(STATEMENT, flags=0x1D)),
]  # fmt: skip
LONG: Final = "\n".join([TEXT.splitlines()[0], base64.b64encode(raw_of(TEXT)).decode(), TEXT.splitlines()[-1], ""])
ATTACKS: Final[list[tuple[str, str, str]]] = [
    ("too large", armored(raw_of(TEXT) + bytes(20_000), LABEL), "SIG_ARMOR"),
    ("another label", TEXT.replace("SSH SIGNATURE", "PGP SIGNATURE"), "SIG_ARMOR"),
    ("no first line", TEXT.partition("\n")[2], "SIG_ARMOR"),
    ("no last newline", TEXT[:-1], "SIG_ARMOR"),
    ("carriage returns", TEXT.replace("\n", "\r\n"), "SIG_ARMOR"),
    ("one long line", LONG, "SIG_ARMOR"),
    ("text after", TEXT + "\n", "SIG_ARMOR"),
    ("text before", "\n" + TEXT, "SIG_ARMOR"),
    ("no base64", TEXT.replace("U1NI", "U1N!"), "SIG_ARMOR"),
    ("a look-alike letter", TEXT.replace("U1NI", "U1N\u0406"), "SIG_ARMOR"),
    ("bits behind the end", padded(forged(ANNA, STATEMENT, tail=b"\0" if len(raw_of(TEXT)) % 3 == 0 else b"")),
     "SIG_ARMOR"),
    ("nothing inside", armored(b"", LABEL), "SIG_ARMOR"),
    ("five bytes", armored(b"SSHSI", LABEL), "SIG_TRUNCATED"),
    ("magic", forged(ANNA, STATEMENT, magic=b"SSHSIH"), "SIG_MAGIC"),
    ("version 0", forged(ANNA, STATEMENT, version=0), "SIG_VERSION"),
    ("version 2", forged(ANNA, STATEMENT, version=2), "SIG_VERSION"),
    ("a version in another order of bytes", forged(ANNA, STATEMENT, version=1 << 24), "SIG_VERSION"),
    ("trailing byte", forged(ANNA, STATEMENT, tail=b"\0"), "SIG_TRAILING"),
    ("trailing byte inside", inside(ANNA, lambda inner: inner + b"\0"), "SIG_TRAILING"),
    ("trailing byte inside, hardware", inside(OTTO, lambda inner: inner + b"\0"), "SIG_TRAILING"),
    ("trailing byte in the key", forged(ANNA, STATEMENT, blob=ANNA.public.blob + b"\0"), "SIG_TRAILING"),
    ("flags of a software key", inside(ANNA, lambda inner: inner + bytes(5)), "SIG_TRAILING"),
    ("an application of a software key", forged(ANNA, STATEMENT, blob=ANNA.public.blob + string(b"ssh:")),
     "SIG_TRAILING"),
    ("cut short", armored(raw_of(TEXT)[:-1], LABEL), "SIG_TRUNCATED"),
    ("a length beyond the end", armored(b"SSHSIG" + b"\0\0\0\1" + b"\xff" * 8, LABEL), "SIG_TRUNCATED"),
    ("no counter", inside(OTTO, lambda inner: inner[:-4]), "SIG_TRUNCATED"),
    ("half a counter", inside(OTTO, lambda inner: inner[:-1]), "SIG_TRUNCATED"),
    ("no flags", inside(OTTO, lambda inner: inner[:-5]), "SIG_TRUNCATED"),
    ("no point", forged(ANNA, STATEMENT, blob=SOFT), "SIG_TRUNCATED"),
    ("no application", forged(OTTO, STATEMENT, blob=HARD + POINT), "SIG_TRUNCATED"),
    ("an RSA key", forged(ANNA, STATEMENT, blob=string(b"ssh-rsa") + POINT), "SIG_KEY_TYPE"),
    ("a certificate", forged(ANNA, STATEMENT, blob=string(b"ssh-ed25519-cert-v01") + POINT), "SIG_KEY_TYPE"),
    ("a type in other letters", forged(ANNA, STATEMENT, blob=string(b"ssh-ed2551\xb9") + POINT), "SIG_KEY_TYPE"),
    ("a short point", forged(ANNA, STATEMENT, blob=SOFT + string(b"k" * 31)), "SIG_KEY_WEAK"),
    ("a long point", forged(ANNA, STATEMENT, blob=SOFT + string(b"k" * 31 + b"\0\0")), "SIG_KEY_WEAK"),
    ("a weak point", forged(ANNA, STATEMENT, blob=SOFT + string(b"\1" + bytes(31))), "SIG_KEY_WEAK"),
    ("a point spelt a second way", forged(ANNA, STATEMENT, blob=SOFT + string(b"\xee" + b"\xff" * 30 + b"\x7f")),
     "SIG_KEY_WEAK"),
    ("a web site's key", hardware_pen("otto", "webauthn.example").sign(STATEMENT), "SIG_APPLICATION"),
    ("nearly ssh", hardware_pen("otto", "ssh").sign(STATEMENT), "SIG_APPLICATION"),
    ("reserved", forged(ANNA, STATEMENT, reserved=b"\0"), "SIG_RESERVED"),
    ("an old hash", forged(ANNA, STATEMENT, hash_name=b"sha1"), "SIG_HASH"),
    ("no hash", forged(ANNA, STATEMENT, hash_name=b""), "SIG_HASH"),
    ("a hash in capitals", forged(ANNA, STATEMENT, hash_name=b"SHA512"), "SIG_HASH"),
    ("software inside hardware", forged(OTTO, STATEMENT, inner=ANNA.inner(b"")), "SIG_INNER_TYPE"),
    ("hardware inside software", forged(ANNA, STATEMENT, inner=OTTO.inner(b"")), "SIG_INNER_TYPE"),
    ("63 bytes", forged(ANNA, STATEMENT, inner=SOFT + string(b"s" * 63)), "SIG_LENGTH"),
    ("65 bytes", forged(ANNA, STATEMENT, inner=SOFT + string(b"s" * 65)), "SIG_LENGTH"),
    *((f"flag {1 << bit:#x}", inside(OTTO, claims(1 << bit, 1)), "SIG_FLAGS") for bit in (1, 5, 6, 7)),
    ("S and the order", inside(ANNA, with_s(lambda s: s + ORDER)), "SIG_SCALAR"),
    ("S is the order", inside(ANNA, with_s(lambda _: ORDER)), "SIG_SCALAR"),
    ("R is nothing", inside(ANNA, with_r(b"\1" + bytes(31))), "SIG_POINT_WEAK"),
    ("R is no encoding", inside(ANNA, with_r(b"\xff" * 32)), "SIG_POINT_WEAK"),
    ("another namespace", ANNA.sign(STATEMENT, namespace="git"), "SIGNATURE_NAMESPACE"),
    ("a longer namespace", ANNA.sign(STATEMENT, namespace=NAMESPACE + "0"), "SIGNATURE_NAMESPACE"),
    ("a namespace that is no ASCII", forged(ANNA, STATEMENT, namespace=NAMESPACE.encode() + b"\xff"),
     "SIGNATURE_NAMESPACE"),
    ("signed for another purpose", forged(ANNA, STATEMENT, inner=ANNA.inner(to_be_signed(STATEMENT, "git"))),
     "SIGNATURE_WRONG"),
    ("signed with another hash", forged(ANNA, STATEMENT, hash_name=b"sha256"), "SIGNATURE_WRONG"),
    ("somebody else's", forged(ANNA, STATEMENT, inner=EVE.inner(to_be_signed(STATEMENT, NAMESPACE))),
     "SIGNATURE_WRONG"),
    ("another statement", ANNA.sign(STATEMENT + b" "), "SIGNATURE_WRONG"),
    ("a flag set after signing", inside(hardware_pen("otto"), claims(0x01, 1)), "SIGNATURE_WRONG"),
    ("a flag taken after signing", inside(hardware_pen("otto"), claims(0x0D, 1)), "SIGNATURE_WRONG"),
    ("a counter set after signing", inside(hardware_pen("otto"), claims(0x05, 2)), "SIGNATURE_WRONG"),
    ("a counter's upper half", inside(hardware_pen("otto"), claims(0x05, 1 + (1 << 24))), "SIGNATURE_WRONG"),
    ("another application of the same device",
     forged(hardware_pen("otto", "ssh:other"), STATEMENT, inner=OTTO.inner(to_be_signed(STATEMENT, NAMESPACE))),
     "SIGNATURE_WRONG"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), HONEST)
def test_the_honest_twins(name: str, text: str) -> None:
    """What is signed as it should be is read and true, with either key and either hash."""
    assert judged(text) == "TRUE"


@pytest.mark.parametrize(("text", "code"), [pytest.param(text, code, id=name) for name, text, code in ATTACKS])
def test_each_field_has_its_code(text: str, code: str) -> None:
    """One thing wrong, one code."""
    assert judged(text) == code


@pytest.mark.parametrize("text", [TEXT, hardware_pen("otto").sign(STATEMENT)], ids=["software", "hardware"])
def test_cut_anywhere(text: str) -> None:
    """A signature that ends early, anywhere, is no signature; and so is one that goes on."""
    raw = raw_of(text)
    assert {judged(armored(raw[:end], LABEL)) for end in range(1, len(raw))} <= {"SIG_TRUNCATED", "SIG_MAGIC"}
    assert judged(armored(raw + b"\0", LABEL)) == "SIG_TRAILING"


def test_flipped_anywhere() -> None:
    """One bit of any byte of a security key's signature: never true."""
    raw = raw_of(hardware_pen("otto").sign(STATEMENT))
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
        assert judged(armored(flipped, LABEL)) != "TRUE", at


def test_what_is_read_is_what_was_signed() -> None:
    """Every field: the key, what it was made for, the hash, flags and counter; a software key has neither."""
    otto = hardware_pen("otto")
    found = [parse_signature(otto.sign(STATEMENT, flags=0x05, hash_name="sha256")) for _ in range(3)][2]
    key = phoenix_verify.PublicKey(otto.public.blob, "sk-ssh-ed25519@openssh.com", otto.public.point, "ssh:phoenix")
    raw = raw_of(otto.sign(STATEMENT))
    assert found == Signature(key, NAMESPACE, "sha256", found.raw, 0x05, 3)
    assert len(found.raw) == 64
    assert (key.fingerprint, key.assurance) == (otto.public.fingerprint, "hardware")
    soft = parse_signature(TEXT)
    assert (soft.flags, soft.counter, soft.hash_name, soft.raw) == (0, 0, "sha512", raw_of(TEXT)[-64:])
    assert (soft.key.fingerprint, soft.key.assurance) == (ANNA.public.fingerprint, "software")
    assert (soft.key.application, soft.key.type, soft.key.blob) == ("", "ssh-ed25519", ANNA.public.blob)
    assert raw.startswith(b"SSHSIG\0\0\0\1")


def test_what_the_flags_say() -> None:
    """One bit for a touch, one for a person, each alone; a software key says neither, and is asked for neither."""
    live, paper = desk("LIVE"), desk("PAPER")
    for flags, touched, person in ((0, False, False), (1, True, False), (4, False, True), (5, True, True)):
        signature = parse_signature(hardware_pen("otto").sign(STATEMENT, flags=flags))
        assert (is_touched(signature), is_known_person(live, signature)) == (touched, person)
        assert is_known_person(paper, signature)
        assert may_be_software(live, signature)
        assert found_as_kept(kept(signature, presence=touched, verification=person), signature)
        assert not found_as_kept(kept(signature, presence=not touched, verification=person), signature)
        assert not found_as_kept(kept(signature, presence=touched, verification=not person), signature)
    soft = parse_signature(TEXT)
    assert is_touched(soft)
    assert is_known_person(live, soft)
    assert (may_be_software(live, soft), may_be_software(paper, soft)) == (False, True)
    assert found_as_kept(kept(soft, presence=False, verification=False), soft)
    assert not found_as_kept(kept(soft, presence=True, verification=False), soft)
    assert not found_as_kept(kept(soft, presence=False, verification=False, counter=1), soft)


def test_counters_grow() -> None:
    """A device that does not count says zero each time; one that counts never says the same twice, nor less."""
    signature = parse_signature(hardware_pen("otto").sign(STATEMENT))
    said = [(known, now) for known in (0, 1, 2) for now in (0, 1, 2, 3)]
    grows = [(known, now) for known, now in said if counter_grows(Key("otto", "hardware", 1, counter=known),
                                                                  signature._replace(counter=now))]  # fmt: skip
    assert grows == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def desk(mode: str) -> Desk:
    """A desk in this mode, on which nothing happened yet."""
    log = phoenix_verify.NoteKey("log", b"", 1, b"")
    return Desk(phoenix_verify.Roots("log", mode, "", log, (), frozenset()), phoenix_verify.Tree(), mode)


def kept(signature: Signature, *, presence: bool, verification: bool, counter: int | None = None) -> Record:
    """What a bead says of a signature."""
    found: Record = {"key": signature.key.fingerprint, "assurance": signature.key.assurance, "presence": presence}
    return found | {"verification": verification, "counter": signature.counter if counter is None else counter}


def test_the_largest_armor() -> None:
    """16,384 letters are an armor, one more are none."""
    sizes = {len(text): armored_once(text) for n in range(11_950, 12_150) for text in [armored(bytes(n), LABEL)]}
    assert max(size for size, good in sizes.items() if good) <= 16_384 < min(s for s, good in sizes.items() if not good)
    assert 16_384 - max(size for size, good in sizes.items() if good) < 5
    lines = [armored_once(armored(bytes(n), LABEL)) for n in (1, 51, 52, 53, 104, 105, 106)]
    assert lines == [True] * 7


def test_a_cursor_reads_and_stops() -> None:
    """Every byte once, in order, and not one more."""
    cursor = Cursor(b"\0\0\0\2ab\0\0\1\0z")
    assert (cursor.word(), cursor.number()) == ("ab", 256)
    with pytest.raises(Lie, match="SIG_TRAILING"):
        cursor.end()
    assert cursor.take(1) == b"z"
    cursor.end()
    assert cursor.take(0) == b""
    with pytest.raises(Lie, match="SIG_TRUNCATED"):
        cursor.take(1)
