"""Exits on the real client: whatever happens on the way out, exposure has an owner, is never doubled, and is told of.

Each walk looks at the broker's own book after every step of the engine: what is held there never exceeds what was
approved, and never turns over to the other side.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from phoenix_core.beads import Alert, KillFlag, Observation, Order, OrderEvent, ReconciliationDrift
from phoenix_core.effects import Reconcile
from phoenix_core.gate.statements import Adopt, CancelOrphans, Close
from phoenix_core.kernel import bead_of
from phoenix_core.trade.order_life import STRANGE
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.values import Price, Quantity, Role, Side, State, text_hash
from phoenix_core.watch.codes import Code
from phoenix_core.watch.drift import Cause
from tests.contract.ibkr.desk import REACHED, RECONNECTED_S, STOPPED, Desk, at_work
from tests.showing import shows

WORDS = text_hash("because")
APPROVED, HALF = Decimal(166_666), Decimal(83_333)


def never_doubled(desk: Desk) -> bool:
    """Whether the account never held more than was approved, nor anything on the other side."""
    return all(0 <= net <= APPROVED for net in desk.nets)


def drift_of(desk: Desk, cause: Cause) -> ReconciliationDrift:
    """The disagreement of one cause."""
    (found,) = (one for one in desk.bodies(ReconciliationDrift) if one.cause == cause.value)
    return found


def protection(desk: Desk) -> Protection:
    """What stands between the one position and the market."""
    return protection_of(desk.stake, desk.scene.clock.now())


async def managed(desk: Desk) -> None:
    """Enter, and wait until the protection stands."""
    _ = await desk.enter()
    await desk.reaches(State.MANAGED)


@pytest.mark.parametrize("later", [False, True])
async def test_a_stop_that_somebody_made_another_order_of_protects_nothing(later: bool, tmp_path: Path) -> None:
    """At TWS a human makes a stop-limit of the stop, which a gap may pass over: this desk never uses one, and nobody
    signed for it. CRITICAL, also where nobody was connected then; and over once it is a stop again, at its price."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        (stop,) = (order for order in desk.working() if order.kind == "STP")
        name, open_ones = stop.sent["orderRef"], desk.stage.desk.alerts.by_subject
        if later:
            desk.scene.cut()
            await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.server.act("manual_modify", order_ref=name, type="STP LMT", limit="1.01")
        if later:
            desk.scene.clock.leap(5)
            await desk.until(desk.is_fresh, RECONNECTED_S)
        await desk.until(lambda: desk.alerted(Code.ORDER_ALTERED, Code.PROTECTION_LOST))
        assert protection(desk) is Protection.NONE
        (said,) = [a.text for a in desk.bodies(Alert) if a.code == Code.ORDER_ALTERED.value]
        assert said.endswith(f"GTC, stands {STRANGE})")
        desk.scene.server.act("manual_modify", order_ref=name, type="STP")
        await desk.until(lambda: protection(desk) is Protection.FULL)
        await desk.until(lambda: not any(code in one for one in open_ones for code in ("LOST|", "ALTERED")))
        assert desk.stands(State.MANAGED) and len(desk.placed()) == 3


