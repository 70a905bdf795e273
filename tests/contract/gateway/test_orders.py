"""Orders live and end as they do at the broker: the events in the order seen live, prices that cost what gaps cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from phoenix_adapters.gateway import Setup, life
from tests.contract.gateway.stage import AAPL, CALM, EURUSD, Client, Stage, exactly

SATURDAY = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


def test_a_market_order_is_told_as_seen_live() -> None:
    """openOrder, PreSubmitted, execDetails, openOrder, Filled; the commission follows."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place(orderRef="one")
    stage.wait()
    exactly(client.story(order), "openOrder", "PreSubmitted", "execDetails", "openOrder", "Filled")
    names = [one.name for one in client.heard]
    assert names.index("commissionReport") > names.index("execDetails")
    execution = client.last("execDetails")
    assert execution["reqId"] == "-1"
    assert execution["orderRef"] == "one"
    assert execution["time"] == "20261118 14:00:00 US/Eastern"


def test_a_resting_limit_is_presubmitted_then_submitted() -> None:
    """A limit away from the market rests; its cancel is PendingCancel, Cancelled, 202."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    exactly(client.story(order), "openOrder", "PreSubmitted", "openOrder", "Submitted")
    client.forget()
    client.ask("cancelOrder", orderId=order)
    stage.wait()
    exactly(client.story(order), "PendingCancel", "Cancelled", "202")


def test_a_marketable_limit_gets_the_better_price() -> None:
    """A buyer who would pay more pays the ask."""
    stage = Stage.up()
    client = stage.connect()
    client.place(orderType="LMT", lmtPrice="1.18000")
    stage.wait()
    assert Decimal(client.last("execDetails")["price"]) == Decimal("1.17005")


def test_a_limit_never_fills_beyond_its_price() -> None:
    """When the market comes through, the fill is at the limit or better."""
    stage = Stage.up()
    client = stage.connect()
    client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC")
    stage.wait()
    stage.quote("1.15900", "1.16000")
    assert Decimal(client.last("execDetails")["price"]) == Decimal("1.16")


def test_a_stop_waits_presubmitted_and_fills_at_the_gap() -> None:
    """A sell stop at 1.16 sells at 1.10 if that is where the price lands."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    stop = client.place(action="SELL", orderType="STP", auxPrice="1.16000", tif="GTC")
    stage.wait()
    exactly(client.story(stop), "openOrder", "PreSubmitted", "openOrder", "PreSubmitted")
    stage.quote("1.10000", "1.10010")
    exactly(client.story(stop)[4:], "openOrder", "Submitted", "execDetails", "openOrder", "Filled")
    assert Decimal(client.last("execDetails", orderId=stop)["price"]) == Decimal("1.10")


def test_a_stop_that_is_not_touched_does_not_trigger() -> None:
    """One tick away is away."""
    stage = Stage.up()
    client = stage.connect()
    stop = client.place(action="SELL", orderType="STP", auxPrice="1.16000", tif="GTC")
    stage.quote("1.16005", "1.16010")
    stage.wait(5)
    assert client.status(stop) == "PreSubmitted"


def test_immediate_orders_that_cannot_fill_end_as_seen_live() -> None:
    """IOC: PendingCancel, Cancelled. FOK: Inactive."""
    stage = Stage.up()
    client = stage.connect()
    for tif, wanted in (("IOC", ["PendingCancel", "Cancelled", "202"]), ("FOK", ["Inactive"])):
        order = client.place(orderType="LMT", lmtPrice="1.10000", tif=tif)
        stage.wait()
        assert client.story(order)[4:] == wanted


SHOWN = 5_000_000  # of a currency pair, on either side, before its price was looked at for the first time


