"""What a desk holds or has promised, as the limits are judged by it: exits lessen it, a rest that may fill does not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from unittest import mock

import pytest
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.lights import entry_lights, exposure_of
from phoenix_core.beads import Evidence
from phoenix_core.facts import Held
from phoenix_core.gate.limits import Exposure
from phoenix_core.gate.sizing import at_stake
from phoenix_core.gate.statements import Close
from phoenix_core.orders import exit_ref
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import Price, Quantity, Role, Side, State, spelt
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, filled, ref_of, walked

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


def test_every_position_that_was_approved_counts_and_no_other() -> None:
    """One held, one approved and not sent yet, one proposed: two are open, their instruments have an owner, and what
    is not filled yet is valued at its plan. Each is judged beside the other, wherever it stands."""

    async def walk(desk: Stage) -> None:
        held = await desk.enter(**STOCK)
        _ = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
        approved = await desk.propose()
        _ = desk.approve(approved).unwrap()
        _ = desk.engine.recorder.catch_up()
        first, second = opened(desk, held), opened(desk, approved)
        assert second.state is State.APPROVED and first.average_entry is not None and second.last.average_entry is None
        both = exposed(desk)
        assert (both.open_positions, set(both.busy)) == (2, {"AAPL", "EURUSD"})
        worth = first.held * first.average_entry + second.requested_quantity * second.last.entry_price
        assert both.gross == at_stake(worth)
        for own, other in ((held, second), (approved, first)):
            assert (exposed(desk, own).open_positions, exposed(desk, own).busy) == (1, (other.pair,))

    played(walk)


def test_an_entry_of_another_day_is_none_of_today() -> None:
    """Held overnight: it was yesterday's entry, and judged beside itself it takes nothing from today's."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        assert exposed(desk).entries_today == 1 and exposed(desk, intent).entries_today == 0
        await desk.watch(6 * 3_600, 3_600)
        assert opened(desk, intent).held > 0
        assert exposed(desk).entries_today == exposed(desk, intent).entries_today == 0

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
        world = desk.engine.world()
        assert world.snapshot is not None
        others = (Held("GBPUSD", Decimal(0)), Held("EURUSD", Decimal(5), account="b" * 64))
        seen = evolve(world.snapshot, positions=(*world.snapshot.positions, *others))
        assert exposure_of(desk.desk, evolve(world, snapshot=seen), "").foreign == ("AAPL",), "nothing, or another's"

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
        unread = evolve(by_hand, perm_id=101, echo=None, symbol="")
        assert unread.instrument is None
        seen = evolve(world.snapshot, orders=(*world.snapshot.orders, by_hand, other, unread))
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
        direct = evolve(quote, symbol="CHFUSD", bid=Price(Decimal("1.14")), ask=Price(Decimal("1.16")))
        world = evolve(world, quotes={"USDCHF": quote, "CHFUSD": direct})
        worth = at_stake(held.held * held.average_entry * Decimal("1.15"))
        assert exposure_of(desk.desk, world, "").gross == worth, "a quote of this very rate goes before its inverse"

    played(walk)


@contextmanager
def quoteless(desk: Stage, log: bool = False, thesis: bool = False) -> Iterator[None]:
    """A session that has no quote of it yet; nor has the log, nor is the evidence kept, where a test says so."""
    if log:
        desk.desk.observations.quotes.clear()
    if thesis:
        desk.desk.evidence.current.clear()
    known = MockBroker.quotes
    with mock.patch.object(
        MockBroker, "quotes", lambda broker: {s: q for s, q in known(broker).items() if s != "USDJPY"}
    ):
        yield


async def yen_held(desk: Stage) -> str:
    """A position in yen; answers its intent."""
    desk.broker.set_quote("USDJPY", Price(Decimal("149.995")), Price(Decimal("150.005")))
    return await desk.enter(pair="USDJPY", entry="150.00", stop="149.60", target="150.80")


@shows("I8")
@pytest.mark.parametrize("log", [False, True])
def test_yen_are_not_dollars_for_want_of_a_quote(log: bool) -> None:
    """Where no quote of now says it, the log's last one does, and else what the entry was sized with."""

    async def walk(desk: Stage) -> None:
        position = opened(desk, await yen_held(desk))
        known = exposed(desk).gross
        assert position.average_entry is not None and abs(known - position.held) < position.held / 100
        with quoteless(desk, log):
            assert abs(exposed(desk).gross - known) < 2 and exposed(desk).unvalued == ()

    played(walk)


