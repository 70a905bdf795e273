"""What the broker says out of turn: after the last word, before the first one, twice, or of what was never sent."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed

from phoenix_adapters.brokers.mock.chaos import Dawdle, Lose, Silence
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.reconcile import book_of
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Autopsy,
    Body,
    Execution,
    ExecutionEvent,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Proof,
    ProofKind,
    ReconciliationDrift,
    Settlement,
)
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.effects import CancelOrder, SendOrder
from phoenix_core.facts import BrokerStatus, CancelSaid, CommissionSaid, ErrorSaid, Fact, FrameSaid, Snapshot
from phoenix_core.gate.statements import Close
from phoenix_core.kernel import decide, due
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.rulings import Ruling
from phoenix_core.trade import order_book
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Money, OrderRef, Quantity, Role, Side, State
from tests.showing import shows
from tests.stage import PAIR, Stage
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked

BUSY = StoreFault(Fault.BUSY, "somebody else holds it")


def judged(desk: Stage, fact: Fact) -> Ruling:
    """What the desk would rule on a fact, were it said now."""
    return decide(desk.desk, Said(CommandId("said"), fact), desk.engine.world())


def left(desk: Stage, fact: Fact) -> list[Body]:
    """The bodies that the fact would leave."""
    return [draft.body for draft in judged(desk, fact).drafts]


def told(desk: Stage, code: str) -> list[AlertEvent]:
    """What became of the alerts of a code, without those that only left."""
    return [a.event for a in desk.bodies(Alert) if a.code == code and a.event is not AlertEvent.SENT]


class TestAfterSilence:
    """B2: STALLED is left by the broker's word: a late acknowledgement, a late fill, a late end."""

    @shows("F02")
    def test_a_late_acknowledgement_ends_the_stall(self) -> None:
        """The order works after all: SUBMITTED again, and the alert of the stall is over."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.truth.book.clear()  # from here on every word is the test's
            await desk.tick(62)
            assert desk.state(intent) is State.STALLED
            await hear(desk, said_of(desk, ref_of(desk, intent), BrokerStatus.SUBMITTED))
            assert desk.state(intent) is State.SUBMITTED
            events = [p.event for p in desk.bodies(Position) if p.intent_id == intent]
            assert events[-2:] == [PositionEvent.STALLED, PositionEvent.ACKNOWLEDGED]
            assert told(desk, "POSITION_STALLED") == [AlertEvent.RAISED, AlertEvent.RESOLVED]

        _ = walked(walk)

    @shows("F02", "S32-LIF-12")
    def test_a_late_fill_ends_the_stall(self) -> None:
        """It executed after all: FILLED, and the alert of the stall is over."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.truth.book.clear()
            await desk.tick(62)
            assert desk.state(intent) is State.STALLED
            await hear(desk, filled(desk, ref_of(desk, intent), "100"))
            assert desk.state(intent) is State.FILLED
            assert told(desk, "POSITION_STALLED") == [AlertEvent.RAISED, AlertEvent.RESOLVED]

        _ = walked(walk)

    @shows("F10", "F22")
    def test_a_fill_may_be_the_first_and_only_word(self) -> None:
        """No acknowledgement, no permanent id, no status: the execution alone makes it FILLED, and no new order."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.truth.book.clear()
            recorded = len(desk.bodies(Order))
            await hear(desk, filled(desk, ref_of(desk, intent), "100"))
            assert desk.state(intent) is State.FILLED
            known = desk.desk.orders.find(ref_of(desk, intent))
            assert known is not None and not known.acknowledged and not known.perm_ids
            fills = [body for body in desk.bodies(Execution) if body.event is ExecutionEvent.FILL]
            assert [fill.ref for fill in fills] == [known.ref] and len(desk.bodies(Order)) == recorded

        _ = walked(walk)

    @pytest.mark.parametrize(("code", "state"), [(10999, State.STALLED), (399, State.STALLED), (321, State.REJECTED)])
    @shows("L2", "L3")
    def test_a_code_and_then_nothing(self, code: int, state: State) -> None:
        """Nothing opens the order and nothing more is said: what is not in the list of refusals ends nothing, and a
        minute later it is STALLED and told once; what is in it ends the order, and is told."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            desk.broker.truth.book.clear()
            await hear(desk, ErrorSaid("m-code", desk.broker.session(), code, "as the case may be", ref))
            await desk.tick(61)
            assert desk.state(intent) is state
            refused = state is State.REJECTED
            assert told(desk, "POSITION_STALLED") == ([] if refused else [AlertEvent.RAISED])
            assert told(desk, "ORDER_REJECTED") == ([AlertEvent.RAISED] if refused else [])

        _ = walked(walk)

    @shows("L1", "F02")
    def test_frames_of_which_not_even_the_transport_speaks(self) -> None:
        """30 s after the record: the outcome is unknown, told, and nothing is sent again; the late fill is booked."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Dawdle(timedelta(seconds=40)))
            intent = await desk.enter()
            await desk.tick(29)
            assert desk.state(intent) is State.SUBMITTED
            await desk.tick(1)
            last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
            assert (last.state, last.reasons) == (State.STALLED, ("OUTCOME_UNKNOWN",))
            assert desk.sent == 3
            await desk.tick(10)
            await desk.tick(1)
            assert desk.state(intent) in (State.FILLED, State.MANAGED)
            assert desk.sent == 3

        _ = walked(walk)

    def test_an_exit_that_speaks_after_its_position_is_over_ends_its_doubt(self) -> None:
        """The entry ended unfilled, proven; only then the broker speaks of its children."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            await desk.tick(11)
            stop = exit_ref(ref, Role.STOP, 1)
            assert f"EXIT_UNKNOWN|{stop}" in desk.desk.alerts.by_subject
            del desk.broker.truth.book[ref]
            await hear(desk, said_of(desk, ref, BrokerStatus.CANCELLED))
            await desk.tick(2)
            assert desk.state(intent) is State.CANCELLED
            await hear(desk, said_of(desk, stop, BrokerStatus.CANCELLED))
            assert f"EXIT_UNKNOWN|{stop}" not in desk.desk.alerts.by_subject
            assert desk.state(intent) is State.CANCELLED

        _ = walked(walk)


