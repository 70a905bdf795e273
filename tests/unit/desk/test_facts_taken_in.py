"""What the broker says, taken in by a whole desk: late, twice, in any order, of strangers, and never read as an end."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed

from phoenix_adapters.brokers.mock.chaos import Partial, Reject, Silence
from phoenix_core.acts import after
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import Observe
from phoenix_core.acts.propose import Assemble
from phoenix_core.acts.timed import PROPOSAL_EXPIRED, Doubt, Withdraw
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Execution,
    KillFlag,
    KillKind,
    Limits,
    Observation,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ReconciliationDrift,
    T2Token,
    TokenEvent,
)
from phoenix_core.effects import CarryOut, Reconcile, SendOrder
from phoenix_core.facts import ELSEWHERE, BrokerStatus, ErrorSaid, Fact, FrameSaid, Held, LinkEvent, LinkSaid, OrderSaid
from phoenix_core.gate.statements import Close, Protect
from phoenix_core.kernel import decide, due
from phoenix_core.orders import entry_ref, exit_ref
from phoenix_core.trade import exits
from phoenix_core.trade.positions import Open
from phoenix_core.values import NO_QUANTITY, BadInput, CommandId, Price, Quantity, Role, Side, State, text_hash
from tests.showing import shows
from tests.stage import PAIR, Stage, restarted, stage
from tests.unit.desk.test_signed_commands import answered
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, said_of, walked


class TestCloses:
    """B8: CLOSED is net zero and every order of the position broker-confirmed ended, whichever end comes last."""

    @pytest.mark.parametrize("order", list(itertools.permutations(("entry", "stop", "target"))), ids="-".join)
    @shows("I5", "F34")
    def test_whichever_end_comes_last_closes(self, order: tuple[str, ...]) -> None:
        """Half filled, the target executes; the ends of entry, stop and target come in every order."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            held = position.held
            target = exit_ref(ref, Role.TARGET, 1)
            desk.broker.truth.book.clear()  # from here on every word is the test's
            ends = {
                "entry": said_of(desk, ref, BrokerStatus.CANCELLED, str(held)),
                "stop": said_of(desk, exit_ref(ref, Role.STOP, 1), BrokerStatus.CANCELLED),
                "target": said_of(desk, target, BrokerStatus.FILLED, str(held)),
            }
            await hear(desk, filled(desk, target, str(held), Side.SELL))
            for name in order:
                assert desk.state(intent) in (State.FILLED, State.MANAGED)
                await hear(desk, ends[name])
            assert desk.state(intent) is State.CLOSED
            last = [p for p in desk.bodies(Position) if p.intent_id == intent][-1]
            assert last.event is PositionEvent.CLOSED and not last.closing

        _ = walked(walk)

    def test_exits_that_are_told_of_first_close_with_the_fill(self) -> None:
        """The stop executed and all ended before the entry's own execution arrived: FILLED and CLOSED at once."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence(fills=False))
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            entry = desk.desk.orders.find(ref)
            assert entry is not None
            size = str(entry.line.quantity)
            stop, target = exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1)
            await hear(
                desk,
                filled(desk, stop, size, Side.SELL, "x.1.01"),
                said_of(desk, stop, BrokerStatus.FILLED, size),
                said_of(desk, target, BrokerStatus.CANCELLED),
                said_of(desk, ref, BrokerStatus.FILLED, size),
            )
            assert desk.state(intent) is State.SUBMITTED
            await hear(desk, filled(desk, ref, size, Side.BUY, "e.1.01"))
            assert desk.state(intent) is State.CLOSED
            events = [p.event for p in desk.bodies(Position) if p.intent_id == intent and p.event is not None]
            assert events[-2:] == [PositionEvent.FILLED, PositionEvent.CLOSED]

        _ = walked(walk)

    @shows("I8", "F37")
    def test_more_out_than_in_is_no_close(self) -> None:
        """Exits that executed more than entries did leave the position open, in a drift and under a kill."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            stop, target = exit_ref(ref, Role.STOP, 1), exit_ref(ref, Role.TARGET, 1)
            desk.broker._inbox.clear()
            await hear(
                desk,
                filled(desk, stop, str(position.held + 1), Side.SELL),
                said_of(desk, stop, BrokerStatus.FILLED, str(position.held + 1)),
                said_of(desk, target, BrokerStatus.CANCELLED),
            )
            assert desk.state(intent) is State.MANAGED
            assert "overfill" in {d.cause for d in desk.bodies(ReconciliationDrift)}
            assert KillKind.DRIFT in {f.type for f in desk.desk.kill_flags.standing.values()}

        _ = walked(walk)

    @shows("X1")
    def test_a_bust_to_zero_closes_as_busted(self) -> None:
        """The exchange takes everything back; the children end."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            said = desk.broker.truth.executions[0]
            family = said.exec_id.rpartition(".")[0]
            await hear(desk, changed(said, exec_id=f"{family}.02", quantity=type(said.quantity)(Decimal(0))))
            assert desk.state(intent) is State.MANAGED
            for role in (Role.STOP, Role.TARGET):
                await hear(desk, said_of(desk, exit_ref(ref, role, 1), BrokerStatus.CANCELLED))
            ended = desk.position(intent)
            assert not isinstance(ended, Open) and str(ended.outcome) == "BUSTED"

        _ = walked(walk)


class TestLate:
    """I10 absorbing: CLOSED, CANCELLED, REJECTED are never left; later broker facts become observation beads + drift,
    none is dropped: #broker messages received = #processed + #quarantined."""

    @shows("I10", "F18", "F30")
    def test_a_fact_after_an_end_is_seen_told_and_stops_entries(self) -> None:
        """An execution and a working order after REJECTED: observation, CRITICAL drift, DRIFT kill, state untouched."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Reject())
            intent = await desk.enter()
            await desk.tick(6)
            assert desk.state(intent) is State.REJECTED
            ref = ref_of(desk, intent)
            before = [p for p in desk.bodies(Position) if p.intent_id == intent]
            late: tuple[Fact, ...] = (filled(desk, ref, "100"), said_of(desk, ref, BrokerStatus.SUBMITTED))
            await hear(desk, *late)
            await hear(desk, *late)
            assert [p for p in desk.bodies(Position) if p.intent_id == intent] == before
            drifts = [d for d in desk.bodies(ReconciliationDrift) if d.cause == "fact_after_end"]
            assert len(drifts) == 1 and drifts[0].severity.value == "CRITICAL"
            assert [o.subject for o in desk.bodies(Observation) if o.about is About.LATE_FACT] == [ref, ref]
            assert [e.position_id for e in desk.bodies(Execution)] == [None]
            assert [f.type for f in desk.bodies(KillFlag)] == [KillKind.DRIFT]

        _ = walked(walk)

    @shows("I9", "M9", "F02", "F24")
    def test_silence_never_ends_an_order(self) -> None:
        """Two hours without a word: STALLED, a cancel request, alerts; never an end, never a second frame."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.mute()
            for _ in range(24):
                await desk.tick(300)
            assert desk.state(intent) is State.STALLED
            assert desk.sent == 3
            events = {o.event for o in desk.bodies(Order)}
            assert OrderEvent.CANCEL_REQUESTED in events and OrderEvent.ENDED not in events

        _ = walked(walk)

    @shows("S32-LIF-12", "I5")
    def test_a_stalled_entry_that_is_acknowledged_late_is_submitted_again(self) -> None:
        """Silence for a minute, then the broker's word: SUBMITTED again, its alert over; a working life later the entry
        is asked to end like any other."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.mute()
            await desk.tick(61)
            assert desk.state(intent) is State.STALLED
            desk.broker.mute(False)
            await hear(desk, said_of(desk, ref_of(desk, intent), BrokerStatus.SUBMITTED))
            assert desk.state(intent) is State.SUBMITTED
            told = [a.event for a in desk.bodies(Alert) if a.code == "POSITION_STALLED"]
            assert told == [AlertEvent.RAISED, AlertEvent.RESOLVED]
            await desk.tick(30)
            assert OrderEvent.CANCEL_REQUESTED in {o.event for o in desk.bodies(Order)}

        _ = walked(walk)

    @shows("I9", "M10", "F05")
    def test_an_order_that_no_picture_shows_is_not_ended_by_that(self) -> None:
        """The broker's whole picture lacks the order: STALLED and drift, not CANCELLED."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            desk.broker.truth.book.clear()
            for _ in range(6):
                await desk.tick(61)
            assert desk.state(intent) is State.STALLED
            assert "order_missing" in {d.cause for d in desk.bodies(ReconciliationDrift)}

        _ = walked(walk)


