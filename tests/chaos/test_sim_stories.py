"""What the simulation found, told as short stories: each was red before its mend, and names the seeds that found it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_core.beads import About, Autopsy, Execution, ExecutionEvent, Heartbeat, Observation, ReconciliationDrift
from phoenix_core.chain import Fault
from phoenix_core.facts import BrokerStatus, CommissionSaid, ExecutionSaid
from phoenix_core.gate.statements import Close
from phoenix_core.values import Quantity, Side, State
from tests.chaos.test_engine_store import FailingStore
from tests.showing import shows
from tests.stage import PAIR, Stage, stage
from tests.unit.desk.walks import WORDS, hear, ref_of, said_of, walked


def _synchronised(desk: Stage) -> int:
    """How often a resynchronisation came to its end."""
    return sum(o.about is About.LINK and o.facts["event"] == "SYNCHRONISED" for o in desk.bodies(Observation))


def _pictures(desk: Stage) -> int:
    """How often the desk looked at the whole picture."""
    return sum(o.about is About.SNAPSHOT for o in desk.bodies(Observation))


@shows("I10", "F03", "F04")
def test_an_execution_that_a_silent_feed_lost_is_found_in_the_next_picture() -> None:
    """Seeds 12, 19, 51, 56: the feed dies while the session stands, a stop executes, nobody hears of it. The next whole
    picture shows the execution, the resynchronisation after it the orders' ends: the position closes."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await desk.tick(2)
        assert desk.state(intent) is State.MANAGED
        desk.broker.hush()
        desk.price("1.0810", "1.0812")
        await desk.tick(2)
        desk.broker.hush(False)
        await desk.watch(400)
        known = {e.exec_id for e in desk.bodies(Execution)}
        assert {e.exec_id for e in desk.broker.truth.executions} <= known
        assert desk.desk.positions.net(PAIR) == 0
        assert desk.state(intent) is State.CLOSED

    _ = walked(walk)


@shows("I10", "F04")
def test_a_lost_execution_below_what_a_currency_account_explains_is_found() -> None:
    """Seed 51: one unit more than was ordered, lost by the feed, is less than cash in a currency explains; the
    picture's own executions show it all the same."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await desk.tick(2)
        desk.broker.hush()
        entry = desk.broker.truth.book[ref_of(desk, intent)]
        desk.broker._execute(entry, Decimal(1))
        await desk.tick(2)
        desk.broker.hush(False)
        await desk.watch(400)
        assert {e.exec_id for e in desk.broker.truth.executions} <= {e.exec_id for e in desk.bodies(Execution)}
        assert any(d.cause == "overfill" for d in desk.bodies(ReconciliationDrift))

    _ = walked(walk)


@shows("I8", "F34")
def test_a_correction_after_the_end_is_recorded_once() -> None:
    """Seed 56: a correction of an execution whose position is over; every new session tells it again."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await desk.tick(2)
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        await desk.tick(2)
        await desk.tick(2)
        assert desk.state(intent) is State.CLOSED
        was = desk.broker.truth.executions[0]
        name, _, _ = was.exec_id.rpartition(".")
        later = evolve(was, message="test:9", exec_id=f"{name}.02", quantity=Quantity(was.quantity - 1))
        desk.broker.truth.executions.append(later)
        desk.broker.tell(later)
        await desk.tick(2)
        for _ in range(3):
            desk.broker.cut()
            await desk.watch(20)
        told = Counter(e.exec_id for e in desk.bodies(Execution) if e.event is not ExecutionEvent.COMMISSION)
        assert told[later.exec_id] == 1
        assert set(told.values()) == {1}

    _ = walked(walk)


