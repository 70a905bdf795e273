"""One run of the reconciler against worlds made by hand and worlds drawn at random, with its oracle written apart."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import ReconciliationDrift
from phoenix_core.facts import BrokerStatus, Held, Snapshot
from phoenix_core.orders import entry_ref, exit_ref
from phoenix_core.values import Money, OrderRef, Quantity, Role, Severity, Side
from phoenix_core.watch import compare as compare_module
from phoenix_core.watch.compare import Agreement, Book, Finding, Made, OrderRow, compare, next_look, why_unknown
from phoenix_core.watch.drift import Cause, Divergence, Drifts, news
from tests.showing import shows
from tests.unit.watch.made import (
    ACCOUNT,
    ENTRY,
    NOON,
    STOP,
    TARGET,
    at,
    bead,
    book,
    executed,
    held,
    in_session,
    moment,
    row,
    said,
    snapshot,
)

FOREIGN: Final = OrderRef("")
OTHER: Final = entry_ref(b"another statement")
SYMBOLS: Final = ("AAPL", "EURUSD", "MSFT", "TSLA")
PAIRS: Final = frozenset({"EURUSD"})
SENT: Final = BrokerStatus.SUBMITTED


def found(finding: Finding) -> list[tuple[Cause, str]]:
    """What stands, in short."""
    return sorted(((d.cause, d.subject) for d in finding.found), key=str)


def only(finding: Finding) -> Divergence:
    """The one divergence that stands."""
    (one,) = finding.found
    return one


def once(mine: Book, theirs: Snapshot) -> Finding:
    """A first run, with nothing suspected."""
    return compare(mine, theirs, {})


small: Final = st.integers(-3, 3)
worlds: Final = st.dictionaries(st.sampled_from(SYMBOLS), small, max_size=4)


class TestHoldings:
    """Count, size and sign of what is held."""

    @shows("F80", "S32-REC-02")
    @given(ours=worlds, baseline=worlds, theirs=worlds)
    def test_every_unexplained_holding_is_found_and_nothing_else(
        self, ours: dict[str, int], baseline: dict[str, int], theirs: dict[str, int]
    ) -> None:
        """Where broker and book differ by any share there is one divergence, and absence is zero on either side."""
        ours = {symbol: quantity for symbol, quantity in ours.items() if quantity}
        finding = once(book(holdings=ours, baseline=baseline), snapshot(positions=held(**theirs)))
        expected = {}
        for symbol in SYMBOLS:
            mine, known, said = ours.get(symbol, 0), baseline.get(symbol, 0), theirs.get(symbol, 0)
            if said == mine + known:
                continue
            if mine == 0 and symbol in baseline:
                expected[symbol] = Cause.FOREIGN_HOLDING
            elif mine == 0 or said == known:
                expected[symbol] = Cause.COUNT
            else:
                expected[symbol] = Cause.SIZE if mine * (said - known) > 0 else Cause.SIGN
        assert {d.subject: d.cause for d in finding.found} == expected
        assert {d.instrument for d in finding.found} == set(expected)
        assert finding.unexplained == tuple(sorted(expected))
        assert finding.agreement is (Agreement.DIFFERS if expected else Agreement.AGREES)

    @shows("F80")
    def test_flat_that_broker_does_not_report_is_zero(self) -> None:
        """What a complete picture leaves out is gone: CRITICAL, with both sides named."""
        one = only(once(book(holdings={"AAPL": 100}), snapshot()))
        assert one.cause is Cause.COUNT
        assert one.severity is Severity.CRITICAL
        assert one.phoenix == {"quantity": "100", "baseline": "0"}
        assert one.broker == {"quantity": "0"}

    @shows("M17", "F32")
    def test_short_against_long_is_a_sign_not_an_agreement(self) -> None:
        """+3 here and -3 there differ, however equal their sizes are."""
        assert found(once(book(holdings={"AAPL": 3}), snapshot(positions=held(AAPL=-3)))) == [(Cause.SIGN, "AAPL")]
        assert once(book(holdings={"AAPL": -1}), snapshot(positions=held(AAPL=-1))).agreement is Agreement.AGREES

    @shows("F53")
    def test_rows_of_other_accounts_are_not_counted(self) -> None:
        """Holdings, orders and executions of another account change nothing; a row without an account is ours."""
        other = Held("AAPL", Decimal(7), account="other")
        theirs = snapshot(
            said(OTHER, account="other"),
            positions=(*held(AAPL=5), other),
            executions=(executed(OTHER, account="other"),),
        )
        assert once(book(holdings={"AAPL": 5}), theirs).agreement is Agreement.AGREES

    def test_holding_in_two_rows_is_their_sum(self) -> None:
        """Two rows of one symbol add up, exactly, whatever the thread's context would round."""
        long = Decimal("12345678901234567890123456789012.000001")
        mine = evolve(book(), holdings={"AAPL": long + 0})
        assert once(mine, snapshot(positions=(Held("AAPL", long),))).found != ()
        mine = evolve(book(), holdings={"AAPL": long})
        rows = (Held("AAPL", Decimal("12345678901234567890123456789012")), Held("AAPL", Decimal("0.000001")))
        assert once(mine, snapshot(positions=rows)).agreement is Agreement.AGREES

    def test_currency_pairs_are_virtual(self) -> None:
        """E14: up to 1,000 base units are nothing; more needs two pictures, and is CRITICAL."""
        mine = book(holdings={"EURUSD": 20_000}, cash=PAIRS)
        assert once(mine, snapshot(positions=held(EURUSD=19_000))).agreement is Agreement.AGREES
        first = once(mine, snapshot(positions=held(EURUSD=18_999)))
        assert first.agreement is Agreement.MOVING
        assert first.found == ()
        second = compare(mine, snapshot(positions=held(EURUSD=18_999)), dict(first.suspects))
        assert found(second) == [(Cause.SIZE, "EURUSD")]
        third = compare(mine, snapshot(positions=held(EURUSD=18_999)), dict(second.suspects))
        assert found(third) == [(Cause.SIZE, "EURUSD")]
        assert third.agreement is Agreement.DIFFERS


