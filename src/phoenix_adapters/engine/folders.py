"""The engine's side of the folders: intents in, answers out. What a disk does not take or give is told once and tried
again; the desk goes on without it, for what it holds is not in those folders."""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define

from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.recorder import Recorder
from phoenix_adapters.engine.responses import response_document
from phoenix_core.acts.propose import Propose, Quarantine
from phoenix_core.beads import bead_id_of
from phoenix_core.chain import StoreFault
from phoenix_core.desk import Desk
from phoenix_core.effects import ArchiveInput, WriteResponse, react
from phoenix_core.kernel import bead_of
from phoenix_core.ports import Seam


@define
class Folders:
    """What this run takes from the seam and gives to it; without one there is nobody to answer."""

    seam: Seam | None
    tell: Callable[[str], None]
    recorder: Recorder
    _told: set[str] = Factory(set)

    def take(self) -> tuple[Propose | Quarantine, ...]:
        """A command for every input that waits, but for those that were heard under this name before."""
        try:
            taken = self.seam.take() if self.seam is not None else ()
        except OSError as error:
            self._say(error)
            return ()
        read = (proposal_of(name, data, channel) for name, data, channel in taken)
        return tuple(command for command in read if not self._put_away_again(command))

    def _put_away_again(self, command: Propose | Quarantine) -> bool:
        """The same bytes once more leave no bead, and so oblige nobody: they go where the first ones went, as whoever
        wrote them looks there. What is owed of the first ones does that for both."""
        store, desk = self.recorder.store, self.recorder.desk
        try:
            seq = store.seq_of(bead_id_of(command.command_id, 0))
            effects = react(bead_of(next(store.read(seq, seq + 1)))) if seq is not None else ()
        except StoreFault:
            return False  # the log says nothing now: the command waits for it, and nothing is lost
        for index, effect in enumerate(effects):
            if isinstance(effect, ArchiveInput) and (seq, index) not in desk.owed:
                return self.answer(effect, desk)
        return False

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
