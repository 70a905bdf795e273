"""The words of the trade: parsed once where they enter, trusted ever after.

Money, prices and quantities are exact decimals, on disk and on the wire decimal strings of one fixed grammar. A float
never enters: what it would round away is somebody's money.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from enum import Enum
from functools import lru_cache
from typing import Final, NewType
from uuid import UUID

from attrs import frozen

Price = NewType("Price", Decimal)
Quantity = NewType("Quantity", Decimal)
Money = NewType("Money", Decimal)

IntentId = NewType("IntentId", str)
PositionId = NewType("PositionId", str)
TokenId = NewType("TokenId", str)
CommandId = NewType("CommandId", str)
OrderRef = NewType("OrderRef", str)

ZERO: Final = Decimal(0)
NO_QUANTITY: Final = Quantity(ZERO)

# 38 digits carry every amount of every currency with room to spare, and fit the decimal columns of any database.
DIGITS_MAX: Final = 38
# Products of two 38-digit numbers stay exact in 80 digits; a division is rounded there, long after it matters.
ARITHMETIC: Final = Context(prec=80, traps=[InvalidOperation, DivisionByZero, Overflow])

_CANONICAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?", re.ASCII)
_WRITTEN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)


class BadInput(ValueError):
    """Something that came in cannot be understood: which field, what it held, and how to mend it."""

    def __init__(self, field: str, value: object, mend: str) -> None:
        """Keep the three parts apart, so that every edge can show them its own way."""
        shown = value if isinstance(value, str) else repr(value)
        self.field, self.value, self.mend = field, shown[:120], mend
        super().__init__(f"{field}: {self.value!r} is not accepted; {mend}")


WORD_MAX: Final = 80  # a digest with its name; escaped, nobody fills a screen with it


def word(text: object, field: str) -> str:
    """A name that stands in the log and on the screen of whoever approves."""
    if isinstance(text, str) and 0 < len(text) <= WORD_MAX and text.isprintable():
        return text
    raise BadInput(field, text, f"write 1 to {WORD_MAX} printable characters")


def number(text: object, field: str) -> Decimal:
    """Read a decimal as people and bots write it (`1.0850`); exponents, plus signs, look-alike digits are refused."""
    if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
        raise BadInput(field, text, "write a plain decimal such as 1.0850, as text")
    if sum(c.isdigit() for c in text) > DIGITS_MAX:
        raise BadInput(field, text, f"write at most {DIGITS_MAX} digits")
    value = Decimal(text)
    if value == 0 and text.startswith("-"):
        raise BadInput(field, text, "write zero without a sign")
    return value


def exact(text: object, field: str) -> Decimal:
    """Read a decimal in the one canonical spelling that beads, statements and frames use."""
    if not isinstance(text, str) or not _CANONICAL.fullmatch(text) or text == "-0" or len(text) > DIGITS_MAX + 2:
        raise BadInput(field, text, "write a canonical decimal: no exponent, no trailing zeros, no sign on zero")
    return Decimal(text)


def plain(value: Decimal) -> str:
    """Spell a decimal in the canonical grammar: `1.085`, never `1.0850`, `1E+3` or `-0`."""
    assert value.is_finite(), f"a number that is no number reached the desk: {value}"
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def spelt(value: Decimal) -> str:
    """Spell a decimal for a bead: never one that `exact` would not read back, for a log that cannot be read is lost."""
    text = plain(value)
    assert len(text) <= DIGITS_MAX + 2, f"{text} has more digits than a bead may say"
    return text


def divide(a: Decimal, b: Decimal) -> Decimal:
    """a / b in the desk's own arithmetic, whatever context the host thread carries."""
    return ARITHMETIC.divide(a, b)


def times(a: Decimal, b: Decimal) -> Decimal:
    """a * b exactly: never rounded by the host thread's context."""
    return ARITHMETIC.multiply(a, b)


def floor_to(value: Decimal, increment: Decimal) -> Decimal:
    """The largest multiple of the increment that is not above the value."""
    assert increment > 0, "an increment is positive"
    return times(divide(value, increment).to_integral_value(rounding=ROUND_FLOOR, context=ARITHMETIC), increment)


def on_grid(value: Decimal, increment: Decimal) -> bool:
    """Whether the value is a whole number of increments."""
    return ARITHMETIC.remainder(value, increment) == 0


class Named(Enum):
    """An enum that hashes by identity: members are singletons, and a dictionary of them is asked on every step."""

    __hash__ = object.__hash__

    def __str__(self) -> str:
        """The name, as it stands in beads and in sentences."""
        return str(self.value)


class Side(Named):
    """The direction of an order; a position's sign is only ever derived."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for what a BUY adds to a position, -1 for what a SELL takes away."""
        return 1 if self is Side.BUY else -1

    @property
    def other(self) -> Side:
        """The side that closes what this side opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Mode(Named):
    """What kind of money a desk touches. A desk has one mode for life; going live is another desk and a restart."""

    MOCK = "MOCK"
    PAPER = "PAPER"
    LIVE = "LIVE"


class State(Named):
    """The nine states of a position. There is no tenth: EXPIRED is an event of a token."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    SUBMITTED = "SUBMITTED"
    STALLED = "STALLED"
    FILLED = "FILLED"
    MANAGED = "MANAGED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


