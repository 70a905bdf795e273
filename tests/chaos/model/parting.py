"""The fifth walk: a human closes a part of what is held, and what is left keeps its stop.

Three lots were entered, or two of them while the third may still fill. A human closes one, two or all of them, and a
second time on top of the first. Stop and target are first made smaller; the broker takes that, refuses it, never hears
it, or does it late, when the session that asked is gone. Meanwhile a stop or a target executes, ends, or is changed in
the broker's own window; the close fills in part, or is refused; the engine dies between its records and its frames.

The rules are written from the decisions (0020, D2 to D6), and not from the code. Time is a part of the world here: a
step of it is longer than the second and a half that a new size has, and two are longer than the three seconds that an
end has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.chaos.model.rules import Command, Shared

LOTS: Final = 3
SIGNED_MAX: Final = 2  # closes that a human signs
TIMES: Final = 4  # steps of time
SIZE_STEPS: Final = 1  # after so many a new size that was not confirmed is too late
END_STEPS: Final = 2  # and an end
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
    stuck: bool = False  # the broker refused a change of it
    ends: int = 0  # its end was asked for: one more than the step of time
    back: int = 0  # while a change is not answered: what was asked for before it
    changes: int = 0  # how often it was changed, with the one that is not answered
    at: int = 0  # when it, or the last change of it, was recorded: one more than the step of time
    after: int = 0  # how many closes had been signed by then
    moved: bool = False  # the broker has it at another price

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


class Parting(NamedTuple):
    """A position that is closed in parts, as the log has it."""

    state: str = "MANAGED"
    got: int = LOTS
    out: int = 0
    entry: str = ""  # WORKS, ENDING; nothing once it is over
    stop: Exit = Exit("WORKS", LOTS, LOTS, at=1)
    target: Exit = Exit("WORKS", LOTS, LOTS, at=1)
    close: Exit = Exit()
    joined: bool = False  # the close is in the group of its protection
    typed: bool = False  # a human typed its size
    wishes: tuple[Wish, ...] = ()
    signed: int = 0
    closes: int = 0  # closes that were recorded
    again: bool = False  # protection was placed again
    told: bool = False  # people were told that it is lost
    unsent: bool = False  # people were told that an exit was not sent
    way: int = 0  # stop or target was asked to end last: one more than the step of time
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
    intent: Parting


Rule = Callable[[Shared, Parting, Command], Verdict]


def _yes(shared: Shared, it: Parting, **change: object) -> Verdict:
    return Verdict("", shared, it._replace(**change))  # type: ignore[arg-type]  # NamedTuple._replace takes any field


def _no(why: str, shared: Shared, it: Parting, **change: object) -> Verdict:
    return Verdict(why, shared, it._replace(**change))  # type: ignore[arg-type]  # as above


def _put(it: Parting, name: str, **change: object) -> Parting:
    exit_: Exit = getattr(it, name)
    return it._replace(**{name: exit_._replace(**change)})  # type: ignore[arg-type]  # as above


# --- what is worked out -----------------------------------------------------------------------------------------------


def unbooked(it: Parting, picture: str = "OLD") -> int:
    """What exits executed by the broker's word on them, and no execution told yet: that is not held any more. A picture
    that began since has what those left that had ended by then."""
    exits = [x for x in it.exits if x.works or picture != "SHOWS"]
    return sum(max(0, x.said - x.did) for x in exits) + (it.gone if picture != "SHOWS" else 0)


def may_leave(it: Parting, picture: str) -> int:
    """X4: what an exit may be for."""
    return it.held - unbooked(it, picture)


def worth(it: Parting, now: int) -> str:
    """D4: what protects it, by the broker's echo, in that order of doubts."""
    if it.held <= 0 and not it.more:
        return "EXCESS" if any(each.works for each in it.exits) else "NONE"
    if it.way and now < it.way - 1 + END_STEPS:
        return "PENDING"
    if not all(each.works for each in it.pair):
        return "NONE"
    if any("UNKNOWN" in (each.way, each.frame) for each in it.pair):
        return "UNKNOWN"
    if any(each.way != "WORKS" or each.frame for each in it.pair):
        return "PENDING"
    if any(each.moved for each in it.pair):
        return "NONE"
    rests = [each.rest for each in it.pair]
    if min(rests) < it.held:
        young = any(each.changes and now < each.at - 1 + END_STEPS for each in it.pair)
        return "PENDING" if young else "SHORT"
    return "EXCESS" if max(rests) > it.held + it.more else "FULL"


