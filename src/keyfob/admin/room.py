"""The admin API."""

from keyfob.admin import record_routes, routes
from keyfob.core.rooms import Room


def build() -> Room:
    """Bring the routes; what they do is done by `administration`, the audit and the login log."""
    return Room(routes=[routes.routes, record_routes.routes])
