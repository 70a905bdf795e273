"""What options mean to the letter: one of two that belong together is not both, and half a name is nobody's."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve as changed
from click.testing import CliRunner

from phoenix_adapters.brokers.ibkr.broker import IbkrBroker
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.keys import create
from phoenix_cli.__main__ import cli
from phoenix_cli.commands import safety
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import engine_of, opened, outside_of, version_of
from phoenix_cli.wiring.startup import live_problems, start_problems
from phoenix_core.values import BadInput
from tests.contract.cli.operator import AFTERNOON, Seat, founded
from tests.showing import shows


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """A desk that nobody runs."""
    monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
    return founded(tmp_path)


def bodies(seat: Seat, kind: str) -> list[dict[str, object]]:
    """Every body of a kind in the log."""
    return [bead["body"] for bead in seat.json("beads", "query", "--kind", kind).document["beads"]]


def test_a_quantity_alone_approves_nothing(seat: Seat) -> None:
    """`--quantity` without `--yes` is half of an approval: usage, and the intent goes on waiting."""
    with seat.engine():
        intent = seat.proposes("EURUSD")
        for half in (("--quantity", seat.quantity_of(intent)), ("--yes",)):
            said = seat.json("approve", intent, *half)
            assert (said.code, "--quantity and --yes go together" in said.document["error"]) == (2, True)
        assert seat.json("positions", intent).document["state"] == "PROPOSED"
    assert bodies(seat, "DECISION") == []


def test_half_a_name_of_two_alerts_is_none_of_them(seat: Seat) -> None:
    """Two are open, and the beginning fits both: neither is acknowledged. A whole one is, as the false alarm it was."""
    for n in range(17):  # sixteen letters begin an id: two of these begin alike
        assert seat.json("kill", "raise", "--scope", f"strategy:s{n}").code == 0
    assert seat.run("run", "--once").code == 0
    told = [row["alert"] for row in seat.json("alerts", "list").document["alerts"]]
    assert len(told) >= 17
    letters = [one[0] for one in told]
    said = seat.json("alerts", "ack", next(letter for letter in letters if letters.count(letter) > 1))
    assert (said.code, said.document["refused"]) == (1, ["UNKNOWN_ALERT"])
    assert not [one for one in bodies(seat, "ALERT") if one["event"] == "ACKNOWLEDGED"]
    assert seat.json("alerts", "ack", told[0], "--false-alarm").code == 0
    (seen,) = (one for one in bodies(seat, "ALERT") if one["event"] == "ACKNOWLEDGED")
    assert (seen["alert"], seen["text"]) == (told[0], "false alarm")


def test_half_a_name_of_two_keys_revokes_neither(seat: Seat, tmp_path: Path) -> None:
    """A revoked key never comes back, so that a guess would be for ever."""
    other = tmp_path / "other"
    _ = create(other)
    assert seat.json("operator", "enrol", f"{other}.pub", "--name", "second").code == 0
    with pytest.raises(BadInput, match="name one key"):
        _ = seat.json("operator", "revoke", "SHA256:", "--reason", "lost")
    rows = seat.json("operator", "list").document["operators"]
    assert [row["revoked"] for row in rows] == [None, None]


def test_a_policy_file_brings_no_signature_of_its_own(seat: Seat, tmp_path: Path) -> None:
    """What stands in a file is nobody's word: the signature is made by `policy set`, or there is none."""
    policy = seat.json("policy", "show").document["policy"]
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy | {"signed": {"key": "SHA256:x"}}), "utf-8")
    with pytest.raises(BadInput, match="leave the signature out"):
        _ = seat.json("policy", "set", str(file))
    file.write_text(json.dumps(policy), "utf-8")
    assert seat.json("policy", "set", str(file)).code == 0
    assert seat.json("policy", "show").document["signed"] is True


def test_a_percent_is_no_share(seat: Seat, tmp_path: Path) -> None:
    """0.5 written for half a percent would risk half of the equity: refused before anything is signed."""
    policy = seat.json("policy", "show").document["policy"]
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy | {"risk_per_trade": "0.5"}), "utf-8")
    with pytest.raises(BadInput, match=r"policy\.risk_per_trade: '0\.5' is not accepted; write a share"):
        _ = seat.json("policy", "set", str(file))
    assert seat.json("policy", "show").document["signed"] is False


