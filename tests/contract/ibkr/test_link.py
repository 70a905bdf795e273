"""The link: lost, half open, degraded, restored, taken, renumbered; and pictures that do not end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from phoenix_adapters.brokers.ibkr.pacing import Pacer
from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.brokers.ibkr.times import hours, instant, zone_of, zone_said
from phoenix_adapters.gateway import Setup
from phoenix_adapters.wire import frame, hello, to_client, to_server
from phoenix_adapters.wire.framing import LENGTH_BYTES, PREFIX
from phoenix_core.facts import (
    BrokerStatus,
    CancelSaid,
    ErrorSaid,
    ExecutionSaid,
    FrameSaid,
    LinkEvent,
    LinkSaid,
    OrderSaid,
)
from phoenix_core.values import Price
from tests.contract.broker.orders import LOTS, NUMBER, bracket
from tests.contract.broker.suite import SYMBOL, enter, events, filled, fills, of, ready, words
from tests.contract.ibkr.scene import Scene, played
from tests.showing import shows

PARTS = {
    "executions": "executions",
    "open": "open orders",
    "completed": "completed orders",
    "positions": "positions",
    "account": "account",
}


async def back(scene: Scene) -> None:
    """A new session, synchronised."""
    async with asyncio.timeout(10):
        while not await scene.broker.connect():
            await asyncio.sleep(0.02)
    assert await scene.broker.resynchronise()


@pytest.mark.parametrize("part", PARTS)
@shows("L8", "F81", "I13")
async def test_a_picture_that_does_not_end_is_incomplete_and_names_what_is_missing(part: str) -> None:
    """Each part on its own: no SYNCHRONISED, no complete picture; and whole again when it ends again."""
    async with played() as scene:
        await ready(scene)
        scene.facts.clear()
        scene.server.fault(f"snapshot_never_ends={part}")
        scene.broker.answer_within_s = 0.6
        assert not await scene.broker.resynchronise()
        picture = await scene.broker.snapshot()
        assert not picture.complete and picture.missing == (PARTS[part],)
        scene.facts.extend(scene.broker.drain())
        assert LinkEvent.SYNCHRONISED not in events(scene)
        scene.server.clear("snapshot_never_ends")
        scene.broker.answer_within_s = 1.5
        # The first question after one that timed out may meet the other's late end, and does not take it for its own.
        _ = await scene.broker.snapshot()
        assert (await scene.broker.snapshot()).complete


async def trade_under_our_client_id(scene: Scene, order_id: int) -> None:
    """Another program, with our client id and no reference: it buys, and hangs up."""
    _, writer = await asyncio.open_connection(scene.host, 4002)
    greeting = hello().encode()
    writer.write(PREFIX + len(greeting).to_bytes(LENGTH_BYTES, "big") + greeting)
    contract = {"symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO"}
    terms = {"action": "BUY", "totalQuantity": 20_000, "orderType": "MKT", "tif": "DAY", "account": NUMBER}
    writer.write(frame(to_server("startApi", 178, clientId=17)))
    writer.write(frame(to_server("placeOrder", 178, orderId=order_id, **contract, **terms)))
    await scene.until(lambda: scene.server.core.venue.book.executions)
    writer.close()
    await scene.until(lambda: not scene.server.core.board.ready())


@shows("L13", "F20", "F50")
async def test_what_another_program_executed_under_our_client_and_order_id_is_not_ours() -> None:
    """The ids were issued again since: an execution of this morning carries the number of our entry, and no reference.
    It fills nothing of ours, in the feed and in the picture."""
    async with played() as scene:
        await ready(scene)
        bought = (await enter(scene)).ref
        number = next(said.order_id for said in of(scene, FrameSaid) if said.ref == bought)
    async with played() as scene:
        await trade_under_our_client_id(scene, number)
        scene.server.act("reset_ids")
        scene.server.fault("never_fill@BUY")
        await ready(scene)
        order = bracket(scene.broker.instruments()[SYMBOL], scene.account)
        scene.broker.hand_over(order)
        await scene.until(lambda: any(word.status.is_working for word in words(scene, order.ref)))
        assert next(said.order_id for said in of(scene, FrameSaid) if said.ref == order.ref) == number
        scene.facts.clear()
        assert await scene.broker.resynchronise()
        told = (*(await scene.broker.snapshot()).executions, *scene.broker.drain())
        assert [said.ref for said in told if isinstance(said, ExecutionSaid)] == ["", "", ""]


# A position of our account without its quantity, and an execution of ours on no side that there is.
NO_QUANTITY = "61|3|DU1234567|12087792|EUR|CASH||0.0|||IDEALPRO|USD|EUR.USD|EUR.USD||1.17"
NO_SIDE = (
    "11|-1|9|12087792|EUR|CASH||0.0|||IDEALPRO|USD|EUR.USD|EUR.USD|0001.01.01|20261118 14:00:00 US/Eastern|DU1234567|"
    "IDEALPRO|?|20000|1.085|1001|17|0|20000|1.085||||0|"
)


NO_FIGURE = "73|1|{id}|DU1234567||NetLiquidation|plenty|USD"


@pytest.mark.parametrize(
    ("part", "asked", "row", "end"),
    [
        ("positions", "reqPositions", NO_QUANTITY, "62|1"),
        ("executions", "reqExecutions", NO_SIDE, "55|1|{id}"),
        ("account", "reqAccountUpdatesMulti", NO_FIGURE, "74|1|{id}"),
    ],
)
@shows("I13", "F81")
async def test_a_picture_with_a_row_that_cannot_be_read_is_incomplete(
    part: str, asked: str, row: str, end: str
) -> None:
    """It ends, and what it does not say may be a holding or a fill: missing, never flat and never unfilled."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault(f"snapshot_never_ends={part}")
        before = len(scene.sent(asked))
        gathering = asyncio.ensure_future(scene.broker.snapshot())
        await scene.until(lambda: len(scene.sent(asked)) > before)
        for fields in (row, end):
            scene.server.act("frame", fields=fields.replace("{id}", scene.sent(asked)[-1].get("reqId", "")))
        scene.server.clear("snapshot_never_ends")
        picture = await gathering
        assert not picture.complete and picture.missing == (PARTS[part],)
        codes = [one.code for one in scene.broker.drain() if isinstance(one, ErrorSaid)]
        assert codes == ([] if part == "account" else [0])
        assert (await scene.broker.snapshot()).complete


