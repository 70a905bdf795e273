"""The seventeen vectors of S32, in their wave order, on the production engine.

Those of wave 2 stand before the mock in mode REALISTIC, and again before the real client library and our own gateway on
a loopback socket; the others before the mock broker.
"""

from __future__ import annotations

from tests.chaos.bunny import holds
from tests.showing import shows

# --- wave 1: token security ------------------------------------------------------------------------------------------


@shows("CV_S32_TOKEN_REPLAY", "S32-TOK-03", "S32-TOK-06")
def test_token_replay() -> None:
    """Its first use sends; every later one, by the signature or by the token, is refused and kept."""
    holds("CV_S32_TOKEN_REPLAY")


@shows("CV_S32_TOKEN_EXPIRED", "S32-TOK-03", "S32-LIF-07")
def test_token_expired() -> None:
    """Approved while nobody could send; after five minutes the approval is worth nothing."""
    holds("CV_S32_TOKEN_EXPIRED")


@shows("CV_S32_TOKEN_WRONG_INTENT", "S32-TOK-10")
def test_token_wrong_intent() -> None:
    """A token of one intent is presented for another; it stays good for its own."""
    holds("CV_S32_TOKEN_WRONG_INTENT")


@shows("CV_S32_ORDER_WITHOUT_TOKEN", "S32-CON-05")
def test_order_without_token() -> None:
    """No token: not by asking, not by a forged order in the log, not by a forged pass to the broker."""
    holds("CV_S32_ORDER_WITHOUT_TOKEN")


@shows("CV_S32_TOKEN_RACE", "S32-TOK-11")
def test_token_race() -> None:
    """Two processes validate one token on the same head, and both find it good: the log takes one."""
    holds("CV_S32_TOKEN_RACE")


# --- wave 2: broker chaos, mock and gateway --------------------------------------------------------------------------


@shows("CV_S32_IBKR_TIMEOUT", "S32-LIF-09", "S32-LIF-12", "S32-MOCK-06")
def test_ibkr_timeout() -> None:
    """Not a word from the broker: STALLED and told; nothing is sent again; the late fill finds its owner."""
    holds("CV_S32_IBKR_TIMEOUT")


@shows("CV_S32_IBKR_REJECTION", "S32-LIF-10", "S32-CON-10", "S32-MOCK-06")
def test_ibkr_rejection() -> None:
    """The broker says no margin: REJECTED, told, and not tried again."""
    holds("CV_S32_IBKR_REJECTION")


@shows("CV_S32_FILL_PARTIAL", "S32-LIF-19", "S32-MOCK-06")
def test_fill_partial() -> None:
    """Half is filled: one position, at the right ratio, protected for what it holds."""
    holds("CV_S32_FILL_PARTIAL")


@shows("CV_S32_PARTIAL_DRIFT", "S32-REC-07", "S32-REC-02", "S32-MOCK-06")
def test_partial_drift() -> None:
    """Half is filled and the broker reports 60 %: a drift bead, an alert, and no correction."""
    holds("CV_S32_PARTIAL_DRIFT")


# --- wave 3: reconciliation ------------------------------------------------------------------------------------------


@shows("CV_S32_RECONCILIATION_DRIFT", "S32-REC-06", "S32-REC-10", "S32-MOCK-06")
def test_reconciliation_drift() -> None:
    """The broker shows another position than ours: found, told, stopped; corrected by nobody but a human."""
    holds("CV_S32_RECONCILIATION_DRIFT")


@shows("CV_S32_ORDER_RACE", "S32-CON-11")
def test_order_race() -> None:
    """Two approvals of one intent on one head: one lands, the other is refused; one order leaves."""
    holds("CV_S32_ORDER_RACE")


# --- wave 4: lifecycle and promotion ---------------------------------------------------------------------------------


@shows("CV_S32_LIFECYCLE_INVALID", "S32-LIF-15")
def test_lifecycle_invalid() -> None:
    """PROPOSED is pushed to CLOSED: by a signed close, and by a forged bead."""
    holds("CV_S32_LIFECYCLE_INVALID")


@shows("CV_S32_PROMOTION_BYPASS")
def test_promotion_bypass() -> None:
    """Real money without a shadow period: refused, with the checklist."""
    holds("CV_S32_PROMOTION_BYPASS")


@shows("CV_S32_PROMOTION_PARTIAL")
def test_promotion_partial() -> None:
    """Nearly everything is there: refused, and what is missing is named, all of it and only it."""
    holds("CV_S32_PROMOTION_PARTIAL")


@shows("CV_S32_PROMOTION_VETO", "S32-PRO-09")
def test_promotion_veto() -> None:
    """All is there and a kill flag stands: refused, and the flag is cited."""
    holds("CV_S32_PROMOTION_VETO")


@shows("CV_S32_KILL_ENTRY_ATTEMPT")
def test_kill_entry_attempt() -> None:
    """A kill stops an entry wherever it is on its way: at approval, at submit, in the last look."""
    holds("CV_S32_KILL_ENTRY_ATTEMPT")


@shows("CV_S32_STALE_APPROVAL")
def test_stale_approval() -> None:
    """Approved, and nobody could send for 16 minutes: STATE_CONFLICT, before the token's own age is told."""
    holds("CV_S32_STALE_APPROVAL")