@pytest.mark.parametrize("faults", [(), ("partial_fill=2",), ("partial_hold",)])
@pytest.mark.parametrize(("asked", "filled"), [(SHOWN, SHOWN), (SHOWN + 1, 0)])
def test_all_or_nothing_is_never_filled_in_part(asked: int, filled: int, faults: tuple[str, ...]) -> None:
    """FOK: one execution of the whole where so much is shown, else none at all and Inactive, whatever goes wrong."""
    stage = Stage.up(evolve(CALM, cash={"USD": Decimal(1_000_000_000)}), faults=faults)
    client = stage.connect()
    order = client.place(totalQuantity=asked, orderType="LMT", lmtPrice="1.18000", tif="FOK")
    stage.wait(5)
    assert [Decimal(one["shares"]) for one in client.got("execDetails")] == [filled] * bool(filled)
    assert client.status(order) == ("Filled" if filled else "Inactive")
    assert client.position() == filled


def test_an_immediate_order_keeps_the_part_that_it_got() -> None:
    """IOC for more than is shown: what is shown, and the rest is cancelled."""
    stage = Stage.up(evolve(CALM, cash={"USD": Decimal(1_000_000_000)}))
    client = stage.connect()
    order = client.place(totalQuantity=SHOWN + 1, orderType="LMT", lmtPrice="1.18000", tif="IOC")
    stage.wait(5)
    last = client.last("orderStatus", orderId=order)
    assert (last["status"], last["filled"], last["remaining"]) == ("Cancelled", str(SHOWN), "1")
    assert client.position() == SHOWN


def test_an_immediate_order_that_can_fill_does() -> None:
    """IOC at the market is filled, not cancelled."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.18000", tif="IOC")
    stage.wait()
    assert client.status(order) == "Filled"


def test_a_large_order_fills_in_parts() -> None:
    """More than is shown fills over several prices, and every part adds up."""
    stage = Stage.up(evolve(CALM, cash={"USD": Decimal(1_000_000_000)}))
    client = stage.connect()
    order = client.place(totalQuantity=20_000_000)
    stage.wait(30)
    executions = client.got("execDetails", orderId=order)
    assert len(executions) > 1
    assert sum(Decimal(one["shares"]) for one in executions) == 20_000_000
    assert executions[-1]["cumQty"] == "20000000"
    assert client.status(order) == "Filled"


def test_an_overfill_is_the_last_part_and_no_other() -> None:
    """The first half is as large as it should be, the second one is larger by what the script says, and all of it is
    told, held and paid for."""
    stage = Stage.up(faults=("partial_fill=2", "overfill=7"))
    client = stage.connect()
    order = client.place()
    stage.wait(5)
    told = client.got("execDetails", orderId=order)
    assert [(one["shares"], one["cumQty"]) for one in told] == [("10000", "10000"), ("10007", "20007")]
    last = client.last("orderStatus", orderId=order)
    assert (last["status"], last["filled"], last["remaining"]) == ("Filled", "20007", "0")
    assert client.position() == 20_007
    (account,) = stage.gateway.venue.accounts.values()
    assert account.cash["EUR"] == 20_007


def test_a_modification_is_the_same_id_again() -> None:
    """openOrder and orderStatus come with unchanged status; the new price holds."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    client.forget()
    client.place(orderId=order, orderType="LMT", lmtPrice="1.11000", tif="GTC")
    stage.wait()
    exactly(client.story(order), "openOrder", "Submitted")
    assert Decimal(client.last("openOrder")["lmtPrice"]) == Decimal("1.11")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lmtPrice": "1.100001"}, "110"),
        ({"orderType": "STP", "auxPrice": "1.1"}, "329"),
        ({"action": "SELL"}, "105"),
        ({"totalQuantity": 0}, "434"),
    ],
)
def test_a_refused_modification_leaves_the_original_alive(changes: dict[str, object], code: str) -> None:
    """The error has the order's id, and the order works on."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    client.place(orderId=order, **{"orderType": "LMT", "lmtPrice": "1.10000", "tif": "GTC", **changes})
    stage.wait()
    assert client.story(order)[-1] == code
    client.forget()
    client.ask("reqOpenOrders")
    assert [one["lmtPrice"] for one in client.got("openOrder")] == ["1.1"]


def test_what_is_over_is_not_modified_or_cancelled() -> None:
    """104 for a filled order; 10148 names its state; 10147 for an id that nobody used."""
    stage = Stage.up()
    client = stage.connect()
    order = client.place()
    stage.wait()
    client.place(orderId=order)
    client.ask("cancelOrder", orderId=order)
    client.ask("cancelOrder", orderId=999)
    assert client.story(order)[-2:] == ["104", "10148"]
    assert "state: Filled" in client.last("error", code=10148)["message"]
    assert client.last("error", code=10147)["id"] == "999"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"symbol": "XXX"}, "200"),
        ({"orderType": "TRAIL"}, "321"),
        ({"account": "DU9"}, "321"),
        ({"totalQuantity": 0}, "434"),
        ({"orderType": "LMT", "lmtPrice": "1.100001"}, "110"),
        ({"orderType": "LMT"}, "110"),
        ({"orderId": 1, "totalQuantity": 1}, "103"),
        ({"parentId": 55}, "135"),
    ],
)
def test_what_is_wrong_at_entry_gets_its_code_and_no_status(terms: dict[str, object], code: str) -> None:
    """Only the error comes, under the order's id, and no order is open."""
    stage = Stage.up()
    client = stage.connect()
    client.place(orderId=4, orderType="LMT", lmtPrice="1.10000")
    stage.wait()
    client.ask("cancelOrder", orderId=4)
    stage.wait()
    client.forget()
    order = client.place({**EURUSD, "symbol": str(terms.pop("symbol", "EUR"))}, **{"orderId": 5, **terms})
    stage.wait()
    exactly(client.story(order), code)
    client.ask("reqOpenOrders")
    assert not client.got("openOrder")


