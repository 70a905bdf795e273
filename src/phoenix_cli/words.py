"""What a command line is made of: words that can be kept and shown, and none that is there and says nothing.

Every option and argument of every command is held to it where commands are looked up, so that a new one is as well.
`close "$ID"` with a variable that is not set must not mean every position, nor `--reason ""` a reason.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import click
from click.types import StringParamType

if TYPE_CHECKING:
    from decimal import Decimal

# It asks nothing: whatever stands beside it, entries stop.
UNASKED: Final = "halt"


class Words(StringParamType):
    """Text that says something."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is; raises `BadInput` for an empty word that somebody typed."""
        from phoenix_core.values import BadInput

        if value == "" and param is not None and param.default != "":
            option = isinstance(param, click.Option)
            raise BadInput(
                param.opts[0] if option else param.human_readable_name.strip("[]"),
                "",
                "write something here; a shell writes nothing for a variable that is not set",
            )
        text = str(super().convert(value, param, ctx))
        readable([text])
        return text


class Finite(click.FloatRange):
    """A number between two others: `nan` is none, although it is neither below the one nor above the other."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; usage where it is none."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


def amount(text: str, option: str) -> Decimal:
    """How much of something, as a person writes it: nothing, or less, is no amount."""
    from phoenix_core.values import BadInput, number

    much = number(text, option)
    if much <= 0:
        raise BadInput(option, text, "write a number above 0")
    return much


def held_to_words(name: str, command: click.Command) -> click.Command:
    """A command whose texts all say something, and whose list of commands says each one's first sentence whole."""
    if name == UNASKED:
        return command
    for param in command.params:
        if param.type is click.STRING:
            param.type = Words()
        elif isinstance(param.type, click.FloatRange):
            param.type = Finite(param.type.min, param.type.max)
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            one.short_help = first_sentence(one.help or "")
            _ = held_to_words(inner, one)
    return command


def first_sentence(text: str) -> str:
    """The first sentence of a help text."""
    return re.split(r"(?<=\.)\s", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]


def readable(words: list[str]) -> None:
    """Raise `BadInput` for a word that is no text: it could neither be signed, nor kept, nor shown."""
    from phoenix_core.values import BadInput

    for word in words:
        if not _is_text(word):
            shown = word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise BadInput("command line", shown, "write UTF-8")


def _is_text(word: str) -> bool:
    try:
        _ = word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
