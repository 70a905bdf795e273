"""What the human saw: the fact block of the approve screen, as deterministic text of exactly one evidence and one quote.

Its hash is part of the signed statement, so that an auditor can make the screen again from the log. Facts are never
truncated: a line that is full goes on in the next one. Countdown, prompt and match words stand outside.
"""

from __future__ import annotations

import hashlib
from typing import Final

from attrs import frozen

from phoenix_core.beads import Evidence
from phoenix_core.values import Mode, Price

COLUMNS: Final = 80
LINES_MAX: Final = 20


@frozen
class Live:
    """The quote that a statement cites."""

    bid: Price
    ask: Price
    age_ms: int


def render_facts(evidence: Evidence, leaf: str, live: Live, mode: Mode, account_mask: str) -> tuple[str, ...]:
    """The fact block: ASCII only, every line at most 80 columns, at most 20 lines unless red lights need more."""
    raise NotImplementedError


def fits(lines: tuple[str, ...]) -> bool:
    """Whether a screen of 80 x 24 shows all of the facts; what does not fit cannot be approved."""
    return len(lines) <= LINES_MAX and all(len(line) <= COLUMNS for line in lines)


def render_hash(lines: tuple[str, ...]) -> str:
    """SHA-256 of the exact text shown: the lines, each ended by a newline."""
    return hashlib.sha256("".join(line + "\n" for line in lines).encode("ascii")).hexdigest()


def sanitised(text: str) -> str:
    """The text with everything escaped that is not plainly visible ASCII: control, bidi, zero-width, look-alikes."""
    raise NotImplementedError


def boxed_note(words: str) -> tuple[str, ...]:
    """Untrusted words, opened: boxed, escaped, at most 280 characters of them, for below the numbers."""
    raise NotImplementedError


def match_words(leaf: str) -> tuple[str, str, str, str]:
    """Four plain words from the first 44 bits of a leaf hash: the same on the screen and in the notification."""
    raise NotImplementedError
