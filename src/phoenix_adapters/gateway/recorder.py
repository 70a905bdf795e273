"""Frames as JSON lines, in and out as the gateway sees it: `{"t": ..., "dir": "in", "client": 7, "fields": [...]}`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TextIO

from attrs import define, frozen


@frozen
class Frame:
    """One message as it went over the wire; `client` is unknown until it has said who it is."""

    t: datetime
    dir: str
    client: int | None
    fields: tuple[str, ...]


@define
class Recorder:
    """Writes every frame to an open file, at once, so that a killed gateway leaves what it saw."""

    file: TextIO

    def __call__(self, frame: Frame) -> None:
        """Write one frame down."""
        line = {"t": frame.t.isoformat(), "dir": frame.dir, "client": frame.client, "fields": frame.fields}
        _ = self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.file.flush()
