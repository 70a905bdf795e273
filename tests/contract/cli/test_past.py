"""`show` of an intent that is decided or over: the screen that was signed, who signed it, and how it ended."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.contract.cli.operator import Seat, founded, until
from tests.showing import shows

LATER = "2026-11-18T16:00:00-05:00"


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Seat, str, list[str]]:
    """A desk whose one trade was closed hours ago, long after anything of it could be acted on: its seat, the intent,
    and the screen that was shown before it was approved."""
    seat = founded(tmp_path_factory.mktemp("past"))
    with seat.engine():
        intent = seat.proposes("EURUSD")
        quantity = seat.quantity_of(intent)
        lines = seat.json("show", intent).document["lines"]
        assert seat.json("approve", intent, "--quantity", quantity, "--yes").code == 0
        until(lambda: bool(seat.json("positions", intent).document["state"] == "MANAGED"))
        assert seat.json("show", intent).document["over"] is False
        assert seat.json("close", intent, "--reason", "enough").code == 0
    later = Seat(seat.home, LATER)
    _ = later.proposes("GBPUSD")  # at which the desk puts away what is over
    return later, intent, lines


@shows("S32-EVD-03")
def test_what_was_signed_hours_ago_is_shown_as_it_was(traded: tuple[Seat, str, list[str]]) -> None:
    """The very screen, but for the quote that the signature cites; whose signature it is, that it holds, and the end.
    A beginning of the intent's id is enough."""
    seat, intent, lines = traded
    shown = seat.json("show", intent[:8]).document
    (signed,) = shown["signed"]
    assert [line for line in shown["lines"] if "bid/ask" not in line and "drift" not in line] == [
        line for line in lines if "bid/ask" not in line and "drift" not in line
    ]
    assert (shown["state"], shown["over"], shown["outcome"] is not None) == ("CLOSED", True, True)
    assert (signed["verdict"], signed["by"], signed["verifies"], signed["this_screen"]) == (
        "approve",
        "operator",
        True,
        True,
    )
    words = seat.run("show", intent).out
    assert f"ENDED  CLOSED {shown['at'][:19]}Z: {shown['outcome']}" in words
    assert f"SIGNED approve by operator (software) {signed['at'][:19]}Z, bead {signed['bead']}: verifies, this" in words


def test_a_text_that_was_changed_beside_the_log_is_not_called_signed(
    traded: tuple[Seat, str, list[str]], tmp_path: Path
) -> None:
    """The side table is no part of the chain: what stands there is held against the hash that was signed."""
    seat, intent, _ = traded
    copy = Seat(tmp_path / "home", LATER)
    assert seat.json("beads", "backup", str(tmp_path / "beads.db")).code == 0
    _ = copy.json("init")
    for name in ("beads.db-wal", "beads.db-shm"):
        (copy.home / name).unlink(missing_ok=True)
    (tmp_path / "beads.db").replace(copy.home / "beads.db")
    with sqlite3.connect(copy.home / "beads.db") as log:
        changed = log.execute("UPDATE texts SET text = replace(text, '1.082', '1.032') WHERE text LIKE '%RISK%'")
        assert changed.rowcount > 0
    (signed,) = copy.json("show", intent).document["signed"]
    assert (signed["verifies"], signed["this_screen"]) == (True, False)


def test_what_nobody_ever_assembled_says_so(tmp_path: Path) -> None:
    """Passed before an engine ran: no evidence, no screen, a signed no, and an end all the same."""
    seat = founded(tmp_path)
    intent = seat.proposes("EURUSD")
    assert seat.json("show", intent).document["refused"] == ["EVIDENCE_MISSING"]
    assert seat.json("pass", intent, "--reason", "not today").code == 0
    shown = seat.json("show", intent[:8]).document
    assert (shown["evidence"], shown["lines"], shown["state"]) == (None, [], "CANCELLED")
    assert [(one["verdict"], one["this_screen"]) for one in shown["signed"]] == [("reject", False)]
    assert "no evidence was assembled" in seat.run("show", intent).out
