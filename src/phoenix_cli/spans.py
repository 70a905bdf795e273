"""Spans as people write them: 90s, 15m, 24h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
# A hundred years: no log is older, and every clock can be set back by it.
LONGEST: Final = timedelta(days=36_500)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span_of(text: str) -> timedelta:
    """The span that somebody wrote; raises `BadInput` with the mend."""
    from phoenix_core.values import BadInput

    match = _SPAN.fullmatch(text)
    if match is None:
        raise BadInput("--since", text, "write a number and s, m, h or d, such as 24h")
    span = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if span > LONGEST:
        raise BadInput("--since", text, f"write at most {LONGEST.days}d")
    return span
