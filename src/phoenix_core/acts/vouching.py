"""What loosens, and whether it counts: a row that somebody wrote past every rule opens nothing.

Another policy, a kill that comes down, a promotion, a build that is declared good: each counts where a human signed
exactly it, in the decision that stands right before it, and where this run checked that signature; an answer to a drift
where it carries out such a decision. What the desk lowers by itself counts where its grounds are there. What tightens
counts always. Of a long log only what is still in force is asked for: the last policy, the flags that would stand
still, the promotions, the last answer to each drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.signatures import FOUNDER_AT, said_at
from phoenix_core.beads import KillEvent, KillFlag, Policy, ReconciliationDrift, Resolution
from phoenix_core.desk import Desk
from phoenix_core.gate import stale_gate
from phoenix_core.gate.kill_flags import DESK, Grounds, Lowered, Standing, instrument_scope, may_lift, strategy_scope
from phoenix_core.gate.statements import (
    ClearKill,
    Promote,
    ResolveDrift,
    Says,
    SetPolicy,
    ValidatePaper,
    policy_hash,
)
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.rulings import Ruling, denied, granted
from phoenix_core.values import CommandId, Mode, Moment, Severity
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.drift import Ended
from phoenix_core.world import World

# The policy that a desk is founded with stands right behind its founder.
FOUNDED_WITH: Final = FOUNDER_AT + 1


@frozen
class Row:
    """A row that loosens and that counts for nothing: where it stands, about what, and what mends it."""

    seq: int
    subject: str
    mend: str
    reason: Reason  # what an entry meets that the row would open the way for
    again: Standing | ReconciliationDrift | None = None  # the flag that it lowers, or the drift that it answers


@frozen
class Disown:
    """Say of such a row that it counts for nothing; a flag that it lowered goes up again, a drift is open again."""

    command_id: CommandId
    seq: int


Command = Disown


def places(desk: Desk) -> Iterator[int]:
    """Where the signatures stand that what is in force rests on, the keys' own first: what a run that starts checks."""
    yield from (key.enrolled for key in desk.approvals.keys.values() if key.signed is not None)
    if desk.policies.seq > FOUNDED_WITH:
        yield desk.policies.seq - 1
    flags = desk.kill_flags
    yield from (lowered.seq - 1 for lowered in flags.cleared.values())
    yield from (flags.answered[drift].seq - 1 for drift in desk.drifts.open if drift in flags.answered)
    yield from (answer.decision for answer in _answers(desk) if answer.opened < answer.decision < answer.seq)
    yield from (seq - 1 for seq in desk.promotions.live.values())
    yield from desk.approvals.validated.values()


def unvouched(desk: Desk, world: World) -> tuple[Row, ...]:
    """Every row that loosens, and that nobody's signature stands behind."""
    lowered = (*_lifts(desk, world), *_answered(desk, world))
    return (*_policies(desk, world), *lowered, *_promotions(desk, world), *_builds(desk, world))


def kept_shut(desk: Desk, strategy: str, instrument: str, world: World) -> Mapping[Reason, Refusal | None]:
    """What such rows would open for an entry, by what it meets instead: one look for all its lights."""
    told: dict[Reason, Refusal | None] = {}
    for row in unvouched(desk, world):
        if _concerns(desk, row, strategy, instrument):
            words = f"bead {row.seq} counts for nothing, nobody signed it: {row.mend}"
            told[row.reason] = merged((told.get(row.reason), refusal(row.reason, detail=words)))
    return told


def _concerns(desk: Desk, row: Row, strategy: str, instrument: str) -> bool:
    """Whether an entry of this strategy in this instrument would pass where it must not."""
    if row.reason is Reason.KILL_FLAG_ACTIVE:
        return row.subject in (DESK, strategy_scope(strategy), instrument_scope(instrument))
    if row.reason is Reason.DRIFT_OPEN:
        return _blocks(row.again, instrument)
    if row.reason is Reason.POLICY_MISSING:
        return True
    own = row.seq == desk.promotions.live.get(strategy) or row.reason is Reason.PAPER_VALIDATION_MISSING
    return own and desk.genesis.mode is Mode.LIVE  # elsewhere nobody is asked for a promotion, or for a build's


def _blocks(drift: Standing | ReconciliationDrift | None, instrument: str) -> bool:
    assert isinstance(drift, ReconciliationDrift), "what was answered is a drift"
    return drift.instrument == instrument or (not drift.instrument and drift.severity is Severity.CRITICAL)


def grounds_for(desk: Desk, flag: Standing, signed: bool, reason: str) -> Grounds:
    """What speaks for lifting a flag, as the log has it."""
    strategy = flag.scope.partition(":")[2] or stale_gate.EVERY
    anchor = stale_gate.last_refresh(desk.anchors, strategy)
    drift = desk.drifts.open.get(flag.drift or "")
    resolved = drift is None or (signed and drift.acknowledged)  # what is known and stays: by a signature of its own
    return Grounds(signed, reason, anchor.seq if anchor is not None else None, resolved)


