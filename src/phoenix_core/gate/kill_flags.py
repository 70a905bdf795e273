"""Kill flags: while one stands in an intent's scope, no entry leaves. Exits are never stopped.

Raising a flag commutes with everything and is appended blind, so folding one never objects. What lifts a flag depends
on why it was raised, and a flag that cannot be read counts as raised.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import Factory, define, frozen

from phoenix_core.beads import Bead, KillEvent, KillFlag, KillKind
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import BadInput, Moment

# How long a stale context stops its strategy at the least. Repeats do not prolong it.
TEMPORARY_FOR: Final = timedelta(minutes=5)

DESK: Final = "desk"
_NAMED: Final = ("strategy", "instrument")


def strategy_scope(strategy: str) -> str:
    """The scope of one strategy."""
    return f"strategy:{strategy}"


def instrument_scope(instrument: str) -> str:
    """The scope of one instrument."""
    return f"instrument:{instrument}"


def scope_of(text: str) -> str:
    """Read a scope as an operator types it; raises `BadInput`."""
    kind, _, name = text.partition(":")
    if text != DESK and not (kind in _NAMED and name):
        raise BadInput("scope", text, "write desk, strategy:NAME or instrument:SYMBOL")
    # A symbol typed small is the same symbol; a flag on a name that nobody trades would stop nothing.
    return instrument_scope(name.upper()) if kind == "instrument" else text


@frozen
class Standing:
    """A flag that is up, and where in the log it went up."""

    flag: str
    type: KillKind
    scope: str
    reason: str
    raised_by: str
    raised_at: datetime
    seq: int
    cancel_working: bool
    until: datetime | None = None
    drift: str | None = None


@frozen
class Lowered:
    """A flag that came down, where in the log and when: what brought it down is judged by whoever enters behind it."""

    flag: Standing
    seq: int
    at: datetime


@frozen
class Grounds:
    """What speaks for lifting a flag, as the act found it."""

    signed: bool = False  # an operator's signed command asks for it
    reason: str = ""  # the operator's words, or their hash
    anchored: int | None = None  # seq of the last anchor refresh that covers the flag's scope
    drift_resolved: bool = False  # a human resolved the drift that raised it
    rule_over: bool = False  # the rule that raised it no longer holds


@define
class KillFlags:
    """The flags that stand, in the order in which they went up; and those that came down, as far as they would stand
    still if nothing had brought them down that counts."""

    standing: dict[str, Standing] = Factory(dict)
    cleared: dict[str, Lowered] = Factory(dict)  # by a human alone: each flag
    cooled: dict[str, Lowered] = Factory(dict)  # TEMPORARY: the last to run out, by scope
    answered: dict[str, Lowered] = Factory(dict)  # DRIFT: the last one, by drift

    def fold(self, bead: Bead) -> None:
        """Fold KILL_FLAG."""
        body = bead.body
        if not isinstance(body, KillFlag):
            return
        if body.event is KillEvent.LIFTED:
            assert body.flag in self.standing, f"{body.flag} came down without having been up"
            self._lower(Lowered(self.standing.pop(body.flag), bead.seq, bead.ts))
            return
        flag = Standing(
            body.flag,
            body.type,
            body.scope,
            body.reason,
            body.raised_by,
            bead.ts,
            bead.seq,
            body.cancel_working,
            body.until,
            body.drift,
        )
        # Raised blind, so perhaps twice: the first one stands, the second changes nothing.
        stands = self.standing.setdefault(body.flag, flag)
        lowered, name = self._beside(stands)
        before = lowered.get(name)
        if before is not None and before.flag.flag == stands.flag:  # it is up again
            del lowered[name]

    def _lower(self, came: Lowered) -> None:
        lowered, name = self._beside(came.flag)
        before = lowered.get(name)
        if before is None or lowered is not self.cooled or _ends(before.flag) <= _ends(came.flag):
            lowered[name] = came

    def _beside(self, flag: Standing) -> tuple[dict[str, Lowered], str]:
        """Where a flag is kept that comes down, and as what: what was raised decides, not what lowers it."""
        if flag.type is KillKind.DRIFT:
            return self.answered, flag.drift or ""
        return (self.cooled, flag.scope) if flag.type is KillKind.TEMPORARY else (self.cleared, flag.flag)


def _ends(flag: Standing) -> datetime:
    return flag.raised_at if flag.until is None else flag.until


def active(flags: KillFlags, strategy: str, instrument: str) -> tuple[Standing, ...]:
    """The flags that stop an entry of this strategy in this instrument, oldest first."""
    if not flags.standing:
        return ()
    scopes = (DESK, strategy_scope(strategy), instrument_scope(instrument))
    return tuple(flag for flag in flags.standing.values() if flag.scope in scopes)


def kill_refusal(flags: KillFlags, strategy: str, instrument: str, latch: bool | None) -> Refusal | None:
    """Whether a kill stops an entry. The latch stands beside the log; None means that it could not be read."""
    reasons: list[Reason] = []
    standing = active(flags, strategy, instrument)
    if standing or latch:
        reasons.append(Reason.KILL_FLAG_ACTIVE)
    if latch is None:
        reasons.append(Reason.KILL_FLAG_UNREADABLE)
    if not reasons:
        return None
    said = [f"{flag.type} {flag.scope}: {flag.reason}" for flag in standing]
    if latch or latch is None:
        said.append("halt: the latch is up" if latch else "halt: the latch cannot be read")
    return refusal(*reasons, detail="; ".join(said))


def raise_flag(
    flags: KillFlags,
    flag: str,
    type: KillKind,
    scope: str,
    reason: str,
    raised_by: str,
    now: Moment,
    drift: str | None = None,
    cancel_working: bool = False,
) -> KillFlag | None:
    """The bead that raises a flag; None where the same one stands already.

    The same: a TEMPORARY one on that scope, a DRIFT one for that drift, a SIGNALMAN one of that rule (`raised_by`) on
    that scope. A ONE_WAY flag is always raised: it is a human's own act.
    """
    if any(_is_the_same(standing, type, scope, raised_by, drift) for standing in flags.standing.values()):
        return None
    until = now.wall + TEMPORARY_FOR if type is KillKind.TEMPORARY else None
    return KillFlag(KillEvent.RAISED, flag, type, scope, reason, raised_by, until, cancel_working, drift)


def _is_the_same(flag: Standing, type: KillKind, scope: str, raised_by: str, drift: str | None) -> bool:
    if flag.type is not type or type is KillKind.ONE_WAY:
        return False
    if type is KillKind.DRIFT:
        return flag.drift == drift
    return flag.scope == scope and (type is KillKind.TEMPORARY or flag.raised_by == raised_by)


def may_lift(flag: Standing, now: Moment, grounds: Grounds) -> Refusal | None:
    """Whether these grounds bring this flag down."""
    if flag.type is KillKind.ONE_WAY:
        return _by_hand(grounds, "a one-way kill is cleared by a signed command only")
    if flag.type is KillKind.TEMPORARY:
        return _by_time_and_refresh(flag, now, grounds)
    if flag.type is KillKind.DRIFT:
        return None if grounds.drift_resolved else _unproven("its drift is not resolved")
    return None if grounds.rule_over else _by_hand(grounds, "the rule that raised it still holds")


def lift_flag(flag: Standing, by: str, reason: str) -> KillFlag:
    """The bead that brings a flag down."""
    return KillFlag(KillEvent.LIFTED, flag.flag, flag.type, flag.scope, reason, by, flag.until, False, flag.drift)


def _unproven(detail: str) -> Refusal:
    return refusal(Reason.RESOLUTION_NOT_PROVEN, detail=detail)


def _by_hand(grounds: Grounds, otherwise: str) -> Refusal | None:
    if not grounds.signed:
        return _unproven(otherwise)
    return None if grounds.reason else refusal(Reason.REASON_REQUIRED, detail="say why the flag may come down")


def _by_time_and_refresh(flag: Standing, now: Moment, grounds: Grounds) -> Refusal | None:
    missing: list[str] = []
    if flag.until is not None and now.wall < flag.until:
        missing.append(f"its time is not over until {flag.until:%H:%M:%S} UTC")
    if grounds.anchored is None or grounds.anchored <= flag.seq:
        missing.append("the anchor was not refreshed after it was raised")
    return _unproven(" and ".join(missing)) if missing else None
