"""What a human decides on: gathered from Phoenix's own data, hashed as a bead, and kept for the autopsy.

The leaf hash of an EVIDENCE bead is what is signed; a newer version of the evidence voids every signature on an older
one. How it is shown stands in `screen.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, CanonicalSignal, Evidence, Policy, QuoteSeen, Sizing
from phoenix_core.orders import Line
from phoenix_core.values import Instrument, Money, Price

# A screen that is five minutes old shows another market; the engine makes a new version while the intent waits.
EVIDENCE_LIFE: Final = timedelta(minutes=5)


@frozen
class Shown:
    """One version of an intent's evidence, in its place in the log."""

    evidence: Evidence
    leaf: str
    seq: int
    at: datetime


@frozen
class Thesis:
    """What outlives the evidence: the exit mandate and what the autopsy asks for."""

    leaf: str
    seq: int
    strategy: str
    setup_type: str
    proposed_at: datetime
    entry: Price
    stop: Price
    target: Price
    mid: Price  # of the quote that the evidence cites
    risk: Money
    lines: tuple[Line, ...]
    time_exit: timedelta | None = None


@frozen
class Circumstances:
    """What the assembler adds to a signal and its size, gathered from other wings by the act."""

    proposer: str
    state_age: timedelta
    state_limit: timedelta
    quote: QuoteSeen
    position_before: Decimal
    gross_before: Money
    daily_loss: Money
    flags: tuple[str, ...]  # made by `kill_flag`, `red`, `amber`, `info` below
    expires_at: datetime
    margin_used: Money | None = None


@define
class EvidenceBook:
    """The latest evidence of every intent: whole while it may be acted on, its thesis afterwards, for ever."""

    current: dict[str, Shown] = Factory(dict)  # by intent, oldest first
    theses: dict[str, str] = Factory(dict)  # intent -> canonical text of its thesis

    def fold(self, bead: Bead) -> None:
        """Fold EVIDENCE."""
        raise NotImplementedError

    def latest(self, intent_id: str) -> Shown | None:
        """The latest version, whole: until 15 minutes after it expired at least."""
        return self.current.get(intent_id)

    def thesis(self, intent_id: str) -> Thesis | None:
        """The exit mandate and the entry thesis of an intent, however long ago it ended."""
        raise NotImplementedError

    def next_version(self, intent_id: str) -> int:
        """The number that the next version of an intent's evidence carries."""
        raise NotImplementedError


def kill_flag(words: str) -> str:
    """The light of an active kill flag: it blocks, and it is named."""
    return f"KILL {words}"


def red(words: str) -> str:
    """A light that blocks."""
    return f"RED {words}"


def amber(words: str) -> str:
    """A light that asks for the instrument to be typed too."""
    return f"AMBER {words}"


def info(words: str) -> str:
    """A fact beside the lights: the last reconciliation, the link."""
    return f"INFO {words}"


def blocks(evidence: Evidence) -> bool:
    """Whether any light of this evidence forbids its approval."""
    return any(flag.startswith(("KILL ", "RED ")) for flag in evidence.flags)


def asks_for_instrument(evidence: Evidence) -> bool:
    """Whether an amber light asks the human to type the instrument too."""
    return any(flag.startswith("AMBER ") for flag in evidence.flags)


def bracket_of(
    signal: CanonicalSignal, sizing: Sizing, instrument: Instrument, account_tag: str
) -> tuple[Line, Line, Line]:
    """Entry, stop and target as one native bracket: hashed, approved and sent together."""
    raise NotImplementedError


def assemble(
    signal: CanonicalSignal,
    sizing: Sizing,
    instrument: Instrument,
    account_tag: str,
    policy: Policy,
    version: int,
    found: Circumstances,
) -> Evidence:
    """The body of an EVIDENCE bead; its order hash is that of the bracket."""
    raise NotImplementedError
