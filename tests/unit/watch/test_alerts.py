"""Alerts: every one is told, the loud ones first; nothing is said too often, and nothing is lost in a flood."""

from __future__ import annotations

import re
import string
from datetime import timedelta
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import About, Alert, AlertEvent
from phoenix_core.values import Severity
from phoenix_core.watch import alerts
from phoenix_core.watch.alerts import Alerts, Message
from phoenix_core.watch.codes import CODES, ISSUE_CODES, WARNING_REPEAT, Code, alert, drift_code
from phoenix_core.watch.drift import Cause
from phoenix_core.watch.observations import seen
from tests.showing import REPOSITORY, shows
from tests.unit.watch.made import at, bead

RUNBOOKS: Final = {f"RB-00{n}" for n in range(1, 9)}
QUIET: Final = Code.PACING_LIMITED  # a WARNING, an event, that the throttle may hold back


class Desk:
    """Alerts with their log."""

    def __init__(self) -> None:
        """Nothing was ever raised."""
        self.alerts = Alerts()
        self.seq = 0

    def write(self, body: Alert, seconds: float = 0) -> Alert:
        """Append and fold one bead."""
        self.seq += 1
        self.alerts.fold(bead(self.seq, body, seconds))
        return body

    def tell(self, code: Code, subject: str = "x", seconds: float = 0) -> Alert:
        """Raise an alert, asked or not."""
        return self.write(alert(code, subject, f"key-{self.seq}"), seconds)

    def send(self, seconds: float) -> list[Message]:
        """Send what goes out now, and record it."""
        out = alerts.next_messages(self.alerts, at(seconds))
        for message in out:
            for body in alerts.sent(self.alerts, message, "telegram"):
                self.write(body, seconds)
        return list(out)

    def follow(self, seconds: float) -> list[str]:
        """What time asks of the open alerts, recorded."""
        return [self.write(body, seconds).code for body in alerts.follow_ups(self.alerts, at(seconds))]


@shows("INV-OPS-RUNBOOK-1", "S33-RBK-10", "S33-MON-11")
class TestVocabulary:
    """The table of alerts."""

    @pytest.mark.parametrize("code", Code)
    def test_every_code_has_a_row_and_what_is_critical_a_runbook(self, code: Code) -> None:
        """No alert without a phrase; no CRITICAL without one of the eight runbooks; the phrase is ours alone."""
        row = CODES[code]
        assert row.phrase
        assert set(row.phrase) <= set(string.printable)
        assert row.runbook in RUNBOOKS or (row.runbook is None and row.severity is not Severity.CRITICAL)
        assert row.always <= (row.severity is Severity.WARNING)
        assert row.insists <= (row.repeats is not None)
        assert (row.repeats is None) or row.lasts
        assert (row.escalates is None) or row.lasts

    def test_every_runbook_is_named_by_an_alert(self) -> None:
        """No runbook is unreachable from an alert."""
        assert {row.runbook for row in CODES.values() if row.runbook} == RUNBOOKS

    def test_classes_are_those_of_the_documents(self) -> None:
        """Process death, connection loss and drift CRITICAL; semantic degradation WARNING, escalated after 5 min;
        STALLED a WARNING; a missed protection every minute."""
        critical = {Code.PROCESS_DEAD, Code.LINK_LOST, Code.LINK_ESCALATED, Code.DRIFT_CRITICAL, Code.ORPHAN_EXIT}
        assert all(CODES[code].severity is Severity.CRITICAL for code in critical)
        assert CODES[Code.LINK_ESCALATED].phrase == "Connection rotting - run RB-001"
        degraded = CODES[Code.HEALTH_DEGRADED]
        assert degraded.severity is Severity.WARNING
        assert degraded.escalates == (timedelta(minutes=5), Code.HEALTH_DEGRADED_LONG)
        assert CODES[Code.HEALTH_DEGRADED_LONG].severity is Severity.CRITICAL
        assert CODES[Code.POSITION_STALLED].severity is Severity.WARNING
        assert CODES[Code.PROTECTION_LOST].repeats == CODES[Code.EXIT_UNKNOWN].repeats == timedelta(minutes=1)

    def test_no_code_is_a_name_that_nobody_says(self) -> None:
        """Each is raised by an act, or becomes of another one: else a runbook waits for an alert that never comes."""
        core = [path.read_text("utf-8") for path in (REPOSITORY / "src/phoenix_core").rglob("*.py")]
        sayers = "".join(text for text in core if "class Code(Named)" not in text)
        sayers += "".join(path.read_text("utf-8") for path in (REPOSITORY / "src/phoenix_adapters").rglob("*.py"))
        sayers += (REPOSITORY / "src/phoenix_cli/commands/safety.py").read_text("utf-8")  # what ends a run
        named = {code for code in Code if re.search(rf"\bCode\.{code.name}\b", sayers)}
        named |= {row.escalates[1] for row in CODES.values() if row.escalates is not None}
        named |= set(ISSUE_CODES.values())
        named |= {drift_code(cause.value, severity) for cause in Cause for severity in Severity}
        assert set(Code) - named == set()

    def test_body_is_the_same_on_every_retry(self) -> None:
        """The same key makes the same id; another key, subject or code another."""
        one = alert(Code.LINK_LOST, "session 3", "bead-9", port="4002", attempt="1")
        assert one == alert(Code.LINK_LOST, "session 3", "bead-9", port="4002", attempt="1")
        assert one.text == "Link to the broker lost: session 3 (port 4002, attempt 1)"
        others = {
            alert(Code.LINK_LOST, "session 3", "bead-8").alert,
            alert(Code.LINK_LOST, "session 4", "bead-9").alert,
            alert(Code.LINK_RESTORED, "session 3", "bead-9").alert,
        }
        assert len(others | {one.alert}) == 4
        assert (one.event, one.runbook, one.always) == (AlertEvent.RAISED, "RB-001", False)


