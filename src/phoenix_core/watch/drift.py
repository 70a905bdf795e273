"""Where Phoenix and the broker disagree: how a disagreement is named, told to a human and answered.

One divergence is one open drift until a human answers it; neither side is ever corrected by the desk. What differs is
found in `compare.py`; here it gets its identity, its weight and its life:

    open --ACKNOWLEDGED--> visible, no longer blocking; lapses when the values change or the session ends
    open --BROKER_CORRECTED--> still blocking until a complete picture without it proves it
    open --PHOENIX_CORRECTED--> gone: executions were attributed by signature; if it still stands, it opens anew
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from datetime import datetime
from typing import Final

from attrs import Factory, define, frozen
from returns.result import Failure, Result, Success

from phoenix_core.beads import Bead, DriftType, ReconciliationDrift, ReconciliationResolution, Resolution
from phoenix_core.canonical import encode
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Facts, Named, Quantity, Severity, plain


class Cause(Named):
    """What differs, in one word: the `cause` of a drift bead."""

    COUNT = "count"
    SIZE = "size"
    SIGN = "sign"
    FILLS = "fills"
    OVERFILL = "overfill"
    ORPHAN_EXIT = "orphan_exit"
    UNRESOLVED_REFERENCE = "unresolved_reference"
    TWO_PERM_IDS = "two_perm_ids"
    FACT_AFTER_END = "fact_after_end"
    ORDER_STATUS = "order_status"
    ORDER_MISSING = "order_missing"
    FOREIGN_HOLDING = "foreign_holding"
    FOREIGN_ORDER = "foreign_order"
    PNL = "pnl"


@frozen
class Weight:
    """What a cause amounts to: whose row it is about, which comparison it belongs to, how loud it is."""

    row: str
    drift_type: DriftType
    severity: Severity


_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

# Causes of one row are one divergence: a holding that first differs in size, then in sign, is not two drifts.
WEIGHTS: Final[dict[Cause, Weight]] = {
    Cause.COUNT: Weight("holding", DriftType.POSITION_COUNT, _CRITICAL),
    Cause.SIZE: Weight("holding", DriftType.POSITION_SIZE, _CRITICAL),
    Cause.SIGN: Weight("holding", DriftType.POSITION_SIZE, _CRITICAL),
    Cause.FILLS: Weight("fills", DriftType.POSITION_SIZE, _CRITICAL),
    Cause.OVERFILL: Weight("fills", DriftType.POSITION_SIZE, _CRITICAL),
    Cause.ORPHAN_EXIT: Weight("exits", DriftType.ORDER_STATUS, _CRITICAL),
    Cause.UNRESOLVED_REFERENCE: Weight("reference", DriftType.ORDER_STATUS, _CRITICAL),
    Cause.TWO_PERM_IDS: Weight("perm_ids", DriftType.ORDER_STATUS, _CRITICAL),
    Cause.FACT_AFTER_END: Weight("end", DriftType.ORDER_STATUS, _CRITICAL),
    Cause.ORDER_STATUS: Weight("status", DriftType.ORDER_STATUS, _WARNING),
    Cause.ORDER_MISSING: Weight("status", DriftType.ORDER_STATUS, _WARNING),
    Cause.FOREIGN_HOLDING: Weight("foreign_holding", DriftType.POSITION_SIZE, _WARNING),
    Cause.FOREIGN_ORDER: Weight("foreign_order", DriftType.ORDER_STATUS, _WARNING),
    Cause.PNL: Weight("pnl", DriftType.PNL, _WARNING),
}


@frozen
class Divergence:
    """One thing that differs, with both sides of it."""

    cause: Cause
    subject: str  # instrument, reference, `perm:<id>` or `desk`
    phoenix: Facts
    broker: Facts
    instrument: str | None = None
    refs: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The hash of what differs, without its values."""
        return _hash(WEIGHTS[self.cause].row, self.subject)

    @property
    def severity(self) -> Severity:
        """CRITICAL raises a DRIFT kill, WARNING alerts."""
        return WEIGHTS[self.cause].severity


def _hash(*parts: str) -> str:
    return hashlib.sha256(encode(list(parts))).hexdigest()


def values_of(phoenix: Facts, broker: Facts) -> str:
    """The hash of both sides: an acknowledgement lapses when it changes."""
    return hashlib.sha256(encode([dict(phoenix), dict(broker)])).hexdigest()


@define
class OpenDrift:
    """A drift that no human has settled yet."""

    identity: str
    bead_id: str
    seq: int
    opened_at: datetime
    cause: str
    severity: Severity
    subject: str
    instrument: str | None
    refs: tuple[str, ...]
    values: str
    session: int
    told: ReconciliationDrift
    acknowledged: bool = False
    awaits_broker: bool = False  # BROKER_CORRECTED was said and no picture has shown it yet
    answered_seq: int = 0
    answered_by: str = ""
    notes: str = ""
    decision: int = -1  # the signed command that the answer carries out; -1: it names none


