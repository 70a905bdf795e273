"""E6: PHOENIX_CORRECTED books the execution that a human names or states, into the position that the drift is about."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_core.acts.attribute import attributed
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import (
    About,
    Autopsy,
    Execution,
    ExecutionEvent,
    Outcome,
    Position,
    ProofKind,
    ReconciliationDrift,
    Resolution,
)
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import Close, ResolveDrift
from phoenix_core.kernel import decide
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.trade.executions import family_of
from phoenix_core.trade.positions import Open
from phoenix_core.values import OrderRef, Quantity, Role, Side, State
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_mending import HELD, PRICE, drifting, lacking
from tests.unit.desk.test_signed_commands import answered, carried
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked


def states(drift: ReconciliationDrift, quantity: str, execution: str = "0000e0d5.6571a1b2.01.01") -> ResolveDrift:
    """What a human says who has the broker's statement in hand."""
    number = Quantity(Decimal(quantity))
    return ResolveDrift(drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, execution, number, PRICE)


def the_position(desk: Stage) -> Open:
    """The one that is open."""
    (position,) = desk.desk.positions.open.values()
    return position


async def missing(desk: Stage, less: int = 7) -> ReconciliationDrift:
    """The broker holds less than we do; its exits would open a position, which is a drift of its own."""
    _ = await desk.enter(**HELD)
    desk.broker.spoof("AAPL", desk.desk.positions.net("AAPL") - less)
    await looked(desk)
    return next(d for d in desk.bodies(ReconciliationDrift) if d.cause in ("size", "count"))


async def looked(desk: Stage) -> None:
    """Whole pictures, until nothing is in motion."""
    for _ in range(8):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    await desk.tick(1)


