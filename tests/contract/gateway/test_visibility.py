"""Who sees what: client ids, the master, client 0, somebody at TWS; and what is forgotten at midnight."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from attrs import evolve

from tests.contract.gateway.stage import CALM, EURUSD, Stage


def test_a_client_hears_only_of_its_own_orders() -> None:
    """Another client's order is silent here, and open only in the request for all."""
    stage = Stage.up()
    one, other = stage.connect(1), stage.connect(2)
    order = one.place(orderType="LMT", lmtPrice="1.10000")
    stage.wait()
    assert one.story(order)
    assert not other.got("openOrder", "orderStatus")
    other.ask("reqOpenOrders")
    assert not other.got("openOrder")
    other.ask("reqAllOpenOrders")
    assert [(said["clientId"], said["orderId"]) for said in other.got("openOrder")] == [("1", str(order))]


def test_positions_are_everybodys() -> None:
    """One client trades; the other, subscribed, hears of the position."""
    stage = Stage.up()
    one, other = stage.connect(1), stage.connect(2)
    other.ask("reqPositions")
    one.place()
    stage.wait()
    assert Decimal(other.last("position")["position"]) == 20_000


def test_the_master_client_hears_of_every_order() -> None:
    """Other clients' orders and fills under their own client ids."""
    stage = Stage.up(evolve(CALM, master_client=99))
    one, master = stage.connect(1), stage.connect(99)
    one.place()
    stage.wait()
    assert {said["clientId"] for said in master.got("execDetails", "openOrder", "orderStatus")} == {"1"}


def test_an_order_id_of_another_client_cannot_be_cancelled() -> None:
    """10147, and the order lives."""
    stage = Stage.up()
    one, other = stage.connect(1), stage.connect(2)
    order = one.place(orderType="LMT", lmtPrice="1.10000")
    stage.wait()
    other.ask("cancelOrder", orderId=order)
    stage.wait()
    assert other.last("error", id=order)["code"] == "10147"
    assert one.status(order) == "Submitted"


def test_somebody_at_tws_places_and_only_client_0_hears() -> None:
    """No order id, no reference; the execution's order id is TWS's 'unset'. Others have to ask for all."""
    stage = Stage.up()
    zero, bot = stage.connect(0), stage.connect(7)
    stage.do("manual_place", symbol="EURUSD", action="BUY", quantity=30_000)
    stage.wait()
    assert zero.last("openOrder")["orderId"] == "0"
    assert zero.last("execDetails")["orderId"] == "2147483647"
    assert not bot.got("openOrder", "orderStatus", "execDetails")
    bot.ask("reqExecutions", reqId=5)
    assert bot.last("execDetails")["clientId"] == "0"
    assert bot.position() == 30_000


def test_three_manual_orders_share_no_identity_but_the_permanent_id() -> None:
    """All have order id 0 and client 0; their permanent ids differ."""
    stage = Stage.up()
    bot = stage.connect()
    for price in ("1.1", "1.11", "1.12"):
        stage.do("manual_place", symbol="EURUSD", action="BUY", quantity=1, type="LMT", limit=price)
    stage.wait()
    bot.ask("reqAllOpenOrders")
    shown = bot.got("openOrder")
    assert {(one["clientId"], one["orderId"]) for one in shown} == {("0", "0")}
    assert len({one["permId"] for one in shown}) == 3


def test_somebody_at_tws_closes_and_the_stop_works_on() -> None:
    """The orphan: the position is flat, the client's stop is not told of it and still works."""
    stage = Stage.up()
    bot = stage.connect()
    bot.place()
    stop = bot.place(action="SELL", orderType="STP", auxPrice="1.15000", tif="GTC", orderRef="stop")
    stage.wait()
    stage.do("manual_close", symbol="EURUSD")
    stage.wait()
    assert bot.position() == 0
    bot.ask("reqOpenOrders")
    assert [one["orderId"] for one in bot.got("openOrder")] == [str(stop)]
    stage.quote("1.14000", "1.14010")
    stage.wait(5)
    assert bot.position() == -20_000


def test_somebody_at_tws_cancels_and_changes_a_clients_order() -> None:
    """The owner hears of both."""
    stage = Stage.up()
    bot = stage.connect()
    order = bot.place(orderType="LMT", lmtPrice="1.10000", orderRef="mine")
    stage.wait()
    stage.do("manual_modify", order_ref="mine", quantity=5_000)
    assert bot.last("openOrder")["totalQuantity"] == "5000"
    stage.do("manual_cancel", order_ref="mine")
    stage.wait()
    assert bot.status(order) == "Cancelled"


def test_completed_orders_have_no_ids_of_the_client() -> None:
    """What was filled or cancelled today, under its permanent id."""
    stage = Stage.up()
    bot = stage.connect()
    bot.place(orderRef="a")
    cancelled = bot.place(orderType="LMT", lmtPrice="1.1", orderRef="b")
    stage.wait()
    bot.ask("cancelOrder", orderId=cancelled)
    stage.wait()
    bot.ask("reqCompletedOrders", apiOnly=0)
    told = {one["orderRef"]: (one["status"], one["filledQuantity"]) for one in bot.got("completedOrder")}
    assert told == {"a": ("Filled", "20000"), "b": ("Cancelled", "0")}
    assert bot.got("completedOrdersEnd")


def test_executions_and_completed_orders_are_wiped_at_midnight() -> None:
    """At 23:59 New York they are there, at 0:01 they are not; the position stays."""
    stage = Stage.up()
    bot = stage.connect()
    bot.place()
    stage.wait()
    for moment, wanted in (
        (datetime(2026, 11, 19, 4, 59, tzinfo=UTC), 1),
        (datetime(2026, 11, 19, 5, 1, tzinfo=UTC), 0),
    ):
        stage.until(moment)
        bot.forget()
        bot.ask("reqExecutions", reqId=5)
        bot.ask("reqCompletedOrders", apiOnly=0)
        assert (len(bot.got("execDetails")), len(bot.got("completedOrder"))) == (wanted, wanted)
    assert bot.position() == 20_000


def test_executions_can_be_asked_for_by_client_and_symbol() -> None:
    """A filter leaves out what it does not name."""
    stage = Stage.up()
    one, other = stage.connect(1), stage.connect(2)
    one.place()
    other.place({**EURUSD, "symbol": "GBP"})
    stage.wait()
    one.forget()
    one.ask("reqExecutions", reqId=5, clientId=2)
    one.ask("reqExecutions", reqId=6, symbol="EUR")
    assert [(said["reqId"], said["symbol"]) for said in one.got("execDetails")] == [("5", "GBP"), ("6", "EUR")]


def test_with_two_accounts_every_order_has_to_name_one() -> None:
    """321 without; with one it trades in that account only."""
    stage = Stage.up(evolve(CALM, accounts=("DU1", "DU2")))
    bot = stage.connect()
    assert bot.last("managedAccounts")["accounts"] == "DU1,DU2"
    silent = bot.place()
    named = bot.place(account="DU2")
    stage.wait()
    assert bot.last("error", id=silent)["message"].endswith("You must specify an account.")
    assert bot.last("execDetails", orderId=named)["acctNumber"] == "DU2"
    bot.forget()
    bot.ask("reqPositions")
    assert [(one["account"], one["position"]) for one in bot.got("position")] == [("DU2", "20000")]
