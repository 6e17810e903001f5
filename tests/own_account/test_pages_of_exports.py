"""Lists of an export that can be long are read in pages."""

from uuid import UUID

from tests.fixtures.clock import START
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World
from tests.own_account.test_export import document


async def test_keys_are_read_in_pages_and_each_is_told_once(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await world.db.execute(
        """
        INSERT INTO api_keys
               (id, user_id, name, scope, key_hash, created_at, expires_at, revoked_at)
        SELECT gen_random_uuid(), $1, 'x', '{}', n::text::bytea, $2, $2, $2
          FROM generate_series(1, 450) AS n
        """,
        ada_id,
        START,
    )

    with recorded_statements() as seen:
        told = (await document(world, ada))["api_keys"]

    stored = await world.db.fetch("SELECT id FROM api_keys ORDER BY id")
    assert [one["id"] for one in told] == [str(row["id"]) for row in stored]
    assert len([one for one in seen if "FROM api_keys" in one]) == 3
