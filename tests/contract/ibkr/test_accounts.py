"""Accounts on a whole desk: one of two, and one that is another one after the gateway came back."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.gateway import GatewayServer, Setup
from phoenix_adapters.gateway.instruments import BY_NAME
from phoenix_cli.wiring.bunny.live import live_stage
from phoenix_cli.wiring.founding import found
from phoenix_cli.wiring.round_trip import drop_signal
from phoenix_cli.wiring.simulator import WallOf
from phoenix_core.beads import Holding, Observation, ReconciliationDrift
from phoenix_core.gate.statements import Close
from phoenix_core.refusals import Reason
from phoenix_core.values import Severity, State
from phoenix_core.watch.codes import Code
from tests.contract.broker.orders import NUMBER
from tests.contract.broker.suite import SYMBOL
from tests.contract.ibkr.desk import RECONNECTED_S, Desk, at_work
from tests.contract.ibkr.scene import Scene, played
from tests.contract.ibkr.test_exits import APPROVED, WORDS, managed
from tests.contract.ibkr.test_field import killed
from tests.showing import shows

OTHER = "DU7777777"
CASH = {"USD": Decimal(100_000)}


def another_gateway(desk: Desk, number: str) -> GatewayServer:
    """The same address, another login."""
    scene = desk.scene
    setup = Setup(accounts=(number,), volatility=0.0, cash=CASH)
    return GatewayServer(scene.host, 4002, setup, WallOf(scene.clock), scene.frames.append)


@shows("F53", "F54", "I15")
async def test_a_desk_beside_another_account_trades_its_own_and_leaves_the_other_alone(tmp_path: Path) -> None:
    """The other account holds and orders in the same instrument: not counted, no disagreement, and neither a kill that
    cancels nor a close touches it. Every frame names ours."""
    scene = Scene(Setup(accounts=(OTHER, NUMBER), volatility=0.0, cash=CASH))
    await scene.server.start()
    async with at_work(tmp_path, scene) as desk:
        foreign = {"symbol": SYMBOL, "account": OTHER, "quantity": 40_000}
        scene.server.act("manual_place", action="SELL", **foreign)
        scene.server.act("manual_place", action="BUY", type="LMT", limit="1.01", **foreign)
        await managed(desk)
        await desk.leap(301)
        await desk.leap(9)
        assert desk.held() == desk.at_broker() == APPROVED and not desk.stage.desk.drifts.open
        assert {one["account"] for one in scene.sent("placeOrder")} == {NUMBER}
        killed(desk)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert {one["account"] for one in scene.sent("placeOrder")} == {NUMBER}
        other = scene.server.core.venue.accounts[OTHER]
        assert other.position(BY_NAME[SYMBOL]) == -40_000
        assert [(one.account.name, one.quantity) for one in desk.working()] == [(OTHER, Decimal(40_000))]


async def test_an_account_that_is_not_ready_has_no_worth() -> None:
    """Its servers are reset, and half of what it has is all that is told: a picture is whole all the same, and no size
    comes of those figures. What is held and what works is no figure."""
    async with played(Setup(volatility=0.0)) as scene:
        assert await scene.broker.connect()
        scene.server.fault("account_not_ready")
        seen = await scene.broker.snapshot()
        assert seen.complete
        assert (seen.equity, seen.currency, seen.realized, seen.margin_used) == (None, "", None, None)
        scene.server.clear("account_not_ready")
        seen = await scene.broker.snapshot()
        assert (seen.equity, seen.currency, seen.realized) == (Decimal(1_000_000), "USD", Decimal(0))


async def test_an_account_that_is_kept_in_yen_gets_no_order_of_dollars(tmp_path: Path) -> None:
    """The desk was founded in dollars, as it is when nobody says otherwise: a hundred thousand yen are no hundred
    thousand dollars. No screen, no frame, and a human hears it with the first whole picture; once it is told in the
    desk's own money, the same intent is sized and shown."""
    scene = Scene(Setup(volatility=0.0, cash=CASH))
    scene.server.fault("kept_in=JPY")
    await scene.server.start()
    async with at_work(tmp_path, scene) as desk:
        await desk.until(lambda: desk.alerted(Code.GUARD_VIOLATION))
        intent = drop_signal(desk.stage)
        await desk.leap(30)
        await desk.leap(30)
        assert not desk.stage.displays(intent) and not desk.placed()
        scene.server.clear("kept_in")
        await desk.leap(301)
        await desk.until(lambda: desk.stage.displays(intent))


