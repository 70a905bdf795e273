"""The rehearsal of an approval: what is pure about it is made beforehand, and nothing is judged or changed by it."""

from __future__ import annotations

from phoenix_core.acts.submit import rehearse
from phoenix_core.desk import freeze
from phoenix_core.gate.screen import render_facts, render_hash
from phoenix_core.orders import order_hash
from phoenix_core.values import State
from tests.stage import Stage, stage

REMEMBERED = (render_facts, render_hash, order_hash)


async def approved() -> tuple[Stage, str]:
    """An approval that the engine's recorder has met, and its engine has not acted on."""
    desk = stage()
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    _ = desk.engine.recorder.catch_up()
    return desk, intent


def forgotten() -> list[int]:
    """As in a process that never saw this approval; answers how often each is worked out from here on."""
    for one in REMEMBERED:
        one.cache_clear()
    return made()


def made() -> list[int]:
    """How often each was worked out."""
    return [one.cache_info().misses for one in REMEMBERED]


async def test_it_changes_nothing_and_leaves_nothing_to_be_worked_out() -> None:
    """Desk, log and broker are what they were; the decision and the last look then render and hash nothing anew."""
    desk, intent = await approved()
    before, head = freeze(desk.desk), desk.store.head()
    assert forgotten() == [0, 0, 0]
    position = desk.desk.positions.open_of_intent(intent)
    assert position is not None
    rehearse(desk.desk, position)
    assert (freeze(desk.desk), desk.store.head(), desk.sent) == (before, head, 0)
    once = made()
    assert all(once), "it went the whole way"
    await desk.engine.step()
    assert desk.sent == 3, "entry, stop and target"
    assert made() == once


async def test_the_engine_rehearses_what_others_approved() -> None:
    """Of an approval that it has just met nothing is left to be worked out where the order is decided."""
    desk = stage()
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    _ = forgotten()
    desk.engine._catch_up()
    once = made()
    assert all(once)
    await desk.engine.step()
    assert desk.sent == 3, "entry, stop and target"
    assert made() == once


async def test_it_is_no_permission() -> None:
    """What was rehearsed is judged all the same: a latch that went up meanwhile keeps the order back."""
    desk, intent = await approved()
    position = desk.desk.positions.open_of_intent(intent)
    assert position is not None
    rehearse(desk.desk, position)
    desk.engine.latch = lambda: True
    await desk.engine.step()
    assert desk.sent == 0
    assert desk.state(intent) is State.CANCELLED


async def test_a_decision_of_long_ago_is_not_rehearsed() -> None:
    """Where the desk no longer holds what was signed there is nothing to make; the guards will say so."""
    desk, intent = await approved()
    position = desk.desk.positions.open_of_intent(intent)
    assert position is not None
    desk.desk.approvals.recent.clear()
    assert forgotten() == [0, 0, 0]
    rehearse(desk.desk, position)
    assert made() == [0, 0, 0]
