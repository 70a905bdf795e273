"""The invariants of a desk as checkers: each reads what was recorded, handed over and remembered, and nothing else.

Every checker is one function, named by the id of what it checks. `Seen` is all that it may look at: the beads of the
log and how they were appended, the hand-overs and cancels at the socket, what the broker told, what was signed, and the
desk as it lives in the engine. None of them asks the code that it checks: the table of transitions, the hash of an
order, the sums of executions and the lives of tokens and flags are read here a second time.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from attrs import define, field

from phoenix_cli.wiring.sim.frames import hash_of
from phoenix_cli.wiring.sim.rules import NEW_YORK, hours_judge
from phoenix_core.beads import (
    About,
    Alert,
    Bead,
    Beat,
    Body,
    Decision,
    Evidence,
    Execution,
    ExecutionEvent,
    Genesis,
    Heartbeat,
    IbkrSession,
    KillEvent,
    KillFlag,
    KillKind,
    Lease,
    LeaseEvent,
    Observation,
    Operator,
    OperatorEvent,
    Order,
    OrderEvent,
    Policy,
    Position,
    PositionEvent,
    ProofKind,
    ReconciliationDrift,
    ReconciliationResolution,
    Resolution,
    Signal,
    SignalEvent,
    StateAnchor,
    T2Token,
    TokenEvent,
    Verdict,
)
from phoenix_core.desk import Desk, evolve, freeze
from phoenix_core.facts import BrokerStatus, ExecutionSaid, OrderSaid, Snapshot
from phoenix_core.values import Price, Role, SecType, Severity, Side, State, utc_of, utc_text
from tests.unit.desk.seen import HandOver, Seen, says

ENDS: Final = (State.CLOSED, State.CANCELLED, State.REJECTED)
SENT: Final = (State.SUBMITTED, State.STALLED)
REF: Final = 28
TOKEN_LIFE: Final = timedelta(minutes=5)
TEMPORARY_FOR: Final = timedelta(minutes=5)
SIGNED_FOR: Final = timedelta(seconds=60)
UNKNOWN_MAX: Final = 3
WALL_BACK: Final = timedelta(seconds=2)
SUFFIX: Final = {"": Role.ENTRY, "S": Role.STOP, "T": Role.TARGET, "C": Role.CLOSE}
# The whole table of decision B2, as it is written there.
TABLE: Final = {
    tuple(row.split())
    for row in """
    PROPOSED Approved APPROVED
    PROPOSED Passed CANCELLED
    PROPOSED Withdrawn CANCELLED
    APPROVED Submitted SUBMITTED
    APPROVED TokenExpired CANCELLED
    APPROVED Withdrawn CANCELLED
    SUBMITTED Withheld CANCELLED
    SUBMITTED Filled FILLED
    SUBMITTED Stalled STALLED
    SUBMITTED Rejected REJECTED
    SUBMITTED Cancelled CANCELLED
    STALLED Acknowledged SUBMITTED
    STALLED Filled FILLED
    STALLED Rejected REJECTED
    STALLED Cancelled CANCELLED
    FILLED Protected MANAGED
    FILLED Closed CLOSED
    MANAGED Closed CLOSED
    """.strip().splitlines()
}
BORN: Final = {("Proposed", "PROPOSED"), ("Adopted", "FILLED")}


def i1_at_most_once(seen: Seen, desk: Desk) -> None:
    """No entry reference reaches the socket twice, no intent under two of them, no exit twice in one revision."""
    entries = Counter(handed.cleared.ref for handed in seen.entries)
    assert all(count == 1 for count in entries.values()), f"sent twice: {entries}"
    intents = Counter(handed.cleared.position_id for handed in seen.entries)
    assert all(count == 1 for count in intents.values()), f"one intent left under two references: {intents}"
    frames = Counter((frame.ref, frame.revision) for handed in seen.handed for frame in handed.cleared.frames)
    assert all(count == 1 for count in frames.values()), f"a frame was sent twice: {frames}"


def i2_authorised(seen: Seen, desk: Desk) -> None:
    """Each entry has exactly one token, issued for what a human signed of exactly these lines, spent before the frame
    left, alive by both clocks; and what is bound at hand-over (reference, group, revision) is bound by its rule."""
    entries = seen.fresh("I2", entries=True)
    if not entries:
        return
    tokens, evidence = seen.of(T2Token), {b.leaf: b for b in seen.beads if isinstance(b.body, Evidence)}
    for handed in entries:
        cleared, now = handed.cleared, handed.now
        used = [(n, t) for n, t in tokens if t.event is TokenEvent.USED and t.order_ref == cleared.ref]
        assert len(used) == 1, f"{len(used)} tokens were spent for {cleared.ref}"
        place, token = used[0]
        assert place < handed.size, "spent before it left"
        issued = [(n, t) for n, t in tokens if t.event is TokenEvent.ISSUED and t.id == token.id]
        assert len(issued) == 1 and issued[0][0] < place, "issued once, and before it was spent"
        assert _bound(issued[0][1]) == _bound(token), "spent for what it was issued for"
        assert token.timestamp == seen.beads[issued[0][0]].ts, "its life begins when it is issued"
        assert token.expires_at == token.timestamp + TOKEN_LIFE, "and lasts five minutes"
        assert token.timestamp - WALL_BACK <= now.wall < token.timestamp + TOKEN_LIFE, "sent within its life"
        assert now.ticks < token.ticks + TOKEN_LIFE and now.boot == token.boot, "by the clock that never steps, too"
        assert handed.world.run.epoch == token.epoch, "by the run that it was made for"
        shown = evidence[token.evidence_hash]
        assert isinstance(shown.body, Evidence) and shown.seq < issued[0][0], "shown before it was signed"
        _signed(seen, token, issued[0][0], shown.body)
        lines = tuple(frame.line for frame in cleared.frames)
        assert hash_of(lines) == token.order_hash and lines == shown.body.lines, "these lines and no others"
        assert all(line.account == token.account for line in lines), "this account and no other"
        position = next(
            p for _, p in seen.of(Position) if p.event is PositionEvent.SUBMITTED and p.token_id == token.id
        )
        whose = (position.position_id, position.order_ref, position.evidence_hash, position.intent_id)
        assert whose == (cleared.position_id, cleared.ref, token.evidence_hash, token.intent_id), "of one intent"
        bound = [(cleared.ref + _tail(frame.line.role), 1, hash_of((frame.line,))) for frame in cleared.frames]
        assert [(frame.ref, frame.revision, frame.hash) for frame in cleared.frames] == bound, "named by the rule"
        assert cleared.group == f"{cleared.ref}.G1", "in the group of the rule"


def _tail(role: Role) -> str:
    return "" if role is Role.ENTRY else f".{role.value[0]}1"


def _bound(token: T2Token) -> tuple[object, ...]:
    what = (token.id, token.intent_id, token.order_hash, token.evidence_hash, token.order_ref, token.account)
    return (*what, token.mode, token.timestamp, token.expires_at, token.boot, token.ticks, token.epoch)


def _signed(seen: Seen, token: T2Token, before: int, shown: Evidence) -> None:
    """A token is of the statement that its reference is made from, and of what that names."""
    digests = (
        (decision, base64.b32encode(hashlib.sha256(decision.signed.statement.encode()).digest())[:26])
        for n, decision in seen.of(Decision)
        if n < before and decision.subject == token.intent_id and decision.verdict is Verdict.APPROVE
    )
    decision = next((decision for decision, digest in digests if token.order_ref == "P1" + digest.decode()), None)
    assert decision is not None, f"{token.order_ref} is made from no approval of its intent"
    said = says(decision.signed.statement)
    assert (said["verdict"], said["intent"]) == ("approve", token.intent_id), "an approval of this intent"
    assert (said["evidence"], said["order"]) == (token.evidence_hash, token.order_hash), "of this evidence and order"
    assert (shown.intent_id, shown.order_hash) == (token.intent_id, token.order_hash), "which is of this intent"


def i3_single_use(seen: Seen, desk: Desk) -> None:
    """A token ends once and stays ended, in time; an intent has one live token at most, and has it exactly while it is
    APPROVED; new evidence of an intent leaves it none."""
    live: dict[str, T2Token] = {}
    ended: set[str] = set()
    approved: set[str] = set()
    for append in seen.appends:
        edited: set[str] = set()
        for bead in append:
            token = bead.body
            if isinstance(token, Evidence):
                edited.add(token.intent_id)
            if isinstance(token, Position):
                (approved.add if token.state is State.APPROVED else approved.discard)(token.intent_id)
            if not isinstance(token, T2Token):
                continue
            if token.event is TokenEvent.ISSUED:
                assert token.intent_id not in live and token.id not in ended, "one live token for an intent"
                assert not token.used, "nothing is issued spent"
                live[token.intent_id] = token
            elif token.event is not TokenEvent.REJECTED or token.final:
                was = live.pop(token.intent_id, None)
                assert was is not None and was.id == token.id, f"{token.id} ended and was not live"
                assert token.used is (token.event is TokenEvent.USED), "used is what was used"
                in_time = was.timestamp - WALL_BACK <= bead.ts < was.timestamp + TOKEN_LIFE
                assert token.event is not TokenEvent.USED or in_time, f"{token.id} was spent after its life"
                ended.add(token.id)
        assert not edited & set(live), "new evidence takes a permission back"
        assert set(live) == approved, f"live tokens of {set(live)}, approved are {approved}"
    assert {t.intent_id: t.id for t in desk.tokens.live.values()} == {name: t.id for name, t in live.items()}


def i4_write_ahead(seen: Seen, desk: Desk) -> None:
    """SUBMITTED, the spent token and the recorded order stand in the log, in one append and as they leave, before the
    first byte does; an exit's order does too."""
    recorded = {
        (frame.ref, frame.revision): (bead.seq, frame, bead.body)
        for bead in seen.beads
        if isinstance(bead.body, Order) and bead.body.event is OrderEvent.RECORDED
        for frame in bead.body.frames
    }
    for handed in seen.handed:
        for frame in handed.cleared.frames:
            place, as_recorded, order = recorded[frame.ref, frame.revision]
            assert place < handed.size <= seen.store.head().size, f"{frame.ref} left before it was recorded"
            assert as_recorded == frame, f"{frame.ref} left otherwise than it was recorded"
            whole = (order.position_id, order.ref, order.group)
            assert whole == (handed.cleared.position_id, handed.cleared.ref, handed.cleared.group)
    sent = {handed.cleared.ref: handed for handed in seen.entries}
    for append in seen.appends if sent else ():
        for bead in append:
            body = bead.body
            if isinstance(body, Position) and body.event is PositionEvent.SUBMITTED:
                handed_over = sent.pop(body.order_ref or "", None)
                assert handed_over is None or bead.seq < handed_over.size, "SUBMITTED before it left"
                orders = [b.body for b in append if isinstance(b.body, Order) and b.body.ref == body.order_ref]
                spent = [b.body.id for b in append if isinstance(b.body, T2Token) and b.body.used]
                assert [order.token_id for order in orders] == spent == [body.token_id], "all of it in one append"
                assert orders[0].mandate == f"evidence:{body.evidence_hash}"
    assert not sent, f"{set(sent)} left, and no bead says SUBMITTED"


