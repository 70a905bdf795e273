"""A message's layout as a table, and the two functions that read and write by it.

A record maps the vendor's own field names to text. Rows of a repeated group are flat: `legs` is their count,
`legs.0.conId` the first one's field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import groupby
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


@frozen(eq=False)
class _Run:
    """Fields side by side that a version carries: most of a message, written and read as one."""

    names: tuple[str, ...]
    defaults: tuple[str, ...]


@frozen(eq=False)
class _Perhaps:
    """What an `If` is in a version."""

    holds: Callable[[Mapping[str, str]], bool]
    steps: tuple[_Step, ...]


_Step: TypeAlias = _Run | Rows | _Perhaps


@cache
def _steps(layout: Layout, version: int) -> tuple[_Step, ...]:
    """A layout as one version has it."""
    return _laid(layout.items, version)


def _laid(items: tuple[Item, ...], version: int) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    for run, group in groupby(items, lambda item: isinstance(item, Field)):
        if run:
            there = [one for one in group if isinstance(one, Field) and one.since <= version < one.before]
            steps.append(_Run(tuple(one.name for one in there), tuple(one.default for one in there)))
            continue
        for item in group:
            assert not isinstance(item, Field), "fields stand in runs"
            steps.append(item if isinstance(item, Rows) else _Perhaps(item.holds, _laid(item.items, version)))
    return tuple(steps)


def encode(layout: Layout, record: Mapping[str, str], version: int) -> tuple[str, ...]:
    """A record as fields; what it does not name gets the table's default."""
    strange = {name for name in record.keys() - known(layout) if name.split(".", 1)[0] not in known(layout)}
    assert not strange, f"{layout.name} has no {sorted(strange)}"
    fields = [str(layout.id)]
    _write(_steps(layout, version), record, fields)
    return tuple(fields)


def _write(steps: tuple[_Step, ...], record: Mapping[str, str], fields: list[str]) -> None:
    for step in steps:
        if isinstance(step, _Run):
            fields += map(record.get, step.names, step.defaults)
        elif isinstance(step, Rows):
            rows = record.get(step.name, "0")
            fields.append(rows)
            for row in range(int(rows)):
                at = f"{step.name}.{row}."
                each = step.each + step.more.get(record.get(at + step.each[0].name, ""), ())
                fields += [record.get(at + one.name, one.default) for one in each]
        elif step.holds(record):
            _write(step.steps, record, fields)


def decode(layout: Layout, fields: tuple[str, ...], version: int) -> tuple[Record, tuple[str, ...]]:
    """The record that the fields make by this layout, and the fields beyond it, which a newer peer may add."""
    record: Record = {}
    position = _read(layout, _steps(layout, version), fields, 1, record)
    return record, fields[position:]


def _read(layout: Layout, steps: tuple[_Step, ...], fields: tuple[str, ...], position: int, record: Record) -> int:
    for step in steps:
        if isinstance(step, _Run):
            there = fields[position : position + len(step.names)]
            record.update(zip(step.names, there, strict=False))
            if len(there) < len(step.names):
                raise _ended(layout, fields, step.names[len(there)])
            position += len(there)
        elif isinstance(step, Rows):
            written = _at(layout, step.name, fields, position)
            position += 1
            count = whole(written or "0")
            if count is None or count < 0:
                raise WireError(f"{layout.name}.{step.name} is a count, not {written[:40]!r}")
            record[step.name] = str(count)
            for row in range(count):
                each = step.each + step.more.get(_at(layout, step.name, fields, position), ())
                for one in each:
                    record[f"{step.name}.{row}.{one.name}"] = _at(layout, one.name, fields, position)
                    position += 1
        elif step.holds(record):
            position = _read(layout, step.steps, fields, position, record)
    return position


def _at(layout: Layout, name: str, fields: tuple[str, ...], position: int) -> str:
    if position >= len(fields):
        raise _ended(layout, fields, name)
    return fields[position]


def _ended(layout: Layout, fields: tuple[str, ...], name: str) -> WireError:
    return WireError(f"{layout.name} ends after {len(fields)} fields, before {name}")
