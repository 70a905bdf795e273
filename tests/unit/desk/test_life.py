"""A position's life as the documents tell it, each move by what they say moves it: a human, the engine, the broker."""

from __future__ import annotations

from uuid import UUID

import pytest
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import ChaosMode, Silence
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.acts.submit import Submit
from phoenix_core.beads import (
    Autopsy,
    Bead,
    KillKind,
    Order,
    OrderEvent,
    Outcome,
    Position,
    PositionEvent,
    ProofKind,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.gate.statements import Close, Decide
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import CommandId, State
from tests.showing import shows
from tests.stage import PAIR, Stage, stage
from tests.unit.desk.test_signed_commands import answered
from tests.unit.desk.walks import WORDS, filled, hear, ref_of, walked


def moved(desk: Stage, event: PositionEvent) -> Bead:
    """The one bead of this event."""
    (bead,) = [b for b in desk.beads() if isinstance(b.body, Position) and b.body.event is event]
    return bead


def together(desk: Stage, bead: Bead) -> list[Bead]:
    """The beads that were written at the same instant: those of one append, and what followed at once."""
    return [other for other in desk.beads() if other.ts == bead.ts]


@shows("S32-LIF-05", "S32-TOK-12")
def test_a_human_who_passes_cancels_the_proposal() -> None:
    """PROPOSED to CANCELLED as Passed, by the operator's signature; no token was made, and none can be any more."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        says = desk.screen(intent).says
        _ = desk.sign(Decide(Verdict.REJECT, intent, 0)).unwrap()
        await desk.tick()
        passed = moved(desk, PositionEvent.PASSED).body
        assert isinstance(passed, Position)
        assert (passed.from_, passed.state, desk.state(intent)) == (State.PROPOSED, State.CANCELLED, State.CANCELLED)
        assert passed.proof.type is ProofKind.OPERATOR_DECISION
        assert not is_successful(desk.sign(says))
        await desk.watch(30)
        assert (desk.bodies(T2Token), desk.sent) == ([], 0)

    _ = walked(walk)


@shows("S32-LIF-04", "S32-LIF-06", "S32-LIF-08", "S32-TOK-10", "S32-SEAM-02")
def test_token_order_and_fill_move_it_and_nothing_else_does() -> None:
    """APPROVED where its token is issued, SUBMITTED where that token is spent and the order recorded, FILLED on the
    broker's execution alone."""

    async def walk(desk: Stage) -> None:
        desk.broker.script(Silence())
        intent = await desk.propose()
        await desk.watch(5)
        assert desk.state(intent) is State.PROPOSED, "nobody decided"
        _ = desk.approve(intent).unwrap()
        issued = [b.body for b in together(desk, moved(desk, PositionEvent.APPROVED)) if isinstance(b.body, T2Token)]
        assert [(t.event, t.intent_id, t.used) for t in issued] == [(TokenEvent.ISSUED, intent, False)]
        await desk.tick()
        at_once = together(desk, moved(desk, PositionEvent.SUBMITTED))
        spent = [b.body for b in at_once if isinstance(b.body, T2Token)]
        assert [(t.event, t.id, t.used) for t in spent] == [(TokenEvent.USED, issued[0].id, True)]
        recorded = [b.body for b in at_once if isinstance(b.body, Order) and b.body.event is OrderEvent.RECORDED]
        assert [order.token_id for order in recorded] == [issued[0].id]
        await desk.watch(30)
        assert desk.state(intent) is State.SUBMITTED, "the broker has not said that it filled"
        await hear(desk, filled(desk, ref_of(desk, intent), "1000"))
        fill = moved(desk, PositionEvent.FILLED).body
        assert isinstance(fill, Position)
        assert (fill.from_, fill.proof.type) == (State.SUBMITTED, ProofKind.BROKER_MESSAGE)

    _ = walked(walk)


@shows("S32-LIF-14", "S33-LIF-01", "S32-AUT-01")
@pytest.mark.parametrize(
    ("exit_by", "outcome"), [("stop", Outcome.LOSS), ("target", Outcome.WIN), ("hand", Outcome.BREAKEVEN)]
)
def test_each_exit_closes_it(exit_by: str, outcome: Outcome) -> None:
    """MANAGED to CLOSED by stop, target or hand; what it made is in the bead, and its autopsy names how it ended."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter(quantity="100000")
        assert desk.state(intent) is State.MANAGED
        await desk.watch(5)
        assert desk.state(intent) is State.MANAGED, "nothing triggered"
        if exit_by == "hand":
            desk.price("1.08505", "1.08515")  # the bid is where it was bought
            assert await answered(desk, Close(intent, WORDS)) == ()
        else:
            desk.price(*{"stop": ("1.08150", "1.08160"), "target": ("1.09105", "1.09115")}[exit_by])
        await desk.watch(6, 1)
        closed = moved(desk, PositionEvent.CLOSED).body
        assert isinstance(closed, Position)
        assert (closed.from_, closed.state, closed.outcome) == (State.MANAGED, State.CLOSED, outcome)
        assert closed.average_entry is not None and closed.average_exit is not None
        assert closed.realized == (closed.average_exit - closed.average_entry) * 100_000
        (autopsy,) = desk.bodies(Autopsy)
        assert (autopsy.position_id, autopsy.outcome, autopsy.realized) == (
            closed.position_id,
            outcome,
            closed.realized,
        )
        assert desk.broker.truth.held[PAIR] == 0

    _ = walked(walk)


@shows("S32-STL-05", "S32-KIL-04", "S32-KIL-01")
def test_a_close_leaves_on_an_old_context_and_under_every_kill() -> None:
    """Twenty minutes on, the context is stale, the Signalman has killed and the halt latch is up: an entry is refused
    for each of them, and the close goes."""
    latched = [False]
    made = stage(latch=lambda: latched[0])

    async def walk(desk: Stage) -> None:
        intent = await desk.enter(quantity="100000")
        waiting = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
        await desk.watch(20 * 60, 30)
        for kind, scope in (
            (KillKind.SIGNALMAN, "desk"),
            (KillKind.ONE_WAY, f"instrument:{PAIR}"),
            (KillKind.ONE_WAY, "strategy:trend"),
        ):
            _ = desk.act(RaiseKill(desk.fresh(), scope, "drawn", "signalman", kind)).unwrap()
        latched[0] = True
        refused = desk.approve(waiting).failure().reasons
        assert {Reason.KILL_FLAG_ACTIVE, Reason.STATE_CONFLICT} <= set(refused)
        await desk.tick()
        assert desk.state(intent) is State.MANAGED, "what is held keeps its protection"
        assert await answered(desk, Close(intent, WORDS)) == ()
        await desk.watch(6, 1)
        assert desk.state(intent) is State.CLOSED
        assert desk.broker.truth.held[PAIR] == 0

    _ = walked(walk, made)


@shows("S32-CON-09", "S32-SEAM-02")
def test_a_submission_comes_back_with_the_brokers_id_and_a_status() -> None:
    """Each of the three frames: handed over under an id, acknowledged under the broker's own, in a status; the
    position knows them all."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        position = desk.position(intent)
        assert isinstance(position, Open)
        orders = [o for o in desk.bodies(Order) if o.position_id == position.position_id]
        sent = {o.ref: o.order_id for o in orders if o.event is OrderEvent.SENT}
        said = {o.ref: o for o in orders if o.event in (OrderEvent.ACKNOWLEDGED, OrderEvent.ENDED)}
        assert len(sent) == len(set(sent.values())) == 3 and all(sent.values())
        assert set(said) == set(sent)
        assert all(order.perm_id and order.status for order in said.values())

    _ = walked(walk)


@shows("S32-CON-09")
def test_who_submits_learns_the_orders_reference() -> None:
    """The answer to a submission names the order as the broker will know it, before any word of the broker's."""

    async def walk(desk: Stage) -> None:
        intent = await desk.propose()
        _ = desk.approve(intent).unwrap()
        _ = desk.engine.recorder.catch_up()
        said = desk.engine.recorder.act(Submit(CommandId("submit"), intent)).unwrap()
        position = desk.position(intent)
        assert isinstance(position, Open) and position.order_ref.startswith("P1")
        assert (said.facts, position.state) == ({"order_ref": position.order_ref}, State.SUBMITTED)

    _ = walked(walk)


@shows("S32-TOK-09", "S32-TOK-04")
def test_a_tokens_id_is_a_uuid_drawn_from_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen bytes that `secrets` draws make it: the same bytes the same one, others another, and it is a UUID."""
    drawn = ["0a" * 16]
    monkeypatch.setattr("secrets.token_hex", lambda size: drawn[-1] if size == 16 else "")

    async def walk(desk: Stage) -> None:
        says = desk.screen(await desk.propose()).says
        one, again = desk.signature(says).token_id, desk.signature(says).token_id
        drawn.append("0b" * 16)
        other = desk.signature(says).token_id
        assert one == again != other
        assert str(UUID(one)) == one

    _ = walked(walk)


@shows("S32-MOCK-04", "S32-MOCK-03")
@pytest.mark.parametrize(("mode", "some"), [(ChaosMode.INSTANT, False), (ChaosMode.ADVERSARIAL, True)])
def test_a_mock_behaves_as_its_mode_says_from_the_next_order_on(mode: ChaosMode, some: bool) -> None:
    """The dice of six seeds: INSTANT fills each entry whole; ADVERSARIAL refuses, delays or cuts some."""
    short: list[int] = []

    async def walk(desk: Stage) -> None:
        desk.broker.set_mode(mode)
        position = desk.position(await desk.enter(quantity="20000"))
        if not isinstance(position, Open) or position.filled_quantity != 20_000:
            short.append(1)

    for seed in range(1, 7):
        _ = walked(walk, stage(seed=seed))
    assert bool(short) is some
