"""Breadth first over the model's worlds, twins counted once. A world waits as 40 bytes and is remembered as 8.

Two processes, and two operators, are interchangeable: of worlds that differ by a swap only the first is looked at.
"""

from __future__ import annotations

import hashlib
import pickle
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from attrs import Factory, define, field

from tests.chaos.model import again, exits, leaving, nights, parting
from tests.chaos.model import world as whole
from tests.chaos.model.rules import Command, Intent, Shared
from tests.chaos.model.world import Around, Log, Process, Signature, Step, Truth, World

AnyWorld = World | leaving.World | parting.World | nights.World
AnyStep = Step | leaving.OneStep | parting.OneStep | nights.Step
Question = tuple[Shared, Intent | leaving.Leaving | parting.Parting | nights.Night, Command]
OfExits = exits.Position | exits.Truth | exits.Run
OfNights = nights.Night | nights.Truth | str
Part = Shared | Intent | Truth | Process | Signature | Around | OfExits | OfNights | bool | None


class Opening(NamedTuple):
    """Where a walk begins, and what the desk was asked on the way there."""

    world: AnyWorld
    asked: tuple[Question, ...]


_CALM: Final = Around()


def steps(world: AnyWorld) -> Iterator[AnyStep]:
    """Everything that may happen next, in the walk that this world is of."""
    if isinstance(world, leaving.World):
        return leaving.steps(world)
    if isinstance(world, parting.World):
        return parting.steps(world)
    if isinstance(world, nights.World):
        return nights.steps(world)
    return again.steps(world) if world.around.again else whole.steps(world)


def broken_by(before: AnyWorld, step: AnyStep) -> str:
    """The promise that a step breaks."""
    if isinstance(before, leaving.World):
        return leaving.broken_by(before, step)  # type: ignore[arg-type]  # a walk is of one kind of worlds
    if isinstance(before, parting.World):
        return parting.broken_by(before, step)  # type: ignore[arg-type]  # as above
    if isinstance(before, nights.World):
        return nights.broken_by(before, step)  # type: ignore[arg-type]  # as above
    assert isinstance(step, Step), "as above"
    return again.broken_by(before, step) if before.around.again else whole.broken_by(before, step)


def opening(*labels: str, around: Around = _CALM) -> Opening:
    """The world at the end of these steps, each the first whose label begins so."""
    return _on(World(around=around), (), labels)


def _on(world: AnyWorld, before: tuple[Question, ...], labels: tuple[str, ...]) -> Opening:
    asked = list(before)
    for label in labels:
        step = next(step for step in steps(world) if step.label.startswith(label))
        asked += [] if step.asked is None else [_question(world, *step.asked)]
        world = step.after
    return Opening(world, tuple(asked))


def bare(filled: Opening, *labels: str, groups: bool) -> Opening:
    """From where all is filled, on into the walk where protection ends and is placed again."""
    assert isinstance(filled.world, World), "the third walk goes on from the first"
    return _on(again.begun(filled.world, groups), filled.asked, labels)


def _question(world: AnyWorld, i: int, command: Command) -> Question:
    if isinstance(world, leaving.World | parting.World | nights.World):
        return world.shared, world.it, command
    return world.log.shared, world.log.intents[i], command


_WAIT: Final = ("start 0", "propose 0", "propose 1", "assemble 0", "assemble 1")
_APPROVED: Final = (
    *_WAIT,
    "0 signs Signature(intent=0, says='approve'",
    "0 hands in",
    "0 catches up",
    "0 thinks submit 0",
)
_OUT: Final = (*_APPROVED, "0 lands submit 0", "0 sends 0: OUT", "frame_sent 0")
_SENT: Final = (*_OUT, "the broker has 0 WORKING")
_HELD: Final = (*_SENT, "ack 0", "the broker has 0 FILLED", "fill 0", "pair_stands 0")
# Where walks begin: at the first bead, and further on, so that a short walk sees the deep places too.
OPENINGS: Final = tuple(
    opening(*labels)
    for labels in (
        (),
        _WAIT,
        _APPROVED,
        (*_APPROVED, "0 lands submit 0", "0 signs Signature(intent=1, says='approve'", "0 hands in", "start 1"),
        (*_SENT, "0 signs Signature(intent=1, says='approve'", "0 hands in", "0 catches up", "0 thinks submit 1"),
        (*_OUT, "the broker has 0 REJECTED", "refused 0", "picture 0"),
        (*_SENT, "ack 0", "the broker has 0 CANCELLED", "cancelled 0"),
        _HELD,
        (*_HELD, "0 signs Signature(intent=0, says='close'", "0 hands in", "0 carries a close of 0"),
    )
)

