"""S33, wave 6: the wrong account, too many orders at once, a parameter changed behind the shadow's back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from returns.pipeline import is_successful

from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_cli.wiring.bunny.live import LiveStage
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.s32_life import STRATEGY, asked, earned
from phoenix_cli.wiring.bunny.s32_tokens import because
from phoenix_cli.wiring.bunny.stage import START, Stage
from phoenix_cli.wiring.bunny.witness import BOTH, Vector, Witness, one_after_the_other
from phoenix_core.acts.operate import ChangeConfig, ReportShadow
from phoenix_core.beads import (
    Alert,
    ChangeType,
    ConfigChange,
    IbkrSession,
    Order,
    OrderEvent,
    Position,
    PositionEvent,
    Promotion,
    SessionEvent,
    Shadow,
    ShadowEvent,
    T2Token,
    TokenEvent,
)
from phoenix_core.refusals import Reason
from phoenix_core.trust.revalidation import VECTORS_IN_SWEEP, sweep_result
from phoenix_core.values import Account, SecType, State, plain
from phoenix_core.watch.codes import Code
from phoenix_core.watch.pacing import BURST_MAX, BURST_WINDOW, MESSAGES_MAX

LIVE_ACCOUNT = Account("b" * 64, "U...567")
# So that the margin of all eleven fits into the account.
UNITS: Final = {SecType.CASH: 40_000, SecType.STOCK: 20}
GATEWAY_MAX: Final = 50  # messages in a second
ARRIVAL: Final = timedelta(milliseconds=300)  # by so much a busy host may read the first frame late


async def account_mismatch(witness: Witness) -> None:
    """The broker says that this is another account, of real money: nothing is sent, and no token is spent."""
    desk = await witness.desk()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    ours, desk.broker.account = desk.broker.account, LIVE_ACCOUNT
    said = desk.present(desk.token(intent), intent)
    witness.holds("the submit guard refuses", not is_successful(said))
    witness.holds("first of all for the account", said.failure().headline is Reason.ACCOUNT_MISMATCH)
    witness.once(desk, "and that is kept", T2Token, lambda t: because(Reason.ACCOUNT_MISMATCH, t))
    await desk.tick()
    gone = PositionEvent.WITHDRAWN
    mismatch = Reason.ACCOUNT_MISMATCH.value
    witness.once(desk, "the intent ends", Position, lambda p: p.event is gone and mismatch in p.reasons)
    _ = witness.shown(
        desk, "an alert with RB-004", Alert, lambda a: raised(Code.GUARD_VIOLATION, a) and a.runbook == "RB-004"
    )
    witness.never(desk, "no token was spent", T2Token, lambda t: t.event is TokenEvent.USED)
    witness.never(desk, "no order was recorded", Order)
    witness.holds("nothing reached the broker", desk.sent == 0)
    desk.broker.account = ours
    twin = await desk.enter()
    witness.holds("its honest twin, on its own account, goes", desk.state(twin) is State.MANAGED)


async def pacing_violation(witness: Witness) -> None:
    """Eleven brackets at once, 33 frames: they leave at the pace that the broker takes, whole, and all of them."""
    desk = await witness.desk()
    intents = [await _propose_on(desk, symbol) for symbol in MIDS]
    await desk.tick()
    for intent in intents:
        _ = desk.approve(intent).unwrap()
    await desk.tick(0.1)
    first = desk.sent
    witness.holds("not all at once", 0 < first <= BURST_MAX)
    for _ in range(40):
        await desk.tick(0.1)
    witness.holds("all of them went", [desk.state(i) for i in intents] == [State.MANAGED] * len(intents))
    sent = [bead for bead in desk.beads() if isinstance(bead.body, Order) and bead.body.event is OrderEvent.SENT]
    times = [bead.ts for bead in sent]
    places = [bead.seq for bead in sent]
    witness.holds("33 frames", len(times) == 3 * len(intents), places)
    witness.holds("never more than 8 in 0.2 s", _most(times, BURST_WINDOW) <= BURST_MAX)
    witness.holds("never more than 45 in a second", _most(times, timedelta(seconds=1)) <= MESSAGES_MAX)
    witness.never(desk, "no bracket was cut in two", Order, lambda o: o.event is OrderEvent.DROPPED)
    witness.once(desk, "a warning", Alert, lambda a: raised(Code.PACING_LIMITED, a))
    witness.never(desk, "and no word of ours being too fast", Alert, lambda a: raised(Code.PACING_VIOLATION, a))


async def gateway_pacing(witness: Witness) -> None:
    """The same before the gateway, which counts for itself: 50 messages in a second, and who speaks faster is told."""
    async with witness.gateway(symbols=tuple(MIDS)) as desk:
        intents = [await _propose_on(desk, symbol, UNITS[CARDS[symbol].sec_type]) for symbol in MIDS]
        for intent in intents:
            _ = desk.approve(intent).unwrap()
        went = await desk.until(lambda: all(desk.state(intent) is State.MANAGED for intent in intents))
        witness.holds("all of them went", went)
        times = [one.t for one in desk.frames if desk.is_place(one)]
        witness.holds("the gateway read 33 order frames", len(times) == desk.sent == 3 * len(intents))
        took = max(times, default=START) - min(times, default=START)
        witness.holds("not all at once, by its clock", took >= BURST_WINDOW * (len(times) // BURST_MAX) - ARRIVAL)
        heard = [one.t for one in desk.frames if one.dir == "in"]
        most = _most(heard, timedelta(seconds=1))
        witness.holds("never more than 50 messages of any kind in a second", most <= GATEWAY_MAX)
        witness.holds("it never said that we are too fast", not desk.said(100))
        witness.never(desk, "and did not hang up", IbkrSession, lambda s: s.event is SessionEvent.DISCONNECT)
        witness.never(desk, "no frame was dropped", Order, lambda o: o.event is OrderEvent.DROPPED)
        witness.once(desk, "a warning", Alert, lambda a: raised(Code.PACING_LIMITED, a))
        witness.never(desk, "and no word of ours being too fast", Alert, lambda a: raised(Code.PACING_VIOLATION, a))


async def _propose_on(desk: Stage | LiveStage, symbol: str, units: int | None = None) -> str:
    """An intent on any card, at the price where its market stands."""
    mid, tick = MIDS[symbol], CARDS[symbol].tick
    desk.price(plain(mid - tick), plain(mid + tick), symbol)
    steps = (Decimal(0), Decimal(-80), Decimal(160))
    entry, stop, target = (plain(mid + n * tick) for n in steps)
    size = {} if units is None else {"quantity": str(units)}
    return await desk.propose(pair=symbol, entry=entry, stop=stop, target=target, **size)


def _most(times: list[datetime], window: timedelta) -> int:
    """The most frames in any window that begins with one of them."""
    return max(sum(first <= at < first + window for at in times) for first in times)


async def param_change(witness: Witness) -> None:
    """A parameter of the strategy changes: the shadow begins anew, five vectors are owed, and nothing is promoted."""
    desk = await witness.desk()
    await earned(desk)
    change = ChangeConfig(desk.fresh(), ChangeType.CSO_PARAM, STRATEGY, "cso", "fvg_min", "0.4", "0.5", "operator")
    _ = desk.act(change).unwrap()
    await desk.tick()
    (made,) = desk.bodies(ConfigChange)
    witness.once(desk, "CONFIG_CHANGE", ConfigChange, lambda c: (c.old_value, c.new_value) == ("0.4", "0.5"))
    witness.holds("it names the five vectors of the sweep", len(made.vectors) == VECTORS_IN_SWEEP)
    restart = made.shadow_restart_id
    restarted = ShadowEvent.RESTARTED
    witness.once(desk, "the shadow restarts", Shadow, lambda s: s.event is restarted and s.id == restart)
    witness.holds("its sessions count from zero", not desk.desk.promotions.shadow.get(STRATEGY))
    witness.once(desk, "an alert", Alert, lambda a: raised(Code.REVALIDATION_STARTED, a))
    no = asked(desk)
    witness.holds("no promotion meanwhile", no is not None and Reason.REVALIDATION_OPEN in no.reasons)
    (owed,) = desk.desk.changes.latest.values()
    verdicts = dict.fromkeys(made.vectors, True)
    failed = sweep_result(owed, verdicts | {made.vectors[0]: False})
    _ = desk.act(ReportShadow(desk.fresh(), failed)).unwrap()
    witness.once(desk, "a vector that fails extends", Alert, lambda a: raised(Code.VALIDATION_EXTENDED, a))
    _ = desk.act(ReportShadow(desk.fresh(), sweep_result(owed, verdicts))).unwrap()
    await earned(desk, sessions=20)
    longer = asked(desk)
    witness.holds("by five sessions", longer is not None and "20 of 25" in longer.detail)
    witness.never(desk, "no PROMOTION", Promotion)


VECTORS = (
    Vector("CV_S33_13_ACCOUNT_MISMATCH", 6, "An order on the wrong account.", account_mismatch),
    Vector(
        "CV_S33_14_PACING_VIOLATION",
        6,
        "Orders faster than the broker takes them.",
        one_after_the_other(pacing_violation, gateway_pacing),
        BOTH,
    ),
    Vector("CV_S33_15_PARAM_CHANGE_REVALIDATE", 6, "A parameter of the strategy changes.", param_change),
)
