"""Leaving a position at a broker whose groups do not hold: protection ends first, and never for nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from returns.result import Failure

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_adapters.engine import loop
from phoenix_core.acts.submit import Withhold
from phoenix_core.beads import Alert, Execution, Limits, Observation, Order, OrderEvent, Policy
from phoenix_core.chain import Fault, StoreFault
from phoenix_core.effects import CarryOut, SendOrder
from phoenix_core.facts import BrokerStatus, ErrorSaid
from phoenix_core.gate.statements import Close
from phoenix_core.kernel import clear
from phoenix_core.orders import Frame, exit_ref
from phoenix_core.refusals import Reason, refusal
from phoenix_core.trade import exits
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.values import CommandId, Quantity, Role, State
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.test_signed_commands import answered
from tests.unit.desk.walks import WORDS, ref_of, walked

TEN_MINUTES = Policy(limits=Limits(), time_exit=timedelta(minutes=10))


async def held(desk: Stage) -> str:
    """A protected position at a broker that may forget a group."""
    desk.broker.groups_hold = False
    intent = await desk.enter()
    assert desk.state(intent) is State.MANAGED
    return intent


def events(desk: Stage) -> list[tuple[str, str]]:
    """What was asked of each exit and what became of it, in order."""
    roles = {str(frame.ref): frame.line.role for order in desk.bodies(Order) for frame in order.frames}
    words = (OrderEvent.RECORDED, OrderEvent.CANCEL_REQUESTED, OrderEvent.ENDED)
    told = [o for o in desk.bodies(Order) if o.event in words and roles[o.ref].is_exit]
    return [(roles[o.ref].value, o.event.value) for o in told]


def asked_to_end(desk: Stage) -> bool:
    """Whether any exit was asked to end."""
    return any(event == "CANCEL_REQUESTED" for _, event in events(desk))


def alerts(desk: Stage) -> list[str]:
    """What people were told."""
    return [one.code for one in desk.bodies(Alert)]


async def young(desk: Stage) -> None:
    """A session that has just begun, and of which there is no picture yet."""
    desk.broker.hush()
    desk.broker.cut()
    await desk.tick()
    await desk.tick(5)
    assert desk.engine.link.up and desk.engine.world().link.session == desk.broker.session()


def waits(desk: Stage) -> bool:
    """Whether a signed command is still to be answered."""
    return any(isinstance(owed, CarryOut) for owed in desk.desk.owed.values())


@shows("X1", "X4")
def test_protection_ends_before_a_close_and_its_end_is_no_alarm() -> None:
    """Two requests, two ends, and only then the close; nobody is told that protection was lost."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        assert await answered(desk, Close(intent, WORDS)) == ()
        await desk.tick(1)
        assert desk.state(intent) is State.CLOSED and not waits(desk)
        assert events(desk)[-6:-1] == [
            ("STOP", "CANCEL_REQUESTED"),
            ("TARGET", "CANCEL_REQUESTED"),
            ("STOP", "ENDED"),
            ("TARGET", "ENDED"),
            ("CLOSE", "RECORDED"),
        ]
        assert "PROTECTION_LOST" not in alerts(desk) and "CLOSE_NOT_SENT" not in alerts(desk)

    _ = walked(walk)


def test_protection_that_makes_way_is_pending_for_three_seconds_and_then_lost() -> None:
    """The close is gone and does not fill: what is held stands bare, and after three seconds that is said."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        with mock.patch.object(type(desk.broker), "_triggered", return_value=False):
            desk.broker.hush()
            _ = await answered(desk, Close(intent, WORDS))
            held_now = desk.position(intent)
            assert isinstance(held_now, Open)
            stake = stake_of(held_now, desk.desk.orders, desk.desk.fills)
            assert protection_of(stake, desk.clock.now()) is Protection.PENDING
            assert "PROTECTION_LOST" not in alerts(desk)
        for role in (Role.STOP, Role.TARGET):
            ref = exit_ref(ref_of(desk, intent), role, 1)
            desk.broker.truth.book[ref].ends = True
            desk.broker.truth.book[ref].status = BrokerStatus.CANCELLED
        await desk.watch(4, 1)
        assert {"CLOSE_NOT_SENT", "PROTECTION_LOST"} & set(alerts(desk)) == {"CLOSE_NOT_SENT"}
        desk.broker.hush(False)
        desk.broker.cut()
        await desk.watch(12, 1)
        assert "PROTECTION_LOST" in alerts(desk)

    _ = walked(walk)


@pytest.mark.parametrize("why", ["link", "size"])
@shows("X3", "X4")
def test_nothing_is_asked_to_end_for_a_close_that_could_not_leave(why: str) -> None:
    """No link, or more than is held: the human hears no, and stop and target stand as before."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        size = Quantity(Decimal(10_000_000)) if why == "size" else None
        if why == "link":
            desk.broker.refuse_connects(9)
            desk.broker.cut()
            await desk.tick()
        expected = Reason.EXIT_TOO_LARGE if why == "size" else Reason.LINK_DOWN
        assert await answered(desk, Close(intent, WORDS, size)) == (expected,)
        assert not asked_to_end(desk) and not waits(desk) and desk.state(intent) is State.MANAGED

    _ = walked(walk)