@pytest.mark.parametrize("asked", [True, False])
def test_a_kill_says_whether_working_entries_end_too(seat: Seat, asked: bool) -> None:
    """The flag in the log carries it, for the engine to do."""
    more = ("--cancel-working",) if asked else ()
    assert seat.json("kill", "raise", "--scope", "instrument:EURUSD", *more).code == 0
    (flag,) = bodies(seat, "KILL_FLAG")
    assert flag["cancel_working"] is asked


def test_a_flag_comes_down_for_the_reason_that_was_given(seat: Seat) -> None:
    """The words are hashed into what is signed, and kept under that hash."""
    flag = seat.json("kill", "raise", "--scope", "instrument:EURUSD", "--reason", "central bank").document["flag"]
    assert seat.json("kill", "clear", flag, "--reason", "it spoke").code == 0
    (decision,) = bodies(seat, "DECISION")
    signed = decision["signed"]
    assert isinstance(signed, dict)
    with opened(Home(seat.home)) as session:
        assert session.store.text(json.loads(signed["statement"])["reason"]) == "it spoke"


def test_an_anchor_is_refreshed_as_it_was_said(seat: Seat) -> None:
    """Strategy, context and regime are those of the command."""
    with seat.engine():
        line = ("--strategy", "mock_cse", "--state-hash", "4f1d", "--regime", "NEWS")
        assert seat.json("anchor", "refresh", *line).code == 0
    anchor = bodies(seat, "STATE_ANCHOR")[-1]
    assert (anchor["strategy"], anchor["state_hash"], anchor["regime"]) == ("mock_cse", "4f1d", "NEWS")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("port = 4001", "PORT_MISMATCH"),
        ('account = "U1234567"', "ACCOUNT_MISMATCH: a PAPER desk trades DU* accounts only"),
        ('account = "DU7654321"', "ACCOUNT_MISMATCH: this desk is "),
    ],
)
@shows("S33-GRD-03", "S33-GRD-04", "S33-GRD-06", "I15")
def test_no_engine_starts_on_what_belongs_to_another_desk(tmp_path: Path, line: str, reason: str) -> None:
    """A paper desk with the port, or an account, of real money, or another account than it was founded for: said at the
    door, before anything is connected."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init", "--mode", "paper", "--account", "DU1234567").code == 0
    config = seat.home / "phoenix.toml"
    name = line.split(" ", maxsplit=1)[0]
    kept = [each for each in config.read_text("utf-8").splitlines() if not each.startswith(f"{name} =")]
    config.write_text("\n".join([*kept, line, ""]), "utf-8")
    with opened(Home(seat.home)) as session:
        (problem,) = start_problems(session, version_of())
    assert problem.startswith(reason)
    said = seat.run("run", "--once")
    assert said.code == 2 and reason in said.err


@shows("S33-GRD-02", "S33-GRD-07", "INV-IBKR-PAPER-GUARD-1", "INV-IBKR-PAPER-FIRST-1")
@pytest.mark.parametrize(("allowed", "missing"), [("", True), ("false", True), ("true", False)])
def test_no_engine_of_a_live_desk_starts_without_its_permission(
    tmp_path: Path, allowed: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IBKR_ALLOW_LIVE=true or nothing starts, whatever else is there; with it the paper validation is still missed."""
    seat = Seat(tmp_path / "home", clock="")
    assert seat.json("init", "--mode", "live", "--account", "U1234567").code == 0
    monkeypatch.setenv("IBKR_ALLOW_LIVE", allowed)
    with opened(Home(seat.home)) as session:
        problems = " ".join(start_problems(session, version_of()))
    assert ("LIVE_NOT_ALLOWED" in problems) is missing
    assert "PAPER_VALIDATION_MISSING" in problems
    said = seat.run("run", "--once", IBKR_ALLOW_LIVE=allowed)
    assert said.code == 2 and ("LIVE_NOT_ALLOWED" in said.err) is missing
    assert bodies(seat, "LEASE") == []


@shows("S33-GRD-07", "S33-GRD-10", "INV-IBKR-PAPER-GUARD-1")
@pytest.mark.parametrize("variables", [{"IBKR_MODE": "live"}, {"IBKR_MODE": "live", "IBKR_ALLOW_LIVE": "true"}])
def test_a_paper_desk_is_not_flipped_to_live(tmp_path: Path, variables: dict[str, str]) -> None:
    """The mode is the desk's own, for life: a variable and a restart make no live desk of it, permission or not."""
    seat = Seat(tmp_path / "home", clock="")
    assert seat.json("init", "--mode", "paper", "--account", "DU1234567").code == 0
    said = seat.run("run", "--once", **variables)
    assert said.code == 2 and "MODE_MISMATCH" in said.err
    assert ("LIVE_NOT_ALLOWED" in said.err) is ("IBKR_ALLOW_LIVE" not in variables)


