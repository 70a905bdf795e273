"""Scenarios, first part: an intent's way in. `desk.roll()` says from where on every point is a place to die."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Final

from phoenix_adapters.brokers.mock.chaos import Dawdle, Fill, Lose, Partial, Reject, Silence
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import KillKind, Verdict
from phoenix_core.gate.statements import Decide
from phoenix_core.values import State
from tests.chaos.crashes.scene import Scene

Scenario = Callable[[Scene], Coroutine[object, object, None]]
SECOND: Final = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}


async def waiting(desk: Scene, **overrides: str) -> str:
    """A desk with one intent before a human."""
    await desk.start()
    return await desk.propose(**overrides)


async def submitted(desk: Scene, *fates: Fill | Lose | Silence | Partial | Reject | Dawdle, **overrides: str) -> str:
    """Every point from the approval on, under a fate that the broker has in store."""
    intent = await waiting(desk, **overrides)
    desk.broker.script(*fates)
    desk.roll()
    _ = desk.approve(intent).unwrap()
    await desk.round(0.5)
    return intent


async def first_start(desk: Scene) -> None:
    """A desk opens for the first time: lease, session, resynchronisation, first picture."""
    desk.roll()
    await desk.start()


async def proposal(desk: Scene) -> None:
    """A bot proposes; the engine assembles the evidence."""
    await desk.start()
    desk.roll()
    _ = await desk.propose()


async def intent_by_file(desk: Scene) -> None:
    """An intent lies in the folder; it is taken, archived and answered."""
    await desk.start()
    desk.outside.waiting["one.yaml"] = desk.signal()
    desk.roll()
    await desk.tick()


async def rubbish_by_file(desk: Scene) -> None:
    """What is no signal lies in the folder, beside one that is; one is quarantined."""
    await desk.start()
    desk.outside.waiting |= {"bad.yaml": b"\xff\x00{{{", "good.yaml": desk.signal(**SECOND)}
    desk.roll()
    await desk.tick()


async def two_intents_one_instrument(desk: Scene) -> None:
    """Two bots want the same; the second approval finds the instrument busy."""
    first = await waiting(desk)
    second = await desk.propose()
    _ = desk.approve(first).unwrap()
    desk.roll()
    await desk.round(0.5)
    _ = desk.approve(second)
    await desk.round(0.5)


async def evidence_renewed(desk: Scene) -> None:
    """Nobody decides; the evidence grows old and is assembled anew."""
    _ = await waiting(desk)
    desk.roll()
    for _ in range(8):
        await desk.round(40)


async def proposal_expires(desk: Scene) -> None:
    """Nobody ever decides: reminded, then withdrawn."""
    _ = await waiting(desk)
    await desk.watch(28 * 60, 120)
    desk.roll()
    for _ in range(6):
        await desk.round(30)


async def passed(desk: Scene) -> None:
    """A human says no."""
    intent = await waiting(desk)
    desk.roll()
    _ = desk.sign(Decide(Verdict.REJECT, intent, 0)).unwrap()
    await desk.round(0.5)


async def approved_and_filled(desk: Scene) -> None:
    """The honest life: approved, submitted, sent, acknowledged, filled, protected."""
    _ = await submitted(desk)
    await desk.round(1)


async def approved_twice(desk: Scene) -> None:
    """A second tap: the second approval is refused and kept."""
    intent = await waiting(desk)
    desk.roll()
    screen = desk.screen(intent)
    _ = desk.sign(screen.says)
    _ = desk.sign(screen.says)
    await desk.round(0.5)


async def approved_then_passed(desk: Scene) -> None:
    """Approved while the link is down, and taken back by the human."""
    intent = await waiting(desk)
    desk.broker.cut()
    await desk.tick()
    desk.roll()
    _ = desk.approve(intent).unwrap()
    _ = desk.sign(Decide(Verdict.REJECT, intent, 0)).unwrap()
    await desk.round(0.5)


async def approved_then_killed(desk: Scene) -> None:
    """A kill lands between the approval and the submit."""
    intent = await waiting(desk)
    desk.roll()
    _ = desk.approve(intent).unwrap()
    _ = desk.act(RaiseKill(desk.fresh(), "desk", "drill", "operator")).unwrap()
    await desk.round(0.5)


async def killed_by_latch(desk: Scene) -> None:
    """The latch alone stops what is approved."""
    intent = await waiting(desk)
    desk.roll()
    _ = desk.approve(intent).unwrap()
    desk.outside.latch = True
    await desk.round(0.5)


async def token_expires(desk: Scene) -> None:
    """The link does not come back while the token lives."""
    intent = await waiting(desk)
    desk.broker.refuse_connects(99)
    desk.broker.cut()
    await desk.tick()
    _ = desk.approve(intent).unwrap()
    desk.roll()
    for _ in range(6):
        await desk.round(61)


async def stale_at_submit(desk: Scene) -> None:
    """Sixteen minutes after the approval: STATE_CONFLICT, a temporary kill, withdrawn."""
    intent = await waiting(desk)
    _ = desk.approve(intent).unwrap()
    desk.clock.advance(timedelta(minutes=16))
    desk.roll()
    await desk.round(0.5)
    await desk.round(1)


async def price_moved(desk: Scene) -> None:
    """The market runs away between the approval and the last look."""
    intent = await waiting(desk)
    desk.roll()
    _ = desk.approve(intent).unwrap()
    desk.price("1.0899", "1.0900")
    await desk.round(0.5)


async def rejected(desk: Scene) -> None:
    """The broker says no margin; a whole picture proves it."""
    intent = await submitted(desk, Reject())
    await desk.round(1)
    assert desk.state(intent) is State.REJECTED


async def silent(desk: Scene) -> None:
    """The frame arrives and nothing is heard: STALLED after a minute, found when asked."""
    _ = await submitted(desk, Silence())
    for seconds in (31, 31, 1):
        await desk.round(seconds)


async def silent_and_filled(desk: Scene) -> None:
    """Filled without a word: learnt from the executions alone."""
    _ = await submitted(desk, Silence(fills=True))
    for seconds in (31, 31, 1):
        await desk.round(seconds)


async def lost_on_the_way(desk: Scene) -> None:
    """The transport drops the frame."""
    _ = await submitted(desk, Lose())
    for seconds in (1, 31, 31):
        await desk.round(seconds)


async def dawdling(desk: Scene) -> None:
    """Not a word for 31 s, then all at once."""
    _ = await submitted(desk, Dawdle(timedelta(seconds=31)))
    for seconds in (29, 1, 2):
        await desk.round(seconds)


async def filled_later(desk: Scene) -> None:
    """Acknowledged, and filled three seconds later."""
    _ = await submitted(desk, Fill(timedelta(seconds=3)))
    await desk.round(4)


async def link_lost_in_flight(desk: Scene) -> None:
    """Sent, and the session is gone before a word came back; it fills meanwhile."""
    _ = await submitted(desk, Fill(timedelta(seconds=2)))
    desk.broker.cut()
    for seconds in (1, 6, 1):
        await desk.round(seconds)


async def partly_filled(desk: Scene) -> None:
    """Half is filled, the rest cancelled after its working life, protection shrunk to what is held."""
    _ = await submitted(desk, Partial(Decimal("0.5")), quantity="100000")
    for seconds in (1, 91, 1):
        await desk.round(seconds)


async def filled_in_two_parts(desk: Scene) -> None:
    """Half now, half later: one position."""
    intent = await submitted(desk, Partial(Decimal("0.5")), quantity="100000")
    entry = desk.broker.truth.book[str(desk.position(intent).last.order_ref)]  # type: ignore[union-attr]  # it is open
    await desk.round(1)
    desk.broker._execute(entry, entry.remaining)
    await desk.round(1)


async def killed_while_working(desk: Scene) -> None:
    """A kill that asks for it cancels the working entry, and nothing else."""
    _ = await submitted(desk, Fill(timedelta(seconds=20)))
    kill = RaiseKill(desk.fresh(), "desk", "drill", "operator", KillKind.ONE_WAY, cancel_working=True)
    _ = desk.act(kill).unwrap()
    await desk.round(0.5)
    await desk.round(1)


ENTRIES: Final[tuple[Scenario, ...]] = (
    first_start,
    proposal,
    intent_by_file,
    rubbish_by_file,
    two_intents_one_instrument,
    evidence_renewed,
    proposal_expires,
    passed,
    approved_and_filled,
    approved_twice,
    approved_then_passed,
    approved_then_killed,
    killed_by_latch,
    token_expires,
    stale_at_submit,
    price_moved,
    rejected,
    silent,
    silent_and_filled,
    lost_on_the_way,
    dawdling,
    filled_later,
    link_lost_in_flight,
    partly_filled,
    filled_in_two_parts,
    killed_while_working,
)