@pytest.mark.parametrize("groups_hold", [True, False])
@shows("X4")
def test_a_close_in_a_young_session_waits_for_its_first_picture(groups_hold: bool) -> None:
    """After a reconnection no picture sizes it yet: it is not refused, and leaves with the picture."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        desk.broker.groups_hold = groups_hold
        await young(desk)
        assert await answered(desk, Close(intent, WORDS)) == ()
        assert waits(desk) and not asked_to_end(desk)
        desk.broker.hush(False)
        await desk.engine.link._look()
        await desk.tick(0.5)
        await desk.tick(0.5)
        assert desk.state(intent) is State.CLOSED and not waits(desk)

    _ = walked(walk)


@shows("X4")
def test_without_a_picture_a_human_is_asked_for_the_size() -> None:
    """A second and a half later there is none: the answer says to type the size, nothing has ended; typed, it goes."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        await young(desk)
        assert await answered(desk, Close(intent, WORDS)) == ()
        await desk.tick(1.5)
        (no,) = [o for o in desk.bodies(Observation) if "type the size" in o.facts.get("detail", "")]
        assert no.facts["reasons"] == Reason.EXIT_WRONG_SIZE.value and not waits(desk) and not asked_to_end(desk)
        position = desk.position(intent)
        assert isinstance(position, Open)
        _ = await answered(desk, Close(intent, WORDS, Quantity(position.held)))
        assert asked_to_end(desk)

    _ = walked(walk)


@shows("X1")
def test_no_protection_ends_for_a_size_that_is_not_there() -> None:
    """Somebody bought as much again in the broker's own window. Under that drift a typed size is not held against the
    picture, but never is it taken beyond the book: X1 would keep it back, and what is held would stand bare for it."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        twice = Quantity(held_by(desk, intent) * 2)
        desk.broker.truth.held["EURUSD"] *= 2
        await desk.watch(400, 20)
        assert [drift.instrument for drift in desk.desk.drifts.open.values()] == ["EURUSD"]
        assert await answered(desk, Close(intent, WORDS, twice)) == (Reason.EXIT_TOO_LARGE,)
        await desk.watch(5, 1)
        assert not asked_to_end(desk) and not waits(desk) and "PROTECTION_LOST" not in alerts(desk)
        assert len(pair_of(desk, intent)) == len(exits.PAIR)

    _ = walked(walk)


@pytest.mark.parametrize("seconds", [56, 57, 59])
@shows("X2")
def test_no_protection_ends_for_a_signature_that_would_be_over_by_then(seconds: int) -> None:
    """The engine that comes back finds a close that was signed most of a minute ago. An end has three seconds: where
    these are longer than the signature lives, the close could not leave, and what is held would stand bare for it."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        desk.clock.advance(timedelta(seconds=seconds))
        await desk.tick()
        assert asked_to_end(desk) == (seconds < 57)
        if seconds >= 57:
            said = [o.facts.get("reasons") for o in desk.bodies(Observation)]
            assert Reason.EXIT_EXPIRED.value in said and not waits(desk)

    _ = walked(walk)


@shows("X2")
def test_the_time_exit_has_its_protection_end_first_too() -> None:
    """The same steps, by the mandate alone."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        await desk.tick(600)
        await desk.tick(1)
        await desk.tick(1)
        assert desk.state(intent) is State.CLOSED
        assert events(desk)[-2] == ("CLOSE", "RECORDED") and events(desk)[-3][1] == "ENDED"

    _ = walked(walk, stage(policy=TEN_MINUTES))


@shows("X2", "X3")
def test_a_time_exit_that_could_not_leave_ends_no_protection() -> None:
    """While there is no link nothing is asked to end; nor does a link that falls in between send anything."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        desk.broker.refuse_connects(9)
        desk.broker.cut()
        await desk.tick(600)
        await desk.tick(1)
        assert not asked_to_end(desk) and desk.state(intent) is State.MANAGED
        with mock.patch.object(exits, "entry_line", return_value=None):
            await desk.tick(1)
        assert not asked_to_end(desk)

    _ = walked(walk, stage(policy=TEN_MINUTES))


