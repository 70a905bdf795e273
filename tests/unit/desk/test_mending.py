"""What a human signs to mend what only a human may mend, and what is refused with its reason."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Fate, Fill, Partial, Silence
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.acts.timed import Prove
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Autopsy,
    Bead,
    Health,
    IbkrSession,
    KillEvent,
    KillFlag,
    KillKind,
    Limits,
    Observation,
    Order,
    OrderEvent,
    Policy,
    Position,
    ProofKind,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
)
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import CancelOrphans, ClearKill, Close, Protect, ResolveDrift, Resume
from phoenix_core.kernel import decide
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade import order_book
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Price, Quantity, Role, Side, State
from phoenix_core.watch.codes import Code
from phoenix_core.watch.session import ReconnectState
from tests.showing import shows
from tests.stage import PAIR, Stage, restarted, stage
from tests.unit.desk.test_signed_commands import ADOPT, answered, carried
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked

HELD = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}
PRICE = Price(Decimal("191.50"))


async def drifting(desk: Stage) -> ReconciliationDrift:
    """A desk whose only open drift is that the broker shows another size than we hold."""
    _ = await desk.enter(**HELD)
    held = desk.desk.positions.net("AAPL")
    desk.broker.spoof("AAPL", held + 7)
    for _ in range(8):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    (drift,) = desk.bodies(ReconciliationDrift)
    return drift


async def lacking(desk: Stage) -> tuple[ReconciliationDrift, ResolveDrift]:
    """A desk that was told half of an entry while the broker holds the whole; and what a human says of it who has the
    broker's statement in hand."""
    desk.broker.script(Partial(Decimal("0.5")))
    intent = await desk.enter(**HELD)
    await desk.tick(100)
    position = desk.position(intent)
    assert isinstance(position, Open)
    rest = Quantity(position.requested_quantity - position.filled_quantity)
    desk.broker.spoof("AAPL", desk.desk.positions.net("AAPL") + rest)
    for _ in range(8):
        await desk.tick(10)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    (drift,) = desk.bodies(ReconciliationDrift)
    return drift, ResolveDrift(drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, "late.1.01", rest, PRICE)