async def test_an_attempt_that_is_cancelled_twice_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes its time to give up; whoever stops us meanwhile is heard, and does not pass for its end."""
    gives_up, may_end = asyncio.Event(), asyncio.Event()

    async def stubborn(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gives_up.set()
            await may_end.wait()

    session = Session(
        "127.0.0.1", 4002, 17, Pacer(), hear=lambda _: None, lost=lambda _: None, broken=lambda _: None,
        unreadable=lambda _: None,
    )  # fmt: skip
    monkeypatch.setattr(session.ib.client, "connectAsync", stubborn)  # the library, at its slowest
    attempt = asyncio.ensure_future(session.open(0.01))
    await gives_up.wait()
    _ = attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    may_end.set()


async def test_no_question_leaves_a_subscription_behind() -> None:
    """The account's figures go on coming until they are cancelled, also where their end never came."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("snapshot_never_ends=account")
        scene.broker.answer_within_s = 0.6
        assert not (await scene.broker.snapshot()).complete
        scene.server.clear("snapshot_never_ends")
        assert await scene.broker.round_trip()
        asked = [one["reqId"] for one in scene.sent("reqAccountUpdatesMulti")]
        assert [one["reqId"] for one in scene.sent("cancelAccountUpdatesMulti")] == asked != []


@shows("I13", "F81")
async def test_a_picture_that_spans_two_sessions_is_none() -> None:
    """The link falls while it is gathered: incomplete, whatever had ended by then."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("snapshot_never_ends=account")
        gathering = asyncio.ensure_future(scene.broker.snapshot())
        await scene.until(lambda: scene.sent("reqAccountUpdatesMulti"))
        scene.cut()
        picture = await gathering
        assert not picture.complete and picture.missing and not picture.positions


@pytest.mark.parametrize("fault", ["mute", "half_open", "no_current_time"])
@shows("F41", "F42", "F51")
async def test_a_socket_that_stands_proves_nothing(fault: str) -> None:
    """No answer to the question: no round trip, although the library says that it is connected."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault(fault)
        assert scene.broker.line is not None and scene.broker.line.ib.client.isReady()
        assert not await scene.broker.round_trip()
        scene.server.clear(fault)


