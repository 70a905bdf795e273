"""The fourth walk: what is held leaves in parts, at its stop, its target or a close, and the day ends under it.

Three lots were entered, or two of them while the third may still fill. Whatever an exit executes the broker takes from
the others of its group, and says so before, after or without the execution. It ends each of them alone; it takes,
refuses or never hears another size; somebody changes one in its own window; the day ends what was good for the day
alone: the entry's rest, and a close. The engine dies, the session is lost, a human closes, stops everything, and states
from the broker's papers what no word ever told.

The rules stand here beside the steps, since what they ask about is smaller and finer than what the other walks ask
about: each exit by itself, as the log has it. They are written from the decisions, and not from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.chaos.model.rules import Command, Shared

LOTS: Final = 3
CLOSES_MAX: Final = 2
EXITS: Final = ("stop", "target", "close")
PAIR: Final = ("stop", "target")


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
    ends: int = 0  # its end was asked for: 1 at first, 2 in the time of a second close
    back: int = 0  # while a change is not answered: what was asked for before it
    changes: int = 0  # how often it was changed, with the one that is not answered

    @property
    def works(self) -> bool:
        """Whether it may execute."""
        return self.way not in ("", "END")


class Leaving(NamedTuple):
    """A position that is held and left, as the log has it."""

    state: str = "MANAGED"
    got: int = LOTS
    out: int = 0
    entry: str = ""  # WORKS, ENDING; nothing once it is over
    stop: Exit = Exit("WORKS", LOTS, LOTS)
    target: Exit = Exit("WORKS", LOTS, LOTS)
    close: Exit = Exit()
    joined: bool = False  # the close is in the group of its protection
    wish: str = ""  # a human's close: SIGNED, SPENT
    tries: int = 0  # closes that were signed
    closes: int = 0  # closes that were recorded
    again: bool = False  # protection was placed again
    told: bool = False  # people were told that it is lost
    gone: int = 0  # what earlier exits executed by their own word, and no execution told

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


class Verdict(NamedTuple):
    """A family of refusals, empty for a yes; and the desk after it."""

    no: str
    shared: Shared
    intent: Leaving


Rule = Callable[[Shared, Leaving, Command], Verdict]
OWED: Final = ("MINE", "OLD")


def _yes(shared: Shared, it: Leaving, **change: object) -> Verdict:
    return Verdict("", shared, it._replace(**change))  # type: ignore[arg-type]  # NamedTuple._replace takes any field


def _no(why: str, shared: Shared, it: Leaving, **change: object) -> Verdict:
    return Verdict(why, shared, it._replace(**change))  # type: ignore[arg-type]  # as above


def _put(it: Leaving, name: str, **change: object) -> Leaving:
    exit_: Exit = getattr(it, name)
    return it._replace(**{name: exit_._replace(**change)})  # type: ignore[arg-type]  # as above


# --- what is worked out -----------------------------------------------------------------------------------------------


def ahead(it: Leaving, name: str) -> int:
    """What an exit executed by the broker's word on it, beyond its executions in the book, as far as a human stated as
    much of no order."""
    x: Exit = getattr(it, name)
    return min(sum(each.stated for each in it.exits), max(0, x.said - x.did))


def unbooked(it: Leaving, picture: str = "NONE") -> int:
    """What exits executed by the broker's word on them, and no execution told yet, nor a human: that is not held any
    more. A picture that began since has what those left that had ended by then."""
    exits = [x for x in it.exits if x.works or picture != "SHOWS"]
    ahead_ = sum(max(0, x.said - x.did) for x in exits) + (it.gone if picture != "SHOWS" else 0)
    return max(0, ahead_ - sum(x.stated for x in it.exits))


def may_leave(it: Leaving, picture: str) -> int:
    """X4: what an exit may be for."""
    return it.held - unbooked(it, picture)


def rest(it: Leaving, name: str) -> int:
    """What an exit may still execute: until the broker answered a change, of the largest of its sizes."""
    each: Exit = getattr(it, name)
    return max(0, (each.most if each.frame else each.total) - each.did) if each.works else 0


def worth(it: Leaving, slow: int) -> str:
    """D4: what protects it, by the broker's echo, in that order of doubts."""
    if it.held <= 0 and not it.more:
        return "EXCESS" if any(each.works for each in it.exits) else "NONE"
    if any(each.ends > slow for each in it.pair):
        return "PENDING"
    if not all(each.works for each in it.pair):
        return "NONE"
    if any("UNKNOWN" in (each.way, each.frame) for each in it.pair):
        return "UNKNOWN"
    if any(each.way != "WORKS" or each.frame for each in it.pair):
        return "PENDING"
    rests = [rest(it, name) - ahead(it, name) for name in PAIR]
    if min(rests) < it.held:
        return "PENDING" if any(each.changes for each in it.pair) and not slow else "SHORT"
    return "EXCESS" if max(rests) > it.held + it.more else "FULL"