class TestClosing:
    """B8: CLOSED is net zero and nothing working, whichever word says the last of it."""

    @shows("I5")
    def test_an_execution_that_comes_after_every_end_closes(self) -> None:
        """The orders are all told as ended, and only then the execution of the target."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            held = str(position.held)
            stop, target = exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1)
            await hear(
                desk,
                said_of(desk, target, BrokerStatus.FILLED, held),
                said_of(desk, stop, BrokerStatus.CANCELLED),
            )
            assert desk.state(intent) is State.MANAGED
            await hear(desk, filled(desk, target, held, Side.SELL))
            assert desk.state(intent) is State.CLOSED

        _ = walked(walk)

    @shows("I5", "F33")
    def test_a_correction_of_the_entry_may_be_the_last_word(self) -> None:
        """One unit is left, and nothing works; the exchange corrects the entry by that unit: closed, by its stop."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            stop, target, most = exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1), str(position.held - 1)
            entry = desk.broker.truth.executions[0]
            family = entry.exec_id.rpartition(".")[0]
            words: tuple[Fact, ...] = (
                filled(desk, stop, most, Side.SELL),
                said_of(desk, stop, BrokerStatus.CANCELLED, most),
                said_of(desk, target, BrokerStatus.CANCELLED),
                changed(entry, exec_id=f"{family}.02", quantity=Quantity(position.held - 1)),
            )
            for n, fact in enumerate(words):
                assert desk.state(intent) is State.MANAGED
                _ = desk.engine.recorder.act(Said(CommandId(str(n)), fact))
            assert desk.state(intent) is State.CLOSED
            (autopsy,) = desk.bodies(Autopsy)
            assert "left by STOP" in autopsy.findings

        _ = walked(walk)

    @shows("I8", "F37")
    def test_one_overfill_is_one_drift(self) -> None:
        """Exits execute more than entries did, and then more again: the drift that is open says it already."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            assert isinstance(position, Open)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            desk.broker._inbox.clear()
            await hear(desk, filled(desk, stop, str(position.held + 1), Side.SELL, "x.1.01"))
            await hear(desk, filled(desk, stop, "1", Side.SELL, "x.2.01"))
            assert [d.cause for d in desk.bodies(ReconciliationDrift)].count("overfill") == 1
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk)

    @shows("X1")
    def test_what_is_flat_and_still_works_cannot_be_closed(self) -> None:
        """All of it went out through the stop, whose twin still works: a close would open the reverse."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            assert isinstance(position, Open)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            desk.broker.hush()
            desk.broker._inbox.clear()
            _ = desk.engine.recorder.act(Said(CommandId("x"), filled(desk, stop, str(position.held), Side.SELL)))
            assert desk.position(intent).state is State.MANAGED
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick()
            refused = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND]
            assert refused[-1].facts["reasons"] == Reason.NOTHING_TO_CLOSE.value
            assert not any(f.line.role is Role.CLOSE for o in desk.bodies(Order) for f in o.frames)

        _ = walked(walk)


