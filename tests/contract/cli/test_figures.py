"""What a desk says of itself in figures: the day, the orders, the alerts, the numbers, after a day that is known.

A whole desk plays it before the mock broker, on the log of a home; the command line reads it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve as changed

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.home import Home, Settings, settings_text
from phoenix_core.acts.operate import Acknowledge, Observe, RaiseKill
from phoenix_core.acts.vital import Miss
from phoenix_core.beads import About, Alert, Execution, Resolution, Verdict
from phoenix_core.facts import CommissionSaid, ErrorSaid
from phoenix_core.gate.statements import ClearKill, Close, Decide, ResolveDrift
from phoenix_core.trade.positions import Open
from phoenix_core.values import Money, State
from tests.contract.cli.operator import Seat
from tests.stage import Stage, stage
from tests.unit.desk.walks import WORDS, filled, hear

POUND = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2665", "target": "1.2770"}


def home_in(folder: Path) -> Home:
    """A home with nothing in it but its settings: what only looks needs no keys."""
    home = Home(folder / "home")
    home.make()
    _ = home.config.write_text(settings_text(Settings(mode="mock", account="MOCK")), "utf-8")
    return home


def seat_of(home: Home, made: Stage) -> Seat:
    """An operator who looks now."""
    return Seat(home.path, made.clock.now().wall.isoformat())


async def afternoon(desk: Stage) -> None:
    """Wednesday: a word of the broker's, a trade that is closed by hand, a no, two kills of one instrument, and a drift
    that stays."""
    await desk.start()
    desk.broker.tell(ErrorSaid("m-1", desk.broker.session(), 9_999, "a warning"))
    intent = await desk.enter()
    await desk.tick(30)
    held = desk.position(intent)
    assert isinstance(held, Open)
    _ = desk.sign(Close(held.position_id, WORDS)).unwrap()
    await desk.tick(1)
    await desk.tick(1)
    assert desk.state(intent) is State.CLOSED
    no = await desk.propose(**POUND)
    _ = desk.sign(Decide(verdict=Verdict.REJECT, intent=no, drift_bps_max=0)).unwrap()
    _ = desk.act(RaiseKill(desk.fresh(), "instrument:AAPL", "test", "operator")).unwrap()
    await desk.tick(1)
    _ = desk.sign(ClearKill(next(iter(desk.desk.kill_flags.standing)), WORDS)).unwrap()
    desk.broker.spoof("AAPL", Decimal(7))
    for _ in range(8):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    (drift,) = desk.desk.drifts.open.values()
    _ = desk.sign(ResolveDrift(drift.identity, Resolution.ACKNOWLEDGED, WORDS)).unwrap()
    await desk.tick(1)


async def evening(desk: Stage) -> None:
    """After five in New York the next day has begun, though no calendar says so: a trade that is still held, and whose
    commission is told again, another one; and one of yesterday's costs half a dollar less than was said then."""
    await desk.tick(3 * 3600 + 18 * 60)
    for _ in range(6):
        await desk.tick(5)
    held = await desk.enter(**POUND)
    assert desk.state(held) is State.MANAGED
    by_hand = changed(filled(desk, "", "5", exec_id="hand.1.01"), perm_id=99, symbol="USDCAD")
    await hear(desk, CommissionSaid("test:1", by_hand.exec_id, Money(Decimal("1.10")), "USD"), by_hand)
    await hear(desk, CommissionSaid("test:1", "hand.1.02", Money(Decimal("0.50")), "CAD"))
    position = desk.position(held)
    assert isinstance(position, Open)
    (bought,) = desk.desk.fills.of(position.position_id)
    await hear(desk, CommissionSaid("test:1", f"{bought.family}.02", Money(Decimal("2.75")), "USD"))
    yesterday = desk.bodies(Execution)[0]
    await hear(desk, CommissionSaid("test:1", f"{yesterday.family}.02", Money(Decimal("1.50")), "USD"))
    _ = desk.act(RaiseKill(desk.fresh(), "instrument:USDJPY", "test", "operator")).unwrap()
    await desk.tick(1)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Stage]]:
    """A home after that day, with its engine still there."""
    home = home_in(tmp_path_factory.mktemp("figures"))
    with SqliteStore(home.log) as store:
        made = stage(store)
        lease = store.lease(made.clock.now().boot)
        assert lease is not None
        with lease:
            asyncio.run(afternoon(made))
            asyncio.run(evening(made))
            yield home, made