class TestRaising:
    """E12: what is said again, how often, and until when."""

    def test_same_warning_at_most_hourly(self) -> None:
        """The same WARNING on the same subject waits an hour, open, acknowledged or not; another subject does not."""
        desk = Desk()
        first = desk.tell(QUIET, "wire", 0)
        assert not alerts.may_raise(desk.alerts, QUIET, "wire", at(3599))
        assert alerts.may_raise(desk.alerts, QUIET, "other", at(1))
        assert alerts.may_raise(desk.alerts, QUIET, "wire", at(3600))
        answer = alerts.acknowledged(desk.alerts, first.alert, "ada")
        assert answer is not None
        desk.write(answer, 5)
        assert desk.alerts.open == {}
        assert not alerts.may_raise(desk.alerts, QUIET, "wire", at(60))

    def test_what_always_notifies_and_what_is_critical_is_not_held_back(self) -> None:
        """An event of either kind is said as often as it happens; so is an INFO."""
        desk = Desk()
        for code in (Code.ORDER_REJECTED, Code.CLOSE_NOT_SENT, Code.ORDER_FILLED):
            desk.tell(code)
            assert alerts.may_raise(desk.alerts, code, "x", at(1))

    @pytest.mark.parametrize("code", [code for code, row in CODES.items() if row.lasts])
    def test_condition_that_is_open_is_not_raised_again(self, code: Code) -> None:
        """It is said again by its own rhythm only; once resolved, it may come back at once where it is CRITICAL or
        always notifies, and after an hour otherwise."""
        desk = Desk()
        assert alerts.may_raise(desk.alerts, code, "x", at(0))
        desk.tell(code)
        assert not alerts.may_raise(desk.alerts, code, "x", at(WARNING_REPEAT.total_seconds() * 2))
        ended = alerts.resolved(desk.alerts, code, "x", "ada")
        assert ended is not None
        desk.write(ended, 1)
        row = CODES[code]
        loud = row.severity is Severity.CRITICAL or row.always
        assert alerts.may_raise(desk.alerts, code, "x", at(2)) == loud
        assert alerts.resolved(desk.alerts, code, "x", "ada") is None

    def test_memory_of_warnings_lasts_an_hour(self) -> None:
        """However many subjects there are, only those of the last hour are remembered."""
        desk = Desk()
        for n in range(200):
            desk.tell(QUIET, f"subject-{n}", n * 60)
        assert len(desk.alerts.warned) == 60

    def test_a_warning_that_is_said_again_keeps_no_older_one_in_memory(self) -> None:
        """What is said each hour is young; what was said once before it is forgotten all the same."""
        desk = Desk()
        for subject, seconds in (("again", 0), ("once", 60), ("again", 3601), ("now", 3700)):
            desk.tell(QUIET, subject, seconds)
        assert {name.partition("|")[2] for name in desk.alerts.warned} == {"again", "now"}

    def test_info_is_not_kept_open(self) -> None:
        """It is told and forgotten."""
        desk = Desk()
        desk.tell(Code.ORDER_FILLED)
        assert desk.alerts.open == {}
        assert len(desk.alerts.unsent) == 1


