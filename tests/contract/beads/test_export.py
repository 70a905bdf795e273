"""The log as one file: whatever is done to it is found with its code, or said to be unfindable without outside help."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_adapters.beads.export import (
    LINE_BYTES_MAX,
    Export,
    ExportFault,
    ExportLie,
    export,
    export_lines,
    read_export,
)
from phoenix_adapters.beads.memory import MemoryStore
from phoenix_core.canonical import Flaw, Json, NotCanonical, encode
from phoenix_core.chain import EMPTY, Head, Lie, Sealed, seal
from phoenix_core.checkpoint import Checkpoint, Verifying, parse_note, sign_note
from phoenix_core.values import text_hash
from tests.contract.beads.suite import ORIGIN, PRIVATE, PUBLIC, SIGNER, TS, bead_id, grow, sealed
from tests.showing import shows

SIZE: Final = 12


def verified(message: bytes, signature: bytes) -> bool:
    """The log's key, as an auditor holds it."""
    try:
        PRIVATE.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


KEY: Final = Verifying(ORIGIN, SIGNER.key_id, verified)


def log(*ids: int, signed_at: tuple[int, ...] = (5, SIZE)) -> MemoryStore:
    """A small log with a text and checkpoints, all of it from the same inputs."""
    store = MemoryStore()
    for n, name in enumerate(ids):
        store.append(store.head(), sealed(store.head(), name), {text_hash(f"text {n % 2}"): f"text {n % 2}"}).unwrap()
        if n + 1 in signed_at:
            store.checkpoint(ORIGIN, SIGNER).unwrap()
    return store


def file_of(store: MemoryStore) -> bytes:
    """Its export."""
    return b"".join(export_lines(store, ORIGIN, PUBLIC))


def read(data: bytes, outside: tuple[Checkpoint, ...] = ()) -> Export | ExportFault:
    """What an auditor with the log's key makes of these bytes."""
    result = read_export(io.BytesIO(data), KEY, outside)
    return result.unwrap() if is_successful(result) else result.failure()


def reason(data: bytes, outside: tuple[Checkpoint, ...] = ()) -> str:
    """The code of the first lie, or nothing."""
    found = read(data, outside)
    return found.reason.name if isinstance(found, ExportFault) else ""


def rewritten(data: bytes, **changes: Json) -> bytes:
    """The same file under another header."""
    head, _, rest = data.partition(b"\n")
    return encode({**json.loads(head), **changes}) + b"\n" + rest


STORE: Final = log(*range(SIZE))
GOOD: Final = file_of(STORE)
LINES: Final = GOOD.splitlines(keepends=True)
OUTSIDE: Final = parse_note(STORE.checkpoints()[-1]).unwrap().checkpoint


class TestHonest:
    """What was written reads back."""

    @shows("I6", "I7")
    def test_all_of_it(self, tmp_path: Path) -> None:
        """Beads, texts, checkpoints, files, and how much of it somebody outside has seen."""
        export(STORE, tmp_path / "log.jsonl", ORIGIN, PUBLIC, {"b.py": "print()\n", "a.txt": "\u2028"})
        assert [f.name for f in tmp_path.iterdir()] == ["log.jsonl"]
        with open(tmp_path / "log.jsonl", "rb") as stream:
            found = read_export(stream, KEY, (Checkpoint(ORIGIN, 5, STORE.root(5)),)).unwrap()
        assert list(found.beads) == list(STORE.read(0))
        assert (found.head, found.root, found.origin, found.log_key) == (STORE.head(), STORE.root(), ORIGIN, PUBLIC)
        assert dict(found.texts) == dict(STORE.texts())
        assert [point.size for point in found.checkpoints] == [5, SIZE]
        assert dict(found.files) == {"a.txt": "\u2028", "b.py": "print()\n"}
        assert (found.witnessed, found.unwitnessed) == (5, 7)

    def test_half_of_it_is_not_left_behind(self, tmp_path: Path) -> None:
        """An export that cannot be finished leaves no file: neither under its name nor beside it."""
        with pytest.raises(NotCanonical):
            export(STORE, tmp_path / "log.jsonl", ORIGIN, PUBLIC, {"a.txt": "\ud800"})
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_log_has_an_export(self) -> None:
        """It says that it holds nothing; nobody has seen anything of it."""
        found = read(file_of(MemoryStore()))
        assert isinstance(found, Export)
        assert (found.head, found.beads, found.unwitnessed) == (EMPTY, (), 0)

    @given(st.text(st.characters(codec="utf-8"), max_size=30))
    def test_any_text_goes_through(self, text: str) -> None:
        """Line ends of every script and all that people write are one line each."""
        store = MemoryStore()
        store.append(EMPTY, sealed(EMPTY, 1), {text_hash(text): text}).unwrap()
        found = read(file_of(store))
        assert isinstance(found, Export)
        assert dict(found.texts) == {text_hash(text): text}

    def test_without_a_key_of_its_own(self) -> None:
        """A log that has no key yet is exported as such; a reader who expects one is told."""
        data = b"".join(export_lines(log(1, 2, signed_at=()), ORIGIN, None))
        assert read_export(io.BytesIO(data)).unwrap().log_key is None
        assert reason(data) == "OTHER_LOG"


