"""No byte that a desk leaves behind holds a secret: not the log, its export, its files, what is printed or logged.

The day is a PAPER desk's before the real client, with a fault whose words name the account, and a second run after it.
What may hold secrets is `keys/` alone.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_adapters.beads.export import export_lines
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.keys import load_log_key
from phoenix_cli.home import Home
from phoenix_core.values import State
from tests.contract.broker.orders import NUMBER
from tests.contract.ibkr.desk import at_work
from tests.showing import shows


def secrets_of(home: Home) -> Iterator[bytes]:
    """The account's number, and every private file: its bytes, its lines, and what may be spelt of it."""
    yield NUMBER.encode()
    yield NUMBER.lstrip("DU").encode()
    for file in (home.operator_key, home.log_key, home.desk_key):
        data = file.read_bytes()
        yield from (data, data.hex().encode(), base64.b64encode(data).rstrip(b"="))
        yield from (line for line in data.splitlines() if len(line) == 70)


def left_behind(home: Home) -> Iterator[tuple[str, bytes]]:
    """Every file of the home beside its keys, and the export of its log."""
    for file in sorted(home.path.rglob("*")):
        if file.is_file() and file.parent != home.operator_key.parent:
            yield file.name, file.read_bytes()
    with SqliteStore(home.log) as store:
        origin = str(next(store.read(0, 1)).body["origin"])
        yield "the export", b"".join(export_lines(store, origin, load_log_key(home.log_key).public))


@pytest.mark.parametrize(("fault", "state"), [("unknown_code", State.MANAGED), ("reject_permission", State.REJECTED)])
@shows("I2")
async def test_no_byte_of_a_day_holds_a_secret(
    fault: str, state: State, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Signal, approval, order, answer; another run over the same home; everything that either left."""
    caplog.set_level(logging.DEBUG)
    async with at_work(tmp_path) as desk:
        desk.scene.server.fault(fault)
        await desk.enter()
        await desk.reaches(state)
        desk.die()
        await desk.revive()
        await desk.until(desk.stage.is_ready)
        tale = "\n".join(desk.stage.tale.lines)
    home, printed = Home(tmp_path), capfd.readouterr()
    found = [*left_behind(home), ("the tale", tale.encode()), ("the logs", caplog.text.encode())]
    found += [("stdout", printed.out.encode()), ("stderr", printed.err.encode())]
    assert {"beads.db", "the export"} <= {name for name, _ in found}
    names = {secret: [name for name, data in found if secret in data] for secret in secrets_of(home)}
    assert not [places for places in names.values() if places]
