"""Signing out."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends
from starlette.responses import Response

from keyfob.core.http import Provided
from keyfob.limits.requests import limited
from keyfob.sessions.own import OwnSessions
from keyfob.web.visits import AVisit, pages

routes = pages()


@dataclass(frozen=True, kw_only=True)
class SignOutPage:
    """Asks whether to sign out: a link alone does nothing."""

    template: ClassVar[str] = "sign_out.html"

    return_to: str


@routes.get("/ui/sign-out")
async def ask(visit: AVisit) -> Response:
    """Show the page."""
    if visit.user is None:
        return visit.go("/ui/sign-in", return_to=visit.return_to)
    return await visit.show(SignOutPage(return_to=visit.return_to))


@routes.post("/ui/sign-out", dependencies=[Depends(limited("logout", by="caller"))])
async def sign_out(
    visit: AVisit, own_sessions: Annotated[OwnSessions, Provided(OwnSessions)]
) -> Response:
    """End the session, and have the browser forget it."""
    if visit.user is not None:
        await own_sessions.leave(visit.user, visit.source)
    visit.end_session()
    return visit.go("/ui/sign-in", why="signed_out", return_to=visit.return_to)
