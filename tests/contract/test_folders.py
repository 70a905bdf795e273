"""The folders of intents and answers, when the disk does not play along: the desk goes on, and a human hears of it."""

from __future__ import annotations

import errno
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import Factory, define, evolve

from phoenix_adapters.engine.folders import Folders
from phoenix_adapters.engine.responses import response_document
from phoenix_adapters.seams.files import FileSeam, write_whole
from phoenix_core.acts.propose import Propose, Quarantine
from phoenix_core.beads import Signal
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.effects import ArchiveInput, WriteResponse
from phoenix_core.values import Money, State
from tests.showing import shows
from tests.stage import stage
from tests.unit.desk.walks import walked

GONE = OSError(errno.ENOSPC, "No space left on device")


@define
class Seam:
    """A seam whose disk is full while `full` says so."""

    full: bool = True
    waiting: list[tuple[str, bytes, str]] = Factory(list)
    answers: dict[str, str] = Factory(dict)
    archived: list[str] = Factory(list)

    def take(self) -> tuple[tuple[str, bytes, str], ...]:
        """What waits."""
        if self.full:
            raise GONE
        return tuple(self.waiting)

    def archive(self, name: str, digest: str, quarantined: bool, reason: str) -> None:
        """Put away."""
        if self.full:
            raise GONE
        self.archived.append(name)

    def respond(self, intent_id: str, document: str) -> None:
        """Keep the answer."""
        if self.full:
            raise GONE
        self.answers[intent_id] = document


def test_a_full_disk_of_folders_is_told_once_and_stops_nothing() -> None:
    """Nothing can be read or written there: every answer stays owed, one message goes out; later all of it is given."""
    seam, told = Seam(), list[str]()
    made = stage()
    folders, desk = Folders(seam, told.append, made.engine.recorder), made.desk
    answer, away = WriteResponse("an intent"), ArchiveInput("a.yaml", "d" * 64, False, "")
    for _ in range(3):
        assert folders.take() == ()
        assert not folders.answer(answer, desk)
        assert not folders.answer(away, desk)
    assert told == ["the folders of intents and answers cannot be used: No space left on device"]
    seam.full = False
    assert folders.answer(answer, desk) and folders.answer(away, desk)
    assert (list(seam.answers), seam.archived) == (["an intent"], ["a.yaml"])


def test_a_trade_goes_through_beside_a_full_disk_of_folders() -> None:
    """Signal, approval, fill, protection, close: none of them waits for an answer that cannot be written."""
    made, seam = stage(), Seam()
    made.engine.folders = Folders(seam, made.engine.folders.tell, made.engine.recorder)

    async def walk(desk: object) -> None:
        intent = await made.enter()
        owed = [effect for effect in made.desk.owed.values() if isinstance(effect, WriteResponse)]
        assert owed and seam.answers == {}
        seam.full = False
        await made.tick()
        assert "MANAGED" in seam.answers[intent]
        assert not [effect for effect in made.desk.owed.values() if isinstance(effect, WriteResponse)]

    _ = walked(walk, made)


def test_an_answer_after_a_long_time_still_says_what_was_approved() -> None:
    """A position that is closed days later: the evidence was let go, and the answer has its figures all the same."""
    made, seam = stage(), Seam(full=False)
    made.engine.folders = Folders(seam, made.engine.folders.tell, made.engine.recorder)

    async def walk(desk: object) -> None:
        intent = await made.enter()
        before = [
            line for line in seam.answers[intent].splitlines() if line.startswith(("- version", "- entry", "- risk"))
        ]
        await made.watch(2 * 3600, 60)
        _ = await made.propose(pair="GBPUSD", entry="1.2700", stop="1.2665", target="1.2770")
        assert made.desk.evidence.latest(intent) is None
        made.price("1.0910", "1.0912")
        await made.tick(1)
        after = seam.answers[intent].splitlines()
        assert "State: **CLOSED**" in after
        assert len(before) == 3 and [line for line in before if line not in after] == []
        assert any(line.startswith("- realised: ") for line in after)

    _ = walked(walk, made)


@shows("I20")
@pytest.mark.parametrize("good", [True, False], ids=["accepted", "quarantined"])
def test_the_same_file_again_goes_where_the_first_one_went(tmp_path: Path, good: bool) -> None:
    """A bot that was killed cannot know whether its file was read, and writes it again: no bead, and none stays behind;
    nor does one that comes while the first one's place is still owed."""
    made = stage()
    incoming, archive, aside, answers = (tmp_path / name for name in ("incoming", "archive", "aside", "answers"))
    for folder in (incoming, archive, aside, answers):
        folder.mkdir()
    seam = FileSeam(incoming, archive, aside, answers)
    made.engine.folders = Folders(seam, made.engine.folders.tell, made.engine.recorder)
    data = made.signal() if good else b"signal: nobody reads this"

    async def walk(desk: object) -> None:
        for n in range(3):
            _ = (incoming / "a.yaml").write_bytes(data)
            (answers / "response.md").unlink(missing_ok=True)
            await made.tick()
            assert os.listdir(incoming) == [], f"time {n}"
        assert len(made.bodies(Signal)) == 1
        kept = sorted(name.partition("-")[2] for name in os.listdir(archive if good else aside))
        assert kept == (["a.yaml"] if good else ["a.yaml", "a.yaml.reason"])
        assert (answers / "response.md").exists() is not good

    _ = walked(walk, made)