@shows("X1")
def test_a_time_exit_whose_protection_ended_late_is_a_humans() -> None:
    """Not confirmed within three seconds: told, and the ends that come later send nothing behind the human's back."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        desk.broker.hush()
        await desk.tick(600)
        desk.broker.refuse_connects(9)
        desk.broker.cut()
        await desk.watch(5, 1)
        assert alerts(desk).count("CLOSE_NOT_SENT") == 1
        desk.broker.refuse_connects(0)
        desk.broker.hush(False)
        await desk.watch(60, 5)
        ended = [one for one in events(desk) if one[1] == "ENDED"]
        assert ended and ("CLOSE", "RECORDED") not in events(desk)
        assert isinstance(desk.position(intent), Open) and "PROTECTION_LOST" in alerts(desk)

    _ = walked(walk, stage(policy=TEN_MINUTES))


@shows("X1")
def test_a_second_close_asks_again_what_the_first_waited_for_in_vain() -> None:
    """Both requests were lost and the close was given up; a human who signs again is heard: asked once more, ended,
    sent."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        with mock.patch.object(MockBroker, "cancel"):  # not a word of them arrives
            _ = await answered(desk, Close(intent, WORDS))
            await desk.watch(4, 1)
        assert not waits(desk) and alerts(desk).count("CLOSE_NOT_SENT") == 1
        first = events(desk)
        assert first == [("STOP", "CANCEL_REQUESTED"), ("TARGET", "CANCEL_REQUESTED")], "once a close, not a turn"
        assert await answered(desk, Close(intent, WORDS)) == ()
        await desk.tick(1)
        assert events(desk)[2:-1] == [*first, ("STOP", "ENDED"), ("TARGET", "ENDED"), ("CLOSE", "RECORDED")]
        assert desk.state(intent) is State.CLOSED and "PROTECTION_LOST" not in alerts(desk)

    _ = walked(walk)


# --- a part is closed: protection shrinks and goes on standing --------------------------------------------------------

PART = Quantity(Decimal(40_000))
LOT = Decimal(20_000)


def pair_of(desk: Stage, intent: str) -> dict[Role, Known]:
    """Its protection, as far as it works."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return {order.role: order for order in stake_of(position, desk.desk.orders, desk.desk.fills).pair}


def sizes(desk: Stage) -> list[tuple[str, Decimal]]:
    """What was asked of each exit, and for how much, in order."""
    asked = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED]
    return [(f.line.role.value, f.line.quantity) for o in asked for f in o.frames if f.line.role.is_exit]


def held_by(desk: Stage, intent: str) -> Decimal:
    """What is held of it."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position.held


@shows("X1", "X4")
def test_protection_shrinks_before_a_part_is_closed_and_never_ends() -> None:
    """Two new sizes, both confirmed, and only then the close; at no moment does what will be left stand bare."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        whole = held_by(desk, intent)
        assert await answered(desk, Close(intent, WORDS, PART)) == ()
        await desk.tick(1)
        rest = whole - PART
        assert sizes(desk) == [("STOP", whole), ("TARGET", whole), ("STOP", rest), ("TARGET", rest), ("CLOSE", PART)]
        assert not asked_to_end(desk) and not waits(desk)
        assert held_by(desk, intent) == rest and {o.rest for o in pair_of(desk, intent).values()} == {rest}
        position = desk.position(intent)
        assert isinstance(position, Open) and position.state is State.MANAGED
        stake = stake_of(position, desk.desk.orders, desk.desk.fills)
        assert protection_of(stake, desk.clock.now()) is Protection.FULL
        await desk.watch(30, 5)
        assert len(sizes(desk)) == 5, "nothing else was asked"
        assert not {"PROTECTION_LOST", "CLOSE_NOT_SENT"} & set(alerts(desk))

    _ = walked(walk)


@pytest.mark.parametrize("groups_hold", [False, True])
@pytest.mark.parametrize("left", [0, 1])
@shows("X1", "X4")
def test_no_protection_stays_for_what_a_picture_does_not_show(left: int, groups_hold: bool) -> None:
    """Somebody sold a part at TWS. A human closes the rest, or all of it but one lot, by its size: what stays is for
    that lot and for nothing that is not there, though the book has more, and the market may come at once."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        desk.broker.groups_hold = groups_hold
        there = held_by(desk, intent) - PART
        desk.broker.truth.held["EURUSD"] = there
        await desk.watch(400, 20)
        assert {drift.instrument for drift in desk.desk.drifts.open.values()} == {"EURUSD"}
        assert {order.rest for order in pair_of(desk, intent).values()} == {there + PART}
        rest = LOT * left
        assert await answered(desk, Close(intent, WORDS, Quantity(there - rest))) == ()
        await desk.tick(1)
        await desk.tick(1)
        assert desk.broker.truth.held["EURUSD"] == rest
        assert {order.rest for order in pair_of(desk, intent).values()} == ({rest} if left else set())

    _ = walked(walk)


