"""The fifth walk: a human closes a part of what is held, and what is left keeps its stop.

Three lots were entered, or two of them while the third may still fill. A human closes one, two or all of them, and a
second time on top of the first. Stop and target are first made smaller; the broker takes that, refuses it, never hears
it, or does it late, when the session that asked is gone. Meanwhile a stop or a target executes, ends, or is changed in
the broker's own window; the close fills in part, or is refused; the engine dies between its records and its frames.

What the fourth walk has too stands in exits.py. The rules are written from the decisions (0020, D2 to D6), and not
from the code. Time is a part of the world here: a step of it is longer than the second and a half that a new size has,
and two are longer than the three seconds that an end has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
    Wish,
    answer,
    asks_for,
    first_of,
    hand,
    in_hand,
    in_part,
    is_short,
    is_told,
    known,
    label_of,
    left_wrongly,
    look_close,
    may_leave,
    no,
    sent_close,
    sent_pair,
    sent_wrongly,
    true,
    unbooked,
    without,
    yes,
)  # fmt: skip
from tests.chaos.model.rules import Command, Shared

SIGNED_MAX: Final = 2  # closes that a human signs
TIMES: Final = 4  # steps of time
SIZE_STEPS: Final = 1  # after so many a new size that was not confirmed is too late
END_STEPS: Final = 2  # and an end


class Parting(exits.Position):
    """A position that is closed in parts, as the log has it."""

    __slots__ = ()

    def worth(self, now: int) -> str:
        """D4: what protects it, by the broker's echo, in that order of doubts."""
        if self.held <= 0 and not self.more:
            return "EXCESS" if any(each.works for each in self.exits) else "NONE"
        if self.way and now < self.way - 1 + END_STEPS:
            return "PENDING"
        if not all(each.works for each in self.pair):
            return "NONE"
        if any("UNKNOWN" in (each.way, each.frame) for each in self.pair):
            return "UNKNOWN"
        if any(each.way != "WORKS" or each.frame for each in self.pair):
            return "PENDING"
        if any(each.moved for each in self.pair):
            return "NONE"
        rests = [each.rest for each in self.pair]
        if min(rests) < self.held:
            young = any(each.changes and now < each.at - 1 + END_STEPS for each in self.pair)
            return "PENDING" if young else "SHORT"
        return "EXCESS" if max(rests) > self.held + self.more else "FULL"

    def stamp(self, now: int) -> dict[str, int]:
        """When it was recorded, or changed, and after how many closes."""
        return {"at": now + 1, "after": self.signed}

    def asked_to_end(self, names: Iterable[str], now: int) -> Parting:
        """The ends of these exits were asked for: of stop or target, protection makes way since now."""
        names = list(names)
        it = super().asked_to_end(names, now)
        return it._replace(way=now + 1) if any(name in PAIR for name in names) else it

    def not_sent(self) -> Parting:
        """It is told that an exit was not sent."""
        return self._replace(unsent=True)


# --- closes -----------------------------------------------------------------------------------------------------------


