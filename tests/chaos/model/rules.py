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
    pair: str = ""  # stop and target: ASKED, STANDS, GONE
    close: str = ""  # a close by hand: SIGNED, SPENT, MINE, OLD, SENT, UNKNOWN, DROPPED, FILLED, GONE
    drift: bool = False  # the broker spoke of what was over


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


class Verdict(NamedTuple):
    """A family of refusals, empty for a yes; and the desk after it."""

    no: str
    shared: Shared
    intent: Intent


ENDS: Final = ("CLOSED", "CANCELLED", "REJECTED")
SENT: Final = ("SUBMITTED", "STALLED")
HELD: Final = ("FILLED", "MANAGED")
ORDER_ENDS: Final = ("DROPPED", "FILLED", "CANCELLED", "REJECTED")

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
    return _yes(shared, it, evidence=it.evidence + 1, red=shared.kill)


def _approve(shared: Shared, it: Intent, c: Command) -> Verdict:
    """One yes, for the evidence that stands, while nothing forbids it and an engine runs."""
    if it.verdict or it.state != "PROPOSED" or c.version != it.evidence:
        return _no("DECIDED", shared, it)
    if shared.kill or it.red:
        return _no("KILL", shared, it)
    if not shared.lease:
        return _no("LEASE", shared, it)
    return _yes(shared, it, state="APPROVED", verdict="YES", token="LIVE", of_run=True, evidence=0)


def _reject(shared: Shared, it: Intent, c: Command) -> Verdict:
    """Any no wins, as long as the order has not left."""
    if it.verdict == "NO" or it.state not in ("PROPOSED", "APPROVED"):
        return _no("DECIDED", shared, it)
    return _yes(shared, it, **_withdrawn(it, "REVOKED"), verdict="NO")


def _withdrawn(it: Intent, token: str) -> dict[str, object]:
    return {"state": "CANCELLED", "evidence": 0, "red": False, "token": token if it.token else "", "of_run": False}


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
    """The token is spent in the append that records the order; a red light takes the permission back."""
    if it.state != "APPROVED":
        return _no("STATE", shared, it)
    if shared.kill:
        return _no("KILL", shared, it, **_withdrawn(it, "REVOKED"))
    if _token_over(it, c):
        return _no("TOKEN", shared, it, **_withdrawn(it, "EXPIRED"))
    return _yes(shared, it, **SPENT)


SPENT: Final[dict[str, object]] = {
    "state": "SUBMITTED", "token": "USED", "of_run": False, "order": "RECORDED", "owed": "MINE", "pair": "ASKED",
}  # fmt: skip


