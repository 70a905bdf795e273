"""kill -9 of engine, watchdog or command line at random points of a day: nothing is sent twice, no fill is lost.

Everything is real: processes, the client library, the socket to a gateway that keeps its own record of every frame, and
the Telegram that a person would look at. The gateway alone is spared: it is the witness.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from attrs import Factory, define, field

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.keys import load_secret
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import DESK_KEY_BYTES
from phoenix_core.desk import Desk, freeze
from phoenix_core.values import State
from phoenix_core.watch.codes import Code
from phoenix_core.world import World
from tests.contract.cli.operator import PATIENCE_S, Process, Seat, host_of_this_process, until
from tests.contract.notify.bot_server import BotServer, bot_server
from tests.showing import shows

HOST: Final = host_of_this_process(12)
ACCOUNT: Final = "DU1234567"
PAIRS: Final = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "NZDUSD")
REFERENCE: Final = re.compile(r"P1[A-Z2-7]{26}")
EXECUTION: Final = re.compile(r"[0-9a-f]{8}\.[0-9a-f]{8}\.\d\d\.\d\d")
PLACE, EXECUTED = "3", "11"
# From the signature to the protected position an approval is some thirty beads; a kill falls on any of them.
BEADS_MAX: Final = 30
SEED: Final = 20261118


@define
class Day:
    """One day of one desk, and everything that may be killed on it."""

    seat: Seat
    server: BotServer
    dice: Random
    room: ExitStack
    log: SqliteStore
    intents: list[str] = Factory(list)
    killed: Counter[str] = field(factory=Counter)
    engine: Process = field(init=False)
    watchdog: Process = field(init=False)

    def begins(self) -> None:
        """Engine and watchdog up, and the desk has seen its broker."""
        self.engine = self.room.enter_context(self.seat.engine())
        self.watchdog = self.room.enter_context(self.seat.watchdog())
        self.rests()

    def rests(self) -> None:
        """A complete picture in this session. What it lacks is for a human to answer, and does not go away."""
        until(lambda: self.status()["engine"]["running"] and self.status()["link"]["state"] == "CONNECTED")
        until(lambda: self.seat.json("reconcile").code in (0, 1), within_s=60)
        until(lambda: self.status()["reconciliation"]["agreement"] in ("AGREES", "DIFFERS"))

    def status(self) -> dict[str, Any]:
        """One screen of everything."""
        return self.seat.json("status").document

    def runs(self, *words: str) -> None:
        """A command of the operator in a process of its own, and a kill at a random bead of what follows."""
        victim = self.dice.choice(("engine", "engine", "cli", "watchdog"))
        before = self.log.head().size
        typed = subprocess.Popen(
            self.seat.words(*words),
            env=self.seat.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if victim == "cli" or self.dice.random() < 0.2:
            time.sleep(self.dice.uniform(0, 1.5))  # anywhere in its life, most of which is before its first bead
        else:
            self.waits_past_the_signature(before, self.dice.randrange(BEADS_MAX))
        self.killed[victim] += 1
        if victim == "cli":
            typed.kill()
        elif victim == "engine":
            before = self.watchdog.said().count("the engine is DEAD")
            self.engine.kill()
            until(lambda: self.watchdog.said().count("the engine is DEAD") > before)
        else:
            self.watchdog.kill()
        _ = typed.wait(PATIENCE_S)
        self.comes_back(victim)

    def waits_past_the_signature(self, before: int, beads: int) -> None:
        """Until so many beads stand after the decision that was signed, or nothing more comes."""
        until_then = time.monotonic() + 4
        while time.monotonic() < until_then:
            signed = next((r.seq for r in self.log.read(before) if r.kind == "DECISION"), None)
            if signed is not None and self.log.head().size > signed + beads:
                return
            until_then = min(until_then, time.monotonic() + 1) if signed is not None else until_then
            time.sleep(0.0005)

    def comes_back(self, victim: str) -> None:
        """What was killed is started again, as a service manager does; a new engine says what it found."""
        if victim == "engine":
            self.engine = self.room.enter_context(self.seat.engine())
            report = [line.split(":")[0] for line in self.engine.said().splitlines()]
            assert [word for word in report if word in ("known", "broker", "owed", "yours")] == [
                "known",
                "broker",
                "owed",
                "yours",
            ]
        elif victim == "watchdog":
            self.watchdog = self.room.enter_context(self.seat.watchdog())

    def acts(self) -> None:
        """What a day is made of: an approval of something new, or a close of something held."""
        held = [p for p in self.status()["positions"] if p["state"] == "MANAGED" and not p["closing"]]
        free = [pair for pair in PAIRS if pair not in {p["instrument"] for p in self.status()["positions"]}]
        stalled = {p["instrument"] for p in self.status()["stalled"]}
        free = [pair for pair in free if pair not in stalled]
        if not free or (held and self.dice.random() < 0.4):
            if held:
                self.runs("close", self.dice.choice(held)["position"], "--reason", "a busy day")
            return
        intent = self.seat.proposes(self.dice.choice(free))
        self.intents.append(intent)
        quantity = self.seat.quantity_of(intent)
        self.runs("approve", intent, "--quantity", quantity, "--yes")


def frames(record: Path, way: str, name: str) -> list[list[str]]:
    """The frames of a name that went one way, by the gateway's own record."""
    lines = (json.loads(line) for line in record.read_text("utf-8").splitlines())
    return [frame["fields"] for frame in lines if frame["dir"] == way and frame["fields"][0] == name]


