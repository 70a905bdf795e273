"""Who may write now: our own queue in front of the socket, on the host's steady clock.

The rules are the core's (`watch.pacing`): 8 messages in 0.2 s, 45 in a second. Data keeps to less, so that a bracket
always finds room; what takes risk away may use what the gateway allows beyond them, and never stands behind data.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from attrs import Factory, define

from phoenix_core.watch.pacing import BURST_WINDOW, SECOND, Wire, budget

# Data leaves 15 messages of a second and a whole bracket of every burst to orders.
DATA_PER_SECOND_MAX: Final = 30
DATA_PER_BURST_MAX: Final = 5
# The gateway counts to 50. Cancels, exits and the probe of the link may go up to one below it.
URGENT_PER_SECOND_MAX: Final = 49
LOOK_AGAIN_S: Final = 0.01


def _steady() -> timedelta:
    return timedelta(seconds=time.monotonic())


@define
class Pacer:
    """What went out lately, and who may go next."""

    now: Callable[[], timedelta] = _steady
    wire: Wire = Wire()
    _turns: asyncio.Lock = Factory(asyncio.Lock)

    def room(self) -> int:
        """How many place frames of entries may leave now."""
        return budget(self.wire, self.now())

    def urgent_room(self) -> int:
        """How many frames may leave now that take risk away."""
        return max(0, URGENT_PER_SECOND_MAX - self._within(SECOND))

    def took(self, messages: int, orders: int = 0) -> None:
        """Note what was written."""
        now = self.now()
        self.wire = Wire(
            tuple(at for at in self.wire.messages if now - at < SECOND) + (now,) * messages,
            tuple(at for at in self.wire.orders if now - at < SECOND) + (now,) * orders,
        )

    async def data_turn(self) -> None:
        """Wait, first come first served, until a data request may leave; it is noted as written."""
        async with self._turns:
            while self._within(SECOND) >= DATA_PER_SECOND_MAX or self._within(BURST_WINDOW) >= DATA_PER_BURST_MAX:
                await asyncio.sleep(LOOK_AGAIN_S)
            self.took(1)

    def _within(self, window: timedelta) -> int:
        now = self.now()
        return sum(1 for at in self.wire.messages if now - at < window)