@shows("F42")
async def test_a_late_answer_proves_nothing_about_a_later_question() -> None:
    """While a question is open no other is asked: its answer, when it comes late, is nobody's."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("no_current_time")
        assert not await scene.broker.round_trip()
        asked = len(scene.sent("reqCurrentTime"))
        assert not await scene.broker.round_trip()
        assert len(scene.sent("reqCurrentTime")) == asked
        scene.server.clear("no_current_time")
        scene.server.act("frame", fields="49|1|1795028400")
        await scene.until(lambda: not scene.broker.hearing.probes)
        assert await scene.broker.round_trip()


async def test_a_question_that_is_never_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One lost answer does not silence the link for ever."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("no_current_time*1")
        assert not await scene.broker.round_trip()
        monkeypatch.setattr("phoenix_adapters.brokers.ibkr.broker.GIVE_UP_AFTER_S", 0.0)
        assert await scene.broker.round_trip()


@shows("I13")
async def test_the_late_end_of_one_question_does_not_end_the_next() -> None:
    """The first timed out; its end comes while the second waits, and the second goes on waiting for its own."""
    async with played() as scene:
        await ready(scene)
        line = scene.broker.line
        assert line is not None
        scene.server.fault("snapshot_never_ends=open")
        rows = ("openOrder", "orderStatus")
        before = len(scene.sent("reqOpenOrders"))
        assert await line.ask("reqOpenOrders", rows, "openOrderEnd", 0.6) is None
        second = asyncio.ensure_future(line.ask("reqOpenOrders", rows, "openOrderEnd", 5.0))
        await scene.until(lambda: len(scene.sent("reqOpenOrders")) == before + 2)
        scene.server.act("frame", fields="53|1")
        assert await scene.broker.round_trip()
        assert not second.done()
        scene.server.act("frame", fields="53|1")
        assert await second == []


async def test_a_line_of_quotes_that_ended_is_subscribed_again() -> None:
    """10182 names the request whose updates ended: no quote stands, and the next picture asks for a line anew. The same
    code for anything else is no line's."""
    async with played() as scene:
        await ready(scene)
        await scene.until(scene.broker.quotes)
        (line,) = [one["reqId"] for one in scene.sent("reqMktData")]
        scene.server.fault("quotes_frozen")
        for number in ("77777", line):
            scene.server.act("error", code=10182, id=number, text="Failed to request live updates (disconnected).")
            await scene.until(lambda: {10182} == {one.code for one in of(scene, ErrorSaid) if one.code > 10_000})
            assert bool(scene.broker.quotes()) is (number != line)
            scene.facts.clear()
        scene.server.clear("quotes_frozen")
        assert (await scene.broker.snapshot()).complete
        await scene.until(scene.broker.quotes)
        assert len({one["reqId"] for one in scene.sent("reqMktData")}) == 2


async def test_a_line_of_quotes_that_was_refused_is_asked_for_again_an_hour_later() -> None:
    """354 as long as nobody pays for the data: with each picture it would be one more alert, and never again would
    blind the desk until somebody starts it anew. A new session asks at once."""
    async with played(Setup(volatility=0.0, faults=("no_market_data",))) as scene:
        assert await scene.broker.connect()
        for leap in (0, 301, 3_200):
            scene.clock.leap(leap)
            assert (await scene.broker.snapshot()).complete
            await scene.until(lambda: 354 in {one.code for one in of(scene, ErrorSaid)})
            assert len(scene.sent("reqMktData")) == 1 and not scene.broker.quotes()
        scene.clock.leap(200)
        scene.server.clear("no_market_data")
        assert (await scene.broker.snapshot()).complete
        await scene.until(scene.broker.quotes)
        assert len(scene.sent("reqMktData")) == 2
        scene.server.fault("no_market_data*1")
        for asked in (3, 4):
            assert await scene.broker.connect()
            assert (await scene.broker.snapshot()).complete
            assert await scene.broker.round_trip()
            assert len(scene.sent("reqMktData")) == asked
        await scene.until(scene.broker.quotes)