# What a position is, and stays; and what it is given once, with its approval.
FIXED: Final = ("intent_id", "signal_id", "strategy", "pair", "side", "entry_price", "stop_price", "target_price")
GIVEN: Final = ("order_ref", "token_id", "evidence_hash", "requested_quantity")


def i5_legal(seen: Seen, desk: Desk) -> None:
    """Every change of state is a row of the table, each bead goes on where the last one stopped, and the desk stands
    where the last bead says, by name and by state."""
    assert [bead.seq for bead in seen.beads] == list(range(len(seen.beads))), "no gap, no repeat"
    last: dict[str, Position] = {}
    for _, body in seen.of(Position):
        was = last.get(body.position_id)
        assert body.from_ is (was.state if was else None), f"{body.position_id}: its bead says {body.from_}"
        if was is None:
            assert (str(body.event), str(body.state)) in BORN
        elif body.event is None:
            assert body.state is was.state, "no event, no change of state"
        else:
            assert (str(was.state), str(body.event), str(body.state)) in TABLE
        if was is not None:
            changed = [name for name in FIXED if getattr(was, name) != getattr(body, name)]
            given = [name for name in GIVEN if getattr(was, name) != getattr(body, name)]
            assert not changed, f"{body.position_id} is another one by its {changed}"
            assert not given or was.state is State.PROPOSED, (
                f"{body.position_id} was given {given} after it was approved"
            )
        last[body.position_id] = body
    live = {name: open_.last for name, open_ in desk.positions.open.items()}
    assert {name: body for name, body in last.items() if body.state not in ENDS} == live
    ended = {name: record.state for name, record in desk.positions.ended.items()}
    assert {name: body.state for name, body in last.items() if body.state in ENDS} == ended
    by_state = {state: {p.position_id for p in desk.positions.in_state(state)} for state in State}
    assert by_state == {state: {name for name, body in live.items() if body.state is state} for state in State}


def i6_rebuild(seen: Seen, desk: Desk) -> None:
    """The fold of the log is the desk, byte for byte."""
    again = Desk()
    for bead in seen.beads:
        again = evolve(again, bead)
    assert freeze(again) == freeze(desk)


def i7_chain(seen: Seen, desk: Desk) -> None:
    """What was read in the log once stands there, byte for byte; each bead names the one before it by its hash, in its
    place; and the desk stands on one of them."""
    there, place = seen.store.log.beads, seen.judged.get("I7", 0)
    assert len(there) >= len(seen.data), f"{len(seen.data)} beads were read, {len(there)} are there"
    assert there[: len(seen.data)] == seen.data, "a bead is not what it was"
    for n in range(place, len(there)):
        said = json.loads(there[n])
        before = hashlib.sha256(b"\x00" + there[n - 1]).hexdigest() if n else "0" * 64
        assert (said["seq"], said["prev"]) == (n, before), f"bead {n} follows another one"
    seen.judged["I7"] = len(there)
    head = desk.head
    assert 0 < head.size <= len(there) and head.leaf == hashlib.sha256(b"\x00" + there[head.size - 1]).hexdigest()


# --- executions -------------------------------------------------------------------------------------------------------


@define
class Counted:
    """One execution as it counts by now."""

    ref: str
    side: Side
    role: Role
    quantity: Decimal
    price: Decimal
    revision: int
    stated: bool


