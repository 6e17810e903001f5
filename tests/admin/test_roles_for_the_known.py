"""No role is given to an account of which no administrator knows whose it is."""

from uuid import UUID

import httpx
import pytest
from tests.admin.test_further_roles import define, give
from tests.fixtures.links import recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.world import PASSWORD, SignedIn, World

BOSS = "boss@example.com"


@pytest.fixture
async def program(world: World) -> dict[str, str]:
    """The headers of a service account that may write users, and nothing else."""
    scope = ["users:write", "users:read"]
    client = await make_program(world, scope=scope, resources=[own_api(world)])
    return {"Authorization": f"Bearer {await client.get_token()}"}


async def make(world: World, headers: dict[str, str], **more: str) -> UUID:
    made = await world.api.post("/admin/users", json={"email": BOSS, **more}, headers=headers)
    assert made.status_code == 201, made.text
    return UUID(made.json()["id"])


async def promote(world: World, admin: SignedIn, user_id: UUID) -> tuple[int, int]:
    """Return the answers to a role and to a further role."""
    path, body = f"/admin/users/{user_id}", {"role": "moderator"}
    answer: httpx.Response = await world.api.patch(path, json=body, headers=admin.headers)
    return answer.status_code, (await give(world, admin, user_id, "clerk")).status_code


@pytest.fixture(autouse=True)
async def clerk(world: World, admin: SignedIn) -> None:
    await define(world, admin, "clerk", "users:read")


async def test_a_program_that_set_the_password_sits_in_no_account_with_a_role(
    world: World, admin: SignedIn, program: dict[str, str]
) -> None:
    """Threat: it knows the password, and the role comes when it is long gone."""
    user_id = await make(world, program, password=PASSWORD)

    assert await promote(world, admin, user_id) == (409, 409)


async def test_nor_does_who_was_moved_to_an_address_by_a_program(
    world: World, admin: SignedIn, program: dict[str, str]
) -> None:
    user_id = await world.make_user("thief@example.net")
    await world.db.execute("UPDATE users SET first_proven_at = now(), email_verified_at = now()")
    path = f"/admin/users/{user_id}"
    moved = await world.api.patch(path, json={"email": BOSS}, headers=program)
    assert moved.status_code == 200

    assert await promote(world, admin, user_id) == (409, 409)


async def test_an_address_that_its_reader_proves_is_known(
    world: World, admin: SignedIn, program: dict[str, str], mailbox: Mailbox
) -> None:
    user_id = await make(world, program, password=PASSWORD)
    assert (await recover(world, await recovery_token(world, mailbox, BOSS))).status_code == 204

    assert await promote(world, admin, user_id) == (200, 201)


async def test_whom_a_program_invited_may_have_a_role_before_the_first_sign_in(
    world: World, admin: SignedIn, program: dict[str, str]
) -> None:
    """Nobody but the reader of the invitation can sign in."""
    assert await promote(world, admin, await make(world, program)) == (200, 201)


async def test_an_administrator_s_word_says_whose_an_address_is(
    world: World, admin: SignedIn
) -> None:
    user_id = await make(world, admin.headers, password=PASSWORD)

    assert await promote(world, admin, user_id) == (200, 201)