@shows("X1")
def test_a_new_size_that_is_not_confirmed_in_time_ends_instead() -> None:
    """A second and a half without an answer: both are asked to end, and nothing is sent on top of what may execute."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        desk.broker.hush()
        _ = await answered(desk, Close(intent, WORDS, PART))
        await desk.tick(1.4)
        assert waits(desk) and not asked_to_end(desk) and "PROTECTION_LOST" not in alerts(desk)
        await desk.tick(0.1)
        assert waits(desk) and asked_to_end(desk)
        await desk.watch(3.5, 0.5)
        assert not waits(desk) and alerts(desk).count("CLOSE_NOT_SENT") == 1
        assert "CLOSE" not in {role for role, _ in sizes(desk)} and len(sizes(desk)) == 4

    _ = walked(walk)


@pytest.mark.parametrize("turns", range(7))
@shows("X1", "X4")
def test_the_market_may_come_at_any_turn_of_it(turns: int) -> None:
    """The stop is reached before, between or after the new size, its confirmation and the close: what was bought is
    sold once, and no more."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        whole = held_by(desk, intent)
        _ = desk.sign(Close(intent, WORDS, PART)).unwrap()
        for _ in range(turns):
            await desk.engine.step()
        desk.price("1.0815", "1.0816")
        await desk.watch(10, 0.5)
        await desk.watch(60, 5)
        sold = sum((b.quantity or Decimal(0) for b in desk.bodies(Execution) if b.role is not Role.ENTRY), Decimal(0))
        assert sold == whole and desk.state(intent) is State.CLOSED
        assert not desk.desk.drifts.open and desk.broker.truth.held["EURUSD"] == 0

    _ = walked(walk)


@shows("X1")
def test_a_new_size_that_did_not_leave_is_asked_once_and_the_protection_ends_instead() -> None:
    """It is not asked for again by the same signature: the close goes the way that a whole one goes."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        whole = held_by(desk, intent)
        answers = iter([Failure(refusal(Reason.LINK_DOWN))])
        with mock.patch.object(loop, "clear", lambda *about: next(answers, None) or clear(*about)):
            _ = desk.sign(Close(intent, WORDS, PART)).unwrap()
            await desk.watch(400, 0.5)
        rest = whole - PART
        both = [("STOP", rest), ("TARGET", rest)]
        assert sizes(desk)[2:] == [*both, ("CLOSE", PART), *both], "the second pair is the one that is placed again"
        assert asked_to_end(desk) and not waits(desk) and held_by(desk, intent) == rest

    _ = walked(walk)


@shows("X1")
def test_a_new_size_that_never_left_is_forgotten_whatever_was_heard_meanwhile() -> None:
    """The log cannot be held, the broker says a word on the orders as they stand, and the last look withholds the new
    size: what stands is the old one, answered, and not one that waits for an answer for ever."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        whole = held_by(desk, intent)
        with mock.patch.object(desk.store, "hold", side_effect=StoreFault(Fault.BUSY, "")):
            _ = desk.sign(Close(intent, WORDS, PART)).unwrap()
            await desk.tick()
            said = [desk.broker.truth.book[order.ref] for order in pair_of(desk, intent).values()]
            desk.broker.tell(*(desk.broker._order_said(working) for working in said))
            await desk.tick()
        ((key, send),) = desk.desk.owed.of(SendOrder).items()
        assert len(send.frames) == 2
        _ = desk.engine.recorder.act(Withhold(CommandId("w"), key, send, refusal(Reason.LINK_DOWN)))
        assert {(o.line.quantity, o.answered) for o in pair_of(desk, intent).values()} == {(whole, True)}

    _ = walked(walk)


