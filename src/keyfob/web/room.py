"""The room of pages for browsers."""

from keyfob.core.rooms import Room
from keyfob.settings import Settings
from keyfob.web.docs import docs_routes
from keyfob.web.pages import page_routes


def build(*, settings: Settings) -> Room:
    """Build the API's documentation, and the pages that links in mails open."""
    return Room(
        routes=[
            docs_routes(settings.root_path, swagger=settings.docs, redoc=settings.redoc),
            page_routes(settings.root_path),
        ]
    )
