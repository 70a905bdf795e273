"""What is held leaves in parts: what the broker took by itself, what a human stated, what another session answers."""

from __future__ import annotations

from decimal import Decimal
from unittest import mock

from attrs import evolve

from phoenix_adapters.brokers.mock.chaos import Partial
from phoenix_adapters.brokers.mock.working import Working
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.exits import Resize
from phoenix_core.beads import Alert, Execution, Order, OrderEvent, ReconciliationDrift, Resolution
from phoenix_core.facts import BrokerStatus, ExecutionSaid
from phoenix_core.gate.statements import Close, ResolveDrift
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason
from phoenix_core.trade.exits import stake_of
from phoenix_core.trade.positions import Open, position_id_of
from phoenix_core.trade.protection import Protection, protection_of
from phoenix_core.values import Price, Quantity, Role, State
from phoenix_core.watch.drift import Cause
from tests.showing import shows
from tests.stage import PAIR, Stage, restarted
from tests.unit.desk.test_attribution import looked
from tests.unit.desk.test_signed_commands import answered, carried
from tests.unit.desk.walks import WORDS, ref_of, walked

LOT = Decimal(40_000)


async def protected(desk: Stage) -> tuple[str, Working, Working]:
    """A position that is held, and its stop and target at the broker."""
    intent = await desk.enter()
    await desk.tick(5)
    assert desk.state(intent) is State.MANAGED
    ref, book = ref_of(desk, intent), desk.broker.truth.book
    return intent, book[exit_ref(ref, Role.STOP, 1)], book[exit_ref(ref, Role.TARGET, 1)]


def smaller(desk: Stage, working: Working, by: Decimal) -> None:
    """The broker itself makes an order smaller, and says so."""
    line = working.frame.line
    working.frame = evolve(working.frame, line=evolve(line, quantity=Quantity(line.quantity - by)))
    desk.broker.tell(desk.broker._order_said(working))


def held(desk: Stage, intent: str) -> Decimal:
    """What the book has of it."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return position.held


def protection(desk: Stage, intent: str) -> Protection:
    """What protects it."""
    position = desk.position(intent)
    assert isinstance(position, Open)
    return protection_of(stake_of(position, desk.desk.orders, desk.desk.fills), desk.clock.now())


def revisions(desk: Stage, working: Working) -> list[Decimal]:
    """The sizes that one order was given after its first."""
    frames = (frame for order in desk.bodies(Order) for frame in order.frames)
    return [f.line.quantity for f in frames if f.ref == working.frame.ref and f.revision > 1]


def is_told(desk: Stage) -> bool:
    """Whether people know at this moment that protection is lost."""
    return any(key.startswith("PROTECTION_LOST") for key in desk.desk.alerts.by_subject)


@shows("X1", "X4")
def test_what_the_broker_took_from_an_exit_is_not_given_back() -> None:
    """A target executes a part, and the stop is told to be smaller before that execution is: it is no size to mend.
    When the execution comes, both fit, and nothing was changed."""

    async def walk(desk: Stage) -> None:
        intent, stop, target = await protected(desk)
        desk.broker._execute(target, LOT, tell=False)
        late = desk.broker.truth.executions.pop()
        smaller(desk, stop, LOT)
        await desk.tick(0.5)
        await desk.tick(0.5)
        assert protection(desk, intent) is Protection.SHORT and is_told(desk)
        assert revisions(desk, stop) == []
        desk.broker.truth.executions.append(late)
        desk.broker.tell(late, desk.broker._order_said(target))
        await desk.tick(0.5)
        await desk.tick(0.5)
        assert held(desk, intent) == stop.remaining == target.remaining == desk.broker.truth.held[PAIR].copy_abs()
        assert protection(desk, intent) is Protection.FULL and not is_told(desk)
        assert revisions(desk, stop) == revisions(desk, target) == []

    _ = walked(walk)


def test_what_somebody_made_smaller_by_hand_grows_again_after_a_picture() -> None:
    """No execution explains it, and a picture that began afterwards shows all that is held."""

    async def walk(desk: Stage) -> None:
        intent, stop, _ = await protected(desk)
        smaller(desk, stop, LOT)
        await desk.tick(0.5)
        await desk.tick(0.5)
        assert is_told(desk) and revisions(desk, stop) == []
        await looked(desk)
        assert revisions(desk, stop) == [held(desk, intent)] == [stop.remaining]
        assert protection(desk, intent) is Protection.FULL and not is_told(desk)

    _ = walked(walk)


def states(drift: ReconciliationDrift, name: str) -> ResolveDrift:
    """What a human reads in the broker's papers."""
    price = Price(Decimal("1.0850"))
    return ResolveDrift(drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, name, Quantity(LOT), price)


