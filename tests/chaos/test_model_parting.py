"""The model's fifth walk: a human closes a part of what is held, and what is left keeps its stop.

Stop and target are made smaller first, and the broker takes that, refuses it, or does it when nobody waits for it any
more; a second close comes on top; the market leaves meanwhile, and the engine dies over its frames. Its promises are
about what is true at the broker: no frame that leaves more to execute than is held, nothing bare that nobody is told
of, and no close that waits for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from phoenix_core.acts import due, last_look
from phoenix_core.acts import exits as carrying
from phoenix_core.trade import exits, order_life, protection
from tests.chaos.model import exits as model
from tests.chaos.model import parting
from tests.chaos.model.compared import Compared
from tests.chaos.model.exits import Exit, Verdict
from tests.chaos.model.explore import OPENINGS_PARTING, Exploration, parted
from tests.chaos.model.parting import Parting
from tests.chaos.model.rules import Command, Shared
from tests.chaos.model.walking import (
    Broken,
    Rules,
    answered_alike,
    breaks,
    fixtures,
    goes_on,
    leaving_something_else,
    put_into_production,
    questions_about,
    says_yes,
)
from tests.showing import shows

WORLDS: Final = 1_800
ENOUGH: Final = 2_000  # worlds within which a broken rule must show, from near where it does

pytestmark = pytest.mark.timeout(300)

walked, compared = fixtures(OPENINGS_PARTING, WORLDS)


@shows("I8", "I9", "I10", "X1", "X3", "X4")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world: whatever is taken, refused, late, lost, left or signed on top meanwhile."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= WORLDS


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """It met a change in each of its ways, closes of each size, one on top of another, and each rule said yes, and
    no."""
    asked = questions_about(Parting, walked)
    assert len(asked) == len(walked.asked)
    seen = [it for _, it, _ in asked]
    frames = {x.frame for it in seen for x in it.pair}
    assert frames == {"", "MINE", "OLD", "SENT", "HEARD", "PAST", "UNKNOWN"}
    assert {x.way for it in seen for x in it.exits} == {"", "MINE", "OLD", "SENT", "UNKNOWN", "WORKS", "END"}
    assert any(x.stuck for it in seen for x in it.pair) and any(x.moved for it in seen for x in it.pair)
    assert {wish.lots for it in seen for wish in it.wishes} == {0, 1, 2}
    assert {len(it.wishes) for it in seen} == {0, 1, 2} and {it.close.did for it in seen} >= {0, 1}
    assert {it.worth(0) for it in seen} == {"FULL", "EXCESS", "SHORT", "NONE", "PENDING", "UNKNOWN"}
    answers = {(c.name, parting.judge(shared, it, c).no) for shared, it, c in asked}
    assert {no for name, no in answers if name == "carry"} == {"", "STATE", "EXIT", "LINK", "PAIR", "PICTURE"}
    assert {name for name, no in answers if not no} >= {*parting.FENCED, *parting.OPEN} - NEVER
    words = {word for name, no in answers if name == "turn" for word in no.split()}
    assert words >= {"Alarm", "Resize", "Restore"}


# These carry a refusal themselves, or stand for what the fourth walk asks about.
NEVER: Final = {"withhold_resize", "withhold_close", "withhold_again", "clear_away", "again_unknown", "again_dropped"}


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration, compared: Compared) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    assert compared.differ == []
    assert answered_alike(walked, compared)


def test_a_walk_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """By night, too: kept and taken up again, it knows what it knew, and ends where it would have ended."""
    assert goes_on("-parting", tmp_path)


# --- a model whose rules are broken -----------------------------------------------------------------------------------


Rule = model.Rule[Parting]


def _waits(rule: Rule) -> Rule:
    """A close for which nobody looks at the clock."""
    return lambda shared, it, c: rule(shared, it, c._replace(slow=0))


def _at_once(rule: Rule) -> Rule:
    """A close that is sent while its protection is of the old size."""

    def judged(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
        if c.version >= len(it.wishes) or it.close.works or it.held <= 0:
            return rule(shared, it, c)
        wish, lots = it.wishes[c.version], it.wishes[c.version].lots or it.held
        close = Exit("MINE", lots, lots)
        return Verdict("", shared, it._replace(close=close, wishes=(), typed=bool(wish.lots), closes=it.closes + 1))

    return judged


def _beside_a_close(rule: Rule) -> Rule:
    """Protection that grows back as if no close worked."""

    def judged(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
        verdict = rule(shared, it._replace(close=Exit()), c)
        return verdict._replace(intent=verdict.intent._replace(close=it.close))

    return judged


def _by_the_book(rule: Rule) -> Rule:
    """Only executions count, whatever the broker says of an order."""

    def judged(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
        verdict = rule(shared, it._replace(close=it.close._replace(said=it.close.did)), c)
        return verdict._replace(intent=verdict.intent._replace(close=it.close))

    return judged


def _nobody_is_told(rule: Rule) -> Rule:
    """What is bare is mended by nobody, and told to nobody."""
    return lambda shared, it, c: Verdict("", shared, it)


def _untold(was: Parting, now: Parting) -> Parting:
    return now._replace(told=False)


GIVEN_UP: Final = (
    "close 1", "asks for carry", "sends a resize", "resize_sent", "the stop is changed", "the target is changed",
    "stop_says", "target_says", "asks for carry", "sends a close", "close_sent",
)  # fmt: skip
# What is broken, where the walk begins, and the promise.
BROKEN_MODELS: Final[dict[str, tuple[Rules, tuple[str, ...], str]]] = {
    "a close beside protection of the old size, and no last look": (
        (("FENCED", "carry", _at_once), ("OPEN", "look_close", says_yes)), ("close 1",), "X1"),
    "what an exit says that it sold is held, and sold again": (
        (("FENCED", "resize", _by_the_book), ("OPEN", "look_resize", _by_the_book)),
        (*GIVEN_UP, "a lot leaves at the close", "close_ends"), "X1"),
    "protection grows back beside a close, and no last look": (
        (("FENCED", "resize", _beside_a_close), ("OPEN", "look_resize", says_yes)), GIVEN_UP, "X1"),
    "nobody looks at the clock": (
        (("FENCED", "carry", _waits),), ("close 1", "asks for carry"), "D6"),
    "what is bare is told to nobody": (
        (("OPEN", "turn", _nobody_is_told), ("FENCED", "stop_ends", leaving_something_else(_untold))),
        ("the stop is cancelled",), "D4"),
}  # fmt: skip


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    broken, labels, promise = BROKEN_MODELS[name]
    walk = breaks(parting, broken, parted(*labels), ENOUGH, monkeypatch)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

SAYS: Final = ("stop_says", "target_says")
BROKEN_DESKS: Final[dict[str, Broken]] = {
    "a native pair shrinks while its parent may fill": (
        exits._shrinking, "keeps <= 0 or hangs or ends", "keeps <= 0 or ends", ("carry",)),
    "a size that was refused is asked for again": (
        exits._shrinking, " or order.change_refused for", " for", ("carry",)),
    "what was asked to end is brought back": (
        exits._shrinking, "order.cancel_requested is not None or order", "order", ("carry",)),
    "a new size is waited for without end": (
        exits._shrinking, "None if any(is_over(since, now, SHRINKS_WITHIN) for since in silent) else Step.WAIT",
        "Step.WAIT", ("carry",)),
    "a new size is asked for again and again": (
        exits._shrinking, "None if any(order.recorded_seq > part.seq for order in pair) else Step.SHRINK_FIRST",
        "Step.SHRINK_FIRST", ("carry",)),
    "what was asked for before is not waited for": (
        exits._shrinking, "for since in silent) else Step.WAIT",
        "for since in silent) or any(o.recorded_seq < part.seq for o in pair if not o.answered) else Step.WAIT",
        ("carry",)),
    "one of a pair that is left alone ends for a part": (
        exits._shrinking, "len({order.role for order in pair}) < len(pair)", "len(pair) < 2", ("carry",)),
    "a part is sent before its protection is smaller": (
        exits._shrinking, "all(stake.rest_of(order) <= keeps for order in pair)", "True", ("carry",)),
    "protection shrinks to what is closed": (
        exits.close_plan, "Quantity(part.keeps(stake.held))", "part.quantity", ("carry",)),
    "a part closes all": (carrying._size, "said.quantity if said.quantity is not None else ", "", ("carry",)),
    "a part may be more than is held": (carrying._no_close, "size > most and", "False and", ("carry",)),
    "a part joins a group that does not hold": (
        exits.close_plan, "(shares_group and one and not short)", "one", ("carry",)),
    "what no picture shows is left protected": (
        last_look.part_of, "None if shown is None else", "None if True else", ("carry",)),
    "what an exit took makes room twice": (
        last_look.part_of, "ARITHMETIC.add(shown, stake.unbooked())", "shown", ("carry",)),
    "protection grows back while a part waits": (
        due._due_to_protection, " and not _is_being_left(desk, position)", "", ("turn",)),
    "protection that made room is lost at once": (
        protection.protection_of, "Protection.PENDING if makes_room(stake, now) else Protection.SHORT",
        "Protection.SHORT", ("turn", *SAYS)),
    "protection that made room is never lost": (
        protection.makes_room, " and not is_over(order.recorded, now, PROTECTION_ENDS_WITHIN)", "", ("turn", *SAYS)),
    "a part waits for a picture": (
        carrying._waiting, "said.quantity is None and shown_of", "shown_of", ("carry",)),
    "nothing waits for a picture": (
        carrying._waiting, "said.quantity is None and shown_of", "False and shown_of", ("carry",)),
    "a size that was typed needs a picture": (
        last_look._exit_refusal, "        typed and doubtful,", "        False,", ("look_close",)),
    "an earlier request to end counts": (
        exits.close_plan, "order.is_asked_to_end(since)", "order.is_asked_to_end(None)", ("carry",)),
    "the entry works on while a part is closed": (
        exits.close_plan, "rest = entry_to_cancel(stake)", "rest: tuple[str, ...] = ()", ("carry",)),
    "protection grows beside a close": (
        protection.resizes, "any(order.role is Role.CLOSE for order in stake.exits)", "False", ("resize", "turn")),
    "a second close beside the first": (
        exits.close_plan, "if any(order.role is Role.CLOSE for order in stake.exits):", "if False:", ("carry",)),
    "protection shrinks for a close that could not leave": (
        carrying._no_close, "return placeable(", "return None and placeable(", ("carry",)),
    "a size that was typed is taken against what the picture shows": (
        last_look.placeable, "typed and (there is None or bool(blocking(desk.drifts, stake.position.pair)))", "typed",
        ("carry",)),
    "a close that is too old is carried out": (
        carrying._carry, "is_over(signed_moment(recorded, statement), world.now, statement.exp - statement.at)",
        "False", ("carry",)),
    "what an exit says that it sold is held": (
        exits.pictured, "left = stake.unbooked(snapshot.began.wall)", "left = ZERO", ("resize", "carry", "look_close")),
    "a close does not wait for what an exit says that it sold": (
        carrying._waiting, "way.stake.unbooked() > 0 or ", "", ("carry",)),
    "a change is not held against what is held": (exits._x4, "if rest <= allowed:", "if True:", ("look_resize",)),
    "what stands beside a close is not counted": (
        exits.x1_refusal, "if working <= allowed or", "if True or", ("look_close",)),
    "of what stands in two groups only the larger is counted": (
        exits.working_exits, "return _sum(largest.values())", "return max(largest.values(), default=ZERO)",
        ("look_close",)),
    "a size is confirmed at another price": (
        order_life._same_terms,
        "(echo.quantity, echo.limit, echo.trigger) == (line.quantity, line.limit, line.trigger)",
        "echo.quantity == line.quantity", SAYS),
    "what stands at another price is protection": (
        protection.protection_of, "not all(_is_mandate(order) for order in orders) or", "", (*SAYS, "turn")),
    "what was asked for last is what stands": (
        order_life.Known.rest_after, "self.quantity_at_most", "self.line.quantity", ("look_close", "carry")),
    "nobody is told that a close was not sent": (
        carrying._staged, "return denied(no, alert(", "return denied(no) or denied(no, alert(", ("carry",)),
    "a part that is all shrinks its protection to nothing": (
        exits._shrinking, "keeps <= 0 or ", "", ("carry",)),
    "another size of what the broker refused one of": (
        protection.resizes, " and not order.change_refused", "", ("turn",)),
    "another size of what was asked to end": (
        protection._is_ending, "order.cancel_requested is not None and", "False and", ("turn",)),
    "a new size forgets what its own order executed": (
        protection.sized, "ARITHMETIC.add(rest, stake.executed(order.ref))", "rest", ("carry",)),
    "a change that never left stands": (
        order_life._unchanged, "before = known.frames[:-1]", "before = known.frames",
        ("stop_refuses", "target_refuses")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(
    name: str, walked: Exploration, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison bites: one broken line of production, wherever it is called from, shows as a difference."""
    assert put_into_production(BROKEN_DESKS[name], walked, compared, monkeypatch)