async def test_a_line_of_quotes_that_names_nothing_is_no_line() -> None:
    """200 for a request of data, as for an order: no line stands, whatever an order of ours has to do with it."""
    async with played(Setup(volatility=0.0)) as scene:
        await ready(scene)
        await scene.until(scene.broker.quotes)
        (line,) = [one["reqId"] for one in scene.sent("reqMktData")]
        scene.server.fault("quotes_frozen")
        scene.server.act("error", code=200, id=line, text="No security definition has been found for the request")
        await scene.until(lambda: not scene.broker.quotes())
        scene.server.clear("quotes_frozen")
        scene.clock.leap(3_601)
        assert (await scene.broker.snapshot()).complete
        await scene.until(scene.broker.quotes)


@pytest.mark.parametrize(("client", "number"), [(17, 2**31 - 1), (0, 2**31 - 1), (5, 2**31 - 1), (17, 2**31 - 2)])
async def test_an_order_without_an_id_takes_none_from_those_that_come(client: int, number: int) -> None:
    """TWS writes 2147483647 where an order has no id, and reads no number above it: whosever order it was, each of ours
    would be lost after it."""
    async with played() as scene:
        await ready(scene)
        assert scene.broker.line is not None
        contract = {"symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO", "conId": 12087792}
        terms = {"action": "BUY", "totalQuantity": 20_000, "orderType": "LMT", "lmtPrice": "1.01", "account": NUMBER}
        ids = {"orderId": number, "clientId": client, "permId": 77, "status": "Submitted", "orderRef": "by hand"}
        fields = to_client("openOrder", scene.broker.line.version, None, **contract, **terms, **ids)
        scene.server.act("frame", fields="|".join(fields))
        await scene.until(lambda: any(said.perm_id == 77 for said in of(scene, OrderSaid)))
        _ = await enter(scene)
        assert {said.order_id for said in of(scene, FrameSaid)} < set(range(1, 1_000))


@shows("F45")
async def test_what_the_library_would_ask_by_itself_never_leaves() -> None:
    """On each 1102 it would ask for a summary of the account that nobody ends, and get a 322 for the third: nothing
    leaves but what we send."""
    async with played() as scene:
        await ready(scene)
        for _ in range(3):
            scene.server.act("link_lost")
            scene.server.act("link_restored")
        await scene.until(lambda: events(scene).count(LinkEvent.RESTORED) == 3)
        assert await scene.broker.round_trip()
        assert not scene.sent("reqAccountSummary") and not [one for one in of(scene, ErrorSaid) if one.code == 322]


@shows("F01", "L13")
async def test_ids_of_an_earlier_session_name_nothing() -> None:
    """Before the broker bound them again, neither a cancel nor a revision goes out by an old id."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        scene.cut()
        await scene.until(lambda: LinkEvent.LOST in events(scene))
        assert await scene.broker.connect()
        scene.broker.cancel(order.frames[1].ref)
        await scene.until(lambda: of(scene, CancelSaid))
        assert [one.sent for one in of(scene, CancelSaid)] == [False]
        assert await scene.broker.resynchronise()
        scene.broker.cancel(order.frames[1].ref)
        await scene.until(lambda: any(w.status is BrokerStatus.CANCELLED for w in words(scene, order.frames[1].ref)))


@shows("F03", "F45", "I16")
async def test_what_happens_behind_1100_is_not_lost() -> None:
    """DEGRADED, a fill meanwhile, RESTORED: the execution is a fact, and a new synchronisation finds everything."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("slow_fill=0.1@parent")
        order = bracket(scene.broker.instruments()[SYMBOL], scene.account)
        scene.broker.hand_over(order)
        await scene.until(lambda: any(w.status.is_working for w in words(scene, order.ref)))
        scene.server.fault("1100_1102=0.3")
        await scene.until(lambda: LinkEvent.DEGRADED in events(scene))
        assert not scene.broker.quotes()
        await scene.until(lambda: LinkEvent.RESTORED in events(scene))
        assert await scene.broker.resynchronise()
        await scene.until(lambda: filled(scene, order.ref) == LOTS)