_LOTS: Final = Around(alone=True, parts=True)
_HOURS: Final = Around(alone=True, market="OPEN")
_YES: Final = ("start 0", "propose 0", "assemble 0", *_APPROVED[len(_WAIT) :])
_WORKS: Final = (*_YES, "0 lands submit 0", "0 sends 0: OUT", "frame_sent 0", "the broker has 0 WORKING", "ack 0")
_PART: Final = (*_WORKS, "the broker has 0 PART", "part 0", "pair_stands 0")
_SHRINKS: Final = (*_PART, "the broker has 0 CANCELLED", "rest_over 0", "0 resizes 0")
_PART_OVER: Final = (*_WORKS, "the broker has 0 PART", "part 0", "the broker has 0 CANCELLED", "rest_over 0")
_LATE: Final = (*_PART_OVER, "pair_stands 0", "0 resizes 0")
_FULL: Final = (*_WORKS, "the broker has 0 FILLED", "fill 0", "pair_stands 0")
_SIGNED: Final = ("0 signs Signature(intent=0, says='close'", "0 hands in")
# The second walk: one intent that fills, and is left, lot by lot; then one in a market that opens and closes.
OPENINGS_BY_LOTS: Final = (
    *(
        opening(*labels, around=_LOTS)
        for labels in (
            (),
            _WORKS,
            _PART,
            (*_PART, *_SIGNED),
            _SHRINKS,
            (*_SHRINKS, "0 sends a change of 0", "resize_sent 0", "resized 0"),
            (*_SHRINKS, "the broker has 0 FILLED", "0 loses a lot at its stop", "stop_lot 0"),
            (*_LATE, "0 sends a change of 0", "resize_sent 0", "the broker has 0 FILLED", "fill 0", "resized 0"),
            (*_PART, "0 loses a lot at its stop", "stop_lot 0"),
            (*_PART, "the broker has 0 CANCELLED", "0 is STOPPED"),
            _FULL,
            (*_FULL, "0 loses a lot at its stop", "stop_lot 0", "0 resizes 0"),
            (*_FULL, *_SIGNED, "0 carries a close of 0", "0 sends a close of 0"),
            (*_FULL, *_SIGNED, "0 carries a close of 0", "0 is STOPPED"),
        )
    ),
    *(opening(*labels, around=_HOURS) for labels in ((), _YES, (*_YES, "0 lands submit 0"), _FULL)),
    *(
        opening("the market is SOON", "the market is SHUT", *labels, around=_LOTS._replace(market="OPEN"))
        for labels in (("start 0", "propose 0", "assemble 0"),)
    ),
    *(opening(*labels, "the market is SOON", around=_LOTS._replace(market="OPEN")) for labels in (_PART, _SHRINKS)),
)


_ALONE: Final = Around(alone=True)
_FILLED: Final = (*_YES, "0 lands submit 0", "0 sends 0: OUT", "frame_sent 0", "the broker has 0 WORKING", "ack 0",
                  "the broker has 0 FILLED", "fill 0")  # fmt: skip
