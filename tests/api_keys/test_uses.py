"""Uses of API keys are written some seconds late, and keys that have ended are kept for a while."""

import asyncio
from uuid import UUID

import pytest
from tests.api_keys.test_own_keys import is_valid, key_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.api_keys.service import ApiKeys
from keyfob.core.problems import DatabaseUnavailable


async def test_a_use_that_could_not_be_written_is_written_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.make_user()
    _, key = await key_of(world, await world.log_in())
    keys = world.service(ApiKeys)
    assert await is_valid(world, key)

    async def fail(*_: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("keyfob.api_keys.queries.write_uses", fail)
        with pytest.raises(DatabaseUnavailable):
            await keys.write_uses()
    await keys.write_uses()

    assert await world.db.fetchval("SELECT last_used_at FROM api_keys") is not None


async def test_a_key_that_is_just_being_revoked_holds_up_no_other_use(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    made = [await key_of(world, ada) for _ in range(3)]
    for _, key in reversed(made):
        assert await is_valid(world, key)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM api_keys WHERE id = $1 FOR UPDATE", UUID(made[0][0]))
        async with asyncio.timeout(5):
            await world.service(ApiKeys).write_uses()

    used = await world.db.fetch("SELECT id FROM api_keys WHERE last_used_at IS NOT NULL")
    assert {str(row["id"]) for row in used} == {made[1][0], made[2][0]}


async def test_of_a_user_s_ended_keys_the_newest_200_stay(
    world: World, clock: MovableClock
) -> None:
    ada_id, bob_id = await world.make_user(), await world.make_user("bob@example.com")
    ada = await world.log_in()
    live_id, _ = await key_of(world, ada)
    clock.advance(1)
    for owner in (ada_id, bob_id):
        await world.db.execute(
            """
            INSERT INTO api_keys
                   (id, user_id, name, scope, key_hash, created_at, expires_at, revoked_at)
            SELECT gen_random_uuid(), $1, 'x', '{}', ($3::text || n)::bytea, $2, $2, $2
              FROM generate_series(1, 250) AS n
            """,
            owner,
            clock.now(),
            str(owner),
        )

    last_id, _ = await key_of(world, ada)

    async def ended_of(user_id: UUID) -> int:
        amount: int = await world.db.fetchval(
            "SELECT count(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NOT NULL", user_id
        )
        return amount

    assert (await ended_of(ada_id), await ended_of(bob_id)) == (200, 250)
    listed = (await world.api.get("/me/api-keys", headers=ada.headers)).json()
    assert [one["id"] for one in listed] == [last_id, live_id]
