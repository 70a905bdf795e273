"""T2 tokens: one human permission for one order. A token works once and dies after five minutes.

    LIVE --USED--> USED        spent in the same append as SUBMITTED; a later failure never un-spends it
    LIVE --EXPIRED--> EXPIRED  five minutes by either clock, the wall set back, another boot or another lease epoch
    LIVE --REJECTED--> REVOKED final: killed, passed, edited, policy changed
    any  --REJECTED--> as it was: a refused use, kept for the audit, changes nothing

The id is an identifier, not a secret: what protects a token is that it can do one thing, once. Whether its life is over
is judged at use; the EXPIRED bead only records it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, T2Token, TokenEvent
from phoenix_core.making import maker
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Mode, Moment, Named, is_over

# Long enough for a human to approve and an engine to act; short enough that the market is still the one that was shown.
LIFE: Final = timedelta(minutes=5)


class TokenState(Named):
    """Where a token is in its life."""

    LIVE = "LIVE"
    USED = "USED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@frozen
class Token:
    """A token with everything that it is bound to."""

    id: str
    intent_id: str
    evidence_hash: str
    order_hash: str
    order_ref: str
    account: str
    mode: Mode
    issued: Moment
    epoch: int

    @property
    def expires_at(self) -> datetime:
        """When it dies, should the wall clock be the one to say so."""
        return self.issued.wall + LIFE


@frozen
class Ended:
    """What is kept of a token whose life is over: enough to refuse it by name."""

    state: TokenState
    intent_id: str
    issued_at: datetime


@frozen
class Use:
    """One attempt to act on a token: what it is presented for, and by which run."""

    token_id: str
    intent_id: str
    order_hash: str
    evidence_hash: str
    order_ref: str
    account: str
    mode: Mode
    epoch: int


@define
class Tokens:
    """Every token there ever was: the live ones whole and in order of issue, the others as small records."""

    live: dict[str, Token] = Factory(dict)
    by_intent: dict[str, str] = Factory(dict)  # the one live token of an intent
    spent: dict[str, Token] = Factory(dict)  # used ones whose order may not have left yet: the last look reads them
    ended: dict[str, Ended] = Factory(dict)

    def fold(self, bead: Bead) -> None:
        """Fold T2_TOKEN."""
        body = bead.body
        if not isinstance(body, T2Token):
            return
        if body.event is TokenEvent.ISSUED:
            self._add(body)
        elif body.event is TokenEvent.USED:
            token = self._end(body.id, TokenState.USED)
            self._forget_the_sent(bead.ts)
            self.spent[token.id] = token
        elif body.event is TokenEvent.EXPIRED:
            _ = self._end(body.id, TokenState.EXPIRED)
        elif body.final:
            _ = self._end(body.id, TokenState.REVOKED)

    def state(self, token_id: str) -> TokenState | None:
        """Where a token is in its life; None for one that never was."""
        if token_id in self.live:
            return TokenState.LIVE
        ended = self.ended.get(token_id)
        return None if ended is None else ended.state

    def live_for(self, intent_id: str) -> Token | None:
        """The live token of an intent, if it has one."""
        token_id = self.by_intent.get(intent_id)
        return None if token_id is None else self.live[token_id]

    def _add(self, body: T2Token) -> None:
        assert self.state(body.id) is None, f"token {body.id} was issued twice"
        assert body.intent_id not in self.by_intent, f"two live tokens for intent {body.intent_id}"
        issued = Moment(body.timestamp, body.ticks, body.boot)
        self.live[body.id] = Token(
            body.id,
            body.intent_id,
            body.evidence_hash,
            body.order_hash,
            body.order_ref,
            body.account,
            body.mode,
            issued,
            body.epoch,
        )
        self.by_intent[body.intent_id] = body.id

    def _end(self, token_id: str, state: TokenState) -> Token:
        assert token_id in self.live, f"token {token_id} is not live and cannot become {state}"
        token = self.live.pop(token_id)
        del self.by_intent[token.intent_id]
        self.ended[token_id] = Ended(state, token.intent_id, token.issued.wall)
        return token

    def _forget_the_sent(self, now: datetime) -> None:
        """Let go of spent tokens that are past their life: the last look would refuse them anyway."""
        for token_id in [name for name, token in self.spent.items() if token.expires_at <= now]:
            del self.spent[token_id]


def life_over(token: Token, now: Moment, epoch: int) -> Reason | None:
    """Why a token's life is over, or None. Either clock may say so; no token outlives the run that it was made for."""
    if now.boot != token.issued.boot or epoch != token.epoch:
        return Reason.TOKEN_OTHER_RUN
    return Reason.TOKEN_EXPIRED if is_over(token.issued, now, LIFE) else None


def judge_use(tokens: Tokens, use: Use, now: Moment) -> Refusal | None:
    """Whether this use of a token is the one it was made for, now, with every reason why not."""
    token = tokens.live.get(use.token_id)
    if token is not None:
        return _judged(token, use, now)
    return refusal(_NOT_LIVE[tokens.state(use.token_id)])


