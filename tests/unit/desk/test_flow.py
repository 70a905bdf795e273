"""The flows that the documents draw, walked on the production engine and read back from the log."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from phoenix_adapters.brokers.mock.chaos import Fill, Lose, Partial, Reject, Silence
from phoenix_core.acts.operate import Acknowledge
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Autopsy,
    Beat,
    Decision,
    Evidence,
    Health,
    Heartbeat,
    IbkrSession,
    KillFlag,
    KillKind,
    Order,
    OrderEvent,
    Outcome,
    Position,
    PositionEvent,
    ReconciliationDrift,
    SessionEvent,
    Signal,
    T2Token,
    TokenEvent,
)
from phoenix_core.facts import LinkEvent, LinkSaid
from phoenix_core.refusals import Reason
from phoenix_core.values import CommandId, Quantity, Severity, Side, State
from tests.showing import shows
from tests.stage import nonce, stage


@shows("S32-TOK-02", "S32-TOK-12", "S33-TOK-01", "S32-SEAM-01", "S32-SEAM-02", "S32-SEAM-03")
def test_the_approval_flow_runs_in_its_order() -> None:
    """Signal, evidence, decision with the token, spent token with the order, frames, fill: in this order."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        _ = await desk.enter()
        beads = desk.beads()

        def first(cls: type, **fields: object) -> int:
            return next(
                b.seq
                for b in beads
                if isinstance(b.body, cls) and all(getattr(b.body, k) == v for k, v in fields.items())
            )

        order = [
            first(Signal),
            first(Position, state=State.PROPOSED),
            first(Evidence),
            first(Decision),
            first(T2Token, event=TokenEvent.ISSUED),
            first(Position, state=State.APPROVED),
            first(T2Token, event=TokenEvent.USED),
            first(Position, state=State.SUBMITTED),
            first(Order, event=OrderEvent.RECORDED),
            first(Order, event=OrderEvent.SENT),
            first(Position, state=State.FILLED),
            first(Position, state=State.MANAGED),
        ]
        assert order == sorted(order)

    asyncio.run(walk())


@shows("S32-TOK-12")
def test_without_a_human_nothing_is_sent() -> None:
    """However long nobody decides: no token, no order; the proposal is withdrawn."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.propose()
        for _ in range(70):
            await desk.tick(30)
        assert desk.bodies(T2Token) == []
        assert desk.bodies(Order) == []
        assert desk.state(intent) is State.CANCELLED

    asyncio.run(walk())


@shows("S32-AUT-01", "S32-AUT-02", "S32-SEAM-04", "S32-EVD-03", "S33-LIF-01")
@pytest.mark.parametrize(("bid", "outcome"), [("1.09105", Outcome.WIN), ("1.08150", Outcome.LOSS)])
def test_a_close_is_looked_back_on_at_once(bid: str, outcome: Outcome) -> None:
    """Target or stop: the position closes, and its autopsy names the outcome and the evidence it was entered on."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.enter()
        desk.price(bid, str(Decimal(bid) + Decimal("0.0001")))
        await desk.tick(1)
        await desk.tick(5)
        assert desk.state(intent) is State.CLOSED
        (autopsy,) = desk.bodies(Autopsy)
        evidence = desk.desk.evidence.thesis(intent)
        assert autopsy.outcome is outcome
        assert evidence is not None and autopsy.entry_evidence_hash == evidence.leaf

    asyncio.run(walk())


