"""The rehearsal of an approval: it is judged again once, when it is met, and anew whenever what that rests on moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest
from attrs import define, field

from phoenix_core.acts import signatures
from phoenix_core.acts.signatures import GROUNDS, approval_refusal
from phoenix_core.acts.submit import rehearse
from phoenix_core.beads import Verdict
from phoenix_core.desk import OWNERS, SLICES, Desk, Stands, freeze
from phoenix_core.desk import evolve as fold
from phoenix_core.facts import Checked
from phoenix_core.gate.approvals import REMEMBERED
from phoenix_core.gate.statements import Decide
from phoenix_core.orders import order_hash
from phoenix_core.records import evolve
from phoenix_core.refusals import Reason
from phoenix_core.trade.positions import Open
from phoenix_core.values import Moment, State
from phoenix_core.world import World
from tests.showing import shows
from tests.stage import Stage, stage


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The place of each approval that was judged again, as often as it was."""
    places: list[int] = []
    real = signatures._approval_refusal

    def counted(desk: Desk, place: int, *rest: object) -> object:
        places.append(place)
        return cast(Callable[..., object], real)(desk, place, *rest)

    monkeypatch.setattr(signatures, "_approval_refusal", counted)
    return places


async def approved() -> tuple[Stage, Open]:
    """An approval that the engine's recorder has met, and its engine has not acted on."""
    desk = stage()
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    _ = desk.engine.recorder.catch_up()
    position = desk.desk.positions.open_of_intent(intent)
    assert position is not None
    order_hash.cache_clear()  # as in a process that never saw this order
    return desk, position


def place_of(desk: Stage, position: Open) -> int:
    """Where the approval stands in the log."""
    return desk.desk.approvals.decided[position.intent_id].seq


def issued_of(desk: Stage, position: Open) -> Moment:
    """When its token was issued."""
    token = desk.desk.tokens.live_for(position.intent_id)
    assert token is not None
    return token.issued


async def test_it_changes_nothing_and_leaves_nothing_to_be_worked_out(judged: list[int]) -> None:
    """Desk, log and broker are what they were; the decision and the last look then judge and hash nothing anew."""
    desk, position = await approved()
    before, head = freeze(desk.desk), desk.store.head()
    rehearse(desk.desk, position, desk.engine.world())
    assert (freeze(desk.desk), desk.store.head(), desk.sent) == (before, head, 0)
    hashed = order_hash.cache_info().misses
    assert hashed and judged == [place_of(desk, position)]
    await desk.engine.step()
    assert desk.sent == 3, "entry, stop and target"
    assert (order_hash.cache_info().misses, len(judged)) == (hashed, 1)


async def test_the_engine_rehearses_what_others_approved(judged: list[int]) -> None:
    """Of an approval that it has just met nothing is left to be worked out where the order is decided."""
    desk = stage()
    await desk.start()
    intent = await desk.propose()
    _ = desk.approve(intent).unwrap()
    order_hash.cache_clear()
    desk.engine._catch_up()
    hashed = order_hash.cache_info().misses
    assert hashed and len(judged) == 1
    await desk.engine.step()
    assert desk.sent == 3, "entry, stop and target"
    assert (order_hash.cache_info().misses, len(judged)) == (hashed, 1)


async def test_it_is_no_permission() -> None:
    """What was rehearsed is judged all the same: a latch that went up meanwhile keeps the order back."""
    desk, position = await approved()
    rehearse(desk.desk, position, desk.engine.world())
    desk.engine.latch = lambda: True
    await desk.engine.step()
    assert desk.sent == 0
    assert desk.state(position.intent_id) is State.CANCELLED


async def test_a_reject_after_the_rehearsal_wins(judged: list[int]) -> None:
    """Any reject wins, also over an approval that was found good a moment ago."""
    desk, position = await approved()
    rehearse(desk.desk, position, desk.engine.world())
    shown = desk.desk.evidence.latest(position.intent_id)
    assert shown is not None and len(judged) == 1
    says = Decide(Verdict.REJECT, position.intent_id, 0, shown.leaf, shown.evidence.order_hash)
    _ = desk.sign(says).unwrap()
    await desk.engine.step()
    assert desk.sent == 0


async def test_a_decision_of_long_ago_is_no_approval() -> None:
    """Where the desk no longer holds what was signed, the rehearsal finds so, and no order leaves."""
    desk, position = await approved()
    desk.desk.approvals.recent.clear()
    rehearse(desk.desk, position, desk.engine.world())
    found = desk.desk.stands[place_of(desk, position)].found
    assert found is not None and found.reasons == (Reason.TOKEN_SIGNATURE,)