class TestOrders:
    """Every order that either side knows."""

    @pytest.mark.parametrize("mine", BrokerStatus)
    @pytest.mark.parametrize("theirs", BrokerStatus)
    def test_every_pair_of_statuses(self, mine: BrokerStatus, theirs: BrokerStatus) -> None:
        """With equal fills, another standing is one WARNING; a status that says nothing yet is none."""
        classes = {
            BrokerStatus.PRESUBMITTED: "working",
            BrokerStatus.SUBMITTED: "working",
            BrokerStatus.PENDING_CANCEL: "working",
            BrokerStatus.INACTIVE: "inactive",
            BrokerStatus.FILLED: "ended",
            BrokerStatus.CANCELLED: "ended",
        }
        differs = theirs in classes and classes[theirs] != classes.get(mine)
        finding = once(book(row(ENTRY, mine)), snapshot(said(ENTRY, theirs)))
        assert found(finding) == ([(Cause.ORDER_STATUS, ENTRY)] if differs else [])
        assert all(d.severity is Severity.WARNING for d in finding.found)

    @shows("CV_S32_PARTIAL_DRIFT")
    def test_half_filled_here_and_sixty_percent_there(self) -> None:
        """A 50 % fill that the broker reports as 60 % is CRITICAL, whatever the status says."""
        one = only(once(book(row(ENTRY, filled=50)), snapshot(said(ENTRY, filled=60))))
        assert (one.cause, one.severity) == (Cause.FILLS, Severity.CRITICAL)
        assert (one.phoenix, one.broker) == ({"filled": "50"}, {"filled": "60"})

    @shows("I8")
    @pytest.mark.parametrize(("mine", "theirs"), [(101, 101), (100, 101), (101, 100)])
    def test_overfill_on_either_side(self, mine: int, theirs: int) -> None:
        """More than was ordered is an overfill, at once, even in a row that moves."""
        moving = book(row(ENTRY, filled=mine), touched={ENTRY: 100})
        one = only(once(moving, snapshot(said(ENTRY, filled=theirs))))
        assert (one.cause, one.subject, one.broker["filled"]) == (Cause.OVERFILL, ENTRY, "101")

    def test_what_no_fact_on_its_way_explains_is_found_at_once(self) -> None:
        """Two permanent ids, more than was ordered, a reference of nobody's: in rows that move, all of them, and the
        holding beside them waits."""
        touched = dict.fromkeys((ENTRY, STOP, OTHER, "AAPL"), 100.0)
        mine = book(row(ENTRY, perm_id=5), row(STOP, filled=101), touched=touched)
        theirs = snapshot(said(ENTRY, perm_id=7), said(STOP, filled=101), said(OTHER), positions=held(AAPL=7))
        finding = once(mine, theirs)
        causes = [Cause.TWO_PERM_IDS, Cause.OVERFILL, Cause.UNRESOLVED_REFERENCE]
        assert found(finding) == sorted(zip(causes, (ENTRY, STOP, OTHER), strict=True), key=str)
        assert len(finding.suspects) == 1

    @shows("F05")
    def test_order_that_a_complete_picture_does_not_show(self) -> None:
        """A drift, and named among the absent; where its instrument's holding differs too, absence proves nothing."""
        finding = once(book(row(ENTRY)), snapshot())
        assert found(finding) == [(Cause.ORDER_MISSING, ENTRY)]
        assert (finding.absent, finding.unexplained) == ((ENTRY,), ())
        assert only(finding).phoenix == {"status": "SUBMITTED", "filled": "0"}
        assert only(finding).broker == {"status": "absent"}
        left = once(book(row(ENTRY)), snapshot(positions=held(AAPL=1)))
        assert (Cause.ORDER_MISSING, ENTRY) in found(left)
        assert left.absent == ()

    def test_an_entry_that_ended_with_nothing_proven(self) -> None:
        """It is named among the absent where no picture shows a working order of it, an execution, or a holding that
        nothing explains: any of them is a trace of it."""
        waiting = evolve(book(ended=frozenset({str(ENTRY)})), awaited={ENTRY: "AAPL"})
        assert once(waiting, snapshot()).absent == (ENTRY,)
        assert once(waiting, snapshot(said(ENTRY, BrokerStatus.CANCELLED))).absent == (ENTRY,)
        assert once(waiting, snapshot(positions=held(MSFT=1))).absent == (ENTRY,)
        assert once(waiting, snapshot(said(ENTRY))).absent == ()
        assert once(waiting, snapshot(executions=(executed(ENTRY),))).absent == ()
        assert once(waiting, snapshot(positions=held(AAPL=1))).absent == ()

    def test_order_that_may_not_have_left_is_known_and_not_missed(self) -> None:
        """Recorded, and the process died or has not heard yet whether it went: shown, it resolves; absent, it is no
        divergence."""
        mine = book(evolve(row(ENTRY, BrokerStatus.UNKNOWN), sent=False))
        assert once(mine, snapshot()).agreement is Agreement.AGREES
        assert found(once(mine, snapshot(said(ENTRY, BrokerStatus.PENDING)))) == []
        assert found(once(mine, snapshot(said(ENTRY)))) == [(Cause.ORDER_STATUS, ENTRY)]

    @shows("F08")
    def test_order_in_our_grammar_that_nothing_resolves(self) -> None:
        """An order, or an execution, that the log does not know is CRITICAL in the same run, and one divergence."""
        theirs = snapshot(said(OTHER), executions=(executed(OTHER),))
        one = only(once(book(), theirs))
        assert (one.cause, one.subject, one.severity) == (Cause.UNRESOLVED_REFERENCE, OTHER, Severity.CRITICAL)
        executed_only = only(once(book(), snapshot(executions=(executed(OTHER), executed("theirs")))))
        assert (executed_only.cause, executed_only.subject) == (Cause.UNRESOLVED_REFERENCE, OTHER)
        assert executed_only.instrument == "AAPL"
        known = snapshot(executions=(executed(OTHER), executed(ENTRY)), positions=())
        resolved = once(book(row(ENTRY), ended=frozenset({OTHER})), known)
        assert (found(resolved), resolved.absent) == ([(Cause.ORDER_MISSING, ENTRY)], (ENTRY,))

    @shows("F20")
    def test_one_reference_with_two_permanent_ids(self) -> None:
        """Two rows, or a row beside what we knew: CRITICAL, with both ids."""
        twice = once(book(row(ENTRY)), snapshot(said(ENTRY, perm_id=7), said(ENTRY, perm_id=9)))
        assert only(twice).broker == {"perm_ids": "7,9"}
        moved = once(book(row(ENTRY, perm_id=5)), snapshot(said(ENTRY, perm_id=7)))
        assert (only(moved).cause, only(moved).phoenix) == (Cause.TWO_PERM_IDS, {"perm_id": "5"})
        unknown = once(book(), snapshot(said(OTHER, perm_id=7), said(OTHER, perm_id=9)))
        assert found(unknown) == [(Cause.TWO_PERM_IDS, OTHER), (Cause.UNRESOLVED_REFERENCE, OTHER)]
        assert unknown.found[0].phoenix == {"perm_id": "0"}
        mute = [evolve(said(ENTRY, perm_id=n), echo=None) for n in (7, 9)]
        assert only(once(book(row(ENTRY)), snapshot(*mute))).instrument == "AAPL"
        assert once(book(row(ENTRY, perm_id=7)), snapshot(said(ENTRY, perm_id=0))).agreement is Agreement.AGREES

    @shows("F50")
    def test_manual_orders_are_told_apart_by_permanent_id(self) -> None:
        """Three orders typed into the broker's own window: three drifts, WARNING, none adopted, none twice."""
        manual = [said(FOREIGN, perm_id=n, quantity=10 * n) for n in (1, 2, 3)]
        over = said(FOREIGN, BrokerStatus.FILLED, 100, perm_id=4)
        finding = once(book(), snapshot(*manual, over))
        assert found(finding) == [(Cause.FOREIGN_ORDER, f"perm:{n}") for n in (1, 2, 3)]
        assert {(d.severity, d.instrument) for d in finding.found} == {(Severity.WARNING, "AAPL")}
        nameless = evolve(said(FOREIGN, perm_id=0), order_id=12, echo=None)
        assert (only(once(book(), snapshot(nameless))).subject) == "order:12"
        assert only(once(book(), snapshot(nameless))).instrument is None
        # A kind of order that this desk never sends has terms that it cannot read, and an instrument that it can.
        trailing = evolve(nameless, symbol="EURUSD")
        assert only(once(book(), snapshot(trailing))).instrument == "EURUSD"

    @shows("I10")
    def test_ended_order_that_works_again(self) -> None:
        """CRITICAL; a completed or ended row of it is no news."""
        ended = frozenset({str(ENTRY)})
        assert found(once(book(ended=ended), snapshot(said(ENTRY)))) == [(Cause.FACT_AFTER_END, ENTRY)]
        over = (said(ENTRY, BrokerStatus.CANCELLED), evolve(said(ENTRY), completed=True))
        assert once(book(ended=ended), snapshot(*over)).agreement is Agreement.AGREES
        one = only(once(book(ended=ended), snapshot(*over, said(ENTRY))))
        assert (one.cause, one.broker) == (Cause.FACT_AFTER_END, {"status": "SUBMITTED"})

    @pytest.mark.parametrize("status", [s for s in BrokerStatus if s.value not in ("FILLED", "CANCELLED")])
    @shows("L4", "F50", "I10")
    def test_only_filled_and_cancelled_are_over(self, status: BrokerStatus) -> None:
        """Inactive and pending-cancel may still fill: after an end, and of a stranger, such an order is told."""
        ended = frozenset({str(ENTRY)})
        assert found(once(book(ended=ended), snapshot(said(ENTRY, status)))) == [(Cause.FACT_AFTER_END, ENTRY)]
        assert found(once(book(), snapshot(said(FOREIGN, status, perm_id=1)))) == [(Cause.FOREIGN_ORDER, "perm:1")]

    def test_open_row_speaks_before_the_completed_one(self) -> None:
        """Where both lists show an order, the open one says how it stands; alone, the completed one does."""
        completed = evolve(said(ENTRY, BrokerStatus.FILLED, 100), completed=True)
        assert once(book(row(ENTRY)), snapshot(completed, said(ENTRY))).agreement is Agreement.AGREES
        alone = once(book(row(ENTRY)), snapshot(completed))
        assert found(alone) == [(Cause.FILLS, ENTRY), (Cause.ORDER_STATUS, ENTRY)]

    def test_order_without_terms_still_counts(self) -> None:
        """A word that carries no terms is held against the row that we know."""
        bare = evolve(said(OTHER), echo=None)
        assert only(once(book(), snapshot(bare))).instrument is None
        assert only(once(book(), snapshot(bare, said(OTHER)))).instrument == "AAPL"

    def test_a_row_of_which_no_permanent_id_is_known(self) -> None:
        """Left unsaid, there is none: whichever the broker names is the first."""
        mine = OrderRow(ENTRY, "AAPL", Role.ENTRY, Side.BUY, Quantity(Decimal(100)), Quantity(Decimal(0)), SENT)
        assert once(book(mine), snapshot(said(ENTRY, perm_id=7))).agreement is Agreement.AGREES


