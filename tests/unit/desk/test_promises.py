"""The promises about a whole desk, each a class: drawn walks of the production engine, judged after every move.

The judges stand in checkers.py and read nothing but what was recorded, what was handed over and what is remembered.
Each class also shows its judge a log in which its promise is broken once, by hand: a judge that passes it is no judge.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final, cast

import pytest
from attrs import define
from attrs import evolve as changed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.chaos import Dawdle, Fate, Fill, Lose, Partial, Reject, Silence
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import (
    About,
    Bead,
    KillEvent,
    KillFlag,
    KillKind,
    Observation,
    Position,
    PositionEvent,
    Proof,
    ProofKind,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.desk import Desk
from phoenix_core.facts import Fact, Snapshot
from phoenix_core.gate.statements import Close, Decide
from phoenix_core.kernel import ClearedOrder
from phoenix_core.ports import Broker
from phoenix_core.values import Quantity, Side, State
from tests.showing import promises, shows
from tests.stage import PAIR, Stage, restarted, stage
from tests.unit.desk import checkers
from tests.unit.desk.seen import Attempt, HandOver, Seen, WatchedStore
from tests.unit.desk.walks import WORDS, filled

Judge = Callable[[Seen, Desk], None]
Move = tuple[str, int]
OTHER: Final = {"pair": "GBPUSD", "entry": "1.2700", "stop": "1.2670", "target": "1.2760"}
FATES: Final[tuple[Fate, ...]] = (
    *(Fill(), Fill(timedelta(seconds=20)), Partial(), Partial(Decimal("0.3"), timedelta(seconds=2))),
    *(Reject(), Silence(), Silence(fills=True), Lose(), Dawdle()),
)


@define
class Witness:
    """A broker in front of the broker: notes each hand-over with the log and the world of its moment."""

    inner: MockBroker
    desk: Stage
    seen: Seen

    def hand_over(self, cleared: ClearedOrder) -> None:
        """Note it, and pass it on."""
        self.seen.handed.append(HandOver(cleared, self.desk.store.head().size, self.desk.engine.world()))
        self.inner.hand_over(cleared)

    def drain(self) -> tuple[Fact, ...]:
        """Note what is told."""
        facts = self.inner.drain()
        self.seen.told.extend((self.desk.store.head().size, fact) for fact in facts)
        return facts

    async def snapshot(self) -> Snapshot:
        """Note the picture that is told."""
        picture = await self.inner.snapshot()
        self.seen.told.append((self.desk.store.head().size, picture))
        return picture

    async def round_trip(self) -> bool:
        """Note when a question was asked that was answered."""
        asked = self.desk.store.head().size, self.desk.clock.now().wall
        answered = await self.inner.round_trip()
        self.seen.answers += [asked] if answered else []
        return answered

    async def connect(self) -> bool:
        """That a session opens is an answer, too."""
        asked = self.desk.store.head().size, self.desk.clock.now().wall
        opened = await self.inner.connect()
        self.seen.answers += [asked] if opened else []
        return opened

    def cancel(self, ref: str) -> None:
        """Note what is asked to end."""
        self.seen.cancels.append((self.desk.store.head().size, ref))
        self.inner.cancel(ref)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@define
class Walk:
    """A desk under a witness, and what its people and its broker do to it."""

    desk: Stage
    seen: Seen
    intents: list[str]
    runs: int = 1

    def watch(self) -> None:
        """Stand between this run's engine and its broker."""
        witness = cast(Broker, Witness(self.desk.broker, self.desk, self.seen))
        self.desk.engine.broker = self.desk.engine.link.broker = witness

    async def do(self, what: str, much: int) -> None:
        """One move; what the desk refuses is an answer like any other."""
        desk, intent = self.desk, self.intents[much % len(self.intents)]
        match what:
            case "propose":
                self.intents.append(await desk.propose(**(OTHER if much % 2 else {})))
            case "approve" | "reject":
                verdict = Verdict.APPROVE if what == "approve" else Verdict.REJECT
                self.decide(intent, verdict)
            case "close":
                held = [p.position_id for s in (State.FILLED, State.MANAGED) for p in desk.desk.positions.in_state(s)]
                if held:
                    _ = desk.sign(Close(held[much % len(held)], WORDS, None))
            case "kill":
                scope = "desk" if much % 3 else f"instrument:{PAIR}"
                _ = desk.act(RaiseKill(desk.fresh(), scope, "drawn", "signalman", KillKind.SIGNALMAN))
            case "late":
                refs = [p.order_ref for p in desk.bodies(Position) if p.intent_id == intent and p.order_ref]
                if refs:
                    late = filled(desk, refs[0], "100", exec_id=f"late.{much}.01")
                    again = (said for said in self.seen.executions if said.exec_id == late.exec_id)
                    desk.broker.tell(next(again, late))  # told again it is the same execution, at the same time
            case "by hand":
                desk.broker.trade_by_hand("AAPL", Side.BUY, Quantity(Decimal(10)))
            case "cut":
                desk.broker.cut()
            case "restart":
                self.runs += 1
                self.desk = restarted(desk, f"run-{self.runs}")
                self.watch()
                self.desk.broker.cut()
                await self.desk.start()
        await self.desk.tick(much if what == "wait" else 0.5)

    def decide(self, intent: str, verdict: Verdict) -> None:
        """A human decides what still waits."""
        desk = self.desk
        if desk.state(intent) is State.PROPOSED and desk.desk.evidence.latest(intent) is not None:
            says = desk.screen(intent).says if verdict is Verdict.APPROVE else Decide(verdict, intent, 0)
            sign, before = desk.signature(says), desk.store.head().size
            _ = desk.act(sign)
            said = Attempt(sign.checked.statement.decode(), sign.checked.key, before, desk.store.head().size)
            self.seen.signed.append(said)


