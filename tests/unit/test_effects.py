"""What a recorded bead obliges, and what a later run does about it; and that every no is transient or final by name."""

from __future__ import annotations

import typing
from datetime import UTC, datetime
from typing import Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_core.beads import BODIES, Bead, Body, Kind
from phoenix_core.effects import (
    EFFECTS,
    IMMEDIATE,
    AfterRestart,
    CancelOrder,
    Effect,
    Owed,
    SendOrder,
    SignCheckpoint,
    WriteResponse,
    react,
)
from phoenix_core.gate.statements import TYPES
from phoenix_core.kernel import react as kernels_react
from phoenix_core.refusals import PRECEDENCE, Reason, Refusal, is_transient, merged, refusal
from tests.unit.test_records import anything

AT = datetime(2026, 11, 18, tzinfo=UTC)
# What each kind may oblige, as HOUSE and DECISIONS A5 have it.
OBLIGES: dict[Kind, set[str]] = {
    Kind.ORDER: {"SendOrder", "SignCheckpoint", "CancelOrder", "Reconcile"},
    Kind.ALERT: {"Notify"},
    Kind.SIGNAL: {"ArchiveInput"},
    Kind.POSITION: {"WriteResponse"},
    Kind.EVIDENCE: {"WriteResponse"},
    Kind.EXECUTION: {"Reconcile"},
    Kind.DECISION: {"CarryOut", "SignCheckpoint"},
    Kind.OBSERVATION: {"Reconcile"},
}


def test_only_a_place_frame_is_looked_up_after_a_restart() -> None:
    """Every other effect is harmless to repeat; the list is complete."""
    assert set(EFFECTS) == set(get_args(Effect))
    assert [cls for cls in EFFECTS if cls.after_restart is AfterRestart.LOOK_UP] == [SendOrder]
    assert all(cls.after_restart is AfterRestart.REPEAT for cls in EFFECTS if cls is not SendOrder)


@pytest.mark.parametrize("kind", list(Kind))
@given(data=st.data())
@settings(max_examples=10)
def test_the_bead_alone_says_what_is_owed(kind: Kind, data: st.DataObject) -> None:
    """The same bead always obliges the same effects, of the kinds that its table names, and never anything else."""
    body = typing.cast(Body, data.draw(anything(BODIES[kind])))
    bead = Bead(data.draw(st.integers(0, 9)), AT, "id", body, "leaf")
    owed = react(bead)
    assert owed == react(Bead(bead.seq, AT, "another id", body, "another leaf")) == kernels_react(bead)
    assert {type(effect).__name__ for effect in owed} <= OBLIGES.get(kind, set())
    assert all(effect.size == bead.seq + 1 for effect in owed if isinstance(effect, SignCheckpoint))


KINDS: dict[int, Effect] = {0: CancelOrder("p", "r"), 1: SignCheckpoint(1), 2: WriteResponse("i")}
steps: Final = st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 2)), max_size=40)


@given(steps)
def test_what_is_owed_is_found_by_its_kind_oldest_first(taken: list[tuple[bool, int, int]]) -> None:
    """However effects come and are settled: each kind holds its own, and together they hold everything, in order."""
    owed, plain = Owed(), dict[tuple[int, int], Effect]()
    for seq, (comes, place, kind) in enumerate(taken):
        if comes:
            owed[seq, 0] = plain[seq, 0] = KINDS[kind]
        else:
            owed.settle((place, 0))
            _ = plain.pop((place, 0), None)
    assert dict(owed) == plain and list(owed) == list(plain) and len(owed) == len(plain)
    for effect in KINDS.values():
        assert dict(owed.of(type(effect))) == {key: one for key, one in plain.items() if type(one) is type(effect)}
    assert owed.oldest(*map(type, KINDS.values())) == list(plain.items())
    assert owed.oldest(SendOrder) == []
    for key in plain:
        assert owed.pop(key) == plain[key]
    assert not owed and all(not owed.of(kind) for kind in EFFECTS)


def test_what_is_done_at_once_does_not_wait_for_the_engine() -> None:
    """The immediate types are types of statements; every other signed command is carried out by the engine."""
    assert set(TYPES) >= IMMEDIATE
    assert set(TYPES) - IMMEDIATE == {
        "adopt",
        "anchor-refresh",
        "cancel-orphans",
        "close",
        "drift-resolve",
        "protect",
        "resolve-stalled",
        "resume",
    }


# --- refusals ---------------------------------------------------------------------------------------------------------

# Waiting may help against these, and against nothing else: not against the market's hours, not against a price. Who is
# away says nothing, and with the link go account and quotes; a price that has moved meanwhile is final.
TRANSIENT = {
    *{"LINK_DOWN", "LINK_SILENT", "RESTART_WINDOW", "PACING", "ENGINE_NOT_RUNNING"},
    *{"ACCOUNT_UNKNOWN", "NOT_RECONCILED", "QUOTE_MISSING"},
}


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_transient_or_final_by_name(reason: Reason) -> None:
    """Written by hand: a new reason is final until somebody says here that waiting helps."""
    assert is_transient(reason) is (reason.value in TRANSIENT)


def test_the_first_reason_in_precedence_is_the_headline() -> None:
    """However they were found, and each once; a merged refusal keeps every reason and every sentence."""
    no = refusal(Reason.PACING, Reason.ACCOUNT_MISMATCH, Reason.PACING, detail="a")
    assert no.reasons == (Reason.ACCOUNT_MISMATCH, Reason.PACING)
    assert no.headline is Reason.ACCOUNT_MISMATCH
    both = merged((no, refusal(Reason.LINK_DOWN, detail="b"), refusal(Reason.LINK_DOWN, detail="b")))
    assert both == Refusal((Reason.ACCOUNT_MISMATCH, Reason.LINK_DOWN, Reason.PACING), "a; b")
    assert merged(()) is None
    assert list(PRECEDENCE) == list(Reason)


def test_one_final_light_makes_the_whole_no_final() -> None:
    """A refusal waits only where every red light may turn by itself."""
    assert refusal(Reason.PACING, Reason.LINK_DOWN).is_transient
    assert not refusal(Reason.PACING, Reason.PRICE_MOVED).is_transient


def test_a_refusal_has_a_reason() -> None:
    """A no without one would be a shrug."""
    with pytest.raises(AssertionError, match="at least one"):
        _ = Refusal(())
