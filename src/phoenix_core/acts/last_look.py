"""The last look, and the only maker of a `ClearedOrder`: no broker accepts anything else.

It is asked inside `store.hold()`, in the same step that hands the frames to the transport, after every queue of ours.
For an entry all thirteen lights are read again; for an exit X1 to X4. What it clears, it clears as a whole.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

from attrs import field, frozen
from returns.result import Failure, Result, Success

from phoenix_core.acts.lights import entry_lights, paper_validated
from phoenix_core.beads import Decision
from phoenix_core.desk import Desk
from phoenix_core.effects import SendOrder
from phoenix_core.facts import Snapshot
from phoenix_core.gate import guards
from phoenix_core.gate.guards import verdict
from phoenix_core.gate.statements import Close, Statement, read_statement
from phoenix_core.orders import Frame, order_hash
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason, Refusal, merged, refusal
from phoenix_core.trade import exits, protection
from phoenix_core.trade.exits import Stake
from phoenix_core.trade.positions import Open
from phoenix_core.values import (
    ARITHMETIC,
    WALL_BACK_MAX,
    ZERO,
    Account,
    Moment,
    Quantity,
    SecType,
    State,
    instant,
    times,
)
from phoenix_core.watch.drift import blocking
from phoenix_core.watch.market_hours import MarketStatus, market_status, session_refusal
from phoenix_core.world import World

_SEAL: Final = object()


@frozen
class ClearedOrder:
    """Frames that passed the last look of this very moment. Only `clear` can make one."""

    position_id: str
    ref: str
    frames: tuple[Frame, ...]
    group: str
    is_entry: bool
    _seal: object = field(repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Passing the gate is a type, and this is the only door to it."""
        assert self._seal is _SEAL, "only the last look clears an order"


def clear(desk: Desk, key: tuple[int, int], send: SendOrder, world: World) -> Result[ClearedOrder, Refusal]:
    """Judge an owed hand-over now, on the desk as it stands at the head that is held."""
    if not desk.owed.owes(key, send):
        return Failure(refusal(Reason.NOTHING_TO_DO, detail="this order is not owed"))
    position = desk.positions.open.get(send.position_id)
    if position is None:
        return Failure(refusal(Reason.UNKNOWN_POSITION, detail=send.position_id))
    no = _entry_refusal(desk, position, send, world) if send.is_entry else _exit_refusal(desk, position, send, world)
    if no is not None:
        return Failure(no)
    return Success(ClearedOrder(send.position_id, send.ref, send.frames, send.group, send.is_entry, _SEAL))


def _entry_refusal(desk: Desk, position: Open, send: SendOrder, world: World) -> Refusal | None:
    if position.state is not State.SUBMITTED or position.order_ref != send.ref:
        return refusal(Reason.WRONG_STATE, detail=f"{position.state} is no state to send an entry in")
    shown = desk.evidence.latest(position.intent_id)
    approved = shown.evidence.order_hash if shown is not None else ""
    other, words = None, "these frames are not the order that was approved"
    if order_hash(tuple([frame.line for frame in send.frames])) != approved:
        other = refusal(Reason.TOKEN_WRONG_ORDER, detail=words)
    whole = exits.bracket_refusal(send.frames)
    return merged((other, whole, verdict(entry_lights(desk, position, world, spent=True))))


def exit_lights(desk: Desk, world: World) -> tuple[Refusal | None, ...]:
    """X3: liveness, account, port, mode, lease. Without a link nobody says whose account it is, which is no news."""
    genesis = desk.genesis
    account = guards.account_light(genesis.mode, Account(genesis.account, genesis.account_mask), world.accounts)
    return (
        None if world.link.up else refusal(Reason.LINK_DOWN, detail="nobody is connected to the broker"),
        account if world.link.up or world.accounts else None,
        guards.port_light(genesis.mode, world.port),
        guards.mode_light(genesis.mode, world.run.mode, world.run.allow_live, paper_validated(desk, world)),
        guards.lease_light(world.run.epoch, -1 if desk.tenure.released else desk.tenure.epoch),
    )


def placeable(desk: Desk, stake: Stake, frames: tuple[Frame, ...], world: World, typed: bool = False) -> Refusal | None:
    """What X3 and X4 say of exits before they are recorded: what the last look will refuse is not asked of it."""
    there = shown_of(desk, stake, world)
    typed = typed and (there is None or bool(blocking(desk.drifts, stake.position.pair)))
    judged = (*exit_lights(desk, world), exits.x4_refusal(stake, frames, there, typed))
    return merged(judged)


