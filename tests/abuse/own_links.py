"""A link that the service would send."""

from uuid import UUID

from tests.fixtures.world import World

from keyfob.accounts.email import Email
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens


async def link_of(world: World, user_id: UUID, kind: Kind, email: str = "new@example.org") -> str:
    """Return a live link's token."""
    async with world.db.begin() as tx:
        return await world.service(OneTimeTokens).issue(tx, user_id, kind, email=Email.parse(email))
