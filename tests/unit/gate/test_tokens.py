"""T2 tokens: every history of one, every way to misuse one, and the beads that tell its life."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from attrs import Factory, define, evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.beads import Bead, Body, KillEvent, KillFlag, KillKind, T2Token, TokenEvent
from phoenix_core.gate.tokens import (
    LIFE,
    Ended,
    Token,
    Tokens,
    TokenState,
    Use,
    expired,
    expired_tokens,
    issue,
    judge_spent,
    judge_use,
    life_over,
    refused_use,
    revoked,
    used,
)
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Mode, Moment
from tests.showing import shows

NOON: Final = Moment(datetime(2026, 11, 18, 12, tzinfo=UTC), timedelta(hours=5), "boot-1")
SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)
EPOCH: Final = 7
RIGHT: Final = Use("t1", "intent-1", "order-1", "evidence-1", "ref-1", "tag", Mode.PAPER, EPOCH)


def bead(seq: int, body: Body, at: Moment = NOON) -> Bead:
    """A recorded fact, at a place in the log."""
    return Bead(seq, at.wall, f"bead-{seq}", body, f"leaf-{seq}")


def issued_for(tokens: Tokens, use: Use, now: Moment = NOON) -> T2Token:
    """The bead that issues exactly the token that this use needs."""
    return issue(
        tokens,
        use.token_id,
        use.intent_id,
        use.evidence_hash,
        use.order_hash,
        use.order_ref,
        use.account,
        use.mode,
        use.epoch,
        now,
    )


def with_token(use: Use = RIGHT, now: Moment = NOON) -> Tokens:
    """A slice with one live token."""
    tokens = Tokens()
    tokens.fold(bead(0, issued_for(tokens, use, now), now))
    return tokens


def with_spent(use: Use = RIGHT) -> Tokens:
    """A slice whose one token was just spent."""
    tokens = with_token(use)
    tokens.fold(bead(1, used(tokens.live[use.token_id])))
    return tokens


def reasons(no: Refusal | None) -> tuple[Reason, ...]:
    """What a refusal says; nothing where there is none."""
    return () if no is None else no.reasons


# --- every history ----------------------------------------------------------------------------------------------------


@define
class Told:
    """The story of one intent's tokens, told by hand in whole seconds: no code of the slice in it."""

    wall: int = 0
    ticks: int = 0
    run: int = 0
    tokens: list[tuple[str, int, int, int]] = Factory(list)  # (state, wall, ticks and run at issue)

    def is_over(self) -> bool:
        """Whether the last token's life is over by either clock, a wall set back, or another run."""
        _, wall, ticks, run = self.tokens[-1]
        return self.wall - wall >= 300 or self.ticks - ticks >= 300 or self.wall - wall < -2 or self.run != run

    def has_live(self) -> bool:
        """Whether the last token is live as far as the log knows."""
        return bool(self.tokens) and self.tokens[-1][0] == "LIVE"

    def becomes(self, state: str) -> None:
        """The last token changes."""
        self.tokens[-1] = (state, *self.tokens[-1][1:])

    def expected(self, number: int) -> tuple[Reason, ...]:
        """What a use of this token, right in everything else, is answered."""
        state, _, _, run = self.tokens[number]
        if state == "LIVE":
            other_run = Reason.TOKEN_OTHER_RUN if self.run != run else Reason.TOKEN_EXPIRED
            return (other_run,) if self.is_over() else ()
        return {
            "USED": (Reason.TOKEN_USED,),
            "EXPIRED": (Reason.TOKEN_EXPIRED,),
            "REVOKED": (Reason.TOKEN_REVOKED,),
        }[state]


@define
class Real:
    """The same story, told by the slice and its rules."""

    tokens: Tokens = Factory(Tokens)
    now: Moment = NOON
    epoch: int = EPOCH
    seq: int = 0

    def use(self, number: int) -> Use:
        """The right use of the n-th token."""
        return evolve(RIGHT, token_id=f"t{number}", epoch=self.epoch)

    def fold(self, body: T2Token) -> None:
        """Record a bead, and see that it is the change: no change without a bead, no such bead without a change."""
        before = self.tokens.state(body.id)
        self.tokens.fold(bead(self.seq, body, self.now))
        self.seq += 1
        assert (before, self.tokens.state(body.id)) == {
            TokenEvent.ISSUED: (None, TokenState.LIVE),
            TokenEvent.USED: (TokenState.LIVE, TokenState.USED),
            TokenEvent.EXPIRED: (TokenState.LIVE, TokenState.EXPIRED),
            TokenEvent.REJECTED: (TokenState.LIVE, TokenState.REVOKED) if body.final else (before, before),
        }[body.event]


