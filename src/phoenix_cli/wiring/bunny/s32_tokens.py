"""S32, wave 1: tokens. Reused, too old, on another intent, none at all, two at once: nothing may leave twice."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.engine.recorder import Recorder
from phoenix_cli.wiring.bunny.stage import Stage
from phoenix_cli.wiring.bunny.witness import Vector, Witness
from phoenix_core.acts.submit import Present, bracket_frames
from phoenix_core.beads import (
    About,
    Observation,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    T2Token,
    TokenEvent,
)
from phoenix_core.chain import Head, Sealed
from phoenix_core.effects import SendOrder
from phoenix_core.kernel import ClearedOrder, Command, clear, decide, sealed
from phoenix_core.orders import entry_ref, group_of
from phoenix_core.refusals import Reason
from phoenix_core.rulings import granted
from phoenix_core.values import State


def refused(token: T2Token) -> bool:
    """A use that was refused and changed nothing."""
    return token.event is TokenEvent.REJECTED and not token.final


def because(reason: Reason, token: T2Token) -> bool:
    """A refused use that names this reason."""
    return refused(token) and reason.value in token.reasons


async def token_replay(witness: Witness) -> None:
    """Its first use sends; every later one, by the signature or by the token, is refused and kept."""
    desk = await witness.desk()
    intent = await desk.propose()
    signed = desk.signature(desk.screen(intent).says)
    _ = desk.act(signed).unwrap()
    await desk.tick()
    sent = desk.sent
    witness.once(desk, "the first use sends: the token is USED", T2Token, lambda t: t.event is TokenEvent.USED)
    again = desk.present(desk.token(intent), intent)
    witness.holds("the second use is refused", not is_successful(again))
    witness.holds("because the token is used", Reason.TOKEN_USED in again.failure().reasons)
    witness.once(desk, "T2_TOKEN REJECTED keeps it", T2Token, lambda t: because(Reason.TOKEN_USED, t))
    replayed = desk.act(evolve(signed, command_id=desk.fresh()))
    witness.holds("the same signature again is refused", not is_successful(replayed))
    _ = witness.shown(desk, "and kept", Observation, lambda o: o.about is About.REFUSED_COMMAND and o.subject == intent)
    await desk.watch(10)
    witness.holds("one bracket reached the broker, and no second one", desk.sent == sent == 3)
    witness.once(desk, "one token was issued", T2Token, lambda t: t.event is TokenEvent.ISSUED)


async def token_expired(witness: Witness) -> None:
    """Approved while nobody could send; after five minutes the approval is worth nothing."""
    desk = await witness.desk()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    desk.clock.advance(timedelta(minutes=5))
    said = desk.present(desk.token(intent), intent)
    witness.holds("used after five minutes, it is refused", not is_successful(said))
    witness.holds("as expired", Reason.TOKEN_EXPIRED in said.failure().reasons)
    witness.once(desk, "T2_TOKEN REJECTED keeps the use", T2Token, lambda t: because(Reason.TOKEN_EXPIRED, t))
    await desk.tick()
    witness.once(desk, "T2_TOKEN EXPIRED", T2Token, lambda t: t.event is TokenEvent.EXPIRED)
    witness.once(desk, "the position is over", Position, lambda p: p.event is PositionEvent.TOKEN_EXPIRED)
    witness.holds("CANCELLED", desk.state(intent) is State.CANCELLED)
    witness.holds("nothing reached the broker", desk.sent == 0)
    twin = await desk.propose()
    _ = desk.approve(twin).unwrap()
    desk.clock.advance(timedelta(minutes=4, seconds=58))
    await desk.tick()
    expired = desk.where(T2Token, lambda t: t.event is TokenEvent.EXPIRED and t.intent_id == twin)
    witness.holds("its honest twin, 2 s younger, has not expired", not expired)


async def token_wrong_intent(witness: Witness) -> None:
    """A token of one intent is presented for another; it stays good for its own."""
    desk = await witness.desk()
    mine = await desk.propose()
    other = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2670", target="1.2760")
    _ = desk.approve(mine).unwrap()
    said = desk.present(desk.token(mine), other)
    witness.holds("refused", not is_successful(said))
    witness.holds("for the intent", Reason.TOKEN_WRONG_INTENT in said.failure().reasons)
    witness.once(desk, "T2_TOKEN REJECTED", T2Token, lambda t: because(Reason.TOKEN_WRONG_INTENT, t))
    witness.holds("nothing reached the broker", desk.sent == 0)
    await desk.tick()
    witness.holds("the other intent still waits", desk.state(other) is State.PROPOSED)
    witness.holds("its own order goes", desk.state(mine) is State.MANAGED)
    witness.once(desk, "by that token", T2Token, lambda t: t.event is TokenEvent.USED and t.intent_id == mine)


async def order_without_token(witness: Witness) -> None:
    """No token: not by asking, not by a forged order in the log, not by a forged pass to the broker."""
    desk = await witness.desk()
    intent = await desk.propose()
    said = desk.present("", intent)
    witness.holds("an order with no token is refused", Reason.TOKEN_MISSING in said.failure().reasons)
    witness.once(desk, "T2_TOKEN REJECTED", T2Token, lambda t: because(Reason.TOKEN_MISSING, t))
    witness.holds("a broker takes only what the last look cleared", not _forge_pass())
    seq = _forge_order(desk, intent)
    _ = witness.shown(desk, "an order was forged into the log", Order, lambda o: o.event is OrderEvent.RECORDED)
    await desk.tick()
    owed = [(key, e) for key, e in desk.desk.owed.items() if isinstance(e, SendOrder)]
    cleared = [clear(desk.desk, key, effect, desk.engine.world()) for key, effect in owed]
    witness.holds("the last look refuses it", bool(cleared) and not any(is_successful(c) for c in cleared), [seq])
    await desk.watch(40)
    witness.holds("nothing reached the broker", desk.sent == 0)


def _forge_pass() -> bool:
    try:
        _ = ClearedOrder("p", "r", (), "g", True, object())
    except AssertionError:
        return False
    return True


def _forge_order(desk: Stage, intent: str) -> int:
    """What another process with the log's file could do: append an order that nobody approved."""
    shown, position = desk.desk.evidence.latest(intent), desk.desk.positions.open_of_intent(intent)
    assert shown is not None and position is not None, "a proposed intent has its evidence"
    ref = entry_ref(b"a statement that nobody signed")
    order = Order(
        event=OrderEvent.RECORDED,
        position_id=position.position_id,
        ref=ref,
        frames=bracket_frames(ref, shown.evidence.lines),
        group=group_of(ref, 1),
        mandate=f"evidence:{shown.leaf}",
        token_id="forged",
    )
    head = desk.store.head()
    records = sealed(head, desk.clock.now().wall, desk.fresh(), granted(intent, order))
    _ = desk.store.append(head, records).unwrap()
    return head.size


