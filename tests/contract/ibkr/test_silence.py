"""A gateway that says nothing, by a fault and by a real SIGSTOP: no frame leaves without a young round trip.

Who watches here knows nothing of the engine's own clocks: it notes when each answered question was asked, and when
each frame was handed over, and compares the two.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import Factory, define

from phoenix_adapters.brokers.ibkr.broker import IbkrBroker
from phoenix_adapters.seams.files import write_whole
from phoenix_cli.wiring.round_trip import SIGNAL, approve
from phoenix_core.beads import Alert, AlertEvent, Verdict
from phoenix_core.facts import FrameSaid
from phoenix_core.gate.statements import Decide
from phoenix_core.kernel import ClearedOrder
from phoenix_core.values import State, derived_id, utc_text
from phoenix_core.watch.codes import Code
from phoenix_core.watch.compare import UNKNOWN_MAX
from tests.contract.broker.orders import NUMBER
from tests.contract.broker.suite import PATIENCE_S
from tests.contract.ibkr.desk import RECONNECTED_S, Desk, at_work
from tests.contract.ibkr.scene import WEDNESDAY, Scene
from tests.showing import shows

YOUNG: Final = timedelta(seconds=2)


@define
class Witness:
    """When questions that were answered were asked, and how old the last of them was at each hand-over."""

    desk: Desk
    asked: list[datetime] = Factory(list)
    ages: list[timedelta] = Factory(list)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the engine and its broker."""
        round_trip, hand_over = IbkrBroker.round_trip, IbkrBroker.hand_over

        async def noting(broker: IbkrBroker) -> bool:
            began = self.desk.scene.clock.now().wall
            answered = await round_trip(broker)
            if answered:
                self.asked.append(began)
            return answered

        def counting(broker: IbkrBroker, cleared: ClearedOrder) -> None:
            before = len(broker.hearing.inbox)
            hand_over(broker, cleared)
            said = [one for one in list(broker.hearing.inbox)[before:] if isinstance(one, FrameSaid) and one.sent]
            self.ages += [self.desk.scene.clock.now().wall - self.asked[-1]] * len(said)

        patch.setattr(IbkrBroker, "round_trip", noting)
        patch.setattr(IbkrBroker, "hand_over", counting)


async def propose(desk: Desk, name: str) -> str:
    """A signal of its own, and evidence under it."""
    intent = derived_id("silence", name)
    text = SIGNAL.format(intent=intent, created=utc_text(desk.scene.clock.now().wall))
    write_whole(desk.stage.home.path / f"intents/incoming/{name}.yaml", text.replace("demo-1", f"demo-{name}"))
    await desk.until(lambda: desk.stage.displays(intent))
    return intent


def quote_age(desk: Desk) -> timedelta:
    """How old the market's last word is."""
    return desk.scene.clock.now().wall - desk.scene.broker.quotes()["EURUSD"].at.wall


