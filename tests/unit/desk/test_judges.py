"""Short days of a whole desk, each told once and judged by every checker after every step.

The machine draws what happens; these stories go where it rarely comes: corrections and borrowed references, drift that
is answered in each way, flags of each kind that come down, signatures that race, tokens that die, ends that are proven,
protection that goes in part or is lost, a market and a day that end, an account that sizes orders.
Each bug that is planted in tests/bite/breakages.toml against them turns a judge red in one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Final
from unittest import mock

import pytest
from attrs import Factory, define, evolve
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Fill, Lose, Partial, Reject, Silence
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.acts.propose import Assemble
from phoenix_core.beads import About, KillKind, Limits, Policy, Resolution, Verdict
from phoenix_core.facts import BrokerStatus, Snapshot
from phoenix_core.gate.statements import (
    ClearKill,
    Close,
    Decide,
    Protect,
    RefreshAnchor,
    ResolveDrift,
    ResolveStalled,
    Says,
    StalledEnd,
)
from phoenix_core.trade.positions import position_id_of
from phoenix_core.values import Money, Price, Quantity, Regime, Role, Side, State, derived_id
from tests.keyring import software_pen
from tests.showing import shows
from tests.stage import PAIR, Pen, restarted, stage
from tests.unit.desk.checkers import CHECKERS, i6_rebuild
from tests.unit.desk.seen import Attempt, Seen, WatchedStore
from tests.unit.desk.test_promises import OTHER, Walk
from tests.unit.desk.walks import WORDS, filled, ref_of, said_of

FOUR_EYES: Final = Policy(limits=Limits(), four_eyes=True)


@define
class Day(Walk):
    """A walk that every judge looks at after every step."""

    latch: bool | None = False
    quoting: bool = True
    refused: list[str] = Factory(list)

    def is_latched(self) -> bool | None:
        """The halt file."""
        return self.latch

    async def go(self, seconds: float = 0.5, every: float = 30.0) -> None:
        """Let time pass in steps, and let everybody look after each."""
        while seconds > 0:
            await self.desk.tick(min(every, seconds), self.quoting)
            seconds -= every
            self.look()

    def look(self) -> None:
        """Every judge."""
        self.seen.catch_up()
        for check in CHECKERS:
            check(self.seen, self.desk.desk)

    def sign(self, says: Says, pen: Pen | None = None) -> bool:
        """Sign, and hand in."""
        return self.hand_in(self.desk.signature(says, pen))

    def twice(self, says: Says) -> None:
        """Sign once, and hand in the same bytes once more, as a command of its own."""
        sign = self.desk.signature(says)
        _ = self.hand_in(sign)
        _ = self.hand_in(evolve(sign, command_id=self.desk.fresh()))

    def hand_in(self, sign: Sign) -> bool:
        """Hand in what was signed, and let everybody look."""
        before, result = self.desk.store.head().size, self.desk.act(sign)
        self.refused = [] if is_successful(result) else [reason.value for reason in result.failure().reasons]
        statement, key = sign.checked.statement.decode(), sign.checked.key
        self.seen.signed.append(Attempt(statement, key, before, self.desk.store.head().size))
        _ = self.desk.engine.recorder.catch_up()
        self.look()
        return not self.refused

    async def enter(self, **overrides: str) -> str:
        """Proposed, approved and handed over."""
        intent = await self.desk.propose(**overrides)
        self.look()
        assert self.sign(self.desk.screen(intent).says), self.refused
        await self.go()
        return intent

    async def again(self) -> None:
        """Another run of the engine."""
        self.runs += 1
        self.desk = restarted(self.desk, f"run-{self.runs}")
        self.desk.engine.latch = self.is_latched
        self.watch()
        self.desk.broker.cut()
        await self.desk.start()
        await self.go()

    async def pictured(self) -> None:
        """Somebody asks for a picture; it comes, and so do the looks after it."""
        _ = self.desk.act(Observe(self.desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
        await self.go(12, 1)

    def corrected(self, less: str) -> None:
        """The broker takes back a part of its last execution."""
        truth = self.desk.broker.truth
        said = truth.executions[-1]
        family, _, revision = said.exec_id.rpartition(".")
        name, quantity = f"{family}.{int(revision) + 1:02d}", said.quantity - Decimal(less)
        truth.executions[-1] = evolve(said, exec_id=name, quantity=Quantity(quantity))
        truth.held[said.symbol] -= said.side.sign * Decimal(less)
        self.desk.broker.tell(truth.executions[-1])

    def drift(self) -> str:
        """The one that is open about a holding."""
        (identity,) = (name for name, one in self.desk.desk.drifts.open.items() if one.cause == "size")
        return identity

    def held(self, intent: str) -> str:
        """The id of a position that holds something."""
        assert self.desk.state(intent) in (State.FILLED, State.MANAGED)
        return position_id_of(intent)


# --- the days ---------------------------------------------------------------------------------------------------------


async def an_ordinary_day(day: Day) -> None:
    """Entered, left in part, then whole; entered in part, and what is not filled in ninety seconds is cancelled; held
    over a restart, and left by its target."""
    first = await day.enter()
    await day.go(5)
    assert day.sign(Close(day.held(first), WORDS, Quantity(Decimal(1000))))
    await day.go(8, 0.5)
    assert day.sign(Close(day.held(first), WORDS))
    await day.go(8, 0.5)
    assert day.desk.state(first) is State.CLOSED
    day.desk.broker.script(Partial(Decimal("0.5")), Fill(timedelta(seconds=3)))
    second = await day.enter()
    third = await day.enter(**OTHER)
    await day.go(100, 5)
    await day.again()
    assert day.desk.state(second) is day.desk.state(third) is State.MANAGED
    day.desk.price("1.2761", "1.2762", "GBPUSD")
    await day.go(5)
    assert day.desk.state(third) is State.CLOSED


async def executions_of_every_kind(day: Day) -> None:
    """Told twice, corrected down and to nothing, one too many, under a borrowed reference, of another account, after
    the end; an order that works after its end."""
    intent = await day.enter()
    await day.go(3)
    ref, broker = ref_of(day.desk, intent), day.desk.broker
    broker.tell(*broker.truth.executions, *broker.truth.executions)
    await day.go(1)
    day.corrected("1000")
    await day.go(5)
    borrowed = filled(day.desk, ref, "100", exec_id="borrowed.1.01")
    broker.tell(evolve(borrowed, symbol="AAPL"), evolve(borrowed, side=Side.SELL, exec_id="borrowed.2.01"))
    broker.tell(evolve(borrowed, account="b" * 64, exec_id="theirs.1.01"))
    await day.go(2)
    broker.tell(filled(day.desk, ref, "3000", exec_id="more.1.01"), filled(day.desk, ref, "0", exec_id="more.1.02"))
    await day.go(5)
    assert day.sign(Close(day.held(intent), WORDS))
    await day.go(8, 0.5)
    broker.tell(filled(day.desk, ref, "100", exec_id="late.1.01"), said_of(day.desk, ref, BrokerStatus.SUBMITTED))
    await day.go(2)
    broker.tell(filled(day.desk, ref, "100", exec_id="late.2.01"), filled(day.desk, ref, "50", exec_id="late.1.02"))
    await day.go(2)


async def a_bust(day: Day) -> None:
    """All that was entered is taken back."""
    intent = await day.enter()
    await day.go(3)
    day.corrected(str(day.desk.broker.truth.executions[-1].quantity))
    await day.go(5)
    assert day.desk.state(intent) in (State.CLOSED, State.MANAGED)


async def drift_that_is_answered(day: Day) -> None:
    """Acknowledged, and grown; said to be the broker's, and proven by a picture; attributed; and none where none is."""
    desk = day.desk
    intent = await day.enter()
    await day.go(5)
    await day.pictured()
    assert not desk.desk.drifts.open
    held = desk.broker.truth.held[PAIR]
    desk.broker.spoof(PAIR, held + 5000)
    await day.pictured()
    assert day.sign(ResolveDrift(day.drift(), Resolution.ACKNOWLEDGED, WORDS))
    await day.go(1)
    await day.pictured()
    desk.broker.spoof(PAIR, held + 9000)
    await day.pictured()
    assert day.sign(ResolveDrift(day.drift(), Resolution.ACKNOWLEDGED, WORDS))
    await day.go(1)
    assert day.sign(ResolveDrift(day.drift(), Resolution.BROKER_CORRECTED, WORDS))
    await day.pictured()
    desk.broker.spoof(PAIR, None)
    await day.pictured()
    assert not desk.desk.drifts.open and not desk.desk.kill_flags.standing
    desk.broker.spoof(PAIR, held - 4000)
    await day.pictured()
    stated = ResolveDrift(
        day.drift(), Resolution.PHOENIX_CORRECTED, WORDS, "by.hand.01", Quantity(Decimal(4000)), Price(Decimal("1.09"))
    )
    assert day.sign(stated)
    await day.go(1)
    await day.pictured()
    assert desk.state(intent) is State.MANAGED
    for symbol, quantity in (("GBPUSD", 7000), ("AAPL", -7)):
        desk.broker.spoof(symbol, Decimal(quantity))
    await day.pictured()


