"""The words of the trade: what is read, what is refused by name, and that arithmetic never rounds by accident."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Holding
from phoenix_core.records import to_json
from phoenix_core.spelling import writer
from phoenix_core.values import (
    DIGITS_MAX,
    NO_QUANTITY,
    WALL_BACK_MAX,
    WORD_MAX,
    ZERO,
    Account,
    BadInput,
    Moment,
    Role,
    Side,
    derived_id,
    divide,
    elapsed,
    exact,
    floor_to,
    instant,
    is_over,
    number,
    on_grid,
    plain,
    spelt,
    text_hash,
    times,
    utc_of,
    utc_text,
    word,
)
from tests.showing import shows

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12)
# N1 of the list of misfortunes: what has been seen where a number should stand.
NO_NUMBERS = (
    None,
    True,
    1,
    1.5,
    Decimal("1.5"),
    "",
    " 1",
    "1 ",
    "+1",
    "1_000",
    "1,000",
    "1e3",
    "1E+3",
    "NaN",
    "inf",
    "-inf",
    ".5",
    "5.",
    "0x10",
    "١٢",
    "１",
    "1\n",
    "--1",
)


class TestNumber:
    """A decimal as people and bots write it."""

    @pytest.mark.parametrize("text", NO_NUMBERS)
    @shows("L11", "I8")
    def test_what_is_no_plain_decimal_is_refused_by_name(self, text: object) -> None:
        """The refusal names the field, what it held, and the mend."""
        with pytest.raises(BadInput) as refused:
            _ = number(text, "entry")
        assert refused.value.field == "entry"
        assert "plain decimal" in refused.value.mend
        assert str(refused.value).startswith("entry: ")

    def test_zero_has_no_sign(self) -> None:
        """`-0` in every spelling is refused; zero is not."""
        for text in ("-0", "-0.00"):
            with pytest.raises(BadInput, match="zero without a sign"):
                _ = number(text, "x")
        assert number("0.00", "x") == 0

    def test_thirty_eight_digits_and_not_one_more(self) -> None:
        """The bound counts digits, not characters."""
        assert number("-" + "9" * 30 + "." + "9" * 8, "x") == Decimal("-" + "9" * 30 + "." + "9" * 8)
        with pytest.raises(BadInput, match="at most 38"):
            _ = number("9" * 31 + "." + "9" * 8, "x")

    def test_a_value_is_shown_as_it_came(self) -> None:
        """Text as it is, everything else as a program spells it."""
        for value, shown in (("1,000", "1,000"), (None, "None"), (1.5, "1.5")):
            with pytest.raises(BadInput) as refused:
                _ = number(value, "x")
            assert refused.value.value == shown

    def test_a_long_value_is_shown_short(self) -> None:
        """A refusal does not carry a megabyte of somebody's bytes."""
        with pytest.raises(BadInput) as refused:
            _ = number("x" * 10_000, "x")
        assert len(refused.value.value) == 120


class TestWord:
    """A name that stands in the log and on the screen of whoever approves."""

    @pytest.mark.parametrize("text", ["x", "EURUSD", "a name", "é", "w" * WORD_MAX])
    def test_what_is_a_name(self, text: str) -> None:
        """One printable character at least, eighty at most; a space is one."""
        assert word(text, "name") == text

    @pytest.mark.parametrize("text", ["", "w" * 81, "a\nb", "\x1b[2J", "\u202e", None, 7, b"x"])
    def test_what_is_none(self, text: object) -> None:
        """Nothing, too much, what moves a cursor or turns a line round, what is no text."""
        with pytest.raises(BadInput, match="write 1 to 80 printable characters") as refused:
            _ = word(text, "name")
        assert refused.value.field == "name"


