"""What people mistype: an empty word, bytes that are no text, a home that is none, figures out of range, a file that
cannot be written. Each is told with its field, what it held and the mend; nothing is done, and nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from phoenix_cli.__main__ import COMMANDS, cli
from phoenix_cli.words import Words, first_sentence
from phoenix_core.values import BadInput
from tests.contract.cli.operator import AFTERNOON, Seat, founded
from tests.showing import shows


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """A desk that nobody runs."""
    monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
    return founded(tmp_path)


class TestEmptyWords:
    """A shell writes nothing for a variable that is not set."""

    def test_no_name_is_not_every_name(self, seat: Seat) -> None:
        """`close "$ID"` names no position: it is not --all; nor is an only intent, or an only alert, what "" means."""
        with seat.engine():
            intent = seat.proposes("EURUSD")
            said = seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
            assert said.document["outcome"] == "FILLED"
            other = seat.proposes("GBPUSD")
            for words in (("close", "", "--reason", "x"), ("pass", "", "--reason", "x"), ("show", "")):
                with pytest.raises(BadInput, match="variable that is not set"):
                    _ = seat.json(*words)
            states = [seat.json("positions", one).document["state"] for one in (intent, other)]
            assert (states[0] in ("FILLED", "MANAGED"), states[1]) == (True, "PROPOSED")

    def test_an_empty_reason_is_none(self, seat: Seat) -> None:
        """A signed command has a reason; the error names the option."""
        _ = seat.json("kill", "raise", "--scope", "desk")
        with pytest.raises(BadInput, match="--reason: ''"):
            _ = seat.json("kill", "clear", "--scope", "desk", "--reason", "")
        assert len(seat.json("kill", "list").document["flags"]) == 1

    @pytest.mark.parametrize("name", [name for name in COMMANDS if name != "halt"])
    def test_every_text_of_every_command_is_held_to_it(self, name: str) -> None:
        """Also of a command that is still to be written: none of them takes text as it comes."""
        command = cli.get_command(click.Context(cli), name)
        inner = command.commands.values() if isinstance(command, click.Group) else (command,)
        assert not [p for one in inner if one is not None for p in one.params if p.type is click.STRING]
        assert any(isinstance(p.type, Words) for p in cli.params)

    def test_what_is_empty_by_default_may_be_empty(self, seat: Seat) -> None:
        """`sim --without ""` is what leaving it out is."""
        assert CliRunner().invoke(cli, ["sim", "--seeds", "1", "--ticks", "1", "--without", ""]).exit_code == 0


def test_bytes_that_are_no_text_are_refused_and_never_stop_a_halt(seat: Seat) -> None:
    """They could neither be signed nor kept: usage, in one document. A halt asks nothing."""
    bad = os.fsdecode(b"\xff")
    for words in (["positions", bad], ["kill", "raise", "--reason", bad], ["beads", "export", f"{seat.home}/{bad}"]):
        said = seat.run("--json", *words)
        assert (said.code, json.loads(said.out)["mend"]) == (2, "write UTF-8"), said
        assert "Traceback" not in said.err
    said = seat.run("--json", "halt", "--reason", bad)
    assert (said.code, json.loads(said.out)["held"]["log"]) == (0, True)


class TestWrongHome:
    """A mistyped --home is no desk."""

    def test_nobody_is_told_that_a_folder_without_a_desk_is_halted(self, tmp_path: Path) -> None:
        """The engine of the real home would go on: exit code 3, and the home is named."""
        (tmp_path / "empty").mkdir()
        for name in ("empty", "nowhere"):
            said = Seat(tmp_path / name).run("--json", "halt")
            assert (said.code, json.loads(said.out)["halted"]) == (3, False)
            assert f"no desk in {tmp_path / name}" in said.err

    def test_a_folder_that_cannot_be_listed_may_be_a_desk(self, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that dies does not make a halt a failure."""

        def broken(path: object) -> list[str]:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "listdir", broken)
        assert seat.json("halt").document["halted"] is True

    def test_a_flag_and_a_signal_need_a_desk(self, tmp_path: Path) -> None:
        """Neither makes a folder, and both say which home they looked at."""
        nowhere = Seat(tmp_path / "nowhere")
        for words in (("kill", "raise"), ("cse", "--signal", "READY", "--pair", "EURUSD")):
            with pytest.raises(BadInput, match=r"home: .*nowhere"):
                _ = nowhere.json(*words)
        assert not nowhere.home.exists()


@shows("S33-CSE-01")
def test_a_signal_that_waits_is_not_written_over(seat: Seat) -> None:
    """Two in a row, with no engine to read them: both are there."""
    made = [seat.json("cse", "--signal", "READY", "--pair", "EURUSD").document for _ in range(2)]
    assert Path(made[0]["file"]).name == "mock_intent.yaml"
    assert [row["intent"] in Path(row["file"]).read_text("utf-8") for row in made] == [True, True]


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("PHOENIX_MOCK_SEED", "abc", "whole number"),
        ("PHOENIX_MOCK_SEED", "1" * 5000, "whole number"),
        ("PHOENIX_MOCK_CHAOS", "wild", "INSTANT, REALISTIC, ADVERSARIAL"),
        ("RECONCILE_INTERVAL_SEC", "0", "1 to 86400"),
        ("RECONCILE_INTERVAL_SEC", "9" * 20, "1 to 86400"),
        ("PHOENIX_CLOCK", "9999-12-31T23:59:59Z", "1990 to 2100"),
        ("PHOENIX_CLOCK", "0001-01-01T00:00:00Z", "1990 to 2100"),
    ],
)
def test_an_environment_that_means_nothing_starts_no_engine(seat: Seat, name: str, value: str, mend: str) -> None:
    """It is usage: never a bug of ours, and above all no fail-stop that would latch the desk."""
    said = seat.run("run", "--once", **{name: value})
    assert (said.code, mend in said.err, "Traceback" in said.err) == (2, True, False), said
    assert not (seat.home / "HALT").exists()


