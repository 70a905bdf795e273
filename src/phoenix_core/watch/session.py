"""The link to the broker: three attempts after 5, 15 and 45 seconds, then a human. Never an endless retry.

CONNECTED -> RECONNECTING -> (CONNECTED | ESCALATED). After escalation the desk only listens (whether somebody answers,
a word from the broker) and opens nothing; `resume` grants three more attempts. That a link is up says nothing of its
being fit for orders: the guard of the link asks for the session's whole state and a fresh round trip.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import define, frozen

from phoenix_core.beads import Bead, IbkrSession, SessionEvent
from phoenix_core.facts import LinkEvent, LinkSaid
from phoenix_core.values import Account, Mode, Named
from phoenix_core.watch.pacing import has_passed

BACKOFF: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=45))
ATTEMPTS_MAX: Final = len(BACKOFF)
WAITING_BUDGET: Final = sum(BACKOFF, timedelta())  # the documents' 65 s; what connecting itself takes is extra
PROBE_EVERY: Final = timedelta(seconds=30)
WINDOW_PROBE_EVERY: Final = timedelta(seconds=5)  # a gateway that restarts as declared is back within minutes
ESCALATION: Final = "Connection rotting - run RB-001"
# What the bead of a loss says where nobody was told: the gateway restarts as declared, and nothing is exposed. And what
# the bead of the attempt says with which people hear of it, because the gateway stayed away for longer.
DECLARED: Final = "as declared"
OVERDUE: Final = "longer than declared"


class ReconnectState(Named):
    """Where the link stands."""

    CONNECTED = "CONNECTED"
    RECONNECTING = "RECONNECTING"
    ESCALATED = "ESCALATED"


class Outcome(Named):
    """What the `outcome` of a session bead says."""

    CONNECTED = "CONNECTED"
    LOST = "LOST"
    DEGRADED = "DEGRADED"  # the socket stands, the broker behind it does not: nothing to attempt, only to wait
    RESTORED = "RESTORED"
    FAILED = "FAILED"
    CLIENT_ID_TAKEN = "CLIENT_ID_TAKEN"  # 326: never answered with another id
    STILL_DEGRADED = "STILL_DEGRADED"
    RESUMED = "RESUMED"


class Step(Named):
    """What the link asks for now."""

    NOTHING = "NOTHING"
    WAIT = "WAIT"
    ATTEMPT = "ATTEMPT"
    LISTEN = "LISTEN"  # passively: does the port answer, did the broker speak
    PROBE = "PROBE"  # an attempt that counts nothing: the gateway restarts as declared
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
    attempts: int = 0  # failed ones since the loss, or since a human granted more
    last_attempt_at: datetime | None = None
    lost_at: datetime | None = None
    connected_at: datetime | None = None
    connected_seq: int = 0  # what was learnt before this bead may have changed while nobody looked
    escalated_at: datetime | None = None
    degraded: bool = False
    account: str = ""
    port: int = 0
    gateway_version: str = ""

    @property
    def awaits_a_human(self) -> bool:
        """Whether only a human lets anybody try again; where the socket stands, the broker may say that it is back."""
        return self.state is ReconnectState.ESCALATED and not self.degraded

    def fold(self, bead: Bead) -> None:
        """Take in a session bead; other kinds are somebody else's."""
        if isinstance(bead.body, IbkrSession):
            self._fold(bead, bead.body, Outcome(bead.body.outcome))

    def _fold(self, bead: Bead, body: IbkrSession, outcome: Outcome) -> None:
        if outcome in (Outcome.CONNECTED, Outcome.RESTORED):
            self._connected(bead, body)
        elif outcome in (Outcome.LOST, Outcome.DEGRADED):
            self._waiting(ReconnectState.RECONNECTING, lost_at=bead.ts, degraded=outcome is Outcome.DEGRADED)
        elif outcome is Outcome.RESUMED:
            self._waiting(ReconnectState.RECONNECTING, lost_at=None, degraded=False)
        else:
            assert self.state is ReconnectState.RECONNECTING, "only a link that is down is tried again"
            assert body.reconnect_attempt <= ATTEMPTS_MAX, "there is no fourth attempt"
            self.attempts, self.last_attempt_at = body.reconnect_attempt, bead.ts
        if body.escalated:
            self.state, self.escalated_at = ReconnectState.ESCALATED, bead.ts

    def _connected(self, bead: Bead, body: IbkrSession) -> None:
        self._waiting(ReconnectState.CONNECTED, lost_at=None, degraded=False)
        self.session, self.connected_at, self.connected_seq = body.session, bead.ts, bead.seq
        self.account, self.port = body.account, body.port
        self.gateway_version = body.gateway_version or self.gateway_version

    def _waiting(self, state: ReconnectState, *, lost_at: datetime | None, degraded: bool) -> None:
        self.state, self.lost_at, self.degraded = state, lost_at, degraded
        self.attempts, self.last_attempt_at, self.escalated_at = 0, None, None


