"""What a signature on this desk must say, and whether a recorded one still stands when it is judged again.

A row that merely says "approved" opens nothing: the run that acts on a decision checks the stored bytes again, and
judges every field of them as of the decision's own place in the log.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from returns.pipeline import is_successful

from phoenix_core.desk import Desk, Stands
from phoenix_core.facts import Checked, Quote
from phoenix_core.gate.approvals import (
    REMEMBERED,
    Decided,
    Expected,
    ExpectedIntent,
    Key,
    judge_decision,
    judge_statement,
)
from phoenix_core.gate.evidence import Shown
from phoenix_core.gate.limits import policy_in_force
from phoenix_core.gate.screen import Live, render_facts, render_hash
from phoenix_core.gate.statements import Decide, Enrol, Render, Says, read_statement
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.values import BadInput, Moment
from phoenix_core.world import World

RENDERER: Final = "term-1"
# Whom a desk is founded with stands right behind its GENESIS.
FOUNDER_AT: Final = 1
_NOBODY: Final = "no signature that verifies enrolled the key"


def expected(desk: Desk, root: str | None, session: str | None = None, recorded: int | None = None) -> Expected:
    """What the frame of a statement must say on this desk; a recorded one co-signs no history later than its place."""
    genesis, size = desk.genesis, desk.head.size if recorded is None else recorded
    return Expected(genesis.origin, genesis.mode, genesis.account, size, root, session, recorded)


def expected_intent(desk: Desk, says: Decide) -> ExpectedIntent:
    """What an approval of this intent must say, from the desk's own data."""
    proposal = desk.signals.proposal(says.intent)
    shown = desk.evidence.latest(says.intent)
    policy = policy_in_force(desk.policies, desk.genesis.mode)
    symbol = proposal.signal.pair if proposal is not None else ""
    cited = (says.live.bid, says.live.ask) if says.live is not None else None
    quotes = tuple(
        Quote(symbol, q.bid, q.ask, Moment(q.at, timedelta(0), ""), q.delayed, q.seq)
        for q in desk.observations.recent.get(symbol, ())
        if (q.bid, q.ask) == cited
    )
    return ExpectedIntent(
        intent=says.intent,
        evidence=shown.leaf if shown is not None else None,
        evidence_seq=shown.seq if shown is not None else -1,
        expires_at=shown.evidence.expires_at if shown is not None else None,
        order=shown.evidence.order_hash if shown is not None else "",
        drift_bps_max=policy.drift_bps_max if policy is not None else 0,
        render=_render(desk, shown, says.live),
        quotes=quotes,
        proposer=proposal.channel if proposal is not None else "",
        four_eyes=policy.four_eyes if policy is not None else False,
    )


def _render(desk: Desk, shown: Shown | None, live: Live | None) -> Render | None:
    if shown is None or live is None:
        return None
    genesis = desk.genesis
    lines = render_facts(shown.evidence, shown.leaf, live, genesis.mode, genesis.account_mask)
    return Render(RENDERER, render_hash(lines))


# The slices that an approval is judged by when it is judged again. It is judged as of its own place in the log and of
# the moment its token was issued: nothing but these, its bytes and its root can change what is found.
GROUNDS: Final = ("approvals", "evidence", "observations", "policies", "signals")


def approval_refusal(desk: Desk, intent_id: str, issued: Moment, world: World) -> Refusal | None:
    """Whether the recorded approval of an intent stands, judged again as of the moment its token was issued.

    The engine asks when it meets the approval, at the decision and in the last look; it is judged anew whenever a bead
    came to what the answer rests on.
    """
    decided = desk.approvals.decided.get(intent_id)
    if decided is None or not desk.approvals.is_approved(intent_id, decided.seq):
        return refusal(Reason.TOKEN_SIGNATURE, detail="no approval stands")
    place = decided.seq
    checked, root = world.verified.get(place), world.roots.get(place)
    vouched = _is_vouched_for(desk, decided.key, world)
    grounds = (checked, root, issued, vouched, *map(desk.moved.get, GROUNDS))
    known = desk.stands.get(place)
    if known is None or known.grounds != grounds:
        found = _approval_refusal(desk, place, intent_id, checked, root, issued, vouched)
        known = desk.stands[place] = Stands(grounds, found)
        if len(desk.stands) > REMEMBERED:
            del desk.stands[next(iter(desk.stands))]
    return merged((known.found, _taken_back(desk, decided)))