def _over(it: Leaving) -> Leaving:
    """B8: over once nothing is held and nothing works."""
    if it.state == "CLOSED" or it.held or it.entry or any(each.works for each in it.exits):
        return it
    return it._replace(state="CLOSED", told=False)


def _moved(it: Leaving, c: Command) -> Leaving:
    """What a word about an exit changes beside it: it was the last; or people hear what protects them."""
    if it.held <= 0:
        return _over(it)
    stands = worth(it, c.slow)
    return it if stands == "PENDING" else it._replace(told=stands not in ("FULL", "EXCESS"))


# --- the broker's word ------------------------------------------------------------------------------------------------


def _says(name: str) -> Rule:
    """The broker's word on an exit that works: for how many lots, and how many it executed. A word of a later session
    is on all that was ever sent, so that it answers a change whatever became of that."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        if not x.works:
            return _yes(shared, it)
        first = x.way != "WORKS" or x.frame in ("SENT", "PAST", "UNKNOWN")
        if not first and c.total == x.total and c.lots <= x.said:
            return _yes(shared, it)
        now = x._replace(way="WORKS", total=c.total, said=max(x.said, c.lots))
        if x.frame in ("PAST", "UNKNOWN"):
            now = now._replace(frame="", most=0, back=0, asked=c.total)
        elif x.frame and c.total == x.asked:
            now = now._replace(frame="", most=0, back=0)
        elif x.frame:
            now = now._replace(frame="HEARD", most=max(x.most, c.total))
        return _yes(shared, _moved(it._replace(**{name: now}), c))  # type: ignore[arg-type]  # as above

    return rule


def _fills(name: str) -> Rule:
    """It executed so many lots in all; what a human stated of it is in the book already. The first exit asks for the
    end of the entry's rest."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        new = c.lots - x.did - x.stated
        if new <= 0 or it.state == "CLOSED":
            return _yes(shared, it)
        return _yes(shared, _left(_put(it, name, did=x.did + new), new))

    return rule


def _left(it: Leaving, lots: int) -> Leaving:
    return _over(it._replace(out=it.out + lots, entry="ENDING" if it.entry else ""))


def _ends(name: str) -> Rule:
    """The broker ended it, with so much of it executed."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        if not x.works:
            return _yes(shared, it)
        return _yes(shared, _moved(_put(it, name, **ENDED, said=max(x.said, c.lots)), c))

    return rule


ENDED: Final[dict[str, object]] = {
    "way": "END",
    "frame": "",
    "most": 0,
    "total": 0,
    "asked": 0,
    "back": 0,
    "changes": 0,
}


def _refuses(name: str) -> Rule:
    """The broker lets a change not stand: the exit is as it was, and is changed by itself no more."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        if x.frame not in ("SENT", "HEARD", "PAST"):
            return _yes(shared, it)
        return _yes(shared, _moved(_put(_unchanged(it, name), name, stuck=True), c))

    return rule


def _unchanged(it: Leaving, name: str) -> Leaving:
    """The last change of an exit never was."""
    x: Exit = getattr(it, name)
    return _put(it, name, frame="", most=0, asked=x.back, back=0, changes=x.changes - 1)


def _entry_fills(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, it, got=LOTS, entry="") if it.entry else _yes(shared, it)


