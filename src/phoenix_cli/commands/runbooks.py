"""`runbook list|show|drill`: what to do when the desk calls, and proof that doing it works."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit, fail, tell

if TYPE_CHECKING:
    from phoenix_cli.wiring.drill import Drilled

# Every page, in this order and in no other.
SECTIONS: Final = (
    "Symptoms",
    "Immediate actions",
    "Investigation steps",
    "Resolution",
    "Post-incident review",
)
# The pages whose commands need no id that only the incident knows: these can be followed by a program.
DRILLABLE: Final = ("RB-004",)
_BLOCK: Final = re.compile(r"^ *```console\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def pages() -> dict[str, Path]:
    """Every runbook by its number: beside the code in an installed wheel, under docs/ in a working copy."""
    inside = Path(str(files("phoenix_cli"))) / "runbooks"
    folder = inside if inside.is_dir() else Path(__file__).parents[3] / "docs" / "runbooks"
    return {path.name[:6]: path for path in sorted(folder.glob("RB-*.md"))}


def sections_of(text: str) -> dict[str, str]:
    """The sections of a page by their headings, in order."""
    parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands_of(text: str) -> list[list[str]]:
    """The command lines of a page or a section, each as the words after `phoenix`."""
    lines = (line.strip() for block in _BLOCK.findall(text) for line in block.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("phoenix ")]


def _page(name: str) -> tuple[str, str]:
    from phoenix_core.values import BadInput

    found, wanted = pages(), name.upper()
    if wanted not in found:
        raise BadInput("RUNBOOK", name, "write one of " + ", ".join(found))
    return wanted, found[wanted].read_text("utf-8")


@click.group("runbook")
def runbook_command() -> None:
    """The eight runbooks, and their drills.

    Example: phoenix runbook show RB-004
    """


@runbook_command.command("list")
@click.pass_context
def runbook_list(ctx: click.Context) -> None:
    """Every runbook: its title, the alerts that open it, whether it can be drilled.

    Example: phoenix runbook list
    """
    from phoenix_core.watch.codes import CODES

    rows: list[dict[str, Any]] = []
    for name, path in pages().items():
        title = path.read_text("utf-8").split("\n", 1)[0].removeprefix(f"# {name} ")
        alerts = [code.value for code, row in CODES.items() if row.runbook == name]
        rows.append({"runbook": name, "title": title, "alerts": alerts, "drillable": name in DRILLABLE})
    words = [f"{row['runbook']}  {row['title']:<22} {', '.join(row['alerts'])}" for row in rows]
    emit(ctx, {"runbooks": rows}, "\n".join(words))


@runbook_command.command("show")
@click.argument("runbook")
@click.pass_context
def runbook_show(ctx: click.Context, runbook: str) -> None:
    """One runbook, as it is.

    Example: phoenix runbook show RB-004
    """
    name, text = _page(runbook)
    emit(ctx, {"runbook": name, "sections": sections_of(text), "commands": commands_of(text)}, text)


@runbook_command.command("drill")
@click.argument("runbook")
@click.pass_context
def runbook_drill(ctx: click.Context, runbook: str) -> None:
    """Really halt a desk, follow the runbook command by command, and record how long it took as a bead.

    On a MOCK desk it is that desk; otherwise a throw-away one, and a PAPER desk keeps the record.

    Example: phoenix runbook drill RB-004
    """
    from phoenix_cli.home import load_settings, mode_of
    from phoenix_cli.wiring.drill import drilled_at, record, throw_away
    from phoenix_core.values import BadInput, Mode

    name, text = _page(runbook)
    if name not in DRILLABLE:
        raise BadInput(
            "RUNBOOK", runbook, f"only {', '.join(DRILLABLE)} is drilled by a program; walk this one by hand"
        )
    home = home_of(ctx)
    mode = mode_of(load_settings(home)) if home.log.exists() else None
    if mode is Mode.LIVE:
        raise BadInput("--home", str(home.path), "a LIVE desk is not drilled; name a MOCK or PAPER desk")
    steps = {section: commands_of(body) for section, body in sections_of(text).items()}
    say = tell
    if mode is Mode.MOCK:
        told = drilled_at(home, steps, say, fresh=False)
        seq = record(home, name, told)
    else:
        with throw_away() as desk:
            told = drilled_at(desk, steps, say, fresh=True)
            seq = record(desk if mode is None else home, name, told)
    document = {"runbook": name, "ok": told.ok, "seconds": told.seconds, "steps": _rows(told), "bead": seq}
    emit(ctx, document, f"{name}: {'resolved' if told.ok else 'NOT RESOLVED'} in {told.seconds} s")
    if not told.ok:
        fail(ctx, 1, f"the drill found something wrong: {told.trouble}")


def _rows(told: Drilled) -> list[dict[str, object]]:
    return [
        {"section": step.section, "command": " ".join(step.words), "exit": step.code, "seconds": step.seconds}
        for step in told.steps
    ]
