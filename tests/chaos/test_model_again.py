"""The model's third walk: what is held loses its protection, which is placed again, by the engine once or by a human.

Its promises are those of `test_model.py`, and more: never protection beside protection or beside a close of another
group, never placed again by itself twice, nothing works for what is closed. Its questions name the picture that the
engine has, whether the broker's groups hold, whether the link is up, and how long ago something was asked to end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from phoenix_core.acts import adoption, after, due, last_look, timed
from phoenix_core.acts import exits as leaving
from phoenix_core.trade import exits, order_book, protection
from tests.chaos.model import rules
from tests.chaos.model.compared import Compared
from tests.chaos.model.explore import OPENINGS_AGAIN, Exploration
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

WORLDS: Final = 4_000
ENOUGH: Final = 20_000  # worlds within which a broken rule must show

pytestmark = pytest.mark.timeout(300)


walked, compared = fixtures(OPENINGS_AGAIN, WORLDS)


@shows("I9", "I10", "X1", "X2", "X3", "X4")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world: whatever ends, is refused, lost, or asked for meanwhile."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= WORLDS


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """It met protection in every state, placed by the engine and by a human, and each new rule said yes, and no."""
    asked = questions(walked)
    seen = [intent for _, intent, _ in asked]
    pairs = {"ASKED", "STANDS", "ENDING", "STOP", "TARGET", "STOP_ENDS", "TARGET_ENDS", "GONE"}
    assert {it.pair for it in seen if it.state == "MANAGED"} == pairs
    assert {it.again for it in seen} == {"", "MINE", "OLD", "SENT", "UNKNOWN"}
    assert {(it.once, it.by_hand) for it in seen} >= {(False, False), (True, False), (False, True)}
    assert {it.protect for it in seen} == {"", "SIGNED", "SPENT", "DONE"}
    assert {it.close for it in seen} >= {"", "SIGNED", "SPENT", "MINE", "SENT", "DROPPED", "FILLED"}
    assert {it.tries for it in seen} == {0, 1, 2} and {it.way for it in seen} == {0, 1, 2}
    answers = {(c.name, rules.judge(shared, it, c).no) for shared, it, c in asked}
    assert {no for name, no in answers if name == "restore"} == {
        "",
        "STATE",
        "LEASE",
        "PAIR",
        "EXIT",
        "PICTURE",
        "LINK",
    }
    assert {no for name, no in answers if name == "look_again"} == {"", "STATE", "LEASE", "EXIT", "LINK"} - {"STATE"}
    assert {no for name, no in answers if name == "turn"} >= {"", "Alarm", "Alarm Restore", "Restore", "ClearAway"}
    assert {name for name, _ in answers} >= rules.AGAIN
    assert {name for name, _ in answers if name in rules.AGAIN} - {name for name, no in answers if not no} == {
        "withhold_again"
    }


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration, compared: Compared) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    assert compared.differ == []
    assert answered_alike(walked, compared)


# --- a model whose rules are broken -----------------------------------------------------------------------------------


def _as_if(**fine: Any) -> Callable[[rules.Rule], rules.Rule]:
    """A rule that does not look at something of what it is asked about: it judges as if that were fine."""

    def broken(rule: rules.Rule) -> rules.Rule:
        def judged(shared: Shared, it: Intent, c: Command) -> Verdict:
            verdict = rule(shared, it._replace(**fine), c)
            untouched = {key: getattr(it, key) for key in fine if getattr(verdict.intent, key) == fine[key]}
            return verdict._replace(intent=verdict.intent._replace(**untouched))

        return judged

    return broken


def _any_age(rule: rules.Rule) -> rules.Rule:
    return lambda shared, it, c: rule(shared, it, c._replace(late=False))


def _yes(rule: rules.Rule) -> rules.Rule:
    return lambda shared, it, c: Verdict("", shared, it)


BROKEN_MODELS: Final[dict[str, tuple[str, str, Callable[[rules.Rule], rules.Rule], str]]] = {
    "placed again and again": ("FENCED", "restore", _as_if(once=False), "D4"),
    "placed again beside a close": ("FENCED", "restore", _as_if(close=""), "X1"),
    "placed by a human beside what works": ("FENCED", "carry_protect", _as_if(pair="GONE"), "D4"),
    "the last look does not see the age of a signature": ("OPEN", "look_again", _any_age, "X2"),
    "the last look is skipped": ("OPEN", "look_again", _yes, "X"),
    "half of it ended is all of it": ("FENCED", "stop_over", lambda _: rules.FENCED["pair_gone"], "X1"),
}


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    table_name, rule, break_it, promise = BROKEN_MODELS[name]
    table: Any = getattr(rules, table_name)
    monkeypatch.setitem(table, rule, break_it(table[rule]))
    walk = by_broken_rules(OPENINGS_AGAIN, ENOUGH)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

BROKEN_DESKS: Final[dict[str, Broken]] = {
    "placed again and again": (protection.placing_refusal, "placed >= PLACED_MAX", "False", ("turn",)),
    "what a human placed is counted": (
        protection.placing_refusal, 'not order.mandate.startswith("decision:")', "True", ("turn",)),
    "placed again without a picture": (
        protection.placing_refusal, "snapshot is None or not _shows_loss(stake, snapshot, session, baseline)", "False",
        ("turn",)),
    "placed again beside what works": (protection.placing_refusal, "if stake.exits:", "if False:", ("restore",)),
    "a picture of before the loss will do": (
        protection._shows_loss, "return later and absent", "return absent", ("restore",)),
    "a picture that shows it at work will do": (protection._shows_loss, "absent and ", "", ("restore",)),
    "a picture of less than is held will do": (
        protection._shows_loss, " and pictured(stake, snapshot, session, baseline) == stake.held", "", ("restore",)),
    "a picture of an earlier session will do": (
        exits.pictured, " or snapshot.session != session", "", ("restore",)),
    "recorded where it could not leave": (
        leaving._restore, " if no is None else denied(no)", "", ("restore",)),
    "placed by a human beside what works": (
        adoption.protect_refusal, "if stake.exits:", "if False:", ("carry_protect",)),
    "a signature for ever": (exits.x2_refusal, "is_over(signed, now, SIGNED_FOR)", "False", ("look_again",)),
    "not held against what the broker holds": (exits._x4, "if rest <= allowed:", "if True:", ("look_again",)),
    "the last look does not see the link": (
        last_look.exit_lights, "None if world.link.up else", "None if True else", ("look_again",)),
    "what is withheld is dropped in part": (
        order_book.Orders._meant, "for order in together if order.sent is None and order.end is None",
        "for order in [known]", ("withhold_again",)),
    "doubt at once": (timed.in_doubt, " and is_unanswered(order, now)", "", ("doubt",)),
    "what is in doubt is as good as any": (
        protection.protection_of, "order.standing in doubtful or", "", ("turn",)),
    "no doubt of what is not known to have left": (
        timed.in_doubt, "order.standing in (Standing.SENT, Standing.RECORDED)", "order.standing is Standing.SENT",
        ("doubt",)),
    "what nobody answered is protection": (
        protection.protection_of, "return Protection.UNKNOWN", "return Protection.PENDING", ("turn",)),
    "half of it is protection": (
        protection.protection_of, "if len(pair) < len(PAIR):", "if not pair:", ("stop_over",)),
    "a loss is not told": (after._protected, "position.state is State.MANAGED and", "False and", ("pair_gone",)),
    "what makes way has for ever": (
        protection.makes_way, "since is not None and not is_over(since, now, PROTECTION_ENDS_WITHIN)",
        "since is not None", ("turn",)),
    "what makes way is a loss": (protection.makes_way, "since is not None and", "False and", ("pair_gone",)),
    "a close that cannot leave ends protection": (
        leaving._waiting, " or _no_close(desk, said, signed, way, world) is not None", "", ("carry",)),
    "a close waits for ever": (exits.close_plan, "Step.GIVE_UP if late else Step.WAIT", "Step.WAIT", ("carry",)),
    "what an earlier close asked for is asked for": (
        exits.close_plan, "order.is_asked_to_end(since)", "order.is_asked_to_end(None)", ("carry",)),
    "no picture is waited for": (leaving._waiting, "if waits and", "if False and", ("carry",)),
    "exits beside nothing have no time of their own": (
        leaving.left_over, "or not has_passed(last, now.wall, GROUP_ENDS_WITHIN)", "", ("clear_away",)),
    "placed again at other prices": (
        leaving._restore, "position.stop_price, position.target_price", "position.target_price, position.stop_price",
        ("restore",)),
    "placed again in nobody's name": (
        leaving._restore, "exits.exit_mandate(position), world.now", '"nobody", world.now', ("restore",)),
    "placed again in the old group": (
        leaving.protection_order, "group_of(entry_ref, generation)", "group_of(entry_ref, 1)", ("restore",)),
    "what was lost is not looked at": (
        due._due_to_entries, "if not position.closing", "if False", ("turn",)),
    "they are asked to end twice": (
        leaving.left_over, "if order.cancel_requested is None", "if True", ("clear_away",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(
    name: str, walked: Exploration, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison bites: one broken line of production, wherever it is called from, shows as a difference."""
    assert put_into_production(BROKEN_DESKS[name], walked, compared, monkeypatch)
