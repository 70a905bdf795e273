"""`completion`: the script that makes a shell complete commands, options and the ids of open intents."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for bash, zsh or fish.

    Example: phoenix completion zsh > ~/.zfunc/_phoenix
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    click.echo(found(ctx.find_root().command, {}, "phoenix", "_PHOENIX_COMPLETE").source())
