"""The lights of an entry, where they are filled from the desk: by what the human signed, and beside what is queued."""

from __future__ import annotations

from phoenix_core.acts.lights import entry_lights
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import State
from tests.stage import Stage
from tests.unit.desk.walks import walked

STOCK = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}
POUND = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}


def test_the_price_is_held_against_what_the_human_saw_and_not_against_the_plan() -> None:
    """Signed 28 points above the plan's entry; the market falls back onto the plan: it is another one than was signed,
    and where it stays it is the same one."""

    async def walk(desk: Stage) -> None:
        desk.price("1.0877", "1.0879")
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        _ = desk.engine.recorder.catch_up()
        position = desk.position(intent)
        assert isinstance(position, Open) and position.state is State.APPROVED
        assert entry_lights(desk.desk, position, desk.engine.world(), spent=False).price is None
        desk.price("1.0849", "1.0851")
        moved = entry_lights(desk.desk, position, desk.engine.world(), spent=False).price
        assert moved is not None and moved.reasons == (Reason.PRICE_MOVED,)

    _ = walked(walk)


def test_three_brackets_in_one_moment_wait_for_each_other() -> None:
    """Eight frames fit at once: the third bracket is not recorded behind the six that are on their way, and leaves a
    moment later. None is withheld, for no room that was promised twice."""

    async def walk(desk: Stage) -> None:
        intents = [await desk.propose(), await desk.propose(**POUND), await desk.propose(**STOCK)]
        for intent in intents:
            _ = desk.approve(intent).unwrap()
        await desk.engine.step()
        states = [desk.state(intent) for intent in intents]
        assert sum(state is State.APPROVED for state in states) == 1 and State.CANCELLED not in states
        await desk.tick(0.5)
        assert not {desk.state(intent) for intent in intents} & {State.APPROVED, State.CANCELLED}

    _ = walked(walk)


def test_what_others_write_while_a_human_signs_takes_no_permission_away() -> None:
    """The screen co-signed the history as it stood; beads that came before the signature are a history after it."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        command = desk.signature(desk.screen(intent).says)
        for _ in range(3):
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {})).unwrap()
        _ = desk.act(command).unwrap()
        await desk.tick()
        assert desk.state(intent) not in (State.APPROVED, State.CANCELLED)
        assert desk.sent == 3

    _ = walked(walk)
