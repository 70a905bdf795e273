"""The sixth walk: the engine is down for a night, and an approval outlives the hours of its market.

An intent of two lots is approved, sent, filled and protected, and the engine dies anywhere on that way. Then the broker
goes on alone: the entry fills, ends with its day, or was never there; the stop leaves all that is held, or both exits
end. Perhaps midnight passes. An engine that begins again hears what works, and of its own day alone what was executed
and what was completed; then it looks at whole pictures. What nobody tells it, it must not make up: a human is asked.

An approval may meet a market that has closed, a link that is down, both, and the end of its five minutes.

The rules are written from the decisions (B4, B5, C2, E4 to E6) and not from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.chaos.model.rules import Command, Shared

LOTS: Final = 2
PAIR: Final = ("stop", "target")
SENT: Final = ("SUBMITTED", "STALLED")
HELD: Final = ("FILLED", "MANAGED")
ENDS: Final = ("CLOSED", "CANCELLED", "REJECTED")
OVER: Final = ("FILLED", "CANCELLED", "REJECTED", "DROPPED")


class Night(NamedTuple):
    """One intent, as the log has it."""

    state: str = "APPROVED"
    token: str = "LIVE"  # USED, EXPIRED, REVOKED
    of_run: bool = True  # whether a live token is of the run that stands
    owed: str = ""  # the hand-over of its bracket: MINE of the run that stands, OLD of an earlier one
    entry: str = ""  # RECORDED, SENT, UNKNOWN, WORKING, or its end
    acked: bool = False  # the broker acknowledged it once
    mine: bool = False  # it is of the run that stands
    stop: str = ""  # ASKED, WORKS, END
    target: str = ""
    got: int = 0
    out: int = 0
    placed: bool = False  # protection was placed again
    off: bool = False  # a drift is open: what is held
    loose: bool = False  # one more: exits that would open a position
    lost: tuple[str, ...] = ()  # and more: orders of it that no picture shows

    @property
    def held(self) -> int:
        """What is left."""
        return self.got - self.out

    @property
    def works(self) -> bool:
        """Whether its entry left, or may have, and has no end."""
        return self.entry != "" and self.entry not in OVER


class Verdict(NamedTuple):
    """A family of refusals, empty for a yes; and the desk after it."""

    no: str
    shared: Shared
    intent: Night


Rule = Callable[[Shared, Night, Command], Verdict]


def _yes(shared: Shared, it: Night, **change: object) -> Verdict:
    return Verdict("", shared, it._replace(**change))  # type: ignore[arg-type]  # NamedTuple._replace takes any field


def _no(why: str, shared: Shared, it: Night, **change: object) -> Verdict:
    return Verdict(why, shared, it._replace(**change))  # type: ignore[arg-type]  # as above


# --- an approval ------------------------------------------------------------------------------------------------------


def _withdrawn(token: str) -> dict[str, object]:
    return {"state": "CANCELLED", "token": token, "of_run": False}


def _token_over(it: Night, c: Command) -> bool:
    return c.late or bool(c.slow) or not it.of_run


def _submit(shared: Shared, it: Night, c: Command) -> Verdict:
    """C2: what may pass by itself is waited for as long as the token lives; everything else takes the permission
    back. Nothing waits for a market to open."""
    if it.state != "APPROVED":
        return _no("STATE", shared, it)
    over = _token_over(it, c)
    if not c.link and c.market == "OPEN" and not over:
        return _no("LINK", shared, it)
    if not c.link or c.market != "OPEN":
        return _no("MARKET" if c.link else "LINK", shared, it, **_withdrawn("REVOKED"))
    if over:
        return _no("TOKEN", shared, it, **_withdrawn("EXPIRED"))
    asked: dict[str, object] = {"entry": "RECORDED", "stop": "ASKED", "target": "ASKED", "owed": "MINE", "mine": True}
    return _yes(shared, it, state="SUBMITTED", token="USED", of_run=False, **asked)


def _expire(shared: Shared, it: Night, c: Command) -> Verdict:
    if it.token != "LIVE" or not _token_over(it, c):
        return _no("STATE", shared, it)
    if c.slow:  # what it rests on is older than that: no entry of its strategy until somebody looked (E1)
        shared = shared._replace(kill=True)
    return _yes(shared, it, **_withdrawn("EXPIRED"))


def _frame_sent(shared: Shared, it: Night, c: Command) -> Verdict:
    return _yes(shared, it, owed="", entry="SENT") if it.owed == "MINE" else _yes(shared, it)


# --- what is due ------------------------------------------------------------------------------------------------------


def _stalls(shared: Shared, it: Night, c: Command) -> Verdict:
    """At once where whoever sent it died over it unacknowledged; and where its end can not be proven any more: a fill
    is told that nothing backs, or the executions that would tell are of another day."""
    died = not it.acked and it.works and not it.mine
    unproven = it.state == "SUBMITTED" and it.entry in OVER and (bool(c.slow) or (c.late and it.entry == "FILLED"))
    if it.owed == "OLD":
        it = it._replace(owed="", entry=it.entry if it.entry in OVER else "UNKNOWN")
        return _yes(shared, it, state="STALLED" if it.state == "SUBMITTED" else it.state)
    if it.state == "SUBMITTED" and (died or unproven):
        return _yes(shared, it, state="STALLED")
    return _no("STATE", shared, it)


def _is_covered(it: Night) -> bool:
    """D1: protected, for all that is held, and for no more than the entry may still add."""
    most = it.held + (LOTS - it.got if it.works else 0)
    return it.state == "FILLED" and it.stop == it.target == "WORKS" and most >= LOTS


def _manage(shared: Shared, it: Night, c: Command) -> Verdict:
    return _yes(shared, it, state="MANAGED") if _is_covered(it) else _no("STATE", shared, it)


def _restore(shared: Shared, it: Night, c: Command) -> Verdict:
    """D4: once, and only after a whole picture that shows all that is held and no protection."""
    if it.state not in HELD or it.held <= 0:
        return _no("STATE", shared, it)
    if it.stop != "END" or it.target != "END":
        return _no("PAIR", shared, it)
    if it.placed:
        return _no("EXIT", shared, it)
    if c.picture != "SHOWS":
        return _no("PICTURE", shared, it)
    return _yes(shared, it, stop="ASKED", target="ASKED", placed=True)


# --- the broker's word ------------------------------------------------------------------------------------------------


def _entry_open(shared: Shared, it: Night, c: Command) -> Verdict:
    if not it.works:
        return _yes(shared, it)
    state = "SUBMITTED" if it.state == "STALLED" and it.entry != "WORKING" else it.state
    return _yes(shared, it, state=state, entry="WORKING", acked=True)


def _entry_done(shared: Shared, it: Night, c: Command) -> Verdict:
    """A completed order has its end, and no quantity that counts: executions are the book."""
    return _yes(shared, _over(it._replace(entry=c.picture))) if it.works else _yes(shared, it)


def _executes(shared: Shared, it: Night, c: Command) -> Verdict:
    """Executions move what was sent, also where its order was told to be over first, lot by lot. As long as exits
    executed more than that, each is a contradiction too."""
    if c.lots <= it.got or it.state in ENDS:
        return _yes(shared, it)
    lost = tuple(sorted({*it.lost, "E"})) if it.got + 1 < it.out else it.lost
    state = "FILLED" if it.state in SENT else it.state
    return _yes(shared, _over(it._replace(got=c.lots, state=state, lost=lost)))


def _stands(name: str) -> Rule:
    def rule(shared: Shared, it: Night, c: Command) -> Verdict:
        if getattr(it, name) != "ASKED":
            return _yes(shared, it)
        it = it._replace(**{name: "WORKS"})  # type: ignore[arg-type]  # as above
        return _yes(shared, it, state="MANAGED" if _is_covered(it) else it.state)

    return rule


def _is_done(name: str) -> Rule:
    def rule(shared: Shared, it: Night, c: Command) -> Verdict:
        if getattr(it, name) not in ("ASKED", "WORKS"):
            return _yes(shared, it)
        return _yes(shared, _over(it._replace(**{name: "END"})))  # type: ignore[arg-type]  # as above

    return rule


def _leaves(shared: Shared, it: Night, c: Command) -> Verdict:
    """The stop executed so many lots. Where the book bought fewer, that contradicts it (E5), and is no end."""
    if c.lots <= it.out or it.state in ENDS:
        return _yes(shared, it)
    lost = tuple(sorted({*it.lost, "S"})) if c.lots > it.got else it.lost
    return _yes(shared, _over(it._replace(out=c.lots, lost=lost)))


def _over(it: Night) -> Night:
    """B8: over once nothing is held and nothing works."""
    done = it.state in HELD and it.held == 0 and not it.works and it.stop == it.target == "END"
    return it._replace(state="CLOSED") if done else it


# --- whole pictures ---------------------------------------------------------------------------------------------------


def _pictures(shared: Shared, it: Night, c: Command) -> Verdict:
    """Two quiet ones of this session. An end is proven unfilled where executions of its whole day show nothing of it;
    what differs is a drift, and changes nothing; silence ends nothing."""
    shows = c.picture.partition(" ")[0]
    differs = c.lots != it.held
    if it.state in SENT and it.entry in ("CANCELLED", "REJECTED") and not it.got and not c.slow:
        it = it._replace(state=it.entry)
    asked = ("ASKED", "WORKS")
    open_ = (("E", it.works), ("S", it.stop in asked), ("T", it.target in asked)) if it.entry != "RECORDED" else ()
    lost = {name for name, works in open_ if works and name not in shows and it.state not in ENDS}
    loose = "E" not in shows and ("S" in shows or "T" in shows) and c.lots < LOTS
    return _yes(shared, it, off=it.off or differs, loose=it.loose or loose, lost=tuple(sorted({*it.lost, *lost})))


def _gone(shared: Shared, it: Night, c: Command) -> Verdict:
    """B5: a human says that it is not there, after two whole pictures that show neither the order nor a holding that
    nobody explains. What was executed is no end of that kind."""
    if not shared.lease:
        return _no("LEASE", shared, it)
    after = _pictures(shared, it, c).intent
    if after.state != "STALLED":
        return _no("STATE", shared, after)
    if "E" in c.picture.partition(" ")[0] or after.off or c.lots:
        return _no("PICTURE", shared, after)
    entry = after.entry if after.entry in OVER else "CANCELLED"
    return _yes(shared, after, state="CANCELLED", entry=entry, stop="END", target="END")


# --- what all share ---------------------------------------------------------------------------------------------------


def _begin(shared: Shared, it: Night, c: Command) -> Verdict:
    """Another run: what an earlier one had in its hands is not sent any more, and its tokens are nobody's."""
    owed = "OLD" if it.owed else ""
    return _yes(shared._replace(lease=True), it, owed=owed, of_run=False, mine=False)