class TestHolding:
    """The broker holds another size than we do, and its statement says why."""

    @shows("S32-REC-06")
    def test_a_sale_that_was_lost_is_booked_and_the_drift_stays_gone(self) -> None:
        """Seven less at the broker: sold, says the statement. The books hold seven less, by a human's word, their
        protection shrinks with them, and the next pictures agree."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk)
            before = the_position(desk)
            assert await answered(desk, states(drift, "7")) == ()
            await looked(desk)
            position = the_position(desk)
            assert position.held == before.held - 7 == desk.desk.positions.net("AAPL")
            booked = desk.bodies(Execution)[-1]
            assert (booked.event, booked.role, booked.side) == (ExecutionEvent.STATED, Role.CLOSE, Side.SELL)
            assert (booked.exec_id, booked.quantity, booked.price) == ("0000e0d5.6571a1b2.01.01", Decimal(7), PRICE)
            moved = next(b for b in desk.bodies(Position) if b.exited_quantity == 7)
            assert (moved.event, moved.proof.type) == (None, ProofKind.OPERATOR_DECISION)
            assert [d.cause for d in desk.desk.drifts.open.values()] == ["orphan_exit"], "a human answers that one too"
            assert [d.cause for d in desk.bodies(ReconciliationDrift)].count("size") == 1
            exits = desk.desk.orders.exits_of(position.position_id)
            assert {order.line.quantity for order in exits} == {position.held}

        _ = walked(walk)

    def test_a_sale_of_everything_closes_the_position(self) -> None:
        """Nothing is left at the broker: what still works is cancelled, then CLOSED, at the statement's price."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk, 250)
            assert desk.desk.positions.net("AAPL") == 250 and drift.cause == "count"
            assert await answered(desk, states(drift, "250")) == ()
            await looked(desk)
            (autopsy,) = desk.bodies(Autopsy)
            assert not desk.desk.positions.open
            assert (autopsy.outcome, autopsy.realized) == (Outcome.WIN, (PRICE - Decimal("190.23")) * 250)

        _ = walked(walk)

    def test_the_execution_itself_adds_nothing_when_it_comes_after_all(self) -> None:
        """It keeps its own id: told by the broker the next day it is known; corrected, the correction counts."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk)
            assert await answered(desk, states(drift, "7", "late.1.01")) == ()
            position = the_position(desk)
            ref = ref_of(desk, position.intent_id)
            held, executions = position.held, len(desk.bodies(Execution))
            await hear(desk, changed(filled(desk, ref, "7", Side.SELL, "late.1.01"), symbol="AAPL"))
            assert (the_position(desk).held, len(desk.bodies(Execution))) == (held, executions)

        _ = walked(walk)

    @pytest.mark.parametrize(
        ("more", "quantity", "word"),
        [(-7, "8", "8 of 7"), (7, "7", "7 of 0"), (7, "1", "1 of 0")],
        ids=["more than differs", "more than was approved", "a part of that"],
    )
    def test_more_than_can_be_missing_is_refused(self, more: int, quantity: str, word: str) -> None:
        """Beyond the difference, or beyond what was approved, it is exposure of its own: to be adopted, not booked."""

        async def walk(desk: Stage) -> None:
            drift = await drifting(desk) if more > 0 else await missing(desk)
            ruling = decide(desk.desk, carried(desk, states(drift, quantity)), desk.engine.world())
            no = ruling.result.failure()
            assert no.reasons == (Reason.RESOLUTION_NOT_PROVEN,)
            assert word in no.detail and "adopt" in no.detail
            assert desk.desk.drifts.open and desk.desk.kill_flags.standing

        _ = walked(walk)

    def test_an_execution_that_the_books_lack_is_stated_whole(self) -> None:
        """Its id alone, or with half of what it was, says nothing that could be booked."""

        async def walk(desk: Stage) -> None:
            says = states(await missing(desk), "7")
            for half in (changed(says, quantity=None), changed(says, price=None)):
                assert await answered(desk, half) == (Reason.RESOLUTION_NOT_PROVEN,)
            assert await answered(desk, says) == ()

        _ = walked(walk)

    def test_an_execution_is_named_by_the_brokers_own_id(self) -> None:
        """A name such as ours for what has none would give way to the next execution, and would be nobody's word."""

        async def walk(desk: Stage) -> None:
            says = states(await missing(desk), "7", "stated.5.01")
            assert await answered(desk, says) == (Reason.RESOLUTION_NOT_PROVEN,)
            assert await answered(desk, changed(says, execution="5.01")) == ()

        _ = walked(walk)

    def test_an_execution_that_the_books_hold_needs_no_booking(self) -> None:
        """It came while the human read the statement: named, it answers the drift, and is not counted twice."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk)
            name = desk.bodies(Execution)[0].exec_id
            held, count = the_position(desk).held, len(desk.bodies(Execution))
            says = ResolveDrift(drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, name)
            assert family_of(name)[0] in desk.desk.fills.owners
            assert await answered(desk, says) == ()
            assert (the_position(desk).held, len(desk.bodies(Execution))) == (held, count)

        _ = walked(walk)

    def test_a_holding_without_an_owner_is_not_booked(self) -> None:
        """Nobody here owns what the broker shows: that is for `adopt`."""

        async def walk(desk: Stage) -> None:
            desk.broker.spoof("AAPL", Decimal(7))
            await looked(desk)
            (drift,) = desk.bodies(ReconciliationDrift)
            ruling = decide(desk.desk, carried(desk, states(drift, "7")), desk.engine.world())
            assert "adopt" in ruling.result.failure().detail

        _ = walked(walk)

    def test_a_buy_that_was_lost_is_booked_as_an_entry(self) -> None:
        """Half of the entry was told, all of it was done: the rest is booked on the entry's side."""

        async def walk(desk: Stage) -> None:
            _, says = await lacking(desk)
            assert await answered(desk, says) == ()
            position = the_position(desk)
            assert position.filled_quantity == position.requested_quantity
            booked = desk.bodies(Execution)[-1]
            assert (booked.role, booked.side) == (Role.ENTRY, position.side) == (Role.ENTRY, Side.BUY)
            await looked(desk)
            assert not desk.desk.drifts.open

        _ = walked(walk)

    def test_without_a_picture_nothing_is_booked(self) -> None:
        """Which side is missing is the picture's to say: right after a start there is none."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk)
            command = carried(desk, states(drift, "7"))
            world = changed(desk.engine.world(), snapshot=None)
            assert decide(desk.desk, command, world).result.failure().reasons == (Reason.SNAPSHOTS_MISSING,)
            assert is_successful(decide(desk.desk, command, desk.engine.world()).result)

        _ = walked(walk)

    def test_a_drift_of_the_desk_as_a_whole_is_about_no_position(self) -> None:
        """Profit and loss names no instrument: there is nowhere to book."""

        async def walk(desk: Stage) -> None:
            drift = await missing(desk)
            command = carried(desk, states(drift, "7"))
            open_one = desk.desk.drifts.open[drift.identity]
            desk.desk.drifts.open[drift.identity] = changed(open_one, instrument=None)
            ruling = decide(desk.desk, command, desk.engine.world())
            assert "no instrument" in ruling.result.failure().detail

        _ = walked(walk)


class TestOrder:
    """The drift names one order of ours: the execution is that order's, whatever its side."""

    def test_a_fill_that_only_the_status_told_is_booked_into_its_order(self) -> None:
        """The entry ended FILLED for the broker, half of it was never told: booked under the entry's own reference."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter(**HELD)
            ref, position = ref_of(desk, intent), the_position(desk)
            whole = position.requested_quantity
            await hear(desk, changed(said_of(desk, ref, BrokerStatus.FILLED, str(whole + 1)), perm_id=77))
            drift = next(d for d in desk.bodies(ReconciliationDrift) if d.refs == (ref,))
            rest = whole - position.filled_quantity
            assert await answered(desk, states(drift, str(rest))) == ()
            booked = desk.bodies(Execution)[-1]
            assert (booked.event, booked.ref, booked.role) == (ExecutionEvent.STATED, ref, Role.ENTRY)
            assert the_position(desk).filled_quantity == whole

        _ = walked(walk)

    def test_it_gives_way_to_no_other_execution_of_its_order(self) -> None:
        """It was stated under the broker's own id. Another execution of the same order, told later, is one more; only
        the one of that id adds nothing."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter(**HELD)
            ref, position = ref_of(desk, intent), the_position(desk)
            whole, before = position.requested_quantity, position.filled_quantity
            await hear(desk, changed(said_of(desk, ref, BrokerStatus.FILLED, str(whole + 1)), perm_id=77))
            drift = next(d for d in desk.bodies(ReconciliationDrift) if d.refs == (ref,))
            assert await answered(desk, states(drift, "7", "lost.1.01")) == ()
            for told in ("late.1.01", "lost.1.01"):
                await hear(desk, changed(filled(desk, ref, "7", exec_id=told), symbol="AAPL"))
                assert the_position(desk).filled_quantity == before + 14, told

        _ = walked(walk)

    def test_an_order_of_a_position_that_is_over_is_not_booked(self) -> None:
        """A terminal state is never left: late exposure is adopted."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**HELD)
            ref = ref_of(desk, intent)
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(2)
            assert desk.state(intent) is State.CLOSED
            late = changed(filled(desk, ref, "7"), symbol="AAPL")
            await hear(desk, late)
            drift = next(d for d in desk.bodies(ReconciliationDrift) if d.refs == (ref,))
            says = states(drift, "7", "late.2.01")
            ruling = decide(desk.desk, carried(desk, says), desk.engine.world())
            assert "adopt" in ruling.result.failure().detail

        _ = walked(walk)


def test_what_an_order_says_after_the_picture_is_not_what_that_lacks() -> None:
    """A hand sold seven, as a picture shows, and the stop said since that it sold seven. These are not those: what a
    human states of the picture is nobody's, and the stop's own are still to come."""

    async def walk(desk: Stage) -> None:
        drift = await missing(desk)
        stop = desk.broker.truth.book[exit_ref(OrderRef(the_position(desk).order_ref or ""), Role.STOP, 1)]
        said = changed(desk.broker._order_said(stop), filled=Quantity(Decimal(7)))
        desk.clock.advance(timedelta(seconds=1))
        _ = desk.engine.recorder.act(Said(desk.fresh(), said)).unwrap()
        _ = desk.engine.recorder.act(carried(desk, states(drift, "7"))).unwrap()
        booked = desk.bodies(Execution)[-1]
        assert (booked.event, booked.ref, booked.role) == (ExecutionEvent.STATED, None, Role.CLOSE)

    _ = walked(walk)


@pytest.mark.parametrize(("role", "says"), [(Role.STOP, "6"), (Role.ENTRY, "7")])
def test_an_order_whose_word_explains_no_such_lack_is_not_booked(role: Role, says: str) -> None:
    """Seven less are shown. A stop that sold six by its own word is not all of that, and an entry that bought seven
    more by its own is none of it: what a human states is a sale, and nobody's."""

    async def walk(desk: Stage) -> None:
        _ = await desk.enter(**HELD)
        position = the_position(desk)
        entry = OrderRef(position.order_ref or "")
        ref = entry if role is Role.ENTRY else exit_ref(entry, role, 1)
        lot = Decimal(says) + (position.held if role is Role.ENTRY else 0)
        orders = desk.desk.orders.open if ref in desk.desk.orders.open else desk.desk.orders.done
        orders[ref] = changed(orders[ref], filled=Quantity(lot))
        desk.broker.spoof("AAPL", desk.desk.positions.net("AAPL") - 7)
        await looked(desk)
        drift = next(d for d in desk.desk.drifts.open.values() if d.cause in ("size", "count"))
        command = carried(desk, states(drift, "7"))  # type: ignore[arg-type]  # the same identity
        _ = desk.engine.recorder.act(command).unwrap()
        booked = desk.bodies(Execution)[-1]
        assert (booked.event, booked.ref) == (ExecutionEvent.STATED, None)
        assert (booked.role, booked.side) == (Role.CLOSE, Side.SELL)

    _ = walked(walk)