def issue_one(real: Real, told: Told) -> None:
    """Approve again, where no live token stands in the way."""
    if told.has_live():
        with pytest.raises(AssertionError, match="has a live token already"):
            issued_for(real.tokens, real.use(len(told.tokens)), real.now)
        return
    real.fold(issued_for(real.tokens, real.use(len(told.tokens)), real.now))
    told.tokens.append(("LIVE", told.wall, told.ticks, told.run))


def spend(real: Real, told: Told) -> None:
    """Use the last token for what it was made for; spent only where nothing objects."""
    if not told.tokens:
        return
    number = len(told.tokens) - 1
    if judge_use(real.tokens, real.use(number), real.now) is None:
        real.fold(used(real.tokens.live[f"t{number}"]))
        assert told.expected(number) == ()
        told.becomes("USED")


def take_back(real: Real, told: Told) -> None:
    """A kill, a pass, an edit, a new policy."""
    token = real.tokens.live_for("intent-1")
    assert (token is not None) == told.has_live()
    if token is not None:
        real.fold(revoked(token, (Reason.KILL_FLAG_ACTIVE,)))
        told.becomes("REVOKED")


def sweep(real: Real, told: Told) -> None:
    """The timer, or a start, records whose life is over."""
    over = expired_tokens(real.tokens, real.now, real.epoch)
    assert len(over) == (told.has_live() and told.is_over())
    for token in over:
        real.fold(expired(token))
        told.becomes("EXPIRED")


def wait(real: Real, told: Told) -> None:
    """Half a life passes on both clocks."""
    real.now = real.now.plus(150 * SECOND)
    told.wall, told.ticks = told.wall + 150, told.ticks + 150


def set_back(real: Real, told: Told) -> None:
    """Somebody sets the wall clock back by three seconds."""
    real.now = evolve(real.now, wall=real.now.wall - 3 * SECOND)
    told.wall -= 3


def restart(real: Real, told: Told) -> None:
    """Another engine takes the lease."""
    real.epoch += 10
    told.run += 1


STEPS: Final = (issue_one, spend, take_back, sweep, wait, set_back, restart)
LENGTH_MAX: Final = 6


def told_alike(real: Real, told: Told) -> None:
    """Both stories agree on every token there ever was, and every wrong use of it is refused."""
    for number in range(len(told.tokens)):
        no = judge_use(real.tokens, real.use(number), real.now)
        assert reasons(no) == told.expected(number)
        state = real.tokens.state(f"t{number}")
        assert state is not None
        assert state.value == told.tokens[number][0]
        assert judge_use(real.tokens, evolve(real.use(number), intent_id="intent-2"), real.now) is not None
        assert judge_use(real.tokens, evolve(real.use(number), order_hash="order-2"), real.now) is not None
    assert judge_use(real.tokens, real.use(99), real.now) == refusal(Reason.TOKEN_MISSING)
    assert len(real.tokens.live) == told.has_live() == len(real.tokens.by_intent)


def walk(real: Real, told: Told, left: int) -> int:
    """Every history that goes on from here, each step on a copy; how many there are."""
    told_alike(real, told)
    if left == 0:
        return 1
    seen = 1
    for step in STEPS:
        # Beads are frozen, so that copying the slice's dictionaries copies the whole state.
        tokens = Tokens(*(dict(getattr(real.tokens, name)) for name in ("live", "by_intent", "spent", "ended")))
        next_real, next_told = Real(tokens, real.now, real.epoch, real.seq), evolve(told, tokens=list(told.tokens))
        step(next_real, next_told)
        seen += walk(next_real, next_told, left - 1)
    return seen