async def lost(desk: Stage, working: Working, says: bool = False) -> tuple[ReconciliationDrift, str]:
    """An exit executes a part, and nobody tells the execution; the drift that this is, and the execution's id. Whether
    the order's own word says at least that it executed so much."""
    desk.broker._execute(working, LOT, tell=False)
    name = desk.broker.truth.executions.pop().exec_id
    working.filled = LOT if says else Decimal(0)
    await looked(desk)
    return [d for d in desk.bodies(ReconciliationDrift) if d.cause == "size"][-1], name


async def speaks(desk: Stage, working: Working) -> None:
    """The order's own word comes: it executed a lot."""
    working.filled = LOT
    desk.broker.tell(desk.broker._order_said(working))
    await desk.tick(0.5)


@shows("S32-REC-06", "X4")
def test_what_is_stated_is_of_the_order_that_says_so() -> None:
    """The target's own word says that it executed what the picture lacks. Stated, it is the target's: that is not made
    smaller once more, and both cover what is left."""

    async def walk(desk: Stage) -> None:
        intent, stop, target = await protected(desk)
        drift, name = await lost(desk, target, says=True)
        assert await answered(desk, states(drift, name)) == ()
        booked = desk.bodies(Execution)[-1]
        assert (booked.ref, booked.role) == (target.frame.ref, Role.TARGET)
        await looked(desk)
        assert held(desk, intent) == stop.remaining == target.remaining == desk.broker.truth.held[PAIR].copy_abs()
        assert revisions(desk, stop) == [stop.remaining] and revisions(desk, target) == []

    _ = walked(walk)


def test_two_orders_that_say_so_leave_it_nobodys() -> None:
    """Both are ahead of the book: which of them it was, no word says."""

    async def walk(desk: Stage) -> None:
        _, stop, target = await protected(desk)
        await speaks(desk, stop)
        drift, name = await lost(desk, target, says=True)
        assert await answered(desk, states(drift, name)) == ()
        booked = desk.bodies(Execution)[-1]
        assert (booked.ref, booked.role) == (None, Role.CLOSE)

    _ = walked(walk)


def test_a_second_statement_is_nobodys_beside_one_that_may_explain_the_word() -> None:
    """The first was stated before any order spoke; the word that comes then may be just that one's."""

    async def walk(desk: Stage) -> None:
        _, stop, target = await protected(desk)
        drift, name = await lost(desk, target)
        assert await answered(desk, states(drift, name)) == ()
        await speaks(desk, target)
        again, second = await lost(desk, stop)
        assert again is not drift and await answered(desk, states(again, second)) == ()
        assert [e.ref for e in desk.bodies(Execution)[-2:]] == [None, None]

    _ = walked(walk)


@shows("X4")
def test_an_exit_that_was_stated_for_nobody_and_speaks_later_is_short() -> None:
    """What was booked of no order was its own, its own word says then. It has so much less to execute: people are told,
    and it is not changed, for nobody knows to what."""

    async def walk(desk: Stage) -> None:
        intent, _, target = await protected(desk)
        drift, name = await lost(desk, target)
        assert await answered(desk, states(drift, name)) == ()
        await looked(desk)
        assert revisions(desk, target) == [held(desk, intent)]  # it was shrunk, by a book that did not know
        await speaks(desk, target)
        before = revisions(desk, target)
        await desk.tick(5)
        assert protection(desk, intent) is Protection.SHORT and is_told(desk)
        assert revisions(desk, target) == before

    _ = walked(walk)