class TestResolveDrift:
    """D6: PHOENIX_CORRECTED attributes executions and ends the drift; BROKER_CORRECTED waits for the picture that
    agrees; ACKNOWLEDGED stays visible."""

    @shows("S32-REC-06", "S32-REC-10")
    def test_an_attribution_ends_the_drift_and_its_kill(self) -> None:
        """With the executions that explain it: resolved, the DRIFT kill lifted, both alerts over; without: refused."""

        async def walk(desk: Stage) -> None:
            _, says = await lacking(desk)
            assert [k.type for k in desk.desk.kill_flags.standing.values()] == [KillKind.DRIFT]
            assert await answered(desk, changed(says, execution=None)) == (Reason.RESOLUTION_NOT_PROVEN,)
            assert await answered(desk, changed(says, drift="ghost")) == (Reason.UNKNOWN_DRIFT,)
            assert await answered(desk, says) == ()
            assert not desk.desk.drifts.open and not desk.desk.kill_flags.standing
            over = {a.code for a in desk.bodies(Alert) if a.event is AlertEvent.RESOLVED}
            assert {"DRIFT_CRITICAL"} <= over
            assert [k.event for k in desk.bodies(KillFlag)] == [KillEvent.RAISED, KillEvent.LIFTED]

        _ = walked(walk)

    @shows("S32-REC-06", "INV-RECONCILE-AUDIT-2")
    def test_the_broker_corrected_it_once_a_picture_agrees(self) -> None:
        """Said and not yet shown: open. Shown: the answer is written in the name of whoever gave it, and the kill
        that the drift raised comes down by its rule."""

        async def walk(desk: Stage) -> None:
            drift = await drifting(desk)
            assert await answered(desk, ResolveDrift(drift.identity, Resolution.BROKER_CORRECTED, WORDS)) == ()
            await desk.tick(310)
            assert desk.desk.drifts.open, "the next picture still differs"
            assert not decide(desk.desk, Prove(CommandId("p")), desk.engine.world()).drafts
            desk.broker.spoof("AAPL", None)
            await desk.tick(310)
            await desk.tick(1)
            assert not desk.desk.drifts.open
            said = desk.bodies(ReconciliationResolution)
            assert [(r.resolved_by, r.cleared) for r in said] == [("operator", False), ("operator", True)]
            assert not desk.desk.kill_flags.standing
            assert [k.raised_by for k in desk.bodies(KillFlag)][-1] == "rule"

        _ = walked(walk)

    @shows("S32-REC-08", "S32-REC-10")
    def test_what_a_human_knows_of_waits_for_nobody(self) -> None:
        """Acknowledged: its alert ends and does not grow louder, the desk is well, and the kill comes down by a second
        signature, which before was refused. With other values it is told and killed anew."""

        async def walk(desk: Stage) -> None:
            desk.broker.spoof("AAPL", Decimal(7))
            await desk.watch(330)
            (drift,) = desk.desk.drifts.open.values()
            (flag,) = desk.desk.kill_flags.standing
            assert await answered(desk, ClearKill(flag, WORDS)) == (Reason.RESOLUTION_NOT_PROVEN,)
            assert await answered(desk, ResolveDrift(drift.identity, Resolution.ACKNOWLEDGED, WORDS)) == ()
            assert flag in desk.desk.kill_flags.standing, "no rule lifts it"
            assert await answered(desk, ClearKill(flag, WORDS)) == ()
            await desk.watch(1000)
            assert not desk.desk.alerts.open and not desk.desk.kill_flags.standing
            assert desk.desk.heartbeats.health is Health.HEALTHY
            assert "DRIFT_UNRESOLVED" not in {a.code for a in desk.bodies(Alert)}
            assert list(desk.desk.drifts.open) == [drift.identity], "it stays visible"
            desk.broker.spoof("AAPL", Decimal(8))
            await desk.watch(400)
            assert [one.code for one in desk.desk.alerts.open.values()][:2] == [Code.DRIFT_CRITICAL, Code.KILL_RAISED]
            assert [k.type for k in desk.desk.kill_flags.standing.values()] == [KillKind.DRIFT]

        _ = walked(walk)

    def test_what_will_open_a_position_is_said_on(self) -> None:
        """An orphaned exit that a human acknowledged, and did not cancel, is CRITICAL every minute all the same."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter(**HELD)
            desk.broker.spoof("AAPL", Decimal(0))
            await desk.watch(330)
            (orphan,) = (one for one in desk.desk.drifts.open.values() if one.cause == "orphan_exit")
            assert await answered(desk, ResolveDrift(orphan.identity, Resolution.ACKNOWLEDGED, WORDS)) == ()
            before = len([a for a in desk.bodies(Alert) if a.code == Code.ORPHAN_EXIT.value])
            await desk.watch(300)
            assert len([a for a in desk.bodies(Alert) if a.code == Code.ORPHAN_EXIT.value]) >= before + 4

        _ = walked(walk)

    def test_other_drifts_keep_their_kills(self) -> None:
        """Two instruments differ; one is explained: the other one's kill stands."""

        async def walk(desk: Stage) -> None:
            _, says = await lacking(desk)
            other = RaiseKill(CommandId("k"), "desk", "test", "operator")
            _ = desk.act(other).unwrap()
            assert await answered(desk, says) == ()
            assert [k.type for k in desk.desk.kill_flags.standing.values()] == [KillKind.ONE_WAY]

        _ = walked(walk)


class TestKillAlerts:
    """E2: the alert of a kill ends with the last flag of its scope."""

    def test_a_twin_in_the_same_scope_keeps_the_alert_open(self) -> None:
        """Two halts of the desk; one is cleared: the desk is halted all the same, and the alert says so."""

        async def walk(desk: Stage) -> None:
            flags = [desk.act(RaiseKill(CommandId(name), "desk", "test", "operator")).unwrap().subject for name in "ab"]
            await desk.tick()
            assert await answered(desk, ClearKill(flags[0], WORDS)) == ()
            assert "HALTED|desk" in desk.desk.alerts.by_subject
            assert await answered(desk, ClearKill(flags[1], WORDS)) == ()
            assert "HALTED|desk" not in desk.desk.alerts.by_subject

        _ = walked(walk)


