"""A state machine that drives the whole desk, and looks at every invariant after every step.

Commands, the broker's moods, clocks, a second writer and restarts come in any order; the engine, the kernel, the mock
broker, the store and the signatures are the production ones. Fates are scripted, so that the same draw is the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Final
from unittest import mock

from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Fate, Fill, Lose, Partial, Reject, Silence
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_core.acts.approve import Sign
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.beads import About, Limits, Policy, Resolution, Verdict
from phoenix_core.facts import BrokerStatus, Fact, Snapshot
from phoenix_core.gate.statements import ClearKill, Close, Decide, RefreshAnchor, ResolveDrift, Says
from phoenix_core.kernel import ClearedOrder
from phoenix_core.values import CommandId, Quantity, Regime, Role, Side, State, derived_id, text_hash
from tests.showing import shows
from tests.stage import Stage, restarted, stage
from tests.unit.desk.checkers import CHECKERS, i6_rebuild
from tests.unit.desk.seen import Attempt, HandOver, Seen, WatchedStore
from tests.unit.desk.walks import filled

WORDS: Final = text_hash("because")
GEOMETRY: Final = {
    "EURUSD": {"entry": "1.0850", "stop": "1.0820", "target": "1.0910"},
    "GBPUSD": {"entry": "1.2700", "stop": "1.2740", "target": "1.2600"},
    "AAPL": {"entry": "190.22", "stop": "188.22", "target": "195.22"},
}
FATES: Final[st.SearchStrategy[Fate]] = st.sampled_from(
    [
        Fill(),
        Fill(timedelta(seconds=3)),
        Partial(Decimal("0.5")),
        Partial(Decimal("0.3"), timedelta(seconds=2)),
        Reject(),
        Silence(False),
        Silence(True),
        Lose(),
    ]
)


class DeskMachine(RuleBasedStateMachine):
    """Everything that may happen to a desk, in any order."""

    intents = Bundle("intents")

    def __init__(self) -> None:
        """A fresh desk on its own clock and loop, with a witness at the socket."""
        super().__init__()
        self.runner = asyncio.Runner()
        store = WatchedStore()
        self.store = store
        self.seen = Seen(store)
        self.runs = 1
        self.interrupts: list[RaiseKill] = []
        self.latch: bool | None = False
        self.quoting = True
        self.more = 0
        honest, held, seen = MockBroker.hand_over, MemoryStore.hold, self.seen
        drain, cancel, snapshot = MockBroker.drain, MockBroker.cancel, MockBroker.snapshot
        answers = MockBroker.round_trip, MockBroker.connect

        def witnessed(broker: MockBroker, cleared: ClearedOrder) -> None:
            seen.handed.append(HandOver(cleared, store.head().size, self.stage.engine.world()))
            honest(broker, cleared)

        def told(broker: MockBroker) -> tuple[Fact, ...]:
            facts, size = drain(broker), store.head().size
            seen.told.extend((size, fact) for fact in facts)
            return facts

        async def shown(broker: MockBroker) -> Snapshot:
            picture = await snapshot(broker)
            seen.told.append((store.head().size, picture))
            return picture

        def answering(question: Callable[[MockBroker], Awaitable[bool]]) -> Callable[[MockBroker], Awaitable[bool]]:
            async def answered(broker: MockBroker) -> bool:
                when = store.head().size, broker.clock.now().wall
                yes = await question(broker)
                seen.answers += [when] if yes else []
                return yes

            return answered

        def asked(broker: MockBroker, ref: str) -> None:
            seen.cancels.append((store.head().size, ref))
            cancel(broker, ref)

        def interrupted(mine: MemoryStore) -> object:
            while mine is store and self.interrupts:
                _ = self.stage.act(self.interrupts.pop())
            return held(mine)

        self.patches = ExitStack()
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "hand_over", witnessed))
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "drain", told))
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "snapshot", shown))
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "cancel", asked))
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "round_trip", answering(answers[0])))
        _ = self.patches.enter_context(mock.patch.object(MockBroker, "connect", answering(answers[1])))
        _ = self.patches.enter_context(mock.patch.object(MemoryStore, "hold", interrupted))
        four_eyes = Policy(limits=Limits(), four_eyes=True)
        self.stage: Stage = stage(
            store, policy=four_eyes
        )  # here and not in a step: an example may be over before its first one

    def teardown(self) -> None:
        """At the end the log replays to exactly this desk."""
        try:
            _ = self.stage.engine.recorder.catch_up()
            self.seen.catch_up()
            i6_rebuild(self.seen, self.stage.desk)
        finally:
            self.patches.close()
            self.runner.close()

    # --- helpers ---

    def is_latched(self) -> bool | None:
        """The latch beside the log: up, down, or unreadable."""
        return self.latch

    def tick(self, seconds: float = 0.5) -> None:
        """Let the engine take its turns."""
        self.runner.run(self.stage.tick(seconds, self.quoting))

    def command(self) -> CommandId:
        """A command id that replays."""
        return CommandId(derived_id("machine", str(self.store.head().size)))

    def sign(self, says: Says) -> None:
        """Sign it as the operator does; whatever comes of it, the invariants hold."""
        _ = self.hand_in(self.stage.signature(says))
        self.tick()

    def hand_in(self, sign: Sign) -> bool:
        """Hand in what was signed, and note it."""
        before = self.store.head().size
        accepted = is_successful(self.stage.act(sign))
        statement, key = sign.checked.statement.decode(), sign.checked.key
        self.seen.signed.append(Attempt(statement, key, before, self.store.head().size))
        return accepted

    # --- rules ---

    @initialize()
    def begin(self) -> None:
        """Open the desk."""
        self.runner.run(self.stage.start())

    @rule(
        target=intents,
        pair=st.sampled_from(sorted(GEOMETRY)),
        strategy=st.sampled_from(["trend", "range"]),
        fate=FATES,
        who=st.sampled_from(["bot"] * 5 + ["operator"]),
    )
    def propose(self, pair: str, strategy: str, fate: Fate, who: str = "bot") -> str:
        """A bot hands a signal in, or a human who then may not approve it."""
        self.stage.broker.script(fate)
        data = self.stage.signal(pair=pair, strategy=strategy, **GEOMETRY[pair])
        _ = self.stage.act(proposal_of("", data, who))
        self.tick()
        return derived_id("test-intent", str(self.stage.count))

    @rule(pair=st.sampled_from(sorted(GEOMETRY)), fate=FATES)
    def enter(self, pair: str, fate: Fate) -> None:
        """Proposed and approved in one breath."""
        self.decide(self.propose(pair, "trend", fate), Verdict.APPROVE)

    @rule(pair=st.sampled_from(sorted(GEOMETRY)))
    def enter_and_fill(self, pair: str) -> None:
        """What happens on most days."""
        self.decide(self.propose(pair, "trend", Fill()), Verdict.APPROVE)

    @rule(intent=consumes(intents), verdict=st.sampled_from([Verdict.APPROVE] * 4 + [Verdict.REJECT]))
    def decide(self, intent: str, verdict: Verdict) -> None:
        """A human decides what the screen shows."""
        other = self.stage.other()
        _ = other.catch_up()
        shown = screen_of(other.desk, intent, self.stage.clock.now(), verdict)
        if isinstance(shown, Screen):
            self.sign(shown.says if verdict is Verdict.APPROVE else Decide(verdict, intent, 0))

    @rule(intent=consumes(intents))
    def approve_twice(self, intent: str) -> None:
        """Two people approve at the same instant: exactly one token."""
        other = self.stage.other()
        _ = other.catch_up()
        shown = screen_of(other.desk, intent, self.stage.clock.now())
        if isinstance(shown, Screen):
            first, second = self.stage.signature(shown.says), self.stage.signature(shown.says)
            assert sum(self.hand_in(each) for each in (first, second, evolve(first, command_id=self.command()))) <= 1
            self.tick()

    def held(self) -> list[str]:
        """The positions that hold something."""
        positions = self.stage.desk.positions
        return [p.position_id for state in (State.FILLED, State.MANAGED) for p in positions.in_state(state)]

    @precondition(lambda self: bool(self.held()))
    @rule(data=st.data(), quantity=st.sampled_from([None, None, Quantity(Decimal(100))]))
    def close(self, data: st.DataObject, quantity: Quantity | None) -> None:
        """A human closes a position, whole or in part."""
        self.sign(Close(data.draw(st.sampled_from(self.held())), WORDS, quantity))

    @precondition(lambda self: bool(self.held()))
    @rule(data=st.data(), role=st.sampled_from([Role.STOP, Role.TARGET]))
    def trigger(self, data: st.DataObject, role: Role) -> None:
        """The market touches an exit for a moment."""
        position = self.stage.desk.positions.open[data.draw(st.sampled_from(self.held()))]
        price = position.stop_price if role is Role.STOP else position.target_price
        was = self.stage.broker.quotes()[position.pair]
        self.stage.price(str(price), str(price), position.pair)
        self.stage.price(str(was.bid), str(was.ask), position.pair)
        self.tick()

    @rule(
        scope=st.sampled_from(["desk", "strategy:range", "instrument:EURUSD", "instrument:GBPUSD"]),
        cancel=st.booleans(),
        at_the_socket=st.booleans(),
    )
    def kill(self, scope: str, cancel: bool, at_the_socket: bool) -> None:
        """Somebody stops entries; sometimes between a record and its hand-over."""
        raised = RaiseKill(self.command(), scope, "test", "operator", cancel_working=cancel)
        if at_the_socket:
            self.interrupts.append(raised)
        else:
            _ = self.stage.act(raised)
            self.tick()

    @precondition(lambda self: bool(self.stage.desk.kill_flags.standing))
    @rule(data=st.data())
    def clear_kill(self, data: st.DataObject) -> None:
        """A human takes a flag down, if its kind allows that."""
        flag = data.draw(st.sampled_from(sorted(self.stage.desk.kill_flags.standing)))
        self.sign(ClearKill(flag, WORDS))

    @rule()
    def refresh(self) -> None:
        """A human looked at the context."""
        self.sign(RefreshAnchor("*", "4f1d", Regime.DEFAULT))

    @precondition(lambda self: bool(self.stage.desk.drifts.open))
    @rule(data=st.data(), as_=st.sampled_from(Resolution))
    def resolve(self, data: st.DataObject, as_: Resolution) -> None:
        """A human answers a drift."""
        identity = data.draw(st.sampled_from(sorted(self.stage.desk.drifts.open)))
        execution = "mock.1.01" if as_ is Resolution.PHOENIX_CORRECTED else None
        self.sign(ResolveDrift(identity, as_, WORDS, execution))

    @rule(seconds=st.sampled_from([0.5, 1, 3, 10, 31, 65, 95, 310]))
    def wait(self, seconds: float) -> None:
        """Time passes, or the host sleeps: both clocks count it."""
        self.tick(seconds)
        self.tick()

    @rule(seconds=st.sampled_from([-600, -3, -1, 1, 30]))
    def step_wall(self, seconds: int) -> None:
        """Somebody sets the wall clock."""
        self.stage.clock.step_wall(timedelta(seconds=seconds))
        self.tick()

    @rule(pair=st.sampled_from(["EURUSD", "AAPL"]), where=st.sampled_from(["stop", "target", "entry"]))
    def move(self, pair: str, where: str) -> None:
        """The market goes somewhere, through a stop perhaps."""
        mid = Decimal(GEOMETRY[pair][where]) + (Decimal("0.0002") if where == "target" else Decimal("-0.0002"))
        tick = self.stage.broker.cards[pair].tick
        self.stage.price(str(mid - tick), str(mid + tick), pair)
        self.tick()

    @rule()
    def cut(self) -> None:
        """The session is lost."""
        self.stage.broker.cut()
        self.tick()

    @rule(silent=st.booleans())
    def mute(self, silent: bool) -> None:
        """The link is half open: nothing comes out."""
        self.stage.broker.mute(silent)
        self.tick()

    @rule(side=st.sampled_from(Side))
    def trade_by_hand(self, side: Side) -> None:
        """A human trades past Phoenix."""
        self.stage.broker.trade_by_hand("AAPL", side, Quantity(Decimal(10)))
        self.tick()

    @rule()
    def resynchronise(self) -> None:
        """Everything is told again: every order, every execution."""
        _ = self.runner.run(self.stage.broker.resynchronise())
        self.tick()

    @precondition(lambda self: bool(self.stage.broker.truth.executions))
    @rule(data=st.data(), less=st.sampled_from([Decimal(1), Decimal(100), None]))
    def correct(self, data: st.DataObject, less: Decimal | None) -> None:
        """The exchange corrects an execution downwards, or busts it."""
        truth = self.stage.broker.truth
        place = data.draw(st.integers(0, len(truth.executions) - 1))
        said = truth.executions[place]
        family, _, revision = said.exec_id.rpartition(".")
        cut = said.quantity if less is None else min(less, said.quantity)
        now = evolve(said, exec_id=f"{family}.{int(revision) + 1:02d}", quantity=Quantity(said.quantity - cut))
        truth.executions[place] = now
        truth.held[said.symbol] = truth.held.get(said.symbol, Decimal(0)) - said.side.sign * cut
        self.stage.broker._inbox.append(now)
        self.tick()

    @precondition(lambda self: any(not w.ends for w in self.stage.broker.truth.book.values()))
    @rule(data=st.data(), role=st.sampled_from([Role.ENTRY, Role.STOP]))
    def broker_ends(self, data: st.DataObject, role: Role) -> None:
        """The broker cancels an order of ours by itself."""
        working = [w for w in self.stage.broker.truth.book.values() if not w.ends and w.frame.line.role is role]
        if working:
            self.stage.broker._end(data.draw(st.sampled_from(working)), BrokerStatus.CANCELLED, "by itself")
            self.tick()

    @precondition(lambda self: bool(self.stage.broker.truth.book))
    @rule(data=st.data())
    def works_again(self, data: st.DataObject) -> None:
        """The broker says that an order works, whatever it said before."""
        working = data.draw(st.sampled_from(list(self.stage.broker.truth.book.values())))
        said = self.stage.broker._order_said(working)
        self.stage.broker._inbox.append(evolve(said, status=BrokerStatus.SUBMITTED, completed=False))
        self.tick()

    @precondition(lambda self: bool(self.stage.broker.truth.book))
    @rule(data=st.data(), ours=st.booleans(), side=st.sampled_from(Side), pair=st.sampled_from([None, "AAPL"]))
    def another_execution(self, data: st.DataObject, ours: bool, side: Side, pair: str | None) -> None:
        """An execution under a reference of ours: one too many, of another account, or of something else."""
        working = data.draw(st.sampled_from(list(self.stage.broker.truth.book.values())))
        self.more += 1  # no two executions share a name, told or not
        name = f"more.{self.more}.01"
        more = filled(self.stage, working.frame.ref, "100", side, name)
        account = more.account if ours else "b" * 64
        self.stage.broker.tell(evolve(more, symbol=pair or working.frame.line.symbol, account=account))
        self.tick()

    @rule(latch=st.sampled_from([True, False, False, None]))
    def halt(self, latch: bool | None) -> None:
        """The halt file is there, is gone, or cannot be read."""
        self.latch = latch
        self.tick()

    @rule(quoting=st.booleans())
    def still(self, quoting: bool) -> None:
        """The market says nothing new, or goes on."""
        self.quoting = quoting
        self.tick()

    @rule()
    def another_writes(self) -> None:
        """Another process asks for a look, and the engine learns of it from the log alone."""
        _ = self.stage.act(Observe(self.command(), About.DEMAND, "operator", {}))
        self.tick()

    @rule()
    def restart(self) -> None:
        """The engine dies without a word, and another one starts."""
        self.runs += 1
        self.stage = restarted(self.stage, f"run-{self.runs}")
        self.stage.engine.latch = self.is_latched
        self.stage.broker.cut()
        self.runner.run(self.stage.start())

    # --- what must hold ---

    @invariant()
    def everything_holds(self) -> None:
        """Each checker, after each step."""
        if not hasattr(self, "stage"):
            return
        self.seen.catch_up()
        for check in CHECKERS:
            check(self.seen, self.stage.desk)
        if len(self.seen.beads) % 7 == 0:
            i6_rebuild(self.seen, self.stage.desk)


@shows(
    *("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I14", "I15", "I16", "I19"),
    *("I22", "X1", "X2", "X3", "X4"),
)
def test_whatever_happens_to_a_desk_every_invariant_holds() -> None:
    """In whatever order; in CI the same walks each time, elsewhere new ones."""
    calm = settings(
        max_examples=settings().max_examples // 3,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(DeskMachine, settings=calm)
