"""With the engine dead, mute or stopped, the watchdog speaks for it: nothing is lost, and nothing is told twice."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, evolve
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.engine.watching import Engine, Watchdog
from phoenix_adapters.notify.telegram import TelegramNotifier
from phoenix_core.beads import Alert, AlertEvent, Beat, Heartbeat
from phoenix_core.chain import Conflict, Fault, Head, Sealed, StoreFault
from phoenix_core.ports import Notifier
from phoenix_core.watch.codes import Code, alert
from phoenix_core.world import World
from tests.contract.notify.bot_server import CHAT, TOKEN, BotServer, bot_server
from tests.contract.notify.test_desk_and_channels import Deaf, Paper, end, follow, raise_alerts, told
from tests.showing import shows
from tests.stage import Stage, restarted, stage

Landed = Result[Head, Conflict]
HELD = Code.PROTECTION_LOST


@pytest.fixture
def server() -> Iterator[BotServer]:
    """A server of this test's own."""
    with bot_server() as made:
        yield made


@define
class Kennel:
    """A watchdog beside a desk: the clock and the log are the desk's, everything else is its own."""

    desk: Stage
    dog: Watchdog
    alive: list[bool]

    async def look(self, seconds: float = 5) -> None:
        """Let time pass, look, and let what was started come to its end."""
        self.desk.clock.advance(timedelta(seconds=seconds))
        _ = self.dog.look()
        await self.dog.settle()


def kennel(desk: Stage, notifiers: Sequence[Notifier], turn: Turn | None = None, run: str = "dog") -> Kennel:
    """A watchdog of a desk whose engine lives until `alive` says otherwise."""
    alive = [True]
    recorder = Recorder(desk.store, lambda _: World(desk.clock.now(), evolve(desk.engine.run, epoch=None)))
    dog = Watchdog(recorder, desk.clock, tuple(notifiers), lambda: alive[0], run, turn or Turn())
    return Kennel(desk, dog, alive)


def raised(desk: Stage, code: Code) -> list[str]:
    """The ids of the alerts of a code."""
    return [b.alert for b in desk.bodies(Alert) if b.event is AlertEvent.RAISED and b.code == code.value]


def telegram_on(server: BotServer, desk: Stage) -> TelegramNotifier:
    """A channel whose pauses pass on the desk's clock."""
    channel = TelegramNotifier(TOKEN, CHAT, server.url)
    follow(channel, desk)
    return channel


class TestEngineDead:
    """The engine's process is gone: its outbox is the watchdog's."""

    @shows("F71", "S33-MON-11", "CV_S33_4_MONITORING_PROCESS_DEATH")
    async def test_the_death_and_what_was_left_unsent_are_told(self, server: BotServer) -> None:
        """At the first look after the death, over real HTTP: PROCESS_DEAD, and the CRITICAL the engine never sent."""
        desk = stage(notifiers=(Deaf(),))
        await desk.engine.start()
        for _ in range(20):
            await desk.engine.step()
        left = alert(Code.FAIL_STOP, "the desk", "k")
        raise_alerts(desk, left)
        beside = kennel(desk, [telegram_on(server, desk)])
        await beside.look()
        assert server.texts == [], "while the engine lives it speaks for itself"
        beside.alive[0] = False
        await beside.look()
        assert [text.split(":")[0] for text in server.texts] == [
            "CRITICAL Stopped on a broken promise of our own",
            "CRITICAL The engine's process is gone",
        ]
        assert "mend phoenix run" in server.texts[1] and "[RB-004]" in server.texts[1]
        assert told(desk) == {left.alert: "telegram", raised(desk, Code.PROCESS_DEAD)[0]: "telegram"}
        await beside.look()
        assert len(server.texts) == 2, "what is told is not told again"
        await end(desk)

    @shows("F71", "CV_S33_4_MONITORING_PROCESS_DEATH")
    async def test_the_engine_that_returns_tells_nothing_twice(self, server: BotServer) -> None:
        """The same channel, the same log, a new engine: what the watchdog told stays told, and its first beat ends the
        alert."""
        desk = stage()
        await desk.start()
        beside = kennel(desk, [telegram_on(server, desk)])
        beside.alive[0] = False
        await beside.look()
        await beside.look(50)
        assert [b.miss_count for b in desk.bodies(Heartbeat) if b.status is Beat.MISSED] == [1]
        before = list(server.texts)
        again = restarted(desk, "run-2")
        again.engine.notifiers = (telegram_on(server, desk),)
        again.engine.teller.notifiers = again.engine.notifiers
        await again.start()
        await again.watch(60)
        assert [text for text in server.texts if text in before] == before
        assert not [one for one in again.desk.alerts.open.values() if one.code is Code.PROCESS_DEAD]
        assert not again.desk.alerts.unsent

    async def test_a_watchdog_that_dies_too_loses_nothing(self, server: BotServer) -> None:
        """The outbox is the log: no channel took it, the watchdog was killed, the next one delivers it once."""
        desk = stage()
        await desk.start()
        server.always = "cut"
        first = kennel(desk, [telegram_on(server, desk)])
        first.alive[0] = False
        await first.look()
        assert server.asked and not told(desk)
        server.always = ""
        second = kennel(desk, [telegram_on(server, desk)], run="dog-2")
        second.alive[0] = False
        await second.look()
        assert sum("process is gone" in text for text in server.texts) == 1
        assert set(raised(desk, Code.PROCESS_DEAD)) <= told(desk).keys()
        assert len(raised(desk, Code.PROCESS_DEAD)) == 1

    @shows("S33-NOT-03")
    async def test_a_channel_that_hangs_delays_no_look(self) -> None:
        """Two looks and two MISSED beads while the first delivery still hangs."""
        desk = stage()
        await desk.start()
        beside = kennel(desk, [Deaf()])
        beside.alive[0] = False
        for _ in range(3):
            desk.clock.advance(timedelta(seconds=46))
            _ = beside.dog.look()
            await asyncio.sleep(0)
        assert [b.miss_count for b in desk.bodies(Heartbeat) if b.status is Beat.MISSED] == [1, 3, 4]
        assert raised(desk, Code.BEATS_MISSED)
        await end(desk)

    async def test_what_insists_is_said_again(self) -> None:
        """A position without protection goes on being said each minute while nobody but the watchdog is there."""
        desk, paper = stage(), Paper()
        await desk.start()
        beside = kennel(desk, [paper])
        raise_alerts(desk, alert(HELD, "EURUSD", "k"))
        beside.alive[0] = False
        for _ in range(5):
            await beside.look(61)
        said = [message for message in paper.messages if "without its full protection" in message.text]
        assert len(said) == 6, "once, and five times again"