class TestOrphans:
    """D7: ORPHAN_EXIT: one signed key cancels exactly the orders that the drift names."""

    @shows("X1")
    def test_exactly_the_named_orders_are_cancelled(self) -> None:
        """The position is gone at the broker and its exits work on: they are asked to end, and nothing else is."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**HELD)
            desk.broker.trade_by_hand("AAPL", Side.SELL, Quantity(desk.desk.positions.net("AAPL")))
            for _ in range(8):
                await desk.tick(10)
                _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
            drift = next(d for d in desk.bodies(ReconciliationDrift) if d.cause == "orphan_exit")
            ref = ref_of(desk, intent)
            assert set(drift.refs) == {exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1)}
            assert await answered(desk, CancelOrphans(drift.identity, (ref,))) == (Reason.RESOLUTION_NOT_PROVEN,)
            asked = [o.ref for o in desk.bodies(Order) if o.event is OrderEvent.CANCEL_REQUESTED]
            assert asked == []
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            asked = [o.ref for o in desk.bodies(Order) if o.event is OrderEvent.CANCEL_REQUESTED]
            assert asked == list(drift.refs)

        _ = walked(walk)

    def test_orders_that_ended_meanwhile_need_no_cancel_and_an_answer(self) -> None:
        """They ended between the look and the signature: the command is answered as done, and nothing is asked."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**HELD)
            desk.broker.trade_by_hand("AAPL", Side.SELL, Quantity(desk.desk.positions.net("AAPL")))
            for _ in range(8):
                await desk.tick(10)
                _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
            drift = next(d for d in desk.bodies(ReconciliationDrift) if d.cause == "orphan_exit")
            ref = ref_of(desk, intent)
            for role in (Role.STOP, Role.TARGET):
                desk.broker._end(desk.broker.truth.book[exit_ref(ref, role, 1)], BrokerStatus.CANCELLED, "by hand")
            await desk.tick(0.5)
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            assert not [o for o in desk.bodies(Order) if o.event is OrderEvent.CANCEL_REQUESTED]
            done = [o for o in desk.bodies(Observation) if o.about is About.EFFECT and "outcome" in o.facts]
            assert [o.facts["outcome"] for o in done] == ["done"]
            assert not any(isinstance(e, CarryOut) for e in desk.desk.owed.values())

        _ = walked(walk)


BUSY = StoreFault(Fault.BUSY, "somebody else holds it")


async def died_over_a_close(made: Stage, groups_hold: bool) -> tuple[Stage, str]:
    """An engine that died between the record of a close and its hand-over, and the one after it: the broker never heard
    of that close, and nobody can know."""
    made.broker.groups_hold = groups_hold
    intent = await made.enter()
    await made.tick(6)
    with mock.patch.object(made.store, "hold", side_effect=BUSY):
        _ = made.sign(Close(intent, WORDS)).unwrap()
        await made.tick()
        await made.tick()
    desk = restarted(made, "run-2")
    await desk.start()
    await desk.tick(1)
    return desk, intent


async def looked(desk: Stage, seconds: float) -> None:
    """Let time pass, and have the whole picture looked at again and again."""
    for _ in range(int(seconds / 5)):
        await desk.tick(5)
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
    await desk.tick(1)


def missing_of(desk: Stage) -> ReconciliationDrift:
    """The one order that the broker does not show."""
    (drift,) = (d for d in desk.bodies(ReconciliationDrift) if d.cause == "order_missing")
    return drift