async def token_race(witness: Witness) -> None:
    """Two processes validate one token on the same head, and both find it good: the log takes one."""
    desk = await witness.desk()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    _ = desk.engine.recorder.catch_up()  # the approval's signature was checked by this run, and nothing was sent yet
    token = desk.token(intent)
    head = desk.store.head()
    both = [Present(desk.fresh(), token, intent) for _ in range(2)]
    rivals = [Recorder(desk.store, desk.engine.world) for _ in both]
    landed = [_decided(rival, command, desk) for rival, command in zip(rivals, both, strict=True)]
    witness.holds("both were decided on one head", all(at == head for at, _ in landed))
    appended = [is_successful(desk.store.append(at, records)) for at, records in landed]
    witness.holds("exactly one landed", sorted(appended) == [False, True])
    loser = rivals[appended.index(False)].act(both[appended.index(False)])
    witness.holds("the other is decided anew, and refused", Reason.TOKEN_USED in loser.failure().reasons)
    witness.once(desk, "one USED", T2Token, lambda t: t.event is TokenEvent.USED)
    witness.once(desk, "one SUBMITTED", Position, lambda p: p.event is PositionEvent.SUBMITTED)
    witness.once(desk, "T2_TOKEN REJECTED for the other", T2Token, lambda t: because(Reason.TOKEN_USED, t))


def _decided(rival: Recorder, command: Command, desk: Stage) -> tuple[Head, tuple[Sealed, ...]]:
    """What a process would append, and the head that it decided on: everything but the append itself."""
    _ = rival.catch_up()
    world = desk.engine.world()
    ruling = decide(rival.desk, command, world)
    return rival.desk.head, sealed(rival.desk.head, world.now.wall, command.command_id, ruling)


VECTORS = (
    Vector("CV_S32_TOKEN_REPLAY", 1, "An approval token is used again.", token_replay),
    Vector("CV_S32_TOKEN_EXPIRED", 1, "A token is used after five minutes.", token_expired),
    Vector("CV_S32_TOKEN_WRONG_INTENT", 1, "A token is used for another intent.", token_wrong_intent),
    Vector("CV_S32_ORDER_WITHOUT_TOKEN", 1, "An order is submitted with no token.", order_without_token),
    Vector("CV_S32_TOKEN_RACE", 1, "Two validate one token at the same moment.", token_race),
)
