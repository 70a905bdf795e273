"""What the broker says in its worst hours, and the facts that become of it: on the real client, over a real socket."""

from __future__ import annotations

from decimal import Decimal

import pytest

from phoenix_adapters.brokers.ibkr.errors import ACTIONS, Action, action_of
from phoenix_adapters.brokers.ibkr.translate import STATUSES
from phoenix_adapters.wire import from_server, to_client
from phoenix_core.acts.broker_said import SMALL_TALK
from phoenix_core.facts import BrokerStatus, CommissionSaid, ErrorSaid, ExecutionSaid, FrameSaid, OrderSaid
from phoenix_core.kernel import ClearedOrder
from phoenix_core.trade.order_words import ENDING_CODES, HOLDING_CODES, NOT_CANCELLED_CODES, NOT_CHANGED_CODES
from tests.contract.broker.orders import LOTS, NUMBER, bracket
from tests.contract.broker.suite import SYMBOL, enter, filled, fills, of, ready, words
from tests.contract.ibkr.scene import Scene, played
from tests.showing import shows


def hand_over(scene: Scene, name: str = "one") -> ClearedOrder:
    """Place a bracket."""
    order = bracket(scene.broker.instruments()[SYMBOL], scene.account, name)
    scene.broker.hand_over(order)
    return order


def ends(scene: Scene, ref: str) -> list[OrderSaid]:
    """Every word that says that an order was cancelled."""
    return [said for said in words(scene, ref) if said.status is BrokerStatus.CANCELLED]


def id_of(scene: Scene, ref: str) -> int:
    """The order id that a frame was given."""
    return next(said.order_id for said in of(scene, FrameSaid) if said.ref == ref)


async def heard(scene: Scene) -> None:
    """Everything that the gateway has said by now, taken in: an answer comes after what was said before it."""
    assert await scene.broker.round_trip()
    scene.facts.extend(scene.broker.drain())


# --- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [10349, 10147, 10148, 202, 201, 105, 329, 161, 399, 434, 492, 10999])
@shows("L2", "L3", "F14")
async def test_a_code_alone_is_a_word_and_never_an_end(code: int) -> None:
    """Whatever the library makes of it, the fact is the code with its order; nothing says that the order ended."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("slow_fill=60@parent")
        order = hand_over(scene)
        await scene.until(lambda: any(w.status.is_working for w in words(scene, order.ref)))
        scene.server.act("error", code=code, text="as the case may be", id=id_of(scene, order.ref))
        await heard(scene)
        assert [said.ref for said in of(scene, ErrorSaid) if said.code == code] == [order.ref]
        assert not ends(scene, order.ref)
        assert (await scene.broker.snapshot()).orders


@shows("L2", "F14")
async def test_the_library_believes_in_a_cancel_that_the_facts_do_not_know() -> None:
    """10349 for a live order: the library's own trade says Cancelled for a while; the fill comes, and is a fact."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("tif_preset_10349")
        scene.server.fault("slow_fill=0.2@parent")
        order = hand_over(scene)
        await scene.until(lambda: [said for said in of(scene, ErrorSaid) if said.code == 10349])
        assert not ends(scene, order.ref)
        await scene.until(lambda: filled(scene, order.ref) == LOTS)


@shows("L4")
def test_no_status_is_more_than_it_says() -> None:
    """PendingCancel and Inactive are no ends; a status that only a library invents is UNKNOWN."""
    ending = {name for name, status in STATUSES.items() if status in (BrokerStatus.FILLED, BrokerStatus.CANCELLED)}
    assert ending == {"Filled", "Cancelled", "ApiCancelled"}
    assert STATUSES["PendingCancel"] is BrokerStatus.PENDING_CANCEL and STATUSES["Inactive"] is BrokerStatus.INACTIVE
    assert not {"ValidationError", "ApiUpdate", "PendingCancelled"} & STATUSES.keys()


def test_the_table_of_codes_agrees_with_the_core() -> None:
    """One rule in one place: what ends, what holds, what refuses a cancel or a change is the core's word."""
    by_action = {action: {code for code, a in ACTIONS.items() if a is action} for action in Action}
    assert by_action[Action.REFUSED] | by_action[Action.RENUMBER] == ENDING_CODES
    assert by_action[Action.HELD] == HOLDING_CODES
    assert by_action[Action.STANDS] >= NOT_CANCELLED_CODES | (NOT_CHANGED_CODES - ENDING_CODES)
    assert by_action[Action.SMALL_TALK] == SMALL_TALK
    assert action_of(31337) is Action.OBSERVE


@pytest.mark.parametrize("order_of_words", ["", "reject_status_first", "reject_as_cancelled"])
@shows("F12", "F13")
async def test_a_reject_keeps_its_code_in_every_order_of_words(order_of_words: str) -> None:
    """201 with Inactive, before or after it, or with Cancelled: code and status are both facts of that order."""
    async with played() as scene:
        await ready(scene)
        if order_of_words:
            scene.server.fault(order_of_words)
        scene.reject_next()
        order = hand_over(scene)
        status = BrokerStatus.CANCELLED if order_of_words == "reject_as_cancelled" else BrokerStatus.INACTIVE
        await scene.until(lambda: [said for said in of(scene, ErrorSaid) if (said.code, said.ref) == (201, order.ref)])
        await scene.until(lambda: any(w.status is status for w in words(scene, order.ref)))
        assert filled(scene, order.ref) == 0