class TestEngineStopped:
    """An engine that said goodbye is not dead."""

    async def test_no_alarm_and_what_was_left_is_sent(self) -> None:
        """A clean stop raises nothing, however long ago; an alert that no channel had taken is still delivered."""
        desk, paper = stage(), Paper()
        await desk.start()
        left = alert(Code.FAIL_STOP, "the desk", "k")
        raise_alerts(desk, left)
        _ = desk.engine.recorder.catch_up()
        desk.engine.stop("SIGTERM")
        beside = kennel(desk, [paper])
        beside.alive[0] = False
        await beside.look(3600)
        assert beside.dog.look().engine is Engine.STOPPED
        assert not desk.bodies(Heartbeat) or all(b.status is not Beat.MISSED for b in desk.bodies(Heartbeat))
        assert [message.alerts for message in paper.messages] == [(left.alert,)]

    async def test_a_goodbye_counts_once_its_process_is_gone(self) -> None:
        """It said that it stops, and its process is still there: not stopped yet, so nobody speaks in its place."""
        desk, paper = stage(), Paper()
        await desk.start()
        raise_alerts(desk, alert(Code.FAIL_STOP, "the desk", "k"))
        _ = desk.engine.recorder.catch_up()
        desk.engine.stop("SIGTERM")
        beside = kennel(desk, [paper])
        assert beside.dog.look().engine is Engine.BEATS
        await beside.look(1)
        assert paper.messages == []

    async def test_a_start_after_a_night_is_no_alarm(self) -> None:
        """The night without an engine owes no beats: only what it does not do since its start counts."""
        desk = stage()
        await desk.start()
        desk.engine.stop("SIGTERM")
        desk.clock.advance(timedelta(hours=14))
        again = restarted(desk, "run-2")
        _ = (await again.engine.start()).unwrap()
        beside = kennel(again, [Paper()])
        await beside.look(1)
        assert beside.dog.look().engine is Engine.BEATS
        await beside.look(46)
        assert beside.dog.look().engine is Engine.SILENT, "nor is it let off where it never beats"