class TestLateWords:
    """B6, I10: a fact after an end is kept and told; the same end once more says nothing."""

    @shows("I10")
    def test_a_word_about_an_order_of_long_ago(self) -> None:
        """Its orders shrank to their ends: its end again and history are silent; working or a larger fill is drift."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Lose())
            with mock.patch.object(order_book, "QUIET_KEPT", 0):
                intent = await desk.enter()
                ref = ref_of(desk, intent)
                assert desk.state(intent) is State.CANCELLED
                assert desk.desk.orders.find(ref) is None
                ended = said_of(desk, ref, BrokerStatus.CANCELLED)
                assert left(desk, ended) == []
                assert left(desk, changed(ended, status=BrokerStatus.SUBMITTED, completed=True)) == []
                for late in (
                    changed(ended, status=BrokerStatus.SUBMITTED),
                    said_of(desk, ref, BrokerStatus.FILLED, "5"),
                ):
                    kinds = [body.kind.value for body in left(desk, late)]
                    assert kinds == ["OBSERVATION", "RECONCILIATION_DRIFT", "ALERT", "ALERT"]

        _ = walked(walk)

    @shows("F08")
    def test_a_reference_of_ours_that_nothing_resolves(self) -> None:
        """It works: CRITICAL drift. It is history, or has ended: nothing that we must stop."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ghost = ref_of(desk, intent)[:-4] + "AAAA"
            working = said_of(desk, ghost, BrokerStatus.SUBMITTED)
            drift, alert = left(desk, working)
            assert isinstance(drift, ReconciliationDrift) and isinstance(alert, Alert)
            assert (drift.cause, drift.severity.value) == ("unresolved_reference", "CRITICAL")
            assert left(desk, changed(working, completed=True)) == []
            assert left(desk, said_of(desk, ghost, BrokerStatus.CANCELLED)) == []

        _ = walked(walk)

    @shows("F20")
    def test_a_second_permanent_id_is_a_second_order(self) -> None:
        """One reference under two permanent ids: CRITICAL drift; under the first one again it is nothing new."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            said = said_of(desk, ref_of(desk, intent), BrokerStatus.SUBMITTED)
            await hear(desk, said)
            assert left(desk, said) == []
            drifts = [b for b in left(desk, changed(said, perm_id=78)) if isinstance(b, ReconciliationDrift)]
            assert [(d.cause, d.broker_state) for d in drifts] == [
                ("two_perm_ids", {"perm_ids": ",".join(map(str, sorted((said.perm_id, 78))))})
            ]

        _ = walked(walk)

    @shows("F20")
    def test_a_picture_of_the_one_that_lives_agrees(self) -> None:
        """The second order is over: what the next picture is held against is the first, as it was before."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            ref = ref_of(desk, await desk.enter())
            said = said_of(desk, ref, BrokerStatus.SUBMITTED)
            await hear(desk, said, changed(said, perm_id=78))
            now = desk.clock.now()
            picture = Snapshot(desk.broker.session(), now, now, complete=True, orders=(said,))
            assert book_of(desk.desk, picture, desk.engine.world()).orders[ref].perm_id == 78
            await hear(desk, changed(said, perm_id=78, status=BrokerStatus.CANCELLED))
            assert book_of(desk.desk, picture, desk.engine.world()).orders[ref].perm_id == 77

        _ = walked(walk)

    def test_a_commission_is_booked_once(self) -> None:
        """The broker repeats what an execution cost."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            charge = CommissionSaid("m", "late.9.01", Money(Decimal(2)), "USD")
            (booked,) = left(desk, charge)
            assert isinstance(booked, Execution) and booked.event is ExecutionEvent.COMMISSION
            await hear(desk, charge)
            assert left(desk, charge) == []

        _ = walked(walk)


def recorded_close(desk: Stage, intent: str) -> str:
    """A human's close, decided and recorded and not handed over yet; its reference."""
    _ = desk.sign(Close(intent, WORDS)).unwrap()
    _ = desk.engine.recorder.catch_up()
    for command in due(desk.desk, desk.clock.now()):
        _ = desk.engine.recorder.act(command)
    (close,) = (e.ref for e in desk.desk.owed.values() if isinstance(e, SendOrder))
    return close


def sending(desk: Stage, intent: str) -> None:
    """Record the order of an approved intent, and do not perform anything yet."""
    _ = desk.engine.recorder.catch_up()
    for command in due(desk.desk, desk.clock.now()):
        _ = desk.engine.recorder.act(command)
    assert desk.state(intent) is State.SUBMITTED
    assert any(isinstance(effect, SendOrder) for effect in desk.desk.owed.values())