def _close(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
    """An accepted signature is recorded, where an engine runs."""
    if not shared.lease:
        return no("LEASE", shared, it)
    return yes(shared, it, wishes=(*it.wishes, Wish(c.lots, c.slow + 1, it.signed + 1)), signed=it.signed + 1)


def _carry(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
    """D6 and 0020: for what was signed, or all. A part waits until what will be left is what stop and target are for;
    where that can not be had in time, and for all of it, they end first. What a picture does not show is not left."""
    if c.version >= len(it.wishes):
        return no("STATE", shared, it)
    wish = it.wishes[c.version]
    spent = tuple(w for n, w in enumerate(it.wishes) if n != c.version)
    if c.late:
        return no("EXIT", shared, it, wishes=spent)
    if it.state == "CLOSED" or it.held <= 0 or it.close.works:
        return no("STATE", shared, it, wishes=spent)
    lots = wish.lots or it.held
    waits = unbooked(it) or (not wish.lots and c.picture == "NONE")
    if waits and c.link and c.slow < wish.at - 1 + SIZE_STEPS:
        return no("PICTURE", shared, it)
    left, shown = it.held - lots, 0 if c.picture == "LESS" else it.held
    beside = any(x.works for x in it.pair)
    joins = beside and c.groups and not (wish.lots and shown < it.held)
    if shown > lots and beside and not joins:
        fits = all(x.way == "WORKS" and not x.frame and not x.ends and x.rest <= left for x in it.pair if x.works)
        if not fits:
            return _gets_smaller(shared, it, c, wish, spent, left)
    elif beside and not joins:
        return _makes_way(shared, it, c, wish, spent)
    if left < 0 and c.picture != "NONE":
        return no("EXIT", shared, it, wishes=spent)
    gone = it.gone + max(0, it.close.said - it.close.did)
    it = it._replace(gone=gone)
    close = Exit("MINE", lots, lots)
    entry = "ENDING" if it.entry else ""
    change = {"joined": joins, "typed": bool(wish.lots), "wishes": spent, "entry": entry, "closes": it.closes + 1}
    return yes(shared, it, close=close, **change)


def _gets_smaller(
    shared: Shared, it: Parting, c: Command, wish: Wish, spent: tuple[Wish, ...], left: int
) -> Verdict[Parting]:
    """Stop and target get the size of what will be left: asked for once. That, and what was asked for before and has no
    answer, is waited for, a second and a half. They end first where the broker refused a size, where it did not confirm
    it in time or made it another one, where one was asked to end already, and while their parent may fill."""
    works = [x for x in it.pair if x.works]
    silent = [x for x in works if x.way != "WORKS" or x.frame]
    late = any(c.slow >= x.at - 1 + SIZE_STEPS for x in silent)
    other = not silent and any(x.after >= wish.nth for x in works)
    if it.entry or late or other or any(x.stuck or x.ends for x in works):
        return _makes_way(shared, it, c, wish, spent)
    if silent:
        return no("PAIR", shared, it)
    if not c.link or _is_too_large(it, wish.lots, True, c.picture):
        return no("EXIT" if c.link else "LINK", shared, it, wishes=spent)
    names = [name for name in PAIR if getattr(it, name).works and getattr(it, name).rest != left]
    return yes(shared, asks_for(it, names, left, c.slow))


def _makes_way(shared: Shared, it: Parting, c: Command, wish: Wish, spent: tuple[Wish, ...]) -> Verdict[Parting]:
    """Its protection is asked to end, once for each close, and has three seconds; not for a close that cannot leave."""
    names = [name for name in PAIR if getattr(it, name).works]
    unasked = [name for name in names if getattr(it, name).ends < wish.at]
    if not unasked:
        late = any(c.slow >= getattr(it, name).ends - 1 + END_STEPS for name in names)
        return no("PAIR", shared, it, wishes=spent if late else it.wishes, unsent=it.unsent or late)
    large = _is_too_large(it, wish.lots or it.held, bool(wish.lots), c.picture)
    if not c.link or large:
        return no("EXIT" if c.link or wish.lots > it.held else "LINK", shared, it, wishes=spent)
    return yes(shared, it.asked_to_end(unasked, c.slow), entry="ENDING" if it.entry else "")


def _is_too_large(it: Parting, lots: int, typed: bool, picture: str) -> bool:
    """X4 of a close: without a picture it takes the size that a human typed, within the book."""
    if picture == "NONE":
        return not typed or lots > it.held
    return picture == "LESS" or lots > may_leave(it, picture)


def _look_close(shared: Shared, it: Parting, c: Command) -> Verdict[Parting]:
    large = it.close.asked > it.held or _is_too_large(it, it.close.asked, it.typed, c.picture)
    return look_close(shared, it, c, large)


FENCED: Final[dict[str, Rule[Parting]]] = {**exits.FENCED, "carry": _carry}
OPEN: Final[dict[str, Rule[Parting]]] = {**exits.OPEN, "close": _close, "look_close": _look_close}


def judge(shared: Shared, intent: Parting, command: Command) -> Verdict[Parting]:
    """The rules' answer to one command."""
    return answer(FENCED, OPEN, shared, intent, command)


# --- the steps --------------------------------------------------------------------------------------------------------


class World(exits.World[Parting]):
    """Everything."""

    __slots__ = ()


OneStep = Step[World]
by: Final = Steps(judge, World)


def beginning(groups: bool, part: bool = False, hands: bool = False) -> World:
    """All three lots are held, and protected; or two, while the third may still fill."""
    exit_ = Exit("WORKS", LOTS, LOTS, at=1)
    it, truth = Parting(stop=exit_, target=exit_), Truth()
    if part:
        it, truth = in_part(it, truth)
    return World(Shared(lease=True), it, truth, Run(), groups, hands=hands)


def steps(world: World) -> Iterator[OneStep]:
    """Everything that may happen next."""
    now = Command("", slow=world.truth.now, picture="SHOWS" if is_told(world) else "OLD")
    yield from _broker(world)
    yield from _people(world, now)
    if world.run is None:
        begin = now._replace(name="begin")
        yield Step("begin", by.ask(world, begin)._replace(run=Run()), (0, begin))
        return
    yield Step("crash", without(world)._replace(run=None))
    session = now._replace(name="session")
    yield Step("session", without(by.ask(world, session)), (0, session))
    yield from _hands(world, now)
    yield from _due(world, now)
    yield from _hears(world, now)


def _broker(world: World) -> Iterator[OneStep]:
    truth = world.truth
    for name in EXITS:
        at: At = getattr(truth, name)
        yield from by.leaves(world, name)
        if at.asks:
            yield Step(f"the {name} is changed", true(world, **{name: changed(at)}))
            yield Step(
                f"the {name} is not changed", true(world, **{name: at._replace(asks=0, past=False, no=not at.past)})
            )
    if world.hands and not truth.by_hand:
        yield from by.smaller_by_hand(world)
        if truth.stop.works == "WORKS":
            moved = truth.stop._replace(moved=True)
            yield Step("the stop is moved by hand", true(world, stop=moved, by_hand=True))
            larger = truth.stop._replace(total=truth.stop.total + 1)
            yield Step("the stop is made larger by hand", true(world, stop=larger, by_hand=True))
    if truth.more:
        yield Step("the last lot fills", true(world, got=LOTS, more=0))
        yield Step("the rest is cancelled", true(world, more=0))
    it = world.it
    waits = bool(it.wishes) or any(x.frame or x.ends for x in it.pair) or it.close.works
    if truth.now < TIMES and waits:
        yield Step("time passes", true(world, now=truth.now + 1))


def changed(at: At) -> At:
    """What was on its way has arrived: all of it as we have it, its price too."""
    over = at.asks <= at.did
    return at._replace(total=max(at.asks, at.did), works="OVER" if over else "WORKS", asks=0, past=False, moved=False)


def _people(world: World, now: Command) -> Iterator[OneStep]:
    it = world.it
    if it.state != "CLOSED" and it.held and it.signed < SIGNED_MAX:
        for lots in range(min(it.held + 1, LOTS)):
            yield by.asks(world, now._replace(name="close", lots=lots))


def _hands(world: World, now: Command) -> Iterator[OneStep]:
    for field, name in HANDS:
        if getattr(world.run, field) == "RECORDED":
            yield from _sends(world, now, field, name)
        yield from by.reports(world, now, field, name)


def _sends(world: World, now: Command, field: str, name: str) -> Iterator[OneStep]:
    """Inside the hold: look, and hand over."""
    look = now._replace(name=f"look_{name}")
    odd = [look._replace(link=False), look._replace(picture="LESS"), look._replace(picture="NONE")]
    odd += [look._replace(late=True)] if name == "close" else []
    yield from by.looks(world, now, look, odd, field, name)
    if not judge(world.shared, world.it, look).no:
        after = SENT[name](hand(world, **{field: "OUT"}))
        yield Step(f"sends a {name}", after, (0, look), sent_wrongly(world, after, is_known(world)))


def _sent_change(world: World) -> World:
    """On its way: the broker does it, does it late, or lets it not stand."""
    for name in PAIR:
        at: At = getattr(world.truth, name)
        x: Exit = getattr(world.it, name)
        if x.frame in OWED and at.works == "WORKS":
            world = true(world, **{name: at._replace(asks=x.asked, past=False)})
    return world


SENT: Final[dict[str, Callable[[World], World]]] = {"close": sent_close, "resize": _sent_change, "again": sent_pair}


def _due(world: World, now: Command) -> Iterator[OneStep]:
    it, truth = world.it, world.truth
    ask = now._replace(groups=world.groups)
    for slow in sorted({truth.now, min(TIMES, truth.now + END_STEPS)}):
        turn = ask._replace(name="turn", slow=slow)
        yield from by.thinks(world, turn)
    if "Alarm" in judge(world.shared, it, ask._replace(name="turn")).no:
        yield by.asks(world, ask._replace(name="alarm"))
    restore = ask._replace(name="restore")
    if is_told(world) and all(getattr(truth, name).works != "WORKS" for name in EXITS):
        yield _records(world, restore)
    elif not it.stop.works:
        yield from by.thinks(world, restore)
    yield from _due_to_sizes(world, ask)
    yield from _due_to_closes(world, ask)
    if it.stop.way == "OLD":
        yield by.asks(world, ask._replace(name="again_unknown"))
    if not it.held:
        yield by.asks(world, ask._replace(name="clear_away", slow=max(1, truth.now)))


def _due_to_sizes(world: World, ask: Command) -> Iterator[OneStep]:
    it = world.it
    if any(x.frame == "OLD" for x in it.pair):
        yield by.asks(world, ask._replace(name="resize_unknown"))
    resize = ask._replace(name="resize")
    wrong = judge(world.shared, it, resize).no != "STATE"
    for odd in (resize._replace(link=False), resize._replace(picture="LESS")) if wrong else ():
        yield from by.thinks(world, odd)
    if not it.wishes and wrong:
        yield _records(world, resize)


def _due_to_closes(world: World, ask: Command) -> Iterator[OneStep]:
    it = world.it
    for n in range(len(it.wishes)):
        carry = ask._replace(name="carry", version=n)
        yield _records(world, carry)
        for odd in _odd(world, carry):
            yield Step(f"{odd} in thought", world, (0, odd))
    if it.close.way == "OLD":
        yield by.asks(world, ask._replace(name="close_unknown"))


def _odd(world: World, carry: Command) -> Iterator[Command]:
    """The same close without a link, with another picture, or too late: where it is acted on otherwise."""
    no = judge(world.shared, world.it, carry).no
    if no != "STATE":
        yield carry._replace(picture="NONE")
        yield carry._replace(late=True)
    if not no:
        yield carry._replace(picture="LESS")
        yield carry._replace(link=False)


def _records(world: World, command: Command) -> OneStep:
    """An order that is recorded is in this run's hands: of a close, another size of the pair may be it."""
    verdict, after = judge(world.shared, world.it, command), by.ask(world, command)
    was, now = world.it, verdict.intent
    changed_ = any(x.frame == "MINE" for x in now.pair) and now.pair != was.pair
    if not verdict.no and now.closes != was.closes:
        after = hand(after, close="RECORDED")
    elif not verdict.no and changed_:
        after = hand(after, change="RECORDED")
    elif not verdict.no and now.again != was.again:
        after = hand(after, again="RECORDED")
    return Step(f"asks for {label_of(command)}", after, (0, command))


def _hears(world: World, now: Command) -> Iterator[OneStep]:
    """The broker's words as they stand now; each may be heard again, or by nobody, before the others or after them."""
    it, truth = world.it, world.truth
    if it.state == "CLOSED":
        return
    for name in EXITS:
        at: At = getattr(truth, name)
        x: Exit = getattr(it, name)
        if not known(world, name) or in_hand(world, name):
            continue
        said = now._replace(lots=at.did, total=at.total, picture="MOVED" if at.moved else "SHOWS")
        now = now._replace(picture="SHOWS")
        if at.did > x.did:
            yield by.asks(world, said._replace(name=f"{name}_fills", picture="SHOWS"))
        if at.works == "WORKS" and name != "close" and at.no and x.frame in ("SENT", "HEARD"):
            yield by.asks(true(world, **{name: at._replace(no=False)}), now._replace(name=f"{name}_refuses"))
        elif x.works and not at.past:
            word = "says" if at.works == "WORKS" else "ends"
            yield by.asks(world, said._replace(name=f"{name}_{word}"))
    if it.entry and truth.got == LOTS:
        yield by.asks(world, now._replace(name="entry_fills"))
    elif it.entry and not truth.more:
        yield by.asks(world, now._replace(name="entry_ends"))


# --- what must hold in every world ------------------------------------------------------------------------------------


def is_known(world: World) -> bool:
    """Whether it knows of all that was executed, by an execution or by the broker's word on an order."""
    it, truth = world.it, world.truth
    by_word = it.out + unbooked(it)
    return it.got == truth.got and by_word == truth.out and (not it.entry) == (not truth.more)


def broken_by(before: World, step: OneStep) -> str:
    """The promise that a step breaks."""
    after = step.after
    covers = after.it.worth(after.truth.now) in ("FULL", "EXCESS")
    said = (
        (is_heard(after) and covers and is_short(after), "D4 what is said to protect does not cover what is held"),
        (is_quiet(after) and _is_bare(after), "D4 what is held is bare, and nobody is told"),
        (is_quiet(after) and _is_loose(after), "D7 exits for more than is held, and nothing is done"),
        (_waits_for_ever(after), "D6 a close that was signed waits for ever"),
    )
    return step.broken or left_wrongly(before, after) or first_of(*said)


def is_heard(world: World) -> bool:
    """Whether the log heard all that the broker has to say of the pair, and of what was executed."""
    it, truth = world.it, world.truth
    pair = [(getattr(it, name), getattr(truth, name)) for name in PAIR]
    words = all(
        (x.works, x.frame, at.works == "WORKS", at.asks, at.no) == (at.works == "WORKS", "", x.works, 0, False)
        and (not x.works or (x.way, x.total, x.said, x.moved) == ("WORKS", at.total, at.did, at.moved))
        for x, at in pair
    )
    closes = it.close.works == (truth.close.works == "WORKS") and it.closes == truth.closes
    return is_told(world) and words and closes and truth.placed == int(it.again)


def is_quiet(world: World) -> bool:
    """Whether all was heard, nothing is in anybody's hands, and no human's close waits."""
    it = world.it
    held = world.run == Run() and not it.wishes and it.state != "CLOSED" and it.held > 0
    return held and is_heard(world) and not (it.close.works or it.entry)


def _later(world: World) -> str:
    """What the engine does about protection, once all that is waited for has had its time."""
    asked = Command("turn", slow=world.truth.now + END_STEPS, groups=world.groups)
    return judge(world.shared, world.it, asked).no


def _is_bare(world: World) -> bool:
    truth = world.truth
    short = min(truth.stop.rest, truth.target.rest) < truth.held
    done = _later(world)
    return short and not (world.it.told and "Alarm" not in done) and not done


def _is_loose(world: World) -> bool:
    truth = world.truth
    large = max(truth.stop.rest, truth.target.rest) > truth.held
    asked = any(x.ends or x.stuck for x in world.it.pair)
    return large and not asked and "Resize" not in _later(world)


def _waits_for_ever(world: World) -> bool:
    """Whether a close is neither sent nor given up, once all that it may wait for has had its time."""
    late = world.truth.now + 2 * END_STEPS
    asked = [
        Command("carry", version=n, slow=late, groups=world.groups) for n in range(len(world.it.wishes))
    ]  # fmt: skip
    return world.run is not None and any(judge(world.shared, world.it, c).intent == world.it for c in asked)
