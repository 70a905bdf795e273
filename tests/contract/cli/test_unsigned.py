"""A row that somebody wrote into the log of a home by hand: every look at the desk says so, and names the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_core.beads import Body, Decision, Policy
from phoenix_core.gate.kill_flags import lift_flag
from phoenix_core.kernel import bead_of, sealed
from phoenix_core.rulings import granted
from phoenix_core.values import CommandId, utc_of
from phoenix_core.world import World
from tests.contract.cli.operator import Seat, founded, until
from tests.showing import shows


def by_hand(seat: Seat, row: Body) -> int:
    """A row in the file itself, linked as it should be; its place."""
    with SqliteStore(seat.home / "beads.db") as log:
        head, last = log.head(), list(log.read(0))[-1]
        records = sealed(head, utc_of(last.ts, "ts"), CommandId(f"by hand {head.size}"), granted("by hand", row))
        assert is_successful(log.append(head, records))
        return head.size


def bodies(seat: Seat) -> list[Body]:
    """Everything that the log holds."""
    with SqliteStore(seat.home / "beads.db") as log:
        return [bead_of(record).body for record in log.read(0)]


def signed_line(seat: Seat) -> tuple[str, str]:
    """What `doctor` says of what loosens."""
    rows = {row["name"]: row for row in seat.json("doctor").document["checks"]}
    return rows["signed"]["level"], rows["signed"]["detail"]


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    """A desk of its own."""
    return founded(tmp_path)


@shows("I2")
def test_a_policy_by_hand_is_told_and_a_signature_mends_it(seat: Seat, tmp_path: Path) -> None:
    """`doctor` fails, `status` leads with it, what engine starts says it; then a human sets a policy."""
    assert signed_line(seat) == ("ok", "all") and seat.json("status").document["unsigned"] == []
    first = next(body for body in bodies(seat) if isinstance(body, Policy))
    place = by_hand(seat, evolve(first, delayed_quotes=True))
    mend = f"policy: bead {place} counts for nothing, nobody signed it: `phoenix policy set`"
    assert signed_line(seat) == ("fail", f"{mend}; open runbook RB-004")
    assert seat.json("doctor").code == 1
    said = seat.json("status").document["unsigned"]
    assert said == [{"bead": place, "about": "policy", "mend": "`phoenix policy set`"}]
    assert f"UNSIGNED {mend}  RB-004" in seat.run("status").out
    with seat.engine() as engine:
        assert f"{mend} (RB-004)" in engine.said()
    file = tmp_path / "policy.json"
    _ = file.write_text(seat.run("policy", "show").out, "utf-8")
    assert seat.json("policy", "set", str(file)).code == 0
    assert signed_line(seat) == ("ok", "all")


@shows("I2")
def test_a_flag_that_a_row_lowered_is_up_again(seat: Seat) -> None:
    """No engine ran when the row was written: the next one puts the flag up, for a human to clear."""
    assert seat.json("kill", "raise", "--scope", "desk", "--reason", "drill").code == 0
    with SqliteStore(seat.home / "beads.db") as log:
        recorder = Recorder(log, lambda desk: World(None))  # type: ignore[arg-type]  # it only folds
        _ = recorder.catch_up()
        (flag,) = recorder.desk.kill_flags.standing.values()
    place = by_hand(seat, lift_flag(flag, "operator", "over"))
    mend = "it stands again until `phoenix kill clear`"
    assert signed_line(seat)[1].startswith(f"desk: bead {place} counts for nothing, nobody signed it: {mend}")
    with seat.engine():
        until(lambda: [one["flag"] for one in seat.json("kill", "list").document["flags"]] == [flag.flag])
        assert seat.json("kill", "clear", flag.flag, "--reason", "drill over").code == 0
    assert signed_line(seat) == ("ok", "all")
    said = [body for body in bodies(seat) if isinstance(body, Decision)]
    assert [body.type for body in said] == ["kill-clear"]
