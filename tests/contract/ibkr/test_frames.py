"""What leaves: the bytes of every frame, the limits on them, and what can never leave at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve

from phoenix_adapters.brokers.ibkr.orders import OutVsIn, Placement, unsendable
from phoenix_adapters.brokers.ibkr.pacing import Pacer
from phoenix_adapters.brokers.ibkr.session import Session
from phoenix_adapters.brokers.mock.market import CARDS
from phoenix_adapters.gateway import Setup
from phoenix_adapters.wire import Message, Unframer, frame, from_server, to_client, to_server
from phoenix_core.facts import CancelSaid, ErrorSaid, FrameSaid, Margin, OrderSaid
from phoenix_core.kernel import ClearedOrder
from phoenix_core.orders import exit_ref
from phoenix_core.values import Money, OrderRef, Price, Quantity, Role
from tests.contract.broker.orders import LOTS, NUMBER, account_of, bracket, cleared, entry_line, framed, resized
from tests.contract.broker.suite import SYMBOL, enter, filled, of, ready, words
from tests.contract.ibkr.scene import Scene, played
from tests.showing import shows

ADDRESS: Final = account_of(NUMBER)


def burst(moments: list[timedelta], window: timedelta) -> int:
    """The most messages in any such window."""
    return max((sum(1 for other in moments if at <= other < at + window) for at in moments), default=0)


@shows("I2", "F54")
async def test_the_five_bound_fields_are_bound_by_rule() -> None:
    """Parent, group, reference and transmit of a native bracket; the account on every frame."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        entry, stop, target = scene.sent("placeOrder")
        assert [r["orderRef"] for r in (entry, stop, target)] == [one.ref for one in order.frames]
        assert [r["parentId"] for r in (entry, stop, target)] == ["0", entry["orderId"], entry["orderId"]]
        assert [r["transmit"] for r in (entry, stop, target)] == ["0", "0", "1"]
        assert [r["ocaGroup"] for r in (entry, stop, target)] == ["", order.group, order.group]
        assert [r["ocaType"] for r in (entry, stop, target)] == ["0", "2", "2"]
        assert [r["tif"] for r in (entry, stop, target)] == ["DAY", "GTC", "GTC"]
        assert {r["account"] for r in (entry, stop, target)} == {NUMBER}
        assert (entry["orderType"], entry["totalQuantity"], entry["lmtPrice"]) == ("MKT", "20000", "")
        assert (stop["auxPrice"], target["lmtPrice"]) == ("1.082", "1.091")
        assert {r["whatIf"] for r in (entry, stop, target)} == {"0"}


async def test_a_pair_without_its_parent_transmits_each_for_itself() -> None:
    """Protection placed again hangs on no bracket: a frame that waited for another one would wait for ever."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        for one in order.frames[1:]:
            scene.broker.cancel(one.ref)
        await scene.until(lambda: len([w for one in order.frames[1:] for w in words(scene, one.ref)]) >= 6)
        pair = tuple(framed(exit_ref(OrderRef(order.ref), one.line.role, 2), one.line) for one in order.frames[1:])
        scene.broker.hand_over(cleared(pair, order.group[:-1] + "2", False))
        await scene.until(lambda: all(any(w.status.is_working for w in words(scene, one.ref)) for one in pair))
        sent = scene.sent("placeOrder")[-2:]
        assert [(r["transmit"], r["parentId"]) for r in sent] == [("1", "0")] * 2


@shows("F37", "X1")
async def test_a_revision_goes_out_under_the_orders_own_id_and_names_no_parent() -> None:
    """The same id as before, also after a reconnection, where the broker's own list binds it again and goes on naming
    the parent: that one has filled, and TWS would say of the child that it can't find an order (135)."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        first = [r["orderId"] for r in scene.sent("placeOrder")]
        scene.cut()
        await scene.until(lambda: not scene.broker.accounts())
        scene.broker.hand_over(resized(order, Quantity(Decimal(15_000))))
        assert await scene.broker.connect() and await scene.broker.resynchronise()
        scene.broker.hand_over(resized(order, Quantity(Decimal(15_000))))
        await scene.until(lambda: [one.sent for one in of(scene, FrameSaid)] == [True] * 3 + [False] * 2 + [True] * 2)
        await scene.until(lambda: len(scene.sent("placeOrder")) == 5)
        again = scene.sent("placeOrder")[3:]
        assert [(r["orderId"], r["parentId"]) for r in again] == [(first[1], "0"), (first[2], "0")]
        await scene.until(lambda: all(one.quantity == 15_000 for one in scene.server.core.venue.book.live.values()))
        assert len(scene.server.core.venue.book.live) == 2 and not [s for s in of(scene, ErrorSaid) if s.ref]


