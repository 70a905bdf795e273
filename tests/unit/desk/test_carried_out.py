"""What a human signed is carried out once, and answered; what protects and leaves by itself does so in its hour."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.exits import (
    PICTURE_WITHIN,
    ClearAway,
    LeaveOnTime,
    Resize,
    Restore,
    leaves_on_time,
    left_over,
)
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Alert, Limits, Observation, Order, OrderEvent, Policy, Settlement
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import Close, Protect
from phoenix_core.kernel import Command, decide
from phoenix_core.orders import exit_ref, group_of
from phoenix_core.refusals import Reason
from phoenix_core.trade import exits
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Price, Quantity, Role, Side, State
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import PAIR, Stage, stage
from tests.unit.desk.test_signed_commands import answered, carried
from tests.unit.desk.walks import WORDS, filled, ref_of, said_of, walked

KEY = CommandId("key")
TEN_MINUTES = Policy(limits=Limits(), time_exit=timedelta(minutes=10))
STEP = Quantity(Decimal(5))


def position_of(desk: Stage, intent: str) -> Open:
    """The position of an intent, which is open."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position


def says_no(desk: Stage, command: Command, world: World | None = None) -> tuple[Reason, ...]:
    """Why the desk would refuse a command now."""
    return decide(desk.desk, command, desk.engine.world() if world is None else world).result.failure().reasons


def orders_of(desk: Stage, command: Command, world: World | None = None) -> list[Order]:
    """The orders that a command would record now; it is granted."""
    ruling = decide(desk.desk, command, desk.engine.world() if world is None else world)
    assert is_successful(ruling.result), ruling.result
    return [draft.body for draft in ruling.drafts if isinstance(draft.body, Order)]


def recorded(desk: Stage, role: Role) -> list[Order]:
    """What was recorded of orders of a role, in order."""
    told = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED]
    return [o for o in told if any(frame.line.role is role for frame in o.frames)]


def loses(desk: Stage, intent: str, generation: int) -> None:
    """The broker ends stop and target of a generation, and says so."""
    for role in exits.PAIR:
        working = desk.broker.truth.book[exit_ref(ref_of(desk, intent), role, generation)]
        desk.broker._end(working, BrokerStatus.CANCELLED, "gone")


def cut_off(desk: Stage) -> None:
    """The link falls, and does not come back."""
    desk.broker.refuse_connects(99)
    desk.broker.cut()


def waits(desk: Stage) -> bool:
    """Whether a signed command is still to be answered."""
    return any(isinstance(owed, CarryOut) for owed in desk.desk.owed.values())


class TestAnswers:
    """A signed command is carried out once, and its answer settles it: done, or refused with the reasons."""

    @shows("X1", "X2")
    def test_what_was_answered_is_not_carried_out_again(self) -> None:
        """One signature to sell a part sells it once, however often the engine comes back to it; so does one of which
        nobody remembers what was signed."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            command = carried(desk, Close(intent, WORDS, STEP))
            _ = desk.engine.recorder.act(command).unwrap()
            await desk.tick(1)
            assert position_of(desk, intent).exited_quantity == STEP
            assert says_no(desk, command) == (Reason.NOTHING_TO_DO,)
            assert not decide(desk.desk, command, desk.engine.world()).drafts
            another = changed(carried(desk, Close(intent, WORDS, STEP)), command_id=desk.fresh())
            assert is_successful(decide(desk.desk, another, desk.engine.world()).result)
            del desk.desk.approvals.recent[another.seq]
            assert says_no(desk, another) == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)

    def test_the_answer_says_what_became_of_it(self) -> None:
        """Whoever signed reads it in the log: done, refused and why, or that no state has such a move."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            waiting = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")

            def ruled(says: Close) -> tuple[Settlement, list[Observation]]:
                command = changed(carried(desk, says), command_id=desk.fresh())
                ruling = decide(desk.desk, command, desk.engine.world())
                (settled,) = (one for draft in ruling.drafts for one in draft.settles)
                assert (settled.seq, settled.index) == (command.seq, command.index)
                _ = desk.engine.recorder.act(command)
                return settled.outcome, [d.body for d in ruling.drafts if isinstance(d.body, Observation)]

            assert ruled(Close(intent, WORDS, STEP)) == (Settlement.DONE, [])
            outcome, (no,) = ruled(Close("ghost", WORDS))
            assert (outcome, no.about) == (Settlement.FAILED, About.REFUSED_COMMAND)
            assert (no.facts["type"], no.facts["outcome"]) == ("close", "refused")
            assert no.facts["reasons"] == Reason.UNKNOWN_POSITION.value
            outcome, (no,) = ruled(Close(waiting, WORDS))
            assert (outcome, no.about) == (Settlement.FAILED, About.REFUSED_EVENT)

        _ = walked(walk)


