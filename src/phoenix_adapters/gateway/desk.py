"""What every answer may use: the venue, the sessions, and the two forms that most answers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from attrs import define

from phoenix_adapters.gateway.accounts import Account
from phoenix_adapters.gateway.callbacks import Callbacks
from phoenix_adapters.gateway.checks import No
from phoenix_adapters.gateway.faults import Faults
from phoenix_adapters.gateway.sessions import Session, Switchboard
from phoenix_adapters.gateway.venue import Venue
from phoenix_adapters.wire import Record


@define
class Desk:
    """What a request may use."""

    venue: Venue
    board: Switchboard
    callbacks: Callbacks

    @property
    def faults(self) -> Faults:
        """The misfortunes that are on."""
        return self.venue.faults

    def account(self, name: str) -> Account | None:
        """An account by name; the only one if none is named."""
        accounts = self.venue.accounts
        return accounts.get(name) if name else next(iter(accounts.values()))


Handler: TypeAlias = Callable[[Desk, Session, Record], None]


def error(desk: Desk, session: Session, req_id: str, no: No) -> None:
    """The answer no."""
    desk.board.send(session, "error", id=req_id, code=no.code, message=no.text)


def send_all(
    desk: Desk, session: Session, snapshot: str, name: str, rows: Iterable[Record], end: str, **ending: object
) -> None:
    """A snapshot and its end, unless a misfortune cuts it, empties it or never ends it."""
    faults = desk.faults
    listed = list(rows)
    if faults.concerns("snapshot_empty", snapshot):
        listed = []
    if faults.concerns("snapshot_cut", snapshot):
        listed = listed[: len(listed) // 2]
    for row in listed:
        desk.board.send(session, name, row)
    if not faults.concerns("snapshot_never_ends", snapshot):
        desk.board.send(session, end, **ending)
