"""What every broker behind the port must do, whichever it is. A broker fills one hole: a stage to stand on.

Each card is a test whose name begins with its id. A stage says what it can make happen; a card that needs more than
that is skipped there, and the skips are pinned in `test_cards.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol, TypeVar, get_args

import pytest

from phoenix_core.facts import (
    BrokerStatus,
    CancelSaid,
    CommissionSaid,
    ErrorSaid,
    ExecutionSaid,
    Fact,
    FrameSaid,
    LinkEvent,
    LinkSaid,
    OrderSaid,
    Snapshot,
)
from phoenix_core.kernel import ClearedOrder
from phoenix_core.ports import Broker
from phoenix_core.records import flaw_of
from phoenix_core.trade.order_words import ENDING_CODES
from phoenix_core.values import Account, Price, Quantity, Side
from tests.contract.broker.orders import ASK, BID, LOTS, STOP, TARGET, bracket, close, resized
from tests.showing import shows

PATIENCE_S = 30.0  # only a test that fails waits so long; a busy host does not make one fail
SYMBOL = "EURUSD"
# What a broker must be told to do for a card; a real gateway takes no such orders.
ABILITIES = ("market", "fates", "cut", "mute", "by hand")

NEEDS: dict[str, tuple[str, ...]] = {}  # card -> what its stage must be able to do

Kind = TypeVar("Kind")
Card = TypeVar("Card", bound=Callable[..., object])


def needs(*abilities: str) -> Callable[[Card], Card]:
    """Skip a card on a stage that cannot do these."""
    assert set(abilities) <= set(ABILITIES)

    def noted(card: Card) -> Card:
        NEEDS[card.__name__] = abilities
        return card

    return noted


class Stage(Protocol):
    """A broker, and the hands that make things happen behind it."""

    facts: list[Fact]
    account: Account

    @property
    def broker(self) -> Broker:
        """Behind its port."""

    @property
    def can(self) -> frozenset[str]:
        """Which of the abilities this stage has."""

    def quote(self, bid: Price, ask: Price) -> None:
        """Move the market."""

    def reject_next(self) -> None:
        """The next entry is refused for margin."""

    def fill_half(self) -> None:
        """The next entry fills by half, and the rest waits."""

    def cut(self) -> None:
        """The connection is reset."""

    def mute(self, silent: bool) -> None:
        """The other end neither reads nor writes."""

    def trade_by_hand(self, side: Side, quantity: Quantity) -> None:
        """Somebody trades past Phoenix."""

    async def until(self, true: Callable[[], object]) -> None:
        """Take facts in until something holds."""


def of(stage: Stage, kind: type[Kind]) -> list[Kind]:
    """The facts of one kind, in order."""
    return [fact for fact in stage.facts if isinstance(fact, kind)]


def words(stage: Stage, ref: str) -> list[OrderSaid]:
    """What was said of one order."""
    return [said for said in of(stage, OrderSaid) if said.ref == ref]


def events(stage: Stage) -> list[LinkEvent]:
    """What became of the link."""
    return [said.event for said in of(stage, LinkSaid)]


def fills(stage: Stage, ref: str) -> dict[str, ExecutionSaid]:
    """The executions of one order, each once."""
    return {said.exec_id: said for said in of(stage, ExecutionSaid) if said.ref == ref}


def filled(stage: Stage, ref: str) -> Decimal:
    """What they add up to."""
    return sum((said.quantity for said in fills(stage, ref).values()), Decimal(0))


def is_over(stage: Stage, ref: str) -> bool:
    """Whether the broker said that an order has ended."""
    return any(said.status in (BrokerStatus.CANCELLED, BrokerStatus.FILLED) for said in words(stage, ref))


async def picture_of(stage: Stage, true: Callable[[Snapshot], object]) -> Snapshot:
    """A whole picture of which something holds: a position report may lag its execution."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            picture = await stage.broker.snapshot()
            if picture.complete and true(picture):
                return picture
            await asyncio.sleep(0)  # a broker in memory waits for nothing, and the patience of a test must run out


