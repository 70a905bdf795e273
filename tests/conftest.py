"""What holds for every test: Hypothesis profiles, and the marks that say what a test shows."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import showing

# A shared machine pauses when it likes: time per example says nothing, and `timeout` guards against hangs.
_CALM: Final = (HealthCheck.too_slow,)
settings.register_profile("default", deadline=None, max_examples=100, suppress_health_check=_CALM)
# In CI one commit has one verdict: the same examples each time. To look somewhere new is for nights and for people.
settings.register_profile(
    "ci", deadline=None, max_examples=100, suppress_health_check=_CALM, derandomize=True, database=None, print_blob=True
)
settings.register_profile("night", deadline=None, max_examples=5_000, suppress_health_check=_CALM, print_blob=True)
# Breaking rules on purpose: the same examples each time, and only yes or no matters, so nothing is shrunk.
settings.register_profile(
    "bite",
    deadline=None,
    max_examples=100,
    suppress_health_check=_CALM,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
# What is covered by five examples is covered by more than luck; the coverage of the core must not hang on it.
settings.register_profile(
    "few", deadline=None, max_examples=5, suppress_health_check=_CALM, derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))

OUTCOMES: Final = pytest.StashKey[dict[str, bool]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option of ours."""
    parser.addoption(
        "--write-traceability",
        action="store_true",
        help="write docs/traceability.md, if every test that is marked with what it shows ran and passed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start with no test having run."""
    config.stash[OUTCOMES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An id that nobody promised is a typing error or a promise that was never written down: both end the run."""
    known = showing.promises()
    claimed = {(id, item.nodeid) for item in items for mark in item.iter_markers("shows") for id in mark.args}
    if strange := sorted(f"{id!r} in {nodeid}" for id, nodeid in claimed if id not in known):
        raise pytest.UsageError("not in docs/spec/ids.toml: " + "; ".join(strange))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests ran and passed, from setup to teardown."""
    report = yield
    outcomes = item.config.stash[OUTCOMES]
    outcomes[item.nodeid] = report.passed and outcomes.get(item.nodeid, True)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --write-traceability: write the table, unless a marked test failed or was left out."""
    if not session.config.getoption("--write-traceability"):
        return
    outcomes = session.config.stash[OUTCOMES]
    shown = showing.showings()
    for each in shown:
        results = [passed for nodeid, passed in outcomes.items() if each.covers(nodeid)]
        if not all(results) or (not results and not each.apart):
            raise pytest.UsageError(
                f"{each.node} shows {', '.join(each.ids)} and did not run and pass; nothing written"
            )
    showing.TABLE_FILE.write_text(showing.table(shown), "utf-8")
