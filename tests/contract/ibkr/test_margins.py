"""A whole desk before the real client: what an order would do to the margin, on the screen of whoever signs it.

The gateway answers, refuses, is silent, or says what no figure is. What is known stands on the first screen, what is
not is said not to be; nothing is blocked, nobody is alarmed, and no question ever becomes an order.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from phoenix_adapters.brokers.ibkr.broker import IbkrBroker
from phoenix_adapters.engine.margins import PATIENCE
from phoenix_cli.wiring.round_trip import approve, drop_signal
from phoenix_cli.wiring.signing import Screen, screen_of
from phoenix_core.beads import Alert, Evidence, Observation, Order
from phoenix_core.facts import Margin
from phoenix_core.gate.evidence import EVIDENCE_LIFE
from phoenix_core.values import Money, State
from tests.contract.ibkr.desk import RECONNECTED_S, Desk, at_work
from tests.showing import shows

UNKNOWN = "after it: not known"


def text(desk: Desk, intent: str) -> str:
    """The fact block of an intent, on one line."""
    screen = screen_of(desk.stage.desk, intent, desk.scene.clock.now())
    assert isinstance(screen, Screen)
    return "  ".join(line.strip() for line in screen.lines)


async def shown(desk: Desk) -> str:
    """Hand a signal in and wait for its screen; answers the intent."""
    intent = drop_signal(desk.stage)
    await desk.until(lambda: desk.stage.displays(intent))
    return intent


def alarms(desk: Desk) -> list[str]:
    """What a human was told as a warning or worse, by its code."""
    return [one.code for one in desk.bodies(Alert) if one.severity.value != "INFO"]


@shows("S32-CON-03", "S33-EVD-01")
async def test_the_broker_says_it_and_the_human_signs_it(tmp_path: Path) -> None:
    """3 % of 166,666 euros: the figure of the gateway's own book, on the first screen; one question, three orders."""
    async with at_work(tmp_path) as desk:
        intent = await shown(desk)
        (evidence,) = desk.bodies(Evidence)
        assert evidence.margin == Margin(Money(Decimal(0)), Money(Decimal("5424.98")))
        assert "margin 0 -> 5,425 = 5.42 %" in text(desk, intent)
        approve(desk.stage, intent)
        await desk.reaches(State.MANAGED)
        (asked,) = desk.scene.asked()
        assert (asked["action"], asked["totalQuantity"], asked["orderType"]) == ("BUY", "166666", "MKT")
        assert len(desk.placed()) == len(set(desk.placed())) == 3 and desk.held() == desk.at_broker() == 166_666
        assert min(int(one["orderId"]) for one in desk.scene.sent("placeOrder")) > int(asked["orderId"])
        assert not alarms(desk) and not desk.stage.desk.drifts.open


async def test_nobody_asks_where_the_operator_does_not_want_it(tmp_path: Path) -> None:
    """Off, the screen is there at once, says so, and no frame of an order leaves but the signed ones."""
    async with at_work(tmp_path) as desk:
        broker = desk.stage.engine.broker
        assert isinstance(broker, IbkrBroker)
        broker.tells_margin = False
        intent = await shown(desk)
        assert UNKNOWN in text(desk, intent) and not desk.scene.asked()
        approve(desk.stage, intent)
        await desk.reaches(State.MANAGED)
        assert not desk.scene.asked() and len(desk.placed()) == 3


@pytest.mark.parametrize(
    "fault", ["margin_mute", "margin_says", "margin_says=nonsense", "readonly@BUY*1", "margin_late=3600"]
)
async def test_what_it_does_not_say_is_not_known_and_blocks_nothing(fault: str, tmp_path: Path) -> None:
    """Two seconds at most: then the screen is there without it, and what was approved is filled and protected."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault(fault)
        began = desk.scene.clock.now().ticks
        intent = await shown(desk)
        assert UNKNOWN in text(desk, intent)
        assert desk.scene.clock.now().ticks - began < 2 * PATIENCE
        desk.scene.server.clear(fault.partition("=")[0].partition("@")[0])
        approve(desk.stage, intent)
        await desk.reaches(State.MANAGED)
        assert len(desk.placed()) == 3 and not alarms(desk) and not desk.stage.desk.drifts.open
        assert [one.margin for one in desk.bodies(Evidence)] == [Margin()]


async def test_an_answer_in_two_parts_is_waited_for(tmp_path: Path) -> None:
    """The first has a warning and no figures, as TWS was seen to say it; the second one counts."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("margin_twice")
        assert "margin 0 -> 5,425 = 5.42 %" in text(desk, await shown(desk))


async def test_an_answer_after_the_approval_moves_nothing(tmp_path: Path) -> None:
    """Nobody waits for it any more: no bead, no word to a human, and what was signed is what stands there."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("margin_late=2.5")
        intent = await shown(desk)
        screen = text(desk, intent)
        assert UNKNOWN in screen
        approve(desk.stage, intent)
        await desk.reaches(State.MANAGED)
        await desk.until(lambda: intent in desk.stage.engine.margins.told)
        assert desk.stage.engine.margins.told[intent].margin.after is not None
        assert len(desk.bodies(Evidence)) == 1 and not alarms(desk)
        assert not [one for one in desk.bodies(Observation) if "margin" in str(one)]


async def test_a_link_that_falls_with_the_question_leaves_no_trace(tmp_path: Path) -> None:
    """The question is gone with its session; the screen comes without it, and its next version asks anew."""
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault("margin_mute*1")
        intent = drop_signal(desk.stage)
        await desk.until(lambda: bool(desk.scene.asked()))
        desk.scene.cut()
        await desk.until(lambda: desk.stage.displays(intent))
        assert UNKNOWN in text(desk, intent)
        await desk.until(desk.is_fresh, RECONNECTED_S)
        await desk.leap(EVIDENCE_LIFE.total_seconds())
        await desk.until(lambda: "-> 5,425 = 5.42 %" in text(desk, intent))
        assert len(desk.scene.asked()) == 2 and not desk.scene.sent("placeOrder") and not desk.bodies(Order)
