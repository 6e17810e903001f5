"""The account's page of apps that have access to it: listed, and taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from starlette.responses import Response

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import N_
from keyfob.core.problems import Problem
from keyfob.limits.requests import limited
from keyfob.oauth.app_access import AllOfApp, AppAccess, GrantNotFound
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

SignedIn = Annotated[User, require()]
Access = Annotated[AppAccess, Provided(AppAccess)]
_LIMITED = [Depends(limited("me", by="caller"))]

_DONE: Mapping[str, str] = {"removed": N_("The app has no access any more.")}


@dataclass(frozen=True, kw_only=True)
class AppsPage:
    """The apps that have access, by name."""

    template: ClassVar[str] = "account/apps.html"

    apps: Sequence[AllOfApp]
    errors: Mapping[str, str] = field(default_factory=dict)


@routes.get("/ui/account/apps", dependencies=_LIMITED)
async def show_apps(visit: AVisit, caller: SignedIn, access: Access) -> Response:
    """Show the page."""
    return await _show(visit, caller, access)


@routes.post("/ui/account/apps/{id}/remove", dependencies=_LIMITED)
async def take_back(
    client_id: Annotated[UUID, Path(alias="id")], visit: AVisit, caller: SignedIn, access: Access
) -> Response:
    """Take from an app all that it has of the caller."""
    try:
        await access.take_back(caller, client_id, visit.source)
    except GrantNotFound as gone:
        return await _show(visit, caller, access, gone.status, wrong=gone)
    return visit.go("/ui/account/apps", done="removed")


async def _show(
    visit: Visit,
    caller: User,
    access: AppAccess,
    status: int = 200,
    *,
    wrong: Problem | None = None,
) -> Response:
    page = AppsPage(
        apps=await access.list_of(caller.user_id),
        errors={"": refusal(wrong.code)} if wrong else {},
    )
    return await visit.show(page, status, toast=visit.done(_DONE))