def test_a_mock_broker_whose_memory_is_torn_says_how_to_go_on(seat: Seat) -> None:
    """It is a file of ours in the home: named, with the mend."""
    (seat.home / "run" / "mock-broker.json").write_text("{", "utf-8")
    said = seat.run("run", "--once")
    assert (said.code, "mock-broker.json" in said.err, "remove it" in said.err) == (2, True, True)


@pytest.mark.parametrize(
    "words",
    [
        ("executions", "--since", "999999d"),
        ("beads", "query", "--since", "999999d"),
        ("beads", "quality", "--since", "999999d"),
    ],
)
def test_no_span_is_longer_than_the_calendar(seat: Seat, words: tuple[str, ...]) -> None:
    """A hundred years are enough for a log; more is usage."""
    with pytest.raises(BadInput, match="at most 36500d"):
        _ = seat.json(*words)
    assert seat.json("executions", "--since", "36500d").code == 0


def test_nested_without_end_is_no_document(seat: Seat, tmp_path: Path) -> None:
    """A policy and a session of brackets alone are refused as any other file that is no JSON of theirs."""
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 30_000, "utf-8")
    for words in (("policy", "set", str(deep)), ("promote", "shadow", str(deep))):
        with pytest.raises(BadInput, match=r"FILE: .*JSON"):
            _ = seat.json(*words)


@pytest.mark.parametrize("day", ["20261118", "2026-W47-3"])
def test_a_day_of_the_shadow_has_one_spelling(seat: Seat, tmp_path: Path, day: str) -> None:
    """Told again, a day replaces itself: spelt in two ways it would count as two of the twenty."""
    file = tmp_path / "session.json"
    session = {"strategy": "a", "id": "b", "regime": "r", "pnl": "1", "drawdown": "0", "trades": 1}
    counts = {"signalman_kills": 0, "overrides": 0, "findings": []}
    file.write_text(json.dumps(session | counts | {"session_day": "2026-11-18"}), "utf-8")
    assert seat.json("promote", "shadow", str(file)).document["sessions"] == 1
    file.write_text(json.dumps(session | counts | {"session_day": day}), "utf-8")
    with pytest.raises(BadInput, match="session_day"):
        _ = seat.json("promote", "shadow", str(file))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("beads", "export", "{}/gone/log.jsonl"), "{}/gone: No such file or directory"),
        (("beads", "checkpoint", "--out", "{}/gone/note"), "{}/gone: No such file or directory"),
        (("beads", "export", "{}"), "{}: Is a directory; name a file"),
        (("beads", "backup", "{}/gone/beads.db"), "a folder that is there"),
    ],
)
def test_a_place_that_takes_no_file_is_named_with_the_mend(
    seat: Seat, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """Not the name of a file that we write on the way; and a backup without a place is no trouble of the log."""
    said = seat.run(*(word.format(tmp_path) for word in words))
    assert (said.code, told.format(tmp_path) in said.err, "RB-004" in said.err) == (2, True, False), said.err
    assert ".partial" not in said.err


def test_a_gateways_state_that_is_torn_is_named(seat: Seat, tmp_path: Path) -> None:
    """A file that somebody gave: usage, and no bug of ours."""
    (tmp_path / "state.json").write_text("{\n", "utf-8")
    said = seat.run("gateway", "--port", "0", "--state", str(tmp_path / "state.json"))
    assert (said.code, "--state" in said.err, "Traceback" in said.err) == (2, True, False)


class TestHelpIsKind:
    """What the list of commands says, and an option in the wrong place."""

    def test_a_list_of_commands_says_whole_sentences(self) -> None:
        """Cut in the middle it tells nobody anything."""
        for name in ("alerts", "beads", "promote", "kill"):
            told = CliRunner().invoke(cli, [name, "--help"]).stdout
            assert "..." not in told.split("Commands:")[1], told
        assert first_sentence("One. Two.\n\nThree.") == "One."

    @pytest.mark.parametrize("option", ["--json", "--home"])
    def test_an_option_behind_its_command_is_told_where_it_stands(self, seat: Seat, option: str) -> None:
        """Most tools take it there; here it is one of the whole command line."""
        said = seat.run("status", option)
        assert (said.code, f"phoenix {option} ... COMMAND" in said.err) == (2, True)


class TestSim:
    """The simulation's options, and what it says of corners."""

    @pytest.mark.parametrize(
        "words", [("--seeds", "5..1"), ("--jobs", "0"), ("--ticks", "-5"), ("--steps", "-3"), ("--without", "foo")]
    )
    def test_what_cannot_be_played_is_usage(self, seat: Seat, words: tuple[str, str]) -> None:
        """Never a silent nothing, and never a bug of ours."""
        said = seat.run("sim", *words)
        assert (said.code, words[0] in said.err, "Traceback" in said.err) == (2, True, False)

    def test_few_seeds_name_few_corners(self, seat: Seat) -> None:
        """What two short storms did not see is nearly everything: examples and how many, in short lines."""
        said = seat.run("sim", "--seeds", "1..2", "--ticks", "2")
        told = said.out[said.out.index("\nnor ") :].splitlines()
        assert said.code == 0 and 2 <= len(told) <= 8, told
        assert "more: play more seeds" in " ".join(told) and max(map(len, told)) <= 100
