"""Connections: the handshake, ids, pacing, restarts, logins, the line to IB, and silence."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.sessions import Close, Send, Session, Switchboard
from phoenix_adapters.wire import CLIENT, VERSION_MAX, VERSION_MIN, hello
from tests.contract.gateway.stage import CALM, EURUSD, WEDNESDAY, Stage
from tests.showing import shows

WILD = ["", "0", "1", "2", "-1", "x", "12087792", "EUR", "CASH", "USD", "BUY", "MKT", "LMT", "nan", "1e400", "²", "All"]
PACED = evolve(CALM, messages_per_second=50)


@pytest.mark.parametrize("version", range(VERSION_MIN, 179))
def test_the_lower_of_both_versions_is_spoken(version: int) -> None:
    """A client that stops at a version gets that version, and can trade on it."""
    stage = Stage.up()
    client = stage.connect(version=version)
    order = client.place()
    stage.wait()
    assert client.status(order) == "Filled"


def test_a_gateway_that_is_too_old_hangs_up() -> None:
    """No common version: the socket is closed without a word."""
    stage = Stage.up(evolve(CALM, server_version=150))
    number = stage.gateway.connected(stage.now)
    stage.gateway.received(stage.now, number, (hello(157, 176),))
    assert stage.gateway.take() == [Close(number)]


def test_the_greeting_is_accounts_then_next_id_then_farms() -> None:
    """15, 9, 2104, 2106, 2158."""
    client = Stage.up().connect()
    told = [one.said.get("code", one.name) for one in client.heard]
    assert told == ["managedAccounts", "nextValidId", "2104", "2106", "2158"]


@shows("F49")
def test_a_client_id_in_use_is_refused_and_hung_up_on() -> None:
    """326, then the socket is closed; the first session is untouched."""
    stage = Stage.up()
    first = stage.connect(7)
    second = stage.connect(7)
    assert second.last("error")["code"] == "326"
    assert second.closed
    assert not first.closed
    stage.gateway.disconnected(stage.now, first.number)
    assert not stage.connect(7).closed


def test_the_next_id_continues_after_what_was_used() -> None:
    """Per client: one above its highest."""
    stage = Stage.up()
    first = stage.connect(7)
    for _ in range(3):
        first.place()
    stage.gateway.disconnected(stage.now, first.number)
    assert stage.connect(7).last("nextValidId")["orderId"] == "4"
    assert stage.connect(8).last("nextValidId")["orderId"] == "1"


def test_ids_that_were_reset_are_used_again_and_stand_beside_the_days_executions() -> None:
    """TWS's own button: the next order has the number of the first, and so has what the first executed."""
    stage = Stage.up()
    client = stage.connect(7)
    assert client.place() == 1
    stage.wait()
    stage.do("reset_ids")
    again = stage.connect(8)
    again.ask("reqIds")
    assert again.last("nextValidId")["orderId"] == "1"
    client.forget()
    client.place(orderId=1, orderType="LMT", lmtPrice="1.08", orderRef="second")
    stage.wait()
    client.ask("reqExecutions", reqId=9)
    (told,) = client.got("execDetails")
    assert (told["orderId"], told["orderRef"], client.status(1)) == ("1", "", "Submitted")


@shows("CV_S33_14_PACING_VIOLATION")
def test_the_third_excess_of_fifty_a_second_ends_the_session() -> None:
    """Error 100 twice, at the third the socket is closed; the message that was too much is not taken in."""
    stage = Stage.up(PACED)
    client = stage.connect()
    for _ in range(49):
        client.ask("reqCurrentTime")
    client.place()
    stage.wait(0.001)
    assert client.last("error")["code"] == "100"
    for _ in range(102):
        client.ask("reqCurrentTime")
    assert len(client.got("error", code=100)) == 3
    assert client.closed
    stage.wait(1)
    assert stage.connect(8).position() == 0


def test_fifty_messages_a_second_for_a_minute_are_taken() -> None:
    """No error 100 at the limit itself."""
    stage = Stage.up(PACED)
    client = stage.connect()
    for _ in range(60):
        stage.wait(1.001)
        for _ in range(50):
            client.ask("reqCurrentTime")
    assert not client.got("error", code=100)
    assert len(client.got("currentTime")) == 3_000


