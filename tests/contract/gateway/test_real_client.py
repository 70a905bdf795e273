"""The unmodified client library, ib_insync or ib_async, whichever is installed, over a real socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from phoenix_adapters.brokers.ibkr.library import load
from phoenix_adapters.gateway import Frame, GatewayServer, Setup
from phoenix_adapters.wire import from_server
from tests.contract.gateway.reader import read
from tests.contract.gateway.stage import HOST, WEDNESDAY
from tests.showing import shows

PATIENCE_S = 10.0


lib = load()


class Shifted:
    """A clock that runs, and began on a Wednesday afternoon in New York."""

    def __init__(self) -> None:
        self.by = WEDNESDAY - datetime.now(UTC)

    def now(self) -> datetime:
        """The shifted moment."""
        return datetime.now(UTC) + self.by


class Scene:
    """A gateway on a socket, every frame that it wrote or read, and the clients that a test made."""

    def __init__(self, **setup: object) -> None:
        self.frames: list[Frame] = []
        self.clock = Shifted()
        self.server = GatewayServer(HOST, 4002, Setup(volatility=0.0), self.clock, self.frames.append)
        self.made: list[object] = []

    async def connect(self, client_id: int = 7):  # type: ignore[no-untyped-def]  # the library has no types
        """A connected client."""
        client = lib.IB()
        self.made.append(client)
        await client.connectAsync(HOST, self.server.port, clientId=client_id, timeout=PATIENCE_S)
        return client

    async def hang_up(self, client) -> None:  # type: ignore[no-untyped-def]  # as above
        """Disconnect, and wait until the gateway has noticed."""
        client.disconnect()
        await until(lambda: self.server.core.board.of_client(client.client.clientId) is None)


async def until(true: Callable[[], object]) -> None:
    """Wait until something holds; a test that waits in vain fails by itself."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)


@pytest_asyncio.fixture
async def scene(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Scene]:
    """A running gateway; at the end no decoder of the library may have complained."""
    scene = Scene()
    await scene.server.start()
    with caplog.at_level(logging.ERROR):
        yield scene
    for client in scene.made:
        client.disconnect()  # type: ignore[attr-defined]  # the library has no types
    await scene.server.stop()
    complaints = [one for one in caplog.records if one.name.endswith("Decoder") or "No order found" in one.message]
    assert not complaints, [one.message for one in complaints]


EURUSD = lib.Forex("EURUSD", conId=12087792)


async def test_it_connects_synchronises_and_speaks_its_highest_version(scene: Scene) -> None:
    """176 for ib_insync, 178 for ib_async; accounts, values and farms are there."""
    client = await scene.connect()
    assert client.client.serverVersion() == min(178, lib.client.Client.MaxClientVersion)
    assert client.managedAccounts() == ["DU1234567"]
    worth = [one.value for one in client.accountValues() if one.tag == "NetLiquidation" and one.currency == "USD"]
    assert worth == ["1000000.00"]
    assert abs(await client.reqCurrentTimeAsync() - scene.clock.now()) < timedelta(seconds=2)


async def test_it_qualifies_streams_and_takes_snapshots(scene: Scene) -> None:
    """Contract details, live ticks on both sides, a snapshot that ends."""
    client = await scene.connect()
    (details,) = await client.reqContractDetailsAsync(EURUSD)
    assert (details.contract.conId, details.minTick, details.minSize) == (12087792, 0.00005, 0.01)
    ticker = client.reqMktData(details.contract)
    await until(lambda: ticker.bid == 1.17 and ticker.ask == 1.17005)
    client.cancelMktData(details.contract)
    (snapshot,) = await client.reqTickersAsync(lib.Stock("AAPL", "SMART", "USD", conId=265598))
    assert snapshot.bid < snapshot.ask


async def test_it_trades_to_filled(scene: Scene) -> None:
    """Fill, commission, position and cash arrive through the library's own objects."""
    client = await scene.connect()
    trade = client.placeOrder(EURUSD, lib.MarketOrder("BUY", 20_000, orderRef="r1", tif="DAY"))
    await until(lambda: trade.orderStatus.status == "Filled" and trade.fills)
    (fill,) = trade.fills
    await until(lambda: fill.commissionReport.commission)
    assert (fill.execution.shares, fill.execution.price, fill.execution.orderRef) == (20_000, 1.17005, "r1")
    assert abs(fill.execution.time - scene.clock.now()) < timedelta(seconds=5)
    await until(lambda: [one.position for one in client.positions()] == [20_000])
    values = client.accountValues
    await until(lambda: ("CashBalance", "EUR", "20000.00") in {(v.tag, v.currency, v.value) for v in values()})