def refuses_changes(desk: Stage, code: int, *roles: Role) -> mock._patch[object]:
    """The broker refuses every change of exits of these roles, with this code; they stand as they stood."""
    take = MockBroker._take

    def refused(broker: MockBroker, frame: Frame, group: str) -> None:
        if frame.revision == 1 or frame.line.role not in roles:
            take(broker, frame, group)
        else:
            broker.tell(ErrorSaid(broker._message(), broker.session(), code, "not this one", frame.ref))

    return mock.patch.object(MockBroker, "_take", refused)


@pytest.mark.parametrize("roles", [(Role.STOP, Role.TARGET), (Role.STOP,), (Role.TARGET,)])
@pytest.mark.parametrize("code", [105, 110, 10326])
@shows("X1", "X4")
def test_a_new_size_that_is_refused_ends_at_once(code: int, roles: tuple[Role, ...]) -> None:
    """The broker says no to one of them: nobody waits for what will not come. Both end, the part is closed, the rest
    is protected again. The refusal is no doubt about an exit, and no loss of protection."""

    async def walk(desk: Stage) -> None:
        intent = await held(desk)
        whole = held_by(desk, intent)
        with refuses_changes(desk, code, *roles):
            assert await answered(desk, Close(intent, WORDS, PART)) == ()
            await desk.tick(0.5)
        rest = whole - PART
        assert sizes(desk)[2:5] == [("STOP", rest), ("TARGET", rest), ("CLOSE", PART)]
        assert asked_to_end(desk) and not waits(desk) and held_by(desk, intent) == rest
        refused = [o.role for o in desk.bodies(Order) if o.event is OrderEvent.CHANGE_REFUSED]
        assert refused == list(roles) and not {"PROTECTION_LOST", "EXIT_UNKNOWN", "CLOSE_NOT_SENT"} & set(alerts(desk))
        await desk.watch(400, 5)
        assert {o.rest for o in pair_of(desk, intent).values()} == {rest} and not desk.desk.drifts.open

    _ = walked(walk)


@shows("X1")
def test_a_size_that_was_refused_is_not_asked_for_again() -> None:
    """Half is bought, and protection is to shrink to it: refused, it is not asked for a second time, and the exits that
    could sell more than there is are told. A part may still be closed: then what cannot be changed is replaced."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        desk.broker.script(Partial(Decimal("0.5")))
        intent = await desk.enter()
        with refuses_changes(desk, 134, Role.STOP, Role.TARGET):
            await desk.watch(400, 5)
            assert len(sizes(desk)) == 4, "asked for once"
            assert {drift.cause for drift in desk.desk.drifts.open.values()} == {"orphan_exit"}
            before = held_by(desk, intent)
            assert await answered(desk, Close(intent, WORDS, PART)) == ()
            await desk.watch(400, 5)
        assert sizes(desk)[4:] == [("CLOSE", PART), ("STOP", before - PART), ("TARGET", before - PART)]
        assert {o.rest for o in pair_of(desk, intent).values()} == {before - PART}

    _ = walked(walk)


@pytest.mark.parametrize("left", [True, False])
@shows("X2", "X4")
def test_what_a_human_leaves_is_left_on_time(left: bool) -> None:
    """A part was closed by hand, or a close by hand did not leave: the mandate's time goes on for what is held, and it
    is tried once."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = not left
        intent = await desk.enter()
        whole = held_by(desk, intent)
        with mock.patch.object(loop, "clear", clear if left else lambda *about: Failure(refusal(Reason.LINK_DOWN))):
            assert await answered(desk, Close(intent, WORDS, PART)) == ()
            await desk.tick(1)
        rest = whole - PART if left else whole
        assert desk.state(intent) is State.MANAGED and held_by(desk, intent) == rest
        await desk.watch(580, 20)
        assert held_by(desk, intent) == rest
        await desk.watch(40, 1)
        assert [size for role, size in sizes(desk) if role == "CLOSE"] == [PART, rest]
        assert desk.state(intent) is State.CLOSED and desk.broker.truth.held["EURUSD"] == 0

    _ = walked(walk, stage(policy=TEN_MINUTES))