@shows("L5", "F12")
async def test_an_inactive_order_that_is_cancelled_may_still_fill() -> None:
    """Inactive for a locate, a cancel that gets lost, then the fill: it is a fact like any other."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("inactive_locate@parent")
        scene.server.fault("cancel_lost")
        order = hand_over(scene)
        await scene.until(lambda: any(w.held for w in words(scene, order.ref)))
        scene.broker.cancel(order.ref)
        await heard(scene)
        assert not ends(scene, order.ref)
        scene.server.clear("inactive_locate")
        await scene.until(lambda: filled(scene, order.ref) == LOTS)


@shows("F30")
async def test_a_fill_after_its_cancel_is_a_fact() -> None:
    """Cancelled, and then executed: both are said, under one reference."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("never_fill@parent")
        scene.server.fault("fill_after_cancel=0.05")
        order = hand_over(scene)
        await scene.until(lambda: any(w.status.is_working for w in words(scene, order.ref)))
        scene.broker.cancel(order.ref)
        await scene.until(lambda: ends(scene, order.ref))
        await scene.until(lambda: filled(scene, order.ref) == LOTS)


async def test_an_open_order_is_no_word_of_a_cancel() -> None:
    """It does not know what filled: only the status beside it ends an order as cancelled."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        stop = order.frames[1].ref
        terms = {"conId": 12087792, "symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO"}
        said = to_client(
            "openOrder", 176, orderId=id_of(scene, stop), clientId=17, permId=77, orderRef=stop, account=NUMBER,
            action="SELL", totalQuantity=20_000, orderType="STP", tif="GTC", status="Cancelled", **terms,
        )  # fmt: skip
        assert scene.broker.line is not None
        told = scene.broker.translator.open_order(from_server(said, 176).record)
        assert (told.ref, told.status) == (stop, BrokerStatus.UNKNOWN)


# --- executions -------------------------------------------------------------------------------------------------------


@shows("L6", "F33")
async def test_a_correction_is_the_same_family_with_a_higher_number() -> None:
    """.01 and .02 with their own quantities; adding them up is nobody's business here."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("exec_correction=0.9@parent")
        order = hand_over(scene)
        await scene.until(lambda: len(fills(scene, order.ref)) == 2)
        said = sorted(fills(scene, order.ref).values(), key=lambda one: one.exec_id)
        assert {one.exec_id.rpartition(".")[0] for one in said} == {said[0].exec_id.rpartition(".")[0]}
        assert [one.quantity for one in said] == [Decimal(20_000), Decimal(18_000)]


@shows("L7", "F38")
async def test_a_commission_before_its_execution_is_kept() -> None:
    """The library drops it as somebody else's; the tap does not."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("commission_first")
        order = hand_over(scene)
        await scene.until(lambda: fills(scene, order.ref) and of(scene, CommissionSaid))
        kinds = [type(fact) for fact in scene.facts if isinstance(fact, CommissionSaid | ExecutionSaid)]
        assert kinds[0] is CommissionSaid
        assert {one.exec_id for one in of(scene, CommissionSaid)} == fills(scene, order.ref).keys()


@shows("L7", "F78")
async def test_a_commission_to_come_is_none_yet() -> None:
    """-1.0 is TWS's word for it, and no rebate of a dollar: what counts is the amount that follows."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("commission_pending=0.05@BUY")
        order = await enter(scene)
        await scene.until(lambda: of(scene, CommissionSaid))
        assert len(fills(scene, order.ref)) == 1
        assert [one.amount for one in of(scene, CommissionSaid)] == [2]


@pytest.mark.parametrize(
    "fault", ["fill_before_ack", "drop_ack", "drop_status", "status_before_exec", "duplicate_status"]
)
@shows("F10", "F22")
async def test_a_fill_is_known_by_its_reference_whatever_came_before_it(fault: str) -> None:
    """First message or last, acknowledged or not: the execution carries our reference and its permanent id."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault(f"{fault}@parent")
        order = hand_over(scene)
        await scene.until(lambda: filled(scene, order.ref) == LOTS)
        assert all(one.perm_id for one in fills(scene, order.ref).values())


@shows("F34", "F36")
async def test_the_same_execution_twice_has_one_id() -> None:
    """What comes twice can be known as one."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("duplicate_exec")
        order = hand_over(scene)
        await scene.until(lambda: len([e for e in of(scene, ExecutionSaid) if e.ref == order.ref]) >= 2)
        assert filled(scene, order.ref) == LOTS


