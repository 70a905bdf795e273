"""Single messages, without a socket: whose they are, what they say of quantities, and when they were."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from phoenix_adapters.brokers.ibkr.contracts import Board, card_of
from phoenix_adapters.brokers.ibkr.hearing import Hearing
from phoenix_adapters.brokers.ibkr.picture import Picture, _figures, _orders_of
from phoenix_adapters.brokers.ibkr.times import hours
from phoenix_adapters.brokers.ibkr.translate import Names, merged
from phoenix_adapters.clock import ManualClock, manual_clock
from phoenix_adapters.wire import Message
from phoenix_core.facts import BrokerStatus, ErrorSaid, Margin, OrderSaid
from phoenix_core.values import Money
from tests.contract.ibkr.single import NOON, OTHER, OURS, REF, UNSET, said, translator
from tests.showing import shows


class TestWhose:
    """An order id is a name within one client and one session; the permanent id is one for ever."""

    @shows("F20", "F50")
    def test_another_clients_order_id_is_not_ours(self) -> None:
        """The same number, counted by somebody else: nobody can say which order that is, and so nobody does."""
        names = Names(OURS)
        names.bind(5, REF)
        assert [names.ref_of(client, 5, 0) for client in (OURS, None, 0, 18)] == [REF, REF, "", ""]

    @shows("F01", "F20", "L13")
    def test_no_order_id_outlives_its_session(self) -> None:
        """Neither whose it was, nor which one an order had, nor in which group it hung."""
        names = Names(OURS)
        names.bind(5, REF, group="one")
        names.perms[77] = REF
        names.new_session()
        assert (names.orders, names.ids, names.groups) == ({}, {}, {})
        assert (names.ref_of(OURS, 5, 0), names.ref_of(0, 9, 77)) == ("", REF)

    @shows("F01", "L13")
    def test_a_permanent_id_is_believed_before_an_order_id(self) -> None:
        """The restart issued the number anew: a late word on the old order, which carries it too, is the old one's."""
        names = Names(OURS)
        names.perms[77] = REF
        names.new_session()
        names.bind(5, "P1another")
        assert (names.ref_of(OURS, 5, 77), names.ref_of(OURS, 5, 78)) == (REF, "P1another")

    @shows("F10", "F22")
    def test_an_execution_is_of_the_reference_that_it_says(self) -> None:
        """Whatever its order id names by now; where it says none, its permanent id is asked, and then the order id: of
        one that is told as it happens. An answer may be of another order that had the id."""
        made, record = translator(), {"clientId": OURS, "orderId": 5, "execId": "e.01", "side": "BOT"}
        record |= {"shares": 1, "price": 2}
        made.names.bind(5, "P1another")
        told = [
            made.execution(said(**record, reqId=asked, orderRef=ref, permId=perm), NOON).ref
            for asked, ref, perm in ((3, "", 77), (-1, REF, 77), (3, "", 77), (-1, "", 77), (-1, "", 0), (-1, "", 78))
        ]
        assert told == ["", REF, REF, REF, "P1another", "P1another"]

    @pytest.mark.parametrize("teacher", ["execution", "openOrder", "completedOrder"])
    @shows("F20")
    def test_whoever_names_both_teaches_the_permanent_id(self, teacher: str) -> None:
        """From then on a status that carries another client's id, and no reference, is known all the same."""
        made = translator()
        record = said(
            orderRef=REF,
            permId=77,
            clientId=OURS,
            orderId=0,
            execId="e.01",
            side="BOT",
            shares=1,
            price=2,
            totalQuantity=1,
        )
        if teacher == "execution":
            _ = made.execution(record, NOON)
        elif teacher == "openOrder":
            _ = made.open_order(record)
        else:
            _ = made.completed_order(record)
        assert made.order_status(said(permId=77, clientId=0, orderId=3, status="Cancelled")).ref == REF


