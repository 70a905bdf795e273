"""The verifier reads beads as strictly as Phoenix does: what the one could not read, the other does not call true.

Its tables are written by hand from the page and are held to the classes here; the two readers share nothing. Every
field of every kind is spoilt in every way, and both must say the same of it, at the same place.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from io import BytesIO
from typing import Final, NewType

import attrs
import pytest

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import ABOUT, BRIEF, KINDS, SHAPES, STATEMENTS, WORDS, Lie, Undecided, misfit
from phoenix_core.beads import BODIES, Kind, Settles, body_of
from phoenix_core.canonical import Json, encode
from phoenix_core.gate.screen import Live
from phoenix_core.gate.statements import TYPES, Render, Saying, read_statement
from phoenix_core.records import key_of
from phoenix_core.values import BadInput
from tests import schemas
from tests.contract.verifier.byte_attacks import honest
from tests.contract.verifier.meaning_attacks import after, answered, drifted, promotes
from tests.contract.verifier.story import Story, named
from tests.contract.verifier.test_layers import Row, resealed, rows
from tests.contract.verifier.test_meaning import roots_of, verdict
from tests.contract.verifier.whole import Record


@pytest.fixture(autouse=True, scope="module")
def remembered_signatures() -> Iterator[None]:
    """The honest signatures stand in every export: each is verified once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(phoenix_verify, "ed25519", cache(phoenix_verify.ed25519))
        yield


# --- the tables are the classes ---------------------------------------------------------------------------------------

SIMPLE: Final[dict[object, str]] = {str: "text", bool: "flag", int: "whole", timedelta: "whole"}
SIMPLE.update({Decimal: "decimal", datetime: "instant"})


def bare(hint: object) -> object:
    """An annotation without the names that values give it, and without `| None`."""
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return bare(next(each for each in typing.get_args(hint) if each is not type(None)))
    return hint


def shape(hint: object) -> str:
    """The word of the verifier's tables for an annotation; of an enum its words."""
    hint = bare(hint)
    if typing.get_origin(hint) is tuple:
        return f"[{shape(typing.get_args(hint)[0])}]"
    if typing.get_origin(hint) is Mapping:
        return "texts"
    assert isinstance(hint, type)
    return "|".join(str(each.value) for each in hint) if issubclass(hint, Enum) else SIMPLE.get(hint, hint.__name__)


def row(cls: type) -> set[str]:
    """The fields of a class as the verifier's tables should have them."""
    hints = typing.get_type_hints(cls)
    return {
        f"{key_of(each.name)}{'?' if schemas.is_optional(hints[each.name]) else ''}:{shape(hints[each.name])}"
        for each in attrs.fields(cls)
    }


def classes() -> dict[str, type]:
    """Every body, and every record inside one or inside a statement, by its name in the tables."""
    inner: dict[str, type] = {"Settles": Settles, "Render": Render, "Live": Live}
    for cls in BODIES.values():
        schemas.records(cls, inner)
    return {**{kind.value: cls for kind, cls in BODIES.items()}, **inner}


@pytest.mark.parametrize("name", sorted({*SHAPES, *classes()}))
def test_the_tables_say_what_the_classes_say(name: str) -> None:
    """After a change of a bead: write it into SHAPES by hand, and think of the logs that are there already.

    A field that comes later can be left out, and nothing is taken away: so every later reader reads every older log.
    """
    assert fields_of(SHAPES[name]) == row(classes()[name])


def fields_of(text: str) -> set[str]:
    """The fields of a row of the tables, words and all."""
    said = re.sub(r"(?<=[:[])\w+", lambda found: WORDS.get(found[0], found[0]), text)
    return {field if ":" in field else f"{field}:text" for field in said.split()}


