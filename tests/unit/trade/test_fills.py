"""Fills: in whatever order, however often and however late a broker tells them, the sums are the same and exact."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import permutations
from typing import Final

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Bead, Body, Execution, ExecutionEvent, Genesis
from phoenix_core.facts import CommissionSaid, ExecutionSaid
from phoenix_core.orders import exit_ref, parsed_ref
from phoenix_core.records import of_json, to_json
from phoenix_core.trade.executions import Charge, Fill, Totals, family_of, fills_of_line, line_of, totals_of
from phoenix_core.trade.fills import FLAT_KEPT, STRAYS_KEPT, Answer, Fills, charged, execution, fill_of, stated
from phoenix_core.values import Mode, Price, Quantity, Role, Side, exact, plain
from tests.showing import shows
from tests.unit.trade.samples import (
    CLOSE_REF,
    REF,
    SECOND,
    STOP_REF,
    T0,
    TARGET_REF,
    commission,
    executed,
    money,
    price,
    quantity,
)

HERE: Final = "position-1"


@define
class Told:
    """Fills that are told facts as the desk is: what adds nothing leaves no bead."""

    fills: Fills = field(factory=Fills)
    beads: list[Bead] = field(factory=list)
    position: str | None = HERE

    def record(self, body: Body) -> None:
        """One more bead."""
        bead = Bead(len(self.beads), T0 + len(self.beads) * SECOND, f"b{len(self.beads)}", body, "leaf")
        self.beads.append(bead)
        self.fills.fold(bead)

    def tell(self, *facts: ExecutionSaid | CommissionSaid) -> Told:
        """Take facts in, one after the other."""
        for said in facts:
            if isinstance(said, CommissionSaid):
                if not self.fills.is_charged(said.exec_id):
                    self.record(charged(said))
                continue
            answer = self.fills.answer(said)
            parsed = parsed_ref(said.ref)
            if answer is not Answer.KNOWN:
                role = None if parsed is None else parsed[1]
                self.record(execution(said, answer, self.position if parsed else None, role))
        return self

    @property
    def totals(self) -> Totals:
        """What it adds up to."""
        return self.fills.totals(HERE)


def told(*facts: ExecutionSaid | CommissionSaid) -> Told:
    """Fills that were told these facts."""
    return Told().tell(*facts)


# --- families ---------------------------------------------------------------------------------------------------------


@shows("F33", "L6")
@pytest.mark.parametrize(
    ("exec_id", "family", "revision"),
    [
        ("0000e0d5.5f3c2a1b.01.01", "0000e0d5.5f3c2a1b.01", 1),
        ("0000e0d5.5f3c2a1b.01.02", "0000e0d5.5f3c2a1b.01", 2),
        ("x.99", "x", 99),
        ("x.1", "x.1", 0),
        ("x.001", "x.001", 0),
        ("x.0a", "x.0a", 0),
        ("x.\u0661\u0662", "x.\u0661\u0662", 0),  # digits that only look like ours
        (".01", ".01", 0),
        ("x\ny.01", "x\ny", 1),
        ("x", "x", 0),
    ],
)
def test_a_family_is_the_id_up_to_its_revision(exec_id: str, family: str, revision: int) -> None:
    """Two digits after the last dot are a revision; anything else is a name of its own."""
    assert family_of(exec_id) == (family, revision)


@shows("L6", "F33")
def test_a_correction_replaces() -> None:
    """X.01 of 100 and then X.02 of 90: filled 90, one correction bead, never 190."""
    log = told(executed("X.01", 100), executed("X.02", 90, "1.10"))
    assert (log.totals.entered, log.totals.average_entry) == (Decimal(90), Decimal("1.1"))
    assert [body.event for body in bodies(log)] == [ExecutionEvent.FILL, ExecutionEvent.CORRECTION]
    assert [body.revision for body in bodies(log)] == [1, 2]


def bodies(log: Told) -> list[Execution]:
    """The executions that were recorded."""
    return [bead.body for bead in log.beads if isinstance(bead.body, Execution)]


@shows("I8")
def test_a_bust_is_zero() -> None:
    """A correction to zero takes the whole execution back; another family stays."""
    log = told(executed("X.01", 4), executed("Y.01", 6), executed("X.02", 0))
    assert log.totals.entered == 6
    log.tell(executed("Y.02", 0))
    assert log.totals == Totals(quantity(0), quantity(0))


@shows("F34", "F36", "M7")
def test_a_duplicate_leaves_nothing() -> None:
    """By stream, by query, again after a restart: the same execution is one bead."""
    log = told(*(executed("X.01", 4) for _ in range(6)))
    assert (len(log.beads), log.totals.entered) == (1, Decimal(4))


@shows("F32")
def test_no_execution_is_made_up() -> None:
    """SELL 5 done, BUY 4 of 5 filled, told on a cold start in any order: net -1, and four beads at most."""
    facts = (
        executed("A.01", 5, ref=REF, side=Side.SELL),
        executed("B.01", 1, ref=STOP_REF),
        executed("C.01", 3, ref=STOP_REF),
    )
    for order in permutations(facts):
        log = told(*order, *order)
        assert log.totals.held == 1
        assert len(log.beads) == 3


@shows("L7", "F38")
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_commission_before_its_execution_is_not_lost(order: tuple[int, ...]) -> None:
    """Commission, execution and correction in any order: the same cost, counted once."""
    facts = (commission("X.01", "2"), executed("X.01", 4), executed("X.02", 5))
    log = told(*(facts[n] for n in order), *facts)
    assert log.totals.commissions == (("USD", money(2)),)
    assert log.totals.entered == 5


@shows("L7", "F38")
def test_a_commission_that_waits_for_its_execution_is_known() -> None:
    """Told again before the execution came, it adds nothing; one of a later revision does."""
    log = told(commission("X.01", "2"))
    assert log.fills.is_charged("X.01") and not log.fills.is_charged("X.02")


def test_a_commission_that_never_comes_costs_nothing() -> None:
    """No commission is no cost, and no error."""
    log = told(executed("X.01", 4))
    assert log.totals.commissions == ()
    assert log.totals.commission("USD") == 0
    assert not log.fills.is_charged("X.01")


def test_commissions_add_up_by_currency() -> None:
    """Amounts of different currencies are never one sum."""
    log = told(executed("X.01", 4), executed("Y.01", 4), executed("Z.01", 4, ref=STOP_REF))
    log.tell(commission("X.01", "2"), commission("Y.01", "1.5"), commission("Z.01", "3", "EUR"))
    assert log.totals.commissions == (("EUR", money(3)), ("USD", money("3.5")))
    assert log.totals.commission("USD") == Decimal("3.5")
    assert log.totals.commission("CHF") == 0


def test_the_charge_of_the_highest_revision_counts() -> None:
    """A late charge of an earlier revision changes nothing; one of a later revision replaces."""
    log = told(executed("X.01", 4), executed("X.02", 5), commission("X.02", "3"), commission("X.01", "2"))
    assert log.totals.commission("USD") == 3
    assert log.fills.is_charged("X.01")
    assert not log.fills.is_charged("X.03")
    log.record(charged(commission("X.01", "9")))  # even if a bead should say so
    log.record(charged(commission("X.02", "9")))
    assert log.totals.commission("USD") == 3
    log.tell(commission("X.03", "4"))
    assert log.totals.commission("USD") == 4


def test_an_early_charge_meets_the_one_that_is_known() -> None:
    """Before its execution too: the highest revision, and of equals the first."""
    log = told(commission("X.02", "3"), commission("X.01", "2"), commission("X.03", "4"))
    assert log.fills.early == {"X": Charge(3, money(4), "USD")}
    log.tell(executed("X.01", 4))
    assert log.fills.early == {}
    assert log.totals.commission("USD") == 4


# --- any order --------------------------------------------------------------------------------------------------------


@frozen
class Story:
    """What a broker really did: families with their revisions, and what each cost."""

    facts: tuple[ExecutionSaid | CommissionSaid, ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Some entries, some exits, some of them corrected or busted, some charged."""
    facts: list[ExecutionSaid | CommissionSaid] = []
    for n in range(draw(st.integers(1, 4))):
        ref, side = draw(st.sampled_from([(REF, Side.BUY), (STOP_REF, Side.SELL), (TARGET_REF, Side.SELL)]))
        for revision in range(1, draw(st.integers(2, 4))):
            size = draw(st.integers(0 if revision > 1 else 1, 10))
            at = draw(st.sampled_from(["1.08", "1.09", "1.10001"]))
            facts.append(executed(f"F{n}.{revision:02}", size, at, ref, side))
        if draw(st.booleans()):
            facts.append(commission(f"F{n}.01", draw(st.sampled_from(["1", "2.05"]))))
    return Story(tuple(facts))