@shows("INV-T2-TOKEN-1", "INV-T2-TOKEN-AUDIT-1", "I3", "S32-TOK-03", "S32-TOK-06", "GATE_S32_2")
def test_every_history_up_to_six_steps() -> None:
    """137,257 histories of issue, use, revoke, expiry, waiting, a wall set back and a restart, against one by hand."""
    assert walk(Real(), Told(), LENGTH_MAX) == sum(7**n for n in range(LENGTH_MAX + 1)) == 137_257


# --- the invariants ---------------------------------------------------------------------------------------------------

spans: Final = st.timedeltas(min_value=timedelta(0), max_value=timedelta(minutes=10))


@shows("INV-T2-TOKEN-1", "S32-TOK-03", "S32-TOK-10", "CV_S32_TOKEN_EXPIRED", "CV_S32_TOKEN_REPLAY")
class TestTokenLife:
    """INV-T2-TOKEN-1: A token works once and dies after 5 minutes."""

    @given(wall=st.timedeltas(timedelta(minutes=-10), timedelta(minutes=10)), ticks=spans)
    @shows("I17")
    def test_either_clock_ends_it(self, wall: timedelta, ticks: timedelta) -> None:
        """It works while both clocks are within five minutes and the wall did not go back by more than two seconds."""
        now = Moment(NOON.wall + wall, NOON.ticks + ticks, NOON.boot)
        alive = -2 * SECOND <= wall < 300 * SECOND and ticks < 300 * SECOND
        no = judge_use(with_token(), RIGHT, now)
        assert reasons(no) == (() if alive else (Reason.TOKEN_EXPIRED,))

    @pytest.mark.parametrize(
        ("wall", "ticks", "alive"),
        [
            (timedelta(0), timedelta(0), True),
            (LIFE - TICK, LIFE - TICK, True),
            (LIFE, LIFE - TICK, False),
            (LIFE - TICK, LIFE, False),
            (-2 * SECOND, SECOND, True),
            (-2 * SECOND - TICK, SECOND, False),
            (timedelta(hours=1), SECOND, False),
            (timedelta(hours=-1), SECOND, False),
            (timedelta(days=365), SECOND, False),
            (timedelta(days=-365), SECOND, False),
            (SECOND, timedelta(hours=9), False),
        ],
    )
    def test_clocks_to_the_microsecond(self, wall: timedelta, ticks: timedelta, alive: bool) -> None:
        """The last good instant, the first bad one; an hour, a year, backwards, and a suspended night."""
        now = Moment(NOON.wall + wall, NOON.ticks + ticks, NOON.boot)
        assert (judge_use(with_token(), RIGHT, now) is None) == alive
        assert (judge_spent(with_spent(), RIGHT, now) is None) == alive
        assert bool(expired_tokens(with_token(), now, EPOCH)) == (not alive)

    def test_it_works_once(self) -> None:
        """The first use passes; the second one, a microsecond later, is a replay."""
        tokens = with_token()
        assert judge_use(tokens, RIGHT, NOON) is None
        tokens.fold(bead(1, used(tokens.live["t1"])))
        assert reasons(judge_use(tokens, RIGHT, NOON.plus(TICK))) == (Reason.TOKEN_USED,)

    @given(
        ends=st.sampled_from([TokenState.USED, TokenState.EXPIRED, TokenState.REVOKED]),
        later=st.lists(spans, max_size=3),
        epoch=st.sampled_from([EPOCH, 8]),
    )
    def test_no_end_is_ever_left(self, ends: TokenState, later: list[timedelta], epoch: int) -> None:
        """However long one waits, on whichever run: what has ended stays ended, under the same name."""
        tokens, name = with_token(), {"USED": "TOKEN_USED", "EXPIRED": "TOKEN_EXPIRED", "REVOKED": "TOKEN_REVOKED"}
        token = tokens.live["t1"]
        bodies = {
            TokenState.USED: used(token),
            TokenState.EXPIRED: expired(token),
            TokenState.REVOKED: revoked(token, (Reason.KILL_FLAG_ACTIVE,)),
        }
        tokens.fold(bead(1, bodies[ends]))
        now = NOON
        for span in later:
            now = now.plus(span)
            no = judge_use(tokens, evolve(RIGHT, epoch=epoch), now)
            assert [reason.value for reason in reasons(no)] == [name[ends.value]]
            for body in bodies.values():
                with pytest.raises(AssertionError, match="is not live and cannot become"):
                    tokens.fold(bead(2, body))

    @shows("S32-TOK-11", "CV_S32_TOKEN_RACE")
    def test_of_two_uses_decided_on_one_head_only_one_can_be_folded(self) -> None:
        """Both were judged green; the store lets one land, and on the desk that saw it the other is a replay."""
        tokens = with_token()
        assert judge_use(tokens, RIGHT, NOON) is None
        assert judge_use(tokens, RIGHT, NOON) is None
        body = used(tokens.live["t1"])
        tokens.fold(bead(1, body))
        assert reasons(judge_use(tokens, RIGHT, NOON)) == (Reason.TOKEN_USED,)
        with pytest.raises(AssertionError):
            tokens.fold(bead(2, body))


