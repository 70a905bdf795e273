"""What may go wrong around keys: files, agents, ssh-keygen. The host's blame, never a rule's or a bug of ours."""

from __future__ import annotations

from phoenix_core.values import Named


class Trouble(Named):
    """What went wrong."""

    KEY_MISSING = "KEY_MISSING"
    KEY_EXISTS = "KEY_EXISTS"
    KEY_NOT_A_FILE = "KEY_NOT_A_FILE"
    KEY_OF_ANOTHER_USER = "KEY_OF_ANOTHER_USER"
    KEY_OPEN_TO_OTHERS = "KEY_OPEN_TO_OTHERS"
    KEY_NOT_READ = "KEY_NOT_READ"
    KEY_NEEDS_ITS_DEVICE = "KEY_NEEDS_ITS_DEVICE"
    KEYGEN_MISSING = "KEYGEN_MISSING"
    KEYGEN_FAILED = "KEYGEN_FAILED"
    AGENT_UNREACHABLE = "AGENT_UNREACHABLE"
    AGENT_ANSWER = "AGENT_ANSWER"
    AGENT_REFUSED = "AGENT_REFUSED"
    SIGNATURE_NOT_TRUE = "SIGNATURE_NOT_TRUE"


class KeyTrouble(Exception):
    """Something outside Phoenix is not as it must be: what, where, and how to mend it."""

    def __init__(self, trouble: Trouble, where: str, mend: str) -> None:
        """Keep the three parts apart, so that every edge can show them its own way."""
        self.trouble, self.where, self.mend = trouble, where, mend
        super().__init__(f"{trouble}: {where}; {mend}")
