"""Access tokens that are refused before the database is asked."""

import httpx
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import OUR_API, World


async def present(world: World, token: str) -> httpx.Response:
    """Call with an access token that is refused before the database is asked."""
    with recorded_statements() as seen:
        answer = await world.api.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert seen == []
    return answer


async def assert_refused(world: World, token: str) -> None:
    answer = await present(world, token)
    assert answer.status_code == 401, token
    assert answer.json()["code"] == "invalid_token"
    assert answer.headers["www-authenticate"] == f'Bearer error="invalid_token", {OUR_API}'
    assert token not in answer.text
