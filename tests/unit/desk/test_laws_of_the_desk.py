"""The laws of the five functions, on the production desk: one log, one order of events, nothing twice, nothing lost."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import get_args

import pytest
from attrs import evolve as changed
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.beads.memory import MemoryLog, MemoryStore
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.recorder import Recorder
from phoenix_core import kernel
from phoenix_core.acts import exits, propose, timed
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import RaiseKill, ReleaseLease
from phoenix_core.acts.submit import Submit
from phoenix_core.beads import (
    About,
    Bead,
    Decision,
    KillFlag,
    Observation,
    Position,
    Signal,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.chain import Conflict, Fault, Head, Sealed, StateSnapshot, StoreFault
from phoenix_core.desk import MEANING, SLICES, SNAPSHOT_SCHEMA, Desk, Tenure, evolve, freeze, layout_of, thaw
from phoenix_core.facts import FrameSaid
from phoenix_core.gate.statements import Decide
from phoenix_core.kernel import decide, due, sealed
from phoenix_core.records import to_json
from phoenix_core.refusals import Reason
from phoenix_core.values import BadInput, CommandId
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.walks import a_day, walked


class TestReplay:
    """I6 rebuild: fold(B) = live, byte for byte in canonical JSON, and memory export = SQLite export."""

    @shows("I6", "I5", "M24")
    def test_every_prefix_replays_to_what_was_live_there(self) -> None:
        """What the engine held after each bead is what a replay of that prefix gives."""
        made = stage()
        live: dict[int, bytes] = {0: freeze(Desk())}

        def note(bead: Bead) -> None:
            live[bead.seq + 1] = freeze(made.desk)

        made.engine.on_bead = note
        desk = walked(a_day, made)
        replayed, states = Desk(), set()
        for bead in desk.beads():
            replayed = evolve(replayed, bead)
            if bead.seq + 1 in live:
                assert freeze(replayed) == live[bead.seq + 1], f"after bead {bead.seq} {bead.body.kind}"
            if isinstance(bead.body, Position):
                states.add(bead.body.state)
        assert len(live) > 60 and len(states) >= 7, "the day visited most states"

    def test_a_frozen_desk_is_spelt_as_records_are(self) -> None:
        """The straight-line spelling of a desk is, byte for byte, the one that `records` gives."""
        desk = walked(a_day).desk
        slices = {name: to_json(getattr(desk, name)) for name in SLICES}
        whole = {"head": to_json(desk.head), "owed": [list(key) for key in desk.owed], "slices": slices}
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert freeze(desk) == text.encode()

    @shows("I6")
    def test_a_desk_comes_back_from_its_snapshot(self) -> None:
        """Frozen at any place and thawed, it goes on as if nothing had been: obligations are read off the beads."""
        beads = walked(a_day).beads()
        whole = Desk()
        for bead in beads:
            whole = evolve(whole, bead)
        for cut in range(0, len(beads), 17):
            half = Desk()
            for bead in beads[:cut]:
                half = evolve(half, bead)
            again = thaw(freeze(half), lambda seq: beads[seq])
            assert again.owed == half.owed
            for bead in beads[cut:]:
                again = evolve(again, bead)
            assert freeze(again) == freeze(whole)

    @shows("I6")
    def test_a_snapshot_of_another_layout_is_not_read(self) -> None:
        """Whatever it holds: the log is folded anew, and the next one is kept under the present name."""
        made = walked(a_day)
        size = made.desk.head.size
        for schema in ("desk/1", "desk/2", f"desk/{MEANING}/{layout_of({**SLICES, 'tokens': Tenure})}"):
            made.store.save_snapshot(StateSnapshot(size, made.store.root(size), schema, b"of another time"))
            recorder = made.other()
            assert recorder.wake() == size
            assert freeze(recorder.desk) == freeze(made.desk)
        recorder.keep()
        assert made.other().wake() == 0

    def test_every_slice_is_part_of_the_layout(self) -> None:
        """Change what any one of them is made of, and the snapshots of yesterday go by another name."""
        names = {layout_of(SLICES)} | {layout_of({**SLICES, name: Head}) for name in SLICES}
        assert len(names) == len(SLICES) + 1
        assert SNAPSHOT_SCHEMA.endswith(layout_of(SLICES))

    def test_a_bead_out_of_its_place_is_a_bug(self) -> None:
        """And a desk without a genesis does not say whose it is."""
        beads = walked(a_day).beads()
        with pytest.raises(AssertionError, match="does not follow"):
            _ = evolve(Desk(), beads[1])
        with pytest.raises(BadInput, match="no genesis"):
            _ = Desk().genesis


class Racing(MemoryStore):
    """A handle that lets somebody else in before some of its appends."""

    def __init__(self, log: MemoryLog, before: Callable[[], object] | None = None, unknown: int = 0) -> None:
        """Share a log; `before` runs once before the first append; `unknown` appends land and say that they may not."""
        super().__init__(log)
        self.before, self.unknown, self.tries = before, unknown, 0

    def append(
        self, expected: Head, beads: Sequence[Sealed], texts: Mapping[str, str] | None = None
    ) -> Result[Head, Conflict]:
        """As ever, with a rival or a lost answer."""
        self.tries += 1
        rival, self.before = self.before, None
        if rival is not None:
            _ = rival()
        landed = super().append(expected, beads, texts)
        if self.unknown:
            self.unknown -= 1
            raise StoreFault(Fault.UNKNOWN, "the answer was lost")
        return landed


def another(desk: Stage, store: MemoryStore) -> Recorder:
    """A recorder of another process over another handle on the log."""
    return Recorder(store, lambda _: desk.other().world(Desk()))


class TestOneHead:
    """Two decisions on one head: exactly one lands; the other looks again and decides anew."""

    @pytest.mark.parametrize(
        ("first", "second"), list(itertools.product([Verdict.APPROVE, Verdict.REJECT], repeat=2)), ids=str
    )
    @shows("I22", "M25", "I3")
    def test_racing_verdicts_leave_one_decision(self, first: Verdict, second: Verdict) -> None:
        """Approve or reject, in both orders, between decision and append: one token at most, both attempts kept."""

        async def race(desk: Stage) -> None:
            intent = await desk.propose()
            says = {Verdict.APPROVE: desk.screen(intent).says, Verdict.REJECT: Decide(Verdict.REJECT, intent, 0)}
            late, early = desk.signature(says[first]), desk.signature(says[second])
            assert isinstance(desk.store, MemoryStore)
            mine = Racing(desk.store.log, lambda: desk.act(early))
            result = another(desk, mine).act(late)
            decided = desk.bodies(Decision)
            approved = [d for d in decided if d.verdict is Verdict.APPROVE]
            refused = [o for o in desk.bodies(Observation) if o.about is About.REFUSED_COMMAND]
            assert mine.tries == 2, "the first append met the rival's"
            assert len(approved) <= 1 and len(decided) + len(refused) == 2
            # Any reject wins, also over an approve that was there first; nothing else follows a decision.
            assert is_successful(result) is (first is Verdict.REJECT and second is Verdict.APPROVE)
            assert len([t for t in desk.bodies(T2Token) if t.event is TokenEvent.ISSUED]) == len(approved)

        _ = walked(race)

    @shows("I20")
    def test_one_signal_through_two_doors_is_one_intent(self) -> None:
        """The same bytes, at once, in two processes."""

        async def race(desk: Stage) -> None:
            data = desk.signal()
            command = proposal_of("", data, "bot")
            assert isinstance(desk.store, MemoryStore)
            mine = Racing(desk.store.log, lambda: desk.act(command))
            _ = another(desk, mine).act(command)
            assert len(desk.bodies(Signal)) == 1

        _ = walked(race)

    @shows("I4", "F60")
    def test_an_append_whose_answer_was_lost_is_not_made_twice(self) -> None:
        """It landed: the next round finds its bead by its id."""

        async def lose(desk: Stage) -> None:
            assert isinstance(desk.store, MemoryStore)
            mine = Racing(desk.store.log, unknown=1)
            result = another(desk, mine).act(RaiseKill(CommandId("once"), "desk", "test", "operator"))
            assert is_successful(result) and mine.tries == 1
            assert len(desk.bodies(KillFlag)) == 1

        _ = walked(lose)

    @shows("F60")
    def test_a_lost_answer_is_the_answer_of_what_landed(self) -> None:
        """Decided again it would be refused, because it has happened already; the asker hears what did happen."""

        async def lose(desk: Stage) -> None:
            assert isinstance(desk.store, MemoryStore)
            mine = Recorder(Racing(desk.store.log, unknown=1), lambda _: desk.engine.world())
            released = mine.act(ReleaseLease(CommandId("once")))
            assert is_successful(released) and released.unwrap().subject == desk.engine.run.run

        _ = walked(lose)

    def test_a_retry_makes_the_same_ids(self) -> None:
        """On any head, at any time: the id of a bead follows from its command alone."""
        desk = walked(a_day)
        command = RaiseKill(CommandId("same"), "desk", "test", "operator")
        world = desk.other().world(desk.desk)
        made = [
            [
                s.bead_id
                for s in sealed(head, world.now.wall + late, command.command_id, decide(desk.desk, command, world))
            ]
            for head, late in ((desk.desk.head, timedelta(0)), (Head(3, "ab" * 32), timedelta(hours=1)))
        ]
        assert made[0] == made[1] and len(made[0]) == 1


class TestDue:
    """`due` is idempotent and needs no memory; a refusal of what it asks for leaves no bead."""

    def test_asking_twice_and_acting_twice_adds_nothing(self) -> None:
        """At every place of a day: what is due is the same when asked again, and done once."""
        made = stage()

        async def walk(desk: Stage) -> None:
            await a_day(desk)
            for _ in range(6):
                desk.clock.advance(timedelta(seconds=31))
                now = desk.clock.now()
                asked = due(desk.desk, now)
                assert asked == due(desk.desk, now)
                for command in asked:
                    _ = desk.engine.recorder.act(command)
                    size = desk.desk.head.size
                    again = desk.engine.recorder.act(command)
                    assert desk.desk.head.size == size, f"{command} was done twice: {again}"

        _ = walked(walk, made)

    def test_every_command_has_one_handler(self) -> None:
        """The families' tables are exactly the commands of the kernel."""
        flat: set[type] = set()
        for cls in get_args(kernel.Command):
            flat |= set(get_args(cls)) or {cls}
        assert set(kernel._HANDLERS) == flat
        assert flat >= kernel.ENGINE_ONLY

    def test_what_due_asks_in_vain_leaves_nothing(self) -> None:
        """Each kind of command that `due` may yield, on a desk where there is nothing of it to do."""
        desk = walked(a_day)
        world = desk.engine.world()
        key = CommandId("vain")
        vain: list[kernel.Command] = [
            timed.ExpireToken(key, "ghost"),
            timed.Withdraw(key, "ghost", "x"),
            timed.Stall(key, "ghost", "x", (0, 0)),
            timed.CancelRest(key, "ghost"),
            timed.Manage(key, "ghost"),
            timed.Alarm(key, "ghost"),
            timed.Doubt(key, "ghost"),
            timed.LiftByRule(key, "ghost"),
            timed.Prove(key),
            timed.ObserveQuotes(key, ()),
            timed.ObserveQuotes(key, ("GHOST",)),
            propose.Assemble(key, "ghost"),
            propose.LookAgain(key, "ghost"),
            propose.Announce(key, "ghost"),
            Submit(key, "ghost"),
            exits.Carry(key, 0, 0),
            exits.Resize(key, "ghost"),
            exits.Restore(key, "ghost"),
            exits.LeaveOnTime(key, "ghost"),
            exits.ClearAway(key, "ghost"),
        ]
        for command in vain:
            ruling = decide(desk.desk, command, world)
            assert not is_successful(ruling.result) and not ruling.drafts, f"{command} left {ruling.drafts}"

    @shows("I21", "F65")
    def test_an_engine_without_its_lease_records_nothing(self) -> None:
        """Every command of the engine, under a stale epoch and under none, once released too."""
        desk = walked(a_day)
        for epoch in (None, 0, desk.desk.tenure.epoch - 1):
            world = changed(desk.engine.world(), run=changed(desk.engine.run, epoch=epoch))
            asked: tuple[kernel.Command, ...] = (
                Submit(CommandId("x"), "y"),
                Said(CommandId("x"), FrameSaid("r", 1, True)),
            )
            for command in asked:
                ruling = decide(desk.desk, command, world)
                assert ruling.result.failure().reasons == (Reason.LEASE_LOST,) and not ruling.drafts
        desk.engine.stop()
        assert due(desk.desk, desk.clock.now()) == ()
        ruling = decide(desk.desk, Submit(CommandId("x"), "y"), desk.engine.world())
        assert ruling.result.failure().reasons == (Reason.LEASE_LOST,)
