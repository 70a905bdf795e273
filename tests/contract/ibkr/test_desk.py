"""A whole desk before the real client on a bad day: where its position ends, what was sent, what was never sent twice.

Production engine, SQLite, keys, client library and socket; only the gateway is ours. Nothing is waited for that takes
longer than the desk's own first reconnection, which comes after five seconds.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from phoenix_cli.wiring.round_trip import approve, drop_signal
from phoenix_core.beads import Observation
from phoenix_core.values import State
from phoenix_core.watch.codes import Code
from tests.contract.ibkr.desk import RECONNECTED_S, at_work
from tests.showing import shows


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


@pytest.mark.parametrize("fault", ["reject_margin", "reject_symbol", "reject_permission", "readonly@BUY"])
@shows("L3", "F13", "S32-CON-10", "S33-CON-08", "CV_S33_10_PAPER_ORDER_REJECT")
async def test_a_refused_entry_ends_rejected_and_is_never_sent_again(fault: str, tmp_path: Path) -> None:
    """By its code and an executions answer without it; the frames of one bracket, and no more."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault(fault)
        await desk.enter()
        await desk.reaches(State.REJECTED)
        assert any("The broker rejected an order" in line for line in desk.stage.tale.lines)
        assert len(desk.placed()) == len(set(desk.placed())) == 3


@shows("F14", "L2", "L3", "I1", "I9")
async def test_a_code_of_no_list_ends_nothing_and_stalls(tmp_path: Path) -> None:
    """The gateway's own settings refuse the entry, and say no more: its code is kept, a minute later it is STALLED and
    told, and nothing is sent again."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("reject_precaution@BUY")
        await desk.enter()
        kept = {"code": "451"}.items()
        await desk.until(lambda: any(kept <= one.facts.items() for one in desk.bodies(Observation)))
        await desk.leap(61)
        await desk.reaches(State.STALLED)
        assert desk.alerted(Code.POSITION_STALLED) and len(desk.placed()) == len(set(desk.placed())) == 3


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
