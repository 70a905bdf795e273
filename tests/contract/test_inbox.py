"""The inbox against who may write into it: links, pipes, bombs, names; a file is taken, or put aside with a reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from phoenix_adapters.codec import DOCUMENT_MAX, digest_of, read_document
from phoenix_adapters.seams.files import NAME_BYTES_MAX, PER_ROUND_MAX, FileSeam
from phoenix_core.values import BadInput
from tests.contract.cli.operator import Seat, until
from tests.showing import shows

SECRET: Final = b"the operator's own"


@pytest.fixture
def seam(tmp_path: Path) -> FileSeam:
    """The four folders of a desk."""
    for name in ("incoming", "archive", "quarantine", "responses"):
        (tmp_path / name).mkdir()
    return FileSeam(tmp_path / "incoming", tmp_path / "archive", tmp_path / "quarantine", tmp_path / "responses")


def test_an_answer_stands_under_its_intent_and_as_the_last_one(seam: FileSeam) -> None:
    """A program looks for its own intent, a person at a desk for the newest; repeating is harmless."""
    for intent, document in (("one", "first\n"), ("two", "second\n"), ("two", "second\n")):
        seam.respond(intent, document)
    found = {file.name: file.read_text("utf-8") for file in seam.responses.iterdir()}
    assert found == {"one.md": "first\n", "two.md": "second\n", "response.md": "second\n"}


@shows("S33-SEAM-03")
def test_what_was_not_taken_is_the_newest_answer_too(seam: FileSeam) -> None:
    """Whoever wrote a file reads the newest answer: of one that was refused it says so, with the reason's name and the
    place of its words, and none of the words of whoever wrote it."""
    answer = seam.responses / "response.md"
    seam.respond("one", "an older answer\n")
    _ = (seam.incoming / "[a](b) `c`.yaml").write_bytes(b"x")
    seam.archive("[a](b) `c`.yaml", digest_of(b"x"), True, "SIGNAL_MALFORMED (document: <script>)")
    assert answer.read_text("utf-8") == (
        f"# Not taken\n\n- file: {digest_of(b'x')[:16]}-?a??b???c?.yaml\n- reason: SIGNAL_MALFORMED\n\n## Next\n\n"
        "It lies in `intents/quarantine/` with the whole reason beside it."
        " Mend it, and write it anew as another intent.\n"
    )
    seam.respond("one", "an older answer\n")
    symlink(seam.incoming / "link.yaml")
    assert seam.take() == ()
    assert "- file: refused-link.yaml\n- reason: cannot be opened as a plain file" in answer.read_text("utf-8")
    seam.respond("two", "a newer answer\n")
    seam.archive("two.yaml", digest_of(b"y"), False, "")
    assert answer.read_text("utf-8") == "a newer answer\n"


def reasons(seam: FileSeam) -> dict[str, str]:
    """What lies in quarantine, with what is said of it."""
    kept = {file.name: file.read_text("utf-8") for file in seam.quarantine_to.glob("*.reason")}
    assert len(kept) * 2 == len(os.listdir(seam.quarantine_to)), "each of them has its reason beside it"
    return kept


def symlink(place: Path) -> None:
    """To a file that the desk may read and the writer may not."""
    secret = place.parent.parent / "secret"
    _ = secret.write_bytes(SECRET)
    place.symlink_to(secret)


def hard_link(place: Path) -> None:
    """A second name of somebody else's file."""
    secret = place.parent.parent / "secret"
    _ = secret.write_bytes(SECRET)
    os.link(secret, place)


def hole(place: Path) -> None:
    """A file that takes no room and is larger than any memory."""
    place.touch()
    os.truncate(place, 2**40)


