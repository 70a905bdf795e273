"""From bytes that somebody left to a command: any bytes end as a proposal or a quarantine, never as an exception."""

from __future__ import annotations

from phoenix_adapters.codec import digest_of, read_document
from phoenix_core.acts.propose import Propose, Quarantine
from phoenix_core.gate.cse import read_signal, refusal_of
from phoenix_core.values import BadInput, CommandId, derived_id


def proposal_of(name: str, data: bytes, channel: str) -> Propose | Quarantine:
    """The command that an input is. The same bytes make the same command, so that a retry lands once."""
    digest = digest_of(data)
    command_id = CommandId(derived_id("input", digest, name))
    try:
        return Propose(command_id, digest, channel, read_signal(read_document(data, name)), name)
    except BadInput as error:
        return Quarantine(command_id, digest, channel, refusal_of(error), name)
