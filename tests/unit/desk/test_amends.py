"""Closes in stages, stalls that a human ends, late words, midnights, one alert for one scope."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts.submit import Present
from phoenix_core.beads import (
    About,
    Alert,
    Decision,
    KillFlag,
    Limits,
    Observation,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ReconciliationDrift,
    T2Token,
)
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus, Fact, Snapshot
from phoenix_core.gate.statements import Close, ResolveStalled, StalledEnd
from phoenix_core.kernel import decide
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade import order_book
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Price, Quantity, Role, State
from phoenix_core.watch.codes import Code
from phoenix_core.watch.market_hours import in_one_day
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked


def apart(desk: Stage, intent: str) -> tuple[str, str]:
    """Let stop and target stand in two groups, as if they had been handed over one by one."""
    ref = ref_of(desk, intent)
    stop, target = exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1)
    orders = desk.desk.orders.open
    orders[target] = changed(orders[target], group="another group")
    return stop, target


class TestStagedClose:
    """D6: a close that cannot share a group cancels protection first, and is sent once their ends are confirmed."""

    @shows("X1")
    def test_protection_ends_before_the_close_is_sent(self) -> None:
        """Both are asked to end; the close is handed over after both ends, and the signed command is answered once."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            stop, target = apart(desk, intent)
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(0.5)
            await desk.tick(0.5)
            await desk.tick(5)
            assert desk.state(intent) is State.CLOSED
            orders = [b.body for b in desk.beads() if isinstance(b.body, Order)]
            ends = [n for n, o in enumerate(orders) if o.event is OrderEvent.ENDED and o.ref in (stop, target)]
            closes = [n for n, o in enumerate(orders) if o.frames and o.frames[0].line.role is Role.CLOSE]
            assert len(closes) == 1 and max(ends) < closes[0]
            assert not any(isinstance(owed, CarryOut) for owed in desk.desk.owed.values())

        _ = walked(walk)

    @shows("X1")
    def test_what_does_not_end_in_three_seconds_sends_nothing(self) -> None:
        """The broker says nothing to the cancels: CRITICAL, the command is answered, and no close is on its way."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = apart(desk, intent)
            desk.broker.hush()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(0.5)
            assert any(isinstance(owed, CarryOut) for owed in desk.desk.owed.values()), "it waits for the ends"
            for _ in range(4):
                await desk.tick(1)
            assert not any(isinstance(owed, CarryOut) for owed in desk.desk.owed.values())
            assert [a.code for a in desk.bodies(Alert)].count("CLOSE_NOT_SENT") == 1
            assert not [o for o in desk.bodies(Order) if o.frames and o.frames[0].line.role is Role.CLOSE]

        _ = walked(walk)

    @shows("X2")
    def test_a_time_exit_is_staged_too(self) -> None:
        """The mandate's time is over, and its protection stands apart: it ends first, and the position is left."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = apart(desk, intent)
            await desk.tick(600)
            await desk.tick(1)
            await desk.tick(5)
            assert desk.state(intent) is State.CLOSED

        _ = walked(walk, stage(policy=Policy(limits=Limits(), time_exit=timedelta(minutes=10))))