async def steps(desk: Desk, count: int = 4) -> None:
    """A few rounds of the engine."""
    for _ in range(count):
        await desk.stage.engine.step()
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("fault", "every"), [("mute", 1), ("no_current_time", 3)])
@shows("F42", "I16", "F41")
async def test_a_gateway_that_is_silent_at_any_offset_gets_no_frame(
    fault: str, every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It falls silent, altogether or in answers only, and 2 to 60 seconds later, somebody
    signs: nothing is handed over, and nothing is sent behind the human's back once the gateway speaks again."""
    monkeypatch.setattr("phoenix_adapters.brokers.ibkr.broker.GIVE_UP_AFTER_S", 0.2)
    async with at_work(tmp_path) as desk:
        witness = Witness(desk)
        witness.watch(monkeypatch)
        desk.scene.broker.answer_within_s = desk.scene.broker.round_trip_within_s = 0.2
        for offset in range(2, 61, every):
            await desk.until(lambda: desk.is_fresh() and bool(witness.asked))
            intent = await propose(desk, str(offset))
            desk.scene.server.fault(fault)
            desk.scene.clock.leap(offset)
            desk.scene.server.poke()
            if fault == "no_current_time":  # quotes go on: the age of the last answer is all that is wrong
                while quote_age(desk) > YOUNG / 2:
                    await asyncio.sleep(0.001)
            approve(desk.stage, intent)
            await steps(desk)
            assert not desk.placed() and not witness.ages, f"{offset} s after the last word"
            if desk.position_of(intent).state is State.APPROVED:  # not withdrawn for its old quote
                desk.sign(Decide(Verdict.REJECT, intent, 0))
                await steps(desk, 1)
            desk.scene.server.clear(fault)
            desk.scene.clock.leap(1)  # the next question is asked now
        assert not desk.placed() and {one.state for one in desk.positions} == {State.CANCELLED}
        assert len(desk.positions) == len(range(2, 61, every))


@pytest.mark.parametrize("offset_ms", [0, 600, 1200, 1800])
@shows("F42", "I16")
async def test_what_leaves_within_two_seconds_has_a_young_round_trip(
    offset_ms: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent for less than two seconds: a frame may leave, once, and the last answer was asked for two seconds
    before at the most; whatever left is answered when the gateway speaks again."""
    async with at_work(tmp_path) as desk:
        witness = Witness(desk)
        witness.watch(monkeypatch)
        intent = await propose(desk, "one")
        await desk.until(lambda: desk.is_fresh() and bool(witness.asked))
        desk.scene.mute(True)
        desk.scene.clock.leap(offset_ms / 1000)
        approve(desk.stage, intent)
        await steps(desk, 8)
        assert all(age <= YOUNG for age in witness.ages) and len(witness.ages) in (0, 3)
        left = bool(witness.ages)
        desk.scene.mute(False)
        # What did not leave in time may be withdrawn for its old quote: then nothing ever leaves.
        await desk.until(lambda: desk.stands(State.MANAGED) or (not left and desk.stands(State.CANCELLED)))
        assert all(age <= YOUNG for age in witness.ages)
        assert len(witness.ages) == len(desk.placed()) == (3 if desk.stands(State.MANAGED) else 0)


@asynccontextmanager
async def gateway_process(host: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`phoenix gateway` as a process of its own, on a Wednesday."""
    environment = {**os.environ, "PHOENIX_CLOCK": WEDNESDAY.isoformat()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "phoenix_cli", "gateway", "--host", host, "--account", NUMBER,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert b"listening" in await process.stdout.readline()
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        _ = await process.wait()


@pytest.mark.parametrize("stopped_s", [0.0, 0.7, 1.4, 2.1, 3.0])
@shows("F42", "I16", "F41")
async def test_a_stopped_gateway_process_gets_no_frame_without_a_young_round_trip(
    stopped_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP: the sockets stand, the kernel takes every byte, nobody reads. Signed so long after it, what leaves has
    a round trip of the last two seconds; later nothing leaves until the process goes on, and then once."""
    scene = Scene()
    async with gateway_process(scene.host) as process, at_work(tmp_path, scene) as desk:
        witness = Witness(desk)
        witness.watch(monkeypatch)
        intent = await propose(desk, "stopped")
        await desk.until(lambda: desk.is_fresh() and bool(witness.asked))
        process.send_signal(signal.SIGSTOP)
        stopped = scene.clock.now().wall
        await desk.until(lambda: (scene.clock.now().wall - stopped).total_seconds() >= stopped_s)
        approve(desk.stage, intent)
        await desk.until(lambda: (scene.clock.now().wall - stopped).total_seconds() >= stopped_s + 1.5)
        assert all(age <= YOUNG for age in witness.ages)
        assert len(witness.ages) in (0, 3) and (stopped_s <= 2 or not witness.ages)
        left = bool(witness.ages)
        process.send_signal(signal.SIGCONT)
        await desk.until(lambda: desk.is_fresh() and desk.position_of(intent).state is not State.SUBMITTED)
        if left:
            await desk.reaches(State.MANAGED)
        assert all(age <= YOUNG for age in witness.ages) and len(witness.ages) in (0, 3)


@pytest.mark.parametrize("fault", ["snapshot_never_ends=executions", "readonly"])
@shows("L8", "F81", "I13")
async def test_a_session_that_never_gets_whole_is_told(fault: str, tmp_path: Path) -> None:
    """The gateway is back, and one of its answers never ends, or its API may only read: the link stands, and a human
    hears that no picture is whole. Where it is whole again that is over."""
    async with at_work(tmp_path) as desk:

        def streak() -> int:
            return desk.stage.desk.observations.unknown_streak

        desk.scene.broker.answer_within_s = 0.2
        desk.scene.server.fault(fault)
        desk.scene.cut()
        await desk.until(lambda: not desk.stage.engine.link.up)
        desk.scene.clock.leap(5)
        desk.scene.server.poke()
        await desk.until(lambda: desk.alerted(Code.LINK_RESTORED), RECONNECTED_S)
        for looks in range(1, UNKNOWN_MAX + 1):
            await desk.until(lambda: streak() >= looks)  # noqa: B023 -- awaited at once
            assert desk.alerted(Code.RECONCILIATION_UNKNOWN) is (streak() >= UNKNOWN_MAX)
            desk.scene.clock.leap(11)
            desk.scene.server.poke()
        assert not desk.stage.engine.link.synchronised
        desk.scene.broker.answer_within_s = 3.0
        desk.scene.server.clear(fault.partition("=")[0])
        desk.scene.clock.leap(11)
        desk.scene.server.poke()
        await desk.until(lambda: desk.stage.engine.link.synchronised)
        told = Code.RECONCILIATION_UNKNOWN.value
        await desk.until(lambda: any(a.event is AlertEvent.RESOLVED for a in desk.bodies(Alert) if a.code == told))
