"""Leaving a position on the real client: by hand and by the mandate's time, protection ended first, never on top of it.

The broker's own book is looked at after every step of the engine, as in `test_exits.py`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from phoenix_adapters.wire import CLIENT
from phoenix_core.beads import Alert, Execution, ExecutionEvent, Limits, Observation, Order, OrderEvent, Policy
from phoenix_core.gate.statements import Close, SetPolicy, policy_hash
from phoenix_core.trade.protection import Protection
from phoenix_core.values import Quantity, Role, State
from phoenix_core.watch.codes import Code
from tests.contract.ibkr.desk import RECONNECTED_S, STOPPED, at_work
from tests.contract.ibkr.scene import is_order
from tests.contract.ibkr.test_exits import APPROVED, HALF, WORDS, managed, protection
from tests.showing import shows


@pytest.mark.parametrize("broker", ["as it is", "forgets", "misnames", "holds groups"])
@pytest.mark.parametrize("winner", ["stop", "close", "either"])
@shows("X1", "X4")
async def test_a_close_and_the_stop_at_once_leave_once(winner: str, broker: str, tmp_path: Path) -> None:
    """The signature and the market cross: whoever executes first, the other ends, and what was held is sold once;
    also at a broker that forgets a spent group, or has the protection in another group than it says."""
    async with at_work(tmp_path) as desk:
        shares = desk.scene.broker.groups_hold = broker == "holds groups"
        if broker in ("forgets", "misnames"):
            desk.scene.server.fault("oca_forgets" if broker == "forgets" else "oca_misnamed")
        await managed(desk)
        position = desk.stake.position.position_id
        if winner == "stop":
            desk.scene.server.fault("slow_fill=0.3@MKT" if shares else "fill_beats_cancel@STP")
        if winner == "close":
            desk.scene.server.fault("slow_fill=0.3@STP")
        desk.sign(Close(position, WORDS))
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        await desk.leap(5)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and desk.is_owned()
        if winner != "either":
            (exited,) = (
                one.role
                for one in desk.bodies(Execution)
                if one.event is ExecutionEvent.FILL and one.role is not Role.ENTRY
            )
            assert exited is (Role.STOP if winner == "stop" else Role.CLOSE)


async def test_a_close_that_the_broker_holds_back_is_told(tmp_path: Path) -> None:
    """Its protection has ended by then, and nothing leaves before the market opens: whoever signed it hears that the
    broker holds it, once, and not only that the position is bare."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault("held_399")
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.until(lambda: desk.alerted(Code.ORDER_HELD))
        (close,) = (order for order in desk.stake.exits if order.role is Role.CLOSE)
        await desk.leap(30)
        told = [one.subject for one in desk.bodies(Alert) if one.code == Code.ORDER_HELD.value]
        assert told == [close.ref] and desk.at_broker() == APPROVED
        desk.scene.server.clear("held_399")
        await desk.reaches(State.CLOSED)


@shows("X1", "X4")
async def test_a_close_waits_for_the_confirmed_ends_of_its_protection(tmp_path: Path) -> None:
    """On the wire: two cancels, and the close only after the broker said that both orders ended. Nobody is told that
    protection was lost, since it was asked to end."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        names = {str(CLIENT["cancelOrder"].id): "cancel", str(CLIENT["placeOrder"].id): "close"}
        spoken = [
            names.get(one.fields[0])
            for one in desk.scene.frames
            if is_order(one) or (one.dir == "in" and names.get(one.fields[0]) == "cancel")
        ]
        told = [one for one in desk.scene.frames if one.dir == "out" and "Cancelled" in one.fields]
        wire = [word for word in spoken if word][3:]
        assert wire == ["cancel", "cancel", "close"]
        close = max(n for n, one in enumerate(desk.scene.frames) if one.dir == "in" and names.get(one.fields[0]))
        assert sum(one in desk.scene.frames[:close] for one in told) >= 2
        assert not desk.alerted(Code.PROTECTION_LOST) and not desk.alerted(Code.CLOSE_NOT_SENT)


@pytest.mark.parametrize("fault", ["cancel_lost", "pending_cancel_forever", "cancel_refused=10148"])
@shows("X1", "F16")
async def test_protection_that_does_not_end_in_three_seconds_keeps_the_close_back(fault: str, tmp_path: Path) -> None:
    """Nothing is sent on top of what may still execute: CRITICAL, and a human is asked. The stop still works, and
    closes the position when the market comes."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.fault(fault)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.until(lambda: len(desk.scene.sent("cancelOrder")) == 2)
        await desk.leap(3)
        await desk.until(lambda: desk.alerted(Code.CLOSE_NOT_SENT))
        assert len(desk.placed()) == 3 and len(desk.working()) == 2 and desk.held() == APPROVED
        desk.stage.move(*STOPPED)
        await desk.leap(5)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and len(desk.placed()) == 3


