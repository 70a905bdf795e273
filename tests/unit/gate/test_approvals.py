"""Approvals: an honest signature opens the way for exactly one order; each way of cheating has its own reason."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import product
from typing import Final

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from returns.pipeline import is_successful
from returns.result import Result

from phoenix_core.beads import (
    Bead,
    Body,
    Decision,
    KillEvent,
    KillFlag,
    KillKind,
    Operator,
    OperatorEvent,
    Signed,
    Verdict,
)
from phoenix_core.facts import Checked, Quote
from phoenix_core.gate.approvals import (
    Approvals,
    Decided,
    Expected,
    ExpectedIntent,
    Key,
    decision,
    judge_decision,
    judge_operator,
    judge_statement,
    odd_key,
    signed_of,
)
from phoenix_core.gate.screen import Live
from phoenix_core.gate.statements import (
    Close,
    Decide,
    Enrol,
    Render,
    Resume,
    Revoke,
    Says,
    Statement,
    ValidatePaper,
    write_statement,
)
from phoenix_core.refusals import Reason, Refusal
from phoenix_core.values import Mode, Moment, Price, plain, utc_text
from tests.showing import shows

NOON: Final = Moment(datetime(2026, 11, 18, 12, tzinfo=UTC), timedelta(hours=5), "boot")
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)
ROOT: Final = "A" * 43 + "="
BID, ASK = Price(Decimal("190.2")), Price(Decimal("190.25"))
# The log: keys enrolled at 1 to 4, evidence at 10, a quote at 12, twenty beads in all.
SIZE: Final = 20
ALICE, BOB, ALICE_TOO, MALLORY = "SHA256:alice", "SHA256:bob", "SHA256:alice-2", "SHA256:mallory"


def bead(seq: int, body: Body) -> Bead:
    """A recorded fact, at a place in the log."""
    return Bead(seq, NOON.wall, f"bead-{seq}", body, f"leaf-{seq}")


def enrolled(key: str, name: str, assurance: str = "hardware") -> Operator:
    """A key comes."""
    return Operator(OperatorEvent.ENROLLED, key, f"public of {key}", name, assurance)


def a_desk() -> Approvals:
    """Alice with two hardware keys, Bob with a software key."""
    approvals = Approvals()
    approvals.fold(bead(1, enrolled(ALICE, "alice")))
    approvals.fold(bead(2, enrolled(BOB, "bob", "software")))
    approvals.fold(bead(3, enrolled(ALICE_TOO, "alice")))
    return approvals


APPROVE: Final = Decide(
    verdict=Verdict.APPROVE,
    intent="intent-1",
    drift_bps_max=25,
    evidence="leaf-10",
    order="order-hash",
    render=Render("term-1", "sha"),
    live=Live(BID, ASK, 400),
)
REJECT: Final = Decide(Verdict.REJECT, "intent-1", 0)


@frozen
class Case:
    """Everything that a judge is given, honest unless changed."""

    says: Says = APPROVE
    statement: Statement = Statement(
        "desk", SIZE, ROOT, "tag", Mode.PAPER, "0f" * 16, NOON.wall, NOON.wall + 300 * SECOND, APPROVE
    )
    checked: Checked = Checked(b"", "sshsig", ALICE, "hardware", presence=True, verification=True, counter=0)
    expected: Expected = Expected("desk", Mode.PAPER, "tag", SIZE, ROOT)
    intent: ExpectedIntent = ExpectedIntent(
        intent="intent-1",
        evidence="leaf-10",
        evidence_seq=10,
        expires_at=NOON.wall + 600 * SECOND,
        order="order-hash",
        drift_bps_max=25,
        render=Render("term-1", "sha"),
        quotes=(Quote("AAPL", BID, ASK, NOON.plus(-0.4 * SECOND), seq=12),),
        proposer="bot",
        four_eyes=False,
    )
    now: Moment = NOON.plus(SECOND)

    def signed(self) -> Checked:
        """The statement, signed."""
        return evolve(self.checked, statement=write_statement(evolve(self.statement, says=self.says)))

    def judged(self, approvals: Approvals) -> Result[Statement, Refusal]:
        """The verdict on it."""
        return judge_decision(approvals, self.signed(), self.expected, self.intent, self.now)

    def bead(self, seq: int) -> Bead:
        """The bead of it, once accepted."""
        return bead(seq, decision(self.signed(), evolve(self.statement, says=self.says), self.now))


HONEST: Final = Case()


def said(case: Case, **changes: object) -> Case:
    """The human signs something else: fields of the decision."""
    assert isinstance(case.says, Decide)
    return evolve(case, says=evolve(case.says, **changes))  # type: ignore[arg-type]  # a wrong name fails at once


def framed(case: Case, **changes: object) -> Case:
    """The human signs something else: fields of the frame."""
    return evolve(case, statement=evolve(case.statement, **changes))  # type: ignore[arg-type]  # as above: a wrong name fails


def checked(case: Case, **changes: object) -> Case:
    """The verifier found something else."""
    return evolve(case, checked=evolve(case.checked, **changes))  # type: ignore[arg-type]  # as above: a wrong name fails


def known(case: Case, **changes: object) -> Case:
    """The desk knows something else of its log."""
    return evolve(case, expected=evolve(case.expected, **changes))  # type: ignore[arg-type]  # as above: a wrong name fails


def about(case: Case, **changes: object) -> Case:
    """The desk knows something else of the intent."""
    return evolve(case, intent=evolve(case.intent, **changes))  # type: ignore[arg-type]  # as above: a wrong name fails


def reasons(judged: Result[Statement, Refusal]) -> tuple[Reason, ...]:
    """Why not; nothing where it was accepted."""
    return () if is_successful(judged) else judged.failure().reasons


QUOTE: Final = HONEST.intent.quotes[0]
# A quote that stands in the log before any key came, for attacks that go back so far.
EARLY: Final = about(HONEST, evidence_seq=0, quotes=(evolve(QUOTE, seq=0),))
LIVE: Final = known(framed(HONEST, mode=Mode.LIVE), mode=Mode.LIVE)
SOFTWARE: Final = checked(HONEST, key=BOB, assurance="software", presence=False, verification=False)


class TestHonestTwins:
    """What must pass, so that the refusals below mean something."""

    @pytest.mark.parametrize(
        "case",
        [
            HONEST,
            LIVE,
            SOFTWARE,
            known(framed(SOFTWARE, mode=Mode.MOCK), mode=Mode.MOCK),
            checked(HONEST, verification=False),
            checked(HONEST, counter=1),
            checked(HONEST, key=ALICE_TOO),
            known(HONEST, session="0f" * 16),
            said(HONEST, drift_bps_max=10),
            framed(HONEST, tree_size=13),
            evolve(HONEST, says=REJECT),
            about(evolve(HONEST, says=REJECT), evidence=None, expires_at=None, render=None, quotes=()),
            about(HONEST, four_eyes=True),
            about(HONEST, proposer="alice"),
        ],
    )
    def test_an_honest_decision_is_accepted(self, case: Case) -> None:
        """It comes back as the statement that was signed."""
        judged = case.judged(a_desk())
        assert reasons(judged) == ()
        assert judged.unwrap() == evolve(case.statement, says=case.says)


@frozen
class Attack:
    """A name, one thing changed, and the one reason that it must meet."""

    name: str
    case: Case
    reason: Reason


BINDING: Final = (
    Attack("signature moved to another intent", about(HONEST, intent="intent-2"), Reason.STATEMENT_OTHER_INTENT),
    Attack("statement for another intent", said(HONEST, intent="intent-2"), Reason.STATEMENT_OTHER_INTENT),
    Attack("submit without evidence", about(HONEST, evidence=None), Reason.EVIDENCE_MISSING),
    Attack("no evidence ever", about(HONEST, evidence=None, expires_at=None), Reason.EVIDENCE_MISSING),
    Attack("approve that names no evidence", said(HONEST, evidence=None), Reason.STATEMENT_OTHER_EVIDENCE),
    Attack("evidence replaced after approval", about(HONEST, evidence="leaf-15"), Reason.STATEMENT_OTHER_EVIDENCE),
    Attack("approve v1, send v2", said(HONEST, evidence="leaf-9"), Reason.STATEMENT_OTHER_EVIDENCE),
    Attack("more drift than was shown", said(HONEST, drift_bps_max=26), Reason.STATEMENT_OTHER_EVIDENCE),
    Attack("drift below zero", said(HONEST, drift_bps_max=-1), Reason.STATEMENT_OTHER_EVIDENCE),
    Attack("one byte of the order", about(HONEST, order="order-hasi"), Reason.STATEMENT_OTHER_ORDER),
    Attack("approve that names no order", said(HONEST, order=None), Reason.STATEMENT_OTHER_ORDER),
    Attack("other account", framed(HONEST, account="gat"), Reason.STATEMENT_OTHER_ACCOUNT),
    Attack("paper to live", known(HONEST, mode=Mode.LIVE), Reason.STATEMENT_OTHER_MODE),
    Attack("live to paper", framed(HONEST, mode=Mode.LIVE), Reason.STATEMENT_OTHER_MODE),
    Attack("other log", framed(HONEST, log="desk-2"), Reason.STATEMENT_OTHER_LOG),
    Attack("another history", framed(HONEST, tree_root="B" + ROOT[1:]), Reason.STATEMENT_OTHER_HISTORY),
    Attack("a size that the log never had", known(HONEST, root=None), Reason.STATEMENT_OTHER_HISTORY),
    Attack("a history that is yet to come", framed(HONEST, tree_size=SIZE + 1), Reason.STATEMENT_OTHER_HISTORY),
    Attack("before the evidence was durable", about(HONEST, evidence_seq=SIZE), Reason.STATEMENT_OTHER_HISTORY),
    Attack(
        "a screen that does not reproduce", said(HONEST, render=Render("term-1", "ahs")), Reason.STATEMENT_OTHER_RENDER
    ),
    Attack("another renderer", said(HONEST, render=Render("term-2", "sha")), Reason.STATEMENT_OTHER_RENDER),
    Attack("no screen at all", about(said(HONEST, render=None), render=None), Reason.STATEMENT_OTHER_RENDER),
    Attack("a missing quote", said(HONEST, live=None), Reason.STATEMENT_OTHER_QUOTE),
    Attack("a quote that is not in the log", about(HONEST, quotes=()), Reason.STATEMENT_OTHER_QUOTE),
    Attack("another bid", said(HONEST, live=Live(ASK, ASK, 400)), Reason.STATEMENT_OTHER_QUOTE),
    Attack("another ask", said(HONEST, live=Live(BID, BID, 400)), Reason.STATEMENT_OTHER_QUOTE),
    Attack("a quote made younger", said(HONEST, live=Live(BID, ASK, 1401)), Reason.STATEMENT_OTHER_QUOTE),
    Attack("a quote from the future", said(HONEST, live=Live(BID, ASK, -1)), Reason.STATEMENT_OTHER_QUOTE),
    Attack("a quote of no observation", about(HONEST, quotes=(evolve(QUOTE, seq=None),)), Reason.STATEMENT_OTHER_QUOTE),
    Attack("a quote outside the co-signed history", framed(HONEST, tree_size=12), Reason.STATEMENT_OTHER_QUOTE),
)

KEYS: Final = (
    Attack("unknown key", checked(HONEST, key=MALLORY), Reason.KEY_UNKNOWN),
    Attack("not-yet-valid key", checked(framed(EARLY, tree_size=3), key=ALICE_TOO), Reason.KEY_NOT_YET_VALID),
    Attack("before any key", framed(EARLY, tree_size=1), Reason.KEY_NOT_YET_VALID),
    Attack("presence 0", checked(HONEST, presence=False), Reason.PRESENCE_MISSING),
    Attack("presence 0 in LIVE", checked(LIVE, presence=False), Reason.PRESENCE_MISSING),
    Attack("verification 0 in LIVE", checked(LIVE, verification=False), Reason.VERIFICATION_MISSING),
    Attack("software key in LIVE", checked(LIVE, key=BOB), Reason.KEY_IS_SOFTWARE),
    Attack("hardware key that signs as software in LIVE", checked(LIVE, assurance="software"), Reason.KEY_IS_SOFTWARE),
)

TIMES: Final = (
    Attack("decision after its life", evolve(HONEST, now=NOON.plus(300 * SECOND)), Reason.STATEMENT_EXPIRED),
    Attack("decision after the evidence's life", about(HONEST, expires_at=NOON.wall + SECOND), Reason.EVIDENCE_EXPIRED),
    Attack("signed for later", evolve(HONEST, now=NOON.plus(-2 * SECOND - TICK)), Reason.STATEMENT_PRESIGNED),
    Attack("wall back by an hour", evolve(HONEST, now=NOON.plus(timedelta(hours=-1))), Reason.STATEMENT_PRESIGNED),
    Attack("wall back by a year", evolve(HONEST, now=NOON.plus(timedelta(days=-365))), Reason.STATEMENT_PRESIGNED),
    Attack("signed to be kept", framed(HONEST, exp=NOON.wall + 300 * SECOND + TICK), Reason.STATEMENT_PRESIGNED),
    Attack("signed on another screen", known(HONEST, session="f0" * 16), Reason.STATEMENT_PRESIGNED),
)


def by_name(attack: Attack) -> str:
    """How a test is called after its attack."""
    return attack.name


class TestAttacks:
    """One thing changed, one reason; the honest twins stand above."""

    @shows("I2", "I22")
    @pytest.mark.parametrize("attack", BINDING, ids=by_name)
    def test_binding(self, attack: Attack) -> None:
        """What was signed is about exactly this, and cannot be moved."""
        assert reasons(attack.case.judged(a_desk())) == (attack.reason,)

    @pytest.mark.parametrize("attack", KEYS, ids=by_name)
    def test_keys(self, attack: Attack) -> None:
        """Only a key of this desk opens anything, used as the mode demands."""
        assert reasons(attack.case.judged(a_desk())) == (attack.reason,)

    @shows("I17")
    @pytest.mark.parametrize("attack", TIMES, ids=by_name)
    def test_times(self, attack: Attack) -> None:
        """Signed now, for now."""
        assert reasons(attack.case.judged(a_desk())) == (attack.reason,)

    @pytest.mark.parametrize(
        "case",
        [
            evolve(HONEST, now=NOON.plus(300 * SECOND - TICK)),
            evolve(HONEST, now=NOON.plus(-2 * SECOND)),
            about(HONEST, expires_at=NOON.wall + SECOND + TICK),
            said(HONEST, live=Live(BID, ASK, 1400)),
            said(HONEST, live=Live(BID, ASK, 0)),
            said(HONEST, drift_bps_max=0),
            about(HONEST, evidence_seq=SIZE - 1),
        ],
    )
    def test_the_last_good_value(self, case: Case) -> None:
        """One step inside each bound is still honest."""
        assert reasons(case.judged(a_desk())) == ()

    def test_everything_at_once_is_told_at_once(self) -> None:
        """Every reason that holds, in order of precedence."""
        case = Case(
            says=evolve(APPROVE, intent="i", evidence="e", order="o", render=None, live=None),
            statement=evolve(
                HONEST.statement,
                log="other",
                mode=Mode.PAPER,
                account="gat",
                tree_root="B" + ROOT[1:],
                exp=NOON.wall + timedelta(days=1),
            ),
            checked=evolve(HONEST.checked, key=MALLORY, presence=False, verification=False),
            expected=evolve(HONEST.expected, mode=Mode.LIVE),
            intent=evolve(HONEST.intent, expires_at=NOON.wall, proposer=MALLORY, four_eyes=True),
            now=NOON.plus(timedelta(days=2)),
        )
        assert reasons(case.judged(a_desk())) == (
            Reason.STATEMENT_OTHER_LOG,
            Reason.STATEMENT_OTHER_MODE,
            Reason.STATEMENT_OTHER_ACCOUNT,
            Reason.STATEMENT_OTHER_HISTORY,
            Reason.STATEMENT_OTHER_INTENT,
            Reason.STATEMENT_OTHER_EVIDENCE,
            Reason.STATEMENT_OTHER_ORDER,
            Reason.STATEMENT_OTHER_RENDER,
            Reason.STATEMENT_OTHER_QUOTE,
            Reason.STATEMENT_EXPIRED,
            Reason.STATEMENT_PRESIGNED,
            Reason.KEY_UNKNOWN,
            Reason.PRESENCE_MISSING,
            Reason.VERIFICATION_MISSING,
            Reason.PROPOSER_MAY_NOT_APPROVE,
            Reason.EVIDENCE_EXPIRED,
        )

    def test_who_looked_for_too_long_is_told_what_was_too_old(self) -> None:
        """Field, value and mend; both where both are so, and nothing of either where neither is."""
        late = f"evidence: it expired at {utc_text(NOON.wall + SECOND)}, and it is {utc_text(HONEST.now.wall)}"
        late += "; open the screen of its next version"
        older = "screen: its evidence is not the latest any more; open it again, and compare the new code words"
        again = "; open the screen again, and sign while its quote is there"
        old = (
            f"live quote: {plain(BID)}/{plain(ASK)}, 400 ms old, is not one of the last 0 that the log has of it"
            + again
        )
        none = "live quote: none, is not one of the last 1 that the log has of it" + again
        for case, words in (
            (about(HONEST, expires_at=NOON.wall + SECOND), late),
            (about(said(HONEST, live=Live(BID, ASK, 400)), quotes=()), old),
            (about(said(HONEST, live=None), expires_at=NOON.wall + SECOND), f"{late}; {none}"),
            (about(HONEST, order="order-hasi"), ""),
            (about(HONEST, evidence="leaf-15"), older),
            (said(HONEST, evidence=None), ""),
            (about(HONEST, evidence=None), ""),
        ):
            assert case.judged(a_desk()).failure().detail == words

    def test_bytes_that_are_no_statement(self) -> None:
        """Signed junk is refused by name, with the flaw in the sentence, for a decision and for a command."""
        junk = evolve(HONEST.checked, statement=b'{"v":2}')
        for judged in (
            judge_decision(a_desk(), junk, HONEST.expected, HONEST.intent, NOON),
            judge_statement(a_desk(), junk, HONEST.expected, Close, NOON),
        ):
            assert reasons(judged) == (Reason.STATEMENT_MALFORMED,)
            assert "sign version 1" in judged.failure().detail

    def test_another_type_is_no_decision(self) -> None:
        """A signed close never approves, and a signed approval never closes."""
        close = evolve(HONEST, says=Resume())
        assert reasons(close.judged(a_desk())) == (Reason.STATEMENT_WRONG_TYPE,)
        judged = judge_statement(a_desk(), HONEST.signed(), HONEST.expected, Close, NOON)
        assert reasons(judged) == (Reason.STATEMENT_WRONG_TYPE,)

    @given(data=st.data())
    def test_no_byte_can_change_unseen(self, data: st.DataObject) -> None:
        """Any byte of the signed statement replaced: never the same approval, even were the signature to hold."""
        signed = HONEST.signed()
        at, byte = data.draw(st.integers(0, len(signed.statement) - 1)), data.draw(st.integers(0, 255))
        changed = signed.statement[:at] + bytes([byte]) + signed.statement[at + 1 :]
        judged = judge_decision(
            a_desk(), evolve(signed, statement=changed), evolve(HONEST.expected, session="0f" * 16), HONEST.intent, NOON
        )
        if is_successful(judged) and changed != signed.statement:
            # Stricter than what was shown, or a little elsewhere in time: the human's own right, and nothing else.
            found, shown = judged.unwrap(), HONEST.statement
            assert isinstance(found.says, Decide)
            assert found.says.live is not None
            free = evolve(
                found,
                at=shown.at,
                exp=shown.exp,
                says=evolve(found.says, drift_bps_max=25, live=evolve(found.says.live, age_ms=400)),
            )
            assert free == shown
            assert found.says.drift_bps_max <= 25


class TestPeople:
    """Who decides, how often, and who wins."""

    def test_the_proposer_may_not_approve_where_four_eyes_are_asked_for(self) -> None:
        """By name or by key, with any of that person's keys; a reject is always welcome."""
        for proposer, key in product(("alice", ALICE), (ALICE, ALICE_TOO)):
            case = checked(about(HONEST, four_eyes=True, proposer=proposer), key=key)
            same = proposer in ("alice", key)
            assert reasons(case.judged(a_desk())) == ((Reason.PROPOSER_MAY_NOT_APPROVE,) if same else ())
            assert reasons(evolve(case, says=REJECT).judged(a_desk())) == ()

    @shows("I22")
    @pytest.mark.parametrize(
        ("first", "second", "second_key", "expected"),
        [
            (APPROVE, APPROVE, ALICE, (Reason.SAME_PERSON_TWICE, Reason.DECIDED_ALREADY)),
            (APPROVE, APPROVE, ALICE_TOO, (Reason.SAME_PERSON_TWICE, Reason.DECIDED_ALREADY)),
            (APPROVE, APPROVE, BOB, (Reason.DECIDED_ALREADY,)),
            (REJECT, APPROVE, ALICE, (Reason.DECIDED_ALREADY,)),
            (REJECT, APPROVE, BOB, (Reason.DECIDED_ALREADY,)),
            (REJECT, REJECT, ALICE, (Reason.SAME_PERSON_TWICE, Reason.DECIDED_ALREADY)),
            (REJECT, REJECT, BOB, (Reason.DECIDED_ALREADY,)),
            (APPROVE, REJECT, ALICE, ()),
            (APPROVE, REJECT, BOB, ()),
        ],
    )
    def test_two_decisions_on_one_intent(
        self, first: Decide, second: Decide, second_key: str, expected: tuple[Reason, ...]
    ) -> None:
        """Any reject wins, also after an approve; nothing follows a reject; a double tap is named as one."""
        approvals = a_desk()
        approvals.fold(evolve(HONEST, says=first).bead(SIZE))
        case = framed(checked(evolve(HONEST, says=second), key=second_key), session="aa" * 16)
        judged = known(case, size=SIZE + 1).judged(approvals)
        assert reasons(judged) == expected
        if expected:
            assert judged.failure().detail == f"{first.verdict} by alice, in bead {SIZE}"

    @shows("I22")
    def test_both_at_the_same_instant(self) -> None:
        """Judged on one head both are good. Whichever lands first, the desk ends with the reject."""
        for order in ((APPROVE, REJECT), (REJECT, APPROVE)):
            approvals = a_desk()
            for n, says in enumerate(order):
                case = framed(evolve(HONEST, says=says), session=f"{n}f" * 16)
                assert reasons(case.judged(a_desk())) == ()
                if reasons(case.judged(approvals)) == ():
                    approvals.fold(case.bead(SIZE + n))
            assert approvals.decided["intent-1"].verdict is Verdict.REJECT
            assert not approvals.is_approved("intent-1", SIZE)

    def test_an_approval_stands_until_a_reject(self) -> None:
        """Asked by intent and place; another place, another intent: no."""
        approvals = a_desk()
        approvals.fold(HONEST.bead(SIZE))
        assert approvals.is_approved("intent-1", SIZE)
        assert not approvals.is_approved("intent-1", SIZE + 1)
        assert not approvals.is_approved("intent-2", SIZE)
        approvals.fold(framed(evolve(HONEST, says=REJECT), session="aa" * 16).bead(SIZE + 1))
        assert not approvals.is_approved("intent-1", SIZE)
        assert not approvals.is_approved("intent-1", SIZE + 1)

    def test_two_recorded_approvals_are_a_bug(self) -> None:
        """The judge never lets one stand; a log that holds two stops the desk."""
        approvals = a_desk()
        approvals.fold(HONEST.bead(SIZE))
        with pytest.raises(AssertionError, match="intent-1 was decided before"):
            approvals.fold(framed(HONEST, session="aa" * 16).bead(SIZE + 1))


