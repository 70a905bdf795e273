"""What is optional: without it everything else works, and what needs it says in a sentence what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from phoenix_cli.wiring.bunny.suites import S33

# Found at the start of every Python that runs with it: an interpreter in which the extras were never installed.
BARE: Final = """
import importlib.machinery, sys
EXTRAS = {"ib_insync", "ib_async", "eventkit", "nest_asyncio", "httpx", "apprise"}

class Bare(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in EXTRAS else super().find_spec(name, path, target)

sys.meta_path[:] = [Bare if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
"""
TELEGRAM: Final = {"TELEGRAM_BOT_TOKEN": "1:" + "a" * 35, "TELEGRAM_CHAT_ID": "1"}
APPRISE: Final = {"APPRISE_URLS": "json://127.0.0.1:9"}
CLIENT: Final = "install phoenix-desk[ibkr] (ib_insync) or phoenix-desk[ib-async]"
NOTIFY: Final = "pip install 'phoenix-desk[notify]'"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder whose Pythons have no extras; the home of a desk is below it."""
    (tmp_path / "sitecustomize.py").write_text(BARE, "utf-8")
    return tmp_path


def phoenix(bare: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line where no extra is installed."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    path = os.pathsep.join(filter(None, (str(bare), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "phoenix_cli", "--home", str(bare / "home"), *words],
        env=kept | {"PYTHONPATH": path} | environment,
        cwd=bare,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def said(ran: subprocess.CompletedProcess[str], code: int) -> str:
    """What a command said, which ended as it should, and not over an exception of ours."""
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr and "a bug of ours" not in ran.stderr
    return ran.stdout + ran.stderr


def checks(ran: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """The lines of a doctor by name."""
    return {row["name"]: (row["level"], row["detail"]) for row in json.loads(ran.stdout)["checks"]}


def test_the_vectors_that_need_no_extra_are_walked(bare: Path) -> None:
    """The others are said to be not run, with what to install; the command ends with 3 and writes its report."""
    ran = phoenix(bare, "--json", "bunny", "--suite", "s33", "--report", str(bare))
    _ = said(ran, 3)
    told = json.loads(ran.stdout)
    takes = [vector.id for vector in S33.vectors if vector.over.modules]
    assert {"CV_S33_1_IBKR_DISCONNECT", "CV_S33_7_TELEGRAM_TIMEOUT"} <= set(takes)
    assert (told["not_run"], told["failed"], told["passed"]) == (takes, [], len(S33.vectors) - len(takes))
    assert told["passed"] > 0
    report = (bare / "BUNNY_REPORT_S33_P1.md").read_text("utf-8")
    assert "phoenix-desk[ibkr]" in report and "phoenix-desk[notify]" in report


def test_the_demo_over_the_gateway_names_the_client(bare: Path) -> None:
    """The demo over the mock needs no extra; over the gateway it needs the client, and says so."""
    assert "verif" in said(phoenix(bare, "demo"), 0)
    assert CLIENT in said(phoenix(bare, "demo", "--broker", "gateway"), 2)


def test_a_paper_desk_without_a_client_is_founded_and_says_what_it_lacks(bare: Path) -> None:
    """`init` needs none; `doctor` fails and `run` refuses, each with what to install."""
    _ = said(phoenix(bare, "init", "--mode", "paper", "--account", "DU1234567"), 0)
    assert checks(phoenix(bare, "--json", "doctor"))["client"] == ("fail", CLIENT)
    assert CLIENT in said(phoenix(bare, "run", "--once"), 2)


@pytest.mark.parametrize("named", [TELEGRAM, APPRISE], ids=["telegram", "apprise"])
def test_a_channel_whose_library_is_missing_is_said_by_doctor_and_run(bare: Path, named: dict[str, str]) -> None:
    """What the environment asks for and nobody can send through; unset, nothing is missed."""
    _ = said(phoenix(bare, "init"), 0)
    level, detail = checks(phoenix(bare, "--json", "doctor", **named))["channels"]
    assert level == "fail" and NOTIFY in detail
    assert NOTIFY in said(phoenix(bare, "run", "--once", **named), 2)
    assert "channels" not in checks(phoenix(bare, "--json", "doctor"))


def test_what_is_not_asked_for_is_not_imported() -> None:
    """The core imports no adapter and no client; the log brings its database alone."""
    code = "import sys, {}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    third = {"apsw", "cattrs", "click", "cryptography", "rich", "yaml", "httpx", "apprise", "ib_insync", "ib_async"}
    third |= {"asyncio", "ssl", "socket", "phoenix_adapters", "phoenix_cli"}

    def brought(module: str) -> set[str]:
        ran = subprocess.run([sys.executable, "-c", code.format(module)], capture_output=True, text=True, check=True)
        return third & set(ran.stdout.split())

    assert brought("phoenix_core") == set()
    assert brought("phoenix_adapters.beads.sqlite") == {"apsw", "phoenix_adapters"}
    assert brought("phoenix_adapters.clock") == {"phoenix_adapters"}