@shows("I10", "I12")
def test_a_word_after_an_orders_end_blocks_the_instrument_it_is_about() -> None:
    """Seed 10: a word comes after the order's end while its position still stands; the drift names the instrument, so
    that it is this instrument that stops."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await desk.tick(2)
        await hear(desk, said_of(desk, ref_of(desk, intent), BrokerStatus.SUBMITTED))
        found = [d for d in desk.bodies(ReconciliationDrift) if d.cause == "fact_after_end"]
        assert [d.instrument for d in found] == [PAIR]

    _ = walked(walk)


@shows("I13", "L8")
def test_a_resynchronisation_that_nobody_answered_is_asked_for_again_after_ten_seconds() -> None:
    """Seed 8: the session opens, the peer is mute over the resynchronisation and speaks again; nothing else would ever
    have asked for it, and the link would never have been ready."""

    async def walk(desk: Stage) -> None:
        desk.broker.cut()
        await desk.tick(1)
        desk.broker.mute()
        await desk.watch(6, every=1)
        assert desk.engine.link.up and not desk.engine.link.synchronised
        desk.broker.mute(False)
        before = _synchronised(desk)
        await desk.watch(4, every=1)
        assert _synchronised(desk) == before, "not sooner than ten seconds after it was last asked for"
        await desk.watch(8, every=1)
        assert _synchronised(desk) == before + 1
        assert desk.engine.link.synchronised

    _ = walked(walk)


@shows("I17", "I12")
def test_a_wall_that_keeps_being_set_back_does_not_blind_the_desk() -> None:
    """Found with seed 8: the pace of reconciliation counts ticks, not only the wall. A time server that takes back
    nearly every second that passes, each time by less than a jump, never makes five minutes of the wall."""

    async def walk(desk: Stage) -> None:
        await desk.watch(10)
        began = desk.clock.now()
        before = _pictures(desk)
        desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(5)))
        for _ in range(160):
            desk.clock.step_wall(timedelta(seconds=-1.9))
            await desk.tick(2)
        now = desk.clock.now()
        assert now.wall - began.wall < timedelta(seconds=30) and now.ticks - began.ticks > timedelta(minutes=5)
        assert _pictures(desk) > before
        assert any(d.instrument == "AAPL" for d in desk.bodies(ReconciliationDrift))

    _ = walked(walk)


@shows("I19")
def test_beats_that_the_log_did_not_take_are_not_written_later() -> None:
    """Seed 13: the log refuses for a minute; when it takes again, no row of beats is written for that minute."""

    async def walk(desk: Stage) -> None:
        await desk.watch(40)
        store = desk.engine.store
        assert isinstance(store, FailingStore)
        before = len(desk.bodies(Heartbeat))
        store.failing = Fault.FULL
        await desk.watch(60, every=2)
        store.failing = None
        await desk.tick(1)
        assert len(desk.bodies(Heartbeat)) <= before + 1

    _ = walked(walk, stage(FailingStore()))


@shows("I19", "I17")
def test_a_wall_that_is_set_forward_earns_no_beat_of_a_mute_broker() -> None:
    """Seed 71: the peer is mute and the wall is set forward an hour: an answer of before the last beat earns no next
    one, however long ago the wall says that the last beat was."""

    async def walk(desk: Stage) -> None:
        await desk.watch(40)
        desk.broker.mute()
        await desk.watch(40, every=1)  # one more beat is earned by the answers of before
        before = len(desk.bodies(Heartbeat))
        desk.clock.step_wall(timedelta(hours=1))
        await desk.watch(10, every=1)
        assert len(desk.bodies(Heartbeat)) == before

    _ = walked(walk)


@shows("I16", "I19")
def test_an_opened_session_is_an_answer_of_when_it_was_asked_for() -> None:
    """Seed 94: a session opens, and the loop hears of it half a minute later: the answer is that old by then."""

    async def walk(desk: Stage) -> None:
        desk.broker.cut()
        await desk.engine.step()
        desk.broker.mute()
        await desk.engine.link.connect()
        asked = desk.clock.now().ticks
        desk.clock.advance(timedelta(seconds=30))
        await desk.engine.step()
        age = desk.engine.link.state(desk.clock.now()).round_trip_age
        assert desk.engine.link.up and age == desk.clock.now().ticks - asked

    _ = walked(walk)


@shows("L7", "F38", "I8")
def test_a_cost_that_comes_before_its_execution_is_in_the_autopsy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 69: the exit's commission and the orders' ends are told before its execution, which closes the position; the
    autopsy that is written in that moment counts both commissions."""
    drain, last = MockBroker.drain, {CommissionSaid: 0, ExecutionSaid: 2}
    costs_first = lambda broker: tuple(sorted(drain(broker), key=lambda fact: last.get(type(fact), 1)))  # noqa: E731 - one expression, one use
    monkeypatch.setattr(MockBroker, "drain", costs_first)

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        await desk.tick(2)
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        await desk.tick(2)
        await desk.tick(2)
        assert desk.state(intent) is State.CLOSED
        charged = [e.commission for e in desk.bodies(Execution) if e.event is ExecutionEvent.COMMISSION]
        assert len(charged) == 2
        assert [autopsy.commission for autopsy in desk.bodies(Autopsy)] == [sum(c for c in charged if c is not None)]

    _ = walked(walk)
