"""What a promotion is refused for, on a desk where all else was earned: each line is read from the desk itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from attrs import evolve as changed

from phoenix_cli.wiring.bunny.s32_life import STRATEGY, asked, earned
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.beads import About, KillKind, Observation, Promotion, ReconciliationDrift, Resolution
from phoenix_core.gate.statements import ResolveDrift
from phoenix_core.refusals import Reason
from phoenix_core.trust.promotion import Item
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.walks import WORDS, walked


async def killed(desk: Stage) -> None:
    """The Signalman kills another strategy."""
    _ = desk.act(RaiseKill(desk.fresh(), "strategy:other", "drawn", "signalman", KillKind.SIGNALMAN)).unwrap()


async def drifted(desk: Stage) -> None:
    """The broker holds shares that nobody bought; that a human has acknowledged it does not make it gone."""
    desk.broker.spoof("AAPL", Decimal(7))
    await desk.watch(400, 5)
    (drift,) = desk.bodies(ReconciliationDrift)
    _ = desk.sign(ResolveDrift(drift.identity, Resolution.ACKNOWLEDGED, WORDS)).unwrap()
    await desk.watch(5, 1)


async def rebuilt(desk: Stage) -> None:
    """Another build than the one that was validated on paper."""
    desk.engine.run = changed(desk.engine.run, version="another build")


async def scarred(desk: Stage) -> None:
    """A chaos vector fails."""
    _ = desk.act(Observe(desk.fresh(), About.BUNNY, "CV_S32_TOKEN_RACE", {"verdict": "fail"})).unwrap()


@shows("INV-PROMOTION-SAFE-1", "INV-PROMOTION-SAFE-2", "S32-PRO-02", "S32-PRO-09", "S33-PRO-01", "S32-KIL-02")
@shows("S32-SEAM-06", "S32-KIL-04")
@pytest.mark.parametrize(
    ("spoils", "red", "reason"),
    [
        (killed, {Item.KILL_FLAG}, Reason.KILL_FLAG_ACTIVE),
        (drifted, {Item.DRIFT, Item.KILL_FLAG}, Reason.DRIFT_OPEN),
        (rebuilt, {Item.PAPER_VALIDATION}, Reason.PAPER_VALIDATION_MISSING),
        (scarred, {Item.BUNNY}, Reason.PROMOTION_INCOMPLETE),
    ],
    ids=["killed", "drifted", "rebuilt", "scarred"],
)
def test_each_line_is_red_where_the_desk_is(
    spoils: Callable[[Stage], Awaitable[None]], red: set[Item], reason: Reason
) -> None:
    """One thing wrong, everything else there: that line is named and no other, the attempt is kept, nothing is live. Of
    a drift its own kill speaks too. The desk without it is promoted: see CV_S32_PROMOTION_BYPASS."""

    async def walk(desk: Stage) -> None:
        await earned(desk)
        await spoils(desk)
        no = asked(desk)
        assert no is not None
        assert {one for one in Item if f"{one.value}: " in no.detail} == red
        assert reason in no.reasons and Reason.PROMOTION_INCOMPLETE in no.reasons
        kept = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND and o.subject == STRATEGY]
        assert [reason.value in o.facts["reasons"] for o in kept] == [True]
        assert desk.bodies(Promotion) == []

    _ = walked(walk)
