"""Shares, on the real client and a real socket: their price steps, and what becomes of them at night."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_cli.wiring.bunny.live import LiveStage, live_stage
from phoenix_core.beads import Alert, Order, OrderEvent, ReconciliationDrift
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Ended
from phoenix_core.values import Role, State
from phoenix_core.watch.codes import Code
from phoenix_core.watch.drift import Cause

AAPL: Final = {"pair": "AAPL", "entry": "190.22", "stop": "189.22", "target": "192.22", "quantity": "20"}
HOUR: Final = 3600
MINUTE: Final = 60
DAY: Final = 24 * HOUR


def told(desk: LiveStage, code: Code) -> int:
    """How often a human was told something."""
    return sum(one.code == code.value for one in desk.bodies(Alert))


def stops(desk: LiveStage) -> list[str]:
    """The stop prices that work at the gateway."""
    live = desk.server.core.venue.book.live.values()
    return [one.sent["auxPrice"] for one in live if one.sent["orderType"] == "STP"]


async def nights(desk: LiveStage, hours: int) -> None:
    """So many hours, an hour at a time; what is in motion is looked at again."""
    for _ in range(hours):
        await desk.tick(HOUR)
        await desk.tick(10)


async def test_a_stop_between_two_cents_is_refused_though_the_card_takes_it() -> None:
    """Of most stocks a card says a hundredth of a cent: the step below a dollar. The broker refuses such a stop from a
    dollar on (110), and takes the entry and the target beside it: the shares would be held without a stop."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        desk.server.fault("card_of_pennies")
        await desk.tick(DAY)  # a card is asked for anew
        assert await desk.until(lambda: desk.engine.world().instruments["AAPL"].tick == Decimal("0.0001"))
        intent = await desk.hand_in(**AAPL | {"stop": "189.2250"})
        assert await desk.reaches(intent, State.CANCELLED)
        ended = desk.position(intent)
        assert isinstance(ended, Ended) and ended.reasons == (Reason.PRICE_OFF_GRID.value,) and desk.sent == 0
        assert await desk.reaches(await desk.enter(**AAPL), State.MANAGED)


@pytest.mark.parametrize("split", [True, False])
async def test_what_the_broker_ends_at_night_waits_for_the_open(split: bool) -> None:
    """A split ends the orders on a share at night, before the account shows what became of it: a stop placed again at
    once, at the old price, would sell at the open what nobody wants to sell. It could execute no sooner than the market
    opens: by then a picture shows the shares. A human hears at once; where nothing came of it, it is placed then."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        intent = await desk.enter(**AAPL)
        assert await desk.reaches(intent, State.MANAGED)
        sent = desk.sent
        await nights(desk, 10)  # midnight in New York
        desk.server.act("manual_cancel", symbol="AAPL")
        assert await desk.until(lambda: told(desk, Code.PROTECTION_LOST) > 0)
        await desk.tick(5 * MINUTE)
        assert desk.sent == sent and not desk.working()
        if split:
            desk.server.act("transfer", symbol="AAPL", quantity=20, price="95")
            desk.price("95.00", "95.02", "AAPL")
        await nights(desk, 9)
        assert desk.sent == sent and desk.clock.now().wall.hour == 14, "nine in the morning: it is closed still"
        await desk.tick(HOUR / 2)
        await desk.tick(5 * MINUTE)
        if not split:
            assert await desk.until(lambda: stops(desk) == ["189.22"])
            return
        await desk.tick(5 * MINUTE)
        (drift,) = desk.bodies(ReconciliationDrift)
        assert (drift.cause, drift.subject) == (Cause.SIZE.value, "AAPL")
        assert desk.sent == sent and desk.held("AAPL") == 40


@pytest.mark.parametrize("held", [0, 10])
async def test_no_entry_goes_on_without_its_stop(held: int) -> None:
    """The broker refuses the stop and takes the other two: what is not filled yet is asked to end, and a human hears
    which order was refused, and of what was filled before that it stands without its protection."""
    async with live_stage(MemoryStore(), 1, symbols=("AAPL",)) as desk:
        desk.server.fault("reject_price@STP*1")
        desk.server.fault("partial_hold@BUY" if held else "never_fill@BUY")
        intent = await desk.enter(**AAPL)
        assert await desk.until(
            lambda: not any(one.parent is None for one in desk.server.core.venue.book.live.values())
        )
        assert await desk.reaches(intent, State.FILLED if held else State.CANCELLED)
        asked = [one.role for one in desk.bodies(Order) if one.event is OrderEvent.CANCEL_REQUESTED]
        assert asked == [Role.ENTRY] and desk.held("AAPL") == held
        (refused,) = (one for one in desk.bodies(Alert) if one.code == Code.ORDER_REJECTED.value and one.text)
        assert refused.subject.endswith(".S1") and "code 110" in refused.text
        assert await desk.until(lambda: bool(told(desk, Code.PROTECTION_LOST)) is bool(held))
