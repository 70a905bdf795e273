"""The model's fourth walk: what is held leaves in parts, and the day ends.

Three lots leave at a stop, a target or a close, one by one; the broker takes each from the others of its group, ends
any of them alone, takes or refuses a change, and tells all that in whatever order, or not at all. Its promises are
about what is true at the broker: no frame that leaves more to execute than is held, nothing that works for what is
closed, and nothing said to protect that does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from phoenix_core.acts import after, attribute, due, last_look
from phoenix_core.acts import exits as carrying
from phoenix_core.trade import executions, exits, order_life, order_words, protection
from tests.chaos.model import exits as model
from tests.chaos.model import leaving
from tests.chaos.model.compared import Compared
from tests.chaos.model.exits import Exit
from tests.chaos.model.explore import OPENINGS_LEAVING, Exploration, left
from tests.chaos.model.leaving import Leaving
from tests.chaos.model.walking import (
    Broken,
    Rules,
    answered_alike,
    breaks,
    by_broken_rules,
    fixtures,
    goes_on,
    leaving_something_else,
    put_into_production,
    questions_about,
    says_yes,
)
from tests.showing import shows

WORLDS: Final = 2_200
ENOUGH: Final = 2_000  # worlds within which a broken rule must show, from near where it does

pytestmark = pytest.mark.timeout(300)

walked, compared = fixtures(OPENINGS_LEAVING, WORLDS)


@shows("I8", "I9", "I10", "X1", "X2", "X3", "X4")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world: whatever leaves in part, ends, is refused, lost, stated or asked for meanwhile."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= WORLDS


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """It met each part of each exit, a change in each of its ways, and each rule said yes, and no."""
    asked = questions_about(Leaving, walked)
    assert len(asked) == len(walked.asked)
    seen = [it for _, it, _ in asked]
    for name in ("stop", "target"):
        each: list[Exit] = [getattr(it, name) for it in seen]
        assert {x.did for x in each} >= {0, 1, 2} and {x.stated for x in each} >= {0, 1}
        assert {x.way for x in each} == {"MINE", "OLD", "SENT", "UNKNOWN", "WORKS", "END"}
        assert any(x.total < x.asked and not x.frame for x in each)  # the broker made it smaller
    assert any(x.stuck for it in seen for x in it.pair)
    frames = {x.frame for it in seen for x in it.pair}
    assert frames == {"", "MINE", "OLD", "SENT", "HEARD", "PAST", "UNKNOWN"}
    assert {it.close.did for it in seen} >= {0, 1, 2} and {it.close.way for it in seen} >= {"", "END", "WORKS", "OLD"}
    assert {(it.got, it.entry) for it in seen} >= {(2, "WORKS"), (2, "ENDING"), (2, ""), (3, "")}
    assert {it.worth(0) for it in seen} == {"FULL", "EXCESS", "SHORT", "NONE", "PENDING", "UNKNOWN"}
    answers = {(c.name, leaving.judge(shared, it, c).no) for shared, it, c in asked}
    assert {name for name, _ in answers} == {*leaving.FENCED, *leaving.OPEN} - {"withhold_again"}  # nothing refuses it
    assert {name for name, no in answers if not no} >= {*leaving.FENCED, *leaving.OPEN} - NEVER
    assert {no for name, no in answers if name == "resize"} == {"", "STATE", "LINK", "EXIT", "PICTURE"}
    words = {word for name, no in answers if name == "turn" for word in no.split()}
    assert words == {"Alarm", "ClearAway", "Resize", "Restore"}


NEVER: Final = {"withhold_resize", "withhold_close", "withhold_again"}  # these carry a refusal themselves


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration, compared: Compared) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    assert compared.differ == []
    assert answered_alike(walked, compared)


def test_a_walk_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """By night, too: kept and taken up again, it knows what it knew, and ends where it would have ended."""
    assert goes_on("-leaving", tmp_path)


# --- a model whose rules are broken -----------------------------------------------------------------------------------


Rule = model.Rule[Leaving]


def _any_age(rule: Rule) -> Rule:
    return lambda shared, it, c: rule(shared, it, c._replace(late=False))


def _of_all(was: Leaving, now: Leaving) -> Leaving:
    return now._replace(close=now.close._replace(total=was.got, asked=was.got)) if now.close != was.close else now


def _both_over(was: Leaving, now: Leaving) -> Leaving:
    return model.over(model.put(now, "target", **model.ENDED))


def _all_left(was: Leaving, now: Leaving) -> Leaving:
    return now._replace(out=now.got)


def _larger(was: Leaving, now: Leaving) -> Leaving:
    pair = {name: getattr(now, name) for name in ("stop", "target")}
    return now._replace(**{n: x._replace(asked=now.got + 1) if x.frame else x for n, x in pair.items()})


CLOSE: Final = ("signs close", "hands in close")
# What is broken, where the walk begins, and the promise.
BROKEN_MODELS: Final[dict[str, tuple[Rules, tuple[str, ...], str]]] = {
    "a part is the whole": ((("FENCED", "target_fills", leaving_something_else(_all_left)),), (), "I8"),
    "one of two that ended is both": (
        (("FENCED", "stop_ends", leaving_something_else(_both_over)),), ("the stop is cancelled", *CLOSE), "X1"),
    "a close of what was entered, and no last look": (
        (("FENCED", "carry", leaving_something_else(_of_all)), ("OPEN", "look_close", says_yes)),
        ("a lot leaves at the target", "target_fills", *CLOSE), "X1"),
    "a change to more than is held, and no last look": (
        (("FENCED", "resize", leaving_something_else(_larger)), ("OPEN", "look_resize", says_yes)),
        ("a lot leaves at the target", "target_fills"), "X1"),
    "the last look does not see the age of a signature": (
        (("OPEN", "look_close", _any_age),), (*CLOSE, "asks for carry"), "X2"),
}  # fmt: skip


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    broken, labels, promise = BROKEN_MODELS[name]
    walk = breaks(leaving, broken, left(*labels), ENOUGH, monkeypatch)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story


def test_what_is_stated_of_nobody_and_forgotten_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were what a human stated of no order counted for none, something would be said to protect that does not."""
    begins = left("a lot leaves at the target", "states_target", "asks for resize", "sends a resize", "resize_sent")
    monkeypatch.setattr(model, "ahead", lambda it, name: 0)
    walk = by_broken_rules((begins,), ENOUGH)
    assert walk.broken.startswith("D4 what is said to protect"), walk.broken or "nothing was noticed"


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

