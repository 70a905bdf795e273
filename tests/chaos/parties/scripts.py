"""The scripts: who meets whom, over what, and what must be true in whatever order they come."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from typing import Final, TypeVar

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.chaos import Fill
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.engine.turn import Turn
from phoenix_adapters.engine.watching import Watchdog
from phoenix_core.acts.operate import Observe, RaiseKill, kill_flag
from phoenix_core.acts.submit import Present, Submit
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Autopsy,
    Body,
    Decision,
    Evidence,
    Execution,
    ExecutionEvent,
    KillEvent,
    KillFlag,
    Kind,
    Lease,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Signal,
    SignalEvent,
    T2Token,
    TokenEvent,
    Verdict,
    bead_id_of,
)
from phoenix_core.checkpoint import Standing, Verifying, behind, open_note
from phoenix_core.desk import Desk
from phoenix_core.gate.statements import Close, Decide
from phoenix_core.kernel import Command, bead_of, sealed
from phoenix_core.refusals import Reason
from phoenix_core.rulings import granted
from phoenix_core.values import CommandId, Role, State, derived_id, text_hash
from phoenix_core.watch.codes import Code
from tests.chaos.crashes.world import Ear
from tests.chaos.parties.room import Room, Set
from tests.chaos.parties.turns import Gate, Gated
from tests.contract.beads.suite import ORIGIN, PRIVATE, SIGNER

B = TypeVar("B", bound=Body)
Made = tuple[object, ...]
Part = Callable[[Room, Gate], None]
# That a life is over, and that an alert was told, may be written down by any process that meets it.
ANYBODYS: Final = {Kind.T2_TOKEN, Kind.POSITION, Kind.ALERT}
WORDS: Final = text_hash("because")
LOG_KEY: Final = Verifying(SIGNER.name, SIGNER.key_id, lambda message, signature: PRIVATE.sign(message) == signature)


@frozen
class Script:
    """Two parties and the promise between them."""

    name: str
    setup: Callable[[Set], Coroutine[object, object, Made]]
    first: Part
    second: Part
    judge: Callable[[Room], None]


def bodies(room: Room, cls: type[B]) -> list[B]:
    """What was written of one kind, in order."""
    return [bead.body for bead in room.written if isinstance(bead.body, cls)]


async def turns_of(engine: Engine) -> None:
    """One round of an engine with everything that it starts."""
    await engine.step()
    await engine.settle()


# --- the parties ------------------------------------------------------------------------------------------------------


def acts(which: int) -> Part:
    """A process carries out the command that was prepared for it."""

    def part(room: Room, gate: Gate) -> None:
        command: Command = room.prepared.made[which]  # type: ignore[assignment]  # a script prepares commands
        _ = room.recorder(gate).act(command)

    return part


def halts(room: Room, gate: Gate) -> None:
    """`halt`: the latch, then a blind append, each tried whatever becomes of the other."""
    gate()
    room.outside.latch = True
    gate()
    command = RaiseKill(CommandId("halt"), "desk", "drill", "operator")
    ruling, now = granted("desk", kill_flag(command)), room.outside.clock.now().wall
    recorder = room.recorder(gate)
    gate()
    _ = recorder.store.append_blind(lambda head: sealed(head, now, command.command_id, ruling))


def engine_goes_on(room: Room, gate: Gate) -> None:
    """The engine takes a round; it is the one that goes on afterwards."""
    room.engine = room.running(gate)
    asyncio.run(turns_of(room.engine))


def old_engine_goes_on(room: Room, gate: Gate) -> None:
    """The engine takes a round, and does not know that another one comes."""
    engine = room.running(gate)
    assert isinstance(engine.store, Gated)
    room.stale = engine.store.landed
    asyncio.run(turns_of(engine))


def engine_takes_over(room: Room, gate: Gate) -> None:
    """Another run takes the lease and opens a session of its own."""
    room.engine = room.another(gate, "run-2")

    async def walk() -> None:
        _ = (await room.engine.start()).unwrap()
        await turns_of(room.engine)

    asyncio.run(walk())


def submits(room: Room, gate: Gate) -> None:
    """The engine spends the token."""
    (submit, _) = room.prepared.made
    assert isinstance(submit, Submit)
    _use(room, gate, submit)


def presents(room: Room, gate: Gate) -> None:
    """The same token is presented once more, by a process of the same run."""
    (_, present) = room.prepared.made
    assert isinstance(present, Present)
    _use(room, gate, present)


def _use(room: Room, gate: Gate, command: Submit | Present) -> None:
    """Whoever spends it goes on afterwards, and sends what it recorded."""
    gate()
    engine = room.running(gate)
    _ = engine.recorder.act(command)
    if engine._mine:
        room.engine = engine


def watches(room: Room, gate: Gate) -> None:
    """The watchdog finds no engine, says so, and speaks for it."""

    async def walk() -> None:
        ears = (Ear(room.outside, lambda what, when: None),)
        turn = Turn(room.folder / "turn")
        dog = Watchdog(room.recorder(gate), room.outside.clock, ears, lambda: False, "dog", turn)
        _ = dog.look()
        await dog.settle()
        turn.give()  # as when its process ends

    asyncio.run(walk())


def signs_checkpoints(room: Room, gate: Gate) -> None:
    """Three checkpoints, one after another, each kept outside."""
    for _ in range(3):
        gate()
        room.outside.note = room.checkpoint()
        room.outside.told.append(room.outside.note)
        gate()


# --- how it begins ----------------------------------------------------------------------------------------------------


async def two_approvals(desk: Set) -> Made:
    """An intent; two people have signed a yes on the same screen."""
    intent = await desk.propose()
    says = desk.screen(intent).says
    return desk.signature(says), desk.signature(says)


async def yes_and_no(desk: Set) -> Made:
    """An intent; one has signed a yes, one a no."""
    intent = await desk.propose()
    return desk.signature(desk.screen(intent).says), desk.signature(Decide(Verdict.REJECT, intent, 0))


async def yes_and_kill(desk: Set) -> Made:
    """An intent; one has signed a yes, one is about to raise a kill."""
    intent = await desk.propose()
    return desk.signature(desk.screen(intent).says), RaiseKill(desk.fresh(), "desk", "drill", "operator")


async def approved(desk: Set) -> str:
    """An approval is in the log, and the engine has not looked yet."""
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    return intent


async def approved_and_kill(desk: Set) -> Made:
    """Approved; a kill is about to be raised."""
    _ = await approved(desk)
    return (RaiseKill(desk.fresh(), "desk", "drill", "operator"),)


async def approved_and_no(desk: Set) -> Made:
    """Approved; the human takes it back."""
    return (desk.signature(Decide(Verdict.REJECT, await approved(desk), 0)),)


async def approved_only(desk: Set) -> Made:
    """Approved."""
    return (await approved(desk),)


async def token_twice(desk: Set) -> Made:
    """Approved; the token is about to be used, and to be presented."""
    intent = await approved(desk)
    return Submit(desk.fresh(), intent), Present(desk.fresh(), desk.token(intent), intent)


async def fill_on_its_way(desk: Set) -> Made:
    """Sent; the fill is what the broker says next."""
    desk.broker.script(Fill(timedelta(seconds=1)))
    intent = await desk.enter()
    desk.clock.advance(timedelta(seconds=1))
    return (intent,)


async def close_and_stop(desk: Set) -> Made:
    """Held; a close is signed, and the stop has just executed."""
    intent = await desk.enter()
    close = desk.signature(Close(intent, WORDS))
    desk.price("1.0815", "1.0816")
    return (close,)


async def two_closes(desk: Set) -> Made:
    """Held; two people have signed a close."""
    intent = await desk.enter()
    return desk.signature(Close(intent, WORDS)), desk.signature(Close(intent, WORDS))


async def two_bodies(desk: Set) -> Made:
    """Two bots send different orders under one intent."""
    name = derived_id("one intent", "x")
    texts = (desk.signal(intent_id=name), desk.signal(intent_id=name, quantity="40000"))
    return tuple(proposal_of("", text, "bot") for text in texts)


async def untold(desk: Set) -> Made:
    """Alerts wait in the outbox."""
    _ = await desk.propose()
    desk.broker.refuse_connects(9)
    desk.broker.cut()
    await desk.tick(1)
    desk.clock.advance(timedelta(seconds=46))
    return ()


async def something_to_say(desk: Set) -> Made:
    """A desk, and an observation that somebody is about to append."""
    return (Observe(desk.fresh(), About.WARNING, "x", {}),)


# --- what must be true ------------------------------------------------------------------------------------------------


def one_decision(room: Room) -> None:
    """I22: exactly one wins, and both attempts are beads."""
    decided = [d for d in bodies(room, Decision) if d.type == "decision"]
    refused = [o for o in bodies(room, Observation) if o.about is About.REFUSED_COMMAND]
    assert (len(decided), len(refused)) == (1, 1)
    assert sum(t.event is TokenEvent.ISSUED for t in bodies(room, T2Token)) == 1
    assert entries_left(room) == 1


def no_is_final(room: Room) -> None:
    """I22: a no that is recorded before the order left is the last word; both attempts are beads."""
    beads = bodies(room, Decision)
    refused = [o for o in bodies(room, Observation) if o.about is About.REFUSED_COMMAND]
    assert len(beads) + len(refused) == 2
    assert entries_left(room) == 0
    assert last_state(room) is State.CANCELLED


def killed(room: Room) -> None:
    """I14: no entry leaves after the kill was durable; what it met alive is taken back."""
    at = [bead.seq for bead in room.written if isinstance(bead.body, KillFlag) and bead.body.event is KillEvent.RAISED]
    assert at, "the kill is in the log"
    assert all(frame.log <= at[0] for frame in room.outside.handed if frame.entry)
    live = Counter(t.id for t in bodies(room, T2Token) if t.event is TokenEvent.ISSUED)
    ended = {t.id for t in bodies(room, T2Token) if t.event is TokenEvent.USED or t.final}
    assert set(live) <= ended, "a token lives under a kill"
    last = [State.PROPOSED, *(position.state for position in bodies(room, Position))]
    came = State.MANAGED if entries_left(room) else State.CANCELLED if live or ended else State.PROPOSED
    assert last[-1] is came, "what left is protected under a kill too"
    told = {alert.alert for alert in bodies(room, Alert) if alert.code == Code.HALTED.value}
    assert told & set(room.outside.told), "a kill of the whole desk is told"


def sent_or_taken_back(room: Room) -> None:
    """I22: the pass comes before the order or is refused; never both, never neither."""
    accepted = any(d.verdict is Verdict.REJECT for d in bodies(room, Decision))
    refused = [o for o in bodies(room, Observation) if o.about is About.REFUSED_COMMAND]
    assert accepted != bool(refused)
    assert entries_left(room) == (0 if accepted else 1)
    assert last_state(room) is (State.CANCELLED if accepted else State.MANAGED)


def fenced(room: Room) -> None:
    """I21: once the lease is another's, the old run writes nothing and sends nothing."""
    taken = lease_of(room)
    assert all(frame.log <= taken for frame in room.outside.handed), "a frame of a stale epoch"
    assert entries_left(room) <= 1
    assert sum(t.event is TokenEvent.USED for t in bodies(room, T2Token)) <= 1
    ended = [t for t in bodies(room, T2Token) if t.event in (TokenEvent.USED, TokenEvent.EXPIRED) or t.final]
    assert len(ended) == 1, "no token outlives its engine"
    recorded = any(o.event is OrderEvent.RECORDED for o in bodies(room, Order))
    assert last_state(room) is (
        State.MANAGED if entries_left(room) else State.STALLED if recorded else State.CANCELLED
    ), "what one run recorded and did not send, the next one cannot know of"


