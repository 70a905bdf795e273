"""`nox -s mutation`: how much of what could be wrong with a rule do its tests notice?

For each module of mutation.toml every mutant (mutants.py) is tried against the tests named there, each in a forked
process that imports the mutant in place of the module. docs/mutation.md says how many were noticed and lists the rest.
The session fails below the score that the table asks for, and on a survivor for which survivors.toml gives no reason,
or gives one although it no longer survives.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

import hypothesis  # noqa: F401 - slow to import and not under test: imported once, before the forks
import pytest
import returns.result  # noqa: F401 - as above
from attrs import frozen

from tests.bite.mutants import Mutant, mutants

PLACE: Final = Path(__file__).parent
REPOSITORY: Final = PLACE.parent.parent
SECONDS_SPARE = 10.0  # of work, beside five times what the tests took: a mutant that works longer hangs
WAITS_MAX: Final = 900  # seconds in all, for one that waits for ever instead; counted as noticed, like a crash
# pytest would rewrite the assertions of its plugins; Hypothesis was imported before the fork and has none to rewrite.
EARLY: Final = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


class Fate(Enum):
    """What became of a mutant; the value is the exit code of the process that tried it."""

    SURVIVED = 0
    NOTICED = 1
    STILLBORN = 3
    HUNG = -signal.SIGPROF


@frozen
class Target:
    """A module, or one part of it (`file.py#Word`: below the heading with this word), and the tests for it."""

    file: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        """The file of the module."""
        return self.file.partition("#")[0]

    @property
    def module(self) -> str:
        """Its dotted name."""
        return self.path.removeprefix("src/").removesuffix(".py").replace("/", ".")

    def lines(self, source: str) -> range:
        """The lines that are mutated: all of them, or those from the part's heading, `# --- ...`, to the next one."""
        rows, word = source.splitlines(), self.file.partition("#")[2]
        heads = [number for number, row in enumerate(rows, 1) if row.startswith("# --- ")]
        mine = [number for number in heads if word in rows[number - 1].split()] if word else [1]
        assert len(mine) == 1, f"{self.file}: {len(mine)} headings have this word"
        return range(mine[0], min((number for number in heads if word and number > mine[0]), default=len(rows) + 1))


@frozen
class Tried:
    """A module with the fate of each of its mutants."""

    target: Target
    fates: tuple[tuple[Mutant, Fate], ...]

    def count(self, *fates: Fate) -> int:
        """How many met one of these fates."""
        return sum(fate in fates for _, fate in self.fates)

    @property
    def survivors(self) -> list[str]:
        """The names of those that no test noticed."""
        return [mutant.name for mutant, fate in self.fates if fate is Fate.SURVIVED]

    @property
    def score(self) -> float:
        """Noticed, in percent of those that could be; a mutant that does not import proves nothing."""
        born = len(self.fates) - self.count(Fate.STILLBORN)
        return 100 * self.count(Fate.NOTICED, Fate.HUNG) / born if born else 100.0


class InPlace(MetaPathFinder, Loader):
    """Imports one module from a text that is not in its file."""

    def __init__(self, name: str, file: str, source: str) -> None:
        """Compile at once, so that what does not compile fails before anything is tried."""
        self.name = name
        self.code = compile(source, file, "exec")

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Only the one module is ours."""
        return ModuleSpec(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the text as the module."""
        exec(self.code, module.__dict__)


class QuickestFirst:
    """A pytest plugin: the first run notes how long each test takes, the others begin with the quickest."""

    def __init__(self, note: Path) -> None:
        """Read the note, if it is written."""
        self.note = note
        self.seconds: dict[str, float] = json.loads(note.read_text("utf-8")) if note.exists() else {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Most mutants are noticed by most tests: ask the quick ones first."""
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember."""
        if report.when == "call":
            self.seconds[report.nodeid] = report.duration

    def pytest_sessionfinish(self) -> None:
        """Write the note, once."""
        if not self.note.exists():
            self.note.write_text(json.dumps(self.seconds), "utf-8")


def _try(target: Target, source: str, seconds: float, storage: Path) -> NoReturn:
    """In a process of its own: import the source as the module, run its tests, and tell by the exit code."""
    fate = Fate.STILLBORN
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of its own work, however busy the machine is
        signal.alarm(WAITS_MAX)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(storage)  # what fails here must not be replayed in real runs
        os.environ["HYPOTHESIS_PROFILE"] = "bite"
        sys.meta_path.insert(0, InPlace(target.module, target.path, source))
        import_module(target.module)
        fate = Fate.NOTICED
        quiet = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "-m", "not paper", "-W", EARLY)
        if pytest.main([*quiet, *target.tests], [QuickestFirst(storage / "seconds.json")]) == pytest.ExitCode.OK:
            fate = Fate.SURVIVED
    finally:
        os._exit(fate.value)  # never back into the parent's code, whatever the mutant raised