def test_a_report_is_of_one_day_that_rolls_at_five_in_new_york(played: tuple[Home, Stage]) -> None:
    """Both trades lie on one date of the calendar; each is in the report of its own day, with its fees: a commission
    that was told twice is what was told last, and what is known a day later counts on that day, so that days add up.
    What a trade by hand cost is said apart, whichever of the two was told first."""
    seat = seat_of(*played)
    today = seat.json("report").document
    before = seat.json("report", "--day", "2026-11-18").document
    assert (today["day"], today["entries"], today["executions"], today["closed"]) == ("2026-11-19", 1, 1, [])
    assert (before["entries"], before["executions"], len(before["closed"])) == (1, 2, 1)
    assert (before["fees"], today["fees"]) == ({"USD": "4"}, {"USD": "2.25"})
    assert (before["fees_not_ours"], today["fees_not_ours"]) == ({}, {"USD": "1.1", "CAD": "0.5"})
    words = [seat.run("report", "--day", day).out for day in (before["day"], today["day"])]
    assert "fees          4 USD\n" in words[0]
    assert "fees          2.25 USD, and 1.1 USD, 0.5 CAD for executions of no order of ours\n" in words[1]
    assert (before["realized"], today["realized"]) == (before["closed"][0]["realized"], "0")


def test_a_report_counts_what_was_decided_and_what_went_wrong(played: tuple[Home, Stage]) -> None:
    """A no is no yes, a flag that came down is no second kill, a drift that was only seen is not resolved."""
    seat = seat_of(*played)
    before = seat.json("report", "--day", "2026-11-18").document
    assert (before["signals"], before["approvals"], before["rejections"]) == (2, 1, 1)
    assert (before["kills"], before["drifts"], before["drifts_resolved"]) == (2, ["CRITICAL count AAPL"], 0)
    assert before["refusals"] == {"PASSED": 1}
    raised = [bead["body"] for bead in seat.json("beads", "query", "--kind", "ALERT").document["beads"]]
    for level, count in before["alerts"].items():
        later = seat.json("report").document["alerts"][level]
        assert count + later == sum(one["event"] == "RAISED" and one["severity"] == level for one in raised)


def test_orders_says_what_works_and_with_all_what_is_over(played: tuple[Home, Stage]) -> None:
    """Two exits work; the rest has ended, and what was filled of an order is what its executions say."""
    seat = seat_of(*played)
    working = seat.json("orders").document["orders"]
    assert [(row["role"], row["standing"], row["filled"]) for row in working] == [
        ("STOP", "WORKING", "0"),
        ("TARGET", "WORKING", "0"),
    ]
    everything = seat.json("orders", "--all").document["orders"]
    assert everything[: len(working)] == working
    ended = {(row["role"], row["standing"], row["filled"] == row["quantity"]) for row in everything[len(working) :]}
    assert ended == {
        ("ENTRY", "FILLED", True),
        ("CLOSE", "FILLED", True),
        ("STOP", "CANCELLED", False),
        ("TARGET", "CANCELLED", False),
    }


def test_executions_are_as_old_as_was_asked_for(played: tuple[Home, Stage]) -> None:
    """All three, each with its own commission, the revised one as it is now; within the last hour only the last."""
    seat = seat_of(*played)
    rows = seat.json("executions").document["executions"]
    assert [(row["role"], row["instrument"], row["commission"]) for row in rows] == [
        ("ENTRY", "EURUSD", "1.5"),
        ("CLOSE", "EURUSD", "2"),
        ("ENTRY", "GBPUSD", "2.75"),
    ]
    assert seat.json("executions", "--since", "1h").document["executions"] == rows[2:]


def test_what_was_traded_is_not_proposed_again(played: tuple[Home, Stage]) -> None:
    """Only what ended without an order is over and done with: a trade that was closed is another trade."""
    seat = seat_of(*played)
    rows = seat.json("positions", "--all").document["positions"]
    intents = {row["state"]: row["intent"] for row in rows}
    assert {"CLOSED", "CANCELLED", "MANAGED"} <= set(intents)
    for state in ("CLOSED", "MANAGED"):
        said = seat.json("propose", "--again", intents[state])
        assert (said.code, said.document["refused"]) == (1, ["UNKNOWN_INTENT"])


def test_status_says_what_belongs_to_today(played: tuple[Home, Stage]) -> None:
    """What was earned yesterday is not what was earned today."""
    today = seat_of(*played).json("status").document["today"]
    assert (today["entries"], today["realized"], today["currency"]) == (1, "0", "USD")


