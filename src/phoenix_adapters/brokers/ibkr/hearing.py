"""What each tapped message becomes: facts in the inbox, ticks on the board, answers to whoever waits for one.

Nothing here decides and nothing here writes; a code's one consequence beyond a fact is read from the table of errors.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import define, field

from phoenix_adapters.brokers.ibkr.contracts import Board
from phoenix_adapters.brokers.ibkr.errors import NO_END_OF_REQUEST, Action, action_of
from phoenix_adapters.brokers.ibkr.translate import LIVE, Translator, in_order, margin_said
from phoenix_adapters.wire import Message, WireError, whole
from phoenix_core.facts import ELSEWHERE, ErrorSaid, ExecutionSaid, Fact, LinkEvent, LinkSaid, Margin, OrderSaid
from phoenix_core.orders import parsed_ref
from phoenix_core.ports import Clock
from phoenix_core.values import Account

# currentTime counts whole seconds: on average it is half a second behind what it means.
_HALF_SECOND: Final = timedelta(milliseconds=500)
UNREADABLE: Final = 0  # no code of the broker's: a message that the shared layout could not read


@define(eq=False)
class _Answer:
    """Executions that answer a question, until its end: in which order they come nobody promises."""

    since: timedelta  # on the second clock
    told: list[ExecutionSaid] = field(factory=list)


@define(eq=False)
class Hearing:
    """The inbox, and everything that a message may touch on its way into it."""

    clock: Clock
    translator: Translator
    board: Board
    port: int
    renumber: Callable[[], None]
    inbox: deque[Fact] = field(factory=deque)
    accounts: tuple[Account, ...] = ()
    skew: timedelta = timedelta(0)
    probes: deque[asyncio.Future[bool]] = field(factory=deque)
    margins: dict[int, asyncio.Future[Margin | None]] = field(factory=dict)
    _answers: dict[str, _Answer] = field(init=False, factory=dict)  # by the number of their question
    _elsewhere: set[str] = field(init=False, factory=set)  # what this session said to stand under another client id

    def hear(self, message: Message) -> None:
        """Take in one message; one that says nothing to us is passed over."""
        handle = _HANDLERS.get(message.name)
        if handle is not None:
            handle(self, message)

    def say_link(self, event: LinkEvent, detail: str = "", version: str = "", first_id: int = 0) -> None:
        """A change of the link, as of now."""
        masked, session = self.translator.accounts.masked(detail), self.translator.session
        self.inbox.append(LinkSaid(event, session, self.accounts, self.port, version, masked, first_id))

    def say_unreadable(self, what: str) -> None:
        """A message that cannot be read is a fact too: what it hid may be a fill."""
        text = self.translator.accounts.masked(what)
        self.inbox.append(ErrorSaid(self.translator.message(), self.translator.session, UNREADABLE, text))

    def forget(self) -> None:
        """The session is over: nobody's answer comes any more, and no quote stands."""
        self.tell_answers(timedelta(0))
        self.accounts = ()
        self._elsewhere.clear()
        self.board.unsubscribed()
        for probe in self.probes:
            _ = probe.cancel()
        for margin in self.margins.values():
            _ = margin.cancel()
        self.probes.clear()
        self.margins.clear()

    # --- orders and fills ---

    def _open_order(self, message: Message) -> None:
        if message.record["whatIf"] != "1":
            said = self.translator.open_order(message.record)
            self.inbox.append(said)
            self._say_elsewhere(said, whole(message.record["clientId"]))
            return
        # TWS may answer twice: at once, with a warning and without figures, and then with them (ib_insync#380).
        margin, ours = margin_said(message.record), str(self.translator.names.client_id)
        if margin.after is not None and message.record["clientId"] == ours:
            self._reply(message.record["orderId"], margin)

    def _reply(self, order_id: str, margin: Margin | None) -> None:
        """What was asked under this id is answered."""
        waits = self.margins.get(whole(order_id) or 0)
        if waits is not None and not waits.done():
            waits.set_result(margin)

    def _say_elsewhere(self, said: OrderSaid, client: int | None) -> None:
        """An order in a desk's name that another client id placed: it can be changed and ended under that one alone,
        and no word of it comes but in pictures. Said once in a session; whether it is this desk's, its log knows."""
        ours = self.translator.names.client_id
        if said.ref in self._elsewhere or client in (None, ours) or parsed_ref(said.ref) is None:
            return
        self._elsewhere.add(said.ref)
        text = f"placed under client id {client}, and this session's is {ours}"
        self.inbox.append(ErrorSaid(self.translator.message(), self.translator.session, ELSEWHERE, text, said.ref))

    def _order_status(self, message: Message) -> None:
        self.inbox.append(self.translator.order_status(message.record))

    def _completed(self, message: Message) -> None:
        self.inbox.append(self.translator.completed_order(message.record))

    def _execution(self, message: Message) -> None:
        now, question = self.clock.now(), message.record["reqId"]
        said = self.translator.execution(message.record, now.wall)
        if question == LIVE:
            self.inbox.append(said)
        else:
            self._answers.setdefault(question, _Answer(now.ticks)).told.append(said)

    def _executions_end(self, message: Message) -> None:
        answer = self._answers.pop(message.record["reqId"], None)
        if answer is not None:
            self.inbox.extend(in_order(answer.told))

    def tell_answers(self, after: timedelta) -> None:
        """Say what has waited so long for the end of its answer: an end that never comes costs no execution."""
        now = self.clock.now().ticks
        for question in [question for question, answer in self._answers.items() if now - answer.since >= after]:
            self.inbox.extend(in_order(self._answers.pop(question).told))

    def _commission(self, message: Message) -> None:
        said = self.translator.commission(message.record)
        if said is not None:
            self.inbox.append(said)

    def _position(self, message: Message) -> None:
        """A picture takes it; here it is only read, so that one which cannot be read is said, as any other message."""
        _ = self.translator.held(message.record)

    # --- data and time ---

    def _tick(self, message: Message) -> None:
        self.board.heard(message.name, message.record)

    def _time(self, message: Message) -> None:
        seconds = whole(message.record["time"])
        if seconds is None:
            return
        try:
            said = datetime.fromtimestamp(seconds, UTC) + _HALF_SECOND
        except (ValueError, OverflowError, OSError) as error:
            raise WireError(f"currentTime.time is an instant, not {seconds}") from error
        if self.probes:
            waits = self.probes.popleft()
            if not waits.done():
                waits.set_result(True)
        self.skew = said - self.clock.now().wall

    # --- codes ---

    def _error(self, message: Message) -> None:
        said = self.translator.error(message.record)
        action = action_of(said.code)
        asked = (whole(message.record["id"]) or 0) in self.translator.names.questions
        if not asked or action is Action.TOO_FAST:
            self.inbox.append(said)  # that a question was refused concerns nobody: no order hangs on it
        if action not in (Action.HELD, Action.LIVES) and said.code not in NO_END_OF_REQUEST:
            self._reply(message.record["id"], None)
        match action:
            case Action.LINK_DEGRADED:
                self.board.forget_quotes()
                self.say_link(LinkEvent.DEGRADED, str(said.code))
            case Action.LINK_RESTORED:
                self.say_link(LinkEvent.RESTORED, str(said.code))
            case Action.LINK_RESTORED_BARE:
                self.board.unsubscribed()
                self.say_link(LinkEvent.RESTORED, str(said.code))
            case Action.DATA_GONE:
                self.board.forget_quotes()
            case Action.LINE_GONE:
                self.board.line_gone(message.record["id"])
            case Action.LINE_REFUSED | Action.REFUSED:  # what ends an order that never was ends a line, too
                self.board.line_refused(message.record["id"])
            case Action.RENUMBER:
                self.renumber()
            case _:
                pass


_HANDLERS: Final[Mapping[str, Callable[[Hearing, Message], None]]] = {
    "openOrder": Hearing._open_order,
    "orderStatus": Hearing._order_status,
    "completedOrder": Hearing._completed,
    "execDetails": Hearing._execution,
    "execDetailsEnd": Hearing._executions_end,
    "commissionReport": Hearing._commission,
    "position": Hearing._position,
    "error": Hearing._error,
    "currentTime": Hearing._time,
    "tickPrice": Hearing._tick,
    "tickSize": Hearing._tick,
    "marketDataType": Hearing._tick,
}
