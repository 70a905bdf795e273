"""The seventeen vectors of S32, in their wave order, on the production engine."""

from __future__ import annotations

import asyncio

from phoenix_core.beads import T2Token, TokenEvent
from phoenix_core.values import State
from tests.showing import shows
from tests.stage import stage


@shows("GATE_S32_1")
def test_a_round_trip_ends_closed_and_told() -> None:
    """Signal to close on the mock: the position ends CLOSED, its token USED once."""

    async def walk() -> None:
        desk = stage()
        await desk.start()
        intent = await desk.enter()
        assert desk.state(intent) is State.MANAGED
        desk.price("1.09105", "1.09115")
        await desk.tick(1)
        await desk.tick(5)
        assert desk.state(intent) is State.CLOSED
        assert [t.event for t in desk.bodies(T2Token)] == [TokenEvent.ISSUED, TokenEvent.USED]

    asyncio.run(walk())
