"""From an approval to the frames: what waits, what takes the permission back, what is told; and what never left."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts.submit import Present, Submit, Withhold
from phoenix_core.beads import (
    Alert,
    Body,
    KillFlag,
    KillKind,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    T2Token,
    Verdict,
)
from phoenix_core.beads import TokenEvent as Token
from phoenix_core.facts import BrokerStatus
from phoenix_core.kernel import Command, decide
from phoenix_core.orders import exit_ref
from phoenix_core.refusals import Reason, refusal
from phoenix_core.trade.positions import Open
from phoenix_core.values import Account, CommandId, Mode, Moment, Role, Side, State
from phoenix_core.watch.codes import Code
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import Stage
from tests.unit.desk.test_last_look import ENTRY
from tests.unit.desk.test_last_look_of_exits import closing, position_of
from tests.unit.desk.test_live import live_stage, permitted, promoted, shadowed
from tests.unit.desk.walks import filled, hear, ref_of, said_of, walked

GBP = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2740", "target": "1.2600"}
SHARE = {"pair": "AAPL", "entry": "190.22", "stop": "188.22", "target": "195.22"}


async def approved(desk: Stage, **overrides: str) -> str:
    """An intent that a human approved, and that the engine has not acted on."""
    intent = await desk.propose(**overrides)
    _ = desk.approve(intent).unwrap()
    _ = desk.engine.recorder.catch_up()
    return intent


def ruled(desk: Stage, command: Command, world: World) -> tuple[set[Reason], list[Body]]:
    """Why a command is refused in a world, and what that leaves."""
    ruling = decide(desk.desk, command, world)
    reasons = set() if is_successful(ruling.result) else set(ruling.result.failure().reasons)
    return reasons, [draft.body for draft in ruling.drafts]


def told(bodies: list[Body]) -> list[str]:
    """The codes of the alerts."""
    return [body.code for body in bodies if isinstance(body, Alert)]


def ends(bodies: list[Body]) -> tuple[list[Token], list[PositionEvent | None]]:
    """What becomes of the token and of the position."""
    return (
        [body.event for body in bodies if isinstance(body, T2Token)],
        [body.event for body in bodies if isinstance(body, Position)],
    )


def fresh(world: World, now: Moment) -> World:
    """The same world later, with prices of that moment."""
    quotes = {symbol: changed(quote, at=now) for symbol, quote in world.quotes.items()}
    return changed(world, now=now, quotes=quotes)


class TestSubmit:
    """All thirteen lights of an approved intent: green, not now, or never."""

    @shows("I2")
    def test_only_what_is_approved_is_submitted(self) -> None:
        """What still waits for its human is neither sent nor withdrawn for it; nor what was sent, nor nobody's."""

        async def walk(desk: Stage) -> None:
            proposed, sent = await desk.propose(), await desk.enter(**GBP)
            for intent in (proposed, sent, "ghost"):
                said = ruled(desk, Submit(CommandId("s"), intent), desk.engine.world())
                assert said == ({Reason.WRONG_STATE}, [])

        _ = walked(walk)

    def test_only_too_many_orders_are_told_while_they_wait(self) -> None:
        """Once an hour; a link that is down is told by others."""

        async def walk(desk: Stage) -> None:
            submit, world = Submit(CommandId("s"), await approved(desk)), desk.engine.world()
            full = changed(world, entry_budget=2)
            assert ruled(desk, submit, changed(world, link=changed(world.link, up=False))) == ({Reason.LINK_DOWN}, [])
            reasons, bodies = ruled(desk, submit, full)
            assert (reasons, told(bodies)) == ({Reason.PACING}, [Code.PACING_LIMITED.value])
            with mock.patch.object(type(desk.broker), "room", return_value=2):
                await desk.tick(1)
            assert ruled(desk, submit, changed(full, now=desk.clock.now())) == ({Reason.PACING}, [])

        _ = walked(walk)

    @shows("I3", "I14")
    def test_what_runs_out_is_told_apart_from_what_is_taken_back(self) -> None:
        """Its five minutes, or the run that it was given in: EXPIRED. A latch: REVOKED. Either way the intent is over,
        also where the token was given up before."""

        async def walk(desk: Stage) -> None:
            intent = await approved(desk)
            submit, world = Submit(CommandId("s"), intent), desk.engine.world()
            late = fresh(world, world.now.plus(timedelta(minutes=5)))
            reasons, bodies = ruled(desk, submit, late)
            assert reasons == {Reason.TOKEN_EXPIRED} and not told(bodies)
            assert ends(bodies) == ([Token.EXPIRED], [PositionEvent.TOKEN_EXPIRED])
            other = desk.desk.tokens.live.copy()
            desk.desk.tokens.live = {name: changed(token, epoch=token.epoch - 1) for name, token in other.items()}
            reasons, bodies = ruled(desk, submit, world)
            assert reasons == {Reason.TOKEN_OTHER_RUN}
            assert ends(bodies) == ([Token.EXPIRED], [PositionEvent.TOKEN_EXPIRED])
            desk.desk.tokens.live = other
            latched = changed(world, latch=True)
            assert ends(ruled(desk, submit, latched)[1]) == ([Token.REJECTED], [PositionEvent.WITHDRAWN])
            with mock.patch.object(type(desk.desk.tokens), "live_for", return_value=None):
                assert ends(ruled(desk, submit, latched)[1]) == ([], [PositionEvent.WITHDRAWN])

        _ = walked(walk)

    @shows("I14")
    def test_a_wrong_account_port_or_mode_is_told(self) -> None:
        """Something is set up wrong: the permission is over, and a human hears why. A kill is no such thing."""

        async def walk(desk: Stage) -> None:
            submit, world = Submit(CommandId("s"), await approved(desk)), desk.engine.world()
            wrong = {
                Reason.ACCOUNT_MISMATCH: changed(world, accounts=(Account("b" * 64, "MOCK"),)),
                Reason.PORT_MISMATCH: changed(world, port=4002),
                Reason.MODE_MISMATCH: changed(world, run=changed(world.run, mode=Mode.PAPER)),
            }
            for reason, other in wrong.items():
                for seen in (other, changed(other, latch=True)):
                    reasons, bodies = ruled(desk, submit, seen)
                    assert reason in reasons and ends(bodies)[1] == [PositionEvent.WITHDRAWN]
                    assert told(bodies) == [Code.GUARD_VIOLATION.value]
            assert told(ruled(desk, submit, changed(world, latch=True))[1]) == []

        _ = walked(walk)

    @shows("I14")
    def test_a_run_that_may_not_trade_real_money_is_told(self) -> None:
        """Somebody started it on a LIVE desk without being asked whether it may: nothing leaves, and that is told."""

        async def walk(desk: Stage) -> None:
            permitted(desk)
            shadowed(desk)
            assert promoted(desk)
            intent, world = await approved(desk), desk.engine.world()
            forbidden = changed(world, run=changed(world.run, allow_live=False))
            reasons, bodies = ruled(desk, Submit(CommandId("s"), intent), forbidden)
            assert (reasons, told(bodies)) == ({Reason.LIVE_NOT_ALLOWED}, [Code.GUARD_VIOLATION.value])

        _ = walked(walk, live_stage())

    @shows("S32-STL-03")
    def test_a_stale_context_stops_its_strategy(self) -> None:
        """The permission is over, the strategy is killed for a while, and that is told."""

        async def walk(desk: Stage) -> None:
            submit, world = Submit(CommandId("s"), await approved(desk)), desk.engine.world()
            reasons, bodies = ruled(desk, submit, changed(world, now=changed(world.now, boot="boot-1")))
            assert Reason.STATE_CONFLICT in reasons and told(bodies) == [Code.STATE_CONFLICT.value]
            flags = [(body.type, body.scope) for body in bodies if isinstance(body, KillFlag)]
            assert flags == [(KillKind.TEMPORARY, "strategy:trend")]

        _ = walked(walk)


