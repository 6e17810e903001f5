"""The room of authority: roles, permissions, and requirements of routes."""

from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.rooms import Chore, Room


def build(*, db: Database, clock: Clock) -> Room:
    """Build the service of permissions; other rooms implement the ports of `models`."""
    roles = Roles(db=db, clock=clock)

    def listen(feed: Feed) -> None:
        feed.hear_and_reload("roles", roles.load)
        feed.poll_with(roles.poll)

    return Room(
        services=[roles],
        chores=[Chore("roles that ended", 3600, roles.clean_up)],
        listen=listen,
    )
