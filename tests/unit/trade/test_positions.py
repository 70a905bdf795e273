"""Positions as beads: what is written, what is folded, what is found again, and what could never be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import cast

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import (
    BODIES,
    Bead,
    Draft,
    Genesis,
    Kind,
    Outcome,
    Position,
    PositionEvent,
    Proof,
    ProofKind,
    body_json,
    body_of,
)
from phoenix_core.records import of_json, to_json
from phoenix_core.trade.births import adopted, born
from phoenix_core.trade.positions import TRADED_KEPT, Positions, Traded, changed, position_id_of, ratio
from phoenix_core.trade.transitions import TERMINAL, TRANSITIONS
from phoenix_core.values import ZERO, Mode, Side, State, exact, plain
from tests.showing import shows
from tests.unit.trade.samples import (
    EVIDENCE,
    OTHER_REF,
    REF,
    RULE,
    T0,
    WORD,
    Log,
    money,
    price,
    quantity,
    signal,
    step,
)

E, S = PositionEvent, State


def proposed() -> Log:
    """A log with one proposed position."""
    log = Log()
    log.append(born(signal()))
    return log


def lives(state: State, stalls: int = 0) -> Iterator[tuple[PositionEvent, ...]]:
    """Every way through the table from a state to an end; SUBMITTED and STALLED may alternate twice."""
    if state in TERMINAL:
        yield ()
        return
    for (here, event), to in TRANSITIONS.items():
        again = stalls + (event is E.STALLED)
        if here is state and again <= 2:
            for rest in lives(to, again):
                yield (event, *rest)


LIVES = tuple(lives(S.PROPOSED))


@shows("INV-POSITION-AUDIT-1", "S32-LIF-18", "I5", "M14")
class TestEveryTransitionIsABead:
    """INV-POSITION-AUDIT-1: Each state transition emits a POSITION bead."""

    @pytest.mark.parametrize("events", LIVES, ids=lambda events: "-".join(event.value for event in events))
    def test_on_every_way_through_the_table(self, events: tuple[PositionEvent, ...]) -> None:
        """From birth to every end: one bead for each transition, each from where the one before it ended."""
        log = proposed()
        log.walk(*events)
        bodies = [bead.body for bead in log.beads if isinstance(bead.body, Position)]
        assert len(bodies) == 1 + len(events)
        for before, after, event in zip(bodies, bodies[1:], events, strict=False):
            assert after.from_ is before.state
            assert after.event is event
            assert TRANSITIONS[before.state, event] is after.state
            assert after.position_id == before.position_id
        assert log.positions.open == {}
        assert log.ended.state is bodies[-1].state

    def test_every_bead_carries_the_fields_that_the_documents_name(self) -> None:
        """S32-LIF-16 and 17, on each bead of a life, as they are written."""
        log = proposed()
        log.walk(E.APPROVED, E.SUBMITTED, E.FILLED, E.PROTECTED, E.CLOSED)
        named = {"position_id", "state", "signal_id", "pair", "side", "entry_price", "stop_price", "target_price"}
        named |= {"partial_fill_ratio", "filled_quantity", "requested_quantity"}
        for bead in log.beads:
            written = body_json(Draft(bead.body), "b")
            assert named <= written.keys()
            assert body_of(Kind.POSITION.value, written)[0] == bead.body


@shows("S32-LIF-16", "S32-LIF-17")
def test_what_a_birth_says() -> None:
    """A proposal has the signal's plan, no quantity yet, and an id that follows from its intent."""
    body = born(signal())
    assert (body.state, body.event, body.from_) == (S.PROPOSED, E.PROPOSED, None)
    assert (body.entry_price, body.stop_price, body.target_price) == (price("1.09"), price("1.08"), price("1.10"))
    assert (body.filled_quantity, body.exited_quantity, body.requested_quantity) == (ZERO, ZERO, ZERO)
    assert body.partial_fill_ratio == ZERO
    assert body.position_id == position_id_of("intent-1") != position_id_of("intent-2")
    assert body.proof == Proof(ProofKind.RULE, body.signal_id)
    assert born(evolve(signal(), quantity=quantity(5))).requested_quantity == 5


