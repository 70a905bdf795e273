"""What a user installs: the wheel is built, unpacked, and walks both demos with no working copy in reach."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.showing import REPOSITORY

# Each demo is meant to take less than ten seconds on an idle machine; a busy one takes its time.
PATIENCE_S: Final = 90


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as an installer lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(built(REPOSITORY, folder)) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def built(source: Path, folder: Path) -> Path:
    """The wheel that is built of a source, with no network."""
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _ = subprocess.run([*words, "--wheel-dir", str(folder), str(source)], check=True, timeout=PATIENCE_S)
    (wheel,) = folder.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> list[str]:
    """What it holds."""
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_the_source_archive_is_whole(tmp_path: Path) -> None:
    """What the README points at is in it, and what tests read; of it the same wheel is built."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    _ = subprocess.run(words, cwd=REPOSITORY, check=True, capture_output=True, timeout=PATIENCE_S)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / packed.name.removesuffix(".tar.gz")
    linked = re.findall(r"\]\(([^)#:]+)\)", (source / "README.md").read_text("utf-8"))
    assert ".env.example" in linked
    assert [place for place in (*linked, ".ci/run") if not (source / place).exists()] == []
    again, here = (names_in(built(of, tmp_path / name)) for of, name in ((source, "again"), (REPOSITORY, "here")))
    assert again == here


def phoenix(site: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line of the wheel, in a bare environment."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return subprocess.run(
        [sys.executable, "-m", "phoenix_cli", *words],
        env=kept | {"PYTHONPATH": str(site), "PHOENIX_HOME": str(home)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("broker", ["mock", "gateway"])
def test_the_demo_of_the_wheel(installed: Path, tmp_path: Path, broker: str) -> None:
    """Signal to autopsy over the mock, and over the real client on a socket; the log at the end verifies."""
    told = phoenix(installed, tmp_path / "home", "--json", "demo", "--broker", broker)
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout)
    assert (said["ok"], said["verified"]) == (True, True)
    assert [position["state"] for position in said["positions"]] == ["CLOSED"]


def test_it_is_the_wheel_that_ran(installed: Path, tmp_path: Path) -> None:
    """The runbooks and the offline verifier are in it, and the code that runs is the wheel's."""
    shown = phoenix(installed, tmp_path / "home", "--json", "runbook", "show", "RB-004")
    assert shown.returncode == 0 and json.loads(shown.stdout)["runbook"] == "RB-004"
    assert (installed / "phoenix_adapters" / "phoenix_verify.py").is_file()
    where = subprocess.run(
        [sys.executable, "-c", "import phoenix_cli; print(phoenix_cli.__file__)"],
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(installed))