@shows("X1", "I9")
class TestGone:
    """An order of ours that no picture shows any more ends by a human's signature, and by nothing else."""

    def test_a_close_that_was_lost_may_be_ended_and_made_again(self) -> None:
        """Protection ended for it, and it never left: until it is ended nothing can close or protect what is held. Too
        early only its cancel is asked for; two pictures 30 s apart are what ends it."""

        async def walk(first: Stage) -> None:
            desk, intent = await died_over_a_close(first, groups_hold=False)
            await looked(desk, 15)
            drift = missing_of(desk)
            assert await answered(desk, Close(intent, WORDS)) == (Reason.CLOSE_ALREADY_WORKING,)
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            assert await answered(desk, Protect(intent)) == (Reason.PROTECTION_STILL_WORKS,)
            await looked(desk, 35)
            assert not [o for o in desk.bodies(Order) if o.event is OrderEvent.ENDED and o.ref == drift.refs[0]]
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            (end,) = [o for o in desk.bodies(Order) if o.event is OrderEvent.ENDED and o.ref == drift.refs[0]]
            assert end.status == "CANCELLED" and (end.reason or "").startswith("decision ")
            assert await answered(desk, Close(intent, WORDS)) == ()
            await desk.tick(1)
            assert desk.state(intent) is State.CLOSED and desk.broker.truth.held[PAIR] == 0
            assert await answered(desk, ResolveDrift(drift.identity, Resolution.BROKER_CORRECTED, WORDS)) == ()
            await looked(desk, 10)
            assert drift.identity not in desk.desk.drifts.open

        _ = walked(walk)

    def test_what_it_was_waited_for_by_ends_with_it(self) -> None:
        """The stop sold everything, and the lost close was all that was still waited for: its end is the position's, in
        the name of who signed."""

        async def walk(first: Stage) -> None:
            desk, intent = await died_over_a_close(first, groups_hold=True)
            desk.price("1.0815", "1.0816")
            await looked(desk, 50)
            waiting = desk.position(intent)
            assert isinstance(waiting, Open) and waiting.closing
            drift = missing_of(desk)
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            (last,) = (p for p in desk.bodies(Position) if p.state is State.CLOSED)
            assert last.proof.type is ProofKind.OPERATOR_DECISION and desk.bodies(Autopsy)
            assert "EXIT_UNKNOWN|" + drift.refs[0] not in desk.desk.alerts.by_subject

        _ = walked(walk)

    def test_of_several_the_last_one_ends_the_position(self) -> None:
        """Stop and target were orphans and are shown no more, and nothing is held: one signature ends both of them, and
        the position once."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(**HELD)
            size = desk.desk.positions.net("AAPL")
            desk.broker.trade_by_hand("AAPL", Side.SELL, Quantity(size))
            await looked(desk, 40)
            (drift,) = (d for d in desk.bodies(ReconciliationDrift) if d.cause == "orphan_exit")
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            for ref in drift.refs:
                del desk.broker.truth.book[ref]
            await hear(desk, changed(filled(desk, stop, str(size), Side.SELL), symbol="AAPL"))
            await looked(desk, 50)
            assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            (last,) = (p for p in desk.bodies(Position) if p.state is State.CLOSED)
            assert last.proof.type is ProofKind.OPERATOR_DECISION and len(desk.bodies(Autopsy)) == 1

        _ = walked(walk)

    def test_the_rest_of_an_entry_may_be_lost_too(self) -> None:
        """Half was bought and the rest is no longer shown: it ends, and what was bought goes on. Where nothing was,
        that is for `resolve-stalled`, and this only asks for its cancel."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")), Silence())
            intent = await desk.enter()
            other = await desk.enter(**HELD)
            for name in (intent, other):
                del desk.broker.truth.book[ref_of(desk, name)]
            await looked(desk, 80)
            drifts = [d for d in desk.bodies(ReconciliationDrift) if d.cause == "order_missing"]
            for drift in drifts:
                assert await answered(desk, CancelOrphans(drift.identity, drift.refs)) == ()
            ended = [o.ref for o in desk.bodies(Order) if o.event is OrderEvent.ENDED]
            assert {d.refs[0] for d in drifts} >= {ref_of(desk, intent), ref_of(desk, other)}
            assert ref_of(desk, intent) in ended and ref_of(desk, other) not in ended
            position = desk.position(intent)
            assert isinstance(position, Open) and not position.entry_working and position.held > 0
            assert desk.state(other) is State.STALLED

        _ = walked(walk)


def link(desk: Stage) -> ReconnectState:
    """Where the link stands."""
    return desk.desk.sessions.state


def attempts(monkeypatch: pytest.MonkeyPatch) -> list[MockBroker]:
    """Every attempt to connect from the second on, counted at the broker: a desk's first one starts it."""
    tried: list[MockBroker] = []
    connect = MockBroker.connect

    async def counted(broker: MockBroker) -> bool:
        tried.extend([broker] if broker.session() else [])
        return await connect(broker)

    monkeypatch.setattr(MockBroker, "connect", counted)
    return tried


