"""The gateway as a program: scripts, the record, `serve`; a seed repeats a run, and a long run stays cheap."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from attrs import evolve

from phoenix_adapters.gateway import (
    ACTS,
    Frame,
    GatewayServer,
    Recorder,
    ScriptError,
    Setup,
    UnknownAct,
    UnknownFault,
    read,
    serve,
)
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_adapters.gateway.script import Director
from phoenix_adapters.wire import Unframer, frame, hello
from tests.contract.gateway.stage import CALM, EURUSD, HOST, WEDNESDAY, Stage


def scripted(*lines: str) -> Stage:
    """A gateway with a script."""
    stage = Stage.up()
    Director(stage.gateway).run(read(lines))
    return stage


def test_a_step_happens_at_its_second() -> None:
    """Five seconds after the start, not before."""
    stage = scripted('{"at": 5, "do": "error", "code": 2103, "text": "farm is broken"}')
    client = stage.connect()
    stage.wait(4.9)
    assert not client.got("error", code=2103)
    stage.wait(0.2)
    assert client.last("error", code=2103)["message"] == "farm is broken"


def test_a_step_follows_the_nth_message_of_a_client_or_of_the_gateway() -> None:
    """The second place frame, and half a second; the first execution, at once."""
    stage = scripted(
        "# a comment", "",
        '{"after": "placeOrder", "nth": 2, "wait": 0.5, "do": "error", "code": 2103}',
        '{"after": "execDetails", "do": "manual_close", "symbol": "EURUSD"}',
    )  # fmt: skip
    client = stage.connect()
    client.place()
    stage.wait(1)
    assert client.position() == 0
    assert not client.got("error", code=2103)
    client.place()
    stage.wait(0.4)
    assert not client.got("error", code=2103)
    stage.wait(0.2)
    assert client.got("error", code=2103)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"do": "drop"}',
        '{"at": 1, "after": "placeOrder", "do": "drop"}',
        '{"at": 1, "do": "explode"}',
        '{"at": 1}',
        '{"at": 1, "do": "quote", "symbol": "EURUSD"}',
        '{"at": 1, "do": "drop", "clinet": 7}',
        '{"after": "placeOrdre", "do": "drop"}',
    ],
)
def test_a_bad_line_is_refused_with_its_number(line: str) -> None:
    """Before anything has happened."""
    with pytest.raises(ScriptError, match="line 2"):
        read(["", line])


def test_acts_with_impossible_words_are_refused() -> None:
    """An unknown symbol, an unknown account, no number."""
    stage = Stage.up()
    for act, given in (
        ("quote", {"symbol": "EURCHF", "bid": 1, "ask": 2}),
        ("manual_close", {"symbol": "EURUSD", "account": "DU9"}),
        ("deposit", {"currency": "USD", "amount": "much"}),
        ("manual_place", {"symbol": "EURUSD", "action": "BUY", "quantity": ""}),
    ):
        with pytest.raises(UnknownAct):
            stage.do(act, **given)


def test_every_act_can_be_done() -> None:
    """Each act of the table, once, with plausible words; the gateway goes on."""
    words: dict[str, dict[str, object]] = {
        "fault": {"name": "duplicate_status"}, "clear": {"name": "duplicate_status"},
        "quote": {"symbol": "EURUSD", "bid": "1.2", "ask": "1.2001"}, "gap": {"symbol": "EURUSD", "ticks": 10},
        "hold": {"symbol": "EURUSD"}, "loose": {"symbol": "EURUSD"}, "sides": {"symbol": "EURUSD", "show": "both"},
        "manual_place": {"symbol": "EURUSD", "action": "BUY", "quantity": 5}, "manual_close": {"symbol": "EURUSD"},
        "deposit": {"currency": "EUR", "amount": "100"},
        "transfer": {"symbol": "AAPL", "quantity": "-10", "price": "5"},
        "misreport": {"symbol": "EURUSD", "quantity": 5},
        "error": {"code": 2110}, "frame": {"fields": "49|1|5"}, "restart": {"seconds": 0},
    }  # fmt: skip
    for act in ACTS:
        stage = Stage.up()
        client = stage.connect()
        stage.do(act, **words.get(act, {}))
        stage.wait(1)
        if act not in ("drop", "restart", "log_out", "link_lost"):
            stage.do("calm")
            order = client.place()
            stage.wait(1)
            assert client.status(order) == "Filled", act


def test_transfers_and_deposits_change_the_account_with_no_order() -> None:
    """A position of ten shares and a hundred euros that no execution explains."""
    stage = Stage.up()
    client = stage.connect()
    stage.do("transfer", symbol="AAPL", quantity=10)
    stage.do("deposit", currency="EUR", amount=100)
    assert client.position("AAPL") == 10
    client.ask("reqAccountUpdates", subscribe=1, account="")
    assert client.last("updateAccountValue", key="CashBalance", currency="EUR")["value"] == "100.00"
    client.ask("reqExecutions", reqId=4)
    assert not client.got("execDetails")


def test_a_position_can_be_told_that_is_not_held() -> None:
    """Asked, and as a callback, the claim is told, after a further fill too; money and book know nothing of it, and
    the truth is told again with no quantity."""
    stage = Stage.up()
    client = stage.connect()
    _ = client.place()
    stage.wait(1)
    worth = client.net_liquidation()
    client.ask("reqPositions")
    client.ask("reqAccountUpdates", subscribe=1, account="")
    client.forget()
    stage.do("misreport", symbol="EURUSD", quantity="-12000")
    assert [one["position"] for one in client.got("position")] == ["-12000"]
    assert client.last("updatePortfolio")["position"] == "-12000"
    _ = client.place()
    stage.wait(1)
    assert client.position() == -12_000
    account = next(iter(stage.gateway.venue.accounts.values()))
    assert account.position(BY_NAME["EURUSD"]) == 40_000
    assert abs(client.net_liquidation() - worth) < 10, "two commissions and spreads, and no more"
    stage.do("misreport", symbol="EURUSD")
    assert client.position() == 40_000
    with pytest.raises(UnknownAct):
        stage.do("misreport", symbol="EURUSD", quantity="some")


def test_frames_are_recorded_as_json_lines() -> None:
    """Time, direction, client, fields."""
    file = StringIO()
    Recorder(file)(Frame(WEDNESDAY, "out", 7, ("49", "1", "ü")))
    assert json.loads(file.getvalue()) == {
        "t": "2026-11-18T19:00:00+00:00", "dir": "out", "client": 7, "fields": ["49", "1", "ü"],
    }  # fmt: skip
    assert file.getvalue().endswith("\n")


class Shifted:
    """A clock that runs, shifted to a Wednesday."""

    def now(self) -> datetime:
        """The shifted moment."""
        return datetime.now(UTC) + self.by

    by = WEDNESDAY - datetime.now(UTC)


async def test_serve_is_one_call_with_script_faults_and_record(tmp_path: Path) -> None:
    """What the command line calls: it listens, obeys the clock, plays the script, writes every frame, and stops."""
    script, record = tmp_path / "script.jsonl", tmp_path / "frames.jsonl"
    script.write_text('{"after": "reqCurrentTime", "do": "error", "code": 2103}\n')
    up: asyncio.Future[GatewayServer] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            host=HOST, accounts=["DU5", "DU6"], script=script, faults=["clock_skew=0"], record=record, clock=Shifted(),
            ready=up.set_result,
        )
    )  # fmt: skip
    server = await up
    assert server.port == 4002
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(b"API\0" + len(hello()).to_bytes(4, "big") + hello().encode())
    writer.write(frame(("71", "2", "7", "")) + frame(("49", "1")))
    unframer, heard = Unframer(), list[tuple[str, ...]]()
    async with asyncio.timeout(5):
        while not any("2103" in one for one in heard):
            heard += unframer.feed(await reader.read(4096))
    writer.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard[0][1].startswith("20261118 14:")
    assert ("15", "1", "DU5,DU6") in heard
    written = [json.loads(line) for line in record.read_text().splitlines()]
    assert [tuple(one["fields"]) for one in written if one["dir"] == "out"] == heard
    assert [one["fields"][0] for one in written if one["dir"] == "in"] == [hello(), "71", "49"]


async def test_serve_refuses_an_unknown_fault_before_the_port_opens() -> None:
    """The name is in the error."""
    with pytest.raises(UnknownFault, match="no_such"):
        await serve(host=HOST, faults=["no_such"])


async def test_a_peer_that_speaks_something_else_is_hung_up_on() -> None:
    """And the gateway serves the next one."""
    server = GatewayServer(HOST, 0)
    await server.start()
    for _ in range(2):
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    await server.stop()


def _random_day(seed: int) -> list[tuple[datetime, int, tuple[str, ...]]]:
    """Everything that a gateway of this seed says to a client that does random things."""
    stage = Stage.up(Setup(seed=seed, messages_per_second=None))
    client = stage.connect()
    client.ask("reqMktData", **EURUSD, reqId=9_000)
    choose = Random(1)
    for _ in range(60):
        kind = choose.choice(("MKT", "LMT"))
        order = client.place(orderType=kind, lmtPrice="1.17000", action=choose.choice(("BUY", "SELL")))
        stage.wait(choose.random())
        if choose.random() < 0.3:
            client.ask("cancelOrder", orderId=order)
    stage.wait(10)
    return stage.trace


def test_the_same_seed_says_the_same_and_another_says_otherwise() -> None:
    """To the field and to the moment."""
    assert _random_day(1) == _random_day(1)
    assert _random_day(1) != _random_day(2)


def test_a_long_run_does_not_slow_down_with_its_orders() -> None:
    """The last five hundred orders cost about what the first did, and after midnight nothing of them is kept."""
    stage = Stage.up(CALM)
    client = stage.connect()
    costs = []
    for _ in range(8):
        began = time.process_time()
        for turn in range(500):
            client.place(action=("BUY", "SELL")[turn % 2], totalQuantity=1_000)
            stage.wait(0.02)
        costs.append(time.process_time() - began)
        client.forget()
        stage.trace.clear()
    # A cost that grew with the orders would be eightfold; a factor of three is a noisy machine.
    assert min(costs[6:]) < 3 * min(costs[:2])
    book = stage.gateway.venue.book
    assert len(book.executions) == 4_000
    stage.until(WEDNESDAY + timedelta(days=1))
    assert not book.executions
    assert not book.done
    assert not book.by_id
    assert not book.live


def test_a_clock_that_goes_back_stops_nothing() -> None:
    """Time stands still for the gateway until the clock has caught up; orders fill after."""
    stage = Stage.up(evolve(CALM))
    client = stage.connect()
    stage.until(WEDNESDAY - timedelta(hours=1))
    order = client.place()
    stage.until(WEDNESDAY + timedelta(seconds=1))
    assert client.status(order) == "Filled"