class TestStalled:
    """B5: what a human reads in the broker's papers."""

    @staticmethod
    async def stalled(desk: Stage) -> tuple[str, Decimal]:
        """A stalled entry, and how much it asked for."""
        desk.broker.script(Silence())
        intent = await desk.enter()
        desk.broker.mute()
        await desk.tick(61)
        assert desk.state(intent) is State.STALLED
        desk.broker.mute(False)
        position = desk.position(intent)
        assert isinstance(position, Open)
        return intent, position.requested_quantity

    @pytest.mark.parametrize("part", [False, True])
    def test_a_stated_fill_ends_the_order_or_asks_for_its_end(self, part: bool) -> None:
        """All of it: the order is FILLED by a signed word. A part: the rest may work, and is asked to end."""

        async def walk(desk: Stage) -> None:
            intent, asked = await self.stalled(desk)
            quantity = Quantity(asked // 2 if part else asked)
            ref = ref_of(desk, intent)
            said = ResolveStalled(intent, StalledEnd.FILLED, WORDS, quantity, Price(Decimal("1.085")), "statement 7")
            _ = desk.sign(said).unwrap()
            await desk.tick(0.5)
            first = next(p for p in desk.bodies(Position) if p.event is PositionEvent.FILLED)
            assert first.filled_quantity == quantity and first.entry_working is part
            told = [(o.event, o.reason) for o in desk.bodies(Order) if o.ref == ref and o.reason]
            seq = desk.where(Decision)[-1]
            asked_for = OrderEvent.CANCEL_REQUESTED if part else OrderEvent.ENDED
            assert (asked_for, f"decision {seq}") in told
            assert desk.desk.orders.has_ended(ref) or part

        _ = walked(walk)

    def test_more_than_was_ordered_is_not_stated_this_way(self) -> None:
        """A drift must be resolved; the position stays STALLED."""

        async def walk(desk: Stage) -> None:
            intent, asked = await self.stalled(desk)
            quantity, price = Quantity(asked + 1), Price(Decimal("1.085"))
            _ = desk.sign(ResolveStalled(intent, StalledEnd.FILLED, WORDS, quantity, price, "statement 7")).unwrap()
            await desk.tick(0.5)
            assert desk.state(intent) is State.STALLED
            (refused,) = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND]
            assert refused.facts["reasons"] == Reason.RESOLUTION_NOT_PROVEN.value

        _ = walked(walk)


