"""Two positions in one instrument: what the broker holds is there once, and no two exits count on it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_adapters.clock import manual_clock
from phoenix_adapters.engine.recorder import Recorder
from phoenix_cli.wiring.bunny.stage import START, first, soft_pen, stage
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.last_look import beside
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Holding, Position, PositionEvent
from phoenix_core.gate.statements import Adopt, Close
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import OrderRef, Price, Quantity, Role, Side, State
from phoenix_core.world import Run, World
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_signed_commands import ADOPT, answered, carried
from tests.unit.desk.walks import WORDS, filled, walked

TEN = Quantity(Decimal(10))
PRICES = (Price(Decimal("1.0850")), Price(Decimal("1.0800")), Price(Decimal("1.0950")))
SHORT = changed(ADOPT, side=Side.SELL, stop=Price(Decimal(195)), target=Price(Decimal(188)))


async def looked(desk: Stage) -> None:
    """Whole pictures, until what differs stands."""
    for _ in range(4):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    await desk.tick(2)


async def adopted(desk: Stage, *says: Adopt) -> tuple[Open, ...]:
    """One position for each: traded by hand, seen, adopted and protected."""
    for one in says:
        desk.broker.trade_by_hand("AAPL", one.side, one.quantity)
        await looked(desk)
        assert await answered(desk, one) == ()
        await looked(desk)
    return desk.desk.positions.in_state(State.MANAGED)


@shows("X1", "X4")
def test_what_a_hand_sold_of_two_is_not_sold_by_both() -> None:
    """Two positions of ten, of which a hand sold ten: closed together, each would count on the ten that are left."""

    async def walk(desk: Stage) -> None:
        first, second = await adopted(desk, ADOPT, ADOPT)
        desk.broker.trade_by_hand("AAPL", Side.SELL, TEN)
        await looked(desk)
        for position in (first, second):
            _ = desk.sign(Close(position.position_id, WORDS)).unwrap()
        await desk.tick(1)
        assert desk.broker.truth.held["AAPL"] == 10
        assert await answered(desk, Close(first.position_id, WORDS, TEN)) == ()  # a human typed what the papers show
        await looked(desk)
        assert desk.broker.truth.held["AAPL"] == 0

    _ = walked(walk)


@shows("X1")
def test_what_left_since_the_picture_is_not_there_to_be_adopted() -> None:
    """A hand bought ten beside ten of ours, and these left since: who signs the adoption twice owns them once."""

    async def walk(desk: Stage) -> None:
        (own,) = await adopted(desk, ADOPT)
        desk.broker.trade_by_hand("AAPL", Side.BUY, TEN)
        await looked(desk)
        assert await answered(desk, ADOPT) == ()
        stop = exit_ref(OrderRef(own.order_ref or ""), Role.STOP, 1)
        out = changed(filled(desk, stop, "10", Side.SELL), symbol="AAPL")
        desk.clock.advance(timedelta(seconds=1))
        _ = desk.engine.recorder.act(Said(desk.fresh(), out)).unwrap()  # the next picture is still on its way
        assert desk.desk.positions.net("AAPL") == 10
        again = desk.engine.recorder.act(carried(desk, ADOPT))
        assert again.failure().reasons == (Reason.SNAPSHOTS_MISSING,)
        births = [p for p in desk.bodies(Position) if p.event is PositionEvent.ADOPTED]
        assert len(births) == 2

    _ = walked(walk)


@shows("X1", "X4")
def test_what_was_held_before_phoenix_was_is_nobodys_to_adopt() -> None:
    """Ten that the founder named are known, and stay: an owner for them could never sell. What comes on top is free."""
    store = MemoryStore()
    founded = first(soft_pen("operator"))
    held = changed(founded, genesis=changed(founded.genesis, baseline=(Holding("AAPL", TEN),)))
    recorder = Recorder(store, lambda _: World(manual_clock(START).now(), Run()))
    assert is_successful(recorder.act(held))

    async def walk(desk: Stage) -> None:
        await looked(desk)
        assert not desk.desk.drifts.open
        assert await answered(desk, ADOPT) == (Reason.EXIT_TOO_LARGE,)
        (own,) = await adopted(desk, ADOPT)
        assert await answered(desk, ADOPT) == (Reason.EXIT_TOO_LARGE,)
        assert await answered(desk, Close(own.position_id, WORDS)) == ()
        await looked(desk)
        assert desk.state(own.intent_id) is State.CLOSED and desk.broker.truth.held["AAPL"] == 10

    made = stage(store)
    made.broker.truth.held["AAPL"] = TEN
    _ = walked(walk, made)


@shows("X1")
def test_nothing_is_adopted_beside_exits_that_still_work_for_nothing() -> None:
    """Ten left at a stop, and the target did not end with it. What a hand buys now could leave with that: the adoption
    waits until it has ended."""

    async def walk(desk: Stage) -> None:
        (own,) = await adopted(desk, ADOPT)
        stop = exit_ref(OrderRef(own.order_ref or ""), Role.STOP, 1)
        working = desk.broker.truth.book[stop]
        with mock.patch.object(type(desk.broker), "cancel"), mock.patch.object(type(desk.broker), "_end"):
            desk.broker._execute(working, TEN)
            desk.broker.trade_by_hand("AAPL", Side.BUY, TEN)
            await looked(desk)
            (over,) = desk.desk.positions.open.values()
            assert over.closing and desk.broker.truth.held["AAPL"] == 10
            assert await answered(desk, ADOPT) == (Reason.PROTECTION_STILL_WORKS,)

    _ = walked(walk)


@shows("X1")
def test_what_exits_took_beyond_what_was_held_is_nobodys_to_adopt() -> None:
    """Stop and target both executed, and a hand bought back what was sold too much: nothing is there, though the book
    of the one lacks as much as the other would hold."""

    async def walk(desk: Stage) -> None:
        (own,) = await adopted(desk, ADOPT)
        pair = [exit_ref(OrderRef(own.order_ref or ""), role, 1) for role in (Role.STOP, Role.TARGET)]
        orders = [desk.broker.truth.book[ref] for ref in pair]
        with mock.patch.object(type(desk.broker), "cancel"), mock.patch.object(type(desk.broker), "_end"):
            for order in orders:
                desk.broker._execute(order, TEN)
        await looked(desk)
        desk.broker.trade_by_hand("AAPL", Side.BUY, TEN)
        await looked(desk)
        assert desk.broker.truth.held["AAPL"] == 0 and desk.desk.positions.net("AAPL") == -10
        assert await answered(desk, ADOPT) == (Reason.EXIT_TOO_LARGE,)

    _ = walked(walk)


@shows("X1")
def test_nothing_is_adopted_beside_exits_of_an_entry_that_still_works() -> None:
    """Half of an entry executed, and its exits work for the whole: what a hand buys beside it waits until they are as
    large as what they protect."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.5")))
        intent = await desk.enter()
        half = desk.broker.truth.held["EURUSD"]
        desk.broker.trade_by_hand("EURUSD", Side.BUY, Quantity(Decimal(20_000)))
        await looked(desk)
        says = Adopt("EURUSD", Side.BUY, Quantity(Decimal(20_000)), *PRICES, "trend", WORDS)
        assert await answered(desk, says) == (Reason.PROTECTION_STILL_WORKS,)
        await desk.tick(120)  # the rest of the entry was asked to end, and what protects it shrinks
        await looked(desk)
        position = desk.position(intent)
        assert isinstance(position, Open) and position.held == half
        assert await answered(desk, says) == ()

    _ = walked(walk)


