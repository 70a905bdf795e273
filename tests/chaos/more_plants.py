"""More planted bugs, of the kind that nobody listed: each thing that the desk promises, left out or turned round once.

As in `plants.py` each is one production function replaced, and names the invariants that must notice it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from attrs import evolve
from returns.pipeline import is_successful

from phoenix_adapters.beads.memory import MemoryStore
from phoenix_adapters.brokers.ibkr.translate import Accounts
from phoenix_adapters.engine import loop, recorder
from phoenix_adapters.engine.link import LinkKeeper
from phoenix_core import kernel
from phoenix_core.acts import after, broker_said, due, exits, lights
from phoenix_core.acts.exits import Restore
from phoenix_core.acts.timed import LiftByRule
from phoenix_core.beads import (
    Alert,
    AlertEvent,
    Draft,
    Execution,
    ExecutionEvent,
    KillFlag,
    KillKind,
    Position,
    PositionEvent,
    ReconciliationResolution,
    Resolution,
    T2Token,
    TokenEvent,
)
from phoenix_core.effects import CancelOrder
from phoenix_core.facts import ExecutionSaid, LinkEvent, Snapshot
from phoenix_core.gate import evidence, guards, kill_flags, limits, tokens
from phoenix_core.trade import exits as exit_rules
from phoenix_core.trade import protection
from phoenix_core.trade.executions import Totals
from phoenix_core.trade.fills import execution
from phoenix_core.values import Money, OrderRef, Price, Quantity, State
from phoenix_core.watch import compare
from tests.chaos.plants import Plant, _unlit

Patch = pytest.MonkeyPatch


def _nothing(*_: object, **__: object) -> None:
    """No light, no refusal."""


def _judged(patch: Patch, change: Callable[[Any, Any, Any, Any], Any]) -> None:
    """Change every ruling on its way to the log: (desk, command, world, ruling) -> ruling."""
    judge = kernel.decide
    patch.setattr(
        recorder, "decide", lambda desk, command, world: change(desk, command, world, judge(desk, command, world))
    )


def _without(patch: Patch, drops: Callable[[Any], bool]) -> None:
    """Beads of a kind are forgotten on their way to the log."""
    _judged(patch, lambda desk, command, world, ruling: evolve(ruling, drafts=_kept(ruling.drafts, drops)))


def _kept(drafts: Iterable[Draft], drops: Callable[[Any], bool]) -> tuple[Draft, ...]:
    return tuple(draft for draft in drafts if not drops(draft.body))


# --- what was listed, and had no plant --------------------------------------------------------------------------------


def _late_use(patch: Patch) -> None:
    """M3: a token is marked as used with whatever is recorded next, which is after its order has left."""
    held: list[Draft] = []

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        used = [d for d in ruling.drafts if isinstance(d.body, T2Token) and d.body.event is TokenEvent.USED]
        drafts = (*held, *(draft for draft in ruling.drafts if draft not in used))
        if ruling.drafts:
            held[:] = used
        return evolve(ruling, drafts=drafts if ruling.drafts else ())

    _judged(patch, change)
    patch.setattr(loop, "clear", _unlit)


def _told_twice(patch: Patch) -> None:
    """M14: one transition leaves two beads."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        again = [d for d in ruling.drafts if isinstance(d.body, Position) and d.body.event is PositionEvent.SUBMITTED]
        return evolve(ruling, drafts=(*ruling.drafts, *again))

    _judged(patch, change)
    patch.setattr("phoenix_core.trade.positions._assert_legal", _nothing)


def _host_zone(patch: Patch) -> None:
    """M18: a time that came without its zone is read as that of a host one hour away."""
    whole = execution

    def read(said: Any, *more: Any) -> Any:
        return whole(evolve(said, at=said.at + timedelta(hours=1)), *more)

    for module in (broker_said, after):
        patch.setattr(module, "execution", read)


def _leaves(patch: Patch) -> None:
    """X2: the desk leaves a position by itself, although neither a policy nor a human said so."""
    for module in (due, exits):
        patch.setattr(module, "leaves_on_time", lambda desk, position, now: position.state is State.MANAGED)


def _other_stop(patch: Patch) -> None:
    """X2: protection that is placed again stands at other prices than the mandate's."""
    lines = protection.protection_lines

    def placed(entry: Any, quantity: Any, stop: Any, target: Any) -> Any:
        return lines(entry, quantity, Price(stop + entry.side.sign * Decimal("-0.0100")), target)

    patch.setattr(protection, "protection_lines", placed)


def _bare(patch: Patch) -> None:
    """D4: protection is lost, and nobody is told."""
    _without(patch, lambda body: isinstance(body, Alert) and body.code == "PROTECTION_LOST")


