"""What holds for every test: Hypothesis profiles, and the marks that say what a test shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.showing import promises

# A shared machine pauses when it likes: time per example says nothing; `timeout` in pyproject.toml guards hangs.
_CALM: Final = (HealthCheck.too_slow,)
settings.register_profile("default", deadline=None, max_examples=100, suppress_health_check=_CALM)
# Under CI Hypothesis would derandomise: each run there should look somewhere new, and print how to replay.
settings.register_profile(
    "ci", deadline=None, max_examples=100, suppress_health_check=_CALM, derandomize=False, print_blob=True
)
settings.register_profile(
    "night", deadline=None, max_examples=5_000, suppress_health_check=_CALM, phases=tuple(Phase), print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


def shown_by(item: pytest.Item) -> Iterator[str]:
    """The ids that a test shows, from its own mark and those of its class and module."""
    for mark in item.iter_markers("shows"):
        yield from mark.args


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An id that nobody promised is a typing error or a promise that was never written down: both end the run."""
    known = promises()
    strange = [f"{id!r} in {item.nodeid}" for item in items for id in shown_by(item) if id not in known]
    if strange:
        raise pytest.UsageError("not in docs/spec/ids.toml: " + "; ".join(sorted(set(strange))))
