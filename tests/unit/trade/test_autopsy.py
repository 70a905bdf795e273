"""Autopsies: figures of a closed position, findings in fixed sentences, and what many of them say together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import cast

import pytest
from attrs import evolve

from phoenix_core.beads import Autopsy, Bead, Draft, Genesis, Kind, Outcome, body_json, body_of
from phoenix_core.records import of_json, to_json
from phoenix_core.trade.autopsy import Autopsies, Finding, Life, Tally, autopsy, outcome_of
from phoenix_core.values import Mode, Side
from tests.showing import shows
from tests.unit.trade.samples import EVIDENCE, SECOND, T0, money, price, quantity

LIFE = Life(
    position_id="p",
    intent_id="i",
    strategy="london",
    side=Side.BUY,
    requested=quantity(10_000),
    filled=quantity(10_000),
    average_entry=price("1.0901"),
    average_exit=price("1.0950"),
    realized=money("49"),
    commission=money("4"),
    currency="USD",
    evidence_hash=EVIDENCE,
    planned_entry=price("1.09"),
    stop=price("1.08"),
    target=price("1.10"),
    risk=money("100"),
    exited_by="CLOSE",
    proposed_at=T0,
    approved_at=T0 + 30 * SECOND,
    filled_at=T0 + 31 * SECOND,
    closed_at=T0 + 91 * SECOND,
)


def life(**changes: object) -> Life:
    """A life that went otherwise in some respects."""
    return cast(Callable[..., Life], evolve)(LIFE, **changes)


def found(**changes: object) -> set[str]:
    """What an autopsy of it finds."""
    return set(autopsy(life(**changes)).findings)


@shows("S32-AUT-02", "S32-SEAM-04")
def test_what_an_autopsy_says() -> None:
    """Outcome, thesis, money, and how it went against the plan."""
    body = autopsy(LIFE)
    assert (body.position_id, body.intent_id, body.strategy) == ("p", "i", "london")
    assert (body.outcome, body.entry_evidence_hash) == (Outcome.WIN, EVIDENCE)
    assert (body.realized, body.commission, body.currency) == (Decimal(49), Decimal(4), "USD")
    assert (body.r_multiple, body.entry_slippage) == (Decimal("0.49"), Decimal("0.0001"))
    assert (body.held_for, body.approval_took) == (timedelta(minutes=1), timedelta(seconds=30))
    assert body.findings == (Finding.BY_CLOSE.value,)
    assert body_of(Kind.AUTOPSY.value, body_json(Draft(body), "b"))[0] == body


@shows("S32-LIF-03")
@pytest.mark.parametrize(
    ("filled", "realized", "expected"),
    [
        (10, "0.01", Outcome.WIN),
        (10, "-0.01", Outcome.LOSS),
        (10, "0", Outcome.BREAKEVEN),
        (0, "0", Outcome.BUSTED),
    ],
)
def test_how_a_position_ended(filled: int, realized: str, expected: Outcome) -> None:
    """Win, loss or breakeven before commissions; BUSTED where every execution was taken back."""
    assert outcome_of(quantity(filled), money(realized)) is expected


@pytest.mark.parametrize(
    ("realized", "risk", "expected"),
    [
        ("100", "100", "1.00"),
        ("-33.335", "100", "-0.33"),
        ("1", "3", "0.33"),
        ("0.5", "100", "0.00"),
        ("49", None, None),
        ("49", "0", None),
    ],
)
def test_the_r_multiple(realized: str, risk: str | None, expected: str | None) -> None:
    """What was made of what was put at stake, to two places; none where nothing was."""
    made = autopsy(life(realized=money(realized), risk=None if risk is None else money(risk))).r_multiple
    assert made == (None if expected is None else Decimal(expected))


def test_figures_do_not_depend_on_the_host_thread() -> None:
    """Whatever its decimals are set to."""
    with localcontext() as context:
        context.prec = 2
        assert autopsy(LIFE) == autopsy(LIFE)
        made = autopsy(life(realized=money("123456.78")))
    assert made.r_multiple == Decimal("1234.57")


@pytest.mark.parametrize(
    ("side", "paid", "slipped"),
    [
        (Side.BUY, "1.0901", "0.0001"),
        (Side.BUY, "1.0899", "-0.0001"),
        (Side.SELL, "1.0899", "0.0001"),
        (Side.SELL, "1.0901", "-0.0001"),
    ],
)
def test_slippage_is_what_was_worse_than_planned(side: Side, paid: str, slipped: str) -> None:
    """Dearer for a buyer, cheaper for a seller."""
    assert autopsy(life(side=side, average_entry=price(paid))).entry_slippage == Decimal(slipped)


def test_what_is_not_known_is_not_said() -> None:
    """No entry, no moments, no evidence: nothing is made up."""
    body = autopsy(
        life(
            average_entry=None,
            average_exit=None,
            evidence_hash=None,
            proposed_at=None,
            filled_at=None,
            exited_by="",
        )
    )
    assert (body.entry_slippage, body.held_for, body.approval_took) == (None, None, None)
    assert (body.entry_evidence_hash, body.findings) == (None, ())
    assert autopsy(life(approved_at=None, closed_at=None)).held_for is None
    assert autopsy(life(approved_at=None)).approval_took is None


@pytest.mark.parametrize(
    ("by", "sentence"), [("STOP", Finding.BY_STOP), ("TARGET", Finding.BY_TARGET), ("CLOSE", Finding.BY_CLOSE)]
)
def test_who_left(by: str, sentence: Finding) -> None:
    """The role of the last exit."""
    assert found(exited_by=by) == {sentence.value}


def test_a_partial_entry() -> None:
    """Less than was asked for."""
    assert Finding.PARTIAL.value in found(filled=quantity(9_999))
    assert Finding.PARTIAL.value not in found()


@pytest.mark.parametrize(
    ("side", "stop", "paid", "said"),
    [
        (Side.BUY, "1.08", "1.091", False),  # exactly a tenth
        (Side.BUY, "1.08", "1.09100001", True),
        (Side.BUY, "1.08", "1.08", False),
        (Side.SELL, "1.10", "1.089", False),
        (Side.SELL, "1.10", "1.08899999", True),
    ],
)
def test_an_entry_that_slipped(side: Side, stop: str, paid: str, said: bool) -> None:
    """By more than a tenth of what was to be risked."""
    sentences = found(side=side, stop=price(stop), average_entry=price(paid), average_exit=price("1.09"))
    assert (Finding.ENTRY_SLIPPED.value in sentences) is said


@pytest.mark.parametrize(
    ("side", "exit", "beyond", "reached"),
    [
        (Side.BUY, "1.08", False, False),
        (Side.BUY, "1.07999", True, False),
        (Side.BUY, "1.09999", False, False),
        (Side.BUY, "1.10", False, True),
        (Side.SELL, "1.10", False, False),
        (Side.SELL, "1.10001", True, False),
        (Side.SELL, "1.08001", False, False),
        (Side.SELL, "1.08", False, True),
    ],
)
def test_an_exit_against_the_plan(side: Side, exit: str, beyond: bool, reached: bool) -> None:
    """Worse than the stop, or as good as the target: at the price itself it is neither worse nor missed."""
    stop, target = ("1.08", "1.10") if side is Side.BUY else ("1.10", "1.08")
    sentences = found(side=side, stop=price(stop), target=price(target), average_exit=price(exit))
    assert (Finding.BEYOND_STOP.value in sentences) is beyond
    assert (Finding.TARGET_REACHED.value in sentences) is reached


def test_a_bust_is_all_there_is_to_find() -> None:
    """Nothing was traded: nothing else can be said."""
    assert found(filled=quantity(0)) == {Finding.BUSTED.value}


def fold(*bodies: Autopsy) -> Autopsies:
    """Autopsies of these."""
    autopsies = Autopsies()
    for seq, body in enumerate(bodies):
        autopsies.fold(Bead(seq, T0, f"b{seq}", body, "leaf"))
    return autopsies


@shows("S32-PRO-06")
def test_what_many_say_together() -> None:
    """Counts by strategy and by sentence; the line that a promotion shows begins with the commonest."""
    won = autopsy(LIFE)
    lost = autopsy(life(realized=money(-10), exited_by="STOP", average_exit=price("1.07")))
    even = autopsy(life(realized=money(0)))
    gone = autopsy(life(filled=quantity(0), realized=money(0)))
    other = evolve(won, strategy="tokyo")
    autopsies = fold(won, lost, even, gone, won, other)
    tally = autopsies.tallies["london"]
    assert (tally.wins, tally.losses, tally.breakevens, tally.busted, tally.closed) == (2, 1, 1, 1, 5)
    assert tally.realized == 88
    assert autopsies.tallies["tokyo"].closed == 1
    assert autopsies.summary("london") == (
        "5 closed: 2 won, 1 lost, 1 even; 3 x left by CLOSE; 1 x every execution was taken back by the broker; "
        "1 x left by STOP; 1 x the exit was worse than the stop"
    )
    assert autopsies.summary("nobody") == "0 closed: 0 won, 0 lost, 0 even"
    assert "nobody" not in autopsies.tallies
    assert of_json(Autopsies, to_json(autopsies)) == autopsies


def test_only_its_own_kind_is_folded() -> None:
    """A bead of another kind changes nothing."""
    autopsies = Autopsies()
    autopsies.fold(Bead(0, T0, "b", Genesis("o", Mode.MOCK, "a", "m", 0, "h", "k", "USD"), "l"))
    assert autopsies == Autopsies()
    assert Tally().closed == 0