@pytest.mark.parametrize("by_hand", [False, True])
@shows("F20", "X1", "X4")
async def test_a_close_waits_for_both_of_two_orders_under_one_reference(by_hand: bool, tmp_path: Path) -> None:
    """The stop's new size became a second stop at the broker, and the cancel ends the first alone: no close is sent on
    top of the other. It leaves once that was ended at TWS, or the market comes to it; nothing is sold twice."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_then_cancel@BUY")
        desk.scene.server.fault("change_doubles@STP*1")
        _ = await desk.enter()
        await desk.until(lambda: desk.alerted(Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        await desk.until(lambda: protection(desk) is Protection.EXCESS and len(desk.working()) == 3)
        position = desk.stake.position.position_id
        desk.sign(Close(position, WORDS))
        await desk.until(lambda: len(desk.working()) == 1)
        await desk.leap(3)
        await desk.until(lambda: desk.alerted(Code.CLOSE_NOT_SENT))
        assert len(desk.placed()) == 5 and desk.at_broker() == HALF
        if by_hand:
            desk.scene.server.act("manual_cancel", symbol="EURUSD")
            await desk.until(lambda: not desk.stake.exits)
            desk.sign(Close(position, WORDS))
        else:
            desk.stage.move(*STOPPED)
            await desk.leap(5)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, HALF, 0] and not desk.working() and len(desk.placed()) == (6 if by_hand else 5)


@shows("X1", "X4")
async def test_protection_that_a_close_did_not_take_along_is_cancelled(tmp_path: Path) -> None:
    """A broker that was trusted with its groups had the children in another one, so that the close stood beside it:
    two seconds after nothing is held, what still works is cancelled, and the position closes."""
    async with at_work(tmp_path) as desk:
        desk.scene.broker.groups_hold = True
        desk.scene.server.fault("oca_misnamed@child")
        await managed(desk)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.until(lambda: desk.nets == [0, APPROVED, 0])
        assert len(desk.working()) == 2 and not desk.scene.sent("cancelOrder")
        await desk.leap(2)
        await desk.reaches(State.CLOSED)
        assert len(desk.scene.sent("cancelOrder")) == 2 and not desk.working() and not desk.stage.desk.drifts.open


@shows("X1")
async def test_a_group_that_the_broker_renamed_is_shared_by_no_close(tmp_path: Path) -> None:
    """The echo names another group than ours: even a broker that is trusted with groups has its protection end first;
    and what is revised is revised under the broker's own name of the group."""
    async with at_work(tmp_path) as desk:
        desk.scene.broker.groups_hold = True
        desk.scene.server.fault("oca_renamed@child")
        desk.scene.server.fault("partial_then_cancel@BUY")
        await managed(desk)
        await desk.until(lambda: {order.quantity for order in desk.working()} == {HALF})
        await desk.until(lambda: protection(desk) is Protection.FULL)
        assert {one["ocaGroup"] for one in desk.scene.sent("placeOrder")[3:]} == {f"{desk.stake.pair[0].group}.R"}
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, HALF, 0] and not desk.working() and len(desk.scene.sent("cancelOrder")) == 2