class TestWhose:
    """Facts of other accounts, of strangers and under borrowed names change nothing of ours."""

    @shows("I15", "F53", "F54")
    def test_another_account_is_not_taken_in(self) -> None:
        """Orders and executions of account C under our very reference."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref, size = ref_of(desk, intent), desk.desk.head.size
            facts: tuple[Fact, ...] = (
                changed(filled(desk, ref, "5"), account="c" * 64),
                changed(said_of(desk, ref, BrokerStatus.CANCELLED), account="c" * 64),
                changed(said_of(desk, "", BrokerStatus.SUBMITTED), ref="somebody"),
                changed(filled(desk, ref, "5"), ref="somebody"),
            )
            for fact in facts:
                ruling = decide(desk.desk, Said(CommandId("x"), fact), desk.engine.world())
                assert not ruling.drafts
            assert desk.desk.head.size == size

        _ = walked(walk)

    @shows("I8", "F40")
    def test_a_borrowed_reference_is_not_booked(self) -> None:
        """Our reference on another instrument or the other side: a drift, not a fill."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            await hear(desk, changed(filled(desk, ref, "5"), symbol="AAPL"))
            await hear(desk, filled(desk, ref, "5", Side.SELL, "late.2.01"))
            assert desk.state(intent) is State.SUBMITTED
            assert {d.cause for d in desk.bodies(ReconciliationDrift)} == {"unresolved_reference"}

        _ = walked(walk)

    @pytest.mark.parametrize("generation", [1, 7])
    @shows("I8", "F40", "F76")
    def test_a_borrowed_reference_of_an_exit_is_not_booked(self, generation: int) -> None:
        """A stop of ours, or one that the log never recorded, which buys instead of selling, or sells something else: a
        drift, and what is held stays what it was. What it may well have sold is booked, whoever forgot the order."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            stop = exit_ref(ref_of(desk, intent), Role.STOP, generation)
            held = desk.desk.positions.net(PAIR)
            await hear(desk, filled(desk, stop, "100", Side.BUY, "lie.1.01"))
            await hear(desk, changed(filled(desk, stop, "100", Side.SELL, "lie.2.01"), symbol="AAPL"))
            assert desk.desk.positions.net(PAIR) == held
            assert {d.cause for d in desk.bodies(ReconciliationDrift)} == {"unresolved_reference"}
            await hear(desk, filled(desk, stop, "100", Side.SELL, "late.3.01"))
            assert desk.desk.positions.net(PAIR) == held - 100

        _ = walked(walk)

    def test_an_execution_of_what_was_never_sent_is_not_booked(self) -> None:
        """The reference of an approved intent whose order waits: nobody sent that, so it is unresolved."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.mute()
            await desk.tick(4)
            _ = desk.approve(intent)
            await desk.tick(4)
            assert desk.state(intent) is State.APPROVED
            ref = ref_of(desk, intent)
            ruling = decide(desk.desk, Said(CommandId("x"), filled(desk, ref, "5")), desk.engine.world())
            kinds = [d.body.kind.value for d in ruling.drafts]
            assert kinds == ["EXECUTION", "RECONCILIATION_DRIFT", "ALERT"]

        _ = walked(walk)

    def test_an_order_under_another_client_id_is_told_once(self) -> None:
        """Of an order of this desk that works, whichever is named first; not of what ended, nor of a neighbour's."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            session, entry = desk.broker.session(), ref_of(desk, intent)

            def told(ref: str) -> list[str]:
                said = Said(desk.fresh(), ErrorSaid("m", session, ELSEWHERE, "under client id 18", ref))
                before = len(desk.bodies(Alert))
                _ = desk.engine.recorder.act(said).unwrap()
                return [one.text for one in desk.bodies(Alert)[before:]]

            assert told(entry) == told(entry_ref(b"a neighbour's")) == [], "the one is filled, the other not ours"
            stop, target = (exit_ref(entry, role, 1) for role in (Role.STOP, Role.TARGET))
            (said,) = told(stop)
            assert "code -1 (about orders of this desk under another client id" in said
            assert told(stop) == told(target) == []

        _ = walked(walk)

    @shows("L3", "L2", "S33-CON-06")
    def test_small_talk_leaves_nothing_and_unknown_codes_an_observation(self) -> None:
        """A farm that connects; a code nobody listed, about an order of ours."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            world, session = desk.engine.world(), desk.broker.session()
            quiet = ErrorSaid("m", session, 2104, "farm is OK")
            assert not decide(desk.desk, Said(CommandId("x"), quiet), world).drafts
            strange = ErrorSaid("m", session, 10349, "TIF was set to DAY", ref_of(desk, intent))
            drafts = decide(desk.desk, Said(CommandId("x"), strange), world).drafts
            assert [d.body for d in drafts] == [
                Observation(About.UNKNOWN_CODE, strange.ref, {"code": "10349", "message": "m"})
            ]
            for code, alert, about in (
                (100, "PACING_VIOLATION", "code 100"),
                (2148, "BROKER_WARNING", "code 2148 (about margin, "),
                (10999, "BROKER_WARNING", "code 10999"),
            ):
                told = decide(desk.desk, Said(CommandId("x"), ErrorSaid("m", session, code, "")), world).drafts[1].body
                assert isinstance(told, Alert) and told.code == alert
                assert told.text.partition(": ")[2].startswith(about) and ("(" in told.text) is ("(" in about)

        _ = walked(walk)

    def test_what_the_broker_said_is_kept_beside_the_log_where_a_bead_names_it(self) -> None:
        """Of a refusal and of an end the words lie under the hash that the bead has; of what says nothing new, none."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence(fills=False))
            intent = await desk.enter()
            world, session = desk.engine.world(), desk.broker.session()
            no = ErrorSaid("m", session, 201, "no margin", ref_of(desk, intent))
            said = OrderSaid(
                "n",
                session,
                no.ref,
                desk.desk.genesis.account,
                9,
                1,
                BrokerStatus.CANCELLED,
                NO_QUANTITY,
                reason="too late",
            )
            for fact, words in ((no, no.text), (said, said.reason)):
                ruling = decide(desk.desk, Said(CommandId("x"), fact), world)
                (order,) = [d.body for d in ruling.drafts if isinstance(d.body, Order)]
                assert ruling.texts == {text_hash(words): words}
                assert order.reason is not None and order.reason.endswith(text_hash(words))
            strange = ErrorSaid("m", session, 10349, "TIF was set to DAY", no.ref)
            assert decide(desk.desk, Said(CommandId("x"), strange), world).texts == {}
            # The same, recorded: it is what `store.text` finds.
            _ = desk.engine.recorder.act(Said(CommandId("no"), no)).unwrap()
            assert desk.store.text(text_hash(no.text)) == no.text

        _ = walked(walk)

    @shows("S33-CON-06")
    def test_a_broker_that_is_away_is_told_by_the_link_alone(self) -> None:
        """1100 every few seconds through a nightly reset: the first leaves an observation, the rest nothing, and a
        human gets the link's one alert; that it is back is an observation too."""

        async def walk(desk: Stage) -> None:
            def left(code: int) -> list[object]:
                said = ErrorSaid("m", desk.broker.session(), code, "away or back")
                return [d.body for d in decide(desk.desk, Said(CommandId("x"), said), desk.engine.world()).drafts]

            for code in (1100, 2110, 1101, 1102):
                assert left(code) == [Observation(About.WARNING, f"code {code}", {"message": "m"})]
            away = LinkSaid(LinkEvent.DEGRADED, desk.broker.session())
            _ = desk.engine.recorder.act(Said(CommandId("away"), away))
            assert (left(1100), left(2110), len(left(1102))) == ([], [], 1)

        _ = walked(walk)


