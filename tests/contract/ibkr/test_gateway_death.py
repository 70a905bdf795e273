"""The gateway killed by SIGKILL at every message of one order's life, while the broker behind it lives on in its file.

The gateway is a process of its own, and kills itself as it hears a message, has taken it in, or is about to write one.
What was not taken in is lost with it; what was is at the broker, whether or not anybody heard of it. The broker's truth
is read from the file that the dead process left.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
from attrs import define, field

from phoenix_adapters.clock import HostClock
from phoenix_adapters.gateway import Frame, Gateway, GatewayServer, Inputs, Recorder, Setup, kept
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_adapters.wire import CLIENT, SERVER, VERSION_MAX, from_client
from phoenix_core.values import State
from phoenix_core.watch.codes import Code
from tests.contract.broker.orders import ASK, BID, NUMBER
from tests.contract.broker.suite import PATIENCE_S, SYMBOL
from tests.contract.ibkr.desk import at_work
from tests.contract.ibkr.scene import Scene, is_question
from tests.showing import shows

_IN: Final = {str(CLIENT[name].id) for name in ("placeOrder", "cancelOrder")}
_OUT: Final = {str(SERVER[name].id) for name in ("openOrder", "orderStatus", "execDetails", "commissionReport")}
SETUP: Final = Setup(volatility=0.0, cash={"USD": Decimal(100_000)})
APPROVED: Final = Decimal(166_666)
BOUNDARIES_MIN: Final = 18  # three frames heard and taken in, and at least a dozen words about three orders
NEVER: Final = 0

_FORKED: Final = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["phoenix_adapters.gateway"])


@define
class Wall:
    """The host's wall, shifted."""

    clock: HostClock

    def now(self) -> datetime:
        """The present moment."""
        return self.clock.now().wall


def run_gateway(host: str, folder: str, shift: timedelta, boundary: int) -> None:
    """A gateway over a state file, which kills itself at one boundary of the first order's life."""
    seen = 0

    def strike() -> None:
        nonlocal seen
        seen += 1
        if seen == boundary:
            os.kill(os.getpid(), signal.SIGKILL)

    keep = Inputs._keep

    def keeping(inputs: Inputs, kind: str, now: datetime, *said: object) -> None:
        keep(inputs, kind, now, *said)
        if kind == "received" and isinstance(said[1], tuple) and said[1][0] in _IN and not is_question(said[1]):
            strike()

    async def serve() -> None:
        with open(f"{folder}/frames.jsonl", "a", encoding="utf-8") as file:
            write_down = Recorder(file)

            def record(frame: Frame) -> None:
                write_down(frame)
                told = frame.fields[0] in (_IN if frame.dir == "in" else _OUT if seen else ())
                if told and not (frame.dir == "in" and is_question(frame.fields)):
                    strike()

            server = GatewayServer(host, 4002, SETUP, Wall(HostClock(shift)), record, Path(folder, "state.jsonl"))
            if not server.inputs.resumed:
                server.act("quote", symbol=SYMBOL, bid=BID, ask=ASK)
            with mock.patch.object(Inputs, "_keep", keeping):
                await server.start()
                _ = await asyncio.Event().wait()

    asyncio.run(serve())


@define
class Behind:
    """The gateway's process, and what is true behind it."""

    scene: Scene
    folder: Path
    process: multiprocessing.process.BaseProcess | None = field(default=None)

    async def start(self, boundary: int) -> None:
        """Another process over the same file, on the desk's clock; returns when it listens."""
        shift = self.scene.clock.host.shift + self.scene.clock.ahead
        told = (self.scene.host, str(self.folder), shift, boundary)
        self.process = _FORKED.Process(target=run_gateway, args=told, daemon=True)
        self.process.start()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection(self.scene.host, 4002)
                    writer.close()
                    return
                await asyncio.sleep(0.01)

    @property
    def lives(self) -> bool:
        """Whether nobody killed it."""
        return self.process is not None and self.process.is_alive()

    def truth(self) -> Gateway:
        """The broker, from what is in the file now."""
        copy = self.folder / "looked-at.jsonl"
        _ = shutil.copy(self.folder / "state.jsonl", copy)
        inputs = kept(copy, SETUP, self.scene.clock.now().wall)
        inputs.close()
        return inputs.core

    def held(self) -> Decimal:
        """What the account holds."""
        return self.truth().venue.accounts[NUMBER].position(BY_NAME[SYMBOL])

    def placed(self) -> list[str]:
        """The references of all place frames that any of the processes read."""
        lines = [json.loads(line) for line in (self.folder / "frames.jsonl").read_text("utf-8").splitlines()]
        frames = [
            one["fields"] for one in lines if one["dir"] == "in" and one["fields"][0] == str(CLIENT["placeOrder"].id)
        ]
        read = [from_client(tuple(fields), VERSION_MAX).record for fields in frames]
        return [one["orderRef"] for one in read if one["whatIf"] != "1"]


@asynccontextmanager
async def behind(scene: Scene, folder: Path, boundary: int) -> AsyncIterator[Behind]:
    """A gateway's process for as long as a test needs one."""
    folder.mkdir()
    made = Behind(scene, folder)
    await made.start(boundary)
    try:
        yield made
    finally:
        assert made.process is not None
        made.process.kill()
        await asyncio.to_thread(made.process.join)


async def outcome(boundary: int, folder: Path) -> State | None:
    """One order's life with the gateway killed at a boundary of it; None where it lived through undisturbed."""
    scene = Scene()
    async with behind(scene, folder / "gateway", boundary) as gateway, at_work(folder / "desk", scene) as desk:
        _ = await desk.enter()
        await desk.until(lambda: not gateway.lives or desk.stands(State.MANAGED))
        if gateway.lives:
            return None
        await desk.until(lambda: not desk.stage.engine.link.up)
        scene.clock.leap(5)
        await gateway.start(NEVER)
        await desk.until(desk.is_fresh)
        # What was taken in fills and is protected; what was lost is nowhere at the broker, and that is said.
        await desk.until(lambda: desk.stands(State.MANAGED) or (desk.stands(State.STALLED) and not gateway.held()))
        state, held = desk.positions[0].state, gateway.held()
        placed = gateway.placed()
        assert len(placed) == len(set(placed)) <= 3, f"{boundary}: {placed}"
        assert held == desk.held() == (APPROVED if state is State.MANAGED else 0), boundary
        assert state is State.MANAGED or desk.alerted(Code.POSITION_STALLED), boundary
        assert len(gateway.truth().venue.book.live) == (2 if state is State.MANAGED else 0), boundary
        return state


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
@shows("F01", "F02", "F21", "F24", "I1", "I9", "L1", "L9")
async def test_a_gateway_killed_at_any_message_leaves_one_order_and_nothing_unsaid(every: int, tmp_path: Path) -> None:
    """SIGKILL as it hears a frame, has taken it in, or writes a word; each third of these by default, at night every
    one. At most one order for the intent, what filled is found and protected, what is unknown is STALLED."""
    outcomes = set()
    for boundary in count(1, every):
        (folder := tmp_path / str(boundary)).mkdir()
        state = await outcome(boundary, folder)
        if state is None:
            break
        outcomes.add(state)
    assert boundary > BOUNDARIES_MIN and outcomes == {State.MANAGED, State.STALLED}