def _is_signed(desk: Desk, world: World, row: int, place: int, exactly: Callable[[Says], bool]) -> bool:
    """Whether a decision says exactly what a row does. Found once it stays so: it is judged as of its place."""
    if place not in world.verified:
        return False
    if row not in desk.signed:
        said = said_at(desk, place, world)
        if said is None or not exactly(said):
            return False
        desk.signed.add(row)
    return True


def _policies(desk: Desk, world: World) -> Iterator[Row]:
    seq, policy = desk.policies.seq, desk.policies.policy
    if policy is None or (seq == FOUNDED_WITH and policy.signed is None):  # nobody can have signed what comes first
        return
    if not _is_signed(desk, world, seq, seq - 1, partial(_sets, policy)):
        yield Row(seq, "policy", "`phoenix policy set`", Reason.POLICY_MISSING)


def _sets(policy: Policy, said: Says) -> bool:
    return said == SetPolicy(policy_hash(policy))


def _lifts(desk: Desk, world: World) -> Iterator[Row]:
    """Flags that only a human clears, and no human did; those whose time was not over, or whose drift is open still."""
    flags, known = desk.kill_flags, desk.signed
    asked = [low for low in flags.cleared.values() if low.seq not in known or low.seq - 1 not in world.verified]
    yield from (_lift(low) for low in asked if not _is_cleared(desk, world, low))
    for low in flags.cooled.values():
        if may_lift(low.flag, Moment(low.at, timedelta(0), ""), grounds_for(desk, low.flag, False, "")) is not None:
            yield _lift(low)
    for identity, drift in desk.drifts.open.items():
        before = flags.answered.get(identity)
        if before is not None and drift.seq < before.seq:  # a drift that opened since has a flag of its own
            if not (drift.acknowledged and _is_cleared(desk, world, before)):
                yield _lift(before)


def _is_cleared(desk: Desk, world: World, low: Lowered) -> bool:
    return _is_signed(desk, world, low.seq, low.seq - 1, partial(_clears, low.flag.flag))


def _clears(flag: str, said: Says) -> bool:
    return isinstance(said, ClearKill) and said.flag == flag


def _lift(low: Lowered) -> Row:
    mend = "it stands again until `phoenix kill clear`"
    return Row(low.seq, low.flag.scope, mend, Reason.KILL_FLAG_ACTIVE, low.flag)


def _answers(desk: Desk) -> Iterator[Ended]:
    """The answers that open something: drifts that are known and stay, and drifts that ended."""
    for drift in desk.drifts.open.values():
        if drift.acknowledged:
            of = (drift.told, drift.bead_id, drift.seq, drift.answered_seq)
            yield Ended(*of, Resolution.ACKNOWLEDGED, drift.decision)
    yield from desk.drifts.ended.values()


def _answered(desk: Desk, world: World) -> Iterator[Row]:
    for answer in _answers(desk):
        ours = answer.opened < answer.decision < answer.seq  # an earlier answer was to what stood there then
        if not (ours and _is_signed(desk, world, answer.seq, answer.decision, partial(_resolves, answer))):
            subject = f"drift {answer.told.subject} {answer.told.cause}"
            mend = "it is open again until `phoenix drift resolve`"
            yield Row(answer.seq, subject, mend, Reason.DRIFT_OPEN, answer.told)


def _resolves(answer: Ended, said: Says) -> bool:
    named = (answer.told.identity, answer.bead_id)
    return isinstance(said, ResolveDrift) and said.drift in named and said.as_ is answer.resolution


def _promotions(desk: Desk, world: World) -> Iterator[Row]:
    for strategy, seq in desk.promotions.live.items():
        if not _is_signed(desk, world, seq, seq - 1, partial(_promotes, strategy)):
            yield Row(seq, f"promotion of {strategy}", "`phoenix promote run`", Reason.STRATEGY_NOT_PROMOTED)


def _promotes(strategy: str, said: Says) -> bool:
    return isinstance(said, Promote) and said.strategy == strategy


def _builds(desk: Desk, world: World) -> Iterator[Row]:
    build = world.run.version
    seq = desk.approvals.validated.get(build)
    if seq is not None and not _is_signed(desk, world, seq, seq, partial(_validates, build)):
        yield Row(seq, f"build {build}", "`phoenix promote paper`", Reason.PAPER_VALIDATION_MISSING)


def _validates(build: str, said: Says) -> bool:
    return isinstance(said, ValidatePaper) and said.build == build


def _disown(desk: Desk, command: Disown, world: World) -> Ruling:
    row = next((row for row in unvouched(desk, world) if row.seq == command.seq), None)
    if row is None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    told = alert(Code.ROW_UNSIGNED, row.subject, str(row.seq), bead=str(row.seq), mend=row.mend)
    return granted(row.subject, _again(desk, row.again), told)


def _again(desk: Desk, flag: Standing | ReconciliationDrift | None) -> KillFlag | ReconciliationDrift | None:
    if flag is None:
        return None
    if isinstance(flag, ReconciliationDrift):
        return evolve(flag, session=desk.sessions.session)
    return KillFlag(
        event=KillEvent.RAISED,
        flag=flag.flag,
        type=flag.type,
        scope=flag.scope,
        reason=flag.reason,
        raised_by=flag.raised_by,
        until=flag.until,
        cancel_working=flag.cancel_working,
        drift=flag.drift,
    )


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {Disown: _disown}
