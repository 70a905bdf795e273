"""What commands need of adapters by name, in one list: everything else of them stays behind the ports."""

from phoenix_adapters.beads.lease import holder
from phoenix_adapters.beads.sqlite import SqliteStore
from phoenix_adapters.codec import DOCUMENT_MAX, read_document
from phoenix_adapters.engine.inputs import proposal_of
from phoenix_adapters.engine.telling import takes
from phoenix_adapters.keys import KeyTrouble, SshVerifier, load_public
from phoenix_adapters.seams.files import write_whole
from phoenix_core.chain import StoreFault

__all__ = [
    "DOCUMENT_MAX",
    "KeyTrouble",
    "SqliteStore",
    "SshVerifier",
    "StoreFault",
    "holder",
    "load_public",
    "proposal_of",
    "read_document",
    "takes",
    "write_whole",
]
