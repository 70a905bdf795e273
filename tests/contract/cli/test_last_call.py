"""An intent that nobody decides on is announced when it comes and once more a minute before it expires."""

from __future__ import annotations

from phoenix_core.beads import Alert, AlertEvent
from phoenix_core.values import State
from tests.stage import stage


def said(bodies: list[Alert], code: str) -> int:
    """How often an alert was raised."""
    return sum(body.event is AlertEvent.RAISED and body.code == code for body in bodies)


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