_STANDS: Final = (*_FILLED, "pair_stands 0")
_CLOSING: Final = ("signs close", "hands in close", "0 asks for carry 0")
_GONE: Final = ("the pair is OVER", "pair_gone")
_AGAIN: Final = (*_GONE, "0 sees what is bare", "0 asks for restore")
_WISH: Final = ("signs protect", "hands in protect", "0 asks for carry_protect")
_GAVE_UP: Final = (*_CLOSING, "0 asks for carry 1")
# The third walk: protection ends, and is placed again; where groups hold, and where they do not.
# A pair that came with its entry and was never heard of begins only where groups hold: of one that is ending, no word
# of the model says whether it ever stood.
OPENINGS_AGAIN: Final = (
    *(
        bare(opening(*filled, around=_ALONE), *labels, groups=groups)
        for filled, groups in ((_STANDS, True), (_STANDS, False), (_FILLED, True), (_FILLED, False))
        for labels in ((), _GONE, _AGAIN, (*_AGAIN, "0 sends a pair", "again_sent", "the pair is REFUSED"))
        if labels or groups or filled is _STANDS
    ),
    *(
        bare(opening(*_STANDS, around=_ALONE), *labels, groups=groups)
        for groups in (True, False)
        for labels in (
            _WISH,
            (*_GONE, *_WISH),
            (*_GONE, *_WISH, "0 sends a pair", "again_sent", "the pair is REFUSED", "pair_refused"),
            (*_AGAIN, "crash 0", "start 0", "again_unknown"),
            (*_AGAIN, *_CLOSING),
            (*_AGAIN, "0 sends a pair", "crash 0", "start 0", "again_unknown"),
            (*_GONE, "0 sees what is bare", *_CLOSING),
            (*_GONE, *_CLOSING, "0 sends a close"),
        )
    ),
    bare(
        opening(*_STANDS, around=_ALONE),
        *_AGAIN,
        *_CLOSING,
        "0 sends a close",
        "close_sent",
        "it is CLOSED",
        "close_alone",
        groups=True,
    ),
    *(
        bare(opening(*_STANDS, around=_ALONE), *labels, groups=False)
        for labels in (
            _CLOSING,
            (*_CLOSING, *_GONE),
            (*_CLOSING, *_GONE, "0 asks for carry", "0 loses a close", "close_dropped"),
            (*_CLOSING, "the pair is STOP", "target_over"),
            (*_CLOSING, "the pair is TARGET", "stop_over"),
            _GAVE_UP,
            (*_GAVE_UP, *_CLOSING[:2]),
            (*_AGAIN, "0 sends a pair", "again_sent", *_CLOSING),
        )
    ),
)


def left(*labels: str, groups: bool = True, part: bool = False) -> Opening:
    """From where all is held, or two lots of three, on into the walk where it leaves in parts."""
    return _on(leaving.beginning(groups, part), (), labels)