@shows("S32-REC-08", "S33-MON-11")
class TestFollowUps:
    """Repeats and escalations."""

    def test_lost_protection_is_said_every_minute_whoever_knows(self) -> None:
        """D4: CRITICAL at once and every minute, acknowledged or not, until it is resolved."""
        desk = Desk()
        first = desk.tell(Code.PROTECTION_LOST)
        assert desk.follow(59) == []
        assert desk.follow(60) == ["PROTECTION_LOST"]
        assert desk.follow(61) == []
        answer = alerts.acknowledged(desk.alerts, first.alert, "ada")
        assert answer is not None
        desk.write(answer, 62)
        assert desk.follow(120) == ["PROTECTION_LOST"]
        (one,) = desk.alerts.open.values()
        assert (one.count, one.acknowledged, one.last_at) == (3, True, at(120))
        ended = alerts.resolved(desk.alerts, Code.PROTECTION_LOST, "x", "engine")
        assert ended is not None
        desk.write(ended, 121)
        assert desk.follow(9999) == []

    @shows("INV-POSITION-SUBMITTED-TTL-1")
    def test_stalled_is_said_until_it_is_resolved(self) -> None:
        """B4: bounded in visibility, not in time; hourly, as a WARNING is."""
        desk = Desk()
        first = desk.tell(Code.POSITION_STALLED)
        answer = alerts.acknowledged(desk.alerts, first.alert, "ada")
        assert answer is not None
        desk.write(answer, 1)
        told = [hour for hour in range(1, 49) for _ in desk.follow(hour * 3600)]
        assert told == list(range(1, 49))

    @pytest.mark.parametrize(
        ("code", "minutes", "becomes"),
        [
            (Code.DRIFT_CRITICAL, 15, "DRIFT_UNRESOLVED"),
            (Code.DRIFT_WARNING, 15, "DRIFT_UNRESOLVED"),
            (Code.HEALTH_DEGRADED, 5, "HEALTH_DEGRADED_LONG"),
        ],
    )
    def test_what_waits_too_long_is_escalated_once(self, code: Code, minutes: int, becomes: str) -> None:
        """At its time, once, as a CRITICAL that names what it escalates."""
        desk = Desk()
        first = desk.tell(code)
        assert desk.follow(minutes * 60 - 1) == []
        (said,) = alerts.follow_ups(desk.alerts, at(minutes * 60))
        assert (said.code, said.severity, said.repeats) == (becomes, Severity.CRITICAL, first.alert)
        desk.write(said, minutes * 60)
        assert desk.follow(minutes * 60 + 1) == []
        (one,) = desk.alerts.open.values()
        assert one.escalated
        assert one.code is code

    def test_acknowledged_condition_is_neither_repeated_nor_escalated(self) -> None:
        """Somebody looks into it: it stays open and quiet."""
        desk = Desk()
        first = desk.tell(Code.DRIFT_WARNING)
        answer = alerts.acknowledged(desk.alerts, first.alert, "ada")
        assert answer is not None
        assert (answer.event, answer.by, answer.runbook) == (AlertEvent.ACKNOWLEDGED, "ada", "RB-002")
        desk.write(answer, 1)
        assert desk.follow(99_999) == []
        assert len(desk.alerts.open) == 1

    def test_repeat_of_an_alert_that_ended_opens_it_anew(self) -> None:
        """A repeat that was decided while somebody resolved the first is an alert of its own; a second event on the
        same subject joins the first."""
        desk = Desk()
        desk.write(evolve(alert(Code.PROTECTION_LOST, "x", "k"), repeats="gone"))
        assert len(desk.alerts.open) == 1
        desk.tell(Code.ORDER_REJECTED, "y")
        desk.tell(Code.ORDER_REJECTED, "y")
        counts = {one.code: one.count for one in desk.alerts.open.values()}
        assert counts == {Code.PROTECTION_LOST: 1, Code.ORDER_REJECTED: 2}
        assert len(desk.alerts.by_subject) == 2

    def test_answer_to_nothing_is_impossible(self) -> None:
        """Only an open alert is answered."""
        desk = Desk()
        assert alerts.acknowledged(desk.alerts, "none", "ada") is None
        first = desk.tell(Code.LINK_LOST)
        answer = alerts.acknowledged(desk.alerts, first.alert, "ada")
        assert answer is not None
        with pytest.raises(AssertionError, match="only an open alert"):
            Desk().write(answer)


