"""The judge of the crash points bites: a desk in order is disturbed in one way, and the promise that breaks is named.

What is disturbed is what the judge reads: a bead of the log, a frame at the socket, an order at the broker, a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from attrs import evolve, frozen

from phoenix_core.beads import (
    Alert,
    Autopsy,
    Bead,
    Execution,
    KillEvent,
    KillFlag,
    KillKind,
    Lease,
    LeaseEvent,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    T2Token,
    TokenEvent,
)
from phoenix_core.facts import BrokerStatus
from phoenix_core.values import Price, Role, State
from tests.chaos.crashes.desks import restarted_with_a_position
from tests.chaos.crashes.dying import grave
from tests.chaos.crashes.entries import Scenario, approved_and_filled, intent_by_file, lost_on_the_way
from tests.chaos.crashes.judge import judged
from tests.chaos.crashes.lives import closed_by_hand, drift_found, order
from tests.chaos.crashes.scene import Scene
from tests.showing import shows

Beads = list[Bead]
Change = Callable[[Scene, Beads], Beads]


@frozen
class Plant:
    """One thing that is not so, the story that it is put into, and the promise that it breaks."""

    id: str
    promise: str
    story: Scenario
    change: Change


# --- in the log -------------------------------------------------------------------------------------------------------


def _every(cls: type, change: Callable[[Any], Any], when: Callable[[Any], bool] = lambda body: True) -> Change:
    """Every bead of a kind says something else."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        hit = [bead for bead in beads if isinstance(bead.body, cls) and when(bead.body)]
        assert hit, f"the story has no such {cls.__name__}"
        return [evolve(bead, body=change(bead.body)) if bead in hit else bead for bead in beads]

    return changed


def _without(cls: type, when: Callable[[Any], bool] = lambda body: True) -> Change:
    """Beads of a kind are not there."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        kept = [bead for bead in beads if not (isinstance(bead.body, cls) and when(bead.body))]
        assert len(kept) < len(beads), f"the story has no such {cls.__name__}"
        return kept

    return changed


def _later(cls: type, when: Callable[[Any], bool], late: timedelta) -> Change:
    """Something was recorded later than it was."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        return [
            evolve(bead, ts=bead.ts + late) if isinstance(bead.body, cls) and when(bead.body) else bead
            for bead in beads
        ]

    return changed


def _before(cls: type, when: Callable[[Any], bool], body: Any) -> Change:
    """Another bead stands just before one; nothing is counted anew but what comes after it by its place."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        at = next(n for n, bead in enumerate(beads) if isinstance(bead.body, cls) and when(bead.body))
        room = [evolve(bead, seq=bead.seq + 1) for bead in beads[at:]]
        desk.outside.handed[:] = [evolve(frame, log=frame.log + (frame.log > at)) for frame in desk.outside.handed]
        return [*beads[:at], evolve(beads[at], body=body), *room]

    return changed


def _is(event: object) -> Callable[[Any], bool]:
    return lambda body: body.event is event


ANOTHER_RUN: Final = Lease(LeaseEvent.TAKEN, "boot", "run-x", "test")
A_KILL: Final = KillFlag(KillEvent.RAISED, "flag", KillKind.ONE_WAY, "instrument:EURUSD", "drill", "operator")


# --- at the socket, at the broker, beside the log ---------------------------------------------------------------------


def _left(change: Callable[[Any], Any], entry: bool = True) -> Change:
    """The frames of an entry, or of exits, left otherwise."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        desk.outside.handed[:] = [change(f) if f.entry is entry else f for f in desk.outside.handed]
        return beads

    return changed


def _twice(desk: Scene, beads: Beads) -> Beads:
    """A frame left again."""
    desk.outside.handed.append(next(frame for frame in desk.outside.handed if frame.entry))
    return beads


def _by_the_next_run(desk: Scene, beads: Beads) -> Beads:
    """What an earlier run recorded and did not send, the next one sends."""
    size = len(beads)
    desk.outside.handed[:] = [evolve(frame, log=size) for frame in desk.outside.handed]
    return beads


def _intent(beads: Beads) -> str:
    return next(bead.body.intent_id for bead in beads if isinstance(bead.body, Position))


def _at_the_broker(role: Role, change: Callable[[Any], Any]) -> Change:
    """An order of the position works otherwise than it was signed for."""

    def changed(desk: Scene, beads: Beads) -> Beads:
        working = order(desk, _intent(beads), role)
        working.frame = evolve(working.frame, line=change(working.frame.line))
        return beads

    return changed


