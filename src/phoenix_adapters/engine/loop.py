"""The only loop: catch up, drain, decide, record, perform. It knows ports, and no adapter.

Nothing is decided here. Inputs become commands, commands become beads, and beads oblige effects; an effect that places
an order is performed only by the run that recorded it, inside `store.hold()`, after the last look.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import Factory, define, evolve, field
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_adapters.engine.folders import Folders
from phoenix_adapters.engine.link import LinkKeeper
from phoenix_adapters.engine.margins import Margins
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.signatures import Signatures
from phoenix_adapters.engine.telling import Teller, mark_of
from phoenix_adapters.engine.turn import Turn
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.operate import Degraded, ReleaseLease, ReportSent, Settle
from phoenix_core.acts.reconcile import unheard
from phoenix_core.acts.submit import Withhold, rehearse
from phoenix_core.acts.vital import Beat, signs_of
from phoenix_core.acts.vouching import Disown, unvouched
from phoenix_core.beads import Bead, Order, Settlement, Settles
from phoenix_core.chain import StoreFault
from phoenix_core.effects import (
    AfterRestart,
    ArchiveInput,
    CancelOrder,
    CarryOut,
    Effect,
    Notify,
    Reconcile,
    SendOrder,
    SignCheckpoint,
    WriteResponse,
)
from phoenix_core.facts import CancelSaid, Fact, LinkSaid, Snapshot
from phoenix_core.kernel import Command, clear, due
from phoenix_core.ports import BeadStore, Broker, Clock, Notifier, Seam, Verifier
from phoenix_core.refusals import Refusal
from phoenix_core.rulings import Accepted
from phoenix_core.values import CommandId, Severity, State, derived_id
from phoenix_core.watch.alerts import Message
from phoenix_core.watch.codes import CODES, Code
from phoenix_core.watch.health import JITTER_MAX, Earned, beat_due_at
from phoenix_core.watch.market_hours import RestartWindow
from phoenix_core.world import Run, World

Key = tuple[int, int]
_URGENT: Final = (SendOrder, CancelOrder)
# The other effects are answered elsewhere: hundreds of alerts that wait for a channel cost a step nothing.
_PATIENT: Final = (WriteResponse, ArchiveInput, SignCheckpoint)

# The same due command may ask for another one (a kill revokes a token, which cancels a position): a few rounds settle
# it; a rule that never settles is a bug, and is found here rather than by a full disk.
DUE_ROUNDS_MAX: Final = 50


@define
class Engine:
    """One run of the engine over its ports."""

    store: BeadStore
    broker: Broker
    clock: Clock
    run: Run
    verifier: Verifier
    notifiers: tuple[Notifier, ...] = ()
    seam: Seam | None = None
    latch: Callable[[], bool | None] = lambda: False
    restart_window: RestartWindow | None = None
    reconcile_every: timedelta = timedelta(minutes=5)
    raise_latch: Callable[[], None] = lambda: None
    checkpoint: Callable[[], str] = lambda: ""  # sign the head and keep the note; why it could not be kept outside
    on_bead: Callable[[Bead], None] = lambda bead: None
    state_key: bytes = field(default=b"", repr=False)  # a secret: it seals the state beside the log
    turn: Turn = Factory(Turn)
    recorder: Recorder = field(init=False)
    teller: Teller = field(init=False)
    link: LinkKeeper = field(init=False)
    margins: Margins = field(init=False)
    folders: Folders = field(init=False)
    signatures: Signatures = field(init=False)
    _disowned: set[int] = Factory(set)
    _mine: set[int] = Factory(set)
    _in_flight: set[Key] = Factory(set)
    _quiet: list[Settles] = Factory(list)
    _tasks: set[asyncio.Task[None]] = Factory(set)
    _inputs: int = 0
    _committed: bool = False
    _beat_ticks: timedelta | None = None  # when this run last beat
    _unrecorded: deque[Command] = Factory(deque)
    _broken: BaseException | None = None
    _unwitnessed: bool = False

    def __attrs_post_init__(self) -> None:
        """The recorder asks this engine what the world looks like."""
        self.signatures = Signatures(self.store, self.verifier)
        self.recorder = Recorder(self.store, self.world, on_bead=self._recorded, key=self.state_key)
        self.teller = Teller(self.notifiers, self._told, self.turn, self._is_current, partial(mark_of, self.store))
        self.folders = Folders(self.seam, self._tell, self.recorder)
        self.link = LinkKeeper(
            self.broker, self.clock, self._spawn, self._hear, self.restart_window, self.reconcile_every
        )
        self.margins = Margins(self.broker, self.clock, self._spawn)

    # --- what the world looks like ---

    def world(self, desk: object = None) -> World:
        """One frozen look at everything outside the log."""
        now = self.clock.now()
        snapshot = self.link.snapshot
        return World(
            now=now,
            run=self.run,
            link=self.link.state(now),
            accounts=self.broker.accounts(),
            port=self.broker.port(),
            latch=self.latch(),
            instruments=self.broker.instruments(),
            hours=self.broker.hours(),
            quotes=self.broker.quotes(),
            snapshot=snapshot,
            equity=snapshot.equity if snapshot is not None else None,
            margin_used=snapshot.margin_used if snapshot is not None else None,
            weighed=self.margins.told,
            verified=self.signatures.verified,
            roots=self.signatures.roots(self.recorder.desk),
            entry_budget=self.broker.room(),
            groups_hold=self.broker.groups_hold,
        )

    # --- the life of a run ---

    async def start(self) -> Result[Accepted, Refusal]:
        """Replay, take the lease, open a session: start-up and recovery are the same path."""
        self.signatures.replaying = True
        _ = self.recorder.wake()
        self.signatures.begin(self.recorder.desk)
        taken = self.recorder.take_lease(self.run.run, self.clock.now().boot)
        if is_successful(taken):
            self.run = evolve(self.run, epoch=self.recorder.desk.tenure.epoch)
            await self.link.connect()
        return taken

    async def step(self) -> None:
        """One round: catch up, drain, decide what is due, perform what is owed."""
        if self._broken is not None:
            raise self._broken
        self._catch_up()
        for fact in self.broker.drain():
            self._hear(fact)
        for left in self.folders.take():
            self._act(left)
        if self.link.keep(self.recorder.desk, bool(self._unrecorded)):
            self._act(Degraded(self._command_id("degraded")))
        for _ in range(DUE_ROUNDS_MAX):
            before = self.recorder.desk.head.size
            # What time asks for is asked again when the log takes beads: until then only what was heard waits.
            for command in self._due() if not self._unrecorded else ():
                if not self.margins.holds(command, self.recorder.desk, self.world):
                    self._act(command)
            self._perform()
            for fact in self.broker.drain():
                self._hear(fact)
            if self.recorder.desk.head.size == before:
                break
        else:
            raise AssertionError("what is due asks for more without end")
        self._settle_quiet()
        for work in self.teller.due(self.recorder.desk, self.clock.now().wall):
            self._spawn(work)
        self._beat()
        await asyncio.sleep(0)

    def _due(self) -> Iterator[Command]:
        """What a row by hand calls for comes first: a flag that it lowered is up again before anything is sent."""
        seen = World(self.clock.now(), self.run, verified=self.signatures.verified)
        for row in unvouched(self.recorder.desk, seen):
            if row.seq not in self._disowned:
                self._disowned.add(row.seq)
                yield Disown(CommandId(derived_id("disown", str(row.seq))), row.seq)
        yield from due(self.recorder.desk, self.clock.now())

    def stop(self, detail: str = "") -> None:
        """The shutdown bead: no place frame leaves after it."""
        self._act(ReleaseLease(self._command_id("release"), detail))
        self.recorder.keep()

    async def settle(self) -> None:
        """Let everything that was started in the background come to its end, then take it in."""
        while self._tasks:
            _ = await asyncio.wait(tuple(self._tasks))
            await self.step()

    # --- inputs ---

    def _hear(self, fact: Fact) -> None:
        if isinstance(fact, CancelSaid) and not fact.sent:
            self._in_flight = {k for k in self._in_flight if not self._cancels(k, fact.ref)}
        if isinstance(fact, Snapshot):
            for lost in unheard(self.recorder.desk, fact):
                self._hear(lost)
        self._act(Said(self._command_id("fact"), fact))
        if isinstance(fact, LinkSaid):
            self.link.note(fact)

    def _act(self, command: Command) -> None:
        """Record what came in. What the log does not take now waits, in order; entries stop, nothing is lost."""
        if self._unrecorded:
            self._unrecorded.append(command)
            return
        try:
            _ = self.recorder.act(command)
        except StoreFault as fault:
            self._unrecorded.append(command)
            self._stop_entries(fault)

    def _catch_up(self) -> None:
        """Take in what others wrote, and record what the log would not take before."""
        try:
            if self.recorder.catch_up():
                self._rehearse()
            while self._unrecorded:
                _ = self.recorder.act(self._unrecorded[0])
                _ = self._unrecorded.popleft()
        except StoreFault as fault:
            self._stop_entries(fault)

    def _rehearse(self) -> None:
        """Others wrote: of what they approved, work out now what deciding and the last look will ask for again."""
        desk = self.recorder.desk
        for position in desk.positions.in_state(State.APPROVED):
            rehearse(desk, position, self.world())

    def _stop_entries(self, fault: StoreFault) -> None:
        """Fail-stop for entries: the latch goes up, people are told without the log; exits and cancels go on."""
        if self.run.exits_only:
            return
        self.run = evolve(self.run, exits_only=True)
        self.raise_latch()
        row = CODES[Code.LOG_UNWRITABLE]
        words = f"{row.phrase}: {fault.kind} {fault.detail} [{row.runbook}]"
        self._spawn(self.teller.deliver_without_log(Message(row.severity, (), words)))

    def _command_id(self, what: str) -> CommandId:
        self._inputs += 1
        return CommandId(derived_id(what, self.run.run, str(self._inputs)))

    def _cancels(self, key: Key, ref: str) -> bool:
        effect = self.recorder.desk.owed.get(key)
        return isinstance(effect, CancelOrder) and effect.ref == ref

    # --- the link ---

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A background task came to its end; what broke in it breaks the engine at its next step."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()

    def _beat(self) -> None:
        """A beat, when it is due and was earned: this loop runs, the store committed, the broker answered."""
        desk, now = self.recorder.desk, self.clock.now()
        last = desk.heartbeats.last_at
        if now.wall < beat_due_at(last, jitter_of(desk.head.leaf), now.wall):
            return
        if self._unrecorded:
            return  # a beat is of its moment: what could not be recorded then is no beat later
        answered = self.link.answered_since(self._beat_ticks)
        earned = Earned(True, self._committed, answered, outage_declared=not self.link.up)
        signs = signs_of(desk, self.world(), notifier_responds=self.teller.responds)
        try:
            if is_successful(self.recorder.act(Beat(self._command_id("beat"), signs, earned))):
                self._beat_ticks = now.ticks
        except StoreFault as fault:
            self._stop_entries(fault)

    # --- effects ---

    def _recorded(self, bead: Bead, mine: bool) -> None:
        self._committed = self._committed or mine
        if mine and isinstance(bead.body, Order):  # of all that is owed only a frame is its own run's to send
            self._mine.add(bead.seq)
        self.signatures.heard(bead)
        self.on_bead(bead)

    def _perform(self) -> None:
        settled = {(s.seq, s.index) for s in self._quiet}
        owed = self.recorder.desk.owed
        # Orders and cancels leave first: a checkpoint is signed, and a response written, when the frame is on its way.
        for key, effect in [*owed.oldest(*_URGENT), *owed.oldest(*_PATIENT)]:
            if key in self._in_flight or key in settled:
                continue
            if effect.after_restart is AfterRestart.LOOK_UP and key[0] not in self._mine:
                continue  # an earlier run's frame: looked up by its reference, never sent
            self._perform_one(key, effect)

    def _perform_one(self, key: Key, effect: Effect) -> None:
        match effect:
            case SendOrder():
                self._in_flight.add(key)
                self._send(key, effect)
            case CancelOrder():
                if self.link.up:
                    self._in_flight.add(key)
                    self.broker.cancel(effect.ref)
            case WriteResponse() | ArchiveInput():
                if self.folders.answer(effect, self.recorder.desk):
                    self._quiet.append(Settles(*key, Settlement.DONE))
            case SignCheckpoint():
                self._keep_checkpoint()
                self._quiet.append(Settles(*key, Settlement.DONE))
            case Reconcile() | CarryOut() | Notify():
                raise AssertionError("met by the next whole picture, by a command of `due`, by whole messages")

    def _tell(self, trouble: str) -> None:
        """Say, on every channel, what is wrong beside the log."""
        self._spawn(self.teller.deliver_without_log(Message(Severity.WARNING, (), trouble)))

    def _keep_checkpoint(self) -> None:
        """A place that cannot be written is told once; a note that this log does not follow from stops entries."""
        try:
            trouble = self.checkpoint()
        except StoreFault as fault:
            self._stop_entries(fault)
            return
        if trouble and not self._unwitnessed:
            self._tell(trouble)
        self._unwitnessed = bool(trouble)

    def _send(self, key: Key, send: SendOrder) -> None:
        """The last look and the hand-over, in one hold: a kill is either seen here or later than the frame."""
        handed = False
        try:
            with self.store.hold() as head:
                if head != self.recorder.desk.head:
                    _ = self.recorder.catch_up()
                if send.is_entry and head != self.recorder.desk.head:
                    raise self.recorder.torn(head.size)
                cleared = clear(self.recorder.desk, key, send, self.world())
                if is_successful(cleared):
                    handed = True  # from here on it may have left, whatever becomes of the hold
                    self.broker.hand_over(cleared.unwrap())
                    return
        except StoreFault as fault:
            self._stop_entries(fault)
            if not handed:
                self._in_flight.discard(key)  # no byte left: asked again at the next step
            return
        command_id = CommandId(derived_id("withhold", self.run.run, str(key[0]), str(key[1])))
        self._act(Withhold(command_id, key, send, cleared.failure()))

    def _is_current(self) -> bool:
        """Whether nobody wrote since this engine last looked; a log that cannot be read hides nothing that matters."""
        try:
            return self.store.head() == self.recorder.desk.head
        except StoreFault:
            return True

    def _told(self, message: Message, channel: str) -> bool:
        if not self._unrecorded:
            self._act(ReportSent(self._command_id("sent"), message, channel))
        return not self._unrecorded

    def _settle_quiet(self) -> None:
        settles = tuple(s for s in self._quiet if (s.seq, s.index) in self.recorder.desk.owed)
        self._quiet.clear()
        if settles:
            self._act(Settle(self._command_id("settle"), settles))
        owed = self.recorder.desk.owed
        if any(key not in owed for key in self._in_flight):
            self._in_flight.intersection_update(owed)


def jitter_of(leaf: str) -> timedelta:
    """A beat's jitter, drawn from the log itself: two desks drift apart, one desk repeats itself."""
    span = int(leaf[:8], 16) / 0xFFFFFFFF * 2 - 1
    return JITTER_MAX * span
