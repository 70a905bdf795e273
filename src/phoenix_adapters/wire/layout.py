"""A message's layout as a table, and the two functions that read and write by it.

A record maps the vendor's own field names to text. Rows of a repeated group are flat: `legs` is their count,
`legs.0.conId` the first one's field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TypeAlias

from attrs import frozen

from phoenix_adapters.wire.framing import WireError, whole

Record: TypeAlias = dict[str, str]


@frozen
class Field:
    """One field; `since` and `before` are the server versions that carry it."""

    name: str
    default: str = ""
    since: int = 0
    before: int = 1_000


@frozen
class Rows:
    """A count, then that many times the same fields, and after them those that the row's first field asks for."""

    name: str
    each: tuple[Field, ...]
    more: Mapping[str, tuple[Field, ...]] = {}


@frozen
class If:
    """Fields that are there only if those before them say so."""

    holds: Callable[[Mapping[str, str]], bool]
    items: tuple[Item, ...]


Item: TypeAlias = Field | Rows | If


@frozen(eq=False)  # known by identity: there is one of each, and tables inside do not hash
class Layout:
    """One message: its number on the wire, its name, and what follows."""

    id: int
    name: str
    items: tuple[Item, ...]


def plain(*names: str) -> tuple[Field, ...]:
    """Fields without default or version; `name=value` gives a default."""
    return tuple(Field(name, default) for name, _, default in (one.partition("=") for one in names))


def names(items: tuple[Item, ...]) -> Iterator[str]:
    """Every field name that the items can carry, rows by their count."""
    for item in items:
        if isinstance(item, If):
            yield from names(item.items)
        else:
            yield item.name


@cache
def known(layout: Layout) -> frozenset[str]:
    """The names that a record of this layout may have."""
    return frozenset(names(layout.items))


def encode(layout: Layout, record: Mapping[str, str], version: int) -> tuple[str, ...]:
    """A record as fields; what it does not name gets the table's default."""
    strange = {name for name in record if name.split(".", 1)[0] not in known(layout)}
    assert not strange, f"{layout.name} has no {sorted(strange)}"
    fields = [str(layout.id)]
    _write(layout.items, record, version, fields)
    return tuple(fields)


def _write(items: tuple[Item, ...], record: Mapping[str, str], version: int, fields: list[str]) -> None:
    for item in items:
        if isinstance(item, Field):
            if item.since <= version < item.before:
                fields.append(record.get(item.name, item.default))
        elif isinstance(item, Rows):
            rows = record.get(item.name, "0")
            fields.append(rows)
            for row in range(int(rows)):
                at = f"{item.name}.{row}."
                each = item.each + item.more.get(record.get(at + item.each[0].name, ""), ())
                fields += [record.get(at + one.name, one.default) for one in each]
        elif item.holds(record):
            _write(item.items, record, version, fields)


def decode(layout: Layout, fields: tuple[str, ...], version: int) -> tuple[Record, tuple[str, ...]]:
    """The record that the fields make by this layout, and the fields beyond it, which a newer peer may add."""
    record: Record = {}
    position = _read(layout, layout.items, fields, 1, version, record)
    return record, fields[position:]


def _read(
    layout: Layout, items: tuple[Item, ...], fields: tuple[str, ...], position: int, version: int, record: Record
) -> int:
    end = len(fields)
    for item in items:
        if isinstance(item, Field):
            if item.since <= version < item.before:
                # A place frame has a hundred of these: the call is left out, its look at the end is not.
                record[item.name] = fields[position] if position < end else _at(layout, item.name, fields, position)
                position += 1
        elif isinstance(item, Rows):
            written = _at(layout, item.name, fields, position)
            position += 1
            count = whole(written or "0")
            if count is None or count < 0:
                raise WireError(f"{layout.name}.{item.name} is a count, not {written[:40]!r}")
            record[item.name] = str(count)
            for row in range(count):
                each = item.each + item.more.get(_at(layout, item.name, fields, position), ())
                for one in each:
                    record[f"{item.name}.{row}.{one.name}"] = _at(layout, one.name, fields, position)
                    position += 1
        elif item.holds(record):
            position = _read(layout, item.items, fields, position, version, record)
    return position


def _at(layout: Layout, name: str, fields: tuple[str, ...], position: int) -> str:
    if position >= len(fields):
        raise WireError(f"{layout.name} ends after {len(fields)} fields, before {name}")
    return fields[position]
