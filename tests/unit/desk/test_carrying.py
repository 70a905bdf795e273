"""What a human's word is worth, to the last unit and step: adoptions, stated ends, and what comes down by it."""

from __future__ import annotations

from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts.adoption import protect_refusal
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.carry import held_position
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Body,
    Execution,
    KillEvent,
    KillFlag,
    KillKind,
    Order,
    Position,
    Resolution,
    StateAnchor,
)
from phoenix_core.facts import ErrorSaid
from phoenix_core.gate.statements import (
    Adopt,
    CancelOrphans,
    Close,
    Protect,
    RefreshAnchor,
    ResolveDrift,
    ResolveStalled,
    Says,
    StalledEnd,
)
from phoenix_core.kernel import decide
from phoenix_core.orders import exit_ref, group_of
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.order_life import End
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, OrderRef, Price, Quantity, Regime, Role, Side, State
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_mending import drifting, lacking
from tests.unit.desk.test_signed_commands import ADOPT, answered, carried
from tests.unit.desk.test_two_in_one_instrument import SHORT
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, walked

ONE = Quantity(Decimal(1))
TEN = Quantity(Decimal(10))
SHARE = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}


def ruled(desk: Stage, says: Says, world: World | None = None) -> tuple[tuple[Reason, ...], list[Body]]:
    """Sign it: why it would be refused now, and what carrying it out would leave."""
    command = changed(carried(desk, says), command_id=desk.fresh())
    ruling = decide(desk.desk, command, desk.engine.world() if world is None else world)
    _ = desk.engine.recorder.act(command)
    reasons = () if is_successful(ruling.result) else ruling.result.failure().reasons
    return reasons, [draft.body for draft in ruling.drafts]


def only(bodies: list[Body], kind: type[Order]) -> list[Order]:
    """The orders among them."""
    return [body for body in bodies if isinstance(body, kind)]


async def there(desk: Stage, quantity: int, side: Side = Side.BUY) -> None:
    """Somebody traded by hand, and the picture shows it."""
    desk.broker.trade_by_hand("AAPL", side, Quantity(Decimal(quantity)))
    await desk.tick(301)