def _taken_back(desk: Desk, decided: Decided) -> Refusal | None:
    """What humans took back since: the policy that it was approved under, the key that approved it. The record of the
    decision stays true; but until the frame is handed over nothing leaves on it any more."""
    if desk.policies.seq > decided.seq:
        return refusal(Reason.TOKEN_REVOKED, detail="another policy came into force since it was approved")
    if desk.approvals.keys[decided.key].revoked is not None:
        return refusal(Reason.TOKEN_REVOKED, detail="the key that approved it is revoked")
    return None


def _approval_refusal(
    desk: Desk, place: int, intent_id: str, checked: Checked | None, root: str | None, issued: Moment, vouched: bool
) -> Refusal | None:
    if checked is None or place not in desk.approvals.recent:
        return refusal(Reason.TOKEN_SIGNATURE, detail="the stored signature does not verify")
    if not vouched:
        return refusal(Reason.TOKEN_SIGNATURE, detail=_NOBODY)
    says = read_statement(checked.statement).says
    if not isinstance(says, Decide) or says.intent != intent_id:
        return refusal(Reason.TOKEN_SIGNATURE, detail="what was signed is no approval of this intent")
    wanted = expected(desk, root, recorded=place)
    judged = judge_decision(desk.approvals, checked, wanted, expected_intent(desk, says), issued)
    return None if is_successful(judged) else _again(Reason.TOKEN_SIGNATURE, judged.failure())


def command_refusal(desk: Desk, seq: int, world: World) -> Refusal | None:
    """Whether a recorded signed command stands, judged again before it is carried out."""
    checked = world.verified.get(seq)
    if checked is None:
        return refusal(Reason.SIGNATURE_WRONG, detail="the stored signature does not verify")
    if not _is_vouched_for(desk, checked.key, world):
        return refusal(Reason.SIGNATURE_WRONG, detail=_NOBODY)
    if seq in desk.approvals.replayed:
        return refusal(Reason.STATEMENT_REPLAYED, detail="it was recorded once before")
    says = type(read_statement(checked.statement).says)
    wanted = expected(desk, world.roots.get(seq), recorded=seq)
    judged = judge_statement(desk.approvals, checked, wanted, says, world.now)
    return None if is_successful(judged) else _again(Reason.SIGNATURE_WRONG, judged.failure())


def said_at(desk: Desk, place: int, world: World) -> Says | None:
    """What a human signed in the decision at this place; None where it counts for nothing here.

    Judged as of its place, from the bytes that this run checked, also where the desk forgot it long ago. Not asked: the
    history that it co-signs, which whoever forks the log has to begin with, and its life, which is by the log's own
    time; a statement that was recorded once before is no new one.
    """
    checked, keys = world.verified.get(place), desk.approvals.keys
    if checked is None or checked.key not in keys or place in desk.approvals.replayed:
        return None
    if any(key.enrolled == place for key in keys.values()):  # a signature that enrols decides nothing else
        return None
    statement = read_statement(checked.statement)
    wanted = expected(desk, statement.tree_root, recorded=place)
    wanted = evolve(wanted, remembered=place in desk.approvals.recent)
    then = Moment(statement.at, timedelta(0), "")
    judged = judge_statement(desk.approvals, checked, wanted, type(statement.says), then)
    counts = is_successful(judged) and _is_vouched_for(desk, checked.key, world)
    return statement.says if counts else None


def _is_vouched_for(desk: Desk, name: str, world: World) -> bool:
    """Whether a key came with the desk, or by a signature on exactly this that the run checked, of a key that counted
    there and is itself vouched for. A row that merely says "enrolled" opens nothing."""
    key = desk.approvals.keys[name]
    while key.enrolled != FOUNDER_AT:
        by = _enrolled_by(desk, key, world.verified.get(key.enrolled))
        if by is None:
            return False
        key = by  # it stands before the other one in the log: this comes to an end
    return True


def _enrolled_by(desk: Desk, key: Key, checked: Checked | None) -> Key | None:
    """Whose signature enrolled a key; None where it says something else, or counted for nothing at that place."""
    by = desk.approvals.keys.get(checked.key) if checked is not None else None
    if checked is None or by is None or by.enrolled >= key.enrolled:
        return None
    if by.revoked is not None and by.revoked < key.enrolled:
        return None
    try:
        said = read_statement(checked.statement)
    except BadInput:
        return None
    same = said.says == Enrol(key.key, key.public, key.name, key.assurance)
    return by if same and said.log == desk.genesis.origin else None


def _again(reason: Reason, no: Refusal) -> Refusal:
    return refusal(reason, detail="judged again: " + " ".join(each.value for each in no.reasons))
