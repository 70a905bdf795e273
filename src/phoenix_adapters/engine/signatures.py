"""The signatures that a run checked again from the stored bytes: what the core may believe of a row that names one.

A run that starts checks what still matters and nothing else: recent decisions, how each key came, and what loosens and
is in force. While it runs it checks each signature when it meets it.
"""

from __future__ import annotations

import base64

from attrs import Factory, define
from returns.pipeline import is_successful

from phoenix_core.acts.vouching import places
from phoenix_core.beads import Bead, Decision, Operator, OperatorEvent, Signed
from phoenix_core.desk import Desk
from phoenix_core.effects import CarryOut
from phoenix_core.facts import Checked
from phoenix_core.gate.statements import read_statement
from phoenix_core.kernel import bead_of
from phoenix_core.ports import BeadStore, Verifier


@define
class Signatures:
    """What was checked, by its place in the log."""

    store: BeadStore
    verifier: Verifier
    verified: dict[int, Checked] = Factory(dict)
    replaying: bool = False  # of what is long over nobody asks any more
    _rooted: dict[int, str] = Factory(dict)

    def begin(self, desk: Desk) -> None:
        """A run starts on this desk: check what may still be acted on, and what still stands."""
        self.replaying = False
        for seq, body in desk.approvals.recent.items():
            self._check(seq, body.signed)
        self.look(desk)

    def look(self, desk: Desk) -> None:
        """Check how each key came, and what what is in force rests on; of a long log nothing else."""
        for place in places(desk):
            if place not in self.verified:
                self.heard(bead_of(next(self.store.read(place, place + 1))))

    def heard(self, bead: Bead) -> None:
        """A bead came in: check the signature that decides, or that enrols a key."""
        body = bead.body
        if self.replaying or not isinstance(body, Decision | Operator) or body.signed is None:
            return
        if isinstance(body, Decision) or body.event is OperatorEvent.ENROLLED:
            self._check(bead.seq, body.signed)

    def _check(self, seq: int, signed: Signed) -> None:
        """What does not verify, or not as recorded, opens nothing."""
        found = self.verifier.check(signed.statement.encode(), signed.signature)
        if is_successful(found):
            checked = found.unwrap()
            if (checked.key, checked.presence, checked.counter) == (signed.key, signed.presence, signed.counter):
                self.verified[seq] = checked

    def roots(self, desk: Desk) -> dict[int, str]:
        """This log's root at the size that each statement co-signs which is still to be acted on."""
        rooted = self._rooted
        places = [owed.decision for owed in desk.owed.of(CarryOut).values()]
        for token in (*desk.tokens.live.values(), *desk.tokens.spent.values()):
            places.append(desk.approvals.decided[token.intent_id].seq)
        self._rooted = {seq: rooted.get(seq) or self._root_of(seq) for seq in places if seq in self.verified}
        return self._rooted

    def _root_of(self, seq: int) -> str:
        size = min(read_statement(self.verified[seq].statement).tree_size, seq)
        return base64.b64encode(self.store.root(size)).decode("ascii")
