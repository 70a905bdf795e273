"""What of a log loosens and was signed by nobody, as any command finds it that looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from phoenix_adapters.engine.signatures import Signatures
from phoenix_adapters.keys import SshVerifier
from phoenix_core.acts.vouching import unvouched

if TYPE_CHECKING:
    from phoenix_cli.wiring.opening import Session
    from phoenix_core.acts.vouching import Row


def unsigned_rows(session: Session) -> tuple[Row, ...]:
    """The rows that count for nothing, by the same judgement as the engine's."""
    signatures = Signatures(session.store, SshVerifier())
    signatures.look(session.desk)
    world = session.recorder.world(session.desk)
    return unvouched(session.desk, evolve(world, verified=signatures.verified))