@define
class Book:
    """The executions of every position, by family: the latest revision of each; what a human stated gives way."""

    families: dict[str, dict[str, Counted]] = field(factory=dict)
    known: set[str] = field(factory=set)
    corrected: set[str] = field(factory=set)  # positions whose latest execution replaced another one

    def take(self, body: Execution) -> None:
        """One more."""
        if body.event is ExecutionEvent.COMMISSION:
            return
        assert body.exec_id not in self.known, f"{body.exec_id} is recorded twice"
        self.known.add(body.exec_id)
        name = body.position_id
        if name is None:
            return
        assert body.quantity is not None and body.price is not None and body.side is not None and body.role is not None
        assert type(body.quantity) is Decimal and body.quantity >= 0, "an exact quantity without a sign"
        family, _, digits = body.exec_id.rpartition(".")
        revised = bool(family) and len(digits) == 2 and digits.isdigit()
        revision = int(digits) if revised else 0
        assert (body.family, body.revision) == (family if revised else body.exec_id, revision), "of its own family"
        fills = self.families.setdefault(name, {})
        before = fills.get(body.family)
        assert before is None or revision > before.revision, f"{body.exec_id} replaces revision {before}"
        stated = body.event is ExecutionEvent.STATED and body.family.startswith("stated.")
        if before is None and body.event is not ExecutionEvent.STATED:
            left = Decimal(body.quantity)
            for fill in fills.values():
                if fill.stated and (fill.ref, fill.side) == (body.ref or "", body.side):
                    less = min(left, fill.quantity)
                    fill.quantity, left = fill.quantity - less, left - less
        corrects = before is not None or body.event is ExecutionEvent.CORRECTION
        (self.corrected.add if corrects else self.corrected.discard)(name)
        quantity, price = Decimal(body.quantity), Decimal(body.price)
        fills[body.family] = Counted(body.ref or "", body.side, body.role, quantity, price, revision, stated)

    def sum(self, name: str, exits: bool) -> Decimal:
        """What the entries of a position, or its exits, add up to."""
        fills = self.families.get(name, {}).values()
        return sum((fill.quantity for fill in fills if fill.role.is_exit is exits), Decimal(0))

    def held(self, name: str) -> Decimal:
        """What is left of it."""
        return self.sum(name, False) - self.sum(name, True)

    def of(self, ref: str) -> Decimal:
        """What one order executed."""
        fills = self.families.values()
        return sum((fill.quantity for each in fills for fill in each.values() if fill.ref == ref), Decimal(0))


def book_of(beads: list[Bead]) -> Book:
    """The executions that these beads record."""
    book = Book()
    for bead in beads:
        if isinstance(bead.body, Execution):
            book.take(bead.body)
    return book


def i8_quantity(seen: Seen, desk: Desk) -> None:
    """Filled is the sum of the latest revision of each family, in each bead that says it, and shrinks by a correction
    alone; an execution of a position is of its order, its instrument and its side, as the broker told it; above what
    was asked there is an overfill drift in the same append at the latest."""
    book, last, told = Book(), dict[str, Position](), {fact.exec_id: fact for fact in seen.executions}
    owners: dict[str, Position] = {}
    nets: dict[str, Decimal] = defaultdict(Decimal)
    overfills: set[str] = set()
    account = next(body.account for _, body in seen.of(Genesis))
    for append in seen.appends:
        moved: dict[str, bool] = {}
        for bead in append:
            body = bead.body
            if isinstance(body, ReconciliationDrift) and body.cause == "overfill":
                assert body.severity is Severity.CRITICAL and body.instrument is not None
                overfills.update(ref[:REF] for ref in body.refs)
            elif isinstance(body, Execution) and body.event is not ExecutionEvent.COMMISSION:
                book.take(body)
                fact = told.get(body.exec_id)
                if fact is not None and body.event is not ExecutionEvent.STATED:
                    _as_told(body, fact, account)
                if body.position_id is not None:
                    moved[body.position_id] = True
                    if body.event is not ExecutionEvent.STATED:
                        _is_of(body, owners[(body.ref or "")[:REF]])
            elif isinstance(body, Position):
                name, was = body.position_id, last.get(body.position_id)
                if body.order_ref is not None:
                    owners[body.order_ref] = body
                moved.setdefault(name, False)
                last[name] = body
                born = was is None and body.state is State.FILLED  # an adoption is stated behind its birth
                if not born:
                    sums = book.sum(name, False), book.sum(name, True)
                    assert (body.filled_quantity, body.exited_quantity) == sums, f"{name}: executions say {sums}"
                if was is not None and body.filled_quantity < was.filled_quantity:
                    assert moved[name] and name in book.corrected, f"{name}: less is filled, and nobody corrected it"
                _part_of(body)
        for name, executed in moved.items():
            position = last[name]
            sums = book.sum(name, False), book.sum(name, True)
            assert (position.filled_quantity, position.exited_quantity) == sums, f"{name}: executions say {sums}"
            if executed and (sums[0] > position.requested_quantity or sums[1] > sums[0]):
                assert position.order_ref in overfills, f"{name} executed more than it may, and nobody was told"
    for name, position in last.items():
        nets[position.pair] += position.side.sign * book.held(name)
    assert {pair: net for pair, net in nets.items() if net} == desk.positions.nets, "the desk holds what was executed"


def _as_told(body: Execution, fact: ExecutionSaid, account: str) -> None:
    was = (fact.quantity, fact.price, fact.side, fact.symbol, fact.ref, fact.at)
    assert was == (body.quantity, body.price, body.side, body.symbol, body.ref or "", body.at), f"it was {was}"
    assert fact.account in ("", account), f"{body.exec_id} is of another account"


def _is_of(body: Execution, position: Position) -> None:
    """An execution that is booked is of its position: by its reference, its role, its instrument and its side."""
    role = SUFFIX[(body.ref or "")[REF + 1 : REF + 2]]
    side = position.side.other if role.is_exit else position.side
    what = (body.position_id, body.role, body.symbol, body.side)
    assert what == (position.position_id, role, position.pair, side), f"{body.exec_id} is booked where it is not of"


def _part_of(body: Position) -> None:
    whole = body.requested_quantity
    part = min(Decimal(1), (body.filled_quantity / whole).quantize(Decimal("0.000001"), ROUND_FLOOR)) if whole else 0
    assert body.partial_fill_ratio == part, f"{body.filled_quantity} of {whole} is not {body.partial_fill_ratio}"


# --- ends -------------------------------------------------------------------------------------------------------------

# What a rule of ours may do: whatever ends nothing at the broker, and no more.
BY_RULE: Final = {
    *(PositionEvent.PROPOSED, PositionEvent.SUBMITTED, PositionEvent.STALLED),
    *(PositionEvent.WITHDRAWN, PositionEvent.TOKEN_EXPIRED),
}
# Which signed commands say what of a position.
BY_HAND: Final = {
    PositionEvent.APPROVED: ("decision",),
    PositionEvent.PASSED: ("decision",),
    PositionEvent.WITHDRAWN: ("decision",),
    PositionEvent.ADOPTED: ("adopt",),
    PositionEvent.FILLED: ("resolve-stalled", "drift-resolve"),
    PositionEvent.CANCELLED: ("resolve-stalled",),
    PositionEvent.REJECTED: ("resolve-stalled",),
    PositionEvent.CLOSED: ("cancel-orphans", "drift-resolve"),
}


def i9_evidence(seen: Seen, desk: Desk) -> None:
    """What was sent moves on a message that the broker sent and the log repeats, on a human's signed word about it, or
    because not a byte left; an end without a fill needs a whole picture after it, too; a rule of ours ends nothing."""
    left = {handed.cleared.ref: handed.size for handed in seen.handed}
    messages = {message for _, fact in seen.told if (message := getattr(fact, "message", ""))}
    messages |= {said.message for said in seen.executions}
    decisions = dict(seen.of(Decision))
    for append in seen.appends:
        for bead in append:
            body = bead.body
            if not isinstance(body, Position) or body.event is None:
                continue
            kind, words = body.proof.type, f"bead {bead.seq}: {body.event} on {body.proof}"
            assert body.proof.id, words
            if kind is ProofKind.RULE:
                assert body.event in BY_RULE, words
            elif kind is ProofKind.WITHHELD:
                dropped = [o for n, o in seen.of(Order) if o.event is OrderEvent.DROPPED and o.ref == body.proof.id]
                assert dropped and body.event in (PositionEvent.WITHHELD, PositionEvent.CLOSED), words
                handed = body.proof.id in left and body.event is PositionEvent.WITHHELD
                assert not handed or any(o.reason and o.revision for o in dropped), f"{words}, and it was handed over"
            elif kind is ProofKind.OPERATOR_DECISION:
                by_key = body.event in (PositionEvent.APPROVED, PositionEvent.PASSED, PositionEvent.WITHDRAWN)
                mine = [
                    d for d in (b.body for b in append) if isinstance(d, Decision) and d.signed.key == body.proof.id
                ]
                signed = mine[0] if by_key else decisions[int(body.proof.id)]
                assert signed.type in BY_HAND.get(body.event, ()), words
                assert by_key or int(body.proof.id) < bead.seq, words
                about = (body.position_id, body.intent_id, body.pair)
                assert signed.subject in about or signed.type in ("drift-resolve", "cancel-orphans"), words
                if body.state in (State.CANCELLED, State.REJECTED) and not by_key:
                    _shown_by_nobody(seen, bead, body.order_ref or "")
            else:
                _by_message(seen, append, bead, body, messages)


