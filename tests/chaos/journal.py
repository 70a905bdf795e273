"""Journals for the second opinion: of the simulation's broker world, and of the gateway's own record of its frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import pytest
from attrs import Factory, define

from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.working import Working
from phoenix_cli.wiring.sim import play as sim
from phoenix_cli.wiring.sim import world as sim_world
from phoenix_cli.wiring.sim.checks import Oracle, Violation
from phoenix_cli.wiring.sim.world import Simulation
from phoenix_core.beads import Limits
from phoenix_core.desk import Desk
from phoenix_core.facts import BrokerStatus
from phoenix_core.orders import Frame
from phoenix_core.values import plain, utc_text
from tests.chaos.opinion import Json


@define
class Listener:
    """Whoever stands at the simulated broker's door and counts the beads of the log meanwhile."""

    world: Simulation | None = None
    lines: list[Json] = Factory(list)
    exported: list[bytes] = Factory(list)
    calm: bool = False  # the storm was over, and all that was to come has come

    def put(self, patch: pytest.MonkeyPatch) -> None:
        """Listen from now on: to worlds that are made, frames that are taken, orders that end."""
        judged = Oracle.calm
        made, took, ended, told = sim_world.world_of, MockBroker._take, MockBroker._end, sim._outcome

        def world_of(seed: int, home: str | None = None, begins: str = "", limits: Limits | None = None) -> Simulation:
            self.lines.clear()
            self.calm = False
            self.world = made(seed, home, begins, limits)
            return self.world

        def outcome(world: Simulation, tick: int, violation: Violation | None) -> sim.Outcome:
            self.exported = list(export_lines(world.store, "phoenix.sim/1", None))  # its file is gone soon
            return told(world, tick, violation)

        def calm(oracle: Oracle, desk: Desk) -> None:
            self.calm = True
            judged(oracle, desk)

        def take(broker: MockBroker, frame: Frame, group: str) -> None:
            self.lines.append(self._at(broker) | _frame(frame))
            took(broker, frame, group)

        def end(broker: MockBroker, working: Working, status: BrokerStatus, reason: str) -> None:
            said: Json = {"what": "ended", "ref": working.frame.ref, "status": status.value}
            self.lines.append(self._at(broker) | said)
            ended(broker, working, status, reason)

        patch.setattr(sim, "world_of", world_of)
        patch.setattr(sim, "_outcome", outcome)
        patch.setattr(Oracle, "calm", calm)
        patch.setattr(MockBroker, "_take", take)
        patch.setattr(MockBroker, "_end", end)

    def _at(self, broker: MockBroker) -> Json:
        assert self.world is not None
        return {"t": utc_text(broker.clock.now().wall), "log": self.world.store.head().size}

    def journal(self) -> list[Json]:
        """Everything that was heard, and what the broker executed and holds at the end."""
        assert self.world is not None
        truth = self.world.broker.truth
        executions: list[Json] = [
            {
                "what": "execution", "exec_id": said.exec_id, "ref": said.ref, "symbol": said.symbol,
                "side": said.side.value, "quantity": plain(said.quantity),
            }
            for said in truth.executions
        ]  # fmt: skip
        held: list[Json] = [{"what": "held", "symbol": s, "quantity": plain(q)} for s, q in truth.held.items()]
        return [*self.lines, *executions, *held]

    def export(self) -> list[bytes]:
        """The log's export, as it was when the run was over."""
        return self.exported


def _frame(frame: Frame) -> Json:
    line = frame.line
    return {
        "what": "frame", "ref": frame.ref, "account": line.account, "symbol": line.symbol, "side": line.side.value,
        "quantity": plain(line.quantity), "type": line.order_type.value, "tif": line.tif.value,
        "limit": None if line.limit is None else plain(line.limit),
        "trigger": None if line.trigger is None else plain(line.trigger),
    }  # fmt: skip


# --- the gateway's record ---------------------------------------------------------------------------------------------

PLACE: Final = "3"
WHAT_IF: Final = slice(84, 86)  # its place depends on the version; its neighbour is empty
EXECUTED: Final = "11"
STATUS: Final = "3"


def of_gateway(lines: Iterable[str]) -> Iterator[Json]:
    """The journal of a gateway's record: what came in and what went out, as the bytes had it, place by place."""
    refs: dict[str, str] = {}
    seen: set[str] = set()
    held: dict[str, Decimal] = {}
    for line in lines:
        told = json.loads(line)
        fields, inwards = told["fields"], told["dir"] == "in"
        if inwards and fields[0] == PLACE and "1" in fields[WHAT_IF]:
            continue  # a question about margin: no order, by the one field that says so
        if inwards and fields[0] == PLACE:
            refs[fields[1]] = fields[26]
            yield {
                "what": "frame", "t": told["t"], "ref": fields[26], "account": fields[23],
                "symbol": fields[3] + fields[11] if fields[4] == "CASH" else fields[3], "side": fields[16],
                "quantity": fields[17], "type": fields[18], "tif": fields[21],
                "limit": fields[19] if fields[18] == "LMT" else None,
                "trigger": fields[20] if fields[18] == "STP" else None,
            }  # fmt: skip
        elif not inwards and fields[0] == EXECUTED and fields[14] not in seen:
            seen.add(fields[14])
            symbol = fields[4] + fields[11] if fields[5] == "CASH" else fields[4]
            side, quantity = ("BUY" if fields[18] == "BOT" else "SELL"), Decimal(fields[19])
            held[symbol] = held.get(symbol, Decimal(0)) + (quantity if side == "BUY" else -quantity)
            yield {
                "what": "execution", "exec_id": fields[14], "ref": refs.get(fields[2], ""), "symbol": symbol,
                "side": side, "quantity": plain(quantity),
            }  # fmt: skip
        elif not inwards and fields[0] == STATUS and fields[2] in ("Cancelled", "Inactive") and fields[1] in refs:
            yield {"what": "ended", "t": told["t"], "ref": refs[fields[1]], "status": fields[2]}
    for symbol, quantity in held.items():
        yield {"what": "held", "symbol": symbol, "quantity": plain(quantity)}
