"""The model's sixth walk: the engine is down for a night, and an approval outlives the hours of its market.

Orders fill, end and leave while nobody is there, and of what happened before midnight nothing is told any more. Its
promises: what nobody told is neither made up nor ended, and where nobody can know, a human is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from phoenix_core.acts import after, carry, due, reconcile, submit
from phoenix_core.trade import order_words, protection
from tests.chaos.model import nights
from tests.chaos.model.compared import Compared
from tests.chaos.model.explore import OPENINGS_NIGHTS, Exploration, night
from tests.chaos.model.nights import Night, Rule, Verdict
from tests.chaos.model.rules import Command, Shared
from tests.chaos.model.walking import (
    Broken,
    answered_alike,
    breaks,
    fixtures,
    goes_on,
    put_into_production,
    questions_about,
)
from tests.showing import shows

WORLDS: Final = 500
ENOUGH: Final = 2_000  # worlds within which a broken rule must show, from near where it does

pytestmark = pytest.mark.timeout(300)

walked, compared = fixtures(OPENINGS_NIGHTS, WORLDS)


@shows("I1", "I8", "I9", "I10", "F05", "F66")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world: whatever happens while nobody is there, and whatever of it is told."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= WORLDS


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """It met every state but one that waits for a signature, each end, each drift, and each rule said yes, and no."""
    asked = questions_about(Night, walked)
    assert len(asked) == len(walked.asked)
    seen = [it for _, it, _ in asked] + [nights.judge(*question).intent for question in asked]
    assert {it.state for it in seen} == {"APPROVED", *nights.SENT, *nights.HELD, *nights.ENDS}
    assert {it.entry for it in seen} == {
        "",
        "RECORDED",
        "SENT",
        "UNKNOWN",
        "WORKING",
        "FILLED",
        "CANCELLED",
        "REJECTED",
    }
    assert {it.token for it in seen} == {"LIVE", "USED", "EXPIRED", "REVOKED"} and {it.got for it in seen} == {0, 1, 2}
    assert any(it.off for it in seen) and any(it.loose for it in seen) and {it.out for it in seen} >= {0, 2}
    assert {name for it in seen for name in it.lost} == {"E", "S", "T"}
    answers = {(c.name, nights.judge(shared, it, c).no) for shared, it, c in asked}
    assert {name for name, no in answers if not no} == {*nights.FENCED, *nights.OPEN}
    assert {no for name, no in answers if name == "submit"} == {"", "LINK", "MARKET", "TOKEN"}
    assert {no for name, no in answers if name == "gone"} == {"", "STATE", "PICTURE"}
    assert {no for name, no in answers if name == "restore"} == {"", "STATE", "PAIR", "PICTURE"}


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration, compared: Compared) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    assert compared.differ == []
    assert answered_alike(walked, compared)


def test_a_walk_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """By night, too: kept and taken up again, it knows what it knew, and ends where it would have ended."""
    assert goes_on("-nights", tmp_path, worlds=500)


# --- a model whose rules are broken -----------------------------------------------------------------------------------


def _any_day(rule: Rule) -> Rule:
    return lambda shared, it, c: rule(shared, it, c._replace(slow=0))


def _open(rule: Rule) -> Rule:
    return lambda shared, it, c: rule(shared, it, c._replace(market="OPEN"))


def _shows(rule: Rule) -> Rule:
    return lambda shared, it, c: rule(shared, it, c._replace(picture="SHOWS"))


def _silence_ends(rule: Rule) -> Rule:
    """What no picture shows is over."""

    def judged(shared: Shared, it: Night, c: Command) -> Verdict:
        verdict = rule(shared, it, c)
        ended = it.state in nights.SENT and "E" not in c.picture.partition(" ")[0] and not it.got
        return verdict._replace(intent=verdict.intent._replace(state="CANCELLED")) if ended else verdict

    return judged


def _no_drift(rule: Rule) -> Rule:
    """Nothing that differs is told."""
    return lambda shared, it, c: Verdict("", shared, it)


HELD: Final = (
    "submits", "sends", "frame_sent", "a lot fills", "a lot fills", "executes", "stop_open", "target_open",
)  # fmt: skip
# What is broken, where the walk begins, and the promise.
BROKEN_MODELS: Final[dict[str, tuple[str, Callable[[Rule], Rule], tuple[str, ...], str]]] = {
    "silence ends an order": ("pictures", _silence_ends, ("submits", "sends", "frame_sent"), "I9"),
    "a market that is closed is not looked at": ("submit", _open, ("the market is closed",), "C3"),
    "protection is placed whatever a picture shows": (
        "restore", _shows, (*HELD, "crash", "the stop leaves", "begin", "stop_done", "target_done", "midnight"), "D4"),
    "what differs is told to nobody": ("pictures", _no_drift, (*HELD, "crash", "the stop leaves", "midnight"), "B4"),
}  # fmt: skip


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    rule, break_it, labels, promise = BROKEN_MODELS[name]
    walk = breaks(nights, (("FENCED", rule, break_it),), night(*labels), ENOUGH, monkeypatch)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

BROKEN_DESKS: Final[dict[str, Broken]] = {
    "an end is proven by the executions of another day": (
        reconcile._is_proven, " and reaches_back(position, snapshot.ended.wall)", "", ("pictures",)),
    "every day reaches back": (
        reconcile.reaches_back, "in_one_day(position.submitted_at, now)", "True", ("pictures", "stalls")),
    "an end of what is STALLED is not proven": (
        reconcile._ended_unfilled,
        "(*desk.positions.in_state(State.SUBMITTED), *desk.positions.in_state(State.STALLED))",
        "desk.positions.in_state(State.SUBMITTED)", ("pictures",)),
    "a completed order that was refused was cancelled": (
        order_words.end_said, "if said.completed and said.status is BrokerStatus.INACTIVE:", "if False:",
        ("entry_done",)),
    "an end that no day can prove is asked of nobody": (
        due._due_to_orders, "not reaches_back(position, now.wall) or (", "False or (", ("stalls",)),
    "a fill that nothing backs is asked of nobody": (
        due._is_beyond_pictures, "(told and since > STALLED_AFTER) or", "False or", ("stalls",)),
    "a fill that nothing backs is asked at once": (
        due._is_beyond_pictures, "told and since > STALLED_AFTER", "told", ("stalls",)),
    "whoever sent it died, and that is asked of nobody": (
        due._due_to_orders, "not entry.acknowledged and entry.recorded_seq < desk.tenure.epoch", "False", ("stalls",)),
    "what was acknowledged is in doubt": (
        due._due_to_orders, "if not entry.acknowledged and entry.recorded_seq", "if entry.recorded_seq", ("stalls",)),
    "what an earlier run had in its hands is nobody's": (
        due._due_to_orders, "if key[0] < desk.tenure.epoch:", "if False:", ("stalls",)),
    "a link that is down takes an approval back": (
        submit._submit, "if no.is_transient:", "if False:", ("submit",)),
    "an approval waits for its market": (
        submit._submit, "if no.is_transient:", "if True:", ("submit",)),
    "protection is placed again by a picture that does not show it all": (
        protection.placing_refusal, "snapshot is None or not _shows_loss(stake, snapshot, session, baseline)",
        "snapshot is None", ("restore",)),
    "closed while an order works": (
        after._over, "all(order.end is not None for order in stake.orders)", "True",
        ("leaves", "executes", "stop_done", "target_done", "entry_done")),
    "a human's word ends what a picture shows": (
        carry.resolve_stalled,
        'if not is_absent(desk.observations, position.order_ref or "", desk.sessions.session, ABSENT_FOR):',
        "if False:", ("gone",)),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(
    name: str, walked: Exploration, compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison bites: one broken line of production, wherever it is called from, shows as a difference."""
    assert put_into_production(BROKEN_DESKS[name], walked, compared, monkeypatch)