async def test_it_trades_a_bracket(scene: Scene) -> None:
    """Three frames, the last transmits; the stop goes off at the gap and the target is cancelled."""
    client = await scene.connect()
    orders = client.bracketOrder("BUY", 20_000, limitPrice=1.18, takeProfitPrice=1.20, stopLossPrice=1.15)
    trades = [client.placeOrder(EURUSD, order) for order in orders]
    await until(lambda: [one.orderStatus.status for one in trades] == ["Filled", "Submitted", "PreSubmitted"])
    scene.server.act("quote", symbol="EURUSD", bid="1.14000", ask="1.14010")
    await until(lambda: [one.orderStatus.status for one in trades] == ["Filled", "Cancelled", "Filled"])
    assert trades[2].orderStatus.avgFillPrice == 1.14
    await until(lambda: not client.positions())


async def test_it_cancels_and_modifies(scene: Scene) -> None:
    """A resting limit takes a new price and ends cancelled."""
    client = await scene.connect()
    order = lib.LimitOrder("BUY", 20_000, 1.10, tif="GTC")
    trade = client.placeOrder(EURUSD, order)
    await until(lambda: trade.orderStatus.status == "Submitted")
    order.lmtPrice = 1.11
    client.placeOrder(EURUSD, order)
    await until(lambda: any("1.11" in one.fields for one in scene.frames if (one.dir, one.fields[0]) == ("out", "5")))
    client.cancelOrder(order)
    await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_it_asks_what_if(scene: Scene) -> None:
    """Margins come back and nothing is placed."""
    client = await scene.connect()
    state = await asyncio.wait_for(client.whatIfOrderAsync(EURUSD, lib.MarketOrder("BUY", 20_000)), PATIENCE_S)
    assert float(state.initMarginChange) == 702.02
    assert not await client.reqAllOpenOrdersAsync()


async def test_it_hears_rejections(scene: Scene) -> None:
    """201 for margin, 200 for a symbol, each with its text."""
    client = await scene.connect()
    heard: list[tuple[int, int]] = []
    client.errorEvent += lambda order_id, code, text, contract: heard.append((order_id, code))
    poor = client.placeOrder(EURUSD, lib.MarketOrder("BUY", 1_000_000_000))
    wrong = client.placeOrder(lib.Stock("XXX", "SMART", "USD"), lib.MarketOrder("BUY", 1))
    await until(lambda: {(poor.order.orderId, 201), (wrong.order.orderId, 200)} <= set(heard))


@shows("F04")
async def test_it_reconnects_and_finds_what_happened_meanwhile(scene: Scene) -> None:
    """The same client id: the resting order is open, the fill of the absence is among the executions."""
    client = await scene.connect()
    resting = client.placeOrder(EURUSD, lib.LimitOrder("BUY", 20_000, 1.10, tif="GTC"))
    stop = client.placeOrder(EURUSD, lib.StopOrder("SELL", 20_000, 1.16, tif="GTC"))
    await until(lambda: {resting.orderStatus.status, stop.orderStatus.status} == {"Submitted", "PreSubmitted"})
    await scene.hang_up(client)
    scene.server.act("quote", symbol="EURUSD", bid="1.15000", ask="1.15010")
    await until(lambda: scene.server.core.venue.book.executions)
    again = await scene.connect()
    assert [one.order.orderId for one in again.openTrades()] == [resting.order.orderId]
    assert [(one.execution.permId, one.execution.price) for one in again.fills()] == [(stop.order.permId, 1.15)]
    fresh = again.placeOrder(EURUSD, lib.MarketOrder("BUY", 20_000))
    assert fresh.order.orderId > stop.order.orderId
    await until(lambda: fresh.orderStatus.status == "Filled")


async def test_the_gateway_dies_and_comes_back_with_the_orders(scene: Scene) -> None:
    """Killed with a resting order; started again it has it, and the client may trade."""
    client = await scene.connect()
    resting = client.placeOrder(EURUSD, lib.LimitOrder("BUY", 20_000, 1.10, tif="GTC"))
    await until(lambda: resting.orderStatus.status == "Submitted")
    scene.server.kill()
    await until(lambda: not client.isConnected())
    with pytest.raises(ConnectionRefusedError):
        await scene.connect()
    await scene.server.start()
    again = await scene.connect()
    assert [one.order.permId for one in again.openTrades()] == [resting.order.permId]