class TestReplay:
    """A statement is used once, and a device counts on."""

    @shows("I3")
    def test_the_same_statement_twice(self) -> None:
        """The nonce was seen: refused, by another person's signature too."""
        approvals = a_desk()
        approvals.fold(evolve(HONEST, says=ValidatePaper("1", "r")).bead(SIZE))
        case = known(HONEST, size=SIZE + 1)
        assert reasons(case.judged(approvals)) == (Reason.STATEMENT_REPLAYED,)
        assert reasons(checked(case, key=ALICE_TOO).judged(approvals)) == (Reason.STATEMENT_REPLAYED,)
        assert reasons(framed(case, session="aa" * 16).judged(approvals)) == ()

    def test_a_row_that_says_the_same_again_is_marked(self) -> None:
        """No command leaves one: somebody wrote it into the log past every rule. The first one is not its copy."""
        approvals, case = a_desk(), evolve(HONEST, says=ValidatePaper("1", "r"))
        approvals.fold(case.bead(SIZE))
        approvals.fold(framed(case, session="aa" * 16).bead(SIZE + 1))
        assert approvals.replayed == []
        approvals.fold(case.bead(SIZE + 2))
        assert approvals.replayed == [SIZE + 2]

    def test_a_forgotten_nonce_does_not_come_back(self) -> None:
        """Nonces are kept for the last 256 signatures; whatever co-signs an older history is a replay by that alone."""
        approvals = a_desk()
        for n in range(259):
            case = framed(evolve(HONEST, says=ValidatePaper("1", "r")), session=f"{n:032x}", tree_size=SIZE + n)
            approvals.fold(case.bead(SIZE + n))
        assert len(approvals.nonces) == len(approvals.recent) == 256
        assert approvals.forgotten == SIZE + 2
        assert min(approvals.recent) == SIZE + 3
        size = SIZE + 259
        for session, tree_size, good in (
            (f"{2:032x}", SIZE + 2, False),
            ("aa" * 16, SIZE + 2, False),
            ("aa" * 16, SIZE + 3, True),
            (f"{3:032x}", SIZE + 3, False),
        ):
            case = known(framed(HONEST, session=session, tree_size=tree_size), size=size)
            assert reasons(case.judged(approvals)) == (() if good else (Reason.STATEMENT_REPLAYED,))

    def test_the_horizon_never_goes_back(self) -> None:
        """Statements may land in another order than they were signed in; the largest forgotten size counts."""
        approvals = a_desk()
        for n in range(258):
            size = {0: SIZE + 9, 1: SIZE + 5}.get(n, SIZE + n)
            case = framed(evolve(HONEST, says=ValidatePaper("1", "r")), session=f"{n:032x}", tree_size=size)
            approvals.fold(case.bead(SIZE + 10 + n))
        assert approvals.forgotten == SIZE + 9

    @pytest.mark.parametrize(
        ("before", "now", "good"),
        [(0, 0, True), (0, 1, True), (7, 8, True), (7, 7, False), (7, 6, False), (7, 0, False), (7, 1, False)],
    )
    def test_a_counter_that_counts_must_grow(self, before: int, now: int, good: bool) -> None:
        """Zero for ever is a device without a counter; anything else grows, or it is a copy."""
        approvals = a_desk()
        approvals.fold(checked(evolve(HONEST, says=ValidatePaper("1", "r")), counter=before).bead(SIZE))
        case = known(framed(checked(HONEST, counter=now), session="aa" * 16), size=SIZE + 1)
        assert reasons(case.judged(approvals)) == (() if good else (Reason.COUNTER_STUCK,))

    def test_each_key_counts_for_itself(self) -> None:
        """One device at nine does not hold back another at one; a stranger's counter proves nothing either way."""
        approvals = a_desk()
        approvals.fold(checked(evolve(HONEST, says=ValidatePaper("1", "r")), counter=9).bead(SIZE))
        case = known(framed(checked(HONEST, counter=1, key=ALICE_TOO), session="aa" * 16), size=SIZE + 1)
        assert reasons(case.judged(approvals)) == ()
        assert reasons(checked(case, key=MALLORY).judged(approvals)) == (Reason.KEY_UNKNOWN,)


