"""The page of help, which every page links to: what to do when something is wrong."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from keyfob.web.visits import AVisit, pages

routes = pages()


@dataclass(frozen=True, kw_only=True)
class HelpPage:
    """Advice for whoever cannot sign in, or wonders about a mail."""

    template: ClassVar[str] = "help.html"


@routes.get("/ui/help")
async def show_help(visit: AVisit) -> Response:
    """Show the page, to strangers, too."""
    return await visit.show(HelpPage())