def adoption(side: Side = Side.SELL) -> Position:
    """Ten short, without an owner until now."""
    return adopted(
        OTHER_REF,
        pair="EURUSD",
        side=side,
        quantity=quantity(10),
        price=price("1.09"),
        stop=price("1.10"),
        target=price("1.08"),
        strategy="london",
        proof=Proof(ProofKind.OPERATOR_DECISION, "17"),
        linked_to="the old one",
    )


def test_an_adoption_is_born_filled() -> None:
    """Exposure that had no owner gets one: FILLED, whole, found by the reference of its statement."""
    log = Log()
    log.append(adoption())
    position = log.position
    assert (position.state, position.held, position.last.partial_fill_ratio) == (S.FILLED, Decimal(10), Decimal(1))
    assert (position.filled_at, position.since, position.born_at) == (T0, T0, T0)
    assert log.positions.open_of_ref(OTHER_REF + ".S1") == position
    assert log.positions.nets == {"EURUSD": -10}
    assert log.positions.by_pair == {"EURUSD": {position.position_id: True}}
    assert position.last.linked_to == "the old one"


def test_nobody_adopts_nothing() -> None:
    """An adoption of no quantity is a bug."""
    with pytest.raises(AssertionError):
        adopted(
            OTHER_REF,
            pair="EURUSD",
            side=Side.BUY,
            quantity=quantity(0),
            price=price(1),
            stop=price(1),
            target=price(1),
            strategy="s",
            proof=RULE,
        )


# --- the maker --------------------------------------------------------------------------------------------------------


def test_what_is_not_named_stays() -> None:
    """A change says what it changes; reasons are of that change alone."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED)
    before = log.position.last
    after = changed(log.position, None, WORD, filled=quantity(4), average_entry=price("1.0901"), reasons=("why",))
    assert (after.state, after.from_, after.event) == (S.SUBMITTED, S.SUBMITTED, None)
    assert (after.order_ref, after.token_id, after.evidence_hash) == (REF, "token-1", EVIDENCE)
    assert (after.filled_quantity, after.partial_fill_ratio) == (Decimal(4), Decimal("0.4"))
    assert after.reasons == ("why",)
    assert after.proof == WORD
    log.append(after)
    again = changed(log.position, None, WORD)
    assert (len(again.reasons), again.filled_quantity, again.average_entry) == (0, Decimal(4), price("1.0901"))
    assert evolve(again, filled_quantity=before.filled_quantity, average_entry=None, proof=before.proof) == evolve(
        before, from_=S.SUBMITTED, event=None, partial_fill_ratio=Decimal("0.4")
    )


@shows("S32-LIF-19", "CV_S32_FILL_PARTIAL")
def test_a_partial_fill_stays_one_position() -> None:
    """Half of it filled is FILLED at 0.5; the other half later changes quantities and nothing else."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED)
    log.append(changed(log.position, E.FILLED, WORD, filled=quantity(5)))
    assert (log.position.state, log.position.last.partial_fill_ratio) == (S.FILLED, Decimal("0.5"))
    assert log.position.entry_may_fill
    log.append(changed(log.position, None, WORD, filled=quantity(10), entry_working=False))
    assert (log.position.state, log.position.last.partial_fill_ratio) == (S.FILLED, Decimal(1))
    assert not log.position.entry_may_fill
    assert len(log.positions.open) == 1


def test_the_entry_works_from_submitted_to_its_end() -> None:
    """Sent, it may fill; a terminal state ends that by itself, and with it `closing`."""
    log = proposed()
    assert not log.position.entry_may_fill
    log.walk(E.APPROVED)
    assert log.position.entry_may_fill
    assert not log.position.entry_working
    log.walk(E.SUBMITTED)
    assert log.position.entry_working
    log.walk(E.STALLED)
    assert log.position.entry_may_fill
    log.walk(E.FILLED, E.PROTECTED)
    assert log.position.entry_working
    log.append(changed(log.position, None, WORD, exited=quantity(10), closing=True))
    assert log.position.closing
    closed = changed(log.position, E.CLOSED, WORD, outcome=Outcome.WIN, realized=money(3))
    assert not closed.entry_working
    assert not closed.closing
    assert (closed.outcome, closed.realized) == (Outcome.WIN, 3)


