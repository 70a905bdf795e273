"""A state file: the same broker in the next process, whatever the last one died over."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from phoenix_adapters.gateway import Gateway, Inputs, Setup, StateError, kept
from phoenix_adapters.gateway.serving import onward
from phoenix_adapters.wire import hello, to_server
from tests.contract.gateway.stage import EURUSD, WEDNESDAY
from tests.showing import shows

SETUP = Setup(cash={"USD": Decimal(1_000_000)}, seed=11)


def truth(core: Gateway) -> list[object]:
    """What is so at the broker: money, positions, orders, executions, ids, and the dice."""
    book = core.venue.book
    orders = [(o.perm_id, o.client_id, o.order_id, o.status, o.quantity, o.filled) for o in book.live.values()]
    done = [(o.perm_id, o.status, o.filled, o.ended) for o in book.done]
    fills = [(e.exec_id, e.at, e.shares, e.price, e.commission) for e in book.executions]
    money = [(a.name, sorted(a.cash.items()), sorted(a.holdings.items())) for a in core.venue.accounts.values()]
    return [orders, done, fills, repr(money), book.last_id, core.random.getstate()]


class Trader:
    """Somebody who places, changes, cancels, waits and moves the market, by dice."""

    def __init__(self, inputs: Inputs, seed: int) -> None:
        self.inputs, self.dice, self.now, self.next = inputs, random.Random(seed), inputs.core.schedule.now, 0

    def connect(self, client: int) -> int:
        """A session that is ready."""
        number = self.inputs.connected(self.now)
        self.inputs.received(self.now, number, (hello(),))
        self.inputs.received(self.now, number, to_server("startApi", 176, clientId=client))
        return number

    def act(self, number: int) -> None:
        """One thing, and some time."""
        self.next += 1
        side, kind = self.dice.choice(["BUY", "SELL"]), self.dice.choice(["MKT", "LMT", "STP"])
        price = f"{1.08 + self.dice.randrange(20) / 1000:.5f}"
        terms = {"lmtPrice": price} if kind == "LMT" else {"auxPrice": price} if kind == "STP" else {}
        place = to_server(
            "placeOrder", 176, **EURUSD, orderId=self.next, action=side, totalQuantity=20_000, orderType=kind,
            tif="GTC", transmit=1, **terms,
        )  # fmt: skip
        cancel = to_server("cancelOrder", 176, orderId=self.dice.randrange(1, self.next + 1))
        self.inputs.received(self.now, number, self.dice.choice([place, place, cancel]))
        if self.dice.random() < 0.2:
            bid = 1.08 + self.dice.randrange(20) / 1000
            self.inputs.act(self.now, "quote", {"symbol": "EURUSD", "bid": f"{bid:.5f}", "ask": f"{bid + 0.0001:.5f}"})
        for _ in range(self.dice.randrange(6)):
            self.now += timedelta(seconds=self.dice.choice([0.001, 0.05, 0.4, 30.0]))
            self.inputs.advance(self.now)
        _ = self.inputs.core.take()


@pytest.mark.parametrize("seed", range(8))
@shows("F21")
def test_the_next_process_finds_the_broker_as_it_was(seed: int, tmp_path: Path) -> None:
    """After any number of inputs, any number of deaths: money to the last digit, orders, executions, ids and dice."""
    path = tmp_path / "state.jsonl"
    inputs = kept(path, SETUP, WEDNESDAY)
    trader = Trader(inputs, seed)
    for life in range(3):
        number = trader.connect(7)
        for _ in range(40):
            trader.act(number)
        inputs.close()
        before = truth(inputs.core)
        inputs = kept(path, SETUP, WEDNESDAY + timedelta(days=9))
        assert inputs.resumed and truth(inputs.core) == before, f"life {life}"
        assert not inputs.core.board.sessions
        trader.inputs = inputs
    inputs.close()
    assert inputs.core.venue.book.executions and inputs.core.venue.book.live


def test_a_line_that_the_process_died_in_never_happened(tmp_path: Path) -> None:
    """Cut anywhere in its last line, the file is that of the input before it, and goes on from there."""
    path = tmp_path / "state.jsonl"
    inputs = kept(path, SETUP, WEDNESDAY)
    trader = Trader(inputs, 3)
    number = trader.connect(7)
    for _ in range(5):
        trader.act(number)
    before = truth(inputs.core)
    whole = path.stat().st_size
    inputs.act(trader.now, "manual_place", {"symbol": "EURUSD", "action": "BUY", "quantity": "20000"})
    inputs.close()
    written = path.read_bytes()
    for cut in (whole, whole + 1, len(written) - 1):
        _ = path.write_bytes(written[:cut])
        found = kept(path, SETUP, WEDNESDAY)
        found.close()
        assert truth(found.core)[:3] == before[:3], cut
        assert path.read_bytes().endswith(b"\n")


def test_an_order_that_waited_for_its_last_frame_dies_with_the_gateway(tmp_path: Path) -> None:
    """A parent that was not transmitted was never IB's: gone, and it never fills."""
    path = tmp_path / "state.jsonl"
    inputs = kept(path, SETUP, WEDNESDAY)
    number = Trader(inputs, 1).connect(7)
    terms = {"orderType": "MKT", "action": "BUY", "totalQuantity": 20_000, "tif": "DAY", "ocaGroup": "g"}
    inputs.received(WEDNESDAY, number, to_server("placeOrder", 176, **EURUSD, orderId=1, transmit=0, **terms))
    assert len(inputs.core.venue.book.live) == 1
    inputs.close()
    found = kept(path, SETUP, WEDNESDAY)
    found.advance(WEDNESDAY + timedelta(seconds=5))
    found.close()
    assert not found.core.venue.book.live and not found.core.venue.book.executions


