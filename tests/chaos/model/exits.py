"""What the fourth and the fifth walk share: the exits of one position, as the log has each of them and as they are at
the broker, the rules that hold in both walks, and what an engine has in its hands.

What differs between the two is asked of the position itself: what protects it, what a request to end leaves, whether a
human's close waits. The rules are written from the decisions, and not from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from tests.chaos.model.rules import Command, Shared

LOTS: Final = 3
EXITS: Final = ("stop", "target", "close")
PAIR: Final = ("stop", "target")
OWED: Final = ("MINE", "OLD")


class Exit(NamedTuple):
    """One exit, as the log has it."""

    way: str = ""  # MINE, OLD, SENT, UNKNOWN, WORKS, END; nothing where there is none
    total: int = 0  # the lots that it is for, as the broker echoed it last; before any echo as it was asked
    asked: int = 0  # the lots that were asked for last
    frame: str = ""  # of a change that is not answered: MINE, OLD, SENT, HEARD (of, and not answered), PAST, UNKNOWN
    most: int = 0  # while it is not answered, the largest total that may stand
    did: int = 0  # what it executed, by the book
    said: int = 0  # what it executed, by the broker's word on the order
    stated: int = 0  # what of it a human stated, as an execution of no order
    stuck: bool = False  # the broker refused a change of it
    ends: int = 0  # its end was asked for: in the fourth walk for which close, in the fifth when (one more than that)
    back: int = 0  # while a change is not answered: what was asked for before it
    changes: int = 0  # how often it was changed, with the one that is not answered
    at: int = 0  # when it, or the last change of it, was recorded: one more than the step of time; in the fifth walk
    after: int = 0  # how many closes had been signed by then; as above
    moved: bool = False  # the broker has it at another price; as above

    @property
    def works(self) -> bool:
        """Whether it may execute."""
        return self.way not in ("", "END")

    @property
    def rest(self) -> int:
        """What it may still execute: until the broker answered a change, of the largest of its sizes."""
        return max(0, (self.most if self.frame else self.total) - self.did) if self.works else 0


class Wish(NamedTuple):
    """A close that a human signed, and that is not yet acted on."""

    lots: int  # so many; none for all
    at: int  # one more than the step of time
    nth: int  # of those that were signed


class Position(NamedTuple):
    """A position that is held and left, as the log has it."""

    state: str = "MANAGED"
    got: int = LOTS
    out: int = 0
    entry: str = ""  # WORKS, ENDING; nothing once it is over
    stop: Exit = Exit("WORKS", LOTS, LOTS)
    target: Exit = Exit("WORKS", LOTS, LOTS)
    close: Exit = Exit()
    joined: bool = False  # the close is in the group of its protection
    signed: int = 0  # closes that were signed
    closes: int = 0  # closes that were recorded
    again: bool = False  # protection was placed again
    told: bool = False  # people were told that it is lost
    gone: int = 0  # what earlier exits executed by their own word, and no execution told
    wish: str = ""  # a human's close, in the fourth walk: SIGNED, SPENT
    wishes: tuple[Wish, ...] = ()  # and in the fifth, as all that follows
    typed: bool = False  # a human typed the size of the close
    unsent: bool = False  # people were told that an exit was not sent
    way: int = 0  # stop or target was asked to end last: one more than the step of time

    @property
    def held(self) -> int:
        """What is left."""
        return self.got - self.out

    @property
    def more(self) -> int:
        """What its entry may still fill."""
        return LOTS - self.got if self.entry else 0

    @property
    def pair(self) -> tuple[Exit, Exit]:
        """Stop and target."""
        return (self.stop, self.target)

    @property
    def exits(self) -> tuple[Exit, Exit, Exit]:
        """All of them."""
        return (self.stop, self.target, self.close)

    @property
    def waits(self) -> bool:
        """Whether a human's close waits to be acted on."""
        return self.wish == "SIGNED" or bool(self.wishes)

    def worth(self, now: int) -> str:
        """D4: what protects it, by the broker's echo: each walk's own."""
        raise NotImplementedError

    def stamp(self, now: int) -> dict[str, int]:
        """What an exit keeps of when it was recorded, or changed."""
        return {}

    def asked_to_end(self: It, names: Iterable[str], now: int) -> It:
        """The ends of these exits were asked for."""
        asked: dict[str, Exit] = {name: getattr(self, name)._replace(ends=now + 1) for name in names}
        return self._replace(**asked)  # type: ignore[arg-type]  # NamedTuple._replace takes any field

    def not_sent(self: It) -> It:
        """It is told that an exit was not sent."""
        return self