class TestOrphans:
    """D7: working exits above what is held, and the rest of their native parent, would open a position."""

    def bracket(
        self, position: int, rest: int, *, group: str = "G1", exits: int = 100, filled: int = 0
    ) -> tuple[Book, Snapshot]:
        """Stop and target in one group, an entry that still works for `rest`, and what the broker says is held."""
        orders = [said(STOP, quantity=exits, filled=filled, group=group), said(TARGET, quantity=exits, group=group)]
        rows = [row(STOP, quantity=exits, filled=filled), row(TARGET, quantity=exits)]
        if rest:
            orders.append(said(ENTRY, quantity=rest))
            rows.append(row(ENTRY, quantity=rest))
        mine = book(*rows, holdings={"AAPL": position} if position else {})
        return mine, snapshot(*orders, positions=held(AAPL=position))

    @shows("X1")
    @given(position=st.integers(-20, 120), rest=st.integers(0, 120))
    def test_exits_are_counted_and_allowed_for_as_in_x1(self, position: int, rest: int) -> None:
        """X1: executed exits + the largest working member of each exit group <= executed entries + the unfilled rest of
        the native parent that the group hangs on, seen from the broker's side: 100 <= position + rest."""
        finding = once(*self.bracket(position, rest))
        orphaned = max(position, 0) + rest < 100
        assert found(finding) == ([(Cause.ORPHAN_EXIT, "AAPL")] if orphaned else [])
        if orphaned:
            one = only(finding)
            assert one.severity is Severity.CRITICAL
            assert (one.refs, finding.unexplained) == ((STOP, TARGET), ())
            assert one.broker["exits"] == "100"
            assert one.broker["allowed"] == str(max(position, 0) + rest)

    def test_members_of_different_groups_add_up(self) -> None:
        """Two exits outside one group may both trade; without a group each stands for itself, and a row of ours may
        know the group that the broker's word left out."""
        mine, theirs = self.bracket(100, 0, group="")
        assert only(once(mine, theirs)).broker["exits"] == "200"
        rows = [row(STOP, group="G1"), row(TARGET, group="G1")]
        assert once(book(*rows, holdings={"AAPL": 100}), theirs).agreement is Agreement.AGREES

    def test_partly_executed_exit_counts_with_its_rest(self) -> None:
        """60 of a stop's 100 traded: 40 are left to trade, and the target's 100 is the larger member."""
        mine, theirs = self.bracket(100, 0, filled=60)
        assert once(mine, theirs).agreement is Agreement.AGREES
        bare = [evolve(order, remaining=None) for order in theirs.orders]
        assert once(mine, evolve(theirs, orders=tuple(bare))).agreement is Agreement.AGREES
        less = [evolve(order, remaining=Quantity(Decimal(30))) for order in theirs.orders]
        few = evolve(theirs, orders=tuple(less), positions=held(AAPL=29))
        assert only(once(evolve(mine, holdings={"AAPL": Decimal(29)}), few)).broker["exits"] == "30"

    def test_each_instrument_is_covered_by_what_this_account_holds_of_it(self) -> None:
        """Neither another instrument's holding covers an exit nor another account's; one that is covered hides no
        other; and the drift has all that it rests on."""
        other = exit_ref(OTHER, Role.STOP, 1)
        mine = book(row(STOP, symbol="MSFT"), row(other), holdings={"MSFT": 100})
        orders = said(STOP, symbol="MSFT"), said(other)
        strange = Held("AAPL", Decimal(100), account="other")
        one = only(once(mine, snapshot(*orders, positions=(*held(MSFT=100), strange))))
        assert (one.cause, one.subject, one.refs) == (Cause.ORPHAN_EXIT, "AAPL", (other,))
        assert one.broker == {"position": "0", "exits": "100", "allowed": "0", "side": "SELL"}

    def test_exits_of_a_short_position(self) -> None:
        """A buy-back is closed against what is short."""
        stop = said(STOP, side=Side.BUY)
        short = evolve(row(STOP), side=Side.BUY)
        enough = snapshot(stop, positions=held(AAPL=-100))
        assert once(book(short, holdings={"AAPL": -100}), enough).agreement is Agreement.AGREES
        too_few = snapshot(stop, positions=held(AAPL=-99))
        assert found(once(book(short, holdings={"AAPL": -99}), too_few)) == [(Cause.ORPHAN_EXIT, "AAPL")]

    def test_foreign_shares_do_not_cover_our_exits(self) -> None:
        """What was there before us, by the baseline, is not ours to close."""
        mine = book(row(STOP), baseline={"AAPL": 100})
        finding = once(mine, snapshot(said(STOP), positions=held(AAPL=100)))
        assert found(finding) == [(Cause.ORPHAN_EXIT, "AAPL")]

    def test_exit_of_another_position_does_not_lean_on_this_parent(self) -> None:
        """The rest of an entry covers the groups that hang on it, and no others; nor does one of the same side."""
        strange = exit_ref(OTHER, Role.STOP, 1)
        mine = book(row(strange), row(ENTRY))
        assert found(once(mine, snapshot(said(strange), said(ENTRY)))) == [(Cause.ORPHAN_EXIT, "AAPL")]
        same_side = book(row(STOP), evolve(row(ENTRY), side=Side.SELL))
        finding = once(same_side, snapshot(said(STOP), said(ENTRY, side=Side.SELL)))
        assert found(finding) == [(Cause.ORPHAN_EXIT, "AAPL")]

    def test_pair_takes_two_pictures_and_a_thousand_units(self) -> None:
        """In a currency pair the broker's position is virtual: beyond 1,000 units, in two pictures."""
        stop = said(STOP, quantity=20_000, symbol="EURUSD")
        mine = book(row(STOP, quantity=20_000, symbol="EURUSD"), holdings={"EURUSD": 19_000}, cash=PAIRS)
        assert once(mine, snapshot(stop, positions=held(EURUSD=19_000))).agreement is Agreement.AGREES
        less = snapshot(stop, positions=held(EURUSD=18_999))
        first = once(mine, less)
        assert first.found == ()
        assert found(compare(mine, less, dict(first.suspects))) == [(Cause.ORPHAN_EXIT, "EURUSD")]

    def test_exit_of_unknown_terms_is_not_guessed(self) -> None:
        """Without terms and without a row its side is unknown: the unresolved reference says it all; with a row, its
        terms count. The broker's own terms are enough, whether or not the log knows the order."""
        unknown = [(Cause.ORPHAN_EXIT, "AAPL"), (Cause.UNRESOLVED_REFERENCE, STOP)]
        assert found(once(book(), snapshot(said(STOP)))) == unknown
        bare = evolve(said(STOP), echo=None)
        assert found(once(book(), snapshot(bare))) == [(Cause.UNRESOLVED_REFERENCE, STOP)]
        assert found(once(book(row(STOP)), snapshot(bare))) == [(Cause.ORPHAN_EXIT, "AAPL")]
        over = evolve(said(STOP), completed=True)
        assert (Cause.ORPHAN_EXIT, "AAPL") not in found(once(book(row(STOP)), snapshot(over)))