class TestHowMuch:
    """What filled is what the message says that filled, and never what was ordered."""

    @shows("L4")
    def test_a_completed_order_filled_what_it_filled(self) -> None:
        """Cancelled with a part of it done."""
        word = translator().completed_order(
            said(permId=77, orderRef=REF, status="Cancelled", totalQuantity=100, filledQuantity=30)
        )
        assert (word.filled, word.status, word.completed) == (Decimal(30), BrokerStatus.CANCELLED, True)

    def test_a_filled_order_is_completed_with_no_quantity_left(self) -> None:
        """Live gateways say a total of 0 beside the 5 that filled: the word is an end, names its instrument, and has no
        terms; of one that was cancelled the total is there."""
        terms = {"action": "BUY", "orderType": "MKT", "tif": "DAY", "secType": "STK", "symbol": "AAPL"}
        filled = said(permId=77, currency="USD", status="Filled", totalQuantity=0, filledQuantity=5, **terms)
        word = translator().completed_order(filled)
        assert (word.status, word.echo, word.instrument) == (BrokerStatus.FILLED, None, "AAPL") and word.filled == 5
        cancelled = said(permId=78, currency="USD", status="Cancelled", totalQuantity=5, filledQuantity=0, **terms)
        echo = translator().completed_order(cancelled).echo
        assert echo is not None and echo.quantity == 5

    @shows("L4")
    def test_of_an_open_order_only_filled_is_an_end(self) -> None:
        """It does not say what filled: a cancel is told by the status beside it; FILLED is the whole."""
        made = translator()
        record = said(permId=77, orderRef=REF, clientId=OURS, orderId=5, totalQuantity=100, status="Cancelled")
        assert made.open_order(record).status is BrokerStatus.UNKNOWN
        done = made.open_order(said(**(record | {"status": "Filled"})))
        assert (done.status, done.filled) == (BrokerStatus.FILLED, Decimal(100))

    def test_a_rebate_is_a_cost_below_zero(self) -> None:
        """Some venues pay for an order; a report without an amount says nothing yet."""
        made = translator()
        cost = made.commission(said(execId="e.01", commission="-0.35", currency="USD", realizedPNL=UNSET))
        assert cost is not None and (cost.amount, cost.realized) == (Decimal("-0.35"), None)
        assert made.commission(said(execId="e.01", commission=UNSET)) is None

    @shows("F20")
    def test_two_words_on_one_order_are_one_picture(self) -> None:
        """An openOrder has the terms, a status the quantities: whichever comes first, nothing of either is lost."""
        terms = said(
            permId=77, orderRef=REF, clientId=OURS, orderId=5, totalQuantity=100, status="PendingSubmit", ocaGroup="g",
            account="DU1234567", orderType="LMT", lmtPrice="1.1", action="BUY", secType="CASH", symbol="EUR",
            currency="USD",
        )  # fmt: skip
        status = said(permId=77, clientId=0, orderId=0, status="Submitted", filled=30, remaining=70, whyHeld="locate")
        unheard = said(permId=77, clientId=0, orderId=0, status="ApiUpdate", filled=30, remaining=70)
        for order in ((terms, status), (status, terms), (terms, status, said(**(terms | {"status": "Cancelled"})))):
            made, known = translator(), dict[int, OrderSaid]()
            for record in order:
                merged(known, made.order_status(record) if "remaining" in record else made.open_order(record))
            (word,) = known.values()
            assert word.echo is not None and (word.ref, word.group, word.remaining) == (REF, "g", Decimal(70))
            assert word.held and word.filled == 30
        made, known = translator(), {}
        merged(known, made.order_status(status))
        merged(known, made.open_order(said(**(terms | {"status": "ApiUpdate"}))))
        assert known[77].status is BrokerStatus.SUBMITTED
        assert made.order_status(unheard).held is False

    @pytest.mark.parametrize(("kind", "known"), [("STK", True), ("CASH", True), ("BAG", False), ("OPT", False)])
    @shows("F40")
    def test_the_terms_of_what_this_desk_never_trades_are_not_guessed(self, kind: str, known: bool) -> None:
        """An order for a combination or an option is none for its underlying."""
        terms = said(
            permId=77, orderRef=REF, clientId=OURS, orderId=5, totalQuantity=100, status="Submitted", orderType="MKT",
            action="BUY", secType=kind, symbol="EUR", currency="USD", account="DU1234567",
        )  # fmt: skip
        assert (translator().open_order(terms).echo is not None) is known

    def test_a_reference_is_kept_where_a_status_cannot_say_it(self) -> None:
        """Another client's order without a permanent id yet: its openOrder named it, its status does not."""
        made, known = translator(), dict[int, OrderSaid]()
        merged(known, made.open_order(said(orderRef=OTHER, clientId=18, orderId=5, status="Submitted")))
        merged(known, made.order_status(said(clientId=18, orderId=5, status="Submitted", filled=0, remaining=1)))
        assert [word.ref for word in known.values()] == [OTHER]

    @pytest.mark.parametrize(
        ("why", "held"),
        [("", False), ("trigger", False), ("child, trigger", False), ("locate", True), ("margin", True)],
    )
    def test_whatever_holds_an_order_holds_it(self, why: str, held: bool) -> None:
        """A stop that waits for its trigger, a child for its parent: both do what they are for; all else holds."""
        assert translator().order_status(said(permId=77, status="PreSubmitted", whyHeld=why)).held is held

    def test_the_days_result_is_not_what_is_still_open(self) -> None:
        """Realised and unrealised stand in rows of their own, and the base currency's beside the account's own."""
        picture = Picture()
        rows = [("NetLiquidation", "CHF", "1000"), ("RealizedPnL", "BASE", "-7"), ("UnrealizedPnL", "BASE", "11")]
        _figures(picture, [said(key=key, currency=currency, value=value) for key, currency, value in rows])
        found = (picture.equity, picture.currency, picture.realized, picture.unrealized)
        assert found == (Decimal(1000), "CHF", Decimal(-7), Decimal(11))