def judge_spent(tokens: Tokens, use: Use, now: Moment) -> Refusal | None:
    """The last look: the token was spent, for exactly this order, and its life is still not over."""
    token = tokens.spent.get(use.token_id)
    if token is not None:
        return _judged(token, use, now)
    state = tokens.state(use.token_id)
    # Recorded but never spent is a way around the gate; spent and forgotten is a life long over.
    if state is TokenState.USED:
        return refusal(Reason.TOKEN_EXPIRED)
    return refusal(Reason.TOKEN_MISSING if state is TokenState.LIVE else _NOT_LIVE[state])


_NOT_LIVE: Final = {
    None: Reason.TOKEN_MISSING,
    TokenState.USED: Reason.TOKEN_USED,
    TokenState.EXPIRED: Reason.TOKEN_EXPIRED,
    TokenState.REVOKED: Reason.TOKEN_REVOKED,
}


def _judged(token: Token, use: Use, now: Moment) -> Refusal | None:
    """What differs between what a token is bound to and what it is used for."""
    found = (
        (use.intent_id != token.intent_id, Reason.TOKEN_WRONG_INTENT),
        (use.order_hash != token.order_hash or use.order_ref != token.order_ref, Reason.TOKEN_WRONG_ORDER),
        (use.evidence_hash != token.evidence_hash, Reason.TOKEN_WRONG_EVIDENCE),
        (use.account != token.account, Reason.ACCOUNT_MISMATCH),
        (use.mode is not token.mode, Reason.MODE_MISMATCH),
    )
    reasons = [reason for differs, reason in found if differs]
    over = life_over(token, now, use.epoch)
    if over is not None:
        reasons.append(over)
    return refusal(*reasons) if reasons else None


def expired_tokens(tokens: Tokens, now: Moment, epoch: int) -> tuple[Token, ...]:
    """The live tokens whose life is over and that no bead has said so of yet, in order of issue."""
    return tuple(token for token in tokens.live.values() if life_over(token, now, epoch) is not None)


# --- the beads of a life ----------------------------------------------------------------------------------------------


def issue(
    tokens: Tokens,
    token_id: str,
    intent_id: str,
    evidence_hash: str,
    order_hash: str,
    order_ref: str,
    account: str,
    mode: Mode,
    epoch: int,
    now: Moment,
) -> T2Token:
    """The bead that gives an approved intent its token. The id is minted outside; an intent has one live token."""
    assert intent_id not in tokens.by_intent, f"intent {intent_id} has a live token already"
    assert tokens.state(token_id) is None, f"token {token_id} was minted before"
    token = Token(token_id, intent_id, evidence_hash, order_hash, order_ref, account, mode, now, epoch)
    return _body(token, TokenEvent.ISSUED)


def used(token: Token) -> T2Token:
    """The bead that spends a token; it stands in the same append as SUBMITTED."""
    return _body(token, TokenEvent.USED, used=True)


def expired(token: Token, why: Reason = Reason.TOKEN_EXPIRED) -> T2Token:
    """The bead that records that a token's life is over."""
    return _body(token, TokenEvent.EXPIRED, reasons=(why.value,))


def revoked(token: Token, reasons: tuple[Reason, ...]) -> T2Token:
    """The bead that takes a permission back: a kill, a pass, an edit, a new policy, a red light that will not turn."""
    return _body(token, TokenEvent.REJECTED, reasons=tuple(reason.value for reason in reasons), final=True)


def refused_use(tokens: Tokens, use: Use, no: Refusal, now: Moment) -> T2Token:
    """The bead that keeps a refused use, also of a token that is spent or never was. It changes nothing.

    Hashes, account and run are those that were presented; the dates are the token's own, where there is one.
    """
    live, ended = tokens.live.get(use.token_id), tokens.ended.get(use.token_id)
    issued_at = live.issued.wall if live is not None else ended.issued_at if ended is not None else now.wall
    presented = Token(
        use.token_id,
        use.intent_id,
        use.evidence_hash,
        use.order_hash,
        use.order_ref,
        use.account,
        use.mode,
        Moment(issued_at, now.ticks, now.boot),
        use.epoch,
    )
    was_used = ended is not None and ended.state is TokenState.USED
    reasons = tuple(reason.value for reason in no.reasons)
    return _body(presented, TokenEvent.REJECTED, used=was_used, reasons=reasons)


_TOKEN: Final = maker(T2Token)


def _body(
    token: Token, event: TokenEvent, used: bool = False, reasons: tuple[str, ...] = (), final: bool = False
) -> T2Token:
    return _TOKEN(
        event=event,
        id=token.id,
        intent_id=token.intent_id,
        timestamp=token.issued.wall,
        expires_at=token.expires_at,
        used=used,
        evidence_hash=token.evidence_hash,
        order_hash=token.order_hash,
        order_ref=token.order_ref,
        account=token.account,
        mode=token.mode,
        boot=token.issued.boot,
        ticks=token.issued.ticks,
        epoch=token.epoch,
        final=final,
        reasons=reasons,
    )