@shows("F01", "L13")
async def test_no_new_order_takes_the_id_of_one_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under it, it would be a change of that one: an order of ours that is told under a higher id than the gateway
    offered lifts what comes next, whatever the library makes of the message; another client's id is its own."""
    async with played() as scene:
        await ready(scene)
        line = scene.broker.line
        assert line is not None
        monkeypatch.setattr(line.ib.wrapper, "openOrder", None)  # the library can't read it
        _ = await enter(scene)
        fields = next(one.fields for one in scene.frames if one.dir == "out" and one.fields[0] == "5")
        record = from_server(fields, line.version).record
        for client, order_id in ((17, 500), (18, 900)):
            told = to_client("openOrder", line.version, record, clientId=client, orderId=order_id, permId=order_id)
            scene.server.act("frame", fields="|".join(told))
        await scene.until(lambda: {500, 900} <= {one.order_id for one in of(scene, OrderSaid)})
        await scene.until(lambda: scene.broker.room() >= 3)
        scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], scene.account, "two"))
        await scene.until(lambda: len(scene.sent("placeOrder")) == 6)
        assert 500 < min(int(r["orderId"]) for r in scene.sent("placeOrder")[3:]) < 900


@pytest.mark.parametrize(
    "written", ["NaN", "sNaN", "Infinity", "-Infinity", "-0", "0", "-1", "1E-19", "1E+13", "1.797E+308"]
)
@shows("L11", "F76", "F78")
def test_a_number_gone_wrong_never_becomes_bytes(written: str) -> None:
    """As quantity, limit or trigger, and also where a price is missing."""
    amount = Decimal(written)
    assert unsendable(evolve(entry_line(CARDS[SYMBOL], ADDRESS), quantity=Quantity(amount)))
    _, stop, target = (one.line for one in bracket(CARDS[SYMBOL], ADDRESS).frames)
    assert unsendable(evolve(stop, trigger=Price(amount))) and unsendable(evolve(target, limit=Price(amount)))
    assert unsendable(evolve(stop, trigger=None)) and not unsendable(stop)


@shows("L11")
async def test_frames_with_a_number_gone_wrong_are_dropped_whole() -> None:
    """One wrong price, and none of the three leaves."""
    async with played() as scene:
        await ready(scene)
        order = bracket(scene.broker.instruments()[SYMBOL], scene.account, stop=Price(Decimal("1E-19")))
        scene.broker.hand_over(order)
        await scene.until(lambda: of(scene, FrameSaid))
        assert [one.sent for one in of(scene, FrameSaid)] == [False] * 3
        assert not scene.sent("placeOrder")


@shows("F52", "I15")
async def test_another_account_gets_no_frame() -> None:
    """The desk's account is not among those of the session: everything is dropped, nothing is cancelled."""
    async with played(number="U7654321") as scene:
        assert await scene.broker.connect()
        assert account_of("U7654321") not in scene.broker.accounts()
        order = bracket(CARDS[SYMBOL], scene.account)
        scene.broker.hand_over(order)
        scene.broker.cancel(order.ref)
        await scene.until(lambda: of(scene, CancelSaid))
        assert [one.sent for one in of(scene, FrameSaid)] == [False] * 3
        assert not scene.sent("placeOrder") and not scene.sent("cancelOrder")
        assert not (await scene.broker.snapshot()).complete


@shows("F53", "F54", "I15")
async def test_with_two_accounts_every_frame_names_ours_and_no_foreign_order_is_touched() -> None:
    """The other account's line is refused; its orders are shown as its own, and never cancelled."""
    async with played(Setup(accounts=("DU7777777", NUMBER), volatility=0.0)) as scene:
        await ready(scene)
        scene.server.act(
            "manual_place", symbol=SYMBOL, action="BUY", quantity=20_000, type="LMT", limit="1.01", account="DU7777777"
        )
        order = await enter(scene)
        assert {r["account"] for r in scene.sent("placeOrder")} == {NUMBER}
        picture = await scene.broker.snapshot()
        other = account_of("DU7777777").tag
        assert {said.account for said in picture.orders} == {scene.account.tag, other}
        scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], account_of("DU7777777"), "two"))
        assert filled(scene, order.ref) == LOTS
        assert len(scene.sent("placeOrder")) == 3 and not scene.sent("cancelOrder")


