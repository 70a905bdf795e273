"""The gateway on a real socket: frames in, frames out, and a timer for what is due.

The clock is the caller's: `GatewayServer.poke()` tells it that a clock it does not follow has moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from attrs import define, field

from phoenix_adapters.gateway.core import Gateway, Setup
from phoenix_adapters.gateway.inputs import Inputs, kept
from phoenix_adapters.gateway.recorder import Frame
from phoenix_adapters.gateway.script import Director, Step
from phoenix_adapters.gateway.sessions import Close, Listen, Output, Send
from phoenix_adapters.wire import Unframer, WireError, frame

PORT: Final = 4002
# A clock that was moved by hand is noticed within this much real time.
_LOOK_AGAIN_S: Final = 0.05

# TWS buffers for a client that does not read, and then hangs up on it.
_UNREAD_BYTES_MAX: Final = 32 * 1024 * 1024


class Clock(Protocol):
    """Where the gateway takes its time from."""

    def now(self) -> datetime:
        """The present moment, in a zone."""


class WallClock:
    """The host's clock."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)


@define(eq=False)
class _Socket(asyncio.Protocol):
    server: GatewayServer
    number: int = 0
    transport: asyncio.Transport | None = None
    unframer: Unframer = field(factory=lambda: Unframer(hello=True))
    unwritten: bytearray = field(factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.number = self.server.inputs.connected(self.server.clock.now())
        self.server.sockets[self.number] = self
        self.server.poke()

    def data_received(self, data: bytes) -> None:
        try:
            messages = self.unframer.feed(data)
        except WireError:
            self.abort()
            return
        for fields in messages:
            self.server.hear(self, fields)
        self.server.poke()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.server.sockets.pop(self.number, None) is not None:
            self.server.inputs.disconnected(self.server.clock.now(), self.number)

    def flush(self) -> None:
        """Write what was said in this turn, as one piece; hang up on a client that does not read."""
        if self.transport is None or not self.unwritten:
            return
        self.transport.write(bytes(self.unwritten))
        self.unwritten.clear()
        if self.transport.get_write_buffer_size() > _UNREAD_BYTES_MAX:
            self.abort()

    def abort(self) -> None:
        """Reset the connection; what was not yet written is lost."""
        if self.transport is not None:
            self.transport.abort()


@define(eq=False)
class GatewayServer:
    """A gateway that listens. After `kill()` or `stop()` it can be started again: orders and money live on at IB, and
    with a state file also beyond this process."""

    host: str = "127.0.0.1"
    port: int = PORT
    setup: Setup = field(factory=Setup)
    clock: Clock = field(factory=WallClock)
    record: Callable[[Frame], None] | None = None
    state: Path | None = None
    core: Gateway = field(init=False)
    inputs: Inputs = field(init=False)
    director: Director = field(init=False)
    sockets: dict[int, _Socket] = field(init=False, factory=dict)
    _server: asyncio.Server | None = field(init=False, default=None)
    _timer: asyncio.TimerHandle | None = field(init=False, default=None)
    _listening: asyncio.Task[None] | None = field(init=False, default=None)
    _running: bool = field(init=False, default=False)
    _poking: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        now = self.clock.now()
        self.inputs = Inputs(Gateway(self.setup, now)) if self.state is None else kept(self.state, self.setup, now)
        self.core = self.inputs.core
        self.director = Director(self.core)

    @property
    def listens(self) -> bool:
        """Whether the port is open."""
        return self._server is not None and self._server.is_serving()

    async def start(self) -> None:
        """Listen; a port of 0 takes a free one and says which in `port`."""
        self._running = True
        await self._listen()
        self.poke()

    async def stop(self) -> None:
        """Close the port and every connection."""
        self.kill()
        if self._server is not None:
            await self._server.wait_closed()

    def kill(self) -> None:
        """As if the process were killed: connections are reset, nothing that waited is written."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
        if self._listening is not None:
            _ = self._listening.cancel()
        if self._server is not None:
            self._server.close()
        for socket in list(self.sockets.values()):
            socket.abort()
            self.inputs.disconnected(self.core.schedule.now, socket.number)
        self.sockets.clear()
        _ = self.core.take()

    def poke(self) -> None:
        """Let happen what is due by the clock, write what it says, and come back when the next thing is due."""
        if not self._running or self._poking:
            return
        self._poking = True
        now = self.clock.now()
        try:
            self.inputs.advance(now)
            outputs = self.core.take()
            if outputs:
                self.inputs.sync()
            for output in outputs:
                self._perform(output)
            for socket in list(self.sockets.values()):
                socket.flush()
        finally:
            self._poking = False
        if self._timer is not None:
            self._timer.cancel()
        due = self.core.due()
        wait = _LOOK_AGAIN_S if due is None else min(_LOOK_AGAIN_S, max(0.0, (due - now).total_seconds()))
        self._timer = asyncio.get_running_loop().call_later(wait, self.poke)

    def act(self, name: str, /, **given: object) -> None:
        """Do one of `actions.ACTS` now."""
        self.inputs.act(self.clock.now(), name, {word: str(value) for word, value in given.items()})
        self.poke()

    def fault(self, asked: str) -> None:
        """Switch a misfortune on: `NAME`, `NAME=ARGUMENT`, `NAME@WORD`, `NAME*TIMES`."""
        self.act("fault", name=asked)

    def clear(self, name: str) -> None:
        """Switch a misfortune off."""
        self.act("clear", name=name)

    def run(self, steps: Iterable[Step]) -> None:
        """Take a script on; its seconds begin now."""
        self.inputs.advance(self.clock.now())
        self.director.run(steps)
        self.poke()

    def hear(self, socket: _Socket, fields: tuple[str, ...]) -> None:
        """One message of one socket."""
        now = self.clock.now()
        self._write_down(now, "in", socket.number, fields)
        self.inputs.received(now, socket.number, fields)

    def _perform(self, output: Output) -> None:
        match output:
            case Send(number, fields):
                socket = self.sockets.get(number)
                if socket is not None:
                    self._write_down(self.core.schedule.now, "out", number, fields)
                    socket.unwritten += frame(fields)
            case Close(number):
                socket = self.sockets.pop(number, None)
                if socket is not None and socket.transport is not None:
                    socket.flush()
                    socket.transport.close()
            case Listen(open):
                if not open and self._server is not None:
                    self._server.close()
                elif open:
                    self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Socket(self), self.host, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    def _write_down(self, now: datetime, direction: str, number: int, fields: tuple[str, ...]) -> None:
        if self.record is not None:
            session = self.core.board.sessions.get(number)
            self.record(Frame(now, direction, session.client_id if session else None, fields))