def next_step(
    sessions: Sessions,
    now: datetime,
    *,
    window_ends: datetime | None = None,
    probed_at: datetime | None = None,
) -> NextStep:
    """What the link asks for. `window_ends` is set inside the declared restart window: what is tried there counts
    nothing, and the attempts begin when it ends; so does the escalation of a broker that stays away."""
    if sessions.state is ReconnectState.CONNECTED:
        return NextStep(Step.NOTHING, now)
    if sessions.state is ReconnectState.ESCALATED:
        return _since(Step.LISTEN, probed_at, now, PROBE_EVERY)
    if sessions.degraded and sessions.lost_at is not None:
        stayed = _when(Step.ESCALATE, sessions.lost_at, now, WAITING_BUDGET, 0)
        return stayed if window_ends is None else NextStep(Step.WAIT, max(stayed.at, window_ends))
    if window_ends is not None:
        return _since(Step.PROBE, probed_at, now, WINDOW_PROBE_EVERY)
    assert sessions.attempts < ATTEMPTS_MAX, "the third failure escalates in its own bead"
    attempt, since = sessions.attempts + 1, sessions.last_attempt_at or sessions.lost_at
    if since is None:  # a desk that just started, or that a human told to try again
        return NextStep(Step.ATTEMPT, now, attempt)
    return _when(Step.ATTEMPT, since, now, BACKOFF[sessions.attempts], attempt)


def _when(step: Step, since: datetime, now: datetime, span: timedelta, attempt: int) -> NextStep:
    return NextStep(step, now, attempt) if has_passed(since, now, span) else NextStep(Step.WAIT, since + span, attempt)


def _since(step: Step, probed_at: datetime | None, now: datetime, every: timedelta) -> NextStep:
    return NextStep(step, now) if probed_at is None else _when(step, probed_at, now, every, 0)


def link_beads(sessions: Sessions, said: LinkSaid, mode: Mode, account: Account, port: int) -> tuple[IbkrSession, ...]:
    """The beads that a change of the link leaves, in order. `restored` without `lost` is both (F45); a loss that is
    known already leaves nothing, and neither does a failure after the last attempt."""
    return tuple(_bead(sessions, said, mode, account, port, *row) for row in _link_rows(sessions, said.event))


Row = tuple[SessionEvent, Outcome, int]  # event, outcome, attempt


def _link_rows(sessions: Sessions, event: LinkEvent) -> Iterator[Row]:
    was_up = sessions.state is ReconnectState.CONNECTED
    if event is LinkEvent.LOST and (was_up or sessions.degraded):
        yield SessionEvent.DISCONNECT, Outcome.LOST, 0
    elif event is LinkEvent.DEGRADED and was_up:
        yield SessionEvent.DISCONNECT, Outcome.DEGRADED, 0
    elif event is LinkEvent.RESTORED and (was_up or sessions.degraded):
        if was_up:
            yield SessionEvent.DISCONNECT, Outcome.DEGRADED, 0
        yield SessionEvent.RECONNECT, Outcome.RESTORED, 0
    elif event is LinkEvent.CONNECTED and sessions.session == 0:
        yield SessionEvent.CONNECT, Outcome.CONNECTED, 0
    elif event is LinkEvent.CONNECTED:
        if was_up:
            yield SessionEvent.DISCONNECT, Outcome.LOST, 0
        trying = sessions.state is ReconnectState.RECONNECTING
        yield SessionEvent.RECONNECT, Outcome.CONNECTED, sessions.attempts + 1 if trying else 0
    elif event in _FAILURES and sessions.state is not ReconnectState.ESCALATED:
        if was_up:
            yield SessionEvent.DISCONNECT, Outcome.LOST, 0
        yield SessionEvent.RECONNECT, _FAILURES[event], sessions.attempts + 1


_FAILURES: Final = {
    LinkEvent.CONNECT_FAILED: Outcome.FAILED,
    LinkEvent.CLIENT_ID_TAKEN: Outcome.CLIENT_ID_TAKEN,
}


def _bead(
    sessions: Sessions,
    said: LinkSaid,
    mode: Mode,
    account: Account,
    port: int,
    event: SessionEvent,
    outcome: Outcome,
    attempt: int,
) -> IbkrSession:
    return IbkrSession(
        event=event,
        mode=mode,
        account=account.tag,
        account_mask=account.mask,
        port=said.port or port,
        session=sessions.session if event is SessionEvent.DISCONNECT else said.session,
        gateway_version=said.gateway_version or None,
        reconnect_attempt=attempt,
        outcome=outcome.value,
        escalated=outcome in _FAILURES.values() and attempt >= ATTEMPTS_MAX,
        detail=said.detail,
    )


def resumed(sessions: Sessions, mode: Mode, account: Account, port: int) -> IbkrSession:
    """The bead of `phoenix resume`: three more attempts, the first at once."""
    return IbkrSession(
        SessionEvent.RECONNECT, mode, account.tag, account.mask, port, sessions.session, outcome=Outcome.RESUMED.value
    )


def still_degraded(sessions: Sessions, mode: Mode, account: Account, port: int) -> IbkrSession:
    """The bead of an escalation without an attempt: the socket stands, the broker stayed away (step ESCALATE)."""
    return IbkrSession(
        SessionEvent.RECONNECT,
        mode,
        account.tag,
        account.mask,
        port,
        sessions.session,
        outcome=Outcome.STILL_DEGRADED.value,
        escalated=True,
        detail=ESCALATION,
    )
