"""What a browser is asked for: a new passkey, or the proof that one is at hand (WebAuthn Level 3).

The `webauthn` library and its parts take 16 MB, and a while to load: whoever needs them loads them,
in a thread.
"""

from collections.abc import Sequence
from typing import Any

from asyncpg import Record

from keyfob.mfa.relying_party import RelyingParty

CHALLENGE_SECONDS = 300

EDDSA, ES256, RS256 = ALGORITHMS = (-8, -7, -257)  # of COSE (RFC 9053, RFC 8812)


def creation_options(
    party: RelyingParty, user: Record, challenge: bytes, registered: Sequence[Record]
) -> dict[str, Any]:
    """Return `PublicKeyCredentialCreationOptionsJSON`.

    Each passkey is one with which to sign in alone: it can be found by itself, and has verified
    its user already. Threat: on a key without a PIN, taken as a mere second factor, a thief would
    set one and then sign in with nothing else (section 4, "uvInitialized").

    Args:
        party: for whom.
        user: `id`, `email` and `name` of the account.
        challenge: fresh random bytes.
        registered: `credential_id` and `transports` of the passkeys that the user has.
    """
    import webauthn  # noqa: PLC0415 - 16 MB, only where used
    from webauthn.helpers import cose, options_to_json_dict, structs  # noqa: PLC0415 - likewise

    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.id,  # the safe default of section 5.4.1; browsers show the id anyway
        user_id=user["id"].bytes,
        user_name=user["email"],
        user_display_name=user["name"] or user["email"],
        challenge=challenge,
        timeout=CHALLENGE_SECONDS * 1000,
        attestation=structs.AttestationConveyancePreference.NONE,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(registered),
        supported_pub_key_algs=[cose.COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS],
    )
    return options_to_json_dict(options)


def request_options(
    party: RelyingParty, challenge: bytes, allowed: Sequence[Record], *, must_verify_user: bool
) -> dict[str, Any]:
    """Return `PublicKeyCredentialRequestOptionsJSON`; with nothing allowed, any found by itself."""
    from webauthn import generate_authentication_options  # noqa: PLC0415 - 16 MB, only where used
    from webauthn.helpers import options_to_json_dict  # noqa: PLC0415 - likewise
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415 - likewise

    wish = UserVerificationRequirement.REQUIRED if must_verify_user else None
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=CHALLENGE_SECONDS * 1000,
        allow_credentials=_descriptors(allowed),
        user_verification=wish or UserVerificationRequirement.PREFERRED,
    )
    return options_to_json_dict(options)


def _descriptors(passkeys: Sequence[Record]) -> list[Any]:
    from webauthn.helpers import structs  # noqa: PLC0415 - 16 MB, only where used

    known = {transport.value for transport in structs.AuthenticatorTransport}
    return [
        structs.PublicKeyCredentialDescriptor(
            id=passkey["credential_id"],
            transports=[
                structs.AuthenticatorTransport(name)
                for name in passkey["transports"]
                if name in known
            ]
            or None,
        )
        for passkey in passkeys
    ]