class TestProfit:
    """Realised profit and loss, within max(1.00, 0.5 %)."""

    @pytest.mark.parametrize(
        ("ours", "theirs", "differs"),
        [
            ("10", "11", False),
            ("10", "11.01", True),
            ("10", "8.99", True),
            ("1000", "1005", False),
            ("1000", "1005.01", True),
            ("-1000", "-1005", False),
            ("-1000", "1000", True),
        ],
    )
    def test_tolerance(self, ours: str, theirs: str, differs: bool) -> None:
        """Beyond the tolerance it is a WARNING of the desk as a whole."""
        mine = evolve(book(), made=(Made(Money(Decimal(ours))),))
        finding = once(mine, evolve(snapshot(), realized=Money(Decimal(theirs))))
        assert found(finding) == ([(Cause.PNL, "desk")] if differs else [])
        assert all((d.severity, d.instrument) == (Severity.WARNING, None) for d in finding.found)

    @pytest.mark.parametrize(
        ("fees", "theirs", "differs"),
        [
            ("4", "100", False),  # before fees
            ("4", "96", False),  # after them
            ("4", "98", False),  # not all were charged yet
            ("4", "95", False),
            ("4", "94.99", True),
            ("4", "101", False),
            ("4", "101.01", True),
            ("-4", "104", False),  # what a broker pays for liquidity
            ("-4", "105.01", True),
            ("-4", "98.99", True),
        ],
    )
    def test_fees_explain_a_lower_figure(self, fees: str, theirs: str, differs: bool) -> None:
        """A broker's realised result is net of what was charged: only what fees do not explain is told, with both."""
        mine = evolve(book(), made=(Made(Money(Decimal(100)), Money(Decimal(fees))),))
        finding = once(mine, evolve(snapshot(), realized=Money(Decimal(theirs))))
        assert found(finding) == ([(Cause.PNL, "desk")] if differs else [])
        assert all(d.phoenix == {"realized": "100", "fees": fees} for d in finding.found)

    @pytest.mark.parametrize(("theirs", "differs"), [("10", False), ("70", False), ("40", True)])
    def test_a_day_may_begin_at_another_hour(self, theirs: str, differs: bool) -> None:
        """The broker's day is one of those that it may count by; a figure between them is no day's."""
        mine = evolve(book(), made=(Made(Money(Decimal(10))), Made(Money(Decimal(70)))))
        finding = once(mine, evolve(snapshot(), realized=Money(Decimal(theirs))))
        assert found(finding) == ([(Cause.PNL, "desk")] if differs else [])
        assert all(d.phoenix["realized"] == "10" for d in finding.found)

    def test_what_either_side_does_not_say_is_not_compared(self) -> None:
        """No figure, no verdict."""
        mine = evolve(book(), made=(Made(Money(Decimal(9))),))
        assert once(mine, snapshot()).agreement is Agreement.AGREES
        assert once(book(), evolve(snapshot(), realized=Money(Decimal(9)))).agreement is Agreement.AGREES

    def test_any_motion_moves_the_result(self) -> None:
        """While anything was just touched, the day's result is in motion, too."""
        mine = evolve(book(touched={"MSFT": 99}), made=(Made(Money(Decimal(9))),))
        theirs = evolve(snapshot(), realized=Money(Decimal(99)))
        assert once(mine, theirs).agreement is Agreement.MOVING