class TestWhen:
    """An instant is read in the zone of the session's own gateway, and a clock is measured without a bias."""

    @shows("I17", "F10")
    def test_an_execution_without_a_zone_was_in_the_gateways(self) -> None:
        """The handshake named Zurich: noon there is no noon in New York."""
        record = said(execId="e.01", side="BOT", shares=1, price=2, time="20261118  12:00:00")
        assert translator("Europe/Zurich").execution(record, NOON).at == datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
        assert translator().execution(record, NOON).at == NOON

    @pytest.mark.parametrize(("ahead_s", "skew_s"), [(0, 0), (7, 7), (-7, -7)])
    @shows("I17")
    def test_the_brokers_clock_is_measured_without_a_bias(self, ahead_s: int, skew_s: int) -> None:
        """It counts whole seconds, so that on average half of one is missing; ahead of ours is above zero."""
        clock = manual_clock(NOON + timedelta(milliseconds=500))
        made = Hearing(clock, translator(), Board(clock), 4002, lambda: None)
        made.hear(Message("currentTime", said(time=int(NOON.timestamp()) + ahead_s)))
        assert made.skew == timedelta(seconds=skew_s)


def board(clock: ManualClock) -> Board:
    """A board with one line that has quoted both sides, live."""
    made = Board(clock)
    made.lines["1"] = "EURUSD"
    made.heard("tickPrice", said(reqId=1, tickType=1, price="1.0849"))
    made.heard("tickPrice", said(reqId=1, tickType=2, price="1.0851"))
    return made