async def test_a_restart_closes_the_port_and_opens_it_again(scene: Scene) -> None:
    """Within the restart a connection is refused; after it the client is welcome."""
    client = await scene.connect()
    scene.server.act("restart", seconds=1)
    await until(lambda: not client.isConnected())
    with pytest.raises(ConnectionRefusedError):
        await scene.connect()
    await until(lambda: scene.server.core.schedule.now - WEDNESDAY > timedelta(seconds=1.2) and scene.server.listens)
    assert (await scene.connect()).isConnected()


@shows("F49")
async def test_a_second_client_of_the_same_id_is_hung_up_on(scene: Scene) -> None:
    """The library notices only by its own timeout; the first session lives."""
    first = await scene.connect(7)
    second = lib.IB()
    with pytest.raises((TimeoutError, asyncio.TimeoutError, ConnectionError)):
        await second.connectAsync(HOST, scene.server.port, clientId=7, timeout=0.3)
    assert first.isConnected()


@shows("L2", "F14")
async def test_10349_makes_the_library_believe_in_a_cancel_that_never_was(scene: Scene) -> None:
    """The library says Cancelled; the wire says that the order lives and fills."""
    client = await scene.connect()
    scene.server.fault("tif_preset_10349")
    scene.server.fault("slow_fill=0.2")
    said: list[str] = []
    trade = client.placeOrder(EURUSD, lib.MarketOrder("BUY", 20_000))
    trade.statusEvent += lambda one: said.append(one.orderStatus.status)
    await until(lambda: trade.fills)
    assert "Cancelled" in said


@shows("L8", "F81")
async def test_a_snapshot_that_never_ends_is_believed_by_the_library(scene: Scene) -> None:
    """connectAsync logs a timeout and reports connected, with an empty list of open orders."""
    first = await scene.connect()
    resting = first.placeOrder(EURUSD, lib.LimitOrder("BUY", 20_000, 1.10, tif="GTC"))
    await until(lambda: resting.orderStatus.status == "Submitted")
    await scene.hang_up(first)
    scene.server.fault("snapshot_never_ends=completed")
    second = lib.IB()
    scene.made.append(second)
    await second.connectAsync(HOST, scene.server.port, clientId=7, timeout=0.3)
    assert second.isConnected()


class Standing:
    """A clock that moves only by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Where it was put."""
        return self.at


async def test_a_clock_moved_by_hand_carries_a_saturday_order_to_sunday() -> None:
    """Between two pokes lie thirty hours; the order is held, and filled at 17:15 New York."""
    clock = Standing(datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
    server = GatewayServer(HOST, 4002, Setup(), clock)
    await server.start()
    client = lib.IB()
    await client.connectAsync(HOST, server.port, clientId=7, timeout=PATIENCE_S)
    trade = client.placeOrder(EURUSD, lib.MarketOrder("BUY", 20_000, tif="GTC"))
    await until(lambda: server.core.venue.book.live)
    clock.at += timedelta(seconds=1)
    await until(lambda: trade.order.permId)
    assert not trade.fills
    clock.at = datetime(2026, 11, 22, 22, 16, tzinfo=UTC)
    server.poke()
    await until(lambda: trade.fills)
    assert trade.fills[0].execution.time == datetime(2026, 11, 22, 22, 15, tzinfo=UTC)
    client.disconnect()
    await server.stop()


async def test_both_readers_agree_on_every_frame_that_the_client_got(scene: Scene) -> None:
    """The hand-written reader and the tables read a whole session alike."""
    client = await scene.connect()
    client.reqMktData(EURUSD)
    orders = client.bracketOrder("BUY", 20_000, limitPrice=1.18, takeProfitPrice=1.20, stopLossPrice=1.15)
    trades = [client.placeOrder(EURUSD, order) for order in orders]
    await until(lambda: trades[2].orderStatus.status == "PreSubmitted" and trades[0].orderStatus.status == "Filled")
    await client.accountSummaryAsync()
    await client.reqAllOpenOrdersAsync()
    await client.reqCompletedOrdersAsync(False)
    await client.reqExecutionsAsync()
    version = client.client.serverVersion()
    out = [one.fields for one in scene.frames if one.dir == "out" and len(one.fields) != 2]
    assert len({fields[0] for fields in out}) >= 20
    for fields in out:
        name, said = read(fields, version)
        message = from_server(fields, version)
        assert (message.name, message.rest) == (name, ())
        shared = message.record.keys() & said.keys()
        assert {key: message.record[key] for key in shared} == {key: said[key] for key in shared}