@shows("X4")
def test_what_left_since_the_picture_was_in_it() -> None:
    """Ten of two positions were left by one of them since the picture: what that shows is not the other one's."""

    async def walk(desk: Stage) -> None:
        first, second = await adopted(desk, ADOPT, ADOPT)
        desk.broker.trade_by_hand("AAPL", Side.SELL, TEN)
        await looked(desk)
        shown = desk.engine.link.snapshot
        assert await answered(desk, Close(first.position_id, WORDS, TEN)) == ()
        assert desk.state(first.intent_id) is State.CLOSED and desk.broker.truth.held["AAPL"] == 0
        desk.engine.link.snapshot = shown  # the next picture is still on its way
        assert beside(desk.desk, second, desk.engine.world()) == 10
        _ = desk.sign(Close(second.position_id, WORDS)).unwrap()
        await desk.tick(0.1)
        assert desk.broker.truth.held["AAPL"] == 0

    _ = walked(walk)


@shows("X4")
def test_what_another_instrument_holds_is_not_beside_it() -> None:
    """Two positions, each alone in its instrument, and one was left since the picture: nothing is beside the other."""

    async def walk(desk: Stage) -> None:
        (own,) = await adopted(desk, ADOPT)
        other = await desk.enter()
        await desk.tick(5)
        await looked(desk)
        assert desk.state(other) is State.MANAGED
        shown = desk.engine.link.snapshot
        assert await answered(desk, Close(other, WORDS)) == ()
        assert desk.state(other) is State.CLOSED
        world = changed(desk.engine.world(), snapshot=shown)
        assert beside(desk.desk, own, world) == beside(desk.desk, own, changed(world, snapshot=None)) == 0

    _ = walked(walk)


@shows("X4")
def test_two_that_stand_against_each_other_can_both_be_left() -> None:
    """Long ten, and a hand sold fifteen, which were adopted: five short are shown, and each may leave what it holds."""

    async def walk(desk: Stage) -> None:
        long, short = await adopted(desk, ADOPT, changed(SHORT, quantity=Quantity(Decimal(15))))
        assert desk.broker.truth.held["AAPL"] == -5
        for position in (short, long):
            assert await answered(desk, Close(position.position_id, WORDS)) == ()
            await looked(desk)
            assert desk.state(position.intent_id) is State.CLOSED
        assert desk.broker.truth.held["AAPL"] == 0

    _ = walked(walk)