class TestAgain:
    """The engine judges the stored bytes of a decision again, as of their place in the log."""

    def recorded(self, counter: int = 0) -> tuple[Approvals, Case]:
        """A desk with one approval in its log, and the case that judges it again two beads later."""
        approvals, case = a_desk(), checked(HONEST, counter=counter)
        approvals.fold(case.bead(SIZE))
        return approvals, known(case, size=SIZE + 3, recorded=SIZE)

    @pytest.mark.parametrize("counter", [0, 4])
    def test_what_was_accepted_is_good_again(self, counter: int) -> None:
        """Its own nonce, counter and decision do not stand against it."""
        approvals, case = self.recorded(counter)
        assert reasons(case.judged(approvals)) == ()

    def test_it_is_what_the_log_holds(self) -> None:
        """Another signature, another place, or a place that holds nothing: not the recorded one."""
        approvals, case = self.recorded()
        for other in (
            checked(case, signature="other"),
            checked(case, key=ALICE_TOO),
            checked(case, counter=1),
            checked(case, verification=False),
            framed(case, at=NOON.wall + TICK),
        ):
            assert reasons(other.judged(approvals)) == (Reason.SIGNATURE_WRONG,)
        elsewhere = (Reason.SIGNATURE_WRONG, Reason.SAME_PERSON_TWICE, Reason.DECIDED_ALREADY)
        assert reasons(known(case, recorded=SIZE + 1).judged(approvals)) == elsewhere

    def test_what_the_desk_forgot_is_read_in_its_place(self) -> None:
        """It remembers the last decisions only; an older one is no other than the log has for whoever looked there."""
        case = known(HONEST, size=SIZE + 300, recorded=SIZE)
        assert reasons(case.judged(a_desk())) == (Reason.SIGNATURE_WRONG,)
        assert reasons(known(case, remembered=False).judged(a_desk())) == ()

    def test_a_key_counts_as_of_then(self) -> None:
        """Revoked after the decision it still counts for it, and for nothing new."""
        approvals, case = self.recorded()
        approvals.fold(bead(SIZE + 1, Operator(OperatorEvent.REVOKED, ALICE, "", "alice", "hardware")))
        assert reasons(case.judged(approvals)) == ()
        new = known(framed(HONEST, session="aa" * 16), size=SIZE + 3)
        assert Reason.KEY_REVOKED in reasons(evolve(new, says=REJECT).judged(approvals))

    def test_a_reject_in_between_wins(self) -> None:
        """The approval was good when it was recorded; it is not any more."""
        approvals, case = self.recorded()
        approvals.fold(framed(checked(evolve(HONEST, says=REJECT), key=BOB), session="aa" * 16).bead(SIZE + 1))
        assert reasons(case.judged(approvals)) == (Reason.DECIDED_ALREADY,)

    def test_evidence_replaced_since(self) -> None:
        """Refreshing the evidence voids every signature on the old one."""
        approvals, case = self.recorded()
        assert reasons(about(case, evidence="leaf-21").judged(approvals)) == (Reason.STATEMENT_OTHER_EVIDENCE,)

    def test_its_life_is_judged_at_use(self) -> None:
        """An approval that was recorded in time is refused when it comes to be used too late."""
        approvals, case = self.recorded()
        late = evolve(case, now=NOON.plus(300 * SECOND))
        assert reasons(late.judged(approvals)) == (Reason.STATEMENT_EXPIRED,)