It = TypeVar("It", bound=Position)


class Verdict(NamedTuple, Generic[It]):
    """A family of refusals, empty for a yes; and the desk after it."""

    no: str
    shared: Shared
    intent: It


Rule = Callable[[Shared, It, Command], Verdict[It]]


def yes(shared: Shared, it: It, **change: object) -> Verdict[It]:
    """Granted; and what that changes."""
    return Verdict("", shared, it._replace(**change))  # type: ignore[arg-type]  # as above


def no(why: str, shared: Shared, it: It, **change: object) -> Verdict[It]:
    """Refused; and what is changed all the same."""
    return Verdict(why, shared, it._replace(**change))  # type: ignore[arg-type]  # as above


def put(it: It, name: str, **change: object) -> It:
    """The position with one exit changed."""
    exit_: Exit = getattr(it, name)
    return it._replace(**{name: exit_._replace(**change)})  # type: ignore[arg-type]  # as above


# --- what is worked out -----------------------------------------------------------------------------------------------


def ahead(it: Position, name: str) -> int:
    """What an exit executed by the broker's word on it, beyond its executions in the book, as far as a human stated as
    much of no order."""
    x: Exit = getattr(it, name)
    return min(sum(each.stated for each in it.exits), max(0, x.said - x.did))


def unbooked(it: Position, picture: str = "OLD") -> int:
    """What exits executed by the broker's word on them, and no execution told yet, nor a human: that is not held any
    more. A picture that began since has what those left that had ended by then."""
    exits = [x for x in it.exits if x.works or picture != "SHOWS"]
    said = sum(max(0, x.said - x.did) for x in exits) + (it.gone if picture != "SHOWS" else 0)
    return max(0, said - sum(x.stated for x in it.exits))


def may_leave(it: Position, picture: str) -> int:
    """X4: what an exit may be for."""
    return it.held - unbooked(it, picture)


def over(it: It) -> It:
    """B8: over once nothing is held and nothing works."""
    if it.state == "CLOSED" or it.held or it.entry or any(each.works for each in it.exits):
        return it
    return it._replace(state="CLOSED", told=False)


def _moved(it: It, c: Command) -> It:
    """What a word about an exit changes beside it: it was the last; or people hear what protects them."""
    if it.held <= 0:
        return over(it)
    stands = it.worth(c.slow)
    return it if stands == "PENDING" else it._replace(told=stands not in ("FULL", "EXCESS"))


# --- the broker's word ------------------------------------------------------------------------------------------------


def _says(name: str) -> Rule[It]:
    """The broker's word on an exit that works: for how many lots, how many it executed, and at which price. A word of
    a later session is on all that was ever sent, so that it answers a change whatever became of that."""

    def rule(shared: Shared, it: It, c: Command) -> Verdict[It]:
        x: Exit = getattr(it, name)
        moved = c.picture == "MOVED"
        if not x.works:
            return yes(shared, it)
        first = x.way != "WORKS" or x.frame in ("SENT", "PAST", "UNKNOWN")
        if not first and c.total == x.total and c.lots <= x.said and moved == x.moved:
            return yes(shared, it)
        now = x._replace(way="WORKS", total=c.total, said=max(x.said, c.lots), moved=moved)
        if x.frame in ("PAST", "UNKNOWN"):
            now = now._replace(frame="", most=0, back=0, asked=c.total)
        elif x.frame and c.total == x.asked and not moved:
            now = now._replace(frame="", most=0, back=0)
        elif x.frame:
            now = now._replace(frame="HEARD", most=max(x.most, c.total))
        return yes(shared, _moved(it._replace(**{name: now}), c))  # type: ignore[arg-type]  # as above

    return rule


