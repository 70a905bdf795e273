"""The runbooks: every page whole, every command in them one of ours, every loud alert with a page, and the drill."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from phoenix_cli.__main__ import cli
from phoenix_cli.commands.runbooks import SECTIONS, commands_of, pages, sections_of
from phoenix_core.values import BadInput, Severity
from phoenix_core.watch.codes import CODES, Code
from tests.contract.cli.operator import Seat, shaped
from tests.contract.cli.test_help import parses
from tests.showing import REPOSITORY, shows

FOLDER = REPOSITORY / "docs" / "runbooks"
NAMES = (
    "RB-001_CONNECTION_LOSS",
    "RB-002_RECONCILIATION_DRIFT",
    "RB-003_STALLED_POSITION",
    "RB-004_EMERGENCY_HALT",
    "RB-005_KILL_FLAG_ACTIVE",
    "RB-006_TELEGRAM_DOWN",
    "RB-007_GATEWAY_AUTO_UPDATE",
    "RB-008_PACING_VIOLATION",
)


class TestPages:
    """Eight runbooks, each with five sections."""

    @shows("S33-RBK-00", "S33-RBK-01", "S33-RBK-02", "S33-RBK-03", "S33-RBK-04")
    @shows("S33-RBK-05", "S33-RBK-06", "S33-RBK-07", "S33-RBK-08")
    @pytest.mark.parametrize("name", NAMES)
    def test_a_page_has_its_five_sections(self, name: str) -> None:
        """In their order, each with words in it, under a title that begins with the number."""
        text = (FOLDER / f"{name}.md").read_text("utf-8")
        sections = sections_of(text)
        assert tuple(sections) == SECTIONS
        assert all(len(body.split()) > 15 for body in sections.values())
        assert text.startswith(f"# {name[:6]} ")

    def test_there_are_eight_and_no_other(self) -> None:
        """The folder holds these pages and the list of them."""
        assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted((*NAMES, "README"))
        assert list(pages()) == [name[:6] for name in NAMES]

    @pytest.mark.parametrize("name", NAMES)
    def test_every_command_in_a_page_is_one_of_ours(self, name: str) -> None:
        """Each `phoenix ...` line parses: the command is there, its options are known, its arguments fit."""
        found = commands_of((FOLDER / f"{name}.md").read_text("utf-8"))
        assert found, "a page tells what to type"
        for words in found:
            assert parses(words), " ".join(words)

    def test_every_command_of_the_operators_guide_is_one_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A day, a week and an incident: each line parses."""
        monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)  # files of the example
        found = commands_of((REPOSITORY / "docs" / "operators-guide.md").read_text("utf-8"))
        assert len(found) > 30
        for words in found:
            assert parses(words), " ".join(words)

    def test_a_command_that_is_not_ours_is_seen(self) -> None:
        """The reading of pages bites: a wrong option and a wrong command fail."""
        wrong = "```console\nphoenix halt --now\nphoenix stop\n```\n"
        for words in commands_of(wrong):
            with pytest.raises(Exception, match="No such"):
                parses(words)

    @shows("S33-RBK-09")
    def test_what_gateways_do_to_people_is_written_down(self) -> None:
        """Auto-updates, time zones, silent disconnects, pacing without errors: each in the page where it is met."""
        update = (FOLDER / "RB-007_GATEWAY_AUTO_UPDATE.md").read_text("utf-8")
        pacing = (FOLDER / "RB-008_PACING_VIOLATION.md").read_text("utf-8")
        for gotcha in ("Auto-updates restart the process", "pin its version", "time zone", "Silent disconnects"):
            assert gotcha in update
        assert "need not arrive as a hard error" in pacing

    def test_show_and_list(self) -> None:
        """The pages come to the terminal as they are, with the alerts that open them."""
        listed = json.loads(CliRunner().invoke(cli, ["--json", "runbook", "list"]).stdout)["runbooks"]
        assert [row["runbook"] for row in listed] == [name[:6] for name in NAMES]
        assert "HALTED" in next(row for row in listed if row["runbook"] == "RB-004")["alerts"]
        shown = CliRunner().invoke(cli, ["runbook", "show", "rb-004"])
        assert shown.stdout.strip() == (FOLDER / "RB-004_EMERGENCY_HALT.md").read_text("utf-8").strip()


class TestCoverage:
    """INV-OPS-RUNBOOK-1: Each CRITICAL alert type has a runbook file; test_runbook_coverage.py"""

    @shows("INV-OPS-RUNBOOK-1", "S33-RBK-10")
    @pytest.mark.parametrize("code", [code for code, row in CODES.items() if row.severity is Severity.CRITICAL])
    def test_every_critical_alert_names_a_page_that_is_there(self, code: Code) -> None:
        """No CRITICAL alert leaves a human without a page."""
        runbook = CODES[code].runbook
        assert runbook is not None
        assert pages()[runbook].is_file()

    def test_every_page_is_opened_by_an_alert(self) -> None:
        """A page that no alert names is read by nobody."""
        assert {row.runbook for row in CODES.values()} - {None} == set(pages())

    def test_the_list_of_pages_is_the_table_of_alerts(self) -> None:
        """docs/runbooks/README.md says of each page exactly the alerts that open it, and its page names them too."""
        lines = (FOLDER / "README.md").read_text("utf-8").splitlines()
        for name in NAMES:
            alerts = [code.value for code, row in CODES.items() if row.runbook == name[:6]]
            row = next(line for line in lines if f"({name}.md)" in line)
            assert row.split(" | ")[1].rstrip(" |") == ", ".join(f"`{alert}`" for alert in alerts)


