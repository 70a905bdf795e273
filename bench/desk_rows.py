"""Rows about the desk at work: the engine's step beside channels that fail, and the machine's part of an approval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from attrs import define

from bench.order_path import bench_folder
from bench.rows import Effort, Measured
from bench.timing import race, spread_of, timed
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_cli.wiring.bunny.stage import Stage, stage
from phoenix_core.kernel import sealed
from phoenix_core.rulings import granted
from phoenix_core.values import CommandId, derived_id
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.codes import Code, alert

FLOOD = 500  # alerts that wait in the outbox of a channel that takes none


@define
class Healthy:
    """A channel that takes everything at once."""

    name: str = "healthy"

    async def send(self, message: Message) -> bool:
        """Taken."""
        return True


@define
class Dead:
    """A channel that cannot be reached."""

    name: str = "dead"

    async def send(self, message: Message) -> bool:
        """Refused by the network."""
        raise ConnectionRefusedError("nobody listens")


@define
class Hanging:
    """A channel whose send never comes to an end."""

    name: str = "hanging"

    async def send(self, message: Message) -> bool:
        """Wait for ever."""
        _ = await asyncio.Event().wait()
        return False


def raise_alerts(desk: Stage, *keys: str) -> None:
    """Alerts into the log, as another process of the desk would write them."""
    head = desk.store.head()
    command_id = CommandId(derived_id("bench-alerts", *keys))
    # Every tenth is CRITICAL, as in the flood that the desk's tests let loose.
    codes = [Code.FAIL_STOP if n % 10 == 0 else Code.ORDER_HELD for n in range(len(keys))]
    ruling = granted("alerts", *(alert(code, key, key) for code, key in zip(codes, keys, strict=True)))
    _ = desk.store.append(head, sealed(head, desk.clock.now().wall, command_id, ruling)).unwrap()


def step_beside_channels(effort: Effort) -> Measured:
    """One engine step that takes an alert in and starts its delivery: the worst of three channels, over a good one."""
    loop = asyncio.new_event_loop()
    channels = {"healthy": Healthy(), "dead": Dead(), "hanging": Hanging(), "flooded": Hanging()}
    numbers = count()

    def on(name: str) -> Callable[[], float]:
        desk = stage(notifiers=(channels[name],))
        loop.run_until_complete(desk.start())
        if name == "flooded":
            raise_alerts(desk, *(f"flood {n}" for n in range(FLOOD)))
        loop.run_until_complete(desk.engine.step())

        def sample() -> float:
            raise_alerts(desk, f"{name} {next(numbers)}")
            return timed(lambda: loop.run_until_complete(desk.engine.step()))

        return sample

    try:
        parts = race({name: on(name) for name in channels}, effort.rounds, effort.dice)
    finally:
        for task in asyncio.all_tasks(loop):
            _ = task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    worst = max(("dead", "hanging", "flooded"), key=lambda name: parts[name].p50)
    note = f"the worst is {worst}; flooded: {FLOOD} alerts wait in the outbox"
    return Measured(parts[worst].p50 / parts["healthy"].p50, parts, note)


def scripted_approval(effort: Effort) -> Measured:
    """From the question to the durable approval: screen, statement, signature, check, append; in milliseconds."""
    loop = asyncio.new_event_loop()
    taken: list[float] = []

    async def proposed(desk: Stage) -> str:
        await desk.start()
        return await desk.propose()

    with bench_folder() as folder:
        for n in range(max(effort.rounds // 2, 5)):
            with SqliteStore(folder / f"desk-{n}.db", ballast_bytes=0) as store:
                desk = stage(store)
                intent = loop.run_until_complete(proposed(desk))
                taken.append(timed(lambda d=desk, i=intent: d.approve(i).unwrap()))  # type: ignore[misc]  # bound now
    loop.close()
    spread = spread_of(taken)
    return Measured(spread.p50 * 1e3, {"approval": spread}, "a software key; the start of the process is not in it")
