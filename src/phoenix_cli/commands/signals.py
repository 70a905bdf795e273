"""`cse` and `propose`: a signal is written, and a signal is handed in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.home import PAIRS
from phoenix_cli.output import emit, refuse

if TYPE_CHECKING:
    from phoenix_cli.home import Home
    from phoenix_cli.wiring.opening import Session

# A setup that makes sense for each pair, so that `cse --pair X` alone is a valid signal.
SETUPS = {
    "EURUSD": ("1.0850", "1.0820", "1.0910"),
    "GBPUSD": ("1.2700", "1.2665", "1.2770"),
    "USDJPY": ("150.00", "149.60", "150.80"),
    "AUDUSD": ("0.6600", "0.6580", "0.6640"),
    "USDCAD": ("1.3600", "1.3570", "1.3660"),
    "NZDUSD": ("0.6100", "0.6080", "0.6140"),
}


@click.command("cse")
@click.option("--signal", type=click.Choice(["READY", "FORMING", "NONE"]), required=True, help="How far the setup is.")
@click.option("--pair", type=click.Choice(PAIRS), required=True, help="The currency pair.")
@click.option("--confidence", default="0.85", help="0 to 1.")
@click.option("--entry", default=None, help="Entry price, such as 1.0850.")
@click.option("--stop", default=None, help="Stop price.")
@click.option("--target", default=None, help="Target price.")
@click.option(
    "--setup-type",
    type=click.Choice(["FVG_ENTRY", "OTE_ENTRY", "BOS_ENTRY"]),
    default="FVG_ENTRY",
    help="What kind of setup.",
)
@click.option("--strategy", default="mock_cse", help="Whose signal it is.")
@click.option("--quantity", default=None, help="State a quantity instead of having it computed.")
@click.option("--out", default=None, help="A file, or - for standard output; default: into intents/incoming/.")
@click.pass_context
def cse_command(
    ctx: click.Context,
    signal: str,
    pair: str,
    confidence: str,
    entry: str | None,
    stop: str | None,
    target: str | None,
    setup_type: str,
    strategy: str,
    quantity: str | None,
    out: str | None,
) -> None:
    """Write one schema-valid signal as YAML; invalid combinations are refused, nothing is written.

    Example: phoenix cse --signal READY --pair EURUSD --entry 1.0850 --stop 1.0820 --target 1.0910
    """
    from phoenix_cli.home import load_settings
    from phoenix_cli.wiring.edges import read_document, write_whole
    from phoenix_cli.wiring.opening import clock_of, fresh_id
    from phoenix_core.gate.cse import SCHEMA, read_signal
    from phoenix_core.values import utc_text

    home = home_of(ctx)
    now = clock_of(load_settings(home), home).now().wall
    usual = SETUPS[pair]
    fields = {
        "schema": SCHEMA,
        "signal_id": f"mock-{fresh_id()[:13]}",
        "intent_id": str(fresh_id()),
        "signal": signal,
        "pair": pair,
        "setup_type": setup_type,
        "confidence": confidence,
        "entry": entry or usual[0],
        "stop": stop or usual[1],
        "target": target or usual[2],
        "state_hash": "mock",
        "strategy": strategy,
        "created_at": utc_text(now),
    }
    if quantity is not None:
        fields["quantity"] = quantity
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    _ = read_signal(read_document(text.encode(), "cse"))
    if out == "-":
        click.echo(text, nl=False)
        return
    intent = fields["intent_id"]
    path = Path(out) if out else _incoming(home, intent)
    write_whole(path, text)
    emit(ctx, {"intent": intent, "file": str(path), "signal": signal}, f"{path}: intent {intent}")


def _incoming(home: Home, intent: str) -> Path:
    """Where the engine takes signals in; one that still waits there keeps its place."""
    from phoenix_cli.wiring.opening import ELSEWHERE
    from phoenix_core.values import BadInput

    folder = home.path / "intents/incoming"
    if not folder.is_dir():
        raise BadInput("home", str(home.path), f"there is no desk here: {ELSEWHERE}, or say --out FILE")
    usual = folder / "mock_intent.yaml"
    return usual.with_name(f"mock_intent-{intent[:8]}.yaml") if usual.exists() else usual


@click.command("propose")
@click.argument("file", required=False)
@click.option("--again", metavar="INTENT", help="Propose an intent that expired, or was passed, anew.")
@click.pass_context
def propose_command(ctx: click.Context, file: str | None, again: str | None) -> None:
    """Hand a signal in; whatever comes ends as a proposal, a refusal or a quarantine, each with its bead.

    Example: phoenix cse --signal READY --pair EURUSD --out - | phoenix propose -
    """
    from phoenix_cli.commands.again import ended_intent, propose_again
    from phoenix_cli.wiring.opening import opened
    from phoenix_core.values import BadInput

    if (file is None) == (again is None):
        raise BadInput("FILE", file or "", "name a file, or - for standard input, or --again INTENT")
    data = read_input(file) if file is not None else b""
    with opened(home_of(ctx)) as session:
        if again is not None:
            intent = propose_again(ctx, session, ended_intent(session, again))
        else:
            intent = _handed_in(ctx, session, data)
        _tell(ctx, session, intent)


def read_input(file: str) -> bytes:
    """The bytes of a file, or of standard input; no more than a document may have."""
    from phoenix_cli.wiring.edges import DOCUMENT_MAX
    from phoenix_core.values import BadInput

    if file == "-":
        return sys.stdin.buffer.read(DOCUMENT_MAX + 1)
    path = Path(file)
    if not path.is_file():
        raise BadInput("FILE", file, "name a file that is there, or - for standard input")
    return path.read_bytes()[: DOCUMENT_MAX + 1]


def _handed_in(ctx: click.Context, session: Session, data: bytes) -> str:
    from returns.pipeline import is_successful

    from phoenix_cli.wiring.edges import proposal_of
    from phoenix_cli.wiring.founding import proposer_of
    from phoenix_core.acts.propose import Propose

    command = proposal_of("", data, proposer_of(session))
    said = session.recorder.act(command)
    if not is_successful(said):
        refuse(ctx, tuple(r.value for r in said.failure().reasons), said.failure().detail)
    assert isinstance(command, Propose), "only a proposal is accepted"
    return command.incoming.signal.intent_id


def _tell(ctx: click.Context, session: Session, intent: str) -> None:
    from phoenix_core.values import utc_text

    position = session.desk.positions.of_intent(intent)
    proposal = session.desk.signals.proposal(intent)
    document = {
        "intent": intent,
        "state": position.state.value if position is not None else "PROPOSED",
        "expires_at": utc_text(proposal.expires_at) if proposal is not None else None,
    }
    emit(ctx, document, f"{document['state']} {intent}, expires {document['expires_at']}")
