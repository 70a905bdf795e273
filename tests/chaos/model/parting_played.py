"""The fifth walk's commands on the production desk, and its view of what they left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from phoenix_core.acts import exits as carrying
from phoenix_core.effects import CarryOut
from phoenix_core.facts import Held, Snapshot
from phoenix_core.gate.statements import Close, read_statement
from phoenix_core.trade.order_life import altered
from phoenix_core.values import Moment, Quantity, Role
from phoenix_core.watch.codes import Code
from phoenix_core.world import World
from tests.chaos.model import leaving_played
from tests.chaos.model.exits import Exit, Wish
from tests.chaos.model.leaving_played import NAME, ROLES, _lots, _quantity, closes_signed, exit_of, position_of
from tests.chaos.model.parting import Parting
from tests.chaos.model.played import CLOSE_OVER, NOW, PAIRS, SECOND, SIGN, WORDS, Asks, Play, Played, answered
from tests.chaos.model.rules import Command

STEP: Final = timedelta(seconds=2)
BEFORE: Final = timedelta(milliseconds=500)


class InTime(Played):
    """A desk to which each command comes at its own step of time."""

    def world(self, command: Command) -> World:
        """The world of that step."""
        asks = super().world(command._replace(slow=0, late=False))
        old = self.before() if command.picture == "OLD" else asks.snapshot
        return evolve(asks, now=_at(command), snapshot=old)

    def before(self) -> Snapshot:
        """A whole picture that began after all was held, and before anything that this walk plays."""
        at = NOW.plus(BEFORE)
        fills = (fill for fill in self.desk.fills.of(NAME) if fill.at < at.wall)
        held = sum((fill.quantity for fill in fills), Decimal(0))
        shown = self.picture()
        return evolve(shown, began=at, ended=at, positions=(Held(PAIRS[0], SIGN * held),))

    def copied(self) -> InTime:
        """The same desk apart."""
        same = super().copied()
        return InTime(same.desk, same.verified, same.screens, same.count, same.session)


def _at(command: Command) -> Moment:
    over = CLOSE_OVER if command.late else timedelta(0)
    return NOW.plus(SECOND + STEP * command.slow + over)


def _close(p: Played, i: int, c: Command) -> Asks:
    lots = _quantity(c.lots) if c.lots else None
    return [p.sign(Close(NAME, WORDS, lots), p.desk.head.size, p.world(c).now)]


def _waiting(p: Played) -> list[tuple[int, int]]:
    return [
        key for key, effect in sorted(p.desk.owed.of(CarryOut).items())
        if effect.subject == NAME and effect.type == Close.type
    ]  # fmt: skip


def _carry(p: Played, i: int, c: Command) -> Asks:
    keys = _waiting(p)
    return [carrying.Carry(p.fresh("carry"), *keys[c.version])] if c.version < len(keys) else ["STATE"]


PLAYS: Final[Mapping[str, Play]] = {
    **leaving_played.PLAYS,
    "close": _close,
    "carry": _carry,
}


def play(p: Played, command: Command) -> str:
    """Ask the production desk; what it grants or leaves is folded. The family of its last refusal, or nothing."""
    return answered(p, PLAYS, command)


def in_time(p: Played) -> InTime:
    """The same desk, to which commands come in time from now on."""
    return InTime(p.desk, p.verified, p.screens, p.count, p.session)


# --- the model's view -------------------------------------------------------------------------------------------------


def parting_of(p: Played) -> Parting:
    """The position, as the desk has it."""
    desk, orders = p.desk, p.desk.orders.of(NAME)
    closes = [known for known in orders if known.role is Role.CLOSE]
    return position_of(p, Parting, _exit)._replace(
        typed=bool(closes) and _signed(p, int(closes[-1].mandate.rpartition(":")[2])) is not None,
        wishes=tuple(_wish(p, key) for key in _waiting(p)),
        signed=closes_signed(p),
        unsent=f"{Code.CLOSE_NOT_SENT}|{NAME}" in desk.alerts.by_subject,
        way=max(_step(known.cancel_requested) for known in orders if known.role in (Role.STOP, Role.TARGET)),
    )


def _wish(p: Played, key: tuple[int, int]) -> Wish:
    place = p.desk.owed.of(CarryOut)[key].decision
    decision = p.desk.approvals.recent[place]
    assert decision.ticks is not None, "what is waited for says when it was recorded, on both clocks"
    quantity = _signed(p, place)
    lots = 0 if quantity is None else _lots(quantity)
    return Wish(lots, 1 + (decision.ticks - NOW.ticks) // STEP, 1 + _closes_before(p, place))


def _closes_before(p: Played, place: int) -> int:
    signed = p.desk.approvals.recent.items()
    return sum(seq < place and d.type == Close.type and d.subject == NAME for seq, d in signed)


def _signed(p: Played, place: int) -> Quantity | None:
    says = read_statement(p.desk.approvals.recent[place].signed.statement.encode()).says
    assert isinstance(says, Close), "nothing else is signed here"
    return says.quantity


def _step(at: Moment | None) -> int:
    return 0 if at is None else 1 + (at.wall - NOW.wall) // STEP


def _exit(p: Played, name: str) -> Exit:
    known = p.order(0, ROLES[name])
    if known is None:
        return Exit()
    same = exit_of(p, known, _step(known.cancel_requested))
    if known.end is not None:
        return same
    same = same._replace(moved=bool(altered(known)))
    if known.role is Role.CLOSE:
        return same
    return same._replace(at=_step(known.recorded), after=_closes_before(p, known.recorded_seq))
