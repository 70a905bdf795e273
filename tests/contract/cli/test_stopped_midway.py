"""SIGTERM between the end of a position's protection and the close that it made way for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from phoenix_cli.commands.engine import OWED_WITHIN_S
from tests.contract.cli.operator import PATIENCE_S, Seat, host_of_this_process, until
from tests.showing import shows

ACCOUNT = "DU1234567"


def asked_to_end(seat: Seat) -> bool:
    """Whether protection was asked to end."""
    orders = seat.json("beads", "query", "--kind", "ORDER").document["beads"]
    return any(bead["body"]["event"] == "CANCEL_REQUESTED" for bead in orders)


@shows("X1", "I21")
@pytest.mark.parametrize("answers", [True, False], ids=["the gateway answers", "it never does"])
def test_a_stop_in_the_middle_of_a_close_leaves_nothing_bare_unsaid(answers: bool, tmp_path: Path) -> None:
    """Stop and target are on their way out, and the engine is told to stop: the close leaves first, and what was held
    is closed. Where the gateway says nothing, the run ends all the same, and its last word is what may be bare."""
    host = host_of_this_process(31 + answers)
    seat = Seat(tmp_path / "home", more={"IBKR_HOST": host})
    assert seat.json("init", "--mode", "paper", "--account", ACCOUNT).code == 0
    line = ("gateway", "--host", host, "--account", ACCOUNT)
    with seat.process(*line, ready="listening") as gateway, seat.engine() as engine:
        until(lambda: seat.json("status").document["reconciliation"]["agreement"] == "AGREES")
        intent = seat.proposes("EURUSD")
        assert seat.json("approve", intent, "--quantity", seat.quantity_of(intent), "--yes").code == 0
        until(lambda: seat.json("positions", intent).document["protection"] == "FULL")
        gateway.stands_still()
        words = seat.words("close", intent, "--reason", "thesis gone")
        with subprocess.Popen(
            words, env=seat.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as close:
            until(lambda: asked_to_end(seat))
            engine.terminate()
            if answers:
                gateway.goes_on()
            assert engine.ends(PATIENCE_S + OWED_WITHIN_S) == 0
            _ = close.wait(PATIENCE_S)
        state = seat.json("positions", intent).document["state"]
        assert (state, "NAKED: EURUSD" in engine.said()) == (("CLOSED", False) if answers else ("MANAGED", True))