@shows("I8")
@pytest.mark.parametrize("sent", [True, False])
def test_the_logs_last_quote_goes_before_what_an_entry_was_sized_with(sent: bool) -> None:
    """The yen fell since: what is held, or approved and not sent yet, is worth what the log's last quote says; where
    the evidence is kept no more, what is held is known by its order, if only by one."""

    async def walk(desk: Stage) -> None:
        desk.broker.set_quote("USDJPY", Price(Decimal("149.995")), Price(Decimal("150.005")))
        plan = {"pair": "USDJPY", "entry": "150.00", "stop": "149.60", "target": "150.80"}
        intent = await (desk.enter(**plan) if sent else desk.propose(**plan))
        if not sent:
            _ = desk.approve(intent).unwrap()
            _ = desk.engine.recorder.catch_up()
        position, quotes = opened(desk, intent), desk.desk.observations.quotes
        quotes["USDJPY"] = evolve(quotes["USDJPY"], bid=Price(Decimal(200)), ask=Price(Decimal(200)))
        price = position.average_entry if position.average_entry is not None else position.last.entry_price
        worth = (position.held if sent else position.requested_quantity) * price / 200
        with quoteless(desk):
            assert abs(exposed(desk).gross - worth) < 1
        of = type(desk.desk.orders).of
        first = mock.patch.object(type(desk.desk.orders), "of", lambda orders, name: of(orders, name)[:1])
        with quoteless(desk, thesis=True), first:
            assert exposed(desk).unvalued == (() if sent else ("USDJPY",))
            assert abs(exposed(desk).gross - (worth if sent else 0)) < 1

    played(walk)


@shows("I8")
def test_a_command_values_as_the_engine_does() -> None:
    """A command of the operator sees no quotes of now: what is held in yen is within the limit for it as well."""

    async def walk(desk: Stage) -> None:
        _ = await yen_held(desk)
        other = desk.other()
        _ = other.catch_up()
        theirs = exposure_of(other.desk, other.world(other.desk), "")
        assert abs(theirs.gross - exposed(desk).gross) < 2 and theirs.unvalued == ()
        assert is_successful(desk.approve(await desk.propose()))

    played(walk)


@shows("I8", "S32-EVD-01")
def test_what_was_never_valued_is_red_and_can_be_closed() -> None:
    """No quote of now, none in the log, no evidence: the screen of another intent says UNKNOWN in red and it cannot be
    approved, and an approved one is withheld; a close of the holding is no entry, and leaves."""

    async def walk(desk: Stage) -> None:
        held = await yen_held(desk)
        with quoteless(desk, log=True, thesis=True):
            assert exposed(desk).unvalued == ("USDJPY",) and exposed(desk).gross == 0
            assert exposed(desk, held) == Exposure(entries_today=0), "an intent is not judged beside itself"
            intent = await desk.propose()
            shown = desk.bodies(Evidence)[-1]
            assert {"RED GROSS_LIMIT", "RED worth of USDJPY UNKNOWN"} <= set(shown.flags)
            position = opened(desk, intent)
            light = entry_lights(desk.desk, position, desk.engine.world(), spent=False).limits
            assert light is not None and light.reasons == (Reason.GROSS_LIMIT,) and "UNKNOWN" in light.detail
            _ = desk.sign(Close(held, WORDS)).unwrap()
            await desk.tick(1)
            assert desk.state(held) is State.CLOSED

    played(walk)


@shows("I8")
def test_nothing_held_is_worth_nothing_at_any_rate() -> None:
    """All of it is out and its other exit has not ended yet: no rate is asked for."""

    async def walk(desk: Stage) -> None:
        intent = await yen_held(desk)
        out = filled(desk, exit_ref(ref_of(desk, intent), Role.TARGET, 1), str(opened(desk, intent).held), Side.SELL)
        said = evolve(out, symbol="USDJPY", price=Price(Decimal("150.80")))
        _ = desk.engine.recorder.act(Said(desk.fresh(), said)).unwrap()
        assert opened(desk, intent).held == 0
        with quoteless(desk, log=True, thesis=True):
            assert exposed(desk).unvalued == () and exposed(desk).gross == 0

    played(walk)
