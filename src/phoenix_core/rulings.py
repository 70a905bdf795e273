"""What `decide` answers: the beads to append, and whether the answer was yes. A refusal may leave beads too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen
from returns.result import Failure, Result, Success

from phoenix_core.beads import Body, Draft, Settles
from phoenix_core.refusals import Refusal
from phoenix_core.values import Facts


@frozen
class Accepted:
    """A yes: which intent, position or thing it is about, and what the asker will want to know of it."""

    subject: str
    facts: Facts = field(factory=dict)


@frozen
class Ruling:
    """A decision, not yet a fact: it becomes one when its beads have landed on the head it was made on."""

    drafts: tuple[Draft, ...]
    result: Result[Accepted, Refusal]
    texts: Mapping[str, str] = {}


def drafted(bodies: Iterable[Body | Draft | None]) -> tuple[Draft, ...]:
    """Bodies as drafts; None for what is not called for."""
    return tuple([b if isinstance(b, Draft) else Draft(b) for b in bodies if b is not None])


def granted(
    subject: str, *bodies: Body | Draft | None, texts: Mapping[str, str] | None = None, facts: Facts | None = None
) -> Ruling:
    """Yes, and these beads say so."""
    return Ruling(drafted(bodies), Success(Accepted(subject, facts or {})), texts or {})


def denied(no: Refusal, *bodies: Body | Draft | None, texts: Mapping[str, str] | None = None) -> Ruling:
    """No; these beads, if any, keep what was refused and why."""
    return Ruling(drafted(bodies), Failure(no), texts or {})


def settling(ruling: Ruling, *settled: Settles) -> Ruling:
    """The same ruling, with its first bead answering an obligation."""
    assert ruling.drafts, "what leaves no bead cannot settle anything"
    first, *rest = ruling.drafts
    return Ruling((Draft(first.body, (*first.settles, *settled)), *rest), ruling.result, ruling.texts)
