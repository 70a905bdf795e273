"""The sixth walk's commands on the production desk, and its view of what they left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import define, evolve

from phoenix_core.acts import exits as carrying
from phoenix_core.acts import operate, timed
from phoenix_core.acts.broker_said import Said
from phoenix_core.acts.due import due
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus, ExecutionSaid, Held, LinkEvent, LinkSaid, OrderSaid, Snapshot
from phoenix_core.gate.statements import ResolveStalled, StalledEnd
from phoenix_core.kernel import Command as Asked
from phoenix_core.trade.order_life import Known
from phoenix_core.values import Money, Quantity, Role
from phoenix_core.watch.drift import Cause
from phoenix_core.world import World
from tests.chaos.model import played
from tests.chaos.model.leaving_played import NAME
from tests.chaos.model.nights import Night
from tests.chaos.model.played import ACCOUNT, PAIRS, SECOND, SIGN, WORDS, Asks, Play, Played
from tests.chaos.model.rules import Command

NIGHT: Final = timedelta(hours=20)  # past any midnight
SILENT: Final = timedelta(minutes=2)
ROLES: Final = {"E": Role.ENTRY, "S": Role.STOP, "T": Role.TARGET}


@define
class InNights(Played):
    """A desk to which each command comes on its own day."""

    later: timedelta = timedelta(0)  # than the command comes: of one that is more than a moment
    human: timedelta = SECOND * 200  # when a human looks next, at pictures of that time

    def world(self, command: Command) -> World:
        """The world of that day."""
        asks = super().world(command._replace(slow=0, fit=True))
        silent = SILENT if command.name == "stalls" and command.late else SECOND
        over = silent + self.later + (NIGHT if command.slow else timedelta(0))
        now = asks.now.plus(over)
        quotes = {pair: evolve(quote, at=now) for pair, quote in asks.quotes.items()}
        return evolve(asks, now=now, quotes=quotes)

    def copied(self) -> InNights:
        """The same desk apart."""
        same = super().copied()
        return InNights(same.desk, same.verified, same.screens, same.count, same.session, human=self.human)


def _known(p: Played, role: Role) -> Known:
    known = p.order(0, role)
    assert known is not None, f"there is no {role}"
    return known


def _status(p: Played, role: Role, status: BrokerStatus, completed: bool = False) -> OrderSaid:
    return evolve(p._word(_known(p, role), status), completed=completed, filled=Quantity(Decimal(0)))


def _open(role: Role) -> Play:
    return lambda p, i, c: [p.say(_status(p, role, BrokerStatus.SUBMITTED))]


def _done(role: Role) -> Play:
    """A completed order; of a refused one TWS says Inactive. Its status knows no quantity."""

    def play(p: Played, i: int, c: Command) -> Asks:
        status = BrokerStatus.INACTIVE if c.picture == "REJECTED" else BrokerStatus(c.picture)
        return [p.say(_status(p, role, status, completed=True))]

    return play


def _lot(p: Played, n: int) -> Asked:
    return p.execution(_known(p, Role.ENTRY), f"lot{n}", p.lot(0))


def _executes(p: Played, i: int, c: Command) -> Asks:
    return [_lot(p, n) for n in range(_lots(p, p.did(_known(p, Role.ENTRY))), c.lots)]


def _leaves(p: Played, i: int, c: Command) -> Asks:
    stop = _known(p, Role.STOP)
    return [p.execution(stop, "all", Quantity(p.lot(0) * c.lots - p.did(stop)))]


def _lots(p: Played, quantity: Decimal) -> int:
    counted = quantity / p.lot(0)
    assert counted == int(counted), "whole lots alone are traded here"
    return int(counted)


def _seen(p: Played, c: Command) -> Asked:
    """A whole picture: what is held, what works, and what of the entry was executed today."""
    shows, lots, _ = c.picture.split()
    at = p.world(c).now
    held = (Held(PAIRS[0], SIGN * p.lot(0) * c.lots),) if c.lots else ()
    orders = tuple(_status(p, ROLES[name], BrokerStatus.SUBMITTED) for name in shows if name in ROLES)
    first, last = map(int, lots.split("-"))
    told = (_lot(p, n) for n in range(first, last))
    today = tuple(said.fact for said in told if isinstance(said, Said) and isinstance(said.fact, ExecutionSaid))
    equity = Money(Decimal(100_000))
    return p.say(Snapshot(p.session, at, at, True, held, orders, today, equity, "USD", account=ACCOUNT.tag))


def _pictures(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
    yield from _two(p, c, SECOND * 60)


def _two(p: Played, c: Command, begin: timedelta) -> Iterator[Asked | str]:
    assert isinstance(p, InNights), "pictures take time"
    for p.later in (begin, begin + SECOND * 40):
        yield _seen(p, c)
    p.later = timedelta(0)


def _gone(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
    assert isinstance(p, InNights), "as above"
    yield from _two(p, c, p.human)
    p.human += SECOND * 100
    p.later = p.human
    yield p.sign(ResolveStalled(NAME, StalledEnd.CANCELLED, WORDS), p.desk.head.size, p.world(c).now)
    owed = [key for key, effect in p.desk.owed.of(CarryOut).items() if effect.type == ResolveStalled.type]
    for key in owed[-1:]:
        yield carrying.Carry(p.fresh("carry"), *key)
    p.later = timedelta(0)


def _stalls(p: Played, i: int, c: Command) -> Asks:
    """What is due to an order of which nobody knows."""
    asked = [x for x in due(p.desk, p.world(c).now) if isinstance(x, timed.Stall) and x.position_id == NAME]
    return list(asked) or ["STATE"]


def _begin(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
    p.session += 1
    yield operate.TakeLease(p.fresh("lease"), "boot", "run")
    yield p.say(LinkSaid(LinkEvent.CONNECTED, p.session, (ACCOUNT,)))
    yield p.say(LinkSaid(LinkEvent.SYNCHRONISED, p.session, (ACCOUNT,)))


PLAYS: Final[Mapping[str, Play]] = {
    **{name: played.PLAYS[name] for name in ("submit", "expire", "frame_sent", "manage", "restore")},
    "stalls": _stalls,
    "entry_open": _open(Role.ENTRY),
    "entry_done": _done(Role.ENTRY),
    "executes": _executes,
    "stop_open": _open(Role.STOP),
    "target_open": _open(Role.TARGET),
    "stop_done": _done(Role.STOP),
    "target_done": _done(Role.TARGET),
    "leaves": _leaves,
    "pictures": _pictures,
    "gone": _gone,
    "begin": _begin,
}


def play(p: Played, command: Command) -> str:
    """Ask the production desk; what it grants or leaves is folded. The family of its last refusal, or nothing."""
    return played.answered(p, PLAYS, command)


def approved(p: Played) -> InNights:
    """This desk once a human has approved its first intent."""
    begin = Command("lease")
    assert not p.play(0, begin)
    for name in ("propose", "assemble", "approve"):
        assert not p.play(0, Command(name, version=1 if name == "approve" else 0)), name
    return InNights(p.desk, p.verified, p.screens, p.count, p.session)


# --- the model's view -------------------------------------------------------------------------------------------------


def night_of(p: Played) -> Night:
    """The intent, as the desk has it."""
    whole = played.intent_of(p, 0)
    entry = p.order(0, Role.ENTRY)
    totals = p.desk.fills.totals(NAME)
    drifts = [drift for drift in p.desk.drifts.open.values() if drift.instrument == PAIRS[0]]
    refs = {known.ref: name for name, role in ROLES.items() if (known := p.order(0, role)) is not None}
    stops = [known for known in p.desk.orders.of(NAME) if known.role is Role.STOP]
    return Night(
        state=whole.state,
        token=whole.token,
        of_run=whole.of_run,
        owed=whole.owed,
        entry=whole.order,
        acked=whole.acked,
        mine=entry is not None and entry.recorded_seq > p.desk.tenure.epoch,
        stop=_exit(p, Role.STOP),
        target=_exit(p, Role.TARGET),
        got=0 if entry is None else _lots(p, totals.entered),
        out=0 if entry is None else _lots(p, totals.exited),
        placed=len(stops) > 1,
        off=any(not drift.refs for drift in drifts),
        loose=any(drift.cause == Cause.ORPHAN_EXIT.value for drift in drifts),
        lost=tuple(sorted({refs[ref] for d in drifts if d.cause != Cause.ORPHAN_EXIT.value for ref in d.refs})),
    )


def _exit(p: Played, role: Role) -> str:
    known = p.order(0, role)
    if known is None:
        return ""
    if known.end is not None:
        return "END"
    return "WORKS" if known.acknowledged else "ASKED"
