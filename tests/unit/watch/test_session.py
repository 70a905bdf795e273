"""The link: three attempts and then a human, whatever the broker, the clock or a restart does in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import About, IbkrSession, SessionEvent
from phoenix_core.facts import LinkEvent, LinkSaid
from phoenix_core.values import Account, Mode
from phoenix_core.watch import session as link
from phoenix_core.watch.observations import seen
from phoenix_core.watch.session import Outcome, ReconnectState, Sessions, Step, next_step
from tests.showing import shows
from tests.unit.watch.made import at, bead

ACCOUNT: Final = Account("tag", "DU...567")
FAILED: Final = LinkEvent.CONNECT_FAILED
OUTCOMES: Final = (FAILED, FAILED, LinkEvent.CLIENT_ID_TAKEN, LinkEvent.CONNECTED)
EVENTS: Final = (LinkEvent.LOST, LinkEvent.DEGRADED, LinkEvent.RESTORED, LinkEvent.SYNCHRONISED, None)  # None: a human


class Desk:
    """A link with its log: says what happened, folds what it leaves."""

    def __init__(self) -> None:
        """A desk that never connected."""
        self.sessions = Sessions()
        self.log: list[IbkrSession] = []
        self.seq = 0

    def write(self, body: IbkrSession, seconds: float) -> None:
        """Append and fold one bead."""
        self.seq += 1
        self.log.append(body)
        self.sessions.fold(bead(self.seq, body, seconds))

    def say(self, event: LinkEvent, seconds: float, session: int = 0) -> list[tuple[SessionEvent, Outcome, int, bool]]:
        """The link changed: what that leaves in the log."""
        said = LinkSaid(event, session or self.sessions.session, port=4002, gateway_version="10.30", detail="x")
        bodies = link.link_beads(self.sessions, said, Mode.PAPER, ACCOUNT, 4002)
        for body in bodies:
            self.write(body, seconds)
        return [(b.event, Outcome(b.outcome), b.reconnect_attempt, b.escalated) for b in bodies]

    def connected(self) -> Desk:
        """In session 1 since noon."""
        self.say(LinkEvent.CONNECTED, 0, 1)
        return self

    def state(self) -> tuple[ReconnectState, int]:
        """Where it stands, after how many failures."""
        return self.sessions.state, self.sessions.attempts


@shows("INV-IBKR-RECONNECT-1", "S33-SES-04", "S33-SES-05", "S33-SES-06", "S33-SES-08")
class TestIbkrReconnect:
    """INV-IBKR-RECONNECT-1: At most 3 reconnect attempts, then alert and manual action."""

    @given(st.lists(st.tuples(st.integers(0, 90), st.sampled_from(OUTCOMES), st.sampled_from(EVENTS)), max_size=60))
    def test_never_a_fourth_attempt_without_a_human(self, story: list[tuple[int, LinkEvent, LinkEvent | None]]) -> None:
        """However losses, answers and waits interleave: three attempts at most between two new words of the broker or
        of a human; the third failure, and nothing else that fails, escalates."""
        desk, now, made = Desk(), 0.0, 0
        for wait, outcome, event in story:
            now += wait
            step = next_step(desk.sessions, at(now))
            if step.step is Step.ATTEMPT:
                made += 1
                assert made == step.attempt <= 3
                desk.say(outcome, now, desk.sessions.session + 1)
                made = 0 if outcome is LinkEvent.CONNECTED else made
            elif event is not None:
                made = 0 if desk.say(event, now) else made
            elif desk.sessions.state is ReconnectState.ESCALATED:
                desk.write(link.resumed(desk.sessions, Mode.PAPER, ACCOUNT, 4002), now)
                made = 0
            escalated = desk.sessions.state is ReconnectState.ESCALATED
            assert escalated == (made == 3)
            assert desk.sessions.attempts == made
            assert (desk.sessions.escalated_at is not None) == escalated

    def test_backoff_is_five_fifteen_forty_five_and_then_only_a_probe(self) -> None:
        """5 s after the loss, 15 s after the first failure, 45 s after the second: 65 s of waiting, then escalation."""
        desk, now, waited = Desk().connected(), 100.0, timedelta()
        assert desk.say(LinkEvent.LOST, now) == [(SessionEvent.DISCONNECT, Outcome.LOST, 0, False)]
        for attempt, wait in enumerate((5, 15, 45), 1):
            step = next_step(desk.sessions, at(now))
            assert (step.step, step.at, step.attempt) == (Step.WAIT, at(now + wait), attempt)
            assert next_step(desk.sessions, at(now + wait - 0.001)).step is Step.WAIT
            now += wait
            waited += timedelta(seconds=wait)
            assert next_step(desk.sessions, at(now)) == link.NextStep(Step.ATTEMPT, at(now), attempt)
            last = attempt == 3
            assert desk.say(FAILED, now) == [(SessionEvent.RECONNECT, Outcome.FAILED, attempt, last)]
        assert waited == link.WAITING_BUDGET == timedelta(seconds=65)
        assert desk.state() == (ReconnectState.ESCALATED, 3)
        assert desk.sessions.escalated_at == at(now)
        assert desk.say(FAILED, now + 1) == []
        assert next_step(desk.sessions, at(now + 9999)).step is Step.LISTEN

    @shows("F44")
    def test_resume_grants_three_more(self) -> None:
        """After `resume` the first attempt is at once, then 15 and 45 s, then a human again."""
        desk, now = Desk().connected(), 0.0
        desk.say(LinkEvent.LOST, now)
        for _ in range(3):
            desk.say(FAILED, now)
        desk.write(link.resumed(desk.sessions, Mode.PAPER, ACCOUNT, 4002), 100)
        assert next_step(desk.sessions, at(100)) == link.NextStep(Step.ATTEMPT, at(100), 1)
        assert desk.say(FAILED, 100) == [(SessionEvent.RECONNECT, Outcome.FAILED, 1, False)]
        assert next_step(desk.sessions, at(100)).at == at(115)
        desk.say(FAILED, 115)
        assert next_step(desk.sessions, at(115)).at == at(160)
        desk.say(FAILED, 160)
        assert desk.state() == (ReconnectState.ESCALATED, 3)

    def test_success_clears_the_count(self) -> None:
        """Reconnected on the second attempt, in a new session: the next loss starts at 5 s again."""
        desk = Desk().connected()
        desk.say(LinkEvent.LOST, 10)
        desk.say(FAILED, 15)
        assert desk.say(LinkEvent.CONNECTED, 30, 2) == [(SessionEvent.RECONNECT, Outcome.CONNECTED, 2, False)]
        assert desk.state() == (ReconnectState.CONNECTED, 0)
        assert (desk.sessions.session, desk.sessions.connected_at, desk.sessions.connected_seq) == (2, at(30), 4)
        assert next_step(desk.sessions, at(31)).step is Step.NOTHING
        desk.say(LinkEvent.LOST, 40)
        assert next_step(desk.sessions, at(40)).at == at(45)

    @shows("F49")
    def test_taken_client_id_is_a_failure_like_any_other(self) -> None:
        """326: no second id is tried; the attempt counts, and the third one escalates."""
        desk = Desk().connected()
        desk.say(LinkEvent.LOST, 0)
        for attempt in (1, 2, 3):
            beads = desk.say(LinkEvent.CLIENT_ID_TAKEN, attempt)
            assert beads == [(SessionEvent.RECONNECT, Outcome.CLIENT_ID_TAKEN, attempt, attempt == 3)]

    def test_desk_that_never_connected_tries_at_once(self) -> None:
        """A start needs no wait; its failures count like any others, and its first success is a CONNECT."""
        desk = Desk()
        assert next_step(desk.sessions, at(0)) == link.NextStep(Step.ATTEMPT, at(0), 1)
        assert desk.say(FAILED, 0) == [(SessionEvent.RECONNECT, Outcome.FAILED, 1, False)]
        assert next_step(desk.sessions, at(0)).at == at(15)
        assert desk.say(LinkEvent.CONNECTED, 15, 1) == [(SessionEvent.CONNECT, Outcome.CONNECTED, 0, False)]

    @shows("I17")
    def test_clock_that_goes_back_does_not_stop_the_attempts(self) -> None:
        """A loss stamped an hour ahead of now is not waited for."""
        desk = Desk().connected()
        desk.say(LinkEvent.LOST, 3600)
        assert next_step(desk.sessions, at(0)).step is Step.ATTEMPT
        assert next_step(desk.sessions, at(3599)).step is Step.WAIT


class TestLinkBeads:
    """Which beads a change of the link leaves."""

    @shows("F45", "F03")
    def test_restored_without_lost_is_both(self) -> None:
        """1102 out of the blue: DISCONNECT and RECONNECT, so that everything is taken in and reconciled again."""
        desk = Desk().connected()
        seq = desk.sessions.connected_seq
        assert desk.say(LinkEvent.RESTORED, 10) == [
            (SessionEvent.DISCONNECT, Outcome.DEGRADED, 0, False),
            (SessionEvent.RECONNECT, Outcome.RESTORED, 0, False),
        ]
        assert desk.state() == (ReconnectState.CONNECTED, 0)
        assert desk.sessions.connected_seq == seq + 2

    def test_degraded_link_waits_for_the_broker_and_then_for_a_human(self) -> None:
        """1100: nothing to attempt; after 65 s it is escalated, and the broker's own word still restores it."""
        desk = Desk().connected()
        assert desk.say(LinkEvent.DEGRADED, 10) == [(SessionEvent.DISCONNECT, Outcome.DEGRADED, 0, False)]
        assert desk.say(LinkEvent.DEGRADED, 11) == []
        step = next_step(desk.sessions, at(11))
        assert (step.step, step.at) == (Step.WAIT, at(75))
        assert next_step(desk.sessions, at(75)).step is Step.ESCALATE
        body = link.still_degraded(desk.sessions, Mode.PAPER, ACCOUNT, 4002)
        assert (body.escalated, body.detail) == (True, "Connection rotting - run RB-001")
        desk.write(body, 75)
        assert desk.state() == (ReconnectState.ESCALATED, 0)
        assert desk.say(LinkEvent.RESTORED, 99) == [(SessionEvent.RECONNECT, Outcome.RESTORED, 0, False)]

    def test_socket_that_goes_after_the_broker_went(self) -> None:
        """Degraded, then lost: a second DISCONNECT, from which the attempts count."""
        desk = Desk().connected()
        desk.say(LinkEvent.DEGRADED, 10)
        assert desk.say(LinkEvent.LOST, 20) == [(SessionEvent.DISCONNECT, Outcome.LOST, 0, False)]
        assert next_step(desk.sessions, at(20)).at == at(25)
        assert desk.say(LinkEvent.LOST, 21) == []
        assert desk.say(LinkEvent.RESTORED, 22) == []

    def test_crash_and_start_show_the_gap(self) -> None:
        """A log that says CONNECTED meets a new process: what it does shows that the link was gone in between."""
        gap = (SessionEvent.DISCONNECT, Outcome.LOST, 0, False)
        again = Desk().connected().say(LinkEvent.CONNECTED, 50, 2)
        assert again == [gap, (SessionEvent.RECONNECT, Outcome.CONNECTED, 0, False)]
        assert Desk().connected().say(FAILED, 50) == [gap, (SessionEvent.RECONNECT, Outcome.FAILED, 1, False)]

    def test_connection_after_escalation_is_no_attempt(self) -> None:
        """When a human brought the gateway back and the session stands, it counts as no attempt."""
        desk = Desk().connected()
        desk.say(LinkEvent.LOST, 0)
        for _ in range(3):
            desk.say(FAILED, 1)
        assert desk.say(LinkEvent.CONNECTED, 99, 2) == [(SessionEvent.RECONNECT, Outcome.CONNECTED, 0, False)]

    def test_synchronised_leaves_no_session_bead(self) -> None:
        """That everything was taken in changes nothing about the link."""
        assert Desk().connected().say(LinkEvent.SYNCHRONISED, 1) == []

    @shows("S33-SES-01", "S33-SES-02")
    def test_bead_carries_what_the_schema_asks(self) -> None:
        """Mode, account behind its hash and mask, port, session, version; a DISCONNECT is of the session that ended."""
        desk = Desk().connected()
        desk.say(LinkEvent.CONNECTED, 10, 2)
        connect, lost, again = desk.log
        assert (connect.mode, connect.account, connect.account_mask, connect.port) == (
            Mode.PAPER,
            "tag",
            "DU...567",
            4002,
        )
        assert (connect.session, lost.session, again.session) == (1, 1, 2)
        assert connect.gateway_version == "10.30"
        assert (desk.sessions.account, desk.sessions.port, desk.sessions.gateway_version) == ("tag", 4002, "10.30")
        silent = LinkSaid(LinkEvent.LOST, 2)
        (body,) = link.link_beads(desk.sessions, silent, Mode.PAPER, ACCOUNT, 4002)
        assert (body.port, body.gateway_version) == (4002, None)
        desk.write(evolve(again, gateway_version=None), 20)
        assert desk.sessions.gateway_version == "10.30"