def test_a_log_that_answers_nothing_keeps_no_file_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a file came before is asked of the log; where that fails, the file is taken and waits for the log."""
    made = stage()
    seam = Seam(full=False, waiting=[("a.yaml", made.signal(), "files")])

    def silent(bead_id: str) -> int | None:
        raise StoreFault(Fault.UNKNOWN, "no answer")

    monkeypatch.setattr(made.engine.store, "seq_of", silent)
    (command,) = Folders(seam, made.engine.folders.tell, made.engine.recorder).take()
    assert (command.name, seam.archived) == ("a.yaml", [])


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (("PASSED",), ["- reason: PASSED"]),
        (("code 201 sha256:" + "0" * 64,), ["- reason: code 201"]),
        (("sha256:" + "0" * 64,), ["- reason: BROKER"]),
        ((), []),
    ],
    ids=["passed", "a code", "words", "none"],
)
def test_an_answer_says_why_an_intent_ended(reasons: tuple[str, ...], told: list[str]) -> None:
    """A bot tells a human's no from time that ran out and from the broker's; the broker's words are not for it."""
    made = stage()

    async def walk(desk: object) -> None:
        intent = await made.propose()
        position = made.desk.positions.open_of_intent(intent)
        assert position is not None
        _ = made.desk.positions.open.pop(position.position_id)
        last = evolve(position.last, state=State.CANCELLED, reasons=reasons)
        made.desk.positions._retire(evolve(position, last=last))
        lines = response_document(made.desk, intent).splitlines()
        assert [line for line in lines if line.startswith("- reason")] == told

    _ = walked(walk, made)


def test_an_answer_says_what_an_intent_waits_for() -> None:
    """Without the account's worth there is no size and no screen: nobody is sent to approve it. Once told, they are."""
    made = stage()
    made.broker.equity = Money(Decimal(0))

    async def walk(desk: object) -> None:
        intent = await made.propose()
        assert "it waits for a quote" in response_document(made.desk, intent)
        made.broker.equity = Money(Decimal(100_000))
        await made.watch(310, 5)
        told = response_document(made.desk, intent)
        assert f"phoenix approve {intent}" in told and "it waits for" not in told

    _ = walked(walk, made)


def test_what_belongs_to_nobody_is_put_aside_even_where_no_reason_can_be_written(tmp_path: Path) -> None:
    """A link in the folder, and a quarantine that takes no new file: it is no input, and the next one is read."""
    incoming, aside = tmp_path / "incoming", tmp_path / "aside"
    for folder in (incoming, aside):
        folder.mkdir()
    (incoming / "a.yaml").symlink_to("/etc/hostname")
    (aside / ".refused-a.yaml.reason").mkdir()
    (aside / "refused-a.yaml.reason").mkdir()
    (incoming / "b.yaml").write_text("schema: cse/1\n", "utf-8")
    folders = Folders(FileSeam(incoming, tmp_path, aside, tmp_path), lambda words: None, stage().engine.recorder)
    (command,) = folders.take()
    assert isinstance(command, Propose | Quarantine)
    assert not (incoming / "a.yaml").is_symlink()


def test_a_note_that_must_last_is_forced_out_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes before they have their name, then the folder that has it; what need not last waits for nothing. A share
    that cannot force out a folder keeps the note all the same."""
    place, synced = tmp_path / "note", list[tuple[int, bool]]()

    def noted(descriptor: int) -> None:
        synced.append((stat.S_IFMT(os.fstat(descriptor).st_mode), place.exists()))
        if synced[-1][0] == stat.S_IFDIR and len(synced) > 2:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", noted)
    write_whole(place, "one", durable=True)
    assert synced == [(stat.S_IFREG, False), (stat.S_IFDIR, True)]
    write_whole(place, "two", durable=True)
    assert (len(synced), place.read_text("utf-8")) == (4, "two")
    write_whole(place, "three")
    assert (len(synced), place.read_text("utf-8")) == (4, "three")


def test_a_note_that_cannot_be_written_leaves_nothing_and_is_named(tmp_path: Path) -> None:
    """Half a note on a full disk is room that somebody needs, and its passing name is none that anybody knows."""
    place = tmp_path / "note"
    place.mkdir()
    with pytest.raises(OSError, match="note") as told:
        write_whole(place, "one")
    assert (told.value.errno, told.value.filename) == (errno.EISDIR, str(place))
    assert list(tmp_path.iterdir()) == [place]
