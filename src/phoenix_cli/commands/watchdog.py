"""`watchdog`: the process beside the engine, which says what the engine cannot: that it is dead, or mute."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import click

from phoenix_cli.commands.desk import home_of
from phoenix_cli.output import emit, tell
from phoenix_cli.streams import on_stop, wait_for_no_reader

if TYPE_CHECKING:
    from phoenix_adapters.engine.watching import Seen, Watchdog
    from phoenix_core.ports import Notifier

# How long a watchdog that is told to stop lets the deliveries under way come to their end.
TOLD_WITHIN_S: Final = 10.0


@click.command("watchdog")
@click.option("--once", is_flag=True, help="Look once, deliver what waits, and stop.")
@click.option("--every", type=click.FloatRange(0.1, 30), default=5.0, help="Seconds between looks.")
@click.pass_context
def watchdog_command(ctx: click.Context, once: bool, every: float) -> None:
    """Watch the engine from outside: record missing beats, and send the alerts that a dead engine cannot.

    While the engine beats it pings PHOENIX_DEADMAN_URL, whose silence is the alarm when this whole host is gone. It
    speaks on stderr when something changes, and stops on SIGTERM.

    Example: phoenix watchdog
    """
    from phoenix_cli.wiring.edges import StoreFault
    from phoenix_cli.wiring.opening import notifiers_of, opened, watchdog_of

    def say(text: str) -> None:
        click.echo(text, err=True)

    wait_for_no_reader()
    try:
        session = ctx.with_resource(opened(home_of(ctx)))
    except StoreFault as fault:
        asyncio.run(_cry_out(notifiers_of(say), f"{fault.kind} {fault.detail}"))
        raise
    watchdog = watchdog_of(session, say)
    looks, seen = asyncio.run(_watch(watchdog, once, every))
    document = {
        "engine": seen.engine.value,
        "missed": seen.missed,
        "unsent": len(watchdog.recorder.desk.alerts.unsent),
        "looks": looks,
    }
    emit(ctx, document, f"{words_of(seen)}; stopped after {looks} looks")


async def _cry_out(notifiers: tuple[Notifier, ...], detail: str) -> None:
    """There is no log to watch: say so on every channel, or nobody hears of it."""
    from phoenix_adapters.engine.watching import without_log

    await without_log(notifiers, detail)


async def _watch(watchdog: Watchdog, once: bool, every: float) -> tuple[int, Seen]:
    """Look until told to stop; a channel that hangs, or a ping that does, delays no look."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    on_stop(loop, stop.set)
    looks, seen, said = 1, watchdog.look(), ""
    url = os.environ.get("PHOENIX_DEADMAN_URL", "")
    pings: set[asyncio.Task[bool]] = set()
    while not (once or stop.is_set()):
        if words_of(seen) != said:
            said = words_of(seen)
            tell(said)
        if seen.engine.value == "BEATS" and not seen.log_failed and url and not pings:
            pings.add(_ping(url, pings))
        try:
            _ = await asyncio.wait_for(stop.wait(), every)
        except TimeoutError:
            looks, seen = looks + 1, watchdog.look()
    try:
        async with asyncio.timeout(TOLD_WITHIN_S):
            await watchdog.settle()
    except TimeoutError:
        pass  # what no channel took stays in the log's outbox
    return looks, seen


def _ping(url: str, pings: set[asyncio.Task[bool]]) -> asyncio.Task[bool]:
    from phoenix_cli.wiring.startup import ping

    task = asyncio.get_running_loop().create_task(asyncio.to_thread(ping, url))
    task.add_done_callback(pings.discard)
    return task


def words_of(seen: Seen) -> str:
    """One look in words."""
    if seen.log_failed:
        return "the log cannot be used: open runbook RB-004"
    return {
        "BEATS": "the engine beats",
        "STOPPED": "the engine is stopped",
        "SILENT": f"the engine is SILENT: {seen.missed} beats are missing; open runbook RB-004",
        "DEAD": "the engine is DEAD: start `phoenix run`; open runbook RB-004",
    }[seen.engine.value]
