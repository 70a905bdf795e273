"""The model's second walk: one intent that fills, and is left, in two lots, before a market that opens and closes.

Its promises and its questions are those of `test_model.py`, and more: protection follows what is held, a part is not
the whole, the rest of an entry is asked to end and has no end by that, and no entry leaves while the market is not
open.
Each bug of one line that is planted here is put into production, in place, and shows as a difference to the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from phoenix_core.acts import after, lights, submit, timed
from phoenix_core.trade import exits, order_life, order_words, protection
from phoenix_core.watch import market_hours
from tests.chaos.model import rules
from tests.chaos.model.compared import Compared
from tests.chaos.model.explore import OPENINGS_BY_LOTS, Exploration
from tests.chaos.model.rules import Command, Intent, Shared, Verdict
from tests.chaos.model.walking import (
    Broken,
    answered_alike,
    by_broken_rules,
    fixtures,
    put_into_production,
    questions,
)
from tests.showing import shows

WORLDS: Final = 25_000

pytestmark = pytest.mark.timeout(300)


walked, compared = fixtures(OPENINGS_BY_LOTS, WORLDS)


@shows("I1", "I2", "I4", "I8", "I9", "X1", "X2", "X3", "X4")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world, lot by lot and hour by hour."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= WORLDS


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """It met a part, a part that left, a pair of the wrong size and every hour; each new rule said yes, and no."""
    asked = questions(walked)
    seen = [intent for _, intent, _ in asked]
    assert {(it.got, it.out) for it in seen} == {(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)}
    assert {it.change for it in seen} == {"", "MINE", "OLD", "SENT", "UNKNOWN"}
    assert {it.size for it in seen} == {0, 1, 2}  # shrunk, and grown by what filled after its end
    assert {it.pair for it in seen} == {"", "ASKED", "STANDS", "ENDING", "GONE"}
    hours = {"submit", "present", "look", "look_close", "look_resize", "resize", "carry", "assemble"}
    assert {(c.name, c.market) for _, _, c in asked} >= {(name, "SOON") for name in hours}
    assert {c.market for _, _, c in asked} == {"OPEN", "SOON", "SHUT", "UNKNOWN"}
    answers = {(c.name, rules.judge(shared, it, c).no) for shared, it, c in asked}
    assert answers >= {("submit", "MARKET"), ("look", "MARKET"), ("present", "MARKET"), ("look_resize", "EXIT")}
    assert answers >= {(name, no) for name in ("rest", "resize") for no in ("", "STATE")}
    always_no = {"present", "withhold", "withhold_close", "withhold_resize"}
    assert {name for name, _ in answers} == {*rules.FENCED, *rules.OPEN} - rules.AGAIN
    assert {name for name, _ in answers} - {name for name, no in answers if not no} == always_no
    waits_for_an_hour = {name for name, no in answers if no == "MARKET"}
    assert waits_for_an_hour == {"submit", "look", "present"}  # no exit does


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration, compared: Compared) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    assert compared.differ == []
    assert answered_alike(walked, compared)


# --- a model whose rules are broken -----------------------------------------------------------------------------------

Rules = dict[str, rules.Rule]


def _open_for_ever(rule: rules.Rule) -> rules.Rule:
    """A rule that takes every hour for an open market."""
    return lambda shared, it, c: rule(shared, it, c._replace(market="OPEN"))


def _whole(rule: rules.Rule) -> rules.Rule:
    """A part that is taken for the whole."""

    def judged(shared: Shared, it: Intent, c: Command) -> Verdict:
        verdict = rule(shared, it, c)
        return verdict._replace(intent=verdict.intent._replace(got=rules.WHOLE, order="FILLED"))

    return judged


def _any_size(rule: rules.Rule) -> rules.Rule:
    """A look at a change that does not look at what is held."""
    return lambda shared, it, c: rule(shared, it._replace(size=0), c)._replace(intent=it)


def _any_pair(rule: rules.Rule) -> rules.Rule:
    """A pair of any size is protection."""

    def judged(shared: Shared, it: Intent, c: Command) -> Verdict:
        verdict = rule(shared, it._replace(stop=it.held, target=it.held), c)
        return verdict._replace(intent=verdict.intent._replace(stop=it.stop, target=it.target))

    return judged


def _of_the_order(rule: rules.Rule) -> rules.Rule:
    """A close for what was ordered."""

    def judged(shared: Shared, it: Intent, c: Command) -> Verdict:
        verdict = rule(shared, it, c)
        whole = verdict.intent._replace(closing=rules.WHOLE) if not verdict.no else verdict.intent
        return verdict._replace(intent=whole)

    return judged


def _asked_is_over(rule: rules.Rule) -> rules.Rule:
    """A rest that was asked to end is taken for ended."""

    def judged(shared: Shared, it: Intent, c: Command) -> Verdict:
        verdict = rule(shared, it, c)
        over = verdict.intent._replace(order="CANCELLED", rest=False)
        gone = over._replace(state="CANCELLED") if not it.got else over
        return verdict if verdict.no else verdict._replace(intent=gone)

    return judged


BROKEN_MODELS: Final[dict[str, tuple[dict[str, tuple[str, Callable[[rules.Rule], rules.Rule]]], str]]] = {
    "the last look does not see the hour": ({"look": ("OPEN", _open_for_ever)}, "C3"),
    "a part is the whole": ({"part": ("FENCED", _whole)}, "I8"),
    "a pair of any size is protection": ({"manage": ("FENCED", _any_pair)}, "D1"),
    "a change is not held against what is held": ({"look_resize": ("OPEN", _any_size)}, "X4"),
    "a rest that was asked to end has ended": ({"rest": ("FENCED", _asked_is_over)}, "I9"),
    "a close for what was ordered, and no last look": (
        {"carry": ("FENCED", _of_the_order), "look_close": ("OPEN", lambda rule: lambda s, i, c: Verdict("", s, i))},
        "X4",
    ),
}


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    broken, promise = BROKEN_MODELS[name]
    for rule, (table_name, break_it) in broken.items():
        table: Rules = getattr(rules, table_name)
        monkeypatch.setitem(table, rule, break_it(table[rule]))
    walk = by_broken_rules(OPENINGS_BY_LOTS, WORLDS)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

_AT_MOST: Final = vars(order_life.Known)["quantity_at_most"].fget

BROKEN_DESKS: Final[dict[str, Broken]] = {
    "a close of what was ordered": (
        exits.close_plan, "Quantity(stake.held)", "stake.position.requested_quantity", ("carry",)),
    "a part is told as the whole": (order_words.end_said, "status is BrokerStatus.FILLED", "filled > 0", ("ack",)),
    "FILLED waits for the whole": (
        after._event_of, "if role.is_exit:", "if role.is_exit or totals.entered < position.requested_quantity:",
        ("part",)),
    "the session light is green": (
        lights.entry_lights, "refusal(Reason.HOURS_UNKNOWN) if status is None else session_refusal(status)", "None",
        ("submit",)),
    "an approval waits for the market": (
        submit._submit, "if no.is_transient:", "if no.is_transient or Reason.MARKET_CLOSED in no.reasons:",
        ("submit",)),
    "closing soon is open": (
        market_hours.market_status, "MarketStatus.CLOSING_SOON if", "MarketStatus.OPEN if", ("submit",)),
    "unknown hours are open": (
        market_hours.market_status, "return MarketStatus.UNKNOWN", "return MarketStatus.OPEN", ("submit",)),
    "the screen is silent about the hour": (
        lights.flags_for, "if session_refusal(status) is not None:", "if False:", ("assemble",)),
    "an exit leaves the rest working": (
        after.after_execution, "if role.is_exit and entry_working", "if False", ("stop_lot",)),
    "a close leaves the rest working": (
        exits.entry_to_cancel, "entry.cancel_requested is not None", "True", ("carry",)),
    "a rest is asked to end twice": (timed._cancel_rest, " or entry.cancel_requested is not None", "", ("rest",)),
    "a pair is never shrunk": (protection.sized, "!= rest)", "< rest)", ("resize",)),
    "a pair is never grown": (protection.sized, "!= rest)", "> rest)", ("resize",)),
    "a pair is shrunk under its parent": (protection.resizes, "and stake.entry_rest > 0", "and False", ("resize",)),
    "a pair is changed beside a close": (protection.resizes, "order.role is Role.CLOSE", "False", ("resize",)),
    "a change crosses the last one": (
        protection.resizes, "all(order.answered and not order.change_refused for order in pair)",
        "not any(order.change_refused for order in pair)", ("resize",)),
    "a pair that is too large is protection": (
        protection.protection_of, "Protection.EXCESS if max(rests) > most", "Protection.EXCESS if False",
        ("pair_stands",)),
    "a pair that is too small is protection": (
        protection.protection_of, "if min(rests) < stake.held:", "if False:", ("manage",)),
    "a change is not held against what is held": (exits._x4, "if rest <= allowed:", "if True:", ("look_resize",)),
    "a pair that grows is as large as it was": (
        _AT_MOST, "return max(said)", "return said[0]", ("resize",)),
    "what executed is forgotten": (
        order_life.Known.rest_after, "ARITHMETIC.subtract(self.quantity_at_most, executed)", "self.quantity_at_most",
        ("stop_lot",)),
    "closed while the entry works": (
        after._over, "all(order.end is not None for order in stake.orders)", "not stake.exits", ("stopped",)),
    "a close that never left is waited for": (
        after.after_drop, "if not position.closing:", "if True:", ("close_dropped",)),
    "a close that was withheld is waited for": (
        submit._withhold, "dropped, told, *over)", "dropped, told)", ("withhold_close",)),
    "a close is not held against what is held": (
        exits._x4, "if rest <= allowed:", "if True:", ("look_close",)),
    "closed by an execution while the entry works": (
        after.after_execution, "not exits and not entry_open", "not exits", ("stopped_backwards",)),
    "exits work on beside nothing": (after._shrunk_to_nothing, "stake.held != 0 or", "True or", ("rest_over",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(
    name: str, walked: Exploration, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison bites: one broken line of production, wherever it is called from, shows as a difference."""
    assert put_into_production(BROKEN_DESKS[name], walked, compared, monkeypatch)
