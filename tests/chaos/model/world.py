"""The model's world: two intents, two engine processes, two operators, a log, a broker, clocks; every step one of them.

The log is the two intents and what they share, as durable. A process has a memory of it, which may be old; what it
recorded and has not yet handed over, it alone knows, and loses when it dies. Reports of the transport reach only the
process that sent. The broker's word reaches whoever listens, late or never. Nothing here is drawn: all is tried.

Where `Around` says so, one intent is alone with one operator, orders fill and are left lot by lot, and the market opens
and closes: each of these multiplies the worlds, so that no walk tries all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from tests.chaos.model import rules
from tests.chaos.model.rules import ENDS, HELD, WHOLE, Command, Intent, Shared, Verdict, older

EVIDENCE_MAX: Final = 2  # versions: one that is signed, one that voids it


class Log(NamedTuple):
    """What is durable."""

    shared: Shared = Shared()
    intents: tuple[Intent, Intent] = (Intent(), Intent())


class Truth(NamedTuple):
    """What is true of one intent outside the log: at the broker, on the clock, and what the promises count."""

    broker: str = ""  # PENDING, WORKING, PART, FILLED, REJECTED, CANCELLED
    lots: int = 0  # how many of its entry executed
    out: int = 0  # how many left again
    by: str = ""  # at which exit the first of two left: STOP, CLOSE
    size: int = 0  # what its stop may still execute
    revised: int = 0  # the size that was last asked of its pair, where that arrived
    left: str = ""  # how the last of it was left: STOPPED or CLOSED
    close: bool = False  # a close works
    closing: int = 0  # for so many lots
    token_old: bool = False
    close_old: bool = False
    frames: int = 0  # entry frames handed to any transport
    approvals: int = 0
    uses: int = 0
    late_fill: bool = False  # told as cancelled, and filled after all
    # Where protection is placed again (again.py):
    rests: str = ""  # the latest pair at the broker: NEW, BOTH, STOP or TARGET alone, OVER, REFUSED
    which: int = 0  # which one that is, counted from the one that came with the entry
    joined: int = -1  # whose group a close is in; less than nothing: one of its own
    protect_old: bool = False


class Process(NamedTuple):
    """An engine: whether it lives, whether its epoch is the lease's, what it remembers and has in its hands."""

    fit: bool
    fresh: bool  # nothing was appended since it caught up
    memory: Log
    hands: tuple[str, str] = ("", "")  # entries: RECORDED, then OUT or LOST until the transport has reported
    closes: tuple[str, str] = ("", "")
    changes: tuple[str, str] = ("", "")  # another size of a pair
    # A decision made on the memory and the world, not yet appended: (name, intent, late, market).
    thought: tuple[str, int, bool, str] | None = None
    saw: int = -1  # in its last whole picture of this session: all that is held, after the end of that pair


class Signature(NamedTuple):
    """What an operator has signed and not handed in."""

    intent: int
    says: str
    version: int


class Around(NamedTuple):
    """What a walk varies, and where the market stands."""

    alone: bool = False  # one intent and one operator
    parts: bool = False  # lot by lot
    market: str = ""  # OPEN, SOON, SHUT or UNKNOWN; nothing: it is open for ever
    again: bool = False  # protection ends, and is placed again
    groups: bool = True  # the broker's groups hold

    @property
    def hour(self) -> str:
        """What a guard reads of the market now."""
        return self.market or "OPEN"


class World(NamedTuple):
    """Everything."""

    log: Log = Log()
    truths: tuple[Truth, Truth] = (Truth(), Truth())
    engines: tuple[Process | None, Process | None] = (None, None)
    people: tuple[Signature | None, Signature | None] = (None, None)
    around: Around = Around()

    @property
    def intents(self) -> tuple[int, ...]:
        """The intents of this walk; its operators are as many."""
        return (0,) if self.around.alone else (0, 1)


class Step(NamedTuple):
    """One thing that may happen, and the world after it. `asked` is what the desk was asked, where it was."""

    label: str
    after: World
    asked: tuple[int, Command] | None = None
    broken: str = ""  # the promise that this very step breaks


@cache
def judged(shared: Shared, intent: Intent, command: Command) -> Verdict:
    """The rules' answer, remembered."""
    return rules.judge(shared, intent, command)


