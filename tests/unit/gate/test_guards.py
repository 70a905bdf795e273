"""The thirteen guards: every outcome of the table, and the small guards one by one."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from phoenix_core.gate.guards import (
    Guard,
    Lights,
    account_light,
    currency_light,
    drift_light,
    headline,
    lease_light,
    link_light,
    mode_light,
    pacing_light,
    port_light,
    red_lights,
    verdict,
)
from phoenix_core.refusals import Reason, Refusal, refusal
from phoenix_core.values import Account, Mode
from tests.showing import shows

# The table of the specification, written out by hand: guard after guard, with a reason that only it gives.
BY_HAND: Final = (
    ("account", Reason.ACCOUNT_MISMATCH),
    ("port", Reason.PORT_MISMATCH),
    ("mode", Reason.MODE_MISMATCH),
    ("lease", Reason.LEASE_LOST),
    ("kill", Reason.KILL_FLAG_ACTIVE),
    ("stale", Reason.STATE_CONFLICT),
    ("limits", Reason.GROSS_LIMIT),
    ("drift", Reason.DRIFT_OPEN),
    ("link", Reason.LINK_DOWN),
    ("session", Reason.MARKET_CLOSED),
    ("price", Reason.PRICE_MOVED),
    ("token", Reason.TOKEN_EXPIRED),
    ("pacing", Reason.PACING),
)
GREEN: Final = Lights(
    account=None,
    port=None,
    mode=None,
    lease=None,
    kill=None,
    stale=None,
    limits=None,
    drift=None,
    link=None,
    session=None,
    price=None,
    token=None,
    pacing=None,
)


def lit(red: dict[str, Refusal]) -> Lights:
    """All green but these."""
    return evolve(GREEN, **red)


def reasons(light: Refusal | None) -> tuple[Reason, ...]:
    """What a light says; nothing where it is green."""
    return () if light is None else light.reasons


class TestTable:
    """All thirteen lights at once: what is red, what comes first, what is said."""

    @shows("S33-GRD-06")
    def test_every_outcome_has_its_headline(self) -> None:
        """Of all 8,192 outcomes each names exactly its red lights, in order, the first of them as headline."""
        seen = 0
        for bits in product((False, True), repeat=len(BY_HAND)):
            on = [(name, reason) for (name, reason), bit in zip(BY_HAND, bits, strict=True) if bit]
            lights = lit({name: refusal(reason, detail=f"{name} is red") for name, reason in on})
            said = verdict(lights)
            assert [(guard.value, light.headline) for guard, light in red_lights(lights)] == on
            assert headline(lights) is (on[0][1] if on else None)
            assert reasons(said) == tuple(reason for _, reason in on)
            assert (said is None) == (not on)
            assert said is None or said.detail == "; ".join(f"{name} is red" for name, _ in on)
            seen += 1
        assert seen == 8192

    def test_the_guards_are_the_thirteen_in_order(self) -> None:
        """The enum and the hand-written table name the same guards in the same order."""
        assert [guard.value for guard in Guard] == [name for name, _ in BY_HAND]

    def test_no_guard_is_green_unless_asked(self) -> None:
        """Lights without an answer for every guard cannot be made."""
        with pytest.raises(TypeError, match="missing 13 required"):
            Lights()  # type: ignore[call-arg]  # the test is that the type forbids it too

    def test_a_guard_keeps_its_place_whatever_its_reason(self) -> None:
        """A token made for another account speaks in the token's place, after a lost lease."""
        lights = lit({"lease": refusal(Reason.LEASE_LOST), "token": refusal(Reason.ACCOUNT_MISMATCH)})
        assert reasons(verdict(lights)) == (Reason.LEASE_LOST, Reason.ACCOUNT_MISMATCH)
        assert headline(lights) is Reason.LEASE_LOST

    def test_all_reasons_of_one_guard_in_their_order_and_each_once(self) -> None:
        """One guard may have several reasons; two guards may have the same one; sentences are said once."""
        link = Refusal((Reason.LINK_SILENT, Reason.LINK_DOWN), "no link")
        lights = lit({"link": link, "pacing": refusal(Reason.LINK_SILENT, Reason.PACING, detail="no link")})
        said = verdict(lights)
        assert reasons(said) == (Reason.LINK_DOWN, Reason.LINK_SILENT, Reason.PACING)
        assert said is not None
        assert said.detail == "no link"

    def test_silent_lights_leave_no_empty_sentences(self) -> None:
        """A light without a sentence adds none."""
        lights = lit({"link": refusal(Reason.LINK_DOWN), "pacing": refusal(Reason.PACING, detail="full")})
        said = verdict(lights)
        assert said is not None
        assert said.detail == "full"

    @shows("CV_S32_STALE_APPROVAL", "S32-STL-06")
    def test_the_sixteen_minute_drill_answers_state_conflict(self) -> None:
        """After 16 minutes the token is dead too; the context speaks first."""
        lights = lit({"token": refusal(Reason.TOKEN_EXPIRED), "stale": refusal(Reason.STATE_CONFLICT)})
        assert headline(lights) is Reason.STATE_CONFLICT

    def test_waiting_helps_only_where_every_light_is_transient(self) -> None:
        """Link and pacing turn green by themselves; one lasting light among them and the intent is withdrawn."""
        waiting = {"link": refusal(Reason.LINK_SILENT), "pacing": refusal(Reason.PACING)}
        patient, final = verdict(lit(waiting)), verdict(lit(waiting | {"kill": refusal(Reason.KILL_FLAG_ACTIVE)}))
        assert patient is not None
        assert patient.is_transient
        assert final is not None
        assert not final.is_transient