class TestMotion:
    """E4: what was touched from 2 s before the picture began is looked at again; two quiet pictures make a drift."""

    @pytest.mark.parametrize(
        ("touched", "moving"), [(97.9, False), (98, True), (99, True), (100.5, True), (116, True), (117, False)]
    )
    def test_bounds_of_motion(self, touched: float, moving: bool) -> None:
        """From 2 s before it began; what a clock that was set back stamped far ahead proves no motion."""
        mine = book(holdings={"AAPL": 1}, touched={"AAPL": touched})
        finding = once(mine, snapshot())
        assert (finding.agreement is Agreement.MOVING) == moving
        assert finding.suspects == ((only(once(book(holdings={"AAPL": 1}), snapshot())).identity, 0),) * moving
        assert len(finding.shown) == 1
        assert finding.unexplained == ("AAPL",)

    def test_motion_of_an_order_is_seen_by_its_reference(self) -> None:
        """The row of an order moves with its reference; an orphan with any of its exits."""
        mine = book(row(STOP), touched={STOP: 99})
        assert once(mine, snapshot(said(STOP))).agreement is Agreement.MOVING
        assert once(book(row(STOP), touched={STOP: 99}), snapshot()).agreement is Agreement.MOVING

    def test_nothing_moves_because_something_else_does(self) -> None:
        """A touch of another instrument, or of an order that is not the one that differs, keeps nothing back."""
        busy = {"MSFT": 99.0, str(ENTRY): 99.0}
        assert found(once(book(holdings={"AAPL": 1}, touched=busy), snapshot())) == [(Cause.COUNT, "AAPL")]
        missing = once(book(row(STOP), touched=busy), snapshot())
        assert (missing.agreement, missing.absent) == (Agreement.DIFFERS, (STOP,))

    def test_suspect_needs_two_quiet_pictures(self) -> None:
        """Moving, quiet, quiet: a drift; touched again in between, it starts over; explained, it is forgotten."""
        still = book(holdings={"AAPL": 1})
        moving = book(holdings={"AAPL": 1}, touched={"AAPL": 99})
        first = compare(moving, snapshot(), {})
        second = compare(still, snapshot(), dict(first.suspects))
        assert (second.agreement, second.found) == (Agreement.MOVING, ())
        again = compare(moving, snapshot(), dict(second.suspects))
        assert dict(again.suspects) == dict(first.suspects)
        third = compare(still, snapshot(), dict(second.suspects))
        assert found(third) == [(Cause.COUNT, "AAPL")]
        gone = compare(still, snapshot(positions=held(AAPL=1)), dict(second.suspects))
        assert (gone.agreement, gone.suspects) == (Agreement.AGREES, ())

    def test_looks(self) -> None:
        """At 1, 3 and 8 s, and every 8 s from then on: two quiet pictures fit into 15 s."""
        looks = [(next_look(NOON, n) - NOON).total_seconds() for n in range(6)]
        assert looks == [1, 3, 8, 16, 24, 32]

    def test_fill_that_the_picture_missed_is_no_drift(self) -> None:
        """A fill at 100.5 s, in a picture taken from 100 to 101 s, explains itself in the next one."""
        mine = book(row(ENTRY, filled=100), holdings={"AAPL": 100}, touched={ENTRY: 100.5, "AAPL": 100.5})
        first = once(mine, snapshot(said(ENTRY)))
        assert (first.agreement, first.found) == (Agreement.MOVING, ())
        later = snapshot(said(ENTRY, filled=100), positions=held(AAPL=100), began=103, ended=104)
        assert compare(mine, later, dict(first.suspects)).agreement is Agreement.AGREES