class TestRestart:
    """Record, then send, never resend: what an earlier run recorded is looked up, never performed."""

    @shows("I1", "F21", "S32-TOK-12")
    def test_an_order_of_an_earlier_run_is_never_sent(self) -> None:
        """The process died between the record and the hand-over: STALLED, OUTCOME_UNKNOWN, nothing at the broker."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            _ = desk.approve(intent).unwrap()
            _ = desk.engine.recorder.catch_up()
            for command in due(desk.desk, desk.clock.now()):
                _ = desk.engine.recorder.act(command)
            assert any(isinstance(e, SendOrder) for e in desk.desk.owed.values())
            later = restarted(desk, "run-2")
            desk.broker._inbox.append(FrameSaid(ref_of(desk, intent), 1, False, reason="of another process"))
            await later.start()
            await later.tick(2)
            assert later.state(intent) is State.STALLED
            last = [p for p in later.bodies(Position) if p.intent_id == intent][-1]
            assert last.reasons == ("OUTCOME_UNKNOWN",)
            assert desk.broker.truth.book == {} and later.sent == 0
            assert not any(isinstance(e, SendOrder) for e in later.desk.owed.values())

        _ = walked(walk)

    @shows("I3", "S32-TOK-04")
    def test_no_token_outlives_an_engine(self) -> None:
        """Approved while the link is down, then a restart: EXPIRED, and the intent is over."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            await desk.tick(0.5)
            assert desk.state(intent) is State.APPROVED
            later = restarted(desk, "run-2")
            await later.start()
            assert later.state(intent) is State.CANCELLED
            assert [t.event for t in later.bodies(T2Token)] == [TokenEvent.ISSUED, TokenEvent.EXPIRED]

        _ = walked(walk)

    @pytest.mark.parametrize("between", [(), ("run-2",)])
    @shows("I10")
    def test_no_two_starts_have_one_name(self, between: tuple[str, ...]) -> None:
        """Under the name of an earlier run new facts would be its old ones: nothing begins, and nothing is heard."""

        async def walk(desk: Stage) -> None:
            for run in between:
                await restarted(desk, run).start()
            before = desk.store.head()
            with pytest.raises(BadInput, match="run: 'run-1' is not accepted; an earlier run of this log"):
                await restarted(desk, "run-1").start()
            assert desk.store.head() == before
            later = restarted(desk, "run-3")
            await later.start()
            assert later.engine.run.epoch == later.desk.tenure.epoch >= before.size

        _ = walked(walk)

    @shows("F21")
    def test_restarts_add_no_order_and_no_fill(self) -> None:
        """Three restarts: the same orders, executions and states."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            before = (desk.bodies(Execution), [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED])
            states = [p for p in desk.bodies(Position) if p.event is not None]
            for run in range(3):
                later = restarted(desk, f"again-{run}")
                await later.start()
                await later.tick(6)
            assert (desk.bodies(Execution), [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED]) == before
            assert [p for p in desk.bodies(Position) if p.event is not None] == states

        _ = walked(walk)


class TestExits:
    """Exits are asked for once, and only where the last look can say yes."""

    def test_a_resize_waits_for_the_link(self) -> None:
        """Half filled, the rest ended, the link lost in the same breath: nothing is recorded that could not be sent."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Partial(Decimal("0.5")))
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            position = desk.position(intent)
            assert isinstance(position, Open)
            desk.broker._end(desk.broker.truth.book[ref], BrokerStatus.CANCELLED, "by itself")
            await hear(desk, LinkSaid(LinkEvent.LOST, desk.broker.session()))
            resized = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED and o.token_id is None]
            assert resized == []
            for _ in range(4):
                await desk.tick(5)
            resized = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED and o.token_id is None]
            assert [f.revision for f in resized[0].frames] == [2, 2]
            assert {f.line.quantity for f in resized[0].frames} == {position.held}

        _ = walked(walk)

    @shows("X4", "S32-LIF-13")
    def test_too_much_protection_is_none_that_manages(self) -> None:
        """Half filled and ended before the children were heard of: they cover twice what is held. The position is
        MANAGED once they are shrunk, not before; nothing that is held stands bare meanwhile, so nobody is woken."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            book = desk.broker.truth.book
            half = Decimal(book[ref].frame.line.quantity // 2)
            desk.broker.truth.held[PAIR], book[ref].filled, book[ref].ends = half, half, True
            children = [desk.broker._order_said(book[exit_ref(ref, role, 1)]) for role in (Role.STOP, Role.TARGET)]
            ended = said_of(desk, ref, BrokerStatus.CANCELLED, str(half))
            await hear(desk, filled(desk, ref, str(half)), ended, *children)
            told = [bead.body for bead in desk.beads()]
            managed = next(n for n, b in enumerate(told) if isinstance(b, Position) and b.state is State.MANAGED)
            shrunk = [
                n for n, b in enumerate(told) if isinstance(b, Order) and [f.revision for f in b.frames] == [2, 2]
            ]
            assert shrunk and shrunk[0] < managed
            assert "PROTECTION_LOST" not in {a.code for a in desk.bodies(Alert)}

        _ = walked(walk)

    def test_too_much_is_not_too_little(self) -> None:
        """The stop executed in part and the link went before the target could be shrunk: every unit is covered."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            assert isinstance(position, Open)
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            part = filled(desk, stop, str(position.held // 2), Side.SELL)
            await hear(desk, part, LinkSaid(LinkEvent.LOST, desk.broker.session()))
            told = [a for a in desk.bodies(Alert) if a.code == "PROTECTION_LOST"]
            assert told == [] and desk.state(intent) is State.MANAGED

        _ = walked(walk)

    @shows("X2")
    def test_the_mandate_ends_with_its_time(self) -> None:
        """A policy that names a time exit: the position is left at the market, once, and closes."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            await desk.tick(599)
            assert desk.state(intent) is State.MANAGED
            await desk.tick(1)
            await desk.tick(1)
            assert desk.state(intent) is State.CLOSED
            closes = [f for o in desk.bodies(Order) for f in o.frames if f.line.role is Role.CLOSE]
            assert len(closes) == 1

        _ = walked(walk, stage(policy=Policy(limits=Limits(), time_exit=timedelta(minutes=10))))

    @shows("X2")
    def test_a_time_exit_needs_the_link_and_is_tried_once(self) -> None:
        """Without a link nothing is recorded; a second one is never asked for while the first is known."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.broker.cut()
            await desk.tick(1)
            desk.clock.advance(timedelta(minutes=11))
            asked = [c for c in due(desk.desk, desk.clock.now()) if type(c).__name__ == "LeaveOnTime"]
            assert len(asked) == 1
            assert not decide(desk.desk, asked[0], desk.engine.world()).drafts
            assert isinstance(desk.position(intent), Open)

        _ = walked(walk, stage(policy=Policy(limits=Limits(), time_exit=timedelta(minutes=10))))

    def test_a_time_exit_that_has_no_entry_to_go_by_is_refused(self) -> None:
        """What a close is made from is missing: nothing is recorded, and the protection goes on."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            desk.clock.advance(timedelta(minutes=11))
            (asked,) = [c for c in due(desk.desk, desk.clock.now()) if type(c).__name__ == "LeaveOnTime"]
            with mock.patch.object(exits, "entry_line", return_value=None):
                assert not decide(desk.desk, asked, desk.engine.world()).drafts
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk, stage(policy=Policy(limits=Limits(), time_exit=timedelta(minutes=10))))

    def test_what_stands_bare_is_told_at_once(self) -> None:
        """The broker takes both children away: a CRITICAL alert, which ends when protection stands again."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            ref = ref_of(desk, intent)
            for role in (Role.STOP, Role.TARGET):
                desk.broker._end(desk.broker.truth.book[exit_ref(ref, role, 1)], BrokerStatus.CANCELLED, "gone")
            await desk.tick(0.5)
            told = [a for a in desk.bodies(Alert) if a.code == "PROTECTION_LOST"]
            assert told and told[0].severity.value == "CRITICAL"
            for _ in range(4):
                await desk.tick(10)
            recorded = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED and o.token_id is None]
            assert len(recorded) == 1, "placed again once, after a picture that shows the loss"
            events = [a.event for a in desk.bodies(Alert) if a.code == "PROTECTION_LOST"]
            assert events[-1] is AlertEvent.RESOLVED

        _ = walked(walk)

    def test_an_alarm_ends_with_what_it_told_whatever_brought_that_about(self) -> None:
        """No word of the broker says anything of it, as while a close has protection make way: that it is lost is told
        all the same, and that it stands again, each once; and a second loss is told like the first."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()

            def goes(generation: int) -> None:
                for role in (Role.STOP, Role.TARGET):
                    gone = desk.broker.truth.book[exit_ref(ref_of(desk, intent), role, generation)]
                    desk.broker._end(gone, BrokerStatus.CANCELLED, "gone")

            with mock.patch.object(after, "_protected", return_value=[]):
                goes(1)
                for _ in range(4):
                    await desk.tick(10)
                goes(2)
                await desk.tick(0.5)
            events = [a.event for a in desk.bodies(Alert) if a.code == "PROTECTION_LOST"]
            assert events == [AlertEvent.RAISED, AlertEvent.RESOLVED, AlertEvent.RAISED]

        _ = walked(walk)

    def test_doubt_is_said_once_and_ends_with_the_answer(self) -> None:
        """An exit that nobody answers for ten seconds; then the broker speaks."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            await desk.tick(11)
            doubts = [o for o in desk.bodies(Order) if o.event is OrderEvent.UNKNOWN and o.ref == stop]
            assert len(doubts) == 1
            again = decide(desk.desk, Doubt(CommandId("again"), stop), desk.engine.world())
            assert not again.drafts
            await hear(desk, said_of(desk, stop, BrokerStatus.SUBMITTED))
            told = [a.event for a in desk.bodies(Alert) if a.code == "EXIT_UNKNOWN" and a.subject == stop]
            assert told == [AlertEvent.RAISED, AlertEvent.RESOLVED]

        _ = walked(walk)

    @pytest.mark.parametrize("moved", [None, {"stop": "1.0805"}, {"target": "1.0925"}])
    def test_what_a_human_moved_is_not_placed_where_it_was_before(self, moved: dict[str, str] | None) -> None:
        """Protection is lost, a human places it again, and it is lost once more: at the prices of the mandate it may be
        placed by itself; where a human wanted another stop or target, nobody places the old one against their word."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()

            def lost() -> None:
                for working in [w for w in desk.broker.truth.book.values() if not w.ends]:
                    desk.broker._end(working, BrokerStatus.CANCELLED, "gone")

            def placed() -> list[Order]:
                return [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED and o.token_id is None]

            lost()  # the signature is there before a picture shows it: nothing was placed by itself
            prices = {name: Price(Decimal(price)) for name, price in (moved or {}).items()}
            assert await answered(desk, Protect(intent, **prices)) == ()
            assert len(placed()) == 1
            lost()
            for _ in range(6):
                await desk.tick(10)
            assert len(placed()) == (2 if moved is None else 1)
            told = [a.event for a in desk.bodies(Alert) if a.code == "PROTECTION_LOST"]
            assert (told[-1] is AlertEvent.RESOLVED) is (moved is None)

        _ = walked(walk)

    def test_an_order_that_the_broker_has_on_other_terms_is_told(self) -> None:
        """Somebody drags the stop in TWS, or a preset moves it: told once for each place it goes to, until it stands
        as it was asked for again, or is over."""

        async def walk(desk: Stage) -> None:
            stop = exit_ref(ref_of(desk, await desk.enter()), Role.STOP, 1)
            told: list[tuple[AlertEvent, str]] = []

            async def stands_at(price: str, less: int = 0) -> None:
                known = desk.desk.orders.find(stop)
                assert known is not None and known.echo is not None
                size = Quantity(known.echo.quantity - less)
                echo = changed(known.echo, trigger=Price(Decimal(price)), quantity=size)
                said = said_of(desk, stop, BrokerStatus.PRESUBMITTED)
                await hear(desk, changed(said, echo=echo, group=known.echo_group))
                told[:] = [(a.event, a.text) for a in desk.bodies(Alert) if a.code == "ORDER_ALTERED"]

            await stands_at("1.082")
            assert told == []
            await stands_at("1.0815")
            (first,) = told
            assert first[1].endswith(f"{stop} (asked SELL STOP 1.082 GTC, stands SELL STOP 1.0815 GTC)")
            await stands_at("1.0815", less=1)
            assert told == [first]
            await stands_at("1.081")
            assert [event for event, _ in told] == [AlertEvent.RAISED] * 2 and "1.081 " in told[1][1]
            await stands_at("1.082")
            assert [event for event, _ in told] == [AlertEvent.RAISED] * 2 + [AlertEvent.RESOLVED]
            await stands_at("1.081")
            await hear(desk, said_of(desk, stop, BrokerStatus.CANCELLED))
            told[:] = [(a.event, a.text) for a in desk.bodies(Alert) if a.code == "ORDER_ALTERED"]
            assert [event for event, _ in told][3:] == [AlertEvent.RAISED, AlertEvent.RESOLVED]

        _ = walked(walk)

    @shows("X2", "I14")
    def test_a_signed_close_whose_minute_is_over_is_answered_and_not_sent(self) -> None:
        """The engine was down while the human signed: the answer says why."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            desk.clock.advance(timedelta(seconds=61))
            await desk.tick(0.5)
            assert not any(isinstance(e, CarryOut) for e in desk.desk.owed.values())
            refused = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND]
            assert refused[-1].facts["reasons"] == "EXIT_EXPIRED"
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk)