class TestMidnight:
    """B4: an executions answer that does not reach back to the send proves nothing."""

    def test_midnights_of_every_zone_that_a_gateway_may_live_by(self) -> None:
        """18:00 in New York is midnight in Zurich, 19:00 in London and UTC, and midnight is midnight."""
        base = stage().clock.now().wall  # 14:00 in New York
        for hours, one in ((3.9, True), (4.1, False), (5.1, False), (10.1, False)):
            assert in_one_day(base, base + timedelta(hours=hours)) is one
        assert in_one_day(base + timedelta(hours=10.1), base + timedelta(hours=15)) is True

    @staticmethod
    async def unproven(desk: Stage) -> tuple[str, str]:
        """An entry that ended unfilled before a midnight, and its position, which no picture proves: STALLED."""
        await desk.watch(4 * 3600 - 30, 600)
        desk.broker.script(Silence())
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        desk.broker.hush()
        for order in desk.broker.truth.book.values():
            order.ends = True
        words = [said_of(desk, r, BrokerStatus.CANCELLED) for r in desk.broker.truth.book]
        await desk.tick(31)
        desk.broker.hush(False)
        await hear(desk, *words)
        await desk.tick(1)
        assert desk.state(intent) is State.STALLED
        last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
        assert (last.event, last.reasons) == (PositionEvent.STALLED, ("END_NOT_PROVEN",))
        return intent, ref

    @shows("I9")
    @pytest.mark.parametrize("words", [(BrokerStatus.FILLED, "5"), (BrokerStatus.CANCELLED, "5")])
    def test_a_fill_that_no_execution_backs_is_a_humans_soon(self, words: tuple[BrokerStatus, str]) -> None:
        """The order's end speaks of a fill and no execution ever comes: no picture can prove it unfilled. Not at once,
        for executions lag behind statuses; and not only at midnight."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            await hear(desk, said_of(desk, ref_of(desk, intent), *words))
            await desk.tick(50)
            assert desk.state(intent) is State.SUBMITTED
            await desk.watch(70, 10)
            assert desk.state(intent) is State.STALLED
            last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
            assert (last.event, last.reasons) == (PositionEvent.STALLED, ("END_NOT_PROVEN",))

        _ = walked(walk)

    @shows("I9", "I18")
    def test_an_end_before_the_wall_was_set_back_is_a_humans_to_prove(self) -> None:
        """An hour back: every picture seems to have begun before the end. That is told, and no end is made up; once the
        wall has come back to the end, a picture proves it as ever."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            whole = MockBroker.snapshot

            async def in_part(broker: MockBroker) -> Snapshot:
                return changed(await whole(broker), complete=False, missing=("executions",))

            for order in desk.broker.truth.book.values():
                order.ends = True
            with mock.patch.object(MockBroker, "snapshot", in_part):
                await hear(desk, *(said_of(desk, r, BrokerStatus.CANCELLED) for r in desk.broker.truth.book))
                assert desk.state(intent) is State.SUBMITTED
            desk.clock.step_wall(timedelta(hours=-1))
            await desk.tick(1)
            last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
            assert (last.event, last.reasons) == (PositionEvent.STALLED, ("END_NOT_PROVEN",))
            assert any(a.code == Code.POSITION_STALLED.value for a in desk.bodies(Alert))
            await desk.watch(600, 60)
            assert desk.state(intent) is State.STALLED
            desk.clock.step_wall(timedelta(hours=1))
            await desk.watch(60, 5)
            assert desk.state(intent) is State.CANCELLED

        _ = walked(walk)

    @shows("I9")
    def test_an_end_whose_order_was_put_away_is_a_humans_to_prove_as_well(self) -> None:
        """Many other orders ended since: what is no longer at hand is not silently believed."""

        async def walk(desk: Stage) -> None:
            with mock.patch.object(order_book, "QUIET_KEPT", 0):
                _, ref = await self.unproven(desk)
                assert desk.desk.orders.find(ref) is None

        _ = walked(walk)

    def test_what_a_human_finds_filled_ends_no_order_a_second_time(self) -> None:
        """The broker's papers show a fill of an order that was called cancelled: booked, and its end stays its end."""

        async def walk(desk: Stage) -> None:
            intent, ref = await self.unproven(desk)
            position = desk.position(intent)
            assert isinstance(position, Open)
            before = [o.event for o in desk.bodies(Order) if o.ref == ref]
            price = Price(Decimal("1.085"))
            says = ResolveStalled(intent, StalledEnd.FILLED, WORDS, position.requested_quantity, price, "statement 7")
            _ = desk.sign(says).unwrap()
            await desk.tick(0.5)
            told = [p for p in desk.bodies(Position) if p.event is PositionEvent.FILLED]
            assert [p.filled_quantity for p in told] == [position.requested_quantity]
            assert [o.event for o in desk.bodies(Order) if o.ref == ref] == before

        _ = walked(walk)

    @shows("I9")
    def test_an_end_before_midnight_is_a_humans_to_prove(self) -> None:
        """Cancelled unfilled, and midnight passed in Zurich before the picture: STALLED, not CANCELLED; two pictures
        that show neither let a human end it."""

        async def walk(desk: Stage) -> None:
            intent, ref = await self.unproven(desk)
            cancelled = ResolveStalled(intent, StalledEnd.CANCELLED, WORDS)
            await desk.watch(400, 100)
            assert desk.state(intent) is State.STALLED, "however often it is looked at"
            _ = desk.sign(cancelled).unwrap()
            await desk.tick(0.5)
            assert desk.state(intent) is State.CANCELLED and desk.desk.orders.has_ended(ref)

        _ = walked(walk)


