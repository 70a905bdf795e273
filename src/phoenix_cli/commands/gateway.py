"""`gateway`: a server that speaks the TWS protocol on loopback, for whoever has no gateway at hand."""

from __future__ import annotations

from pathlib import Path

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import UNREACHABLE, emit, fail, tell
from phoenix_cli.streams import on_stop


@click.command("gateway")
@click.option("--host", default="127.0.0.1", help="Where to listen; stay on loopback.")
@click.option("--port", type=click.IntRange(0, 65535), default=4002, help="4002 is paper; 0 takes a free one.")
@click.option("--account", "accounts", multiple=True, help="An account; may be given several times.")
@click.option("--script", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Acts as JSON lines.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="A misfortune of docs/gateway.md.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Write every frame as JSON lines.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep orders and money in this file.")
@click.option("--seed", type=int, default=0, help="What prices walk by.")
@click.pass_context
def gateway_command(
    ctx: click.Context,
    host: str,
    port: int,
    accounts: tuple[str, ...],
    script: Path | None,
    faults: tuple[str, ...],
    record: Path | None,
    state: Path | None,
    seed: int,
) -> None:
    """Simulate a gateway in the foreground; it obeys PHOENIX_CLOCK. Prices are made up, money is play money.

    Example: phoenix gateway --port 4002 --account DU1234567 --fault late_ack=30
    """
    import asyncio

    from phoenix_cli.wiring.simulator import CannotListen, simulate

    def ready(at: str, on: int) -> None:
        emit(ctx, {"host": at, "port": on, "accounts": list(accounts)}, f"listening on {at}:{on}")

    async def live() -> None:
        work = asyncio.ensure_future(
            simulate(
                home_of(ctx),
                host=host,
                port=port,
                accounts=accounts,
                script=script,
                faults=faults,
                record=record,
                state=state,
                seed=seed,
                ready=ready,
            )
        )
        on_stop(asyncio.get_running_loop(), work.cancel)
        await work

    try:
        asyncio.run(live())
    except asyncio.CancelledError:
        tell("stopped")
    except CannotListen as error:
        fail(ctx, UNREACHABLE, f"cannot listen on {host}:{port}: {error}")