@shows("I26", "F75", "I1")
async def test_more_out_than_in_is_the_last_thing_that_happens() -> None:
    """The same cleared entry handed over twice: the second is stopped at the socket, and nothing leaves after it."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        await scene.until(lambda: scene.broker.room() >= 3)
        with pytest.raises(AssertionError, match="would be placed"):
            scene.broker.hand_over(order)
        with pytest.raises(AssertionError):
            scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], scene.account, "two"))
        with pytest.raises(AssertionError):
            _ = scene.broker.drain()
        assert len(scene.sent("placeOrder")) == 3


@shows("I26", "F75")
@pytest.mark.parametrize(
    "forged", [{"totalQuantity": "20001"}, {"action": "SELL"}, {"conId": "1"}, {"totalQuantity": "2E+5"}], ids=str
)
def test_the_count_at_the_socket_reads_the_bytes_and_believes_nobody(forged: dict[str, str]) -> None:
    """More, the other side, another contract: whatever the frame says of itself. What was cleared is counted once, for
    its own contract and side, however often it is brought."""
    card, version = CARDS[SYMBOL], 176
    one, two = (bracket(card, ADDRESS, name) for name in ("one", "two"))
    honest = {"conId": str(card.con_id), "action": "BUY", "totalQuantity": "20000"}

    def brought(order: ClearedOrder, said: dict[str, str]) -> tuple[Placement, ...]:
        return (Placement(order.frames[0], 7, frame(to_server("placeOrder", version, **said))),)

    count = OutVsIn()
    count.count(one, brought(one, honest), version)
    with pytest.raises(AssertionError, match="would be placed"):
        count.count(two, brought(two, honest | forged), version)
    count.count(two, brought(two, honest), version)
    with pytest.raises(AssertionError, match="would be placed"):
        count.count(two, brought(two, honest), version)


@shows("L1", "F24", "F26")
async def test_the_librarys_own_way_of_placing_is_never_used() -> None:
    """It sends first and may raise after; here every byte is ours, leaves once, and nothing retries."""
    async with played() as scene:
        await ready(scene)
        assert scene.broker.line is not None

        def raises(*_: object) -> None:
            raise RuntimeError("after the frame left")

        scene.broker.line.ib.placeOrder = raises  # type: ignore[attr-defined]  # not in our view of the library
        order = await enter(scene)
        assert [r["orderRef"] for r in scene.sent("placeOrder")] == [one.ref for one in order.frames]


@shows("F26")
async def test_a_transport_that_still_holds_bytes_gets_no_frame() -> None:
    """The peer does not read: what was handed over would wait in our memory, so it is dropped and said."""
    async with played() as scene:
        await ready(scene)
        line = scene.broker.line
        assert line is not None
        (socket,) = scene.server.sockets.values()
        assert socket.transport is not None
        socket.transport.pause_reading()
        filler = frame(to_server("reqMarketDataType", line.version, marketDataType=1)) * 4_000
        while line.writable:
            line.write(filler)
        scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], scene.account))
        assert scene.broker.room() == 0
        said = [one for one in scene.broker.drain() if isinstance(one, FrameSaid)]
        assert [one.sent for one in said] == [False] * 3 and "transport" in said[0].reason
        assert not await scene.broker.round_trip()


@shows("L10")
async def test_a_cancel_overtakes_450_queued_data_requests() -> None:
    """It is on the wire within a second of being asked for, and the limit holds."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        queued = [asyncio.ensure_future(scene.broker.watch(f"XX{n}")) for n in range(450)]
        await asyncio.sleep(0)
        asked = scene.clock.now().wall
        for one in order.frames[1:]:
            scene.broker.cancel(one.ref)
        await scene.until(lambda: len(scene.sent("cancelOrder")) == 2)
        assert scene.times("cancelOrder")[-1] - asked < timedelta(seconds=1)
        assert len(scene.sent("reqContractDetails")) < 50
        for task in queued:
            _ = task.cancel()
        _ = await asyncio.gather(*queued, return_exceptions=True)
        assert not [said for said in of(scene, ErrorSaid) if said.code == 100]