def _fills(name: str) -> Rule[It]:
    """It executed so many lots in all; what a human stated of it is in the book already."""

    def rule(shared: Shared, it: It, c: Command) -> Verdict[It]:
        x: Exit = getattr(it, name)
        new = c.lots - x.did - x.stated
        if new <= 0 or it.state == "CLOSED":
            return yes(shared, it)
        return yes(shared, left(put(it, name, did=x.did + new), new))

    return rule


def left(it: It, lots: int) -> It:
    """So many lots left. The first exit asks for the end of the entry's rest."""
    return over(it._replace(out=it.out + lots, entry="ENDING" if it.entry else ""))


ENDED: Final[dict[str, object]] = {
    "way": "END", "frame": "", "most": 0, "total": 0, "asked": 0, "back": 0, "changes": 0, "at": 0,
    "after": 0, "moved": False,
}  # fmt: skip


def _ends(name: str) -> Rule[It]:
    """The broker ended it, with so much of it executed."""

    def rule(shared: Shared, it: It, c: Command) -> Verdict[It]:
        x: Exit = getattr(it, name)
        if not x.works:
            return yes(shared, it)
        return yes(shared, _moved(put(it, name, **ENDED, said=max(x.said, c.lots)), c))

    return rule


def _refuses(name: str) -> Rule[It]:
    """The broker lets a change not stand: the exit is as it was, and is changed by itself no more."""

    def rule(shared: Shared, it: It, c: Command) -> Verdict[It]:
        x: Exit = getattr(it, name)
        if x.frame not in ("SENT", "HEARD", "PAST"):
            return yes(shared, it)
        return yes(shared, _moved(put(_unchanged(it, name), name, stuck=True), c))

    return rule


def _unchanged(it: It, name: str) -> It:
    """The last change of an exit never was."""
    x: Exit = getattr(it, name)
    return put(it, name, frame="", most=0, asked=x.back, back=0, changes=x.changes - 1)


def _entry_fills(shared: Shared, it: It, c: Command) -> Verdict[It]:
    return yes(shared, it, got=LOTS, entry="") if it.entry else yes(shared, it)