@pytest.mark.parametrize("name", sorted({*STATEMENTS, *TYPES}))
def test_the_tables_say_what_statements_say(name: str) -> None:
    """A statement has no later field: with another one it is of another version."""
    amounts = re.sub(r"\b(quantity|price|stop|target)(\??):decimal", r"\1\2:amount", " ".join(row(TYPES[name])))
    assert fields_of(STATEMENTS[name]) == set(amounts.split())
    assert ABOUT[name] == TYPES[name].about
    assert (name in BRIEF) == (TYPES[name].life < Saying.life)


# --- every field of every kind, spoilt in every way -------------------------------------------------------------------

NUMBERS: Final[tuple[Json, ...]] = (
    *("0", "-0", "-1.5", "1.50", "01", "1e3", "+1", ".5", "1.", "", " 1", "1\n", "\u0661", "1,5", "NaN", "Infinity"),
    *("9" * 40, "9" * 41, "-" + "9" * 40, "0." + "9" * 38, "0." + "9" * 39),
)
NOW: Final = "2026-11-18T19:00:00.000000Z"
INSTANTS: Final[tuple[Json, ...]] = (
    *(NOW, "2026-11-18T19:00:00Z", "2026-11-18 19:00:00.000000Z", "2026-02-30T00:00:00.000000Z"),
    *("2026-11-18T24:00:00.000000Z", "2026-12-31T23:59:60.000000Z", "0000-01-01T00:00:00.000000Z"),
    *("2026-11-18T19:00:00.000000+00:00", "2026-11-18T19:00:00.000000z"),
)
LISTS: Final[tuple[Json, ...]] = ([], [[]], ["x"], ["BUY", "BUY"], [None], [0])
WORDED: Final[tuple[Json, ...]] = ("x", "BUY", "buy", "FILLED", "Filled", "true")
OTHERS: Final[tuple[Json, ...]] = (None, True, False, 0, 1, -1, 2**53 - 1, *WORDED, *LISTS)
OBJECTS: Final[tuple[Json, ...]] = ({}, {"x": "y"}, {"x": 1}, {"x": None}, {"x": {"y": "z"}}, [{}])
STRANGE: Final = ("", "a b", "Bead_id", "\x1b[2J", "x" * 41)


def whole(hint: object) -> Json:
    """A value of an annotation with everything in it that can be there."""
    hint = bare(hint)
    if typing.get_origin(hint) is tuple:
        return [whole(typing.get_args(hint)[0])]
    if typing.get_origin(hint) is Mapping:
        return {"a": "b"}
    assert isinstance(hint, type)
    if issubclass(hint, Enum):
        return str(next(iter(hint)).value)
    simple: dict[object, Json] = {str: "t", bool: False, int: 7, timedelta: 7, Decimal: "1.5", datetime: NOW}
    return simple[hint] if hint in simple else full(hint)


def full(cls: type) -> Record:
    """A record with all of its fields."""
    hints = typing.get_type_hints(cls)
    return {key_of(each.name): whole(hints[each.name]) for each in attrs.fields(cls)}


def body_like(kind: Kind) -> Record:
    """A body with all that a bead of this kind may say."""
    return full(BODIES[kind]) | {"bead_id": "0" * 8, "settles": [full(Settles)]}


def spoilt(value: Json) -> Iterator[tuple[Json, bool]]:
    """The value with one thing changed, all the way down: other values, a key more, a key less.

    And whether that is one flaw at most, so that both readers must find it at one place and call that the same.
    """
    yield from ((other, True) for other in (*NUMBERS, *INSTANTS, *OTHERS))
    yield from ((other, not isinstance(value, (dict, list))) for other in OBJECTS)
    if isinstance(value, dict):
        yield {**value, "zzz": "x"}, True
        yield from (({**value, key: "x"}, False) for key in STRANGE)
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}, True
            yield from (({**value, key: other}, alone) for other, alone in spoilt(inner))
    if isinstance(value, list):
        yield value * 2, True
        for n, inner in enumerate(value):
            yield from (([*value[:n], other, *value[n + 1 :]], alone) for other, alone in spoilt(inner))


