"""A desk's home: who may look into it, what a second `init` leaves alone, and who has the last word on a setting."""

from __future__ import annotations

import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.__main__ import cli
from phoenix_cli.home import FOLDERS, Home, home_at, load_settings
from phoenix_cli.wiring.founding import desk_key, make_keys
from phoenix_core.beads import Genesis, Holding
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.kernel import bead_of
from phoenix_core.values import BadInput
from tests.contract.cli.operator import AFTERNOON, Seat, founded
from tests.contract.cli.test_refusals import tamper


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A desk that nobody runs."""
    return founded(tmp_path)


def mode_of(path: Path) -> int:
    """The permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_new_home_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    """Every folder 0700 and every secret 0600, whatever the umask lets through: who can write there can propose, and
    who can read there knows what is traded."""
    before = os.umask(umask)
    try:
        home = Home(tmp_path / "home")
        _ = make_keys(home, "MOCK")
    finally:
        _ = os.umask(before)
    assert {folder: mode_of(home.path / folder) for folder in ("", *FOLDERS)} == dict.fromkeys(("", *FOLDERS), 0o700)
    secrets = [home.operator_key, home.log_key, home.desk_key]
    assert [mode_of(secret) for secret in secrets] == [0o600, 0o600, 0o600]


def test_keys_that_are_there_are_never_made_again(tmp_path: Path) -> None:
    """An `init` that a crash cut short goes on with the keys it made: the account's hash, the log's name and whoever
    was enrolled hang on them."""
    home = Home(tmp_path / "home")
    first, secret = make_keys(home, "MOCK"), desk_key(home)
    again = make_keys(home, "MOCK")
    assert (again.operator, again.account) == (first.operator, first.account)
    assert again.log.public_text == first.log.public_text
    assert desk_key(home) == secret


def test_the_environment_has_the_last_word_over_the_file(seat: Seat) -> None:
    """What the file says counts until a variable says otherwise; an empty one says nothing, as in a shell script that
    exports what it has not set."""
    home = Home(seat.home)
    text = home.config.read_text("utf-8")
    assert "reconcile_interval_sec = 300\n" in text and 'host = "127.0.0.1"\n' in text
    home.config.write_text(text.replace("= 300\n", "= 45\n").replace('"127.0.0.1"', '"::1"'), "utf-8")
    assert load_settings(home, {}).reconcile_interval_sec == 45
    found = load_settings(home, {"RECONCILE_INTERVAL_SEC": "90", "IBKR_HOST": ""})
    assert (found.reconcile_interval_sec, found.host) == (90, "::1")