def restorable(desk: Desk, stake: Stake, world: World) -> Refusal | None:
    """Why the protection of the mandate is not placed now, as far as nobody signs for it.

    Of a stock, what the broker ended by itself waits for the market to open: it could execute no sooner, and a split or
    an exchange of shares ends orders at night, before the account shows what they became.
    """
    others = beside(desk, stake.position, world)
    no = protection.placing_refusal(stake, world.snapshot, world.link.session, others)
    if no is not None or not protection.was_ended_unasked(stake):
        return no
    pair = stake.position.pair
    card = world.instruments.get(pair)
    if card is None or card.sec_type is not SecType.STOCK:
        return None
    closed = market_status(card, world.now.wall, world.hours.get(pair)) is MarketStatus.CLOSED
    return session_refusal(MarketStatus.CLOSED) if closed else None


def shown_of(desk: Desk, stake: Stake, world: World) -> Decimal | None:
    """What this session's last whole picture shows of a position; None while there is none."""
    others = beside(desk, stake.position, world)
    return exits.pictured(compared(stake, world), world.snapshot, world.link.session, others)


def compared(stake: Stake, world: World) -> Stake:
    """A stake as the last picture can be held against it. What bears the stamp of an hour to come was executed before:
    the wall ran ahead then, and was set right since. It would else count as executed since every picture, until the
    wall had caught up, and no close of what is left could leave for as long. Of what ended then only a human decides
    whether a picture is later: a wrong yes would place protection beside protection."""
    latest = world.now.wall + WALL_BACK_MAX
    if world.snapshot is None or world.snapshot.began.wall > latest:
        return stake
    before = world.snapshot.began.wall - timedelta(microseconds=1)
    fills = tuple(evolve(fill, at=before) if fill.at > latest else fill for fill in stake.fills)
    return evolve(stake, fills=fills)


def part_of(desk: Desk, stake: exits.Stake, world: World, size: Quantity, seq: int) -> exits.Part:
    """A close of a typed size beside what the picture shows; what exits took and did not tell is of their own sizes."""
    shown = shown_of(desk, stake, world)
    return exits.Part(size, seq, None if shown is None else ARITHMETIC.add(shown, stake.unbooked()))


def _exit_refusal(desk: Desk, position: Open, send: SendOrder, world: World) -> Refusal | None:
    stake = exits.stake_of(position, desk.orders, desk.fills)
    lights = exit_lights(desk, world)
    recorded = signed_exit(desk, send.mandate)
    signed = recorded[1] if recorded is not None else None
    there = shown_of(desk, stake, world)
    typed = signed is not None and isinstance(signed.says, Close) and signed.says.quantity is not None
    doubtful = there is None or bool(blocking(desk.drifts, position.pair))
    return exits.exit_refusal(
        stake,
        send.frames,
        send.mandate,
        signed_moment(*recorded) if recorded is not None else None,
        world.now,
        there,
        lights,
        typed and doubtful,
        None if there is None or world.snapshot is None else world.snapshot.began.wall,
    )


def baseline_of(desk: Desk, symbol: str) -> Decimal:
    """What was held in an instrument before Phoenix was."""
    return reduce(ARITHMETIC.add, (h.quantity for h in desk.genesis.baseline if h.symbol == symbol), ZERO)


def beside(desk: Desk, position: Open, world: World) -> Decimal:
    """What the last picture shows of an instrument that is not this position's: what was held before Phoenix was, and
    what other positions of ours held when it began. What they share is there once, and no two exits may count on it."""
    before = baseline_of(desk, position.pair)
    if world.snapshot is None:
        return before
    return ARITHMETIC.add(before, booked_at(desk, position.pair, world.snapshot, position.position_id))


def booked_at(desk: Desk, pair: str, snapshot: Snapshot, apart: str = "") -> Decimal:
    """What positions of ours held in an instrument, signed, when a picture began; all of them, or all but one."""
    began = snapshot.began.wall
    names = dict.fromkeys((*desk.positions.by_pair.get(pair, ()), *desk.fills.flat))
    found = ((name, desk.positions.find(name)) for name in names if name != apart)
    held = (
        times(Decimal(fill.side.sign), fill.quantity)
        for name, position in found
        if position is not None and position.pair == pair
        for fill in desk.fills.of(name)
        if fill.stated or fill.at < began
    )
    return reduce(ARITHMETIC.add, held, ZERO)


def signed_moment(recorded: Decision, statement: Statement) -> Moment:
    """Since when a signed command lives: by the wall since its signature, by the second clock since it was recorded."""
    return instant(statement.at, recorded.ticks, recorded.boot)


def signed_exit(desk: Desk, mandate: str | None) -> tuple[Decision, Statement] | None:
    """The signed command that an exit names as its right to exist, as it was recorded and as it reads."""
    if mandate is None or not mandate.startswith("decision:"):
        return None
    recorded = desk.approvals.recent.get(int(mandate.partition(":")[2]))
    return (recorded, read_statement(recorded.signed.statement.encode())) if recorded is not None else None
