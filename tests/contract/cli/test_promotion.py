"""The ceremony from the command line: everything is missing, then everything is there, and a human signs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import fresh_id, opened
from phoenix_core.acts.operate import Observe, ReportShadow
from phoenix_core.beads import About, Shadow, ShadowEvent
from phoenix_core.values import Money
from tests.contract.cli.operator import AFTERNOON, Seat, shaped, until
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


def shadow(home: Path) -> None:
    """Twenty sessions in two regimes, as the shadow trader reports them, and a suite of chaos vectors that passed."""
    with opened(Home(home)) as session:
        for day in range(1, 21):
            report = Shadow(
                event=ShadowEvent.SESSION,
                strategy=STRATEGY,
                id=f"s{day}",
                session_day=f"2026-10-{day:02d}",
                regime="trend" if day % 2 else "range",
                pnl=Money(Decimal(100 if day % 3 else -50)),
                drawdown=Decimal("0.02"),
                trades=4,
                signalman_kills=0,
                overrides=0,
            )
            _ = session.recorder.act(ReportShadow(fresh_id(), report)).unwrap()
        scar = Observe(fresh_id(), About.BUNNY, "CV_S32_TOKEN_REPLAY", {"verdict": "pass"})
        _ = session.recorder.act(scar).unwrap()


@shows("S32-SEAM-06", "S32-PRO-07", "S32-PRO-08", "S32-PRO-10")
def test_a_strategy_is_promoted_on_whole_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check turns green line by line; the bundle's hash is what is signed; another hash is refused; then it is live."""
    monkeypatch.setenv("PHOENIX_CLOCK", AFTERNOON)
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    trade(seat)
    shadow(seat.home)
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
    made = seat.json("promote", "run", STRATEGY, "--evidence", bundle["hash"], "--yes")
    assert made.code == 0, made
    shaped(made.document, {"strategy": STRATEGY, "from": "SHADOW", "to": "LIVE", "evidence": str, "bead": int})
    beads = seat.json("beads", "query", "--kind", "PROMOTION").document["beads"]
    assert [bead["body"]["evidence_hash"] for bead in beads] == [bundle["hash"]]
    alerts = seat.json("alerts", "list").document["alerts"]
    assert "PROMOTED" in {alert["code"] for alert in alerts}
    told = next(alert["alert"] for alert in alerts if alert["code"] == "PROMOTED")
    assert seat.json("alerts", "ack", told[:8]).document == {"alert": told, "open": False}
