"""Who asks, what a role permits, and what a route requires."""

from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.rooms import Chore, Room


def build(*, db: Database, clock: Clock) -> Room:
    """Build what tells of permissions; other rooms bring the ports of `models`."""
    roles = Roles(db=db, clock=clock)

    def listen(feed: Feed) -> None:
        feed.hear_and_reload("roles", roles.load)
        feed.poll_with(roles.poll)

    return Room(
        services=[roles],
        chores=[Chore("roles that ended", 3600, roles.clean_up)],
        listen=listen,
    )
