"""The admin API."""

from keyfob.admin import (
    bulk_routes,
    client_routes,
    list_routes,
    record_routes,
    role_routes,
    routes,
    statistics_routes,
    stream_routes,
)
from keyfob.admin.record_streams import RecordStreams
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.pagination import Cursors
from keyfob.core.rooms import Room
from keyfob.login_log.service import LoginLog
from keyfob.sessions.revocations import Revocations


def build(
    *, clock: Clock, cursors: Cursors, logins: LoginLog, audit: Audit, revocations: Revocations
) -> Room:
    """Build the routes; `administration`, the audit log and the login log do the work."""
    streams = RecordStreams(logins=logins, audit=audit, cursors=cursors, clock=clock)
    revocations.on_change.append(streams.wake)
    return Room(
        services=[streams],
        stopping=streams.stop,
        close=streams.close,
        routes=[
            list_routes.routes,
            bulk_routes.routes,
            routes.routes,
            record_routes.routes,
            statistics_routes.routes,
            stream_routes.routes,
            client_routes.routes,
            role_routes.routes,
        ],
    )
