"""How badly the mock broker behaves: one draw per order, from odds that a mode names."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Final

from attrs import frozen


class ChaosMode(Enum):
    """INSTANT for fast tests, REALISTIC for the chaos vectors, ADVERSARIAL for stress."""

    INSTANT = "INSTANT"
    REALISTIC = "REALISTIC"
    ADVERSARIAL = "ADVERSARIAL"


@frozen
class Odds:
    """The chances of an order's fate; they add up to one."""

    fill_probability: Decimal
    partial_fill_prob: Decimal
    reject_prob: Decimal
    delay_prob: Decimal
    delay_range_sec: tuple[int, int]


ODDS: Final[dict[ChaosMode, Odds]] = {
    ChaosMode.INSTANT: Odds(Decimal("1.0"), Decimal("0.0"), Decimal("0.0"), Decimal("0.0"), (0, 0)),
    ChaosMode.REALISTIC: Odds(Decimal("0.90"), Decimal("0.05"), Decimal("0.03"), Decimal("0.02"), (10, 30)),
    ChaosMode.ADVERSARIAL: Odds(Decimal("0.70"), Decimal("0.15"), Decimal("0.10"), Decimal("0.05"), (30, 60)),
}


@frozen
class Fill:
    """Everything asked for, after a while."""

    after: timedelta = timedelta(0)


@frozen
class Partial:
    """A part of it; the rest keeps working."""

    share: Decimal = Decimal("0.5")
    after: timedelta = timedelta(0)


@frozen
class Reject:
    """Refused by the broker, with its code and words."""

    code: int = 201
    text: str = "Order rejected - reason: insufficient margin"


@frozen
class Silence:
    """The frame arrives and nothing is ever heard of it; `fills` says whether it worked all the same."""

    fills: bool = False


@frozen
class Lose:
    """The transport drops the frame: not a byte leaves."""


@frozen
class Dawdle:
    """Not a word for a while, not even of the frames having left; then it is filled."""

    after: timedelta = timedelta(seconds=30)


Fate = Fill | Partial | Reject | Silence | Lose | Dawdle


def draw(mode: ChaosMode, random: Random) -> Fate:
    """One order's fate, drawn so that a shrinking test moves toward a plain fill."""
    odds = ODDS[mode]
    point = Decimal(random.randrange(1000)) / 1000
    if point < odds.fill_probability:
        return Fill()
    point -= odds.fill_probability
    if point < odds.partial_fill_prob:
        return Partial(Decimal(random.randrange(1, 10)) / 10)
    point -= odds.partial_fill_prob
    if point < odds.reject_prob:
        return Reject()
    return Fill(timedelta(seconds=random.randint(*odds.delay_range_sec)))