def _present(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A token presented by hand: used if it may be, else refused, and a refused use changes nothing."""
    gone = it.state in ENDS
    if not gone and not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    if not gone and shared.kill:
        return _no("KILL", shared, it)
    if not gone and it.drift:
        return _no("DRIFT", shared, it)
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
    return _no("TOKEN", shared, it) if c.late else _yes(shared, it)


def _withhold(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _no("STATE", shared, it)
    state = "CANCELLED" if it.state == "SUBMITTED" else it.state
    return _no("KILL", shared, it, state=state, owed="", order="DROPPED", pair="GONE")


def _frame_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _yes(shared, it)
    return _yes(shared, it, owed="", order="SENT")


def _frame_dropped(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.owed != "MINE":
        return _yes(shared, it)
    state = "CANCELLED" if it.state == "SUBMITTED" else it.state
    return _yes(shared, it, state=state, owed="", order="DROPPED", pair="GONE")


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


def _fill(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An execution moves what was sent; after an end it is a drift. What the log thought ended, drifts too."""
    over = it.state in ENDS
    late = (over and it.state != "CLOSED") or (it.state in SENT and it.order in ("CANCELLED", "REJECTED"))
    state = "FILLED" if it.state in SENT else it.state
    order = it.order if it.order in ORDER_ENDS else "FILLED"
    return _yes(shared, it, state=state, order=order, drift=it.drift or late)


def _refused(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A code of the closed list: an end for what was never acknowledged; the position waits for its proof."""
    if it.order in ORDER_ENDS:
        return _yes(shared, it)
    return _yes(shared, it, order="REJECTED", pair="GONE")


def _cancelled(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.order in ORDER_ENDS:
        return _yes(shared, it)
    return _yes(shared, it, order="CANCELLED", pair="GONE")


def _picture(shared: Shared, it: Intent, c: Command) -> Verdict:
    """A whole picture without the order proves its unfilled end. Silence never does."""
    if it.state in SENT and it.order in ("CANCELLED", "REJECTED"):
        return _yes(shared, it, state=it.order)
    return _yes(shared, it)


# --- protection and leaving -------------------------------------------------------------------------------------------


def _pair_stands(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.pair != "ASKED":
        return _yes(shared, it)
    return _yes(shared, it, pair="STANDS", state="MANAGED" if it.state == "FILLED" else it.state)


def _manage(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state != "FILLED" or it.pair != "STANDS":
        return _no("STATE", shared, it)
    return _yes(shared, it, state="MANAGED")


def _close_over(it: Intent) -> str:
    return "GONE" if it.close in ("MINE", "OLD", "SENT", "UNKNOWN") else it.close


def _stopped(shared: Shared, it: Intent, c: Command) -> Verdict:
    """The stop executed; its group takes target and close away with it."""
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, it, state="CLOSED", pair="GONE", close=_close_over(it))


def _close(shared: Shared, it: Intent, c: Command) -> Verdict:
    """An accepted signature is recorded, where an engine runs; whether it can be carried out, that engine says."""
    if not shared.lease:
        return _no("LEASE", shared, it)
    return _yes(shared, it, close="SIGNED")


def _carry(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close != "SIGNED":
        return _no("STATE", shared, it)
    if c.late:
        return _no("EXIT", shared, it, close="SPENT")
    if it.state not in HELD:
        return _no("STATE", shared, it, close="SPENT")
    return _yes(shared, it, close="MINE")


def _look_close(shared: Shared, it: Intent, c: Command) -> Verdict:
    """X1 to X4: what is held, a young signature, the lease. A kill stops no exit."""
    if it.close not in ("MINE", "OLD") or it.state not in HELD:
        return _no("STATE", shared, it)
    if not (c.fit and shared.lease):
        return _no("LEASE", shared, it)
    return _no("EXIT", shared, it) if c.late else _yes(shared, it)


def _withhold_close(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close != "MINE":
        return _no("STATE", shared, it)
    return _no("EXIT", shared, it, close="DROPPED")


def _close_sent(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared, it, close="SENT") if it.close == "MINE" else _yes(shared, it)


def _close_unknown(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.close not in ("MINE", "OLD"):
        return _no("STATE", shared, it)
    return _yes(shared, it, close="UNKNOWN")


def _close_filled(shared: Shared, it: Intent, c: Command) -> Verdict:
    if it.state not in HELD:
        return _yes(shared, it)
    return _yes(shared, it, state="CLOSED", pair="GONE", close="FILLED")


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
    return it._replace(of_run=False, owed="OLD" if it.owed else "", close=close)


def _release(shared: Shared, it: Intent, c: Command) -> Verdict:
    return _yes(shared._replace(lease=False), it)


# What only the engine may have recorded; a run whose lease is gone is refused before anything is judged.
FENCED: Final[dict[str, Rule]] = {
    "assemble": _assemble, "submit": _submit, "withhold": _withhold, "frame_sent": _frame_sent,
    "frame_dropped": _frame_dropped, "stall": _stall, "unknown": _unknown, "lost": _lost, "ack": _ack, "fill": _fill,
    "refused": _refused, "cancelled": _cancelled, "picture": _picture, "pair_stands": _pair_stands, "manage": _manage,
    "stopped": _stopped, "carry": _carry, "withhold_close": _withhold_close, "close_sent": _close_sent,
    "close_unknown": _close_unknown, "close_filled": _close_filled, "release": _release,
}  # fmt: skip
OPEN: Final[dict[str, Rule]] = {
    "propose": _propose, "approve": _approve, "reject": _reject, "expire": _expire, "withdraw": _withdraw,
    "present": _present, "look": _look, "look_close": _look_close, "close": _close, "kill": _kill, "clear": _clear,
    "lease": _lease,
}  # fmt: skip


def judge(shared: Shared, intent: Intent, command: Command) -> Verdict:
    """The rules' answer to one command."""
    rule = FENCED.get(command.name)
    if rule is None:
        return OPEN[command.name](shared, intent, command)
    if not (command.fit and shared.lease):
        return _no("LEASE", shared, intent)
    return rule(shared, intent, command)
