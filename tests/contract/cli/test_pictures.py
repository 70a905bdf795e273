"""The approve screen, pictured: a green, an amber and a red one, in colour and without, held against text files.

`python -m tests.contract.cli.test_pictures` draws them again; look at what changed before you keep it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from phoenix_cli.commands.asking import COLUMNS, ROWS, painted
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.gate.evidence import asks_for_instrument, blocks
from tests.showing import REPOSITORY
from tests.stage import Stage, stage

FOLDER: Final = REPOSITORY / "tests" / "contract" / "cli" / "pictures"


async def green() -> tuple[Stage, str]:
    """Nothing stands against it."""
    desk = stage()
    await desk.start()
    return desk, await desk.propose()


async def amber() -> tuple[Stage, str]:
    """The same trade was proposed a moment ago under another name."""
    desk = stage()
    await desk.start()
    _ = await desk.propose()
    return desk, await desk.propose()


async def red() -> tuple[Stage, str]:
    """A kill stands on the desk."""
    desk = stage()
    await desk.start()
    _ = desk.act(RaiseKill(desk.fresh(), "instrument:EURUSD", "central bank", "operator")).unwrap()
    return desk, await desk.propose()


CASES: Final[dict[str, Callable[[], Awaitable[tuple[Stage, str]]]]] = {"green": green, "amber": amber, "red": red}


def drawn(name: str) -> tuple[tuple[str, ...], bool, bool]:
    """The fact block of a case, whether it asks for the instrument, and whether it blocks."""

    async def draw() -> tuple[tuple[str, ...], bool, bool]:
        desk, intent = await CASES[name]()
        shown = desk.desk.evidence.latest(intent)
        assert shown is not None, "a screen shows evidence"
        return desk.screen(intent).lines, asks_for_instrument(shown.evidence), blocks(shown.evidence)

    return asyncio.run(draw())


def picture(name: str, colour: bool) -> Path:
    """Where a picture is kept; escape codes are written as people can read them."""
    return FOLDER / f"{name}{'.colour' if colour else ''}.txt"


def text_of(lines: tuple[str, ...] | list[str]) -> str:
    """The screen as one text, escapes made visible; the hash of the evidence is another one with every change of a
    bead, and stands for itself."""
    text = "".join(line.replace("\x1b", "<esc>") + "\n" for line in lines)
    return re.sub(r"evidence [0-9a-f]{16}", "evidence ................", text)


@pytest.mark.parametrize("name", CASES)
def test_the_picture_without_colour(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line for line what is hashed into the statement, within 80 x 24, no escape in it."""
    monkeypatch.setenv("NO_COLOR", "1")
    lines, _, _ = drawn(name)
    assert text_of(painted(lines)) == text_of(lines) == picture(name, False).read_text("utf-8")
    assert len(lines) < ROWS and all(len(line) <= COLUMNS for line in lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_the_picture_in_colour(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words, and colour on those lines alone that need a look."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines, _, _ = drawn(name)
    assert text_of(painted(lines)) == picture(name, True).read_text("utf-8")


@pytest.mark.parametrize(("name", "instrument", "blocked"), [("green", 0, 0), ("amber", 1, 0), ("red", 1, 1)])
def test_what_the_lights_ask_for(name: str, instrument: int, blocked: int) -> None:
    """Green asks for the quantity, amber for the instrument too, red leaves nothing to type."""
    _, asks, stops = drawn(name)
    assert stops == bool(blocked)
    assert asks == bool(instrument) or stops


def test_the_pictures_are_deterministic() -> None:
    """Drawn twice, the same to the letter: an auditor can draw the screen again."""
    assert [drawn(name) for name in CASES] == [drawn(name) for name in CASES]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        facts, _, _ = drawn(case)
        picture(case, False).write_text(text_of(facts), "utf-8")
        picture(case, True).write_text(text_of(painted(facts)), "utf-8")
