"""Where prices come from: a seeded random walk in whole ticks, one per listing, with a gap where the venue was closed.

Looked at twice within one step it says the same; over a longer time it takes one larger step, so that an idle weekend
costs nothing. Scripts may set a quote, freeze a listing, or take one side away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from attrs import define, field, frozen

from phoenix_adapters.gateway.hours import session_at
from phoenix_adapters.gateway.instruments import LISTINGS, RATES, Listing

STEP: Final = timedelta(milliseconds=250)
# A night or a weekend moves the price like this much trading time, and an opening spread is this much wider.
_GAP_SECONDS: Final = 3_600.0


@frozen
class Quote:
    """Both sides as they stand; a side that nobody makes is None."""

    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal
    at: datetime


@define
class _Line:
    listing: Listing
    bid_ticks: int
    spread_ticks: int
    bid_size: int
    ask_size: int
    looked: datetime
    last_ticks: int
    low_ticks: int
    high_ticks: int
    fraction: float = 0.0
    frozen: bool = False
    no_bid: bool = False
    no_ask: bool = False


@define
class Market:
    """All prices; `volatility` scales every walk, and zero stands still."""

    random: Random
    started: datetime
    volatility: float = 1.0
    _lines: dict[int, _Line] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for listing in LISTINGS:
            bid = int(listing.start / listing.tick)
            self._lines[listing.con_id] = _Line(
                listing, bid, listing.spread_ticks, listing.depth, listing.depth, self.started,
                bid, bid, bid,
            )  # fmt: skip

    def quote(self, listing: Listing, now: datetime) -> Quote:
        """The listing's quote now."""
        line = self._lines[listing.con_id]
        self._walk(line, now)
        tick = listing.tick
        return Quote(
            None if line.no_bid else line.bid_ticks * tick,
            None if line.no_ask else (line.bid_ticks + line.spread_ticks) * tick,
            Decimal(line.bid_size),
            Decimal(line.ask_size),
            line.last_ticks * tick,
            line.looked,
        )

    def mid(self, listing: Listing, now: datetime) -> Decimal:
        """The middle of the quote, also where a side is missing: what positions are marked at."""
        line = self._lines[listing.con_id]
        self._walk(line, now)
        return (2 * line.bid_ticks + line.spread_ticks) * listing.tick / 2

    def day_range(self, listing: Listing) -> tuple[Decimal, Decimal]:
        """Highest and lowest bid since the start."""
        line = self._lines[listing.con_id]
        return line.high_ticks * listing.tick, line.low_ticks * listing.tick

    def rate(self, currency: str, now: datetime) -> Decimal:
        """What one unit of a currency is worth in dollars."""
        if currency == "USD":
            return Decimal(1)
        listing, direct = RATES[currency]
        mid = self.mid(listing, now)
        return mid if direct else 1 / mid

    def set(self, listing: Listing, now: datetime, bid: Decimal, ask: Decimal, freeze: bool = True) -> None:
        """Put the quote where a script wants it; it stays there unless `freeze` is off."""
        assert ask > bid > 0, "a quote is two prices, the higher one asked"
        assert not bid % listing.tick, "a bid is on the tick"
        assert not ask % listing.tick, "an ask is on the tick"
        line = self._lines[listing.con_id]
        line.bid_ticks = int(bid / listing.tick)
        line.spread_ticks = int(ask / listing.tick) - line.bid_ticks
        line.looked, line.frozen = now, freeze
        self._mark(line)

    def side(self, listing: Listing, bid: bool, ask: bool) -> None:
        """Say which sides are quoted."""
        line = self._lines[listing.con_id]
        line.no_bid, line.no_ask = not bid, not ask

    def freeze(self, listing: Listing, frozen: bool) -> None:
        """Hold a price where it is, or let it walk again."""
        self._lines[listing.con_id].frozen = frozen

    def _walk(self, line: _Line, now: datetime) -> None:
        elapsed = now - line.looked
        if elapsed < STEP:
            return
        opens, _ = session_at(line.listing, now, outside=True)
        if now < opens:
            return
        seconds = _GAP_SECONDS if line.looked < opens else elapsed.total_seconds()
        line.looked = now
        sigma = float(line.listing.sigma_ticks) * self.volatility * seconds**0.5
        # Every step draws the same number of times, so that one frozen line does not change the others' fates.
        step = self.random.gauss(0.0, sigma)
        widening = self.random.choice((0, 0, 0, 1))
        shown = self.random.randint(1, 10), self.random.randint(1, 10)
        # Sizes move even where the price is held: a quote that nobody renews is a stale one.
        line.bid_size, line.ask_size = (max(1, line.listing.depth * part // 10) for part in shown)
        if line.frozen:
            return
        whole = round(line.fraction + step)
        line.fraction += step - whole
        line.bid_ticks = max(10, line.bid_ticks + whole)
        line.spread_ticks = line.listing.spread_ticks + (widening if self.volatility else 0)
        self._mark(line)

    def _mark(self, line: _Line) -> None:
        line.last_ticks = line.bid_ticks
        line.low_ticks = min(line.low_ticks, line.bid_ticks)
        line.high_ticks = max(line.high_ticks, line.bid_ticks)
