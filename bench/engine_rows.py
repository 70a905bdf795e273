"""The decision path without input and output, beside nautilus_trader's from a decision to a stub client."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench.order_path import Orders, bench_folder
from bench.rows import Effort, Measured
from bench.timing import Sample, race, timed
from phoenix_core.effects import SendOrder
from phoenix_core.gate.statements import read_statement
from phoenix_core.kernel import bead_of, clear, decide, due, evolve, sealed
from phoenix_core.orders import order_hash


def ours(orders: Orders, rehearsed: bool) -> Callable[[], float]:
    """Decide, seal and fold what was accepted, and the last look: everything but the store and the broker."""

    def sample() -> float:
        one = orders.take()
        engine = one.desk.engine
        engine._catch_up()
        desk, now = engine.recorder.desk, engine.clock.now()
        (command,) = due(desk, now)
        world = engine.world()
        if not rehearsed:
            desk.stands.clear()
            order_hash.cache_clear()
            read_statement.cache_clear()

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


def decision_beside(effort: Effort) -> dict[str, Measured]:
    """From `Checked` to a cleared order, with and without the rehearsal, over the way of a bracket from a strategy's
    decision until the stub client has it and the engine knows; and over the two engines alone, whose orders somebody
    made and put into the cache before."""
    try:
        from bench.nautilus_engines import VERSION, Engines
    except ImportError:
        where = f"nautilus_trader is not installed; it may have no wheel for Python {sys.version.split()[0]} here"
        return dict.fromkeys(("decision", "unrehearsed", "engines"), Measured(float("nan"), {}, where))
    whole, alone = Engines(tells=True), Engines(tells=False)
    with bench_folder() as folder:
        orders = Orders(folder)
        competitors: dict[str, Sample] = {
            "phoenix": ours(orders, rehearsed=True),
            "phoenix, not rehearsed": ours(orders, rehearsed=False),
            "nautilus_trader": lambda: timed(whole.decided()),
            "its engines": lambda: timed(alone.engines_alone()),
        }
        parts = race(competitors, effort.rounds, effort.dice)
        orders.take().close()

    def over(mine: str, theirs: str) -> Measured:
        both = {mine: parts[mine], theirs: parts[theirs]}
        return Measured(parts[mine].p50 / parts[theirs].p50, both, f"nautilus_trader {VERSION}")

    return {
        "decision": over("phoenix", "nautilus_trader"),
        "unrehearsed": over("phoenix, not rehearsed", "nautilus_trader"),
        "engines": over("phoenix", "its engines"),
    }