class TestHeld:
    """D6: what holds something can be left, and nothing else."""

    @shows("X1")
    def test_the_last_unit_can_be_left_and_nothing_beyond_it(self) -> None:
        """One share is held and may be closed; none, though an exit still works, is nothing to close."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**SHARE)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            position = held_position(desk.desk, intent)
            assert isinstance(position, Open)
            desk.broker.truth.book.clear()
            for name, sold, left in (("a.1.01", position.held - 1, 1), ("b.1.01", Decimal(1), 0)):
                fact = changed(filled(desk, stop, str(sold), Side.SELL, name), symbol="AAPL")
                _ = desk.engine.recorder.act(Said(CommandId(name), fact)).unwrap()
                found = held_position(desk.desk, intent)
                if left:
                    assert isinstance(found, Open) and found.held == left
                else:
                    assert not isinstance(found, Open) and found.reasons == (Reason.NOTHING_TO_CLOSE,)

        _ = walked(walk)


class TestAdopt:
    """B6: exposure gets an owner with exits that can stand, once."""

    @pytest.mark.parametrize("says", [ADOPT, SHORT])
    @pytest.mark.parametrize("same", ["stop", "target"])
    @shows("X4")
    def test_a_stop_or_target_at_its_own_price_is_none(self, says: Adopt, same: str) -> None:
        """It would execute at once, or never lose: stop, price and target are three prices in their order."""

        async def walk(desk: Stage) -> None:
            await there(desk, 10, says.side)
            level = changed(says, stop=says.price) if same == "stop" else changed(says, target=says.price)
            assert await answered(desk, level) == (Reason.SIGNAL_GEOMETRY,)
            assert await answered(desk, says) == ()

        _ = walked(walk)

    @shows("X2", "X4")
    def test_its_protection_is_one_pair_of_its_own(self) -> None:
        """Stop and target in the first group of its reference, first revisions, good till cancelled, named by the stop;
        and it may be linked to a position that has ended."""

        async def walk(desk: Stage) -> None:
            over = await desk.enter(**SHARE)
            assert await answered(desk, Close(over, WORDS)) == ()
            await desk.tick(5)
            assert desk.state(over) is State.CLOSED
            await there(desk, 10)
            reasons, bodies = ruled(desk, changed(ADOPT, linked_to=over))
            (born,) = [body for body in bodies if isinstance(body, Position)]
            (placed,) = only(bodies, Order)
            ref = OrderRef(born.order_ref or "")
            assert reasons == () and born.linked_to == over
            wanted = [exit_ref(ref, role, 1) for role in (Role.STOP, Role.TARGET)]
            assert [(frame.ref, frame.revision) for frame in placed.frames] == [(name, 1) for name in wanted]
            assert (placed.ref, placed.group, placed.mandate) == (wanted[0], group_of(ref, 1), f"adoption:{ref}")
            assert [frame.line.quantity for frame in placed.frames] == [TEN, TEN]
            assert [(f.line.trigger, f.line.limit) for f in placed.frames] == [(ADOPT.stop, None), (None, ADOPT.target)]

        _ = walked(walk)

    @shows("X1")
    def test_what_is_flat_claims_nothing_and_one_unit_is_claimed(self) -> None:
        """Ten are there beside one that an own position holds: ten can be adopted, not eleven; nor more than ten by
        somebody who is short as much as we are long."""

        async def walk(desk: Stage) -> None:
            await there(desk, 1)
            assert await answered(desk, changed(ADOPT, quantity=ONE)) == ()
            await desk.tick(2)
            await there(desk, 10)
            assert await answered(desk, changed(ADOPT, quantity=Quantity(Decimal(11)))) == (Reason.EXIT_TOO_LARGE,)
            assert await answered(desk, ADOPT) == ()
            await there(desk, 15, Side.SELL)
            short = changed(SHORT, quantity=Quantity(Decimal(16)))
            assert await answered(desk, short) == (Reason.EXIT_TOO_LARGE,)
            assert await answered(desk, changed(short, quantity=Quantity(Decimal(15)))) == ()

        _ = walked(walk)


class TestProtect:
    """D4: prices that a human types are prices at which orders stand."""

    @pytest.mark.parametrize("side", Side)
    @shows("X4")
    def test_a_stop_at_the_market_or_at_the_target_is_none(self, side: Side) -> None:
        """At the bid a stop to sell leaves at once, at the ask one to buy; a target is what was typed, not the old."""

        async def walk(desk: Stage) -> None:
            long = side is Side.BUY
            intent = await (desk.enter() if long else desk.enter(side="SELL", stop="1.0880", target="1.0790"))
            held, world = held_position(desk.desk, intent), desk.engine.world()
            assert isinstance(held, Open)
            bare = changed(stake_of(held, desk.desk.orders, desk.desk.fills), orders=())
            quote = world.quotes["EURUSD"]
            card = changed(world.instruments["EURUSD"], tick=Price(Decimal("0.00001")))
            fine = changed(world, instruments={"EURUSD": card})

            def refused(stop: Decimal | None, target: Decimal | None = None) -> tuple[Reason, ...]:
                prices = [None if price is None else Price(price) for price in (stop, target)]
                no = protect_refusal(Protect(intent, *prices), held, bare, fine)
                return () if no is None else no.reasons

            market, away = (quote.bid, Decimal("-0.00001")) if long else (quote.ask, Decimal("0.00001"))
            assert refused(market) == (Reason.STOP_ON_WRONG_SIDE,) and refused(market + away) == ()
            stop = market + away
            assert refused(stop, stop) == (Reason.SIGNAL_GEOMETRY,) and refused(stop, stop - away) == ()
            assert refused(None, held.stop_price + away) == (Reason.SIGNAL_GEOMETRY,)

        _ = walked(walk)


class TestStalled:
    """B5: what a human says of an entry of which nobody heard."""

    @staticmethod
    async def stalled(desk: Stage) -> tuple[str, Open]:
        """A stalled entry that the broker does not know."""
        desk.broker.script(Silence())
        intent = await desk.enter()
        desk.broker.truth.book.clear()
        await desk.tick(62)
        position = desk.position(intent)
        assert isinstance(position, Open) and position.state is State.STALLED
        return intent, position

    @pytest.mark.parametrize("end", [StalledEnd.CANCELLED, StalledEnd.REJECTED])
    @shows("I9")
    def test_its_orders_end_as_it_does_and_no_end_is_said_twice(self, end: StalledEnd) -> None:
        """What the broker told as ended before keeps that end; the others end by the signed word."""

        async def walk(desk: Stage) -> None:
            intent, _ = await self.stalled(desk)
            for _ in range(3):
                await desk.tick(301)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            known = desk.desk.orders.open.pop(stop)
            desk.desk.orders.done[stop] = changed(known, end=End.CANCELLED)
            reasons, bodies = ruled(desk, ResolveStalled(intent, end, WORDS))
            ended = only(bodies, Order)
            assert reasons == () and [order.status for order in ended] == [end.value.upper()] * 2
            assert stop not in {order.ref for order in ended}

        _ = walked(walk)

    @shows("I9")
    def test_a_stated_fill_says_how_much_for_what_and_by_which_paper(self) -> None:
        """Each of the three is needed, and it is only said of what is STALLED."""

        async def walk(desk: Stage) -> None:
            intent, position = await self.stalled(desk)
            size, price = position.requested_quantity, Price(Decimal("1.085"))
            whole = ResolveStalled(intent, StalledEnd.FILLED, WORDS, size, price, "paper 1")
            for without in ({"quantity": None}, {"price": None}, {"reference": None}, {"reference": ""}):
                assert ruled(desk, changed(whole, **without))[0] == (Reason.RESOLUTION_NOT_PROVEN,)
            assert ruled(desk, changed(whole, position="ghost"))[0] == (Reason.WRONG_STATE,)
            reasons, bodies = ruled(desk, whole)
            (booked,) = [body for body in bodies if isinstance(body, Execution)]
            assert reasons == () and (booked.ref, booked.quantity, booked.price) == (position.order_ref, size, price)

        _ = walked(walk)

    @pytest.mark.parametrize("gone", ["ended", "asked", "unknown"])
    @shows("I9")
    def test_a_stated_part_asks_for_the_end_of_what_works(self, gone: str) -> None:
        """Not of what has ended, nor twice, nor of what the log does not know."""

        async def walk(desk: Stage) -> None:
            intent, position = await self.stalled(desk)
            orders, ref = desk.desk.orders, ref_of(desk, intent)
            entry = orders.open[ref]
            if gone == "asked":
                orders.open[ref] = changed(entry, cancel_requested=desk.clock.now())
            elif gone == "ended":
                orders.done[ref] = changed(orders.open.pop(ref), end=End.CANCELLED)
            half, price = Quantity(position.requested_quantity / 2), Price(Decimal("1.085"))
            says = ResolveStalled(intent, StalledEnd.FILLED, WORDS, half, price, "paper 1")
            lost = mock.patch.object(type(orders), "entry_of", return_value=None)
            command = carried(desk, says)
            if gone == "unknown":
                with lost:
                    ruling = decide(desk.desk, command, desk.engine.world())
            else:
                ruling = decide(desk.desk, command, desk.engine.world())
            bodies = [draft.body for draft in ruling.drafts]
            (moved,) = [body for body in bodies if isinstance(body, Position)]
            assert only(bodies, Order) == [] and moved.filled_quantity == half
            assert moved.entry_working is (gone == "asked")

        _ = walked(walk)


class TestOrphans:
    """D7: what no picture shows any more ends by a signature, whatever became of its position."""

    @shows("I9", "X1")
    def test_exits_of_an_entry_that_was_refused_end_by_hand(self) -> None:
        """The broker refused the entry and never said a word of its children: the position is REJECTED, and they are in
        doubt. No word will come of them, and their cancel is answered with an id that nobody knows. Two pictures that
        show neither, and a signature, end them: nobody is called any more, and the instrument is open again."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            desk.broker.truth.book.clear()
            await hear(desk, ErrorSaid("m-no", desk.broker.session(), 201, "no margin", ref))
            assert desk.state(intent) is State.REJECTED
            pair = [exit_ref(ref, role, 1) for role in (Role.STOP, Role.TARGET)]
            for _ in range(3):
                await desk.tick(301)
            missing = {drift.refs: drift for drift in desk.desk.drifts.open.values()}
            assert missing.keys() == {(name,) for name in pair}
            for name in pair:
                assert f"EXIT_UNKNOWN|{name}" in desk.desk.alerts.by_subject
                assert await answered(desk, CancelOrphans(missing[name,].identity, (name,))) == ()
                assert desk.desk.orders.has_ended(name) and f"EXIT_UNKNOWN|{name}" not in desk.desk.alerts.by_subject
            for drift in missing.values():
                assert await answered(desk, ResolveDrift(drift.identity, Resolution.BROKER_CORRECTED, WORDS)) == ()
            await desk.tick(301)
            assert not desk.desk.drifts.open

        _ = walked(walk)