_ALL_LEFT: Final = ("a lot leaves at the target",) * 3
_TAKEN: Final = ("a lot leaves at the target", "target_fills")
_FITS: Final = (*_TAKEN, "asks for resize")
_ONE_OVER: Final = (*_TAKEN, "the target is cancelled", "target_ends")
_LEFT_BARE: Final = (*_ONE_OVER, "the stop is cancelled", "stop_ends")
_CLOSES: Final = ("signs close", "hands in close", "asks for carry", "sends a close", "close_sent")
_OUT_OF: Final = ("a lot leaves at the close", "close_fills", "the day ends")
_MAKES: Final = ("signs close", "hands in close", "asks for carry")
_ENDED: Final = ("the stop is cancelled", "the target is cancelled", "stop_ends", "target_ends")
# The fourth walk: what is held leaves in parts, and the day ends.
OPENINGS_LEAVING: Final = tuple(
    left(*labels, groups=groups, part=part)
    for groups, part, ways in (
        (
            True,
            False,
            (
                (),
                _TAKEN,
                ("a lot leaves at the stop", "target_says"),
                ("a lot leaves at the stop", "stop_says", "states_stop"),
                ("a lot leaves at the stop", "states_stop", "stop_says"),
                _FITS,
                (*_FITS, "sends a resize", "resize_sent"),
                (*_FITS, "sends a resize", "resize_sent", "a lot leaves at the target", "stop_says"),
                (*_FITS, "sends a resize, which", "resize_sent", "stop_refuses"),
                (*_FITS, "sends a resize", "crash", "begin"),
                (*_FITS, "sends a resize", "resize_sent", "session"),
                (*_FITS, "crash", "begin", "resize_unknown", "a lot leaves at the target"),
                _ONE_OVER,
                _LEFT_BARE,
                (*_LEFT_BARE, "asks for restore", "sends a again", "again_sent"),
                (*_LEFT_BARE, "asks for restore", "crash", "begin"),
                _CLOSES,
                (*_CLOSES, *_OUT_OF),
                (*_CLOSES, *_OUT_OF, "close_ends"),
                (*_TAKEN, *_CLOSES, "a lot leaves at the stop"),
                (*_MAKES, "a lot leaves at the stop", "stop_fills"),
                (*_MAKES, "crash", "begin"),
                (*_TAKEN, *_MAKES[:2]),
                (*_MAKES, "loses a close"),
                (*_FITS, "loses a resize"),
                (*_FITS, *_TAKEN),
                (*_LEFT_BARE, "asks for restore", "loses a again"),
                ("a lot leaves at the stop", "stop_fills", "asks for resize", "sends a resize, which", "resize_sent"),
                (*_ALL_LEFT, "target_fills"),
                ("the target is made smaller", "target_says"),
                ("a lot leaves at the stop", "a lot leaves at the stop", "stop_fills"),
                ("a lot leaves at the stop", "stop_fills", *_TAKEN),
                (*_CLOSES, "a lot leaves at the close", "a lot leaves at the close", "close_fills"),
                ("a lot leaves at the stop", "a lot leaves at the target", "stop_says"),
            ),
        ),
        (
            False,
            False,
            (
                _MAKES,
                (*_MAKES, "a lot leaves at the target", "target_fills"),
                (*_MAKES, *_ENDED, *_CLOSES[2:], *_OUT_OF, "close_ends"),
                (*_FITS, "sends a resize", *_MAKES),
                (*_LEFT_BARE, "asks for restore", "sends a again", "again_sent", *_MAKES),
            ),
        ),
        (
            True,
            True,
            (
                (),
                _TAKEN,
                ("the day ends", "entry_ends"),
                ("the last lot fills",),
                ("the day ends", "a lot leaves at the target"),
                (*_CLOSES, "the day ends"),
                (*_ALL_LEFT[:2], "target_fills", "the day ends"),
                ("the target is cancelled", "the stop is cancelled", "stop_ends", "target_ends"),
            ),
        ),
        (False, True, (_MAKES, (*_MAKES, *_ENDED))),
    )
    for labels in ways
)


def parted(*labels: str, groups: bool = False, part: bool = False, hands: bool = False) -> Opening:
    """From where all is held, or two lots of three, on into the walk where a human closes a part."""
    return _on(parting.beginning(groups, part, hands), (), labels)


