"""An abstract model of two intents, two engines and two operators: every world it reaches, and its rules held against
the production desk's.

The walk of every run looks at more than a hundred thousand worlds. The night's goes on where it stopped, up to ten
million: `python -m tests.chaos.model.night SECONDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from phoenix_core import kernel
from phoenix_core.acts import last_look, submit
from phoenix_core.gate import guards, kill_flags, tokens
from phoenix_core.values import State
from tests.chaos.model import night, rules
from tests.chaos.model import world as model
from tests.chaos.model.compared import compare
from tests.chaos.model.explore import Exploration, exploration, resumed
from tests.chaos.model.rules import Command, Intent, Shared, Verdict
from tests.chaos.model.walking import questions
from tests.showing import shows

WORLDS: Final = 110_000
ENOUGH: Final = 60_000  # worlds within which a broken rule must show

pytestmark = pytest.mark.timeout(300)  # twenty seconds on an idle host


@pytest.fixture(scope="module")
def walked() -> Exploration:
    """One walk for all that look at it."""
    walk = exploration()
    walk.walk(WORLDS)
    return walk


@pytest.fixture
def forgetful() -> Iterator[None]:
    """No answer of the rules is remembered from one test to the next."""
    model.judged.cache_clear()
    yield
    model.judged.cache_clear()


@shows("I1", "I2", "I3", "I4", "I9", "I10", "I14", "I21", "I22", "X1", "X2", "X3", "X4")
def test_no_world_within_reach_breaks_a_promise(walked: Exploration) -> None:
    """Every step from every world: one frame, one use, one yes; none after a kill, without a lease, out of time."""
    assert walked.broken == "", "\n".join(walked.story)
    assert walked.seen.size >= 100_000
    assert walked.seen.size >= WORLDS or not walked.frontier


def test_the_walk_has_been_everywhere(walked: Exploration) -> None:
    """A walk that never meets a state, or never hears a rule say both yes and no, shows nothing about it."""
    asked = questions(walked)
    states = {intent.state for _, intent, _ in asked}
    assert states == {"NONE", *(state.value for state in State)}
    answers = {(c.name, bool(rules.judge(shared, intent, c).no)) for shared, intent, c in asked}
    always_yes = {"propose", "kill", "lease", "clear"}  # nothing forbids these; only what stands is cleared
    # The first two carry a refusal themselves, the third is a token presented once more after its end.
    always_no = {"withhold", "withhold_close", "present"}
    names = (
        {*rules.FENCED, *rules.OPEN} - rules.BY_LOTS - rules.AGAIN
    )  # these are the second walk's: test_model_by_lots.py
    assert {name for name in names if (name, False) not in answers} == always_no
    assert {name for name in names if (name, True) not in answers} == always_yes


def test_every_rule_of_the_model_is_the_production_desks(walked: Exploration) -> None:
    """Each distinct (view, command) that the walk met, played once: the same verdict, the same view afterwards."""
    found = compare(walked.asked, "MANAGED")
    assert found.differ == []
    assert found.unreached == 0 and found.questions == len(walked.asked)


# --- a model whose rules are broken -----------------------------------------------------------------------------------

Rules = dict[str, rules.Rule]


def _blind(word: str) -> Callable[[Rules, str], None]:
    """A rule that does not look at one thing: it judges as if that were fine."""

    def put(table: Rules, name: str) -> None:
        rule = table[name]

        def judged(shared: Shared, intent: Intent, command: Command) -> Verdict:
            fine = {
                "kill": (shared._replace(kill=False), intent, command),
                "lease": (shared._replace(lease=True), intent, command._replace(fit=True)),
                "clock": (shared, intent, command._replace(late=False)),
                "token": (shared, intent._replace(token="LIVE", of_run=True, state="APPROVED"), command),
                "verdict": (shared, intent._replace(verdict="", state="PROPOSED", evidence=command.version), command),
            }
            verdict = rule(*fine[word])
            return verdict._replace(shared=shared) if word in ("kill", "lease") else verdict

        table[name] = judged

    return put


def _unspent(table: Rules, name: str) -> None:
    """A submit that forgets to spend the token."""
    rule = table[name]
    table[name] = lambda s, i, c: (v := rule(s, i, c))._replace(intent=v.intent._replace(token=i.token))


def _silence_ends(table: Rules, name: str) -> None:
    """Silence that is read as a cancel."""
    rule = table[name]

    def judged(shared: Shared, intent: Intent, command: Command) -> Verdict:
        verdict = rule(shared, intent, command)
        ended = verdict.intent.state == "STALLED"
        return verdict._replace(intent=verdict.intent._replace(state="CANCELLED")) if ended else verdict

    table[name] = judged


BROKEN_MODELS: Final[dict[str, tuple[str, str, Callable[[Rules, str], None], str]]] = {
    "the last look does not see the kill": ("OPEN", "look", _blind("kill"), "I14"),
    "the last look does not see the epoch": ("OPEN", "look", _blind("lease"), "I21"),
    "the last look does not see the clock": ("OPEN", "look", _blind("clock"), "I2"),
    "the last look at a close does not see its age": ("OPEN", "look_close", _blind("clock"), "X2"),
    "the last look at a close does not see the epoch": ("OPEN", "look_close", _blind("lease"), "X3"),
    "a submit leaves the token live": ("FENCED", "submit", _unspent, "I3"),
    "a spent token is as good as a live one": ("OPEN", "present", _blind("token"), "I"),
    "a second approval overwrites the first": ("OPEN", "approve", _blind("verdict"), "I"),
    "silence is read as an end": ("FENCED", "stall", _silence_ends, "I9"),
}


@shows("F83")
@pytest.mark.parametrize("name", BROKEN_MODELS)
@pytest.mark.usefixtures("forgetful")
def test_a_broken_rule_breaks_a_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises bite: each rule that is broken is found, with the story that leads there."""
    table_name, rule, break_it, promise = BROKEN_MODELS[name]
    table: Rules = dict(getattr(rules, table_name))
    break_it(table, rule)
    monkeypatch.setattr(rules, table_name, table)
    walk = exploration(told=True)
    walk.walk(ENOUGH)
    assert walk.broken.startswith(promise), walk.broken or "nothing was noticed"
    assert walk.story


