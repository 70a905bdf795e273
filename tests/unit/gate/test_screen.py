"""The fact block: what stands in it, that nothing can be hidden, pushed or forged in it, and its four words."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Evidence, QuoteSeen
from phoenix_core.facts import Margin
from phoenix_core.gate.evidence import amber, info, kill_flag, red
from phoenix_core.gate.screen import (
    COLUMNS,
    LINES_MAX,
    Live,
    boxed_note,
    fits,
    match_words,
    render_facts,
    render_hash,
    sanitised,
)
from phoenix_core.gate.words import WORDS
from phoenix_core.records import of_json, to_json
from phoenix_core.values import Mode, Money, OrderType, Price, Quantity
from tests.showing import shows
from tests.unit.gate.samples import LEAF, WALL, changed, evidence, signal

D: Final = Decimal
LIVE: Final = Live(Price(D("1.08500")), Price(D("1.08510")), 200)
MASK: Final = "DU...481"
MOST: Final = Money(D("12345678.91"))
MONEY: Final = st.none() | st.integers(0, 10**10).map(Decimal)

# The whole block as a person sees it: changed only together with the renderer's id in the statement.
GOLDEN: Final = """\
 PAPER  DU...481  intent 5f0c6a4e v1  evidence 7f3ac9d27f3ac9d2
 ^ BUY  108,721 EURUSD  MARKET DAY  notional 108,702.25 EUR
        European Monetary Union Euro - CASH - IDEALPRO - USD
 RISK   loss at stop 1.082: 300.56 EUR = 0.5 % of equity = 1 R
        stop distance 0.003 = 0.28 %  reward 2 R  gap 3 R = 901.68 EUR
 SIZE   60,112 EUR x 0.5 % / (0.003 x 0.9215) = 108,721.3
        computed 108,721, not stated -> 108,721
 MARKET signal 2026-11-18T18:59:30Z at 1.085
        bid/ask 1.08495/1.08505 -> 1.085/1.0851  spread 0.9 -> 0.9 bps
        drift +0.5 bps = +0.02 R (limit 25 bps)  quote 200 ms old
 AFTER  EURUSD 0 -> 108,721  gross 68.21 % -> 249.04 %  margin not known
        daily loss 0 of 50,000 EUR
 EXITS  stop SELL 1.082 GTC  target SELL 1.091 GTC  time none
 SETUP  quality 0.8 (FVG_ENTRY, confidence 0.85)  red checks 2
        HTF up / LTF down  state 09:41 left of 15:00
 FLAGS  kill NONE  [!] first EURUSD trade in 90 days  recon 12 s, 0 drifts
 FROM   uid bot  strategy meanrev@4c1e  age 30 s  no note
