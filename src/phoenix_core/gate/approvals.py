"""Approvals: whose signature counts for what, judged from the signed bytes and nothing else.

The verifier says only that a key signed these bytes. Whether that key may sign for this desk, whether the statement is
about this log, this history, this account, this intent and exactly this order, and whether it is young and unused, is
decided here, field by field, with every reason that holds. A row that merely says "approved" opens nothing: the engine
judges the stored bytes of a decision again before it sends (`recorded`).

Software keys have no button to press: presence and verification do not apply to them, and they are refused in LIVE.
A hardware key proves presence always, and in LIVE also verification.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import Factory, define, evolve, frozen
from returns.result import Failure, Result, Success

from phoenix_core.beads import Bead, Decision, Operator, OperatorEvent, Signed, Verdict
from phoenix_core.facts import Checked, Quote
from phoenix_core.gate.statements import Decide, Enrol, Render, Revoke, Says, Statement, read_statement
from phoenix_core.refusals import PRECEDENCE, Reason, Refusal, refusal
from phoenix_core.values import BadInput, Mode, Moment

SOFTWARE: Final = "software"
# Nobody signs 256 statements within the five minutes that one may live; what is older cannot come back anyway.
REMEMBERED: Final = 256
# What a wall clock may step back without anybody having set it.
WALL_BACK_MAX: Final = timedelta(seconds=2)
# The screen reads the quote's age at one instant and the statement's `at` at another.
AGE_TOLERANCE: Final = timedelta(seconds=1)


@frozen
class Key:
    """A key that may sign, or might once: enrolled and revoked at these places in the log."""

    key: str
    public: str
    name: str
    assurance: str
    enrolled: int
    revoked: int | None = None
    counter: int = 0

    def valid_at(self, seq: int) -> bool:
        """Whether a signature at this place in the log counts."""
        return self.enrolled < seq and (self.revoked is None or seq < self.revoked)


@frozen
class Decided:
    """How a human decided an intent, where in the log, with which key."""

    verdict: Verdict
    seq: int
    key: str


@frozen
class Head:
    """A size that this log once had, and its root then."""

    size: int
    root: str


@frozen
class Expected:
    """What the frame of any statement must say. `root` is this log's root at the statement's own `tree_size`.

    `size` is the number of beads in the log now. `session` is the nonce of the screen that asks, where this process
    showed it; None where a recorded statement is judged again, or one that another process collected.
    `recorded` is the place in the log of a decision that is judged again; None for one that is not recorded yet.
    """

    log: str
    mode: Mode
    account: str
    size: int
    root: str | None
    session: str | None = None
    recorded: int | None = None


@frozen
class ExpectedIntent:
    """What an approval of this intent must say, from the desk's own data. None: there is no such thing."""

    intent: str
    evidence: str | None  # the leaf of its current evidence
    evidence_seq: int
    evidence_live: bool  # its expiry is not over
    order: str
    drift_bps_max: int
    render: Render | None  # this renderer's hash of the fact block with the statement's own `live`
    quotes: tuple[Quote, ...]  # observations of the instrument in the log, since the evidence
    proposer: str  # the channel's identity
    four_eyes: bool


@define
class Approvals:
    """Who may sign, what was signed lately, and how each intent was decided."""

    keys: dict[str, Key] = Factory(dict)
    decided: dict[str, Decided] = Factory(dict)
    recent: dict[int, Decision] = Factory(dict)  # the last signed decisions and commands, by their place in the log
    nonces: dict[str, int] = Factory(dict)  # nonce -> tree size of its statement, oldest first
    forgotten: int = -1  # the largest tree size of a nonce that is no longer remembered

    def fold(self, bead: Bead) -> None:
        """Fold OPERATOR and DECISION."""
        raise NotImplementedError

    def name_of(self, key: str) -> str:
        """Whose key it is, for people and for beads that name an operator."""
        raise NotImplementedError

    def can_sign(self) -> bool:
        """Whether any key may sign now; without one the desk is EXITS_ONLY."""
        raise NotImplementedError

    def is_approved(self, intent_id: str, seq: int) -> bool:
        """Whether the decision at this place still stands as the approval of the intent."""
        raise NotImplementedError


def judge_statement(
    approvals: Approvals, checked: Checked, expected: Expected, says: type[Says], now: Moment
) -> Result[Statement, Refusal]:
    """Judge a signed command of the wanted type: key, frame, life, nonce. What it asks for is judged by its wing."""
    raise NotImplementedError


def judge_decision(
    approvals: Approvals, checked: Checked, expected: Expected, intent: ExpectedIntent, now: Moment
) -> Result[Statement, Refusal]:
    """Judge a decision on an intent; `result.says` is a `Decide`. Any reject wins; an approve leaves nothing open."""
    raise NotImplementedError


def judge_operator(approvals: Approvals, says: Enrol | Revoke) -> Refusal | None:
    """Whether a key may come or go. A key never enrols itself: its signature does not count before its bead."""
    raise NotImplementedError


def checked_of(signed: Signed) -> Checked:
    """A recorded signature as the verifier's answer: only for what the verifier has just checked again."""
    raise NotImplementedError


def signed_of(checked: Checked) -> Signed:
    """A checked signature as a bead keeps it: the exact bytes, the signature, and what the check found."""
    raise NotImplementedError


def decision(checked: Checked, statement: Statement, note: str | None = None) -> Decision:
    """The bead of an accepted statement. Every accepted signature leaves one, whatever else it leaves."""
    raise NotImplementedError
