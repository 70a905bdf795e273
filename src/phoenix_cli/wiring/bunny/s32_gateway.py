"""S32, wave 2: each story of a broker that misbehaves, before the mock and again before the client and the gateway.

The mock stands still between two words, so it shows the timers to the second. The gateway is asked beside it for what
only it knows: how many order frames it read, what it holds, and what works there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from phoenix_cli.wiring.bunny import s32_broker
from phoenix_cli.wiring.bunny.live import LiveStage
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.witness import BOTH, Vector, Witness, one_after_the_other
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import (
    About,
    Alert,
    Execution,
    ExecutionEvent,
    KillFlag,
    KillKind,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ReconciliationDrift,
)
from phoenix_core.trade.positions import Open
from phoenix_core.values import State
from phoenix_core.watch.codes import Code
from phoenix_core.watch.drift import Cause

GBP: Final = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}
HALF: Final = Decimal(50_000)
WHOLE: Final = {"quantity": "100000"}
# Between the end of the desk's patience, after 60 s, and its request to cancel what did not fill, after 90 s.
LATE_S: Final = 80


async def gateway_timeout(witness: Witness) -> None:
    """Not a word of an order whose frames left: STALLED and told; nothing is sent again; the late fill is its own."""
    async with witness.gateway() as desk:
        desk.server.fault(f"late_ack={LATE_S}")
        intent = await desk.enter()
        await desk.watch(30, 5)
        witness.holds("the gateway read one bracket", desk.sent == 3)
        witness.holds("SUBMITTED after 30 s: its frames are known to have left", desk.state(intent) is State.SUBMITTED)
        await desk.watch(30, 5)
        witness.holds("STALLED after 60 s", await desk.reaches(intent, State.STALLED))
        witness.once(desk, "as NO_ACK", Position, lambda p: p.event is PositionEvent.STALLED and "NO_ACK" in p.reasons)
        witness.once(desk, "an alert", Alert, lambda a: raised(Code.POSITION_STALLED, a))
        asked = await desk.until(lambda: bool(desk.where(ReconciliationDrift, _missing)))
        witness.holds("asked about, the gateway does not show it: told, and no end", asked and desk.held() == 0)
        desk.server.clear("late_ack")
        await desk.tick(LATE_S - 60)
        witness.holds("the late fill is taken in", await desk.reaches(intent, State.MANAGED))
        late = (State.STALLED, PositionEvent.ACKNOWLEDGED)
        witness.once(desk, "after a late acknowledgement", Position, lambda p: (p.from_, p.event) == late)
        filled = witness.shown(desk, "its execution", Execution, lambda e: e.event is ExecutionEvent.FILL)
        ours = _open(desk, intent).filled_quantity == desk.held() > 0
        witness.holds("by its owner, once: we hold what the gateway holds", ours and len(filled) == 1, filled)
        witness.holds("and the gateway read nothing twice", desk.sent == 3)
        await _found(witness, desk)
        witness.never(desk, "no other disagreement", ReconciliationDrift, lambda d: not _missing(d))


def _missing(drift: ReconciliationDrift) -> bool:
    return drift.cause == Cause.ORDER_MISSING.value


async def _found(witness: Witness, desk: LiveStage) -> None:
    """The gateway took an order and never says so: the desk asks what works there, and finds it."""
    desk.server.fault("drop_ack")
    desk.server.fault("never_fill@BUY")
    silent = await desk.enter(**GBP)
    await desk.watch(60, 5)
    ref = _open(desk, silent).order_ref
    known = await desk.until(
        lambda: bool(desk.where(Order, lambda o: o.ref == ref and o.event is OrderEvent.ACKNOWLEDGED))
    )
    witness.holds("another whose acknowledgement is lost is found at work", known and desk.held("GBPUSD") == 0)
    witness.holds("and not sent again", desk.sent == 6)
    desk.server.clear("never_fill")
    await desk.tick(1)
    witness.holds("when it fills, it is managed", await desk.reaches(silent, State.MANAGED))
    witness.holds("for what the gateway holds", _open(desk, silent).filled_quantity == desk.held("GBPUSD") > 0)


async def gateway_rejection(witness: Witness) -> None:
    """The gateway says 201, no margin: REJECTED, told, and not tried again."""
    async with witness.gateway() as desk:
        desk.server.fault("reject_margin")
        intent = await desk.enter()
        witness.holds("REJECTED", await desk.reaches(intent, State.REJECTED))
        moved = (State.SUBMITTED, PositionEvent.REJECTED)
        witness.once(desk, "SUBMITTED to REJECTED", Position, lambda p: (p.from_, p.event) == moved)
        _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.ORDER_REJECTED, a) and "201" in a.text)
        witness.holds("the gateway said 201", bool(desk.refused(201)))
        await desk.watch(120, 15)
        witness.holds("no retry: the gateway read one bracket and no more", desk.sent == 3)
        witness.holds("nothing is held there, and nothing works", desk.held() == 0 and not desk.left())
        witness.once(desk, "one order was recorded", Order, lambda o: o.event is OrderEvent.RECORDED)
        desk.server.clear("reject_margin")
        twin = await desk.enter()
        witness.holds("a new intent, approved anew, is filled", await desk.reaches(twin, State.MANAGED))


async def gateway_partial(witness: Witness) -> None:
    """Half is filled at the gateway: one position, at the right ratio, protected for what it holds."""
    async with witness.gateway() as desk:
        intent = await _half(witness, desk)
        half = Decimal("0.5")
        _ = witness.shown(desk, "partial_fill_ratio is 0.5", Position, lambda p: p.partial_fill_ratio == half)
        witness.holds("one position", len(desk.desk.positions.open) == 1)
        await desk.watch(95, 10)
        _ = witness.shown(
            desk, "after 90 s the rest is cancelled", Order, lambda o: o.event is OrderEvent.CANCEL_REQUESTED
        )
        shrunk = await desk.until(lambda: desk.left() == [HALF, HALF])
        witness.holds("stop and target, and nothing else, work at the gateway for 50,000", shrunk)
        witness.holds("what is held is protected, for its size", await desk.reaches(intent, State.MANAGED))
        witness.holds("the gateway holds 50,000", desk.held() == HALF == _open(desk, intent).filled_quantity)
        await desk.watch(10)
        witness.never(desk, "and nobody disagrees", ReconciliationDrift)


async def gateway_partial_drift(witness: Witness) -> None:
    """Half is filled and the gateway tells 60 %: a drift bead, an alert, a kill, and no correction."""
    async with witness.gateway() as desk:
        intent = await _half(witness, desk)
        await _looked(desk)
        witness.never(desk, "its honest twin: with the truth there is no drift", ReconciliationDrift)
        sent, working = desk.sent, desk.left()
        desk.server.act("misreport", symbol="EURUSD", quantity=60_000)
        await _looked(desk)
        witness.holds("found", await desk.until(lambda: bool(desk.where(ReconciliationDrift))))
        await _looked(desk)
        witness.once(
            desk,
            "RECONCILIATION_DRIFT with both sides",
            ReconciliationDrift,
            lambda d: (d.phoenix_state.get("quantity"), d.broker_state.get("quantity")) == ("50000", "60000"),
        )
        witness.once(desk, "and no other", ReconciliationDrift)
        _ = witness.shown(
            desk, "an alert with both sides", Alert, lambda a: raised(Code.DRIFT_CRITICAL, a) and "60000" in a.text
        )
        witness.once(desk, "a DRIFT kill", KillFlag, lambda k: k.type is KillKind.DRIFT)
        witness.holds("Phoenix still believes its own executions", _open(desk, intent).filled_quantity == HALF)
        witness.holds("as does the gateway's book", desk.held() == HALF)
        witness.holds("nothing was corrected: the gateway read no order since", desk.sent == sent)
        witness.holds("and the same orders work there", desk.left() == working)


async def _looked(desk: LiveStage) -> None:
    """A picture is demanded, and time given for the second one that confirms what is not as it should be."""
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
    before = len(desk.where(Observation, _picture))
    assert await desk.until(lambda: len(desk.where(Observation, _picture)) > before), "no picture was taken"
    await desk.watch(15, 1)


def _picture(observation: Observation) -> bool:
    return observation.about is About.SNAPSHOT


async def _half(witness: Witness, desk: LiveStage) -> str:
    """An entry for 100,000 of which the gateway fills half, and waits."""
    desk.server.fault("partial_hold@parent")
    intent = await desk.enter(**WHOLE)
    await_half = await desk.until(lambda: _open(desk, intent).filled_quantity == HALF)
    witness.holds("half is filled", await_half and desk.held() == HALF)
    witness.holds("of what was asked", _open(desk, intent).requested_quantity == 2 * HALF)
    return intent


def _open(desk: LiveStage, intent: str) -> Open:
    found = desk.position(intent)
    assert isinstance(found, Open), f"{intent} is over"
    return found


VECTORS = (
    Vector(
        "CV_S32_IBKR_TIMEOUT",
        2,
        "The broker says nothing for 30 s.",
        one_after_the_other(s32_broker.ibkr_timeout, gateway_timeout),
        BOTH,
    ),
    Vector(
        "CV_S32_IBKR_REJECTION",
        2,
        "The broker rejects for insufficient margin.",
        one_after_the_other(s32_broker.ibkr_rejection, gateway_rejection),
        BOTH,
    ),
    Vector(
        "CV_S32_FILL_PARTIAL",
        2,
        "Half of the order is filled.",
        one_after_the_other(s32_broker.fill_partial, gateway_partial),
        BOTH,
    ),
    Vector(
        "CV_S32_PARTIAL_DRIFT",
        2,
        "Half is filled, and the broker reports 60 %.",
        one_after_the_other(s32_broker.partial_drift, gateway_partial_drift),
        BOTH,
    ),
)
