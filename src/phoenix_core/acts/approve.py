"""A human decides. What was signed is judged field by field, recorded with its signature, and opens the way once.

An approval leaves DECISION + T2_TOKEN(ISSUED) + POSITION(APPROVED) in one append; a reject ends the intent; any other
signed command is recorded and waits for the engine. A refused signature leaves an observation: both attempts are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import frozen
from returns.pipeline import is_successful

from phoenix_core.acts.earn import promoted
from phoenix_core.acts.lights import context_of, entry_lights_before, policy_of
from phoenix_core.acts.signatures import RENDERER as RENDERER  # what signs and what judges name the same one
from phoenix_core.acts.signatures import expected, expected_intent
from phoenix_core.acts.vouching import grounds_for
from phoenix_core.beads import (
    About,
    Body,
    ChangeType,
    Draft,
    KillKind,
    Observation,
    Operator,
    OperatorEvent,
    Policy,
    PositionEvent,
    Proof,
    ProofKind,
    Signed,
    Verdict,
)
from phoenix_core.desk import Desk
from phoenix_core.facts import Checked
from phoenix_core.gate import kill_flags, stale_gate, tokens
from phoenix_core.gate.approvals import (
    decision,
    judge_decision,
    judge_operator,
    judge_statement,
    odd_key,
    signed_of,
)
from phoenix_core.gate.evidence import blocks
from phoenix_core.gate.limits import out_of_bounds
from phoenix_core.gate.statements import (
    TYPES,
    ClearKill,
    Decide,
    Enrol,
    Promote,
    Revoke,
    SetPolicy,
    Statement,
    policy_hash,
    read_statement,
)
from phoenix_core.orders import entry_ref
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.trade.positions import changed
from phoenix_core.trust.revalidation import change
from phoenix_core.values import BadInput, CommandId, State, TokenId, derived_id
from phoenix_core.watch.alerts import resolved
from phoenix_core.watch.codes import Code, alert
from phoenix_core.world import World

# The alerts that a standing kill keeps open.
KILL_CODES: Final = (Code.KILL_RAISED, Code.HALTED)


@frozen
class Sign:
    """A signed statement arrived. `root` is this log's root at its `tree_size`; `token_id` was minted outside."""

    command_id: CommandId
    checked: Checked
    root: str | None
    token_id: TokenId
    session: str | None = None
    texts: Mapping[str, str] = {}
    policy: Policy | None = None  # the body that a `policy` statement names by its hash


Command = Sign


def _sign(desk: Desk, command: Sign, world: World) -> Ruling:
    try:
        statement = read_statement(command.checked.statement)
    except BadInput as error:
        return _refused(command, refusal(Reason.STATEMENT_MALFORMED, detail=str(error)), "statement")
    if isinstance(statement.says, Decide):
        return _decide(desk, command, statement, statement.says, world)
    judged = judge_statement(
        desk.approvals, command.checked, expected(desk, command.root, command.session), type(statement.says), world.now
    )
    if not is_successful(judged):
        return _refused(command, judged.failure(), statement.says.subject)
    return _carry(desk, command, statement, world)


def _refused(command: Sign, no: Refusal, subject: str, *also: Body | Draft | None) -> Ruling:
    """A refused signature is kept: who asked for what, and why not."""
    facts = {"key": command.checked.key, "reasons": " ".join(r.value for r in no.reasons)}
    seen = Observation(About.REFUSED_COMMAND, subject, facts)
    return denied(no, seen, *also, texts=command.texts)


def _decide(desk: Desk, command: Sign, statement: Statement, says: Decide, world: World) -> Ruling:
    judged = judge_decision(
        desk.approvals,
        command.checked,
        expected(desk, command.root, command.session),
        expected_intent(desk, says),
        world.now,
    )
    position = desk.positions.of_intent(says.intent)
    if not is_successful(judged):
        return _refused(command, judged.failure(), says.intent)
    if position is None:
        return _refused(command, refusal(Reason.UNKNOWN_INTENT, detail=says.intent), says.intent)
    if says.verdict is Verdict.REJECT:
        return _reject(desk, command, statement, says, world)
    return _approve(desk, command, statement, says, world)