class TestFrames:
    """D5: each frame ends as FrameSent or FrameDropped; only a dropped entry proves that nothing left."""

    @staticmethod
    def dropped(desk: Stage, ref: str) -> list[Body]:
        """What it leaves that this frame did not go."""
        return left(desk, FrameSaid(ref, 1, False, reason="transport closed"))

    @shows("F02")
    def test_a_dropped_frame_of_a_bracket(self) -> None:
        """The entry: WITHHELD. A child of an entry that may have left: the outcome of the whole is unknown."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            sending(desk, intent)
            ref = ref_of(desk, intent)
            order, moved = self.dropped(desk, ref)
            assert isinstance(order, Order) and order.event is OrderEvent.DROPPED
            assert isinstance(moved, Position) and moved.event is PositionEvent.WITHHELD
            order, moved, alert = self.dropped(desk, exit_ref(OrderRef(ref), Role.STOP, 1))
            assert isinstance(order, Order) and order.event is OrderEvent.DROPPED
            assert isinstance(moved, Position) and moved.event is PositionEvent.STALLED
            assert isinstance(alert, Alert) and alert.code == "POSITION_STALLED"

        _ = walked(walk)

    @shows("F02")
    def test_a_close_that_did_not_go_is_told(self) -> None:
        """Nothing moves: the position is what it was, and a human hears that the close is not on its way."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            await desk.tick(6)
            close = recorded_close(desk, intent)
            order, alert = self.dropped(desk, close)
            assert isinstance(order, Order) and order.event is OrderEvent.DROPPED
            assert isinstance(alert, Alert) and alert.code == "CLOSE_NOT_SENT"

        _ = walked(walk)

    @shows("I5")
    def test_a_close_that_did_not_go_is_the_last_to_end(self) -> None:
        """Its stop executed, and its target ended, before it was known that no byte of the close had left: nothing is
        held, nothing works, and no later word will come. That word is the end of the position."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            await desk.tick(6)
            close = recorded_close(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            size, entry = str(position.held), ref_of(desk, intent)
            stop, target = (exit_ref(entry, role, 1) for role in (Role.STOP, Role.TARGET))
            for fact in (
                filled(desk, stop, size, Side.SELL, "gone.1.01"),
                said_of(desk, stop, BrokerStatus.FILLED, size),
                said_of(desk, target, BrokerStatus.CANCELLED),
            ):
                _ = desk.engine.recorder.act(Said(CommandId(f"word {fact}"), fact))
            waiting = desk.position(intent)
            assert isinstance(waiting, Open) and waiting.closing
            bodies = self.dropped(desk, close)
            (last,) = (body for body in bodies if isinstance(body, Position))
            assert (last.state, last.proof) == (State.CLOSED, Proof(ProofKind.WITHHELD, close))
            assert any(isinstance(body, Autopsy) for body in bodies)

        _ = walked(walk)

    @pytest.mark.parametrize("late", ["a close", "protection"])
    @shows("I5")
    def test_an_exit_that_is_withheld_is_the_last_to_end(self, late: str) -> None:
        """The log cannot be held for a moment, so that an exit is recorded and not looked at; all that was held leaves
        meanwhile. The last look then lets nothing out, every frame of it is over, and so is the position."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            await desk.tick(6)
            entry, busy = ref_of(desk, intent), mock.patch.object(desk.store, "hold", side_effect=BUSY)
            if late == "a close":
                with busy:
                    _ = desk.sign(Close(intent, WORDS)).unwrap()
                    await desk.tick()
                desk.price("1.0815", "1.0816")
            else:
                for role in (Role.STOP, Role.TARGET):
                    desk.broker.cancel(exit_ref(entry, role, 1))
                with busy:
                    await desk.watch(12, 1)
                (bought,) = (e for e in desk.broker.truth.executions if e.ref == entry)
                bust = changed(bought, exec_id=bought.exec_id[:-2] + "02", quantity=Quantity(Decimal(0)))
                desk.broker.truth.held[PAIR] = Decimal(0)
                desk.broker.tell(bust)
            owed = [effect for effect in desk.desk.owed.values() if isinstance(effect, SendOrder)]
            assert [len(effect.frames) for effect in owed] == [1 if late == "a close" else 2]
            await desk.tick()
            (last,) = (p for p in desk.bodies(Position) if p.state is State.CLOSED)
            assert last.proof == Proof(ProofKind.WITHHELD, owed[0].ref)
            assert desk.state(intent) is State.CLOSED and desk.bodies(Autopsy)
            assert told(desk, "CLOSE_NOT_SENT") == [AlertEvent.RAISED]
            doubted = [] if late == "a close" else [AlertEvent.RAISED, AlertEvent.RAISED]
            assert told(desk, "EXIT_UNKNOWN") == [*doubted, *(AlertEvent.RESOLVED for _ in doubted)]

        _ = walked(walk)

    def test_a_cancel_that_did_not_go_stays_owed(self) -> None:
        """The link was down: no bead says that it left, and it is asked for again; sent, it is settled once."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            unsent = judged(desk, CancelSaid(ref, False, "link down"))
            assert unsent.result.failure().reasons == (Reason.LINK_DOWN,) and not unsent.drafts
            assert left(desk, CancelSaid(ref, True)) == [], "nobody asked for it"
            desk.broker.mute()
            await desk.tick(91)
            assert not any(isinstance(e, CancelOrder) for e in desk.desk.owed.values()), "it went, and settled"
            assert [o.event for o in desk.bodies(Order) if o.ref == ref][-1] is OrderEvent.CANCEL_SENT

        _ = walked(walk)

    def test_a_cancel_that_cannot_go_is_let_go_once_the_order_has_ended(self) -> None:
        """No session names it any more and it is over: nothing is left to ask, and it is not tried for ever."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            desk.desk.owed[0, 0] = CancelOrder("", ref)
            (draft,) = judged(desk, CancelSaid(ref, False, "no order id of this session names it")).drafts
            assert isinstance(draft.body, Observation) and draft.body.about is About.EFFECT
            assert [(s.seq, s.index, s.outcome) for s in draft.settles] == [(0, 0, Settlement.DROPPED)]
            stop = exit_ref(ref, Role.STOP, 1)
            desk.desk.owed[0, 1] = CancelOrder("", stop)
            assert not judged(desk, CancelSaid(stop, False, "the transport does not take it")).drafts, "it works on"
            assert not judged(desk, CancelSaid("P1" + "A" * 26, False, "nobody asked")).drafts

        _ = walked(walk)

    def test_a_cancel_of_an_order_of_long_ago_is_settled_too(self) -> None:
        """A request whose order is forgotten meanwhile is settled all the same, or it would be owed for ever."""

        async def walk(desk: Stage) -> None:
            desk.desk.owed[0, 0] = CancelOrder("", "P1" + "A" * 26)
            (draft,) = judged(desk, CancelSaid("P1" + "A" * 26, True)).drafts
            assert isinstance(draft.body, Order) and draft.body.role is None
            assert [(s.seq, s.index) for s in draft.settles] == [(0, 0)]

        _ = walked(walk)