def put(pair: tuple[Truth, Truth], i: int, **change: object) -> tuple[Truth, Truth]:
    """Two truths with one of them changed."""
    changed = pair[i]._replace(**change)  # type: ignore[arg-type]  # NamedTuple._replace takes any field
    return (changed, pair[1]) if i == 0 else (pair[0], changed)


def mark(pair: tuple[str, str], i: int, word: str) -> tuple[str, str]:
    """Two words with one of them changed."""
    return (word, pair[1]) if i == 0 else (pair[0], word)


def engine(world: World, p: int, process: Process | None) -> World:
    """The world with one engine changed."""
    first, second = world.engines
    return world._replace(engines=(process, second) if p == 0 else (first, process))


def appended(world: World, log: Log, by: int | None) -> World:
    """The world after an append: whoever did not make it remembers an older log."""
    engines: list[Process | None] = []
    for p, process in enumerate(world.engines):
        if process is None:
            engines.append(None)
        elif p == by:
            engines.append(process._replace(fresh=True, memory=log))
        else:
            engines.append(process._replace(fresh=False) if process.fresh else process)
    return world._replace(log=log, engines=(engines[0], engines[1]))


def ask(world: World, i: int, command: Command, by: int | None) -> tuple[Verdict, World]:
    """Ask the durable desk: catch up, decide, append, as often as it takes."""
    verdict = judged(world.log.shared, world.log.intents[i], command)
    intents = (verdict.intent, world.log.intents[1]) if i == 0 else (world.log.intents[0], verdict.intent)
    log = Log(verdict.shared, intents)
    # A change makes a new log; what changes nothing may leave a bead too, but nothing that any rule reads.
    return verdict, appended(world, log, by) if log != world.log else caught_up(world, by)


def caught_up(world: World, p: int | None) -> World:
    """The world after a process read the log to its end."""
    process = world.engines[p] if p is not None else None
    if p is None or process is None or process.fresh:
        return world
    return engine(world, p, process._replace(fresh=True, memory=world.log))


# --- the steps --------------------------------------------------------------------------------------------------------


def steps(world: World) -> Iterator[Step]:
    """Everything that may happen next."""
    for i in world.intents:
        yield from _clocks_and_broker(world, i)
        if world.log.intents[i].state == "NONE":
            yield _asks(world, i, Command("propose"), None)
    for market in HOURS.get(world.around.market, ()):
        yield Step(f"the market is {market}", world._replace(around=world.around._replace(market=market)))
    for o in world.intents:
        yield from _operator(world, o)
    if not world.log.shared.kill:
        yield _asks(world, 0, Command("kill"), None)
    for p in (0, 1):
        process = world.engines[p]
        if process is None:
            yield start(world, p)
        else:
            yield Step(f"crash {p}", engine(world, p, None))
            yield from _engine(world, p, process)


HOURS: Final = {"OPEN": ("SOON", "UNKNOWN"), "SOON": ("SHUT",), "SHUT": ("OPEN",), "UNKNOWN": ("OPEN",)}


def _asks(world: World, i: int, command: Command, by: int | None) -> Step:
    return Step(f"{command.name} {i} by {by}", ask(world, i, command, by)[1], (i, command))


def start(world: World, p: int) -> Step:
    """A run takes the lease; whoever had it does not know that yet."""
    shared = judged(world.log.shared, world.log.intents[0], Command("lease")).shared
    log = Log(shared, (older(world.log.intents[0]), older(world.log.intents[1])))
    others = engine(world, 1 - p, other._replace(fit=False) if (other := world.engines[1 - p]) is not None else None)
    born = engine(others, p, Process(fit=True, fresh=True, memory=log))
    after = appended(born, log, p)
    rival = after.engines[1 - p]
    if rival is not None and rival.fresh:  # a lease is always a bead
        after = engine(after, 1 - p, rival._replace(fresh=False))
    return Step(f"start {p}", after, (0, Command("lease")))


def _clocks_and_broker(world: World, i: int) -> Iterator[Step]:
    truth, intent = world.truths[i], world.log.intents[i]
    if not truth.token_old and (intent.token == "LIVE" or intent.owed):
        yield Step(f"token {i} grows old", world._replace(truths=put(world.truths, i, token_old=True)))
    if not truth.close_old and intent.close in ("SIGNED", "MINE"):
        yield Step(f"close {i} grows old", world._replace(truths=put(world.truths, i, close_old=True)))
    if world.around.parts:
        yield from _broker_by_lots(world, i)
        return
    for status in BROKER_NEXT.get(truth.broker, ()):
        late = truth.broker == "CANCELLED"
        lots = WHOLE if status == "FILLED" else 0
        truths = put(world.truths, i, broker=status, lots=lots, late_fill=truth.late_fill or late)
        yield Step(f"the broker has {i} {status}", world._replace(truths=truths))
    if truth.broker == "FILLED" and not truth.left and not truth.late_fill:
        yield _is_left(world, i, "STOPPED")
        if truth.close:
            yield _is_left(world, i, "CLOSED")


