"""The four lines after every start: known, broker, owed, yours; and with each thing of yours, what to do about it."""

from __future__ import annotations

from decimal import Decimal

from phoenix_cli.commands.engine import start_report
from phoenix_core.acts.operate import Observe, RaiseKill
from phoenix_core.beads import About, Resolution
from phoenix_core.facts import BrokerStatus
from phoenix_core.gate.statements import ResolveDrift
from phoenix_core.orders import exit_ref
from phoenix_core.values import CommandId, Role
from tests.showing import shows
from tests.stage import Stage, stage
from tests.unit.desk.test_signed_commands import stuck
from tests.unit.desk.walks import WORDS, ref_of, walked


def yours(desk: Stage) -> list[str]:
    """What the last line says."""
    lines = start_report(desk.engine)
    assert [line.split(":")[0] for line in lines] == ["known", "broker", "owed", "yours"]
    return lines[-1].removeprefix("yours:  ").split("; ")


def test_a_quiet_desk_has_nothing_to_decide() -> None:
    """Connected, the broker holds nothing, nothing is owed."""

    async def walk(desk: Stage) -> None:
        lines = start_report(desk.engine)
        assert "CONNECTED, reconciliation AGREES, holds nothing, works 0 orders" in lines[1]
        assert yours(desk) == ["nothing to decide"]

    _ = walked(walk)


def test_before_a_picture_nothing_is_said_of_holdings() -> None:
    """What the broker has not shown is not called nothing."""
    assert "no picture yet" in start_report(stage().engine)[1]
    assert "holds" not in start_report(stage().engine)[1]


@shows("F24")
def test_a_stalled_position_names_its_runbook_and_comes_first() -> None:
    """Sent, and nobody knows what became of it: RB-003, before the flag and the intent that wait as well."""

    async def walk(desk: Stage) -> None:
        lost = await stuck(desk)
        waits = await desk.propose(pair="GBPUSD", entry="1.2700", stop="1.2665", target="1.2770")
        _ = desk.act(RaiseKill(CommandId("k"), "instrument:AAPL", "test", "operator")).unwrap()
        await desk.tick(1)
        assert yours(desk) == [
            f"STALLED EURUSD {lost[:8]} (RB-003)",
            "1 kill flag (RB-005)",
            "1 drift (RB-002)",
            f"GBPUSD waits (phoenix approve {waits[:8]})",
        ]

    _ = walked(walk)


def test_what_is_held_bare_is_said_with_the_command_that_mends_it() -> None:
    """The broker took stop and target away, twice: only a human places them again."""

    async def walk(desk: Stage) -> None:
        intent = await desk.enter()
        ref = ref_of(desk, intent)
        for generation in (1, 2):
            for role in (Role.STOP, Role.TARGET):
                gone = desk.broker.truth.book[exit_ref(ref, role, generation)]
                desk.broker._end(gone, BrokerStatus.CANCELLED, "gone")
            await desk.watch(40, 10)
        (line,) = [line for line in yours(desk) if "EURUSD" in line]
        assert line.startswith("EURUSD is held, protection NONE (phoenix protect ")

    _ = walked(walk)


def test_a_drift_and_a_latch_are_said() -> None:
    """The broker shows what we do not hold, and somebody halted beside the log."""
    made = stage(latch=lambda: True)

    async def walk(desk: Stage) -> None:
        desk.broker.spoof("AAPL", Decimal(7))
        for _ in range(8):
            await desk.tick(10)
            _ = desk.act(Observe(desk.fresh(), About.DEMAND, "operator", {}))
        assert yours(desk) == ["the halt latch is up (RB-004)", "1 kill flag (RB-005)", "1 drift (RB-002)"]
        assert "holds 7 AAPL" in start_report(desk.engine)[1]
        (drift,) = desk.desk.drifts.open
        _ = desk.sign(ResolveDrift(drift, Resolution.ACKNOWLEDGED, WORDS)).unwrap()
        await desk.tick()
        assert yours(desk) == ["the halt latch is up (RB-004)", "1 kill flag (RB-005)"], "a human knows of it"

    _ = walked(walk, made)