@shows("X4")
def test_another_session_answers_a_change_that_never_left() -> None:
    """The run that was to make the stop smaller died before its frame left. What the next session shows of the stop is
    what stands, and it is made smaller then: nobody else could mend that it may execute more than is held."""

    async def walk(desk: Stage) -> None:
        intent, stop, target = await protected(desk)
        desk.broker._execute(target, LOT)
        for fact in (desk.broker.truth.executions[-1], desk.broker._order_said(target)):
            _ = desk.engine.recorder.act(Said(desk.fresh(), fact))
        _ = desk.engine.recorder.act(Resize(desk.fresh(), position_id_of(intent)))
        assert revisions(desk, stop) == [held(desk, intent)] and stop.remaining > held(desk, intent)
        again = restarted(desk, "run-2")
        await again.start()
        for _ in range(12):
            await again.tick(1)
        assert revisions(again, stop) == [held(again, intent)] * 2
        assert stop.remaining == target.remaining == held(again, intent)
        assert protection(again, intent) is Protection.FULL and not is_told(again)

    _ = walked(walk)


@shows("X4")
def test_protection_that_is_lost_is_placed_again_while_the_entry_works() -> None:
    """The entry filled in part, and works on; its stop and target were taken away. A picture shows it: they are placed
    again for what is held, before the entry's ninety seconds are over."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Partial(Decimal("0.5")))
        intent, stop, target = await protected(desk)
        for working in (stop, target):
            desk.broker._end(working, BrokerStatus.CANCELLED, "by hand")
        for _ in range(20):
            await desk.tick(2)
        entry = desk.desk.orders.entry_of(position_id_of(intent))
        assert entry is not None and entry.end is None and entry.cancel_requested is None
        assert protection(desk, intent) is Protection.FULL and not is_told(desk)

    _ = walked(walk)


def sold(desk: Stage) -> list[tuple[str, Quantity]]:
    """What was asked of exits beside the first pair, and for how much, in order."""
    asked = [o for o in desk.bodies(Order) if o.event is OrderEvent.RECORDED and o.role is not Role.ENTRY]
    return [(f.line.role.value, f.line.quantity) for o in asked for f in o.frames if f.line.role.is_exit][2:]


def leaves(desk: Stage) -> list[Working]:
    """The closes that reached the broker."""
    return [working for working in desk.broker.truth.book.values() if working.frame.line.role is Role.CLOSE]


def fills_unseen(desk: Stage, working: Working, quantity: Decimal) -> ExecutionSaid:
    """It executes so much, and its own word is told; the execution is not, and comes later."""
    desk.broker._execute(working, quantity, tell=False)
    late = desk.broker.truth.executions.pop()
    desk.broker.tell(desk.broker._order_said(working))
    return late


@shows("X1", "X4", "F10", "F30")
def test_no_close_leaves_for_what_the_stop_says_that_it_sold() -> None:
    """TWS tells an order's status before its execution now and then. A human closes, and the stop fills as it is asked
    to end: both exits have ended, and the book has all of it still. What the stop says is sold is not sold again."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        intent, stop, _ = await protected(desk)
        with mock.patch.object(type(desk.broker), "cancel"):  # it is too late for that
            _ = desk.sign(Close(intent, WORDS)).unwrap()
            await desk.tick(0.1)
            late = fills_unseen(desk, stop, stop.remaining)
            await desk.tick(0.1)
        assert sold(desk) == [] and held(desk, intent) > 0 and desk.broker.truth.held[PAIR] == 0
        await desk.watch(8, 0.5)
        assert leaves(desk) == [] and "CLOSE_NOT_SENT" in {one.code for one in desk.bodies(Alert)}
        desk.broker.truth.executions.append(late)
        desk.broker.tell(late)
        await desk.watch(5, 0.5)
        assert desk.state(intent) is State.CLOSED and desk.broker.truth.held[PAIR] == 0 and leaves(desk) == []

    _ = walked(walk)