@shows("I13", "F81")
class TestHonestSnapshot:
    """I13: honest snapshot: a cycle whose any part timed out, was cut or spans a session change has verdict UNKNOWN;
    UNKNOWN never yields "missing", "flat" or "ok"; N in a row escalates."""

    spoilt = st.sampled_from(
        [
            lambda whole: evolve(whole, complete=False),
            lambda whole: evolve(whole, missing=("positions",)),
            lambda whole: evolve(whole, complete=False, missing=("openOrders", "executions")),
            lambda whole: in_session(whole, 2),
            lambda whole: in_session(whole, 4),
            lambda whole: evolve(whole, ended=moment(99)),
            lambda whole: evolve(whole, ended=moment(101, "other boot")),
            lambda whole: evolve(whole, account="other"),
        ]
    )

    @given(ours=worlds, theirs=worlds, spoil=spoilt)
    def test_picture_that_is_not_whole_says_nothing_but_unknown(
        self, ours: dict[str, int], theirs: dict[str, int], spoil: object
    ) -> None:
        """Whatever it shows or leaves out: no divergence, no absence, no agreement; and it says what was not whole."""
        assert callable(spoil)
        mine = book(row(ENTRY), holdings={s: q for s, q in ours.items() if q})
        broken = spoil(snapshot(said(OTHER), positions=held(**theirs)))
        finding = once(mine, broken)
        assert finding == Finding(Agreement.UNKNOWN, why=why_unknown(mine, broken))
        assert finding.why

    def test_reasons_are_told_apart(self) -> None:
        """What was missing is named; a whole picture has no reason."""
        whole = snapshot()
        assert why_unknown(book(), whole) == ""
        assert why_unknown(book(), evolve(whole, account="")) == ""
        assert why_unknown(book(), evolve(whole, missing=("positions",))) == "incomplete: positions"
        assert why_unknown(book(), evolve(whole, complete=False)) == "incomplete: not said what is missing"
        assert why_unknown(book(), evolve(whole, ended=whole.began)) == ""
        assert "session 2" in why_unknown(book(), in_session(whole, 2))
        other_boot = evolve(whole, ended=evolve(whole.ended, boot="another"))
        assert "clocks that cannot be compared" in why_unknown(book(), other_boot)
        backwards = evolve(whole, ended=evolve(whole.ended, ticks=whole.began.ticks - timedelta(microseconds=1)))
        assert "clocks that cannot be compared" in why_unknown(book(), backwards)
        wall_set_back = evolve(whole, ended=evolve(whole.ended, wall=whole.began.wall - timedelta(minutes=1)))
        assert why_unknown(book(), wall_set_back) == ""
        for wall, ticks, one in ((60, 60, True), (61, 0, False), (0, 61, False), (-3600, 61, False)):
            ended = evolve(
                whole.began,
                wall=whole.began.wall + timedelta(seconds=wall),
                ticks=whole.began.ticks + timedelta(seconds=ticks),
            )
            assert (why_unknown(book(), evolve(whole, ended=ended)) == "") is one
        assert why_unknown(book(), evolve(whole, account="somebody else's")) == "of another account"


