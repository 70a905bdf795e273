"""What is yet to happen, in the order of time; what is due at one moment happens in the order of asking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush

from attrs import define, field


@define
class Schedule:
    """A clock that only moves when it is told to, and what it will do then."""

    now: datetime
    _queue: list[tuple[datetime, int, Callable[[], None]]] = field(factory=list)
    _asked: int = 0

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Do this then, or with the next step if the moment has passed."""
        self._asked += 1
        heappush(self._queue, (max(moment, self.now), self._asked, act))

    def due(self) -> datetime | None:
        """When the next thing happens."""
        return self._queue[0][0] if self._queue else None

    def advance(self, now: datetime) -> None:
        """Let happen, each at its own moment, all that is due by `now`; a clock that went back does nothing."""
        while self._queue and self._queue[0][0] <= now:
            moment, _, act = heappop(self._queue)
            self.now = max(self.now, moment)
            act()
        self.now = max(self.now, now)
