"""The client library is imported when it is first needed, wherever that is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.showing import shows

MADE = "from phoenix_adapters.brokers.ibkr.library import new_client; print(new_client(7).wrapper.clientId)"
WHERE = {
    "at once": MADE,
    "within a loop that runs": f"import asyncio\nasync def walk():\n    {MADE}\nasyncio.run(walk())",
    "after a loop has run to its end": f"import asyncio; asyncio.run(asyncio.sleep(0)); {MADE}",
    "in a thread without a loop": (
        f"import threading\ndef walk():\n    {MADE}\n"
        "thread = threading.Thread(target=walk)\nthread.start(); thread.join()"
    ),
}


@shows("S33-CON-03")
@pytest.mark.parametrize("program", WHERE.values(), ids=WHERE.keys())
def test_it_is_there_wherever_it_is_needed(program: str) -> None:
    """A bot may have run loops of its own before, or none, or work in threads."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "7"), ran.stderr