def test_one_share_more_is_one_share_bought() -> None:
    """Half of the entry was told, and one share more is shown: it is the entry's, and one that the target's own word
    says it sold is the target's."""

    async def walk(desk: Stage) -> None:
        drift, says = await lacking(desk)
        picture, position = desk.engine.world().snapshot, the_position(desk)
        assert picture is not None
        rows = tuple(changed(row, quantity=position.held + 1) for row in picture.positions)
        world = changed(desk.engine.world(), snapshot=changed(picture, positions=rows))
        one = changed(says, quantity=Quantity(Decimal(1)))
        (open_drift,) = desk.desk.drifts.open.values()
        assert open_drift.identity == drift.identity
        booked = attributed(desk.desk, open_drift, one, 1, "key", world)
        assert isinstance(booked, list)
        (bought,) = [body for body in booked if isinstance(body, Execution)]
        assert (bought.role, bought.side, bought.quantity) == (Role.ENTRY, Side.BUY, Decimal(1))
        target = exit_ref(OrderRef(position.order_ref or ""), Role.TARGET, 1)
        order = desk.desk.orders.open[target]
        desk.desk.orders.open[target] = changed(order, filled=Quantity(Decimal(1)), filled_at=picture.began.wall)
        rows = tuple(changed(row, quantity=position.held - 1) for row in picture.positions)
        booked = attributed(
            desk.desk, open_drift, one, 1, "key", changed(world, snapshot=changed(picture, positions=rows))
        )
        assert isinstance(booked, list)
        (sold,) = [body for body in booked if isinstance(body, Execution)]
        assert (sold.ref, sold.role, sold.side) == (target, Role.TARGET, Side.SELL)
        strange = changed(open_drift, refs=(f"{position.order_ref}.X9",))
        assert isinstance(attributed(desk.desk, strange, one, 1, "key", world), Refusal), "no name that we gave"

    _ = walked(walk)