class TestDrifts:
    """D6: what comes down with an answer is what the drift raised."""

    @shows("S32-REC-06", "S32-REC-10")
    def test_an_attribution_lifts_the_kill_of_its_own_drift(self) -> None:
        """In the same append, in the name of who signed; the kills of others, and of other drifts, stand."""

        async def walk(desk: Stage) -> None:
            drift, says = await lacking(desk)
            command = carried(desk, says)
            alone = [draft.body for draft in decide(desk.desk, command, desk.engine.world()).drafts]
            over = {body.code for body in alone if isinstance(body, Alert) and body.event is AlertEvent.RESOLVED}
            assert {"DRIFT_CRITICAL", "KILL_RAISED"} <= over
            _ = desk.act(RaiseKill(CommandId("k"), "desk", "test", "operator")).unwrap()
            _ = desk.engine.recorder.catch_up()
            standing = desk.desk.kill_flags.standing
            (own,) = [flag for flag in standing.values() if flag.type is KillKind.DRIFT]
            standing["another"] = changed(own, flag="another", drift="another drift")
            standing["named"] = changed(own, flag="named", type=KillKind.ONE_WAY)
            ruling = decide(desk.desk, command, desk.engine.world())
            bodies = [draft.body for draft in ruling.drafts]
            lifted = [body for body in bodies if isinstance(body, KillFlag)]
            assert is_successful(ruling.result) and own.drift == drift.identity
            assert [(flag.event, flag.flag, flag.raised_by) for flag in lifted] == [
                (KillEvent.LIFTED, own.flag, "operator")
            ]

        _ = walked(walk)

    @shows("S32-REC-06")
    def test_a_drift_that_the_broker_corrects_goes_on_being_told(self) -> None:
        """Only a picture shows that it is so: until then nobody is told that it is over."""

        async def walk(desk: Stage) -> None:
            drift = await drifting(desk)
            _, bodies = ruled(desk, ResolveDrift(drift.identity, Resolution.BROKER_CORRECTED, WORDS))
            assert not [body for body in bodies if isinstance(body, Alert | KillFlag)]

        _ = walked(walk)

    @shows("S32-STL-04")
    def test_an_anchor_is_of_the_strategy_that_was_named(self) -> None:
        """And of every one where none was."""

        async def walk(desk: Stage) -> None:
            for named, strategy in (("trend", "trend"), ("*", "*"), ("", "*")):
                assert await answered(desk, RefreshAnchor(named, "4f1d", Regime.NEWS)) == ()
                assert desk.bodies(StateAnchor)[-1].strategy == strategy

        _ = walked(walk)
