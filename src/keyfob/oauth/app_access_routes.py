"""The calls of users about apps that have access to their account."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided, may_refuse, router
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.oauth.app_access import AppAccess, GrantNotFound, GrantOut

routes = router("Account")

SignedIn = Annotated[User, require()]
Access = Annotated[AppAccess, Provided(AppAccess)]
_LIMITED = [Depends(limited("me", by="caller"))]


@routes.get("/me/grants", dependencies=_LIMITED)
async def list_own_grants(caller: SignedIn, access: Access) -> list[GrantOut]:
    """List the apps that have access to your account, by name."""
    return [GrantOut.of(app) for app in await access.list_of(caller.user_id)]


@routes.delete(
    "/me/grants/{client_id}",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(GrantNotFound),
)
async def take_own_grant_back(
    client_id: UUID, caller: SignedIn, source: RequestSource, access: Access
) -> None:
    """Take from an app all that it has of you: its tokens are refused at once.

    If it sends you here again, you are asked.
    """
    await access.take_back(caller, client_id, source)
