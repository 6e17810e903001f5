"""A device, and its answers where they are verified."""

from typing import Any

import cbor2
from tests.fixtures.authenticator import (
    HONEST,
    Json,
    Mistake,
    Passkey,
    cose_of,
    ed25519_key,
    es256,
    rs256,
)
from tests.fixtures.clock import START
from tests.fixtures.hostile import encode

from keyfob.core.secrets import new_id
from keyfob.mfa.models import Assertion, NewPasskey, StoredPasskey
from keyfob.mfa.passkeys.relying_party import RelyingParty
from keyfob.mfa.passkeys.verification import (
    verify_assertion,
    verify_registration,
)

ORIGIN = "https://login.example.com"
PARTY = RelyingParty("example.com", (ORIGIN, "https://example.com"))
OWNER, SOMEBODY = new_id(START), new_id(START)
CHALLENGE = bytes(range(32))
CREATE = {
    "rp": {"id": PARTY.id},
    "user": {"id": encode(OWNER.bytes)},
    "challenge": encode(CHALLENGE),
}
GET = {"rpId": PARTY.id, "challenge": encode(CHALLENGE)}
RSA_KEY = rs256()
KEYS = {"ES256": es256(), "EdDSA": ed25519_key(), "RS256": RSA_KEY}


def device(**differs: Any) -> Passkey:
    return Passkey(**{"key": KEYS["ES256"], "origin": ORIGIN, **differs})


def register(made: Json, challenge: bytes = CHALLENGE) -> NewPasskey:
    return verify_registration(PARTY, made, challenge)


def check(passkey: Passkey, answer: Json, **differs: bool) -> Assertion:
    kept = StoredPasskey(OWNER, OWNER, cbor2.dumps(cose_of(passkey.key)), 0)
    how = {"names_user": True, "verifies_user": True, **differs}
    return verify_assertion(PARTY, answer, CHALLENGE, kept, **how)


def made_by(mistake: Mistake = HONEST, **differs: Any) -> Json:
    return device(**differs).make(CREATE, mistake)


def answered_by(passkey: Passkey, mistake: Mistake = HONEST) -> Json:
    passkey.user_handle = OWNER.bytes
    return passkey.answer(GET, mistake)
