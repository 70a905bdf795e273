"""What the broker said, taken in: facts move positions, are kept, come late, or say nothing new.

Every fact is taken in by the same questions. Whose is it (account, reference)? What does it add to what is known? Which
event of the table, if any, does it make? What it adds becomes beads; a fact that adds nothing leaves nothing. An entry
that ended unfilled ends its position only after a later executions answer without it: silence never ends an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from phoenix_core.acts.after import after_drop, after_execution, after_order, stalled
from phoenix_core.acts.link_said import link_said
from phoenix_core.acts.reconcile import reconciled
from phoenix_core.beads import (
    About,
    Body,
    Draft,
    Observation,
    Order,
    OrderEvent,
    PositionEvent,
    Proof,
    ProofKind,
    Settlement,
    Settles,
)
from phoenix_core.desk import Desk
from phoenix_core.effects import CancelOrder, SendOrder
from phoenix_core.facts import (
    ELSEWHERE,
    CancelSaid,
    CommissionSaid,
    ErrorSaid,
    ExecutionSaid,
    Fact,
    FrameSaid,
    LinkSaid,
    OrderSaid,
    Snapshot,
)
from phoenix_core.orders import parsed_ref
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import Ruling, denied, granted, settling
from phoenix_core.trade.fills import Answer, charged, execution
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.order_words import contradicts, error_news, kept_words, news
from phoenix_core.trade.positions import Open, changed
from phoenix_core.trade.transitions import SENT
from phoenix_core.values import CommandId, Facts, Role, State, plain
from phoenix_core.watch.codes import Code, alert, drift_alert
from phoenix_core.watch.drift import Divergence, drift_bead, fact_after_end, is_news, two_perm_ids, unresolved
from phoenix_core.watch.observations import is_late_known, seen
from phoenix_core.world import World


@frozen
class Said:
    """A fact from the broker's inbox."""

    command_id: CommandId
    fact: Fact


Command = Said
Beads = list[Body | Draft | None]

# The broker's small talk: farms that connect, data that is inactive. Nothing to keep, nothing to do.
SMALL_TALK: Final = frozenset({2104, 2106, 2107, 2108, 2119, 2158})
TOO_FAST: Final = 100
# The broker behind the gateway is away, or back: the link's own alerts tell of it, once. While it is away a gateway
# says so every few seconds, for as long as a nightly reset lasts.
AWAY: Final = frozenset({1100, 2110})
BACK: Final = frozenset({1101, 1102})
# What a human who reads the number alone would have to look up: in our words, for no alert holds a stranger's.
_NO_DATA: Final = "market data that nobody subscribed to"
_FARM: Final = "a data farm that is away"
ABOUT: Final[Mapping[int, str]] = {
    ELSEWHERE: "orders of this desk under another client id: under this one none can be changed or ended",
    0: "a message that cannot be read",
    101: "market data: too many lines",
    320: "a request of ours that it could not read",
    321: "a request that it refused: is its API read-only?",
    **dict.fromkeys((354, 10089, 10168, 10186), _NO_DATA),
    1300: "its port, which was changed",
    **dict.fromkeys((2103, 2105, 2157), _FARM),
    2148: "margin, or another word to the account's holder: read it in TWS",
    10182: "a line of market data that ended",
    10197: "market data, which another session of this login takes",
}


def _said(desk: Desk, command: Said, world: World) -> Ruling:
    return _BY_FACT[type(command.fact)](desk, command, command.fact, world)


# --- orders -----------------------------------------------------------------------------------------------------------


def _order(desk: Desk, command: Said, said: OrderSaid, world: World) -> Ruling:
    if said.account and said.account != desk.genesis.account:
        return granted("another account")
    if parsed_ref(said.ref) is None:
        return granted("not ours")  # a reconciliation names it; a single word about it changes nothing
    known = desk.orders.find(said.ref)
    if known is None:
        return _late_word(desk, command, said)
    if contradicts(known, said) and known.end is not None:
        facts = {"status": said.status.value, "filled": plain(said.filled)}
        return granted(said.ref, *_after_end(desk, command, said.ref, known.end.value, facts, said.message))
    bodies: Beads = list(news(known, said))
    strange = said.perm_id and known.perm_ids and said.perm_id not in known.perm_ids
    if strange:
        found = two_perm_ids(said.ref, (*known.perm_ids, said.perm_id), known.perm_ids[0], known.line.symbol)
        bodies.extend(_drift(desk, found, command))
    for body in tuple(bodies):
        if isinstance(body, Order):
            bodies.extend(after_order(desk, known, body, world, command.command_id))
    return granted(said.ref, *bodies, texts=_kept(bodies, said))


