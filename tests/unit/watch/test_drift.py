"""Drift: one divergence is one bead, an alert at once and a human's answer; neither side is ever corrected."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful

from phoenix_core.beads import (
    About,
    AlertEvent,
    DriftType,
    Kind,
    Observation,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    Settlement,
    Settles,
)
from phoenix_core.refusals import Reason
from phoenix_core.values import Quantity, Severity
from phoenix_core.watch import alerts, drift
from phoenix_core.watch.codes import CODES, Code, drift_alert
from phoenix_core.watch.drift import WEIGHTS, Cause, Divergence, Drifts
from phoenix_core.watch.observations import seen
from tests.showing import shows
from tests.unit.watch.made import ENTRY, STOP, bead

SUBJECTS: Final = ("EURUSD", "AAPL", str(ENTRY), "perm:7")


def divergence(
    cause: Cause = Cause.SIZE, subject: str = "EURUSD", said: str = "12000", instrument: str | None = "EURUSD"
) -> Divergence:
    """Something that differs."""
    return Divergence(cause, subject, {"quantity": "10000"}, {"quantity": said}, instrument)


def opened(*found: Divergence, seq: int = 10, session: int = 3) -> Drifts:
    """A slice in which these are open."""
    drifts = Drifts()
    for n, one in enumerate(found):
        drifts.fold(bead(seq + n, drift.drift_bead(one, session)))
    return drifts


divergences: Final = st.builds(
    divergence,
    st.sampled_from(Cause),
    st.sampled_from(SUBJECTS),
    st.sampled_from(["0", "12000", "-10000"]),
    st.sampled_from(["EURUSD", "AAPL", None]),
)
resolutions: Final = st.sampled_from(Resolution)


class TestWeights:
    """What each cause amounts to, written a second time by hand."""

    def test_severities_are_those_of_the_decisions(self) -> None:
        """CRITICAL: count, size or sign, unresolved reference, two perm ids, fact after end, overfill, orphan exit."""
        warnings = {
            Cause.ORDER_STATUS,
            Cause.ORDER_MISSING,
            Cause.PNL,
            Cause.FOREIGN_HOLDING,
            Cause.FOREIGN_ORDER,
        }
        assert {cause for cause, weight in WEIGHTS.items() if weight.severity is Severity.WARNING} == warnings
        assert set(WEIGHTS) == set(Cause)
        assert all(weight.severity in (Severity.WARNING, Severity.CRITICAL) for weight in WEIGHTS.values())

    @shows("S32-REC-02", "S32-REC-09")
    def test_four_comparisons_have_their_types(self) -> None:
        """Number of positions, size of each, P&L and order status: each cause belongs to one."""
        types = {cause: weight.drift_type for cause, weight in WEIGHTS.items()}
        assert types[Cause.COUNT] is DriftType.POSITION_COUNT
        assert {types[c] for c in (Cause.SIZE, Cause.SIGN, Cause.FILLS, Cause.OVERFILL)} == {DriftType.POSITION_SIZE}
        assert types[Cause.PNL] is DriftType.PNL
        assert types[Cause.ORDER_STATUS] is types[Cause.ORPHAN_EXIT] is DriftType.ORDER_STATUS
        assert set(types.values()) == set(DriftType)

    def test_identity_is_what_differs_without_its_values(self) -> None:
        """Other values, size or sign: the same divergence. Another row or subject: another one."""
        size = divergence()
        assert divergence(said="9").identity == size.identity == divergence(Cause.SIGN).identity
        assert divergence(Cause.COUNT).identity == size.identity
        assert divergence(Cause.FILLS, str(ENTRY)).identity == divergence(Cause.OVERFILL, str(ENTRY)).identity
        assert divergence(subject="AAPL").identity != size.identity
        assert divergence(Cause.FOREIGN_HOLDING).identity != size.identity
        assert divergence(Cause.ORDER_STATUS, str(ENTRY)).identity != divergence(Cause.FILLS, str(ENTRY)).identity
        assert len(size.identity) == 64

    def test_severity_of_one_row_never_changes(self) -> None:
        """A drift that is open cannot become CRITICAL in silence: causes that share a row weigh the same."""
        rows: dict[str, set[Severity]] = {}
        for weight in WEIGHTS.values():
            rows.setdefault(weight.row, set()).add(weight.severity)
        assert all(len(severities) == 1 for severities in rows.values())

    @shows("F20", "F08", "I8", "I10")
    def test_makers_name_the_reference_and_both_sides(self) -> None:
        """Each maker of a divergence names its cause, its reference and what either side says."""
        twice = drift.two_perm_ids(ENTRY, (9, 7, 9), 7, "AAPL")
        assert (twice.cause, twice.broker, twice.phoenix, twice.refs) == (
            Cause.TWO_PERM_IDS,
            {"perm_ids": "7,9"},
            {"perm_id": "7"},
            (ENTRY,),
        )
        assert drift.two_perm_ids(ENTRY, (7, 9)).phoenix == {"perm_id": "0"}, "left unsaid, none was known"
        over = drift.overfilled(ENTRY, Quantity(Decimal(100)), Quantity(Decimal(101)), "AAPL")
        assert (over.cause, over.phoenix, over.broker) == (Cause.OVERFILL, {"quantity": "100"}, {"filled": "101"})
        late = drift.fact_after_end(STOP, "CANCELLED", {"status": "FILLED"}, None)
        assert (late.cause, late.phoenix, late.broker) == (
            Cause.FACT_AFTER_END,
            {"status": "CANCELLED"},
            {"status": "FILLED"},
        )
        unknown = drift.unresolved(ENTRY, {"status": "SUBMITTED"}, None)
        assert (unknown.cause, unknown.phoenix) == (Cause.UNRESOLVED_REFERENCE, {"known": "no"})
        assert {d.severity for d in (twice, over, late, unknown)} == {Severity.CRITICAL}


@shows("INV-RECONCILE-AUDIT-1", "S32-REC-09", "I12")
class TestReconcileAudit1:
    """INV-RECONCILE-AUDIT-1: Each drift emits a RECONCILIATION_DRIFT bead."""

    @given(st.lists(divergences, max_size=8))
    def test_each_divergence_gets_one_bead_and_then_no_second(self, found: list[Divergence]) -> None:
        """What is found leaves one bead for each divergence; found again, in any values, it leaves none."""
        first = {d.identity: d for d in found}
        drifts = Drifts()
        beads = drift.news(drifts, tuple(first.values()), 3, 1)
        assert [b.identity for b in beads] == list(first)
        for n, body in enumerate(beads):
            assert body.kind is Kind.RECONCILIATION_DRIFT
            of = first[body.identity]
            assert (body.phoenix_state, body.broker_state) == (of.phoenix, of.broker)
            assert (body.severity, body.cause, body.subject) == (of.severity, of.cause.value, of.subject)
            assert (body.session, body.instrument, body.refs) == (3, of.instrument, of.refs)
            drifts.fold(bead(10 + n, body))
        assert set(drifts.open) == set(first)
        again = tuple(evolve(d, broker={"quantity": "other"}) for d in first.values())
        assert drift.news(drifts, again, 4, 99) == ()
        assert drifts.opened == len(first)

    def test_second_bead_of_an_open_drift_is_impossible(self) -> None:
        """A log in which one divergence opens twice was not written by this desk."""
        drifts = opened(divergence())
        with pytest.raises(AssertionError, match="one open drift"):
            drifts.fold(bead(11, drift.drift_bead(divergence(said="9"), 3)))


@shows("INV-RECONCILE-AUDIT-2", "S32-REC-10")
class TestReconcileAudit2:
    """INV-RECONCILE-AUDIT-2: Each resolution emits a RECONCILIATION_RESOLUTION bead."""

    @given(st.lists(divergences, min_size=1, max_size=6, unique_by=lambda d: d.identity), st.data())
    def test_each_answer_is_a_bead_that_names_drift_human_and_words(
        self, found: list[Divergence], data: st.DataObject
    ) -> None:
        """Only an attribution ends a drift by itself; the slice's indices stay those of its open drifts."""
        drifts = opened(*found)
        for n in range(data.draw(st.integers(1, 8))):
            if not drifts.open:
                break
            one = drifts.open[data.draw(st.sampled_from(sorted(drifts.open)))]
            how = data.draw(resolutions)
            body = drift.resolution_bead(one, how, "ada", "sha256:words")
            assert body.kind is Kind.RECONCILIATION_RESOLUTION
            assert (body.drift_bead_id, body.identity) == (one.bead_id, one.identity)
            assert (body.resolution, body.resolved_by, body.notes) == (how, "ada", "sha256:words")
            assert body.cleared == (how is Resolution.PHOENIX_CORRECTED)
            drifts.fold(bead(100 + n, body))
            assert (one.identity in drifts.open) == (how is not Resolution.PHOENIX_CORRECTED)
        assert {d.bead_id: i for i, d in drifts.open.items()} == drifts.by_bead
        indexed = {i: name for name, identities in drifts.by_instrument.items() for i in identities}
        assert indexed == {i: d.instrument or "" for i, d in drifts.open.items()}
        assert drifts.opened == len(drifts.open) + drifts.resolved

    def test_answer_to_nothing_is_impossible(self) -> None:
        """An answer names an open drift and its bead; an attribution never leaves one open."""
        drifts = opened(divergence())
        one = next(iter(drifts.open.values()))
        good = drift.resolution_bead(one, Resolution.PHOENIX_CORRECTED, "ada", "n")
        with pytest.raises(AssertionError, match="only an open drift"):
            Drifts().fold(bead(11, good))
        with pytest.raises(AssertionError, match="names the bead"):
            drifts.fold(bead(11, evolve(good, drift_bead_id="other")))
        with pytest.raises(AssertionError, match="attribution ends"):
            drifts.fold(bead(11, evolve(good, cleared=False)))

    @pytest.mark.parametrize("resolution", Resolution)
    def test_answer_needs_an_open_drift_and_words(self, resolution: Resolution) -> None:
        """Unknown drift, no words, no execution named: each is refused by name; bead id and identity both name it."""
        drifts = opened(divergence())
        one = next(iter(drifts.open.values()))
        named = ("X.01",)
        for name in (one.bead_id, one.identity):
            assert drift.may_resolve(drifts, name, resolution, "seen", named).unwrap() is one
        assert drift.may_resolve(drifts, "other", resolution, "seen", named).failure().headline is Reason.UNKNOWN_DRIFT
        assert (
            drift.may_resolve(drifts, one.bead_id, resolution, " ", named).failure().headline is Reason.REASON_REQUIRED
        )
        unnamed = drift.may_resolve(drifts, one.bead_id, resolution, "seen")
        if resolution is Resolution.PHOENIX_CORRECTED:
            assert unnamed.failure().headline is Reason.RESOLUTION_NOT_PROVEN
        else:
            assert is_successful(unnamed)

    def test_an_answer_says_which_command_it_carries_out(self) -> None:
        """The place of the signed command; of an answer that names none, none. What a picture then proves, and what an
        attribution ends, is kept with the command that asked for it, until the same opens again."""
        drifts = opened(divergence(), divergence(subject="AAPL"))
        one, other = drifts.open.values()
        assert (one.answered_seq, one.decision) == (0, -1)
        signed = bead(20, drift.resolution_bead(one, Resolution.BROKER_CORRECTED, "ada", "n"))
        drifts.fold(evolve(signed, settles=(Settles(17, 0, Settlement.DONE),)))
        assert (one.answered_seq, one.decision) == (20, 17)
        (proof,) = drift.proven(drifts, (), 21)
        drifts.fold(bead(22, proof))
        ended = drifts.ended[one.identity]
        assert (ended.decision, ended.seq, ended.opened, ended.resolution) == (17, 22, 10, Resolution.BROKER_CORRECTED)
        attributed = bead(23, drift.resolution_bead(other, Resolution.PHOENIX_CORRECTED, "ada", "n"))
        drifts.fold(evolve(attributed, settles=(Settles(18, 0, Settlement.DONE),)))
        assert drifts.ended[other.identity].decision == 18
        drifts.fold(bead(24, drift.drift_bead(divergence(), 3)))
        assert list(drifts.ended) == [other.identity]
        (again,) = drifts.open.values()
        again.decision = 17
        drifts.fold(bead(25, drift.resolution_bead(again, Resolution.ACKNOWLEDGED, "ada", "n")))
        assert again.decision == -1

    def test_broker_corrected_ends_with_the_next_complete_picture(self) -> None:
        """Proven by a picture recorded after the answer that no longer shows it, in the name of whoever answered."""
        drifts = opened(divergence())
        one = next(iter(drifts.open.values()))
        assert drift.proven(drifts, (), 99) == ()
        drifts.fold(bead(20, drift.resolution_bead(one, Resolution.BROKER_CORRECTED, "ada", "sha256:w")))
        assert drift.blocking(drifts, "EURUSD") == (one,)
        assert drift.proven(drifts, (), 20) == ()
        assert drift.proven(drifts, (one.identity,), 21) == ()
        (body,) = drift.proven(drifts, (), 21)
        assert (body.resolved_by, body.notes, body.cleared) == ("ada", "sha256:w", True)
        drifts.fold(bead(22, body))
        assert drifts.open == {}
        assert drifts.resolved == 1


