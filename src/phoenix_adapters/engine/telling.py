"""How alerts reach people: whole messages, CRITICAL first, on the first channel that takes them. Nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, evolve

from phoenix_adapters.engine.turn import Turn
from phoenix_core.chain import StoreFault
from phoenix_core.desk import Desk
from phoenix_core.ports import BeadStore, Notifier
from phoenix_core.watch.alerts import Message, next_messages

# A notifier that hangs must not pile up tasks without end; a minute is longer than any of them should take.
TOLD_WITHIN: Final = timedelta(seconds=60)
# What no channel took is tried again after these spans, the last one for ever: a dead channel is not hammered.
RETRY_AFTER: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45))
# A channel is mute once so many messages in a row, and for so long, were taken by the next one: a hiccup is no silence.
PASSED_TIMES: Final = 3
PASSED_FOR: Final = timedelta(seconds=60)


# Whoever can write a last bead can try some billions of them until a root begins with eight digits; not with sixteen.
ROOT_SHOWN: Final = 16


def mark_of(store: BeadStore) -> str:
    """How large the log is and how its root begins: a message that left the host is a checkpoint of it outside."""
    try:
        size = store.head().size
        return f"\nlog {size}:{store.root(size).hex()[:ROOT_SHOWN]}"
    except StoreFault:
        return ""  # what there is to say is said without it


@define(frozen=True)
class Passed:
    """A channel in whose place another took the messages, since it last took one itself."""

    times: int
    since: datetime
    until: datetime

    @property
    def is_mute(self) -> bool:
        """Whether that was too often and for too long to be a hiccup."""
        return self.times >= PASSED_TIMES and self.until - self.since >= PASSED_FOR


async def takes(notifier: Notifier, message: Message, within: timedelta) -> bool:
    """Whether a channel took a message in the time that it is given.

    Behind it stands a stranger's code and a host's own settings: whatever it raises is a no, and breaks no desk.
    """
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await notifier.send(message)
    except Exception:  # noqa: BLE001 - see above; a channel that takes nothing is told of as NOTIFIER_DOWN
        return False


@define
class Teller:
    """The channels, in order of preference, and the alerts that are on their way."""

    notifiers: tuple[Notifier, ...]
    told: Callable[[Message, str], bool]  # records a delivery; false where the log takes nothing
    turn: Turn = Factory(Turn)
    current: Callable[[], bool] = lambda: True  # whether the desk that is asked about knows all that was told
    mark: Callable[[], str] = lambda: ""  # what stands below every message
    _telling: set[str] = Factory(set)
    _unrecorded: list[tuple[Message, str]] = Factory(list)  # told, and the log does not know it yet
    _passed: dict[int, Passed] = Factory(dict)  # by the channel's place
    _untaken: int = 0  # deliveries in a row that no channel took
    _failed_at: datetime | None = None

    @property
    def responds(self) -> bool:
        """Whether each channel takes what it is given: how much is on its way says nothing, only what came back."""
        return self._untaken < len(RETRY_AFTER) and not any(one.is_mute for one in self._passed.values())

    def due(self, desk: Desk, now: datetime, insists: bool = False) -> list[Coroutine[object, object, None]]:
        """The deliveries to start now; none while another process speaks, unless this one insists."""
        if not self.notifiers or self._waits(now):
            return []
        waiting, self._unrecorded = self._unrecorded, []
        for message, channel in waiting:
            self._record(message, channel)
        fresh = next_messages(desk.alerts, now, self._telling, self._untaken > 0)
        if not fresh:
            self._give_back()
            return []
        if not (self.turn.take() or insists) or not self.current():
            return []
        for message in fresh:
            self._telling.update(message.alerts)
        mark = self.mark()
        return [self._deliver(evolve(message, text=message.text + mark), now) for message in fresh]

    def _give_back(self) -> None:
        """What is told is recorded by now, so that whoever has the turn next sees it; a process whose log takes nothing
        keeps nobody else from speaking."""
        if self._telling <= {alert for message, _ in self._unrecorded for alert in message.alerts}:
            self.turn.give()

    def _waits(self, now: datetime) -> bool:
        """Whether the channels are left alone for now; a wall that went back ends the wait."""
        if self._failed_at is None:
            return False
        span = RETRY_AFTER[min(self._untaken, len(RETRY_AFTER)) - 1]
        return self._failed_at <= now < self._failed_at + span

    async def deliver_without_log(self, message: Message) -> None:
        """Say something that the log could not take: on every channel, whatever becomes of it."""
        for notifier in self.notifiers:
            _ = await takes(notifier, message, TOLD_WITHIN)

    def _record(self, message: Message, channel: str) -> None:
        """What was told counts as on its way until the log has it: meanwhile nobody is told again."""
        if self.told(message, channel):
            self._telling.difference_update(message.alerts)
        else:
            self._unrecorded.append((message, channel))
        self._give_back()

    async def _deliver(self, message: Message, now: datetime) -> None:
        taken = False
        try:
            for place, notifier in enumerate(self.notifiers):
                taken = await takes(notifier, message, TOLD_WITHIN)
                if taken:  # otherwise the next one is asked; what none takes stays in the outbox and is tried again
                    self._untaken, self._failed_at = 0, None
                    self._record(message, notifier.name)
                    await self._passed_by(place, message, now)
                    return
            self._untaken, self._failed_at = self._untaken + 1, now
        finally:
            if not taken:
                self._telling.difference_update(message.alerts)
                self._give_back()

    async def _passed_by(self, taker: int, message: Message, now: datetime) -> None:
        """Note who did not take what another took. A mute channel further down is not needed and would never be asked:
        it is given the message as well, so that it is heard again once it works."""
        for place in range(taker):
            before = self._passed.get(place)
            since = now if before is None or now < before.since else before.since
            self._passed[place] = Passed(1 if before is None else before.times + 1, since, now)
        _ = self._passed.pop(taker, None)
        for place in [place for place, one in self._passed.items() if place > taker and one.is_mute]:
            if await takes(self.notifiers[place], message, TOLD_WITHIN):
                _ = self._passed.pop(place, None)