@shows("X1", "X4")
def test_what_a_human_stated_before_explains_no_later_word_of_the_stop() -> None:
    """A hand sold all but a lot, which a human stated of no order. What the stop says after that is the last lot, and
    not of that: it is not sold again, although its execution has not come."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        intent, stop, target = await protected(desk)
        most = Quantity(held(desk, intent) - LOT)
        desk.broker.trade_by_hand(PAIR, stop.frame.line.side, most)
        await looked(desk)
        drift = next(one for one in desk.bodies(ReconciliationDrift) if one.cause == Cause.SIZE.value)
        says = ResolveDrift(
            drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, "hand.1.01", most, Price(Decimal("1.085"))
        )
        assert await answered(desk, says) == ()
        await looked(desk)
        rest = held(desk, intent)
        assert stop.remaining == target.remaining == rest == LOT == desk.broker.truth.held[PAIR].copy_abs()
        shown = desk.engine.link.snapshot
        late = fills_unseen(desk, stop, rest)
        desk.broker._end(target, BrokerStatus.CANCELLED, "of its group")
        await desk.tick(0.1)
        assert held(desk, intent) == rest and not desk.desk.orders.exits_of(position_id_of(intent))
        desk.engine.link.snapshot = shown  # the next picture is still on its way
        refused = desk.engine.recorder.act(carried(desk, Close(intent, WORDS)))
        assert refused.failure().reasons == (Reason.SNAPSHOTS_MISSING,)  # its execution, too, is waited for
        await desk.watch(8, 0.5)
        assert desk.broker.truth.held[PAIR] == 0
        desk.broker.tell(late)
        await desk.watch(4, 0.5)
        assert desk.state(intent) is State.CLOSED

    _ = walked(walk)


@shows("X1", "X4")
def test_a_close_goes_for_what_is_left_once_the_execution_is_told() -> None:
    """A part left at the stop as a human closed; its execution comes a moment later: the close is for the rest."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        intent, stop, target = await protected(desk)
        before = held(desk, intent)
        late = fills_unseen(desk, stop, LOT)
        smaller(desk, target, LOT)
        await desk.tick(0.1)
        _ = desk.sign(Close(intent, WORDS)).unwrap()
        await desk.tick(0.1)
        assert sold(desk) == []
        desk.broker.truth.executions.append(late)
        desk.broker.tell(late)
        await desk.watch(5, 0.5)
        assert sold(desk) == [("CLOSE", before - LOT)]
        assert desk.state(intent) is State.CLOSED and desk.broker.truth.held[PAIR] == 0

    _ = walked(walk)


@shows("X1", "X4")
def test_protection_does_not_grow_by_what_a_close_says_that_it_sold() -> None:
    """A part is closed, and the close's own word comes before its execution: for that moment the book has more than
    the account. Stop and target stay as they were made for what is left."""

    async def walk(desk: Stage) -> None:
        desk.broker.groups_hold = False
        intent, stop, target = await protected(desk)
        before = held(desk, intent)
        with mock.patch.object(type(desk.broker), "_execute"):  # it works for a moment
            _ = desk.sign(Close(intent, WORDS, Quantity(LOT))).unwrap()
            await desk.watch(1, 0.2)
        (close,) = leaves(desk)
        late = fills_unseen(desk, close, LOT)
        await desk.watch(3, 0.5)
        rest = before - LOT
        assert sold(desk) == [("STOP", rest), ("TARGET", rest), ("CLOSE", LOT)]
        desk.broker.truth.executions.append(late)
        desk.broker.tell(late)
        await desk.watch(5, 0.5)
        assert held(desk, intent) == stop.remaining == target.remaining == rest
        assert sold(desk)[3:] == [] and protection(desk, intent) is Protection.FULL

    _ = walked(walk)