@shows("X2", "X4")
async def test_the_mandate_ends_with_its_time(tmp_path: Path) -> None:
    """A policy names a time exit of an hour: until then stop and target stand; then they end, the position is left at
    the market, once, and nothing works any more."""
    async with at_work(tmp_path) as desk:
        policy = Policy(limits=Limits(), time_exit=timedelta(hours=1))
        desk.sign(SetPolicy(policy_hash(policy)), policy)
        await managed(desk)
        await desk.leap(3500)
        assert len(desk.working()) == 2 and desk.stands(State.MANAGED)
        await desk.leap(150)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and not desk.stage.desk.drifts.open
        (left,) = (one for one in desk.bodies(Order) if one.frames and one.frames[0].line.role is Role.CLOSE)
        assert (left.mandate or "").startswith("evidence:") and len(desk.placed()) == 4


@shows("X2", "X3")
async def test_a_time_exit_whose_link_is_down_waits_for_it(tmp_path: Path) -> None:
    """Its time comes while nobody is connected: protection goes on at the broker, and the next session leaves."""
    async with at_work(tmp_path) as desk:
        policy = Policy(limits=Limits(), time_exit=timedelta(hours=1))
        desk.sign(SetPolicy(policy_hash(policy)), policy)
        await managed(desk)
        desk.scene.server.act("restart", seconds=3630)
        await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.clock.leap(3610)
        await desk.until(lambda: desk.alerted(Code.LINK_LOST))
        assert len(desk.working()) == 2 and not desk.scene.sent("cancelOrder")
        for _ in range(5):
            desk.scene.clock.leap(45)
            desk.scene.server.poke()
            await asyncio.sleep(0.05)
            await desk.stage.engine.step()
        await desk.reaches(State.CLOSED, RECONNECTED_S)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and len(desk.placed()) == 4


@shows("X2")
async def test_a_time_exit_that_the_broker_rejected_is_not_asked_for_again(tmp_path: Path) -> None:
    """One try: the close is rejected for want of margin, protection is placed again, and from then on only a human
    closes, also when the broker would take it."""
    async with at_work(tmp_path) as desk:
        policy = Policy(limits=Limits(), time_exit=timedelta(hours=1))
        desk.sign(SetPolicy(policy_hash(policy)), policy)
        await managed(desk)
        desk.scene.server.fault("reject_margin@MKT")
        await desk.leap(3650)
        await desk.until(lambda: len(desk.placed()) == 6 and protection(desk) is Protection.FULL)
        desk.scene.server.clear("reject_margin")
        await desk.leap(600)
        await desk.leap(600)
        assert desk.nets == [0, APPROVED] and len(desk.placed()) == 6 and len(desk.working()) == 2
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)