class OrderType(Named):
    """How an order meets the market. Entries are MARKET, LIMIT only where the policy names it; STOP is for exits."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"


class Tif(Named):
    """How long an order works: entries for the day, protection until cancelled."""

    DAY = "DAY"
    GTC = "GTC"


class Role(Named):
    """What an order is for. The last part of its reference says it: none, `.S`, `.T`, `.C`."""

    ENTRY = "ENTRY"
    STOP = "STOP"
    TARGET = "TARGET"
    CLOSE = "CLOSE"

    @property
    def is_exit(self) -> bool:
        """Whether an order of this role may only ever reduce exposure."""
        return self is not Role.ENTRY


class SecType(Named):
    """What kind of thing is traded."""

    CASH = "CASH"
    STOCK = "STK"


class Regime(Named):
    """The weather of the market, as the strategy's context names it; in rough weather a context ages faster."""

    DEFAULT = "DEFAULT"
    HIGH_VOLATILITY = "HIGH_VOLATILITY"
    NEWS = "NEWS"


class Severity(Named):
    """How loud an alert is."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@frozen
class Moment:
    """One instant on both clocks. `ticks` counts suspend and never steps; `boot` names the boot that counts it."""

    wall: datetime
    ticks: timedelta
    boot: str

    def __attrs_post_init__(self) -> None:
        """A naive wall clock is the oldest bug of the field; it does not get in."""
        if getattr(self.wall, "tzinfo", None) is not UTC:
            raise BadInput("wall", self.wall, "give a datetime whose tzinfo is datetime.UTC itself")

    def plus(self, span: timedelta) -> Moment:
        """The instant a span later on both clocks: for tests, plans and countdowns."""
        return Moment(self.wall + span, self.ticks + span, self.boot)


# What a wall clock may step back without anybody having set it.
WALL_BACK_MAX: Final = timedelta(seconds=2)


def instant(wall: datetime, ticks: timedelta | None, boot: str | None) -> Moment:
    """The instant of a bead, from its stamp and the reading of the second clock that it carries, if it carries one."""
    return Moment(wall, ticks or timedelta(0), boot or "")


def elapsed(since: Moment, now: Moment) -> timedelta | None:
    """How long ago an instant was, by the clock that says more; None where the clocks cannot say.

    They cannot across a boot, nor after the wall clock was set back. An instant without a boot was written down before
    beads carried the second clock: of it the wall clock says what there is to say.
    """
    wall, ticks = now.wall - since.wall, now.ticks - since.ticks
    if wall < -WALL_BACK_MAX:
        return None
    if not since.boot:
        return wall
    return None if since.boot != now.boot or ticks < timedelta(0) else max(wall, ticks)


def is_over(since: Moment, now: Moment, span: timedelta) -> bool:
    """Whether a span is over. Either clock may say so, and so does not knowing: another boot, a wall set back (A6)."""
    spent = elapsed(since, now)
    return spent is None or spent >= span


@frozen
class Account:
    """Whose money: the keyed hash that beads carry, and a mask for people. The number itself stays outside the log."""

    tag: str
    mask: str

    @property
    def prefix(self) -> str:
        """The letters that tell paper (`DU`) from live (`U`)."""
        return self.mask.partition("...")[0]


@frozen
class Instrument:
    """What is traded, as the broker's contract card describes it."""

    symbol: str  # the desk's name for it: EURUSD, AAPL
    name: str
    sec_type: SecType
    base: str  # the broker's symbol: EUR, AAPL
    currency: str
    exchange: str
    con_id: int
    tick: Price
    increment: Quantity
    minimum: Quantity


def utc_text(at: datetime) -> str:
    """The one spelling of an instant in beads and statements: UTC, microseconds, a Z."""
    assert at.tzinfo is UTC, "only UTC is written"
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII)


def utc_of(text: object, field: str) -> datetime:
    """Read an instant in its one spelling."""
    try:
        at = instant_of(text) if isinstance(text, str) else None
    except ValueError as error:
        raise BadInput(field, text, "write an instant that exists in the calendar") from error
    if at is None:
        raise BadInput(field, text, "write UTC with microseconds, such as 2026-11-18T19:00:00.000000Z")
    return at


@lru_cache(1024)
def instant_of(text: str) -> datetime | None:
    """The same, None for another spelling. Neighbouring beads are of one instant, and name it several times."""
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC) if _INSTANT.fullmatch(text) else None


_DESK_NAMESPACE: Final = UUID("5f0c6a4e-9d0b-5f7e-8a3e-0b1d2c3f4a5b").bytes
# Two bits of the ninth byte are the uuid's variant; the digit that holds them is one of four.
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def derived_id(*parts: str) -> str:
    """A uuid that the same parts always make again: retries and replays name things alike.

    It is version 5 of RFC 9562, as `uuid.uuid5` makes it, without the object in between.
    """
    said = _DESK_NAMESPACE + "\x1f".join(parts).encode()
    text = hashlib.sha1(said, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def text_hash(text: str) -> str:
    """How a bead points at free text, which lives in a side table: the words themselves stay out of the log."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


Facts = Mapping[str, str]
