"""The ceremony from the command line: everything is missing, then everything is there, and a human signs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import Session, fresh_id, opened
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About
from phoenix_core.values import BadInput, Mode
from tests.contract.cli.operator import AFTERNOON, Seat, founded, shaped, until
from tests.contract.cli.test_screen import Terminal
from tests.showing import shows

STRATEGY = "mock_cse"


def trade(seat: Seat) -> None:
    """One position of the strategy from signal to autopsy."""
    with seat.engine():
        intent = seat.proposes("EURUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "MANAGED")
        assert seat.json("close", intent, "--reason", "evidence for a promotion").code == 0
        until(lambda: seat.json("positions", intent).document["state"] == "CLOSED")


def session_of(day: int, **changes: object) -> str:
    """One session as the shadow trader writes it."""
    told: dict[str, object] = {
        "strategy": STRATEGY,
        "id": f"s{day}",
        "session_day": f"2026-10-{day:02d}",
        "regime": "trend" if day % 2 else "range",
        "pnl": "100" if day % 3 else "-50",
        "drawdown": "0.02",
        "trades": 4,
        "signalman_kills": 0,
        "overrides": 0,
    }
    return json.dumps(told | changes)


def shadow(seat: Seat) -> None:
    """Twenty sessions in two regimes, as the shadow trader hands them in, and a suite of chaos vectors that passed."""
    for day in range(1, 21):
        said = seat.json("promote", "shadow", "-", given=session_of(day))
        assert (said.code, said.document["sessions"]) == (0, day)
    with opened(Home(seat.home)) as session:
        scar = Observe(fresh_id(), About.BUNNY, "CV_S32_TOKEN_REPLAY", {"verdict": "pass"})
        _ = session.recorder.act(scar).unwrap()


@shows("S32-SEAM-06", "S32-PRO-07", "S32-PRO-08", "S32-PRO-10")
def test_a_strategy_is_promoted_on_whole_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check turns green line by line; the bundle's hash is what is signed; another hash is refused; then it is live."""
    monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    trade(seat)
    shadow(seat)
    red = seat.json("promote", "check", STRATEGY)
    assert [line["item"] for line in red.document["checks"] if not line["green"]] == ["PAPER_VALIDATION"]
    paper = tmp_path / "evidence.md"
    paper.write_text("three trades over two sessions\n", "utf-8")
    shaped(seat.json("promote", "paper", str(paper)).document, {"build": str, "evidence": str})
    assert seat.json("promote", "check", STRATEGY).code == 0
    bundle = seat.json("promote", "bundle", STRATEGY).document
    assert (bundle["bundle"]["sessions"], bundle["bundle"]["regimes"]) == (20, ["range", "trend"])
    other = seat.json("promote", "run", STRATEGY, "--evidence", "0" * 64, "--yes")
    assert (other.code, other.document["refused"]) == (1, ["PROMOTION_NOT_APPROVED"])
    piped = seat.json("promote", "run", STRATEGY)
    assert piped.code == 2
    not_asked_for(seat, bundle["hash"], monkeypatch)
    made = seat.json("promote", "run", STRATEGY, "--evidence", bundle["hash"], "--yes")
    assert made.code == 0, made
    shaped(made.document, {"strategy": STRATEGY, "from": "SHADOW", "to": "LIVE", "evidence": str, "bead": int})
    beads = seat.json("beads", "query", "--kind", "PROMOTION").document["beads"]
    assert [bead["body"]["evidence_hash"] for bead in beads] == [bundle["hash"]]
    alerts = seat.json("alerts", "list").document["alerts"]
    assert "PROMOTED" in {alert["code"] for alert in alerts}
    told = next(alert["alert"] for alert in alerts if alert["code"] == "PROMOTED")
    assert seat.json("alerts", "ack", told[:8]).document == {"alert": told, "open": False}