@shows("F03", "S33-SES-07")
async def test_1101_subscribes_again_and_finds_the_fills_that_were_not_told() -> None:
    """Live callbacks and subscriptions are lost with the data; the synchronisation brings both back."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("slow_fill=0.1@parent")
        order = bracket(scene.broker.instruments()[SYMBOL], scene.account)
        scene.broker.hand_over(order)
        await scene.until(lambda: any(w.status.is_working for w in words(scene, order.ref)))
        scene.server.fault("1100_1101=0.3")
        await scene.until(lambda: LinkEvent.RESTORED in events(scene))
        before = len(scene.sent("reqMktData"))
        assert await scene.broker.resynchronise()
        await scene.until(lambda: filled(scene, order.ref) == LOTS)
        await scene.until(lambda: len(scene.sent("reqMktData")) > before and SYMBOL in scene.broker.quotes())


@shows("F45")
async def test_restored_without_lost_is_still_said() -> None:
    """1102 out of nothing."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("1102_first")
        await scene.until(lambda: LinkEvent.RESTORED in events(scene))


@shows("F49")
async def test_a_taken_client_id_is_said_at_once_and_no_other_is_tried() -> None:
    """Within a second, not after the library's whole timeout; the one id is asked for, and nothing else."""
    async with played() as scene:
        scene.server.fault("client_id_taken*1")
        began = time.monotonic()
        assert await scene.broker.connect()
        assert time.monotonic() - began < scene.broker.connect_within_s / 2
        await scene.until(lambda: LinkEvent.CLIENT_ID_TAKEN in events(scene))
        assert LinkEvent.CONNECTED not in events(scene) and scene.broker.session() == 0
        assert not await scene.broker.round_trip()
        assert [r["clientId"] for r in scene.sent("startApi")] == ["17"]
        await back(scene)
        assert {r["clientId"] for r in scene.sent("startApi")} == {"17"}


@shows("S33-SES-06")
async def test_whether_somebody_is_there_is_asked_without_a_word() -> None:
    """A connection that is accepted, and given up before anything is said over it; a closed port is a no."""
    async with played() as scene:
        assert await scene.broker.answers()
        assert not scene.sent("startApi") and scene.broker.session() == 0
        await scene.server.stop()
        assert not await scene.broker.answers()
        assert events(scene) == []


@pytest.mark.parametrize("fault", ["no_login", "no_next_id"])
@shows("F44", "F46")
async def test_a_gateway_that_nobody_logged_into_is_no_session(fault: str) -> None:
    """The socket is accepted, and that is all: False within our own time."""
    async with played() as scene:
        scene.server.fault(fault)
        scene.broker.connect_within_s = 0.3
        began = time.monotonic()
        assert not await scene.broker.connect()
        assert time.monotonic() - began < 1
        scene.server.clear(fault)
        await back(scene)


