"""Market hours: our arithmetic against the zone database, and the tables against rules written a second time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.refusals import Reason
from phoenix_core.values import Instrument, Price, Quantity, SecType
from phoenix_core.watch import market_hours as hours
from phoenix_core.watch.market_hours import MarketStatus, RestartWindow, Zone
from tests.showing import shows

NEW_YORK: Final = ZoneInfo("America/New_York")
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)


def instrument(sec_type: SecType) -> Instrument:
    """EURUSD or AAPL."""
    one = Decimal(1)
    return Instrument("X", "X", sec_type, "X", "USD", "X", 1, Price(one), Quantity(one), Quantity(one))


FX: Final = instrument(SecType.CASH)
STOCK: Final = instrument(SecType.STOCK)


def new_york(text: str) -> datetime:
    """An instant, told by a clock in New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


def always(at: datetime) -> hours.Spans:
    """A contract that trades for days on end."""
    return ((at - 9 * DAY, at + 9 * DAY),)


def status(of: Instrument, text: str) -> MarketStatus:
    """What the table says at a time of New York."""
    at = new_york(text)
    return hours.market_status(of, at, always(at))


def instants(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Any instant of these years."""
    begins, ends = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, tzinfo=UTC)
    seconds = st.integers(0, int((ends - begins).total_seconds()))
    return seconds.map(lambda gone: begins + timedelta(seconds=gone))


@shows("F58")
class TestZones:
    """F58: Given DST start/end in NY, London, Zurich, then windows follow zone rules; token TTL unchanged."""

    @given(instants(1990, 2040))
    def test_new_york_is_what_the_zone_database_says(self, at: datetime) -> None:
        """Any instant from 1990 to 2040."""
        assert hours.local(Zone.NEW_YORK, at).replace(tzinfo=None) == at.astimezone(NEW_YORK).replace(tzinfo=None)

    @pytest.mark.parametrize(
        ("zone", "first"), [(Zone.UTC, 1990), (Zone.NEW_YORK, 1990), (Zone.LONDON, 1996), (Zone.ZURICH, 1996)]
    )
    def test_every_change_of_the_clocks(self, zone: Zone, first: int) -> None:
        """Every half hour around every possible day of change, in every year to 2040."""
        theirs = ZoneInfo(zone.value)
        for year in range(first, 2041):
            for month, day in ((3, 5), (3, 24), (4, 1), (10, 24), (10, 31)):
                at = datetime(year, month, day, tzinfo=UTC)
                for n in range(2 * 24 * 9):
                    probe = at + n * timedelta(minutes=30)
                    assert hours.local(zone, probe).utcoffset() == probe.astimezone(theirs).utcoffset(), probe

    @pytest.mark.parametrize("year", range(2024, 2041))
    def test_exact_second_of_the_change(self, year: int) -> None:
        """The microsecond before and the instant of both changes of each year."""
        tick = timedelta(microseconds=1)
        for zone in (Zone.NEW_YORK, Zone.ZURICH):
            theirs = ZoneInfo(zone.value)
            at = datetime(year, 1, 1, tzinfo=UTC)
            while at.year == year:
                if at.astimezone(theirs).utcoffset() != (at - tick).astimezone(theirs).utcoffset():
                    assert hours.local(zone, at).utcoffset() == at.astimezone(theirs).utcoffset()
                    assert hours.local(zone, at - tick).utcoffset() == (at - tick).astimezone(theirs).utcoffset()
                at += timedelta(hours=1)


@shows("S32-CON-08")
class TestFxWeek:
    """FX: Sunday 17:15 to Friday 17:00 New York, closed 17:00-17:15 each day."""

    @given(instants(1990, 2040))
    def test_any_minute_against_the_rule_in_words(self, at: datetime) -> None:
        """Open unless it is the weekend or the quarter of an hour after 17:00; closing soon in the last 5 minutes."""
        at = at.replace(second=0)

        def is_open(moment: datetime) -> bool:
            wall = moment.astimezone(NEW_YORK)
            clock, day = wall.hour * 60 + wall.minute, wall.weekday()
            if day == 5 or (day == 6 and clock < 17 * 60 + 15) or (day == 4 and clock >= 17 * 60):
                return False
            return not 17 * 60 <= clock < 17 * 60 + 15

        expected = MarketStatus.CLOSED
        if is_open(at):
            lasts = all(is_open(at + n * MINUTE) for n in range(5))
            expected = MarketStatus.OPEN if lasts else MarketStatus.CLOSING_SOON
        assert hours.market_status(FX, at, always(at)) is expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-15T17:14:59.999999", MarketStatus.CLOSED),  # Sunday
            ("2026-11-15T17:15:00", MarketStatus.OPEN),
            ("2026-11-18T16:55:00", MarketStatus.OPEN),  # open for five more minutes exactly
            ("2026-11-18T16:55:00.000001", MarketStatus.CLOSING_SOON),
            ("2026-11-18T16:59:59.999999", MarketStatus.CLOSING_SOON),
            ("2026-11-18T17:00:00", MarketStatus.CLOSED),
            ("2026-11-18T17:14:59", MarketStatus.CLOSED),
            ("2026-11-18T17:15:00", MarketStatus.OPEN),
            ("2026-11-18T23:59:59", MarketStatus.OPEN),
            ("2026-11-19T00:00:00", MarketStatus.OPEN),
            ("2026-11-20T16:54:00", MarketStatus.OPEN),  # Friday
            ("2026-11-20T17:00:00", MarketStatus.CLOSED),
            ("2026-11-20T17:15:00", MarketStatus.CLOSED),
            ("2026-11-21T12:00:00", MarketStatus.CLOSED),
            ("2026-11-22T12:00:00", MarketStatus.CLOSED),
            ("2026-03-08T17:15:00", MarketStatus.OPEN),  # the Sundays on which the clocks change
            ("2026-11-01T17:14:00", MarketStatus.CLOSED),
        ],
    )
    def test_edges(self, text: str, expected: MarketStatus) -> None:
        """Each edge of the week, to the microsecond."""
        assert status(FX, text) is expected


def nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th such weekday of a month; -1 for the last."""
    days = [d for k in range(31) if (d := date(year, month, 1) + k * DAY).month == month and d.weekday() == weekday]
    return days[n - 1 if n > 0 else n]


def good_friday(year: int) -> date:
    """Two days before Easter, by the anonymous Gregorian computus."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return date(year, month, day + 1) - 2 * DAY


def observed(day: date) -> date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day - DAY if day.weekday() == 5 else day + DAY if day.weekday() == 6 else day


def nyse_holidays(year: int) -> set[date]:
    """The holidays of the New York Stock Exchange by its rules, and its day of mourning in 2025."""
    fixed = {observed(date(year, 6, 19)), observed(date(year, 7, 4)), observed(date(year, 12, 25))}
    if date(year, 1, 1).weekday() != 5:  # a New Year's Day on Saturday is not kept
        fixed.add(observed(date(year, 1, 1)))
    moving = {nth(year, 1, 0, 3), nth(year, 2, 0, 3), nth(year, 5, 0, -1), nth(year, 9, 0, 1), nth(year, 11, 3, 4)}
    return fixed | moving | {good_friday(year)} | ({date(2025, 1, 9)} if year == 2025 else set())


def nyse_early_closes(year: int) -> set[date]:
    """The day before Independence Day, the day after Thanksgiving, Christmas Eve: where they are trading days."""
    days = {date(year, 7, 3), nth(year, 11, 3, 4) + DAY, date(year, 12, 24)}
    return {day for day in days if day.weekday() < 5 and day not in nyse_holidays(year)}


@shows("S32-CON-08")
class TestStocks:
    """US stocks: regular hours, holidays and early closes of 2024-2028; another year is not known."""

    @pytest.mark.parametrize("year", range(2024, 2029))
    def test_every_day_of_every_year(self, year: int) -> None:
        """Each day at four times, against the exchange's rules written a second time."""
        day = date(year, 1, 1)
        while day.year == year:
            trading = day.weekday() < 5 and day not in nyse_holidays(year)
            late = trading and day not in nyse_early_closes(year)
            expected = {
                "09:29:59": MarketStatus.CLOSED,
                "09:30:00": MarketStatus.OPEN if trading else MarketStatus.CLOSED,
                "12:57:00": (MarketStatus.OPEN if late else MarketStatus.CLOSING_SOON)
                if trading
                else MarketStatus.CLOSED,
                "13:00:00": MarketStatus.OPEN if late else MarketStatus.CLOSED,
                "15:55:00.000001": MarketStatus.CLOSING_SOON if late else MarketStatus.CLOSED,
                "16:00:00": MarketStatus.CLOSED,
            }
            for clock, wanted in expected.items():
                assert status(STOCK, f"{day}T{clock}") is wanted, (day, clock)
            day += DAY

    @pytest.mark.parametrize("text", ["2023-12-29T12:00", "2029-01-02T12:00", "2029-01-06T12:00"])
    def test_year_that_no_table_covers_is_unknown(self, text: str) -> None:
        """Neither open nor closed: nobody knows, and no entry is sent."""
        assert status(STOCK, text) is MarketStatus.UNKNOWN
        at = new_york(text)
        assert hours.market_status(STOCK, at, ()) is MarketStatus.CLOSED


class TestContractHours:
    """The contract's own hours count beside the table, and their absence is not ignored."""

    AT: Final = new_york("2026-11-18T14:00")

    def by(self, *spans: tuple[int, int]) -> MarketStatus:
        """The status of an FX contract that is open in these spans of minutes around now."""
        return hours.market_status(FX, self.AT, tuple((self.AT + a * MINUTE, self.AT + b * MINUTE) for a, b in spans))

    def test_without_contract_hours_nobody_knows(self) -> None:
        """UNKNOWN, unless the table alone says CLOSED."""
        assert hours.market_status(FX, self.AT, None) is MarketStatus.UNKNOWN
        assert hours.market_status(FX, new_york("2026-11-21T14:00"), None) is MarketStatus.CLOSED

    def test_holiday_of_the_contract_closes_an_open_table(self) -> None:
        """No span, a span that is over, one that has not begun: CLOSED."""
        assert self.by() is self.by((-60, 0)) is self.by((1, 60)) is MarketStatus.CLOSED

    def test_spans_that_touch_are_one(self) -> None:
        """In whatever order they come; a gap between them ends the session."""
        assert self.by((2, 60), (-60, 2)) is MarketStatus.OPEN
        assert self.by((3, 60), (-60, 2)) is MarketStatus.CLOSING_SOON
        assert self.by((0, 5)) is MarketStatus.OPEN
        assert self.by((-60, 4)) is MarketStatus.CLOSING_SOON

    def test_refusals(self) -> None:
        """Only OPEN sends an entry; every other status refuses by its own name."""
        assert hours.session_refusal(MarketStatus.OPEN) is None
        reasons = {s: no.headline for s in MarketStatus if (no := hours.session_refusal(s)) is not None}
        assert reasons == {
            MarketStatus.CLOSING_SOON: Reason.MARKET_CLOSES_SOON,
            MarketStatus.CLOSED: Reason.MARKET_CLOSED,
            MarketStatus.UNKNOWN: Reason.HOURS_UNKNOWN,
        }


class TestFxDay:
    """E13: a trading session is one FX day, rolling at 17:00 New York."""

    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("2026-11-18T16:59:59.999999", "2026-11-18"),
            ("2026-11-18T17:00:00", "2026-11-19"),
            ("2026-11-15T17:15:00", "2026-11-16"),
            ("2026-12-31T17:00:00", "2027-01-01"),
            ("2026-07-01T17:00:00", "2026-07-02"),
        ],
    )
    def test_rolls_at_five_in_new_york(self, text: str, day: str) -> None:
        """In winter and in summer, over the weekend and the year."""
        assert hours.fx_day(new_york(text)) == day


