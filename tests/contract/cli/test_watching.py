"""What the watchdog pings for, what the numbers and the gaps say, and what LIVE asks for at the door."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_adapters.engine.watching import Engine, Seen
from phoenix_cli.commands import watchdog as watchdog_command
from phoenix_cli.commands.metrics import told
from phoenix_cli.gaps import heartbeat_gaps
from phoenix_cli.home import Home
from phoenix_cli.metrics import exposition
from phoenix_cli.wiring.opening import opened
from phoenix_cli.wiring.startup import live_problems
from phoenix_core.beads import Bead, Beat, Checks, Health, Heartbeat
from phoenix_core.gate.approvals import Key
from tests.contract.cli.operator import Seat
from tests.showing import shows
from tests.stage import stage
from tests.unit.desk.walks import walked

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("log_failed", [False, True])
@shows("I18")
async def test_only_an_engine_that_beats_keeps_the_alarm_outside_quiet(
    engine: Engine, log_failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody outside is woken by our silence: it must not be broken for an engine that is dead, mute or stopped."""
    pinged: list[str] = []
    looks = 0

    def look() -> Seen:
        nonlocal looks
        looks += 1
        if looks == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return Seen(engine, 0, 0, log_failed)

    async def settle() -> None:
        return

    async def done() -> bool:
        return True

    def ping(url: str, pings: set[asyncio.Task[bool]]) -> asyncio.Task[bool]:
        pinged.append(url)
        return asyncio.get_running_loop().create_task(done())

    monkeypatch.setenv("PHOENIX_DEADMAN_URL", "https://127.0.0.1/alive")
    monkeypatch.setattr(watchdog_command, "_ping", ping)
    watchdog: Any = SimpleNamespace(look=look, settle=settle)
    try:
        await watchdog_command._watch(watchdog, once=False, every=0.001)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert bool(pinged) is (engine is Engine.BEATS and not log_failed)


def test_the_numbers_are_of_now_and_of_what_works() -> None:
    """Ages grow; a link is up where an engine runs; an order that has ended works no more."""

    async def walk(made: Any) -> None:
        _ = await made.enter()
        made.price("1.09105", "1.09115")
        await made.watch(40)

    made = walked(walk)
    desk = made.desk
    last = desk.heartbeats.last_at
    assert last is not None
    lines = exposition(desk, last + timedelta(seconds=12), engine_runs=True, halted=False).splitlines()
    assert {"phoenix_heartbeat_age_seconds 12", "phoenix_link_up 1", "phoenix_orders_working 0"} <= set(lines)
    gone = exposition(desk, last, engine_runs=False, halted=False).splitlines()
    assert {"phoenix_link_up 0", "phoenix_up 0"} <= set(gone)


def test_who_asks_again_is_told_what_others_wrote_since(tmp_path: Path) -> None:
    """A server of numbers lives for months beside an engine that writes."""
    seat = Seat(tmp_path / "home")
    assert seat.json("init").code == 0
    with opened(Home(seat.home)) as session:
        assert "phoenix_kill_flags 0" in told(session)
        assert seat.json("kill", "raise").code == 0
        assert "phoenix_kill_flags 1" in told(session)


def test_a_missed_beat_is_no_beat() -> None:
    """The watchdog's own word in between does not close a gap."""
    beats = ((0, "HEALTHY"), (60, "MISSED"), (90, "MISSED"), (120, "HEALTHY"))
    said = (
        (NOON + timedelta(seconds=at), Heartbeat(Beat(status), Health.HEALTHY, Checks(True, True, True)))
        for at, status in beats
    )
    told = [Bead(n, at, str(n), body, "") for n, (at, body) in enumerate(said)]
    found = heartbeat_gaps(told, NOON + timedelta(seconds=130))
    assert [(gap.document()["seconds"], gap.what) for gap in found] == [(120, "no heartbeat")]


@shows("S33-GRD-06")
def test_live_asks_for_limits_that_were_signed_and_a_key_that_still_counts() -> None:
    """A policy that `init` wrote is nobody's signature; a FIDO key that was revoked is no key."""
    made = stage()
    session: Any = SimpleNamespace(desk=made.engine.recorder.desk, clock=made.clock)
    _ = made.engine.recorder.catch_up()
    session.desk = made.desk
    assert made.desk.policies.policy is not None
    for revoked, missing in ((5, True), (None, False)):
        made.desk.approvals.keys["fido"] = Key("fido", "sk-", "anna", "hardware", 1, revoked)
        problems = live_problems(session)
        assert any(problem.startswith("POLICY_MISSING") for problem in problems)
        assert any(problem.startswith("KEY_IS_SOFTWARE") for problem in problems) is missing
