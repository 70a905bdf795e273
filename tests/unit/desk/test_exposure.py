"""What a desk holds or has promised, as the limits are judged by it: exits lessen it, a rest that may fill does not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from fractions import Fraction

from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_core.acts.lights import exposure_of
from phoenix_core.gate.limits import Exposure
from phoenix_core.gate.statements import Close
from phoenix_core.records import evolve
from phoenix_core.trade.positions import Open
from phoenix_core.values import Price, Quantity, Side, spelt
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, walked

STOCK = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}


def exposed(desk: Stage, intent: str = "") -> Exposure:
    """What another intent would be judged beside."""
    return exposure_of(desk.desk, desk.engine.world(), intent)


def played(walk: Callable[[Stage], Coroutine[object, object, None]]) -> None:
    """Play it on a fresh desk."""
    _ = walked(walk)


def opened(desk: Stage, intent: str) -> Open:
    """The open position of an intent."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position


def test_what_was_closed_in_part_is_reserved_no_more() -> None:
    """Half of it is out: the other half counts, in quantity and in money; and nothing of the position's own intent."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter(**STOCK)
        before = opened(desk, intent)
        whole = before.held
        half = Quantity(whole // 2)
        assert exposed(desk).quantities == {"AAPL": whole}
        _ = desk.sign(Close(intent, WORDS, half)).unwrap()
        for _round in range(3):
            await desk.tick(1)
        after = opened(desk, intent)
        assert after.held == whole - half and after.average_entry is not None
        assert exposed(desk).quantities == {"AAPL": whole - half}
        assert exposed(desk).gross == (whole - half) * after.average_entry
        assert exposed(desk, intent) == Exposure(entries_today=0, loss_today=exposed(desk).loss_today)

    played(walk)


def test_the_rest_of_an_entry_is_reserved_for_as_long_as_it_may_fill() -> None:
    """Filled in half and working: the whole counts. Once the rest has ended, the half."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.5")))
        intent = await desk.enter(**STOCK)
        position = opened(desk, intent)
        assert position.entry_working and 0 < position.filled_quantity < position.requested_quantity
        assert exposed(desk).quantities == {"AAPL": position.requested_quantity}
        await desk.watch(100)
        position = opened(desk, intent)
        assert not position.entry_working
        assert exposed(desk).quantities == {"AAPL": position.filled_quantity}

    played(walk)


def test_gains_and_losses_of_a_day_are_one_sum() -> None:
    """What was lost counts as lost, less what was won beside it; on the next trading day nothing is left of it."""

    async def walk(desk: Stage) -> None:
        _ = await desk.enter()
        desk.price("1.08150", "1.08160")
        await desk.watch(6, 2)
        lost = exposed(desk).loss_today
        assert lost > 0 and exposed(desk).entries_today == 1
        desk.price("1.0849", "1.0851")
        _ = await desk.enter()
        desk.price("1.09105", "1.09115")
        await desk.watch(6, 2)
        won = sum(item.realized for item in desk.desk.positions.lately if item.realized > 0)
        assert won > 0 and exposed(desk).loss_today == lost - won
        await desk.watch(6 * 3_600, 3_600)
        assert exposed(desk).entries_today == 0 and exposed(desk).loss_today == 0

    played(walk)


def test_what_is_not_ours_has_its_instrument() -> None:
    """A holding that was bought by hand is an owner of its instrument, as soon as a picture shows it."""

    async def walk(desk: Stage) -> None:
        assert exposed(desk).foreign == ()
        desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(5)))
        await desk.watch(310, 10)
        assert exposed(desk).foreign == ("AAPL",)

    played(walk)


def test_an_order_placed_by_hand_has_its_instrument_too() -> None:
    """Nothing is held yet, and an order that is not ours works there: it is an owner as well. Another account's is
    not, nor is an order of our own."""

    async def walk(desk: Stage) -> None:
        _ = await desk.enter(**STOCK)
        await desk.watch(310, 10)
        world = desk.engine.world()
        assert world.snapshot is not None
        ours = next(said for said in world.snapshot.orders if said.echo is not None)
        assert ours.echo is not None
        echo = evolve(ours.echo, symbol="GBPUSD")
        by_hand = evolve(ours, ref="", perm_id=99, echo=echo)
        other = evolve(by_hand, account="b" * 64, perm_id=100, echo=evolve(echo, symbol="EURUSD"))
        seen = evolve(world.snapshot, orders=(*world.snapshot.orders, by_hand, other))
        assert exposure_of(desk.desk, evolve(world, snapshot=seen), "").foreign == ("GBPUSD",)

    played(walk)


@shows("I8", "F64")
def test_money_of_another_currency_is_in_cents_and_never_less() -> None:
    """A rate that is one over a quote has no end: what is at stake is rounded up to the cent before it is written."""

    async def walk(desk: Stage) -> None:
        _ = await desk.enter()
        world = desk.engine.world()
        card = evolve(world.instruments["EURUSD"], currency="CHF")
        quote = evolve(
            world.quotes["EURUSD"], symbol="USDCHF", bid=Price(Decimal("0.8765")), ask=Price(Decimal("0.8766"))
        )
        world = evolve(world, instruments={"EURUSD": card}, quotes={"USDCHF": quote})
        gross = exposure_of(desk.desk, world, "").gross
        (held,) = desk.desk.positions.open.values()
        assert held.average_entry is not None
        exact = Fraction(held.held) * Fraction(held.average_entry) / Fraction("0.87655")
        assert 0 <= Fraction(gross) - exact < Fraction(1, 100) and len(spelt(gross)) <= 12

    played(walk)
