"""The thirteen guards between an approved intent and the broker, in the order in which they speak.

Every guard runs on every submit and again in the last look, whatever the others say, so that the human sees every red
light; the first is the headline. The act fills `Lights`; nothing leaves while one of them is red. Account and port come
first: they are read before anything asks for the token, and a red light never spends it.

Guards that need only plain values stand here; the others live with what they judge (kill_flags, stale_gate, limits,
price, tokens) and hand their answer in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Final, cast

from attrs import fields, frozen

from phoenix_core.refusals import PRECEDENCE, Reason, Refusal, refusal
from phoenix_core.values import Account, Mode, Named

# The contract of the two gateways; the mock has none.
PORTS: Final = {Mode.MOCK: 0, Mode.PAPER: 4002, Mode.LIVE: 4001}
# How the broker spells whose money an account holds.
PREFIXES: Final = {Mode.MOCK: "MOCK", Mode.PAPER: "DU", Mode.LIVE: "U"}
# A link that has been silent for longer may be gone without anybody having said so.
ROUND_TRIP_AGE_MAX: Final = timedelta(seconds=2)
# Beyond this, "good for five minutes" and "older than two seconds" no longer mean at the broker what they mean here.
SKEW_MAX: Final = timedelta(seconds=5)


class Guard(Named):
    """The thirteen, in precedence."""

    ACCOUNT = "account"
    PORT = "port"
    MODE = "mode"
    LEASE = "lease"
    KILL = "kill"
    STALE = "stale"
    LIMITS = "limits"
    DRIFT = "drift"
    LINK = "link"
    SESSION = "session"
    PRICE = "price"
    TOKEN = "token"
    PACING = "pacing"


@frozen
class Lights:
    """What every guard found: None is green. No field has a default: a guard that was not asked is not green."""

    account: Refusal | None
    port: Refusal | None
    mode: Refusal | None
    lease: Refusal | None
    kill: Refusal | None
    stale: Refusal | None
    limits: Refusal | None
    drift: Refusal | None
    link: Refusal | None
    session: Refusal | None
    price: Refusal | None
    token: Refusal | None
    pacing: Refusal | None


assert tuple(f.name for f in fields(Lights)) == tuple(guard.value for guard in Guard), "one light for each guard"
_GUARDS: Final = tuple(Guard)
_lights_in_order: Final = cast(
    Callable[[Lights], tuple[Refusal | None, ...]], attrgetter(*(guard.value for guard in Guard))
)


def red_lights(lights: Lights) -> tuple[tuple[Guard, Refusal], ...]:
    """Every guard that objects, in precedence, with what it says."""
    found = zip(_GUARDS, _lights_in_order(lights), strict=True)
    return tuple([(guard, light) for guard, light in found if light is not None])


def headline(lights: Lights) -> Reason | None:
    """The first reason of the first guard that objects; None where all is green."""
    red = red_lights(lights)
    return red[0][1].headline if red else None


def verdict(lights: Lights) -> Refusal | None:
    """One refusal that holds every reason, in the order of the guards; None where all is green.

    The order is the guards' own, not that of `Reason`: a token made for another account says ACCOUNT_MISMATCH too, and
    still speaks in the token's place.
    """
    if not any(_lights_in_order(lights)):
        return None
    red = red_lights(lights)
    ordered = (r for _, light in red for r in sorted(light.reasons, key=PRECEDENCE.__getitem__))
    details = (light.detail for _, light in red if light.detail)
    return Refusal(tuple(dict.fromkeys(ordered)), "; ".join(dict.fromkeys(details)))


# --- the guards that need only plain values ---------------------------------------------------------------------------


def account_light(mode: Mode, expected: Account, reported: tuple[Account, ...]) -> Refusal | None:
    """The desk's account is among those that the broker reports, and it is of the kind that the mode trades."""
    if not reported:
        return refusal(Reason.ACCOUNT_UNKNOWN, detail="the broker has not said whose account this is")
    found = [account for account in reported if account.tag == expected.tag]
    if not found:
        shown = ", ".join(account.mask for account in reported)
        return refusal(Reason.ACCOUNT_MISMATCH, detail=f"the desk trades {expected.mask}, the broker reports {shown}")
    strange = [account.mask for account in (expected, *found) if account.prefix != PREFIXES[mode]]
    if strange:
        return refusal(Reason.ACCOUNT_MISMATCH, detail=f"{strange[0]} is no {mode} account ({PREFIXES[mode]}*)")
    return None


def currency_light(desk: str, account: str) -> Refusal | None:
    """The account is kept in the currency that the desk counts in; empty: the broker has not said which one it is."""
    if account in ("", desk):
        return None
    return refusal(Reason.ACCOUNT_MISMATCH, detail=f"the desk counts in {desk}, the account is kept in {account}")


def port_light(mode: Mode, port: int) -> Refusal | None:
    """The port that the session stands on is the one of the mode."""
    if port == PORTS[mode]:
        return None
    return refusal(Reason.PORT_MISMATCH, detail=f"{mode} trades on port {PORTS[mode]}, this is {port}")


def mode_light(mode: Mode, running: Mode, allow_live: bool, paper_validated: bool) -> Refusal | None:
    """The process runs in the desk's mode, for life; LIVE also needs its permission and a validated paper build.

    `mode` is the desk's own, from its genesis; `running` and `allow_live` are what the process was started with.
    """
    reasons: list[Reason] = []
    if running is not mode:
        reasons.append(Reason.MODE_MISMATCH)
    if Mode.LIVE in (mode, running) and not allow_live:
        reasons.append(Reason.LIVE_NOT_ALLOWED)
    if Mode.LIVE in (mode, running) and not paper_validated:
        reasons.append(Reason.PAPER_VALIDATION_MISSING)
    return refusal(*reasons, detail=f"the desk is {mode}, this run is {running}") if reasons else None


def lease_light(held: int | None, current: int) -> Refusal | None:
    """The epoch that this run holds is the one that the log names. None: this run holds no lease."""
    if held == current:
        return None
    return refusal(Reason.LEASE_LOST, detail=f"this run holds epoch {held}, the log names {current}")


def drift_light(reconciled: bool, open_drifts: tuple[str, ...]) -> Refusal | None:
    """The first reconciliation of this session is done, and nothing that blocks this entry is open."""
    reasons: list[Reason] = []
    if not reconciled:
        reasons.append(Reason.NOT_RECONCILED)
    if open_drifts:
        reasons.append(Reason.DRIFT_OPEN)
    return refusal(*reasons, detail="open: " + (", ".join(open_drifts) or "none")) if reasons else None


def link_light(
    ready: bool, round_trip_age: timedelta | None, in_restart_window: bool, skew: timedelta
) -> Refusal | None:
    """The link is up and synchronised, answered within two seconds, and both clocks agree within five."""
    reasons: list[Reason] = []
    if not ready:
        reasons.append(Reason.LINK_DOWN)
    if round_trip_age is None or round_trip_age > ROUND_TRIP_AGE_MAX:
        reasons.append(Reason.LINK_SILENT)
    if in_restart_window:
        reasons.append(Reason.RESTART_WINDOW)
    if abs(skew) > SKEW_MAX:
        reasons.append(Reason.BROKER_CLOCK_SKEW)
    return refusal(*reasons) if reasons else None


def pacing_light(room: int, needed: int = 1) -> Refusal | None:
    """There is room for all messages of the hand-over at once: a bracket is never cut in the middle."""
    return None if room >= needed else refusal(Reason.PACING, detail=f"{needed} messages, room for {room}")
