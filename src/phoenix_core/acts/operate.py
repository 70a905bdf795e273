"""What operators and the engine itself do to the desk: start it, lease it, stop entries, keep the books of effects.

Raising a kill is the one act that needs nothing: it commutes with everything and is appended on whatever head there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from phoenix_core.beads import (
    About,
    ChangeType,
    Genesis,
    KillEvent,
    KillFlag,
    KillKind,
    Lease,
    LeaseEvent,
    Observation,
    Operator,
    Policy,
    Settlement,
    Settles,
    Shadow,
    StateAnchor,
)
from phoenix_core.desk import Desk
from phoenix_core.effects import Notify
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.autopsy import Finding
from phoenix_core.trust.revalidation import change
from phoenix_core.values import Account, BadInput, CommandId, Facts, Regime, derived_id
from phoenix_core.watch.alerts import Message, acknowledged, resolved, sent, tested
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.observations import VERDICTS
from phoenix_core.watch.session import still_degraded
from phoenix_core.world import World


@frozen
class Initialise:
    """Begin a log: genesis, the first operator's key, the first policy and a fresh anchor."""

    command_id: CommandId
    genesis: Genesis
    operator: Operator
    policy: Policy


@frozen
class TakeLease:
    """Become the engine of this desk."""

    command_id: CommandId
    boot: str
    run: str


@frozen
class ReleaseLease:
    """The shutdown bead."""

    command_id: CommandId
    detail: str = ""


@frozen
class RaiseKill:
    """Stop entries within a scope, at once and without a question."""

    command_id: CommandId
    scope: str
    reason: str
    raised_by: str
    type: KillKind = KillKind.ONE_WAY
    cancel_working: bool = False


@frozen
class Acknowledge:
    """A human has seen an alert."""

    command_id: CommandId
    alert: str
    by: str
    false_alarm: bool = False


@frozen
class AnchorState:
    """The strategy's context was looked at anew and holds."""

    command_id: CommandId
    strategy: str
    state_hash: str
    regime: Regime
    anchored_by: str


@frozen
class ReportSent:
    """A channel has taken a message: its alerts are told."""

    command_id: CommandId
    message: Message
    channel: str


@frozen
class ProveChannel:
    """A channel has taken the whole test sequence: what a LIVE desk asks to see before it starts."""

    command_id: CommandId
    channel: str


@frozen
class Degraded:
    """The socket stands and the broker behind it stayed away for the whole waiting budget."""

    command_id: CommandId


@frozen
class Settle:
    """What became of effects that leave no fact of their own."""

    command_id: CommandId
    settles: tuple[Settles, ...]


@frozen
class Observe:
    """Keep something that was seen."""

    command_id: CommandId
    about: About
    subject: str
    facts: Facts


@frozen
class ChangeConfig:
    """A parameter changed: the shadow period restarts and a sweep is owed."""

    command_id: CommandId
    change_type: ChangeType
    strategy: str
    component: str
    parameter: str
    old_value: str
    new_value: str
    changed_by: str


@frozen
class ReportShadow:
    """Evidence from the shadow trader or from a sweep."""

    command_id: CommandId
    report: Shadow


Command = (
    Initialise
    | TakeLease
    | ReleaseLease
    | RaiseKill
    | Acknowledge
    | AnchorState
    | ReportSent
    | ProveChannel
    | Degraded
    | Settle
    | Observe
    | ChangeConfig
    | ReportShadow
)


def _initialise(desk: Desk, command: Initialise, world: World) -> Ruling:
    if desk.head.size:
        return denied(refusal(Reason.DESK_EXISTS_ALREADY, detail="this log has its genesis already"))
    return granted(command.genesis.origin, command.genesis, command.operator, command.policy)


def _take_lease(desk: Desk, command: TakeLease, world: World) -> Ruling:
    if desk.tenure.genesis is None:
        return denied(refusal(Reason.DESK_NOT_INITIALISED, detail="run `phoenix init` first"))
    lease = Lease(LeaseEvent.TAKEN, command.boot, command.run, world.run.version)
    # A process is there again; whether it beats is for its beats to say.
    return granted(command.run, lease, resolved(desk.alerts, Code.PROCESS_DEAD, "desk", "lease"))


def _release_lease(desk: Desk, command: ReleaseLease, world: World) -> Ruling:
    tenure = desk.tenure
    if world.run.epoch is None or tenure.epoch != world.run.epoch or tenure.released:
        return denied(refusal(Reason.LEASE_LOST, detail="the lease is not this run's to give back"))
    return granted(tenure.run, Lease(LeaseEvent.RELEASED, tenure.boot, tenure.run, world.run.version, command.detail))


