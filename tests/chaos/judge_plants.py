"""Planted bugs that the judges once passed over: what a picture that was not whole may say, beats, messages, reasons.

As in `plants.py` each is one production function replaced, and names the invariants that must notice it.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.brokers.ibkr.translate import Accounts
from phoenix_adapters.engine import loop, recorder, telling
from phoenix_core.acts import reconcile
from phoenix_core.acts.operate import Observe
from phoenix_core.beads import About, Beat, Health, Heartbeat, Observation, Signal
from phoenix_core.kernel import clear
from phoenix_core.values import Severity
from phoenix_core.watch.alerts import next_messages
from phoenix_core.watch.compare import Agreement, compare
from phoenix_core.watch.drift import Cause, Divergence
from tests.chaos.more_plants import _judged, _without
from tests.chaos.plants import Plant

Patch = pytest.MonkeyPatch


# --- pictures ---------------------------------------------------------------------------------------------------------


def _unknown(patch: Patch, change: Any) -> None:
    """Change what a run says that knows nothing: (book, snapshot, finding) -> finding."""

    def compared(book: Any, snapshot: Any, *more: Any) -> Any:
        finding = compare(book, snapshot, *more)
        return change(book, snapshot, finding) if finding.agreement is Agreement.UNKNOWN else finding

    patch.setattr(reconcile, "compare", compared)


def _missing(patch: Patch) -> None:
    """What a torn picture does not show is called absent."""
    _unknown(patch, lambda book, snapshot, finding: evolve(finding, absent=tuple(sorted(book.orders))))


def _differs(patch: Patch) -> None:
    """What a torn picture shows of a holding is another size of it."""

    def sized(book: Any, snapshot: Any, finding: Any) -> Any:
        rows = ((symbol, ours) for symbol, ours in book.holdings.items() if ours)
        found = (Divergence(Cause.SIZE, s, {"quantity": str(q)}, {"quantity": "1"}, s) for s, q in rows)
        return evolve(finding, found=tuple(found))

    _unknown(patch, sized)


def _unsaid(patch: Patch) -> None:
    """A picture that was not whole leaves nothing."""

    def drops(body: Any) -> bool:
        return isinstance(body, Observation) and body.facts.get("agreement") == "UNKNOWN"

    _without(patch, drops)


# --- what is said -----------------------------------------------------------------------------------------------------


def _well(patch: Patch) -> None:
    """Every beat says that all is well."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        drafts = tuple(
            evolve(draft, body=evolve(draft.body, status=Beat.HEALTHY, health_state=Health.HEALTHY))
            if isinstance(draft.body, Heartbeat) and draft.body.status is not Beat.MISSED
            else draft
            for draft in ruling.drafts
        )
        return evolve(ruling, drafts=drafts)

    _judged(patch, change)


def _no_reason(patch: Patch) -> None:
    """An input is refused, and nobody says why."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        drafts = tuple(
            evolve(draft, body=evolve(draft.body, reasons=())) if isinstance(draft.body, Signal) else draft
            for draft in ruling.drafts
        )
        return evolve(ruling, drafts=drafts)

    _judged(patch, change)


def _digits(patch: Patch) -> None:
    """Of an account's number only the letters are masked."""
    patch.setattr(Accounts, "masked", lambda self, text: text.replace("DU", "**"))


def _quiet(patch: Patch) -> None:
    """What is not critical is told to nobody."""

    def urgent(*said: Any) -> Any:
        return tuple(message for message in next_messages(*said) if message.severity is Severity.CRITICAL)

    patch.setattr(telling, "next_messages", urgent)


def _behind(patch: Patch) -> None:
    """What is critical waits until a batch has gone."""

    def turned(alerts: Any, *more: Any) -> Any:
        messages = next_messages(alerts, *more)
        batches = tuple(m for m in messages if m.severity is not Severity.CRITICAL)
        return batches or (() if alerts.patient else messages)

    patch.setattr(telling, "next_messages", turned)


# --- the socket -------------------------------------------------------------------------------------------------------


def _unread(patch: Patch) -> None:
    """An exit leaves on a desk that does not know what others wrote meanwhile."""
    whole = loop.Engine._send

    def send(self: Any, key: Any, what: Any) -> None:
        if what.is_entry:
            whole(self, key, what)
            return
        other = recorder.Recorder(self.store, self.world)
        _ = other.wake()
        _ = other.act(Observe(self._command_id("unread"), About.DEMAND, "reconciliation", {}))
        with self.store.hold():
            cleared = clear(self.recorder.desk, key, what, self.world())
            if is_successful(cleared):
                self.broker.hand_over(cleared.unwrap())

    patch.setattr(loop.Engine, "_send", send)


JUDGE_PLANTS: Final = (
    Plant("torn-missing", "a torn picture calls missing what it lacks", ("I13",), _missing, 7),
    Plant("torn-differs", "a torn picture differs", ("I13",), _differs, 7),
    Plant("torn-unsaid", "a torn picture leaves nothing", ("I13",), _unsaid, 9),
    Plant("all-well", "every beat says that all is well", ("I19",), _well, 2),
    Plant("no-reason", "an input is refused without a reason", ("I20",), _no_reason),
    Plant("digits", "an account's digits are written down", ("I24",), _digits, 2),
    Plant("quiet", "what is not critical is told to nobody", ("I18",), _quiet),
    Plant("behind", "what is critical waits for a batch", ("I18",), _behind),
    Plant("unread-exit", "an exit leaves on a desk that did not read on", ("X3",), _unread),
)
