"""Two trading days through real processes: gateway, engine, watchdog, a local Telegram, and an operator who types.

Nothing is mocked between the operator's command line and the frames on the gateway's socket. The prices move because
the script says so, and the link breaks because the script cuts it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import pytest
from attrs import Factory, define

from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.home import Home
from tests.chaos.journal import of_gateway
from tests.chaos.opinion import second_opinion
from tests.contract.cli.operator import Process, Ran, Seat, host_of_this_process, until
from tests.contract.notify.bot_server import BotServer, bot_server
from tests.showing import shows

pytestmark = pytest.mark.timeout(300)  # two days of real time on a busy host; a minute on an idle one

HOST: Final = host_of_this_process(11)
ACCOUNT: Final = "DU1234567"
REFERENCE: Final = re.compile(r"P1[A-Z2-7]{26}")
WEDNESDAY: Final = "2026-11-18T14:00:00-05:00"
THURSDAY: Final = "2026-11-19T10:00:00-05:00"
# A bracket is three frames, and so is the second one: the link breaks while the first position is held, and the price
# runs to the target of the second.
FIRST_DAY: Final = (
    {"after": "placeOrder", "nth": 3, "wait": 2, "do": "drop"},
    {"after": "placeOrder", "nth": 7, "wait": 1.5, "do": "quote", "symbol": "GBPUSD", "bid": "1.2765", "ask": "1.2767"},
)
SIGNALS: Final = {
    "EURUSD": (),
    "GBPUSD": ("--entry", "1.2700", "--stop", "1.2670", "--target", "1.2760"),
}


@define
class Floor:
    """What stands in the room: a seat, a Telegram, and the answers to what was typed."""

    seat: Seat
    server: BotServer
    answers: dict[str, Ran] = Factory(dict)
    intents: list[str] = Factory(list)

    def json(self, *words: str, given: str = "") -> dict[str, Any]:
        """One command that must succeed, typed into a process of its own."""
        ran = self.seat.run("--json", *words, given=given)
        assert ran.code == 0, (words, ran)
        self.answers[" ".join(words[:2])] = ran
        return ran.document

    def trades(self, pair: str) -> str:
        """From a signal to a protected position, as an operator does it; a slow host may see it closed already. That it
        was protected is the gates' to say."""
        made = self.seat.json("cse", "--signal", "READY", "--pair", pair, *SIGNALS[pair], "--out", "-")
        intent = str(self.json("propose", "-", given=made.out)["intent"])
        self.intents.append(intent)
        quantity = self.seat.quantity_of(intent)
        said = self.json("approve", intent, "--quantity", quantity, "--yes")
        assert said["outcome"] in ("SENT", "FILLED")
        until(lambda: self.position(intent)["state"] in ("MANAGED", "CLOSED"))
        return intent

    def position(self, intent: str) -> dict[str, Any]:
        """Where an intent is."""
        return self.seat.json("positions", intent).document

    def beads(self, kind: str, *more: str) -> list[dict[str, Any]]:
        """The bodies of a kind, by query, with their time and place."""
        found = self.seat.json("beads", "query", "--kind", kind, *more).document["beads"]
        return [{"seq": bead["seq"], "ts": bead["ts"], **bead["body"]} for bead in found]


@contextmanager
def trading_day(floor: Floor, day: str, script: tuple[dict[str, Any], ...]) -> Iterator[tuple[Process, Process]]:
    """A gateway, an engine that has reconciled, and a watchdog, on a day."""
    seat = floor.seat
    file = seat.home.parent / f"{day[:10]}.jsonl"
    file.write_text("".join(json.dumps(act) + "\n" for act in script), "utf-8")
    record = str(seat.home.parent / f"{day[:10]}.frames.jsonl")
    line = ("gateway", "--host", HOST, "--account", ACCOUNT, "--script", str(file), "--record", record)
    with ExitStack() as room:
        room.enter_context(seat.process(*line, ready="listening"))
        engine = room.enter_context(seat.engine())
        watchdog = room.enter_context(seat.watchdog())
        until(lambda: seat.json("status").document["reconciliation"]["agreement"] == "AGREES")
        yield engine, watchdog


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """Both days, once."""
    home = tmp_path_factory.mktemp("floor") / "home"
    with bot_server() as server:
        seat = Seat(home, WEDNESDAY, server.environment() | {"IBKR_HOST": HOST})
        room = Floor(seat, server)
        room.json("init", "--mode", "paper", "--account", ACCOUNT)
        settings = home / "phoenix.toml"
        settings.write_text(settings.read_text("utf-8").replace('instruments = ""', 'instruments = "EURUSD GBPUSD"'))
        with trading_day(room, WEDNESDAY, FIRST_DAY):
            wednesday(room)
        room.seat = Seat(home, THURSDAY, seat.more)
        with trading_day(room, THURSDAY, ()):
            thursday(room)
        yield room


