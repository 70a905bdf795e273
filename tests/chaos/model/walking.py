"""What the tests of the walks share: one walk for all that look at it, its questions asked of production, and bugs of
one line that are put into production, in place."""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import pytest

from tests.chaos.model import exits, night, world
from tests.chaos.model.compared import Compared, compare, first_difference
from tests.chaos.model.explore import Exploration, Opening, exploration, resumed
from tests.chaos.model.rules import Command, Intent, Shared

T = TypeVar("T")
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
    return questions_about(Intent, walk)


def questions_about(part: type[T], walk: Exploration) -> list[tuple[Shared, T, Command]]:
    """What a walk asked about worlds of this kind."""
    return [(shared, it, c) for shared, it, c in walk.asked if isinstance(it, part)]


def answered_alike(walk: Exploration, found: Compared) -> bool:
    """Whether the production desk came to each view, and answered each question of a walk as the model does."""
    return found.differ == [] and found.unreached == 0 and found.questions == len(walk.asked)


def goes_on(name: str, path: Path, worlds: int = 700) -> bool:
    """Whether a walk of the night that is kept and taken up again knows what it knew, and ends where it would have."""
    whole, half = (exploration(bits=12, openings=night.WALKS[name]) for _ in range(2))
    whole.walk(worlds)
    half.walk(300)
    half.keep(path / "walk")
    again = resumed(path / "walk", 12, night.WALKS[name])
    again.walk(worlds)
    ended = [(walk.seen.size, walk.steps, list(walk.asked)) for walk in (again, whole)]
    return ended[0] == ended[1]


# What is broken of a model: the table, the rule in it, and how.
Rules = tuple[tuple[str, str, Callable[[Any], Any]], ...]


def breaks(rules: ModuleType, broken: Rules, begins: Opening, worlds: int, patch: pytest.MonkeyPatch) -> Exploration:
    """A walk from here with these rules of the model broken: it says which promise that breaks, and tells the story."""
    for table_name, rule, break_it in broken:
        table: Any = getattr(rules, table_name)
        patch.setitem(table, rule, break_it(table[rule]))
    return by_broken_rules((begins,), worlds)


def says_yes(_: Any) -> Any:
    """A rule that grants everything and changes nothing."""
    return lambda shared, it, c: exits.Verdict("", shared, it)


def leaving_something_else(change: Callable[[T, T], T]) -> Callable[[Any], Any]:
    """A rule that leaves something else, where it leaves anything."""

    def broken(rule: Any) -> Any:
        def judged(shared: Shared, it: T, c: Command) -> Any:
            verdict = rule(shared, it, c)
            return verdict if verdict.intent == it else verdict._replace(intent=change(it, verdict.intent))

        return judged

    return broken


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
