"""Combinations and their legs beside a stock of the same symbol: none of them is the stock, whatever it carries."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.ibkr.translate import Accounts, Names, Translator, symbol_of
from phoenix_adapters.gateway import Step
from phoenix_adapters.wire import from_server, to_client
from phoenix_cli.wiring.bunny.live import LiveStage, live_stage
from phoenix_cli.wiring.gateway_stage import ACCOUNT
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Alert, Execution, ExecutionEvent, ReconciliationDrift
from phoenix_core.trade.positions import Open
from phoenix_core.values import State
from phoenix_core.watch.drift import Cause
from tests.contract.broker.orders import NUMBER, account_of
from tests.showing import shows

AAPL: Final = {"pair": "AAPL", "entry": "190.22", "stop": "189.22", "target": "192.22", "quantity": "20"}
# The combination as the broker tells it, and its two legs: one bought, one sold.
PARTS: Final = (("BAG", 28812380, "BOT"), ("OPT", 700_000_001, "BOT"), ("OPT", 700_000_002, "SLD"))


def executed(desk: LiveStage, kind: str, con_id: int, side: str) -> None:
    """The gateway tells a fill of something else in every word that names our order."""
    (order,) = (one for one in desk.server.core.venue.book.live.values() if one.parent is None)
    fields = to_client(
        "execDetails", desk.server.core.setup.server_version,
        orderId=order.order_id, permId=order.perm_id, clientId=order.client_id, orderRef=order.sent["orderRef"],
        conId=con_id, symbol="AAPL", secType=kind, currency="USD", exchange="SMART", execId=f"0001.{con_id}.01.01",
        time="20261118-19:00:05", acctNumber=order.account.name, side=side, shares=20, price="1.50", cumQty=20,
        avgPrice="1.50",
    )  # fmt: skip
    desk.server.act("frame", fields="|".join(fields))


@pytest.mark.parametrize(("size", "price"), [("-20", "190"), ("20", "1E+20"), ("1E+12", "190"), ("1E+40", "1")])
async def test_an_execution_that_cannot_be_costs_no_engine(size: str, price: str) -> None:
    """A size without a sense, or more digits than a bead may say: told as a message that may hide a fill. The engine
    lives, and so does the next one, which is told of it again; what else the broker says is taken in."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        assert await desk.reaches(await desk.enter(**AAPL), State.MANAGED)
        stop = next(one for one in desk.server.core.venue.book.live.values() if one.kind == "STP")
        fields = to_client(
            "execDetails", desk.server.core.setup.server_version, orderId=stop.order_id, permId=stop.perm_id,
            clientId=stop.client_id, orderRef=stop.sent["orderRef"], conId=265598, symbol="AAPL", secType="STK",
            currency="USD", exchange="SMART", execId="0002.1.01.01", time="20261118-19:00:05",
            acctNumber=stop.account.name, side="SLD", shares=size, price=price, cumQty=20, avgPrice="1.50",
        )  # fmt: skip
        desk.server.act("frame", fields="|".join(fields))
        assert await desk.until(lambda: any(one.subject == "code 0" for one in desk.bodies(Alert)))
        await desk.watch(10, 1)
        assert desk.engine.link.up and not any(one.family == "0002.1.01" for one in desk.bodies(Execution))
        desk.server.act("manual_cancel", symbol="AAPL")
        assert await desk.until(lambda: any(one.code == "PROTECTION_LOST" for one in desk.bodies(Alert)))


