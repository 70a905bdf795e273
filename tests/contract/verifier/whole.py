"""What a bead says besides what a story is about: a body is read whole or not at all."""

from __future__ import annotations

from typing import Final

from phoenix_core.canonical import Json

Record = dict[str, Json]

WORDS: Final = "sha256:" + "0" * 64  # the hash of somebody's words
AT: Final = "2026-11-18T18:59:00.000000Z"
LIMIT: Final = 300_000_000  # five minutes, in microseconds
SIZING: Final[Record] = {"equity": "10000", "currency": "EUR", "risk_per_trade": "0.005", "stop_distance": "0.005"}
SIZING.update({"rate": "0.92", "computed": "1000", "quantity": "1000", "risk": "5", "notional": "1000"})
PRICES: Final[Record] = {"stop": "1.08", "target": "1.1"}
CHECKED: Final = ("process_alive", "ibkr_connected", "semantic_healthy")
CHECKED_TOO: Final = ("store_commits", "data_arriving", "notifier_responds")
EVIDENCE: Final[Record] = {"version": 1, "signal_id": "s-1", "strategy": "meanrev", "setup_type": "fade"}
EVIDENCE.update({"confidence": "0.7", "state_hash": "sha256:0", "state_age": 1, "state_limit": LIMIT, "sizing": SIZING})
EVIDENCE.update({"signal_created_at": AT, "signal_entry": "1.085", "reward_risk": "3", "drift_bps_max": 25, **PRICES})
EVIDENCE["quote"] = {"bid": "1.085", "ask": "1.0851", "at": AT, "delayed": False}
EVIDENCE.update({"position_before": "0", "gross_before": "0", "daily_loss": "0", "flags": [], "instrument_name": ""})
POSITION: Final[Record] = {"signal_id": "s-1", "strategy": "meanrev", "pair": "EURUSD", "side": "BUY"}
POSITION.update({"entry_price": "1.085", "stop_price": "1.08", "target_price": "1.1", "partial_fill_ratio": "0"})
POSITION.update({"filled_quantity": "0", "requested_quantity": "1000", "exited_quantity": "0", "reasons": []})
POSITION.update({"entry_working": False, "closing": False})
POLICY: Final[Record] = {"limits": {}, "instruments": ["EURUSD"], "order_types": ["MARKET"], "risk_per_trade": "0.005"}
POLICY.update({"drift_bps_max": 25, "spread_bps_max": 20, "stale_after": LIMIT, "odd_lots": False})
POLICY.update({"delayed_quotes": False, "four_eyes": False})
SIGNAL: Final[Record] = {"schema": "cse-1", "signal": "READY", "side": "BUY", "setup_type": "fade", "confidence": "0.7"}
SIGNAL.update({"entry": "1.085", "state_hash": "sha256:0", "created_at": AT, "signal_id": "s-1", **PRICES})
HEARTBEAT: Final[Record] = {"status": "HEALTHY", "health_state": "HEALTHY", "details": {}, "miss_count": 0}
HEARTBEAT["checks"] = dict[str, Json].fromkeys((*CHECKED, *CHECKED_TOO), True)
DRIFT: Final[Record] = {"drift_type": "POSITION_SIZE", "severity": "CRITICAL", "subject": "EURUSD", "cause": "size"}
DRIFT.update({"phoenix_state": {}, "broker_state": {}, "session": 1, "instrument": "EURUSD", "refs": []})
PROMOTION: Final[Record] = {"from": "SHADOW", "to": "LIVE", "kill_flag": False, "unresolved_drift_count": 0}
PROMOTION.update({"sessions": 20, "regimes": [], "max_drawdown": "0.1", "worst_day": "-5", "sharpe": "1.5"})
PROMOTION.update({"signalman_kills": 0, "override_frequency": "0", "autopsy_summary": "", "token_id": ""})
PROMOTION["bunny_vectors_fail"] = 0
REST: Final[dict[str, Record]] = {
    "GENESIS": {"account_mask": "DU...567", "port": 4002, "desk_key_hash": "d" * 64, "currency": "EUR", "baseline": []},
    "LEASE": {"run": "run-1", "version": "0.1.0", "detail": ""},
    "POLICY": POLICY,
    "SIGNAL": {"digest": "0" * 64, "name": "", "reasons": [], "detail": ""},
    "EVIDENCE": EVIDENCE,
    "T2_TOKEN": {"reasons": []},
    "KILL_FLAG": {"reason": "drill", "raised_by": "rule", "cancel_working": False},
    "POSITION": POSITION,
    "ORDER": {"frames": []},
    "HEARTBEAT": HEARTBEAT,
    "STATE_ANCHOR": {"state_hash": "sha256:0", "regime": "DEFAULT", "anchored_by": "boss"},
    "RECONCILIATION_DRIFT": DRIFT,
    "RECONCILIATION_RESOLUTION": {"resolved_by": "boss", "notes": WORDS, "cleared": False},
    "PROMOTION": PROMOTION,
}


SAID: Final[dict[str, Record]] = {
    "adopt": {"strategy": "meanrev", "reason": WORDS, "linked_to": None, "drift": None, **PRICES},
    "resolve-stalled": {"reason": WORDS, "quantity": None, "price": None, "reference": None},
    "drift-resolve": {"notes": WORDS, "execution": None, "quantity": None, "price": None},
}


def whole(kind: str, body: Record) -> Record:
    """The body with all that its kind has; what it says itself stands."""
    signal = body.get("signal")
    canonical: Record = {"signal": SIGNAL | signal} if isinstance(signal, dict) else {}
    return REST.get(kind, {}) | body | canonical