PAPER: Final = Account("tag-paper", "DU...567")
OTHER_PAPER: Final = Account("tag-other", "DU...999")
LIVE: Final = Account("tag-live", "U...123")
MOCK: Final = Account("tag-mock", "MOCK")
accounts: Final = st.sampled_from([PAPER, OTHER_PAPER, LIVE, MOCK])
modes: Final = st.sampled_from(Mode)
KIND: Final = {PAPER: Mode.PAPER, OTHER_PAPER: Mode.PAPER, LIVE: Mode.LIVE, MOCK: Mode.MOCK}


@shows("INV-IBKR-ACCOUNT-CHECK-1", "S33-GRD-03", "S33-GRD-05", "S33-GRD-08", "CV_S33_13_ACCOUNT_MISMATCH")
class TestAccount:
    """INV-IBKR-ACCOUNT-CHECK-1: Each submit validates account against mode and rejects before sending on mismatch."""

    @given(mode=modes, expected=accounts, reported=st.lists(accounts, max_size=4).map(tuple))
    def test_green_exactly_for_our_account_of_the_right_kind(
        self, mode: Mode, expected: Account, reported: tuple[Account, ...]
    ) -> None:
        """The broker reports the desk's account, and its letters are those of the mode; else one named reason."""
        light = account_light(mode, expected, reported)
        if not reported:
            assert reasons(light) == (Reason.ACCOUNT_UNKNOWN,)
        elif expected in reported and KIND[expected] is mode:
            assert light is None
        else:
            assert reasons(light) == (Reason.ACCOUNT_MISMATCH,)

    def test_a_tag_under_a_mask_of_another_kind_is_refused(self) -> None:
        """The broker shows a live mask for the account that the log knows as paper."""
        light = account_light(Mode.PAPER, PAPER, (PAPER, evolve(PAPER, mask="U...567")))
        assert light == refusal(Reason.ACCOUNT_MISMATCH, detail="U...567 is no PAPER account (DU*)")

    def test_a_desk_that_knows_its_account_under_another_kind_is_refused(self) -> None:
        """The log's own mask counts as much as the broker's."""
        light = account_light(Mode.PAPER, evolve(PAPER, mask="U...567"), (PAPER,))
        assert light == refusal(Reason.ACCOUNT_MISMATCH, detail="U...567 is no PAPER account (DU*)")

    def test_it_says_whose_account_it_met(self) -> None:
        """The sentence names both masks, and no tag."""
        light = account_light(Mode.PAPER, PAPER, (OTHER_PAPER, LIVE))
        assert light is not None
        assert light.detail == "the desk trades DU...567, the broker reports DU...999, U...123"

    def test_a_mismatch_leads_whatever_the_token_says(self) -> None:
        """Account and port fail before the token is looked at."""
        lights = lit(
            {
                "token": refusal(Reason.TOKEN_MISSING),
                "port": port_light(Mode.PAPER, 4001) or refusal(Reason.PACING),
                "account": account_light(Mode.PAPER, PAPER, (LIVE,)) or refusal(Reason.PACING),
            }
        )
        assert reasons(verdict(lights)) == (Reason.ACCOUNT_MISMATCH, Reason.PORT_MISMATCH, Reason.TOKEN_MISSING)


