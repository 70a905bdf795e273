"""Signals: the closed schema, every refusal of a signal, and what the desk remembers of those that came."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import CanonicalSignal, Lease, LeaseEvent, Signal, SignalEvent
from phoenix_core.gate.cse import OPTIONAL, REQUIRED, BadGeometry, read_signal, refusal_of
from phoenix_core.gate.signals import (
    HEARD_FOR,
    PROPOSAL_LIFE,
    RETIRED_AFTER,
    SIGNAL_AGE_MAX,
    Incoming,
    Seen,
    Signals,
    grid_refusal,
    judge_signal,
    off_grid,
    proposal_expires_at,
    seen,
)
from phoenix_core.records import of_json, to_json
from phoenix_core.refusals import Reason
from phoenix_core.values import BadInput, OrderType, Price, Quantity, SecType, Side, text_hash
from tests.showing import shows
from tests.unit.gate.samples import EURUSD, NOW, WALL, accepted, bead, document, intent, signal

MICROSECOND: Final = timedelta(microseconds=1)
MARKET_ONLY: Final = (OrderType.MARKET,)
# What a number may not be: the failures' own list, and the neighbours of what it may.
NO_NUMBERS: Final = (
    *(
        "NaN",
        "inf",
        "-inf",
        "-0",
        "-0.0",
        "-1",
        "1e308",
        "1e-30",
        "1E3",
        "1_000",
        "1,5",
        "+1",
        ".5",
        "5.",
        "",
        " 1",
        "1 ",
    ),
    *("0x1", "\u0661\u0662", "\uff11", "1\u20245", "1\n", "9" * 39, "1\u0000", "0.1+0.2"),
    *(1.0850, 1, True, None, ["1"], {"n": "1"}, b"1", 10**5000),
)
NUMBERS: Final = ("confidence", "entry", "stop", "target", "quality", "quantity")
NAMES: Final = ("signal_id", "intent_id", "pair", "setup_type", "state_hash", "strategy", "htf", "ltf", "order_type")
NO_NAMES: Final = (
    *("", " ", "a b\u200b", "\u202eDSURUE", "EUR\u0405SD", "\u0415URUSD", "NUL\u0000", "\ud800", "e\u0301", "\u00e9"),
    *("../../etc/passwd", "'; DROP TABLE beads;--", "<b>x</b>", "=cmd()", "a\nb", "[31m", "x" * 10_000, 7, None, ["a"]),
)


@shows("S32-CSE-01")
class TestSchema:
    """The closed schema of the canonical signal, field by field."""

    def test_it_has_exactly_these_fields(self) -> None:
        """The fields of the canonical signal, and the one that exists to be refused by name."""
        assert set(REQUIRED) == {
            *("schema", "signal_id", "intent_id", "signal", "pair", "setup_type", "confidence", "entry", "stop"),
            *("target", "state_hash", "strategy", "created_at"),
        }
        assert set(OPTIONAL) == {"side", "quality", "htf", "ltf", "red_checks", "quantity", "note", "order_type"}

    def test_a_whole_signal_is_read(self) -> None:
        """Every field arrives in its own type, with its side derived."""
        incoming = read_signal(
            document(
                quality="0.8", htf="up", ltf="down", red_checks="2", quantity="25000", note="a thought", side="BUY"
            )
        )
        assert incoming.signal == CanonicalSignal(
            schema="cse/1",
            signal_id="sig-1",
            intent_id="5f0c6a4e-9d0b-4f7e-8a3e-0b1d2c3f4a5b",
            signal="READY",
            pair="EURUSD",
            side=Side.BUY,
            setup_type="FVG_ENTRY",
            confidence=Decimal("0.85"),
            entry=Price(EURUSD.tick * 21_700),
            stop=Price(EURUSD.tick * 21_640),
            target=Price(EURUSD.tick * 21_820),
            state_hash="sha256:" + "ab" * 32,
            strategy="meanrev@4c1e",
            created_at=WALL - timedelta(seconds=30),
            quality=Decimal("0.8"),
            htf="up",
            ltf="down",
            red_checks=2,
            quantity=Quantity(EURUSD.minimum + 5_000),
            note=text_hash("a thought"),
        )
        assert incoming.texts == {text_hash("a thought"): "a thought"}
        assert incoming.order_type == "MARKET"

    @pytest.mark.parametrize("field", sorted(REQUIRED))
    def test_a_missing_field_is_named(self, field: str) -> None:
        """Leaving out any required field names that field."""
        with pytest.raises(BadInput) as caught:
            read_signal(document(**{field: None}))
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("field", "named"),
        [("size", "size"), ("Entry", "signal"), ("\u202eentry", "signal"), (7, "signal"), (("a",), "signal")],
    )
    def test_what_the_schema_does_not_name_is_refused(self, field: object, named: str) -> None:
        """A field too many is refused; it is named only where its name is harmless."""
        fields: dict[object, object] = {field: "1"}
        fields.update(document().items())
        with pytest.raises(BadInput) as caught:
            read_signal(fields)
        assert caught.value.field == named
        assert caught.value.value == (ascii(field) if isinstance(field, str) else type(field).__name__)

    @pytest.mark.parametrize("no_document", ["READY", None, ["READY"], 7])
    def test_what_is_no_document_is_refused(self, no_document: object) -> None:
        """Only an object of named fields is a signal."""
        with pytest.raises(BadInput, match="one object"):
            read_signal(no_document)

    @pytest.mark.parametrize("field", NUMBERS)
    def test_what_is_no_number_is_refused(self, field: str) -> None:
        """NaN, infinities, signs, exponents, separators, look-alike digits, floats, booleans: each names its field."""
        for value in NO_NUMBERS:
            with pytest.raises(BadInput) as caught:
                read_signal({**document(), field: value})
            assert caught.value.field == field
            assert len(caught.value.value) <= 120

    def test_of_what_is_no_text_only_the_type_is_told(self) -> None:
        """However deep or large it is: a list in a list, a hundred thousand times, is a list."""
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        for value, told in ((deep, "list"), (10**5000, "int"), (100, "int"), (1.5, "float"), (True, "bool")):
            with pytest.raises(BadInput) as caught:
                read_signal(document(entry=value))
            assert caught.value.value == told
        while deep:  # let go from the outside in: a chain that long is not left to the interpreter's stack
            (inner,) = deep
            assert isinstance(inner, list)
            deep = inner

    @pytest.mark.parametrize("field", sorted({*REQUIRED, *OPTIONAL} - {"red_checks"}))
    def test_only_counts_are_numbers_in_the_document(self, field: str) -> None:
        """Everything else is text, and a bare 7 is refused by name."""
        with pytest.raises(BadInput) as caught:
            read_signal(document(**{field: 7}))
        assert caught.value.field == field

    @pytest.mark.parametrize("field", NAMES)
    def test_what_is_no_name_is_refused(self, field: str) -> None:
        """Control characters, look-alikes, paths, markup, formulas, lengths: no identifier holds them."""
        for value in NO_NAMES:
            with pytest.raises(BadInput) as caught:
                read_signal({**document(), field: value})
            assert caught.value.field == field

    @pytest.mark.parametrize(
        ("field", "good", "bad"),
        [
            ("schema", "cse/1", "cse/2"),
            ("signal", "FORMING", "ready"),
            ("signal", "NONE", ""),
            ("intent_id", intent(7), intent(7).replace("0", "O")),
            ("intent_id", intent(7), "5F0C6A4E-9D0B-4F7E-8A3E-0B1D2C3F4A5B"),
            ("strategy", "s" * 32, "s" * 33),
            ("signal_id", "s" * 40, "s" * 41),
            ("setup_type", "S" * 16, "S" * 17),
            ("htf", "sideways", "consolidating"),
            ("strategy", "a", "*"),
            ("pair", "BRK.B", "brk.b"),
            ("confidence", "1", "1.000001"),
            ("confidence", "0.123456", "0.1234567"),
            ("quality", "0", "-0.1"),
            ("target", "999999999", "1000000000"),
            ("entry", "1.0850000001", "1.08500000001"),
            ("quantity", "999999999999.9999999999", "1000000000000"),
            ("quantity", "0.0000000001", "0"),
            ("red_checks", "99", "100"),
            ("red_checks", 0, -1),
            ("red_checks", "0", "00"),
            ("red_checks", 99, 100),
            ("red_checks", 1, True),
            ("note", "n" * 4_000, "n" * 4_001),
            ("note", "two\nlines\tof \u05d0", "bell \u0007"),
            ("note", "\u202e stays in the words", "\ud800"),
            ("side", "BUY", "buy"),
            ("created_at", "2026-11-18T18:59:30.5Z", "2026-11-18T18:59:30"),
            ("created_at", "2026-11-18T18:59:30.123456Z", "2026-11-18T18:59:30.1234567Z"),
            ("created_at", "2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z"),
            ("created_at", "2026-11-18T18:59:30Z", "2026-11-18T18:59:30+00:00"),
        ],
    )
    def test_the_edge_of_what_a_field_holds(self, field: str, good: object, bad: object) -> None:
        """The last value that is accepted, and the first that is not."""
        read_signal(document(**{field: good}))
        with pytest.raises(BadInput) as caught:
            read_signal(document(**{field: bad}))
        assert caught.value.field == field

    def test_a_fraction_of_a_second_keeps_its_place(self) -> None:
        """Half a second is 500,000 microseconds, not five."""
        assert signal(created_at="2026-11-18T18:59:30.5Z").created_at == WALL - timedelta(seconds=29, milliseconds=500)

    def test_an_empty_note_is_no_note(self) -> None:
        """Nothing said leaves nothing beside the log."""
        incoming = read_signal(document(note=""))
        assert (incoming.signal.note, dict(incoming.texts)) == (None, {})

    @pytest.mark.parametrize(("stop", "entry", "target"), [*product((1, 2, 3), repeat=3)])
    def test_the_side_is_what_the_prices_say(self, stop: int, entry: int, target: int) -> None:
        """Of all 27 orders of stop, entry and target one buys, one sells, and the rest are refused."""
        fields = document(stop=str(stop), entry=str(entry), target=str(target))
        by_hand = {(1, 2, 3): Side.BUY, (3, 2, 1): Side.SELL}
        if (stop, entry, target) in by_hand:
            assert read_signal(fields).signal.side is by_hand[stop, entry, target]
        else:
            with pytest.raises(BadGeometry) as caught:
                read_signal(fields)
            assert refusal_of(caught.value).headline is Reason.SIGNAL_GEOMETRY

    def test_a_stated_side_must_agree(self) -> None:
        """A side that the prices do not bear out is a contradiction, whoever is wrong."""
        with pytest.raises(BadGeometry) as caught:
            read_signal(document(side="SELL"))
        assert caught.value.field == "side"

    def test_a_refusal_does_not_repeat_the_strangers_words(self) -> None:
        """What enters the log names field and mend, never the value."""
        with pytest.raises(BadInput) as caught:
            read_signal(document(pair="SECRET words"))
        no = refusal_of(caught.value)
        assert no.headline is Reason.SIGNAL_MALFORMED
        assert "pair" in no.detail
        assert "SECRET" not in no.detail


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def outcome(fields: dict[str, object]) -> Incoming | str:
    """The signal that a document is, or the sentence it is refused with."""
    try:
        return read_signal(fields)
    except BadInput as error:
        return f"{refusal_of(error).headline}: {error}"


@shows("INV-CSE-1", "I20")
class TestOnlyCanonicalSignals:
    """INV-CSE-1: Only a schema-valid canonical signal reaches the gate."""

    @given(
        changes=st.dictionaries(st.sampled_from([*REQUIRED, *OPTIONAL, "more", "\u0435ntry"]), anything, max_size=3),
        dropped=st.sets(st.sampled_from([*REQUIRED]), max_size=2),
    )
    def test_whatever_is_written_is_read_or_refused(self, changes: dict[str, object], dropped: set[str]) -> None:
        """Any document is read as a canonical signal that its bead gives back unchanged, or refused: nothing else."""
        fields = {field: value for field, value in (document() | changes).items() if field not in dropped}
        incoming = outcome(fields)
        if isinstance(incoming, str):
            assert outcome(fields) == incoming
        else:
            assert not dropped
            assert of_json(CanonicalSignal, to_json(incoming.signal)) == incoming.signal
            assert incoming.signal.stop < incoming.signal.entry < incoming.signal.target

    @given(
        prices=st.lists(st.integers(1, 10**19 - 1), min_size=3, max_size=3, unique=True),
        buys=st.booleans(),
        quantity=st.integers(1, 10**22 - 1),
    )
    def test_every_number_that_is_read_fits_its_bead(self, prices: list[int], buys: bool, quantity: int) -> None:
        """The widest numbers that the schema lets in can be written to the log and read from it."""
        stop, entry, target = sorted(prices, reverse=not buys)
        ten = Decimal(10) ** -10
        written = signal(
            entry=f"{entry * ten:f}", stop=f"{stop * ten:f}", target=f"{target * ten:f}", quantity=f"{quantity * ten:f}"
        )
        assert written.side is (Side.BUY if buys else Side.SELL)
        assert of_json(CanonicalSignal, to_json(written)) == written


class TestJudgement:
    """What a signal that could be read is still refused for."""

    @pytest.mark.parametrize(
        ("ready", "new", "hours_ahead", "market", "on_grid"),
        [*product((True, False), (True, False), (0, -1, 1), (True, False), (True, False))],
    )
    def test_every_rule_has_its_say(
        self, ready: bool, new: bool, hours_ahead: int, market: bool, on_grid: bool
    ) -> None:
        """All 48 outcomes: whatever is wrong is named, all of it, and nothing else."""
        created = {0: "2026-11-18T18:59:30Z", -1: "2026-11-18T18:00:00Z", 1: "2026-11-18T20:00:00Z"}[hours_ahead]
        incoming = read_signal(
            document(
                signal="READY" if ready else "FORMING",
                created_at=created,
                order_type=None if market else "BRACKET",
                target="1.0910" if on_grid else "1.09101",
            )
        )
        signals = Signals()
        if not new:
            signals.fold(bead(1, accepted(signal())))
        no = judge_signal(signals, incoming, NOW, MARKET_ONLY, EURUSD)
        expected = {
            *(() if ready else (Reason.SIGNAL_NOT_READY,)),
            *(() if new else (Reason.SIGNAL_SEEN_BEFORE,)),
            *{0: (), -1: (Reason.SIGNAL_TOO_OLD,), 1: (Reason.SIGNAL_FROM_THE_FUTURE,)}[hours_ahead],
            *(() if market else (Reason.ORDER_TYPE_NOT_ENABLED,)),
            *(() if on_grid else (Reason.PRICE_OFF_GRID,)),
        }
        assert set(no.reasons if no is not None else ()) == expected

    @pytest.mark.parametrize(
        ("age", "reason"),
        [
            (timedelta(minutes=15), None),
            (timedelta(minutes=15) + MICROSECOND, Reason.SIGNAL_TOO_OLD),
            (-timedelta(seconds=5), None),
            (-timedelta(seconds=5) - MICROSECOND, Reason.SIGNAL_FROM_THE_FUTURE),
            (timedelta(days=365 * 100), Reason.SIGNAL_TOO_OLD),
            (-timedelta(days=365 * 100), Reason.SIGNAL_FROM_THE_FUTURE),
        ],
    )
    def test_a_signal_is_of_its_time(self, age: timedelta, reason: Reason | None) -> None:
        """Fifteen minutes back and five seconds ahead are the last that pass."""
        read = read_signal(document())
        incoming = evolve(read, signal=evolve(read.signal, created_at=WALL - age))
        no = judge_signal(Signals(), incoming, NOW, MARKET_ONLY, None)
        assert (no.headline if no is not None else None) is reason

    @pytest.mark.parametrize(
        ("created", "told"),
        [
            ("2026-11-18T18:00:00Z", "the signal is more than 15 minutes old"),
            ("2026-11-18T19:00:40.9Z", "the signal's clock is 40 s ahead of the desk's"),
        ],
    )
    def test_the_sentence_says_how_far_off(self, created: str, told: str) -> None:
        """What a human can mend a clock by."""
        no = judge_signal(Signals(), read_signal(document(created_at=created)), NOW, MARKET_ONLY, None)
        assert no is not None
        assert no.detail == told

    @shows("S32-CON-04")
    @pytest.mark.parametrize("asked", ["LIMIT", "BRACKET", "OCO", "STOP", "TRAIL", "market"])
    def test_another_order_type_is_refused_by_name(self, asked: str) -> None:
        """Entries are MARKET; whatever else a proposer asks for is refused, and told by its name."""
        no = judge_signal(Signals(), read_signal(document(order_type=asked)), NOW, MARKET_ONLY, EURUSD)
        assert no is not None
        assert no.reasons == (Reason.ORDER_TYPE_NOT_ENABLED,)
        assert asked in no.detail

    @pytest.mark.parametrize(
        ("asked", "carried", "passes"),
        [("MARKET", None, True), ("LIMIT", OrderType.LIMIT, True), ("STOP", None, False), ("BRACKET", None, False)],
    )
    def test_a_policy_enables_limit_and_nothing_else(self, asked: str, carried: OrderType | None, passes: bool) -> None:
        """With every order type of ours named, LIMIT enters and is carried on; STOP stays with the exits."""
        incoming = read_signal(document(order_type=asked))
        no = judge_signal(Signals(), incoming, NOW, tuple(OrderType), EURUSD)
        assert (incoming.signal.order_type, no is None) == (carried, passes)

    @pytest.mark.parametrize("field", ["entry", "stop", "target"])
    def test_prices_stand_on_the_grid(self, field: str) -> None:
        """Half a tick anywhere is refused, never rounded, and the price is named."""
        off = {"entry": "1.085025", "stop": "1.082025", "target": "1.091025"}[field]
        no = grid_refusal(signal(**{field: off}), EURUSD)
        assert no is not None
        assert no.detail.startswith(f"{field} {off}:")
        assert grid_refusal(signal(), EURUSD) is None

    @pytest.mark.parametrize(
        ("price", "tick", "kind", "stands"),
        [
            ("0.9999", "0.0001", SecType.STOCK, True),
            ("1.0000", "0.0001", SecType.STOCK, True),
            ("1.0001", "0.0001", SecType.STOCK, False),
            ("189.2250", "0.0001", SecType.STOCK, False),
            ("189.22", "0.0001", SecType.STOCK, True),
            ("189.22", "0.05", SecType.STOCK, False),
            ("1.0850", "0.0001", SecType.CASH, True),
            ("1.0851", "0.0001", SecType.CASH, True),
        ],
    )
    def test_a_stock_goes_in_cents_from_a_dollar_on(self, price: str, tick: str, kind: SecType, stands: bool) -> None:
        """A card says the smallest step of all: what it says of most stocks is a hundredth of a cent, which no exchange
        takes from a dollar on. A wider step stays what it is, and a pair has the card's own."""
        card = evolve(EURUSD, sec_type=kind, tick=Price(Decimal(tick)))
        no = off_grid({"stop": Price(Decimal(price))}, card)
        assert (no is None) is stands
        assert stands or (no is not None and no.detail.endswith(f"not a multiple of {max(tick, '0.01')}"))

    def test_a_signal_is_judged_against_its_own_contract(self) -> None:
        """Another instrument's card is a bug of ours."""
        with pytest.raises(AssertionError, match="its own contract card"):
            grid_refusal(signal(pair="GBPUSD"), EURUSD)

    def test_a_proposal_waits_half_an_hour(self) -> None:
        """Longer than every limit of the stale gate, so that staleness is heard of first."""
        assert proposal_expires_at(NOW) == WALL + timedelta(minutes=30)
        assert PROPOSAL_LIFE >= SIGNAL_AGE_MAX