codes: Final = st.lists(st.tuples(st.sampled_from(Code), st.integers(0, 20)), max_size=80)


class TestProof:
    """Two channels that took the whole test sequence within a week: what a LIVE desk asks to see."""

    def test_a_proof_lasts_a_week(self) -> None:
        """Each channel once, with its latest proof; a week later none is left, and a clock set back proves nothing."""
        book = Alerts()
        for seq, (channel, seconds) in enumerate((("telegram", 0), ("apprise", 60), ("telegram", 90))):
            book.fold(bead(seq, alerts.tested(channel, str(seq)), seconds))
        week = timedelta(days=7)
        assert set(alerts.proven_channels(book, at(91))) == {"telegram", "apprise"}
        assert alerts.proven_channels(book, at(60) + week) == ("telegram",)
        assert alerts.proven_channels(book, at(90) + week) == ()
        assert alerts.proven_channels(book, at(-3)) == ()

    def test_only_the_test_sequence_proves(self) -> None:
        """A channel that took an alert of the day is not proven by it, and a proof opens nothing."""
        book = Alerts()
        told = alert(Code.LINK_LOST, "link", "k")
        book.fold(bead(0, told))
        (body,) = alerts.sent(book, Message(Severity.CRITICAL, (told.alert,), "x"), "telegram")
        book.fold(bead(1, body, 1))
        assert book.proven == {}
        book.fold(bead(2, alerts.tested("telegram", "t"), 2))
        assert list(book.proven) == ["telegram"] and list(book.open) == [told.alert] and not book.unsent


