"""Help, completion and the way in: every command says what it does and shows an example that parses."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from phoenix_cli.__main__ import COMMANDS, cli
from tests.contract.cli.operator import fits
from tests.contract.cli.shapes import LINES, SHAPES, misshapen


def commands(name: str) -> Iterator[tuple[str, ...]]:
    """A command and every command within it, as the words that call it."""
    yield (name,)
    found = cli.get_command(click.Context(cli), name)
    if isinstance(found, click.Group):
        yield from ((name, inner) for inner in found.commands)


def parses(words: list[str]) -> bool:
    """Whether a command line is one of ours: every command there, every option known, every argument in its place."""
    ctx = cli.make_context("phoenix", list(words))
    command: click.Command = cli
    rest = [*ctx._protected_args, *ctx.args]
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(ctx, rest)
        assert found is not None and name is not None, f"{words} names a command"
        ctx = found.make_context(name, list(rest), parent=ctx)
        command, rest = found, [*ctx._protected_args, *ctx.args]
    return not rest


class TestHelp:
    """Every command: --help with an example."""

    @pytest.mark.parametrize("name", list(COMMANDS))
    def test_every_command_has_help_with_an_example_that_parses(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Help says what a command does, and its example is a command line of ours that calls this very command."""
        monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)  # files of an example
        for words in commands(name):
            told = CliRunner().invoke(cli, [*words, "--help"], prog_name="phoenix")
            assert told.exit_code == 0
            found = re.search(r"Example: (.+?)(?= Options:| Commands:|$)", " ".join(told.stdout.split()))
            assert found is not None, f"the help of {' '.join(words)} shows an example"
            given = shlex.split(found[1].split("|")[-1].split(">")[0])
            assert given[0] == "phoenix"
            assert [word for word in given if word in words][: len(words)] == list(words)
            assert parses(given[1:])

    def test_every_command_has_a_closed_shape(self) -> None:
        """What is printed under --json is held against one table: no command is missing in it, and none is invented."""
        leaves: set[str] = set()
        for name in COMMANDS:
            found = cli.get_command(click.Context(cli), name)
            leaves |= {f"{name} {inner}" for inner in found.commands} if isinstance(found, click.Group) else {name}
        assert leaves == SHAPES.keys() | LINES

    @pytest.mark.parametrize(
        "out",
        ['{"intents": []}', '{"intents": [], "stalled": [], "more": 1}', '{"intents": [{}], "stalled": []}', "[]"],
    )
    def test_another_shape_is_seen(self, out: str) -> None:
        """The table bites: a field that is missing, one too many, an item that is none, no object at all."""
        assert misshapen(("inbox",), '{"intents": [], "stalled": []}', fits) == ""
        assert misshapen(("inbox",), '{"refused": ["ENGINE_NOT_RUNNING"], "detail": ""}', fits) == ""
        assert "inbox answered" in misshapen(("inbox",), out, fits)
        assert "no closed shape" in misshapen(("a", "new", "command"), out, fits)

    def test_the_list_shows_every_command(self) -> None:
        """`phoenix --help` lists the table of commands, each with what it does."""
        told = CliRunner().invoke(cli, ["--help"], prog_name="phoenix")
        assert told.exit_code == 0
        for name, (_, words) in COMMANDS.items():
            assert f"  {name} " in told.stdout
            assert words.split()[0] in told.stdout

    def test_help_imports_click_and_ourselves_only(self) -> None:
        """`phoenix --help` imports no module of anybody's but click and phoenix_cli."""
        program = (
            "import sys\n"
            "before = {name.split('.')[0] for name in sys.modules}\n"
            "sys.argv = ['phoenix', '--help']\n"
            "from phoenix_cli.__main__ import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "after = {name.split('.')[0] for name in sys.modules} - before - set(sys.stdlib_module_names)\n"
            "sys.stderr.write(' '.join(sorted(after)))\n"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
        assert "Commands:" in told.stdout
        assert set(told.stderr.split()) == {"click", "phoenix_cli"}

    def test_assertions_may_not_be_switched_off(self) -> None:
        """Under `python -O` nothing runs: exit 2, and the reason."""
        told = subprocess.run(
            [sys.executable, "-O", "-m", "phoenix_cli", "--help"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (told.returncode, told.stdout) == (2, "")
        assert "python -O" in told.stderr

    def test_an_unknown_command_is_usage(self) -> None:
        """A command that is not there: exit 2, said on stderr."""
        told = subprocess.run(
            [sys.executable, "-m", "phoenix_cli", "aprove"], capture_output=True, text=True, timeout=30, check=False
        )
        assert (told.returncode, told.stdout) == (2, "")
        assert "aprove" in told.stderr


class TestCompletion:
    """Completion scripts for bash, zsh and fish, with open intent ids."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_script_for_each_shell(self, shell: str) -> None:
        """The script calls phoenix back for what may come next."""
        told = CliRunner().invoke(cli, ["completion", shell], prog_name="phoenix")
        assert told.exit_code == 0
        assert "_PHOENIX_COMPLETE" in told.stdout and "phoenix" in told.stdout

    def test_another_shell_is_refused(self) -> None:
        """A shell that is not known is named, with those that are."""
        told = CliRunner().invoke(cli, ["completion", "tcsh"], prog_name="phoenix")
        assert told.exit_code == 2
        assert "fish" in told.stderr
