"""The model's seventh walk: somebody trades past the desk, in the instrument that it holds, and answers what it tells.

Its promises are about what is true at the broker: no frame leaves for more than is held, as far as anybody could know
that; the book is what is held, or a human is asked; what is bare is told; what is signed is answered; and what desk and
broker agree on can be left. It has no rules of its own: bugs are planted in production alone, and break a promise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from phoenix_core.acts import after, due, last_look, timed
from phoenix_core.acts import exits as carrying
from phoenix_core.trade import exits
from phoenix_core.values import State
from phoenix_core.watch import compare, drift
from tests.chaos.model import ways
from tests.chaos.model.hands import OPENINGS, Walk, beginning
from tests.chaos.model.walking import reworded
from tests.showing import shows

WORLDS: Final = 200  # from each opening
CALMS: Final = 4  # of so many worlds one is looked at in calm
DRAWN: Final = 200  # longer ways
ENOUGH: Final = 400  # worlds within which a bug must show, from near where it does

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def walks() -> list[Walk]:
    """One walk from each opening, for all that look at them."""
    made = []
    for labels, groups, part in OPENINGS:
        walk = Walk()
        walk.begin(beginning(*labels, groups=groups, part=part))
        walk.go(WORLDS, CALMS)
        made.append(walk)
    return made


@shows("X1", "X4", "I8", "F66")
def test_no_world_within_reach_breaks_a_promise(walks: list[Walk]) -> None:
    """Every step from every world: whatever a hand did, whatever a human says of it."""
    assert [(walk.broken, walk.story) for walk in walks if walk.broken] == []
    assert all(len(walk.seen) >= WORLDS for walk in walks)


def test_the_walk_has_been_everywhere(walks: list[Walk]) -> None:
    """It met what hands do, each drift that tells of it, each answer, and positions of both kinds in each state."""
    labels = {label for walk in walks for label in walk.labels}
    assert labels >= {
        "turn", "pictures", "a hand sells", "a hand buys", "a while passes", "another session", "a lot fills",
        "signs states", "signs adopt",
        "signs protect", "signs cancel orphans", "signs close of both", "signs close 1 of 0", "signs close all of 1",
    }  # fmt: skip
    assert labels >= {"signs knows size", "signs knows count", "signs knows orphan_exit"}
    met = [one for walk in walks for one in walk.met]
    assert {len(states) for _, states, _ in met} == {0, 1, 2}
    assert {state for _, states, _ in met for state in states} == {State.FILLED, State.MANAGED}
    assert {cause for _, _, causes in met for cause in causes} >= {"size", "count", "orphan_exit"}
    assert {truth.held for truth, _, _ in met} >= {0, 1, 2, 3}


@shows("X1", "X4", "I8")
def test_no_longer_way_that_is_drawn_breaks_a_promise() -> None:
    """Deeper than any walk of every world comes: some hundreds of ways, of up to thirty steps, of what
    was bought and of what was sold."""
    assert list(ways.broken(range(DRAWN))) == []


# --- a desk whose rules are broken ------------------------------------------------------------------------------------

_UNBOOKED: Final = vars(exits.Stake)["unbooked"]
SOLD: Final = ("a hand sells", "pictures")
ADOPTED: Final = (
    "a hand buys", "pictures", "signs adopt", "turn", "the adopted .S1 says", "the adopted .T1 says", "turn",
)  # fmt: skip
STATED: Final = (*SOLD, "signs states", "turn", "its own .S1 says", "its own .T1 says")
FLAT: Final = ("a hand sells", *SOLD, "signs states", "turn", "pictures")
ENDED: Final = (
    "signs close all", "turn", "its own .S1 ends", "its own .T1 ends", "its own .S1 says", "its own .T1 says",
)  # fmt: skip
Plant = tuple[Callable[..., Any], str, str, tuple[str, ...], str]
BROKEN_DESKS: Final[dict[str, Plant]] = {
    "two positions count on what is there once": (
        last_look.beside, "return ARITHMETIC.add(before, booked_at(desk, position.pair, world.snapshot, "
        "position.position_id))", "return before", (*ADOPTED, *SOLD), "X1"),
    "what was stated before explains what a stop says now": (
        _UNBOOKED, "at and all(fill.at < at for fill in stated)", "at and not stated",
        (*STATED, "a lot leaves at its own .S1", "its own .S1 says"), "X1"),
    "a close is not held against what is shown": (exits._x4, "if rest <= allowed:", "if True:", (*ENDED, *SOLD), "X1"),
    "a size that nobody typed is taken as one": (
        last_look._exit_refusal, "typed and doubtful,", "doubtful,", (*ENDED, *SOLD), "X1"),
    "a lot more or less is as good as the book": (
        exits.pictured, "<= CASH_UNEXPLAINED_MAX", "<= 100 * CASH_UNEXPLAINED_MAX", SOLD, "X1"),
    "a lot more or less is no drift": (
        compare._holdings, "gap <= CASH_UNEXPLAINED_MAX", "gap <= 100 * CASH_UNEXPLAINED_MAX", ("a hand sells",), "B4"),
    "nothing that differs is told": (
        drift.news, "if is_news(drifts, d, connected_seq)", "if False", ("a hand sells",), "B4"),
    "what was acknowledged is never told again": (
        drift.is_news, "return drift.acknowledged and lapsed", "return False", (*SOLD, "signs knows size"), "B4"),
    "exits beyond what is held are no orphans": (
        compare._orphans, "if working > _sum(", "if False and working > _sum(", ("a hand sells",), "D7"),
    "what a human signed stays owed": (
        carrying._answered, "return settling(ruling, Settles(command.seq, command.index, outcome))", "return ruling",
        SOLD, "D6"),
    "closed while its exits work": (
        after.after_execution, "flat and not exits and", "flat and", (*FLAT, "signs states"), "B8"),
    "what is left by a hand lets its protection work on": (
        due._due_to_entries, "if position.closing and left_over(desk, position, now):", "if False:", FLAT, "B8"),
    "nobody is told that it is bare": (
        timed.is_told_wrong, "return stands.covers is not", "return False and", (*ENDED, *SOLD), "D4"),
}  # fmt: skip


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: one broken line of production is found, with the story that leads there."""
    function, old, new, labels, promise = BROKEN_DESKS[name]
    walk = Walk()
    walk.begin(beginning(*labels))
    monkeypatch.setattr(function, "__code__", reworded(function, old, new).__code__)
    walk.go(ENOUGH)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story
