"""What an author outside may rely on: the names of phoenix_core, what their signatures speak of, the guide."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Final, get_args, get_type_hints

import attrs
import pytest

import phoenix_core
from phoenix_adapters.seams.files import SUFFIXES
from phoenix_core.gate import cse
from phoenix_core.gate.kill_flags import Standing
from phoenix_core.kernel import _HANDLERS
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.watch.alerts import OpenAlert
from tests.showing import REPOSITORY

# The words that the names of phoenix_core are said in; its docstring and the guide say so too.
WORDS: Final = ("phoenix_core.beads", "phoenix_core.effects", "phoenix_core.facts", "phoenix_core.values")
GUIDE: Final = (REPOSITORY / "docs" / "library-guide.md").read_text("utf-8")
EXAMPLES: Final = sorted((REPOSITORY / "examples").glob("*.py"))


def named_in(module: ModuleType) -> Iterator[object]:
    """What a module gives by name: what it lists, or else what it makes itself. What it only imports, a strict type
    checker does not let an author take from it."""
    listed = getattr(module, "__all__", None)
    for name, found in vars(module).items():
        if name in listed if listed is not None else getattr(found, "__module__", "") == module.__name__:
            yield found


def stable() -> set[int]:
    """Everything that is kept stable, by identity."""
    words = [found for name in WORDS for found in named_in(import_module(name))]
    return {id(found) for found in (*words, *(getattr(phoenix_core, name) for name in phoenix_core.__all__))}


def classes_of(hint: object) -> Iterator[type]:
    """The classes of ours that a type is made of."""
    if isinstance(hint, type) and hint.__module__.startswith("phoenix_"):
        yield hint
    for part in hint if isinstance(hint, list | tuple) else get_args(hint):
        yield from classes_of(part)


def functions_of(found: object) -> Iterator[Callable[..., object]]:
    """What can be called of an export: a function itself, or the methods and properties of a port."""
    if inspect.isfunction(found):
        yield found
    elif getattr(found, "_is_protocol", False):
        for cls in type.mro(found) if isinstance(found, type) else ():
            for method in vars(cls).values():
                asked = method.fget if isinstance(method, property) else method
                if inspect.isfunction(asked) and asked.__module__.startswith("phoenix_"):
                    yield asked


VALUES: Final = [
    found
    for found in (
        *(getattr(phoenix_core, name) for name in phoenix_core.__all__ if name != "Desk"),
        *(found for name in ("phoenix_core.effects", "phoenix_core.facts") for found in named_in(import_module(name))),
    )
    if attrs.has(found)
]


@pytest.mark.parametrize("cls", VALUES, ids=lambda cls: cls.__name__)
def test_what_a_value_is_made_of_can_be_named(cls: type[attrs.AttrsInstance]) -> None:
    """Whoever writes a broker is given frames with lines, and gives lines back: each has a name that is kept stable. A
    desk is made of rooms, of which the guide names what an author may read."""
    known = stable()
    made = {part for field in attrs.fields(attrs.resolve_types(cls)) for part in classes_of(field.type)}
    assert {part for part in made if id(part) not in known} == set()


@pytest.mark.parametrize("name", phoenix_core.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    """Each export has a docstring of its own, and its signature speaks of nothing that an author could not name."""
    found = getattr(phoenix_core, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__doc__
    # Commands are whole families; a bot has one of them, and gets the others from `due` to hand them on.
    known = stable() | {id(command) for command in _HANDLERS}
    for asked in functions_of(found):
        spoken = {cls for hint in get_type_hints(asked).values() for cls in classes_of(hint)}
        assert {cls for cls in spoken if id(cls) not in known} == set(), f"{name}: {asked.__name__}"


def imports_of(source: str) -> Iterator[tuple[str, str]]:
    """Which names a source takes from phoenix_core, and from where."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("phoenix_core"):
            yield from ((node.module or "", alias.name) for alias in node.names)


def snippets() -> list[str]:
    """The guide's own Python."""
    return re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)


@pytest.mark.parametrize("source", [*(path.read_text("utf-8") for path in EXAMPLES), *snippets()])
def test_the_examples_and_the_guide_use_what_is_kept_stable(source: str) -> None:
    """What is shown to an author comes from phoenix_core itself or from its words, and is there."""
    for module, name in imports_of(source):
        assert module in ("phoenix_core", *WORDS), f"{module} is a room inside"
        home = import_module(module)
        assert name in getattr(home, "__all__", vars(home)), f"{module} has no {name}"


def test_the_guide_names_what_is_there() -> None:
    """Each `phoenix_core.NAME` and each attribute of a desk that the guide names exists."""
    assert snippets() and all(name in GUIDE for name in WORDS)
    for dotted in re.findall(r"`phoenix_core\.(\w+)", GUIDE):
        assert hasattr(phoenix_core, dotted), dotted
    for dotted in re.findall(r"`desk\.([\w.]+)", GUIDE):
        at: object = phoenix_core.Desk()
        for part in dotted.split("."):
            at = getattr(at, part)


def test_what_the_guide_says_of_a_desk_is_there() -> None:
    """Each attribute of a row of its table is one of what stands under that name."""
    rows: dict[str, type] = {
        "positions.open": Open,
        "positions.ended": Ended,
        "orders.open": Known,
        "alerts.open": OpenAlert,
        "kill_flags.standing": Standing,
    }
    for dotted, cls in rows.items():
        (told,) = re.findall(rf"^\| `desk\.{re.escape(dotted)}` \| by [^:]+: (.*) \|$", GUIDE, re.M)
        named = re.findall(r"`(\w+)`", told)
        assert named and [name for name in named if not hasattr(cls, name)] == []


def test_the_guide_names_every_field_of_a_signal_and_every_suffix() -> None:
    """Nobody has to find out by quarantine what may be written, or by silence what a file may be called."""
    told = GUIDE.partition("## The library")[0]
    assert [name for name in (*cse.REQUIRED, *cse.OPTIONAL, *SUFFIXES) if f"`{name}`" not in told] == []
    table = {name for row in re.findall(r"^\| (`.*?) \|", told, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert table == set(cse.REQUIRED)


def test_a_private_room_is_noticed() -> None:
    """The test of signatures does bite."""
    from phoenix_core.gate.tokens import Tokens

    def leaks(tokens: dict[str, Tokens]) -> None:
        """Speaks of a slice."""

    (cls,) = {cls for hint in get_type_hints(leaks, None, {"Tokens": Tokens}).values() for cls in classes_of(hint)}
    assert id(cls) not in stable()