def wednesday(room: Floor) -> None:
    """A trade through a cut link and closed by hand; one that reaches its target; RB-004, drilled; a quiet minute."""
    room.json("alerts", "test")
    first = room.trades("EURUSD")
    until(lambda: bool([b for b in room.beads("IBKR_SESSION") if b["event"] == "RECONNECT"]))
    until(lambda: room.seat.json("status").document["link"]["state"] == "CONNECTED")
    until(lambda: room.position(first)["protection"] == "FULL")
    until(lambda: room.seat.json("close", first, "--reason", "thesis gone").code == 0)
    second = room.trades("GBPUSD")
    until(lambda: room.position(second)["state"] == "CLOSED")
    room.json("runbook", "drill", "RB-004")
    until(lambda: len([b for b in room.beads("HEARTBEAT") if b["status"] == "HEALTHY"]) >= 2, within_s=60)


def thursday(room: Floor) -> None:
    """One more trade, closed by hand: a part of it first, and then the rest."""
    third = room.trades("EURUSD")
    until(lambda: room.position(third)["protection"] == "FULL")
    room.json("close", third, "--quantity", "1000", "--reason", "half the risk")
    until(lambda: room.position(third)["protection"] == "FULL")
    room.json("close", third, "--reason", "the week is over")
    room.json("report")
    until(lambda: room.seat.json("alerts", "list").document["unsent"] == 0)


