"""Every kind of bead, and the signature that several kinds carry."""

from __future__ import annotations

from attrs import frozen

from phoenix_core.values import Named


class Kind(Named):
    """Every kind of bead there is."""

    GENESIS = "GENESIS"
    LEASE = "LEASE"
    OPERATOR = "OPERATOR"
    POLICY = "POLICY"
    SIGNAL = "SIGNAL"
    EVIDENCE = "EVIDENCE"
    DECISION = "DECISION"
    T2_TOKEN = "T2_TOKEN"
    KILL_FLAG = "KILL_FLAG"
    STATE_ANCHOR = "STATE_ANCHOR"
    STATE_CONFLICT = "STATE_CONFLICT"
    POSITION = "POSITION"
    ORDER = "ORDER"
    EXECUTION = "EXECUTION"
    AUTOPSY = "AUTOPSY"
    OBSERVATION = "OBSERVATION"
    RECONCILIATION_DRIFT = "RECONCILIATION_DRIFT"
    RECONCILIATION_RESOLUTION = "RECONCILIATION_RESOLUTION"
    IBKR_SESSION = "IBKR_SESSION"
    HEARTBEAT = "HEARTBEAT"
    ALERT = "ALERT"
    PROMOTION = "PROMOTION"
    CONFIG_CHANGE = "CONFIG_CHANGE"
    SHADOW = "SHADOW"


@frozen
class Signed:
    """A human's signature as it is kept: the exact statement, the SSHSIG over it, and what the check found."""

    statement: str
    signature: str
    key: str
    assurance: str
    presence: bool
    verification: bool
    counter: int
