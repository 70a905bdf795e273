"""The mutator changes what matters and nothing else, and the session tells noticed from survived."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.bite import mutate
from tests.bite.mutants import mutants
from tests.bite.run import REPOSITORY


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        ("x = a < 5", ["a <= 5", "a >= 5", "6"]),
        ("x = a in b", ["a not in b"]),
        ("x = a < b <= c", ["a <= b <= c", "a >= b <= c", "a < b < c", "a < b > c"]),
        ("x = a and b", ["a or b", "a", "b"]),
        ("x = a or b or c", ["a and b and c", "b or c", "a or c", "a or b"]),
        ("x = not a", ["a"]),
        ("x = a + b", ["a - b"]),
        ("x = True", ["False"]),
        ("x = a if b else c", ["a", "c"]),
        ("x = max(a, b)", ["min(a, b)"]),
        ("x: Final = {a, b}", ["{b}", "{a}"]),
        ("x: Final = {a: b, c: d}", ["{c: d}", "{a: b}"]),
        ("x = [a for a in b if c]", ["[a for a in b]"]),
        ("if a:\n    b()\n", ["True", "False", "pass"]),
        ("a.b = c", ["pass"]),
        ("for a in b:\n    continue\n", ["break"]),
        ("x = a == é", ["a != é"]),
    ],
)
def test_each_operator(source: str, becomes: list[str]) -> None:
    """What each kind of node becomes; and what is written is Python."""
    found = list(mutants(source))
    assert [mutant.says for mutant in found] == becomes
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
        assert mutant.source != source


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring with 5 < 6."""',
        "assert a < 5",
        "raise Refused(a + 5)",
        "import a",
        "x: tuple[a, b]",
        "@frozen(slots=True)\ndef f(x: int | None) -> a | b: return x",
        "x = f'{a + b}'",
        "Proof = BrokerMessage | OperatorDecision",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    """Words, types and what says that something cannot happen."""
    assert list(mutants(source)) == []


PLACE: Final = REPOSITORY / "tests" / "bite"
RULE: Final = "LIMIT = 5\n\n\ndef may(age):\n    while age != age:\n        pass\n    return age < LIMIT\n"
TESTS: Final = "from toy import may\n\ndef test_young(): assert may(4)\n\ndef test_old(): assert not may(6)\n"
TABLE: Final = 'score_min = 60\n[module."src/toy.py"]\ntests = ["test_toy.py"]\n'
SURVIVOR: Final = "LIMIT = 5 | 5 -> 6"


def session(tmp_path: Path, survivors: str) -> subprocess.CompletedProcess[str]:
    """Mutate a toy repository of one rule, whose test does not look at the bound itself."""
    for folder in ("src", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "toy.py").write_text(RULE, "utf-8")
    (tmp_path / "test_toy.py").write_text(TESTS, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = paper\npythonpath = src\n", "utf-8")
    (tmp_path / "mutation.toml").write_text(TABLE, "utf-8")
    (tmp_path / "survivors.toml").write_text(survivors, "utf-8")
    run = "import sys; from pathlib import Path; from tests.bite import mutate; here = Path.cwd()\n"
    run += "mutate.SECONDS_SPARE = 1.0; sys.path += [str(here / 'src')]; sys.exit(mutate.main([], here, here))"
    return subprocess.run(
        [sys.executable, "-c", run],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_survivor_without_a_reason_fails_the_session(tmp_path: Path) -> None:
    """The bound by one is what the toy's tests do not notice; the rest they do."""
    ran = session(tmp_path, "")
    assert "survives without a reason: " + SURVIVOR in ran.stdout, ran.stderr
    assert "survives without a reason: return age < LIMIT | age < LIMIT -> age <= LIMIT" in ran.stdout
    assert ran.stdout.count("survives") == 2
    assert ran.returncode == 1


def test_reasons_are_printed_and_must_be_needed(tmp_path: Path) -> None:
    """A reason for what is noticed is as wrong as none for what survives; a hanging mutant counts as noticed."""
    mine = f'["src/toy.py"]\n"{SURVIVOR}" = "Nobody is five."\n"a | b -> c" = "Stale."\n'
    mine += '"return age < LIMIT | age < LIMIT -> age <= LIMIT" = "As above."\n'
    ran = session(tmp_path, mine)
    assert "argued, and noticed: a | b -> c" in ran.stdout, ran.stderr
    assert "without a reason" not in ran.stdout
    text = (tmp_path / "docs" / "mutation.md").read_text("utf-8")
    assert f"- `{SURVIVOR}`\n  Nobody is five." in text
    assert "| src/toy.py | 4 | 1 | 1 | 0 | 2 | 50.0 % |" in text
    assert "50.0 % noticed, less than 60 %" in ran.stdout


def test_a_part_of_a_module_ends_at_the_next_heading() -> None:
    """A long module is mutated part by part; a word that no heading has, or two have, names no part."""
    source = "A = 1\n# --- Signing keys ---\nB = 2\n# --- Other keys ---\nC = 3\n"
    lines = {name: list(mutate.Target(name, ()).lines(source)) for name in ("x.py", "x.py#Signing", "x.py#Other")}
    assert lines == {"x.py": [1, 2, 3, 4, 5], "x.py#Signing": [2, 3], "x.py#Other": [4, 5]}
    assert mutate.Target("src/a/x.py#Other", ()).module == "a.x"
    for name in ("x.py#keys", "x.py#Nowhere"):
        with pytest.raises(AssertionError, match="headings have this word"):
            mutate.Target(name, ()).lines(source)


def test_the_tables_have_not_rotted() -> None:
    """Every module that is mutated and every test that stands for it is there; a reason is given for one of them."""
    table = tomllib.loads((PLACE / "mutation.toml").read_text("utf-8"))
    reasons = tomllib.loads((PLACE / "survivors.toml").read_text("utf-8"))
    files = [file for module, row in table["module"].items() for file in (module.partition("#")[0], *row["tests"])]
    parts = [mutate.Target(module, tuple(row["tests"])) for module, row in table["module"].items()]
    assert all(part.lines((REPOSITORY / part.path).read_text("utf-8")) for part in parts)
    assert [file for file in files if not (REPOSITORY / file).exists()] == []
    assert reasons.keys() - table["module"].keys() == set()
    assert table["score_min"] >= 95
