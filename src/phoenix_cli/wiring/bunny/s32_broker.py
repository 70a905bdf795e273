"""S32, waves 2 and 3, before the mock: a broker that dawdles, rejects, fills in part, reports what is not so; and two
at once. The vectors of wave 2 are in `s32_gateway`, where each of these walks has a second one beside it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import ChaosMode, Dawdle, Fill, Partial, Reject, Silence
from phoenix_cli.wiring.bunny.stage import PAIR, Stage
from phoenix_cli.wiring.bunny.witness import Vector, Witness
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Decision,
    DriftType,
    KillEvent,
    KillFlag,
    KillKind,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    T2Token,
    TokenEvent,
)
from phoenix_core.gate.statements import ResolveDrift
from phoenix_core.kernel import decide, sealed
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import Severity, State, text_hash
from phoenix_core.watch.codes import Code


def raised(code: Code, alert: Alert) -> bool:
    """An alert of this code was raised."""
    return alert.event is AlertEvent.RAISED and alert.code == code.value


async def ibkr_timeout(witness: Witness) -> None:
    """Not a word from the broker for 30 s: STALLED and told; nothing is sent again; the late fill finds its owner."""
    desk = await witness.desk(mode=ChaosMode.REALISTIC)
    desk.broker.script(Dawdle(timedelta(seconds=31)))
    intent = await desk.enter()
    await desk.watch(28, 2)
    witness.holds("SUBMITTED while there is time", desk.state(intent) is State.SUBMITTED)
    await desk.tick(2)
    witness.holds("STALLED after 30 s", desk.state(intent) is State.STALLED)
    witness.once(desk, "POSITION STALLED", Position, lambda p: p.event is PositionEvent.STALLED)
    witness.once(desk, "an alert", Alert, lambda a: raised(Code.POSITION_STALLED, a))
    witness.holds("one bracket at the broker", desk.sent == 3)
    await desk.watch(4, 2)
    witness.holds("the late fill is taken in", desk.state(intent) is State.MANAGED)
    late = (State.STALLED, PositionEvent.ACKNOWLEDGED)
    witness.once(desk, "after a late acknowledgement", Position, lambda p: (p.from_, p.event) == late)
    witness.holds("and nothing was sent twice", desk.sent == 3)
    desk.broker.script(Silence())
    silent = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
    await desk.watch(59, 10)
    witness.holds("frames out, no acknowledgement: patient for 60 s", desk.state(silent) is State.SUBMITTED)
    await desk.watch(3, 1)
    witness.once(desk, "then STALLED too, as NO_ACK", Position, lambda p: "NO_ACK" in p.reasons)
    witness.holds("asked about, it is found at the broker, not sent again", desk.sent == 6)


async def ibkr_rejection(witness: Witness) -> None:
    """The broker says no margin: REJECTED, told, and not tried again."""
    desk = await witness.desk(mode=ChaosMode.REALISTIC)
    desk.broker.script(Reject())
    intent = await desk.enter()
    witness.holds("REJECTED", desk.state(intent) is State.REJECTED)
    moved = (State.SUBMITTED, PositionEvent.REJECTED)
    witness.once(desk, "SUBMITTED to REJECTED", Position, lambda p: (p.from_, p.event) == moved)
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.ORDER_REJECTED, a) and "201" in a.text)
    sent = desk.sent
    await desk.watch(120, 10)
    witness.holds("no retry: nothing more reached the broker", desk.sent == sent == 3)
    witness.once(desk, "one order was recorded", Order, lambda o: o.event is OrderEvent.RECORDED)
    desk.broker.script(Fill())
    twin = await desk.enter()
    witness.holds("a new intent, approved anew, is filled", desk.state(twin) is State.MANAGED)


async def fill_partial(witness: Witness) -> None:
    """Half is filled: one position, at the right ratio, protected for what it holds."""
    desk = await witness.desk(mode=ChaosMode.REALISTIC)
    desk.broker.script(Partial(Decimal("0.5")))
    intent = await desk.enter(quantity="100000")
    position = _open(desk, intent)
    witness.holds("half is filled", position.filled_quantity == 50_000)
    witness.holds("of what was asked", position.requested_quantity == 100_000)
    half = Decimal("0.5")
    _ = witness.shown(desk, "partial_fill_ratio is 0.5", Position, lambda p: p.partial_fill_ratio == half)
    witness.holds("one position", len(desk.desk.positions.open) == 1)
    await desk.watch(100)
    _ = witness.shown(desk, "after 90 s the rest is cancelled", Order, lambda o: o.event is OrderEvent.CANCEL_REQUESTED)
    position = _open(desk, intent)
    witness.holds("what is held is protected, for its size", position.state is State.MANAGED)
    working = [w.remaining for w in desk.broker.truth.book.values() if not w.ends]
    witness.holds("stop and target work for 50,000", working == [50_000, 50_000])
    witness.never(desk, "and nobody disagrees", ReconciliationDrift)


async def partial_drift(witness: Witness) -> None:
    """Half is filled and the broker reports 60 %: a drift bead, an alert, and no correction."""
    desk = await witness.desk(mode=ChaosMode.REALISTIC)
    desk.broker.script(Partial(Decimal("0.5")))
    intent = await desk.propose(quantity="100000")
    _ = desk.approve(intent).unwrap()
    desk.broker.spoof(PAIR, Decimal(60_000))
    await desk.watch(30, 1)
    found = witness.shown(
        desk,
        "RECONCILIATION_DRIFT with both sides",
        ReconciliationDrift,
        lambda d: (d.phoenix_state.get("quantity"), d.broker_state.get("quantity")) == ("50000", "60000"),
    )
    witness.holds("once", len(found) == 1, found)
    _ = witness.shown(
        desk, "an alert with both sides", Alert, lambda a: raised(Code.DRIFT_CRITICAL, a) and "60000" in a.text
    )
    witness.holds("Phoenix still believes its own executions", _open(desk, intent).filled_quantity == 50_000)


async def reconciliation_drift(witness: Witness) -> None:
    """The broker shows another position than ours: found, told, stopped; corrected by nobody but a human."""
    desk = await witness.desk()
    intent = await desk.enter(quantity="100000")
    await desk.watch(20)
    witness.never(desk, "its honest twin: with the truth there is no drift", ReconciliationDrift)
    before, sent = _open(desk, intent).last, desk.sent
    desk.broker.spoof(PAIR, Decimal(130_000))
    _ = desk.act(_demand(desk)).unwrap()
    await desk.watch(15, 1)
    witness.once(
        desk,
        "RECONCILIATION_DRIFT, critical",
        ReconciliationDrift,
        lambda d: d.drift_type is DriftType.POSITION_SIZE and d.severity is Severity.CRITICAL,
    )
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.DRIFT_CRITICAL, a))
    witness.once(desk, "a DRIFT kill", KillFlag, lambda k: k.type is KillKind.DRIFT and k.event is KillEvent.RAISED)
    witness.holds("our side was not corrected", _open(desk, intent).last == before)
    witness.holds("their side was not corrected: nothing was sent", desk.sent == sent)
    entry = await desk.propose()
    no = desk.approve(entry)
    witness.holds(
        "an entry there is refused", not is_successful(no) and Reason.KILL_FLAG_ACTIVE in no.failure().reasons
    )
    await _answer(witness, desk)


async def _answer(witness: Witness, desk: Stage) -> None:
    """The human's part: the broker mends its report, the human says so, and the next picture proves it."""
    (drift,) = desk.desk.drifts.open.values()
    says = ResolveDrift(drift.identity, Resolution.BROKER_CORRECTED, text_hash("their statement was late"))
    _ = desk.sign(says).unwrap()
    await desk.watch(10, 1)
    witness.holds("an answer alone proves nothing: it still blocks", drift.identity in desk.desk.drifts.open)
    desk.broker.spoof(PAIR, None)
    _ = desk.act(_demand(desk)).unwrap()
    await desk.watch(15, 1)
    _ = witness.shown(desk, "RECONCILIATION_RESOLUTION, cleared", ReconciliationResolution, lambda r: r.cleared)
    witness.holds("the drift is over", not desk.desk.drifts.open)
    witness.once(desk, "and its kill came down", KillFlag, lambda k: k.event is KillEvent.LIFTED)