@shows("F68", "S32-CON-06")
async def test_the_limit_holds_on_the_wire_under_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets as fast as there is room, beside data requests: eight in a fifth of a second and 45 in a second as they
    are handed to the transport; the gateway, which reads them when its turn comes, records no more than its fifty."""
    handed: list[timedelta] = []
    write = Session.write

    def noting(session: Session, data: bytes) -> None:
        now = timedelta(seconds=asyncio.get_running_loop().time())
        handed.extend([now] * len(Unframer().feed(data)))
        write(session, data)

    monkeypatch.setattr(Session, "write", noting)
    async with played() as scene:
        await ready(scene)
        data = [asyncio.ensure_future(scene.broker.watch(f"XX{n}")) for n in range(40)]
        for n in range(12):
            await scene.until(lambda: scene.broker.room() >= 3)
            scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], scene.account, f"burst {n}"))
        _ = await asyncio.gather(*data)
        moments = [one.t - scene.frames[0].t for one in scene.frames if one.dir == "in" and len(one.fields) > 1]
        assert len(scene.sent("placeOrder")) == 36 and len(handed) > 76
        assert burst(handed, timedelta(milliseconds=199)) <= 8 and burst(handed, timedelta(milliseconds=999)) <= 45
        assert burst(moments, timedelta(seconds=1)) <= 50
        assert not [said for said in of(scene, ErrorSaid) if said.code == 100]


@shows("L10")
def test_urgent_frames_find_room_that_data_and_entries_do_not_use() -> None:
    """Data stops at 30 a second, entries at 45, cancels and exits below the gateway's 50."""
    now = timedelta(seconds=10)
    pacer = Pacer(now=lambda: now)
    assert (pacer.room(), pacer.urgent_room()) == (8, 49)
    pacer.took(8)
    assert (pacer.room(), pacer.urgent_room()) == (0, 41)
    now = timedelta(seconds=10, milliseconds=250)
    assert pacer.room() == 8
    pacer.took(37)
    assert (pacer.room(), pacer.urgent_room()) == (0, 4)


@shows("L10")
async def test_data_leaves_a_whole_bracket_of_every_burst() -> None:
    """However much of it waits: five of the eight messages of a burst are all that it takes."""
    now = timedelta(seconds=10)
    pacer = Pacer(now=lambda: now)
    for _ in range(5):
        await asyncio.wait_for(pacer.data_turn(), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pacer.data_turn(), 0.05)
    assert pacer.room() == 3


@shows("L10")
async def test_data_waits_where_orders_do_not() -> None:
    """Thirty messages in the last second: a data request waits until they are older."""
    now = timedelta(seconds=10)
    pacer = Pacer(now=lambda: now)
    pacer.took(30)
    now = timedelta(seconds=10, milliseconds=500)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pacer.data_turn(), 0.05)
    now = timedelta(seconds=11)
    await asyncio.wait_for(pacer.data_turn(), 5)