class TestQuotes:
    """A quote is two-sided, live and of now, or it says that it is not."""

    @shows("F42")
    def test_a_side_that_is_gone_takes_the_quote_with_it(self) -> None:
        """The bid is withdrawn: what stood before is no quote of now."""
        made = board(manual_clock(NOON))
        assert set(made.quotes) == {"EURUSD"}
        made.heard("tickPrice", said(reqId=1, tickType=1, price="-1"))
        assert made.quotes == {}

    @pytest.mark.parametrize("kind", ["2", "3", "4"])
    @shows("F42")
    def test_frozen_and_delayed_lines_say_so_until_they_are_live(self, kind: str) -> None:
        """Whatever tick comes on such a line; only the line's own word makes it live again."""
        made = board(manual_clock(NOON))
        assert not made.quotes["EURUSD"].delayed
        for word, delayed in ((kind, True), ("1", False)):
            made.heard("marketDataType", said(reqId=1, marketDataType=word))
            made.heard("tickPrice", said(reqId=1, tickType=2, price="1.0852"))
            assert made.quotes["EURUSD"].delayed is delayed

    @pytest.mark.parametrize("kind", ["2", "3", "4"])
    @shows("F42")
    def test_what_a_line_carries_outlives_a_lost_farm(self, kind: str) -> None:
        """A gateway says it once, when the line is subscribed: a farm that was away for a second makes no frozen price
        a live one. A line of another session says its own."""
        made = board(manual_clock(NOON))
        made.heard("marketDataType", said(reqId=1, marketDataType=kind))
        made.forget_quotes()
        assert made.quotes == {}
        for tick, price in ((1, "1.0849"), (2, "1.0852")):
            made.heard("tickPrice", said(reqId=1, tickType=tick, price=price))
        assert made.quotes["EURUSD"].delayed
        made.unsubscribed()
        made.lines["2"] = "EURUSD"
        for tick, price in ((1, "1.0849"), (2, "1.0852")):
            made.heard("tickPrice", said(reqId=2, tickType=tick, price=price))
        assert not made.quotes["EURUSD"].delayed

    @shows("F42")
    def test_a_delayed_tick_marks_the_line(self) -> None:
        """Ticks of the delayed kind are delayed, and so is a size of the live kind behind them."""
        made = board(manual_clock(NOON))
        made.heard("tickPrice", said(reqId=1, tickType=66, price="1.0849"))
        made.heard("tickSize", said(reqId=1, tickType=0, size="5"))
        assert made.quotes["EURUSD"].delayed


def test_the_hours_of_a_card_are_those_in_which_it_is_liquid() -> None:
    """A stock trades before and after its session too; an entry waits for the session."""
    made = Board(manual_clock(NOON))
    card = said(
        symbol="AAPL", currency="USD", secType="STK", minTick="0.01", conId=265598, timeZoneId="US/Eastern",
        liquidHours="20261118:0930-20261118:1600", tradingHours="20261118:0400-20261118:2000",
    )  # fmt: skip
    _ = made.take_card(card, "SMART")
    opens = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
    assert made.spans["AAPL"] == ((opens, opens + timedelta(hours=6, minutes=30)),)


@pytest.mark.parametrize(
    ("base", "stated", "least"), [("EUR", "1", 20_000), ("EUR", "50000", 50_000), ("XAU", "1", 2_500_000)]
)
def test_a_pair_has_the_venues_least_size_whatever_its_card_says(base: str, stated: str, least: int) -> None:
    """The card says one unit; less than the venue's least goes elsewhere, at worse prices. An unknown base takes the
    largest."""
    record = said(symbol=base, currency="USD", secType="CASH", minTick="0.00005", conId=1, minSize=stated)
    assert card_of(record, "IDEALPRO").minimum == least


@pytest.mark.parametrize(
    ("kind", "told", "step"),
    [("CASH", "0.01", 1), ("STK", "0.0001", 1), ("STK", "1", 1), ("STK", "100", 100), ("CASH", "", 1)],
)
def test_whole_units_are_traded_whatever_part_of_one_a_card_names(kind: str, told: str, step: int) -> None:
    """Live gateways name a cent of EUR.USD and a ten-thousandth of a share, of which the API takes none (10243)."""
    sizes = {"minSize": told, "sizeIncrement": told}
    card = card_of(said(symbol="EUR", currency="USD", secType=kind, minTick="0.00005", conId=1, **sizes), "SMART")
    assert card.increment == step and card.minimum >= step


