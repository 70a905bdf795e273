"""What is refused, with which exit code and which words; and `halt`, which nothing stops."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from phoenix_cli.__main__ import main
from tests.contract.cli.operator import AFTERNOON, Ran, Seat, shaped

Calls = Callable[..., Ran]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home as `init` leaves it, and an engine that ran once. Tests copy it before they break it."""
    seat = Seat(tmp_path_factory.mktemp("desk") / "home")
    assert seat.json("init").code == 0
    assert seat.run("run", "--once").code == 0
    return seat.home


@pytest.fixture
def seat(desk: Path, tmp_path: Path) -> Seat:
    """A copy of that home, to be broken."""
    return Seat(Path(shutil.copytree(desk, tmp_path / "home")))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Calls:
    """The whole way of a command line, from argv to the exit code, within this process."""

    def call(home: Path, *words: str, **environment: str) -> Ran:
        monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["phoenix", "--home", str(home), "--json", *words])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Ran(left.value.code, told.out, told.err)

    return call


class TestBadInput:
    """Bad input: exit 2, nothing happens, and the field, what it held and how to mend it are said."""

    @pytest.mark.parametrize(
        ("words", "field", "value", "mend"),
        [
            (("cse", "--signal", "READY", "--pair", "EURUSD", "--entry", "1,0850"), "entry", "1,0850", "1.0850"),
            (("beads", "query", "--since", "yesterday"), "--since", "yesterday", "24h"),
            (("beads", "query", "--kind", "NOPE"), "--kind", "NOPE", "HEARTBEAT"),
            (("beads", "query", "--kind", "POSITION", "--gaps"), "--kind", "POSITION", "IBKR_SESSION"),
            (("executions", "--since", "3w"), "--since", "3w", "24h"),
            (("kill", "raise", "--scope", "everything"), "scope", "everything", "strategy:NAME"),
            (("kill", "clear", "--reason", "why"), "FLAG", "", "kill list"),
            (("report", "--day", "monday"), "--day", "monday", "2026-11-18"),
            (("close", "--reason", "why"), "ID", "", "--all"),
            (("propose", "nowhere.yaml"), "FILE", "nowhere.yaml", "standard input"),
            (("propose",), "FILE", "", "--again INTENT"),
            (("runbook", "show", "RB-099"), "RUNBOOK", "RB-099", "RB-004"),
            (("gateway", "--port", "0", "--fault", "gremlins"), "--fault", "gremlins", "never_ack"),
            (("init", "--mode", "paper", "--account", "U1234567"), "--account", "U1234567", "DU"),
        ],
    )
    def test_the_field_its_value_and_the_mend(
        self, desk: Path, calls: Calls, words: tuple[str, ...], field: str, value: str, mend: str
    ) -> None:
        """One document on stdout, one line on stderr."""
        before = (desk / "beads.db").read_bytes()
        said = calls(desk, *words)
        assert said.code == 2, said
        shaped(said.document, {"error": str, "field": str, "value": str, "mend": str})
        assert field in said.document["field"]
        assert said.document["value"] == value
        assert mend in said.document["mend"]
        assert said.err.startswith("error: ")
        assert (desk / "beads.db").read_bytes() == before

    @pytest.mark.parametrize(
        ("words", "field"),
        [
            (("cse", "--signal", "MAYBE", "--pair", "EURUSD"), "signal"),
            (("cse", "--signal", "READY", "--pair", "EURCHF"), "pair"),
            (("drift", "resolve", "x", "--as", "forgotten", "--notes", "n"), "as_"),
            (("halt", "--now"), ""),
            (("show",), "intent"),
        ],
    )
    def test_a_command_line_that_is_none(self, desk: Path, calls: Calls, words: tuple[str, ...], field: str) -> None:
        """What click refuses is exit 2 as well, with a document and the usage."""
        said = calls(desk, *words)
        assert said.code == 2
        shaped(said.document, {"error": str, "field": field})
        assert "Usage: phoenix" in said.err

    @pytest.mark.parametrize("option", ["--record", "--state"])
    def test_a_gateway_whose_file_cannot_be_written(self, desk: Path, calls: Calls, option: str) -> None:
        """A folder that is not there is a matter of the command line, and of no port."""
        said = calls(desk, "gateway", "--port", "0", option, "/no/such/folder/file")
        assert (said.code, "name a folder" in said.document["error"]) == (2, True)

    def test_an_invalid_combination_writes_nothing(self, desk: Path, calls: Calls) -> None:
        """A stop on the wrong side of the entry is no signal: nothing comes into intents/incoming."""
        line = ("cse", "--signal", "READY", "--pair", "EURUSD", "--entry", "1.0850", "--stop", "1.0900")
        said = calls(desk, *line, "--target", "1.0950")
        assert said.code == 2
        assert list((desk / "intents/incoming").iterdir()) == []

    def test_an_unknown_key_of_the_file_names_the_nearest(self, seat: Seat, calls: Calls) -> None:
        """A typing error in a setting refuses to start; it never means a default."""
        config = seat.home / "phoenix.toml"
        config.write_text(config.read_text("utf-8") + 'reconcile_intervall_sec = "5"\n', "utf-8")
        for words in (("status",), ("run", "--once"), ("doctor",)):
            said = calls(seat.home, *words)
            assert said.code == 2
            assert "reconcile_interval_sec" in said.document["mend"]

    @pytest.mark.parametrize(
        ("line", "mend"),
        [
            ('restart_at = "midnight"', "23:45"),
            ('restart_at = "24:00"', "23:45"),
            ('restart_at = "23:45"\nrestart_zone = "Mars/Olympus"', "America/New_York"),
            ('order_types = "MARKET,STOP"', "MARKET,LIMIT"),
            ('order_types = ""', "MARKET,LIMIT"),
        ],
    )
    def test_a_setting_that_says_nothing_refuses_to_start(self, seat: Seat, calls: Calls, line: str, mend: str) -> None:
        """Named, with its value and what to write: a window that cannot be read is no window."""
        config = seat.home / "phoenix.toml"
        names = {each.partition(" = ")[0] for each in line.splitlines()}
        kept = [each for each in config.read_text("utf-8").splitlines() if each.partition(" = ")[0] not in names]
        config.write_text("\n".join([*kept, line, ""]), "utf-8")
        said = calls(seat.home, "status")
        assert said.code == 2
        assert mend in said.document["mend"] and said.document["field"] in names

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PHOENIX_CLOCK", "noon"),
            ("PHOENIX_ORDER_TYPES", "BRACKET"),
            ("PHOENIX_CLOCK", "2026-11-18T14:00:00"),
            ("IBKR_PORT", "four"),
            ("IBKR_MODE", "demo"),
            ("IBKR_ALLOW_LIVE", "yes"),
        ],
    )
    def test_the_environment_is_read_as_strictly(self, desk: Path, calls: Calls, name: str, value: str) -> None:
        """A variable that cannot be understood refuses to start, and is named."""
        said = calls(desk, "status", **{name: value})
        assert said.code == 2
        assert said.document["value"] == value

    def test_a_home_without_a_desk(self, tmp_path: Path, calls: Calls) -> None:
        """The mend is `init`."""
        said = calls(tmp_path / "none", "status")
        assert said.code == 2
        assert "phoenix init" in said.document["mend"]


