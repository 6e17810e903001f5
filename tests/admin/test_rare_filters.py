"""Filters that match hardly anybody have an index, though each half of them matches many."""

import pytest
from tests.fixtures.clock import START
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.login_log.models import LoginFilter
from keyfob.login_log.service import LoginLog

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


ATTEMPTS = """
INSERT INTO login_events (id, at, outcome, reason, device_type, browser, os)
SELECT gen_random_uuid(), $1::timestamptz - n * interval '1 second', 'refused', 'unknown_email',
       'desktop', CASE WHEN n % 1000 = 999 THEN 'Lynx 2' ELSE 'Chrome ' || n % 9 END,
       CASE WHEN n % 1000 = 999 THEN 'OpenBSD' ELSE 'Windows' END
  FROM generate_series(1, 4000) AS n
"""


@pytest.mark.parametrize(
    "wanted", [LoginFilter(browser="Lynx 2"), LoginFilter(os="OpenBSD")], ids=["browser", "os"]
)
async def test_a_device_that_few_attempts_came_from_is_found_in_an_index(
    world: World, wanted: LoginFilter
) -> None:
    await world.db.execute(ATTEMPTS, START)
    await world.db.execute("ANALYZE login_events")
    with recorded_statements() as statements:
        found = await world.service(LoginLog).list_events(wanted, before=None, limit=100)

    assert len(found) == 4
    (listing,) = [one for one in statements if "FROM login_events AS e" in one]
    plan = await world.db.fetch(f"EXPLAIN {listing}", wanted.browser or wanted.os, 100)
    assert any("_browser" in row[0] or "_os" in row[0] for row in plan), plan
