"""The last look: thirteen lights again for an entry, X1 to X4 for an exit, in the step that hands the frame over."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from unittest import mock

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.engine.loop import Engine
from phoenix_cli.wiring.bunny.stage import soft_pen
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.acts.submit import Withhold
from phoenix_core.beads import (
    Limits,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ProofKind,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk, evolve
from phoenix_core.effects import SendOrder
from phoenix_core.facts import Snapshot
from phoenix_core.gate.statements import Close, Enrol, Revoke, SetPolicy, policy_hash
from phoenix_core.kernel import ClearedOrder, bead_of, clear, decide
from phoenix_core.refusals import Reason
from phoenix_core.values import CommandId, OrderRef, Quantity, State
from phoenix_core.world import Link, World
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import WORDS, walked

Looked = tuple[Desk, tuple[int, int], SendOrder, World]


def looking(policy: Policy | None = None) -> tuple[Stage, Looked]:
    """A desk at the very moment of its first last look: what was owed, and in which world."""
    made = stage(policy=policy)

    async def walk(desk: Stage) -> None:
        _ = await desk.enter()

    return made, looks_of(made, walk)[0]


def looks_of(made: Stage, walk: Callable[[Stage], Coroutine[object, object, None]]) -> list[Looked]:
    """The moments of every last look of a walk, each with a desk of its own."""
    found: list[Looked] = []
    original = Engine._send

    def look(engine: Engine, key: tuple[int, int], send: SendOrder) -> None:
        replayed = Desk()
        for record in made.store.read(0):
            replayed = evolve(replayed, bead_of(record))
        found.append((replayed, key, send, engine.world()))
        original(engine, key, send)

    with mock.patch.object(Engine, "_send", look):
        _ = walked(walk, made)
    return found


SECOND = soft_pen("second")
SECOND_KEY = Enrol(SECOND.key, SECOND.public.line, "second", "software")


def another_policy(desk: Stage) -> bool:
    """Another process puts a policy in force that risks less."""
    less = Policy(limits=Limits(), risk_per_trade=Decimal("0.0001"))
    return is_successful(desk.act(changed(desk.signature(SetPolicy(policy_hash(less))), policy=less)))


def revoked_key(desk: Stage) -> bool:
    """Another operator revokes the key that approved."""
    return is_successful(desk.sign(Revoke(desk.pen.key, WORDS), SECOND))


MADE, ENTRY = looking()
CHANGES: dict[str, tuple[Callable[[World], World], set[Reason]]] = {
    "no account": (lambda w: changed(w, accounts=()), {Reason.ACCOUNT_UNKNOWN}),
    "port": (lambda w: changed(w, port=4002), {Reason.PORT_MISMATCH}),
    "exits only": (lambda w: changed(w, run=changed(w.run, exits_only=True)), {Reason.EXITS_ONLY}),
    "lease": (lambda w: changed(w, run=changed(w.run, epoch=0)), {Reason.LEASE_LOST, Reason.TOKEN_OTHER_RUN}),
    "latch": (lambda w: changed(w, latch=True), {Reason.KILL_FLAG_ACTIVE}),
    "latch unreadable": (lambda w: changed(w, latch=None), {Reason.KILL_FLAG_UNREADABLE}),
    "link": (lambda w: changed(w, link=changed(w.link, up=False)), {Reason.LINK_DOWN}),
    "not synchronised": (lambda w: changed(w, link=changed(w.link, synchronised=False)), {Reason.LINK_DOWN}),
    "silent": (
        lambda w: changed(w, link=changed(w.link, round_trip_age=timedelta(seconds=2, microseconds=1))),
        {Reason.LINK_SILENT},
    ),
    "never asked": (lambda w: changed(w, link=changed(w.link, round_trip_age=None)), {Reason.LINK_SILENT}),
    "window": (lambda w: changed(w, link=changed(w.link, in_restart_window=True)), {Reason.RESTART_WINDOW}),
    "skew": (lambda w: changed(w, link=changed(w.link, skew=timedelta(seconds=-6))), {Reason.BROKER_CLOCK_SKEW}),
    "no quote": (lambda w: changed(w, quotes={}), {Reason.QUOTE_MISSING}),
    "no card": (lambda w: changed(w, instruments={}), {Reason.QUOTE_MISSING, Reason.HOURS_UNKNOWN}),
    "old quote": (
        lambda w: changed(w, now=w.now.plus(timedelta(seconds=3)), link=w.link),
        {Reason.QUOTE_STALE},
    ),
    "unsigned": (lambda w: changed(w, verified={}), {Reason.TOKEN_SIGNATURE}),
    "another history": (lambda w: changed(w, roots={}), {Reason.TOKEN_SIGNATURE}),
    "pacing": (lambda w: changed(w, entry_budget=2), {Reason.PACING}),
    "another boot": (
        lambda w: changed(w, now=changed(w.now, boot="boot-1")),
        {Reason.TOKEN_OTHER_RUN, Reason.QUOTE_STALE, Reason.STATE_CONFLICT},
    ),
    "five minutes by ticks": (
        lambda w: changed(w, now=changed(w.now, ticks=w.now.ticks + timedelta(minutes=5))),
        {Reason.TOKEN_EXPIRED, Reason.QUOTE_STALE},
    ),
    "wall back": (
        lambda w: changed(w, now=changed(w.now, wall=w.now.wall - timedelta(seconds=3))),
        {Reason.TOKEN_EXPIRED, Reason.QUOTE_STALE},
    ),
}


class TestEntries:
    """I14, I15, I16: whatever turned red since the order was recorded, no byte leaves."""

    @shows("I2", "I16")
    def test_all_green_is_cleared_as_a_whole(self) -> None:
        """Three frames of one bracket in one hand-over."""
        desk, key, send, world = ENTRY
        cleared = clear(desk, key, send, world).unwrap()
        assert cleared.frames == send.frames and len(cleared.frames) == 3 and cleared.is_entry

    @pytest.mark.parametrize("name", sorted(CHANGES))
    @shows("I14", "I15", "I16", "I17", "F42")
    def test_each_red_light_refuses_by_its_name(self, name: str) -> None:
        """The world changed between the record and the look: the whole set of red lights is told."""
        desk, key, send, world = ENTRY
        change, reasons = CHANGES[name]
        refused = clear(desk, key, send, change(world))
        assert not is_successful(refused), name
        assert set(refused.failure().reasons) == reasons

    @shows("I14", "X4", "S32-KIL-01")
    def test_a_kill_between_record_and_hand_over_withholds(self) -> None:
        """Nothing is sent, the position is CANCELLED by Withheld, the token stays USED."""
        made = stage()
        honest = MemoryStore.hold

        def interrupted(store: MemoryStore) -> object:
            if made.desk.positions.in_state(State.SUBMITTED) and not made.desk.kill_flags.standing:
                _ = made.act(RaiseKill(CommandId("late"), "desk", "now", "operator"))
            return honest(store)

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()

        with mock.patch.object(MemoryStore, "hold", interrupted):
            desk = walked(walk, made)
        last = desk.bodies(Position)[-1]
        assert (last.state, last.event, last.proof.type) == (
            State.CANCELLED,
            PositionEvent.WITHHELD,
            ProofKind.WITHHELD,
        )
        assert Reason.KILL_FLAG_ACTIVE.value in last.reasons
        assert [t.event for t in desk.bodies(T2Token)] == [TokenEvent.ISSUED, TokenEvent.USED]
        assert desk.broker.truth.book == {} and desk.sent == 0
        assert all(order.end is not None for order in desk.desk.orders.of(last.position_id))

    @pytest.mark.parametrize("take_back", [another_policy, revoked_key], ids=lambda each: each.__name__)
    @shows("I14", "I3")
    def test_what_humans_take_back_between_record_and_hand_over_is_withheld(
        self, take_back: Callable[[Stage], bool]
    ) -> None:
        """A policy that allows less, the revocation of the key that approved: the token is spent, no byte leaves."""
        made = stage()
        assert is_successful(made.sign(SECOND_KEY))
        honest, taken = MemoryStore.hold, list[bool]()

        def interrupted(store: MemoryStore) -> object:
            if made.desk.positions.in_state(State.SUBMITTED) and not taken:
                taken.append(take_back(made))
            return honest(store)

        async def walk(desk: Stage) -> None:
            _ = await desk.enter()

        with mock.patch.object(MemoryStore, "hold", interrupted):
            desk = walked(walk, made)
        last = desk.bodies(Position)[-1]
        assert taken == [True] and desk.broker.truth.book == {}
        assert (last.event, last.reasons) == (PositionEvent.WITHHELD, (Reason.TOKEN_REVOKED.value,))

    @shows("I14", "I3")
    def test_what_a_revoked_key_approved_is_withdrawn(self) -> None:
        """It still waited for the link: nothing is recorded to be sent, whatever comes back. Another key's stays."""

        async def walk(desk: Stage) -> None:
            assert is_successful(desk.sign(SECOND_KEY))
            mine = await desk.propose()
            theirs = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2740", target="1.2600")
            with mock.patch.object(MockBroker, "room", return_value=0):  # both wait for the pace, which is no matter
                _ = desk.approve(mine).unwrap()
                _ = desk.approve(theirs, SECOND).unwrap()
                await desk.tick(0.5)
                assert (desk.state(mine), desk.state(theirs)) == (State.APPROVED, State.APPROVED)
                assert revoked_key(desk)
                await desk.tick(0.5)
                assert (desk.state(mine), desk.state(theirs)) == (State.CANCELLED, State.APPROVED)
            await desk.tick(0.5)
            assert desk.state(theirs) in (State.FILLED, State.MANAGED)

        desk = walked(walk)
        (ended,) = [p for p in desk.bodies(Position) if p.state is State.CANCELLED]
        assert Reason.TOKEN_REVOKED.value in ended.reasons
        assert [t.event for t in desk.bodies(T2Token) if t.intent_id == ended.intent_id][-1] is TokenEvent.REJECTED

    def test_what_is_not_owed_is_not_sent(self) -> None:
        """Another key, another order, a second time after the answer."""
        desk, key, send, world = ENTRY
        for asked_key, asked in ((key, changed(send, ref="P1" + "B" * 26)), ((0, 0), send)):
            refused = clear(desk, asked_key, asked, world).failure()
            assert refused.reasons == (Reason.NOTHING_TO_DO,)
        settled = clear(MADE.desk, key, send, world).failure()
        assert settled.reasons == (Reason.NOTHING_TO_DO,)

    @shows("I2", "M4")
    def test_frames_that_differ_from_what_was_approved_are_refused(self) -> None:
        """One unit more in every line, or one child of another size: hash and bracket say so."""
        desk, key, send, world = ENTRY
        for changed_frames in ([0, 1, 2], [1]):
            frames = tuple(
                changed(f, line=changed(f.line, quantity=Quantity(f.line.quantity + 1))) if n in changed_frames else f
                for n, f in enumerate(send.frames)
            )
            forged = changed(send, frames=frames)
            desk.owed[key] = forged
            try:
                reasons = set(clear(desk, key, forged, world).failure().reasons)
            finally:
                desk.owed[key] = send
            wanted = {Reason.TOKEN_WRONG_ORDER} | ({Reason.EXIT_WRONG_SIZE} if changed_frames == [1] else set())
            assert reasons == wanted

    @shows("I2")
    def test_what_was_given_up_is_not_sent(self) -> None:
        """Nobody knew what became of it, and a human was asked: its frames stay where they are."""
        desk, key, send, world = ENTRY
        before = desk.positions.open[send.position_id]
        desk.positions.open[send.position_id] = changed(before, last=changed(before.last, state=State.STALLED))
        try:
            assert clear(desk, key, send, world).failure().reasons == (Reason.WRONG_STATE,)
        finally:
            desk.positions.open[send.position_id] = before
        assert is_successful(clear(desk, key, send, world))

    @shows("I2")
    def test_a_reference_that_is_not_the_positions_is_refused(self) -> None:
        """The frames are those that were approved; the name that the broker would keep of them is another's."""
        desk, key, send, world = ENTRY
        desk.owed[key] = forged = changed(send, ref=OrderRef("P1" + "B" * 26))
        try:
            assert clear(desk, key, forged, world).failure().reasons == (Reason.WRONG_STATE,)
        finally:
            desk.owed[key] = send

    def test_only_the_last_look_makes_a_cleared_order(self) -> None:
        """Passing the gate is a type."""
        _, _, send, _ = ENTRY
        with pytest.raises(AssertionError, match="only the last look"):
            _ = ClearedOrder("p", "r", send.frames, "g", True, object())

    def test_a_withheld_order_is_answered_once(self) -> None:
        """The second answer finds nothing to do, and leaves nothing."""
        desk, key, send, world = ENTRY
        no = clear(desk, key, send, changed(world, latch=True)).failure()
        command = Withhold(CommandId("w"), key, send, no)
        ruling = decide(desk, command, world)
        assert [type(d.body) for d in ruling.drafts] == [Order, Position]
        assert not decide(MADE.desk, command, world).drafts

    def test_the_last_entry_of_the_day_is_not_counted_twice(self) -> None:
        """One entry a day: the one that was recorded is itself that one."""
        policy = Policy(limits=Limits(entries_per_day_max=1))
        made, (desk, key, send, world) = looking(policy)
        assert is_successful(clear(desk, key, send, world))
        assert made.sent == 3, "three frames of one bracket"