async def ready(stage: Stage) -> None:
    """A session that stands, knows its instrument and has a quote."""
    assert await stage.broker.connect()
    assert await stage.broker.resynchronise()
    stage.quote(BID, ASK)

    def quoted() -> bool:
        quote = stage.broker.quotes().get(SYMBOL)
        return quote is not None and (quote.bid, quote.ask) == (BID, ASK)

    await stage.until(quoted)


async def enter(stage: Stage, name: str = "one", side: Side = Side.BUY) -> ClearedOrder:
    """A bracket whose entry is filled and whose children stand; of a SELL the stop lies above and the target below."""
    stop, target = (STOP, TARGET) if side is Side.BUY else (TARGET, STOP)
    card = stage.broker.instruments()[SYMBOL]
    order = bracket(card, stage.account, name, stop=stop, target=target, side=side)
    stage.broker.hand_over(order)
    entry, *children = (frame.ref for frame in order.frames)
    await stage.until(lambda: filled(stage, entry) == LOTS)
    await stage.until(lambda: all(any(w.status.is_working for w in words(stage, child)) for child in children))
    return order


@shows("S32-CON-03", "S32-MOCK-04", "S33-CON-03", "S33-SEAM-01")
class BrokerContract:
    """The suite. The fixture `stage` is the hole."""

    @pytest.fixture(autouse=True)
    def _able(self, request: pytest.FixtureRequest, stage: Stage) -> None:
        if missing := set(NEEDS.get(request.function.__name__, ())) - stage.can:
            pytest.skip(f"this broker cannot be made to: {', '.join(sorted(missing))}")

    # --- sessions ---

    async def test_b01_a_session_says_whose_it_is(self, stage: Stage) -> None:
        """CONNECTED once, with the account as hash and mask, the port and a number above zero."""
        assert stage.broker.session() == 0
        assert await stage.broker.connect()
        await stage.until(lambda: LinkEvent.CONNECTED in events(stage))
        (said,) = [one for one in of(stage, LinkSaid) if one.event is LinkEvent.CONNECTED]
        assert said.accounts == stage.broker.accounts() == (stage.account,)
        assert said.session == stage.broker.session() > 0
        assert said.port == stage.broker.port()
        assert said.gateway_version

    async def test_b02_each_session_has_a_higher_number(self, stage: Stage) -> None:
        """Facts of an earlier session can be told apart."""
        assert await stage.broker.connect()
        first = stage.broker.session()
        await stage.broker.disconnect()
        assert await stage.broker.connect()
        assert stage.broker.session() > first

    @shows("L8")
    async def test_b03_a_resynchronisation_says_when_it_ended(self, stage: Stage) -> None:
        """SYNCHRONISED comes after every end was seen, and never before the session."""
        assert await stage.broker.connect()
        assert await stage.broker.resynchronise()
        await stage.until(lambda: LinkEvent.SYNCHRONISED in events(stage))
        assert events(stage) == [LinkEvent.CONNECTED, LinkEvent.SYNCHRONISED]

    async def test_b04_without_a_session_nothing_is_known(self, stage: Stage) -> None:
        """Before the first connection: no picture, no answer, no account."""
        assert not await stage.broker.resynchronise()
        assert not await stage.broker.round_trip()
        picture = await stage.broker.snapshot()
        assert not picture.complete and picture.missing
        assert stage.broker.accounts() == ()

    async def test_b05_a_closed_session_is_lost(self, stage: Stage) -> None:
        """Closing says LOST and forgets whose account it was."""
        await ready(stage)
        await stage.broker.disconnect()
        await stage.until(lambda: LinkEvent.LOST in events(stage))
        assert stage.broker.accounts() == ()
        assert not await stage.broker.round_trip()

    @needs("cut")
    @shows("L9", "F04")
    async def test_b06_what_happened_before_is_told_again_in_the_next_session(self, stage: Stage) -> None:
        """After a reset the executions come again, under the same ids and references."""
        await ready(stage)
        order = await enter(stage)
        before = fills(stage, order.ref)
        stage.cut()
        await stage.until(lambda: LinkEvent.LOST in events(stage))
        stage.facts.clear()
        assert await stage.broker.connect()
        assert await stage.broker.resynchronise()
        await stage.until(lambda: fills(stage, order.ref).keys() == before.keys())
        assert {one.perm_id for one in fills(stage, order.ref).values()} == {one.perm_id for one in before.values()}
        assert all(words(stage, frame.ref) for frame in order.frames)

    # --- pictures ---

    async def test_b07_a_picture_of_an_empty_desk_is_whole_and_flat(self, stage: Stage) -> None:
        """Complete, in one session, with the account's worth and its currency."""
        await ready(stage)
        picture = await stage.broker.snapshot()
        assert picture.complete and not picture.missing
        assert (picture.session, picture.account) == (stage.broker.session(), stage.account.tag)
        assert picture.positions == () and picture.orders == ()
        assert picture.equity is not None and picture.equity > 0 and picture.currency
        assert picture.began.wall <= picture.ended.wall

    async def test_b08_a_picture_shows_position_orders_and_executions(self, stage: Stage) -> None:
        """After an entry: what is held, the two children with their terms, the execution."""
        await ready(stage)
        order = await enter(stage)
        picture = await picture_of(stage, lambda picture: picture.positions)
        assert [(held.symbol, held.quantity) for held in picture.positions] == [(SYMBOL, LOTS)]
        working = {said.ref: said for said in picture.orders if said.status.is_working}
        assert set(working) == {frame.ref for frame in order.frames[1:]}
        for frame in order.frames[1:]:
            echo = working[frame.ref].echo
            assert echo == frame.line
        assert filled(stage, order.ref) == sum(e.quantity for e in picture.executions if e.ref == order.ref)

    @needs("by hand")
    @shows("F66", "F80")
    async def test_b09_a_picture_shows_what_somebody_else_did(self, stage: Stage) -> None:
        """A trade past Phoenix is in the next picture."""
        await ready(stage)
        stage.trade_by_hand(Side.SELL, Quantity(Decimal(25_000)))
        picture = await picture_of(stage, lambda picture: picture.positions)
        assert [(held.symbol, held.quantity) for held in picture.positions] == [(SYMBOL, Decimal(-25_000))]

    @needs("mute")
    @shows("F41", "F42", "F81", "I13")
    async def test_b10_a_mute_broker_gives_no_picture_and_no_round_trip(self, stage: Stage) -> None:
        """Nothing that did not end is called complete; the probe says no."""
        await ready(stage)
        stage.mute(True)
        assert not await stage.broker.round_trip()
        picture = await stage.broker.snapshot()
        assert not picture.complete and picture.missing
        stage.mute(False)

    async def test_b11_a_living_broker_answers(self, stage: Stage) -> None:
        """A round trip, and a clock within five seconds of ours."""
        await ready(stage)
        assert await stage.broker.round_trip()
        assert abs(stage.broker.skew().total_seconds()) < 5

    # --- instruments and prices ---

    async def test_b12_cards_hours_and_room(self, stage: Stage) -> None:
        """The card of a pair, hours around now, and room for a bracket."""
        await ready(stage)
        card = stage.broker.instruments()[SYMBOL]
        assert (card.con_id, card.base, card.currency, card.exchange) == (12087792, "EUR", "USD", "IDEALPRO")
        assert (card.tick, card.minimum) == (Decimal("0.00005"), Decimal(20_000))
        assert stage.broker.hours()[SYMBOL]
        await stage.until(lambda: stage.broker.room() >= 3)  # a burst of requests may just have left

    @needs("market")
    async def test_b13_quotes_follow_the_market(self, stage: Stage) -> None:
        """Two sides, as they stand, with the moment they were heard."""
        await ready(stage)
        before = stage.broker.quotes()[SYMBOL].at
        stage.quote(Price(Decimal("1.08600")), Price(Decimal("1.08605")))
        await stage.until(lambda: stage.broker.quotes()[SYMBOL].bid == Decimal("1.086"))
        quote = stage.broker.quotes()[SYMBOL]
        assert quote.ask == Decimal("1.08605") and not quote.delayed
        assert quote.at.ticks >= before.ticks

    async def test_b14_what_an_order_would_bind_is_a_question(self, stage: Stage) -> None:
        """What the account binds before and after it, from a broker that tells; and nothing is placed."""
        await ready(stage)
        margin = await stage.broker.margin(bracket(stage.broker.instruments()[SYMBOL], stage.account).frames[0].line)
        assert (margin is not None) == stage.broker.tells_margin
        if margin is not None:
            assert margin.before is not None and margin.after is not None
            assert margin.after > margin.before >= 0
        picture = await stage.broker.snapshot()
        assert picture.orders == () and picture.positions == ()

    # --- orders ---

    @shows("F22")
    async def test_b15_a_bracket_leaves_as_one(self, stage: Stage) -> None:
        """A FrameSaid for each frame, in order, each with an id of its own, before any word of the broker's."""
        await ready(stage)
        order = bracket(stage.broker.instruments()[SYMBOL], stage.account)
        stage.broker.hand_over(order)
        said = [fact for fact in stage.broker.drain() if isinstance(fact, FrameSaid)]
        assert [(one.ref, one.revision, one.sent) for one in said] == [(f.ref, 1, True) for f in order.frames]
        assert len({one.order_id for one in said}) == 3 and all(one.order_id for one in said)

    @shows("F10", "F36")
    async def test_b16_an_entry_fills_and_its_children_stand(self, stage: Stage) -> None:
        """Executions with reference, account, side, price and time; then the echo of stop and target, in one group."""
        await ready(stage)
        order = await enter(stage)
        assert filled(stage, order.ref) == LOTS
        for one in fills(stage, order.ref).values():
            assert (one.symbol, one.side, one.account, one.price) == (SYMBOL, Side.BUY, stage.account.tag, ASK)
            assert one.perm_id and one.at.tzinfo is not None
        await stage.until(lambda: any(w.status is BrokerStatus.FILLED for w in words(stage, order.ref)))
        echoes = [next(w for w in reversed(words(stage, frame.ref)) if w.echo) for frame in order.frames[1:]]
        assert [said.echo for said in echoes] == [frame.line for frame in order.frames[1:]]
        assert len({said.group for said in echoes}) == 1 and echoes[0].group

    @shows("L7")
    async def test_b17_each_execution_has_its_cost(self, stage: Stage) -> None:
        """A commission names its execution and a currency."""
        await ready(stage)
        order = await enter(stage)
        await stage.until(lambda: {one.exec_id for one in of(stage, CommissionSaid)} >= fills(stage, order.ref).keys())
        assert all(one.amount > 0 and one.currency for one in of(stage, CommissionSaid))

    @needs("market")
    async def test_b18_the_target_fills_and_the_stop_ends(self, stage: Stage) -> None:
        """One cancels all: what is left is flat, with nothing working."""
        await ready(stage)
        order = await enter(stage)
        _, stop, target = (frame.ref for frame in order.frames)
        stage.quote(Price(Decimal("1.09105")), Price(Decimal("1.09115")))
        await stage.until(lambda: filled(stage, target) == LOTS and is_over(stage, stop))
        assert filled(stage, stop) == 0
        assert not [s for s in (await stage.broker.snapshot()).orders if s.status.is_working]

    @needs("market")
    async def test_b19_the_stop_fills_and_the_target_ends(self, stage: Stage) -> None:
        """The same the other way, wherever the market stands by then."""
        await ready(stage)
        order = await enter(stage)
        _, stop, target = (frame.ref for frame in order.frames)
        stage.quote(Price(Decimal("1.08100")), Price(Decimal("1.08110")))
        await stage.until(lambda: filled(stage, stop) == LOTS and is_over(stage, target))
        assert filled(stage, target) == 0

    async def test_b20_a_cancel_is_a_request_and_an_end_is_the_brokers_word(self, stage: Stage) -> None:
        """CancelSaid tells of the frame; CANCELLED comes from the broker, once it is so."""
        await ready(stage)
        order = await enter(stage)
        stop = order.frames[1].ref
        stage.broker.cancel(stop)
        await stage.until(lambda: any(w.status is BrokerStatus.CANCELLED for w in words(stage, stop)))
        assert [(one.ref, one.sent) for one in of(stage, CancelSaid)] == [(stop, True)]
        assert filled(stage, stop) == 0

    @shows("F16", "F17", "F18")
    async def test_b21_cancelling_what_is_filled_changes_nothing(self, stage: Stage) -> None:
        """The refusal is a code about that order; its fill stands, and no other status follows."""
        await ready(stage)
        order = await enter(stage)
        await stage.until(lambda: any(w.status is BrokerStatus.FILLED for w in words(stage, order.ref)))
        seen = len(stage.facts)
        stage.broker.cancel(order.ref)
        await stage.until(lambda: [one for one in of(stage, ErrorSaid) if one.ref == order.ref])
        later = [f for f in stage.facts[seen:] if isinstance(f, OrderSaid) and f.ref == order.ref]
        assert {said.status for said in later} <= {BrokerStatus.FILLED}
        assert filled(stage, order.ref) == LOTS

    @needs("fates")
    @shows("F12", "F13")
    async def test_b22_a_refusal_has_a_code_of_the_list(self, stage: Stage) -> None:
        """The code names the order; nothing fills."""
        await ready(stage)
        stage.reject_next()
        order = bracket(stage.broker.instruments()[SYMBOL], stage.account)
        stage.broker.hand_over(order)
        await stage.until(lambda: [one for one in of(stage, ErrorSaid) if one.ref == order.ref])
        codes = {one.code for one in of(stage, ErrorSaid) if one.ref == order.ref}
        assert codes & ENDING_CODES
        assert filled(stage, order.ref) == 0

    @needs("fates")
    async def test_b23_a_part_fills_and_the_rest_works(self, stage: Stage) -> None:
        """Executions add up to less than the order, which still works."""
        await ready(stage)
        stage.fill_half()
        order = bracket(stage.broker.instruments()[SYMBOL], stage.account)
        stage.broker.hand_over(order)
        await stage.until(lambda: 0 < filled(stage, order.ref) < LOTS)
        await stage.until(lambda: any(w.filled > 0 for w in words(stage, order.ref)))
        assert words(stage, order.ref)[-1].status.is_working

    async def test_b24_a_revision_is_the_same_order(self, stage: Stage) -> None:
        """Stop and target shrink under their own references: the echo has the new quantity, and nothing is doubled."""
        await ready(stage)
        order = await enter(stage)
        less = Quantity(Decimal(15_000))
        stage.broker.hand_over(resized(order, less))
        children = [frame.ref for frame in order.frames[1:]]

        def shrunk(ref: str) -> bool:
            echoes = [said.echo for said in words(stage, ref) if said.echo is not None]
            return bool(echoes) and echoes[-1].quantity == less

        await stage.until(lambda: all(shrunk(ref) for ref in children))
        working = [said.ref for said in (await stage.broker.snapshot()).orders if said.status.is_working]
        assert sorted(working) == sorted(children)
        assert {one.revision for one in of(stage, FrameSaid) if one.ref in children} == {1, 2}

    async def test_b25_a_close_in_the_group_takes_the_protection_with_it(self, stage: Stage) -> None:
        """The close fills; stop and target end; nothing is doubled."""
        await ready(stage)
        order = await enter(stage)
        shut = close(order, LOTS)
        stage.broker.hand_over(shut)
        await stage.until(lambda: filled(stage, shut.ref) == LOTS)
        await stage.until(lambda: all(is_over(stage, frame.ref) for frame in order.frames[1:]))
        picture = await picture_of(stage, lambda picture: not picture.positions)
        assert not [s for s in picture.orders if s.status.is_working]

    @needs("cut")
    @shows("F26")
    async def test_b26_a_lost_link_drops_every_frame_and_says_so(self, stage: Stage) -> None:
        """No byte leaves, nothing is kept for later, and a cancel is not sent either."""
        await ready(stage)
        order = bracket(stage.broker.instruments()[SYMBOL], stage.account)
        stage.cut()
        await stage.until(lambda: LinkEvent.LOST in events(stage))
        stage.broker.hand_over(order)
        stage.broker.cancel(order.ref)
        await stage.until(lambda: of(stage, CancelSaid))
        assert [(one.ref, one.sent) for one in of(stage, FrameSaid)] == [(f.ref, False) for f in order.frames]
        assert [one.sent for one in of(stage, CancelSaid)] == [False]
        assert await stage.broker.connect()
        assert await stage.broker.resynchronise()
        await stage.until(lambda: events(stage)[-1] is LinkEvent.SYNCHRONISED)
        assert not [said for frame in order.frames for said in words(stage, frame.ref)]

    async def test_b27_facts_come_once_and_each_has_a_name_of_its_own(self, stage: Stage) -> None:
        """What was drained is gone; no two messages share a name."""
        await ready(stage)
        _ = await enter(stage)
        names = [fact.message for fact in stage.facts if isinstance(fact, OrderSaid | ExecutionSaid | ErrorSaid)]
        assert len(names) == len(set(names))
        assert stage.broker.drain() == () or stage.broker.drain() == ()

    async def test_b28_whether_it_answers_is_asked_without_a_session(self, stage: Stage) -> None:
        """Before the first one nothing is opened by it; one that stands goes on standing, under its number."""
        assert await stage.broker.answers()
        assert stage.broker.session() == 0
        await ready(stage)
        before = stage.broker.session()
        assert await stage.broker.answers()
        assert await stage.broker.round_trip()
        assert (stage.broker.session(), events(stage)) == (before, [LinkEvent.CONNECTED, LinkEvent.SYNCHRONISED])

    @shows("L11", "I8")
    async def test_b29_what_it_says_is_exact(self, stage: Stage) -> None:
        """No float, no NaN, no local time and no class of a vendor's in a fact, a picture, a quote or a card."""
        await ready(stage)
        _ = await enter(stage)
        broker = stage.broker
        picture = await picture_of(stage, lambda picture: picture.positions)
        said = [*stage.facts, picture, *broker.quotes().values(), *broker.instruments().values(), *broker.accounts()]
        assert [str(flaw) for one in said if (flaw := flaw_of(one, type(one), type(one).__name__))] == []
        assert {type(one) for one in stage.facts} <= set(get_args(Fact))

    @shows("F37", "L9")
    async def test_b30_a_revision_in_a_later_session_is_the_same_order(self, stage: Stage) -> None:
        """Stop and target are told again, in one group, whatever the broker names it; they shrink, although the parent
        that they hung on is over and nobody tells of it any more."""
        await ready(stage)
        order = await enter(stage)
        children = [frame.ref for frame in order.frames[1:]]
        await stage.broker.disconnect()
        assert await stage.broker.connect()
        assert await stage.broker.resynchronise()

        def told(ref: str) -> list[OrderSaid]:
            session = stage.broker.session()
            return [said for said in words(stage, ref) if said.session == session and said.echo is not None]

        await stage.until(lambda: all(told(ref) for ref in children))
        groups = {told(ref)[-1].group for ref in children}
        assert len(groups) == 1 and "" not in groups
        less = Quantity(Decimal(15_000))
        stage.broker.hand_over(resized(order, less))
        await stage.until(lambda: {said.echo.quantity for ref in children if (said := told(ref)[-1]).echo} == {less})
        working = [said.ref for said in (await stage.broker.snapshot()).orders if said.status.is_working]
        assert sorted(working) == sorted(children)

    async def test_b31_what_is_sold_is_held_below_zero(self, stage: Stage) -> None:
        """The same bracket the other way round: it executes at the bid, the picture has it negative, both children buy
        and wait, and a close in the group brings it back to nothing."""
        await ready(stage)
        order = await enter(stage, side=Side.SELL)
        assert {(one.side, one.price) for one in fills(stage, order.ref).values()} == {(Side.SELL, BID)}
        picture = await picture_of(stage, lambda picture: picture.positions)
        assert [(held.symbol, held.quantity) for held in picture.positions] == [(SYMBOL, -LOTS)]
        working = {said.ref: said.echo for said in picture.orders if said.status.is_working}
        assert working == {frame.ref: frame.line for frame in order.frames[1:]}
        shut = close(order, LOTS)
        stage.broker.hand_over(shut)
        await stage.until(lambda: filled(stage, shut.ref) == LOTS)
        await stage.until(lambda: all(is_over(stage, frame.ref) for frame in order.frames[1:]))
        assert {one.side for one in fills(stage, shut.ref).values()} == {Side.BUY}
        _ = await picture_of(stage, lambda picture: not picture.positions)

    @needs("market")
    @pytest.mark.parametrize("up", [True, False], ids=["stop", "target"])
    async def test_b32_what_is_sold_stops_above_and_gains_below(self, stage: Stage, up: bool) -> None:
        """A market that goes against it fills the stop, and one that falls the target; the other one ends."""
        await ready(stage)
        order = await enter(stage, side=Side.SELL)
        _, stop, target = (frame.ref for frame in order.frames)
        hit, left = (stop, target) if up else (target, stop)
        bid, ask = ("1.09150", "1.09160") if up else ("1.08100", "1.08110")
        stage.quote(Price(Decimal(bid)), Price(Decimal(ask)))
        await stage.until(lambda: filled(stage, hit) == LOTS and is_over(stage, left))
        assert filled(stage, left) == 0
        _ = await picture_of(stage, lambda picture: not picture.positions)

    @needs("market", "fates")
    async def test_b33_an_exit_takes_out_no_more_than_came_in(self, stage: Stage) -> None:
        """Half of an entry executed, and the market goes to the stop: what is held is never the other way round."""
        await ready(stage)
        stage.fill_half()
        order = bracket(stage.broker.instruments()[SYMBOL], stage.account)
        stage.broker.hand_over(order)
        await stage.until(lambda: 0 < filled(stage, order.ref) < LOTS)
        stop = order.frames[1].ref
        stage.quote(Price(Decimal("1.08100")), Price(Decimal("1.08110")))
        await stage.until(lambda: filled(stage, stop) > 0)
        picture = await stage.broker.snapshot()
        assert picture.complete
        assert all(held.quantity >= 0 for held in picture.positions)
        assert filled(stage, stop) <= filled(stage, order.ref)

    @needs("cut", "market")
    @shows("F03", "F04")
    async def test_b34_a_round_trip_is_told_from_its_beginning(self, stage: Stage) -> None:
        """After a reset the entry's execution comes again before the stop's, in facts and in the picture."""
        await ready(stage)
        order = await enter(stage)
        stop = order.frames[1].ref
        stage.quote(Price(Decimal("1.08100")), Price(Decimal("1.08110")))
        await stage.until(lambda: filled(stage, stop) == LOTS)
        stage.cut()
        await stage.until(lambda: LinkEvent.LOST in events(stage))
        stage.facts.clear()
        assert await stage.broker.connect()
        assert await stage.broker.resynchronise()
        await stage.until(lambda: filled(stage, stop) == filled(stage, order.ref) == LOTS)
        seen = await stage.broker.snapshot()
        for told in (of(stage, ExecutionSaid), seen.executions):
            refs = [said.ref for said in told if said.ref in (order.ref, stop)]
            assert refs == sorted(refs, key=(order.ref, stop).index)
