"""A factor that is removed counts no more for a request that is under way."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Authenticator, User
from keyfob.core.problems import Unauthenticated
from keyfob.sessions.standing import Standing


async def test_a_request_that_relied_on_a_removed_factor_is_refused(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(60)
    token = await ask_for_factor(world)
    thief = SignedIn.of(await show_factor(world, token, code=app.code()))
    caller = world.service(Authenticator).authenticate(thief.access)
    assert isinstance(caller, User)
    # No token of the session could be valid by now, so nothing of it is revoked: as of a browser.
    clock.advance(3600)
    token = await ask_for_factor(world)
    owner = SignedIn.of(await show_factor(world, token, code=app.code()))
    standing = world.service(Standing)
    async with world.db.begin() as tx:
        await standing.ensure(tx, caller)

    removed = await world.api.delete(f"/me/factors/{app.id}", headers=owner.headers)

    assert removed.status_code == 204, removed.text
    async with world.db.begin() as tx:
        with pytest.raises(Unauthenticated):
            await standing.ensure(tx, caller)