class TestNoEngine:
    """What the engine carries out is refused while none runs: exit 1 and the one reason."""

    @pytest.mark.parametrize(
        "words",
        [
            ("approve", "0b6c1d0e", "--quantity", "1", "--yes"),
            ("reconcile",),
            ("resume",),
            ("anchor", "refresh"),
        ],
        ids=lambda words: words[0],
    )
    def test_engine_not_running(self, desk: Path, calls: Calls, words: tuple[str, ...]) -> None:
        """ENGINE_NOT_RUNNING, and what to do."""
        said = calls(desk, *words)
        assert said.code == 1
        shaped(said.document, {"refused": ["ENGINE_NOT_RUNNING"], "detail": str})
        assert "phoenix run" in said.err

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (("show", "0b6c1d0e"), "UNKNOWN_INTENT"),
            (("positions", "0b6c1d0e"), "UNKNOWN_POSITION"),
            (("drift", "show", "0b6c"), "UNKNOWN_DRIFT"),
            (("alerts", "ack", "0b6c"), "UNKNOWN_ALERT"),
            (("close", "--all", "--reason", "why"), "NOTHING_TO_CLOSE"),
            (("promote", "bundle", "mock_cse"), "PAPER_VALIDATION_MISSING"),
            (("promote", "run", "mock_cse"), "PAPER_VALIDATION_MISSING"),
        ],
    )
    def test_what_is_not_there(self, desk: Path, calls: Calls, words: tuple[str, ...], reason: str) -> None:
        """A rule said no: its reason is the headline."""
        said = calls(desk, *words)
        assert said.code == 1
        assert said.document["refused"][0] == reason

    def test_the_checklist_names_every_missing_item(self, desk: Path, calls: Calls) -> None:
        """`promote check` is red line by line, and refuses with all of it."""
        said = calls(desk, "promote", "check", "mock_cse")
        assert said.code == 1
        red = {line["item"] for line in said.document["checks"] if not line["green"]}
        assert {"SESSIONS", "REGIMES", "SHARPE", "PAPER_VALIDATION", "BUNNY", "AUTOPSY_SUMMARY"} <= red
        assert said.document["ready"] is False
        assert all(item in said.document["detail"] for item in red)

    def test_a_dead_engine_is_critical_health(self, desk: Path, calls: Calls) -> None:
        """`health` ends with 1 and names the check that failed."""
        said = calls(desk, "health")
        assert said.code == 1
        assert said.document["health"] == "CRITICAL"
        assert said.document["checks"]["process_alive"] is False