@shows("F20")
async def test_two_permanent_ids_of_one_reference_are_both_told() -> None:
    """The order stands twice at the broker: the facts say so, and nothing here chooses."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("two_permids@LMT*1")
        target = hand_over(scene).frames[2].ref
        await scene.until(lambda: len({w.perm_id for w in words(scene, target) if w.perm_id}) == 2)


@shows("F78")
async def test_what_is_unset_is_no_number() -> None:
    """1.797e308 as an average price becomes nothing, and no fact carries it."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("unset_avg_price")
        order = await enter(scene)
        picture = await scene.broker.snapshot()
        assert filled(scene, order.ref) == LOTS
        assert "E+308" not in str((scene.facts, picture)) and "1.797" not in str((scene.facts, picture))


@pytest.mark.parametrize(
    "fault", ["time_format=dash", "time_format=naive", "time_format=epoch", "time_zone=Mars/Olympus"]
)
@shows("F56", "F57", "L12")
async def test_no_way_of_writing_the_time_costs_a_fill(fault: str) -> None:
    """Every format, and a zone that nobody knows: the fill is booked at its instant."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault(fault)
        order = await enter(scene)
        for one in fills(scene, order.ref).values():
            assert abs((one.at - scene.clock.now().wall).total_seconds()) < 5


@shows("L13", "F50")
async def test_orders_placed_by_hand_are_three_and_none_is_ours() -> None:
    """All have order id 0 and no reference: their permanent ids tell them apart."""
    async with played() as scene:
        await ready(scene)
        for limit in ("1.01", "1.02", "1.03"):
            scene.server.act("manual_place", symbol=SYMBOL, action="BUY", quantity=20_000, type="LMT", limit=limit)
        order = await enter(scene)
        picture = await scene.broker.snapshot()
        foreign = [said for said in picture.orders if said.ref == ""]
        assert len({said.perm_id for said in foreign}) == len(foreign) == 3
        assert {said.order_id for said in foreign} == {0}
        assert {said.ref for said in picture.orders} - {""} == {frame.ref for frame in order.frames[1:]}


@shows("F02")
async def test_silence_says_nothing() -> None:
    """A frame that vanished leaves its FrameSaid, and not one word about the order; it is not sent again."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("never_ack")
        order = hand_over(scene)
        await heard(scene)
        assert await scene.broker.resynchronise()
        await heard(scene)
        assert not [w for frame in order.frames for w in words(scene, frame.ref)]
        assert len(scene.sent("placeOrder")) == 3


@shows("F05")
async def test_an_empty_list_of_open_orders_cancels_nothing() -> None:
    """Complete, and empty, although orders work: no word of an end comes of it."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        scene.server.fault("snapshot_empty=open")
        assert await scene.broker.resynchronise()
        await heard(scene)
        assert not [w for frame in order.frames for w in ends(scene, frame.ref)]


@shows("F28")
async def test_a_used_order_id_is_refused_once_and_never_met_again() -> None:
    """103: the order ends by its code, is not sent under another id, and the next order begins above."""
    async with played() as scene:
        await ready(scene)
        scene.server.core.venue.book.last_id[17] = 500
        order = hand_over(scene)
        await scene.until(lambda: [e for e in of(scene, ErrorSaid) if (e.code, e.ref) == (103, order.ref)])
        await heard(scene)
        assert len([r for r in scene.sent("placeOrder") if r["orderRef"] == order.ref]) == 1
        await scene.until(lambda: scene.broker.room() >= 3)
        again = hand_over(scene, "two")
        await scene.until(lambda: filled(scene, again.ref) == LOTS)
        assert id_of(scene, again.ref) > 500


@shows("M28", "F56")
async def test_a_message_that_cannot_be_read_is_a_fact_and_the_loop_lives() -> None:
    """Half a message is said to be unreadable; the next one is read."""
    async with played() as scene:
        await ready(scene)
        scene.server.act("frame", fields="11|-1|5|12087792")
        await scene.until(lambda: [e for e in of(scene, ErrorSaid) if e.code == 0 and "execDetails" in e.text])
        assert await scene.broker.round_trip()


@shows("M28")
async def test_a_broken_promise_in_a_callback_is_raised_where_facts_are_taken() -> None:
    """The library swallows what its handlers raise; the adapter does not let it."""
    async with played() as scene:
        await ready(scene)
        del scene.broker.names.perms  # whatever goes wrong in there
        scene.server.act("frame", fields="3|1|Submitted|0|1|0|77|0|0|17||0")
        with pytest.raises(AttributeError):
            await heard(scene)
        with pytest.raises(AttributeError):
            hand_over(scene)
        assert not scene.sent("placeOrder")


@shows("I24")
async def test_the_account_number_stays_on_the_wire() -> None:
    """Through a whole trade, a refusal that quotes it, and a picture: hash and mask, never the number."""
    async with played() as scene:
        await ready(scene)
        _ = await enter(scene)
        scene.server.act("error", code=321, text=f"Invalid account code '{NUMBER}'.", id=-1)
        await heard(scene)
        everything = str((scene.facts, await scene.broker.snapshot(), scene.broker.accounts()))
        assert NUMBER not in everything and "DU...567" in everything
