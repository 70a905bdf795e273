"""What a recorded bead obliges the desk to do in the world: outward obligations as data, read off the bead alone.

An effect is known by (bead, index). It may be performed *as new* only by the very run that appended its bead. After a
restart its class says what becomes of it: a place frame is never performed, only looked up; the rest is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from operator import itemgetter
from typing import Final, TypeVar, cast

from attrs import frozen

from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Bead,
    Body,
    Decision,
    Evidence,
    Execution,
    ExecutionEvent,
    Kind,
    Observation,
    Order,
    OrderEvent,
    Position,
    Signal,
    SignalEvent,
)
from phoenix_core.orders import Frame
from phoenix_core.values import Named, Severity


class AfterRestart(Named):
    """What a later run does with an effect that an earlier run may or may not have performed."""

    LOOK_UP = "LOOK_UP"  # ask the broker by reference; never send
    REPEAT = "REPEAT"  # harmless to do twice


@frozen
class SendOrder:
    """Hand these frames over, in one go, after the last look."""

    after_restart = AfterRestart.LOOK_UP
    position_id: str
    ref: str
    frames: tuple[Frame, ...]
    group: str
    mandate: str | None
    token_id: str | None

    @property
    def is_entry(self) -> bool:
        """Entry frames pass thirteen guards; exits pass X1 to X4."""
        return self.token_id is not None


@frozen
class CancelOrder:
    """Ask the broker to cancel the order of this reference."""

    after_restart = AfterRestart.REPEAT
    position_id: str
    ref: str


@frozen
class Notify:
    """Hand an alert to the notifiers."""

    after_restart = AfterRestart.REPEAT
    alert: str
    severity: Severity
    code: str
    subject: str
    text: str
    runbook: str | None
    always: bool


@frozen
class CarryOut:
    """A signed command waits for the engine: the answer is a ruling of its own that settles this."""

    after_restart = AfterRestart.REPEAT
    type: str
    subject: str
    decision: int


@frozen
class WriteResponse:
    """Tell the proposer's side where its intent stands."""

    after_restart = AfterRestart.REPEAT
    intent_id: str


@frozen
class ArchiveInput:
    """Put an input file where its outcome belongs."""

    after_restart = AfterRestart.REPEAT
    name: str
    digest: str
    quarantined: bool
    reason: str


@frozen
class Reconcile:
    """Look at the broker's whole picture soon: something just happened that should show there."""

    after_restart = AfterRestart.REPEAT
    trigger: str
    since: datetime  # a picture that began earlier does not show it


@frozen
class SignCheckpoint:
    """Sign the log's head and send it outside: a decision or a submission must be provable from elsewhere."""

    after_restart = AfterRestart.REPEAT
    size: int


Effect = SendOrder | CancelOrder | Notify | CarryOut | WriteResponse | ArchiveInput | Reconcile | SignCheckpoint
EFFECTS: Final[tuple[type[Effect], ...]] = (
    SendOrder,
    CancelOrder,
    Notify,
    CarryOut,
    WriteResponse,
    ArchiveInput,
    Reconcile,
    SignCheckpoint,
)
Key = tuple[int, int]  # the bead that obliges, and which of its effects
E = TypeVar("E", bound=Effect)


