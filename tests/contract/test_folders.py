"""The folders of intents and answers, when the disk does not play along: the desk goes on, and a human hears of it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from attrs import Factory, define

from phoenix_adapters.engine.folders import Folders
from phoenix_adapters.seams.files import FileSeam, write_whole
from phoenix_core.acts.propose import Propose, Quarantine
from phoenix_core.effects import ArchiveInput, WriteResponse
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
    folders, desk = Folders(seam, told.append), stage().desk
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
    made.engine.folders = Folders(seam, made.engine.folders.tell)

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
    made.engine.folders = Folders(seam, made.engine.folders.tell)

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


def test_what_belongs_to_nobody_is_put_aside_even_where_no_reason_can_be_written(tmp_path: Path) -> None:
    """A link in the folder, and a quarantine that takes no new file: it is no input, and the next one is read."""
    incoming, aside = tmp_path / "incoming", tmp_path / "aside"
    for folder in (incoming, aside):
        folder.mkdir()
    (incoming / "a.yaml").symlink_to("/etc/hostname")
    (aside / ".refused-a.yaml.reason").mkdir()
    (aside / "refused-a.yaml.reason").mkdir()
    (incoming / "b.yaml").write_text("schema: cse/1\n", "utf-8")
    folders = Folders(FileSeam(incoming, tmp_path, aside, tmp_path), lambda words: None)
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
