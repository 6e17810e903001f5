"""A factor that is added while a password is checked: the sign-in has to present it."""

import asyncio

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, begin_totp, confirm_totp, show_factor
from tests.fixtures.waiting import until_so_many_wait, until_somebody_waits
from tests.fixtures.world import CLIENT, SignedIn, World

from keyfob.devices.source import Source
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

HERE = Source(CLIENT, "")
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.mark.parametrize("cost", [4, 5], ids=["hash as configured", "hash to be replaced"])
async def test_a_sign_in_under_way_is_asked_for_a_factor_that_commits_first(
    settings: Settings, clock: MovableClock, cost: int
) -> None:
    """Both over HTTP in workers of their own; a lock by hand decides who is first."""
    other_cost = settings.model_copy(update={"bcrypt_cost": cost})
    async with World(settings, clock) as world, World(other_cost, clock) as other:
        await world.make_user()
        ada = await world.log_in()
        app = await begin_totp(world, ada, clock)

        async with world.db.begin() as tx:
            await tx.execute("SELECT FROM factors FOR UPDATE")
            confirming = asyncio.create_task(confirm_totp(world, ada, app))
            await until_so_many_wait(world.db, 1)  # it holds Ada's row, and waits for the factor's
            signing_in = asyncio.create_task(other.attempt_login())
            await until_so_many_wait(world.db, 2)  # its password was right, there was no factor yet
        confirmed, answer = await confirming, await signing_in

        assert confirmed.status_code == 200
        assert (answer.status_code, answer.json()["code"]) == (401, "mfa_required")
        assert [factor["id"] for factor in answer.json()["factors"]] == [app.id]
        assert await world.db.fetchval("SELECT count(*) FROM sessions") == 1
        clock.advance(30)
        shown = await show_factor(world, answer.json()["mfa_token"], code=app.code())
        assert (await world.me(SignedIn.of(shown))).status_code == 200


async def test_a_sign_in_that_commits_first_is_found_by_the_factor(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    app = await begin_totp(world, ada, clock)

    async with world.db.begin() as tx:
        earlier = await world.open_session(tx, user_id, HERE)
        confirming = asyncio.create_task(confirm_totp(world, ada, app))
        await until_somebody_waits(world.db)
    assert (await confirming).status_code == 200

    removal = await world.api.delete(f"/me/factors/{app.id}", headers=earlier.headers)
    assert (removal.status_code, removal.json()["acr_values"]) == (401, "aal2")


@pytest.mark.parametrize(
    ("amr", "opens"), [(("pwd",), False), (("pop", "user"), False), (("pwd", "otp", "mfa"), True)]
)
async def test_no_way_opens_a_session_without_the_factor_that_there_is(
    world: World, clock: MovableClock, amr: tuple[str, ...], *, opens: bool
) -> None:
    user_id = await world.make_user()
    await add_totp(world, await world.log_in(), clock)
    await world.make_user("bob@example.com")

    async with world.db.begin() as tx:
        session = await world.service(Sessions).open(tx, user_id, HERE, amr)

    assert (session is not None) == opens
    assert (await world.me(await world.log_in("bob@example.com"))).status_code == 200


async def test_what_was_begun_and_not_confirmed_asks_for_nothing(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    await begin_totp(world, await world.log_in(), clock)

    assert (await world.me(await world.log_in())).status_code == 200
