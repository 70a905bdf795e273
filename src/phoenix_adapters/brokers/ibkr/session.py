"""One session: one new client of the library, its socket, and questions with ends and time limits of their own.

The library connects, shakes hands and dispatches. What it thinks of orders is never asked: every message is tapped,
read by the shared layout and handed to `hear`. A question is answered when its own end came in its own time, not else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import tzinfo
from typing import Final

from attrs import Factory, define, field

from phoenix_adapters.brokers.ibkr.errors import NO_END_OF_REQUEST
from phoenix_adapters.brokers.ibkr.library import IB, new_client
from phoenix_adapters.brokers.ibkr.pacing import Pacer
from phoenix_adapters.brokers.ibkr.tap import tap
from phoenix_adapters.brokers.ibkr.times import USUAL, zone_said
from phoenix_adapters.wire import SERVER, Message, Record, Unframer, WireError, frame, from_server, to_server, whole

_ID_TAKEN: Final = 326


@define(eq=False)
class _Question:
    """A request under way: what answers it, what ends it."""

    rows_in: frozenset[str]
    end: str
    req_id: str | None
    done: asyncio.Future[bool]
    rows: list[Record] = Factory(list)
    sent: bool = False
    met_stale_end: bool = False
    lacks_rows: bool = False  # one of them could not be read: what is left is not the whole answer

    def takes(self, number: str) -> bool:
        """Whether a message with this number is one of its rows."""
        return any(number == str(SERVER[name].id) for name in self.rows_in)


@define(eq=False)
class Session:
    """The life of one socket. `hear` gets every message in order; `lost` is told once, unless we hung up ourselves."""

    host: str
    port: int
    client_id: int
    pacer: Pacer
    hear: Callable[[Message], None]
    lost: Callable[[str], None]
    broken: Callable[[BaseException], None]
    unreadable: Callable[[str], None]
    ib: IB = field(init=False)
    version: int = field(init=False, default=0)
    zone: tzinfo = field(init=False, default=USUAL)
    id_taken: bool = field(init=False, default=False)
    up: bool = field(init=False, default=False)
    first_id: int = field(init=False, default=0)  # the first order id that this session was offered
    _greeting: Unframer | None = field(init=False, factory=Unframer)
    _gone: asyncio.Event = field(init=False, factory=asyncio.Event)
    _questions: list[_Question] = field(init=False, factory=list)
    _stale_ends: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        """A new client, tapped before its first byte."""
        self.ib = new_client(self.client_id)
        tap(self.ib.client, self._heard)
        # Plain functions: the library's events hold bound methods weakly, and a listener would quietly disappear.
        _ = self.ib.client.conn.hasData.connect(lambda data: self._greeted(data))  # noqa: PLW0108 -- see above
        _ = self.ib.client.conn.disconnected.connect(lambda why: self._disconnected(why))  # noqa: PLW0108 -- as above

    # --- open and close ---

    async def open(self, within_s: float) -> bool:
        """Connect within a time of our own: the library takes its whole timeout where the peer just hangs up."""
        opening = asyncio.ensure_future(self.ib.client.connectAsync(self.host, self.port, self.client_id, within_s))
        hung_up = asyncio.ensure_future(self._gone.wait())
        try:
            _ = await asyncio.wait({opening, hung_up}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            self.up = opening.done() and not opening.cancelled() and opening.exception() is None
            if self._gone.is_set():
                self.up = False
        finally:
            _ = hung_up.cancel()
            if not opening.done():
                _ = opening.cancel()
                _ = await asyncio.wait({opening})  # never `await opening`: a cancel of our own would pass for its end
            _ = opening.cancelled() or opening.exception()  # looked at, so that nobody complains of it later
        if self.up:
            self.version = self.ib.client.serverVersion()
        return self.up

    def close(self) -> None:
        """Hang up."""
        self.up = False
        self.ib.client.disconnect()
        self._give_up()

    @property
    def accounts(self) -> tuple[str, ...]:
        """The account numbers of this session."""
        return tuple(self.ib.client.getAccounts()) if self.up else ()

    # --- out ---

    @property
    def writable(self) -> bool:
        """Whether a frame handed over now would go straight to the socket: nothing of ours waits in the transport."""
        transport = self.ib.client.conn.transport
        return (
            self.up and transport is not None and not transport.is_closing() and transport.get_write_buffer_size() == 0
        )

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        _ = self.ib.client.conn.sendMsg(data)

    def next_id(self) -> int:
        """An id that neither order nor request of this session had."""
        return self.ib.client.getReqId()

    def urgent(self, name: str, /, **values: object) -> bool:
        """Send a small request in front of all data, if the limit and the transport let it."""
        if not self.writable or self.pacer.urgent_room() < 1:
            return False
        self.pacer.took(1)
        self.write(frame(to_server(name, self.version, **values)))
        return True

    async def tell(self, name: str, /, **values: object) -> bool:
        """Send a request that has no end, in its turn behind everything urgent."""
        await self.pacer.data_turn()
        while self.up and not self.writable:
            await asyncio.sleep(0.01)
        if self.up:
            self.write(frame(to_server(name, self.version, **values)))
        return self.up

    async def ask(
        self,
        name: str,
        rows: tuple[str, ...],
        end: str,
        within_s: float,
        numbered: bool = False,
        cancel: str = "",
        /,
        **values: object,
    ) -> list[Record] | None:
        """The rows of an answer that ended within the time; None where it did not end, or was refused. What goes on
        after its end is cancelled, also where the end never came: else each question would leave one more behind."""
        if not self.up:
            return None
        req_id = str(self.next_id()) if numbered else None
        question = _Question(frozenset(rows), end, req_id, asyncio.get_running_loop().create_future())
        self._questions.append(question)
        try:
            async with asyncio.timeout(within_s):
                asked = {**values, "reqId": req_id} if req_id is not None else values
                question.sent = await self.tell(name, **asked)
                whole_answer = question.sent and await question.done
        except TimeoutError:
            whole_answer = False
            if req_id is None and question.sent and not question.met_stale_end:
                # Its end may still come, and must not end the next question of this kind. One is remembered: an end
                # that never comes must not spoil every question after it.
                self._stale_ends.add(end)
        finally:
            self._questions.remove(question)
        if cancel and question.sent:
            _ = await self.tell(cancel, reqId=req_id)
        return question.rows if whole_answer else None

    # --- in ---

    def _greeted(self, data: bytes) -> None:
        """The handshake's second field is the gateway's time with its zone; the library throws it away."""
        if self._greeting is None:
            return
        try:
            messages = self._greeting.feed(data)
        except WireError:
            self._greeting = None
            return
        if messages:
            self._greeting = None
            if len(messages[0]) > 1:
                self.zone = zone_said(messages[0][1]) or USUAL

    def _heard(self, fields: tuple[str, ...]) -> None:
        """One tapped message. The library swallows exceptions of its handlers, so none may pass this line."""
        try:
            message = from_server(fields, self.ib.client.serverVersion())
            if message.name == "nextValidId":
                offered = whole(message.record["orderId"]) or 0
                self.first_id = self.first_id or offered
                self.ib.client.updateReqId(offered)
            elif message.name == "openOrder" and message.record["clientId"] == str(self.client_id):
                # A new order under the id of one that lives would be a change of that one.
                self.ib.client.updateReqId((whole(message.record["orderId"]) or 0) + 1)
            self.hear(message)
            self._answer(message)
        except WireError as error:
            number = fields[0][:10] if fields else ""
            for question in self._questions:
                question.lacks_rows = question.lacks_rows or question.takes(number)
            self.unreadable(f"message {number}: {error}")
        except Exception as error:  # noqa: BLE001 -- a broken promise of ours: raised again where the engine drains
            self.broken(error)

    def _answer(self, message: Message) -> None:
        record = message.record
        if message.name == "error":
            code = whole(record["code"]) or 0
            if code == _ID_TAKEN:
                self.id_taken = True
                self._gone.set()
            for question in self._questions:
                if question.req_id == record["id"] and code not in NO_END_OF_REQUEST and not question.done.done():
                    question.done.set_result(False)
            return
        stale = message.name in self._stale_ends
        self._stale_ends.discard(message.name)
        for question in self._questions:
            if question.req_id is not None and record.get("reqId") != question.req_id:
                continue
            if message.name in question.rows_in:
                question.rows.append(record)
            if message.name == question.end and not question.done.done():
                if stale:
                    question.met_stale_end = True
                else:
                    question.done.set_result(not question.lacks_rows)

    def _disconnected(self, why: str) -> None:
        self._gone.set()
        was_up, self.up = self.up, False
        self._give_up()
        if was_up:
            self.lost(why or "the peer closed the connection")

    def _give_up(self) -> None:
        for question in self._questions:
            if not question.done.done():
                question.done.set_result(False)