"""


def block(shown: Evidence | None = None, live: Live = LIVE) -> tuple[str, ...]:
    """The fact block of some evidence."""
    return render_facts(shown or evidence(), LEAF, live, Mode.PAPER, MASK)


def facts(shown: Evidence | None = None, live: Live = LIVE) -> str:
    """The fact block as one text, its lines joined, so that a fact is found wherever it was wrapped."""
    return "  ".join(line.strip() for line in block(shown, live))


class TestFacts:
    """What the approver sees."""

    def test_the_whole_block(self) -> None:
        """Word for word, and it fits a terminal of 80 x 24 beside prompt, words and countdown."""
        assert "".join(line + "\n" for line in block()) == GOLDEN
        assert fits(block())

    @pytest.mark.parametrize(
        ("quote_s", "made_s", "age"), [(-31, 0, 30), (-31, -30, 0), (-40, -34, 0), (0, 120, 150), (-31, -29, 1)]
    )
    def test_the_age_of_a_fresh_signal_is_not_negative(self, quote_s: int, made_s: int, age: int) -> None:
        """Counted to the moment at which the evidence was made, not to a quote that is older than the signal; never
        below zero, where the proposer's clock runs a little ahead of ours."""
        shown = evidence(at=WALL + timedelta(seconds=made_s))
        shown = evolve(shown, quote=evolve(shown.quote, at=WALL + timedelta(seconds=quote_s)))
        assert f"age {age} s" in facts(shown)

    @shows("S32-EVD-01")
    @pytest.mark.parametrize(
        "seen",
        [
            "quality 0.8 (FVG_ENTRY, confidence 0.85)",
            "HTF up / LTF down",
            "stop SELL 1.082 GTC",
            "target SELL 1.091 GTC",
            "^ BUY  108,721 EURUSD",
            "red checks 2",
            "state 09:41 left of 15:00",
            "60,112 EUR x 0.5 % / (0.003 x 0.9215) = 108,721.3",
            "kill NONE",
        ],
    )
    def test_the_seven_things(self, seen: str) -> None:
        """Setup quality, alignment, risk parameters, red checks, freshness, sizing, kill flags: none is missing."""
        assert seen in facts()

    @shows("S32-EVD-01", "S32-KIL-02")
    @pytest.mark.parametrize(
        ("flags", "line"),
        [
            ((), "FLAGS  kill NONE"),
            (
                (info("live"), amber("a"), red("r"), kill_flag("desk")),
                "FLAGS  kill desk  RED r  [!] a  live",
            ),
            ((kill_flag("a"), kill_flag("b")), "FLAGS  kill a  kill b"),
            ((info("KILL b"),), "FLAGS  kill NONE  KILL b"),
        ],
    )
    def test_kill_flags_come_first(self, flags: tuple[str, ...], line: str) -> None:
        """An active kill is named; where there is none, NONE is said; then red, amber, and plain facts."""
        assert line in facts(evolve(evidence(), flags=flags))

    @pytest.mark.parametrize(
        ("change", "seen"),
        [
            ({"quality": None}, "quality not stated (FVG_ENTRY"),
            ({"red_checks": None}, "red checks not stated"),
            ({"htf": None, "ltf": None}, "HTF not stated / LTF not stated"),
            ({"state_age": timedelta(minutes=15)}, "state STALE by 00:00 of 15:00"),
            ({"state_age": timedelta(minutes=16, seconds=5)}, "state STALE by 01:05 of 15:00"),
            ({"margin_used": Money(D(9100))}, "margin used 9,100 EUR  daily loss"),
            ({"margin": Margin()}, "margin not known, after it: not known  daily loss"),
            ({"margin": Margin(), "margin_used": Money(D(31))}, "margin used 31, after it: not known  daily loss"),
            ({"margin": Margin(Money(D(32))), "margin_used": Money(D(31))}, "margin used 32, after it: not known"),
            ({"margin": Margin(after=Money(D("9.51")))}, "margin not known -> 10 = 0.02 %  daily loss"),
            ({"margin": Margin(after=Money(D(9100))), "margin_used": Money(D(31))}, "margin 31 -> 9,100 = 15.14 %"),
            (
                {"margin": Margin(Money(D(0)), Money(D(70_000))), "margin_used": Money(D(31))},
                "margin 0 -> 70,000 = 116.45 %",
            ),
            ({"daily_loss_max": None}, "daily loss 0 of no limit"),
            ({"daily_loss": Money(D("12.5"))}, "daily loss 12.5 of 50,000 EUR"),
            ({"time_exit": timedelta(hours=6)}, "time after 360:00"),
            ({"note": "sha256:ab"}, "note hidden"),
            ({"position_before": D(-25_000)}, "EURUSD -25,000 -> 83,721"),
            ({"instrument_name": ""}, "notional 108,702.25 EUR  CASH - IDEALPRO - USD"),
            ({"version": 12}, "intent 5f0c6a4e v12"),
            ({"signal_entry": Price(D("1.08505"))}, "drift 0 bps = 0 R"),
            ({"signal_entry": Price(D("1.0855"))}, "drift -4.1 bps = -0.15 R"),
            ({"quote": QuoteSeen(Price(D("1.0840")), Price(D("1.0850")), WALL, True)}, "quote delayed, 200 ms old"),
        ],
    )
    def test_what_else_may_stand_there(self, change: dict[str, object], seen: str) -> None:
        """What is not known or not stated is said to be so; nothing is left blank."""
        assert seen in facts(changed(evidence(), **change))

    def test_a_sell_and_its_limit(self) -> None:
        """Side by word and arrow; a limit entry shows its limit; exits buy back."""
        sells = evidence(signal(stop="1.0880", target="1.0790", order_type="LIMIT"))
        assert sells.lines[0].order_type is OrderType.LIMIT
        text = facts(sells)
        assert "v SELL 108,721 EURUSD" in text
        assert "LIMIT 1.085 DAY" in text
        assert "stop BUY 1.088 GTC  target BUY 1.079 GTC" in text
        assert "EURUSD 0 -> -108,721" in text

    def test_a_stated_size_stands_beside_the_computed_one(self) -> None:
        """Both figures are shown."""
        assert "computed 108,721, stated 120,000 -> 120,000" in facts(evidence(signal(quantity="120000")))

    @pytest.mark.parametrize("mode", list(Mode))
    def test_the_mode_is_the_first_word(self, mode: Mode) -> None:
        """Real money is told from play money by the first word of the block."""
        assert render_facts(evidence(), LEAF, LIVE, mode, MASK)[0].split()[0] == mode.value


