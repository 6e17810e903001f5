"""The options for a browser: to create a new passkey, or to prove that the user has one.

They are the JSON of WebAuthn Level 3, section 5.1, written here instead of by the library: a
sign-in page asks for them at each view, without anything having to be loaded.
"""

from collections.abc import Sequence
from typing import Any

from keyfob.accounts.models import Account
from keyfob.core.encoding import to_base64url
from keyfob.mfa.models import RegisteredPasskey
from keyfob.mfa.passkeys.relying_party import RelyingParty

CHALLENGE_SECONDS = 300

EDDSA, ES256, RS256 = ALGORITHMS = (-8, -7, -257)  # COSE algorithms (RFC 9053, RFC 8812)

_KIND = "public-key"


def creation_options(
    party: RelyingParty, user: Account, challenge: bytes, registered: Sequence[RegisteredPasskey]
) -> dict[str, Any]:
    """Return `PublicKeyCredentialCreationOptionsJSON`.

    Each passkey can be used to sign in alone: it is discoverable, and has verified its user
    already. Threat: if a key without a PIN were accepted as a mere second factor, a thief could set
    a PIN and then sign in with nothing else (section 4, "uvInitialized").

    Args:
        party: the relying party.
        user: the owner of the new passkey.
        challenge: new random bytes.
        registered: the passkeys that the user has already.
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
    """Return `PublicKeyCredentialRequestOptionsJSON`; without `allowed`, any will do."""
    return {
        "challenge": _text(challenge),
        "timeout": CHALLENGE_SECONDS * 1000,
        "rpId": party.id,
        "allowCredentials": _descriptors(allowed),
        "userVerification": "required" if must_verify_user else "preferred",
    }


def _descriptors(passkeys: Sequence[RegisteredPasskey]) -> list[dict[str, Any]]:
    """Return descriptors of passkeys, with the transports that browsers gave (section 5.8.3)."""
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
