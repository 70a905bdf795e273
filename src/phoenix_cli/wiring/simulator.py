"""The gateway simulator as a program of its own, on the desk's clock where the home has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from json import JSONDecodeError
from pathlib import Path

from attrs import frozen

from phoenix_adapters.brokers.mock.market import CARDS, MIDS
from phoenix_adapters.gateway import CannotListen, ScriptError, StateError, UnknownAct, UnknownFault, serve
from phoenix_adapters.gateway.server import GatewayServer
from phoenix_cli.home import Home, Settings
from phoenix_cli.wiring.opening import clock_of
from phoenix_core.ports import Clock
from phoenix_core.values import BadInput

__all__ = ["CannotListen", "simulate"]


@frozen
class WallOf:
    """The wall of a desk's clock, as the simulator asks for it."""

    clock: Clock

    def now(self) -> datetime:
        """The present moment."""
        return self.clock.now().wall


async def simulate(
    home: Home,
    *,
    host: str,
    port: int,
    accounts: Sequence[str],
    script: Path | None,
    faults: Sequence[str],
    record: Path | None,
    state: Path | None,
    seed: int,
    ready: Callable[[str, int], None],
) -> None:
    """Serve until cancelled; raises `BadInput` for a fault or a script that says nothing that can be done."""

    def listening(server: GatewayServer) -> None:
        # The same prices as the mock's, so that the signals which `phoenix cse` writes fit both.
        for symbol, mid in () if server.inputs.resumed else MIDS.items():
            tick = CARDS[symbol].tick
            server.act("quote", symbol=symbol, bid=str(mid - tick), ask=str(mid + tick))
        ready(server.host, server.port)

    try:
        await serve(
            host=host,
            port=port,
            accounts=accounts,
            script=script,
            faults=faults,
            record=record,
            state=state,
            clock=WallOf(clock_of(Settings(), home)),
            seed=seed,
            ready=listening,
        )
    except UnknownFault as error:
        raise BadInput("--fault", ",".join(faults), f"see docs/gateway.md for the menu: {error}") from error
    except (StateError, JSONDecodeError) as error:
        raise BadInput("--state", str(state), str(error)) from error
    except (ScriptError, UnknownAct) as error:
        raise BadInput("--script", str(script), str(error)) from error
