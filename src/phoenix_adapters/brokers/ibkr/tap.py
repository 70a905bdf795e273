"""Every raw message, before the library reads it: what the library would lose, invent or misread, we still hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from phoenix_adapters.brokers.ibkr.library import Client
from phoenix_adapters.wire import SERVER

# The library may go on to read the feed of orders and fills, for whoever looks at its objects. Answers to our own
# requests are ours alone: it did not ask, and would only complain.
READ_ON: Final = frozenset({3, 4, 5, 11, 59})

Hear = Callable[[tuple[str, ...]], None]


def tap(client: Client, hear: Hear) -> None:
    """Put `hear` in front of the library's handler of every message that the shared layout knows."""
    handlers = client.decoder.handlers
    for layout in SERVER.values():
        handlers[layout.id] = _tapped(hear, handlers.get(layout.id) if layout.id in READ_ON else None)


def _tapped(hear: Hear, original: Callable[[list[str]], object] | None) -> Callable[[list[str]], None]:
    def handle(fields: list[str]) -> None:
        hear(tuple(fields))
        if original is not None:
            _ = original(fields)

    return handle