FENCED: Final[dict[str, Rule]] = {
    "submit": _submit, "expire": _expire, "frame_sent": _frame_sent, "stalls": _stalls, "manage": _manage,
    "restore": _restore, "entry_open": _entry_open, "entry_done": _entry_done, "executes": _executes,
    "stop_open": _stands("stop"), "target_open": _stands("target"),
    "stop_done": _is_done("stop"), "target_done": _is_done("target"), "leaves": _leaves, "pictures": _pictures,
}  # fmt: skip
OPEN: Final[dict[str, Rule]] = {"begin": _begin, "gone": _gone}


def judge(shared: Shared, intent: Night, command: Command) -> Verdict:
    """The rules' answer to one command."""
    rule = FENCED.get(command.name)
    if rule is None:
        return OPEN[command.name](shared, intent, command)
    return rule(shared, intent, command) if shared.lease else _no("LEASE", shared, intent)


# --- what is true -----------------------------------------------------------------------------------------------------


class Truth(NamedTuple):
    """What is true outside the log."""

    entry: str = ""  # WORKS, FILLED, CANCELLED, REJECTED; nothing where it never came
    pair: str = ""  # WORKS; LEFT: the stop executed; OVER: both were cancelled
    got: int = 0
    out: int = 0
    day: int = 0
    old_got: int = 0  # lots of which no execution is told any more: they are of an earlier day
    old_out: int = 0
    old: tuple[str, ...] = ()  # orders of which no end is told any more
    market: str = "OPEN"
    link: bool = True
    late: bool = False  # the five minutes of an approval are over

    @property
    def held(self) -> int:
        """What the account holds."""
        return self.got - self.out

    @property
    def shows(self) -> str:
        """The orders that work."""
        pair = "ST" if self.pair == "WORKS" else ""
        return ("E" if self.entry == "WORKS" else "") + pair