class TestDrill:
    """A drill really halts a desk, follows the page, and its resolution time is a bead."""

    @shows("S33-RBK-10", "GATE_S33_P1_5")
    def test_a_mock_desk_is_halted_flattened_and_started_again(self, tmp_path: Path) -> None:
        """Every command of RB-004 ends well, an approved entry is refused meanwhile, and the log holds the seconds."""
        seat = Seat(tmp_path / "home")
        assert seat.json("init").code == 0
        waits = seat.proposes("AUDUSD")
        told = seat.json("runbook", "drill", "RB-004")
        assert told.code == 0, told
        left = [row["intent"] for row in seat.json("inbox").document["intents"]]
        assert left == [waits], "what the drill proposed is gone, and nothing else is"
        steps = [{"section": str, "command": str, "exit": 0, "seconds": float}]
        shape = {"runbook": "RB-004", "ok": True, "seconds": float, "steps": steps, "bead": int}
        shaped(told.document, shape)
        page = (FOLDER / "RB-004_EMERGENCY_HALT.md").read_text("utf-8")
        assert [step["command"] for step in told.document["steps"]] == [" ".join(w) for w in commands_of(page)]
        assert "refused: KILL_FLAG_ACTIVE" in told.err
        beads = seat.json("beads", "query", "--kind", "OBSERVATION", "--about", "DRILL").document["beads"]
        assert [bead["seq"] for bead in beads] == [told.document["bead"]]
        took, count = told.document["seconds"], len(told.document["steps"])
        assert beads[0]["body"]["facts"] == {"seconds": str(took), "steps": str(count), "outcome": "resolved"}
        raised = seat.json("beads", "query", "--kind", "KILL_FLAG").document["beads"]
        assert [bead["body"]["event"] for bead in raised] == ["RAISED", "LIFTED"]
        status = seat.json("status").document
        assert (status["positions"], status["halted"], status["kill_flags"]) == ([], False, [])

    def test_a_drill_that_finds_something_wrong_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page whose commands do not do what they say fails its drill: here one that never clears the halt."""
        from phoenix_cli.commands import runbooks

        page = (FOLDER / "RB-004_EMERGENCY_HALT.md").read_text("utf-8")
        forgetful = tmp_path / "RB-004_FORGETFUL.md"
        forgetful.write_text(re.sub("phoenix kill clear.*", "phoenix kill list", page), "utf-8")
        monkeypatch.setattr(runbooks, "pages", lambda: {"RB-004": forgetful})
        told = CliRunner().invoke(cli, ["--home", str(tmp_path / "none"), "--json", "runbook", "drill", "RB-004"])
        assert told.exit_code == 1
        assert "halt still stands" in told.stderr
        assert not (tmp_path / "none").exists()

    @pytest.mark.parametrize(("name", "word"), [("RB-003", "by hand"), ("RB-009", "RB-008")])
    def test_what_cannot_be_drilled_is_refused(self, name: str, word: str) -> None:
        """A page that needs ids of a real incident, and a page that is not there: each with its mend."""
        told = CliRunner().invoke(cli, ["runbook", "drill", name])
        assert word in str(told.exception)


def test_the_wheel_carries_the_pages() -> None:
    """`phoenix runbook show` needs no working copy: the build puts the folder beside the code, where it is sought."""
    built = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert built["targets"]["wheel"]["force-include"] == {"docs/runbooks": "phoenix_cli/runbooks"}
    assert "docs" in built["targets"]["sdist"]["include"]


# What a page's capital words stand for where nothing of the kind is there: a rule says no, and nothing falls over.
STANDS_FOR = {"POSITION": "0b6c1d0e", "DRIFT": "0b6c", "FLAG": "0b6c", "REF": "REF", "ALERT": "0b6c", "INTENT": "0b6c"}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    """A desk with an engine and nothing on it."""
    sits = Seat(tmp_path_factory.mktemp("pages") / "home")
    assert sits.json("init").code == 0
    with sits.engine():
        yield sits


class TestCommandsRun:
    """Every command of every page is typed at a desk that runs: it is done, or refused in words that say what to do."""

    @shows("S33-RBK-10")
    @pytest.mark.parametrize("name", NAMES)
    def test_every_command_of_a_page_runs(self, quiet: Seat, name: str, tmp_path: Path) -> None:
        """One document on stdout and exit 0, 1 or 3; never a log that does not verify, or a bug of ours."""
        for words in commands_of((FOLDER / f"{name}.md").read_text("utf-8")):
            if words[0] in ("run", "gateway"):
                continue  # they live: other tests start and stop them
            given = [STANDS_FOR.get(word, word).replace("/mnt/usb", str(tmp_path)) for word in words]
            refused = pytest.raises(BadInput, match="kill list") if is_no_flag(quiet, given) else nullcontext()
            with refused:
                said = quiet.json(*given)
                assert said.code in (0, 1, 3), (words, said)
                assert all(json.loads(line) for line in said.out.splitlines())


def is_no_flag(seat: Seat, words: list[str]) -> bool:
    """Whether a command clears a flag that is not up."""
    if words[:2] != ["kill", "clear"]:
        return False
    flags = [row["flag"] for row in seat.json("kill", "list").document["flags"]]
    return not flags or ("--scope" not in words and not any(flag.startswith(words[2]) for flag in flags))