@pytest.mark.parametrize(
    ("events", "event", "filled", "exited"),
    [
        ((E.APPROVED, E.SUBMITTED), E.FILLED, 0, 0),  # only an execution fills
        ((E.APPROVED, E.SUBMITTED), E.CANCELLED, 4, 0),  # what has traded can only be closed
        ((E.APPROVED, E.SUBMITTED), E.REJECTED, 0, 4),
        ((E.APPROVED, E.SUBMITTED, E.FILLED), E.CLOSED, 10, 4),  # what is held is not closed
        ((E.APPROVED, E.SUBMITTED, E.FILLED), E.CLOSED, 4, 10),
        ((), E.CLOSED, 0, 0),  # no row of the table
        ((E.APPROVED,), E.ADOPTED, 1, 0),
    ],
)
def test_what_can_never_be_written(
    events: tuple[PositionEvent, ...], event: PositionEvent, filled: int, exited: int
) -> None:
    """A bead that would be a lie is a bug of whoever asks for it."""
    log = proposed()
    log.walk(*events)
    with pytest.raises(AssertionError):
        changed(log.position, event, WORD, filled=quantity(filled), exited=quantity(exited))


@shows("F76", "F77")
class TestTheRatio:
    """A ratio is 0 to 1, never rounded up, and 1 only of what is full."""

    @given(st.decimals("0", "1e12", places=4), st.decimals("0.0001", "1e12", places=4))
    def test_of_anything(self, filled: Decimal, requested: Decimal) -> None:
        """Against exact fractions: at most a millionth below, never above, capped where an order was overfilled."""
        said = ratio(quantity(plain(filled)), quantity(plain(requested)))
        true = min(Fraction(1), Fraction(filled) / Fraction(requested))
        assert true - Fraction(1, 1_000_000) < Fraction(said) <= true
        assert (said == 1) == (filled >= requested)
        assert exact(plain(said), "ratio") == said

    def test_of_nothing_requested(self) -> None:
        """Before a size is known there is no ratio but zero."""
        assert ratio(quantity(0), quantity(0)) == 0

    def test_of_what_is_nearly_full(self) -> None:
        """One unit short of 38 digits does not read 1."""
        assert ratio(quantity("9" * 37), quantity("1" + "0" * 37)) == Decimal("0.999999")


# --- the slice --------------------------------------------------------------------------------------------------------


def test_only_its_own_kind_is_folded() -> None:
    """A bead of another kind changes nothing."""
    positions = Positions()
    positions.fold(Bead(0, T0, "b", Genesis("o", Mode.MOCK, "a", "m", 0, "h", "k", "USD"), "l"))
    assert positions == Positions()
    assert BODIES[Kind.POSITION] is Position


def test_a_position_is_found_by_everything_it_is_called() -> None:
    """Open: by id, intent and any of its references; ended: the same, for ever."""
    log = proposed()
    positions = log.positions
    assert positions.open_of_ref(REF) is None
    assert log.position.order_ref == ""
    log.walk(E.APPROVED)
    position = log.position
    assert position.order_ref == REF
    assert position == positions.open_of_intent("intent-1") == positions.of_intent("intent-1")
    assert position == positions.open_of_ref(REF) == positions.open_of_ref(REF + ".T3")
    assert position == positions.find(position.position_id) == positions.find("intent-1")
    assert positions.ended_of_ref(REF) is None
    log.walk(E.SUBMITTED, E.REJECTED)
    ended = log.ended
    assert positions.open_of_intent("intent-1") is None
    assert positions.open_of_ref(REF) is None
    assert ended == positions.of_intent("intent-1") == positions.find(position.position_id)
    assert ended == positions.ended_of_ref(REF) == positions.ended_of_ref(REF + ".S1")
    assert (ended.state, ended.ref, ended.strategy, ended.pair) == (S.REJECTED, REF, "london", "EURUSD")
    assert (ended.intent_id, ended.outcome, ended.realized, ended.seq) == ("intent-1", None, None, 3)
    assert positions.find("nobody") is None
    assert positions.of_intent("nobody") is None
    assert positions.ended_of_ref(OTHER_REF) is None