class TestResume:
    """D8: after escalation nobody tries by itself; `phoenix resume` grants three more attempts."""

    @shows("S33-SES-06")
    def test_an_escalated_link_is_tried_again_by_a_signature(self) -> None:
        """Escalated, the gateway back and nobody tries, but a human is told, once; resumed: the first attempt at once,
        and the link stands."""

        async def walk(desk: Stage) -> None:
            desk.broker.refuse_connects(3)
            desk.broker.cut()
            for _ in range(300):
                await desk.tick(1)
            assert link(desk) is ReconnectState.ESCALATED
            assert [a.runbook for a in desk.bodies(Alert) if a.code == "LINK_ANSWERS"] == ["RB-001"]
            desk.broker.refuse_connects(3)
            assert await answered(desk, Resume()) == ()
            await desk.watch(120, 1)
            assert link(desk) is ReconnectState.ESCALATED
            told = [a.event for a in desk.bodies(Alert) if a.code == "LINK_ANSWERS"]
            assert told == [AlertEvent.RAISED, AlertEvent.RESOLVED, AlertEvent.RAISED], "within the hour, and anew"
            assert await answered(desk, Resume()) == ()
            assert "RESUMED" in [b.outcome for b in desk.bodies(IbkrSession)]
            await desk.tick(1)
            assert link(desk) is ReconnectState.CONNECTED
            said = {one.code for one in desk.desk.alerts.open.values() if one.subject == "link"}
            assert not said, "what was said of the link is over"

        _ = walked(walk)

    @shows("S33-SES-06")
    def test_a_broker_that_is_not_there_is_tried_three_times_and_never_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Counted at the broker: five minutes, three attempts, and nothing to tell of it but the escalation."""
        tried = attempts(monkeypatch)

        async def walk(desk: Stage) -> None:
            desk.broker.refuse_connects(99)
            desk.broker.cut()
            for _ in range(300):
                await desk.tick(1)
            assert (link(desk), len(tried)) == (ReconnectState.ESCALATED, 3)
            assert "LINK_ANSWERS" not in [a.code for a in desk.bodies(Alert)]

        _ = walked(walk)

    @shows("I23")
    def test_a_broker_that_is_not_there_is_not_stormed_while_the_log_takes_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No attempt counts on a desk that cannot record it: two minutes, and no try every second. What was tried is
        told when the log takes beads again."""
        tried = attempts(monkeypatch)

        async def walk(desk: Stage) -> None:
            desk.broker.refuse_connects(99)
            desk.broker.cut()
            await desk.tick(1)  # it is known that the link went
            with mock.patch.object(desk.store, "append", side_effect=StoreFault(Fault.FULL, "no room")):
                for _ in range(120):
                    await desk.tick(1)
                assert 1 <= len(tried) <= 4
            await desk.tick(1)
            failed = [one for one in desk.bodies(IbkrSession) if one.outcome == "FAILED"]
            assert len(failed) >= 1 and desk.engine.run.exits_only

        _ = walked(walk)


