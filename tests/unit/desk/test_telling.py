"""Who is told, on which channel, and when it is tried again: the teller alone, beside a desk with something to say."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, field

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.telling import PASSED_FOR, PASSED_TIMES, RETRY_AFTER, Teller, mark_of
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.engine.watching import Engine, Watchdog
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.beads import About
from phoenix_core.values import CommandId, Severity
from phoenix_core.watch.alerts import Message
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import Stage, stage


@define
class Channel:
    """A channel that takes what it is given, or breaks."""

    name: str
    broken: bool = False
    heard: list[str] = field(factory=list)
    breaks_with: Exception = field(factory=lambda: OSError("no route to host"))

    async def send(self, message: Message) -> bool:
        """Take it, or break."""
        if self.broken:
            raise self.breaks_with
        self.heard.append(message.text)
        return True


def alarmed() -> Stage:
    """A desk with an alert that no channel has taken: it has none."""
    made = stage()

    async def walk() -> None:
        await made.start()
        _ = made.act(RaiseKill(made.fresh(), "desk", "drawn", "operator")).unwrap()
        await made.tick()

    asyncio.run(walk())
    assert made.desk.alerts.urgent
    return made


async def told(teller: Teller, made: Stage) -> int:
    """Let what is due now be delivered; answers how many messages that was."""
    due = teller.due(made.desk, made.clock.now().wall)
    for work in due:
        await work
    return len(due)


@shows("I18", "S33-NOT-03")
@pytest.mark.parametrize("error", [OSError("no route to host"), ImportError("socksio"), ValueError("no such proxy")])
def test_a_channel_that_breaks_does_not_keep_the_next_one_from_being_asked(error: Exception) -> None:
    """The first raises what a network raises, or what a stranger's code does; the second takes the alert, and is the
    one that is recorded."""
    first, second, taken = Channel("first", broken=True, breaks_with=error), Channel("second"), list[str]()

    def took(message: Message, channel: str) -> bool:
        taken.append(channel)
        return True

    teller = Teller((first, second), took)
    made = alarmed()
    assert asyncio.run(told(teller, made)) == len(made.desk.alerts.urgent)
    assert set(taken) == {"second"} and second.heard and teller.responds
    asyncio.run(teller.deliver_without_log(Message(Severity.CRITICAL, (), "the log is gone")))
    assert second.heard[-1] == "the log is gone"


@shows("I17", "I18")
def test_a_wall_that_was_set_back_mutes_nobody() -> None:
    """A channel that failed is left alone for some seconds, and not for the hour by which a clock was wrong."""
    made, channel = alarmed(), Channel("only", broken=True)
    teller = Teller((channel,), lambda message, name: True)
    assert asyncio.run(told(teller, made)) >= 1
    assert asyncio.run(told(teller, made)) == 0
    made.clock.step_wall(-timedelta(hours=1))
    channel.broken = False
    assert asyncio.run(told(teller, made)) >= 1 and channel.heard


@shows("I18")
def test_a_mute_channel_that_is_not_needed_is_heard_again_once_it_works() -> None:
    """The second of three was dead while the first was; now that the first takes all, nobody would ask the second."""
    first, second, third = Channel("first", broken=True), Channel("second", broken=True), Channel("third")
    teller = Teller((first, second, third), lambda message, name: True)
    made = alarmed()
    for _ in range(PASSED_TIMES):
        assert teller.responds
        assert asyncio.run(told(teller, made)) >= 1
        made.clock.advance(PASSED_FOR / (PASSED_TIMES - 1))
    assert not teller.responds
    first.broken = False
    assert asyncio.run(told(teller, made)) >= 1
    assert not teller.responds, "nobody knows what the second would do"
    second.broken = False
    assert asyncio.run(told(teller, made)) >= 1
    assert teller.responds and second.heard == first.heard[-len(second.heard) :]
    assert asyncio.run(told(teller, made)) >= 1
    assert len(first.heard) == 3 * len(second.heard), "once it works, each message is told once again"


@shows("I18")
def test_who_could_tell_nobody_gives_the_turn_back(tmp_path: Path) -> None:
    """While the engine leaves its dead channel alone, the watchdog may try its own."""
    made, turn = alarmed(), Turn(tmp_path / "lock")
    teller = Teller((Channel("dead", broken=True),), lambda message, name: True, turn)
    assert asyncio.run(told(teller, made)) >= 1
    other = Turn(tmp_path / "lock")
    assert other.take()
    other.give()
    made.clock.advance(RETRY_AFTER[-1])
    assert asyncio.run(told(teller, made)) >= 1


@shows("I18")
def test_who_cannot_record_tells_once_and_lets_others_speak(tmp_path: Path) -> None:
    """A log that takes nothing from one process mutes no other one; what was told is recorded when it can be."""
    made, turn, channel, takes = alarmed(), Turn(tmp_path / "lock"), Channel("only"), list[bool]()
    recorded = list[Message]()

    def record(message: Message, name: str) -> bool:
        if takes:
            recorded.append(message)
        return bool(takes)

    teller = Teller((channel,), record, turn)
    assert asyncio.run(told(teller, made)) >= 1
    heard = list(channel.heard)
    assert asyncio.run(told(teller, made)) == 0 and channel.heard == heard
    other = Turn(tmp_path / "lock")
    assert other.take()
    other.give()
    takes.append(True)
    _ = asyncio.run(told(teller, made))
    assert [message.text for message in recorded][: len(heard)] == heard


def test_every_message_carries_the_size_and_the_root_of_its_log() -> None:
    """Below its words, as the verifier takes it: of a log that goes on from there, whatever was written since. The
    watchdog's messages carry it too, and a log that cannot be read keeps nobody from being told."""
    channel = Channel("ear")
    made = stage(notifiers=(channel,))

    async def walk() -> None:
        await made.start()
        for scope in ("instrument:EURUSD", "instrument:GBPUSD"):
            _ = made.act(RaiseKill(made.fresh(), scope, "drawn", "operator")).unwrap()
            await made.tick(12)
        await made.enter(pair="AAPL", entry="190.22", stop="188.22", target="195.22")
        await made.watch(30)
        other = Recorder(made.store, lambda desk: World(made.clock.now(), made.engine.run))
        dog = Watchdog(other, made.clock, (channel,), lambda: False, "run-1")
        _ = made.act(RaiseKill(made.fresh(), "desk", "drawn", "operator")).unwrap()
        _ = dog.look()
        await dog.settle()

    asyncio.run(walk())
    marks = [re.fullmatch(r"log ([0-9]+):([0-9a-f]{16})", text.splitlines()[-1]) for text in channel.heard]
    assert len(marks) >= 4 and any("process is gone" in text for text in channel.heard)
    sizes = []
    for mark in marks:
        assert mark is not None
        sizes.append(int(mark[1]))
        assert made.store.root(sizes[-1]).hex().startswith(mark[2])
    assert sizes == sorted(sizes) and sizes[0] > 0 and sizes[-1] > sizes[0]
    assert isinstance(made.store, MemoryStore)
    made.store.close()
    assert mark_of(made.store) == ""


