"""What is claimed to be shown was promised, and the committed table says the same as the source."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.showing import (
    APART_FILE,
    REPOSITORY,
    TABLE_FILE,
    Showing,
    definitions,
    inherited,
    promises,
    showings,
    showings_of,
    table,
    told_apart,
)

MARKED: Final = '''
import pytest
from tests.showing import shows

TABLE = [pytest.param(1, marks=shows("F01"))]

@shows("I1", "X1")
class TestDesk:
    """A class."""

    @pytest.mark.paper
    @shows("L2")
    def test_one(self) -> None:
        """A member."""

@shows("M9", *("M10", "M12"))
async def test_two() -> None:
    """A test."""
'''


def test_the_committed_table_is_what_the_source_says() -> None:
    """docs/traceability.md is generated; whoever adds or moves a mark writes it anew."""
    assert TABLE_FILE.read_text("utf-8") == table(showings()), "run: python -m pytest --write-traceability"


def test_every_mark_names_a_promise() -> None:
    """No test claims to show what was never promised, in files that this run did not collect either."""
    assert {id for showing in showings() for id in showing.ids} - promises().keys() == set()


def test_marks_are_found_where_they_stand() -> None:
    """On a test, a class, a member that runs apart; anything else counts for the file."""
    assert list(showings_of("t.py", MARKED)) == [
        Showing("t.py::TestDesk", ("I1", "X1")),
        Showing("t.py::TestDesk::test_one", ("L2",), "paper"),
        Showing("t.py::test_two", ("M9", "M10", "M12")),
        Showing("t.py", ("F01",)),
    ]


def test_an_id_that_is_computed_is_refused() -> None:
    """The table is read from the source, so a mark must be readable there."""
    with pytest.raises(pytest.UsageError, match="plain strings"):
        list(showings_of("t.py", "@shows(*ALL)\ndef test_x(): pass"))


def test_a_showing_covers_its_cases_and_members_only() -> None:
    """A mark on `test_a` says nothing of `test_ab`."""
    showing = Showing("t.py::test_a", ("I1",))
    assert [showing.covers(node) for node in ("t.py::test_a", "t.py::test_a[1]", "t.py::test_ab")] == [
        True,
        True,
        False,
    ]
    assert Showing("t.py", ("I1",)).covers("t.py::TestX::test_y")


def test_the_table_counts_and_says_what_is_not_yet_shown() -> None:
    """A promise that no test shows is not left out."""
    text = table([Showing("tests/unit/test_x.py::test_y", ("I1",), "slow")])
    assert "| I1 | " in text
    assert "| `unit/test_x.py::test_y` *(slow)* |" in text
    apart = len(told_apart())
    assert text.count("**not yet**") == len(promises()) - 1 - apart
    assert text.count("*no test: ") == apart
    assert f"| all | {len(promises())} | 1 | {apart} | {len(promises()) - 1 - apart} |" in text


def test_what_is_told_apart_is_a_promise_that_no_test_shows() -> None:
    """Each has a reason; one that a test shows after all, or that nobody made, is a reason too many."""
    shown = {id for showing in showings() for id in showing.ids}
    by_name = tomllib.loads(APART_FILE.read_text("utf-8"))["ids"]
    assert by_name.keys() - promises().keys() == set()
    assert by_name.keys() & shown == set()
    assert all(len(why) > 10 for why in told_apart().values())


def test_the_marks_of_a_suite_are_those_of_each_class_that_plays_it() -> None:
    """A suite's class and its members, under the name of the class that takes them over."""
    suite = '@shows("I1")\nclass Suite:\n    @shows("I2")\n    def test_a(self): pass\nclass Other:\n    pass\n'
    text = "from tests.x.suite import Suite\nclass TestMine(Suite):\n    pass\nclass TestOther:\n    pass\n"
    assert list(inherited("t.py", text, lambda module: {"tests/x/suite.py": suite}[module])) == [
        Showing("t.py::TestMine", ("I1",)),
        Showing("t.py::TestMine::test_a", ("I2",)),
    ]


def test_an_invariant_is_quoted_word_for_word() -> None:
    """Where the docstring of a class begins with the id of an invariant, it goes on with what was promised."""
    files = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    found = [quote for file in files for quote in quotes(file.name, file.read_text("utf-8"))]
    assert [quote for quote in found if not faithful(*quote[1:])] == []


def quotes(path: str, text: str) -> Iterator[tuple[str, str, str]]:
    """The classes whose docstring begins with the id of an invariant: node, id, and the docstring on one line."""
    for node, owners in definitions(ast.parse(text), ()):
        said = " ".join((ast.get_docstring(node) or "").split())
        promise = promises().get(said.partition(" ")[0].rstrip(":"))
        if isinstance(node, ast.ClassDef) and promise is not None and promise.area.endswith("invariants"):
            yield "::".join((path, *owners, node.name)), promise.id, said


def faithful(id: str, said: str) -> bool:
    """Whether it says what was promised; the short name before the colon may be written in its own way."""
    promise = promises()[id]
    words = promise.says.partition(": ")[2] if promise.area == "desk_invariants" else promise.says
    return words.rstrip(".") in said


def test_a_misquotation_is_found() -> None:
    """Other words under the same id would be another promise."""
    right = "INV-CSE-1: Only a schema-valid canonical signal reaches the gate."
    wrong = "INV-CSE-1: Signals are checked."
    assert list(quotes("t.py", f'class TestX:\n    """{wrong}"""')) == [("t.py::TestX", "INV-CSE-1", wrong)]
    assert [faithful("INV-CSE-1", each) for each in (right, wrong)] == [True, False]


def test_an_unknown_id_ends_the_run(tmp_path: Path) -> None:
    """The collection itself fails, whatever else the run would have shown."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n", "utf-8")
    test = tmp_path / "test_strange.py"
    test.write_text('from tests.showing import shows\n\n@shows("I1", "I999")\ndef test_x(): pass\n', "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml", "--rootdir", tmp_path, test],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "not in docs/spec/ids.toml: 'I999' in test_strange.py::test_x" in ran.stderr
