"""`keyfob api-keys`: keys of users, listed and revoked by whoever runs the service."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4  # noqa: TID251 - an id of nobody

from tests.api_keys.test_own_keys import is_valid, key_of
from tests.cli.conftest import Run
from tests.fixtures.world import World

InWorld = Callable[..., Any]


def make(in_world: InWorld) -> tuple[str, str]:
    async def story(world: World) -> tuple[str, str]:
        await world.make_user()
        return await key_of(world, await world.log_in())

    made: tuple[str, str] = in_world(story)
    return made


def still_works(in_world: InWorld, key: str) -> bool:
    async def story(world: World) -> bool:
        return await is_valid(world, key)

    works: bool = in_world(story)
    return works


def test_keys_are_listed_and_revoked(keyfob: Run, in_world: InWorld) -> None:
    key_id, key = make(in_world)
    [listed] = keyfob("api-keys", "list", "ada@example.com", "--json").json
    assert (listed["id"], listed["name"], listed["scope"]) == (key_id, "Backup", "account:read")
    assert still_works(in_world, key)

    done = keyfob("api-keys", "revoke", "ada@example.com", key_id)

    assert done.out == f"Revoked the key {key_id}.\n"
    assert not still_works(in_world, key)
    assert keyfob("api-keys", "list", "ada@example.com", "--json").json == []
    again = keyfob("api-keys", "revoke", "ada@example.com", str(uuid4()))
    assert again.refusal == "ada@example.com has no valid key with that id"


def test_a_key_that_was_found_is_revoked(keyfob: Run, in_world: InWorld) -> None:
    _, key = make(in_world)
    assert keyfob("api-keys", "revoke-found", stdin=f"{key}\n").out == "Revoked the key.\n"
    assert not still_works(in_world, key)

    assert keyfob("api-keys", "revoke-found", stdin=key).refusal == "This is no valid API key"