def _gone(role: Role) -> Change:
    def changed(desk: Scene, beads: Beads) -> Beads:
        order(desk, _intent(beads), role).ends = True
        return beads

    return changed


def _other_price(desk: Scene, beads: Beads) -> Beads:
    """What was executed cost something else than is booked."""
    truth = desk.broker.truth
    truth.executions[:] = [evolve(said, price=Price(said.price + Decimal("0.0001"))) for said in truth.executions]
    return beads


def _no_file(desk: Scene, beads: Beads) -> Beads:
    """An intent was taken, and its file lies nowhere."""
    desk.outside.archived.clear()
    return beads


def _arrived(desk: Scene, beads: Beads) -> Beads:
    """What is said never to have left was at the broker, and was ended there."""
    recorded = next(b.body for b in beads if isinstance(b.body, Order) and b.body.event is OrderEvent.RECORDED)
    for frame in recorded.frames:
        desk.broker._take(frame, recorded.group or "")
        desk.broker._end(desk.broker.truth.book[frame.ref], BrokerStatus.CANCELLED, "gone")
    return beads


def _unrecorded_exit(desk: Scene, beads: Beads) -> Beads:
    """An exit leaves in a size that the log does not know of."""
    stop = next(frame for frame in desk.outside.handed if ".S" in frame.ref)
    desk.outside.handed.append(evolve(stop, revision=stop.revision + 1))
    return beads


PLANTS: Final = (
    Plant("sent-again", "I1", approved_and_filled, _twice),
    Plant("sent-before-record", "I4", approved_and_filled, _left(lambda f: evolve(f, log=1))),
    Plant("exit-before-record", "I4", approved_and_filled, _left(lambda f: evolve(f, log=1), entry=False)),
    Plant("unrecorded-size", "I4", approved_and_filled, _unrecorded_exit),
    Plant("sent-by-the-next-run", "I21", restarted_with_a_position, _by_the_next_run),
    Plant("under-a-kill", "I14", approved_and_filled, _before(Position, _is(PositionEvent.APPROVED), A_KILL)),
    Plant("no-token-spent", "I2", approved_and_filled, _without(T2Token, _is(TokenEvent.USED))),
    Plant(
        "spent-for-another-order",
        "I2",
        approved_and_filled,
        _every(T2Token, lambda token: evolve(token, order_hash="x"), _is(TokenEvent.USED)),
    ),
    Plant("spent-late", "I17", approved_and_filled, _later(T2Token, _is(TokenEvent.USED), timedelta(minutes=5))),
    Plant("spent-by-another-run", "I17", approved_and_filled, _before(T2Token, _is(TokenEvent.USED), ANOTHER_RUN)),
    Plant("withheld-and-arrived", "I9", lost_on_the_way, _arrived),
    Plant(
        "withheld-by-another-run", "I9", lost_on_the_way, _before(Position, _is(PositionEvent.WITHHELD), ANOTHER_RUN)
    ),
    Plant("another-price", "I8", approved_and_filled, _other_price),
    Plant(
        "stop-elsewhere",
        "X4",
        approved_and_filled,
        _at_the_broker(Role.STOP, lambda line: evolve(line, trigger=Price(Decimal("1.0700")))),
    ),
    Plant(
        "target-elsewhere",
        "X4",
        approved_and_filled,
        _at_the_broker(Role.TARGET, lambda line: evolve(line, limit=Price(Decimal("1.2000")))),
    ),
    Plant("no-stop", "X4", approved_and_filled, _gone(Role.STOP)),
    Plant("no-target", "X4", approved_and_filled, _gone(Role.TARGET)),
    Plant(
        "never-managed",
        "I5",
        approved_and_filled,
        _every(Position, lambda p: evolve(p, state=State.FILLED, event=None), _is(PositionEvent.PROTECTED)),
    ),
    Plant("silent-drift", "I18", drift_found, _without(Alert, lambda alert: " size" in alert.subject)),
    Plant("no-autopsy", "AUTOPSY", closed_by_hand, _without(Autopsy)),
    Plant("lost-file", "I20", intent_by_file, _no_file),
    Plant("no-execution", "I10", approved_and_filled, _without(Execution)),
)


@shows("F83")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_what_is_not_so_is_named(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order before, and not after."""

    async def walk(desk: Scene) -> None:
        await plant.story(desk)
        await desk.calm()
        assert judged(desk) == []
        beads = plant.change(desk, desk.beads())
        monkeypatch.setattr(Scene, "beads", lambda _: beads)
        found = judged(desk)
        assert plant.promise in {promise for promise, _ in found}, found

    with grave() as yard:
        asyncio.run(walk(yard.begin()))