def place_for_phoenix(kind: str, body: Record) -> str:
    """Where Phoenix's own reader stumbles; nothing where it reads the body."""
    try:
        _ = body_of(kind, body)
    except BadInput as error:
        return error.field
    return ""


def place_for_the_verifier(kind: str, body: Record) -> str:
    """Where the verifier does."""
    found = misfit(body, KINDS[kind])
    return "" if found is None else kind + found.path


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_both_readers_say_the_same_of_every_body(kind: Kind) -> None:
    """Read by both, or refused by both, at one and the same place."""
    assert place_for_phoenix(kind.value, body_like(kind)) == place_for_the_verifier(kind.value, body_like(kind)) == ""
    looked_at = refused = 0
    for body, alone in spoilt(body_like(kind)):
        if isinstance(body, dict):
            places = place_for_phoenix(kind.value, body), place_for_the_verifier(kind.value, body)
            assert bool(places[0]) == bool(places[1]), (body, places)
            assert places[0] == places[1] or not alone, (body, places)
            looked_at, refused = looked_at + 1, refused + bool(places[0])
    assert looked_at > 50 * len(body_like(kind)) and 0 < refused < looked_at


FRAME: Final[Record] = {
    "v": 1,
    "log": "l",
    "tree_size": 5,
    "tree_root": "A" * 43 + "=",
    "account": "a",
    "mode": "paper",
}
FRAME.update({"session": "a" * 32, "at": NOW, "exp": "2026-11-18T19:01:00.000000Z"})
ELSEWHERE: Final = ("log", "tree_size", "tree_root", "account", "mode")  # held against the roots and the tree


def read_by_phoenix(data: bytes) -> bool:
    """Whether Phoenix reads it as a statement."""
    try:
        _ = read_statement(data)
    except BadInput:
        return False
    return True


def read_by_the_verifier(data: bytes) -> bool:
    """Whether the verifier does."""
    try:
        return phoenix_verify.statement_fits(data)
    except Undecided:
        return False


@pytest.mark.parametrize("name", TYPES)
def test_both_readers_say_the_same_of_every_statement(name: str) -> None:
    """Read by both or by neither; what an approve leaves out is refused by the one here, by the other elsewhere."""
    whole_one = FRAME | full(TYPES[name]) | {"type": name}
    assert read_by_phoenix(encode(whole_one)) and read_by_the_verifier(encode(whole_one))
    looked_at = refused = 0
    for spoilt_one, _ in spoilt(whole_one):
        if not isinstance(spoilt_one, dict) or any(spoilt_one.get(each) != FRAME[each] for each in ELSEWHERE):
            continue
        if spoilt_one.get("verdict") == "approve" and None in spoilt_one.values():
            continue
        data = encode(spoilt_one)
        assert read_by_phoenix(data) == read_by_the_verifier(data), spoilt_one
        looked_at, refused = looked_at + 1, refused + (not read_by_phoenix(data))
    assert looked_at > 200 and 0 < refused < looked_at


@pytest.mark.parametrize("missing", ["evidence", "order", "render", "live"])
def test_an_approval_leaves_nothing_out(missing: str) -> None:
    """A reject may."""
    said = FRAME | full(TYPES["decision"]) | {"type": "decision", missing: None}
    assert not read_by_the_verifier(encode(said)) and read_by_the_verifier(encode(said | {"verdict": "reject"}))


def test_a_kind_of_neither_is_read_by_neither() -> None:
    """The verifier knows the kinds that there are, and no other."""
    assert set(KINDS) == {kind.value for kind in Kind}
    with pytest.raises(BadInput):
        _ = body_of("GHOST", {"bead_id": "x"})
    story = resealed([*rows()[:-1], (rows()[-1][0], "GHOST", rows()[-1][2])])
    assert verdict(story.export(), roots_of(story)) == "UNKNOWN_KIND"


# --- and the whole export is no longer called true --------------------------------------------------------------------


