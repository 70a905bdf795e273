"""The verifier on bytes: every attack has its code and its place; the honest twin is the day that they all change."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_adapters import phoenix_verify
from phoenix_adapters.beads.export import export_lines, read_export
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.keys import note_verifier, roots_of
from phoenix_cli.wiring.keeping import key_in
from phoenix_core.canonical import encode
from phoenix_core.checkpoint import Checkpoint, Signer, ed25519_key_id, sign_note
from phoenix_core.tree import leaf_hash, root_of
from phoenix_core.values import BadInput
from tests.contract.verifier.byte_attacks import (
    BEADS,
    BYTE_ATTACKS,
    ByteAttack,
    header,
    honest,
    honest_lines,
    with_files,
)
from tests.contract.verifier.story import ACCOUNT, LOG, ORIGIN, Draft, Story, witness_note, written
from tests.contract.verifier.whole import Record

Told = tuple[int, Record]
KEY_LINE: Final = str(honest().boss.public.line)


def told(folder: Path, export: bytes, roots: Record, capsys: pytest.CaptureFixture[str], *words: str) -> Told:
    """Exit code and what the verifier says, through its own command line."""
    code = phoenix_verify.main([*written(folder, export, roots), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def said(told: Told) -> tuple[int, str, str]:
    """Code and place of a lie."""
    return told[0], str(told[1].get("code")), str(told[1].get("place"))


class TestTheHonestDay:
    """The honest twin of every attack: it is believed, and what is covered is said."""

    @pytest.mark.parametrize("mode", ["MOCK", "PAPER", "LIVE"])
    def test_it_is_true(self, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 0, with the counts of the day."""
        story = Story(mode).told()
        code, found = told(tmp_path, story.export(), story.roots(), capsys)
        beads = 66 if mode == "LIVE" else 64
        assert (code, found["verdict"], found["beads"], found["screens_carried"]) == (0, "TRUE", beads, "4 of 4")
        counts = found["counts"]
        assert isinstance(counts, dict)
        assert (counts["approvals"], counts["tokens issued"], counts["tokens used"]) == (4, 4, 2)
        assert (counts["rejections"], counts["operators enrolled"], counts["operators revoked"]) == (1, 2, 1)

    def test_what_is_told_beside_the_verdict(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Which screens can be made again, how far the largest signed history reaches whoever signed last, and what has
        no end: neither more nor less than the export bears out."""
        day = honest()
        older: Record = {"tree_size": 10, "tree_root": base64.b64encode(day.root(10)).decode()}
        late = Story(says={"revoke": lambda said: said.update(older)}).told()
        late.append("rejected", late.position("four", "REJECTED", "Rejected", "SUBMITTED"))
        _, found = told(tmp_path, late.export(), late.roots(), capsys)
        last = [place for step, place in day.places.items() if step in ("clear", "approve four")]
        assert (found["verdict"], found["signed_by_operators_to"], found["positions_open"]) == ("TRUE", max(last), 0)
        fewer = Story(beads=day.beads, notes=day.notes, texts=dict(list(day.texts.items())[1:]))
        _, found = told(tmp_path, fewer.export(), day.roots(), capsys)
        assert (found["verdict"], found["screens_carried"], found["positions_open"]) == ("TRUE", "3 of 4", 1)
        assert found["signed_by_operators_to"] == day.places["revoke"]

    def test_what_nobody_could_read_was_not_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full disk where the verdict was to be kept: an empty file and exit 0 would be a yes that nobody said."""
        words = written(tmp_path, honest().export(), honest().roots())
        with suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:  # closing it fails as well
            monkeypatch.setattr(sys, "stdout", full)
            code = phoenix_verify.main(words)
        assert code == 2

    @pytest.mark.parametrize("screen", [None, TextIOWrapper(BytesIO(), "ascii")], ids=["none", "of few letters"])
    def test_what_no_screen_could_show(
        self, screen: TextIOWrapper | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No output at all, or one without the letters of a path: what was not told is neither yes nor lie."""
        longer, kept = Story().told(), tmp_path / "b\u00fcro"
        longer.append("beat again", ("HEARTBEAT", {}))
        kept.write_text(witness_note(longer, len(longer.beads)))
        words = written(tmp_path, honest().export(), honest().roots())
        monkeypatch.setattr(sys, "stdout", screen)
        assert phoenix_verify.main([*words, "--checkpoint", str(kept)]) == 2
        assert phoenix_verify.main(words) == (2 if screen is None else 0)

    def test_people_are_told_of_the_tail(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In so many words where nobody outside bears witness to the end, and not a word where somebody does."""
        words = written(tmp_path, honest().export(), honest().roots())
        assert phoenix_verify.main(words) == 0
        assert "UNWITNESSED: the last 64 of 64 beads" in capsys.readouterr().out
        assert phoenix_verify.main([*words, "--seen", f"64:{honest().root().hex()[:8]}"]) == 0
        assert "UNWITNESSED" not in capsys.readouterr().out

    def test_a_stores_export_is_the_same(self) -> None:
        """The story writes what a store writes, byte for byte: the attacks are made on real exports."""
        story, store = honest(), MemoryStore()
        signer = Signer(ORIGIN, ed25519_key_id(ORIGIN, LOG.public.point), LOG.private.sign)
        sizes = [int(note.split("\n")[1]) for note in story.notes]
        for start, stop in zip([0, *sizes], [*sizes, len(story.beads)], strict=True):
            assert is_successful(store.append(store.head(), story.beads[start:stop], story.texts))
            if stop in sizes:
                assert is_successful(store.checkpoint(ORIGIN, signer))
        assert b"".join(export_lines(store, ORIGIN, LOG.public.point)) == story.export()

    def test_it_runs_alone(self, tmp_path: Path) -> None:
        """As a script, in a folder of its own, with no package in sight: the text for people says what is covered."""
        script = tmp_path / "phoenix_verify.py"
        script.write_text(Path(phoenix_verify.__file__).read_text())
        words = written(tmp_path, honest().export(), honest().roots())
        command = [sys.executable, "-I", "-S", str(script), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("TRUE\n")
        assert "UNWITNESSED: the last 64 of 64 beads" in done.stdout
        counts = done.stdout.partition("UNWITNESSED")[0].splitlines()[1:]
        assert any(row.startswith("  statements signed by") for row in counts)
        assert all(re.fullmatch(r"  \S.*  \S.*", row) for row in counts), "each name stands apart from its value"


@pytest.mark.parametrize("attack", BYTE_ATTACKS, ids=lambda attack: attack.name)
def test_each_attack_on_bytes_has_its_code(
    attack: ByteAttack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, the code, the place."""
    assert said(told(tmp_path, attack.export(), honest().roots(), capsys)) == (1, attack.code, attack.place)


# The desk's own reader knows no roots, so that a header may say what it likes; an empty log is a log to it; a missing
# mark it calls no JSON; and checkpoints in the wrong order it calls bad checkpoints.
ELSEWHERE: Final = {"more beads than there is time", "the export of another log", "no bead at all"} | {
    "a byte order mark",
    "checkpoints from the last to the first",
    "a checkpoint twice",
}


@pytest.mark.parametrize("attack", BYTE_ATTACKS, ids=lambda attack: attack.name)
def test_the_desks_own_reader_agrees(attack: ByteAttack) -> None:
    """Two readers with no line in common give the same code to the same bytes."""
    found = read_export(BytesIO(attack.export()), note_verifier(ORIGIN, LOG.public.point))
    if attack.name in ELSEWHERE:
        return
    assert not is_successful(found)
    assert str(found.failure().reason) == attack.code


# What other readers of JSON, of base64, of lines take for something else, or for nothing.
ODD: Final = [
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"=",
    b"-",
    b"0",
    b"1e1",
    b".0",
    b"\\/",
    b"\\n",
    b"\\u0041",
    *(b"\\ud800", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[]", b",", b"true", b"null"),
    *("\u2028".encode(), "\x85".encode(), "\u0661".encode(), "\u017f".encode(), "\xe9".encode(), b"\n\n"),
]


MANY: Final = "{}" + "\u2014 w AAAAAAAA\n" * 16  # one line of signatures too many


def verdicts(export: bytes) -> tuple[bool, bool]:
    """Whether the desk's own reader takes an export, and whether the verifier finds its bytes in order."""
    roots = phoenix_verify.Roots(ORIGIN, "PAPER", "", known_key(honest()), (), frozenset())
    try:
        _ = phoenix_verify.check_bytes(BytesIO(export), roots)
    except phoenix_verify.Lie:
        theirs = False
    else:
        theirs = True
    return is_successful(read_export(BytesIO(export), note_verifier(ORIGIN, LOG.public.point))), theirs


def rooted(lines: list[bytes]) -> list[bytes]:
    """A header that fits whatever stands where the beads stood; one that was changed stays as it is."""
    if lines[0] != honest_lines()[0]:
        return lines
    root = root_of(leaf_hash(line) for line in lines[1 : BEADS + 1])
    return header(root=base64.b64encode(root).decode())(lines)


class TestTwoReaders:
    """Two encodings that read the same to one of two readers are a lie that the other one does not see."""

    @given(st.lists(st.tuples(st.integers(0, BEADS + 12), st.integers(0, 900), st.integers(0, 3), st.sampled_from(ODD)),
                    min_size=1, max_size=2), st.booleans())  # fmt: skip
    def test_of_changed_bytes(self, changes: list[tuple[int, int, int, bytes]], fits: bool) -> None:
        """Some bytes are taken out somewhere and others put in, with a root that fits or not."""
        lines = list(honest_lines())
        for number, column, less, more in changes:
            line = lines[number % len(lines)]
            at = column % (len(line) + 1)
            lines[number % len(lines)] = line[:at] + more + line[at + less :]
        ours, theirs = verdicts(b"".join(line + b"\n" for line in (rooted(lines) if fits else lines)))
        assert ours == theirs

    @given(
        st.sampled_from(["{}", "0{}", "+{}", "{}\r", " {}", "{}_0", "\u0661", "1" * 17]),
        st.sampled_from([ORIGIN, ORIGIN + " ", ORIGIN + "\x85", "", ORIGIN.upper()]),
        st.sampled_from(["{}", "{}=", " {}", "{}\n", "{}\x85", "{}\next"]),
        st.sampled_from(
            [
                "{}",
                "{}{}",
                "{}\n",
                "{}\u2014 other AAAAAAAA\n",
                "{}\u2014 x AAAAAB==\n",
                "{}" + "\u2014 w AAAAAAAA\n" * 16,
            ]
        ),
        st.integers(0, BEADS),
    )
    def test_of_notes_that_the_key_signed(self, size: str, origin: str, root: str, lines: str, beads: int) -> None:
        """Who owns the log's key signs whatever text they like; one of the spellings is a checkpoint."""
        story = honest()
        told = base64.b64encode(story.root(beads)).decode()
        text = f"{origin}\n{size.format(beads)}\n{root.format(told)}\n"
        raw = ed25519_key_id(ORIGIN, LOG.public.point) + LOG.private.sign(text.encode())
        line = f"\u2014 {ORIGIN} {base64.b64encode(raw).decode()}\n"
        day = Story(beads=story.beads, texts=story.texts, notes=[text + "\n" + lines.format(line, line)])
        plain = (size, origin, root) == ("{}", ORIGIN, "{}") and lines in ("{}", "{}\u2014 other AAAAAAAA\n")
        assert verdicts(day.export()) == (plain, plain)

    @pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
    def test_of_the_longest_line(self, more: int, taken: bool) -> None:
        """4 MiB are a line, and a byte more is none."""
        bare = len(encode({"file": "f", "text": ""}))
        lines = with_files("f")(list(honest_lines()))
        lines[-1] = encode({"file": "f", "text": "x" * (phoenix_verify.LINE_MAX - bare + more)})
        assert verdicts(b"".join(line + b"\n" for line in lines)) == (taken, taken)


class TestOutsideCheckpoints:
    """What only somebody outside can see: found with a checkpoint, and said to be unseen without."""

    def cut(self) -> Story:
        """The day without its end, perfectly sealed: an old backup, a cut tail."""
        story = honest()
        return Story(beads=story.beads[:40], notes=story.notes[:1], texts=story.texts)

    def forked(self) -> Story:
        """A day of the same length with another end, by who owns host and log key."""
        beat = {"beat": lambda drafts: [(kind, body | {"status": "DEGRADED"}) for kind, body in drafts]}
        return Story(edits=beat).told()

    def test_unseen_without(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A cut tail and a fork are perfectly good logs; the unwitnessed tail says how much that may be."""
        for story in (self.cut(), self.forked()):
            code, found = told(tmp_path, story.export(), honest().roots(), capsys)
            assert (code, found["unwitnessed_tail"]) == (0, len(story.beads))

    @pytest.mark.parametrize("kind", ["log", "witness", "cosignature"])
    def test_seen_with(self, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A checkpoint by the log or a witness, kept outside: BEHIND, FORKED; the honest day agrees with it."""
        kept, roots = tmp_path / "kept", honest().roots()
        if kind == "cosignature":
            note, key = cosigned(honest(), 64)
            roots = roots | {"witnesses": [key]}
        else:
            signer = Signer(ORIGIN, ed25519_key_id(ORIGIN, LOG.public.point), LOG.private.sign)
            log = sign_note(Checkpoint(ORIGIN, 64, honest().root()), signer)
            note = log if kind == "log" else witness_note(honest(), 64)
        kept.write_text(note)
        words = ("--checkpoint", str(kept))
        code, found = told(tmp_path, honest().export(), roots, capsys, *words)
        assert (code, found["unwitnessed_tail"], found["witnessed_to"]) == (0, 0, 64)
        place = f"checkpoint {kept}"
        assert said(told(tmp_path, self.cut().export(), roots, capsys, *words)) == (1, "BEHIND", place)
        assert said(told(tmp_path, self.forked().export(), roots, capsys, *words)) == (1, "FORKED", place)

    def test_seen_with_a_notification(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The size and eight digits of the root, as every notification shows them, are enough."""
        words = ("--seen", f"64:{honest().root().hex()[:8]}")
        code, found = told(tmp_path, honest().export(), honest().roots(), capsys, *words)
        assert (code, found["unwitnessed_tail"]) == (0, 0)
        place = " ".join(words).removeprefix("--")
        assert said(told(tmp_path, self.cut().export(), honest().roots(), capsys, *words)) == (1, "BEHIND", place)
        assert said(told(tmp_path, self.forked().export(), honest().roots(), capsys, *words)) == (1, "FORKED", place)

    def test_one_of_another_log(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A witness that speaks of another log is a lie about this one."""
        known = note_verifier("witness.example", honest().eve.public.point)
        signer = Signer(known.name, known.key_id, honest().eve.private.sign)
        (tmp_path / "kept").write_text(sign_note(Checkpoint("phoenix.example/other", 1, b"r" * 32), signer))
        words = ("--checkpoint", str(tmp_path / "kept"))
        found = said(told(tmp_path, honest().export(), honest().roots(), capsys, *words))
        assert found == (1, "OTHER_LOG", f"checkpoint {tmp_path / 'kept'}")

    @pytest.mark.parametrize("text", ["", "no checkpoint", "signed by nobody that the roots know"])
    def test_one_that_nobody_believes(self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What no key of the roots signed proves nothing either way: cannot decide."""
        if text.startswith("signed"):
            eve = honest().eve
            signer = Signer(ORIGIN, ed25519_key_id(ORIGIN, eve.public.point), eve.private.sign)
            text = sign_note(Checkpoint(ORIGIN, 64, honest().root()), signer)
        (tmp_path / "kept").write_text(text)
        words = ("--checkpoint", str(tmp_path / "kept"))
        assert said(told(tmp_path, honest().export(), honest().roots(), capsys, *words))[:2] == (2, "NOT_BELIEVED")
        assert said(told(tmp_path, honest().export(), honest().roots(), capsys, "--seen", "64"))[:2] == (
            2,
            "NOT_BELIEVED",
        )


def cosigned(story: Story, size: int) -> tuple[str, str]:
    """A witness's timestamped cosignature (C2SP tlog-cosignature), and its key's line."""
    name, point = "witness.example", story.eve.public.point
    key_id = sha256(name.encode() + b"\n\x04" + point).digest()[:4]
    text = Checkpoint(ORIGIN, size, story.root(size)).text()
    raw = (1_795_000_000).to_bytes(8, "big")
    raw += story.eve.private.sign(f"cosignature/v1\ntime 1795000000\n{text}".encode())
    line = f"\u2014 {name} {base64.b64encode(key_id + raw).decode()}\n"
    return f"{text}\n{line}", f"{name}+{key_id.hex()}+{base64.b64encode(bytes([4]) + point).decode()}"


class TestCannotDecide:
    """Neither yes nor no has its own exit code; nothing that goes wrong ever looks like a yes."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"phoenix_roots": 2},
            {"phoenix_roots": True},
            {"operators": []},
            {"operators": ["ssh-rsa AAAA"]},
            {"operators": ["ssh-ed25519"]},
            {"operators": None},
            {"log": "phoenix.example/main+00000000+AAAA"},
            {"log": None},
            {"origin": 7},
            {"extra": 1},
            {"witnesses": ["x"]},
            {"origin": "phoenix.example/other"},
            {"operators": [KEY_LINE.replace("ssh-ed25519 ", "sk-ssh-ed25519@openssh.com ")]},
            {"operators": [KEY_LINE.replace("AAAA", "A-A-A-A-", 1)]},
        ],
        ids=str,
    )
    def test_bad_roots(self, changes: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without roots nothing can be decided, and a forgotten or mistyped one is no licence."""
        roots = honest().roots() | changes
        assert said(told(tmp_path, honest().export(), roots, capsys))[:2] == (2, "BAD_ROOTS")

    def test_roots_that_say_a_thing_twice(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever reads them by eye may see the one, a program takes the other."""
        words = written(tmp_path, honest().export(), honest().roots())
        text = (tmp_path / "roots.json").read_text()
        (tmp_path / "roots.json").write_text(text.replace("{", '{"operators": [],', 1))
        assert phoenix_verify.main([*words, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["code"] == "BAD_ROOTS"
        with pytest.raises(BadInput, match="roots"):
            _ = key_in(tmp_path / "roots.json")
        (tmp_path / "roots.json").write_text(text)
        assert (phoenix_verify.main(words), key_in(tmp_path / "roots.json").name) == (0, ORIGIN)

    def test_missing_files(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """No export, no roots, no checkpoint where one was named."""
        words = written(tmp_path, honest().export(), honest().roots())
        for bad, code in (
            (["/nowhere", *words[1:]], "UNREADABLE"),
            ([*words[:2], "/nowhere"], "BAD_ROOTS"),
            ([*words, "--checkpoint", "/nowhere"], "UNREADABLE"),
        ):
            assert phoenix_verify.main([*bad, "--json"]) == 2
            assert json.loads(capsys.readouterr().out)["code"] == code

    def test_an_unknown_kind(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A bead of a later version may mean anything."""
        story = Story(edits={"beat": lambda drafts: [("TELEPATHY", body) for _, body in drafts]}).told()
        assert said(told(tmp_path, story.export(), story.roots(), capsys))[:2] == (2, "UNKNOWN_KIND")

    def test_the_roots_that_phoenix_writes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What `roots_of` writes is read; the story's own roots are the same but for a witness."""
        story = honest()
        roots = roots_of(ORIGIN, "PAPER", ACCOUNT, LOG.public.point, [(story.boss.public, "boss")])
        assert roots == story.roots() | {"witnesses": []}
        (tmp_path / "roots").write_text(json.dumps(roots))
        (tmp_path / "export").write_bytes(story.export())
        assert phoenix_verify.main([str(tmp_path / "export"), "--roots", str(tmp_path / "roots")]) == 0
        assert capsys.readouterr().out.startswith("TRUE")

    def test_an_answer_that_nobody_reads(self, tmp_path: Path) -> None:
        """A full disk under the answer: not a yes."""
        words = written(tmp_path, honest().export(), honest().roots())
        command = [sys.executable, "-I", phoenix_verify.__file__, *words]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        assert done.returncode not in (0, 1)

    def test_too_many_beads_of_one_instant(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Beads of one instant are looked at together: a bomb of them is refused, no lie."""
        story = Story()
        story.opens()
        beat: Draft = ("HEARTBEAT", {"status": "HEALTHY"})
        story.append("bomb", *[beat] * 5_001)
        assert said(told(tmp_path, story.export(), story.roots(), capsys))[:2] == (2, "TOO_MANY_AT_ONCE")

    def test_a_file_that_changes_under_the_reader(self, tmp_path: Path) -> None:
        """The second reading compares every bead with the first."""
        story, roots_file = honest(), tmp_path / "roots.json"
        roots_file.write_text(json.dumps(story.roots()))
        roots = phoenix_verify.read_roots(str(roots_file))
        outline = phoenix_verify.check_bytes(BytesIO(story.export()), roots)
        changed = BytesIO(story.export().replace(b"HEALTHY", b"WEALTHY"))
        with pytest.raises(phoenix_verify.Undecided, match="CHANGING"):
            phoenix_verify.check_meaning(changed, outline, roots)

    def test_an_exception_is_never_true(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever a bug of the verifier raises, wherever: exit 2."""
        for name in ("check_bytes", "check_outside", "check_meaning"):
            with monkeypatch.context() as patched:
                patched.setattr(phoenix_verify, name, lambda *_: 1 // 0)
                found = said(told(tmp_path, honest().export(), honest().roots(), capsys))
            assert found[:2] == (2, "STUMBLED")

    def test_an_empty_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is not a true log."""
        assert said(told(tmp_path, b"", honest().roots(), capsys))[:2] == (1, "EMPTY")

    def test_a_line_without_an_end(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The last newline belongs to the file."""
        for export in (honest().export()[:-1], honest().export()[:-1] + b"x"):
            assert said(told(tmp_path, export, honest().roots(), capsys))[:2] == (1, "BAD_LINE")


def test_every_byte_counts() -> None:
    """One bit of any byte of a short log's export: never true."""
    story = Story()
    story.opens()
    story.people()
    story.screen("one")
    story.checkpoint()
    export = story.export()
    roots = phoenix_verify.Roots(
        ORIGIN, story.mode, "", known_key(story), (), frozenset({story.boss.public.fingerprint})
    )
    assert phoenix_verify.check_bytes(BytesIO(export), roots).tree.size == len(story.beads)
    missed = []
    for place in range(len(export)):
        changed = bytearray(export)
        changed[place] ^= 1
        try:
            phoenix_verify.check_bytes(BytesIO(bytes(changed)), roots)
        except (phoenix_verify.Lie, phoenix_verify.Undecided):
            continue
        missed.append(place)
    assert missed == []


def known_key(story: Story) -> phoenix_verify.NoteKey:
    """The log's key as the roots name it."""
    key = phoenix_verify.note_key(str(story.roots()["log"]))
    assert key is not None
    return key


class TestNothingEscapes:
    """Whatever the file holds, the verifier answers with one of its three codes."""

    @given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
    def test_noise(self, data: bytes) -> None:
        """Noise is a lie."""
        roots = phoenix_verify.Roots(ORIGIN, "PAPER", "", known_key(honest()), (), frozenset())
        with pytest.raises(phoenix_verify.Lie):
            phoenix_verify.check_bytes(BytesIO(data), roots)

    @given(st.integers(0, len(honest_lines()) - 1), st.integers(0, 400), st.binary(min_size=1, max_size=4))
    def test_noise_in_a_line(self, number: int, column: int, noise: bytes) -> None:
        """Noise somewhere in an honest export."""
        roots = phoenix_verify.Roots(ORIGIN, "PAPER", "", known_key(honest()), (), frozenset())
        lines = list(honest_lines())
        lines[number] = lines[number][:column] + noise + lines[number][column:]
        try:
            phoenix_verify.check_bytes(BytesIO(b"\n".join(lines) + b"\n"), roots)
        except phoenix_verify.Lie:
            return
        pytest.fail("noise is no part of a true log")