BROKER_NEXT: Final = {
    "PENDING": ("WORKING", "FILLED", "REJECTED"),
    "WORKING": ("FILLED", "CANCELLED"),
    "CANCELLED": ("FILLED",),
}


def _is_left(world: World, i: int, left: str) -> Step:
    truths = put(world.truths, i, left=left, out=world.truths[i].lots, close=False, closing=0)
    return Step(f"{i} is {left}", world._replace(truths=truths))


def _broker_by_lots(world: World, i: int) -> Iterator[Step]:
    """A broker that fills the first of two lots, and the second or never; whose stop, or close, lets one lot go first.
    Its exits reduce each other, and end together once all is out and the entry is over."""
    truth = world.truths[i]
    for status, lots in LOTS_NEXT.get(truth.broker, ()):
        late = truth.broker == "CANCELLED"
        if late and (truth.left or truth.out):
            continue
        lots = truth.lots if lots is None else lots
        flat = status == "CANCELLED" and lots > 0 and truth.out == lots
        size = 0 if status in ("CANCELLED", "REJECTED") and not lots else truth.size
        truths = put(world.truths, i, broker=status, lots=lots, late_fill=truth.late_fill or late,
                     left="STOPPED" if flat else truth.left, size=size,
                     close=truth.close and not flat, closing=0 if flat else truth.closing)  # fmt: skip
        yield Step(f"the broker has {i} {status}", world._replace(truths=truths))
    held, over = truth.lots - truth.out, truth.broker in ("FILLED", "CANCELLED")
    if not held or truth.left:
        return
    if over:
        if truth.size >= held:
            yield _is_left(world, i, "STOPPED")
        if truth.close and truth.closing == held:
            yield _is_left(world, i, "CLOSED")
    if truth.size == WHOLE and not truth.out and (held == WHOLE or not over):
        truths = put(world.truths, i, out=1, by="STOP", size=1)
        yield Step(f"{i} loses a lot at its stop", world._replace(truths=truths))
    if not truth.out and over and truth.close and held == truth.closing == WHOLE:
        truths = put(world.truths, i, out=1, by="CLOSE", closing=1)
        yield Step(f"{i} loses a lot at its close", world._replace(truths=truths))


LOTS_NEXT: Final[dict[str, tuple[tuple[str, int | None], ...]]] = {
    "PENDING": (("WORKING", 0), ("PART", 1), ("FILLED", WHOLE), ("REJECTED", 0)),
    "WORKING": (("PART", 1), ("FILLED", WHOLE), ("CANCELLED", 0)),
    "PART": (("FILLED", WHOLE), ("CANCELLED", None)),
    "CANCELLED": (("FILLED", WHOLE),),
}


def _operator(world: World, o: int) -> Iterator[Step]:
    """An operator signs what the screen shows, and hands it in when it suits: the desk may have moved on."""
    mine = world.people[o]
    if mine is not None:
        yield _hand_in(world, o, mine)
        return
    for i in world.intents:
        intent = world.log.intents[i]
        if intent.state == "PROPOSED" and intent.evidence:
            yield _sign(world, o, Signature(i, "approve", intent.evidence))
        if intent.state in ("PROPOSED", "APPROVED"):
            yield _sign(world, o, Signature(i, "reject", 0))
        if intent.state in HELD and not intent.close:
            yield _sign(world, o, Signature(i, "close", 0))
    if world.log.shared.kill:
        yield _asks(world, 0, Command("clear"), None)


def _sign(world: World, o: int, signature: Signature | None) -> Step:
    first, second = world.people
    people = (signature, second) if o == 0 else (first, signature)
    return Step(f"{o} signs {signature}", world._replace(people=people))