_AT_MOST: Final = vars(order_life.Known)["quantity_at_most"].fget
_GIVES_WAY: Final = vars(executions.Fill)["gives_way"].fget
SAYS: Final = ("stop_says", "target_says")
ENDS: Final = ("stop_ends", "target_ends", "close_ends")
FILLS: Final = ("stop_fills", "target_fills", "close_fills")
STATES: Final = ("states_stop", "states_target", "states_close")
BROKEN_DESKS: Final[dict[str, Broken]] = {
    "what the broker took is given back": (carrying._no_change, " or grows", "", ("resize",)),
    "what was taken stays so for ever": (
        protection.growing_refusal, "all((touched_by(order.ref) or began) <= began for order in taken)", "False",
        ("resize",)),
    "the broker's own reduction is not heard": (
        _AT_MOST, "[self.echo.quantity] if self.answered else", "", SAYS),
    "a new size forgets what its own order executed": (
        protection.sized, "ARITHMETIC.add(rest, stake.executed(order.ref))", "rest", ("resize",)),
    "what executed is still to come": (
        order_life.Known.rest_after, "ARITHMETIC.subtract(self.quantity_at_most, executed)", "self.quantity_at_most",
        ("resize", "turn")),
    "a change crosses what was asked to end": (
        protection.resizes, "_is_ending(order) or ", "", ("resize",)),
    "a change beside a close that filled in part": (
        protection.resizes, "any(order.role is Role.CLOSE for order in stake.exits)", "False", ("resize",)),
    "what was refused is asked for again": (
        protection.resizes, " and not order.change_refused", "", ("resize",)),
    "a refused change is not heard": (
        order_words.error_news, "if said.code in NOT_CHANGED_CODES and known.sent is not None", "if False",
        ("stop_refuses", "target_refuses")),
    "another session answers nothing": (order_life.is_later_word, "return open_change and", "return False and", SAYS),
    "an old echo answers a change": (order_life._answered, "_same_terms(echo, asked.line)", "True", SAYS),
    "the pair is of the one that works": (
        protection.protection_of, "if len(pair) < len(PAIR):", "if not pair:", ENDS),
    "an end with a part executed ends the position": (
        after._moved, "if totals.held <= 0:", "if totals.exited > 0:", ENDS),
    "closed while another exit works": (
        after._over, "all(order.end is not None for order in stake.orders)", "True", ENDS),
    "closed by the last lot while exits work": (
        after.after_execution, "flat and not exits and", "flat and", FILLS),
    "the first lot that leaves lets the entry work on": (
        after.after_execution, "if role.is_exit and entry_working", "if False", FILLS),
    "exits work on beside nothing when the day ends": (
        after._shrunk_to_nothing, "stake.held != 0 or", "True or", ("entry_ends",)),
    "a close of what was entered": (
        exits.close_plan, "Quantity(stake.held)", "stake.position.requested_quantity", ("carry",)),
    "protection of what was entered": (
        carrying._restore, "Quantity(stake.held)", "position.requested_quantity", ("restore",)),
    "a change is not held against what is held": (exits._x4, "if rest <= allowed:", "if True:", ("look_resize",)),
    "a close is not held against what is held": (exits._x4, "if rest <= allowed:", "if True:", ("look_close",)),
    "exits beside an entry that works are cleared away": (
        carrying.left_over, "if not position.closing or position.entry_working:", "if False:", ("clear_away",)),
    "what is stated is of nobody": (attribute._at_holding, "if order is not None:", "if False:", STATES),
    "what is stated is of anybody who is ahead": (attribute._ahead, " and lacks[ahead[0]] == gap", "", STATES),
    "a second statement is of whoever is ahead": (
        attribute._ahead, "if any(fill.stated and not fill.ref", "if any(False", STATES),
    "what is stated of nobody is forgotten": (protection.ahead, "if not stated:", "if True:", (*SAYS, "turn")),
    "what is stated gives way to another execution": (
        _GIVES_WAY, "return self.stated and self.family.startswith(STATED)", "return self.stated", FILLS),
    "a stated exit leaves the entry working": (
        attribute.attributed, "place.role, Answer.NEW", "Role.ENTRY, Answer.NEW", STATES),
    "protection is not looked after while the entry works": (
        due._due_to_entries, "if not position.closing:", "if not (position.closing or position.entry_working):",
        ("turn",)),
    "sizes are mended while a close waits to be sent": (
        due._due_to_protection, " and not _is_being_left(desk, position)", "", ("turn",)),
    "the last look at a change does not see the link": (
        last_look.exit_lights, "None if world.link.up else", "None if True else", ("look_resize",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(
    name: str, walked: Exploration, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison bites: one broken line of production, wherever it is called from, shows as a difference."""
    assert put_into_production(BROKEN_DESKS[name], walked, compared, monkeypatch)