def test_an_append_on_any_head_is_found_by_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the conditional append two runs spend one token: the rule that makes processes safe is looked at too."""
    honest = model._land

    def anywhere(world: model.World, p: int, process: model.Process, name: str, i: int, *as_of: Any) -> model.Step:
        if process.fresh:
            return honest(world, p, process, name, i, *as_of)
        intents = list(world.log.intents)
        intents[i] = process.memory.intents[i]
        stale = world._replace(log=world.log._replace(shared=process.memory.shared, intents=(intents[0], intents[1])))
        return honest(stale, p, process._replace(fresh=True, fit=True), name, i, *as_of)

    monkeypatch.setattr(model, "_land", anywhere)
    walk = exploration(told=True)
    walk.walk(ENOUGH)
    assert walk.broken, "nothing was noticed"


# --- a desk whose rules are broken ------------------------------------------------------------------------------------


def _no_kill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kill_flags, "kill_refusal", lambda *_: None)


def _no_life(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tokens, "life_over", lambda *_: None)


def _no_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "lease_light", lambda *_: None)
    patch.setattr(kernel, "lease_light", lambda *_: None)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kernel, "ENGINE_ONLY", frozenset[type]())


def _spent_is_live(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(submit, "verdict", lambda seen: None)


def _any_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(last_look, "_entry_refusal", lambda *_: None)


def _blind_evidence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("phoenix_core.acts.propose.flags_for", lambda *_: ())


BROKEN_DESKS: Final[dict[str, Callable[[Any], None]]] = {
    "no kill is seen": _no_kill,
    "no life is ever over": _no_life,
    "no lease is asked for": _no_lease,
    "nothing is fenced": _no_fence,
    "no light is red": _spent_is_live,
    "the last look is skipped": _any_look,
    "the screen shows no red light": _blind_evidence,
}


@pytest.mark.parametrize("name", BROKEN_DESKS)
def test_a_broken_desk_differs_from_the_model(name: str, walked: Exploration, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison bites: a production rule that is broken shows as a difference."""
    BROKEN_DESKS[name](monkeypatch)
    assert compare(walked.asked, "NONE", differences_max=1).differ


# --- by night ---------------------------------------------------------------------------------------------------------


def test_a_walk_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """Kept and taken up again, a walk knows what it knew, and ends where it would have ended."""
    whole, half = exploration(bits=16), exploration(bits=16)
    whole.walk(6000)
    half.walk(2500)
    half.keep(tmp_path / "walk")
    again = resumed(tmp_path / "walk", 16)
    again.walk(6000)
    assert (again.seen.size, again.steps, list(again.asked)) == (whole.seen.size, whole.steps, list(whole.asked))


def test_a_walk_by_other_rules_begins_anew(tmp_path: Path) -> None:
    """What was reached by rules that are no longer these proves nothing."""
    walk = exploration(bits=16)
    walk.walk(1000)
    walk.keep(tmp_path / "walk")
    kept = bytearray((tmp_path / "walk").read_bytes())
    kept[0] ^= 1
    (tmp_path / "walk").write_bytes(kept)
    assert resumed(tmp_path / "walk", 16).seen.size == 0


def test_a_night_goes_on_and_compares_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's round says how far each walk came, compares new questions beside bystanders, and is taken up again."""
    # By night all five stand beside, all walks go on, and they begin further on, too; two show that each is kept apart.
    monkeypatch.setattr(night, "BYSTANDERS", ("NONE", "CLOSED"))
    monkeypatch.setattr(night, "WALKS", {name: night.WALKS[name][:1] for name in ("", "-by-lots")})
    assert night.main(["0.2", str(tmp_path / "walk")]) == 0
    first = capsys.readouterr().out
    assert night.main(["0.1", str(tmp_path / "walk")]) == 0
    second = capsys.readouterr().out
    worlds = [[int(line.split()[0]) for line in said.splitlines() if " worlds, " in line] for said in (first, second)]
    assert len(worlds[0]) == len(night.WALKS) and all(was < now for was, now in zip(*worlds, strict=True))
    assert first.count("compared") == len(night.WALKS)