def truth(story: Story) -> Totals:
    """The same sums by counting from scratch, in exact fractions."""
    last: dict[str, ExecutionSaid] = {}
    for said in story.facts:
        if isinstance(said, ExecutionSaid):
            family, revision = family_of(said.exec_id)
            if family not in last or family_of(last[family].exec_id)[1] < revision:
                last[family] = said
    entries = [said for said in last.values() if said.side is Side.BUY]
    exits = [said for said in last.values() if said.side is Side.SELL]
    entered, exited = (sum((Fraction(said.quantity) for said in some), Fraction()) for some in (entries, exits))
    paid, got = (
        sum((Fraction(said.quantity) * Fraction(said.price) for said in some), Fraction()) for some in (entries, exits)
    )
    closed = min(entered, exited)
    gained = closed * (got / exited - paid / entered) if closed else Fraction(0)
    cost = sum((Fraction(said.amount) for said in story.facts if isinstance(said, CommissionSaid)), Fraction())
    return Totals(
        Quantity(Decimal(int(entered))),
        Quantity(Decimal(int(exited))),
        Price(rounded(paid / entered)) if entered else None,
        Price(rounded(got / exited)) if exited else None,
        money(str(rounded(gained))),
        (("USD", money(plain(rounded(cost)))),) if cost else (),
    )


