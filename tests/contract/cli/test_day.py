"""A day at the desk through real processes: one engine, and an operator who calls every command of the day."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define

from tests.contract.cli.operator import Ran, Seat, shaped, until
from tests.contract.cli.shapes import (
    ENDED,
    EXECUTION,
    FLAG,
    HEALTH,
    INTENT,
    ORDER,
    POSITION,
    REPORT,
    STATUS,
    TEXT,
    Shape,
)
from tests.showing import shows

# What each step of the day answers, in the order in which the day goes. A set is of exit codes that are right.
SHAPES: dict[str, Shape] = {
    "init": {"home": str, "mode": "mock", "account": str, "key": str, "assurance": "software", "origin": str},
    "doctor": {"ok": True, "checks": [{"name": str, "level": ("ok", "warn"), "detail": str}]},
    "propose": {"intent": str, "state": "PROPOSED", "expires_at": str},
    "inbox": {"intents": [INTENT], "stalled": [INTENT]},
    "show": {"intent": str, "evidence": str, "lines": [str]},
    "approve": {
        "intent": str,
        "token": str,
        "expires_at": TEXT,
        "order_ref": str,
        "outcome": ("SENT", "FILLED"),
    },
    "positions": {"positions": [(POSITION, ENDED)]},
    "position": POSITION,
    "status": STATUS,
    "watch": STATUS,
    "orders": {"orders": [ORDER]},
    "executions": {"executions": [EXECUTION]},
    "reconcile": {"agreement": "AGREES", "session": int, "bead": int, "drifts": []},
    "drift list": {"drifts": []},
    "alerts list": {"alerts": list, "unsent": int},
    "anchor refresh": {"strategy": "*", "regime": "DEFAULT", "refreshed": True},
    "health": HEALTH,
    "close": {"closed": [{"position": str, "instrument": str, "state": "CLOSED", "outcome": "CLOSED"}]},
    "closed": ENDED,
    "report": REPORT,
    "kill raise": {"flag": str, "scope": "instrument:GBPUSD", "raised": True},
    "kill list": {"flags": [FLAG], "latch": False},
    "kill clear": {"cleared": [str]},
    "pass": {"intent": str, "state": "CANCELLED"},
    "halt": {"halted": True, "held": {"flag": True, "runtime_flag": True, "signal": True, "log": True}},
    "halted": STATUS,
    "verify": {"ok": True, "beads": int, "root": str, "checkpoints": int},
    "query": {"kind": "IBKR_SESSION", "beads": [{"seq": int, "ts": str, "kind": "IBKR_SESSION", "body": dict}]},
    "gaps": {"kind": "HEARTBEAT", "gaps": list},
    "export": {"file": str, "beads": int},
    "offline": {"ok": True, "detail": str},
    "backup": {"file": str, "beads": int},
    "checkpoint": {"note": str, "size": int},
    "alerts test": {"ok": True, "steps": list, "proven": list, "troubles": dict},
}


@define
class Day:
    """What was answered on that day."""

    seat: Seat
    intent: str = ""
    answers: dict[str, Ran] = Factory(dict)

    def calls(self, name: str, *words: str, given: str = "") -> dict[str, Any]:
        """One command of the day, kept under a name."""
        self.answers[name] = ran = self.seat.json(*words, given=given)
        return ran.document

    def calls_apart(self, name: str, *words: str, given: str = "") -> dict[str, Any]:
        """The same in a process of its own, as in life."""
        self.answers[name] = ran = self.seat.run("--json", *words, given=given)
        return ran.document


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The whole day, once."""
    today = Day(Seat(tmp_path_factory.mktemp("day") / "home"))
    seat = today.seat
    today.calls_apart("init", "init")
    with seat.engine():
        _morning(today)
        _evening(today)
        yield today


def _morning(day: Day) -> None:
    """From a signal to a position that is held and protected."""
    made = day.seat.run("cse", "--signal", "READY", "--pair", "EURUSD", "--out", "-")
    day.intent = str(day.calls_apart("propose", "propose", "-", given=made.out)["intent"])
    until(lambda: day.seat.json("show", day.intent).code == 0)
    row = day.calls("inbox", "inbox")["intents"][0]
    day.calls("show", "show", day.intent[:8])
    day.calls_apart("approve", "approve", day.intent, "--quantity", row["quantity"], "--yes")
    until(lambda: day.calls("position", "positions", day.intent)["protection"] == "FULL")
    for name in ("positions", "status", "orders", "executions", "reconcile", "drift list", "alerts list", "health"):
        day.calls(name, *name.split())
    day.calls("watch", "watch", "--once")
    day.calls("anchor refresh", "anchor", "refresh")
    day.calls_apart("close", "close", day.intent[:8], "--reason", "the day is over")
    day.calls("closed", "positions", day.intent)
    day.calls("report", "report")


