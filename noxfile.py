"""What is checked, and how: `nox` runs the default sessions, `nox -l` lists them all.

The default sessions run in the environment that nox itself stands in, so that the one `pip install` of the README is
the only install. Sessions that need another client or another Python make their own environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Final

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "unit", "contract", "chaos"]
nox.options.default_venv_backend = "none"
nox.options.stop_on_first_error = False

PYTHON: Final = sys.executable
PYTHONS: Final = ("3.11", "3.12", "3.13")
# The core is pure, so unit tests reach every branch of it; what none reaches is proven to be none, or taken out.
CORE_COVERAGE_MIN: Final = "100"
# A demo account; anything else is somebody's money.
PAPER_ACCOUNT: Final = re.compile(r"DU[0-9]+")
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
# One worker a core; whoever is done takes tests from the other. PYTEST_XDIST_AUTO_NUM_WORKERS says how many instead.
SIDE_BY_SIDE: Final = ("-n", "auto", "--dist", "worksteal")
# For half of its time a contract test waits for a process or a socket: two workers a core.
WORKERS: Final = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or str(2 * (os.cpu_count() or 1))
WAITING: Final = ("-n", WORKERS, *SIDE_BY_SIDE[2:])


def _python(session: nox.Session, *arguments: str, **env: str) -> None:
    """Run a module of the environment that nox stands in, whether or not it is activated."""
    session.run(PYTHON, *arguments, external=True, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, likely bugs, formatting, and dependencies that are declared but unused or used but undeclared."""
    _python(session, "-m", "ruff", "check", ".")
    _python(session, "-m", "ruff", "format", "--check", ".")
    _python(session, "-m", "deptry", "src")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types over src, tests and this file; and no Result that nobody looks at. Two checkers, one core each."""
    command = (PYTHON, "-m", "basedpyright", "--pythonpath", PYTHON)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as beside:
        _python(session, "-m", "mypy")
        said, _ = beside.communicate()
    session.log(" ".join(command[1:]))
    session.log(said.rstrip())
    if beside.returncode != 0:
        session.error("basedpyright found something")


@nox.session
def unit(session: nox.Session) -> None:
    """The core, exhaustively, and how much of it was covered; the house's laws; the traceability table."""
    coverage = () if session.posargs else ("--cov", "--cov-report=term", f"--cov-fail-under={CORE_COVERAGE_MIN}")
    _python(session, "-m", "pytest", "tests/unit", *SIDE_BY_SIDE, *coverage, *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """One suite per port, run against every adapter, on loopback only."""
    _python(session, "-m", "pytest", "tests/contract", *WAITING, *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Named disasters, and a short deterministic simulation of the production engine and store."""
    _python(session, "-m", "pytest", "tests/chaos", *SIDE_BY_SIDE, *session.posargs)


@nox.session
def paper(session: nox.Session) -> None:
    """The contract suite against a real gateway on the paper account that IBKR_PAPER_ACCOUNT_ID names."""
    account = os.environ.get("IBKR_PAPER_ACCOUNT_ID", "")
    if not PAPER_ACCOUNT.fullmatch(account):
        session.error(f"IBKR_PAPER_ACCOUNT_ID={account!r} is not a paper account (DU and digits)")
    if os.environ.get("IBKR_MODE", "paper") != "paper":
        session.error(f"IBKR_MODE={os.environ['IBKR_MODE']!r}: this session trades; unset it or set it to paper")
    if os.environ.get("IBKR_HOST", "127.0.0.1") not in LOOPBACK:
        session.error("IBKR_HOST is not loopback; reach a remote gateway through a tunnel to 127.0.0.1")
    _python(session, "-m", "pytest", "tests/contract", "-m", "paper", *session.posargs, IBKR_MODE="paper")


@nox.session(venv_backend="venv", reuse_venv=True)
def ib_async(session: nox.Session) -> None:
    """The contract suite with ib_async in place of ib_insync, in an environment of its own."""
    session.install("-e", ".[ib-async,notify,tools]")
    session.run("python", "-m", "pytest", "tests/contract", *WAITING, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What is measured, side by side with what a user would pick instead."""
    _python(session, "-m", "bench", *session.posargs)


@nox.session
def bite(session: nox.Session) -> None:
    """Each listed one-line breakage of a rule is applied once, and the named test must fail."""
    _python(session, "-m", "tests.bite.run", *session.posargs)


@nox.session
def mutation(session: nox.Session) -> None:
    """Mutants of the rules that stand before the broker; writes docs/mutation.md with every survivor."""
    _python(session, "-m", "tests.bite.mutate", *session.posargs)


@nox.session
def night(session: nox.Session) -> None:
    """Seeds, crash pairs, fuzzing, mutants, kills in time boxes (-- --hours H); adds up in .night/report.json."""
    _python(session, "-m", "tests.night", *session.posargs)


@nox.session(python=list(PYTHONS), venv_backend="venv", reuse_venv=True)
def pythons(session: nox.Session) -> None:
    """Unit, contract and chaos on every Python that is promised."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *SIDE_BY_SIDE, *session.posargs)