def rounded(value: Fraction) -> Decimal:
    """To eight places, half to even."""
    return Decimal(round(value * 10**8)).scaleb(-8)


@shows("I8", "F33", "F34", "F36", "F38", "L6", "L7")
class TestTheOrderOfFactsDoesNotMatter:
    """I8 (quantity): exact Decimal; 0 <= filled(i) <= qty(i) else OVERFILL drift; filled(i) = Σ latest revision of
    distinct exec families; filled decreases only by a correction bead; execs of i all carry (account,
    permId/orderRef) of i.
    """

    @given(st.data(), stories())
    def test_any_order_and_any_repetition_give_the_same_sums(self, data: st.DataObject, story: Story) -> None:
        """Permuted, and told twice over: the sums that counting from scratch gives."""
        order = data.draw(st.permutations(story.facts))
        again = data.draw(st.lists(st.sampled_from(story.facts), max_size=6))
        assert told(*order, *again).totals == truth(story)

    @given(st.data(), stories())
    def test_only_a_correction_takes_anything_away(self, data: st.DataObject, story: Story) -> None:
        """Fact by fact: what is filled of an order grows, except by a bead that says CORRECTION."""
        log = Told()
        before: dict[str, Quantity] = {}
        for said in data.draw(st.permutations(story.facts)):
            seen = len(log.beads)
            after = dict(log.tell(said).fills.executed(HERE))
            for ref, size in before.items():
                if after[ref] < size:
                    assert [body.event for body in bodies(log)[seen:]] == [ExecutionEvent.CORRECTION]
            before = after

    @given(stories())
    def test_a_snapshot_reads_back(self, story: Story) -> None:
        """The slice as it is written, read again, is the slice."""
        fills = told(*story.facts).fills
        assert of_json(Fills, to_json(fills)) == fills


