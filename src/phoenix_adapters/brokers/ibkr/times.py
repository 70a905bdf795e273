"""Instants and hours as gateways write them, read to UTC whatever zone the host is in.

A gateway writes `20260413 15:27:04 US/Eastern`, `20260413-15:27:04` (UTC), the same with no zone at all, or seconds
since 1970; the zone may carry a name of Windows. An instant that cannot be read costs a time, never a fill.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# What gateways were seen to write that is no name of the zone database, or means another zone there.
# Sources: Unicode CLDR windowsZones.xml for the long names; the abbreviations as US and European gateways use them.
ZONE_NAMES: Final[Mapping[str, str]] = {
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "GMT": "UTC",
    "BST": "Europe/London",
    "MET": "Europe/Paris",
    "CET": "Europe/Paris",
    "CEST": "Europe/Paris",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "HKT": "Asia/Hong_Kong",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
    "Eastern Standard Time": "America/New_York",
    "Central Standard Time": "America/Chicago",
    "Pacific Standard Time": "America/Los_Angeles",
    "GMT Standard Time": "Europe/London",
    "Central European Standard Time": "Europe/Warsaw",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "India Standard Time": "Asia/Kolkata",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Japan Standard Time": "Asia/Tokyo",
    "China Standard Time": "Asia/Shanghai",
    "AUS Eastern Standard Time": "Australia/Sydney",
}
# A gateway that names no zone runs, as most do, in the exchange's.
USUAL: Final = ZoneInfo("America/New_York")
NAME_MAX: Final = 64
_WRITTEN: Final = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: (.+))?", re.ASCII)
_EPOCH: Final = re.compile(r"\d{9,11}", re.ASCII)
_SPAN: Final = re.compile(r"(\d{8}):(\d{4})-(?:(\d{8}):)?(\d{4})", re.ASCII)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo | None:
    """The zone that a gateway means by a name; None for a name that nobody knows."""
    if len(name) > NAME_MAX:
        return None  # the library would go down one folder for each part of it
    try:
        return ZoneInfo(ZONE_NAMES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def instant(written: str, usual: tzinfo = USUAL) -> datetime | None:
    """The instant in UTC; `usual` is the zone of a time that names none. None where it cannot be read."""
    text = written.strip()
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    day, parted, clock, name = match.groups()
    zone = zone_of(name) if name else (UTC if parted == "-" else usual)
    if zone is None:
        return None
    try:
        return datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def zone_said(written: str) -> tzinfo | None:
    """The zone that a handshake's time names: the one that its executions are written in."""
    match = _WRITTEN.fullmatch(written.strip())
    return zone_of(match.group(4)) if match is not None and match.group(4) else None


Spans = tuple[tuple[datetime, datetime], ...]


def hours(written: str, zone_name: str) -> Spans:
    """A contract's hours as UTC spans; a day that is closed, or cannot be read, is none."""
    return tuple(_spans(written, zone_of(zone_name) or USUAL))


def _spans(written: str, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    for part in re.split("[;,]", written):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            continue
        day, opens, last_day, closes = match.groups()
        try:
            begin = datetime.strptime(day + opens, "%Y%m%d%H%M").replace(tzinfo=zone)
            end = datetime.strptime((last_day or day) + closes, "%Y%m%d%H%M").replace(tzinfo=zone)
            if last_day is None and end <= begin:
                # The older form: the day names the end of a session that began the evening before.
                begin -= timedelta(days=1)
            span = begin.astimezone(UTC), end.astimezone(UTC)
        except (ValueError, OverflowError):
            continue  # the 45th of July, or an evening before the first of all days
        yield span