def test_margin_is_refused_with_201_and_inactive() -> None:
    """A hundred times the money is too much; the account is untouched."""
    stage = Stage.up()
    client = stage.connect()
    before = client.net_liquidation()
    order = client.place(totalQuantity=100_000_000)
    stage.wait()
    exactly(client.story(order), "201", "Inactive")
    assert client.last("error", code=201)["message"].startswith("Order rejected - reason:")
    assert client.net_liquidation() == before


def test_what_if_answers_with_margins_and_places_nothing() -> None:
    """An openOrder with whatIf, no status, no order."""
    stage = Stage.up()
    client = stage.connect()
    client.place(whatIf=1)
    stage.wait()
    said = client.last("openOrder")
    assert said["whatIf"] == "1"
    assert Decimal(said["initMarginChange"]) == Decimal(said["initMarginAfter"]) - Decimal(said["initMarginBefore"])
    assert Decimal(said["initMarginChange"]) > 0
    assert not client.got("orderStatus")
    client.forget()
    client.ask("reqAllOpenOrders")
    assert not client.got("openOrder")


def test_what_if_is_no_place_frame_to_whatever_waits_for_one() -> None:
    """A reset that comes with the next order, a script that counts them: neither meets a question. An API that may only
    read refuses it as it refuses the order."""
    stage = Stage.up(faults=("drop_on_place",))
    counted: list[str] = []
    stage.gateway.heard = lambda session, name: counted.append(name)
    client = stage.connect()
    question = client.place(whatIf=1)
    assert client.got("openOrder", orderId=question) and not client.closed
    assert "placeOrder" not in counted
    stage.fault("readonly")
    client.forget()
    refused = client.place(whatIf=1)
    assert client.last("error", id=refused)["code"] == "321" and not client.got("openOrder")
    client.place()
    assert client.closed and counted[-1] == "placeOrder"


# brackets and one-cancels-all


def bracket(client: Client, quantity: int = 20_000, **child: object) -> tuple[int, int, int]:
    """A market purchase, a target and a stop; only the last frame transmits."""
    parent = client.place(totalQuantity=quantity, transmit=0)
    common = {"action": "SELL", "totalQuantity": quantity, "tif": "GTC", "parentId": parent, **child}
    target = client.place(orderType="LMT", lmtPrice="1.20000", transmit=0, **common)
    stop = client.place(orderType="STP", auxPrice="1.15000", transmit=1, **common)
    return parent, target, stop


