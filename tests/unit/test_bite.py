"""The engine of `nox -s bite` notices what it must, and its table has not rotted."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import fields

from phoenix_core.gate.guards import Lights
from phoenix_core.trade.transitions import TRANSITIONS
from tests.bite.run import BadBreakage, Breakage, breakages, unnoticed
from tests.showing import REPOSITORY, promises, showings

RULE: Final = "LIMIT = 5\n\n\ndef may(age):\n    return age < LIMIT\n"
TESTS: Final = "from toy import may\n\ndef test_young(): assert may(4)\n\ndef test_old(): assert not may(5)\n"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A repository of one rule and two tests."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "toy.py").write_text(RULE, "utf-8")
    (tmp_path / "test_toy.py").write_text(TESTS, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = paper\n", "utf-8")
    return tmp_path


def breaking(new: str, test: str, old: str = "return age < LIMIT") -> Breakage:
    """A breakage of the toy's rule."""
    return Breakage("toy", "src/toy.py", old, new, f"test_toy.py::{test}")


def test_a_breakage_that_is_noticed(toy: Path) -> None:
    """The named test fails on the broken copy, and the source itself is not touched."""
    assert unnoticed(breaking("return age <= LIMIT", "test_old"), toy) is None
    assert (toy / "src" / "toy.py").read_text("utf-8") == RULE


def test_a_breakage_that_is_not_noticed(toy: Path) -> None:
    """A test that passes on the broken copy is reported by name."""
    assert (
        unnoticed(breaking("return age <= LIMIT", "test_young"), toy) == "toy: test_toy.py::test_young does not notice"
    )


def test_a_test_that_cannot_run_proves_nothing(toy: Path) -> None:
    """A missing test, or a module that no longer imports, is not a rule that bites."""
    assert "could not run" in str(unnoticed(breaking("return age <= LIMIT", "test_gone"), toy))
    assert "could not run" in str(unnoticed(breaking("LIMIT = nowhere", "test_old", old="LIMIT = 5"), toy))


@pytest.mark.parametrize(
    ("new", "old", "why"),
    [
        ("return age <= LIMIT", "return age < 6", "stands 0 times"),
        ("return age < LIMIT", "return age < LIMIT", "one line for another"),
        ("return age <", "return age < LIMIT", "not Python"),
    ],
)
def test_a_bad_row_is_an_error(toy: Path, new: str, old: str, why: str) -> None:
    """A row whose line is gone, that changes nothing, or that writes no Python, is refused."""
    with pytest.raises(BadBreakage, match=why):
        unnoticed(breaking(new, "test_old", old=old), toy)


def test_a_line_that_stands_twice_is_an_error(toy: Path) -> None:
    """Nobody could say which of the two was broken."""
    (toy / "src" / "toy.py").write_text(RULE + RULE, "utf-8")
    with pytest.raises(BadBreakage, match="stands 2 times"):
        unnoticed(breaking("return True", "test_old"), toy)


# What no line of ours decides, so that no line can be broken for it: who shows it instead.
APART: Final = {
    "INV-IBKR-MOCK-1": "of the tests themselves; tests/unit/test_laws.py reads them",
    "INV-IBKR-CONFIG-1": "of every file at once; tests/unit/test_rooms.py reads them",
    "INV-TELEGRAM-LIVE-1": "a real device's",
    "INV-UX-APPROVAL-1": "a person's",
    "I25": "of a whole run; tests/chaos/test_sim.py tells one twice",
}


def test_every_guard_row_and_invariant_has_a_breakage() -> None:
    """Thirteen lights, every row of the table of states, every invariant: each by its name, and by a test that says
    that it shows the invariant."""
    rows = {row.id: row for row in breakages()}
    guards = {f"lights.{light.name}" for light in fields(Lights)}
    table = {f"transitions.{state.name}-{event.name}" for state, event in TRANSITIONS}
    invariants = {id for id in promises() if re.fullmatch(r"INV-.*|[IX][0-9]+", id)}
    assert not guards - rows.keys()
    assert {id for id in rows if re.fullmatch(r"transitions\.[A-Z]+-[A-Z_]+", id)} == table
    assert invariants - rows.keys() == APART.keys()
    shown = showings()
    for id in sorted(invariants & rows.keys()):
        assert any(id in each.ids and each.covers(rows[id].test) for each in shown), (
            f"{rows[id].test} does not show {id}"
        )


@cache
def _named_in(path: str) -> frozenset[str]:
    """A file of tests, its functions and its classes, each as a row of the table names it within the file."""

    def named(within: ast.AST, before: str) -> Iterator[str]:
        for node in ast.iter_child_nodes(within):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield before + node.name
                yield from named(node, f"{before}{node.name}::")

    return frozenset(["", *named(ast.parse((REPOSITORY / path).read_text("utf-8")), "")])


def test_the_table_has_not_rotted(tmp_path: Path) -> None:
    """Every listed line still stands once in its file, and every named test is still there."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    for row in breakages():
        whole = (tmp_path / row.file).read_text("utf-8")
        row.apply(tmp_path)
        (tmp_path / row.file).write_text(whole, "utf-8")
        path, _, names = row.test.partition("[")[0].partition("::")
        assert names in _named_in(path), f"{row.id}: {row.test} is not there"
