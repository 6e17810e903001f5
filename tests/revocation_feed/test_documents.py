"""The polled feed over HTTP: who may read it, and what a cache may do with it."""

import asyncio

import pytest
from tests.fixtures.feed import Follower, bearer
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import OUR_API, World

from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

ADA = "01890000-0000-7000-8000-000000000000"


async def revoke_one(world: World) -> None:
    user = await world.make_user("eve@example.com")
    async with world.db.begin() as tx:
        await world.service(Revocations).revoke(tx, [(user, 0)])


async def test_an_answer_names_its_position_and_is_asked_for_again(
    world: World, follower: Follower
) -> None:
    answer = await follower.ask()

    assert answer.headers["etag"] == f'"{follower.position}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Authorization"


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
async def test_nothing_new_is_304(world: World, follower: Follower, tag: str) -> None:
    held = {"If-None-Match": tag.format(follower.position)}
    for after in (follower.position, None):
        answer = await follower.ask(after, **held)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{follower.position}"'

    if tag != "*":
        await revoke_one(world)
        assert (await follower.ask(follower.position, **held)).status_code == 200


async def test_the_permission_opens_it_to_programs_and_administrators(world: World) -> None:
    root = await world.make_admin()
    body = {"name": "Feed", "scope": ["revocations:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=root.headers)
    for token in (root.access, made.json()["api_key"]):
        answer = await world.api.get("/revocations", headers=bearer(token))
        assert answer.status_code == 200


async def test_nobody_else_reads_it(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    lister = await make_program(world, scope=["users:read"], resources=[own_api(world)])
    for token in (ada.access, await lister.get_token()):
        refused = await world.api.get("/revocations", headers=bearer(token))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    refused = await world.api.get("/revocations")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == f"Bearer {OUR_API}"


async def test_those_who_ask_at_once_share_one_reading(world: World, follower: Follower) -> None:
    await revoke_one(world)
    with recorded_statements() as seen:
        answers = await asyncio.gather(*(follower.ask(follower.position) for _ in range(50)))

    assert {one.status_code for one in answers} == {200}
    assert len([one for one in seen if "pg_current_snapshot" in one]) <= 5
    assert {one.headers["etag"] for one in answers} != {f'"{follower.position}"'}


async def test_the_metadata_says_where_it_is(world: World, settings: Settings) -> None:
    told = (await world.api.get("/.well-known/oauth-authorization-server")).json()

    assert told["keyfob_revocations_endpoint"] == f"{settings.issuer_url}/revocations"
    streamed = f"{settings.issuer_url}/revocations/stream"
    assert told["keyfob_revocations_stream_endpoint"] == streamed