def fates(target: Target, sources: Sequence[str], seconds: float, storage: Path) -> Iterator[tuple[int, Fate]]:
    """Try these texts of a module, as many at once as there are processors; which met which fate, as they end."""
    running: dict[int, int] = {}
    waiting = iter(enumerate(sources))
    while True:
        while len(running) < (os.cpu_count() or 1) and (following := next(waiting, None)) is not None:
            number, source = following
            process = os.fork()
            if process == 0:
                _try(target, source, seconds, storage)
            running[process] = number
        if not running:
            return
        process, status = os.wait()
        yield running.pop(process), _fate(status)


def _fate(status: int) -> Fate:
    code = os.waitstatus_to_exitcode(status)
    return Fate(code) if code in {fate.value for fate in Fate} else Fate.NOTICED  # a crash is noticed


def try_all(target: Target, root: Path) -> Tried:
    """Every mutant of a module, after its tests were seen to pass on the module as it is."""
    source = (root / target.path).read_text("utf-8")
    lines = target.lines(source)
    found = [mutant for mutant in mutants(source) if mutant.line in lines]
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        before = _worked()
        as_it_is = dict(fates(target, [source], WAITS_MAX, Path(place)))
        assert as_it_is == {0: Fate.SURVIVED}, f"the tests of {target.file} do not pass on it as it is"
        seconds = SECONDS_SPARE + 5 * (_worked() - before)
        met = dict(fates(target, [mutant.source for mutant in found], seconds, Path(place)))
    return Tried(target, tuple((mutant, met[number]) for number, mutant in enumerate(found)))


def _worked() -> float:
    """Seconds that the processors spent on children that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


# --- what is said of it -----------------------------------------------------------------------------------------------

HEAD: Final = """\
# Mutants: what the tests of the rules notice

Written by `nox -s mutation`. Every comparison, bound, condition, operator, statement and table member of these modules
was changed, one at a time, and the module's own tests were run against it. A survivor is a change that no test noticed;
each has its reason below. Stillborn mutants cannot be imported and count for nothing.

| module | mutants | noticed | hung | stillborn | survived | score |
|---|--:|--:|--:|--:|--:|--:|
"""


def report(tried: Sequence[Tried], reasons: Mapping[str, Mapping[str, str]]) -> str:
    """The whole of docs/mutation.md."""
    rows = [
        f"| {each.target.file} | {len(each.fates)} | {each.count(Fate.NOTICED)} | {each.count(Fate.HUNG)} "
        f"| {each.count(Fate.STILLBORN)} | {each.count(Fate.SURVIVED)} | {each.score:.1f} % |\n"
        for each in tried
    ]
    text = HEAD + "".join(rows)
    for each in tried:
        if each.survivors:
            text += f"\n## Survivors of {each.target.file}\n\n"
            argued = reasons.get(each.target.file, {})
            text += "".join(f"- `{name}`\n  {argued.get(name, '**no reason given**')}\n" for name in each.survivors)
    return text


def complaints(
    tried: Sequence[Tried], reasons: Mapping[str, Mapping[str, str]], score_min: float, *, whole: bool
) -> Iterator[str]:
    """What makes the session fail."""
    for each in tried:
        argued = reasons.get(each.target.file, {})
        if each.score < score_min:
            yield f"{each.target.file}: {each.score:.1f} % noticed, less than {score_min} %"
        yield from (f"{each.target.file}: survives without a reason: {it}" for it in each.survivors if it not in argued)
        yield from (f"{each.target.file}: argued, and noticed: {it}" for it in argued if it not in each.survivors)
    if whole:
        unknown = reasons.keys() - {each.target.file for each in tried}
        yield from (f"survivors.toml speaks of {file}, which is not in mutation.toml" for file in sorted(unknown))


def main(arguments: list[str], place: Path = PLACE, root: Path = REPOSITORY) -> int:
    """Try the modules of the table, or those whose path contains one of the words given; 0 when the tests suffice."""
    table = tomllib.loads((place / "mutation.toml").read_text("utf-8"))
    reasons = tomllib.loads((place / "survivors.toml").read_text("utf-8"))
    targets = [Target(file, tuple(row["tests"])) for file, row in table["module"].items()]
    wanted = [it for it in targets if not arguments or any(word in it.file for word in arguments)]
    tried = []
    for target in wanted:
        tried.append(try_all(target, root))
        counts = ", ".join(f"{tried[-1].count(fate)} {fate.name.lower()}" for fate in Fate)
        print(f"{target.file}: {tried[-1].score:.1f} % ({counts})", flush=True)
    if wanted == targets:
        (root / "docs" / "mutation.md").write_text(report(tried, reasons), "utf-8")
    found = list(complaints(tried, reasons, table["score_min"], whole=wanted == targets))
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
