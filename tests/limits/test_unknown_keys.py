"""API keys that nobody made, or that may not be used, cost no more than requests of strangers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api_keys.test_own_keys import bearer, key_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.api_keys.service import ApiKeys
from keyfob.authority.models import Role
from keyfob.settings import Settings

ELSEWHERE = "198.51.100.7"


@pytest.fixture
async def limited(world: World, settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A worker beside `world`, whose strangers have two requests a minute."""
    told: dict[str, Any] = {"limits": "on", "limit_me": "2/minute", "limit_admin": "100/minute"}
    told["require_mfa_for"] = ["moderator"]
    async with World(settings.model_copy(update=told), clock) as worker:
        yield worker


async def status_of(world: World, key: str, path: str = "/me", address: str | None = None) -> int:
    async with world.client(*([address] if address else []), **bearer(key)) as client:
        return (await client.get(path)).status_code


def unknown_key(world: World) -> str:
    """Return the text of a key that nobody made, with the right checksum."""
    return world.service(ApiKeys).secrets.make().text


@pytest.mark.parametrize("path", ["/me", "/admin/users"])
async def test_after_some_of_them_they_are_not_even_looked_up(limited: World, path: str) -> None:
    """Threat: each costs a look-up, on a route that counts nothing or has refused already."""
    told = [await status_of(limited, unknown_key(limited), path) for _ in range(3)]

    with recorded_statements() as seen:
        told += [await status_of(limited, unknown_key(limited), path) for _ in range(3)]

    assert told == [401, 401, 429, 429, 429, 429]
    assert seen == []
    assert await status_of(limited, unknown_key(limited), path, ELSEWHERE) == 401


async def test_they_stop_no_key_in_use(world: World, limited: World, clock: MovableClock) -> None:
    """Threat: strangers behind an address lock out the programs behind it."""
    await world.make_user()
    ada = await world.log_in()
    (_, used), (_, fresh) = await key_of(world, ada), await key_of(world, ada, name="Other")
    assert await status_of(limited, used) == 200
    for _ in range(4):
        await status_of(limited, unknown_key(limited))

    clock.advance(11)  # it is read anew
    await status_of(limited, unknown_key(limited))

    assert await status_of(limited, used) == 200
    assert await status_of(limited, fresh) == 429
    assert await status_of(limited, fresh, address=ELSEWHERE) == 200
    assert await status_of(limited, fresh) == 200


async def test_a_key_whose_user_lacks_a_factor_counts_like_them(
    world: World, limited: World
) -> None:
    await world.make_user(role=Role.MODERATOR)
    _, key = await key_of(world, await world.log_in())

    assert [await status_of(limited, key) for _ in range(4)] == [403, 403, 429, 429]
