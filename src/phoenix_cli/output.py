"""How the command line answers: one JSON document on stdout or words for people, and exit codes that mean something."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

import click

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTEGRITY: Final = 4
BUG: Final = 70


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


def refuse(ctx: click.Context, reasons: tuple[str, ...], detail: str = "", code: int = REFUSED) -> NoReturn:
    """A rule said no: every reason, headline first."""
    if wants_json(ctx):
        click.echo(json.dumps({"refused": list(reasons), "detail": detail}, ensure_ascii=False))
    lines = [f"refused: {reasons[0]}", *(f"     and: {reason}" for reason in reasons[1:])]
    if detail:
        lines.append(f"  detail: {detail}")
    click.echo("\n".join(lines), err=True)
    ctx.exit(code)
    sys.exit(code)


def fail(ctx: click.Context, code: int, words: str) -> NoReturn:
    """Something other than a rule stands in the way."""
    if wants_json(ctx):
        click.echo(json.dumps({"error": words}, ensure_ascii=False))
    click.echo(f"error: {words}", err=True)
    ctx.exit(code)
    sys.exit(code)
