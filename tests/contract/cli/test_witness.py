"""The checkpoint outside this host, backups, and what a desk does that is not the one that was witnessed."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import apsw
import pytest

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import create_log_key, load_log_key, note_verifier
from phoenix_cli.home import Home
from phoenix_cli.wiring import keeping
from phoenix_cli.wiring.keeping import home_troubles, keeps_its_word
from phoenix_cli.wiring.opening import opened
from phoenix_cli.wiring.outside import OutsideNote
from phoenix_core.chain import Sealed, StoreFault, seal
from phoenix_core.checkpoint import Checkpoint, Signer, Verifying, sign_note
from phoenix_core.values import BadInput
from tests.contract.beads.suite import ORIGIN, PUBLIC, SIGNER, grow
from tests.contract.cli.operator import PATIENCE_S, Seat, until
from tests.contract.verifier.story import NOON, utc
from tests.contract.verifier.whole import whole
from tests.showing import shows


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Seat:
    """A desk whose checkpoints are also kept elsewhere, with one trade behind it and a backup from before it."""
    seat = Seat(tmp_path_factory.mktemp("traded") / "home")
    assert seat.json("init").code == 0
    witnessed_at(seat, note_of(seat))
    assert seat.json("beads", "backup", str(backup_of(seat))).code == 0
    with seat.engine():
        intent = seat.proposes("EURUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
    assert note_of(seat).exists()
    return seat


@pytest.fixture
def seat(traded: Seat, tmp_path: Path) -> Seat:
    """A copy of that desk, of its backup and of its witness, for one test."""
    seat = Seat(tmp_path / "home")
    shutil.copytree(traded.home, seat.home)
    shutil.copy(note_of(traded), note_of(seat))
    shutil.copy(backup_of(traded), backup_of(seat))
    config = seat.home / "phoenix.toml"
    _ = config.write_text(config.read_text("utf-8").replace(str(note_of(traded)), str(note_of(seat))), "utf-8")
    return seat


def witnessed_at(seat: Seat, place: Path) -> None:
    """Name the place in the desk's settings."""
    config = seat.home / "phoenix.toml"
    text = config.read_text("utf-8")
    assert 'outside_checkpoint = ""' in text
    _ = config.write_text(text.replace('outside_checkpoint = ""', f'outside_checkpoint = "{place}"'), "utf-8")


def note_of(seat: Seat) -> Path:
    """Where the note lies."""
    return seat.home.parent / "outside.note"


def backup_of(seat: Seat) -> Path:
    """Where the backup lies."""
    return seat.home.parent / "old.db"


def size_of(seat: Seat) -> int:
    """How many beads the log holds."""
    return int(seat.json("beads", "tail", "-n", "1").document["seq"]) + 1


@shows("I7")
def test_an_old_backup_is_only_watched(seat: Seat) -> None:
    """Behind its witness: the broker's picture and nothing else; no bead, no note, exit 4; halt and status work."""
    witnessed = note_of(seat).read_text("utf-8")
    restored = seat.json("beads", "restore", str(backup_of(seat)))
    assert restored.code == 0, restored
    before = size_of(seat)
    ran = seat.run("run", "--once")
    assert ran.code == 4
    assert "OBSERVE_ONLY" in ran.err
    assert "is BEHIND" in ran.err
    assert "broker: holds" in ran.err, "the broker still has what the log has lost"
    assert (size_of(seat), note_of(seat).read_text("utf-8")) == (before, witnessed)
    made = seat.json("cse", "--signal", "READY", "--pair", "EURUSD", "--out", "-")
    handed = seat.run("propose", "-", given=made.out)
    assert (handed.code, size_of(seat)) == (4, before)
    assert seat.json("beads", "verify").code == 4
    refused = seat.json("beads", "checkpoint", "--out", str(note_of(seat)))
    assert refused.code == 4
    assert "--accept-loss" in refused.document["error"]
    assert note_of(seat).read_text("utf-8") == witnessed
    assert seat.json("halt").code == 0


@shows("I7")
def test_a_watching_engine_waits_to_be_stopped(seat: Seat) -> None:
    """It stays, as an operator's window on the broker, and ends with 4 when it is told to."""
    assert seat.json("beads", "restore", str(backup_of(seat))).code == 0
    said = seat.home.parent / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen(seat.words("run"), env=seat.environment, stdout=errors, stderr=errors)
    until(lambda: "broker:" in said.read_text("utf-8") or process.poll() is not None)
    assert process.poll() is None, said.read_text("utf-8")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 4


