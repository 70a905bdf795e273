"""Every misfortune on the menu does what the menu says, once switched on, and nothing once it is off."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from attrs import evolve

from phoenix_adapters.gateway import MENU, Faults, UnknownFault
from phoenix_adapters.wire import hello
from phoenix_core.trade.order_words import NOT_HELD
from tests.contract.gateway.stage import CALM, EURUSD, Check, Client, Stage

FILLED = ["openOrder", "PreSubmitted", "execDetails", "openOrder", "Filled"]
UNSET = "1.7976931348623157E308"


def market(stage: Stage, client: Client, seconds: float = 0.2) -> list[str]:
    """A market order and its story."""
    order = client.place()
    stage.wait(seconds)
    return client.story(order)


def resting(stage: Stage, client: Client) -> int:
    """A limit order that rests; its id."""
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    client.forget()
    return order


def story(*told: str, seconds: float = 0.2) -> Check:
    """The fault makes a market order's life this one."""

    def check(stage: Stage, client: Client) -> None:
        assert market(stage, client, seconds) == list(told)

    return check


def cancel_story(*told: str, seconds: float = 0.2) -> Check:
    """The fault makes the life of a cancelled limit order this one, from its cancel on."""

    def check(stage: Stage, client: Client) -> None:
        order = resting(stage, client)
        client.ask("cancelOrder", orderId=order)
        stage.wait(seconds)
        assert client.story(order) == list(told)

    return check


def lives_after(code: str, *, off: str = "") -> Check:
    """The order gets this code and fills all the same, at once or when the hold is lifted."""

    def check(stage: Stage, client: Client) -> None:
        told = market(stage, client)
        assert code in told
        if off:
            assert "execDetails" not in told
            stage.do("clear", name=off)
            stage.wait(1)
        assert client.got("execDetails")

    return check


def _never_ack(stage: Stage, client: Client) -> None:
    assert market(stage, client, 3600) == []
    client.ask("reqAllOpenOrders")
    client.ask("reqExecutions", reqId=1)
    assert not client.got("openOrder", "execDetails")


def _late(fault_seconds: float, message: str) -> Check:
    def check(stage: Stage, client: Client) -> None:
        client.place()
        stage.wait(fault_seconds - 0.5)
        assert not client.got(message)
        stage.wait(1)
        assert client.got(message)

    return check


def _held_dialog(stage: Stage, client: Client) -> None:
    assert market(stage, client, 300) == []
    client.ask("reqOpenOrders")
    assert not client.got("openOrder")
    stage.do("clear", name="held_dialog")
    stage.wait()
    assert client.got("execDetails")


def _never_fill(stage: Stage, client: Client) -> None:
    assert market(stage, client, 60) == ["openOrder", "PreSubmitted", "openOrder", "Submitted"]
    stage.do("clear", name="never_fill")
    stage.wait(1)
    assert client.got("execDetails")