@shows("INV-RECONCILE-ALERT-1", "S32-REC-07", "S32-SEAM-05", "S33-RBK-02")
class TestReconcileAlert:
    """INV-RECONCILE-ALERT-1: Drift alerts at once."""

    @given(st.lists(divergences, max_size=8, unique_by=lambda d: d.identity))
    def test_every_drift_bead_has_an_alert_of_its_own_with_the_mismatch(self, found: list[Divergence]) -> None:
        """No drift is swallowed as a repeat of another; each alert says both sides and names RB-002."""
        desk = alerts.Alerts()
        for n, one in enumerate(found):
            body = drift.drift_bead(one, 3)
            told = drift_alert(body, f"bead-{n}")
            assert alerts.may_raise(desk, Code(told.code), told.subject, bead(n, body).ts)
            assert told.event is AlertEvent.RAISED
            assert told.severity is one.severity
            assert told.runbook == "RB-002"
            assert f"phoenix quantity 10000, broker quantity {one.broker['quantity']}" in told.text
            desk.fold(bead(n, told))
        assert len(desk.unsent) == len(desk.open) == len(found)

    def test_orphan_exit_says_that_it_will_open_a_position(self) -> None:
        """The words of the decision, CRITICAL, at once."""
        told = drift_alert(drift.drift_bead(divergence(Cause.ORPHAN_EXIT), 3), "k")
        assert told.code == "ORPHAN_EXIT"
        assert told.severity is Severity.CRITICAL
        assert "This order will OPEN a position" in told.text

    @shows("S32-REC-08")
    def test_drift_that_waits_a_quarter_of_an_hour_is_escalated(self) -> None:
        """CRITICAL and WARNING drifts alike, and orphan exits: 15 minutes, then DRIFT_UNRESOLVED."""
        for code in (Code.DRIFT_CRITICAL, Code.DRIFT_WARNING, Code.ORPHAN_EXIT):
            escalates = CODES[code].escalates
            assert escalates is not None
            assert (escalates[0].total_seconds(), escalates[1]) == (900, Code.DRIFT_UNRESOLVED)

    def test_alert_ends_with_its_drift(self) -> None:
        """Once the drift is answered its alert is resolved; another drift's is not."""
        drifts, desk = opened(divergence()), alerts.Alerts()
        one = next(iter(drifts.open.values()))
        assert alerts.drift_answered(desk, one, "ada") is None
        desk.fold(bead(11, drift_alert(drift.drift_bead(divergence(), 3), "bead-10")))
        ended = alerts.drift_answered(desk, one, "ada")
        assert ended is not None
        assert ended.event is AlertEvent.RESOLVED
        desk.fold(bead(12, ended))
        assert desk.open == {}


