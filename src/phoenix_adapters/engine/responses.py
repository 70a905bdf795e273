"""The answer document of an intent: where it stands, the evidence in short, what to do next. Never a secret."""

from __future__ import annotations

from phoenix_core.desk import Desk
from phoenix_core.trade.positions import Ended, Open
from phoenix_core.values import State, plain

NEXT = {
    State.PROPOSED: "A human looks at it with `phoenix approve {intent}` or says no with `phoenix pass {intent}`.",
    State.APPROVED: "The engine sends it now, or says why not.",
    State.SUBMITTED: "The order is with the broker; its fill follows.",
    State.STALLED: "Nobody knows where the order is. Open runbook RB-003; nothing is sent again.",
    State.FILLED: "The entry is filled; protection is being confirmed.",
    State.MANAGED: "Stop and target stand at the broker.",
    State.CLOSED: "It is over. See the autopsy with `phoenix positions {intent}`.",
    State.CANCELLED: "It is over; nothing was filled. A new intent starts again.",
    State.REJECTED: "The broker refused it; it is not sent again. A new intent needs a new approval.",
}


def response_document(desk: Desk, intent_id: str) -> str:
    """The document as Markdown, from the desk alone: the same desk writes the same words."""
    position = desk.positions.of_intent(intent_id)
    if position is None:
        return f"# Intent {intent_id}\n\nUnknown to this desk.\n"
    lines = [f"# Intent {intent_id}", "", f"State: **{position.state}**", ""]
    if isinstance(position, Open):
        lines += _facts(position)
    elif isinstance(position, Ended) and position.outcome is not None:
        lines += [f"- outcome: {position.outcome}", ""]
    shown = desk.evidence.latest(intent_id)
    if shown is not None:
        evidence = shown.evidence
        lines += [
            "## Evidence",
            "",
            f"- version {evidence.version}, {shown.leaf[:8]}..{shown.leaf[-4:]}",
            f"- quantity {plain(evidence.sizing.quantity)}",
            f"- risk {plain(evidence.sizing.risk)} {evidence.sizing.currency}",
            f"- entry {plain(evidence.signal_entry)}, stop {plain(evidence.stop)}, target {plain(evidence.target)}",
            *(f"- {flag}" for flag in evidence.flags),
            "",
        ]
    lines += ["## Next", "", NEXT[position.state].format(intent=intent_id), ""]
    return "\n".join(lines)


def _facts(position: Open) -> list[str]:
    last = position.last
    lines = [
        f"- {last.side} {last.pair}, {plain(last.filled_quantity)} of {plain(last.requested_quantity)} filled,"
        f" {plain(last.exited_quantity)} exited"
    ]
    lines += [f"- reason: {reason}" for reason in last.reasons]
    return [*lines, ""]
