"""The processes that live: the engine until SIGTERM or kill -9, the watchdog beside it, the gateway simulator."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Never

import apsw
import pytest

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.loop import Engine
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.values import BadInput
from tests.contract.cli.operator import PATIENCE_S, Seat, host_of_this_process, shaped, until
from tests.contract.notify.bot_server import bot_server
from tests.showing import shows


def last_lease(seat: Seat) -> str:
    """What the newest LEASE bead says."""
    beads = seat.json("beads", "query", "--kind", "LEASE").document["beads"]
    return str(beads[-1]["body"]["event"])


def test_an_engine_ends_cleanly_badly_and_begins_again(tmp_path: Path) -> None:
    """SIGTERM leaves the shutdown bead; kill -9 leaves none, is critical health, and the next start goes on."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    with seat.engine() as engine:
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        assert seat.json("approve", intent, "--quantity", quantity, "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
        engine.kill()
        assert last_lease(seat) == "TAKEN"
        health = seat.json("health")
        assert (health.code, health.document["health"]) == (1, "CRITICAL")
        watched = seat.json("watchdog", "--once")
        shaped(watched.document, {"engine": "DEAD", "missed": int, "unsent": int, "looks": 1})
    with seat.engine():
        before = seat.json("positions", intent).document
        assert (before["state"], before["filled"]) == ("MANAGED", quantity)
        assert len(seat.json("executions").document["executions"]) == 1
    report = ("known", "broker", "owed", "yours")
    said = [line.split(":")[0] for line in (seat.home.parent / "home.run").read_text("utf-8").splitlines()]
    assert tuple(word for word in said if word in report) == report
    assert last_lease(seat) == "RELEASED"
    assert seat.json("beads", "verify").code == 0


@shows("I16")
def test_no_entry_leaves_around_the_restart_that_the_settings_declare(tmp_path: Path) -> None:
    """The gateway restarts at 14:03 by `phoenix.toml`: what is approved within a minute before it is NOT SENT."""
    seat = Seat(tmp_path / "home", clock="2026-11-18T14:02:10-05:00")
    assert seat.json("init").code == 0
    config = seat.home / "phoenix.toml"
    config.write_text(config.read_text("utf-8").replace('restart_at = ""', 'restart_at = "14:03"'), "utf-8")
    with seat.engine():
        intent = seat.proposes("EURUSD")
        said = seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
        assert (said.code, said.document["outcome"]) == (3, "NOT_SENT"), said.out
        assert seat.json("positions", intent).document["state"] == "CANCELLED"
        assert not seat.json("orders").document["orders"]


def nothing_unsent(seat: Seat) -> bool:
    """Whether every alert of the log was told."""
    return not seat.json("alerts", "list").document["unsent"]


@shows("F71", "S33-MON-11")
def test_a_killed_engine_is_told_of_by_the_watchdog_and_by_nobody_twice(tmp_path: Path) -> None:
    """kill -9: the watchdog's own Telegram says it within seconds. kill -9 of the watchdog, a second one, the engine
    again: what the log has as told was told once (a death between message and bead repeats it), with its channel."""
    with bot_server() as server:
        seat = Seat(tmp_path / "home", more=server.environment())
        assert seat.json("init").code == 0
        with seat.engine() as engine, seat.watchdog() as first:
            _ = seat.proposes("EURUSD")
            until(lambda: any("An intent waits" in text for text in server.texts) and nothing_unsent(seat))
            engine.kill()
            until(lambda: any("process is gone" in text for text in server.texts) and nothing_unsent(seat))
            first.kill()
            with seat.watchdog() as second, seat.engine():
                until(lambda: "the engine beats" in second.said() and nothing_unsent(seat))
        texts = [text for text in server.texts if "process is gone" in text or "An intent waits" in text]
        assert len(texts) == len(set(texts)) == 2
        beads = seat.json("beads", "query", "--kind", "ALERT").document["beads"]
        told = [bead["body"] for bead in beads if bead["body"]["event"] == "SENT"]
        assert {body["channel"] for body in told if body["code"] == "PROCESS_DEAD"} == {"telegram"}


@shows("I23")
@pytest.mark.parametrize(
    ("bug", "code"),
    [
        (AssertionError("a promise of ours"), 70),
        (KeyError("a promise of ours"), 70),
        (BadInput("x", "a promise of ours", "mend"), 70),
        (OSError("a promise of ours"), 70),
        (StoreFault(Fault.FULL, "a promise of ours"), 3),
        (StoreFault(Fault.CORRUPT, "a promise of ours"), 4),
    ],
    ids=lambda bug: type(bug).__name__,
)
def test_whatever_breaks_the_engine_stops_the_desk_and_is_told(
    bug: Exception, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An assertion, or any error that nobody meant: exit 70 (3 or 4 where the log is at fault), latch and kill flag up,
    and the watchdog tells it by its own channel before anything else. The next engine lets no entry out."""

    async def broken(engine: Engine) -> None:
        raise bug

    with bot_server() as server:
        seat = Seat(tmp_path / "home", more=server.environment())
        assert seat.json("init").code == 0
        with monkeypatch.context() as patched:
            patched.setattr(Engine, "step", broken)
            said = seat.json("run", "--once")
        assert said.code == code
        assert "fail-stop, nothing more is sent: " in said.err and "a promise of ours" in said.err
        shaped(said.document, {"error": str})
        assert seat.json("watchdog", "--once").document["unsent"] == 0
        assert server.texts[0].startswith("CRITICAL Stopped on a broken promise of our own")
        flags = seat.json("kill", "list").document
        assert (flags["latch"], [flag["reason"] for flag in flags["flags"]]) == (True, ["fail-stop"])
        if not isinstance(bug, AssertionError):
            return  # the same flag and latch: one restart shows what they do
        with seat.engine():
            intent = seat.proposes("EURUSD")
            refused = seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
            assert "KILL_FLAG_ACTIVE" in refused.document["refused"]


@shows("I23", "F61")
@pytest.mark.parametrize("damaged", [False, True], ids=["takes-nothing", "does-not-verify"])
def test_a_run_whose_log_took_no_last_bead_was_no_success(
    damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log refuses stops entries and is told; the run that ends so says 3, or 4 where the log was damaged."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    stop = Engine.stop

    def full(store: SqliteStore, *more: object) -> Never:
        raise StoreFault(Fault.FULL, "no space left")

    def stopped(engine: Engine, detail: str = "") -> None:
        if damaged:
            _cut(seat.home / "beads.db")
        else:
            monkeypatch.setattr(SqliteStore, "append", full)
        stop(engine, detail)

    monkeypatch.setattr(Engine, "stop", stopped)
    said = seat.json("run", "--once")
    assert said.code == (4 if damaged else 3)
    assert ("does not verify" if damaged else "took no shutdown bead") in said.err and "RB-004" in said.err
    shaped(said.document, {"error": str})
    assert (seat.home / "HALT").exists(), "entries stay stopped"


def _cut(log: Path) -> None:
    """Somebody takes the last bead out of a log, past what keeps it whole."""
    db = apsw.Connection(str(log))
    (rule,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'beads_are_kept'").fetchone() or ("",)
    _ = db.execute("DROP TRIGGER beads_are_kept")
    _ = db.execute("DELETE FROM beads WHERE seq = (SELECT max(seq) FROM beads)")
    _ = db.execute(rule)
    db.close()


@contextmanager
def gateway(seat: Seat, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A simulator that listens on a free port, stopped by SIGTERM."""
    line = seat.words("--json", "gateway", "--port", "0", *words)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, env=seat.environment, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def test_the_gateway_listens_and_records(tmp_path: Path) -> None:
    """It says where it listens, speaks the protocol's first words, keeps every frame, and ends on SIGTERM with 0."""
    record = tmp_path / "frames.jsonl"
    with gateway(Seat(tmp_path / "home"), "--account", "DU7654321", "--record", str(record)) as (_, told):
        assert (told["host"], told["accounts"]) == ("127.0.0.1", ["DU7654321"])
        port = told["port"]
        assert isinstance(port, int)
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.settimeout(PATIENCE_S)
            client.sendall(b"API\0" + b"\0\0\0\x09v100..178")
            answer = client.recv(4096)
            assert b"178\0" in answer
            assert b"20261118" in answer, "it obeys PHOENIX_CLOCK"
            start = b"71\x002\x0017\x00\x00"
            client.sendall(len(start).to_bytes(4, "big") + start)
            said = b""
            while b"DU7654321" not in said:
                said += client.recv(4096)
    frames = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    assert ["71", "2", "17", ""] in [frame["fields"] for frame in frames if frame["dir"] == "in"]
    assert any("DU7654321" in frame["fields"] for frame in frames if frame["dir"] == "out")
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The address in use is said, with exit 3."""
    with gateway(Seat(tmp_path / "home")) as (_, told):
        again = Seat(tmp_path / "home").json("gateway", "--port", str(told["port"]))
        assert again.code == 3
        assert str(told["port"]) in again.document["error"]


@shows("F52")
def test_an_engine_does_not_start_on_another_account(tmp_path: Path) -> None:
    """F52: the desk is a paper desk, the gateway is logged in live, or on another paper account: exit 2, no frame."""
    for number, account in enumerate(("U1234567", "DU7654321"), start=1):
        host, record = host_of_this_process(20 + number), tmp_path / f"{account}.jsonl"
        more = {"IBKR_MODE": "paper", "IBKR_HOST": host, "IBKR_PAPER_ACCOUNT_ID": "DU1234567"}
        seat = Seat(tmp_path / account, more=more)
        assert seat.run("init", "--mode", "paper", "--account", "DU1234567").code == 0
        words = ("gateway", "--host", host, "--port", "4002", "--account", account, "--record", str(record))
        with seat.process(*words, ready="listening"):
            ran = seat.run("run")
        assert ran.code == 2
        assert "does not start" in ran.err and "ACCOUNT_MISMATCH" in ran.err
        frames = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
        assert frames and not [one for one in frames if one["dir"] == "in" and one["fields"][0] in ("3", "4")]
        assert last_lease(seat) == "RELEASED"
