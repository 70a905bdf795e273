"""A bot: proposes one trade to a desk and says what became of it. It needs phoenix_core and one adapter.

Run: python examples/bot.py DESK/beads.db
"""

import hashlib
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core.acts.propose import Propose
from phoenix_core.desk import Desk
from phoenix_core.gate.cse import read_signal
from phoenix_core.kernel import bead_of, decide, evolve, sealed
from phoenix_core.values import CommandId, Moment
from phoenix_core.world import Run, World

now = datetime.now(UTC)
idea = {"schema": "cse/1", "signal_id": "bot-1", "intent_id": str(uuid.uuid4()), "signal": "READY", "pair": "EURUSD"}
idea |= {"setup_type": "FVG_ENTRY", "confidence": "0.85", "strategy": "example", "state_hash": "4f1d"}
idea |= {"entry": "1.0850", "stop": "1.0820", "target": "1.0910", "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
digest = hashlib.sha256(repr(idea).encode()).hexdigest()
command = Propose(CommandId(str(uuid.uuid4())), digest, "bot", read_signal(idea))

with SqliteStore(sys.argv[1]) as store:
    desk, landed = Desk(), False
    while not landed:  # somebody else wrote in between: look again, decide again
        for record in store.read(desk.head.size):
            desk = evolve(desk, bead_of(record))
        moment = Moment(now, timedelta(seconds=time.monotonic()), "bot")
        ruling = decide(desk, command, World(moment, Run(mode=desk.genesis.mode)))
        beads = sealed(desk.head, now, command.command_id, ruling)
        landed = store.append(desk.head, beads, ruling.texts).value_or(None) is not None
print(f"{idea['intent_id']}: {ruling.result}")