@shows("INV-RECONCILE-READONLY-1", "I11", "S32-REC-06", "CV_S32_RECONCILIATION_DRIFT", "M12")
class TestReconcileReadonly:
    """INV-RECONCILE-READONLY-1: Reconciliation detects and never auto-corrects."""

    @given(ours=worlds, theirs=worlds, filled=st.integers(0, 120), status=st.sampled_from(BrokerStatus))
    def test_run_changes_neither_side_and_makes_only_drift_beads(
        self, ours: dict[str, int], theirs: dict[str, int], filled: int, status: BrokerStatus
    ) -> None:
        """I11: detect only: a reconcile step adds only drift/observation beads: F, cancels, states, quantities
        unchanged. Whatever differs, book and picture are afterwards what they were."""
        ours = {symbol: quantity for symbol, quantity in ours.items() if quantity}

        def world() -> tuple[Book, Snapshot]:
            orders = (said(ENTRY, status, filled), said(OTHER), said(FOREIGN))
            return book(row(ENTRY), holdings=ours), snapshot(*orders, positions=held(**theirs))

        mine, picture = world()
        drifts = Drifts()
        beads = news(drifts, once(mine, picture).found, 3, 1)
        assert (mine, picture) == world()
        assert {type(body) for body in beads} <= {ReconciliationDrift}
        assert drifts == Drifts()


@shows("I12")
class TestDriftCompleteAndQuiet:
    """I12: drift complete & quiet: a divergence between G and live that exists during one whole complete cycle, in a
    row that is not in motion, has an open drift bead at its end; a cycle over equal worlds adds no drift
    bead; one divergence = one open drift until acknowledged."""

    @given(ours=worlds, runs=st.lists(st.tuples(worlds, st.booleans()), min_size=1, max_size=6))
    def test_over_any_row_of_runs(self, ours: dict[str, int], runs: list[tuple[dict[str, int], bool]]) -> None:
        """After every whole run each quiet difference is open, once; a run over equal worlds opens nothing."""
        ours = {symbol: quantity for symbol, quantity in ours.items() if quantity}
        mine = book(holdings=ours)
        drifts, suspects, seq = Drifts(), dict[str, int](), 10
        for theirs, whole in runs:
            finding = compare(mine, evolve(snapshot(positions=held(**theirs)), complete=whole), suspects)
            fresh = news(drifts, finding.found, 3, 1)
            if not whole or all(ours.get(s, 0) == theirs.get(s, 0) for s in SYMBOLS):
                assert fresh == ()
            for body in fresh:
                seq += 1
                drifts.fold(bead(seq, body))
            if whole:
                suspects = dict(finding.suspects)
                unequal = {s for s in SYMBOLS if ours.get(s, 0) != theirs.get(s, 0)}
                assert unequal <= {d.subject for d in drifts.open.values()}


