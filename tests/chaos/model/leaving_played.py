"""The fourth walk's commands on the production desk, and its view of what they left: each exit by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from attrs import evolve

from phoenix_adapters.brokers.mock.market import MIDS
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_core.acts import exits as carrying
from phoenix_core.acts import operate
from phoenix_core.beads import Resolution
from phoenix_core.effects import CarryOut
from phoenix_core.facts import BrokerStatus, ErrorSaid, FrameSaid, LinkEvent, LinkSaid
from phoenix_core.gate.statements import Close, ResolveDrift
from phoenix_core.kernel import Command as Asked
from phoenix_core.trade.order_life import Known, Standing
from phoenix_core.trade.positions import position_id_of
from phoenix_core.values import Price, Quantity, Role
from phoenix_core.watch.alerts import may_raise
from phoenix_core.watch.codes import Code
from tests.chaos.model import played
from tests.chaos.model.exits import EXITS, LOTS, Exit, Position
from tests.chaos.model.leaving import Leaving
from tests.chaos.model.played import (
    ACCOUNT,
    INTENTS,
    LOT,
    NOW,
    PAIRS,
    SIGN,
    SIGNALS,
    SLOW,
    WORDS,
    Asks,
    Play,
    Played,
)
from tests.chaos.model.rules import Command

ROLES: Final = {"entry": Role.ENTRY, "stop": Role.STOP, "target": Role.TARGET, "close": Role.CLOSE}
NO_CHANGE: Final = 105  # the order does not match the one that it would change
NAME: Final = position_id_of(INTENTS[0])
It = TypeVar("It", bound=Position)


def _known(p: Played, name: str) -> Known:
    known = p.order(0, ROLES[name])
    assert known is not None, f"there is no {name}"
    return known


def _quantity(lots: int) -> Quantity:
    return Quantity(Decimal(lots * LOT))


def _word(p: Played, name: str, status: BrokerStatus, lots: int, total: int, moved: bool = False) -> Asked:
    known = _known(p, name)
    echo = evolve(known.line, quantity=_quantity(total))
    if moved:
        assert echo.trigger is not None, "the stop alone is moved here"
        echo = evolve(echo, trigger=Price(echo.trigger - Decimal("0.001") * SIGN))
    return p.say(evolve(p._word(known, status), filled=_quantity(lots), echo=echo))


def _says(name: str) -> Play:
    return lambda p, i, c: [_word(p, name, BrokerStatus.SUBMITTED, c.lots, c.total, c.picture == "MOVED")]


def _ends(name: str) -> Play:
    def play(p: Played, i: int, c: Command) -> Asks:
        status = BrokerStatus.FILLED if c.lots == c.total else BrokerStatus.CANCELLED
        return [_word(p, name, status, c.lots, c.total, c.picture == "MOVED")]

    return play


def _fills(name: str) -> Play:
    return lambda p, i, c: [_lot(p, name, n) for n in range(c.lots)]


def _lot(p: Played, name: str, n: int) -> Asked:
    return p.execution(_known(p, name), f"lot{n}", _quantity(1))


def _refuses(name: str) -> Play:
    def play(p: Played, i: int, c: Command) -> Asks:
        return [p.say(ErrorSaid(p.fresh("message"), p.session, NO_CHANGE, "no such change", _known(p, name).ref))]

    return play


def _states(name: str) -> Play:
    """Two pictures show a lot less; a human names the execution by its own id, as the broker's papers do."""

    def play(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
        known, stated = _known(p, name), Price(MIDS[PAIRS[0]])
        for _ in range(2):
            yield p.say(p.picture("LOT", c.lots))
        drift = next((d for d in p.desk.drifts.open.values() if d.instrument == PAIRS[0] and not d.refs), None)
        if drift is None:
            return
        n = sum(fill.family.startswith(f"{known.ref}.") for fill in p.desk.fills.of(NAME))
        name_of = f"{known.ref}.lot{n}.01"
        says = ResolveDrift(drift.identity, Resolution.PHOENIX_CORRECTED, WORDS, name_of, _quantity(1), stated)
        yield p.sign(says, p.desk.head.size)
        owed = [key for key, effect in p.desk.owed.of(CarryOut).items() if effect.type == ResolveDrift.type]
        for key in owed[-1:]:
            yield carrying.Carry(p.fresh("carry"), *key)

    return play


def _connected(p: Played) -> Iterator[Asked | str]:
    p.session += 1
    yield p.say(LinkSaid(LinkEvent.CONNECTED, p.session, (ACCOUNT,)))
    yield p.say(LinkSaid(LinkEvent.SYNCHRONISED, p.session, (ACCOUNT,)))


def _session(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
    yield p.say(LinkSaid(LinkEvent.LOST, p.session, detail="cut"))
    yield from _connected(p)


def _begin(p: Played, i: int, c: Command) -> Iterator[Asked | str]:
    yield operate.TakeLease(p.fresh("lease"), "boot", "run")
    yield from _connected(p)


def _dropped(p: Played, i: int, c: Command) -> Asks:
    pair = [known for role in (Role.STOP, Role.TARGET) if (known := p.order(i, role)) is not None]
    return [p.say(FrameSaid(known.ref, known.revision, False, 1)) for known in pair]


def _entry_fills(p: Played, i: int, c: Command) -> Asks:
    return [_lot(p, "entry", LOTS - 1), _word(p, "entry", BrokerStatus.FILLED, LOTS, LOTS)]


PLAYS: Final[Mapping[str, Play]] = {
    **played.PLAYS,
    **{f"{name}_says": _says(name) for name in EXITS},
    **{f"{name}_fills": _fills(name) for name in EXITS},
    **{f"{name}_ends": _ends(name) for name in EXITS},
    **{f"{name}_refuses": _refuses(name) for name in EXITS},
    **{f"states_{name}": _states(name) for name in EXITS},
    "entry_fills": _entry_fills,
    "entry_ends": lambda p, i, c: [_word(p, "entry", BrokerStatus.CANCELLED, LOTS - 1, LOTS)],
    "resize_dropped": _dropped,
    "session": _session,
    "begin": _begin,
}


def play(p: Played, command: Command) -> str:
    """Ask the production desk; what it grants or leaves is folded. The family of its last refusal, or nothing."""
    return played.answered(p, PLAYS, command)


def held(p: Played, part: bool) -> Played:
    """This desk once its first intent is held and protected: all three lots, or two while the third may still fill."""
    calm = Command("found")
    begin: tuple[Asked, ...] = (
        operate.TakeLease(p.fresh("lease"), "boot", "run"),
        proposal_of("", SIGNALS[0] + f"quantity: '{LOTS * LOT}'\n".encode(), "bot"),
    )
    for asked in begin:
        assert not p._carry_out(asked, calm)
    for name in ("assemble", "approve", "submit", "frame_sent", "ack"):
        assert not p.play(0, Command(name, version=1 if name == "approve" else 0)), name
    for n in range(LOTS - part):
        assert not p._carry_out(_lot(p, "entry", n), calm)
    if not part:
        assert not p._carry_out(_word(p, "entry", BrokerStatus.FILLED, LOTS, LOTS), calm)
    for name in ("stop", "target"):
        assert not p._carry_out(_word(p, name, BrokerStatus.SUBMITTED, 0, LOTS), calm)
    return p


# --- the model's view -------------------------------------------------------------------------------------------------


def leaving_of(p: Played) -> Leaving:
    """The position, as the desk has it."""
    signed = closes_signed(p)
    wish = "SIGNED" if p.asked_for(0, Close.type) is not None else "SPENT" if signed else ""
    return position_of(p, Leaving, _exit)._replace(wish=wish, signed=signed)


def closes_signed(p: Played) -> int:
    """How many closes of it were signed."""
    return sum(d.type == Close.type and d.subject == NAME for d in p.desk.approvals.recent.values())


def position_of(p: Played, walk: type[It], exit_of: Callable[[Played, str], Exit]) -> It:
    """What the fourth and the fifth walk see of it alike."""
    desk, position = p.desk, p.position(0)
    assert position is not None
    totals, entry = desk.fills.totals(NAME), _known(p, "entry")
    orders, latest = desk.orders.of(NAME), [p.order(0, role) for role in (Role.STOP, Role.TARGET, Role.CLOSE)]
    closes = [known for known in orders if known.role is Role.CLOSE]
    groups = {known.group for known in orders if known.role in (Role.STOP, Role.TARGET)}
    works = "" if entry.end is not None else "WORKS" if entry.cancel_requested is None else "ENDING"
    return walk(
        state=position.state.value,
        got=_lots(totals.entered),
        out=_lots(totals.exited),
        entry=works,
        stop=exit_of(p, "stop"),
        target=exit_of(p, "target"),
        close=exit_of(p, "close"),
        joined=bool(closes) and closes[-1].group in groups,
        closes=len(closes),
        again=len({known.group for known in orders if known.role is Role.STOP}) > 1,
        told=not may_raise(desk.alerts, Code.PROTECTION_LOST, NAME, NOW.wall),
        gone=sum(_lots(max(Decimal(0), k.told - p.did(k))) for k in orders if k.role.is_exit and k not in latest),
    )


def _lots(quantity: Decimal) -> int:
    counted = quantity / LOT
    assert counted == int(counted), "whole lots alone are traded here"
    return int(counted)


def _exit(p: Played, name: str) -> Exit:
    known = p.order(0, ROLES[name])
    asked_to_end = None if known is None else known.cancel_requested
    return exit_of(p, known, 0 if asked_to_end is None else 1 + (asked_to_end.wall - NOW.wall) // SLOW)


def exit_of(p: Played, known: Known | None, ends: int) -> Exit:
    """One exit, as the desk has it: both walks count its end otherwise."""
    if known is None:
        return Exit()
    told = [fill for fill in p.desk.fills.of(NAME) if not fill.ref and fill.family.startswith(f"{known.ref}.")]
    did, said, stated = _lots(p.did(known)), _lots(known.filled), sum(_lots(fill.quantity) for fill in told)
    if known.end is not None:
        return Exit("END", did=did, said=said, stated=stated, stuck=known.change_refused, ends=ends)
    frame = _frame(p, known)
    return Exit(
        way=_way(p, known),
        total=_lots((known.frames[0].line if known.echo is None else known.echo).quantity),
        asked=_lots(known.line.quantity),
        frame=frame,
        most=_lots(known.quantity_at_most) if frame else 0,
        did=did,
        said=said,
        stated=stated,
        stuck=known.change_refused,
        ends=ends,
        back=_lots(known.frames[-2].line.quantity) if frame else 0,
        changes=known.revision - 1,
    )


def _way(p: Played, known: Known) -> str:
    if known.acknowledged:
        return "WORKS"
    what = Role.CLOSE if known.role is Role.CLOSE else Role.STOP
    return played._owed(p, 0, what) or known.standing.value


def _frame(p: Played, known: Known) -> str:
    """A change of it that the broker has not answered."""
    if known.answered or known.revision == 1:
        return ""
    owed = p.owed(0, Role.STOP)
    if owed is not None and any((frame.ref, frame.revision) == (known.ref, known.revision) for frame in owed[1].frames):
        return played._owed(p, 0, Role.STOP)
    if known.standing is Standing.UNKNOWN:
        return "UNKNOWN"
    if known.session < p.session:
        return "PAST"
    return "HEARD" if known.standing is Standing.WORKING else "SENT"
