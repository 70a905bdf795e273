"""`run` at its two ends: what it looks at before it begins, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from phoenix_adapters.brokers.mock.working import Truth
from phoenix_adapters.engine.loop import Engine
from phoenix_cli.commands import engine as engine_command
from phoenix_cli.commands.approval import whole_intent
from phoenix_cli.streams import shipped
from phoenix_cli.wiring.mock_memory import MockMemory
from phoenix_cli.wiring.startup import clock_trouble
from phoenix_core.values import Account, utc_text
from tests.contract.cli.operator import Seat
from tests.showing import shows
from tests.stage import stage


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A desk that has run once, so that its state is kept beside its log."""
    sits = Seat(tmp_path / "home")
    assert sits.json("init").code == 0
    assert sits.run("run", "--once").code == 0
    return sits


@shows("I7")
def test_an_old_bead_that_was_changed_stops_a_start(seat: Seat) -> None:
    """The kept state needs that bead no more, and would be read without it: a start reads the whole log."""
    db = apsw.Connection(str(seat.home / "beads.db"))
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        _ = db.execute(f"DROP TRIGGER {name}")
    _ = db.execute("UPDATE beads SET leaf = zeroblob(32) WHERE seq = 1")
    (before,) = db.execute("SELECT size FROM frontier").fetchall()
    db.close()
    ran = seat.run("run", "--once")
    assert ran.code == 4 and "RB-004" in ran.err
    db = apsw.Connection(str(seat.home / "beads.db"))
    assert db.execute("SELECT size FROM frontier").fetchall() == [before]
    db.close()


@shows("I17")
def test_a_clock_that_is_behind_its_log_is_told_and_stops_nothing(seat: Seat) -> None:
    """What is held has to be attended to, whichever of the two clocks was wrong; on time, nothing is said."""
    assert "clock:" not in seat.run("run", "--once").err
    ran = Seat(seat.home, "2026-11-18T13:00:00-05:00").run("run", "--once")
    assert (ran.code, "known:" in ran.err) == (0, True)
    (said,) = [line for line in ran.err.splitlines() if line.startswith("clock:")]
    assert "2026-11-18T18:00:" in said and "the last bead is of 2026-11-18T19:00:" in said and "NTP" in said


@pytest.mark.parametrize(("behind_ms", "told"), [(-1, False), (2_000, False), (2_001, True)])
def test_a_clock_that_ticks_apart_is_not_behind(behind_ms: int, told: bool) -> None:
    """Two seconds are the room that every span of time has."""
    now = datetime(2026, 11, 18, 19, tzinfo=UTC)
    assert bool(clock_trouble(utc_text(now + timedelta(milliseconds=behind_ms)), now)) is told


def test_an_engine_that_ended_leaves_no_number_to_knock_at(seat: Seat) -> None:
    """The number of its process may be anybody's tomorrow: a halt must not signal a stranger."""
    assert not (seat.home / "run" / "engine.pid").exists()
    assert seat.json("halt").document["held"]["signal"] is False


@shows("S33-GRD-05")
def test_a_login_of_another_account_ends_the_run_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is given back, the session closed, and nobody waits for orders that no guard would let out."""
    made = stage()
    other = Account("b" * 64, "MOCK")
    monkeypatch.setattr(type(made.broker), "accounts", lambda broker: (other,))
    said = asyncio.run(engine_command._live(made.engine, once=True))
    assert "ACCOUNT_MISMATCH" in said
    assert made.desk.tenure.released


def test_what_is_held_gets_its_protection_before_the_engine_says_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last round is for protection that is still owed; after the shutdown bead no frame leaves."""
    made, released = stage(), list[bool]()

    async def finishing(engine: Engine) -> None:
        released.append(engine.recorder.desk.tenure.released)

    monkeypatch.setattr(engine_command, "_finish_protection", finishing)
    assert asyncio.run(engine_command._live(made.engine, once=True)) == ""
    assert (released, made.desk.tenure.released) == ([False], True)


def unread(folder: Path) -> Path:
    """A pipe that nobody reads, full to the brim."""
    pipe = folder / "shipper"
    os.mkfifo(pipe)
    with shipped(pipe) as end:
        while end.write(b"x" * 512):
            pass
    return pipe


@pytest.mark.parametrize("takes", [lambda _: Path("/dev/full"), unread], ids=["a full disk", "a pipe without a reader"])
def test_what_takes_no_lines_stops_the_lines_and_nothing_else(seat: Seat, takes: Callable[[Path], Path]) -> None:
    """What is shipped to a log of logs is a courtesy; the audit record is the log of beads, and the run ends well."""
    ran = seat.run("run", "--once", "--log", str(takes(seat.home.parent)))
    assert (ran.code, "error" in ran.err) == (0, False), ran


@shows("I2")
def test_less_than_the_screen_shows_is_not_approved_either(seat: Seat) -> None:
    """A quantity is typed to prove that the screen was read: half of it was read wrongly, and nothing is sent."""
    with seat.engine():
        intent = seat.proposes("EURUSD")
        shown = int(seat.quantity_of(intent))
        for typed in (shown // 2, shown - 1, shown + 1):
            assert seat.json("approve", intent, "--quantity", str(typed), "--yes").code != 0
        assert seat.json("executions").document == {"executions": []}


def test_a_beginning_that_two_intents_share_names_neither() -> None:
    """Whoever types too little is asked again, and does not decide on the older of two."""
    session: Any = SimpleNamespace(desk=SimpleNamespace(signals=SimpleNamespace(open=("abc1", "abc2", "b"))))
    assert [whole_intent(session, name) for name in ("abc", "abc2", "b", "c")] == ["abc", "abc2", "b", "c"]
    assert whole_intent(session, "abc1"[:4]) == "abc1"


def test_an_export_is_verified_by_the_verifier_and_by_nothing_beside_it(seat: Seat, tmp_path: Path) -> None:
    """A module of a name that the verifier imports lies where Python would look first: it is not asked."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "hashlib.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    export, roots = tmp_path / "log.jsonl", str(seat.home / "roots.json")
    assert seat.json("beads", "export", str(export)).code == 0
    export.write_bytes(export.read_bytes().replace(b"operator", b"Operator"))
    seat.more["PYTHONPATH"] = str(tmp_path / "early")
    assert seat.json("beads", "verify", str(export), "--roots", roots).code == 4


@shows("F61")
def test_the_disk_of_a_mock_broker_stops_no_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broker has a disk of its own. What the mock one cannot write down is said, and the desk goes on."""
    memory = MockMemory(tmp_path / "memory")
    truth = Truth(session=3)
    memory.keep(truth)
    assert memory.recalled() == truth
    MockMemory(tmp_path / "no" / "memory").keep(truth)
    assert "cannot write down what it holds" in capsys.readouterr().err