@shows("I7")
def test_a_loss_is_accepted_by_a_human_and_logged(seat: Seat) -> None:
    """With --accept-loss a bead says what was witnessed and what is here; then the desk runs, and drifts are found."""
    assert seat.json("beads", "restore", str(backup_of(seat))).code == 0
    assert seat.json("beads", "checkpoint", "--out", str(note_of(seat)), "--accept-loss").code == 0
    said = seat.json("beads", "query", "--kind", "OBSERVATION", "--about", "WARNING").document["beads"]
    facts = said[-1]["body"]["facts"]
    assert facts["accepted"] == "true"
    assert int(facts["witnessed"]) > int(facts["here"])
    assert seat.run("run", "--once").code == 0
    assert seat.json("drift", "list").document["drifts"], "what the broker holds has no owner in this log"


@shows("I7")
def test_the_loss_of_a_note_that_is_no_text(seat: Seat) -> None:
    """A disk that gives back garbage is a loss like any other: it is accepted, and said."""
    _ = note_of(seat).write_bytes(b"\xff\xfe")
    assert seat.json("beads", "checkpoint", "--out", str(note_of(seat)), "--accept-loss").code == 0
    said = seat.json("beads", "query", "--kind", "OBSERVATION", "--about", "WARNING").document["beads"]
    assert said[-1]["body"]["facts"]["witnessed"] == "unreadable"


@shows("I7")
def test_a_missing_note_is_no_note(seat: Seat) -> None:
    """Whoever takes the note away does not make an old log young: a log that signed checkpoints needs one."""
    note_of(seat).unlink()
    ran = seat.run("run", "--once")
    assert ran.code == 4
    assert "no checkpoint lies at" in ran.err
    assert seat.json("beads", "checkpoint", "--out", str(note_of(seat))).code == 0
    assert seat.run("run", "--once").code == 0


@pytest.mark.parametrize("text", ["", "not a note\n", "phoenix.local/other\n1\nAAAA\n\n"])
@shows("I7")
def test_a_note_that_is_none_is_not_believed(seat: Seat, text: str) -> None:
    """Empty, garbage, somebody else's: nothing may be appended, and it is not written over either."""
    _ = note_of(seat).write_text(text, "utf-8")
    assert seat.run("run", "--once").code == 4
    assert seat.json("beads", "checkpoint", "--out", str(note_of(seat))).code == 4
    assert note_of(seat).read_text("utf-8") == text


@shows("I7", "I21")
def test_two_copies_of_one_home(seat: Seat) -> None:
    """A copy of the home traded on: nothing is approved here any more, and the note of the other is not touched."""
    intent = seat.proposes("USDJPY")
    other = Seat(seat.home.parent / "copy")
    shutil.copytree(seat.home, other.home)
    with seat.engine() as engine:
        quantity = seat.quantity_of(intent)
        with other.engine():
            made = other.proposes("GBPUSD")
            assert other.json("approve", made, "--quantity", other.quantity_of(made), "--yes").code == 0
            until(lambda: other.json("positions", made).document["state"] == "MANAGED")
        ahead = note_of(seat).read_text("utf-8")
        answer = seat.run("approve", intent, "--quantity", quantity, "--yes")
        assert answer.code == 4
        assert "OBSERVE_ONLY" in answer.err
        assert note_of(seat).read_text("utf-8") == ahead
        assert engine.stop() == 0