def test_a_bracket_is_silent_until_its_last_frame_transmits() -> None:
    """Nothing is told of a frame that does not transmit."""
    stage = Stage.up()
    client = stage.connect()
    client.forget()
    client.place(transmit=0)
    stage.wait(10)
    assert not client.heard


def test_a_brackets_children_wait_for_the_parent_and_then_work() -> None:
    """Held as children, then Submitted and waiting for their trigger."""
    stage = Stage.up()
    stage.fault("slow_fill=5")
    client = stage.connect()
    parent, target, stop = bracket(client)
    stage.wait(1)
    assert [client.last("orderStatus", orderId=one)["whyHeld"] for one in (target, stop)] == ["child", "child,trigger"]
    stage.wait(10)
    assert client.status(parent) == "Filled"
    assert client.status(target) == "Submitted"
    assert client.last("orderStatus", orderId=stop)["whyHeld"] == "trigger"
    assert client.last("openOrder", orderId=stop)["parentId"] == str(parent)


def test_a_child_whose_parent_has_filled_is_changed_under_no_parent() -> None:
    """The parent is no order any more that TWS would find, although it goes on telling of it: 135 under the child's
    id, and the child stays as it was."""
    stage = Stage.up()
    client = stage.connect()
    parent, target, stop = bracket(client, quantity=40_000)
    stage.wait(5)
    assert client.status(parent) == "Filled" and client.last("openOrder", orderId=stop)["parentId"] == str(parent)
    half = {"action": "SELL", "totalQuantity": 20_000, "tif": "GTC"}
    client.forget()
    client.place(orderId=stop, orderType="STP", auxPrice="1.15000", parentId=parent, **half)
    client.place(orderId=target, orderType="LMT", lmtPrice="1.20000", **half)
    stage.wait(5)
    exactly(client.story(stop), "135")
    client.ask("reqOpenOrders")
    assert client.last("openOrder", orderId=stop)["totalQuantity"] == "40000"
    assert client.last("openOrder", orderId=target)["totalQuantity"] == "20000"


@pytest.mark.parametrize(("bid", "ask", "filled", "gone"), [("1.21000", "1.21010", 1, 2), ("1.14000", "1.14010", 2, 1)])
def test_when_one_child_fills_the_other_is_cancelled(bid: str, ask: str, filled: int, gone: int) -> None:
    """Target or stop: the position is flat after, and nothing works."""
    stage = Stage.up()
    client = stage.connect()
    orders = bracket(client)
    stage.wait()
    stage.quote(bid, ask)
    stage.wait(5)
    assert (client.status(orders[filled]), client.status(orders[gone])) == ("Filled", "Cancelled")
    assert client.position() == 0


def test_cancelling_the_parent_cancels_its_children() -> None:
    """Nothing that was to protect is left without what it protects."""
    stage = Stage.up()
    stage.fault("never_fill")
    client = stage.connect()
    orders = bracket(client)
    stage.wait()
    client.ask("cancelOrder", orderId=orders[0])
    stage.wait()
    assert [client.status(one) for one in orders] == ["Cancelled"] * 3


def test_a_rejected_parent_takes_its_children_along() -> None:
    """201 for the parent; the children end too."""
    stage = Stage.up()
    stage.fault("reject_margin*1")
    client = stage.connect()
    orders = bracket(client)
    stage.wait()
    assert client.status(orders[0]) == "Inactive"
    assert [client.status(one) for one in orders[1:]] == ["Cancelled"] * 2


