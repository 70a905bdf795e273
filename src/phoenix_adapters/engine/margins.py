"""What the broker says that the next order would do to the margin, asked before a human sees the order.

A question is no order. It is asked in the background, and nothing waits for its answer but the evidence of the very
intent that it is about, and that for two seconds at most: what is not known by then is shown as not known, and blocks
nothing. Of an order that may not be approved as it stands nobody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Final

from attrs import Factory, define

from phoenix_core.acts.propose import Assemble, LookAgain
from phoenix_core.beads import Evidence
from phoenix_core.desk import Desk
from phoenix_core.facts import Margin, Weighed
from phoenix_core.gate.evidence import blocks, is_weighed
from phoenix_core.kernel import Command, decide
from phoenix_core.orders import Line
from phoenix_core.ports import Broker, Clock
from phoenix_core.rulings import Ruling
from phoenix_core.world import World

# A human who was alerted needs longer to reach the screen; a broker that takes longer is asked again by the next one.
PATIENCE: Final = timedelta(seconds=2)
# Each is a message at the broker. A flood of intents must not stand in front of the pictures that the desk lives by.
AT_ONCE_MAX: Final = 4


@define
class Margins:
    """What this run was told, what it has asked, and what waits for it; all of it by intent."""

    broker: Broker
    clock: Clock
    spawn: Callable[[Coroutine[object, object, None]], None]
    told: Mapping[str, Weighed] = {}  # replaced and never changed: a world that was handed out stays as it was
    _asking: set[str] = Factory(set)
    _since: dict[str, timedelta] = Factory(dict)

    def holds(self, command: Command, desk: Desk, world: Callable[[], World]) -> bool:
        """Whether this command makes evidence that is to wait a moment, because the broker is asked about its order.

        Where it would leave nothing it is not carried out either: nothing is all that it would do.
        """
        if not isinstance(command, Assemble | LookAgain) or not self.broker.tells_margin:
            return False
        seen = world()
        ruling = decide(desk, command, seen)
        shown = _evidence_of(ruling)
        if shown is None:
            return not ruling.drafts
        intent, entry = command.intent_id, shown.lines[0]
        useless = blocks(shown) or seen.run.exits_only or not seen.link.synchronised
        if useless or is_weighed(self.told.get(intent), entry, seen.now) or self._is_late(intent):
            _ = self._since.pop(intent, None)
            return False
        if intent not in self._asking and len(self._asking) < AT_ONCE_MAX:
            self._asking.add(intent)
            self.spawn(self._ask(intent, entry))
        return True

    def _is_late(self, intent: str) -> bool:
        """Whether it has waited for long enough; it waits from now on where it did not."""
        now = self.clock.now().ticks
        if intent not in self._since:
            # What was taken back while it waited waits no more.
            self._since = {one: since for one, since in self._since.items() if now - since <= PATIENCE} | {intent: now}
        return now - self._since[intent] >= PATIENCE

    async def _ask(self, intent: str, entry: Line) -> None:
        """No answer is an answer too: it is not asked for again at once."""
        at = self.clock.now()
        try:
            said = await self.broker.margin(entry)
        finally:
            self._asking.discard(intent)
        young = {one: told for one, told in self.told.items() if is_weighed(told, told.entry, at)}
        self.told = {**young, intent: Weighed(entry, at, said or Margin())}


def _evidence_of(ruling: Ruling) -> Evidence | None:
    return next((draft.body for draft in ruling.drafts if isinstance(draft.body, Evidence)), None)
