"""Model against production: every question that the model's desk was asked, asked of the production desk too.

For each view that the model has of an intent, one production desk is brought there by the model's own commands. Beside
it stands a second intent, in another instrument, which no question about the first may touch.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping

from attrs import Factory, define

from tests.chaos.model import exits, leaving, nights, parting, rules
from tests.chaos.model.explore import Question
from tests.chaos.model.leaving import Leaving
from tests.chaos.model.leaving_played import held, leaving_of
from tests.chaos.model.leaving_played import play as play_leaving
from tests.chaos.model.nights import Night
from tests.chaos.model.nights_played import approved, night_of
from tests.chaos.model.nights_played import play as play_nights
from tests.chaos.model.parting import Parting
from tests.chaos.model.parting_played import in_time, parting_of
from tests.chaos.model.parting_played import play as play_parting
from tests.chaos.model.played import Played, founded, intent_of, shared_of
from tests.chaos.model.rules import LOOKS, Command, Intent, Shared, older

Part = Intent | Leaving | Parting | Night
Verdict = rules.Verdict | exits.Verdict[Leaving] | exits.Verdict[Parting] | nights.Verdict
View = tuple[Shared, Part]

# Where the other intent is meanwhile, and how it came there.
BYSTANDERS = {
    "NONE": (),
    "PROPOSED": ("propose", "assemble"),
    "APPROVED": ("propose", "assemble", "approve"),
    "MANAGED": ("propose", "assemble", "approve", "submit", "frame_sent", "ack", "fill", "pair_stands"),
    "CLOSED": ("propose", "assemble", "approve", "submit", "frame_sent", "ack", "fill", "pair_stands", "stopped"),
}


@define
class Compared:
    """What the comparison came to: how many questions, and those on which model and desk differ."""

    questions: int = 0
    views: int = 0
    differ: list[str] = Factory(list)
    unreached: int = 0
    desks: dict[View, Played] = Factory(dict)  # a production desk in each view that was reached


def beside(state: str) -> Played:
    """A founded desk whose second intent is in this state, and whose engine has stopped."""
    played = founded()
    for name in ("lease", *BYSTANDERS[state], "release"):
        said = played.play(1, Command(name, version=1 if name == "approve" else 0))
        assert not said, f"{name}: {said}"
    assert intent_of(played, 1).state == state
    return played


def judge(shared: Shared, intent: Part, command: Command) -> Verdict:
    """The answer of the rules of the walk that this view is of."""
    if isinstance(intent, Leaving):
        return leaving.judge(shared, intent, command)
    if isinstance(intent, Parting):
        return parting.judge(shared, intent, command)
    if isinstance(intent, Night):
        return nights.judge(shared, intent, command)
    return rules.judge(shared, intent, command)


def played(desk: Played, view: Part, command: Command) -> tuple[str, Shared, Part]:
    """What the production desk answers, and the same view of it afterwards."""
    if isinstance(view, Leaving):
        return play_leaving(desk, command), shared_of(desk), leaving_of(desk)
    if isinstance(view, Parting):
        return play_parting(desk, command), shared_of(desk), parting_of(desk)
    if isinstance(view, Night):
        return play_nights(desk, command), shared_of(desk), night_of(desk)
    return desk.play(0, command), shared_of(desk), intent_of(desk, 0)


def beginnings(bystander: str) -> dict[View, Played]:
    """The production desks that comparing begins with: nothing was proposed yet; a human has approved; or all
    is held, or in part."""
    desks: dict[View, Played] = {(Shared(), Intent()): beside(bystander)}
    signed = approved(beside(bystander))
    desks[shared_of(signed), night_of(signed)] = signed
    for part in (False, True):
        desk = held(beside(bystander), part)
        desks[shared_of(desk), leaving_of(desk)] = desk
        timed = in_time(desk.copied())
        desks[shared_of(timed), parting_of(timed)] = timed
    return desks


def compare(asked: Iterable[Question], bystander: str, differences_max: int = 20) -> Compared:
    """Ask each question once of the production desk, in every view of the first intent that the model has met."""
    by_view: dict[View, list[Command]] = defaultdict(list)
    for shared, intent, command in asked:
        by_view[shared, intent].append(command)
    desks = beginnings(bystander)
    waiting = deque(desks)
    found = Compared(desks=desks)
    while waiting and len(found.differ) < differences_max:
        view = waiting.popleft()
        found.views += 1
        for command in by_view.pop(view, ()):
            after, difference = _asked(desks[view], view, command)
            found.questions += 1
            verdict = judge(*view, command)
            if difference:
                found.differ.append(difference)
            elif (verdict.shared, verdict.intent) not in desks:
                desks[verdict.shared, verdict.intent] = after
                waiting.append((verdict.shared, verdict.intent))
    found.unreached = sum(map(len, by_view.values()))
    return found


def first_difference(asked: Iterable[Question], desks: Mapping[View, Played], names: Collection[str]) -> str:
    """The first question by one of these names that the production desk, brought to each view while its rules were
    whole, answers otherwise now; nothing where there is none."""
    for shared, intent, command in asked:
        if command.name in names:
            _, difference = _asked(desks[shared, intent], (shared, intent), command)
            if difference:
                return difference
    return ""


def _asked(desk: Played, view: View, command: Command) -> tuple[Played, str]:
    """The production desk after one question, and how its answer differs from the model's."""
    after, want = desk if command.name in LOOKS else desk.copied(), judge(*view, command)
    other = intent_of(desk, 1)
    try:
        got = played(after, view[1], command)
    except AssertionError as error:
        return after, f"{command} in {view}: the desk breaks: {error}"
    if got != tuple(want):
        return after, f"{command} in {view}: the model says {tuple(want)}, the desk {got}"
    expected = older(other) if command.name in ("lease", "begin") else other
    if intent_of(after, 1) != expected:
        return after, f"{command} in {view} changed the other intent to {intent_of(after, 1)}"
    return after, ""
