"""D6: what no engine answered is taken back before anybody says NOT SENT, and then nothing can come of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from returns.result import Result

from phoenix_core.acts.take_back import NOT_ANSWERED, TakeBack
from phoenix_core.beads import About, Observation, Order, OrderEvent, Position, Settlement, T2Token, TokenEvent
from phoenix_core.effects import CarryOut
from phoenix_core.gate.statements import CancelOrphans, Close, Protect, Resume, Says
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.trade.positions import position_id_of
from phoenix_core.values import Quantity, State
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_amends import apart
from tests.unit.desk.test_signed_commands import ADOPT
from tests.unit.desk.walks import WORDS, walked


def taken_back(desk: Stage) -> Result[Accepted, Refusal]:
    """Take the newest decision back, as the process that signed it would."""
    other = desk.other()
    _ = other.catch_up()
    return other.act(TakeBack(desk.fresh(), max(other.desk.approvals.recent)))


class TestApproval:
    """An approval that no engine acts on: withdrawn, its token revoked, and no order leaves on it, however late."""

    @shows("I2")
    def test_nothing_leaves_on_an_approval_that_was_taken_back(self) -> None:
        """The engine slept for two seconds, and for another hour: it wakes up and sends nothing."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            _ = taken_back(desk).unwrap()
            await desk.watch(60)
            assert desk.sent == 0
            assert desk.state(intent) is State.CANCELLED
            last = [b for b in desk.bodies(Position) if b.intent_id == intent][-1]
            assert last.reasons == (NOT_ANSWERED,)
            tokens = [(b.event, b.final, b.reasons) for b in desk.bodies(T2Token)]
            assert tokens[-1] == (TokenEvent.REJECTED, True, (Reason.ENGINE_NOT_RUNNING.value,))

        _ = walked(walk)

    def test_what_was_sent_is_not_taken_back(self) -> None:
        """The engine was faster: nothing is there to take back, and the position stands."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            assert taken_back(desk).failure().reasons == (Reason.NOTHING_TO_DO,)
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk)

    def test_another_approval_is_left_alone(self) -> None:
        """Two approvals wait: the one that is named goes, the other one is sent."""

        async def walk(desk: Stage) -> None:
            first = await desk.propose()
            second = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2665", target="1.2770")
            _ = desk.approve(first).unwrap()
            _ = desk.approve(second).unwrap()
            _ = taken_back(desk).unwrap()
            await desk.tick()
            assert desk.state(first) is State.MANAGED
            assert desk.state(second) is State.CANCELLED

        _ = walked(walk)


class TestCommand:
    """A signed command that waits for the engine: taken back, its obligation is settled as dropped."""

    @pytest.mark.parametrize(
        "says",
        [
            lambda held: Close(held, WORDS),
            Protect,
            lambda held: CancelOrphans("drift", ("ref",)),
            lambda held: Resume(),
            lambda held: ADOPT,
        ],
        ids=["close", "protect", "cancel-orphans", "resume", "adopt"],
    )
    def test_a_command_that_was_taken_back_is_never_carried_out(self, says: Callable[[str], Says]) -> None:
        """Whatever it was: one bead says that it was taken back, and the engine finds nothing to do."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            held = position_id_of(intent)
            orders = desk.sent
            _ = desk.sign(says(held)).unwrap()
            _ = taken_back(desk).unwrap()
            await desk.watch(30)
            told = [o for o in desk.bodies(Observation) if o.facts.get("outcome") == "taken back"]
            assert [(o.about, o.facts["type"]) for o in told] == [(About.EFFECT, says(held).type)]
            settled = [s.outcome for b in desk.beads() if b.body == told[0] for s in b.settles]
            assert settled == [Settlement.DROPPED]
            assert not any(isinstance(effect, CarryOut) for effect in desk.desk.owed.values())
            assert (desk.sent, desk.state(intent)) == (orders, State.MANAGED)

        _ = walked(walk)

    def test_what_was_carried_out_is_not_taken_back(self) -> None:
        """Closed already: the log says so, and nothing changes."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick()
            size = desk.store.head().size
            assert taken_back(desk).failure().reasons == (Reason.NOTHING_TO_DO,)
            assert desk.store.head().size == size

        _ = walked(walk)

    @shows("X1")
    def test_a_close_whose_protection_is_being_ended_is_answered(self) -> None:
        """Half of it taken back would leave a position without stop and without close: it goes on, and that is said."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = apart(desk, intent)
            desk.broker.hush()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.engine.step()
            assert [o.event for o in desk.bodies(Order) if o.reason == "close"] == [OrderEvent.CANCEL_REQUESTED] * 2
            assert taken_back(desk).failure().reasons == (Reason.PROTECTION_STILL_WORKS,)
            assert any(isinstance(effect, CarryOut) for effect in desk.desk.owed.values())

        _ = walked(walk)

    @shows("X1")
    def test_what_made_way_for_an_earlier_close_is_not_this_one(self) -> None:
        """A close was given up and its protection placed again: the next one, that nobody answers, is taken back."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = False
            intent = await desk.enter()
            desk.broker.hush()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.watch(5, 1)
            desk.broker.hush(False)
            desk.broker.cut()
            await desk.watch(400, 5)
            assert [o.event for o in desk.bodies(Order) if o.reason == "close"] == [OrderEvent.CANCEL_REQUESTED] * 2
            orders = desk.sent
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            _ = taken_back(desk).unwrap()
            await desk.watch(10, 1)
            assert (desk.sent, desk.state(intent)) == (orders, State.MANAGED)

        _ = walked(walk)

    @shows("X1")
    def test_a_close_whose_protection_shrinks_for_it_is_under_way(self) -> None:
        """Taken back now it would leave protection that is too small: it goes on, and that is said."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = False
            intent = await desk.enter()
            desk.broker.hush()
            _ = desk.sign(Close(intent, WORDS, Quantity(Decimal(40_000)))).unwrap()
            await desk.engine.step()
            assert not [o for o in desk.bodies(Order) if o.reason == "close"]
            assert taken_back(desk).failure().reasons == (Reason.PROTECTION_STILL_WORKS,)
            assert any(isinstance(effect, CarryOut) for effect in desk.desk.owed.values())

        _ = walked(walk)

    def test_a_close_of_nothing_is_taken_back(self) -> None:
        """A close of a position that is not there waits for its refusal: nobody has to hear it."""

        async def walk(desk: Stage) -> None:
            _ = desk.sign(Close("ghost", WORDS)).unwrap()
            _ = taken_back(desk).unwrap()

        _ = walked(walk)

    def test_a_close_that_is_older_than_all_that_is_remembered_is_taken_back(self) -> None:
        """The log went on by some hundred signatures before its process woke up: nothing of it is left to be done."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            other = desk.other()
            _ = other.catch_up()
            since = max(other.desk.approvals.recent)
            other.desk.approvals.recent.clear()
            _ = other.act(TakeBack(desk.fresh(), since)).unwrap()
            await desk.watch(10, 1)
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk)