def test_the_command_line_has_the_last_word_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--home` before PHOENIX_HOME before the platform's folder: an order must not leave from another desk."""
    monkeypatch.setenv("PHOENIX_HOME", str(tmp_path / "theirs"))
    assert home_at(str(tmp_path / "mine")).path == tmp_path / "mine"
    assert home_at(None).path == tmp_path / "theirs"
    monkeypatch.delenv("PHOENIX_HOME")
    assert home_at(None).path not in (tmp_path / "mine", tmp_path / "theirs")


@pytest.mark.parametrize(
    ("platform", "named", "path"),
    [
        ("linux", "{home}/data", "{home}/data/phoenix"),
        ("linux", "", "{home}/.local/share/phoenix"),
        ("linux", "data", "{home}/.local/share/phoenix"),
        ("darwin", "{home}/data", "{home}/app/phoenix"),
        ("win32", "{home}/data", "{home}/app/phoenix"),
    ],
)
def test_without_a_name_a_desk_lives_among_the_data_of_its_owner(
    platform: str, named: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform's folder for data: of Linux not the one for configuration, which people copy from host to host."""
    monkeypatch.delenv("PHOENIX_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", named.format(home=tmp_path))
    monkeypatch.setattr("phoenix_cli.home.sys.platform", platform)
    monkeypatch.setattr("phoenix_cli.home.click.get_app_dir", lambda name: str(tmp_path / "app" / name))
    assert str(home_at(None).path) == path.format(home=tmp_path)


@pytest.mark.parametrize(("named", "this"), [(True, "phoenix --home '{home}' "), (False, "phoenix ")])
def test_what_comes_next_is_said_as_it_can_be_typed(tmp_path: Path, named: bool, this: str) -> None:
    """`init` names the home where the command line did; what the environment names needs no name."""
    home = tmp_path / "a desk"
    words = ["--home", str(home), "init"] if named else ["init"]
    said = CliRunner().invoke(cli, words, env={"PHOENIX_HOME": None if named else str(home)})
    assert said.stdout.splitlines()[-1] == "next: {0}doctor, then {0}run".format(this.format(home=home))


def test_a_desk_counts_in_a_currency(tmp_path: Path) -> None:
    """It is the desk's for ever, and nothing is entered where the broker names another one: `eur` is EUR, and what is
    no currency founds nothing."""
    seat, init = Seat(tmp_path / "home"), ("init", "--mode", "paper", "--account", "DU1234567", "--currency")
    for typed in ("", "euro", "E1R", "\u20acUR"):
        with pytest.raises(BadInput, match="--currency"):
            _ = seat.json(*init, typed)
    assert not (seat.home / "phoenix.toml").exists()
    assert seat.json(*init, "eur").code == 0
    assert seat.json("report").document["currency"] == "EUR"


def test_what_an_account_holds_already_is_said_once(tmp_path: Path) -> None:
    """Shares that others trade are no disagreement of this desk's: `init` takes them down with the sign that they have.
    What is no holding founds nothing."""
    seat, init = Seat(tmp_path / "home"), ("init", "--mode", "paper", "--account", "DU1234567")
    for typed in ("AAPL", "=5", "AAPL=", "AAPL=ten", "AAPL=--5", "AAPL=-"):
        with pytest.raises(BadInput, match="--holds"):
            _ = seat.json(*init, "--holds", typed)
    with pytest.raises(BadInput, match="once"):
        _ = seat.json(*init, "--holds", "AAPL=100", "--holds", "AAPL=5")
    assert not (seat.home / "phoenix.toml").exists()
    assert seat.json(*init, "--holds", "AAPL=100", "--holds", "EURUSD=-10000.15").code == 0
    with SqliteStore(seat.home / "beads.db") as store:
        genesis = bead_of(next(iter(store.read(0)))).body
    assert isinstance(genesis, Genesis)
    assert genesis.baseline == (Holding("AAPL", Decimal(100)), Holding("EURUSD", Decimal("-10000.15")))


def test_a_second_init_changes_nothing(seat: Seat) -> None:
    """Refused with its reason, and settings, roots, keys and log are what they were: a desk does not change its mode
    because somebody typed a command twice."""
    kept = {path: path.read_bytes() for path in sorted(seat.home.rglob("*")) if path.is_file()}
    said = seat.json("init", "--mode", "paper", "--account", "DU1234567")
    assert (said.code, said.document["refused"]) == (1, ["DESK_EXISTS_ALREADY"])
    assert {path: path.read_bytes() for path in kept} == kept


@pytest.mark.parametrize(
    ("name", "line"),
    [("port", "port = 4001"), ("account", 'account = "U1234567"'), ("account", 'account = "DU7654321"')],
    ids=["port", "account", "another paper account"],
)
def test_doctor_finds_what_belongs_to_another_desk(tmp_path: Path, name: str, line: str) -> None:
    """A paper desk with the port, or with an account, of real money, or with another than it was founded for: that line
    fails, and so does the command."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init", "--mode", "paper", "--account", "DU1234567").code == 0

    def levels() -> dict[str, str]:
        return {row["name"]: row["level"] for row in seat.json("doctor").document["checks"]}

    assert levels()[name] == "ok"
    config = seat.home / "phoenix.toml"
    kept = [each for each in config.read_text("utf-8").splitlines() if not each.startswith(f"{name} =")]
    config.write_text("\n".join([*kept, line, ""]), "utf-8")
    assert levels()[name] == "fail"
    assert seat.json("doctor").code == 1


@pytest.mark.parametrize(
    ("clock", "level", "words"),
    [
        ("2026-11-18T14:00:00-05:00", "warn", "unset it outside of drills"),
        ("2026-11-18T13:00:00-05:00", "fail", "set the host's clock"),
        ("", "ok", ""),
        ("noon", "fail", "PHOENIX_CLOCK: write an instant"),
    ],
    ids=["set", "behind", "host", "unreadable"],
)
def test_doctor_holds_the_clock_against_the_log(tmp_path: Path, clock: str, level: str, words: str) -> None:
    """A clock that is set, one behind the last bead, the host's own, and one that says nothing."""
    home = tmp_path / "home"
    assert Seat(home, clock=AFTERNOON if clock else "").json("init").code == 0
    said = Seat(home, clock=clock).json("doctor")
    (row,) = [row for row in said.document["checks"] if row["name"] == "clock"]
    assert (row["level"], said.code) == (level, 1 if level == "fail" else 0)
    assert words in row["detail"]


def test_doctor_says_that_it_cannot_look(tmp_path: Path) -> None:
    """A home of another user, or one that no disk can name, is a line with a mend, as everything else is."""
    told = Seat(tmp_path / ("x" * 300)).json("doctor")
    (line,) = told.document["checks"]
    assert (told.code, line["name"], line["level"], "its owner" in line["detail"]) == (1, "home", "fail", True)


def test_doctor_sees_a_disk_that_takes_nothing_any_more(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that went read-only has room enough, and records nothing: a fail, and even `halt` holds nothing."""
    read_only = {seat.home}
    monkeypatch.setattr(os, "access", lambda place, mode: place not in read_only)
    told = seat.json("doctor")
    (line,) = [row for row in told.document["checks"] if row["name"] == "disk"]
    assert (told.code, line["level"], "cannot be written to" in line["detail"]) == (1, "fail", True)


def test_nobody_is_sent_to_make_a_second_desk(tmp_path: Path) -> None:
    """A home that is misspelt is most often that: its name comes first, and a new desk last."""
    for words in (("status",), ("approve", "0b6c1d0e"), ("cse", "--signal", "READY", "--pair", "EURUSD")):
        ran = CliRunner().invoke(cli, ["--home", str(tmp_path / "hoem"), *words])
        told = str(ran.exception)
        assert 0 < told.index("--home or PHOENIX_HOME") < told.index("phoenix init")


def test_an_init_that_was_cut_short_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full once the log's file stands, and before its first bead: every command says what to do, and doing
    it makes the desk; once there is one, it is never made again."""

    def full(*_: object) -> None:
        raise StoreFault(Fault.FULL, "disk full")

    seat = Seat(tmp_path / "home")
    with monkeypatch.context() as filled:
        filled.setattr(SqliteStore, "append", full)
        with pytest.raises(StoreFault):
            _ = seat.json("init")
    assert (seat.home / "beads.db").stat().st_size > 0
    key = (seat.home / "keys" / "operator").read_bytes()
    for words in ("status", "inbox", "positions"):
        with pytest.raises(BadInput, match="cut short; run it again"):
            _ = seat.json(words)
    (line,) = [row for row in seat.json("doctor").document["checks"] if row["name"] == "log"]
    assert (line["level"], "cut short" in line["detail"]) == ("fail", True)
    assert seat.json("init").code == 0
    assert (seat.home / "keys" / "operator").read_bytes() == key
    assert seat.json("beads", "verify").document["ok"] is True
    assert seat.json("init").document["refused"] == ["DESK_EXISTS_ALREADY"]
    _ = (seat.home / "beads.db").write_bytes(b"no log at all" * 1000)
    assert seat.json("init").document["refused"] == ["DESK_EXISTS_ALREADY"], "what cannot be read is somebody's"


def test_doctor_finds_a_log_that_was_changed(seat: Seat) -> None:
    """One limit in one bead: doctor sees it without an engine, and names the runbook."""
    tamper(seat.home / "beads.db")
    said = seat.json("doctor")
    assert said.code == 1
    assert [row["level"] for row in said.document["checks"] if row["name"] == "log"] == ["fail"]
    assert "RB-004" in next(row["detail"] for row in said.document["checks"] if row["name"] == "log")