class TestExact:
    """The one spelling of a decimal on disk."""

    @given(DECIMALS)
    @shows("F64")
    def test_plain_and_exact_are_inverse(self, value: Decimal) -> None:
        """What is written is read back as the same number, and written again the same way."""
        text = plain(value)
        assert exact(text, "x") == value
        assert plain(exact(text, "x")) == text

    @pytest.mark.parametrize("text", [*NO_NUMBERS, "1.0", "1.50", "01", "-0", "00", "0.0", "9" * 41, "-0.0"])
    def test_every_other_spelling_is_refused(self, text: object) -> None:
        """Leading and trailing zeros, signs on zero, exponents: there is one spelling."""
        with pytest.raises(BadInput, match="canonical decimal"):
            _ = exact(text, "x")

    @pytest.mark.parametrize("text", ["0", "-1", "0.1", "0.0000000000000000001", "9" * 38])
    def test_the_canonical_ones_pass(self, text: str) -> None:
        """One part in ten to the nineteenth, and thirty-eight digits, are exact."""
        assert plain(exact(text, "x")) == text

    def test_thirty_eight_digits_with_a_sign_and_a_point(self) -> None:
        """Forty characters are read and written; one more is neither."""
        text = "-" + "9" * 30 + "." + "9" * 8
        assert spelt(exact(text, "x")) == text and len(text) == DIGITS_MAX + 2
        with pytest.raises(BadInput, match="canonical decimal"):
            _ = exact(text + "9", "x")
        with pytest.raises(AssertionError, match="more digits"):
            _ = spelt(Decimal(text + "9"))

    def test_what_is_no_number_is_a_bug_of_ours(self) -> None:
        """NaN and infinity are refused where they enter; met here they are an assertion."""
        for value in ("NaN", "Infinity"):
            with pytest.raises(AssertionError, match="no number"):
                _ = plain(Decimal(value))

    def test_negative_zero_and_exponents_are_spelt_plainly(self) -> None:
        """Arithmetic may make -0 and 1E+3; nobody ever reads them."""
        assert (plain(Decimal("-0.00")), plain(Decimal("1E+3")), plain(Decimal("1.50"))) == ("0", "1000", "1.5")

    @given(st.decimals(allow_nan=False, allow_infinity=False))
    @shows("F64")
    def test_a_bead_says_only_what_is_read_back(self, value: Decimal) -> None:
        """A number is spelt so that it is read as the same one, or not at all: no log is ever without its reader."""
        text = plain(value)
        if len(text) <= DIGITS_MAX + 2:
            assert exact(spelt(value), "x") == value
        else:
            with pytest.raises(AssertionError, match="more digits"):
                _ = spelt(value)

    def test_one_third_is_in_no_bead(self) -> None:
        """Nor as text, nor in the straight-line spelling: a division is rounded first."""
        third = Holding("EURUSD", divide(Decimal(1), Decimal(3)))
        spelling: object = Holding
        for write in (to_json, writer(spelling)):
            with pytest.raises(AssertionError, match="more digits"):
                _ = write(third)


class TestArithmetic:
    """The desk's own context, whatever the host thread carries."""

    @given(DECIMALS, DECIMALS)
    @shows("I8")
    def test_products_are_exact_under_any_context(self, a: Decimal, b: Decimal) -> None:
        """A host thread with three digits of precision changes nothing."""
        with decimal.localcontext(prec=100):
            wanted = a * b
        with decimal.localcontext(prec=3):
            assert times(a, b) == wanted

    def test_division_by_zero_is_loud(self) -> None:
        """No silent infinity, by whatever way, and no silent nothing."""
        assert ZERO == NO_QUANTITY == Decimal(0)
        with pytest.raises(decimal.DivisionByZero):
            _ = divide(Decimal(1), ZERO)
        with pytest.raises(decimal.InvalidOperation):
            _ = divide(ZERO, ZERO)
        with pytest.raises(decimal.Overflow):
            _ = times(Decimal("1E+999999"), Decimal(10))

    @given(DECIMALS, st.decimals(min_value=Decimal("0.00001"), max_value=1000, places=5))
    def test_floor_is_the_largest_multiple_not_above(self, value: Decimal, increment: Decimal) -> None:
        """On the grid, not above, and less than one increment below; downwards also below zero."""
        floored = floor_to(value, increment)
        assert on_grid(floored, increment)
        assert floored <= value < floored + increment

    def test_an_increment_is_positive(self) -> None:
        """A grid of zero width is a bug."""
        with pytest.raises(AssertionError, match="positive"):
            _ = floor_to(Decimal(1), Decimal(0))


class TestTime:
    """Instants: UTC, microseconds, one spelling."""

    @given(st.datetimes(timezones=st.just(UTC)))
    @shows("I17")
    def test_instants_come_back_exactly(self, at: datetime) -> None:
        """Written and read, an instant is itself, and UTC."""
        if at.year >= 1000:
            again = utc_of(utc_text(at), "ts")
            assert again == at and again.tzinfo is UTC

    @pytest.mark.parametrize(
        "text",
        [
            None,
            5,
            "",
            "2026-11-18",
            "2026-11-18T19:00:00Z",
            "2026-11-18T19:00:00.000000",
            "2026-02-30T00:00:00.000000Z",
            "2026-11-18T19:00:00.000000+00:00",
            "2026-11-18T25:00:00.000000Z",
            "２026-11-18T19:00:00.000000Z",
        ],
    )
    def test_every_other_spelling_is_refused(self, text: object) -> None:
        """Also days that no calendar has."""
        with pytest.raises(BadInput):
            _ = utc_of(text, "ts")

    def test_only_utc_gets_in(self) -> None:
        """Naive instants and other zones are a bug wherever they appear."""
        naive = datetime(2026, 11, 18)  # noqa: DTZ001 - the naive one is what this test is about
        other = datetime(2026, 11, 18, tzinfo=timezone(timedelta(hours=1)))
        for wrong in (naive, other):
            with pytest.raises(AssertionError):
                _ = utc_text(wrong)
            with pytest.raises(BadInput, match="wall"):
                _ = Moment(wrong, timedelta(0), "boot")

    def test_a_moment_moves_on_both_clocks(self) -> None:
        """`plus` moves wall and ticks together, within one boot."""
        moment = Moment(datetime(2026, 11, 18, tzinfo=UTC), timedelta(hours=1), "boot")
        later = moment.plus(timedelta(seconds=5))
        assert (later.wall - moment.wall, later.ticks - moment.ticks, later.boot) == (
            timedelta(seconds=5),
            timedelta(seconds=5),
            "boot",
        )