def lease_of(room: Room) -> int:
    """Where the lease changed hands; what the old run wrote after it is only what any process may write."""
    taken = next(bead.seq for bead in room.written if isinstance(bead.body, Lease))
    late = {bead_of(record).body.kind for record in room.stale if record.seq > taken}
    assert late <= ANYBODYS, f"a stale run wrote {late}"
    return taken


def booked_once(room: Room) -> None:
    """I8, I21: whoever hears the fill books it, and nobody a second time."""
    _ = lease_of(room)
    fills = [e.exec_id for e in bodies(room, Execution) if e.event is ExecutionEvent.FILL]
    assert len(fills) == len(set(fills)) == 1
    assert [p.event for p in bodies(room, Position)].count(PositionEvent.FILLED) == 1
    assert last_state(room) is State.MANAGED


def left_once(room: Room) -> None:
    """X1: what was held is left once, whoever was faster; nothing works afterwards, and the close has its answer."""
    truth = room.outside.broker.truth
    left = sum((w.filled for ref, w in truth.book.items() if "." in ref), Decimal(0))
    came = sum((w.filled for ref, w in truth.book.items() if "." not in ref), Decimal(0))
    assert left == came
    assert not any(truth.held.values())
    assert all(w.ends for w in truth.book.values())
    assert last_state(room) is State.CLOSED
    closes = [o for o in bodies(room, Order) if o.event is OrderEvent.RECORDED and o.frames[0].line.role is Role.CLOSE]
    assert len(closes) <= 1
    assert len(bodies(room, Autopsy)) == 1