def _was_sent(body: Body, ref: str | None) -> bool:
    return isinstance(body, Position) and body.event is PositionEvent.SUBMITTED and body.order_ref == ref


def _shown_by_nobody(seen: Seen, end: Bead, ref: str) -> None:
    """Two whole pictures of the latest session, thirty seconds apart at the least, and none of it that shows it."""
    sent = next(n for n, p in seen.of(Position) if p.event is PositionEvent.SUBMITTED and p.order_ref == ref)
    told = [picture for size, picture in seen.facts(Snapshot) if sent < size <= end.seq]
    pictures = [picture for picture in told if picture.complete and not picture.missing]
    absent: list[Snapshot] = []
    for picture in pictures:
        if picture.session == pictures[-1].session:
            shown = any(said.ref == ref for said in (*picture.orders, *picture.executions))
            absent = [] if shown else [*absent, picture]
    apart = absent[-1].ended.wall - absent[0].began.wall if absent else timedelta(0)
    assert apart >= timedelta(seconds=30), f"{ref} was missing for {apart} alone"


def _by_message(seen: Seen, append: list[Bead], bead: Bead, body: Position, messages: set[str]) -> None:
    """A broker's message: one that came, and that an execution or an order's bead of this position repeats."""
    words = f"bead {bead.seq}: {body.event} on {body.proof}"
    assert body.proof.id in messages, f"{words}, which no broker sent"
    before = [b.body for b in seen.beads[: bead.seq]]
    mine = [b for b in before if isinstance(b, Execution | Order) and b.position_id == body.position_id]
    assert any(b.message == body.proof.id for b in mine), f"{words}, which no bead of it repeats"
    if body.event is PositionEvent.FILLED:
        here = [b.body for b in append if isinstance(b.body, Execution) and b.seq < bead.seq]
        assert any(b.message == body.proof.id and b.role is Role.ENTRY for b in here), f"{words}, and nothing executed"
    if body.event in (PositionEvent.CANCELLED, PositionEvent.REJECTED):
        ends = [b for b in mine if isinstance(b, Order) and b.event is OrderEvent.ENDED and b.ref == body.order_ref]
        assert ends and not ends[-1].filled and ends[-1].status == str(body.state), f"{words}: the broker ended it so"
        picture = append[0].body
        assert isinstance(picture, Observation) and picture.about is About.SNAPSHOT, f"{words}, without a picture"
        assert picture.facts["agreement"] != "UNKNOWN", f"{words}, and no whole picture came after its end"
        at = next(b.ts for b in seen.beads if b.body is ends[0])
        began = utc_of(picture.facts["began"], "began")
        assert began >= at, f"{words}, and the picture had begun before its end"
        sent = next(b.ts for b in seen.beads if b.body.kind is body.kind and _was_sent(b.body, body.order_ref))
        assert sent.astimezone(NEW_YORK).date() == began.astimezone(NEW_YORK).date(), f"{words}, past a midnight"


def i10_absorbing(seen: Seen, desk: Desk) -> None:
    """No position bead follows an end; whatever came late is kept and stands beside an open drift; of what the broker
    told of an execution of ours none is dropped."""
    over: set[str] = set()
    for _, body in seen.of(Position):
        assert body.position_id not in over, f"{body.position_id} had ended"
        if body.state in ENDS:
            over.add(body.position_id)
    open_: dict[str, str] = {}
    late: set[tuple[str, str | None]] = set()
    for append in seen.appends:
        subjects: list[str] = []
        for bead in append:
            if isinstance(bead.body, ReconciliationDrift) and bead.body.cause == "fact_after_end":
                open_[bead.body.identity] = bead.body.subject
            elif isinstance(bead.body, ReconciliationResolution) and bead.body.cleared:
                _ = open_.pop(bead.body.identity, None)
            elif isinstance(bead.body, Observation) and bead.body.about is About.LATE_FACT:
                subjects.append(bead.body.subject)
                late.add((bead.body.subject, bead.body.facts.get("status")))
        assert set(subjects) <= set(open_.values()), f"{subjects} came late, and no drift says so"
    account = next(body.account for _, body in seen.of(Genesis))
    revisions: dict[str, int] = {}
    for _, trade in seen.of(Execution):
        if trade.event is not ExecutionEvent.COMMISSION:
            revisions[trade.family] = max(revisions.get(trade.family, -1), trade.revision or 0)
    for said in seen.executions:
        if said.account in ("", account) and said.ref[:2] == "P1":
            family, _, revision = said.exec_id.rpartition(".")
            assert revisions.get(family, -1) >= int(revision), f"{said.exec_id} was told, and is nowhere"
    ended = {o.ref: n for n, o in reversed(seen.of(Order)) if o.event is OrderEvent.ENDED}
    for size, word in seen.facts(OrderSaid):
        after = word.account in ("", account) and ended.get(word.ref, size) < size and not word.completed
        if after and word.status in (BrokerStatus.SUBMITTED, BrokerStatus.PRESUBMITTED, BrokerStatus.PENDING_CANCEL):
            assert (word.ref, word.status.value) in late, f"{word.ref} works after its end, and nobody kept it"


def i11_detect_only(seen: Seen, desk: Desk) -> None:
    """What a picture leaves is what it saw, drift and alerts: no order, no cancel, no execution, no quantity, no state;
    but for the end of an entry which the broker had ended with nothing filled before the picture began."""
    ended: dict[str, Order] = {}
    for append in seen.appends:
        first = append[0].body
        if isinstance(first, Observation) and first.about is About.SNAPSHOT:
            whole = first.facts["agreement"] != "UNKNOWN"
            for bead in append[1:]:
                body = bead.body
                if isinstance(body, Position):
                    end = ended.get(body.order_ref or "")
                    proven = whole and end is not None and not end.filled and end.status == str(body.state)
                    assert proven and body.from_ in SENT, f"bead {bead.seq}: a picture made it {body.state}"
                    assert body.filled_quantity == body.exited_quantity == 0, f"bead {bead.seq}: it traded"
                else:
                    assert isinstance(body, ReconciliationDrift | Alert), f"bead {bead.seq}: a picture left {body.kind}"
        else:
            looks = [b for b in append if isinstance(b.body, Observation) and b.body.about is About.SNAPSHOT]
            assert not looks, f"bead {append[0].seq} stands in one append with a picture"
        ended |= {
            bead.body.ref: bead.body
            for bead in append
            if isinstance(bead.body, Order) and bead.body.event is OrderEvent.ENDED
        }


