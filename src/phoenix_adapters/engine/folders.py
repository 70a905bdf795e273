"""The engine's side of the folders: intents in, answers out. What a disk does not take or give is told once and tried
again; the desk goes on without it, for what it holds is not in those folders."""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define

from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.responses import response_document
from phoenix_core.acts.propose import Propose, Quarantine
from phoenix_core.desk import Desk
from phoenix_core.effects import ArchiveInput, WriteResponse
from phoenix_core.ports import Seam


@define
class Folders:
    """What this run takes from the seam and gives to it; without one there is nobody to answer."""

    seam: Seam | None
    tell: Callable[[str], None]
    _told: set[str] = Factory(set)

    def take(self) -> tuple[Propose | Quarantine, ...]:
        """A command for every input that waits."""
        try:
            taken = self.seam.take() if self.seam is not None else ()
        except OSError as error:
            self._say(error)
            return ()
        return tuple(proposal_of(name, data, channel) for name, data, channel in taken)

    def answer(self, effect: WriteResponse | ArchiveInput, desk: Desk) -> bool:
        """Give an answer; false where it must be given again."""
        try:
            if self.seam is not None and isinstance(effect, WriteResponse):
                self.seam.respond(effect.intent_id, response_document(desk, effect.intent_id))
            elif self.seam is not None and isinstance(effect, ArchiveInput):
                self.seam.archive(effect.name, effect.digest, effect.quarantined, effect.reason)
        except OSError as error:
            self._say(error)
            return False
        return True

    def _say(self, error: OSError) -> None:
        words = f"the folders of intents and answers cannot be used: {error.strerror}"
        if words not in self._told:
            self._told.add(words)
            self.tell(words)
