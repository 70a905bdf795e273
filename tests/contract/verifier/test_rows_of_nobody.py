"""What counts for nothing to the engine is a lie to the verifier: the same logs, and a file that shares no line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from io import BytesIO
from typing import Final

import pytest
from attrs import evolve

from phoenix_adapters import phoenix_verify
from phoenix_adapters.phoenix_verify import Lie
from phoenix_core.beads import KillKind
from phoenix_core.gate.statements import ValidatePaper
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.test_rows_of_nobody import (
    ANSWERS,
    DRIFTS,
    LIFTS,
    LOOSE,
    POLICIES,
    PROMOTION,
    TIGHT,
    by_hand,
    comes_down,
    decided,
    lift_alone,
    raised,
    set_policy,
)
from tests.unit.desk.walks import WORDS, walked

Tell = Callable[[Stage], Awaitable[None]]


def judged(desk: Stage) -> str:
    """TRUE, or the code of the first lie."""
    beads = tuple(desk.store.read(0))
    tree, file = phoenix_verify.Tree(), BytesIO(b"{}\n" + b"".join(bead.data + b"\n" for bead in beads))
    for bead in beads:
        tree.append(bead.leaf)
    origin, mode, account = (str(beads[0].body[name]) for name in ("origin", "mode", "account"))
    no_key = phoenix_verify.NoteKey("", b"", 1, b"")
    roots = phoenix_verify.Roots(origin, mode, account, no_key, (), frozenset({desk.pen.key}))
    try:
        _ = phoenix_verify.check_meaning(file, phoenix_verify.Outline(tree, frozenset(), (), "", ""), roots)
    except Lie as lie:
        return lie.code
    return "TRUE"


@pytest.fixture(autouse=True)
def no_log_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's log has no key of its own."""
    monkeypatch.setitem(phoenix_verify.CHECKS, "OTHER_LOG_KEY", (lambda *_: True, "a stage's log has no key"))


async def policy(row: str, desk: Stage) -> None:
    """A policy that nobody signed."""
    POLICIES[row](desk)


async def lift(row: str, desk: Stage) -> None:
    """A one-way kill that comes down by a row."""
    LIFTS[row](desk, await raised(desk, KillKind.ONE_WAY))


async def lift_of(kind: KillKind, desk: Stage) -> None:
    """A kill of a kind that comes down by a row alone."""
    lift_alone(desk, await raised(desk, kind))


async def answer(row: str, desk: Stage) -> None:
    """A drift that a row answers."""
    by_hand(desk, DRIFTS)
    await desk.tick()
    ANSWERS[row](desk)


async def promotion(desk: Stage) -> None:
    """A promotion by a row."""
    by_hand(desk, PROMOTION)


async def build(desk: Stage) -> None:
    """A build that a human declared good under another name."""
    by_hand(desk, evolve(decided(desk, ValidatePaper("another", WORDS)), subject="build-1"))


TOLD: Final[dict[str, tuple[Tell, str]]] = {
    **{f"policy {row}": (partial(policy, row), "POLICY_UNSIGNED") for row in ("alone", "with another")},
    "policy again": (partial(policy, "again"), "STATEMENT_REPLAYED"),
    "policy without its decision": (partial(policy, "without its decision"), "POLICY_UNSIGNED"),
    "policy of a row": (partial(policy, "of a row"), "OPERATOR_UNVOUCHED"),
    "policy of a revoked key": (partial(policy, "of a revoked key"), "KEY_REVOKED"),
    "policy of a key that is revoked twice": (partial(policy, "of a key that is revoked twice"), "KEY_REVOKED"),
    "policy behind an enrolment": (partial(policy, "behind an enrolment"), "OPERATOR_UNVOUCHED"),
    "policy behind a revocation": (partial(policy, "behind a revocation"), "OPERATOR_UNVOUCHED"),
    "policy behind no statement": (partial(policy, "behind no statement"), "OPERATOR_UNVOUCHED"),
    "policy of no true signature": (partial(policy, "of no true signature"), "SIGNATURE_WRONG"),
    "policy of another desk": (partial(policy, "of another desk"), "STATEMENT_OTHER_LOG"),
    "lift alone": (partial(lift, "alone"), "KILL_LIFTED_UNSIGNED"),
    "lift as another kind": (partial(lift, "as another kind"), "KILL_LIFTED_UNSIGNED"),
    "lift of another flag": (partial(lift, "of another flag"), "KILL_LIFTED_UNSIGNED"),
    "lift again": (partial(lift, "again"), "STATEMENT_REPLAYED"),
    "lift of a row": (partial(lift, "of a row"), "OPERATOR_UNVOUCHED"),
    "lift SIGNALMAN": (partial(lift_of, KillKind.SIGNALMAN), "KILL_LIFTED_UNSIGNED"),
    "lift TEMPORARY": (partial(lift_of, KillKind.TEMPORARY), "KILL_LIFTED_EARLY"),
    "lift DRIFT": (partial(lift_of, KillKind.DRIFT), "KILL_LIFTED_EARLY"),
    **{f"answer {row}": (partial(answer, row), "DRIFT_ANSWERED_UNSIGNED") for row in ANSWERS},
    "promotion": (promotion, "PROMOTION_UNSIGNED"),
    "build": (build, "DECISION_OTHERWISE"),
}


def test_every_row_is_told() -> None:
    """Whoever adds a row there adds its lie here."""
    assert {f"policy {row}" for row in POLICIES} | {f"lift {row}" for row in LIFTS} <= TOLD.keys()


@pytest.mark.parametrize("row", sorted(TOLD))
@shows("I2", "I22")
def test_what_counts_for_nothing_is_a_lie(row: str) -> None:
    """The row, and what the desk made of it."""
    tell, code = TOLD[row]

    async def walk(desk: Stage) -> None:
        await tell(desk)
        await desk.tick()

    assert judged(walked(walk, stage(policy=TIGHT))) == code


@pytest.mark.parametrize("kind", list(KillKind))
def test_what_counts_is_none(kind: KillKind) -> None:
    """The honest twins: each kind comes down by what brings it down, and a policy by a signature."""

    async def walk(desk: Stage) -> None:
        await comes_down(desk, kind, await raised(desk, kind))
        set_policy(desk, LOOSE)
        await desk.tick()
        assert desk.desk.kill_flags.standing == {}

    assert judged(walked(walk)) == "TRUE"
