"""The chaos mock: a whole broker in memory, its every misfortune drawn from an injected random source.

It keeps a truth of its own (orders, executions, holdings) and tells it as brokers do: in facts, late, twice or never.
Nothing in it looks at Phoenix's log. `script` forces the fate of the next entry; `spoof` makes it lie about a holding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from random import Random

from attrs import Factory, define, evolve

from phoenix_adapters.brokers.mock.chaos import ChaosMode, Dawdle, Fate, Fill, Lose, Partial, Reject, Silence, draw
from phoenix_adapters.brokers.mock.market import MockMarket
from phoenix_adapters.brokers.mock.working import Truth, Working
from phoenix_core.facts import (
    BrokerStatus,
    CancelSaid,
    CommissionSaid,
    ErrorSaid,
    ExecutionSaid,
    Fact,
    FrameSaid,
    Held,
    LinkEvent,
    LinkSaid,
    Margin,
    OrderSaid,
    Quote,
    Snapshot,
)
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Frame, Line
from phoenix_core.ports import Clock
from phoenix_core.values import Account, Instrument, Money, OrderType, Price, Quantity, Role, Side, floor_to, times
from phoenix_core.watch.pacing import Wire, budget, has_room, taken

COMMISSION = Money(Decimal("2"))


@define
class MockBroker:
    """A broker that fills, fills in part, refuses, dawdles or stays silent, as its mode and its dice say."""

    clock: Clock
    account: Account
    cards: Mapping[str, Instrument]
    random: Random
    mode: ChaosMode = ChaosMode.INSTANT
    market: MockMarket | None = None
    equity: Money = Money(Decimal("100000"))
    currency: str = "USD"
    truth: Truth = Factory(Truth)
    remember: Callable[[Truth], None] = lambda truth: None
    groups_hold: bool = True
    tells_margin: bool = False
    _up: bool = False
    _messages: int = 0
    _inbox: deque[Fact] = Factory(deque)
    _later: list[tuple[timedelta, int, Fact | tuple[str, Decimal]]] = Factory(list)
    _quotes: dict[str, Quote] = Factory(dict)
    _fates: deque[Fate] = Factory(deque)
    _spoofed: dict[str, Decimal | None] = Factory(dict)
    _mute: bool = False
    _hushed: bool = False
    _refusing: int = 0
    _version: str = "mock"
    _wire: Wire = Factory(Wire)

    def set_mode(self, mode: ChaosMode) -> None:
        """Change how badly it behaves, from the next order on."""
        self.mode = mode

    def script(self, *fates: Fate) -> None:
        """Force the fates of the next entries, in order."""
        self._fates.extend(fates)

    def spoof(self, symbol: str, quantity: Decimal | None) -> None:
        """Report this holding whatever is true; None returns to the truth."""
        self._spoofed |= {symbol: quantity}

    def mute(self, silent: bool = True) -> None:
        """Let the link be half open: frames go in, nothing comes out."""
        self._mute = silent

    def hush(self, silent: bool = True) -> None:
        """Let the feed of orders and pictures die while the socket goes on answering."""
        self._hushed = silent

    def refuse_connects(self, times: int) -> None:
        """Be a gateway that is down for so many attempts."""
        self._refusing = times

    def update(self, version: str) -> None:
        """Be a gateway that comes back in another version."""
        self._version = version

    def cut(self) -> None:
        """Lose the session at once."""
        if self._up:
            self._up = False
            self._inbox.append(LinkSaid(LinkEvent.LOST, self.truth.session, detail="cut"))

    def tell(self, *facts: Fact) -> None:
        """Tell facts as the broker would: corrections, repeats, words out of turn."""
        self._inbox.extend(facts)

    def trade_by_hand(self, symbol: str, side: Side, quantity: Quantity) -> None:
        """A human trades past Phoenix, in another window."""
        self.truth.held[symbol] = self.truth.held.get(symbol, Decimal(0)) + side.sign * quantity

    def set_quote(self, symbol: str, bid: Price, ask: Price) -> None:
        """Move a market; whatever that triggers executes."""
        self._quotes[symbol] = Quote(symbol, bid, ask, self.clock.now())
        for working in tuple(self.truth.book.values()):
            waits = not working.ends and working.frame.line.order_type is not OrderType.MARKET
            if working.frame.line.symbol == symbol and waits and self._triggered(working):
                self._execute(working, working.remaining)

    # The port.
    async def connect(self) -> bool:
        """Open a session."""
        if self._refusing:
            self._refusing -= 1
            return False
        self.truth.session += 1
        self._up = True
        self._inbox.append(LinkSaid(LinkEvent.CONNECTED, self.truth.session, (self.account,), 0, self._version))
        return True

    async def answers(self) -> bool:
        """Whether it is there."""
        return not self._refusing

    async def disconnect(self) -> None:
        """Close the session."""
        self.cut()

    def drain(self) -> tuple[Fact, ...]:
        """Everything said by now."""
        for quote in self.market.due() if self.market is not None else ():
            self.set_quote(quote.symbol, quote.bid, quote.ask)
        now = self.clock.now().ticks
        due = sorted(entry for entry in self._later if entry[0] <= now) if self._later else []
        if due:
            self._later = [entry for entry in self._later if entry[0] > now]
        for _, _, what in due:
            if isinstance(what, tuple):
                ref, quantity = what
                working = self.truth.book.get(ref)
                if working is not None and not working.ends:
                    self._acknowledge(working)
                    self._execute(working, min(quantity, working.remaining))
            else:
                self._inbox.append(what)
        ours = LinkSaid | FrameSaid | CancelSaid  # what our own end of the wire says
        if self._hushed or not self._up:
            self._inbox = deque(f for f in self._inbox if isinstance(f, ours))
        if self._mute:
            said = tuple(f for f in self._inbox if isinstance(f, ours))
            self._inbox = deque(f for f in self._inbox if not isinstance(f, ours))
            return said
        facts = tuple(self._inbox)
        self._inbox.clear()
        if facts:
            self.remember(self.truth)
        return facts

    async def resynchronise(self) -> bool:
        """Tell every execution and every order again, then the end."""
        if self._mute or not self._up:
            return False
        self._inbox.extend(self.truth.executions)
        self._inbox.extend(self._order_said(working) for working in self.truth.book.values())
        self._inbox.append(LinkSaid(LinkEvent.SYNCHRONISED, self.truth.session, (self.account,), 0, "mock"))
        return True

    async def snapshot(self) -> Snapshot:
        """The whole picture, truthful but for what is spoofed."""
        now = self.clock.now()
        whole = self._up and not self._mute and not self._hushed
        held = self.truth.held | {symbol: told for symbol, told in self._spoofed.items() if told is not None}
        return Snapshot(
            session=self.truth.session,
            began=now,
            ended=now,
            complete=whole,
            positions=tuple(Held(s, q) for s, q in sorted(held.items()) if q != 0) if whole else (),
            orders=tuple(self._order_said(w) for w in self.truth.book.values() if not w.ends) if whole else (),
            executions=tuple(self.truth.executions) if whole else (),
            equity=self.equity if whole else None,
            currency=self.currency,
            missing=() if whole else ("positions", "orders", "executions"),
            account=self.account.tag,
        )

    async def round_trip(self) -> bool:
        """Whether it still answers."""
        return self._up and not self._mute

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Take the frames of one hand-over."""
        fate: Fate = Fill()
        if cleared.is_entry:
            fate = self._fates.popleft() if self._fates else draw(self.mode, self.random)
        now, count = self.clock.now().ticks, len(cleared.frames)
        if has_room(self._wire, now, count, count):
            self._wire = taken(self._wire, now, count, count)
        lost = isinstance(fate, Lose) or not self._up
        if isinstance(fate, Dawdle) and not lost:
            self._dawdle(cleared, now + fate.after)
            return
        for frame in cleared.frames:
            self.truth.ids += 1
            self._inbox.append(
                FrameSaid(frame.ref, frame.revision, not lost, self.truth.ids, "transport closed" if lost else "")
            )
        if lost:
            return
        for frame in cleared.frames:
            self._take(frame, cleared.group)
        if cleared.is_entry:
            self._meet(self.truth.book[cleared.ref], fate)
        else:
            for frame in cleared.frames:
                working = self.truth.book[frame.ref]
                self._acknowledge(working)
                if frame.line.order_type is OrderType.MARKET:
                    self._execute(working, working.remaining)

    def _dawdle(self, cleared: ClearedOrder, until: timedelta) -> None:
        """Take the frames and say nothing of it until then."""
        for frame in cleared.frames:
            self.truth.ids += 1
            self._later.append((until, self.truth.ids, FrameSaid(frame.ref, frame.revision, True, self.truth.ids)))
            self._take(frame, cleared.group)
        entry = self.truth.book[cleared.ref]
        self.truth.ids += 1
        self._later.append((until, self.truth.ids, (cleared.ref, entry.remaining)))

    def cancel(self, ref: str) -> None:
        """Cancel what still works; a filled order answers with a refusal, as real ones do."""
        working = self.truth.book.get(ref)
        self._inbox.append(CancelSaid(ref, self._up, "" if self._up else "link down"))
        if working is not None and self._up and working.ends:
            self._inbox.append(ErrorSaid(self._message(), self.truth.session, 10148, "cannot be cancelled", ref))
        elif working is not None and self._up:
            self._end(working, BrokerStatus.CANCELLED, "cancelled on request")
            if working.frame.line.role is Role.ENTRY and working.filled == 0:
                for child in self.truth.children(working):
                    self._end(child, BrokerStatus.CANCELLED, "parent cancelled")

    async def margin(self, line: Line) -> Margin | None:
        """The mock does not say."""
        return None

    def quotes(self) -> Mapping[str, Quote]:
        """The last quote of each instrument."""
        return dict(self._quotes)

    async def watch(self, symbol: str) -> None:
        """Every instrument is watched already."""

    def instruments(self) -> Mapping[str, Instrument]:
        """The contract cards."""
        return self.cards

    def hours(self) -> Mapping[str, tuple[tuple[datetime, datetime], ...]]:
        """The mock's contracts trade around the clock; the desk's own tables say when markets do."""
        now = self.clock.now().wall
        return dict.fromkeys(self.cards, ((now - timedelta(days=1), now + timedelta(days=7)),))

    def room(self) -> int:
        """What fits on the wire by the limits that everybody keeps: eight frames at once, 45 a second."""
        return budget(self._wire, self.clock.now().ticks)

    def accounts(self) -> tuple[Account, ...]:
        """The one account there is."""
        return (self.account,) if self._up else ()

    def port(self) -> int:
        """The mock has no port."""
        return 0

    def session(self) -> int:
        """How often it was connected."""
        return self.truth.session

    def skew(self) -> timedelta:
        """The mock reads our own clock."""
        return timedelta(0)

    # The broker's own truth.
    def _message(self) -> str:
        self._messages += 1
        return f"mock:{self.truth.session}:{self._messages}"

    def _take(self, frame: Frame, group: str) -> None:
        known = self.truth.book.get(frame.ref)
        if known is not None:
            known.frame = frame
            self._inbox.append(self._order_said(known))
            return
        self.truth.ids += 1
        self.truth.book[frame.ref] = Working(frame, group, 900_000 + self.truth.ids, self.truth.ids)

    def _meet(self, entry: Working, fate: Fate) -> None:
        now = self.clock.now().ticks
        match fate:
            case Reject(code, text):
                self._inbox.append(ErrorSaid(self._message(), self.truth.session, code, text, entry.frame.ref))
                self._end(entry, BrokerStatus.INACTIVE, text)
                for child in self.truth.children(entry):
                    self._end(child, BrokerStatus.CANCELLED, "parent rejected")
            case Silence(fills):
                if fills:
                    self._execute(entry, entry.remaining, tell=False)
            case Fill(after) if after:
                self._later.append((now + after, self.truth.ids, (entry.frame.ref, entry.remaining)))
            case Partial(share, after):
                part = floor_to(times(entry.frame.line.quantity, share), self.cards[entry.frame.line.symbol].increment)
                if after:
                    self._later.append((now + after, self.truth.ids, (entry.frame.ref, part)))
                else:
                    self._acknowledge(entry)
                    self._execute(entry, part)
            case _:
                self._acknowledge(entry)
                if entry.frame.line.order_type is OrderType.MARKET or self._triggered(entry):
                    self._execute(entry, entry.remaining)

    def _acknowledge(self, working: Working) -> None:
        self._inbox.append(self._order_said(working))
        if working.frame.line.role is Role.ENTRY:
            self._inbox.extend(self._order_said(child) for child in self.truth.children(working))

    def _triggered(self, working: Working) -> bool:
        line = working.frame.line
        quote = self._quotes.get(line.symbol)
        entry = self.truth.entry_of(working) if line.role in (Role.STOP, Role.TARGET) else None
        waits = entry is not None and not entry.filled
        return quote is not None and not waits and working.meets(quote)

    def _execute(self, working: Working, quantity: Decimal, tell: bool = True) -> None:
        line = working.frame.line
        if line.role in (Role.STOP, Role.TARGET):
            entry = self.truth.entry_of(working)
            quantity = min(quantity, entry.filled) if entry is not None else quantity
        quantity = quantity.to_integral_value(ROUND_FLOOR)
        if quantity <= 0:
            return
        working.filled += quantity
        self.truth.held[line.symbol] = self.truth.held.get(line.symbol, Decimal(0)) + line.side.sign * quantity
        self.truth.ids += 1
        quote = self._quotes[line.symbol]
        price = line.limit or line.trigger or (quote.ask if line.side is Side.BUY else quote.bid)
        said = ExecutionSaid(
            message=self._message(),
            session=self.truth.session,
            exec_id=f"mock.{self.truth.ids:06d}.01",
            ref=working.frame.ref,
            account=self.account.tag,
            perm_id=working.perm_id,
            symbol=line.symbol,
            side=line.side,
            quantity=Quantity(quantity),
            price=price,
            at=self.clock.now().wall,
        )
        self.truth.executions.append(said)
        done = working.remaining == 0
        if done:
            working.ends, working.status = True, BrokerStatus.FILLED
        if tell:
            self._inbox.append(said)
            self._inbox.append(self._order_said(working))
            self._inbox.append(CommissionSaid(self._message(), said.exec_id, COMMISSION, self.currency))
        if done and line.role.is_exit:
            for other in tuple(self.truth.book.values()):
                if other is not working and not other.ends and other.group == working.group and other.group:
                    self._end(other, BrokerStatus.CANCELLED, "one cancels all")

    def _end(self, working: Working, status: BrokerStatus, reason: str) -> None:
        working.ends, working.status = True, status
        self._inbox.append(evolve(self._order_said(working), reason=reason))

    def _order_said(self, working: Working) -> OrderSaid:
        return working.said(self._message(), self.truth.session, self.account.tag)