def not_asked_for(seat: Seat, evidence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what a script says, all of it on a LIVE desk, and another name at the terminal: nobody is promoted."""
    for half in (("--evidence", evidence), ("--yes",)):
        said = seat.json("promote", "run", STRATEGY, *half)
        assert (said.code, "--evidence and --yes go together" in said.document["error"]) == (2, True)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "genesis", property(lambda session: evolve(session.desk.genesis, mode=Mode.LIVE)))
        scripted = seat.json("promote", "run", STRATEGY, "--evidence", evidence, "--yes")
    assert (scripted.code, "typed by a human" in scripted.document["error"]) == (2, True)
    for typed in ("", "another"):
        terminal = Terminal(seat, ("promote", "run", STRATEGY))
        terminal.waits_for("type the strategy's name")
        terminal.types(typed + "\n")
        assert (terminal.ends(), "declined: nothing was signed" in terminal.shown) == (1, True)
    assert seat.json("beads", "query", "--kind", "PROMOTION").document["beads"] == []


@shows("INV-PHASE2-REVALIDATE-1", "S33-REV-01")
def test_another_policy_says_whose_shadow_begins_anew(tmp_path: Path) -> None:
    """A config flip is one command: the answer names the strategy that was tried under the old policy, and nobody where
    the same policy is set again."""
    seat = founded(tmp_path)
    assert seat.json("promote", "shadow", "-", given=session_of(1)).code == 0
    policy = seat.json("policy", "show").document["policy"]
    file = tmp_path / "policy.json"
    for risk, anew in ((policy["risk_per_trade"], []), ("0.004", [STRATEGY]), ("0.003", [])):
        file.write_text(json.dumps(policy | {"risk_per_trade": risk}), "utf-8")
        assert seat.json("policy", "set", str(file)).document["revalidate"] == anew
    (made,) = seat.json("beads", "query", "--kind", "CONFIG_CHANGE").document["beads"]
    assert made["body"]["parameter"] == "policy"
    assert seat.json("promote", "shadow", "-", given=session_of(1)).document["sessions"] == 1


@shows("INV-PHASE2-REVALIDATE-1")
def test_at_a_terminal_it_is_said_before_anything_is_signed(tmp_path: Path) -> None:
    """Whose sessions are lost, and how many; Enter declines, and nothing is signed. Where nothing was earned, nobody is
    asked."""
    seat = founded(tmp_path)
    policy = seat.json("policy", "show").document["policy"]
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy | {"risk_per_trade": "0.004"}), "utf-8")
    assert Terminal(seat, ("policy", "set", str(file))).ends() == 0
    for day in (1, 2):
        assert seat.json("promote", "shadow", "-", given=session_of(day)).code == 0
    file.write_text(json.dumps(policy | {"risk_per_trade": "0.003"}), "utf-8")
    for typed, code, changes in (("", 1, 0), ("y", 0, 1)):
        terminal = Terminal(seat, ("policy", "set", str(file)))
        terminal.waits_for(f"begins anew of {STRATEGY} (2 sessions); put it in force")
        terminal.types(typed + "\n")
        assert terminal.ends() == code
        assert len(seat.json("beads", "query", "--kind", "CONFIG_CHANGE").document["beads"]) == changes
    assert seat.json("policy", "show").document["policy"]["risk_per_trade"] == "0.003"


class TestShadow:
    """What the shadow trader reports comes in through one closed document, and nothing is made up for it."""

    @pytest.fixture
    def seat(self, tmp_path: Path) -> Seat:
        """A desk that nobody runs."""
        return founded(tmp_path)

    def test_a_day_that_is_told_again_replaces_itself(self, seat: Seat, tmp_path: Path) -> None:
        """The same day twice is one session, with the later figures; a file does as well as standard input."""
        file = tmp_path / "session.json"
        file.write_text(session_of(1), "utf-8")
        assert seat.json("promote", "shadow", str(file)).document["sessions"] == 1
        assert seat.json("promote", "shadow", "-", given=session_of(1, trades=7)).document["sessions"] == 1
        assert seat.json("promote", "shadow", "-", given=session_of(2)).document["sessions"] == 2
        told = seat.json("beads", "query", "--kind", "SHADOW").document["beads"]
        assert [bead["body"]["trades"] for bead in told] == [4, 7, 4]

    def test_a_finding_that_no_autopsy_makes_is_refused(self, seat: Seat) -> None:
        """The words are the autopsy's own."""
        said = seat.json("promote", "shadow", "-", given=session_of(1, findings=["LUCK"]))
        assert (said.code, said.document["refused"]) == (1, ["PROMOTION_INCOMPLETE"])

    @pytest.mark.parametrize(
        "given",
        [
            "not json",
            "[]",
            session_of(1, event="SWEEP"),
            session_of(1, passed=["CV_S32_TOKEN_REPLAY"]),
            session_of(1, pnl=100.5),
            session_of(1, profit="100"),
            session_of(1, session_day="monday"),
            session_of(1, session_day=None),
        ],
    )
    def test_what_is_no_session_is_usage(self, seat: Seat, given: str) -> None:
        """No object, another kind of report, a float, an unknown field, no day: refused, and nothing is written."""
        before = (seat.home / "beads.db").read_bytes()
        with pytest.raises(BadInput):
            _ = seat.json("promote", "shadow", "-", given=given)
        assert (seat.home / "beads.db").read_bytes() == before
