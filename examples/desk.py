"""A desk in a program of your own: the engine over ports. Put your broker, channel, clock or log where ours stands.

Run: python examples/desk.py DESK
DESK is what `phoenix --home DESK init` made; people go on using `phoenix approve`, `halt` and the rest beside it.
"""

import asyncio
import signal
import sys
import uuid
from pathlib import Path
from random import Random

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.brokers.mock.broker import MockBroker
from phoenix_adapters.brokers.mock.market import CARDS, MockMarket
from phoenix_adapters.clock import HostClock
from phoenix_adapters.engine.loop import Engine
from phoenix_adapters.keys import SshVerifier
from phoenix_cli.home import Home
from phoenix_cli.wiring.opening import latch_of, raise_flag
from phoenix_core import Message, Run, bead_of
from phoenix_core.beads import Genesis
from phoenix_core.values import Account


class Lamp:
    """A channel: whatever reaches people where you are."""

    name: str = "lamp"

    async def send(self, message: Message) -> bool:
        """True once the channel took it; here whoever started this program."""
        print(message.severity, message.text, flush=True)
        return True


async def trade(engine: Engine, stop: asyncio.Event) -> None:
    """The life of a run: begin, step until told to stop, and say so in the log: nothing is placed after that."""
    (await engine.start()).unwrap()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        while not stop.is_set():
            await engine.step()
            await asyncio.sleep(0.02)
    except Exception:  # a promise of ours is broken: no entry leaves before somebody has looked
        engine.raise_latch()
        raise
    engine.stop("told to")
    await engine.broker.disconnect()


home, clock = Home(Path(sys.argv[1])), HostClock()
with SqliteStore(home.log, make=False) as store:
    desk = bead_of(next(store.read(0))).body
    assert isinstance(desk, Genesis)
    account = Account(desk.account, desk.account_mask)
    broker = MockBroker(clock, account, CARDS, Random(), market=MockMarket(clock, Random()))
    lease = store.lease(clock.now().boot)  # the operating system's word that no other engine runs on this log
    if lease is None:
        sys.exit("another engine runs on this desk")
    with lease:
        engine = Engine(
            store,
            broker,
            clock,
            Run(run=str(uuid.uuid4()), mode=desk.mode),  # a name that no start ever had: inputs are told apart by it
            SshVerifier(),
            notifiers=(Lamp(),),
            latch=latch_of(*home.halt_flags),  # `phoenix halt` puts a file there; it is read at each last look
            raise_latch=lambda: raise_flag(home.halt_flag),  # and so does the engine where the log takes no beads
        )
        asyncio.run(trade(engine, asyncio.Event()))