class TestExitsByHand:
    """D6: one live close per position; it shares the group of its protection, or is refused with its reason."""

    @shows("X2")
    def test_a_signature_that_no_longer_verifies_carries_nothing_out(self) -> None:
        """The stored bytes are judged again by the run that acts on them: unverified, or of another history."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            command = carried(desk, Close(intent, WORDS))
            world = desk.engine.world()
            assert is_successful(decide(desk.desk, command, world).result)
            for doubted in (changed(world, verified={}), changed(world, roots={command.seq: "0" * 64})):
                ruling = decide(desk.desk, command, doubted)
                assert ruling.result.failure().reasons == (Reason.SIGNATURE_WRONG,)
                (draft,) = ruling.drafts
                assert isinstance(draft.body, Observation) and draft.body.about is About.REFUSED_COMMAND
                assert [(s.seq, s.index) for s in draft.settles] == [(command.seq, command.index)]

        _ = walked(walk)

    @shows("X1")
    def test_a_second_close_is_refused_while_the_first_one_works(self) -> None:
        """Two closes would sell twice what is held."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.broker.hush()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(0.5)
            assert await answered(desk, Close(intent, WORDS)) == (Reason.CLOSE_ALREADY_WORKING,)
            assert sum(f.line.role is Role.CLOSE for o in desk.bodies(Order) for f in o.frames) == 1

        _ = walked(walk)

    @shows("X1")
    def test_protection_in_two_groups_is_not_left_beside_a_close(self) -> None:
        """Whichever executed first, the other group would open the reverse: both end before the close is recorded."""

        async def walk(desk: Stage) -> None:
            intent = await self.two_groups(desk)
            beside: list[int] = []
            held = desk.position(intent)
            assert isinstance(held, Open)

            def look(bead: Bead) -> None:
                frames = bead.body.frames if isinstance(bead.body, Order) else ()
                if any(frame.line.role is Role.CLOSE for frame in frames):
                    beside.append(len(desk.desk.orders.exits_of(held.position_id)))

            desk.engine.on_bead = look
            assert await answered(desk, Close(intent, WORDS)) == ()
            await desk.tick(1)
            assert beside == [1], "the close alone"

        _ = walked(walk)

    @shows("X1")
    def test_the_time_exit_waits_for_one_group_too(self) -> None:
        """The mandate's own exit follows the same rule: without the ends nothing leaves, and a human is told once."""

        async def walk(desk: Stage) -> None:
            intent = await self.two_groups(desk)
            desk.broker.hush()
            await desk.watch(615, 5)
            assert not any(f.line.role is Role.CLOSE for o in desk.bodies(Order) for f in o.frames)
            assert [a.code for a in desk.bodies(Alert)].count("CLOSE_NOT_SENT") == 1
            assert isinstance(desk.position(intent), Open)

        _ = walked(walk, stage(policy=Policy(limits=Limits(), time_exit=timedelta(minutes=10))))

    @staticmethod
    async def two_groups(desk: Stage) -> str:
        """A held position with a stop of one generation and a target of another."""
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        for role in (Role.STOP, Role.TARGET):
            desk.broker._end(desk.broker.truth.book[exit_ref(ref, role, 1)], BrokerStatus.CANCELLED, "gone")
        for _ in range(4):
            await desk.tick(10)
        first = desk.desk.orders.done[exit_ref(ref, Role.STOP, 1)]
        second = desk.desk.orders.open.pop(exit_ref(ref, Role.STOP, 2))
        desk.desk.orders.open[second.ref] = changed(second, group=first.group)
        assert len({order.group for order in desk.desk.orders.exits_of(first.position_id)}) == 2
        return intent

    @pytest.mark.parametrize("fate", [Fill()])
    @shows("X4")
    def test_an_adopted_position_is_protected_and_closed_without_an_entry_of_ours(self, fate: Fate) -> None:
        """Its exits say what it is of, turned round; the close sells what was adopted."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(fate)
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            assert await answered(desk, ADOPT) == ()
            await desk.tick(6)
            (held,) = desk.desk.positions.in_state(State.MANAGED)
            assert await answered(desk, Protect(held.position_id)) == (Reason.PROTECTION_STILL_WORKS,)
            assert await answered(desk, Close(held.position_id, WORDS)) == ()
            await desk.tick(1)
            assert desk.state(held.intent_id) is State.CLOSED
            assert desk.broker.truth.held["AAPL"] == 0

        _ = walked(walk)

    def test_what_nothing_in_the_log_describes_is_left_to_a_human(self) -> None:
        """Held, and the log has no order of it, however that came about: neither a close nor protection is made up."""

        async def walk(desk: Stage) -> None:
            desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            await desk.tick(301)
            assert await answered(desk, ADOPT) == ()
            await desk.tick(6)
            (held,) = desk.desk.positions.in_state(State.MANAGED)
            with mock.patch.object(order_book, "QUIET_KEPT", 0):
                for working in desk.broker.truth.book.values():
                    desk.broker._end(working, BrokerStatus.CANCELLED, "gone")
                await desk.tick(0.1)
                assert desk.desk.orders.of(held.position_id), "what is held is not put away"
            del desk.desk.orders.of_position[held.position_id]
            for says in (Protect(held.position_id), Close(held.position_id, WORDS)):
                assert await answered(desk, says) == (Reason.UNKNOWN_POSITION,)

        _ = walked(walk)


class TestTooLate:
    """C2, D6: what is over is answered as over."""

    def test_a_proposal_that_was_withdrawn_cannot_be_approved(self) -> None:
        """Signed while its time ran out: the signature is good, and the intent is not open."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            await desk.tick(1798)  # new evidence in the last seconds of the proposal
            signed = desk.signature(desk.screen(intent).says)
            await desk.tick(3)
            assert desk.state(intent) is State.CANCELLED
            assert desk.act(signed).failure().reasons == (Reason.DECIDED_ALREADY,)
            assert desk.state(intent) is State.CANCELLED

        _ = walked(walk)

    def test_an_order_that_was_never_acknowledged_is_not_in_the_way(self) -> None:
        """A close while the entry is silent: there is nothing to close."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            reasons = await answered(desk, Close(intent, WORDS))
            assert reasons == (Reason.NOTHING_TO_CLOSE, Reason.ILLEGAL_TRANSITION)
            ref = ref_of(desk, intent)
            await hear(desk, said_of(desk, ref, BrokerStatus.SUBMITTED), filled(desk, ref, "100"))
            command = Said(CommandId("again"), filled(desk, ref, "100"))
            assert not decide(desk.desk, command, desk.engine.world()).drafts

        _ = walked(walk)
