"""Filters that match hardly anybody have an index, though each half of them matches many."""

import pytest
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

# One in two has an address that is verified, and one in three of these has an app for codes.
PEOPLE = """
INSERT INTO users (id, email, email_normal, created_at, updated_at, first_proven_at,
                   email_verified_at, has_totp)
SELECT gen_random_uuid(), address, address, now(), now(), now(),
       CASE WHEN n % 2 = 0 THEN now() END, n % 6 = 0
  FROM generate_series(1, 3000) AS n, LATERAL (SELECT n || '@example.com') AS a (address)
"""


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("never_proven=true", "users_never_proven"),
        ("verified=false&factor=any", "users_unverified_with_factor"),
        ("verified=false&factor=totp", "users_unverified_with_factor"),
    ],
)
async def test_an_index_of_these_alone_is_read(world: World, query: str, index: str) -> None:
    admin = await world.make_admin()
    await world.db.execute(PEOPLE)
    await world.db.execute("ANALYZE users")
    with recorded_statements() as statements:
        answer = await world.api.get(f"/admin/users?{query}", headers=admin.headers)
    assert answer.json() == []

    (counting,) = [one for one in statements if "FROM users AS u" in one]  # and none for rows
    assert "SELECT count(*) FROM (" in counting
    plan = await world.db.fetch(f"EXPLAIN {counting}")
    assert any(f"using {index} " in row[0] or f"on {index} " in row[0] for row in plan), plan
