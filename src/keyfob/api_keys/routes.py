"""The caller's own API keys."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from keyfob.api_keys.errors import KeyNotFound, TooManyKeys
from keyfob.api_keys.models import KeyCreate, KeyOut, KeyRename, NewKeyOut
from keyfob.api_keys.service import OwnKeys
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.clients.errors import UnknownScope
from keyfob.core.http import Provided, may_refuse, router
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited

routes = router("Account")

SignedIn = Annotated[User, require()]
RecentlySignedIn = Annotated[User, require(recent=True)]
Keys = Annotated[OwnKeys, Provided(OwnKeys)]
KeyId = Annotated[UUID, Path(alias="id")]
_LIMITED = [Depends(limited("me-factors", by="both"))]


@routes.get("/me/api-keys", dependencies=[Depends(limited("me", by="caller"))])
async def list_api_keys(caller: SignedIn, own: Keys) -> list[KeyOut]:
    """List your valid API keys, the newest first."""
    return [KeyOut.of(key) for key in await own.keys.list_live(caller.user_id)]


@routes.post(
    "/me/api-keys",
    status_code=201,
    dependencies=_LIMITED,
    responses=may_refuse(UnknownScope, TooManyKeys),
)
async def create_api_key(
    body: KeyCreate, caller: RecentlySignedIn, source: RequestSource, own: Keys
) -> NewKeyOut:
    """Make an API key for a program that acts for you, within `scope`. It is shown this once.

    The program sends it as `Authorization: Bearer kfk_...`. A mail tells you of it. A recovery of
    your account, and its block, end all keys.
    """
    made = await own.create(
        caller,
        name=body.name,
        scope=body.scope,
        expires_at=body.expires_at,
        source=source,
    )
    return NewKeyOut.with_text(*made)


@routes.patch("/me/api-keys/{id}", dependencies=_LIMITED, responses=may_refuse(KeyNotFound))
async def rename_api_key(
    key_id: KeyId, body: KeyRename, caller: SignedIn, source: RequestSource, own: Keys
) -> KeyOut:
    """Rename one of your API keys."""
    return KeyOut.of(await own.rename(caller, key_id, body.name, source))


@routes.delete(
    "/me/api-keys/{id}",
    status_code=204,
    dependencies=[Depends(limited("me", by="caller"))],
    responses=may_refuse(KeyNotFound),
)
async def revoke_api_key(key_id: KeyId, caller: SignedIn, source: RequestSource, own: Keys) -> None:
    """Revoke one of your API keys, with every access token that was given for it, at once."""
    await own.revoke(caller, key_id, source)