@shows("F66", "X1")
async def test_an_orphan_stop_after_a_manual_close_is_told_and_cancelled_by_one_key(tmp_path: Path) -> None:
    """Somebody closes at TWS, where no message tells us of it: the next picture says that both orders would OPEN a
    position. Nobody sends anything, until one signature cancels exactly those two."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.act("manual_close", symbol="EURUSD")
        await desk.leap(301)
        await desk.leap(9)  # a virtual position counts when two pictures show it
        await desk.until(lambda: desk.alerted(Code.ORPHAN_EXIT, Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        await desk.until(lambda: any("This order will OPEN a position" in line for line in desk.stage.tale.lines))
        assert {flag.scope for flag in desk.bodies(KillFlag)} == {"instrument:EURUSD"}
        assert len(desk.placed()) == 3 and not desk.scene.sent("cancelOrder")
        refs = tuple(order.ref for order in desk.stake.exits)
        desk.sign(CancelOrphans(drift_of(desk, Cause.ORPHAN_EXIT).identity, refs))
        await desk.until(lambda: not desk.working())
        await desk.until(lambda: not desk.stake.exits)
        ids = {said["orderId"] for said in desk.scene.sent("placeOrder") if said["orderRef"] in refs}
        assert {said["orderId"] for said in desk.scene.sent("cancelOrder")} == ids
        desk.stage.move(*STOPPED)
        await desk.leap(5)
        assert desk.at_broker() == 0 and never_doubled(desk) and desk.is_owned() and len(desk.placed()) == 3


@shows("X1", "I12")
async def test_an_orphan_that_will_not_be_cancelled_is_told_within_fifteen_seconds(tmp_path: Path) -> None:
    """The broker refuses the cancels: the looks at 1, 3 and 8 s say that these orders will OPEN a position, although
    fills and refusals asked for looks of their own in between."""
    async with at_work(tmp_path) as desk:
        desk.scene.broker.groups_hold = True
        desk.scene.server.fault("oca_misnamed@child")
        desk.scene.server.fault("cancel_refused=10148")
        await managed(desk)
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.until(lambda: desk.nets == [0, APPROVED, 0])
        began = desk.scene.clock.now().wall
        for _ in range(14):
            await desk.leap(0.9)
        await desk.until(lambda: bool(desk.alerted(Code.ORPHAN_EXIT) and desk.bodies(KillFlag)))  # the kill is due then
        assert (desk.scene.clock.now().wall - began).total_seconds() < 20  # a quiet picture, and a second one
        assert {flag.scope for flag in desk.bodies(KillFlag)} == {"instrument:EURUSD"} and len(desk.placed()) == 4


@pytest.mark.parametrize("target", [False, True])
@shows("F04", "F66", "X1")
async def test_protection_that_fills_while_nobody_is_connected_closes_the_position(
    target: bool, tmp_path: Path
) -> None:
    """Stop or target: the next session's executions close it, the other end is the broker's, no exit is sent."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.cut()
        desk.stage.move(*(REACHED if target else STOPPED))
        await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.clock.leap(5)
        await desk.reaches(State.CLOSED, RECONNECTED_S)
        assert desk.nets == [0, APPROVED, 0] and len(desk.placed()) == 3 and not desk.working()


@pytest.mark.parametrize("lost", [False, True])
@shows("F21", "F24", "X4")
async def test_a_crash_between_fill_and_protection_leaves_the_fill_protected(lost: bool, tmp_path: Path) -> None:
    """The engine dies with its frames on the wire, the entry fills meanwhile: the next run finds the fill, and its
    protection standing; where that was lost too, it is told and placed again, once."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("never_fill@BUY")
        _ = await desk.enter()
        await desk.until(lambda: len(desk.placed()) == 3)
        assert desk.at_broker() == 0
        desk.die()
        desk.scene.server.clear("never_fill")
        await desk.scene.until(lambda: desk.at_broker() == APPROVED)
        if lost:
            desk.scene.server.act("manual_cancel", symbol="EURUSD")
            await desk.scene.until(lambda: not desk.working())
        await desk.revive()
        await desk.until(lambda: desk.held() == APPROVED)
        if lost:
            await desk.until(lambda: desk.alerted(Code.PROTECTION_LOST))
            await desk.until(lambda: len(desk.placed()) == 5)
        await desk.until(lambda: desk.stands(State.MANAGED) and protection(desk) is Protection.FULL)
        assert never_doubled(desk) and desk.is_owned()
        assert len(desk.placed()) == len(set(desk.placed())) == (5 if lost else 3)
        assert sorted(order.quantity for order in desk.working()) == [APPROVED, APPROVED]


@shows("F37", "X1")
async def test_a_partial_entry_and_then_the_stop_leave_nothing_behind(tmp_path: Path) -> None:
    """Half filled, half sold by the stop: the rest of the entry is cancelled, and then what the exits could still
    execute; closed with nothing working."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        await managed(desk)
        assert desk.held() == HALF
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        await desk.leap(5)
        assert desk.nets == [0, HALF, 0] and not desk.working() and desk.is_owned()
        assert not desk.stage.desk.drifts.open
        beads = [bead_of(record) for record in desk.stage.store.read(0)]
        orders = [(bead.ts, bead.body) for bead in beads if isinstance(bead.body, Order)]
        ended = {ts for ts, order in orders if order.event is OrderEvent.ENDED and order.role is Role.ENTRY}
        exits = [(ts, order) for ts, order in orders if order.role is not Role.ENTRY]
        asked = {ts for ts, order in exits if order.event is OrderEvent.CANCEL_REQUESTED}
        assert asked == ended, "in the very decision that took the entry's end in, not seconds later"


