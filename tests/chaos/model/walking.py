"""What the tests of the walks share: one walk for all that look at it, its questions asked of production, and bugs of
one line that are put into production, in place."""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

from tests.chaos.model import world
from tests.chaos.model.compared import Compared, compare, first_difference
from tests.chaos.model.explore import Exploration, Opening, exploration
from tests.chaos.model.leaving import Leaving
from tests.chaos.model.nights import Night
from tests.chaos.model.parting import Parting
from tests.chaos.model.rules import Command, Intent, Shared

# What is broken: the function, a piece of its text that stands there once, what is written in its place, and the
# commands whose answer tells.
Broken = tuple[Callable[..., Any], str, str, tuple[str, ...]]


def fixtures(openings: tuple[Opening, ...], worlds: int) -> tuple[Callable[..., Exploration], Callable[..., Compared]]:
    """Of a module: its walk, and every question of that asked of the production desk."""

    @pytest.fixture(scope="module")
    def walked() -> Exploration:
        """One walk for all that look at it."""
        walk = exploration(told=True, openings=openings)
        walk.walk(worlds)
        return walk

    @pytest.fixture(scope="module")
    def compared(walked: Exploration) -> Compared:
        """Every question of that walk, asked of the production desk."""
        return compare(walked.asked, "NONE")

    return walked, compared


def questions(walk: Exploration) -> list[tuple[Shared, Intent, Command]]:
    """What the first three walks asked."""
    return [(shared, it, c) for shared, it, c in walk.asked if isinstance(it, Intent)]


def questions_about_leaving(walk: Exploration) -> list[tuple[Shared, Leaving, Command]]:
    """What the fourth walk asked."""
    return [(shared, it, c) for shared, it, c in walk.asked if isinstance(it, Leaving)]


def questions_about_parting(walk: Exploration) -> list[tuple[Shared, Parting, Command]]:
    """What the fifth walk asked."""
    return [(shared, it, c) for shared, it, c in walk.asked if isinstance(it, Parting)]


def questions_about_nights(walk: Exploration) -> list[tuple[Shared, Night, Command]]:
    """What the sixth walk asked."""
    return [(shared, it, c) for shared, it, c in walk.asked if isinstance(it, Night)]


def by_broken_rules(openings: tuple[Opening, ...], worlds: int) -> Exploration:
    """A walk of its own, by rules of which no answer is remembered before or afterwards."""
    world.judged.cache_clear()
    walk = exploration(told=True, openings=openings)
    walk.walk(worlds)
    world.judged.cache_clear()
    return walk


def put_into_production(broken: Broken, walk: Exploration, found: Compared, patch: pytest.MonkeyPatch) -> str:
    """The first difference that a broken line of production makes, wherever it is called from; nothing where none."""
    function, old, new, told_by = broken
    patch.setattr(function, "__code__", reworded(function, old, new).__code__)
    return first_difference(walk.asked, found.desks, told_by)


def reworded(function: Callable[..., Any], old: str, new: str) -> FunctionType:
    """The function with one piece of its text replaced, over the same names."""
    assert isinstance(function, FunctionType)
    text = textwrap.dedent(inspect.getsource(function))
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {function.__name__}"
    text = text.replace("@property\n", "").replace(old, new)
    names: dict[str, Any] = {}
    flags = __future__.annotations.compiler_flag
    exec(compile(text, function.__code__.co_filename, "exec", flags), function.__globals__, names)
    made = names[function.__name__]
    assert isinstance(made, FunctionType)
    return made
