"""The invariants of a desk as checkers: each reads what was recorded, handed over and remembered, and nothing else.

Every checker is one function, named by the id of what it checks. `Seen` is all that it may look at: the beads of the
log, the hand-overs at the socket, and the desk as it lives in the engine. None of them asks the code that it checks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from attrs import define, field, frozen

from phoenix_core.beads import (
    About,
    Bead,
    Body,
    Execution,
    ExecutionEvent,
    Genesis,
    KillEvent,
    KillFlag,
    Lease,
    LeaseEvent,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    ProofKind,
    ReconciliationDrift,
    ReconciliationResolution,
    T2Token,
    TokenEvent,
)
from phoenix_core.desk import Desk, evolve, freeze
from phoenix_core.kernel import ClearedOrder, bead_of
from phoenix_core.orders import order_hash
from phoenix_core.ports import BeadStore
from phoenix_core.trade.transitions import BIRTHS, TRANSITIONS
from phoenix_core.values import Moment, Role, Severity, Side, State
from phoenix_core.world import World

B = TypeVar("B", bound=Body)
ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)


@frozen
class HandOver:
    """One hand-over at the socket: what, on which head of the log, in which world."""

    cleared: ClearedOrder
    size: int
    world: World

    @property
    def now(self) -> Moment:
        """When."""
        return self.world.now


@define
class Seen:
    """Everything that may be looked at."""

    store: BeadStore
    beads: list[Bead] = field(factory=list)
    handed: list[HandOver] = field(factory=list)

    def catch_up(self) -> None:
        """Read what the log gained."""
        self.beads += [bead_of(record) for record in self.store.read(len(self.beads))]

    def of(self, cls: type[B]) -> list[tuple[int, B]]:
        """(place, body) of one kind, in order."""
        return [(bead.seq, bead.body) for bead in self.beads if isinstance(bead.body, cls)]

    @property
    def entries(self) -> list[HandOver]:
        """Hand-overs of entries."""
        return [handed for handed in self.handed if handed.cleared.is_entry]

    @property
    def exits(self) -> list[HandOver]:
        """Hand-overs of exits."""
        return [handed for handed in self.handed if not handed.cleared.is_entry]


def i1_at_most_once(seen: Seen, desk: Desk) -> None:
    """No entry reference reaches the socket twice; no exit reference twice in one revision."""
    entries = Counter(handed.cleared.ref for handed in seen.entries)
    assert all(count == 1 for count in entries.values()), f"sent twice: {entries}"
    frames = Counter((frame.ref, frame.revision) for handed in seen.handed for frame in handed.cleared.frames)
    assert all(count == 1 for count in frames.values()), f"a frame was sent twice: {frames}"


def i2_authorised(seen: Seen, desk: Desk) -> None:
    """Each entry has exactly one token, spent before the frame left, alive, made for exactly these lines."""
    for handed in seen.entries:
        used = [(n, t) for n, t in seen.of(T2Token) if t.event is TokenEvent.USED and t.order_ref == handed.cleared.ref]
        assert len(used) == 1, f"{len(used)} tokens were spent for {handed.cleared.ref}"
        place, token = used[0]
        assert place < handed.size, "spent before it left"
        assert handed.now.wall < token.expires_at and handed.now.boot == token.boot, "sent within its life"
        lines = tuple(frame.line for frame in handed.cleared.frames)
        assert order_hash(lines) == token.order_hash, "these lines and no others"
        assert all(line.account == token.account for line in lines), "this account and no other"


def i3_single_use(seen: Seen, desk: Desk) -> None:
    """A token ends once and stays ended; an intent has one live token at most."""
    live: dict[str, str] = {}
    ended: set[str] = set()
    for _, token in seen.of(T2Token):
        if token.event is TokenEvent.ISSUED:
            assert token.intent_id not in live and token.id not in ended, "one live token for an intent"
            live[token.intent_id] = token.id
        elif token.event is not TokenEvent.REJECTED or token.final:
            assert live.pop(token.intent_id, None) == token.id, f"{token.id} ended and was not live"
            ended.add(token.id)
    assert {intent: token.id for intent, token in ((t.intent_id, t) for t in desk.tokens.live.values())} == live


def i4_write_ahead(seen: Seen, desk: Desk) -> None:
    """SUBMITTED, the spent token and the recorded order stand in the log before the first byte leaves."""
    recorded = {
        (frame.ref, frame.revision): bead.seq
        for bead in seen.beads
        if isinstance(bead.body, Order) and bead.body.event is OrderEvent.RECORDED
        for frame in bead.body.frames
    }
    submitted = {p.order_ref: n for n, p in seen.of(Position) if p.event is PositionEvent.SUBMITTED}
    for handed in seen.handed:
        for frame in handed.cleared.frames:
            assert recorded[frame.ref, frame.revision] < handed.size, f"{frame.ref} left before it was recorded"
        if handed.cleared.is_entry:
            assert submitted[handed.cleared.ref] < handed.size, "SUBMITTED before it left"


def i5_legal(seen: Seen, desk: Desk) -> None:
    """Every change of state is a row of the table, and each bead goes on where the last one stopped."""
    assert [bead.seq for bead in seen.beads] == list(range(len(seen.beads))), "no gap, no repeat"
    states: dict[str, State] = {}
    for _, body in seen.of(Position):
        before = states.get(body.position_id)
        assert body.from_ is before, f"{body.position_id} was {before}, its bead says {body.from_}"
        if before is None:
            assert body.event is not None and BIRTHS[body.event] is body.state
        elif body.event is None:
            assert body.state is before, "no event, no change of state"
        else:
            assert TRANSITIONS[before, body.event] is body.state
        states[body.position_id] = body.state
    live = {name: open_.state for name, open_ in desk.positions.open.items()}
    live |= {name: ended.state for name, ended in desk.positions.ended.items()}
    assert states == live


def i6_rebuild(seen: Seen, desk: Desk) -> None:
    """The fold of the log is the desk, byte for byte."""
    again = Desk()
    for bead in seen.beads:
        again = evolve(again, bead)
    assert freeze(again) == freeze(desk)


def i8_quantity(seen: Seen, desk: Desk) -> None:
    """Filled is the sum of the latest revision of each family; above what was asked there was an overfill drift."""
    revisions: dict[str, dict[str, Execution]] = {}
    for _, body in seen.of(Execution):
        if body.position_id is not None and body.event in (ExecutionEvent.FILL, ExecutionEvent.CORRECTION):
            known = revisions.setdefault(body.position_id, {})
            if body.family not in known or (known[body.family].revision or 0) < (body.revision or 0):
                known[body.family] = body
    latest = {body.position_id: body for _, body in seen.of(Position)}
    overfills = {d.refs[0][:28] for _, d in seen.of(ReconciliationDrift) if d.cause == "overfill" and d.refs}
    for name, position in latest.items():
        entered = sum((_quantity(e, False) for e in revisions.get(name, {}).values()), Decimal(0))
        exited = sum((_quantity(e, True) for e in revisions.get(name, {}).values()), Decimal(0))
        assert (position.filled_quantity, position.exited_quantity) == (entered, exited)
        if entered > position.requested_quantity or exited > entered:
            assert position.order_ref in overfills, f"{name} executed more than it may, and nobody was told"


def _quantity(said: Execution, exits: bool) -> Decimal:
    assert said.role is not None and said.quantity is not None
    return said.quantity if said.role.is_exit is exits else Decimal(0)


def i9_evidence(seen: Seen, desk: Desk) -> None:
    """What was sent ends on a broker's message, on a named human's word, or because not a byte left."""
    allowed = {ProofKind.BROKER_MESSAGE, ProofKind.OPERATOR_DECISION}
    for _, body in seen.of(Position):
        if body.from_ in (State.SUBMITTED, State.STALLED) and body.state in (State.FILLED, *ENDS):
            kinds = {ProofKind.WITHHELD} if body.event is PositionEvent.WITHHELD else allowed
            assert body.proof.type in kinds and body.proof.id, f"{body.event} on {body.proof}"


def i10_absorbing(seen: Seen, desk: Desk) -> None:
    """No position bead follows an end; whatever came late stands beside a drift."""
    over: set[str] = set()
    for _, body in seen.of(Position):
        assert body.position_id not in over, f"{body.position_id} had ended"
        if body.state in ENDS:
            over.add(body.position_id)
    late = {o.subject for _, o in seen.of(Observation) if o.about is About.LATE_FACT}
    told = {d.subject for _, d in seen.of(ReconciliationDrift) if d.cause == "fact_after_end"}
    assert late <= told


def i11_detect_only(seen: Seen, desk: Desk) -> None:
    """Beside a drift that a picture found stand no orders and no executions; a state moves only by a proven end."""
    for bead in seen.beads:
        body = bead.body
        if isinstance(body, Observation) and body.about is About.SNAPSHOT:
            beside = [b.body for b in seen.beads[bead.seq + 1 : bead.seq + 12] if b.ts == bead.ts]
            for each in beside:
                if isinstance(each, Observation):
                    break
                if isinstance(each, Position):
                    ended = each.state in (State.CANCELLED, State.REJECTED)
                    assert ended or each.event is not None or each.proof.type is not ProofKind.RULE


def i12_one_open_drift(seen: Seen, desk: Desk) -> None:
    """One divergence is one open drift, until a human answers it."""
    open_: set[str] = set()
    acknowledged: set[str] = set()
    for bead in seen.beads:
        body = bead.body
        if isinstance(body, ReconciliationDrift):
            assert body.identity not in open_ or body.identity in acknowledged, f"{body.cause} was open already"
            open_.add(body.identity)
            acknowledged.discard(body.identity)
        elif isinstance(body, ReconciliationResolution):
            if body.cleared:
                open_.discard(body.identity)
            acknowledged.add(body.identity)
    assert open_ == set(desk.drifts.open)


def i14_kill(seen: Seen, desk: Desk) -> None:
    """No entry left on a log in which a kill of its scope stood; a lift names a flag that stood."""
    proposals = {p.order_ref: p for _, p in seen.of(Position) if p.order_ref}
    for handed in seen.entries:
        position = proposals[handed.cleared.ref]
        scopes = ("desk", f"strategy:{position.strategy}", f"instrument:{position.pair}")
        standing: dict[str, KillFlag] = {}
        for n, flag in seen.of(KillFlag):
            if n < handed.size and flag.event is KillEvent.RAISED:
                standing.setdefault(flag.flag, flag)
            elif n < handed.size:
                del standing[flag.flag]
        assert not [flag for flag in standing.values() if flag.scope in scopes], "an entry left under a kill"


def i15_account(seen: Seen, desk: Desk) -> None:
    """Each frame names the desk's account, which the broker reported."""
    genesis = next(body for _, body in seen.of(Genesis))
    for handed in seen.handed:
        assert {frame.line.account for frame in handed.cleared.frames} == {genesis.account}
        assert genesis.account in {account.tag for account in handed.world.accounts}