async def pictures_that_are_torn(day: Day) -> None:
    """Some of the session before, some that were cut, each with what is held left out; then whole again."""
    intent = await day.enter()
    await day.go(5)
    real = MockBroker.snapshot

    async def torn(broker: MockBroker) -> Snapshot:
        return evolve(await real(broker), complete=False, missing=("positions",), positions=(), orders=())

    async def old(broker: MockBroker) -> Snapshot:
        picture = await real(broker)
        return evolve(picture, session=picture.session - 1, positions=())

    for wrong in (old, torn):
        with mock.patch.object(MockBroker, "snapshot", wrong):
            await day.pictured()
            await day.pictured()
        assert day.desk.desk.observations.unknown_streak >= 3
        await day.go(70, 10)
    assert day.desk.desk.observations.unknown_streak == 0 and day.held(intent)


async def a_broker_that_falls_silent(day: Day) -> None:
    """No beat while nobody answers and nobody says that the link is down; then it is cut, and beats say so."""
    await day.go(40, 10)
    day.desk.broker.mute(True)
    await day.go(100, 10)
    day.desk.broker.mute(False)
    day.desk.broker.refuse_connects(5)
    day.desk.broker.cut()
    await day.go(100, 10)
    day.desk.broker.refuse_connects(0)
    await day.go(60, 10)