@pytest.mark.parametrize("deaf", [False, True])
@shows("X3", "X4", "I13")
async def test_a_close_in_the_second_after_a_reconnection_is_not_refused(
    deaf: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No whole picture of this session sizes it yet: it waits for that, and leaves with it. Where the picture does not
    end, the answer is to type the size, nothing was asked to end, and the typed size goes."""
    if not deaf:  # a busy host may take longer than that over a picture
        monkeypatch.setattr("phoenix_core.acts.exits.PICTURE_WITHIN", timedelta(minutes=1))
    async with at_work(tmp_path) as desk:
        await managed(desk)
        position = desk.stake.position.position_id
        desk.scene.cut()
        await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.server.fault("snapshot_never_ends=positions")
        desk.scene.clock.leap(5)
        await desk.until(lambda: desk.stage.engine.link.up, RECONNECTED_S)
        desk.sign(Close(position, WORDS))
        for _ in range(20):
            await desk.stage.engine.step()
        assert len(desk.working()) == 2 and not desk.scene.sent("cancelOrder")
        if deaf:
            desk.scene.clock.leap(1.5)
            await desk.until(
                lambda: any("type the size" in o.facts.get("detail", "") for o in desk.bodies(Observation))
            )
            assert not desk.scene.sent("cancelOrder")
            desk.sign(Close(position, WORDS, Quantity(APPROVED)))
        else:
            desk.scene.server.clear("snapshot_never_ends")
        await desk.reaches(State.CLOSED, RECONNECTED_S)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and len(desk.placed()) == 4


PART = Decimal(4000)


@pytest.mark.parametrize("broker", ["as it is", "renames", "misnames", "is silent", "refuses"])
@shows("X1", "X4")
async def test_a_part_is_closed_beside_protection_that_stands(broker: str, tmp_path: Path) -> None:
    """On the wire: both exits get the size of what will be left, the close follows their echo, and none is cancelled,
    whatever the broker calls the group. Where it does not confirm the new size, or at once where it refuses it, the
    protection ends first."""
    async with at_work(tmp_path) as desk:
        if broker in ("renames", "misnames"):
            desk.scene.server.fault("oca_renamed@child" if broker == "renames" else "oca_misnamed@child")
        await managed(desk)
        if broker == "is silent":
            desk.scene.server.fault("never_ack@STP")
        if broker == "refuses":
            desk.scene.server.fault("readonly@STP*1")
        stops: list[Decimal] = []

        def stands() -> Decimal:
            """What the broker's own book has as protection now."""
            found = [one.quantity for one in desk.working() if one.kind == "STP"]
            stops.append(Decimal(str(found[0])) if found else Decimal(0))
            return stops[-1]

        desk.sign(Close(desk.stake.position.position_id, WORDS, Quantity(PART)))
        if broker == "is silent":
            await desk.until(lambda: len(desk.placed()) == 5)
            assert not desk.scene.sent("cancelOrder") and desk.held() == APPROVED == stands()
            await desk.leap(1.5)
            await desk.until(lambda: desk.held() == APPROVED - PART)
            assert len(desk.scene.sent("cancelOrder")) == 2 and desk.nets == [0, APPROVED, APPROVED - PART]
            return
        if broker == "refuses":
            await desk.until(lambda: desk.held() == APPROVED - PART)
            assert [o.code for o in desk.bodies(Order) if o.event is OrderEvent.CHANGE_REFUSED] == [321]
            assert len(desk.scene.sent("cancelOrder")) == 2 and desk.nets == [0, APPROVED, APPROVED - PART]
            assert not desk.alerted(Code.EXIT_UNKNOWN) and not desk.alerted(Code.CLOSE_NOT_SENT)
            return
        await desk.until(lambda: stands() >= 0 and desk.held() == APPROVED - PART)
        await desk.until(lambda: stands() == APPROVED - PART and protection(desk) is Protection.FULL)
        assert desk.nets == [0, APPROVED, APPROVED - PART] and desk.is_owned()
        assert not desk.scene.sent("cancelOrder") and len(desk.placed()) == 6 and min(stops) == APPROVED - PART
        assert not desk.alerted(Code.PROTECTION_LOST) and not desk.alerted(Code.CLOSE_NOT_SENT)


async def test_a_desk_under_another_client_id_says_why_it_can_close_nothing(tmp_path: Path) -> None:
    """Somebody changed it: stop and target stand under the old one, where alone they can be ended. The session says so,
    once, before anybody wants to leave; under the old one it says nothing, and the close goes."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.die()
        await desk.revive(client=18)

        def warned() -> list[str]:
            return [one.text for one in desk.bodies(Alert) if one.code == Code.BROKER_WARNING.value and one.text]

        await desk.until(desk.stage.is_ready)
        await desk.until(lambda: bool(warned()))
        await desk.leap(301)
        assert len(warned()) == 1 and "under another client id" in warned()[0]
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.until(lambda: desk.alerted(Code.CLOSE_NOT_SENT), 4)
        assert len(desk.working()) == 2 and desk.at_broker() == APPROVED
        desk.die()
        await desk.revive()
        await desk.until(desk.stage.is_ready)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.at_broker() == 0 and len(warned()) == 1