def test_a_childs_executions_never_exceed_what_its_parent_has() -> None:
    """Half of the entry filled, the stop goes off: half is sold."""
    stage = Stage.up()
    stage.fault("partial_hold@parent")
    client = stage.connect()
    _, _, stop = bracket(client)
    stage.wait()
    assert client.position() == 10_000
    stage.quote("1.14000", "1.14010")
    stage.wait(5)
    assert client.last("orderStatus", orderId=stop)["filled"] == "10000"
    assert client.position() == 0


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_one_cancels_all_never_exceeds_the_position(kind: int, seed: int) -> None:
    """Both members executable at once, filling in parts: what is sold is what was held."""
    stage = Stage.up(evolve(CALM, seed=seed, cash={"USD": Decimal(1_000_000_000)}))
    client = stage.connect()
    client.place(totalQuantity=10_000_000)
    stage.wait(30)
    for price in ("1.18000", "1.18005"):
        client.place(
            action="SELL", totalQuantity=10_000_000, orderType="LMT", lmtPrice=price, tif="GTC", ocaGroup="g",
            ocaType=kind,
        )  # fmt: skip
    stage.wait()
    stage.quote("1.19000", "1.19005")
    stage.wait(60)
    sold = sum(Decimal(one["shares"]) for one in client.got("execDetails", side="SLD"))
    assert sold == 10_000_000 if kind != 1 else 0 < sold <= 10_000_000
    assert client.position() == 10_000_000 - sold
    client.ask("reqOpenOrders")
    assert not client.got("openOrder") or kind == 1


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_group_in_which_something_filled_gives_a_newcomer_only_its_rest(kind: int) -> None:
    """All filled: 201, nothing executes. Half filled: the newcomer is cut to the other half, or refused in type 1."""
    stage = Stage.up(faults=("partial_hold@STP",))
    client = stage.connect()
    _ = client.place()
    stage.wait()
    group = {"ocaGroup": "g", "ocaType": kind, "action": "SELL"}
    _ = client.place(orderType="STP", auxPrice="1.10000", tif="GTC", **group)
    stage.wait()
    stage.quote("1.09000", "1.09005")
    stage.wait(1)
    assert client.position() == 10_000
    second = client.place(**group)
    stage.wait(1)
    told = client.got("execDetails", orderId=second, reqId=-1)
    assert sum(Decimal(one["shares"]) for one in told) == (0 if kind == 1 else 10_000)
    assert client.position() == (10_000 if kind == 1 else 0)
    third = client.place(**group)
    stage.wait(1)
    assert client.story(third) == ["201", "Inactive"]


@pytest.mark.parametrize("kind", [2, 3])
def test_a_part_shrinks_the_others_of_the_group_by_its_share(kind: int) -> None:
    """5,000 of 20,000 are a quarter: each of the others loses a quarter of its own size, a broken unit for a whole one,
    and is told so; a third of the rest takes a third of theirs, and the whole of it ends them."""
    stage = Stage.up()
    client = stage.connect()
    _ = client.place(totalQuantity=60_000)
    stage.wait()
    group: dict[str, object] = {"ocaGroup": "g", "ocaType": kind, "action": "SELL", "tif": "GTC"}
    first = client.place(orderType="STP", auxPrice="1.10000", **group)
    others = [
        client.place(orderType="LMT", lmtPrice="1.30000", totalQuantity=size, **group) for size in (20_000, 30_001)
    ]
    stage.wait()

    def told() -> list[tuple[str, str]]:
        return [(client.last("openOrder", orderId=one)["totalQuantity"], client.status(one)) for one in others]

    venue = stage.gateway.venue
    (order,) = (one for one in venue.book.live.values() if one.order_id == first)
    for part, left in ((5_000, (15_000, 22_500)), (5_000, (10_000, 15_000))):
        life.execute(venue, order, Decimal(part), Decimal("1.1"))
        stage.wait()
        assert told() == [(str(size), "Submitted") for size in left]
    life.execute(venue, order, Decimal(10_000), Decimal("1.1"))
    stage.wait()
    assert [status for _, status in told()] == ["Cancelled", "Cancelled"]


def test_a_child_never_outgrows_its_parent() -> None:
    """The entry ended half filled; the stop that stands in full executes that half."""
    stage = Stage.up(faults=("partial_then_cancel@BUY",))
    client = stage.connect()
    _, _, stop = bracket(client)
    stage.wait()
    stage.quote("1.14000", "1.14010")
    stage.wait(5)
    assert client.last("orderStatus", orderId=stop)["filled"] == "10000"
    assert client.position() == 0