@shows("I18", "S32-NOT-01", "S33-NOT-01", "S33-NOT-02", "S33-NOT-04", "CV_S33_8_TELEGRAM_REAL_FLOOD", "F70")
class TestMessages:
    """I18, the part of the rules: every alert id is delivered or escalated; critical first; the rest is batched."""

    @given(codes)
    def test_every_alert_is_delivered_once_and_criticals_at_once(self, story: list[tuple[Code, int]]) -> None:
        """Whatever comes: each id leaves in exactly one message; a CRITICAL alone, in the step in which it came, before
        all others; the rest in at most six messages a minute, and none of it waits longer than ten seconds."""
        desk, now, told, batches = Desk(), 0.0, list[str](), list[float]()
        raised = []
        for n, (code, wait) in enumerate(story):
            now += wait / 4
            raised.append(desk.tell(code, f"s{n}", now).alert)
            out = desk.send(now)
            told += [alert_id for message in out for alert_id in message.alerts]
            loud = [message.severity is Severity.CRITICAL for message in out]
            assert loud == sorted(loud, reverse=True)
            assert all(len(m.alerts) == 1 for m in out if m.severity is Severity.CRITICAL)
            assert not any(one.severity is Severity.CRITICAL for one in desk.alerts.unsent.values())
            batches += [now] * (len(out) - sum(loud))
        told += [alert_id for message in desk.send(now + 10) for alert_id in message.alerts]
        assert sorted(told) == sorted(raised)
        assert all(sum(1 for other in batches if at <= other < at + 60) <= 6 for at in batches)

    def test_ten_alerts_become_one_batch(self) -> None:
        """Nine wait for company, the tenth sends them all; five seconds are enough for fewer."""
        desk = Desk()
        for n in range(9):
            desk.tell(QUIET, f"s{n}", n / 10)
        assert desk.send(1) == []
        desk.tell(QUIET, "s9", 1)
        (batch,) = desk.send(1)
        assert len(batch.alerts) == 10
        assert batch.text.count("\n") == 9
        assert batch.severity is Severity.WARNING
        desk.tell(Code.ORDER_FILLED, "s10", 7)
        assert desk.send(11.9) == []
        (single,) = desk.send(12)
        assert (single.severity, len(single.alerts)) == (Severity.INFO, 1)

    def test_fifty_in_a_minute_swamp_nobody_and_bury_nothing(self) -> None:
        """Six messages, and the CRITICAL in the middle alone and at once; all fifty are told."""
        desk, messages = Desk(), list[Message]()
        for n in range(50):
            desk.tell(QUIET if n != 25 else Code.LINK_LOST, f"s{n}", n)
            out = desk.send(n)
            assert (n == 25) == any(m.severity is Severity.CRITICAL for m in out)
            messages += out
        messages += desk.send(60)
        assert sum(len(message.alerts) for message in messages) == 50
        assert len(messages) == 7

    def test_five_hundred_at_once_are_one_message_that_counts_the_rest(self) -> None:
        """Ten lines, what always notifies first; the other 490 as figures by code."""
        desk = Desk()
        for n in range(250):
            desk.tell(Code.ORDER_FILLED, f"a{n}")
        for n in range(249):
            desk.tell(QUIET, f"b{n}")
        desk.tell(Code.ORDER_REJECTED, "c")
        (batch,) = desk.send(0)
        lines = batch.text.splitlines()
        assert lines[0].startswith("WARNING The broker rejected an order")
        assert len(lines) == 11
        assert lines[-1] == "and 490 more: 250 x ORDER_FILLED, 240 x PACING_LIMITED"
        assert desk.alerts.unsent == {}

    def test_line_names_severity_phrase_and_runbook(self) -> None:
        """What a human reads at three in the morning."""
        desk = Desk()
        desk.tell(Code.LINK_ESCALATED, "session 3")
        (message,) = desk.send(0)
        assert message.text == "CRITICAL Connection rotting - run RB-001: session 3 [RB-001]"

    def test_what_is_on_its_way_is_not_said_again(self) -> None:
        """Neither a CRITICAL that a channel was given, nor a batch with one; all of it is said once that failed."""
        desk = Desk()
        loud = desk.tell(Code.FAIL_STOP, "a")
        for n in range(10):
            desk.tell(Code.ORDER_HELD, f"order {n}")
        (critical,) = alerts.next_messages(desk.alerts, at(1))
        assert critical.alerts == (loud.alert,), "first, and alone"
        assert alerts.next_messages(desk.alerts, at(1), {loud.alert}) == (), "a batch overtakes no CRITICAL on its way"
        (receipt,) = alerts.sent(desk.alerts, critical, "telegram")
        desk.write(receipt, 1)
        (batch,) = alerts.next_messages(desk.alerts, at(1))
        desk.tell(Code.ORDER_HELD, "what comes while the batch is on its way waits for the next one")
        assert alerts.next_messages(desk.alerts, at(1), set(batch.alerts)) == ()
        (later,) = alerts.next_messages(desk.alerts, at(1))
        assert len(later.alerts) == 11

    @shows("CV_S33_7_TELEGRAM_TIMEOUT", "S33-NOT-03", "F69")
    def test_channel_that_fails_loses_nothing(self) -> None:
        """What no channel has taken stays to be sent, after a restart, too; a second receipt changes nothing."""
        desk = Desk()
        desk.tell(Code.LINK_LOST)
        (message,) = alerts.next_messages(desk.alerts, at(0))
        assert alerts.next_messages(desk.alerts, at(999)) == (message,)
        (receipt,) = alerts.sent(desk.alerts, message, "telegram")
        assert (receipt.event, receipt.channel) == (AlertEvent.SENT, "telegram")
        desk.write(receipt, 1)
        assert alerts.next_messages(desk.alerts, at(2)) == ()
        desk.write(evolve(receipt, channel="console"), 3)
        assert alerts.sent(desk.alerts, message, "console") == ()
        assert desk.alerts.batched_at is None


def test_other_beads_are_somebody_elses() -> None:
    """One kind, one owner."""
    desk = Alerts()
    desk.fold(bead(1, seen(About.WARNING, "x")))
    assert desk == Alerts()
