"""The gates of S32 and of S33, phase 1; and that the machine behind them can be red."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.__main__ import cli
from phoenix_cli.wiring.bunny import s32_broker, suites
from phoenix_cli.wiring.bunny.gates import GATES, Gate, Light, light_of
from phoenix_cli.wiring.bunny.suites import S32, S33, Suite, report, spans
from phoenix_cli.wiring.bunny.witness import BOTH, GATEWAY, MESSENGER, Over, Vector, Witness
from phoenix_core.beads import About, Observation, T2Token
from phoenix_core.kernel import bead_of
from phoenix_core.trust.revalidation import vectors_for
from tests.chaos.bunny import SEED, verdict_of, verdict_on
from tests.showing import IDS_FILE, shows

BY_ID = {gate.id: gate for gate in GATES}


def stands(id: str) -> Light:
    """How a gate stands after everything under it was run; what two gates share is run once."""
    gate = BY_ID[id]
    known = {name: verdict_on(name) for name in gate.vectors}
    if gate.walk is not None:
        known[gate.walk.id] = verdict_of(gate.walk)
    assert [(name, verdict.failures) for name, verdict in known.items() if not verdict.passed] == []
    return light_of(gate, known)


@shows("GATE_S32_1", "S32-GAT-09")
def test_gate_ibkr_connected() -> None:
    """Account, order, fill, close."""
    assert stands("GATE_S32_1") is Light.GREEN


@shows("GATE_S32_2")
def test_gate_t2_tokens_secure() -> None:
    """Every token vector passes."""
    assert stands("GATE_S32_2") is Light.GREEN


@shows("GATE_S32_3")
def test_gate_position_lifecycle_tracked() -> None:
    """A whole life in POSITION beads, STALLED among the states, and no move that the table does not know."""
    assert stands("GATE_S32_3") is Light.GREEN


@shows("GATE_S32_4")
def test_gate_reconciliation_works() -> None:
    """A mismatch is found, told, stopped and followed to its resolution."""
    assert stands("GATE_S32_4") is Light.GREEN


@shows("GATE_S32_5")
def test_gate_promotion_checklist() -> None:
    """Incomplete is refused, a kill flag is refused."""
    assert stands("GATE_S32_5") is Light.GREEN


@shows("GATE_S32_6")
def test_gate_kill_blocks_entry() -> None:
    """While the Signalman's kill stands, no entry leaves."""
    assert stands("GATE_S32_6") is Light.GREEN


@shows("GATE_S32_7")
def test_gate_stale_gate_works() -> None:
    """An approval of 16 minutes ago ends in STATE_CONFLICT and a temporary kill."""
    assert stands("GATE_S32_7") is Light.GREEN


@shows("GATE_S32_8")
def test_gate_bunny_passes() -> None:
    """All seventeen."""
    assert stands("GATE_S32_8") is Light.GREEN
    assert len(BY_ID["GATE_S32_8"].vectors) == 17


@shows("GATE_S33_P1_4")
def test_gate_monitoring_operational() -> None:
    """Beats every 30 s with their checks, and a test alert that arrives."""
    assert stands("GATE_S33_P1_4") is Light.GREEN


@shows("GATE_S33_P1_5")
def test_gate_runbooks_complete() -> None:
    """Eight pages, and RB-004 drilled."""
    assert stands("GATE_S33_P1_5") is Light.GREEN


@shows("GATE_S33_P1_6")
def test_gate_disconnect_drill() -> None:
    """Lost and found again, on purpose."""
    assert stands("GATE_S33_P1_6") is Light.GREEN


@shows("GATE_S33_P1_8")
def test_gate_bunny_phase_1_passes() -> None:
    """All fifteen."""
    assert stands("GATE_S33_P1_8") is Light.GREEN
    assert len(BY_ID["GATE_S33_P1_8"].vectors) == 15


@pytest.mark.parametrize("id", ["GATE_S33_P1_1", "GATE_S33_P1_2", "GATE_S33_P1_3"])
def test_paper_gates_are_walked_here_and_closed_elsewhere(id: str) -> None:
    """What can be walked without a real account is green underneath; the gate itself waits for one."""
    assert stands(id) is Light.OPEN


def test_no_program_says_that_a_human_is_content() -> None:
    """UX_VALIDATED stays open whatever passes."""
    assert light_of(BY_ID["GATE_S33_P1_7"], {}) is Light.OPEN


@shows("S32-CHA-00", "S33-CHA-00")
def test_the_waves_are_those_of_the_ledger() -> None:
    """Every vector of the ledger, in its wave, in its order: 5, 4, 2, 6 and 3, 3, 2, 2, 2, 3."""
    promised = [
        (id, int(says.removeprefix("Wave ").partition(".")[0]))
        for ids in tomllib.loads(IDS_FILE.read_text("utf-8")).values()
        for id, says in ids.items()
        if id.startswith("CV_")
    ]
    assert [(vector.id, vector.wave) for vector in (*S32.vectors, *S33.vectors)] == promised
    assert [sum(v.wave == wave for v in S32.vectors) for wave in range(1, 5)] == [5, 4, 2, 6]
    assert [sum(v.wave == wave for v in S33.vectors) for wave in range(1, 7)] == [3, 3, 2, 2, 2, 3]


