"""The connected clients, what goes out to them, and who hears what.

A client hears of its own orders, the master client of everybody's, client 0, which sits at TWS,
of orders placed by hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from attrs import define, field, frozen

from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.instruments import Listing
from phoenix_adapters.gateway.market import Quote
from phoenix_adapters.gateway.orders import MANUAL, Order
from phoenix_adapters.wire import to_client

PENDING: Final = 0  # the version of a session that has not said hello


@define(eq=False)
class Session:
    """One socket: what it said about itself and what it asked to be told."""

    number: int
    version: int = PENDING
    client_id: int | None = None
    positions: bool = False
    updates: dict[str, dict[tuple[str, str], str]] = field(factory=dict)
    multi: dict[str, str] = field(factory=dict)
    summaries: dict[str, str] = field(factory=dict)
    quotes: dict[str, Listing] = field(factory=dict)
    shown: dict[str, Quote] = field(factory=dict)
    recent: deque[datetime] = field(factory=deque)
    strikes: int = 0


@frozen
class Send:
    """Fields for one socket."""

    session: int
    fields: tuple[str, ...]


@frozen
class Close:
    """This socket is reset."""

    session: int


@frozen
class Listen:
    """The port opens or closes."""

    open: bool


Output: TypeAlias = Send | Close | Listen


@define
class Switchboard:
    """All sessions, and the messages that wait for the server to write them."""

    faults: Faults
    master_client: int | None = None
    sessions: dict[int, Session] = field(factory=dict)
    outputs: list[Output] = field(factory=list)
    sent: Callable[[Session, str], None] = field(default=lambda session, name: None)
    _held: list[Send] = field(factory=list)
    _frames_left: int | None = None

    def send(self, session: Session, name: str, record: Mapping[str, str] | None = None, /, **values: object) -> None:
        """One message to one client, unless its session is gone or a misfortune swallows it."""
        self.raw(session, to_client(name, session.version, record, **values), name)

    def raw(self, session: Session, fields: tuple[str, ...], name: str = "") -> None:
        """Fields to one client, whatever they mean."""
        if session.number not in self.sessions or self.faults.has("half_open"):
            return
        output = Send(session.number, fields)
        if self.faults.has("mute"):
            self._held.append(output)
            return
        self.outputs.append(output)
        self._count()
        self.sent(session, name)

    def account_values(self, session: Session, account: str, values: Iterable[tuple[str, str, str]]) -> None:
        """The figures (key, value, currency) of an account that changed since this session was last told them."""
        told = session.updates[account]
        for key, value, currency in values:
            if told.get((key, currency)) != value:
                told[key, currency] = value
                self.send(session, "updateAccountValue", key=key, value=value, currency=currency, account=account)

    def _count(self) -> None:
        argument = self.faults.argument("cut_after_frames")
        if argument is None:
            self._frames_left = None
            return
        self._frames_left = (int(argument) if self._frames_left is None else self._frames_left) - 1
        if self._frames_left <= 0:
            self._frames_left = None
            self.faults.switch_off("cut_after_frames")
            self.close_all()

    def resume(self) -> None:
        """The process runs again: what it had to say goes out."""
        held, self._held = self._held, []
        self.outputs += [one for one in held if one.session in self.sessions]

    def close(self, session: Session) -> None:
        """Reset one socket."""
        if self.sessions.pop(session.number, None) is not None:
            self.outputs.append(Close(session.number))

    def close_all(self) -> None:
        """Reset every socket."""
        for session in list(self.sessions.values()):
            self.close(session)

    def ready(self) -> list[Session]:
        """The sessions that said who they are."""
        return [one for one in self.sessions.values() if one.client_id is not None]

    def of_client(self, client_id: int) -> Session | None:
        """The session of a client, if it is connected."""
        return next((one for one in self.ready() if one.client_id == client_id), None)

    def hearers(self, order: Order) -> list[Session]:
        """Who is told of an order."""
        return [
            one
            for one in self.ready()
            if (one.client_id == order.client_id and not order.manual)
            or one.client_id == self.master_client
            or (one.client_id == MANUAL and order.manual)
        ]

    def broadcast(self, code: int, text: str) -> None:
        """A word that is about no order and no request."""
        for session in self.ready():
            self.send(session, "error", code=code, message=text)