@frozen
class Ended:
    """A drift that an answer ended: what it was and since when, where the answer stands, and what it carries out."""

    told: ReconciliationDrift
    bead_id: str
    opened: int
    seq: int
    resolution: Resolution
    decision: int


@define
class Drifts:
    """The slice of RECONCILIATION_DRIFT and RECONCILIATION_RESOLUTION."""

    open: dict[str, OpenDrift] = Factory(dict)  # by identity
    by_bead: dict[str, str] = Factory(dict)  # bead id of an open drift -> identity
    by_instrument: dict[str, list[str]] = Factory(dict)  # instrument -> identities of open drifts; `` for the desk
    ended: dict[str, Ended] = Factory(dict)  # the last time, by identity; for whoever asks who ended it
    opened: int = 0  # drifts ever, for the quality gate
    resolved: int = 0

    def fold(self, bead: Bead) -> None:
        """Take in a drift or a resolution; other kinds are somebody else's."""
        if isinstance(bead.body, ReconciliationDrift):
            self._open(bead, bead.body)
        elif isinstance(bead.body, ReconciliationResolution):
            self._answer(bead, bead.body)

    def _open(self, bead: Bead, body: ReconciliationDrift) -> None:
        before = self.open.get(body.identity)
        assert before is None or before.acknowledged, "one divergence is one open drift"
        if before is not None:
            self._forget(before)
        self.open[body.identity] = OpenDrift(
            identity=body.identity,
            bead_id=bead.bead_id,
            seq=bead.seq,
            opened_at=bead.ts,
            cause=body.cause,
            severity=body.severity,
            subject=body.subject,
            instrument=body.instrument,
            refs=body.refs,
            values=values_of(body.phoenix_state, body.broker_state),
            session=body.session,
            told=body,
        )
        _ = self.ended.pop(body.identity, None)
        self.by_bead[bead.bead_id] = body.identity
        self.by_instrument.setdefault(body.instrument or "", []).append(body.identity)
        self.opened += 1

    def _answer(self, bead: Bead, body: ReconciliationResolution) -> None:
        drift = self.open.get(body.identity)
        assert drift is not None, "only an open drift is answered"
        assert drift.bead_id == body.drift_bead_id, "an answer names the bead that it answers"
        decision = bead.settles[0].seq if bead.settles else drift.decision  # what a picture proved was answered before
        if body.cleared:
            self._forget(drift)
            self.resolved += 1
            kept = Ended(drift.told, drift.bead_id, drift.seq, bead.seq, body.resolution, decision)
            self.ended[body.identity] = kept
            return
        assert body.resolution is not Resolution.PHOENIX_CORRECTED, "an attribution ends its drift"
        drift.acknowledged = body.resolution is Resolution.ACKNOWLEDGED
        drift.awaits_broker = body.resolution is Resolution.BROKER_CORRECTED
        drift.answered_seq, drift.answered_by, drift.notes = bead.seq, body.resolved_by, body.notes
        drift.decision = bead.settles[0].seq if bead.settles else -1

    def _forget(self, drift: OpenDrift) -> None:
        del self.open[drift.identity], self.by_bead[drift.bead_id]
        beside = self.by_instrument[drift.instrument or ""]
        beside.remove(drift.identity)
        if not beside:
            del self.by_instrument[drift.instrument or ""]


def drift_bead(divergence: Divergence, session: int) -> ReconciliationDrift:
    """The bead of a divergence."""
    weight = WEIGHTS[divergence.cause]
    return ReconciliationDrift(
        drift_type=weight.drift_type,
        phoenix_state=divergence.phoenix,
        broker_state=divergence.broker,
        severity=weight.severity,
        identity=divergence.identity,
        subject=divergence.subject,
        cause=divergence.cause.value,
        session=session,
        instrument=divergence.instrument,
        refs=divergence.refs,
    )


def is_news(drifts: Drifts, divergence: Divergence, connected_seq: int) -> bool:
    """Whether a divergence needs a bead: it is not open, or its acknowledgement lapsed (other values, or given before
    the CONNECT at `connected_seq`). Acts ask it of what they meet outside a run, too: a late fact, an overfill."""
    drift = drifts.open.get(divergence.identity)
    if drift is None:
        return True
    lapsed = drift.values != values_of(divergence.phoenix, divergence.broker) or drift.answered_seq < connected_seq
    return drift.acknowledged and lapsed


def news(
    drifts: Drifts, found: tuple[Divergence, ...], session: int, connected_seq: int
) -> tuple[ReconciliationDrift, ...]:
    """The beads that a run's divergences oblige: one for each that `is_news`."""
    return tuple(drift_bead(d, session) for d in found if is_news(drifts, d, connected_seq))


def two_perm_ids(ref: str, perm_ids: tuple[int, ...], known: int = 0, instrument: str | None = None) -> Divergence:
    """One reference, two permanent ids: a duplicate order (F20)."""
    said = {"perm_ids": ",".join(map(str, sorted(set(perm_ids))))}
    return Divergence(Cause.TWO_PERM_IDS, ref, {"perm_id": str(known)}, said, instrument, (ref,))