def test_a_desk_counts_in_what_its_account_is_kept_in() -> None:
    """Red exactly where the broker names another currency; not yet knowing it is none."""
    for desk, account in product(("USD", "EUR", "JPY"), ("USD", "EUR", "JPY", "")):
        assert reasons(currency_light(desk, account)) == (
            (Reason.ACCOUNT_MISMATCH,) if account not in ("", desk) else ()
        )


@shows("S33-GRD-04", "S33-GRD-05", "S32-CON-07")
class TestPort:
    """Each mode has its one port."""

    @pytest.mark.parametrize("mode", Mode)
    @pytest.mark.parametrize("port", [0, 4000, 4001, 4002, 4003, 7496, 7497])
    def test_one_port_for_each_mode(self, mode: Mode, port: int) -> None:
        """MOCK 0, PAPER 4002, LIVE 4001, and no other."""
        right = (mode, port) in {(Mode.MOCK, 0), (Mode.PAPER, 4002), (Mode.LIVE, 4001)}
        light = port_light(mode, port)
        assert (light is None) == right
        assert right or reasons(light) == (Reason.PORT_MISMATCH,)
        assert light is None or str(port) in light.detail


@shows("INV-IBKR-PAPER-GUARD-1", "S33-GRD-02", "S33-GRD-07", "S33-GRD-10")
class TestPaperGuard:
    """INV-IBKR-PAPER-GUARD-1: Live needs IBKR_ALLOW_LIVE=true and a restart; startup rejects live without the flag."""

    @given(mode=modes, running=modes, allow_live=st.booleans(), validated=st.booleans())
    def test_the_whole_table(self, mode: Mode, running: Mode, allow_live: bool, validated: bool) -> None:
        """A desk has one mode for life; anything that smells of LIVE needs the permission of this very start."""
        expected = []
        if mode is not running:
            expected.append(Reason.MODE_MISMATCH)
        if Mode.LIVE in {mode, running}:
            expected += [Reason.LIVE_NOT_ALLOWED] * (not allow_live)
            expected += [Reason.PAPER_VALIDATION_MISSING] * (not validated)
        light = mode_light(mode, running, allow_live, validated)
        assert list(reasons(light)) == expected
        assert (light is None) == (not expected)

    def test_no_hot_flip_from_paper_to_live(self) -> None:
        """With every permission given, a paper desk still does not trade live, nor a live desk paper."""
        flipped = mode_light(Mode.PAPER, Mode.LIVE, allow_live=True, paper_validated=True)
        assert flipped == refusal(Reason.MODE_MISMATCH, detail="the desk is PAPER, this run is LIVE")
        assert reasons(mode_light(Mode.LIVE, Mode.PAPER, True, True)) == (Reason.MODE_MISMATCH,)


