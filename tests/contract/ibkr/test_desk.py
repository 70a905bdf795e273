"""A whole desk before the real client on a bad day: where its position ends, what was sent, what was never sent twice.

Production engine, SQLite, keys, client library and socket; only the gateway is ours. Nothing is waited for that takes
longer than the desk's own first reconnection, which comes after five seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import define

from phoenix_adapters.gateway import Setup
from phoenix_cli.home import Home
from phoenix_cli.wiring.founding import desk_key, make_keys
from phoenix_cli.wiring.gateway_stage import until
from phoenix_cli.wiring.opening import account_of
from phoenix_cli.wiring.round_trip import Stage, approve, drop_signal, set_stage
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import Mode, Price, State
from tests.contract.broker.orders import NUMBER
from tests.contract.ibkr.scene import Scene
from tests.showing import shows

RECONNECTED_S = 6.0  # what a test may wait beyond its patience for the first of three attempts


@define
class Desk:
    """A desk and the gateway behind it."""

    scene: Scene
    stage: Stage

    @property
    def positions(self) -> list[Open | Ended]:
        """Every position there is, open or ended."""
        positions = self.stage.desk.positions
        return [one for one in (*positions.open.values(), *positions.ended.values()) if isinstance(one, Open | Ended)]

    def stands(self, state: State) -> bool:
        """Whether the one position is in this state."""
        return [one.state for one in self.positions] == [state]

    async def reaches(self, state: State, extra_s: float = 0) -> None:
        """Run until the one position is in this state."""
        await self.stage.until(extra_s, lambda: self.stands(state))

    async def enter(self) -> None:
        """A signal, and a signature under what it became."""
        intent = drop_signal(self.stage)
        await self.stage.until(0, lambda: self.stage.displays(intent))
        approve(self.stage, intent)

    def held(self) -> Decimal:
        """What the one open position holds by its executions."""
        (position,) = self.stage.desk.positions.open.values()
        return stake_of(position, self.stage.desk.orders, self.stage.desk.fills).held

    def placed(self) -> list[str]:
        """The references of all place frames that the gateway read."""
        return [one["orderRef"] for one in self.scene.sent("placeOrder")]


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Desk]:
    """A desk that is ready to take an order."""
    scene = Scene(Setup(volatility=0.0, cash={"USD": Decimal(100_000)}))
    await scene.server.start()
    home = Home(folder)
    keys, key = make_keys(home, NUMBER), desk_key(home)
    scene.broker.accounts_known.account_of = lambda number: account_of(number, key)

    def move(bid: str, ask: str) -> None:
        scene.quote(Price(Decimal(bid)), Price(Decimal(ask)))

    stage = set_stage(home, keys, Mode.PAPER, scene.clock, scene.broker, move, until)
    try:
        _ = (await stage.engine.start()).unwrap()
        await stage.until(0, stage.is_ready)
        yield Desk(scene, stage)
    finally:
        await scene.broker.disconnect()
        await stage.engine.settle()
        stage.store.close()
        await scene.server.stop()


@pytest.mark.parametrize(
    "fault",
    [
        "tif_preset_10349@parent",
        "unknown_code",
        "fill_before_ack@parent",
        "status_before_exec",
        "drop_status@parent",
        "drop_exec",
        "duplicate_exec",
        "commission_first",
        "unset_avg_price",
        "time_format=dash",
        "oca_renamed",
    ],
)
@shows("L2", "L7", "F10", "F14", "F22", "F36", "F56", "F78")
async def test_a_position_is_managed_whatever_is_said_on_the_way(fault: str, tmp_path: Path) -> None:
    """Filled once, with its protection standing, three frames, no disagreement."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault(fault)
        await desk.enter()
        await desk.reaches(State.MANAGED)
        assert len(desk.placed()) == len(set(desk.placed())) == 3
        assert desk.held() == 166_666
        assert not desk.stage.desk.drifts.open


async def test_protection_that_a_preset_changed_is_no_protection(tmp_path: Path) -> None:
    """Stop and target came back as DAY orders, gone by tomorrow: the echo is not the mandate, and that is said."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("tif_preset_10349@child")
        await desk.enter()
        await desk.stage.until(0, lambda: any("without its full protection" in line for line in desk.stage.tale.lines))
        assert desk.stands(State.FILLED) and len(desk.placed()) == 3


@pytest.mark.parametrize("fault", ["reject_margin", "reject_symbol", "reject_permission", "readonly"])
@shows("L3", "F13", "S32-CON-10", "S33-CON-08", "CV_S33_10_PAPER_ORDER_REJECT")
async def test_a_refused_entry_ends_rejected_and_is_never_sent_again(fault: str, tmp_path: Path) -> None:
    """By its code and an executions answer without it; the frames of one bracket, and no more."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault(fault)
        await desk.enter()
        await desk.reaches(State.REJECTED)
        assert any("The broker rejected an order" in line for line in desk.stage.tale.lines)
        assert len(desk.placed()) == len(set(desk.placed())) == 3


@shows("F02", "F24", "F26", "I1", "I9")
async def test_a_connection_that_breaks_over_a_frame_leaves_it_unknown(tmp_path: Path) -> None:
    """The order is lost with the socket: STALLED at once, also in the next session, and never sent again."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("drop_on_place*1")
        await desk.enter()
        await desk.reaches(State.STALLED)
        await desk.stage.until(RECONNECTED_S, desk.stage.is_ready)
        assert desk.stands(State.STALLED)
        assert desk.scene.broker.accounts() and len(set(desk.placed())) == len(desk.placed()) <= 3


@shows("F03", "F04", "L9")
async def test_a_fill_behind_a_broken_connection_is_found(tmp_path: Path) -> None:
    """The order lives on at the broker: the next session's executions fill the position, and it is managed."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("slow_fill=1@parent")
        await desk.enter()
        await desk.stage.until(0, lambda: len(desk.placed()) == 3)
        desk.scene.cut()
        await desk.reaches(State.MANAGED, RECONNECTED_S)
        assert len(desk.placed()) == 3
        assert desk.held() == 166_666


@shows("F04", "X1")
async def test_a_stop_that_fills_while_nobody_is_connected_closes_the_position(tmp_path: Path) -> None:
    """The next session's executions close it; no other exit is sent."""
    async with at_work(tmp_path) as desk:
        await desk.enter()
        await desk.reaches(State.MANAGED)
        desk.scene.cut()
        desk.stage.move("1.08100", "1.08110")
        await desk.reaches(State.CLOSED, RECONNECTED_S)
        assert len(desk.placed()) == 3


@shows("F42", "I16")
async def test_no_frame_leaves_for_a_mute_peer(tmp_path: Path) -> None:
    """The socket stands, the peer is stopped: once the last round trip is two seconds old, nothing is handed over."""
    async with at_work(tmp_path) as desk:
        intent = drop_signal(desk.stage)
        await desk.stage.until(0, lambda: desk.stage.displays(intent))
        desk.scene.mute(True)
        began = desk.scene.clock.now().wall
        await desk.stage.until(0, lambda: (desk.scene.clock.now().wall - began).total_seconds() > 2.2)
        approve(desk.stage, intent)
        await desk.stage.until(0, lambda: (desk.scene.clock.now().wall - began).total_seconds() > 3)
        assert not desk.placed()
        assert desk.scene.broker.line is not None and desk.scene.broker.line.writable
        assert not [one for one in desk.positions if one.state in (State.SUBMITTED, State.FILLED)]
        desk.scene.mute(False)
        await asyncio.sleep(0)
