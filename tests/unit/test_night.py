"""A night scales, resumes where the last one stopped, adds up in one report, and says what failed."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from tests import night
from tests.chaos.crashes import night as crashes
from tests.chaos.model import ways
from tests.night import Box, Figures, Report, Round, boxes, count, learn_inputs, learn_scores, learn_seeds, play


def script(text: str, **figures: int) -> Round:
    """A round that runs a line of Python."""
    return Round((sys.executable, "-c", text), dict(figures))


def _always(asked: Round, figures: Figures) -> Round:
    """The same round again and again."""
    return asked


def test_rounds_add_up_and_resume(tmp_path: Path) -> None:
    """A second night goes on from the number at which the first one stopped."""

    def ask(figures: Figures) -> Round | None:
        done = count(figures, "seeds")
        limit = 2 if not (tmp_path / "second").exists() else 5
        return script(f"print({done})", seeds=1) if done < limit else None

    told: list[str] = []
    box = Box("seeds", 1, ask, lambda figures, said: told.append(said.strip()))
    assert play(box, 1, Report(tmp_path / "report.json"))
    assert told == ["0", "1"]
    (tmp_path / "second").touch()
    assert play(box, 1, Report(tmp_path / "report.json"))
    assert told == ["0", "1", "2", "3", "4"]
    kept = json.loads((tmp_path / "report.json").read_text("utf-8"))["seeds"]
    assert (kept["seeds"], kept["rounds"]) == (5, 5)


def test_a_failure_is_kept_with_its_words(tmp_path: Path) -> None:
    """The command and the end of what it said; the night goes on and ends badly."""
    asked = iter([script("raise SystemExit('a seed is red')"), script("print('fine')"), None])
    report = Report(tmp_path / "report.json")
    assert not play(Box("seeds", 1, lambda figures: next(asked)), 1, report)
    figures = report.of("seeds")
    assert (figures["rounds"], figures["failed"]) == (2, 1)
    assert "a seed is red" in str(figures["last failure"])


def test_a_round_that_is_cut_short_is_no_failure_and_is_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was about to add is not added: those seeds were not played. A box that only goes round goes past it."""
    monkeypatch.setattr(night, "GRACE_LEAST_S", 0)
    monkeypatch.setattr(night, "GRACE_BOXES", 0)
    hangs = script("import time; time.sleep(60)", seeds=10)
    report = Report(tmp_path / "report.json")
    for asked, seeds in ((hangs, 0), (evolve(hangs, is_passed=True), 10)):
        assert play(Box("seeds", 1, partial(_always, asked)), 0.5 / 60, report)
        figures = report.of("seeds")
        assert (count(figures, "seeds"), count(figures, "failed")) == (seeds, 0)
    assert figures["cut short"] == 2


def test_a_round_is_no_longer_than_what_is_left_of_its_box(tmp_path: Path) -> None:
    """What takes a length on its command line gets its own, or the rest of the box."""
    told: list[str] = []
    asks = Round((sys.executable, "-c", "import sys; print(sys.argv[1])", night.SECONDS), {}, seconds=30)
    rounds = iter([asks, None])
    assert play(Box("b", 1, lambda f: next(rounds), lambda f, said: told.append(said)), 1, Report(tmp_path / "r"))
    rounds = iter([asks, None])
    assert play(Box("b", 1, lambda f: next(rounds), lambda f, said: told.append(said)), 0.1, Report(tmp_path / "r"))
    whole, rest = map(float, told)
    assert whole == 30
    assert rest <= 6


def test_pairs_go_on_where_they_stopped_until_the_sources_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions of one scenario, then the next one; on other sources everything is owed again."""
    monkeypatch.setattr(crashes, "played_on", lambda: "sources 1")
    figures: Figures = {}

    def ask() -> tuple[str, ...]:
        asked = night.next_pairs(figures)
        return asked.words[-3:] if asked else ()

    first, second = (scenario.__name__ for scenario in crashes.PAIRED[:2])
    assert ask() == (first, "0", "6")
    night.learn_pairs(figures, f"{first} 0..6 of 8: 210 pairs\n")
    assert ask() == (first, "6", "6")
    night.learn_pairs(figures, f"{first} 6..8 of 8: 70 pairs\nNOT SO: a desk that did not come back\n")
    assert ask() == (second, "0", "6")
    assert figures["pairs"] == 280
    for scenario in crashes.PAIRED:
        night.learn_pairs(figures, f"{scenario.__name__} 0..5 of 5: 9 pairs\n")
    assert ask() == ()
    monkeypatch.setattr(crashes, "played_on", lambda: "sources 2")
    assert ask() == (first, "0", "6")


def test_a_box_without_time_plays_nothing(tmp_path: Path) -> None:
    """The night is over before it began."""
    assert play(Box("seeds", 1, lambda figures: pytest.fail("asked")), 0, Report(tmp_path / "report.json"))


def test_what_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the seeds, of the inputs, of the mutants, from what their commands print."""
    figures: Figures = {}
    rows = [{"seed": n, "steps": 300, "approvals": 2, "fills": 1, "ok": n != 2, "invariant": "I10"} for n in (1, 2)]
    learn_seeds(figures, "\n".join(json.dumps(row) for row in rows) + "\nother words\n")
    assert (figures["steps"], figures["approvals"], figures["fills"]) == (600, 4, 2)
    assert figures["red"] == ["seed 2 ticks 300: I10"]
    learn_inputs(figures, "bead: seed 17\nbead 2500\n")
    learn_inputs(figures, "bead 500\n")
    assert figures["inputs"] == 3000
    monkeypatch.setattr(night, "mutated", lambda: {"src/phoenix_core/gate/tokens.py": "1"})
    learn_scores(figures, "src/phoenix_core/gate/tokens.py: 100.0 % (0 survived)\n")
    assert figures["src/phoenix_core/gate/tokens.py"] == "100.0 %"


