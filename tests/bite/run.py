"""`nox -s bite`: break one rule at a time, in a copy of the source, and require the test that is named for it to fail.

The table is breakages.toml. A breakage is one line for another; a line that is not there (any more), or twice, is an
error, and so is a test that fails without the breakage or cannot be collected with it: that would prove nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
TABLE: Final = Path(__file__).with_name("breakages.toml")
SECONDS_MAX: Final = 300  # for one test; a breakage that makes it hang is not one that it notices
SECONDS_FOR_ALL: Final = 3_600  # for every named test, once, on the source as it is


@frozen
class Breakage:
    """One line of the source, what to write in its place, and the test that must notice."""

    id: str
    file: str
    old: str
    new: str
    test: str

    def apply(self, root: Path) -> None:
        """Break the file that stands under this root."""
        path = root / self.file
        text = path.read_text("utf-8")
        lines = [number for number, line in enumerate(text.splitlines()) if line.strip() == self.old]
        if len(lines) != 1:
            raise BadBreakage(self.id, f"{self.old!r} stands {len(lines)} times in {self.file}, not once")
        if "\n" in self.new or self.new == self.old:
            raise BadBreakage(self.id, "a breakage is one line for another one")
        broken = text.splitlines()
        broken[lines[0]] = broken[lines[0]].replace(self.old, self.new)  # as far in as it stood
        try:
            compile("\n".join(broken), self.file, "exec")
        except SyntaxError as error:
            raise BadBreakage(self.id, f"what it writes is not Python: {error}") from error
        path.write_text("\n".join(broken) + "\n", "utf-8")


class BadBreakage(Exception):
    """The row of the table is wrong, whatever the rule does."""

    def __init__(self, id: str, why: str) -> None:
        """Say which row, and why."""
        super().__init__(f"{id}: {why}")


def breakages(table: Path = TABLE) -> list[Breakage]:
    """The rows of the table; an id stands once."""
    rows = [Breakage(id=id, **row) for id, row in tomllib.loads(table.read_text("utf-8")).items()]
    return sorted(rows, key=lambda row: (row.file, row.id))


def run_tests(
    repository: Path, source: Path, nodes: Iterable[str], storage: Path, seconds: float = SECONDS_MAX
) -> subprocess.CompletedProcess[str]:
    """Run these tests against the packages that stand in `source`."""
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(source / "src"), str(repository))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "bite",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(storage),  # what fails here must not be replayed in real runs
    }
    quiet = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "-m", "not paper")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, *nodes],
        cwd=repository,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def unnoticed(breakage: Breakage, repository: Path = REPOSITORY) -> str | None:
    """Break a copy and run the named test: None if it fails as it must, else what happened instead."""
    with tempfile.TemporaryDirectory(prefix="bite-") as place:
        copy = Path(place)
        shutil.copytree(repository / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
        breakage.apply(copy)
        try:
            ran = run_tests(repository, copy, [breakage.test], copy / "hypothesis")
        except subprocess.TimeoutExpired as error:
            return f"{breakage.id}: {breakage.test} hangs ({error.timeout:.0f} s) instead of failing"
    if ran.returncode == pytest.ExitCode.TESTS_FAILED:
        return None
    if ran.returncode == pytest.ExitCode.OK:
        return f"{breakage.id}: {breakage.test} does not notice"
    said = ran.stdout[-2000:] + ran.stderr[-500:]
    return f"{breakage.id}: {breakage.test} could not run (exit {ran.returncode})\n{said}"


def main(wanted: list[str]) -> int:
    """Run the whole table, or the rows whose id contains one of the words given; 0 when every rule bites."""
    rows = [row for row in breakages() if not wanted or any(word in row.id for word in wanted)]
    if not rows:
        print("no breakage of that name")
        return 2
    with tempfile.TemporaryDirectory(prefix="bite-") as place:
        whole = run_tests(REPOSITORY, REPOSITORY, sorted({row.test for row in rows}), Path(place), SECONDS_FOR_ALL)
    if whole.returncode != pytest.ExitCode.OK:
        print("the named tests do not pass on the source as it is:", whole.stdout[-4000:], whole.stderr[-1000:])
        return 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(unnoticed, rows) if failure is not None]
    print(*failures, f"{len(rows) - len(failures)} of {len(rows)} breakages noticed", sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
