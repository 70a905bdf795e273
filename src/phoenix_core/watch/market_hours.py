"""When markets are open, from committed tables and arithmetic: no zone database is asked, so none can be missing.

FX week: Sunday 17:15 to Friday 17:00 New York, closed 17:00-17:15 each day (the hours of IDEALPRO). US stocks: regular
hours 09:30-16:00 New York; holidays and early closes at 13:00 as the NYSE publishes them under "Holidays & Trading
Hours" (nyse.com/markets/hours-calendars), 2024-2028, with the day of mourning of 9 January 2025.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from attrs import frozen

from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Instrument, Named, SecType

# An entry that cannot be worked, protected and watched before the close is not worth sending.
CLOSING_SOON: Final = timedelta(minutes=5)

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_NO_TIME: Final = timedelta()
_FX_CLOSE: Final = timedelta(hours=17)
_FX_OPEN: Final = timedelta(hours=17, minutes=15)
_STOCK_OPEN: Final = timedelta(hours=9, minutes=30)
_STOCK_CLOSE: Final = timedelta(hours=16)
_STOCK_EARLY_CLOSE: Final = timedelta(hours=13)
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6

# Month and day, year by year; a year that is not here is not known.
_HOLIDAYS: Final = {
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
    2028: "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
}
_EARLY_CLOSES: Final = {
    2024: "07-03 11-29 12-24",
    2025: "07-03 11-28 12-24",
    2026: "11-27 12-24",
    2027: "11-26",
    2028: "07-03 11-24",
}


class Zone(Named):
    """The zones whose rules the desk knows by heart: those of the United States from 1990, of Europe from 1996."""

    UTC = "UTC"
    NEW_YORK = "America/New_York"
    LONDON = "Europe/London"
    ZURICH = "Europe/Zurich"


_STANDARD: Final = {
    Zone.UTC: _NO_TIME,
    Zone.NEW_YORK: timedelta(hours=-5),
    Zone.LONDON: _NO_TIME,
    Zone.ZURICH: _HOUR,
}


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


@lru_cache(256)  # one decision asks several times what the clocks show at the same moment
def local(zone: Zone, at: datetime) -> datetime:
    """An instant on the wall of a zone, as an aware datetime with that moment's fixed offset."""
    return at.astimezone(timezone(_offset(zone, at)))


def _offset(zone: Zone, at: datetime) -> timedelta:
    summer = _us_summer(at) if zone is Zone.NEW_YORK else zone is not Zone.UTC and _eu_summer(at)
    return _STANDARD[zone] + (_HOUR if summer else _NO_TIME)


def _us_summer(at: datetime) -> bool:
    """From 02:00 standard time, 07:00 UTC, to 02:00 summer time, 06:00 UTC; moved out to March and November in 2007."""
    if at.year >= 2007:
        begins, ends = _sunday(at.year, 3, 8), _sunday(at.year, 11, 1)
    else:
        begins, ends = _sunday(at.year, 4, 1), _sunday(at.year, 10, 25)
    return begins + 7 * _HOUR <= at < ends + 6 * _HOUR


def _eu_summer(at: datetime) -> bool:
    """From 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October."""
    return _sunday(at.year, 3, 25) + _HOUR <= at < _sunday(at.year, 10, 25) + _HOUR


@lru_cache(64)  # the clocks of a year change on the same days however often they are asked for
def _sunday(year: int, month: int, day: int) -> datetime:
    """The first Sunday on or after a day, at midnight UTC."""
    first = datetime(year, month, day, tzinfo=UTC)
    return first + (_SUNDAY - first.weekday()) * _DAY


def market_status(instrument: Instrument, at: datetime, contract_hours: Spans | None) -> MarketStatus:
    """OPEN: now and for 5 more minutes, by the table and by the contract's own hours (UTC spans). No contract hours, or
    a year that no table covers: UNKNOWN."""
    by_table = _fx_rest(at) if instrument.sec_type is SecType.CASH else _stock_rest(at)
    by_contract = None if contract_hours is None else _contract_rest(at, contract_hours)
    if _NO_TIME in (by_table, by_contract):
        return MarketStatus.CLOSED
    if by_table is None or by_contract is None:
        return MarketStatus.UNKNOWN
    return MarketStatus.CLOSING_SOON if min(by_table, by_contract) < CLOSING_SOON else MarketStatus.OPEN


