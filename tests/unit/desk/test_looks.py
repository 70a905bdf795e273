"""When the desk looks at the broker's whole picture: at once where something happened, else by its interval."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Partial, Reject, Silence
from phoenix_adapters.brokers.mock.working import Working
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.keys import SshVerifier
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import (
    About,
    Alert,
    Autopsy,
    DriftType,
    IbkrSession,
    Observation,
    ReconciliationDrift,
    SessionEvent,
)
from phoenix_core.facts import BrokerStatus, Snapshot
from phoenix_core.gate.statements import Close
from phoenix_core.values import Money, Severity, State, plain
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.test_leaving_in_parts import protected
from tests.unit.desk.walks import WORDS, ref_of, said_of, walked


def pictures(desk: Stage) -> int:
    """How many pictures the log has."""
    return sum(seen.about is About.SNAPSHOT for seen in desk.bodies(Observation))


async def rested(desk: Stage) -> int:
    """After two quiet minutes, in which no limit of runs holds anything back: how many pictures there are."""
    await desk.watch(120)
    before = pictures(desk)
    await desk.watch(2, 1)
    assert pictures(desk) == before, "nothing happened, and the desk looked"
    return before


@pytest.mark.parametrize("again", [True, False])
@shows("S32-REC-06", "INV-RECONCILE-READONLY-1")
def test_a_picture_that_the_machine_slept_through_is_none(again: bool) -> None:
    """The machine slept while a picture was gathered. It shows a stop that ended before that, and nobody knows
    any more when that was touched: no drift, no kill. It is asked for once more at once; what took as long says
    nothing."""
    whole, slept = MockBroker.snapshot, timedelta(minutes=5)

    async def walk(desk: Stage) -> None:
        _, stop, target = await protected(desk)
        before = await desk.broker.snapshot()
        stop.ends, stop.status = True, BrokerStatus.CANCELLED
        desk.broker.tell(desk.broker._order_said(stop))
        await desk.tick(1)
        desk.clock.advance(slept)
        desk.broker.tell(desk.broker._order_said(target))
        await desk.tick(0.1)
        given = [changed(before, ended=desk.clock.now()) for _ in range(1 if again else 9)]

        async def told(broker: MockBroker) -> Snapshot:
            return given.pop() if given else await whole(broker)

        with mock.patch.object(MockBroker, "snapshot", told):
            await desk.engine.link._look()
            await desk.tick(0.1)
        assert not desk.bodies(ReconciliationDrift)
        seen = desk.bodies(Observation)[-1]
        assert (seen.facts["agreement"] == "UNKNOWN") is not again

    _ = walked(walk)


async def fill(desk: Stage) -> None:
    """Half of an entry executes; no order ends by it."""
    desk.broker.script(Partial(Decimal("0.5")))
    _ = await desk.enter(quantity="100000")


async def reject(desk: Stage) -> None:
    """The broker refuses an entry."""
    desk.broker.script(Reject())
    assert desk.state(await desk.enter()) is State.REJECTED


async def cancel(desk: Stage) -> None:
    """The broker ends an entry that did not fill."""
    desk.broker.script(Silence())
    ref = ref_of(desk, await desk.enter())
    await desk.watch(20)
    desk.broker.tell(said_of(desk, ref, BrokerStatus.CANCELLED))
    await desk.tick(0.5)


async def demand(desk: Stage) -> None:
    """Somebody asks."""
    _ = desk.act(Observe(desk.fresh(), About.DEMAND, "reconciliation", {})).unwrap()
    await desk.tick(0.5)


async def reconnect(desk: Stage) -> None:
    """The link is lost and found."""
    desk.broker.cut()
    await desk.watch(7, 1)
    assert desk.bodies(IbkrSession)[-1].event is SessionEvent.RECONNECT


@shows("S32-REC-03", "S32-REC-04", "S33-REC-01", "S32-SEAM-03")
@pytest.mark.parametrize("happens", [fill, reject, cancel, demand, reconnect], ids=lambda act: act.__name__)
def test_what_happens_is_looked_at_at_once(happens: Callable[[Stage], Awaitable[None]]) -> None:
    """Fill, reject, cancel, reconnect, demand: a whole picture within the second, five minutes before its turn; at rest
    there is none."""

    async def walk(desk: Stage) -> None:
        before = await rested(desk)
        await happens(desk)
        assert pictures(desk) > before
        last = desk.desk.observations.complete
        assert last is not None and desk.clock.now().wall - last.ts <= timedelta(seconds=1)

    _ = walked(walk)


@shows("S32-REC-03")
@pytest.mark.parametrize(("every", "looks"), [(300, 2), (60, 10)])
def test_the_interval_is_what_the_settings_say(every: int, looks: int) -> None:
    """Ten quiet minutes at five minutes each, or at one."""
    made = stage()
    run = changed(made.engine.run, epoch=None)
    span = timedelta(seconds=every)
    made.engine = Engine(made.store, made.broker, made.clock, run, SshVerifier(), reconcile_every=span)

    async def walk(desk: Stage) -> None:
        await desk.watch(20, 1)
        before = pictures(desk)
        await desk.watch(600, 1)
        assert pictures(desk) - before == looks

    _ = walked(walk, made)


async def made_and_told(desk: Stage, more: str, waits: int = 0, others: bool = False) -> tuple[Autopsy, Money]:
    """A position that closed by its target, and a picture in which the broker says so much more than it made, perhaps
    hours later, perhaps beside a trade that another program made on this account."""
    _ = await desk.enter(quantity="100000")
    desk.price("1.09105", "1.09115")
    await desk.watch(6, 1)
    (made,) = desk.bodies(Autopsy)
    assert made.realized > 500 and made.commission == 4
    says, picture = Money(made.realized + Decimal(more)), desk.broker.snapshot
    await desk.watch(waits * 3600, 600)

    async def snapshot(broker: MockBroker) -> Snapshot:
        seen = await picture()
        foreign = [changed(seen.executions[0], exec_id="manual.1", ref="")] if others else []
        return changed(seen, realized=says, executions=(*seen.executions, *foreign))

    with mock.patch.object(type(desk.broker), "snapshot", snapshot):
        await demand(desk)
        await desk.watch(20, 1)
    return made, says


@shows("S32-REC-02", "S32-REC-09", "S32-REC-07")
@pytest.mark.parametrize(
    ("more", "differs"), [("0", False), ("2.9", False), ("5", True), ("-4", False), ("-6.9", False), ("-9", True)]
)
def test_the_days_result_is_held_against_the_brokers(more: str, differs: bool) -> None:
    """What a closed position made, as the log has it, and what the broker says that the day made: a WARNING of type PNL
    with both figures, told and not mended. The same figure is none, nor is the same after fees of 4 and a rounding."""

    async def walk(desk: Stage) -> None:
        made, says = await made_and_told(desk, more)
        found = desk.bodies(ReconciliationDrift)
        assert [(d.drift_type, d.severity) for d in found] == [(DriftType.PNL, Severity.WARNING)] * differs
        sides = {"realized": plain(made.realized), "fees": "4"}, {"realized": plain(says)}
        assert all((d.phoenix_state, d.broker_state) == sides for d in found)
        told = [a for a in desk.bodies(Alert) if a.code == "DRIFT_WARNING"]
        assert len(told) == differs and all(plain(says) in a.text for a in told)
        assert not desk.desk.kill_flags.standing

    _ = walked(walk)


@shows("S32-REC-02")
@pytest.mark.parametrize(
    ("hours", "share", "differs"),
    [
        (0, 0, True),  # made within the hour, in every day that anybody counts by
        (4, 0, False),  # 18:00 New York: its trading day is over, that of its calendar is not
        (4, 1, False),
        (4, "0.5", True),  # and a half is neither's
        (11, 1, True),  # 01:00 New York, past every midnight
        (11, 0, False),
    ],
)
def test_the_brokers_day_begins_at_an_hour_of_its_own(hours: int, share: int | str, differs: bool) -> None:
    """What was made at 14:00 New York is in the broker's figure, or is gone from it, by the hour at which its day ends:
    our own is over at 17:00, and one of its midnights may come later."""

    async def walk(desk: Stage) -> None:
        await made_and_told(desk, plain(Decimal(595) * (Decimal(share) - 1)), hours)
        assert bool([d for d in desk.bodies(ReconciliationDrift) if d.drift_type is DriftType.PNL]) == differs

    _ = walked(walk)


@shows("S32-REC-02")
def test_what_others_traded_is_in_no_result_of_ours() -> None:
    """Beside a manual trade on the same account the broker's figure says nothing about ours, and nothing is told."""

    async def walk(desk: Stage) -> None:
        await made_and_told(desk, "50", others=True)
        assert DriftType.PNL not in [d.drift_type for d in desk.bodies(ReconciliationDrift)]

    _ = walked(walk)


def without_a_word(broker: MockBroker, working: Working, status: BrokerStatus, reason: str) -> None:
    """An order ends at the broker, and the word of it is lost."""
    working.ends, working.status = True, status


def test_an_end_that_is_asked_for_and_not_told_is_looked_for() -> None:
    """A close asks stop and target to end; they do, and no word of it comes: the position stands bare at the broker,
    and the desk believes in its protection. It looks five seconds later, not at the next interval, and tells of it."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        intent = await desk.enter()
        before = await rested(desk)
        with mock.patch.object(MockBroker, "_end", without_a_word):
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.watch(4, 1)
            assert pictures(desk) == before and desk.state(intent) is State.MANAGED
            await desk.watch(4, 1)
        assert pictures(desk) > before
        await desk.watch(60, 1)
        assert "PROTECTION_LOST" in {alert.code for alert in desk.bodies(Alert)}
        last = pictures(desk)
        await desk.watch(60, 1)
        assert pictures(desk) - last <= 1, "it looks, and does not stare"

    _ = walked(walk)
