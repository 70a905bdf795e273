"""docs/gateway.md lists what there is: its tables are those of the code."""

from __future__ import annotations

import re

import pytest

from phoenix_adapters.gateway import ACTS, MENU
from phoenix_adapters.gateway.script import read
from tests.showing import REPOSITORY

PAGE = REPOSITORY / "docs" / "gateway.md"


def faults() -> list[str]:
    """The menu as a table."""
    rows = [f"| `{name}{'=' + one.argument if one.argument else ''}` | {one.says} |" for name, one in MENU.items()]
    return ["| fault | what happens |", "|---|---|", *rows]


def acts() -> list[str]:
    """The acts as a table."""
    rows = [
        f"| `{name}` | {one.says} | {', '.join(one.needs)} | {', '.join(one.may)} |" for name, one in ACTS.items()
    ]  # fmt: skip
    return ["| act | what it does | needs | may have |", "|---|---|---|---|", *rows]


def block(name: str) -> list[str]:
    """What stands in the page between the marks."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found, f"docs/gateway.md has no mark <!-- {name} -->"
    return found[1].strip().splitlines()


@pytest.mark.parametrize(("name", "rows"), [("faults", faults()), ("acts", acts())])
def test_the_page_lists_what_the_code_has(name: str, rows: list[str]) -> None:
    """Replace the block by the expected rows where they differ."""
    assert block(name) == rows


def test_the_scripts_of_the_page_can_be_read() -> None:
    """Every JSON block is a script."""
    scripts = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert [len(read(script.splitlines())) for script in scripts] == [3]