class TestTheNoteItself:
    """What the engine does with the place, at its own hand."""

    def test_it_is_never_written_over(self, tmp_path: Path) -> None:
        """A note of a longer log, a fork's, or none at all in its place: a fault, and the file stays as it was."""
        key, place = create_log_key(tmp_path / "key"), tmp_path / "note"
        with SqliteStore(tmp_path / "a.db", ballast_bytes=0) as ours, SqliteStore(tmp_path / "b.db") as theirs:
            _ = grow(ours, 1), grow(theirs, 1, 2)
            assert OutsideNote(str(place), ORIGIN, key).put(theirs) == ""
            ahead = place.read_text("utf-8")
            mine = OutsideNote(str(place), ORIGIN, key)
            for text, word in ((ahead, "BEHIND"), ("garbage", "not believed")):
                _ = place.write_text(text, "utf-8")
                with pytest.raises(StoreFault, match=word):
                    _ = mine.put(ours)
                assert place.read_text("utf-8") == text
            _ = place.write_text(ahead, "utf-8")
            _ = grow(ours, 3, 4)
            with pytest.raises(StoreFault, match="FORKED"):
                _ = mine.put(ours)

    def test_what_somebody_else_put_there_since_is_looked_at(self, tmp_path: Path) -> None:
        """This process wrote there before; meanwhile another one, on a log that forked, did too."""
        key, place = create_log_key(tmp_path / "key"), tmp_path / "note"
        with SqliteStore(tmp_path / "a.db", ballast_bytes=0) as ours, SqliteStore(tmp_path / "b.db") as theirs:
            _ = grow(ours, 1), grow(theirs, 1)
            mine = OutsideNote(str(place), ORIGIN, key)
            assert mine.put(ours) == ""
            _ = grow(theirs, 2)
            assert OutsideNote(str(place), ORIGIN, key).put(theirs) == ""
            _ = grow(ours, 3, 4)
            with pytest.raises(StoreFault, match="FORKED"):
                _ = mine.put(ours)

    def test_it_follows_its_own_log(self, tmp_path: Path) -> None:
        """The honest twin: from bead to bead, also when a new process goes on."""
        key, place = create_log_key(tmp_path / "key"), tmp_path / "note"
        with SqliteStore(tmp_path / "a.db", ballast_bytes=0) as store:
            for n in range(1, 5):
                _ = grow(store, n)
                assert OutsideNote(str(place), ORIGIN, key).put(store) == ""
                assert place.read_text("utf-8").splitlines()[1] == str(n)

    def test_without_a_place(self, tmp_path: Path) -> None:
        """The log signs all the same."""
        with SqliteStore(tmp_path / "a.db", ballast_bytes=0) as store:
            _ = grow(store, 1)
            assert OutsideNote("", ORIGIN, create_log_key(tmp_path / "key")).put(store) == ""
            assert len(store.checkpoints()) == 1


def test_a_backup_brings_all_of_it_back(seat: Seat) -> None:
    """A fresh backup restored over a destroyed log: the same beads, verified, and the desk runs on."""
    fresh = seat.home.parent / "fresh.db"
    assert seat.json("beads", "backup", str(fresh)).code == 0
    before = size_of(seat)
    (seat.home / "beads.db").write_bytes(b"lost")
    restored = seat.json("beads", "restore", str(fresh))
    assert (restored.code, restored.document["beads"]) == (0, before)
    assert Path(restored.document["replaced"]).read_bytes() == b"lost"
    assert seat.json("beads", "verify").code == 0
    assert seat.run("run", "--once").code == 0


@shows("I4", "I7")
def test_a_copy_made_by_hand_brings_its_write_ahead_file(seat: Seat, tmp_path: Path) -> None:
    """The last beads of a log that is copied while it is open lie beside it: they come back too."""
    with SqliteStore(seat.home / "beads.db"):
        assert seat.json("kill", "raise", "--reason", "drill").code == 0
        for friend in ("", "-wal"):
            shutil.copy(f"{seat.home}/beads.db{friend}", f"{tmp_path}/copy.db{friend}")
    assert (tmp_path / "copy.db-wal").stat().st_size > 0
    before = size_of(seat)
    assert seat.json("beads", "restore", str(tmp_path / "copy.db")).document["beads"] == before
    assert size_of(seat) == before
    assert seat.json("beads", "verify").code == 0


