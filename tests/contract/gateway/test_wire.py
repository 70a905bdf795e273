"""The wire tables: what is written is what is read, and what the real libraries write is read to its last field."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_adapters.wire import (
    CLIENT,
    SERVER,
    VERSION_MAX,
    VERSION_MIN,
    Layout,
    Unframer,
    WireError,
    echo,
    frame,
    from_client,
    from_server,
    hello,
    number,
    text,
    to_client,
    to_server,
    versions,
    whole,
)
from phoenix_adapters.wire.framing import UNSET
from phoenix_adapters.wire.layout import Field, If, Item, Rows
from tests.contract.gateway.test_real_client import lib
from tests.showing import shows

VERSIONS = range(VERSION_MIN, min(VERSION_MAX, lib.client.Client.MaxClientVersion) + 1)
FIELDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))


@given(st.lists(FIELDS, max_size=8), st.lists(st.integers(1, 50), min_size=1))
def test_messages_survive_any_cutting_of_the_stream(messages: list[list[str]], cuts: list[int]) -> None:
    """However the bytes arrive, the same messages come out in the same order."""
    stream = b"API\0" + b"".join(frame(one) for one in messages)
    unframer, read = Unframer(hello=True), list[tuple[str, ...]]()
    at = 0
    for turn in range(len(stream)):
        step = cuts[turn % len(cuts)]
        read += unframer.feed(stream[at : at + step])
        at += step
    assert read == [tuple(one) for one in messages]


def test_digits_of_another_script_are_no_number() -> None:
    """Python reads them, TWS does not, and an id that only one side understands is nobody's."""
    assert (whole("123"), whole("-5"), whole("")) == (123, -5, None)
    for written in ("\u0661\u0662\u0663", "\uff11", "1\u0663", "--5", "1" * 30):
        assert whole(written) is None


def test_a_count_below_nothing_is_no_count() -> None:
    """Rows that are fewer than none would shift every field behind them."""
    fields = list(to_client("contractDetails", VERSION_MAX, secIdList="0", minSize="1"))
    place = fields.index("0", next(n for n, one in enumerate(fields) if n > 25))
    good = from_server(tuple(fields), VERSION_MAX)
    assert good.record["secIdList"] == "0"
    refused = 0
    for at in range(place, len(fields)):
        try:
            _ = from_server((*fields[:at], "-1", *fields[at + 1 :]), VERSION_MAX)
        except WireError as error:
            refused += "secIdList is a count" in str(error)
    assert refused == 1


@pytest.mark.parametrize(("name", "gone"), [("faProfile", 177)])
def test_a_field_is_there_up_to_the_version_that_dropped_it(name: str, gone: int) -> None:
    """One version later everything behind it stands one place further on."""
    before, after = (to_server("placeOrder", version) for version in (gone - 1, gone))
    assert len(before) == len(after) + 1
    assert name in from_client(before, gone - 1).record and name not in from_client(after, gone).record


def test_a_stream_that_is_no_tws_stream_is_refused() -> None:
    """A wrong beginning and a length that no message has."""
    with pytest.raises(WireError):
        Unframer(hello=True).feed(b"GET / HTTP/1.1")
    with pytest.raises(WireError):
        Unframer().feed(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    ("said", "range_"), [("v157..176", (157, 176)), ("v157..178 +PACEAPI", (157, 178)), ("v100", (100, 100))]
)
def test_a_hello_is_a_range_of_versions(said: str, range_: tuple[int, int]) -> None:
    """With options after it or without an end."""
    assert versions(said) == range_


def test_a_hello_of_another_kind_is_refused() -> None:
    """No digits, no versions."""
    assert versions(hello()) == (VERSION_MIN, VERSION_MAX)
    with pytest.raises(WireError):
        versions("hello")


@shows("F78", "F64")
@pytest.mark.parametrize("unset", ["", "1.7976931348623157e+308", *sorted(UNSET)])
def test_unset_is_none_and_never_a_number(unset: str) -> None:
    """TWS's words for 'nothing here'."""
    assert number(unset) is None


@pytest.mark.parametrize(
    ("written", "said"), [("0E+99999999", "0"), ("-0E-9", "0"), ("1" * 38, "1" * 38), ("1.5", "1.5")]
)
def test_a_number_of_a_few_bytes_costs_no_more_than_these(written: str, said: str) -> None:
    """Nothing, however far it is moved, is nothing; the longest that is kept is read."""
    assert str(number(written)) == said


@pytest.mark.parametrize("wrong", ["nan", "inf", "-Infinity", "x", "1,5", "1E+39", "-1E+39", "1E-39", "0." + "1" * 39])
def test_what_is_no_number_is_refused(wrong: str) -> None:
    """Neither a word nor an infinity passes for a number, nor one of more digits than a log could keep."""
    with pytest.raises(WireError):
        number(wrong)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12))
def test_a_decimal_is_written_in_plain_digits_and_read_back_exactly(value: Decimal) -> None:
    """No exponent, no rounding."""
    written = text(value)
    assert "E" not in written.upper()
    assert (number(written) or Decimal(0)) == value