LATER: Final = ("NEXT", "LOOKED")


class World(NamedTuple):
    """Everything."""

    shared: Shared
    it: Night
    truth: Truth
    run: str  # of the engine: FIRST, NEXT, or LOOKED once it took pictures; nothing where there is none
    hand: str  # the frames of the bracket: RECORDED, OUT; nothing


class Step(NamedTuple):
    """One thing that may happen, and the world after it."""

    label: str
    after: World
    asked: tuple[int, Command] | None = None
    broken: str = ""


def beginning() -> World:
    """A human has approved, and the engine has not yet acted on it."""
    return World(Shared(lease=True), Night(), Truth(), "FIRST", "")


def _true(world: World, **change: object) -> World:
    return world._replace(truth=world.truth._replace(**change))  # type: ignore[arg-type]  # as above


def _ask(world: World, command: Command) -> World:
    verdict = judge(world.shared, world.it, command)
    return world._replace(shared=verdict.shared, it=verdict.intent)


def _asks(world: World, command: Command) -> Step:
    said = f" {command.lots}" if command.lots else ""
    return Step(f"{command.name}{said}", _ask(world, command), (0, command))


def steps(world: World) -> Iterator[Step]:
    """Everything that may happen next."""
    if world.it.placed:
        return  # what is placed again is the third walk's
    now = Command("", slow=world.truth.day, late=world.truth.late)
    yield from _outside(world)
    if not world.run:
        begin = now._replace(name="begin", late=False)
        yield Step("begin", _ask(world, begin)._replace(run="NEXT"), (0, begin))
        return
    if world.run == "FIRST":
        yield Step("crash", world._replace(run="", hand=""))
    yield from _engine(world, now)
    yield from _hears(world, now)


