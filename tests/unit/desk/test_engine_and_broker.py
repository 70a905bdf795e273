"""Between the engine and its broker: what is asked again, what is believed of an answer, and what goes first."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.beads import About, Order, OrderEvent
from phoenix_core.facts import CancelSaid, ErrorSaid, Fact, LinkEvent, LinkSaid, Snapshot
from phoenix_core.records import evolve
from phoenix_core.values import State
from phoenix_core.watch.market_hours import RestartWindow
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import ref_of, walked


async def working(desk: Stage) -> str:
    """An entry that the broker has not answered, and that a kill asks to be cancelled; answers its reference."""
    desk.broker.script(Silence())
    intent = await desk.enter()
    assert desk.state(intent) is State.SUBMITTED
    return ref_of(desk, intent)


def kill(desk: Stage) -> None:
    """A kill that asks for the end of what works."""
    _ = desk.act(RaiseKill(desk.fresh(), "desk", "drawn", "operator", cancel_working=True)).unwrap()


def look(desk: Stage) -> None:
    """Ask for a picture."""
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {})).unwrap()


def test_a_cancel_that_did_not_leave_is_asked_for_again() -> None:
    """The transport was full: the broker's port says that no byte left. The cancel stays owed, and leaves the next
    time, once."""

    async def walk(desk: Stage) -> None:
        ref = await working(desk)
        asked: list[str] = []
        real = MockBroker.cancel

        def stubborn(broker: MockBroker, name: str) -> None:
            asked.append(name)
            if len(asked) == 1:
                broker.tell(CancelSaid(name, False, "the transport does not take it"))
            else:
                real(broker, name)

        kill(desk)
        with mock.patch.object(MockBroker, "cancel", stubborn):
            for _ in range(3):
                await desk.tick(1)
        assert asked == [ref, ref]
        sent = [body.ref for body in desk.bodies(Order) if body.event is OrderEvent.CANCEL_SENT]
        assert sent == [ref]

    _ = walked(walk)


def test_no_cancel_is_thrown_at_a_link_that_is_down() -> None:
    """It is owed until the link stands again, and nobody is asked in vain twenty times a second until then."""

    async def walk(desk: Stage) -> None:
        ref = await working(desk)
        desk.broker.refuse_connects(1)
        desk.broker.cut()
        await desk.engine.step()
        kill(desk)
        with mock.patch.object(MockBroker, "cancel", autospec=True, side_effect=MockBroker.cancel) as cancel:
            await desk.tick(1)
            assert not desk.engine.link.up and not cancel.called
            await desk.watch(60)
            assert [call.args[1] for call in cancel.mock_calls] == [ref]

    _ = walked(walk)


def test_the_frames_leave_before_anything_is_signed_or_written() -> None:
    """A checkpoint takes its time, and so does an answer: both are owed since the decision, and wait for the order."""
    sent: list[int] = []

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()

        def checkpoint() -> str:
            sent.append(desk.sent)
            return ""

        desk.engine.checkpoint = checkpoint
        _ = desk.approve(intent).unwrap()
        await desk.tick()
        assert sent and set(sent) == {3}

    _ = walked(walk)


@shows("I13")
def test_a_picture_that_is_not_whole_replaces_none_that_was() -> None:
    """What is held and what the account is worth stays what the last whole picture said."""

    async def walk(desk: Stage) -> None:
        whole = desk.engine.link.snapshot
        assert whole is not None and whole.complete
        real = MockBroker.snapshot

        async def torn(broker: MockBroker) -> Snapshot:
            return evolve(await real(broker), complete=False, missing=("positions",), equity=None)

        with mock.patch.object(MockBroker, "snapshot", torn):
            look(desk)
            await desk.tick(5)
        assert desk.desk.observations.unknown_streak > 0
        assert desk.engine.link.snapshot == whole and desk.engine.world().equity == whole.equity

    _ = walked(walk)


@shows("I13")
def test_what_was_said_before_a_picture_ended_is_heard_before_it() -> None:
    """A fill that was told while the picture was gathered is in it: it must not differ from a book that lacks it."""

    async def walk(desk: Stage) -> None:
        said = ErrorSaid("m-1", desk.broker.session(), 9_999, "on its way")
        heard: list[Fact] = []
        real = MockBroker.snapshot

        async def beside(broker: MockBroker) -> Snapshot:
            broker.tell(said)
            return await real(broker)

        with (
            mock.patch.object(MockBroker, "snapshot", beside),
            mock.patch.object(desk.engine.link, "hear", heard.append),
        ):
            look(desk)
            await desk.tick(5)
        assert heard[0] == said and isinstance(heard[1], Snapshot)

    _ = walked(walk)


@shows("I16")
def test_an_answer_proves_the_link_for_the_moment_of_its_question() -> None:
    """It took a second and a half: of what came after the question it says nothing."""

    async def walk(desk: Stage) -> None:
        asked: list[timedelta] = []

        async def slow(broker: MockBroker) -> bool:
            asked.append(desk.clock.now().ticks)
            if len(asked) == 1:
                desk.clock.advance(timedelta(milliseconds=1_500))
            return len(asked) == 1

        with mock.patch.object(MockBroker, "round_trip", slow):
            desk.clock.advance(timedelta(seconds=3))
            await desk.engine.step()
            await desk.engine.settle()
        age = desk.engine.world().link.round_trip_age
        assert age == desk.clock.now().ticks - asked[0]

    _ = walked(walk)


@pytest.mark.parametrize("told", [True, False])
@shows("F03", "F45", "I16")
def test_a_link_that_is_back_is_in_step_when_all_was_told_again_and_not_before(told: bool) -> None:
    """1100, 1102: the session stood, and what happened behind it is asked for at once. Until it was told, the link is
    up and not in step; that it was lost may never have been told."""

    async def walk(desk: Stage) -> None:
        asked: list[timedelta] = []

        async def deaf(broker: MockBroker) -> bool:
            asked.append(desk.clock.now().ticks)
            return False

        lost, back = (LinkSaid(event, desk.broker.session()) for event in (LinkEvent.DEGRADED, LinkEvent.RESTORED))
        with mock.patch.object(MockBroker, "resynchronise", deaf):
            desk.broker.tell(*((lost, back) if told else (back,)))
            await desk.tick(1)
            link = desk.engine.world().link
        assert (link.up, link.synchronised, asked) == (True, False, [desk.clock.now().ticks])
        await desk.watch(12, 1)
        assert desk.engine.world().link.synchronised

    _ = walked(walk)


@shows("F01", "I16")
def test_nothing_is_entered_in_the_declared_restart_window() -> None:
    """Approved while the gateway may restart at any moment: the order waits, and leaves when the window is over."""

    async def walk(desk: Stage) -> None:
        desk.engine.link.restart_window = RestartWindow(timedelta(hours=14, minutes=2))
        intent = await desk.propose()
        await desk.watch(70, 5)
        _ = desk.approve(intent).unwrap()
        await desk.watch(30, 1)
        assert (desk.state(intent), desk.sent) == (State.APPROVED, 0)
        desk.engine.link.restart_window = None
        await desk.tick(1)
        assert desk.state(intent) in (State.FILLED, State.MANAGED)

    _ = walked(walk)
