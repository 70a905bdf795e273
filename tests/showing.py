"""How a test says what it shows: `@shows("INV-T2-TOKEN-1", "S32-TOK-03")`.

The ids are those of docs/spec/ids.toml; one that is not there fails the collection. docs/traceability.md is the table
of ids against tests.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

REPOSITORY: Final = Path(__file__).resolve().parent.parent
IDS_FILE: Final = REPOSITORY / "docs" / "spec" / "ids.toml"


@frozen
class Promise:
    """One thing that the project promises, under the id that tests name."""

    id: str
    area: str
    says: str


def shows(*ids: str) -> pytest.MarkDecorator:
    """Mark a test, a class or (as `pytestmark`) a module with the ids of what it shows."""
    assert ids, "a test that shows nothing needs no mark"
    return pytest.mark.shows(*ids)


@cache
def promises() -> dict[str, Promise]:
    """Every known id, in the order of the file, which is by area."""
    areas: dict[str, dict[str, str]] = tomllib.loads(IDS_FILE.read_text("utf-8"))
    return {id: Promise(id, area, says) for area, ids in areas.items() for id, says in ids.items()}