def i16_gate(seen: Seen, desk: Desk) -> None:
    """An entry leaves over a synchronised link that answered within two seconds, on a fresh quote, under the lease."""
    for handed in seen.entries:
        link = handed.world.link
        assert link.up and link.synchronised and not link.in_restart_window
        assert link.round_trip_age is not None and link.round_trip_age.total_seconds() <= 2
        quote = handed.world.quotes[handed.cleared.frames[0].line.symbol]
        assert abs((handed.now.wall - quote.at.wall).total_seconds()) <= 5
        epochs = [n for n, b in seen.of(Lease) if b.event is LeaseEvent.TAKEN and n < handed.size]
        assert handed.world.run.epoch == epochs[-1], "the lease is held by somebody else"


def i22_one_decision(seen: Seen, desk: Desk) -> None:
    """An intent is approved once at most."""
    approvals = Counter(p.intent_id for _, p in seen.of(Position) if p.event is PositionEvent.APPROVED)
    assert all(count == 1 for count in approvals.values())


def x1_exits_fit(seen: Seen, desk: Desk) -> None:
    """As each exit left: executed exits and the largest of each group are no more than what was or may be entered.

    Counted from the beads before it, by hand: frames as recorded, executions in their latest revision.
    """
    for handed in seen.exits:
        before = [bead.body for bead in seen.beads[: handed.size]]
        position_id = handed.cleared.position_id
        fills: dict[str, Execution] = {}
        size: dict[str, tuple[Role, str, Decimal, bool]] = {}
        over: set[str] = set()
        for body in before:
            if isinstance(body, Execution) and body.position_id == position_id and body.quantity is not None:
                fills[body.family] = body
            elif isinstance(body, Order) and body.position_id == position_id:
                for frame in body.frames if body.event is OrderEvent.RECORDED else ():
                    native = size[frame.ref][3] if frame.ref in size else body.token_id is not None
                    size[frame.ref] = (frame.line.role, body.group or "", frame.line.quantity, native)
                if body.event is OrderEvent.ENDED or (body.event is OrderEvent.DROPPED and body.revision in (None, 1)):
                    over.add(body.ref)
        done: dict[str, Decimal] = defaultdict(Decimal)
        for fill in fills.values():
            done[fill.ref or ""] += _quantity(fill, True) + _quantity(fill, False)
        held = sum((-_quantity(f, True) + _quantity(f, False) for f in fills.values()), Decimal(0))
        groups: dict[str, Decimal] = {}
        rest, hangs = Decimal(0), False
        for ref, (role, group, quantity, native) in size.items():
            left = max(Decimal(0), quantity - done[ref]) if ref not in over else Decimal(0)
            if role is Role.ENTRY:
                rest = left
            elif ref not in over:
                hangs = hangs or native
                groups[group] = max(groups.get(group, Decimal(0)), left)
        allowed = held + (rest if hangs else Decimal(0))
        mine = {str(frame.ref) for frame in handed.cleared.frames}
        assert sum(groups.values(), Decimal(0)) <= allowed or mine <= _shrinking(before, mine), "an exit would open"