class TestTwoDays:
    """What the gates of phase 1 ask for, by query of the log that the two days left."""

    @shows("X1", "X4")
    def test_what_was_left_of_a_part_was_never_bare(self, floor: Floor) -> None:
        """Stop and target were made smaller before the part was closed; only the close of the rest ended them."""
        third = floor.intents[-1]
        told = [b for b in floor.beads("ORDER") if b["position_id"] == floor.position(third)["position"]]
        words = ("RECORDED", "CANCEL_REQUESTED")
        asked = [(b["event"], b["ref"].rpartition(".")[2]) for b in told if b["event"] in words and "." in b["ref"]]
        assert [(event, role[:1]) for event, role in asked] == [
            ("RECORDED", "S"),
            ("RECORDED", "C"),
            ("CANCEL_REQUESTED", "S"),
            ("CANCEL_REQUESTED", "T"),
            ("RECORDED", "C"),
        ]

    @shows("S33-SEAM-04", "S33-SEAM-05", "S33-SEAM-06", "S33-GAT-09", "S33-TOK-01", "S33-LIF-01")
    def test_three_trades_ended_with_an_autopsy(self, floor: Floor) -> None:
        """Signal to autopsy on paper, three times, by hand and by target, each with what it made and one token of its
        own that was spent; the log verifies, and nothing disagreed with the broker."""
        assert [floor.position(intent)["state"] for intent in floor.intents] == ["CLOSED"] * 3
        assert len(floor.beads("AUTOPSY")) == 3
        for intent in floor.intents:
            life = [b for b in floor.beads("POSITION") if b["intent_id"] == intent and b.get("event")]
            assert [b["state"] for b in life][:5] == ["PROPOSED", "APPROVED", "SUBMITTED", "FILLED", "MANAGED"]
            assert life[-1]["state"] == "CLOSED" and life[-1]["realized"] and life[-1]["average_exit"]
            tokens = [b["event"] for b in floor.beads("T2_TOKEN") if b["intent_id"] == intent]
            assert tokens == ["ISSUED", "USED"]
        assert floor.beads("RECONCILIATION_DRIFT") == []
        assert floor.json("beads", "verify")["ok"] is True

    @pytest.mark.parametrize(
        ("gate", "kinds"),
        [
            pytest.param("GATE_S33_P1_1", {"IBKR_SESSION", "EVIDENCE"}, marks=shows("GATE_S33_P1_1")),
            pytest.param("GATE_S33_P1_2", {"POSITION"}, marks=shows("GATE_S33_P1_2")),
            pytest.param("GATE_S33_P1_3", {"POSITION"}, marks=shows("GATE_S33_P1_3")),
            pytest.param("GATE_S33_P1_4", {"HEARTBEAT", "ALERT"}, marks=shows("GATE_S33_P1_4")),
            pytest.param("GATE_S33_P1_5", {"OBSERVATION"}, marks=shows("GATE_S33_P1_5")),
            pytest.param("GATE_S33_P1_6", {"IBKR_SESSION"}, marks=shows("GATE_S33_P1_6")),
        ],
    )
    def test_the_log_proves_the_gate(self, floor: Floor, gate: str, kinds: set[str]) -> None:
        """`beads gates` says green, and cites beads of the kinds that the gate's evidence names."""
        rows = floor.json("beads", "gates")["gates"]
        row = next(row for row in rows if row["gate"] == gate)
        assert row["green"], row
        everything = floor.seat.json("beads", "query").document["beads"]
        assert {everything[seq]["kind"] for seq in row["beads"]} == kinds

    def test_beats_came_every_30_s(self, floor: Floor) -> None:
        """On the first day, by the clock of the log: 30 s, give or take 5, and no gap."""
        first = [b for b in floor.beads("HEARTBEAT") if b["ts"].startswith("2026-11-18")]
        at = [datetime.fromisoformat(b["ts"]) for b in first]
        assert len(at) >= 2
        assert all(24 <= (after - before).total_seconds() <= 37 for before, after in pairwise(at))

    def test_the_link_was_lost_and_found_while_a_position_was_held(self, floor: Floor) -> None:
        """DISCONNECT, one attempt after five seconds, RECONNECT; the protection stood before and after."""
        sessions = [b for b in floor.beads("IBKR_SESSION") if b["ts"].startswith("2026-11-18")]
        assert [(b["event"], b["outcome"]) for b in sessions] == [
            ("CONNECT", "CONNECTED"),
            ("DISCONNECT", "LOST"),
            ("RECONNECT", "CONNECTED"),
        ]
        assert sessions[2]["reconnect_attempt"] == 1
        moves = [b for b in floor.beads("POSITION") if b.get("event") in ("Protected", "Closed")]
        assert moves[0]["seq"] < sessions[1]["seq"] < sessions[2]["seq"] < moves[1]["seq"]

    @shows("S33-SEAM-02")
    def test_a_person_was_told(self, floor: Floor) -> None:
        """On the telephone: the intents, the lost link before everything quieter, the fills and the closes."""
        texts = "\n".join(floor.server.texts)
        for words in ("An intent waits for your approval", "CRITICAL Link to the broker lost", "An entry was filled"):
            assert words in texts
        assert floor.seat.json("alerts", "list").document["unsent"] == 0

    @shows("S33-REV-06")
    def test_the_operating_figures(self, floor: Floor) -> None:
        """Uptime, latency, drift, precision and recall are counted from the log, and these two days meet every mark."""
        found = floor.json("beads", "quality", "--since", "10d")
        assert {mark["name"]: mark["met"] for mark in found["marks"]} == {
            "drift events": True,
            "alert precision": True,
            "alert recall": True,
            "median latency": True,
            "uptime": True,
        }
        assert found["trades"] == 3
        assert found["machine_median_s"] < 2

    def test_one_order_left_for_each_intent(self, floor: Floor) -> None:
        """By the gateway's own record of its sockets: three entries, each reference once."""
        sent: list[str] = []
        for file in sorted(floor.seat.home.parent.glob("*.frames.jsonl")):
            for frame in map(json.loads, file.read_text("utf-8").splitlines()):
                if frame["dir"] == "in" and frame["fields"][0] == "3":
                    sent += [field for field in frame["fields"] if REFERENCE.fullmatch(field)]
        assert len(sent) == len(set(sent)) == 3

    @shows("I1", "I2", "I4", "I10")
    def test_a_second_opinion_agrees(self, floor: Floor) -> None:
        """Somebody who knows nothing of Phoenix reads the gateway's record and the log's export, and has no doubt."""
        files = sorted(floor.seat.home.parent.glob("*.frames.jsonl"))
        journal = list(of_gateway(line for file in files for line in file.read_text("utf-8").splitlines()))
        with SqliteStore(Home(floor.seat.home).log) as store:
            found = second_opinion(journal, list(export_lines(store, "floor", None)), True)
        assert found == []
        assert (
            len([line for line in journal if REFERENCE.fullmatch(str(line.get("ref"))) and line["what"] == "frame"])
            == 3
        )