@given(st.data(), stories())
def test_totals_with_one_more_are_what_the_fold_gives(data: st.DataObject, story: Story) -> None:
    """What a decision foresees is what the desk will be."""
    log = Told()
    for said in data.draw(st.permutations(story.facts)):
        if isinstance(said, ExecutionSaid) and log.fills.answer(said) is not Answer.KNOWN:
            parsed = parsed_ref(said.ref)
            assert parsed is not None
            foreseen = log.fills.totals(HERE, fill_of(said, parsed[1], T0))
            assert log.tell(said).totals.held == foreseen.held
            assert log.totals.realized == foreseen.realized


# --- sums -------------------------------------------------------------------------------------------------------------


@shows("F76")
@pytest.mark.parametrize(
    ("side", "entry", "exit", "gained"),
    [
        (Side.BUY, "1.08", "1.10", "0.2"),
        (Side.BUY, "1.10", "1.08", "-0.2"),
        (Side.SELL, "1.10", "1.08", "0.2"),
        (Side.SELL, "1.08", "1.10", "-0.2"),
        (Side.BUY, "1.08", "1.08", "0"),
    ],
)
def test_profit_has_the_sign_of_the_side(side: Side, entry: str, exit: str, gained: str) -> None:
    """Bought low and sold high is a gain, and so is the reverse of it."""
    log = told(executed("A.01", 10, entry, REF, side), executed("B.01", 10, exit, CLOSE_REF, side.other))
    assert log.totals.realized == Decimal(gained)
    assert log.totals.held == 0


def test_profit_of_a_part() -> None:
    """Partly closed: the part's share of what the entry cost, to eight places."""
    log = told(executed("A.01", 1, "1"), executed("B.01", 2, "2"), executed("C.01", 1, "3", STOP_REF, Side.SELL))
    assert log.totals.average_entry == Decimal("1.66666667")
    assert log.totals.realized == Decimal("1.33333333")
    log.tell(executed("D.01", 5, "3", STOP_REF, Side.SELL))
    assert log.totals.held == -3
    assert log.totals.realized == 4  # of the three that there were


def test_exits_before_any_entry_realise_nothing() -> None:
    """Reordered: an exit's fill may be told before the entry's."""
    log = told(executed("C.01", 4, "3", STOP_REF, Side.SELL))
    assert (log.totals.entered, log.totals.exited, log.totals.realized) == (Decimal(0), Decimal(4), Decimal(0))
    assert log.totals.held == -4
    log.tell(executed("A.01", 4, "1"))
    assert log.totals.realized == 8


@shows("F64", "F77")
def test_sums_do_not_depend_on_the_host_thread() -> None:
    """A thread whose decimals have three digits gets the same sums: no context but the desk's own counts."""
    facts = (executed("A.01", 123_457, "1.08765"), executed("B.01", 123_457, "1.08769", STOP_REF, Side.SELL))
    expected = told(*facts).totals
    with localcontext() as context:
        context.prec = 3
        assert told(*facts).totals == expected
    assert expected.realized == Decimal("4.93828")


@shows("F64")
def test_large_numbers_stay_exact() -> None:
    """Thirty digits of quantity lose nothing."""
    size = 10**29 + 1
    log = told(executed("A.01", size, "1"), executed("B.01", 1, "1"))
    assert plain(log.totals.entered) == str(size + 1)


# --- what is stated ---------------------------------------------------------------------------------------------------


def word(exec_id: str, size: int, at: str = "1.09", ref: str = REF, role: Role = Role.ENTRY) -> Execution:
    """What an operator states."""
    side = Side.SELL if role.is_exit else Side.BUY
    return stated(exec_id, HERE, ref, role, "EURUSD", side, quantity(size), price(at), T0)