def _entry_ends(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """The day ended, or its rest was cancelled: what filled stays. Beside nothing its exits are asked to end."""
    if not it.entry:
        return _yes(shared, it)
    it = it._replace(entry="")
    for name in EXITS if not it.held else ():
        x: Exit = getattr(it, name)
        if x.works and not x.ends:
            it = _put(it, name, ends=1)
    return _yes(shared, _over(it))


def _session(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """The session was lost, and another one opened: what was sent and not answered is of the past."""
    return _yes(shared, _past(it))


def _past(it: Leaving) -> Leaving:
    for name in PAIR:
        x: Exit = getattr(it, name)
        if x.frame in ("SENT", "HEARD"):
            it = _put(it, name, frame="PAST")
    return it


# --- sizes that follow ------------------------------------------------------------------------------------------------


def _wrong(it: Leaving) -> list[str]:
    """The exits that are not of the size of what is held, where anything may be done about it: the entry is over, the
    last change was answered and stood, nothing was asked to end, no close works; and nobody stated of no order what an
    exit itself says that it executed."""
    works = [name for name in PAIR if getattr(it, name).works]
    exits: list[Exit] = [getattr(it, name) for name in works]
    if it.held <= 0 or it.entry or it.close.works or any(x.ends for x in exits):
        return []
    if any(x.way != "WORKS" or x.frame or x.stuck for x in exits):
        return []
    return [name for name in works if rest(it, name) != it.held and not ahead(it, name)]


def _resize(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """What the broker itself made smaller grows again only after a picture that shows all that is held: it knows of an
    execution that the book lacks, or somebody else changed it."""
    if it.state == "CLOSED" or not _wrong(it):
        return _no("STATE", shared, it)
    taken = any(rest(it, n) < it.held and getattr(it, n).total < getattr(it, n).asked for n in _wrong(it))
    if not c.link:
        return _no("LINK", shared, it)
    if c.picture == "LESS" or it.held > may_leave(it, c.picture):
        return _no("EXIT", shared, it)
    if taken and c.picture != "SHOWS":
        return _no("PICTURE", shared, it)
    for name in _wrong(it):
        x: Exit = getattr(it, name)
        asks = it.held + x.did
        most = max(x.total, x.asked, asks)
        it = _put(it, name, frame="MINE", asked=asks, back=x.asked, most=most, changes=x.changes + 1)
    return _yes(shared, it)


def _look_resize(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """X1 to X4 of a change: for no more than is held, by the book and by the picture."""
    owed = [name for name in PAIR if getattr(it, name).frame in OWED]
    if not owed or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    large = any(getattr(it, name).asked - getattr(it, name).did > may_leave(it, c.picture) for name in owed)
    return _no("EXIT", shared, it) if large or c.picture == "LESS" else _yes(shared, it)


def _change_over(it: Leaving, frames: tuple[str, ...]) -> Leaving | None:
    changed = [name for name in PAIR if getattr(it, name).frame in frames]
    for name in changed:
        it = _unchanged(it, name)
    return it if changed else None


def _withhold_resize(shared: Shared, it: Leaving, c: Command) -> Verdict:
    after = _change_over(it, ("MINE",))
    return _no("STATE", shared, it) if after is None else _no("EXIT", shared, _over(after))


def _resize_dropped(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _over(_change_over(it, ("MINE",)) or it))


def _marked(it: Leaving, names: tuple[str, ...], field: str, was: tuple[str, ...], now: str) -> Leaving:
    for name in names:
        if getattr(getattr(it, name), field) in was:
            it = _put(it, name, **{field: now})
    return it


def _resize_sent(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _marked(it, PAIR, "frame", ("MINE",), "SENT"))


def _resize_unknown(shared: Shared, it: Leaving, c: Command) -> Verdict:
    after = _marked(it, PAIR, "frame", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- closes -----------------------------------------------------------------------------------------------------------


def _close(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """An accepted signature is recorded, where an engine runs."""
    return _yes(shared, it, wish="SIGNED", tries=it.tries + 1) if shared.lease else _no("LEASE", shared, it)


def _carry(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """D6: for all that is held; into the group of its protection where the broker holds groups, else after that."""
    if it.wish != "SIGNED":
        return _no("STATE", shared, it)
    if c.late:
        return _no("EXIT", shared, it, wish="SPENT")
    if it.state == "CLOSED" or it.held <= 0 or it.close.works:
        return _no("STATE", shared, it, wish="SPENT")
    if (c.picture == "NONE" or unbooked(it)) and c.link and c.slow < it.tries:
        return _no("PICTURE", shared, it)
    beside = any(x.works for x in it.pair)
    if beside and not c.groups:
        return _makes_way(shared, it, c)
    it = it._replace(gone=it.gone + max(0, it.close.said - it.close.did))
    close = Exit("MINE", it.held, it.held)
    entry = "ENDING" if it.entry else ""
    return _yes(shared, it, close=close, joined=beside, wish="SPENT", entry=entry, closes=it.closes + 1)


def _makes_way(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """Its protection is asked to end, once for each close, and has three seconds; not for a close that cannot leave."""
    names = [name for name in PAIR if getattr(it, name).works]
    unasked = [name for name in names if getattr(it, name).ends < it.tries]
    if not unasked:
        late = any(getattr(it, name).ends <= c.slow for name in names)
        return _no("PAIR", shared, it, wish="SPENT" if late else it.wish)
    if not c.link or c.picture in ("NONE", "LESS") or it.held > may_leave(it, c.picture):
        return _no("EXIT" if c.link else "LINK", shared, it, wish="SPENT")
    for name in unasked:
        it = _put(it, name, ends=c.slow + 1)
    return _yes(shared, it, entry="ENDING" if it.entry else "")


def _look_close(shared: Shared, it: Leaving, c: Command) -> Verdict:
    if it.close.way not in OWED or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    beside = max(rest(it, name) for name in PAIR)
    working = max(beside, it.close.asked) if it.joined else beside + it.close.asked
    large = it.close.asked > may_leave(it, c.picture) or (
        working > may_leave(it, c.picture) + it.more and working > beside
    )
    return _no("EXIT", shared, it) if large or c.late or c.picture in ("NONE", "LESS") else _yes(shared, it)


def _withhold_close(shared: Shared, it: Leaving, c: Command) -> Verdict:
    if it.close.way != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _over(_put(it, "close", **ENDED)))


def _close_dropped(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _over(_put(it, "close", **ENDED)) if it.close.way == "MINE" else it)


def _close_sent(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _marked(it, ("close",), "way", ("MINE",), "SENT"))


def _close_unknown(shared: Shared, it: Leaving, c: Command) -> Verdict:
    after = _marked(it, ("close",), "way", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- protection that is placed again ----------------------------------------------------------------------------------


def _restore(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """D4: once, and only after a whole picture of after the loss that shows all that is held, and nothing beside it."""
    if it.state == "CLOSED" or it.held <= 0:
        return _no("STATE", shared, it)
    if any(x.works for x in it.exits):
        return _no("PAIR", shared, it)
    if it.again:
        return _no("EXIT", shared, it)
    if c.picture != "SHOWS":
        return _no("PICTURE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    new = Exit("MINE", it.held, it.held)
    gone = it.gone + sum(max(0, x.said - x.did) for x in it.pair)
    return _yes(shared, it, stop=new, target=new, again=True, gone=gone)


def _look_again(shared: Shared, it: Leaving, c: Command) -> Verdict:
    if it.stop.way not in OWED or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    large = c.picture == "LESS" or it.stop.asked > may_leave(it, c.picture)
    return _no("EXIT", shared, it) if large else _yes(shared, it)


def _withhold_again(shared: Shared, it: Leaving, c: Command) -> Verdict:
    if it.stop.way != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _again_over(it))


def _again_over(it: Leaving) -> Leaving:
    return _over(_put(_put(it, "stop", **ENDED), "target", **ENDED))


def _again_dropped(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _again_over(it) if it.stop.way == "MINE" else it)


def _again_sent(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared, _marked(it, PAIR, "way", ("MINE",), "SENT"))


def _again_unknown(shared: Shared, it: Leaving, c: Command) -> Verdict:
    after = _marked(it, PAIR, "way", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- what time asks ---------------------------------------------------------------------------------------------------


def _clear_away(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """Nothing is held, and exits work that should have ended with it: they are asked to end, once."""
    beside = [name for name in EXITS if getattr(it, name).works and not getattr(it, name).ends]
    if it.state == "CLOSED" or it.held or it.entry or not c.slow or not beside:
        return _no("STATE", shared, it)
    for name in beside:
        it = _put(it, name, ends=c.slow + 1)
    return _yes(shared, it)


def _alarm(shared: Shared, it: Leaving, c: Command) -> Verdict:
    no = "Alarm" not in _turn(shared, it, c).no
    return _no("STATE", shared, it) if no else _yes(shared, it, told=not it.told)


def _turn(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """What the engine does about protection in its next turn, in words."""
    if it.state == "CLOSED" or not shared.lease:
        return _no("", shared, it)
    stands = worth(it, c.slow)
    covers = stands in ("FULL", "EXCESS")
    granted = {
        "Alarm": it.held > 0 and stands != "PENDING" and covers == it.told,
        "ClearAway": not _clear_away(shared, it, c).no,
        "Resize": it.wish != "SIGNED" and not _resize(shared, it, c).no,
        "Restore": stands == "NONE" and not _restore(shared, it, c).no,
    }
    return _no(" ".join(name for name, so in granted.items() if so), shared, it)


# --- people, and what all share ---------------------------------------------------------------------------------------


def _states(name: str) -> Rule:
    """A human states from the broker's papers one execution of which no word came: of the one exit by whose own word it
    was all that the picture lacks, and else of none; of none, too, where something stands that may be just that."""

    def rule(shared: Shared, it: Leaving, c: Command) -> Verdict:
        if not shared.lease:
            return _no("LEASE", shared, it)
        x: Exit = getattr(it, name)
        lacks = [getattr(it, each).said - getattr(it, each).did for each in EXITS]
        first = not any(each.stated for each in it.exits)
        own = first and [lack for lack in lacks if lack > 0] == [c.lots] == [x.said - x.did]
        stated = {"did": x.did + 1} if own else {"stated": x.stated + 1}
        return _yes(shared, _left(_put(it, name, **stated), 1))

    return rule


def _kill(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared._replace(kill=True), it)


def _clear(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared._replace(kill=False), it) if shared.kill else _no("STATE", shared, it)


def _release(shared: Shared, it: Leaving, c: Command) -> Verdict:
    return _yes(shared._replace(lease=False), it)


def _begin(shared: Shared, it: Leaving, c: Command) -> Verdict:
    """Another run, in a session of its own: what an earlier one had in its hands is not sent any more."""
    it = _marked(_marked(_past(it), EXITS, "way", ("MINE",), "OLD"), PAIR, "frame", ("MINE",), "OLD")
    return _yes(shared._replace(lease=True), it)


LOOKS: Final = {"look_close", "look_resize", "look_again", "turn"}
FENCED: Final[dict[str, Rule]] = {
    **{f"{name}_says": _says(name) for name in EXITS},
    **{f"{name}_fills": _fills(name) for name in EXITS},
    **{f"{name}_ends": _ends(name) for name in EXITS},
    **{f"{name}_refuses": _refuses(name) for name in PAIR},
    "entry_fills": _entry_fills, "entry_ends": _entry_ends, "session": _session,
    "resize": _resize, "withhold_resize": _withhold_resize, "resize_sent": _resize_sent,
    "resize_dropped": _resize_dropped, "resize_unknown": _resize_unknown,
    "carry": _carry, "withhold_close": _withhold_close, "close_sent": _close_sent, "close_dropped": _close_dropped,
    "close_unknown": _close_unknown,
    "restore": _restore, "withhold_again": _withhold_again, "again_sent": _again_sent,
    "again_dropped": _again_dropped, "again_unknown": _again_unknown,
    "clear_away": _clear_away, "alarm": _alarm, "release": _release,
}  # fmt: skip
OPEN: Final[dict[str, Rule]] = {
    **{f"states_{name}": _states(name) for name in EXITS},
    "close": _close, "look_close": _look_close, "look_resize": _look_resize, "look_again": _look_again, "turn": _turn,
    "kill": _kill, "clear": _clear, "begin": _begin,
}  # fmt: skip


def judge(shared: Shared, intent: Leaving, command: Command) -> Verdict:
    """The rules' answer to one command."""
    rule = FENCED.get(command.name)
    if rule is None:
        return OPEN[command.name](shared, intent, command)
    return rule(shared, intent, command) if shared.lease else _no("LEASE", shared, intent)


# --- what is true -----------------------------------------------------------------------------------------------------


class At(NamedTuple):
    """One exit at the broker."""

    works: str = ""  # WORKS, OVER; nothing where it never came
    total: int = 0
    did: int = 0
    no: bool = False  # a change of it was refused, in this session

    @property
    def rest(self) -> int:
        """What it may still execute."""
        return self.total - self.did if self.works == "WORKS" else 0


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
    close_old: bool = False
    day_over: bool = False
    by_hand: bool = False  # somebody made the target smaller in the broker's own window

    @property
    def held(self) -> int:
        """What the account holds."""
        return self.got - self.out


class Run(NamedTuple):
    """An engine, and what it has in its hands: RECORDED, then OUT or LOST until the transport has reported."""

    close: str = ""
    change: str = ""
    again: str = ""


class World(NamedTuple):
    """Everything."""

    shared: Shared
    it: Leaving
    truth: Truth
    run: Run | None
    signed: bool  # a human has signed a close, and not handed it in
    groups: bool


class Step(NamedTuple):
    """One thing that may happen, and the world after it."""

    label: str
    after: World
    asked: tuple[int, Command] | None = None
    broken: str = ""


def beginning(groups: bool, part: bool = False) -> World:
    """All three lots are held, and protected; or two, while the third may still fill."""
    it, truth = Leaving(), Truth()
    if part:
        it, truth = it._replace(got=LOTS - 1, entry="WORKS"), truth._replace(got=LOTS - 1, more=1)
    return World(Shared(lease=True), it, truth, Run(), False, groups)


def _true(world: World, **change: object) -> World:
    return world._replace(truth=world.truth._replace(**change))  # type: ignore[arg-type]  # as above


def _hand(world: World, **change: str) -> World:
    assert world.run is not None
    return world._replace(run=world.run._replace(**change))


def _ask(world: World, command: Command) -> World:
    verdict = judge(world.shared, world.it, command)
    return world._replace(shared=verdict.shared, it=verdict.intent)


def _asks(world: World, command: Command) -> Step:
    return Step(_label(command), _ask(world, command), (0, command))


def _label(command: Command) -> str:
    said = [f"{command.lots} of {command.total}"] if command.lots or command.total else []
    return " ".join((command.name, *said, *([f"at {command.slow}"] if command.slow else [])))


def _thinks(world: World, command: Command) -> Iterator[Step]:
    """A question that is asked whether or not this world can come to it, where the answer changes nothing."""
    if judge(world.shared, world.it, command).intent == world.it:
        yield Step(f"{command} in thought", world, (0, command))


def steps(world: World) -> Iterator[Step]:
    """Everything that may happen next."""
    yield from _broker(world)
    yield from _people(world)
    if world.run is None:
        yield Step("begin", _ask(world, Command("begin"))._replace(run=Run()), (0, Command("begin")))
        return
    yield Step("crash", _without(world)._replace(run=None))
    yield Step("session", _without(_ask(world, Command("session"))), (0, Command("session")))
    yield from _hands(world)
    yield from _due(world)
    yield from _hears(world)


def _without(world: World) -> World:
    """Another session will tell nothing of what was refused in this one."""
    truth = world.truth
    pair = {name: getattr(truth, name)._replace(no=False) for name in PAIR}
    return _true(world, **pair)


# --- the broker -------------------------------------------------------------------------------------------------------


def _broker(world: World) -> Iterator[Step]:
    truth = world.truth
    for name in EXITS:
        at: At = getattr(truth, name)
        if at.rest and truth.held:
            yield Step(f"a lot leaves at the {name}", world._replace(truth=executed(truth, name)))
        if at.works == "WORKS":
            yield Step(f"the {name} is cancelled", _true(world, **{name: at._replace(works="OVER")}))
    if not truth.by_hand and truth.target.rest > 1:
        smaller = truth.target._replace(total=truth.target.total - 1)
        yield Step("the target is made smaller by hand", _true(world, target=smaller, by_hand=True))
    if truth.more:
        yield Step("the last lot fills", _true(world, got=LOTS, more=0))
    if not truth.day_over and (truth.more or truth.close.works == "WORKS"):
        over = truth.close._replace(works="OVER") if truth.close.works else truth.close
        yield Step("the day ends", _true(world, more=0, close=over, day_over=True))
    if not truth.close_old and (world.it.wish == "SIGNED" or world.it.close.way in OWED):
        yield Step("the close grows old", _true(world, close_old=True))


def executed(truth: Truth, name: str) -> Truth:
    """One lot leaves at an exit, and is taken from the others of its group; what is left of none has ended."""
    group = (*PAIR, "close") if truth.joined else PAIR
    members = group if name in group else ("close",)
    truth = truth._replace(out=truth.out + 1)
    for other in members:
        at: At = getattr(truth, other)
        if at.works == "WORKS":
            at = at._replace(did=at.did + 1) if other == name else at._replace(total=at.total - 1)
            over = at.total <= at.did or (not truth.held and not truth.more)
            at = at._replace(works="OVER" if over else "WORKS")
            truth = truth._replace(**{other: at})  # type: ignore[arg-type]  # as above
    return truth


# --- people -----------------------------------------------------------------------------------------------------------


def _people(world: World) -> Iterator[Step]:
    it, truth = world.it, world.truth
    if world.signed:
        command = Command("close", slow=it.tries)
        verdict = judge(world.shared, it, command)
        after = _true(_ask(world, command), close_old=False) if not verdict.no else world
        yield Step("hands in close", after._replace(signed=False), (0, command))
    elif it.state != "CLOSED" and it.held and not it.close.works and it.wish != "SIGNED" and it.tries < CLOSES_MAX:
        yield Step("signs close", world._replace(signed=True))
    yield _asks(world, Command("clear" if world.shared.kill else "kill"))
    for name in EXITS if not it.again else ():  # for the model's sake: what is stated is of the first of them
        x: Exit = getattr(it, name)
        if (
            _known(world, name)
            and it.held
            and it.got == truth.got
            and getattr(truth, name).did > x.did + x.stated
            and x.way not in OWED
        ):
            yield _asks(world, Command(f"states_{name}", picture="LOT", lots=truth.out - it.out))


def _known(world: World, name: str) -> bool:
    """Whether what the broker has by this name is what the log has."""
    it, truth = world.it, world.truth
    here = getattr(truth, name).works != ""
    return here and (truth.closes == it.closes if name == "close" else truth.placed == int(it.again))


# --- an engine --------------------------------------------------------------------------------------------------------


def _hands(world: World) -> Iterator[Step]:
    run = world.run
    assert run is not None
    sends: tuple[tuple[str, str, str, Callable[[World], Iterator[tuple[str, World]]]], ...] = (
        ("close", run.close, "close", _sent_close),
        ("change", run.change, "resize", _sent_change),
        ("again", run.again, "again", _sent_pair),
    )
    for field, what, name, sent in sends:
        if what == "RECORDED":
            yield from _sends(world, field, name, sent)
        elif what:
            yield _asks(_hand(world, **{field: ""}), Command(f"{name}_sent" if what == "OUT" else f"{name}_dropped"))


def _sends(world: World, field: str, name: str, sent: Callable[[World], Iterator[tuple[str, World]]]) -> Iterator[Step]:
    """Inside the hold: look, and hand over."""
    close = name == "close"
    look = Command(f"look_{name}", late=close and world.truth.close_old, slow=world.it.tries - 1 if close else 0)
    empty = _hand(world, **{field: ""})
    no = judge(world.shared, world.it, look).no
    yield Step(f"looks at {name}", world, (0, look))
    for odd in (look._replace(link=False), look._replace(picture="LESS"), look._replace(picture="NONE")):
        yield from _thinks(world, odd)
    if no == "STATE":
        yield Step(f"owes no {name}", empty)
    elif no:
        yield _asks(empty, Command(f"withhold_{name}"))
    else:
        yield Step(f"loses a {name}", _hand(world, **{field: "LOST"}))
        for how, after in sent(_hand(world, **{field: "OUT"})):
            yield Step(f"sends a {name}{how}", after, (0, look), _too_much(world, after))


def _sent_close(world: World) -> Iterator[tuple[str, World]]:
    it, truth = world.it, world.truth
    # A group that is over takes nobody in: by an execution that was the last, not by what was cancelled in it.
    spent = it.joined and not truth.held
    at = At("OVER" if spent else "WORKS", it.close.asked)
    yield "", _true(world, close=at, closes=it.closes, joined=it.joined)


def _sent_change(world: World) -> Iterator[tuple[str, World]]:
    """The broker takes the change, or lets it not stand."""
    taken, refused = world, world
    for name in PAIR:
        at: At = getattr(world.truth, name)
        x: Exit = getattr(world.it, name)
        if x.frame in OWED and at.works == "WORKS":
            over = x.asked <= at.did
            taken = _true(taken, **{name: at._replace(total=max(x.asked, at.did), works="OVER" if over else "WORKS")})
            refused = _true(refused, **{name: at._replace(no=True)})
    yield "", taken
    if refused != world:
        yield ", which is refused", refused


def _sent_pair(world: World) -> Iterator[tuple[str, World]]:
    at = At("WORKS", world.it.stop.asked)
    yield "", _true(world, stop=at, target=at, placed=int(world.it.again))


def _due(world: World) -> Iterator[Step]:
    it, truth, groups = world.it, world.truth, world.groups
    times = sorted({max(0, x.ends - 1) for x in it.pair} | {max(x.ends for x in it.pair)} | {1})
    for slow in times:
        yield from _thinks(world, Command("turn", slow=slow))
        yield _asks(world, Command("alarm", slow=slow))
    for picture in ("NONE", "OLD", "LESS", "PAIR", "OTHER"):
        yield from _thinks(world, Command("restore", groups=groups, picture=picture))
    yield from _thinks(world, Command("turn", picture="NONE"))
    yield from _thinks(world, Command("restore", groups=groups, link=False))
    told = it.got == truth.got and it.out == truth.out
    restore = Command("restore", groups=groups)
    if told and all(getattr(truth, name).works != "WORKS" for name in EXITS):
        yield _records(world, restore, "again")
    else:
        yield from _thinks(world, restore)
    yield from _due_to_sizes(world)
    yield from _due_to_closes(world)
    if it.stop.way == "OLD":
        yield _asks(world, Command("again_unknown"))
    yield _asks(world, Command("clear_away", slow=1))
    release = Command("release")
    yield Step("stops", _without(_ask(world, release))._replace(run=None), (0, release))


def _due_to_sizes(world: World) -> Iterator[Step]:
    it = world.it
    if any(x.frame == "OLD" for x in it.pair):
        yield _asks(world, Command("resize_unknown"))
    for odd in (Command("resize", link=False), Command("resize", picture="LESS")):
        yield from _thinks(world, odd)
    if it.wish != "SIGNED":
        yield _records(world, Command("resize", picture="NONE"), "change")
    if it.got == world.truth.got and it.out == world.truth.out:
        yield _records(world, Command("resize"), "change")


def _due_to_closes(world: World) -> Iterator[Step]:
    it, truth = world.it, world.truth
    if it.wish == "SIGNED":
        for slow in (it.tries - 1, it.tries):
            carry = Command("carry", late=truth.close_old, groups=world.groups, slow=slow)
            if max(x.ends for x in judge(world.shared, it, carry).intent.pair) <= it.tries:  # asked to end at once
                yield _records(world, carry, "close")
            for odd in (carry._replace(picture="NONE"), carry._replace(picture="LESS"), carry._replace(link=False)):
                yield from _thinks(world, odd)
    if it.close.way == "OLD":
        yield _asks(world, Command("close_unknown"))


def _records(world: World, command: Command, field: str) -> Step:
    """An order that is recorded is in this run's hands."""
    verdict, after = judge(world.shared, world.it, command), _ask(world, command)
    was, now = world.it, verdict.intent
    changed = {
        "close": now.close != was.close and now.close.way == "MINE",
        "change": any(x.frame == "MINE" for x in now.pair) and now != was,
        "again": now.again != was.again,
    }
    if not verdict.no and changed[field]:
        after = _hand(after, **{field: "RECORDED"})
    return Step(f"asks for {_label(command)}", after, (0, command))


def _hears(world: World) -> Iterator[Step]:
    """The broker's words as they stand now; each may be heard again, or by nobody, before the others or after them."""
    it, truth = world.it, world.truth
    if it.state == "CLOSED":
        return
    times = sorted({max(0, x.ends - 1) for x in it.pair} | {max(x.ends for x in it.pair)})
    for name in EXITS:
        at: At = getattr(truth, name)
        x: Exit = getattr(it, name)
        if not _known(world, name) or _in_hand(world, name):
            continue
        if at.did > x.did + x.stated:
            yield _asks(world, Command(f"{name}_fills", lots=at.did, total=at.total))
        for slow in times:
            if at.works == "WORKS" and name != "close" and at.no and x.frame in ("SENT", "HEARD"):
                yield _asks(_true(world, **{name: at._replace(no=False)}), Command(f"{name}_refuses", slow=slow))
            elif x.works:
                word = "says" if at.works == "WORKS" else "ends"
                yield _asks(world, Command(f"{name}_{word}", lots=at.did, total=at.total, slow=slow))
    if it.entry and truth.got == LOTS:
        yield _asks(world, Command("entry_fills"))
    elif it.entry and not truth.more:
        yield _asks(world, Command("entry_ends"))


def _in_hand(world: World, name: str) -> bool:
    """Whether this run has not yet said what became of a frame of that exit."""
    x: Exit = getattr(world.it, name)
    assert world.run is not None
    hands = (world.run.close,) if name == "close" else (world.run.change, world.run.again)
    return x.way in OWED or x.frame in OWED or any(what in ("OUT", "LOST") for what in hands)


# --- what must hold in every world ------------------------------------------------------------------------------------


def is_told(world: World) -> bool:
    """Whether the log knows all that was executed."""
    it, truth = world.it, world.truth
    return it.got == truth.got and it.out == truth.out and (not it.entry) == (not truth.more)


def beyond(truth: Truth) -> int:
    """How much the exits at the broker may execute beyond what is held, or may still be."""
    pair = max(truth.stop.rest, truth.target.rest)
    working = max(pair, truth.close.rest) if truth.joined else pair + truth.close.rest
    return max(0, working - truth.held - truth.more)


def _too_much(before: World, after: World) -> str:
    """The promise that frames break which leave now."""
    it = before.it
    said = (
        (not before.shared.lease, "X3 an exit frame of a run without the lease"),
        (it.state == "CLOSED" or not it.held, "X1 an exit frame where nothing is held"),
        (after.truth.close != before.truth.close and before.truth.close_old, "X2 a close of an old signature"),
        (is_told(before) and beyond(after.truth) > beyond(before.truth), "X1 exits for more than is held"),
    )
    return next((why for so, why in said if so), "")


def broken_by(before: World, step: Step) -> str:
    """The promise that a step breaks."""
    if step.broken:
        return step.broken
    was, now, truth = before.it, step.after.it, step.after.truth
    works = [name for name in EXITS if getattr(truth, name).works == "WORKS"]
    short = now.held > 0 and min(truth.stop.rest, truth.target.rest) < now.held
    covers = worth(now, 2) in ("FULL", "EXCESS")
    said = (
        (was.state == "CLOSED" != now.state, "I10 an end was left"),
        (now.state == "CLOSED" and bool(truth.held), "I9 CLOSED, and something is held"),
        (now.state == "CLOSED" and (bool(works) or bool(truth.more)), "B8 CLOSED, and something works"),
        (now.out > truth.out or now.got > truth.got, "I8 more in the book than was executed"),
        (now.again and not was.again and bool(works), "D4 placed again beside what works"),
        (_is_heard(step.after) and covers and short, "D4 what is said to protect does not cover what is held"),
    )
    return next((why for so, why in said if so), "")


def _is_heard(world: World) -> bool:
    """Whether the log heard all that the broker has to say of the pair, and of what was executed."""
    it, truth = world.it, world.truth
    pair = [(getattr(it, name), getattr(truth, name)) for name in PAIR]
    here = ("WORKS", "", "WORKS")
    words = all((x.way, x.frame, at.works, x.total, x.said) == (*here, at.total, at.did) for x, at in pair)
    return is_told(world) and words and truth.placed == int(it.again)
