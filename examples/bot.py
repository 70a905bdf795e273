"""A bot: proposes one trade to a desk. It needs phoenix_core and two adapters: the log, and the clocks of this host.

Run: python examples/bot.py DESK/beads.db
"""

import hashlib
import sys
import uuid

from returns.pipeline import is_successful

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.clock import HostClock
from phoenix_core import CommandId, Desk, Propose, Run, World, bead_of, decide, evolve, read_signal, sealed

now = HostClock().now()  # both clocks and the boot: of a context from another boot nobody can tell the age
idea = {"schema": "cse/1", "signal_id": "bot-1", "intent_id": str(uuid.uuid4()), "signal": "READY", "pair": "EURUSD"}
idea |= {"setup_type": "FVG_ENTRY", "confidence": "0.85", "strategy": "example", "state_hash": "4f1d"}
idea |= {"entry": "1.0850", "stop": "1.0820", "target": "1.0910", "created_at": f"{now.wall:%Y-%m-%dT%H:%M:%SZ}"}
digest = hashlib.sha256(repr(idea).encode()).hexdigest()
command = Propose(CommandId(str(uuid.uuid4())), digest, "bot", read_signal(idea))

with SqliteStore(sys.argv[1], make=False) as store:
    desk = Desk()
    while True:  # where somebody else wrote in between: look again, decide again; what was heard before leaves no bead
        for record in store.read(desk.head.size):
            desk = evolve(desk, bead_of(record))
        ruling = decide(desk, command, World(now, Run(mode=desk.genesis.mode)))
        beads = sealed(desk.head, now.wall, command.command_id, ruling)
        if not beads or is_successful(store.append(desk.head, beads, ruling.texts)):
            break
print(f"{idea['intent_id']}: {ruling.result}")
