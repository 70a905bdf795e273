"""When markets are open, from committed tables and arithmetic: no zone database is asked, so none can be missing.

FX week: Sunday 17:15 to Friday 17:00 New York, closed 17:00-17:15 each day (IDEALPRO trading hours). US stocks:
09:30-16:00 New York, holidays and early closes as published by NYSE for 2024-2028.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from phoenix_core.refusals import Refusal
from phoenix_core.values import Instrument, Named

CLOSING_SOON: Final = timedelta(minutes=5)


class Zone(Named):
    """The zones whose rules the desk knows by heart."""

    UTC = "UTC"
    NEW_YORK = "America/New_York"
    LONDON = "Europe/London"
    ZURICH = "Europe/Zurich"


class MarketStatus(Named):
    """Whether an entry may be sent: only OPEN says yes."""

    OPEN = "OPEN"
    CLOSING_SOON = "CLOSING_SOON"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


@frozen
class RestartWindow:
    """When the gateway restarts itself each day, as declared: from `before` ahead of it until `lasts` after it."""

    at: timedelta  # since local midnight: 23:45
    zone: Zone = Zone.NEW_YORK
    before: timedelta = timedelta(seconds=60)
    lasts: timedelta = timedelta(minutes=5)


Spans = tuple[tuple[datetime, datetime], ...]


def local(zone: Zone, at: datetime) -> datetime:
    """An instant on the wall of a zone, as an aware datetime with that moment's fixed offset."""
    raise NotImplementedError


def market_status(instrument: Instrument, at: datetime, contract_hours: Spans | None) -> MarketStatus:
    """OPEN: now and for 5 more minutes, by the table and by the contract's own hours (UTC spans). No contract hours, or
    a year that no table covers: UNKNOWN."""
    raise NotImplementedError


def session_refusal(status: MarketStatus) -> Refusal | None:
    """The guard's answer: MARKET_CLOSED, MARKET_CLOSES_SOON, HOURS_UNKNOWN or none."""
    raise NotImplementedError


def fx_day(at: datetime) -> str:
    """The trading day of an instant, `YYYY-MM-DD`: it rolls at 17:00 New York."""
    raise NotImplementedError


def restart_window_ends(window: RestartWindow | None, at: datetime) -> datetime | None:
    """The end of the restart window that an instant lies in; None outside, or where none is declared."""
    raise NotImplementedError