class TestPresent:
    """A token does one thing, once; whoever presents it for anything else leaves a refused use, and no more."""

    @shows("I2", "INV-T2-GATE-1")
    def test_a_token_works_for_its_own_intent_alone(self) -> None:
        """Nobody's intent, one that waits, another approved one, no token at all: every reason is named."""

        async def walk(desk: Stage) -> None:
            waiting, mine, theirs = await desk.propose(), await desk.propose(**GBP), await desk.propose(**SHARE)
            _ = desk.approve(mine).unwrap(), desk.approve(theirs).unwrap()
            _ = desk.engine.recorder.catch_up()
            world = desk.engine.world()

            def no(token: str, intent: str, world: World = world) -> set[Reason]:
                reasons, bodies = ruled(desk, Present(CommandId("p"), token, intent), world)
                assert ends(bodies) == ([Token.REJECTED], []) and len(bodies) == 1
                return reasons

            own, wrong = desk.token(mine), {Reason.TOKEN_WRONG_INTENT, Reason.TOKEN_WRONG_ORDER}
            strange = {*wrong, Reason.TOKEN_WRONG_EVIDENCE}
            assert is_successful(decide(desk.desk, Present(CommandId("p"), own, mine), world).result)
            assert no(own, theirs) == strange
            assert no(own, waiting) == {*strange, Reason.WRONG_STATE}
            assert no(own, "ghost") == {*strange, Reason.WRONG_STATE}
            _ = desk.sign(changed(desk.screen(waiting).says, verdict=Verdict.REJECT)).unwrap()
            fresh_one = desk.signal()
            _ = desk.act(proposal_of("", fresh_one, "bot")).unwrap()  # nobody has assembled its evidence yet
            _ = desk.engine.recorder.catch_up()
            (bare,) = [p.intent_id for p in desk.desk.positions.in_state(State.PROPOSED)]
            assert desk.desk.evidence.latest(bare) is None and desk.desk.evidence.latest(waiting) is not None
            assert no(own, bare) == no(own, waiting) == {*strange, Reason.WRONG_STATE}
            assert no("none", mine) == {Reason.TOKEN_MISSING}
            for epoch in (0, None):
                elsewhere = changed(world, run=changed(world.run, epoch=epoch))
                assert no(own, mine, elsewhere) == {Reason.LEASE_LOST, Reason.TOKEN_OTHER_RUN}

        _ = walked(walk)

    @shows("I2")
    def test_a_token_works_once(self) -> None:
        """The order left: the same token, for the same intent, is used, and the intent is not approved any more."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            again = Present(CommandId("p"), desk.token(intent), intent)
            reasons, bodies = ruled(desk, again, desk.engine.world())
            assert {Reason.TOKEN_USED, Reason.WRONG_STATE} <= reasons and ends(bodies) == ([Token.REJECTED], [])

        _ = walked(walk)


class TestWithhold:
    """What the last look refused: no byte left, and the log says so."""

    @pytest.mark.parametrize("given_up", [True, False])
    @shows("I9")
    def test_an_entry_that_was_given_up_waits_for_its_human(self, given_up: bool) -> None:
        """STALLED, or over: its order is told as dropped, and nothing moves but what is SUBMITTED."""
        desk, key, send, world = ENTRY
        no, kept = refusal(Reason.KILL_FLAG_ACTIVE), desk.positions.open.pop(send.position_id)
        if given_up:
            desk.positions.open[send.position_id] = changed(kept, last=changed(kept.last, state=State.STALLED))
        try:
            drafts = decide(desk, Withhold(CommandId("w"), key, send, no), world).drafts
        finally:
            desk.positions.open[send.position_id] = kept
        (dropped,) = [draft.body for draft in drafts]
        assert isinstance(dropped, Order) and dropped.event is OrderEvent.DROPPED

    @shows("I5")
    def test_a_close_that_never_left_was_the_last_of_a_position_that_is_over(self) -> None:
        """The stop sold everything while the close waited for its last look: that withholds it, and with the last order
        the position is closed."""

        async def walk(desk: Stage) -> None:
            intent = await desk.enter()
            held = position_of(desk, intent).held
            looked = closing(desk, intent, None)
            stop, target = (exit_ref(ref_of(desk, intent), role, 1) for role in (Role.STOP, Role.TARGET))
            desk.broker.truth.book.clear()
            with mock.patch.object(type(desk.engine), "_send"):
                await hear(desk, filled(desk, stop, str(held), Side.SELL))
                await hear(
                    desk,
                    said_of(desk, stop, BrokerStatus.FILLED, str(held)),
                    said_of(desk, target, BrokerStatus.CANCELLED),
                )
            over = desk.position(intent)
            assert isinstance(over, Open) and over.closing
            command = Withhold(CommandId("w"), looked[1], looked[2], refusal(Reason.EXIT_TOO_LARGE))
            _, bodies = ruled(desk, command, desk.engine.world())
            assert told(bodies)[0] == Code.CLOSE_NOT_SENT.value
            assert ends(bodies)[1] == [PositionEvent.CLOSED]
            desk.desk.positions.open.pop(over.position_id)
            _, bodies = ruled(desk, command, desk.engine.world())
            assert ends(bodies)[1] == [] and told(bodies) == [Code.CLOSE_NOT_SENT.value]

        _ = walked(walk)