def _hand_in(world: World, o: int, mine: Signature) -> Step:
    i, command = mine.intent, Command(mine.says, version=mine.version)
    verdict, after = ask(world, i, command, None)
    if mine.says == "close" and world.log.intents[i].close:
        return Step(
            f"{o} drops a second close", _sign(world, o, None).after
        )  # one close a position, for the model's sake
    if mine.says == "approve" and not verdict.no:
        after = after._replace(truths=put(after.truths, i, approvals=min(2, world.truths[i].approvals + 1)))
    label = f"{o} hands in {mine.says} {i}"
    return Step(label, _sign(after, o, None).after, (i, command))


# --- an engine --------------------------------------------------------------------------------------------------------


def _engine(world: World, p: int, process: Process) -> Iterator[Step]:
    if not process.fresh:
        yield Step(f"{p} catches up", caught_up(world, p))
    if process.thought is not None:
        yield _land(world, p, process, *process.thought)
    else:
        for i in world.intents:
            if process.memory.intents[i].state == "APPROVED":
                thought = ("submit", i, world.truths[i].token_old, world.around.hour)
                yield Step(f"{p} thinks submit {i}", engine(world, p, process._replace(thought=thought)))
    release = Command("release", process.fit)
    yield Step(f"{p} stops", engine(ask(world, 0, release, p)[1], p, None), (0, release))
    for i in world.intents:
        yield from _hands(world, p, process, i)
        yield from _due(world, p, process, i)
        if process.hands[i] not in ("OUT", "LOST"):
            yield from _hears(world, p, process, i)
    if all(_agree(world, i) for i in world.intents):
        for i in world.intents:
            intent = world.log.intents[i]
            if intent.order in ("REJECTED", "CANCELLED") and not (world.around.parts and intent.got):
                yield _asks(world, i, Command("picture", process.fit), p)


def _agree(world: World, i: int) -> bool:
    """Whether the broker's picture shows of this intent what the log has; else a picture finds drifts."""
    intent, truth = world.log.intents[i], world.truths[i]
    if world.around.parts and intent.got != truth.lots:
        return False
    return intent.order == truth.broker or intent.order == "DROPPED"


def _land(world: World, p: int, process: Process, name: str, i: int, late: bool, market: str) -> Step:
    """Append what was decided on the memory: it lands on the head that it was decided on, or not at all."""
    idle = process._replace(thought=None)
    if not process.fresh:
        return Step(f"{p} loses {name} {i} to a conflict", caught_up(engine(world, p, idle), p))
    command = Command(name, process.fit, late, market=market)
    verdict, after = ask(engine(world, p, idle), i, command, p)
    return Step(f"{p} lands {name} {i}", _used(after, p, i) if not verdict.no else after, (i, command))


def _used(world: World, p: int, i: int) -> World:
    """The world where this run has spent a token and holds the frames."""
    process = world.engines[p]
    assert process is not None
    world = engine(world, p, process._replace(hands=mark(process.hands, i, "RECORDED")))
    return world._replace(truths=put(world.truths, i, uses=min(2, world.truths[i].uses + 1)))