class TestRestartWindow:
    """E8: in the declared restart window what is tried counts nothing; the attempts begin when it ends."""

    def lost(self) -> Sessions:
        """Lost at 23:45, as declared."""
        desk = Desk().connected()
        desk.say(LinkEvent.LOST, 0)
        return desk.sessions

    def step(self, seconds: float, *, probed: datetime | None = None) -> Step:
        """What the link asks for so long after the loss, in a window of five minutes."""
        ends = at(300) if seconds < 300 else None
        return next_step(self.lost(), at(seconds), window_ends=ends, probed_at=probed).step

    @shows("F46", "F48")
    def test_no_attempt_is_burnt_on_a_gateway_that_restarts_as_declared(self) -> None:
        """In the window a session is only probed for, every 5 s; the three attempts begin after it."""
        assert self.step(10) is Step.PROBE
        assert self.step(10, probed=at(6)) is Step.WAIT
        assert self.step(11, probed=at(6)) is Step.PROBE
        assert self.step(299) is Step.PROBE
        assert self.step(300) is Step.ATTEMPT

    def test_a_broker_that_is_away_escalates_when_the_window_ends(self) -> None:
        """The socket stands, and the broker behind it is away: waited for until the window ends, and for its budget."""
        desk = Desk().connected()
        desk.say(LinkEvent.DEGRADED, 0)
        for seconds, ends, due in ((70, 300, 300), (70, 90, 90), (10, 20, 65)):
            step = next_step(desk.sessions, at(seconds), window_ends=at(ends))
            assert (step.step, step.at) == (Step.WAIT, at(due))
        assert next_step(desk.sessions, at(300)).step is Step.ESCALATE

    @pytest.mark.parametrize(("since", "expected"), [(29, Step.WAIT), (30, Step.LISTEN)])
    def test_after_escalation_a_probe_every_half_minute(self, since: int, expected: Step) -> None:
        """Passively: nothing is attempted whatever the port says."""
        sessions = Sessions(state=ReconnectState.ESCALATED)
        assert next_step(sessions, at(since), probed_at=at(0)).step is expected


class TestFold:
    """What the slice refuses to believe."""

    def test_failure_of_a_link_that_is_up_is_impossible(self) -> None:
        """Only a link that is down is tried again, and never a fourth time."""
        desk = Desk().connected()
        failure = evolve(desk.log[0], outcome="FAILED", reconnect_attempt=1)
        with pytest.raises(AssertionError, match="tried again"):
            desk.write(failure, 1)
        fresh = Desk()
        with pytest.raises(AssertionError, match="no fourth"):
            fresh.write(evolve(failure, reconnect_attempt=4), 1)

    def test_other_beads_are_somebody_elses(self) -> None:
        """One kind, one owner."""
        sessions = Sessions()
        sessions.fold(bead(1, seen(About.LINK, "x")))
        assert sessions == Sessions()
