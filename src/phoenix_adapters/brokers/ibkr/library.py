"""The client library, ib_insync or ib_async, whichever is installed: its connection, its handshake, its dispatch.

Only what is used of it has a type here. Its own throttle is off, its requests are not used and its idea of an order is
never asked: what goes out is built from our own lines, and what comes in is tapped before the library reads it.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Final, Protocol, cast

LIBRARIES: Final = ("ib_insync", "ib_async")
ID_MAX: Final = 2**31 - 1  # the greatest that TWS reads, and its word for "unset" (IBC#214)


class Event(Protocol):
    """An event of eventkit; bound methods are held weakly by it, so plain functions are connected."""

    def connect(self, listener: Callable[..., None]) -> object:
        """Call the listener whenever it is emitted."""
        ...


class Connection(Protocol):
    """The socket."""

    transport: asyncio.Transport | None
    disconnected: Event
    hasData: Event

    def sendMsg(self, msg: bytes) -> object:
        """Write at once."""
        ...


class Decoder(Protocol):
    """What calls a handler for each message, by its number."""

    handlers: dict[int, Callable[[list[str]], object]]


class Client(Protocol):
    """The protocol's state machine: handshake, startApi, ready."""

    MaxRequests: int
    conn: Connection
    decoder: Decoder

    async def connectAsync(self, host: str, port: int, clientId: int, timeout: float) -> None:
        """Connect and wait until accounts and the next id were said."""
        ...

    def disconnect(self) -> None:
        """Close the socket."""
        ...

    def serverVersion(self) -> int:
        """What both sides speak."""
        ...

    def getReqId(self) -> int:
        """The next id, shared by orders and requests."""
        ...

    def updateReqId(self, minReqId: int) -> None:
        """Never go below this id."""
        ...

    def getAccounts(self) -> list[str]:
        """The managed accounts."""
        ...

    def isReady(self) -> bool:
        """Whether the handshake is over and the socket stands."""
        ...


class Wrapper(Protocol):
    """The library's own state, which we do not believe."""

    clientId: int


class IB(Protocol):
    """One client; a session gets a new one, because its state survives a disconnect in one of the libraries."""

    client: Client
    wrapper: Wrapper


def installed() -> str:
    """The name of the client library in this environment; the two exclude each other."""
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is not None:
            return name
    raise ModuleNotFoundError("install phoenix-desk[ibkr] (ib_insync) or phoenix-desk[ib-async]")


def load() -> ModuleType:
    """The client library itself, silent about what it sends."""
    name = installed()
    # Its log lines show whole orders, account number included; what matters of them arrives as facts.
    logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module(name)
        except RuntimeError:  # eventkit asks for a current event loop: who ran one to its end, or is a thread, has none
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                return importlib.import_module(name)
            finally:
                asyncio.set_event_loop(None)
                loop.close()


def _silent(library: ModuleType) -> type:
    """The library's class, but for what writes to the socket by itself: its destructor, whenever the collector comes
    by, and its answer to 1102, an account summary that nobody asked for and nobody ends; the third gets a 322."""
    return type("Client", (library.IB,), {"__del__": lambda self: None, "_onError": lambda self, *said: None})


def new_client(client_id: int) -> IB:
    """A fresh client. Its throttle is off: one first-in-first-out queue would hold a cancel behind data requests."""
    made = cast(IB, _silent(load())())
    made.client.MaxRequests = 0
    made.wrapper.clientId = client_id
    setattr(made.client, "updateReqId", partial(_raised, made.client.updateReqId))  # noqa: B010 -- it is a method
    return made


def _raised(raise_to: Callable[[int], None], least: int) -> None:
    """Go on above an id that was met, where TWS still reads what comes then: the library does so for everybody's
    orders, and above TWS's word for an order that has no id every order and question of ours would be lost."""
    if least < ID_MAX:
        raise_to(least)