def tamper(log: Path) -> None:
    """What somebody who owns the host can do: change a limit in place, triggers or not."""
    db = apsw.Connection(str(log))
    for (name,) in list(db.execute("select name from sqlite_master where type = 'trigger'")):
        db.execute(f'drop trigger "{name}"')
    ((data,),) = db.execute("select bytes from beads where seq = 2")
    changed = bytes(data).replace(b'"daily_loss_max":"5000"', b'"daily_loss_max":"9000"')
    assert changed != bytes(data), "the policy is where this test looks for it"
    db.execute("update beads set bytes = ? where seq = 2", (changed,))
    db.close()


class TestIntegrity:
    """A log or an export that does not verify: exit 4, nothing is appended, and the runbook is named."""

    @pytest.mark.parametrize("words", [("beads", "verify"), ("run", "--once")], ids=" ".join)
    def test_a_log_that_was_changed(self, seat: Seat, calls: Calls, words: tuple[str, ...]) -> None:
        """One byte of a limit is enough."""
        tamper(seat.home / "beads.db")
        said = calls(seat.home, *words)
        assert said.code == 4
        assert "RB-004" in said.err

    def test_a_log_that_is_none(self, seat: Seat) -> None:
        """Garbage where the log should be, in a process of its own: 4, and no traceback in an operator's face."""
        (seat.home / "beads.db").write_bytes(b"not a database" * 400)
        for words in (("beads", "verify"), ("status",)):
            said = seat.run("--json", *words)
            assert said.code == 4
            assert "does not verify" in said.document["error"]
            assert "Traceback" not in said.err
        doctor = seat.json("doctor")
        assert doctor.code == 1
        assert ("log", "fail") in {(check["name"], check["level"]) for check in doctor.document["checks"]}

    def test_an_export_that_was_changed(self, seat: Seat, calls: Calls, tmp_path: Path) -> None:
        """The honest export verifies; the same with another limit does not."""
        file, roots = tmp_path / "log.jsonl", str(seat.home / "roots.json")
        assert calls(seat.home, "beads", "export", str(file)).code == 0
        assert calls(seat.home, "beads", "verify", str(file), "--roots", roots).code == 0
        text = file.read_text("utf-8")
        lie = text.replace("5000", "9000", 1)
        assert lie != text
        file.write_text(lie, "utf-8")
        assert calls(seat.home, "beads", "verify", str(file), "--roots", roots).code == 4