class TestCommands:
    """Signed commands are judged by the same frame."""

    def signed(self, life: timedelta) -> Case:
        """A signed close that wants to live so long."""
        return framed(evolve(HONEST, says=Close("p1", "why")), exp=NOON.wall + life)

    @pytest.mark.parametrize(("life", "good"), [(60 * SECOND, True), (60 * SECOND + TICK, False), (SECOND, True)])
    def test_a_close_lives_a_minute(self, life: timedelta, good: bool) -> None:
        """A longer life is a close that somebody could keep in a drawer."""
        case = self.signed(life)
        judged = judge_statement(a_desk(), case.signed(), case.expected, Close, NOON)
        assert reasons(judged) == (() if good else (Reason.STATEMENT_PRESIGNED,))

    def test_the_judge_gives_the_statement_back(self) -> None:
        """What the wing then reads is what was signed."""
        case = self.signed(60 * SECOND)
        judged = judge_statement(a_desk(), case.signed(), case.expected, Close, NOON)
        assert judged.unwrap().says == Close("p1", "why")

    def test_a_command_is_kept_for_the_engine(self) -> None:
        """The last signed commands are found by their place in the log."""
        approvals, case = a_desk(), self.signed(60 * SECOND)
        approvals.fold(case.bead(SIZE))
        kept = approvals.recent[SIZE]
        assert (kept.type, kept.subject, kept.verdict) == ("close", "p1", None)
        assert kept.signed == signed_of(case.signed())
        assert not approvals.decided

    @shows("INV-IBKR-PAPER-FIRST-1")
    def test_a_validated_build_is_remembered(self) -> None:
        """However many signatures follow."""
        approvals = a_desk()
        approvals.fold(evolve(HONEST, says=ValidatePaper("1.2.3", "report")).bead(SIZE))
        assert approvals.validated == {"1.2.3": SIZE}
        approvals.fold(framed(self.signed(SECOND), session="aa" * 16).bead(SIZE + 1))
        assert approvals.validated == {"1.2.3": SIZE}


