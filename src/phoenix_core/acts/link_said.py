"""What becomes of the way to the broker: sessions lost and found, and what people hear of it.

A gateway that restarts itself every night is no incident where that was declared and nothing is exposed: nobody is told
unless it takes longer. Whatever else goes is CRITICAL at once.
"""

from __future__ import annotations

from typing import Final

from phoenix_core.acts.after import stalled
from phoenix_core.acts.vital import is_declared
from phoenix_core.beads import About, Alert, Body, Draft, IbkrSession
from phoenix_core.desk import Desk
from phoenix_core.facts import LinkEvent, LinkSaid
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason
from phoenix_core.rulings import Ruling, granted
from phoenix_core.values import Account, State
from phoenix_core.watch.alerts import may_raise, resolved
from phoenix_core.watch.codes import Code, alert
from phoenix_core.watch.observations import seen
from phoenix_core.watch.session import DECLARED, OVERDUE, link_beads
from phoenix_core.world import World

Beads = list[Body | Draft | None]


def link_said(desk: Desk, said: LinkSaid, world: World, key: str) -> Ruling:
    """What a change of the link leaves: its beads, what people hear of it, and doubt about what was on its way."""
    genesis = desk.genesis
    if said.event is LinkEvent.SYNCHRONISED:
        return granted("link", seen(About.LINK, "session", event="SYNCHRONISED", session=str(said.session)))
    account = next(
        (a for a in said.accounts if a.tag == genesis.account), Account(genesis.account, genesis.account_mask)
    )
    bodies: Beads = list(link_beads(desk.sessions, _dated(desk, said, world), genesis.mode, account, genesis.port))
    escalated = any(isinstance(bead, IbkrSession) and bead.escalated for bead in bodies)
    bodies.extend(_link_alerts(desk, said, world, key))
    if escalated and may_raise(desk.alerts, Code.LINK_ESCALATED, "link", world.now.wall):
        bodies.append(alert(Code.LINK_ESCALATED, "link", key))
    if said.event in (LinkEvent.LOST, LinkEvent.DEGRADED):
        for position in desk.positions.in_state(State.SUBMITTED):
            entry = desk.orders.find(position.order_ref or "")
            if entry is not None and not entry.acknowledged and entry.end is None:
                bodies.extend(stalled(position, "OUTCOME_UNKNOWN", key))
    return granted("link", *bodies)


_LINK_CODES: Final = {
    LinkEvent.LOST: Code.LINK_LOST,
    LinkEvent.DEGRADED: Code.LINK_LOST,
    LinkEvent.CLIENT_ID_TAKEN: Code.CLIENT_ID_TAKEN,
    LinkEvent.ANSWERS: Code.LINK_ANSWERS,
}
_LINK_OVER: Final = (Code.LINK_LOST, Code.LINK_ESCALATED, Code.LINK_ANSWERS)


def _link_code(desk: Desk, said: LinkSaid) -> Code | None:
    """What is told of a change of the link. A loss that was declared is told once an attempt that counts has failed."""
    overdue = said.event is LinkEvent.CONNECT_FAILED and desk.sessions.lost_at is not None
    return Code.LINK_LOST if overdue else _LINK_CODES.get(said.event)


def _dated(desk: Desk, said: LinkSaid, world: World) -> LinkSaid:
    """What happened to the link, with a word on a restart that was declared, and on one that takes longer."""
    told = not may_raise(desk.alerts, Code.LINK_LOST, "link", world.now.wall)
    if told or _link_code(desk, said) is not Code.LINK_LOST:
        return said
    if is_declared(desk, world):
        return evolve(said, detail=DECLARED)
    return evolve(said, detail=OVERDUE) if said.event is LinkEvent.CONNECT_FAILED else said


def _link_alerts(desk: Desk, said: LinkSaid, world: World, key: str) -> Beads:
    now = world.now.wall
    waits = desk.sessions.awaits_a_human or said.event is not LinkEvent.ANSWERS
    code = _link_code(desk, said)
    quiet = code is Code.LINK_LOST and is_declared(desk, world)
    if code is not None and waits and not quiet and may_raise(desk.alerts, code, "link", now):
        return [alert(code, "link", key)]
    if said.event in (LinkEvent.CONNECTED, LinkEvent.RESTORED):
        over: Beads = [resolved(desk.alerts, code, "link", "broker") for code in _LINK_OVER]
        back = alert(Code.LINK_RESTORED, "link", key) if any(b is not None for b in over) else None
        return [*over, back, _gateway_restarted(desk, said, key, world), _elsewhere(desk, said, key)]
    return []


def _elsewhere(desk: Desk, said: LinkSaid, key: str) -> Alert | None:
    """A session of another account than the desk's: the guards let nothing out, and a human hears why, before anybody
    asks for anything."""
    ours = not said.accounts or any(one.tag == desk.genesis.account for one in said.accounts)
    if ours or said.event is not LinkEvent.CONNECTED:
        return None
    return alert(Code.GUARD_VIOLATION, "account", key, reason=Reason.ACCOUNT_MISMATCH.value)


def _gateway_restarted(desk: Desk, said: LinkSaid, key: str, world: World) -> Alert | None:
    """A gateway that comes back in another version, or issues ids again that orders in this log carried, whichever run
    of ours placed them, is another process than the one that was lost. In its declared window that is no news."""
    if said.event is not LinkEvent.CONNECTED or world.link.in_restart_window:
        return None
    before = desk.sessions.gateway_version
    other = bool(before and said.gateway_version) and before != said.gateway_version
    again = 0 < said.first_id <= max((order.order_id for order in desk.orders.known()), default=0)
    if not (other or again) or not may_raise(desk.alerts, Code.GATEWAY_RESTARTED, "link", world.now.wall):
        return None
    ids = "issued again" if again else "go on"
    versions = {"before": before, "now": said.gateway_version} if other else {}
    return alert(Code.GATEWAY_RESTARTED, "link", key, ids=ids, **versions)