@shows("INV-IBKR-PAPER-FIRST-1")
class TestPaperFirst:
    """INV-IBKR-PAPER-FIRST-1: Live stays blocked until paper validation is complete."""

    @given(allow_live=st.booleans())
    def test_live_needs_the_validated_build(self, allow_live: bool) -> None:
        """Whatever else is allowed, an unvalidated build is named; validated and allowed, the light is green."""
        assert Reason.PAPER_VALIDATION_MISSING in reasons(mode_light(Mode.LIVE, Mode.LIVE, allow_live, False))
        assert mode_light(Mode.LIVE, Mode.LIVE, True, True) is None
        assert mode_light(Mode.PAPER, Mode.PAPER, False, False) is None
        assert mode_light(Mode.MOCK, Mode.MOCK, False, False) is None


def test_the_lease_is_the_epoch_that_the_log_names() -> None:
    """An epoch that was overtaken, or none at all, is red; the right one is green."""
    assert lease_light(7, 7) is None
    for held in (None, 6, 8):
        light = lease_light(held, 7)
        assert reasons(light) == (Reason.LEASE_LOST,)
        assert light is not None
        assert light.detail == f"this run holds epoch {held}, the log names 7"


def test_epoch_zero_is_an_epoch() -> None:
    """None means no lease; zero would be a bead like any other."""
    assert lease_light(0, 0) is None


@pytest.mark.parametrize("reconciled", [True, False])
@pytest.mark.parametrize("drifts", [(), ("d1",), ("d1", "d2")])
def test_drift_waits_for_the_first_reconciliation_and_for_humans(reconciled: bool, drifts: tuple[str, ...]) -> None:
    """Not yet reconciled in this session, something open, both, or green."""
    expected = [Reason.NOT_RECONCILED] * (not reconciled) + [Reason.DRIFT_OPEN] * bool(drifts)
    light = drift_light(reconciled, drifts)
    assert list(reasons(light)) == expected
    assert light is None or light.detail == "open: " + (", ".join(drifts) or "none")


SECOND: Final = timedelta(seconds=1)
TICK: Final = timedelta(microseconds=1)


class TestLink:
    """The way to the broker: up, answering, not about to restart, and agreeing about the time."""

    @shows("F42", "F59")
    @given(
        ready=st.booleans(),
        age=st.sampled_from([None, timedelta(0), 2 * SECOND - TICK, 2 * SECOND, 2 * SECOND + TICK, 60 * SECOND]),
        window=st.booleans(),
        skew=st.sampled_from(
            [-6 * SECOND, -5 * SECOND - TICK, -5 * SECOND, timedelta(0), 5 * SECOND, 5 * SECOND + TICK]
        ),
    )
    def test_every_combination(self, ready: bool, age: timedelta | None, window: bool, skew: timedelta) -> None:
        """Two seconds and five seconds are still good; one microsecond more is not, to either side."""
        silent = age is None or age not in (timedelta(0), 2 * SECOND - TICK, 2 * SECOND)
        skewed = skew not in (-5 * SECOND, timedelta(0), 5 * SECOND)
        expected = [Reason.LINK_DOWN] * (not ready) + [Reason.LINK_SILENT] * silent
        expected += [Reason.RESTART_WINDOW] * window + [Reason.BROKER_CLOCK_SKEW] * skewed
        light = link_light(ready, age, window, skew)
        assert list(reasons(light)) == expected
        assert (light is None) == (not expected)


@pytest.mark.parametrize(("room", "needed", "green"), [(1, 1, True), (0, 1, False), (2, 3, False), (3, 3, True)])
def test_a_hand_over_is_never_cut_in_the_middle(room: int, needed: int, green: bool) -> None:
    """There is room for all frames of a bracket, or none leaves."""
    light = pacing_light(room, needed)
    assert (light is None) == green
    assert green or light == refusal(Reason.PACING, detail=f"{needed} messages, room for {room}")


def test_one_message_is_what_pacing_counts_by_default() -> None:
    """A single frame needs room for one."""
    assert pacing_light(1) is None
    assert reasons(pacing_light(0)) == (Reason.PACING,)