class TestTampering:
    """Tampering (I7): whatever is done to an export of a dozen beads is found, with its reason."""

    @shows("I7")
    def test_every_byte_of_every_field(self) -> None:
        """Each byte flipped in turn: found, and the number is that of the line, or of the bead after it."""
        starts = [sum(map(len, LINES[:n])) for n in range(len(LINES))]
        for at in range(len(GOOD)):
            bad = GOOD[:at] + bytes([GOOD[at] ^ 1]) + GOOD[at + 1 :]
            fault = read(bad)
            assert isinstance(fault, ExportFault), f"byte {at}"
            line = max(n for n, start in enumerate(starts) if start <= at)
            if fault.seq is not None:
                # The header's size or root wrong, this bead, the next one, or the last one through the root.
                assert fault.seq in {line - 1, line, SIZE - 1} or line == 0, f"byte {at}: {fault}"
            else:
                assert fault.line in {line + 1, line + 2, 1} or line == 0, f"byte {at}: {fault}"

    @pytest.mark.parametrize("at", range(SIZE))
    @shows("I7", "I5")
    def test_deleted_doubled_swapped(self, at: int) -> None:
        """Each bead, with the header left as it is and with a header that counts along."""
        beads, tail = LINES[1 : SIZE + 1], LINES[SIZE + 1 :]
        other = (at + 5) % SIZE
        swapped = list(beads)
        swapped[at], swapped[other] = beads[other], beads[at]
        for name, forged in (
            ("BAD_SEQ", beads[:at] + beads[at + 1 :]),
            ("BAD_SEQ", beads[: at + 1] + beads[at:]),
            ("BAD_SEQ", swapped),
        ):
            left = b"".join([LINES[0], *forged, *tail])
            counted = rewritten(left, size=len(forged))
            # The last bead deleted: what stands in its place is no bead; counted out, the root is another.
            last = at == SIZE - 1 and len(forged) < SIZE
            doubled_last = at == SIZE - 1 and len(forged) > SIZE
            assert reason(left) == ("BAD_ENVELOPE" if last else "BAD_LINE" if doubled_last else name)
            assert reason(counted) == ("BAD_ROOT" if last else name)

    @shows("I7")
    def test_cut_at_every_byte(self) -> None:
        """A file that ends early never passes, wherever it ends."""
        for at in range(len(GOOD)):
            fault = read(GOOD[:at])
            assert isinstance(fault, ExportFault), f"cut at {at}"
            if at in {sum(map(len, LINES[:n])) for n in range(len(LINES))}:
                assert fault.reason is (ExportLie.TRUNCATED if at else ExportLie.EMPTY)

    @shows("I7")
    def test_a_bead_sealed_anew(self) -> None:
        """Other words in one bead: its successor no longer follows; the last one breaks the root."""
        heads = [EMPTY, *(bead.head for bead in STORE.read(0))]
        for at in range(SIZE):
            (forged,) = seal(heads[at], TS, [("ALERT", {"bead_id": bead_id(at), "n": 99})])
            lines = list(LINES)
            lines[at + 1] = forged.data + b"\n"
            fault = read(b"".join(lines))
            expected = (Lie.BAD_PREV, at + 1) if at < SIZE - 1 else (ExportLie.BAD_ROOT, at)
            assert isinstance(fault, ExportFault)
            assert (fault.reason, fault.seq) == expected


