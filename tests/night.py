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
WAYS_A_ROUND: Final = 2_000
TICKS: Final = 300
FUZZ_ROUND_S: Final = 30
MODEL_ROUND_S: Final = 140
FIRST_DEATHS_A_ROUND: Final = 6
WORLDS_MAX: Final = 10_000_000
FUZZ_MINUTES: Final = 2.0
# A round that is under way when the box ends may finish, but not for ever: so many times the box, and never longer.
GRACE_BOXES: Final = 5
GRACE_LEAST_S: Final = 120.0
GRACE_S: Final = 900.0
# Stands in the words of a round for what is left of its box, or for its own length if that is less.
SECONDS: Final = "SECONDS"

Figures = dict[str, int | float | str | list[str] | dict[str, str]]


@frozen
class Round:
    """One command of a box."""

    words: tuple[str, ...]
    figures: Figures  # what it adds when it ends
    environment: Mapping[str, str] = field(factory=dict)
    seconds: float = 0.0  # how long it takes by itself, where its words say for how long
    is_passed: bool = False  # whether the next night goes past it though it was cut short: else it is played again


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
    """Seeds that no night has played, with both opinions on each."""
    first = 1 + count(figures, "seeds")
    words = python("tests.chaos.second", f"{first}..{first + SEEDS_A_ROUND - 1}", str(TICKS))
    return Round(words, {"seeds": SEEDS_A_ROUND})


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
                red.append(f"seed {told['seed']} ticks {TICKS}: {told.get('invariant', told.get('outside'))}")


def fuzzing(parser: str) -> Box:
    """One parser, again and again, from where chance takes it."""
    words = python("tests.chaos.test_hostile_input", parser, SECONDS)
    return Box(f"fuzz {parser}", FUZZ_MINUTES, lambda figures: Round(words, {}, seconds=FUZZ_ROUND_S), learn_inputs)


def learn_inputs(figures: Figures, said: str) -> None:
    """How many inputs were read."""
    found = re.search(r"^\S+ (\d+)$", said, re.MULTILINE)
    figures["inputs"] = count(figures, "inputs") + (int(found[1]) if found else 0)


def mutated() -> dict[str, str]:
    """Each module of the mutation table with the hash of it and of the tests that stand for it."""
    table = tomllib.loads((REPOSITORY / "tests/bite/mutation.toml").read_text("utf-8"))
    found: dict[str, str] = {}
    for file, row in table["module"].items():
        digest = hashlib.sha256((REPOSITORY / file.partition("#")[0]).read_bytes())
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
    return Round(words, {"files": 1}, {"HYPOTHESIS_PROFILE": "night"}, is_passed=True)


def next_kills(figures: Figures) -> Round:
    """A real writer killed five thousand times more."""
    words = python("pytest", "-q", "-p", "no:cacheprovider", "--timeout=1800", "tests/chaos/test_log_processes.py")
    return Round((*words, "-k", "kill_nine"), {"kills": 5000}, {"PHOENIX_KILLS": "5000"})


def next_slow(figures: Figures) -> Round:
    """What is marked slow, one file after the other; the pairs of crashes have a box of their own."""
    marked = [path for path in (REPOSITORY / "tests").rglob("test_*.py") if "mark.slow" in path.read_text("utf-8")]
    files = sorted(str(path.relative_to(REPOSITORY)) for path in marked if path.name != "test_night.py")
    file = files[count(figures, "files") % len(files)]
    words = python("pytest", "-q", "-m", "slow", "--timeout=3600", "-p", "no:cacheprovider", "-k", "not every_pair")
    return Round((*words, file), {"files": 1}, is_passed=True)


def deaths_in(figures: Figures) -> dict[str, str]:
    """How far each scenario came: `12 of 54` first deaths, on the sources as they are."""
    from tests.chaos.crashes.night import played_on

    if figures.get("sources") != played_on():
        figures["sources"], figures["first deaths"] = played_on(), {}
    found = figures.setdefault("first deaths", {})
    assert isinstance(found, dict)
    return found


def next_pairs(figures: Figures) -> Round | None:
    """The next few first deaths, each with every death in the recovery from it."""
    from tests.chaos.crashes.night import PAIRED

    deaths = deaths_in(figures)
    for scenario in PAIRED:
        done, _, of = deaths.get(scenario.__name__, "0 of ?").partition(" of ")
        if done != of:
            return Round(python("tests.chaos.crashes.night", scenario.__name__, done, str(FIRST_DEATHS_A_ROUND)), {})
    return None