@shows("S32-REC-02")
class TestDirtyRows:
    """The fast path: with the last agreeing picture, only rows that changed or were touched are compared."""

    @given(ours=worlds, base=worlds, theirs=worlds, filled=st.integers(0, 2), gone=st.booleans(), foreign=st.booleans())
    def test_finds_what_the_slow_path_finds(
        self, ours: dict[str, int], base: dict[str, int], theirs: dict[str, int], filled: int, gone: bool, foreign: bool
    ) -> None:
        """From any agreeing picture, after any change of book (dirty) and broker, both paths say the same."""
        base = {s: q for s, q in base.items() if q}
        ours = {s: q for s, q in ours.items() if q}
        agreed = snapshot(said(ENTRY), said(STOP, quantity=0), positions=held(**base))
        before = book(row(ENTRY), row(STOP, quantity=0), holdings=base)
        assert once(before, agreed).agreement is Agreement.AGREES
        orders = (
            *(() if gone else (said(ENTRY, filled=filled),)),
            *((said(FOREIGN, perm_id=4),) if foreign else ()),
            said(STOP, quantity=filled),
        )
        picture = snapshot(*orders, positions=held(**theirs))
        mine = book(row(ENTRY), row(STOP, quantity=0), holdings=ours)
        dirty = {s for s in SYMBOLS if base.get(s, 0) != ours.get(s, 0)}
        fast, slow = compare(mine, picture, {}, agreed, dirty), once(mine, picture)
        assert {d.identity: d for d in fast.found} == {d.identity: d for d in slow.found}
        assert (fast.agreement, fast.absent, fast.unexplained) == (slow.agreement, slow.absent, slow.unexplained)

    def test_change_hides_nowhere(self) -> None:
        """An order without terms that changed, and an orphan whose exit alone changed, are still seen."""
        agreed = snapshot(evolve(said(ENTRY), echo=None))
        changed = snapshot(evolve(said(ENTRY, filled=1), echo=None))
        assert found(compare(book(row(ENTRY)), changed, {}, agreed)) == [(Cause.FILLS, ENTRY)]
        holding = held(AAPL=100)
        agreed = snapshot(evolve(said(STOP), echo=None), positions=holding)
        more = snapshot(evolve(said(STOP, quantity=101), echo=None), positions=holding)
        mine = book(evolve(row(STOP), quantity=Quantity(Decimal(101))), holdings={"AAPL": 100})
        assert found(compare(mine, more, {}, agreed)) == [(Cause.ORPHAN_EXIT, "AAPL")]
        parent = evolve(said(ENTRY), echo=None)
        ended = evolve(said(ENTRY, BrokerStatus.CANCELLED), echo=None)
        hanging = book(row(ENTRY), row(STOP))
        assert once(hanging, snapshot(parent, said(STOP))).agreement is Agreement.AGREES
        fell = compare(hanging, snapshot(ended, said(STOP)), {}, snapshot(parent, said(STOP)))
        assert (Cause.ORPHAN_EXIT, "AAPL") in found(fell)

    def test_an_exit_that_stood_still_is_an_orphan_once_less_is_held(self) -> None:
        """Nothing of the exit changed; what it would close did, at the broker and in the book alike."""
        before = snapshot(said(STOP), positions=held(AAPL=100))
        after = snapshot(said(STOP), positions=held(AAPL=60))
        mine = book(row(STOP), holdings={"AAPL": 60})
        assert found(compare(mine, after, {}, before, ("AAPL",))) == [(Cause.ORPHAN_EXIT, "AAPL")]
        assert found(compare(mine, after, {}, before)) == [(Cause.ORPHAN_EXIT, "AAPL")]

    def test_a_row_that_stood_still_hides_none_behind_it(self) -> None:
        """Of two orders, and of the exits of two instruments, the first changed in nothing."""
        other = exit_ref(OTHER, Role.STOP, 1)
        holding = held(MSFT=100, AAPL=100)
        before = snapshot(said(STOP, symbol="MSFT"), said(other), positions=holding)
        after = snapshot(said(STOP, symbol="MSFT"), said(other, quantity=101, filled=1), positions=holding)
        mine = book(row(STOP, symbol="MSFT"), row(other, quantity=101), holdings={"MSFT": 100, "AAPL": 100})
        assert found(compare(mine, after, {}, before)) == [(Cause.FILLS, other)]
        more = snapshot(said(STOP, symbol="MSFT"), said(other, quantity=101), positions=holding)
        assert found(compare(mine, more, {}, before)) == [(Cause.ORPHAN_EXIT, "AAPL")]

    def test_untouched_rows_are_not_looked_at(self) -> None:
        """What stood still since it agreed is not compared: the proof that the fast path is one."""
        picture, before = (snapshot(said(ENTRY), said(STOP), positions=held(AAPL=5, MSFT=7)) for _ in range(2))
        elsewhere = book(row(ENTRY, filled=9), row(STOP), holdings={"AAPL": 4, "MSFT": 7})
        assert once(elsewhere, picture).found != ()
        assert compare(elsewhere, picture, {}, before).agreement is Agreement.AGREES
        assert found(compare(elsewhere, picture, {}, before, ("AAPL",))) != []

    def test_hundred_thousand_positions_stay_cheap(self) -> None:
        """Over 100,000 holdings one touched row costs a small part of a full run, and a full run well under 5 s."""
        positions = tuple(Held(f"S{n}", Decimal(n)) for n in range(1, 100_001))
        agreed = snapshot(positions=positions)
        mine = evolve(book(), holdings={h.symbol: h.quantity for h in positions})
        began = time.perf_counter()
        assert once(mine, agreed).agreement is Agreement.AGREES
        full = time.perf_counter() - began
        changed = evolve(agreed, positions=(*positions[:-1], Held("S100000", Decimal(1))))
        began = time.perf_counter()
        assert found(compare(mine, changed, {}, agreed, ("S7",))) == [(Cause.SIZE, "S100000")]
        fast = time.perf_counter() - began
        assert full < 5
        assert fast < full


def test_account_is_part_of_the_book() -> None:
    """The builders of these tests speak of one account: a guard against tests that compare nothing."""
    assert book().account == ACCOUNT == snapshot().account
    assert at(0) == NOON
    assert (compare_module.QUIET_NEEDED, compare_module.UNKNOWN_MAX) == (2, 3)