def walked(moves: list[Move], fate: Fate, judge: Judge = lambda seen, desk: None) -> Walk:
    """Make these moves on a fresh desk, and let the judge look after each of them."""

    async def go() -> Walk:
        store = WatchedStore()
        desk = stage(store)
        walk = Walk(desk, Seen(store), [])
        walk.watch()
        desk.broker.script(*[fate] * 9)
        await desk.start()
        walk.intents.append(await desk.propose())
        for what, much in moves:
            await walk.do(what, much)
            walk.seen.catch_up()
            judge(walk.seen, walk.desk.desk)
        return walk

    return asyncio.run(go())


kinds: Final = ["propose", *["approve"] * 3, "reject", "wait", "close", "kill", "late", "by hand", "cut", "restart"]
moves: Final = st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 70)), min_size=3, max_size=10)
fates: Final = st.sampled_from(FATES)
# Entered, held over a restart, closed by hand; another intent under a kill; a word after the end.
STORY: Final[list[Move]] = [
    *(("approve", 0), ("wait", 5), ("restart", 0), ("wait", 9), ("close", 0), ("wait", 5), ("late", 0), ("wait", 2)),
    *(("propose", 1), ("kill", 1), ("approve", 1), ("wait", 5)),
]


@cache
def story() -> Walk:
    """What happened in it, for judges to be shown otherwise."""
    return walked(STORY, Fill())


