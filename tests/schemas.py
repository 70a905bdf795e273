"""Draws docs/spec/beads.md and docs/spec/schemas from the classes of the beads: `python -m tests.schemas`."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Final, NewType

import attrs

from phoenix_core.beads import BODIES, Body, Kind, Settles
from phoenix_core.desk import OWNERS
from phoenix_core.records import Json, key_of, schema_of
from tests.showing import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "spec" / "beads.md"
FOLDER: Final = REPOSITORY / "docs" / "spec" / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INTRODUCTION: Final = """# Beads

Drawn by `python -m tests.schemas` from `src/phoenix_core/bodies`; a test fails when this page or a schema differs.

Every bead is `{seq, prev, ts, kind, body}`, sealed as docs/spec/log.md says. Every body has its `bead_id` and, where
it answers obligations, `settles`: a list of `{seq, index, outcome}`. Nothing else than what stands here is read: an
unknown key, a missing one, null or a value of another type is refused with its path. A field that does not apply is
left out, and one that a later version adds can be left out too; nothing is taken away: so every log of an older build
is read, and one of a newer build is refused where it says more. Decimals are text in one spelling (`1.085`, never
`1.0850` or `1e3`), instants are UTC text with microseconds,
durations are whole microseconds.
"""


def schema(kind: Kind) -> dict[str, Json]:
    """The JSON Schema of a body as it is sealed: the fields of its class, its id, and what it settles."""
    drawn = schema_of(BODIES[kind])
    properties, required = drawn["properties"], drawn.get("required", [])
    assert isinstance(properties, dict) and isinstance(required, list)
    properties["bead_id"] = {"type": "string"}
    properties["settles"] = {"type": "array", "items": schema_of(Settles), "minItems": 1}
    about: dict[str, Json] = {"$schema": DIALECT, "title": kind.value, "description": said_of(BODIES[kind])}
    return {**about, **drawn, "required": [*required, "bead_id"]}


def said_of(cls: type) -> str:
    """The first line of a class's own docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]


def type_text(hint: object) -> str:
    """An annotation in the words of the page."""
    while isinstance(hint, NewType):
        if hint.__supertype__ in (str, Decimal):
            return hint.__name__
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_text(each) for each in arguments if each is not type(None))
    if origin is tuple:
        return f"list of {type_text(arguments[0])}"
    if origin is Mapping:
        return "object of texts"
    assert isinstance(hint, type), f"{hint} has no words"
    if issubclass(hint, Enum):
        return " · ".join(f"`{member.value}`" for member in hint)
    return {"str": "text", "int": "integer", "bool": "true or false", "timedelta": "duration"}.get(
        hint.__name__, hint.__name__
    )


def is_optional(hint: object) -> bool:
    """Whether a field is left out where it does not apply."""
    return type(None) in typing.get_args(hint)


def rows(cls: type) -> list[str]:
    """One row of a table for each field."""
    hints = typing.get_type_hints(cls)
    return [
        f"| `{key_of(a.name)}` | {type_text(hints[a.name])} | {'no' if is_optional(hints[a.name]) else 'yes'} |"
        for a in attrs.fields(cls)
    ]


def records(cls: type, found: dict[str, type]) -> None:
    """The records inside a class, found by name."""
    for hint in typing.get_type_hints(cls).values():
        for each in _inside(hint):
            if attrs.has(each) and each.__name__ not in found:
                found[each.__name__] = each
                records(each, found)


def _inside(hint: object) -> list[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        return [hint]
    return [each for argument in typing.get_args(hint) for each in _inside(argument)]


def page() -> str:
    """The whole page: one table for each kind, then one for each record inside them."""
    parts = [INTRODUCTION]
    inner: dict[str, type] = {}
    head = ["| field | type | required |", "|---|---|---|"]
    for kind in Kind:
        cls: type[Body] = BODIES[kind]
        records(cls, inner)
        told = f"{said_of(cls)} Folded by `{OWNERS[kind]}`. Schema: [{kind}.json](schemas/{kind}.json)."
        parts.append("\n".join([f"## {kind}", "", told, "", *head, *rows(cls), ""]))
    parts.append("# Records inside beads\n")
    for name in sorted(inner):
        parts.append("\n".join([f"## {name}", "", said_of(inner[name]), "", *head, *rows(inner[name]), ""]))
    return "\n".join(parts)


def files() -> dict[Path, str]:
    """Every generated file, by path."""
    drawn = {FOLDER / f"{kind}.json": json.dumps(schema(kind), indent=2, sort_keys=True) + "\n" for kind in Kind}
    return {PAGE: page(), **drawn}


def main() -> None:
    """Write the page and the schemas anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        _ = path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