def _unmasked(patch: Patch) -> None:
    """I24: the broker's words come in with the account's number."""
    patch.setattr(Accounts, "masked", lambda self, text: text)


# --- approvals and tokens ---------------------------------------------------------------------------------------------


def _other_evidence(patch: Patch) -> None:
    """A token names another evidence than the one that was signed."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        drafts = tuple(
            evolve(draft, body=evolve(draft.body, evidence_hash=draft.body.order_hash))
            if isinstance(draft.body, T2Token) and draft.body.event is TokenEvent.ISSUED
            else draft
            for draft in ruling.drafts
        )
        return evolve(ruling, drafts=drafts)

    _judged(patch, change)


def _wall_only(patch: Patch) -> None:
    """A token's life is read off the wall alone."""
    patch.setattr(tokens, "is_over", lambda since, now, span: now.wall - since.wall >= span)


def _ticks_only(patch: Patch) -> None:
    """A token's life is read off the second clock alone."""
    patch.setattr(tokens, "is_over", lambda since, now, span: now.ticks - since.ticks >= span)


# --- kills ------------------------------------------------------------------------------------------------------------


def _scopeless(patch: Patch) -> None:
    """Only a kill of the whole desk stops anything."""
    patch.setattr(
        kill_flags, "active", lambda flags, *a: tuple(f for f in flags.standing.values() if f.scope == kill_flags.DESK)
    )


def _by_time(patch: Patch) -> None:
    """A one-way kill comes down by itself."""
    may = kill_flags.may_lift

    def lift(flag: Any, now: Any, grounds: Any) -> Any:
        old = flag.type is KillKind.ONE_WAY and now.wall - flag.raised_at > timedelta(minutes=1)
        return None if old else may(flag, now, grounds)

    patch.setattr(kill_flags, "may_lift", lift)
    ask = due.due

    def asked(desk: Any, now: Any) -> Any:
        flags = [f for f in desk.kill_flags.standing.values() if f.type is KillKind.ONE_WAY]
        old = [f for f in flags if now.wall - f.raised_at > timedelta(minutes=1)]
        return (*(LiftByRule(due._id("lift", f.flag), f.flag) for f in old), *ask(desk, now))

    patch.setattr("phoenix_core.acts.due.due", asked)


def _early_lift(patch: Patch) -> None:
    """A temporary kill comes down at the next refresh, whatever its time."""
    patch.setattr(kill_flags, "_by_time_and_refresh", lambda flag, now, grounds: None)


def _no_latch(patch: Patch) -> None:
    """The halt file is not looked at."""
    whole = kill_flags.kill_refusal
    patch.setattr(kill_flags, "kill_refusal", lambda flags, strategy, pair, latch: whole(flags, strategy, pair, False))


def _no_drift_kill(patch: Patch) -> None:
    """Critical drift raises no kill."""
    _without(patch, lambda body: isinstance(body, KillFlag) and body.type is KillKind.DRIFT)


# --- what may go in ---------------------------------------------------------------------------------------------------


def _no_limits(patch: Patch) -> None:
    """No limit of the policy stops an entry."""
    patch.setattr(limits, "_exceeded", lambda *a: iter(()))


def _two_owners(patch: Patch) -> None:
    """An instrument may have several positions."""
    patch.setattr(limits, "_busy", lambda *a: iter(()))


def _any_loss(patch: Patch) -> None:
    """The daily loss limit stops nothing."""
    patch.setattr(limits, "daily_loss_reached", lambda *a: False)
    patch.setattr(due, "daily_loss_reached", lambda *a: False)


def _any_price(patch: Patch) -> None:
    """An entry leaves at whatever price there is."""
    patch.setattr(lights, "price_refusal", _nothing)


def _any_hour(patch: Patch) -> None:
    """An entry leaves at whatever hour it is."""
    patch.setattr(lights, "session_refusal", _nothing)


def _any_account(patch: Patch) -> None:
    """Nobody asks whose login this is."""
    patch.setattr(guards, "account_light", _nothing)


def _in_the_window(patch: Patch) -> None:
    """The declared restart of the gateway stops nothing."""
    whole = guards.link_light
    patch.setattr(guards, "link_light", lambda ready, age, window, skew: whole(ready, age, False, skew))


def _any_skew(patch: Patch) -> None:
    """The broker's clock may say what it likes."""
    whole = guards.link_light
    patch.setattr(guards, "link_light", lambda ready, age, window, skew: whole(ready, age, window, timedelta(0)))


def _no_resync(patch: Patch) -> None:
    """A session that opened counts as synchronised."""
    note = LinkKeeper.note

    def noted(self: Any, said: Any) -> None:
        note(self, said)
        self.synchronised = self.synchronised or said.event is LinkEvent.CONNECTED

    patch.setattr(LinkKeeper, "note", noted)
    patch.setattr(lights, "is_reconciled", lambda *a: True)