@cache
def day() -> tuple[Row, ...]:
    """The honest day, a drift with its answer and a promotion as humans sign them, and one bead with all of its fields
    of each kind that nothing of this tells."""
    told = after(drifted, answered("phoenix-corrected", cleared=True), promotes({}))().beads
    ts, told_of = told[-1].ts, {bead.kind for bead in told}
    more = [(ts, k.value, body_like(k) | {"bead_id": named(k.value)}) for k in Kind if k.value not in told_of]
    return (*((bead.ts, bead.kind, dict(bead.body)) for bead in told), *more)


@cache
def places() -> dict[str, int]:
    """Each kind, and where that day tells one last."""
    return {kind: seq for seq, (_, kind, _) in enumerate(day())}


def changed(kind: str, change: Record, less: str = "") -> tuple[Story, int]:
    """That day with the last bead of a kind changed and all after it sealed anew; and the place of that bead."""
    found, seq = list(day()), places()[kind]
    ts, _, body = found[seq]
    found[seq] = (ts, kind, {name: value for name, value in (body | change).items() if name != less})
    return resealed(found), seq


FIELDS: Final = [(kind, field) for kind, shape in KINDS.items() for field in shape.fields if field != "bead_id"]


def test_a_day_of_every_kind_is_read() -> None:
    """The twin of all that follows: every body fits, whatever else is said of those that nobody's day led to."""
    assert places().keys() == KINDS.keys()
    assert all(misfit(bead.body, KINDS[bead.kind]) is None for bead in resealed(list(day())).beads)
    assert told_of(honest()) == "TRUE"


def told_of(story: Story) -> str:
    """The verifier's whole line on this story."""
    file = BytesIO(story.export())
    try:
        outline = phoenix_verify.check_bytes(file, roots_of(story))
        _ = phoenix_verify.check_meaning(file, outline, roots_of(story))
    except (Lie, Undecided) as found:
        return f"{found.code} {found.place}"
    return "TRUE"


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_field_that_phoenix_could_not_read_is_named(kind: str, field: str) -> None:
    """The chain holds, the root fits, the log's key signs: and the bead, the field and its value are told."""
    story, seq = changed(kind, {field: [[5]]})
    inside = "[0]" if KINDS[kind].fields[field].type is list else ""
    value = "[5]" if inside else "[[5]]"
    assert told_of(story).startswith(f"BAD_BODY bead {seq}, {kind}.{field}{inside} = {value}, not ")
    if field in KINDS[kind].needed:
        assert told_of(changed(kind, {}, field)[0]) == f"BAD_BODY bead {seq}, {kind}.{field} is missing"
    if KINDS[kind].fields[field].words is not None:
        found = told_of(changed(kind, {field: "LATER"})[0])
        assert found.startswith(f'UNKNOWN_WORD bead {seq}, {kind}.{field} = "LATER", not one of ')


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_of_nobodys_is_named(kind: str) -> None:
    """It may be a later version's; whatever it is, nobody calls it true. What it is called does nothing to a screen."""
    story, seq = changed(kind, {"later": {"a": 1}})
    assert told_of(story) == f'UNKNOWN_FIELD bead {seq}, {kind}.later = {{"a": 1}}'
    story, seq = changed(kind, {"\x1b[2J": "\x1b" * 50})
    assert f'{kind}["\\u001b[2J"] = "\\u001b' in told_of(story) and told_of(story).isprintable()
    assert len(told_of(story)) < 200


def test_the_shape_comes_before_what_it_means() -> None:
    """A bead of an append that does not fit is told before anything looks ahead at it."""
    found, seq = list(rows()), honest().places["submit one"] + 2
    found[seq] = (found[seq][0], "ORDER", found[seq][2] | {"event": 5})
    assert told_of(resealed(found)).startswith(f"BAD_BODY bead {seq}, ORDER.event = 5, not one of RECORDED|SENT|")
