"""What really happened at the broker's end of the simulation, as its judges are told of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import Factory, define

from phoenix_adapters.brokers.mock.working import Truth

NEVER: Final = timedelta(-1)


@define
class Wire:
    """What really happened at the broker: the truth, the pictures and answers it gave, what was told to its end."""

    truth: Truth
    pictures: dict[tuple[int, str], bool] = Factory(dict)  # (session, began): whether any of them was whole
    answered: timedelta = NEVER  # when the last round trip that came back had begun
    synchronised: bool = False  # whether this session's resynchronisation was told to its end
    torn: int = 0  # pictures in a row that were not whole
    heard: int = 0
    ids: dict[str, int] = Factory(dict)  # execution id -> its place in the truth

    def executed(self, exec_id: str) -> int | None:
        """Where the truth has an execution; None for one that never was."""
        while len(self.ids) < len(self.truth.executions):
            place = len(self.ids)
            self.ids[self.truth.executions[place].exec_id] = place
        return self.ids.get(exec_id)
