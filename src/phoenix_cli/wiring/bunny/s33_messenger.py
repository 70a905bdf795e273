"""S33, wave 3: alerts that do not get through, or come in floods. The messenger's real client, a real HTTP server."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from phoenix_cli.wiring.bunny.bot_server import BotServer, bot_server
from phoenix_cli.wiring.bunny.s32_broker import raised
from phoenix_cli.wiring.bunny.witness import MESSENGER, Vector, Witness
from phoenix_core.acts.operate import RaiseKill
from phoenix_core.beads import Alert, AlertEvent, KillKind
from phoenix_core.facts import ErrorSaid
from phoenix_core.values import State
from phoenix_core.watch.codes import Code

if TYPE_CHECKING:  # the client is an extra: where it is missing these vectors are not run, and all others are
    from phoenix_adapters.notify.telegram import TelegramNotifier

# A server that hangs is given up after so long; what that costs, the vector pays in real time.
WITHIN_S: Final = 0.3


@contextmanager
def messenger(witness: Witness) -> Iterator[tuple[BotServer, TelegramNotifier]]:
    """A messenger's server on loopback, and its client as the desk uses it, on the vector's clock."""
    from phoenix_adapters.notify.telegram import TelegramNotifier, telegram_of

    with bot_server() as server:
        client = telegram_of(server.environment())
        assert client is not None, "the environment names a bot"

        def ticks() -> float:
            return witness.desks[-1].clock.now().ticks.total_seconds() if witness.desks else 0.0

        yield server, TelegramNotifier(client.token, client.chat, client.api_url, ticks, WITHIN_S)


async def telegram_timeout(witness: Witness) -> None:
    """The messenger is blocked: alerts wait, are tried again without haste, and the desk goes on."""
    with messenger(witness) as (server, channel):
        server.always = "hang"
        desk = await witness.desk(notifiers=(channel,))
        intent = await desk.enter()
        _ = desk.act(RaiseKill(desk.fresh(), "strategy:other", "a drill", "signalman", KillKind.SIGNALMAN)).unwrap()
        await desk.watch(120, 1)
        witness.holds("no crash: the desk traded meanwhile", desk.state(intent) is State.MANAGED)
        _ = witness.shown(desk, "the alert is in the log", Alert, lambda a: raised(Code.KILL_RAISED, a))
        witness.never(desk, "nothing is claimed to be told", Alert, lambda a: a.event is AlertEvent.SENT)
        witness.holds("it waits in the outbox", bool(desk.desk.alerts.unsent))
        witness.holds("it was tried again, and the server not hammered", 2 <= server.asked <= 20)
        witness.holds("and says why", channel.trouble == "no answer in time")
        server.always = ""
        await desk.watch(60, 1)
        sent = witness.shown(desk, "once unblocked it is told", Alert, lambda a: a.event is AlertEvent.SENT)
        witness.holds("all of it", not desk.desk.alerts.unsent, sent)
        told = [text for text in server.texts if "Kill flag raised" in text]
        witness.holds("the server has the kill once", len(told) == 1)
        witness.holds("and the log says of each alert once that it was told", _told_once(desk.bodies(Alert)))


def _told_once(alerts: list[Alert]) -> bool:
    sent = Counter(alert.alert for alert in alerts if alert.event is AlertEvent.SENT)
    return bool(sent) and max(sent.values()) == 1


async def telegram_flood(witness: Witness) -> None:
    """Fifty alerts in a minute: a handful of messages with all of them in it; what is CRITICAL does not wait."""
    with messenger(witness) as (server, channel):
        desk = await witness.desk(notifiers=(channel,))
        await desk.watch(30)
        server.texts.clear()
        for n in range(50):
            desk.broker.tell(ErrorSaid(f"flood:{n}", desk.broker.session(), 30_000 + n, "a warning"))
            if n == 25:
                before = len(server.texts)
                _ = desk.act(RaiseKill(desk.fresh(), "desk", "a drill", "signalman", KillKind.SIGNALMAN)).unwrap()
            await desk.tick(1.2)
            if n == 25:
                urgent = [text for text in server.texts[before:] if text.startswith("CRITICAL")]
                alone = len(urgent) == 1 and re.fullmatch(r"CRITICAL .*\nlog \d+:[0-9a-f]{16}", urgent[0]) is not None
                witness.holds("a CRITICAL in the flood is with the server at once, alone", alone)
        minute = len(server.texts)
        witness.holds("not swamped: at most 8 messages in the minute", 0 < minute <= 8)
        await desk.watch(30, 1)
        flood = witness.shown(desk, "50 alerts were raised", Alert, lambda a: raised(Code.BROKER_WARNING, a))
        witness.holds("exactly 50", len(flood) == 50)
        sent = [a.alert for a in desk.bodies(Alert) if a.event is AlertEvent.SENT]
        ours = {a.alert for a in desk.bodies(Alert) if raised(Code.BROKER_WARNING, a) or raised(Code.KILL_RAISED, a)}
        witness.holds("every one of them was told, once", len(ours) == 51 and all(sent.count(one) == 1 for one in ours))
        longest = max(len(text.splitlines()) for text in server.texts)
        witness.holds("aggregated: no message has more than eleven lines", longest <= 11)


VECTORS = (
    Vector("CV_S33_7_TELEGRAM_TIMEOUT", 3, "The messenger is blocked.", telegram_timeout, MESSENGER),
    Vector("CV_S33_8_TELEGRAM_REAL_FLOOD", 3, "Fifty alerts in one minute.", telegram_flood, MESSENGER),
)