def test_an_open_position_says_what_its_latest_bead_says() -> None:
    """Plan, token and averages, by the names that the acts use."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED, E.FILLED)
    position, last = log.position, log.position.last
    assert (position.strategy, position.pair, position.side) == (last.strategy, last.pair, last.side)
    assert (position.entry_price, position.stop_price, position.target_price) == (
        price("1.09"),
        price("1.08"),
        price("1.10"),
    )
    assert (position.token_id, position.average_entry) == ("token-1", price("1.09"))
    assert (position.requested_quantity, position.filled_quantity, position.exited_quantity) == (
        quantity(10),
        quantity(10),
        quantity(0),
    )


def test_when_what_happened() -> None:
    """Each state has its moment; quantities do not restart the clock, a late acknowledgement does."""
    log = proposed()
    for event in (E.APPROVED, E.SUBMITTED, E.STALLED, E.ACKNOWLEDGED):
        log.wait(timedelta(seconds=10))
        log.walk(event)
    position = log.position
    assert position.born_at == T0
    assert position.approved_at == T0 + timedelta(seconds=10)
    assert position.submitted_at == T0 + timedelta(seconds=20)
    assert position.since == T0 + timedelta(seconds=40)
    assert position.filled_at is None
    log.wait(timedelta(seconds=10))
    log.walk(E.FILLED)
    log.wait(timedelta(seconds=10))
    log.append(changed(log.position, None, WORD, exited=quantity(1)))
    assert log.position.since == log.position.filled_at == T0 + timedelta(seconds=50)
    assert log.position.seq == len(log.beads) - 1


def test_positions_of_a_state_come_oldest_first() -> None:
    """What waits longest comes first; who leaves a state is not in it."""
    log = Log()
    for n in range(3):
        log.append(born(signal(f"intent-{n}")))
        log.wait(timedelta(seconds=1))
    first, second, third = (log.positions.open[position_id_of(f"intent-{n}")] for n in range(3))
    assert log.positions.in_state(S.PROPOSED) == (first, second, third)
    log.append(changed(second, E.PASSED, WORD), step(first, E.APPROVED))
    assert [position.intent_id for position in log.positions.in_state(S.PROPOSED)] == ["intent-2"]
    assert [position.intent_id for position in log.positions.in_state(S.APPROVED)] == ["intent-0"]
    assert log.positions.in_state(S.CLOSED) == ()


@shows("F76", "M17")
@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_what_is_held_has_a_sign_that_is_only_derived(side: Side, sign: int) -> None:
    """A quantity is never negative; the instrument's net has the side's sign, and leaves nothing behind at zero."""
    log = Log()
    log.append(born(signal(side=side)))
    assert log.positions.net("EURUSD") == 0
    assert log.positions.by_pair == {}
    log.walk(E.APPROVED, E.SUBMITTED)
    assert log.positions.by_pair == {"EURUSD": {log.position.position_id: True}}
    log.walk(E.FILLED)
    assert log.positions.nets == {"EURUSD": sign * 10}
    log.append(changed(log.position, None, WORD, exited=quantity(4)))
    assert log.positions.net("EURUSD") == sign * 6
    log.append(changed(log.position, None, WORD, exited=quantity(13)))
    assert (log.position.held, log.positions.net("EURUSD")) == (Decimal(-3), Decimal(sign * -3))
    log.append(changed(log.position, None, WORD, exited=quantity(10)))
    assert log.positions.nets == {}
    log.walk(E.CLOSED)
    assert log.positions.by_pair == {}


def test_two_positions_in_one_instrument_add_up() -> None:
    """An adoption beside a position: the net is the sum, and both are known there."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED, E.FILLED)
    mine = log.position
    log.append(adoption(Side.SELL))
    assert log.positions.nets == {}
    assert len(log.positions.by_pair["EURUSD"]) == 2
    log.append(step(mine, E.CLOSED))
    assert log.positions.nets == {"EURUSD": -10}
    assert log.positions.by_pair == {"EURUSD": {position_id_of(log.position.intent_id): True}}