@shows("F04", "L9")
async def test_a_fill_while_nobody_was_there_is_among_the_executions() -> None:
    """The stop fills while the link is down; the next session tells its execution and its end."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        stop = order.frames[1].ref
        scene.cut()
        await scene.until(lambda: LinkEvent.LOST in events(scene))
        scene.quote(Price(Decimal("1.08100")), Price(Decimal("1.08110")))
        await scene.until(lambda: len(scene.server.core.venue.book.executions) == 2)
        await back(scene)
        await scene.until(lambda: filled(scene, stop) == LOTS)
        await scene.until(lambda: any(w.status is BrokerStatus.FILLED and w.completed for w in words(scene, stop)))


@pytest.mark.parametrize("lost", [False, True])
@shows("F03", "F04", "F81", "L8")
async def test_an_answer_without_an_end_costs_no_execution(lost: bool) -> None:
    """What answers a question waits for its end, to be told in its order: as long as an answer takes, or until the
    session is over, and never longer."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        stop = order.frames[1].ref
        scene.cut()
        await scene.until(lambda: LinkEvent.LOST in events(scene))
        scene.quote(Price(Decimal("1.08100")), Price(Decimal("1.08110")))
        await scene.until(lambda: len(scene.server.core.venue.book.executions) == 2)
        scene.server.fault("snapshot_never_ends=executions")
        scene.broker.answer_within_s = 30 if lost else 0.2
        async with asyncio.timeout(10):
            while not await scene.broker.connect():
                await asyncio.sleep(0.02)
        asked = asyncio.ensure_future(scene.broker.resynchronise())
        if lost:
            await scene.until(lambda: [len(one.told) for one in scene.broker.hearing._answers.values()] == [2])
            scene.facts.clear()
            scene.cut()
        await scene.until(lambda: filled(scene, stop) == LOTS)
        assert not await asked
        if lost:
            await scene.until(lambda: LinkEvent.LOST in events(scene))
            names = [type(fact) for fact in scene.facts]
            assert names.index(ExecutionSaid) < names.index(LinkSaid), "of the session that is over, and before its end"


@shows("F01", "F06", "L13")
async def test_an_order_id_that_is_issued_again_names_the_new_order_only() -> None:
    """Frames vanish before the restart, which issues their ids again: nothing is ever said of the lost order."""
    async with played() as scene:
        await ready(scene)
        scene.server.fault("restart_rollback_ids")
        lost = bracket(scene.broker.instruments()[SYMBOL], scene.account, "lost")
        scene.broker.hand_over(lost)
        await scene.until(lambda: len(scene.sent("placeOrder")) == 3)
        scene.server.act("restart", seconds=1)
        await scene.until(lambda: LinkEvent.LOST in events(scene))
        await back(scene)
        await scene.until(lambda: scene.broker.room() >= 3)
        new = bracket(scene.broker.instruments()[SYMBOL], scene.account, "new")
        scene.broker.hand_over(new)
        await scene.until(lambda: filled(scene, new.ref) == LOTS)
        ids = {said.ref: said.order_id for said in of(scene, FrameSaid)}
        assert ids[new.ref] <= max(ids[frame.ref] for frame in lost.frames)
        assert not [w for frame in lost.frames for w in words(scene, frame.ref)]
        assert not fills(scene, lost.ref)
        opened = [said for said in of(scene, LinkSaid) if said.event is LinkEvent.CONNECTED]
        assert [said.first_id for said in opened] == [1, 1], "the gateway began anew, and it is said"


@shows("F48")
async def test_what_an_earlier_session_still_says_is_nobodys() -> None:
    """After a reconnection each fact carries the new session's number."""
    async with played() as scene:
        await ready(scene)
        first = scene.broker.session()
        _ = await enter(scene)
        scene.facts.clear()
        await back(scene)
        await scene.until(lambda: of(scene, ExecutionSaid))
        told = [fact.session for fact in scene.facts if isinstance(fact, OrderSaid | ExecutionSaid | ErrorSaid)]
        assert told and set(told) == {scene.broker.session()} and scene.broker.session() > first


@shows("F59")
async def test_a_clock_an_hour_off_is_measured() -> None:
    """The skew is the broker's clock minus ours, to the second."""
    async with played() as scene:
        await ready(scene)
        assert await scene.broker.round_trip()
        assert abs(scene.broker.skew()) < timedelta(seconds=2)
        scene.server.fault("clock_skew=3600")
        assert await scene.broker.round_trip()
        assert abs(scene.broker.skew() - timedelta(hours=1)) < timedelta(seconds=2)


