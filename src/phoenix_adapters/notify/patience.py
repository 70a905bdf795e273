"""When a channel may be tried again. A channel that failed is left alone for a while: trying costs the desk time, and
insisting is what gets a bot banned. Waiting is a state that is looked at, never a sleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

# The first failure may be a hiccup; by the seventh the channel is down and a minute's delay changes nothing.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
# What a server may ask for at most. An hour is the longest that Telegram was seen to say; more would be a mute channel.
ASKED_PAUSE_MAX_S: Final = 3600.0


@define
class Patience:
    """Whether a channel is to be left alone now, by a clock that is handed in."""

    ticks_s: Callable[[], float]
    _until_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)

    @property
    def waits(self) -> bool:
        """Whether it is too early to try again."""
        return self.ticks_s() < self._until_s

    def succeeded(self) -> None:
        """The channel took a message."""
        self._failures, self._until_s = 0, 0.0

    def failed(self) -> None:
        """The channel did not take a message: wait twice as long as after the failure before."""
        pause_s = min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        self._until_s = self.ticks_s() + pause_s

    def asked(self, seconds: float) -> None:
        """The server said how long to stay away."""
        self._failures = min(self._failures + 1, 10)
        self._until_s = self.ticks_s() + min(max(seconds, FIRST_PAUSE_S), ASKED_PAUSE_MAX_S)
