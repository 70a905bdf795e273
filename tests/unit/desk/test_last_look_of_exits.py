"""The last look at exits: what is shown, what is not ours of it, and when a typed size stands by itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.carry import held_position
from phoenix_core.acts.last_look import baseline_of, booked_at, exit_lights, placeable
from phoenix_core.acts.operate import Observe, ReleaseLease
from phoenix_core.beads import About, Holding
from phoenix_core.effects import SendOrder
from phoenix_core.facts import BrokerStatus, Snapshot
from phoenix_core.gate.statements import Close
from phoenix_core.kernel import clear
from phoenix_core.orders import Frame, exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import close_line, entry_line, stake_of
from phoenix_core.trade.positions import Open
from phoenix_core.values import Account, CommandId, Mode, Quantity, Role, State
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import PAIR, Stage
from tests.unit.desk.test_last_look import Looked
from tests.unit.desk.test_signed_commands import carried
from tests.unit.desk.walks import WORDS, ref_of, said_of, walked

UNIT = Quantity(Decimal(1))


def position_of(desk: Stage, intent: str) -> Open:
    """The position of an intent, which is open."""
    position = held_position(desk.desk, intent)
    assert isinstance(position, Open)
    return position


async def seen(desk: Stage) -> None:
    """A whole picture of this moment."""
    await desk.tick(5)
    await desk.engine.link._look()
    await desk.tick(0.1)


def shown(world: World, held: Decimal) -> World:
    """The same world, whose picture shows so much."""
    assert isinstance(world.snapshot, Snapshot)
    rows = tuple(changed(row, quantity=held) for row in world.snapshot.positions)
    return changed(world, snapshot=changed(world.snapshot, positions=rows))


def young(world: World) -> World:
    """The same world in a session that has begun since its picture."""
    return changed(world, link=changed(world.link, session=world.link.session + 1))


def closing(desk: Stage, intent: str, quantity: Quantity | None) -> Looked:
    """The very moment of the last look of a close of this size, that was recorded and is owed."""
    _ = desk.engine.recorder.act(carried(desk, Close(intent, WORDS, quantity))).unwrap()
    (owed,) = [(key, send) for key, send in desk.desk.owed.items() if isinstance(send, SendOrder)]
    return desk.desk, *owed, desk.engine.world()


def said_no(looked: Looked, world: World) -> set[Reason]:
    """Every reason for which an owed exit would not leave now."""
    result = clear(*looked[:3], world)
    return set() if is_successful(result) else set(result.failure().reasons)


async def doubted(desk: Stage, held: Decimal) -> None:
    """The broker shows so much for so long that it is a drift."""
    desk.broker.spoof(PAIR, held)
    for _ in range(8):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    assert desk.desk.drifts.open


@shows("X4")
def test_a_typed_size_stands_by_itself_only_under_doubt() -> None:
    """A hand sold some, and the picture says so: what was typed before is not there any more, and does not leave.
    Where no picture of this session says anything a typed size is all there is."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await seen(desk)
        held = position_of(desk, intent).held
        typed = closing(desk, intent, Quantity(held))
        world = typed[3]
        less = shown(world, desk.desk.positions.net(PAIR) / 2)
        assert said_no(typed, world) == set()
        assert said_no(typed, less) == {Reason.EXIT_WRONG_SIZE}
        assert said_no(typed, changed(world, snapshot=None)) == said_no(typed, young(less)) == set()

    _ = walked(walk)


@shows("X4")
def test_what_is_asked_to_be_placed_is_judged_like_what_will_leave() -> None:
    """A close by hand, before its protection ends for it: a size that the picture does not show is refused, typed or
    not, until a drift says that picture and book differ; then what a human typed is all there is to go by."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await seen(desk)
        position = position_of(desk, intent)

        def judged(typed: bool, world: World) -> set[Reason]:
            stake = stake_of(position, desk.desk.orders, desk.desk.fills)
            entry = entry_line(stake)
            assert entry is not None
            line = close_line(entry, Quantity(position.held))
            frames = (Frame(exit_ref(ref_of(desk, intent), Role.CLOSE, 2), 1, "", line),)
            no = placeable(desk.desk, stake, frames, world, typed)
            return set() if no is None else set(no.reasons)

        world, half = desk.engine.world(), desk.desk.positions.net(PAIR) / 2
        less = shown(world, half)
        assert judged(False, world) == judged(True, world) == set()
        assert judged(False, less) == judged(True, less) == {Reason.EXIT_WRONG_SIZE}
        assert judged(False, young(less)) == {Reason.EXIT_WRONG_SIZE} and judged(True, young(less)) == set()
        await doubted(desk, half)
        world = desk.engine.world()
        assert judged(False, world) == {Reason.EXIT_WRONG_SIZE} and judged(True, world) == set()

    _ = walked(walk)


@shows("X1", "X4")
def test_a_typed_close_leaves_under_a_drift_whatever_the_picture_shows() -> None:
    """The desk holds what it bought, and the broker shows half of it: the human who typed the size knows which."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        held = Quantity(position_of(desk, intent).held)
        await doubted(desk, desk.desk.positions.net(PAIR) / 2)
        _ = desk.engine.recorder.act(carried(desk, Close(intent, WORDS, held))).unwrap()
        await desk.tick(1)  # its protection ends first: it would be for more than is shown
        await desk.tick(1)
        assert desk.state(intent) is State.CLOSED and not any(desk.broker.truth.held.values())

    _ = walked(walk)


