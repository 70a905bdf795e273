"""Failures that others had in public and that no other test here shows on its own: each on a whole desk."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Final, NoReturn

import pytest
from attrs import evolve
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Dawdle, Fill, Partial, Silence
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_cli.wiring.signing import screen_of
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.acts.submit import Present
from phoenix_core.beads import (
    Evidence,
    KillEvent,
    KillFlag,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Signal,
    SignalEvent,
    T2Token,
)
from phoenix_core.desk import Desk
from phoenix_core.effects import SendOrder
from phoenix_core.facts import BrokerStatus, FrameSaid
from phoenix_core.kernel import ClearedOrder, clear, decide
from phoenix_core.ports import Broker
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.trade.positions import Open, position_id_of
from phoenix_core.values import Quantity, State, utc_text
from phoenix_core.watch.alerts import Message
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import Stage, restarted, stage


class Refusing:
    """A channel that breaks whenever it is used."""

    name = "broken"

    async def send(self, message: Message) -> bool:
        """Never."""
        raise OSError("no route")


def _counted(patch: pytest.MonkeyPatch) -> list[ClearedOrder]:
    """Every hand-over from now on, by whatever broker."""
    handed: list[ClearedOrder] = []
    honest = MockBroker.hand_over

    def hand_over(broker: MockBroker, cleared: ClearedOrder) -> None:
        handed.append(cleared)
        honest(broker, cleared)

    patch.setattr(MockBroker, "hand_over", hand_over)
    return handed


def _ref(desk: Stage, intent: str) -> str:
    """The reference of the order of an intent that is not over."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position.order_ref


@shows("F09")
def test_an_order_that_every_query_denies_is_not_rejected_for_it() -> None:
    """F09: open orders and pictures know nothing of an order; it is STALLED, and its fill is still its own."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.script(Silence(fills=False))
        intent = await desk.enter()
        working = next(w for w in desk.broker.truth.book.values() if "." not in w.frame.ref)
        hidden = {ref: desk.broker.truth.book.pop(ref) for ref in tuple(desk.broker.truth.book)}
        await desk.watch(200)
        assert desk.state(intent) is State.STALLED
        ends = [p for p in desk.bodies(Position) if p.state in (State.REJECTED, State.CANCELLED)]
        assert ends == []
        desk.broker.truth.book.update(hidden)
        desk.broker._acknowledge(working)
        desk.broker._execute(working, working.remaining)
        await desk.tick()
        assert desk.state(intent) in (State.FILLED, State.MANAGED)

    asyncio.run(walk())


@shows("F25")
def test_an_order_is_sent_once_however_long_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """F25: no word of the order, and the queries are broken too: ten minutes later still one hand-over."""
    handed = _counted(monkeypatch)

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.script(Silence(fills=True))
        desk.broker.hush()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        await desk.watch(600)
        assert desk.state(intent) is State.STALLED
        desk.broker.hush(False)
        await desk.watch(400)
        assert desk.state(intent) in (State.FILLED, State.MANAGED)

    asyncio.run(walk())
    assert len([one for one in handed if one.is_entry]) == 1


@shows("F29")
@pytest.mark.parametrize("hours", [1, 60])
def test_an_old_intent_gets_no_token(hours: int) -> None:
    """F29: an alert that is hours old, and one that was there before, are refused, and nothing can be approved."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        created = utc_text(desk.clock.now().wall - timedelta(hours=hours))
        old = desk.act(proposal_of("", desk.signal(created_at=created), "bot"))
        assert not is_successful(old) and Reason.SIGNAL_TOO_OLD in old.failure().reasons
        intent = await desk.propose()
        again = desk.act(proposal_of("", desk.signal(intent_id=intent), "bot"))
        assert not is_successful(again) and Reason.SIGNAL_SEEN_BEFORE in again.failure().reasons
        events = [signal.event for signal in desk.bodies(Signal)]
        assert events == [SignalEvent.REFUSED, SignalEvent.ACCEPTED, SignalEvent.REFUSED]
        assert desk.bodies(T2Token) == [] and desk.sent == 0

    asyncio.run(walk())


@shows("F62")
def test_an_order_without_an_id_survives_every_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """F62: the broker gives no id and no word; two restarts later the desk runs, and the order is STALLED."""
    handed = _counted(monkeypatch)

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.script(Dawdle(timedelta(hours=5)))
        intent = await desk.enter()
        ref = _ref(desk, intent)
        desk.broker.truth.book.clear()  # and no query shows it
        desk.broker.tell(FrameSaid(ref, 1, True, 0))
        await desk.tick()
        for run in ("run-2", "run-3"):
            desk.broker.cut()
            desk = restarted(desk, run)
            await desk.start()
            await desk.watch(100)
        assert desk.state(intent) is State.STALLED
        assert all(order.order_id != 0 for order in desk.bodies(Order))

    asyncio.run(walk())
    assert len(handed) == 1


@shows("F72")
def test_a_kill_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """F72: notifier, broker and cancel all raise; after the kill not one entry leaves, approved before or not."""
    handed = _counted(monkeypatch)

    def broken(*_: object) -> NoReturn:
        raise OSError("everything is down")

    async def walk() -> None:
        desk = stage(notifiers=(Refusing(),))
        await desk.start()
        before = await desk.propose()
        waiting = desk.screen(before)
        monkeypatch.setattr(MockBroker, "cancel", broken)
        monkeypatch.setattr(MockBroker, "snapshot", broken)
        _ = desk.sign(waiting.says).unwrap()
        assert is_successful(desk.act(RaiseKill(desk.fresh(), "desk", "stop", "operator", cancel_working=True)))
        after = desk.act(proposal_of("", desk.signal(pair="GBPUSD", **GBP), "bot"))
        assert is_successful(after)
        await desk.watch(20)
        assert desk.state(before) is State.CANCELLED
        for position in desk.desk.positions.in_state(State.PROPOSED):
            assert not is_successful(desk.approve(position.intent_id))
        await desk.watch(20)

    asyncio.run(walk())
    assert [one for one in handed if one.is_entry] == []