SINCE = Moment(datetime(2026, 11, 18, 12, tzinfo=UTC), timedelta(hours=1), "boot")
TICK = timedelta(microseconds=1)


def on_both(wall: float, ticks: float, boot: str = "boot") -> Moment:
    """So many seconds later, by each clock."""
    return Moment(SINCE.wall + timedelta(seconds=wall), SINCE.ticks + timedelta(seconds=ticks), boot)


class TestSpans:
    """How long ago, and whether that is over: two clocks, and not knowing is over."""

    @pytest.mark.parametrize(
        ("now", "seconds"),
        [
            (on_both(5, 3), 5.0),  # the wall says more
            (on_both(3, 5), 5.0),  # the ticks do: the machine slept, or the wall was set back a little
            (on_both(0, 0), 0.0),
            (on_both(-2, 1), 1.0),
            (on_both(-2.000001, 1), None),  # the wall was set back
            (on_both(5, -0.000001), None),  # ticks never go back: it is another boot that has the same name
            (on_both(5, 5, "another"), None),
        ],
    )
    def test_elapsed_by_the_clock_that_says_more(self, now: Moment, seconds: float | None) -> None:
        """None where the clocks cannot say."""
        assert elapsed(SINCE, now) == (None if seconds is None else timedelta(seconds=seconds))

    @pytest.mark.parametrize(("wall", "seconds"), [(5, 5.0), (-2, -2.0), (-2.000001, None)])
    def test_an_instant_without_a_boot_has_the_wall_alone(self, wall: float, seconds: float | None) -> None:
        """It was written down before beads carried the second clock."""
        bare = instant(SINCE.wall, None, None)
        assert bare == Moment(SINCE.wall, timedelta(0), "")
        assert elapsed(bare, on_both(wall, -3_000)) == (None if seconds is None else timedelta(seconds=seconds))

    def test_an_instant_of_a_bead_has_both_clocks_where_it_says_both(self) -> None:
        """The stamp, the reading of the second clock, and the boot that read it."""
        assert instant(SINCE.wall, SINCE.ticks, SINCE.boot) == SINCE

    def test_a_span_is_over_at_its_end_and_where_nobody_knows(self) -> None:
        """Not a microsecond earlier, by neither clock; after a reboot, and once the wall was set back, at once."""
        span = timedelta(seconds=10)
        for late, early in ((on_both(10, 0), on_both(9.999999, 0)), (on_both(0, 10), on_both(0, 9.999999))):
            assert is_over(SINCE, late, span) and not is_over(SINCE, early, span)
        assert is_over(SINCE, on_both(1, 1, "another"), span)
        assert is_over(SINCE, SINCE.plus(-WALL_BACK_MAX - TICK), span)
        assert timedelta(seconds=2) == WALL_BACK_MAX


def test_sides_and_roles() -> None:
    """Each side closes the other, and every role but the entry is an exit."""
    assert [side.other for side in Side] == [Side.SELL, Side.BUY]
    assert [side.sign for side in Side] == [1, -1]
    assert [role for role in Role if not role.is_exit] == [Role.ENTRY]
    assert str(Side.BUY) == "BUY"


def test_the_prefix_of_an_account_comes_from_its_mask() -> None:
    """DU for paper, U for live, as the broker spells them."""
    assert [Account("t", mask).prefix for mask in ("DU...567", "U...9", "MOCK")] == ["DU", "U", "MOCK"]


def test_derived_ids_repeat_and_do_not_collide() -> None:
    """The same parts make the same id; parts are kept apart."""
    assert derived_id("a", "b") == derived_id("a", "b")
    assert derived_id("a", "b") != derived_id("ab") != derived_id("a", "", "b")


def test_words_are_pointed_at_by_their_hash() -> None:
    """Also words that are no valid Unicode."""
    assert text_hash("") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert text_hash("\ud800") != text_hash("\ud801")


def test_a_derived_id_is_the_uuid_of_its_name() -> None:
    """It is made without the standard library's object, and is the uuid that the standard library makes."""
    desk = UUID("5f0c6a4e-9d0b-5f7e-8a3e-0b1d2c3f4a5b")
    for n in range(200):
        assert derived_id("due", "é", str(n)) == str(uuid5(desk, f"due\x1fé\x1f{n}"))
