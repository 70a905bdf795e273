"""Rows about the pure core: transitions, the drift check, a fill among many positions, what the folded state weighs."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise

from returns.pipeline import is_successful
from statemachine import State as MachineState
from statemachine import StateMachine
from transitions import Machine

from bench.days import day_of, one_day, renamed, trade
from bench.rows import Effort, Measured
from bench.timing import race, timed
from phoenix_core.acts.broker_said import Said
from phoenix_core.beads import Bead, Kind, Order, PositionEvent, body_of
from phoenix_core.canonical import decode, encode
from phoenix_core.chain import unseal
from phoenix_core.desk import Desk, evolve
from phoenix_core.facts import ExecutionSaid, Held, Snapshot
from phoenix_core.kernel import bead_of, decide, sealed
from phoenix_core.trade.transitions import move
from phoenix_core.values import CommandId, Moment, Price, Quantity, Role, Side, State, derived_id
from phoenix_core.watch.compare import Book, compare
from phoenix_core.world import World

LAPS = 200
WALK = (
    PositionEvent.APPROVED,
    PositionEvent.SUBMITTED,
    PositionEvent.FILLED,
    PositionEvent.PROTECTED,
    PositionEvent.CLOSED,
)
CHANGED = 50
WINDOWS_FULL = 45_000  # five days of a trade every six minutes, and more of each kind than any window keeps


def _ours() -> None:
    for _ in range(LAPS):
        state = State.PROPOSED
        for event in WALK:
            moved = move(state, event)
            assert is_successful(moved), "the walk is legal"
            state = moved.unwrap()


class Walker:
    """A model for `transitions`."""

    state: str


def _transitions() -> Machine:
    names = ["proposed", "approved", "submitted", "filled", "managed", "closed"]
    machine = Machine(Walker(), states=names, initial="proposed", auto_transitions=False)
    for name, (source, target) in zip(WALK, pairwise(names), strict=True):
        machine.add_transition(name.value, source, target)
    machine.add_transition("again", "closed", "proposed")
    return machine


class Walk(StateMachine):
    """The same walk for `python-statemachine`."""

    proposed = MachineState(initial=True)
    approved = MachineState()
    submitted = MachineState()
    filled = MachineState()
    managed = MachineState()
    closed = MachineState()
    go = (
        proposed.to(approved)
        | approved.to(submitted)
        | submitted.to(filled)
        | filled.to(managed)
        | managed.to(closed)
        | closed.to(proposed)
    )


def transitions_beside(effort: Effort) -> dict[str, Measured]:
    """One checked transition of a walk through six states, in three libraries."""
    machine, walk = _transitions(), Walk()
    steps = [getattr(machine.model, event.value) for event in WALK] + [getattr(machine.model, "again")]  # noqa: B009 - made at run time, like the others

    def with_transitions() -> None:
        for _ in range(LAPS):
            for step in steps:
                step()

    def with_statemachine() -> None:
        for _ in range(LAPS // 10 * 6):
            walk.go()

    parts = race(
        {
            "phoenix": lambda: timed(_ours) / (LAPS * 5),
            "transitions": lambda: timed(with_transitions) / (LAPS * 6),
            "python-statemachine": lambda: timed(with_statemachine) / (LAPS // 10 * 6),
        },
        effort.rounds,
        effort.dice,
    )
    mine = parts["phoenix"].p50
    return {name: Measured(parts[name].p50 / mine, parts) for name in ("transitions", "python-statemachine")}


def drift_check(effort: Effort) -> Measured:
    """A whole comparison with 50 changed symbols among 1,000 and among 100,000: a hundred times the work, or more?"""

    def at(count: int) -> tuple[Book, Snapshot]:
        holdings = {f"S{n:06d}": Decimal(n % 90 + 1) for n in range(count)}
        now = Moment(bead_of(one_day()[0][-1]).ts, timedelta(hours=1), "boot")
        held = tuple(
            Held(symbol=symbol, quantity=Decimal(quantity + 1 if n < CHANGED else quantity), account="a" * 64)
            for n, (symbol, quantity) in enumerate(holdings.items())
        )
        return Book("a" * 64, 1, holdings, {}, (), {}, {}), Snapshot(1, now, now, True, held, account="a" * 64)

    pairs = {count: at(count) for count in (10, 1000, 100_000)}
    for count, (book, picture) in pairs.items():
        found = compare(book, picture, {}).found
        assert len(found) == min(count, CHANGED), f"{len(found)} drifts of {count} holdings"
    parts = race(
        {f"{count}": partial(timed, partial(compare, book, picture, {})) for count, (book, picture) in pairs.items()},
        max(effort.rounds // 3, 5),
        effort.dice,
    )
    return Measured(parts["100000"].p50 / parts["1000"].p50 / 100, parts, "1 is linear")


@cache
def _submitted() -> tuple[tuple[Bead, ...], World, tuple[tuple[str, str], ...]]:
    """A desk's beginning, the engine's world on it, and a trade's beads up to the acknowledgement of its orders."""
    begun, traded = one_day()

    async def look() -> World:
        from phoenix_cli.wiring.bunny.stage import stage

        desk = stage()
        await desk.start()
        _ = await trade(desk, close=False)
        return desk.engine.world()

    world = asyncio.run(look())
    kept: list[tuple[str, str]] = []
    for record in traded:
        if record.kind == Kind.EXECUTION.value:
            break
        if record.kind in (Kind.POSITION.value, Kind.ORDER.value):
            kept.append((record.kind, encode(record.body).decode()))
    return tuple(bead_of(record) for record in begun), world, tuple(kept)


