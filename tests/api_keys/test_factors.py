"""API keys and second factors: no key administers that was made without the factor."""

import pytest
from tests.api_keys.test_own_keys import bearer, is_valid, key_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.world import SignedIn, World

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


@pytest.fixture
def asks(settings: Settings) -> Settings:
    """Settings that require a factor of administrators."""
    return settings.model_copy(update={"require_mfa_for": ["admin"]})


async def code_of(world: World, key: str) -> str | None:
    answer = await world.api.get("/me", headers=bearer(key))
    code: str | None = answer.json().get("code")
    return code


async def test_no_key_works_for_a_user_who_lacks_the_required_factor(
    settings: Settings, asks: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        admin = await before.make_admin()
        await before.make_user("ada@example.com")
        _, own = await key_of(before, admin)
        _, others = await key_of(before, await before.log_in("ada@example.com"))

    async with World(asks, clock) as after:
        gateway = await make_program(after, scope=[], resources=[own_api(after)])
        refused = await code_of(after, own), await gateway.introspect(own)
        worked = await code_of(after, others), (await gateway.introspect(others))["active"]
        await add_totp(after, admin, clock)

        assert refused == ("factor_required", {"active": False})
        assert worked == (None, True)
        assert await is_valid(after, own)


async def test_such_a_key_can_be_revoked(
    settings: Settings, asks: Settings, clock: MovableClock
) -> None:
    """Or it would be valid again, once there is a factor."""
    async with World(settings, clock) as before:
        admin = await before.make_admin()
        _, key = await key_of(before, admin)

    async with World(asks, clock) as after:
        gateway = await make_program(after, scope=[], resources=[own_api(after)])
        await gateway.revoke(key)
        await add_totp(after, admin, clock)

        assert not await is_valid(after, key)