@shows("X1")
def test_what_ended_before_the_picture_is_in_the_picture() -> None:
    """A stop's last word was a unit ahead of its executions, and a picture of well after that shows all of it still
    there: nothing of it is on its way, and the whole may leave. Where no picture of this session does, it may not."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        stop, target = (exit_ref(ref_of(desk, intent), role, 1) for role in (Role.STOP, Role.TARGET))
        desk.broker.truth.book.clear()
        ends = said_of(desk, stop, BrokerStatus.CANCELLED, "1"), said_of(desk, target, BrokerStatus.CANCELLED)
        for n, end in enumerate(ends):  # no turn of the engine's own: nothing is placed again meanwhile
            _ = desk.engine.recorder.act(Said(CommandId(f"end-{n}"), end)).unwrap()
        desk.clock.advance(timedelta(seconds=2))
        await desk.engine.link._look()
        held, picture = Quantity(position_of(desk, intent).held), desk.engine.world().snapshot
        stake = stake_of(position_of(desk, intent), desk.desk.orders, desk.desk.fills)
        assert picture is not None and stake.unbooked() == 1 and stake.unbooked(picture.began.wall) == 0
        command = carried(desk, Close(intent, WORDS, held))
        desk.clock.advance(timedelta(seconds=2))  # it was waited for, in vain
        _ = desk.engine.recorder.act(command).unwrap()
        ((key, send),) = [(key, send) for key, send in desk.desk.owed.items() if isinstance(send, SendOrder)]
        looked = desk.desk, key, send, desk.engine.world()
        assert said_no(looked, looked[3]) == set()
        assert said_no(looked, young(looked[3])) == {Reason.EXIT_TOO_LARGE}

    _ = walked(walk)


@shows("X3")
def test_an_exit_leaves_under_the_same_account_mode_and_lease_alone() -> None:
    """Another mode, a lease that was given up; and a login whose account is another one says so without a link too."""

    async def walk(desk: Stage) -> None:
        world = desk.engine.world()

        def no(world: World) -> set[Reason]:
            lights = [light for light in exit_lights(desk.desk, world) if light is not None]
            return {reason for light in lights for reason in light.reasons}

        down = changed(world, link=changed(world.link, up=False))
        others = (Account("b" * 64, "OTHER"),)
        assert no(world) == set() and no(down) == no(changed(down, accounts=())) == {Reason.LINK_DOWN}
        assert no(changed(down, accounts=others)) == {Reason.LINK_DOWN, Reason.ACCOUNT_MISMATCH}
        paper = changed(world, run=changed(world.run, mode=Mode.PAPER))
        assert no(paper) == {Reason.MODE_MISMATCH}
        _ = desk.engine.recorder.act(ReleaseLease(CommandId("release"))).unwrap()
        epochs = range(desk.desk.head.size)  # of all places in the log none is a lease of this desk any more
        runs = [changed(world, run=changed(world.run, epoch=epoch)) for epoch in epochs]
        assert desk.desk.tenure.released and all(no(other) == {Reason.LEASE_LOST} for other in (world, *runs))

    _ = walked(walk)


@shows("X4")
def test_what_was_there_before_is_counted_by_instrument() -> None:
    """A founder's shares are no part of a pair, nor the other way round."""

    async def walk(desk: Stage) -> None:
        genesis = desk.desk.genesis
        before = (Holding("AAPL", Decimal(3)), Holding(PAIR, Decimal(-5)), Holding("AAPL", Decimal(4)))
        desk.desk.tenure.genesis = changed(genesis, baseline=before)
        assert [baseline_of(desk.desk, symbol) for symbol in ("AAPL", PAIR, "MSFT")] == [7, -5, 0]

    _ = walked(walk)


@shows("X4")
def test_what_is_booked_at_a_picture_was_executed_before_it_began() -> None:
    """What executed in that very moment, or later, the picture may not show. What a human stated was there before."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        position, picture = position_of(desk, intent), desk.engine.world().snapshot
        (bought,) = desk.desk.fills.of(position.position_id)
        assert picture is not None

        def booked(since: timedelta) -> Decimal:
            began = changed(picture.began, wall=bought.at + since)
            return booked_at(desk.desk, PAIR, changed(picture, began=began))

        instant, net = timedelta(microseconds=1), desk.desk.positions.net(PAIR)
        assert [booked(since) for since in (-instant, timedelta(0), instant)] == [0, 0, net]
        kept = desk.desk.fills
        rows = tuple(changed(fill, stated=True) for fill in kept.of(position.position_id))
        with mock.patch.object(type(kept), "of", return_value=rows):
            assert booked(-instant) == net

    _ = walked(walk)
