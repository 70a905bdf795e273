"""The steps of a third walk: what is held by one intent loses its protection, which is placed again, once, or by hand.

The broker ends stop, target or both at any time, refuses a pair that was placed again, or hears nothing of it; engines
die over it; a human signs for a close, or for protection, meanwhile. Fills are whole here. Where the broker's groups
hold, a close joins that of its protection; where they do not, its protection is asked to end first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.chaos.model import world as base
from tests.chaos.model.rules import HELD, Command
from tests.chaos.model.world import Process, Signature, Step, World, ask, caught_up, engine, judged, mark, put

WORKS: Final = ("NEW", "BOTH", "STOP", "TARGET")
# What the broker does of its own accord, or because it was asked to.
NEXT: Final = {
    "NEW": ("BOTH", "REFUSED"),
    "BOTH": ("STOP", "TARGET", "OVER"),
    "STOP": ("OVER",),
    "TARGET": ("OVER",),
}
CLOSES_MAX: Final = 2  # signed one after the other
PICTURES: Final = ("NONE", "OLD", "LESS", "PAIR", "OTHER")


def begun(world: World, groups: bool) -> World:
    """The world where all is filled, from here on: its pair is at the broker."""
    around = world.around._replace(again=True, groups=groups)
    return world._replace(truths=put(world.truths, 0, rests="BOTH", which=0), around=around)


def steps(world: World) -> Iterator[Step]:
    """Everything that may happen next."""
    yield from _broker(world)
    yield from _operator(world)
    if not world.log.shared.kill:
        yield _asks(world, Command("kill"), None)
    for p in (0, 1):
        process = world.engines[p]
        if process is None:
            yield base.start(world, p)
        else:
            yield Step(f"crash {p}", engine(world, p, None))
            yield from _engine(world, p, process)


def _asks(world: World, command: Command, by: int | None) -> Step:
    return Step(f"{command.name} by {by}", ask(world, 0, command, by)[1], (0, command))


def _thinks(world: World, command: Command) -> Iterator[Step]:
    """A question that is asked whether or not this world can come to it, where the answer changes nothing."""
    verdict = judged(world.log.shared, world.log.intents[0], command)
    if verdict.intent == world.log.intents[0]:
        yield Step(f"{command} in thought", world, (0, command))


def _true(world: World, **change: object) -> World:
    return world._replace(truths=put(world.truths, 0, **change))


# --- the broker, the clock, the operator ------------------------------------------------------------------------------


def _broker(world: World) -> Iterator[Step]:
    truth, intent = world.truths[0], world.log.intents[0]
    if not truth.close_old and intent.close in ("SIGNED", "MINE"):
        yield Step("the close grows old", _true(world, close_old=True))
    if not truth.protect_old and (intent.protect == "SIGNED" or (intent.by_hand and intent.again == "MINE")):
        yield Step("the wish for protection grows old", _true(world, protect_old=True))
    if truth.left:
        return
    for now in NEXT.get(truth.rests, ()):
        yield Step(f"the pair is {now}", _true(world, rests=now))
    for pairs, left in ((("BOTH", "STOP"), "STOPPED"), (("TARGET",), "TARGETED")):
        if truth.rests in pairs:
            yield Step(f"it is {left}", _true(world, left=left, out=truth.lots, rests="OVER", close=False))
    if truth.close:
        rests = "OVER" if truth.rests in WORKS else truth.rests
        yield Step("it is CLOSED", _true(world, left="CLOSED", out=truth.lots, rests=rests, close=False))


def _operator(world: World) -> Iterator[Step]:
    mine, intent = world.people[0], world.log.intents[0]
    if mine is not None:
        command = Command(mine.says, slow=intent.tries if mine.says == "close" else 0)
        _, after = ask(world, 0, command, None)
        after = _true(after, close_old=False) if mine.says == "close" else after
        yield Step(f"hands in {mine.says}", _signs(after, None), (0, command))
        return
    if intent.state in HELD and intent.close in ("", "SPENT") and intent.tries < CLOSES_MAX:
        yield Step("signs close", _signs(world, Signature(0, "close", 0)))
    if intent.state in HELD and not intent.protect:
        yield Step("signs protect", _signs(world, Signature(0, "protect", 0)))
    if world.log.shared.kill:
        yield _asks(world, Command("clear"), None)


def _signs(world: World, signature: Signature | None) -> World:
    return world._replace(people=(signature, world.people[1]))


# --- an engine --------------------------------------------------------------------------------------------------------


def _engine(world: World, p: int, process: Process) -> Iterator[Step]:
    if not process.fresh:
        yield Step(f"{p} catches up", caught_up(world, p))
    release = Command("release", process.fit)
    yield Step(f"{p} stops", engine(ask(world, 0, release, p)[1], p, None), (0, release))
    truth, intent = world.truths[0], world.log.intents[0]
    bare = truth.rests not in WORKS and not truth.left and not truth.close
    if bare and intent.pair == "GONE" and process.saw != intent.placed:
        yield Step(f"{p} sees what is bare", engine(world, p, process._replace(saw=intent.placed)))
    yield from _hands(world, p, process)
    yield from _due(world, p, process)
    if process.changes[0] not in ("OUT", "LOST"):
        yield from _hears(world, p, process)


def _hands(world: World, p: int, process: Process) -> Iterator[Step]:
    for what, sends, said in (
        (process.changes[0], _send_pair, "again"),
        (process.closes[0], _send_close, "close"),
    ):
        if what == "RECORDED":
            yield from sends(world, p)
        elif what:
            empty = engine(world, p, _empty(process, said))
            yield _asks(empty, Command(f"{said}_sent" if what == "OUT" else f"{said}_dropped", process.fit), p)


def _empty(process: Process, what: str, word: str = "") -> Process:
    if what == "again":
        return process._replace(changes=mark(process.changes, 0, word))
    return process._replace(closes=mark(process.closes, 0, word))


def _looked(world: World, p: int, what: str, look: Command) -> Iterator[Step]:
    """The last look; where it says no, that is all that comes of it."""
    held = world.engines[p]
    assert held is not None
    verdict = judged(held.memory.shared, held.memory.intents[0], look)
    yield Step(f"{p} looks at {what}", world, (0, look))
    yield from _thinks(world, look._replace(link=False))
    for picture in PICTURES[:3]:
        yield from _thinks(world, look._replace(picture=picture))
    if verdict.no:
        empty = engine(world, p, _empty(held, what))
        yield _asks(empty, Command(f"withhold_{what}", held.fit), p)


def _send_pair(world: World, p: int) -> Iterator[Step]:
    """Inside the hold: catch up, look, hand over."""
    world = caught_up(world, p)
    held = world.engines[p]
    assert held is not None
    truth, intent = world.truths[0], world.log.intents[0]
    if intent.again not in ("MINE", "OLD"):
        yield Step(f"{p} owes no pair", engine(world, p, _empty(held, "again")))
        return
    look = Command("look_again", held.fit, truth.protect_old)
    yield from _looked(world, p, "again", look)
    if judged(held.memory.shared, held.memory.intents[0], look).no:
        return
    spent = bool(truth.left) and truth.joined == intent.placed
    said = (
        (truth.rests in WORKS, "X1 protection beside protection"),
        (truth.close and truth.joined != intent.placed, "X1 protection beside a close"),
        (bool(truth.left) and not spent, "X1 protection of what is not held"),
        (intent.state not in HELD or not intent.held, "X1 an exit frame where nothing is held"),
        (intent.by_hand and truth.protect_old, "X2 an exit frame without a young signature"),
        (not held.fit or not world.log.shared.lease, "X3 an exit frame of a run without the lease"),
    )
    broken = next((why for so, why in said if so), "")
    out = engine(world, p, _empty(held, "again", "OUT"))
    yield Step(f"{p} sends a pair", _true(out, rests="OVER" if spent else "NEW", which=intent.placed), None, broken)
    yield Step(f"{p} loses a pair", engine(world, p, _empty(held, "again", "LOST")), None, broken)


def _send_close(world: World, p: int) -> Iterator[Step]:
    """A close: into the group of its protection where that has no end by the log, else into one of its own."""
    world = caught_up(world, p)
    held = world.engines[p]
    assert held is not None
    truth, intent = world.truths[0], world.log.intents[0]
    if intent.close not in ("MINE", "OLD"):
        yield Step(f"{p} owes no close", engine(world, p, _empty(held, "close")))
        return
    look = Command("look_close", held.fit, truth.close_old, slow=intent.tries - 1)
    yield from _looked(world, p, "close", look)
    if judged(held.memory.shared, held.memory.intents[0], look).no:
        return
    joined = truth.joined
    said = (
        (intent.state not in HELD or not intent.held, "X1 an exit frame where nothing is held"),
        (truth.rests in WORKS and joined != truth.which, "X1 a close beside protection"),
        (bool(truth.left) and joined != truth.which, "X1 a close of what is not held"),
        (truth.close_old, "X2 an exit frame without a young signature"),
        (not held.fit or not world.log.shared.lease, "X3 an exit frame of a run without the lease"),
    )
    broken = next((why for so, why in said if so), "")
    out = engine(world, p, _empty(held, "close", "OUT"))
    # A group that is over takes nobody in: by an execution, not by what was cancelled in it.
    yield Step(f"{p} sends a close", _true(out, close=not truth.left), None, broken)
    yield Step(f"{p} loses a close", engine(world, p, _empty(held, "close", "LOST")), None, broken)


def _due(world: World, p: int, process: Process) -> Iterator[Step]:
    intent, truth, fit, groups = world.log.intents[0], world.truths[0], process.fit, world.around.groups
    yield from _due_to_protection(world, p, process)
    if intent.close == "SIGNED":
        for slow in (intent.tries - 1, intent.tries):
            carry = Command("carry", fit, truth.close_old, groups=groups, slow=slow)
            if judged(world.log.shared, intent, carry).intent.way <= intent.tries:  # what is asked to end, is at once
                yield _records(world, p, carry, "close")
            for odd in (carry._replace(picture="NONE"), carry._replace(picture="LESS"), carry._replace(link=False)):
                yield _records(world, p, odd, "close")
    if intent.close == "OLD":
        yield _asks(world, Command("close_unknown", fit), p)
    if intent.protect == "SIGNED":
        for picture in ("SHOWS", "NONE", "OLD", "LESS"):
            yield _records(world, p, Command("carry_protect", fit, truth.protect_old, picture=picture), "again")
        yield _records(world, p, Command("carry_protect", fit, truth.protect_old, link=False), "again")
    if intent.again == "OLD":
        yield _asks(world, Command("again_unknown", fit), p)
    if intent.again:
        yield from _thinks(world, Command("doubt", fit))
        yield _asks(world, Command("doubt", fit, slow=1), p)
    if intent.state == "FILLED":
        yield _asks(world, Command("manage", fit), p)
    for slow in (0, 1):
        yield _asks(world, Command("clear_away", fit, slow=slow), p)


def _due_to_protection(world: World, p: int, process: Process) -> Iterator[Step]:
    intent, fit, groups = world.log.intents[0], process.fit, world.around.groups
    restore = Command("restore", fit, groups=groups)
    times = (max(0, intent.way - 1), max(1, intent.way))
    for picture in PICTURES:
        yield from _thinks(world, restore._replace(picture=picture))
    yield from _thinks(world, restore._replace(link=False))
    yield from _thinks(world, Command("resize", fit))
    for picture in ("SHOWS", "NONE"):
        for slow in times:
            yield from _thinks(world, Command("turn", picture=picture, slow=slow))
    for slow in times:
        yield _asks(world, Command("alarm", fit, slow=slow), p)
    if process.saw == intent.placed:
        yield _records(world, p, restore, "again")
    else:
        yield from _thinks(world, restore)


def _records(world: World, p: int, command: Command, what: str) -> Step:
    """An order that is recorded is in this run's hands."""
    verdict, after = ask(world, 0, command, p)
    held, was, now = after.engines[p], world.log.intents[0], verdict.intent
    assert held is not None
    if not verdict.no and (now.placed, now.close) != (was.placed, was.close):
        after = engine(after, p, _empty(held, what, "RECORDED"))
        if what == "close":
            after = _true(after, joined=-1 if was.pair == "GONE" else was.placed)
    return Step(f"{p} asks for {command.name} {command.slow}", after, (0, command))