async def flags_that_come_down(day: Day) -> None:
    """A human's by a signature; that of a stale context by time and a fresh look together; and the halt file."""
    desk = day.desk
    for scope, kind in (("desk", KillKind.ONE_WAY), ("instrument:EURUSD", KillKind.SIGNALMAN)):
        _ = desk.act(RaiseKill(desk.fresh(), scope, "test", "operator", kind)).unwrap()
        await day.go()
    for flag in tuple(desk.desk.kill_flags.standing):
        assert day.sign(ClearKill(flag, WORDS))
        await day.go()
    stale = await desk.propose()
    await day.go(15 * 60 + 5, 60)
    assert not day.sign(desk.screen(stale).says)
    await day.go()
    (flag,) = desk.desk.kill_flags.standing
    assert not day.sign(ClearKill(flag, WORDS))
    await day.go(60)
    assert day.sign(RefreshAnchor("*", "4f1d", Regime.DEFAULT))
    await day.go(60)
    assert flag in desk.desk.kill_flags.standing
    await day.go(4 * 60, 60)
    assert not desk.desk.kill_flags.standing
    assert day.sign(RefreshAnchor("*", "4f1d", Regime.DEFAULT))
    for latch in (None, True):
        intent = await desk.propose()
        assert day.sign(desk.screen(intent).says)
        day.latch = latch
        await day.go(2)
        day.latch = False
    assert not day.seen.entries
    _ = await day.enter()
    assert day.seen.entries


async def a_flag_that_time_alone_brings_down(day: Day) -> None:
    """It does not: nobody looked at the context."""
    stale = await day.desk.propose()
    await day.go(15 * 60 + 5, 60)
    assert not day.sign(day.desk.screen(stale).says)
    await day.go(12 * 60, 60)
    assert day.desk.desk.kill_flags.standing


async def signatures_that_race(day: Day) -> None:
    """Two approve at once; one rejects what another approved; one approves what was rejected; the same bytes twice; a
    stranger; whoever proposed it."""
    desk = day.desk
    first = await desk.propose()
    says = desk.screen(first).says
    one, two = desk.signature(says), desk.signature(says)
    assert [day.hand_in(sign) for sign in (one, two)] == [True, False]
    assert day.sign(Decide(Verdict.REJECT, first, 0))
    await day.go()
    second = await desk.propose(**OTHER)
    assert not day.sign(desk.screen(second).says, software_pen("a stranger"))
    shown = desk.screen(second).says
    assert day.sign(Decide(Verdict.REJECT, second, 0))
    assert not day.sign(shown)
    await day.go()
    third = await desk.propose()
    day.twice(desk.screen(third).says)
    await day.go()
    day.twice(RefreshAnchor("*", "4f1d", Regime.DEFAULT))
    await day.go()


async def four_eyes(day: Day) -> None:
    """Who proposed it may reject it, and not approve it."""
    _ = day.desk.act(proposal_of("", day.desk.signal(), "operator")).unwrap()
    intent = derived_id("test-intent", str(day.desk.count))
    await day.go()
    assert not day.sign(day.desk.screen(intent).says)
    await day.go()