class TestHalt:
    """`halt` works with engine, broker, notifier or disk dead; one of its roads is enough."""

    def test_with_the_engine_dead(self, seat: Seat) -> None:
        """Flags and log hold; there is nobody to signal."""
        said = seat.run("--json", "halt")
        assert said.code == 0
        held = {"flag": True, "runtime_flag": True, "signal": False, "log": True}
        assert said.document == {"halted": True, "held": held}

    @pytest.mark.parametrize("broken", ["garbage", "directory", "gone"])
    def test_with_the_log_broken(self, seat: Seat, calls: Calls, broken: str) -> None:
        """The log takes nothing: the flag files hold."""
        log = seat.home / "beads.db"
        log.unlink()
        if broken == "garbage":
            log.write_bytes(b"\0" * 8192)
        elif broken == "directory":
            log.mkdir()
        said = calls(seat.home, "halt")
        assert said.code == 0
        assert said.document["held"]["flag"] is True
        assert said.document["held"]["log"] is False
        assert (seat.home / "HALT").exists()
        assert log.exists() is (broken != "gone"), "a halt begins no log of its own"

    def test_with_the_runtime_folder_gone(self, seat: Seat, calls: Calls) -> None:
        """A file where the folder should be: the other roads hold."""
        shutil.rmtree(seat.home / "run")
        (seat.home / "run").write_text("in the way", "utf-8")
        said = calls(seat.home, "halt")
        assert said.code == 0
        assert said.document["held"]["runtime_flag"] is False
        assert said.document["held"]["log"] is True

    def test_with_a_configuration_that_cannot_be_read(self, seat: Seat, calls: Calls) -> None:
        """A broken phoenix.toml stops everything else, never a halt."""
        (seat.home / "phoenix.toml").write_text("mode = [", "utf-8")
        assert calls(seat.home, "status").code == 2
        assert calls(seat.home, "halt").code == 0

    def test_with_nothing_left(self, tmp_path: Path, calls: Calls) -> None:
        """No road holds: exit 3, and the last resort is said."""
        (tmp_path / "home").write_text("a file where the home should be", "utf-8")
        said = calls(tmp_path / "home", "halt")
        assert said.code == 3
        assert "network" in said.err
        assert json.loads(said.out.splitlines()[0])["halted"] is False

    def test_with_a_home_that_cannot_even_be_looked_for(self, tmp_path: Path, calls: Calls) -> None:
        """No right to look into it, or a name that no disk takes: whether it halted is said all the same."""
        said = calls(tmp_path / ("x" * 300), "halt")
        assert (said.code, "network" in said.err) == (3, True)
        assert json.loads(said.out.splitlines()[0])["halted"] is False

    def test_a_halt_beside_a_broken_log_still_stops_the_next_engine(self, seat: Seat, tmp_path: Path) -> None:
        """Halted while the log was away: when it is back, an engine runs and lets no entry out."""
        log = seat.home / "beads.db"
        log.rename(tmp_path / "away.db")
        assert seat.json("halt").document["held"]["log"] is False
        (tmp_path / "away.db").rename(log)
        with seat.engine():
            intent = seat.proposes("EURUSD")
            said = seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
            assert said.code == 1
            assert "KILL_FLAG_ACTIVE" in said.document["refused"]
            assert seat.json("executions").document == {"executions": []}