class Owed(MutableMapping[Key, Effect]):
    """What the desk owes the world, oldest first, and kind by kind: whoever looks for an order at every step does not
    leaf through the five hundred alerts that wait for a channel."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._all: dict[Key, Effect] = {}
        self._kinds: dict[type[object], dict[Key, Effect]] = {kind: {} for kind in EFFECTS}

    def of(self, kind: type[E]) -> Mapping[Key, E]:
        """The effects of one kind, oldest first."""
        return cast("Mapping[Key, E]", self._kinds[kind])

    def oldest(self, *kinds: type[Effect]) -> list[tuple[Key, Effect]]:
        """The effects of several kinds, oldest first."""
        found: list[tuple[Key, Effect]] = []
        for kind in kinds:
            found += self._kinds[kind].items()
        return sorted(found, key=itemgetter(0))

    def settle(self, key: Key) -> None:
        """What was owed under this key, if anything was, is owed no more."""
        if key in self._all:
            del self[key]

    def owes(self, key: Key, effect: Effect) -> bool:
        """Whether exactly this is owed under this key."""
        return self._all.get(key) == effect

    def __getitem__(self, key: Key) -> Effect:
        return self._all[key]

    def __setitem__(self, key: Key, effect: Effect) -> None:
        assert type(self._all.get(key, effect)) is type(effect), "an effect does not turn into another kind"
        self._all[key] = self._kinds[type(effect)][key] = effect

    def __delitem__(self, key: Key) -> None:
        del self._kinds[type(self._all.pop(key))][key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


# Decisions that are carried out in the very append that records them; every other signed command waits for the engine.
IMMEDIATE: Final = frozenset(
    {"decision", "kill-clear", "policy", "operator-enrol", "operator-revoke", "promote", "paper-validation"}
)


def _of_order(bead: Bead, order: Order) -> tuple[Effect, ...]:
    if order.event is OrderEvent.RECORDED:
        send = SendOrder(order.position_id, order.ref, order.frames, order.group or "", order.mandate, order.token_id)
        return (send, SignCheckpoint(bead.seq + 1)) if send.is_entry else (send,)
    if order.event is OrderEvent.CANCEL_REQUESTED:
        return (CancelOrder(order.position_id, order.ref),)
    if order.event is OrderEvent.ENDED:
        return (Reconcile(f"{order.status or 'END'} {order.ref}", bead.ts),)
    return ()


def _of_alert(bead: Bead, alert: Alert) -> tuple[Effect, ...]:
    if alert.event is not AlertEvent.RAISED:
        return ()
    return (Notify(alert.alert, alert.severity, alert.code, alert.subject, alert.text, alert.runbook, alert.always),)


def _of_signal(bead: Bead, signal: Signal) -> tuple[Effect, ...]:
    if not signal.name:
        return ()
    reason = "; ".join(signal.reasons) + (f" ({signal.detail})" if signal.detail else "")
    quarantined = signal.event is not SignalEvent.ACCEPTED
    return (ArchiveInput(signal.name, signal.digest, quarantined, reason if quarantined else ""),)


def _of_position(bead: Bead, position: Position) -> tuple[Effect, ...]:
    return (WriteResponse(position.intent_id),)


def _of_evidence(bead: Bead, evidence: Evidence) -> tuple[Effect, ...]:
    return (WriteResponse(evidence.intent_id),)


def _of_execution(bead: Bead, execution: Execution) -> tuple[Effect, ...]:
    return () if execution.event is ExecutionEvent.COMMISSION else (Reconcile(f"FILL {execution.exec_id}", bead.ts),)


def _of_observation(bead: Bead, seen: Observation) -> tuple[Effect, ...]:
    return (Reconcile("demand", bead.ts),) if seen.about is About.DEMAND else ()


def _of_decision(bead: Bead, decision: Decision) -> tuple[Effect, ...]:
    checkpoint = SignCheckpoint(bead.seq + 1)
    if decision.type in IMMEDIATE:
        return (checkpoint,)
    return (CarryOut(decision.type, decision.subject, bead.seq), checkpoint)


_REACTIONS: Final = cast(
    Mapping[Kind, Callable[[Bead, Body], tuple[Effect, ...]]],
    {
        Kind.ORDER: _of_order,
        Kind.ALERT: _of_alert,
        Kind.SIGNAL: _of_signal,
        Kind.POSITION: _of_position,
        Kind.EVIDENCE: _of_evidence,
        Kind.EXECUTION: _of_execution,
        Kind.DECISION: _of_decision,
        Kind.OBSERVATION: _of_observation,
    },
)


def react(bead: Bead) -> tuple[Effect, ...]:
    """The effects a recorded bead obliges. The same bead always obliges the same effects."""
    reaction = _REACTIONS.get(bead.body.kind)
    return reaction(bead, bead.body) if reaction is not None else ()
