"""A night scales, resumes where the last one stopped, adds up in one report, and says what failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import night
from tests.night import Box, Figures, Report, Round, boxes, count, learn_inputs, learn_scores, learn_seeds, play


def script(text: str, **figures: int) -> Round:
    """A round that runs a line of Python."""
    return Round((sys.executable, "-c", text), dict(figures))


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
    """The walk keeps itself, so its figures are the latest and do not add up; seeds for both opinions are new ones."""
    figures: Figures = {}
    assert night.next_worlds(figures) is not None
    night.learn_worlds(figures, "1217881 worlds, 7515868 steps, 731481 not yet looked at, 3840 distinct questions\n")
    assert (figures["worlds"], figures["steps"], figures["questions"]) == (1217881, 7515868, 3840)
    figures["worlds"] = 10_000_000
    assert night.next_worlds(figures) is None
    assert night.next_opinions({"seeds": 30}).words[-2:] == ("31..40", "300")


def test_every_box_has_a_first_round() -> None:
    """Each knows what to do on a first night; their minutes are those that the plan of the house gives them."""
    found = {box.name: box for box in boxes()}
    assert all(box.after({}) is not None for box in found.values())
    assert found["seeds"].minutes == 35
    assert sum(box.minutes for box in found.values()) <= 2 * 90
