"""ID tokens: every client's library can verify them, and what they say is what was asked for."""

import json
from typing import Any
from uuid import UUID

import jwt
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.hostile import claims_of, header_of
from tests.tokens.conftest import MakeKeyring
from tests.tokens.keys import id_token

from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.id_tokens import ID_TOKEN_ALGORITHMS, IdTokens, hash_half
from keyfob.tokens.keyring import Keyring

NOW = int(START.timestamp())
# The access token of OpenID Connect Core 1.0, appendix A.3.
EXAMPLE = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"


def read_by_pyjwt(token: str, keyring: Keyring, algorithm: str) -> dict[str, Any]:
    """Verify it as a client does that knows the JWKS alone."""
    keys = jwt.PyJWKSet.from_dict(json.loads(keyring.jwks)).keys
    (key,) = [key for key in keys if key.key_id == header_of(token)["kid"]]
    told: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience="an app",
        issuer="https://id.example/auth",
        options={"verify_exp": False, "verify_iat": False},
    )
    return told


@pytest.mark.parametrize("algorithm", ID_TOKEN_ALGORITHMS)
async def test_a_client_verifies_it_by_the_published_keys(
    make_keyring: MakeKeyring, clock: MovableClock, algorithm: str
) -> None:
    keyring = make_keyring()
    await keyring.load()
    tokens = IdTokens(keyring, clock, issuer="https://id.example/auth")

    token = await id_token(tokens, algorithm, claims={"name": "Ada"}, access_token=EXAMPLE)

    kid = keyring.active(algorithm).kid
    assert header_of(token) == {"typ": "JWT", "alg": algorithm, "kid": kid}
    told = read_by_pyjwt(token, keyring, algorithm)
    assert len(told.pop("jti")) == 22
    assert told.pop("at_hash") == hash_half(algorithm, EXAMPLE)
    assert told == {
        "iss": "https://id.example/auth",
        "sub": str(UUID(int=1)),
        "aud": "an app",
        "iat": NOW,
        "exp": NOW + 300,
        "auth_time": NOW,
        "amr": ["pwd", "otp"],
        "acr": "2",
        "nonce": "n-0S6_WzA2Mj",
        "sid": "a browser at an app",
        "name": "Ada",
    }


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_at_hash_is_that_of_the_specifications_example(algorithm: str) -> None:
    assert hash_half(algorithm, EXAMPLE) == "77QmUPtjPfzWtF2AnpK9RQ"


def test_at_hash_of_ed25519_is_half_of_sha_512() -> None:
    assert hash_half("EdDSA", EXAMPLE) == "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"


async def test_what_is_not_known_is_left_out(id_tokens: IdTokens) -> None:
    nothing: dict[str, Any] = {
        "auth_time": None,
        "amr": (),
        "acr": None,
        "nonce": None,
        "sid": None,
    }

    token = await id_token(id_tokens, **nothing)

    assert claims_of(token).keys() == {"iss", "sub", "aud", "iat", "exp", "jti"}


async def test_claims_of_the_user_replace_none_of_the_tokens(id_tokens: IdTokens) -> None:
    planted = dict.fromkeys(
        (
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nbf",
            "jti",
            "nonce",
            "auth_time",
            "acr",
            "amr",
            "sid",
        ),
        "planted",
    )

    token = await id_token(id_tokens, claims={**planted, "name": "Ada"})

    claims = claims_of(token)
    assert "planted" not in claims.values()
    assert claims["name"] == "Ada"


async def test_none_lives_longer_than_an_hour(id_tokens: IdTokens) -> None:
    assert claims_of(await id_token(id_tokens, lifetime=86_400))["exp"] == NOW + 3600


@pytest.mark.parametrize("algorithm", ID_TOKEN_ALGORITHMS)
async def test_a_hint_may_have_expired(
    id_tokens: IdTokens, clock: MovableClock, algorithm: str
) -> None:
    token = await id_token(id_tokens, algorithm)
    clock.advance(days=30)

    for client_id in (None, "an app"):
        hint = id_tokens.read_hint(token, client_id)
        assert hint == (UUID(int=1), "an app", "a browser at an app")
    assert id_tokens.read_hint(await id_token(id_tokens, algorithm, sid=None)).sid is None


async def test_a_hint_of_another_client_is_refused(id_tokens: IdTokens) -> None:
    with pytest.raises(TokenRejected, match="wrong_audience"):
        id_tokens.read_hint(await id_token(id_tokens), "another app")


async def test_a_hint_of_a_key_that_was_dropped_is_refused(
    make_keyring: MakeKeyring, clock: MovableClock
) -> None:
    keyring = make_keyring()
    await keyring.load()
    tokens = IdTokens(keyring, clock, issuer="https://id.example/auth")
    token = await id_token(tokens, "ES256")
    assert tokens.read_hint(token)

    await keyring.rotate(compromised=True)

    with pytest.raises(TokenRejected, match="unknown_key"):
        tokens.read_hint(token)
