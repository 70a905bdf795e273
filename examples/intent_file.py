"""The smallest bot: leaves an intent as a file and needs nothing of Phoenix, not even Python.

Run: python examples/intent_file.py DESK
Write elsewhere on the same disk, then rename: an intent counts once it stands complete under its final name. The
answer appears as DESK/responses/INTENT.md while the engine runs.
"""

import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

INTENT = """\
schema: cse/1
signal_id: file-1
intent_id: {intent}
signal: READY
pair: EURUSD
setup_type: FVG_ENTRY
confidence: 0.85
entry: 1.0850
stop: 1.0820
target: 1.0910
strategy: example
state_hash: 4f1d
created_at: {now}
"""

desk, intent = Path(sys.argv[1]), str(uuid.uuid4())
written = desk / "run" / f"{intent}.yaml"
written.write_text(INTENT.format(intent=intent, now=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")), "utf-8")
os.replace(written, desk / "intents" / "incoming" / written.name)
print(intent)
