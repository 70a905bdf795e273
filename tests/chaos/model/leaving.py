"""The fourth walk: what is held leaves in parts, at its stop, its target or a close, and the day ends under it.

Three lots were entered, or two of them while the third may still fill. Whatever an exit executes the broker takes from
the others of its group, and says so before, after or without the execution. It ends each of them alone; it takes,
refuses or never hears another size; somebody changes one in its own window; the day ends what was good for the day
alone: the entry's rest, and a close. The engine dies, the session is lost, a human closes, stops everything, and states
from the broker's papers what no word ever told.

What is asked about is smaller and finer than in the walks before: each exit by itself, as the log has it (exits.py,
which this walk shares with the fifth). The rules are written from the decisions, and not from the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.chaos.model import exits
from tests.chaos.model.exits import (
    EXITS,
    HANDS,
    LOTS,
    OWED,
    PAIR,
    At,
    Exit,
    Rule,
    Run,
    Step,
    Steps,
    Truth,
    Verdict,
    answer,
    first_of,
    hand,
    in_hand,
    in_part,
    is_short,
    is_told,
    known,
    label_of,
    left,
    left_wrongly,
    look_close,
    may_leave,
    no,
    put,
    sent_close,
    sent_pair,
    sent_wrongly,
    true,
    unbooked,
    without,
    yes,
)  # fmt: skip
from tests.chaos.model.rules import Command, Shared

CLOSES_MAX: Final = 2


class Leaving(exits.Position):
    """A position that leaves in parts, as the log has it."""

    __slots__ = ()

    def worth(self, now: int) -> str:
        """D4: what protects it, by the broker's echo, in that order of doubts."""
        if self.held <= 0 and not self.more:
            return "EXCESS" if any(each.works for each in self.exits) else "NONE"
        if any(each.ends > now for each in self.pair):
            return "PENDING"
        if not all(each.works for each in self.pair):
            return "NONE"
        if any("UNKNOWN" in (each.way, each.frame) for each in self.pair):
            return "UNKNOWN"
        if any(each.way != "WORKS" or each.frame for each in self.pair):
            return "PENDING"
        rests = [getattr(self, name).rest - exits.ahead(self, name) for name in PAIR]
        if min(rests) < self.held:
            return "PENDING" if any(each.changes for each in self.pair) and not now else "SHORT"
        return "EXCESS" if max(rests) > self.held + self.more else "FULL"


# --- closes -----------------------------------------------------------------------------------------------------------