def _outside(world: World) -> Iterator[Step]:
    truth, it = world.truth, world.it
    if it.state == "APPROVED":
        yield Step("the market is about to close", _true(world, market="SOON"))
        yield Step("the market is closed", _true(world, market="SHUT"))
        yield Step("the link is down", _true(world, link=not truth.link))
        if not truth.late:
            yield Step("five minutes pass", _true(world, late=True))
    if truth.entry == "WORKS" and truth.got < LOTS:
        got = truth.got + 1
        yield Step("a lot fills", _true(world, got=got, entry="FILLED" if got == LOTS else "WORKS", pair="WORKS"))
    if not truth.day and world.run != "FIRST":
        yield Step("midnight passes", _true(world, **_next_day(truth)))
    if world.run:
        return
    if truth.entry == "WORKS":
        for end in ("CANCELLED", "REJECTED")[: 1 if truth.got else 2]:
            yield Step(f"the entry is {end}", _true(world, **_entry_over(truth, end)))
    if truth.pair == "WORKS" and truth.held and truth.entry != "WORKS":
        yield Step("the stop leaves all", _true(world, pair="LEFT", out=truth.got))
        yield Step("both exits are cancelled", _true(world, pair="OVER"))


def _entry_over(truth: Truth, end: str) -> dict[str, object]:
    """What hangs on an entry of which nothing filled ends with it."""
    return {"entry": end, "pair": truth.pair if truth.got else "OVER"}


def _next_day(truth: Truth) -> dict[str, object]:
    """An entry is good for its day. Of what happened before midnight nothing is told any more."""
    if truth.entry == "WORKS":
        truth = truth._replace(**_entry_over(truth, "CANCELLED"))  # type: ignore[arg-type]  # as above
    over = [name for name, so in (("E", truth.entry not in ("", "WORKS")), ("P", truth.pair in ("LEFT", "OVER"))) if so]
    return {
        "day": 1, "entry": truth.entry, "pair": truth.pair, "old_got": truth.got, "old_out": truth.out,
        "old": tuple(over),
    }  # fmt: skip


def _engine(world: World, now: Command) -> Iterator[Step]:
    it, truth = world.it, world.truth
    if it.of_run:
        for link in (True, False):
            submit = now._replace(name="submit", market=truth.market, link=link)
            after = _ask(world, submit)
            after = after._replace(hand="RECORDED") if after.it.state == "SUBMITTED" else after
            if link == truth.link:
                yield Step("submits", after, (0, submit))
            else:
                yield Step(f"{submit} in thought", world, (0, submit))
    if it.token == "LIVE":
        yield _asks(world, now._replace(name="expire"))
    if world.hand == "RECORDED":
        yield Step("sends", _true(world, entry="WORKS", pair="WORKS")._replace(hand="OUT"), broken=_sent_wrongly(world))
        yield Step("a frame is lost", world._replace(hand="OUT"))
    elif world.hand == "OUT":
        sent = now._replace(name="frame_sent")
        yield Step("frame_sent", _ask(world, sent)._replace(hand=""), (0, sent))
    if world.run in LATER:
        yield _asks(world, now._replace(name="stalls", late=False))
        yield _asks(world, now._replace(name="stalls", late=True))
    yield _asks(world, now._replace(name="manage"))
    if world.run in LATER and it.owed != "OLD" and _is_told(world):
        seen = f"{truth.shows or '-'} {truth.old_got}-{truth.got} {truth.out - truth.old_out}"
        picture = now._replace(lots=truth.held, picture=seen)
        yield _asks(world._replace(run="LOOKED"), picture._replace(name="pictures"))
        if it.state in SENT:
            yield _asks(world, picture._replace(name="gone"))
        shows = truth.held == it.held and truth.pair != "WORKS"
        yield _asks(world, now._replace(name="restore", picture="SHOWS" if shows else "LESS"))


