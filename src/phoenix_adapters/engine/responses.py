"""The answer document of an intent: where it stands, the evidence in short, what to do next. Never a secret."""

from __future__ import annotations

from phoenix_core.desk import Desk
from phoenix_core.trade.order_words import coded
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

WAITS = "Nobody can approve it yet: it waits for a quote, the contract card or the account's worth."


def response_document(desk: Desk, intent_id: str) -> str:
    """The document as Markdown, from the desk alone: the same desk writes the same words."""
    position = desk.positions.of_intent(intent_id)
    if position is None:
        return f"# Intent {intent_id}\n\nUnknown to this desk.\n"
    lines = [f"# Intent {intent_id}", "", f"State: **{position.state}**", ""]
    if isinstance(position, Open):
        lines += _facts(position)
    else:
        lines += _end(desk, position)
    evidence = _evidence(desk, intent_id)
    waits = position.state is State.PROPOSED and not evidence
    lines += [*evidence, "## Next", "", WAITS if waits else NEXT[position.state].format(intent=intent_id), ""]
    return "\n".join(lines)


def _evidence(desk: Desk, intent_id: str) -> list[str]:
    """What the human saw, in short. The lights are told as long as somebody may act on them, the rest for ever."""
    thesis, shown = desk.evidence.thesis(intent_id), desk.evidence.latest(intent_id)
    if thesis is None:
        return []
    entry, stop, target = thesis.lines
    assert stop.trigger is not None and target.limit is not None, "exits are approved with their prices"
    return [
        "## Evidence",
        "",
        f"- version {thesis.version}, {thesis.leaf[:8]}..{thesis.leaf[-4:]}",
        f"- quantity {plain(entry.quantity)}",
        f"- risk {plain(thesis.risk)} {desk.genesis.currency}",
        f"- entry {plain(thesis.entry)}, stop {plain(stop.trigger)}, target {plain(target.limit)}",
        *(f"- {flag}" for flag in (shown.evidence.flags if shown is not None else ())),
        "",
    ]


def _end(desk: Desk, position: Ended) -> list[str]:
    """How it ended, and why: a bot tells a no of the human's from what ran out of time, and both from the broker's."""
    lines = [] if position.outcome is None else [f"- outcome: {position.outcome}"]
    if position.realized is not None:
        lines.append(f"- realised: {plain(position.realized)} {desk.genesis.currency}")
    lines += [f"- reason: {coded(reason)}" for reason in position.reasons]
    return [*lines, ""] if lines else []


def _facts(position: Open) -> list[str]:
    last = position.last
    lines = [
        f"- {last.side} {last.pair}, {plain(last.filled_quantity)} of {plain(last.requested_quantity)} filled,"
        f" {plain(last.exited_quantity)} exited"
    ]
    lines += [f"- reason: {reason}" for reason in last.reasons]
    return [*lines, ""]
