"""What the README shows is what the code does and what CI runs."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import Final

import pytest

from phoenix_core.trade.transitions import TRANSITIONS
from tests import drawing
from tests.showing import REPOSITORY

SAYS: Final = drawing.README.read_text("utf-8")
COMMANDS: Final = [line for block in re.findall(r"```console\n(.*?)```", SAYS, re.S) for line in block.splitlines()]


def test_the_diagram_is_drawn_from_the_table() -> None:
    """The state diagram of the README is generated from TRANSITIONS: `python -m tests.drawing` writes it anew."""
    assert drawing.drawn(SAYS, drawing.diagram(TRANSITIONS)) == SAYS


def test_a_diagram() -> None:
    """Moves between the same two states share an arrow; a state without moves is an end."""
    table = {("A", "Go"): "B", ("A", "Run"): "B", ("A", "Stop"): "C"}
    assert drawing.diagram(table).splitlines()[1:-1] == [
        "stateDiagram-v2",
        "    [*] --> A",
        "    A --> B: Go, Run",
        "    A --> C: Stop",
        "    B --> [*]",
        "    C --> [*]",
    ]


def test_a_readme_without_its_marks_is_refused() -> None:
    """A diagram that has nowhere to stand would be lost in silence."""
    with pytest.raises(AssertionError, match="has lost"):
        drawing.drawn("# Phoenix\n", "")


def test_two_commands_set_up_and_one_each_runs_and_tests() -> None:
    """A newcomer needs no other command; CI runs these very ones."""
    assert COMMANDS == [
        "python3 -m venv .venv",
        ".venv/bin/pip install -e '.[test]'",
        ".venv/bin/phoenix demo",
        ".venv/bin/python -m nox",
    ]
    ci = (REPOSITORY / ".ci" / "run").read_text("utf-8").replace('"$place/venv/bin/', '".venv/bin/')
    assert 'python3 -m venv "$place/venv"' in ci
    assert "\".venv/bin/pip\" install --quiet -e '.[test]'" in ci
    assert '".venv/bin/python" -m nox' in ci


def test_the_command_and_the_extra_exist() -> None:
    """`phoenix` is installed by the project, and the extra that the README installs is one of its own."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert shlex.split(COMMANDS[1])[-1] == ".[test]"
    assert "test" in project["optional-dependencies"]
    assert project["scripts"] == {"phoenix": "phoenix_cli.__main__:main"}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", SAYS))
def test_every_link_leads_somewhere(link: str) -> None:
    """A page that the README names stands in the repository, or is written by the session that it names."""
    assert (REPOSITORY / link).exists() or link in {"docs/mutation.md"}