async def test_data_that_is_delayed_frozen_or_gone_is_no_live_quote() -> None:
    """Delayed is marked; a lost farm or no subscription leaves no quote at all."""
    async with played(Setup(volatility=0.0, faults=("delayed_data",))) as scene:
        await ready(scene)
        assert scene.broker.quotes()[SYMBOL].delayed
        scene.server.act("sides", symbol=SYMBOL, show="bid")
        await scene.until(lambda: SYMBOL not in scene.broker.quotes())
        scene.server.act("sides", symbol=SYMBOL, show="both")
        await scene.until(lambda: SYMBOL in scene.broker.quotes())
        scene.server.fault("quotes_frozen")
        scene.server.act("error", code=2103, text="farm is broken", id=-1)
        await scene.until(lambda: not scene.broker.quotes())


# --- instants ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata", "Europe/Zurich", "Australia/Sydney"])
def host_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The zone that the host is set to, which must not matter."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


# Both sides of the changes of 2026 in New York (8 March, 1 November) and Europe (29 March, 25 October); a plain day.
INSTANTS = tuple(
    datetime.fromisoformat(day + "T19:30:05+00:00").astimezone(UTC)
    for day in ("2026-03-07", "2026-03-08", "2026-03-29", "2026-10-25", "2026-10-31", "2026-11-01", "2026-11-18")
)


@shows("L12", "F57", "F58")
def test_an_instant_is_the_same_wherever_the_host_stands(host_zone: str) -> None:
    """Three ways of writing it and the name of a zone, on both sides of each change of the clocks."""
    for at in INSTANTS:
        local = at.astimezone(zone_of("US/Eastern"))
        assert instant(f"{local:%Y%m%d %H:%M:%S} US/Eastern") == at
        assert instant(f"{local:%Y%m%d  %H:%M:%S}") == at
        assert instant(f"{at:%Y%m%d-%H:%M:%S}") == at
        assert instant(str(int(at.timestamp()))) == at
        kolkata = at.astimezone(zone_of("Asia/Kolkata"))
        assert instant(f"{kolkata:%Y%m%d %H:%M:%S} India Standard Time") == at
        assert instant(f"{kolkata:%Y%m%d  %H:%M:%S}", zone_of("India Standard Time") or UTC) == at


@shows("F56")
def test_what_is_no_instant_is_none() -> None:
    """Empty, cut short, of another script, of a zone or a day that does not exist."""
    for written in ("", " ", "20261118", "20261118 25:00:00", "20261118 19:00:00 Mars/Olympus", "٢٠٢٦1118 19:00:00"):
        assert instant(written) is None, written
    assert zone_said("20261118 19:00:00 Central European Standard Time") == zone_of("Europe/Warsaw")
    assert zone_said("20261118 19:00:00") is None and zone_said("nonsense") is None


@shows("F58")
def test_hours_of_a_card_are_utc_spans() -> None:
    """Both forms of writing; a closed day is no span; a zone's own rules on the day that the clocks change."""
    spans = hours("20261101:1715-20261102:1700;20261107:CLOSED", "US/Eastern")
    assert spans == ((datetime(2026, 11, 1, 22, 15, tzinfo=UTC), datetime(2026, 11, 2, 22, 0, tzinfo=UTC)),)
    (summer,) = hours("20261030:0930-1600", "US/Eastern")
    assert summer == (datetime(2026, 10, 30, 13, 30, tzinfo=UTC), datetime(2026, 10, 30, 20, 0, tzinfo=UTC))
    (older,) = hours("20261119:1715-1700", "US/Eastern")
    assert older == (datetime(2026, 11, 18, 22, 15, tzinfo=UTC), datetime(2026, 11, 19, 22, 0, tzinfo=UTC))


def test_link_facts_carry_the_port() -> None:
    """What the port guard reads is what was connected to."""
    scene = Scene()
    scene.broker.hearing.say_link(LinkEvent.DEGRADED, "1100")
    (said,) = of_kind(scene)
    assert (said.port, said.detail) == (4002, "1100")


def of_kind(scene: Scene) -> list[LinkSaid]:
    """The link facts that wait."""
    return [fact for fact in scene.broker.drain() if isinstance(fact, LinkSaid)]