def holds(judge: Judge) -> Callable[..., None]:
    """The property of one judge, as a test of its own: Hypothesis shares nothing between classes."""

    @settings(max_examples=max(5, settings().max_examples // 8))
    @given(moves=moves, fate=fates)
    @example(moves=STORY, fate=Fill())
    @example(moves=[("approve", 0), ("late", 0), ("late", 0)], fate=Fill())
    @example(moves=[("approve", 0), ("wait", 70), ("late", 0), ("wait", 9)], fate=Silence())
    def after_every_move(self: object, moves: list[Move], fate: Fate) -> None:
        """Whatever people, broker and clock do, in whatever order."""
        _ = walked(moves, fate, judge)

    return after_every_move


class Promise:
    """What each class below does: judge every walk, and see its judge red over one that breaks the promise."""

    @staticmethod
    def judge(seen: Seen, desk: Desk) -> None:
        """Who looks at it."""
        raise AssertionError("each promise has its own judge")

    def broken(self, seen: Seen) -> None:
        """Break it, once."""
        raise AssertionError("each promise is broken in its own way")

    def test_its_judge_is_red_where_it_is_broken(self) -> None:
        """The same judge passes the story as it was, and not as it was altered."""
        walk = story()
        type(self).judge(walk.seen, walk.desk.desk)
        other = walk.seen.copy()
        self.broken(other)
        with pytest.raises(AssertionError):
            type(self).judge(other, walk.desk.desk)


def place_of(seen: Seen, so: Callable[[Bead], bool]) -> int:
    """Where the first such bead stands."""
    return next(place for place, bead in enumerate(seen.beads) if so(bead))


def altered(seen: Seen, so: Callable[[Bead], bool], **changes: Any) -> None:
    """Say something else in the body of the first such bead."""
    place = place_of(seen, so)
    seen.beads[place] = changed(seen.beads[place], body=changed(seen.beads[place].body, **changes))


def is_event(event: PositionEvent) -> Callable[[Bead], bool]:
    """A POSITION bead of this event."""
    return lambda bead: isinstance(bead.body, Position) and bead.body.event is event


@shows("I1")
class TestAtMostOnce(Promise):
    """I1: at-most-once: for all i: abs({f in F : f.ref = ref(i)}) <= 1, over all processes and restarts."""

    judge = staticmethod(checkers.i1_at_most_once)
    test_holds_after_every_move = holds(checkers.i1_at_most_once)

    def broken(self, seen: Seen) -> None:
        """The entry is handed over again."""
        seen.handed.append(seen.entries[0])


@shows("I2")
class TestAuthorisedBytes(Promise):
    """I2: authorised bytes: for all f in F exists exactly one t in T: t.intent = f.ref, t.state = USED,
    consume_seq(t) < send_seq(f), t.evidence = H(account, conId, side, qty, type, limit, aux, tif, outsideRth, ... of f
    as serialised; the five fields bound at hand-over are checked by their rule), and f sent before t's expiry."""

    judge = staticmethod(checkers.i2_authorised)
    test_holds_after_every_move = holds(checkers.i2_authorised)

    def broken(self, seen: Seen) -> None:
        """The token was made for other lines."""
        altered(seen, lambda b: isinstance(b.body, T2Token) and b.body.event is TokenEvent.USED, order_hash="00" * 32)


@shows("I3")
class TestTokenSingleUse(Promise):
    """I3: token single use: each t consumed at most once; a token never leaves USED/EXPIRED/REVOKED; no two live
    tokens for one intent; editing an intent revokes its token."""

    judge = staticmethod(checkers.i3_single_use)
    test_holds_after_every_move = holds(checkers.i3_single_use)

    def broken(self, seen: Seen) -> None:
        """It is used a second time."""
        spent = place_of(seen, lambda b: isinstance(b.body, T2Token) and b.body.event is TokenEvent.USED)
        seen.beads.append(seen.beads[spent])


@shows("I4")
class TestWriteAhead(Promise):
    """I4: write-ahead: when f is sent, bead(i, SUBMITTED, token, evidence) is in the synced part of the store."""

    judge = staticmethod(checkers.i4_write_ahead)
    test_holds_after_every_move = holds(checkers.i4_write_ahead)

    def broken(self, seen: Seen) -> None:
        """The frame left on the head that was there before SUBMITTED."""
        submitted = place_of(seen, is_event(PositionEvent.SUBMITTED))
        seen.handed[0] = changed(seen.handed[0], size=submitted)


@shows("I5")
class TestLegalGaplessOneBead(Promise):
    """I5: legal, gapless, one bead: each consecutive pair of states of i is in the allowed relation (9x9 table, fixed
    in one file); #transition beads(i) = #transitions(i); per-intent and global seq have no gap or repeat; no transition
    without a bead and no transition bead without a transition."""

    judge = staticmethod(checkers.i5_legal)
    test_holds_after_every_move = holds(checkers.i5_legal)

    def broken(self, seen: Seen) -> None:
        """A transition has no bead: the one after it starts from a state in which nobody was."""
        altered(seen, is_event(PositionEvent.PROTECTED), from_=State.SUBMITTED)


@shows("I7")
class TestChain(Promise):
    """I7: chain: bead[n].prev = H(bead[n-1]); every published checkpoint (size, root) is a prefix of the present log;
    log size >= last witnessed size."""

    judge = staticmethod(checkers.i7_chain)
    test_holds_after_every_move = holds(checkers.i7_chain)

    def broken(self, seen: Seen) -> None:
        """A bead is not what it was when it was read."""
        seen.data[1] = seen.data[1].replace(b"operator", b"Operator")


@shows("I8")
class TestQuantity(Promise):
    """I8: quantity: exact Decimal; 0 <= filled(i) <= qty(i) else OVERFILL drift; filled(i) = Σ latest revision of
    distinct exec families; filled decreases only by a correction bead; execs of i all carry (account, permId/orderRef)
    of i."""

    judge = staticmethod(checkers.i8_quantity)
    test_holds_after_every_move = holds(checkers.i8_quantity)

    def broken(self, seen: Seen) -> None:
        """The close remembers one unit more than was executed."""
        place = place_of(seen, is_event(PositionEvent.CLOSED))
        body = seen.beads[place].body
        assert isinstance(body, Position)
        altered(seen, is_event(PositionEvent.CLOSED), filled_quantity=body.filled_quantity + 1)


@shows("I9")
class TestEvidenceForEnds(Promise):
    """I9: evidence for ends: SUBMITTED/STALLED -> FILLED/CANCELLED/REJECTED only with the id of a broker message (or a
    named operator decision bead); a timer can only cause STALLED, an alert, a cancel request or the mandate's time
    exit."""

    judge = staticmethod(checkers.i9_evidence)
    test_holds_after_every_move = holds(checkers.i9_evidence)

    def broken(self, seen: Seen) -> None:
        """A rule of ours says that it was filled."""
        altered(seen, is_event(PositionEvent.FILLED), proof=Proof(ProofKind.RULE, "a timer"))


@shows("I10")
class TestAbsorbing(Promise):
    """I10: absorbing: CLOSED, CANCELLED, REJECTED are never left; later broker facts become observation beads + drift,
    none is dropped: #broker messages received = #processed + #quarantined."""

    judge = staticmethod(checkers.i10_absorbing)
    test_holds_after_every_move = holds(checkers.i10_absorbing)

    def broken(self, seen: Seen) -> None:
        """The word after the end has no drift."""
        altered(seen, lambda b: isinstance(b.body, Observation) and b.body.about is About.LATE_FACT, subject="another")


@shows("I11")
class TestDetectOnly(Promise):
    """I11: detect only: a reconcile step adds only drift/observation beads: F, cancels, states, quantities
    unchanged."""

    judge = staticmethod(checkers.i11_detect_only)
    test_holds_after_every_move = holds(checkers.i11_detect_only)

    def broken(self, seen: Seen) -> None:
        """Beside a picture a quantity is put right by rule."""
        looked = place_of(seen, lambda b: isinstance(b.body, Observation) and b.body.about is About.SNAPSHOT)
        held = seen.beads[place_of(seen, is_event(PositionEvent.PROTECTED))]
        assert isinstance(held.body, Position)
        put_right = changed(held.body, event=None, from_=State.MANAGED, proof=Proof(ProofKind.RULE, "reconcile"))
        there = seen.beads[looked]
        seen.beads.insert(looked + 1, changed(held, seq=there.seq + 1, ts=there.ts, body=put_right))


@shows("I13")
class TestHonestSnapshot(Promise):
    """I13: honest snapshot: a cycle whose any part timed out, was cut or spans a session change has verdict UNKNOWN;
    UNKNOWN never yields "missing", "flat" or "ok"; N in a row escalates."""

    judge = staticmethod(checkers.i13_honest)
    test_holds_after_every_move = holds(checkers.i13_honest)

    def broken(self, seen: Seen) -> None:
        """The picture that was believed had been cut."""
        for place, (size, fact) in enumerate(seen.told):
            if isinstance(fact, Snapshot):
                seen.told[place] = (size, changed(fact, missing=("positions",)))


@shows("I14")
class TestKill(Promise):
    """I14: kill: if kill bead k is durable: no f with send_seq(f) > k; cancels still allowed; survives restart;
    unreadable flag = killed; cleared only by an authorised bead; needs neither notifier, broker, nor free disk to
    refuse."""

    judge = staticmethod(checkers.i14_kill)
    test_holds_after_every_move = holds(checkers.i14_kill)

    def broken(self, seen: Seen) -> None:
        """The flag stood before the entry left."""
        flag = KillFlag(KillEvent.RAISED, "early", KillKind.ONE_WAY, "desk", "test", "operator")
        place = seen.entries[0].size - 1
        seen.beads[place] = changed(seen.beads[place], body=flag)


@shows("I16")
class TestGate(Promise):
    """I16: gate: f only if link READY (this session's full sync done, round trip <= 2 s old), not in a restart window,
    price age <= limit, no blocking drift, lease held."""

    judge = staticmethod(checkers.i16_gate)
    test_holds_after_every_move = holds(checkers.i16_gate)

    def broken(self, seen: Seen) -> None:
        """The last round trip was older than two seconds."""
        world = seen.entries[0].world
        old = changed(world.link, round_trip_age=timedelta(seconds=2, microseconds=1))
        seen.handed[0] = changed(seen.handed[0], world=changed(world, link=old))


@shows("I19")
class TestHeartbeatTruth(Promise):
    """I19: heartbeat truth: heartbeat is sent only if since the last one the loop, a store commit and a broker round
    trip (or a declared outage) happened."""

    judge = staticmethod(checkers.i19_heartbeat)
    test_holds_after_every_move = holds(checkers.i19_heartbeat)

    def broken(self, seen: Seen) -> None:
        """Nobody answered before it."""
        seen.answers.clear()


@shows("I22")
class TestOneDecision(Promise):
    """I22: one decision: concurrent approve/reject: exactly one wins, both attempts are beads; approver != proposer
    when four-eyes is on."""

    judge = staticmethod(checkers.i22_one_decision)
    test_holds_after_every_move = holds(checkers.i22_one_decision)

    def broken(self, seen: Seen) -> None:
        """It is approved once more."""
        seen.beads.append(seen.beads[place_of(seen, is_event(PositionEvent.APPROVED))])


@shows("X3")
class TestExitGate(Promise):
    """X3: account, port, mode, lease and liveness hold for every exit frame."""

    judge = staticmethod(checkers.x3_exit_gate)
    test_holds_after_every_move = holds(checkers.x3_exit_gate)

    def broken(self, seen: Seen) -> None:
        """It left under another run's epoch."""
        place = next(n for n, handed in enumerate(seen.handed) if not handed.cleared.is_entry)
        world = seen.handed[place].world
        seen.handed[place] = changed(seen.handed[place], world=changed(world, run=changed(world.run, epoch=0)))


def test_every_promise_about_a_desk_has_its_class() -> None:
    """Word for word with its id, here or beside the wing that judges it; and this module has no class without one."""
    told = {cls.__doc__ for cls in Promise.__subclasses__()}
    words = {" ".join(re.sub(r"\s+", " ", doc or "").split()) for doc in told}
    known = {f"{one.id}: {one.says}" for one in promises().values() if one.area == "desk_invariants"}
    assert {doc for doc in words if not doc.startswith("X")} <= known
    assert {doc.partition(":")[0] for doc in words} == {
        *("I1", "I2", "I3", "I4", "I5", "I8", "I7", "I9", "I10", "I11", "I13", "I14", "I16", "I19", "I22", "X3")
    }