def public_key(kind: str, assurance: str) -> Enrol:
    """The enrolment of a key of this kind, as a public key file spells it."""
    parts = (kind.encode(), b"k" * 32, b"ssh:")
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    fingerprint = "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")
    return Enrol(fingerprint, f"{kind} {b64encode(blob).decode()}", "carol", assurance)


class TestKeys:
    """Keys come by a key that was there before, and go for good."""

    def test_a_self_enrolled_key_is_a_stranger(self) -> None:
        """The signature of the key that comes does not count before its bead."""
        case = framed(checked(evolve(HONEST, says=Enrol(MALLORY, "public", "mallory", "hardware")), key=MALLORY))
        judged = judge_statement(a_desk(), case.signed(), case.expected, Enrol, NOON)
        assert reasons(judged) == (Reason.KEY_UNKNOWN,)

    def test_a_key_enrolled_by_a_key(self) -> None:
        """The honest twin: one that is known signs for one that comes; from its bead on the new one signs too."""
        approvals, says = a_desk(), Enrol(MALLORY, "public", "carol", "hardware")
        case = evolve(HONEST, says=says)
        judged = judge_statement(approvals, case.signed(), case.expected, Enrol, NOON)
        assert reasons(judged) == ()
        assert judge_operator(approvals, says) is None
        approvals.fold(bead(SIZE, enrolled(MALLORY, "carol")))
        new = known(framed(checked(HONEST, key=MALLORY), tree_size=SIZE + 1), size=SIZE + 1)
        assert reasons(new.judged(approvals)) == ()
        assert approvals.name_of(MALLORY) == "carol"

    def test_a_revoked_key(self) -> None:
        """From its bead on, and not from before it."""
        approvals = a_desk()
        approvals.fold(bead(15, Operator(OperatorEvent.REVOKED, ALICE, "", "alice", "hardware")))
        assert reasons(HONEST.judged(approvals)) == (Reason.KEY_REVOKED,)
        assert reasons(checked(HONEST, key=ALICE_TOO).judged(approvals)) == ()
        once = Key(ALICE, f"public of {ALICE}", "alice", "hardware", 1, revoked=15)
        assert approvals.keys[ALICE] == once
        approvals.fold(bead(18, Operator(OperatorEvent.REVOKED, ALICE, "", "alice", "hardware")))
        assert approvals.keys[ALICE] == once, "said again it went no later"

    @pytest.mark.parametrize(
        ("kind", "assurance"), [("ssh-ed25519", "software"), ("sk-ssh-ed25519@openssh.com", "hardware")]
    )
    def test_what_is_enrolled_is_one_key(self, kind: str, assurance: str) -> None:
        """Fingerprint, assurance and kind are those of the public key that people compare, in its one spelling."""
        own = public_key(kind, assurance)
        other = public_key("ssh-ed25519" if assurance == "hardware" else "sk-ssh-ed25519@openssh.com", "software")
        assert odd_key(own) is None
        text = own.public.partition(" ")[2]
        assert text.endswith("=") and not text.endswith("==")
        loose = text[:-2] + chr(ord(text[-2]) + 1) + "="  # the last letter has bits that no byte needs
        for odd in (
            evolve(own, key=MALLORY),
            evolve(own, key=other.key),
            evolve(own, assurance="software" if assurance == "hardware" else "hardware"),
            evolve(own, public=f"{kind} {other.public.partition(' ')[2]}", key=other.key),
            evolve(own, public=f"ssh-rsa {text}"),
            evolve(own, public=f"{kind} {loose}"),
            evolve(own, public=f"{kind} {text} alice@desk"),
            evolve(own, public=f"{kind} not base64"),
            evolve(own, public=kind),
        ):
            no = odd_key(odd)
            assert no is not None and no.reasons == (Reason.STATEMENT_MALFORMED,)

    def test_who_may_come_and_who_may_go(self) -> None:
        """A known key does not come again, a stranger does not go, and nobody goes twice or comes back."""
        approvals = a_desk()
        approvals.fold(bead(15, Operator(OperatorEvent.REVOKED, ALICE, "", "alice", "hardware")))

        def asked(says: Enrol | Revoke) -> Reason | None:
            no = judge_operator(approvals, says)
            return None if no is None else no.headline

        assert asked(Enrol(MALLORY, "p", "carol", "hardware")) is None
        assert asked(Enrol(BOB, "p", "bob", "software")) is Reason.NOTHING_TO_DO
        assert asked(Enrol(ALICE, "p", "alice", "hardware")) is Reason.KEY_REVOKED
        assert asked(Revoke(BOB, "lost")) is None
        assert asked(Revoke(ALICE, "lost")) is Reason.KEY_REVOKED
        assert asked(Revoke(MALLORY, "lost")) is Reason.KEY_UNKNOWN

    def test_without_a_key_nobody_signs(self) -> None:
        """An empty desk cannot sign, one with a key can, one whose last key went cannot any more."""
        approvals = Approvals()
        assert not approvals.can_sign()
        approvals.fold(bead(1, enrolled(ALICE, "alice")))
        assert approvals.can_sign()
        approvals.fold(bead(2, Operator(OperatorEvent.REVOKED, ALICE, "", "alice", "hardware")))
        assert not approvals.can_sign()
        assert approvals.name_of(MALLORY) == MALLORY

    def test_impossible_beads_are_bugs(self) -> None:
        """A key that comes twice, or goes without having come."""
        approvals = a_desk()
        with pytest.raises(AssertionError, match="was enrolled before"):
            approvals.fold(bead(15, enrolled(ALICE, "alice")))
        with pytest.raises(AssertionError, match="was never enrolled"):
            approvals.fold(bead(15, Operator(OperatorEvent.REVOKED, MALLORY, "", "m", "hardware")))

    def test_a_software_key_that_claims_to_be_hardware(self) -> None:
        """What was enrolled as software stays software, whatever the verifier reports of one signature."""
        assert reasons(checked(LIVE, key=BOB, assurance="hardware").judged(a_desk())) == (Reason.KEY_IS_SOFTWARE,)