@shows("S32-REC-03", "S33-GRD-01", "S33-CON-03")
def test_the_engine_of_a_home_is_what_its_variables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often it reconciles; the real client for PAPER, the mock for MOCK, and the permission that it was given."""
    monkeypatch.setenv("RECONCILE_INTERVAL_SEC", "90")
    monkeypatch.setenv("IBKR_ALLOW_LIVE", "true")
    for mode, broker in (("mock", MockBroker), ("paper", IbkrBroker)):
        monkeypatch.setenv("IBKR_MODE", mode)
        seat = Seat(tmp_path / mode)
        account = () if mode == "mock" else ("--account", "DU1234567")
        assert seat.json("init", "--mode", mode, *account).code == 0
        with opened(Home(seat.home)) as session:
            engine = engine_of(session, print)
            assert engine.link.reconcile_every == timedelta(seconds=90)
            assert (engine.run.mode.value, engine.run.allow_live) == (mode.upper(), True)
            assert isinstance(engine.broker, broker)


@pytest.mark.parametrize("asks", [True, False])
def test_whether_the_margin_is_asked_about_is_the_operators_to_say(tmp_path: Path, asks: bool) -> None:
    """A what-if is an order's frame that nobody signed: `ask_margin = false` keeps it from leaving."""
    seat = Seat(tmp_path / "desk")
    assert seat.json("init", "--mode", "paper", "--account", "DU1234567").code == 0
    config = Home(seat.home).config
    text = config.read_text("utf-8")
    assert "ask_margin = true" in text
    _ = config.write_text(text.replace("ask_margin = true", f"ask_margin = {str(asks).lower()}"), "utf-8")
    with opened(Home(seat.home)) as session:
        assert engine_of(session, print).broker.tells_margin is asks