def _hears(world: World, p: int, process: Process) -> Iterator[Step]:
    """The broker's word as it stands now; a word may be heard again, or by nobody."""
    intent, truth, fit = world.log.intents[0], world.truths[0], process.fit
    if intent.state not in HELD:
        return
    known = truth.which == intent.placed
    word = {
        "BOTH": "again_stands", "STOP": "target_over", "TARGET": "stop_over", "OVER": "pair_gone",
        "REFUSED": "pair_refused",
    }.get(truth.rests)  # fmt: skip
    if word and known and not truth.left:
        for slow in {max(0, intent.way - 1), intent.way}:
            yield _asks(world, Command(word, fit, slow=slow), p)
    if process.closes[0] == "OUT" or intent.close == "MINE":
        return
    if truth.left == "CLOSED":
        yield _asks(world, Command("close_filled" if known else "close_alone", fit), p)
    elif truth.left:
        yield _asks(world, Command("stopped" if truth.left == "STOPPED" else "targeted", fit), p)


# --- what must hold in every world ------------------------------------------------------------------------------------


def broken_by(before: World, step: Step) -> str:
    """The promise of this walk that a step breaks."""
    was, now, truth = before.log.intents[0], step.after.log.intents[0], step.after.truths[0]
    said = (
        (bool(truth.left) and truth.rests in WORKS, "X1 protection works beside nothing"),
        (now.state == "CLOSED" and truth.rests in WORKS, "B8 CLOSED, and protection works"),
        (now.state == "CLOSED" and truth.close, "B8 CLOSED, and a close works"),
        (now.placed > was.placed and truth.rests in WORKS, "D4 placed again beside what works"),
        (now.placed > was.placed and was.once and not now.by_hand, "D4 placed again twice without a human"),
    )
    return base.broken_by(before, step) or next((why for so, why in said if so), "")
