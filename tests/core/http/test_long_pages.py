"""A page of 1,000 rows holds the event loop hardly longer than one of 100."""

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.pauses import longest_pause
from tests.fixtures.world import World

from keyfob.authority.models import Role

pytestmark = pytest.mark.slow

ROWS = 1000
TRIES = 5


@pytest.fixture
async def token(world: World) -> str:
    """The access token of an administrator, after as many sign-ins, events and users."""
    await world.make_user("root@example.com", role=Role.ADMIN)
    signed_in = await world.log_in("root@example.com")
    for statement in (
        """
        INSERT INTO login_events (id, at, user_id, outcome, reason, ip_address, device_type,
                                  browser, os, session_id)
        SELECT gen_random_uuid(), e.at - n * interval '1 second', e.user_id, e.outcome, e.reason,
               e.ip_address, e.device_type, 'Firefox 145', 'Linux', gen_random_uuid()
          FROM login_events AS e, generate_series(1, $1) AS n
        """,
        """
        WITH made AS (
            INSERT INTO users (id, email, email_normal, created_at, updated_at)
            SELECT gen_random_uuid(), n || '@example.com', n || '@example.com', now(), now()
              FROM generate_series(1, $1) AS n
            RETURNING id
        )
        INSERT INTO user_activity (user_id) SELECT id FROM made
        """,
    ):
        await world.db.execute(statement, ROWS)
    return signed_in.access


async def shortest_of_some(world: World, path: str, token: str, limit: int) -> float:
    """Return the processor seconds for which a page holds the loop, as good as it gets."""
    found = []
    for _ in range(TRIES):
        seconds, answer = await longest_pause(
            call_raw(
                world,
                "GET",
                path,
                query=b"limit=%d" % limit,
                headers=[(b"authorization", b"Bearer " + token.encode())],
            )
        )
        assert answer.status == 200
        assert len(answer.json()) == limit
        found.append(seconds)
    return min(found)


@pytest.mark.parametrize("path", ["/me/logins", "/admin/logins", "/admin/users"])
async def test_a_long_page_is_made_in_pieces(world: World, token: str, path: str) -> None:
    short = await shortest_of_some(world, path, token, ROWS // 10)

    assert await shortest_of_some(world, path, token, ROWS) < 5 * short