def test_orders_and_positions_live_through_a_restart() -> None:
    """Sockets reset, the port closed for a minute; the order is there after, under the same ids."""
    stage = Stage.up()
    client = stage.connect()
    client.place()
    order = client.place(orderType="LMT", lmtPrice="1.10000", tif="GTC")
    stage.wait()
    perm_id = client.last("openOrder", orderId=order)["permId"]
    stage.do("restart", seconds=60)
    assert client.closed
    assert not stage.listening
    stage.wait(61)
    assert stage.listening
    again = stage.connect()
    assert again.last("nextValidId")["orderId"] == str(order + 1)
    again.ask("reqOpenOrders")
    assert (again.last("openOrder")["orderId"], again.last("openOrder")["permId"]) == (str(order), perm_id)
    assert again.position() == 20_000


@shows("F01")
def test_ids_that_the_restart_never_saw_are_issued_again() -> None:
    """Four orders written just before the restart vanish, and the next id is that of the first of them."""
    stage = Stage.up()
    client = stage.connect()
    seen = client.place()
    stage.wait()
    stage.fault("restart_rollback_ids")
    lost = [client.place() for _ in range(4)]
    stage.wait()
    assert not client.got("openOrder", orderId=lost[0])
    stage.do("restart", seconds=1)
    stage.wait(2)
    again = stage.connect()
    assert again.last("nextValidId")["orderId"] == str(seen + 1) == str(lost[0])
    taken = again.place(orderId=lost[0], orderRef="new")
    stage.wait()
    assert again.last("execDetails", orderId=taken)["orderRef"] == "new"


@shows("F48")
def test_the_nightly_restart_comes_every_night() -> None:
    """At 23:45 of the gateway's zone, seven nights."""
    stage = Stage.up(evolve(CALM, restart_at=time(23, 45), restart_seconds=60))
    for night in range(7):
        stage.until(datetime(2026, 11, 19, 4, 44, tzinfo=UTC) + timedelta(days=night))
        client = stage.connect()
        stage.wait(61)
        assert client.closed
        assert not stage.listening
        stage.wait(61)
        assert stage.listening


@shows("F46")
def test_on_sunday_a_human_has_to_log_in() -> None:
    """From Sunday 1:00 New York the gateway accepts sockets and says nothing until somebody logs in."""
    stage = Stage.up(evolve(CALM, sunday_login=True), datetime(2026, 11, 22, 5, 59, tzinfo=UTC))
    client = stage.connect()
    stage.wait(120)
    assert client.closed
    assert not stage.connect(8).heard
    stage.do("log_in")
    assert stage.connect(9).got("nextValidId")


# the line between gateway and IB


@shows("F03")
def test_while_1100_holds_fills_happen_and_are_told_with_1102() -> None:
    """The socket stays open; 1100, then nothing, then 1102 and the fill."""
    stage = Stage.up()
    client = stage.connect()
    client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC")
    stage.wait()
    client.forget()
    stage.fault("1100_1102=5")
    stage.quote("1.15000", "1.15010")
    stage.wait(4)
    assert [one.said.get("code") for one in client.heard] == ["1100"]
    stage.wait(2)
    told = [one.said.get("code", one.name) for one in client.heard]
    assert told[:3] == ["1100", "1102", "execDetails"]


def test_after_1101_fills_are_found_only_by_asking() -> None:
    """Callbacks and quotes were lost; executions know."""
    stage = Stage.up()
    client = stage.connect()
    client.ask("reqMktData", **EURUSD, reqId=50)
    client.place(orderType="LMT", lmtPrice="1.16000", tif="GTC")
    stage.wait()
    client.forget()
    stage.fault("1100_1101=5")
    stage.quote("1.15000", "1.15010")
    stage.wait(20)
    assert [one.said.get("code", one.name) for one in client.heard] == ["1100", "1101"]
    client.ask("reqExecutions", reqId=5)
    assert client.got("execDetails", reqId=5)