def _evening(day: Day) -> None:
    """Kills, a rejection, the halt, and the log."""
    day.calls("kill raise", "kill", "raise", "--scope", "instrument:GBPUSD", "--reason", "central bank")
    day.calls("kill list", "kill", "list")
    day.calls("kill clear", "kill", "clear", "--scope", "instrument:GBPUSD", "--reason", "it spoke")
    other = day.seat.proposes("USDJPY")
    day.calls("pass", "pass", other, "--reason", "not today")
    day.calls_apart("halt", "halt")
    day.calls("halted", "status")
    file, home = day.seat.home.parent, day.seat.home
    day.calls_apart("verify", "beads", "verify")
    day.calls("query", "beads", "query", "--kind", "IBKR_SESSION", "--since", "24h")
    day.calls("gaps", "beads", "query", "--kind", "HEARTBEAT", "--since", "24h", "--gaps")
    day.calls("checkpoint", "beads", "checkpoint")
    day.calls("export", "beads", "export", str(file / "log.jsonl"))
    day.calls("offline", "beads", "verify", str(file / "log.jsonl"), "--roots", str(home / "roots.json"))
    day.calls("backup", "beads", "backup", str(file / "copy.db"))
    day.calls("alerts test", "alerts", "test")
    day.calls("doctor", "doctor")


class TestDay:
    """Every command of the day answers with exit 0 and a document of its shape."""

    @pytest.mark.parametrize("name", list(SHAPES))
    def test_every_answer_has_its_shape(self, day: Day, name: str) -> None:
        """One JSON document on stdout, with exactly these fields."""
        answer = day.answers[name]
        assert answer.code == 0, answer
        shaped(answer.document, SHAPES[name], name)

    @shows("S33-SEAM-04", "S33-SEAM-05", "S32-SEAM-07")
    def test_the_round_trip(self, day: Day) -> None:
        """From a generator's signal to a position that is closed, each state seen from the command line."""
        answers = day.answers
        assert answers["inbox"].document["intents"][0]["intent"] == day.intent
        assert answers["show"].document["intent"] == day.intent
        assert answers["position"].document["state"] == "MANAGED"
        assert answers["position"].document["order_ref"] == answers["approve"].document["order_ref"]
        held = answers["executions"].document["executions"]
        assert [(row["role"], row["instrument"]) for row in held] == [("ENTRY", "EURUSD")]
        assert {row["role"] for row in answers["orders"].document["orders"]} == {"STOP", "TARGET"}
        assert answers["closed"].document["state"] == "CLOSED"

    def test_the_report_counts_the_day(self, day: Day) -> None:
        """One signal, one approval, one entry, entry and exit executed, and the money of the position that closed."""
        report = day.answers["report"].document
        assert (report["day"], report["signals"], report["approvals"]) == ("2026-11-18", 1, 1)
        assert (report["entries"], report["executions"]) == (1, 2)
        assert [row["position"] for row in report["closed"]] == [day.answers["closed"].document["position"]]
        assert report["realized"] == day.answers["closed"].document["pnl"]
        assert list(report["fees"]) == ["USD"]

    def test_status_says_what_stops_entries(self, day: Day) -> None:
        """After the halt: the latch, and the flag in the log."""
        before, after = day.answers["status"].document, day.answers["halted"].document
        assert (before["halted"], before["kill_flags"]) == (False, [])
        assert after["halted"] is True
        assert [flag["scope"] for flag in after["kill_flags"]] == ["desk"]
        assert before["engine"]["running"] and before["positions"][0]["intent"] == day.intent

    @shows("S33-NOT-02")
    def test_the_sequence_of_six(self, day: Day) -> None:
        """Ping, READY, DRIFT, KILL: a message each; ten alerts are one batch, fifty are throttled."""
        steps = day.answers["alerts test"].document["steps"]
        assert [step["name"] for step in steps] == ["ping", "READY", "DRIFT", "KILL", "aggregation", "flood"]
        assert [(step["alerts"], step["messages"]) for step in steps] == [*[(1, 1)] * 4, (10, 1), (50, 1)]
        assert all(step["delivered"]["console"] for step in steps)

    def test_words_for_people(self, day: Day) -> None:
        """The same commands without --json speak in lines, and not in JSON."""
        told = day.seat.run("status")
        assert told.code == 0
        assert told.out.startswith("MOCK MOCK   engine runs")
        assert "HALTED" in told.out and "{" not in told.out
        drawn = day.seat.run("watch", "--once")
        assert "HALTED" in drawn.out and "\x1b" not in drawn.out

    def test_completion_knows_the_open_intents(self, day: Day) -> None:
        """The shell is told the ids of intents that wait."""
        waiting = day.seat.proposes("AUDUSD")
        told = day.seat.run(
            _PHOENIX_COMPLETE="bash_complete",
            PHOENIX_HOME=str(day.seat.home),
            COMP_WORDS=f"phoenix show {waiting[:4]}",
            COMP_CWORD="2",
        )
        assert told.out.split() == [f"plain,{waiting}"]