@shows("F40", "I8")
async def test_a_combination_and_its_legs_fill_no_order_of_ours() -> None:
    """F40: a combination on the very stock that we buy, and its legs, executed under our reference, our order id and
    our permanent id: not booked, told as nobody's; our own fill, later, counts once."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        desk.server.fault("never_fill@BUY")
        intent = await desk.enter(**AAPL)
        assert await desk.until(lambda: desk.sent == 3 and len(desk.server.core.venue.book.live) == 3)
        for part in PARTS:
            executed(desk, *part)
        assert await desk.until(lambda: len(desk.bodies(Execution)) >= len(PARTS))
        assert desk.state(intent) is State.SUBMITTED
        assert [one.position_id for one in desk.bodies(Execution)] == [None] * len(PARTS)
        assert {one.cause for one in desk.bodies(ReconciliationDrift)} == {Cause.UNRESOLVED_REFERENCE.value}
        desk.server.clear("never_fill")
        await desk.tick(1)
        assert await desk.reaches(intent, State.MANAGED)
        position = desk.position(intent)
        assert isinstance(position, Open) and position.filled_quantity == 20 == desk.held("AAPL")
        ours = [one for one in desk.bodies(Execution) if one.position_id and one.event is ExecutionEvent.FILL]
        assert len(ours) == 1


@shows("F40")
@pytest.mark.parametrize(
    ("kind", "currency"), [("BAG", "USD"), ("OPT", "USD"), ("FUT", "USD"), ("CFD", "USD"), ("STK", "MXN")]
)
def test_a_position_in_something_else_is_not_one_in_the_stock(kind: str, currency: str) -> None:
    """Two options on a stock are not two shares more of it, nor are two shares that trade in another currency."""
    translator, version = Translator(Accounts(account_of), Names(17)), 176
    rows = ({"secType": "STK", "currency": "USD"}, {"secType": kind, "currency": currency})
    row = {"account": NUMBER, "symbol": "AAPL", "position": "2", "avgCost": "1.5"}
    read = [
        translator.held(from_server(to_client("position", version, {**row, **terms}), version).record) for terms in rows
    ]
    assert [one.quantity for one in read] == [Decimal(2)] * 2
    assert read[0].symbol == "AAPL" != read[1].symbol


@pytest.mark.parametrize(
    ("symbol", "kind", "name"),
    [
        ("A\x1b[2JB", "STK", "A\\u{1b}[2JB"),
        ("A\nWARNING all is well", "STK", "A\\u{a}WARNING all is well"),
        ("A\u202eB", "OPT", "A\\u{202e}B.OPT"),
        ("BRK B", "STK", "BRK B"),
        ("X" * 5000, "STK", "X" * 80),
    ],
)
def test_no_name_of_an_instrument_moves_a_cursor_or_begins_a_line(symbol: str, kind: str, name: str) -> None:
    """The symbol of a holding that is not ours stands in alerts, tables and on terminals as the gateway wrote it: what
    is not plainly visible is escaped, and what is longer than any symbol is cut."""
    assert symbol_of({"symbol": symbol, "secType": kind, "currency": "USD"}) == name


@shows("F40", "S32-REC-06")
async def test_a_combination_that_somebody_holds_is_told_and_leaves_the_stock_alone() -> None:
    """A position in a combination on the stock that we hold appears in each picture: it is one too many, under a name
    of its own; of the stock nobody disagrees, and nothing is sent."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        intent = await desk.enter(**AAPL)
        assert await desk.reaches(intent, State.MANAGED)
        version = desk.server.core.setup.server_version
        stock, bag = (
            to_client(
                "position", version, account=ACCOUNT, conId=con_id, symbol="AAPL", secType=kind, currency="USD",
                position=count, avgCost=1,
            )
            for con_id, kind, count in ((265598, "STK", 20), (28812380, "BAG", 7))
        )  # fmt: skip
        said = ["|".join(fields) for fields in (stock, bag, to_client("positionEnd", version))]
        desk.server.fault("snapshot_empty=positions")
        desk.server.fault("snapshot_never_ends=positions")
        desk.server.run(
            Step("frame", {"fields": fields}, after="reqPositions", nth=nth) for nth in range(1, 9) for fields in said
        )
        sent = desk.sent
        for _ in range(2):
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
            await desk.watch(15, 1)
        assert await desk.until(lambda: bool(desk.bodies(ReconciliationDrift)))
        (drift,) = desk.bodies(ReconciliationDrift)
        assert (drift.cause, drift.subject) == (Cause.COUNT.value, "AAPL.BAG")
        assert drift.broker_state["quantity"] == "7"
        assert desk.state(intent) is State.MANAGED and desk.sent == sent and desk.held("AAPL") == 20
