"""Every reason Phoenix says no, in order of precedence: the first red light is the headline, the rest are shown too.

A `Refusal` is a rule's answer. A broker's fault and a bug of ours are other things and never come as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from phoenix_core.values import Named


class Reason(Named):
    """Named as a sentence that an operator understands at three in the morning. Declared in order of precedence."""

    # The desk itself
    DESK_NOT_INITIALISED = "DESK_NOT_INITIALISED"
    DESK_EXISTS_ALREADY = "DESK_EXISTS_ALREADY"
    LOG_NOT_VERIFIED = "LOG_NOT_VERIFIED"
    OBSERVE_ONLY = "OBSERVE_ONLY"
    EXITS_ONLY = "EXITS_ONLY"
    ENGINE_NOT_RUNNING = "ENGINE_NOT_RUNNING"
    ENGINE_RUNS_ALREADY = "ENGINE_RUNS_ALREADY"
    # Guards, in the order of the table in gate/guards.py
    ACCOUNT_MISMATCH = "ACCOUNT_MISMATCH"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    PORT_MISMATCH = "PORT_MISMATCH"
    MODE_MISMATCH = "MODE_MISMATCH"
    LIVE_NOT_ALLOWED = "LIVE_NOT_ALLOWED"
    PAPER_VALIDATION_MISSING = "PAPER_VALIDATION_MISSING"
    STRATEGY_NOT_PROMOTED = "STRATEGY_NOT_PROMOTED"
    LEASE_LOST = "LEASE_LOST"
    KILL_FLAG_ACTIVE = "KILL_FLAG_ACTIVE"
    KILL_FLAG_UNREADABLE = "KILL_FLAG_UNREADABLE"
    STATE_CONFLICT = "STATE_CONFLICT"
    POLICY_MISSING = "POLICY_MISSING"
    POLICY_OUT_OF_BOUNDS = "POLICY_OUT_OF_BOUNDS"
    INSTRUMENT_NOT_ALLOWED = "INSTRUMENT_NOT_ALLOWED"
    INSTRUMENT_BUSY = "INSTRUMENT_BUSY"
    ORDER_QUANTITY_LIMIT = "ORDER_QUANTITY_LIMIT"
    ORDER_NOTIONAL_LIMIT = "ORDER_NOTIONAL_LIMIT"
    INSTRUMENT_LIMIT = "INSTRUMENT_LIMIT"
    GROSS_LIMIT = "GROSS_LIMIT"
    OPEN_POSITIONS_LIMIT = "OPEN_POSITIONS_LIMIT"
    ENTRIES_PER_DAY_LIMIT = "ENTRIES_PER_DAY_LIMIT"
    DAILY_LOSS_LIMIT = "DAILY_LOSS_LIMIT"
    NOT_RECONCILED = "NOT_RECONCILED"
    DRIFT_OPEN = "DRIFT_OPEN"
    LINK_DOWN = "LINK_DOWN"
    LINK_SILENT = "LINK_SILENT"
    RESTART_WINDOW = "RESTART_WINDOW"
    BROKER_CLOCK_SKEW = "BROKER_CLOCK_SKEW"
    MARKET_CLOSED = "MARKET_CLOSED"
    MARKET_CLOSES_SOON = "MARKET_CLOSES_SOON"
    HOURS_UNKNOWN = "HOURS_UNKNOWN"
    QUOTE_MISSING = "QUOTE_MISSING"
    QUOTE_DELAYED = "QUOTE_DELAYED"
    QUOTE_STALE = "QUOTE_STALE"
    SPREAD_TOO_WIDE = "SPREAD_TOO_WIDE"
    PRICE_MOVED = "PRICE_MOVED"
    STOP_ON_WRONG_SIDE = "STOP_ON_WRONG_SIDE"
    TOKEN_MISSING = "TOKEN_MISSING"
    TOKEN_USED = "TOKEN_USED"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_REVOKED = "TOKEN_REVOKED"
    TOKEN_WRONG_INTENT = "TOKEN_WRONG_INTENT"
    TOKEN_WRONG_ORDER = "TOKEN_WRONG_ORDER"
    TOKEN_WRONG_EVIDENCE = "TOKEN_WRONG_EVIDENCE"
    TOKEN_OTHER_RUN = "TOKEN_OTHER_RUN"
    TOKEN_SIGNATURE = "TOKEN_SIGNATURE"
    PACING = "PACING"
    # Exits
    EXIT_TOO_LARGE = "EXIT_TOO_LARGE"
    EXIT_WITHOUT_MANDATE = "EXIT_WITHOUT_MANDATE"
    EXIT_EXPIRED = "EXIT_EXPIRED"
    EXIT_WRONG_SIZE = "EXIT_WRONG_SIZE"
    CLOSE_ALREADY_WORKING = "CLOSE_ALREADY_WORKING"
    PROTECTION_STILL_WORKS = "PROTECTION_STILL_WORKS"
    NOTHING_TO_CLOSE = "NOTHING_TO_CLOSE"
    # Approvals and signatures
    STATEMENT_MALFORMED = "STATEMENT_MALFORMED"
    STATEMENT_WRONG_TYPE = "STATEMENT_WRONG_TYPE"
    STATEMENT_OTHER_LOG = "STATEMENT_OTHER_LOG"
    STATEMENT_OTHER_MODE = "STATEMENT_OTHER_MODE"
    STATEMENT_OTHER_ACCOUNT = "STATEMENT_OTHER_ACCOUNT"
    STATEMENT_OTHER_HISTORY = "STATEMENT_OTHER_HISTORY"
    STATEMENT_OTHER_INTENT = "STATEMENT_OTHER_INTENT"
    STATEMENT_OTHER_EVIDENCE = "STATEMENT_OTHER_EVIDENCE"
    STATEMENT_OTHER_ORDER = "STATEMENT_OTHER_ORDER"
    STATEMENT_OTHER_RENDER = "STATEMENT_OTHER_RENDER"
    STATEMENT_OTHER_QUOTE = "STATEMENT_OTHER_QUOTE"
    STATEMENT_EXPIRED = "STATEMENT_EXPIRED"
    STATEMENT_PRESIGNED = "STATEMENT_PRESIGNED"
    STATEMENT_REPLAYED = "STATEMENT_REPLAYED"
    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"
    SIGNATURE_NAMESPACE = "SIGNATURE_NAMESPACE"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_NOT_YET_VALID = "KEY_NOT_YET_VALID"
    KEY_REVOKED = "KEY_REVOKED"
    KEY_IS_SOFTWARE = "KEY_IS_SOFTWARE"
    PRESENCE_MISSING = "PRESENCE_MISSING"
    VERIFICATION_MISSING = "VERIFICATION_MISSING"
    COUNTER_STUCK = "COUNTER_STUCK"
    PROPOSER_MAY_NOT_APPROVE = "PROPOSER_MAY_NOT_APPROVE"
    SAME_PERSON_TWICE = "SAME_PERSON_TWICE"
    DECIDED_ALREADY = "DECIDED_ALREADY"
    EVIDENCE_MISSING = "EVIDENCE_MISSING"
    EVIDENCE_EXPIRED = "EVIDENCE_EXPIRED"
    # Signals and sizing
    SIGNAL_MALFORMED = "SIGNAL_MALFORMED"
    SIGNAL_NOT_READY = "SIGNAL_NOT_READY"
    SIGNAL_TOO_OLD = "SIGNAL_TOO_OLD"
    SIGNAL_FROM_THE_FUTURE = "SIGNAL_FROM_THE_FUTURE"
    SIGNAL_SEEN_BEFORE = "SIGNAL_SEEN_BEFORE"
    SIGNAL_GEOMETRY = "SIGNAL_GEOMETRY"
    ORDER_TYPE_NOT_ENABLED = "ORDER_TYPE_NOT_ENABLED"
    QUANTITY_OFF_GRID = "QUANTITY_OFF_GRID"
    QUANTITY_BELOW_MINIMUM = "QUANTITY_BELOW_MINIMUM"
    PRICE_OFF_GRID = "PRICE_OFF_GRID"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    # State machine and things that are not there
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    UNKNOWN_INTENT = "UNKNOWN_INTENT"
    UNKNOWN_POSITION = "UNKNOWN_POSITION"
    UNKNOWN_DRIFT = "UNKNOWN_DRIFT"
    UNKNOWN_KILL_FLAG = "UNKNOWN_KILL_FLAG"
    UNKNOWN_ALERT = "UNKNOWN_ALERT"
    WRONG_STATE = "WRONG_STATE"
    SNAPSHOTS_MISSING = "SNAPSHOTS_MISSING"
    RESOLUTION_NOT_PROVEN = "RESOLUTION_NOT_PROVEN"
    REASON_REQUIRED = "REASON_REQUIRED"
    NOTHING_TO_DO = "NOTHING_TO_DO"
    # Trust
    PROMOTION_INCOMPLETE = "PROMOTION_INCOMPLETE"
    PROMOTION_NOT_APPROVED = "PROMOTION_NOT_APPROVED"
    REVALIDATION_OPEN = "REVALIDATION_OPEN"


PRECEDENCE: Final[dict[Reason, int]] = {reason: n for n, reason in enumerate(Reason)}

# A transient no may turn to yes while the token lives: the desk asks again instead of withdrawing the intent.
_TRANSIENT: Final = frozenset(
    {
        Reason.ENGINE_NOT_RUNNING,
        Reason.ACCOUNT_UNKNOWN,  # a broker that is away says nothing, not even whose account it was
        Reason.NOT_RECONCILED,  # a session that has just begun is looked at within a second or two
        Reason.LINK_DOWN,
        Reason.LINK_SILENT,
        Reason.RESTART_WINDOW,
        Reason.QUOTE_MISSING,  # nor what anything costs; a price that moved meanwhile is another no, and final
        Reason.PACING,
    }
)


def is_transient(reason: Reason) -> bool:
    """Whether waiting may help. Every reason is on one side or the other; nothing is transient by default."""
    return reason in _TRANSIENT


@frozen
class Refusal:
    """A rule said no: every reason that held, headline first, and one sentence for the person who asked."""

    reasons: tuple[Reason, ...]
    detail: str = ""

    def __attrs_post_init__(self) -> None:
        """A refusal without a reason would be a shrug."""
        assert self.reasons, "a refusal names at least one reason"

    @property
    def headline(self) -> Reason:
        """The reason that takes precedence."""
        return self.reasons[0]

    @property
    def is_transient(self) -> bool:
        """Whether every red light is one that may turn green by itself."""
        return all(is_transient(reason) for reason in self.reasons)


def refusal(*reasons: Reason, detail: str = "") -> Refusal:
    """Build a refusal with its reasons in order of precedence, each once."""
    return Refusal(tuple(sorted(set(reasons), key=PRECEDENCE.__getitem__)), detail)


def merged(refusals: Iterable[Refusal | None]) -> Refusal | None:
    """One refusal out of many answers: all reasons, all sentences; None where nobody objected."""
    said = tuple(filter(None, refusals))
    if not said:
        return None
    detail = "; ".join(dict.fromkeys(r.detail for r in said if r.detail))
    return refusal(*(reason for r in said for reason in r.reasons), detail=detail)