@shows("INV-T2-TOKEN-AUDIT-1", "S32-TOK-04", "S32-TOK-05", "S32-TOK-06")
class TestTokenAudit:
    """INV-T2-TOKEN-AUDIT-1: Each token state change emits a T2_TOKEN bead."""

    def test_every_bead_of_a_life_says_everything(self) -> None:
        """Each of the four events carries the whole record; only what happened differs."""
        tokens = with_token()
        token = tokens.live["t1"]
        whole = T2Token(
            event=TokenEvent.ISSUED,
            id="t1",
            intent_id="intent-1",
            timestamp=NOON.wall,
            expires_at=NOON.wall + timedelta(minutes=5),
            used=False,
            evidence_hash="evidence-1",
            order_hash="order-1",
            order_ref="ref-1",
            account="tag",
            mode=Mode.PAPER,
            boot="boot-1",
            ticks=NOON.ticks,
            epoch=EPOCH,
        )
        assert issued_for(Tokens(), RIGHT) == whole
        assert used(token) == evolve(whole, event=TokenEvent.USED, used=True)
        assert expired(token) == evolve(whole, event=TokenEvent.EXPIRED, reasons=("TOKEN_EXPIRED",))
        other_run = expired(token, Reason.TOKEN_OTHER_RUN)
        assert other_run == evolve(whole, event=TokenEvent.EXPIRED, reasons=("TOKEN_OTHER_RUN",))
        assert revoked(token, (Reason.PRICE_MOVED, Reason.QUOTE_STALE)) == evolve(
            whole, event=TokenEvent.REJECTED, final=True, reasons=("PRICE_MOVED", "QUOTE_STALE")
        )

    @given(
        use=st.builds(
            Use,
            token_id=st.just("t1"),
            intent_id=st.sampled_from(["intent-1", "x"]),
            order_hash=st.sampled_from(["order-1", "x"]),
            evidence_hash=st.sampled_from(["evidence-1", "x"]),
            order_ref=st.just("ref-1"),
            account=st.sampled_from(["tag", "x"]),
            mode=st.sampled_from(Mode),
            epoch=st.sampled_from([EPOCH, 8]),
        ),
        stage=st.sampled_from(["live", "used", "expired", "revoked", "never"]),
    )
    @shows("CV_S32_TOKEN_REPLAY", "CV_S32_TOKEN_WRONG_INTENT")
    def test_a_refused_use_leaves_a_bead_and_changes_nothing(self, use: Use, stage: str) -> None:
        """The bead keeps what was presented and why it was refused; the fold of it is no change at all."""
        tokens = Tokens() if stage == "never" else with_token()
        now = NOON.plus(SECOND)
        if stage in {"used", "expired", "revoked"}:
            token = tokens.live["t1"]
            end = {"used": used(token), "expired": expired(token), "revoked": revoked(token, (Reason.PACING,))}
            tokens.fold(bead(1, end[stage]))
        no = judge_use(tokens, use, now) or refusal(Reason.PRICE_MOVED)
        body = refused_use(tokens, use, no, now)
        assert body.event is TokenEvent.REJECTED
        assert (body.final, body.used) == (False, stage == "used")
        assert body.reasons == tuple(reason.value for reason in no.reasons)
        assert (body.id, body.intent_id, body.order_hash) == (use.token_id, use.intent_id, use.order_hash)
        assert (body.evidence_hash, body.order_ref) == (use.evidence_hash, use.order_ref)
        assert (body.account, body.mode, body.epoch) == (use.account, use.mode, use.epoch)
        assert (body.boot, body.ticks) == (now.boot, now.ticks)
        began = now.wall if stage == "never" else NOON.wall
        assert (body.timestamp, body.expires_at) == (began, began + timedelta(minutes=5))
        before = deepcopy(tokens)
        tokens.fold(bead(2, body))
        assert tokens == before

    def test_other_beads_change_nothing(self) -> None:
        """The slice folds its own kind only."""
        tokens = Tokens()
        tokens.fold(bead(0, KillFlag(KillEvent.RAISED, "k", KillKind.ONE_WAY, "desk", "r", "ops")))
        assert tokens == Tokens()


