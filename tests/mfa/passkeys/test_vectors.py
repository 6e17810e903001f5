"""WebAuthn Level 3, section 16: the published passkeys, as far as we take their like."""

import re

import pytest
from tests.fixtures.authenticator import UV
from tests.fixtures.clock import START
from tests.fixtures.hostile import Json, decode, encode
from tests.fixtures.webauthn_vectors import ORIGIN, PUBLISHED, RP_ID, Vector, make_vector

from keyfob.core.secrets import new_id
from keyfob.mfa.models import Assertion, StoredPasskey
from keyfob.mfa.passkeys.relying_party import RelyingParty
from keyfob.mfa.passkeys.verification import (
    Refused,
    verify_assertion,
    verify_registration,
)

PARTY = RelyingParty(RP_ID, (ORIGIN,))
OWNER = new_id(START)
FRAMED = ["none.ES256.crossOrigin", "none.ES256.topOrigin"]
OWN_PAGE = [name for name in PUBLISHED if name not in FRAMED]


@pytest.fixture(scope="module", params=PUBLISHED)
def vector(request: pytest.FixtureRequest) -> Vector:
    return make_vector(request.param)


def credential_of(vector: Vector, response: Json) -> Json:
    name = encode(vector.passkey.credential_id)
    return {"id": name, "rawId": name, "type": "public-key", "response": response}


def sign_in(vector: Vector, *, verifies_user: bool = False) -> Assertion:
    return verify_assertion(
        PARTY,
        credential_of(vector, {**vector.got, "userHandle": encode(OWNER.bytes)}),
        vector.get_challenge,
        StoredPasskey(OWNER, OWNER, vector.public_key, 0),
        names_user=True,
        verifies_user=verifies_user,
    )


def test_what_is_made_here_is_what_was_published(vector: Vector) -> None:
    assert vector.digests == PUBLISHED[vector.name]


@pytest.mark.parametrize(
    "name", [name for name in OWN_PAGE if make_vector(name).has_whole_registration]
)
def test_a_registration_is_verified(name: str) -> None:
    vector = make_vector(name)

    made = verify_registration(
        PARTY,
        credential_of(vector, vector.created),
        vector.create_challenge,
        verifies_user=False,
    )

    assert made.credential_id == vector.passkey.credential_id
    assert made.public_key == vector.public_key
    assert made.sign_count == 0


@pytest.mark.parametrize("name", OWN_PAGE)
def test_a_sign_in_is_verified(name: str) -> None:
    assert sign_in(make_vector(name)).sign_count == 0


@pytest.mark.parametrize("name", OWN_PAGE)
def test_who_was_not_verified_does_not_sign_in_by_passkey_alone(name: str) -> None:
    vector = make_vector(name)

    if decode(vector.got["authenticatorData"])[32] & UV:
        assert sign_in(vector, verifies_user=True).sign_count == 0
    else:
        with pytest.raises(Refused, match="User verification is required"):
            sign_in(vector, verifies_user=True)


@pytest.mark.parametrize("name", FRAMED)
def test_what_was_made_in_the_frame_of_another_page_is_refused(name: str) -> None:
    vector = make_vector(name)

    with pytest.raises(Refused, match="in a frame of another page"):
        sign_in(vector)
    with pytest.raises(Refused, match="in a frame of another page"):
        verify_registration(
            PARTY,
            credential_of(vector, vector.created),
            vector.create_challenge,
            verifies_user=False,
        )


@pytest.mark.parametrize("name", OWN_PAGE)
@pytest.mark.parametrize("part", ["authenticatorData", "clientDataJSON", "signature"])
def test_one_bit_more_or_less_is_refused(name: str, part: str) -> None:
    vector = make_vector(name)
    whole = decode(vector.got[part])
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        response = {**vector.got, part: encode(bytes(changed)), "userHandle": encode(OWNER.bytes)}
        with pytest.raises(Refused):
            verify_assertion(
                PARTY,
                credential_of(vector, response),
                vector.get_challenge,
                StoredPasskey(OWNER, OWNER, vector.public_key, 0),
                names_user=True,
                verifies_user=False,
            )


def test_the_digests_are_of_every_vector_with_an_algorithm_that_is_offered() -> None:
    """Left out are ES384, ES512 and Ed448, which `test_passkey_ceremonies` sees refused."""
    algorithms = {re.split(r"\.", name)[1] for name in PUBLISHED}

    assert algorithms == {"ES256", "RS256", "EdDSA"}
    assert len(PUBLISHED) == 12
