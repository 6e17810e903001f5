"""The room of the login log."""

from datetime import timedelta

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.login_log import routes
from keyfob.login_log.service import LoginLog
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings


def build(*, settings: Settings, db: Database, clock: Clock, sessions: Sessions) -> Room:
    """Build the login log, which also records the ends of sessions."""
    log = LoginLog(
        db=db,
        clock=clock,
        retention=timedelta(days=settings.login_log_retention_days),
        throttled_rate=LocalRate(Rule.parse("throttled-log", "1/minute"), clock),
    )
    sessions.on_end.append(log.ended)
    return Room(
        services=[log],
        routes=[routes.routes],
        chores=[
            Chore("login log months", 3600, log.make_months, at_start=True),
            Chore("old login log", 6 * 3600, log.drop_old_months),
        ],
    )
