"""A bot's own test: a desk in memory hears its ideas, and says what a human would be shown. No file, clock or socket.

Run: python examples/rehearsal.py
Nothing here can send: there is no broker, and of what a human alone decides nothing is decided.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from returns.result import Result

from phoenix_core import (
    Accepted,
    Command,
    CommandId,
    Desk,
    Initialise,
    Moment,
    Propose,
    Refusal,
    Run,
    TakeLease,
    World,
    bead_of,
    decide,
    due,
    evolve,
    read_signal,
    sealed,
)
from phoenix_core.beads import Genesis, Limits, Operator, OperatorEvent, Policy
from phoenix_core.facts import Quote
from phoenix_core.values import Instrument, Mode, Money, Price, Quantity, SecType

EURUSD = Instrument(
    symbol="EURUSD",
    name="Euro / US dollar",
    sec_type=SecType.CASH,
    base="EUR",
    currency="USD",
    exchange="IDEALPRO",
    con_id=12087792,
    tick=Price(Decimal("0.00005")),
    increment=Quantity(Decimal(1)),
    minimum=Quantity(Decimal(20000)),
)


class Rehearsal:
    """A desk that nobody else has. Its time is yours to pass: `self.now = self.now.plus(timedelta(minutes=5))`."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.now = Moment(datetime(2026, 11, 18, 19, tzinfo=UTC), timedelta(hours=1), "rehearsal")
        self.run = Run("rehearsal", mode=Mode.MOCK)
        genesis = Genesis("rehearsal/1", Mode.MOCK, "0" * 64, "MOCK", 0, "", "", "USD")
        nobody = Operator(OperatorEvent.ENROLLED, "SHA256:nobody", "", "nobody", "software")
        policy = Policy(Limits(open_positions_max=3, daily_loss_max=Money(Decimal(1000))))
        self.tell(Initialise(CommandId("begin"), genesis, nobody, policy)).unwrap()
        self.tell(TakeLease(CommandId("lease"), self.now.boot, self.run.run)).unwrap()
        self.run = Run("rehearsal", epoch=self.desk.tenure.epoch, mode=Mode.MOCK)  # what only an engine may record

    def tell(self, command: Command) -> Result[Accepted, Refusal]:
        """Judge a command and take in what it leaves: what an engine does with a log, without the log."""
        quote = Quote("EURUSD", Price(Decimal("1.08495")), Price(Decimal("1.08505")), self.now)
        equity = Money(Decimal(100_000))
        world = World(self.now, self.run, instruments={"EURUSD": EURUSD}, quotes={"EURUSD": quote}, equity=equity)
        ruling = decide(self.desk, command, world)
        for record in sealed(self.desk.head, self.now.wall, command.command_id, ruling):
            self.desk = evolve(
                self.desk, bead_of(record)
            )  # the same desk, moved on: there is no way back but a new one
        return ruling.result

    def settle(self) -> None:
        """What time and the beads themselves ask for, until they ask for nothing more."""
        size = -1
        while size != self.desk.head.size:
            size = self.desk.head.size
            for command in due(self.desk, self.now):
                _ = self.tell(command)


idea = {"schema": "cse/1", "intent_id": "0b6c1d0e-0000-4000-8000-000000000001", "signal": "READY", "pair": "EURUSD"}
idea |= {"signal_id": "rehearsed", "setup_type": "FVG_ENTRY", "confidence": "0.85", "strategy": "example"}
idea |= {"entry": "1.0850", "stop": "1.0820", "target": "1.0910", "state_hash": "4f1d"}
idea |= {"created_at": "2026-11-18T19:00:00Z"}

stage = Rehearsal()
print(stage.tell(Propose(CommandId("first"), "0" * 64, "rehearsal", read_signal(idea))))
stage.settle()
shown = stage.desk.evidence.latest(idea["intent_id"])
if shown is not None:
    print(shown.evidence.sizing.quantity, shown.evidence.sizing.risk, *shown.evidence.flags, sep="\n")
print(stage.tell(Propose(CommandId("off the grid"), "1" * 64, "rehearsal", read_signal(idea | {"stop": "1.08201"}))))