# --- the machine can be red -------------------------------------------------------------------------------------------


async def _green(witness: Witness) -> None:
    """A claim that holds."""
    desk = await witness.desk()
    witness.never(desk, "no token was ever issued", T2Token)


async def _false(witness: Witness) -> None:
    """A claim that does not hold."""
    desk = await witness.desk()
    _ = witness.shown(desk, "a token was issued", T2Token)


async def _silent(witness: Witness) -> None:
    """No claim at all."""
    _ = await witness.desk()


async def _breaks(witness: Witness) -> None:
    """A walk that falls over."""
    witness.holds("so far, so good", True)
    raise RuntimeError("fell over")


def test_a_verdict_is_red_where_anything_is() -> None:
    """A false claim, no claim, and a walk that breaks are all failures, and say on what."""
    walks = (_green, _false, _silent, _breaks)
    verdicts = [verdict_of(Vector(walk.__name__, 1, "made for this test", walk)) for walk in walks]
    assert [verdict.passed for verdict in verdicts] == [True, False, False, False]
    assert verdicts[1].failures == ("a token was issued",)
    assert verdicts[3].failures == ("RuntimeError: fell over",)
    text = report(Suite("s", "a test", "R.md", ()), verdicts, "today", "0")
    assert "1 of 4 vectors green" in text
    assert "**NOT SO:** a token was issued" in text
    assert "**BROKE:** RuntimeError: fell over" in text


def test_a_vector_whose_client_is_not_installed_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither green nor red, says what to install, leaves no scar, and the command does not end well."""
    monkeypatch.delenv("PHOENIX_CLOCK", raising=False)
    absent = Over("a client that nobody has", ("no_such_module",), "such")
    known = verdict_of(Vector("CV_B", 1, "b", _green, absent))
    assert (known.passed, known.failures, known.claims) == (False, (), ())
    assert light_of(Gate("G", "", ("b",)), {"b": known}) is Light.RED
    small = (
        Suite("s33", "a test", "R33.md", (Vector("CV_A", 1, "a", _green), Vector("CV_B", 1, "b", _green, absent))),
    )
    monkeypatch.setitem(suites.SUITES, "s33", small)
    home = tmp_path / "home"
    runner = CliRunner()
    assert runner.invoke(cli, ["--home", str(home), "init"], standalone_mode=False).exit_code == 0
    said = runner.invoke(cli, ["--home", str(home), "bunny", "--suite", "s33", "--report", str(tmp_path)])
    assert said.exit_code == 3
    assert "1 of 2 vectors green, 1 not run (install phoenix-desk[such])" in said.stdout
    assert "1 scars in the log" in said.stdout
    text = (tmp_path / "R33.md").read_text("utf-8")
    assert "CV_B | not run" in text and "**NOT RUN:** install phoenix-desk[such]" in text


def test_the_waves_of_link_and_messenger_stand_before_the_clients_themselves() -> None:
    """The ledger's IBKR and Telegram waves: no mock where the vector is about the link or the messenger."""
    stands = {vector.id: vector.over for vector in S33.vectors}
    assert all(stands[f"CV_S33_{name}"] is GATEWAY for name in ("1_IBKR_DISCONNECT", "2_IBKR_RECONNECT"))
    assert stands["CV_S33_3_GATEWAY_AUTO_UPDATE"] is GATEWAY
    assert stands["CV_S33_10_PAPER_ORDER_REJECT"] is GATEWAY
    assert stands["CV_S33_14_PACING_VIOLATION"] is BOTH, "the mock for its clock, the gateway for what it read"
    assert stands["CV_S33_7_TELEGRAM_TIMEOUT"] is stands["CV_S33_8_TELEGRAM_REAL_FLOOD"] is MESSENGER


def test_the_broker_wave_stands_before_the_mock_and_before_the_gateway() -> None:
    """The ledger asks for the mock in mode REALISTIC; all four stories are told by both, each on its own log."""
    wave = [vector for vector in S32.vectors if vector.wave == 2]
    assert [vector.over for vector in wave] == [BOTH] * 4
    assert BOTH.modules == GATEWAY.modules, "without the client it is not run"
    for vector in wave:
        verdict = verdict_on(vector.id)
        assert {claim.log for claim in verdict.claims if claim.beads} == {1, 2}
        assert len(verdict.log.split("; ")) == len(verdict.evidence) == 2 and all(verdict.evidence)
        assert "[log 2: " in report(S32, [verdict], "today", "0")


