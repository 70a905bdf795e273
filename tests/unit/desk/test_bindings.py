"""What is signed is compared with what the desk itself holds: one field that differs, and nothing is approved.

Each of these statements is well made and signed by a key that may sign; it differs from the screen in one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Decision, Limits, Policy, T2Token
from phoenix_core.gate.screen import Live
from phoenix_core.gate.statements import Decide, Render
from phoenix_core.refusals import Reason
from phoenix_core.values import Price
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import walked

NOBODY: Final = "0" * 64


def live(says: Decide) -> Live:
    """The prices of the screen."""
    assert says.live is not None
    return says.live


def render(says: Decide) -> Render:
    """The screen that was shown."""
    assert says.render is not None
    return says.render


# what differs, and every reason for which it is refused
CHANGES: Final[dict[str, tuple[Callable[[Decide], Decide], set[Reason]]]] = {
    "order": (lambda says: evolve(says, order=NOBODY), {Reason.STATEMENT_OTHER_ORDER}),
    "no order": (lambda says: evolve(says, order=None), {Reason.STATEMENT_OTHER_ORDER}),
    "evidence": (lambda says: evolve(says, evidence=NOBODY), {Reason.STATEMENT_OTHER_EVIDENCE}),
    "more drift": (
        lambda says: evolve(says, drift_bps_max=says.drift_bps_max + 1),
        {Reason.STATEMENT_OTHER_EVIDENCE},
    ),
    "screen": (lambda says: evolve(says, render=evolve(render(says), sha256=NOBODY)), {Reason.STATEMENT_OTHER_RENDER}),
    "renderer": (lambda says: evolve(says, render=evolve(render(says), id="term-2")), {Reason.STATEMENT_OTHER_RENDER}),
    "no screen": (lambda says: evolve(says, render=None), {Reason.STATEMENT_OTHER_RENDER}),
    "prices": (
        lambda says: evolve(says, live=evolve(live(says), bid=Price(Decimal("1.084")))),
        {Reason.STATEMENT_OTHER_RENDER, Reason.STATEMENT_OTHER_QUOTE},
    ),
    "age of the prices": (
        lambda says: evolve(says, live=evolve(live(says), age_ms=60_000)),
        {Reason.STATEMENT_OTHER_RENDER, Reason.STATEMENT_OTHER_QUOTE},
    ),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
@shows("I2", "I22")
def test_one_field_that_differs_approves_nothing(name: str) -> None:
    """No decision, no token; then what the screen says is signed, and approves it."""
    change, reasons = CHANGES[name]

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        said = desk.sign(change(desk.screen(intent).says))
        assert set(said.failure().reasons) == reasons
        assert not desk.bodies(Decision) and not desk.bodies(T2Token)
        assert is_successful(desk.approve(intent))

    _ = walked(walk)


@shows("I2")
def test_evidence_that_expired_approves_nothing() -> None:
    """The screen stood there until its evidence was over; the statement itself is a moment old."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        shown = desk.desk.evidence.latest(intent)
        assert shown is not None
        says = desk.screen(intent).says
        desk.clock.advance(shown.evidence.expires_at - desk.clock.now().wall - timedelta(microseconds=1))
        assert Reason.EVIDENCE_EXPIRED not in desk.sign(says).failure().reasons
        desk.clock.advance(timedelta(microseconds=1))
        assert Reason.EVIDENCE_EXPIRED in desk.sign(says).failure().reasons

    _ = walked(walk)


@shows("I14")
def test_a_kill_after_the_screen_approves_nothing() -> None:
    """It came up while somebody typed: no token is issued under it."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        says = desk.screen(intent).says
        _ = desk.act(RaiseKill(desk.fresh(), "desk", "now", "operator")).unwrap()
        assert desk.sign(says).failure().reasons == (Reason.KILL_FLAG_ACTIVE,)
        assert not desk.bodies(T2Token)

    _ = walked(walk)


@shows("I22")
def test_four_eyes_are_asked_for_by_the_policy() -> None:
    """Whoever handed it in does not approve it where the policy says so; where it does not, they may."""
    for four_eyes in (True, False):
        made = stage(policy=Policy(limits=Limits(), four_eyes=four_eyes))

        async def walk(desk: Stage, asked: bool = four_eyes) -> None:
            data, channel = desk.signal(), "operator"
            intent = await handed_in(desk, data, channel)
            said = desk.approve(intent)
            assert is_successful(said) is not asked
            assert not asked or said.failure().reasons == (Reason.PROPOSER_MAY_NOT_APPROVE,)

        _ = walked(walk, made)


async def handed_in(desk: Stage, data: bytes, channel: str) -> str:
    """A signal that came through this channel."""
    said = desk.act(proposal_of("", data, channel)).unwrap()
    await desk.tick()
    return said.subject