class TestMemory:
    """What the desk remembers of the signals that came."""

    @shows("F29")
    def test_the_same_signal_is_nothing_new(self) -> None:
        """Same ids and same body are SAME; either id with another body is OTHER; two new ids are NEW."""
        signals = Signals()
        first = signal()
        assert seen(signals, first) is Seen.NEW
        signals.fold(bead(1, accepted(first)))
        assert seen(signals, first) is Seen.SAME
        assert seen(signals, signal(target="1.0920")) is Seen.OTHER
        assert seen(signals, signal(intent_id=intent(2))) is Seen.OTHER
        assert seen(signals, signal(signal_id="sig-2")) is Seen.OTHER
        assert seen(signals, signal(intent_id=intent(2), signal_id="sig-2")) is Seen.NEW

    def test_an_intent_is_accepted_once(self) -> None:
        """A second acceptance in the log is a bug of ours."""
        signals = Signals()
        signals.fold(bead(1, accepted(signal())))
        for again in (signal(signal_id="sig-2"), signal(intent_id=intent(2))):
            with pytest.raises(AssertionError, match="accepted before"):
                signals.fold(bead(2, accepted(again)))

    @pytest.mark.parametrize("field", ["signal", "expires_at"])
    def test_an_accepted_signal_is_whole(self, field: str) -> None:
        """A bead that accepts nothing, or for ever, is a bug of ours."""
        body = accepted(signal())
        broken = evolve(body, signal=None) if field == "signal" else evolve(body, expires_at=None)
        with pytest.raises(AssertionError, match="accepted signal"):
            Signals().fold(bead(1, broken))

    def test_a_proposal_can_be_asked_for(self) -> None:
        """With its channel, which is who proposed, and until when it waits."""
        signals = Signals()
        signals.fold(bead(4, accepted(signal())))
        proposal = signals.proposal(signal().intent_id)
        assert proposal is not None
        assert (proposal.signal, proposal.channel, proposal.seq) == (signal(), "uid bot", 4)
        assert proposal.expires_at == WALL + timedelta(minutes=30)
        assert signals.proposal(intent(9)) is None

    @pytest.mark.parametrize("event", [SignalEvent.REFUSED, SignalEvent.QUARANTINED])
    @shows("I20")
    def test_the_same_bytes_have_the_same_outcome(self, event: SignalEvent) -> None:
        """What became of an input is remembered under its digest; the first outcome stands."""
        signals = Signals()
        assert signals.outcome("d1") is None
        signals.fold(bead(1, Signal(event=event, digest="d1", channel="uid bot", reasons=("SIGNAL_TOO_OLD",))))
        signals.fold(bead(2, Signal(event=SignalEvent.QUARANTINED, digest="d1", channel="uid bot")))
        heard = signals.outcome("d1")
        assert heard is not None
        assert (heard.event, heard.reasons, heard.intent_id) == (event, ("SIGNAL_TOO_OLD",), "")
        assert not signals.open

    def test_the_same_trade_under_another_name_is_noticed(self) -> None:
        """Different ids, note, confidence: the same strategy, side and prices are a twin, anything else is not."""
        signals = Signals()
        signals.fold(bead(1, accepted(signal())))
        other = {"intent_id": intent(2), "signal_id": "sig-2"}
        assert signals.twin_of(signal()) is None
        assert signals.twin_of(signal(**other, note="again", confidence="0.5")) == signal().intent_id
        for field, value in (
            *(("strategy", "trend"), ("pair", "GBPUSD")),
            *(("entry", "1.0851"), ("stop", "1.0825"), ("target", "1.0920")),
        ):
            assert signals.twin_of(signal(**other, **{field: value})) is None

    def test_each_of_two_twins_sees_the_other(self) -> None:
        """The later one too: it is the one that a human would approve by mistake."""
        signals = Signals()
        signals.fold(bead(1, accepted(signal())))
        later = signal(intent_id=intent(2), signal_id="sig-2")
        signals.fold(bead(2, accepted(later)))
        assert (signals.twin_of(signal()), signals.twin_of(later)) == (intent(2), signal().intent_id)

    @shows("F29")
    def test_what_can_no_longer_be_decided_on_is_let_go(self) -> None:
        """Past its life a proposal keeps its ids and the hash of its body: it can never be proposed again."""
        signals = Signals()
        signals.fold(bead(1, accepted(signal())))
        twin = signal(intent_id=intent(2), signal_id="sig-2")
        signals.fold(bead(2, accepted(twin, WALL + timedelta(hours=9))))
        last = WALL + timedelta(minutes=30) + RETIRED_AFTER
        told = Signal(event=SignalEvent.REFUSED, digest="d", channel="c")
        signals.fold(bead(3, told, last))
        assert signals.proposal(signal().intent_id) is not None
        signals.fold(bead(4, evolve(told, digest="e"), last + MICROSECOND))
        assert signals.proposal(signal().intent_id) is None
        assert seen(signals, signal()) is Seen.SAME
        # The twin's own entry is not the first one's to take away.
        assert signals.twin_of(signal(intent_id=intent(3))) == intent(2)
        signals.fold(bead(5, evolve(told, digest="f"), WALL + timedelta(hours=10)))
        assert (signals.open, signals.twins) == ({}, {})

    def test_outcomes_are_remembered_for_an_hour(self) -> None:
        """Long enough that later the input's age alone refuses it."""
        signals = Signals()
        told = Signal(event=SignalEvent.REFUSED, digest="d0", channel="c")
        signals.fold(bead(1, told))
        signals.fold(bead(2, evolve(told, digest="d1"), WALL + HEARD_FOR))
        assert signals.outcome("d0") is not None
        signals.fold(bead(3, evolve(told, digest="d2"), WALL + HEARD_FOR + MICROSECOND))
        assert signals.outcome("d0") is None
        assert signals.outcome("d1") is not None

    def test_a_year_of_signals_stays_small(self) -> None:
        """Of 500 signals, one a minute, only the last three quarters of an hour are kept whole."""
        signals = Signals()
        for n in range(500):
            at = WALL + n * timedelta(minutes=1)
            signals.fold(
                bead(n, accepted(signal(intent_id=intent(n), signal_id=f"s{n}"), at + timedelta(minutes=30)), at)
            )
        assert (len(signals.open), len(signals.twins), len(signals.heard)) == (46, 1, 61)
        assert len(signals.bodies) == len(signals.intents) == 500

    def test_only_its_own_kind_is_folded(self) -> None:
        """Every other bead passes by."""
        signals = Signals()
        signals.fold(bead(1, Lease(event=LeaseEvent.TAKEN, boot="b", run="r", version="v")))
        assert signals == Signals()

    def test_it_survives_a_snapshot(self) -> None:
        """Written as canonical records and read back, the slice is the same."""
        signals = Signals()
        signals.fold(bead(1, accepted(signal(note="words", order_type="LIMIT", quantity="25000"))))
        assert of_json(Signals, to_json(signals)) == signals
