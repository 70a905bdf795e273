"""An intent that nobody decides on is announced when it comes, with the code of each screen that it has, and once more
a minute before it expires."""

from __future__ import annotations

from attrs import Factory, define

from phoenix_core.acts.propose import Announce
from phoenix_core.beads import Alert, AlertEvent
from phoenix_core.gate.screen import match_words
from phoenix_core.kernel import decide, due
from phoenix_core.refusals import Reason
from phoenix_core.values import State
from phoenix_core.watch.alerts import Message
from tests.stage import Stage, stage


def said(bodies: list[Alert], code: str) -> int:
    """How often an alert was raised."""
    return sum(body.event is AlertEvent.RAISED and body.code == code for body in bodies)


@define
class Ear:
    """A channel that takes everything."""

    heard: list[str] = Factory(list)
    name: str = "ear"

    async def send(self, message: Message) -> bool:
        """Remember it."""
        self.heard.append(message.text)
        return True


def code_of(desk: Stage, intent: str) -> str:
    """The match words of the screen that an intent has now."""
    shown = desk.desk.evidence.latest(intent)
    assert shown is not None
    return "-".join(match_words(shown.leaf))


async def test_the_code_of_a_screen_is_told() -> None:
    """Four words of the evidence's leaf hash, in a message to people: whoever approves compares both. New evidence is
    another screen, so its code is told too; each is told once."""
    ear = Ear()
    desk = stage(notifiers=(ear,))
    await desk.start()
    intents = [await desk.propose(), await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")]
    codes: dict[str, list[str]] = {}
    for _ in range(4):
        await desk.watch(120, every=10)
        assert [asked for asked in due(desk.desk, desk.clock.now()) if isinstance(asked, Announce)] == []
        for intent in intents:
            code = code_of(desk, intent)
            if code not in codes.setdefault(intent, []):
                codes[intent].append(code)
    assert [len(each) for each in codes.values()] == [2, 2], "evidence lives for five minutes"
    lines = [line for text in ear.heard for line in text.splitlines() if "has this code" in line]
    for intent, each in codes.items():
        told = [line for line in lines if intent in line]
        assert len(told) == len(each)
        for version, (line, code) in enumerate(zip(told, each, strict=True), 1):
            assert f"{intent} v{version} " in line and f"words {code})" in line


async def test_what_is_decided_has_no_screen_any_more() -> None:
    """Nothing is told of an intent that waits for nobody, or that is not there."""
    desk = stage()
    await desk.start()
    intent = await desk.enter()
    await desk.watch(20 * 60, every=30)
    assert said(desk.bodies(Alert), "SIGNAL_SHOWN") == 1
    desk.desk.alerts.warned.clear()  # however long ago it was told
    for name in (intent, "ghost"):
        refused = decide(desk.desk, Announce(desk.fresh(), name), desk.engine.world()).result.failure()
        assert refused.reasons == (Reason.NOTHING_TO_DO,)


async def test_an_undecided_intent_is_announced_twice() -> None:
    """Once when it arrives, once within its last minute, not earlier, and never a second time."""
    desk = stage()
    await desk.start()
    intent = await desk.propose()
    assert said(desk.bodies(Alert), "SIGNAL_READY") == 1
    await desk.watch(28 * 60, every=20)
    assert said(desk.bodies(Alert), "SIGNAL_EXPIRING") == 0
    await desk.watch(70, every=5)
    assert said(desk.bodies(Alert), "SIGNAL_EXPIRING") == 1
    assert desk.state(intent) is State.PROPOSED
    await desk.watch(120, every=5)
    assert said(desk.bodies(Alert), "SIGNAL_EXPIRING") == 1
    assert desk.state(intent) is State.CANCELLED


async def test_a_decided_intent_is_not_announced_again() -> None:
    """What a human approved in time is no longer waiting: nothing is said at the end of its time."""
    desk = stage()
    await desk.start()
    intent = await desk.enter()
    await desk.watch(31 * 60, every=30)
    assert said(desk.bodies(Alert), "SIGNAL_EXPIRING") == 0
    assert desk.state(intent) is not State.PROPOSED