def _hands(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """What this run recorded: the last look, the hand-over, the transport's report."""
    match process.hands[i]:
        case "RECORDED":
            yield from _send(world, p, process, i)
        case "OUT" | "LOST" as what:
            empty = engine(world, p, process._replace(hands=mark(process.hands, i, "")))
            yield _asks(empty, i, Command("frame_sent" if what == "OUT" else "frame_dropped", process.fit), p)
    match process.closes[i]:
        case "RECORDED":
            yield from _send_close(world, p, process, i)
        case "OUT" | "LOST" as what:
            empty = engine(world, p, process._replace(closes=mark(process.closes, i, "")))
            yield _asks(empty, i, Command("close_sent" if what == "OUT" else "close_dropped", process.fit), p)
    match process.changes[i]:
        case "RECORDED":
            yield from _send_change(world, p, process, i)
        case "OUT":
            empty = engine(world, p, process._replace(changes=mark(process.changes, i, "")))
            yield _asks(empty, i, Command("resize_sent", process.fit), p)


def _send(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """Inside the hold: catch up, look, hand over. A kill is seen here or later than the frame."""
    world = caught_up(world, p)
    held = world.engines[p]
    assert held is not None
    truth, memory = world.truths[i], held.memory
    if not memory.intents[i].owed:
        yield Step(f"{p} owes {i} no more", engine(world, p, held._replace(hands=mark(held.hands, i, ""))))
        return
    look = Command("look", held.fit, truth.token_old, market=world.around.hour)
    verdict = judged(memory.shared, memory.intents[i], look)
    yield Step(f"{p} looks at {i}", world, (i, look))
    if verdict.no:
        empty = engine(world, p, held._replace(hands=mark(held.hands, i, "")))
        yield _asks(empty, i, Command("withhold", held.fit), p)._replace(label=f"{p} withholds {i}: {verdict.no}")
        return
    broken = _entry_broken(world, held, i)
    for word, broker in (("OUT", "PENDING"), ("LOST", truth.broker)):
        sent = engine(world, p, held._replace(hands=mark(held.hands, i, word)))
        size = WHOLE if broker else 0
        truths = put(world.truths, i, frames=min(2, truth.frames + 1), broker=broker, size=size)
        yield Step(f"{p} sends {i}: {word}", sent._replace(truths=truths), (i, look), broken)


def _entry_broken(world: World, held: Process, i: int) -> str:
    """Which promise an entry frame that leaves now breaks; the durable log is asked, not anybody's memory."""
    intent, truth = world.log.intents[i], world.truths[i]
    said = (
        (truth.frames > 0, "I1 a second entry frame"),
        (intent.token != "USED" or intent.verdict != "YES", "I2 an entry frame without a spent token"),
        (truth.token_old, "I2 an entry frame after its token's life"),
        (intent.state != "SUBMITTED" or intent.order != "RECORDED", "I4 an entry frame that is not recorded"),
        (world.log.shared.kill, "I14 an entry frame after a durable kill"),
        (world.around.hour != "OPEN", "C3 an entry frame while the market is not open"),
        (not held.fit or not world.log.shared.lease, "I21 an entry frame of a run without the lease"),
    )
    return next((why for is_so, why in said if is_so), "")


def _send_close(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    world = caught_up(world, p)
    held = world.engines[p]
    assert held is not None
    truth, intent = world.truths[i], world.log.intents[i]
    empty = engine(world, p, held._replace(closes=mark(held.closes, i, "")))
    look = Command("look_close", held.fit, truth.close_old, market=world.around.hour)
    verdict = judged(held.memory.shared, held.memory.intents[i], look)
    yield Step(f"{p} looks at a close of {i}", world, (i, look))
    if intent.close not in ("MINE", "OLD"):
        yield Step(f"{p} owes no close of {i}", empty)
    elif verdict.no:
        yield _asks(empty, i, Command("withhold_close", held.fit), p)._replace(label=f"{p} withholds a close of {i}")
    else:
        said = (
            (intent.state not in HELD, "X1 an exit frame where nothing is held"),
            (truth.close_old, "X2 an exit frame without a young signature"),
            (not held.fit or not world.log.shared.lease, "X3 an exit frame of a run without the lease"),
            (intent.closing > truth.lots, "X4 an exit frame for more than was executed"),
            (intent.closing > intent.held, "X4 an exit frame for more than is held"),
        )
        out = engine(world, p, held._replace(closes=mark(held.closes, i, "OUT")))
        # A group that is over takes nobody in.
        works = not truth.left
        taken = out._replace(truths=put(out.truths, i, close=works, closing=intent.closing if works else 0))
        broken = next((why for so, why in said if so), "")
        yield Step(f"{p} sends a close of {i}", taken, (i, look), broken)
        if world.around.parts:
            lost = engine(world, p, held._replace(closes=mark(held.closes, i, "LOST")))
            yield Step(f"{p} loses a close of {i}", lost, (i, look), broken)


def _send_change(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """Another size of stop and target: the same last look, and the broker takes it where the pair still stands."""
    world = caught_up(world, p)
    held = world.engines[p]
    assert held is not None
    truth, intent = world.truths[i], world.log.intents[i]
    empty = engine(world, p, held._replace(changes=mark(held.changes, i, "")))
    look = Command("look_resize", held.fit, market=world.around.hour)
    verdict = judged(held.memory.shared, held.memory.intents[i], look)
    yield Step(f"{p} looks at a change of {i}", world, (i, look))
    if intent.change not in ("MINE", "OLD"):
        yield Step(f"{p} owes no change of {i}", empty)
    elif verdict.no:
        yield _asks(empty, i, Command("withhold_resize", held.fit), p)._replace(label=f"{p} withholds a change of {i}")
    else:
        said = (
            (intent.size > intent.held, "X4 a pair for more than is held"),
            (intent.works, "X4 a pair that is not its parent's size"),
            (not held.fit or not world.log.shared.lease, "X3 an exit frame of a run without the lease"),
        )
        out = engine(world, p, held._replace(changes=mark(held.changes, i, "OUT")))
        unheard = truth.out - intent.out if truth.by == "STOP" else 0  # left already, of the order that is revised
        truths = put(out.truths, i, size=max(0, intent.then - unheard), revised=intent.size)
        taken = out._replace(truths=truths)
        yield Step(f"{p} sends a change of {i}", taken, (i, look), next((why for so, why in said if so), ""))


def _due(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """What time, or somebody else's bead, asks of this engine."""
    intent, truth, fit, hour = world.log.intents[i], world.truths[i], process.fit, world.around.hour
    if intent.state == "PROPOSED" and intent.evidence < EVIDENCE_MAX:
        yield _asks(world, i, Command("assemble", fit, market=hour), p)
    if intent.token == "LIVE":
        yield _asks(world, i, Command("expire", fit, truth.token_old), p)
    if intent.token and world.log.shared.kill:
        yield _asks(world, i, Command("withdraw", fit), p)
    if intent.token and intent.token != "LIVE":
        yield _present(world, p, i, Command("present", fit, truth.token_old, market=hour))
    if intent.state == "SUBMITTED" and not intent.acked:
        yield _asks(world, i, Command("stall", fit), p)
        yield _asks(world, i, Command("lost", fit), p)
    if intent.owed == "OLD":
        yield _asks(world, i, Command("unknown", fit), p)
    if intent.close == "OLD":
        yield _asks(world, i, Command("close_unknown", fit), p)
    if intent.state == "FILLED":
        yield _asks(world, i, Command("manage", fit), p)
    if intent.close == "SIGNED":
        command = Command("carry", fit, truth.close_old, market=hour)
        verdict, after = ask(world, i, command, p)
        held = after.engines[p]
        if not verdict.no and held is not None:
            after = engine(after, p, held._replace(closes=mark(held.closes, i, "RECORDED")))
        yield Step(f"{p} carries a close of {i}", after, (i, command))
    if world.around.parts:
        yield from _due_by_lots(world, p, process, i)


def _due_by_lots(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """The end of an entry's rest; a pair that follows what is held, asked for also where the answer is no."""
    intent, fit = world.log.intents[i], process.fit
    if intent.acked and intent.works:
        yield _asks(world, i, Command("rest", fit), p)
    if intent.change == "OLD":
        yield _asks(world, i, Command("resize_unknown", fit), p)
    settled = not intent.owed and intent.change != "OLD"  # what an earlier run left open is answered first
    if intent.state in HELD and settled and {intent.stop, intent.target} != {intent.held}:
        command = Command("resize", fit, market=world.around.hour)
        verdict, after = ask(world, i, command, p)
        held = after.engines[p]
        if not verdict.no and held is not None:
            after = engine(after, p, held._replace(changes=mark(held.changes, i, "RECORDED")))
        yield Step(f"{p} resizes {i}", after, (i, command))


def _present(world: World, p: int, i: int, command: Command) -> Step:
    """Somebody presents a token a second time."""
    verdict, after = ask(world, i, command, p)
    return Step(f"{p} presents the token of {i}", after if verdict.no else _used(after, p, i), (i, command))


def _hears(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """The broker's word as it stands now; a word may be heard again, or by nobody."""
    intent, truth, fit = world.log.intents[i], world.truths[i], process.fit
    if intent.owed != "MINE":
        for word in _words(truth):
            yield _asks(world, i, Command(word, fit), p)
    stands = truth.broker in ("WORKING", "PART", "FILLED") or truth.lots > 0
    if stands and not truth.left and intent.pair == "ASKED" and intent.owed != "MINE":
        yield _asks(world, i, Command("pair_stands", fit), p)
    if intent.state not in HELD:
        return
    if world.around.parts:
        yield from _hears_lots(world, p, process, i)
    elif process.closes[i] == "OUT" or intent.close == "MINE":
        return
    elif truth.left and intent.order == "FILLED":
        yield _asks(world, i, Command("stopped" if truth.left == "STOPPED" else "close_filled", fit), p)


def _words(truth: Truth) -> Iterator[str]:
    """What the broker tells of an entry."""
    match truth.broker:
        case "WORKING" | "PART":
            yield "ack"
        case "FILLED":
            yield "fill"
        case "REJECTED":
            yield "refused"
        case "CANCELLED":
            yield "rest_over" if truth.lots else "cancelled"
    if truth.broker in ("PART", "CANCELLED") and truth.lots:
        yield "part"


def _hears_lots(world: World, p: int, process: Process, i: int) -> Iterator[Step]:
    """The broker's word on what protects and what leaves; what left is told once what was entered is known."""
    intent, truth, fit = world.log.intents[i], world.truths[i], process.fit
    if process.changes[i] == "OUT":
        return
    if truth.by == "STOP" and intent.got:
        yield _asks(world, i, Command("stop_lot", fit), p)
    if intent.change == "MINE":
        return
    left_alone = truth.left == "STOPPED" and intent.got == truth.lots and (truth.by != "CLOSE" or intent.out)
    if intent.close == "MINE" and process.closes[i] and left_alone:  # before its own report, or before its last look
        yield _asks(world, i, Command("pair_over", fit), p)
    if intent.close == "MINE" or process.closes[i] in ("OUT", "LOST"):
        return
    if intent.change in ("SENT", "UNKNOWN") and truth.size and truth.revised == intent.size and not truth.left:
        yield _asks(world, i, Command("resized", fit), p)
    if intent.got != truth.lots or intent.close == "OLD":
        return
    if truth.by == "CLOSE":
        yield _asks(world, i, Command("close_lot", fit), p)
    if truth.left and (not truth.by or truth.left.startswith(truth.by) or intent.out):
        for word in ("stopped", "stopped_backwards") if truth.left == "STOPPED" else ("close_filled",):
            yield _asks(world, i, Command(word, fit), p)


# --- what must hold in every world ------------------------------------------------------------------------------------


def broken_in(world: World) -> str:
    """The first promise that does not hold in this world, by name."""
    for intent, truth in zip(world.log.intents, world.truths, strict=True):
        for is_so, why in (
            (truth.frames > 1, "I1 two entry frames for one intent"),
            (truth.uses > 1, "I3 a token spent twice"),
            (truth.approvals > 1, "I22 two approvals of one intent"),
            ((intent.token == "LIVE") != (intent.state == "APPROVED"), "I3 a live token outside APPROVED"),
            (truth.frames > 0 and intent.token != "USED", "I2 a frame whose token is not spent"),
            (intent.state == "REJECTED" and truth.broker != "REJECTED", "I9 REJECTED, and the broker did not"),
            (intent.state == "CANCELLED" and truth.broker in LIVE, "I9 CANCELLED, and it works"),
            (intent.state == "CANCELLED" and truth.lots > 0 and not truth.late_fill, "I9 CANCELLED, and it executed"),
            (intent.state in HELD and not truth.lots, "I9 FILLED, and nothing executed"),
            (intent.got > truth.lots or intent.out > truth.out, "I8 more in the book than executed"),
            (intent.order == "FILLED" and truth.lots < WHOLE, "I9 an entry is over, and a part of it works"),
            (intent.state == "CLOSED" and not truth.left, "I9 CLOSED, and something is held"),
            (intent.state == "CLOSED" and truth.broker in LIVE, "B8 CLOSED, and its entry works"),
            (intent.state == "CLOSED" and truth.close, "X1 a close works for a closed position"),
            (intent.verdict == "NO" and truth.frames > 0, "I22 a frame after a no"),
        ):
            if is_so:
                return why
    return ""


LIVE: Final = ("PENDING", "WORKING", "PART")


def broken_by(before: World, step: Step) -> str:
    """The promise that a step breaks: a frame that must not leave, an end that is left."""
    if step.broken:
        return step.broken
    for was, now in zip(before.log.intents, step.after.log.intents, strict=True):
        if was.state in ENDS and now.state != was.state:
            return "I10 an end was left"
        if was.token in ("USED", "EXPIRED", "REVOKED") and now.token != was.token:
            return "I3 a token left its end"
        if now.state == "MANAGED" != was.state and not now.held <= min(now.stop, now.target):
            return "D1 MANAGED, and protection does not cover what is held"
        if now.state == "MANAGED" != was.state and not now.works and max(now.stop, now.target) > now.held:
            return "D1 MANAGED, and protection is larger than what is held"
        if was.works and not now.works and now.order == "CANCELLED" and now.state in ENDS and now.got > now.out:
            return "I9 a rest that was cancelled ended what had filled"
    return broken_in(step.after)
