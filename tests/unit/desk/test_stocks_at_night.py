"""What is placed again of a stock's protection while its market is closed, and an entry whose stop was refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve as changed

from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.exits import Restore
from phoenix_core.acts.last_look import restorable
from phoenix_core.beads import Alert, Order, OrderEvent
from phoenix_core.facts import BrokerStatus, ErrorSaid
from phoenix_core.kernel import due
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import Stake, stake_of
from phoenix_core.trade.order_life import End
from phoenix_core.trade.positions import Open
from phoenix_core.trade.protection import was_ended_unasked
from phoenix_core.values import CommandId, Role, State
from phoenix_core.watch.codes import Code
from phoenix_core.world import World
from tests.stage import PAIR, Stage
from tests.unit.desk.walks import ref_of, walked

SHARES = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}


def stake(desk: Stage, intent: str) -> Stake:
    """A position with its executions and orders."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return stake_of(position, desk.desk.orders, desk.desk.fills)


def lose(desk: Stage, intent: str) -> None:
    """The broker ends stop and target by itself."""
    for role in (Role.STOP, Role.TARGET):
        name = exit_ref(ref_of(desk, intent), role, 1)
        desk.broker._end(desk.broker.truth.book[name], BrokerStatus.CANCELLED, "a split")


def placed(desk: Stage) -> int:
    """How often protection was recorded after the entry's own."""
    return sum(o.event is OrderEvent.RECORDED and o.frames[0].line.role is Role.STOP for o in desk.bodies(Order))


async def pictured(desk: Stage) -> None:
    """A picture that began after all that was said."""
    await desk.tick(3)
    await desk.tick(301)


class TestNight:
    """What the broker ends by itself while a stock's market is closed waits for the open: a split ends orders first,
    and the account shows the shares later."""

    @pytest.mark.parametrize("pair", ["AAPL", PAIR])
    def test_a_stock_waits_and_a_pair_does_not(self, pair: str) -> None:
        """The same evening, the same loss: a pair trades, and its protection is placed at once."""

        async def walk(desk: Stage) -> None:
            intent = await (desk.enter(**SHARES) if pair == "AAPL" else desk.enter())
            await desk.tick(6 * 3600)  # eight in the evening in New York
            lose(desk, intent)
            await pictured(desk)
            assert placed(desk) == (0 if pair == "AAPL" else 1)
            assert any(one.code == Code.PROTECTION_LOST.value for one in desk.bodies(Alert))
            if pair == "AAPL":
                assert any(isinstance(one, Restore) for one in due(desk.desk, desk.clock.now()))
                await desk.tick(13.4 * 3600)  # 9:30 is over
                await pictured(desk)
            assert placed(desk) == 1 and desk.state(intent) is State.MANAGED

        _ = walked(walk)

    def test_only_what_is_known_to_be_closed_waits(self) -> None:
        """Not where no card tells that it is a stock, and not once the market is open; nor does what we asked to end
        ourselves, as a close that never filled leaves it."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**SHARES)
            assert not was_ended_unasked(stake(desk, intent))
            await desk.tick(6 * 3600)
            lose(desk, intent)
            await desk.tick(3)
            await desk.tick(301)
            world, lost = desk.engine.world(), stake(desk, intent)

            def no(seen: World) -> tuple[Reason, ...]:
                said = restorable(desk.desk, lost, seen)
                return () if said is None else said.reasons

            morning = changed(world.now, wall=world.now.wall + timedelta(hours=14))
            assert was_ended_unasked(lost) and no(world) == (Reason.MARKET_CLOSED,)
            assert no(changed(world, instruments={})) == no(changed(world, now=morning)) == ()
            assert no(changed(world, hours={})) == (Reason.MARKET_CLOSED,), "the table of all stocks says so too"
            asked = tuple(changed(one, cancel_requested=world.now) for one in lost.orders)
            assert not was_ended_unasked(changed(lost, orders=asked))

        _ = walked(walk)


class TestRefused:
    """What was signed is entry, stop and target: of these no entry goes on without the others."""

    @pytest.mark.parametrize("roles", [(Role.STOP, Role.TARGET), (Role.TARGET, Role.STOP)])
    def test_an_entry_whose_exit_was_refused_is_asked_to_end(self, roles: tuple[Role, ...]) -> None:
        """Once, whatever else is refused after it, and a human hears of the order that was refused, and why."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            names = [exit_ref(ref_of(desk, intent), role, 1) for role in roles]
            for name in names:
                said = ErrorSaid(f"test:{name}", desk.broker.session(), 110, "off the tick", name)
                _ = desk.engine.recorder.act(Said(CommandId(f"no {name}"), said))
                known = desk.desk.orders.find(name)
                assert known is not None and known.end is End.REJECTED
            asked = [one.ref for one in desk.bodies(Order) if one.event is OrderEvent.CANCEL_REQUESTED]
            assert asked == [ref_of(desk, intent)]
            (told,) = (one for one in desk.bodies(Alert) if one.code == Code.ORDER_REJECTED.value and one.text)
            assert told.subject == names[0] and "code 110" in told.text

        _ = walked(walk)