class TestPictures:
    """I11 detect only: a reconcile step adds only drift/observation beads: F, cancels, states, quantities unchanged."""

    @shows("I11", "M12", "I12")
    def test_a_picture_that_differs_changes_neither_side(self) -> None:
        """A spoofed holding: an observation, a drift, its alert; an equal picture adds no drift."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            await desk.tick(6)
            world = desk.engine.world()
            whole = await desk.broker.snapshot()
            kinds = [d.body.kind.value for d in decide(desk.desk, Said(CommandId("s"), whole), world).drafts]
            assert kinds == ["OBSERVATION"]
            lies = changed(whole, positions=(*whole.positions, Held("AAPL", Decimal(7))))
            drafts = decide(desk.desk, Said(CommandId("s"), lies), world).drafts
            assert [d.body.kind.value for d in drafts] == ["OBSERVATION", "RECONCILIATION_DRIFT", "ALERT"]

        _ = walked(walk)

    @shows("I13", "F81")
    def test_only_a_whole_and_later_picture_answers_what_was_asked(self) -> None:
        """One that is cut, of another session, or begun before the fill, leaves the question open."""

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()
            await desk.tick(6)
            desk.broker.mute()
            _ = desk.act(Observe(CommandId("demand"), About.DEMAND, "operator", {}))
            _ = desk.engine.recorder.catch_up()
            owed = {key for key, e in desk.desk.owed.items() if isinstance(e, Reconcile)}
            assert owed
            desk.broker.mute(False)
            whole = await desk.broker.snapshot()
            old = changed(whole, began=changed(whole.began, wall=whole.began.wall - timedelta(seconds=9)))
            for picture, answers in (
                (whole, True),
                (old, False),
                (changed(whole, complete=False), False),
                (changed(whole, session=99), False),
            ):
                drafts = decide(desk.desk, Said(CommandId("s"), picture), desk.engine.world()).drafts
                settled = {(s.seq, s.index) for d in drafts for s in d.settles}
                assert (settled >= owed) is answers

        _ = walked(walk)


class TestIntents:
    """What waits for a human, and what a human decided meanwhile."""

    def test_an_expired_proposal_that_was_just_approved_stays_approved(self) -> None:
        """`due` asked before the approval landed; looked at again, there is nothing to withdraw."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            _ = desk.engine.recorder.catch_up()
            late = Withdraw(CommandId("w"), intent, PROPOSAL_EXPIRED)
            assert not decide(desk.desk, late, desk.engine.world()).drafts

        _ = walked(walk)

    @shows("I3")
    def test_evidence_of_a_decided_intent_is_not_made_anew(self) -> None:
        """A newer version would void the signature that a human just gave."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            desk.broker.cut()
            await desk.tick(0.5)
            _ = desk.approve(intent).unwrap()
            _ = desk.engine.recorder.catch_up()
            assert not decide(desk.desk, Assemble(CommandId("a"), intent), desk.engine.world()).drafts

        _ = walked(walk)
