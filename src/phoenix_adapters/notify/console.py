"""Alerts on the engine's own console: the channel that needs nothing else to work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from phoenix_core.watch.alerts import Message

# Enough to remember what still waits for another channel; an alert that is older than so many others is said again.
SAID_MAX: Final = 2000


@define
class ConsoleNotifier:
    """Says every message where the engine runs.

    Nobody may be looking. So where another channel is meant to reach a person (`settles=False`) the console says each
    message once and does not count as delivery: the alert stays in the outbox until that channel takes it.
    """

    say: Callable[[str], None]
    settles: bool = True
    name: str = "console"
    _said: dict[str, None] = field(factory=dict, init=False)

    async def send(self, message: Message) -> bool:
        """Print one message, once."""
        fresh = [one for one in message.alerts if one not in self._said]
        if fresh or not message.alerts:
            loud = message.text.startswith(message.severity.value)  # a line of the log's own says it already
            self.say(message.text if loud else f"{message.severity} {message.text}")
        if not self.settles:
            self._said.update(dict.fromkeys(fresh))
            while len(self._said) > SAID_MAX:
                del self._said[next(iter(self._said))]
        return self.settles