class TestExits:
    """X2 every exit frame names its mandate or a signed close younger than 60 s."""

    def close(self) -> tuple[Stage, Looked]:
        """A desk at the last look of a close by hand."""
        made = stage()

        async def walk(desk: Stage) -> None:
            intent = await desk.enter(pair="AAPL", entry="190.22", stop="188.22", target="195.22")
            await desk.tick(6)
            _ = desk.sign(Close(intent, WORDS))
            await desk.tick()

        return made, looks_of(made, walk)[-1]

    @shows("X1", "X2", "X3", "X4", "I14")
    def test_an_exit_passes_under_a_kill_and_fails_for_each_of_its_own_reasons(self) -> None:
        """Never for kill, quote, session or pacing; always for lease, link, account, age, size and doubt."""
        _, (desk, key, send, world) = self.close()
        assert is_successful(clear(desk, key, send, world))
        harmless = changed(world, latch=True, quotes={}, hours={}, instruments={}, entry_budget=0, verified={})
        assert is_successful(clear(desk, key, send, harmless))
        old = changed(world, now=world.now.plus(timedelta(seconds=61)))
        smaller = self._shown(world, Decimal(-100_000))
        cases: list[tuple[World, set[Reason]]] = [
            (changed(world, link=Link()), {Reason.LINK_DOWN, Reason.EXIT_WRONG_SIZE}),
            (changed(world, run=changed(world.run, epoch=None)), {Reason.LEASE_LOST}),
            (changed(world, accounts=()), {Reason.ACCOUNT_UNKNOWN}),
            (changed(world, port=1), {Reason.PORT_MISMATCH}),
            (old, {Reason.EXIT_EXPIRED}),
            (changed(world, snapshot=None), {Reason.EXIT_WRONG_SIZE}),
            (smaller, {Reason.EXIT_WRONG_SIZE}),
        ]
        for changed_world, reasons in cases:
            assert set(clear(desk, key, send, changed_world).failure().reasons) == reasons

    @staticmethod
    def _shown(world: World, quantity: Decimal) -> World:
        snapshot = world.snapshot
        assert isinstance(snapshot, Snapshot)
        held = tuple(changed(held, quantity=quantity) for held in snapshot.positions)
        return changed(world, snapshot=changed(snapshot, positions=held))

    def test_a_mandate_that_is_none_opens_nothing(self) -> None:
        """Another position's evidence, a decision that is not kept, none at all."""
        _, (desk, key, send, world) = self.close()
        for mandate in ("evidence:" + "0" * 64, "decision:999", None):
            forged = changed(send, mandate=mandate)
            desk.owed[key] = forged
            try:
                assert clear(desk, key, forged, world).failure().reasons == (Reason.EXIT_WITHOUT_MANDATE,)
            finally:
                desk.owed[key] = send

    def test_an_exit_of_a_position_that_is_over_is_none(self) -> None:
        """What is owed for a position that ended meanwhile."""
        _, (desk, key, send, world) = self.close()
        gone = changed(send, position_id="ghost")
        desk.owed[key] = gone
        try:
            assert clear(desk, key, gone, world).failure().reasons == (Reason.UNKNOWN_POSITION,)
        finally:
            desk.owed[key] = send

    def test_a_close_that_is_withheld_is_told_and_changes_nothing(self) -> None:
        """Its frame never left; the position stays as it was, and a human hears of it."""
        _, (desk, key, send, world) = self.close()
        no = clear(desk, key, send, changed(world, accounts=())).failure()
        ruling = decide(desk, Withhold(CommandId("w"), key, send, no), world)
        kinds = [d.body.kind.value for d in ruling.drafts]
        assert kinds == ["ORDER", "ALERT"]
        order = ruling.drafts[0].body
        assert isinstance(order, Order) and order.event is OrderEvent.DROPPED
