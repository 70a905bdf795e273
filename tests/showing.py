"""How a test says what it shows: `@shows("INV-T2-TOKEN-1", "S32-TOK-03")`.

The ids are those of docs/spec/ids.toml; one that is not there fails the collection. docs/traceability.md is the table
of ids against tests; `pytest --write-traceability` writes it anew, from a run in which every marked test passed.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

REPOSITORY: Final = Path(__file__).resolve().parent.parent
IDS_FILE: Final = REPOSITORY / "docs" / "spec" / "ids.toml"
APART_FILE: Final = REPOSITORY / "docs" / "spec" / "apart.toml"
TABLE_FILE: Final = REPOSITORY / "docs" / "traceability.md"

# Marks that keep a test out of the default run; the table says so beside the test.
APART: Final = ("paper", "slow")


@frozen
class Promise:
    """One thing that the project promises, under the id that tests name."""

    id: str
    area: str
    says: str


@cache
def told_apart() -> Mapping[str, str]:
    """Promises that no test shows, each with the reason: a person's to show, a real account's, settled otherwise."""
    written: dict[str, dict[str, str]] = tomllib.loads(APART_FILE.read_text("utf-8"))
    by_area = {p.id: why for p in promises().values() if (why := written["areas"].get(p.area))}
    return {**by_area, **written["ids"]}


@frozen(order=True)
class Showing:
    """A test, a class of tests or a module of them that says that it shows a promise, as the source has it."""

    node: str
    ids: tuple[str, ...]
    apart: str = ""

    def covers(self, nodeid: str) -> bool:
        """Whether a test that ran is this one, a case of it, or a member of it."""
        return nodeid == self.node or nodeid.startswith((self.node + "::", self.node + "["))


def shows(*ids: str) -> pytest.MarkDecorator:
    """Mark a test, a class or (as `pytestmark`) a module with the ids of what it shows."""
    assert ids, "a test that shows nothing needs no mark"
    return pytest.mark.shows(*ids)


@cache
def promises() -> Mapping[str, Promise]:
    """Every known id, in the order of the file, which is by area."""
    areas: dict[str, dict[str, str]] = tomllib.loads(IDS_FILE.read_text("utf-8"))
    return {id: Promise(id, area, says) for area, ids in areas.items() for id, says in ids.items()}


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# --- what the source says ---------------------------------------------------------------------------------------------


def showings() -> list[Showing]:
    """Every mark in the tests, read from the source, so that no test has to run to know what is claimed."""
    found: list[Showing] = []
    for file in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        path, text = file.relative_to(REPOSITORY).as_posix(), file.read_text("utf-8")
        found += showings_of(path, text)
        found += inherited(path, text, lambda module: (REPOSITORY / module).read_text("utf-8"))
    return sorted(found)


def inherited(path: str, text: str, read: Callable[[str], str]) -> Iterator[Showing]:
    """The marks of a suite, for each class of this file that plays it against an adapter of its own."""
    module = ast.parse(text, path)
    suites = {
        name.asname or name.name: (f"{node.module.replace('.', '/')}.py", name.name)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith(".suite")
        for name in node.names
    }
    for node, owners in definitions(module, ()):
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            if isinstance(base, ast.Name) and base.id in suites:
                where, name = suites[base.id]
                for mark in showings_of(where, read(where)):
                    inside = mark.node.removeprefix(f"{where}::")
                    if inside == name or inside.startswith(f"{name}::"):
                        member = (node.name, *inside.split("::")[1:])
                        yield Showing("::".join((path, *owners, *member)), mark.ids, mark.apart)


def showings_of(path: str, text: str) -> Iterator[Showing]:
    """The marks of one file: on its tests and classes; any other (pytestmark, a row of a table) is the file's."""
    module = ast.parse(text, path)
    decorated: set[ast.AST] = set()
    for node, owners in definitions(module, ()):
        marks = [each for decorator in node.decorator_list for each in ast.walk(decorator)]
        decorated |= set(marks)
        if ids := _ids(path, marks):
            apart = next((word for word in APART if any(_named(each, word) for each in marks)), "")
            yield Showing("::".join((path, *owners, node.name)), ids, apart)
    if ids := _ids(path, [node for node in ast.walk(module) if node not in decorated]):
        yield Showing(path, ids)


def definitions(within: ast.AST, owners: tuple[str, ...]) -> Iterator[tuple[Definition, tuple[str, ...]]]:
    """Every function and class of a file with the classes around it."""
    for node in ast.iter_child_nodes(within):
        if isinstance(node, Definition):
            yield node, owners
            if isinstance(node, ast.ClassDef):
                yield from definitions(node, (*owners, node.name))


def _ids(path: str, nodes: list[ast.AST]) -> tuple[str, ...]:
    calls = [node for node in nodes if isinstance(node, ast.Call) and _named(node.func, "shows")]
    return tuple(dict.fromkeys(id for call in calls for argument in call.args for id in _written(path, argument)))


def _written(path: str, argument: ast.expr) -> tuple[str, ...]:
    """The ids of one argument: a string, or a starred row of strings to keep lines short."""
    row = argument.value if isinstance(argument, ast.Starred) else argument
    each = row.elts if isinstance(row, ast.Tuple) else [row]
    ids = tuple(one.value for one in each if isinstance(one, ast.Constant) and isinstance(one.value, str))
    if len(ids) != len(each):
        raise pytest.UsageError(f"{path}:{argument.lineno}: shows() takes ids as plain strings")
    return ids


def _named(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


# --- the table --------------------------------------------------------------------------------------------------------

HEAD: Final = """\
# What shows what

Every promise of the project (docs/spec/ids.toml) against the tests that show it. Written by
`pytest --write-traceability`, from a run in which every test below passed; a test compares this file with the marks in
the source. *(paper)* needs a real gateway and runs in `nox -s paper`, *(slow)* runs in `nox -s night`. *Told apart* are
promises that no test of this project can show, each with its reason (docs/spec/apart.toml).
"""


def table(shown: list[Showing]) -> str:
    """The whole of docs/traceability.md for these marks."""
    by_id: dict[str, list[Showing]] = defaultdict(list)
    for showing in shown:
        for id in showing.ids:
            by_id[id].append(showing)
    by_area: dict[str, list[Promise]] = defaultdict(list)
    for promise in promises().values():
        by_area[promise.area].append(promise)

    lines = [HEAD, "| area | promises | shown | told apart | not yet |", "|---|--:|--:|--:|--:|"]
    for area, promised in by_area.items():
        lines.append(f"| [{area}](#{area}) {_counts(promised, by_id)}")
    lines.append(f"| all {_counts(list(promises().values()), by_id)}")

    for area, promised in by_area.items():
        lines += ["", f"## {area}", "", "| id | promise | shown by |", "|---|---|---|"]
        for promise in promised:
            by = "<br>".join(_cell(showing) for showing in by_id.get(promise.id, ()))
            why = f"*no test: {told_apart()[promise.id]}*" if promise.id in told_apart() else "**not yet**"
            lines.append(f"| {promise.id} | {promise.says.replace('|', '&#124;')} | {by or why} |")
    return "\n".join(lines) + "\n"


def _counts(promised: list[Promise], by_id: Mapping[str, list[Showing]]) -> str:
    shown = sum(promise.id in by_id for promise in promised)
    apart = sum(promise.id in told_apart() and promise.id not in by_id for promise in promised)
    return f"| {len(promised)} | {shown} | {apart} | {len(promised) - shown - apart} |"


def _cell(showing: Showing) -> str:
    return f"`{showing.node.removeprefix('tests/')}`" + (f" *({showing.apart})*" if showing.apart else "")