def test_type_3_may_fill_twice_where_the_venues_race() -> None:
    """With the race switched on both members fill: the position is exceeded, as IB's documents warn."""
    stage = Stage.up(faults=("oca_race",))
    client = stage.connect()
    client.place()
    stage.wait()
    for price in ("1.18000", "1.18005"):
        client.place(action="SELL", orderType="LMT", lmtPrice=price, tif="GTC", ocaGroup="g", ocaType=3)
    stage.wait()
    stage.quote("1.19000", "1.19005")
    stage.wait(5)
    assert client.position() == -20_000


def test_both_outcomes_of_cancel_against_fill_occur() -> None:
    """A cancel sent right after a market order sometimes wins and sometimes loses, and the story is true either way."""
    outcomes = set()
    for seed in range(60):
        stage = Stage.up(evolve(CALM, seed=seed))
        client = stage.connect()
        order = client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC")
        stage.wait()
        stage.do("quote", symbol="EURUSD", bid="1.15990", ask="1.15995")
        stage.wait(0.25)
        client.ask("cancelOrder", orderId=order)
        stage.wait(1)
        held = client.got("execDetails")
        outcomes.add(client.status(order))
        assert (client.status(order) == "Filled") == bool(held)
        assert client.position() == (20_000 if held else 0)
    assert outcomes == {"Filled", "Cancelled"}


# time


def test_a_saturday_market_order_fills_on_sunday_at_17_15_new_york() -> None:
    """399 at once; the fill comes with the opening."""
    stage = Stage.up(Setup(seed=3), SATURDAY)
    client = stage.connect()
    order = client.place(tif="GTC")
    stage.wait()
    exactly(client.story(order), "openOrder", "PreSubmitted", "399")
    assert "until 2026-11-22 17:15:00 US/Eastern" in client.last("error", code=399)["message"]
    stage.until(datetime(2026, 11, 22, 22, 14, 59, tzinfo=UTC))
    assert not client.got("execDetails")
    stage.until(datetime(2026, 11, 22, 22, 15, 1, tzinfo=UTC))
    assert client.last("execDetails")["time"] == "20261122 17:15:00 US/Eastern"
    assert client.status(order) == "Filled"


def test_stocks_wait_for_half_past_nine() -> None:
    """And Thanksgiving is no trading day."""
    stage = Stage.up(CALM, datetime(2026, 11, 25, 22, 0, tzinfo=UTC))
    client = stage.connect()
    order = client.place(AAPL, totalQuantity=10, tif="GTC")
    stage.until(datetime(2026, 11, 27, 14, 29, 59, tzinfo=UTC))
    assert client.status(order) == "PreSubmitted"
    stage.until(datetime(2026, 11, 27, 14, 30, 1, tzinfo=UTC))
    assert client.status(order) == "Filled"


def test_a_day_order_ends_with_its_session_and_gtc_does_not() -> None:
    """At 17:00 New York the DAY order is cancelled by the broker."""
    stage = Stage.up()
    client = stage.connect()
    day = client.place(orderType="LMT", lmtPrice="1.10000", tif="DAY")
    kept = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.until(datetime(2026, 11, 18, 22, 0, 1, tzinfo=UTC))
    assert (client.status(day), client.status(kept)) == ("Cancelled", "Submitted")


REOPENS = datetime(2026, 11, 18, 22, 15, tzinfo=UTC)  # on Wednesday, after the daily break