async def test_what_was_sent_is_not_rehearsed(judged: list[int]) -> None:
    """A position without a live token has nothing that follows from its approval."""
    desk, position = await approved()
    await desk.engine.step()
    assert desk.sent == 3 and len(judged) == 1
    desk.desk.stands.clear()
    rehearse(desk.desk, position, desk.engine.world())
    assert len(judged) == 1 and not desk.desk.stands


async def test_only_the_latest_are_remembered(judged: list[int]) -> None:
    """As many as there are signatures that may still be acted on; the oldest makes room."""
    desk, position = await approved()
    desk.desk.stands.update({-n: Stands((), None) for n in range(1, REMEMBERED + 1)})
    rehearse(desk.desk, position, desk.engine.world())
    assert len(desk.desk.stands) == REMEMBERED and -1 not in desk.desk.stands
    assert judged == [place_of(desk, position)] and judged[0] in desk.desk.stands


# --- what an answer rests on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moved", GROUNDS)
async def test_it_is_judged_anew_when_what_it_rests_on_has_moved(judged: list[int], moved: str) -> None:
    """One bead in any of the slices that it was judged by, and what was found is asked no more."""
    desk, position = await approved()
    world = desk.engine.world()
    for _ in range(3):
        rehearse(desk.desk, position, world)
    assert len(judged) == 1
    desk.desk.moved[moved] = desk.desk.head.size
    for _ in range(3):
        rehearse(desk.desk, position, world)
    assert len(judged) == 2


OTHER: list[Callable[[World, int, Moment], tuple[World, Moment]]] = [
    lambda world, place, issued: (evolve(world, verified={}), issued),
    lambda world, place, issued: (evolve(world, roots={place: "AAAA"}), issued),
    lambda world, place, issued: (evolve(world, verified={place: other_of(world.verified[place])}), issued),
    lambda world, place, issued: (world, issued.plus(timedelta(hours=1))),
]


def other_of(checked: Checked) -> Checked:
    """A signature that counted once more than the one in the log."""
    return evolve(checked, counter=checked.counter + 1)


@shows("INV-T2-GATE-1", "I2")
@pytest.mark.parametrize("change", OTHER)
async def test_what_was_found_of_one_signature_says_nothing_of_another(
    judged: list[int], change: Callable[[World, int, Moment], tuple[World, Moment]]
) -> None:
    """No signature, another root, other bytes, another moment: each is judged and refused; the first still stands."""
    desk, position = await approved()
    world, issued, place = desk.engine.world(), issued_of(desk, position), place_of(desk, position)
    assert approval_refusal(desk.desk, position.intent_id, issued, world) is None
    changed, at = change(world, place, issued)
    found = approval_refusal(desk.desk, position.intent_id, at, changed)
    assert found is not None and found.reasons == (Reason.TOKEN_SIGNATURE,)
    assert approval_refusal(desk.desk, position.intent_id, issued, world) is None
    assert len(judged) == 3


@define
class Spied:
    """A desk that remembers which parts of it were looked at."""

    desk: Desk
    seen: set[str] = field(factory=set)

    def __getattr__(self, name: str) -> object:
        self.seen.add(name)
        return getattr(self.desk, name)


async def test_the_judging_looks_at_nothing_that_it_does_not_name() -> None:
    """An answer is good until its grounds move: nothing else of the desk may be looked at; its genesis never moves."""
    desk, position = await approved()
    place, world = place_of(desk, position), desk.engine.world()
    spied = Spied(desk.desk)
    found = signatures._approval_refusal(
        cast(Desk, spied),
        place,
        position.intent_id,
        world.verified[place],
        world.roots[place],
        issued_of(desk, position),
        True,
    )
    assert found is None
    assert spied.seen == {*GROUNDS, "genesis"}


async def test_every_bead_says_which_slice_it_moved() -> None:
    """A whole trade: after each bead exactly the slice that owns its kind has moved, to that bead."""
    desk = stage()
    await desk.start()
    _ = await desk.enter()
    desk.price("1.0911", "1.0912")
    await desk.tick()
    seen = Desk()
    before: dict[str, int] = {}
    for bead in desk.beads():
        _ = fold(seen, bead)
        moved = {name: at for name, at in seen.moved.items() if before.get(name) != at}
        assert moved == {OWNERS[bead.body.kind]: bead.seq}
        before = dict(seen.moved)
    assert len(before) >= 9 and set(before) <= set(SLICES)
