"""The desk's rules once more, as small as they go: one intent, a kill flag and a lease, judged by plain tables.

Written from the decisions, not from the code: `played.py` holds every rule against the production desk. Two intents in
two instruments do not touch each other, so a rule reads one intent and what all share. A verdict is a family of
refusals, or nothing for a yes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple


class Intent(NamedTuple):
    """What the durable log says of one intent. Every field is a word of a small alphabet."""

    state: str = "NONE"  # NONE, or one of the nine
    evidence: int = 0  # the version that waits for a signature
    red: bool = False  # that version shows a red light
    verdict: str = ""  # what humans said: YES, or NO, which wins
    token: str = ""  # LIVE, USED, EXPIRED, REVOKED
    of_run: bool = False  # whether a live token is of the lease that stands
    order: str = ""  # RECORDED, SENT, UNKNOWN, WORKING; DROPPED, FILLED, CANCELLED, REJECTED are ends
    acked: bool = False  # the broker acknowledged it once
    owed: str = ""  # its hand-over: MINE of the lease that stands, OLD of an earlier one
    pair: str = ""  # stop and target: ASKED, STANDS, ENDING, GONE; STOP, TARGET where that one alone has no end
    close: str = ""  # a close by hand: SIGNED, SPENT, MINE, OLD, SENT, UNKNOWN, DROPPED, FILLED, GONE
    drift: bool = False  # the broker spoke of what was over
    amber: bool = False  # that version says that the market is not open
    got: int = 0  # lots that its entry executed
    out: int = 0  # lots that its exits executed
    rest: bool = False  # the end of what its entry may still execute was asked for
    stop: int = 0  # lots that its stop may still execute
    target: int = 0  # and its target
    change: str = ""  # another size of its pair: MINE, OLD, SENT, UNKNOWN; nothing once the broker echoed it
    size: int = 0  # for so many lots
    then: int = 0  # what its stop may still execute once the broker echoes that
    closing: int = 0  # lots of the close by hand
    placed: int = 0  # how often its pair was placed after the one that came with the entry
    again: str = ""  # the latest of these: MINE, OLD, SENT, UNKNOWN; nothing once the broker spoke of it
    doubt: bool = False  # nobody answered it, while it is not even known to have left
    by_hand: bool = False  # a human signed for that one
    once: bool = False  # it was placed once without a human
    way: int = 0  # one of its pairs was asked to end, by the first close or in the time of a second one
    tries: int = 0  # closes that were signed
    told: bool = False  # people were told that protection is lost
    protect: str = ""  # a human's wish for protection: SIGNED, SPENT, DONE

    @property
    def held(self) -> int:
        """What is left of it."""
        return self.got - self.out

    @property
    def works(self) -> bool:
        """Whether its entry left, or may have, and has no end."""
        return self.order != "" and self.order not in ORDER_ENDS

    @property
    def fits(self) -> bool:
        """Whether its pair is protection: all that is held is covered, and no more than its entry may still add."""
        most = self.held + (WHOLE - self.got if self.works else 0)
        stands = self.pair == "STANDS" and not self.change
        return stands and 0 < self.held <= min(self.stop, self.target) and max(self.stop, self.target) <= most


class Shared(NamedTuple):
    """What all intents share."""

    kill: bool = False
    lease: bool = False


class Command(NamedTuple):
    """Something asked of the desk: by whom does not matter, but whether its run holds the lease does."""

    name: str
    fit: bool = True  # the asking run's epoch is the lease's
    late: bool = False  # the life of what it acts on is over by the clock
    version: int = 0  # of the evidence that was signed
    market: str = "OPEN"  # or SOON, which closes within minutes; SHUT; UNKNOWN, where nobody knows its hours
    # The last whole picture: of this session, all that is held, as the book has it; or NONE, OTHER (of an earlier
    # session), OLD (it began before the loss), LESS (not all that is held), PAIR (with exits that ended by the book),
    # LOT (some lots less than is held).
    picture: str = "SHOWS"
    groups: bool = True  # the broker's groups hold: a close joins that of its protection
    slow: int = 0  # how often what was asked to end has had its three seconds
    link: bool = True  # the way to the broker is up
    lots: int = 0  # how many an exit executed, by the broker's word
    total: int = 0  # and how many it is for


class Verdict(NamedTuple):
    """A family of refusals, empty for a yes; and the desk after it."""

    no: str
    shared: Shared
    intent: Intent


WHOLE: Final = 2  # lots of an order: the fewest that can fill in two parts
ENDS: Final = ("CLOSED", "CANCELLED", "REJECTED")
SENT: Final = ("SUBMITTED", "STALLED")
HELD: Final = ("FILLED", "MANAGED")
ORDER_ENDS: Final = ("DROPPED", "FILLED", "CANCELLED", "REJECTED")
ENDING: Final = {"ASKED": "ENDING", "STANDS": "ENDING", "STOP": "STOP_ENDS", "TARGET": "TARGET_ENDS"}
HALVES: Final = ("STOP", "TARGET", "STOP_ENDS", "TARGET_ENDS")
AT_WORK: Final = ("MINE", "OLD", "SENT", "UNKNOWN")  # a close that may execute

Rule = Callable[[Shared, Intent, Command], Verdict]


def _yes(shared: Shared, intent: Intent, **change: object) -> Verdict:
    return Verdict("", shared, intent._replace(**change))  # type: ignore[arg-type]  # NamedTuple._replace takes any field


def _no(why: str, shared: Shared, intent: Intent, **change: object) -> Verdict:
    return Verdict(why, shared, intent._replace(**change))  # type: ignore[arg-type]  # as above


# --- before the order -------------------------------------------------------------------------------------------------


def _propose(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, state="PROPOSED") if it.state == "NONE" else _yes(shared, it)


def _assemble(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state != "PROPOSED":
        return _no("STATE", shared, it)
    return _yes(shared, it, evidence=it.evidence + 1, red=shared.kill, amber=c.market != "OPEN")


def _approve(shared: Shared, it: Intent, c: Command) -> Verdict:
    """One yes, for the evidence that stands, while nothing forbids it and an engine runs. A market that is shut is
    shown, and forbids no signature: whether the order may leave is asked when it would."""
    if it.verdict or it.state != "PROPOSED" or c.version != it.evidence:
        return _no("DECIDED", shared, it)
    if shared.kill or it.red:
        return _no("KILL", shared, it)
    if not shared.lease:
        return _no("LEASE", shared, it)
    return _yes(shared, it, state="APPROVED", verdict="YES", token="LIVE", of_run=True, evidence=0, amber=False)


def _reject(shared: Shared, it: Intent, c: Command) -> Verdict:
    """Any no wins, as long as the order has not left."""
    if it.verdict == "NO" or it.state not in ("PROPOSED", "APPROVED"):
        return _no("DECIDED", shared, it)
    return _yes(shared, it, **_withdrawn(it, "REVOKED"), verdict="NO")


def _withdrawn(it: Intent, token: str) -> dict[str, object]:
    token = token if it.token else ""
    return {"state": "CANCELLED", "evidence": 0, "red": False, "amber": False, "token": token, "of_run": False}


def _token_over(it: Intent, c: Command) -> bool:
    return c.late or not it.of_run


def _expire(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.token != "LIVE" or not _token_over(it, c):
        return _no("STATE", shared, it)
    return _yes(shared, it, **_withdrawn(it, "EXPIRED"))


def _withdraw(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state not in ("PROPOSED", "APPROVED"):
        return _no("STATE", shared, it)
    return _yes(shared, it, **_withdrawn(it, "REVOKED"))


# --- the order --------------------------------------------------------------------------------------------------------


def _submit(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The token is spent in the append that records the order; a red light takes the permission back. So does a market
    that is not open: nothing waits for its opening."""
    if it.state != "APPROVED":
        return _no("STATE", shared, it)
    if shared.kill:
        return _no("KILL", shared, it, **_withdrawn(it, "REVOKED"))
    if c.market != "OPEN":
        return _no("MARKET", shared, it, **_withdrawn(it, "REVOKED"))
    if _token_over(it, c):
        return _no("TOKEN", shared, it, **_withdrawn(it, "EXPIRED"))
    return _yes(shared, it, **SPENT)