def test_hours_of_the_older_form_name_the_day_on_which_they_end() -> None:
    """`1715-1700` of a Wednesday is the session that began on Tuesday evening."""
    ((opens, closes),) = hours("20261118:1715-1700", "US/Eastern")
    assert (opens, closes) == (datetime(2026, 11, 17, 22, 15, tzinfo=UTC), datetime(2026, 11, 18, 22, 0, tzinfo=UTC))


async def test_a_question_about_margin_is_no_order_and_is_answered_by_its_error() -> None:
    """Its openOrder is no fact; a refusal ends it at once, and nobody waits for the rest of five seconds."""
    clock = manual_clock(NOON)
    made = Hearing(clock, translator(), Board(clock), 4002, lambda: None)
    told, refused = (asyncio.get_running_loop().create_future() for _ in range(2))
    made.margins.update({8: told, 9: refused})
    made.translator.names.questions.update({8, 9})
    answer = {"orderId": 8, "whatIf": 1, "initMarginBefore": "2.5", "orderRef": REF, "clientId": OURS}
    made.hear(Message("openOrder", said(**answer, initMarginAfter=UNSET)))
    made.hear(Message("openOrder", said(**{**answer, "clientId": 18}, initMarginAfter="13")))
    assert not told.done(), "no figure, or another client's under the same number"
    made.hear(Message("openOrder", said(**answer, initMarginAfter="12.5")))
    assert told.result() == Margin(Money(Decimal("2.5")), Money(Decimal("12.5")))
    assert not made.inbox and made.translator.names.ids == {}
    for warning in (399, 2109, 10167, 10349):
        made.hear(Message("error", said(id=9, code=warning, message="be warned")))
    assert not refused.done()
    made.hear(Message("error", said(id=9, code=201, message="no")))
    assert refused.done() and refused.result() is None
    assert not made.inbox
    made.hear(Message("error", said(id=9, code=100, message="Max rate of messages per second has been exceeded")))
    assert [one.code for one in made.inbox if isinstance(one, ErrorSaid)] == [100]


def test_a_status_under_the_id_of_a_question_is_no_order() -> None:
    """A picture that begins meanwhile shows no foreign order, unless the broker has a number for it: then it is one."""
    made = translator()
    made.names.questions.add(8)
    row = {"orderId": 8, "clientId": OURS, "status": "PreSubmitted", "whyHeld": "", "filled": 0, "remaining": 5}
    assert _orders_of(made, [said(**row, permId=0)]) == ()
    assert [one.perm_id for one in _orders_of(made, [said(**row, permId=77)])] == [77]
    assert len(_orders_of(made, [said(**{**row, "clientId": 18}, permId=0)])) == 1
    made.names.new_session()
    assert len(_orders_of(made, [said(**row, permId=0)])) == 1


@shows("I24")
def test_a_number_that_begins_another_one_is_masked_whole() -> None:
    """An account and its sub-account: the longer number is not left with its end showing."""
    made = translator()
    for number in ("DU123", "DU123456"):
        _ = made.accounts.of(number)
    assert made.accounts.masked("DU123456 and DU123") == "DU...456 and DU...123"


@pytest.mark.parametrize(("written", "known"), [(2**63 - 1, 0), (2**53, 0), (77, 77), (-5, -5)])
def test_an_id_that_no_bead_may_say_is_none(written: int, known: int) -> None:
    """TWS's word for an unset long number passes for no permanent id, and stops no engine."""
    made = translator()
    row = said(orderId=9, clientId=OURS, permId=written, status="Submitted", filled=0, remaining=5, orderRef=REF)
    assert made.order_status(row).perm_id == made.open_order(row).perm_id == made.completed_order(row).perm_id == known
