"""Where something is missing in a log: heartbeats, health, the connection to the broker.

What reaches into the span that was asked about is told whole: who asks about the last hour of an engine that died two
hours ago hears of two hours, and not that nothing is missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, Beat, Health, Heartbeat, IbkrSession, Lease, LeaseEvent, SessionEvent
from phoenix_core.values import utc_text
from phoenix_core.watch.health import MISS_AFTER
from phoenix_core.watch.session import Outcome

_UP = (Outcome.CONNECTED.value, Outcome.RESTORED.value)


@frozen
class Gap:
    """One span in which something was missing."""

    start: datetime
    end: datetime
    what: str

    def document(self) -> dict[str, object]:
        """As it is printed."""
        seconds = int((self.end - self.start).total_seconds())
        return {"from": utc_text(self.start), "to": utc_text(self.end), "seconds": seconds, "what": self.what}


def heartbeat_gaps(beads: Iterable[Bead], now: datetime) -> list[Gap]:
    """Where beats are missing, then where they came and said that the desk was not healthy."""
    told = [(bead.ts, bead.body) for bead in beads if isinstance(bead.body, Heartbeat)]
    beats = [at for at, beat in told if beat.status is not Beat.MISSED]
    silent = itertools.pairwise((*beats, now) if beats else ())
    found = [Gap(before, after, "no heartbeat") for before, after in silent if after - before > MISS_AFTER]
    sick: datetime | None = None
    for at, beat in told:
        if beat.health_state is not Health.HEALTHY:
            sick = sick or at
        elif sick is not None:
            found.append(Gap(sick, at, "not healthy"))
            sick = None
    return [*found, Gap(sick, now, "not healthy")] if sick is not None else found


def connection_gaps(beads: Iterable[Bead], now: datetime, runs: bool) -> list[Gap]:
    """Where the link was down, and where no engine ran that could have had one. `runs`: one does now."""
    link = _Link()
    for bead in beads:
        link.take(bead)
    return link.ended(now, runs)


@define
class _Link:
    """What the log has said of the link so far."""

    found: list[Gap] = Factory(list)
    lost: datetime | None = None  # since when it is down
    gone: datetime | None = None  # since when no engine runs; the link was up when the last one stopped
    heard: datetime | None = None  # the last word of a run that did not say that it stops
    starting: bool = False

    def take(self, bead: Bead) -> None:
        """Take in one bead."""
        match bead.body:
            case Lease(event=LeaseEvent.RELEASED):
                self.gone, self.heard = bead.ts, None
            case Lease():
                self._comes(bead.ts)
            case Heartbeat(status=status) if status is not Beat.MISSED:
                self._hear(bead.ts)
            case IbkrSession() as said:
                self._said(bead.ts, said)
            case _:
                pass

    def _comes(self, at: datetime) -> None:
        """A run begins. Of one that died its last word is the last that is known."""
        since = self.gone or self.heard
        if since is not None and self.lost is None:
            self.found.append(Gap(since, at, "no engine"))
        self.gone, self.heard, self.starting = None, at, True

    def _hear(self, at: datetime) -> None:
        self.heard = at if self.heard is not None else None

    def _said(self, at: datetime, said: IbkrSession) -> None:
        known, self.starting = self.starting and said.event is SessionEvent.DISCONNECT, False
        self._hear(at)
        if said.outcome in _UP:
            if self.lost is not None:
                self.found.append(Gap(self.lost, at, "no connection"))
            self.lost = None
        elif not known:  # that the link of the run before is gone, a new one says in its first word
            self.lost = self.lost or at

    def ended(self, now: datetime, runs: bool) -> list[Gap]:
        """Everything, with what lasts until now."""
        gone = self.gone or (None if runs else self.heard)
        if self.lost is not None:
            self.found.append(Gap(self.lost, now, "no connection"))
        elif gone is not None:
            self.found.append(Gap(gone, now, "no engine"))
        return self.found