def _kept(bodies: Beads, said: OrderSaid | ErrorSaid) -> Mapping[str, str]:
    """What the broker gave as its reason, where an ORDER bead names it."""
    return kept_words(said) if any(isinstance(body, Order) and body.message == said.message for body in bodies) else {}


def _late_word(desk: Desk, command: Said, said: OrderSaid) -> Ruling:
    """A word about an order whose position is long over, or that nothing in the log resolves."""
    over = desk.orders.end_of(said.ref)
    facts = {"status": said.status.value, "filled": plain(said.filled)}
    if over is not None:
        if not said.completed and (said.status.is_working or said.filled > over.filled):
            return granted(said.ref, *_after_end(desk, command, said.ref, over.end.value, facts, said.message))
        return granted(said.ref)
    if said.completed or not said.status.is_working:
        return granted(said.ref)
    return granted(said.ref, *_drift(desk, unresolved(said.ref, facts, None), command))


def _after_end(desk: Desk, command: Said, ref: str, ended_as: str, facts: Facts, message: str) -> Beads:
    position, known = desk.positions.ended_of_ref(ref), desk.orders.find(ref)
    # An order may have ended while its position has not: the instrument is known either way.
    pair = position.pair if position is not None else known.line.symbol if known is not None else None
    divergence = fact_after_end(ref, ended_as, facts, pair)
    # None is dropped (I10): each word that was not heard yet is kept, also where its drift is open already.
    heard = is_late_known(desk.observations, ref, facts)
    late = None if heard else Observation(About.LATE_FACT, ref, {**facts, "message": message})
    if not is_news(desk.drifts, divergence, desk.sessions.connected_seq):
        return [late]
    return [late, *_drift(desk, divergence, command), alert(Code.LATE_FACT, ref, command.command_id)]


def _drift(desk: Desk, divergence: Divergence, command: Said) -> Beads:
    if not is_news(desk.drifts, divergence, desk.sessions.connected_seq):
        return []
    bead = drift_bead(divergence, desk.sessions.session)
    return [bead, drift_alert(bead, command.command_id)]


# --- executions -------------------------------------------------------------------------------------------------------


def _execution(desk: Desk, command: Said, said: ExecutionSaid, world: World) -> Ruling:
    if said.account and said.account != desk.genesis.account:
        return granted("another account")
    answer = desk.fills.answer(said)
    parsed = parsed_ref(said.ref)
    if answer is Answer.KNOWN or parsed is None:
        return granted(said.exec_id)
    _, role, _ = parsed
    position = desk.positions.open_of_ref(said.ref)
    if position is not None and position.state in SENT and _is_its(position, role, said):
        return granted(said.exec_id, *after_execution(desk, position, said, role, answer, world, command.command_id))
    facts = {
        "exec": said.exec_id,
        "side": said.side.value,
        "quantity": plain(said.quantity),
        "price": plain(said.price),
    }
    bead = execution(said, answer, None, role)
    ended = desk.positions.ended_of_ref(said.ref)
    if ended is not None:
        late = _after_end(desk, command, said.ref, ended.state.value, facts, said.message)
        return granted(said.exec_id, bead, *late)
    return granted(said.exec_id, bead, *_drift(desk, unresolved(said.ref, facts, said.symbol), command))


def _is_its(position: Open, role: Role, said: ExecutionSaid) -> bool:
    """Whether an execution can be what its reference says: the instrument of its position, on the side of its role.
    That is asked also of an order that the log does not know."""
    side = position.side.other if role.is_exit else position.side
    return (said.symbol, said.side) == (position.pair, side)


def _commission(desk: Desk, command: Said, said: CommissionSaid, world: World) -> Ruling:
    if desk.fills.is_charged(said.exec_id):
        return granted(said.exec_id)
    return granted(said.exec_id, charged(said))


# --- errors -----------------------------------------------------------------------------------------------------------


def _error(desk: Desk, command: Said, said: ErrorSaid, world: World) -> Ruling:
    if said.code in SMALL_TALK:
        return granted(said.message)
    known = desk.orders.find(said.ref) if said.ref else None
    if said.code == ELSEWHERE:
        told = f"{Code.BROKER_WARNING}|code {said.code}" in desk.alerts.by_subject
        quiet = told or known is None or known.end is not None
        return granted(said.ref) if quiet else _session_error(desk, command, said, world)
    if known is None:
        return _session_error(desk, command, said, world)
    bodies: Beads = list(error_news(known, said))
    for body in tuple(bodies):
        assert isinstance(body, Order), "a code about an order makes an ORDER bead"
        bodies.extend(after_order(desk, known, body, world, command.command_id))
    if not bodies:
        bodies.append(seen(About.UNKNOWN_CODE, said.ref, code=str(said.code), message=said.message))
    return granted(said.ref, *bodies, texts=_kept(bodies, said))


