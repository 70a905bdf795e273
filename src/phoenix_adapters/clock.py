"""The host's clocks behind the clock port: the wall, and a clock that counts suspend and never steps."""

from __future__ import annotations

import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import define, field, frozen

from phoenix_core.values import BadInput, Moment


def boot_id() -> str:
    """Which boot of the host this is; a host that does not say gets one for this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def _ticks() -> timedelta:
    # CLOCK_BOOTTIME counts suspend on Linux; on macOS the monotonic clock of that name does.
    source = getattr(time, "CLOCK_BOOTTIME", None) if sys.platform == "linux" else None
    nanoseconds = time.clock_gettime_ns(source) if source is not None else time.monotonic_ns()
    return timedelta(microseconds=nanoseconds // 1000)


@frozen
class HostClock:
    """The real clocks, the wall shifted by `shift` (for drills and tests; never in LIVE)."""

    shift: timedelta = timedelta(0)
    boot: str = field(factory=boot_id)

    def now(self) -> Moment:
        """The present moment."""
        return Moment(datetime.now(UTC) + self.shift, _ticks(), self.boot)


@define
class ManualClock:
    """A clock that stands still until it is told to move: for the demo, for tests, for the simulation."""

    moment: Moment

    def now(self) -> Moment:
        """Where the clock stands."""
        return self.moment

    def advance(self, span: timedelta) -> None:
        """Let time pass on both clocks."""
        assert span >= timedelta(0), "time passes forwards; to step the wall alone, use `step_wall`"
        self.moment = self.moment.plus(span)

    def step_wall(self, span: timedelta) -> None:
        """Step the wall alone, as an administrator or a time server does."""
        self.moment = Moment(self.moment.wall + span, self.moment.ticks, self.moment.boot)


def manual_clock(start: datetime, boot: str = "boot-0") -> ManualClock:
    """A manual clock standing at an instant."""
    if getattr(start, "tzinfo", None) is None:  # of the host's own zone nobody said anything
        raise BadInput("start", start, "give a datetime with a zone, such as datetime(2026, 11, 18, 19, tzinfo=UTC)")
    return ManualClock(Moment(start.astimezone(UTC), timedelta(hours=1), boot))


def shift_to(text: str) -> timedelta:
    """The shift that starts the desk's clock at the instant that PHOENIX_CLOCK names."""
    try:
        start = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("PHOENIX_CLOCK", text, "write an instant such as 2026-11-18T14:00:00-05:00") from error
    if start.tzinfo is None:
        raise BadInput("PHOENIX_CLOCK", text, "name the offset from UTC, such as -05:00")
    if not 1990 <= start.year <= 2100:  # near the ends of the calendar no span of time can be added any more
        raise BadInput("PHOENIX_CLOCK", text, "write an instant of the years 1990 to 2100")
    return start.astimezone(UTC) - datetime.now(UTC)