# --- attacks, each with its own reason; the honest twin is RIGHT ------------------------------------------------------


class TestBinding:
    """A token can do one thing: each field that it is presented for with another value is refused by name."""

    def test_the_honest_twin_passes(self) -> None:
        """Presented for exactly what it was made for, a token is good, before it is spent and in the last look."""
        assert judge_use(with_token(), RIGHT, NOON.plus(SECOND)) is None
        assert judge_spent(with_spent(), RIGHT, NOON.plus(SECOND)) is None

    @shows("CV_S32_TOKEN_WRONG_INTENT", "I2")
    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            (evolve(RIGHT, intent_id="intent-2"), Reason.TOKEN_WRONG_INTENT),
            (evolve(RIGHT, order_hash="order-2"), Reason.TOKEN_WRONG_ORDER),
            (evolve(RIGHT, order_ref="ref-2"), Reason.TOKEN_WRONG_ORDER),
            (evolve(RIGHT, evidence_hash="evidence-2"), Reason.TOKEN_WRONG_EVIDENCE),
            (evolve(RIGHT, account="other"), Reason.ACCOUNT_MISMATCH),
            (evolve(RIGHT, mode=Mode.LIVE), Reason.MODE_MISMATCH),
            (evolve(RIGHT, epoch=8), Reason.TOKEN_OTHER_RUN),
        ],
    )
    def test_one_field_changed(self, wrong: Use, reason: Reason) -> None:
        """Another intent, order, evidence, account, mode or run: refused before it is spent and in the last look."""
        assert reasons(judge_use(with_token(), wrong, NOON)) == (reason,)
        assert reasons(judge_spent(with_spent(), wrong, NOON)) == (reason,)

    def test_everything_changed_is_told_at_once(self) -> None:
        """The human sees every reason, in order of precedence."""
        wrong = Use("t1", "i", "o", "e", "r", "a", Mode.MOCK, 1)
        assert reasons(judge_use(with_token(), wrong, NOON.plus(LIFE))) == (
            Reason.ACCOUNT_MISMATCH,
            Reason.MODE_MISMATCH,
            Reason.TOKEN_WRONG_INTENT,
            Reason.TOKEN_WRONG_ORDER,
            Reason.TOKEN_WRONG_EVIDENCE,
            Reason.TOKEN_OTHER_RUN,
        )

    @shows("CV_S32_ORDER_WITHOUT_TOKEN")
    def test_no_token_at_all(self) -> None:
        """An id that was never issued opens nothing, in the last look neither."""
        assert reasons(judge_use(Tokens(), RIGHT, NOON)) == (Reason.TOKEN_MISSING,)
        assert reasons(judge_spent(Tokens(), RIGHT, NOON)) == (Reason.TOKEN_MISSING,)

    def test_another_boot_ends_it(self) -> None:
        """After a reboot the tick clock starts anew and proves nothing."""
        assert reasons(judge_use(with_token(), RIGHT, evolve(NOON, boot="boot-2"))) == (Reason.TOKEN_OTHER_RUN,)

    def test_no_token_outlives_its_run(self) -> None:
        """After a restart the sweep finds every live token."""
        tokens = with_token()
        assert expired_tokens(tokens, NOON, EPOCH) == ()
        assert [token.id for token in expired_tokens(tokens, NOON, 8)] == ["t1"]
        assert life_over(tokens.live["t1"], NOON, 8) is Reason.TOKEN_OTHER_RUN


