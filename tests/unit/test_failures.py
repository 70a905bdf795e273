"""The page of the field's failures: whole, true to the marks in the tests, and with sources that can be followed."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache

import pytest

from tests.failures import CHAPTERS, FAILURE, PAGE, Failure, address, failures, page
from tests.showing import promises, showings


def test_every_failure_has_its_row_and_no_row_is_made_up() -> None:
    """The ids of the page are those of docs/spec/ids.toml, and each number stands in one chapter."""
    known = {id for id in promises() if FAILURE.fullmatch(id)}
    assert {failure.id for failure in failures()} == known
    numbers = [number for _, chapter in CHAPTERS for number in chapter]
    assert all(numbers.count(int(id[1:])) == 1 for id in known if id.startswith("F"))


def test_the_page_is_written_from_its_source() -> None:
    """`python -m tests.failures` writes it."""
    assert PAGE.read_text("utf-8") == page()


@cache
def _marked() -> dict[str, set[str]]:
    """The tests that say that they show something, by what: read once."""
    found: dict[str, set[str]] = defaultdict(set)
    for showing in showings():
        for id in showing.ids:
            found[id].add(showing.node)
    return dict(found)


@pytest.mark.parametrize("failure", failures(), ids=lambda failure: failure.id)
def test_a_row_tells_a_story_and_names_tests_that_exist(failure: Failure) -> None:
    """Every test that is named exists and carries the failure's mark; every story has a source and two sentences."""
    marked = _marked().get(failure.id, set())
    assert set(failure.tests) <= marked, f"not marked, renamed or gone: {sorted(set(failure.tests) - marked)}"
    assert failure.tests, "shown by nothing"
    assert len(set(failure.tests)) == len(failure.tests)
    for told in (failure.happened, failure.phoenix):
        assert told.endswith(".") and "|" not in told and "\n" not in told
    assert failure.seen
    for seen in failure.seen:
        assert re.fullmatch(r"https://[a-z0-9.]+/\S+", address(seen)), seen