class TestLateWords:
    """None is dropped, also under one drift; the same again says nothing (I10)."""

    @shows("I10")
    def test_each_new_word_under_one_drift_is_kept_once(self) -> None:
        """Three different words about an ended order, each repeated: three observations, one drift, one alert."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.price("1.09105", "1.09115")
            await desk.watch(5, 1)
            assert desk.state(intent) is State.CLOSED
            ref = ref_of(desk, intent)
            words: list[Fact] = [
                said_of(desk, ref, BrokerStatus.SUBMITTED),
                said_of(desk, ref, BrokerStatus.INACTIVE),
                filled(desk, ref, "100"),
            ]
            await hear(desk, *words, *words)
            await hear(desk, *words)
            late = [o for o in desk.bodies(Observation) if o.about is About.LATE_FACT]
            assert len(late) == 3 and {o.subject for o in late} == {ref}
            assert [d.cause for d in desk.bodies(ReconciliationDrift)].count("fact_after_end") == 1
            assert [a.code for a in desk.bodies(Alert)].count("LATE_FACT") == 1

        _ = walked(walk)


class TestKills:
    """E5: every CRITICAL drift raises its kill; people are told once for a scope."""

    def test_two_drifts_of_one_instrument_raise_two_flags_and_one_alert(self) -> None:
        """The second flag stands in the log; the telephone rang for the first."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.price("1.09105", "1.09115")
            await desk.watch(5, 1)
            ref = ref_of(desk, intent)
            stop = exit_ref(ref, Role.STOP, 1)
            await hear(desk, filled(desk, ref, "100", exec_id="l.1.01"), said_of(desk, stop, BrokerStatus.SUBMITTED))
            flags = desk.bodies(KillFlag)
            assert len(flags) == 2 and len({f.scope for f in flags}) == 1
            assert [a.code for a in desk.bodies(Alert)].count("KILL_RAISED") == 1

        _ = walked(walk)


@shows("INV-T2-GATE-1", "I2")
def test_a_token_that_is_presented_needs_its_approval_too() -> None:
    """Right token, right intent, all green, and the stored signature does not verify: nothing is spent or recorded."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        _ = desk.engine.recorder.catch_up()
        world = changed(desk.engine.world(), verified={})
        ruling = decide(desk.desk, Present(CommandId("p"), desk.token(intent), intent), world)
        assert ruling.result.failure().reasons == (Reason.TOKEN_SIGNATURE,)
        assert [type(d.body) for d in ruling.drafts] == [T2Token]
        honest = decide(desk.desk, Present(CommandId("p"), desk.token(intent), intent), desk.engine.world())
        assert is_successful(honest.result)

    _ = walked(walk)


@shows("X1", "X4")
def test_what_is_held_bare_for_long_can_still_be_closed_by_hand() -> None:
    """Protection is lost for good, and hundreds of other positions come and go: its orders are not put away."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        book = desk.broker.truth.book
        for role in (Role.STOP, Role.TARGET):
            desk.broker._end(book[exit_ref(ref, role, 1)], BrokerStatus.CANCELLED, "gone")
        await desk.tick(0.5)
        for _ in range(4):
            await desk.tick(10)
        for role in (Role.STOP, Role.TARGET):
            desk.broker._end(book[exit_ref(ref, role, 2)], BrokerStatus.CANCELLED, "gone again")
        await desk.tick(0.5)
        position = desk.position(intent)
        assert isinstance(position, Open) and not desk.desk.orders.exits_of(position.position_id)
        assert position.position_id not in desk.desk.orders.quiet
        for _ in range(len(desk.desk.orders.quiet)):
            desk.desk.orders._retire(next(iter(desk.desk.orders.quiet)))
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        await desk.tick(1)
        await desk.tick(5)
        assert desk.state(intent) is State.CLOSED

    _ = walked(walk)


def test_a_refused_close_leaves_its_answer() -> None:
    """What needs no stage is answered at once, as ever."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        position = desk.position(intent)
        assert isinstance(position, Open)
        said = desk.sign(Close(intent, WORDS, Quantity(position.held + 1)))
        assert is_successful(said)
        await desk.tick(0.5)
        (refused,) = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND]
        assert refused.facts["reasons"] == Reason.EXIT_TOO_LARGE.value

    _ = walked(walk)