def test_a_file_of_another_gateway_is_refused(tmp_path: Path) -> None:
    """Other accounts, other faults, another seed, or no state at all: said, and nothing is written."""
    path = tmp_path / "state.jsonl"
    kept(path, SETUP, WEDNESDAY).close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="no state of a gateway with these"):
        _ = kept(path, Setup(seed=12), WEDNESDAY)
    _ = path.write_bytes(before + json.dumps(["sneezed", WEDNESDAY.isoformat()]).encode() + b"\n")
    with pytest.raises(StateError, match="sneezed"):
        _ = kept(path, SETUP, WEDNESDAY)


def test_nothing_is_told_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fsync for all that came in since the last one, and none where nothing did."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    inputs = kept(tmp_path / "state.jsonl", SETUP, WEDNESDAY)
    _ = Trader(inputs, 1).connect(7)
    inputs.sync()
    inputs.sync()
    assert len(synced) == 1
    inputs.advance(WEDNESDAY + timedelta(microseconds=1))
    inputs.sync()
    assert len(synced) == 1, "time in which nothing was due is no input"
    inputs.close()


def test_a_resumed_gateway_does_not_wait_for_its_clock() -> None:
    """A clock that begins at the same instant in every process is carried on; any other is taken as it is."""

    class Starts:
        def now(self) -> datetime:
            return WEDNESDAY

    clock = Starts()
    assert onward(clock, WEDNESDAY + timedelta(hours=2)).now() == WEDNESDAY + timedelta(hours=2)
    assert onward(clock, WEDNESDAY) is clock is onward(clock, WEDNESDAY - timedelta(hours=2))


async def test_the_command_keeps_a_state_and_refuses_a_script_beside_it(tmp_path: Path) -> None:
    """`phoenix gateway --state` is killed and started again over its file; with a script it says why not."""

    async def run(*options: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "phoenix_cli", "gateway", "--host", "127.211.7.9", "--port", "0", *options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    state = tmp_path / "state.jsonl"
    for _ in range(2):
        process = await run("--state", str(state))
        assert process.stdout is not None and b"listening" in await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        _ = await process.communicate()
    kinds = [json.loads(line)[0] for line in state.read_text("utf-8").splitlines()]
    assert kinds[0] == "gateway" and kinds.count("died") == 1 and kinds.count("act") >= 6
    script = tmp_path / "script.jsonl"
    _ = script.write_text('{"at": 5, "do": "calm"}\n')
    process = await run("--state", str(state), "--script", str(script))
    _, said = await process.communicate()
    assert process.returncode == 2 and b"exclude each other" in said
