"""What the judges of the simulation ask of words that nobody else weighs: of pictures, beats, inputs and messages.

A picture that was not whole says nothing of what it lacks, a beat does not call a link well that is down, a refusal has
its reason, and what is critical is told before what came later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Final

from attrs import Factory, define

from phoenix_cli.wiring.sim.ledger import Found, Ledger
from phoenix_core.beads import (
    About,
    Alert,
    AlertEvent,
    Bead,
    Beat,
    Heartbeat,
    IbkrSession,
    Observation,
    ReconciliationDrift,
    Signal,
    SignalEvent,
)
from phoenix_core.values import Severity

# What only a comparison with a picture can find; the other causes follow from a single word, too.
BY_PICTURE: Final = (
    *("count", "size", "sign", "fills", "orphan_exit", "order_status", "order_missing"),
    *("foreign_holding", "foreign_order", "pnl"),
)
# Five seconds for company, ten since the batch before, and a turn of the engine's.
BATCHED_WITHIN: Final = timedelta(seconds=30)


@define
class Honest:
    """What the log says, against what could be known when it was said."""

    ledger: Ledger
    session: int = 0  # by the log
    seqs: dict[str, int] = Factory(dict)  # alerts -> the bead that raised them
    urgent: dict[str, int] = Factory(dict)  # the same of critical ones that no channel took yet
    waiting: dict[str, tuple[str, timedelta]] = Factory(dict)  # all that no channel took yet -> code, since when

    def judge(self, bead: Bead) -> Found:
        """What one more bead says."""
        judge = _TAKE.get(type(bead.body))
        if judge is not None:
            yield from judge(self, bead.body, bead)

    def untold(self) -> list[str]:
        """I18: the codes of what waits for longer than a batch does for company, and for the batch before it."""
        now = self.ledger.clock.now().ticks
        return sorted(code for code, since in self.waiting.values() if now - since > BATCHED_WITHIN)

    def told(self, alerts: Collection[str]) -> Found:
        """I18: critical first: a batch takes nothing along that was raised after what is critical and still waits. Of
        two critical ones on their way at once, each by itself, nobody promises which is taken first."""
        latest = max((self.seqs.get(alert, -1) for alert in alerts if alert not in self.urgent), default=-1)
        for alert in alerts:
            _ = self.urgent.pop(alert, None), self.waiting.pop(alert, None)
        late = [seq for seq in self.urgent.values() if seq < latest]
        if late:
            yield "I18", f"what bead {latest} raised is told before what bead {late[0]} did, which is critical"


def _session(honest: Honest, body: IbkrSession, bead: Bead) -> Found:
    if body.outcome in ("CONNECTED", "RESTORED"):
        honest.session = body.session
    yield from ()


def _observation(honest: Honest, body: Observation, bead: Bead) -> Found:
    if body.about is not About.SNAPSHOT:
        return
    facts = body.facts
    if facts["agreement"] != "UNKNOWN":
        if int(facts["session"]) != honest.session:
            yield "I13", f"bead {bead.seq}: a picture of session {facts['session']} in session {honest.session}"
        return
    said = {name: facts[name] for name in ("shown", "suspects", "absent") if facts[name]}
    if said:
        yield "I13", f"bead {bead.seq}: a picture that was not whole says {said}"


def _drift(honest: Honest, body: ReconciliationDrift, bead: Bead) -> Found:
    if honest.ledger.unknown and body.cause in BY_PICTURE:
        yield "I13", f"bead {bead.seq}: {body.cause} of {body.subject}, and the last picture was not whole"


def _heartbeat(honest: Honest, body: Heartbeat, bead: Bead) -> Found:
    if body.status is Beat.HEALTHY and honest.ledger.down:
        yield "I19", f"bead {bead.seq}: all is well, and the link is down"


def _signal(honest: Honest, body: Signal, bead: Bead) -> Found:
    if (body.event is SignalEvent.ACCEPTED) is bool(body.reasons):
        yield "I20", f"bead {bead.seq}: an input is {body.event} for {body.reasons}"


def _alert(honest: Honest, body: Alert, bead: Bead) -> Found:
    if body.event is AlertEvent.RAISED:
        honest.seqs[body.alert] = bead.seq
        honest.waiting[body.alert] = (body.code, honest.ledger.clock.now().ticks)
        if body.severity is Severity.CRITICAL:
            honest.urgent[body.alert] = bead.seq
    elif body.event in (AlertEvent.RESOLVED, AlertEvent.ACKNOWLEDGED):
        _ = honest.urgent.pop(body.alert, None), honest.waiting.pop(body.alert, None)
    yield from ()


_TAKE: Final[dict[type, Callable[[Honest, Any, Bead], Found]]] = {
    IbkrSession: _session,
    Observation: _observation,
    ReconciliationDrift: _drift,
    Heartbeat: _heartbeat,
    Signal: _signal,
    Alert: _alert,
}
