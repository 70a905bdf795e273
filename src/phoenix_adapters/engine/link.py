"""The engine's side of the link: opening sessions, round trips, resynchronising, looking at the whole picture.

What is to be done is decided by the pure rules of `watch.session` and `watch.pacing`; this only does it, one thing of a
kind at a time, in the background, and brings back facts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Final

from attrs import define

from phoenix_core.desk import Desk
from phoenix_core.effects import Reconcile
from phoenix_core.facts import Fact, LinkEvent, LinkSaid, Snapshot
from phoenix_core.ports import Broker, Clock
from phoenix_core.values import Moment, State
from phoenix_core.watch.drift import lacks_word_of_an_order
from phoenix_core.watch.market_hours import RestartWindow, restart_window_ends
from phoenix_core.watch.observations import next_look_at
from phoenix_core.watch.pacing import RUNS_MAX, next_run, run_wanted_at
from phoenix_core.watch.session import BACKOFF, Step, next_step
from phoenix_core.world import Link

# A place frame needs a round trip no older than two seconds; asking twice as often leaves room for one lost answer.
PROBE_EVERY: Final = timedelta(seconds=1)
# The log paces reconciliations; where it takes none, this does.
LOOKS_APART: Final = timedelta(milliseconds=250)
# So it does attempts to connect; it never lets them be as near to each other as this.
ATTEMPTS_APART: Final = timedelta(seconds=1)
# An order of which nothing is known is asked about while a human reads the alert.
ASK_AGAIN_EVERY: Final = timedelta(seconds=60)
# A resynchronisation that did not end (a mute peer, a lost answer) is asked for again, or the link is never ready.
SYNCHRONISE_AGAIN: Final = timedelta(seconds=10)


@define
class LinkKeeper:
    """What this run knows of the link, and what it has under way."""

    broker: Broker
    clock: Clock
    spawn: Callable[[Coroutine[object, object, None]], None]
    hear: Callable[[Fact], None]
    restart_window: RestartWindow | None = None
    reconcile_every: timedelta = timedelta(minutes=5)
    up: bool = False
    synchronised: bool = False
    snapshot: Snapshot | None = None
    _round_trip: Moment | None = None
    _probed_at: datetime | None = None
    _asking: bool = False
    _asked_at: timedelta | None = None
    _synchronised_at: timedelta | None = None
    _synchronising: bool = False
    _connecting: bool = False
    _tried_at: timedelta | None = None
    _looking: bool = False
    _looked_at: timedelta | None = None

    def state(self, now: Moment) -> Link:
        """How the link stands right now."""
        age = None if self._round_trip is None else now.ticks - self._round_trip.ticks
        window = restart_window_ends(self.restart_window, now.wall) is not None
        return Link(self.broker.session(), self.up, self.synchronised, age, window, self.broker.skew())

    def answered_since(self, ticks: timedelta | None) -> bool:
        """Whether a round trip ended since."""
        return self._round_trip is not None and (ticks is None or self._round_trip.ticks >= ticks)

    def note(self, said: LinkSaid) -> None:
        """Take in what happened to the link."""
        if said.event is LinkEvent.SYNCHRONISED:
            self.synchronised = True
            return
        if said.event is LinkEvent.ANSWERS:
            return  # asked for without a session: it says nothing of one that came about meanwhile
        self.up = said.event in (LinkEvent.CONNECTED, LinkEvent.RESTORED)
        self.synchronised = False
        if self.up:
            self.spawn(self._synchronise())

    def keep(self, desk: Desk, unrecorded: bool = False) -> bool:
        """Do what is due about the link; true where the broker has stayed away and a human must be told. While the log
        takes nothing (`unrecorded`), no attempt counts on the desk: the longest wait is between any two."""
        now = self.clock.now()
        self._ask_if_stale(now)
        self._synchronise_again(now)
        self._ask_again_if_unclear(desk, now)
        self._look_if_due(desk, now.wall)
        apart = BACKOFF[-1] if unrecorded else ATTEMPTS_APART
        lately = self._tried_at is not None and now.ticks - self._tried_at < apart
        if self._connecting or self.up or lately:
            return False
        window = restart_window_ends(self.restart_window, now.wall)
        asked = next_step(desk.sessions, now.wall, window_ends=window, probed_at=self._probed_at)
        if asked.step in (Step.ATTEMPT, Step.PROBE, Step.LISTEN):
            self._probed_at, self._tried_at = now.wall, now.ticks
            if asked.step is Step.LISTEN:
                self.spawn(self._listen())
            else:
                self._connecting = True
                self.spawn(self.connect(counts=asked.step is Step.ATTEMPT))
        return asked.step is Step.ESCALATE

    async def _listen(self) -> None:
        """After an escalation nobody tries: a human hears that somebody is there again, and has the word."""
        if await self.broker.answers():
            self.hear(LinkSaid(LinkEvent.ANSWERS, self.broker.session()))

    async def connect(self, counts: bool = True) -> None:
        """Open a session. In the declared restart window its failure counts nothing."""
        self._connecting, began = True, self.clock.now()
        try:
            if await self.broker.connect():
                self._round_trip = began  # an answer proves the link for the moment at which it was asked for
            elif counts:
                self.hear(LinkSaid(LinkEvent.CONNECT_FAILED, self.broker.session()))
        finally:
            self._connecting = False

    def _ask_again_if_unclear(self, desk: Desk, now: Moment) -> None:
        """Nothing certain is known of an order: ask for executions and orders again, and take them in as facts."""
        last = self._synchronised_at
        late = last is None or now.ticks - last >= ASK_AGAIN_EVERY
        unclear = bool(desk.positions.in_state(State.STALLED)) or lacks_word_of_an_order(desk.drifts)
        if self.synchronised and late and unclear:
            self.spawn(self._synchronise())

    def _synchronise_again(self, now: Moment) -> None:
        """The session stands and its resynchronisation never ended: ask once more."""
        last = self._synchronised_at
        late = last is None or now.ticks - last >= SYNCHRONISE_AGAIN
        if self.up and not self.synchronised and not self._synchronising and late:
            self._synchronised_at = now.ticks
            self.spawn(self._synchronise())

    async def _synchronise(self) -> None:
        """Have everything told again. A session in which that does not end (an answer without its end, an API that may
        only read) is looked at all the same: a picture says what is missing, and a human hears of the third."""
        self._synchronised_at, self._synchronising = self.clock.now().ticks, True
        try:
            if await self.broker.resynchronise() or self.up:
                await self._look()
        finally:
            self._synchronising = False

    def _ask_if_stale(self, now: Moment) -> None:
        asked = self._asked_at
        if self.up and not self._asking and (asked is None or now.ticks - asked >= PROBE_EVERY):
            self._asking, self._asked_at = True, now.ticks
            self.spawn(self._ask())

    async def _ask(self) -> None:
        began = self.clock.now()
        try:
            if await self.broker.round_trip():
                self._round_trip = began
        finally:
            self._asking = False

    def _look_if_due(self, desk: Desk, now: datetime) -> None:
        """Reconcile when something asks for it, when it is time, and never more often than is allowed."""
        ticks = self.clock.now().ticks
        lately = self._looked_at is not None and ticks - self._looked_at < LOOKS_APART
        if not self.synchronised or self._looking or lately:
            return
        seen = desk.observations
        last = seen.run.ts if seen.run is not None else None
        asked = now if desk.owed.of(Reconcile) else desk.orders.end_overdue_since(now)
        wanted = run_wanted_at(asked, last, now, self.reconcile_every)
        moving = next_look_at(seen)
        if moving is not None:
            wanted = min(wanted, moving)
        # By ticks too: a wall that was set back an hour must not blind the desk for an hour.
        overdue = self._looked_at is not None and ticks - self._looked_at >= self.reconcile_every
        if overdue or next_run(wanted, tuple(seen.runs[-RUNS_MAX:]), now) <= now:
            self._looking, self._looked_at = True, ticks
            self.spawn(self._look())

    async def _look(self) -> None:
        self._looking, self._looked_at = True, self.clock.now().ticks
        try:
            snapshot = await self.broker.snapshot()
            if not snapshot.is_of_one_moment:
                snapshot = await self.broker.snapshot()
            for fact in self.broker.drain():
                self.hear(fact)
            if snapshot.complete:
                self.snapshot = snapshot
            self.hear(snapshot)
        finally:
            self._looking = False