@shows("F37", "X1")
async def test_a_partial_entry_that_ends_has_its_protection_shrunk(tmp_path: Path) -> None:
    """The broker cancels the rest of the entry: stop and target become what is held, under their own ids."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_then_cancel@BUY")
        await managed(desk)
        await desk.until(lambda: {order.quantity for order in desk.working()} == {HALF})
        await desk.until(lambda: protection(desk) is Protection.FULL)
        assert len(set(desk.placed())) == 3 and len(desk.placed()) == 5
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, HALF, 0] and not desk.working()


@shows("F37", "X1")
async def test_children_that_outgrow_a_part_of_their_parent_are_shrunk_before_they_execute(tmp_path: Path) -> None:
    """A broker that lets children execute their full size after a partial entry: they are shrunk to what is held, so
    that the stop sells half, and opens nothing."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_then_cancel@BUY")
        desk.scene.server.fault("children_outgrow_parent")
        await managed(desk)
        await desk.until(lambda: {order.quantity for order in desk.working()} == {HALF})
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, HALF, 0] and not desk.working() and not desk.stage.desk.drifts.open


@shows("F37", "X1", "I12")
async def test_children_that_execute_more_than_is_held_are_told_at_once(tmp_path: Path) -> None:
    """Such a broker refuses to shrink the stop, and sells the whole: nothing of ours could prevent it. CRITICAL,
    entries stop, and what is held the other way has a disagreement that stands until a human ends it."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        desk.scene.server.fault("children_outgrow_parent")
        await managed(desk)
        desk.scene.server.fault("readonly@SELL")
        desk.scene.server.act("manual_cancel", order_ref=desk.stake.position.order_ref)
        await desk.until(lambda: len(desk.placed()) > 3)
        desk.stage.move(*STOPPED)
        await desk.until(lambda: desk.at_broker() == HALF - APPROVED)
        await desk.until(lambda: desk.alerted(Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        assert drift_of(desk, Cause.OVERFILL).instrument == "EURUSD" and desk.is_owned()


@pytest.mark.parametrize("which", ["STP", "LMT", "child"])
@shows("F37", "X1", "X4")
async def test_a_change_that_ends_the_exit_leaves_nothing_bare_in_silence(which: str, tmp_path: Path) -> None:
    """Seen on a live gateway: the new size is taken, then not, and the exit ends: cancelled, 202, 201. What stands is
    told for what it is, and where nothing stands any more the protection is placed again once, of the size that is
    held; never more than that may leave."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        await managed(desk)
        desk.scene.server.fault(f"change_kills@{which}")
        desk.scene.server.act("manual_cancel", order_ref=desk.stake.position.order_ref)
        await desk.until(lambda: len(desk.placed()) >= 5)
        ended = 2 if which == "child" else 1
        await desk.until(lambda: len([o for o in desk.stake.orders if o.role.is_exit and o.end is not None]) == ended)
        desk.scene.server.clear("change_kills")
        await desk.until(lambda: desk.alerted(Code.PROTECTION_LOST))
        await desk.leap(301)
        if which == "child":
            await desk.until(lambda: len(desk.working()) == 2 and protection(desk) is Protection.FULL)
            assert len(desk.placed()) == 7 and {one.quantity for one in desk.working()} == {HALF}
        else:
            assert len(desk.placed()) == 5 and protection(desk) is Protection.NONE
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, HALF, 0] and not desk.working() and not desk.stage.desk.drifts.open


@shows("I8", "X1")
async def test_an_entry_that_executes_more_than_was_approved_is_told_at_once(tmp_path: Path) -> None:
    """Nothing of ours could prevent it: CRITICAL, entries stop, what is held is told as it is, and the stop grows to
    all of it, so that it leaves nothing."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("overfill=34@BUY")
        await managed(desk)
        await desk.until(lambda: desk.alerted(Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        found = drift_of(desk, Cause.OVERFILL)
        assert found.phoenix_state["quantity"] == str(APPROVED)
        assert found.broker_state["filled"] == str(APPROVED + 34)
        assert desk.held() == desk.at_broker() == APPROVED + 34
        assert found.identity in {one.drift for one in desk.bodies(KillFlag)}
        await desk.until(lambda: {order.quantity for order in desk.working()} == {APPROVED + 34})
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED + 34, 0] and not desk.working()


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET])
@shows("X1")
async def test_a_child_that_was_cancelled_by_hand_is_told_every_minute_and_not_replaced(
    role: Role, tmp_path: Path
) -> None:
    """Half of the protection works on, so that a second pair could double the exit: CRITICAL at once and again after
    a minute, nothing sent; a close by hand takes the rest along."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        ref = next(order.ref for order in desk.stake.pair if order.role is role)
        desk.scene.server.act("manual_cancel", order_ref=ref)
        await desk.until(lambda: desk.alerted(Code.PROTECTION_LOST))
        before = sum("without its full protection" in line for line in desk.stage.tale.lines)
        await desk.leap(61)
        await desk.until(lambda: sum("without its full protection" in line for line in desk.stage.tale.lines) > before)
        assert len(desk.placed()) == 3 and not desk.scene.sent("cancelOrder")
        desk.sign(Close(desk.stake.position.position_id, WORDS))
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED, 0] and not desk.working() and len(desk.placed()) == 4