class TestLastLook:
    """Between spending and sending the token is read once more."""

    def test_a_token_that_was_not_spent_opens_nothing(self) -> None:
        """Live, revoked or expired: the last look wants the one that this append spent."""
        assert reasons(judge_spent(with_token(), RIGHT, NOON)) == (Reason.TOKEN_MISSING,)
        tokens = with_token()
        tokens.fold(bead(1, revoked(tokens.live["t1"], (Reason.KILL_FLAG_ACTIVE,))))
        assert reasons(judge_spent(tokens, RIGHT, NOON)) == (Reason.TOKEN_REVOKED,)
        tokens = with_token()
        tokens.fold(bead(1, expired(tokens.live["t1"])))
        assert reasons(judge_spent(tokens, RIGHT, NOON)) == (Reason.TOKEN_EXPIRED,)

    def test_spent_tokens_are_let_go_after_their_life(self) -> None:
        """The next use forgets those whose five minutes are over; their orders can no longer leave anyway."""
        tokens = with_spent()
        late = NOON.plus(LIFE)
        second = evolve(RIGHT, token_id="t2", intent_id="intent-2")
        tokens.fold(bead(2, issued_for(tokens, second, late), late))
        assert set(tokens.spent) == {"t1"}
        tokens.fold(bead(3, used(tokens.live["t2"]), late))
        assert set(tokens.spent) == {"t2"}
        assert reasons(judge_spent(tokens, RIGHT, NOON)) == (Reason.TOKEN_EXPIRED,)
        assert judge_spent(tokens, second, late) is None

    def test_a_spent_token_is_kept_while_its_order_may_leave(self) -> None:
        """A second use a microsecond before the first one's end forgets nothing."""
        tokens, late = with_spent(), NOON.plus(LIFE - TICK)
        second = evolve(RIGHT, token_id="t2", intent_id="intent-2")
        tokens.fold(bead(2, issued_for(tokens, second, late), late))
        tokens.fold(bead(3, used(tokens.live["t2"]), late))
        assert set(tokens.spent) == {"t1", "t2"}
        assert judge_spent(tokens, RIGHT, late) is None


class TestIndices:
    """What the slice finds without looking through everything."""

    def test_the_live_token_of_an_intent(self) -> None:
        """Found while it is live, and only then."""
        tokens = with_token()
        assert tokens.live_for("intent-1") == Token(
            "t1", "intent-1", "evidence-1", "order-1", "ref-1", "tag", Mode.PAPER, NOON, EPOCH
        )
        assert tokens.live_for("intent-2") is None
        tokens.fold(bead(1, used(tokens.live["t1"])))
        assert tokens.live_for("intent-1") is None

    def test_what_ended_is_small(self) -> None:
        """Three fields stay of a token whose life is over."""
        tokens = with_spent()
        assert tokens.ended == {"t1": Ended(TokenState.USED, "intent-1", NOON.wall)}
        assert not tokens.live
        assert not tokens.by_intent

    def test_expired_ones_come_in_order_of_issue(self) -> None:
        """A start that finds several records them in the order in which they were issued."""
        tokens = Tokens()
        for n, name in enumerate(("t9", "t1", "t5")):
            use = evolve(RIGHT, token_id=name, intent_id=name)
            tokens.fold(bead(n, issued_for(tokens, use)))
        assert [token.id for token in expired_tokens(tokens, NOON.plus(LIFE), EPOCH)] == ["t9", "t1", "t5"]

    @shows("I3")
    def test_two_live_tokens_for_one_intent_are_a_bug(self) -> None:
        """Neither the maker nor the fold lets a second one stand, nor an id that was seen before."""
        tokens = with_token()
        with pytest.raises(AssertionError, match="has a live token already"):
            issued_for(tokens, evolve(RIGHT, token_id="t2"))
        with pytest.raises(AssertionError, match="was minted before"):
            issued_for(tokens, evolve(RIGHT, intent_id="intent-2"))
        other = issued_for(Tokens(), evolve(RIGHT, token_id="t2"))
        with pytest.raises(AssertionError, match="two live tokens for intent intent-1"):
            tokens.fold(bead(1, other))
        with pytest.raises(AssertionError, match="issued twice"):
            tokens.fold(bead(1, issued_for(Tokens(), evolve(RIGHT, intent_id="intent-2"))))