def _session_error(desk: Desk, command: Said, said: ErrorSaid, world: World) -> Ruling:
    subject = f"code {said.code}"
    kept = seen(About.WARNING, subject, message=said.message)
    if said.code in AWAY | BACK:
        known = said.code in AWAY and desk.sessions.degraded
        return granted(subject, None if known else kept)
    code = Code.PACING_VIOLATION if said.code == TOO_FAST else Code.BROKER_WARNING  # neither is ever held back
    about = {"about": ABOUT[said.code]} if said.code in ABOUT else {}
    return granted(subject, kept, alert(code, subject, command.command_id, **about))


# --- frames -----------------------------------------------------------------------------------------------------------


def _frame(desk: Desk, command: Said, said: FrameSaid, world: World) -> Ruling:
    known = desk.orders.find(said.ref)
    owed = next(
        (
            (key, effect)
            for key, effect in desk.owed.of(SendOrder).items()
            if key[0] > desk.tenure.epoch  # of an earlier run nobody here knows what left: that is looked up
            and any(f.ref == said.ref and f.revision == said.revision for f in effect.frames)
        ),
        None,
    )
    if known is None or owed is None:
        return granted(said.ref)
    (seq, index), send = owed
    body = Order(
        event=OrderEvent.SENT if said.sent else OrderEvent.DROPPED,
        position_id=known.position_id,
        ref=said.ref,
        role=known.role,
        revision=said.revision,
        order_id=said.order_id or None,
        session=world.link.session,
        reason=said.reason or None,
        ticks=world.now.ticks,
        boot=world.now.boot,
    )
    last = send.frames[-1].ref == said.ref
    outcome = Settlement.DONE if said.sent else Settlement.DROPPED
    draft = Draft(body, (Settles(seq, index, outcome),) if last else ())
    return granted(said.ref, draft, *_dropped(desk, known, body, said, command, world))


def _dropped(desk: Desk, known: Known, body: Order, said: FrameSaid, command: Said, world: World) -> Beads:
    """A frame of which no byte left: an entry never was; a missing exit frame leaves a bracket that is not whole."""
    position = desk.positions.open.get(known.position_id)
    if said.sent or position is None:
        return []
    if known.role is Role.ENTRY and position.state is State.SUBMITTED:
        return [changed(position, PositionEvent.WITHHELD, Proof(ProofKind.WITHHELD, said.ref), reasons=("DROPPED",))]
    if position.state is State.SUBMITTED:
        return stalled(position, "OUTCOME_UNKNOWN", command.command_id)
    told = alert(Code.CLOSE_NOT_SENT, said.ref, command.command_id)
    return [told, *after_drop(desk, position, body, world, command.command_id)]


def _cancel(desk: Desk, command: Said, said: CancelSaid, world: World) -> Ruling:
    keys = [key for key, effect in desk.owed.of(CancelOrder).items() if effect.ref == said.ref]
    known = desk.orders.find(said.ref)
    if not said.sent:
        if not keys or known is None or known.end is None:
            return denied(refusal(Reason.LINK_DOWN, detail=said.reason))
        over = seen(About.EFFECT, said.ref, outcome="not sent, and it has ended")
        return settling(granted(said.ref, over), *(Settles(*key, Settlement.DROPPED) for key in keys))
    if not keys:
        return granted(said.ref)
    body = Order(
        event=OrderEvent.CANCEL_SENT,
        position_id=known.position_id if known is not None else "",
        ref=said.ref,
        role=known.role if known is not None else None,
        session=world.link.session,
    )
    return granted(said.ref, Draft(body, tuple(Settles(*key, Settlement.DONE) for key in keys)))


# --- the link and the whole picture -----------------------------------------------------------------------------------


def _link(desk: Desk, command: Said, said: LinkSaid, world: World) -> Ruling:
    return link_said(desk, said, world, command.command_id)


def _snapshot(desk: Desk, command: Said, said: Snapshot, world: World) -> Ruling:
    return reconciled(desk, said, world, command.command_id)


_BY_FACT: Final[Mapping[type, Callable[[Desk, Said, Any, World], Ruling]]] = {
    OrderSaid: _order,
    ExecutionSaid: _execution,
    CommissionSaid: _commission,
    ErrorSaid: _error,
    FrameSaid: _frame,
    CancelSaid: _cancel,
    LinkSaid: _link,
    Snapshot: _snapshot,
}

HANDLERS: Final[Mapping[type, Callable[[Desk, Any, World], Ruling]]] = {Said: _said}