def _reject(desk: Desk, command: Sign, statement: Statement, says: Decide, world: World) -> Ruling:
    position = desk.positions.open_of_intent(says.intent)
    if position is None or position.state not in (State.PROPOSED, State.APPROVED):
        return _refused(command, refusal(Reason.DECIDED_ALREADY, detail="too late to pass"), says.intent)
    token = desk.tokens.live_for(says.intent)
    event = PositionEvent.PASSED if position.state is State.PROPOSED else PositionEvent.WITHDRAWN
    proof = Proof(ProofKind.OPERATOR_DECISION, command.checked.key)
    return granted(
        says.intent,
        decision(command.checked, statement, world.now, *_notes(command)),
        tokens.revoked(token, (Reason.DECIDED_ALREADY,)) if token is not None else None,
        changed(position, event, proof, reasons=("PASSED",)),
        texts=command.texts,
    )


def _approve(desk: Desk, command: Sign, statement: Statement, says: Decide, world: World) -> Ruling:
    position = desk.positions.open_of_intent(says.intent)
    shown = desk.evidence.latest(says.intent)
    proposal = desk.signals.proposal(says.intent)
    if position is None or position.state is not State.PROPOSED or shown is None or proposal is None:
        return _refused(command, refusal(Reason.DECIDED_ALREADY, detail="the intent is not open"), says.intent)
    light = entry_lights_before(desk, world, says.intent)
    if light is not None:
        return _refused(command, light, says.intent, *_conflict(desk, command, says.intent, light, world))
    if blocks(shown.evidence):
        red = "; ".join(flag for flag in shown.evidence.flags if flag.startswith(("KILL ", "RED ")))
        return _refused(command, refusal(Reason.KILL_FLAG_ACTIVE, detail=red), says.intent)
    if desk.tenure.released:
        return denied(refusal(Reason.ENGINE_NOT_RUNNING, detail="start `phoenix run` first"))
    ref = entry_ref(command.checked.statement)
    issued = tokens.issue(
        desk.tokens,
        command.token_id,
        says.intent,
        shown.leaf,
        shown.evidence.order_hash,
        ref,
        desk.genesis.account,
        desk.genesis.mode,
        desk.tenure.epoch,
        world.now,
    )
    proof = Proof(ProofKind.OPERATOR_DECISION, command.checked.key)
    approved = changed(
        position,
        PositionEvent.APPROVED,
        proof,
        order_ref=ref,
        token_id=command.token_id,
        evidence_hash=shown.leaf,
        requested_quantity=shown.evidence.sizing.quantity,
    )
    facts = {"token": issued.id, "order_ref": ref}
    return granted(
        says.intent,
        decision(command.checked, statement, world.now),
        issued,
        approved,
        texts=command.texts,
        facts=facts,
    )


def _notes(command: Sign) -> tuple[str, ...]:
    return tuple(command.texts)[:1]


def _conflict(desk: Desk, command: Sign, intent_id: str, light: Refusal, world: World) -> tuple[Body | None, ...]:
    if Reason.STATE_CONFLICT not in light.reasons:
        return ()
    return stale_beads(desk, intent_id, "approval", command.command_id, world)


def stale_beads(desk: Desk, intent_id: str, stage: str, key: str, world: World) -> tuple[Body | None, ...]:
    """What a stale context leaves: the conflict, a kill on that strategy for five minutes, and an alert."""
    proposal = desk.signals.proposal(intent_id)
    assert proposal is not None, "only an open intent can meet a stale context"
    strategy = proposal.signal.strategy
    policy = policy_of(desk)
    stale_after = policy.stale_after if policy is not None else timedelta(0)
    flag = kill_flags.raise_flag(
        desk.kill_flags,
        derived_id("stale", key),
        KillKind.TEMPORARY,
        kill_flags.strategy_scope(strategy),
        "STATE_CONFLICT: refresh the anchor",
        "stale_gate",
        world.now,
    )
    return (
        stale_gate.conflict(
            desk.anchors, intent_id, context_of(proposal.signal, proposal.taken), stale_after, world.now, stage
        ),
        flag,
        alert(Code.STATE_CONFLICT, strategy, derived_id("stale-alert", key), stage=stage, intent=intent_id[:8]),
    )


def _carry(desk: Desk, command: Sign, statement: Statement, world: World) -> Ruling:
    """Signed commands that are carried out in the append that records them; the rest waits for the engine."""
    recorded = decision(command.checked, statement, world.now, *_notes(command))
    says = statement.says
    signed = signed_of(command.checked)
    by = desk.approvals.name_of(command.checked.key)
    if isinstance(says, ClearKill):
        return _clear_kill(desk, command, says, recorded, by, world)
    if isinstance(says, SetPolicy):
        return _set_policy(desk, command, says, recorded, signed)
    if isinstance(says, Enrol | Revoke):
        no = merged((judge_operator(desk.approvals, says), odd_key(says) if isinstance(says, Enrol) else None))
        if no is not None:
            return _refused(command, no, says.subject)
        return granted(says.subject, recorded, _operator(desk, says, signed), texts=command.texts)
    if isinstance(says, Promote):
        return promoted(desk, says, recorded, by, command.command_id, command.token_id, world)
    if desk.tenure.released and says.type in TYPES and says.type != "paper-validation":
        return denied(refusal(Reason.ENGINE_NOT_RUNNING, detail="start `phoenix run` first"))
    return granted(says.subject, recorded, texts=command.texts)