def test_the_loudest_alert_comes_first_and_what_was_seen_is_quiet(played: tuple[Home, Stage]) -> None:
    """A flag is raised long after a warning and stands above it; an alert that somebody acknowledged leaves the screen,
    and the list goes on naming it until it is resolved."""
    home, made = played
    seat = seat_of(home, made)
    for rows in (seat.json("status").document["alerts"], seat.json("alerts", "list").document["alerts"]):
        severities = [row["severity"] for row in rows]
        assert severities == sorted(severities) and set(severities) == {"CRITICAL", "WARNING"}
        assert rows[0]["severity"] == "CRITICAL" and rows[-1]["severity"] == "WARNING"
    kill = next(row["alert"] for row in seat.json("alerts", "list").document["alerts"] if "KILL" in row["code"])
    _ = made.act(Acknowledge(made.fresh(), kill, "anna")).unwrap()
    assert kill not in {row["alert"] for row in seat.json("status").document["alerts"]}
    assert kill in {row["alert"] for row in seat.json("alerts", "list").document["alerts"] if row["acknowledged"]}


def numbers(seat: Seat) -> dict[str, float]:
    """The samples, by name and labels."""
    lines = seat.json("metrics", "--once").document["metrics"]
    rows = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name.removeprefix("phoenix_"): float(value) for name, value in rows}


def test_every_number_is_that_of_its_name(played: tuple[Home, Stage]) -> None:
    """Each is counted on its own, and no two of them are the same by chance."""
    home, made = played
    found = numbers(seat_of(home, made))
    flags = seat_of(home, made).json("kill", "list").document["flags"]
    assert (found["kill_flags"], found["drifts_open"]) == (2, 1) and len(flags) == 2
    assert (found["up"], found["halted"]) == (1, 0)
    assert {name for name in found if name.startswith("positions{")} == {
        f'positions{{state="{state}"}}'
        for state in ("PROPOSED", "APPROVED", "SUBMITTED", "STALLED", "FILLED", "MANAGED")
    }
    assert found['positions{state="MANAGED"}'] == 1
    alerts = [one.body for one in made.beads() if isinstance(one.body, Alert) and one.body.event.value == "RAISED"]
    assert found["alerts_unsent"] == len(alerts) and found["effects_owed"] >= len(alerts)
    rows = seat_of(home, made).json("alerts", "list").document["alerts"]
    for level in ("CRITICAL", "WARNING"):
        assert found[f'alerts_open{{severity="{level}"}}'] == sum(row["severity"] == level for row in rows)


def test_health_gets_worse_with_every_beat_that_does_not_come(tmp_path: Path) -> None:
    """Well up to 45 s, degraded where beats are missing, critical with three; the exit code says so too, and what the
    last real beat found is still told when the watchdog has written down a miss."""
    home = home_in(tmp_path)
    with SqliteStore(home.log) as store:
        made = stage(store)
        lease = store.lease(made.clock.now().boot)
        assert lease is not None
        with lease:
            asyncio.run(quiet(made))

            def looked(age_s: float) -> tuple[int, Any]:
                beat = made.desk.heartbeats.last_at
                assert beat is not None
                said = Seat(home.path, (beat + timedelta(seconds=age_s)).isoformat()).json("health")
                return said.code, said.document

            for age_s, code, health, missed in WORSE:
                left, found = looked(age_s)
                assert (left, found["health"], found["missed"]) == (code, health, missed)
            made.clock.advance(timedelta(seconds=50))
            _ = made.act(Miss(made.fresh(), True)).unwrap()
            code, found = looked(50)
            assert (code, found["health"], found["checks"]["heartbeat"]) == (1, "DEGRADED", False)
            assert found["checks"]["ibkr_connected"] and found["checks"]["store_commits"]
            assert numbers(seat_of(home, made))["heartbeats_missed_total"] == 1
            asyncio.run(made.watch(60, 5))
            assert looked(0)[1]["health"] == "HEALTHY"
            assert numbers(seat_of(home, made))["heartbeats_missed_total"] == 1
            made.broker.cut()
            asyncio.run(made.tick(1))
            code, found = looked(1)
            assert (code, found["health"], found["checks"]["ibkr_connected"]) == (1, "CRITICAL", False)
            made.engine.stop("SIGTERM")
            code, found = looked(0)
            assert (code, found["health"], found["checks"]["process_alive"]) == (1, "CRITICAL", False)


WORSE = ((0, 0, "HEALTHY", 0), (40, 0, "HEALTHY", 0), (61, 1, "DEGRADED", 2), (95, 1, "CRITICAL", 3))


async def quiet(desk: Stage) -> None:
    """Two minutes in which nothing happens but the desk's own beats."""
    await desk.start()
    await desk.watch(120, 5)
