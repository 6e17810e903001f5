"""Whoever signs out on a page has signed out, whatever else happens in the same moment."""

import pytest
from tests.fixtures.world import World

from keyfob.authority.models import Authenticator, Role, User
from keyfob.devices.source import Source
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.own import OwnSessions

SOURCE = Source(address="203.0.113.7", user_agent="")


@pytest.fixture
async def ada(world: World) -> User:
    """The user as a page knows them since its request has begun."""
    await world.make_user()
    user = world.wiring.services[Authenticator].recognise((await world.log_in()).access)
    assert isinstance(user, User)
    return user


async def ends(world: World) -> list[str | None]:
    rows = await world.db.fetch("SELECT end_reason FROM sessions")
    return [row[0] for row in rows]


async def test_also_if_a_role_changes_meanwhile(world: World, ada: User) -> None:
    """Threat: older proofs of the session are revoked then, and the session goes on."""
    async with world.db.begin() as tx:
        await world.service(SessionClaims).change_roles(tx, ada.user_id, Role.MODERATOR)

    await world.service(OwnSessions).leave(ada, SOURCE)

    assert await ends(world) == ["logout"]


async def test_a_session_that_has_ended_or_whose_account_is_gone_is_left_in_peace(
    world: World, ada: User
) -> None:
    own = world.service(OwnSessions)
    await own.log_out_everywhere(ada, SOURCE)
    await own.leave(ada, SOURCE)
    assert await ends(world) == ["logout_everywhere"]

    await world.db.execute("DELETE FROM users")
    await own.leave(ada, SOURCE)