def i12_one_open_drift(seen: Seen, desk: Desk) -> None:
    """One divergence is one open drift, until a human answers it; a picture that agrees leaves none, and one that shows
    a divergence for good leaves it open; a drift is closed by a human's signed word alone."""
    open_: dict[str, ReconciliationDrift] = {}
    acknowledged: dict[str, int] = {}
    signed: set[str] = set()
    linked = -1
    for append in seen.appends:
        first = append[0].body
        picture = first if isinstance(first, Observation) and first.about is About.SNAPSHOT else None
        for bead in append:
            body = bead.body
            if isinstance(body, ReconciliationDrift):
                was, answered = open_.get(body.identity), acknowledged.pop(body.identity, None)
                if was is not None:
                    assert answered is not None, f"{body.cause} was open already"
                    same = (was.phoenix_state, was.broker_state) == (body.phoenix_state, body.broker_state)
                    assert not same or answered < linked, f"{body.cause} was answered, and nothing is new"
                open_[body.identity] = body
                if picture is not None:
                    assert body.identity in picture.facts["shown"].split(","), f"{body.cause} is not what it shows"
                    assert picture.facts["agreement"] == "DIFFERS", f"{body.cause} beside {picture.facts['agreement']}"
            elif isinstance(body, ReconciliationResolution):
                assert body.identity in signed or open_[body.identity].identity in signed, "nobody answered it"
                if body.cleared:
                    assert body.resolution is not Resolution.ACKNOWLEDGED, "what is acknowledged stays visible"
                    corrected = body.resolution is Resolution.BROKER_CORRECTED
                    assert not corrected or _is_gone(seen, bead.seq, body.identity), "no later picture proves it"
                    del open_[body.identity]
                    _ = acknowledged.pop(body.identity, None)
                elif body.resolution is Resolution.ACKNOWLEDGED:
                    acknowledged[body.identity] = bead.seq
                else:  # the broker is to correct it: until a picture shows that, it stands as if nobody had answered
                    _ = acknowledged.pop(body.identity, None)
            elif isinstance(body, IbkrSession):
                linked = bead.seq
            elif isinstance(body, Decision) and body.type == "drift-resolve":
                signed.add(body.subject)
        if picture is not None and picture.facts["agreement"] == "DIFFERS":
            suspects = [suspect.partition(":") for suspect in picture.facts["suspects"].split(",")]
            moving = {name for name, _, quiet in suspects if quiet != "2"}  # not yet in two quiet pictures (E4)
            lasting = set(picture.facts["shown"].split(",")) - moving - {""}
            assert lasting <= set(open_), "a picture shows what no open drift says"
    assert set(open_) == set(desk.drifts.open)
    assert set(acknowledged) == {name for name, drift in desk.drifts.open.items() if drift.acknowledged}


def i12_complete(seen: Seen, desk: Desk) -> None:
    """A holding that two whole pictures in a row show otherwise than the executions say, while nobody traded or ordered
    there, has an open drift; one identity is one subject."""
    pictures = pictures_of(seen)
    book, pairs, open_ = Book(), dict[str, Position](), dict[str, str | None]()
    subjects: dict[str, str] = {}
    touched: dict[str, datetime] = {}
    shown: dict[str, Decimal] = {}
    for append in seen.appends:
        for bead in append:
            body = bead.body
            if isinstance(body, Execution):
                book.take(body)
                touched[body.symbol or ""] = bead.ts
            elif isinstance(body, Order) and body.position_id in pairs:
                touched[pairs[body.position_id].pair] = bead.ts
            elif isinstance(body, Position):
                pairs[body.position_id] = body
            elif isinstance(body, ReconciliationDrift):
                row = f"{body.subject} {body.drift_type}"
                assert subjects.setdefault(body.identity, row).startswith(f"{body.subject} "), (
                    f"{row} has no name of its own"
                )
                open_[body.identity] = body.instrument
            elif isinstance(body, ReconciliationResolution) and body.cleared:
                _ = open_.pop(body.identity, None)
        first = append[0].body
        if not isinstance(first, Observation) or first.about is not About.SNAPSHOT:
            continue
        picture = pictures.get(append[0].seq)
        if picture is None or first.facts["agreement"] == "UNKNOWN":
            continue
        ours: dict[str, Decimal] = defaultdict(Decimal)
        for name, position in pairs.items():
            ours[position.pair] += position.side.sign * book.held(name)
        before, shown = shown, {}
        for symbol in {*ours, *(row.symbol for row in picture.positions)}:
            theirs = sum((row.quantity for row in picture.positions if row.symbol == symbol), Decimal(0))
            still = symbol not in touched or touched[symbol] < picture.began.wall - timedelta(seconds=2)
            if still and abs(theirs - ours[symbol]) > (1000 if len(symbol) == 6 else 0):
                shown[symbol] = theirs - ours[symbol]
        lasting = {symbol for symbol, gap in shown.items() if before.get(symbol) == gap}
        assert lasting <= set(open_.values()), f"{lasting} differ in two pictures, and no drift says so"


def _is_gone(seen: Seen, before: int, identity: str) -> bool:
    """Whether the last whole picture, later than the last answer of a human, does not show a divergence any more."""
    beads = seen.beads[:before]
    signed = max(b.seq for b in beads if isinstance(b.body, Decision) and b.body.subject == identity)
    looks = [b.body for b in beads[signed:] if isinstance(b.body, Observation) and b.body.about is About.SNAPSHOT]
    whole = [look.facts["shown"].split(",") for look in looks if look.facts["agreement"] != "UNKNOWN"]
    return bool(whole) and identity not in whole[-1]


def _began(picture: Snapshot) -> tuple[str, str]:
    return str(picture.session), utc_text(picture.began.wall)


def pictures_of(seen: Seen) -> dict[int, Snapshot]:
    """The picture that each look in the log is of. Where a wall went back two may have begun at one time: in turn."""
    given: dict[tuple[str, str], list[Snapshot]] = defaultdict(list)
    for _, picture in seen.facts(Snapshot):
        given[_began(picture)].append(picture)
    found: dict[int, Snapshot] = {}
    for append in seen.appends:
        look = append[0].body
        if isinstance(look, Observation) and look.about is About.SNAPSHOT:
            waiting = given.get((look.facts["session"], look.facts["began"]))
            if waiting:
                found[append[0].seq] = waiting.pop(0) if len(waiting) > 1 else waiting[0]
    return found


def i13_honest(seen: Seen, desk: Desk) -> None:
    """Each picture that came is in the log; one that lacks a part, or is of another session than the log's, is UNKNOWN,
    and no other is; UNKNOWN shows nothing, misses nothing and leaves no drift; three in a row are told."""
    pictures, session, streak, told = pictures_of(seen), 0, 0, False
    for append in seen.appends:
        for bead in append:
            if isinstance(bead.body, IbkrSession) and bead.body.outcome in ("CONNECTED", "RESTORED"):
                session = bead.body.session
        look = append[0].body
        if not isinstance(look, Observation) or look.about is not About.SNAPSHOT:
            continue
        assert append[0].seq in pictures, f"bead {append[0].seq}: a picture that nobody gave"
        picture, unknown = pictures[append[0].seq], look.facts["agreement"] == "UNKNOWN"
        whole = picture.complete and not picture.missing and picture.session == session
        assert unknown is not whole, f"bead {append[0].seq}: {look.facts['agreement']}, missing {picture.missing}"
        streak, told = (streak + 1, told) if unknown else (0, False)
        told = told or any(isinstance(b.body, Alert) and b.body.code == "RECONCILIATION_UNKNOWN" for b in append)
        if unknown:
            said = [look.facts[part] for part in ("shown", "suspects", "absent")]
            assert said == ["", "", ""], f"bead {append[0].seq}: what is not known says {said}"
            left = {type(b.body) for b in append[1:]}
            assert left <= {Alert}, f"bead {append[0].seq}: what is not known leaves {left}"
        assert streak < UNKNOWN_MAX or told, f"{streak} pictures in a row were not whole, and nobody was told"
    unseen = {_began(picture) for _, picture in seen.facts(Snapshot)} - {_began(one) for one in pictures.values()}
    assert not unseen, f"pictures that the log knows nothing of: {unseen}"