@shows("S32-CHA-00", "S32-MOCK-02")
def test_the_mock_of_the_broker_wave_is_in_mode_realistic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the four stands before one desk, whose mock was set to REALISTIC before anything was ordered."""
    modes: list[ChaosMode] = []
    monkeypatch.setattr(MockBroker, "set_mode", lambda broker, mode: modes.append(mode))
    walks = (s32_broker.ibkr_timeout, s32_broker.ibkr_rejection, s32_broker.fill_partial, s32_broker.partial_drift)
    for walk in walks:
        assert verdict_of(Vector(walk.__name__, 2, "made for this test", walk)).passed
    assert modes == [ChaosMode.REALISTIC] * 4


def test_a_gate_is_red_where_anything_under_it_is() -> None:
    """A vector that failed, and one that never ran."""
    good, bad = (verdict_of(Vector(w.__name__, 1, "", w)) for w in (_green, _false))
    known = {"good": good, "bad": bad}
    assert light_of(Gate("G", "", ("good",)), known) is Light.GREEN
    assert light_of(Gate("G", "", ("good", "bad")), known) is Light.RED
    assert light_of(Gate("G", "", ("good", "never")), known) is Light.RED
    assert light_of(Gate("G", "", ("bad",), human="somebody"), known) is Light.RED


def test_spans_read_well() -> None:
    """Neighbours are one span."""
    assert spans((1, 2, 3, 7, 9, 10)) == "1-3, 7, 9-10"
    assert spans(()) == ""


def test_the_command_writes_its_reports_and_leaves_its_scars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a home that exists: a report of each suite, one OBSERVATION BUNNY for each vector, red ones too; exit 70."""
    monkeypatch.delenv("PHOENIX_CLOCK", raising=False)
    small = (Suite("s32", "a test", "R32.md", (Vector("CV_A", 1, "a", _green), Vector("CV_B", 1, "b", _false))),)
    monkeypatch.setitem(suites.SUITES, "s32", small)
    home, reports = tmp_path / "home", tmp_path / "reports"
    reports.mkdir()
    runner = CliRunner()
    assert runner.invoke(cli, ["--home", str(home), "init"], standalone_mode=False).exit_code == 0
    words = ["--home", str(home), "--json", "bunny", "--suite", "s32", "--seed", str(SEED), "--report", str(reports)]
    said = runner.invoke(cli, words)
    assert said.exit_code == 70
    answer = json.loads(said.stdout)
    assert (answer["passed"], answer["failed"], answer["scars"]) == (1, ["CV_B"], 2)
    assert "CV_A | PASS" in (reports / "R32.md").read_text("utf-8")
    with SqliteStore(home / "beads.db") as store:
        bodies = [bead_of(record).body for record in store.read(0)]
    scars = {b.subject: b.facts for b in bodies if isinstance(b, Observation) and b.about is About.BUNNY}
    assert {name: facts["verdict"] for name, facts in scars.items()} == {"CV_A": "pass", "CV_B": "fail"}
    assert scars["CV_A"]["seed"] == str(SEED)


@shows("S33-REV-01", "S33-REV-02", "S33-REV-03", "INV-PHASE2-REVALIDATE-1")
def test_a_change_that_is_said_restarts_the_shadow_and_the_command_pays_its_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the command line, whole: a parameter that was changed empties the shadow and owes five vectors; one that fails
    extends it; once all of them have passed, nothing is owed. The value that it had is no change."""
    monkeypatch.delenv("PHOENIX_CLOCK", raising=False)
    home, runner, names = str(tmp_path / "home"), CliRunner(), vectors_for("cso")

    def typed(*words: str) -> tuple[int, dict[str, Any]]:
        said = runner.invoke(cli, ["--home", home, "--json", *words], input=json.dumps(SESSION))
        return said.exit_code, json.loads(said.stdout)

    def told(name: str) -> str:
        rows = typed("promote", "check", "trend")[1]["checks"]
        return next(str(row["detail"]) for row in rows if row["item"] == name)

    def swept(walk: Callable[[Witness], Awaitable[None]]) -> None:
        small = Suite("s32", "a test", "R32.md", tuple(Vector(name, 1, "a", walk) for name in names))
        monkeypatch.setitem(suites.SUITES, "s32", (small,))
        assert typed("bunny", "--suite", "s32", "--report", str(tmp_path))[1]["scars"] == len(names)

    _ = typed("init")
    assert typed("promote", "shadow", "-")[1]["sessions"] == 1
    change = ("promote", "change", "trend", "--parameter", "fvg_min", "--old", "0.4")
    assert typed(*change, "--new", "0.4")[1]["refused"] == ["NOTHING_TO_DO"]
    code, made = typed(*change, "--new", "0.5")
    assert (code, tuple(made["vectors"])) == (0, names)
    (proof,) = typed("beads", "query", "--kind", "CONFIG_CHANGE")[1]["beads"]
    assert (proof["body"]["change_type"], proof["body"]["old_value"], proof["body"]["new_value"]) == (
        "CSO_PARAM",
        "0.4",
        "0.5",
    )
    assert told("SESSIONS").startswith("0 of 20") and "fvg_min" in told("REVALIDATION")
    swept(_false)
    assert told("SESSIONS").startswith("0 of 25") and "fvg_min" in told("REVALIDATION")
    swept(_green)
    assert told("REVALIDATION") == "none open"


SESSION: Final = {
    "strategy": "trend",
    "id": "s1",
    "session_day": "2026-10-01",
    "regime": "trend",
    "pnl": "1",
    "drawdown": "0",
    "trades": 1,
    "signalman_kills": 0,
    "overrides": 0,
}
