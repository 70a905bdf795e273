"""`nox -s night -- --hours H`: time boxes for what has no end. Each resumes where an earlier night stopped.

A box asks for one round after the other until its time is over; a round is one command, and what it printed becomes
figures that add up over the nights, in `.night/report.json`. By default H = 1.5, with two rounds side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Final

from attrs import field, frozen

REPOSITORY: Final = Path(__file__).resolve().parent.parent
NIGHTS: Final = REPOSITORY / ".night"
HOURS: Final = 1.5
SEEDS_A_ROUND: Final = 10
TICKS: Final = 300
FUZZ_ROUND_S: Final = 30
MODEL_ROUND_S: Final = 140
WORLDS_MAX: Final = 10_000_000
FUZZ_MINUTES: Final = 2.0
# A round that is under way when the box ends may finish, but not for ever.
GRACE_S: Final = 900.0

Figures = dict[str, int | float | str | list[str] | dict[str, str]]


@frozen
class Round:
    """One command of a box."""

    words: tuple[str, ...]
    figures: Figures  # what it adds when it ends well
    environment: Mapping[str, str] = field(factory=dict)


@frozen
class Box:
    """So many minutes of a night of the usual length, and what to do next, by what was done before."""

    name: str
    minutes: float
    after: Callable[[Figures], Round | None]
    learn: Callable[[Figures, str], None] = lambda figures, said: None


def count(figures: Figures, name: str) -> int:
    """A figure that counts."""
    found = figures.get(name, 0)
    assert isinstance(found, int)
    return found


def python(*words: str) -> tuple[str, ...]:
    """A module in this environment."""
    return (sys.executable, "-m", *words)


# --- the boxes ---


def next_seeds(figures: Figures) -> Round:
    """Seeds that no night has played."""
    first = 1 + count(figures, "seeds")
    span = f"{first}..{first + SEEDS_A_ROUND - 1}"
    return Round(
        python("phoenix_cli", "--json", "sim", "--seeds", span, "--ticks", str(TICKS)), {"seeds": SEEDS_A_ROUND}
    )


def learn_seeds(figures: Figures, said: str) -> None:
    """Steps, approvals and fills add up; a seed that breaks a promise is named."""
    for line in said.splitlines():
        if line.startswith('{"seed"'):
            told = json.loads(line)
            for name in ("steps", "approvals", "fills"):
                figures[name] = count(figures, name) + told[name]
            if not told["ok"]:
                red = figures.setdefault("red", [])
                assert isinstance(red, list)
                red.append(f"seed {told['seed']} ticks {TICKS}: {told['invariant']}")


def fuzzing(parser: str) -> Box:
    """One parser, again and again, from where chance takes it."""
    words = python("tests.chaos.test_hostile_input", parser, str(FUZZ_ROUND_S))
    return Box(f"fuzz {parser}", FUZZ_MINUTES, lambda figures: Round(words, {}), learn_inputs)


def learn_inputs(figures: Figures, said: str) -> None:
    """How many inputs were read."""
    found = re.search(r"^\S+ (\d+)$", said, re.MULTILINE)
    figures["inputs"] = count(figures, "inputs") + (int(found[1]) if found else 0)


def mutated() -> dict[str, str]:
    """Each module of the mutation table with the hash of it and of the tests that stand for it."""
    table = tomllib.loads((REPOSITORY / "tests/bite/mutation.toml").read_text("utf-8"))
    found: dict[str, str] = {}
    for file, row in table["module"].items():
        digest = hashlib.sha256((REPOSITORY / file).read_bytes())
        for name in sorted(str(test).partition("::")[0] for test in row["tests"]):
            path = REPOSITORY / name
            for each in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                digest.update(each.read_bytes())
        found[file] = digest.hexdigest()
    return found


def tried_in(figures: Figures) -> dict[str, str]:
    """The modules that were tried to their end, as they were then."""
    tried = figures.setdefault("tried", {})
    assert isinstance(tried, dict)
    return tried


def next_module(figures: Figures) -> Round | None:
    """A module whose mutants were not tried since it or its tests changed."""
    for file, digest in mutated().items():
        if tried_in(figures).get(file) != digest:
            return Round(python("tests.bite.mutate", file), {"modules": 1})
    return None


def learn_scores(figures: Figures, said: str) -> None:
    """The score of a module, in its own words."""
    for file, score in re.findall(r"^(src/\S+): (\S+ %)", said, re.MULTILINE):
        figures[file] = score
        tried_in(figures)[file] = mutated()[file]


def next_properties(figures: Figures) -> Round:
    """One file of tests after the other, with fifty times the examples, slow tests included."""
    files = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "tests/unit").rglob("test_*.py"))
    file = files[count(figures, "files") % len(files)]
    words = python("pytest", "-q", "-m", "not paper", "--timeout=1800", "-p", "no:cacheprovider", file)
    return Round(words, {"files": 1}, {"HYPOTHESIS_PROFILE": "night"})


def next_kills(figures: Figures) -> Round:
    """A real writer killed five thousand times more."""
    words = python("pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800", "tests/chaos/test_log_processes.py")
    return Round((*words, "-k", "kill_nine"), {"kills": 5000}, {"PHOENIX_KILLS": "5000"})


def next_slow(figures: Figures) -> Round:
    """What is marked slow: pairs of crashes, large state spaces, long days; one test after the other."""
    words = python("pytest", "-q", "-m", "slow", "--timeout=3600", "-p", "no:cacheprovider", "tests/chaos")
    return Round(words, {"slow runs": 1}, {"PHOENIX_NIGHT": str(count(figures, "slow runs"))})


def next_worlds(figures: Figures) -> Round | None:
    """The abstract model, on from where it stopped, up to ten million worlds."""
    if count(figures, "worlds") >= WORLDS_MAX:
        return None
    return Round(python("tests.chaos.model.night", str(MODEL_ROUND_S)), {})


def learn_worlds(figures: Figures, said: str) -> None:
    """How far the walk came, and how many questions the production desk answered as the model does."""
    found = re.search(r"^(\d+) worlds, (\d+) steps, .* (\d+) distinct questions", said, re.MULTILINE)
    if found:
        figures["worlds"], figures["steps"], figures["questions"] = (int(number) for number in found.groups())


def next_opinions(figures: Figures) -> Round:
    """Both opinions on seeds that no night has asked them about."""
    first = 1 + count(figures, "seeds")
    words = python("tests.chaos.second", f"{first}..{first + SEEDS_A_ROUND - 1}", str(TICKS))
    return Round(words, {"seeds": SEEDS_A_ROUND})


def boxes() -> tuple[Box, ...]:
    """All of them; the minutes are those of a night of an hour and a half."""
    from tests.chaos.parsers import PARSERS

    return (
        Box("seeds", 35, next_seeds, learn_seeds),
        Box("slow", 20, next_slow),
        Box("mutation", 20, next_module, learn_scores),
        Box("properties", 15, next_properties),
        Box("opinions", 10, next_opinions),
        Box("kills", 5, next_kills),
        Box("model", 5, next_worlds, learn_worlds),
        *(fuzzing(parser.name) for parser in PARSERS),
    )


# --- the night ---


class Report:
    """What the nights so far add up to, written after every round."""

    def __init__(self, path: Path) -> None:
        """Go on where the last night stopped."""
        self.path = path
        self.lock = Lock()
        self.boxes: dict[str, Figures] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def of(self, box: str) -> Figures:
        """The figures of one box."""
        return self.boxes.setdefault(box, {})

    def keep(self) -> None:
        """Write it whole."""
        self.path.parent.mkdir(exist_ok=True)
        beside = self.path.with_suffix(".new")
        _ = beside.write_text(json.dumps(self.boxes, indent=1, sort_keys=True) + "\n", "utf-8")
        _ = beside.replace(self.path)


def play(box: Box, minutes: float, report: Report) -> bool:
    """Rounds until the time is over or nothing is left to do; whether all of them ended well."""
    until, well = time.monotonic() + 60 * minutes, True
    while time.monotonic() < until:
        with report.lock:
            figures = report.of(box.name)
            asked = box.after(figures)
        if asked is None:
            break
        began = time.monotonic()
        try:
            ran = subprocess.run(
                asked.words,
                cwd=REPOSITORY,
                env={**os.environ, **asked.environment},
                capture_output=True,
                text=True,
                timeout=until - began + GRACE_S,
                check=False,
            )
            code, said = ran.returncode, ran.stdout + ran.stderr
        except subprocess.TimeoutExpired as late:
            code, said = 0, str(late.stdout or "")  # the box is over: what it did so far did not fail
        with report.lock:
            box.learn(figures, said)
            for name, value in asked.figures.items():
                assert isinstance(value, int)
                figures[name] = count(figures, name) + value
            figures["rounds"] = count(figures, "rounds") + 1
            figures["seconds"] = count(figures, "seconds") + round(time.monotonic() - began)
            if code != 0:
                well = False
                figures["failed"] = count(figures, "failed") + 1
                figures["last failure"] = " ".join(asked.words[1:]) + "\n" + said[-2000:]
            report.keep()
    return well


def main(arguments: Sequence[str]) -> int:
    """The boxes, two at a time, the longest first; 0 when every round of this night ended well."""
    asks = argparse.ArgumentParser(prog="night", description=__doc__)
    _ = asks.add_argument("--hours", type=float, default=HOURS, help="how long the night is")
    _ = asks.add_argument("--only", default="", help="boxes whose name contains this")
    _ = asks.add_argument("--side-by-side", type=int, default=2, help="rounds at a time")
    given = asks.parse_args(arguments)
    report = Report(NIGHTS / "report.json")
    wanted = [box for box in boxes() if given.only in box.name]
    with ThreadPoolExecutor(given.side_by_side) as side_by_side:
        played = [side_by_side.submit(play, box, box.minutes * given.hours / HOURS, report) for box in wanted]
        well = [each.result() for each in played]
    _ = sys.stdout.write(json.dumps(report.boxes, indent=1, sort_keys=True) + "\n")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