def crowded(count: int) -> tuple[Desk, World, list[Order]]:
    """A desk with so many working entries, and the entry orders themselves."""
    begun, world, kept = _submitted()
    desk, entries = Desk(), []
    for bead in begun:
        desk = evolve(desk, bead)
    at = begun[-1].ts
    for copy in range(1, count + 1):
        for kind, text in kept:
            decoded = decode(renamed(text, copy, len(kept)).encode()).unwrap()
            assert isinstance(decoded, dict), "a body is an object"
            body, bead_id, _ = body_of(kind, decoded)
            desk = evolve(desk, Bead(desk.head.size, at, bead_id, body, f"{desk.head.size:064x}"))
            if isinstance(body, Order) and body.role is Role.ENTRY and body.perm_id:
                entries.append(body)
    return desk, world, entries


def fill_among(effort: Effort) -> Measured:
    """Judge and fold one execution with 10 and with many working positions on the desk."""
    many = 10_000 if effort.beads >= 20_000 else 1000

    def filler(count: int) -> object:
        desk, world, entries = crowded(count)
        left = list(entries)
        assert len(left) == count, "every position has an acknowledged entry"

        def sample() -> float:
            if not left:
                desk_again, _, entries_again = crowded(count)
                left.extend(entries_again)
                state[0] = desk_again
            entry = left.pop()
            said = ExecutionSaid(
                f"bench:{entry.ref}",
                1,
                f"bench.{entry.ref}.01",
                entry.ref,
                "a" * 64,
                entry.perm_id or 0,
                "EURUSD",
                Side.BUY,
                Quantity(Decimal(1000)),
                Price(Decimal("1.0850")),
                world.now.wall,
            )
            return timed(lambda: fill(said))

        state = [desk]

        def fill(said: ExecutionSaid) -> None:
            command_id = CommandId(derived_id("bench", said.exec_id))
            ruling = decide(state[0], Said(command_id, said), world)
            records = sealed(state[0].head, world.now.wall, command_id, ruling)
            for record, draft in zip(records, ruling.drafts, strict=True):
                bead = Bead(record.seq, world.now.wall, record.bead_id, draft.body, record.leaf.hex(), draft.settles)
                state[0] = evolve(state[0], bead)

        return sample

    samples = {"10": filler(10), f"{many}": filler(many)}
    parts = race(samples, effort.rounds, effort.dice)  # type: ignore[arg-type]  # closures over their own desks
    return Measured(parts[f"{many}"].p50 / parts["10"].p50, parts)


def folded_state(effort: Effort) -> Measured:
    """Megabytes of a million beads: what the last third of a long log, read as a restart reads it, adds to the desk.

    The rest before it fills what is kept of the latest days and the latest few hundred; from there on it grows evenly.
    """
    count = max(effort.beads, WINDOWS_FULL * 3 // 2)
    return Measured(_grown(count), {}, f"extrapolated from {count // 3} beads of {count}; MB, not a ratio")


@cache
def _grown(count: int) -> float:
    """Memory has no moods: one look is enough for every run."""
    desk, begun = Desk(), 0
    tracemalloc.start()
    try:
        for record in day_of(count):
            if desk.head.size == count * 2 // 3:
                gc.collect()
                begun, _ = tracemalloc.get_traced_memory()
            desk = evolve(desk, bead_of(unseal(record.data).unwrap()))
        gc.collect()
        ended, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (ended - begun) / (desk.head.size - count * 2 // 3)
