"""docs/architecture.md shows the rooms and the owners that the code has; links between documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import phoenix_core
from tests import drawing_house
from tests.showing import REPOSITORY

ADAPTERS = REPOSITORY / "src" / "phoenix_adapters"
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))


@pytest.mark.parametrize("name", drawing_house.PARTS)
def test_a_page_is_drawn_from_the_code(name: str) -> None:
    """`python -m tests.drawing_house` writes it anew."""
    page = (drawing_house.DOCS / name).read_text("utf-8")
    assert drawing_house.drawn(page, drawing_house.PARTS[name]) == page


def test_a_page_without_its_marks_is_refused() -> None:
    """A part that has nowhere to stand would be lost in silence."""
    with pytest.raises(AssertionError, match="has lost"):
        _ = drawing_house.drawn("# Architecture\n", drawing_house.PARTS["architecture.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """What a page points to stands in the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_public_names() -> None:
    """What a bot imports from the core: the state machine, the five functions, the words of a refusal, every port."""
    named = (REPOSITORY / "src" / "phoenix_core" / "ports.py").read_text("utf-8")
    ports = set(re.findall(r"^class (\w+)\([^)]*\bProtocol\b", named, re.MULTILINE))
    assert {"Broker", "BeadStore", "DurableStore", "Verifier"} <= ports
    functions = {"decide", "evolve", "react", "due", "clear", "verify_chain"}
    wanted = {"State", "TRANSITIONS", "Refusal", "Reason", "Desk", "Ruling", *functions, *ports}
    assert {name for name in wanted if not hasattr(phoenix_core, name)} == set()
    nine = {"PROPOSED", "APPROVED", "SUBMITTED", "STALLED", "FILLED", "MANAGED", "CLOSED", "CANCELLED", "REJECTED"}
    assert {state.name for state in phoenix_core.State} == {state.value for state in phoenix_core.State} == nine
    assert len(phoenix_core.TRANSITIONS) == 18


def test_every_adapter_is_named() -> None:
    """Each room of phoenix_adapters stands in the page's words, brokers one by one."""
    told = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8").partition("## The adapters")[2]
    there = {path.relative_to(ADAPTERS).with_suffix("") for path in (*ADAPTERS.glob("*"), *ADAPTERS.glob("brokers/*"))}
    rooms = {room.as_posix() for room in there if not room.name.startswith("_")} - {"brokers", "py"}
    assert {"beads", "clock", "brokers/ibkr"} <= rooms
    assert [room for room in sorted(rooms) if f"`{room}`" not in told] == []
