"""Interactive Brokers behind the Broker port: callbacks append facts to an inbox, and do nothing else.

The account's number lives here and on the wire; what leaves this file upwards are keyed hashes and masks. Frames leave
at once or not at all: there is no queue of ours after the last look, and what the transport could not take is dropped,
and said. Nothing here knows the log, and nothing the library believes of an order is a fact.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import define, field

from phoenix_adapters.brokers.ibkr.contracts import Board
from phoenix_adapters.brokers.ibkr.hearing import Hearing
from phoenix_adapters.brokers.ibkr.orders import Forge, OutVsIn, Placement, cancel_frame, unsendable
from phoenix_adapters.brokers.ibkr.pacing import LOOK_AGAIN_S, Pacer
from phoenix_adapters.brokers.ibkr.picture import Picture, picture_of, resynchronised
from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.brokers.ibkr.subscriptions import furnish, subscribe
from phoenix_adapters.brokers.ibkr.translate import Accounts, Names, Translator
from phoenix_adapters.wire import Message
from phoenix_core.facts import CancelSaid, Fact, FrameSaid, LinkEvent, Margin, Quote, Snapshot
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import Line
from phoenix_core.ports import Clock
from phoenix_core.values import Account, Instrument, Role

# Longer than any answer takes on a link that is worth having.
GIVE_UP_AFTER_S: Final = 10.0


@define(eq=False)
class IbkrBroker:
    """One account at one gateway, through whichever client library is installed."""

    host: str
    port_number: int
    client_id: int
    account_number: str
    account_of: Callable[[str], Account]
    clock: Clock
    symbols: tuple[str, ...] = ()
    connect_within_s: float = 8.0
    answer_within_s: float = 5.0
    round_trip_within_s: float = 2.0
    tells_margin: bool = True
    groups_hold: bool = False  # TWS names the group of a bracket's children itself; nobody saw a close join a spent one
    pacer: Pacer = field(factory=Pacer)
    out_vs_in: OutVsIn = field(factory=OutVsIn)
    accounts_known: Accounts = field(init=False)
    names: Names = field(init=False)
    board: Board = field(init=False)
    translator: Translator = field(init=False)
    line: Session | None = field(init=False, default=None)
    hearing: Hearing = field(init=False)
    _number: int = field(init=False, default=0)
    _broken: BaseException | None = field(init=False, default=None)
    _probed_at: float = field(init=False, default=0.0)
    _cancels: deque[str] = field(init=False, factory=deque)
    _asking: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        """Refuse the client id that sees other people's orders."""
        assert self.client_id > 0, "client id 0 takes over orders placed by hand: a desk has one of its own"
        self.accounts_known = Accounts(self.account_of)
        self.names = Names(self.client_id)
        self.board = Board(self.clock)
        self.translator = Translator(self.accounts_known, self.names)
        self.hearing = Hearing(self.clock, self.translator, self.board, self.port_number, self._renumber)

    # --- the link ---

    async def connect(self) -> bool:
        """Open a session with a new client. False: nobody answered. What else there is to say arrives as facts, also
        that another session holds our client id: that is an answer, and never a reason to try another id."""
        self._leave()
        session = Session(
            self.host,
            self.port_number,
            self.client_id,
            self.pacer,
            hear=lambda message: self._hear(session, message),
            lost=lambda why: self._lost(session, why),
            broken=self._break,
            unreadable=self.hearing.say_unreadable,
        )
        number = max(self._number + 1, int(self.clock.now().wall.timestamp()))
        self.names.new_session()
        self.translator.session, self.line = number, session
        if not await session.open(self.connect_within_s):
            self.translator.session, self.line = self._number, None
            session.close()
            if session.id_taken:
                self.hearing.say_link(LinkEvent.CLIENT_ID_TAKEN)
            return session.id_taken
        self._number, self.translator.zone = number, session.zone
        self.board.unsubscribed()
        self.hearing.accounts = tuple(self.accounts_known.of(one) for one in session.accounts)
        self.hearing.say_link(LinkEvent.CONNECTED, version=str(session.version), first_id=session.first_id)
        return True

    async def answers(self) -> bool:
        """Whether somebody accepts a connection there; it is given up again before a word is said."""
        try:
            async with asyncio.timeout(self.connect_within_s):
                _, writer = await asyncio.open_connection(self.host, self.port_number)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def disconnect(self) -> None:
        """Close the session."""
        if self.line is not None and self.line.up:
            self._leave()
            self.hearing.say_link(LinkEvent.LOST, "closed by us")

    def _leave(self) -> None:
        if self.line is not None:
            self.line.close()
        self.line = None
        self.hearing.forget()

    def _lost(self, session: Session, why: str) -> None:
        if session is self.line:
            self.hearing.forget()
            self.hearing.say_link(LinkEvent.LOST, why)

    def _break(self, error: BaseException) -> None:
        self._broken = self._broken or error

    # --- in ---

    def drain(self) -> tuple[Fact, ...]:
        """Every fact since the last call; a broken promise in a callback is raised here, where somebody sees it."""
        if self._broken is not None:
            raise self._broken
        self.hearing.tell_answers(timedelta(seconds=self.answer_within_s))
        facts = tuple(self.hearing.inbox)
        self.hearing.inbox.clear()
        return facts

    def _hear(self, session: Session, message: Message) -> None:
        """One tapped message of the present session; an earlier one's are nobody's any more."""
        if session is self.line:
            self.hearing.hear(message)

    def _renumber(self) -> None:
        if self.line is not None:
            _ = self.line.urgent("reqIds")

    # --- questions ---

    async def resynchronise(self) -> bool:
        """Executions, open and completed orders, positions, account, each with its own end; all told as facts."""
        session = self.line
        if session is None or not session.up:
            return False
        async with self._asking:
            complete = await resynchronised(session, self.account_number, self.answer_within_s)
            if complete:
                await furnish(session, self.board, self.symbols, self.answer_within_s)
        if complete and session is self.line and session.up:
            self.hearing.say_link(LinkEvent.SYNCHRONISED)
            return True
        return False

    async def snapshot(self) -> Snapshot:
        """The broker's whole picture; whatever did not end, or spans two sessions, is missing."""
        began, session, number = self.clock.now(), self.line, self._number
        picture = Picture()
        if session is not None and session.up:
            async with self._asking:
                picture = await picture_of(
                    session, self.translator, self.account_number, self.answer_within_s, began.wall
                )
                if not picture.missing:
                    await furnish(session, self.board, self.symbols, self.answer_within_s)
        if session is not self.line or number != self._number or session is None or not session.up:
            picture = Picture()
        return Snapshot(
            session=number,
            began=began,
            ended=self.clock.now(),
            complete=not picture.missing,
            positions=picture.positions,
            orders=picture.orders,
            executions=picture.executions,
            equity=picture.equity,
            currency=picture.currency,
            realized=picture.realized,
            unrealized=picture.unrealized,
            margin_used=picture.margin_used,
            missing=picture.missing,
            account=self.accounts_known.tag(self.account_number),
        )

    async def round_trip(self) -> bool:
        """The broker's clock, asked in front of all data; only an answer to this very question counts.

        Answers carry no number, so that one question is out at a time. One that went unanswered is given up after a
        while; until then no other is asked, and the answer is no.
        """
        session, now = self.line, asyncio.get_running_loop().time()
        if self.hearing.probes and now - self._probed_at < GIVE_UP_AFTER_S:
            return False
        self.hearing.probes.clear()
        if session is None or not session.urgent("reqCurrentTime"):
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.hearing.probes.append(answer)
        self._probed_at = now
        done, _ = await asyncio.wait({answer}, timeout=self.round_trip_within_s)
        return bool(done) and not answer.cancelled() and answer.result()

    async def margin(self, line: Line) -> Margin | None:
        """What an order would bind, asked by one that says of itself that it is a question."""
        session = self.line
        if session is None or unsendable(line) or line.account != self._tag:
            return None
        await self.pacer.data_turn()
        if session is not self.line or not session.writable or self.account_number not in session.accounts:
            return None
        order_id = session.next_id()
        question = self._forge(session).what_if(line, order_id)
        waits: asyncio.Future[Margin | None] = asyncio.get_running_loop().create_future()
        self.names.questions.add(order_id)
        self.hearing.margins[order_id] = waits
        session.write(question.data)
        try:
            _ = await asyncio.wait({waits}, timeout=self.answer_within_s)
            return waits.result() if waits.done() and not waits.cancelled() else None
        finally:
            _ = self.hearing.margins.pop(order_id, None)

    async def watch(self, symbol: str) -> None:
        """Subscribe to an instrument's quotes."""
        if self.line is not None and self.line.up:
            await subscribe(self.line, self.board, symbol, self.answer_within_s)

    # --- out ---

    def hand_over(self, cleared: ClearedOrder) -> None:
        """All frames of a hand-over to an empty transport in one write, or none of them."""
        if self._broken is not None:
            raise self._broken
        why = self._unsendable(cleared)
        session = self.line
        if why or session is None:
            self.hearing.inbox.extend(FrameSaid(one.ref, one.revision, False, 0, why) for one in cleared.frames)
            return
        new_ids = tuple(session.next_id() for one in cleared.frames if one.revision == 1)
        placements = self._forge(session).placements(cleared, new_ids)
        self._count(cleared, placements, session.version)
        for placement in placements:
            self.names.bind(placement.order_id, placement.frame.ref)
        self.pacer.took(len(placements), len(placements))
        session.write(b"".join(placement.data for placement in placements))
        self.hearing.inbox.extend(FrameSaid(p.frame.ref, p.frame.revision, True, p.order_id) for p in placements)

    def _unsendable(self, cleared: ClearedOrder) -> str:
        """Why none of these frames may leave now; empty where all may."""
        session = self.line
        if session is None or not session.up:
            return "no session stands"
        if self.account_number not in session.accounts:
            return "the account is not among those of this session"
        ours = self._tag
        if any(one.line.account != ours for one in cleared.frames):
            return "a frame names another account"
        wrong = next((reason for one in cleared.frames if (reason := unsendable(one.line))), "")
        if wrong:
            return wrong
        if any(
            one.revision > 1 and (one.line.role is Role.ENTRY or one.ref not in self.names.ids)
            for one in cleared.frames
        ):
            return "a revision of an order that no id of this session names"
        if not session.writable:
            return "the transport still holds bytes, or closes"
        room = self.pacer.room() if cleared.is_entry else self.pacer.urgent_room()
        return "" if room >= len(cleared.frames) else "the message limit leaves no room"

    def _count(self, cleared: ClearedOrder, placements: tuple[Placement, ...], version: int) -> None:
        try:
            self.out_vs_in.count(cleared, placements, version)
        except AssertionError as error:
            self._break(error)  # no frame leaves after it
            raise

    def cancel(self, ref: str) -> None:
        """Ask for an order's end, in front of everything else; only by an id that this session bound to it."""
        session = self.line
        if session is None or not session.up:
            self.hearing.inbox.append(CancelSaid(ref, False, "no session stands"))
        elif ref not in self.names.ids:
            self.hearing.inbox.append(CancelSaid(ref, False, "no order id of this session names it"))
        elif ref not in self._cancels:
            self._cancels.append(ref)
            self._flush_cancels()

    def _flush_cancels(self) -> None:
        session = self.line
        while self._cancels:
            ref = self._cancels[0]
            if session is None or not session.writable or ref not in self.names.ids:
                self.hearing.inbox.append(CancelSaid(self._cancels.popleft(), False, "the transport does not take it"))
                continue
            if self.pacer.urgent_room() < 1:
                _ = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._flush_cancels)
                return
            self.pacer.took(1, 1)
            session.write(cancel_frame(self.names.ids[ref], session.version))
            self.hearing.inbox.append(CancelSaid(self._cancels.popleft(), True))

    def _forge(self, session: Session) -> Forge:
        return Forge(session.version, self.account_number, self.accounts_known, self.names)

    # --- what is known now ---

    @property
    def _tag(self) -> str:
        return self.accounts_known.tag(self.account_number)

    def quotes(self) -> Mapping[str, Quote]:
        """The last two-sided quote of each instrument that is watched."""
        return dict(self.board.quotes)

    def instruments(self) -> Mapping[str, Instrument]:
        """The contract cards known in this session."""
        return dict(self.board.cards)

    def hours(self) -> Mapping[str, tuple[tuple[datetime, datetime], ...]]:
        """When each market trades by the contract's own card, as UTC spans."""
        return dict(self.board.spans)

    def room(self) -> int:
        """How many place frames of entries may leave right now."""
        return self.pacer.room() if self.line is not None and self.line.writable else 0

    def accounts(self) -> tuple[Account, ...]:
        """The accounts that the broker reports in this session."""
        return self.hearing.accounts

    def port(self) -> int:
        """The port of this session."""
        return self.port_number

    def session(self) -> int:
        """The number of this session, higher than that of any earlier run; 0 before the first."""
        return self._number

    def skew(self) -> timedelta:
        """The broker's clock minus ours, as last measured, to the second."""
        return self.hearing.skew


def build(
    host: str,
    port: int,
    client_id: int,
    account_number: str,
    account_of: Callable[[str], Account],
    clock: Clock,
    symbols: Sequence[str],
    tells_margin: bool = True,
) -> IbkrBroker:
    """The broker of a desk, as the wiring asks for it."""
    return IbkrBroker(
        host, port, client_id, account_number, account_of, clock, tuple(symbols), tells_margin=tells_margin
    )