class TestWithTheLogKeyInHand:
    """Who owns the host and the log's key can make a perfectly good log; only a checkpoint outside tells."""

    def both(self, data: bytes) -> tuple[str, str]:
        """(found without the outside checkpoint, found with it)."""
        return reason(data), reason(data, (OUTSIDE,))

    @shows("I7")
    def test_the_tail_cut_off(self) -> None:
        """Shorter, with a fitting header and its own checkpoint: BEHIND, and unfound without."""
        for size in range(SIZE):
            assert self.both(file_of(log(*range(size), signed_at=(size,)))) == ("", "BEHIND")

    @shows("I7")
    def test_an_old_backup(self) -> None:
        """A former export, byte for byte as it was: BEHIND; continued beyond the checkpoint: FORKED."""
        old = log(*range(8))
        assert self.both(file_of(old)) == ("", "BEHIND")
        for n in range(20, 30):
            grow(old, n)
        assert self.both(file_of(old)) == ("", "FORKED")

    @pytest.mark.parametrize("at", range(SIZE))
    @shows("I7")
    def test_the_chain_rebuilt(self, at: int) -> None:
        """From one bead on everything sealed and signed again; also the fork of the same size: FORKED."""
        assert self.both(file_of(log(*range(at), 50, *range(at + 1, SIZE)))) == ("", "FORKED")

    def test_the_honest_twin(self) -> None:
        """The log itself, and the same log grown longer, agree with the checkpoint."""
        assert self.both(GOOD) == ("", "")
        longer = log(*range(SIZE + 3))
        assert self.both(file_of(longer)) == ("", "")
        found = read(file_of(longer), (OUTSIDE,))
        assert isinstance(found, Export)
        assert found.unwitnessed == 3

    def test_files_prove_nothing(self) -> None:
        """What travels along is not part of the log: nobody finds it changed, and nobody may rely on it."""
        data = b"".join(export_lines(STORE, ORIGIN, PUBLIC, {"v.py": "honest"}))
        assert reason(data.replace(b"honest", b"hostile")) == ""

    def test_a_checkpoint_of_another_log(self) -> None:
        """Paper is not live: an outside checkpoint of another origin decides nothing, and says so."""
        assert reason(GOOD, (Checkpoint("phoenix.example/desk/live", SIZE, STORE.root()),)) == "OTHER_LOG"


def nth(n: int, change: Callable[[bytes], bytes]) -> bytes:
    """The file with one line changed."""
    return b"".join(change(line) if at == n else line for at, line in enumerate(LINES))


TEXT, NOTE = SIZE + 1, SIZE + 3


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("EMPTY", b""),
        ("BAD_HEADER", b"\n"),
        ("BAD_HEADER", b"{}\n"),
        ("BAD_HEADER", b"[]\n"),
        ("BAD_HEADER", nth(0, lambda line: line.replace(b'"size":12', b'"size": 12'))),
        ("BAD_HEADER", rewritten(GOOD, phoenix_export=2)),
        ("BAD_HEADER", rewritten(GOOD, phoenix_export=True)),
        ("BAD_HEADER", rewritten(GOOD, size=-1)),
        ("BAD_HEADER", rewritten(GOOD, texts=True)),
        ("BAD_HEADER", rewritten(GOOD, files="0")),
        ("BAD_HEADER", rewritten(GOOD, root="AAAA")),
        ("BAD_HEADER", rewritten(GOOD, root=None)),
        ("BAD_HEADER", rewritten(GOOD, log_key="!")),
        ("BAD_HEADER", rewritten(GOOD, log_key=7)),
        ("BAD_HEADER", rewritten(GOOD, origin=7)),
        ("BAD_HEADER", rewritten(GOOD, more=7)),
        ("OTHER_LOG", rewritten(GOOD, origin="phoenix.example/desk/live")),
        ("OTHER_LOG", rewritten(GOOD, log_key=None)),
        ("BAD_ENVELOPE", rewritten(GOOD, size=13)),
        ("BAD_ROOT", rewritten(b"".join(LINES[:12] + LINES[13:]), size=11)),
        ("TRUNCATED", rewritten(GOOD, checkpoints=3)),
        ("TRUNCATED", rewritten(GOOD, files=1)),
        ("BAD_LINE", rewritten(GOOD, texts=1)),
        ("BAD_LINE", rewritten(GOOD, texts=3)),
        ("TRAILING", rewritten(GOOD, checkpoints=1)),
        ("TRAILING", GOOD + b"\n"),
        ("BAD_LINE", GOOD[:-1]),
        ("BAD_LINE", nth(TEXT, lambda line: b"not json\n")),
        ("BAD_LINE", nth(TEXT, lambda line: b'{"hash":7,"text":"text 0"}\n')),
        ("BAD_LINE", nth(TEXT, lambda line: LINES[TEXT + 1])),
        ("BAD_LINE", nth(TEXT, lambda line: b" " * (LINE_BYTES_MAX + 1) + b"\n")),
        ("BAD_TEXT", nth(TEXT, lambda line: line.replace(b"text ", b"Text "))),
        ("BAD_CHECKPOINT", nth(NOTE, lambda line: b'{"checkpoint":null}\n')),
        ("BAD_CHECKPOINT", nth(NOTE, lambda line: b'{"checkpoint":"no note"}\n')),
        ("BAD_CHECKPOINT", nth(NOTE, lambda line: LINES[NOTE + 1])),
        ("BAD_SIGNATURE", nth(NOTE, lambda line: line.replace(b"\\n5\\n", b"\\n4\\n"))),
        ("BAD_LINE", nth(NOTE, lambda line: b'{"note":"x"}\n')),
        ("TOO_LARGE", nth(3, lambda line: b'"' + b"a" * 300_000 + b'"\n')),
        ("TOO_DEEP", nth(3, lambda line: b"[" * 50 + b"]" * 50 + b"\n")),
        ("DUPLICATE_KEY", nth(3, lambda line: line.replace(b'"kind"', b'"kind":"ALERT","kind"'))),
        ("FLOAT", nth(3, lambda line: line.replace(b'"n":2', b'"n":2.0'))),
    ],
)
@shows("I20")
def test_every_way_not_to_be_an_export(name: str, data: bytes) -> None:
    """Each malformed file is refused by its own code."""
    assert reason(data) == name