class TestHaltedDesk:
    """A desk that was halted refuses entries at every road in, and says why."""

    def test_an_approval_is_refused_with_the_reason(self, day: Day) -> None:
        """Exit 1, the headline first; nothing was sent."""
        intent = day.seat.proposes("NZDUSD")
        quantity = day.seat.quantity_of(intent)
        said = day.seat.json("approve", intent, "--quantity", quantity, "--yes")
        assert said.code == 1
        assert said.document["refused"][0] == "KILL_FLAG_ACTIVE"
        rows = day.seat.json("executions").document["executions"]
        assert "NZDUSD" not in {row["instrument"] for row in rows}

    def test_another_quantity_than_was_shown_is_refused(self, day: Day) -> None:
        """What is typed is what was read, or nothing is signed."""
        intent = day.seat.proposes("USDCAD")
        quantity = day.seat.quantity_of(intent)
        said = day.seat.json("approve", intent, "--quantity", quantity + "0", "--yes")
        assert said.code == 1
        shaped(said.document, {"refused": ["STATEMENT_OTHER_ORDER"], "detail": str})

    def test_a_second_engine_is_refused(self, day: Day) -> None:
        """One desk, one engine."""
        said = day.seat.json("run", "--once")
        assert said.code == 1
        assert said.document["refused"] == ["ENGINE_RUNS_ALREADY"]

    def test_a_second_desk_in_the_same_home_is_refused(self, day: Day) -> None:
        """`init` never writes over a log."""
        said = day.seat.json("init")
        assert said.code == 1
        assert said.document["refused"] == ["DESK_EXISTS_ALREADY"]


@shows("S33-SEAM-03")
class TestSeam:
    """Intents in as files, answers out as documents, and what cannot be read put aside with the reason beside it."""

    def test_a_file_that_is_dropped_becomes_an_intent_and_an_answer(self, day: Day) -> None:
        """The generator writes into intents/incoming; the engine archives it and answers in responses/."""
        home = day.seat.home
        made = day.seat.json("cse", "--signal", "READY", "--pair", "GBPUSD")
        assert made.code == 0
        intent = made.document["intent"]
        assert Path(made.document["file"]) == home / "intents/incoming/mock_intent.yaml"
        until((home / f"responses/{intent}.md").is_file)
        until(lambda: not (home / "intents/incoming/mock_intent.yaml").exists())
        assert [path.name[17:] for path in (home / "intents/archive").iterdir()] == ["mock_intent.yaml"]
        answer = (home / f"responses/{intent}.md").read_text("utf-8")
        assert intent in answer
        assert (home / "responses/response.md").is_file()

    @pytest.mark.parametrize(
        ("name", "data", "word"),
        [("junk.yaml", b"schema: cse/1\nsignal: MAYBE\n", ""), ("half.json", b'{"schema": "cse/1"', "")],
    )
    def test_what_cannot_be_read_is_put_aside(self, day: Day, name: str, data: bytes, word: str) -> None:
        """The file lies in intents/quarantine, with a reason that a person can act on."""
        home = day.seat.home
        beside = home / f".{name}"
        beside.write_bytes(data)
        shutil.move(beside, home / "intents/incoming" / name)
        aside = home / "intents/quarantine"
        until(lambda: any(path.name.endswith(f"{name}.reason") for path in aside.iterdir()))
        until(lambda: not (home / "intents/incoming" / name).exists())
        kept = [path for path in aside.iterdir() if path.name.endswith(name)]
        assert [path.read_bytes() for path in kept] == [data]
        assert (kept[0].with_name(kept[0].name + ".reason")).read_text("utf-8").strip()