class Unheard(Exception):
    """What nobody expects of a broker's port."""


PORT: Final = tuple(sorted(name for name in vars(Broker) if not name.startswith("_")))


@shows("F72")
@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("name", PORT)
def test_a_kill_needs_none_of_what_the_broker_does(name: str, killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """F72: any one thing that is asked of the broker raises while the kill lands, and is whole again soon after. No
    entry leaves, then or later; in the same course without the kill one does: nothing else stopped it."""
    handed = _counted(monkeypatch)
    honest = vars(MockBroker)[name]

    def broken(broker: MockBroker, *asked: object) -> NoReturn:
        if name == "hand_over":
            honest(broker, *asked)  # what matters of this one is that it was asked
        raise Unheard(name)

    async def walk() -> None:
        desk = stage(notifiers=(Refusing(),))
        await desk.start()
        waiting = desk.screen(await desk.propose())
        monkeypatch.setattr(MockBroker, name, broken)
        _ = desk.sign(waiting.says).unwrap()
        if killed:
            assert is_successful(desk.act(RaiseKill(desk.fresh(), "desk", "stop", "operator", cancel_working=True)))
        for seconds in (1, 1, 5, 5, 5, 5):
            if seconds == 5:
                monkeypatch.setattr(MockBroker, name, honest)
            with suppress(Unheard):  # a loop that ends over it sends nothing either
                await desk.tick(seconds)
        assert [flag.event for flag in desk.bodies(KillFlag)] == [KillEvent.RAISED] * killed
        intent = waiting.says.intent
        if killed:
            assert not is_successful(desk.act(Present(desk.fresh(), desk.token(intent), intent)))

    asyncio.run(walk())
    assert len([one for one in handed if one.is_entry]) == (0 if killed else 1)


GBP = {"entry": "1.2700", "stop": "1.2670", "target": "1.2760"}


@shows("F73")
def test_an_empty_account_raises_no_kill() -> None:
    """F73: nothing held, nothing traded, an hour of nothing: no flag goes up, and no drift is seen."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        await desk.watch(3600, every=20)
        assert desk.bodies(KillFlag) == []
        assert not desk.desk.drifts.open

    asyncio.run(walk())


@shows("F74")
def test_a_kill_that_cancels_reports_each_working_order_once() -> None:
    """F74: two partly filled entries and a kill that cancels: one cancel each, an outcome each, exits left alone."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.script(Partial(Decimal("0.5")), Partial(Decimal("0.5")))
        intents = [await desk.enter(), await desk.enter(pair="GBPUSD", **GBP)]
        _ = desk.act(RaiseKill(desk.fresh(), "desk", "stop", "operator", cancel_working=True)).unwrap()
        await desk.watch(30)
        refs = {_ref(desk, intent) for intent in intents}
        orders = desk.bodies(Order)
        asked = [order.ref for order in orders if order.event is OrderEvent.CANCEL_REQUESTED]
        ended = {order.ref: order.status for order in orders if order.event is OrderEvent.ENDED}
        assert sorted(asked) == sorted(refs)
        assert {ended[ref] for ref in asked} == {BrokerStatus.CANCELLED.value}
        assert {desk.state(intent) for intent in intents} == {State.MANAGED}

    asyncio.run(walk())


@shows("F77")
@pytest.mark.parametrize("quantity", ["25000.5", "0.1", "20000.0001"])
def test_a_quantity_off_the_lot_is_refused_and_not_rounded(quantity: str) -> None:
    """F77: whoever asks for a quantity that the instrument does not trade gets no order, not a rounded one either."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        command = proposal_of("", desk.signal(quantity=quantity), "bot")
        assert decide(desk.desk, command, desk.engine.world()).result.failure().headline is Reason.QUANTITY_OFF_GRID
        intent = desk.other().act(command).unwrap().subject  # by the door of a process that has no contract card
        await desk.watch(60)
        assert isinstance(screen_of(desk.desk, intent, desk.clock.now()), Refusal)  # nothing to look at, or to sign
        assert desk.desk.positions.ended[position_id_of(intent)].reasons[0] == Reason.QUANTITY_OFF_GRID.value
        assert desk.bodies(Evidence) == [] and desk.sent == 0
        assert all(p.event is not PositionEvent.APPROVED for p in desk.bodies(Position))

    asyncio.run(walk())


@shows("F75")
def test_more_out_than_in_is_never_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """F75: a frame grown on its way to the last look is no longer what was approved: nothing leaves."""

    handed = _counted(monkeypatch)

    async def walk() -> Stage:
        desk = stage()
        await desk.start()
        desk.broker.script(Fill())

        def grown(found: Desk, key: tuple[int, int], send: SendOrder, world: World) -> Result[ClearedOrder, Refusal]:
            first, *rest = send.frames
            larger = evolve(first, line=evolve(first.line, quantity=Quantity(first.line.quantity * 2)))
            return clear(found, key, evolve(send, frames=(larger, *rest)), world)

        monkeypatch.setattr("phoenix_adapters.engine.loop.clear", grown)
        _ = await desk.enter()
        return desk

    desk = asyncio.run(walk())
    assert handed == [] and desk.sent == 0
    dropped = [order for order in desk.bodies(Order) if order.event is OrderEvent.DROPPED]
    assert len(dropped) == 1
