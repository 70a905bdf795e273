"""Evidence: the bracket that is signed, what the human is shown of it, and what stays of it for the autopsy."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Evidence, Lease, LeaseEvent, Policy
from phoenix_core.facts import Margin, Weighed
from phoenix_core.gate.evidence import (
    RETIRED_AFTER,
    WEIGHED_FOR,
    EvidenceBook,
    Shown,
    amber,
    asks_for_instrument,
    assemble,
    blocks,
    bracket_of,
    info,
    is_weighed,
    kill_flag,
    margin_lights,
    margin_of,
    red,
)
from phoenix_core.gate.limits import BUILT_IN
from phoenix_core.orders import Line, order_hash
from phoenix_core.records import of_json, to_json
from phoenix_core.values import Moment, Money, OrderType, Price, Quantity, Role, SecType, Side, Tif
from tests.showing import shows
from tests.unit.gate.samples import ACCOUNT, CIRCUMSTANCES, EURUSD, WALL, bead, changed, evidence, intent, signal, sized

MICROSECOND: Final = timedelta(microseconds=1)
QUANTITY: Final = Quantity(Decimal(108_721))


class TestBracket:
    """Entry, stop and target, written by hand."""

    @pytest.mark.parametrize("side", list(Side))
    @pytest.mark.parametrize("asked", ["MARKET", "LIMIT"])
    def test_three_lines(self, side: Side, asked: str) -> None:
        """The entry for the day; a stop and a limit of the same size on the other side, good till cancelled."""
        low, high = ("1.0820", "1.0910") if side is Side.BUY else ("1.0880", "1.0790")
        proposed = signal(stop=low, target=high, order_type=asked)
        entry, stop, target = bracket_of(proposed, sized(proposed), EURUSD, ACCOUNT)
        by_hand = Line(
            role=Role.ENTRY,
            side=side,
            quantity=QUANTITY,
            order_type=OrderType(asked),
            tif=Tif.DAY,
            outside_hours=False,
            account=ACCOUNT,
            symbol="EURUSD",
            con_id=12087792,
            sec_type=SecType.CASH,
            currency="USD",
            exchange="IDEALPRO",
            limit=Price(Decimal("1.085")) if asked == "LIMIT" else None,
            trigger=None,
        )
        out = evolve(by_hand, side=side.other, tif=Tif.GTC, limit=None)
        assert entry == by_hand
        assert stop == evolve(out, role=Role.STOP, order_type=OrderType.STOP, trigger=Price(Decimal(low)))
        assert target == evolve(out, role=Role.TARGET, order_type=OrderType.LIMIT, limit=Price(Decimal(high)))

    def test_no_entry_is_a_stop_order(self) -> None:
        """A signal that carries one is a bug of ours: it was refused where it came in."""
        with pytest.raises(AssertionError, match="stop order"):
            bracket_of(evolve(signal(), order_type=OrderType.STOP), sized(signal()), EURUSD, ACCOUNT)

    @shows("M4")
    @pytest.mark.parametrize("line", [0, 1, 2])
    @pytest.mark.parametrize("field", [field.name for field in fields(Line)])
    def test_the_hash_covers_every_field_of_every_line(self, line: int, field: str) -> None:
        """Another account, limit, tif or anything else in any line is another order."""
        lines = list(evidence().lines)
        old = getattr(lines[line], field)
        new: object = "other"
        if isinstance(old, bool):
            new = not old
        elif isinstance(old, (int, Decimal)) or old is None:
            new = Decimal(7) if field != "con_id" else 7
        elif not isinstance(old, str):
            new = next(member for member in type(old) if member is not old)
        lines[line] = changed(lines[line], **{field: new})
        assert order_hash(tuple(lines)) != evidence().order_hash


class TestAssembly:
    """What the assembler puts together."""

    def test_everything_that_came_in_is_there(self) -> None:
        """Each fact of the signal, its size, the policy and the circumstances stands in the evidence once."""
        policy = Policy(BUILT_IN.limits, drift_bps_max=17, time_exit=timedelta(hours=6))
        proposed = signal(quality="0.8", htf="up", ltf="down", red_checks="2", note="words")
        sizing = sized(proposed)
        found = evolve(CIRCUMSTANCES, margin_used=sizing.risk, daily_loss=sizing.risk)
        whole = assemble(proposed, sizing, EURUSD, ACCOUNT, policy, 3, found)
        for name in ("intent_id", "signal_id", "strategy", "setup_type", "confidence", "state_hash", "stop", "target"):
            assert getattr(whole, name) == getattr(proposed, name)
        for name in ("quality", "htf", "ltf", "red_checks", "note"):
            assert getattr(whole, name) == getattr(proposed, name)
            assert getattr(whole, name) is not None
        for field in fields(type(found)):
            assert getattr(whole, field.name) == getattr(found, field.name)
        assert (whole.version, whole.sizing, whole.drift_bps_max, whole.time_exit) == (
            *(3, sizing, 17),
            timedelta(hours=6),
        )
        assert whole.lines == bracket_of(proposed, sizing, EURUSD, ACCOUNT)
        assert whole.order_hash == order_hash(whole.lines)
        assert (whole.signal_created_at, whole.signal_entry) == (proposed.created_at, proposed.entry)
        assert whole.reward_risk == 2
        assert whole.daily_loss_max == BUILT_IN.limits.daily_loss_max
        assert whole.instrument_name == EURUSD.name
        assert of_json(Evidence, to_json(whole)) == whole

    def test_reward_is_never_rounded_up(self) -> None:
        """1.9983... R is told as 1.99."""
        proposed = signal(target="1.090995", stop="1.0820")
        assert assemble(proposed, sized(signal()), EURUSD, ACCOUNT, BUILT_IN, 1, CIRCUMSTANCES).reward_risk == Decimal(
            "1.99"
        )

    def test_a_light_has_its_colour(self) -> None:
        """A light that no rule made is a bug of ours: it would be shown to nobody."""
        with pytest.raises(AssertionError, match="colour"):
            assemble(signal(), sized(signal()), EURUSD, ACCOUNT, BUILT_IN, 1, evolve(CIRCUMSTANCES, flags=("REDkill",)))

    @pytest.mark.parametrize(
        ("light", "blocking", "asking"),
        [
            (kill_flag("x"), True, False),
            (red("x"), True, False),
            (amber("RED x"), False, True),
            (info("KILL"), False, False),
        ],
    )
    def test_what_a_light_does(self, light: str, blocking: bool, asking: bool) -> None:
        """Red blocks, amber asks for the instrument, a fact does neither."""
        shown = evolve(evidence(), flags=(info("feed live"), light))
        assert (blocks(shown), asks_for_instrument(shown)) == (blocking, asking)


def versions(count: int, spacing: timedelta) -> EvidenceBook:
    """A book in which many intents, one after the other, got their evidence."""
    book = EvidenceBook()
    for n in range(count):
        at = WALL + n * spacing
        proposed = signal(intent_id=intent(n), signal_id=f"s{n}")
        book.fold(bead(n, evidence(proposed, at=at), at, f"{n:064x}"))
    return book


class TestBook:
    """What is kept of the evidence, and for how long."""

    def test_the_latest_version_counts(self) -> None:
        """A new version takes the place of the old one; its number is the next."""
        book = EvidenceBook()
        first = evidence()
        assert book.next_version(first.intent_id) == 1
        assert book.latest(first.intent_id) is None
        assert book.thesis(first.intent_id) is None
        book.fold(bead(3, first, leaf="a" * 64))
        assert book.latest(first.intent_id) == Shown(first, "a" * 64, 3, WALL)
        assert book.next_version(first.intent_id) == 2
        second = evidence(version=2)
        book.fold(bead(4, second, WALL + timedelta(minutes=1), "b" * 64))
        assert book.latest(first.intent_id) == Shown(second, "b" * 64, 4, WALL + timedelta(minutes=1))

    @pytest.mark.parametrize("version", [0, 1, 3])
    def test_a_version_out_of_turn_is_our_bug(self, version: int) -> None:
        """Versions have no gap and no repeat."""
        book = EvidenceBook()
        book.fold(bead(3, evidence()))
        with pytest.raises(AssertionError, match="out of turn"):
            book.fold(bead(4, evidence(version=version)))

    def test_it_is_whole_while_it_can_be_acted_on(self) -> None:
        """Until fifteen minutes after its expiry the evidence is whole, however much else happens."""
        book = versions(1, timedelta(0))
        last = evidence().expires_at + RETIRED_AFTER
        for n, (at, whole) in enumerate(((last, True), (last + MICROSECOND, False)), start=1):
            book.fold(bead(n, evidence(signal(intent_id=intent(n), signal_id=f"s{n}"), at=at), at))
            assert (book.latest(intent(0)) is not None) is whole

    @shows("S32-EVD-03", "S32-SEAM-04")
    @pytest.mark.parametrize("asked", ["MARKET", "LIMIT"])
    @pytest.mark.parametrize(("stop", "target"), [("1.0820", "1.0910"), ("1.0880", "1.0790")])
    def test_the_thesis_outlives_the_evidence(self, asked: str, stop: str, target: str) -> None:
        """A year later order, exits, prices, risk and strategy are what they were while the evidence was whole."""
        book = EvidenceBook()
        proposed = signal(stop=stop, target=target, order_type=asked)
        shown = evolve(evidence(proposed), time_exit=timedelta(hours=3))
        book.fold(bead(3, shown))
        before = book.thesis(shown.intent_id)
        later = WALL + timedelta(days=365)
        book.fold(bead(4, evidence(signal(intent_id=intent(2), signal_id="s2"), at=later), later))
        assert book.latest(shown.intent_id) is None
        after = book.thesis(shown.intent_id)
        assert after == before
        assert after is not None
        assert order_hash(after.lines) == shown.order_hash
        assert (after.leaf, after.seq, after.entry, after.risk) == (
            *(bead(3, shown).leaf, 3),
            *(shown.signal_entry, shown.sizing.risk),
        )
        assert after.mid == Decimal("1.085")
        assert (after.strategy, after.setup_type, after.proposed_at, after.time_exit) == (
            *(proposed.strategy, proposed.setup_type, proposed.created_at),
            timedelta(hours=3),
        )

    def test_a_new_version_does_not_hold_up_the_others(self) -> None:
        """An intent that is looked at again moves to the end of the line; what expired meanwhile is let go."""
        book = versions(2, timedelta(minutes=1))
        at = WALL + timedelta(minutes=25)
        book.fold(bead(9, evidence(signal(intent_id=intent(0), signal_id="s0"), version=2, at=at), at))
        assert list(book.current) == [intent(0)]
        assert list(book.theses) == [intent(1)]

    def test_an_old_intent_may_be_looked_at_anew(self) -> None:
        """Evidence made again after a long time goes on counting, and is whole again."""
        book = versions(2, timedelta(hours=1))
        assert book.latest(intent(0)) is None
        assert book.next_version(intent(0)) == 2
        at = WALL + timedelta(hours=2)
        again = evidence(signal(intent_id=intent(0), signal_id="s0"), version=2, at=at)
        book.fold(bead(9, again, at))
        assert book.latest(intent(0)) is not None
        assert intent(0) not in book.theses

    def test_evidence_that_was_never_fresh_is_kept_as_a_thesis(self) -> None:
        """A bead long after the expiry that it states, from a clock that was set, is let go at once."""
        book = EvidenceBook()
        book.fold(bead(3, evidence(), WALL + timedelta(days=2)))
        assert book.latest(evidence().intent_id) is None
        assert book.thesis(evidence().intent_id) is not None

    def test_a_year_of_evidence_stays_small(self) -> None:
        """Of 300 versions, one a minute, twenty-one are whole, and each of the rest takes some 450 bytes."""
        book = versions(300, timedelta(minutes=1))
        assert len(book.current) == 21
        assert len(book.theses) == 279
        assert len(book.contracts) == 1
        assert max(len(text) for text in book.theses.values()) < 450

    def test_asking_changes_nothing(self) -> None:
        """Questions leave the slice as it was: deciding reads only."""
        book = versions(3, timedelta(minutes=1))
        before = to_json(book)
        book.thesis(intent(0)), book.next_version(intent(1)), book.latest(intent(2))
        assert to_json(book) == before

    @given(minutes=st.lists(st.integers(0, 60), min_size=1, max_size=8))
    def test_it_survives_a_snapshot(self, minutes: list[int]) -> None:
        """Whatever the distances between versions, the slice written and read back is the same, and goes on alike."""
        book, at = EvidenceBook(), WALL
        for n, distance in enumerate(minutes):
            at += timedelta(minutes=distance)
            book.fold(bead(n, evidence(signal(intent_id=intent(n % 3), signal_id="s"), n // 3 + 1, at), at))
        copy = of_json(EvidenceBook, to_json(book))
        assert copy == book
        assert [copy.thesis(intent(n)) for n in range(3)] == [book.thesis(intent(n)) for n in range(3)]

    def test_only_its_own_kind_is_folded(self) -> None:
        """Every other bead passes by."""
        book = EvidenceBook()
        book.fold(bead(1, Lease(event=LeaseEvent.TAKEN, boot="b", run="r", version="v")))
        assert book == EvidenceBook()


class TestMargin:
    """What the broker said of the margin is shown beside the order that it was asked about, while it is young."""

    ASKED: Final = Moment(WALL, timedelta(seconds=100), "boot")
    ENTRY: Final = evidence().lines[0]
    SAID: Final = Margin(Money(Decimal(31)), Money(Decimal(91)))

    @pytest.mark.parametrize(
        ("spent", "boot", "young"),
        [
            (timedelta(0), "boot", True),
            (WEIGHED_FOR - MICROSECOND, "boot", True),
            (WEIGHED_FOR, "boot", False),
            (timedelta(0), "another boot", False),
            (timedelta(hours=-1), "boot", False),
        ],
    )
    def test_it_is_good_for_half_a_minute(self, spent: timedelta, boot: str, young: bool) -> None:
        """By either clock, and not where the clocks cannot say."""
        now = Moment(self.ASKED.wall + spent, self.ASKED.ticks + spent, boot)
        told = Weighed(self.ENTRY, self.ASKED, self.SAID)
        assert is_weighed(told, self.ENTRY, now) is young
        assert margin_of(told, self.ENTRY, now) == (self.SAID if young else Margin())

    @pytest.mark.parametrize(
        ("quantity", "same"),
        [("108721", True), ("107634", True), ("109808", True), ("107633", False), ("109809", False)],
    )
    def test_a_size_that_moved_with_a_rate_is_the_same_order(self, quantity: str, same: bool) -> None:
        """By a hundredth at most, either way."""
        told = Weighed(evolve(self.ENTRY, quantity=Quantity(Decimal(quantity))), self.ASKED, self.SAID)
        assert is_weighed(told, self.ENTRY, self.ASKED) is same

    @pytest.mark.parametrize(
        "change",
        [
            {"side": Side.SELL},
            {"symbol": "GBPUSD"},
            {"con_id": 1},
            {"account": "another"},
            {"order_type": OrderType.LIMIT, "limit": Price(Decimal("1.085"))},
        ],
    )
    def test_another_order_is_another_order(self, change: dict[str, object]) -> None:
        """Whatever of it differs but the size."""
        told = Weighed(changed(self.ENTRY, **change), self.ASKED, self.SAID)
        assert not is_weighed(told, self.ENTRY, self.ASKED)
        assert not is_weighed(None, self.ENTRY, self.ASKED)

    @pytest.mark.parametrize(("after", "lit"), [(None, False), ("99.99", False), ("100", True), ("100.01", True)])
    def test_a_margin_that_the_equity_does_not_exceed_is_amber(self, after: str | None, lit: bool) -> None:
        """A warning, and no refusal: the broker has the last word."""
        said = Margin(after=None if after is None else Money(Decimal(after)))
        lights = margin_lights(said, Money(Decimal(100)))
        assert lights == ((amber("equity not above the margin after it"),) if lit else ())