def i14_kill(seen: Seen, desk: Desk) -> None:
    """No entry left on a log in which a kill of its scope stood, or under a latch that was up or unreadable; a flag
    stands until what its kind asks for: a signature, or five minutes and a fresh look, or the end of its drift, or a
    signature over the flag of a drift that a human called known."""
    flags = [(n, b) for n, b in enumerate(seen.beads) if isinstance(b.body, KillFlag)]
    standing: dict[str, tuple[int, Bead]] = {}
    down: dict[str, list[tuple[int, int, str]]] = defaultdict(list)  # by scope: from, to
    for place, bead in flags:
        flag = bead.body
        assert isinstance(flag, KillFlag)
        if flag.event is KillEvent.RAISED:
            _ = standing.setdefault(flag.flag, (place, bead))
        else:
            raised, was = standing.pop(flag.flag)
            assert isinstance(was.body, KillFlag)
            _may_come_down(seen, was, bead)
            down[was.body.scope].append((raised, place, flag.flag))
    for name, (place, bead) in standing.items():
        assert isinstance(bead.body, KillFlag)
        down[bead.body.scope].append((place, len(seen.beads) + 1, name))
    assert {name: bead.body.scope for name, (_, bead) in standing.items() if isinstance(bead.body, KillFlag)} == {
        flag.flag: flag.scope for flag in desk.kill_flags.standing.values()
    }, "the desk remembers each flag that stands"
    proposals = {p.order_ref: p for _, p in seen.of(Position) if p.order_ref}
    for handed in seen.entries:
        position = proposals[handed.cleared.ref]
        scopes = ("desk", f"strategy:{position.strategy}", f"instrument:{position.pair}")
        over = [name for scope in scopes for raised, lifted, name in down[scope] if raised < handed.size <= lifted]
        assert not over, f"an entry left under the kills {over}"
        assert handed.world.latch is False, f"an entry left while the latch was {handed.world.latch}"


def _may_come_down(seen: Seen, raised: Bead, lifted: Bead) -> None:
    flag = raised.body
    assert isinstance(flag, KillFlag)
    since = seen.beads[raised.seq : lifted.seq + 1]
    if flag.type is KillKind.TEMPORARY:
        scope = flag.scope.partition(":")[2]
        looks = [b for b in since if isinstance(b.body, StateAnchor) and b.body.strategy in ("*", scope)]
        assert looks and lifted.ts >= raised.ts + TEMPORARY_FOR, f"{flag.flag} came down early, or by time alone"
    elif flag.type is KillKind.DRIFT:
        told = [
            b.body
            for b in since
            if isinstance(b.body, ReconciliationDrift | ReconciliationResolution) and b.body.identity == flag.drift
        ]
        resolved = any(isinstance(body, ReconciliationResolution) and body.cleared for body in told)
        last = told[-1] if told else None  # what lapsed is told again
        known = isinstance(last, ReconciliationResolution) and last.resolution is Resolution.ACKNOWLEDGED
        answered = resolved or (known and _signed_for(since, flag))
        assert answered, f"{flag.flag} came down, and its drift was not resolved"
    else:
        assert _signed_for(since, flag), f"{flag.flag} came down, and nobody signed for it"


def _signed_for(since: list[Bead], flag: KillFlag) -> bool:
    signed = [b.body for b in since if isinstance(b.body, Decision) and b.body.type == "kill-clear"]
    return any(body.subject == flag.flag for body in signed)


def i15_account(seen: Seen, desk: Desk) -> None:
    """Each frame names the desk's account, which the broker reported and whose kind the mode trades; a cancel names an
    order that the log recorded."""
    genesis = next(body for _, body in seen.of(Genesis))
    for handed in seen.handed:
        assert {frame.line.account for frame in handed.cleared.frames} == {genesis.account}
        assert (genesis.account, genesis.account_mask) in {(a.tag, a.mask) for a in handed.world.accounts}
        assert handed.world.run.mode is genesis.mode and handed.world.port == genesis.port
    recorded = {str(frame.ref): n for n, order in reversed(seen.of(Order)) for frame in order.frames}
    for size, ref in seen.cancels:
        assert recorded.get(ref, size) < size, f"a cancel of {ref}, which is no order of ours"


def i16_gate(seen: Seen, desk: Desk) -> None:
    """An entry leaves over a link of which this session's first whole picture is there, which is synchronised and
    answered within two seconds, out of the restart window, on a fresh quote, under no open drift, under the lease."""
    for handed in seen.fresh("I16", entries=True):
        link, line, now = handed.world.link, handed.cleared.frames[0].line, handed.now
        assert link.up and link.synchronised and not link.in_restart_window
        assert link.round_trip_age is not None and link.round_trip_age.total_seconds() <= 2
        assert abs(link.skew.total_seconds()) <= 5
        quote, most = handed.world.quotes[line.symbol], 2 if line.sec_type is SecType.CASH else 5
        assert abs((now.wall - quote.at.wall).total_seconds()) <= most, "on the wall a fresh quote"
        assert (now.ticks - quote.at.ticks).total_seconds() <= most, "on the second clock, too"
        _lease_held(seen, handed)
        before = seen.beads[: handed.size]
        connected = max((b.seq for b in before if isinstance(b.body, IbkrSession)), default=-1)
        looks = [
            b.seq
            for b in before[connected + 1 :]
            if isinstance(b.body, Observation)
            and b.body.about is About.SNAPSHOT
            and b.body.facts["agreement"] != "UNKNOWN"
            and b.body.facts["session"] == str(link.session)
        ]
        assert looks, "before the first whole picture of its session"
        assert not _blocking(before, line.symbol), f"under open drift: {_blocking(before, line.symbol)}"


def _unanswered(beads: list[Bead]) -> dict[str, ReconciliationDrift]:
    """Open drifts that nobody acknowledged, by identity; one that the broker is to correct is such a one, too."""
    open_: dict[str, ReconciliationDrift] = {}
    acknowledged: set[str] = set()
    for bead in beads:
        body = bead.body
        if isinstance(body, ReconciliationDrift):
            open_[body.identity] = body
            acknowledged.discard(body.identity)
        elif isinstance(body, ReconciliationResolution):
            if body.cleared:
                _ = open_.pop(body.identity, None)
            answered = body.resolution is Resolution.ACKNOWLEDGED
            (acknowledged.add if answered else acknowledged.discard)(body.identity)
    return {identity: drift for identity, drift in open_.items() if identity not in acknowledged}


def _blocking(before: list[Bead], symbol: str) -> list[str]:
    """Open drifts that nobody acknowledged: of an instrument, or critical ones of the desk."""
    open_ = _unanswered(before).values()
    wide = (d for d in open_ if d.instrument is None and d.severity is Severity.CRITICAL)
    return [d.cause for d in open_ if d.instrument == symbol] + [d.cause for d in wide]


def _lease_held(seen: Seen, handed: HandOver) -> None:
    leases = [(n, b) for n, b in seen.of(Lease) if n < handed.size]
    assert leases[-1][1].event is LeaseEvent.TAKEN, "nobody holds the lease"
    assert handed.world.run.epoch == leases[-1][0], "the lease is held by somebody else"


def c3_hours(seen: Seen, desk: Desk) -> None:
    """No entry in a currency leaves while the market is closed, or closes within five minutes, by the zone database."""
    for handed in seen.fresh("C3", entries=True):
        if handed.cleared.frames[0].line.sec_type is SecType.CASH:
            wrong = list(hours_judge(handed.now.wall))
            assert not wrong, f"{handed.cleared.ref} {wrong[0]}"