def _entry_ends(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """The day ended, or its rest was cancelled: what filled stays. Beside nothing its exits are asked to end."""
    if not it.entry:
        return yes(shared, it)
    it = it._replace(entry="")
    return yes(shared, over(it if it.held else it.asked_to_end(_unasked(it), c.slow)))


def _unasked(it: Position) -> list[str]:
    return [name for name in EXITS if getattr(it, name).works and not getattr(it, name).ends]


def _session(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """The session was lost, and another one opened: what was sent and not answered is of the past."""
    return yes(shared, _past(it))


def _past(it: It) -> It:
    return _marked(it, PAIR, "frame", ("SENT", "HEARD"), "PAST")


# --- sizes that follow ------------------------------------------------------------------------------------------------


def _changeable(it: Position) -> list[str]:
    """The exits of a pair whose size may be changed now: the last change was answered and stood, nothing was asked to
    end, the entry is over; none where that is not so of all that work."""
    works = [name for name in PAIR if getattr(it, name).works]
    exits: list[Exit] = [getattr(it, name) for name in works]
    if it.entry or any(x.ends or x.way != "WORKS" or x.frame or x.stuck for x in exits):
        return []
    return works


def asks_for(it: It, names: list[str], lots: int, now: int) -> It:
    """Each of these may execute so many lots more."""
    for name in names:
        x: Exit = getattr(it, name)
        asks = lots + x.did
        most = max(x.total, x.asked, asks)
        change = {"changes": x.changes + 1, **it.stamp(now)}
        it = put(it, name, frame="MINE", asked=asks, back=x.asked, most=most, **change)
    return it


def _resize(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """Protection follows what is held, beside no close, and where nobody stated of no order what an exit itself says
    that it executed. What the broker itself made smaller grows again only after a picture that shows all that is held:
    it knows of an execution that the book lacks, or somebody else changed it."""
    wrong = [name for name in _changeable(it) if getattr(it, name).rest != it.held and not ahead(it, name)]
    if it.state == "CLOSED" or it.held <= 0 or it.close.works or not wrong:
        return no("STATE", shared, it)
    taken = any(getattr(it, n).rest < it.held and getattr(it, n).total < getattr(it, n).asked for n in wrong)
    if not c.link:
        return no("LINK", shared, it)
    if c.picture == "LESS" or it.held > may_leave(it, c.picture):
        return no("EXIT", shared, it)
    if taken and c.picture != "SHOWS":
        return no("PICTURE", shared, it)
    return yes(shared, asks_for(it, wrong, it.held, c.slow))


def _look_resize(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """X1 to X4 of a change: for no more than is held, by the book and by the picture."""
    owed: list[Exit] = [x for x in it.pair if x.frame in OWED]
    sizes = [x.asked - x.did for x in owed]
    return _look(shared, it, c, bool(owed), c.picture == "LESS" or max(sizes, default=0) > may_leave(it, c.picture))


def _look(shared: Shared, it: It, c: Command, owed: bool, large: bool) -> Verdict[It]:
    if not owed or it.state == "CLOSED":
        return no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return no("LEASE", shared, it)
    if not c.link:
        return no("LINK", shared, it)
    return no("EXIT", shared, it) if large else yes(shared, it)


def _change_over(it: It, frames: tuple[str, ...]) -> It | None:
    changed = [name for name in PAIR if getattr(it, name).frame in frames]
    for name in changed:
        it = _unchanged(it, name)
    return it if changed else None


def _withhold_resize(shared: Shared, it: It, c: Command) -> Verdict[It]:
    after = _change_over(it, ("MINE",))
    return no("STATE", shared, it) if after is None else no("EXIT", shared, over(after.not_sent()))


def _resize_dropped(shared: Shared, it: It, c: Command) -> Verdict[It]:
    return yes(shared, over(_change_over(it, ("MINE",)) or it))


def _marked(it: It, names: tuple[str, ...], field: str, was: tuple[str, ...], now: str) -> It:
    for name in names:
        if getattr(getattr(it, name), field) in was:
            it = put(it, name, **{field: now})
    return it


def _sent(names: tuple[str, ...], field: str) -> Rule[It]:
    """It left."""
    return lambda shared, it, c: yes(shared, _marked(it, names, field, ("MINE",), "SENT"))


def _unknown(names: tuple[str, ...], field: str) -> Rule[It]:
    """Nobody knows whether it left."""

    def rule(shared: Shared, it: It, c: Command) -> Verdict[It]:
        after = _marked(it, names, field, OWED, "UNKNOWN")
        return no("STATE", shared, it) if after == it else yes(shared, after)

    return rule


# --- closes -----------------------------------------------------------------------------------------------------------


def look_close(shared: Shared, it: It, c: Command, large: bool) -> Verdict[It]:
    """X1 to X4 of a close: for no more than is held, with what works beside it."""
    beside = max(x.rest for x in it.pair)
    working = max(beside, it.close.asked) if it.joined else beside + it.close.asked
    large = large or (working > may_leave(it, c.picture) + it.more and working > beside)
    return _look(shared, it, c, it.close.way in OWED, large or c.late)


def _withhold_close(shared: Shared, it: It, c: Command) -> Verdict[It]:
    if it.close.way != "MINE":
        return no("STATE", shared, it)
    return no("EXIT", shared, over(put(it, "close", **ENDED).not_sent()))


def _close_dropped(shared: Shared, it: It, c: Command) -> Verdict[It]:
    return yes(shared, over(put(it, "close", **ENDED)) if it.close.way == "MINE" else it)


# --- protection that is placed again ----------------------------------------------------------------------------------


def _restore(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """D4: once, and only after a whole picture of after the loss that shows all that is held, and nothing beside it."""
    if it.state == "CLOSED" or it.held <= 0:
        return no("STATE", shared, it)
    if any(x.works for x in it.exits):
        return no("PAIR", shared, it)
    if it.again:
        return no("EXIT", shared, it)
    if c.picture != "SHOWS":
        return no("PICTURE", shared, it)
    if not c.link:
        return no("LINK", shared, it)
    new = Exit("MINE", it.held, it.held, **it.stamp(c.slow))  # type: ignore[arg-type]  # these are numbers
    gone = it.gone + sum(max(0, x.said - x.did) for x in it.pair)
    return yes(shared, it, stop=new, target=new, again=True, gone=gone)


def _look_again(shared: Shared, it: It, c: Command) -> Verdict[It]:
    large = c.picture == "LESS" or it.stop.asked > may_leave(it, c.picture)
    return _look(shared, it, c, it.stop.way in OWED, large)


def _withhold_again(shared: Shared, it: It, c: Command) -> Verdict[It]:
    if it.stop.way != "MINE":
        return no("STATE", shared, it)
    return no("EXIT", shared, _again_over(it.not_sent()))


def _again_over(it: It) -> It:
    return over(put(put(it, "stop", **ENDED), "target", **ENDED))


def _again_dropped(shared: Shared, it: It, c: Command) -> Verdict[It]:
    return yes(shared, _again_over(it) if it.stop.way == "MINE" else it)


# --- what time asks, and what all share -------------------------------------------------------------------------------


def _clear_away(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """Nothing is held, and exits work that should have ended with it: they are asked to end, once."""
    beside = _unasked(it)
    if it.state == "CLOSED" or it.held or it.entry or not c.slow or not beside:
        return no("STATE", shared, it)
    return yes(shared, it.asked_to_end(beside, c.slow))


def _alarm(shared: Shared, it: It, c: Command) -> Verdict[It]:
    quiet = "Alarm" not in _turn(shared, it, c).no
    return no("STATE", shared, it) if quiet else yes(shared, it, told=not it.told)


def _turn(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """What the engine does about protection in its next turn, in words."""
    if it.state == "CLOSED" or not shared.lease:
        return no("", shared, it)
    stands = it.worth(c.slow)
    covers = stands in ("FULL", "EXCESS")
    granted = {
        "Alarm": it.held > 0 and stands != "PENDING" and covers == it.told,
        "ClearAway": not _clear_away(shared, it, c).no,
        "Resize": not it.waits and not _resize(shared, it, c).no,
        "Restore": stands == "NONE" and not _restore(shared, it, c).no,
    }
    return no(" ".join(name for name, so in granted.items() if so), shared, it)


def _begin(shared: Shared, it: It, c: Command) -> Verdict[It]:
    """Another run, in a session of its own: what an earlier one had in its hands is not sent any more."""
    it = _marked(_marked(_past(it), EXITS, "way", ("MINE",), "OLD"), PAIR, "frame", ("MINE",), "OLD")
    return yes(shared._replace(lease=True), it)


FENCED: Final[Mapping[str, Rule[Any]]] = {
    **{f"{name}_says": _says(name) for name in EXITS},
    **{f"{name}_fills": _fills(name) for name in EXITS},
    **{f"{name}_ends": _ends(name) for name in EXITS},
    **{f"{name}_refuses": _refuses(name) for name in PAIR},
    "entry_fills": _entry_fills, "entry_ends": _entry_ends, "session": _session,
    "resize": _resize, "withhold_resize": _withhold_resize, "resize_sent": _sent(PAIR, "frame"),
    "resize_dropped": _resize_dropped, "resize_unknown": _unknown(PAIR, "frame"),
    "withhold_close": _withhold_close, "close_sent": _sent(("close",), "way"), "close_dropped": _close_dropped,
    "close_unknown": _unknown(("close",), "way"),
    "restore": _restore, "withhold_again": _withhold_again, "again_sent": _sent(PAIR, "way"),
    "again_dropped": _again_dropped, "again_unknown": _unknown(PAIR, "way"),
    "clear_away": _clear_away, "alarm": _alarm,
}  # fmt: skip
OPEN: Final[Mapping[str, Rule[Any]]] = {
    "look_resize": _look_resize, "look_again": _look_again, "turn": _turn, "begin": _begin,
}  # fmt: skip
LOOKS: Final = {"look_close", "look_resize", "look_again", "turn"}


def answer(
    fenced: Mapping[str, Rule[It]], open_: Mapping[str, Rule[It]], shared: Shared, it: It, command: Command
) -> Verdict[It]:
    """The rules' answer to one command: most are asked by the run that holds the lease alone."""
    rule = fenced.get(command.name)
    if rule is None:
        return open_[command.name](shared, it, command)
    return rule(shared, it, command) if shared.lease else no("LEASE", shared, it)


# --- what is true -----------------------------------------------------------------------------------------------------


class At(NamedTuple):
    """One exit at the broker."""

    works: str = ""  # WORKS, OVER; nothing where it never came
    total: int = 0
    did: int = 0
    asks: int = 0  # another size is on its way there; in the fifth walk
    past: bool = False  # and was sent in a session that is gone
    no: bool = False  # a change of it was refused, in this session
    moved: bool = False

    @property
    def rest(self) -> int:
        """What it may still execute."""
        return self.total - self.did if self.works == "WORKS" else 0

    @property
    def most(self) -> int:
        """The same, once what is on its way has arrived."""
        return max(self.rest, self.asks - self.did) if self.works == "WORKS" else 0


class Truth(NamedTuple):
    """What is true outside the log."""

    got: int = LOTS
    more: int = 0  # what its entry may still fill
    out: int = 0
    stop: At = At("WORKS", LOTS)
    target: At = At("WORKS", LOTS)
    close: At = At()
    placed: int = 0  # which pair that is: the one that came with the entry, or the one after it
    closes: int = 0  # which close
    joined: bool = False
    by_hand: bool = False  # somebody changed something in the broker's own window
    close_old: bool = False  # in the fourth walk
    day_over: bool = False
    now: int = 0  # in the fifth

    @property
    def held(self) -> int:
        """What the account holds."""
        return self.got - self.out


class Run(NamedTuple):
    """An engine, and what it has in its hands: RECORDED, then OUT or LOST until the transport has reported."""

    close: str = ""
    change: str = ""
    again: str = ""


class World(NamedTuple, Generic[It]):
    """Everything."""

    shared: Shared
    it: It
    truth: Truth
    run: Run | None
    groups: bool
    signed: bool = False  # a human has signed a close, and not handed it in; in the fourth walk
    hands: bool = False  # people may change something in the broker's own window; in the fifth


W = TypeVar("W", bound="World[Any]")
Judge = Callable[[Shared, It, Command], Verdict[It]]


class Step(NamedTuple, Generic[W]):
    """One thing that may happen, and the world after it."""

    label: str
    after: W
    asked: tuple[int, Command] | None = None
    broken: str = ""


def in_part(it: It, truth: Truth) -> tuple[It, Truth]:
    """Two lots of three are held, and the third may still fill."""
    return it._replace(got=LOTS - 1, entry="WORKS"), truth._replace(got=LOTS - 1, more=1)


def true(world: W, **change: object) -> W:
    """The world in which something else is true."""
    return world._replace(truth=world.truth._replace(**change))  # type: ignore[arg-type]  # as above


def hand(world: W, **change: str) -> W:
    """The world in which its engine has something else in its hands."""
    assert world.run is not None
    return world._replace(run=world.run._replace(**change))


def label_of(command: Command) -> str:
    """A command in words."""
    said = [f"{command.lots} of {command.total}"] if command.lots or command.total else []
    nth = [f"no {command.version}"] if command.version else []
    return " ".join((command.name, *said, *nth, *([f"at {command.slow}"] if command.slow else [])))


def without(world: W) -> W:
    """Another session will tell nothing of what was refused in this one, and speaks of an order only once all that was
    on its way to it has arrived, or is lost."""
    pair: dict[str, At] = {name: getattr(world.truth, name) for name in PAIR}
    return true(world, **{name: at._replace(no=False, past=at.asks > 0) for name, at in pair.items()})


def executed(truth: Truth, name: str) -> Truth:
    """One lot leaves at an exit, and is taken from the others of its group; what is left of none has ended."""
    group = (*PAIR, "close") if truth.joined else PAIR
    members = group if name in group else ("close",)
    truth = truth._replace(out=truth.out + 1)
    for other in members:
        at: At = getattr(truth, other)
        if at.works == "WORKS":
            at = at._replace(did=at.did + 1) if other == name else at._replace(total=at.total - 1)
            is_over = at.total <= at.did or (not truth.held and not truth.more)
            at = at._replace(works="OVER", asks=0, past=False) if is_over else at
            truth = truth._replace(**{other: at})  # type: ignore[arg-type]  # as above
    return truth


def known(world: World[Any], name: str) -> bool:
    """Whether what the broker has by this name is what the log has."""
    it, truth = world.it, world.truth
    here = getattr(truth, name).works != ""
    return here and (truth.closes == it.closes if name == "close" else truth.placed == int(it.again))


def in_hand(world: World[Any], name: str) -> bool:
    """Whether this run has not yet said what became of a frame of that exit."""
    x: Exit = getattr(world.it, name)
    assert world.run is not None
    hands = (world.run.close,) if name == "close" else (world.run.change, world.run.again)
    return x.way in OWED or x.frame in OWED or any(what in ("OUT", "LOST") for what in hands)


def sent_close(world: W) -> W:
    """The close has arrived."""
    it, truth = world.it, world.truth
    # A group that is over takes nobody in: by an execution that was the last, not by what was cancelled in it.
    spent = it.joined and not truth.held
    at = At("OVER" if spent else "WORKS", it.close.asked)
    return true(world, close=at, closes=it.closes, joined=it.joined)


def sent_pair(world: W) -> W:
    """Protection that was placed again has arrived."""
    at = At("WORKS", world.it.stop.asked)
    return true(world, stop=at, target=at, placed=int(world.it.again))


# --- what must hold in every world ------------------------------------------------------------------------------------


def is_told(world: World[Any]) -> bool:
    """Whether the log knows all that was executed."""
    it, truth = world.it, world.truth
    return it.got == truth.got and it.out == truth.out and (not it.entry) == (not truth.more)


def beyond(truth: Truth) -> int:
    """How much the exits at the broker may execute beyond what is held, or may still be."""
    pair = max(truth.stop.most, truth.target.most)
    working = max(pair, truth.close.rest) if truth.joined else pair + truth.close.rest
    return max(0, working - truth.held - truth.more)


def sent_wrongly(before: World[Any], after: World[Any], knows: bool) -> str:
    """The promise that frames break which leave now, where the log knows all that was executed."""
    it = before.it
    return first_of(
        (not before.shared.lease, "X3 an exit frame of a run without the lease"),
        (it.state == "CLOSED" or not it.held, "X1 an exit frame where nothing is held"),
        (after.truth.close != before.truth.close and before.truth.close_old, "X2 a close of an old signature"),
        (knows and beyond(after.truth) > beyond(before.truth), "X1 exits for more than is held"),
    )


def left_wrongly(before: World[Any], after: World[Any]) -> str:
    """The promise of both walks that a step breaks."""
    was, now, truth = before.it, after.it, after.truth
    works = any(getattr(truth, name).works == "WORKS" for name in EXITS)
    return first_of(
        (was.state == "CLOSED" != now.state, "I10 an end was left"),
        (now.state == "CLOSED" and bool(truth.held), "I9 CLOSED, and something is held"),
        (now.state == "CLOSED" and (works or bool(truth.more)), "B8 CLOSED, and something works"),
        (now.out > truth.out or now.got > truth.got, "I8 more in the book than was executed"),
        (now.again and not was.again and works, "D4 placed again beside what works"),
    )


def is_short(world: World[Any]) -> bool:
    """Whether what works at the broker is for less than is held, by the book."""
    held: int = world.it.held
    return held > 0 and min(world.truth.stop.rest, world.truth.target.rest) < held


def first_of(*said: tuple[bool, str]) -> str:
    """The first of these promises that is broken."""
    return next((why for so, why in said if so), "")


# --- the steps of both walks ------------------------------------------------------------------------------------------


class Steps(Generic[It, W]):
    """The steps that both walks have, by the rules of one of them."""

    def __init__(self, judge: Judge[It], world: type[W]) -> None:
        """These rules, of these worlds."""
        self.judge, self.world = judge, world

    def ask(self, world: W, command: Command) -> W:
        """The world after one command to the desk."""
        verdict = self.judge(world.shared, world.it, command)
        return world._replace(shared=verdict.shared, it=verdict.intent)

    def asks(self, world: W, command: Command) -> Step[W]:
        """The step that is this command."""
        return Step(label_of(command), self.ask(world, command), (0, command))

    def thinks(self, world: W, *commands: Command) -> Iterator[Step[W]]:
        """Questions that are asked whether or not this world can come to them, where the answer changes nothing."""
        for command in commands:
            if self.judge(world.shared, world.it, command).intent == world.it:
                yield Step(f"{command} in thought", world, (0, command))

    def leaves(self, world: W, name: str) -> Iterator[Step[W]]:
        """What the broker does with one exit by itself."""
        at: At = getattr(world.truth, name)
        if at.rest and world.truth.held:
            yield Step(f"a lot leaves at the {name}", world._replace(truth=executed(world.truth, name)))
        if at.works == "WORKS":
            ended = at._replace(works="OVER", asks=0, past=False)
            yield Step(f"the {name} is cancelled", true(world, **{name: ended}))

    def smaller_by_hand(self, world: W) -> Iterator[Step[W]]:
        """Somebody makes the target smaller in the broker's own window."""
        at = world.truth.target
        if at.rest > 1:
            smaller = at._replace(total=at.total - 1)
            yield Step("the target is made smaller by hand", true(world, target=smaller, by_hand=True))

    def reports(self, world: W, now: Command, field: str, name: str) -> Iterator[Step[W]]:
        """The transport reports what became of a frame."""
        what = getattr(world.run, field)
        if what in ("OUT", "LOST"):
            report = now._replace(name=f"{name}_sent" if what == "OUT" else f"{name}_dropped")
            yield self.asks(hand(world, **{field: ""}), report)

    def looks(
        self, world: W, now: Command, look: Command, odd: Iterable[Command], field: str, name: str
    ) -> Iterator[Step[W]]:
        """Inside the hold: the last look, and what is not handed over by it."""
        empty = hand(world, **{field: ""})
        why = self.judge(world.shared, world.it, look).no
        yield Step(f"looks at {name}", world, (0, look))
        yield from self.thinks(world, *odd)
        if why == "STATE":
            yield Step(f"owes no {name}", empty)
        elif why:
            yield self.asks(empty, now._replace(name=f"withhold_{name}"))
        else:
            yield Step(f"loses a {name}", hand(world, **{field: "LOST"}))


HANDS: Final = (("close", "close"), ("change", "resize"), ("again", "again"))