def _close(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    """An accepted signature is recorded, where an engine runs."""
    return yes(shared, it, wish="SIGNED", signed=it.signed + 1) if shared.lease else no("LEASE", shared, it)


def _carry(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    """D6: for all that is held; into the group of its protection where the broker holds groups, else after that."""
    if it.wish != "SIGNED":
        return no("STATE", shared, it)
    if c.late:
        return no("EXIT", shared, it, wish="SPENT")
    if it.state == "CLOSED" or it.held <= 0 or it.close.works:
        return no("STATE", shared, it, wish="SPENT")
    if (c.picture == "NONE" or unbooked(it)) and c.link and c.slow < it.signed:
        return no("PICTURE", shared, it)
    beside = any(x.works for x in it.pair)
    if beside and not c.groups:
        return _makes_way(shared, it, c)
    it = it._replace(gone=it.gone + max(0, it.close.said - it.close.did))
    close = Exit("MINE", it.held, it.held)
    entry = "ENDING" if it.entry else ""
    return yes(shared, it, close=close, joined=beside, wish="SPENT", entry=entry, closes=it.closes + 1)


def _makes_way(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    """Its protection is asked to end, once for each close, and has three seconds; not for a close that cannot leave."""
    names = [name for name in PAIR if getattr(it, name).works]
    unasked = [name for name in names if getattr(it, name).ends < it.signed]
    if not unasked:
        late = any(getattr(it, name).ends <= c.slow for name in names)
        return no("PAIR", shared, it, wish="SPENT" if late else it.wish)
    if not c.link or c.picture in ("NONE", "LESS") or it.held > may_leave(it, c.picture):
        return no("EXIT" if c.link else "LINK", shared, it, wish="SPENT")
    return yes(shared, it.asked_to_end(unasked, c.slow), entry="ENDING" if it.entry else "")


def _look_close(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    large = it.close.asked > may_leave(it, c.picture) or c.picture in ("NONE", "LESS")
    return look_close(shared, it, c, large)


# --- people, and what all share ---------------------------------------------------------------------------------------


def _states(name: str) -> Rule[Leaving]:
    """A human states from the broker's papers one execution of which no word came: of the one exit by whose own word it
    was all that the picture lacks, and else of none; of none, too, where something stands that may be just that."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
        if not shared.lease:
            return no("LEASE", shared, it)
        x: Exit = getattr(it, name)
        lacks = [getattr(it, each).said - getattr(it, each).did for each in EXITS]
        first = not any(each.stated for each in it.exits)
        own = first and [lack for lack in lacks if lack > 0] == [c.lots] == [x.said - x.did]
        stated = {"did": x.did + 1} if own else {"stated": x.stated + 1}
        return yes(shared, left(put(it, name, **stated), 1))

    return rule


def _kill(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    return yes(shared._replace(kill=True), it)


def _clear(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    return yes(shared._replace(kill=False), it) if shared.kill else no("STATE", shared, it)


def _release(shared: Shared, it: Leaving, c: Command) -> Verdict[Leaving]:
    return yes(shared._replace(lease=False), it)


FENCED: Final[dict[str, Rule[Leaving]]] = {**exits.FENCED, "carry": _carry, "release": _release}
OPEN: Final[dict[str, Rule[Leaving]]] = {
    **exits.OPEN, **{f"states_{name}": _states(name) for name in EXITS},
    "close": _close, "look_close": _look_close, "kill": _kill, "clear": _clear,
}  # fmt: skip


def judge(shared: Shared, intent: Leaving, command: Command) -> Verdict[Leaving]:
    """The rules' answer to one command."""
    return answer(FENCED, OPEN, shared, intent, command)


# --- the steps --------------------------------------------------------------------------------------------------------


class World(exits.World[Leaving]):
    """Everything."""

    __slots__ = ()


OneStep = Step[World]
by: Final = Steps(judge, World)


def beginning(groups: bool, part: bool = False) -> World:
    """All three lots are held, and protected; or two, while the third may still fill."""
    it, truth = in_part(Leaving(), Truth()) if part else (Leaving(), Truth())
    return World(Shared(lease=True), it, truth, Run(), groups)


def steps(world: World) -> Iterator[OneStep]:
    """Everything that may happen next."""
    yield from _broker(world)
    yield from _people(world)
    if world.run is None:
        yield Step("begin", by.ask(world, Command("begin"))._replace(run=Run()), (0, Command("begin")))
        return
    yield Step("crash", without(world)._replace(run=None))
    yield Step("session", without(by.ask(world, Command("session"))), (0, Command("session")))
    yield from _hands(world)
    yield from _due(world)
    yield from _hears(world)


def _broker(world: World) -> Iterator[OneStep]:
    truth = world.truth
    for name in EXITS:
        yield from by.leaves(world, name)
    if not truth.by_hand:
        yield from by.smaller_by_hand(world)
    if truth.more:
        yield Step("the last lot fills", true(world, got=LOTS, more=0))
    if not truth.day_over and (truth.more or truth.close.works == "WORKS"):
        over = truth.close._replace(works="OVER") if truth.close.works else truth.close
        yield Step("the day ends", true(world, more=0, close=over, day_over=True))
    if not truth.close_old and (world.it.wish == "SIGNED" or world.it.close.way in OWED):
        yield Step("the close grows old", true(world, close_old=True))


def _people(world: World) -> Iterator[OneStep]:
    it, truth = world.it, world.truth
    if world.signed:
        command = Command("close", slow=it.signed)
        verdict = judge(world.shared, it, command)
        after = true(by.ask(world, command), close_old=False) if not verdict.no else world
        yield Step("hands in close", after._replace(signed=False), (0, command))
    elif it.state != "CLOSED" and it.held and not it.close.works and it.wish != "SIGNED" and it.signed < CLOSES_MAX:
        yield Step("signs close", world._replace(signed=True))
    yield by.asks(world, Command("clear" if world.shared.kill else "kill"))
    for name in EXITS if not it.again else ():  # for the model's sake: what is stated is of the first of them
        x: Exit = getattr(it, name)
        if (
            known(world, name)
            and it.held
            and it.got == truth.got
            and getattr(truth, name).did > x.did + x.stated
            and x.way not in OWED
        ):
            yield by.asks(world, Command(f"states_{name}", picture="LOT", lots=truth.out - it.out))


def _hands(world: World) -> Iterator[OneStep]:
    for field, name in HANDS:
        if getattr(world.run, field) == "RECORDED":
            yield from _sends(world, field, name)
        yield from by.reports(world, Command(""), field, name)


def _sends(world: World, field: str, name: str) -> Iterator[OneStep]:
    """Inside the hold: look, and hand over."""
    close = name == "close"
    look = Command(f"look_{name}", late=close and world.truth.close_old, slow=world.it.signed - 1 if close else 0)
    odd = (look._replace(link=False), look._replace(picture="LESS"), look._replace(picture="NONE"))
    yield from by.looks(world, Command(""), look, odd, field, name)
    if not judge(world.shared, world.it, look).no:
        for how, after in _sent(hand(world, **{field: "OUT"}), name):
            broken = sent_wrongly(world, after, is_told(world))
            yield Step(f"sends a {name}{how}", after, (0, look), broken)


def _sent(world: World, name: str) -> Iterator[tuple[str, World]]:
    if name == "resize":
        yield from _sent_change(world)
    else:
        yield "", sent_close(world) if name == "close" else sent_pair(world)


def _sent_change(world: World) -> Iterator[tuple[str, World]]:
    """The broker takes the change, or lets it not stand."""
    taken, refused = world, world
    for name in PAIR:
        at: At = getattr(world.truth, name)
        x: Exit = getattr(world.it, name)
        if x.frame in OWED and at.works == "WORKS":
            over = x.asked <= at.did
            taken = true(taken, **{name: at._replace(total=max(x.asked, at.did), works="OVER" if over else "WORKS")})
            refused = true(refused, **{name: at._replace(no=True)})
    yield "", taken
    if refused != world:
        yield ", which is refused", refused


def _due(world: World) -> Iterator[OneStep]:
    it, truth, groups = world.it, world.truth, world.groups
    times = sorted({max(0, x.ends - 1) for x in it.pair} | {max(x.ends for x in it.pair)} | {1})
    for slow in times:
        yield from by.thinks(world, Command("turn", slow=slow))
        yield by.asks(world, Command("alarm", slow=slow))
    for picture in ("NONE", "OLD", "LESS", "PAIR", "OTHER"):
        yield from by.thinks(world, Command("restore", groups=groups, picture=picture))
    yield from by.thinks(world, Command("turn", picture="NONE"))
    yield from by.thinks(world, Command("restore", groups=groups, link=False))
    told = it.got == truth.got and it.out == truth.out
    restore = Command("restore", groups=groups)
    if told and all(getattr(truth, name).works != "WORKS" for name in EXITS):
        yield _records(world, restore, "again")
    else:
        yield from by.thinks(world, restore)
    yield from _due_to_sizes(world)
    yield from _due_to_closes(world)
    if it.stop.way == "OLD":
        yield by.asks(world, Command("again_unknown"))
    yield by.asks(world, Command("clear_away", slow=1))
    release = Command("release")
    yield Step("stops", without(by.ask(world, release))._replace(run=None), (0, release))


def _due_to_sizes(world: World) -> Iterator[OneStep]:
    it = world.it
    if any(x.frame == "OLD" for x in it.pair):
        yield by.asks(world, Command("resize_unknown"))
    for odd in (Command("resize", link=False), Command("resize", picture="LESS")):
        yield from by.thinks(world, odd)
    if it.wish != "SIGNED":
        yield _records(world, Command("resize", picture="NONE"), "change")
    if it.got == world.truth.got and it.out == world.truth.out:
        yield _records(world, Command("resize"), "change")


def _due_to_closes(world: World) -> Iterator[OneStep]:
    it, truth = world.it, world.truth
    if it.wish == "SIGNED":
        for slow in (it.signed - 1, it.signed):
            carry = Command("carry", late=truth.close_old, groups=world.groups, slow=slow)
            if max(x.ends for x in judge(world.shared, it, carry).intent.pair) <= it.signed:  # asked to end at once
                yield _records(world, carry, "close")
            for odd in (carry._replace(picture="NONE"), carry._replace(picture="LESS"), carry._replace(link=False)):
                yield from by.thinks(world, odd)
    if it.close.way == "OLD":
        yield by.asks(world, Command("close_unknown"))


def _records(world: World, command: Command, field: str) -> OneStep:
    """An order that is recorded is in this run's hands."""
    verdict, after = judge(world.shared, world.it, command), by.ask(world, command)
    was, now = world.it, verdict.intent
    changed = {
        "close": now.close != was.close and now.close.way == "MINE",
        "change": any(x.frame == "MINE" for x in now.pair) and now != was,
        "again": now.again != was.again,
    }
    if not verdict.no and changed[field]:
        after = hand(after, **{field: "RECORDED"})
    return Step(f"asks for {label_of(command)}", after, (0, command))


def _hears(world: World) -> Iterator[OneStep]:
    """The broker's words as they stand now; each may be heard again, or by nobody, before the others or after them."""
    it, truth = world.it, world.truth
    if it.state == "CLOSED":
        return
    times = sorted({max(0, x.ends - 1) for x in it.pair} | {max(x.ends for x in it.pair)})
    for name in EXITS:
        at: At = getattr(truth, name)
        x: Exit = getattr(it, name)
        if not known(world, name) or in_hand(world, name):
            continue
        if at.did > x.did + x.stated:
            yield by.asks(world, Command(f"{name}_fills", lots=at.did, total=at.total))
        for slow in times:
            if at.works == "WORKS" and name != "close" and at.no and x.frame in ("SENT", "HEARD"):
                yield by.asks(true(world, **{name: at._replace(no=False)}), Command(f"{name}_refuses", slow=slow))
            elif x.works:
                word = "says" if at.works == "WORKS" else "ends"
                yield by.asks(world, Command(f"{name}_{word}", lots=at.did, total=at.total, slow=slow))
    if it.entry and truth.got == LOTS:
        yield by.asks(world, Command("entry_fills"))
    elif it.entry and not truth.more:
        yield by.asks(world, Command("entry_ends"))


# --- what must hold in every world ------------------------------------------------------------------------------------


def broken_by(before: World, step: OneStep) -> str:
    """The promise that a step breaks."""
    covers = step.after.it.worth(2) in ("FULL", "EXCESS")
    short = covers and _is_heard(step.after) and is_short(step.after)
    said = (short, "D4 what is said to protect does not cover what is held")
    return step.broken or left_wrongly(before, step.after) or first_of(said)


def _is_heard(world: World) -> bool:
    """Whether the log heard all that the broker has to say of the pair, and of what was executed."""
    it, truth = world.it, world.truth
    pair = [(getattr(it, name), getattr(truth, name)) for name in PAIR]
    here = ("WORKS", "", "WORKS")
    words = all((x.way, x.frame, at.works, x.total, x.said) == (*here, at.total, at.did) for x, at in pair)
    return is_told(world) and words and truth.placed == int(it.again)
