"""Changing the e-mail address over HTTP."""

from typing import Any
from uuid import UUID

import httpx
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.email import Email
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens

NEW = "Countess@Example.org"


async def request(world: World, caller: SignedIn, email: object = NEW) -> httpx.Response:
    return await world.api.post("/me/email", json={"email": email}, headers=caller.headers)


async def confirm(world: World, caller: SignedIn, token: str) -> httpx.Response:
    return await world.api.post("/me/email/confirm", json={"token": token}, headers=caller.headers)


async def issue(world: World, user_id: UUID, email: str = NEW) -> str:
    """Return a token as the link of the mail would carry it."""
    async with world.db.begin() as tx:
        return await world.service(OneTimeTokens).issue(
            tx, user_id, Kind.CHANGE_EMAIL, email=Email.parse(email)
        )


async def email_of(world: World, caller: SignedIn) -> Any:
    return (await world.me(caller)).json()["email"]