@shows("I1", "I4", "I6", "I9", "F21", "F24", "F71")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_day_of_kills(tmp_path: Path, kills: int) -> None:
    """After the last restart: at most one order for each intent, every execution of the broker's in the log, a state
    that the log alone gives again, STALLED where nothing is known, and a person who was told of every death."""
    record = tmp_path / "frames.jsonl"
    with bot_server() as server, ExitStack() as room:
        seat = Seat(tmp_path / "home", more=server.environment() | {"IBKR_HOST": HOST})
        assert seat.json("init", "--mode", "paper", "--account", ACCOUNT).code == 0
        settings = seat.home / "phoenix.toml"
        settings.write_text(
            settings.read_text("utf-8").replace('instruments = ""', f'instruments = "{" ".join(PAIRS)}"'), "utf-8"
        )
        line = ("gateway", "--host", HOST, "--account", ACCOUNT, "--record", str(record))
        room.enter_context(seat.process(*line, ready="listening"))
        log = room.enter_context(SqliteStore(seat.home / "beads.db"))
        day = Day(seat, server, Random(SEED + kills), room, log)
        day.begins()
        while day.killed.total() < kills:
            day.acts()
        day.rests()
        until(lambda: not seat.json("alerts", "list").document["unsent"], within_s=60)
    judged(day, record)  # the gateway's record is whole once it has stopped
    assert seat.json("beads", "verify").code == 0


def judged(day: Day, record: Path) -> None:
    """Everything that must be so when the desk has come to rest."""
    placed = [f for fields in frames(record, "in", PLACE) for f in fields if f.startswith("P1") and len(f) >= 28]
    refs = [ref for ref in placed if REFERENCE.fullmatch(ref)]
    assert refs and max(Counter(refs).values()) == 1, "an entry left twice"
    beads = day.seat.json("beads", "query").document["beads"]
    positions = [bead["body"] for bead in beads if bead["kind"] == "POSITION"]
    owned = {body["order_ref"]: body["intent_id"] for body in positions if body.get("order_ref") in refs}
    assert set(owned) == set(refs), "an order left that no position owns"
    assert max(Counter(owned.values()).values()) == 1, "an intent left as two orders"

    told = {f for fields in frames(record, "out", EXECUTED) for f in fields if EXECUTION.fullmatch(f)}
    kept = {b["body"]["exec_id"] for b in beads if b["kind"] == "EXECUTION" and b["body"]["event"] == "FILL"}
    assert told and told <= kept, f"lost fills: {told - kept}"

    with SqliteStore(day.seat.home / "beads.db") as log:
        key = load_secret(Home(day.seat.home).desk_key, DESK_KEY_BYTES)
        fresh, kept_beside = (Recorder(log, lambda desk: World(None, None), key=key) for _ in range(2))  # type: ignore[arg-type]  # they only fold
        _, _ = fresh.catch_up(), kept_beside.wake()
    assert freeze(kept_beside.desk) == freeze(fresh.desk), "the state is not what the log says"
    assert_known_or_stalled(fresh.desk, set(placed))

    codes = Counter(b["body"]["code"] for b in beads if b["kind"] == "ALERT" and b["body"]["event"] == "RAISED")
    assert codes["PROCESS_DEAD"] == day.killed["engine"]
    said = sum("The engine's process is gone" in text for text in day.server.texts)
    assert said >= day.killed["engine"], "a death that nobody was told of"


def assert_known_or_stalled(desk: Desk, placed: set[str]) -> None:
    """An order that is recorded and never reached the gateway is looked up, never sent again: its position is STALLED,
    with an alert that opens RB-003; and nothing differs from the broker but such orders."""
    lost = [p for p in desk.positions.open.values() if p.order_ref and p.state is not State.APPROVED]
    lost = [p for p in lost if p.order_ref not in placed]
    assert {p.state for p in lost} <= {State.STALLED}
    told = {one.subject for one in desk.alerts.open.values() if one.code is Code.POSITION_STALLED}
    assert len(told) == len(lost)
    assert {drift.cause for drift in desk.drifts.open.values()} <= {"order_missing"}
    assert {drift.subject for drift in desk.drifts.open.values()}.isdisjoint(placed)
