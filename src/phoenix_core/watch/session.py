"""The link to the broker: three attempts after 5, 15 and 45 seconds, then a human. Never an endless retry.

CONNECTED -> RECONNECTING -> (CONNECTED | ESCALATED). After escalation the desk only listens (a probe of the port, a
word from the broker); `resume` grants three more attempts. A link is ready when the session's whole state was taken in
and a round trip is fresh: a flag that says "connected" proves nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import define, frozen

from phoenix_core.beads import Bead, IbkrSession
from phoenix_core.facts import LinkSaid
from phoenix_core.refusals import Refusal
from phoenix_core.values import Account, Mode, Named

BACKOFF: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45))
ATTEMPTS_MAX: Final = len(BACKOFF)
WAITING_BUDGET: Final = timedelta(seconds=65)
PROBE_EVERY: Final = timedelta(seconds=30)
ROUND_TRIP_MAX: Final = timedelta(seconds=2)
ESCALATION: Final = "Connection rotting - run RB-001"


class ReconnectState(Named):
    """Where the link stands."""

    CONNECTED = "CONNECTED"
    RECONNECTING = "RECONNECTING"
    ESCALATED = "ESCALATED"


class Step(Named):
    """What the link asks for now."""

    NOTHING = "NOTHING"
    WAIT = "WAIT"
    ATTEMPT = "ATTEMPT"
    PROBE = "PROBE"  # passively: does the port answer, did the broker speak
    ESCALATE = "ESCALATE"  # the broker behind the socket stayed away for the whole budget


@frozen
class NextStep:
    """What to do about the link, from when on, and as which attempt."""

    step: Step
    at: datetime
    attempt: int = 0


@define
class Sessions:
    """The slice of IBKR_SESSION. A desk that never connected is RECONNECTING with no wait before the first attempt."""

    state: ReconnectState = ReconnectState.RECONNECTING
    session: int = 0
    attempts: int = 0
    last_attempt_at: datetime | None = None
    lost_at: datetime | None = None
    connected_at: datetime | None = None
    escalated_at: datetime | None = None
    degraded: bool = False  # the socket stands, the broker behind it does not (1100, 2110)
    account: str = ""
    port: int = 0
    gateway_version: str = ""

    def fold(self, bead: Bead) -> None:
        """Take in a session bead; other kinds are somebody else's."""
        raise NotImplementedError


def next_step(
    sessions: Sessions,
    now: datetime,
    *,
    window_ends: datetime | None = None,
    port_answers: bool = False,
    probed_at: datetime | None = None,
) -> NextStep:
    """What the link asks for. `window_ends` is set inside the declared restart window: attempts then begin when the
    port answers or the window ends."""
    raise NotImplementedError


def link_beads(sessions: Sessions, said: LinkSaid, mode: Mode, account: Account, port: int) -> tuple[IbkrSession, ...]:
    """The beads that a change of the link leaves, in order. `restored` without `lost` is both (F45); a loss that is
    known already leaves nothing."""
    raise NotImplementedError


def resumed(sessions: Sessions, mode: Mode, account: Account, port: int) -> IbkrSession:
    """The bead of `phoenix resume`: three more attempts, the first at once."""
    raise NotImplementedError


def still_degraded(sessions: Sessions, mode: Mode, account: Account, port: int) -> IbkrSession:
    """The bead of an escalation without an attempt: the socket stands, the broker stayed away (step ESCALATE)."""
    raise NotImplementedError


@frozen
class Readiness:
    """What a guard may know of the link. `round_trip_age` is counted in ticks; None: no round trip this session."""

    connected: bool
    synchronised: bool
    round_trip_age: timedelta | None
    in_restart_window: bool


def is_up(sessions: Sessions) -> bool:
    """Whether a session stands and the broker behind it too."""
    raise NotImplementedError


def link_refusal(link: Readiness) -> Refusal | None:
    """LINK_DOWN, LINK_SILENT, RESTART_WINDOW: every one that holds."""
    raise NotImplementedError