def test_what_is_brought_back_lasts_and_is_its_owners_alone(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stick keeps no modes, so that its files are everybody's. The copy is forced out before it has the log's name,
    and the folder after it has."""
    backup_of(seat).chmod(0o644)
    log, synced = seat.home / "beads.db", list[tuple[str, bool]]()
    coming = seat.home / "beads.db.restoring"
    monkeypatch.setattr(keeping, "sync", lambda path: synced.append((Path(path).name, coming.exists())))
    assert seat.json("beads", "restore", str(backup_of(seat))).code == 0
    assert log.stat().st_mode & 0o777 == 0o600
    assert (synced[0], synced[-1]) == (("beads.db.restoring", True), (seat.home.name, False))
    assert any(name.startswith("beads.db.replaced-") and there for name, there in synced[1:-1])


def test_a_backup_that_finds_no_room_leaves_none_taken(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills while it is copied: the log is as it was, and nothing lies beside it."""
    backup, log = backup_of(seat), (seat.home / "beads.db").read_bytes()

    def full(source: str, target: str) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr("phoenix_cli.wiring.keeping.shutil.copy", full)
    with pytest.raises(OSError, match="No space"):
        _ = seat.json("beads", "restore", str(backup))
    assert (seat.home / "beads.db").read_bytes() == log
    assert not list(seat.home.glob("beads.db.re*"))


@shows("I4", "I21")
def test_a_log_that_somebody_has_open_is_not_replaced(seat: Seat) -> None:
    """What a watchdog wrote into the old file would be lost unseen: it is ended first."""
    with SqliteStore(seat.home / "beads.db") as watching:
        before = watching.head()
        refused = seat.run("beads", "restore", str(backup_of(seat)))
        assert (refused.code, watching.head()) == (2, before)
        assert "another process has its log open" in refused.err
        assert not list(seat.home.glob("beads.db.re*"))
        assert seat.json("kill", "raise", "--reason", "drill").code == 0
        assert watching.head().size > before.size, "the log works on as it did"
    assert seat.json("beads", "restore", str(backup_of(seat))).code == 0


@shows("I7")
def test_a_note_is_put_in_place_whole(seat: Seat) -> None:
    """A reader has the old note or the new one, at any moment: a half-written one would close the desk."""
    assert seat.json("kill", "raise", "--reason", "drill").code == 0
    with note_of(seat).open("rb") as reading:
        said = note_of(seat).read_bytes()
        assert seat.json("beads", "checkpoint", "--out", str(note_of(seat))).code == 0
        assert reading.read() == said
    assert note_of(seat).read_bytes() != said


@shows("I7")
def test_verify_beside_a_desk_at_work(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bead that lands while the log is read is no lie."""
    read = SqliteStore.read

    def read_while_others_write(store: SqliteStore, start: int = 0, stop: int | None = None) -> Iterator[Sealed]:
        yield from read(store, start, stop)
        with SqliteStore(seat.home / "beads.db") as other:
            beat = ("HEARTBEAT", whole("HEARTBEAT", {"bead_id": str(uuid4())}))
            _ = other.append_blind(lambda at: seal(at, utc(NOON), [beat]))

    with opened(Home(seat.home)) as session:
        monkeypatch.setattr(SqliteStore, "read", read_while_others_write)
        before = session.store.head().size
        assert home_troubles(session) == []
        assert session.store.head().size > before, "somebody wrote"


class Counting(MemoryStore):
    """A log that notes how many leaves it was asked for."""

    asked = 0

    def leaves(self, start: int = 0, stop: int | None = None) -> list[bytes]:
        """As before, and counted."""
        found = super().leaves(start, stop)
        self.asked += len(found)
        return found


class TestKeepsItsWord:
    """The checkpoints that a log keeps, against the log."""

    def log(self, count: int) -> tuple[Counting, Verifying]:
        """A log that signed after every bead."""
        store = Counting()
        for n in range(count):
            _ = grow(store, n)
            _ = store.checkpoint(ORIGIN, SIGNER).unwrap()
        return store, note_verifier(ORIGIN, PUBLIC)

    @shows("I7")
    def test_one_walk_for_all_of_them(self) -> None:
        """A log of many checkpoints is read once, not once for each: a year's log is verified in minutes."""
        store, key = self.log(50)
        assert keeps_its_word(store, key)
        assert store.asked == 50

    @pytest.mark.parametrize("at", [0, 3, 6])
    @shows("I7")
    def test_one_that_is_not_its_own(self, at: int) -> None:
        """Another past, another key, another log's, a longer log's, or no note: each is seen, wherever it stands."""
        store, key = self.log(7)
        kept, root = list(store.log.checkpoints), store.root(at + 1)
        forger = Signer(ORIGIN, SIGNER.key_id, lambda _: bytes(64))
        other = "phoenix.example/other"
        for note in (
            sign_note(Checkpoint(ORIGIN, at + 1, bytes(32)), SIGNER),
            sign_note(Checkpoint(ORIGIN, at + 1, root), forger),
            sign_note(Checkpoint(other, at + 1, root), SIGNER),
            sign_note(Checkpoint(ORIGIN, 99, store.root()), SIGNER),
            "no note",
        ):
            store.log.checkpoints[at] = (kept[at][0], note)
            assert not keeps_its_word(store, key)
            store.log.checkpoints[at] = kept[at]
        assert keeps_its_word(store, key)


def test_what_is_not_restored(seat: Seat, tmp_path: Path) -> None:
    """Another desk's log, no log, a broken one, or one under a running engine: refused, and nothing is touched."""
    other = Seat(tmp_path / "other")
    assert other.json("init").code == 0
    assert other.json("beads", "backup", str(tmp_path / "other.db")).code == 0
    (tmp_path / "none.db").write_bytes(b"no database")
    before = sha256((seat.home / "beads.db").read_bytes()).hexdigest()
    assert seat.run("beads", "restore", str(tmp_path / "other.db")).code == 2
    assert seat.run("beads", "restore", str(tmp_path / "none.db")).code in (2, 3, 4)
    assert sha256((seat.home / "beads.db").read_bytes()).hexdigest() == before
    assert not list(seat.home.glob("beads.db.re*"))
    with seat.engine():
        refused = seat.json("beads", "restore", str(backup_of(seat)))
        assert (refused.code, refused.document["refused"]) == (1, ["ENGINE_RUNS_ALREADY"])


@shows("I7")
def test_verify_sees_more_than_the_chain(seat: Seat) -> None:
    """A checkpoint changed in the log's own table, and a log sealed anew by a program: found by `beads verify`."""
    assert seat.json("beads", "verify").code == 0
    with apsw.Connection(str(seat.home / "beads.db")) as db:
        triggers = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE checkpoints SET note = replace(note, 'phoenix', 'phoenyx')")
    db.close()
    found = seat.json("beads", "verify")
    assert found.code == 4
    assert "checkpoint" in found.document["error"]


class TestProof:
    """One order's proof is one file (tlog-proof), checked here by thirty lines that share no code with Phoenix."""

    def test_of_an_intent_and_of_every_bead(self, seat: Seat, tmp_path: Path) -> None:
        """The entry order of the intent; each bead by its number; and no other bead's bytes."""
        intent = seat.json("positions").document["positions"][0]["intent"]
        of_order = seat.json("beads", "proof", intent[:8], "--out", str(tmp_path / "order.proof")).document
        body = json.loads(of_order["bytes"])["body"]
        assert (body["event"], bool(body["token_id"])) == ("RECORDED", True)
        assert (tmp_path / "order.proof").read_text("utf-8") == of_order["proof"]
        for seq in range(size_of(seat)):
            told = seat.json("beads", "proof", str(seq)).document
            assert proven(told["proof"], told["bytes"].encode()) == seq
            assert proven(told["proof"], told["bytes"].replace("2026", "2027", 1).encode()) is None

    @pytest.mark.parametrize("words", ["99999", "zz", "-1", ""])
    def test_of_nothing(self, seat: Seat, words: str) -> None:
        """A number beyond the end, letters of no intent."""
        assert seat.run("beads", "proof", "--", words).code == 2

    def test_whoever_gets_it_checks_it_without_a_desk(self, seat: Seat, tmp_path: Path) -> None:
        """The file, the bead's bytes and the roots are enough; other bytes, another bead's proof, another log: 4."""
        elsewhere, proof, roots = Seat(tmp_path / "nowhere"), tmp_path / "order.proof", seat.home / "roots.json"
        intent = seat.json("positions").document["positions"][0]["intent"]
        told = seat.json("beads", "proof", intent[:8], "--out", str(proof)).document
        bead = tmp_path / "order.proof.bead"
        words = ("beads", "check", str(proof), "--bead", str(bead), "--roots", str(roots))
        found = elsewhere.json(*words)
        assert (found.code, found.document["at"]) == (0, told["bead"])
        assert found.document["log"] in told["proof"].splitlines()
        honest = bead.read_bytes()
        _ = bead.write_bytes(honest.replace(b"BUY", b"SEL", 1))
        assert elsewhere.json(*words).code == 4
        _ = bead.write_bytes(honest)
        assert seat.json("beads", "proof", "0", "--out", str(proof)).code == 0
        _ = bead.write_bytes(honest)
        assert elsewhere.json(*words).code == 4
        other = Seat(tmp_path / "other")
        assert other.json("init").code == 0
        assert elsewhere.json(*words[:-1], str(other.home / "roots.json")).code == 4
        with pytest.raises(BadInput, match="say what is to be proven"):
            _ = elsewhere.json(*words[:3], "--roots", str(roots))
        for text in ("{}", "[]", "no json", '{"log":7}', '{"log":"x+y+z"}'):
            _ = (tmp_path / "none.json").write_text(text, "utf-8")
            with pytest.raises(BadInput, match="--roots"):
                _ = elsewhere.json(*words[:-1], str(tmp_path / "none.json"))


class TestContinuation:
    """That a log goes on from an older checkpoint of it, as witnesses ask for it (tlog-witness)."""

    def older(self, seat: Seat, at: Path, size: int | None = None, root: bytes | None = None) -> Path:
        """A note of this log's key: of the log as it is, or as it never was."""
        key, here = load_log_key(Home(seat.home).log_key), size_of(seat)
        with SqliteStore(seat.home / "beads.db") as store:
            origin = str(store_origin(store))
            point = Checkpoint(origin, here if size is None else size, store.root(here) if root is None else root)
        _ = at.write_text(sign_note(point, key.signer(origin)), "utf-8")
        return at

    @shows("I7")
    def test_it_is_given_and_checked(self, seat: Seat, tmp_path: Path) -> None:
        """From the note of an hour ago to the log of now; the check needs no desk."""
        note, proof = self.older(seat, tmp_path / "old.note"), tmp_path / "goes.on"
        assert seat.json("kill", "raise", "--reason", "drill").code == 0
        assert seat.json("beads", "proof", "--since", str(note), "--out", str(proof)).code == 0
        words = ("beads", "check", str(proof), "--since", str(note), "--roots", str(seat.home / "roots.json"))
        found = Seat(tmp_path / "nowhere").json(*words).document
        assert (found["ok"], found["size"] > found["at"] > 0) == (True, True)
        text = proof.read_text("utf-8")
        _ = proof.write_text(text.replace("old ", "old 1"), "utf-8")
        assert seat.json(*words).code == 4

    @shows("I7")
    def test_a_log_that_does_not_go_on_from_it_gives_none(self, seat: Seat, tmp_path: Path) -> None:
        """A rewritten history, a longer log, a note of another key, no note at all: each says why."""
        note = tmp_path / "note"
        for size, word in ((3, "FORKED"), (10_000, "BEHIND")):
            with pytest.raises(StoreFault, match=word):
                _ = seat.json("beads", "proof", "--since", str(self.older(seat, note, size, bytes(32))))
        _ = note.write_text(sign_note(Checkpoint(ORIGIN, 1, bytes(32)), SIGNER), "utf-8")
        with pytest.raises(BadInput, match="no checkpoint that the log's key signed"):
            _ = seat.json("beads", "proof", "--since", str(note))
        with pytest.raises(BadInput, match="--since"):
            _ = seat.json("beads", "proof")


def store_origin(store: SqliteStore) -> object:
    """What a log calls itself."""
    return next(store.read(0, 1)).body["origin"]


def proven(proof: str, data: bytes) -> int | None:
    """The place of a bead that this text proves, by RFC 6962's own words; None where it does not."""
    lines = proof.split("\n")
    at = lines.index("")
    index = int(lines[1].removeprefix("index "))
    path = [base64.b64decode(line) for line in lines[2:at]]
    size, root = int(lines[at + 2]), base64.b64decode(lines[at + 3])
    found, fn, sn = sha256(b"\0" + data).digest(), index, size - 1
    for node in path:
        if sn == 0:
            return None
        if fn % 2 or fn == sn:
            found = sha256(b"\1" + node + found).digest()
            while not fn % 2 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            found = sha256(b"\1" + found + node).digest()
        fn, sn = fn // 2, sn // 2
    return index if sn == 0 and found == root else None


def test_a_place_that_goes_away_stops_nobody(seat: Seat) -> None:
    """The witness's disk is pulled while the desk runs: it is told, the trade goes on; the next start asks for it."""
    place = seat.home.parent / "disk" / "note"
    place.parent.mkdir()
    config = seat.home / "phoenix.toml"
    _ = config.write_text(config.read_text("utf-8").replace(str(note_of(seat)), str(place)), "utf-8")
    assert seat.json("beads", "checkpoint", "--out", str(place)).code == 0
    with seat.engine() as engine:
        shutil.rmtree(place.parent)
        intent = seat.proposes("GBPUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
        until(lambda: "could not be kept" in engine.said())
    ran = seat.run("run", "--once")
    assert (ran.code, "no checkpoint lies at" in ran.err) == (4, True)