def _fx_rest(at: datetime) -> timedelta:
    """How long the FX market is still open; nothing: it is closed. Its clocks only ever change while it is closed."""
    day, clock = _wall(at)
    evening = clock >= _FX_OPEN
    if day == _SATURDAY or (day == _SUNDAY and not evening) or (day == _FRIDAY and evening):
        return _NO_TIME
    if _FX_CLOSE <= clock < _FX_OPEN:
        return _NO_TIME
    return _FX_CLOSE - clock + (_DAY if evening else _NO_TIME)


def _stock_rest(at: datetime) -> timedelta | None:
    """How long the regular session is still open; nothing: it is closed; None: a year that the table does not know."""
    wall = local(Zone.NEW_YORK, at)
    if wall.year not in _HOLIDAYS:
        return None
    day, clock = _wall(at)
    today = wall.date().isoformat()[5:]
    close = _STOCK_EARLY_CLOSE if today in _EARLY_CLOSES[wall.year] else _STOCK_CLOSE
    if day >= _SATURDAY or today in _HOLIDAYS[wall.year] or not _STOCK_OPEN <= clock < close:
        return _NO_TIME
    return close - clock


def _wall(at: datetime) -> tuple[int, timedelta]:
    """(weekday, time since midnight) in New York."""
    wall = local(Zone.NEW_YORK, at)
    clock = timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
    return wall.weekday(), clock


def _contract_rest(at: datetime, spans: Spans) -> timedelta:
    """How long the contract's own hours last; spans that touch are one."""
    end = at
    for opens, closes in sorted(spans):
        if opens <= end < closes:
            end = closes
    return end - at


_REFUSALS: Final = {
    MarketStatus.CLOSING_SOON: refusal(Reason.MARKET_CLOSES_SOON, detail="the market closes within 5 minutes"),
    MarketStatus.CLOSED: refusal(Reason.MARKET_CLOSED, detail="the market is closed"),
    MarketStatus.UNKNOWN: refusal(Reason.HOURS_UNKNOWN, detail="nobody knows the market's hours for this day"),
}


def session_refusal(status: MarketStatus) -> Refusal | None:
    """The guard's answer: MARKET_CLOSED, MARKET_CLOSES_SOON, HOURS_UNKNOWN or none."""
    return _REFUSALS.get(status)


def in_one_day(start: datetime, end: datetime) -> bool:
    """Whether no midnight lies between two instants, in any zone that a gateway may live by: what a broker tells of its
    executions reaches back to its own midnight, and nobody has told us which one that is."""
    return all(calendar_day(zone, start) == calendar_day(zone, end) for zone in Zone)


def calendar_day(zone: Zone, at: datetime) -> str:
    """The day that a calendar of this zone shows, `YYYY-MM-DD`."""
    return local(zone, at).date().isoformat()


@lru_cache(1024)  # asked of the same few entries and results of lately at every look
def fx_day(at: datetime) -> str:
    """The trading day of an instant, `YYYY-MM-DD`: it rolls at 17:00 New York."""
    return (local(Zone.NEW_YORK, at) + 7 * _HOUR).date().isoformat()


def restart_window_ends(window: RestartWindow | None, at: datetime) -> datetime | None:
    """The end of the restart window that an instant lies in; None outside, or where none is declared."""
    if window is None:
        return None
    today = local(window.zone, at).date()
    for day in (today - _DAY, today, today + _DAY):
        for restart in _instants(window.zone, day, window.at):
            if restart - window.before <= at < restart + window.lasts:
                return restart + window.lasts
    return None


def _instants(zone: Zone, day: date, clock: timedelta) -> Iterator[datetime]:
    """Every instant at which the clocks of a zone show this time: two when they go back over it; when they jump over
    it, the one that clocks without summer time would show."""
    wall = datetime(day.year, day.month, day.day, tzinfo=UTC) + clock
    plain = wall - _STANDARD[zone]
    shown = [at for at in (plain - _HOUR, plain) if at + _offset(zone, at) == wall]
    yield from shown or [plain]