def test_a_statement_counts_until_executions_come() -> None:
    """Stated 10; real ones of 4 and 6 take its place, unit for unit: the sum never dips, and the real prices count."""
    log = Told()
    log.record(word("stated.17.01", 10, "1.00"))
    assert (log.totals.entered, log.totals.average_entry) == (Decimal(10), Decimal(1))
    log.tell(executed("X.01", 4, "2"))
    assert (log.totals.entered, log.totals.average_entry) == (Decimal(10), Decimal("1.4"))
    log.tell(executed("Y.01", 6, "2"))
    assert (log.totals.entered, log.totals.average_entry) == (Decimal(10), Decimal(2))
    log.tell(executed("Z.01", 1, "2"))
    assert log.totals.entered == 11  # more than stated: the executions are the book
    log.tell(executed("X.02", 3, "2"))
    assert log.totals.entered == 10


def test_a_statement_gives_way_only_to_its_own_order() -> None:
    """Executions of another order, or of the other side, replace nothing that was stated."""
    log = Told()
    log.record(word("stated.17.01", 10))
    log.tell(executed("X.01", 4, ref=STOP_REF, side=Side.SELL))
    log.tell(executed("Y.01", 4, ref=REF, side=Side.SELL))
    log.tell(executed("Z.01", 3, ref=STOP_REF))
    assert dict(log.fills.executed(HERE)) == {REF: 14, STOP_REF: 7}


def test_only_what_was_stated_without_an_id_gives_way() -> None:
    """What a human stated under the broker's own id is that execution, and none that comes later; and an execution that
    the broker told stays, whatever its id begins with."""
    log = Told()
    log.record(word("X.01", 4))
    log.tell(executed("Y.01", 3))
    assert log.totals.entered == 7
    log.tell(executed("stated.9.01", 2))
    log.tell(executed("Z.01", 1))
    assert log.totals.entered == 10
    log.tell(executed("X.02", 5))
    assert log.totals.entered == 11


def test_two_statements_add_up() -> None:
    """A statement replaces no other; only its own later revision replaces it."""
    log = Told()
    log.record(word("stated.17.01", 6))
    log.record(word("stated.18.01", 4))
    assert log.totals.entered == 10
    log.record(word("stated.17.02", 5))
    assert log.totals.entered == 9
    log.tell(executed("X.01", 7))
    assert log.totals.entered == 9
    assert [fill.quantity for fill in log.fills.of(HERE)] == [0, 2, 7]


def test_what_a_statement_says_on_paper() -> None:
    """The bead of a statement: STATED, with its family, and without a reference where it has none."""
    body = stated("x.07", HERE, "", Role.CLOSE, "EURUSD", Side.SELL, quantity(3), price("1.2"), T0)
    assert (body.event, body.family, body.revision, body.ref) == (ExecutionEvent.STATED, "x", 7, None)
    assert (body.role, body.side, body.quantity, body.price) == (Role.CLOSE, Side.SELL, Decimal(3), Decimal("1.2"))
    assert (body.position_id, body.symbol, body.at) == (HERE, "EURUSD", T0)


# --- whose they are, and how long they are kept -----------------------------------------------------------------------


def test_an_execution_of_no_order_of_ours_is_known_again() -> None:
    """A manual trade is recorded once, belongs to nobody, and can be attributed later."""
    log = told(executed("M.01", 4, ref=""), executed("M.01", 4, ref=""))
    assert (len(log.beads), log.totals.entered) == (1, Decimal(0))
    assert log.fills.answer(executed("M.02", 3, ref="")) is Answer.CORRECTION
    log.record(evolve(word("M.01", 4), ref=None))
    assert log.totals.entered == 4
    assert log.fills.answer(executed("M.01", 4, ref="")) is Answer.KNOWN


def test_a_correction_that_came_after_the_end_is_known() -> None:
    """It is booked as nobody's, beside what it corrects: the higher of the two revisions is the one that is known,
    whichever of the two books has it."""
    log = told(executed("A.01", 4))
    log.record(execution(executed("A.02", 3), Answer.CORRECTION, None, Role.ENTRY))
    answers = [log.fills.answer(executed(f"A.0{n}", 3)) for n in (1, 2, 3)]
    assert answers == [Answer.KNOWN, Answer.KNOWN, Answer.CORRECTION]
    log.record(execution(executed("A.03", 3), Answer.CORRECTION, HERE, Role.ENTRY))
    assert log.fills.answer(executed("A.03", 3)) is Answer.KNOWN