SPENT: Final[dict[str, object]] = {
    "state": "SUBMITTED", "token": "USED", "of_run": False, "order": "RECORDED", "owed": "MINE", "pair": "ASKED",
    "stop": WHOLE, "target": WHOLE,
}  # fmt: skip


_GONE: Final[dict[str, object]] = {"pair": "GONE", "stop": 0, "target": 0, "then": 0}


def _present(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A token presented by hand: used if it may be, else refused, and a refused use changes nothing."""
    gone = it.state in ENDS
    if not gone and not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not gone and shared.kill:
        return _no("KILL", shared, it)
    if not gone and it.drift:
        return _no("DRIFT", shared, it)
    if not gone and c.market != "OPEN":
        return _no("MARKET", shared, it)
    if it.token != "LIVE" or _token_over(it, c):
        return _no("TOKEN", shared, it)
    return _yes(shared, it, **SPENT)


def _look(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The last look at an entry, asked inside the hold: it changes nothing."""
    if not it.owed or it.state != "SUBMITTED":
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if shared.kill:
        return _no("KILL", shared, it)
    if it.drift:
        return _no("DRIFT", shared, it)
    if c.market != "OPEN":
        return _no("MARKET", shared, it)
    return _no("TOKEN", shared, it) if c.late else _yes(shared, it)


def _withhold(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _no("STATE", shared, it)
    state = "CANCELLED" if it.state == "SUBMITTED" else it.state
    return _no("KILL", shared, it, state=state, owed="", order="DROPPED", **_GONE)


def _frame_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _yes(shared, it)
    return _yes(shared, it, owed="", order="SENT")


def _frame_dropped(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _yes(shared, it)
    state = "CANCELLED" if it.state == "SUBMITTED" else it.state
    return _yes(shared, it, state=state, owed="", order="DROPPED", **_GONE)


# --- silence ----------------------------------------------------------------------------------------------------------


def _stall(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, state="STALLED") if it.state == "SUBMITTED" else _yes(shared, it)


def _unknown(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An earlier run's hand-over: never performed, looked up instead."""
    if not it.owed:
        return _no("STATE", shared, it)
    state = "STALLED" if it.state == "SUBMITTED" else it.state
    order = it.order if it.order in ORDER_ENDS else "UNKNOWN"
    return _yes(shared, it, state=state, owed="", order=order)


def _lost(shared: Shared, it: Intent, c: Command) -> Verdict:
    silent = it.state == "SUBMITTED" and not it.acked and it.order not in ORDER_ENDS
    return _yes(shared, it, state="STALLED") if silent else _yes(shared, it)


# --- the broker's word ------------------------------------------------------------------------------------------------


def _ack(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.order in ORDER_ENDS:
        return _yes(shared, it)
    state = "SUBMITTED" if it.state == "STALLED" and it.order != "WORKING" else it.state
    return _yes(shared, it, state=state, order="WORKING", acked=True)


def _part(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The first lot of two. Something is held, so it is FILLED; the order works on, and nothing of it has ended."""
    if it.got:
        return _yes(shared, it)
    if it.state in ENDS:
        return _yes(shared, it, drift=True)
    return _yes(shared, it, state="FILLED", got=1)


def _fill(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An execution moves what was sent; after an end it is a drift. What the log thought ended, drifts too."""
    over, new = it.state in ENDS, it.got < WHOLE
    late = new and (over or it.order in ("CANCELLED", "REJECTED"))
    state = "FILLED" if it.state in SENT else it.state
    order = it.order if it.order in ORDER_ENDS else "FILLED"
    return _yes(shared, it, state=state, order=order, rest=False, got=it.got if over else WHOLE, drift=it.drift or late)


def _rest(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An approval covers so much working life: what is not filled by then is asked to end, once, and has no end by
    that."""
    return _yes(shared, it, rest=True) if it.works and not it.rest else _no("STATE", shared, it)


def _rest_over(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The broker ended an entry that had filled in part: its exits stand. Where nothing is held any more, and nothing
    works, that is the end; exits that still work beside nothing are asked to end."""
    if not it.works:
        return _yes(shared, it)
    flat = it.state in HELD and it.held == 0
    asked = "ENDING" if flat and it.pair != "GONE" else it.pair
    way = 1 if asked == "ENDING" else it.way
    return _yes(shared, _over(it._replace(order="CANCELLED", rest=False, pair=asked, way=way)))


def _refused(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A code of the closed list: an end for what was never acknowledged; the position waits for its proof."""
    if it.order in ORDER_ENDS:
        return _yes(shared, it)
    return _yes(shared, it, order="REJECTED", **_GONE)


def _cancelled(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.order in ORDER_ENDS:
        return _yes(shared, it)
    return _yes(shared, it, order="CANCELLED", rest=False, **_GONE)


def _picture(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A whole picture without the order proves its unfilled end. Silence never does."""
    if it.state in SENT and it.order in ("CANCELLED", "REJECTED"):
        return _yes(shared, it, state=it.order)
    return _yes(shared, it)


# --- protection and leaving -------------------------------------------------------------------------------------------


def _pair_stands(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.pair != "ASKED":
        return _yes(shared, it)
    return _settled(shared, it._replace(pair="STANDS"))


def _settled(shared: Shared, it: Intent) -> Verdict:
    """MANAGED begins where what is held has the protection that was approved, neither less of it nor more."""
    return _yes(shared, it, state="MANAGED" if it.state == "FILLED" and it.fits else it.state)


def _read(it: Intent, c: Command) -> Intent:
    """What was asked to end, and did not in its time, is read as what it is."""
    stays = it.pair == "ENDING" and not it.again and it.way <= c.slow
    return it._replace(pair="STANDS") if stays else it


def _manage(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state != "FILLED" or not _read(it, c).fits:
        return _no("STATE", shared, it)
    return _yes(shared, it, state="MANAGED")


def _resize(shared: Shared, it: Intent, c: Command) -> Verdict:
    """Protection follows what is held, once nothing can change that but exits: the entry is over, the last change was
    answered, no close works. Until the broker answers, the larger of both sizes may be the one."""
    wrong = it.state in HELD and it.held > 0 and {it.stop, it.target} != {it.held}
    if not wrong or it.pair != "STANDS" or it.works or it.change or it.close in AT_WORK:
        return _no("STATE", shared, it)
    now = {"stop": max(it.stop, it.held), "target": max(it.target, it.held)}
    return _yes(shared, it, change="MINE", size=it.held, then=it.held, **now)


def _look_resize(shared: Shared, it: Intent, c: Command) -> Verdict:
    """X1 to X4 of a change: no exit for more than is held. Neither a shut market nor a kill keeps an exit back."""
    if it.change not in ("MINE", "OLD") or it.state not in HELD:
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    return _no("EXIT", shared, it) if it.size > it.held else _yes(shared, it)


def _withhold_resize(shared: Shared, it: Intent, c: Command) -> Verdict:
    """No byte of a change left: the pair is as large as it was."""
    if it.change != "MINE":
        return _no("STATE", shared, it)
    now = {"stop": 1, "target": 1} if it.size == WHOLE else {}
    return _no("EXIT", shared, it, change="", size=0, then=0, **now)


def _resize_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, change="SENT") if it.change == "MINE" else _yes(shared, it)


def _resize_unknown(shared: Shared, it: Intent, c: Command) -> Verdict:
    """What an earlier run recorded is not sent again; whether it left, the broker's echo says."""
    if it.change not in ("MINE", "OLD"):
        return _no("STATE", shared, it)
    over = it.pair == "GONE"
    return _yes(shared, it, change="" if over else "UNKNOWN", size=0 if over else it.size)


def _resized(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The broker echoes the new size: that is the size now."""
    if it.change not in ("SENT", "UNKNOWN") or it.pair != "STANDS":
        return _yes(shared, it)
    now = it._replace(stop=min(it.stop, it.then), target=min(it.target, it.size))
    return _settled(shared, now._replace(change="", size=0, then=0))


def _leaves(it: Intent, **change: object) -> Intent:
    """An exit executed: no more is entered on this approval."""
    return it._replace(rest=it.rest or it.works, **change)  # type: ignore[arg-type]  # NamedTuple._replace as above


def _stop_lot(shared: Shared, it: Intent, c: Command) -> Verdict:
    """One lot left at the stop, and the stop works on for what is still held, or may still fill."""
    if it.out or it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _leaves(it, out=1, stop=it.stop - 1, then=max(0, it.then - 1)))


def _close_lot(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.out or it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _leaves(it, out=1))


def _left(it: Intent, close: str) -> Intent:
    """All that was held has left, and the group ended with it; the position does, once its entry has."""
    change = it.change if it.change == "OLD" else ""
    now = _leaves(
        it, out=it.got, close=close, change=change, size=it.size if change else 0, again="", doubt=False, **_GONE
    )
    return _over(now)


def _over(it: Intent) -> Intent:
    """A position that holds nothing is over once nothing of it works, whichever word was the last."""
    works = it.works or it.pair != "GONE" or it.close in AT_WORK
    return it if works or it.state not in HELD or it.held else it._replace(state="CLOSED", told=False)


def _pair_over(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The stop executed and its group ended, while nobody knows yet whether a close by hand left."""
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _left(it, it.close))


def _close_over(it: Intent) -> str:
    return "GONE" if it.close in AT_WORK else it.close


def _stopped(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The stop executed; its group takes target and close away with it."""
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _left(it, _close_over(it)))


def _stopped_backwards(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The stop's end is heard before what it executed: until then what is held had lost its protection, and that was
    told."""
    said = it.told or (it.state == "MANAGED" and it.held > 0 and it.pair != "GONE" and it.way <= c.slow)
    after = _stopped(shared, it, c).intent
    return _yes(shared, after, told=said and after.state in HELD)


def _close(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An accepted signature is recorded, where an engine runs; whether it can be carried out, that engine says."""
    if not shared.lease:
        return _no("LEASE", shared, it)
    return _yes(shared, it, close="SIGNED", tries=it.tries + 1)


def _carry(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close != "SIGNED":
        return _no("STATE", shared, it)
    if c.late:
        return _no("EXIT", shared, it, close="SPENT")
    if it.state not in HELD or it.held == 0:
        return _no("STATE", shared, it, close="SPENT")
    if c.picture == "NONE" and c.link and c.slow < it.tries:
        return _no("PICTURE", shared, it)
    if not c.groups and it.pair != "GONE":
        return _make_way(shared, it, c)
    return _yes(shared, it, close="MINE", closing=it.held, rest=it.rest or it.works)


def _make_way(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A close that no group takes in: its protection is asked to end, once for each close, and has three seconds for
    it. Nothing is asked to end for a close that could not leave."""
    if it.pair not in ENDING.values() or it.way < it.tries:
        if not c.link or c.picture in ("NONE", "LESS"):
            return _no("EXIT" if c.link else "LINK", shared, it, close="SPENT")
        return _yes(shared, it, pair=ENDING.get(it.pair, it.pair), way=c.slow + 1)
    return _no("PAIR", shared, it, close="SPENT" if c.slow >= it.way else it.close)


def _look_close(shared: Shared, it: Intent, c: Command) -> Verdict:
    """X1 to X4: what is held and no more, a young signature, the lease. A kill stops no exit, nor does the hour."""
    if it.close not in ("MINE", "OLD") or it.state not in HELD:
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    unseen = c.picture in ("NONE", "LESS")
    return _no("EXIT", shared, it) if c.late or unseen or it.closing > it.held else _yes(shared, it)


def _withhold_close(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _over(it._replace(close="DROPPED")))


def _close_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, close="SENT") if it.close == "MINE" else _yes(shared, it)


def _close_dropped(shared: Shared, it: Intent, c: Command) -> Verdict:
    """No byte of a close left: it never was. What had left meanwhile was the end."""
    if it.close != "MINE":
        return _yes(shared, it)
    return _yes(shared, _over(it._replace(close="DROPPED")))


def _close_unknown(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close not in ("MINE", "OLD"):
        return _no("STATE", shared, it)
    return _yes(shared, it, close="UNKNOWN")


def _close_filled(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _left(it, "FILLED"))


# --- protection that is placed again ---------------------------------------------------------------------------------


def _placed(shared: Shared, it: Intent, **change: object) -> Verdict:
    placed = {"pair": "ASKED", "placed": it.placed + 1, "again": "MINE", "stop": it.held, "target": it.held}
    return _yes(shared, it, **placed, **change)


def _restore(shared: Shared, it: Intent, c: Command) -> Verdict:
    """D4: once by itself, after a whole picture that began after the loss, and shows all that is held and nothing that
    protects it; not while it is left, nor where the frames could not leave. After that only a human decides."""
    if it.state not in HELD or it.held == 0:
        return _no("STATE", shared, it)
    if it.pair != "GONE" or it.close in AT_WORK:
        return _no("PAIR", shared, it)
    if it.once:
        return _no("EXIT", shared, it)
    if c.picture != "SHOWS":
        return _no("PICTURE", shared, it)
    return _placed(shared, it, by_hand=False, once=True) if c.link else _no("LINK", shared, it)


def _protect(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A human's signature for protection is recorded, where an engine runs."""
    return _yes(shared, it, protect="SIGNED") if shared.lease else _no("LEASE", shared, it)


def _carry_protect(shared: Shared, it: Intent, c: Command) -> Verdict:
    """It mends what is missing and moves nothing: not beside one that works, not beside a close, not after its minute.
    Whether it may leave, the last look says; a human may sign again."""
    if it.protect != "SIGNED":
        return _no("STATE", shared, it)
    if c.late:
        return _no("EXIT", shared, it, protect="SPENT")
    if it.state not in HELD or it.held == 0:
        return _no("STATE", shared, it, protect="SPENT")
    if it.pair != "GONE" or it.close in AT_WORK:
        return _no("PAIR", shared, it, protect="SPENT")
    return _placed(shared, it, by_hand=True, protect="DONE")


def _look_again(shared: Shared, it: Intent, c: Command) -> Verdict:
    """X1 to X4 of a pair that is placed again; what the broker does not hold is not protected."""
    if it.again not in ("MINE", "OLD") or it.state not in HELD:
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not c.link:
        return _no("LINK", shared, it)
    wrong = it.held < max(it.stop, it.target) or c.picture == "LESS"
    return _no("EXIT", shared, it) if wrong or (it.by_hand and c.late) else _yes(shared, it)


def _withhold_again(shared: Shared, it: Intent, c: Command) -> Verdict:
    """No byte of it left. It was the one time all the same: what is refused once is not tried for ever."""
    if it.again != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, _over(it._replace(again="", doubt=False, **_GONE)))  # type: ignore[arg-type]  # as above


def _again_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, again="SENT", doubt=False) if it.again == "MINE" else _yes(shared, it)


def _again_dropped(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.again != "MINE":
        return _yes(shared, it)
    return _yes(shared, _over(it._replace(again="", doubt=False, **_GONE)))  # type: ignore[arg-type]  # as above


def _again_unknown(shared: Shared, it: Intent, c: Command) -> Verdict:
    """What an earlier run recorded is not sent again: whether it left, the broker's word says, or a human."""
    return _yes(shared, it, again="UNKNOWN", doubt=False) if it.again in ("MINE", "OLD") else _no("STATE", shared, it)


def _doubt(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An exit frame without an answer for ten seconds is UNKNOWN, whether or not it is known to have left."""
    if not c.slow:
        return _no("STATE", shared, it)
    if it.again in ("MINE", "OLD") and not it.doubt:
        return _yes(shared, it, doubt=True)
    return _yes(shared, it, again="UNKNOWN") if it.again == "SENT" else _no("STATE", shared, it)


def _again_stands(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.pair not in ("ASKED", "ENDING"):
        return _yes(shared, it)
    # What makes way is not yet read as what it is; and a word that is told again says nothing.
    told = it.told and (it.way > c.slow or not it.again)
    stands = it._replace(pair="STANDS" if it.pair == "ASKED" else it.pair, again="", doubt=False, told=told)
    now = _settled(shared, _read(stands, c)).intent
    return _yes(shared, stands, state=now.state)


def _stop_over(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The stop ended, the target works on: what is held has no full protection, and none may be placed beside it."""
    word = {"ASKED": "TARGET", "STANDS": "TARGET", "ENDING": "TARGET_ENDS"}.get(it.pair, it.pair)
    over = it._replace(pair=word, stop=0, again="", doubt=False)
    return _yes(shared, it) if word == it.pair else _yes(shared, _lost_of(it, over, c))


def _target_over(shared: Shared, it: Intent, c: Command) -> Verdict:
    word = {"ASKED": "STOP", "STANDS": "STOP", "ENDING": "STOP_ENDS"}.get(it.pair, it.pair)
    over = it._replace(pair=word, target=0, again="", doubt=False)
    return _yes(shared, it) if word == it.pair else _yes(shared, _lost_of(it, over, c))


def _pair_gone(shared: Shared, it: Intent, c: Command) -> Verdict:
    """Both ended, by the broker's word: cancelled, or refused. The position lives on while anything is held."""
    if it.pair == "GONE":
        return _yes(shared, it)
    over = it._replace(again="", doubt=False, **_GONE)  # type: ignore[arg-type]  # as above
    return _yes(shared, _over(_lost_of(it, over, c)))


def _lost_of(was: Intent, now: Intent, c: Command) -> Intent:
    """Where protection stood, its loss is told with the word of it; but what makes way for a close has its time."""
    return now._replace(told=was.told or (now.state == "MANAGED" and now.held > 0 and now.way <= c.slow))


def _alarm(shared: Shared, it: Intent, c: Command) -> Verdict:
    no = "Alarm" not in _turn(shared, it, c).no
    return _no("STATE", shared, it) if no else _yes(shared, it, told=not it.told)


def _close_alone(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A close executed while the pair that was placed again had not left: that is still known as one that may."""
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, _over(_leaves(it, out=it.got, close="FILLED")))


def _clear_away(shared: Shared, it: Intent, c: Command) -> Verdict:
    """Nothing is held, and exits that should have ended with it work: they are asked to end, once."""
    beside = it.state in HELD and it.held == 0 and c.slow and it.pair in ENDING
    return _yes(shared, it, pair=ENDING[it.pair], way=2) if beside else _no("STATE", shared, it)


def _turn(shared: Shared, it: Intent, c: Command) -> Verdict:
    """What the engine does about protection in its next turn, in words. A loss is told at once, and so is its end; but
    what was asked to end for a close has its three seconds."""
    if it.state not in HELD or not shared.lease:
        return _no("", shared, it)
    making = it.way > c.slow
    unknown = it.again == "UNKNOWN" or it.doubt
    lost = it.held > 0 and not making and (unknown or it.pair in ("GONE", *HALVES))
    stands = it.held > 0 and not making and not unknown and it.pair == "STANDS"
    granted = {
        "Alarm": (lost and not it.told) or (stands and it.told),
        "ClearAway": not _clear_away(shared, it, c).no,
        "Manage": not _manage(shared, it, c).no,
        "Restore": lost and not _restore(shared, it, c).no,
    }
    return _no(" ".join(name for name, so in granted.items() if so), shared, it)


# --- what all share ---------------------------------------------------------------------------------------------------


def _kill(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared._replace(kill=True), it)


def _clear(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared._replace(kill=False), it) if shared.kill else _no("STATE", shared, it)


def _lease(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared._replace(lease=True), older(it))


def older(it: Intent) -> Intent:
    """An intent under a new lease: tokens and hand-overs of the earlier one stay behind."""
    close = "OLD" if it.close == "MINE" else it.close
    change = "OLD" if it.change == "MINE" else it.change
    again = "OLD" if it.again == "MINE" else it.again
    return it._replace(of_run=False, owed="OLD" if it.owed else "", close=close, change=change, again=again)


def _release(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared._replace(lease=False), it)


# What is asked where orders fill, and are left, lot by lot.
BY_LOTS: Final = {
    "part", "rest", "rest_over", "resize", "look_resize", "withhold_resize", "resize_sent", "resize_unknown",
    "resized", "stop_lot", "close_lot", "stopped_backwards", "pair_over", "close_dropped",
}  # fmt: skip
# What is asked where protection ends and is placed again.
AGAIN: Final = {
    "restore", "protect", "carry_protect", "look_again", "withhold_again", "again_sent", "again_dropped",
    "again_unknown", "doubt", "again_stands", "stop_over", "target_over", "pair_gone", "pair_refused", "targeted",
    "close_alone", "clear_away", "turn", "alarm",
}  # fmt: skip
# What changes nothing, whatever the answer.
LOOKS: Final = {"look", "look_close", "look_resize", "look_again", "turn"}
# What only the engine may have recorded; a run whose lease is gone is refused before anything is judged.
FENCED: Final[dict[str, Rule]] = {
    "assemble": _assemble, "submit": _submit, "withhold": _withhold, "frame_sent": _frame_sent,
    "frame_dropped": _frame_dropped, "stall": _stall, "unknown": _unknown, "lost": _lost, "ack": _ack, "fill": _fill,
    "refused": _refused, "cancelled": _cancelled, "picture": _picture, "pair_stands": _pair_stands, "manage": _manage,
    "stopped": _stopped, "carry": _carry, "withhold_close": _withhold_close, "close_sent": _close_sent,
    "close_unknown": _close_unknown, "close_filled": _close_filled, "release": _release,
    "part": _part, "rest": _rest, "rest_over": _rest_over, "resize": _resize, "withhold_resize": _withhold_resize,
    "resize_sent": _resize_sent,
    "resize_unknown": _resize_unknown, "resized": _resized, "stop_lot": _stop_lot, "close_lot": _close_lot,
    "stopped_backwards": _stopped_backwards, "pair_over": _pair_over, "close_dropped": _close_dropped,
    "restore": _restore, "carry_protect": _carry_protect, "withhold_again": _withhold_again,
    "again_sent": _again_sent, "again_dropped": _again_dropped, "again_unknown": _again_unknown, "doubt": _doubt,
    "again_stands": _again_stands, "stop_over": _stop_over, "target_over": _target_over, "pair_gone": _pair_gone,
    "pair_refused": _pair_gone, "targeted": _stopped, "close_alone": _close_alone, "clear_away": _clear_away,
    "alarm": _alarm,
}  # fmt: skip
OPEN: Final[dict[str, Rule]] = {
    "propose": _propose, "approve": _approve, "reject": _reject, "expire": _expire, "withdraw": _withdraw,
    "present": _present, "look": _look, "look_close": _look_close, "look_resize": _look_resize, "close": _close,
    "kill": _kill, "clear": _clear, "lease": _lease, "protect": _protect, "look_again": _look_again,
    "turn": _turn,
}  # fmt: skip


def judge(shared: Shared, intent: Intent, command: Command) -> Verdict:
    """The rules' answer to one command."""
    rule = FENCED.get(command.name)
    if rule is None:
        return OPEN[command.name](shared, intent, command)
    if not (command.fit and shared.lease):
        return _no("LEASE", shared, intent)
    return rule(shared, intent, command)