async def test_without_room_an_entry_is_dropped_whole_and_an_exit_goes() -> None:
    """The limit of entries is not that of what takes risk away."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        await scene.until(lambda: scene.broker.room() >= 3)
        scene.broker.pacer.took(6)
        scene.broker.hand_over(bracket(scene.broker.instruments()[SYMBOL], scene.account, "two"))
        scene.broker.hand_over(resized(order, Quantity(Decimal(15_000))))
        await scene.until(lambda: len(of(scene, FrameSaid)) == 8)
        assert [one.sent for one in of(scene, FrameSaid)] == [True] * 3 + [False] * 3 + [True] * 2
        assert "limit" in of(scene, FrameSaid)[3].reason


async def test_a_question_about_margin_says_so_on_the_bytes() -> None:
    """whatIf is 1 on it, the answer is the initial margin before and after, and no order exists afterwards."""
    async with played() as scene:
        await ready(scene)
        margin = await scene.broker.margin(bracket(scene.broker.instruments()[SYMBOL], scene.account).frames[0].line)
        (asked,) = scene.asked()
        assert (asked["whatIf"], asked["orderRef"]) == ("1", "") and not scene.sent("placeOrder")
        assert margin == Margin(Money(Decimal(0)), Money(Decimal("651")))
        assert not scene.server.core.venue.book.live and (await scene.broker.snapshot()).orders == ()
        refused = bracket(scene.broker.instruments()[SYMBOL], scene.account, quantity=Quantity(Decimal("0.5")))
        assert await scene.broker.margin(refused.frames[0].line) is None


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ("margin_says", None),
        ("margin_says=1.7976931348623157e+308", None),
        ("margin_says=", None),
        ("margin_says=nonsense", None),
        ("margin_says=NaN", None),
        ("margin_says=-1", None),
        ("margin_says=1E13", None),
        ("margin_says=1E-400", None),
        ("margin_says=9.14025E3", "9140.25"),
        ("margin_says=9140.250000000001", "9140.25"),
        ("margin_twice", "651"),
        ("margin_late=0.1", "651"),
        ("margin_mute", None),
        ("readonly", None),
    ],
)
async def test_whatever_the_answer_about_margin_nobody_is_alarmed(fault: str, after: str | None) -> None:
    """A figure in any of its spellings, none, two answers, a late one, no answer, a refusal: what is said is exact or
    nothing, and no word of it is a fact."""
    async with played() as scene:
        await ready(scene)
        scene.broker.answer_within_s = 0.6
        scene.facts.clear()
        scene.server.fault(fault)
        said = await scene.broker.margin(bracket(scene.broker.instruments()[SYMBOL], scene.account).frames[0].line)
        found = None if said is None or said.after is None else str(said.after.normalize() + 0)
        assert found == after
        assert not scene.facts and not scene.broker.drain() and not scene.broker.hearing.margins
        scene.server.clear(fault.partition("=")[0])
        order = await enter(scene)
        assert [one["orderRef"] for one in scene.sent("placeOrder")] == [one.ref for one in order.frames]


async def test_a_refusal_that_comes_when_nobody_waits_is_no_alarm() -> None:
    """The question was given up; its error is still no word about the session, and the next id is another one."""
    async with played() as scene:
        await ready(scene)
        scene.broker.answer_within_s = 0.05
        line = bracket(scene.broker.instruments()[SYMBOL], scene.account).frames[0].line
        scene.server.fault("margin_mute")
        assert await scene.broker.margin(line) is None
        (asked,) = scene.asked()
        scene.facts.clear()
        assert scene.broker.line is not None
        scene.broker.hearing.hear(Message("error", {"id": asked["orderId"], "code": "201", "message": "no"}))
        assert scene.broker.drain() == ()
        order = await enter(scene)
        assert int(scene.sent("placeOrder")[0]["orderId"]) > int(asked["orderId"])
        assert order.frames


async def test_a_question_about_margin_stands_behind_what_takes_risk_away() -> None:
    """It is data: with the wire full it waits, while a cancel leaves at once; and it is counted as one message."""
    async with played() as scene:
        await ready(scene)
        order = await enter(scene)
        await scene.until(lambda: scene.broker.pacer.urgent_room() > 40)
        scene.broker.pacer.took(30)
        line = bracket(scene.broker.instruments()[SYMBOL], scene.account).frames[0].line
        asking = asyncio.ensure_future(scene.broker.margin(line))
        await asyncio.sleep(0)
        scene.broker.cancel(order.frames[1].ref)
        await scene.until(lambda: scene.sent("cancelOrder"))
        assert not scene.asked() and not asking.done()
        before = len(scene.broker.pacer.wire.orders)
        assert await asking is not None
        assert len(scene.asked()) == 1 and len(scene.broker.pacer.wire.orders) <= before


@pytest.mark.parametrize("what", ["no session", "another session", "another account", "no room for it"])
async def test_a_question_that_can_not_be_put_is_not(what: str) -> None:
    """Without a link, over another session than it waited in, of an account that is not there: no byte of it leaves."""
    async with played() as scene:
        await ready(scene)
        line = bracket(scene.broker.instruments()[SYMBOL], scene.account).frames[0].line
        match what:
            case "no session":
                await scene.broker.disconnect()
            case "another session":
                scene.broker.pacer.took(30)
            case "another account":
                scene.broker.line.ib.client._accounts = ["DU0000000"]  # type: ignore[union-attr]  # as the library has it
            case _:
                line = evolve(line, quantity=Quantity(Decimal("1E-11")))
        asking = asyncio.ensure_future(scene.broker.margin(line))
        await asyncio.sleep(0)
        if what == "another session":
            assert await scene.broker.connect()
        assert await asking is None
        assert not scene.asked()


async def test_what_must_never_be_sent_is_not_sent() -> None:
    """Through a whole trade with a reconnection: no global cancel, no binding of others' orders, one client id."""
    async with played() as scene:
        await ready(scene)
        _ = await enter(scene)
        scene.cut()
        await scene.until(lambda: not scene.broker.accounts())
        assert await scene.broker.connect() and await scene.broker.resynchronise()
        assert not scene.sent("reqGlobalCancel") and not scene.sent("reqAutoOpenOrders")
        assert [r["clientId"] for r in scene.sent("startApi")] == ["17", "17"]


def test_client_id_0_is_refused() -> None:
    """It would take over what others placed by hand."""
    scene = Scene()
    with pytest.raises(AssertionError, match="client id 0"):
        _ = evolve(scene.broker, client_id=0)


def test_roles_of_references_are_those_of_lines() -> None:
    """The samples of this suite are what the desk would send."""
    order = bracket(CARDS[SYMBOL], ADDRESS)
    assert [one.line.role for one in order.frames] == [Role.ENTRY, Role.STOP, Role.TARGET]
