"""The verifier's tree, checkpoint notes and outside checkpoints, on their own, against a naive tree."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import (
    NAMESPACE,
    Lie,
    Note,
    NoteKey,
    Roots,
    Tree,
    Undecided,
    check_outside,
    leaf_hash,
    node_hash,
    note_fits,
    note_key,
    note_of,
    note_signed_by,
    one_base64,
    root_fits,
)
from phoenix_core.checkpoint import Checkpoint, Signer, ed25519_key_id, sign_note
from tests.keyring import Pen, software_pen

ORIGIN: Final = "phoenix.example/main"
LOG: Final = software_pen("the log")
EVE: Final = software_pen("eve")
LEAVES: Final = [leaf_hash(b"%d" % n) for n in range(70)]


def naive(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, as the page has it, over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def grown(size: int) -> Tree:
    """A tree of so many leaves."""
    tree = Tree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


class TestTree:
    """Every past root of every small tree."""

    def test_it_is_the_naive_tree_at_every_size(self) -> None:
        """However far the tree has grown, the root at each size that it had is the one of RFC 6962."""
        for size in [*range(18), 31, 32, 33, 63, 64, 65, 70]:
            tree = grown(size)
            assert tree.size == size
            assert [tree.root(past) for past in range(size + 1)] == [naive(LEAVES[:past]) for past in range(size + 1)]

    def test_it_keeps_every_perfect_subtree(self) -> None:
        """Row by row half as many; no row is begun before it has something to hold."""
        for size in range(34):
            rows = [len(row) for row in grown(size).levels]
            assert rows == [size >> row for row in range(max(1, size.bit_length()))]

    def test_leaves_and_nodes_are_told_apart(self) -> None:
        """The prefix of RFC 6962: no node passes as a leaf."""
        assert leaf_hash(b"ab") == sha256(b"\0ab").digest()
        assert node_hash(b"a", b"b") == sha256(b"\1ab").digest()
        assert node_hash(b"b", b"a") != node_hash(b"a", b"b")

    def test_a_root_may_be_named_by_its_beginning(self) -> None:
        """As a notification shows it; another size or another beginning is another root."""
        tree, root = grown(13), naive(LEAVES[:13]).hex()
        assert root_fits(tree, 13, root)
        assert root_fits(tree, 13, root[:8])
        assert not root_fits(tree, 12, root[:8])
        assert not root_fits(tree, 13, root[1:9])


# --- notes ------------------------------------------------------------------------------------------------------------


def signed(size: int = 7, root: bytes = naive(LEAVES[:7]), origin: str = ORIGIN, pen: Pen = LOG) -> str:
    """A checkpoint as the log writes it."""
    signer = Signer(origin, ed25519_key_id(origin, pen.public.point), pen.private.sign)
    return sign_note(Checkpoint(origin, size, root), signer)


def key_line(pen: Pen, name: str = ORIGIN, kind: int = 1) -> str:
    """A key of notes, as C2SP spells it."""
    return spelt(name, bytes([kind]) + pen.public.point)


def spelt(name: str, data: bytes) -> str:
    """A key line whose id fits whatever stands in it."""
    key_id = sha256(name.encode() + b"\n" + data).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(data).decode()}"


def key_of(pen: Pen, name: str = ORIGIN, kind: int = 1) -> NoteKey:
    """The same, read."""
    key = note_key(key_line(pen, name, kind))
    assert key is not None
    return key


def line_of(key: NoteKey, raw: bytes) -> str:
    """A line of signature."""
    return f"\u2014 {key.name} {base64.b64encode(key.id + raw).decode()}\n"


TEXT: Final = signed()
BODY, _, LINE = TEXT.partition("\n\n")
ROOT64: Final = BODY.split("\n")[2]
NO_NOTES: Final = {
    "nothing": "",
    "no signature": BODY + "\n\n",
    "no empty line": BODY + "\n" + LINE,
    "two empty lines": BODY + "\n\n\n" + LINE,
    "text before": "\n" + TEXT,
    "text after": TEXT + "\n",
    "no last newline": TEXT[:-1],
    "carriage returns": TEXT.replace("\n", "\r\n"),
    "a space in the origin": TEXT.replace(ORIGIN, "a b"),
    "a plus in the origin": TEXT.replace(ORIGIN, "a+b"),
    "no origin": TEXT.replace(ORIGIN, "", 1),
    "a long origin": TEXT.replace(ORIGIN, "a" * 256),
    "an origin that is no ASCII": TEXT.replace(ORIGIN, "phoenix.éxample"),
    "a leading zero": TEXT.replace("\n7\n", "\n07\n"),
    "a sign": TEXT.replace("\n7\n", "\n+7\n"),
    "digits of another script": TEXT.replace("\n7\n", "\n\u0667\n"),
    "seventeen digits": TEXT.replace("\n7\n", "\n" + "7" * 17 + "\n"),
    "a short root": TEXT.replace(ROOT64, base64.b64encode(b"r" * 31).decode()),
    "a long root": TEXT.replace(ROOT64, base64.b64encode(b"r" * 33).decode()),
    "a root in no base64": TEXT.replace(ROOT64, ROOT64[1:]),
    "a root spelt a second way": TEXT.replace(ROOT64, ROOT64[:-2] + chr(ord(ROOT64[-2]) + 1) + "="),
    "an extension line": TEXT.replace("\n\n", "\nmore\n\n"),
    "a hyphen for the dash": TEXT.replace("\u2014", "-"),
    "a signature without bytes": BODY + f"\n\n\u2014 {ORIGIN} {base64.b64encode(b'four').decode()}\n",
    "a signature in no base64": BODY + f"\n\n\u2014 {ORIGIN} AAAAAA===\n",
    "a signature of five letters": BODY + f"\n\n\u2014 {ORIGIN} AAAAA\n",
    "a second signature without bytes": TEXT + "\u2014 eve AAAA\n",
    "seventeen signatures": TEXT + LINE * 16,
}  # fmt: skip


class TestNotes:
    """A checkpoint in its one spelling, by the one key."""

    def test_an_honest_note(self) -> None:
        """Every field, and what was signed: the text with its last newline."""
        found = note_of(TEXT)
        assert found is not None
        key, raw = key_of(LOG), found.lines[0][1]
        assert found == Note(BODY + "\n", ORIGIN, 7, naive(LEAVES[:7]), ((ORIGIN, raw),))
        assert (raw[:4], len(raw)) == (key.id, 68)
        assert note_signed_by(found, key)
        assert note_of(signed(0, naive([]))) is not None
        assert note_of(signed(int("9" * 16), naive([]))) is not None
        assert note_of(TEXT + LINE * 15) is not None
        assert note_of(BODY + f"\n\n\u2014 {ORIGIN} {base64.b64encode(b'fours').decode()}\n") is not None

    @pytest.mark.parametrize("text", NO_NOTES.values(), ids=NO_NOTES)
    def test_what_is_no_note(self, text: str) -> None:
        """Anything else than the one spelling."""
        assert text != TEXT
        assert note_of(text) is None
        assert not note_fits(note_of(text), 10**20)

    def test_a_large_note(self) -> None:
        """8,192 letters are a note, one more are none."""
        for size in (8_192, 8_193):
            text = TEXT + f"\u2014 w {base64.b64encode(bytes(5_700)).decode()}\n"
            names = size - len(text) - 2 * len("\u2014  AAAAAAA=\n")
            text += "".join(f"\u2014 {'w' * length} AAAAAAA=\n" for length in (150, names - 150))
            assert len(text) == size
            assert (note_of(text) is not None) == (size == 8_192)

    def test_a_note_of_no_more_beads_than_there_are(self) -> None:
        """The size is the last that passes."""
        note = note_of(TEXT)
        assert (note_fits(note, 6), note_fits(note, 7), note_fits(note, 8)) == (False, True, True)

    def test_signed_by_the_key_and_nobody_else(self) -> None:
        """Another key, another name, a line twice, a line too many of somebody else."""
        note, both = note_of(TEXT), note_of(TEXT + line_of(key_of(EVE, "eve"), bytes(64)))
        twice, strange = note_of(TEXT + LINE), note_of(signed(pen=EVE))
        assert note is not None
        assert both is not None
        assert twice is not None
        assert strange is not None
        assert note_signed_by(both, key_of(LOG))
        assert not note_signed_by(note, key_of(EVE))
        assert not note_signed_by(note, key_of(LOG, "another"))
        assert not note_signed_by(twice, key_of(LOG))
        assert not note_signed_by(strange, key_of(LOG))
        assert not note_signed_by(both, key_of(EVE, "eve"))
        assert not note_signed_by(note._replace(text=note.text + "x"), key_of(LOG))
        assert not note_signed_by(note._replace(lines=((ORIGIN, key_of(EVE).id + note.lines[0][1][4:]),)), key_of(LOG))

    def test_a_cosignature_carries_its_time(self) -> None:
        """Type 4: eight bytes of time before the signature, and in what is signed; it is no plain signature."""
        key, plain = key_of(EVE, "witness", 4), key_of(EVE, "witness", 1)
        time = 1_790_000_000
        raw = EVE.private.sign(f"cosignature/v1\ntime {time}\n{BODY}\n".encode())
        for stamp, good in ((time, True), (time + 1, False), (time + (1 << 56), False)):
            note = note_of(TEXT + line_of(key, stamp.to_bytes(8, "big") + raw))
            assert note is not None
            assert note_signed_by(note, key) is good
            assert not note_signed_by(note, plain)
        bare = note_of(TEXT + line_of(key, EVE.private.sign(f"{BODY}\n".encode())))
        assert bare is not None
        assert not note_signed_by(bare, key)

    def test_key_lines(self) -> None:
        """Name, key id, key: read whole, or not at all."""
        line = key_line(LOG)
        name, key_id, data = line.split("+", 2)
        point = LOG.public.point
        assert note_key(line) == NoteKey(ORIGIN, bytes.fromhex(key_id), 1, point)
        assert note_key(key_line(LOG, kind=4)) == key_of(LOG, kind=4)
        assert key_of(LOG, kind=4).type == 4
        bad = [
            *("", name, f"{name}+{key_id}", f"{name}+00000000+{data}", f"{name}+{key_id.upper()}+{data}"),
            *(f"other+{key_id}+{data}", f"{name}+{key_id}+{data} ", f"{name}+{key_id}+!"),
            *(key_line(LOG, kind=kind) for kind in (0, 2, 3, 5)),
            *(spelt(name, bytes([1]) + other) for other in (point[:-1], point + b"\0", b"")),
        ]
        assert [note_key(each) for each in bad] == [None] * len(bad)

    def test_base64_has_one_spelling(self) -> None:
        """No second letter for the same bytes, no missing or second padding, no other alphabet."""
        assert [one_base64(text) for text in ("", "QQ==", "QUI=", "QUJD")] == [b"", b"A", b"AB", b"ABC"]
        for text in ("QQ", "QR==", "QQ===", "QQ==\n", " QQ==", "QU-_", "Q", "QQ==QQ==", "QQ=A", "\u0401=="):
            assert one_base64(text) is None, text


# --- checkpoints that were kept outside -------------------------------------------------------------------------------

WITNESS: Final = software_pen("witness")
ROOTS: Final = Roots(ORIGIN, "PAPER", "", key_of(LOG), (key_of(WITNESS, "witness"),), frozenset())


def outside(tree: Tree, files: list[str], seen: list[str], roots: Roots = ROOTS) -> int | str:
    """What is said of a tree; the code and the place where that is a lie, the code where nothing can be decided."""
    try:
        return check_outside(tree, roots, files, seen)
    except Lie as lie:
        return f"{lie.code} {lie.place}"
    except Undecided as undecided:
        return undecided.code


class TestOutside:
    """What the reader kept, as a file or as a notification showed it."""

    def test_notifications(self) -> None:
        """The largest size seen is witnessed; of a longer log, another one, or no notification at all: said."""
        tree, eight = grown(13), {size: naive(LEAVES[:size]).hex()[:8] for size in (0, 5, 13, 14)}
        assert outside(tree, [], []) == 0
        assert outside(tree, [], [f"5:{eight[5]}"]) == 5
        assert outside(tree, [], [f"13:{eight[13]}", f"5:{eight[5]}"]) == 13
        assert outside(tree, [], [f"0:{eight[0]}"]) == 0
        assert outside(tree, [], [f"5:{naive(LEAVES[:5]).hex()}"]) == 5
        assert outside(tree, [], [f"14:{eight[14]}"]) == f"BEHIND seen 14:{eight[14]}"
        assert outside(tree, [], [f"13:{eight[5]}"]) == f"FORKED seen 13:{eight[5]}"
        bad = [f"5:{eight[5][:7]}", "5", "", *(spelt.format(eight[5]) for spelt in ("x:{}", "5:{}x", "-1:{}", " 5:{}"))]
        assert [outside(tree, [], [text]) for text in bad] == ["NOT_BELIEVED"] * len(bad)

    def test_files(self, tmp_path: Path) -> None:
        """By the log's key or a witness's; others are not believed, whatever they say."""
        tree = grown(13)

        def kept(text: str) -> int | str:
            """What is said with this checkpoint outside."""
            (tmp_path / "kept").write_text(text, "utf-8")
            found = outside(tree, [str(tmp_path / "kept")], [])
            return found.replace(str(tmp_path), "") if isinstance(found, str) else found

        note, key = signed(), key_of(WITNESS, "witness")
        witnessed = note.partition("\n\n")[0] + "\n"
        assert kept(note) == 7
        assert kept(witnessed + "\n" + line_of(key, WITNESS.private.sign(witnessed.encode()))) == 7
        assert kept(signed(pen=EVE)) == "NOT_BELIEVED"
        assert kept("no note") == "NOT_BELIEVED"
        assert kept(note + "\n" * 9_000) == "NOT_BELIEVED"
        assert kept(signed(14, naive(LEAVES[:14]))) == "BEHIND checkpoint /kept"
        assert kept(signed(6)) == "FORKED checkpoint /kept"
        other = ROOTS._replace(log=key_of(LOG, "phoenix.example/other"))
        (tmp_path / "kept").write_text(signed(origin="phoenix.example/other"), "utf-8")
        assert outside(tree, [str(tmp_path / "kept")], [], other) == f"OTHER_LOG checkpoint {tmp_path / 'kept'}"
        (tmp_path / "kept").write_bytes(note.replace("\n", "\r\n").encode())
        assert outside(tree, [str(tmp_path / "kept")], []) == "NOT_BELIEVED"


def test_what_signatures_are_for() -> None:
    """The one purpose, as OpenSSH's page and ours have it."""
    assert NAMESPACE == "phoenix-approval@v1"
    assert phoenix_verify.ZEROS == "0" * 64
