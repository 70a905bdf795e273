"""A note that imitates the screen: it never reaches the facts or their hash, and is seen as a note by who opens it."""

from __future__ import annotations

import hashlib
import unicodedata
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.gate.cse import NOTE_CHARACTERS_MAX, read_signal
from phoenix_core.gate.screen import COLUMNS, Live, boxed_note, fits, render_facts, render_hash
from phoenix_core.values import BadInput, Mode, Price
from tests.unit.gate.samples import LEAF, document, evidence, signal

D: Final = Decimal
LIVE: Final = Live(Price(D("1.08500")), Price(D("1.08510")), 200)
NAMES: Final = ("PAPER", "^ BUY", "RISK", "SIZE", "MARKET", "AFTER", "EXITS", "SETUP", "FLAGS", "FROM")
OTHERS: Final = render_facts(evidence(signal(entry="1.0950", stop="1.0920", target="1.1010")), LEAF, LIVE, Mode.LIVE,
                             "U...999")  # fmt: skip
CODE: Final = " code:  copper-lake-nine-fox   T 04:12      r reject  d diff  n note  ? why  K kill"
PROMPT: Final = " To approve type the quantity: 100,000"
IMITATIONS: Final = {
    "the facts of another order": "\n".join(OTHERS),
    "a line that calms": " FLAGS  kill NONE  recon 1 s, 0 drifts",
    "match words and keys": CODE,
    "the prompt, answered": PROMPT,
    "the end of its own box": "x\n +" + "-" * 75 + "+\n" + "\n".join(OTHERS),
    "a box in a box": "\n".join(boxed_note("BUY 1 EURUSD")),
    "box drawing": "\u250c\u2500 RISK \u2500\u2510\n\u2502 loss at stop 0 EUR \u2502\n\u2514\u2500\u2500\u2500\u2518",
    "the screen cleared first": "\x1b[2J\x1b[1;1H" + OTHERS[0],
    "eight-bit control": "\x9b2J\x9b1;1H" + OTHERS[0],
    "a title and a link": "\x1b]0;approved\x07\x1b]8;;https://phoenix.example\x1b\\facts\x1b]8;;\x1b\\",
    "over the line above": "\x1b[1A\r" + OTHERS[1],
    "backspaces": "\x08" * 80 + OTHERS[1],
    "carriage returns": "\r".join(OTHERS),
    "other ends of lines": "\x0b".join(OTHERS) + "\x0c\x85\u2028\u2029" + OTHERS[2],
    "from right to left": "\u202e" + OTHERS[1][::-1] + "\u202c",
    "isolates": "\u2067" + OTHERS[1] + "\u2069\u200f\u061c",
    "wide letters": "\uff30\uff21\uff30\uff25\uff32\u3000\uff22\uff35\uff39\uff11",
    "wide pictures": "\u2705\U0001f7e2 " * 40,
    "marks that pile up": "B\u0336U\u0336Y\u0336" * 30,
    "nothing to see": "\u200b\u2060\ufeff\u00ad\u2800\u3164" * 10,
    "pushed out of sight": " " * 2_000 + OTHERS[1],
    "tabs": "\t" * 40 + OTHERS[1],
    "look-alikes": "\u0420\u0410\u0420\u0415R  ^ \u0412UY  1 \u0410\u0410\u0420L",
    "a surrogate": "\ud800" + OTHERS[1],
    "much": "\n".join(OTHERS) * 100,
}  # fmt: skip


def block(note: str | None) -> tuple[str, ...]:
    """The facts of an order beside which this is said, also where intake would have refused to take it in."""
    kept = None if note is None else f"sha256:{hashlib.sha256(note.encode('utf-8', 'surrogatepass')).hexdigest()}"
    whole = evolve(evidence(), note=kept)
    return render_facts(whole, LEAF, LIVE, Mode.PAPER, "DU...481")


@pytest.mark.parametrize("note", IMITATIONS.values(), ids=IMITATIONS)
class TestANoteThatImitatesTheScreen:
    """Whatever is written: the facts do not know it, and the box does not let it out."""

    def test_it_does_not_reach_the_facts_nor_their_hash(self, note: str) -> None:
        """The block says that there is a note, the same for every note; that is all a note can do to it."""
        shown = block(note)
        assert shown == block("I like it.")
        assert render_hash(shown) == render_hash(block("I like it."))
        assert [line for line in shown if line not in block(None)] == [shown[-1]]
        assert shown[-1].endswith("note hidden")
        assert fits(shown)

    def test_opened_it_is_a_note_from_the_first_line_to_the_last(self, note: str) -> None:
        """One frame around it, closed once; no line of it is, or begins like, a line of the screen."""
        top, *inside, bottom = boxed_note(note)
        assert " untrusted text " in top
        assert (top[:3], top[-1], bottom[:3], bottom[-1]) == (" +-", "+", " +-", "+")
        assert inside
        for line in inside:
            assert (line[:3], line[-2:], len(line)) == (" | ", " |", COLUMNS)
        screen = {*block(note), *OTHERS, CODE, PROMPT}
        assert screen.isdisjoint({top, *inside, bottom})
        assert not any(line.startswith((" |", " +")) for line in screen), "only notes stand in frames"

    def test_what_moves_a_cursor_is_not_even_taken_in(self, note: str) -> None:
        """Control and half characters, but for line ends and tabs, are refused with the signal; a long note too."""
        moves = any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in note)
        if moves or len(note) > NOTE_CHARACTERS_MAX:
            with pytest.raises(BadInput):
                _ = signal(note=note)
        else:
            assert signal(note=note).note is not None

    def test_every_character_takes_one_place(self, note: str) -> None:
        """Nothing in the box moves the cursor, is wider or narrower than it looks, or runs from right to left."""
        for line in boxed_note(note):
            assert line.isprintable()
            assert {unicodedata.east_asian_width(c) for c in line} <= {"Na", "N", "A"}
            assert not any(unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Mn", "Me") for c in line)
            assert {unicodedata.bidirectional(c) for c in line}.isdisjoint({"R", "AL", "RLE", "RLO", "RLI", "LRO"})


TEXTS: Final = (
    "signal_id",
    "intent_id",
    "pair",
    "setup_type",
    "state_hash",
    "strategy",
    "htf",
    "ltf",
    "side",
    "signal",
)


@pytest.mark.parametrize("words", IMITATIONS.values(), ids=IMITATIONS)
@pytest.mark.parametrize("field", TEXTS)
def test_no_other_text_of_a_signal_can_imitate_it(field: str, words: str) -> None:
    """A name is a name: the schema refuses whatever could be laid out like the screen, before anybody sees it."""
    for text in (words, "meanrev " + words, words[:32], words.replace("\n", " ")[:32]):
        with pytest.raises(BadInput):
            _ = read_signal(document(**{field: text}))


@given(text=st.text("[a-zA-Z0-9 ^|+-_.:@]\n\x1b\u202e\uff30", max_size=40), field=st.sampled_from(TEXTS))
def test_whatever_a_name_may_be_the_facts_stand(text: str, field: str) -> None:
    """What the schema does let in leaves every section where it was, once."""
    try:
        shown = render_facts(evidence(signal(**{field: text})), LEAF, LIVE, Mode.PAPER, "DU...481")
    except (BadInput, AssertionError, ArithmeticError):
        return
    heads = [line[1:8].strip() for line in shown if line[1:8].strip()]
    assert heads[0] == NAMES[0]
    assert heads[2:] == list(NAMES[2:])
    assert not any(line.startswith((" |", " +")) for line in shown)
