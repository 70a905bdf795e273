"""S33, waves 4 and 5: approvals and orders gone wrong, runbooks, a broker that holds something else."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from returns.pipeline import is_successful

from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.stage import PAIR, PAIRS, Stage
from phoenix_cli.wiring.bunny.witness import GATEWAY, Vector, Witness
from phoenix_cli.wiring.signing import screen_of
from phoenix_core.acts.operate import Observe, RaiseKill, kill_flag
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Evidence,
    IbkrSession,
    KillEvent,
    KillFlag,
    KillKind,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ReconciliationDrift,
    SessionEvent,
    StateConflict,
    T2Token,
)
from phoenix_core.gate.statements import ClearKill
from phoenix_core.kernel import sealed
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.rulings import granted
from phoenix_core.values import Severity, State, text_hash
from phoenix_core.watch.codes import Code

UNLISTED: Final = "XXXYYY"


async def stale_during_approval(witness: Witness) -> None:
    """The human looks at the screen for more than 15 minutes: approving is blocked, and why is kept."""
    desk = await witness.desk()
    intent = await desk.propose()
    await desk.watch(14 * 60, 30)
    witness.holds("the intent waits for the human", desk.state(intent) is State.PROPOSED)
    await desk.watch(90, 30)
    said = desk.approve(intent)
    witness.holds("approving after 15 min is refused", not is_successful(said))
    witness.holds("with STATE_CONFLICT", said.failure().headline is Reason.STATE_CONFLICT)
    witness.once(desk, "STATE_CONFLICT", StateConflict, lambda c: c.intent_id == intent and c.stage == "approval")
    witness.once(desk, "a temporary kill", KillFlag, lambda k: k.type is KillKind.TEMPORARY)
    _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.STATE_CONFLICT, a))
    witness.never(desk, "no token", T2Token)
    again = desk.approve(intent)
    witness.holds("nor a second time", not is_successful(again))
    witness.once(desk, "which does not prolong the kill", KillFlag, lambda k: k.event is KillEvent.RAISED)
    witness.holds("nothing reached the broker", desk.sent == 0)


async def order_reject(witness: Witness) -> None:
    """A symbol that nobody lists: no card, nothing to sign; one that the broker refuses: REJECTED, told, no crash."""
    async with witness.gateway(symbols=(*PAIRS, UNLISTED)) as desk:
        witness.holds("asked for its card, the gateway said 200", bool(desk.said(200)))
        unknown = await desk.hand_in(pair=UNLISTED)
        await desk.watch(5, 1)
        blank = screen_of(desk.desk, unknown, desk.clock.now())
        witness.holds("a symbol without a contract has no screen to approve on", isinstance(blank, Refusal))
        witness.never(desk, "and no evidence", Evidence)
        witness.holds("the gateway read no order", desk.sent == 0)
        desk.server.fault("reject_symbol")
        intent = await desk.enter()
        witness.holds("REJECTED", await desk.reaches(intent, State.REJECTED))
        witness.holds("the gateway said 200 of the order itself", bool(desk.refused(200)))
        witness.once(desk, "POSITION REJECTED", Position, lambda p: p.event is PositionEvent.REJECTED)
        _ = witness.shown(desk, "an alert", Alert, lambda a: raised(Code.ORDER_REJECTED, a) and "200" in a.text)
        await desk.watch(60)
        witness.holds("no retry: the gateway read one bracket and no more", desk.sent == 3)
        witness.holds("nothing is held there, and nothing works", desk.held() == 0 and not desk.left())
        desk.server.clear("reject_symbol")
        twin = await desk.enter()
        witness.holds("no crash: the next order goes", await desk.reaches(twin, State.MANAGED))
        witness.never(desk, "over the same session", IbkrSession, lambda s: s.event is not SessionEvent.CONNECT)


async def runbook_drill(witness: Witness) -> None:
    """RB-004 as written: halt, look, see that nothing leaves and protection stands, clear by signature, record."""
    latched = [False]
    desk = await witness.desk(latch=lambda: latched[0])
    held = await desk.enter(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
    sent, began = desk.sent, desk.clock.now().wall
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    latched[0] = True  # what `halt` does first, whatever else is broken
    await desk.tick()
    witness.holds("the latch alone stops the approved order", desk.state(intent) is State.CANCELLED)
    _raise_blind(desk)
    await desk.tick()
    witness.once(desk, "KILL_FLAG ONE_WAY", KillFlag, lambda k: k.type is KillKind.ONE_WAY)
    halted = witness.shown(desk, "HALTED", Alert, lambda a: raised(Code.HALTED, a) and a.runbook == "RB-004")
    witness.holds("told once", len(halted) == 1, halted)
    await desk.watch(45)
    witness.holds("nothing left after the halt", desk.sent == sent)
    witness.holds("what is held keeps its protection", desk.state(held) is State.MANAGED)
    (flag,) = desk.desk.kill_flags.standing.values()
    _ = desk.sign(ClearKill(flag.flag, text_hash("drill over, nothing found"))).unwrap()
    latched[0] = False
    took = (desk.clock.now().wall - began) // timedelta(seconds=1)
    facts = {"resolution_s": str(took), "outcome": "resolved"}
    _ = desk.act(Observe(desk.fresh(), About.DRILL, "RB-004", facts)).unwrap()
    witness.once(desk, "cleared by signature", KillFlag, lambda k: k.event is KillEvent.LIFTED)
    witness.once(
        desk,
        "the drill and its resolution time",
        Observation,
        lambda o: o.about is About.DRILL and o.subject == "RB-004" and int(o.facts["resolution_s"]) >= 45,
    )
    await desk.tick()
    witness.holds("which the desk remembers", "RB-004" in desk.desk.observations.drills)
    _ = witness.shown(desk, "the alert is over", Alert, lambda a: a.event is AlertEvent.RESOLVED and a.code == "HALTED")
    twin = await desk.enter()
    witness.holds("entries go again", desk.state(twin) is State.MANAGED)


def _raise_blind(desk: Stage) -> None:
    """As `phoenix halt` does: on whatever head there is, asking nothing."""
    command = RaiseKill(desk.fresh(), "desk", "drill", "operator")
    ruling, now = granted("desk", kill_flag(command)), desk.clock.now().wall
    _ = desk.store.append_blind(lambda head: sealed(head, now, command.command_id, ruling))


async def recon_drift_live(witness: Witness) -> None:
    """The position at the broker is not ours: a kill on the instrument, and the alert opens RB-002."""
    desk = await witness.desk()
    intent = await desk.enter(quantity="100000")
    desk.broker.spoof(PAIR, Decimal(-100_000))
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
    await desk.watch(15, 1)
    _ = witness.shown(desk, "RECONCILIATION_DRIFT", ReconciliationDrift, lambda d: d.severity is Severity.CRITICAL)
    killed = f"instrument:{PAIR}"
    _ = witness.shown(desk, "a kill flag", KillFlag, lambda k: k.type is KillKind.DRIFT and k.scope == killed)
    page = "RB-002"
    _ = witness.shown(
        desk, "an alert with RB-002", Alert, lambda a: raised(Code.DRIFT_CRITICAL, a) and a.runbook == page
    )
    recorded = desk.where(Order, lambda o: o.event is OrderEvent.RECORDED)
    await desk.watch(16 * 60, 30)
    _ = witness.shown(desk, "after 15 min it is escalated", Alert, lambda a: raised(Code.DRIFT_UNRESOLVED, a))
    after = desk.where(Order, lambda o: o.event is OrderEvent.RECORDED)
    witness.holds("nothing was corrected", after == recorded and desk.state(intent) is State.MANAGED)
    entry = await desk.propose()
    no = desk.approve(entry)
    witness.holds("an entry there is refused", not is_successful(no))
    witness.holds("by the kill", Reason.KILL_FLAG_ACTIVE in no.failure().reasons)


VECTORS = (
    Vector("CV_S33_9_STALE_DURING_APPROVAL", 4, "The human takes more than 15 minutes.", stale_during_approval),
    Vector("CV_S33_10_PAPER_ORDER_REJECT", 4, "An order for a symbol that does not exist.", order_reject, GATEWAY),
    Vector("CV_S33_11_RUNBOOK_DRILL", 5, "RB-004, emergency halt, is drilled.", runbook_drill),
    Vector("CV_S33_12_RECON_DRIFT_LIVE", 5, "The broker's position is not ours.", recon_drift_live),
)