@shows("S32-EVD-02")
class TestSameForEver:
    """The block is a function of evidence and quote, and its hash covers each of them."""

    def test_the_hash_is_of_the_exact_text(self) -> None:
        """Each line ended by a newline."""
        assert render_hash(block()) == hashlib.sha256(GOLDEN.encode()).hexdigest()

    def test_the_host_has_no_say(self) -> None:
        """A thread that rounds otherwise shows the same."""
        with localcontext() as context:
            context.prec = 2
            assert block() == tuple(GOLDEN.splitlines())

    def test_evidence_of_a_release_that_did_not_ask_is_shown_as_it_was_signed(self) -> None:
        """A log holds hashes of what was shown then: of what an older release wrote not a letter is shown otherwise."""
        old = of_json(Evidence, to_json(evidence()))
        assert old.margin is None and "margin" not in to_json(old)
        assert block(old) == tuple(GOLDEN.splitlines())
        assert "margin used 31 EUR  daily loss" in facts(evolve(old, margin_used=Money(D(31))))

    @given(before=MONEY, used=MONEY, after=MONEY)
    def test_every_figure_of_the_margin_is_on_it(
        self, before: Decimal | None, used: Decimal | None, after: Decimal | None
    ) -> None:
        """Each can be read off it to the unit, in its own place, or is said not to be known."""

        def known(amount: Decimal | None) -> Money | None:
            return None if amount is None else Money(amount)

        shown = evolve(evidence(), margin=Margin(known(before), known(after)), margin_used=known(used))
        now = before if before is not None else used
        if after is None:
            words = f"margin {'not known' if now is None else f'used {now:,f}'}, after it: not known"
        else:
            words = f"margin {'not known' if now is None else f'{now:,f}'} -> {after:,f} = "
        assert f"  {words}" in facts(shown)

    @pytest.mark.parametrize(
        "live",
        [
            evolve(LIVE, bid=Price(D("1.08501"))),
            evolve(LIVE, ask=Price(D("1.08511"))),
            evolve(LIVE, age_ms=201),
        ],
    )
    def test_another_quote_is_another_screen(self, live: Live) -> None:
        """Every part of the cited quote is seen."""
        assert render_hash(block(live=live)) != render_hash(block())

    @pytest.mark.parametrize(
        ("leaf", "mode", "mask"),
        [("0" + LEAF[1:], Mode.PAPER, MASK), (LEAF, Mode.LIVE, MASK), (LEAF, Mode.PAPER, "DU...482")],
    )
    def test_another_desk_is_another_screen(self, leaf: str, mode: Mode, mask: str) -> None:
        """Evidence, mode and account are on it."""
        assert render_hash(render_facts(evidence(), leaf, LIVE, mode, mask)) != render_hash(block())

    def test_a_line_is_full_at_its_last_column(self) -> None:
        """Two parts that fill a line to the last column stand in one; a letter more, and they do not."""
        for letters, count in ((30, 1), (31, 2)):
            shown = evolve(evidence(), flags=(info("a" * 29), info("b" * letters)))
            assert [line[:6] for line in block(shown)].index(" FROM ") - [line[:6] for line in block(shown)].index(
                " FLAGS"
            ) == count

    def test_where_a_line_ends_matters(self) -> None:
        """Two lines are not one."""
        assert render_hash(("a", "b")) != render_hash(("ab",))


HOSTILE: Final = (
    *("\x1b[2J\x1b[H", "\u202eYUB", "a\u200bb", "\u0410APL", "x\n FLAGS  kill NONE", "\x00", "\ud800", "\ue000"),
    *("\x9b", "a" + " " * 200 + "b", "=" * 10_000, "\t\t", "\u2800", "\u3164", "e\u0301", "\\u{41}", " lead"),
    *("\x7f", "\u2028"),
)


