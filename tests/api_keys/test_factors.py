"""API keys and second factors: no key administers that was made without the factor."""

import pytest
from tests.api_keys.test_own_keys import bearer, is_valid, key_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings


async def administers(world: World, key: str) -> bool:
    answer = await world.api.get("/admin/users", headers=bearer(key))
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def test_keys_that_administer_end_with_the_first_factor(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    """Whoever has stolen the password makes one before; the owner adds a factor after."""
    admin = await world.make_admin()
    _, stolen = await key_of(world, admin, scope=["users:read"])
    _, reader = await key_of(world, admin)
    assert await administers(world, stolen)

    await add_totp(world, admin, clock)

    assert not await administers(world, stolen)
    assert await is_valid(world, reader)
    [event] = [one for one in await world.audit_log() if one["action"] == "factor.added"]
    assert event["new_values"]["api_keys_ended"] == 1
    told = await mailbox.next(subject="A second factor was added")
    assert "API keys that may administer have ended" in told.text


async def test_keys_that_are_made_with_the_factor_stay_with_the_next(
    world: World, clock: MovableClock
) -> None:
    admin = await world.make_admin()
    await add_totp(world, admin, clock)
    admin = SignedIn.of(await world.refresh(admin.refresh))
    _, key = await key_of(world, admin, scope=["users:read"])

    await add_totp(world, admin, clock)

    assert await administers(world, key)


@pytest.mark.parametrize(("role", "works"), [(Role.ADMIN, False), (Role.USER, True)])
async def test_no_key_works_for_a_user_who_lacks_the_required_factor(
    settings: Settings, clock: MovableClock, role: Role, works: bool
) -> None:
    async with World(settings, clock) as before:
        await before.make_user("ada@example.com", role=role)
        ada = await before.log_in("ada@example.com")
        _, key = await key_of(before, ada)

    asks = settings.model_copy(update={"require_mfa_for": ["admin"]})
    async with World(asks, clock) as after:
        assert await is_valid(after, key) is works

        await add_totp(after, ada, clock)

        assert await is_valid(after, key)