def test_what_a_session_traded() -> None:
    """Each entry that left counts once; money counts by what each bead added; what is long ago is let go."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED, E.STALLED, E.ACKNOWLEDGED, E.FILLED)
    log.append(changed(log.position, None, WORD, exited=quantity(4), realized=money(7)))
    log.append(changed(log.position, None, WORD, exited=quantity(4)))
    log.append(changed(log.position, E.CLOSED, WORD, exited=quantity(10), realized=money(5)))
    (first,) = log.positions.ended
    sums = [Traded(T0, first, 1, money(0)), Traded(T0, first, 0, money(7)), Traded(T0, first, 0, money(-2))]
    assert log.positions.lately == sums
    assert timedelta(days=5) == TRADED_KEPT
    log.wait(TRADED_KEPT)
    log.append(born(signal("intent-2")))
    log.walk(E.APPROVED, E.SUBMITTED)
    assert len(log.positions.lately) == 4
    log.wait(timedelta(microseconds=1))
    log.walk(E.FILLED)
    log.append(changed(log.position, None, WORD, realized=money(1)))
    second = log.position.position_id
    assert log.positions.lately == [Traded(T0 + TRADED_KEPT, second, 1, money(0)), Traded(log.now, second, 0, money(1))]
    assert first != second


@shows("I5", "M14")
@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("born in another state", {"state": S.FILLED}),
        ("born by no birth", {"event": E.APPROVED}),
        ("born of silence", {"event": None}),
        ("born from something", {"from_": S.PROPOSED}),
    ],
)
def test_an_impossible_birth_is_a_bug(name: str, bad: dict[str, object]) -> None:
    """A position begins in one of two ways."""
    with pytest.raises(AssertionError):
        Log().append(altered(born(signal(name)), **bad))


@shows("I5", "M14")
@pytest.mark.parametrize(
    "bad",
    [
        {"state": S.FILLED},  # another state than the event leads to
        {"event": None},  # a transition without its event
        {"event": E.ACKNOWLEDGED},  # an event that is no row
        {"from_": S.APPROVED},  # from where it is not
        {"filled_quantity": quantity(-1)},
        {"exited_quantity": quantity(-1)},
    ],
)
def test_an_impossible_bead_is_a_bug(bad: dict[str, object]) -> None:
    """Wherever such a bead came from, it is not folded: the positive rule stands at every replay too."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED)
    good = changed(log.position, E.STALLED, WORD)
    with pytest.raises(AssertionError):
        log.append(altered(good, **bad))


@shows("I10")
@pytest.mark.parametrize("event", [None, *PositionEvent])
def test_a_terminal_state_is_never_left(event: PositionEvent | None) -> None:
    """No bead touches an ended position again: not with an event, not with a quantity, not by a second birth."""
    log = proposed()
    log.walk(E.APPROVED, E.SUBMITTED)
    last = changed(log.position, E.CANCELLED, WORD)
    log.append(last)
    for state in State:
        with pytest.raises(AssertionError):
            log.append(evolve(last, state=state, from_=S.CANCELLED, event=event))
    with pytest.raises(AssertionError):
        log.append(born(signal()))


def altered(body: Position, **fields: object) -> Position:
    """A bead with other values in some fields."""
    return cast(Callable[..., Position], evolve)(body, **fields)


@shows("I6")
@given(st.lists(st.sampled_from(LIVES), min_size=1, max_size=6), st.integers(0, 40))
def test_replay_gives_the_state_that_was_live(ways: list[tuple[PositionEvent, ...]], cut: int) -> None:
    """Any prefix folded anew is the slice as it was then; a snapshot read back is the slice."""
    log = Log()
    then: list[object] = [to_json(log.positions)]
    for n, events in enumerate(ways):
        log.append(born(signal(f"intent-{n}")))
        then.append(to_json(log.positions))
        for event in events:
            body = step(log.positions.open[position_id_of(f"intent-{n}")], event)
            log.append(evolve(body, order_ref=None))
            then.append(to_json(log.positions))
    cut = min(cut, len(log.beads))
    replayed = Positions()
    for bead in log.beads[:cut]:
        replayed.fold(bead)
    assert to_json(replayed) == then[cut]
    assert of_json(Positions, then[cut]) == replayed