@shows("S33-EVD-01")
class TestNothingIsHidden:
    """No text, trusted or not, changes how the facts are laid out."""

    @pytest.mark.parametrize(
        "field", ["instrument_name", "proposer", "strategy", "setup_type", "htf", "ltf", "intent_id"]
    )
    def test_hostile_text_is_shown_as_what_it_is(self, field: str) -> None:
        """Escape sequences, bidi, zero width, newlines, padding: ASCII, 80 columns, every section once."""
        for text in HOSTILE:
            self._stands(block(changed(evidence(), **{field: text})))
        for text in HOSTILE:
            self._stands(block(evolve(evidence(), flags=(amber(text), info(text), red(text), kill_flag(text)))))

    @given(text=st.text(max_size=300), name=st.text(max_size=300))
    def test_any_text_at_all(self, text: str, name: str) -> None:
        """Whatever the characters: the layout stands, and what was written can be read out of it."""
        lines = block(evolve(evidence(), proposer=text, instrument_name=name, flags=(red(name),)))
        self._stands(lines)
        joined = "".join(line[8:] for line in lines)
        for written in (text, name):
            assert sanitised(written).replace(" ", "") in joined.replace(" ", "")

    @staticmethod
    def _stands(lines: tuple[str, ...]) -> None:
        assert all(line.isascii() and line.isprintable() and len(line) <= COLUMNS for line in lines)
        names = ("PAPER", "^ BUY", "RISK", "SIZE", "MARKET", "AFTER", "EXITS", "SETUP", "FLAGS", "FROM")
        heads = [line[1:8].strip() for line in lines if line[1:8].strip()]
        assert heads == list(names)
        assert all(line[0] == " " and (line[7] == " ") for line in lines)

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("plain words-1 @ [x]", "plain words-1 @ [x]"),
            ("a\nb", "a\\u{a}b"),
            ("\u202eYUB", "\\u{202e}YUB"),
            ("\u0415UR", "\\u{415}UR"),
            ("a  b", "a \\u{20}b"),
            (" a", "\\u{20}a"),
            ("\\u{41}", "\\\\u{41}"),
            ("~\x7f", "~\\u{7f}"),
            ("\U0001f600", "\\u{1f600}"),
            ("", ""),
        ],
    )
    def test_one_sanitiser(self, text: str, shown: str) -> None:
        """What is not plainly visible is escaped; an escape that was written is told from one that was made."""
        assert sanitised(text) == shown

    @given(one=st.text(max_size=20), other=st.text(max_size=20))
    def test_no_two_texts_look_alike(self, one: str, other: str) -> None:
        """Sanitising loses nothing: different texts stay different."""
        assert (sanitised(one) == sanitised(other)) == (one == other)

    @pytest.mark.parametrize("margin", [None, Margin(), Margin(after=MOST), Margin(MOST, MOST)])
    def test_the_widest_honest_facts_fit(self, margin: Margin | None) -> None:
        """Every name at its cap, a long company name, eight-digit money, two lines of lights: still one screen."""
        stranger = {"strategy": "s" * 32, "setup_type": "S" * 16, "htf": "h" * 10, "ltf": "l" * 10, "note": "n"}
        numbers = {"quality": "0.123456", "confidence": "0.123456", "red_checks": "99", "pair": "EURUSD"}
        shown = evidence(signal(**stranger, **numbers))
        money, quantity = MOST, Quantity(D(98_765_432))
        wide = evolve(
            shown,
            proposer="uid 1000 " + "p" * 15,
            instrument_name="N" * 40,
            margin_used=money,
            margin=margin,
            gross_before=money,
            position_before=-quantity,
            flags=(amber("a" * 30), amber("b" * 30), info("c" * 30), info("d" * 25)),
            sizing=evolve(
                shown.sizing,
                equity=money,
                computed=quantity,
                stated=quantity,
                quantity=quantity,
                rate=D("0.9215123456"),
                risk=money,
                notional=money,
            ),
        )
        assert fits(block(wide)), "\n".join(block(wide))

    def test_what_does_not_fit_says_so(self) -> None:
        """More lights than a screen holds are all shown, and the screen then refuses to approve."""
        flags = tuple(red(f"REASON_{n:02}_" + "X" * 40) for n in range(20))
        lines = block(evolve(evidence(), flags=flags))
        assert all(any(f"REASON_{n:02}_" in line for line in lines) for n in range(20))
        assert not fits(lines)
        assert not fits(("x" * (COLUMNS + 1),))
        assert not fits(("x", "x" * 81))
        assert not fits(("x",) * 21)
        assert fits(("x" * COLUMNS,) * LINES_MAX)
        assert not fits(("x",) * (LINES_MAX + 1))


