"""Alerts on the engine's own console: the channel that needs nothing else to work."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from phoenix_core.watch.alerts import Message


@frozen
class ConsoleNotifier:
    """Says every message where the engine runs."""

    say: Callable[[str], None]
    name: str = "console"

    async def send(self, message: Message) -> bool:
        """Print one message."""
        self.say(f"[{message.severity}] {message.text}")
        return True