def one_proposal(room: Room) -> None:
    """I20: one intent is one proposal; the other body is refused with a bead."""
    assert [s.event for s in bodies(room, Signal)] == [SignalEvent.ACCEPTED, SignalEvent.REFUSED]
    assert sum(p.event is PositionEvent.PROPOSED for p in bodies(room, Position)) == 1
    accepted, refused = bodies(room, Signal)
    assert refused.reasons == (Reason.SIGNAL_SEEN_BEFORE.value,)
    shown = bodies(room, Evidence)
    assert accepted.signal is not None
    assert {(e.signal_id, e.sizing.stated) for e in shown} == {(accepted.signal.signal_id, accepted.signal.quantity)}


def spent_once(room: Room) -> None:
    """I3, I1: the token is spent once, by one append; whoever came second is refused."""
    assert sum(t.event is TokenEvent.USED for t in bodies(room, T2Token)) == 1
    assert sum(o.event is OrderEvent.RECORDED for o in bodies(room, Order)) == 1
    assert entries_left(room) == 1
    assert last_state(room) is State.MANAGED
    (_, present) = room.prepared.made
    assert isinstance(present, Present)
    assert room.store.seq_of(bead_id_of(present.command_id, 0)) is not None, "whoever came second is refused aloud"


def told_once(room: Room) -> None:
    """I18: every alert is told by one of the two, and recorded as told once."""
    sent = Counter(a.alert for a in bodies(room, Alert) if a.event is AlertEvent.SENT)
    before: Desk = pickle.loads(room.prepared.desk)
    assert before.alerts.unsent
    assert set(sent) >= set(before.alerts.unsent)
    assert max(sent.values()) == 1
    assert set(sent) <= set(room.outside.told), "what is said to be told was heard"
    assert max(Counter(room.outside.told).values()) == 1