class TestNote:
    """Untrusted words, opened."""

    def test_short_words_in_their_box(self) -> None:
        """Boxed, under a heading that says what they are."""
        words = "Gap above the highs - caf\u00e9 setup"
        top, line, bottom = boxed_note(words)
        assert "untrusted text" in top
        assert line.removeprefix(" | ").removesuffix(" |").rstrip() == words
        assert set(bottom.strip()) == {"+", "-"}

    @pytest.mark.parametrize(
        ("length", "said"), [(280, None), (281, "1 characters more"), (999, "719 characters more")]
    )
    def test_at_most_280_characters(self, length: int, said: str | None) -> None:
        """What is not shown is said not to be."""
        lines = boxed_note("x" * length)
        assert sum(line.count("x") for line in lines[1:-1]) == min(length, 280)
        assert ("characters more" in lines[-1]) is (said is not None)
        assert said is None or said in lines[-1]

    @given(words=st.text(max_size=400))
    def test_nothing_leaves_the_box(self, words: str) -> None:
        """Whatever was written: each line has its frame and 80 columns, and nothing in it moves the cursor."""
        lines = boxed_note(words)
        assert all(len(line) == COLUMNS and line.isprintable() for line in lines)
        assert all(line[:3] == " | " and line[-2:] == " |" for line in lines[1:-1])
        assert all(c < "\u0250" for line in lines for c in line)

    @pytest.mark.parametrize(
        ("words", "shown"),
        [
            ("\u024f\u0250", "\u024f\\u{250}"),
            ("a" * 70 + "-bc" + " d", "a" * 70 + "-bc d"),
            ("a" * 75 + " b", "a" * 75 + " b"),
            ("a-" * 50, "a-" * 50),
        ],
    )
    def test_every_character_is_in_the_box(self, words: str, shown: str) -> None:
        """Where a line is full the next one goes on with the very next character."""
        assert "".join(line[3:-2] for line in boxed_note(words)[1:-1]).rstrip() == shown

    def test_nothing_is_a_box_too(self) -> None:
        """An empty note has an empty line."""
        assert len(boxed_note("")) == 3


class TestMatchWords:
    """Four words that say the same as 44 bits."""

    def test_the_list(self) -> None:
        """2,048 different words of three to six plain letters, in order, and none that reads like an instruction."""
        assert len(WORDS) == len(set(WORDS)) == 2048
        assert list(WORDS) == sorted(WORDS)
        assert all(word.isascii() and word.isalpha() and word.islower() and 3 <= len(word) <= 6 for word in WORDS)
        assert not {"buy", "sell", "stop", "yes", "not", "kill", "approve", "reject", "order"} & set(WORDS)

    @pytest.mark.parametrize(
        ("leaf", "numbers"),
        [
            ("0" * 64, (0, 0, 0, 0)),
            ("f" * 64, (2047, 2047, 2047, 2047)),
            ("00000000001" + "f" * 53, (0, 0, 0, 1)),
            ("00200400801" + "0" * 53, (1, 1, 1, 1)),
            ("80000000000" + "0" * 53, (1024, 0, 0, 0)),
        ],
    )
    def test_by_hand(self, leaf: str, numbers: tuple[int, ...]) -> None:
        """Eleven bits a word, the first bits first; what follows the 44 has no say."""
        assert match_words(leaf) == tuple(WORDS[n] for n in numbers)

    @given(one=st.integers(0, 2**44 - 1), other=st.integers(0, 2**44 - 1))
    def test_different_bits_have_different_words(self, one: int, other: int) -> None:
        """The words are the bits, in another spelling."""
        words = [match_words(f"{bits:011x}" + "0" * 53) for bits in (one, other)]
        assert (words[0] == words[1]) == (one == other)

    def test_nothing_before_has_no_words(self) -> None:
        """A leaf is hexadecimal; what is not is a bug of ours."""
        with pytest.raises(ValueError, match="invalid literal"):
            match_words("not hexadecimal")
