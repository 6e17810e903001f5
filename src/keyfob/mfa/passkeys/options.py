"""What a browser is asked for: a new passkey, or the proof that one is at hand.

The JSON of WebAuthn Level 3, section 5.1, written here and not by the library: a sign-in page asks
for it at each view, and nothing has to be loaded for that.
"""

from collections.abc import Sequence
from typing import Any

from keyfob.accounts.models import Account
from keyfob.core.encoding import to_base64url
from keyfob.mfa.models import RegisteredPasskey
from keyfob.mfa.passkeys.relying_party import RelyingParty

CHALLENGE_SECONDS = 300

EDDSA, ES256, RS256 = ALGORITHMS = (-8, -7, -257)  # of COSE (RFC 9053, RFC 8812)

_KIND = "public-key"


def creation_options(
    party: RelyingParty, user: Account, challenge: bytes, registered: Sequence[RegisteredPasskey]
) -> dict[str, Any]:
    """Return `PublicKeyCredentialCreationOptionsJSON`.

    Each passkey is one with which to sign in alone: it can be found by itself, and has verified
    its user already. Threat: on a key without a PIN, taken as a mere second factor, a thief would
    set one and then sign in with nothing else (section 4, "uvInitialized").

    Args:
        party: for whom.
        user: whose it is to be.
        challenge: fresh random bytes.
        registered: the passkeys that the user has.
    """
    return {
        "rp": {"id": party.id, "name": party.id},  # the safe default of section 5.4.1
        "user": {
            "id": _text(user.id.bytes),
            "name": user.email.typed,
            "displayName": user.name or user.email.typed,
        },
        "challenge": _text(challenge),
        "pubKeyCredParams": [{"type": _KIND, "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": CHALLENGE_SECONDS * 1000,
        "excludeCredentials": _descriptors(registered),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,  # the same, for browsers of Level 1
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(
    party: RelyingParty,
    challenge: bytes,
    allowed: Sequence[RegisteredPasskey],
    *,
    must_verify_user: bool,
) -> dict[str, Any]:
    """Return `PublicKeyCredentialRequestOptionsJSON`; with nothing allowed, any found by itself."""
    return {
        "challenge": _text(challenge),
        "timeout": CHALLENGE_SECONDS * 1000,
        "rpId": party.id,
        "allowCredentials": _descriptors(allowed),
        "userVerification": "required" if must_verify_user else "preferred",
    }


def _descriptors(passkeys: Sequence[RegisteredPasskey]) -> list[dict[str, Any]]:
    """Name passkeys, with the ways to reach each as the browser told them (section 5.8.3)."""
    return [
        {
            "id": _text(passkey.credential_id),
            "type": _KIND,
            **({"transports": passkey.transports} if passkey.transports else {}),
        }
        for passkey in passkeys
    ]


def _text(data: bytes) -> str:
    return to_base64url(data).decode("ascii")