_ONE: Final = ("close 1", "asks for carry")
_ASKED: Final = (*_ONE, "sends a resize", "resize_sent")
_SMALL: Final = (*_ASKED, "the stop is changed", "the target is changed", "stop_says", "target_says")
_PARTED: Final = (*_SMALL, "asks for carry", "sends a close", "close_sent")
_GIVEN_UP: Final = (*_PARTED, "the close is cancelled", "close_ends", "asks for resize")
_REFUSED: Final = (*_ASKED, "the stop is not changed", "stop_refuses")
_IN_VAIN: Final = (*_ASKED, "time passes", "asks for carry")
_ENDED_FIRST: Final = (*_REFUSED, "asks for carry", *_ENDED, "asks for carry", "sends a close", "close_sent")
_JOINS: Final = (*_ONE, "sends a close", "close_sent")
# The fifth walk: a human closes a part of what is held.
OPENINGS_PARTING: Final = (
    *(
        parted(*labels)
        for labels in (
            (),
            _ONE,
            (*_ONE, "crash", "begin"),
            _ASKED,
            (*_ASKED, "session"),
            (*_ASKED, "a lot leaves at the stop", "stop_fills"),
            (*_SMALL, "a lot leaves at the stop", "stop_fills"),
            ("close 2", "a lot leaves at the stop", "a lot leaves at the stop", "stop_fills"),
            (*_ASKED, "close 1"),
            _SMALL,
            (*_SMALL, "asks for carry", "crash", "begin"),
            (*_SMALL, "asks for carry", "loses a close", "close_dropped"),
            _PARTED,
            (*_PARTED, "a lot leaves at the stop"),
            (*_PARTED, "a lot leaves at the close", "close_ends"),
            ("a lot leaves at the stop", "stop_says", "close 1"),
            ("close", "asks for carry", *("a lot leaves at the stop",) * 2, "stop_says", "the stop is c", "stop_ends"),
            ("close", "asks for carry", *("a lot leaves at the stop",) * 3, "stop_ends", "target_ends"),
            (*_PARTED, "a lot leaves at the close", "close_fills", "close_ends"),
            (*_PARTED, "close"),
            _GIVEN_UP,
            (*_GIVEN_UP, "sends a resize", "resize_sent", "close 1"),
            (
                *_GIVEN_UP,
                "sends a resize",
                "resize_sent",
                "the stop is not changed",
                "stop_refuses",
                "the target is changed",
                "target_says",
            ),
            _REFUSED,
            (*_REFUSED, "asks for carry"),
            _ENDED_FIRST,
            (*_ENDED_FIRST, "a lot leaves at the close", "close_fills", "close_ends"),
            (
                *_ENDED_FIRST,
                "a lot leaves at the close",
                "close_fills",
                "close_ends",
                "asks for restore",
                "sends a again",
                "again_sent",
            ),
            _IN_VAIN,
            (*_IN_VAIN, "the stop is changed", "the target is changed"),
            (*_IN_VAIN, "time passes", "time passes", "asks for carry", "close 1"),
            ("close", "asks for carry", "time passes", "time passes", "asks for carry", *_TAKEN),
            ("close 2", *_SMALL[1:], "asks for carry", "sends a close", "close_sent", "a lot leaves at the close"),
            ("the target is cancelled", "target_ends", *_ONE),
            ("a lot leaves at the target", "target_fills", "asks for resize", "close 1"),
            ("a lot leaves at the target", "target_fills", *_ONE),
            ("a lot leaves at the target", "target_fills", "close 2"),
        )
    ),
    *(parted(*labels, groups=True) for labels in (_ONE, (*_JOINS, "a lot leaves at the close"))),
    *(
        parted(*labels, part=True)
        for labels in (_ONE, (*_ONE, "the rest is cancelled", "entry_ends"), ("the last lot fills", "close 1"))
    ),
    *(
        parted(*labels, hands=True)
        for labels in (
            ("the stop is moved", "stop_says", *_ONE),
            (*_ASKED, "the stop is changed", "the stop is moved"),
            (*_SMALL, "asks for carry", "the stop is made larger", "stop_says"),
            ("the target is made", "target_says", *_ONE),
        )
    ),
)


def night(*labels: str) -> Opening:
    """From where a human has approved, on into the walk in which the engine is down for a night."""
    return _on(nights.beginning(), (), labels)


