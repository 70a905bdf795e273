"""Frozen records, made fast: each is filled while it is still open, and closed before anybody sees it.

attrs fills a frozen record through the one door that its own `__setattr__` leaves, field by field, which takes four
times as long as filling one that is not frozen. What is written out here, once for each class as attrs writes an
`__init__`, fills an open twin, a subclass that adds nothing but the door, and then makes it the class itself. What
comes of it is the very record that the class makes, and as frozen. It is for where it is hot: replaying, evolving.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar, cast

import attrs

R = TypeVar("R")

_HASH: Final = "_attrs_cached_hash"


def made(source: str, names: dict[str, object]) -> object:
    """The function `made` of this source; every name in it comes from our own classes, none from any input."""
    exec(source, names)
    return names["made"]


def maker(cls: type[R]) -> type[R]:
    """What makes a record of the class from all its fields, in their order; it is called as the class is."""
    record: object = cls  # mypy holds `type` for unhashable, which a cache's key may not be
    return cast(type[R], _maker(record))


@cache
def evolver(cls: object, *changed: str) -> Callable[..., object]:
    """What makes a record of the class from another and its changed fields, in the order of their names here."""
    names = _names(cls)
    assert set(changed) <= set(names), f"{cls} has no field {min(set(changed) - set(names))}"
    values = {name: name if name in changed else f"old.{name}" for name in names}
    return _filled(cls, ["old", *changed], values)


@cache
def _maker(cls: object) -> object:
    names = _names(cls)
    return _filled(cls, names, {name: name for name in names})


def _filled(cls: object, arguments: list[str], values: dict[str, str]) -> Callable[..., object]:
    lines = [f"def made({', '.join(arguments)}):", "new = create(open)"]
    lines += [f"new.{name} = {value}" for name, value in values.items()]
    if hasattr(cls, _HASH):
        lines.append(f"new.{_HASH} = None")
    lines.append("new.__class__ = cls")
    if hasattr(cls, "__attrs_post_init__"):
        lines.append("new.__attrs_post_init__()")
    lines.append("return new")
    source, names = "\n ".join(lines), {"create": object.__new__, "open": _open(cls), "cls": cls}
    return cast(Callable[..., object], made(source, names))


def _names(cls: object) -> list[str]:
    fields = attrs.fields(cast(type[attrs.AttrsInstance], cls))
    plain = all(each.init and each.validator is None and each.converter is None for each in fields)
    assert plain, f"{cls} does more than to take its fields"
    assert all(not each.name.startswith("_") for each in fields), f"{cls} hides a field"
    return [each.name for each in fields]


def _open(cls: object) -> type:
    """A subclass with the same layout that may be filled."""
    assert isinstance(cls, type)
    door = {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(cls)(cls.__name__, (cls,), door)
