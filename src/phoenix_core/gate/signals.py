"""What a bot may propose: a closed schema, read strictly, judged once; every signal is one intent, for ever.

A proposer is a stranger. Nothing of what it writes is coerced, guessed or completed: what the schema does not name is
refused by name, numbers are plain decimals in text, names are plain ASCII (look-alike letters cannot be told apart by
the human who approves), and free text becomes a hash whose words travel beside the log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, CanonicalSignal, Signal, SignalEvent
from phoenix_core.canonical import encode
from phoenix_core.records import to_json
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.values import (
    BadInput,
    Instrument,
    Moment,
    Named,
    OrderType,
    Price,
    Quantity,
    Side,
    number,
    on_grid,
    text_hash,
)

SCHEMA: Final = "cse/1"
READY: Final = "READY"
STAGES: Final = (READY, "FORMING", "NONE")

# Older than the longest threshold of the stale gate, a setup belongs to another market.
SIGNAL_AGE_MAX: Final = timedelta(minutes=15)
# Two hosts kept by NTP differ by milliseconds; a clock that is 5 s ahead is wrong, or the signal was made up.
SIGNAL_SKEW_MAX: Final = timedelta(seconds=5)
# Longer than every limit of the stale gate, so that a context that went stale is what the human hears of first.
PROPOSAL_LIFE: Final = timedelta(minutes=30)


@frozen
class Incoming:
    """A signal as it was read: its canonical form, the words that stay beside the log, and the order type it asks for.

    `order_type` is as written: C9's schema has no such field, so asking for anything but MARKET is judged by name.
    """

    signal: CanonicalSignal
    texts: Mapping[str, str]  # hash -> words
    order_type: str = OrderType.MARKET.value


@frozen
class Proposal:
    """An accepted signal while somebody may still decide on it."""

    signal: CanonicalSignal
    channel: str
    seq: int
    at: datetime
    expires_at: datetime
    twin: str  # what it proposes, whatever it is called


@frozen
class Heard:
    """What became of an input that came lately: the same bytes have the same outcome."""

    event: SignalEvent
    at: datetime
    intent_id: str = ""
    reasons: tuple[str, ...] = ()


class Seen(Named):
    """Whether the desk has met this signal."""

    NEW = "NEW"
    SAME = "SAME"  # same ids, same body: nothing new, answer as before
    OTHER = "OTHER"  # an id that was used for another body


class BadGeometry(BadInput):
    """Stop, entry and target are not in the order of a buy or of a sell."""


@define
class Signals:
    """Every signal that came in: whole while it may be decided on, a hash afterwards."""

    open: dict[str, Proposal] = Factory(dict)  # by intent, in order of arrival
    twins: dict[str, str] = Factory(dict)  # twin -> the latest open intent that proposes it
    bodies: dict[str, str] = Factory(dict)  # intent -> hash of its canonical signal, for ever
    intents: dict[str, str] = Factory(dict)  # signal id -> intent, for ever
    heard: dict[str, Heard] = Factory(dict)  # digest of bytes -> outcome, lately

    def fold(self, bead: Bead) -> None:
        """Fold SIGNAL."""
        raise NotImplementedError

    def proposal(self, intent_id: str) -> Proposal | None:
        """The accepted signal of an intent, while it may still be decided on."""
        return self.open.get(intent_id)

    def outcome(self, digest: str) -> Heard | None:
        """What became of exactly these bytes, if they came lately."""
        return self.heard.get(digest)

    def twin_of(self, signal: CanonicalSignal) -> str | None:
        """Another open intent that proposes the same trade under another name: an amber light."""
        raise NotImplementedError


def read_signal(document: Mapping[str, object]) -> Incoming:
    """Read a document against the closed schema; raises `BadInput` naming field, value and mend (`BadGeometry` apart)."""
    raise NotImplementedError


def refusal_of(error: BadInput) -> Refusal:
    """The refusal that a signal which could not be read becomes: SIGNAL_MALFORMED or SIGNAL_GEOMETRY."""
    return refusal(
        Reason.SIGNAL_GEOMETRY if isinstance(error, BadGeometry) else Reason.SIGNAL_MALFORMED, detail=str(error)
    )


def seen(signals: Signals, signal: CanonicalSignal) -> Seen:
    """Whether the desk met this signal before: asked first, for SAME is no refusal and leaves no bead."""
    raise NotImplementedError


def judge_signal(
    signals: Signals,
    incoming: Incoming,
    now: Moment,
    order_types: tuple[OrderType, ...],
    instrument: Instrument | None,
) -> Refusal | None:
    """Every rule about the signal itself: ready, new, of its time, enabled order type, prices on the tick grid.

    Without a contract card (`instrument` None: a process without a broker) the grid is judged when evidence is made.
    """
    raise NotImplementedError


def proposal_expires_at(now: Moment) -> datetime:
    """When a proposal that nobody decided on is withdrawn."""
    return now.wall + PROPOSAL_LIFE
