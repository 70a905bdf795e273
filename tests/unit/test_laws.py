"""The whole tree is held to the house's laws, and every law is shown to bite."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from types import FunctionType
from typing import Final

import pytest
from attrs import frozen
from pytest_socket import SocketConnectBlockedError

from tests import laws
from tests.laws import Complaint, Source
from tests.showing import REPOSITORY, shows

CORE: Final = "src/phoenix_core/"
ADAPTERS: Final = "src/phoenix_adapters/"
IBKR: Final = "src/phoenix_adapters/brokers/ibkr/"
CLI: Final = "src/phoenix_cli/"
WRITTEN: Final = ("src/", "tests/", "bench/", "examples/", "noxfile.py")
LONG: Final = "def f():\n" + "    x = 1\n" * 69


@frozen
class Sample:
    """What a law must bite on, and its good twin, in a file of this path; no twin where the path is what is wrong."""

    path: str
    bad: str
    good: str = ""


@frozen(repr=False)
class Law:
    """A law, where it holds, and the samples that show it biting."""

    complain: Complaint
    where: tuple[str, ...]
    samples: tuple[Sample, ...]

    def __repr__(self) -> str:
        """The sentence that names the law."""
        return getattr(self.complain, "__name__", "?")

    def holds_for(self, source: Source) -> bool:
        """Whether the law speaks about this file."""
        return any(source.path.startswith(place) or fnmatch(source.path, place) for place in self.where)


def law(complain: Complaint, where: tuple[str, ...], *samples: tuple[str, str, str] | tuple[str, str]) -> Law:
    """One row of the table below."""
    return Law(complain, where, tuple(Sample(*sample) for sample in samples))


LAWS: Final = (
    law(
        laws.the_core_is_pure,
        (CORE,),
        (CORE + "values.py", "import time", "from collections.abc import Mapping"),
        (CORE + "values.py", "import zoneinfo", "import hashlib, attrs, returns.result"),
        (CORE + "values.py", "from random import Random", "from phoenix_core.values import Money"),
    ),
    law(
        laws.the_core_asks_nothing,
        (CORE,),
        (CORE + "desk.py", "datetime.now(UTC)", "re.compile('x')"),
        (CORE + "desk.py", "open('x')", "world.now; drift.open('x'); positions.today(day)"),
        (CORE + "desk.py", "uuid.uuid4()", "uuid.uuid5(command, 'x')"),
        (CORE + "desk.py", "exec(source)", "execute(source)"),
    ),
    law(
        laws.rooms_keep_the_reading_order,
        (CORE,),
        (CORE + "gate/tokens.py", "from phoenix_core.desk import Desk", "from phoenix_core.gate import limits"),
        (CORE + "values.py", "import phoenix_core.canonical", "import re"),
        (CORE + "desk.py", "from phoenix_core import State", "from phoenix_core.values import State"),
    ),
    law(laws.every_room_is_known, (CORE,), (CORE + "cellar.py", "# a room that nobody planned")),
    law(
        laws.dependencies_point_inward,
        ("src/",),
        (ADAPTERS + "engine.py", "from phoenix_cli import wiring", "from phoenix_core.ports import Broker"),
        (CORE + "desk.py", "import phoenix_adapters.codec", "import re"),
        (CLI + "demo.py", "from tests.laws import Law", "from phoenix_cli import wiring"),
    ),
    law(
        laws.adapters_keep_apart,
        (ADAPTERS,),
        (IBKR + "orders.py", "from phoenix_adapters.brokers.mock import chaos", "import phoenix_adapters.codec"),
        (IBKR + "orders.py", "import phoenix_adapters.clock", "from phoenix_adapters.brokers.ibkr import tap"),
        (ADAPTERS + "engine.py", "from phoenix_adapters.beads import sqlite", "import asyncio"),
    ),
    law(
        laws.the_client_stays_in_its_folder,
        ("src/",),
        (ADAPTERS + "gateway/server.py", "import ib_insync", "import re"),
        (CLI + "wiring.py", "from ib_async.ib import IB", "from phoenix_adapters.brokers.ibkr import session"),
    ),
    law(
        laws.wiring_alone_names_adapters,
        (CLI,),
        (CLI + "run.py", "from phoenix_adapters.beads import sqlite", "from phoenix_adapters.engine import Engine"),
    ),
    law(
        laws.results_are_not_matched,
        WRITTEN,
        (CORE + "desk.py", "match r:\n case Success(x): 1", "r.unwrap()"),
        (CORE + "desk.py", "isinstance(r, (int, Failure))", "r.failure()"),
    ),
    law(
        laws.blind_excepts_have_a_reason,
        WRITTEN,
        (CORE + "x.py", "try: f()\nexcept Exception:\n  pass", "try: f()\nexcept OSError:\n  pass"),
        (
            CORE + "x.py",
            "try: f()\nexcept:\n  pass",
            "try: f()\nexcept Exception:  # noqa: BLE001 - it must live\n  1",
        ),
    ),
    law(
        laws.the_core_rounds_by_itself,
        (CORE,),
        (CORE + "desk.py", "x.quantize(CENT)", "x.quantize(CENT, context=ARITHMETIC)"),
        (CORE + "desk.py", "x.quantize(CENT, ROUND_FLOOR)", "x.quantize(CENT, ROUND_FLOOR, ARITHMETIC)"),
        (CORE + "desk.py", "x.to_integral_value()", "x.to_integral_value(context=ARITHMETIC)"),
    ),
    law(
        laws.the_core_knows_no_floats,
        (CORE,),
        (CORE + "desk.py", "x: float = y", "isinstance(x, (bool, float)) or type(x) is float"),
        (CORE + "desk.py", "limit = 0.005", "limit = Decimal('0.005')"),
        (CORE + "ports.py", "def f(price: float): pass", "def f(timeout_s: float | None): pass"),
    ),
    law(
        laws.the_core_names_no_any,
        (CORE,),
        (CORE + "desk.py", "x: dict[str, typing.Any]", "x: dict[str, object]"),
        (CORE + "kernel.py", "def f(x: Any): pass", "_HANDLERS: Mapping[type, Callable[[Desk, Any], Ruling]] = {}"),
    ),
    law(
        laws.orders_of_others_are_left_alone,
        ("src/",),
        (IBKR + "orders.py", "ib.reqGlobalCancel()", "# reqGlobalCancel would cancel what is not ours"),
        (IBKR + "orders.py", "getattr(ib, 'reqAutoOpenOrders')(True)", "ib.cancelOrder(order)"),
    ),
    law(laws.functions_fit_a_screen, WRITTEN, (CORE + "desk.py", LONG, LONG.replace("    x = 1\n", "", 1))),
    law(laws.modules_stay_small, ("src/",), (CORE + "desk.py", "x\n" * 401, "x\n" * 400)),
    law(
        laws.names_say_something,
        ("src/",),
        (CORE + "desk.py", "class OrderManager: pass", "class Desk: pass"),
        (CORE + "gate/utils.py", "# what is this"),
    ),
    law(
        laws.front_doors_only_re_export,
        ("src/*/__init__.py",),
        (
            CORE + "__init__.py",
            "from phoenix_core.desk import Desk, decide\n__all__ = ['Desk', 'decide', 'evolve']",
            "from phoenix_core.desk import Desk, decide\n__all__ = ['Desk', 'decide']",
        ),
        (CORE + "__init__.py", "from phoenix_core.desk import Desk", '"""The core."""'),
        (CORE + "gate/__init__.py", "x = 1", "# nothing"),
    ),
    law(
        laws.tests_say_what_they_show,
        ("tests/",),
        ("tests/unit/test_x.py", "def test_x(): pass", "def test_x():\n '''Says.'''"),
        ("tests/unit/test_x.py", "class TestX: pass", "def shown(): pass"),
    ),
    law(
        laws.sessions_say_what_they_do,
        ("noxfile.py",),
        ("noxfile.py", "@nox.session(reuse_venv=True)\ndef lint(session): pass", "def lint(session): pass"),
        ("noxfile.py", "@nox.session\ndef lint(s):\n '''Two\n lines.'''", "@nox.session\ndef lint(s):\n '''Style.'''"),
    ),
    law(
        laws.ignores_have_a_reason,
        WRITTEN,
        (CORE + "x.py", "f()  # type: ignore[misc]", "f()  # type: ignore[misc]  # the library is untyped"),
        (CORE + "x.py", "f()  # noqa - because of this and that", "f()  # noqa: DTZ005 - the port that is the clock"),
    ),
)


@cache
def tree() -> tuple[Source, ...]:
    """Every Python file of the repository that people write."""
    files = [REPOSITORY / "noxfile.py"]
    for folder in ("src", "tests", "bench", "examples"):
        files += sorted((REPOSITORY / folder).rglob("*.py"))
    return tuple(Source(str(file.relative_to(REPOSITORY)), file.read_text("utf-8")) for file in files)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_tree_keeps_the_law(law: Law) -> None:
    """No file of the tree gives this law anything to complain about."""
    sources = [source for source in tree() if law.holds_for(source)]
    found = [f"{source.path}:{complaint}" for source in sources for complaint in law.complain(source)]
    assert not found, "\n".join([law.complain.__doc__ or "", *found])


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_law_bites(law: Law) -> None:
    """Each bad sample is complained about; its good twin is not."""
    for sample in law.samples:
        bad = Source(sample.path, sample.bad)
        assert law.holds_for(bad)
        assert list(law.complain(bad)) != [], sample.bad
        if sample.good:
            assert list(law.complain(Source(sample.path, sample.good))) == [], sample.good


def test_every_law_is_in_the_table() -> None:
    """A law that is written and enforced nowhere would be a wish."""
    a_law = {"source": "Source", "return": "Iterator[str]"}
    written = {it for it in vars(laws).values() if isinstance(it, FunctionType) and it.__annotations__ == a_law}
    assert written == {row.complain for row in LAWS}


def test_nothing_in_the_source_goes_in_circles() -> None:
    """Modules that import each other in a circle are one module that nobody has dared to join."""
    assert list(laws.circles([source for source in tree() if source.path.startswith("src/")])) == []


def test_a_circle_is_found() -> None:
    """The law of circles bites, through a package and through a name."""
    a = Source("src/phoenix_core/gate/a.py", "from phoenix_core.gate import b")
    b = Source("src/phoenix_core/gate/b.py", "from phoenix_core.gate.c import thing")
    c = Source("src/phoenix_core/gate/c.py", "import phoenix_core.gate.a")
    assert list(laws.circles([a, b])) == []
    assert list(laws.circles([a, b, c])) == [("phoenix_core.gate.a", "phoenix_core.gate.b", "phoenix_core.gate.c")]


@shows("INV-IBKR-MOCK-1")
def test_nothing_beyond_loopback_opens() -> None:
    """No test opens a socket beyond loopback: the attempt itself fails (192.0.2.1 is nobody's address)."""
    with socket.socket() as wire, pytest.raises(SocketConnectBlockedError, match=r"192\.0\.2\.1"):
        wire.connect(("192.0.2.1", 4002))


LOADED_BY_HELP: Final = """
import json, sys
before = set(sys.modules)
sys.argv = ["phoenix", "--help"]
from phoenix_cli.__main__ import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
"""


@pytest.mark.xfail(not (REPOSITORY / CLI / "__main__.py").exists(), reason="no command line yet", strict=True)
def test_help_loads_click_and_nothing_else() -> None:
    """`phoenix --help` imports click and phoenix_cli only, so that it comes up at once."""
    ran = subprocess.run([sys.executable, "-c", LOADED_BY_HELP], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    loaded = set(json.loads(ran.stderr.splitlines()[-1]))
    assert laws.foreign_modules(loaded) == {"click", "phoenix_cli"}
    assert loaded.isdisjoint({"asyncio", "sqlite3", "ssl", "zoneinfo"})