def test_an_engine_that_comes_up_is_not_one_that_stopped() -> None:
    """It holds the lock already and has not written its lease yet: the last bead still says goodbye."""
    made = stage()
    recorder = Recorder(made.store, lambda desk: World(made.clock.now(), made.engine.run))
    _ = recorder.catch_up()
    assert recorder.desk.tenure.released
    assert Watchdog(recorder, made.clock, (), lambda: True, "run-1").look().engine is Engine.BEATS
    assert Watchdog(recorder, made.clock, (), lambda: False, "run-2").look().engine is Engine.STOPPED


@shows("I20")
def test_a_command_that_landed_before_is_answered_and_not_written_again() -> None:
    """Whoever lost the answer asks again with the same id: done already, and the log is as it was."""
    made = stage()
    command = Observe(CommandId("5f0c7b7e-0000-4000-8000-000000000001"), About.DEMAND, "operator", {})
    _ = made.act(command).unwrap()
    before = made.store.head()
    assert dict(made.act(command).unwrap().facts) == {"landed": "before"}
    assert made.store.head() == before


@define
class Fussy(Channel):
    """A channel that takes everything but what is critical, as one does that cannot read such a message."""

    async def send(self, message: Message) -> bool:
        """Take it, unless it is critical."""
        return message.severity is not Severity.CRITICAL and await Channel.send(self, message)


@shows("I18")
def test_a_message_that_no_channel_takes_keeps_no_other_back() -> None:
    """What is critical goes first; where nobody takes it, the rest is tried beside it, and does not wait for ever."""
    made, channel = stage(), Fussy("only")

    async def walk() -> None:
        await made.start()
        _ = await made.propose()
        _ = made.act(RaiseKill(made.fresh(), "desk", "drawn", "operator")).unwrap()
        await made.tick(6)

    asyncio.run(walk())
    assert made.desk.alerts.urgent and made.desk.alerts.patient
    teller = Teller((channel,), lambda message, name: True)
    assert asyncio.run(told(teller, made)) == len(made.desk.alerts.urgent) and not channel.heard
    made.clock.advance(RETRY_AFTER[-1])
    assert asyncio.run(told(teller, made)) == len(made.desk.alerts.urgent) + 1
    (batch,) = channel.heard
    assert "An intent waits for your approval" in batch