async def ends_that_are_proven(day: Day) -> None:
    """Rejected; silent, and working after all; cancelled by the broker before anything was filled, while no picture
    comes; lost on its way; ended by hand."""
    desk, broker = day.desk, day.desk.broker
    broker.script(Reject(), Silence(), Silence(), Lose(), Silence())
    rejected = await day.enter()
    await day.go(20, 2)
    assert desk.state(rejected) is State.REJECTED
    silent = await day.enter()
    await day.go(70, 5)
    assert desk.state(silent) is State.STALLED or desk.state(silent) is State.SUBMITTED
    await day.go(60, 5)
    cancelled = await day.enter(**OTHER)
    entry = broker.truth.book[ref_of(desk, cancelled)]
    for working in (entry, *broker.truth.children(entry)):
        broker._end(working, BrokerStatus.CANCELLED, "by itself")
    await day.go(0.5)
    await day.go(20, 2)
    assert desk.state(cancelled) is State.CANCELLED
    lost = await day.enter(**OTHER)
    await day.go(20, 2)
    assert desk.state(lost) is State.CANCELLED


async def a_stall_that_is_answered(day: Day) -> None:
    """What nobody answers is resolved by hand, once two pictures show nothing of it."""
    day.desk.broker.script(Silence())
    intent = await day.enter()
    del day.desk.broker.truth.book[ref_of(day.desk, intent)]
    await day.go(70, 5)
    assert day.desk.state(intent) is State.STALLED
    gone = ResolveStalled(position_id_of(intent), StalledEnd.CANCELLED, WORDS)
    assert day.sign(gone)
    await day.go(2)
    assert day.desk.state(intent) is State.STALLED
    await day.pictured()
    await day.go(40, 5)
    await day.pictured()
    assert day.sign(gone)
    await day.go(2)
    assert day.desk.state(intent) is State.CANCELLED


async def a_fill_that_was_stated(day: Day) -> None:
    """A human states what the broker's papers show; the execution itself comes later, in two parts."""
    day.desk.broker.script(Silence())
    intent = await day.enter(quantity="30000")
    day.desk.broker.truth.book.clear()
    await day.go(70, 5)
    assert day.desk.state(intent) is State.STALLED
    ref, price = ref_of(day.desk, intent), Price(Decimal("1.0851"))
    stated = ResolveStalled(
        position_id_of(intent), StalledEnd.FILLED, WORDS, Quantity(Decimal(30000)), price, "statement 7"
    )
    assert day.sign(stated)
    await day.go(2)
    for part, name in (("10000", "part.1.01"), ("20000", "part.2.01")):
        day.desk.broker.tell(filled(day.desk, ref, part, exec_id=name))
        await day.go(2)
    (position,) = day.desk.desk.positions.open.values()
    assert position.filled_quantity == 30000


async def an_end_and_an_older_picture(day: Day) -> None:
    """A picture that had begun before the broker ended an order says nothing of what it executed last."""
    day.desk.broker.script(Silence())
    intent = await day.enter()
    old = evolve(await day.desk.broker.snapshot(), orders=())
    await day.go(5)
    day.seen.told.append((day.desk.store.head().size, old))
    day.desk.broker.tell(said_of(day.desk, ref_of(day.desk, intent), BrokerStatus.CANCELLED), old)
    await day.go(2)


async def tokens_that_die(day: Day) -> None:
    """By time, before a link that does not answer; by another run; by a kill; and evidence is not made anew under
    them."""
    desk = day.desk
    for way in ("time", "run", "kill"):
        intent = await day.desk.propose()
        day.desk.broker.mute(True)
        await day.go(4, 1)
        assert day.sign(day.desk.screen(intent).says)
        _ = day.desk.engine.recorder.act(Assemble(day.desk.fresh(), intent))
        await day.go(2, 1)
        if way == "time":
            await day.go(5 * 60 + 10, 30)
        elif way == "run":
            day.desk.broker.mute(False)
            await day.again()
        else:
            _ = day.desk.act(RaiseKill(day.desk.fresh(), f"instrument:{PAIR}", "test", "operator")).unwrap()
            await day.go(2)
        day.desk.broker.mute(False)
        await day.go(12, 1)
        assert day.desk.state(intent) is State.CANCELLED, way
    assert not day.seen.entries
    assert desk.store is day.desk.store


async def an_old_quote(day: Day) -> None:
    """The market says nothing new for a while, and nothing leaves on what it said."""
    intent = await day.desk.propose()
    assert day.sign(day.desk.screen(intent).says)
    day.quoting = False
    await day.go(3)
    await day.go(3)
    assert not day.seen.entries


