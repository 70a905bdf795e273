"""How the command line answers: one JSON document on stdout or words for people, and exit codes that mean something."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NoReturn, TextIO

import click

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTEGRITY: Final = 4
BUG: Final = 70
# What takes longer than this is told to whoever sits at the terminal, and told again as often.
PATIENT_S: Final = 2
# Where a command keeps that it signed something which the log has, or may have: an interrupt takes none of it back.
SIGNED: Final = "phoenix.signed"
# And that it took back what it signed, which an interrupt of an approval does where no engine has taken it up.
TAKEN_BACK: Final = "phoenix.taken-back"


def emit(ctx: click.Context, document: Mapping[str, object], words: str = "") -> None:
    """Answer: the document under --json, the words otherwise."""
    if wants_json(ctx):
        click.echo(json.dumps(document, ensure_ascii=False, default=str))
    elif words:
        click.echo(words)


def wants_json(ctx: click.Context) -> bool:
    """Whether the caller asked for JSON."""
    root = ctx.find_root()
    return bool(root.params.get("json_"))


def room_of(stream: TextIO) -> int | None:
    """How many columns a terminal has; None where nobody reads along."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def fitted(rows: Sequence[tuple[str, str, str]], room: int | None) -> str:
    """A line for each row of (beginning, rest, rest with its names cut short), as wide as it takes; in a terminal that
    has no room for them, two for each, the short rest on the second. Nothing is broken in the middle."""
    wide = [f"{first}{rest}".rstrip() for first, rest, _ in rows]
    if room is None or all(len(line) <= room for line in wide):
        return "\n".join(wide)
    return "\n".join(f"{first.rstrip()}\n{'':<10} {short.lstrip()}".rstrip() for first, _, short in rows)


def tell(words: str) -> None:
    """Words for whoever sits at the terminal. Nothing depends on them: a terminal that is gone stops no desk."""
    with suppress(OSError):
        click.echo(words, err=True)


def refuse(ctx: click.Context, reasons: tuple[str, ...], detail: str = "", code: int = REFUSED) -> NoReturn:
    """A rule said no: every reason, headline first."""
    if wants_json(ctx):
        click.echo(json.dumps({"refused": list(reasons), "detail": detail}, ensure_ascii=False))
    lines = [f"refused: {reasons[0]}", *(f"     and: {reason}" for reason in reasons[1:])]
    if detail:
        lines.append(f"  detail: {detail}")
    tell("\n".join(lines))
    ctx.exit(code)
    sys.exit(code)


def complain(ctx: click.Context, words: str) -> None:
    """Say what stands in the way, where it is no rule."""
    if wants_json(ctx):
        click.echo(json.dumps({"error": words}, ensure_ascii=False))
    tell(f"error: {words}")


def fail(ctx: click.Context, code: int, words: str) -> NoReturn:
    """Something other than a rule stands in the way."""
    complain(ctx, words)
    ctx.exit(code)
    sys.exit(code)


@contextmanager
def at_work(what: str, stream: TextIO | None = None, wait: Callable[[float], bool] | None = None) -> Iterator[None]:
    """On a terminal, say of what takes long what it is and for how many seconds already; elsewhere say nothing."""
    told = stream or sys.stderr
    if not told.isatty():
        yield
        return
    from threading import Event, Thread

    over = Event()

    def tell() -> None:
        seconds = 0
        while not (wait or over.wait)(PATIENT_S):
            seconds += PATIENT_S
            _ = told.write(f"\r{what}: {seconds} s")
            _ = told.flush()
        if seconds:
            _ = told.write("\r\x1b[K")
            _ = told.flush()

    clock = Thread(target=tell, daemon=True)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join()
