"""A year of trading in one run: a day in December costs what a day in February did."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from attrs import Factory, define

from phoenix_adapters.brokers.mock.chaos import ChaosMode
from phoenix_cli.wiring.sim.acts import decide, lapse, propose, refresh
from phoenix_cli.wiring.sim.ledger import ENDS
from phoenix_cli.wiring.sim.world import Simulation, world_of
from phoenix_core.desk import freeze
from phoenix_core.gate.statements import Close
from phoenix_core.values import State, text_hash
from tests.showing import shows

DAYS: Final = 261  # of trading
MONTH: Final = 21
LINES_MAX: Final = 2000  # bytes that a desk's state grows by with each position that is over
HELD_MAX: Final = 20 * 10**6  # bytes of memory that a last quarter may add, judges and all
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


def _leave(sim: Simulation) -> None:
    """An operator wants out of all that is held."""
    for position in sim.desk.positions.in_state(State.MANAGED):
        _ = sim.sign(Close(position.position_id, text_hash("the day is done")))


async def _day(sim: Simulation) -> None:
    """One day: a session, two intents, two approvals, two positions that are closed again."""
    await lapse(sim, _next_day(sim))
    _forget(sim)
    sim.broker.cut()
    for _ in range(3):
        await lapse(sim, timedelta(seconds=6))
    await refresh(sim)
    await lapse(sim, timedelta(seconds=2))
    for _ in range(2):
        await propose(sim)
        await lapse(sim, timedelta(seconds=1))
        await decide(sim)
        for _ in range(3):
            await lapse(sim, timedelta(seconds=1))
        _leave(sim)
        for _ in range(4):
            await lapse(sim, timedelta(seconds=2))


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


@define
class Year:
    """What the year cost, day by day."""

    calls: list[int] = Factory(list)  # of the days of the second month and of the last
    pace: list[float] = Factory(list)  # seconds of this process for one checked step, of all other days
    state: list[tuple[int, int]] = Factory(list)  # each day: positions that are over, bytes of the desk's state
    held: list[int] = Factory(list)  # each day: bytes of memory that this process holds

    def live(self, sim: Simulation, loop: asyncio.AbstractEventLoop) -> None:
        """Every trading day of a year."""
        for day in range(DAYS):
            before, steps = time.process_time(), sim.oracle.steps
            if MONTH <= day < 2 * MONTH or day >= DAYS - MONTH:
                self.calls.append(_calls(_day(sim), loop))
            else:
                loop.run_until_complete(_day(sim))
                self.pace.append((time.process_time() - before) / (sim.oracle.steps - steps))
            over = sum(state in ENDS for state in sim.oracle.ledger.states.values())
            self.state.append((over, len(freeze(sim.desk))))
            self.held.append(int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * resource.getpagesize())


@pytest.mark.slow
@pytest.mark.timeout(900)
@shows("I6", "I25")
def test_a_year_in_one_run_stays_flat(tmp_path: Path) -> None:
    """261 days of two positions each, the log in a file: every judge looks after every turn, and the replay at the end
    is the desk byte for byte. The days of the last month cost what those of the second did; what a desk keeps of a
    position that is long over is a line in each of its books, and memory grows by little more."""
    year = Year()
    with asyncio.Runner() as runner:
        sim = world_of(5, str(tmp_path))
        loop = runner.get_loop()
        _ = loop.run_until_complete(sim.engine.start()).unwrap()
        sim.broker.set_mode(ChaosMode.INSTANT)
        year.live(sim, loop)
        sim.oracle.replay(sim.desk)
        sim.oracle.verify()
    (before, less), (over, more) = year.state[-MONTH], year.state[-1]
    early, late = sum(year.calls[:MONTH]), sum(year.calls[MONTH:])
    slow, fast = median(year.pace[-MONTH:]), median(year.pace[:MONTH])
    closed = sum(state is State.CLOSED for state in sim.oracle.ledger.states.values())
    figures = {
        "steps": sim.oracle.steps,
        "beads": sim.store.head().size,
        "closed": closed,
        "over": over,
        "calls of a day": (early // MONTH, late // MONTH),
        "ms of a step": (round(1000 * fast, 2), round(1000 * slow, 2)),
        "bytes of state a position": round((more - less) / (over - before)),
        "megabytes held": [year.held[day] // 10**6 for day in (0, MONTH, DAYS // 2, DAYS - 1)],
    }
    _ = sys.stderr.write(f"{figures}\n")
    assert closed >= 1.5 * DAYS, figures
    assert late < 1.15 * early, figures
    assert slow < 2 * fast, figures
    assert (more - less) / (over - before) < LINES_MAX, figures
    assert year.held[-1] - year.held[-1 - 3 * MONTH] < HELD_MAX, figures