# --- exits ------------------------------------------------------------------------------------------------------------


def _wrong_way(patch: Patch) -> None:
    """The stop of a bracket is on the side of its entry."""
    lines = evidence.with_exits

    def turned(entry: Any, stop: Any, target: Any) -> Any:
        first, second, third = lines(entry, stop, target)
        return (first, evolve(second, side=entry.side), third)

    patch.setattr(evidence, "with_exits", turned)
    patch.setattr("phoenix_core.acts.last_look.exits.bracket_refusal", _nothing)


def _grown_target(patch: Patch) -> None:
    """A target is placed for twice what is held."""
    lines = protection.protection_lines

    def placed(entry: Any, quantity: Any, stop: Any, target: Any) -> Any:
        first, second = lines(entry, quantity, stop, target)
        return (first, evolve(second, quantity=Quantity(2 * quantity)))

    patch.setattr(protection, "protection_lines", placed)
    patch.setattr(exit_rules, "x1_refusal", _nothing)
    patch.setattr(exit_rules, "x4_refusal", _nothing)


def _placed_twice(patch: Patch) -> None:
    """Protection is placed beside the one that stands."""
    ask, done = due._due_to_protection, set[str]()

    def asked(desk: Any, position: Any, now: Any) -> Any:
        yield from ask(desk, position, now)
        if position.position_id not in done and desk.fills.of(position.position_id):
            done.add(position.position_id)
            yield Restore(due._id("twice", position.position_id), position.position_id)

    patch.setattr(due, "_due_to_protection", asked)
    patch.setattr(protection, "placing_refusal", _nothing)
    patch.setattr(exit_rules, "x1_refusal", _nothing)
    patch.setattr(exit_rules, "x4_refusal", _nothing)


def _anybodys(patch: Patch) -> None:
    """What is cancelled is not what was recorded."""
    perform = loop.Engine._perform_one

    def performed(self: Any, key: Any, effect: Any) -> None:
        wrong = isinstance(effect, CancelOrder)
        perform(self, key, evolve(effect, ref=OrderRef(effect.ref[:-1] + "x")) if wrong else effect)

    patch.setattr(loop.Engine, "_perform_one", performed)


# --- what the broker said ---------------------------------------------------------------------------------------------


def _yesterdays(patch: Patch) -> None:
    """A picture of the session before is believed."""
    whole = compare.why_unknown
    patch.setattr(compare, "why_unknown", lambda book, snapshot: whole(book, evolve(snapshot, session=book.session)))


def _counted_whole(patch: Patch) -> None:
    """A part of a fill counts as the whole."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        drafts = tuple(
            evolve(draft, body=evolve(draft.body, filled_quantity=draft.body.requested_quantity))
            if isinstance(draft.body, Position) and draft.body.event is PositionEvent.FILLED
            else draft
            for draft in ruling.drafts
        )
        return evolve(ruling, drafts=drafts)

    _judged(patch, change)


def _late_words(patch: Patch) -> None:
    """What is told of a position that has ended is nobody's."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        fact = getattr(command, "fact", None)
        late = isinstance(fact, ExecutionSaid) and desk.positions.ended_of_ref(fact.ref) is not None
        return evolve(ruling, drafts=()) if late else ruling

    _judged(patch, change)


def _unnoticed(patch: Patch) -> None:
    """More is filled than was ordered, and no drift says so."""
    patch.setattr(after, "is_news", lambda *a: False)


def _free(patch: Patch) -> None:
    """Commissions are left out of what a position came to."""
    patch.setattr(Totals, "commission", lambda self, currency: Money(Decimal(0)))


def _rich(patch: Patch) -> None:
    """A position came to more than its executions brought in."""
    honest = after._in_account
    patch.setattr(after, "_in_account", lambda *said: Money(honest(*said) + Decimal("0.05")))


