"""I17 on the whole desk: a wall that is set back prolongs no life, and no wait; nor does a host that booted anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Silence
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.exits import Carry, ClearAway
from phoenix_core.acts.last_look import compared, shown_of
from phoenix_core.acts.timed import CancelRest, Doubt, Stall
from phoenix_core.beads import About, Observation, Order, OrderEvent
from phoenix_core.effects import CarryOut
from phoenix_core.gate.statements import Close
from phoenix_core.kernel import decide, due
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, Moment, Quantity, Role, Side, State, elapsed, instant, is_over
from tests.showing import shows
from tests.stage import PAIR, START, Stage
from tests.unit.desk.walks import WORDS, filled, ref_of, walked

SECOND = timedelta(seconds=1)
NOW = Moment(START.astimezone(UTC), 9 * SECOND, "b")
# Every way in which time may be said to have passed: the wall alone, the other clock alone, neither that is known.
LATER: dict[str, Callable[[Moment, timedelta], Moment]] = {
    "both": lambda now, span: now.plus(span),
    "the wall set on": lambda now, span: changed(now, wall=now.wall + span),
    "the wall set back meanwhile": lambda now, span: changed(now.plus(span), wall=now.wall + SECOND),
    "another boot": lambda now, span: changed(now.plus(SECOND), boot="boot-2"),
    "set back behind its beginning": lambda now, span: changed(now, wall=now.wall - timedelta(hours=1)),
}


@shows("I17")
class TestDesk:
    """Whatever the wall does, what is waited for is told in time, and what is signed is over in time (I17)."""

    @pytest.mark.parametrize("way", sorted(LATER))
    def test_silence_is_told_by_either_clock(self, way: str) -> None:
        """NO_ACK after 60 s, doubt about the exits after 10, the entry's remainder after 90."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            assert desk.state(intent) is State.SUBMITTED
            asked = {type(c) for c in due(desk.desk, desk.clock.now())}
            assert not asked & {Stall, Doubt, CancelRest}
            asked = {type(c) for c in due(desk.desk, LATER[way](desk.clock.now(), 91 * SECOND))}
            assert {Stall, Doubt, CancelRest} <= asked

        _ = walked(walk)

    @pytest.mark.parametrize("way", sorted(LATER))
    def test_a_context_ages_by_either_clock(self, way: str) -> None:
        """Proposed on a fresh context; a quarter of an hour later by any clock the approval meets STATE_CONFLICT."""

        async def walk(desk: Stage) -> None:
            intent = await desk.propose()
            world = desk.engine.world()
            command = desk.signature(desk.screen(intent).says)
            now = LATER[way](world.now, timedelta(minutes=15))
            said = decide(desk.desk, command, changed(world, now=now)).result
            assert not is_successful(said)
            if way in ("the wall set back meanwhile", "another boot"):  # of the statement's own life its wall says less
                assert Reason.STATE_CONFLICT in said.failure().reasons

        _ = walked(walk)

    @pytest.mark.parametrize("way", sorted(LATER))
    def test_a_signed_close_lives_a_minute_by_either_clock(self, way: str) -> None:
        """Recorded, and carried out too late by any clock: answered, and not sent."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            _ = desk.engine.recorder.catch_up()
            (key,) = [key for key, owed in desk.desk.owed.items() if isinstance(owed, CarryOut)]
            world = desk.engine.world()
            fresh = decide(desk.desk, Carry(CommandId("carry"), *key), world)
            assert is_successful(fresh.result), "within its minute it is carried out"
            late = changed(world, now=LATER[way](world.now, 60 * SECOND))
            ruling = decide(desk.desk, Carry(CommandId("carry"), *key), late)
            assert ruling.result.failure().reasons == (Reason.EXIT_EXPIRED,)
            assert not any(isinstance(d.body, Order) for d in ruling.drafts)

        _ = walked(walk)

    def test_a_change_of_protection_waits_ten_seconds_by_either_clock(self) -> None:
        """What is waited for carries both clocks: record, frame and cancel request."""

        async def walk(desk: Stage) -> None:
            desk.broker.script(Silence())
            intent = await desk.enter()
            await desk.tick(91)
            kinds = (OrderEvent.RECORDED, OrderEvent.SENT, OrderEvent.CANCEL_REQUESTED)
            waited = [o for o in desk.bodies(Order) if o.event in kinds]
            assert {o.event for o in waited} == set(kinds)
            assert all(o.ticks is not None and o.boot == desk.clock.now().boot for o in waited)
            stop = desk.desk.orders.find(exit_ref(ref_of(desk, intent), Role.STOP, 1))
            assert stop is not None and stop.asked == stop.sent and stop.asked.boot == desk.clock.now().boot

        _ = walked(walk)


@shows("I17")
class TestAheadAndSetRight:
    """A host whose wall runs hours ahead for a while, as one that keeps local time at its boot, and is set right."""

    def test_the_quotes_that_a_human_signs_by_go_on(self) -> None:
        """The log's newest quote is of hours to come. Until the wall had caught up no other was kept: nobody could
        approve (STATEMENT_OTHER_QUOTE), and what is held was worth what it had been then, by a quote "0 s" old."""

        async def walk(desk: Stage) -> None:
            held = await desk.enter()
            desk.clock.step_wall(timedelta(hours=5))
            await desk.tick(31)
            desk.clock.step_wall(timedelta(hours=-5))
            ahead = desk.desk.observations.quotes[PAIR].at
            assert ahead > desk.clock.now().wall and desk.state(held) is State.MANAGED
            for _ in range(5):
                await desk.tick(1, quote=False)
            assert desk.desk.observations.quotes[PAIR].at == ahead, "it is the broker's last one, and kept already"
            kept = len(desk.bodies(Observation))
            await desk.tick(1)
            assert desk.desk.observations.quotes[PAIR].at == desk.clock.now().wall
            for _ in range(20):
                await desk.tick(1)
            quotes = [one for one in desk.bodies(Observation)[kept:] if one.about is About.QUOTE]
            assert len(quotes) == 1, "and then as often as ever"
            intent = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            _ = desk.approve(intent).unwrap()
            await desk.tick()
            assert desk.state(intent) is State.MANAGED

        _ = walked(walk)

    @shows("X4")
    def test_what_is_left_can_be_closed(self) -> None:
        """A third of it was closed at an hour to come. By its stamp that was after every picture of now, and counted as
        gone a second time: a close of the rest was refused for as long (EXIT_WRONG_SIZE)."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            await desk.tick(60)
            desk.clock.step_wall(timedelta(hours=5))
            _ = desk.sign(Close(intent, WORDS, Quantity(Decimal(40_000)))).unwrap()
            await desk.tick(2)
            await desk.tick(2)
            position = desk.position(intent)
            assert isinstance(position, Open) and position.exited_quantity == 40_000
            picture = desk.engine.world()
            desk.clock.step_wall(timedelta(hours=-5))
            stake = stake_of(position, desk.desk.orders, desk.desk.fills)
            moved = changed(picture, now=desk.clock.now())
            assert compared(stake, moved) is stake, "the picture is of hours to come itself: they are in order"
            await desk.tick(310)
            world = desk.engine.world()
            assert world.snapshot is not None and world.snapshot.began.wall <= desk.clock.now().wall
            assert shown_of(desk.desk, stake, world) == stake.held
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(2)
            await desk.tick(2)
            assert desk.state(intent) is State.CLOSED

        _ = walked(walk)

    @shows("X1")
    def test_what_works_beside_nothing_is_cleared_away_in_time(self) -> None:
        """It was entered at an hour to come, and left through its stop by the right clock: what the broker leaves
        standing of its protection is asked to end after two seconds, not after five hours."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            position = desk.position(intent)
            assert isinstance(position, Open)
            desk.broker.truth.book.clear()
            stop = exit_ref(ref_of(desk, intent), Role.STOP, 1)
            desk.clock.step_wall(timedelta(hours=5))
            _ = desk.engine.recorder.act(Said(CommandId("out"), filled(desk, stop, str(position.held), Side.SELL)))
            desk.clock.step_wall(timedelta(hours=-5))
            assert [c for c in due(desk.desk, desk.clock.now()) if isinstance(c, ClearAway)]

        _ = walked(walk)


class TestElapsed:
    """One mechanism for every life and every wait: the clock that says more, and none where they cannot say."""

    @pytest.mark.parametrize(
        ("wall", "ticks", "boot", "expected"),
        [
            (5, 3, "b", 5),
            (3, 5, "b", 5),
            (-2, 5, "b", 5),
            (-3, 5, "b", None),
            (5, -1, "b", None),
            (5, 5, "other", None),
        ],
    )
    def test_the_clock_that_says_more(self, wall: int, ticks: int, boot: str, expected: int | None) -> None:
        """Another boot, ticks that ran back, a wall set back by more than two seconds: nobody knows, so it is over."""
        now = Moment(NOW.wall + wall * SECOND, NOW.ticks + ticks * SECOND, boot)
        spent = elapsed(NOW, now)
        assert spent == (None if expected is None else expected * SECOND)
        assert is_over(NOW, now, 5 * SECOND) is True
        assert is_over(NOW, now, 6 * SECOND) is (expected is None)

    def test_a_bead_without_the_second_clock_has_the_wall_alone(self) -> None:
        """Written before beads carried it, replayed by a later version."""
        old = instant(NOW.wall, None, None)
        assert elapsed(old, NOW.plus(7 * SECOND)) == 7 * SECOND
        assert elapsed(old, changed(NOW, wall=NOW.wall - 3 * SECOND)) is None