_GOES_OUT: Final = ("submits", "sends", "frame_sent")
_ALL_FILLS: Final = (*_GOES_OUT, "a lot fills", "a lot fills")
_IS_HELD: Final = (*_ALL_FILLS, "executes", "stop_open", "target_open")
_WAKES: Final = ("begin", "stalls")
# The sixth walk: a night down, and an approval that meets another market than it was signed in.
OPENINGS_NIGHTS: Final = tuple(
    night(*labels)
    for labels in (
        (),
        ("the market is about",),
        ("the link is down", "the market is closed"),
        ("the link is down", "five minutes"),
        ("crash", "begin"),
        ("submits", "crash", "begin"),
        ("submits", "a frame is lost", "crash", *_WAKES),
        (*_GOES_OUT, "crash", "the entry is CANCELLED", *_WAKES),
        (*_GOES_OUT, "crash", "the entry is CANCELLED", "begin", "entry_done"),
        (*_GOES_OUT, "crash", "the entry is REJECTED", *_WAKES, "entry_done"),
        (*_GOES_OUT, "entry_open", "crash", "midnight passes", "begin"),
        (*_GOES_OUT, "entry_open", "crash", "the entry is CANCELLED", "begin", "entry_done"),
        (*_GOES_OUT, "a lot fills", "crash", "the entry is CANCELLED", *_WAKES, "executes", "entry_done"),
        (*_GOES_OUT, "a lot fills", "crash", "midnight passes", *_WAKES, "stop_open", "target_open"),
        (*_ALL_FILLS, "crash", *_WAKES, "executes"),
        (*_GOES_OUT, "entry_open", *_ALL_FILLS[3:], "crash", "begin", "entry_done"),
        (*_ALL_FILLS, "crash", "midnight passes", "the stop leaves all", *_WAKES),
        (*_ALL_FILLS, "crash", "the stop leaves all", "midnight passes", *_WAKES),
        (*_IS_HELD, "crash", "the stop leaves all", "begin"),
        (*_IS_HELD, "crash", "the stop leaves all", "midnight passes", "begin", "pictures"),
        (*_IS_HELD, "crash", "both exits", "begin", "stop_done", "target_done"),
        (*_IS_HELD, "crash", "both exits", "midnight passes", "begin"),
    )
)


@define
class Parts:
    """Every part of a world that was ever met, by number: what a packed world refers to."""

    numbers: dict[Part, int] = Factory(dict)
    parts: list[Part] = Factory(list)

    def number(self, part: Part) -> int:
        """The number of a part, a new one where it is new."""
        known = self.numbers.get(part)
        if known is None:
            known = self.numbers[part] = len(self.parts)
            self.parts.append(part)
        return known

    def pack(self, world: AnyWorld) -> bytes:
        """A world as numbers, its interchangeable parts in order."""
        if isinstance(world, leaving.World | parting.World | nights.World):
            return array("I", map(self.number, world)).tobytes()
        number, (log, truths, engines, people, around) = self.number, world
        first, second = number(engines[0]), number(engines[1])
        one, other = number(people[0]), number(people[1])
        if second < first:
            first, second = second, first
        if other < one and not around.alone:
            one, other = other, one
        packed = array("I", (
            number(log.shared), number(log.intents[0]), number(log.intents[1]), number(truths[0]), number(truths[1]),
            first, second, one, other, number(around),
        ))  # fmt: skip
        return packed.tobytes()

    def unpack(self, packed: bytes) -> AnyWorld:
        """The world of these numbers."""
        whole = array("I")
        whole.frombytes(packed)
        if isinstance(self.parts[whole[1]], leaving.Leaving):
            return leaving.World(*(self.parts[n] for n in whole))  # type: ignore[arg-type]  # by place
        if isinstance(self.parts[whole[1]], parting.Parting):
            return parting.World(*(self.parts[n] for n in whole))  # type: ignore[arg-type]  # by place
        if isinstance(self.parts[whole[1]], nights.Night):
            return nights.World(*(self.parts[n] for n in whole))  # type: ignore[arg-type]  # by place
        shared, one, two, t1, t2, e1, e2, p1, p2, around = (self.parts[n] for n in whole)
        return World(Log(shared, (one, two)), (t1, t2), (e1, e2), (p1, p2), around)  # type: ignore[arg-type]  # by place


