"""The human's part of an approval, at the terminal: facts, countdown, match words, and one answer.

Nothing typed ahead counts. Enter alone declines. Approving is typing the quantity; a terminal that is too small for the
facts, or no terminal at all, cannot approve.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from phoenix_cli.output import USAGE, fail

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_cli.wiring.signing import Screen
    from phoenix_core.beads import Evidence

COLUMNS, ROWS = 80, 24
KEYS: Final = "r reject  d diff  n note  ? why  K kill"
APPROVE, REJECT, KILL = "approve", "reject", "kill"

_WHY: Final = (
    " loss at stop is what the plan risks; the gap case is three stop distances.",
    " kill and RED lights block; [!] asks you to type the instrument too.",
    " the code is the same in the notification: compare it, then nobody swapped the screen.",
    " Enter declines. Nothing is sent before your signature is on disk.",
)


def ask(ctx: click.Context, session: Session, screen: Screen) -> str:
    """Show the facts and take one answer: APPROVE, REJECT or KILL. Declining ends the command."""
    from phoenix_core.gate.evidence import asks_for_instrument, blocks
    from phoenix_core.gate.screen import fits
    from phoenix_core.values import plain

    if not sys.stdin.isatty() or not sys.stdout.isatty():
        fail(ctx, USAGE, "an approval is typed at a terminal; scripts use --quantity Q --yes in MOCK and PAPER")
    size = shutil.get_terminal_size()
    if size.columns < COLUMNS or size.lines < ROWS or not fits(screen.lines):
        fail(ctx, USAGE, f"the terminal must be {COLUMNS} x {ROWS} at least to show every fact")
    shown = session.desk.evidence.latest(screen.intent_id)
    assert shown is not None, "a screen shows evidence"
    click.echo("\n".join(painted(screen.lines)))
    click.echo(_below(session, screen, shown.evidence))
    more: dict[str, Callable[[], tuple[str, ...]]] = {
        "?": lambda: _WHY,
        "n": lambda: _note(session, shown.evidence),
        "d": lambda: _diff(session, shown.evidence),
    }
    question = " Red lights: no approval" if blocks(shown.evidence) else " To approve type the quantity"
    typed = _typed(question)
    while typed in more:
        click.echo("\n".join(more[typed]()))
        typed = _typed(question)
    if typed in ("r", "K"):
        return REJECT if typed == "r" else KILL
    if blocks(shown.evidence):
        fail(ctx, 1, "declined: nothing was signed, and nothing can be while a light on the screen is red")
    _held_to(ctx, typed, plain(shown.evidence.sizing.quantity))
    if asks_for_instrument(shown.evidence):
        symbol = session.desk.signals.open[screen.intent_id].signal.pair
        _held_to(ctx, _typed(" Amber lights: type the instrument too"), symbol)
    return APPROVE


def _held_to(ctx: click.Context, typed: str, wanted: str) -> None:
    """Go on where what was typed is what the screen says. Enter alone says no; a slip is named, so that nobody takes it
    for an approval, or for a no of the desk's."""
    if typed != wanted:
        slip = f": {typed[:40]!a} is not {wanted}; the intent goes on waiting" if typed else ""
        fail(ctx, 1, f"declined: nothing was signed{slip}")


def _typed(question: str) -> str:
    """One answer, typed after its question stood there: of a paste, only the first line is one."""
    _drop_typed_ahead()
    return str(click.prompt(question, default="", show_default=False))


def _drop_typed_ahead() -> None:
    import termios

    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def painted(lines: tuple[str, ...]) -> list[str]:
    """The fact block in colour: the side, and what needs attention. NO_COLOR, or a terminal that shows no colours,
    leaves it as it is hashed."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return list(lines)
    shown: list[str] = []
    for line in lines:
        if line.startswith(" ^ BUY"):
            line = click.style(line, fg="green", bold=True)
        elif line.startswith(" v SELL"):
            line = click.style(line, fg="red", bold=True)
        elif "RED " in line or ("kill " in line and "kill NONE" not in line):
            line = click.style(line, fg="red")
        elif "[!]" in line:
            line = click.style(line, fg="yellow")
        shown.append(line)
    return shown


def _below(session: Session, screen: Screen, evidence: Evidence) -> str:
    """Countdown and match words: outside of what is signed, for they change or are derived."""
    from phoenix_core.gate.screen import match_words

    left = max(0, int((evidence.expires_at - session.clock.now().wall).total_seconds()))
    code = f" code:  {'-'.join(match_words(screen.leaf))}   T {left // 60:02d}:{left % 60:02d}"
    room = COLUMNS - len(code) - len(KEYS)
    return code + (" " * room if room > 0 else "\n" + " " * 8) + KEYS


def _note(session: Session, evidence: Evidence) -> tuple[str, ...]:
    from phoenix_core.gate.screen import boxed_note

    words = session.store.text(evidence.note) if evidence.note is not None else None
    return (" there is no note",) if words is None else boxed_note(words)


def _diff(session: Session, evidence: Evidence) -> tuple[str, ...]:
    """What the market did between the signal and now."""
    from phoenix_core.values import plain

    quote = session.desk.observations.quotes[evidence.lines[0].symbol]
    sizing = evidence.sizing
    stated = plain(sizing.stated) if sizing.stated is not None else "not stated"
    return (
        f" signal   entry {plain(evidence.signal_entry)}  stop {plain(evidence.stop)}  target {plain(evidence.target)}",
        f" evidence bid/ask {plain(evidence.quote.bid)}/{plain(evidence.quote.ask)}",
        f" now      bid/ask {plain(quote.bid)}/{plain(quote.ask)}",
        f" size     stated {stated}, computed {plain(sizing.computed)}, sent {plain(sizing.quantity)}",
    )