def _other_price(patch: Patch) -> None:
    """An execution is recorded at a price of our own liking."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        drafts = tuple(
            evolve(draft, body=evolve(draft.body, price=Price((draft.body.price or Decimal(0)) + Decimal("0.0001"))))
            if isinstance(draft.body, Execution) and draft.body.event is ExecutionEvent.FILL
            else draft
            for draft in ruling.drafts
        )
        return evolve(ruling, drafts=drafts)

    _judged(patch, change)


# --- drift, alerts, checkpoints ---------------------------------------------------------------------------------------


def _heals(patch: Patch) -> None:
    """Drift closes itself when the next picture agrees."""

    def change(desk: Any, command: Any, world: Any, ruling: Any) -> Any:
        if not isinstance(getattr(command, "fact", None), Snapshot) or not is_successful(ruling.result):
            return ruling
        closed = (
            Draft(ReconciliationResolution(d.bead_id, d.identity, Resolution.BROKER_CORRECTED, "desk", "0", True))
            for d in desk.drifts.open.values()
        )
        return evolve(ruling, drafts=(*ruling.drafts, *closed))

    _judged(patch, change)


def _deduplicated(patch: Patch) -> None:
    """An alert of a kind that was told once is not told again, however critical."""
    told = set[str]()

    def drops(body: Any) -> bool:
        drift = isinstance(body, Alert) and body.event is AlertEvent.RAISED and body.code.startswith("DRIFT")
        again = drift and body.code in told
        told.update({body.code} if drift else ())
        return again

    _without(patch, drops)


def _other_root(patch: Patch) -> None:
    """What leaves the host is not the root of this log."""
    whole = MemoryStore.root
    patch.setattr(MemoryStore, "root", lambda self, size=None: whole(self, size)[::-1])


MORE_PLANTS: Final = (
    Plant("M3-late", "a token consumed after the send", ("I2", "I3"), _late_use, 2),
    Plant("M14-twice", "two beads for one transition", ("I5",), _told_twice, 2),
    Plant("M18", "a time is read as the host's", ("I17",), _host_zone, 2),
    Plant("X2", "a close that nobody signed", ("X2",), _leaves, 2),
    Plant("other-stop", "protection placed again at other prices", ("X2",), _other_stop, 4),
    Plant("D4", "protection is lost in silence", ("D4",), _bare, 5),
    Plant("I24", "the account's number is written down", ("I24",), _unmasked, 2),
    Plant("other-evidence", "a token names another evidence than was signed", ("I2",), _other_evidence),
    Plant("scopeless", "a kill of a strategy or an instrument is ignored", ("I14",), _scopeless, 4),
    Plant("by-time", "a one-way kill comes down by itself", ("I14",), _by_time),
    Plant("early-lift", "a temporary kill comes down early", ("I14",), _early_lift, 20),
    Plant("no-latch", "the halt file is not looked at", ("I14",), _no_latch, 2),
    Plant("no-drift-kill", "critical drift raises no kill", ("E5",), _no_drift_kill, 2),
    Plant("no-limits", "no limit stops an entry", ("C5",), _no_limits, 13),
    Plant("two-owners", "an instrument has several owners", ("C5",), _two_owners, 4),
    Plant("any-price", "the price is not looked at", ("C4", "I16"), _any_price, 6),
    Plant("any-hour", "the hour is not looked at", ("C3",), _any_hour, 23),
    Plant("any-account", "the login is not looked at", ("I15", "X3"), _any_account, 11),
    Plant("any-skew", "the broker's clock is ignored", ("I16",), _any_skew),
    Plant("wrong-way", "a stop on the side of its entry", ("X4",), _wrong_way, 2),
    Plant("grown-target", "a target of twice the size", ("X1", "X4"), _grown_target, 4),
    Plant("placed-twice", "protection beside the one that stands", ("X1",), _placed_twice, 2),
    Plant("anybodys", "a cancel of what is not ours", ("I15",), _anybodys, 3),
    Plant("yesterdays", "a picture of the session before is believed", ("I13",), _yesterdays, 17),
    Plant("counted-whole", "a part counts as the whole", ("I8", "I11"), _counted_whole, 11),
    Plant("late-words", "words after an end are dropped", ("I10",), _late_words, 13),
    Plant("unnoticed", "an overfill is not noticed", ("I8", "I12"), _unnoticed, 46),
    Plant("free", "an autopsy without its costs", ("S26",), _free, 2),
    Plant("rich", "an autopsy of more than its executions came to", ("S26",), _rich, 2),
    Plant("other-price", "an execution at another price than it had", ("I8",), _other_price, 2),
    Plant("heals", "drift closes itself", ("I12",), _heals, 4),
    Plant("deduplicated", "a critical alert is told once in a life", ("I18",), _deduplicated, 2),
    Plant("other-root", "a checkpoint of another log", ("I7",), _other_root),
    Plant("wall-only", "a token lives by the wall alone", ("I17",), _wall_only, scene="six minutes by the ticks"),
    Plant("ticks-only", "a token lives by the ticks alone", ("I17",), _ticks_only, scene="six minutes by the wall"),
    Plant("in-the-window", "the restart window is ignored", ("I16",), _in_the_window, scene="in the restart window"),
    Plant("no-resync", "a session counts as synchronised", ("I16",), _no_resync, scene="a session opens"),
    Plant("any-loss", "the daily loss limit is ignored", ("C5",), _any_loss, scene="a day of losses"),
)