def prefixes(room: Room) -> None:
    """I7: every checkpoint is signed by the log's key and of a prefix of it, each no shorter than the one before."""
    opened = [open_note(note, LOG_KEY) for note in room.outside.told if note.startswith(ORIGIN)]
    assert all(map(is_successful, opened)), "signed by the log's key"
    points = [note.unwrap() for note in opened]
    assert [p.size for p in points] == sorted(p.size for p in points)
    assert all(behind(room.store, point, ORIGIN) is Standing.AGREES for point in points)
    assert len(points) == 3


def entries_left(room: Room) -> int:
    """Entry frames that were handed over."""
    return sum(frame.entry for frame in room.outside.handed)


def last_state(room: Room) -> State:
    """Where the one position of a script is."""
    return bodies(room, Position)[-1].state


SCRIPTS: Final = (
    Script("approve_and_approve", two_approvals, acts(0), acts(1), one_decision),
    Script("approve_and_pass", yes_and_no, acts(0), acts(1), no_is_final),
    Script("approve_and_kill", yes_and_kill, acts(0), acts(1), killed),
    Script("submit_and_kill", approved_and_kill, engine_goes_on, acts(0), killed),
    Script("submit_and_halt", approved_only, engine_goes_on, halts, killed),
    Script("submit_and_pass", approved_and_no, engine_goes_on, acts(0), sent_or_taken_back),
    Script("submit_and_take_over", approved_only, old_engine_goes_on, engine_takes_over, fenced),
    Script("fill_and_take_over", fill_on_its_way, old_engine_goes_on, engine_takes_over, booked_once),
    Script("close_and_stop", close_and_stop, engine_goes_on, acts(0), left_once),
    Script("close_and_close", two_closes, acts(0), acts(1), left_once),
    Script("propose_and_propose", two_bodies, acts(0), acts(1), one_proposal),
    Script("use_and_present", token_twice, submits, presents, spent_once),
    Script("tell_and_watchdog", untold, engine_goes_on, watches, told_once),
    Script("checkpoint_and_append", something_to_say, signs_checkpoints, acts(0), prefixes),
)