def test_strays_are_let_go_oldest_first() -> None:
    """What never finds its position cannot fill the memory."""
    log = Told()
    for n in range(STRAYS_KEPT + 1):
        log.tell(executed(f"M{n}.01", 1, ref=""), commission(f"C{n}.01", "1"))
    assert len(log.fills.strays) == len(log.fills.early) == STRAYS_KEPT
    assert log.fills.answer(executed("M0.01", 1, ref="")) is Answer.NEW
    assert log.fills.answer(executed("M1.01", 1, ref="")) is Answer.KNOWN
    assert not log.fills.is_charged("C0.01")
    assert log.fills.is_charged("C1.01")


def references(n: int) -> tuple[str, str]:
    """The references of the n-th entry and of its stop."""
    digits = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(n // 26**place) % 26] for place in range(4))
    entry = type(REF)("P1" + "A" * 22 + digits)
    return entry, exit_ref(entry, Role.STOP, 1)


def many(count: int) -> Told:
    """Fills of this many positions, each bought, sold and charged."""
    log = Told()
    for n in range(count):
        entry, stop = references(n)
        log.position = f"p{n}"
        log.tell(executed(f"E{n}.01", 5, "1.1", entry), commission(f"E{n}.01", "1"))
        log.tell(executed(f"S{n}.01", 5, "1.2", stop, Side.SELL))
    return log


def test_the_latest_flat_positions_stay_whole() -> None:
    """The oldest flat one goes onto the shelf; what it says stays the same."""
    log = many(FLAT_KEPT)
    assert len(log.fills.whole) == FLAT_KEPT
    assert log.fills.shelf == {}
    before = log.fills.of("p0")
    many_ = many(FLAT_KEPT + 2)
    assert list(many_.fills.shelf) == ["p0", "p1"]
    assert many_.fills.of("p0") == before
    assert many_.fills.totals("p0").realized == Decimal("0.5")
    assert many_.fills.totals("p0").commission("USD") == 1
    assert "E0" not in many_.fills.owners
    assert of_json(Fills, to_json(many_.fills)) == many_.fills


@shows("F36", "I10")
def test_a_duplicate_of_long_ago_is_still_known() -> None:
    """From the shelf: the same revision is known, a later one is a correction, another family is new."""
    fills = many(FLAT_KEPT + 1).fills
    entry, stop = references(0)
    assert fills.answer(executed("E0.01", 5, ref=entry)) is Answer.KNOWN
    assert fills.answer(executed("S0.01", 5, ref=stop)) is Answer.KNOWN
    assert fills.answer(executed("E0.02", 4, ref=entry)) is Answer.CORRECTION
    assert fills.answer(executed("N0.01", 4, ref=entry)) is Answer.NEW


def test_a_late_fact_brings_a_position_back_from_the_shelf() -> None:
    """A correction of long ago is folded as if nothing had been put away, charges included."""
    log = many(FLAT_KEPT + 1)
    entry, _ = references(0)
    log.position = "p0"
    log.tell(executed("E0.02", 4, "1.1", entry), commission("S0.01", "2"))
    assert "p0" in log.fills.whole
    assert "p0" not in log.fills.shelf
    assert log.fills.totals("p0").held == -1
    assert log.fills.totals("p0").commission("USD") == 3
    assert log.fills.answer(executed("S0.01", 5, ref=entry)) is Answer.KNOWN
    log.tell(executed("S0.02", 4, "1.2", references(0)[1], Side.SELL))
    assert list(log.fills.shelf) == ["p1"]  # flat again, and the latest: another one made room


def test_a_charge_of_long_ago_meets_its_correction() -> None:
    """A commission that finds its position put away waits, and is joined by the next word on its execution."""
    log = many(FLAT_KEPT + 1)
    _, stop = references(0)
    log.tell(commission("S0.01", "2"), commission("E0.01", "9"))
    log.position = "p0"
    log.tell(executed("S0.02", 4, "1.2", stop, Side.SELL), executed("E0.02", 4, "1.1", references(0)[0]))
    assert log.fills.totals("p0").commission("USD") == 3  # 2 that came late, and the 1 that was known
    assert log.fills.early == {}


def test_a_foreseen_execution_takes_the_place_of_what_was_stated() -> None:
    """What a decision foresees of a stated position is what the fold makes of it."""
    log = Told()
    log.record(word("stated.17.01", 10, "1.00"))
    foreseen = log.fills.totals(HERE, fill_of(executed("X.01", 4, "2"), Role.ENTRY, T0))
    assert foreseen.entered == 10
    assert log.tell(executed("X.01", 4, "2")).totals == foreseen


def test_a_position_with_something_left_is_never_put_away() -> None:
    """Only what is flat goes onto the shelf, however long ago it was."""
    log = told(executed("A.01", 5, ref=references(9999)[0]))
    assert log.fills.flat == {}
    for bead in many(FLAT_KEPT + 3).beads:
        log.record(bead.body)
    assert HERE in log.fills.whole
    assert len(log.fills.shelf) == 3


def test_a_position_that_is_not_flat_any_more_is_not_put_away() -> None:
    """Flat once, then an execution was corrected: something is left, and it stays whole."""
    log = many(FLAT_KEPT)
    log.position = "p0"
    log.tell(executed("E0.02", 6, "1.1", references(0)[0]))
    assert "p0" not in log.fills.flat
    for bead in many(FLAT_KEPT + 2).beads[3 * FLAT_KEPT :]:
        log.record(bead.body)
    assert "p0" in log.fills.whole
    assert list(log.fills.shelf) == ["p1"]


def test_a_position_that_is_flat_again_is_the_latest() -> None:
    """Corrected and still flat: it was heard of last, and others make room before it."""
    log = many(FLAT_KEPT)
    log.position = "p0"
    log.tell(executed("E0.02", 5, "1.2", references(0)[0]))
    assert list(log.fills.flat)[-1] == "p0"


@pytest.mark.parametrize("body", [word("x", 4), charged(commission("x", "1")), evolve(word("x", 4), position_id=None)])
def test_everything_is_of_some_revision(body: Execution) -> None:
    """A bead without one is a bug: nobody could say what replaces it."""
    with pytest.raises(AssertionError):
        Told().record(evolve(body, revision=None))


def test_an_attributed_position_is_put_away_under_its_family() -> None:
    """Without any reference of ours there is still a name to put it under."""
    log = Told()
    log.record(evolve(word("M.01", 4), ref=None))
    log.record(evolve(word("N.01", 4, role=Role.CLOSE), ref=None))
    for bead in many(FLAT_KEPT).beads:
        log.record(bead.body)
    assert list(log.fills.shelved) == ["M"]
    assert [fill.family for fill in log.fills.of(HERE)] == ["M", "N"]
    log.record(evolve(word("M.02", 4), ref=None))
    assert log.fills.shelved.keys() == {references(0)[0]}


@given(
    st.text(max_size=12),
    st.integers(0, 99),
    st.sampled_from(Role),
    st.sampled_from(Side),
    st.integers(0, 10**30),
    st.booleans(),
    st.booleans(),
)
def test_a_line_reads_back(
    family: str, revision: int, role: Role, side: Side, size: int, is_stated: bool, is_charged: bool
) -> None:
    """Whatever an execution says comes back from its line, to the last digit and letter."""
    family = family.encode("utf-8", "ignore").decode()
    charge = Charge(revision, money("-1.25"), "EUR") if is_charged else None
    fill = Fill(family, revision, REF, role, side, quantity(size), price("1.000001"), T0, is_stated, charge)
    assert fills_of_line(line_of((fill, fill))) == (fill, fill)


def test_a_line_is_short() -> None:
    """What one execution of long ago costs in memory: a line of text, with everything on it."""
    fills = many(1).fills.of("p0")
    assert len(line_of(fills)) < 150 * len(fills)


def test_when_an_instrument_last_traded() -> None:
    """By symbol, as it was recorded; a commission is no trade."""
    log = told(executed("X.01", 4), commission("X.01", "1"))
    assert log.fills.touched == {"EURUSD": T0}
    log.tell(executed("Y.01", 4))
    assert log.fills.touched == {"EURUSD": T0 + 2 * SECOND}


def test_when_an_execution_was_recorded() -> None:
    """A correction does not make an execution younger: a picture from before it may have shown it."""
    log = told(executed("X.01", 4), executed("Y.01", 4), executed("X.02", 3))
    assert [(fill.family, fill.at) for fill in log.fills.of(HERE)] == [("X", T0), ("Y", T0 + SECOND)]


# --- what is written --------------------------------------------------------------------------------------------------


def test_what_an_execution_says_on_paper() -> None:
    """Everything that the broker said, under its family."""
    body = execution(executed("X.02", 4), Answer.NEW, HERE, Role.ENTRY)
    assert (body.event, body.exec_id, body.family, body.revision) == (ExecutionEvent.FILL, "X.02", "X", 2)
    assert (body.position_id, body.ref, body.role, body.perm_id) == (HERE, REF, Role.ENTRY, 7)
    assert (body.symbol, body.side, body.quantity, body.price) == ("EURUSD", Side.BUY, Decimal(4), Decimal("1.09"))
    assert (body.at, body.message) == (T0, "1:1")
    bare = execution(executed("X.02", 4, ref="", perm_id=0), Answer.CORRECTION, None, None)
    assert (bare.event, bare.ref, bare.perm_id) == (ExecutionEvent.CORRECTION, None, None)


def test_what_is_known_is_never_written() -> None:
    """A bead that says nothing new would be a bug."""
    with pytest.raises(AssertionError):
        execution(executed("X.01", 4), Answer.KNOWN, HERE, Role.ENTRY)


def test_what_a_commission_says_on_paper() -> None:
    """Family, revision, amount and currency."""
    body = charged(commission("X.03", "-0.25", "EUR"))
    assert (body.event, body.exec_id, body.family, body.revision) == (ExecutionEvent.COMMISSION, "X.03", "X", 3)
    assert (body.commission, body.currency, body.message) == (Decimal("-0.25"), "EUR", "1:1")


@shows("F78")
@pytest.mark.parametrize("gone", ["role", "side", "quantity", "price"])
def test_an_execution_of_ours_says_everything(gone: str) -> None:
    """A field that is not there is never read as zero: such a bead is a bug."""
    body = word("x", 4)
    bare = {
        "role": evolve(body, role=None),
        "side": evolve(body, side=None),
        "quantity": evolve(body, quantity=None),
        "price": evolve(body, price=None),
    }[gone]
    with pytest.raises(AssertionError):
        Told().record(bare)


@pytest.mark.parametrize("bare", [{"commission": None}, {"currency": None}])
def test_a_commission_is_an_amount_in_a_currency(bare: dict[str, None]) -> None:
    """Either alone is a bug."""
    body = charged(commission("x", "1"))
    with pytest.raises(AssertionError):
        Told().record(evolve(body, commission=None) if "commission" in bare else evolve(body, currency=None))


def test_only_its_own_kind_is_folded() -> None:
    """A bead of another kind changes nothing."""
    log = Told()
    log.record(Genesis("o", Mode.MOCK, "a", "m", 0, "h", "k", "USD"))
    assert log.fills == Fills()


def test_nothing_adds_up_to_nothing() -> None:
    """A position without executions has no averages and no profit."""
    assert totals_of(()) == Totals()
    assert exact(plain(Totals().held), "held") == 0