def _shrinking(before: list[Body], refs: set[str]) -> set[str]:
    """Those whose last revision is no larger than the one before: what only lessens may always go."""
    sizes: dict[str, list[Decimal]] = {}
    for body in before:
        if isinstance(body, Order) and body.event is OrderEvent.RECORDED:
            for frame in body.frames:
                sizes.setdefault(frame.ref, []).append(frame.line.quantity)
    return {ref for ref in refs if len(sizes[ref]) > 1 and sizes[ref][-1] <= sizes[ref][-2]}


def x2_mandate(seen: Seen, desk: Desk) -> None:
    """Every exit hangs on the evidence of its own position, on its adoption, or on a signed decision before it."""
    positions = {p.position_id: p for _, p in seen.of(Position)}
    recorded = {o.ref: (n, o) for n, o in seen.of(Order) if o.event is OrderEvent.RECORDED}
    for handed in seen.exits:
        place, order = recorded[handed.cleared.ref]
        mandate = order.mandate or ""
        if mandate.startswith("decision:"):
            assert int(mandate.partition(":")[2]) < place
        else:
            position = positions[order.position_id]
            assert mandate in (f"evidence:{position.evidence_hash}", f"adoption:{position.order_ref}")


def x3_exit_gate(seen: Seen, desk: Desk) -> None:
    """Every exit leaves over a link that stands, under the lease."""
    for handed in seen.exits:
        epochs = [n for n, b in seen.of(Lease) if b.event is LeaseEvent.TAKEN and n < handed.size]
        assert handed.world.link.up and handed.world.run.epoch == epochs[-1]