@define
class Seen:
    """Eight-byte hashes in one flat table with open addressing: ten million worlds in 256 MiB."""

    bits: int
    size: int = 0
    table: array[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """An empty table; zero marks an empty place."""
        self.table = array("Q", bytes(8 << self.bits))

    def add(self, packed: bytes) -> bool:
        """Whether this world is new; it is not afterwards."""
        key = int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") or 1
        table, mask = self.table, (1 << self.bits) - 1
        at = key & mask
        while table[at]:
            if table[at] == key:
                return False
            at = (at + 1) & mask
        table[at] = key
        self.size += 1
        return True


@define
class Exploration:
    """How far a walk over all worlds has come: it can be stopped anywhere, kept and taken up again."""

    parts: Parts = Factory(Parts)
    seen: Seen = field(default=Factory(lambda: Seen(20)))
    frontier: deque[bytes] = Factory(deque)
    openings: tuple[Opening, ...] = OPENINGS
    asked: dict[Question, None] = Factory(dict)  # what the desk was asked, and as what
    # How many of these questions the production desk has answered alike, by the side of the market.
    compared: dict[int, int] = Factory(dict)
    steps: int = 0
    looked_at: int = 0
    broken: str = ""
    story: tuple[str, ...] = ()
    parents: dict[bytes, tuple[bytes, str]] | None = None  # kept only where a story is wanted

    def walk(self, states_max: int, until: Callable[[], bool] = lambda: False) -> None:
        """Look at worlds until so many are known, all are, a promise is broken, or time is up."""
        for begins in self.openings if not self.seen.size else ():
            self.asked.update(dict.fromkeys(begins.asked))
            first = self.parts.pack(begins.world)
            _ = self.seen.add(first)
            self.frontier.append(first)
        while self.frontier and self.seen.size < states_max and not self.broken:
            if self.looked_at % 1024 == 0 and until():
                return
            self._look(self.frontier.popleft())

    def _look(self, packed: bytes) -> None:
        world = self.parts.unpack(packed)
        self.looked_at += 1
        for step in steps(world):
            self.steps += 1
            if step.asked is not None:
                self.asked[_question(world, *step.asked)] = None
            after = self.parts.pack(step.after)
            if not self.seen.add(after):
                continue
            if self.parents is not None:
                self.parents[after] = packed, step.label
            why = broken_by(world, step)
            if why:
                self.broken, self.story = why, (*self._story(packed), step.label)
                return
            self.frontier.append(after)

    def _story(self, packed: bytes) -> tuple[str, ...]:
        told: list[str] = []
        while self.parents is not None and packed in self.parents:
            packed, label = self.parents[packed]
            told.append(label)
        return tuple(reversed(told))

    def keep(self, path: Path) -> None:
        """Keep it for the next night."""
        path.parent.mkdir(exist_ok=True)
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            _ = file.write(rules_hash())
            pickle.dump(self, file)
        _ = beside.replace(path)


RULES: Final = ("rules.py", "world.py", "again.py", "exits.py", "leaving.py", "parting.py", "nights.py", "explore.py")


def rules_hash() -> bytes:
    """What a walk depends on: worlds that were reached by other rules say nothing about these."""
    here = Path(__file__).parent
    texts = [(here / name).read_bytes() for name in RULES]
    return hashlib.sha256(b"".join(texts)).digest()


def exploration(told: bool = False, bits: int = 20, openings: tuple[Opening, ...] = OPENINGS) -> Exploration:
    """A walk at its beginning; one that can tell how it came to a broken promise remembers more."""
    return Exploration(seen=Seen(bits), openings=openings, parents={} if told else None)


def resumed(path: Path, bits: int, openings: tuple[Opening, ...] = OPENINGS) -> Exploration:
    """The walk that was kept there, or a new one where there is none, or its rules were others."""
    if not path.exists():
        return exploration(bits=bits, openings=openings)
    with path.open("rb") as file:
        if file.read(len(rules_hash())) != rules_hash():
            return exploration(bits=bits, openings=openings)
        kept = pickle.load(file)  # written by `keep`, on this machine, by whoever runs the tests
    assert isinstance(kept, Exploration)
    return kept


def for_seconds(seconds: float) -> Callable[[], bool]:
    """A time box."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def report(walk: Exploration) -> str:
    """What a walk came to, in one line."""
    known = f"{walk.seen.size} worlds, {walk.steps} steps, {len(walk.frontier)} not yet looked at"
    return f"{known}, {len(walk.asked)} distinct questions to the desk"
