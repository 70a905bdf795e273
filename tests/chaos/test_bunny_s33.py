"""The fifteen vectors of S33, phase 1, in their wave order, on the production engine.

Vectors 1 to 3 and 10 stand before the real client library and our own gateway on a loopback socket, 14 before the mock
and then there, 7 and 8 before the messenger's real client and an HTTP server; the others before the mock broker.
"""

from __future__ import annotations

from tests.chaos.bunny import holds
from tests.showing import shows


@shows("CV_S33_1_IBKR_DISCONNECT")
def test_vector_1_ibkr_disconnect() -> None:
    """The gateway is killed: noticed, told, kept; nothing is sent into the void, and protection is not touched."""
    holds("CV_S33_1_IBKR_DISCONNECT")


@shows("CV_S33_2_IBKR_RECONNECT")
def test_vector_2_ibkr_reconnect() -> None:
    """The gateway is away for two attempts; what happened meanwhile is learnt, once."""
    holds("CV_S33_2_IBKR_RECONNECT")


@shows("CV_S33_3_GATEWAY_AUTO_UPDATE")
def test_vector_3_gateway_auto_update() -> None:
    """The gateway restarts itself in a new version: reconnected, recorded, reconciled before anything is sent."""
    holds("CV_S33_3_GATEWAY_AUTO_UPDATE")


@shows("CV_S33_4_MONITORING_PROCESS_DEATH")
def test_vector_4_monitoring_process_death() -> None:
    """The engine dies: the watchdog, another process, says MISSED; after three, that nobody watches the desk."""
    holds("CV_S33_4_MONITORING_PROCESS_DEATH")


@shows("CV_S33_5_SEMANTIC_HEALTH_DEGRADE")
def test_vector_5_semantic_health_degrade() -> None:
    """The process runs, the socket answers, and no word on an order comes for ten minutes: DEGRADED, and why."""
    holds("CV_S33_5_SEMANTIC_HEALTH_DEGRADE")


@shows("CV_S33_6_HEARTBEAT_JITTER")
def test_vector_6_heartbeat_jitter() -> None:
    """Every beat comes up to ten seconds late: no false alarm; a real gap still raises one."""
    holds("CV_S33_6_HEARTBEAT_JITTER")


@shows("CV_S33_7_TELEGRAM_TIMEOUT")
def test_vector_7_telegram_timeout() -> None:
    """The messenger is blocked: alerts wait, are tried again without haste, and the desk goes on."""
    holds("CV_S33_7_TELEGRAM_TIMEOUT")


@shows("CV_S33_8_TELEGRAM_REAL_FLOOD")
def test_vector_8_telegram_real_flood() -> None:
    """Fifty alerts in a minute: a handful of messages with all of them in it; what is CRITICAL does not wait."""
    holds("CV_S33_8_TELEGRAM_REAL_FLOOD")


@shows("CV_S33_9_STALE_DURING_APPROVAL", "S33-STL-01")
def test_vector_9_stale_during_approval() -> None:
    """The human looks at the screen for more than 15 minutes: approving is blocked, and why is kept."""
    holds("CV_S33_9_STALE_DURING_APPROVAL")


@shows("CV_S33_10_PAPER_ORDER_REJECT", "S33-CON-08")
def test_vector_10_paper_order_reject() -> None:
    """A symbol that nobody lists: nothing to sign; one that the broker refuses: REJECTED, told, no crash."""
    holds("CV_S33_10_PAPER_ORDER_REJECT")


@shows("CV_S33_11_RUNBOOK_DRILL")
def test_vector_11_runbook_drill() -> None:
    """RB-004 as written: halt, look, see that nothing leaves and protection stands, clear by signature, record."""
    holds("CV_S33_11_RUNBOOK_DRILL")


@shows("CV_S33_12_RECON_DRIFT_LIVE")
def test_vector_12_recon_drift_live() -> None:
    """The position at the broker is not ours: a kill on the instrument, and the alert opens RB-002."""
    holds("CV_S33_12_RECON_DRIFT_LIVE")


@shows("CV_S33_13_ACCOUNT_MISMATCH")
def test_vector_13_account_mismatch() -> None:
    """The broker says that this is another account, of real money: nothing is sent, and no token is spent."""
    holds("CV_S33_13_ACCOUNT_MISMATCH")


@shows("CV_S33_14_PACING_VIOLATION", "S33-CON-07", "S32-CON-06")
def test_vector_14_pacing_violation() -> None:
    """Eleven brackets at once, 33 frames: they leave at the pace that the broker takes, whole, and all of them."""
    holds("CV_S33_14_PACING_VIOLATION")


@shows("CV_S33_15_PARAM_CHANGE_REVALIDATE")
def test_vector_15_param_change_revalidate() -> None:
    """A parameter of the strategy changes: the shadow begins anew, five vectors are owed, and nothing is promoted."""
    holds("CV_S33_15_PARAM_CHANGE_REVALIDATE")
