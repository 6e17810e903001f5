"""Data about signing keys, and claims for them to sign."""

import json
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import START

from keyfob.authority.models import Role
from keyfob.core.database import Database
from keyfob.tokens import algorithms
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.id_tokens import IdTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import AccessClaims, SigningKey

CLAIMS = AccessClaims(
    subject=UUID(int=1),
    session_id=UUID(int=2),
    generation=7,
    role=Role.MODERATOR,
    roles=("moderator",),
    audience=("keyfob",),
    auth_time=START,
    amr=("pwd",),
)


def published(keyring: Keyring) -> list[str]:
    return [key["kid"] for key in json.loads(keyring.jwks)["keys"]]


async def count_keys(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM signing_keys"))


async def states(keyring: Keyring) -> list[str]:
    return [key["state"] for key in await keyring.list_all()]


def reason_of(tokens: AccessTokens, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(TokenRejected) as refusal:
        tokens.verify(token)
    return refusal.value.reason


@cache
def id_token_key(algorithm: str) -> SigningKey:
    """Return a key of ID tokens, the same in each test: an RSA key takes long."""
    private, kid = algorithms.generate(algorithm), f"id {algorithm}"
    public = private.public_key()
    jwk = algorithms.to_jwk(algorithm, kid, public)
    return SigningKey(1, kid, algorithm, jwk, START, START, None, public, private)


async def id_token(tokens: IdTokens, algorithm: str = "RS256", **changed: Any) -> str:
    """Issue an ID token."""
    told: dict[str, Any] = {
        "subject": UUID(int=1),
        "client_id": "an app",
        "algorithm": algorithm,
        "auth_time": START,
        "amr": ("pwd", "otp"),
        "acr": "2",
        "nonce": "n-0S6_WzA2Mj",
        "sid": "a browser at an app",
        "access_token": None,
        "claims": {},
        "lifetime": 300,
    }
    return await tokens.issue(**{**told, **changed})
