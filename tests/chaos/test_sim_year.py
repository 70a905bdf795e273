"""A year of trading in one run: a day in December costs what a day in February did."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.wiring.sim import _tick
from phoenix_cli.wiring.sim_acts import _close, _decide, _propose, _refresh
from phoenix_cli.wiring.sim_world import Simulation, world_of
from phoenix_core.desk import freeze
from phoenix_core.values import State
from tests.showing import shows

DAYS: Final = 261  # of trading
MONTH: Final = 21
LINE_MAX: Final = 1000  # bytes that a desk's state grows by with each position that is over
NEW_YORK: Final = ZoneInfo("America/New_York")


def _next_day(sim: Simulation) -> timedelta:
    """How long it is until ten in the morning of the next weekday in New York."""
    now = sim.clock.now().wall.astimezone(NEW_YORK)
    day = now.replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return datetime.fromisoformat(day.isoformat()) - now


def _forget(sim: Simulation) -> None:
    """A broker tells of the day's executions and orders, and of what still works; the rest is in its statements."""
    truth = sim.broker.truth
    sim.oracle.ledger.wire.ids.clear()
    truth.executions.clear()
    for ref in [ref for ref, working in truth.book.items() if working.ends]:
        del truth.book[ref]


async def _day(sim: Simulation) -> None:
    """One day: a session, two intents, two approvals, two positions that are closed again."""
    await _tick(sim, _next_day(sim))
    _forget(sim)
    sim.broker.cut()
    for _ in range(3):
        await _tick(sim, timedelta(seconds=6))
    await _refresh(sim)
    await _tick(sim, timedelta(seconds=2))
    for _ in range(2):
        await _propose(sim)
        await _tick(sim, timedelta(seconds=1))
        await _decide(sim)
        for _ in range(3):
            await _tick(sim, timedelta(seconds=1))
        await _close(sim)
        for _ in range(4):
            await _tick(sim, timedelta(seconds=2))


def _calls(work: Coroutine[object, object, None], loop: asyncio.AbstractEventLoop) -> int:
    """How many functions a piece of work calls: its cost, whatever else this machine does."""
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        loop.run_until_complete(work)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.slow
@pytest.mark.timeout(900)
@shows("I6", "I25")
def test_a_year_in_one_run_stays_flat() -> None:
    """261 days of two positions each: every judge looks after every turn, the replay at the end is the desk byte for
    byte, the days of the last month cost what those of the second did, and what a desk keeps of a position that is long
    over is one line."""
    costs: list[int] = []
    sizes: list[tuple[int, int]] = []  # of a day of the last month: positions that are over, bytes of the desk's state
    with asyncio.Runner() as runner:
        sim = world_of(5)
        loop = runner.get_loop()
        _ = loop.run_until_complete(sim.engine.start()).unwrap()
        sim.broker.set_mode(ChaosMode.INSTANT)
        for day in range(DAYS):
            counted = MONTH <= day < 2 * MONTH or day >= DAYS - MONTH
            costs += [_calls(_day(sim), loop)] if counted else []
            if not counted:
                loop.run_until_complete(_day(sim))
            elif day >= DAYS - MONTH:
                over = sum(state is State.CLOSED for state in sim.oracle.ledger.states.values())
                sizes.append((over, len(freeze(sim.desk))))
        sim.oracle.replay(sim.desk)
        sim.oracle.verify()
    (before, less), (over, more) = sizes[0], sizes[-1]
    early, late = sum(costs[:MONTH]), sum(costs[MONTH:])
    figures = {"beads": sim.store.head().size, "over": over, "calls": (early, late), "bytes": (less, more)}
    assert over >= 1.5 * DAYS, figures
    assert late < 1.15 * early, figures
    assert (more - less) / (over - before) < LINE_MAX, figures
    _ = sys.stderr.write(f"{figures}\n")
