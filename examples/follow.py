"""A bot's other half: follows one intent by reading the log, until its position has ended. It writes nothing.

Run: python examples/follow.py DESK/beads.db INTENT
"""

import sys

from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_core import TERMINAL, bead_of
from phoenix_core.beads import Autopsy, Execution, Position

intent, seen, position, ended = sys.argv[2], 0, "", False
with SqliteStore(sys.argv[1], make=False) as store:
    while not ended:
        for record in store.read(seen):
            seen, body = record.seq + 1, bead_of(record).body
            if isinstance(body, Position) and body.intent_id == intent:
                position, ended = body.position_id, body.state in TERMINAL
                print(body.state, *body.reasons, f"{body.filled_quantity} of {body.requested_quantity}", flush=True)
            elif isinstance(body, Execution) and body.position_id == position and body.quantity is not None:
                print(" ", body.event, body.side, body.quantity, "at", body.price, flush=True)
            elif isinstance(body, Autopsy) and body.position_id == position:
                print(" ", body.outcome, body.realized, body.currency, *body.findings, flush=True)
        while not ended and not store.wait(seen, 60.0):
            pass  # a minute in which nobody wrote