def _values(items: tuple[Item, ...], draw: Random) -> Iterator[tuple[str, str]]:
    """A value for every field that needs no decision, rows included."""
    for item in items:
        if isinstance(item, Field):
            yield item.name, str(draw.randint(0, 9999))
        elif isinstance(item, Rows) and not item.more:
            count = draw.randint(0, 3)
            yield item.name, str(count)
            for row in range(count):
                for one in item.each:
                    yield f"{item.name}.{row}.{one.name}", str(draw.randint(0, 9999))
        elif isinstance(item, If):
            yield from ()


@pytest.mark.parametrize("layout", [*SERVER.values(), *CLIENT.values()], ids=lambda layout: str(layout.name))
@pytest.mark.parametrize("version", [157, 163, 164, 170, 176, 178])
def test_every_message_is_read_as_it_was_written(layout: Layout, version: int) -> None:
    """Each table, each version: the record comes back, and no field is left over."""
    record = dict(_values(layout.items, Random(version)))
    write, read = (to_client, from_server) if SERVER.get(layout.name) is layout else (to_server, from_client)
    fields = write(layout.name, version, **record)
    message = read(fields, version)
    assert (message.name, message.rest) == (layout.name, ())
    assert {key: record[key] for key in message.record.keys() & record.keys()} == {
        key: value for key, value in message.record.items() if key in record
    }
    assert write(layout.name, version, **message.record) == fields


def test_a_message_that_ends_too_soon_is_refused() -> None:
    """Each shorter beginning of an openOrder."""
    fields = to_client("openOrder", 176, orderId=1, totalQuantity=5)
    for length in range(1, len(fields)):
        with pytest.raises(WireError):
            from_server(fields[:length], 176)


def test_an_unknown_message_has_no_name_and_keeps_its_fields() -> None:
    """Nothing is guessed."""
    message = from_server(("250", "a", "b"), 176)
    assert (message.name, message.rest) == ("", ("250", "a", "b"))


def test_an_order_sent_and_its_echo_have_the_same_words() -> None:
    """What of a place frame an openOrder also carries, under the same names."""
    sent = {"orderRef": "r", "tif": "GTC", "transmit": "1", "secIdType": "", "hedgeType": "", "lmtPrice": "1.1"}
    assert echo("openOrder", sent) == {"orderRef": "r", "tif": "GTC", "lmtPrice": "1.1"}
    rows = {"algoStrategy": "Adaptive", "algoParams": "1", "algoParams.0.tag": "adaptivePriority"}
    assert echo("openOrder", rows | {"nothing.0.tag": "x"}) == rows, "with the rows of a group that it carries"


def sent_by_the_library(version: int, order: object, contract: object) -> tuple[str, ...]:
    """The fields of a place frame as the installed library writes them."""
    said: list[str] = []
    client = lib.client.Client(object())
    client._serverVersion, client.connState = version, lib.client.Client.CONNECTED
    client.sendMsg = said.append
    client.placeOrder(5, contract, order)
    return tuple(said[0].split("\0")[:-1])


ORDERS = {
    "market": lambda: lib.MarketOrder("BUY", 20_000),
    "limit": lambda: lib.LimitOrder("SELL", 20_000, 1.17, orderRef="r", ocaGroup="g", ocaType=2, parentId=3),
    "stop": lambda: lib.StopOrder("SELL", 20_000, 1.1, tif="GTC", outsideRth=True),
    "algorithm": lambda: lib.LimitOrder("BUY", 1, 1.0, algoStrategy="A", algoParams=[lib.TagValue("a", "b")]),
    "condition": lambda: lib.LimitOrder("BUY", 1, 1.0, conditions=[lib.order.PriceCondition(price=2.0, conId=5)]),
    "hedge": lambda: lib.LimitOrder("BUY", 1, 1.0, hedgeType="D", hedgeParam="x"),
    "scale": lambda: lib.LimitOrder("BUY", 1, 1.0, scalePriceIncrement=0.5, scaleInitLevelSize=1),
    "neutral": lambda: lib.Order(orderType="VOL", deltaNeutralOrderType="MKT", deltaNeutralConId=7),
    "benchmark": lambda: lib.Order(orderType="PEG BENCH", referenceContractId=7, peggedChangeAmount=1.0),
    "best": lambda: lib.Order(orderType="PEG BEST", minCompeteSize=100),
    "mid": lambda: lib.Order(orderType="PEG MID", midOffsetAtWhole=0.1),
}


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_librarys_place_frames_are_read_to_the_last_field(version: int, kind: str) -> None:
    """Every kind of order in every version: written again from what was read, it is the same frame."""
    fields = sent_by_the_library(version, ORDERS[kind](), lib.Forex("EURUSD"))
    message = from_client(fields, version)
    assert (message.name, message.rest) == ("placeOrder", ())
    assert to_server("placeOrder", version, **message.record) == fields


def test_a_combo_is_read_to_the_last_field() -> None:
    """Legs come with BAG only."""
    leg = lib.ComboLeg(conId=1, ratio=1, action="BUY", exchange="SMART")
    combo = lib.Bag(symbol="X", exchange="SMART", currency="USD", comboLegs=[leg, leg])
    fields = sent_by_the_library(176, lib.MarketOrder("BUY", 1), combo)
    message = from_client(fields, 176)
    assert (message.record["comboLegs"], message.rest) == ("2", ())


def test_only_one_of_the_two_libraries_is_installed() -> None:
    """They overwrite each other's eventkit."""
    assert bool(importlib.util.find_spec("ib_insync")) != bool(importlib.util.find_spec("ib_async"))