def x4_bracket(seen: Seen, desk: Desk) -> None:
    """A native child has its parent's size, on the other side; every other exit turns its entry round."""
    for handed in seen.entries:
        entry, *children = (frame.line for frame in handed.cleared.frames)
        assert entry.role is Role.ENTRY and all(child.role.is_exit for child in children)
        assert {child.quantity for child in children} <= {entry.quantity}
        assert {child.side for child in children} <= {entry.side.other}
    sides: dict[str, Side] = {p.position_id: p.side for _, p in seen.of(Position)}
    for handed in seen.exits:
        assert {f.line.side for f in handed.cleared.frames} == {sides[handed.cleared.position_id].other}


def closed_has_nothing_working(seen: Seen, desk: Desk) -> None:
    """CLOSED means net zero and every order of the position ended."""
    for _, body in seen.of(Position):
        if body.state is State.CLOSED:
            assert body.filled_quantity == body.exited_quantity
            assert all(order.end is not None for order in desk.orders.of(body.position_id))


def critical_drift_kills(seen: Seen, desk: Desk) -> None:
    """A CRITICAL drift that nobody answered has its kill, once the engine has looked."""
    killed = {flag.drift for flag in desk.kill_flags.standing.values()}
    for drift in desk.drifts.open.values():
        if drift.severity is Severity.CRITICAL and not drift.acknowledged:
            assert drift.identity in killed, f"{drift.cause} raised no kill"


CHECKERS: Final[tuple[Callable[[Seen, Desk], None], ...]] = (
    i1_at_most_once,
    i2_authorised,
    i3_single_use,
    i4_write_ahead,
    i5_legal,
    i8_quantity,
    i9_evidence,
    i10_absorbing,
    i11_detect_only,
    i12_one_open_drift,
    i14_kill,
    i15_account,
    i16_gate,
    i22_one_decision,
    x1_exits_fit,
    x2_mandate,
    x3_exit_gate,
    x4_bracket,
    closed_has_nothing_working,
    critical_drift_kills,
)
