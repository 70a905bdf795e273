"""The seventh walk: somebody trades past the desk, in the instrument that it holds, and answers what it tells.

Two lots are held and protected, or one, while the entry may fill another. A hand sells or buys a lot in the broker's
own window, once or twice; stop and target execute, and say so before, after or without their executions; another
session begins. Whole pictures show what is held. A human states from the broker's papers what the hand did,
acknowledges the difference, gives what was bought an owner, has orphans cancelled, protection placed again, closes one
position or all, in whole or in part; and signs some of it twice.

No rule of the desk is spelt here a second time: the production desk itself is walked, and judged by what is true at
the broker alone. Between a record and its frame nothing happens here; that is what the walks before are about.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple

from attrs import Factory, define, evolve
from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.market import MIDS
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts import operate, submit
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.due import due
from phoenix_core.acts.last_look import signed_exit
from phoenix_core.acts.reconcile import unheard
from phoenix_core.acts.timed import ObserveQuotes, Repeat
from phoenix_core.beads import Resolution
from phoenix_core.effects import CancelOrder, CarryOut, SendOrder
from phoenix_core.facts import (
    BrokerStatus,
    CancelSaid,
    ExecutionSaid,
    FrameSaid,
    Held,
    LinkEvent,
    LinkSaid,
    OrderSaid,
    Snapshot,
)
from phoenix_core.gate.statements import Adopt, CancelOrphans, Close, Protect, ResolveDrift, Says
from phoenix_core.kernel import clear
from phoenix_core.trade.order_life import Known
from phoenix_core.trade.positions import Open
from phoenix_core.values import Money, Price, Quantity, Role, Side, State, plain
from phoenix_core.watch.drift import Cause, OpenDrift, blocking
from phoenix_core.world import World
from tests.chaos.model.leaving_played import NAME
from tests.chaos.model.played import ACCOUNT, LOT, NOW, PAIRS, SIGN, WORDS, Played, founded, signal_of
from tests.chaos.model.rules import Command

PAIR: Final = PAIRS[0]
LOTS: Final = 2
MOMENT: Final = timedelta(milliseconds=100)
TURN: Final = timedelta(milliseconds=500)
LOOK: Final = timedelta(seconds=5)
A_WHILE: Final = timedelta(seconds=4)  # past the three seconds that an exit's end has
HOLDING: Final = (Cause.SIZE.value, Cause.COUNT.value, Cause.SIGN.value)
CALM: Final = Command("calm")
# How often each may be done: for the walk's sake.
HANDS_MAX, ANSWERS_MAX, ADOPTED_MAX, CLOSES_MAX, WAITS_MAX, SESSIONS_MAX = 2, 2, 2, 2, 1, 1


class At(NamedTuple):
    """One order at the broker."""

    ref: str
    group: str
    total: int
    did: int = 0
    works: bool = True
    ends: bool = False  # its end was asked for
    buys: bool = False  # it is the entry, which may still fill

    @property
    def rest(self) -> int:
        """What it may still execute."""
        return self.total - self.did if self.works else 0


class Truth(NamedTuple):
    """What is true outside the log."""

    held: int = LOTS
    orders: tuple[At, ...] = ()
    unseen: bool = False  # a hand traded, and no picture began since
    sold: int = 0  # lots by hand
    bought: int = 0
    stated: int = 0  # lots of these that a human stated
    adopted: int = 0  # adoptions that were signed
    answers: int = 0  # of other kinds
    closes: int = 0
    waits: int = 0
    sessions: int = 0
    sign: int = SIGN  # 1 where what is held was bought; where it was sold, hands buy what "sells" says, too

    @property
    def net(self) -> int:
        """What the broker shows."""
        return self.sign * self.held

    @property
    def beyond(self) -> int:
        """How much exits may sell beyond what is held, or may still be: of each group the largest."""
        largest: dict[str, int] = {}
        for at in self.orders:
            if not at.buys:
                largest[at.group] = max(largest.get(at.group, 0), at.rest)
        more = sum(at.rest for at in self.orders if at.buys)
        return max(0, sum(largest.values()) - max(0, self.held) - more)


@define
class Traded(Played):
    """A production desk, when it is, and the picture of the broker that it saw last."""

    at: timedelta = timedelta(0)
    shown: Snapshot | None = None
    began: timedelta = timedelta(0)  # when that picture began
    groups: bool = False  # the broker holds groups: a close may join that of its protection

    def world(self, command: Command) -> World:
        """The world of now."""
        asks, now = super().world(CALM), NOW.plus(self.at)
        quotes = {pair: evolve(quote, at=now) for pair, quote in asks.quotes.items()}
        return evolve(asks, now=now, quotes=quotes, snapshot=self.shown, groups_hold=self.groups)

    def copied(self) -> Traded:
        """The same desk apart."""
        same = super().copied()
        rest = self.at, self.shown, self.began, self.groups
        return Traded(same.desk, same.verified, same.screens, same.count, same.session, *rest)


@define
class Here:
    """A world: the desk, and what is true beside it."""

    desk: Traded
    truth: Truth
    broken: str = ""  # the promise that the last turn broke

    def copied(self) -> Here:
        """The same world apart."""
        return Here(self.desk.copied(), self.truth)

    @property
    def positions(self) -> tuple[Open, ...]:
        """What is open in the instrument, the older one first."""
        return tuple(p for p in self.desk.desk.positions.open.values() if p.pair == PAIR)


# --- the broker's words -----------------------------------------------------------------------------------------------


def _known(here: Here, ref: str) -> Known | None:
    return here.desk.desk.orders.find(ref)


def _lots(quantity: Decimal) -> int:
    counted = quantity / LOT
    assert counted == int(counted), "whole lots alone are traded here"
    return int(counted)


def _booked(here: Here, known: Known) -> int:
    return _lots(here.desk.did(known))


def _word(here: Here, at: At, known: Known) -> OrderSaid:
    over = BrokerStatus.FILLED if at.did == at.total else BrokerStatus.CANCELLED
    echo = evolve(known.line, quantity=Quantity(Decimal(at.total * LOT)))
    word = here.desk._word(known, BrokerStatus.SUBMITTED if at.works else over)
    return evolve(word, filled=Quantity(Decimal(at.did * LOT)), echo=echo, session=here.desk.session)


def _is_news(at: At, known: Known) -> bool:
    stands = known.echo is not None and _lots(known.echo.quantity) == at.total and known.answered
    return (at.works and not stands) or at.did > _lots(known.filled) or (not at.works and known.end is None)


def _executions(here: Here) -> Iterator[ExecutionSaid]:
    for at in here.truth.orders:
        known = _known(here, at.ref)
        for n in range(at.did if known is not None else 0):
            assert known is not None
            said = here.desk.execution(known, f"lot{n}", Quantity(Decimal(LOT)))
            assert isinstance(said, Said) and isinstance(said.fact, ExecutionSaid)
            yield said.fact


def _does(here: Here, asked: object) -> None:
    _ = here.desk._carry_out(asked, CALM)  # type: ignore[arg-type]  # whatever `due` and people ask


def _looks(here: Here) -> None:
    """Two whole pictures, some seconds apart: what is held, what works, and all that was executed today."""
    for _ in range(2):
        desk = here.desk
        desk.at += LOOK
        words = [(at, known) for at in here.truth.orders if at.works and (known := _known(here, at.ref)) is not None]
        held = (Held(PAIR, Decimal(here.truth.net * LOT)),) if here.truth.held else ()
        moment, equity = NOW.plus(desk.at), Money(Decimal(100_000))
        orders = tuple(_word(here, at, known) for at, known in words)
        picture = Snapshot(
            desk.session, moment, moment, True, held, orders, tuple(_executions(here)), equity, "USD",
            account=ACCOUNT.tag,
        )  # fmt: skip
        desk.shown, desk.began = picture, desk.at
        for lost in unheard(desk.desk, picture):
            _does(here, desk.say(lost))
        _does(here, desk.say(picture))
    here.truth = here.truth._replace(unseen=False)


# --- the engine -------------------------------------------------------------------------------------------------------


def turn(here: Here) -> None:
    """What is due, until nothing more is; and what is owed to the broker."""
    here.desk.at += TURN
    for _ in range(8):
        before = here.desk.desk.head.size
        for asked in due(here.desk.desk, NOW.plus(here.desk.at)):
            if not isinstance(asked, ObserveQuotes | Repeat):
                _does(here, asked)
        _hands_over(here)
        if here.desk.desk.head.size == before:
            return


def _hands_over(here: Here) -> None:
    p = here.desk
    for key, send in list(p.desk.owed.of(SendOrder).items()):
        cleared = clear(p.desk, key, send, p.world(CALM))
        if not is_successful(cleared):
            _does(here, submit.Withhold(p.fresh("withhold"), key, send, cleared.failure()))
            continue
        before, knows = here.truth, knows_all(here) and not _is_typed(here, send)
        for frame in send.frames:
            here.truth = _placed(here.truth, frame.ref, send.group, _lots(frame.line.quantity))
            _does(here, p.say(FrameSaid(frame.ref, frame.revision, True, 1)))
        if knows and here.truth.beyond > before.beyond:
            here.broken = "X1 exits for more than is held"
    for cancel in list(p.desk.owed.of(CancelOrder).values()):
        here.truth = _changed(here.truth, cancel.ref, ends=True)
        _does(here, p.say(CancelSaid(cancel.ref, True)))


def _placed(truth: Truth, ref: str, group: str, total: int) -> Truth:
    if any(at.ref == ref for at in truth.orders):
        works = next(at for at in truth.orders if at.ref == ref)
        return _changed(truth, ref, total=total, works=total > works.did) if works.works else truth
    members = [at for at in truth.orders if at.group == group]
    spent = bool(members) and not any(at.works for at in members)  # a group that is over takes nobody in
    return truth._replace(orders=(*truth.orders, At(ref, group, total, works=not spent)))


def _changed(truth: Truth, ref: str, **change: object) -> Truth:
    orders = (at._replace(**change) if at.ref == ref else at for at in truth.orders)  # type: ignore[arg-type]  # as it is
    return truth._replace(orders=tuple(orders))


def knows_all(here: Here) -> bool:
    """Whether the log knows of all that was executed: by an execution, by the broker's word on an order, or by a
    picture of after what a hand did."""
    return not here.truth.unseen and all(
        (known := _known(here, at.ref)) is None or at.did <= max(_booked(here, known), _lots(known.told))
        for at in here.truth.orders
    )


def _is_typed(here: Here, send: SendOrder) -> bool:
    """Whether a human typed this size while nobody knew better: then it is theirs."""
    recorded = signed_exit(here.desk.desk, send.mandate)
    says = None if recorded is None else recorded[1].says
    unseen = here.desk.shown is None or here.desk.shown.session != here.desk.session
    doubtful = unseen or bool(blocking(here.desk.desk.drifts, PAIR))
    return isinstance(says, Close) and says.quantity is not None and doubtful


# --- the steps --------------------------------------------------------------------------------------------------------

Act = Callable[[Here], None]


def steps(here: Here) -> Iterator[tuple[str, Act]]:
    """Everything that may happen next, and how it happens."""
    yield "turn", turn
    yield "pictures", _looks
    yield from _broker(here)
    yield from _words(here)
    yield from _people(here)
    if here.truth.waits < WAITS_MAX:
        yield "a while passes", _waits
    if here.truth.sessions < SESSIONS_MAX:
        yield "another session", _connects


def _waits(here: Here) -> None:
    here.desk.at += A_WHILE
    here.truth = here.truth._replace(waits=here.truth.waits + 1)


def _connects(here: Here) -> None:
    """The engine died, or its link; another session begins, and shows nothing yet."""
    p = here.desk
    p.at += TURN
    _does(here, operate.TakeLease(p.fresh("lease"), "boot", "run"))
    p.session += 1
    _does(here, p.say(LinkSaid(LinkEvent.CONNECTED, p.session, (ACCOUNT,))))
    _does(here, p.say(LinkSaid(LinkEvent.SYNCHRONISED, p.session, (ACCOUNT,))))
    by_hand = here.truth.sold + here.truth.bought > 0  # what a picture of the last one showed counts for nothing now
    here.truth = here.truth._replace(sessions=here.truth.sessions + 1, unseen=by_hand)


def _broker(here: Here) -> Iterator[tuple[str, Act]]:
    truth = here.truth
    if truth.sold + truth.bought < HANDS_MAX:
        if truth.held > 0:
            yield "a hand sells", partial(_by_hand, lots=-1)
        yield "a hand buys", partial(_by_hand, lots=1)
    for n, at in enumerate(truth.orders):
        if at.rest and at.buys:
            yield "a lot fills", partial(_executes, n=n)
        elif at.rest and truth.held > 0:
            yield f"a lot leaves at {name_of(here, at.ref)}", partial(_executes, n=n)
        if at.works and at.ends:
            yield f"{name_of(here, at.ref)} ends", partial(_ends, ref=at.ref)


def _by_hand(here: Here, lots: int) -> None:
    here.desk.at += MOMENT
    sold, bought = here.truth.sold + (lots < 0), here.truth.bought + (lots > 0)
    here.truth = here.truth._replace(held=here.truth.held + lots, sold=sold, bought=bought, unseen=True)


def _executes(here: Here, n: int) -> None:
    """A lot leaves, and the broker takes it from the others of the group; or one more is bought."""
    here.desk.at += MOMENT
    one = here.truth.orders[n]
    orders = []
    for m, at in enumerate(here.truth.orders):
        if m == n:
            at = at._replace(did=at.did + 1)
        elif at.group == one.group and at.works and not one.buys:
            at = at._replace(total=at.total - 1)
        orders.append(at._replace(works=at.works and at.total > at.did))
    held = here.truth.held + (1 if one.buys else -1)
    here.truth = here.truth._replace(held=held, orders=tuple(orders))


def _ends(here: Here, ref: str) -> None:
    here.desk.at += MOMENT
    here.truth = _changed(here.truth, ref, works=False)


def _words(here: Here) -> Iterator[tuple[str, Act]]:
    for at in here.truth.orders:
        known = _known(here, at.ref)
        if known is None:
            continue
        if _is_news(at, known):
            yield f"{name_of(here, at.ref)} says", partial(_tells, ref=at.ref)
        if at.did > _booked(here, known):
            yield f"{name_of(here, at.ref)} fills", partial(_fills, ref=at.ref)


def _tells(here: Here, ref: str) -> None:
    here.desk.at += MOMENT
    known = _known(here, ref)
    assert known is not None
    at = next(at for at in here.truth.orders if at.ref == ref)
    _does(here, here.desk.say(_word(here, at, known)))


def _fills(here: Here, ref: str) -> None:
    here.desk.at += MOMENT
    for said in [said for said in _executions(here) if said.ref == ref]:
        _does(here, here.desk.say(said))


def name_of(here: Here, ref: str) -> str:
    """An order in words: whose it is, and which."""
    position = here.desk.desk.positions.open_of_ref(ref)
    whose = "its own" if position is None or position.position_id == NAME else "the adopted"
    return f"{whose} {ref[-3:]}"


# --- people -----------------------------------------------------------------------------------------------------------


def _people(here: Here) -> Iterator[tuple[str, Act]]:
    truth, desk = here.truth, here.desk.desk
    if truth.closes < CLOSES_MAX:
        for n, position in enumerate(here.positions):
            for lots in (0, 1) if position.held > LOT else (0,):
                yield f"signs close {lots or 'all'} of {n}", partial(_closes, positions=(position,), lots=lots)
        if len(here.positions) > 1:
            yield "signs close of both", partial(_closes, positions=here.positions, lots=0)
    for drift in desk.drifts.open.values():
        if drift.instrument == PAIR and truth.answers + truth.stated < ANSWERS_MAX and not drift.acknowledged:
            yield from _answers(here, drift)
    if truth.bought and truth.adopted < ADOPTED_MAX:
        yield "signs adopt", _adopts
    if truth.answers + truth.stated < ANSWERS_MAX and any(_is_bare(here, p) for p in here.positions):
        yield "signs protect", _protects


def _is_bare(here: Here, position: Open) -> bool:
    return not here.desk.desk.orders.exits_of(position.position_id)


def _answers(here: Here, drift: OpenDrift) -> Iterator[tuple[str, Act]]:
    truth = here.truth
    if drift.cause in HOLDING and truth.stated < truth.sold:
        yield "signs states", partial(_states, drift=drift.identity)
    yield f"signs knows {drift.cause}", partial(_knows, drift=drift.identity)
    if drift.cause == Cause.ORPHAN_EXIT.value:
        yield "signs cancel orphans", partial(_cancels, drift=drift)


def signs(here: Here, says: Says) -> None:
    """A human signs, and the log takes it."""
    here.desk.at += MOMENT
    _does(here, here.desk.sign(says, here.desk.desk.head.size, NOW.plus(here.desk.at)))


def _closes(here: Here, positions: tuple[Open, ...], lots: int) -> None:
    for position in positions:
        signs(here, Close(position.position_id, WORDS, Quantity(Decimal(lots * LOT)) if lots else None))
    here.truth = here.truth._replace(closes=here.truth.closes + 1)


def _states(here: Here, drift: str) -> None:
    n, lot, price = here.truth.stated, Quantity(Decimal(LOT)), Price(MIDS[PAIR])
    signs(here, ResolveDrift(drift, Resolution.PHOENIX_CORRECTED, WORDS, f"hand{n}.01", lot, price))
    here.truth = here.truth._replace(stated=n + 1)


def _knows(here: Here, drift: str) -> None:
    signs(here, ResolveDrift(drift, Resolution.ACKNOWLEDGED, WORDS))
    here.truth = here.truth._replace(answers=here.truth.answers + 1)


def _cancels(here: Here, drift: OpenDrift) -> None:
    signs(here, CancelOrphans(drift.identity, drift.refs))
    here.truth = here.truth._replace(answers=here.truth.answers + 1)


def _adopts(here: Here) -> None:
    mid = MIDS[PAIR]
    sign, away = here.truth.sign, Decimal("0.003") * here.truth.sign
    side, stop, target = Side.BUY if sign > 0 else Side.SELL, Price(mid - away), Price(mid + 2 * away)
    signs(here, Adopt(PAIR, side, Quantity(Decimal(LOT)), Price(mid), stop, target, "trend", WORDS))
    here.truth = here.truth._replace(adopted=here.truth.adopted + 1)


def _protects(here: Here) -> None:
    for position in here.positions:
        if _is_bare(here, position):
            signs(here, Protect(position.position_id))
    here.truth = here.truth._replace(answers=here.truth.answers + 1)


# --- what must hold in every world ------------------------------------------------------------------------------------


def broken_by(here: Here) -> str:
    """The promise that is broken here."""
    desk, truth = here.desk.desk, here.truth
    for at in truth.orders:
        position, known = desk.positions.open_of_ref(at.ref), _known(here, at.ref)
        if position is None and at.works:
            return "B8 CLOSED, and something works"
        if known is not None and _booked(here, known) > at.did:
            return "I8 more in the book than was executed"
    return here.broken


def calm(here: Here) -> str:
    """The promise that does not hold once nothing happens any more but that all is heard, looked at and done."""
    for _ in range(4):
        for _, act in list(_words(here)):
            act(here)
        for at in here.truth.orders:
            if at.ends and at.works:
                _ends(here, at.ref)
        here.desk.at += A_WHILE
        turn(here)
        _looks(here)
        turn(here)
        if here.broken:
            return here.broken
    return _is_silent(here) or _is_stuck(here)


def _is_silent(here: Here) -> str:
    desk, truth = here.desk.desk, here.truth
    open_ = {drift.cause for drift in desk.drifts.open.values() if drift.instrument == PAIR}
    if desk.owed.of(CarryOut):
        return "D6 what a human signed waits for ever"
    held = plain(Decimal(truth.net * LOT))
    told = [d for d in _holdings(here) if not d.acknowledged or d.told.broker_state["quantity"] == held]
    if _lots(desk.positions.net(PAIR)) != truth.net and not told:
        return "B4 the book is not what is held, and nobody is asked"
    if truth.beyond and Cause.ORPHAN_EXIT.value not in open_:
        return "D7 exits for more than is held, and nobody is asked"
    for position in here.positions:
        if position.held == 0 and any(at.works and not at.ends for at in _of(here, position)):
            return "B8 what works beside nothing is not asked to end"
        mine = [at for at in _of(here, position) if at.works]
        pair = [at.rest * LOT for at in mine if known_role(here, at) in (Role.STOP, Role.TARGET)]
        covered = len(pair) == 2 and min(pair) >= position.held
        closes = any(known_role(here, at) is Role.CLOSE for at in mine)
        is_told = f"PROTECTION_LOST|{position.position_id}" in desk.alerts.by_subject
        if position.held > 0 and not (covered or closes or is_told):
            return "D4 what is held is bare, and nobody is told"
    return ""


def _of(here: Here, position: Open) -> list[At]:
    return [at for at in here.truth.orders if here.desk.desk.positions.open_of_ref(at.ref) is position]


def _holdings(here: Here) -> list[OpenDrift]:
    """What is told of what is held: while nobody answered it, it is told once, and is what stands."""
    shown = here.desk.desk.drifts.open.values()
    return [drift for drift in shown if drift.instrument == PAIR and drift.cause in HOLDING]


def known_role(here: Here, at: At) -> Role | None:
    """What an order at the broker is for."""
    known = _known(here, at.ref)
    return None if known is None else known.role


def _is_stuck(here: Here) -> str:
    """Whether what the desk and the broker agree on can not be left: each position by a close of its own."""
    desk = here.desk.desk
    if any(drift.instrument in (PAIR, None) for drift in desk.drifts.open.values()):
        return ""
    if any(known_role(here, at) is Role.CLOSE and at.works for at in here.truth.orders):
        return ""
    for position in here.positions:
        _closes(here, (position,), 0)
    for _ in range(4):
        turn(here)
        for at in here.truth.orders:
            if at.ends and at.works:
                _ends(here, at.ref)
        for n, at in enumerate(here.truth.orders):
            for _ in range(at.rest if known_role(here, at) is Role.CLOSE else 0):
                _executes(here, n)
        for _ in range(2):  # a word, and then its execution
            for _, act in list(_words(here)):
                act(here)
        here.desk.at += A_WHILE
    if here.broken:
        return here.broken
    return "D6 what is held can not be left" if here.truth.held or here.positions else ""


# --- the walk ---------------------------------------------------------------------------------------------------------


def view(here: Here) -> tuple[object, ...]:
    """What tells one world from another."""
    desk, p = here.desk.desk, here.desk
    positions = tuple((q.position_id == NAME, q.state, q.held, q.closing) for q in here.positions)
    orders = tuple(_view_of(here, known) for q in here.positions for known in desk.orders.of(q.position_id))
    drifts = tuple(sorted((d.cause, d.values, d.acknowledged) for d in desk.drifts.open.values()))
    alerts = tuple(sorted(name for name in desk.alerts.by_subject if name.startswith(("PROT", "CLOSE_NOT"))))
    owed = tuple(effect.type for effect in desk.owed.of(CarryOut).values())
    fills = tuple((f.ref[-3:], f.stated, f.at >= NOW.plus(p.began).wall) for q in here.positions
                  for f in desk.fills.of(q.position_id))  # fmt: skip
    shown = None if p.shown is None else p.shown.held(PAIR)
    return (here.truth, positions, orders, drifts, alerts, owed, fills, shown)


def _view_of(here: Here, known: Known) -> tuple[object, ...]:
    asked, ended = known.cancel_requested, known.ended_at
    late = asked is not None and NOW.plus(here.desk.at).wall - asked.wall > timedelta(seconds=3)
    seen = ended is not None and ended <= NOW.plus(here.desk.began).wall
    return (
        known.ref, known.standing, known.filled, known.line.quantity, known.answered, known.end, asked is None, late,
        seen, known.change_refused,
    )  # fmt: skip


@define
class Walk:
    """How far a walk has come."""

    seen: dict[tuple[object, ...], tuple[tuple[object, ...] | None, str]] = Factory(dict)  # whence, and by which step
    frontier: deque[tuple[tuple[object, ...], Here]] = Factory(deque)
    steps: int = 0
    calmed: int = 0
    broken: str = ""
    story: tuple[str, ...] = ()
    labels: set[str] = Factory(set)
    met: list[tuple[Truth, tuple[State, ...], frozenset[str]]] = Factory(list)

    def begin(self, here: Here) -> None:
        """A world to begin at."""
        key = view(here)
        if key not in self.seen:
            self.seen[key] = (None, "")
            self.frontier.append((key, here))

    def go(self, worlds: int, every: int = 1) -> None:
        """Look at worlds until so many are known, or a promise is broken; and at what becomes of each n-th in calm."""
        while self.frontier and len(self.seen) < worlds and not self.broken:
            key, here = self.frontier.popleft()
            self._calms(key, here, every)
            for label, act in list(steps(here)) if not self.broken else ():
                after = here.copied()
                act(after)
                self._meet(key, label, after)
                if self.broken:
                    return

    def _meet(self, before: tuple[object, ...], label: str, after: Here) -> None:
        self.steps += 1
        self.labels.add(label)
        key = view(after)
        if key in self.seen and not after.broken:
            return
        self.seen.setdefault(key, (before, label))
        self.broken = broken_by(after)
        if self.broken:
            self.story = (*self._told(before), label)
            return
        drifts = frozenset(drift.cause for drift in after.desk.desk.drifts.open.values())
        self.met.append((after.truth, tuple(p.state for p in after.positions), drifts))
        self.frontier.append((key, after))

    def _calms(self, key: tuple[object, ...], here: Here, every: int) -> None:
        if len(self.seen) and self.calmed % every == 0:
            later = here.copied()
            self.broken = calm(later)
            if self.broken:
                self.story = (*self._told(key), "calm")
        self.calmed += 1

    def _told(self, key: tuple[object, ...]) -> tuple[str, ...]:
        told: list[str] = []
        at: tuple[object, ...] | None = key
        while at is not None:
            at, label = self.seen[at]
            told.append(label)
        return tuple(reversed([label for label in told if label]))


def beginning(*labels: str, groups: bool = False, part: bool = False, sign: int = SIGN) -> Here:
    """Two lots are held, protected and seen; and the world at the end of these steps."""
    p = founded()
    desk = Traded(p.desk, p.verified, p.screens, p.count, p.session, groups=groups)
    here = Here(desk, Truth(held=0, sign=sign))
    _does(here, operate.TakeLease(desk.fresh("lease"), "boot", "run"))
    _does(here, proposal_of("", signal_of(0, sign) + f"quantity: '{LOTS * LOT}'\n".encode(), "bot"))
    for name in ("assemble", "approve"):
        assert not desk.play(0, Command(name, version=1 if name == "approve" else 0)), name
    for name in ("submit", "frame_sent", "ack"):
        assert not desk.play(0, Command(name)), name
    entry = desk.order(0, Role.ENTRY)
    assert entry is not None
    got = LOTS - part
    for n in range(got):
        _does(here, desk.execution(entry, f"lot{n}", Quantity(Decimal(LOT))))
    pair = (desk.order(0, Role.STOP), desk.order(0, Role.TARGET))
    own = At(entry.ref, "", LOTS, got, got < LOTS, buys=True)
    exits = tuple(At(known.ref, known.group, LOTS) for known in pair if known is not None)
    here.truth = Truth(held=got, orders=(own, *exits), sign=sign)
    for at in here.truth.orders:
        _tells(here, at.ref)
    _looks(here)
    turn(here)
    for label in labels:
        act = next(act for said, act in steps(here) if said.startswith(label))
        act(here)
        assert not here.broken, here.broken
    return here


def drawn(seed: int, begins: Sequence[Here]) -> tuple[str, tuple[str, ...]]:
    """A longer way through this world, drawn: the promise that breaks on it or in calm at its end, and the way."""
    draw = random.Random(seed)
    here, told = draw.choice(begins).copied(), []
    for _ in range(draw.randrange(6, 30)):
        label, act = draw.choice([*steps(here), ("turn", turn), ("turn", turn)])
        told.append(label)
        act(here)
        if broken := broken_by(here):
            return broken, tuple(told)
    return calm(here), (*told, "calm")


_ADOPTED: Final = ("a hand buys", "pictures", "signs adopt", "turn", "the adopted .S1 says", "the adopted .T1 says")
_STATED: Final = ("a hand sells", "pictures", "signs states", "turn", "its own .S1 says", "its own .T1 says")
_ENDED: Final = ("its own .S1 ends", "its own .T1 ends", "its own .S1 says", "its own .T1 says", "turn")
# Where walks begin, whether the broker holds groups, and whether the entry may still fill.
OPENINGS: Final[tuple[tuple[tuple[str, ...], bool, bool], ...]] = (
    ((), False, False),
    ((), True, False),
    (("a hand sells", "pictures"), False, False),
    (("a hand sells", "a hand sells", "pictures"), False, False),
    (_STATED, False, False),
    ((*_STATED, "a lot leaves at its own .S1", "its own .S1 says"), True, False),
    (("a hand sells", "pictures", "signs knows size", "turn", "a lot leaves at its own .S1"), False, False),
    (("a hand sells", "pictures", "signs cancel orphans", "turn"), True, False),
    (_ADOPTED, False, False),
    ((*_ADOPTED, "turn", "a hand sells", "pictures"), False, False),
    ((*_ADOPTED, "turn", "a hand sells", "pictures"), True, False),
    ((*_ADOPTED, "turn", "a lot leaves at its own .S1"), False, False),
    ((*_ADOPTED, "turn", "signs close of both", "turn"), False, False),
    (("signs close all", "turn", *_ENDED, "a hand buys"), False, False),
    (("signs close 1", "turn", "a hand sells"), False, False),
    ((), False, True),
    (("a hand sells", "pictures"), False, True),
    (("a lot leaves at its own .S1", "its own .S1 fills", "turn"), True, True),
    (("a hand buys", "pictures"), True, True),
    (("a hand sells", "another session"), False, False),
    ((*_STATED, "another session"), False, False),
    (("signs close all", "turn", "another session"), False, False),
)