async def order_race(witness: Witness) -> None:
    """Two approvals of one intent on one head: one lands, the other is refused; one order leaves."""
    desk = await witness.desk()
    intent = await desk.propose()
    head = desk.store.head()
    both = [desk.signature(desk.screen(intent).says) for _ in range(2)]
    rulings = []
    for command in both:
        rival = desk.other()
        _ = rival.catch_up()
        rulings.append((rival, decide(rival.desk, command, rival.world(rival.desk))))
    witness.holds("both say yes on one head", all(r.desk.head == head and is_successful(x.result) for r, x in rulings))
    now = desk.clock.now().wall
    landed = [
        is_successful(desk.store.append(head, sealed(head, now, command.command_id, ruling), ruling.texts))
        for command, (_, ruling) in zip(both, rulings, strict=True)
    ]
    witness.holds("exactly one lands", landed == [True, False])
    late = rulings[1][0].act(both[1])
    witness.holds("the other is decided anew, and refused", Reason.DECIDED_ALREADY in late.failure().reasons)
    await desk.tick()
    witness.once(desk, "one DECISION", Decision, lambda d: d.subject == intent)
    witness.once(desk, "one token ISSUED", T2Token, lambda t: t.event is TokenEvent.ISSUED)
    witness.once(desk, "one order recorded", Order, lambda o: o.event is OrderEvent.RECORDED)
    _ = witness.shown(desk, "the refused one is kept", Observation, lambda o: o.about is About.REFUSED_COMMAND)
    witness.holds("one bracket at the broker", desk.sent == 3)


def _demand(desk: Stage) -> Observe:
    return Observe(desk.fresh(), About.DEMAND, "reconciliation", {})


def _open(desk: Stage, intent: str) -> Open:
    found = desk.position(intent)
    assert isinstance(found, Open), f"{intent} is over"
    return found


VECTORS = (
    Vector("CV_S32_RECONCILIATION_DRIFT", 3, "The broker reports a wrong position.", reconciliation_drift),
    Vector("CV_S32_ORDER_RACE", 3, "Two orders for one intent at once.", order_race),
)