def overfilled(ref: str, quantity: Quantity, filled: Quantity, instrument: str | None) -> Divergence:
    """More was filled than was ordered (I8)."""
    return Divergence(Cause.OVERFILL, ref, {"quantity": plain(quantity)}, {"filled": plain(filled)}, instrument, (ref,))


def fact_after_end(ref: str, ended_as: str, said: Facts, instrument: str | None) -> Divergence:
    """The broker speaks of an order or position that had ended (I10)."""
    return Divergence(Cause.FACT_AFTER_END, ref, {"status": ended_as}, said, instrument, (ref,))


def unresolved(ref: str, said: Facts, instrument: str | None) -> Divergence:
    """A reference in our own grammar that nothing in the log resolves (F08)."""
    return Divergence(Cause.UNRESOLVED_REFERENCE, ref, {"known": "no"}, said, instrument, (ref,))


def blocking(drifts: Drifts, instrument: str) -> tuple[OpenDrift, ...]:
    """The open drifts that block an entry in an instrument: its own, and critical ones of the desk as a whole.

    An acknowledged drift stays visible and does not block; the P&L of the desk is a WARNING that names no instrument.
    """
    if not drifts.open:
        return ()
    here = (drifts.open[identity] for identity in drifts.by_instrument.get(instrument, ()))
    return tuple(d for d in here if not d.acknowledged) + tuple(
        d for d in desk_wide(drifts) if d.severity is Severity.CRITICAL and not d.acknowledged
    )


# What a lost word of the broker looks like; asking for every order and execution again may bring it.
_WORD_LOST: Final = frozenset({Cause.FILLS.value, Cause.ORDER_STATUS.value, Cause.ORDER_MISSING.value})


def lacks_word_of_an_order(drifts: Drifts) -> bool:
    """Whether an order stands otherwise at the broker than we were told, and no human has answered it."""
    return any(drift.cause in _WORD_LOST for drift in unanswered(drifts))


def unanswered(drifts: Drifts) -> tuple[OpenDrift, ...]:
    """The open drifts that wait for a human: all but those that one has acknowledged."""
    return tuple(drift for drift in drifts.open.values() if not drift.acknowledged)


def desk_wide(drifts: Drifts) -> tuple[OpenDrift, ...]:
    """Open drifts that name no instrument."""
    return tuple(drifts.open[identity] for identity in drifts.by_instrument.get("", ()))


def critical(drifts: Drifts) -> tuple[OpenDrift, ...]:
    """Open CRITICAL drifts that nobody acknowledged, in the order they opened: each obliges a DRIFT kill."""
    return tuple(d for d in unanswered(drifts) if d.severity is Severity.CRITICAL)


def kill_scope(drift: OpenDrift) -> str:
    """The scope of the DRIFT kill that a critical drift raises: its instrument where one is named, else the desk."""
    return f"instrument:{drift.instrument}" if drift.instrument else "desk"


def open_drift(drifts: Drifts, name: str) -> OpenDrift | None:
    """The open drift of a bead id or an identity."""
    return drifts.open.get(drifts.by_bead.get(name, name))


def may_resolve(
    drifts: Drifts, name: str, resolution: Resolution, notes: str, attributed: tuple[str, ...] = ()
) -> Result[OpenDrift, Refusal]:
    """Whether a human's answer stands: on an open drift, with words, and for PHOENIX_CORRECTED with the executions
    that it attributes."""
    drift = open_drift(drifts, name)
    if drift is None:
        return Failure(refusal(Reason.UNKNOWN_DRIFT, detail=f"no drift {name} is open"))
    if not notes.strip():
        return Failure(refusal(Reason.REASON_REQUIRED, detail="say in the notes what was found and done"))
    if resolution is Resolution.PHOENIX_CORRECTED and not attributed:
        return Failure(refusal(Reason.RESOLUTION_NOT_PROVEN, detail="name the executions that explain the drift"))
    return Success(drift)


def resolution_bead(drift: OpenDrift, resolution: Resolution, by: str, notes: str) -> ReconciliationResolution:
    """The bead of a human's answer; `notes` is the hash of the words. Only an attribution ends the drift by itself."""
    return _resolution(drift, resolution, by, notes, cleared=resolution is Resolution.PHOENIX_CORRECTED)


def proven(drifts: Drifts, shown: Container[str], picture_seq: int) -> tuple[ReconciliationResolution, ...]:
    """For `due`: the BROKER_CORRECTED answers that the complete picture recorded at `picture_seq` has proven, as the
    beads that end their drifts, in the name of whoever answered. `shown` is all that the picture shows."""
    return tuple(
        _resolution(drift, Resolution.BROKER_CORRECTED, drift.answered_by, drift.notes, cleared=True)
        for drift in drifts.open.values()
        if drift.awaits_broker and picture_seq > drift.answered_seq and drift.identity not in shown
    )


def _resolution(
    drift: OpenDrift, resolution: Resolution, by: str, notes: str, *, cleared: bool
) -> ReconciliationResolution:
    return ReconciliationResolution(drift.bead_id, drift.identity, resolution, by, notes, cleared)