def _over(it: Parting) -> Parting:
    """B8: over once nothing is held and nothing works."""
    if it.state == "CLOSED" or it.held or it.entry or any(each.works for each in it.exits):
        return it
    return it._replace(state="CLOSED", told=False)


def _moved(it: Parting, c: Command) -> Parting:
    """What a word about an exit changes beside it: it was the last; or people hear what protects them."""
    if it.held <= 0:
        return _over(it)
    stands = worth(it, c.slow)
    return it if stands == "PENDING" else it._replace(told=stands not in ("FULL", "EXCESS"))


# --- the broker's word ------------------------------------------------------------------------------------------------


def _says(name: str) -> Rule:
    """The broker's word on an exit that works: for how many lots, how many it executed, and at which price. A word of
    a later session is on all that was ever sent, so that it answers a change whatever became of that."""

    def rule(shared: Shared, it: Parting, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        moved = c.picture == "MOVED"
        if not x.works:
            return _yes(shared, it)
        first = x.way != "WORKS" or x.frame in ("SENT", "PAST", "UNKNOWN")
        if not first and c.total == x.total and c.lots <= x.said and moved == x.moved:
            return _yes(shared, it)
        now = x._replace(way="WORKS", total=c.total, said=max(x.said, c.lots), moved=moved)
        if x.frame in ("PAST", "UNKNOWN"):
            now = now._replace(frame="", most=0, back=0, asked=c.total)
        elif x.frame and c.total == x.asked and not moved:
            now = now._replace(frame="", most=0, back=0)
        elif x.frame:
            now = now._replace(frame="HEARD", most=max(x.most, c.total))
        return _yes(shared, _moved(it._replace(**{name: now}), c))  # type: ignore[arg-type]  # as above

    return rule


def _fills(name: str) -> Rule:
    """It executed so many lots in all. The first exit asks for the end of the entry's rest."""

    def rule(shared: Shared, it: Parting, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        new = c.lots - x.did
        if new <= 0 or it.state == "CLOSED":
            return _yes(shared, it)
        it = _put(it, name, did=c.lots)._replace(out=it.out + new, entry="ENDING" if it.entry else "")
        return _yes(shared, _over(it))

    return rule


ENDED: Final[dict[str, object]] = {
    "way": "END", "frame": "", "most": 0, "total": 0, "asked": 0, "back": 0, "changes": 0, "at": 0,
    "after": 0, "moved": False,
}  # fmt: skip


def _ends(name: str) -> Rule:
    """The broker ended it, with so much of it executed."""

    def rule(shared: Shared, it: Parting, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        if not x.works:
            return _yes(shared, it)
        return _yes(shared, _moved(_put(it, name, **ENDED, said=max(x.said, c.lots)), c))

    return rule


def _refuses(name: str) -> Rule:
    """The broker lets a change not stand: the exit is as it was, and is changed by itself no more."""

    def rule(shared: Shared, it: Parting, c: Command) -> Verdict:
        x: Exit = getattr(it, name)
        if x.frame not in ("SENT", "HEARD", "PAST"):
            return _yes(shared, it)
        return _yes(shared, _moved(_put(_unchanged(it, name), name, stuck=True), c))

    return rule


def _unchanged(it: Parting, name: str) -> Parting:
    """The last change of an exit never was."""
    x: Exit = getattr(it, name)
    return _put(it, name, frame="", most=0, asked=x.back, back=0, changes=x.changes - 1)


def _entry_fills(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, it, got=LOTS, entry="") if it.entry else _yes(shared, it)


def _entry_ends(shared: Shared, it: Parting, c: Command) -> Verdict:
    """The day ended, or its rest was cancelled: what filled stays. Beside nothing its exits are asked to end."""
    if not it.entry:
        return _yes(shared, it)
    it = it._replace(entry="")
    beside = [name for name in EXITS if getattr(it, name).works and not getattr(it, name).ends]
    return _yes(shared, _over(it if it.held else _asked_to_end(it, beside, c.slow)))


def _session(shared: Shared, it: Parting, c: Command) -> Verdict:
    """The session was lost, and another one opened: what was sent and not answered is of the past."""
    return _yes(shared, _past(it))


def _past(it: Parting) -> Parting:
    for name in PAIR:
        x: Exit = getattr(it, name)
        if x.frame in ("SENT", "HEARD"):
            it = _put(it, name, frame="PAST")
    return it


# --- sizes that follow ------------------------------------------------------------------------------------------------


def _changeable(it: Parting) -> list[str]:
    """The exits of a pair whose size may be changed now: the last change was answered and stood, nothing was asked to
    end, the entry is over; none where that is not so of all that work."""
    works = [name for name in PAIR if getattr(it, name).works]
    exits: list[Exit] = [getattr(it, name) for name in works]
    if it.entry or any(x.ends or x.way != "WORKS" or x.frame or x.stuck for x in exits):
        return []
    return works


def _asks_for(it: Parting, names: list[str], lots: int, now: int) -> Parting:
    """Each of these may execute so many lots more."""
    for name in names:
        x: Exit = getattr(it, name)
        asks = lots + x.did
        most = max(x.total, x.asked, asks)
        change = {"changes": x.changes + 1, "at": now + 1, "after": it.signed}
        it = _put(it, name, frame="MINE", asked=asks, back=x.asked, most=most, **change)
    return it


def _resize(shared: Shared, it: Parting, c: Command) -> Verdict:
    """Protection follows what is held, beside no close. What the broker itself made smaller grows again only after a
    picture that shows all that is held."""
    wrong = [name for name in _changeable(it) if getattr(it, name).rest != it.held]
    if it.state == "CLOSED" or it.held <= 0 or it.close.works or not wrong:
        return _no("STATE", shared, it)
    taken = any(getattr(it, n).rest < it.held and getattr(it, n).total < getattr(it, n).asked for n in wrong)
    if not c.link:
        return _no("LINK", shared, it)
    if c.picture == "LESS" or it.held > may_leave(it, c.picture):
        return _no("EXIT", shared, it)
    if taken and c.picture != "SHOWS":
        return _no("PICTURE", shared, it)
    return _yes(shared, _asks_for(it, wrong, it.held, c.slow))


def _look_resize(shared: Shared, it: Parting, c: Command) -> Verdict:
    """X1 to X4 of a change: for no more than is held, by the book and by the picture."""
    owed: list[Exit] = [x for x in it.pair if x.frame in OWED]
    if not owed or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    large = any(x.asked - x.did > may_leave(it, c.picture) for x in owed)
    return _no("EXIT", shared, it) if large or c.picture == "LESS" else _yes(shared, it)


def _change_over(it: Parting, frames: tuple[str, ...]) -> Parting | None:
    changed = [name for name in PAIR if getattr(it, name).frame in frames]
    for name in changed:
        it = _unchanged(it, name)
    return it if changed else None


def _withhold_resize(shared: Shared, it: Parting, c: Command) -> Verdict:
    after = _change_over(it, ("MINE",))
    return _no("STATE", shared, it) if after is None else _no("EXIT", shared, _over(after._replace(unsent=True)))


def _resize_dropped(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _over(_change_over(it, ("MINE",)) or it))


def _marked(it: Parting, names: tuple[str, ...], field: str, was: tuple[str, ...], now: str) -> Parting:
    for name in names:
        if getattr(getattr(it, name), field) in was:
            it = _put(it, name, **{field: now})
    return it


def _resize_sent(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _marked(it, PAIR, "frame", ("MINE",), "SENT"))


def _resize_unknown(shared: Shared, it: Parting, c: Command) -> Verdict:
    after = _marked(it, PAIR, "frame", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- closes -----------------------------------------------------------------------------------------------------------


def _close(shared: Shared, it: Parting, c: Command) -> Verdict:
    """An accepted signature is recorded, where an engine runs."""
    if not shared.lease:
        return _no("LEASE", shared, it)
    return _yes(shared, it, wishes=(*it.wishes, Wish(c.lots, c.slow + 1, it.signed + 1)), signed=it.signed + 1)


def _carry(shared: Shared, it: Parting, c: Command) -> Verdict:
    """D6 and 0020: for what was signed, or all. A part waits until what will be left is what stop and target are for;
    where that can not be had in time, and for all of it, they end first."""
    if c.version >= len(it.wishes):
        return _no("STATE", shared, it)
    wish = it.wishes[c.version]
    spent = tuple(w for n, w in enumerate(it.wishes) if n != c.version)
    if c.late:
        return _no("EXIT", shared, it, wishes=spent)
    if it.state == "CLOSED" or it.held <= 0 or it.close.works:
        return _no("STATE", shared, it, wishes=spent)
    lots = wish.lots or it.held
    waits = unbooked(it) or (not wish.lots and c.picture == "NONE")
    if waits and c.link and c.slow < wish.at - 1 + SIZE_STEPS:
        return _no("PICTURE", shared, it)
    left = it.held - lots
    beside = any(x.works for x in it.pair)
    if left > 0 and beside and not c.groups:
        fits = all(x.way == "WORKS" and not x.frame and not x.ends and x.rest <= left for x in it.pair if x.works)
        if not fits:
            return _gets_smaller(shared, it, c, wish, spent, left)
    elif beside and not c.groups:
        return _makes_way(shared, it, c, wish, spent)
    if left < 0 and c.picture != "NONE":
        return _no("EXIT", shared, it, wishes=spent)
    gone = it.gone + max(0, it.close.said - it.close.did)
    it = it._replace(gone=gone)
    close = Exit("MINE", lots, lots)
    entry = "ENDING" if it.entry else ""
    joined = beside and c.groups
    change = {"joined": joined, "typed": bool(wish.lots), "wishes": spent, "entry": entry, "closes": it.closes + 1}
    return _yes(shared, it, close=close, **change)


def _gets_smaller(shared: Shared, it: Parting, c: Command, wish: Wish, spent: tuple[Wish, ...], left: int) -> Verdict:
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
        return _no("PAIR", shared, it)
    if not c.link or _is_too_large(it, wish.lots, True, c.picture):
        return _no("EXIT" if c.link else "LINK", shared, it, wishes=spent)
    names = [name for name in PAIR if getattr(it, name).works and getattr(it, name).rest != left]
    return _yes(shared, _asks_for(it, names, left, c.slow))


def _makes_way(shared: Shared, it: Parting, c: Command, wish: Wish, spent: tuple[Wish, ...]) -> Verdict:
    """Its protection is asked to end, once for each close, and has three seconds; not for a close that cannot leave."""
    names = [name for name in PAIR if getattr(it, name).works]
    unasked = [name for name in names if getattr(it, name).ends < wish.at]
    if not unasked:
        late = any(c.slow >= getattr(it, name).ends - 1 + END_STEPS for name in names)
        return _no("PAIR", shared, it, wishes=spent if late else it.wishes, unsent=it.unsent or late)
    large = _is_too_large(it, wish.lots or it.held, bool(wish.lots), c.picture)
    if not c.link or large:
        return _no("EXIT" if c.link or wish.lots > it.held else "LINK", shared, it, wishes=spent)
    return _yes(shared, _asked_to_end(it, unasked, c.slow), entry="ENDING" if it.entry else "")


def _is_too_large(it: Parting, lots: int, typed: bool, picture: str) -> bool:
    """X4 of a close: without a picture it takes the size that a human typed, within the book."""
    if picture == "NONE":
        return not typed or lots > it.held
    return picture == "LESS" or lots > may_leave(it, picture)


def _asked_to_end(it: Parting, names: list[str], now: int) -> Parting:
    for name in names:
        it = _put(it, name, ends=now + 1)
    return it._replace(way=now + 1) if any(name in PAIR for name in names) else it


def _look_close(shared: Shared, it: Parting, c: Command) -> Verdict:
    if it.close.way not in OWED or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    beside = max(x.rest for x in it.pair)
    working = max(beside, it.close.asked) if it.joined else beside + it.close.asked
    large = it.close.asked > it.held or (working > may_leave(it, c.picture) + it.more and working > beside)
    large = large or _is_too_large(it, it.close.asked, it.typed, c.picture)
    return _no("EXIT", shared, it) if large or c.late else _yes(shared, it)


def _withhold_close(shared: Shared, it: Parting, c: Command) -> Verdict:
    if it.close.way != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _over(_put(it, "close", **ENDED)._replace(unsent=True)))


def _close_dropped(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _over(_put(it, "close", **ENDED)) if it.close.way == "MINE" else it)


def _close_sent(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _marked(it, ("close",), "way", ("MINE",), "SENT"))


def _close_unknown(shared: Shared, it: Parting, c: Command) -> Verdict:
    after = _marked(it, ("close",), "way", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- protection that is placed again ----------------------------------------------------------------------------------


def _restore(shared: Shared, it: Parting, c: Command) -> Verdict:
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
    new = Exit("MINE", it.held, it.held, at=c.slow + 1, after=it.signed)
    gone = it.gone + sum(max(0, x.said - x.did) for x in it.pair)
    return _yes(shared, it, stop=new, target=new, again=True, gone=gone)


def _look_again(shared: Shared, it: Parting, c: Command) -> Verdict:
    if it.stop.way not in OWED or it.state == "CLOSED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    large = c.picture == "LESS" or it.stop.asked > may_leave(it, c.picture)
    return _no("EXIT", shared, it) if large else _yes(shared, it)


def _withhold_again(shared: Shared, it: Parting, c: Command) -> Verdict:
    if it.stop.way != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _again_over(it._replace(unsent=True)))


def _again_over(it: Parting) -> Parting:
    return _over(_put(_put(it, "stop", **ENDED), "target", **ENDED))


def _again_dropped(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _again_over(it) if it.stop.way == "MINE" else it)


def _again_sent(shared: Shared, it: Parting, c: Command) -> Verdict:
    return _yes(shared, _marked(it, PAIR, "way", ("MINE",), "SENT"))


def _again_unknown(shared: Shared, it: Parting, c: Command) -> Verdict:
    after = _marked(it, PAIR, "way", OWED, "UNKNOWN")
    return _no("STATE", shared, it) if after == it else _yes(shared, after)


# --- what time asks ---------------------------------------------------------------------------------------------------


def _clear_away(shared: Shared, it: Parting, c: Command) -> Verdict:
    """Nothing is held, and exits work that should have ended with it: they are asked to end, once."""
    beside = [name for name in EXITS if getattr(it, name).works and not getattr(it, name).ends]
    if it.state == "CLOSED" or it.held or it.entry or not c.slow or not beside:
        return _no("STATE", shared, it)
    return _yes(shared, _asked_to_end(it, beside, c.slow))


def _alarm(shared: Shared, it: Parting, c: Command) -> Verdict:
    no = "Alarm" not in _turn(shared, it, c).no
    return _no("STATE", shared, it) if no else _yes(shared, it, told=not it.told)


def _turn(shared: Shared, it: Parting, c: Command) -> Verdict:
    """What the engine does about protection in its next turn, in words."""
    if it.state == "CLOSED" or not shared.lease:
        return _no("", shared, it)
    stands = worth(it, c.slow)
    covers = stands in ("FULL", "EXCESS")
    granted = {
        "Alarm": it.held > 0 and stands != "PENDING" and covers == it.told,
        "ClearAway": not _clear_away(shared, it, c).no,
        "Resize": not it.wishes and not _resize(shared, it, c).no,
        "Restore": stands == "NONE" and not _restore(shared, it, c).no,
    }
    return _no(" ".join(name for name, so in granted.items() if so), shared, it)


# --- people, and what all share ---------------------------------------------------------------------------------------


def _begin(shared: Shared, it: Parting, c: Command) -> Verdict:
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
    "clear_away": _clear_away, "alarm": _alarm,
}  # fmt: skip
OPEN: Final[dict[str, Rule]] = {
    "close": _close, "look_close": _look_close, "look_resize": _look_resize, "look_again": _look_again, "turn": _turn,
    "begin": _begin,
}  # fmt: skip


def judge(shared: Shared, intent: Parting, command: Command) -> Verdict:
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
    asks: int = 0  # another size is on its way there
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
    now: int = 0

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
    it: Parting
    truth: Truth
    run: Run | None
    groups: bool
    hands: bool  # people may change something in the broker's own window


class Step(NamedTuple):
    """One thing that may happen, and the world after it."""

    label: str
    after: World
    asked: tuple[int, Command] | None = None
    broken: str = ""


def beginning(groups: bool, part: bool = False, hands: bool = False) -> World:
    """All three lots are held, and protected; or two, while the third may still fill."""
    it, truth = Parting(), Truth()
    if part:
        it, truth = it._replace(got=LOTS - 1, entry="WORKS"), truth._replace(got=LOTS - 1, more=1)
    return World(Shared(lease=True), it, truth, Run(), groups, hands)


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
    return " ".join((command.name, *said, *([f"no {command.version}"] if command.version else [])))


def _thinks(world: World, command: Command) -> Iterator[Step]:
    """A question that is asked whether or not this world can come to it, where the answer changes nothing."""
    if judge(world.shared, world.it, command).intent == world.it:
        yield Step(f"{command} in thought", world, (0, command))


def steps(world: World) -> Iterator[Step]:
    """Everything that may happen next."""
    now = Command("", slow=world.truth.now, picture="SHOWS" if is_told(world) else "OLD")
    yield from _broker(world)
    yield from _people(world, now)
    if world.run is None:
        begin = now._replace(name="begin")
        yield Step("begin", _ask(world, begin)._replace(run=Run()), (0, begin))
        return
    yield Step("crash", _without(world)._replace(run=None))
    session = now._replace(name="session")
    yield Step("session", _without(_ask(world, session)), (0, session))
    yield from _hands(world, now)
    yield from _due(world, now)
    yield from _hears(world, now)


def _without(world: World) -> World:
    """Another session will tell nothing of what was refused in this one, and speaks of an order only once all that was
    on its way to it has arrived, or is lost."""
    pair: dict[str, At] = {name: getattr(world.truth, name) for name in PAIR}
    return _true(world, **{name: at._replace(no=False, past=at.asks > 0) for name, at in pair.items()})


# --- the broker -------------------------------------------------------------------------------------------------------


def _broker(world: World) -> Iterator[Step]:
    truth = world.truth
    for name in EXITS:
        at: At = getattr(truth, name)
        if at.rest and truth.held:
            yield Step(f"a lot leaves at the {name}", world._replace(truth=executed(truth, name)))
        if at.works == "WORKS":
            yield Step(
                f"the {name} is cancelled", _true(world, **{name: at._replace(works="OVER", asks=0, past=False)})
            )
        if at.asks:
            yield Step(f"the {name} is changed", _true(world, **{name: changed(at)}))
            yield Step(
                f"the {name} is not changed", _true(world, **{name: at._replace(asks=0, past=False, no=not at.past)})
            )
    if world.hands and not truth.by_hand:
        if truth.target.rest > 1:
            smaller = truth.target._replace(total=truth.target.total - 1)
            yield Step("the target is made smaller by hand", _true(world, target=smaller, by_hand=True))
        if truth.stop.works == "WORKS":
            moved = truth.stop._replace(moved=True)
            yield Step("the stop is moved by hand", _true(world, stop=moved, by_hand=True))
            larger = truth.stop._replace(total=truth.stop.total + 1)
            yield Step("the stop is made larger by hand", _true(world, stop=larger, by_hand=True))
    if truth.more:
        yield Step("the last lot fills", _true(world, got=LOTS, more=0))
        yield Step("the rest is cancelled", _true(world, more=0))
    it = world.it
    waits = bool(it.wishes) or any(x.frame or x.ends for x in it.pair) or it.close.works
    if truth.now < TIMES and waits:
        yield Step("time passes", _true(world, now=truth.now + 1))


def changed(at: At) -> At:
    """What was on its way has arrived: all of it as we have it, its price too."""
    over = at.asks <= at.did
    return at._replace(total=max(at.asks, at.did), works="OVER" if over else "WORKS", asks=0, past=False, moved=False)


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
            at = at._replace(works="OVER", asks=0, past=False) if over else at
            truth = truth._replace(**{other: at})  # type: ignore[arg-type]  # as above
    return truth


# --- people -----------------------------------------------------------------------------------------------------------


def _people(world: World, now: Command) -> Iterator[Step]:
    it = world.it
    if it.state != "CLOSED" and it.held and it.signed < SIGNED_MAX:
        for lots in range(min(it.held + 1, LOTS)):
            yield _asks(world, now._replace(name="close", lots=lots))


def _known(world: World, name: str) -> bool:
    """Whether what the broker has by this name is what the log has."""
    it, truth = world.it, world.truth
    here = getattr(truth, name).works != ""
    return here and (truth.closes == it.closes if name == "close" else truth.placed == int(it.again))


# --- an engine --------------------------------------------------------------------------------------------------------


def _hands(world: World, now: Command) -> Iterator[Step]:
    run = world.run
    assert run is not None
    sends: tuple[tuple[str, str, str, Callable[[World], World]], ...] = (
        ("close", run.close, "close", _sent_close),
        ("change", run.change, "resize", _sent_change),
        ("again", run.again, "again", _sent_pair),
    )
    for field, what, name, sent in sends:
        if what == "RECORDED":
            yield from _sends(world, now, field, name, sent)
        elif what:
            report = now._replace(name=f"{name}_sent" if what == "OUT" else f"{name}_dropped")
            yield _asks(_hand(world, **{field: ""}), report)


def _sends(world: World, now: Command, field: str, name: str, sent: Callable[[World], World]) -> Iterator[Step]:
    """Inside the hold: look, and hand over."""
    look = now._replace(name=f"look_{name}")
    empty = _hand(world, **{field: ""})
    no = judge(world.shared, world.it, look).no
    yield Step(f"looks at {name}", world, (0, look))
    odd = [look._replace(link=False), look._replace(picture="LESS"), look._replace(picture="NONE")]
    for asked in (*odd, look._replace(late=True)) if name == "close" else odd:
        yield from _thinks(world, asked)
    if no == "STATE":
        yield Step(f"owes no {name}", empty)
    elif no:
        yield _asks(empty, now._replace(name=f"withhold_{name}"))
    else:
        yield Step(f"loses a {name}", _hand(world, **{field: "LOST"}))
        after = sent(_hand(world, **{field: "OUT"}))
        yield Step(f"sends a {name}", after, (0, look), _too_much(world, after))


def _sent_close(world: World) -> World:
    it, truth = world.it, world.truth
    # A group that is over takes nobody in: by an execution that was the last, not by what was cancelled in it.
    spent = it.joined and not truth.held
    at = At("OVER" if spent else "WORKS", it.close.asked)
    return _true(world, close=at, closes=it.closes, joined=it.joined)


def _sent_change(world: World) -> World:
    """On its way: the broker does it, does it late, or lets it not stand."""
    for name in PAIR:
        at: At = getattr(world.truth, name)
        x: Exit = getattr(world.it, name)
        if x.frame in OWED and at.works == "WORKS":
            world = _true(world, **{name: at._replace(asks=x.asked, past=False)})
    return world


def _sent_pair(world: World) -> World:
    at = At("WORKS", world.it.stop.asked)
    return _true(world, stop=at, target=at, placed=int(world.it.again))


def _due(world: World, now: Command) -> Iterator[Step]:
    it, truth = world.it, world.truth
    ask = now._replace(groups=world.groups)
    for slow in sorted({truth.now, min(TIMES, truth.now + END_STEPS)}):
        turn = ask._replace(name="turn", slow=slow)
        yield from _thinks(world, turn)
    if "Alarm" in judge(world.shared, it, ask._replace(name="turn")).no:
        yield _asks(world, ask._replace(name="alarm"))
    restore = ask._replace(name="restore")
    if is_told(world) and all(getattr(truth, name).works != "WORKS" for name in EXITS):
        yield _records(world, restore)
    elif not it.stop.works:
        yield from _thinks(world, restore)
    yield from _due_to_sizes(world, ask)
    yield from _due_to_closes(world, ask)
    if it.stop.way == "OLD":
        yield _asks(world, ask._replace(name="again_unknown"))
    if not it.held:
        yield _asks(world, ask._replace(name="clear_away", slow=max(1, truth.now)))


def _due_to_sizes(world: World, ask: Command) -> Iterator[Step]:
    it = world.it
    if any(x.frame == "OLD" for x in it.pair):
        yield _asks(world, ask._replace(name="resize_unknown"))
    resize = ask._replace(name="resize")
    wrong = judge(world.shared, it, resize).no != "STATE"
    for odd in (resize._replace(link=False), resize._replace(picture="LESS")) if wrong else ():
        yield from _thinks(world, odd)
    if not it.wishes and wrong:
        yield _records(world, resize)


def _due_to_closes(world: World, ask: Command) -> Iterator[Step]:
    it = world.it
    for n in range(len(it.wishes)):
        carry = ask._replace(name="carry", version=n)
        yield _records(world, carry)
        for odd in _odd(world, carry):
            yield Step(f"{odd} in thought", world, (0, odd))
    if it.close.way == "OLD":
        yield _asks(world, ask._replace(name="close_unknown"))


def _odd(world: World, carry: Command) -> Iterator[Command]:
    """The same close without a link, with another picture, or too late: where it is acted on otherwise."""
    no = judge(world.shared, world.it, carry).no
    if no != "STATE":
        yield carry._replace(picture="NONE")
        yield carry._replace(late=True)
    if not no:
        yield carry._replace(picture="LESS")
        yield carry._replace(link=False)


def _records(world: World, command: Command) -> Step:
    """An order that is recorded is in this run's hands: of a close, another size of the pair may be it."""
    verdict, after = judge(world.shared, world.it, command), _ask(world, command)
    was, now = world.it, verdict.intent
    changed_ = any(x.frame == "MINE" for x in now.pair) and now.pair != was.pair
    if not verdict.no and now.closes != was.closes:
        after = _hand(after, close="RECORDED")
    elif not verdict.no and changed_:
        after = _hand(after, change="RECORDED")
    elif not verdict.no and now.again != was.again:
        after = _hand(after, again="RECORDED")
    return Step(f"asks for {_label(command)}", after, (0, command))


def _hears(world: World, now: Command) -> Iterator[Step]:
    """The broker's words as they stand now; each may be heard again, or by nobody, before the others or after them."""
    it, truth = world.it, world.truth
    if it.state == "CLOSED":
        return
    for name in EXITS:
        at: At = getattr(truth, name)
        x: Exit = getattr(it, name)
        if not _known(world, name) or _in_hand(world, name):
            continue
        said = now._replace(lots=at.did, total=at.total, picture="MOVED" if at.moved else "SHOWS")
        now = now._replace(picture="SHOWS")
        if at.did > x.did:
            yield _asks(world, said._replace(name=f"{name}_fills", picture="SHOWS"))
        if at.works == "WORKS" and name != "close" and at.no and x.frame in ("SENT", "HEARD"):
            yield _asks(_true(world, **{name: at._replace(no=False)}), now._replace(name=f"{name}_refuses"))
        elif x.works and not at.past:
            word = "says" if at.works == "WORKS" else "ends"
            yield _asks(world, said._replace(name=f"{name}_{word}"))
    if it.entry and truth.got == LOTS:
        yield _asks(world, now._replace(name="entry_fills"))
    elif it.entry and not truth.more:
        yield _asks(world, now._replace(name="entry_ends"))


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


def is_known(world: World) -> bool:
    """Whether it knows of all that was executed, by an execution or by the broker's word on an order."""
    it, truth = world.it, world.truth
    by_word = it.out + unbooked(it)
    return it.got == truth.got and by_word == truth.out and (not it.entry) == (not truth.more)


def beyond(truth: Truth) -> int:
    """How much the exits at the broker may execute beyond what is held, or may still be."""
    pair = max(truth.stop.most, truth.target.most)
    working = max(pair, truth.close.rest) if truth.joined else pair + truth.close.rest
    return max(0, working - truth.held - truth.more)


def _too_much(before: World, after: World) -> str:
    """The promise that frames break which leave now."""
    it = before.it
    said = (
        (not before.shared.lease, "X3 an exit frame of a run without the lease"),
        (it.state == "CLOSED" or not it.held, "X1 an exit frame where nothing is held"),
        (is_known(before) and beyond(after.truth) > beyond(before.truth), "X1 exits for more than is held"),
    )
    return next((why for so, why in said if so), "")


def broken_by(before: World, step: Step) -> str:
    """The promise that a step breaks."""
    if step.broken:
        return step.broken
    was, now, truth = before.it, step.after.it, step.after.truth
    works = [name for name in EXITS if getattr(truth, name).works == "WORKS"]
    short = now.held > 0 and min(truth.stop.rest, truth.target.rest) < now.held
    covers = worth(now, truth.now) in ("FULL", "EXCESS")
    said = (
        (was.state == "CLOSED" != now.state, "I10 an end was left"),
        (now.state == "CLOSED" and bool(truth.held), "I9 CLOSED, and something is held"),
        (now.state == "CLOSED" and (bool(works) or bool(truth.more)), "B8 CLOSED, and something works"),
        (now.out > truth.out or now.got > truth.got, "I8 more in the book than was executed"),
        (now.again and not was.again and bool(works), "D4 placed again beside what works"),
        (is_heard(step.after) and covers and short, "D4 what is said to protect does not cover what is held"),
        (is_quiet(step.after) and _is_bare(step.after), "D4 what is held is bare, and nobody is told"),
        (is_quiet(step.after) and _is_loose(step.after), "D7 exits for more than is held, and nothing is done"),
        (_waits_for_ever(step.after), "D6 a close that was signed waits for ever"),
    )
    return next((why for so, why in said if so), "")


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