@shows("S32-AUT-02")
def test_an_autopsy_tells_how_long_the_human_took_and_not_how_long_the_order_waited() -> None:
    """From the proposal to the signature: what the engine then waited for is no part of it."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.propose()
        await desk.tick(20)
        _ = desk.approve(intent).unwrap()
        await desk.tick(7)
        desk.price("1.09105", "1.09115")
        await desk.tick(1)
        await desk.tick(5)
        at = {b.body.event: b.ts for b in desk.beads() if isinstance(b.body, Position)}
        (autopsy,) = desk.bodies(Autopsy)
        assert at[PositionEvent.SUBMITTED] - at[PositionEvent.APPROVED] == timedelta(seconds=7)
        assert autopsy.approval_took == at[PositionEvent.APPROVED] - at[PositionEvent.PROPOSED]

    asyncio.run(walk())


@shows("S33-SES-02", "S33-SES-03", "S33-SES-05", "S33-SES-06", "INV-IBKR-RECONNECT-1")
def test_the_third_failed_attempt_escalates_and_nobody_tries_a_fourth() -> None:
    """Loss, then failures after 5, 15 and 45 s: attempts 1, 2, 3, the third escalated, CRITICAL, and no fourth."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.refuse_connects(99)
        desk.broker.cut()
        for _ in range(300):
            await desk.tick(1)
        beads = [b for b in desk.bodies(IbkrSession) if b.event is SessionEvent.RECONNECT]
        assert [b.reconnect_attempt for b in beads] == [1, 2, 3]
        assert [b.escalated for b in beads] == [False, False, True]
        told = [a for a in desk.bodies(Alert) if a.code == "LINK_ESCALATED"]
        assert told and told[0].severity is Severity.CRITICAL and told[0].runbook == "RB-001"
        assert told[0].text.startswith("Connection rotting - run RB-001")

    asyncio.run(walk())


@shows("S33-SES-02", "S33-SES-07", "S33-REC-01", "F45")
def test_a_reconnect_is_recorded_and_reconciled_before_the_next_entry() -> None:
    """Cut and back: DISCONNECT, RECONNECT, then a complete picture; an approval in between waits for it."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        before = desk.desk.observations.complete
        desk.broker.cut()
        for _ in range(8):
            await desk.tick(1)
        events = [b.event for b in desk.bodies(IbkrSession)]
        assert events == [SessionEvent.CONNECT, SessionEvent.DISCONNECT, SessionEvent.RECONNECT]
        after = desk.desk.observations.complete
        assert before is not None and after is not None and after.seq > desk.desk.sessions.connected_seq > before.seq
        intent = await desk.enter()
        assert desk.state(intent) is State.MANAGED

    asyncio.run(walk())


@shows("S33-REC-02", "S32-REC-07", "S32-SEAM-05", "S32-REC-06")
def test_a_spoofed_holding_raises_a_kill_and_names_its_runbook() -> None:
    """A live position that the broker denies: CRITICAL drift, DRIFT kill on the instrument, runbook."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.enter(pair="AAPL", entry="190.22", stop="188.00", target="195.00")
        held = desk.position(intent)
        desk.broker.spoof("AAPL", Decimal(7))
        for _ in range(400):
            await desk.tick(1)
        drifts = [d for d in desk.bodies(ReconciliationDrift) if d.instrument == "AAPL"]
        assert [d.cause for d in drifts] == ["size", "orphan_exit"]
        assert all(d.severity is Severity.CRITICAL for d in drifts)
        kills = [k for k in desk.bodies(KillFlag) if k.type is KillKind.DRIFT]
        assert {k.scope for k in kills} == {"instrument:AAPL"}
        told = [a for a in desk.bodies(Alert) if a.code == "DRIFT_CRITICAL"]
        assert told and told[0].runbook == "RB-002"
        assert (desk.position(intent), desk.state(intent)) == (held, State.MANAGED), "neither side was corrected"

    asyncio.run(walk())


@shows("S32-MOCK-06")
@pytest.mark.parametrize(
    ("fate", "state"),
    [
        (Fill(), State.MANAGED),
        (Partial(Decimal("0.5")), State.MANAGED),
        (Reject(), State.REJECTED),
        (Lose(), State.CANCELLED),
        (Silence(), State.SUBMITTED),
    ],
    ids=["fill", "partial", "reject", "lose", "silence"],
)
def test_every_scripted_fate_leads_where_it_should(fate: object, state: State) -> None:
    """The mock can be made to fill, fill in part, refuse, drop and stay silent; the position follows."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        assert isinstance(fate, Fill | Partial | Reject | Lose | Silence)
        desk.broker.script(fate)
        intent = await desk.enter()
        await desk.tick(1)
        assert desk.state(intent) is state

    asyncio.run(walk())


@shows("S32-CON-11", "S32-CON-09")
def test_one_intent_is_one_order() -> None:
    """A second approval of an intent is refused by name, and one entry frame is all that the broker ever sees."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.propose()
        says = desk.screen(intent).says
        _ = desk.sign(says).unwrap()
        second = desk.sign(says)
        assert Reason.DECIDED_ALREADY in second.failure().reasons
        await desk.tick()
        assert len([ref for ref in desk.broker.truth.book if "." not in ref]) == 1
        sent = [o for o in desk.bodies(Order) if o.event is OrderEvent.SENT]
        assert len(sent) == 3 and all(o.order_id for o in sent)

    asyncio.run(walk())