def test_an_order_sent_while_1100_holds_goes_out_with_1102() -> None:
    """It is silent until then."""
    stage = Stage.up()
    client = stage.connect()
    stage.fault("1100_1102=5")
    order = client.place()
    stage.wait(4)
    assert not client.got("openOrder")
    stage.wait(2)
    assert client.status(order) == "Filled"


@shows("F45")
def test_1102_may_come_without_1100() -> None:
    """Restored, although it was never lost."""
    stage = Stage.up()
    client = stage.connect()
    stage.fault("1102_first")
    assert client.last("error")["code"] == "1102"


# silence


@shows("F42")
def test_a_mute_gateway_catches_up_when_it_wakes() -> None:
    """As a stopped process: nothing is read or written, then everything, in order."""
    stage = Stage.up()
    client = stage.connect()
    client.forget()
    stage.fault("mute")
    client.ask("reqCurrentTime")
    order = client.place()
    stage.wait(60)
    assert not client.heard
    stage.do("clear", name="mute")
    stage.wait()
    assert client.got("currentTime")
    assert client.status(order) == "Filled"


@shows("F41")
def test_what_a_half_open_link_swallows_is_gone() -> None:
    """Requests, orders and callbacks are lost for good; the socket stays open."""
    stage = Stage.up()
    client = stage.connect()
    client.forget()
    stage.fault("half_open")
    client.place()
    stage.wait(60)
    stage.do("clear", name="half_open")
    stage.wait(60)
    assert not client.heard
    assert not client.closed
    assert client.position() == 0


@pytest.mark.parametrize("frames", range(1, 12))
def test_the_connection_can_be_cut_after_any_frame(frames: int) -> None:
    """So many frames arrive, then the reset; the order lives on at the broker."""
    stage = Stage.up()
    client = stage.connect()
    stage.wait()
    client.forget()
    stage.fault(f"cut_after_frames={frames}")
    client.place()
    stage.wait(1)
    assert len(client.heard) <= frames
    assert client.closed == (len(client.heard) == frames)
    if client.closed:
        assert stage.connect().position() == 20_000


def test_three_account_summaries_are_one_too_many() -> None:
    """322 for the third; a cancelled one frees its place."""
    stage = Stage.up()
    client = stage.connect()
    for number in (1, 2, 3):
        client.ask("reqAccountSummary", reqId=number, group="All", tags="NetLiquidation,$LEDGER:ALL")
    assert client.last("error", id=3)["code"] == "322"
    assert client.last("accountSummary", reqId=1, tag="NetLiquidation")["value"] == "1000000.00"
    client.ask("cancelAccountSummary", reqId=1)
    client.ask("reqAccountSummary", reqId=3, group="All", tags="NetLiquidation")
    assert client.got("accountSummaryEnd", reqId=3)


def test_a_request_that_is_not_simulated_is_answered_with_an_error() -> None:
    """Nobody waits for ever for historical data."""
    client = Stage.up().connect()
    client.say(("20", "77", "0"))
    assert (client.last("error")["id"], client.last("error")["code"]) == ("77", "162")
    client.say(("12345", "1"))
    assert client.last("error")["code"] == "505"


def test_a_frame_that_ends_too_soon_is_answered_with_an_error() -> None:
    """320, and the session lives."""
    client = Stage.up().connect()
    client.say(("3", "5"))
    assert client.last("error")["code"] == "320"
    assert not client.closed


# quotes


def test_a_subscription_ticks_both_sides_while_the_market_is_open() -> None:
    """At least every two seconds something new, bid below ask."""
    stage = Stage.up(evolve(CALM, volatility=1.0))
    client = stage.connect()
    client.ask("reqMktData", **EURUSD, reqId=50)
    sizes = set()
    for _ in range(10):
        client.forget()
        stage.wait(2)
        sizes |= {one["size"] for one in client.got("tickPrice", tickType=1)}
        bid, ask = (client.last("tickPrice", reqId=50, tickType=kind)["price"] for kind in (1, 2))
        assert float(bid) < float(ask)
    assert len(sizes) > 5
    client.ask("cancelMktData", reqId=50)
    client.forget()
    stage.wait(5)
    assert not client.heard