def test_what_was_stated_of_an_order_explains_nothing_of_another() -> None:
    """Three that the stop sold were stated as its own. Seven that the target says it sold are the target's all the
    same; beside three that were stated as nobody's they are nobody's."""

    async def walk(desk: Stage) -> None:
        drift = await missing(desk)
        position = the_position(desk)
        stop, target = (exit_ref(OrderRef(position.order_ref or ""), role, 1) for role in (Role.STOP, Role.TARGET))
        order = desk.desk.orders.open[target]
        desk.desk.orders.open[target] = changed(order, filled=Quantity(Decimal(7)))
        (found,) = [one for one in desk.desk.drifts.open.values() if one.identity == drift.identity]
        fills, world = desk.desk.fills, desk.engine.world()
        rows = fills.of(position.position_id)
        for ref, whose in ((stop, target), ("", None)):
            three = changed(
                rows[0], family="three", ref=ref, stated=True, role=Role.CLOSE, quantity=Quantity(Decimal(3))
            )
            with mock.patch.object(type(fills), "of", return_value=(*rows, three)):
                booked = attributed(desk.desk, found, states(drift, "7"), 1, "key", world)
            assert isinstance(booked, list)
            (sold,) = [body for body in booked if isinstance(body, Execution)]
            assert sold.ref == whose

    _ = walked(walk)