class TestRestartWindow:
    """The declared restart of the gateway: from a minute before it until it may be over."""

    @pytest.mark.parametrize(
        ("text", "inside"),
        [
            ("2026-11-18T23:43:59.999999", False),
            ("2026-11-18T23:44:00", True),
            ("2026-11-18T23:49:59", True),
            ("2026-11-18T23:50:00", False),
            ("2026-07-18T23:44:00", True),
            ("2026-07-18T22:44:00", False),
        ],
    )
    def test_edges_in_new_york(self, text: str, inside: bool) -> None:
        """From 23:44 to 23:50, in winter and in summer."""
        ends = hours.restart_window_ends(RestartWindow(timedelta(hours=23, minutes=45)), new_york(text))
        assert ends == (new_york(text[:11] + "23:50") if inside else None)

    @shows("F58")
    @pytest.mark.parametrize("zone", [Zone.NEW_YORK, Zone.LONDON, Zone.ZURICH, Zone.UTC])
    def test_once_a_day_on_every_day_and_twice_where_the_clock_is(self, zone: Zone) -> None:
        """Every day of 2026 has its window, at the very time that its zone's clocks show; the hour that comes twice has
        two, and the hour that does not come has one."""
        theirs = ZoneInfo(zone.value)
        window = RestartWindow(timedelta(hours=1, minutes=30), zone, timedelta(0), MINUTE)
        lengths = []
        at = datetime(2026, 1, 1, tzinfo=UTC)
        while at.year == 2026:
            if hours.restart_window_ends(window, at) is not None:
                lengths.append(at)
                wall = at.astimezone(theirs)
                assert (wall.hour, wall.minute) in ((1, 30), (2, 30))
            at += 30 * MINUTE
        assert len(lengths) == (366 if zone in (Zone.NEW_YORK, Zone.LONDON) else 365)

    def test_window_over_midnight(self) -> None:
        """A restart just after midnight is prepared for in the evening; one just before it reaches into the morning."""
        early = RestartWindow(timedelta(minutes=0, seconds=30))
        assert hours.restart_window_ends(early, new_york("2026-11-18T23:59:30")) is not None
        late = RestartWindow(timedelta(hours=23, minutes=59))
        assert hours.restart_window_ends(late, new_york("2026-11-19T00:03:59")) is not None

    def test_none_declared(self) -> None:
        """Without a declaration there is no window."""
        assert hours.restart_window_ends(None, new_york("2026-11-18T23:45")) is None
