"""The world: everything a decision may know that the log does not hold, frozen at the moment it is asked.

It is gathered anew on every try. The core mints nothing and asks nothing: identifiers, clocks, quotes, verified
signatures and the broker's picture all arrive here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import frozen

from phoenix_core.facts import Checked, Quote, Snapshot, Weighed
from phoenix_core.values import Account, Instrument, Mode, Moment, Money, OrderType


@frozen
class Link:
    """How the way to the broker stands right now."""

    session: int = 0
    up: bool = False
    synchronised: bool = False  # this session's full resynchronisation has ended
    round_trip_age: timedelta | None = None  # since the last completed round trip; None: never one
    in_restart_window: bool = False
    skew: timedelta = timedelta(0)  # the broker's clock minus ours


@frozen
class Run:
    """What the deciding process is: its boot, its own run id, and the epoch of the lease it holds, if it holds one."""

    run: str = ""
    epoch: int | None = None
    mode: Mode = Mode.MOCK
    allow_live: bool = False
    version: str = ""
    order_types: tuple[OrderType, ...] = (OrderType.MARKET, OrderType.LIMIT)  # entries that its settings let in
    instruments: tuple[str, ...] = ()  # what its settings watch; empty: whatever its broker knows
    exits_only: bool = False  # nothing may be entered: the log failed, or a key or policy is missing


@frozen
class World:
    """One frozen look at everything outside the log."""

    now: Moment
    run: Run = Run()
    link: Link = Link()
    accounts: tuple[Account, ...] = ()  # as the broker reports them
    port: int = 0
    latch: bool | None = False  # the kill latch beside the log: up, down, or None for unreadable, which counts as up
    instruments: Mapping[str, Instrument] = {}
    hours: Mapping[str, tuple[tuple[datetime, datetime], ...]] = {}  # by the contract's own card, where it was read
    quotes: Mapping[str, Quote] = {}
    snapshot: Snapshot | None = None  # the last complete one
    entry_budget: int = 100  # place frames that may leave now
    groups_hold: bool = False  # whether the broker ends a close with the group that it joins, however late it joins
    equity: Money | None = None
    margin_used: Money | None = None
    weighed: Mapping[str, Weighed] = {}  # by intent: what its order would do to the margin, where the broker was asked
    verified: Mapping[int, Checked] = {}  # signatures that this run checked again, by their place in the log
    roots: Mapping[int, str] = {}  # by the same place: this log's root at the size that the statement co-signs

    @property
    def currency(self) -> str:
        """What the account is kept in by the last complete picture; empty while there is none that says."""
        return "" if self.snapshot is None else self.snapshot.currency