def learn_pairs(figures: Figures, said: str) -> None:
    """How many pairs were played, and where the next night goes on; a pair that breaks a promise is told by the box."""
    found = re.search(r"^(\w+) \d+\.\.(\d+) of (\d+): (\d+) pairs$", said, re.MULTILINE)
    if found:
        name, end, of, pairs = found.groups()
        deaths_in(figures)[name] = f"{end} of {of}"
        figures["pairs"] = count(figures, "pairs") + int(pairs)


def next_worlds(figures: Figures) -> Round | None:
    """The abstract model, on from where it stopped, each walk up to ten million worlds; other rules begin anew. What is
    bought in one round is sold in the next."""
    from tests.chaos.model.explore import rules_hash

    rules = rules_hash().hex()
    if figures.get("rules") != rules:
        figures["rules"], figures["worlds"] = rules, 0
    if count(figures, "worlds") >= WORLDS_MAX:
        return None
    side = {"PHOENIX_MODEL_SIGN": "-1" if count(figures, "rounds") % 2 else "1"}
    return Round(python("tests.chaos.model.night", SECONDS), {}, side, seconds=MODEL_ROUND_S)


def learn_worlds(figures: Figures, said: str) -> None:
    """How far the walks came, and how many questions the production desk answered as the model does."""
    line = r"^(\d+) worlds, (\d+) steps, (\d+) not yet looked at, (\d+) distinct questions"
    walks = [tuple(map(int, found)) for found in re.findall(line, said, re.MULTILINE)]
    if walks:  # the shorter walk says how far it is; one that has been everywhere is not waited for
        figures["worlds"] = min(worlds if waiting else WORLDS_MAX for worlds, _, waiting, _ in walks)
        figures["steps"] = sum(steps for _, steps, _, _ in walks)
        figures["questions"] = sum(questions for *_, questions in walks)


def next_ways(figures: Figures) -> Round:
    """Longer ways of the seventh walk that no run has drawn; each run draws those from 0 on."""
    first = 1_000 + count(figures, "ways")
    words = python("tests.chaos.model.ways", f"{first}..{first + WAYS_A_ROUND - 1}")
    return Round(words, {"ways": WAYS_A_ROUND})


def learn_ways(figures: Figures, said: str) -> None:
    """A way that breaks a promise is named by its seed."""
    for line in said.splitlines():
        if line.startswith("way "):
            red = figures.setdefault("red", [])
            assert isinstance(red, list)
            red.append(line)


def boxes() -> tuple[Box, ...]:
    """All of them; the minutes are those of a night of an hour and a half."""
    from tests.chaos.parsers import PARSERS

    return (
        Box("seeds", 35, next_seeds, learn_seeds),
        Box("mutation", 20, next_module, learn_scores),
        Box("slow", 20, next_slow),
        Box("pairs", 15, next_pairs, learn_pairs),
        Box("properties", 15, next_properties),
        Box("kills", 5, next_kills),
        Box("model", 5, next_worlds, learn_worlds),
        Box("ways", 5, next_ways, learn_ways),
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
    grace = min(GRACE_S, max(GRACE_LEAST_S, GRACE_BOXES * 60 * minutes))
    while time.monotonic() < until:
        with report.lock:
            figures = report.of(box.name)
            asked = box.after(figures)
        if asked is None:
            break
        began = time.monotonic()
        code, said = _ran(asked, until - began, grace)
        with report.lock:
            box.learn(figures, said)
            for name, value in asked.figures.items() if code is not None or asked.is_passed else ():
                assert isinstance(value, int)
                figures[name] = count(figures, name) + value
            figures["rounds"] = count(figures, "rounds") + 1
            figures["seconds"] = count(figures, "seconds") + round(time.monotonic() - began)
            if code is None:
                figures["cut short"] = count(figures, "cut short") + 1
            elif code != 0:
                well = False
                figures["failed"] = count(figures, "failed") + 1
                figures["last failure"] = " ".join(asked.words[1:]) + "\n" + said[-2000:]
            report.keep()
    return well


def _ran(asked: Round, left: float, grace: float) -> tuple[int | None, str]:
    """The code of a round and what it said; no code where the box was over before it was."""
    length = f"{min(asked.seconds, left):.1f}"
    try:
        ran = subprocess.run(
            [length if word == SECONDS else word for word in asked.words],
            cwd=REPOSITORY,
            env={**os.environ, **asked.environment},
            capture_output=True,
            text=True,
            timeout=left + grace,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return None, late.stdout.decode() if isinstance(late.stdout, bytes) else str(late.stdout or "")
    return ran.returncode, ran.stdout + ran.stderr


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
