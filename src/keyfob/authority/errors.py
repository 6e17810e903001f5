"""Refusals of tokens that are bound to a key (RFC 9449 section 7)."""

from collections.abc import Mapping

from keyfob.authority.models import PROOF
from keyfob.core.problems import OAuthError, Unauthenticated


class NotProven(OAuthError, Unauthenticated):
    """A bound token came without a valid proof that its caller holds the key (RFC 9449 section 7).

    The log says what is wrong with it.
    """

    status = 401
    code = "invalid_dpop_proof"
    title = "The access token is bound to a key, which this request does not prove to hold"

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        challenge = f'{PROOF}, error="{self.code}"'
        super().__init__(challenge=challenge)
        self.headers.update(headers or {})


class ProofNonceNeeded(NotProven):
    """The proof has no nonce of ours, or an old one; `DPoP-Nonce` tells the present one."""

    code = "use_dpop_nonce"
    title = "Make the DPoP proof again, with the nonce of the header DPoP-Nonce"