def test_a_module_is_mutated_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The box runs out of modules; a changed one comes again."""
    hashes = {"src/a.py": "1", "src/b.py": "2"}
    monkeypatch.setattr(night, "mutated", lambda: hashes)
    figures: Figures = {}

    def ask() -> str | None:
        asked = night.next_module(figures)
        return asked.words[-1] if asked else None

    assert (ask(), ask()) == ("src/a.py", "src/a.py"), "what did not end is tried again"
    learn_scores(figures, "src/a.py: 99.0 % (1 survived)\n")
    assert ask() == "src/b.py"
    learn_scores(figures, "src/b.py: 100.0 % (0 survived)\n")
    assert ask() is None
    hashes["src/a.py"] = "3"
    assert ask() == "src/a.py"


def test_the_model_is_walked_until_its_ten_millionth_world() -> None:
    """The walk keeps itself, so its figures are the latest and do not add up; seeds are always new ones."""
    figures: Figures = {}
    assert night.next_worlds(figures) is not None
    night.learn_worlds(figures, "1217881 worlds, 7515868 steps, 731481 not yet looked at, 3840 distinct questions\n")
    assert (figures["worlds"], figures["steps"], figures["questions"]) == (1217881, 7515868, 3840)
    shorter = "1000 worlds, 5000 steps, 12 not yet looked at, 300 distinct questions\n"
    everywhere = "2000 worlds, 5000 steps, 0 not yet looked at, 300 distinct questions\n"
    night.learn_worlds(figures, f"{everywhere}compared 300 questions\n{shorter}")
    assert (figures["worlds"], figures["steps"], figures["questions"]) == (1000, 10000, 600)
    figures["worlds"] = 10_000_000
    assert night.next_worlds(figures) is None
    figures["rules"] = "those of another day"
    assert night.next_worlds(figures) is not None and figures["worlds"] == 0
    assert night.next_seeds({"seeds": 30}).words[-2:] == ("31..40", "300")


def test_what_is_bought_in_one_round_of_the_model_is_sold_in_the_next() -> None:
    """The production desk answers every question on both sides of the market."""
    sides = []
    for rounds in range(3):
        asked = night.next_worlds({"rounds": rounds})
        assert asked is not None
        sides.append(asked.environment["PHOENIX_MODEL_SIGN"])
    assert sides == ["1", "-1", "1"]


def test_ways_are_drawn_on_from_where_they_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is a new one, and none that every run draws; one that breaks a promise is named."""
    asked = night.next_ways({"ways": 4_000})
    assert asked.words[-1] == "5000..6999" and asked.figures == {"ways": 2_000}
    figures: Figures = {}
    night.learn_ways(figures, "way 5774: X1: turn > calm\n2000 ways, 1 broken\n")
    assert figures == {"red": ["way 5774: X1: turn > calm"]}
    assert ways.main(["1000..1003"]) == 0
    assert capsys.readouterr().out == "4 ways, 0 broken\n"


def test_a_way_that_breaks_a_promise_or_the_desk_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its seed, and the others are drawn all the same."""

    def drawn(seed: int, begins: object) -> tuple[str, tuple[str, ...]]:
        assert seed != 2, "it has ended and is never touched again"
        return ("X1", ("turn", "calm")) if seed == 4 else ("", ())

    monkeypatch.setattr(ways, "drawn", drawn)
    assert ways.main(["1..5"]) == 1
    said = "way 2: the desk broke: it has ended and is never touched again: \nway 4: X1: turn > calm\n"
    assert capsys.readouterr().out == f"{said}5 ways, 2 broken\n"


def test_every_box_has_a_first_round() -> None:
    """Each knows what to do on a first night; their minutes are those that the plan of the house gives them."""
    found = {box.name: box for box in boxes()}
    assert all(box.after({}) is not None for box in found.values())
    wanted = {"seeds": 35, "pairs": 15, "mutation": 20, "model": 5}
    assert {name: found[name].minutes for name in wanted} == wanted
    assert {box.minutes for name, box in found.items() if name.startswith("fuzz ")} == {2}
    assert sum(box.minutes for box in found.values()) <= 2 * 90