def _sent_wrongly(world: World) -> str:
    it, truth = world.it, world.truth
    said = (
        (it.state != "SUBMITTED" or it.owed != "MINE", "I4 an entry frame that is not recorded"),
        (bool(truth.entry), "I1 a second entry frame"),
        (world.run != "FIRST", "D6 an entry frame of an earlier run's order"),
    )
    return next((why for so, why in said if so), "")


def _hears(world: World, now: Command) -> Iterator[Step]:
    """The broker's words as they stand now: what works, and of this day what was executed and what is completed."""
    it, truth = world.it, world.truth
    if world.hand or not it.entry or it.state in ENDS or it.owed == "OLD":
        return  # what an earlier run left open is answered in the first turn, before any session stands
    for command in _words(it, truth, now, world.run in LATER):
        yield _asks(world, command)


def _words(it: Night, truth: Truth, now: Command, completed: bool) -> Iterator[Command]:
    if truth.entry == "WORKS":
        yield now._replace(name="entry_open", lots=truth.got)
    if truth.got > max(it.got, truth.old_got) and it.got >= truth.old_got:
        yield now._replace(name="executes", lots=truth.got)
    if truth.pair == "WORKS":
        yield now._replace(name="stop_open")
        yield now._replace(name="target_open")
    if not completed:
        return
    if truth.entry in OVER and "E" not in truth.old:
        yield now._replace(name="entry_done", picture=truth.entry)
    if truth.pair in ("LEFT", "OVER") and "P" not in truth.old:
        yield now._replace(name="stop_done", picture="FILLED" if truth.pair == "LEFT" else "CANCELLED")
        yield now._replace(name="target_done", picture="CANCELLED")
    if truth.out > max(it.out, truth.old_out):
        yield now._replace(name="leaves", lots=truth.out)


def _is_told(world: World) -> bool:
    """Whether the log has all that this session tells."""
    now = Command("", slow=world.truth.day)
    return all(
        judge(world.shared, world.it, c).intent == world.it for c in _words(world.it, world.truth, now, True)
    ) or world.it.state in ENDS  # fmt: skip


# --- what must hold in every world ------------------------------------------------------------------------------------


def broken_by(before: World, step: Step) -> str:
    """The promise that a step breaks."""
    if step.broken:
        return step.broken
    was, now, truth = before.it, step.after.it, step.after.truth
    said = (
        (was.state in ENDS and now.state != was.state, "I10 an end was left"),
        (
            now.state in ("CANCELLED", "REJECTED") and truth.got > 0 and not _by_a_human(step),
            "I9 an end, and it executed",
        ),
        (now.state in ("CANCELLED", "REJECTED") and truth.entry == "WORKS", "I9 an end, and it works"),
        (now.state == "REJECTED" and truth.entry != "REJECTED", "I9 REJECTED, and the broker did not"),
        (now.state == "CLOSED" and truth.held > 0, "I9 CLOSED, and something is held"),
        (now.state == "CLOSED" and truth.shows != "", "B8 CLOSED, and something works"),
        (now.state in HELD and not truth.got, "I9 FILLED, and nothing executed"),
        (now.got > truth.got or now.out > truth.out, "I8 more in the book than was executed"),
        (now.placed and (truth.held != now.held or truth.pair == "WORKS"), "D4 placed again for what is not held"),
        (now.token == "USED" and was.token != "USED" and truth.market != "OPEN", "C3 an order for a closed market"),
        (_is_silent(step), "B4 what nobody can know is asked of nobody"),
    )
    return next((why for so, why in said if so), "")


def _by_a_human(step: Step) -> bool:
    """Whether a human said so, of what was bought and sold again on a day of which nothing is told any more."""
    truth = step.after.truth
    gone = step.asked is not None and step.asked[1].name == "gone"
    return gone and truth.held == 0 and truth.got == truth.old_got


def _is_silent(step: Step) -> bool:
    """Whether, once pictures were taken and what is due was done, something is not known and no human is asked."""
    world = step.after
    it, truth = world.it, world.truth
    if step.asked is None or step.asked[1].name != "pictures" or it.state in ENDS or it.state == "APPROVED":
        return False
    late = Command("stalls", slow=truth.day, late=True)
    it = judge(world.shared, it, late).intent
    asked = it.off or bool(it.lost) or it.state == "STALLED"
    return not asked and (it.held != truth.held or it.works != (truth.entry == "WORKS"))
