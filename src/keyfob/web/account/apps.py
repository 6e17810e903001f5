"""The account's page of apps that have access to it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from starlette.responses import Response

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.web.visits import AVisit, pages

routes = pages()


@dataclass(frozen=True, kw_only=True)
class AppsPage:
    """No app can have access: there is no way to give it."""

    template: ClassVar[str] = "account/apps.html"


@routes.get("/ui/account/apps")
async def show_apps(visit: AVisit, caller: Annotated[User, require()]) -> Response:
    """Show the page."""
    return await visit.show(AppsPage())
