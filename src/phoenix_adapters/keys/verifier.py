"""The port `Verifier`: cryptography and parsing, no opinion on who may do what."""

from __future__ import annotations

from typing import Final

from attrs import frozen
from returns.result import Failure, Result, Success

from phoenix_adapters.keys.openssh import Fault, KeyType
from phoenix_adapters.keys.sshsig import NAMESPACE, parse_signature, verify
from phoenix_core.facts import Checked
from phoenix_core.refusals import Reason, Refusal, refusal

_REASONS: Final = {
    Fault.WRONG_NAMESPACE: Reason.SIGNATURE_NAMESPACE,
    Fault.SIGNATURE_WRONG: Reason.SIGNATURE_WRONG,
}


@frozen
class SshVerifier:
    """Verifies SSHSIG signatures in one namespace. A FIDO signature nobody touched the key for is refused outright."""

    namespace: str = NAMESPACE

    def check(self, statement: bytes, signature: str) -> Result[Checked, Refusal]:
        """What was signed and how, or why it does not count."""
        parsed = parse_signature(signature)
        if isinstance(parsed, Fault):
            return _no(parsed)
        fault = verify(statement, parsed, self.namespace)
        if fault is not None:
            return _no(fault)
        if parsed.key.type is KeyType.HARDWARE and not parsed.presence:
            return Failure(refusal(Reason.PRESENCE_MISSING, detail="the device says that nobody touched it"))
        return Success(
            Checked(
                statement=statement,
                signature=signature,
                key=parsed.key.fingerprint,
                assurance=parsed.key.type.assurance,
                presence=parsed.presence,
                verification=parsed.verification,
                counter=parsed.counter,
            )
        )


def _no(fault: Fault) -> Result[Checked, Refusal]:
    reason = _REASONS.get(fault, Reason.SIGNATURE_MALFORMED)
    return Failure(refusal(reason, detail=f"the signature is not believed: {fault}"))
