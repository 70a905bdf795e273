"""An intent that is decided or over, as the log still has it: the screen that was signed, by whom, and how it ended.

Nothing is signed or written here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from phoenix_core.beads import Decision, Evidence, Genesis
    from phoenix_core.chain import Sealed
    from phoenix_core.desk import Desk
    from phoenix_core.gate.statements import Decide


class Log(Protocol):
    """What is read of a log, wherever it is kept."""

    def read(self, start: int, stop: int | None = None) -> Iterator[Sealed]:
        """The beads from `start`, in order."""

    def text(self, digest: str) -> str | None:
        """Free text from the side table."""


class Logged(Protocol):
    """A desk and the log that it was folded from: of a home that is open, or of an export."""

    @property
    def desk(self) -> Desk:
        """The desk."""

    @property
    def genesis(self) -> Genesis:
        """Which desk it is."""

    @property
    def store(self) -> Log:
        """Its log."""


@frozen
class Version:
    """One version of an intent's evidence, by the leaf of its bead."""

    leaf: str
    says: Evidence


@frozen
class Vote:
    """One signed decision on an intent, in its place in the log."""

    seq: int
    bead: Decision
    says: Decide
    at: datetime


def past_of(session: Logged, intent: str) -> tuple[dict[str, object], str] | None:
    """The document and the words; None while the intent waits for its decision, and where there never was one."""
    from phoenix_core.beads import Position
    from phoenix_core.kernel import bead_of
    from phoenix_core.trade.positions import Ended
    from phoenix_core.values import State, utc_text

    found = session.desk.positions.of_intent(intent)
    if found is None or found.state is State.PROPOSED:
        return None
    last = bead_of(next(session.store.read(found.seq, found.seq + 1)))
    assert isinstance(last.body, Position), "a position is known by its last bead"
    versions, votes = _papers(session, intent)
    lines, leaf = _screen(session, versions, votes)
    over, outcome = isinstance(found, Ended), last.body.outcome
    signed = [_signature(session, vote, lines) for vote in votes]
    document: dict[str, object] = {
        "intent": intent,
        "evidence": leaf,
        "lines": list(lines),
        "state": found.state.value,
        "over": over,
        "at": utc_text(last.ts),
        "outcome": outcome.value if outcome is not None else None,
        "reasons": list(heard(session, last.body.reasons)),
        "signed": signed,
    }
    why = ", ".join(filter(None, (outcome.value if outcome is not None else "", *heard(session, last.body.reasons))))
    words = [*(lines or (" no evidence was assembled for it",))]
    words.append(f" {'ENDED' if over else 'NOW':<7}{found.state} {utc_text(last.ts)[:19]}Z{f': {why}' if why else ''}")
    words += [
        f" SIGNED {one['verdict']} by {one['by']} ({one['assurance']}) {str(one['at'])[:19]}Z, bead {one['bead']}: "
        f"{'verifies' if one['verifies'] else 'DOES NOT VERIFY'}{', this screen' if one['this_screen'] else ''}"
        for one in signed
    ]
    return document, "\n".join(words if signed else [*words, " SIGNED nothing"])


def heard(session: Logged, reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons as people read them: where a bead has the hash of a broker's words, the words, as far as they print."""

    def words(token: str) -> str:
        text = session.store.text(token) if token.startswith("sha256:") else None
        return token if text is None else "".join(c if c.isprintable() else "?" for c in text)

    return tuple(" ".join(map(words, reason.split(" "))) for reason in reasons)


def _papers(session: Logged, intent: str) -> tuple[list[Version], list[Vote]]:
    """Every version of its evidence, and every signed decision on it, in order."""
    from phoenix_core.beads import Decision, Evidence
    from phoenix_core.gate.statements import Decide, read_statement
    from phoenix_core.kernel import bead_of

    versions: list[Version] = []
    votes: list[Vote] = []
    for record in session.store.read(0):
        if record.kind not in ("EVIDENCE", "DECISION"):
            continue
        bead = bead_of(record)
        body = bead.body
        if isinstance(body, Evidence) and body.intent_id == intent:
            versions.append(Version(bead.leaf, body))
        elif isinstance(body, Decision) and body.verdict is not None and body.subject == intent:
            statement = read_statement(body.signed.statement.encode())
            assert isinstance(statement.says, Decide), "a verdict is said by a decision"
            votes.append(Vote(bead.seq, body, statement.says, statement.at))
    return versions, votes


def _screen(session: Logged, versions: list[Version], votes: list[Vote]) -> tuple[tuple[str, ...], str | None]:
    """The very text that was approved, kept beside the log, and the leaf of its evidence; where nothing was approved,
    the last version, drawn at its own quote."""
    from phoenix_core.gate.screen import Live, render_facts

    for vote in votes:
        text = session.store.text(f"sha256:{vote.says.render.sha256}") if vote.says.render is not None else None
        if text is not None:
            return tuple(text.splitlines()), vote.says.evidence
    if not versions:
        return (), None
    last, genesis = versions[-1], session.genesis
    live = Live(last.says.quote.bid, last.says.quote.ask, 0)
    return render_facts(last.says, last.leaf, live, genesis.mode, genesis.account_mask), last.leaf


def _signature(session: Logged, vote: Vote, lines: tuple[str, ...]) -> dict[str, object]:
    """Who signed what, checked again now; `this_screen`: over the text that is shown here, by its hash."""
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import SshVerifier
    from phoenix_core.gate.screen import render_hash
    from phoenix_core.values import utc_text

    signed, render = vote.bead.signed, vote.says.render
    return {
        "verdict": vote.says.verdict.value,
        "by": session.desk.approvals.name_of(signed.key),
        "key": signed.key,
        "assurance": signed.assurance,
        "at": utc_text(vote.at),
        "bead": vote.seq,
        "verifies": is_successful(SshVerifier().check(signed.statement.encode(), signed.signature)),
        "this_screen": render is not None and render.sha256 == render_hash(lines),
    }
