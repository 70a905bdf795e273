"""What an operator signs, put together from the desk that the operator looks at; and the signature over it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_core.acts.approve import RENDERER, Sign
from phoenix_core.beads import Policy, Verdict
from phoenix_core.desk import Desk
from phoenix_core.gate.screen import Live, render_facts, render_hash
from phoenix_core.gate.statements import Decide, Render, Says, Statement, write_statement
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import CommandId, Moment, TokenId, derived_id

if TYPE_CHECKING:
    from phoenix_adapters.keys import Signs
    from phoenix_core.ports import BeadStore, Verifier


@frozen
class Screen:
    """What a human looks at: the fact block of one evidence and one quote, and what it hashes to."""

    intent_id: str
    lines: tuple[str, ...]
    says: Decide
    leaf: str
    seen: Moment  # when it stood there: what is signed says so, however long the human reads


def screen_of(desk: Desk, intent_id: str, now: Moment, verdict: Verdict = Verdict.APPROVE) -> Screen | Refusal:
    """The approve screen of an intent as it stands, or why there is none."""
    shown, proposal = desk.evidence.latest(intent_id), desk.signals.proposal(intent_id)
    if proposal is None:
        return refusal(Reason.UNKNOWN_INTENT, detail=f"no intent {intent_id} waits for a decision")
    quote = desk.observations.quotes.get(proposal.signal.pair)
    if quote is None:
        return refusal(Reason.EVIDENCE_MISSING, detail=f"no quote of {proposal.signal.pair} was heard yet")
    if shown is None:
        return refusal(Reason.EVIDENCE_MISSING, detail="the engine has not assembled the evidence yet")
    age = max(timedelta(0), now.wall - quote.at)
    live = Live(quote.bid, quote.ask, age // timedelta(milliseconds=1))
    genesis = desk.genesis
    lines = render_facts(shown.evidence, shown.leaf, live, genesis.mode, genesis.account_mask)
    says = Decide(
        verdict=verdict,
        intent=intent_id,
        drift_bps_max=shown.evidence.drift_bps_max,
        evidence=shown.leaf,
        order=shown.evidence.order_hash,
        render=Render(RENDERER, render_hash(lines)),
        live=live,
    )
    return Screen(intent_id, lines, says, shown.leaf, now)


def statement_of(desk: Desk, store: BeadStore, says: Says, now: Moment, nonce: str | None = None) -> bytes:
    """The bytes to sign: what is said, framed by this log, all its history, a fresh nonce and a life."""
    genesis, size = desk.genesis, desk.head.size
    return write_statement(
        Statement(
            log=genesis.origin,
            tree_size=size,
            tree_root=root_text(store, size),
            account=genesis.account,
            mode=genesis.mode,
            session=nonce or secrets.token_hex(16),
            at=now.wall,
            exp=now.wall + type(says).life,
            says=says,
        )
    )


def root_text(store: BeadStore, size: int) -> str:
    """The log's root at a size, as statements spell it."""
    return base64.b64encode(store.root(size)).decode("ascii")


def signed(
    statement: bytes,
    key: Signs,
    verifier: Verifier,
    root: str,
    texts: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    token: str | None = None,
) -> Sign | Refusal:
    """Sign a statement and make it a command; the signature is checked before anything is recorded."""
    signature = key.sign(statement)
    checked = verifier.check(statement, signature)
    if not is_successful(checked):
        return checked.failure()
    command_id = CommandId(derived_id("sign", signature))
    token_id = TokenId(derived_id("token", token or secrets.token_hex(16)))
    return Sign(command_id, checked.unwrap(), root, token_id, texts=texts or {}, policy=policy)