class TestCloses:
    """D6: what a human asked for leaves, or is refused before any protection ends for it."""

    @shows("X4")
    def test_a_close_waits_a_second_and_a_half_for_a_picture_and_not_without_a_link(self) -> None:
        """Until then the picture may come; then the size is asked for. Where nobody is connected none will come, and
        the human hears that at once."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = False
            intent = await desk.enter()
            command = carried(desk, Close(intent, WORDS))
            world = changed(desk.engine.world(), snapshot=None)
            assert says_no(desk, command, world) == (Reason.SNAPSHOTS_MISSING,)
            down = changed(world, link=changed(world.link, up=False))
            assert Reason.LINK_DOWN in says_no(desk, command, down)

            def after(spent: timedelta) -> tuple[Reason, ...]:
                now = changed(world.now, wall=world.now.wall + spent)
                return says_no(desk, command, changed(world, now=now))

            assert after(PICTURE_WITHIN - timedelta(microseconds=1)) == (Reason.SNAPSHOTS_MISSING,)
            assert after(PICTURE_WITHIN) == (Reason.EXIT_WRONG_SIZE,)
            assert timedelta(milliseconds=1500) == PICTURE_WITHIN

        _ = walked(walk)

    @shows("X1", "X4")
    def test_one_unit_that_an_exit_says_it_sold_is_waited_for(self) -> None:
        """The stop's own word is a unit ahead of its executions: that unit is gone, and no close goes for it."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            command = carried(desk, Close(intent, WORDS))
            assert is_successful(decide(desk.desk, command, desk.engine.world()).result)
            word = said_of(desk, stop, BrokerStatus.SUBMITTED, "1")
            _ = desk.engine.recorder.act(Said(CommandId("word"), word)).unwrap()
            assert says_no(desk, command) == (Reason.SNAPSHOTS_MISSING,)

        _ = walked(walk)

    @shows("X1")
    def test_a_close_that_waits_for_ends_is_not_answered_by_a_link_that_falls(self) -> None:
        """Its protection was asked to end, and may be ending: it waits out its three seconds, and then a human is told
        that it did not leave, and not only that there was no link."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = False
            intent = await desk.enter()
            desk.broker.hush()
            command = carried(desk, Close(intent, WORDS))
            _ = desk.engine.recorder.act(command).unwrap()
            assert says_no(desk, command) == (Reason.PROTECTION_STILL_WORKS,)
            cut_off(desk)
            await desk.watch(2, 0.5)
            assert waits(desk)
            await desk.watch(2, 0.5)
            assert not waits(desk)
            assert [a.code for a in desk.bodies(Alert)].count("CLOSE_NOT_SENT") == 1

        _ = walked(walk)

    @pytest.mark.parametrize("seconds", [57, 59])
    @shows("X2")
    def test_a_close_that_needs_no_ends_leaves_for_all_of_its_minute(self, seconds: int) -> None:
        """Where it joins the group of its protection nothing has to end first: a signature lives for sixty seconds."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            desk.clock.advance(timedelta(seconds=seconds))
            await desk.tick()
            assert desk.state(intent) is State.CLOSED

        _ = walked(walk)

    @shows("X4")
    def test_a_whole_close_is_of_whatever_size_is_held(self) -> None:
        """Only a part has to be a multiple of the instrument's step: what is held may be none, and leaves whole, typed
        or not. Where nobody knows the instrument's card nobody judges its steps."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            whole = Quantity(position_of(desk, intent).held)
            typed, part = carried(desk, Close(intent, WORDS, whole)), Close(intent, WORDS, STEP)
            coarse = Quantity(whole - 1)  # neither the whole nor the part is a multiple of it

            def odd() -> World:
                world = desk.engine.world()
                return changed(world, instruments={PAIR: changed(world.instruments[PAIR], increment=coarse)})

            (order,) = orders_of(desk, typed, odd())
            assert [frame.line.quantity for frame in order.frames] == [whole]
            _ = desk.engine.recorder.act(typed).unwrap()
            await desk.tick(1)
            assert desk.state(intent) is State.CLOSED
            again = await desk.enter()
            command = carried(desk, changed(part, position=again))
            assert says_no(desk, command, odd()) == (Reason.QUANTITY_OFF_GRID,)
            assert is_successful(decide(desk.desk, command, changed(desk.engine.world(), instruments={})).result)

        _ = walked(walk)

    @pytest.mark.parametrize("doubt", ["none", "drift", "picture"])
    @shows("X1", "X4")
    def test_a_typed_size_beyond_the_book_leaves_only_under_doubt(self, doubt: str) -> None:
        """Half of an entry is booked, and the rest may be filled by now. A human who sees the whole at the broker types
        it: where a drift says that the two differ, or no picture says anything, it is sent beside a protection that is
        as large; where the picture agrees with the book it is refused before anything is recorded."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter()
            whole = position_of(desk, intent).requested_quantity
            assert position_of(desk, intent).held * 2 == whole
            if doubt == "drift":
                desk.broker.spoof(PAIR, desk.desk.positions.net(PAIR) * 2)
                for _ in range(8):
                    await desk.tick(10)
                    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
                assert desk.desk.drifts.open
            command, world = carried(desk, Close(intent, WORDS, whole)), desk.engine.world()
            world = changed(world, snapshot=None) if doubt == "picture" else world
            if doubt == "none":
                assert says_no(desk, command, world) == (Reason.EXIT_TOO_LARGE,)
                return
            closing, *asked = orders_of(desk, command, world)
            assert [frame.line.quantity for frame in closing.frames] == [whole]
            assert [o.event for o in asked] == [OrderEvent.CANCEL_REQUESTED], "the rest of the entry"

        _ = walked(walk)

    @shows("X1")
    def test_a_close_has_a_group_of_its_own_or_that_of_its_protection(self) -> None:
        """Where it joins, what executes first ends the others; where that ended for it nobody else is in it."""

        async def walk(desk: Stage) -> None:
            first = await desk.enter()
            entry = ref_of(desk, first)
            _ = await answered(desk, Close(first, WORDS))
            assert [o.group for o in recorded(desk, Role.CLOSE)] == [group_of(entry, 1)]
            desk.broker.groups_hold = False
            second = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            _ = await answered(desk, Close(second, WORDS))
            await desk.tick(1)
            assert [o.group for o in recorded(desk, Role.CLOSE)][1:] == [group_of(ref_of(desk, second), 2)]

        _ = walked(walk)

    @shows("X1")
    def test_a_close_of_a_part_ends_the_rest_of_the_entry_as_its_protection_shrinks(self) -> None:
        """An approval to leave is none to buy more, also where protection was placed anew beside a working entry."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = False
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter()
            loses(desk, intent, 1)
            await desk.watch(40, 10)
            assert {o.native for o in desk.desk.orders.exits_of(position_of(desk, intent).position_id)} == {False}
            command = carried(desk, Close(intent, WORDS, STEP))
            asked = [(o.event, o.frames[0].line.role if o.frames else o.ref) for o in orders_of(desk, command)]
            assert asked == [(OrderEvent.RECORDED, Role.STOP), (OrderEvent.CANCEL_REQUESTED, ref_of(desk, intent))]

        _ = walked(walk)


class TestProtection:
    """D4: what a human did not type is the mandate's; what protects by itself is judged before it is recorded."""

    @pytest.mark.parametrize(
        ("stop", "target"), [(None, None), ("1.0810", None), (None, "1.0920"), ("1.0810", "1.0920")]
    )
    @shows("X4")
    def test_the_prices_that_nobody_typed_are_the_mandates(self, stop: str | None, target: str | None) -> None:
        """Stop and target, either, both or none: what was typed stands, and the rest is what was approved."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            for generation in (1, 2):
                loses(desk, intent, generation)
                await desk.watch(60, 20)
            position = position_of(desk, intent)
            typed = [Price(Decimal(text)) if text else None for text in (stop, target)]
            assert await answered(desk, Protect(intent, *typed)) == ()
            placed = recorded(desk, Role.STOP)[-1]
            lines = {frame.line.role: frame.line for frame in placed.frames}
            assert placed.ref == placed.frames[0].ref and lines.keys() == set(exits.PAIR)
            assert lines[Role.STOP].trigger == (typed[0] or position.stop_price)
            assert lines[Role.TARGET].limit == (typed[1] or position.target_price)
            assert {line.quantity for line in lines.values()} == {position.held}

        _ = walked(walk)

    @shows("X3", "X4")
    def test_protection_is_placed_again_only_where_it_may_leave(self) -> None:
        """Without a link it is not recorded: the engine's one time would be used up, and no byte would leave. Nor
        beside protection that works, nor where no order says what is held, nor for nobody's position."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            again = Restore(KEY, position_of(desk, intent).position_id)
            assert says_no(desk, again) == (Reason.PROTECTION_STILL_WORKS,)
            assert says_no(desk, Restore(KEY, "ghost")) == (Reason.NOTHING_TO_DO,)
            loses(desk, intent, 1)
            with mock.patch.object(exits, "entry_line", return_value=None):
                await desk.watch(20, 10)
                await desk.engine.link._look()
                assert says_no(desk, again) == (Reason.UNKNOWN_POSITION,)
            world = desk.engine.world()
            (order,) = orders_of(desk, again, world)
            assert {frame.line.role for frame in order.frames} == set(exits.PAIR)
            down = changed(world, link=changed(world.link, up=False))
            assert says_no(desk, again, down) == (Reason.LINK_DOWN,)

        _ = walked(walk)

    def test_protection_that_fits_is_not_changed(self) -> None:
        """Nor is anything of a position that is not open."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            for name in (position_of(desk, intent).position_id, "ghost"):
                assert says_no(desk, Resize(KEY, name)) == (Reason.NOTHING_TO_DO,)

        _ = walked(walk)


class TestTimes:
    """The mandate's time exit, and exits beside nothing: in their hour, once, and never on what a human decides."""

    @shows("X2")
    def test_no_position_is_left_before_its_time(self) -> None:
        """Ten minutes from its fill, to the second, and only what is held, to the last unit."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = position_of(desk, intent)
            leave, opened = LeaveOnTime(KEY, position.position_id), position.filled_at
            assert opened is not None
            assert says_no(desk, leave) == says_no(desk, LeaveOnTime(KEY, "ghost")) == (Reason.NOTHING_TO_DO,)

            def leaves(spent: timedelta, left: Decimal = position.held) -> bool:
                out = changed(
                    position, last=changed(position.last, exited_quantity=Quantity(position.filled_quantity - left))
                )
                now = changed(desk.clock.now(), wall=opened + spent)
                return leaves_on_time(desk.desk, out, now)

            assert not leaves(timedelta(minutes=10) - timedelta(microseconds=1)) and leaves(timedelta(minutes=10))
            sizes = {Decimal(-1): False, Decimal(0): False, Decimal(1): True}
            assert {left: leaves(timedelta(minutes=10), left) for left in sizes} == sizes

        _ = walked(walk, stage(policy=TEN_MINUTES))

    @pytest.mark.parametrize("groups_hold", [True, False])
    @shows("X2", "X3")
    def test_a_time_exit_that_may_not_leave_is_not_recorded(self, groups_hold: bool) -> None:
        """It is tried once. Without a link it is not tried, and leaves when the link is back."""

        async def walk(desk: Stage) -> None:
            desk.broker.groups_hold = groups_hold
            intent = await desk.enter()
            cut_off(desk)
            await desk.tick(600)
            await desk.tick(1)
            assert recorded(desk, Role.CLOSE) == [] and desk.state(intent) is State.MANAGED
            assert not [o for o in desk.bodies(Order) if o.event is OrderEvent.CANCEL_REQUESTED]
            desk.broker.refuse_connects(0)
            await desk.watch(120, 2)
            assert len(recorded(desk, Role.CLOSE)) == 1 and desk.state(intent) is State.CLOSED

        _ = walked(walk, stage(policy=TEN_MINUTES))

    @shows("X2")
    def test_a_time_exit_that_came_to_nothing_is_not_tried_again(self) -> None:
        """The broker ended it unfilled: from then on a human decides, and no second one follows by itself."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            with mock.patch.object(type(desk.broker), "_execute"):
                await desk.tick(600)
                await desk.tick(1)
                (close,) = recorded(desk, Role.CLOSE)
                desk.broker._end(desk.broker.truth.book[close.ref], BrokerStatus.CANCELLED, "gone")
                await desk.watch(30, 1)
            position = position_of(desk, intent)
            assert position.held > 0 and desk.desk.orders.has_ended(close.ref)
            assert not leaves_on_time(desk.desk, position, desk.clock.now())
            assert says_no(desk, LeaveOnTime(KEY, position.position_id)) == (Reason.NOTHING_TO_DO,)
            assert len(recorded(desk, Role.CLOSE)) == 1

        _ = walked(walk, stage(policy=TEN_MINUTES))

    @shows("X1")
    def test_exits_are_cleared_away_beside_nothing_alone(self) -> None:
        """What is held keeps its exits, however long ago something left; two seconds count from the last that left, not
        from the first; and of nobody's position nothing is cleared."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = position_of(desk, intent)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            assert says_no(desk, ClearAway(KEY, "ghost")) == (Reason.NOTHING_TO_DO,)
            desk.broker.truth.book.clear()

            def sold(quantity: Decimal, name: str) -> Open:
                fact = filled(desk, stop, str(quantity), Side.SELL, name)
                _ = desk.engine.recorder.act(Said(CommandId(name), fact)).unwrap()
                return position_of(desk, intent)

            part = sold(position.held - 1, "part.1.01")
            desk.clock.advance(timedelta(seconds=60))
            as_over = changed(part, last=changed(part.last, closing=True))
            assert left_over(desk.desk, part, desk.clock.now()) == ()
            assert left_over(desk.desk, as_over, desk.clock.now()) == (), "one unit is held"
            over = sold(Decimal(1), "rest.1.01")
            as_open = changed(over, last=changed(over.last, closing=False))
            assert left_over(desk.desk, over, desk.clock.now()) == (), "its group has two seconds"
            desk.clock.advance(timedelta(seconds=2))
            assert len(left_over(desk.desk, over, desk.clock.now())) == len(exits.PAIR)
            assert left_over(desk.desk, as_open, desk.clock.now()) == ()

        _ = walked(walk)