async def test_what_others_hold_in_the_account_is_known_from_the_first_bead_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred shares that were there before, and were said at `init`: no disagreement, in no session. What changes of
    them is told as a WARNING, and the pair goes on trading."""
    baseline = (Holding("AAPL", Decimal(100)),)
    monkeypatch.setattr("phoenix_cli.wiring.round_trip.found", partial(found, baseline=baseline))
    scene = Scene(Setup(volatility=0.0, cash=CASH))
    await scene.server.start()
    scene.server.act("transfer", symbol="AAPL", quantity=100)
    async with at_work(tmp_path, scene) as desk:
        await managed(desk)
        scene.cut()
        await desk.until(lambda: not desk.stage.engine.link.up)
        scene.clock.leap(5)
        await desk.until(desk.is_fresh, RECONNECTED_S)
        await desk.leap(301)
        assert not desk.bodies(ReconciliationDrift)
        scene.server.act("transfer", symbol="AAPL", quantity=5)
        await desk.leap(301)
        await desk.until(lambda: bool(desk.bodies(ReconciliationDrift)))
        (drift,) = desk.bodies(ReconciliationDrift)
        assert (drift.cause, drift.severity, drift.subject) == ("foreign_holding", Severity.WARNING, "AAPL")
        assert not desk.stage.desk.kill_flags.standing


async def test_what_a_conversion_leaves_in_a_pair_that_nobody_watches_is_no_disagreement() -> None:
    """The broker converts a dividend and leaves twelve units of a pair's virtual position, in which this desk never
    trades: up to 1,000 that is explained, as in a pair that it does trade. More is a drift, after two pictures."""
    async with live_stage(MemoryStore(), 1, symbols=("EURUSD",)) as desk:
        desk.server.act("transfer", symbol="AUDUSD", quantity=12, price="0.65")
        await desk.watch(610, 10)
        assert not desk.bodies(ReconciliationDrift) and not desk.desk.kill_flags.standing
        desk.server.act("transfer", symbol="AUDUSD", quantity=2_000, price="0.65")
        await desk.watch(610, 10)
        assert await desk.until(lambda: bool(desk.bodies(ReconciliationDrift)))
        (drift,) = desk.bodies(ReconciliationDrift)
        assert (drift.cause, drift.severity, drift.subject) == ("count", Severity.CRITICAL, "AUDUSD")
        assert drift.broker_state == {"quantity": "2012"}


@shows("F52", "I15", "I16")
async def test_an_account_that_is_another_one_after_a_reconnection_gets_no_frame(tmp_path: Path) -> None:
    """The gateway comes back logged in elsewhere: nothing is sent there, neither entries nor exits nor cancels; a human
    hears it at once. Back on the desk's own account everything is found as it was."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        own = desk.scene.server
        own.kill()
        elsewhere = another_gateway(desk, OTHER)
        await elsewhere.start()
        await desk.until(lambda: not desk.stage.engine.link.up)
        seen = len(desk.scene.frames)
        desk.scene.clock.leap(5)
        await desk.until(lambda: desk.stage.engine.link.up, RECONNECTED_S)
        await desk.until(lambda: desk.alerted(Code.GUARD_VIOLATION))
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        no = Reason.ACCOUNT_MISMATCH.value
        await desk.until(lambda: any(no in one.facts.get("reasons", "") for one in desk.bodies(Observation)))
        assert not [one for one in desk.scene.frames[seen:] if one.dir == "in" and one.fields[0] in ("3", "4", "58")]
        await elsewhere.stop()
        await own.start()
        await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.clock.leap(5)
        await desk.until(desk.is_fresh, RECONNECTED_S)
        assert desk.held() == desk.at_broker() == APPROVED and len(desk.working()) == 2
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.nets[-1] == 0 and not desk.working()