def test_a_side_that_nobody_makes_is_minus_one() -> None:
    """One-sided markets look as TWS shows them, and market orders wait."""
    stage = Stage.up()
    client = stage.connect()
    stage.do("sides", symbol="EURUSD", show="bid")
    client.ask("reqMktData", **EURUSD, reqId=50, snapshot=1)
    assert client.last("tickPrice", tickType=2)["price"] == "-1"
    assert client.got("tickSnapshotEnd", reqId=50)
    order = client.place()
    stage.wait(5)
    assert client.status(order) == "PreSubmitted"


def test_the_clock_may_jump_a_week_without_work_for_every_tick() -> None:
    """Seven days at once, with a subscription and a working order, take a bounded number of market steps."""
    stage = Stage.up(evolve(CALM, volatility=1.0))
    client = stage.connect()
    client.ask("reqMktData", **EURUSD, reqId=50)
    client.place(orderType="LMT", lmtPrice="0.50000", tif="GTC")
    client.forget()
    stage.until(WEDNESDAY + timedelta(days=7))
    assert 100 < len(client.got("tickPrice", tickType=1)) <= 1_100


@pytest.mark.parametrize("name", sorted(CLIENT))
@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_no_request_however_senseless_breaks_the_gateway(name: str, seed: int) -> None:
    """Any fields in any message: an answer or an error, and the next client trades."""
    fields = Random(seed).choices(WILD, k=150)
    stage = Stage.up()
    client = stage.connect()
    client.say((str(CLIENT[name].id), *fields))
    stage.wait()
    other = stage.connect(8)
    order = other.place()
    stage.wait()
    assert other.status(order) == "Filled"


def test_over_a_weekend_the_price_gaps() -> None:
    """Friday's close and Sunday's opening differ by about what an hour of trading would do, in either direction."""
    gaps = []
    for seed in range(40):
        stage = Stage.up(evolve(CALM, volatility=1.0, seed=seed), datetime(2026, 11, 20, 21, 59, 59, tzinfo=UTC))
        client = stage.connect()
        client.ask("reqMktData", **EURUSD, reqId=1, snapshot=1)
        stage.until(datetime(2026, 11, 22, 22, 15, 1, tzinfo=UTC))
        client.ask("reqMktData", **EURUSD, reqId=2, snapshot=1)
        friday, sunday = (Decimal(client.last("tickPrice", reqId=one, tickType=1)["price"]) for one in (1, 2))
        gaps.append((sunday - friday) / Decimal("0.00005"))
    assert min(gaps) < -5
    assert max(gaps) > 5
    assert 7 < sum(abs(gap) for gap in gaps) / len(gaps) < 20


def spoken(board: Switchboard) -> list[int]:
    """To which sessions something waits to be written."""
    return [one.session for one in board.outputs if isinstance(one, Send)]


def test_a_figure_that_did_not_change_is_not_told_again() -> None:
    """As TWS does it: who subscribed hears what moved, and silence means that nothing did."""
    session = Session(1, VERSION_MAX, 7, updates={"DU1": {}})
    board = Switchboard(Faults(), sessions={1: session})
    for value, told in (("5", 1), ("5", 1), ("6", 2)):
        board.account_values(session, "DU1", [("NetLiquidation", value, "USD")])
        assert len(spoken(board)) == told


def test_what_a_mute_gateway_held_back_for_a_client_that_left_is_gone() -> None:
    """It runs again: the one that stayed is told what it missed, and nothing is written to a socket that is closed."""
    stays, leaves = Session(1, VERSION_MAX, 7), Session(2, VERSION_MAX, 8)
    board = Switchboard(Faults(), sessions={1: stays, 2: leaves})
    board.faults.switch_on("mute")
    board.broadcast(1100, "Connectivity has been lost")
    board.close(leaves)
    board.faults.switch_off("mute")
    board.resume()
    assert spoken(board) == [1]
