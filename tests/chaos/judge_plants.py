"""Planted bugs that the judges once passed over: what a picture that was not whole may say, beats, messages, reasons.

As in `plants.py` each is one production function replaced, and names the invariants that must notice it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.brokers.ibkr.translate import Accounts
from phoenix_adapters.engine import loop, recorder, telling
from phoenix_core import kernel
from phoenix_core.acts import due, reconcile
from phoenix_core.acts.operate import Observe
from phoenix_core.acts.timed import Withdraw
from phoenix_core.beads import About, Beat, Health, Heartbeat, Observation, Signal
from phoenix_core.gate import tokens
from phoenix_core.kernel import clear
from phoenix_core.refusals import Reason, refusal
from phoenix_core.rulings import denied
from phoenix_core.values import Severity
from phoenix_core.watch import session
from phoenix_core.watch.alerts import next_messages
from phoenix_core.watch.compare import Agreement, compare
from phoenix_core.watch.drift import Cause, Divergence
from tests.chaos.more_plants import _judged, _without
from tests.chaos.plants import Plant

Patch = pytest.MonkeyPatch
SECONDS: Final = timedelta(seconds=1)


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


# --- time -------------------------------------------------------------------------------------------------------------


def _other_span(module: Any, name: str, span: Any) -> Any:
    """A span of another length."""
    return lambda patch: patch.setattr(module, name, span)


def _hasty(patch: Patch) -> None:
    """A token is called over after a minute."""
    over = tokens.life_over

    def soon(token: Any, now: Any, epoch: Any) -> Any:
        old = now.ticks - token.issued.ticks >= timedelta(minutes=1)
        return over(token, now, epoch) or (Reason.TOKEN_EXPIRED if old else None)

    patch.setattr(tokens, "life_over", soon)


def _waits(patch: Patch) -> None:
    """What nobody decided is never taken back."""
    patch.setitem(kernel._HANDLERS, Withdraw, lambda *_: denied(refusal(Reason.NOTHING_TO_DO)))


# --- a log that takes nothing -----------------------------------------------------------------------------------------


def _latchless(patch: Patch) -> None:
    """Entries stop, and no latch is up for the next run."""
    stop = loop.Engine._stop_entries

    def stopped(self: Any, fault: Any) -> None:
        self.raise_latch = lambda: None
        stop(self, fault)

    patch.setattr(loop.Engine, "_stop_entries", stopped)


def _stops_in_silence(patch: Patch) -> None:
    """Entries stop, and nobody hears of it."""

    async def deliver(self: Any, message: Any) -> None:
        return None

    patch.setattr(telling.Teller, "deliver_without_log", deliver)


JUDGE_PLANTS: Final = (
    Plant("torn-missing", "a torn picture calls missing what it lacks", ("I13",), _missing, 7),
    Plant("torn-differs", "a torn picture differs", ("I13",), _differs, 7),
    Plant("torn-unsaid", "a torn picture leaves nothing", ("I13",), _unsaid, 9),
    Plant("all-well", "every beat says that all is well", ("I19",), _well, 2),
    Plant("no-reason", "an input is refused without a reason", ("I20",), _no_reason),
    Plant("digits", "an account's digits are written down", ("I24",), _digits, 2),
    Plant("quiet", "what is not critical is told to nobody", ("I18",), _quiet),
    Plant("behind", "what is critical waits for a batch", ("I18",), _behind),
    Plant("stalled-early", "STALLED after five seconds", ("I17",), _other_span(due, "STALLED_AFTER", SECONDS * 5), 5),
    Plant(
        "never-stalled", "an order is awaited for ever", ("I17",), _other_span(due, "STALLED_AFTER", SECONDS * 9**6), 25
    ),
    Plant("hasty", "a token is over after a minute", ("I17",), _hasty),
    Plant("waits-for-ever", "an undecided intent is never taken back", ("I17",), _waits, 8),
    Plant(
        "ended-early", "an entry has nine seconds to work", ("I17",), _other_span(due, "WORKING_LIFE", SECONDS * 9), 4
    ),
    Plant(
        "no-backoff", "attempts to connect do not wait", ("I17",), _other_span(session, "BACKOFF", (SECONDS,) * 3), 2
    ),
    Plant("latchless", "a refused append raises no latch", ("I23",), _latchless, 4),
    Plant("stops-in-silence", "a refused append is told to nobody", ("I23",), _stops_in_silence, 4),
    Plant("unread-exit", "an exit leaves on a desk that did not read on", ("X3",), _unread),
)
