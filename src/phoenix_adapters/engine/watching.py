"""The second process: it sees that the engine is dead or mute, records it, and speaks for it while it cannot.

Alerts are beads before they are messages, and the outbox is the log. So the watchdog has nothing to remember: what the
engine left unsent, and what it says itself of the engine's death, waits there until a channel takes it, also when the
watchdog is started again. When the engine is back it finds what was told already, and does not tell it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import Factory, define, field, frozen

from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.telling import Teller, mark_of
from phoenix_adapters.engine.turn import Turn
from phoenix_core.acts.operate import ReportSent
from phoenix_core.acts.vital import Miss
from phoenix_core.chain import StoreFault
from phoenix_core.ports import Clock, Notifier
from phoenix_core.values import CommandId, Named, derived_id
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.codes import CODES, Code
from phoenix_core.watch.health import MISSES_CRITICAL

# What the log could not keep is said by its own words only; once in ten minutes is heard, and is no storm.
SAID_AGAIN: Final = timedelta(minutes=10)


class Engine(Named):
    """How the engine looks from outside."""

    BEATS = "BEATS"
    SILENT = "SILENT"  # its process is there, and its beats are missing
    DEAD = "DEAD"
    STOPPED = "STOPPED"  # it said goodbye


@frozen
class Seen:
    """What one look saw."""

    engine: Engine
    missed: int
    unsent: int
    log_failed: bool = False


@define
class Watchdog:
    """One run of the watchdog over its ports; `alive` asks the operating system, not the log."""

    recorder: Recorder
    clock: Clock
    notifiers: tuple[Notifier, ...]
    alive: Callable[[], bool]
    run: str
    turn: Turn = Factory(Turn)
    teller: Teller = field(init=False)
    _tasks: set[asyncio.Task[None]] = Factory(set)
    _said: dict[Code, timedelta] = Factory(dict)
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        """The same teller as the engine's, over the same outbox."""
        mark = partial(mark_of, self.recorder.store)
        self.teller = Teller(self.notifiers, self._told, self.turn, self._is_current, mark)

    def look(self) -> Seen:
        """Look once: record what is missing, start the deliveries that are the watchdog's to make."""
        alive = self.alive()
        try:
            self._record(alive)
            failed = False
        except StoreFault as fault:
            failed = True
            self._say_without_log(Code.LOG_UNWRITABLE, f"{fault.kind} {fault.detail}")
        seen = self._seen(alive, failed)
        if failed and seen.engine in (Engine.DEAD, Engine.SILENT):
            self._say_without_log(Code.PROCESS_DEAD if not alive else Code.BEATS_MISSED, "desk")
        if seen.engine is not Engine.BEATS:
            insists = seen.missed >= MISSES_CRITICAL
            for work in self.teller.due(self.recorder.desk, self.clock.now().wall, insists=insists):
                self._spawn(work)
        return seen

    async def settle(self) -> None:
        """Let the deliveries that were started come to their end."""
        while self._tasks:
            _ = await asyncio.wait(tuple(self._tasks))

    def _record(self, alive: bool) -> None:
        _ = self.recorder.catch_up()
        _ = self.recorder.act(Miss(self._command_id("miss"), alive))

    def _seen(self, alive: bool, failed: bool) -> Seen:
        desk = self.recorder.desk
        missed = desk.heartbeats.miss_count
        if desk.tenure.released and not alive:
            engine = Engine.STOPPED
        elif not alive:
            engine = Engine.DEAD
        else:
            engine = Engine.SILENT if missed else Engine.BEATS
        return Seen(engine, missed, len(desk.alerts.unsent), failed)

    def _is_current(self) -> bool:
        """Whether nobody wrote since the last look: what another process told is not told again. What a log that cannot
        be read would say keeps nobody from speaking."""
        try:
            return self.recorder.store.head() == self.recorder.desk.head
        except StoreFault:
            return True

    def _told(self, message: Message, channel: str) -> bool:
        """Record a delivery; where the log takes nothing it stays in the outbox until it does."""
        try:
            _ = self.recorder.act(ReportSent(self._command_id("sent"), message, channel))
        except StoreFault as fault:
            self._say_without_log(Code.LOG_UNWRITABLE, f"{fault.kind} {fault.detail}")
            return False
        return True

    def _say_without_log(self, code: Code, subject: str) -> None:
        now, last = self.clock.now().ticks, self._said.get(code)
        if last is None or now - last >= SAID_AGAIN:
            self._said[code] = now
            self._spawn(self.teller.deliver_without_log(_words(code, subject)))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _command_id(self, what: str) -> CommandId:
        self._count += 1
        return CommandId(derived_id("watchdog", what, self.run, str(self._count)))


async def without_log(notifiers: tuple[Notifier, ...], detail: str) -> None:
    """A log that cannot even be opened has no outbox: said once, on every channel."""
    await Teller(notifiers, lambda message, channel: True).deliver_without_log(_words(Code.LOG_UNWRITABLE, detail))


def _words(code: Code, subject: str) -> Message:
    row = CODES[code]
    return Message(row.severity, (), f"{row.severity.value} {row.phrase}: {subject} [{row.runbook}]")