@pytest.mark.parametrize("missing", ["TELEGRAM_BOT_TOKEN", "APPRISE_URLS", "PHOENIX_DEADMAN_URL"])
@shows("S33-GRD-06")
def test_live_asks_for_each_way_to_reach_somebody(seat: Seat, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels and somebody outside who hears the silence: with one of them gone, that one is named."""
    for name in ("TELEGRAM_BOT_TOKEN", "APPRISE_URLS", "PHOENIX_DEADMAN_URL"):
        monkeypatch.setenv(name, "https://127.0.0.1/")
    with opened(Home(seat.home)) as session:
        before = set(live_problems(session))
        monkeypatch.delenv(missing)
        (problem,) = set(live_problems(session)) - before
    assert missing in problem


def test_a_witness_that_cannot_be_read_is_not_a_witness_that_agrees(seat: Seat, tmp_path: Path) -> None:
    """Something lies at the place, and it is no file: no engine starts on a note that nobody could look at."""
    with opened(Home(seat.home)) as session:
        outside = outside_of(session.home, session.settings, session.genesis.origin)
        outside.place = str(tmp_path)
        assert "cannot be read" in outside.absent(session.store)


@shows("I22")
def test_where_four_eyes_are_asked_for_nobody_approves_what_they_proposed(tmp_path: Path) -> None:
    """At the command line a proposal is its operator's, by the key that it is set to: that operator's signature is
    refused, under every key of theirs, and a colleague's is not."""
    keys = {name: tmp_path / name for name in ("second", "bruno")}
    for path in keys.values():
        _ = create(path, path.name)
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    for name, owner in (("second", "operator"), ("bruno", "bruno")):
        assert seat.json("operator", "enrol", f"{keys[name]}.pub", "--name", owner).code == 0
    policy = seat.json("policy", "show").document["policy"] | {"four_eyes": True}
    (tmp_path / "policy.json").write_text(json.dumps(policy), "utf-8")
    assert seat.json("policy", "set", str(tmp_path / "policy.json")).code == 0
    with seat.engine():
        intent = seat.proposes("EURUSD")
        words = ("approve", intent, "--quantity", seat.quantity_of(intent), "--yes")
        for more in ({}, {"PHOENIX_OPERATOR_KEY": str(keys["second"])}):
            said = changed(seat, more=more).json(*words)
            assert (said.code, said.document["refused"]) == (1, ["PROPOSER_MAY_NOT_APPROVE"])
        assert changed(seat, more={"PHOENIX_OPERATOR_KEY": str(keys["bruno"])}).json(*words).code == 0


def test_whoever_has_no_key_here_proposes_as_the_user_that_they_are(tmp_path: Path) -> None:
    """A key that is not enrolled, or is not there, gives nobody's name: the system's own name of the user stands."""
    seat = founded(tmp_path)
    _ = create(tmp_path / "stranger", "stranger")
    missing = {"PHOENIX_OPERATOR_KEY": str(tmp_path / "nothing")}
    for more in (missing, {"PHOENIX_OPERATOR_KEY": str(tmp_path / "stranger")}, {}):
        _ = changed(seat, more=more).proposes("EURUSD")
    told = [bead["body"]["channel"] for bead in seat.json("beads", "query", "--kind", "SIGNAL").document["beads"]]
    assert told == [f"cli:uid{os.getuid()}"] * 2 + ["operator"]


@pytest.mark.parametrize("name", ["n" * 81, "second\u202eowner", "second\towner"])
def test_a_name_that_no_screen_can_show_is_not_enrolled(tmp_path: Path, name: str) -> None:
    """It would stand before whoever approves what its owner proposes."""
    seat = founded(tmp_path)
    _ = create(tmp_path / "second", "second")
    with pytest.raises(BadInput, match=r"^--name: "):
        _ = seat.json("operator", "enrol", f"{tmp_path / 'second'}.pub", "--name", name)
    assert len(seat.json("operator", "list").document["operators"]) == 1
    assert seat.json("operator", "enrol", f"{tmp_path / 'second'}.pub", "--name", "n" * 80).code == 0


@pytest.mark.parametrize("quantity", ["0", "0.00", "-5"])
@pytest.mark.parametrize(
    "words",
    [
        ("close", "EURUSD", "--reason", "why"),
        (
            "adopt",
            "--symbol",
            "EURUSD",
            "--side",
            "BUY",
            "--price",
            "1.1",
            "--stop",
            "1",
            "--target",
            "2",
            "--reason",
            "y",
        ),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else str(words),
)
def test_nothing_is_no_quantity(seat: Seat, words: tuple[str, ...], quantity: str) -> None:
    """A size of nought, or below, is a slip of the hand and no question for a rule: usage."""
    with pytest.raises(BadInput, match="above 0"):
        _ = seat.json(*words, "--quantity", quantity)


@pytest.mark.parametrize("words", [("watch", "--once"), ("watchdog", "--once")], ids=lambda words: words[0])
def test_what_is_no_number_is_no_number_of_seconds(seat: Seat, words: tuple[str, ...]) -> None:
    """`nan` is neither below the least nor above the most: it is refused for what it is."""
    ran = CliRunner().invoke(cli, ["--home", str(seat.home), *words, "--every", "nan"])
    assert (ran.exit_code, "nan is no number" in ran.output) == (2, True)


@pytest.mark.parametrize(
    ("scope", "known"),
    [
        ("strategy:mock_cs", "mock_cse"),
        ("instrument:EURUDS", "EURUSD"),
        ("strategy:mock_cse", ""),
        ("instrument:eurusd", ""),
        ("desk", ""),
    ],
)
def test_a_flag_on_a_name_that_nothing_trades_under_says_so(seat: Seat, scope: str, known: str) -> None:
    """It stands, for it may be meant for tomorrow; a slip of the hand would have stopped nothing."""
    seat.proposes("EURUSD")
    said = seat.json("kill", "raise", "--scope", scope)
    assert (said.code, said.document["raised"]) == (0, True)
    assert ("warning: nothing trades here as " in said.err) == bool(known)
    assert known in said.err


@pytest.mark.parametrize("strategy", ["mock_cse", "mokc_cse"])
def test_an_anchor_of_a_name_that_nothing_trades_under_says_so(
    seat: Seat, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context that somebody looked at stays stale, and its strategy refused: better known at once."""
    seat.proposes("EURUSD")
    monkeypatch.setattr(safety, "wait_for_engine", lambda *_: None)
    said = seat.json("anchor", "refresh", "--strategy", strategy)
    assert (said.code, "nothing trades here as mokc_cse" in said.err) == (0, strategy != "mock_cse")
