"""The broker of the simulation: the mock one with its socket watched, and with a login and words that go wrong.

What it answers is noted for the judges as it really was, whatever the desk is told of it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

from attrs import evolve

from phoenix_adapters.brokers.ibkr.translate import Accounts
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.working import Working
from phoenix_cli.wiring.sim.frames import Frames
from phoenix_cli.wiring.sim.mishaps import Crash
from phoenix_core.facts import (
    BrokerStatus,
    CommissionSaid,
    ErrorSaid,
    ExecutionSaid,
    Fact,
    FrameSaid,
    LinkEvent,
    LinkSaid,
    OrderSaid,
    Snapshot,
)
from phoenix_core.kernel import ClearedOrder
from phoenix_core.values import Account, Price, Quantity, Role, utc_text

ACCOUNT: Final = Account("5" * 64, "MOCK")
# What the broker's own messages say of the account, and no bead or message may repeat.
NUMBER: Final = "DU4711042"
OVER: Final = (BrokerStatus.FILLED, BrokerStatus.CANCELLED)
STRANGER: Final = Account("6" * 64, "MOCK-2")


class WatchedBroker(MockBroker):
    """The mock broker, its socket watched; its words may come twice, in another order, or in part."""

    frames: Frames
    jumbles: Random | None = None
    mum_on_costs: bool = False
    dies: str = ""
    blur: str = ""  # how the next pictures are less than whole
    reuses_ids: bool = False
    apart: timedelta = timedelta(0)  # the broker's clock minus ours
    twins: dict[str, int]  # reference -> the permanent id of the second order that answers to it
    logins: tuple[Account, ...] = (ACCOUNT,)
    numbers: Accounts

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Write down, then take."""
        dies, self.dies = self.dies, ""
        if dies == "before":
            raise Crash("before a hand-over")
        self.frames.handed(cleared)
        super().hand_over(cleared)
        if dies == "after":
            raise Crash("after a hand-over")

    async def connect(self) -> bool:
        """Open a session; that it opened is an answer."""
        opened = await super().connect()
        if opened:
            self.frames.ledger.wire.answered = self.clock.now().ticks
        return opened

    async def round_trip(self) -> bool:
        """Note when the question was asked that was answered."""
        began = self.clock.now().ticks
        answered = await super().round_trip()
        if answered:
            self.frames.ledger.wire.answered = began
        return answered

    async def snapshot(self) -> Snapshot:
        """Note whether the picture is whole."""
        picture = await super().snapshot()
        whole = picture.complete and self._up and not self._mute and not self.blur
        if self.blur == "parts":
            picture = evolve(picture, complete=False, executions=(), positions=(), missing=("executions", "positions"))
        elif self.blur == "before":
            picture = evolve(picture, session=picture.session - 1)
        key = (picture.session, utc_text(picture.began.wall))
        pictures = self.frames.ledger.wire.pictures
        pictures[key] = pictures.get(key, False) or whole
        wire = self.frames.ledger.wire
        wire.torn = 0 if whole else wire.torn + 1
        return picture

    def drain(self) -> tuple[Fact, ...]:
        """What was said by now, as this connection garbles it."""
        facts = list(super().drain())
        wire = self.frames.ledger.wire
        for fact in facts:
            if isinstance(fact, LinkSaid):
                wire.synchronised = fact.event is LinkEvent.SYNCHRONISED
        if not facts:
            return ()
        if self.mum_on_costs:
            facts = [fact for fact in facts if not isinstance(fact, CommissionSaid)]
        if self.jumbles is not None:
            said = [n for n, fact in enumerate(facts) if isinstance(fact, OrderSaid | ExecutionSaid | CommissionSaid)]
            mixed = self.jumbles.sample(said, len(said))
            facts = [facts[mixed[said.index(n)]] if n in said else fact for n, fact in enumerate(facts)]
            facts += [facts[n] for n in said if self.jumbles.random() < 0.2]
        if self.reuses_ids:
            facts = [
                evolve(fact, order_id=1 + fact.order_id % 4) if isinstance(fact, OrderSaid | FrameSaid) else fact
                for fact in facts
            ]
        facts += [
            evolve(fact, perm_id=self.twins[fact.ref])
            for fact in facts
            if isinstance(fact, OrderSaid) and fact.ref in self.twins and (fact.completed or fact.status in OVER)
        ]
        facts = [self._masked(fact) for fact in facts]
        wire.heard += len(facts)
        return tuple(facts)

    def _masked(self, fact: Fact) -> Fact:
        """A fact as the translator of the real gateway's words would let it through."""
        if isinstance(fact, ErrorSaid) and NUMBER in fact.text:
            return evolve(fact, text=self.numbers.masked(fact.text))
        if isinstance(fact, LinkSaid) and fact.detail:
            return evolve(fact, detail=self.numbers.masked(f"{fact.detail}: {NUMBER}"))
        if isinstance(fact, FrameSaid) and not fact.sent:
            return evolve(fact, reason=self.numbers.masked(f"{fact.reason} for {NUMBER}"))
        return fact

    def cancel(self, ref: str) -> None:
        """Write down, then cancel."""
        self.frames.cancelled(ref)
        super().cancel(ref)

    def skew(self) -> timedelta:
        """How far its clock is from ours."""
        return self.apart

    def accounts(self) -> tuple[Account, ...]:
        """What this login shows."""
        return self.logins if self._up else ()

    def fill_late(self, random: Random) -> bool:
        """An order that was told to have been cancelled, or refused, turns out to have been filled."""
        over = (BrokerStatus.CANCELLED, BrokerStatus.INACTIVE)
        ended = [w for w in self.truth.book.values() if w.ends and w.status in over and w.remaining > 0]
        entries = [w for w in ended if w.frame.line.role is Role.ENTRY]
        if ended:
            self._execute(random.choice(entries or ended), Decimal(1000))
        return bool(ended)

    def overfill(self, random: Random) -> bool:
        """More is executed than was ordered."""
        full = [w for w in self.truth.book.values() if w.status is BrokerStatus.FILLED and "." not in w.frame.ref]
        if full:
            self._execute(random.choice(full), Decimal(1))
        return bool(full)

    def correct(self, random: Random) -> bool:
        """An execution is replaced by a smaller one, or by none."""
        family = {e.exec_id.rpartition(".")[0]: e for e in self.truth.executions if "." not in e.ref}
        if not family:
            return False
        was = random.choice(tuple(family.values()))
        name, _, revision = was.exec_id.rpartition(".")
        quantity = Quantity(random.choice((Decimal(0), was.quantity - min(was.quantity, Decimal(1000)))))
        said = evolve(was, message=self._message(), exec_id=f"{name}.{int(revision) + 1:02d}", quantity=quantity)
        change = was.side.sign * (quantity - was.quantity)
        self.truth.held[was.symbol] = self.truth.held.get(was.symbol, Decimal(0)) + change
        self.truth.executions.append(said)
        self.tell(said)
        return True

    def repeat(self, random: Random) -> bool:
        """An old execution is told once more."""
        if self.truth.executions:
            self.tell(random.choice(self.truth.executions))
        return bool(self.truth.executions)

    def double(self, random: Random) -> bool:
        """A second order answers to a reference of ours, and ends beside the first."""
        working = [w for w in self.truth.book.values() if not w.ends]
        if working:
            said = evolve(self._order_said(random.choice(working)), perm_id=990_000 + random.randrange(1000))
            self.twins[said.ref] = said.perm_id
            self.tell(said)
        return bool(working)

    def strip(self, random: Random) -> bool:
        """Somebody ends a stop, or a whole protection, in the broker's own window, or moves the stop."""
        stops = [w for w in self.truth.book.values() if w.frame.line.role is Role.STOP and not w.ends]
        held = [w for w in stops if (entry := self.truth.entry_of(w)) is None or entry.filled > 0]
        if not held:
            return False
        stop = random.choice(held)
        line = stop.frame.line
        if random.random() < 0.7 or line.trigger is None:
            alone = random.random() < 0.5
            for working in tuple(self.truth.book.values()):
                if working is stop or (
                    not working.ends and not alone and working.group == stop.group and working.frame.line.role.is_exit
                ):
                    self._end(working, BrokerStatus.CANCELLED, "cancelled by hand")
            return True
        self.move_stop(stop)
        return True

    def move_stop(self, stop: Working) -> None:
        """Somebody moves a stop away from where it was signed for."""
        line = stop.frame.line
        assert line.trigger is not None, "a stop has a trigger"
        moved = Price(line.trigger - line.side.sign * Decimal("-0.0010"))
        stop.frame = evolve(stop.frame, line=evolve(line, trigger=moved))
        self.tell(self._order_said(stop))
