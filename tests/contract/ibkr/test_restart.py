"""A gateway that restarts and issues its ids again, before a whole desk: who was lost, and who may move."""

from __future__ import annotations

from attrs import evolve

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.wire import from_client
from phoenix_cli.wiring.bunny.live import LiveStage, live_stage
from phoenix_cli.wiring.bunny.s33_gateway import GBP
from phoenix_core.acts.submit import Submit
from phoenix_core.beads import Alert, Execution, ExecutionEvent, Order, OrderEvent
from phoenix_core.kernel import decide
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import State
from phoenix_core.watch.codes import Code
from tests.showing import shows


def placed(desk: LiveStage) -> list[tuple[int, str]]:
    """Id and reference of every place frame that the gateway read, in order."""
    version = int(next(one for one in desk.frames if one.dir == "out").fields[0])
    read = [from_client(one.fields, version) for one in desk.frames if desk.is_place(one)]
    return [(int(one.record["orderId"]), one.record["orderRef"]) for one in read]


@shows("F01", "I1", "I9")
async def test_who_takes_the_ids_of_lost_orders_moves_alone() -> None:
    """F01: a bracket is written into the restart and never seen; the next one gets its ids, and callbacks move the next
    one only. The lost one is STALLED, told, never sent again; and in the declared window nothing is sent."""
    async with live_stage(MemoryStore(), 1) as desk:
        desk.server.fault("restart_rollback_ids")
        lost = await desk.enter()
        assert await desk.until(lambda: desk.sent == 3)
        desk.server.act("restart", seconds=1)
        assert await desk.until(lambda: not desk.engine.link.up)
        await desk.watch(8, 1)
        assert await desk.until(lambda: desk.is_fresh() and desk.state(lost) is State.STALLED)
        assert [a.subject for a in desk.bodies(Alert) if a.code == Code.POSITION_STALLED.value]
        new = await desk.propose(**GBP)
        assert await desk.until(lambda: desk.broker.room() >= 3)  # questions of the new session take it too
        _ = desk.approve(new).unwrap()
        _ = desk.engine.recorder.catch_up()
        world = desk.engine.world()
        window = evolve(world, link=evolve(world.link, in_restart_window=True))
        said = decide(desk.desk, Submit(desk.fresh(), new), window)
        assert Reason.RESTART_WINDOW in said.result.failure().reasons and not said.drafts
        session = desk.broker.line
        assert session is not None, "a session stands"
        while session.next_id() < placed(desk)[0][0] - 1:  # questions take ids from the same row
            pass
        assert await desk.reaches(new, State.MANAGED)
        ids = [number for number, _ in placed(desk)]
        assert ids[3:] == ids[:3], "the restart issued ids of the lost bracket again"
        refs = [ref for _, ref in placed(desk)]
        assert len(refs) == len(set(refs)) == 6, "nothing was sent twice"
        await desk.watch(30, 5)
        assert desk.state(lost) is State.STALLED
        filled = {e.ref for e in desk.bodies(Execution) if e.event is ExecutionEvent.FILL}
        held = desk.position(new)
        assert isinstance(held, Open) and filled == {held.order_ref}
        moved = {o.ref for o in desk.bodies(Order) if o.event in (OrderEvent.ACKNOWLEDGED, OrderEvent.ENDED)}
        assert moved and moved <= set(refs[3:]), "callbacks moved the new bracket only"
