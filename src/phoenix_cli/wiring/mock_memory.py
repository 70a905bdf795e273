"""What the mock broker holds from one engine to the next: a real one does not forget either."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from phoenix_adapters.brokers.mock.working import Truth
from phoenix_adapters.seams.files import write_whole
from phoenix_cli.output import tell
from phoenix_core.records import of_json, to_json
from phoenix_core.values import BadInput


@frozen
class MockMemory:
    """A file of the mock broker's own."""

    file: Path

    def recalled(self) -> Truth:
        """What it held when the last engine stopped."""
        try:
            return of_json(Truth, json.loads(self.file.read_text("utf-8")))
        except FileNotFoundError:
            return Truth()
        except ValueError as error:
            mend = f"remove it, and the mock broker begins anew, holding nothing ({error})"
            raise BadInput("the mock broker's memory", str(self.file), mend) from error

    def keep(self, truth: Truth) -> None:
        """Write it down, as far as the disk lets it: a broker's disk is not the desk's, and stops no engine."""
        try:
            write_whole(self.file, json.dumps(to_json(truth)))
        except OSError as error:
            tell(f"the mock broker cannot write down what it holds, and would forget it with this engine: {error}")
