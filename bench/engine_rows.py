"""The decision path without input and output, beside nautilus_trader's risk and execution engines to a stub client."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench.order_path import Orders, bench_folder
from bench.rows import Effort, Measured
from bench.timing import race, timed
from phoenix_core.effects import SendOrder
from phoenix_core.kernel import bead_of, clear, decide, due, evolve, sealed


def ours(orders: Orders) -> Callable[[], float]:
    """Decide, seal and fold what was accepted, and the last look: everything but the store and the broker."""

    def sample() -> float:
        one = orders.take()
        engine = one.desk.engine
        engine._catch_up()
        desk, now = engine.recorder.desk, engine.clock.now()
        (command,) = due(desk, now)
        world = engine.world()

        def way() -> None:
            ruling = decide(desk, command, world)
            records = sealed(desk.head, world.now.wall, command.command_id, ruling)
            for record in records:
                _ = evolve(desk, bead_of(record))
            key, send = next((k, owed) for k, owed in desk.owed.items() if isinstance(owed, SendOrder))
            _ = clear(desk, key, send, world).unwrap()

        took = timed(way)
        one.close()
        _ = orders.prepare()
        return took

    return sample


def decision_beside(effort: Effort) -> Measured:
    """From `Checked` to a cleared order, over a bracket through nautilus_trader's RiskEngine and ExecutionEngine."""
    try:
        from bench.nautilus_engines import VERSION, Engines
    except ImportError:
        where = f"nautilus_trader is not installed; it may have no wheel for Python {sys.version.split()[0]} here"
        return Measured(float("nan"), {}, where)
    engines = Engines()
    with bench_folder() as folder:
        orders = Orders(folder)

        def theirs() -> float:
            return timed(engines.place())

        parts = race({"phoenix": ours(orders), "nautilus_trader": theirs}, effort.rounds, effort.dice)
        orders.take().close()
    return Measured(parts["phoenix"].p50 / parts["nautilus_trader"].p50, parts, f"nautilus_trader {VERSION}")
