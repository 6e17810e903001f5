"""A second step that is refused."""

from tests.fixtures.factors import (
    show_factor,
)
from tests.fixtures.world import World


async def assert_refused(world: World, mfa_token: str, **factor: object) -> None:
    answer = await show_factor(world, mfa_token, **factor)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_factor")
    assert answer.headers["www-authenticate"] == "Bearer"