@pytest.mark.parametrize("code", [399, 404])
def test_a_held_entry_is_cancelled_once(code: int) -> None:
    """C7: an entry that the broker holds gets a cancel request, and only one."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Silence())
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        held = ErrorSaid("m", desk.broker.session(), code, "held", ref)
        events = [body.event for body in left(desk, held) if isinstance(body, Order)]
        assert events == [OrderEvent.HELD, OrderEvent.CANCEL_REQUESTED]
        desk.broker.mute()
        await desk.tick(91)
        events = [body.event for body in left(desk, held) if isinstance(body, Order)]
        assert events == [OrderEvent.HELD]

    _ = walked(walk)


@pytest.mark.parametrize("code", [399, 404])
def test_a_held_exit_is_told_and_goes_on(code: int) -> None:
    """An exit that the broker holds is what there is between the position and the market: nobody asks for its end, and
    a human hears of it, also where it is a close that leaves only when the market opens."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
        bodies = left(desk, ErrorSaid("m", desk.broker.session(), code, "held", stop))
        assert [body.event for body in bodies if isinstance(body, Order)] == [OrderEvent.HELD]
        assert [(body.code, body.subject) for body in bodies if isinstance(body, Alert)] == [("ORDER_HELD", stop)]

    _ = walked(walk)


@shows("F14")
def test_an_odd_lot_is_not_held() -> None:
    """The same code, and words that say that the order works: kept, and nothing is asked to end."""
    words = "Warning: Your order size is below the EUR 20000 IdealPro minimum and will be routed as an odd lot order."

    async def walk(desk: Stage) -> None:
        desk.broker.script(Silence())
        ref = ref_of(desk, await desk.enter())
        kept = left(desk, ErrorSaid("m", desk.broker.session(), 399, f"Order Message:\n{words}", ref))
        assert [body.about for body in kept if isinstance(body, Observation)] == [About.UNKNOWN_CODE]
        assert len(kept) == 1

    _ = walked(walk)
