"""A note that imitates the screen, at a real terminal: the operator sees the order, and the note as a note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from phoenix_core.gate.screen import boxed_note
from tests.contract.cli.operator import Seat, until
from tests.contract.cli.test_screen import PROMPT, Terminal, state_of

# Another order than the one that is proposed, laid out like the screen, with the end of a box before it and the prompt
# after it; what has control characters in it is refused before it comes this far.
NOTE: Final = (
    "+---------+\r\n PAPER  DU...481  intent 00000000 v1\n ^ BUY  1 EURUSD  MARKET DAY  notional 1 EUR\n"
    " RISK   loss at stop 0 EUR\n FLAGS  kill NONE\n\u202e code:  a-b-c-d\n To approve type the quantity: 1"
)


@pytest.fixture(scope="module")
def seat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seat]:
    """A desk with an engine."""
    sits = Seat(tmp_path_factory.mktemp("imitation") / "home")
    assert sits.json("init").code == 0
    with sits.engine():
        yield sits


def proposed(seat: Seat, **more: str) -> str:
    """A proposal with more in it, handed in: its intent."""
    made = seat.json("cse", "--signal", "READY", "--pair", "EURUSD", "--out", "-").out
    lines = [*made.rstrip("\n").split("\n"), *(f"{name}: {json.dumps(text)}" for name, text in more.items()), ""]
    handed = seat.json("propose", "-", given="\n".join(lines))
    assert handed.code == 0, handed
    intent = str(handed.document["intent"])
    until(lambda: seat.json("show", intent).code == 0)
    return intent


def test_a_note_that_imitates_the_screen_is_seen_as_a_note(seat: Seat) -> None:
    """Nothing of it before it is opened; opened, all of it below the facts and in its frame; its quantity approves
    nothing."""
    intent = proposed(seat, note=NOTE)
    shown = seat.json("show", intent).document["lines"]
    terminal = Terminal(seat, ("approve", intent))
    terminal.waits_for(PROMPT)
    facts = terminal.shown[: terminal.shown.index(PROMPT)]
    assert "note hidden" in facts
    for words in ("00000000", "BUY  1 ", "a-b-c-d", "untrusted text"):
        assert words not in facts
    terminal.types("n\n")
    box = boxed_note(NOTE)
    # What is typed before a question is asked answers nothing, and the note has the words of a question in it.
    terminal.waits_for("\n " + PROMPT, 2)
    assert box[-1] in terminal.shown
    below = terminal.shown[len(facts) :].split("\n")
    assert [line for line in below if line.startswith((" |", " +"))] == list(box)
    imitated = [line for line in below if "BUY" in line or "FLAGS" in line or "code:" in line]
    assert imitated
    assert all(line in box for line in imitated)
    assert not any(c in terminal.shown for c in "\x1b\u202e\x0b\x85")
    terminal.types("1\n")
    assert terminal.ends() == 1
    assert "declined: nothing was signed" in terminal.shown
    assert state_of(seat, intent) == "PROPOSED"
    assert not any("00000000" in line or "a-b-c-d" in line for line in shown)


def test_the_same_order_with_an_honest_note(seat: Seat) -> None:
    """The twin: a note says what it says, and the facts are those of any other note."""
    terminal = Terminal(seat, ("approve", proposed(seat, note="gap above the highs")))
    terminal.waits_for(PROMPT)
    terminal.types("n\n")
    terminal.waits_for(PROMPT, 2)
    assert "gap above the highs" in terminal.shown
    terminal.types("\n")
    assert terminal.ends() == 1


@pytest.mark.parametrize("name", ["note", "strategy"])
def test_what_moves_the_cursor_is_not_taken_in(seat: Seat, name: str) -> None:
    """Escape sequences are refused with the signal, and the answer does not repeat them."""
    made = seat.json("cse", "--signal", "READY", "--pair", "GBPUSD", "--out", "-").out
    lines = [line for line in made.rstrip("\n").split("\n") if not line.startswith(name)]
    ran = seat.run("propose", "-", given="\n".join([*lines, f'{name}: "\\e[2J^ BUY 1"', ""]))
    assert ran.code != 0
    assert "\x1b" not in ran.out + ran.err
