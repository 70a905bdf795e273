"""Records to JSON and back: exact, strict, and drawn from the annotations of the classes alone."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NewType
from uuid import uuid4

import attrs
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.beads import (
    BODIES,
    Body,
    Draft,
    KillEvent,
    KillFlag,
    KillKind,
    Kind,
    Said,
    Settlement,
    Settles,
    body_json,
    body_of,
    body_text,
    said_in,
)
from phoenix_core.canonical import decode, encode
from phoenix_core.records import INTEGER_MAX, Json, of_json, schema_of, shape_of, to_json
from phoenix_core.values import BadInput, Side
from tests.showing import shows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SIMPLE: dict[object, st.SearchStrategy[object]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-INTEGER_MAX, INTEGER_MAX),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9),
    datetime: st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - UTC is added
    timedelta: st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
}


def anything(hint: object) -> st.SearchStrategy[object]:
    """Any value of an annotation that beads may use."""
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return st.one_of(st.none(), *(anything(each) for each in arguments if each is not type(None)))
    if typing.get_origin(hint) is tuple:
        return st.lists(anything(arguments[0]), max_size=3).map(tuple)
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(
            st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=8), TEXT, max_size=3
        )
    if hint in SIMPLE:
        return SIMPLE[hint]
    assert isinstance(hint, type), f"{hint} is no annotation for a bead"
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    hints = typing.get_type_hints(hint)
    return st.builds(
        hint, **{a.name: anything(hints[a.name]) for a in attrs.fields(typing.cast(type[attrs.AttrsInstance], hint))}
    )


@pytest.mark.parametrize("kind", list(Kind))
class TestEveryKind:
    """Each kind of bead, with values drawn from its annotations."""

    @given(data=st.data())
    @settings(max_examples=10)
    @shows("I6", "F64")
    def test_what_is_sealed_is_read_back(self, kind: Kind, data: st.DataObject) -> None:
        """Through canonical bytes and back: the same record, the same id, the same settlements, the same bytes."""
        body = data.draw(anything(BODIES[kind]))
        settles = data.draw(
            st.lists(st.builds(Settles, st.integers(0, 9), st.integers(0, 9), st.sampled_from(Settlement)))
        )
        sealed = body_json(Draft(typing.cast(typing.Any, body), tuple(settles)), "id-1")
        again = typing.cast(dict[str, Json], decode(encode(sealed)).unwrap())
        assert body_of(kind.value, again) == (body, "id-1", tuple(settles))
        assert encode(sealed) == encode(again)

    @given(data=st.data())
    @settings(max_examples=8)
    @shows("I6", "F64")
    def test_the_straight_line_spelling_is_the_plain_one(self, kind: Kind, data: st.DataObject) -> None:
        """Byte for byte the same text, and of that text the same record, read at once."""
        settles = st.lists(st.builds(Settles, st.integers(0, 9), st.integers(0, 9), st.sampled_from(Settlement)))
        body = typing.cast(Body, data.draw(anything(BODIES[kind])))
        said = Said(body, str(uuid4()), tuple(data.draw(settles)))
        plain = encode(body_json(Draft(said.body, said.settles), said.bead_id))
        assert body_text(said).encode() == plain
        assert said_in(kind.value, plain.decode()) == said
        assert body_of(kind.value, typing.cast(dict[str, Json], decode(plain).unwrap())) == (
            said.body,
            said.bead_id,
            said.settles,
        )

    @given(data=st.data())
    @settings(max_examples=8)
    @shows("I20")
    def test_what_is_read_at_once_is_what_the_plain_way_reads(self, kind: Kind, data: st.DataObject) -> None:
        """Whatever is done to a text: it is read at once as the strict way reads it, or not read at once."""
        body = typing.cast(Body, data.draw(anything(BODIES[kind])))
        text = body_text(Said(body, str(uuid4())))
        place = data.draw(st.integers(0, len(text)))
        other = st.sampled_from(
            ["", "0", "1", "1.0", "-0", " ", '"', "null", "true", "[]", "{}", "[1]", '"x"', "\\u0041"]
        )
        cut = data.draw(st.integers(0, 6))
        changed = text[:place] + data.draw(other) + text[place + cut :]
        value = data.draw(
            st.sampled_from(["null", "1.0", "[1]", "{}", '"1e2"', '"\\u0041"', "true", "9007199254740993"])
        )
        swapped = re.sub(r":[^:,{}\[\]]+(?=[,}])", lambda _: ":" + value, text, count=1)
        for candidate in (changed, swapped, text[:-1] + "}}", text + " "):
            found = said_in(kind.value, candidate)
            if found is not None:
                strict = typing.cast(dict[str, Json], decode(candidate.encode()).unwrap())
                assert body_of(kind.value, strict) == (found.body, found.bead_id, found.settles)

    @given(data=st.data())
    @settings(max_examples=10)
    @shows("I20")
    def test_a_key_more_or_less_or_null_is_refused_with_its_path(self, kind: Kind, data: st.DataObject) -> None:
        """Unknown, missing and null are three mistakes, and each names where it is."""
        cls = BODIES[kind]
        whole = to_json(data.draw(anything(cls)))
        with pytest.raises(BadInput) as unknown:
            _ = of_json(cls, {**whole, "zzz": "1"}, "bead")
        assert unknown.value.field == "bead.zzz"
        key = data.draw(st.sampled_from(sorted(whole)))
        with pytest.raises(BadInput) as null:
            _ = of_json(cls, {**whole, key: None}, "bead")
        assert null.value.field == f"bead.{key}"
        required = typing.cast(list[str], schema_of(cls)["required"])
        missing = data.draw(st.sampled_from(required))
        with pytest.raises(BadInput) as gap:
            _ = of_json(cls, {k: v for k, v in whole.items() if k != missing}, "bead")
        assert gap.value.field == f"bead.{missing}"

    @given(data=st.data())
    @settings(max_examples=10)
    @shows("I20")
    def test_nothing_is_coerced(self, kind: Kind, data: st.DataObject) -> None:
        """A value of another JSON type is refused, however well it could be converted."""
        cls = BODIES[kind]
        whole = to_json(data.draw(anything(cls)))
        key = data.draw(st.sampled_from(sorted(whole)))
        strangers = [value for value in (1.5, "x\x00", 7, True, ["?"], {"?": 1}) if type(value) is not type(whole[key])]
        stranger = data.draw(st.sampled_from(strangers))
        with pytest.raises(BadInput) as refused:
            _ = of_json(cls, {**whole, key: stranger}, "bead")
        assert refused.value.field.startswith(f"bead.{key}")


@shows("I20")
def test_an_integer_that_no_bead_may_hold_is_not_read_at_once() -> None:
    """At its edge it is read, beyond it the strict way is asked, which refuses it."""
    halt = KillFlag(KillEvent.RAISED, "f", KillKind.ONE_WAY, "desk", "why", "operator")
    text = body_text(Said(halt, str(uuid4()), (Settles(INTEGER_MAX, 0, Settlement.DONE),)))
    assert said_in(Kind.KILL_FLAG.value, text) is not None
    beyond = text.replace(str(INTEGER_MAX), str(INTEGER_MAX + 1))
    assert beyond != text and said_in(Kind.KILL_FLAG.value, beyond) is None
    with pytest.raises(AssertionError, match="no spelling"):
        _ = body_text(Said(halt, str(uuid4()), (Settles(INTEGER_MAX + 1, 0, Settlement.DONE),)))


@frozen
class Pair:
    """One of everything that slices may hold and beads do not."""

    pair: tuple[str, Decimal]
    many: dict[str, int]
    those: set[str]
    list_: list[Side]


def test_the_shapes_of_snapshots_come_back() -> None:
    """Fixed tuples, dictionaries in their own order, sets in one order, lists."""
    record = Pair(("a", Decimal("1.5")), {"b": 2, "a": 1}, {"y", "x"}, [Side.SELL])
    written = to_json(record)
    assert written == {"pair": ["a", "1.5"], "many": [["b", 2], ["a", 1]], "those": ["x", "y"], "list": ["SELL"]}
    assert of_json(Pair, json.loads(json.dumps(written))) == record
    assert list(of_json(Pair, written).many) == ["b", "a"]


@frozen
class Wider:
    """A pair with one more."""

    pair: tuple[str, Decimal, int]
    many: dict[str, int]
    those: set[str]
    list_: list[Side]


@frozen
class Deep:
    """A record that holds others."""

    inner: dict[str, Pair | None]


@frozen
class Deeper:
    """The same, but for what stands at the bottom."""

    inner: dict[str, Wider | None]


def test_a_layout_is_known_by_its_shape() -> None:
    """Every type of every field stands in it, all the way down, and every word of an enum."""
    assert shape_of(Pair) == (
        "Pair{pair: tuple[str, Decimal], many: dict[str, int], those: set[str], list_: list[Side(BUY, SELL)]}"
    )
    assert shape_of(Wider).startswith("Wider{pair: tuple[str, Decimal, int],")
    assert shape_of(Deep).replace("Deep{", "Deeper{").replace("Pair{", "Wider{") != shape_of(Deeper)
    assert "NoneType" in shape_of(Deep), "whether a field may be left out is part of the layout"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"pair": ["a"]}, "Pair.pair"),
        ({"pair": {"a": 1}}, "Pair.pair"),
        ({"pair": ["a", "1.50"]}, "Pair.pair[1]"),
        ({"many": {"a": 1}}, "Pair.many"),
        ({"many": [["a", 1, 2]]}, "Pair.many[0]"),
        ({"many": [["a", "1"]]}, "Pair.many[0][1]"),
        ({"many": [["a", 2**53]]}, "Pair.many[0][1]"),
        ({"many": [["a", True]]}, "Pair.many[0][1]"),
        ({"those": "x"}, "Pair.those"),
        ({"list": ["LEFT"]}, "Pair.list[0]"),
        ({"list": [["BUY"]]}, "Pair.list[0]"),
    ],
)
def test_a_wrong_shape_names_the_place(change: dict[str, Json], path: str) -> None:
    """Down to the item of a list."""
    whole: dict[str, Json] = {"pair": ["a", "1"], "many": [], "those": [], "list": []}
    with pytest.raises(BadInput) as refused:
        _ = of_json(Pair, {**whole, **change})
    assert refused.value.field == path


def test_a_record_is_an_object() -> None:
    """A list of the right length is no record."""
    with pytest.raises(BadInput, match="write an object"):
        _ = of_json(Settles, [1, 2, "done"])


def test_an_annotation_without_a_spelling_is_a_bug() -> None:
    """A bead with a float in it does not come into being."""

    @frozen
    class Wrong:
        number: list[int | str | float]

    with pytest.raises(AssertionError, match="has no"):
        _ = schema_of(Wrong)