def test_notes_of_other_logs_and_of_other_pasts() -> None:
    """A note that another key made, of another origin, or over another root, does not pass for this log's."""
    other = log(50, *range(1, SIZE))
    assert reason(nth(NOTE, lambda line: file_of(other).splitlines(keepends=True)[NOTE])) == "FORKED"
    foreign = log(*range(5), signed_at=()).checkpoint("phoenix.example/desk/live", SIGNER).unwrap()
    assert reason(nth(NOTE, lambda line: encode({"checkpoint": foreign}) + b"\n")) == "OTHER_LOG"


def test_a_note_of_more_than_there_is() -> None:
    """A true signature over beads that the file does not hold proves nothing about it."""
    beyond = sign_note(Checkpoint(ORIGIN, 99, STORE.root()), SIGNER)
    assert reason(nth(NOTE + 1, lambda line: encode({"checkpoint": beyond}) + b"\n")) == "BAD_CHECKPOINT"


class Endless(io.BytesIO):
    """A line that never ends."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """As much of it as is asked for."""
        assert size is not None
        assert 0 < size <= LINE_BYTES_MAX + 1, "a line is never read whole, whatever its length"
        return b"a" * size


def test_an_endless_line_is_cut_short() -> None:
    """The reader takes a bounded bite and refuses it."""
    assert read_export(Endless()).failure() == ExportFault(ExportLie.BAD_LINE, line=1)


def test_one_id_twice() -> None:
    """A chain that is whole but tells one thing twice is found by its number."""
    beads: list[Sealed] = []
    head: Head = EMPTY
    for name in (1, 2, 1):
        beads += sealed(head, name)
        head = beads[-1].head
    store = log(1, 2, signed_at=())
    store.log.beads.append(beads[-1].data)
    store.log.leaves.append(beads[-1].leaf)
    store.log.frontier = store.log.frontier.extend([beads[-1].leaf])
    fault = read(file_of(store))
    assert fault == ExportFault(Lie.DUPLICATE_BEAD_ID, 2, 4)


@given(st.binary(max_size=200) | st.lists(st.sampled_from(LINES), max_size=20).map(b"".join))
@shows("I20")
def test_no_file_escapes(data: bytes) -> None:
    """Any bytes, and any shuffling of honest lines, are an export or a fault; nothing is raised."""
    found = read(data)
    assert data == GOOD if isinstance(found, Export) else isinstance(found.reason, Flaw | Lie | ExportLie)