class TestBlocking:
    """Which entries an open drift blocks, and which kill it raises."""

    @pytest.mark.parametrize(("cause", "instrument"), list(product(Cause, ["EURUSD", "AAPL", None])))
    def test_drift_blocks_its_instrument_or_if_critical_the_desk(self, cause: Cause, instrument: str | None) -> None:
        """Its own instrument whatever its severity; everything where it names none and is CRITICAL."""
        drifts = opened(divergence(cause, "row", instrument=instrument))
        critical = WEIGHTS[cause].severity is Severity.CRITICAL
        expected = instrument == "EURUSD" or (instrument is None and critical)
        assert bool(drift.blocking(drifts, "EURUSD")) == expected
        assert len(drift.desk_wide(drifts)) == (instrument is None)
        assert len(drift.critical(drifts)) == critical
        (one,) = drifts.open.values()
        assert drift.kill_scope(one) == ("desk" if instrument is None else f"instrument:{instrument}")

    @shows("I12")
    def test_acknowledged_drift_is_visible_does_not_block_and_lapses(self) -> None:
        """It lapses when the values change, or when the link came up again after the answer; then it is news."""
        found = divergence()
        drifts = opened(found)
        (one,) = drifts.open.values()
        drifts.fold(bead(20, drift.resolution_bead(one, Resolution.ACKNOWLEDGED, "ada", "n")))
        assert drift.blocking(drifts, "EURUSD") == drift.critical(drifts) == ()
        assert drift.open_drift(drifts, one.bead_id) is one
        assert not drift.is_news(drifts, found, connected_seq=19)
        assert drift.is_news(drifts, found, connected_seq=21)
        other = divergence(said="13000")
        assert drift.is_news(drifts, other, connected_seq=19)
        assert drift.is_news(drifts, evolve(found, phoenix={"quantity": "9000"}), connected_seq=19)
        drifts.fold(bead(30, drift.drift_bead(other, 3)))
        (again,) = drifts.open.values()
        assert again.bead_id == "bead-30"
        assert drift.blocking(drifts, "EURUSD") == (again,)
        assert drifts.by_bead == {"bead-30": again.identity}

    @pytest.mark.parametrize("cause", Cause)
    def test_what_a_lost_word_of_the_broker_looks_like(self, cause: Cause) -> None:
        """Other fills, another standing, an order that is not shown: asked for again it may come. One among others is
        enough; what a human has acknowledged is waited for no more."""
        drifts = opened(divergence(), divergence(cause, str(ENTRY)))
        lost = cause in (Cause.FILLS, Cause.ORDER_STATUS, Cause.ORDER_MISSING)
        assert drift.lacks_word_of_an_order(drifts) is lost
        for one in tuple(drifts.open.values()):
            drifts.fold(bead(20, drift.resolution_bead(one, Resolution.ACKNOWLEDGED, "ada", "n")))
        assert not drift.lacks_word_of_an_order(drifts)

    def test_acknowledged_desk_wide_drift_does_not_block(self) -> None:
        """The same for a CRITICAL drift that names no instrument."""
        drifts = opened(divergence(Cause.TWO_PERM_IDS, instrument=None))
        (one,) = drifts.open.values()
        drifts.fold(bead(20, drift.resolution_bead(one, Resolution.ACKNOWLEDGED, "ada", "n")))
        assert drift.blocking(drifts, "EURUSD") == ()

    def test_two_drifts_of_one_instrument_end_one_by_one(self) -> None:
        """The index by instrument forgets the one that ended, and itself with the last."""
        drifts = opened(divergence(), divergence(Cause.FILLS, str(ENTRY)))
        first, second = drifts.open.values()
        drifts.fold(bead(20, drift.resolution_bead(first, Resolution.PHOENIX_CORRECTED, "ada", "n")))
        assert drifts.by_instrument == {"EURUSD": [second.identity]}
        drifts.fold(bead(21, drift.resolution_bead(second, Resolution.PHOENIX_CORRECTED, "ada", "n")))
        assert drifts.by_instrument == {}

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        drifts = Drifts()
        drifts.fold(bead(1, seen_something()))
        assert drifts == Drifts()

    def test_bodies_are_the_only_thing_made(self) -> None:
        """Detect only: whatever is found or answered, what this room yields are these two kinds of bead."""
        drifts = opened(divergence())
        (one,) = drifts.open.values()
        made = (
            *drift.news(Drifts(), (divergence(),), 3, 1),
            drift.resolution_bead(one, Resolution.ACKNOWLEDGED, "ada", "n"),
        )
        assert {type(body) for body in made} == {ReconciliationDrift, ReconciliationResolution}


def seen_something() -> Observation:
    """A bead of another kind."""
    return seen(About.WARNING, "2109", text="hash")