def _operator(desk: Desk, says: Enrol | Revoke, signed: Signed) -> Operator:
    if isinstance(says, Enrol):
        return Operator(OperatorEvent.ENROLLED, says.key, says.public, says.name, says.assurance, signed)
    key = desk.approvals.keys[says.key]
    return Operator(OperatorEvent.REVOKED, key.key, key.public, key.name, key.assurance, signed)


def _clear_kill(desk: Desk, command: Sign, says: ClearKill, recorded: Body, by: str, world: World) -> Ruling:
    flag = desk.kill_flags.standing.get(says.flag)
    if flag is None:
        return _refused(command, refusal(Reason.UNKNOWN_KILL_FLAG, detail=says.flag), says.flag)
    no = kill_flags.may_lift(flag, world.now, grounds_for(desk, flag, True, says.reason))
    if no is not None:
        return _refused(command, no, says.flag)
    lifted = kill_flags.lift_flag(flag, by, says.reason)
    told = alert(Code.KILL_LIFTED, flag.scope, command.command_id, scope=flag.scope)
    return granted(says.flag, recorded, lifted, told, *kill_over(desk, flag, by), texts=command.texts)


def kill_over(desk: Desk, flag: kill_flags.Standing, by: str) -> tuple[Body | None, ...]:
    """The alerts of a flag end with it, unless another one stands in the same scope."""
    if any(other.scope == flag.scope and other.flag != flag.flag for other in desk.kill_flags.standing.values()):
        return ()
    return tuple(resolved(desk.alerts, code, flag.scope, by) for code in KILL_CODES)


def _set_policy(desk: Desk, command: Sign, says: SetPolicy, recorded: Body, signed: Signed) -> Ruling:
    policy = command.policy
    if policy is None or policy_hash(policy) != says.policy:
        return _refused(
            command, refusal(Reason.STATEMENT_OTHER_ORDER, detail="not the policy that was signed"), "policy"
        )
    wrong = next(out_of_bounds(policy), None)
    if wrong is not None:
        return _refused(command, refusal(Reason.POLICY_OUT_OF_BOUNDS, detail=str(wrong)), "policy")
    withdrawn: list[Body] = []
    for token in desk.tokens.live.values():
        position = desk.positions.open_of_intent(token.intent_id)
        assert position is not None, "a live token belongs to an approved intent"
        withdrawn.append(tokens.revoked(token, (Reason.TOKEN_REVOKED,)))
        proof = Proof(ProofKind.RULE, "policy")
        withdrawn.append(changed(position, PositionEvent.WITHDRAWN, proof, reasons=("POLICY_CHANGED",)))
    flips = _flips(desk, command, says.policy, signed)
    return granted("policy", recorded, evolve(policy, signed=signed), *withdrawn, *flips, texts=command.texts)


def begins_anew(desk: Desk, policy: str) -> tuple[str, ...]:
    """The strategies that earned something under another policy than this one, as their shadows tell. A first policy
    ends nothing, and neither does the same one again."""
    if _in_force(desk) in ("", policy):
        return ()
    return tuple(sorted(name for name, days in desk.promotions.shadow.items() if days))


def _in_force(desk: Desk) -> str:
    """The hash of the policy that the desk trades by; empty where it has none."""
    policy = policy_of(desk)
    return "" if policy is None else policy_hash(policy)


def _flips(desk: Desk, command: Sign, policy: str, signed: Signed) -> Iterator[Body | Draft | None]:
    """What another policy does to the strategies that were tried under this one."""
    for strategy in begins_anew(desk, policy):
        yield from change(
            change_type=ChangeType.CONFIG_FLIP,
            strategy=strategy,
            component="gate",
            parameter="policy",
            old_value=_in_force(desk),
            new_value=policy,
            changed_by=desk.approvals.name_of(signed.key),
            seed=command.command_id,
        )
        yield alert(Code.REVALIDATION_STARTED, strategy, command.command_id, parameter="policy")


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {Sign: _sign}