def c8_sizing(seen: Seen, desk: Desk) -> None:
    """What evidence proposes to risk is the policy's share of what the account last was, and no unit more; or what was
    stated. Every line is of that size. (All that is traded here is in the currency of the account.)"""
    equities = [(n, p.equity) for n, p in seen.facts(Snapshot) if p.complete and not p.missing and p.equity is not None]
    policies = seen.of(Policy)
    for place, shown in seen.of(Evidence):
        sizing, policy = shown.sizing, [body for n, body in policies if n < place][-1]
        assert sizing.equity == [equity for n, equity in equities if n <= place][-1], "of another account than this is"
        distance = abs(shown.signal_entry - shown.stop)
        most = (sizing.equity * policy.risk_per_trade / distance).to_integral_value(ROUND_FLOOR)
        assert sizing.computed == most, f"{most} risk the policy's share, it says {sizing.computed}"
        assert sizing.quantity == (sizing.stated if sizing.stated is not None else most)
        assert {line.quantity for line in shown.lines} == {sizing.quantity}
        assert 0 <= sizing.risk - sizing.quantity * distance < Decimal("0.01"), "a risk is told to the cent, upwards"


def i19_heartbeat(seen: Seen, desk: Desk) -> None:
    """A beat was earned since the one before it, or since its run began: the broker answered a question that was asked
    after it, or the log says that the link is down; and under a link that is down none says that all is well."""
    last, down = seen.beads[0], True
    for bead in seen.beads:
        body = bead.body
        if isinstance(body, Lease) and body.event is LeaseEvent.TAKEN:
            last = bead
        elif isinstance(body, IbkrSession):
            down = body.outcome not in ("CONNECTED", "RESTORED")
        elif isinstance(body, Heartbeat) and body.status is not Beat.MISSED:
            asked = (size for size, at in seen.answers if size >= last.seq or at == last.ts)  # or in the same instant
            answered = any(size <= bead.seq for size in asked)
            assert down or answered, f"bead {bead.seq}: a beat, and nobody answered since bead {last.seq}"
            assert not down or body.status is not Beat.HEALTHY, f"bead {bead.seq}: all is well, and the link is down"
            last = bead


def i22_one_decision(seen: Seen, desk: Desk) -> None:
    """An intent is approved once at most, by a signature of somebody who may; any reject wins; whoever proposed it does
    not approve it where four eyes are asked for; no signature counts twice; every attempt leaves a bead."""
    keys: dict[str, Operator] = {}
    proposers: dict[str, str] = {}
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    states: dict[str, State] = {}
    nonces: Counter[str] = Counter()
    four_eyes = False
    for append in seen.appends:
        here: dict[str, Decision] = {}
        for bead in append:
            match bead.body:
                case Operator() as body:
                    keys[body.key] = body
                case Policy() as body:
                    four_eyes = body.four_eyes
                case Signal(event=SignalEvent.ACCEPTED, signal=signal, channel=channel) if signal is not None:
                    proposers[signal.intent_id] = channel
                case Decision() as body:
                    said, key = says(body.signed.statement), keys[body.signed.key]
                    assert key.event is OperatorEvent.ENROLLED, f"bead {bead.seq}: the key was revoked"
                    nonces[said["session"]] += 1
                    if body.verdict is not None:
                        assert (said["verdict"], said["intent"]) == (body.verdict.value, body.subject)
                        verdicts[body.subject].append(body.verdict)
                        here[body.subject] = body
                        own = proposers.get(body.subject) in (body.signed.key, key.name)
                        assert not (four_eyes and own and body.verdict is Verdict.APPROVE), (
                            "who proposed it approved it"
                        )
                case Position() as body:
                    states[body.intent_id] = body.state
                    if body.event is PositionEvent.APPROVED:
                        decided = here.get(body.intent_id)
                        assert decided is not None and decided.verdict is Verdict.APPROVE, "nobody approved it"
                        assert decided.signed.key == body.proof.id, "somebody else approved it"
                case _:
                    pass
        for intent, decision in here.items():
            assert decision.verdict is Verdict.APPROVE or states[intent] is State.CANCELLED, "any reject wins"
    assert all(count == 1 for count in nonces.values()), f"a signature counts twice: {nonces}"
    for intent, said_of in verdicts.items():
        assert said_of in ([Verdict.APPROVE], [Verdict.REJECT], [Verdict.APPROVE, Verdict.REJECT]), (intent, said_of)
    approvals = Counter(p.intent_id for _, p in seen.of(Position) if p.event is PositionEvent.APPROVED)
    assert approvals == Counter(intent for intent, said_of in verdicts.items() if Verdict.APPROVE in said_of)
    for attempt in seen.signed:
        kept = [bead.body for bead in seen.beads[attempt.before : attempt.after]]
        won = any(isinstance(b, Decision) and b.signed.statement == attempt.statement for b in kept)
        refused = [b for b in kept if isinstance(b, Observation) and b.about is About.REFUSED_COMMAND]
        assert won or any(b.facts["key"] == attempt.key for b in refused), "an attempt left no bead"


# --- exits ------------------------------------------------------------------------------------------------------------


def x1_exits_fit(seen: Seen, desk: Desk) -> None:
    """As each exit left: executed exits and the largest of each group are no more than what was or may be entered, but
    for a close whose size a human typed.

    Counted from the beads before it, by hand: frames as recorded, executions in their latest revision.
    """
    for handed in seen.fresh("X1", entries=False):
        before = [bead.body for bead in seen.beads[: handed.size]]
        position_id, book = handed.cleared.position_id, book_of(seen.beads[: handed.size])
        size: dict[str, tuple[Role, str, Decimal, bool]] = {}
        over: set[str] = set()
        for body in before:
            if isinstance(body, Order) and body.position_id == position_id:
                for frame in body.frames if body.event is OrderEvent.RECORDED else ():
                    native = size[frame.ref][3] if frame.ref in size else body.token_id is not None
                    size[frame.ref] = (frame.line.role, body.group or "", frame.line.quantity, native)
                if _is_over(body):
                    over.add(body.ref)
        groups: dict[str, Decimal] = {}
        rest, hangs = Decimal(0), False
        for ref, (role, group, quantity, native) in size.items():
            left = max(Decimal(0), quantity - book.of(ref)) if ref not in over else Decimal(0)
            if role is Role.ENTRY:
                rest = left
            elif ref not in over:
                hangs = hangs or native
                groups[group] = max(groups.get(group, Decimal(0)), left)
        allowed = book.held(position_id) + (rest if hangs else Decimal(0))
        mine = {str(frame.ref) for frame in handed.cleared.frames}
        closes = all(frame.line.role is Role.CLOSE for frame in handed.cleared.frames)
        may = mine <= _shrinking(before, mine) or (closes and _typed(seen.beads[: handed.size], handed))
        assert sum(groups.values(), Decimal(0)) <= allowed or may, "an exit would open"


def _shrinking(before: list[Body], refs: set[str]) -> set[str]:
    """Those whose last revision is no larger than the one before: what only lessens may always go."""
    sizes: dict[str, list[Decimal]] = {}
    for body in before:
        if isinstance(body, Order) and body.event is OrderEvent.RECORDED:
            for frame in body.frames:
                sizes.setdefault(frame.ref, []).append(frame.line.quantity)
    return {ref for ref in refs if len(sizes[ref]) > 1 and sizes[ref][-1] <= sizes[ref][-2]}