ATTACKS: Final[list[tuple[str, Callable[[Path], object], str]]] = [
    ("a symlink", symlink, "plain file"),
    ("a dangling symlink", lambda place: place.symlink_to("/nowhere/at/all"), "plain file"),
    ("a symlink to itself", lambda place: place.symlink_to(place), "plain file"),
    ("a hard link", hard_link, "link"),
    ("a pipe that nobody writes to", os.mkfifo, "pipe"),
    ("a folder", lambda place: place.mkdir(), "plain file"),
    ("a file that is too large", lambda place: place.write_bytes(b"x" * (DOCUMENT_MAX + 1)), "bytes long"),
    ("a hole of a terabyte", hole, "bytes long"),
]


class TestWhatIsNoPlainFile:
    """Nothing is followed, nothing is waited for, nothing is lost."""

    @pytest.mark.timeout(30)
    @pytest.mark.parametrize(("attack", "word"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
    @shows("I20")
    def test_it_is_put_aside(self, seam: FileSeam, attack: Callable[[Path], object], word: str) -> None:
        """At once, without hanging, with a reason; what it pointed at is not read, and an honest file beside it is."""
        attack(seam.incoming / "a.yaml")
        _ = (seam.incoming / "b.yaml").write_bytes(b"honest")
        assert [(name, data) for name, data, _ in seam.take()] == [("b.yaml", b"honest")]
        said = reasons(seam)
        assert list(said) == ["refused-a.yaml.reason"]
        assert word in said["refused-a.yaml.reason"]
        assert not any(SECRET.decode() in text for text in said.values())

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
    @shows("I20")
    def test_another_users_file(self, seam: FileSeam) -> None:
        """The channel is the user who wrote: nobody proposes in another's name."""
        _ = (seam.incoming / "a.yaml").write_bytes(b"mine")
        os.chown(seam.incoming / "a.yaml", 12345, 12345)
        assert seam.take() == ()
        assert "another user" in reasons(seam)["refused-a.yaml.reason"]

    @shows("I20")
    def test_the_largest_that_is_taken(self, seam: FileSeam) -> None:
        """The honest twin: to the byte, in the name of who runs the desk."""
        _ = (seam.incoming / "a.json").write_bytes(b"x" * DOCUMENT_MAX)
        assert seam.take() == (("a.json", b"x" * DOCUMENT_MAX, f"file:uid{os.getuid()}"),)
        assert seam.take() == (), "once"

    @shows("I20")
    def test_one_of_the_same_name_does_not_bury_the_first(self, seam: FileSeam) -> None:
        """What was put aside stays to be looked at, however often somebody tries."""
        for _ in range(3):
            symlink(seam.incoming / "a.yaml")
            assert seam.take() == ()
        assert sorted(reasons(seam)) == [f"refused-a.yaml{mark}.reason" for mark in ("", "~1", "~2")]


class TestNames:
    """A name is somebody's text too."""

    @pytest.mark.parametrize(
        "name",
        [
            b"\xff.yaml",
            b"a\nb.yaml",
            b"\x1b[2J.yaml",
            "\u202egnp.yaml".encode(),
            b"n" * (NAME_BYTES_MAX - 4) + b".yaml",
            b"n" * 250 + b".yaml",
        ],
        ids=["no text", "a line break", "an escape sequence", "right to left", "one byte too long", "far too long"],
    )
    @shows("I20")
    def test_one_that_cannot_be_kept(self, seam: FileSeam, name: bytes) -> None:
        """No text, control characters, right-to-left, too long to be put away: aside, under a name that can be."""
        _ = Path(os.fsdecode(os.fsencode(seam.incoming) + b"/" + name)).write_bytes(b"honest")
        assert seam.take() == ()
        assert os.listdir(seam.incoming) == []
        ((place, said),) = reasons(seam).items()
        assert place.isprintable()
        assert "cannot be kept under its name" in said

    @shows("I20")
    def test_the_longest_that_is_taken(self, seam: FileSeam) -> None:
        """The honest twin: it is taken, and put away with its reason when it turns out to be none."""
        name = "n" * (NAME_BYTES_MAX - 5) + ".yaml"
        for quarantined in (False, True):
            _ = (seam.incoming / name).write_bytes(b"honest")
            assert [taken[0] for taken in seam.take()] == [name]
            seam.archive(name, digest_of(b"honest"), quarantined, "why")
        assert os.listdir(seam.incoming) == []
        assert len(os.listdir(seam.archive_to)) == 1
        assert len(reasons(seam)) == 1

    @shows("I20")
    def test_a_name_cannot_leave_its_folder(self, seam: FileSeam) -> None:
        """What the system calls a name has no slash in it: an entry that looks like a path is one file."""
        _ = (seam.incoming / "a..\\..\\x.yaml").write_bytes(b"honest")
        ((name, _, _),) = seam.take()
        seam.archive(name, digest_of(b"honest"), quarantined=False, reason="")
        assert os.listdir(seam.archive_to) == [f"{digest_of(b'honest')[:16]}-{name}"]


class TestOneNameForAll:
    """A program that writes every intent under one name, as soon as it has one."""

    @pytest.mark.parametrize("quarantined", [False, True])
    @shows("I20")
    def test_the_next_one_is_not_put_away_unread(self, seam: FileSeam, quarantined: bool) -> None:
        """Renamed over the first while that was decided on: nothing of it is archived as the first, or overwrites what
        was, and it is taken in the next round."""
        for _ in range(2):
            _ = (seam.incoming / "intent.yaml").write_bytes(b"first")
            assert [data for _, data, _ in seam.take()] == [b"first"]
            renamed(seam.incoming / "intent.yaml", b"second")
            seam.archive("intent.yaml", digest_of(b"first"), quarantined, "why")
            assert [data for _, data, _ in seam.take()] == [b"second"]
            seam.archive("intent.yaml", digest_of(b"second"), quarantined, "why")
            assert os.listdir(seam.incoming) == []
        folder = seam.quarantine_to if quarantined else seam.archive_to
        assert {file.read_bytes() for file in folder.iterdir() if file.suffix != ".reason"} == {b"second"}

    @shows("I20")
    def test_what_an_earlier_run_moved_takes_no_other_with_it(self, seam: FileSeam) -> None:
        """It died before it could say so: the archive that is owed still is repeated after the next one came."""
        _ = (seam.incoming / "intent.yaml").write_bytes(b"first")
        seam.archive("intent.yaml", digest_of(b"first"), quarantined=False, reason="")
        _ = (seam.incoming / "intent.yaml").write_bytes(b"second")
        seam.archive("intent.yaml", digest_of(b"first"), quarantined=False, reason="")
        assert [data for _, data, _ in seam.take()] == [b"second"]
        assert [file.read_bytes() for file in seam.archive_to.iterdir()] == [b"first"]

    @shows("I20")
    def test_a_rename_in_the_very_instant(self, seam: FileSeam, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between the look and the move: what was moved is another, and comes back under a name of its own."""
        _ = (seam.incoming / "intent.yaml").write_bytes(b"first")
        assert [data for _, data, _ in seam.take()] == [b"first"]
        move, late = os.replace, [b"second"]

        def replace(place: Path, target: Path) -> None:
            if late:
                renamed(place, late.pop(), move)
            move(place, target)

        monkeypatch.setattr(os, "replace", replace)
        seam.archive("intent.yaml", digest_of(b"first"), quarantined=False, reason="")
        assert [data for _, data, _ in seam.take()] == [b"second"]
        assert os.listdir(seam.archive_to) == []


def renamed(place: Path, data: bytes, move: Callable[[Path, Path], None] = os.replace) -> None:
    """Written elsewhere and renamed, as a proposer is told to."""
    beside = place.with_name(".elsewhere")
    _ = beside.write_bytes(data)
    move(beside, place)


class TestCrowds:
    """Nobody keeps others waiting."""

    @pytest.mark.parametrize("junk", ["!{}.txt", ".{}.yaml"])
    @shows("I20")
    def test_a_heap_of_what_is_no_input(self, seam: FileSeam, junk: str) -> None:
        """More files than a round takes, all before the honest one in the order of names: it is taken all the same."""
        for n in range(PER_ROUND_MAX + 1):
            (seam.incoming / junk.format(n)).touch()
        _ = (seam.incoming / "a.yaml").write_bytes(b"honest")
        assert [name for name, _, _ in seam.take()] == ["a.yaml"]

    @shows("I20")
    def test_a_heap_that_cannot_be_moved(self, seam: FileSeam) -> None:
        """Where quarantine takes nothing, what belongs there is passed over in the next round."""
        seam.quarantine_to.rmdir()
        for n in range(PER_ROUND_MAX + 1):
            (seam.incoming / f"!{n:03}.yaml").symlink_to("/nowhere")
        _ = (seam.incoming / "a.yaml").write_bytes(b"honest")
        assert seam.take() == ()
        assert [name for name, _, _ in seam.take()] == ["a.yaml"]

    @shows("I20")
    def test_a_thousand_at_once(self, seam: FileSeam) -> None:
        """Round by round, each once, in the order of their names."""
        names = [f"{n:04}.yaml" for n in range(1000)]
        for name in names:
            _ = (seam.incoming / name).write_bytes(name.encode())
        taken: list[str] = []
        while found := seam.take():
            assert len(found) <= PER_ROUND_MAX
            taken += [name for name, _, _ in found]
        assert taken == names

    @pytest.mark.timeout(60)
    @shows("I20")
    def test_a_race_of_renames(self, seam: FileSeam) -> None:
        """A name that is a file one moment and a link to a secret the next: the file is taken, or nothing."""
        secret, place, over = seam.incoming.parent / "secret", seam.incoming / "a.yaml", threading.Event()
        _ = secret.write_bytes(SECRET)

        def swap() -> None:
            for n in range(200):
                beside = seam.incoming / f".{n}"
                if n % 2:
                    beside.symlink_to(secret)
                else:
                    _ = beside.write_bytes(b"honest")
                os.replace(beside, place)
            over.set()

        thread = threading.Thread(target=swap)
        thread.start()
        while not over.is_set():
            for name, data, _ in seam.take():
                assert data == b"honest"
                seam.archive(name, digest_of(data), quarantined=False, reason="")
        thread.join(10)
        assert all(SECRET not in file.read_bytes() for file in seam.archive_to.iterdir() if not file.is_symlink())


@shows("I20")
def test_an_engine_outlives_every_name(tmp_path: Path) -> None:
    """A file whose name no bead can hold, beside an honest one: the honest one comes in, the engine goes on."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    incoming = seat.home / "intents" / "incoming"
    for name in (b"\xff.yaml", b"n" * 240 + b".yaml"):
        made = seat.json("cse", "--signal", "READY", "--pair", "GBPUSD", "--out", "-")
        _ = Path(os.fsdecode(os.fsencode(incoming) + b"/" + name)).write_text(made.out, "utf-8")
    made = seat.json("cse", "--signal", "READY", "--pair", "EURUSD", "--out", "-")
    with seat.engine() as engine:
        _ = (incoming / "honest.yaml").write_text(made.out, "utf-8")
        until(lambda: len(seat.json("inbox").document["intents"]) == 1)
        assert [each["instrument"] for each in seat.json("inbox").document["intents"]] == ["EURUSD"]
        assert engine.stop() == 0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"signal: READY\nsignal: WAIT\n", "every key once"),
        (b'{"signal": "READY", "signal": "WAIT"}', "every key once"),
        (b"signal: READY\n'signal': WAIT\n", "every key once"),
        (b"a: &x READY\nb: *x\n", "every value out"),
        (b"signal: " + b"x" * DOCUMENT_MAX, "at most"),
        (b"a: " + b"[" * 65 + b"]" * 65, "flat document"),
    ],
    ids=["a key twice", "in JSON too", "spelt in two ways", "an alias", "too long", "too deep"],
)
def test_a_document_that_two_readers_could_read_in_two_ways(data: bytes, why: str) -> None:
    """Refused with the mend; nothing of it is taken for the one or the other."""
    with pytest.raises(BadInput, match=why):
        _ = read_document(data, "x.yaml")
    assert read_document(b"signal: READY\n") == {"signal": "READY"}