def kill_flag(command: RaiseKill) -> KillFlag:
    """The flag that a raise puts up: needed apart, for the blind append that asks no desk."""
    return KillFlag(
        event=KillEvent.RAISED,
        flag=derived_id("kill", command.command_id),
        type=command.type,
        scope=command.scope,
        reason=command.reason,
        raised_by=command.raised_by,
        cancel_working=command.cancel_working,
    )


def _raise_kill(desk: Desk, command: RaiseKill, world: World) -> Ruling:
    flag = kill_flag(command)
    return granted(flag.flag, flag)


def _acknowledge(desk: Desk, command: Acknowledge, world: World) -> Ruling:
    said = acknowledged(desk.alerts, command.alert, command.by, command.false_alarm)
    if said is None:
        return denied(refusal(Reason.UNKNOWN_ALERT, detail=f"no open alert {command.alert}"))
    return granted(command.alert, said)


def _anchor(desk: Desk, command: AnchorState, world: World) -> Ruling:
    now, by = world.now, command.anchored_by
    anchor = StateAnchor(command.strategy, command.state_hash, command.regime, by, now.ticks, now.boot)
    return granted(command.strategy, anchor)


def _report_sent(desk: Desk, command: ReportSent, world: World) -> Ruling:
    told = sent(desk.alerts, command.message, command.channel)
    if not told:
        return granted("alerts")
    names = set(command.message.alerts)
    settled = (Settles(*key, Settlement.DONE) for key, effect in desk.owed.of(Notify).items() if effect.alert in names)
    return settling(granted("alerts", *told), *settled)


def _prove_channel(desk: Desk, command: ProveChannel, world: World) -> Ruling:
    return granted(command.channel, tested(command.channel, command.command_id))


def _degraded(desk: Desk, command: Degraded, world: World) -> Ruling:
    if not desk.sessions.degraded or desk.sessions.escalated_at is not None:
        return denied(refusal(Reason.NOTHING_TO_DO))
    genesis = desk.genesis
    account = Account(genesis.account, genesis.account_mask)
    bead = still_degraded(desk.sessions, genesis.mode, account, genesis.port)
    return granted("link", bead, alert(Code.LINK_ESCALATED, "link", command.command_id))


def _settle(desk: Desk, command: Settle, world: World) -> Ruling:
    open_ones = tuple(s for s in command.settles if (s.seq, s.index) in desk.owed)
    if not open_ones:
        return granted("effects")
    seen = Observation(About.EFFECT, "effects", {"settled": str(len(open_ones))})
    return settling(granted("effects", seen), *open_ones)


# What anybody may say that was seen. Quotes, pictures and late words prove things: only the engine makes their beads.
SAYABLE: Final = (About.DEMAND, About.WARNING, About.DRILL, About.BUNNY)


def _observe(desk: Desk, command: Observe, world: World) -> Ruling:
    if command.about not in SAYABLE:
        raise BadInput("about", str(command.about), "say one of " + ", ".join(map(str, SAYABLE)))
    if command.about is About.BUNNY and command.facts.get("verdict") not in VERDICTS:
        raise BadInput("facts.verdict", command.facts.get("verdict"), "say " + " or ".join(VERDICTS))
    return granted(command.subject, Observation(command.about, command.subject, command.facts))


def _change_config(desk: Desk, command: ChangeConfig, world: World) -> Ruling:
    bodies = change(
        change_type=command.change_type,
        strategy=command.strategy,
        component=command.component,
        parameter=command.parameter,
        old_value=command.old_value,
        new_value=command.new_value,
        changed_by=command.changed_by,
        seed=command.command_id,
    )
    if not bodies:
        return denied(refusal(Reason.NOTHING_TO_DO, detail="the value is what it was"))
    told = alert(Code.REVALIDATION_STARTED, command.strategy, command.command_id, parameter=command.parameter)
    return granted(command.strategy, *bodies, told)


def _report_shadow(desk: Desk, command: ReportShadow, world: World) -> Ruling:
    report = command.report
    unknown = set(report.findings or ()) - {finding.value for finding in Finding}
    if unknown:
        detail = "the autopsy knows no such finding: " + ascii(min(unknown))[:80]
        return denied(refusal(Reason.PROMOTION_INCOMPLETE, detail=detail))
    if not report.failed:
        return granted(report.strategy, report)
    told = alert(Code.VALIDATION_EXTENDED, report.strategy, command.command_id, failed=" ".join(report.failed))
    return granted(report.strategy, report, told)


HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {
    Initialise: _initialise,
    TakeLease: _take_lease,
    ReleaseLease: _release_lease,
    RaiseKill: _raise_kill,
    Acknowledge: _acknowledge,
    AnchorState: _anchor,
    ReportSent: _report_sent,
    ProveChannel: _prove_channel,
    Degraded: _degraded,
    Settle: _settle,
    Observe: _observe,
    ChangeConfig: _change_config,
    ReportShadow: _report_shadow,
}
