"""Data about signing keys, and claims for them to sign."""

import json
from uuid import UUID

import pytest
from tests.fixtures.clock import START

from keyfob.authority.models import Role
from keyfob.core.database import Database
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import AccessClaims

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