def _drop_status(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert client.got("execDetails")
    assert not client.got("orderStatus")


def _duplicate_exec(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert len({one["execId"] for one in client.got("execDetails")}) == 1
    assert len(client.got("execDetails")) == 2
    assert client.position() == 20_000


def _two_exec_ids(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert len({one["execId"] for one in client.got("execDetails")}) == 2
    assert client.position() == 20_000


def _drop_exec(stage: Stage, client: Client) -> None:
    assert market(stage, client) == ["openOrder", "PreSubmitted", "openOrder", "Filled"]
    assert not client.got("commissionReport")
    client.ask("reqExecutions", reqId=3)
    assert client.got("execDetails", reqId=3)
    assert client.got("commissionReport")


def _corrected(shares: str, held: int) -> Check:
    def check(stage: Stage, client: Client) -> None:
        market(stage, client, 3)
        first, second = client.got("execDetails")
        assert first["execId"].endswith(".01")
        assert second["execId"] == first["execId"][:-2] + "02"
        assert (second["shares"], second["cumQty"]) == (shares, shares)
        assert second["avgPrice"] == (first["price"] if held else "0")
        assert client.position() == held

    return check


def _overfill(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert client.last("execDetails")["shares"] == "20001"
    assert client.last("orderStatus")["remaining"] == "0"
    assert client.position() == 20_001


def _unset_average(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert client.last("orderStatus")["avgFillPrice"] == client.last("execDetails")["avgPrice"] == UNSET


def _commission_first(stage: Stage, client: Client) -> None:
    market(stage, client)
    names = [one.name for one in client.heard]
    assert names.index("commissionReport") < names.index("execDetails")
    assert names.count("commissionReport") == 1


def _commission_pending(stage: Stage, client: Client) -> None:
    market(stage, client, 3)
    told = [(one["execId"], one["commission"]) for one in client.got("commissionReport")]
    assert [amount for _, amount in told] == ["-1", "2"] and len({exec_id for exec_id, _ in told}) == 1


def _commission_never(stage: Stage, client: Client) -> None:
    market(stage, client, 600)
    assert client.got("execDetails")
    assert not client.got("commissionReport")
    client.ask("reqExecutions", reqId=3)
    assert client.got("commissionReport")


def _partial_fill(stage: Stage, client: Client) -> None:
    market(stage, client, 1)
    assert client.last("orderStatus")["filled"] == "10000"
    stage.wait(3)
    assert client.last("orderStatus")["filled"] == "20000"


def _partial_hold(stage: Stage, client: Client) -> None:
    market(stage, client, 600)
    assert (client.last("orderStatus")["filled"], client.last("orderStatus")["remaining"]) == ("10000", "10000")
    stage.do("clear", name="partial_hold")
    stage.wait(1)
    assert client.last("orderStatus")["status"] == "Filled"


def _partial_end(status: str, code: str) -> Check:
    def check(stage: Stage, client: Client) -> None:
        market(stage, client)
        last = client.last("orderStatus")
        assert (last["status"], last["filled"], last["remaining"]) == (status, "10000", "10000")
        assert client.got("error", code=code)
        assert client.position() == 10_000

    return check


def _two_permids(stage: Stage, client: Client) -> None:
    client.place(orderRef="once")
    stage.wait()
    assert len({one["permId"] for one in client.got("execDetails", orderRef="once")}) == 2
    assert client.position() == 40_000


def _status_first(stage: Stage, client: Client) -> None:
    stage.fault("reject_margin")
    assert market(stage, client) == ["Inactive", "201"]


def _as_cancelled(stage: Stage, client: Client) -> None:
    stage.fault("reject_margin")
    assert market(stage, client) == ["201", "Cancelled"]


def _fill_after_reject(stage: Stage, client: Client) -> None:
    stage.fault("reject_margin")
    assert market(stage, client)[:3] == ["201", "Inactive", "execDetails"]
    assert client.position() == 20_000


def _inactive(stage: Stage, client: Client) -> None:
    assert market(stage, client, 600) == ["openOrder", "PreSubmitted", "Inactive"]
    client.ask("reqOpenOrders")
    assert client.got("openOrder")
    stage.do("clear", name="inactive")
    stage.wait(1)
    assert client.got("execDetails")


def _locate(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert (client.last("orderStatus")["status"], client.last("orderStatus")["whyHeld"]) == ("Inactive", "locate")
    lives_after("404", off="inactive_locate")(stage, client)


def _tif_preset(stage: Stage, client: Client) -> None:
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    assert client.story(order)[0] == "10349"
    assert client.last("openOrder")["tif"] == "DAY"
    assert client.status(order) == "Submitted"


def _price_preset(stage: Stage, client: Client) -> None:
    client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    assert Decimal(client.last("openOrder")["lmtPrice"]) == Decimal("1.10005")


def _odd_lot(stage: Stage, client: Client) -> None:
    order = client.place(totalQuantity=1_000)
    stage.wait()
    assert NOT_HELD in client.last("error", code=399, id=order)["message"]
    assert client.status(order) == "Filled"


def _readonly(stage: Stage, client: Client) -> None:
    assert market(stage, client) == ["321"]
    client.ask("cancelOrder", orderId=1)
    assert len(client.got("error", code=321)) == 2
    client.forget()
    for question in ("reqOpenOrders", "reqCompletedOrders"):
        client.ask(question)
    assert [one["id"] for one in client.got("error", code=321)] == ["2147483647"] * 2
    assert not client.got("openOrderEnd") and not client.got("completedOrdersEnd")


def _broker_cancels(stage: Stage, client: Client) -> None:
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait(0.5)
    assert client.status(order) == "Submitted"
    stage.wait(1)
    assert client.story(order)[-2:] == ["Cancelled", "202"]


def _pending_for_ever(stage: Stage, client: Client) -> None:
    order = resting(stage, client)
    client.ask("cancelOrder", orderId=order)
    stage.wait(600)
    assert client.story(order) == ["PendingCancel"]
    client.ask("reqOpenOrders")
    assert client.got("openOrder")


def _cancel_lost(stage: Stage, client: Client) -> None:
    order = resting(stage, client)
    client.ask("cancelOrder", orderId=order)
    stage.wait(60)
    assert client.story(order) == []


def _children_die(stage: Stage, client: Client) -> None:
    stage.fault("partial_then_cancel")
    parent = client.place(transmit=0)
    child = client.place(action="SELL", orderType="STP", auxPrice="1.10000", tif="GTC", parentId=parent)
    stage.wait()
    assert (client.status(parent), client.status(child)) == ("Cancelled", "Cancelled")
    assert client.position() == 10_000


def _children_outgrow(stage: Stage, client: Client) -> None:
    stage.fault("partial_then_cancel@BUY")
    parent = client.place(transmit=0)
    _ = client.place(
        action="SELL", totalQuantity=20_000, orderType="STP", auxPrice="1.10000", tif="GTC", parentId=parent
    )
    stage.wait()
    stage.quote("1.09000", "1.09005")
    stage.wait(5)
    assert client.position() == -10_000


def _oca_renamed(stage: Stage, client: Client) -> None:
    client.place(orderType="LMT", lmtPrice="1.10000", ocaGroup="mine", ocaType=1)
    stage.wait()
    assert client.last("openOrder")["ocaGroup"] == "mine.R"


def _oca_misnamed(stage: Stage, client: Client) -> None:
    client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC", ocaGroup="g", ocaType=1)
    stage.wait()
    assert client.last("openOrder")["ocaGroup"] == "g"
    stage.do("clear", name="oca_misnamed")
    client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC", ocaGroup="g", ocaType=1)
    stage.quote("1.15000", "1.15010")
    stage.wait(5)
    assert client.position() == 40_000


def _oca_race(stage: Stage, client: Client) -> None:
    for _ in range(2):
        client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC", ocaGroup="g", ocaType=3)
    stage.wait()
    stage.quote("1.15000", "1.15010")
    stage.wait(5)
    assert client.position() == 40_000


def _oca_forgets(stage: Stage, client: Client) -> None:
    for price in ("1.18000", "1.18005"):
        client.place(orderType="LMT", lmtPrice=price, tif="GTC", ocaGroup="g", ocaType=2)
        stage.wait()
    stage.wait(5)
    assert client.position() == 40_000


def _no_login(stage: Stage, client: Client) -> None:
    number = stage.gateway.connected(stage.now)
    stage.gateway.received(stage.now, number, (hello(),))
    assert stage.gateway.take() == []


def _client_id_taken(stage: Stage, client: Client) -> None:
    other = stage.connect(99)
    assert other.last("error")["code"] == "326"
    assert other.closed


def _no_next_id(stage: Stage, client: Client) -> None:
    other = stage.connect(99)
    assert other.got("managedAccounts")
    assert not other.got("nextValidId")


def _change_kills(stage: Stage, client: Client) -> None:
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    client.forget()
    _ = client.place(orderId=order, orderType="LMT", lmtPrice="1.10005", tif="GTC")
    stage.wait(5)
    words = ["openOrder", "Submitted", "PendingCancel", "Submitted", "openOrder", "PreSubmitted", "Cancelled"]
    assert client.story(order) == [*words, "202", "201"]
    assert [one["lmtPrice"] for one in client.got("openOrder")] == ["1.10005", "1.1"]


def _change_doubles(stage: Stage, client: Client) -> None:
    order = client.place(orderType="LMT", lmtPrice="1.08000", tif="GTC")
    stage.wait()
    client.forget()
    _ = client.place(orderId=order, orderType="LMT", lmtPrice="1.08005", tif="GTC")
    stage.wait(5)
    client.ask("reqOpenOrders")
    stood = {(one["permId"], one["orderId"], one["lmtPrice"]) for one in client.got("openOrder")}
    assert sorted(price for _, _, price in stood) == ["1.08", "1.08005"] and {id for _, id, _ in stood} == {str(order)}
    client.ask("cancelOrder", orderId=order)
    stage.wait(5)
    ended = [one["permId"] for one in client.got("orderStatus", status="Cancelled")]
    assert ended == [min(perm for perm, _, _ in stood)]


def _orders_first(stage: Stage, client: Client) -> None:
    client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    stage.do("drop")
    told = [one.name for one in stage.connect().heard if one.name != "error"]
    assert told == ["openOrder", "orderStatus", "openOrderEnd", "managedAccounts", "nextValidId"]


def _mute(stage: Stage, client: Client) -> None:
    assert market(stage, client, 60) == []
    stage.do("clear", name="mute")
    stage.wait()
    assert client.got("execDetails")


def _half_open(stage: Stage, client: Client) -> None:
    assert market(stage, client, 60) == []
    stage.do("clear", name="half_open")
    assert client.position() == 0


def _no_time(stage: Stage, client: Client) -> None:
    client.ask("reqCurrentTime")
    assert not client.got("currentTime")


def _skew(stage: Stage, client: Client) -> None:
    client.ask("reqCurrentTime")
    assert int(client.last("currentTime")["time"]) == int(stage.now.timestamp()) + 3600


def _drop_place(lives: bool) -> Check:
    def check(stage: Stage, client: Client) -> None:
        client.place()
        stage.wait()
        assert client.closed
        assert not client.got("openOrder")
        assert stage.connect(8).position() == (20_000 if lives else 0)

    return check


def _cut(stage: Stage, client: Client) -> None:
    for _ in range(20):
        client.ask("reqCurrentTime")
    assert len(client.got("currentTime")) == 10
    assert client.closed


def _rollback(stage: Stage, client: Client) -> None:
    assert market(stage, client, 60) == []
    stage.do("restart", seconds=1)
    stage.wait(2)
    assert stage.connect().last("nextValidId")["orderId"] == "1"


def _card(stage: Stage, client: Client) -> None:
    client.ask("reqContractDetails", reqId=4, symbol="EUR", secType="CASH", currency="USD", exchange="IDEALPRO")
    assert client.last("contractDetails", reqId=4)["minTick"] == "0"


def _pennies(stage: Stage, client: Client) -> None:
    client.ask("reqContractDetails", reqId=4, symbol="AAPL", secType="STK", currency="USD", exchange="SMART")
    assert client.last("contractDetails", reqId=4)["minTick"] == "0.0001"


def _not_ready(stage: Stage, client: Client) -> None:
    client.ask("reqAccountUpdatesMulti", reqId=4)
    told = client.got("accountUpdateMulti")
    assert {one["value"] for one in told if one["key"] == "AccountReady"} == {"false"}
    assert client.last("accountUpdateMulti", key="NetLiquidation")["value"] == "500000.00"


def _kept_in(stage: Stage, client: Client) -> None:
    stage.fault("kept_in=CHF")
    client.ask("reqAccountUpdatesMulti", reqId=4)
    assert client.last("accountUpdateMulti", key="NetLiquidation")["currency"] == "CHF"


def _snapshots(kept: Callable[[int], int], ends: bool) -> Check:
    """What of two orders and one position the requests show, and whether they end."""

    def check(stage: Stage, client: Client) -> None:
        stage.do("calm")
        client.place()
        for price in ("1.10000", "1.10005"):
            client.place(orderType="LMT", lmtPrice=price, tif="GTC")
        stage.wait()
        client.forget()
        stage.fault(f"{stage.gateway.setup.faults[0]}=all")
        client.ask("reqOpenOrders")
        client.ask("reqPositions")
        client.ask("reqExecutions", reqId=3)
        client.ask("reqCompletedOrders", apiOnly=0)
        client.ask("reqAccountUpdatesMulti", reqId=4)
        shown = [len(client.got(name)) for name in ("openOrder", "position", "execDetails", "completedOrder")]
        assert shown == [kept(2), kept(1), kept(1), kept(1)]
        end_names = ("openOrderEnd", "positionEnd", "execDetailsEnd", "completedOrdersEnd", "accountUpdateMultiEnd")
        assert [bool(client.got(name)) for name in end_names] == [ends] * 5

    return check


def _newest_first(stage: Stage, client: Client) -> None:
    for _ in range(2):
        market(stage, client)
    lived = [one["execId"] for one in client.got("execDetails")]
    client.forget()
    client.ask("reqExecutions", reqId=3)
    assert [one["execId"] for one in client.got("execDetails")] == lived[::-1] and len(set(lived)) == 2


def _omit_flat(stage: Stage, client: Client) -> None:
    client.ask("reqPositions")
    client.place()
    stage.wait()
    client.place(action="SELL")
    stage.wait()
    assert [one["position"] for one in client.got("position")] == ["20000"]
    client.forget()
    client.ask("reqPositions")
    assert not client.got("position")


def _position_lag(stage: Stage, client: Client) -> None:
    market(stage, client, 4)
    assert client.position() == 0
    stage.wait(2)
    assert client.position() == 20_000


def _pacing(stage: Stage, client: Client) -> None:
    for _ in range(500):
        client.ask("reqCurrentTime")
    assert not client.got("error", code=100)


def _no_data(stage: Stage, client: Client) -> None:
    client.ask("reqMktData", **EURUSD, reqId=5)
    assert client.last("error", id=5)["code"] == "354"
    stage.wait(2)
    assert not client.got("tickPrice")


def _delayed(stage: Stage, client: Client) -> None:
    client.ask("reqMktData", **EURUSD, reqId=5)
    assert client.last("marketDataType")["type"] == "3"


def _frozen(stage: Stage, client: Client) -> None:
    client.ask("reqMktData", **EURUSD, reqId=5)
    client.forget()
    stage.wait(10)
    assert not client.heard


def _time_format(stage: Stage, client: Client) -> None:
    told = []
    for style in ("zone", "dash", "naive", "epoch"):
        stage.fault(f"time_format={style}")
        market(stage, client, 0.1)
        told.append(client.last("execDetails")["time"])
        stage.wait(0.9)
    assert told == [
        "20261118 14:00:00 US/Eastern", "20261118-19:00:01", "20261118  14:00:02", "1795028403",
    ]  # fmt: skip


def _asked(client: Client) -> list[str]:
    """The figures that were answered to a question about margin, in order."""
    client.place(whatIf=1)
    return [one["initMarginAfter"] for one in client.got("openOrder")]


def _margin_mute(stage: Stage, client: Client) -> None:
    assert _asked(client) == []
    stage.wait(600)
    assert not client.heard


def _margin_late(stage: Stage, client: Client) -> None:
    assert _asked(client) == []
    stage.wait(3)
    assert len(client.got("openOrder", whatIf="1")) == 1


def _margin_says(stage: Stage, client: Client) -> None:
    assert _asked(client) == [UNSET]
    stage.fault("margin_says=1.2E4")
    client.forget()
    assert _asked(client) == ["1.2E4"]


def _margin_twice(stage: Stage, client: Client) -> None:
    unset, figure = _asked(client)
    assert unset == UNSET and Decimal(figure) > 0


def _time_zone(stage: Stage, client: Client) -> None:
    market(stage, client)
    assert client.last("execDetails")["time"] == "20261118 14:00:00 JST"


def _link(code: str) -> Check:
    def check(stage: Stage, client: Client) -> None:
        assert stage.gateway.venue.linked is False
        stage.wait(6)
        assert client.last("error")["code"] == code

    return check


def _restored(stage: Stage, client: Client) -> None:
    stage.fault("1102_first")
    assert client.last("error")["code"] == "1102"


CHECKS: dict[str, Check] = {
    "never_ack": _never_ack,
    "drop_ack": story("execDetails", "openOrder", "Filled"),
    "late_ack": _late(70, "openOrder"),
    "held_dialog": _held_dialog,
    "fill_before_ack": story("execDetails", "openOrder", "Filled"),
    "slow_fill": _late(30, "execDetails"),
    "never_fill": _never_fill,
    "status_before_exec": story("openOrder", "PreSubmitted", "openOrder", "Filled", "execDetails"),
    "duplicate_status": story(
        "openOrder", "PreSubmitted", "PreSubmitted", "execDetails", "openOrder", "Filled", "Filled"
    ),
    "drop_status": _drop_status,
    "duplicate_exec": _duplicate_exec,
    "two_exec_ids": _two_exec_ids,
    "drop_exec": _drop_exec,
    "exec_correction": _corrected("18000", 18_000),
    "bust": _corrected("0", 0),
    "overfill": _overfill,
    "unset_avg_price": _unset_average,
    "commission_first": _commission_first,
    "commission_late": _late(60, "commissionReport"),
    "commission_pending": _commission_pending,
    "commission_never": _commission_never,
    "partial_fill": _partial_fill,
    "partial_hold": _partial_hold,
    "partial_then_cancel": _partial_end("Cancelled", "202"),
    "partial_then_reject": _partial_end("Inactive", "201"),
    "two_permids": _two_permids,
    "reject_margin": story("201", "Inactive"),
    "reject_symbol": story("200"),
    "reject_permission": story("460"),
    "reject_price": story("110"),
    "reject_precaution": story("451"),
    "reject_status_first": _status_first,
    "reject_as_cancelled": _as_cancelled,
    "fill_after_reject": _fill_after_reject,
    "inactive": _inactive,
    "inactive_locate": _locate,
    "held_399": lives_after("399", off="held_399"),
    "tif_preset_10349": _tif_preset,
    "price_preset": _price_preset,
    "odd_lot_399": _odd_lot,
    "unknown_code": lives_after("10999"),
    "readonly": _readonly,
    "margin_mute": _margin_mute,
    "margin_late": _margin_late,
    "margin_says": _margin_says,
    "margin_twice": _margin_twice,
    "broker_cancels": _broker_cancels,
    "cancel_refused": cancel_story("10147"),
    "pending_cancel_forever": _pending_for_ever,
    "cancel_without_pending": cancel_story("Cancelled", "202"),
    "cancel_lost": _cancel_lost,
    "fill_beats_cancel": cancel_story("PendingCancel", "execDetails", "openOrder", "Filled", "10148", seconds=1),
    "fill_after_cancel": cancel_story(
        "PendingCancel", "Cancelled", "202", "execDetails", "openOrder", "Cancelled", seconds=3
    ),
    "children_die_with_parent": _children_die,
    "children_outgrow_parent": _children_outgrow,
    "oca_renamed": _oca_renamed,
    "oca_misnamed": _oca_misnamed,
    "oca_race": _oca_race,
    "oca_forgets": _oca_forgets,
    "no_login": _no_login,
    "client_id_taken": _client_id_taken,
    "no_next_id": _no_next_id,
    "change_kills": _change_kills,
    "change_doubles": _change_doubles,
    "orders_first": _orders_first,
    "mute": _mute,
    "half_open": _half_open,
    "no_current_time": _no_time,
    "clock_skew": _skew,
    "drop_on_place": _drop_place(lives=False),
    "drop_after_place": _drop_place(lives=True),
    "cut_after_frames": _cut,
    "restart_rollback_ids": _rollback,
    "snapshot_never_ends": _snapshots(lambda rows: rows, ends=False),
    "snapshot_cut": _snapshots(lambda rows: rows // 2, ends=True),
    "snapshot_empty": _snapshots(lambda rows: 0, ends=True),
    "newest_first": _newest_first,
    "omit_flat_positions": _omit_flat,
    "position_lag": _position_lag,
    "account_not_ready": _not_ready,
    "kept_in": _kept_in,
    "pacing_ignores": _pacing,
    "no_market_data": _no_data,
    "delayed_data": _delayed,
    "quotes_frozen": _frozen,
    "card_without_tick": _card,
    "card_of_pennies": _pennies,
    "time_format": _time_format,
    "time_zone": _time_zone,
    "1100_1102": _link("1102"),
    "1100_1101": _link("1101"),
    "1102_first": _restored,
}


def test_every_fault_of_the_menu_is_shown() -> None:
    """What is on the menu has a check here, and nothing else has."""
    assert set(CHECKS) == set(MENU)


@pytest.mark.parametrize("name", MENU)
def test_a_fault_does_what_the_menu_says(name: str) -> None:
    """Switched on at the start or at run time, it happens."""
    stage = Stage.up(evolve(CALM, messages_per_second=50 if name == "pacing_ignores" else None), faults=(name,))
    stage.do("clear", name=name)
    client = stage.connect()
    client.forget()
    stage.fault(name)
    CHECKS[name](stage, client)


@pytest.mark.parametrize("name", sorted(set(MENU) - {"1100_1102", "1100_1101", "1102_first", "drop_exec"}))
def test_a_fault_that_is_off_again_leaves_no_trace(name: str) -> None:
    """On and off before the order: its life is the ordinary one."""
    stage = Stage.up()
    client = stage.connect()
    stage.fault(name)
    stage.do("clear", name=name)
    assert market(stage, client) == FILLED


def test_a_fault_can_happen_a_number_of_times() -> None:
    """`*2` is twice, and not a third time."""
    stage = Stage.up(faults=("never_ack*2",))
    client = stage.connect()
    assert [market(stage, client) for _ in range(3)] == [[], [], FILLED]


@pytest.mark.parametrize(
    "asked", ["no_such", "never_ack*0", "never_ack*x", "never_ack=5", "late_ack=soon", "mute@BUY", ""]
)
def test_what_is_not_on_the_menu_is_refused_by_name(asked: str) -> None:
    """An unknown name or a senseless number is an error, and the menu is in it."""
    with pytest.raises(UnknownFault):
        Faults().switch_on(asked)


@pytest.mark.parametrize("code", ["10147", "10148", "161", "136"])
def test_a_cancel_is_refused_with_the_code_asked_for(code: str) -> None:
    """The order lives on whatever the code says."""
    stage = Stage.up()
    client = stage.connect()
    order = resting(stage, client)
    stage.fault(f"cancel_refused={code}")
    client.ask("cancelOrder", orderId=order)
    stage.wait()
    assert client.story(order) == [code]
    client.ask("reqOpenOrders")
    assert client.got("openOrder")


@pytest.mark.parametrize(
    ("word", "hit"), [("STP", [False, False, True]), ("child", [False, True, True]), ("SELL", [False, True, True]),
                      ("parent", [True, False, False]), (".T1", [False, True, False])],
)  # fmt: skip
def test_a_fault_can_be_kept_to_the_orders_that_a_word_fits(word: str, hit: list[bool]) -> None:
    """By order type, side, place in the bracket, or the end of the reference."""
    stage = Stage.up(faults=(f"two_permids@{word}", f"duplicate_status@{word}"))
    client = stage.connect()
    parent = client.place(transmit=0, orderRef="x")
    exits = {"action": "SELL", "tif": "GTC", "parentId": parent}
    target = client.place(orderType="LMT", lmtPrice="1.2", transmit=0, orderRef="x.T1", **exits)
    stop = client.place(orderType="STP", auxPrice="1.1", orderRef="x.S1", **exits)
    stage.wait()
    first = [client.got("orderStatus", orderId=one)[:2] for one in (parent, target, stop)]
    assert [one[0] == one[1] for one in first] == hit