def x2_mandate(seen: Seen, desk: Desk) -> None:
    """Every exit hangs on the evidence of its own position or on its adoption, at the prices that these have, or on a
    command about it that a human signed less than a minute ago, by both clocks; nothing is closed without one, and lost
    protection is placed again once."""
    if not seen.fresh("X2", entries=False):
        return
    positions = {p.position_id: p for _, p in seen.of(Position)}
    decisions = dict(seen.of(Decision))
    recorded = {(f.ref, f.revision): (n, o) for n, o in seen.of(Order) for f in o.frames}
    placed: dict[str, set[str | None]] = defaultdict(set)
    for _, native in seen.of(Order):
        if native.token_id is not None:
            placed[native.position_id].add(native.group)
    for handed in seen.exits:
        for frame in handed.cleared.frames:
            place, order = recorded[frame.ref, frame.revision]
            position, mandate = positions[order.position_id], order.mandate or ""
            terms = {Role.STOP: position.stop_price, Role.TARGET: position.target_price}
            if mandate.startswith("decision:"):
                seq = int(mandate.partition(":")[2])
                signed = decisions[seq]
                said = says(signed.signed.statement)
                assert seq < place and signed.subject in (position.position_id, position.intent_id)
                assert signed.type == ("close" if frame.line.role is Role.CLOSE else "protect"), signed.type
                assert utc_of(said["at"], "at") > handed.now.wall - SIGNED_FOR, "signed less than a minute ago"
                assert (signed.ticks or timedelta(0)) > handed.now.ticks - SIGNED_FOR, "by the second clock, too"
                terms = {role: Price(Decimal(said.get(role.value.lower()) or p)) for role, p in terms.items()}
            else:
                assert mandate in (f"evidence:{position.evidence_hash}", f"adoption:{position.order_ref}"), mandate
                assert frame.line.role is not Role.CLOSE, "no policy here names a time exit"
                placed[position.position_id] |= {order.group} if frame.revision == 1 else set()
            asked = frame.line.trigger if frame.line.role is Role.STOP else frame.line.limit
            if frame.revision > 1:  # another size, and nothing else
                _, before = recorded[frame.ref, frame.revision - 1]
                (line,) = (each.line for each in before.frames if each.ref == frame.ref)
                assert (asked, frame.line.side) == (line.trigger or line.limit, line.side), f"{frame.ref} was moved"
            else:
                assert asked == terms.get(frame.line.role), f"{frame.ref} is at {asked}, the mandate says {terms}"
    often = {name for name, groups in placed.items() if len(groups) > 2}
    assert not often, f"protection of {often} was placed again and again, and nobody signed"


def x3_exit_gate(seen: Seen, desk: Desk) -> None:
    """Every exit leaves over a link that stands, for the account and in the mode of the desk, under the lease."""
    genesis = next(body for _, body in seen.of(Genesis))
    for handed in seen.exits:
        world = handed.world
        _lease_held(seen, handed)
        assert world.link.up and genesis.account in {account.tag for account in world.accounts}
        assert (world.run.mode, world.port) == (genesis.mode, genesis.port)


def x4_bracket(seen: Seen, desk: Desk) -> None:
    """A native child has its parent's size, on the other side; every other exit turns its entry round, and is no larger
    than what is booked: but for one whose size a human typed."""
    for handed in seen.entries:
        entry, *children = (frame.line for frame in handed.cleared.frames)
        assert entry.role is Role.ENTRY and [child.role for child in children] == [Role.STOP, Role.TARGET]
        assert {child.quantity for child in children} <= {entry.quantity}
        assert {child.side for child in children} <= {entry.side.other}
        assert {(child.symbol, child.con_id) for child in children} <= {(entry.symbol, entry.con_id)}
    first = {p.position_id: p for _, p in reversed(seen.of(Position))}
    for handed in seen.fresh("X4", entries=False):
        name = handed.cleared.position_id
        assert {f.line.side for f in handed.cleared.frames} == {first[name].side.other}
        assert {f.line.symbol for f in handed.cleared.frames} == {first[name].pair}
        before = seen.beads[: handed.size]
        book, orders = book_of(before), [b.body for b in before if isinstance(b.body, Order)]
        parent = next((o for o in orders if o.token_id is not None and o.position_id == name), None)
        over = parent is None or any(o.ref == parent.ref and _is_over(o) for o in orders)
        native = set() if parent is None or over else {frame.ref for frame in parent.frames}
        typed = _typed(before, handed)
        for frame in handed.cleared.frames:
            if frame.ref in native and parent is not None:
                assert frame.line.quantity == parent.frames[0].line.quantity, "a child has its parent's size"
            elif not typed or frame.line.role is not Role.CLOSE:
                most = book.held(name) + book.of(frame.ref)
                assert frame.line.quantity <= most, f"{frame.ref} is of {frame.line.quantity}, booked is {most}"


def _is_over(order: Order) -> bool:
    return order.event is OrderEvent.ENDED or (order.event is OrderEvent.DROPPED and order.revision in (None, 1))


def _typed(before: list[Bead], handed: HandOver) -> bool:
    """Whether a human typed how much."""
    mandates = [b.body.mandate or "" for b in before if isinstance(b.body, Order) and b.body.ref == handed.cleared.ref]
    seq = next((int(m.partition(":")[2]) for m in mandates if m.startswith("decision:")), None)
    signed = None if seq is None else before[seq].body
    return isinstance(signed, Decision) and says(signed.signed.statement).get("quantity") is not None


def closed_has_nothing_working(seen: Seen, desk: Desk) -> None:
    """CLOSED means net zero and every order of the position ended."""
    together: dict[str, dict[str, int]] = {}  # by the reference that names a hand-over: its frames and revisions
    working: dict[str, set[str]] = defaultdict(set)
    for append in seen.appends:
        for bead in append:
            body = bead.body
            if not isinstance(body, Order):
                continue
            works = working[body.position_id]
            if body.event is OrderEvent.RECORDED:
                together[body.ref] = {frame.ref: frame.revision for frame in body.frames}
                works |= set(together[body.ref])
            elif body.event is OrderEvent.ENDED:
                works.discard(body.ref)
            elif body.event is OrderEvent.DROPPED:  # of one frame, or of all that were to leave together
                dropped = together[body.ref] if body.revision is None else {body.ref: body.revision}
                works -= {ref for ref, revision in dropped.items() if revision == 1}
        for bead in append:
            if isinstance(bead.body, Position) and bead.body.state is State.CLOSED:
                assert bead.body.filled_quantity == bead.body.exited_quantity
                left = working[bead.body.position_id]
                assert not left, f"{bead.body.position_id} is CLOSED, and {left} work"


def critical_drift_kills(seen: Seen, desk: Desk) -> None:
    """A CRITICAL drift that nobody answered has its kill, once the engine has looked."""
    killed: dict[str, str | None] = {}
    for _, flag in seen.of(KillFlag):
        if flag.event is KillEvent.RAISED:
            _ = killed.setdefault(flag.flag, flag.drift)
        else:
            del killed[flag.flag]
    critical = {name: d.cause for name, d in _unanswered(seen.beads).items() if d.severity is Severity.CRITICAL}
    unkilled = {cause for identity, cause in critical.items() if identity not in killed.values()}
    assert not unkilled, f"{unkilled} raised no kill"


CHECKERS: Final[tuple[Callable[[Seen, Desk], None], ...]] = (
    i1_at_most_once,
    i2_authorised,
    i3_single_use,
    i4_write_ahead,
    i5_legal,
    i7_chain,
    i8_quantity,
    i9_evidence,
    i10_absorbing,
    i11_detect_only,
    i12_one_open_drift,
    i12_complete,
    i13_honest,
    i14_kill,
    i15_account,
    i16_gate,
    c3_hours,
    c8_sizing,
    i19_heartbeat,
    i22_one_decision,
    x1_exits_fit,
    x2_mandate,
    x3_exit_gate,
    x4_bracket,
    closed_has_nothing_working,
    critical_drift_kills,
)