@shows("F03", "F04", "F48")
def test_a_fill_while_the_link_is_down_is_booked_when_it_is_back() -> None:
    """Executed while nobody listened: after the reconnect the fill is in the book, once."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.script(Silence(fills=True))
        intent = await desk.enter()
        assert desk.position(intent).state is State.SUBMITTED
        desk.broker.cut()
        for _ in range(10):
            await desk.tick(1)
        assert desk.state(intent) in (State.FILLED, State.MANAGED)
        assert desk.desk.positions.net("EURUSD") == desk.broker.truth.held["EURUSD"]

    asyncio.run(walk())


@shows("F50", "F53")
def test_a_stranger_in_the_account_is_seen_and_never_touched() -> None:
    """Somebody trades by hand in an instrument of nobody: one drift there, no order of ours, no cancel."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
        for _ in range(400):
            await desk.tick(1)
        drifts = desk.bodies(ReconciliationDrift)
        assert [d.cause for d in drifts] == ["count"]
        assert desk.bodies(Order) == []

    asyncio.run(walk())


def test_the_link_events_are_all_known() -> None:
    """Every event of the link can be said to a desk without breaking it."""

    async def walk() -> None:
        for event in LinkEvent:
            desk = stage()
            await desk.start()
            desk.broker.tell(LinkSaid(event, desk.broker.session(), desk.broker.accounts()))
            await desk.tick(1)
            await desk.tick(1)
            assert desk.beads()

    asyncio.run(walk())


@shows("S33-MON-12", "S33-SEAM-02", "S33-MON-06", "S33-MON-11")
def test_a_sick_desk_is_noticed_told_and_answered() -> None:
    """A beat finds an order whose status stands still: DEGRADED, an alert, a human's word; later it escalates."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        desk.broker.hush()
        _ = await desk.enter()
        for _ in range(80):
            await desk.tick(10)
        beats = desk.bodies(Heartbeat)
        assert beats[0].status is Beat.HEALTHY
        assert any(b.status is Beat.DEGRADED and b.health_state is Health.DEGRADED for b in beats)
        told = [a for a in desk.bodies(Alert) if a.code == "HEALTH_DEGRADED" and a.event is AlertEvent.RAISED]
        assert told
        louder = [a for a in desk.bodies(Alert) if a.code == "HEALTH_DEGRADED_LONG"]
        assert louder and louder[0].severity is Severity.CRITICAL
        _ = desk.act(Acknowledge(CommandId(nonce()), told[0].alert, "operator")).unwrap()
        assert any(a.event is AlertEvent.ACKNOWLEDGED for a in desk.bodies(Alert))

    asyncio.run(walk())


@shows("S33-MON-11")
def test_a_desk_that_is_sick_again_within_the_hour_grows_as_loud() -> None:
    """A first sickness is told of and over; of the second the throttle holds the WARNING back, but not what comes after
    five minutes: it is told once, as CRITICAL, and is over with it."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        _ = await desk.enter()

        async def passes(seconds: int, quote: bool) -> list[tuple[str, AlertEvent]]:
            before = len(desk.beads())
            for _ in range(seconds // 10):
                await desk.tick(10, quote=quote)
            told = [bead.body for bead in desk.beads()[before:] if isinstance(bead.body, Alert)]
            return [(a.code, a.event) for a in told if a.code.startswith("HEALTH") and a.event is not AlertEvent.SENT]

        raised, over = ("HEALTH_DEGRADED", AlertEvent.RAISED), ("HEALTH_DEGRADED", AlertEvent.RESOLVED)
        assert await passes(150, quote=False) == [raised]
        assert await passes(90, quote=True) == [over]
        assert await passes(240, quote=False) == []
        assert await passes(900, quote=False) == [raised, ("HEALTH_DEGRADED_LONG", AlertEvent.RAISED)]
        assert await passes(90, quote=True) == [over]

    asyncio.run(walk())