class TestEngineSilent:
    """The process is there and its beats are missing: a warning, then a CRITICAL that does not wait for its turn."""

    @shows("S33-MON-02", "S33-MON-11")
    async def test_one_miss_warns_three_are_critical(self, tmp_path: Path) -> None:
        """A stopped process that holds the turn is left alone at first; after three misses it is spoken for."""
        desk, paper = stage(), Paper()
        await desk.start()
        await desk.tick(30)
        turn = Turn(tmp_path / "telling.lock")
        with (tmp_path / "telling.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            beside = kennel(desk, [paper], turn)
            await beside.look(46)
            await beside.look(6)
            assert raised(desk, Code.BEAT_MISSED) and not paper.messages, "the engine may be speaking"
            await beside.look(40)
            assert "Three heartbeats are missing" in paper.messages[0].text


class TestTurns:
    """Engine and watchdog never tell the same alert at the same time."""

    async def test_the_watchdog_waits_while_the_engine_speaks(self, tmp_path: Path) -> None:
        """The engine has a delivery under way: the watchdog, sure that the engine is dead, still keeps out of it."""
        lock, deaf, paper = tmp_path / "telling.lock", Deaf(), Paper()
        desk = stage(notifiers=(deaf,))
        desk.engine.turn = desk.engine.teller.turn = Turn(lock)
        await desk.engine.start()
        raise_alerts(desk, alert(Code.FAIL_STOP, "the desk", "k"))
        for _ in range(5):
            await desk.engine.step()
            await asyncio.sleep(0)
        assert deaf.asked
        beside = kennel(desk, [paper], Turn(lock))
        beside.alive[0] = False
        await beside.look()
        assert paper.messages == []
        await end(desk)
        desk.engine.turn.give()
        await beside.look()
        assert len(paper.messages) == 2

    async def test_an_engine_that_has_not_caught_up_looks_first(self) -> None:
        """Its desk still has the alert unsent, the log has it SENT: nothing is delivered before it caught up."""
        ours, theirs = Paper(), Paper()
        desk = stage(notifiers=(ours,))
        await desk.start()
        raise_alerts(desk, alert(Code.FAIL_STOP, "the desk", "k"))
        _ = desk.engine.recorder.catch_up()
        beside = kennel(desk, [theirs])
        beside.alive[0] = False
        await beside.look()
        assert len(theirs.messages) == 2
        assert desk.engine.teller.due(desk.desk, desk.clock.now().wall) == []
        await desk.tick(1)
        assert ours.messages == []

    def test_the_turn_is_one_processes(self, tmp_path: Path) -> None:
        """A second hold on the same file waits; it is free when given back; where no file can be, everybody has it."""
        first, second = Turn(tmp_path / "t"), Turn(tmp_path / "t")
        assert first.take() and first.take() and not second.take()
        first.give()
        first.give()
        assert second.take() and not first.take()
        assert Turn(tmp_path / "none" / "t").take() and Turn().take()


class FullDisk(MemoryStore):
    """A log that takes nothing any more."""

    full = False

    def append(self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None) -> Landed:
        """Refuse, once the disk is full."""
        if self.full:
            raise StoreFault(Fault.FULL, "no space left")
        return super().append(expected, beads, texts)


async def test_a_mute_engine_beside_a_full_disk_is_told_too() -> None:
    """Its process is there and its beats are not: whoever hears of the disk hears of that as well."""
    store = FullDisk()
    desk, paper = stage(store), Paper()
    await desk.start()
    await desk.tick(30)
    beside = kennel(desk, [Deaf()])
    beside.desk.clock.advance(timedelta(seconds=46))
    assert beside.dog.look().engine is Engine.SILENT
    store.full = True
    beside.dog.teller.notifiers = (paper,)
    beside.desk.clock.advance(timedelta(seconds=60))
    seen = beside.dog.look()
    assert (seen.engine, seen.log_failed) == (Engine.SILENT, True)
    while len(paper.messages) < 2:
        await asyncio.sleep(0)
    assert {message.text.split(":")[0] for message in paper.messages} >= {
        "CRITICAL The log takes no beads",
        "CRITICAL Three heartbeats are missing",
    }
    await end(desk)


async def test_where_the_log_takes_nothing_it_is_said_straight_out() -> None:
    """Disk full and the engine dead: both are told without the log, once, and not at every look."""
    store = FullDisk()
    desk, paper = stage(store), Paper()
    await desk.start()
    store.full = True
    beside = kennel(desk, [paper])
    beside.alive[0] = False
    for _ in range(4):
        await beside.look()
    assert [message.text.split(":")[0] for message in paper.messages] == [
        "CRITICAL The log takes no beads",
        "CRITICAL The engine's process is gone",
    ]
    await beside.look(590)
    assert len(paper.messages) == 4, "after ten minutes both are said once more"
    await beside.look()
    assert len(paper.messages) == 4
    store.full = False
    await beside.look()
    assert len(raised(desk, Code.PROCESS_DEAD)) == 1, "once the disk is back it is recorded too"