async def a_target_in_part(day: Day) -> None:
    """The target lets a part go, and what is left is left at the stop, which by then is of its size."""
    intent = await day.enter()
    await day.go(5)
    broker, ref = day.desk.broker, ref_of(day.desk, intent)
    broker._execute(broker.truth.book[f"{ref}.T1"], Decimal(40_000))
    await day.go(5, 1)
    assert {w.remaining for w in broker.truth.book.values() if not w.ends} == {broker.truth.held[PAIR]}
    day.desk.price("1.0818", "1.0819")
    await day.go(5, 1)
    assert day.desk.state(intent) is State.CLOSED and not broker.truth.held[PAIR]


async def protection_that_is_lost(day: Day) -> None:
    """Placed again once, when a whole picture shows that it is gone; then only by a human's word, at another price."""
    intent = await day.enter()
    await day.go(5)
    broker = day.desk.broker
    for times in (1, 2):
        for working in tuple(w for w in broker.truth.book.values() if not w.ends):
            broker._end(working, BrokerStatus.CANCELLED, "by hand")
        await day.go(40, 2)
        assert bool([w for w in broker.truth.book.values() if not w.ends]) is (times == 1)
    assert day.sign(Protect(day.held(intent), stop=Price(Decimal("1.0815"))))
    await day.go(10, 1)
    (stop,) = (w for w in broker.truth.book.values() if not w.ends and w.frame.line.role is Role.STOP)
    assert stop.frame.line.trigger == Decimal("1.0815")
    await day.go(70, 5)
    broker._execute(next(w for w in broker.truth.book.values() if not w.ends and w is not stop), Decimal(40_000))
    await day.go(10, 1)
    assert stop.remaining == broker.truth.held[PAIR]


async def a_day_that_ends(day: Day) -> None:
    """A position is held over the close and over midnight; an order that nobody answered is ended by the broker after
    it, and what the broker tells of that day no longer proves that it executed nothing."""
    held = await day.enter()
    day.desk.broker.script(Silence())
    silent = await day.enter(**OTHER)
    ref = ref_of(day.desk, silent)
    for name in [name for name in day.desk.broker.truth.book if name.startswith(ref)]:
        del day.desk.broker.truth.book[name]
    await day.go(10 * 3600 + 20 * 60, 3600)
    assert day.desk.state(held) is State.MANAGED
    day.desk.broker.tell(said_of(day.desk, ref, BrokerStatus.CANCELLED))
    await day.go(180, 30)
    assert day.desk.state(silent) is State.STALLED


async def a_market_that_closes(day: Day) -> None:
    """Approved four minutes before the close, and in the pause after it: nothing leaves. After the pause it does."""
    for wait, leaves in ((2 * 3600 + 56 * 60, 0), (10 * 60, 0), (12 * 60, 1)):
        await day.go(wait, 1800)
        assert day.sign(RefreshAnchor("*", "4f1d", Regime.DEFAULT))
        intent = await day.desk.propose()
        assert day.sign(day.desk.screen(intent).says)
        await day.go(4, 2)
        assert len(day.seen.entries) == leaves


async def an_account_that_shrinks(day: Day) -> None:
    """What the account is worth by the last picture sizes the next order, and a stated size is taken as it is."""
    for equity in ("100000", "20000.55", "12345.67"):
        day.desk.broker.equity = Money(Decimal(equity))
        await day.pictured()
        _ = await day.desk.propose()
        _ = await day.desk.propose(**OTHER, quantity="25000")
        day.look()


Story = Callable[[Day], Coroutine[object, object, None]]
STORIES: Final[tuple[Story, ...]] = (
    *(an_ordinary_day, executions_of_every_kind, a_bust, drift_that_is_answered, pictures_that_are_torn),
    *(a_broker_that_falls_silent, flags_that_come_down),
    *(a_flag_that_time_alone_brings_down, signatures_that_race, four_eyes, ends_that_are_proven),
    *(a_stall_that_is_answered, a_fill_that_was_stated, an_end_and_an_older_picture, tokens_that_die, an_old_quote),
    *(a_target_in_part, protection_that_is_lost, a_day_that_ends, a_market_that_closes),
    an_account_that_shrinks,
)


@shows("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14", "I15", "I16")
@shows("I19", "I22", "X1", "X2", "X3", "X4")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_judge_passes(story: Story) -> None:
    """After every step of it."""
    day = asyncio.run(told(story, WatchedStore()))
    i6_rebuild(day.seen, day.desk.desk)


async def told(story: Story, store: WatchedStore) -> Day:
    """A desk on this log that lived through the story, before every judge."""
    day = Day(stage(store, policy=FOUR_EYES), Seen(store), [])
    day.desk.engine.latch = day.is_latched
    day.watch()
    await day.desk.start()
    await story(day)
    day.look()
    return day