class TestBeads:
    """What a decision leaves."""

    def test_the_bead_keeps_the_signature_whole(self) -> None:
        """Statement byte for byte, signature, key, and what the check found."""
        signed = evolve(HONEST.signed(), counter=5)
        assert decision(signed, HONEST.statement, HONEST.now, "sha256:note") == Decision(
            type="decision",
            subject="intent-1",
            signed=Signed(signed.statement.decode(), "sshsig", ALICE, "hardware", True, True, 5),
            verdict=Verdict.APPROVE,
            note="sha256:note",
            ticks=HONEST.now.ticks,
            boot=HONEST.now.boot,
        )

    def test_the_fold_keeps_what_is_needed(self) -> None:
        """How the intent was decided, the nonce, the counter, the bead itself."""
        approvals = a_desk()
        approvals.fold(checked(HONEST, counter=5).bead(SIZE))
        assert approvals.decided == {"intent-1": Decided(Verdict.APPROVE, SIZE, ALICE)}
        assert approvals.nonces == {"0f" * 16: SIZE}
        assert approvals.keys[ALICE].counter == 5
        assert list(approvals.recent) == [SIZE]

    def test_other_beads_change_nothing(self) -> None:
        """The slice folds its own kinds only."""
        approvals = a_desk()
        before = deepcopy(approvals)
        approvals.fold(bead(9, KillFlag(KillEvent.RAISED, "k", KillKind.ONE_WAY, "desk", "r", "ops")))
        assert approvals == before


@given(
    presence=st.booleans(),
    verification=st.booleans(),
    assurance=st.sampled_from(["software", "hardware"]),
    key=st.sampled_from([ALICE, BOB]),
    mode=st.sampled_from(Mode),
)
def test_every_kind_of_key_in_every_mode(
    presence: bool, verification: bool, assurance: str, key: str, mode: Mode
) -> None:
    """Software: MOCK and PAPER only, nothing to press. Hardware: presence always, verification too in LIVE."""
    case = known(framed(HONEST, mode=mode), mode=mode)
    case = checked(case, presence=presence, verification=verification, assurance=assurance, key=key)
    software = assurance == "software" or key == BOB
    expected = {
        (True, True): [Reason.KEY_IS_SOFTWARE],
        (True, False): [],
        (False, True): [Reason.PRESENCE_MISSING] * (not presence) + [Reason.VERIFICATION_MISSING] * (not verification),
        (False, False): [Reason.PRESENCE_MISSING] * (not presence),
    }[software, mode is Mode.LIVE]
    assert list(reasons(case.judged(a_desk()))) == expected
