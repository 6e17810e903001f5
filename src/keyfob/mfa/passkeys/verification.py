"""The verification of answers from browsers (WebAuthn Level 3, sections 7.1 and 7.2).

The input is hostile: the `webauthn` library parses its CBOR and raises whatever its parts raise, so
any exception here becomes one refusal. Checks that the library leaves to its caller are made here.
"""

import json
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import ValidationError
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography
from webauthn.helpers.cose import COSEAlgorithmIdentifier

from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.mfa.models import Assertion, NewPasskey, StoredPasskey
from keyfob.mfa.passkeys.cbor import ensure_plain
from keyfob.mfa.passkeys.credentials import AssertionIn, NewCredentialIn
from keyfob.mfa.passkeys.options import ALGORITHMS, EDDSA, ES256, RS256
from keyfob.mfa.passkeys.relying_party import RelyingParty

_LONGEST_ID = 1023  # bytes (section 7.1, step 25)
_LONGEST_KEY = 600  # bytes: an RSA key of 4,096 bits
_RSA_BITS = range(2048, 4097)
_HAS_CREDENTIAL = 0x40  # the flag AT of authenticator data
_SYNCED = "multi_device"  # the library's word for the flag BE: it may be on several devices


class Refused(Exception):
    """A credential is not valid; the message says why, for the log."""


def verify_registration(
    party: RelyingParty,
    credential: dict[str, Any],
    challenge: bytes,
    *,
    verifies_user: bool = True,
) -> NewPasskey:
    """Verify the result of `navigator.credentials.create()` (section 7.1).

    Args:
        party: the relying party.
        credential: `RegistrationResponseJSON`.
        challenge: the bytes that the browser was given.
        verifies_user: whether the key must have verified its user (PIN, finger, face).

    Raises:
        Refused: for whatever reason.
    """
    try:
        told = NewCredentialIn.model_validate(credential)
        _ensure_own_page(told.response.client_data_json)
        told.response.attestation_object = _as_asked_for(told.response.attestation_object)
        verified = verify_registration_response(
            credential=told.as_json(),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.expected,
            require_user_verification=verifies_user,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS],
        )
        _ensure_id(verified.credential_id, told.raw_id)
        _ensure_key(verified.credential_public_key)
    except Exception as fault:
        raise Refused(_told(fault)) from fault
    return NewPasskey(
        verified.credential_id,
        verified.credential_public_key,
        verified.sign_count,
        sorted(set(told.response.transports)),
        verified.credential_device_type == _SYNCED,
        verified.credential_backed_up,
    )


def verify_assertion(
    party: RelyingParty,
    credential: dict[str, Any],
    challenge: bytes,
    passkey: StoredPasskey,
    *,
    names_user: bool,
    verifies_user: bool,
) -> Assertion:
    """Verify the result of `navigator.credentials.get()` (section 7.2).

    Whether the counter has increased is decided by the database.

    Args:
        party: the relying party.
        credential: `AuthenticationResponseJSON`.
        challenge: the bytes to be signed.
        passkey: the passkey with the credential's id.
        names_user: whether the answer must name its user; otherwise it may also name nobody.
        verifies_user: whether the key must have verified its user (PIN, finger, face).

    Raises:
        Refused: for whatever reason.
    """
    try:
        told = AssertionIn.model_validate(credential)
        _ensure_own_page(told.response.client_data_json)
        handle = told.response.user_handle or ""
        if from_base64url(handle) not in {passkey.user_id.bytes, None if names_user else b""}:
            raise Refused("the user handle is not the owner's")  # noqa: TRY301 - refused like the others
        _ensure_plain_data(from_base64url(told.response.authenticator_data))
        verified = verify_authentication_response(
            credential=told.as_json(),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.expected,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=verifies_user,
        )
    except Exception as fault:
        raise Refused(_told(fault)) from fault
    return Assertion(
        verified.new_sign_count,
        backup_eligible=verified.credential_device_type == _SYNCED,
        backed_up=verified.credential_backed_up,
    )


def _ensure_own_page(client_data: str) -> None:
    """Check that the page was not in a frame of another origin (section 13.4.9)."""
    told = json.loads(from_base64url(client_data))
    if told.get("crossOrigin") or "topOrigin" in told:
        raise Refused("it was made in a frame of another page")


def _as_asked_for(attestation_object: str) -> str:
    """Return an attestation object as browsers send it if no attestation was requested.

    Section 5.1.3 has the browser do that, but some leave it to us. Nothing that others than the key
    itself vouch for is read: without trusted roots it would prove nothing, and certificates are not
    worth the risk of parsing them.
    """
    data = from_base64url(attestation_object)
    ensure_plain(data)
    attested = cbor2.loads(data)
    name, statement = attested["fmt"], attested["attStmt"]
    if not isinstance(name, str) or not isinstance(statement, dict):
        raise Refused("the attestation is none")
    _ensure_plain_data(attested["authData"])
    if name == "none" and statement:  # section 8.7
        raise Refused("there is a statement, and no attestation")
    if name == "none" or (name == "packed" and "x5c" not in statement):
        return attestation_object
    plain = {"fmt": "none", "attStmt": {}, "authData": attested["authData"]}
    return to_base64url(cbor2.dumps(plain)).decode("ascii")


def _ensure_plain_data(data: bytes) -> None:
    """Check that the CBOR at the end of authenticator data (section 6.1) is as CTAP2 writes it."""
    credential = b""
    if data[32] & _HAS_CREDENTIAL:
        credential = data[37:55] + data[55 : 55 + int.from_bytes(data[53:55])]
    ensure_plain(data[37 + len(credential) :])


def _ensure_id(credential_id: bytes, named: str) -> None:
    if credential_id != from_base64url(named) or len(credential_id) > _LONGEST_ID:
        raise Refused("the id is too long, or not that of the credential")


def _ensure_key(public_key: bytes) -> None:
    """Check that the key can verify signatures, which the library omits without attestation."""
    decoded = decode_credential_public_key(public_key)
    match decoded_public_key_to_cryptography(decoded):
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            algorithm = ES256
        case ed25519.Ed25519PublicKey():
            algorithm = EDDSA
        case rsa.RSAPublicKey(key_size=bits) if bits in _RSA_BITS:
            algorithm = RS256
        case _:
            algorithm = 0
    if decoded.alg != algorithm or len(public_key) > _LONGEST_KEY:
        raise Refused("the key is not of an algorithm that was offered, or of an odd size")


def _told(fault: Exception) -> str:
    """Return the reason in one short line; it may repeat a little of a stranger's input."""
    why = f"{type(fault).__name__}: {fault}"
    if isinstance(fault, ValidationError):
        first = fault.errors(include_input=False, include_url=False)[0]
        why = f"{first['loc']}: {first['msg']}"
    return ascii(why)[1:-1][:200]
