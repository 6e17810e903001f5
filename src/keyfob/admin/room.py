"""The admin API."""

from keyfob.admin import (
    client_routes,
    list_routes,
    record_routes,
    role_routes,
    routes,
    statistics_routes,
)
from keyfob.core.rooms import Room


def build() -> Room:
    """Build the routes; `administration`, the audit log and the login log do the work."""
    return Room(
        routes=[
            list_routes.routes,
            routes.routes,
            record_routes.routes,
            statistics_routes.routes,
            client_routes.routes,
            role_routes.routes,
        ]
    )
