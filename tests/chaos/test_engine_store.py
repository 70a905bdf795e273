"""The engine on a store that fails: entries stop, nothing heard is lost, people are told without the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from unittest import mock

import pytest
from attrs import define, field
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Fill
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Execution, ExecutionEvent, Heartbeat, IbkrSession, Observation, Order, OrderEvent
from phoenix_core.chain import Conflict, Fault, Head, Sealed, StoreFault
from phoenix_core.effects import SendOrder
from phoenix_core.facts import BrokerStatus, ErrorSaid, LinkEvent, LinkSaid
from phoenix_core.gate.statements import Close, Protect, Resume
from phoenix_core.kernel import due
from phoenix_core.records import evolve
from phoenix_core.trade.positions import position_id_of
from phoenix_core.values import Price, State
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.session import BACKOFF, ReconnectState
from tests.showing import shows
from tests.stage import Stage, restarted, stage
from tests.unit.desk.walks import WORDS


class FailingStore(MemoryStore):
    """A real store whose appends fail while `failing` says how."""

    failing: Fault | None = None
    appends_failing: int = 0  # so many appends to come find the disk full
    looks_failing: int = 0  # so many holds to come are refused
    ends_failing: bool = False  # or the hold breaks when it is over

    @contextmanager
    def hold(self) -> Iterator[Head]:
        """Refuse the last look as a log does that somebody else keeps busy, or break after it."""
        if self.looks_failing:
            self.looks_failing -= 1
            raise StoreFault(Fault.BUSY, "planted")
        with super().hold() as head:
            yield head
        if self.ends_failing:
            raise StoreFault(Fault.FULL, "planted")

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """Fail as the disk would, before anything is written; after UNKNOWN it may be there: here it is."""
        if self.appends_failing:
            self.appends_failing -= 1
            raise StoreFault(Fault.FULL, "planted")
        if self.failing is Fault.UNKNOWN:
            _ = super().append(expected, beads, texts or {})
        if self.failing is not None:
            fault, self.failing = self.failing, None if self.failing is Fault.UNKNOWN else self.failing
            raise StoreFault(fault, "planted")
        return super().append(expected, beads, texts or {})


@define
class Ear:
    """A channel that keeps what it was told."""

    heard: list[str] = field(factory=list)

    @property
    def name(self) -> str:
        """What it is called."""
        return "ear"

    async def send(self, message: Message) -> bool:
        """Keep it; whoever is told without end takes no more, or the story would never come to its own end."""
        self.heard.append(message.text)
        return len(self.heard) < 500


def _desk(store: FailingStore, ear: Ear, raised: list[str]) -> Stage:
    made = stage(store, notifiers=(ear,))
    made.engine.raise_latch = lambda: raised.append("latch")
    return made


@shows("F61", "F60", "I23")
def test_a_full_disk_stops_entries_and_loses_no_fill() -> None:
    """ENOSPC while a fill arrives: no entry leaves, the latch goes up, somebody is told; the fill is booked later."""

    async def walk() -> None:
        store, ear, raised = FailingStore(), Ear(), list[str]()
        desk = _desk(store, ear, raised)
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        desk.broker.script(Fill(timedelta(seconds=3)))
        await desk.tick(0.1)
        assert desk.state(intent) is State.SUBMITTED
        store.failing = Fault.FULL
        await desk.tick(4)
        assert desk.broker.truth.executions
        assert raised == ["latch"]
        assert any("FULL" in text for text in ear.heard)
        sent = len(desk.broker.truth.book)
        store.failing = None
        await desk.tick(1)
        await desk.tick(1)
        executed = [e for e in desk.bodies(Execution) if e.event is ExecutionEvent.FILL]
        assert len(executed) == len(desk.broker.truth.executions)
        assert len(desk.broker.truth.book) == sent
        assert desk.engine.run.exits_only
        second = await desk.propose()
        assert desk.state(second) is State.PROPOSED
        _ = desk.approve(second)
        await desk.tick()
        assert len(desk.broker.truth.book) == sent

    asyncio.run(walk())


@shows("I10", "I23")
def test_what_the_log_took_late_it_takes_in_the_order_in_which_it_was_heard() -> None:
    """The link went and came back within one round, and the disk was full for the first word only: the second waits
    behind it, or the log would end with a link that is down, and would have to be told again."""

    async def walk() -> None:
        store = FailingStore()
        desk = _desk(store, Ear(), [])
        await desk.start()
        said = LinkSaid(LinkEvent.DEGRADED, desk.broker.session(), (desk.broker.account,))
        before = len(desk.bodies(IbkrSession))
        store.appends_failing = 1
        desk.broker.tell(said, evolve(said, event=LinkEvent.RESTORED))
        await desk.tick(1)
        await desk.tick(1)
        assert [bead.outcome for bead in desk.bodies(IbkrSession)[before:]] == ["DEGRADED", "RESTORED"]
        assert desk.desk.sessions.state is ReconnectState.CONNECTED

    asyncio.run(walk())


@shows("I10", "I19")
def test_what_the_log_refuses_twice_is_kept_and_no_beat_overtakes_it() -> None:
    """The disk is full when it is tried again, too: the word is still there; a beat that fell due waits behind it."""

    async def walk(times: int) -> None:
        store = FailingStore()
        desk = _desk(store, Ear(), [])
        await desk.start()
        desk.clock.advance(timedelta(seconds=40))
        before = desk.store.head().size
        store.appends_failing = times
        desk.broker.tell(ErrorSaid("m-1", desk.broker.session(), 9_999, "whatever that is"))
        for _ in range(3):
            await desk.tick(1)
        since = [bead.body for bead in desk.beads()[before:]]
        warned = [n for n, body in enumerate(since) if isinstance(body, Observation) and body.subject == "code 9999"]
        beats = [n for n, body in enumerate(since) if isinstance(body, Heartbeat)]
        assert len(warned) == 1 and beats and warned[0] < beats[0]

    for times in (1, 2):
        asyncio.run(walk(times))


@shows("I19")
def test_what_breaks_in_the_background_breaks_the_engine() -> None:
    """A broken promise while a picture is fetched is raised at the next step: an engine that is half there sends
    nothing."""

    async def walk() -> None:
        desk = _desk(FailingStore(), Ear(), [])
        await desk.start()
        _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
        broken = mock.patch.object(MockBroker, "snapshot", side_effect=AssertionError("a promise"))
        with broken, pytest.raises(AssertionError, match="a promise"):
            await desk.tick(10)

    asyncio.run(walk())


@shows("F60")
def test_a_commit_of_unknown_outcome_is_looked_for_before_anything_else() -> None:
    """The append landed and said UNKNOWN: the bead is found by its id, once, and the order goes out once."""

    async def walk() -> None:
        store, ear, raised = FailingStore(), Ear(), list[str]()
        desk = _desk(store, ear, raised)
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        store.failing = Fault.UNKNOWN
        await desk.tick()
        await desk.tick(1)
        assert raised == []
        assert len({bead.bead_id for bead in desk.beads()}) == len(desk.beads())
        entries = [ref for ref in desk.broker.truth.book if "." not in ref]
        assert len(entries) <= 1
        assert desk.state(intent) in (State.MANAGED, State.FILLED, State.STALLED, State.SUBMITTED)

    asyncio.run(walk())


@shows("I7", "I23")
def test_a_witness_that_knows_more_stops_entries() -> None:
    """A checkpoint that this log does not follow from: no entry leaves any more; a place that is full is told once."""

    async def walk() -> None:
        ear, raised, troubles = Ear(), list[str](), ["the place is full"] * 2

        def witness() -> str:
            if troubles:
                return troubles.pop()
            raise StoreFault(Fault.CORRUPT, "BEHIND to the checkpoint outside")

        desk = _desk(FailingStore(), ear, raised)
        desk.engine.checkpoint = witness
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        await desk.tick(1)
        assert desk.state(intent) is State.MANAGED
        assert [text for text in ear.heard if "place is full" in text] == ["the place is full"]
        assert raised == []
        second = await desk.propose(pair="GBPUSD")
        _ = desk.approve(second).unwrap()
        await desk.tick(1)
        third = await desk.propose()
        _ = desk.approve(third)
        await desk.tick(1)
        assert raised == ["latch"]
        assert desk.engine.run.exits_only
        assert desk.state(third) is not State.MANAGED

    asyncio.run(walk())


@shows("F61", "I23")
def test_a_last_look_that_the_log_refuses_sends_no_entry() -> None:
    """The log cannot be held: not one byte leaves, the engine lives on, and the entry is withheld at the next look."""

    async def walk() -> None:
        store, ear, raised = FailingStore(), Ear(), list[str]()
        desk = _desk(store, ear, raised)
        await desk.start()
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        store.looks_failing = 1
        await desk.tick(1)
        assert raised == ["latch"]
        assert desk.sent == 0
        assert desk.state(intent) is State.CANCELLED

    asyncio.run(walk())


@shows("I23")
def test_an_outage_of_the_log_lets_nothing_pile_up() -> None:
    """For forty minutes the disk takes nothing, while a proposal ages, quotes grow old and an alert has been told:
    nobody is told again, what waits is what was heard, and afterwards what became due is done."""

    async def walk() -> None:
        store, ear = FailingStore(), Ear()
        desk = _desk(store, ear, [])
        await desk.start()
        intent = await desk.propose()
        store.failing = Fault.FULL
        await desk.tick(60)
        heard = list(ear.heard)
        assert any("An intent waits" in text for text in heard)
        for _ in range(40):
            await desk.tick(60)
        assert ear.heard == heard
        assert {type(command) for command in list(desk.engine._unrecorded)[1:]} == {Said}
        store.failing = None
        await desk.tick(1)
        await desk.tick(1)
        assert not desk.engine._unrecorded
        assert desk.state(intent) is State.CANCELLED

    asyncio.run(walk())


@shows("L1", "F24", "X1", "I23")
def test_a_hold_that_breaks_after_the_hand_over_sends_nothing_twice() -> None:
    """The close is on its way when the hold breaks, and nobody has said yet that it left: it is handed over once."""

    async def walk() -> None:
        store, ear, raised = FailingStore(), Ear(), list[str]()
        desk = _desk(store, ear, raised)
        await desk.start()
        intent = await desk.enter()
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        store.ends_failing = True
        broker, really = type(desk.broker), type(desk.broker).hand_over
        silence = mock.patch.object(broker, "drain", return_value=())
        with silence, mock.patch.object(broker, "hand_over", autospec=True, side_effect=really) as handed:
            for _ in range(3):
                await desk.engine.step()
        assert raised == ["latch"]
        assert handed.call_count == 1
        store.ends_failing = False
        await desk.tick(1)
        assert desk.state(intent) is State.CLOSED

    asyncio.run(walk())


@shows("L1", "F21", "F24", "X1")
def test_an_exit_of_an_earlier_run_is_not_sent_by_one_whose_log_takes_nothing() -> None:
    """Stop and target were recorded when the process died. The next one cannot record that nobody knows what left: it
    hands nothing over, though its last look would let exits go; and when it can, it records that."""

    async def walk() -> None:
        store = FailingStore()
        desk = _desk(store, Ear(), [])
        await desk.start()
        intent = await desk.enter()
        await desk.tick(3)
        for _ in range(2):  # once it is placed again by itself
            for working in tuple(w for w in desk.broker.truth.book.values() if not w.ends):
                desk.broker._end(working, BrokerStatus.CANCELLED, "by hand")
            await desk.tick(3)
        _ = desk.sign(Protect(position_id_of(intent), stop=Price(Decimal("1.0815")))).unwrap()
        _ = desk.engine.recorder.catch_up()
        for command in due(desk.desk, desk.clock.now()):
            _ = desk.engine.recorder.act(command)
        ((key, owed),) = desk.desk.owed.of(SendOrder).items()
        later = restarted(desk, "run-2")
        _ = (await later.engine.start()).unwrap()
        store.failing = Fault.FULL
        broker, really = type(desk.broker), type(desk.broker).hand_over
        with mock.patch.object(broker, "hand_over", autospec=True, side_effect=really) as handed:
            await later.watch(5, 1)
            assert key in later.desk.owed and later.engine.link.up
            store.failing = None
            await later.watch(5, 1)
        sent = {frame.ref for call in handed.call_args_list for frame in call.args[1].frames}
        assert key not in later.desk.owed and not sent & {frame.ref for frame in owed.frames}
        unknown = [order.ref for order in later.bodies(Order) if order.event is OrderEvent.UNKNOWN]
        assert {frame.ref for frame in owed.frames} <= set(unknown)

    asyncio.run(walk())


@shows("X1", "I23")
def test_an_exit_that_the_log_held_up_is_sent_when_it_can_be_held_again() -> None:
    """A close meets a log that cannot be held, three times: entries stop, and the close leaves once it can."""

    async def walk() -> None:
        store, ear, raised = FailingStore(), Ear(), list[str]()
        desk = _desk(store, ear, raised)
        await desk.start()
        intent = await desk.enter()
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        store.looks_failing = 3
        await desk.tick(1)
        await desk.tick(1)
        assert raised == ["latch"]
        assert desk.state(intent) is State.CLOSED

    asyncio.run(walk())


@shows("F60")
def test_a_log_that_takes_nothing_does_not_hammer_the_gateway() -> None:
    """The log paces reconnects; while it cannot be written, they are as far apart as the last wait, and do not end.
    When it takes them, they were more than three: a human grants the next ones."""

    async def walk() -> None:
        store, tried = FailingStore(), list[timedelta]()
        desk = _desk(store, Ear(), [])
        await desk.start()

        async def refused(broker: MockBroker) -> bool:
            tried.append(broker.clock.now().ticks)
            return False

        desk.broker.cut()
        await desk.tick(0.1)
        store.failing = Fault.FULL  # that the link was lost is the last thing that it took
        with mock.patch.object(MockBroker, "connect", refused):
            await desk.watch(250, 1)
        assert len(tried) > len(BACKOFF), "it goes on trying"
        assert min(later - sooner for sooner, later in pairwise(tried)) >= BACKOFF[-1]
        store.failing = None
        await desk.watch(120, 1)
        assert desk.desk.sessions.awaits_a_human and not desk.engine.link.up
        _ = desk.sign(Resume()).unwrap()
        await desk.watch(3, 1)
        assert desk.engine.link.up

    asyncio.run(walk())
