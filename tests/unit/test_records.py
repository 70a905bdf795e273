"""Records to JSON and back: exact, strict, and drawn from the annotations of the classes alone."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import NewType
from unittest import mock
from uuid import uuid4

import attrs
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.beads import (
    BODIES,
    About,
    Body,
    Draft,
    KillEvent,
    KillFlag,
    KillKind,
    Kind,
    Limits,
    Observation,
    Policy,
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
from phoenix_core.spelling import reader, writer
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


KEYS = st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=8)
# What no bead of ours says, and a bead may say: it is read the plain way.
AT_ONCE: dict[object, st.SearchStrategy[object]] = {**SIMPLE, int: st.integers(-(10**15) + 1, 10**15 - 1)}
PLAIN_KEYS = KEYS.map(lambda key: key.replace('"', "'").replace("\\", "/"))


def anything(hint: object, at_once: bool = False) -> st.SearchStrategy[object]:
    """Any value of an annotation that beads may use; or only such as are read at once."""
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return st.one_of(st.none(), *(anything(each, at_once) for each in arguments if each is not type(None)))
    if typing.get_origin(hint) is tuple:
        return st.lists(anything(arguments[0], at_once), max_size=3).map(tuple)
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(PLAIN_KEYS if at_once else KEYS, TEXT, max_size=3)
    if hint in SIMPLE:
        return (AT_ONCE if at_once else SIMPLE)[hint]
    assert isinstance(hint, type), f"{hint} is no annotation for a bead"
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    hints = typing.get_type_hints(hint)
    fields = attrs.fields(typing.cast(type[attrs.AttrsInstance], hint))
    return st.builds(hint, **{a.name: anything(hints[a.name], at_once) for a in fields})


def lacking(cls: type, whole: Mapping[str, Json]) -> Iterator[tuple[dict[str, Json], bool]]:
    """A record's values without one key, its own or a record's within it, and whether that one may be left out."""
    hints = typing.get_type_hints(cls)
    for each in attrs.fields(typing.cast(type[attrs.AttrsInstance], cls)):
        key, hint = each.name.rstrip("_"), hints[each.name]
        if key in whole:
            optional = type(None) in typing.get_args(hint)
            yield {name: value for name, value in whole.items() if name != key}, optional
            inner = next(
                (arg for arg in (hint, *typing.get_args(hint)) if isinstance(arg, type) and attrs.has(arg)), None
            )
            value = whole[key]
            if inner is not None and isinstance(value, dict):
                yield from (({**whole, key: cut}, may) for cut, may in lacking(inner, value))
            elif inner is not None and isinstance(value, list) and value and isinstance(value[-1], dict):
                yield from (({**whole, key: [*value[:-1], cut]}, may) for cut, may in lacking(inner, value[-1]))


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
        body = typing.cast(Body, data.draw(anything(BODIES[kind], at_once=True)))
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
    @settings(max_examples=5)
    @shows("I20")
    def test_what_lacks_a_key_is_not_read_at_once(self, kind: Kind, data: st.DataObject) -> None:
        """Each that must be there, of the body and of every record within it."""
        body = typing.cast(Body, data.draw(anything(BODIES[kind], at_once=True)))
        whole = body_json(Draft(body), str(uuid4()))
        assert said_in(kind.value, encode(whole).decode()) is not None
        for cut, optional in lacking(BODIES[kind], whole):
            assert (said_in(kind.value, encode(cut).decode()) is not None) is optional
        del whole["bead_id"]
        assert said_in(kind.value, encode(whole).decode()) is None

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
def test_what_no_bead_of_ours_says_is_left_to_the_plain_way() -> None:
    """An integer of sixteen digits, and a key that needs an escape: read the plain way where a bead may hold them."""
    halt = KillFlag(KillEvent.RAISED, "f", KillKind.ONE_WAY, "desk", "why", "operator")
    text = body_text(Said(halt, str(uuid4()), (Settles(10**15 - 1, 0, Settlement.DONE),)))
    assert said_in(Kind.KILL_FLAG.value, text) is not None
    for longest in (10**15, INTEGER_MAX):
        longer = text.replace(str(10**15 - 1), str(longest))
        assert longer != text and said_in(Kind.KILL_FLAG.value, longer) is None
        _, _, settles = body_of(Kind.KILL_FLAG.value, typing.cast(dict[str, Json], decode(longer.encode()).unwrap()))
        assert settles == (Settles(longest, 0, Settlement.DONE),)
    with pytest.raises(AssertionError, match="no spelling"):
        _ = body_text(Said(halt, str(uuid4()), (Settles(INTEGER_MAX + 1, 0, Settlement.DONE),)))
    seen = Said(Observation(About.DEMAND, "x", {'a"b': "c", "d": 'e"f'}), str(uuid4()))
    text = body_text(seen)
    assert said_in(Kind.OBSERVATION.value, text) is None
    assert body_of(Kind.OBSERVATION.value, typing.cast(dict[str, Json], decode(text.encode()).unwrap()))[0] == seen.body
    assert said_in(Kind.OBSERVATION.value, text.replace('a\\"b', "a'b")) is not None


# One text of each flaw, where it would fit a pattern that looked less closely: (kind, what stands there, instead).
FLAWS = (
    ("a second spelling of a line's end", "\\n", "\\u000a"),
    ("a capital in an escape", "\\u001f", "\\u001F"),
    ("an escape of what needs none", "why", "wh\\u0079"),
    ("an escaped slash", "why", "w\\/y"),
    ("a bare control character", "\\n", "\n"),
    ("a bare control character of another kind", "why", "wh\x1f"),
    ("an escape that there is not", "why", "w\\q"),
    ("a comma too many", '{"bead_id"', '{,"bead_id"'),
    ("a comma too few", '","scope"', '""scope"'),
    ("a day that there is not", "2026-11-18T19", "2026-11-31T19"),
    ("an hour that there is not", "T19:", "T24:"),
    ("another zone", "00Z", "00z"),
    ("a word that there is not", "ONE_WAY", "ONE_WAV"),
    ("a zero before a number", '"index":7', '"index":07'),
    ("a sign on zero", '"index":0', '"index":-0'),
    ("an empty list of what is settled", '"type":', '"settles":[],"type":'),
    ("keys in another order", '"index":7,"outcome":"done"', '"outcome":"done","index":7'),
)


@shows("I20")
@pytest.mark.parametrize(("flaw", "there", "instead"), FLAWS, ids=[flaw for flaw, _, _ in FLAWS])
def test_each_flaw_is_not_read_at_once(flaw: str, there: str, instead: str) -> None:
    """A text that is nearly the one spelling, whether or not something in it is escaped."""
    until = datetime(2026, 11, 18, 19, tzinfo=UTC)
    settles = (Settles(3, 7, Settlement.DONE), Settles(4, 0, Settlement.DONE))
    tried = 0
    for reason in ("why", "why\n\x1f"):
        for settled in ((), settles):
            flag = KillFlag(KillEvent.RAISED, "f", KillKind.ONE_WAY, "desk", reason, "operator", until=until)
            said = Said(flag, str(uuid4()), settled)
            text = body_text(said)
            assert said_in(Kind.KILL_FLAG.value, text) == said
            if there in text and not (settled and instead.startswith('"settles":[]')):
                tried += 1
                assert said_in(Kind.KILL_FLAG.value, text.replace(there, instead, 1)) is None
    assert tried, flaw


@shows("I20")
def test_commas_stand_between_what_may_be_left_out() -> None:
    """Every choice of fields is read; a comma before the first, or none between two, is another text."""
    names = [each.name for each in attrs.fields(Limits)]
    for chosen in range(2 ** len(names)):
        values = {
            name: 1 if name.endswith(("day_max", "positions_max")) else Decimal(1)
            for n, name in enumerate(names)
            if chosen >> n & 1
        }
        limits = Limits(**typing.cast(dict[str, typing.Any], values))
        text = body_text(Said(Policy(limits=limits), str(uuid4())))
        found = said_in(Kind.POLICY.value, text)
        assert found is not None and typing.cast(Policy, found.body).limits == limits
        inner = re.search(r'"limits":\{(.*?)\}', text)
        assert inner is not None
        for wrong in ("," + inner[1], inner[1].replace(",", "", 1), inner[1] + ","):
            if wrong != inner[1]:
                assert said_in(Kind.POLICY.value, text.replace(inner[0], f'"limits":{{{wrong}}}')) is None


@pytest.mark.parametrize(
    "facts", ['{"b":"1","a":"2"}', '{"a":"1","a":"2"}', '{"a":"1",}', '{"\u00e9":"1"}', '{"a":1}', '{,"a":"1"}', "[]"]
)
@shows("I20")
def test_facts_that_are_spelt_otherwise_are_not_read_at_once(facts: str) -> None:
    """Sorted, each key once and in ASCII, texts alone."""
    text = body_text(Said(Observation(About.DEMAND, "x", {"a": "1", "b": "2"}), str(uuid4())))
    assert said_in(Kind.OBSERVATION.value, text) is not None
    assert said_in(Kind.OBSERVATION.value, text.replace('{"a":"1","b":"2"}', facts)) is None


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
class Ordered:
    """Fields that must be there before and after one that need not."""

    first: str
    last: str
    known: str | None = None


def test_a_pattern_asks_no_more_than_it_must() -> None:
    """Where a comma must stand one is asked for, and nothing is asked of escapes before a text has one."""
    cls: object = Ordered
    with mock.patch.object(re, "compile", wraps=re.compile) as compiled:
        read = reader(cls)
        assert read('{"first":"a","known":"c","last":"b"}') == (Ordered("a", "b", "c"),)
        assert read('{"first":"a","last":"b"}') == (Ordered("a", "b"),)
        (made,) = [call.args[0] for call in compiled.call_args_list]
        assert "(?<" not in made and "u00" not in made
        assert read('{"first":"\\n","last":"b"}') == (Ordered("\n", "b"),)
        assert "u00" in compiled.call_args.args[0]


@frozen
class Sides:
    """What a slice keeps of each side."""

    at: dict[Side, Decimal]
    of: dict[str, Side]


def test_a_slice_is_spelt_in_a_straight_line_too() -> None:
    """Keys and values of a dictionary, each in its own spelling."""
    sides: object = Sides
    record = Sides({Side.SELL: Decimal("1.5"), Side.BUY: Decimal(0)}, {"a": Side.BUY})
    assert writer(sides)(record).encode() == encode(to_json(record))


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