@shows("F16", "X4")
async def test_a_whole_pair_that_was_cancelled_is_placed_again_once(tmp_path: Path) -> None:
    """After a whole picture shows the position and no protection; the second loss is a human's matter."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        desk.scene.server.act("manual_cancel", symbol="EURUSD")
        await desk.until(lambda: desk.alerted(Code.PROTECTION_LOST))
        await desk.until(lambda: len(desk.working()) == 2 and protection(desk) is Protection.FULL)
        assert len(desk.placed()) == len(set(desk.placed())) == 5
        desk.scene.server.act("manual_cancel", symbol="EURUSD")
        await desk.until(lambda: not desk.stake.exits)
        await desk.leap(301)
        assert len(desk.placed()) == 5 and not desk.working() and desk.held() == desk.at_broker() == APPROVED


@shows("X1", "X4")
async def test_a_child_that_was_shrunk_by_hand_is_told_and_grown_again(tmp_path: Path) -> None:
    """The stop covers less than is held: CRITICAL at once, and its next revision covers all of it again."""
    async with at_work(tmp_path) as desk:
        await managed(desk)
        stop = desk.stake.pair[0].ref
        desk.scene.server.act("manual_modify", order_ref=stop, quantity=100_000)
        await desk.until(lambda: desk.alerted(Code.PROTECTION_LOST))
        await desk.until(lambda: protection(desk) is Protection.FULL)
        assert {order.quantity for order in desk.working()} == {APPROVED}
        assert len(set(desk.placed())) == 3 and desk.placed().count(stop) == 2
        desk.stage.move(*STOPPED)
        await desk.reaches(State.CLOSED)
        assert desk.nets == [0, APPROVED, 0]


@shows("F18", "F30", "I10")
async def test_a_late_remainder_after_the_close_is_told_stops_entries_and_gets_an_owner(tmp_path: Path) -> None:
    """The entry was said cancelled, the position is closed, and the rest fills: a fact after an end. CRITICAL, a
    kill; a signature gives the exposure an owner, with protection of its own."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("partial_hold@BUY")
        desk.scene.server.fault("fill_after_cancel=1@BUY")
        await managed(desk)
        ended = desk.stake.position.position_id
        desk.sign(Close(ended, WORDS))
        await desk.reaches(State.CLOSED)
        await desk.until(lambda: desk.at_broker() == HALF)
        await desk.until(lambda: desk.alerted(Code.LATE_FACT, Code.DRIFT_CRITICAL, Code.KILL_RAISED))
        assert drift_of(desk, Cause.FACT_AFTER_END).instrument == "EURUSD" and desk.is_owned()
        assert desk.stands(State.CLOSED) and len(desk.placed()) == 4
        await desk.until(lambda: (seen := desk.stage.engine.link.snapshot) is not None and seen.held("EURUSD") == HALF)
        await desk.until(lambda: not desk.stage.desk.owed.of(Reconcile))  # by a picture of before nothing is adopted
        price, stop, target = (Price(Decimal(text)) for text in ("1.085", "1.082", "1.091"))
        desk.sign(Adopt("EURUSD", Side.BUY, Quantity(HALF), price, stop, target, "demo", WORDS, ended))
        await desk.until(lambda: [one.state for one in desk.positions] == [State.MANAGED, State.CLOSED])
        assert desk.held() == desk.at_broker() == HALF and protection(desk) is Protection.FULL
        assert [order.quantity for order in desk.working()] == [HALF, HALF]
        assert never_doubled(desk) and not [o for o in desk.bodies(Observation) if "REFUSED" in o.about.value]