@pytest.mark.parametrize("tif", ["DAY", ""])
@pytest.mark.parametrize(
    ("sent", "opens", "closes"),
    [
        (SATURDAY, datetime(2026, 11, 22, 22, 15, tzinfo=UTC), 23),
        (REOPENS - timedelta(minutes=10), REOPENS, 19),
        (REOPENS - timedelta(minutes=15), REOPENS, 19),
    ],
    ids=["on Saturday", "in the break", "at the close"],
)
def test_a_day_order_for_a_closed_market_lives_through_the_next_session(
    sent: datetime, opens: datetime, closes: int, tif: str
) -> None:
    """399, and it waits; from the opening on it works, and at that session's close, 17:00 New York, it is cancelled."""
    stage = Stage.up(CALM, sent)
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif=tif)
    stage.until(opens - timedelta(seconds=1))
    exactly(client.story(order), "openOrder", "PreSubmitted", "399")
    stage.until(opens + timedelta(seconds=1))
    assert client.status(order) == "Submitted"
    stage.until(datetime(2026, 11, closes, 21, 59, 59, tzinfo=UTC))
    assert client.status(order) == "Submitted"
    stage.until(datetime(2026, 11, closes, 22, 0, 1, tzinfo=UTC))
    exactly(client.story(order)[-2:], "Cancelled", "202")
    assert client.last("error", id=order)["message"] == "Order Canceled - reason:End of day"


def test_a_day_order_for_a_stock_ends_with_the_hours_that_it_asked_for() -> None:
    """At 16:00, and one that works outside of these hours at 20:00."""
    stage = Stage.up()
    client = stage.connect()
    short, long = (
        client.place(AAPL, totalQuantity=10, orderType="LMT", lmtPrice="1", outsideRth=late) for late in (0, 1)
    )
    stage.until(datetime(2026, 11, 18, 21, 0, 1, tzinfo=UTC))
    assert (client.status(short), client.status(long)) == ("Cancelled", "Submitted")
    stage.until(datetime(2026, 11, 19, 1, 0, 1, tzinfo=UTC))
    assert client.status(long) == "Cancelled"


def test_an_order_ends_as_it_was_last_modified() -> None:
    """DAY made GTC outlives its session; GTC made DAY, on whatever day, does not."""
    stage = Stage.up()
    client = stage.connect()
    terms: dict[str, object] = {"orderType": "LMT", "lmtPrice": "1.10000"}
    kept, day = (client.place(**terms, tif=tif) for tif in ("DAY", "GTC"))
    stage.until(datetime(2026, 11, 18, 21, 0, tzinfo=UTC))
    client.place(**terms, orderId=kept, tif="GTC")
    stage.until(datetime(2026, 11, 19, 15, 0, tzinfo=UTC))
    client.place(**terms, orderId=day, tif="DAY")
    stage.until(datetime(2026, 11, 19, 21, 59, 59, tzinfo=UTC))
    assert (client.status(kept), client.status(day)) == ("Submitted", "Submitted")
    stage.until(datetime(2026, 11, 19, 22, 0, 1, tzinfo=UTC))
    assert (client.status(kept), client.status(day)) == ("Submitted", "Cancelled")


def test_nothing_fills_in_the_daily_break() -> None:
    """Between 17:00 and 17:15 a marketable order waits."""
    stage = Stage.up(CALM, datetime(2026, 11, 18, 21, 59, tzinfo=UTC))
    client = stage.connect()
    order = client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC")
    stage.until(datetime(2026, 11, 18, 22, 1, tzinfo=UTC))
    stage.quote("1.15900", "1.15905")
    stage.wait(60)
    assert client.status(order) == "Submitted"
    stage.until(datetime(2026, 11, 18, 22, 15, 2, tzinfo=UTC))
    assert client.status(order) == "Filled"


def test_contract_details_tell_hours_ticks_and_sizes() -> None:
    """EUR.USD under the id it really has; an unknown symbol is 200."""
    stage = Stage.up()
    client = stage.connect()
    client.ask("reqContractDetails", reqId=5, **EURUSD)
    said = client.last("contractDetails")
    assert (said["conId"], said["localSymbol"], Decimal(said["minTick"])) == ("12087792", "EUR.USD", Decimal("0.00005"))
    assert said["tradingHours"].startswith("20261117:1715-20261118:1700;")
    assert client.got("contractDetailsEnd")
    client.ask("reqContractDetails", reqId=6, **{**EURUSD, "symbol": "XXX"})
    assert client.last("error", id=6)["code"] == "200"
