"""When the simulated venues trade, in New York time.

FX trades from Sunday 17:15 to Friday 17:00 with a break from 17:00 to 17:15 each day; US stocks from 9:30 to 16:00 on
weekdays that are no exchange holiday, and with `outside` also from 4:00 to 20:00. Early closes are not simulated.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from phoenix_adapters.gateway.instruments import Listing

NEW_YORK: Final = ZoneInfo("America/New_York")
# Full-day closings as published by the New York Stock Exchange (nyse.com/markets/hours-calendars).
HOLIDAYS: Final = frozenset(
    date.fromisoformat(day)
    for day in (  # noqa: SIM905 -- a column of thirty quoted dates is harder to check against its source
        "2025-01-01 2025-01-09 2025-01-20 2025-02-17 2025-04-18 2025-05-26 2025-06-19 2025-07-04 2025-09-01 2025-11-27 "
        "2025-12-25 2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 "
        "2026-12-25 2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 "
        "2027-12-24"
    ).split()
)
_FX_OPEN: Final = time(17, 15)
_FX_CLOSE: Final = time(17, 0)
_MONDAY, _FRIDAY, _SATURDAY = 0, 4, 5
# A session is at most one long weekend of four days away.
_DAYS_AHEAD_MAX: Final = 8


def _session(listing: Listing, day: date, outside: bool) -> tuple[datetime, datetime] | None:
    """Opening and close, in UTC, of the session that ends on this New York day."""
    if listing.is_fx:
        if day.weekday() > _FRIDAY:
            return None
        opens, closes = (day - timedelta(days=1), _FX_OPEN), (day, _FX_CLOSE)
    else:
        if day.weekday() > _FRIDAY or day in HOLIDAYS:
            return None
        opens = (day, time(4) if outside else time(9, 30))
        closes = (day, time(20) if outside else time(16))
    return (
        datetime.combine(*opens, tzinfo=NEW_YORK).astimezone(UTC),
        datetime.combine(*closes, tzinfo=NEW_YORK).astimezone(UTC),
    )


@lru_cache(maxsize=512)
def _session_from(listing: Listing, day: date, outside: bool) -> tuple[datetime, datetime]:
    for ahead in range(_DAYS_AHEAD_MAX):
        session = _session(listing, day + timedelta(days=ahead), outside)
        if session:
            return session
    raise AssertionError("some session begins within eight days")


def session_at(listing: Listing, now: datetime, outside: bool = False) -> tuple[datetime, datetime]:
    """Opening and close of the session that runs now, or of the next one."""
    day = now.astimezone(NEW_YORK).date()
    session = _session_from(listing, day, outside)
    return session if now < session[1] else _session_from(listing, day + timedelta(days=1), outside)


def is_open(listing: Listing, now: datetime, outside: bool = False) -> bool:
    """Whether the venue matches orders now."""
    opens, closes = session_at(listing, now, outside)
    return opens <= now < closes


def hours_text(listing: Listing, now: datetime, outside: bool) -> str:
    """The next days' sessions as contract details say them: `20261122:1715-20261123:1700;20261128:CLOSED`."""
    today = now.astimezone(NEW_YORK).date()
    parts = []
    for ahead in range(6):
        day = today + timedelta(days=ahead)
        session = _session(listing, day, outside)
        parts.append(
            f"{day:%Y%m%d}:CLOSED"
            if session is None
            else "-".join(f"{moment.astimezone(NEW_YORK):%Y%m%d:%H%M}" for moment in session)
        )
    return ";".join(parts)
