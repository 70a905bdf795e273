"""Single messages as records, and whoever reads them, without a socket."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from phoenix_adapters.brokers.ibkr.translate import Accounts, Names, Translator
from phoenix_core.values import Account

OURS: Final = 17
REF: Final = "a" * 28
OTHER: Final = "b" * 28
NOON: Final = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
UNSET: Final = "1.7976931348623157E308"


def said(**fields: object) -> dict[str, str]:
    """A record with these fields; whatever else is asked of it is empty."""
    return defaultdict(str, {name: str(value) for name, value in fields.items()})


def translator(zone: str = "America/New_York") -> Translator:
    """One session's, with nothing heard yet."""
    accounts = Accounts(lambda number: Account(f"tag of {number}", f"{number[:2]}...{number[-3:]}"))
    return Translator(accounts, Names(OURS), 1, ZoneInfo(zone))
